#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run fhandle-uring of samples/vfs: its results, and what it does about errors.

# shellcheck source-path=SCRIPTDIR source=samples.sh
. "$(dirname "$0")/samples.sh"

uring_help_and_wrong_usage()
{
	expect 0 fhandle-uring --help && has "$out" "^usage: " && is "$err" "" || return
	expect 2 fhandle-uring && is "$out" "" && has "$err" "^usage: " || return
	expect 2 fhandle-uring --wrong && is "$out" ""
}

uring_goes_on_after_a_bad_path()
{
	echo one > "$dir/one"
	echo two > "$dir/two"
	expect 1 fhandle-uring "$dir/missing" "$dir/one" /proc/version "$dir" "$dir/two" || return
	is "$(echo "$out" | sed -n 's/.*handle: //p' | xargs)" "one two" || return
	for path in "$dir/missing" /proc/version "$dir"; do
		has "$err" "^fhandle-uring: $path: " || return
	done
	is "$(echo "$err" | wc -l)" 3 || return
	expect 0 fhandle-uring "$dir/one" "$dir/two"
}

uring_reads_from_several_mounts()
{
	mkdir -p "$dir/export"
	mount -t tmpfs none "$dir/export" || return
	echo elsewhere > "$dir/export/file"
	echo here > "$dir/one"
	run fhandle-uring "$dir/one" "$dir/export/file" "$dir/one"
	umount "$dir/export"
	is "$status" 0 || return
	is "$(echo "$out" | sed -n 's/.*handle: //p' | xargs)" "here elsewhere here"
}

uring_does_not_block_on_a_fifo()
{
	rm -f "$dir/fifo"
	mkfifo "$dir/fifo"
	echo one > "$dir/one"
	expect 0 fhandle-uring "$dir/fifo" "$dir/one" || return
	has "$out" "one: .* handle: one\$"
}

uring()
{
	fhandle-uring / > /dev/null 2>&1
	[ $? -ne 5 ] || echo "requires IORING_OP_OPEN_BY_HANDLE_AT"
}
root_and_uring() { root | grep . || uring; }

PROGRAMS="fhandle fhandle-uring"
CASES="
nothing	uring_help_and_wrong_usage
root_and_uring	uring_goes_on_after_a_bad_path
root_and_uring	uring_reads_from_several_mounts
root_and_uring	uring_does_not_block_on_a_fifo
"
run_cases
