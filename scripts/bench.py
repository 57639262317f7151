#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measure the cost of calls on file handles in instructions.

Each flavour is built, and booted twice with a clock that counts instructions. The
numbers do not depend on the load of this machine, and are the same in both boots; the
output lists those that differ. They do not include caches, branch prediction or
contention. The programs are the selftests handle_bench and uring_handle_bench, and the
sample handle-load. Their output is stored in bench/results.json of the output of the
architecture, with the charts.

  bench.py FLAVOUR...
"""

import argparse
import errno
import json
import subprocess
import sys
from collections import defaultdict

from lib import ARCH, BUILD, TOP, boot_failure, guest_pool, run_guest, say

RESULTS = BUILD / "bench"
BOOTS = 2
# In seconds. A guest takes one, and longer if it shares a processor.
LIMIT = 900
# The first flavour is the unmodified base.
FLAVOURS = ["base/c", "c", "rust"]
# The ratios to print: (numerator, denominator)
RATIOS = [("c", "base/c"), ("rust", "base/c"), ("rust", "c")]

# The numbers of processes and of namespaces. With 16, at least one handle is the first
# of its hash chain; with one, that depends on chance.
COUNTS = [(16, 16), (64, 16), (512, 16), (16, 64), (16, 512)]
LEAST = COUNTS[0]

# Addresses must be the same in each boot. The kernel cannot calibrate the TSC, so its
# rate is an argument. With fsrm and fsrs, the kernel copies and fills memory with "rep",
# and QEMU counts an instruction for each byte; without them, it uses loops over words.
ARGUMENTS = ["nokaslr", "norandmaps", "tsc_early_khz=1000000", "hpet=disable", "pmtmr=0",
             "tsc=reliable", "clearcpuid=fsrm,fsrs",
             # A disk on which each request takes a millisecond
             "null_blk.irqmode=2", "null_blk.completion_nsec=1000000",
             "null_blk.memory_backed=1", "null_blk.gb=1"]

# The load of a file server. On tmpfs, all files are warm. On ext4, one request in ten is
# for a cold file. Only ratios are printed: the clock counts instructions and the time in
# which the guest is idle, but no caches and only one processor.
LOAD = "./handle-load --json --files 500 --requests 10000 --threads 2"

# The output goes to a file until the measurement ends, because the timing of a console
# depends on this machine. The job sleeps until the kernel has selected its clock and
# high-resolution timers. With one inode a block, each open reads a block of its own.
JOB = ["set -e",
       "sleep 3",
       "exec 3>&1 > /tmp/figures 2>&1",
       "trap 'cat /tmp/figures >&3' EXIT",
       "cd /selftests/filesystems/file_handle",
       "[ ! -f /lib/modules/rust_exportfs.ko ] || insmod /lib/modules/rust_exportfs.ko",
       *(f"./handle_bench -p {processes} -n {namespaces}" for processes, namespaces in COUNTS),
       "../fuse/fuse_bench",
       "./uring_handle_bench",
       "mke2fs -b 4096 -I 4096 -i 65536 /dev/nullb0 65536 > /dev/null",
       "./uring_handle_bench -c /dev/nullb0 -d /mnt",
       f"{LOAD} --by calls /tmp",
       "mount -t ext4 -o inode_readahead_blks=0 /dev/nullb0 /mnt",
       f"{LOAD} --by calls --hits 90 /mnt",
       # Status 5: the kernel does not have the operations.
       f"{LOAD} --by ring,async /tmp || [ $? -eq 5 ]",
       f"{LOAD} --by ring,async --hits 90 /mnt || [ $? -eq 5 ]",
       "umount /mnt"]


def short(flavour):
    return flavour.removesuffix("/c")


def boot(flavour, number):
    """Boot once, and return the figures and the other lines of the output."""
    results = RESULTS / f"{short(flavour)}-{number}"
    run, log = run_guest(flavour, results, LIMIT, JOB, ARGUMENTS, CLOCK="instructions")
    figures = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    loads = [figure for figure in figures if "by" in figure]
    figures = [figure for figure in figures if "by" not in figure]
    notes = [line for line in log.splitlines() if not line.startswith(("{", "guest: "))]
    if run.returncode:
        sys.exit("\n".join([f"bench: error: {flavour}: {boot_failure(run.returncode)} (see "
                            f"{results.relative_to(TOP)})",
                            *(f"    | {line}" for line in run.stderr.splitlines() + notes)]))
    say(f"     {flavour}, boot {number}: {len(figures)} figures, "
        f"logs in {results.relative_to(TOP)}")
    return figures, notes, loads


def name_of(figure):
    """Return the key of a figure: all fields except the times."""
    return tuple((name, value) for name, value in figure.items()
                 if name not in ("minimum", "median"))


def merge(flavour, boots):
    """Merge the figures of several boots into one list."""
    boots = [{name_of(figure): figure for figure in figures} for figures, _, _ in boots]
    if any(other.keys() != boots[0].keys() for other in boots[1:]):
        sys.exit(f"bench: error: the boots of {flavour} measured different things")
    merged = []
    for name, figure in boots[0].items():
        seen = [[other[name]["minimum"], other[name]["median"]] for other in boots]
        merged.append({"flavour": flavour, **figure, "boots": seen})
    return merged


def spread(figure, kind):
    """Return the relative difference of a time between boots."""
    times = [boot[kind] for boot in figure["boots"]]
    return (max(times) - min(times)) / min(times)


def by_flavour(figures):
    """Return {key: {flavour: figure}}, in the order of the figures."""
    table = defaultdict(dict)
    for figure in figures:
        what = {name: figure[name] for name in
                ("call", "filesystem", "errno", "processes", "namespaces", "curve", "how", "n")
                if name in figure}
        table[tuple(what.items())][figure["flavour"]] = figure
    return [(dict(what), row) for what, row in table.items()]


def outcome(what):
    return f"{what['call']} ({errno.errorcode[what['errno']]})" if what["errno"] else what["call"]


def ratio(row, this, other):
    return f"{row[this]['minimum'] / row[other]['minimum']:.3f}" if other in row else ""


def print_calls(calls, flavours):
    ratios = [(this, other) for this, other in RATIOS if {this, other} <= set(flavours)]
    print(f"\nInstructions per call{'':24}", *(f"{short(name):>8}" for name in flavours),
          *(f"{short(this)}/{short(other)}".rjust(10) for this, other in ratios))
    for what, row in calls:
        if (what["processes"], what["namespaces"]) == LEAST:
            print(f"{what['filesystem']:14} {outcome(what):34}",
                  *(f"{row[name]['minimum'] if name in row else '-':>8}" for name in flavours),
                  *(f"{ratio(row, *pair):>10}" for pair in ratios))


def print_growth(calls, flavours):
    """Print the calls whose cost depends on the number of processes or namespaces."""
    medians = defaultdict(dict)
    for what, row in calls:
        for name in filter(row.__contains__, flavours):
            key = (what["filesystem"], outcome(what), short(name))
            medians[key][what["processes"], what["namespaces"]] = row[name]["median"]
    print(f"\nWith more processes and namespaces{'':18}",
          *(f"{f'{p} + {n}':>8}" for p, n in COUNTS))
    for (filesystem, call, name), row in medians.items():
        if len(set(row.values())) > 1:
            print(f"{filesystem:14} {call:32} {name:6}", *(f"{row[count]:8}" for count in COUNTS))
    print("(every other call costs the same)")


def fit(points):
    """Return intercept and slope of the line through (n, time), by least squares."""
    mean_n = sum(n for n, _ in points) / len(points)
    mean = sum(time for _, time in points) / len(points)
    slope = (sum((n - mean_n) * (time - mean) for n, time in points)
             / sum((n - mean_n) ** 2 for n, _ in points))
    return mean - slope * mean_n, slope


def fit_curves(figures):
    points = defaultdict(list)
    for figure in figures:
        if "curve" in figure:
            key = figure["curve"], figure["how"], figure["flavour"]
            points[key].append((figure["n"], figure["minimum"]))
    curves = []
    for (curve, how, flavour), line in points.items():
        intercept, slope = fit(line)
        curves.append({"curve": curve, "how": how, "flavour": flavour, "points": line,
                       "intercept": intercept, "slope": slope})
    return sorted(curves, key=lambda line: line["curve"])


def print_curves(curves):
    print(f"\nN at once: the line by least squares{'':23} {'fixed':>10} {'each':>9}"
          f" {'N = 256':>11}")
    for line in curves:
        print(f"{line['curve']:29} {line['how']:24} {short(line['flavour']):6}"
              f"{line['intercept']:9.0f} {line['slope']:9.1f} {line['points'][-1][1]:11}")


def rate(load):
    return load["requests"] / load["seconds"]


def share(opens, inline):
    return f"{100 * inline / opens:.2f} %" if opens else "-"


def print_loads(loads):
    """Print the load of a file server: each way against the system calls of its boot."""
    print(f"\nFile server, 2 threads with 16 clients each{'':12}"
          f" {'rate':>7} {'p50':>7} {'p99':>7} {'inline':>9} {'if cold':>9} {'workers':>8}")
    calls = {(load["flavour"], load["boot"], load["filesystem"]): load
             for load in loads if load["by"] == "calls"}
    for load in loads:
        if load["by"] == "calls":
            continue
        base = calls[load["flavour"], load["boot"], load["filesystem"]]
        name = f"{load['by']} / calls, {load['filesystem']}, {load['hits']} % warm"
        print(f"{name:38} {short(load['flavour']):6} boot {load['boot']:<4}"
              f"{rate(load) / rate(base):7.3f} {load['p50_us'] / base['p50_us']:7.3f} "
              f"{load['p99_us'] / base['p99_us']:7.3f}"
              f" {share(load['warm'], load['warm_inline']):>9}"
              f" {share(load['cold'], load['cold_inline']):>9} {load['workers']:8}")


def print_repeats(figures):
    """Print the times of the tables that differ between boots."""
    calls = [figure for figure in figures if "call" in figure]
    lines = []
    for kind, name in enumerate(("minimum", "median")):
        for figure in calls:
            if spread(figure, kind):
                lines.append(f"{figure['call']}, {figure['filesystem']}, {figure['flavour']}, with "
                             f"{figure['processes']} + {figure['namespaces']}: {name} "
                             + " and ".join(str(boot[kind]) for boot in figure["boots"]))
    changing = len(lines)
    curves = defaultdict(list)
    for figure in figures:
        if "curve" in figure and spread(figure, 0):
            curves[figure["curve"], figure["how"], figure["flavour"]].append(spread(figure, 0))
    for what, spreads in curves.items():
        changing += len(spreads)
        lines.append(f"{', '.join(what)}: {len(spreads)} of the minima, "
                     f"by {100 * max(spreads):.4f} % at most")
    total = len(figures) + len(calls)
    print(f"\n{total - changing} of {total} times are the same in each of {BOOTS} boots"
          + ("; these are not:" if lines else ""), *lines, sep="\n  ")


def said(*command):
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout.partition("\n")[0]


def write(path, figures, curves, loads, notes):
    path.write_text(json.dumps({
        "tree": said("git", "-C", TOP / "build/linux", "rev-parse", "series"),
        "emulator": said("qemu-system-x86_64", "--version"),
        "boots": BOOTS, "unit": "instructions", "notes": notes,
        "figures": figures, "curves": curves, "loads": loads}, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flavours", nargs="+")
    args = parser.parse_args()
    if ARCH != "x86_64":
        sys.exit(f"bench: error: the clock that counts instructions is x86_64's, not {ARCH}'s")
    for name in args.flavours:
        if name not in FLAVOURS:
            sys.exit(f"bench: error: '{name}' is not measured; there are: {' '.join(FLAVOURS)}")

    for name in args.flavours:
        if subprocess.run([TOP / "scripts/build.sh", name], check=False).returncode:
            sys.exit(1)
    with guest_pool() as pool:
        jobs = {name: [pool.submit(boot, name, number) for number in range(1, BOOTS + 1)]
                for name in args.flavours}
        boots = {name: [job.result() for job in jobs[name]] for name in args.flavours}
    figures = [figure for name in args.flavours for figure in merge(name, boots[name])]
    notes = [f"{name}: {line}" for name in args.flavours
             for line in dict.fromkeys(boots[name][0][1])]
    curves = fit_curves(figures)
    loads = [{"flavour": name, "boot": number, **load} for name in args.flavours
             for number, (_, _, seen) in enumerate(boots[name], 1) for load in seen]
    write(RESULTS / "results.json", figures, curves, loads, notes)

    calls = [(what, row) for what, row in by_flavour(figures) if "call" in what]
    print_calls(calls, args.flavours)
    print_growth(calls, args.flavours)
    print_curves(curves)
    print_loads(loads)
    print_repeats(figures)
    print(*notes, sep="\n")
    charts = subprocess.run([TOP / "scripts/charts.py", RESULTS / "results.json"], check=False)
    sys.exit(charts.returncode)


if __name__ == "__main__":
    main()
