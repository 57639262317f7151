#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measure which lines of the series its quick suites execute.

QEMU logs each block of kernel code when it translates it, which is immediately before it
first executes it.  The debug information of vmlinux maps each instruction to its line and to
the lines of the calls that were inlined there.  The kernel is not instrumented.  The figures
are those of an optimised build: a line without code is not counted.

Counted are the lines that the series adds to files that are linked into vmlinux.  Tests and
modules are not, nor are functions in Rust that neither vmlinux nor a module refers to: rustc
also emits a function that it has inlined in each of its callers.

The result is build/coverage/lcov.info, for genhtml and CI systems, and
build/coverage/missed.txt, which names the functions that never run and the lines.

  coverage.py FLAVOUR [ARGUMENT of test.py...]
"""

import bisect
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict

from lib import BUILD, TOP, say, setting

LINUX = setting("LINUX")
OUT = BUILD / "coverage"
# What is measured. Tests run as a whole, and would only add to the figure.
COUNTED = re.compile(r"^(fs|rust|io_uring|include)/.*\.(rs|c|h)$")
EXCLUDED = re.compile(r"(^|/)tests(/|\.rs$)|^rust/(bindings|uapi|helpers)/")

# Sections of an object that refer to functions without calling them
NO_CALLS = re.compile(r"debug|export_symbol|ksymtab|discard|orc|eh_frame|_sites|patchable|mcount|"
                      "addrsig")

HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")
RELOCATIONS = re.compile(r"^Relocation section '([^']*)'")
INSTRUCTION = re.compile(r"^0x([0-9a-f]+):  ")
FILE_ENTRY = re.compile(r'^(file_names|include_directories)\[ *(\d+)\]')
ROW = re.compile(r"^0x([0-9a-f]{16}) +(\d+) +\d+ +(\d+) +\d+ +\d+ +\d+ *(.*)$")


def tool(name):
    """An LLVM tool of the version that setup.sh has chosen."""
    run = subprocess.run(["bash", "-c", f'. "$0" && command -v "{name}${{LLVM#1}}"',
                          BUILD / "env.sh"], stdout=subprocess.PIPE, text=True, check=False)
    return run.stdout.strip() or sys.exit(f"coverage: error: {name} is not installed")


def is_counted(name):
    return bool(COUNTED.match(name) and not EXCLUDED.search(name))


def added_lines():
    """The lines that the series adds, by file."""
    diff = subprocess.run(["git", "-C", LINUX, "diff", "-U0", "--no-color", "--no-ext-diff",
                           "base..HEAD"], stdout=subprocess.PIPE, text=True, check=True).stdout
    lines, name = defaultdict(set), None
    for line in diff.splitlines():
        if line.startswith("+++ "):
            name = line[6:] if line.startswith("+++ b/") else None
            if name and not is_counted(name):
                name = None
        elif name and (hunk := HUNK.match(line)):
            start, length = int(hunk[1]), int(hunk[2] or 1)
            lines[name].update(range(start, start + length))
    return lines


def name_in_tree(directory, name):
    """The path of a source below the tree, or None."""
    path = os.path.normpath(os.path.join(directory, name))
    for top in (LINUX + "/", "../linux/", "./"):
        if path.startswith(top):
            path = path[len(top):]
            break
    return None if path.startswith(("/", "..")) else path


class LineTable:
    """The rows of vmlinux that belong to given files."""

    def __init__(self, vmlinux, wanted):
        self.wanted = wanted
        self.vmlinux = vmlinux
        # Of units that have code of these files: (first address, address after the last)
        self.rows = []
        command = [tool("llvm-dwarfdump"), "--debug-line", vmlinux]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            self.read(process.stdout)
        if process.returncode:
            sys.exit(f"coverage: error: {command[0]} ended with {process.returncode}")
        self.ranges = list(self.with_callers())

    def with_callers(self):
        """(first address, address after the last, file, line) of each row, and of each call
        that was inlined there."""
        command = [tool("llvm-symbolizer"), "--obj", str(self.vmlinux), "--inlines",
                   "--functions=none"]
        text = subprocess.run(command, input="".join(f"{first:#x}\n" for first, _ in self.rows),
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        for (first, end), stack in zip(self.rows, text.split("\n\n")):
            for frame in stack.splitlines():
                name, line, _ = frame.rsplit(":", 2)
                name = name_in_tree("", name)
                if name in self.wanted and line.isdigit() and int(line):
                    yield first, end, name, int(line)

    def read(self, output):
        directories, files, entry, before = {}, {}, None, None
        for line in output:
            if row := ROW.match(line):
                before = self.add_row(files, before, row)
            elif line.startswith("debug_line["):
                directories, files, before = {}, {}, None
            elif match := FILE_ENTRY.match(line):
                entry = (match[1], int(match[2]))
                if match[1] == "include_directories":
                    directories[entry[1]] = line.split('"')[1]
            elif entry and line.lstrip().startswith("name: "):
                name = line.split('"')[1]
            elif entry and line.lstrip().startswith("dir_index: "):
                directory = directories.get(int(line.split(":")[1]), "")
                path = name_in_tree(os.path.join(directories.get(0, ""), directory), name)
                files[entry[1]] = path if path in self.wanted else None
                entry = None

    def add_row(self, files, before, row):
        address = int(row[1], 16)
        if before is not None and before < address and any(files.values()):
            self.rows.append((before, address))
        return None if "end_sequence" in row[4] else address


def executed(traces):
    """The addresses of all instructions that ran, in order."""
    addresses = set()
    for trace in traces:
        with open(trace, encoding="utf-8", errors="replace") as file:
            for line in file:
                if match := INSTRUCTION.match(line):
                    addresses.add(int(match[1], 16))
    return sorted(addresses)


def references(unlinked):
    """The symbols that code or data of an object refers to."""
    stripped = OUT / "stripped.o"
    subprocess.run([tool("llvm-objcopy"), "--strip-debug", unlinked, stripped], check=True)
    command = [tool("llvm-readelf"), "--relocs", "--wide", stripped]
    names, counts = set(), False
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if section := RELOCATIONS.match(line):
                counts = not NO_CALLS.search(section[1])
            elif counts and len(fields := line.split()) >= 5:
                names.add(fields[4])
    if process.returncode or not names:
        sys.exit(f"coverage: error: {command[0]} cannot read the relocations of {unlinked}")
    stripped.unlink()
    return names


def needed_by_modules(directory):
    """The symbols of vmlinux that modules refer to."""
    modules = sorted(directory.rglob("*.ko"))
    if not modules:
        return set()
    run = subprocess.run([tool("llvm-nm"), "--undefined-only", "--just-symbol-name", *modules],
                         stdout=subprocess.PIPE, text=True, check=True)
    return set(run.stdout.split())


def uncalled(vmlinux):
    """The global Rust functions that nothing refers to: (first address, address after the
    last), in order. vmlinux.o has the relocations of vmlinux."""
    known = references(vmlinux.with_name("vmlinux.o")) | needed_by_modules(vmlinux.parent)
    run = subprocess.run([tool("llvm-nm"), "--numeric-sort", vmlinux], stdout=subprocess.PIPE,
                         text=True, check=True)
    symbols = [fields for line in run.stdout.splitlines() if len(fields := line.split()) == 3]
    return [(int(address, 16), int(after[0], 16))
            for (address, kind, name), after in zip(symbols, symbols[1:])
            if kind == "T" and name.startswith("_R") and name not in known]


def is_in(ranges, address):
    at = bisect.bisect_right(ranges, (address, float("inf"))) - 1
    return at >= 0 and address < ranges[at][1]


def hits(table, addresses, added, uncounted=()):
    """For each file, its lines that have code, and whether any of that ran."""
    result = defaultdict(dict)
    for first, end, name, line in table.ranges:
        if line in added[name] and not is_in(uncounted, first):
            at = bisect.bisect_left(addresses, first)
            ran = at < len(addresses) and addresses[at] < end
            result[name][line] = result[name].get(line, False) or ran
    return result


def text_range(vmlinux):
    """The addresses of kernel code, as QEMU's -dfilter takes them."""
    run = subprocess.run([tool("llvm-nm"), vmlinux], stdout=subprocess.PIPE, text=True, check=True)
    symbols = {fields[2]: int(fields[0], 16) for line in run.stdout.splitlines()
               if len(fields := line.split()) == 3 and fields[2] in ("_stext", "_einittext")}
    return f"{symbols['_stext']:#x}..{symbols['_einittext']:#x}"


def write_lcov(lines):
    with open(OUT / "lcov.info", "w", encoding="utf-8") as file:
        for name, found in sorted(lines.items()):
            file.write(f"TN:\nSF:{LINUX}/{name}\n")
            file.writelines(f"DA:{line},{int(ran)}\n" for line, ran in sorted(found.items()))
            file.write(f"LF:{len(found)}\nLH:{sum(found.values())}\nend_of_record\n")


def write_missed(lines):
    """The source of every line that has code and did not run."""
    with open(OUT / "missed.txt", "w", encoding="utf-8") as file:
        for name, found in sorted(lines.items()):
            with open(f"{LINUX}/{name}", encoding="utf-8") as source:
                text = source.read().splitlines()
            file.writelines(f"{name}:{line}: {text[line - 1].strip()}\n"
                            for line, ran in sorted(found.items()) if not ran)


def report(lines, added):
    for name, found in sorted(lines.items()):
        print(f"{name:52} {sum(found.values()):5} of {len(found):5} lines"
              f" {100 * sum(found.values()) / len(found):6.1f} %")
    for kind, ends in (("Rust", (".rs",)), ("C", (".c", ".h"))):
        every = [ran for name, found in lines.items() if name.endswith(ends)
                 for ran in found.values()]
        if every:
            print(f"{kind}: {sum(every)} of {len(every)} lines, "
                  f"{100 * sum(every) / len(every):.1f} %")
    if without := [name for name in sorted(added) if name not in lines and name[-2:] != ".h"]:
        print("No code in this configuration:", *without)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    flavour, arguments = sys.argv[1], sys.argv[2:] or ["--quick"]
    vmlinux = BUILD / flavour / "vmlinux"
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    # %d: a second boot does not replace the trace of the first.
    extra = f"-d in_asm -D {OUT}/trace.%d -dfilter {text_range(vmlinux)}"
    tests = subprocess.run([TOP / "scripts/test.py", flavour, *arguments], check=False,
                           env={**os.environ, "QEMU_EXTRA": extra, "ACCEL": "tcg"})
    traces = sorted(OUT.glob("trace.*"))
    addresses = executed(traces)
    if not addresses:
        sys.exit("coverage: error: QEMU logged no kernel code")
    added = added_lines()
    uncounted = uncalled(vmlinux)
    lines = hits(LineTable(vmlinux, added), addresses, added, uncounted)
    if not lines:
        sys.exit(f"coverage: error: {vmlinux} has no line tables of the series")
    for trace in traces:
        trace.unlink()
    write_lcov(lines)
    write_missed(lines)
    report(lines, added)
    say(f"     {len(uncounted)} functions in Rust that nothing calls are not counted")
    say(f"     {OUT.relative_to(TOP)}: lcov.info, missed.txt")
    sys.exit(tests.returncode)


if __name__ == "__main__":
    main()
