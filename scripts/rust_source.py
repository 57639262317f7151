# SPDX-License-Identifier: GPL-2.0
"""A parser of Rust tokens, items and paths for sizes.py and public_items.py.

It does not expand macros and does not evaluate cfg.
"""

import re
from dataclasses import dataclass

TOKEN = re.compile(r"""
    (?P<space>\s+)
  | (?P<comment>//[^\n]*|/\*)
  | (?P<string>b?r(?P<hashes>\#*)".*?"(?P=hashes)|[bc]?"(?:\\.|[^"\\])*")
  | (?P<char>b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\])')
  | (?P<lifetime>'\w+)
  | (?P<word>(?:r\#)?\w+)
  | (?P<mark>::|=>|->|\.\.=?|.)
""", re.VERBOSE | re.DOTALL)


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    line: int
    last: int       # the line of its end


def skip_comment(text, start):
    """Return the end of a block comment, which may contain block comments."""
    depth, place = 0, start
    for mark in re.finditer(r"/\*|\*/", text[start:]):
        depth += 1 if mark[0] == "/*" else -1
        place = start + mark.end()
        if not depth:
            break
    return place


def tokens(text):
    """Return the tokens of a file, without comments."""
    found, place, line = [], 0, 1
    while place < len(text):
        match = TOKEN.match(text, place)
        kind, end = match.lastgroup, match.end()
        if kind == "hashes":
            kind = "string"
        if match[0] == "/*":
            end = skip_comment(text, place)
        last = line + text.count("\n", place, end)
        if kind not in ("space", "comment"):
            found.append(Token(kind, match[0], line, last))
        place, line = end, last
    return found


def code_lines(text):
    """Return the number of lines with code on them."""
    return len({line for token in tokens(text) for line in range(token.line, token.last + 1)})


def unsafe_blocks(text):
    """Return the number of unsafe blocks, including those in examples."""
    return len(re.findall(r"\bunsafe \{", text))


def is_test(path):
    return path.endswith("/tests.rs") or "/tests/" in path


def module_of(path):
    """Return the module of a file as a tuple. A file outside of the kernel crate is a
    separate crate."""
    if not path.startswith("rust/kernel/"):
        return ("crate:" + path,)
    names = path.removeprefix("rust/kernel/").removesuffix(".rs").split("/")
    return ("kernel", *(() if names == ["lib"] else names))


@dataclass
class Item:
    """A public item."""
    kind: str           # fn, struct, ..., or "provided" for a trait item with a default
    path: tuple         # kernel::module::Type::name
    owner: tuple        # the path of the type or trait that it belongs to, or ()
    file: str
    line: int

    @property
    def name(self):
        return self.path[-1]


@dataclass
class Use:
    """A name in the code of a file."""
    path: tuple         # as far as it can be resolved; ("?", name) for the name of a method
    line: int
    within: tuple       # the items around it, outermost first
    defines: bool = False   # an implementation of a trait's item


KEYWORDS = {"fn", "struct", "enum", "union", "trait", "type", "const", "static"}
MODIFIERS = {"const", "unsafe", "async", "extern", "default", "safe"}
OPEN, CLOSE = "([{", ")]}"
BEFORE_ITEM = "{};]"        # or nothing


class File:
    """The public items of a file, and the names in its code."""

    def __init__(self, path, text):
        self.path = path
        self.module = module_of(path)
        self.tokens = tokens(text)
        self.items = []
        self.uses = []
        self.imports = {}       # local name: path
        self.globs = []         # modules
        self.match = self.matching()
        self.read_imports(0, len(self.tokens), self.module)
        self.read(0, len(self.tokens), (), (), False)

    def text(self, at):
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""

    def matching(self):
        """Map each opening bracket to its end."""
        match, stack = {}, []
        for at, token in enumerate(self.tokens):
            if token.kind != "mark":
                continue
            if token.text in OPEN:
                stack.append(at)
            elif token.text in CLOSE and stack:
                match[stack.pop()] = at
        return match

    # ---- imports ----

    def read_imports(self, at, end, module):
        while at < end:
            if self.text(at) == "use" and self.tokens[at].kind == "word" and self.text(at + 1) != "<":
                at = self.read_use(at + 1, (), module)
            at += 1

    def read_use(self, at, prefix, module):
        """Read one tree of a use declaration. Return its end."""
        path = prefix
        while True:
            text = self.text(at)
            if text == "{":
                stop, at = self.match[at], at + 1
                while at < stop:
                    at = self.read_use(at, path, module)
                    at += self.text(at) == ","
                return stop + 1
            if text == "*":
                self.globs.append(self.absolute(path, module))
                return at + 1
            if self.tokens[at].kind == "word":
                path, at = (*path, text), at + 1
            elif text == "$":
                at += 1
            elif text == "::":
                at += 1
            else:
                break
            if self.text(at) == "as":
                self.add_import(self.text(at + 1), path, module)
                return at + 2
        if path != prefix:
            self.add_import(path[-1], path, module)
        return at

    def add_import(self, name, path, module):
        if path[-1] == "self":
            path = path[:-1]
            name = path[-1] if name == "self" and path else name
        self.imports[name] = self.absolute(path, module)

    def absolute(self, path, module):
        """Resolve the head of a path."""
        if path and path[0] == "crate":
            return (module[0], *path[1:])
        if path and path[0] in ("self", "super"):
            base = module
            while path and path[0] in ("self", "super"):
                base = base[:-1] if path[0] == "super" else base
                path = path[1:]
            return (*base, *path)
        if path and path[0] in self.imports and self.imports[path[0]] != path:
            return (*self.imports[path[0]], *path[1:])
        if path and path[0] in ("kernel", "core", "alloc", "pin_init", "macros", "bindings"):
            return path
        return (*module, *path)

    # ---- items and uses ----

    def skip_attributes(self, at):
        """Return the position after the attributes at a position, and their text."""
        words = []
        while self.text(at) == "#" and self.text(at + 1) in ("[", "!"):
            begin = at + 1 + (self.text(at + 1) == "!")
            stop = self.match[begin]
            words += [token.text for token in self.tokens[begin:stop]]
            at = stop + 1
        return at, words

    def body(self, at, end):
        """Return the positions of the braces of an item, or the end of an item without a body."""
        while at < end:
            text = self.text(at)
            if text == "{":
                return at, self.match[at]
            if text == ";":
                return None, at
            at = self.match[at] + 1 if text in "([" and at in self.match else at + 1
        return None, end

    def read(self, at, end, within, owner, of_trait):
        """Read items and names; `owner` is the type whose implementation this is."""
        while at < end:
            at, attributes = self.skip_attributes(at)
            if at >= end:
                return
            begin, public = at, False
            if self.text(at) == "pub":
                public, at = True, at + 1
                if self.text(at) == "(" and self.text(at + 1) in ("crate", "super", "self", "in"):
                    public, at = False, self.match[at] + 1
            keyword = at
            while self.text(keyword) in MODIFIERS and (
                    self.text(keyword + 1) in MODIFIERS | KEYWORDS | {"impl"}
                    or self.tokens[min(keyword + 1, end - 1)].kind == "string"):
                keyword += 1
                keyword += self.tokens[keyword].kind == "string"
            word = self.text(keyword)
            if word == "use" and self.tokens[keyword].kind == "word" and self.text(keyword + 1) != "<":
                while self.text(at) != ";" and at < end:
                    at += 1
                at += 1
            elif word == "macro_rules" and self.text(keyword + 1) == "!":
                at = self.read_macro(keyword + 2, "macro_export" in attributes, within)
            elif word == "mod" and self.tokens[keyword + 1].kind == "word":
                brace, stop = self.body(keyword, end)
                test = "kunit_tests" in attributes or "test" in attributes
                if brace is not None and not test:
                    self.read(brace + 1, stop, within, (), False)
                at = stop + 1
            elif word == "impl" and self.text(begin - 1) in BEFORE_ITEM:
                at = self.read_impl(keyword, end, within)
            elif word in KEYWORDS and self.text(begin - 1) in BEFORE_ITEM + "(" \
                    and self.tokens[keyword + 1].kind == "word":
                at = self.read_item(word, keyword + 1, end, public, within, owner, of_trait)
            else:
                at = self.read_name(at, within, owner)

    def read_item(self, word, at, end, public, within, owner, of_trait):
        token = self.tokens[at]
        path = (*(owner or self.module), token.text)
        brace, stop = self.body(at, end)
        known = of_trait is True
        if public or known:
            kind = word
            if known and (brace is not None or "=" in
                          [t.text for t in self.tokens[at:stop] if t.kind == "mark"]):
                kind = "provided"
            self.items.append(Item(kind, path, owner, self.path, token.line))
        elif of_trait:
            self.uses.append(Use((*of_trait, token.text), token.line, within, True))
        inside = (*within, path)
        if word == "trait":
            self.read_names(at + 1, brace if brace is not None else stop, inside, path)
            if brace is not None:
                self.read(brace + 1, stop, inside, path, public)
        elif word == "enum" and brace is not None:
            self.read_variants(brace, stop, public, inside, path)
        else:
            self.read(at + 1, stop, inside, () if word == "struct" else owner, False)
        return stop + 1

    def read_variants(self, at, stop, public, within, owner):
        while at < stop:
            at, _ = self.skip_attributes(at + 1)
            if at < stop and public:
                self.items.append(Item("variant", (*owner, self.text(at)), owner, self.path,
                                       self.tokens[at].line))
            # Skip the fields or the value of the variant, up to the comma that ends it.
            at += 1
            while at < stop and self.text(at) != ",":
                end = self.match[at] + 1 if self.text(at) in ("(", "{") else at + 1
                self.read_names(at, end, within, ())
                at = end

    def read_names(self, at, end, within, owner):
        while at < end:
            at = self.read_name(at, within, owner)

    def read_impl(self, at, end, within):
        brace, stop = self.body(at, end)
        if brace is None:
            return at + 1
        # The last path outside of angle brackets, before "where" and after "for".
        depth, begin, separator = 0, at + 1, None
        head = at + 1
        for place in range(at + 1, brace):
            text = self.text(place)
            depth += (text == "<") - (text == ">")
            if not depth and text == "for":
                separator = place
            if not depth and text == "where":
                break
            if text == ">" and not depth and begin == at + 1 and self.text(at + 1) == "<":
                begin = head = place + 1
        target = self.type_at(separator + 1 if separator else head, brace)
        trait = self.type_at(head, separator) if separator else None
        self.read_names(at + 1, brace, (*within, target), target)
        self.read(brace + 1, stop, (*within, target), target, trait or False)
        return stop + 1

    def type_at(self, at, end):
        """Return the path of the type at a position."""
        while at < end and self.text(at) in ("&", "*", "mut", "dyn", "const", "?", "!", "unsafe", "(") \
                or self.tokens[at].kind == "lifetime":
            at += 1
        path = ()
        while at < end and (self.tokens[at].kind == "word" or self.text(at) in ("::", "$")):
            if self.tokens[at].kind == "word":
                path = (*path, self.text(at))
            at += 1
        return self.absolute(path, self.module) if path else ("?",)

    def read_macro(self, at, exported, within):
        token = self.tokens[at]
        stop = self.match[at + 1]
        path = ("kernel", token.text + "!")
        if exported:
            self.items.append(Item("macro", path, (), self.path, token.line))
        # A macro is a template: the items in it belong to its users.
        self.read_names(at + 1, stop, (*within, path), ())
        return stop + 1

    def read_name(self, at, within, owner):
        """Read a path, or skip a token that is no path. Return the position after it."""
        token = self.tokens[at]
        if token.kind != "word" or token.text[0].isdigit():
            return at + 1
        before = self.text(at - 1)
        if before == ".":
            self.uses.append(Use(("?", token.text), token.line, within))
            return at + 1
        path, line = (token.text,), token.line
        if before == "$" and token.text == "crate":
            path = ("kernel",)
        elif before == "::":
            path = ("?", token.text)    # after a generic argument
        at += 1
        while self.text(at) == "::":
            if self.tokens[at + 1].kind == "word":
                path, at = (*path, self.text(at + 1)), at + 2
            elif self.text(at + 1) == "<":
                # Method::<T> or Type::<T>::method
                depth, place = 0, at + 1
                while True:
                    depth += (self.text(place) == "<") - (self.text(place) == ">")
                    place += 1
                    if not depth or place >= len(self.tokens):
                        break
                self.read_names(at + 2, place - 1, within, owner)
                at = place
            else:
                break
        if path[0] == "Self" and owner:
            path = (*owner, *path[1:])
        elif path[0] not in ("?", "kernel"):
            path = self.absolute(path, self.module)
        if self.text(at) == "!" and self.text(at + 1) in OPEN:
            path = ("kernel", path[-1] + "!")
        self.uses.append(Use(path, line, within))
        return at
