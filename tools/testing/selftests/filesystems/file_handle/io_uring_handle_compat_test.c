// SPDX-License-Identifier: GPL-2.0
/*
 * Requests in a ring of a 32-bit program. IORING_OP_OPEN_BY_HANDLE_AT then adds
 * no O_LARGEFILE, like the system call. On x86, a 64-bit program can create such
 * a ring.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "call32.h"
#include "ring.h"
#include "kselftest_harness.h"

FIXTURE(compat)
{
	struct ring ring;		/* of a 32-bit program */
	struct ring native;
	struct handle *fh;
	int dir;
	int file;
};

FIXTURE_VARIANT(compat)
{
	unsigned int setup_flags;
};

FIXTURE_VARIANT_ADD(compat, plain) { };

FIXTURE_VARIANT_ADD(compat, sqpoll) { .setup_flags = IORING_SETUP_SQPOLL };

static int setup32(unsigned int entries, struct io_uring_params *p)
{
	struct io_uring_params *low = memory32(sizeof(*low));
	int ret;

	if (!low)
		return -ENOMEM;
	*low = *p;
	ret = call32(NR32_IO_URING_SETUP, entries, low, NULL, NULL, 0);
	*p = *low;
	munmap(low, sizeof(*low));
	return ret;
}

FIXTURE_SETUP(compat)
{
	const char *reason = missing_as_root();

	if (!reason && !have_call32())
		reason = NEEDS_CALL32;
	if (reason)
		SKIP(return, "%s", reason);
	self->fh = memory32(sizeof(*self->fh));
	ASSERT_NE(self->fh, NULL);
	self->dir = detached_tmpfs();
	ASSERT_GE(self->dir, 0);
	self->file = make_file(self->dir, "file", "");
	ASSERT_GE(self->file, 0);
	ASSERT_EQ(encode(self->file, self->fh), 0);
	ASSERT_EQ(ring_init_with(&self->ring, 64, 0, variant->setup_flags, setup32),
		  0);
	ASSERT_EQ(ring_init(&self->native, variant->setup_flags), 0);
}

FIXTURE_TEARDOWN(compat)
{
	ring_exit(&self->ring);
	ring_exit(&self->native);
	close(self->file);
	close(self->dir);
	munmap(self->fh, sizeof(*self->fh));
}

/* Returns the flags of the file, or an error. */
static int flags_of(int fd)
{
	int ret;

	if (fd < 0)
		return fd;
	ret = fcntl(fd, F_GETFL);
	close(fd);
	return ret;
}

TEST_F(compat, large_file)
{
	static const unsigned int flags[] = {
		O_RDONLY, O_RDWR, O_RDWR | KERNEL_O_LARGEFILE, O_PATH,
		O_RDWR | O_APPEND | O_NONBLOCK, O_RDWR | O_TRUNC, O_DIRECTORY,
	};
	unsigned int i, j;
	int by_call, by_call32;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		by_call = flags_of(decode(self->dir, self->fh, flags[i]));
		by_call32 = flags_of(call32(NR32_OPEN_BY_HANDLE_AT, self->dir,
					    self->fh, (void *)(long)flags[i],
					    NULL, 0));
		for (j = 0; j < ARRAY_SIZE(request_flags); j++) {
			EXPECT_EQ(flags_of(ring_open(&self->ring, self->dir,
						     self->fh, flags[i],
						     request_flags[j])),
				  by_call32) TH_LOG("flags %#o", flags[i]);
			EXPECT_EQ(flags_of(ring_open(&self->native, self->dir,
						     self->fh, flags[i],
						     request_flags[j])),
				  by_call) TH_LOG("flags %#o", flags[i]);
		}
	}
	/* The two differ in the first case. */
	EXPECT_NE(flags_of(decode(self->dir, self->fh, O_RDONLY)),
		  flags_of(ring_open(&self->ring, self->dir, self->fh, O_RDONLY,
				     0)));
}

TEST_F(compat, name)
{
	struct handle native = { .bytes = HANDLE_MAX };
	int mnt_id;

	ASSERT_EQ(encode_at(self->file, "", &native, &mnt_id, AT_EMPTY_PATH), 0);
	output.bytes = HANDLE_MAX;
	output_id = ~0ULL;
	sqe_name(ring_sqe(&self->ring), self->file, "", &output, &output_id,
		 AT_EMPTY_PATH);
	EXPECT_EQ(ring_run(&self->ring), 0);
	EXPECT_TRUE(same_handle(&output, &native));
	EXPECT_EQ(memcmp(&output_id, &mnt_id, sizeof(mnt_id)), 0);
	/* Only four bytes are written. */
	EXPECT_EQ(((unsigned char *)&output_id)[sizeof(mnt_id)], 0xff);
}

TEST_HARNESS_MAIN
