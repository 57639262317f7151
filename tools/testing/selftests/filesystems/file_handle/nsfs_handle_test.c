// SPDX-License-Identifier: GPL-2.0
/* The contents of nsfs handles, and the flags that they can be opened with. */
#define _GNU_SOURCE
#include "nsfs_handle_fixture.h"

/* Returns the part of a handle that nsfs sees: whole words. */
static unsigned int whole_words(unsigned int bytes)
{
	return bytes & ~3U;
}

TEST_F(nsfs, handle_names_the_namespace)
{
	struct nsfs_file_handle ns = handle_ns(&self->ns.fh);

	EXPECT_EQ(self->ns.fh.bytes, (unsigned int)HANDLE_NSFS);
	EXPECT_EQ(self->ns.fh.bytes, NSFS_FILE_HANDLE_SIZE_LATEST);
	EXPECT_EQ(self->ns.fh.type, FILEID_NSFS);
	EXPECT_EQ(ns.ns_id, self->ns.id);
	EXPECT_EQ(ns.ns_type, self->ns.kind->type);
	EXPECT_EQ(ns.ns_inum, self->ns.ino);
}

TEST_F(nsfs, handle_does_not_depend_on_the_descriptor)
{
	struct handle fh;
	char path[64];
	int fd;

	fd = ns_of_pidfd(self->ns.pidfd, self->ns.kind);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->ns.fh));

	/* Nor on whether one is open. */
	close(fd);
	close(self->ns.fd);
	fd = ns_of_pidfd(self->ns.pidfd, self->ns.kind);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->ns.fh));

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", self->ns.child,
		 self->ns.kind->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, NEEDS_PROCFS);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->ns.fh));
}

TEST_F(nsfs, another_namespace_has_another_handle)
{
	struct nsfs_file_handle ns;
	struct handle fh;
	int pidfd, fd;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_GT(paused_child(self->ns.kind->type, &pidfd), 0);
	fd = ns_of_pidfd(pidfd, self->ns.kind);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	ns = handle_ns(&fh);
	EXPECT_NE(ns.ns_id, self->ns.id);
	EXPECT_NE(ns.ns_inum, self->ns.ino);
	EXPECT_EQ(ns.ns_type, self->ns.kind->type);
}

/* Later kernels may add fields, for which 0 is the default. */
TEST_F(nsfs, tail_of_zeroes_decodes)
{
	__u32 bytes;

	memset(self->ns.fh.data + HANDLE_NSFS, 0, HANDLE_MAX - HANDLE_NSFS);
	for (bytes = HANDLE_NSFS; bytes <= HANDLE_MAX; bytes++) {
		self->ns.fh.bytes = bytes;
		ASSERT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), 0) {
			TH_LOG("%u bytes", bytes);
		}
	}
}

TEST_F(nsfs, tail_that_is_not_zero_is_stale)
{
	unsigned int at;
	__u32 bytes;

	for (bytes = HANDLE_NSFS; bytes <= HANDLE_MAX; bytes++) {
		self->ns.fh.bytes = bytes;
		at = HANDLE_NSFS;
		/* Try all places once for each number of words. */
		if (bytes % 4 && bytes > HANDLE_NSFS + 4)
			at = whole_words(bytes) - 1;
		for (; at < whole_words(bytes); at++) {
			self->ns.fh.data[at] = 1 << at % 8;
			ASSERT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh),
				  -ESTALE) {
				TH_LOG("%u bytes, with %#x at %u", bytes,
				       self->ns.fh.data[at], at);
			}
			self->ns.fh.data[at] = 0;
		}
	}
	memset(self->ns.fh.data + HANDLE_NSFS, 0xff, HANDLE_MAX - HANDLE_NSFS);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
}

/* The system call rounds the size down to words. */
TEST_F(one, bytes_after_the_last_word_are_ignored)
{
	__u32 bytes;

	memset(self->ns.fh.data + HANDLE_NSFS, 0xff, HANDLE_MAX - HANDLE_NSFS);
	for (bytes = HANDLE_NSFS; bytes < HANDLE_NSFS + 4; bytes++) {
		self->ns.fh.bytes = bytes;
		ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	}
}

TEST_F(nsfs, type_and_inode_number_are_both_set_or_both_zero)
{
	handle_set_ns(&self->ns.fh, self->ns.id, 0, 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	handle_set_ns(&self->ns.fh, self->ns.id, self->ns.kind->type,
		      self->ns.ino);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);

	handle_set_ns(&self->ns.fh, self->ns.id, self->ns.kind->type, 0);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
	handle_set_ns(&self->ns.fh, self->ns.id, 0, self->ns.ino);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
}

TEST_F(one, handle_without_id_is_stale)
{
	handle_set_ns(&self->ns.fh, 0, self->ns.kind->type, self->ns.ino);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
	handle_set_ns(&self->ns.fh, 0, 0, 0);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
}

TEST_F(nsfs, decode_of_another_type_is_stale)
{
	unsigned int all = 0, bit, i;

	for (i = 0; i < NS_KINDS; i++) {
		all |= ns_kinds[i].type;
		if (i == variant->index)
			continue;
		handle_set_ns(&self->ns.fh, self->ns.id, ns_kinds[i].type,
			      self->ns.ino);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("%s", ns_kinds[i].name);
		}
		/* A combination of two types is invalid. */
		handle_set_ns(&self->ns.fh, self->ns.id,
			      self->ns.kind->type | ns_kinds[i].type,
			      self->ns.ino);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("with %s", ns_kinds[i].name);
		}
	}
	for (bit = 0; bit < 32; bit++) {
		if (self->ns.kind->type == 1U << bit)
			continue;
		handle_set_ns(&self->ns.fh, self->ns.id, 1U << bit,
			      self->ns.ino);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("bit %u", bit);
		}
	}
	handle_set_ns(&self->ns.fh, self->ns.id, all, self->ns.ino);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
	handle_set_ns(&self->ns.fh, self->ns.id, UINT_MAX, self->ns.ino);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
}

TEST_F(nsfs, decode_of_another_inode_number_is_stale)
{
	const __u32 others[] = {
		1, 2, self->ns.ino - 1, self->ns.ino + 1, UINT_MAX,
		~self->ns.ino,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		handle_set_ns(&self->ns.fh, self->ns.id, self->ns.kind->type,
			      others[i]);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("inode number %u", others[i]);
		}
	}
}

TEST_F(one, decode_of_extreme_ids_is_stale)
{
	static const __u64 ids[] = {
		UINT_MAX, 1ULL << 32, (__u64)INT64_MAX, 1ULL << 63, UINT64_MAX,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		handle_set_ns(&self->ns.fh, ids[i], self->ns.kind->type,
			      self->ns.ino);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
		handle_set_ns(&self->ns.fh, ids[i], 0, 0);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
	}
}

TEST_F(nsfs, decode_checks_each_bit)
{
	const struct handle fh = self->ns.fh;
	unsigned int bit;

	for (bit = 0; bit < 8 * HANDLE_NSFS; bit++) {
		self->ns.fh = fh;
		self->ns.fh.data[bit / 8] ^= 1 << bit % 8;
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("bit %u", bit);
		}
	}
}

/* Another namespace can have the changed id. It is opened. */
TEST_F(nsfs, decode_checks_each_bit_of_an_id_alone)
{
	unsigned int bit;
	int ret;

	for (bit = 0; bit < 64; bit++) {
		handle_set_ns(&self->ns.fh, self->ns.id ^ 1ULL << bit, 0, 0);
		ret = try_decode(FD_NSFS_ROOT, &self->ns.fh);
		if (ret)
			EXPECT_EQ(ret, -ESTALE) TH_LOG("bit %u", bit);
	}
	for (; bit < 8 * HANDLE_NSFS; bit++) {
		handle_set_ns(&self->ns.fh, self->ns.id, 0, 0);
		self->ns.fh.data[bit / 8] ^= 1 << bit % 8;
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("bit %u", bit);
		}
	}
}

/*
 * The inode is read-only. Flags that apply to new files are ignored, and so
 * are unknown flags.
 */
TEST_F(one, open_flags_of_a_read_only_file)
{
	static const struct {
		unsigned int flags;
		int ret;
	} opens[] = {
		{ O_RDONLY, 0 },
		{ O_WRONLY, -EPERM },
		{ O_RDWR, -EPERM },
		{ O_WRONLY | O_RDWR, -EPERM },
		{ O_TRUNC, -EPERM },
		{ O_CREAT, 0 },
		{ O_CREAT | O_EXCL, -EEXIST },
		{ O_CREAT | O_RDWR, -EPERM },
		{ O_EXCL, 0 },
		{ O_NOCTTY, 0 },
		{ O_APPEND, 0 },
		{ O_NONBLOCK, 0 },
		{ O_DSYNC, 0 },
		{ O_SYNC, 0 },
		{ O_ASYNC, 0 },
		{ O_DIRECT, -EINVAL },
		{ O_LARGEFILE, 0 },
		{ O_DIRECTORY, -ENOTDIR },
		{ O_DIRECTORY | O_CREAT, -EINVAL },
		{ O_NOFOLLOW, 0 },
		{ O_CLOEXEC, 0 },
		{ O_PATH | O_DIRECTORY, -ENOTDIR },
		{ O_TMPFILE, -EINVAL },
		{ O_TMPFILE | O_RDWR, -ENOTDIR },
		{ O_TMPFILE & ~O_DIRECTORY, -EINVAL },
		{ 1U << 27, 0 },
		{ 1U << 31, 0 },
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(opens); i++) {
		fd = decode(FD_NSFS_ROOT, &self->ns.fh, opens[i].flags);
		EXPECT_EQ(fd < 0 ? fd : 0, opens[i].ret) {
			TH_LOG("flags %#x", opens[i].flags);
		}
		if (fd < 0)
			continue;
		EXPECT_TRUE(is_named_by(fd, &self->ns.fh));
		EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		EXPECT_EQ(fcntl(fd, F_GETFD),
			  opens[i].flags & O_CLOEXEC ? FD_CLOEXEC : 0);
		close(fd);
	}
}

TEST_F(one, open_keeps_the_flags_of_the_descriptor)
{
	const unsigned int flags[] = {
		0, O_APPEND, O_NONBLOCK, O_DSYNC, O_SYNC, O_NOFOLLOW,
		O_APPEND | O_NONBLOCK | O_CLOEXEC,
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		fd = decode(FD_NSFS_ROOT, &self->ns.fh, flags[i]);
		ASSERT_GE(fd, 0);
		EXPECT_EQ((unsigned int)fcntl(fd, F_GETFL) & ~KERNEL_O_LARGEFILE,
			  flags[i] & ~O_CLOEXEC) {
			TH_LOG("flags %#x", flags[i]);
		}
		close(fd);
	}
}

static int decode_noatime_in_child(void *arg)
{
	const struct decode_args *args = arg;
	int fd = decode(args->dfd, args->fh, O_NOATIME);

	return fd < 0 ? fd : 0;
}

/* O_NOATIME requires the owner of the inode. */
TEST_F(one, only_root_opens_without_access_time)
{
	struct decode_args args = { .dfd = FD_NSFS_ROOT, .fh = &self->ns.fh };
	int own;

	if (!is_root())
		SKIP(return, NEEDS_INITIAL_ROOT);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, O_NOATIME);

	own = ns_own(self->ns.kind);
	ASSERT_GE(own, 0);
	ASSERT_EQ(encode(own, &self->ns.fh), 0);
	EXPECT_EQ(run_as(WHO_USER, 0, decode_in_child, &args), 0);
	EXPECT_EQ(run_as(WHO_USER, 0, decode_noatime_in_child, &args), -EPERM);
}

/* An O_PATH descriptor supports no ioctl and cannot be an anchor. */
TEST_F(one, open_as_path)
{
	struct stat st;
	__u64 id;
	int fd;

	fd = decode(FD_NSFS_ROOT, &self->ns.fh, O_PATH | O_CLOEXEC | O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_ino, self->ns.ino);
	EXPECT_EQ(ioctl(fd, NS_GET_ID, &id), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(decode(fd, &self->ns.fh, 0), -EBADF);
	EXPECT_EQ(setns(fd, 0), -1);
	EXPECT_EQ(errno, EBADF);
}

TEST_F(one, handle_is_checked_before_the_flags)
{
	ASSERT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, O_DIRECTORY), -ENOTDIR);
	handle_set_ns(&self->ns.fh, self->ns.id, self->ns.kind->type, 1);
	EXPECT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, O_DIRECTORY), -ESTALE);
	EXPECT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, O_RDWR), -ESTALE);
	EXPECT_EQ(decode(-1, &self->ns.fh, O_DIRECTORY), -EBADF);
}

TEST_F(one, opened_namespace_cannot_be_read_or_written)
{
	char c = 0;
	int fd = decode(FD_NSFS_ROOT, &self->ns.fh, O_RDONLY);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(read(fd, &c, 1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(write(fd, &c, 1), -1);
	EXPECT_EQ(errno, EBADF);
}

TEST_HARNESS_MAIN
