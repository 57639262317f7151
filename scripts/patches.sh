#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Build the directories that the series touches after each of its patches, so
# that a bisection can stop at any: patches.sh [FIRST], by default from the first.
# Nothing is linked.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$BUILD/env.sh"

SRC=$BUILD/patches/linux
OUT=$BUILD/patches/out
kmake() { make -C "$SRC" O="$OUT" ARCH="$ARCH" -j"$J" "$@"; }

checkout()
{
	if [ ! -d "$SRC" ]; then
		mkdir -p "$BUILD/patches"
		git clone -q --shared --no-checkout "$LINUX" "$SRC"
	fi
	git -C "$SRC" fetch -q origin series
	git -C "$SRC" checkout -q --detach "$1"
}

# Not strict: the options of later patches are not there yet.
build()
{
	# The samples that are programs.
	printf 'CONFIG_%s=y\n' HEADERS_INSTALL SAMPLE_FUSE SAMPLE_VFS > "$OUT/samples.config"
	# shellcheck disable=SC2046 # one word a file
	env -C "$SRC" ARCH="$ARCH" scripts/kconfig/merge_config.sh -n -O "$OUT" \
		$(fragments rust) "$OUT/samples.config"
	kmake prepare
	kmake KCFLAGS=-Werror fs/ io_uring/ samples/
}

FIRST=${1:-1}
patches=$(git -C "$LINUX" rev-list --count base..series)
if ! [[ $FIRST =~ ^[1-9][0-9]*$ ]] || [ "$FIRST" -gt "$patches" ]; then
	die "FROM=$FIRST is no patch of the series; they are numbered from 1 to $patches"
fi
mkdir -p "$OUT"
number=0
for commit in $(git -C "$LINUX" rev-list --reverse base..series); do
	number=$((number + 1))
	[ "$number" -ge "$FIRST" ] || continue
	checkout "$commit"
	step "patch $number: $(git -C "$LINUX" log -1 --format=%f "$commit" | cut -c-40)" build
done
say "patches: each of the $number builds, from number $FIRST on"
