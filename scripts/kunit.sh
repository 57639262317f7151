#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Build and run the KUnit suites and the doctests of the series with the
# kernel's own kunit.py: kunit.sh [ARGUMENT...]
#
# The kernel is a program of this machine (UML) unless the arguments name an
# architecture of QEMU, as in --arch=x86_64. Other arguments are passed to
# `kunit.py run`, for example a suite or a glob of suites.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# UML only exists for x86.
[ "$ARCH:$CROSS" = x86_64: ] ||
	die "this requires an x86_64 host and ARCH=x86_64; 'make test TESTS=kunit ARCH=$ARCH' runs the same suites"
# shellcheck source=/dev/null
. "$BUILD/env.sh"

# One build directory an architecture: another .config rebuilds everything.
arch=um
for argument; do
	case $argument in
	--arch=*) arch=${argument#--arch=} ;;
	esac
done
OUT=$BUILD/kunit
[ "$arch" = um ] || OUT+=-$arch

# kunit.py passes ARCH to make itself. In its environment, it would be taken for
# the architecture of the host's headers.
unset ARCH
cd "$LINUX"
mkdir -p "$OUT"
exec nice tools/testing/kunit/kunit.py run \
	--build_dir="$OUT" --jobs="$J" --timeout="${LIMIT:-600}" \
	--make_options="LLVM=$LLVM" \
	--kunitconfig=rust --kunitconfig=rust/kernel/fs --kunitconfig=fs/fuse \
	--kunitconfig=fs/tests "$@"
