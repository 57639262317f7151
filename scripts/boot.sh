#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Boot one flavour, run a script in it, and check the log of the kernel.
#
#   boot.sh FLAVOUR RESULTS SECONDS JOB [KERNEL-ARGUMENT...]
#
# JOB is a script, which becomes /job in the guest. RESULTS is a directory that
# receives console.log (the kernel) and job.log (the script's output). Where
# TEE=1, the script's output is also shown; where INTERACTIVE=1, it has the
# terminal instead, and nothing is judged. Where CLOCK=instructions, the guest's
# time is a nanosecond an instruction. QEMU_EXTRA holds further arguments of QEMU,
# and ACCEL=tcg emulates the processor even where KVM works. Exit status: the job's, or
#   124  the guest did not end within SECONDS and was killed
#   125  the guest ended without the job having ended: panic or power loss
#   126  the kernel printed a warning or an error
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

FLAVOUR=$1 RESULTS=$2 LIMIT=$3 JOB=$4
shift 4
GUEST=$BUILD/guest
KERNEL=$BUILD/$FLAVOUR/$IMAGE
MEMORY=${MEMORY:-1G}

# The kernel unpacks a second archive over the first one. It contains the job, the
# modules of the flavour, and the programs that make filesystems if there are any.
make_initrd()
{
	local dir=$RESULTS/initrd
	rm -rf "$dir"
	mkdir -p "$dir/lib/modules"
	install -m 755 "$JOB" "$dir/job"
	[ ! -d "$BUILD/$FLAVOUR/samples" ] ||
		find "$BUILD/$FLAVOUR/samples" -name '*.ko' -exec cp -t "$dir/lib/modules" {} +
	[ ! -d "$GUEST/disks" ] || cp -a "$GUEST/disks/." "$dir"
	(cd "$dir" && find . -mindepth 1 | cpio --quiet -o -H newc -R 0:0) |
		cat "$GUEST/image.cpio" - > "$RESULTS/initrd.img"
	rm -rf "$dir"
}

# Prints the options for the processors and the clock. A clock that counts
# instructions does not wait while the guest is idle, and no input of the guest
# depends on the time of this machine or on chance. Of two -cpu, QEMU takes the last:
# KVM runs no other model than the host's. On x86, "max" is that model.
processors()
{
	local accelerator model=""
	accelerator=$(accelerator)
	if [ "$accelerator" = kvm ] && [ "$ARCH" != x86_64 ]; then
		model="-cpu host"
	fi
	if [ "${CLOCK:-}" = instructions ]; then
		echo "-accel tcg,thread=single -icount shift=0,sleep=off -smp 1 -seed 1 -rtc base=2026-01-01,clock=vm"
	else
		echo "-accel $accelerator -smp $(guest_cpus) $model"
	fi
}

# boot CHARDEV [KERNEL-ARGUMENT...]: run QEMU, and connect the result console to
# CHARDEV.
boot()
{
	# shellcheck disable=SC2046,SC2086 # these are several arguments
	timeout --foreground --kill-after=5 "$LIMIT" "$QEMU" $MACHINE $(processors) -m "$MEMORY" \
		-display none -no-reboot -nodefaults -monitor none \
		-kernel "$KERNEL" -initrd "$RESULTS/initrd.img" \
		-append "console=$CONSOLE panic=-1 printk.time=1 $ARGUMENTS ${*:2}" \
		-serial "file:$RESULTS/console.log" \
		${QEMU_EXTRA:-} -device "virtio-serial-$VIRTIO" \
		-chardev "$1,id=results" -device virtconsole,chardev=results
}

show_job_output()
{
	[ "${TEE:-}" = 1 ] || return 0
	tail -n +1 --pid=$$ -F "$RESULTS/job.log" 2> /dev/null |
		sed -u -e 's/\r$//' -e '/^guest: job exited with /d' &
	tee_pid=$!
}

# After Ctrl-C, QEMU exits as if the guest had powered off. End this script as well.
trap 'exit 130' INT
mkdir -p "$RESULTS"
[ -f "$KERNEL" ] || die "flavour $FLAVOUR is not built"
make_initrd
: > "$RESULTS/console.log"
: > "$RESULTS/job.log"
if [ "${INTERACTIVE:-}" = 1 ]; then
	rc=0
	boot stdio,signal=off "$@" || rc=$?
	rm -f "$RESULTS/initrd.img"
	exit "$rc"
fi
tee_pid=
show_job_output
rc=0
boot "file,path=$RESULTS/job.log" "$@" < /dev/null > "$RESULTS/qemu.log" 2>&1 || rc=$?
rm -f "$RESULTS/initrd.img"
if [ -n "$tee_pid" ]; then
	sleep 0.3
	pkill -P "$tee_pid" 2> /dev/null || true
	pkill -P $$ tail 2> /dev/null || true
fi

judge_boot "$RESULTS" "$LIMIT" "$rc"
