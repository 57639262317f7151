#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Check formatting, lints, documentation and style. The exit status is 0 only if no
# tool prints a warning.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$BUILD/env.sh"

OUT=$BUILD/check
kmake() { make -C "$LINUX" O="$OUT" ARCH="$ARCH" -j"$J" "$@"; }

# A separate output directory, because lints change the compilation of every crate.
configure()
{
	[ -f "$OUT/.config" ] || mkdir -p "$OUT"
	# shellcheck disable=SC2046 # one word a file
	env -C "$LINUX" ARCH="$ARCH" scripts/kconfig/merge_config.sh -n -O "$OUT" \
		$(fragments rust)
}

# silent COMMAND...: fail if the command fails or prints a warning.
silent()
{
	local out
	out=$(mktemp -p "$BUILD")
	"$@" 2>&1 | tee "$out"
	# Ignore case: kernel-doc prints "Warning:".
	if grep -qiE '^(warning|error)|: (warning|error)' "$out"; then
		rm "$out"
		return 1
	fi
	rm "$out"
}

rust_objects() { (cd "$LINUX" && git ls-tree -r --name-only HEAD fs io_uring samples/rust | grep -E '(_rust|/rust_exportfs(_minimal)?|^fs/fuse/fhandle)\.rs$' | sed 's/\.rs$/.o/'); }

clippy()
{
	kmake prepare
	# shellcheck disable=SC2046 # one word an object
	kmake CLIPPY=1 prepare $(rust_objects)
}

# kernel::built_in!() must compile in built-in code, and must fail with its message in
# a module.
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

# Build without modules, namespaces and SMP, which all flavours have.
minimal()
{
	local OUT=$BUILD/check-minimal
	mkdir -p "$OUT"
	env -C "$LINUX" ARCH="$ARCH" scripts/kconfig/merge_config.sh -n -s -O "$OUT" \
		"$TOP/configs/check-minimal.config"
	# shellcheck disable=SC2046 # one word an object
	kmake KCFLAGS=-Werror prepare $(rust_objects) fs/fuse/
}

# A selftest's config must be enough: Kconfig silently drops an option that does not
# exist, or whose dependencies are not met. With -s, that is an error.
selftest_configs()
{
	local OUT=$BUILD/check-selftests file
	mkdir -p "$OUT"
	while read -r file; do
		env -C "$LINUX" ARCH="$ARCH" scripts/kconfig/merge_config.sh -n -s -O "$OUT" "$file"
	done < <(git -C "$LINUX" diff --name-only --diff-filter=AM base series |
		grep '^tools/testing/selftests/.*/config$')
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
	PATH=$(python_environment spdxcheck)/bin:$PATH
	# Ignored types: FILE_PATH_CHANGES, because maintained() checks MAINTAINERS;
	# EMBEDDED_FILENAME, because fs/Kconfig sources fs/Kconfig.handles; ENOSYS,
	# because a FUSE server replies with it to unknown requests; UNKNOWN_COMMIT_ID,
	# because a source package has no history; SPLIT_STRING, because
	# parity_expected.h contains long lists of results.
	scripts/checkpatch.pl --strict --no-summary --terse --show-types --ignore \
		FILE_PATH_CHANGES,MISSING_SIGN_OFF,EMBEDDED_FILENAME,ENOSYS,UNKNOWN_COMMIT_ID,SPLIT_STRING \
		-g base..series
}

# Every new file must have an entry in MAINTAINERS other than "THE REST".
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

# setup.sh contains the minimum versions for a machine without a kernel tree. They
# must match scripts/min-tool-version.sh.
minimum_versions()
{
	local tool said
	for tool in llvm rustc bindgen; do
		said=$(env SRCARCH="$ARCH" sh "$LINUX/scripts/min-tool-version.sh" "$tool")
		grep -qE "$tool:.*echo ${said//./\\.} ;;" "$TOP/scripts/setup.sh" ||
			{ echo "error: setup.sh has a wrong minimum version of $tool: the tree requires $said"; return 1; }
	done
}

step "check: shellcheck" shell_scripts
step "check: JUnit" "$(python_environment junitparser)/bin/python3" "$TOP/scripts/junit_test.py"
step "check: minimum versions" minimum_versions
step "check: checkpatch --strict" checkpatch
step "check: MAINTAINERS" maintained
step "check: public items" "$TOP/scripts/public_items.py" --unused
step "check: configure" configure
step "check: selftest configurations" selftest_configs
step "check: rustfmt" kmake rustfmtcheck
step "check: kernel-doc" silent kernel_doc
step "check: clippy" silent clippy
step "check: built-in code" built_in
step "check: minimal configuration" silent minimal
step "check: rustdoc" silent kmake rustdoc
say "check: no warnings"
