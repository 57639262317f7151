#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Check the tests of the fixes in C: each case below must fail on the unmodified base
# and before its fix, and pass from its fix on.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# Subject of the commit|selftest in filesystems|cases, in the order of
# the series. A fix without a test, such as that of a race, is not listed.
FIXES=(
"nsfs: check all trailing words of a file handle|file_handle/nsfs_handle_test|tail_of_zeroes_decodes tail_that_is_not_zero_is_stale"
"nsfs: make the info of NS_MNT_GET_NEXT and NS_MNT_GET_PREV optional|nsfs/ioctl_mntns_test|next_without_info previous_without_info"
"fhandle: do not warn about a connectable handle of a disconnected dentry|file_handle/name_to_handle_test|connectable_handle_is_refused_without_a_warning user_cannot_make_the_kernel_warn"
"fhandle: do not report an interrupted decode as ESTALE|file_handle/decode_error_test|interrupted_decode_is_not_stale"
"pidfs: do not decode the handle of a pid without a task|file_handle/pidfs_handle_stress_test|clone_that_fails_is_not_found"
)

RESULTS=$BUILD/results/fixes
wrong=0

commit_of()
{
	git -C "$LINUX" log --format='%H %s' base..series |
		awk -v subject="$1" 'substr($0, 42) == subject { print $1 }' | grep . ||
		die "the series has no commit '$1'"
}

# A line "case PROGRAM CASE STATUS" for each case.
job()
{
	local fix program cases case
	printf '%s\n' '#!/bin/sh' 'cd /selftests/filesystems || exit'
	for fix in "${FIXES[@]}"; do
		IFS='|' read -r _ program cases <<< "$fix"
		for case in $cases; do
			echo "./$program -t $case > /tmp/log; status=\$?; cat /tmp/log"
			echo "! grep -q '# SKIP' /tmp/log || status=skip"
			echo "echo case $program $case \$status"
		done
	done
	echo exit 0
}

# boot DIRECTORY FIXED: boot a kernel. If it lacks a fix, it may print a warning.
boot()
{
	local rc=0
	mkdir -p "$1"
	job > "$1/job.sh"
	"$TOP/scripts/boot.sh" base/c "$1" 300 "$1/job.sh" 2> "$1/boot.log" || rc=$?
	[ "$rc" -eq 126 ] && [ "$2" -lt ${#FIXES[@]} ] && rc=0
	[ "$rc" -eq 0 ] || { cat "$1/boot.log" >&2; die "boot ended with $rc (logs: ${1#"$TOP"/})"; }
}

# check STATE FIXED: build and boot COMMIT or the base, with the first FIXED fixes.
check()
{
	local number program cases case status expected
	"$TOP/scripts/build.sh" base/c
	boot "$RESULTS/$2" "$2"
	say "$1:"
	for number in "${!FIXES[@]}"; do
		IFS='|' read -r _ program cases <<< "${FIXES[number]}"
		[ "$number" -lt "$2" ] && expected=0 || expected=1
		for case in $cases; do
			status=$(sed -n "s|^case $program $case \([a-z0-9]*\).*|\1|p" "$RESULTS/$2/job.log")
			report "$program $case" "$status" "$expected"
		done
	done
}

report()
{
	local verdict=ok
	[ "$2" = "$3" ] || { verdict=FAIL; wrong=$((wrong + 1)); }
	case $2 in
	0) say "$verdict $1 passes" ;;
	1) say "$verdict $1 fails" ;;
	skip) say "$verdict $1 is skipped" ;;
	*) say "$verdict $1 ends with '$2'" ;;
	esac
}

check "unmodified base" 0
for number in "${!FIXES[@]}"; do
	subject=${FIXES[number]%%|*}
	COMMIT=$(commit_of "$subject")
	export COMMIT
	check "with \"$subject\"" $((number + 1))
done
[ "$wrong" -eq 0 ] || die "$wrong results are not as expected (logs: ${RESULTS#"$TOP"/})"
