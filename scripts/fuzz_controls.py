#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measure after how many cases handle_fuzz finds known faults.

  fuzz_controls.py [--cases N] [--seed N]

Each patch in scripts/fuzz/controls adds one fault, which is off until its name is
written to a parameter of the kernel.  Its first line is that name.  "Implementation: c"
or "rust" is the code that contains the fault, and "ring" the operations of io_uring.
One kernel contains all of them, and a boot parameter selects the code in C.

A fault is found by the first case whose outcome differs from that without the fault, by
a check that handle_fuzz makes on any kernel, or by a warning of the kernel.  Up to N
cases are run for each fault.  The script fails if a fault is not found, or if one is
found while none is on.
"""

import argparse
import hashlib
import random
import re
import subprocess
import sys
from dataclasses import dataclass

from fuzz import (BLOCK, BOOT_LIMIT, CASES_PER_SECOND, OUT, PROGRAM, SAMPLE, Unhealthy, differing,
                  outcomes, positive, sections)
from lib import BUILD, TOP, boot_failure, guest_pool, run_guest, say
from tree import Failure, git, out

FLAVOUR = "faults/rust"
SOURCE = TOP / "build/faults/linux"
PARAMETER = "/sys/module/fuzz_fault/parameters/name"
# Cases in the first attempt. A fault that they do not find gets --cases.
FIRST = 10000
# A line of a check, which names its case.
CHECK = re.compile(r"^# [^:\n]+: case (\d+) .*$", re.M)
WARNING = 126


@dataclass
class Fault:
    name: str
    implementation: str
    text: str

    @property
    def in_c(self):
        return self.implementation == "c"


def faults():
    """Parse the patches. The first one adds the switch."""
    result = []
    for patch in sorted((TOP / "scripts/fuzz/controls").glob("*.patch"))[1:]:
        head = patch.read_text().split("\ndiff --git", 1)[0]
        name, rest = head.split("\n\nImplementation: ", 1)
        implementation, text = rest.split("\n", 1)
        result.append(Fault(name, implementation, " ".join(text.split())))
    return result


def make_tree():
    """Check out the series with all faults, unless nothing has changed."""
    controls = TOP / "scripts/fuzz/controls"
    # Those in fuse/ are for fuse_fuzz.
    patches = [*sorted(controls.glob("*.patch")), *sorted(controls.glob("fuse/*.patch"))]
    series = out("rev-parse", "series")
    inputs = hashlib.sha256("\0".join([series, *(p.read_text() for p in patches)]).encode())
    stamp = SOURCE.parent / "inputs"
    if stamp.exists() and stamp.read_text() == inputs.hexdigest():
        return
    if not SOURCE.exists():
        SOURCE.parent.mkdir(parents=True, exist_ok=True)
        git("clone", "-q", "--shared", "--no-checkout", ".", str(SOURCE))
    git("fetch", "-q", "origin", "series", cwd=SOURCE)
    git("checkout", "-q", "--force", "--detach", "FETCH_HEAD", cwd=SOURCE)
    git("clean", "-qfd", cwd=SOURCE)
    for patch in patches:
        git("apply", "--3way", str(patch), cwd=SOURCE)
    stamp.write_text(inputs.hexdigest())


def fuzz(fault, seed, first, cases, arguments=""):
    """Lines of a job that run the cases with a fault, or without one."""
    return ["echo section", f"printf %s {fault.name if fault else 'none'} > {PARAMETER}",
            f"./handle_fuzz --seed {seed} --first {first} --cases {cases} {arguments} || true"]


def boot(name, lines, cases, in_c, may_warn=False):
    """Run lines in the kernel with faults. Return the output of each section."""
    results = OUT / "controls" / name
    run, log = run_guest(FLAVOUR, results, BOOT_LIMIT + cases // CASES_PER_SECOND,
                         [PROGRAM, SAMPLE, *lines, "exit 0"],
                         [f"fuzz_fault.in_c={int(in_c)}"])
    if run.returncode and not (may_warn and run.returncode == WARNING):
        raise Unhealthy(f"{boot_failure(run.returncode)} (logs: {results.relative_to(TOP)})\n"
                        f"{run.stderr}")
    return sections(log.replace("\r", ""))


def checked(log):
    """Return the first case that a check found, or None."""
    return min((int(case) for case in CHECK.findall(log)), default=None)


def first_difference(fault, seed, block):
    """Return the first case of a block whose outcome depends on the fault."""
    lines = [line for each in (None, fault) for line in fuzz(each, seed, block, BLOCK, "--print")]
    without, with_it = map(outcomes, boot(f"{fault.name}-block", lines, 2 * BLOCK, fault.in_c))
    return min((case for case in without if without[case] != with_it.get(case)), default=None)


def find(fault, seed, logs):
    """Return the first case that finds a fault, and how, or None."""
    without, with_it = logs
    case = checked(with_it)
    found = [] if case is None else [(case, "check")]
    blocks = differing(logs)
    if blocks and (case is None or blocks[0][0] <= case):
        case = first_difference(fault, seed, blocks[0][0])
        found += [] if case is None else [(case, "outcome")]
    return min(found, default=None)


def run_together(group, seed, cases):
    """Run all faults of an implementation in one guest."""
    lines = [line for fault in [None, *group] for line in fuzz(fault, seed, 0, cases)]
    logs = boot(f"{'c' if group[0].in_c else 'rust'}-{cases}", lines,
                cases * (len(group) + 1), group[0].in_c)
    case = checked(logs[0])
    if case is not None:
        raise Unhealthy(f"case {case} fails without a fault")
    return {fault.name: find(fault, seed, (logs[0], log)) for fault, log in zip(group, logs[1:])}


def find_warning(fault, seed, cases):
    """Return the first case that makes the kernel warn. Doubles the number of cases."""
    warned = "dmesg | grep -q 'WARNING: ' && { echo warned; exit 0; }"
    size, low = 1, 0
    tries = []
    while size < cases:
        tries.append(size)
        size *= 2
    lines = [line for size in [*tries, cases]
             for line in [*fuzz(fault, seed, 0, size), warned]]
    logs = boot(fault.name, lines, 2 * cases, fault.in_c, True)
    if "warned" not in logs[-1]:
        return None
    low, high = (0, *tries, cases)[len(logs) - 1], (*tries, cases)[len(logs) - 1]
    while high - low > 1:
        middle = (low + high) // 2
        logs = boot(fault.name, [*fuzz(fault, seed, 0, middle), warned], middle, fault.in_c, True)
        low, high = (low, middle) if "warned" in logs[-1] else (middle, high)
    return high - 1, "warning"


def measure(group, seed, cases):
    """Return what finds each fault of an implementation."""
    silent = [fault for fault in group if "warning" not in fault.name]
    found = {fault.name: find_warning(fault, seed, min(cases, FIRST))
             for fault in group if fault not in silent}
    for size in (min(FIRST, cases), cases):
        left = [fault for fault in silent if not found.get(fault.name)]
        if left:
            found |= run_together(left, seed, size)
    return found


def report(every, found, seed):
    """Print a table. Return whether a fault was not found."""
    say(f"SEED={seed}", f"{'fault':28} {'in':5} {'cases':>8} {'found by':8} what")
    for fault in every:
        case, how = found.get(fault.name) or (None, "nothing")
        say(f"{fault.name:28} {fault.implementation:5} "
            f"{'-' if case is None else case + 1:>8} {how:8} {fault.text}")
    missed = [fault.name for fault in every if not found.get(fault.name)]
    say(f"{len(every) - len(missed)} of {len(every)} faults found",
        *(f"FAIL {name} was not found" for name in missed))
    return bool(missed)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=positive, default=1000000)
    parser.add_argument("--seed", type=positive, default=random.randrange(1, 1 << 32))
    args = parser.parse_args()
    every = faults()
    try:
        make_tree()
        subprocess.run([TOP / "scripts/build.sh", FLAVOUR], check=True)
        with guest_pool() as pool:
            groups = [[fault for fault in every if fault.in_c == in_c] for in_c in (True, False)]
            jobs = [pool.submit(measure, group, args.seed, args.cases) for group in groups]
            found = {name: how for job in jobs for name, how in job.result().items()}
    except (Unhealthy, Failure, subprocess.CalledProcessError) as error:
        sys.exit(f"fuzz_controls: error: {error}")
    sys.exit(1 if report(every, found, args.seed) else 0)


if __name__ == "__main__":
    main()
