#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Debug the kernel of a flavour in gdb: gdb.sh FLAVOUR [COMMAND] [GDB-ARGUMENT...]
# The guest waits for gdb before its first instruction, then runs COMMAND as
# run.sh does. It ends with gdb.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

FLAVOUR=$1
COMMAND=${2:-}
shift $(($# < 2 ? $# : 2))
RESULTS=$BUILD/results/gdb
# The path of a socket is short, that of this repository may not be.
SOCKET_DIR=$(mktemp -d)
SOCKET=$SOCKET_DIR/gdb

[ -z "$CROSS" ] || die "gdb of this machine debugs x86_64 only"
[ -f "$BUILD/$FLAVOUR/vmlinux-gdb.py" ] ||
	die "$FLAVOUR has no debug information; the flavour symbols has"

# setsid: Ctrl-C interrupts the guest through gdb, and does not end QEMU.
start_guest()
{
	mkdir -p "$RESULTS"
	printf '#!/bin/sh\n%s\n' "${COMMAND:-show}" > "$RESULTS/job.sh"
	QEMU_EXTRA="-S -gdb unix:$SOCKET,server=on,wait=off" setsid "$TOP/scripts/boot.sh" \
		"$FLAVOUR" "$RESULTS" "${LIMIT:-86400}" "$RESULTS/job.sh" > "$RESULTS/boot.log" 2>&1 &
	guest=$!
	for _ in {1..100}; do
		[ ! -S "$SOCKET" ] || return 0
		kill -0 "$guest" 2> /dev/null || break
		sleep 0.1
	done
	tail_of "$RESULTS/boot.log"
	tail_of "$RESULTS/qemu.log"
	die "the guest did not start"
}

guest=
trap '[ -z "$guest" ] || kill -- -"$guest" 2> /dev/null; rm -rf "$SOCKET_DIR"' EXIT
start_guest
say "==> debug $FLAVOUR (kernel log: ${RESULTS#"$TOP"/}/console.log, output: ${RESULTS#"$TOP"/}/job.log)"
gdb -q -iex "add-auto-load-safe-path $BUILD/$FLAVOUR" -iex "add-auto-load-safe-path $LINUX" \
	-iex "set pagination off" "$BUILD/$FLAVOUR/vmlinux" \
	-ex "directory $LINUX" -ex "target remote $SOCKET" "$@"
