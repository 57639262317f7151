#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Build several flavours: build_all.sh FLAVOUR...
# "debug" shares no objects with the other flavours, so it is built at the same time,
# with lower priority. The crates of a kernel are compiled one after the other, which
# leaves processors idle.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

beside=
# Let make stop its children: it removes targets that are not complete.
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
