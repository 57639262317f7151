// SPDX-License-Identifier: GPL-2.0
/*
 * The system calls as a 32-bit program makes them have the same results. On
 * x86, a 64-bit program can make them as well.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "call32.h"
#include "nsfs.h"
#include "kselftest_harness.h"

static int encode32(int dfd, const char *name, void *fh, void *mnt_id,
		    unsigned int flags)
{
	return call32(NR32_NAME_TO_HANDLE_AT, dfd, name, fh, mnt_id, flags);
}

static int decode32(int dfd, const void *fh, unsigned long flags)
{
	return call32(NR32_OPEN_BY_HANDLE_AT, dfd, fh, (void *)flags, NULL, 0);
}

/* Memory below 4 GiB for the calls. */
struct memory {
	char empty[8];
	struct handle fh;
	unsigned char behind_fh[8];
	union {
		int mnt_id;
		__u64 unique_id;
		unsigned char mnt_id_bytes[16];
	};
};

static void reset_memory(struct memory *mem, __u32 bytes)
{
	memset(mem, CANARY, sizeof(*mem));
	memset(mem->empty, 0, sizeof(mem->empty));
	mem->fh.bytes = bytes;
}

FIXTURE(compat)
{
	struct memory *mem;
	int pidfd;
	int ns;
	int dir;		/* of @file, or an error */
	int file;
};

FIXTURE_SETUP(compat)
{
	const char *reason = nsfs_ids_missing() ? : pidfs_missing();

	self->mem = NULL;
	if (!have_call32())
		reason = NEEDS_CALL32;
	if (reason)
		SKIP(return, "%s", reason);
	self->mem = memory32(sizeof(*self->mem));
	ASSERT_NE(self->mem, NULL);
	self->pidfd = sys_pidfd_open(getpid(), 0);
	ASSERT_GE(self->pidfd, 0);
	self->ns = ns_own(&ns_kinds[NS_UTS]);
	ASSERT_GE(self->ns, 0);
	self->dir = is_root() ? detached_tmpfs() : -EPERM;
	if (self->dir >= 0)
		self->file = make_file(self->dir, "file", "");
	else
		self->file = sys_memfd_create("file", MFD_CLOEXEC);
	ASSERT_GE(self->file, 0);
}

FIXTURE_TEARDOWN(compat)
{
	if (!self->mem)
		return;
	close(self->pidfd);
	close(self->ns);
	close(self->file);
	munmap(self->mem, sizeof(*self->mem));
}

TEST_F(compat, encodes_the_same_handle)
{
	const int fds[] = { self->pidfd, self->ns, self->file };
	struct memory *mem = self->mem;
	struct handle native;
	__u64 unique_id;
	unsigned int i;
	int mnt_id;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		native.bytes = HANDLE_MAX;
		ASSERT_EQ(encode_at(fds[i], "", &native, &unique_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE), 0);
		reset_memory(mem, HANDLE_MAX);
		EXPECT_EQ(encode32(fds[i], mem->empty, &mem->fh,
				   &mem->unique_id, AT_EMPTY_PATH |
				   AT_HANDLE_MNT_ID_UNIQUE), 0);
		EXPECT_TRUE(same_handle(&native, &mem->fh));
		/* All eight bytes are written, even if four of them are 0. */
		EXPECT_EQ(mem->unique_id, unique_id);

		native.bytes = HANDLE_MAX;
		ASSERT_EQ(encode_at(fds[i], "", &native, &mnt_id,
				    AT_EMPTY_PATH), 0);
		reset_memory(mem, HANDLE_MAX);
		EXPECT_EQ(encode32(fds[i], mem->empty, &mem->fh,
				   &mem->mnt_id, AT_EMPTY_PATH), 0);
		EXPECT_TRUE(same_handle(&native, &mem->fh));
		EXPECT_EQ(mem->mnt_id, mnt_id);
		/* Only four bytes are written. */
		EXPECT_EQ(mem->mnt_id_bytes[sizeof(mnt_id)], CANARY);
	}
}

TEST_F(compat, writes_the_same_bytes)
{
	static const unsigned int flags[] = {
		AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, AT_HANDLE_FID,
		AT_HANDLE_MNT_ID_UNIQUE, AT_HANDLE_CONNECTABLE, 0x80000000,
	};
	static const __u32 rooms[] = { HANDLE_MAX, HANDLE_MAX + 1, 0, 7, 8 };
	const int fds[] = { self->pidfd, self->ns, self->file, -1 };
	unsigned int mask, set, i, fd, room;
	struct memory *mem = self->mem;
	struct memory native;
	int want;

	for (mask = 0; mask < 1U << ARRAY_SIZE(flags); mask++) {
		for (set = 0, i = 0; i < ARRAY_SIZE(flags); i++)
			set |= mask & 1U << i ? flags[i] : 0;
		for (i = 0; i < ARRAY_SIZE(fds) * ARRAY_SIZE(rooms); i++) {
			fd = fds[i / ARRAY_SIZE(rooms)];
			room = rooms[i % ARRAY_SIZE(rooms)];
			reset_memory(&native, room);
			want = encode_at(fd, native.empty, &native.fh,
					 &native.unique_id, set);
			reset_memory(mem, room);
			EXPECT_EQ(encode32(fd, mem->empty, &mem->fh,
					   &mem->unique_id, set), want)
				TH_LOG("flags %#x, room %u", set, room);
			EXPECT_EQ(memcmp(mem, &native, sizeof(native)), 0)
				TH_LOG("flags %#x, room %u", set, room);
		}
	}
}

TEST_F(compat, opens_the_same_file)
{
	const int fds[] = { self->pidfd, self->ns };
	const int roots[] = { FD_PIDFS_ROOT, FD_NSFS_ROOT };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		ASSERT_EQ(encode(fds[i], &self->mem->fh), 0);
		fd = decode32(roots[i], &self->mem->fh, O_RDONLY | O_CLOEXEC);
		EXPECT_GE(fd, 0);
		EXPECT_TRUE(same_file(fd, fds[i]));
		EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
		close(fd);
	}
}

static void look_at(int fd, int seen[3])
{
	seen[0] = fd < 0 ? fd : 0;
	seen[1] = fd < 0 ? 0 : fcntl(fd, F_GETFL) & ~KERNEL_O_LARGEFILE;
	seen[2] = fd < 0 ? 0 : fcntl(fd, F_GETFD);
	if (fd >= 0)
		close(fd);
}

TEST_F(compat, accepts_the_same_flags)
{
	const int fds[] = { self->pidfd, self->ns, self->file };
	const int roots[] = { FD_PIDFS_ROOT, FD_NSFS_ROOT, self->file };
	struct handle *fh = &self->mem->fh;
	int native[3], compat[3];
	unsigned int i, bit;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		ASSERT_EQ(encode(fds[i], fh), 0);
		for (bit = 0; bit < 32; bit++) {
			look_at(decode(roots[i], fh, 1U << bit), native);
			look_at(decode32(roots[i], fh, 1U << bit), compat);
			EXPECT_EQ(memcmp(native, compat, sizeof(native)), 0)
				TH_LOG("flag %#x of %u: %d, %d", 1U << bit, i,
				       native[0], compat[0]);
		}
	}
}

/* Each bit of the size, of the type and of the handle. */
TEST_F(compat, accepts_the_same_handles)
{
	struct handle *fh = &self->mem->fh, good;
	int native[3], compat[3];
	unsigned int bit;

	ASSERT_EQ(encode(self->pidfd, &good), 0);
	for (bit = 0; bit < 8 * (HANDLE_HEADER + good.bytes); bit++) {
		*fh = good;
		((unsigned char *)fh)[bit / 8] ^= 1 << bit % 8;
		look_at(decode(FD_PIDFS_ROOT, fh, O_RDONLY), native);
		look_at(decode32(FD_PIDFS_ROOT, fh, O_RDONLY), compat);
		EXPECT_EQ(memcmp(native, compat, sizeof(native)), 0)
			TH_LOG("bit %u: %d, %d", bit, native[0], compat[0]);
	}
}

/* For 32-bit programs, O_LARGEFILE is not implied. */
TEST_F(compat, does_not_imply_o_largefile)
{
	int fd;

	if (self->dir < 0)
		SKIP(return, "needs root to open a file of tmpfs by handle");
	ASSERT_EQ(encode(self->file, &self->mem->fh), 0);

	fd = decode(self->file, &self->mem->fh, O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(fcntl(fd, F_GETFL) & KERNEL_O_LARGEFILE);
	close(fd);

	fd = decode32(self->file, &self->mem->fh, O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(same_file(fd, self->file));
	EXPECT_FALSE(fcntl(fd, F_GETFL) & KERNEL_O_LARGEFILE);
	close(fd);

	fd = decode32(self->file, &self->mem->fh,
		      O_RDONLY | KERNEL_O_LARGEFILE);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(fcntl(fd, F_GETFL) & KERNEL_O_LARGEFILE);
	close(fd);
}

TEST_F(compat, returns_the_same_errors)
{
	struct memory *mem = self->mem;

	mem->fh.bytes = HANDLE_MAX;
	EXPECT_EQ(encode32(self->pidfd, mem->empty, &mem->fh, &mem->mnt_id,
			   ~0U), -EINVAL);
	EXPECT_EQ(encode32(self->pidfd, mem->empty, &mem->fh, &mem->mnt_id,
			   0), -ENOENT);
	EXPECT_EQ(encode32(self->pidfd, mem->empty, NULL, &mem->mnt_id,
			   AT_EMPTY_PATH), -EFAULT);
	EXPECT_EQ(encode32(self->pidfd, mem->empty, &mem->fh, NULL,
			   AT_EMPTY_PATH), -EFAULT);
	mem->fh.bytes = 4;
	EXPECT_EQ(encode32(self->pidfd, mem->empty, &mem->fh, &mem->mnt_id,
			   AT_EMPTY_PATH), -EOVERFLOW);
	EXPECT_EQ(mem->fh.bytes, 8U);

	EXPECT_EQ(decode32(FD_PIDFS_ROOT, NULL, O_RDONLY), -EFAULT);
	ASSERT_EQ(encode(self->pidfd, &mem->fh), 0);
	EXPECT_EQ(decode32(-1, &mem->fh, O_RDONLY), -EBADF);
	EXPECT_EQ(decode32(FD_PIDFS_ROOT, &mem->fh, O_TRUNC), -EINVAL);
	mem->fh.bytes = HANDLE_MAX + 1;
	EXPECT_EQ(decode32(FD_PIDFS_ROOT, &mem->fh, O_RDONLY), -EINVAL);
	mem->fh.bytes = 8;
	memset(mem->fh.data, 0, 8);
	EXPECT_EQ(decode32(FD_PIDFS_ROOT, &mem->fh, O_RDONLY), -ESTALE);
}

TEST_HARNESS_MAIN
