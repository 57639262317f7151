# SPDX-License-Identifier: GPL-2.0
"""Find functions in C and Rust files, and hash them without comments and white space."""

import hashlib
import re

# A token of Rust code. Block comments do not nest.
TOKEN = re.compile(r"""
    (?P<skipped>\s+ | //[^\n]* | /\*.*?\*/)
  | b?r(?P<hashes>\#*)".*?"(?P=hashes) | [bc]?"(?:\\.|[^"\\])*"     # strings
  | b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\])'                         # characters
  | '\w+                                                           # lifetimes
  | (?:r\#)?\w+ | :: | => | -> | \.\.=? | .
""", re.VERBOSE | re.DOTALL)


def without_comments(text):
    """Return C code without comments and with one space for each run of white space."""
    keep = re.sub(r"/\*.*?\*/|//[^\n]*|(\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')",
                  lambda match: match[1] or " ", text, flags=re.DOTALL)
    return " ".join(keep.split())


def c_functions(text, name):
    """Return all definitions of a function or a macro, without comments."""
    found = re.findall(rf"^#define {name}\((?:.*\\\n)*.*", text, re.MULTILINE)
    for match in re.finditer(rf"^[A-Za-z_][^;{{}}#]*?\b{name}\((?:[^;{{]|\n)*?\n?\{{.*?^\}}",
                             text, re.MULTILINE | re.DOTALL):
        found.append(match[0])
    return [without_comments(code) for code in found]


def rust_tokens(text):
    """Return the tokens of Rust code, without comments."""
    return [match[0] for match in TOKEN.finditer(text) if match.lastgroup != "skipped"]


def rust_functions(text, name):
    """Return all definitions of a function, without comments. "T::f" is a function in an
    implementation of T, or in a trait T."""
    words = rust_tokens(text)
    owner, _, function = name.rpartition("::")
    found, stack, head = [], [], 0
    for at, word in enumerate(words):
        if word == "{":
            stack.append(words[head:at])
        elif word == "}" and stack:
            stack.pop()
        if word in ("{", "}", ";"):
            head = at + 1
        if word == "fn" and words[at + 1] == function and \
                (not owner or any(is_block_of(owner, block) for block in stack)):
            found.append(" ".join(words[at:body_end(words, at)]))
    return found


def is_block_of(owner, block):
    return owner in block and ("impl" in block or "trait" in block)


def body_end(words, at):
    """Return the end of the function at a position: of its body, or its semicolon."""
    depth = 0
    for end in range(at, len(words)):
        depth += (words[end] in "{([") - (words[end] in "})]")
        if not depth and words[end] in ("}", ";"):
            return end + 1
    return len(words)


def hash_of(linux, place):
    """Return the hash of FILE:FUNCTION in a tree, or None if it does not exist."""
    path, name = place.split(":", 1)
    if not (linux / path).is_file():
        return None
    text = (linux / path).read_text(encoding="utf-8")
    found = (rust_functions if path.endswith(".rs") else c_functions)(text, name)
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16] if found else None
