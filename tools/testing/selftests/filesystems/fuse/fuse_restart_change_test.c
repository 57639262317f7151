// SPDX-License-Identifier: GPL-2.0
/*
 * Requests in flight when a server dies that change names, attributes, data or locks, or
 * depend on an offset. Some of them must not be executed again.
 */
#define _GNU_SOURCE
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "fuse_changes.h"
#include "fuse_in_flight_fixture.h"
#include "fuse_restart_fixture.h"

static struct changes changes;

static int make_directory(struct server *s)
{
	char path[256];

	path_of(s, "d1/new", path, sizeof(path));
	return mkdir(path, 0755) ? -errno : 0;
}

static int do_unlink(struct server *s, int fd __maybe_unused)
{
	char path[256];

	path_of(s, "d1/file", path, sizeof(path));
	return unlink(path) ? -errno : 0;
}

static int do_rmdir(struct server *s, int fd __maybe_unused)
{
	char path[256];

	path_of(s, "d1/new", path, sizeof(path));
	return rmdir(path) ? -errno : 0;
}

static int try_rename(struct server *s, const char *from, const char *to,
		      unsigned int flags)
{
	char old[256], new[256];

	path_of(s, from, old, sizeof(old));
	path_of(s, to, new, sizeof(new));
	return renameat2(AT_FDCWD, old, AT_FDCWD, new, flags) ? -errno : 0;
}

static int do_rename(struct server *s, int fd __maybe_unused)
{
	return try_rename(s, "file", "d1/new", 0);
}

static int do_replace(struct server *s, int fd __maybe_unused)
{
	return try_rename(s, "file", "d1/file", 0);
}

static int do_rename_noreplace(struct server *s, int fd __maybe_unused)
{
	return try_rename(s, "file", "d1/new", RENAME_NOREPLACE);
}

static int do_exchange(struct server *s, int fd __maybe_unused)
{
	return try_rename(s, "file", "d1/file", RENAME_EXCHANGE);
}

static int do_setxattr(struct server *s __maybe_unused, int fd)
{
	return fsetxattr(fd, ATTRIBUTE, "value", 5, XATTR_CREATE) ? -errno : 0;
}

static int do_removexattr(struct server *s __maybe_unused, int fd)
{
	return fremovexattr(fd, ATTRIBUTE) ? -errno : 0;
}

/* I/O on the file fails if its lock is lost. */
static int lock_and_read(int fd, int command)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int ret;

	if (fcntl(fd, command, &lock))
		return -errno;
	ret = read_object(fd, NULL);
	return ret == 2 ? 0 : ret < 0 ? ret : -EBADMSG;
}

static int do_lock(struct server *s __maybe_unused, int fd)
{
	return lock_and_read(fd, F_SETLK);
}

static int do_lock_wait(struct server *s __maybe_unused, int fd)
{
	return lock_and_read(fd, F_SETLKW);
}

static int do_flock(struct server *s __maybe_unused, int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) ? -errno : 0;
}

static int do_flock_wait(struct server *s __maybe_unused, int fd)
{
	return flock(fd, LOCK_EX) ? -errno : 0;
}

static int do_fsync(struct server *s __maybe_unused, int fd)
{
	return fsync(fd) ? -errno : 0;
}

static int do_fallocate(struct server *s __maybe_unused, int fd)
{
	return fallocate(fd, 0, 100, 23) ? -errno : 0;
}

/* Returns the number of bytes. */
static int do_copy(struct server *s, int fd)
{
	loff_t from = 2, to = 0;
	int out, ret;

	out = try_open(s, "other", O_RDWR);
	if (out < 0)
		return out;
	ret = copy_file_range(fd, &from, out, &to, 4, 0);
	return ret < 0 ? -errno : ret;
}

static int do_seek(struct server *s __maybe_unused, int fd)
{
	off_t found = lseek(fd, 5, SEEK_HOLE);

	return found < 0 ? -errno : found;
}

/* Returns the value of the counter. */
static int do_counter_get(struct server *s __maybe_unused, int fd)
{
	__u32 value = 0;

	return ioctl(fd, COUNTER_GET, &value) ? -errno : (int)value;
}

static int do_counter_add(struct server *s __maybe_unused, int fd)
{
	__u32 value = 7;

	return ioctl(fd, COUNTER_ADD, &value) ? -errno : (int)value;
}

/* Returns the inode number of the next entry, or 0. */
static int next_entry(int fd)
{
	/* There is room for one entry. */
	union {
		struct {
			__u64 ino;
			__u64 offset;
		} entry;
		char bytes[32];
	} buf;
	long len = syscall(__NR_getdents64, fd, &buf, sizeof(buf));

	return len < 0 ? -errno : len ? (int)buf.entry.ino : 0;
}

static int do_next_entry(struct server *s __maybe_unused, int fd)
{
	return next_entry(fd);
}

/* A request that was executed must not be executed again. */
#define EXPECT_ONCE(opcode)							\
	({									\
		EXPECT_EQ(1, self->s->repeated);				\
		EXPECT_EQ(1, changes.executed[opcode]);				\
	})

/* A request is executed by the new server as well. */
#define EXPECT_AGAIN(opcode)							\
	({									\
		EXPECT_EQ(1, self->s->repeated);				\
		EXPECT_EQ(1 + variant->done, changes.executed[opcode]);		\
	})

/* Returns the inode number of a name, or a negative errno. */
static int inode_of(struct server *s, const char *name)
{
	char path[256];
	struct stat st;

	path_of(s, name, path, sizeof(path));
	return stat(path, &st) ? -errno : (int)st.st_ino;
}

/* The object "d1/file" */
#define D1_FILE	5

TEST_F(in_flight, unlink)
{
	struct server *s = self->s;

	execute_changes(s, &changes);
	ASSERT_EQ(D1_FILE, inode_of(s, "d1/file"));
	EXPECT_EQ(0, INTERRUPTED(do_unlink, FUSE_UNLINK, -1));
	EXPECT_ONCE(FUSE_UNLINK);
	EXPECT_EQ(-ENOENT, inode_of(s, "d1/file"));
	EXPECT_FALSE(s->objects[D1_FILE].exists);
	EXPECT_EQ(1, list_names(s, "d1", true));
}

TEST_F(in_flight, rmdir)
{
	struct server *s = self->s;

	execute_changes(s, &changes);
	ASSERT_EQ(0, make_directory(s));
	EXPECT_EQ(0, INTERRUPTED(do_rmdir, FUSE_RMDIR, -1));
	EXPECT_ONCE(FUSE_RMDIR);
	EXPECT_EQ(-ENOENT, inode_of(s, "d1/new"));
	EXPECT_EQ(2, list_names(s, "d1", true));
}

/* The open file remains the same. */
TEST_F(in_flight, rename)
{
	struct server *s = self->s;
	int fd;

	execute_changes(s, &changes);
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, INTERRUPTED(do_rename, FUSE_RENAME, -1));
	EXPECT_ONCE(FUSE_RENAME);
	EXPECT_EQ(-ENOENT, inode_of(s, "file"));
	EXPECT_EQ(2, inode_of(s, "d1/new"));
	EXPECT_EQ(2, read_object(fd, NULL));
	close(fd);
}

TEST_F(in_flight, rename_over_another)
{
	struct server *s = self->s;

	execute_changes(s, &changes);
	EXPECT_EQ(0, INTERRUPTED(do_replace, FUSE_RENAME, -1));
	EXPECT_ONCE(FUSE_RENAME);
	EXPECT_EQ(-ENOENT, inode_of(s, "file"));
	EXPECT_EQ(2, inode_of(s, "d1/file"));
	EXPECT_FALSE(s->objects[D1_FILE].exists);
}

TEST_F(in_flight, rename_noreplace)
{
	struct server *s = self->s;

	execute_changes(s, &changes);
	EXPECT_EQ(0, INTERRUPTED(do_rename_noreplace, FUSE_RENAME2, -1));
	EXPECT_ONCE(FUSE_RENAME2);
	EXPECT_EQ(-ENOENT, inode_of(s, "file"));
	EXPECT_EQ(2, inode_of(s, "d1/new"));
}

/* The state of the filesystem does not show whether names were exchanged. */
TEST_F(in_flight, exchange)
{
	struct server *s = self->s;

	execute_changes(s, &changes);
	EXPECT_EQ(0, INTERRUPTED(do_exchange, FUSE_RENAME2, -1));
	EXPECT_ONCE(FUSE_RENAME2);
	EXPECT_EQ(D1_FILE, inode_of(s, "file"));
	EXPECT_EQ(2, inode_of(s, "d1/file"));
}

TEST_F(in_flight, extended_attribute)
{
	struct server *s = self->s;
	char value[16];
	int fd;

	execute_changes(s, &changes);
	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, INTERRUPTED(do_setxattr, FUSE_SETXATTR, fd));
	EXPECT_ONCE(FUSE_SETXATTR);
	EXPECT_EQ(5, fgetxattr(fd, ATTRIBUTE, value, sizeof(value)));
	EXPECT_EQ(0, memcmp(value, "value", 5));
	s->repeated = 0;
	EXPECT_EQ(0, INTERRUPTED(do_removexattr, FUSE_REMOVEXATTR, fd));
	EXPECT_ONCE(FUSE_REMOVEXATTR);
	EXPECT_EQ(-1, fgetxattr(fd, ATTRIBUTE, value, sizeof(value)));
	EXPECT_EQ(ENODATA, errno);
	close(fd);
}

/*
 * The new server has the lock: I/O does not fail. The process that took the lock exits,
 * which unlocks the file.
 */
TEST_F(in_flight, posix_lock)
{
	static const struct {
		operation_t *run;
		__u32 opcode;
	} operations[] = {
		{ do_lock, FUSE_SETLK },
		{ do_lock_wait, FUSE_SETLKW },
	};
	struct server *s = self->s;
	unsigned int i;
	int fd;

	execute_changes(s, &changes);
	ASSERT_EQ(0, RESTART_WITH(s->init_flags |= FUSE_POSIX_LOCKS));
	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		fd = try_open(s, "file", O_RDWR);
		ASSERT_GE(fd, 0);
		s->repeated = 0;
		memset(&changes, 0, sizeof(changes));
		EXPECT_EQ(0, INTERRUPTED(operations[i].run, operations[i].opcode,
					 fd));
		EXPECT_EQ(1, s->repeated);
		/* The request to unlock the file may follow. */
		EXPECT_GE(changes.executed[operations[i].opcode],
			  1 + variant->done);
		EXPECT_EQ(s->generation, changes.lock_server);
		close(fd);
	}
}

/* The new server has not opened the file, and must release the lock. */
TEST_F(in_flight, flock_until_close)
{
	struct server *s = self->s;
	int fd;

	execute_changes(s, &changes);
	ASSERT_EQ(0, RESTART_WITH(s->init_flags |= FUSE_FLOCK_LOCKS));
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, INTERRUPTED(do_flock, FUSE_SETLK, fd));
	EXPECT_EQ(0, count(s, FUSE_OPEN));
	close(fd);
	EXPECT_TRUE(wait_for(&s->requests[FUSE_RELEASE], 1));
	/* Without a lock, there is nothing to release. */
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, take_over(s));
	close(fd);
	ASSERT_EQ(0, try_stat(s, "file"));
	EXPECT_EQ(0, s->requests[FUSE_RELEASE]);
}

TEST_F(in_flight, flock)
{
	static const struct {
		operation_t *run;
		__u32 opcode;
	} operations[] = {
		{ do_flock, FUSE_SETLK },
		{ do_flock_wait, FUSE_SETLKW },
	};
	struct server *s = self->s;
	unsigned int i;
	int fd, other;

	execute_changes(s, &changes);
	ASSERT_EQ(0, RESTART_WITH(s->init_flags |= FUSE_FLOCK_LOCKS));
	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		fd = try_open(s, "file", O_RDONLY);
		other = try_open(s, "file", O_RDONLY);
		ASSERT_GE(fd, 0);
		ASSERT_GE(other, 0);
		s->repeated = 0;
		memset(&changes, 0, sizeof(changes));
		EXPECT_EQ(0, INTERRUPTED(operations[i].run, operations[i].opcode,
					 fd));
		EXPECT_AGAIN(operations[i].opcode);
		EXPECT_EQ(s->generation, changes.lock_server);
		EXPECT_EQ(-1, flock(other, LOCK_EX | LOCK_NB));
		EXPECT_EQ(EWOULDBLOCK, errno);
		EXPECT_EQ(2, read_object(fd, NULL));
		EXPECT_EQ(0, flock(fd, LOCK_UN));
		EXPECT_EQ(0, flock(other, LOCK_EX | LOCK_NB));
		EXPECT_EQ(2, read_object(other, NULL));
		close(other);
		close(fd);
	}
}

/* Opens "file", and executes an operation on it again. Returns its result. */
#define AGAIN(run, opcode)							\
	({									\
		__u32 __opcode = (opcode);					\
		int __fd, __ret;						\
										\
		execute_changes(self->s, &changes);				\
		__fd = try_open(self->s, "file", O_RDWR);			\
		ASSERT_GE(__fd, 0);						\
		__ret = INTERRUPTED(run, __opcode, __fd);			\
		EXPECT_AGAIN(__opcode);						\
		close(__fd);							\
		__ret;								\
	})

TEST_F(in_flight, fsync)
{
	EXPECT_EQ(0, AGAIN(do_fsync, FUSE_FSYNC));
}

TEST_F(in_flight, fallocate)
{
	EXPECT_EQ(0, AGAIN(do_fallocate, FUSE_FALLOCATE));
	EXPECT_EQ(123, changes.allocated);
}

TEST_F(in_flight, copy_file_range)
{
	EXPECT_EQ(4, AGAIN(do_copy, FUSE_COPY_FILE_RANGE_64));
	EXPECT_EQ(2, changes.copied_from);
	EXPECT_EQ(3, changes.copied_to);
}

/* A new server has opened neither file: both are opened again. */
TEST_F(restart, copy_between_files_of_a_former_server)
{
	struct server *s = self->s;
	loff_t from = 2, to = 0;
	int in, out;

	execute_changes(s, &changes);
	ASSERT_EQ(0, RESTART_WITH(s->init_flags |= FUSE_FLOCK_LOCKS));
	in = try_open(s, "file", O_RDONLY);
	out = try_open(s, "other", O_RDWR);
	ASSERT_GE(in, 0);
	ASSERT_GE(out, 0);
	ASSERT_EQ(0, take_over(s));
	s->reopened = 0;
	EXPECT_EQ(4, copy_file_range(in, &from, out, &to, 4, 0));
	EXPECT_EQ(2, changes.copied_from);
	EXPECT_EQ(3, changes.copied_to);
	EXPECT_EQ(2, s->reopened);
	EXPECT_EQ(0, s->by_handle);
	close(out);
	close(in);
}

/* The lock of either file that is lost prevents the copy. */
TEST_F(restart, copy_without_a_lock)
{
	struct server *s = self->s;
	int fds[2], i;

	execute_changes(s, &changes);
	ASSERT_EQ(0, RESTART_WITH(s->init_flags |= FUSE_FLOCK_LOCKS));
	for (i = 0; i < 2; i++) {
		fds[0] = try_open(s, "file", O_RDONLY);
		fds[1] = try_open(s, "other", O_RDWR);
		ASSERT_GE(fds[0], 0);
		ASSERT_GE(fds[1], 0);
		ASSERT_EQ(0, flock(fds[i], LOCK_EX));
		ASSERT_EQ(0, take_over(s));
		EXPECT_EQ(-1, copy_file_range(fds[0], NULL, fds[1], NULL, 4, 0));
		EXPECT_EQ(EIO, errno);
		close(fds[1]);
		close(fds[0]);
	}
}

TEST_F(in_flight, lseek)
{
	EXPECT_EQ(5 + HOLE_AFTER, AGAIN(do_seek, FUSE_LSEEK));
}

/* One command can be executed again, the other one cannot. */
TEST_F(in_flight, ioctl)
{
	struct server *s = self->s;
	int fd;

	execute_changes(s, &changes);
	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	changes.counter = 3;
	EXPECT_EQ(3, INTERRUPTED(do_counter_get, FUSE_IOCTL, fd));
	EXPECT_EQ(1, s->repeated);
	EXPECT_EQ(10, INTERRUPTED(do_counter_add, FUSE_IOCTL, fd));
	EXPECT_EQ(2, s->repeated);
	EXPECT_EQ(10, changes.counter);
	EXPECT_EQ(10, do_counter_get(s, fd));
	close(fd);
}

/* Each entry is listed once, the second one by the new server. */
TEST_F(in_flight, directory_at_an_offset)
{
	static const __u64 flags[] = { 0, FUSE_DO_READDIRPLUS };
	struct server *s = self->s;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		ASSERT_EQ(0, RESTART_WITH({
			s->init_flags &= ~FUSE_DO_READDIRPLUS;
			s->init_flags |= flags[i];
		}));
		fd = try_open(s, "d1", O_RDONLY | O_DIRECTORY);
		ASSERT_GE(fd, 0);
		s->repeated = 0;
		EXPECT_EQ(D1_FILE, next_entry(fd));
		EXPECT_EQ(D1_FILE + 1,
			  INTERRUPTED(do_next_entry,
				      flags[i] ? FUSE_READDIRPLUS : FUSE_READDIR, fd));
		EXPECT_EQ(1, s->repeated);
		EXPECT_EQ(0, next_entry(fd));
		close(fd);
	}
}

/* A server that executes repeated requests again: it explains the errors. */
TEST_F(in_flight, changes_by_naive_server)
{
	static const struct {
		operation_t *run;
		__u32 opcode;
		int error;
	} operations[] = {
		{ do_unlink, FUSE_UNLINK, ENOENT },
		{ do_rmdir, FUSE_RMDIR, ENOENT },
		{ do_setxattr, FUSE_SETXATTR, EEXIST },
		{ do_removexattr, FUSE_REMOVEXATTR, ENODATA },
		{ do_rename, FUSE_RENAME, ENOENT },
	};
	struct server *s = self->s;
	unsigned int i;
	int fd;

	execute_changes(s, &changes);
	s->naive = true;
	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, make_directory(s));
	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		EXPECT_EQ(variant->done ? operations[i].error : 0,
			  INTERRUPTED(operations[i].run, operations[i].opcode, fd)) {
			TH_LOG("opcode %u", operations[i].opcode);
		}
		EXPECT_EQ(i + 1, s->repeated);
	}
	close(fd);
}

TEST_HARNESS_MAIN
