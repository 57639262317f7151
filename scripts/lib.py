# SPDX-License-Identifier: GPL-2.0
"""What test.py and bench.py share: where things are, and how a guest fares."""

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
    """What lib.sh makes of the environment: one place for every script."""
    run = subprocess.run(["bash", "-c", f'. "$0" && echo "${variable}"', TOP / "scripts/lib.sh"],
                         stdout=subprocess.PIPE, text=True, check=False)
    return run.stdout.strip() or sys.exit(1)


ARCH = setting("ARCH")
BUILD = Path(setting("BUILD"))

BOOT_FAILURES = {124: "the guest hung and was killed",
                 125: "the guest ended before its job did",
                 126: "the kernel printed what a healthy kernel does not print"}

printing = threading.Lock()


# Ctrl-C ends what runs on the terminal, guests too; this script says no more of it.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))


@contextlib.contextmanager
def guest_pool():
    """Guests at a time: more than there are processors for would only time out. Where this
    script ends, those that wait for their turn are not started."""
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
    """Boot a flavour to run the lines of a job, giving way to others by its niceness; how
    boot.sh ended, and the job's output."""
    results.mkdir(parents=True, exist_ok=True)
    (results / "job.sh").write_text("\n".join(["#!/bin/sh", *job]) + "\n")
    command = ["nice", "-n", str(niceness), TOP / "scripts" / script, flavour, results,
               str(limit), results / "job.sh", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False,
                         env={**os.environ, **environment})
    log = (results / "job.log").read_text(errors="replace").replace("\r", "")
    return run, log
