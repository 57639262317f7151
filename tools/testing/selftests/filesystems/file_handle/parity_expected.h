/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Results of the system calls of the C implementation, one for each comparison
 * of a case, in order. They require that nsfs checks all trailing words of a
 * handle. "E22" is an error number, "4000c" the
 * status flags of the opened file, in octal and without O_LARGEFILE, with a "c"
 * for FD_CLOEXEC, and "12/1" the size and the type of a handle. "x3" repeats a
 * result.
 *
 * On a kernel with FHANDLE_RUST=n, PIDFS_RUST=n and NSFS_RUST=n, this prints
 * them:
 *
 *   for program in open name user; do
 *           PARITY_RECORD=1 ./io_uring_handle_${program}_test -v system_call
 *   done | grep expected
 */
#ifndef __SELFTEST_FILE_HANDLE_PARITY_EXPECTED_H
#define __SELFTEST_FILE_HANDLE_PARITY_EXPECTED_H

static const struct {
	const char *name;	/* of the case */
	const char *results;
} parity_expected[] = {
	{ "opens_the_file_of_the_handle",
	  "0 0c 0x2 0c 0 2 2000002c 2 0 0c 0 " },
	{ "open_flags",
	  "1 2 0x8 2000 4000 10000 20000 40000 0 E20 400000 1000000 0c "
	  "4010000 10000000 E22 0x3 400000000 0x5 1 3 1x8 2001 4001 "
	  "10001 20001 40001 1 E20 400001 1000001 1c 4010001 10000000 "
	  "E22 1x3 400000001 1x5 3 2x9 2002 4002 10002 20002 40002 2 "
	  "E20 400002 1000002 2c 4010002 10000000 E22 2x3 400000002 2x5 "
	  "E20 10000000c E17 E20 E21x2 0x4 E21 0x2 E21 2000 4000 10000 "
	  "20000 E22 0 200000 400000 1000000 0c 4010000 10000000 E22 "
	  "0x3 400000000 0x5 E21x21 10000000 E22 E21x30 10000000 E22 "
	  "E21x9 410600000c 10000000c E17 604000 3 2 E22x5 202 E22x3 "
	  "4002 E22x3 2 E22x3 2000002c E22x12 3x2 E22x5 203 E22x3 4003 "
	  "E22x3 3 E22x3 2000003c E22x12 3 2 E22x5 202 E22x3 4002 E22x3 "
	  "2 E22x3 2000002c E22x16 E1x2 0x7 E1 2000 4000 10000 20000 "
	  "E22 0 E20 400000 1000000 0c 4010000 10000000 E22 0x3 "
	  "400000000 0x5 E1x16 E20 E1x4 10000000 E22 E1x25 E20 E1x4 "
	  "10000000 E22 E1x9 E20 10000000c E17 E20 " },
	{ "open_flags_of_a_file",
	  "1 10000000 4000 2002 E20 200000 E21 " },
	{ "open_flags_that_pidfs_refuses",
	  "E22x14 4002 202 2 " },
	{ "size_of_a_handle_to_open",
	  "E22x5 E116x11 0x117 E116 E22x5 E116x11 0x117 E116 E22x5 "
	  "E116x7 2x121 E116 E22x5 E116x15 0x113 E116 " },
	{ "type_of_a_handle_to_open",
	  "0x34 E116x2 E22x30 0x37 E22x30 0 E116x36 E22x30 E116x37 "
	  "E22x30 E116 0x8 " },
	{ "connectable_handle_to_open",
	  "0x4 E116 0x2 E116 0x2 E116x2 " },
	{ "connectable_handle_outside_a_bind_mount",
	  "0 E116 0 " },
	{ "pointer_to_a_handle_to_open",
	  "E14x22 0x2 E14x22 0x2 E14x18 2x2 E14x26 0x2 " },
	{ "mount_to_open_at",
	  "E9x4 E116 0 E116x2 0 E9x4 E116 0 E116x2 0 E9x4 E116x2 2 "
	  "E116x2 E9x4 E116x3 0 E116 0 " },
	{ "order_of_the_checks_of_open",
	  "E22x4 E9 E22 E14 E22 E9 E22 E14 E22 " },
	{ "no_file_descriptor_is_free",
	  "E24 E116 E24 E116 E24 E116 E24 E116 E24 E21 " },
	{ "handle_of_a_process_that_has_exited",
	  "2 E116x2 " },
	{ "handle_of_a_freed_namespace",
	  "0 E116 " },
	{ "handle_of_an_unlinked_file",
	  "2x2 E116 " },
	{ "names",
	  "12/1x22 E2x2 12/1x2 E40x4 E2x2 12/1x2 E2x6 E20x4 E95x2 "
	  "12/129x2 16/241x2 E14x4 " },
	{ "long_names",
	  "E2 E36 12/1 E36 " },
	{ "names_in_bad_memory",
	  "E14x3 12/1 " },
	{ "directory_of_a_name",
	  "12/1x2 E2 12/1 E20 12/1x2 E2 12/1 E2 8/254x2 E2 12/1 E20 "
	  "16/241x2 E2 12/1 E20 12/1 E20x3 12/1 E9x2 12/1 E9x3 " },
	{ "name_flags",
	  "12/1x3 E2x4 12/1x3 E2x4 12/1x5 8/254 16/241 12/1x5 8/254 "
	  "16/241 12/1x3 E2x4 12/1x3 E2x4 12/1x5 8/254 16/241 12/1x5 "
	  "8/254 16/241 12/1x3 E2x4 12/1x3 E2x4 12/1x5 8/254 16/241 "
	  "12/1x5 8/254 16/241 12/1x3 E2x4 12/1x3 E2x4 12/1x5 8/254 "
	  "16/241 12/1x5 8/254 16/241 E95x3 E2x4 E95x3 E2x4 E22x42 "
	  "E95x3 E2x4 E95x3 E2x4 E22x123 E95 E22x2 " },
	{ "width_of_the_mount_id",
	  "12/1x4 " },
	{ "announced_size",
	  "E22x4 E75x12 12/1x117 E75 E22x4 E75x12 12/1x117 E75 E22x4 "
	  "E75x8 8/254x121 E75 E22x4 E75x16 16/241x113 E75 " },
	{ "pointer_to_a_handle_to_write",
	  "E14x23 0 E75 " },
	{ "pointer_to_the_mount_id",
	  "E14x6 12/1x5 E14x10 12/1 E14 " },
	{ "order_of_the_checks_of_name",
	  "E22x2 E14 E36 E2 E9 E2 E20 E95x2 E14 E2 E95 E22 " },
	{ "may_not_open_a_file_of_a_tmpfs",
	  "E1x3 E22 E1x2 " },
	{ "may_open_pidfds_and_namespaces",
	  "2 2000002c E22 0 0c " },
	{ "may_name_files_that_it_can_reach",
	  "12/1 E13x3 " },
};

#endif /* __SELFTEST_FILE_HANDLE_PARITY_EXPECTED_H */
