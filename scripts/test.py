#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the suites in guests of one or more flavours and report the results.

A suite is a selftest program, or the KUnit tests of a boot.  The guest runs
run_kselftest.sh of the kernel, and the KUnit parser of the kernel reads its
output.  Everything is kept under results/FLAVOUR of the architecture's output.

  test.py FLAVOUR...  [--quick | --slow | --tests 'dir:program ...'] [--runner qemu|vng]
          [--junit FILE] [--json FILE]
"""

import argparse
import fnmatch
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field

import junit
import skips
from lib import ARCH, BUILD, TOP, boot_failure, guest_pool, has_disks, run_guest, say, setting

GUEST = BUILD / "guest"
sys.path.insert(0, setting("LINUX") + "/tools/testing/kunit")

# The suites, as collection:program patterns of kselftest-list.txt.
FUSE = ["filesystems/fuse:before_init_test", "filesystems/fuse:passthrough_handle_test",
        "filesystems/fuse:passthrough_restart_test", "filesystems/fuse:fuse_fuzz"] + [
    f"filesystems/fuse:fuse_{name}_test"
    for name in ("lookup", "handle", "identity", "create", "readdirplus", "bmap", "fanotify",
                 "overlay", "io_uring", "nowait", "transport", "exchange", "nfs*", "restart*",
                 "handle_stress", "memory")]
OWN = ["filesystems/file_handle:*", "filesystems/nsfs:ioctl_*"] + FUSE
UPSTREAM = ["pidfd:*", "namespaces:*", "filesystems/nsfs:*", "filesystems:kernfs_test",
            "filesystems/mount_cycle:locked_handle_test", "filesystems/fuse:*"]
QUICK = OWN + ["pidfd:pidfd_file_handle_test", "namespaces:file_handle_test"]
# `make slow` runs the suites that take minutes: pidfd_test, which recycles pids for
# 135 s and is then skipped, fuse_memory_test, and longer stress tests.
SLOW = ["pidfd:pidfd_test", "filesystems/fuse:fuse_memory_test"]
STRESS = ["filesystems/file_handle:*_stress_test", "filesystems/fuse:*_stress_test",
          "filesystems/file_handle:nsfs_failslab_test",
          "filesystems/fuse:passthrough_restart_test"]
# `make test` does not run these on debug, where they take minutes.
DEBUG_SLOW = [f"filesystems/file_handle:io_uring_handle_{name}" for name in
              ("disk_stress_test", "race_stress_test", "warm_test", "load_test.sh")
              ] + ["filesystems/fuse:fuse_nfs*_test"]
# Slow upstream programs do not run on debug, and `make torture` runs handle_failslab_test.
DEBUG_SKIP = DEBUG_SLOW + ["filesystems/file_handle:handle_failslab_test",
              "namespaces:stress_test", "namespaces:ns_active_ref_test", "namespaces:listns_*",
              "namespaces:cred_change_test", "pidfd:pidfd_autoreap_test", "pidfd:pidfd_setns_test",
              "pidfd:pidfd_poll_test", "pidfd:pidfd_info_test",
              "filesystems/mount_cycle:*"]

# Upstream cases whose result differs from run to run on an unmodified kernel. Every
# upstream case that fails runs once more when the machine is idle. If it then
# passes, it is reported as flaky. Otherwise it has failed, except for these cases,
# which are skipped.
FLAKY = {
    "namespaces:ns_active_ref_test": [
        "ns_multiple_children_same_parent", "ns_different_types_same_owner",
        "ns_deep_hierarchy_propagation", "ns_mixed_types_same_owner",
        "thread_ns_inactive_after_exit", "thread_ns_fd_keeps_active"],
    # These cases poll a pidfd and then request the exit information, which
    # release_task() adds after do_notify_parent() has woken the poller.
    "pidfd:pidfd_autoreap_test": [
        "autokill_without_nnp_with_cap", "autoreap_basic", "autoreap_multithreaded",
        "autoreap_no_new_privs_unset", "autoreap_signaled", "nnp_sets_no_new_privs"],
}

# Features that exist only in Rust. On "c", C_SKIP does not run, and the other programs
# skip the cases of these features.
NEW = FUSE[1:]
C_SKIP = ["filesystems/fuse:fuse_handle_stress_test"]
# Debug repeats less: a call takes ten times as long there, the time of FS_STRESS_SECONDS is
# spent on each of five filesystems, and that of FUSE_STRESS_SECONDS on six cases. `make slow`
# and `make torture` repeat more.
ENVIRONMENT = {"debug": {"NSFS_STRESS_SECONDS": "3", "FUSE_STRESS_SECONDS": "3",
                         "FUSE_HANDLES": "1000", "FS_STRESS_SECONDS": "2",
                         "FS_OPENS": "1000", "FS_FILES": "100",
                         "FS_RACES": "300", "FUZZ_CASES": "4000"}}
# Inodes are only read from a disk again if the stress tests take the memory.
DISKS_ENVIRONMENT = {"FS_STRESS_HOG": "1"} if has_disks() else {}
SLOW_ENVIRONMENT = {"NSFS_STRESS_SECONDS": "60", "FUSE_STRESS_SECONDS": "120",
                    "FS_STRESS_SECONDS": "60", "RESTARTS": "100", "FILES": "10000"}
SLOW_CHANGES = {"rust": {"FS_RACES": "200000"},  # A million on five filesystems.
                "debug": {"RESTARTS": "40", "FILES": "2000", "FS_OPENS": "1000",
                          "FS_FILES": "100"}}

# Upstream cases that fail on an architecture with an unmodified kernel. If they fail,
# they are skipped with the reason.
KNOWN = {
    "s390": {
        ("kunit and doctests", "rust_netlink.test_family_flags_bitfield"):
            "rust/kernel/net/netlink.rs assumes that bit-fields start at the lowest bit, "
            "which is only true on little-endian machines",
    },
}

# Scan twice, so that objects that are about to be freed are not reported. A line of the
# kernel log has at most a kilobyte.
LEAKS = ["leaks=/sys/kernel/debug/kmemleak", "echo scan > $leaks; sleep 6",
         "echo scan > $leaks; sleep 1",
         "while read -r line; do echo \"$line\" > /dev/kmsg; done < $leaks"]

# In seconds. Guests share the processors of this machine, so a program may take several
# times as long as alone. `make slow` repeats more: its limits are SLOWER times these.
GUEST_LIMIT = 3600
PROGRAM_LIMIT = 600
SLOWER = 6
# The niceness of all guests except the slowest one.
POLITE = 5


@dataclass
class Suite:
    """The results of one program, or of KUnit."""
    name: str
    passes: list = field(default_factory=list)
    failures: dict = field(default_factory=dict)   # case: lines that say why
    skips: dict = field(default_factory=dict)      # case: why
    flaky: list = field(default_factory=list)

    @property
    def passed(self):
        return len(self.passes)

    @property
    def skipped(self):
        return len(self.skips)

    def outcome(self):
        """Return the results that must not depend on the flavour."""
        cases = {case: "pass" for case in self.passes}
        cases |= {case: "skip" for case in self.skips} | {case: "fail" for case in self.failures}
        return {case: how for case, how in cases.items() if not is_flaky(self, case)}

    def line(self, flavour):
        word = "FAIL" if self.failures else "ok"
        text = f"{word:4} {flavour:6} {self.name:52} {self.passed:4} passed"
        if self.failures:
            text += f", {len(self.failures)} failed"
        if self.skipped:
            text += f", {self.skipped} skipped"
        if self.flaky:
            text += f", {len(self.flaky)} flaky (passed when tried again)"
        return text


def parse_ktap(lines):
    """Parse results with the KUnit parser of the kernel, and discard its output."""
    from kunit_parser import parse_run_tests
    from kunit_printer import null_printer
    return parse_run_tests(lines, null_printer)


def leaves(test, path=()):
    if not test.subtests:
        yield ".".join((*path, test.name)), test
    for sub in test.subtests:
        inner = path if test.name in ("main", "") else (*path, test.name)
        yield from leaves(sub, inner)


def add_cases(suite, lines):
    """Count the cases of one KTAP document."""
    from kunit_parser import TestStatus
    tree = parse_ktap(lines)
    for name, case in leaves(tree):
        if case.status == TestStatus.SUCCESS:
            suite.passes.append(name)
        elif case.status == TestStatus.SKIPPED:
            suite.skips[name] = case.skip_reason
        else:
            suite.failures[name] = [*case.log[-8:], case.status.name.lower().replace("_", " ")]
    return tree


RESULT = re.compile(r"^(ok|not ok) \d+ selftests: (\S+): (\S+)(.*)$")
START = re.compile(r"^# selftests: (\S+): (\S+)$")


def parse_selftests(log):
    """Split the output of run_kselftest.sh into its programs."""
    suites, inside, current = [], [], None
    for line in log.splitlines():
        start, result = START.match(line), RESULT.match(line)
        if start:
            current, inside = ":".join(start.groups()), []
        elif result and current:
            suites.append(judge_program(current, result, inside))
            current = None
        elif current:
            inside.append(line[2:] if line.startswith("# ") else line.lstrip("#"))
    if current:
        suite = Suite(current)
        suite.failures["(program)"] = [*inside[-8:], "did not end"]
        suites.append(suite)
    return suites


def judge_program(name, result, inside):
    suite = Suite(name)
    ok, rest = result.group(1) == "ok", result.group(4)
    skipped = [match[1] for line in inside if (match := re.match(r"1\.\.0 # SKIP (.*)", line))]
    if skipped:
        suite.skips["(program)"] = skipped[0]
    elif any(re.match(r"\s*K?TAP version \d+$", line) for line in inside):
        add_cases(suite, inside)
    elif "# SKIP" in rest:
        suite.skips["(program)"] = " ".join(inside[-1:])
    elif ok:
        suite.passes.append("(program)")
    # The exit status has the last word.
    if not ok and not suite.failures:
        suite.failures["(program)"] = [*inside[-8:], rest.strip(" #") or "failed"]
    return suite


def parse_kunit(console):
    suite = Suite("kunit and doctests")
    lines = [line.rstrip("\r") for line in console.splitlines()]
    if not any("KTAP version" in line for line in lines):
        suite.failures["(kunit)"] = ["the kernel ran no KUnit tests"]
        return suite
    tree = add_cases(suite, lines)
    suite.name = f"kunit and doctests ({len(tree.subtests)} suites)"
    return suite


def available():
    return (GUEST / "selftests/kselftest-list.txt").read_text().split()


def select(patterns, without=()):
    return [name for name in available()
            if any(fnmatch.fnmatch(name, p) for p in patterns)
            and not any(fnmatch.fnmatch(name, p) for p in without)]


def job_lines(programs, flavour, slow):
    environment, limit = ENVIRONMENT.get(flavour, {}), PROGRAM_LIMIT
    if slow:
        environment = SLOW_ENVIRONMENT | SLOW_CHANGES.get(flavour, {})
        limit *= SLOWER
    environment = environment | DISKS_ENVIRONMENT
    lines = ["cd \"${SELFTESTS:-/selftests}\" || exit 1",
             *(f"export {name}={value}" for name, value in environment.items())]
    if programs:
        lines.append(f"./run_kselftest.sh -f -o {limit} "
                     + " ".join(f"-t {name}" for name in programs))
    if flavour == "debug":
        lines += LEAKS
    return lines


def boot(flavour, results, programs, kunit, args, niceness=0):
    run, log = run_guest(flavour, results, GUEST_LIMIT * (SLOWER if args.slow else 1),
                         job_lines(programs, flavour, args.slow),
                         ["kunit.enable=1", "kunit.autorun=1"] if kunit else [],
                         "boot-vng.sh" if args.runner == "vng" else "boot.sh", niceness)
    console = (results / "console.log").read_text(errors="replace")
    suites = parse_selftests(log)
    if kunit:
        suites.insert(0, parse_kunit(console))
    for suite in suites:
        skip_known(suite)
        # The other architectures lack more.
        if ARCH == "x86_64" and not is_upstream(suite):
            skips.refuse(flavour, suite)
    (results / "selftests.ktap").write_text(log)
    seen = {suite.name for suite in suites}
    if run.returncode:
        broken = Suite(f"kernel of {flavour}")
        broken.failures[boot_failure(run.returncode)] = run.stderr.splitlines()
        suites.append(broken)
    elif missing := [name for name in programs if name not in seen]:
        broken = Suite(f"run of {flavour}")
        broken.failures["no result for " + " ".join(missing)] = log.splitlines()[-8:]
        suites.append(broken)
    return suites


def is_flaky(suite, case):
    return any(case.endswith(known) for known in FLAKY.get(suite.name, []))


def skip_known(suite):
    """Skip the cases in KNOWN that failed, with the reason."""
    for (name, case), why in KNOWN.get(ARCH, {}).items():
        if suite.name.split(" (")[0] == name and suite.failures.pop(case, None):
            suite.skips[case] = "also fails on an unmodified kernel: " + why


def is_upstream(suite):
    return ":" in suite.name and not any(fnmatch.fnmatch(suite.name, own) for own in OWN)


def retry_flaky(flavour, suites, args):
    """Run upstream programs with failed cases once more. Our own programs have no retry."""
    again = [s for s in suites if s.failures and is_upstream(s)]
    if not again:
        return
    second = {s.name: s for s in boot(flavour, BUILD / "results" / flavour / "retry",
                                      [s.name for s in again], False, args)}
    for suite in again:
        redone = second.get(suite.name, Suite(suite.name))
        for case in list(suite.failures):
            if case in redone.passes or (case == "(program)" and redone.passes
                                         and not redone.failures):
                suite.flaky.append(case)
                suite.passes.append(case)
            elif is_flaky(suite, case):
                suite.skips[case] = "failed twice; is also flaky on an unmodified kernel"
            else:
                continue
            del suite.failures[case]
    # A warning of the kernel in the second boot is a failure as well.
    suites += [s for s in second.values() if ":" not in s.name]


def run_flavour(flavour, programs, kunit, args, niceness):
    started = time.monotonic()
    suites = boot(flavour, BUILD / "results" / flavour, programs, kunit, args, niceness)
    say(f"     {flavour}: guest ended after {time.monotonic() - started:.0f} s, "
        f"logs in {BUILD.relative_to(TOP)}/results/{flavour}")
    return suites


def run_driver_tests():
    """Run the tests of the driver on this machine."""
    run = subprocess.run([TOP / "scripts/driver_test.sh"], capture_output=True, text=True,
                         check=False)
    (BUILD / "results/driver.tap").write_text(run.stdout + run.stderr)
    suite = Suite("driver")
    add_cases(suite, run.stdout.splitlines())
    if run.returncode and not suite.failures:
        suite.failures["(driver)"] = run.stderr.splitlines()[-8:]
    return [suite]


def report(flavour, suites):
    for suite in suites:
        print(suite.line(flavour))
        for case in suite.flaky:
            print(f"     {case}: failed, and passed when tried again")
        for case, reason in suite.failures.items():
            print(f"     {case}", *(f"       | {line}" for line in reason), sep="\n")


def refuse_unknown(patterns):
    for pattern in patterns:
        if pattern != "kunit" and not select([pattern]):
            sys.exit(f"test: no selftest matches '{pattern}'; there are kunit and:\n  "
                     + "\n  ".join(available()))


def programs_for(flavour, args):
    if args.tests:
        return select(args.tests)
    if args.slow:
        return select(SLOW + STRESS + (DEBUG_SLOW if flavour == "debug" else []),
                      C_SKIP if flavour == "c" else [])
    if args.quick:
        return select(QUICK)
    return select(OWN + UPSTREAM, SLOW + {"c": C_SKIP, "debug": DEBUG_SKIP}.get(flavour, []))


def with_kunit(args):
    return "kunit" in args.tests or not (args.tests or args.slow)


def compare(results):
    """Return the selftests of both c and rust, and those whose results differ."""
    if not {"c", "rust"} <= results.keys():
        return [], []
    outcome = {flavour: {s.name: s.outcome() for s in results[flavour] if ":" in s.name}
               for flavour in ("c", "rust")}
    for name in select(NEW):
        for outcomes in outcome.values():
            outcomes.pop(name, None)
    differ = [name for name in outcome["c"].keys() | outcome["rust"].keys()
              if outcome["rust"].get(name) != outcome["c"].get(name)]
    for name in differ:
        print(f"FAIL c and rust differ in {name}")
    if not differ:
        print(f"ok   c and rust: the same result in {len(outcome['c'])} programs")
    return list(outcome["c"].keys() | outcome["rust"].keys()), differ


def report_skips(results):
    reasons = {}
    for flavour, suites in results.items():
        for suite in suites:
            for case, why in suite.skips.items():
                cases = reasons.setdefault((suite.name.split(" (")[0], why), {})
                cases.setdefault(case, []).append(flavour)
    for (name, why), cases in reasons.items():
        flavours = dict.fromkeys(flavour for where in cases.values() for flavour in where)
        case, *others = cases
        also = f" and {len(others)} more" if others else ""
        print(f"skip {','.join(flavours)}: {name} {case}{also}: {why}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flavours", nargs="+")
    parser.add_argument("--tests", default="", type=str.split)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--runner", choices=["qemu", "vng"], default="qemu")
    junit.add_arguments(parser)
    args = parser.parse_args()
    junit.check_arguments(parser, args)

    refuse_unknown(args.tests)
    os.environ.setdefault("MEMORY", "1G")
    whole = not (args.tests or args.quick or args.slow)
    # Start the slowest flavour first. The others run with lower priority.
    with guest_pool() as pool:
        jobs = {}
        for flavour in sorted(args.flavours, key=lambda name: {"debug": 0, "c": 2}.get(name, 1)):
            jobs[flavour] = pool.submit(run_flavour, flavour, programs_for(flavour, args),
                                        with_kunit(args), args, POLITE if jobs else 0)
            if whole and flavour == "rust" and ARCH == "x86_64":
                jobs["driver"] = pool.submit(run_driver_tests)
        results = {name: jobs[name].result() for name in (*args.flavours, "driver")
                   if name in jobs}
    for flavour, suites in results.items():
        retry_flaky(flavour, suites, args)
        report(flavour, suites)

    report_skips(results)
    programs, differ = compare(results)
    junit.write(args, results, programs, differ, {"architecture": ARCH, "runner": args.runner})
    every = [suite for suites in results.values() for suite in suites]
    failed = sum(len(s.failures) for s in every) + len(differ)
    print(f"{sum(s.passed for s in every)} passed, {failed} failed, "
          f"{sum(s.skipped for s in every)} skipped")
    sys.exit(1 if failed or not any(s.passed for s in every) else 0)


if __name__ == "__main__":
    main()
