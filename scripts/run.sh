#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Boot one flavour and show its output: run.sh FLAVOUR [COMMAND]
# COMMAND is a program or script of this machine, or a command line of the
# guest. Without one, the show of scripts/guest/show.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

FLAVOUR=$1
COMMAND=${2:-}
RESULTS=$BUILD/results/run
mkdir -p "$RESULTS"
job=$RESULTS/job.sh

# A file of this machine travels as the job itself: a static program, or a
# script for the guest's /bin/sh.
if [ -n "$COMMAND" ] && [ -f "$COMMAND" ]; then
	[ -r "$COMMAND" ] || die "$COMMAND cannot be read"
	cp "$COMMAND" "$job"
else
	printf '#!/bin/sh\n%s\n' "${COMMAND:-show}" > "$job"
fi
# Looking for leaks makes a guest of "debug" slower by half; tests do it.
started=$SECONDS
say "==> boot $FLAVOUR (logs: ${RESULTS#"$TOP"/})"
rc=0
TEE=1 "$TOP/scripts/boot.sh" "$FLAVOUR" "$RESULTS" "${LIMIT:-600}" "$job" kmemleak=off || rc=$?
say "    boot $FLAVOUR: ended with $rc after $((SECONDS - started)) s"
exit "$rc"
