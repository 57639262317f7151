#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Find the tools that the kernel and its tests need, install what is missing,
# and put the chosen ones into build/bin, with build/env.sh to use them.
#
#   setup.sh          what building, booting and testing need
#   setup.sh bench    also what `make bench` needs
#   setup.sh check    also what `make check` needs
#   setup.sh gdb      also gdb
#   setup.sh vng      also virtme-ng
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/apt.sh"

# Choose among the system's tools, not among what was chosen before.
PATH=${PATH//"$BUILD/bin:"/}
BINDGEN_VERSION=0.72.1
VNG_VERSION=1.42
VNG=virtme-ng-$VNG_VERSION
PURPOSE=${1:-build}

# The minimum version of a tool: the word of the tree that is to be built.
# Before there is a tree, what Linux 7.3 says.
minimum()
{
	local tree=${KDIR:-$LINUX} script
	script=$tree/scripts/min-tool-version.sh
	if [ -f "$script" ]; then
		env SRCARCH="$ARCH" sh "$script" "$1"
		return
	fi
	case $1:$ARCH in
	llvm:*) echo 17.0.1 ;;
	rustc:s390) echo 1.96.0 ;;
	rustc:*) echo 1.85.0 ;;
	bindgen:*) echo 0.71.1 ;;
	esac
}

# "rustc 1.96.0 (...)" -> 1.96.0
version_of() { "$@" 2> /dev/null | grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1; }
has() { command -v "$1" > /dev/null 2>&1; }

has_static() { has "$1" && [[ $(ldd "$(command -v "$1")" 2> /dev/null) != *"=>"* ]]; }

# --- The compilers: a rustc with its library sources, the clang of its LLVM --

has_library_sources()
{
	[ -f "$("$1" --print sysroot 2> /dev/null)/lib/rustlib/src/rust/library/core/src/lib.rs" ]
}

# The suffix for LLVM=, empty for unversioned tools, of a complete LLVM of that major.
llvm_suffix()
{
	local suffix tool
	for suffix in "-$1" ""; do
		[ "$(version_of "clang$suffix" --version | cut -d. -f1)" = "$1" ] || continue
		for tool in ld.lld llvm-ar llvm-nm llvm-objcopy llvm-link; do
			has "$tool$suffix" || continue 2
		done
		echo "$suffix"
		return
	done
	return 1
}

# Sets RUSTC_PATH, LLVM_MAJOR and SUFFIX; false where there is no such pair.
find_compilers()
{
	local candidate version
	while read -r candidate; do
		version=$(version_of "$candidate" --version) || continue
		version_ge "$version" "$(minimum rustc)" || continue
		has_library_sources "$candidate" || continue
		LLVM_MAJOR=$("$candidate" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
		SUFFIX=$(llvm_suffix "$LLVM_MAJOR") || continue
		version_ge "$(version_of "clang$SUFFIX" --version)" "$(minimum llvm)" || continue
		RUSTC_PATH=$candidate
		return
	done < <(printf '%s\n' "${RUSTC:-}"; type -ap rustc; ls /usr/bin/rustc 2> /dev/null)
	return 1
}

candidate_version() { apt-cache policy "$1" | sed -n 's/^  Candidate: \([0-9.]*\).*/\1/p'; }

# Sets COMPILER_PACKAGES, and LLVM_MAJOR to what they will have.
choose_compiler_packages()
{
	local rustc
	COMPILER_PACKAGES=()
	for rustc in rustc rustc-web; do
		version_ge "$(candidate_version "$rustc")" "$(minimum rustc)" || continue
		LLVM_MAJOR=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts \
			--no-breaks --no-replaces --no-enhances "$rustc" |
			grep -oE 'libllvm[0-9]+' | sort -uV | tail -n 1 | tr -dc 0-9)
		case $rustc in
		rustc) COMPILER_PACKAGES=(rustc rust-src rustfmt rust-clippy) ;;
		rustc-web) COMPILER_PACKAGES=(rustc-web rust-web-src rustfmt-web rust-web-clippy) ;;
		esac
		COMPILER_PACKAGES+=("clang-$LLVM_MAJOR" "lld-$LLVM_MAJOR" "llvm-$LLVM_MAJOR"
			"libclang-$LLVM_MAJOR-dev")
		return
	done
	# No package is new enough: the check after the installation tells.
}

# --- bindgen ----------------------------------------------------------------

BINDGEN_CACHE=$CACHE/bindgen-$BINDGEN_VERSION

# What the tree asks for, or more: older ones misread libclang 22 and later.
bindgen_minimum()
{
	if [ "${LLVM_MAJOR:-0}" -ge 22 ]; then
		printf '%s\n' "$(minimum bindgen)" 0.72.1 | sort -V | tail -n 1
	else
		minimum bindgen
	fi
}

find_bindgen()
{
	local candidate version
	for candidate in "${BINDGEN:-bindgen}" "$BINDGEN_CACHE/bin/bindgen"; do
		version=$(version_of "$candidate" --version workaround-for-0.69.0) || continue
		version_ge "${version:-0}" "$(bindgen_minimum)" || continue
		BINDGEN_PATH=$(command -v "$candidate")
		return
	done
	return 1
}

install_bindgen()
{
	local cargo config=()
	rm -rf "$BINDGEN_CACHE"
	for cargo in "$(dirname "$RUSTC_PATH")/cargo" cargo; do
		has "$cargo" && version_ge "$(version_of "$cargo" --version)" 1.70 && break
		cargo=
	done
	[ -n "$cargo" ] || return 1
	# cargo's own state stays in our cache; the user's settings still count.
	# bindgen runs for seconds and takes minutes to compile: few optimisations, and
	# no more of it than kbuild uses.
	[ ! -f "${CARGO_HOME:-$HOME/.cargo}/config.toml" ] ||
		config=(--config "${CARGO_HOME:-$HOME/.cargo}/config.toml")
	CARGO_HOME=$CACHE/cargo RUSTC=$RUSTC_PATH CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
		"$cargo" install --locked "${config[@]}" --no-default-features --features runtime \
		bindgen-cli --version "$BINDGEN_VERSION" --root "$BINDGEN_CACHE.tmp"
	mv "$BINDGEN_CACHE.tmp" "$BINDGEN_CACHE"
}

# --- Everything else: "command package", or a file for what is no command ----

wanted()
{
	cat <<-EOF
		bc bc
		bison bison
		busybox busybox-static
		ccache ccache
		cpio cpio
		flex flex
		gcc gcc
		git git
		make make
		mount mount
		perl perl
		python3 python3
		rsync rsync
		xz xz-utils
		$QEMU $(qemu_package)
		/usr/include/gelf.h libelf-dev
		/usr/include/stdio.h libc6-dev
		/usr/include/sys/capability.h libcap-dev
		/usr/bin/setsid util-linux
	EOF
	# The tables of the guest's machine.
	[ "$ARCH" != x86_64 ] || echo "iasl acpica-tools"
	# The selftests of FUSE in the base tree.
	[ -n "$CROSS" ] || cat <<-EOF
		pkg-config pkg-config
		/usr/include/fuse/fuse.h libfuse-dev
		/usr/include/fuse3/fuse.h libfuse3-dev
	EOF
	[ -z "$CROSS" ] || cat <<-EOF
		$CROSS-gcc gcc-$CROSS
		/usr/$CROSS/lib/libc.a libc6-dev-$DEBIAN_ARCH-cross
	EOF
	[ "$PURPOSE" != check ] || echo "shellcheck shellcheck"
	[ "$PURPOSE" != gdb ] || echo "gdb gdb"
	case $PURPOSE in
	bench) echo "python3-matplotlib python3-matplotlib" ;;
	check | vng) echo "python3-venv python3-venv" ;;
	esac
	# udev names the ports that virtme-ng talks through.
	[ "$PURPOSE" != vng ] || echo "/lib/systemd/systemd-udevd udev"
}

# Debian 12 has no package of its own for s390x.
qemu_package()
{
	if ! has "$QEMU" && has apt-cache && ! apt-cache show "$QEMU_PACKAGE" > /dev/null 2>&1; then
		echo qemu-system-misc
	else
		echo "$QEMU_PACKAGE"
	fi
}

missing_tools()
{
	local tool package
	while read -r tool package; do
		case $tool in
		/*) [ -e "$tool" ] || echo "$tool $package" ;;
		# For the system's python3, whatever comes first in PATH.
		python3-matplotlib) /usr/bin/python3 -c 'import matplotlib' 2> /dev/null || echo "$tool $package" ;;
		# The guest has no libraries.
		busybox) has_static busybox || echo "$tool $package" ;;
		python3-venv) python3 -c 'import ensurepip' 2> /dev/null || echo "$tool $package" ;;
		*) has "$tool" || echo "$tool $package" ;;
		esac
	done < <(wanted)
}

# One line for each thing that is not there, with its minimum version.
report_missing()
{
	local tool package
	while read -r tool package; do
		echo "  $tool (Debian package: $package)"
	done < <(missing_tools)
	find_compilers || {
		echo "  rustc $(minimum rustc) or later with its library sources (rust-src), and rustfmt"
		echo "  clang, lld and LLVM $(minimum llvm) or later, of the same LLVM major version as rustc"
	}
	find_bindgen || echo "  bindgen $(bindgen_minimum) or later"
	[ -z "$CROSS" ] || [ -d "$SYSROOT" ] || {
		echo "  $SYSROOT/bin/busybox, a static one for $ARCH"
		echo "  $SYSROOT/usr/lib/$CROSS/libcap.a"
	}
}

give_up()
{
	{
		echo "setup: error: $1. Missing on this machine:"
		report_missing
		echo "Install these, and run the same command again."
	} >&2
	exit 1
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_install()
{
	has apt-get || give_up "this is not Debian, so nothing is installed automatically"
	[ "$(id -u)" -eq 0 ] || { has sudo && sudo -n true 2> /dev/null; } ||
		give_up "neither root nor sudo, so nothing can be installed"
}

install_packages()
{
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# What fails here is reported by what is missing afterwards.
try() { "$@" || echo "failed: $*"; }

install_missing()
{
	local packages=() package
	can_install
	step "update the package lists" try as_root apt-get update
	while read -r _ package; do
		packages+=("$package")
	done < <(missing_tools)
	if ! find_compilers; then
		choose_compiler_packages
		packages+=("${COMPILER_PACKAGES[@]}")
	fi
	if ! find_bindgen; then
		if version_ge "$(candidate_version bindgen)" "$(bindgen_minimum)"; then
			packages+=(bindgen)
		elif ! has cargo || ! version_ge "$(version_of cargo --version)" 1.70; then
			if version_ge "$(candidate_version cargo-web)" 1.70; then
				packages+=(cargo-web)
			else
				packages+=(cargo)
			fi
		fi
	fi
	if [ ${#packages[@]} -gt 0 ]; then
		step "install ${#packages[@]} packages" try install_packages "${packages[@]}"
	fi
}

# --- For another architecture: what cross packages do not have ---------------

# The system's own release of it, unpacked and not installed.
unpack_sysroot()
{
	local package dir deb
	rm -rf "$SYSROOT.tmp"
	mkdir -p "$SYSROOT.tmp"
	for package in busybox-static libcap-dev; do
		dir=$CACHE/$DEBIAN_ARCH/$package
		deb=$(cached_package "$dir")
		if [ -z "$deb" ]; then
			fetch_package "$dir" "$DEBIAN_ARCH" "$(. /etc/os-release; echo "$VERSION_CODENAME")" echo "$package"
			deb=$(cached_package "$dir")
		fi
		dpkg-deb -x "$deb" "$SYSROOT.tmp"
	done
	mv "$SYSROOT.tmp" "$SYSROOT"
}

# --- What the other scripts use ----------------------------------------------

# Where the libclang of the chosen clang is, for bindgen to take no other.
libclang_path() { realpath "$("clang$SUFFIX" -print-resource-dir)/../.."; }

# What runs under the compiler's name. An assembler file may include another one,
# such as the kernel that an arm zImage unpacks, which ccache does not look at.
cached_compiler()
{
	cat <<-EOF
		#!/bin/sh
		for source; do :; done
		case \$source in
		*.S) exec "$1" "\$@" ;;
		esac
		exec ccache "$1" "\$@"
	EOF
}

link_tools()
{
	local bin=$BUILD/bin.tmp path
	rm -rf "$bin"
	mkdir -p "$bin"
	for path in "$(dirname "$RUSTC_PATH")"/{rustc,rustdoc,rustfmt,clippy-driver} \
		"$CACHE/$VNG"/bin/{vng,virtme-*}; do
		[ ! -x "$path" ] || ln -s "$path" "$bin/"
	done
	ln -s "$BINDGEN_PATH" "$bin/bindgen"
	cached_compiler "$(command -v "clang$SUFFIX")" > "$bin/clang$SUFFIX"
	chmod +x "$bin/clang$SUFFIX"
	# A build may be running these.
	if diff -rq --no-dereference "$BUILD/bin" "$bin" > /dev/null 2>&1; then
		rm -r "$bin"
	else
		rm -rf "${BUILD:?}/bin"
		mv "$bin" "$BUILD/bin"
	fi
	cat > "$BUILD/env.sh.tmp" <<-EOF
		export PATH="$BUILD/bin:\$PATH"
		export LLVM=${SUFFIX:-1} LIBCLANG_PATH="$(libclang_path)"
		export CCACHE_DIR="$CACHE/ccache" CCACHE_BASEDIR="$TOP/build" CCACHE_NOHASHDIR=1
		export CCACHE_MAXSIZE=10G CCACHE_COMPILERCHECK=content CCACHE_DEPEND=1
	EOF
	mv "$BUILD/env.sh.tmp" "$BUILD/env.sh"
}

# python_tools NAME PROBE PACKAGE...: a Python environment in the cache.
python_tools()
{
	local venv=$CACHE/$1 probe=$2
	shift 2
	if ! "$venv/bin/python3" -c "import $probe" 2> /dev/null; then
		rm -rf "$venv"
		step "install $*" bash -ec "python3 -m venv '$venv'; '$venv/bin/pip' install -q $*"
	fi
}

setup_vng() { python_tools "$VNG" virtme "virtme-ng==$VNG_VERSION"; }

# What checkpatch's spdxcheck.py imports, and a reader of JUnit XML for the tests
# of junit.py.
setup_check()
{
	python_tools spdxcheck "ply, git" ply gitpython
	python_tools junitparser-5.0.3 junitparser junitparser==5.0.3
}

mkdir -p "$BUILD" "$CACHE"
if [ -n "$(missing_tools)" ] || ! find_compilers || ! find_bindgen; then
	install_missing
	find_compilers || give_up "no suitable compilers could be installed"
	if ! find_bindgen; then
		step "build bindgen $BINDGEN_VERSION" install_bindgen
		find_bindgen || give_up "bindgen could not be built"
	fi
	[ -z "$(missing_tools)" ] || give_up "some packages could not be installed"
fi
if [ -n "$CROSS" ] && [ ! -d "$SYSROOT" ]; then
	has dpkg-deb || give_up "this is not Debian, so nothing is fetched automatically"
	unpack_sysroot
fi
case $PURPOSE in
vng) setup_vng ;;
check) setup_check ;;
esac
link_tools
