#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Boot one flavour and show its output: run.sh FLAVOUR [COMMAND]
# COMMAND is a program or script of this machine, or a command line for the guest.
# The default is the demonstration, scripts/guest/show.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

FLAVOUR=$1
COMMAND=${2:-}
RESULTS=$BUILD/results/run
mkdir -p "$RESULTS"
job=$RESULTS/job.sh

# A file of this machine becomes the job itself: a static program, or a script for
# /bin/sh of the guest.
if [ -n "$COMMAND" ] && [ -f "$COMMAND" ]; then
	[ -r "$COMMAND" ] || die "$COMMAND cannot be read"
	cp "$COMMAND" "$job"
else
	printf '#!/bin/sh\n%s\n' "${COMMAND:-show}" > "$job"
fi
# kmemleak makes a guest of "debug" slower by half. Only the tests enable it.
started=$SECONDS
say "==> boot $FLAVOUR (logs: ${RESULTS#"$TOP"/})"
rc=0
TEE=1 "$TOP/scripts/boot.sh" "$FLAVOUR" "$RESULTS" "${LIMIT:-600}" "$job" kmemleak=off || rc=$?
say "    boot $FLAVOUR: ended with $rc after $((SECONDS - started)) s"
exit "$rc"
