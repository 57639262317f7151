# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the other scripts: paths, messages, and timed steps with a log.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LINUX=$TOP/build/linux
# The tree of the "flavour" base/c: the unmodified base, for comparison.
BASE=$TOP/build/base/linux
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linux-file-handles}
ARCH=${ARCH:-x86_64}
ARCHITECTURES="x86_64 arm s390"
J=${J:-$(nproc)}

say() { printf '%s\n' "$*"; }
die() { printf '%s: error: %s\n' "$(basename "$0" .sh)" "$*" >&2; exit 1; }

# What depends on the architecture, beside configs/$ARCH.config: where its output
# goes, the kernel's image, the guest's machine with its console and virtio
# transport and its kernel's arguments, Debian's name for it and, where it is
# not ours, its tools' prefix.
# shellcheck disable=SC2034 # used by those who source this
case $ARCH in
x86_64)
	# Booted as it is (PVH): there is nothing to decompress under emulation.
	BUILD=$TOP/build IMAGE=vmlinux
	QEMU=qemu-system-x86_64 QEMU_PACKAGE=qemu-system-x86 CONSOLE=ttyS0 VIRTIO=pci
	# Without hotplug, there is less ACPI bytecode to interpret under emulation.
	MACHINE="-machine q35 -global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"
	# String instructions are emulated step by step, with erms a byte each; and
	# smap is a twentieth of all time. What it would find, KASAN finds on debug.
	MACHINE+=" -cpu max,la57=off,erms=off,fsrm=off,smap=off"
	# Waiting for ten interrupts in a row may fail where this machine is busy.
	ARGUMENTS=no_timer_check
	CROSS="" DEBIAN_ARCH=amd64 THREADS=multi
	;;
arm)
	BUILD=$TOP/build/arm IMAGE=arch/arm/boot/zImage
	QEMU=qemu-system-arm QEMU_PACKAGE=qemu-system-arm CONSOLE=ttyAMA0 VIRTIO=device
	MACHINE="-machine virt -cpu cortex-a15" ARGUMENTS=
	CROSS=arm-linux-gnueabihf DEBIAN_ARCH=armhf THREADS=multi
	;;
s390)
	BUILD=$TOP/build/s390 IMAGE=arch/s390/boot/bzImage
	QEMU=qemu-system-s390x QEMU_PACKAGE=qemu-system-s390x CONSOLE=ttysclp0 VIRTIO=ccw
	MACHINE="-machine s390-ccw-virtio -cpu max" ARGUMENTS=
	# With a host thread for each processor, one boot in sixty hangs at power-off
	# (QEMU 7.2): smp_send_stop() waits for a processor that is in an IPTE.
	CROSS=s390x-linux-gnu DEBIAN_ARCH=s390x THREADS=single
	;;
*) die "ARCH=$ARCH is not supported; there are: $ARCHITECTURES" ;;
esac
# While an earlier point of the series is tested, it is in a tree of its own, and
# some options and programs do not exist there yet.
if [ -n "${SERIES_AT:-}" ]; then
	LINUX=$BUILD/patches/linux BUILD=$BUILD/patches
fi
LOGS=$BUILD/logs
# What cross packages do not have: a static busybox, and libcap.
# shellcheck disable=SC2034 # likewise
SYSROOT=$BUILD/sysroot
export TOP BUILD LINUX BASE LOGS CACHE ARCH J

# step NAME COMMAND...: run a long command with its output in a log file. Print the
# name and the duration and, on failure, the end of the log. Do not call this in a
# condition: bash then ignores failures inside COMMAND.
step()
{
	local name=$1 log started rc=0
	shift
	log=$LOGS/${name//[^A-Za-z0-9._-]/-}.log
	mkdir -p "$LOGS"
	started=$SECONDS
	say "==> $name (log: ${log#"$TOP"/})"
	set +e
	(set -e; "$@") > "$log" 2>&1 < /dev/null
	rc=$?
	set -e
	if [ "$rc" -ne 0 ]; then
		tail -n 25 "$log" | sed 's/^/    | /' >&2
		disk_full "$log" && die "$name: no space left on the disk (log: $log)"
		die "$name failed after $((SECONDS - started)) s (log: $log)"
	fi
	say "    $name: done in $((SECONDS - started)) s"
}

disk_full() { grep -q 'No space left on device' "$1"; }

# need_space DIR MIB WHAT: fail if DIR has less than MIB of free space.
need_space()
{
	local free
	mkdir -p "$1"
	free=$(df --output=avail -m "$1" | tail -n 1 | tr -d ' ')
	[ "$free" -ge "$2" ] ||
		die "$3 needs $2 MiB in $1, which has $free MiB free"
}

# version_ge A B: succeed if version A is at least B.
version_ge() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

tail_of() { sed 's/\r$//' "$1" | tail -n "${2:-15}" | sed 's/^/    | /' >&2; }

# judge_boot RESULTS LIMIT STATUS: exit with a status that boot.sh documents. RESULTS
# contains the logs of the guest. STATUS is the exit status of its runner.
judge_boot()
{
	local results=$1 job_status
	job_status=$(sed -n 's/^guest: job exited with \([0-9]*\).*/\1/p' "$results/job.log" | tail -n 1)
	if [ "$3" -eq 124 ] || [ "$3" -eq 137 ]; then
		echo "boot: error: the guest did not end within $2 s and was killed; its console ends:" >&2
		tail_of "$results/console.log"
		exit 124
	fi
	if grep -E -f "$TOP/scripts/unhealthy.txt" "$results/console.log" > "$results/unhealthy.log"; then
		echo "boot: error: the kernel printed a warning or an error (see $results/console.log):" >&2
		tail_of "$results/unhealthy.log" 10
		exit 126
	fi
	if [ -z "$job_status" ]; then
		echo "boot: error: the guest ended before the job did; its console ends:" >&2
		tail_of "$results/console.log"
		tail_of "$results/qemu.log" 5
		exit 125
	fi
	exit "$job_status"
}

# Each file in configs/ that is neither common nor of an architecture is a flavour.
flavours() { basename -s .config "$TOP"/configs/*.config | grep -vxE "base|.*-.*|${ARCHITECTURES// /|}" | xargs; }

check_flavour()
{
	case " $(flavours) base/c " in
	*" $1 "*) ;;
	*) die "there is no flavour '$1'; there are: $(flavours)" ;;
	esac
}

# fragments FLAVOUR: print the files of the kernel configuration: the common one, and
# those of the architecture, of the flavour, and of both. The base has no option that
# the series adds.
fragments()
{
	local name names="base base-rust $ARCH $1 $1-$ARCH"
	[ "$1" != base/c ] || names="base $ARCH base-$ARCH"
	for name in $names; do
		[ ! -f "$TOP/configs/$name.config" ] || echo "$TOP/configs/$name.config"
	done
}
