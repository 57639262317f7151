#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Fuzz file handles on several flavours and compare the outcomes.

  fuzz.py FLAVOUR... [--cases N] [--seed N]
  fuzz.py --replay FIRST:CASE,... FLAVOUR... --seed N

Each guest runs handle_fuzz, which prints a digest for each process and block of cases.
The first case of a block whose digests differ is run again after subsets of the cases
before it, until no case can be omitted.  --replay prints the outcomes of such a
sequence.  Raw results are kept in build/fuzz.
"""

import argparse
import random
import re
import sys

from lib import BUILD, TOP, boot_failure, guest_pool, run_guest, say

OUT = BUILD / "fuzz"
# The processes of handle_fuzz, in the order of its digests.
PROCESSES = ("root", "user", "pid-ns", "container", "user-ns")
BLOCK = 1000
# In seconds. Emulated guests execute at least 1,000 cases a second.
BOOT_LIMIT = 300
CASES_PER_SECOND = 1000
# How many differences are minimised.
SHOWN = 5

PROGRAM = "cd /selftests/filesystems/file_handle || exit 1"
SAMPLE = ("[ ! -f /lib/modules/rust_exportfs.ko ] || "
          "{ insmod /lib/modules/rust_exportfs.ko && chmod 666 /dev/rust_exportfs; }")
DIGESTS = re.compile(r"^block (\d+)((?: [0-9a-f]{16})+)$", re.M)
CASE = re.compile(r"^case (\d+) (\S+) .*$", re.M)
# Handles contain numbers that depend on the boot.
BYTES = re.compile(r" data=[0-9a-f]*")
FAILED = re.compile(r"^(?:not ok|# (?!\d+ cases|Totals|\d+ skipped)).*$", re.M)


class Unhealthy(Exception):
    """A guest failed, or its kernel printed a warning."""


def run_job(flavour, name, lines, cases):
    """Boot a flavour, run lines, and return their output."""
    results = OUT / name / flavour.replace("/", "-")
    run, log = run_guest(flavour, results, BOOT_LIMIT + cases // CASES_PER_SECOND,
                         [PROGRAM, SAMPLE, *lines, "exit 0"])
    if run.returncode:
        raise Unhealthy(f"{flavour}: {boot_failure(run.returncode)} "
                        f"(logs: {results.relative_to(TOP)})\n{run.stderr}")
    return log.replace("\r", "")


def on_all(flavours, name, lines, cases):
    """Run the same lines on all flavours, and return the output of each."""
    with guest_pool() as pool:
        jobs = [pool.submit(run_job, flavour, name, lines, cases) for flavour in flavours]
        return [job.result() for job in jobs]


def digests(log):
    """Return the digest of each block and process."""
    return {(int(first), who): digest for first, values in DIGESTS.findall(log)
            for who, digest in zip(PROCESSES, values.split())}


def differing(logs):
    """Return the blocks and processes whose digests are not the same on all flavours."""
    every = [digests(log) for log in logs]
    if not every[0]:
        raise Unhealthy("handle_fuzz printed no digest")
    return sorted(key for key in set().union(*every)
                  if any(other.get(key) != every[0].get(key) for other in every))


def outcomes(log):
    """Return the line of each case, without what depends on the boot."""
    return {int(case[1]): BYTES.sub("", case[0]) for case in CASE.finditer(log)}


def sections(log):
    """Split the output of several runs."""
    return re.split(r"^section\n", log, flags=re.M)[1:]


def replay_lines(seed, first, subset):
    """Return the lines of a job that run a subset of a block."""
    return ["echo section",
            f"printf '%s\\n' {' '.join(map(str, subset))} > /tmp/replay",
            f"./handle_fuzz --seed {seed} --first {first} --cases {BLOCK} "
            "--replay /tmp/replay --print || true"]


class Difference:
    """A case whose outcome is not the same on all flavours."""

    def __init__(self, flavours, seed, first, who):
        self.flavours, self.seed, self.first, self.who = flavours, seed, first, who
        self.boots = 0
        self.lines = []

    def name(self):
        return f"block-{self.first}-{self.who}"

    def run(self, subsets):
        """Run subsets of the block on all flavours. Return the outcomes of each subset."""
        lines = [line for subset in subsets
                 for line in replay_lines(self.seed, self.first, subset)]
        logs = on_all(self.flavours, f"{self.name()}/{self.boots}", lines, BLOCK * len(subsets))
        self.boots += 1
        return list(zip(*([outcomes(part) for part in sections(log)] for log in logs)))

    def find(self):
        """Return the first case that differs, and those of its process before it."""
        (every,) = self.run([range(self.first, self.first + BLOCK)])
        mine = [case for case, line in sorted(every[0].items()) if line.split()[2] == self.who]
        for at, case in enumerate(mine):
            if self.differs(every, case):
                return case, mine[:at]
        return None, []

    def differs(self, every, case):
        lines = [outcome.get(case) for outcome in every]
        if len(set(lines)) == 1:
            return False
        self.lines = lines
        return True

    def minimise(self):
        """Return the shortest sequence that was found whose last case differs."""
        case, before = self.find()
        if case is None:
            return None
        return minimise(before, lambda subsets: [
            self.differs(every, case)
            for every in self.run([[*subset, case] for subset in subsets])]) + [case]


def minimise(before, still_differ):
    """Delta debugging: return a subset of a list from which no element can be omitted.

    still_differ() takes subsets and returns whether each one still shows the difference.
    """
    if still_differ([[]])[0]:
        return []
    parts = 2
    while len(before) > 1:
        size = -(-len(before) // parts)
        pieces = [before[at:at + size] for at in range(0, len(before), size)]
        others = [[case for other in pieces if other is not piece for case in other]
                  for piece in pieces]
        candidates = pieces + others if parts > 2 else pieces
        results = still_differ(candidates)
        if True in results:
            found = results.index(True)
            before = candidates[found]
            parts = 2 if found < len(pieces) else max(parts - 1, 2)
        elif size == 1:
            break
        else:
            parts = min(2 * parts, len(before))
    return before


def show(difference, sequence):
    """Print a minimised difference, and how to repeat it."""
    say(f"FAIL {' and '.join(difference.flavours)} differ in case {sequence[-1]}, after "
        f"{len(sequence) - 1} other cases:",
        *(f"     {flavour:8} {line}" for flavour, line
          in zip(difference.flavours, difference.lines)),
        f"     make fuzz FLAVOURS='{' '.join(difference.flavours)}' SEED={difference.seed} "
        f"REPLAY={difference.first}:{','.join(map(str, sequence))}")


def examine(flavours, seed, blocks):
    """Minimise the first differences."""
    say(f"     {len(blocks)} of all blocks and processes differ")
    for first, who in blocks[:SHOWN]:
        difference = Difference(flavours, seed, first, who)
        sequence = difference.minimise()
        if sequence:
            show(difference, sequence)
        else:
            say(f"FAIL block {first} of {who} differed, and does not differ alone")


def report(flavour, log):
    """Print what a guest reported. Return whether it is a failure."""
    for line in re.findall(r"^# (\d+ cases.*)$", log, re.M):
        say(f"     {flavour:8} {line}")
    failed = FAILED.findall(log)
    for line in failed[:20]:
        say(f"FAIL {flavour:8} {line}")
    return bool(failed) or "all_cases_are_executed" not in log


def compare(flavours, seed, cases):
    """Run all cases on all flavours. Return whether something is wrong."""
    say(f"==> {cases} cases with SEED={seed} on {' '.join(flavours)}")
    logs = on_all(flavours, "all", [f"./handle_fuzz --seed {seed} --cases {cases}"], cases)
    failed = [report(flavour, log) for flavour, log in zip(flavours, logs)]
    blocks = differing(logs)
    if blocks:
        examine(flavours, seed, blocks)
    elif len(flavours) > 1:
        say(f"ok   {' and '.join(flavours)}: the same outcome of {cases} cases")
    return any(failed) or bool(blocks)


def replay(flavours, seed, first, sequence):
    """Print the outcomes of a sequence. Return whether the last one differs."""
    logs = on_all(flavours, "replay", replay_lines(seed, first, sequence), BLOCK)
    every = [outcomes(log) for log in logs]
    for flavour, outcome in zip(flavours, every):
        for case in sequence:
            say(f"{flavour:8} {outcome.get(case, f'case {case} was not executed')}")
    return len({outcome.get(sequence[-1]) for outcome in every}) > 1


def sequence_of(text):
    """Parse FIRST:CASE,..."""
    match = re.fullmatch(r"(\d+):(\d+(?:,\d+)*)", text)
    if not match or int(match[1]) % BLOCK:
        raise argparse.ArgumentTypeError(f"'{text}' is not FIRST:CASE,...")
    return int(match[1]), [int(case) for case in match[2].split(",")]


def positive(text):
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flavours", nargs="+")
    parser.add_argument("--cases", type=positive, default=1000000)
    parser.add_argument("--seed", type=positive, default=random.randrange(1, 1 << 32))
    parser.add_argument("--replay", type=sequence_of)
    args = parser.parse_args()
    try:
        if args.replay:
            failed = replay(args.flavours, args.seed, *args.replay)
        else:
            failed = compare(args.flavours, args.seed, args.cases)
    except Unhealthy as error:
        sys.exit(f"fuzz: error: {error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
