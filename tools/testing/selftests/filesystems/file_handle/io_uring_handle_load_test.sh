#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run handle-load of samples/vfs: what it reports, and which errors it detects.
#
#   io_uring_handle_load_test.sh [DIRECTORY...]
#
# The load runs in each DIRECTORY. Without one, it runs on a tmpfs, and on new
# filesystems of the kinds that the kernel and the programs of this machine
# support. These are made in files on a tmpfs of 500 MB.
#
# FS_OPENS is the number of warm files that are opened in each directory, and
# FS_FILES the number of files.

# shellcheck source-path=SCRIPTDIR source=samples.sh
. "$(dirname "$0")/samples.sh"

limit=120
opens=${FS_OPENS:-10000}
requests=$((opens / 5))
files=${FS_FILES:-500}
load="handle-load --files $files --requests $requests --threads 2 --clients 8 --json"

endless="handle-load --requests 100000000"

# field NAME: the values of a field, one for each way
field() { echo "$out" | sed -n "s/.*\"$1\": \"\{0,1\}\([^,\"}]*\).*/\1/p" | xargs; }

# Run a function for each directory, which must be empty afterwards.
in_each_directory()
{
	for directory in $directories; do
		before=$(ls -A "$directory")
		"$1" "$directory" || { echo "# in $directory"; return 1; }
		is "$(ls -A "$directory")" "$before" || return
	done
}

# start COMMAND...: run in the background until the tree of files is there. Sets tree.
start()
{
	# A case that failed may have left its files.
	[ -z "$service" ] || kill -KILL "$service"
	rm -rf "$dir/out" "$dir"/handle-load.*
	"$@" > "$dir/out" 2> "$dir/err" &
	service=$!
	eventually grep -q workers "$dir/out" || return
	tree=$(echo "$dir"/handle-load.*)
}

# ends STATUS
ends()
{
	eventually sh -c "! kill -0 $service" || { echo "# still running"; return 1; }
	wait "$service"
	status=$?
	service=
	err=$(cat "$dir/err")
	is "$status" "$1"
}

load_help_and_wrong_usage()
{
	expect 0 handle-load --help && has "$out" "^usage: " && is "$err" "" || return
	for arguments in "" "--wrong" "/ /" "--files 0 /" "--files -1 /" "--files 1x /" \
			 "--files 1000001 /" "--hits 101 /" "--size 0 /" "--size 17 /" \
			 "--threads 0 /" "--clients 257 /" "--requests /" "--by /" "--by x /" \
			 "--by calls,x /" "--working-set 11 --files 10 /" \
			 "--hits 99 --files 1 /" "--requests 1 --threads 2 /"; do
		# shellcheck disable=SC2086 # several arguments
		expect 2 handle-load $arguments || return
		is "$out" "" && has "$err" "^handle-load: " || return
	done
	expect 1 handle-load --by calls "$dir/missing" && has "$err" "$dir/missing: "
}

load_names_the_missing_privilege()
{
	unprivileged=
	[ -z "$PRIVATE_MOUNTS" ] || unprivileged="unshare -U"
	# shellcheck disable=SC2086 # a command, or nothing
	expect 4 $unprivileged handle-load --by calls "$dir" || return
	is "$out" "" && has "$err" "^handle-load: $dir: .*CAP_DAC_READ_SEARCH" || return
	is "$(find "$dir" -name 'handle-load.*')" ""
}

load_reports_filesystems_without_handles()
{
	expect 5 handle-load --by calls /proc || return
	has "$err" "^handle-load: /proc: .*\(EOPNOTSUPP\)\$"
}

# The second ring exceeds the limit.
load_reports_a_ring_that_it_cannot_create()
{
	expect 1 sh -c "ulimit -n 5; exec $load --by ring $tmpfs" || return
	has "$err" "^handle-load: io_uring_setup: .*\(EMFILE\)\$" || return
	is "$(ls "$tmpfs")" ""
}

load_refuses_cold_files_on_tmpfs()
{
	expect 2 handle-load --by calls --hits 50 "$tmpfs" && has "$err" "$tmpfs: .* no cold files"
}

load_by_system_calls()
{
	# shellcheck disable=SC2086 # a command
	expect 0 $load --by calls "$1" || return
	is "$(field by) $(field requests) $(field workers)" "calls $requests 0"
}
load_runs_by_system_calls() { in_each_directory load_by_system_calls; }

load_by_each_way()
{
	for stat in "" --stat; do
		# shellcheck disable=SC2086 # a command
		expect 0 $load $stat "$1" || return
		is "$(field by)" "calls ring async" || return
		is "$(field requests)" "$requests $requests $requests" || return
		is "$(field warm)" "$requests $requests $requests" || return
		is "$(field cold)" "0 0 0" || return
		inline=$(field warm_inline)
		[ "${inline%% *} ${inline##* }" = "0 0" ] ||
			{ echo "# a system call or a worker was inline: $inline"; return 1; }
		workers=$(field workers)
		is "${workers%% *}" 0 || return
		[ "${workers##* }" -gt 0 ] ||
			{ echo "# IOSQE_ASYNC did not create a worker"; return 1; }
	done
}
load_runs_by_each_way() { in_each_directory load_by_each_way; }

load_with_cold_files()
{
	[ "$1" != "$tmpfs" ] || return 0
	# shellcheck disable=SC2086 # a command
	expect 0 $load --hits 50 --working-set $((files / 5)) "$1" || return
	is "$(field requests)" "$requests $requests $requests" || return
	for cold in $(field cold); do
		[ $((cold * 10)) -gt $((requests * 3)) ] &&
			[ $((cold * 10)) -lt $((requests * 7)) ] && continue
		echo "# $cold of $requests requests for cold files"
		return 1
	done
	# A file is cold if its inode is not in memory: then it is not opened inline.
	is "$(field cold_inline)" "0 0 0"
}
# A worker may be needed: a file of tmpfs can be missed while another inode leaves its
# chain of the hash table, and disks drop inodes and read blocks.
load_with_warm_files()
{
	# shellcheck disable=SC2086 # a command
	expect 0 $load --requests "$opens" --by ring "$1" || return
	is "$(field warm)" "$opens" || return
	inline=$(field warm_inline)
	percent=95
	[ "$1" != "$tmpfs" ] || percent=99
	[ $((inline * 100)) -ge $((opens * percent)) ] ||
		{ echo "# only $inline of $opens warm files were opened inline"; return 1; }
	[ "$1" != "$tmpfs" ] || [ "$inline" != "$opens" ] || is "$(field workers)" 0
}
load_opens_warm_files_inline() { in_each_directory load_with_warm_files; }

load_opens_cold_files() { in_each_directory load_with_cold_files; }

load_prints_a_table()
{
	expect 0 handle-load --files 100 --requests 400 "$tmpfs" || return
	has "$out" "^100 files of 4096 bytes on tmpfs, " || return
	for way in calls ring async; do
		has "$out" "^$way  *[0-9]+  *[0-9.]+  *[0-9.]+ .* [0-9]+\$" || return
	done
}

stopped() { ! grep -L "^State:[[:space:]]*T" /proc/"$service"/task/*/status | grep -q .; }

# between_requests COMMAND...: run while the service is stopped. A read that runs
# at the same time as truncate() may find zeros instead of the end of the file.
between_requests()
{
	kill -STOP "$service"
	eventually stopped || { echo "# does not stop"; return 1; }
	"$@"
	kill -CONT "$service"
}

copy() { dd if="$1" of="$2" bs=16 count=1 conv=notrunc 2> /dev/null; }

load_detects_the_content_of_another_file()
{
	for way in $ways; do
		# shellcheck disable=SC2086 # a command
		start $endless --files 10 --size 16 --by "$way" "$dir" || return
		between_requests copy "$tree/0/3" "$tree/0/4" || return
		ends 1 && has "$err" "file 4: .* belongs to file 3\$" || return
		[ ! -e "$tree" ] || return
	done
}

load_detects_other_content()
{
	for way in $ways; do
		# shellcheck disable=SC2086 # a command
		start $endless --files 10 --by "$way" "$dir" || return
		between_requests copy /dev/zero "$tree/0/7" || return
		ends 1 && has "$err" "file 7: .* belongs to no file\$" || return
	done
}

load_detects_a_short_file()
{
	for way in $ways; do
		# shellcheck disable=SC2086 # a command
		start $endless --files 10 --by "$way" "$dir" || return
		between_requests truncate -s 100 "$tree/0/5" || return
		ends 1 && has "$err" "^handle-load: file 5: short read" || return
	done
}

load_detects_a_removed_file()
{
	for way in $ways; do
		# shellcheck disable=SC2086 # a command
		start $endless --files 10 --by "$way" "$dir" || return
		rm "$tree/0/9"
		ends 1 && has "$err" "^handle-load: file 9: .*\(ESTALE\)\$" || return
	done
}

load_removes_its_files_after_a_signal()
{
	for way in $ways; do
		# shellcheck disable=SC2086 # a command
		start $endless --files 1000 --by "$way" "$dir" || return
		kill -TERM "$service"
		ends 1 && has "$err" "^handle-load: interrupted\$" || return
		[ ! -e "$tree" ] || return
	done
}

### The directories

make_disk()
{
	truncate -s "$2" "$dir/disks/$1" && "mkfs.$1" -q "$dir/disks/$1" &&
		mkdir "$dir/on-$1" && mount -o loop -t "$1" "$dir/disks/$1" "$dir/on-$1"
}

make_disks()
{
	mkdir "$tmpfs" && mount -t tmpfs none "$tmpfs" || return
	[ -z "$directories" ] || return 0
	directories=$tmpfs
	mkdir "$dir/disks" && mount -t tmpfs -o size=500M none "$dir/disks" || return
	for disk in ext4:64M btrfs:128M xfs:320M; do
		kind=${disk%:*}
		grep -qw "$kind" /proc/filesystems || continue
		command -v "mkfs.$kind" > /dev/null || continue
		if ! make_disk "$kind" "${disk#*:}" > "$dir/mkfs" 2>&1; then
			echo "# no $kind: $(tail -n 1 "$dir/mkfs")"
			continue
		fi
		mounted="$mounted $dir/on-$kind"
		directories="$directories $dir/on-$kind"
	done
}

remove_disks()
{
	for mount in $mounted $tmpfs "$dir/disks"; do
		umount "$mount" 2> /dev/null
	done
	clean
}

uring()
{
	fhandle-uring / > /dev/null 2>&1
	[ $? -ne 5 ] || echo "requires IORING_OP_OPEN_BY_HANDLE_AT"
}
root_and_uring() { root | grep . || uring; }

# root gives up its capabilities in a user namespace.
unprivileged()
{
	[ -z "$PRIVATE_MOUNTS" ] || unshare -U true 2> /dev/null || echo "requires CONFIG_USER_NS"
}

directories=$*
mounted=
tmpfs=$dir/tmpfs
ways=calls
[ -n "$(uring)" ] || ways="calls ring async"
if [ -n "$PRIVATE_MOUNTS" ]; then
	trap remove_disks EXIT
	make_disks
fi

PROGRAMS="fhandle fhandle-uring handle-load"
CASES="
nothing	load_help_and_wrong_usage
unprivileged	load_names_the_missing_privilege
nothing	load_reports_filesystems_without_handles
root_and_uring	load_reports_a_ring_that_it_cannot_create
root	load_refuses_cold_files_on_tmpfs
root	load_runs_by_system_calls
root_and_uring	load_runs_by_each_way
root_and_uring	load_opens_warm_files_inline
root_and_uring	load_opens_cold_files
root_and_uring	load_prints_a_table
root	load_detects_the_content_of_another_file
root	load_detects_other_content
root	load_detects_a_short_file
root	load_detects_a_removed_file
root	load_removes_its_files_after_a_signal
"
run_cases
