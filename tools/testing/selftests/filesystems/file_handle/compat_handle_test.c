// SPDX-License-Identifier: GPL-2.0
/*
 * The system calls of file handles as a 32-bit program makes them: they give
 * what those of a 64-bit one give. On x86, a 64-bit program can make them, too.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "nsfs.h"

/* The numbers that a 32-bit program has for them. */
#define NR32_GETPID			20
#define NR32_NAME_TO_HANDLE_AT		341
#define NR32_OPEN_BY_HANDLE_AT		342

/* What a 64-bit program does not have to ask for, and libc hides. */
#define KERNEL_O_LARGEFILE		00100000

#ifdef __x86_64__

static int call32(int nr, long arg1, const void *arg2, const void *arg3,
		  const void *arg4, long arg5)
{
	int ret;

	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "a" (nr), "b" (arg1), "c" (arg2), "d" (arg3),
		       "S" (arg4), "D" (arg5)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

/* What there is no entry for ends the process. */
static bool have_call32(void)
{
	pid_t pid = clone_child(0, NULL);

	if (!pid)
		_exit(call32(NR32_GETPID, 0, NULL, NULL, NULL, 0) != getpid());
	return pid > 0 && reap_child(pid) == 0;
}

#else

static int call32(int nr __maybe_unused, long arg1 __maybe_unused,
		  const void *arg2 __maybe_unused,
		  const void *arg3 __maybe_unused,
		  const void *arg4 __maybe_unused, long arg5 __maybe_unused)
{
	return -EOPNOTSUPP;
}

static bool have_call32(void)
{
	return false;
}

#endif

static int encode32(int dfd, const char *name, void *fh, void *mnt_id,
		    unsigned int flags)
{
	return call32(NR32_NAME_TO_HANDLE_AT, dfd, name, fh, mnt_id, flags);
}

static int decode32(int dfd, const void *fh, unsigned long flags)
{
	return call32(NR32_OPEN_BY_HANDLE_AT, dfd, fh, (void *)flags, NULL, 0);
}

/* What the calls point to, where a 32-bit program can have it. */
struct memory {
	char empty[8];
	struct handle fh;
	union {
		int mnt_id;
		__u64 unique_id;
	};
};

FIXTURE(compat)
{
	struct memory *mem;
	int pidfd;
	int ns;
	int file;
};

FIXTURE_SETUP(compat)
{
	self->mem = NULL;
	if (!have_call32())
		SKIP(return, "the kernel takes no 32-bit system calls");
#ifdef MAP_32BIT
	self->mem = mmap(NULL, sizeof(*self->mem), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
#endif
	ASSERT_NE(self->mem, NULL);
	ASSERT_NE(self->mem, MAP_FAILED);
	self->pidfd = sys_pidfd_open(getpid(), 0);
	ASSERT_GE(self->pidfd, 0);
	self->ns = ns_own(&ns_kinds[NS_UTS]);
	ASSERT_GE(self->ns, 0);
	self->file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
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

TEST_F(compat, names_what_the_native_call_names)
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
		mem->fh.bytes = HANDLE_MAX;
		EXPECT_EQ(encode32(fds[i], mem->empty, &mem->fh,
				   &mem->unique_id, AT_EMPTY_PATH |
				   AT_HANDLE_MNT_ID_UNIQUE), 0);
		EXPECT_TRUE(same_handle(&native, &mem->fh));
		EXPECT_EQ(mem->unique_id, unique_id);

		native.bytes = HANDLE_MAX;
		ASSERT_EQ(encode_at(fds[i], "", &native, &mnt_id,
				    AT_EMPTY_PATH), 0);
		mem->fh.bytes = HANDLE_MAX;
		memset(&mem->unique_id, CANARY, sizeof(mem->unique_id));
		EXPECT_EQ(encode32(fds[i], mem->empty, &mem->fh,
				   &mem->mnt_id, AT_EMPTY_PATH), 0);
		EXPECT_TRUE(same_handle(&native, &mem->fh));
		EXPECT_EQ(mem->mnt_id, mnt_id);
		/* Four bytes, and not one more. */
		EXPECT_EQ(((__u32 *)&mem->unique_id)[1], CANARY * 0x01010101U);
	}
}

TEST_F(compat, opens_what_the_native_call_opens)
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

/* A 32-bit program has to ask for files that are larger than it can tell. */
TEST_F(compat, does_not_ask_for_large_files)
{
	int fd;

	if (geteuid())
		SKIP(return, "needs root, to open a file by handle");
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

TEST_F(compat, refuses_what_the_native_call_refuses)
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
