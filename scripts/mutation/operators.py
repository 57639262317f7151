# SPDX-License-Identifier: GPL-2.0
"""The mutants of a file: those of cargo-mutants, and operators of our own.

cargo-mutants replaces values, operators and match arms. The operators here remove
statements (a dropped reference, a missing call), negate and remove checks, swap errnos,
move lengths by one and weaken accesses to memory, in Rust and in C. Each hunk of the
series in a C function is reverted as well.
"""

import collections
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import dataclass

# Without one side of a lock, a guest hangs at once, which says nothing of the tests. The
# models of `make prove` remove locks.
LOCK = re.compile(r"(?:raw_)?(?:spin|mutex|rcu_read|read|write|inode|local|fuse_lock)_?\w*lock\w*$"
                  r"|(?:down|up)_(?:read|write)$")
ERRNO = re.compile(r"E(?:PERM|NOENT|INTR|IO|BADF|AGAIN|NOMEM|ACCES|FAULT|EXIST|XDEV|NODEV|NOTDIR"
                   r"|ISDIR|INVAL|FBIG|ROFS|RANGE|NAMETOOLONG|NOSYS|LOOP|OVERFLOW|OPNOTSUPP"
                   r"|NOTSUPP|STALE|SRCH|NOTCONN|CONNREFUSED|CANCELED|NODATA|CHILD|NXIO"
                   r"|NOIOCTLCMD|NFILE|MFILE|PROTO|BUSY|RESTARTSYS|CONNABORTED|2BIG|DOM)$")
SWAP_ANYWHERE = {"true": "false", "false": "true", "min": "max", "max": "min",
                 "is_some": "is_none", "is_none": "is_some", "is_ok": "is_err",
                 "is_err": "is_ok", "is_some_and": "is_none_or", "is_none_or": "is_some_and",
                 "Acquire": "Relaxed", "Release": "Relaxed", "read_volatile": "read",
                 "smp_load_acquire": "READ_ONCE", "smp_store_release": "WRITE_ONCE"}
# cargo-mutants replaces operators in Rust.
C_OPERATORS = {"==": "!=", "!=": "==", "<": "<=", ">": ">=", "<=": "<", ">=": ">",
               "&&": "||", "||": "&&", "+=": "-=", "-=": "+=", "|=": "&="}
NO_STATEMENT = {"let", "const", "static", "use", "type", "struct", "fn", "impl", "return", "if",
                "match", "for", "while", "loop", "else", "break", "continue", "#", "enum", "goto",
                "switch", "case", "default", "do", "typedef", "union", "extern", "register",
                "__label__", "}", "{", ";"}
NO_ACTION = ("DEFINE_", "DECLARE_", "CLASS", "LIST_HEAD", "BUILD_BUG", "guard", "WARN_ON",
             "lockdep_assert", "trace_")


@dataclass(eq=False)
class Mutant:
    file: str
    line: int
    column: int
    start: int
    end: int
    replacement: str
    operator: str
    function: str
    key: str = ""           # changes with the function
    label: str = ""         # does not
    number: int = 0
    probe: int = 0

    @property
    def name(self):
        return f"{self.file}:{self.line}:{self.column}: {self.operator}"


class Lister:
    """Collects the mutants of one file."""

    def __init__(self, source, changed):
        self.source, self.changed = source, changed
        self.found = {}
        # The text of each function, and a number if the file has the same function twice.
        self.identity, seen = {}, collections.Counter()
        for function in source.functions:
            text = f"{source.path} {function.name} {source.text[function.start:function.end]}"
            seen[text] += 1
            self.identity[function.start] = f"{seen[text]} {text}"

    def add(self, start, end, replacement, operator):
        source = self.source
        function = source.function_at(start, end)
        lines = range(source.line(start), source.line(max(start, end - 1)) + 1)
        if not function or source.text[start:end] == replacement:
            return
        if self.changed is not None and not self.changed & set(lines):
            return
        # A part of an #if cannot be copied.
        if not source.rust and re.search(r"^#", f"{source.text[start:end]}\n{replacement}",
                                         re.MULTILINE):
            return
        # No test contains what a check at compile time refuses.
        if any(first <= start and end <= last for first, last in source.asserts):
            return
        identity = (start, end, replacement)
        if identity in self.found:
            return
        mutant = Mutant(source.path, lines[0], source.column(start), start, end, replacement,
                        " ".join(operator.split()), function.name)
        change = f"{start - function.start}:{end - function.start}:{replacement}"
        digest = hashlib.sha256(f"{self.identity[function.start]} {change}".encode())
        mutant.key = digest.hexdigest()[:16]
        self.found[identity] = mutant

    def own(self):
        for function in self.source.functions:
            self.statements(function)
            self.checks(function)
            self.tokens(function)
            if self.source.rust:
                self.values(function)

    # ---- a removed statement ----

    def statements(self, function):
        source, header = self.source, 0
        for at in range(function.first, function.last):
            if not source.rust and source.word(at) == "for" and at + 1 in source.match:
                header = source.match[at + 1]
            if at < header:
                continue
            begins = source.word(at - 1) in ("{", "}", ";") or (
                not source.rust and source.word(at - 1) in (")", "else", ":"))
            if not begins or source.word(at) in NO_STATEMENT:
                continue
            if source.word(at - 1) in (")", ":") and not self.body_of_check(at - 1):
                continue
            end = self.end_of_statement(at, function)
            if end is None or not self.is_action(at, end):
                continue
            start, stop = source.tokens[at].start, source.tokens[end].end
            self.add(start, stop, ";" if not source.rust else "",
                     f"remove `{source.text[start:stop][:60]}`")

    def body_of_check(self, at):
        """Return whether the token ends the condition of a check without braces, or a label."""
        source = self.source
        if source.word(at) == ":":
            return source.tokens[at - 1].kind == "word" and source.word(at - 2) in (";", "}")
        return source.word(source.opened.get(at, 0) - 1) in ("if", "while", "for")

    def end_of_statement(self, at, function):
        source = self.source
        while at < function.last:
            text = source.word(at)
            if text == ";":
                return at
            if text in ("(", "[", "{") and at in source.match:
                at = source.match[at]
                if text == "{" and source.rust and source.word(at + 1) not in (".", "?", ";", ")"):
                    return None
            elif text in (")", "]", "}"):
                return None
            at += 1
        return None

    def is_action(self, at, end):
        """Return whether the statement is a call or an assignment, and not a declaration."""
        source = self.source
        words = source.tokens[at:end]
        if source.rust:
            return True
        if LOCK.match(words[0].text):
            return False
        if words[0].text in ("*", "++", "--", "("):
            return True
        # "type name", "struct x *name": a declaration has two names before "=" or ";".
        if len(words) > 1 and words[0].kind == "word" and (
                words[1].kind == "word" or words[1].text == "*" and words[2:3] and
                words[2].kind == "word" and (len(words) == 3 or words[3].text in ("=", ",", "["))):
            return False
        return not words[0].text.startswith(NO_ACTION) and any(
            token.text in ("(", "=", "++", "--", "|=", "&=", "+=", "-=") for token in words)

    # ---- a negated or missing check ----

    def checks(self, function):
        source = self.source
        for at in range(function.first, function.last):
            if source.word(at) not in ("if", "while") or source.word(at + 1) == "let":
                continue
            if source.rust:
                brace = at + 1
                while source.word(brace) != "{" and brace < function.last:
                    if source.word(brace) == "let":
                        brace = function.last
                    brace = source.match.get(brace, brace) + 1
                if brace >= function.last:
                    continue
                start, end = source.tokens[at + 1].start, source.tokens[brace - 1].end
            else:
                # The "while" of a "do" ends it.
                ends = source.word(at - 1) == "}" and source.word(at) == "while"
                if source.word(at + 1) != "(" or ends:
                    continue
                start = source.tokens[at + 1].end
                end = source.tokens[source.match[at + 1]].start
                brace = source.match[at + 1] + 1
            condition = source.text[start:end]
            # The operators of other conditions are replaced one by one.
            simple = not re.search(r"[=!<>]=|[<>] |&&|\|\|", condition)
            if simple and source.word(at) == "if" and not (source.rust and condition[0] == "!"):
                self.add(start, end, f"!({condition})", f"negate `{condition[:60]}`")
            if source.word(at) == "while" or self.without_else(at, brace):
                never = f"false && ({condition})" if source.rust else f"0 && ({condition})"
                self.add(start, end, never, f"never check `{condition[:60]}`")

    def without_else(self, at, brace):
        source = self.source
        if source.word(at - 1) == "else" or source.word(brace) != "{":
            return source.word(at - 1) != "else"
        return source.word(source.match[brace] + 1) != "else"

    # ---- single tokens ----

    def tokens(self, function):
        source = self.source
        for at in range(function.first, function.last):
            token, before, after = source.tokens[at], source.word(at - 1), source.word(at + 1)
            if token.kind == "word":
                self.word(at, token, before, after)
            elif not source.rust and token.text in C_OPERATORS and before != "case":
                new = C_OPERATORS[token.text]
                self.add(token.start, token.end, new, f"replace {token.text} with {new}")
            elif not source.rust and token.text in "+-" and self.is_binary(at):
                new = "-" if token.text == "+" else "+"
                self.add(token.start, token.end, new, f"replace {token.text} with {new}")

    def is_binary(self, at):
        before = self.source.tokens[at - 1]
        return before.kind == "word" and before.text != "return" or before.text in (")", "]")

    def word(self, at, token, before, after):
        source, text = self.source, token.text
        if ERRNO.match(text):
            new = "ENOENT" if text == "EINVAL" else "EINVAL"
            self.add(token.start, token.end, new, f"replace {text} with {new}")
        elif text in SWAP_ANYWHERE and (text in ("true", "false") or after in ("(", ":", ",", ")")):
            new = SWAP_ANYWHERE[text]
            self.add(token.start, token.end, new, f"replace {text} with {new}")
        elif re.fullmatch(r"\d+([ui]\d+|usize)?", text) and before not in (".", "case") \
                and not (source.rust and after == "."):
            number = re.match(r"\d+", text)[0]
            new = text.replace(number, str(int(number) + 1), 1)
            self.add(token.start, token.end, new, f"replace {text} with {new}")
        elif text in ("len", "size_of", "sizeof", "strlen"):
            self.length(at)
        elif text == "ManuallyDrop" and source.word(at + 3) == "new" and source.rust:
            end = source.match[at + 4]
            start, stop = source.tokens[at + 4].start, source.tokens[end].end
            self.add(token.start, stop, source.text[start:stop],
                     "drop a reference that is given away")

    def length(self, at):
        """Move a length by one, in both directions."""
        source = self.source
        while source.word(at) not in ("(", ";", "{", ","):
            at += 1
        if source.word(at) != "(" or source.word(source.match[at] + 1) in (".", "as", "?"):
            return
        end = source.tokens[source.match[at]].end
        for new in (" + 1", " - 1"):
            self.add(end, end, new, f"length{new}")

    # ---- the value of a function that cargo-mutants skips ----

    def values(self, function):
        result = function.result
        if not function.unsafe:
            return
        values = {"": [""], "bool": ["true", "false"], "Result": ["Ok(())"],
                  "c_int": ["0", "-1"], "c_long": ["0", "-1"],
                  "u32": ["0", "1"], "usize": ["0", "1"]}
        new = values.get(result, [])
        if result.startswith("Option<"):
            new = ["None"]
        elif result.startswith("Result<"):
            new = ["Err(EINVAL)"]
        elif result.startswith("*mut"):
            new = ["core::ptr::null_mut()"]
        for value in new:
            self.add(function.start, function.end, f" {value} ",
                     f"replace {function.name} with {value or '()'}")


def cargo_mutants(tool, scratch, sources, listers):
    """Add the mutants that cargo-mutants lists. The scratch package is not compiled."""
    shutil.rmtree(scratch, ignore_errors=True)
    modules = []
    for number, source in enumerate(sources):
        copy = scratch / "src" / source.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(source.text)
        modules.append(f'#[path = "{source.path}"]\nmod m{number};\n')
    (scratch / "src/lib.rs").write_text("".join(modules))
    (scratch / "Cargo.toml").write_text('[package]\nname = "listed"\nversion = "0.0.0"\n'
                                        'edition = "2021"\n[workspace]\n')
    run = subprocess.run([tool, "mutants", "--list", "--json", "--diff", "-d", scratch],
                         capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"mutants: error: cargo-mutants ended with {run.returncode}:\n"
                         + run.stderr)
    known = {source.path: source for source in sources}
    for entry in json.loads(run.stdout):
        path = entry["file"].removeprefix("src/")
        source, span = known[path], entry["span"]
        # A column counts characters; the sources are ASCII.
        start = source.offset(span["start"]["line"], span["start"]["column"])
        end = source.offset(span["end"]["line"], span["end"]["column"])
        what = entry["name"].split(": ", 1)[1]
        listers[path].add(start, end, entry["replacement"], what)


def hunks(lister, diff):
    """Revert each hunk of the series that lies in one function of a C file."""
    source = lister.source
    for hunk in diff:
        old, new = hunk["old"], hunk["new"]
        first = hunk["line"]
        start = source.offset(first, 1) if new else source.offset(first + 1, 1)
        end = start + sum(len(line) for line in new)
        function = source.function_at(start, end)
        if not function or (start == function.start and end == function.end):
            continue
        lister.add(start, end, "".join(old), f"revert {len(new)} lines of the series")


def changed_lines(diff):
    lines = set()
    for hunk in diff:
        lines.update(range(hunk["line"], hunk["line"] + max(1, len(hunk["new"]))))
    return lines


def parse_diff(text):
    """Return the hunks of each file of a diff without context."""
    files, current, hunk = {}, None, None
    for line in text.splitlines(keepends=True):
        if line.startswith("+++ "):
            current = files.setdefault(line[6:].strip(), [])
        elif match := re.match(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@", line):
            hunk = {"line": int(match[1]), "old": [], "new": []}
            current.append(hunk)
        elif hunk and line.startswith("-") and not line.startswith("--- "):
            hunk["old"].append(line[1:])
        elif hunk and line.startswith("+"):
            hunk["new"].append(line[1:])
        elif line.startswith("diff "):
            hunk = None
    return files
