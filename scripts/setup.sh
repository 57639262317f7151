#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Find the tools that the kernel and its tests need, install those that are
# missing, put the chosen ones into build/bin, and write build/env.sh, which uses
# them.
#
#   setup.sh          the tools to build, boot and test
#   setup.sh source   only the tools to make build/linux and to write the series
#   setup.sh prove    those, and Spin and a C compiler for the models
#   setup.sh bench    also those of `make bench`
#   setup.sh check    also those of `make check`
#   setup.sh gdb      also gdb
#   setup.sh vng      also virtme-ng
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/apt.sh"

# Search the tools of the system, without build/bin of an earlier run.
PATH=${PATH//"$BUILD/bin:"/}
BINDGEN_VERSION=0.72.1
PURPOSE=${1:-build}

# Print the minimum version of a tool: that of the tree to build or, without a tree,
# that of Linux 7.3.
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

# Print the suffix for LLVM= of a complete LLVM of that major version. It is empty
# for unversioned tools.
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

# Sets RUSTC_PATH, LLVM_MAJOR and SUFFIX. Fails if there is no such pair.
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

# Sets COMPILER_PACKAGES, and LLVM_MAJOR to the LLVM version of these packages.
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
	# No package is new enough: the check after the installation reports it.
}

# --- bindgen ----------------------------------------------------------------

BINDGEN_CACHE=$CACHE/bindgen-$BINDGEN_VERSION

# The minimum version of the tree, or later: before 0.72.1, bindgen misreads libclang
# 22 and later.
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
	# The state of cargo is in our cache; the settings of the user apply. bindgen
	# runs for seconds but takes minutes to compile, so build it with few
	# optimisations and only the features that kbuild uses.
	[ ! -f "${CARGO_HOME:-$HOME/.cargo}/config.toml" ] ||
		config=(--config "${CARGO_HOME:-$HOME/.cargo}/config.toml")
	CARGO_HOME=$CACHE/cargo RUSTC=$RUSTC_PATH CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
		"$cargo" install --locked "${config[@]}" --no-default-features --features runtime \
		bindgen-cli --version "$BINDGEN_VERSION" --root "$BINDGEN_CACHE.tmp"
	mv "$BINDGEN_CACHE.tmp" "$BINDGEN_CACHE"
}

# --- Everything else: "command package", or "file package" --------------------

# source.sh asks make for the version of the tree.
wanted_for_source()
{
	cat <<-EOF
		git git
		make make
		python3 python3
		xz xz-utils
	EOF
}

wanted_for_prove()
{
	wanted_for_source
	cat <<-EOF
		gcc gcc
		spin spin
		/usr/include/stdio.h libc6-dev
	EOF
}

wanted()
{
	case $PURPOSE in
	source | prove) "wanted_for_$PURPOSE"; return ;;
	esac
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
	# The firmware of the guest's machine.
	[ "$ARCH" != riscv ] || echo "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin opensbi"
	# The tables of the guest's machine.
	[ "$ARCH" != x86_64 ] || echo "iasl acpica-tools"
	# The selftests of FUSE in the base tree, and what makes filesystems in the guest.
	[ -n "$CROSS" ] || cat <<-EOF
		pkg-config pkg-config
		/usr/include/fuse/fuse.h libfuse-dev
		/usr/include/fuse3/fuse.h libfuse3-dev
		mkfs.btrfs btrfs-progs
		mkfs.ext4 e2fsprogs
		mkfs.xfs xfsprogs
	EOF
	[ -z "$CROSS" ] || cat <<-EOF
		$CROSS-gcc gcc-${CROSS//_/-}
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

# Debian 12 has no separate packages for riscv64 and s390x.
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
		# charts.py uses /usr/bin/python3, not the first python3 in PATH.
		python3-matplotlib) /usr/bin/python3 -c 'import matplotlib' 2> /dev/null || echo "$tool $package" ;;
		# The guest has no libraries.
		busybox) has_static busybox || echo "$tool $package" ;;
		python3-venv) python3 -c 'import ensurepip' 2> /dev/null || echo "$tool $package" ;;
		# In /usr/sbin, which PATH of a user does not contain
		mkfs.*) PATH=$PATH:/usr/sbin:/sbin has "$tool" || echo "$tool $package" ;;
		*) has "$tool" || echo "$tool $package" ;;
		esac
	done < <(wanted)
}

# The compilers of the kernel.
needs_compilers() { [ "$PURPOSE" != source ] && [ "$PURPOSE" != prove ]; }

# The kernel comes from a package, which apt downloads and dpkg-deb unpacks.
lacks_source()
{
	[ -z "${KDIR:-}" ] && [ ! -d "$LINUX" ] && ! { has apt-get && has dpkg-deb; }
}

# Prints a line for each missing tool, with its minimum version.
report_missing()
{
	local tool package
	while read -r tool package; do
		echo "  $tool (Debian package: $package)"
	done < <(missing_tools)
	if needs_compilers; then
		find_compilers || {
			echo "  rustc $(minimum rustc) or later with its library sources (rust-src), and rustfmt"
			echo "  clang, lld and LLVM $(minimum llvm) or later, of the same LLVM major version as rustc"
		}
		find_bindgen || echo "  bindgen $(bindgen_minimum) or later"
		[ -z "$CROSS" ] || [ -d "$SYSROOT" ] || {
			echo "  $SYSROOT/bin/busybox, a static one for $ARCH"
			echo "  $SYSROOT/usr/lib/$CROSS/libcap.a"
		}
	fi
	! lacks_source || echo "  a tree of Linux 7.3: pass it as KDIR=/path/to/linux"
}

give_up()
{
	{
		echo "setup: error: $1. Missing on this machine:"
		report_missing
		echo "Install these and run the same command again, or use the image of ./Containerfile."
	} >&2
	exit 1
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_install()
{
	if ! has apt-get || ! has dpkg-deb; then
		give_up "this is not Debian, so nothing is installed automatically"
	fi
	[ "$(id -u)" -eq 0 ] || { has sudo && sudo -n true 2> /dev/null; } ||
		give_up "neither root nor sudo, so nothing can be installed"
}

install_packages()
{
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# Do not stop at a failure: the tools that are missing afterwards are reported.
try() { "$@" || echo "failed: $*"; }

install_missing()
{
	local packages=() package
	can_install
	step "update the package lists" try as_root apt-get update
	while read -r _ package; do
		packages+=("$package")
	done < <(missing_tools)
	if needs_compilers && ! find_compilers; then
		choose_compiler_packages
		packages+=("${COMPILER_PACKAGES[@]}")
	fi
	if needs_compilers && ! find_bindgen; then
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

# --- Files for another architecture that cross packages lack -----------------

# The release of this system. Debian 12 does not include riscv64.
sysroot_suite()
{
	local suite
	suite=$(. /etc/os-release; echo "$VERSION_CODENAME")
	[ "$suite:$ARCH" != bookworm:riscv ] || suite=trixie
	echo "$suite"
}

# Packages of the other architecture, unpacked and not installed.
unpack_sysroot()
{
	local package dir deb
	rm -rf "$SYSROOT.tmp"
	mkdir -p "$SYSROOT.tmp"
	for package in busybox-static libcap-dev; do
		dir=$CACHE/$(sysroot_suite)-$DEBIAN_ARCH/$package
		deb=$(cached_package "$dir")
		if [ -z "$deb" ]; then
			fetch_package "$dir" "$DEBIAN_ARCH" "$(sysroot_suite)" echo "$package"
			deb=$(cached_package "$dir")
		fi
		dpkg-deb -x "$deb" "$SYSROOT.tmp"
	done
	mv "$SYSROOT.tmp" "$SYSROOT"
}

# --- Output for the other scripts --------------------------------------------

# Print the directory of the libclang of the selected clang, for bindgen.
libclang_path() { realpath "$("clang$SUFFIX" -print-resource-dir)/../.."; }

# A wrapper with the name of the compiler. It does not cache assembler files: they
# may include files that ccache does not see, such as the kernel in an arm zImage.
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
		"$(python_environment virtme-ng)"/bin/{vng,virtme-*}; do
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

# python_tools NAME: a Python environment with the packages of
# requirements/NAME.txt, each of one version and with the hash of its file.
python_tools()
{
	local venv
	venv=$(python_environment "$1")
	[ ! -f "$venv/complete" ] || return 0
	rm -rf "$venv"
	step "install the Python packages of $1" bash -ec "python3 -m venv '$venv'
		'$venv/bin/python3' -m pip install -q --require-hashes --only-binary :all: \
			-r '$TOP/scripts/requirements/$1.txt'"
	touch "$venv/complete"
}

all_there() { ! lacks_source && [ -z "$(missing_tools)" ] && { ! needs_compilers || { find_compilers && find_bindgen; }; }; }

mkdir -p "$BUILD" "$CACHE"
if ! all_there; then
	install_missing
	! needs_compilers || find_compilers || give_up "no suitable compilers could be installed"
	if needs_compilers && ! find_bindgen; then
		step "build bindgen $BINDGEN_VERSION" install_bindgen
		find_bindgen || give_up "bindgen could not be built"
	fi
	[ -z "$(missing_tools)" ] || give_up "some packages could not be installed"
fi
needs_compilers || exit 0
if [ -n "$CROSS" ] && [ ! -d "$SYSROOT" ]; then
	has dpkg-deb || give_up "this is not Debian, so nothing is fetched automatically"
	unpack_sysroot
fi
case $PURPOSE in
vng) python_tools virtme-ng ;;
b4) python_tools b4 ;;
# checkpatch runs spdxcheck.py. The tests of junit.py use a reader of JUnit XML.
check)
	python_tools spdxcheck
	python_tools junitparser
	;;
esac
link_tools
