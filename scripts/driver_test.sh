#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Test the messages and the exit status of the driver after errors, and the files
# that it leaves. Prints TAP. Requires that the flavour "rust" is built.
set -uo pipefail
# `make test FLAVOUR=...` also sets it for the tests that call make.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES FLAVOUR TESTS
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

count=0 failed=0
WORK=$(mktemp -d "$BUILD/driver-test.XXXXXX")
trap 'exit 130' INT
trap 'umount "$WORK/small" 2> /dev/null; rm -rf "$WORK"' EXIT

# expect NAME STATUS PATTERN COMMAND...: check the exit status and the output.
expect()
{
	local name=$1 status=$2 pattern=$3 got=0
	shift 3
	[ ! -f "$WORK/out" ] || mv "$WORK/out" "$WORK/previous"
	"$@" > "$WORK/out" 2>&1 < /dev/null || got=$?
	count=$((count + 1))
	if [ "$got" -eq "$status" ] && { [ -z "$pattern" ] || grep -qE -- "$pattern" "$WORK/out"; }; then
		echo "ok $count $name"
		return
	fi
	sed 's/^/# /' "$WORK/out" | tail -n 12
	echo "# exit status $got instead of $status, or no output that matches '$pattern'"
	echo "not ok $count $name"
	failed=$((failed + 1))
}

# boot SECONDS COMMAND [KERNEL-ARGUMENT...]; called through expect.
# shellcheck disable=SC2317
boot()
{
	printf '#!/bin/sh\n%s\n' "$2" > "$WORK/job"
	"$TOP/scripts/boot.sh" rust "$WORK/boot" "$1" "$WORK/job" "${@:3}"
}

# function_of SCRIPT NAME: print one function of a script, to run it alone.
function_of() { sed -n "/^$2()/,/^}/p" "$TOP/scripts/$1"; }

# Create a copy of this repository. Its build/linux borrows the git objects of ours,
# and contains only the directories that the tests change.
copy_of_us()
{
	local copy=$WORK/copy
	mkdir -p "$copy/build"
	(cd "$TOP" && git ls-files -z --cached --others --exclude-standard |
		xargs -0 cp -a --parents -t "$copy" 2> /dev/null)
	(cd "$copy" && git init -q && git add -A && git -c user.name=t -c user.email=t commit -qm test)
	git clone -q --shared --no-checkout "$BUILD/linux" "$copy/build/linux"
	cd "$copy/build/linux" || exit
	git config user.name t
	git config user.email t@localhost
	git sparse-checkout set --no-cone '/fs/*' '/rust/kernel/*'
	git branch -q --no-track -f base origin/base
	git checkout -q -B series base
}

change_in_tree() { cd "$WORK/copy/build/linux" && eval "$1"; }

test_boots()
{
	expect "boot.sh exits with the status of the job" 7 '' boot 120 'exit 7'
	expect "a guest that hangs is killed after its limit" 124 'did not end within 6 s' boot 6 'sleep 600'
	expect "a guest that powers off early fails the boot" 125 'before the job did' boot 120 'poweroff -f'
	expect "a panic fails the boot and shows the console" 126 'Kernel panic' boot 120 true rdinit=/none
	expect "a WARNING of the kernel fails the boot" 126 'WARNING: made up' boot 120 'echo "<4>WARNING: made up" > /dev/kmsg'
	expect "any number of leaks fails the boot" 126 'unreferenced object 99' \
		boot 120 "leaks=/tmp/leaks; for i in \$(seq 99); do echo unreferenced object \$i; done > \$leaks
			$(cd "$TOP/scripts" && python3 -c 'import test; print(test.job_lines([], "debug", False)[-1])')"
}

# Replace guests by scripts. In the second try, the program passes, but the kernel
# prints a warning. Ctrl-C arrives while two of three guests run.
test_reports()
{
	local fake=$WORK/reports test
	test=$fake/scripts/test.py
	mkdir -p "$fake/build/guest/selftests" "$fake/build/linux"
	cp -a "$TOP/scripts" "$fake"
	ln -s "$LINUX/tools" "$fake/build/linux/tools"
	echo pidfd:pidfd_test > "$fake/build/guest/selftests/kselftest-list.txt"
	cat > "$fake/scripts/boot.sh" <<-'EOF'
		#!/bin/sh
		echo "$1" >> "$2/../booted"
		: > "$2/console.log"
		[ -z "$INTERRUPT" ] || { sleep 0.5; [ "$1" = debug ] || kill -INT "$PPID"; sleep 0.5; }
		case $2 in
		*/retry) rc=126 not= ;;
		*) rc=0 not='not ' ;;
		esac
		printf '# selftests: pidfd: pidfd_test\n%sok 1 selftests: pidfd: pidfd_test\n' "$not" > "$2/job.log"
		exit "$rc"
	EOF
	expect "a kernel that prints a warning in the second try fails" 1 'FAIL rust   kernel of rust' \
		"$test" rust --tests 'pidfd:*'
	expect "TESTS accepts kunit together with programs" 1 'the kernel ran no KUnit tests' \
		"$test" rust --tests 'kunit pidfd:*'
	expect "each pattern has to match a selftest" 1 "no selftest matches 'x:y'" \
		"$test" rust --tests 'pidfd:* x:y'
	rm "$fake/build/results/booted"
	expect "Ctrl-C ends the tests" 130 '' \
		env --default-signal=INT INTERRUPT=1 "$test" rust c debug --tests 'pidfd:*'
	expect "without a traceback" 1 '' grep Traceback "$WORK/previous"
	expect "and no further guest is started" 1 '' grep -x c "$fake/build/results/booted"
}

# A torture of a kernel without checkers, and of one that reports no sleep.
test_torture()
{
	local fake=$WORK/torture
	mkdir -p "$fake"/build/{debug,linux}
	cp -a "$TOP/scripts" "$fake"
	ln -s "$LINUX/tools" "$fake/build/linux/tools"
	echo CONFIG_KASAN=y > "$fake/build/debug/.config"
	expect "a kernel without checkers is not tortured" 1 'debug lacks .*CONFIG_PROVE_RCU' \
		"$fake/scripts/torture.py"
	(cd "$TOP/scripts" && python3 -c 'import torture
for name in torture.CHECKERS: print(f"CONFIG_{name}=y")') > "$fake/build/debug/.config"
	# shellcheck disable=SC2016 # expanded by the script
	printf '%s\n' '#!/bin/sh' ': > "$2/console.log"; : > "$2/job.log"' > "$fake/scripts/boot.sh"
	expect "a torture in which nothing happens fails" 1 'handle_torture reported nothing' \
		"$fake/scripts/torture.py" --minutes 0.1
	expect "so does a sleep that is not reported" 0 'boot.sh ended with 0' cat "$WORK/previous"
}

test_arguments()
{
	expect "an unknown flavour is reported with the known ones" 1 "no flavour 'x'; there are: c debug rust symbols" \
		"$TOP/scripts/build.sh" x
	expect "an unknown architecture is reported with the known ones" 1 \
		'ARCH=mips is not supported; there are: x86_64 arm64 riscv arm s390' env ARCH=mips "$TOP/scripts/setup.sh"
	expect "a path is rejected as ARCH" 1 'ARCH=../linux is not supported' \
		env ARCH=../linux "$TOP/scripts/clean.sh"
	expect "an unknown architecture runs no tests" 1 'ARCH=mips is not supported' \
		env ARCH=mips "$TOP/scripts/test.py" rust
	expect "every known architecture has its configuration" 0 '^$' \
		bash -c "cd '$TOP/configs' && ls ${ARCHITECTURES// /.config }.config > /dev/null && echo"
	expect "FLAVOUR of one architecture and ARCH of another are refused" 1 "no flavour 'arm'; there are: c debug rust symbols" \
		"$TOP/scripts/build.sh" arm
	expect "FLAVOUR and ARCH that contradict each other are refused" 2 'short for ARCH=arm, and ARCH=s390' \
		make -C "$TOP" -n build FLAVOUR=arm ARCH=s390
	expect "two flavours are refused by a target that takes one" 2 "make quick takes one flavour, and FLAVOUR='rust debug'" \
		make -C "$TOP" -n quick FLAVOUR='rust debug'
	expect "virtme-ng is refused on other architectures than x86_64" 1 'for x86_64 only' \
		env ARCH=arm "$TOP/scripts/arguments.sh" vng rust
	expect "one unknown flavour among several is refused before the set-up" 2 "no flavour 'x'" \
		make -C "$TOP" setup FLAVOUR='rust x'
	expect "an unknown runner is refused before the set-up" 2 'RUNNER=x is not known; there are: qemu vng' \
		make -C "$TOP" setup FLAVOUR=rust RUNNER=x
	expect "a KDIR that is no kernel tree is refused before the set-up" 2 'not a Linux kernel tree' \
		make -C "$TOP" setup FLAVOUR=rust RUNNER=qemu KDIR=/etc
	expect "every target with a runner sets it up" 0 'setup.sh vng' \
		make -C "$TOP" -n quick FLAVOUR=rust RUNNER=vng
	# shellcheck disable=SC2016 # expanded in the guest
	expect "CMD reaches the guest unchanged" 0 "run.sh rust 'echo \\\$HOME \\\$\\(id\\)'" \
		make -C "$TOP" -n run FLAVOUR=rust CMD='echo $HOME $(id)'
	expect "patches of a thread that does not exist are refused" 1 "no thread 'abc'; there are: 01-nsfs-fixes" \
		"$TOP/scripts/patches.py" --thread abc
	mkdir -p "$TOP/build/patches"
	# Fails as well while another run holds the lock.
	# shellcheck disable=SC2016 # expanded by the inner shell
	expect "two runs do not use one work tree" 1 'another run of patches.py is in progress' \
		bash -c 'exec 9> "$0/build/patches/lock"; flock -n 9; "$0/scripts/patches.py" --only style' \
		"$TOP"
	expect "a warning with a capital letter is detected" 1 '' \
		bash -c "$(function_of check.sh silent); BUILD=$WORK; silent echo 'Warning: x.h:1 made up'"
	expect "a selftest that does not exist is reported" 1 "no selftest matches 'x:y'" \
		"$TOP/scripts/test.py" rust --tests x:y
	expect "an unknown flavour of bench is reported" 1 "'debug' is not measured; there are: base/c c rust" \
		"$TOP/scripts/bench.py" c debug
	expect "an architecture without an instruction clock is reported" 1 "x86_64's, not arm's" \
		env ARCH=arm "$TOP/scripts/bench.py" c
}

# host MACHINE VARIABLES [SETTING...]: what lib.sh derives on a host with that uname -m
# shellcheck disable=SC2317 # called through expect
host()
{
	mkdir -p "$WORK/host"
	printf '#!/bin/sh\necho %s\n' "$1" > "$WORK/host/uname"
	chmod +x "$WORK/host/uname"
	env -u ARCH PATH="$WORK/host:$PATH" "${@:3}" bash -c ". '$TOP/scripts/lib.sh'; echo \"$2\""
}

test_hosts()
{
	# shellcheck disable=SC2016 # expanded by host()
	local paths='$ARCH ${BUILD#$TOP/} $CROSS.'
	expect "an x86_64 host builds for itself" 0 '^x86_64 build .$' host x86_64 "$paths"
	expect "so does an arm64 host" 0 '^arm64 build .$' host aarch64 "$paths"
	expect "and a riscv host" 0 '^riscv build .$' host riscv64 "$paths"
	expect "there, x86_64 is another architecture" 0 '^x86_64 build/x86_64 x86_64-linux-gnu.$' \
		host riscv64 "$paths" ARCH=x86_64
	expect "on x86_64, arm64 is" 0 '^arm64 build/arm64 aarch64-linux-gnu.$' \
		host x86_64 "$paths" ARCH=arm64
	expect "a host that cannot be a guest cross-compiles" 0 '^x86_64 build/x86_64 x86_64-linux-gnu.$' \
		host ppc64le "$paths"
	# shellcheck disable=SC2016 # likewise
	expect "a guest of another architecture is emulated" 0 '^tcg,' host aarch64 '$(accelerator)' ARCH=x86_64
	# shellcheck disable=SC2016 # likewise
	expect "so is each guest on request" 0 '^tcg,' host aarch64 '$(accelerator)' ACCEL=tcg
	# shellcheck disable=SC2016 # likewise
	expect "the number of processors can be set" 0 '^3$' host aarch64 '$(guest_cpus)' CPUS=3
	expect "an arm64 host needs no x86 tools and no cross tools" 1 '' \
		env -u ARCH PATH="$WORK/host:$PATH" bash -c "cd '$TOP' && . scripts/lib.sh && PURPOSE=build && eval \"\$(sed -n '/^wanted()/,/^}/p' scripts/setup.sh)\"
			qemu_package() { echo x; }; wanted | grep -E 'iasl|x86|-linux-gnu|cross'"
	# shellcheck disable=SC2016 # likewise
	local mkfs='. scripts/lib.sh && PURPOSE=build && eval "$(sed -n "/^wanted()/,/^}/p" scripts/setup.sh)"
		qemu_package() { echo x; }; wanted | grep ^mkfs'
	expect "a guest of this architecture needs mkfs" 0 '^mkfs.btrfs btrfs-progs mkfs.ext4 e2fsprogs mkfs.xfs xfsprogs$' \
		env -u ARCH PATH="$WORK/host:$PATH" bash -c "cd '$TOP' && { $mkfs; } | xargs"
	expect "another one does not" 1 '' env ARCH=s390 PATH="$WORK/host:$PATH" bash -c "cd '$TOP' && $mkfs"
	expect "debug is refused where it cannot be built" 1 'debug is for x86_64 only' \
		env ARCH=arm64 "$TOP/scripts/arguments.sh" qemu debug
	# shellcheck disable=SC2016 # likewise
	expect "a kernel for this machine has disks" 0 '/base-disks.config' \
		env -u ARCH PATH="$WORK/host:$PATH" bash -c '. "$0/scripts/lib.sh"; fragments rust' "$TOP"
	# shellcheck disable=SC2016 # likewise
	expect "one that cannot run the programs of this machine has none" 1 '^0$' \
		env ARCH=s390 PATH="$WORK/host:$PATH" \
		bash -c '. "$0/scripts/lib.sh"; fragments rust | grep -c /base-disks.config' "$TOP"
	expect "make test on an arm64 host builds the flavour rust" 0 'build_all.sh rust *$' \
		env -u ARCH PATH="$WORK/host:$PATH" make -C "$TOP" -n test
}

test_kdir()
{
	local tree=$WORK/kdir before
	before=$(git -C "$LINUX" rev-parse series base | cat - "$LINUX/.git/origin" | xargs)
	mkdir -p "$tree/fs/exportfs"
	printf 'kernelversion:\n\t@echo 6.12.1\n' > "$tree/Makefile"
	expect "a KDIR of the wrong version is refused" 1 'is Linux 6.12.1; the series needs 7.3' \
		env KDIR="$tree" "$TOP/scripts/source.sh"
	printf 'kernelversion:\n\t@echo 7.3.1\n' > "$tree/Makefile"
	(cd "$tree" && git init -q && git add -A && git -c user.name=t -c user.email=t commit -qm t &&
		echo '# edited' >> Makefile)
	expect "a KDIR with uncommitted changes is refused" 1 'has uncommitted changes' \
		env KDIR="$tree" "$TOP/scripts/source.sh"
	expect "the error of git for a KDIR is shown" 1 "dubious ownership in repository at '$tree'" \
		env KDIR="$tree" GIT_TEST_ASSUME_DIFFERENT_OWNER=1 GIT_CONFIG_GLOBAL=/dev/null \
		GIT_CONFIG_SYSTEM=/dev/null "$TOP/scripts/source.sh" check
	rm -rf "$tree/.git"
	touch "$tree/.config"
	expect "a KDIR with build products is refused" 1 'holds build products' \
		env KDIR="$tree" "$TOP/scripts/source.sh"
	expect "a KDIR that is no kernel tree is refused" 1 'not a Linux kernel tree' \
		env KDIR=/etc "$TOP/scripts/source.sh"
	expect "a refused KDIR leaves build/linux unchanged" 0 "^$before$" \
		bash -c "git -C '$LINUX' rev-parse series base | cat - '$LINUX/.git/origin' | xargs"
}

# What source.sh says of the package that it unpacks
test_mirror()
{
	local dir=$WORK/mirror compare
	compare="$(function_of source.sh compare_with_tested); say() { echo \"\$*\"; }"
	mkdir -p "$dir/scripts"
	echo one > "$dir/linux_1.deb"
	echo two > "$dir/linux_2.deb"
	(cd "$dir" && sha256sum linux_1.deb > scripts/base.sha256)
	expect "the tested package is used without a message" 0 '^$' \
		bash -euc "$compare; TOP=$dir; compare_with_tested '$dir/linux_1.deb'; echo"
	expect "another package is reported, with the tested one" 0 'base is linux_2.deb, .* tested on linux_1.deb' \
		bash -euc "$compare; TOP=$dir; compare_with_tested '$dir/linux_2.deb'"
	expect "the tested package is recorded with its hash" 0 '^[0-9a-f]{64}  linux-source-7' cat "$TOP/scripts/base.sha256"
}

# A base tree without git, and a df that reports free space.
test_base()
{
	local repo=$WORK/base tree=$WORK/plain
	mkdir -p "$repo/bin" "$tree/fs/exportfs"
	cp -a "$TOP/scripts" "$repo"
	printf '#!/bin/sh\necho Avail\necho 9999\n' > "$repo/bin/df"
	chmod +x "$repo/bin/df"
	printf 'kernelversion:\n\t@echo 7.3.1\n' > "$tree/Makefile"
	touch -d '1 week ago' "$tree/Makefile"
	touch "$repo/object"
	expect "a tree without git can be the base" 0 'record the base: done' \
		env PATH="$repo/bin:$PATH" KDIR="$tree" "$repo/scripts/source.sh"
	expect "its files are newer than the objects of another base" 0 Makefile \
		find "$repo/build/linux/Makefile" -newer "$repo/object"
	echo '# edited' >> "$tree/Makefile"
	expect "an edit in the KDIR is detected" 0 'making it anew' \
		env PATH="$repo/bin:$PATH" KDIR="$tree" "$repo/scripts/source.sh"
	expect "and the next run has nothing to do" 0 '' \
		env PATH="$repo/bin:$PATH" KDIR="$tree" "$repo/scripts/source.sh"
	expect "and no output" 1 '' grep . "$WORK/previous"
}

test_tree()
{
	local tree="$WORK/copy/scripts/tree.py" patch
	export LINUX=$WORK/copy/build/linux
	copy_of_us
	cd "$WORK/copy" || exit
	expect "the series applies" 0 'patches in [0-9]+ threads on v' "$tree" tree
	expect "the copy has the tree of build/linux" 0 "$(git -C "$BUILD/linux" rev-parse 'series^{tree}')" \
		git -C build/linux rev-parse 'series^{tree}'
	expect "a second run has nothing to do" 0 '' "$tree" tree
	expect "a sign-off without a mail address is refused" 1 "of the form 'Name <mail>'" \
		env SIGNOFF=nobody "$tree" tree
	expect "distclean accepts a tree without unsaved work" 0 '' "$tree" saved
	touch build/linux/fs/untracked.c
	expect "an untracked file stops distclean" 1 'fs/untracked.c' "$tree" saved
	# shellcheck disable=SC2016 # expanded there
	change_in_tree 'rm fs/untracked.c; git branch idea $(git commit-tree -p base -m "an idea" base^{tree})'
	expect "a commit on another branch stops distclean" 1 '\(idea\) an idea' "$tree" saved
	change_in_tree 'git branch -q -D idea && echo "# stashed" >> fs/Makefile && git stash -q'
	cd "$WORK/copy" || exit
	expect "a stash stops distclean" 1 'stash@\{0\}' "$tree" saved
	expect "unsaved work stops distclean" 2 'not in the overlay' make distclean
	touch build/marker
	make distclean > /dev/null 2>&1
	expect "distclean stops before it removes files" 0 '' cat build/marker
	git -C build/linux stash drop -q
	echo '# edited' >> build/linux/fs/Makefile
	expect "uncommitted changes are not overwritten" 1 'uncommitted changes' "$tree" tree
	change_in_tree 'git commit -qam "fs: edit the Makefile"'
	expect "commits that are not imported are not overwritten" 1 'make import' "$tree" tree
	change_in_tree 'echo new > fs/new_file.c && echo "// more" >> fs/pidfs_rust.rs &&
		git add --sparse -f fs && git commit -qm "fs: add a file"'
	expect "import converts commits" 0 'imported [0-9]+ patches' "$tree" import
	cd "$WORK/copy" || exit
	expect "import: the new patch names its new file" 0 'New-file: fs/new_file.c' \
		bash -c 'cat series/*/*-fs-add-a-file.patch'
	expect "import: the overlay has the new content" 0 '// more' tail -n 1 fs/pidfs_rust.rs
	git -C build/linux rev-parse 'series^{tree}' > "$WORK/before"
	expect "tree after import applies" 0 '' "$tree" tree
	expect "tree after import gives the same tree" 0 '' \
		grep -qx "$(git -C build/linux rev-parse 'series^{tree}')" "$WORK/before"
	test_threads
	patch=$(grep -l '^diff --git a/fs/pidfs.c' series/*/*.patch | xargs grep -lx ' {' | head -n 1)
	sed -i 's/^ {$/ {{/' "$patch"
	expect "a hunk that does not apply is reported with its line" 1 \
		"$patch does not apply to the base" "$tree" tree
	expect "and its line is reported" 0 'error: patch failed: fs/pidfs.c:[0-9]+' cat "$WORK/previous"
	git checkout -q "$patch"
	touch fs/orphan.c
	expect "an overlay file without a patch is reported" 1 'no patch in series/ carries fs/orphan.c' "$tree" tree
}

# Called by test_tree(), in the copy.
test_threads()
{
	local tree="$WORK/copy/scripts/tree.py" kdir=$WORK/copy/build/kdir threads
	threads=$(find series -mindepth 1 -maxdepth 1 -type d | wc -l)
	# shellcheck disable=SC2016 # expanded by the inner shell
	expect "import: a commit joins the thread of the one before it" 0 '' \
		bash -c 'cd series && ls "$(ls | tail -n 1)"/*-fs-add-a-file.patch'
	change_in_tree 'git commit -q --amend -m "fs: add a file" -m "Thread: 99-new"'
	cd "$WORK/copy" || exit
	expect "import: a commit can name its thread" 0 "in $((threads + 1)) threads" "$tree" import
	expect "import: the patch does not contain that line" 1 '' grep -r '^Thread:' series
	change_in_tree 'git commit -q --amend -m "fs: add a file" -m "Thread: 01-nsfs-fixes"'
	cd "$WORK/copy" || exit
	expect "import: the threads stay in order" 1 "belongs to 01-nsfs-fixes, but follows a patch of [0-9]+-" "$tree" import
	change_in_tree 'git commit -q --amend -m "fs: add a file" -m "Thread: 99-new"'
	cd "$WORK/copy" || exit
	"$tree" import > /dev/null
	sed -i 's/^mod signed;/mod signed; \/\/ edited/' rust/kernel/fs/exportfs.rs
	expect "an edit of an overlay file that a later patch changes is refused" 1 \
		'rust/kernel/fs/exportfs.rs was edited where a later patch changes it' "$tree" tree
	expect "both patches are reported" 0 \
		'02-exportfs/0[0-9]+-.*.patch adds rust/kernel/fs/exportfs.rs,' cat "$WORK/previous"
	sed -i 's/^mod signed;.*/mod signed;/' rust/kernel/fs/exportfs.rs
	"$tree" tree
	expect "make series writes the mails of a thread" 0 'build/series/05-fhandle: [0-9]+ patches' scripts/series.py --thread 05-fhandle
	expect "make series writes a mailbox" 0 '^Subject: \[PATCH 01/' cat build/series/05-fhandle.mbox
	expect "make series accepts a version for an RFC" 0 '' scripts/series.py --thread 07-io_uring --version 2
	expect "each mail has the RFC prefix and the version" 0 '^Subject: \[RFC PATCH v2 01/' cat build/series/07-io_uring.mbox
	expect "a thread that does not exist is refused" 1 "no thread '06'; there are: 01-nsfs-fixes" \
		scripts/series.py --thread 06
	expect "a thread without a cover letter is refused" 1 '99-new/cover-letter.txt does not exist' scripts/series.py
	expect "unsigned mails are not prepared" 1 'must be signed off' scripts/b4.sh 05-fhandle 1
	git clone -q --shared --no-checkout -b base build/linux "$kdir"
	expect "the threads apply to the base" 0 '09-fuse-handles +applies' scripts/apply_check.py "$kdir"
	echo '/* edited */' > "$kdir/fuse.h"
	(cd "$kdir" && git reset -q &&
		git update-index --cacheinfo "100644,$(git hash-object -w fuse.h),include/uapi/linux/fuse.h" &&
		git -c user.name=t -c user.email=t commit -qm edited)
	expect "a thread that does not apply is reported with its patch" 1 \
		'08-fuse-compound +0 of [0-9]+ patches apply, then: fuse: .*uapi/linux/fuse.h' scripts/apply_check.py "$kdir"
	expect "the threads before it are not affected" 0 '07-io_uring +applies' cat "$WORK/previous"
	expect "apply-check refuses a directory that is no kernel tree" 1 'is not a kernel tree' scripts/apply_check.py "$WORK"
}

test_setup()
{
	local tool target tools bare=$WORK/bare dir=$WORK/setup
	mkdir -p "$bare" "$dir"
	for tool in bash sh env dirname basename nproc mkdir rm sed grep head tail cut sort cat ls printf id df tr ldd; do
		ln -s "$(command -v "$tool")" "$bare/$tool"
	done
	expect "without apt, missing tools are listed with their minimum version" 1 'rustc [0-9.]+ or later' \
		env PATH="$bare" RUSTC= CACHE="$WORK/none" bash "$TOP/scripts/setup.sh"
	expect "without apt, the tools of another architecture are listed" 1 's390x-linux-gnu-gcc .*gcc-s390x-linux-gnu' \
		env PATH="$bare" ARCH=s390 RUSTC= CACHE="$WORK/none" bash "$TOP/scripts/setup.sh"
	cp -a "$TOP/scripts" "$dir"
	expect "without apt, the other ways to a kernel and to the tools are named" 1 'KDIR=/path/to/linux' \
		env PATH="$bare" RUSTC= KDIR= CACHE="$WORK/none" bash "$dir/scripts/setup.sh"
	expect "and the image" 0 'or use the image of ./Containerfile' cat "$WORK/previous"
	expect "the source needs no compiler" 1 '^  git .*: git' \
		env PATH="$bare" RUSTC= KDIR= CACHE="$WORK/none" bash "$dir/scripts/setup.sh" source
	expect "and the report mentions none" 1 '' grep -E 'rustc|clang|bindgen|qemu' "$WORK/previous"
	for tool in git make python3 xz; do
		ln -s "$(command -v "$tool")" "$bare/$tool"
	done
	expect "with a KDIR, the source needs four tools and no apt" 0 '' \
		env PATH="$bare" RUSTC= KDIR=/x CACHE="$WORK/none" bash "$dir/scripts/setup.sh" source
	for target in tree series; do
		expect "make $target sets up no compiler" 1 '' \
			bash -c "make -C '$TOP' -n $target | grep 'setup.sh' | grep -v 'setup.sh source'"
	done
	ln -s "$(command -v ls)" "$bare/busybox"
	expect "a dynamically linked busybox is rejected" 1 'busybox .*busybox-static' \
		env PATH="$bare" RUSTC= CACHE="$WORK/none" bash "$TOP/scripts/setup.sh"
	"$TOP/scripts/setup.sh" > /dev/null
	tools=$(stat -c %i "$BUILD/bin")
	expect "a second set-up has nothing to do" 0 '' "$TOP/scripts/setup.sh"
	expect "a second set-up does not replace tools that a build may be running" 0 "^$tools$" \
		stat -c %i "$BUILD/bin"
}

# Files of an earlier run, or of another run at the same time.
test_remains()
{
	local dir=$WORK/remains guest
	mkdir -p "$dir"/{rust,c.tmp/old,kselftest,usr/include,cache/tmp.young,cache/tmp.old}
	touch "$dir/rust/vmlinux" "$dir/usr/include/a.h" "$dir/image.cpio"
	touch -d '2 days ago' "$dir/cache/tmp.old"
	expect "an interrupted copy of a flavour is restarted" 0 '' \
		bash -euc "$(function_of build.sh seed_from_sibling); BUILD=$dir OUT=$dir/c
			seed_from_sibling; test -f '$dir/c/vmlinux'"
	expect "the downloads of others are left alone, and old ones removed" 0 '^tmp.young x.deb x.deb.sha256$' \
		bash -euc ". '$TOP/scripts/lib.sh'; . '$TOP/scripts/apt.sh'; LOGS=$dir
			apt_private() { touch \"\$4/x.deb\"; }
			fetch_package '$dir/cache' amd64 stable true; ls '$dir/cache' | xargs"
	mkdir "$dir/bin"
	printf '#!/bin/sh\necho cached "$@"\n' > "$dir/bin/ccache"
	bash -euc "$(function_of setup.sh cached_compiler); cached_compiler /bin/echo" > "$dir/bin/cc"
	chmod +x "$dir"/bin/*
	expect "the compilation of a C file is cached" 0 '^cached /bin/echo -c -o x.o x.c$' \
		env PATH="$dir/bin:$PATH" cc -c -o x.o x.c
	expect "the compilation of an assembler file is not cached" 0 '^-c -o x.o x.S$' \
		env PATH="$dir/bin:$PATH" cc -c -o x.o x.S
	guest="$(function_of build.sh build_guest); make() { :; }; sample_tool() { :; }; program_in_docs() { :; }
		GUEST=$dir LINUX= ARCH= CROSS= LINKER= SYSROOT= SELFTESTS= J=; build_guest; ls '$dir'"
	touch -d '1 minute ago' "$dir/usr/include/a.h"
	expect "older headers do not rebuild the selftests" 0 kselftest bash -euc "$guest"
	touch -d '1 minute' "$dir/usr/include/a.h"
	expect "a newer header rebuilds the selftests" 0 '' bash -euc "$guest"
	expect "a newer header removes all selftests" 1 '' test -e "$dir/kselftest"
}

test_disk()
{
	if [ "$(id -u)" -ne 0 ]; then
		count=$((count + 1))
		echo "ok $count a full disk is reported before the build starts # SKIP requires root, to mount a small disk"
		return
	fi
	mkdir -p "$WORK/small"
	# Containers do not permit it.
	if ! mount -t tmpfs -o size=40m tmpfs "$WORK/small"; then
		count=$((count + 1))
		echo "ok $count a full disk is noticed before any work # SKIP mount(2) is not permitted"
		return
	fi
	mkdir "$WORK/small/repo"
	cp -a "$TOP/scripts" "$WORK/small/repo/"
	expect "a full disk is reported before the build starts" 1 'needs [0-9]+ MiB in .*, which has [0-9]+ MiB free' \
		env KDIR= "$WORK/small/repo/scripts/source.sh"
	expect "and no partial files remain" 0 '^$' bash -c "ls $WORK/small/repo/build | grep linux || echo"
}

# Replace builds by sleep. That of "debug" is long and prints a line when it ends.
test_builds()
{
	local scripts=$WORK/builds/scripts
	mkdir -p "$scripts"
	cp "$TOP"/scripts/{build_all,lib}.sh "$scripts"
	cat > "$scripts/build.sh" <<-'EOF'
		#!/bin/sh
		case $1 in
		bad) sleep 1; exit 3 ;;
		debug) trap 'echo debug ends; kill $!; exit 1' TERM; echo "debug ${NO_GUEST:-0}"; sleep "$SLEEP" & wait; exit "$ENDS" ;;
		esac
		echo "$1"
	EOF
	chmod +x "$scripts/build.sh"
	expect "debug is built at the same time as the others, without the guest" 0 '^debug 1$' \
		env SLEEP=1 ENDS=0 "$scripts/build_all.sh" rust c debug
	expect "debug alone is built like any other flavour" 0 '^debug 0$' \
		env SLEEP=0 ENDS=0 "$scripts/build_all.sh" debug
	expect "a failure of debug is reported" 5 '^c$' \
		env SLEEP=1 ENDS=5 "$scripts/build_all.sh" rust c debug
	expect "debug is stopped if another flavour fails" 3 '^debug ends$' \
		env SLEEP=60 ENDS=0 "$scripts/build_all.sh" rust bad c debug
	mkdir -p "$WORK/builds/out"
	echo CONFIG_GDB_SCRIPTS=y > "$WORK/builds/out/.config"
	# shellcheck disable=SC2016 # expanded by the inner shell
	expect "a flavour with debug information has the scripts of gdb" 0 '^make vmlinux modules scripts_gdb$' \
		env OUT="$WORK/builds/out" IMAGE=vmlinux bash -c 'age_objtool() { :; }; kmake() { echo make "$@"; }
			eval "$0"; build_kernel' "$(function_of build.sh build_kernel)"
}

# A tree whose make, like kbuild, drops options from .config that Kconfig lacks.
test_configuration()
{
	local dir=$WORK/configuration tree=$WORK/configuration/build/linux
	mkdir -p "$dir/configs" "$tree/scripts/kconfig"
	cp -a "$TOP/scripts" "$dir"
	: > "$dir/build/env.sh"
	echo 'CONFIG_ONE_RUST=y' > "$dir/configs/base.config"
	echo '# CONFIG_TWO is not set' > "$dir/configs/rust.config"
	echo 'config ONE_RUST' > "$tree/Kconfig"
	cat > "$tree/Makefile" <<-'EOF'
		vmlinux modules: sync
		sync: ; sed 's/^config /CONFIG_/' Kconfig | grep -f - $(O)/.config > $(O)/new; mv $(O)/new $(O)/.config
		other: ; echo CONFIG_TWO=y >> $(O)/.config
	EOF
	cat > "$tree/scripts/kconfig/merge_config.sh" <<-'EOF'
		#!/bin/bash
		while [ "$1" != -O ]; do shift; done
		echo configured
		cat "${@:3}" > "$2/.config" && make O="$2" sync
	EOF
	chmod +x "$tree/scripts/kconfig/merge_config.sh"
	git -C "$tree" init -q
	git -C "$tree" add -A
	set -- env NO_GUEST=1 "$dir/scripts/build.sh" rust
	expect "the configuration of a flavour matches its fragments" 0 'rust: configure: done' "$@"
	expect "a second build of a flavour waits for the first" 124 'wait for another build of rust' \
		flock "$dir/build/rust.lock" env NO_GUEST=1 timeout 2 "$dir/scripts/build.sh" rust
	expect "the next build does not configure again" 1 '' bash -c "NO_GUEST=1 '$dir/scripts/build.sh' rust | grep configure"
	printf 'config %s\n' ONE_RUST TWO > "$tree/Kconfig"
	expect "a changed option of the tree repeats the configuration" 0 'rust: configure: done' "$@"
	echo 'CONFIG_TWO=m' > "$dir/build/rust/.config"
	expect "a .config that was edited by hand is configured again" 0 'rust: configure: done' "$@"
	echo 'config OTHER' > "$tree/Kconfig"
	expect "an option that the tree lacks is reported" 1 \
		'^configs/base.config requires CONFIG_ONE_RUST=y, and .config has n$' "$@"
	expect "the next build reports the option again" 1 'requires CONFIG_ONE_RUST=y' "$@"
	printf 'config %s\n' ONE_RUST TWO > "$tree/Kconfig"
	expect "an option that the build changed is reported" 1 \
		'^configs/rust.config requires CONFIG_TWO=n, and .config has y$' "$@" other
}

# A crate of one type, and a file that uses some of it.
test_items()
{
	local tree=$WORK/items
	mkdir -p "$tree/rust/kernel/fs" "$tree/fs"
	git -C "$tree" init -q
	git -C "$tree" -c user.name=t -c user.email=t commit -q --allow-empty -m base
	git -C "$tree" branch base
	cat > "$tree/rust/kernel/fs/thing.rs" <<-'EOF'
		/// `Thing::in_doc()` is no use.
		pub struct Thing(u32);
		impl Thing {
		    pub fn called(&self) {}
		    pub fn named() {}
		    pub fn homonym(&self) {}
		    pub fn own(&self) { self.own() }
		    pub(crate) fn internal(&self) {}
		}
		pub trait Hooks {
		    const NEEDED: u32;
		    fn overridden(&self) {}
		    fn default_only(&self) {}
		}
		impl_flags!(
		    pub struct Flags(u32);
		    pub enum Flag {
		        Set = 1,
		        Unset = 2,
		    }
		);
	EOF
	cat > "$tree/fs/user.rs" <<-'EOF'
		use kernel::fs::thing::{self, Flag, Thing};
		impl thing::Hooks for X {
		    const NEEDED: u32 = 1;
		    fn overridden(&self) {}
		}
		fn f(t: &Thing, flags: thing::Flags) { t.called(); Thing::named(); Flag::Set; }
	EOF
	echo 'fn g(x: Other) { x.homonym(); Flag::Unset; }' > "$tree/fs/other.rs"
	git -C "$tree" add -A
	git -C "$tree" -c user.name=t -c user.email=t commit -qm series
	expect "public items without a user are reported" 1 '13 public items, 4 without a user' \
		env LINUX="$tree" "$TOP/scripts/public_items.py" --unused
	expect "the reported items are those without a user" 0 '^homonym own default_only Unset$' \
		bash -c "sed -n 's/.*::\([A-Za-z_]*\): NO USER/\1/p' '$WORK/previous' | xargs"
	expect "the size of a file is counted" 0 'thing.rs +20 +13 +0$' \
		env LINUX="$tree" "$TOP/scripts/sizes.py"
}

# One of each kind, with and without an argument.
test_unsafe()
{
	local tree=$WORK/unsafe
	mkdir -p "$tree/fs"
	git -C "$tree" init -q
	echo 'fn old() { unsafe { old() } }' > "$tree/fs/old.rs"
	git -C "$tree" add -A
	git -C "$tree" -c user.name=t -c user.email=t commit -qm base
	git -C "$tree" branch base
	echo '// "unsafe { }" in a comment' >> "$tree/fs/old.rs"
	cat > "$tree/fs/new.rs" <<-'EOF'
		/// # Safety
		///
		/// The caller must ensure that `p` is valid.
		pub unsafe fn with(p: *mut u8) {
		    // SAFETY: `p` is valid. This is not shown.
		    let x = f(unsafe {
		        bindings::g(p)
		    });
		}
		// SAFETY: It has no data.
		unsafe impl Send for X {}
		unsafe impl Sync for X {}
		pub unsafe fn without() {
		    // A comment that gives no reason.
		    unsafe { (*p).field };
		}
		unsafe impl T for X {
		    unsafe fn of_trait() {}
		}
	EOF
	git -C "$tree" add -A
	git -C "$tree" -c user.name=t -c user.email=t commit -qm series
	expect "unsafe code without an argument is named" 1 'unsafe: error: 4 without an argument' \
		env LINUX="$tree" "$TOP/scripts/unsafe_code.py"
	expect "exactly these" 0 '^12 13 15 17$' \
		bash -c "sed -n 's/^  fs.new.rs:\([0-9]*\):.*/\1/p' '$WORK/previous' | xargs"
	env LINUX="$tree" "$TOP/scripts/unsafe_code.py" > "$WORK/listed" 2>&1
	expect "the rest is listed with its argument" 0 '^fs/new.rs:6: bindings::g\(p\) .p. is valid.$' \
		bash -c "grep -A1 '^fs/new.rs:6:' '$WORK/listed' | xargs -d '\\n'  | tr -s ' '"
	expect "code of the base is not listed" 1 '' grep old.rs: "$WORK/listed"
}

# A tree whose Sphinx warns about one file of ours and one of others.
test_docs()
{
	local fake=$WORK/docs
	mkdir -p "$fake"/{scripts,series,Documentation,build/linux/tools/docs}
	cp "$TOP"/scripts/{docs,lib}.sh "$fake/scripts"
	touch "$fake/Documentation/ours.rst"
	git -C "$fake" init -q
	printf '#!/bin/sh\n' > "$fake/build/linux/tools/docs/documentation-file-ref-check"
	chmod +x "$fake/build/linux/tools/docs/documentation-file-ref-check"
	printf 'htmldocs:\n\t@cat warnings >&2\n' > "$fake/build/linux/Makefile"
	echo 'Documentation/theirs.rst:1: WARNING: theirs' > "$fake/build/linux/warnings"
	expect "a warning about another document is none of ours" 0 'HTML: build/docs' "$fake/scripts/docs.sh"
	echo 'Documentation/ours.rst:1: WARNING: ours' >> "$fake/build/linux/warnings"
	expect "a warning about our document fails" 1 'ours.rst:1: WARNING: ours' "$fake/scripts/docs.sh"
	expect "and no other is shown" 1 '' grep theirs "$WORK/previous"
}

# What the guest of a lab reports to LAVA of the output of run_kselftest.sh.
test_lava()
{
	local dir=$WORK/lava
	mkdir -p "$dir/bin"
	printf '#!/bin/sh\necho "report: $*"\n' > "$dir/bin/lava-test-case"
	chmod +x "$dir/bin/lava-test-case"
	cat > "$dir/ktap" <<-'EOF'
		# selftests: filesystems/x: many_test
		# ok 1 pidfs.each; $(it)
		# not ok 2 pidfs.other # error=1
		# ok 3 nsfs.third # SKIP needs a namespace
		not ok 1 selftests: filesystems/x: many_test # exit=1
		# selftests: y: plain_test
		ok 2 selftests: y: plain_test
		# selftests: y: late_test
		# ok 1 case
		not ok 3 selftests: y: late_test # TIMEOUT 600 seconds
	EOF
	cat > "$dir/expected" <<-'EOF'
		report: filesystems_x.many_test.pidfs.each_it --result pass
		report: filesystems_x.many_test.pidfs.other --result fail
		report: filesystems_x.many_test.nsfs.third --result skip
		report: y.plain_test --result pass
		report: y.late_test.case --result pass
		report: y.late_test --result fail
	EOF
	expect "LAVA receives a result for each case" 0 '' env PATH="$dir/bin:$PATH" bash -c \
		"busybox awk -f '$TOP/scripts/lab/report.awk' '$dir/ktap' | grep ^report: | diff - '$dir/expected'"
	mkdir "$dir/files"
	touch "$dir/files/bzImage"
	echo CONFIG_RUST=y > "$dir/files/config"
	expect "a job names the files where the lab has them" 0 'url: "https://lab/here/bzImage"' \
		env ARTIFACTS_URL=https://lab/here/ bash -c \
		"'$TOP/scripts/artifacts.py' rust '$dir/files' /there && cat '$dir/files/lava-job.yaml'"
	expect "and otherwise on this machine" 0 'url: "file:///there/modules.tar.xz"' bash -c \
		"'$TOP/scripts/artifacts.py' rust '$dir/files' /there && cat '$dir/files/lava-job.yaml'"
}

test_tools()
{
	expect "gdb asks for debug information" 1 'rust has no debug information; the flavour symbols has' \
		"$TOP/scripts/gdb.sh" rust
	expect "kunit.py is refused where it cannot run" 1 'requires an x86_64 host' \
		env ARCH=arm "$TOP/scripts/kunit.sh"
	expect "kunit.py finds each configuration that kunit.sh names" 0 CONFIG_INODE_KUNIT_TEST=y \
		bash -o pipefail -c "grep -o 'kunitconfig=[^ ]*' '$TOP/scripts/kunit.sh' | cut -d = -f 2 |
			xargs -I @ cat '$BUILD/linux/@/.kunitconfig'"
	expect "results that cannot be written are refused before the guests boot" 2 \
		'/absent/r.xml: No such file or directory' "$TOP/scripts/test.py" rust --junit /absent/r.xml
	expect "results are written as JUnit XML and JSON" 0 '^OK' "$TOP/scripts/junit_test.py"
	expect "differences of a fuzzer are found and minimised" 0 '^OK' "$TOP/scripts/fuzz_test.py"
	expect "a number of cases that is none is refused" 2 "'x' is not a positive number" \
		"$TOP/scripts/fuzz.py" rust --cases x
	expect "a sequence that does not start at a block is refused" 2 "'7:8' is not FIRST:CASE" \
		"$TOP/scripts/fuzz.py" rust --replay 7:8
	expect "failures of the FUSE fuzzer are reported" 0 '^OK' "$TOP/scripts/fuse_fuzz_test.py"
	expect "a number of FUSE cases that is none is refused" 2 "'x' is not a positive number" \
		"$TOP/scripts/fuse_fuzz.py" rust --cases x
	expect "a feature that a kernel has lost is noticed" 0 '^OK' "$TOP/scripts/skips_test.py"
	expect "lines that ran are told from others" 0 '^OK' "$TOP/scripts/coverage_test.py"
	expect "a check of a patch is repeated only with other tools" 0 '^OK' "$TOP/scripts/patches_test.py"
	expect "models and their guards are checked" 0 '^OK' "$TOP/scripts/prove_test.py"
	expect "torture.py notices what did not happen" 0 '^OK' "$TOP/scripts/torture_test.py"
	expect "a torture without a duration is refused" 2 'the duration is not positive' \
		"$TOP/scripts/torture.py" --minutes 0
	expect "mutants are made, dropped and judged" 0 '^OK' "$TOP/scripts/mutants_test.py"
	expect "an unknown file has no mutants" 1 "no file of the series matches .none.rs" \
		"$TOP/scripts/mutants.py" --files none.rs
}

test_all()
{
	test_items
	test_unsafe
	test_docs
	test_lava
	test_tools
	test_configuration
	test_boots
	test_reports
	test_torture
	test_arguments
	test_builds
	test_hosts
	test_kdir
	test_mirror
	test_base
	test_setup
	test_remains
	test_disk
	test_tree
}

# The number of tests is only known here, but TAP allows the plan at the end.
test_all > "$WORK/results"
printf 'TAP version 13\n1..%d\n' "$count"
cat "$WORK/results"
exit "$((failed > 0))"
