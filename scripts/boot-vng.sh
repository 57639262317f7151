#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Like boot.sh, with virtme-ng: the root of the guest is that of this machine,
# read-only.
#
#   boot-vng.sh FLAVOUR RESULTS SECONDS JOB [KERNEL-ARGUMENT...]
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$BUILD/env.sh"

FLAVOUR=$1 RESULTS=$2 LIMIT=$3 JOB=$4
shift 4
append=(--append log_buf_len=8M)
for argument in $ARGUMENTS "$@"; do
	append+=(--append "$argument")
done
kvm=()
[ "$(accelerator)" = kvm ] || kvm=(--disable-kvm)
mkdir -p "$RESULTS"
: > "$RESULTS/console.log"
: > "$RESULTS/job.log"
cat > "$RESULTS/vng.sh" <<-EOF
	mount -o remount,mode=1777 /tmp 2> /dev/null
	# kselftest writes to /dev/stdout, which virtme-ng links to the console.
	ln -sf /proc/self/fd/1 /dev/stdout
	export SELFTESTS='$BUILD/guest/selftests'
	export RUST_EXPORTFS_MODULE='$BUILD/$FLAVOUR/samples/rust/rust_exportfs.ko'
	(sh '$JOB'; echo "guest: job exited with \$?") >> '$RESULTS/job.log' 2>&1
	dmesg > '$RESULTS/console.log'
EOF
rc=0
# Ctrl-C does not reach vng: timeout runs it in a process group of its own, so that it
# can kill all processes of vng.
trap 'kill "$guest"; exit 130' INT
timeout --kill-after=5 "$LIMIT" vng --run "$BUILD/$FLAVOUR/$IMAGE" \
	--skip-modules "${kvm[@]}" --disable-microvm --cpus "$(guest_cpus)" --memory "${MEMORY:-1G}" --user root \
	--rwdir="$RESULTS" "${append[@]}" -- sh "$RESULTS/vng.sh" \
	> "$RESULTS/qemu.log" 2>&1 < /dev/null &
guest=$!
wait "$guest" || rc=$?
judge_boot "$RESULTS" "$LIMIT" "$rc"
