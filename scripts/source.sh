#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Make build/linux: a git repository whose commit "base" is the unmodified
# kernel. From KDIR where it is given (read, never written), else from
# Debian's linux-source package.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

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

is_git() { git -C "$1" rev-parse --git-dir > /dev/null 2>&1 && [ -e "$1/.git" ]; }

check_kdir()
{
	local dirty
	[ -d "$KDIR" ] || die "KDIR=$KDIR is not a directory"
	check_version "$KDIR"
	if is_git "$KDIR"; then
		dirty=$(git -C "$KDIR" status --porcelain --untracked-files=no | head -n 10)
		[ -z "$dirty" ] ||
			die "KDIR=$KDIR has uncommitted changes; commit or stash them first:"$'\n'"$dirty"
	elif [ -e "$KDIR/.config" ] || [ -d "$KDIR/include/generated" ] ||
	     [ -n "$(find "$KDIR" -maxdepth 4 \( -name '*.rej' -o -name '*.orig' \) -print -quit)" ]; then
		die "KDIR=$KDIR holds build products or rejected hunks; run 'make mrproper' there or give a clean tree"
	fi
}

# What the present base was made from, so that a change of KDIR is noticed.
origin()
{
	if [ -z "$KDIR" ]; then
		echo "package $PACKAGE"
	elif is_git "$KDIR"; then
		echo "git $KDIR $(git -C "$KDIR" rev-parse HEAD)"
	else
		echo "tree $KDIR $(kernel_version "$KDIR")"
	fi
}

# The system's own mirror, which carries every suite, asked with an apt state
# of our own: the system's sources and lists stay as they are.
apt_private()
{
	local state=$CACHE/apt mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	# shellcheck disable=SC2016 # apt's own variables
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
		awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
	[ -n "$mirror" ] || die "apt knows no Debian mirror (run 'apt-get update' once), and no KDIR was given"
	mkdir -p "$state/lists/partial" "$state/archives/partial"
	echo "deb [signed-by=$keyring] $mirror $DEBIAN_SUITE main" > "$state/sources.list"
	cat > "$state/apt.conf" <<-EOF
		Dir::State "$state";
		Dir::State::status "/var/lib/dpkg/status";
		Dir::Cache "$state";
		Dir::Etc::SourceList "$state/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		APT::Sandbox::User "root";
	EOF
	APT_CONFIG=$state/apt.conf "$@"
}

# The package by its name, or the newest 7.x where the mirror has dropped it.
choose_package()
{
	local newest
	if apt-cache show "$PACKAGE" > /dev/null 2>&1; then
		echo "$PACKAGE"
		return
	fi
	newest=$(apt-cache pkgnames linux-source-7. | sort -V | tail -n 1)
	[ -n "$newest" ] || return 1
	say "$PACKAGE is gone from the mirror; taking $newest" >&2
	echo "$newest"
}

download()
{
	local name
	apt-get -q update
	name=$(choose_package) || die "the mirror offers no linux-source-7.x"
	(cd "$1" && apt-get -q download "$name")
}
export -f choose_package download say die
export PACKAGE

cached_package()
{
	local deb
	for deb in "$CACHE"/source/*.deb; do
		[ -f "$deb" ] || continue
		if (cd "$CACHE/source" && sha256sum --quiet -c "$(basename "$deb").sha256") > /dev/null 2>&1; then
			echo "$deb"
			return
		fi
		say "the cached $(basename "$deb") is torn; fetching it again" >&2
		rm -f "$deb" "$deb.sha256"
	done
}

# apt checks the download against the archive's signature; the sum kept beside
# it finds what happens to the file afterwards.
fetch_package()
{
	local tmp deb
	need_space "$CACHE" 600 "the kernel source"
	rm -rf "$CACHE"/source.tmp.*
	tmp=$(mktemp -d "$CACHE/source.tmp.XXXXXX")
	step "download $PACKAGE" apt_private bash -euc "download '$tmp'"
	deb=$(cd "$tmp" && ls -- *.deb)
	(cd "$tmp" && sha256sum "$deb" > "$deb.sha256")
	mkdir -p "$CACHE/source"
	mv "$tmp/$deb" "$tmp/$deb.sha256" "$CACHE/source/"
	rmdir "$tmp"
}

unpack_package()
{
	dpkg-deb --fsys-tarfile "$1" |
		tar -x --to-stdout --wildcards './usr/src/linux-source-*.tar.xz' |
		tar -xJ --strip-components=1 -C "$2"
	# Debian ignores everything at the top of its own repository; here that
	# would hide a developer's new files.
	sed -i '/^# Debian packaging: ignore everything/,$d' "$2/.gitignore"
	sed -i -e :a -e '/^\n*#*\n*$/{$d;N;ba' -e '}' "$2/.gitignore"
}

commit_base()
{
	local tree=$1 version date
	version=$(kernel_version "$tree")
	cd "$tree"
	git init -q -b base
	git config core.compression 0
	git config core.looseCompression 0
	git config gc.auto 0
	git add -A -f .
	date=$(date -u -R -r Makefile)
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
		deb=$(cached_package)
		if [ -z "$deb" ]; then
			fetch_package
			deb=$(cached_package)
		fi
		mkdir -p "$tmp"
		step "unpack $(basename "$deb" .deb)" unpack_package "$deb" "$tmp"
		check_version "$tmp"
		step "record the base" commit_base "$tmp"
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
if [ -d "$LINUX" ]; then
	[ "$(cat "$LINUX/.git/origin" 2> /dev/null)" = "$(origin)" ] && exit 0
	"$TOP/scripts/tree.py" saved ||
		die "build/linux was made from another base ($(cat "$LINUX/.git/origin")); make it anew with this one once its work is imported or dropped"
	say "build/linux was made from another base; making it anew"
	rm -rf "$LINUX"
fi
make_base
