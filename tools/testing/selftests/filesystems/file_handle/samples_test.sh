#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run fhandle, service-manager and file-server of samples/vfs: their results,
# their exit statuses, and which handles they refuse.

# shellcheck source-path=SCRIPTDIR source=samples.sh
. "$(dirname "$0")/samples.sh"

alive() { kill -0 "$1" 2> /dev/null; }
pid_of() { fhandle open "$1" | sed -n 's/^pid //p'; }

# A handle that no process has: another number than that of any pid.
stale=fe:ffffffffffffff7f

### fhandle

fhandle_help_succeeds()
{
	for arguments in "--help" "-h" "encode --help" "open --help"; do
		# shellcheck disable=SC2086 # several arguments
		expect 0 fhandle $arguments || return
		has "$out" "^usage: fhandle" && is "$err" "" || return
	done
}

fhandle_wrong_usage_ends_with_2()
{
	for arguments in "" "--wrong" "close" "encode" "encode --wrong /" "encode / /" \
			 "encode pid:x" "encode pid:0" "encode ns:wrong" \
			 "encode --mount / /" "open" "open fe" "open fe:0" "open fe:0g" \
			 "open g:00" "open :00" "open 1:00" "open --no-follow $stale" \
			 "open $stale --" "open $stale --signal" \
			 "open $stale --signal SIG" "open $stale --signal 65" \
			 "open $stale --signal -1" "open $stale --signal TERMX"; do
		# shellcheck disable=SC2086 # several arguments
		expect 2 fhandle $arguments && is "$out" "" && has "$err" "^fhandle: " || return
	done
}

fhandle_follows_symlinks()
{
	echo content > "$dir/file"
	ln -s file "$dir/link"
	file=$(handle_of "$dir/file")
	is "$(handle_of "$dir/link")" "$file" || return
	link=$(handle_of --no-follow "$dir/link")
	[ -n "$link" ] && [ "$link" != "$file" ] || return
	is "$(handle_of --no-follow "$dir/file")" "$file"
}

fhandle_encodes_magic_links()
{
	expect 0 fhandle encode /proc/self/ns/net && has "$out" "^type 0xf1$" || return
	is "$(handle_of /proc/self/ns/net)" "$(handle_of ns:net)" || return
	expect 5 fhandle encode --no-follow /proc/self/ns/net
}

fhandle_errors_name_path_and_errno()
{
	expect 1 fhandle encode "$dir/missing" &&
		has "$err" "^fhandle: $dir/missing: name_to_handle_at: .* \(ENOENT\)$" || return
	expect 1 fhandle open "$stale" --mount "$dir/missing" &&
		has "$err" "^fhandle: $dir/missing: open: .* \(ENOENT\)$" || return
	expect 5 fhandle encode /proc/version &&
		has "$err" "/proc/version: .* \(EOPNOTSUPP\)$" || return
	expect 3 fhandle open "$stale" &&
		has "$err" "$stale: open_by_handle_at: .* \(ESTALE\)$"
}

fhandle_status_of_a_command_is_its_own()
{
	self=$(handle_of pid:$$)
	for code in 0 1 2 3 4 5 124; do
		expect "$code" fhandle open "$self" -- sh -c "exit $code" || return
	done
	expect 0 fhandle open "$self" -- \
		sh -c "[ \$FHANDLE_FD = 3 ] && [ -e /proc/self/fd/3 ]" || return
	expect 125 fhandle open "$stale" -- true || return
	expect 125 fhandle open wrong -- true || return
	expect 125 fhandle open "$self" --wrong -- true || return
	touch "$dir/data"
	expect 126 fhandle open "$self" -- "$dir/data" || return
	expect 127 fhandle open "$self" -- "$dir/missing" && has "$err" "$dir/missing: .*\(ENOENT\)"
}

fhandle_signals_by_name_and_number()
{
	for signal in TERM SIGTERM term 15 KILL 9; do
		sleep 1000 &
		child=$!
		handle=$(handle_of pid:$child)
		expect 0 fhandle open "$handle" --signal 0 && alive "$child" || return
		expect 0 fhandle open "$handle" --signal "$signal" || return
		wait "$child"
		case $?-$signal in
		143-*[Tt][Ee][Rr][Mm] | 143-15 | 137-KILL | 137-9) ;;
		*) echo "# $signal sent another signal"; return 1 ;;
		esac
		expect 3 fhandle open "$handle" --signal "$signal" || return
	done
}

fhandle_json_has_no_long_integers()
{
	expect 0 fhandle encode --json pid:$$ || return
	mount=$(fhandle encode pid:$$ | sed -n 's/^mount //p')
	handle="\"type\": 254, \"length\": 8, \"handle\": \"$(handle_of pid:$$)\""
	is "$out" "{\"mount_id\": \"$mount\", $handle}" || return
	expect 0 fhandle open --json "$(handle_of pid:$$)" || return
	has "$out" "^\{\"dev\": \"[0-9]+:[0-9]+\", \"ino\": \"[0-9]+\", \"pid\": $$\}\$"
}

fhandle_does_not_wait_for_a_writer()
{
	rm -f "$dir/fifo"
	mkfifo "$dir/fifo"
	expect 0 fhandle open "$(handle_of "$dir/fifo")" --mount "$dir" || return
	expect 0 fhandle open "$(handle_of "$dir/fifo")" --mount "$dir/fifo"
}

### service-manager

# Start a service. Sets manager and service, its pid.
start_service()
{
	[ -z "$service" ] || kill -KILL "$service" 2> /dev/null
	rm -f "$dir/state"
	service-manager start "$dir/state" "$@" > /dev/null 2>&1 &
	manager=$!
	eventually test -e "$dir/state" || return
	service=$(pid_of "$(sed -n '2s/.* //p' "$dir/state")")
	[ -n "$service" ]
}

manager_help_and_wrong_usage()
{
	expect 0 service-manager --help && has "$out" "^usage: " && is "$err" "" || return
	for arguments in "" "--wrong" "start $dir/state" "stop" "stop $dir/state now" \
			 "enter $dir/state"; do
		# shellcheck disable=SC2086 # several arguments
		expect 2 service-manager $arguments || return
		is "$out" "" && has "$err" "^usage: " || return
	done
	[ ! -e "$dir/state" ]
}

# The manager has executed itself when it waits by the handle: "resume".
manager_finds_its_service_after_exec()
{
	start_service sleep 1000 || return
	eventually grep -q resume "/proc/$manager/cmdline" || return
	eventually grep -qx sleep "/proc/$service/comm" || return
	expect 0 service-manager stop "$dir/state" || return
	wait "$manager"
	is $? 143 || return
	[ ! -e "/proc/$service" ] || return
	expect 3 service-manager stop "$dir/state" && has "$err" ESTALE
}

manager_ends_with_the_status_of_the_service()
{
	for code in 0 7; do
		expect "$code" service-manager start "$dir/state" sh -c "exit $code" || return
	done
}

manager_enters_the_namespace_of_its_service()
{
	before=$(hostname)
	start_service sh -c 'hostname of-the-service; exec sleep 1000' || return
	eventually grep -qx sleep "/proc/$service/comm" || return
	expect 0 service-manager enter "$dir/state" hostname &&
		is "$out" of-the-service || return
	is "$(hostname)" "$before" || return
	expect 9 service-manager enter "$dir/state" sh -c "exit 9" || return
	expect 0 service-manager stop "$dir/state" || return
	wait "$manager"
	expect 3 service-manager enter "$dir/state" hostname
}

# The bytes of the handle are valid, but those of another boot.
manager_refuses_handles_of_another_boot()
{
	start_service sleep 1000 || return
	cp "$dir/state" "$dir/state.good"
	sed -i '1s/.*/00000000-0000-0000-0000-000000000000/' "$dir/state"
	expect 4 service-manager stop "$dir/state" && alive "$service" || return
	expect 4 service-manager enter "$dir/state" true || return
	cp "$dir/state.good" "$dir/state"
	expect 0 service-manager stop "$dir/state"
}

manager_refuses_a_state_that_does_not_fit()
{
	start_service sleep 1000 || return
	cp "$dir/state" "$dir/state.good"
	for edit in '2s/^[0-9]*/7/' '3s/^[0-9]*/7/' '2s/:.*/:/' '2d' '3s/$/00000000/'; do
		sed "$edit" "$dir/state.good" > "$dir/state"
		case $edit in
		3s*) expect 1 service-manager enter "$dir/state" true || return ;;
		*) expect 1 service-manager stop "$dir/state" && alive "$service" || return ;;
		esac
	done
	cp "$dir/state.good" "$dir/state"
	expect 0 service-manager stop "$dir/state"
}

### file-server

# ask DIRECTORY REQUEST...: the replies of a server that has just started
ask()
{
	export=$1
	shift
	printf '%s\n' "$@" | timeout 20 file-server "$export" 2> "$dir/err"
}

# find DIRECTORY NAME...: the handle of a file
find_file()
{
	export=$1
	shift
	handle=$(ask "$export" root)
	for name; do
		handle=$(ask "$export" "lookup ${handle#ok } $name")
	done
	echo "${handle#ok }"
}

make_export()
{
	rm -rf "$dir/export"
	mkdir -p "$dir/export/sub"
	echo content > "$dir/export/sub/file"
	ln -s sub/file "$dir/export/link"
	mkfifo "$dir/export/fifo"
}

server_help_and_wrong_usage()
{
	expect 0 file-server --help && has "$out" "^usage: " && is "$err" "" || return
	for arguments in "" "--wrong" "/ /"; do
		# shellcheck disable=SC2086 # several arguments
		expect 2 file-server $arguments && is "$out" "" && has "$err" "^usage: " || return
	done
	expect 1 file-server "$dir/missing" && has "$err" "$dir/missing: "
}

# Each ask() starts a server of its own.
server_opens_by_handle_after_a_restart()
{
	make_export
	handle=$(find_file "$dir/export" sub file)
	is "$(ask "$dir/export" "read $handle" | xargs)" "ok 8 content" || return
	has "$(ask "$dir/export" "stat $handle")" "^ok file 8 [0-9]+\$" || return
	mv "$dir/export/sub/file" "$dir/export/sub/renamed"
	is "$(ask "$dir/export" "read $handle" | xargs)" "ok 8 content"
}

server_reports_removed_files_as_stale()
{
	make_export
	handle=$(find_file "$dir/export" sub file)
	rm "$dir/export/sub/file"
	is "$(ask "$dir/export" "read $handle")" "error ESTALE" || return
	echo another > "$dir/export/sub/file"
	is "$(ask "$dir/export" "read $handle")" "error ESTALE" || return
	is "$(ask "$dir/export" "read $(find_file "$dir/export" sub file)" | xargs)" "ok 8 another"
}

server_knows_its_mount_by_the_unique_id()
{
	make_export
	mount -t tmpfs none "$dir/export" || return
	mkdir "$dir/export/sub"
	echo content > "$dir/export/file"
	handle=$(find_file "$dir/export" file)
	is "$(ask "$dir/export" "read $handle" | xargs)" "ok 8 content" || return
	is "$(ask "$dir/export" "read 1${handle}")" "error ESTALE" || return

	# What is mounted below is not exported.
	root=$(find_file "$dir/export")
	mount -t tmpfs none "$dir/export/sub" || return
	is "$(ask "$dir/export" "lookup $root sub")" "error EXDEV" || return
	umount "$dir/export/sub"

	# Another mount in the same place, whose files have the same numbers.
	umount "$dir/export"
	mount -t tmpfs none "$dir/export" || return
	echo content > "$dir/export/file"
	out=$(ask "$dir/export" "read $handle" "read $root")
	umount "$dir/export"
	is "$(echo "$out" | xargs)" "error ESTALE error ESTALE"
}

server_refuses_wrong_requests()
{
	make_export
	root=$(find_file "$dir/export")
	for request in "" wrong "root x" read "read x" "read 1:x" "read $root:" "read $root x" \
		       "lookup $root" "lookup $root ..;" "lookup $root .." "lookup $root " \
		       "lookup $root sub/file" "lookup $root ../one" "lookup $root /"; do
		case $request in
		*';') want="error ENOENT" ;;
		*) want="error EINVAL" ;;
		esac
		is "$(ask "$dir/export" "$request")" "$want" || { echo "# $request"; return 1; }
	done
	is "$(ask "$dir/export" "read $root")" "error EISDIR" || return
	is "$(ask "$dir/export" "read $(find_file "$dir/export" fifo)")" "error EINVAL" || return
	link=$(find_file "$dir/export" link)
	has "$(ask "$dir/export" "stat $link")" "^ok symlink" || return
	is "$(ask "$dir/export" "read $link")" "error EINVAL" || return
	is "$(ask "$dir/export" "lookup $(find_file "$dir/export" sub file) x")" "error ENOTDIR"
}

# cgroup2 has connectable handles, and is in every kernel that has namespaces.
server_confines_clients_to_the_export()
{
	cgroup=$dir/cgroup
	mkdir "$cgroup"
	mount -t cgroup2 cgroup2 "$cgroup" || return
	a=$cgroup/samples_test_a.$$
	b=$cgroup/samples_test_b.$$
	mkdir "$a" "$b"
	inside=$(find_file "$a" cgroup.events)
	outside=$(find_file "$b" cgroup.events)
	# The types of both handles are 0x100fe. Without the flag, the kernel looks everywhere.
	forged=$(echo "$outside" | sed 's/:100fe:/:fe:/')
	out=$(ask "$a" "read $inside" "read $outside" "read $forged")
	same_mount=$(echo "$inside $outside" | sed 's/:[^ ]*//g')
	rmdir "$a" "$b"
	umount "$cgroup"
	is "${same_mount% *}" "${same_mount#* }" || return
	[ "$forged" != "$outside" ] || return
	out=$(echo "$out" | sed -n 's/^ok .*/ok/p; /^error/p' | xargs)
	is "$out" "ok error ESTALE error ESTALE"
}

cgroup2()
{
	root | grep . || grep -q cgroup2 /proc/filesystems || echo "requires cgroup2"
}

PROGRAMS="fhandle service-manager file-server"
CASES="
nothing	fhandle_help_succeeds
nothing	fhandle_wrong_usage_ends_with_2
nothing	fhandle_follows_symlinks
nothing	fhandle_encodes_magic_links
nothing	fhandle_errors_name_path_and_errno
nothing	fhandle_status_of_a_command_is_its_own
nothing	fhandle_signals_by_name_and_number
nothing	fhandle_json_has_no_long_integers
root	fhandle_does_not_wait_for_a_writer
nothing	manager_help_and_wrong_usage
root	manager_finds_its_service_after_exec
root	manager_ends_with_the_status_of_the_service
root	manager_enters_the_namespace_of_its_service
root	manager_refuses_handles_of_another_boot
root	manager_refuses_a_state_that_does_not_fit
nothing	server_help_and_wrong_usage
root	server_opens_by_handle_after_a_restart
root	server_reports_removed_files_as_stale
root	server_knows_its_mount_by_the_unique_id
root	server_refuses_wrong_requests
cgroup2	server_confines_clients_to_the_export
"
run_cases
