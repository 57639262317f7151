#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check each patch of the series, so that a bisection can stop at any patch.

  patches.py [--thread THREAD] [--only COLUMN]...
  patches.py --record

Columns of the table that it prints:

  style  checkpatch --strict on the patch, rustfmt on the Rust files that it changes
  on     builds with the switches of the series on: warnings, W=1 and clippy are
         errors in the lines that the series wrote
  off    builds with the switches off and Rust on
  c      builds without Rust
  tests  after the last patch of a thread: the suites of that point, with the switches on

The kernel is not linked for the builds: the directories that the series touches are
compiled.  A check that passed is not repeated until one of its inputs changes, so an
interrupted run continues where it stopped.  --record writes the checks of this series that
have passed to patches.passed.  Runs on other machines with the same compilers do not repeat
these, and print their times in parentheses.  Remove that file and build/patches/passed to
repeat all checks.
"""

import argparse
import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lib import ARCH, BUILD, TOP, fragments, say, setting, toolchain
from tree import BASE, LINUX, THREADS, Failure, git, out, threads

PATCHES = BUILD / "patches"
SOURCE = PATCHES / "linux"
PASSED = PATCHES / "passed"
RECORDED = TOP / "scripts/patches.passed"
LOGS = BUILD / "logs/patches"
TOOLCHAIN = toolchain()
DIRECTORIES = ["fs/", "io_uring/", "samples/"]
# Paths that no test depends on, and with tools/, that no object file does
NOT_TESTED = ("Documentation/", "MAINTAINERS")
NOT_BUILT = (*NOT_TESTED, "tools/")
# What decides whether the tests of a thread pass, apart from the kernel
DRIVER = ("test.py", "skips.py", "lib.py", "lib.sh", "build.sh", "boot.sh", "unhealthy.txt",
          "guest/*")
CHECKPATCH = ["scripts/checkpatch.pl", "--strict", "--no-summary", "--terse", "--show-types",
              "--no-tree", "--ignore"]
WARNING = re.compile(r"^(?:\S*?/patches/linux/)?([\w./-]+):(\d+)(?::\d+)?:? (?:warning|error)|"
                     r"^Warning: (?:\S*?/patches/linux/)?([\w./-]+):(\d+)|"
                     r"^\s*--> (?:\S*?/patches/linux/)?([\w./-]+):(\d+)")


class Check:
    """One column: its name, its inputs and its commands."""

    # Whether nothing else may run beside it
    alone = False

    def __init__(self, name):
        self.name = name

    def applies(self, patch):
        return True

    def key(self, patch):
        """Return a hash of the inputs but for the tools."""
        raise NotImplementedError

    def name_of_result(self, patch):
        """Return a name. Checks of equal names have equal results."""
        return f"{self.name}-{sha(versions(), self.key(patch))}"

    def run(self, patch, log):
        """Return the error, or None."""
        raise NotImplementedError


class Patch:
    def __init__(self, thread, number, commit, last):
        self.thread, self.number, self.commit, self.last = thread, number, commit, last
        self.subject = out("log", "-1", "--format=%s", commit)
        self.files = out("diff-tree", "-r", "--no-commit-id", "--name-only", "--diff-filter=d",
                         f"{commit}^", commit).splitlines()


@functools.lru_cache(maxsize=2)
def files(commit, without):
    """Return the lines of git ls-tree, except for paths that start with one of @without."""
    return [line for line in out("ls-tree", "-r", commit).splitlines()
            if not line.split("\t")[1].startswith(without)]


def sha(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


@functools.cache
def versions():
    """Return the versions of the compilers, in one line."""
    text = subprocess.run(["bash", "-ec", """scripts/cc-version.sh "clang${LLVM#1}"
                           scripts/rustc-version.sh rustc; bindgen --version"""], cwd=LINUX,
                          env=TOOLCHAIN, stdout=subprocess.PIPE, text=True, check=True).stdout
    return " ".join(text.split())


def run(command, log, cwd=SOURCE, env=None):
    """Append the output to a log. Return the status and the output."""
    with open(log, "a+", encoding="utf-8", errors="replace") as file:
        start = file.seek(0, os.SEEK_END)
        status = subprocess.run(command, cwd=cwd, stdout=file, stderr=subprocess.STDOUT, check=False,
                                stdin=subprocess.DEVNULL, env={**TOOLCHAIN, **(env or {})}).returncode
        file.seek(start)
        return status, file.read()


class Style(Check):
    def command(self):
        ignored = re.search(r"--ignore \\\s*(\S+)", (TOP / "scripts/check.sh").read_text())[1]
        return [*CHECKPATCH, ignored, "-g"]

    def key(self, patch):
        return sha(out("show", "--format=%B", "--full-index", patch.commit), *self.command())

    def run(self, patch, log):
        status, _ = run([*self.command(), patch.commit], log)
        rust = [name for name in patch.files if name.endswith(".rs")]
        if rust:
            other, _ = run(["rustfmt", "--check", "--edition", "2021", "--config-path", ".",
                            "--config", "skip_children=true", *rust], log)
            status = status or other
        return "style" if status else None


class Compile(Check):
    def __init__(self, name, flavour, options, skip=None):
        super().__init__(name)
        self.flavour, self.options, self.skip = flavour, options, skip
        self.output = PATCHES / name

    def configuration(self):
        return [name for name in fragments(self.flavour) if not name.endswith(self.skip or "//")]

    def tree(self, commit):
        entries = files(commit, NOT_BUILT)
        if self.name != "c":
            return entries
        return [entry for entry in entries
                if not (name := entry.split("\t")[1]).startswith("rust/")
                and not name.endswith(".rs")]

    def key(self, patch):
        texts = [Path(name).read_text() for name in self.configuration()]
        return sha(*self.tree(patch.commit), *texts, *self.options)

    def run(self, patch, log):
        self.output.mkdir(parents=True, exist_ok=True)
        programs = self.output / "samples.config"
        programs.write_text("".join(f"CONFIG_{name}=y\n" for name in
                                    ("HEADERS_INSTALL", "SAMPLES", "SAMPLE_FUSE", "SAMPLE_VFS")))
        status, _ = run(["scripts/kconfig/merge_config.sh", "-n", "-O", str(self.output),
                         *self.configuration(), str(programs)], log, env={"ARCH": "x86_64"})
        if status:
            return "configuration"
        make = ["make", f"O={self.output}", "ARCH=x86_64", f"-j{setting('J')}", *self.options]
        for targets in (["prepare"], DIRECTORIES):
            status, text = run([*make, *targets], log)
            if status:
                return "build"
            if found := warnings(text, patch):
                return f"warning: {found}"
        return None


def is_in_base(commit, name, number):
    """Return whether a line is that of the base. git marks such lines with a circumflex."""
    return out("blame", "-s", "-L", f"{number},{number}", f"{BASE}..{commit}", "--",
               name).startswith("^")


def warnings(text, patch):
    """Return the first warning about a line that the series wrote up to this patch."""
    ours = set(out("diff", "--name-only", BASE, patch.commit).splitlines())
    for line in text.splitlines():
        match = WARNING.search(line)
        if not match:
            continue
        name, number = filter(None, match.groups())
        if name in ours and not is_in_base(patch.commit, name, number):
            return f"{name}: {line.strip()[:120]}"
    return None


class Tests(Check):
    alone = True

    def applies(self, patch):
        return patch.last

    def key(self, patch):
        paths = [path for pattern in DRIVER for path in (TOP / "scripts").glob(pattern)]
        paths += (TOP / "configs").glob("*.config")
        return sha(*files(patch.commit, NOT_TESTED), *(path.read_text() for path in sorted(paths)))

    def run(self, patch, log):
        env = {"SERIES_AT": patch.commit}
        shutil.copy(BUILD / "env.sh", PATCHES)
        for command in (["scripts/build.sh", "rust"], ["scripts/test.py", "rust", "--quick"]):
            status, text = run(command, log, cwd=TOP, env=env)
            if status:
                return command[0]
        say(f"    {text.strip().splitlines()[-1]}")
        return None


CHECKS = [Style("style"),
          Compile("on", "rust", ["W=1", "CLIPPY=1"]),
          Compile("off", "c", ["KCFLAGS=-Werror"]),
          Compile("c", "c", ["KCFLAGS=-Werror"], skip="base-rust.config"),
          Tests("tests")]


def lock():
    """Two runs in one work tree would compile a mixture of patches."""
    PATCHES.mkdir(parents=True, exist_ok=True)
    file = open(PATCHES / "lock", "w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failure("another run of patches.py is in progress") from None
    return file


def checkout(commit):
    # Unlike a clone, a work tree keeps git from removing the commit that it is at.
    if not SOURCE.is_dir() or git("rev-parse", "-q", "--verify", "HEAD^{tree}", check=False,
                                  cwd=SOURCE).returncode:
        shutil.rmtree(SOURCE, ignore_errors=True)
        git("worktree", "prune")
        git("worktree", "add", "-q", "--detach", "--no-checkout", SOURCE, commit)
    git("checkout", "-q", "-f", "--detach", commit, cwd=SOURCE)


def heading():
    return f"# Checks that passed with {versions()}"


@functools.cache
def recorded():
    """Return the results in the repository, by their names."""
    head, *lines = RECORDED.read_text().splitlines() if RECORDED.exists() else [heading()]
    return dict(line.split(" ", 1) for line in lines) if head == heading() else {}


def result(name):
    """Return the result of a check that passed earlier, or None."""
    passed = PASSED / name
    return passed.read_text() if passed.exists() else recorded().get(name)


def record(todo):
    """Write the results of patches. Return their number."""
    if RECORDED.exists() and RECORDED.read_text().splitlines()[:1] != [heading()]:
        raise Failure(f"{RECORDED} is of other compilers; remove it first")
    names = [column.name_of_result(patch) for patch in todo for column in CHECKS
             if column.applies(patch)]
    found = {name: result(name) for name in names if result(name)}
    RECORDED.write_text("".join(f"{line}\n" for line in
                                [heading(), *(" ".join(item) for item in found.items())]))
    return len(found)


def run_check(column, patch):
    """Return the result, and keep it if the check passed."""
    log = LOGS / f"{patch.thread}-{patch.number:02d}-{column.name}.log"
    log.unlink(missing_ok=True)
    started = time.monotonic()
    if complaint := column.run(patch, log):
        say(f"     {patch.thread} {patch.number}, {column.name}: {complaint} "
            f"(log: {log.relative_to(TOP)})")
        return "FAIL"
    verdict = f"{time.monotonic() - started:.0f} s"
    PASSED.mkdir(exist_ok=True)
    (PASSED / column.name_of_result(patch)).write_text(verdict)
    return verdict


def check(patch, columns):
    """Return the result of each column."""
    LOGS.mkdir(parents=True, exist_ok=True)
    verdicts, builds, tests = {}, [], []
    for column in columns:
        if not column.applies(patch):
            verdicts[column.name] = "-"
            continue
        name = column.name_of_result(patch)
        if earlier := result(name):
            verdicts[column.name] = earlier if (PASSED / name).exists() else f"({earlier})"
        else:
            (builds, tests)[column.alone].append(column)
    if builds or tests:
        checkout(patch.commit)
    # rustc compiles a crate on one processor, so the builds run side by side.
    for group, workers in (builds, len(CHECKS)), (tests, 1):
        with ThreadPoolExecutor(workers) as pool:
            results = pool.map(run_check, group, [patch] * len(group))
            verdicts.update(zip([column.name for column in group], results))
    return verdicts


def patches(only):
    before = BASE
    names = [thread.name for thread in threads()]
    if only and only not in names:
        raise Failure(f"there is no thread '{only}'; there are: {' '.join(names)}")
    for name in names:
        commits = out("rev-list", "--reverse", f"{before}..{THREADS}{name}").split()
        before = THREADS + name
        if only in (None, "", name):
            for number, commit in enumerate(commits, 1):
                yield Patch(name, number, commit, commit == commits[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thread", help="one thread (default: all)")
    parser.add_argument("--only", choices=[column.name for column in CHECKS], action="append",
                        help="one column; may be repeated")
    parser.add_argument("--record", action="store_true",
                        help="write the checks that passed to the repository, and check nothing")
    arguments = parser.parse_args()
    if arguments.record and (arguments.thread or arguments.only):
        parser.error("--record is for the whole series")
    if ARCH != "x86_64":
        raise Failure("this requires ARCH=x86_64")
    if arguments.record:
        say(f"     {record(patches(None))} checks in {RECORDED}")
        return
    columns = [column for column in CHECKS if not arguments.only or column.name in arguments.only]
    header = "  ".join(f"{column.name:>6}" for column in columns)
    failed, thread = 0, None
    todo = list(patches(arguments.thread))
    with lock():
        for patch in todo:
            if patch.thread != thread:
                thread = patch.thread
                say(f"\n{thread:<52}{header}")
            verdicts = check(patch, columns)
            failed += "FAIL" in verdicts.values()
            say(f"{patch.number:4} {patch.subject[:46]:<47}" +
                "  ".join(f"{verdicts[column.name]:>6}" for column in columns))
    if failed:
        raise Failure(f"{failed} patches fail")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"patches: error: {failure}")
