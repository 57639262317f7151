#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Fuzz the replies of a FUSE server with handles.

  fuse_fuzz.py FLAVOUR... [--cases N] [--seed N]
  fuse_fuzz.py FLAVOUR --replay CASE --seed N
  fuse_fuzz.py --controls [--cases N] [--seed N]

Each guest runs fuse_fuzz in two processes, which share the cases.  A case is a mount of
its own, so that --replay repeats and prints it alone.  With --controls, the kernel contains
the faults of scripts/fuzz/controls/fuse, each of which is on for up to N cases; the script
fails if one is not found, or if one is found while none is on.  Raw results are kept in
build/fuzz/fuse.
"""

import argparse
import random
import re
import subprocess
import sys
from dataclasses import dataclass

from fuzz import positive
from lib import BUILD, TOP, boot_failure, guest_pool, run_guest, say

OUT = BUILD / "fuzz/fuse"
CONTROLS = TOP / "scripts/fuzz/controls/fuse"
PARAMETER = "/sys/module/fuse/parameters/fault"
# In seconds. An emulated guest runs at least this many cases a second.
BOOT_LIMIT = 300
CASES_PER_SECOND = {"debug": 1}
FAST = 10
PROCESSES = 2

TOTALS = re.compile(r"^# (\d+) cases, (\d+) operations, (\d+) replies, (\d+) of them mutated, "
                    r"(\d+) ms$", re.M)
FAILURE = re.compile(r"^# FAILURE: seed \d+ case (\d+): (.*)$", re.M)


class Unhealthy(Exception):
    """A guest failed, or its kernel printed a warning."""


@dataclass
class Totals:
    cases: int
    operations: int
    replies: int
    mutated: int
    milliseconds: int


def program(seed, first, cases, more=""):
    return f"./fuse_fuzz --seed {seed} --first {first} --cases {cases}{more}"


def run_job(flavour, name, lines, cases):
    """Boot a flavour, run lines in the directory of the selftest, and return their output."""
    results = OUT / name / flavour.replace("/", "-")
    limit = BOOT_LIMIT + cases // CASES_PER_SECOND.get(flavour, FAST)
    run, log = run_guest(flavour, results, limit,
                         ["cd /selftests/filesystems/fuse || exit 1", *lines, "exit 0"])
    if run.returncode:
        failures = "".join(f"case {case}: {text}\n" for case, text in FAILURE.findall(log))
        raise Unhealthy(f"{flavour}: {boot_failure(run.returncode)} "
                        f"(logs: {results.relative_to(TOP)})\n{failures}{run.stderr}")
    return log


def split(cases):
    """Return the first case and the number of cases of each process."""
    parts = min(PROCESSES, cases)
    edges = [cases * part // parts for part in range(parts + 1)]
    return [(first, end - first) for first, end in zip(edges, edges[1:])]


def lines_of(seed, cases):
    """Return the lines of a job that run all cases, in processes on different processors."""
    lines = [f"taskset -c {number} {program(seed, first, part)} > /tmp/{number} &"
             for number, (first, part) in enumerate(split(cases))]
    return [*lines, "wait", *(f"cat /tmp/{number}" for number in range(len(lines)))]


def totals(log):
    """Add up the totals of all processes."""
    every = [[int(figure) for figure in line] for line in TOTALS.findall(log)]
    return Totals(*(sum(column) for column in list(zip(*every))[:4]),
                  max(line[4] for line in every)) if every else None


def report(flavour, seed, cases, log):
    """Print what a guest reported. Return whether it is a failure."""
    found = FAILURE.findall(log)
    for case, text in found:
        say(f"FAIL {flavour}: case {case}: {text}",
            f"     scripts/fuse_fuzz.py {flavour} --seed {seed} --replay {case}")
    result = totals(log)
    if not result:
        say(f"FAIL {flavour}: fuse_fuzz printed no result:", *log.splitlines()[-5:])
        return True
    if not found and (result.cases != cases or "not ok" in log):
        say(f"FAIL {flavour}: {result.cases} of {cases} cases were executed")
        return True
    if not found:
        say(f"ok   {flavour}: {cases} cases of FUSE, {result.replies} replies, {result.mutated} "
            f"of them mutated, in {result.milliseconds / 1000:.0f} s")
    return bool(found)


def fuzz(flavours, seed, cases):
    """Run all cases on all flavours. Return whether a property does not hold."""
    say(f"==> {cases} cases of FUSE with SEED={seed} on {' '.join(flavours)}")
    with guest_pool() as pool:
        jobs = [pool.submit(run_job, flavour, "all", lines_of(seed, cases), cases)
                for flavour in flavours]
        logs = [job.result() for job in jobs]
    return any([report(flavour, seed, cases, log) for flavour, log in zip(flavours, logs)])


def replay(flavour, seed, case):
    """Print one case. Return whether a property does not hold."""
    log = run_job(flavour, "replay", [program(seed, case, 1, " --print")], 1)
    say(log.rstrip())
    return bool(FAILURE.search(log)) or not totals(log)


@dataclass
class Fault:
    name: str
    text: str


def faults():
    """Parse the patches. The first one adds the switch."""
    result = []
    for patch in sorted(CONTROLS.glob("*.patch"))[1:]:
        name, text, _ = patch.read_text().split("\n\n", 2)
        result.append(Fault(name, " ".join(text.split())))
    return result


def find_faults(every, seed, cases):
    """Return the output for each fault, and without one first."""
    lines = [line for name in ["none", *(fault.name for fault in every)]
             for line in ("echo section", f"printf %s {name} > {PARAMETER}",
                          program(seed, 0, cases) + " || true")]
    from fuzz_controls import FLAVOUR, make_tree
    make_tree()
    subprocess.run([TOP / "scripts/build.sh", FLAVOUR], check=True)
    log = run_job(FLAVOUR, "controls", lines, cases * (len(every) + 1))
    return re.split(r"^section\n", log, flags=re.M)[1:]


def table(every, logs):
    """Print after how many cases each fault was found. Return whether one was not."""
    found = [FAILURE.search(log) for log in logs]
    if found[0]:
        say(f"FAIL case {found[0][1]} fails without a fault: {found[0][2]}")
    say(f"{'fault':20} {'cases':>6} {'mutated':>8}  what")
    for fault, match, log in zip(every, found[1:], logs[1:]):
        result = totals(log)
        say(f"{fault.name:20} {int(match[1]) + 1 if match else '-':>6} "
            f"{result.mutated if result else '-':>8}  {fault.text}")
    missed = [fault.name for fault, match in zip(every, found[1:]) if not match]
    say(f"{len(every) - len(missed)} of {len(every)} faults found",
        *(f"FAIL {name} was not found" for name in missed))
    return bool(found[0] or missed or len(logs) != len(every) + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flavours", nargs="*", default=["rust"])
    parser.add_argument("--cases", type=positive)
    parser.add_argument("--seed", type=positive, default=random.randrange(1, 1 << 32))
    parser.add_argument("--replay", type=int)
    parser.add_argument("--controls", action="store_true")
    args = parser.parse_args()
    try:
        if args.controls:
            every = faults()
            failed = table(every, find_faults(every, args.seed, args.cases or 2000))
        elif args.replay is not None:
            failed = replay(args.flavours[0], args.seed, args.replay)
        else:
            failed = fuzz(args.flavours, args.seed, args.cases or 35000)
    except (Unhealthy, subprocess.CalledProcessError) as error:
        sys.exit(f"fuse_fuzz: error: {error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
