#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""List the public items that the series adds to the kernel crate, and their users.

  public_items.py [--unused]

Reads the commit that is checked out in build/linux.  An item is a `pub` function, type,
constant, macro, method, variant or trait item in a Rust file that the series adds or changes.
A user is another file of the tree that names the item, except for tests and documentation.  The
exit status is 1 if an item has no user.

  - A type or variant also counts as used if its own file names it, for example in the signature
    of a public function.  For a type, this must be outside of its implementation.
  - A trait item with a default counts as used if an implementation overrides it, or if a file
    outside of the directory of the trait calls it.  A trait item without a default requires an
    implementation.
  - An exported macro is a user of the items that it expands to.

Limitations: Names are resolved by the imports of a file, not by types.  A method call `.name()`
counts for each type that has such a method and whose module the file names.  If no other function
in the kernel crate has that name, it is sufficient that the file uses a module of the series.  An
item that only unused items use is not reported.  Fields, modules, `pub use` and implementations of
other traits (operators, Drop) are not listed.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from rust_source import File, is_test

TOP = Path(__file__).resolve().parent.parent
LINUX = Path(os.environ.get("LINUX", TOP / "build/linux"))
CRATE = "rust/kernel/"
IN_OWN_FILE = {"struct", "enum", "union", "trait", "type", "variant"}


def git(*args):
    return subprocess.run(["git", "-C", str(LINUX), *args], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def paths(*args):
    return [path for path in git(*args).splitlines() if path.endswith(".rs")]


def read(commit, path):
    return git("show", f"{commit}:{path}")


def added_items(sources):
    """Return the items that the base does not have."""
    items = []
    changed = set(paths("diff", "--name-only", "--diff-filter=M", "base", "HEAD", "--", CRATE))
    for path in paths("diff", "--name-only", "--diff-filter=AM", "base", "HEAD", "--", CRATE):
        if not is_test(path):
            old = {item.path for item in File(path, read("base", path)).items} \
                if path in changed else set()
            items += [item for item in sources[path].items if item.path not in old]
    return items


def same_module(a, b):
    """Return True if both are the same module, or one re-exports the items of the other."""
    short, long = sorted((a, b), key=len)
    return long[:len(short)] == short


def home(path):
    """Return the module of an item below kernel or kernel::fs, including submodules."""
    return path[:3 if path[1] == "fs" and len(path) > 3 else 2]


class Users:
    """Return the users of each item."""

    def __init__(self, items, sources, functions):
        self.users = {item.path: {} for item in items}
        self.by_name = {}
        self.homes = {home(item.path) for item in items}
        self.owners = {}
        for item in items:
            self.owners.setdefault((item.owner or item.path)[-1], set()).add(item.owner or item.path)
        self.functions = functions
        for item in items:
            self.by_name.setdefault(item.name, []).append(item)
        # A macro is exported at the root of the crate, and re-exported with another name.
        self.macros = {name + "!": path[-1] + "!"
                       for source in sources.values() if source.path.startswith(CRATE)
                       for name, path in source.imports.items() if path and name != path[-1]}
        for source in sources.values():
            self.add_file(source)

    def add_file(self, source):
        named = set()
        for path in (*source.imports.values(), *(use.path for use in source.uses), source.module):
            if path[0] == "kernel" and len(path) > 1:
                named.add(home(path))
                named |= {home(owner) for at, name in enumerate(path)
                          for owner in self.owners.get(name, ())
                          if same_module(path[:at], owner[:-1])}
        imports_us = bool(named & self.homes)
        for use in source.uses:
            if use.path[0] == "?":
                for item in self.by_name.get(use.path[-1], []):
                    if item.owner and (home(item.path) in named or imports_us
                                       and self.functions.get(item.name, 0) == 1):
                        self.add(item, use, source)
                continue
            for path in (use.path, *((*glob, *use.path[len(source.module):])
                                     for glob in source.globs)):
                path = (*path[:-1], self.macros.get(path[-1], path[-1])) if path else path
                for at, name in enumerate(path):
                    for item in self.by_name.get(name, []):
                        if self.names(path, at, item):
                            self.add(item, use, source)

    @staticmethod
    def names(path, at, item):
        if not item.owner:
            return same_module(path[:at], item.path[:-1])
        return at and path[at - 1] == item.owner[-1] and same_module(path[:at - 1], item.owner[:-1])

    def add(self, item, use, source):
        if source.path == item.file:
            in_macro = any(path[-1].endswith("!") for path in use.within)
            itself = any(path[:len(item.path)] == item.path for path in use.within)
            if itself or not (in_macro or item.kind in IN_OWN_FILE):
                return
        if item.kind == "provided" and not use.defines \
                and Path(source.path).is_relative_to(Path(item.file).parent):
            return
        self.users[item.path].setdefault(source.path, use.line)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unused", action="store_true", help="list only the items without a user")
    args = parser.parse_args()

    sources, functions = {}, {}
    for path in paths("ls-tree", "-r", "--name-only", "HEAD", "--", "rust/kernel", "drivers", "fs",
                      "io_uring", "ipc", "kernel", "mm", "net", "samples", "security"):
        text = read("HEAD", path)
        if path.startswith(CRATE):
            for name in re.findall(r"\bfn (\w+)", text):
                functions[name] = functions.get(name, 0) + 1
        if not is_test(path):
            sources[path] = File(path, text)
    items = added_items(sources)
    users = Users(items, sources, functions).users
    unused = [item for item in items if not users[item.path]]
    for item in unused if args.unused else items:
        name = "::".join(item.path[1:])
        where = ", ".join(f"{path}:{line}" for path, line in users[item.path].items())
        print(f"{item.file}:{item.line}: {item.kind} {name}: {where or 'NO USER'}")
    print(f"{len(items)} public items, {len(unused)} without a user")
    sys.exit(1 if unused else 0)


if __name__ == "__main__":
    main()
