// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_OP_NAME_TO_HANDLE_AT and IORING_OP_OPEN_BY_HANDLE_AT as requests of
 * io_uring: what has to be zero, direct descriptors, links, when a request is
 * read and with whose credentials it is done, and what a ring does not allow.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <endian.h>
#include <linux/filter.h>
#include <linux/io_uring/bpf_filter.h>
#include <stddef.h>
#include <sys/resource.h>

#include "nsfs.h"
#include "ring.h"

/* File descriptors that nobody has. */
#define BAD_FD		900

#define CONTENT		"content"
#define GATE		"gate"

/* Eight times of what there is room for. */
#define OVERFLOW_NR	32

static const unsigned int opcodes[] = {
	IORING_OP_NAME_TO_HANDLE_AT, IORING_OP_OPEN_BY_HANDLE_AT,
};

/* Whether a request is tried at once. */
static const unsigned int sqe_flags[] = { 0, IOSQE_ASYNC };

static struct handle output;
static __u64 output_id;

static int close_result(int fd)
{
	return fd < 0 ? fd : close(fd);
}

static int ring_openat(struct ring *ring, const char *path, unsigned int flags,
		       unsigned int index)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe_openat(sqe, AT_FDCWD, path, flags);
	sqe->file_index = index;
	return ring_run(ring);
}

static int ring_name(struct ring *ring, const char *path)
{
	output.bytes = HANDLE_MAX;
	sqe_name(ring_sqe(ring), AT_FDCWD, path, &output, &output_id,
		 AT_HANDLE_MNT_ID_UNIQUE);
	return ring_run(ring);
}

/* A file descriptor of the file that is in the table of the ring. */
static int ring_install(struct ring *ring, unsigned int slot)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe->opcode = IORING_OP_FIXED_FD_INSTALL;
	sqe->fd = slot;
	sqe->flags = IOSQE_FIXED_FILE;
	return ring_run(ring);
}

static void sqe_close_direct(struct io_uring_sqe *sqe, unsigned int index)
{
	sqe->opcode = IORING_OP_CLOSE;
	sqe->file_index = index;
}

static int ring_close_direct(struct ring *ring, unsigned int index)
{
	sqe_close_direct(ring_sqe(ring), index);
	return ring_run(ring);
}

/* Whether @slot of the table holds the same file as @fd. */
static bool ring_holds(struct ring *ring, unsigned int slot, int fd)
{
	int installed = ring_install(ring, slot);
	bool ret = installed >= 0 && same_file(installed, fd);

	close_result(installed);
	return ret;
}

/* What takes no privileges. */
FIXTURE(request)
{
	struct ring ring;
	struct handle fh;
	int pidfd;
	int nr_fds;
};

FIXTURE_SETUP(request)
{
	const char *reason = missing();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(keep(sys_pidfd_open(getpid(), 0), &self->pidfd, &self->fh),
		  0);
	ASSERT_EQ(ring_init(&self->ring, 0), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(request)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
}

struct field {
	const char *name;
	size_t offset;
	size_t size;
};

static void sqe_good(struct io_uring_sqe *sqe, unsigned int opcode, int pidfd,
		     const struct handle *fh)
{
	output.bytes = HANDLE_MAX;
	if (opcode == IORING_OP_NAME_TO_HANDLE_AT)
		sqe_name(sqe, pidfd, "", &output, &output_id,
			 AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE);
	else
		sqe_open(sqe, FD_PIDFS_ROOT, fh, O_CLOEXEC);
}

/* 0 if it is done: what it opens is of no interest. */
static int run_and_close(struct ring *ring, unsigned int opcode)
{
	int ret = ring_run(ring);

	return opcode == IORING_OP_NAME_TO_HANDLE_AT ? ret : close_result(ret);
}

static int run_good(struct ring *ring, unsigned int opcode, int pidfd,
		    const struct handle *fh, unsigned int flags)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe_good(sqe, opcode, pidfd, fh);
	sqe->flags = flags;
	return run_and_close(ring, opcode);
}

/* The same where one byte is set that should not be. */
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
	/* It was for nothing else. */
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

TEST_F(request, directory_is_no_fixed_file)
{
	unsigned int i;

	ASSERT_EQ(ring_register(&self->ring, IORING_REGISTER_FILES,
				&self->pidfd, 1), 0);
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		EXPECT_EQ(run_good(&self->ring, opcodes[i], self->pidfd,
				   &self->fh, IOSQE_FIXED_FILE), -EBADF);
		EXPECT_EQ(run_good(&self->ring, opcodes[i], 0, &self->fh,
				   IOSQE_FIXED_FILE | IOSQE_ASYNC), -EBADF);
	}
}

TEST_F(request, buffers_are_not_selected)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++)
		EXPECT_EQ(run_good(&self->ring, opcodes[i], self->pidfd,
				   &self->fh, IOSQE_BUFFER_SELECT),
			  -EOPNOTSUPP);
}

TEST_F(request, nothing_is_to_be_polled_for)
{
	struct ring ring;
	unsigned int i;

	ASSERT_EQ(ring_init(&ring, IORING_SETUP_IOPOLL), 0);
	for (i = 0; i < ARRAY_SIZE(opcodes); i++)
		EXPECT_EQ(run_good(&ring, opcodes[i], self->pidfd, &self->fh,
				   0), -EINVAL);
	ring_exit(&ring);
}

TEST_F(request, numbers_and_names)
{
	EXPECT_EQ(offsetof(struct io_uring_sqe, name_to_handle_flags),
		  offsetof(struct io_uring_sqe, open_flags));
	EXPECT_EQ(IORING_OP_NAME_TO_HANDLE_AT, IORING_OP_URING_CMD128 + 1);
	EXPECT_EQ(IORING_OP_OPEN_BY_HANDLE_AT, IORING_OP_URING_CMD128 + 2);
}

/* Each result is that of IORING_OP_OPENAT. */
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

	for (j = 0; j < ARRAY_SIZE(sqe_flags); j++) {
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
						   sqe_flags[j],
						   cases[i].index),
				  cases[i].want)
				TH_LOG("case %u, SQE flags %#x", i,
				       sqe_flags[j]);
			EXPECT_EQ(ring_openat(&openat, "/", cases[i].flags,
					      cases[i].index), cases[i].want)
				TH_LOG("case %u of openat", i);
		}
		ring_exit(&openat);
	}
}

TEST_F(request, direct_descriptor_tells_the_slot)
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

TEST_F(request, direct_descriptor_is_none_of_the_process)
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

/* Move @fd into a slot: the table is the only one to hold it then. */
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

/* The one end of a pipe tells when the other is no longer in the table. */
TEST_F(request, file_in_the_slot_is_replaced)
{
	struct ring *ring = &self->ring;
	struct handle stale = self->fh;
	unsigned int i;
	int ends[2];
	char byte;

	handle_set_number(&stale, UINT64_MAX);
	ASSERT_EQ(ring_make_table(ring, 1), 0);
	for (i = 0; i < ARRAY_SIZE(sqe_flags); i++) {
		ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
		ASSERT_EQ(move_to_slot(ring, 0, ends[1]), 0);

		/* What fails leaves it alone. */
		EXPECT_EQ(ring_open_direct(ring, FD_PIDFS_ROOT, &stale,
					   O_RDONLY, sqe_flags[i], 1),
			  -ESTALE);
		EXPECT_EQ(ring_open_direct(ring, FD_PIDFS_ROOT, &self->fh,
					   O_RDONLY, sqe_flags[i],
					   IORING_FILE_INDEX_ALLOC), -ENFILE);
		EXPECT_EQ(read(ends[0], &byte, 1), -1);
		EXPECT_EQ(errno, EAGAIN);

		EXPECT_EQ(ring_open_direct(ring, FD_PIDFS_ROOT, &self->fh,
					   O_RDONLY, sqe_flags[i], 1), 0);
		ASSERT_EQ(fcntl(ends[0], F_SETFL, 0), 0);
		EXPECT_EQ(read(ends[0], &byte, 1), 0);
		EXPECT_TRUE(ring_holds(ring, 0, self->pidfd));
		close(ends[0]);
	}
}

static int allow_only(struct ring *ring, unsigned int opcode)
{
	struct io_uring_restriction restriction = {
		.opcode	= IORING_RESTRICTION_SQE_OP,
		.sqe_op	= opcode,
	};
	int ret = ring_init(ring, IORING_SETUP_R_DISABLED);

	if (ret)
		return ret;
	ret = ring_register(ring, IORING_REGISTER_RESTRICTIONS, &restriction,
			    1);
	if (ret < 0)
		return ret;
	return ring_register(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

TEST_F(request, restrictions)
{
	struct ring ring;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		ASSERT_EQ(allow_only(&ring, opcodes[i]), 0);
		for (j = 0; j < ARRAY_SIZE(opcodes); j++)
			EXPECT_EQ(run_good(&ring, opcodes[j], self->pidfd,
					   &self->fh, 0), i == j ? 0 : -EACCES);
		ring_exit(&ring);
	}

	ASSERT_EQ(allow_only(&ring, IORING_OP_NOP), 0);
	for (i = 0; i < ARRAY_SIZE(opcodes); i++)
		EXPECT_EQ(run_good(&ring, opcodes[i], self->pidfd, &self->fh,
				   0), -EACCES);
	ring_exit(&ring);
}

static int add_filter(struct ring *ring, unsigned int opcode,
		      const struct sock_filter *filter, unsigned int len,
		      unsigned int pdu_size)
{
	struct io_uring_bpf reg = {
		.cmd_type = IO_URING_BPF_CMD_FILTER,
		.filter = {
			.opcode		= opcode,
			.filter_len	= len,
			.pdu_size	= pdu_size,
			.filter_ptr	= ptr_to_u64(filter),
		},
	};

	if (pdu_size)
		reg.filter.flags = IO_URING_BPF_FILTER_SZ_STRICT;
	return ring_register(ring, IORING_REGISTER_BPF_FILTER, &reg, 1);
}

#define OPEN_PDU	sizeof(((struct io_uring_bpf_ctx *)0)->open)

/* Where the halves are of a 64-bit number of what a filter sees. */
#define FLAGS_LOW	(offsetof(struct io_uring_bpf_ctx, open.flags) + \
			 (BYTE_ORDER == BIG_ENDIAN) * 4)
#define FLAGS_HIGH	(offsetof(struct io_uring_bpf_ctx, open.flags) + \
			 (BYTE_ORDER == LITTLE_ENDIAN) * 4)
#define PDU_AFTER_FLAGS	offsetof(struct io_uring_bpf_ctx, open.mode)

/* Allow what opens with just these flags, and says nothing else. */
static int allow_flags(struct ring *ring, unsigned int opcode,
		       unsigned int flags)
{
	const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FLAGS_HIGH),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 12),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, PDU_AFTER_FLAGS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 10),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, PDU_AFTER_FLAGS + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 8),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, PDU_AFTER_FLAGS + 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, PDU_AFTER_FLAGS + 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FLAGS_LOW),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~KERNEL_O_LARGEFILE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, flags, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	return add_filter(ring, opcode, filter, ARRAY_SIZE(filter), OPEN_PDU);
}

static int allow_large_files(struct ring *ring, unsigned int opcode)
{
	const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FLAGS_LOW),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, KERNEL_O_LARGEFILE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	return add_filter(ring, opcode, filter, ARRAY_SIZE(filter), OPEN_PDU);
}

/* The filter allows @flags: does it let an open with @tried through? */
static int try_filter(const struct handle *fh, unsigned int opcode,
		      unsigned int flags, unsigned int tried)
{
	struct ring ring;
	int ret = ring_init(&ring, 0);

	if (ret)
		return ret;
	ret = allow_flags(&ring, opcode, flags);
	if (!ret && opcode == IORING_OP_OPENAT)
		ret = ring_openat(&ring, "/", tried, 0);
	else if (!ret)
		ret = ring_open(&ring, FD_PIDFS_ROOT, fh, tried, 0);
	ring_exit(&ring);
	return close_result(ret);
}

TEST_F(request, filter_sees_the_flags_of_open)
{
	static const unsigned int flags[] = {
		O_RDONLY, O_CLOEXEC, O_NONBLOCK, O_EXCL,
		O_NONBLOCK | O_CLOEXEC,
	};
	static const unsigned int by[] = {
		IORING_OP_OPENAT, IORING_OP_OPEN_BY_HANDLE_AT,
	};
	unsigned int i, j, k;

	if (allow_flags(&self->ring, IORING_OP_OPENAT, 0) == -EINVAL)
		SKIP(return, "the kernel has no filters of io_uring");
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		for (j = 0; j < ARRAY_SIZE(flags); j++) {
			for (k = 0; k < ARRAY_SIZE(by); k++) {
				EXPECT_EQ(try_filter(&self->fh, by[k],
						     flags[i], flags[j]),
					  i == j ? 0 : -EACCES)
					TH_LOG("opcode %u, %#o, allowed %#o",
					       by[k], flags[j], flags[i]);
			}
		}
	}
}

TEST_F(request, filter_sees_large_files_as_those_of_openat)
{
	struct ring *ring = &self->ring;
	int by_name, by_handle;

	if (allow_large_files(ring, IORING_OP_OPENAT) == -EINVAL)
		SKIP(return, "the kernel has no filters of io_uring");
	ASSERT_EQ(allow_large_files(ring, IORING_OP_OPEN_BY_HANDLE_AT), 0);
	by_name = close_result(ring_openat(ring, "/", O_RDONLY, 0));
	by_handle = close_result(ring_open(ring, FD_PIDFS_ROOT, &self->fh,
					   O_RDONLY, 0));
	EXPECT_EQ(by_handle, by_name);
}

TEST_F(request, filter_denies_name)
{
	const struct sock_filter deny = BPF_STMT(BPF_RET | BPF_K, 0);
	int ret;

	ret = add_filter(&self->ring, IORING_OP_NAME_TO_HANDLE_AT, &deny, 1,
			 0);
	if (ret == -EINVAL)
		SKIP(return, "the kernel has no filters of io_uring");
	ASSERT_EQ(ret, 0);
	EXPECT_EQ(ring_name(&self->ring, "/"), -EACCES);
	EXPECT_EQ(ring_name(&self->ring, "/nowhere"), -EACCES);
}

/* More completions than there is room for are kept all the same. */
TEST_F(request, completions_overflow)
{
	int results[OVERFLOW_NR];
	struct ring ring;
	unsigned int i;

	ASSERT_EQ(ring_init_sized(&ring, 4, 4, 0), 0);
	for (i = 0; i < OVERFLOW_NR; i++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);

		sqe_good(sqe, opcodes[i % 2], self->pidfd, &self->fh);
		sqe->user_data = i;
		ASSERT_EQ(ring_submit(&ring), 1);
	}
	EXPECT_EQ(ring_ready(&ring), 4U);
	EXPECT_NE(*ring.sq_flags & IORING_SQ_CQ_OVERFLOW, 0U);
	ASSERT_TRUE(ring_results(&ring, results, OVERFLOW_NR));
	EXPECT_EQ(*ring.cq_overflow, 0U);
	for (i = 0; i < OVERFLOW_NR; i++) {
		if (opcodes[i % 2] == IORING_OP_NAME_TO_HANDLE_AT) {
			EXPECT_EQ(results[i], 0);
			continue;
		}
		EXPECT_TRUE(same_file(results[i], self->pidfd));
		EXPECT_EQ(close(results[i]), 0);
	}
	ring_exit(&ring);
}

/* What takes files that only root may open by their handles. */
FIXTURE(tmpfs)
{
	struct ring ring;
	int root;
	int file;
	int dir;
	int pidfd;
	struct handle fh;
	struct handle dir_fh;
	struct handle pid_fh;
	int nr_fds;
};

FIXTURE_SETUP(tmpfs)
{
	const char *reason = missing_as_root();

	if (reason)
		SKIP(return, "%s", reason);
	self->root = enter_private_tmpfs();
	ASSERT_GE(self->root, 0);
	ASSERT_EQ(mkdir("dir", 0700), 0);
	ASSERT_EQ(keep(open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		       &self->dir, &self->dir_fh), 0);
	ASSERT_EQ(keep(make_file(self->dir, "file", CONTENT), &self->file,
		       &self->fh), 0);
	ASSERT_EQ(keep(sys_pidfd_open(getpid(), 0), &self->pidfd,
		       &self->pid_fh), 0);
	ASSERT_EQ(ring_init(&self->ring, 0), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(tmpfs)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
	ring_exit(&self->ring);
	close(self->file);
	close(self->dir);
	EXPECT_EQ(leave_private_tmpfs(self->root), 0);
}

/* Prepare to open, to read and to close, one after the other, in slot 0. */
static void sqe_chain(struct ring *ring, const struct handle *fh, char *buf,
		      unsigned int flags)
{
	struct io_uring_sqe *sqe;

	sqe = ring_sqe(ring);
	sqe_open(sqe, AT_FDCWD, fh, O_RDONLY);
	sqe->file_index = 1;
	sqe->flags = flags | IOSQE_IO_LINK;
	sqe->user_data = 0;

	sqe = ring_sqe(ring);
	sqe->opcode = IORING_OP_READ;
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK;
	sqe->addr = ptr_to_u64(buf);
	/* A short read would be the end of the chain. */
	sqe->len = strlen(CONTENT);
	sqe->user_data = 1;

	sqe = ring_sqe(ring);
	sqe_close_direct(sqe, 1);
	sqe->user_data = 2;
}

TEST_F(tmpfs, chain_opens_reads_and_closes)
{
	char buf[sizeof(CONTENT)];
	int results[3];
	unsigned int i;

	ASSERT_EQ(ring_make_table(&self->ring, 1), 0);
	for (i = 0; i < ARRAY_SIZE(sqe_flags); i++) {
		memset(buf, 0, sizeof(buf));
		sqe_chain(&self->ring, &self->fh, buf, sqe_flags[i]);
		ASSERT_EQ(ring_submit(&self->ring), 3);
		ASSERT_TRUE(ring_results(&self->ring, results, 3));
		EXPECT_EQ(results[0], 0);
		EXPECT_EQ(results[1], (int)strlen(CONTENT));
		EXPECT_EQ(results[2], 0);
		EXPECT_STREQ(buf, CONTENT);
		EXPECT_EQ(ring_close_direct(&self->ring, 1), -EBADF);
	}
}

TEST_F(tmpfs, failed_open_cancels_the_chain)
{
	struct handle bad[] = { self->fh, self->fh };
	const int want[] = { -ESTALE, -EINVAL };
	char buf[sizeof(CONTENT)];
	int results[3];
	unsigned int i, j;

	memset(bad[0].data, 0x7f, bad[0].bytes);
	bad[1].type = -1;
	ASSERT_EQ(ring_make_table(&self->ring, 1), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (j = 0; j < ARRAY_SIZE(sqe_flags); j++) {
			sqe_chain(&self->ring, &bad[i], buf, sqe_flags[j]);
			ASSERT_EQ(ring_submit(&self->ring), 3);
			ASSERT_TRUE(ring_results(&self->ring, results, 3));
			EXPECT_EQ(results[0], want[i]);
			EXPECT_EQ(results[1], -ECANCELED);
			EXPECT_EQ(results[2], -ECANCELED);
		}
	}
}

TEST_F(tmpfs, failed_name_cancels_the_chain)
{
	struct io_uring_sqe *sqe;
	unsigned int i;
	int results[2];

	for (i = 0; i < ARRAY_SIZE(sqe_flags); i++) {
		sqe = ring_sqe(&self->ring);
		sqe_name(sqe, self->root, "nowhere", &output, &output_id, 0);
		sqe->flags = IOSQE_IO_LINK | sqe_flags[i];
		sqe = ring_sqe(&self->ring);
		sqe_open(sqe, self->root, &self->fh, O_RDONLY);
		sqe->user_data = 1;
		ASSERT_EQ(ring_submit(&self->ring), 2);
		ASSERT_TRUE(ring_results(&self->ring, results, 2));
		EXPECT_EQ(results[0], -ENOENT);
		EXPECT_EQ(results[1], -ECANCELED);
	}
}

/* It takes two submissions to use a handle that io_uring has made. */
TEST_F(tmpfs, handle_is_read_before_the_chain_writes_it)
{
	struct handle fh = self->fh;
	struct io_uring_sqe *sqe;
	int results[2], fd;

	sqe = ring_sqe(&self->ring);
	sqe_name(sqe, self->root, "dir", &fh, &output_id,
		 AT_HANDLE_MNT_ID_UNIQUE);
	sqe->flags = IOSQE_IO_LINK;
	sqe = ring_sqe(&self->ring);
	sqe_open(sqe, self->root, &fh, O_RDONLY);
	sqe->user_data = 1;
	ASSERT_EQ(ring_submit(&self->ring), 2);
	ASSERT_TRUE(ring_results(&self->ring, results, 2));
	EXPECT_EQ(results[0], 0);
	ASSERT_GE(results[1], 0);
	EXPECT_TRUE(same_file(results[1], self->file));
	close(results[1]);

	EXPECT_TRUE(same_handle(&fh, &self->dir_fh));
	fd = ring_open(&self->ring, self->root, &fh, O_RDONLY, 0);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(same_file(fd, self->dir));
	close(fd);
}

/*
 * The only thread that could do it is busy: what completes has not needed it.
 * The requests are 1 and up, and 0 keeps the thread busy.
 */
TEST_F(tmpfs, what_is_done_at_once)
{
	struct ring *ring = &self->ring;
	struct handle ns_fh, fh = { .bytes = HANDLE_MAX };
	int results[7], ns, i;
	struct gate gate;

	ns = ns_own(&ns_kinds[NS_UTS]);
	ASSERT_GE(ns, 0);
	ASSERT_EQ(encode(ns, &ns_fh), 0);
	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	ASSERT_EQ(ring_submit(ring), 1);

	for (i = 1; i < 7; i++) {
		struct io_uring_sqe *sqe = ring_sqe(ring);

		if (i == 1)
			sqe_open(sqe, FD_PIDFS_ROOT, &self->pid_fh, O_CLOEXEC);
		else if (i == 2)
			sqe_open(sqe, FD_NSFS_ROOT, &ns_fh, O_CLOEXEC);
		else if (i == 3)
			sqe_name(sqe, self->root, "dir/file", &fh, &output_id,
				 AT_HANDLE_MNT_ID_UNIQUE);
		else if (i == 4)
			sqe_open(sqe, self->root, &self->fh, O_CLOEXEC);
		else
			sqe_good(sqe, opcodes[i % 2], self->pidfd,
				 &self->pid_fh);
		sqe->flags = i > 4 ? IOSQE_ASYNC : 0;
		sqe->user_data = i;
		ASSERT_EQ(ring_submit(ring), 1);
		EXPECT_EQ(ring_ready(ring), i > 3 ? 3U : (unsigned int)i)
			TH_LOG("request %d", i);
	}

	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 7));
	gate_remove(&gate, results[0]);
	EXPECT_TRUE(same_file(results[1], self->pidfd));
	EXPECT_TRUE(same_file(results[2], ns));
	EXPECT_TRUE(same_handle(&fh, &self->fh));
	EXPECT_TRUE(same_file(results[4], self->file));
	for (i = 1; i < 7; i++) {
		EXPECT_GE(results[i], 0) TH_LOG("request %d", i);
		if (results[i] > 0)
			close(results[i]);
	}
	close(ns);
}

/*
 * What changes a filesystem is not even tried while nobody may wait. A pidfs
 * refuses all of these flags but O_EXCL, and does so at once: that is told only
 * after the gate is open if it is for the thread that is busy to find out.
 */
TEST_F(tmpfs, what_changes_a_filesystem_is_left_to_a_worker)
{
	static const struct {
		unsigned int flags;
		bool at_once;
		int want;
	} cases[] = {
		{ O_EXCL,			true,	0 },
		{ O_TRUNC,			false,	-EINVAL },
		{ O_APPEND,			true,	-EINVAL },
		{ O_CREAT,			false,	-EINVAL },
		{ O_DIRECTORY,			true,	-EINVAL },
		{ O_TMPFILE,			false,	-EINVAL },
		{ O_TMPFILE & ~O_DIRECTORY,	false,	-EINVAL },
		{ O_NOATIME | O_NOFOLLOW,	true,	-EINVAL },
		{ O_RDWR | O_CREAT | O_EXCL,	false,	-EINVAL },
		{ O_WRONLY | O_TRUNC,		false,	-EINVAL },
	};
	int results[1 + ARRAY_SIZE(cases)];
	struct ring *ring = &self->ring;
	unsigned int i, ready;
	struct gate gate;

	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	ASSERT_EQ(ring_submit(ring), 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct io_uring_sqe *sqe = ring_sqe(ring);

		sqe_open(sqe, FD_PIDFS_ROOT, &self->pid_fh,
			 cases[i].flags | O_CLOEXEC);
		sqe->user_data = 1 + i;
		ready = ring_ready(ring);
		ASSERT_EQ(ring_submit(ring), 1);
		EXPECT_EQ(ring_ready(ring) != ready, cases[i].at_once)
			TH_LOG("flags %#o", cases[i].flags);
	}

	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 1 + ARRAY_SIZE(cases)));
	gate_remove(&gate, results[0]);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		EXPECT_EQ(close_result(results[1 + i]), cases[i].want)
			TH_LOG("flags %#o", cases[i].flags);
}

/* What is submitted is the caller's again, though nothing is done yet. */
TEST_F(tmpfs, memory_may_change_once_submitted)
{
	struct handle to_open[2] = { self->fh, self->fh };
	struct handle made = { .bytes = HANDLE_MAX };
	struct ring *ring = &self->ring;
	char path[] = "dir/file";
	struct io_uring_sqe *sqe;
	struct gate gate;
	int results[4], i;

	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	for (i = 0; i < 2; i++) {
		sqe = ring_sqe(ring);
		sqe_open(sqe, self->root, &to_open[i], O_RDWR | O_CLOEXEC);
		sqe->flags = sqe_flags[i];
		sqe->user_data = 1 + i;
	}
	sqe = ring_sqe(ring);
	sqe_name(sqe, self->root, path, &made, &output_id,
		 AT_HANDLE_MNT_ID_UNIQUE);
	sqe->flags = IOSQE_ASYNC;
	sqe->user_data = 3;
	ASSERT_EQ(ring_submit(ring), 4);
	EXPECT_EQ(ring_ready(ring), 0U);

	memset(to_open, 0xff, sizeof(to_open));
	memcpy(path, "no/where", sizeof(path));
	memset(&made, CANARY, sizeof(made));
	made.bytes = 0;
	memset(ring->sqes, 0xff, ring->sqes_size);
	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 4));
	gate_remove(&gate, results[0]);
	for (i = 1; i < 3; i++) {
		ASSERT_GE(results[i], 0);
		EXPECT_TRUE(same_file(results[i], self->file));
		EXPECT_EQ(fcntl(results[i], F_GETFL) & O_ACCMODE, O_RDWR);
		close(results[i]);
	}
	EXPECT_EQ(results[3], 0);
	EXPECT_TRUE(same_handle(&made, &self->fh));
}

/* The retry knows of the flags in the type of the handle, too. */
TEST_F(tmpfs, connectable_handle_outside_of_a_mount)
{
	struct handle fh = self->fh;
	unsigned int i;
	int bind, fd;

	ASSERT_EQ(mkdir("bound", 0755), 0);
	ASSERT_EQ(mkdir("other", 0755), 0);
	ASSERT_EQ(mount("other", "bound", NULL, MS_BIND, NULL), 0);
	bind = open("bound", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(bind, 0);
	for (i = 0; i < ARRAY_SIZE(sqe_flags); i++) {
		fh.type = self->fh.type;
		EXPECT_EQ(close_result(ring_open(&self->ring, bind, &fh,
						 O_RDONLY, sqe_flags[i])), 0);
		fh.type = self->fh.type | FILEID_IS_CONNECTABLE;
		EXPECT_EQ(ring_open(&self->ring, bind, &fh, O_RDONLY,
				    sqe_flags[i]), -ESTALE);
		fd = ring_open(&self->ring, self->dir, &fh, O_RDONLY,
			       sqe_flags[i]);
		EXPECT_TRUE(same_file(fd, self->file));
		close_result(fd);
		fh.type = self->fh.type | FILEID_IS_DIR;
		EXPECT_EQ(ring_open(&self->ring, self->dir, &fh, O_RDONLY,
				    sqe_flags[i]), -ESTALE);
	}
	close(bind);
	EXPECT_EQ(umount2("bound", MNT_DETACH), 0);
}

/* The credentials of an ordinary user, for requests of this ring. */
static int register_user(struct ring *ring)
{
	int id, err;

	if (seteuid(NOBODY))
		return -errno;
	id = ring_register(ring, IORING_REGISTER_PERSONALITY, NULL, 0);
	err = seteuid(0) ? -errno : 0;
	return err ?: id;
}

TEST_F(tmpfs, personality)
{
	struct ring *ring = &self->ring;
	struct io_uring_sqe *sqe;
	unsigned int i;
	int id;

	id = register_user(ring);
	ASSERT_GT(id, 0);
	for (i = 0; i < ARRAY_SIZE(sqe_flags); i++) {
		sqe = ring_sqe(ring);
		sqe_open(sqe, self->root, &self->fh, O_RDONLY);
		sqe->flags = sqe_flags[i];
		sqe->personality = id;
		EXPECT_EQ(ring_run(ring), -EPERM);
		EXPECT_EQ(close_result(ring_open(ring, self->root, &self->fh,
						 O_RDONLY, sqe_flags[i])), 0);

		sqe = ring_sqe(ring);
		sqe_good(sqe, IORING_OP_OPEN_BY_HANDLE_AT, 0, &self->pid_fh);
		sqe->flags = sqe_flags[i];
		sqe->personality = id;
		EXPECT_EQ(close_result(ring_run(ring)), 0);

		sqe = ring_sqe(ring);
		sqe_name(sqe, self->root, "dir/file", &output, &output_id,
			 AT_HANDLE_MNT_ID_UNIQUE);
		sqe->flags = sqe_flags[i];
		sqe->personality = id;
		EXPECT_EQ(ring_run(ring), -EACCES);
		EXPECT_EQ(ring_name(ring, "dir/file"), 0);
	}
	sqe = ring_sqe(ring);
	sqe_good(sqe, IORING_OP_OPEN_BY_HANDLE_AT, 0, &self->pid_fh);
	sqe->personality = id + 1;
	EXPECT_EQ(ring_run(ring), -EINVAL);
}

/* Open the file of the tmpfs once the thread has nothing else to do. */
static struct io_uring_sqe *sqe_open_late(struct ring *ring, int root,
					  const struct handle *fh,
					  __u64 user_data,
					  unsigned int personality)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe_open(sqe, root, fh, O_RDONLY);
	sqe->user_data = user_data;
	sqe->personality = personality;
	return sqe;
}

/* Those count with which it was submitted, whoever the caller is by then. */
TEST_F(tmpfs, credentials_are_those_of_the_submission)
{
	struct ring *ring = &self->ring;
	struct gate gate;
	int results[5], id;

	id = register_user(ring);
	ASSERT_GT(id, 0);
	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	sqe_open_late(ring, self->root, &self->fh, 1, 0);
	sqe_open_late(ring, self->root, &self->fh, 2, id);
	ASSERT_EQ(ring_submit(ring), 3);
	ASSERT_EQ(ring_register(ring, IORING_UNREGISTER_PERSONALITY, NULL, id),
		  0);
	ASSERT_EQ(seteuid(NOBODY), 0);
	sqe_open_late(ring, self->root, &self->fh, 3, 0);
	ASSERT_EQ(ring_submit(ring), 1);
	ASSERT_EQ(seteuid(0), 0);
	sqe_open_late(ring, self->root, &self->fh, 4, 0);
	ASSERT_EQ(ring_submit(ring), 1);
	ASSERT_EQ(seteuid(NOBODY), 0);

	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 5));
	ASSERT_EQ(seteuid(0), 0);
	gate_remove(&gate, results[0]);
	EXPECT_EQ(close_result(results[1]), 0);
	EXPECT_EQ(results[2], -EPERM);
	EXPECT_EQ(results[3], -EPERM);
	EXPECT_EQ(close_result(results[4]), 0);
}

/* The second of a chain is not done before the first is. */
TEST_F(tmpfs, credentials_of_a_chain)
{
	struct ring *ring = &self->ring;
	struct io_uring_sqe *sqe;
	struct gate gate;
	int results[3], id;

	id = register_user(ring);
	ASSERT_GT(id, 0);
	sqe = gate_close(&gate, ring, GATE);
	ASSERT_NE(sqe, NULL);
	sqe->flags |= IOSQE_IO_HARDLINK;
	sqe = sqe_open_late(ring, self->root, &self->fh, 1, id);
	sqe->flags |= IOSQE_IO_HARDLINK;
	sqe_open_late(ring, self->root, &self->fh, 2, 0);
	ASSERT_EQ(ring_submit(ring), 3);
	ASSERT_EQ(seteuid(NOBODY), 0);

	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 3));
	ASSERT_EQ(seteuid(0), 0);
	gate_remove(&gate, results[0]);
	EXPECT_EQ(results[1], -EPERM);
	EXPECT_EQ(close_result(results[2]), 0);
}

TEST_F(tmpfs, credentials_of_sqpoll_are_those_of_the_ring)
{
	struct ring ring;

	ASSERT_EQ(ring_init(&ring, IORING_SETUP_SQPOLL), 0);
	ASSERT_EQ(seteuid(NOBODY), 0);
	EXPECT_EQ(close_result(ring_open(&ring, self->root, &self->fh,
					 O_RDONLY, 0)), 0);
	EXPECT_EQ(close_result(ring_open(&ring, self->root, &self->fh,
					 O_RDONLY, IOSQE_ASYNC)), 0);
	EXPECT_EQ(ring_open(&self->ring, self->root, &self->fh, O_RDONLY, 0),
		  -EPERM);
	ASSERT_EQ(seteuid(0), 0);
	ring_exit(&ring);
}

/* A file that could not be put into the table is not kept either. */
TEST_F(tmpfs, file_without_a_slot_is_closed)
{
	unsigned int i;

	ASSERT_EQ(ring_make_table(&self->ring, 1), 0);
	for (i = 0; i < ARRAY_SIZE(sqe_flags); i++) {
		EXPECT_EQ(ring_open_direct(&self->ring, self->root, &self->fh,
					   O_RDWR, sqe_flags[i], 2), -EINVAL);
		EXPECT_EQ(ring_open_direct(&self->ring, self->root, &self->fh,
					   O_RDWR, sqe_flags[i], 1), 0);
		EXPECT_TRUE(ring_holds(&self->ring, 0, self->file));
		EXPECT_EQ(ring_open_direct(&self->ring, self->root, &self->fh,
					   O_RDWR, sqe_flags[i],
					   IORING_FILE_INDEX_ALLOC), -ENFILE);
	}
	/* That nobody has it is for unmounting the tmpfs to see. */
	EXPECT_EQ(ring_close_direct(&self->ring, 1), 0);
}

/* Either both are there, or the kernel says of both that they are not. */
TEST(probe_tells_what_there_is)
{
	enum probed probed = probe_op(IORING_OP_OPEN_BY_HANDLE_AT);
	struct handle fh = { .bytes = HANDLE_MAX };
	struct ring ring;
	unsigned int i;
	int want;

	if (probed == PROBED_NO_RING)
		SKIP(return, "there is no io_uring");
	EXPECT_EQ(probe_op(IORING_OP_NAME_TO_HANDLE_AT), probed);
	ASSERT_EQ(ring_init(&ring, 0), 0);
	want = probed == PROBED_SUPPORTED ? -EBADF :
	       probed == PROBED_UNSUPPORTED ? -EOPNOTSUPP : -EINVAL;
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);

		if (opcodes[i] == IORING_OP_NAME_TO_HANDLE_AT)
			sqe_name(sqe, BAD_FD, "file", &fh, &output_id, 0);
		else
			sqe_open(sqe, BAD_FD, &fh, O_RDONLY);
		EXPECT_EQ(ring_run(&ring), want)
			TH_LOG("opcode %u, probed %d", opcodes[i], probed);
	}
	ring_exit(&ring);
}

TEST_HARNESS_MAIN
