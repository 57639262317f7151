# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Helpers of the tests that run the programs of samples/vfs. The script that
# sources this file sets PROGRAMS and CASES and defines the cases. CASES has a
# line for each case: a function that prints why to skip it, and its name.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/../../kselftest/ktap_helpers.sh"

# The mounts of the tests are visible to no other process.
if [ -z "$PRIVATE_MOUNTS" ] && unshare -m true 2> /dev/null; then
	PRIVATE_MOUNTS=1 unshare -m "$0" "$@"
	exit
fi

PATH=$here:$PATH
dir=$(mktemp -d)
service=

clean()
{
	# A service outlives a case that fails.
	[ -z "$service" ] || kill -KILL "$service" 2> /dev/null
	umount "$dir/export" "$dir/cgroup" 2> /dev/null
	rm -rf "$dir"
}
trap clean EXIT

# Run a command that must not block for longer than $limit seconds. Sets out, err and
# status.
run()
{
	out=$(timeout "${limit:-20}" "$@" 2> "$dir/err")
	status=$?
	err=$(cat "$dir/err")
}

# expect STATUS COMMAND...
expect()
{
	want=$1
	shift
	run "$@"
	[ "$status" -eq "$want" ] && return
	echo "# $*: exit status $status instead of $want: $out $err"
	return 1
}

# is WHAT WANT
is()
{
	[ "$1" = "$2" ] && return
	echo "# got '$1' instead of '$2'"
	return 1
}

# has TEXT PATTERN
has()
{
	echo "$1" | grep -qE -- "$2" && return
	echo "# no '$2' in '$1'"
	return 1
}

# Wait until a command succeeds.
eventually()
{
	tries=0
	until "$@" > /dev/null 2>&1; do
		[ $((tries += 1)) -le 100 ] || return 1
		sleep 0.1
	done
}

handle_of() { fhandle encode "$@" | sed -n 's/^handle //p'; }

nothing() { :; }
root() { [ -n "$PRIVATE_MOUNTS" ] || echo "requires root"; }

run_cases()
{
	ktap_print_header
	for program in $PROGRAMS; do
		if ! command -v "$program" > /dev/null; then
			ktap_skip_all "requires $program of samples/vfs"
			exit "$KSFT_SKIP"
		fi
	done
	if ! fhandle open "$(handle_of pid:$$)" > /dev/null 2>&1 ||
	   ! fhandle open "$(handle_of ns:uts)" > /dev/null 2>&1; then
		ktap_skip_all "requires FD_PIDFS_ROOT and FD_NSFS_ROOT"
		exit "$KSFT_SKIP"
	fi

	# shellcheck disable=SC2086 # a pair of words for each case
	set -- $CASES
	ktap_set_plan $(($# / 2))
	while [ $# -gt 0 ]; do
		why=$($1)
		if [ -n "$why" ]; then
			__ktap_test ok "$2" "SKIP $why"
			KTAP_CNT_SKIP=$((KTAP_CNT_SKIP + 1))
		elif "$2"; then
			ktap_test_pass "$2"
		else
			ktap_test_fail "$2"
		fi
		shift 2
	done
	ktap_finished
}
