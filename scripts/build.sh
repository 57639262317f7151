#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Build one flavour: configuration, kernel, and what runs in the guest.
#
#   build.sh FLAVOUR            everything a boot needs
#   build.sh FLAVOUR TARGET...  the kernel's own make targets in that flavour
#
# The flavour base/c is the unmodified base, in a tree of its own. Where COMMIT is
# set, it is that commit of the series instead.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$BUILD/env.sh"

FLAVOUR=$1
shift
OUT=$BUILD/$FLAVOUR
GUEST=$BUILD/guest
# The suites of the base tree and ours; see scripts/test.py for what is run.
SELFTESTS="filesystems filesystems/file_handle filesystems/fuse filesystems/mount_cycle filesystems/nsfs namespaces pidfd"

check_flavour "$FLAVOUR"
SRC=$LINUX
[ "$FLAVOUR" != base/c ] || SRC=$BASE

export KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=series KBUILD_BUILD_HOST=build
kmake() { make -C "$SRC" O="$OUT" ARCH="$ARCH" -j"$J" "$@"; }

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

# Start from a flavour that is built: kbuild then rebuilds what depends on the
# options that differ, and nothing else. Not for "debug": that is everything, and
# the other flavour may be being built at the same time.
seed_from_sibling()
{
	local sibling
	for sibling in rust c; do
		[ -f "$BUILD/$sibling/vmlinux" ] || continue
		# What an interrupted copy left; another would go into it.
		rm -rf "$OUT.tmp"
		cp -a --reflink=auto "$BUILD/$sibling" "$OUT.tmp"
		rm -f "$OUT.tmp/.fragments"
		mv "$OUT.tmp" "$OUT"
		echo "$BUILD/$sibling" > "$OUT/.sibling"
		return
	done
}

# Every object is older than objtool, which is built anew in another directory
# although it is the same program: give it, and all of its parts, for it not to
# be linked again, the age of the sibling's.
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
	age_objtool
	kmake "$(basename "$IMAGE")" modules
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

# Kbuild silently drops an option from .config that the tree does not have, or
# whose dependencies are not met. The flavour is then built from the other
# implementation.
verify_config()
{
	local fragments wrong
	mapfile -t fragments < <(fragments "$FLAVOUR")
	wrong=$(differs "$OUT/.config" "${fragments[@]}")
	[ -z "$wrong" ] || die "the configuration of $FLAVOUR is not that of its fragments:
${wrong//"$TOP/"/}"
}

# What the configuration depends on, as one hash.
config_inputs()
{
	{
		cat "$@" "$BUILD/env.sh"
		# One that is missing counts as well.
		git -C "$SRC" ls-files -z '*Kconfig*' | (cd "$SRC" && xargs -0 cat 2>&1) || true
	} | sha256sum
}

# allnoconfig + the fragments. Runs again if an input or .config has changed.
configure()
{
	local fragments sum
	mapfile -t fragments < <(fragments "$FLAVOUR")
	sum=$(config_inputs "${fragments[@]}")
	if [ -f "$OUT/.config" ] && [ "$(cat "$OUT/.fragments" 2> /dev/null)" = "$sum" ] &&
	   [ -z "$(differs "$OUT/.config" "${fragments[@]}")" ]; then
		return
	fi
	[ "$FLAVOUR" = debug ] || [ "$SRC" = "$BASE" ] || [ -d "$OUT" ] || seed_from_sibling
	mkdir -p "$OUT"
	rm -f "$OUT/.fragments"
	step "$FLAVOUR: configure" env -C "$SRC" ARCH="$ARCH" \
		scripts/kconfig/merge_config.sh -n -O "$OUT" "${fragments[@]}"
	verify_config
	echo "$sum" > "$OUT/.fragments"
}

# The C program that the documentation of a Rust sample holds.
# shellcheck disable=SC2016 # the backticks are Markdown
program_in_docs() { sed -n '/^\/\/! ```c$/,/^\/\/! ```$/{//d;s/^\/\/! \{0,1\}//p}' "$1"; }

# sample_tool NAME SOURCE [FLAG...]
sample_tool()
{
	"clang${LLVM#1}" ${CROSS:+"--target=$CROSS"} -O2 -Wall -Wextra -Werror -static \
		-isystem "$GUEST/usr/include" -o "$GUEST/$1" "${@:2}"
}

# User space is the same for every flavour, so it is built once. The tests fork
# for each case: the fewer mappings a program has, the sooner that is done.
build_guest()
{
	mkdir -p "$GUEST"
	make -C "$LINUX" O="$GUEST" ARCH="$ARCH" headers
	# No rule of the selftests says that a program depends on these.
	if [ ! -f "$GUEST/image.cpio" ] ||
	   [ -n "$(find "$GUEST/usr/include" -name '*.h' -newer "$GUEST/image.cpio" -print -quit)" ]; then
		rm -rf "$GUEST/kselftest"
	fi
	make -C "$LINUX/tools/testing/selftests" O="$GUEST" ARCH="$ARCH" -j"$J" \
		CROSS_COMPILE="${CROSS:+$CROSS-}" \
		LDFLAGS="-static -z noseparate-code -z norelro -L$SYSROOT/usr/lib/$CROSS" \
		TARGETS="$SELFTESTS" FORCE_TARGETS=1 ${CROSS:+LIBFUSE=} \
		INSTALL_PATH="$GUEST/selftests" install
	program_in_docs "$LINUX/samples/rust/rust_exportfs.rs" > "$GUEST/rust_exportfs.c"
	sample_tool fhandle "$LINUX/samples/vfs/fhandle.c"
	sample_tool fhandle-uring "$LINUX/samples/vfs/fhandle-uring.c"
	sample_tool passthrough_handle "$LINUX/samples/fuse/passthrough_handle.c"
	sample_tool rust_exportfs "$GUEST/rust_exportfs.c" -I "$LINUX/samples/rust"
}

# Packages have it in one of two places.
static_busybox()
{
	local file
	[ -n "$CROSS" ] || command -v busybox
	for file in "$SYSROOT"/{usr/,}bin/busybox; do
		[ ! -f "$file" ] || echo "$file"
	done
}

# A root filesystem of busybox, the selftests and the sample tools.
build_image()
{
	local root=$GUEST/root applet
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,usr/bin,usr/sbin,sbin,root,home/user,mnt}
	install "$(static_busybox)" "$root/bin/busybox"
	# This machine's list, as another architecture's busybox cannot be asked.
	for applet in $(busybox --list-full); do
		[ -e "$root/$applet" ] || ln -s /bin/busybox "$root/$applet"
	done
	rm "$root/usr/bin/timeout"
	cp "$TOP/scripts/guest/timeout" "$root/usr/bin/timeout"
	cp "$TOP/scripts/guest/init" "$root/init"
	cp "$TOP/scripts/guest/fstab" "$root/etc/fstab"
	cp "$TOP/scripts/guest/show" "$root/bin/show"
	cp "$GUEST"/{fhandle,fhandle-uring,passthrough_handle,rust_exportfs} "$root/bin"
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

# An archive of what the kernel is to use instead of the firmware's; it has to
# come first. See Documentation/admin-guide/acpi/initrd_table_override.rst.
acpi_tables()
{
	local dir=$GUEST/acpi
	[ "$ARCH" = x86_64 ] || return 0
	mkdir -p "$dir/kernel/firmware/acpi"
	iasl -vs -p "$dir/kernel/firmware/acpi/dsdt" "$TOP/scripts/guest/machine.asl" >&2
	(cd "$dir" && find kernel | cpio --quiet -o -H newc -R 0:0)
}

# What the guest's user space is made of, as one hash.
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
	inputs=$(guest_inputs)
	[ ! -f "$GUEST/image.cpio" ] || [ "$(cat "$GUEST/.inputs" 2> /dev/null)" != "$inputs" ] || return 0
	rm -f "$GUEST/.inputs"
	step "guest: selftests and tools" build_guest
	step "guest: image" build_image
	echo "$inputs" > "$GUEST/.inputs"
}

need_space "$BUILD" 3000 "a kernel build"
[ "$SRC" = "$LINUX" ] || checkout_base
configure
if [ $# -gt 0 ]; then
	kmake "$@"
	verify_config
	exit
fi
step "$FLAVOUR: kernel" build_kernel
verify_config
[ -n "${NO_GUEST:-}" ] || guest
