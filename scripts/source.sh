#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Create build/linux: a git repository whose commit "base" is the unmodified kernel.
# The source is KDIR, which is never written to, or Debian's linux-source package.
#
#   source.sh        create build/linux, unless it already has this base
#   source.sh check  only check KDIR
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/apt.sh"

SERIES_VERSION=7.3
PACKAGE=linux-source-$SERIES_VERSION
DEBIAN_SUITE=trixie-backports
KDIR=${KDIR:-}

kernel_version() { make -s -C "$1" --no-print-directory kernelversion 2> /dev/null; }

check_version()
{
	local version
	[ -d "$1/fs/exportfs" ] || die "$1 is not a Linux kernel tree"
	version=$(kernel_version "$1") || die "$1: cannot tell which kernel version this is"
	case $version in
	"$SERIES_VERSION" | "$SERIES_VERSION"[.-]*) ;;
	7.*) version_ge "$version" "$SERIES_VERSION" ||
		die "$1 is Linux $version; the series needs $SERIES_VERSION or a later 7.x" ;;
	*) die "$1 is Linux $version; the series needs $SERIES_VERSION or a later 7.x" ;;
	esac
}

# Do not ask git: it refuses a repository that another user owns.
is_git() { [ -e "$1/.git" ]; }

check_kdir()
{
	local dirty
	[ -d "$KDIR" ] || die "KDIR=$KDIR is not a directory"
	check_version "$KDIR"
	if is_git "$KDIR"; then
		dirty=$(git -C "$KDIR" status --porcelain --untracked-files=no) ||
			die "git cannot read KDIR=$KDIR, for the reason above"
		[ -z "$dirty" ] ||
			die "KDIR=$KDIR has uncommitted changes; commit or stash them first:"$'\n'"$(head -n 10 <<< "$dirty")"
	elif [ -e "$KDIR/.config" ] || [ -d "$KDIR/include/generated" ] ||
	     [ -n "$(find "$KDIR" -maxdepth 4 \( -name '*.rej' -o -name '*.orig' \) -print -quit)" ]; then
		die "KDIR=$KDIR holds build products or rejected hunks; run 'make mrproper' there or use a clean tree"
	fi
}

# Print a hash of the names, sizes and times of the files of a tree.
listing() { (cd "$1" && find . -type f -printf '%P %s %T@\n' | sort | sha256sum | cut -c-16); }

# Print the origin of the base, to detect a change of KDIR.
origin()
{
	if [ -z "$KDIR" ]; then
		echo "package $PACKAGE"
	elif is_git "$KDIR"; then
		echo "git $KDIR $(git -C "$KDIR" rev-parse HEAD)"
	else
		echo "tree $KDIR $(kernel_version "$KDIR") $(listing "$KDIR")"
	fi
}

# The series is tested on one package; the mirror offers its newest one.
compare_with_tested()
{
	local name=$1 sum tested tested_sum
	sum=$(sha256sum "$name" | cut -d' ' -f1)
	read -r tested_sum tested < "$TOP/scripts/base.sha256"
	[ "$sum" != "$tested_sum" ] || return 0
	say "note: the mirror has moved: the base is $(basename "$name"), and the series was tested on $tested (scripts/base.sha256)"
}

# Print the name of the package, or of the newest 7.x if the mirror dropped it.
choose_package()
{
	local newest
	if apt-cache show "$PACKAGE" > /dev/null 2>&1; then
		echo "$PACKAGE"
		return
	fi
	newest=$(apt-cache pkgnames linux-source-7. | sort -V | tail -n 1)
	[ -n "$newest" ] || die "the mirror offers no linux-source-7.x"
	say "the mirror no longer has $PACKAGE; using $newest" >&2
	echo "$newest"
}

unpack_package()
{
	dpkg-deb --fsys-tarfile "$1" |
		tar -x --to-stdout --wildcards './usr/src/linux-source-*.tar.xz' |
		tar -xJ --strip-components=1 -C "$2"
	# The .gitignore of Debian ignores all files at the top, which would hide new
	# files of a developer.
	sed -i '/^# Debian packaging: ignore everything/,$d' "$2/.gitignore"
	sed -i -e :a -e '/^\n*#*\n*$/{$d;N;ba' -e '}' "$2/.gitignore"
}

commit_base()
{
	local tree=$1 version date
	version=$(kernel_version "$tree")
	cd "$tree"
	date=$(date -u -R -r Makefile)
	# kbuild only compares times, so objects of another base must be older.
	find . -type f -exec touch {} +
	git init -q -b base
	git config core.compression 0
	git config core.looseCompression 0
	git config gc.auto 0
	git add -A -f .
	GIT_AUTHOR_DATE=$date GIT_COMMITTER_DATE=$date git -c user.name='Linux file handles' -c user.email=series@localhost \
		commit -q -m "Linux $version"
	git tag "v$version"
}

# Borrow the objects of a git KDIR instead of copying them.
clone_base()
{
	git clone -q --shared --no-checkout "$KDIR" "$1"
	cd "$1"
	git config gc.auto 0
	git checkout -q -B base "$(git -C "$KDIR" rev-parse HEAD)"
}

make_base()
{
	local tmp deb
	need_space "$BUILD" 6000 "the kernel tree"
	rm -rf "$BUILD"/linux.tmp
	tmp=$BUILD/linux.tmp
	trap 'rm -rf "$BUILD/linux.tmp"' EXIT
	if [ -z "$KDIR" ]; then
		deb=$(cached_package "$CACHE/source")
		if [ -z "$deb" ]; then
			need_space "$CACHE" 600 "the kernel source"
			# The package has Architecture: all, so the lists of the system suffice.
			fetch_package "$CACHE/source" "$(dpkg --print-architecture)" "$DEBIAN_SUITE" choose_package
			deb=$(cached_package "$CACHE/source")
		fi
		compare_with_tested "$deb"
		mkdir -p "$tmp"
		step "unpack $(basename "$deb" .deb)" unpack_package "$deb" "$tmp"
		check_version "$tmp"
		step "record the base" commit_base "$tmp"
		# Mails name the package, because nobody else has that commit.
		echo "Linux $(kernel_version "$tmp") of the package $(basename "$deb"), sha256 $(sha256sum "$deb" | cut -d' ' -f1)" \
			> "$tmp/.git/base-description"
	elif is_git "$KDIR"; then
		step "clone $KDIR" clone_base "$tmp"
	else
		mkdir -p "$tmp"
		step "copy $KDIR" cp -a "$KDIR/." "$tmp"
		step "record the base" commit_base "$tmp"
	fi
	origin > "$tmp/.git/origin"
	mv "$tmp" "$LINUX"
}

[ -z "$KDIR" ] || { KDIR=$(realpath -m "$KDIR"); check_kdir; }
[ "${1:-}" != check ] || exit 0
if [ -d "$LINUX" ]; then
	[ "$(cat "$LINUX/.git/origin" 2> /dev/null)" = "$(origin)" ] && exit 0
	"$TOP/scripts/tree.py" saved ||
		die "build/linux was made from another base ($(cat "$LINUX/.git/origin")); import or drop the work in it first"
	say "build/linux was made from another base; making it anew"
	# Remove the clones of patches.py and build.sh, which borrow its git objects.
	rm -rf "$LINUX" "$BUILD/patches" "$BUILD/base"
fi
make_base
