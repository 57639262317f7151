#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Report for each thread whether it applies to another kernel tree.

  apply_check.py KDIR

KDIR is a kernel tree, with or without git, or a .tar.xz of one.  It is only read.  Each
patch is applied without fuzz, on top of the patches before it.  If a patch does not
apply, its thread is skipped, and later threads that depend on it fail as well.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tree import BASE, LINUX, THREADS, Failure, out, threads


def git(directory, *args, data=None, check=True):
    run = subprocess.run(["git", "-C", directory, *args], input=data, capture_output=True, check=False)
    if check and run.returncode:
        raise Failure(f"git {args[0]}: {run.stderr.decode().strip()}")
    return run


class Directory:
    """The files below a directory."""

    def __init__(self, path):
        self.path = path

    def read(self, name):
        file = self.path / name
        return file.read_bytes() if file.is_file() else None


class Commit(Directory):
    """The committed state of a repository."""

    def read(self, name):
        run = git(self.path, "show", f"HEAD:{name}", check=False)
        return None if run.returncode else run.stdout


class Archive(Directory):
    """The wanted files of a .tar.xz, read in one pass."""

    def __init__(self, path, wanted):
        super().__init__(path)
        self.files = {}
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.split("/", 1)[-1]
                if name in wanted and member.isfile():
                    self.files[name] = archive.extractfile(member).read()

    def read(self, name):
        return self.files.get(name)


def open_tree(path, wanted):
    if path.is_file():
        return Archive(path, wanted)
    return Commit(path) if (path / ".git").exists() else Directory(path)


def version(tree):
    makefile = (tree.read("Makefile") or b"").decode(errors="replace")
    if tree.read("fs/libfs.c") is None or "PATCHLEVEL" not in makefile:
        raise Failure(f"{tree.path} is not a kernel tree")
    parts = [re.search(rf"(?m)^{name} = ?(.*)$", makefile)[1].strip()
             for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL", "EXTRAVERSION")]
    return f"{parts[0]}.{parts[1]}.{parts[2]}{parts[3]}"


def record(repo, tree, wanted):
    """Create an index with the files of the tree that the series changes."""
    git(repo, "init", "-q")
    for name in wanted:
        if (data := tree.read(name)) is not None:
            blob = git(repo, "hash-object", "-w", "--stdin", data=data).stdout.decode().strip()
            git(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    return git(repo, "write-tree").stdout.decode().strip()


def apply_thread(repo, commits):
    """Return how many patches apply, and the error of git for the next one."""
    for number, commit in enumerate(commits):
        patch = subprocess.run(["git", "-C", LINUX, "diff-tree", "-p", "--no-renames", "--full-index",
                                f"{commit}^", commit], stdout=subprocess.PIPE, check=True).stdout
        run = git(repo, "apply", "--cached", data=patch, check=False)
        if run.returncode:
            errors = [line[7:] for line in run.stderr.decode().splitlines() if line.startswith("error: ")]
            return number, f"{out('log', '-1', '--format=%s', commit)}: {errors[0]}"
    return len(commits), None


def main():
    if len(sys.argv) != 2 or not sys.argv[1]:
        raise Failure("KDIR= must name a kernel tree or a .tar.xz of one")
    path = Path(sys.argv[1]).resolve()
    if not path.exists():
        raise Failure(f"{path} does not exist")
    names = [thread.name for thread in threads()]
    wanted = {"Makefile", *out("diff", "--name-only", BASE, THREADS + names[-1]).splitlines()}
    tree = open_tree(path, wanted)
    failed, before = 0, BASE
    print(f"Linux {version(tree)}")
    with tempfile.TemporaryDirectory() as directory:
        state = record(directory, tree, sorted(wanted))
        for name in names:
            commits = out("rev-list", "--reverse", f"{before}..{THREADS}{name}").split()
            before = THREADS + name
            applied, complaint = apply_thread(directory, commits)
            if complaint:
                failed += 1
                git(directory, "read-tree", state)
                print(f"  {name:<20} {applied} of {len(commits)} patches apply, then: {complaint}")
            else:
                state = git(directory, "write-tree").stdout.decode().strip()
                print(f"  {name:<20} applies")
    if failed:
        raise Failure(f"{failed} of {len(names)} threads do not apply")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"apply-check: error: {failure}")
