#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Destroy what handles identify while they are used, and make each allocation fail.

The guest runs the flavour debug, with its checkers of memory, locks, RCU and objects.
handle_torture runs for some minutes.  The other programs make each allocation of each call
fail in turn.  The run fails if the kernel prints a warning, if memory has leaked, or if
something that was to happen did not.  A second boot sleeps where this is not allowed, and
fails unless the kernel reports it.

  torture.py [--minutes N]
"""

import argparse
import os
import re
import sys

import test
from lib import BUILD, TOP, boot_failure, run_guest, say

FLAVOUR = "debug"
RESULTS = BUILD / "results/torture"
# The options without which a fault would not be noticed
CHECKERS = ["DEBUG_ATOMIC_SLEEP", "DEBUG_KMEMLEAK", "DEBUG_LIST", "DEBUG_OBJECTS",
            "DEBUG_OBJECTS_FREE", "DEBUG_OBJECTS_RCU_HEAD", "DEBUG_OBJECTS_TIMERS",
            "DEBUG_OBJECTS_WORK", "DEBUG_VFS", "FAILSLAB", "FAULT_INJECTION", "KASAN",
            "PROVE_LOCKING", "PROVE_RCU", "RUST_DEBUG_ASSERTIONS", "UBSAN"]
TORTURE = "filesystems/file_handle:handle_torture"
# The programs that make allocations fail, and the cases to select
ALLOCATIONS = {
    "filesystems/file_handle:handle_failslab_test": "",
    "filesystems/file_handle:nsfs_failslab_test": "-t each_allocation_in_turn",
    "filesystems/file_handle:io_uring_handle_failslab_test": "",
    "filesystems/file_handle:rust_exportfs_module_test": "-t allocation_failures",
    "filesystems/fuse:fuse_handle_stress_test": "-t failing_allocations",
    "filesystems/fuse:fuse_restart_notify_test": "-t failing_allocations",
}
# In seconds, in addition to the duration of the torture
SLACK = 1800
# What the second boot must print
REPORT = "BUG: sleeping function called from invalid context"
SLEEP = ["kunit.enable=1", "kunit.autorun=1", "kunit.filter_glob=exportfs_nowait",
         "exportfs_kunit.sleep=1"]

RUNS = re.compile(r"^#\s+RUN\s+(\S+) \.\.\.$")
HIT = re.compile(r"hit (.+): (.+)$")
OPEN = re.compile(r"open (.+): (\d+) opened, (\d+) gone$")
FAILURES = re.compile(r"(?::)?([^:]+): (\d+) failures$|(\d+) allocations have failed$")


def missing_checkers(config):
    """Return the options that a .config does not have."""
    lines = config.splitlines()
    return [name for name in CHECKERS if f"CONFIG_{name}=y" not in lines]


def arguments(program):
    """Return the variable of run_kselftest.sh with the arguments of a program."""
    return f"KSELFTEST_{re.sub('[^A-Za-z0-9]', '_', program.split(':')[1]).upper()}_ARGS"


def job(seconds):
    programs = [TORTURE, *ALLOCATIONS]
    exports = [f"export {arguments(name)}='{cases}'" for name, cases in ALLOCATIONS.items() if cases]
    run, *leaks = test.job_lines(programs, FLAVOUR, False)[-1 - len(test.LEAKS):]
    run = run.replace(f"-o {test.PROGRAM_LIMIT} ", f"-o {seconds + SLACK} ")
    return ["cd /selftests || exit 1", *exports, f"export TORTURE_SECONDS={seconds}", run, *leaks]


def said(line):
    """Return the message of a line of TH_LOG(), without its place in the source."""
    return re.sub(r"^(# )*\S+\.c:\d+:[^:]+:", "", line)


def happened(log):
    """Yield (what, count) for all that has happened to the objects."""
    for line in log.splitlines():
        if match := HIT.match(said(line)):
            yield match[1], match[2]


def opened(log):
    """Yield (who and what, opened, gone) of all opens."""
    for line in log.splitlines():
        if match := OPEN.match(said(line)):
            yield match[1], int(match[2]), int(match[3])


def failed_allocations(log):
    """Yield (program, case and call, allocations that failed)."""
    program, case = "", ""
    for line in log.splitlines():
        if start := test.START.match(line):
            program = start[2]
        elif run := RUNS.match(line.removeprefix("# ")):
            case = run[1]
        elif match := FAILURES.match(said(line)):
            call = f"{case}: {match[1].strip()}" if match[1] else case
            yield program, call, int(match[2] or match[3])


def print_tables(log):
    for what, count in happened(log):
        print(f"     {what:40} {count:>8}")
    for who, good, gone in opened(log):
        print(f"     open {who:35} {good:>8} opened {gone:>8} gone")
    for program, call, count in failed_allocations(log):
        print(f"     {program:32} {call:56} {count:>4} allocations failed")


def judge(suites, log):
    """Add what run_kselftest.sh cannot know: that everything has happened."""
    suite = test.Suite("what happened")
    suites.append(suite)
    for what, count in happened(log):
        if count.isdigit() and int(count):
            suite.passes.append(what)
        else:
            suite.failures[what] = [f"did not happen: {count}"]
    if not suite.passes:
        suite.failures["(torture)"] = ["handle_torture reported nothing"]
    calls = test.Suite("failing allocations")
    suites.append(calls)
    calls.passes += [f"{program} {call}" for program, call, _ in failed_allocations(log)]
    if not calls.passes:
        calls.failures["(allocations)"] = ["no program reported failed allocations"]


def torture(minutes):
    seconds = round(60 * minutes)
    run, log = run_guest(FLAVOUR, RESULTS, seconds + SLACK, job(seconds), ["debug_objects"])
    suites = test.parse_selftests(log)
    seen = {suite.name for suite in suites}
    if run.returncode:
        suites.append(test.Suite(f"kernel of {FLAVOUR}", failures={
            boot_failure(run.returncode): run.stderr.splitlines()}))
    elif absent := [name for name in (TORTURE, *ALLOCATIONS) if name not in seen]:
        suites.append(test.Suite(f"run of {FLAVOUR}", failures={
            "no result for " + " ".join(absent): log.splitlines()[-8:]}))
    judge(suites, log)
    return suites, log


def sleep_is_reported():
    """Boot a kernel that sleeps in ->fh_to_dentry_nowait()."""
    suite = test.Suite("a sleep where none is allowed")
    run, _ = run_guest(FLAVOUR, RESULTS / "sleep", SLACK, ["exit 0"], SLEEP)
    if run.returncode == 126 and REPORT in run.stderr:
        suite.passes.append("is reported")
    else:
        suite.failures["is not reported"] = run.stderr.splitlines()[-8:] or [
            f"boot.sh ended with {run.returncode}"]
    return suite


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    args = parser.parse_args()
    if args.minutes <= 0:
        parser.error("the duration is not positive")
    if absent := missing_checkers((BUILD / FLAVOUR / ".config").read_text()):
        sys.exit(f"torture: error: {FLAVOUR} lacks CONFIG_" + " CONFIG_".join(absent))

    os.environ.setdefault("MEMORY", "1G")
    suites, log = torture(args.minutes)
    suites.append(sleep_is_reported())
    print_tables(log)
    test.report(FLAVOUR, suites)
    test.report_skips({FLAVOUR: suites})
    say(f"     logs in {RESULTS.relative_to(TOP)}")
    failed = sum(len(suite.failures) for suite in suites)
    print(f"{sum(suite.passed for suite in suites)} passed, {failed} failed, "
          f"{sum(suite.skipped for suite in suites)} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
