#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# An interactive shell in a flavour: shell.sh FLAVOUR
# On an x86_64 host, the guest has the files of the host. Otherwise, it is the guest
# that runs the tests.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

[ -t 0 ] || die "an interactive shell needs a terminal; 'make run CMD=...' does not"
if [ "$ARCH:$CROSS" != x86_64: ]; then
	RESULTS=$BUILD/results/shell
	mkdir -p "$RESULTS"
	echo 'exec sh -l' > "$RESULTS/job.sh"
	INTERACTIVE=1 exec "$TOP/scripts/boot.sh" "$1" "$RESULTS" 0 "$RESULTS/job.sh"
fi
"$TOP/scripts/setup.sh" vng
# shellcheck source=/dev/null
. "$BUILD/env.sh"
say "The sample tools and the selftests are in $BUILD/guest, the sample module is $BUILD/$1/samples/rust/rust_exportfs.ko."
kvm=()
[ "$(accelerator)" = kvm ] || kvm=(--disable-kvm)
exec vng --run "$BUILD/$1/$IMAGE" --skip-modules "${kvm[@]}" --disable-microvm \
	--cpus "$(guest_cpus)" --memory "${MEMORY:-1G}"
