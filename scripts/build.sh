#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Build one flavour: the configuration, the kernel, and the programs of the guest.
#
#   build.sh FLAVOUR            everything that a boot requires
#   build.sh FLAVOUR TARGET...  make targets of the kernel, such as rust/kernel.o
#
# The flavour base/c is the unmodified base, in a separate tree. If COMMIT is set,
# base/c is that commit of the series instead. fuzz_controls.py creates the tree of
# faults/rust.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$BUILD/env.sh"

FLAVOUR=$1
shift
OUT=$BUILD/$FLAVOUR
GUEST=$BUILD/guest
# The collections of selftests to build. scripts/test.py selects which ones run.
SELFTESTS="filesystems filesystems/file_handle filesystems/fuse filesystems/mount_cycle filesystems/nsfs namespaces pidfd"

# GNU ld 2.40 crashes on the debug information that clang writes for RISC-V.
LINKER=""
[ "$ARCH" != riscv ] || LINKER="-fuse-ld=lld${LLVM#1}"

check_flavour "$FLAVOUR"
SRC=$LINUX
[ "$FLAVOUR" != base/c ] || SRC=$BASE
[ "$FLAVOUR" != faults/rust ] || SRC=$FAULTS

export KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=series KBUILD_BUILD_HOST=build
kmake() { make -C "$SRC" O="$OUT" ARCH="$ARCH" -j"$J" "$@"; }

# lock_output PATH WHAT: wait until no other process writes to PATH. The lock ends with
# this process and its children.
lock_output()
{
	local file
	mkdir -p "$(dirname "$1")"
	exec {file}> "$1.lock"
	flock -n "$file" && return
	say "==> wait for another build of $2"
	flock "$file"
}

# The tree of the base borrows the objects of build/linux.
checkout_base()
{
	if [ ! -d "$BASE" ]; then
		rm -rf "$BASE.tmp"
		git clone -q --shared --no-checkout "$LINUX" "$BASE.tmp"
		mv "$BASE.tmp" "$BASE"
	fi
	git -C "$BASE" fetch -q origin base
	git -C "$BASE" checkout -q --detach "${COMMIT:-FETCH_HEAD}"
}

# Copy the objects of a flavour that is already built: kbuild then only rebuilds
# files that depend on the options that differ. This does not help "debug", whose
# options affect every file, and whose build runs at the same time as the others.
seed_from_sibling()
{
	local sibling
	for sibling in rust c; do
		[ -f "$BUILD/$sibling/vmlinux" ] || continue
		# Remove an interrupted copy: cp would copy into it.
		rm -rf "$OUT.tmp"
		# No build may write to the sibling meanwhile.
		flock -s "$BUILD/$sibling.lock" cp -a --reflink=auto "$BUILD/$sibling" "$OUT.tmp"
		rm -f "$OUT.tmp/.fragments"
		mv "$OUT.tmp" "$OUT"
		echo "$BUILD/$sibling" > "$OUT/.sibling"
		return
	done
}

# kbuild builds objtool again in the new directory. All copied objects are then
# older than objtool, and kbuild would rebuild them. The program is the same, so set
# its time, and that of its parts, to that of the copied one.
age_objtool()
{
	local tool=tools/objtool/objtool sibling
	[ -f "$OUT/.sibling" ] || return 0
	sibling=$(cat "$OUT/.sibling")
	if [ -f "$sibling/$tool" ]; then
		kmake tools/objtool
		find "$OUT/tools/objtool" -newer "$sibling/$tool" -exec touch -r "$sibling/$tool" {} +
	fi
	rm "$OUT/.sibling"
}

build_kernel()
{
	local targets
	targets="$(basename "$IMAGE") modules"
	! grep -qx CONFIG_GDB_SCRIPTS=y "$OUT/.config" || targets+=" scripts_gdb"
	age_objtool
	# shellcheck disable=SC2086 # these are several targets
	kmake $targets
}

# differs CONFIG FRAGMENT...: list the options whose value in CONFIG is not that of
# the last fragment that names them. An option that CONFIG lacks is not set.
differs()
{
	awk '
		/^CONFIG_[A-Za-z0-9_]+=/ { name = $0; sub(/=.*/, "", name); value = substr($0, length(name) + 2) }
		/^# CONFIG_[A-Za-z0-9_]+ is not set$/ { name = $2; value = "n" }
		name == "" { next }
		FILENAME == ARGV[1] { got[name] = value; name = ""; next }
		{ wanted[name] = value; fragment[name] = FILENAME; name = "" }
		END {
			for (name in wanted) {
				value = name in got ? got[name] : "n"
				if (value != wanted[name])
					printf "%s requires %s=%s, and .config has %s\n",
						fragment[name], name, wanted[name], value
			}
		}' "$@" | sort
}

# Filter out options that do not exist at an earlier commit of the series.
known_here()
{
	local line option
	while read -r line; do
		option=${line#*CONFIG_} option=${option%%=*}
		[ -n "${SERIES_AT:-}" ] && ! git -C "$SRC" grep -qE "^(menu)?config $option\$" -- '*Kconfig*' ||
			printf '%s\n' "$line"
	done
}

# Kbuild silently drops an option from .config that the tree does not have, or
# whose dependencies are not met. The flavour is then built from the other
# implementation.
verify_config()
{
	local fragments wrong
	mapfile -t fragments < <(fragments "$FLAVOUR")
	wrong=$(differs "$OUT/.config" "${fragments[@]}" | known_here)
	[ -z "$wrong" ] || die "the configuration of $FLAVOUR is not that of its fragments:
${wrong//"$TOP/"/}"
}

# Print a hash of the inputs of the configuration.
config_inputs()
{
	{
		cat "$@" "$BUILD/env.sh"
		# The error message for a missing file is part of the hash.
		git -C "$SRC" ls-files -z '*Kconfig*' | (cd "$SRC" && xargs -0 cat 2>&1) || true
	} | sha256sum
}

# Create .config from allnoconfig and the fragments, if an input or .config changed.
configure()
{
	local fragments sum
	mapfile -t fragments < <(fragments "$FLAVOUR")
	sum=$(config_inputs "${fragments[@]}")
	if [ -f "$OUT/.config" ] && [ "$(cat "$OUT/.fragments" 2> /dev/null)" = "$sum" ] &&
	   [ -z "$(differs "$OUT/.config" "${fragments[@]}" | known_here)" ]; then
		return
	fi
	[ "$FLAVOUR" = debug ] || [ "$SRC" != "$LINUX" ] || [ -d "$OUT" ] || seed_from_sibling
	mkdir -p "$OUT"
	rm -f "$OUT/.fragments"
	step "$FLAVOUR: configure" env -C "$SRC" ARCH="$ARCH" \
		scripts/kconfig/merge_config.sh -n -O "$OUT" "${fragments[@]}"
	verify_config
	echo "$sum" > "$OUT/.fragments"
}

# Print the C program that the documentation of a Rust sample contains.
# shellcheck disable=SC2016 # the backticks are Markdown
program_in_docs() { sed -n '/^\/\/! ```c$/,/^\/\/! ```$/{//d;s/^\/\/! \{0,1\}//p}' "$1"; }

# sample_tool NAME SOURCE [FLAG...]
sample_tool()
{
	[ -f "$2" ] || return 0
	"clang${LLVM#1}" ${CROSS:+"--target=$CROSS"} -O2 -Wall -Wextra -Werror -static \
		-isystem "$GUEST/usr/include" -o "$GUEST/$1" "${@:2}"
}

# List the collections that exist at this commit of the series.
existing_selftests()
{
	local name
	for name in $SELFTESTS; do
		[ ! -d "$LINUX/tools/testing/selftests/$name" ] || printf '%s ' "$name"
	done
}

# All flavours share the user space of the guest, so it is built once. Programs are
# static and have few mappings, because the tests fork for each case.
build_guest()
{
	mkdir -p "$GUEST"
	make -C "$LINUX" O="$GUEST" ARCH="$ARCH" headers
	# The makefiles of the selftests do not depend on the headers.
	if [ ! -f "$GUEST/image.cpio" ] ||
	   [ -n "$(find "$GUEST/usr/include" -name '*.h' -newer "$GUEST/image.cpio" -print -quit)" ]; then
		rm -rf "$GUEST/kselftest"
	fi
	make -C "$LINUX/tools/testing/selftests" O="$GUEST" ARCH="$ARCH" -j"$J" \
		CROSS_COMPILE="${CROSS:+$CROSS-}" \
		LDFLAGS="$LINKER -static -z noseparate-code -z norelro -L$SYSROOT/usr/lib/$CROSS" \
		TARGETS="$(existing_selftests)" FORCE_TARGETS=1 ${CROSS:+LIBFUSE=} \
		INSTALL_PATH="$GUEST/selftests" install
	[ ! -f "$LINUX/samples/rust/rust_exportfs.rs" ] ||
		program_in_docs "$LINUX/samples/rust/rust_exportfs.rs" > "$GUEST/rust_exportfs.c"
	sample_tool fhandle "$LINUX/samples/vfs/fhandle.c"
	sample_tool fhandle-uring "$LINUX/samples/vfs/fhandle-uring.c"
	sample_tool handle-load "$LINUX/samples/vfs/handle-load.c" \
		"$LINUX"/samples/vfs/load-*.c -pthread
	sample_tool passthrough_handle "$LINUX/samples/fuse/passthrough_handle.c"
	sample_tool rust_exportfs "$GUEST/rust_exportfs.c" -I "$LINUX/samples/rust"
}

# Print the path of a static busybox. Packages install it in one of two directories.
static_busybox()
{
	local file
	[ -n "$CROSS" ] || command -v busybox
	for file in "$SYSROOT"/{usr/,}bin/busybox; do
		[ ! -f "$file" ] || echo "$file"
	done
}

# Create a root filesystem with busybox, the selftests and the sample tools.
build_image()
{
	local root=$GUEST/root applet
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,usr/bin,usr/sbin,sbin,root,home/user,mnt}
	install "$(static_busybox)" "$root/bin/busybox"
	# Use the applets of the busybox of this machine: that of another architecture
	# cannot run here.
	for applet in $(busybox --list-full); do
		[ -e "$root/$applet" ] || ln -s /bin/busybox "$root/$applet"
	done
	rm "$root/usr/bin/timeout"
	cp "$TOP/scripts/guest/timeout" "$root/usr/bin/timeout"
	cp "$TOP/scripts/guest/init" "$root/init"
	cp "$TOP/scripts/guest/fstab" "$root/etc/fstab"
	cp "$TOP/scripts/guest/show" "$root/bin/show"
	find "$GUEST" -maxdepth 1 -type f -perm /100 -exec cp -t "$root/bin" {} +
	cp -a "$GUEST/selftests" "$root/selftests"
	find "$root/selftests" -type f -perm /100 -exec "llvm-strip${LLVM#1}" -g {} + 2> /dev/null || true
	printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/false' \
		'user:x:1000:1000:user:/home/user:/bin/sh' > "$root/etc/passwd"
	printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' 'user:x:1000:' > "$root/etc/group"
	chmod 1777 "$root/tmp"
	printf '%s\n' 'nod /dev/console 600 0 0 c 5 1' 'nod /dev/null 666 0 0 c 1 3' > "$GUEST/nodes"
	env -C "$OUT" bash "$LINUX/usr/gen_initramfs.sh" -o "$GUEST/root.cpio" \
		-u squash -g squash "$root" "$GUEST/nodes"
	acpi_tables | cat - "$GUEST/root.cpio" > "$GUEST/image.cpio.tmp"
	rm "$GUEST/root.cpio"
	mv "$GUEST/image.cpio.tmp" "$GUEST/image.cpio"
}

# Create an archive of ACPI tables that replace those of the firmware. It must be the
# first archive. See Documentation/admin-guide/acpi/initrd_table_override.rst.
acpi_tables()
{
	local dir=$GUEST/acpi
	[ "$ARCH" = x86_64 ] || return 0
	mkdir -p "$dir/kernel/firmware/acpi"
	iasl -vs -p "$dir/kernel/firmware/acpi/dsdt" "$TOP/scripts/guest/machine.asl" >&2
	(cd "$dir" && find kernel | cpio --quiet -o -H newc -R 0:0)
}

# Copy the programs that make filesystems, with their libraries, for boot.sh. The
# other programs of the guest are static. Debian has static ones of no filesystem.
# Guests may be booting, so an unchanged copy stays.
disk_tools()
{
	local dir=$GUEST/disks kind tool file
	rm -rf "$dir.tmp"
	for kind in ext4 btrfs xfs; do
		tool=$(PATH=$PATH:/usr/sbin:/sbin command -v "mkfs.$kind") ||
			die "there is no mkfs.$kind (run 'make setup')"
		install -D -t "$dir.tmp/usr/sbin" "$tool"
		while read -r file; do
			install -D "$file" "$dir.tmp$file"
		done < <(ldd "$tool" | grep -oE '/[^ ]+')
	done
	if diff -rq "$dir.tmp" "$dir" > /dev/null 2>&1; then
		rm -rf "$dir.tmp"
		return
	fi
	rm -rf "$dir"
	mv "$dir.tmp" "$dir"
}

# Print a hash of the inputs of the user space of the guest.
guest_inputs()
{
	{
		git -C "$LINUX" rev-parse "HEAD:tools/testing/selftests" "HEAD:tools/include" \
			"HEAD:include/uapi" "HEAD:samples/fuse" "HEAD:samples/vfs" "HEAD:samples/rust"
		cat "$TOP"/scripts/guest/* "$0" "$BUILD/env.sh"
	} | sha256sum
}

guest()
{
	local inputs
	lock_output "$GUEST" "the guest"
	# Programs of this machine do not run on another architecture. Tests are then skipped.
	[ -n "$CROSS" ] || disk_tools
	inputs=$(guest_inputs)
	[ ! -f "$GUEST/image.cpio" ] || [ "$(cat "$GUEST/.inputs" 2> /dev/null)" != "$inputs" ] || return 0
	rm -f "$GUEST/.inputs"
	step "guest: selftests and tools" build_guest
	step "guest: image" build_image
	echo "$inputs" > "$GUEST/.inputs"
}

need_space "$BUILD" 3000 "a kernel build"
lock_output "$OUT" "$FLAVOUR"
[ "$SRC" != "$BASE" ] || checkout_base
configure
if [ $# -gt 0 ]; then
	kmake "$@"
	verify_config
	exit
fi
step "$FLAVOUR: kernel" build_kernel
verify_config
[ -n "${NO_GUEST:-}" ] || guest
