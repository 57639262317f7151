# SPDX-License-Identifier: GPL-2.0
"""Tokens, functions and blocks of Rust and C files, as far as mutants.py needs them.

The parsers rely on the format of kernel code: rustfmt, and function bodies whose braces
are in the first column of a C file.
"""

import bisect
import re
from dataclasses import dataclass, field

import rust_source

C_TOKEN = re.compile(r"""
    (?P<space>(?:\s|\\\n)+)
  | (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<directive>(?<![^\n])\#(?:\\\n|[^\n])*)
  | (?P<string>L?"(?:\\.|[^"\\])*")
  | (?P<char>'(?:\\.|[^'\\])+')
  | (?P<word>\w+)
  | (?P<mark>->|\+\+|--|<<=|>>=|<<|>>|[<>=!&|+*/%^-]=|&&|\|\||\.\.\.|.)
""", re.VERBOSE | re.DOTALL)


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass
class Block:
    """A block of statements: its first and last offset inside of the braces."""
    start: int
    end: int


@dataclass
class Function:
    """A function with its body: the offsets inside of the braces."""
    name: str
    start: int
    end: int
    first: int          # index of the first token of the body
    last: int           # index of the closing brace
    result: str = ""    # the type that it returns, or ""
    const: bool = False
    unsafe: bool = False
    blocks: list = field(default_factory=list)


def rust_tokens(text):
    found, place = [], 0
    while place < len(text):
        match = rust_source.TOKEN.match(text, place)
        kind, end = match.lastgroup, match.end()
        kind = "string" if kind == "hashes" else kind
        if match[0] == "/*":
            end = rust_source.skip_comment(text, place)
        if kind not in ("space", "comment"):
            found.append(Token(kind, text[place:end], place, end))
        place = end
    return found


def c_tokens(text):
    return [Token(m.lastgroup, m[0], m.start(), m.end()) for m in C_TOKEN.finditer(text)
            if m.lastgroup not in ("space", "comment")]


class Source:
    """A file, its tokens, and the functions that mutants are made of."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.rust = path.endswith(".rs")
        self.tokens = rust_tokens(text) if self.rust else c_tokens(text)
        self.match, self.opened = self.matching()
        self.lines = [0] + [m.end() for m in re.finditer("\n", text)]
        self.functions = self.rust_functions() if self.rust else self.c_functions()
        for function in self.functions:
            function.blocks = list(self.blocks(function))
        self.asserts = list(self.compile_time_asserts()) if self.rust else []

    def matching(self):
        """Map each opening bracket to its end, and each end to its opening bracket."""
        match, opened, stack = {}, {}, []
        for at, token in enumerate(self.tokens):
            if token.kind == "mark" and token.text in "([{":
                stack.append(at)
            elif token.kind == "mark" and token.text in ")]}" and stack:
                match[stack[-1]] = at
                opened[at] = stack.pop()
        return match, opened

    def line(self, offset):
        """Return the number of the line of an offset."""
        return bisect.bisect_right(self.lines, offset)

    def column(self, offset):
        return offset - self.lines[self.line(offset) - 1] + 1

    def offset(self, line, column):
        return self.lines[line - 1] + column - 1

    def word(self, at):
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""

    def function_at(self, start, end):
        for function in self.functions:
            if function.start <= start and end <= function.end:
                return function
        return None

    # ---- Rust ----

    def rust_functions(self):
        found, at = [], 0
        while at < len(self.tokens):
            text = self.word(at)
            if text == "macro_rules" or text == "mod" and self.is_test(at):
                while self.word(at) not in ("{", ";", ""):
                    at += 1
                at = self.match.get(at, at)
            elif text == "fn" and self.tokens[at + 1].kind == "word":
                function = self.rust_function(at)
                if function:
                    found.append(function)
                    at = function.last
            at += 1
        return found

    def compile_time_asserts(self):
        """Yield the first and the last offset of each assert!() in a const block."""
        block = 0
        for at, token in enumerate(self.tokens):
            if token.text == "const" and self.word(at + 1) == "{":
                block = self.match[at + 1]
            elif token.text == "assert" and at < block:
                yield token.start, self.tokens[self.match[at + 2]].end + 1

    def is_test(self, at):
        """Return whether the module that begins here contains tests."""
        return self.word(at + 1) == "tests" or "kunit_tests" in (
            token.text for token in self.tokens[max(0, at - 8):at])

    def rust_function(self, at):
        brace, arrow = at + 2, None
        while self.word(brace) not in ("{", ";", ""):
            if self.word(brace) == "->":
                arrow = brace
            brace = self.match[brace] + 1 if self.word(brace) in ("(", "[") else brace + 1
        if self.word(brace) != "{":
            return None
        stop = brace
        for place in range(at, brace):
            if self.word(place) == "where":
                stop = place
                break
        before = [self.word(place) for place in range(max(0, at - 5), at)]
        for end in (";", "}", "{", "]"):
            if end in before:
                before = before[len(before) - before[::-1].index(end):]
        result = ""
        if arrow and arrow < stop:
            result = self.text[self.tokens[arrow + 1].start:self.tokens[stop - 1].end]
        return Function(self.word(at + 1), self.tokens[brace].end,
                        self.tokens[self.match[brace]].start, brace + 1, self.match[brace],
                        result, "const" in before, "unsafe" in before)

    def blocks(self, function):
        """Yield the blocks of statements of a function, outermost first."""
        yield Block(function.start, function.end)
        template = 0
        for at in range(function.first, function.last):
            if self.word(at) == "macro_rules":
                template = self.match[at + 3]
            if at >= template and self.word(at) == "{" and self.tokens[at].kind == "mark" \
                    and self.is_block(at, function):
                yield Block(self.tokens[at].end, self.tokens[self.match[at]].start)

    def is_block(self, brace, function):
        before = self.word(brace - 1)
        if before in ("else", "=>", "loop", "do"):
            return True
        if not self.rust:
            # "(struct x){" is no block: a word comes before the parenthesis of a check or loop.
            head = self.tokens[self.opened[brace - 1] - 1] if before == ")" else None
            return head is not None and head.kind == "word" \
                and head.text not in ("switch", "return")
        # "if", "while" or "for": look back for the keyword of the same depth.
        at = brace - 1
        while at >= function.first:
            text = self.word(at)
            if self.tokens[at].kind == "mark" and text in ")]}" and at in self.opened:
                if text == "}" and not (self.word(at + 1) in (".", "?", "=", "|")):
                    return False
                at = self.opened[at] - 1
                continue
            if text in ("if", "while"):
                return True
            if text in ("{", "(", "[", ";", "match", ",", "unsafe"):
                return False
            at -= 1
        return False

    # ---- C ----

    def c_functions(self):
        found = []
        for match in re.finditer(r"\)\n\{\n", self.text):
            brace = match.start() + 2
            at = bisect.bisect_left([token.start for token in self.tokens], brace)
            if self.word(at) != "{" or at not in self.match:
                continue
            head = self.tokens[self.opened.get(at - 1, at - 1) - 1]
            begin = self.text.rfind("\n\n", 0, brace)
            result = "void" if re.search(r"\bvoid\s+(?:\w+\s+)*" + re.escape(head.text) + r"\b",
                                         self.text[begin:brace]) else "value"
            found.append(Function(head.text, brace + 1, self.tokens[self.match[at]].start,
                                  at + 1, self.match[at], result))
        return found
