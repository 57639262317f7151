# SPDX-License-Identifier: GPL-2.0
"""The mutants of the series, and the changes that revert fixes."""

import collections
import fnmatch
import re
import sys

from mutation import operators
from mutation.place import HERE, LINUX, OUT, TOOL, git
from mutation.source import Source

# What the series adds, without tests, samples and user-space ABI.
SELECT = ["*.rs", "*.c", "*.h", ":!tools", ":!samples", ":!*tests*", ":!*kunit*",
          ":!include/uapi", ":!rust/bindings", ":!rust/uapi"]


def base_diff():
    """Return the hunks of the series, by file."""
    diff = git(LINUX, "diff", "-U0", "--no-renames", "--no-ext-diff", "base..series", "--",
               *SELECT)
    return operators.parse_diff(diff)


class Listing:
    """All mutants, in the order of their numbers."""

    def __init__(self, patterns=()):
        diff = base_diff()
        if patterns and not any(fnmatch.fnmatch(path, p) for path in diff for p in patterns):
            sys.exit(f"mutants: error: no file of the series matches '{' '.join(patterns)}'")
        self.sources = {path: Source(path, git(LINUX, "show", f"series:{path}")) for path in diff}
        listers = {path: operators.Lister(source, operators.changed_lines(diff[path]))
                   for path, source in self.sources.items()}
        operators.cargo_mutants(TOOL, OUT / "scratch",
                                [s for s in self.sources.values() if s.rust], listers)
        for path, lister in listers.items():
            lister.own()
            if not lister.source.rust:
                operators.hunks(lister, diff[path])
        controls = add_controls(self, listers)
        self.mutants = []
        for path, lister in listers.items():
            function_at = lister.source.function_at
            self.mutants += sorted(lister.found.values(), key=lambda m, at=function_at: (
                at(m.start, m.end).start, m.start, m.end))
        seen = collections.Counter()
        for number, mutant in enumerate(self.mutants, 1):
            mutant.number = number
            label = f"{mutant.file} {mutant.function}: {mutant.operator}"
            seen[label] += 1
            mutant.label = label + (f" #{seen[label]}" if seen[label] > 1 else "")
        self.controls = {mutant.number: controls[mutant.key] for mutant in self.mutants
                         if mutant.key in controls}

    def select(self, patterns):
        """Return the mutants of some files in the order of the patterns, or all: those of
        Rust code first."""
        def place(mutant):
            matches = [i for i, p in enumerate(patterns) if fnmatch.fnmatch(mutant.file, p)]
            return (matches[0], False) if matches else (len(patterns), not is_rust(mutant))

        return sorted((m for m in self.mutants if not patterns or place(m)[0] < len(patterns)),
                      key=place)


def is_rust(mutant):
    return mutant.file.endswith(".rs")


def add_controls(listing, listers):
    """Add the changes of controls.txt, which revert fixes. Return the name of each by its key."""
    controls = {}
    for control in read_controls(HERE / "controls.txt"):
        source = listing.sources.get(control["file"])
        where = source.text.find(control["old"]) if source else -1
        if where < 0 or source.text.count(control["old"]) != 1:
            sys.exit(f"mutants: error: control '{control['name']}' does not match its file")
        lister, before = listers[source.path], set(listers[source.path].found)
        lister.changed = None
        lister.add(where, where + len(control["old"]), control["new"], f"control {control['name']}")
        added = set(lister.found) - before
        if not added:
            sys.exit(f"mutants: error: control '{control['name']}' is not in a function")
        controls[lister.found[added.pop()].key] = control["name"]
    return controls


def read_controls(path):
    """Read blocks of "name:", "file:", and the lines of a change, with - and +."""
    controls = []
    for block in re.split(r"\n(?=name: )", path.read_text() if path.exists() else ""):
        fields = dict(re.findall(r"^(name|file): (.*)$", block, re.MULTILINE))
        if "name" in fields:
            lines = block.splitlines(keepends=True)
            controls.append({**fields, "old": "".join(x[1:] for x in lines if x[0] in "- "),
                             "new": "".join(x[1:] for x in lines if x[0] in "+ ")})
    return controls
