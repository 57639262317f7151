#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Judge mutants of the series: small faults that the tests must notice.

One kernel contains the mutants, and chooses one of them at run time. Those of the C
functions that Rust replaces are in a second kernel (MUTANTS_FLAVOUR=c). For each mutant, a
guest runs the cases that reach its block, the fastest first, until one fails. Results are
kept in build/mutants/results.jsonl, so that a run continues where an earlier one stopped.
--record writes the killed ones to scripts/mutation/killed.jsonl, and the cases that others
have passed to passed.json, where runs on other machines start.

--reach measures how many blocks that contain mutants are reached by fuzzing.

  mutants.py [--files 'PATTERN...'] [--hours N] [--list] [--report] [--record] [--controls]
             [--reach]
"""

import argparse
import collections
import fcntl
import json
import multiprocessing
import os
import signal
import sys
import time

from lib import BUILD, TOP, say
from mutation import fuzz_reach, judge
from mutation.build import Builder
from mutation.campaign import JUDGED, PASSED, Campaign, Reach, known_results, write_passed
from mutation.listing import Listing
from mutation.place import FLAVOUR, HERE, KERNEL, OUT, TWINS


def read_arguments(path):
    """Return the arguments of equivalent.txt: the labels of mutants, and below them, indented,
    why no test can notice them."""
    arguments, labels, ends = {}, [], False
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith((" ", "\t")):
            for label in labels:
                arguments[label] = f"{arguments.get(label, '')} {line.strip()}".strip()
            ends = True
        elif line and line[0] != "#":
            labels, ends = ([] if ends else labels) + [line.strip()], False
    return arguments


def refuse_unknown_arguments(listing):
    """Fail if an argument is for a mutant that does not exist any more."""
    labels = {mutant.label for mutant in listing.mutants}
    for label in read_arguments(HERE / "equivalent.txt"):
        if label not in labels:
            sys.exit(f"mutants: error: equivalent.txt names no mutant: {label}")


def record(listing):
    """Write the mutants that were killed, and the case that killed each; and the cases that
    the others have passed."""
    results = known_results()
    known = {mutant.key for mutant in listing.mutants}
    passed = {key: result["passed"] for key, result in results.items()
              if key in known and result.get("passed") and result["verdict"] != "killed"}
    write_passed(passed)
    lines = [json.dumps({"key": mutant.key, "by": results[mutant.key]["by"]}) + "\n"
             for mutant in listing.mutants
             if results.get(mutant.key, {"verdict": "open"})["verdict"] == "killed"]
    JUDGED.write_text("".join(lines))
    say(f"     {len(lines)} killed mutants in {JUDGED}",
        f"     {len(passed)} others in {PASSED}")


# Guests that judge at the same time: most cases wait more than they compute.
GUESTS = 2 * os.cpu_count()
COLUMNS = ("mutants", "unbuildable", "not in this kernel", "killed", "argued", "survived", "open")


def report(chosen, builder, results):
    """Print a line for each file. Return the mutants that survived without an argument."""
    arguments = read_arguments(HERE / "equivalent.txt")
    table, survivors = collections.defaultdict(collections.Counter), []
    for mutant in chosen:
        row = table[mutant.file]
        row["mutants"] += 1
        verdict = results.get(mutant.key, {"verdict": "open"})["verdict"]
        if mutant.key in builder.dropped:
            row["unbuildable"] += 1
        elif verdict == "killed":
            row["killed"] += 1
        elif mutant.key not in builder.built:
            row["not in this kernel"] += 1
        elif mutant.label in arguments:
            row["argued"] += 1
        elif verdict == "open":
            row["open"] += 1
        else:
            row["survived"] += 1
            survivors.append(mutant)
    print(f"{'file':44}" + "".join(f"{name:>20}" for name in COLUMNS) + f"{'score':>8}")
    total = collections.Counter()
    for file, row in sorted(table.items()):
        print_row(file, row)
        total += row
    print_row("all", total)
    if total["open"]:
        print(f"{total['open']} mutants are not judged yet: run the same command again")
    for mutant in survivors:
        print(f"survived ({results[mutant.key]['verdict']}) line {mutant.line}: {mutant.label}")
    return survivors


def print_row(name, row):
    judged = row["killed"] + row["survived"]
    score = f"{100 * row['killed'] / judged:7.1f}%" if judged else "       -"
    print(f"{name:44}" + "".join(f"{row[column]:20}" for column in COLUMNS) + score)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", default="")
    parser.add_argument("--hours", type=float, default=8)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--controls", action="store_true")
    parser.add_argument("--reach", action="store_true")
    args = parser.parse_args()
    # The guest ends with this script.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    deadline = time.monotonic() + args.hours * 3600
    listing = Listing(args.files.split())
    refuse_unknown_arguments(listing)
    chosen = listing.select(args.files.split())
    if args.controls:
        chosen = [mutant for mutant in listing.mutants if mutant.number in listing.controls]
    if not chosen:
        sys.exit(f"mutants: error: '{args.files}' has no mutants")
    chosen = [mutant for mutant in chosen if (mutant.file in TWINS) == (FLAVOUR == "c")]
    if not chosen:
        return
    if args.list:
        for mutant in chosen:
            print(mutant.label, "=>", " ".join(mutant.replacement.split())[:80])
        return
    if args.record:
        record(listing)
        return
    builder = Builder(listing)
    if args.report:
        builder.instrument()
    else:
        builder.build_all()
    if args.build:
        return
    if args.reach:
        fuzz_reach.measure(judge.Guest(TOP, OUT / "results/fuzz", KERNEL.relative_to(BUILD)))
        return
    reach = Reach(builder)
    if not reach.load():
        if args.report:
            sys.exit("mutants: error: the kernel or the tests have changed since the last run")
        reach.measure()
    name = "controls" if args.controls else "judge"
    with open(OUT / f"{name}.lock", "w", encoding="utf-8") as lock:
        if not args.report and not take(lock):
            sys.exit(f"mutants: error: another run holds {lock.name}")
        if not args.report:
            judge_all(chosen, builder, reach, deadline, name)
    sys.exit(1 if report(chosen, builder, known_results()) else 0)


def take(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def judge_all(chosen, builder, reach, deadline, name):
    """Judge mutants in several guests."""
    argued = set(read_arguments(HERE / "equivalent.txt"))
    workers = []
    for part in range(GUESTS):
        campaign = Campaign(chosen[part::GUESTS], builder, reach, deadline, f"{name}-{part}")
        campaign.argued = argued
        workers.append(multiprocessing.Process(target=campaign.run, daemon=True))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        sys.exit("mutants: error: a worker has failed")


if __name__ == "__main__":
    main()
