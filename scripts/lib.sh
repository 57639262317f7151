# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the other scripts: paths, messages, and timed steps with a log.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LINUX=$TOP/build/linux
# The tree of the "flavour" base/c: the unmodified base, for comparison.
BASE=$TOP/build/base/linux
# That of faults/rust: the series with the faults that make fuzz CONTROLS=1 switches on.
# shellcheck disable=SC2034 # used by the scripts that source this one
FAULTS=$TOP/build/faults/linux
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linux-file-handles}
ARCHITECTURES="x86_64 arm64 riscv arm s390"
J=${J:-$(nproc)}

say() { printf '%s\n' "$*"; }
die() { printf '%s: error: %s\n' "$(basename "$0" .sh)" "$*" >&2; exit 1; }

# Prints the kernel's name of this machine's architecture.
host_arch()
{
	local machine
	machine=$(uname -m)
	case $machine in
	aarch64) echo arm64 ;;
	armv[78]l) echo arm ;;
	riscv64) echo riscv ;;
	s390x) echo s390 ;;
	*) echo "$machine" ;;
	esac
}

HOST_ARCH=$(host_arch)
# Tools for the host's own architecture need no prefix. A host that is not
# supported as a guest can still cross-compile.
case " $ARCHITECTURES " in
*" $HOST_ARCH "*) ARCH=${ARCH:-$HOST_ARCH} ;;
*) ARCH=${ARCH:-x86_64} ;;
esac

# The settings of an architecture, in addition to configs/$ARCH.config: the image
# of the kernel; the machine of the guest with its console, its virtio transport
# and its kernel arguments; Debian's name of the architecture; and the prefix of
# the cross tools.
# shellcheck disable=SC2034 # used by the scripts that source this one
case $ARCH in
x86_64)
	# QEMU boots vmlinux through PVH: the guest does not have to decompress it.
	IMAGE=vmlinux
	QEMU=qemu-system-x86_64 QEMU_PACKAGE=qemu-system-x86 CONSOLE=ttyS0 VIRTIO=pci
	# Without hotplug, there is less ACPI bytecode to interpret under emulation.
	MACHINE="-machine q35 -global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"
	# TCG emulates string instructions step by step: with erms, a byte at a time.
	# smap takes a twentieth of the run time; KASAN in "debug" finds the same bugs.
	MACHINE+=" -cpu max,la57=off,erms=off,fsrm=off,smap=off"
	# On a busy host, the check for ten consecutive timer interrupts may fail.
	ARGUMENTS=no_timer_check
	CROSS=x86_64-linux-gnu DEBIAN_ARCH=amd64 THREADS=multi
	;;
arm64)
	IMAGE=arch/arm64/boot/Image
	QEMU=qemu-system-aarch64 QEMU_PACKAGE=qemu-system-arm CONSOLE=ttyAMA0 VIRTIO=device
	# The model "max" is slower under emulation.
	MACHINE="-machine virt,gic-version=max -cpu cortex-a72" ARGUMENTS=
	CROSS=aarch64-linux-gnu DEBIAN_ARCH=arm64 THREADS=multi
	;;
riscv)
	IMAGE=arch/riscv/boot/Image
	QEMU=qemu-system-riscv64 QEMU_PACKAGE=qemu-system-riscv CONSOLE=ttyS0 VIRTIO=device
	# The device tree of QEMU 7.2 has "riscv,isa" only, which is deprecated.
	MACHINE="-machine virt -cpu rv64" ARGUMENTS=riscv_isa_fallback
	CROSS=riscv64-linux-gnu DEBIAN_ARCH=riscv64 THREADS=multi
	;;
arm)
	IMAGE=arch/arm/boot/zImage
	QEMU=qemu-system-arm QEMU_PACKAGE=qemu-system-arm CONSOLE=ttyAMA0 VIRTIO=device
	MACHINE="-machine virt -cpu cortex-a15" ARGUMENTS=
	CROSS=arm-linux-gnueabihf DEBIAN_ARCH=armhf THREADS=multi
	;;
s390)
	IMAGE=arch/s390/boot/bzImage
	QEMU=qemu-system-s390x QEMU_PACKAGE=qemu-system-s390x CONSOLE=ttysclp0 VIRTIO=ccw
	MACHINE="-machine s390-ccw-virtio -cpu max" ARGUMENTS=
	# With a host thread for each processor, one boot in sixty hangs at power-off
	# (QEMU 7.2): smp_send_stop() waits for a processor that is in an IPTE.
	CROSS=s390x-linux-gnu DEBIAN_ARCH=s390x THREADS=single
	;;
*) die "ARCH=$ARCH is not supported; there are: $ARCHITECTURES" ;;
esac
BUILD=$TOP/build/$ARCH
if [ "$ARCH" = "$HOST_ARCH" ]; then
	BUILD=$TOP/build CROSS=""
fi
# The test of an earlier point of the series uses a tree of its own, which lacks
# options and programs of later patches.
if [ -n "${SERIES_AT:-}" ]; then
	LINUX=$BUILD/patches/linux BUILD=$BUILD/patches
fi
LOGS=$BUILD/logs
# Debian has no cross packages of a static busybox and of libcap.
# shellcheck disable=SC2034 # used by the scripts that source this one
SYSROOT=$BUILD/sysroot
export TOP BUILD LINUX BASE LOGS CACHE ARCH J

# Prints QEMU's accelerator. KVM requires a guest of the host's architecture. On
# x86, it also requires vmx or svm: with a /dev/kvm but without them, QEMU hangs.
accelerator()
{
	if [ "${ACCEL:-}" != tcg ] && [ -z "$CROSS" ] && [ -w /dev/kvm ] &&
	   { [ "$ARCH" != x86_64 ] || grep -qwE 'vmx|svm' /proc/cpuinfo; }; then
		echo kvm
	else
		echo "tcg,thread=$THREADS"
	fi
}

# The processors of a guest: those of this machine, but at least two for races to
# show, and at most eight, the limit of the smallest machine.
guest_cpus()
{
	local cpus
	cpus=$(nproc)
	[ "$cpus" -ge 2 ] || cpus=2
	[ "$cpus" -le 8 ] || cpus=8
	echo "${CPUS:-$cpus}"
}

# step NAME COMMAND...: run a long command with its output in a log file; say
# what runs, how long it took and, where it fails, the end of its log. Not to be
# called in a condition: bash would then ignore failures inside of COMMAND.
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

# python_environment NAME: the directory of the Python packages of
# requirements/NAME.txt. Another list is another directory.
python_environment()
{
	echo "$CACHE/python/$1-$(sha256sum "$TOP/scripts/requirements/$1.txt" | cut -c-12)"
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
	case " $(flavours) base/c faults/rust " in
	*" $1 "*) ;;
	*) die "there is no flavour '$1'; there are: $(flavours)" ;;
	esac
}

# fragments FLAVOUR: print the files of the kernel configuration: the common one, that of
# disks if the guest can run the mkfs programs of this machine, and those of the
# architecture, of the flavour, and of both. The base has no option that the series adds.
fragments()
{
	local flavour=${1#faults/}
	local name names="base base-rust $ARCH $flavour $flavour-$ARCH"
	[ "$1" != base/c ] || names="base $ARCH base-$ARCH"
	[ -n "$CROSS" ] || names="base-disks $names"
	for name in $names; do
		[ ! -f "$TOP/configs/$name.config" ] || echo "$TOP/configs/$name.config"
	done
}
