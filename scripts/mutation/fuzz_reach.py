# SPDX-License-Identifier: GPL-2.0
"""Measure how many blocks of the series fuzzing reaches, by the number of cases."""

import sys
import time

from mutation import judge

SEED = 77
# What runs one after the other, as numbers of cases.
PARTS = {"filesystems/file_handle:handle_fuzz": (1000, 4000, 15000, 80000, 100000),
         "filesystems/fuse:fuse_fuzz": (20, 80, 200, 700, 2000)}
HOUR = 3600


def job():
    """Return the lines of a job that prints the blocks after each part."""
    lines = []
    for name, parts in PARTS.items():
        directory, program = name.split(":")
        lines += [f"cd /selftests/{directory}", "echo 0 > $P/reached"]
        first = 0
        for part in parts:
            lines += [f"./{program} --seed {SEED} --first {first} --cases {part} > /tmp/out 2>&1 "
                      "|| exit", "read -r reached < $P/reached"]
            first += part
            lines.append(f"echo REACH {program} {first} $reached")
    return lines


def measure(guest):
    """Print a line for each part. Exit with an error if a program fails."""
    guest.patience = HOUR
    left = sum(map(len, PARTS.values()))
    for words in guest.run(job(), time.monotonic() + HOUR):
        if words[:1] == ["REACH"]:
            print(f"{words[1]:12} {words[2]:>8} cases {len(judge.probes(words[3])):5} blocks",
                  flush=True)
            left -= 1
    if left:
        sys.exit(f"mutants: error: the guest ended early, log in {guest.results}/job.log")
