#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Check the arguments of make before anything is installed or built:
# arguments.sh RUNNER FLAVOUR...
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

RUNNER=$1
shift
for flavour in "$@"; do
	check_flavour "$flavour"
	# UNWINDER_FRAME_POINTER and others exist on x86 alone.
	[ "$flavour" != debug ] || [ "$ARCH" = x86_64 ] ||
		die "the flavour debug is for x86_64 only, not for ARCH=$ARCH"
done
case $RUNNER in
qemu) ;;
vng) [ "$ARCH:$CROSS" = x86_64: ] ||
	die "virtme-ng shares the files of the host with the guest: it is for x86_64 only, on a host of the same architecture" ;;
*) die "RUNNER=$RUNNER is not known; there are: qemu vng" ;;
esac
[ -z "${KDIR:-}" ] || "$TOP/scripts/source.sh" check
