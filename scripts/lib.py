# SPDX-License-Identifier: GPL-2.0
"""Shared by the Python scripts: paths, settings, and booting guests."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


def setting(variable):
    """Return a variable that lib.sh sets from the environment."""
    run = subprocess.run(["bash", "-c", f'. "$0" && echo "${variable}"', TOP / "scripts/lib.sh"],
                         stdout=subprocess.PIPE, text=True, check=False)
    return run.stdout.strip() or sys.exit(1)


def fragments(flavour):
    """Return the configuration fragments of a flavour."""
    run = subprocess.run(["bash", "-c", '. "$0" && fragments "$1"', TOP / "scripts/lib.sh", flavour],
                         stdout=subprocess.PIPE, text=True, check=True)
    return run.stdout.split()


def has_disks():
    """Return whether guests can make filesystems on disks."""
    return any(name.endswith("/base-disks.config") for name in fragments("rust"))


def toolchain():
    """Return the environment with the tools that setup.sh selected."""
    run = subprocess.run(["bash", "-c", 'set -a && . "$0" && env -0', BUILD / "env.sh"],
                         stdout=subprocess.PIPE, text=True, check=True)
    return dict(line.split("=", 1) for line in run.stdout.split("\0") if "=" in line)


ARCH = setting("ARCH")
BUILD = Path(setting("BUILD"))

BOOT_FAILURES = {124: "the guest hung and was killed",
                 125: "the guest ended before its job did",
                 126: "the kernel printed a warning or an error"}

printing = threading.Lock()


# Ctrl-C ends all processes on the terminal, including guests. Exit without a traceback.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))


@contextlib.contextmanager
def guest_pool():
    """Run two guests at a time: with more guests than processors, tests time out. If the
    script ends, waiting guests are not started."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def say(*lines):
    with printing:
        print("\n".join(lines), flush=True)


def boot_failure(status):
    return BOOT_FAILURES.get(status, f"boot ended with {status}")


def run_guest(flavour, results, limit, job, arguments=(), script="boot.sh", niceness=0,
              **environment):
    """Boot a flavour and run the lines of a job. Return the result of boot.sh and the output
    of the job."""
    results.mkdir(parents=True, exist_ok=True)
    (results / "job.sh").write_text("\n".join(["#!/bin/sh", *job]) + "\n")
    command = ["nice", "-n", str(niceness), TOP / "scripts" / script, flavour, results,
               str(limit), results / "job.sh", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False,
                         env={**os.environ, **environment})
    log = (results / "job.log").read_text(errors="replace").replace("\r", "")
    return run, log
