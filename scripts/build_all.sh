#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Build several flavours: build_all.sh FLAVOUR...
# "debug" has no object in common with another flavour. It is built beside them
# and gives way to them: the crates of one kernel, which are compiled one after
# the other, leave a processor idle.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

beside=
# Ends what make started, too, and not in the middle of a file: make removes
# what it has not finished.
stop_beside()
{
	[ -n "$beside" ] || return 0
	kill -TERM -- "-$beside" 2> /dev/null || true
	wait "$beside" || true
}
trap stop_beside EXIT

build_beside()
{
	set -m
	NO_GUEST=1 nice "$TOP/scripts/build.sh" "$1" &
	beside=$!
	set +m
}

others=()
for flavour in "$@"; do
	if [ "$flavour" = debug ] && [ $# -gt 1 ]; then
		build_beside "$flavour"
	else
		others+=("$flavour")
	fi
done
for flavour in "${others[@]}"; do
	"$TOP/scripts/build.sh" "$flavour"
done
[ -z "$beside" ] || wait "$beside"
beside=
