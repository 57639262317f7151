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
done
case $RUNNER in
qemu) ;;
vng) [ -z "$CROSS" ] ||
	die "virtme-ng shares this machine's files with the guest, so it is for x86_64 only, not for ARCH=$ARCH" ;;
*) die "RUNNER=$RUNNER is not known; there are: qemu vng" ;;
esac
[ -z "${KDIR:-}" ] || "$TOP/scripts/source.sh" check
