#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# What reviewers run before they read: formatting, lints, documentation and
# style. Ends with 0 only if all of it is silent.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$BUILD/env.sh"

OUT=$BUILD/check
kmake() { make -C "$LINUX" O="$OUT" ARCH="$ARCH" -j"$J" "$@"; }

# Its own output directory: lints change how every crate is compiled.
configure()
{
	[ -f "$OUT/.config" ] || mkdir -p "$OUT"
	# shellcheck disable=SC2046 # one word a file
	env -C "$LINUX" ARCH="$ARCH" scripts/kconfig/merge_config.sh -n -O "$OUT" \
		$(fragments rust)
}

# Succeeds only if the command does, and prints no warning.
silent()
{
	local out
	out=$(mktemp -p "$BUILD")
	"$@" 2>&1 | tee "$out"
	# In capitals or not: kernel-doc's have one.
	if grep -qiE '^(warning|error)|: (warning|error)' "$out"; then
		rm "$out"
		return 1
	fi
	rm "$out"
}

rust_objects() { (cd "$LINUX" && git ls-tree -r --name-only HEAD fs io_uring samples/rust | grep -E '(_rust|/rust_exportfs|^fs/fuse/fhandle)\.rs$' | sed 's/\.rs$/.o/'); }

clippy()
{
	kmake prepare
	# shellcheck disable=SC2046 # one word an object
	kmake CLIPPY=1 prepare $(rust_objects)
}

# kernel::built_in!() compiles in code that is built in, and in a module it says
# why it does not.
built_in()
{
	local dir=$BUILD/check-built-in
	mkdir -p "$dir"
	printf '%s\n' 'obj-y := inside.o' 'obj-m := outside.o' > "$dir/Kbuild"
	echo 'pub fn token() -> kernel::BuiltIn { kernel::built_in!() }' |
		tee "$dir/inside.rs" > "$dir/outside.rs"
	kmake M="$dir" KRUSTFLAGS=-Amissing_docs inside.o || return
	if kmake M="$dir" KRUSTFLAGS=-Amissing_docs outside.o > "$dir/log" 2>&1; then
		echo "error: kernel::built_in!() compiles in a module"
		return 1
	fi
	grep -q 'for code that is built into the kernel' "$dir/log" || { cat "$dir/log"; return 1; }
}

# Without modules, namespaces and a second processor, which the flavours have.
minimal()
{
	local OUT=$BUILD/check-minimal
	mkdir -p "$OUT"
	env -C "$LINUX" ARCH="$ARCH" scripts/kconfig/merge_config.sh -n -s -O "$OUT" \
		"$TOP/configs/check-minimal.config"
	# shellcheck disable=SC2046 # one word an object
	kmake KCFLAGS=-Werror prepare $(rust_objects) fs/fuse/
}

new_files() { git -C "$LINUX" diff --name-only --diff-filter=A base series; }

kernel_doc()
{
	local tool=$LINUX/tools/docs/kernel-doc
	[ -x "$tool" ] || tool=$LINUX/scripts/kernel-doc
	# shellcheck disable=SC2046 # one word a file
	(cd "$LINUX" && "$tool" -none -Wall $(new_files | grep -E '\.[ch]$') fs/pidfs.c fs/internal.h)
}

checkpatch()
{
	cd "$LINUX"
	PATH=$CACHE/spdxcheck/bin:$PATH
	# Whether MAINTAINERS covers a new file is checked by maintained(), and
	# that fs/Kconfig sources fs/Kconfig.handles is no mention of itself. In
	# FUSE, ENOSYS is what a server answers to a request that it does not know.
	# A source package has no history to look the commits of Fixes: tags up in.
	scripts/checkpatch.pl --strict --no-summary --terse --show-types --ignore \
		FILE_PATH_CHANGES,MISSING_SIGN_OFF,EMBEDDED_FILENAME,ENOSYS,UNKNOWN_COMMIT_ID \
		-g base..series
}

# Every new file belongs to somebody more special than "THE REST".
maintained()
{
	local file rc=0
	cd "$LINUX"
	while read -r file; do
		perl scripts/get_maintainer.pl --nogit --nogit-fallback --noemail --nol --sections -f "$file" \
			2> /dev/null | grep -vE '^(THE REST|\s|$)' | grep -q . ||
			{ echo "error: MAINTAINERS covers no $file"; rc=1; }
	done < <(new_files)
	return "$rc"
}

shell_scripts() { shellcheck -x "$TOP"/scripts/*.sh "$TOP/.ci/run" && shellcheck -s sh "$TOP"/scripts/{guest/{init,show,timeout},lab/init.sh}; }

# The numbers in setup.sh are for when there is no tree to ask.
minimum_versions()
{
	local tool said
	for tool in llvm rustc bindgen; do
		said=$(env SRCARCH="$ARCH" sh "$LINUX/scripts/min-tool-version.sh" "$tool")
		grep -qE "$tool:.*echo ${said//./\\.} ;;" "$TOP/scripts/setup.sh" ||
			{ echo "error: setup.sh does not know that the minimum of $tool is $said"; return 1; }
	done
}

step "check: shellcheck" shell_scripts
step "check: JUnit" "$CACHE/junitparser-5.0.3/bin/python3" "$TOP/scripts/junit_test.py"
step "check: minimum versions" minimum_versions
step "check: checkpatch --strict" checkpatch
step "check: MAINTAINERS" maintained
step "check: public items" "$TOP/scripts/public_items.py" --unused
step "check: configure" configure
step "check: rustfmt" kmake rustfmtcheck
step "check: kernel-doc" silent kernel_doc
step "check: clippy" silent clippy
step "check: built-in code" built_in
step "check: minimal configuration" silent minimal
step "check: rustdoc" silent kmake rustdoc
say "check: all silent"
