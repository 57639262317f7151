// SPDX-License-Identifier: GPL-2.0
/*
 * What changes while no server runs: attributes of cached files, and locks that the
 * server held.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/file.h>

#include "fuse_interrupted.h"

FIXTURE(state)
{
	struct server *s;
	int mount_fd;
};

FIXTURE_VARIANT(state)
{
	__u64 flags;
};

FIXTURE_VARIANT_ADD(state, sync) { 0 };
FIXTURE_VARIANT_ADD(state, async_read) { FUSE_ASYNC_READ };
FIXTURE_VARIANT_ADD(state, async_dio) { FUSE_ASYNC_READ | FUSE_ASYNC_DIO };
FIXTURE_VARIANT_ADD(state, writeback) { FUSE_ASYNC_READ | FUSE_WRITEBACK_CACHE };

FIXTURE_SETUP(state)
{
	struct server *s;

	begin_replaceable(_metadata, &self->s, &self->mount_fd);
	if (was_skipped(_metadata))
		return;
	s = self->s;
	s->cached = true;
	ASSERT_EQ(0, RESTART_WITH(s->init_flags |= variant->flags |
				  FUSE_AUTO_INVAL_DATA | FUSE_FLOCK_LOCKS |
				  FUSE_POSIX_LOCKS));
	ASSERT_EQ(0, try_stat(s, "."));
}

FIXTURE_TEARDOWN(state)
{
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
}

/* Replaces the server. In between, "file" is modified. */
static int modify(struct server *s)
{
	leave_server(s);
	s->objects[2].mtime++;
	return enter_server(s);
}

/*
 * The inode is looked up again by a request for which pages are locked. They must not
 * be invalidated then.
 */
TEST_F(state, read)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, modify(s));
	EXPECT_EQ(2, read_object(fd, NULL));
	ASSERT_EQ(0, modify(s));
	EXPECT_EQ(2, read_object(fd, NULL));
	/* If the kernel caches writes, the time of the server does not count. */
	if (!(variant->flags & FUSE_WRITEBACK_CACHE))
		EXPECT_EQ(1, count(s, FUSE_READ));
	close(fd);
}

TEST_F(state, page_fault)
{
	struct server *s = self->s;
	char *page;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, madvise(page, 4096, MADV_RANDOM));
	ASSERT_EQ(0, modify(s));
	EXPECT_EQ(0, strncmp(page, "object 2 ", 9));
	munmap(page, 4096);
	close(fd);
}

TEST_F(state, write)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(2, read_object(fd, NULL));
	ASSERT_EQ(0, modify(s));
	EXPECT_EQ(1, pwrite(fd, "o", 1, 0));
	EXPECT_EQ(0, fsync(fd));
	ASSERT_EQ(0, modify(s));
	EXPECT_EQ(2, read_object(fd, NULL));
	close(fd);
}

/* The new server cannot invalidate attributes, so they are requested again. */
TEST_F(state, attributes)
{
	struct server *s = self->s;
	struct stat before, after;
	unsigned long nr;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fstat(fd, &before));
	leave_server(s);
	s->objects[2].mode = S_IFREG | 0600;
	s->objects[2].mtime += 10;
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(0, fstat(fd, &after));
	EXPECT_EQ(S_IFREG | 0600, after.st_mode);
	/* The kernel is the authority for the time if it caches writes. */
	if (!(variant->flags & FUSE_WRITEBACK_CACHE))
		EXPECT_EQ(before.st_mtime + 10, after.st_mtime);
	nr = count_all(s);
	ASSERT_EQ(0, fstat(fd, &after));
	EXPECT_EQ(nr, count_all(s));
	close(fd);
}

/* Opens the current directory without capabilities. */
static int open_here(struct server *s __maybe_unused, int fd)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(__NR_capset, &header, none))
		return -errno;
	fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* The mode of a former server does not permit anything. No name is looked up. */
TEST_F(state, permission_of_current_directory)
{
	struct server *s = self->s;
	int cwd, dir;

	ASSERT_EQ(0, RESTART_WITH(s->default_permissions = true));
	cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(cwd, 0);
	dir = try_open(s, "d1", O_PATH | O_DIRECTORY);
	ASSERT_GE(dir, 0);
	ASSERT_EQ(0, fchdir(dir));
	EXPECT_EQ(0, end_operation(begin_operation(s, open_here, -1)));
	leave_server(s);
	s->objects[4].mode = S_IFDIR | 0077;
	EXPECT_EQ(0, enter_server(s));
	EXPECT_EQ(EACCES, end_operation(begin_operation(s, open_here, -1)));
	EXPECT_EQ(0, fchdir(cwd));
	close(dir);
	close(cwd);
}

/* STATX_BTIME sends FUSE_STATX. The server checks the IDs and the handle in it. */
TEST_F(state, birth_time)
{
	struct server *s = self->s;
	struct statx stx;
	unsigned int i;
	int fd;

	s->statx_mask |= STATX_BTIME;
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	for (i = 0; i < 3; i++) {
		/* Each server but the first one looks up the inode again. */
		if (i)
			ASSERT_EQ(0, take_over(s));
		ASSERT_EQ(0, sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC,
				       STATX_BTIME, &stx));
		EXPECT_TRUE(stx.stx_mask & STATX_BTIME);
		EXPECT_EQ(2, stx.stx_ino);
		EXPECT_EQ(1, count(s, FUSE_STATX));
		EXPECT_EQ(1, count_inner(s, FUSE_LOOKUP_HANDLE));
		EXPECT_EQ(i + 1, s->with_handles[FUSE_STATX]);
	}
	EXPECT_EQ(0, s->by_handle);
	EXPECT_EQ(0, s->violations);
	close(fd);
}

/* A process that relies on a lock must not read or write without it. */
TEST_F(state, lost_flock)
{
	struct server *s = self->s;
	int fd, unlocked, new;

	fd = try_open(s, "file", O_RDWR);
	unlocked = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_GE(unlocked, 0);
	ASSERT_EQ(0, flock(unlocked, LOCK_EX));
	ASSERT_EQ(0, flock(unlocked, LOCK_UN));
	ASSERT_EQ(0, flock(fd, LOCK_EX));
	/* The pages are in memory. */
	ASSERT_EQ(2, read_object(fd, NULL));
	ASSERT_EQ(0, take_over(s));
	EXPECT_EQ(-EIO, read_object(fd, NULL));
	EXPECT_EQ(-1, pwrite(fd, "x", 1, 0));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, ftruncate(fd, 0));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, flock(fd, LOCK_UN));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(2, read_object(unlocked, NULL));
	EXPECT_EQ(0, close(fd));
	new = try_open(s, "file", O_RDWR);
	EXPECT_EQ(0, flock(new, LOCK_EX));
	EXPECT_EQ(2, read_object(new, NULL));
	close(new);
	close(unlocked);
}

/* The new server replies to FUSE_OPEN with ENOSYS. Its FUSE_FSYNC is used. */
TEST_F(state, server_without_open)
{
	struct server *s = self->s;
	int fd, dir;

	fd = try_open(s, "file", O_RDWR);
	dir = try_open(s, "d1", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	ASSERT_GE(dir, 0);
	leave_server(s);
	s->no_open = true;
	ASSERT_EQ(0, enter_server(s));
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(1, count(s, FUSE_FSYNC));
	EXPECT_EQ(2, read_object(fd, NULL));
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(2, count(s, FUSE_FSYNC));
	EXPECT_EQ(0, fsync(dir));
	EXPECT_EQ(1, count(s, FUSE_FSYNCDIR));
	close(dir);
	close(fd);
	/* The server has read the releases before it reads this request. */
	EXPECT_EQ(0, try_stat(s, "other"));
	EXPECT_EQ(0, count(s, FUSE_RELEASE) + count(s, FUSE_RELEASEDIR));
}

static void answer_with_the_root(struct server *s __maybe_unused, struct message *m)
{
	__u64 root = FUSE_ROOT_ID;

	memcpy(m->data + SUB_HEADER, &root, sizeof(root));
}

/* The root, whose handle is not known, is not forgotten. */
TEST_F(state, inode_becomes_the_root)
{
	struct server *s = self->s;
	int fd;

	ASSERT_EQ(0, RESTART_WITH(s->unknown = ROOT));
	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	s->spoil = answer_with_the_root;
	ASSERT_EQ(0, take_over(s));
	EXPECT_EQ(-1, fsync(fd));
	EXPECT_EQ(EIO, errno);
	s->spoil = NULL;
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(0, s->root_forgets);
	close(fd);
}

static int do_read(struct server *s __maybe_unused, int fd)
{
	return read_object(fd, NULL);
}

/* A request in flight relies on the lock as well. */
TEST_F(state, lost_flock_in_flight)
{
	struct server *s = self->s;
	pid_t pid;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, flock(fd, LOCK_EX));
	s->swallow = FUSE_READ;
	pid = begin_operation(s, do_read, fd);
	ASSERT_GT(pid, 0);
	ASSERT_TRUE(wait_swallowed(s));
	ASSERT_EQ(0, take_over(s));
	EXPECT_EQ(EIO, end_operation(pid));
	EXPECT_EQ(0, count(s, FUSE_READ));
	close(fd);
}

static int do_flock(struct server *s __maybe_unused, int fd)
{
	return flock(fd, LOCK_EX) ? -errno : 0;
}

/* The new server has executed the repeated request. Nothing has renewed the file yet. */
TEST_F(state, lock_of_the_new_server)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDWR | O_DIRECT);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, interrupted(_metadata, s, do_flock, FUSE_SETLKW, true, fd));
	EXPECT_EQ(1, pwrite(fd, "o", 1, 0));
	EXPECT_EQ(2, read_object(fd, NULL));
	close(fd);
}

static int posix_lock(int fd, int type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(fd, F_SETLK, &lock) ? -errno : 0;
}

/* An flock that is released does not hide a POSIX lock. */
TEST_F(state, lost_posix_lock)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, posix_lock(fd, F_WRLCK));
	ASSERT_EQ(0, flock(fd, LOCK_EX));
	ASSERT_EQ(0, flock(fd, LOCK_UN));
	ASSERT_EQ(2, read_object(fd, NULL));
	ASSERT_EQ(0, take_over(s));
	EXPECT_EQ(-EIO, read_object(fd, NULL));
	EXPECT_EQ(-EIO, posix_lock(fd, F_UNLCK));
	close(fd);
}

/* Data and times that were written before the lock was lost are written back. */
TEST_F(state, write_back_without_lock)
{
	struct server *s = self->s;
	int fd, other;

	if (!(variant->flags & FUSE_WRITEBACK_CACHE))
		SKIP(return, "needs FUSE_WRITEBACK_CACHE");
	other = try_open(s, "file", O_RDWR);
	/* The kernel writes back with the file that was opened last. */
	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_GE(other, 0);
	ASSERT_EQ(0, flock(fd, LOCK_EX));
	ASSERT_EQ(1, pwrite(fd, "o", 1, 0));
	ASSERT_EQ(0, take_over(s));
	EXPECT_EQ(-EIO, read_object(fd, NULL));
	EXPECT_EQ(0, fsync(other));
	EXPECT_EQ(1, count(s, FUSE_WRITE));
	EXPECT_EQ(1, count(s, FUSE_SETATTR));
	close(other);
	close(fd);
}

/* The backing files of a former server are not known to the next one. */
TEST_F(state, passthrough)
{
	struct server *s = self->s;

	if (!(s->init_offer & FUSE_PASSTHROUGH))
		SKIP(return, "needs CONFIG_FUSE_PASSTHROUGH");
	if (variant->flags & FUSE_WRITEBACK_CACHE)
		SKIP(return, "the kernel refuses passthrough and writeback");
	s->max_stack_depth = 1;
	ASSERT_EQ(0, RESTART_WITH(s->init_flags |= FUSE_PASSTHROUGH));
	ASSERT_EQ(0, try_stat(s, "."));
	EXPECT_EQ(-EOPNOTSUPP, notify(s, FUSE_NOTIFY_RESTART, NULL, 0));
	EXPECT_EQ(0, try_stat(s, "file"));
}

TEST_HARNESS_MAIN
