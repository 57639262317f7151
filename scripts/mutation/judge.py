# SPDX-License-Identifier: GPL-2.0
"""Run cases in a guest whose kernel contains the mutants."""

import hashlib
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass

PARAMETERS = "/sys/module/mutant/parameters"
# Statuses of a program: timeout of busybox, killed by it, and a skipped case.
TIMEOUT = (124, 137, 143)
# The limit of a case, in seconds: the time that it took, and more for a busy machine.
MINIMUM, FACTOR = 8, 4
# A guest that prints nothing for so long hangs.
SILENCE = 20

# run CASE: run a case and set "rc". A program may leave servers or children behind when
# its limit ends, so that "clean" ends whatever the job did not start itself.
FUNCTIONS = r"""
P=/sys/module/mutant/parameters
mount -t debugfs debugfs /sys/kernel/debug 2> /dev/null
now() { read -r up _ < /proc/uptime; ms=${up%.*}${up#*.}0; }
# Some errors are only in the kernel log. "bugs" counts them.
splats() {
	read -r w < /sys/kernel/warn_count
	read -r o < /sys/kernel/oops_count
	bugs=$((bugs + $(dmesg -c | grep -c -E 'BUG: |Internal error')))
	w=$((w + bugs))
}
clean() {
	for p in /proc/[0-9]*; do
		p=${p#/proc/}
		[ "$p" -le $$ ] || kill -9 "$p" 2> /dev/null
	done
}
run() {
	eval "set -- \$C$1"
	limit=$1
	shift
	if [ "$1" = kunit ]; then
		echo "$2" > $P/kunit
		read -r rc < $P/kunit
		return
	fi
	cd "/selftests/$1" || exit
	shift
	timeout -k 1 "$limit" "./$@" > /tmp/out 2>&1 < /dev/null
	rc=$?
	# timeout of busybox returns the status of a signal.
}
measure() {
	echo "R $1"
	echo 0 > $P/reached
	now; before=$ms
	run "$1"
	now
	read -r reached < $P/reached
	[ "$rc" -le 4 ] && [ "$rc" -ne 1 ] || clean
	echo "B $1 $rc $((ms - before)) $reached"
}
# Run the case that killed mutants without one, and report them.
settle() {
	[ -n "$killed" ] || return 0
	splats; w0=$w o0=$o
	echo "C $with"
	run "$with"
	splats
	if [ "$rc" != 0 ] || [ "$w.$o" != "$w0.$o0" ]; then
		echo "D $rc"
		exit 0
	fi
	for k in $killed; do
		echo "K $k"
	done
	killed='' number=0
}
# Judge a mutant. A case that fails with it must pass without it afterwards, once for up
# to $most mutants.
judge() {
	id=$1
	shift
	echo "M $id"
	for c; do
		echo "R $c"
		splats; w0=$w o0=$o
		echo "$id" > $P/chosen
		run "$c"
		splats
		echo 0 > $P/chosen
		# test.py does not accept that a case needs what the kernel has.
		[ "$rc" != 4 ] || grep -q 'SKIP.*needs ' /tmp/out || rc=0
		if [ "$rc" = 0 ] && [ "$w.$o" = "$w0.$o0" ]; then
			continue
		fi
		why=$rc
		[ "$w" = "$w0" ] || why=warning
		[ "$o" = "$o0" ] || why=oops
		echo "P $id $c $why $(grep -m 1 -E 'Expected|not ok|SKIP' /tmp/out)"
		echo > $P/forget
		clean
		[ "$c" = "$with" ] || settle
		with=$c
		killed="$killed $id" number=$((number + 1))
		[ "$why" = 1 ] && [ "$number" -lt "$most" ] || settle
		return
	done
	echo "S $id"
}
killed='' number=0 with='' most=1 bugs=0
"""


@dataclass
class Case:
    """A case of a selftest, a whole program without such cases, or a suite of KUnit."""
    directory: str      # or "kunit"
    program: str
    test: str = ""      # the name of a case, or options
    version: str = ""   # changes with the program
    status: int = 0
    ms: int = 0

    @property
    def name(self):
        return f"{self.directory}:{self.program}" + (f" {self.test}" if self.test else "")

    @property
    def identity(self):
        return f"{self.name} {self.version}"

    def line(self, number, limit):
        option = " " if self.test.startswith("-") else " -t "
        arguments = option + self.test if self.test else ""
        return f"C{number}='{limit} {self.directory} {self.program}{arguments}'"

    def limit(self):
        return MINIMUM + FACTOR * self.ms // 1000


def selftest_cases(directory, program, file):
    """Return the cases of a program that uses kselftest_harness.h, or the program."""
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    if not file.name.endswith(".sh"):
        run = subprocess.run([file, "-l"], capture_output=True, text=True, check=False, timeout=20,
                             cwd="/")
        if run.stderr.startswith("# FIXTURE"):
            tests = [line.split()[-1] for line in run.stderr.splitlines()[1:]
                     if line.strip("-") and not line.endswith(" ")]
            return [Case(directory, program, test, version) for test in dict.fromkeys(tests)]
    return [Case(directory, program, version=version)]


class Guest:
    """Boots a guest with a job, and reads what the job prints."""

    def __init__(self, top, results, flavour):
        self.top, self.results, self.flavour = top, results, flavour

    def run(self, lines, deadline, arguments=()):
        """Yield the lines of the job as lists of words, and at last how the guest ended:
        "end", "crash", "hang" or "late"."""
        self.results.mkdir(parents=True, exist_ok=True)
        job = self.results / "job.sh"
        job.write_text("#!/bin/sh\n" + FUNCTIONS + "\n".join(lines) + "\necho END\n")
        log = self.results / "job.log"
        log.unlink(missing_ok=True)
        command = [self.top / "scripts/boot.sh", self.flavour, self.results, "36000", job,
                   "kunit.enable=1", "kunit.autorun=0", "loglevel=4", *arguments]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              start_new_session=True,
                              env={**os.environ, "MEMORY": "1G"}) as process:
            try:
                yield from self.follow(process, log, deadline)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def follow(self, process, log, deadline):
        place, last = 0, time.monotonic()
        while True:
            running = process.poll() is None
            lines, place = read_lines(log, place)
            for line in lines:
                last = time.monotonic()
                if line.startswith(("END", "guest: job exited")):
                    yield ["end"]
                    return
                yield line.split()
            if not running:
                yield ["crash"]
                return
            if time.monotonic() - last > SILENCE + self.patience:
                yield ["hang"]
                return
            if time.monotonic() > deadline:
                yield ["late"]
                return
            time.sleep(0.1)

    patience = 30


def read_lines(log, place):
    """Return the complete lines of a file from an offset on, and the offset after them."""
    if not log.exists():
        return [], place
    with open(log, "rb") as file:
        file.seek(place)
        text = file.read()
    end = text.rfind(b"\n") + 1
    return text[:end].decode(errors="replace").splitlines(), place + end


def probes(text):
    """Decode the digits of the parameter "reached"."""
    found = set()
    for index, pair in enumerate(re.findall("..", text)):
        byte = int(pair, 16)
        found |= {8 * index + bit for bit in range(8) if byte >> bit & 1}
    return found
