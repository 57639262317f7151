// SPDX-License-Identifier: GPL-2.0
/* Restrictions and BPF filters of rings. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <endian.h>
#include <linux/filter.h>
#include <linux/io_uring/bpf_filter.h>
#include <stddef.h>

#include "ring_fixture.h"

#define NEEDS_FILTERS	"needs BPF filters of io_uring"

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

	for (i = 0; i < ARRAY_SIZE(handle_opcodes); i++) {
		ASSERT_EQ(allow_only(&ring, handle_opcodes[i]), 0);
		for (j = 0; j < ARRAY_SIZE(handle_opcodes); j++)
			EXPECT_EQ(run_good(&ring, handle_opcodes[j], self->pidfd,
					   &self->fh, 0), i == j ? 0 : -EACCES);
		ring_exit(&ring);
	}

	ASSERT_EQ(allow_only(&ring, IORING_OP_NOP), 0);
	for (i = 0; i < ARRAY_SIZE(handle_opcodes); i++)
		EXPECT_EQ(run_good(&ring, handle_opcodes[i], self->pidfd, &self->fh,
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

/* Offsets of the halves of the 64-bit flags in the context of a filter. */
#define FLAGS_LOW	(offsetof(struct io_uring_bpf_ctx, open.flags) + \
			 (BYTE_ORDER == BIG_ENDIAN) * 4)
#define FLAGS_HIGH	(offsetof(struct io_uring_bpf_ctx, open.flags) + \
			 (BYTE_ORDER == LITTLE_ENDIAN) * 4)
#define PDU_AFTER_FLAGS	offsetof(struct io_uring_bpf_ctx, open.mode)

/* Allows requests with exactly these flags, and all other fields 0. */
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

/* Opens with the flags @tried on a ring whose filter allows @flags. */
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
		SKIP(return, NEEDS_FILTERS);
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

TEST_F(request, filter_sees_o_largefile_like_openat)
{
	struct ring *ring = &self->ring;
	int by_name, by_handle;

	if (allow_large_files(ring, IORING_OP_OPENAT) == -EINVAL)
		SKIP(return, NEEDS_FILTERS);
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
		SKIP(return, NEEDS_FILTERS);
	ASSERT_EQ(ret, 0);
	EXPECT_EQ(ring_name(&self->ring, "/"), -EACCES);
	EXPECT_EQ(ring_name(&self->ring, "/nowhere"), -EACCES);
}

TEST_HARNESS_MAIN
