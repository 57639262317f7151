# SPDX-License-Identifier: GPL-2.0
"""Write sources that contain all mutants: each function chooses one of its bodies at run time.

A function with mutants becomes a match (in C, a switch) of the number that
/sys/module/mutant/parameters/chosen holds. Its first arm is the original body, with a
probe in each block that has mutants. Every other arm is a copy of the body with one
change, so that a mutant is whatever the text of a function can be.
"""

import re

C_LABEL = re.compile(r"^[ \t]*([a-z_]\w*):(?![:\w])(?=[ \t]*(?:;|$|/\*|[a-z_]))", re.MULTILINE)


class Instrumented:
    """The new text of a file, and the mutant of each of its lines."""

    def __init__(self, source, mutants, keep_const):
        self.source = source
        self.mutants = mutants
        self.keep_const = keep_const
        self.text = ""
        self.owner = {}         # line: mutant
        self.original = []      # ranges of lines with an unchanged body, and its function
        self.build()

    def build(self):
        source, place = self.source, 0
        if not source.rust:
            self.put("#include <linux/mutant.h>\n")
        by_function = {}
        for mutant in self.mutants:
            function = source.function_at(mutant.start, mutant.end)
            by_function.setdefault(function.start, (function, []))[1].append(mutant)
        for start in sorted(by_function):
            function, mutants = by_function[start]
            self.put(self.without_const(source.text[place:start], function))
            (self.rust if source.rust else self.c)(function, mutants)
            place = function.end
        self.put(source.text[place:])

    def without_const(self, head, function):
        if not function.const:
            return head
        before, name, after = head.rpartition("fn " + function.name)
        at = before.rindex("const ")
        return before[:at] + before[at + len("const "):] + name + after

    def put(self, text, mutant=None):
        if mutant:
            line = self.text.count("\n") + 1
            for number in range(line, line + text.count("\n") + 1):
                self.owner[number] = mutant
        self.text += text

    def body(self, function, mutant):
        text = self.source.text
        before, after = text[function.start:mutant.start], text[mutant.end:function.end]
        return before + mutant.replacement + after

    def probed(self, function, mutants, call):
        """Return the body with a probe at the start of each block that contains mutants."""
        probes = {}
        for mutant in mutants:
            block = max((block for block in function.blocks
                         if block.start <= mutant.start and mutant.end <= block.end),
                        key=lambda block: block.start)
            probes.setdefault(block.start, mutant.number)
            mutant.probe = probes[block.start]
        text, place, new = self.source.text, function.start, ""
        for start in sorted(probes):
            new += text[place:start] + call.format(probes[start])
            place = start
        return new + text[place:function.end]

    def rust(self, function, mutants):
        inside = self.source.path.startswith("rust/kernel/")
        module = "crate::mutant" if inside else "kernel::mutant"
        first, last = mutants[0].number, mutants[-1].number
        self.put(f"\nmatch {module}::of({first}, {last}) {{\n0 => {{")
        self.put(self.probed(function, mutants, f" {module}::probe({{}});"))
        self.put("}\n")
        for mutant in mutants:
            self.put(f"{mutant.number} => {{{self.body(function, mutant)}}}", mutant)
            self.put("\n")
        self.put(f"_ => {module}::none(),\n}}\n")

    def c(self, function, mutants):
        first, last = mutants[0].number, mutants[-1].number
        original = self.source.text[function.start:function.end]
        self.put(f"\nswitch (mutant_of({first}, {last})) {{\n")
        for mutant in mutants:
            body = self.body(function, mutant)
            self.put(f"case {mutant.number}: {{{labels(body)}{body}}} break;", mutant)
            self.put("\n")
        body = self.probed(function, mutants, " mutant_probe({});")
        self.put(f"default: {{{labels(original)}{body}}} break;\n}}\n")
        if function.result != "void":
            self.put("__builtin_unreachable();\n")


def labels(body):
    """Declare the labels of a body, so that each copy of it has its own."""
    names = [name for name in dict.fromkeys(C_LABEL.findall(body)) if name != "default"]
    return f" __label__ {', '.join(names)};" if names else ""
