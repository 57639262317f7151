#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Print the size of the Rust code of the series by file.

  sizes.py [COMMIT]

For each file, prints the number of lines with code (without comments and blank lines), of public
items (as listed by public_items.py), and of unsafe blocks (including examples in documentation).
Tests are counted separately.  For a file of the base, only additions of the series are counted.
Measures the commit that is checked out in build/linux.  With COMMIT, a commit of this repository
with an overlay for the same base, prints both for comparison.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rust_source import File, code_lines, is_test, unsafe_blocks
from tree import BASE, LINUX, TOP, Failure, Patch, git, out

COLUMNS = ("lines", "items", "unsafe")
NEW, OLD, ELSEWHERE, TESTS = ("kernel crate, new files", "kernel crate, files of the base",
                              "outside of the kernel crate", "tests")


def measure(path, text):
    items = 0 if is_test(path) else len(File(path, text).items)
    return Counter(lines=code_lines(text), items=items, unsafe=unsafe_blocks(text))


def difference(path, text, base):
    size = measure(path, text)
    size.subtract(measure(path, base))
    return size


def rust_files(listing):
    return [path for path in listing.splitlines() if path.endswith(".rs")]


def tree_sizes():
    """Return the size of each file of build/linux that differs from the base."""
    sizes = {}
    for path in rust_files(out("diff", "--name-only", "--diff-filter=AM", BASE, "HEAD")):
        base = out("show", f"{BASE}:{path}", check=False)
        sizes[path] = difference(path, out("show", f"HEAD:{path}"), base)
    return sizes


def overlay_sizes(commit):
    """Return the same for an overlay: its files, and the files of the base that it changes."""
    names = rust_files(out("ls-tree", "-r", "--name-only", commit, cwd=TOP))
    sizes = {path: measure(path, out("show", f"{commit}:{path}", cwd=TOP)) for path in names}
    with tempfile.TemporaryDirectory() as directory:
        index = Path(directory) / "index"
        archive = git("archive", commit, "series", cwd=TOP).stdout
        subprocess.run(["tar", "-x", "-C", directory], input=archive, check=True)
        git("read-tree", BASE, index=index)
        for patch in sorted(Path(directory).glob("series/**/*.patch")):
            complaint = Patch(patch).apply(
                index, only=lambda path: path.endswith(".rs") and path not in names)
            if complaint:
                raise Failure(f"{commit}: {patch.name} does not apply to this base:\n{complaint}")
        for path in rust_files(out("diff", "--cached", "--name-only", BASE, index=index)):
            sizes[path] = difference(path, out("show", f":{path}", index=index),
                                     out("show", f"{BASE}:{path}"))
    return sizes


def group(path, base):
    if is_test(path):
        return TESTS
    if not path.startswith("rust/kernel/"):
        return ELSEWHERE
    return OLD if path in base else NEW


def total(sizes, base, groups):
    sums = Counter({column: 0 for column in COLUMNS})
    for path, size in sizes.items():
        if group(path, base) in groups:
            sums.update(size)
    return sums


def row(name, sizes):
    print(f"{name:52}" + "  ".join(
        "".join(f"{size[column] if size else '-':>8}" for column in COLUMNS) for size in sizes))


def main():
    compared = ([overlay_sizes(sys.argv[1])] if len(sys.argv) > 1 else []) + [tree_sizes()]
    base = set(rust_files(out("ls-tree", "-r", "--name-only", BASE, "--", "rust")))
    headings = [*sys.argv[1:2], "build/linux"]
    print(" " * 52 + "  ".join(f"{heading[:23]:>24}" for heading in headings))
    print(" " * 52 + "  ".join("".join(f"{column:>8}" for column in COLUMNS) for _ in compared))
    for path in sorted(set().union(*compared)):
        row(path, [sizes.get(path) for sizes in compared])
    print()
    for name in (NEW, OLD, ELSEWHERE, TESTS):
        row(name, [total(sizes, base, {name}) for sizes in compared])
    row("all without tests", [total(sizes, base, {NEW, OLD, ELSEWHERE}) for sizes in compared])
    row("all new files", [total(sizes, base, {NEW, ELSEWHERE, TESTS}) for sizes in compared])
    row("all", [total(sizes, base, {NEW, OLD, ELSEWHERE, TESTS}) for sizes in compared])


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"sizes: error: {failure}")
