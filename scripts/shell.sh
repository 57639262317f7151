#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# An interactive shell in a flavour, on this machine's files: shell.sh FLAVOUR
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$BUILD/env.sh"

[ -t 0 ] || die "an interactive shell needs a terminal; 'make run CMD=...' does not"
say "The sample tool is $BUILD/guest/fhandle, the selftests are in $BUILD/guest/selftests."
exec vng --run "$BUILD/$1/arch/x86/boot/bzImage" --disable-kvm --disable-microvm \
	--cpus 2 --memory "${MEMORY:-1G}"
