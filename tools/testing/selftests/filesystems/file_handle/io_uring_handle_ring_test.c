// SPDX-License-Identifier: GPL-2.0
/*
 * Requests for file handles that need no privileges: unused fields, direct
 * descriptors, and completions that overflow.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <stddef.h>
#include <sys/resource.h>

#include "ring_fixture.h"

/* A descriptor that is not open. */
#define BAD_FD		900

/* Eight times the size of the completion queue. */
#define OVERFLOW_NR	32

struct field {
	const char *name;
	size_t offset;
	size_t size;
};

/* A good request with one byte of an unused field set. */
static int run_with_byte(struct ring *ring, unsigned int opcode, int pidfd,
			 const struct handle *fh, size_t offset)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe_good(sqe, opcode, pidfd, fh);
	((__u8 *)sqe)[offset] = 1;
	return run_and_close(ring, opcode);
}

static void check_fields(struct __test_metadata *const _metadata,
			 struct ring *ring, unsigned int opcode, int pidfd,
			 const struct handle *fh, const struct field *fields,
			 unsigned int nr)
{
	unsigned int i, byte;
	int ret;

	for (i = 0; i < nr; i++) {
		for (byte = 0; byte < fields[i].size; byte++) {
			ret = run_with_byte(ring, opcode, pidfd, fh,
					    fields[i].offset + byte);
			EXPECT_EQ(ret, -EINVAL)
				TH_LOG("byte %u of %s", byte, fields[i].name);
		}
	}
	/* Without that byte, the request succeeds. */
	EXPECT_EQ(run_good(ring, opcode, pidfd, fh, 0), 0);
	EXPECT_EQ(run_good(ring, opcode, pidfd, fh, IOSQE_ASYNC), 0);
}

TEST_F(request, unused_fields_of_name_are_zero)
{
	static const struct field fields[] = {
		{ "ioprio",	offsetof(struct io_uring_sqe, ioprio),	2 },
		{ "len",	offsetof(struct io_uring_sqe, len),	4 },
		{ "buf_index",	offsetof(struct io_uring_sqe, buf_index), 2 },
		{ "file_index",	offsetof(struct io_uring_sqe, file_index), 4 },
		{ "__pad2",	offsetof(struct io_uring_sqe, __pad2),	8 },
	};

	check_fields(_metadata, &self->ring, IORING_OP_NAME_TO_HANDLE_AT,
		     self->pidfd, &self->fh, fields, ARRAY_SIZE(fields));
}

TEST_F(request, unused_fields_of_open_are_zero)
{
	static const struct field fields[] = {
		{ "ioprio",	offsetof(struct io_uring_sqe, ioprio),	2 },
		{ "addr2",	offsetof(struct io_uring_sqe, addr2),	8 },
		{ "len",	offsetof(struct io_uring_sqe, len),	4 },
		{ "buf_index",	offsetof(struct io_uring_sqe, buf_index), 2 },
		{ "addr3",	offsetof(struct io_uring_sqe, addr3),	8 },
		{ "__pad2",	offsetof(struct io_uring_sqe, __pad2),	8 },
	};

	check_fields(_metadata, &self->ring, IORING_OP_OPEN_BY_HANDLE_AT,
		     self->pidfd, &self->fh, fields, ARRAY_SIZE(fields));
}

TEST_F(request, buffer_selection_is_refused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(handle_opcodes); i++)
		EXPECT_EQ(run_good(&self->ring, handle_opcodes[i], self->pidfd,
				   &self->fh, IOSQE_BUFFER_SELECT),
			  -EOPNOTSUPP);
}

TEST_F(request, iopoll_is_refused)
{
	struct ring ring;
	unsigned int i;

	ASSERT_EQ(ring_init(&ring, IORING_SETUP_IOPOLL), 0);
	for (i = 0; i < ARRAY_SIZE(handle_opcodes); i++)
		EXPECT_EQ(run_good(&ring, handle_opcodes[i], self->pidfd, &self->fh,
				   0), -EINVAL);
	ring_exit(&ring);
}

TEST_F(request, opcodes_and_field_names)
{
	EXPECT_EQ(offsetof(struct io_uring_sqe, name_to_handle_flags),
		  offsetof(struct io_uring_sqe, open_flags));
	EXPECT_EQ(IORING_OP_NAME_TO_HANDLE_AT, IORING_OP_URING_CMD128 + 1);
	EXPECT_EQ(IORING_OP_OPEN_BY_HANDLE_AT, IORING_OP_URING_CMD128 + 2);
}

/* IORING_OP_OPENAT has the same results. */
TEST_F(request, direct_descriptor_needs_a_slot)
{
	const struct {
		unsigned int slots;
		unsigned int flags;
		unsigned int index;
		int want;
	} cases[] = {
		{ 0, O_RDONLY,	1,			-ENXIO },
		{ 0, O_RDONLY,	7,			-ENXIO },
		{ 0, O_RDONLY,	IORING_FILE_INDEX_ALLOC, -ENFILE },
		{ 0, O_CLOEXEC,	1,			-EINVAL },
		{ 2, O_RDONLY,	3,			-EINVAL },
		{ 2, O_RDONLY,	0xfffffffe,		-EINVAL },
		{ 2, O_CLOEXEC,	1,			-EINVAL },
		{ 2, O_CLOEXEC,	IORING_FILE_INDEX_ALLOC, -EINVAL },
		{ 2, O_RDONLY,	2,			0 },
		{ 2, O_RDONLY,	2,			0 },
		{ 2, O_RDONLY,	IORING_FILE_INDEX_ALLOC, 0 },
		{ 2, O_RDONLY,	IORING_FILE_INDEX_ALLOC, -ENFILE },
	};
	struct ring openat, *ring = &self->ring;
	unsigned int i, j;

	for (j = 0; j < ARRAY_SIZE(request_flags); j++) {
		ring_exit(ring);
		ASSERT_EQ(ring_init(ring, 0), 0);
		ASSERT_EQ(ring_init(&openat, 0), 0);
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			if (i && cases[i].slots != cases[i - 1].slots) {
				ASSERT_EQ(ring_make_table(ring, 2), 0);
				ASSERT_EQ(ring_make_table(&openat, 2), 0);
			}
			EXPECT_EQ(ring_open_direct(ring, FD_PIDFS_ROOT,
						   &self->fh, cases[i].flags,
						   request_flags[j],
						   cases[i].index),
				  cases[i].want)
				TH_LOG("case %u, SQE flags %#x", i,
				       request_flags[j]);
			EXPECT_EQ(ring_openat(&openat, "/", cases[i].flags,
					      cases[i].index), cases[i].want)
				TH_LOG("case %u of openat", i);
		}
		ring_exit(&openat);
	}
}

TEST_F(request, direct_descriptor_returns_the_slot)
{
	struct ring *ring = &self->ring;
	unsigned int i;

	ASSERT_EQ(ring_make_table(ring, 3), 0);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(ring_open_direct(ring, FD_PIDFS_ROOT, &self->fh,
					   O_RDONLY, 0,
					   IORING_FILE_INDEX_ALLOC), (int)i);
		EXPECT_TRUE(ring_holds(ring, i, self->pidfd));
	}
	EXPECT_EQ(ring_close_direct(ring, 2), 0);
	EXPECT_FALSE(ring_holds(ring, 1, self->pidfd));
	EXPECT_EQ(ring_open_direct(ring, FD_PIDFS_ROOT, &self->fh, O_RDONLY,
				   IOSQE_ASYNC, IORING_FILE_INDEX_ALLOC), 1);
	EXPECT_EQ(ring_close_direct(ring, 1), 0);
	EXPECT_EQ(ring_open_direct(ring, FD_PIDFS_ROOT, &self->fh, O_RDONLY,
				   0, 1), 0);
	EXPECT_TRUE(ring_holds(ring, 0, self->pidfd));
}

TEST_F(request, direct_descriptor_needs_no_file_descriptor)
{
	struct rlimit limit, none;

	ASSERT_EQ(ring_make_table(&self->ring, 1), 0);
	ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	EXPECT_EQ(ring_open(&self->ring, FD_PIDFS_ROOT, &self->fh, O_RDONLY,
			    0), -EMFILE);
	EXPECT_EQ(ring_open_direct(&self->ring, FD_PIDFS_ROOT, &self->fh,
				   O_RDONLY, 0, 1), 0);
	EXPECT_EQ(ring_open_direct(&self->ring, FD_PIDFS_ROOT, &self->fh,
				   O_RDONLY, IOSQE_ASYNC, 1), 0);
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	EXPECT_TRUE(ring_holds(&self->ring, 0, self->pidfd));
	EXPECT_EQ(count_fds(), self->nr_fds);
}

/* Moves @fd into a slot, so that only the table holds the file. */
static int move_to_slot(struct ring *ring, unsigned int slot, int fd)
{
	struct io_uring_files_update update = {
		.offset	= slot,
		.fds	= ptr_to_u64(&fd),
	};
	int ret = ring_register(ring, IORING_REGISTER_FILES_UPDATE, &update, 1);

	close(fd);
	return ret == 1 ? 0 : -EIO;
}

/* One end of a pipe reports when the other is no longer in the table. */
TEST_F(request, file_in_the_slot_is_replaced)
{
	struct ring *ring = &self->ring;
	struct handle stale = self->fh;
	unsigned int i;
	int ends[2];
	char byte;

	handle_set_number(&stale, UINT64_MAX);
	ASSERT_EQ(ring_make_table(ring, 1), 0);
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
		ASSERT_EQ(move_to_slot(ring, 0, ends[1]), 0);

		/* A failed request does not change the slot. */
		EXPECT_EQ(ring_open_direct(ring, FD_PIDFS_ROOT, &stale,
					   O_RDONLY, request_flags[i], 1),
			  -ESTALE);
		EXPECT_EQ(ring_open_direct(ring, FD_PIDFS_ROOT, &self->fh,
					   O_RDONLY, request_flags[i],
					   IORING_FILE_INDEX_ALLOC), -ENFILE);
		EXPECT_EQ(read(ends[0], &byte, 1), -1);
		EXPECT_EQ(errno, EAGAIN);

		EXPECT_EQ(ring_open_direct(ring, FD_PIDFS_ROOT, &self->fh,
					   O_RDONLY, request_flags[i], 1), 0);
		ASSERT_EQ(fcntl(ends[0], F_SETFL, 0), 0);
		EXPECT_EQ(read(ends[0], &byte, 1), 0);
		EXPECT_TRUE(ring_holds(ring, 0, self->pidfd));
		close(ends[0]);
	}
}

/* Completions that do not fit into the queue are not lost. */
TEST_F(request, completions_overflow)
{
	int results[OVERFLOW_NR];
	struct ring ring;
	unsigned int i;

	ASSERT_EQ(ring_init_sized(&ring, 4, 4, 0), 0);
	for (i = 0; i < OVERFLOW_NR; i++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);

		sqe_good(sqe, handle_opcodes[i % 2], self->pidfd, &self->fh);
		sqe->user_data = i;
		ASSERT_EQ(ring_submit(&ring), 1);
	}
	EXPECT_EQ(ring_ready(&ring), 4U);
	EXPECT_NE(*ring.sq_flags & IORING_SQ_CQ_OVERFLOW, 0U);
	ASSERT_TRUE(ring_results(&ring, results, OVERFLOW_NR));
	EXPECT_EQ(*ring.cq_overflow, 0U);
	for (i = 0; i < OVERFLOW_NR; i++) {
		if (handle_opcodes[i % 2] == IORING_OP_NAME_TO_HANDLE_AT) {
			EXPECT_EQ(results[i], 0);
			continue;
		}
		EXPECT_TRUE(same_file(results[i], self->pidfd));
		EXPECT_EQ(close(results[i]), 0);
	}
	ring_exit(&ring);
}

/* The kernel supports both requests or none, and reports that. */
TEST(probe_reports_both_opcodes)
{
	enum probed probed = probe_op(IORING_OP_OPEN_BY_HANDLE_AT);
	struct handle fh = { .bytes = HANDLE_MAX };
	struct ring ring;
	unsigned int i;
	int want;

	if (probed == PROBED_NO_RING)
		SKIP(return, "needs CONFIG_IO_URING and permission to use io_uring");
	EXPECT_EQ(probe_op(IORING_OP_NAME_TO_HANDLE_AT), probed);
	ASSERT_EQ(ring_init(&ring, 0), 0);
	want = probed == PROBED_SUPPORTED ? -EBADF :
	       probed == PROBED_UNSUPPORTED ? -EOPNOTSUPP : -EINVAL;
	for (i = 0; i < ARRAY_SIZE(handle_opcodes); i++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);

		if (handle_opcodes[i] == IORING_OP_NAME_TO_HANDLE_AT)
			sqe_name(sqe, BAD_FD, "file", &fh, &output_id, 0);
		else
			sqe_open(sqe, BAD_FD, &fh, O_RDONLY);
		EXPECT_EQ(ring_run(&ring), want)
			TH_LOG("opcode %u, probed %d", handle_opcodes[i], probed);
	}
	ring_exit(&ring);
}

TEST_HARNESS_MAIN
