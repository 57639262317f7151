#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""List the unsafe code that the series adds, with the argument for each piece.

  unsafe_code.py

Reads the commit that is checked out in build/linux.  For each unsafe block, prints its place, the
operation in it and the first sentence of its SAFETY comment; likewise for each unsafe implementation.
For each unsafe function, prints the first sentence of its `# Safety` section.  Ends with 1 if one of
these is missing.  Of a file that exists in the base, only what the series adds is listed.  Unsafe
code in examples of the documentation is not listed.
"""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

from rust_source import is_test, tokens
from tree import BASE, Failure, out

WIDTH = 96
GROUPS = ("kernel crate", "outside of the kernel crate", "tests")
KINDS = ("C function", "C field", "Rust function", "other block", "unsafe impl", "unsafe fn")
STATEMENT_ENDS = {";", "{", "}", "=>"}


@dataclass
class Piece:
    path: str
    line: int
    kind: str
    code: str
    argument: str       # or "" if there is none


def added_lines(path):
    """Return the numbers of the lines that the series adds to a file."""
    added = set()
    for line in out("diff", "-U0", BASE, "HEAD", "--", path).splitlines():
        if match := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(match[1]), int(match[2] or 1)
            added.update(range(first, first + count))
    return added


def one_line(text):
    text = " ".join(re.sub(r"//.*", "", line).strip() for line in text.splitlines())
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= WIDTH else text[:WIDTH - 3] + "..."


def kind_of(code):
    """Return what an unsafe block does: the first of these that it contains."""
    if re.search(r"\bbindings::\w+\s*\(", code):
        return "C function"
    if re.search(r"\(\*[^)]*\)+\.|\*\w+\.", code) and not re.search(r"\w+\(", code.split(")", 1)[-1]):
        return "C field"
    return "Rust function" if "(" in code else "other block"


def comments_above(lines, number):
    """Return the comment and attribute lines that end above a line, without their marks."""
    found = []
    while number > 1:
        text = lines[number - 2].strip()
        if not text.startswith(("//", "#[")):
            break
        found.insert(0, re.sub(r"^//[/!]? ?", "", text))
        number -= 1
    return found


def argument(comments, mark):
    """Return the first sentence that follows a mark, clipped."""
    for at, text in enumerate(comments):
        if text.startswith(mark):
            rest = " ".join([text[len(mark):], *comments[at + 1:]])
            rest = re.sub(r"\s+", " ", rest).strip()
            sentence = re.match(r".*?\.(?= [A-Z`]|$)|.*", rest)[0]
            return sentence if len(sentence) <= 2 * WIDTH else sentence[:2 * WIDTH - 3] + "..."
    return ""


def statement_line(found, at):
    """Return the line where the statement or the match arm that contains a token begins."""
    line, depth = found[at].line, 0
    for token in reversed(found[:at]):
        if token.kind == "mark" and not depth and token.text in STATEMENT_ENDS:
            break
        if token.kind == "mark":
            depth += (token.text in ")]") - (token.text in "([" and depth > 0)
        line = token.line
    return line


def closing(found, at):
    """Return the place of the brace that closes the one at a place."""
    depth = 0
    for place in range(at, len(found)):
        depth += (found[place].text == "{") - (found[place].text == "}")
        if not depth:
            return place
    raise Failure(f"line {found[at].line}: a brace is not closed")


def trait_implementations(found):
    """Return the places of the braces around each implementation of a trait."""
    for at, token in enumerate(found):
        if token.text != "impl" or found[at - 1].text not in ("unsafe", ";", "}", "]", "{"):
            continue
        brace = next((place for place in range(at, len(found)) if found[place].text == "{"), None)
        if brace and "for" in (t.text for t in found[at:brace]):
            yield brace, closing(found, brace)


def pieces(path, text):
    """Return the unsafe code of a file."""
    lines, found = text.splitlines(), tokens(text)
    traits = list(trait_implementations(found))
    for at, token in enumerate(found):
        if token.text != "unsafe" or token.kind != "word":
            continue
        after = [t.text for t in found[at + 1:at + 5]]
        if after[:1] == ["{"]:
            stop = closing(found, at + 1)
            body = "\n".join(lines[token.line - 1:found[stop].last])
            code = one_line(body[body.index("unsafe"):])
            code = code.removeprefix("unsafe {").strip()
            code = code[:code.rindex("}")].strip() if "}" in code else code
            # Above the block itself, or above the statement around it.
            why = ""
            for line in range(token.line, statement_line(found, at) - 1, -1):
                why = why or argument(comments_above(lines, line), "SAFETY:")
            yield Piece(path, token.line, kind_of(code), code, why)
        elif after[:1] == ["impl"]:
            why = argument(comments_above(lines, token.line), "SAFETY:")
            yield Piece(path, token.line, "unsafe impl", one_line(lines[token.line - 1]), why)
        elif "fn" in after:
            place = at + 1 + after.index("fn")
            if found[place + 1].kind != "word":
                continue    # the type of a pointer to a function
            line = statement_line(found, at)
            why = argument(comments_above(lines, line), "# Safety")
            if not why and any(first < at < last for first, last in traits):
                why = "The contract is that of the trait."
            name = one_line(lines[found[place].line - 1]).rstrip(" ({")
            yield Piece(path, token.line, "unsafe fn", name, why)


def rust_files():
    names = out("diff", "--name-only", "--diff-filter=AM", BASE, "HEAD").splitlines()
    return [name for name in names if name.endswith(".rs")]


def group(path):
    if is_test(path):
        return GROUPS[2]
    return GROUPS[0] if path.startswith("rust/kernel/") else GROUPS[1]


def main():
    listed, missing = [], []
    for path in rust_files():
        added = added_lines(path)
        for piece in pieces(path, out("show", f"HEAD:{path}")):
            if piece.line not in added:
                continue
            listed.append(piece)
            print(f"{piece.path}:{piece.line}: {piece.code}\n"
                  f"        {piece.argument or 'MISSING'}")
            if not piece.argument:
                missing.append(piece)
    print()
    print(" " * 20 + "".join(f"{name:>30}" for name in GROUPS))
    for kind in KINDS:
        counts = Counter(group(piece.path) for piece in listed if piece.kind == kind)
        print(f"{kind:20}" + "".join(f"{counts[name]:30}" for name in GROUPS))
    without = sorted(set(rust_files()) - {piece.path for piece in listed})
    print("\nFiles without unsafe code:")
    for path in without:
        print("  " + path)
    if missing:
        raise Failure(f"{len(missing)} without an argument:\n" + "\n".join(
            f"  {piece.path}:{piece.line}: {piece.code}" for piece in missing))


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"unsafe: error: {error}")
    except Failure as failure:
        sys.exit(f"unsafe: error: {failure}")
