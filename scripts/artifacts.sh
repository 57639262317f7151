#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Leave what kernel CI systems take in build/artifacts/FLAVOUR: artifacts.sh FLAVOUR
# The names of the files, and the layout of the archives and of metadata.json,
# are those of TuxMake.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$BUILD/env.sh"

FLAVOUR=$1
OUT=$BUILD/artifacts/$FLAVOUR
WORK=$OUT.tmp
GUEST=$BUILD/guest
# Boot loaders and QEMU take this image on every machine.
case $ARCH in
x86_64) BOOT_IMAGE=arch/x86/boot/bzImage ;;
*) BOOT_IMAGE=$IMAGE ;;
esac

# Equal input gives equal archives.
archive()
{
	tar --create --xz --file "$WORK/$1" --sort=name --owner=0 --group=0 --numeric-owner \
		--mtime=@0 --directory "$2" "${@:3}"
}

kernel()
{
	"$TOP/scripts/build.sh" "$FLAVOUR" "$(basename "$BOOT_IMAGE")" modules
	cp "$BUILD/$FLAVOUR/$BOOT_IMAGE" "$BUILD/$FLAVOUR/System.map" "$WORK"
	cp "$BUILD/$FLAVOUR/.config" "$WORK/config"
}

# Modules are found by their paths. depmod of the machine that loads them makes
# the rest.
modules()
{
	local dir=$WORK/modules
	"$TOP/scripts/build.sh" "$FLAVOUR" INSTALL_MOD_PATH="$dir" INSTALL_MOD_STRIP=1 \
		DEPMOD=true modules_install
	find "$dir" -type l -delete
	archive modules.tar.xz "$dir" lib
	rm -r "$dir"
}

# As `make kselftest-gen_tar`. The programs are static, so they run on any root
# filesystem of the architecture.
kselftest()
{
	local dir=$WORK/kselftest
	cp -a "$GUEST/selftests" "$dir"
	find "$dir" -type f -perm /100 -exec "llvm-strip${LLVM#1}" -g {} + 2> /dev/null || true
	archive kselftest.tar.xz "$dir" .
	rm -r "$dir"
}

# The guest without the selftests, with a login on the console.
rootfs()
{
	local dir=$WORK/root
	cp -a "$GUEST/root" "$dir"
	rm -r "$dir/selftests" "$dir/init"
	ln -s /bin/busybox "$dir/init"
	cp "$TOP/scripts/lab/init.sh" "$TOP/scripts/lab/inittab" "$dir/etc"
	sed -i 's/^root:x:/root::/' "$dir/etc/passwd"
	# The prompt that LAVA and tuxrun expect.
	echo "export PS1='root@\\h:~# '" > "$dir/etc/profile"
	env -C "$BUILD/$FLAVOUR" bash "$LINUX/usr/gen_initramfs.sh" -o "$WORK/rootfs.cpio" \
		-u squash -g squash "$dir" "$GUEST/nodes"
	gzip -n "$WORK/rootfs.cpio"
	rm -r "$dir"
}

describe() { "$TOP/scripts/artifacts.py" "$FLAVOUR" "$WORK" "$OUT"; }
sums() { (cd "$WORK" && sha256sum -- * > SHA256SUMS); }

rm -rf "$WORK"
mkdir -p "$WORK"
step "$FLAVOUR: kernel image" kernel
step "$FLAVOUR: modules.tar.xz" modules
step "$FLAVOUR: kselftest.tar.xz" kselftest
step "$FLAVOUR: rootfs.cpio.gz" rootfs
describe
sums
rm -rf "$OUT"
mv "$WORK" "$OUT"
say "    ${OUT#"$TOP"/}:"
(cd "$OUT" && du -h --apparent-size -- * | sed 's/^/      /')
