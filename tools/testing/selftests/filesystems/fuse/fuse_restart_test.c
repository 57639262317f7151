// SPDX-License-Identifier: GPL-2.0
/*
 * The handles in each request, and servers that are replaced under their mount.
 * The server checks the handles, nodeids and IDs of open files in each request.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include "../file_handle/failslab.h"
#include "fuse_session.h"

/* <linux/fs.h> and <sys/mount.h> cannot both be included. */
#ifndef FS_IOC_GETFLAGS
#define FS_IOC_GETFLAGS	_IOR('f', 1, long)
#endif

/* The object "d1" */
#define D1	4

/* Changes the behaviour of the server, which the former one must not show. */
#define RESTART_WITH(change)			\
	({					\
		close(self->mount_fd);		\
		stop_server(self->s);		\
		change;				\
		self->mount_fd = -1;		\
		RESTART();			\
	})

FIXTURE(restart)
{
	struct server *s;
	int mount_fd;
};

FIXTURE_SETUP(restart)
{
	const char *reason = fuse_missing();

	if (reason)
		SKIP(return, "%s", reason);
	begin(_metadata, &self->s, &self->mount_fd);
	/* begin() has skipped the test. */
	if (_metadata->exit_code == KSFT_SKIP)
		return;
	ASSERT_EQ(0, RESTART_WITH(self->s->init_flags |= FUSE_REQUEST_HANDLE));
	ASSERT_EQ(0, try_stat(self->s, "."));
	ASSERT_TRUE(self->s->init_offer & FUSE_REQUEST_HANDLE);
}

FIXTURE_TEARDOWN(restart)
{
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
}

/* Runs operations that name one or two inodes. Most of them are not implemented. */
static void use_everything(struct __test_metadata *const _metadata,
			   struct server *s)
{
	char path[256], other[256], buf[64] = "";
	struct pollfd pfd = { .events = POLLIN };
	int fd, out, flags = 0;
	off_t from = 0, to = 0;
	struct stat st;

	path_of(s, "file", path, sizeof(path));
	path_of(s, "other", other, sizeof(other));
	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	out = try_open(s, "other", O_RDWR);
	ASSERT_GE(out, 0);
	EXPECT_EQ(2, read_object(fd, NULL));
	EXPECT_EQ(3, pwrite(fd, "abc", 3, 1));
	EXPECT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(0, flock(fd, LOCK_EX));
	EXPECT_EQ(0, flock(fd, LOCK_UN));
	fallocate(fd, 0, 0, 10);
	lseek(fd, 0, SEEK_HOLE);
	ioctl(fd, FS_IOC_GETFLAGS, &flags);
	copy_file_range(fd, &from, out, &to, 4, 0);
	pfd.fd = fd;
	poll(&pfd, 1, 0);
	EXPECT_EQ(0, fchmod(fd, 0600));
	EXPECT_EQ(0, access(path, R_OK));
	getxattr(path, "user.test", buf, sizeof(buf));
	setxattr(path, "user.test", buf, sizeof(buf), 0);
	listxattr(path, buf, sizeof(buf));
	removexattr(path, "user.test");
	rename(path, other);
	unlink(path);
	path_of(s, "d1", path, sizeof(path));
	rmdir(path);
	path_of(s, "new", other, sizeof(other));
	path_of(s, "file", path, sizeof(path));
	syscall(__NR_renameat2, AT_FDCWD, path, AT_FDCWD, other, RENAME_NOREPLACE);
	EXPECT_EQ(0, link(path, other));
	close(out);
	EXPECT_EQ(0, close(fd));
	path_of(s, "symlink", other, sizeof(other));
	EXPECT_EQ(0, symlink("a", other));
	EXPECT_EQ(-1, readlink(other, buf, sizeof(buf)));
}

TEST_F(restart, handles_in_each_request)
{
	static const __u32 opcodes[] = {
		FUSE_OPEN, FUSE_READ, FUSE_WRITE, FUSE_FSYNC, FUSE_FLUSH,
		FUSE_FALLOCATE, FUSE_LSEEK, FUSE_IOCTL, FUSE_COPY_FILE_RANGE_64,
		FUSE_POLL, FUSE_SETATTR, FUSE_GETXATTR, FUSE_SETXATTR,
		FUSE_LISTXATTR, FUSE_REMOVEXATTR, FUSE_RENAME, FUSE_RENAME2,
		FUSE_UNLINK, FUSE_RMDIR, FUSE_LINK, FUSE_SYMLINK, FUSE_READLINK,
		FUSE_RELEASE, FUSE_SETLK,
	};
	struct server *s = self->s;
	unsigned int i;

	s->attr_valid = 0;
	ASSERT_EQ(0, RESTART_WITH(s->init_flags |= FUSE_FLOCK_LOCKS));
	use_everything(_metadata, s);
	/* FS_IOC_GETFLAGS opens the file as well. */
	ASSERT_TRUE(wait_for(&s->with_handles[FUSE_RELEASE], 3));
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		if (opcodes[i] == FUSE_SETLK)
			continue;
		EXPECT_GE(s->with_handles[opcodes[i]], 1) {
			TH_LOG("opcode %u", opcodes[i]);
		}
	}
	EXPECT_GE(s->with_handles[FUSE_SETLK] + s->with_handles[FUSE_SETLKW], 1);
	EXPECT_EQ(0, s->violations);
}

TEST_F(restart, handles_of_each_size)
{
	struct server *s = self->s;
	int fd;

	size_t size;

	for (size = 4; size <= FUSE_MAX_HANDLE_SIZE; size++) {
		ASSERT_EQ(0, RESTART_WITH(s->handle_size = size));
		fd = try_open(s, "d1/file", O_RDWR);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(5, read_object(fd, NULL));
		/* Data of each length modulo 8 is padded. */
		ASSERT_EQ(size % 8 + 1, pwrite(fd, "12345678", size % 8 + 1, 0));
		close(fd);
		ASSERT_EQ(0, s->violations);
	}
}

/* One of two handles is unknown: it has size 0, and the order remains. */
TEST_F(restart, one_unknown_handle)
{
	struct server *s = self->s;
	char path[256], new[256];

	ASSERT_EQ(0, RESTART_WITH(s->unknown = 2));
	path_of(s, "file", path, sizeof(path));
	path_of(s, "d1/new", new, sizeof(new));
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(0, link(path, new));
	ASSERT_EQ(1, s->with_handles[FUSE_LINK]);
	ASSERT_EQ(0, s->violations);
}

/* Handles that are not known to the kernel are not sent. */
TEST_F(restart, no_known_handle)
{
	struct server *s = self->s;

	ASSERT_EQ(0, RESTART_WITH(s->handle_size = 0));
	use_everything(_metadata, s);
	ASSERT_EQ(0, s->with_handles[FUSE_READ]);
	ASSERT_EQ(0, s->violations);
}

/* The open file is opened again once. */
TEST_F(restart, open_file)
{
	struct server *s = self->s;
	struct stat st;
	int fd, i;

	fd = try_open(s, "file", O_RDWR | O_TRUNC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(2, read_object(fd, NULL));
	ASSERT_EQ(0, take_over(s));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(2, read_object(fd, NULL));
		ASSERT_EQ(1, count(s, FUSE_OPEN));
		ASSERT_EQ(1, s->reopened);
		ASSERT_EQ(1, count_inner(s, FUSE_LOOKUP_HANDLE));
	}
	ASSERT_EQ(2, pwrite(fd, "xx", 2, 0));
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, s->by_handle);
	ASSERT_EQ(0, close(fd));
	ASSERT_TRUE(wait_for(&s->requests[FUSE_RELEASE], 1));
}

/* Revalidation of a path renews all of its nodeids. */
TEST_F(restart, path)
{
	struct server *s = self->s;
	unsigned long before;

	ASSERT_EQ(0, try_stat(s, PATH_OF_8));
	ASSERT_EQ(0, take_over(s));
	before = count_all(s);
	ASSERT_EQ(0, try_stat(s, PATH_OF_8));
	ASSERT_EQ(before + 8, count_all(s));
	ASSERT_EQ(0, try_stat(s, PATH_OF_8));
	ASSERT_EQ(before + 8, count_all(s));
	ASSERT_EQ(0, s->by_handle);
}

TEST_F(restart, negative_name)
{
	struct server *s = self->s;

	ASSERT_EQ(0, RESTART_WITH(s->negative = true));
	ASSERT_EQ(-ENOENT, try_stat(s, "none"));
	leave_server(s);
	ASSERT_NE(0, add_object(s, ROOT, "none", S_IFREG | 0644));
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(0, try_stat(s, "none"));
}

/* The current directory keeps its name. */
TEST_F(restart, current_directory)
{
	char before[256], after[256];
	struct server *s = self->s;
	struct stat st;
	int cwd;

	cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(cwd, 0);
	path_of(s, "d1/d2", before, sizeof(before));
	ASSERT_EQ(0, chdir(before));
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(0, stat("file", &st));
	ASSERT_EQ(0, try_stat(s, "d1/d2/d3"));
	ASSERT_EQ(0, stat("d3/d4", &st));
	ASSERT_NE(NULL, getcwd(after, sizeof(after)));
	ASSERT_STREQ(before, after);
	ASSERT_EQ(0, fchdir(cwd));
	close(cwd);
}

TEST_F(restart, open_directory)
{
	struct server *s = self->s;
	unsigned int entries = 0;
	char buf[64];
	long len;
	int fd;

	fd = try_open(s, ".", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	/* A few entries at a time, each from another server */
	while ((len = syscall(__NR_getdents64, fd, buf, sizeof(buf))) > 0) {
		entries++;
		ASSERT_EQ(0, take_over(s));
	}
	ASSERT_EQ(0, len);
	ASSERT_GE(entries, 2);
	close(fd);
}

/* Each entry of FUSE_READDIRPLUS renews the nodeid of its inode. */
TEST_F(restart, entries)
{
	struct server *s = self->s;
	unsigned long nr;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, try_stat(s, "other"));
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(3, list_names(s, ".", false));
	ASSERT_GE(s->with_handles[FUSE_READDIRPLUS], 1);
	ASSERT_EQ(3, outstanding(s));
	nr = count(s, FUSE_COMPOUND);
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(0, try_stat(s, "other"));
	ASSERT_EQ(2, read_object(fd, NULL));
	ASSERT_EQ(nr, count(s, FUSE_COMPOUND));
	ASSERT_EQ(1, s->reopened);
	close(fd);
}

/* An entry without a handle does not make the name of a directory in use invalid. */
TEST_F(restart, entry_without_handle)
{
	char before[256], after[256];
	struct server *s = self->s;
	int cwd;

	cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(cwd, 0);
	path_of(s, "d1", before, sizeof(before));
	ASSERT_EQ(0, chdir(before));
	leave_server(s);
	s->unknown = D1;
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(3, list_names(s, ".", false));
	/* The lookup of the entry is forgotten. */
	ASSERT_TRUE(wait_for(&s->forgets, 1));
	ASSERT_EQ(2, outstanding(s));
	s->unknown = 0;
	ASSERT_NE(NULL, getcwd(after, sizeof(after)));
	ASSERT_STREQ(before, after);
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	ASSERT_NE(NULL, getcwd(after, sizeof(after)));
	ASSERT_EQ(0, fchdir(cwd));
	close(cwd);
}

TEST_F(restart, new_file)
{
	struct server *s = self->s;
	int fd, i;

	fd = try_open(s, "new", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, take_over(s));
		ASSERT_GT(read_object(fd, NULL), 0);
	}
	ASSERT_EQ(3, s->reopened);
	close(fd);
}

TEST_F(restart, many_times)
{
	struct server *s = self->s;
	int fds[8], i, n;
	char name[32];

	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "%.*s/file", 3 * (i + 1) - 1,
			 PATH_OF_8);
		fds[i] = try_open(s, name, O_RDWR);
		ASSERT_GE(fds[i], 0);
	}
	for (n = 0; n < 50; n++) {
		ASSERT_EQ(0, take_over(s));
		if (n % 3 == 0)
			ASSERT_EQ(0, take_over(s));
		for (i = n % 2; i < 8; i += 2)
			ASSERT_EQ(5 + 2 * i, read_object(fds[i], NULL));
		ASSERT_EQ(0, try_stat(s, n % 2 ? PATH_OF_8 : "d1/d2/file"));
	}
	for (i = 0; i < 8; i++)
		close(fds[i]);
}

/* The new server uses the nodeid of one object for another one. */
TEST_F(restart, nodeid_of_another_object)
{
	struct server *s = self->s;
	int file, other;

	file = try_open(s, "file", O_RDONLY);
	other = try_open(s, "other", O_RDONLY);
	ASSERT_GE(file, 0);
	ASSERT_GE(other, 0);
	leave_server(s);
	/* The same numbers as those of the former server, swapped */
	s->swap = 2;
	s->generation--;
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(2, read_object(file, NULL));
	ASSERT_EQ(0, try_stat(s, "other"));
	ASSERT_EQ(3, read_object(other, NULL));
	ASSERT_EQ(2, read_object(file, NULL));
	close(file);
	close(other);
	/* No inode is wrong when the names are looked up. */
	file = try_open(s, "file", O_RDONLY);
	ASSERT_EQ(2, read_object(file, NULL));
	close(file);
}

/* Another object with the name: open files keep theirs, if it still exists. */
TEST_F(restart, renamed_meanwhile)
{
	struct server *s = self->s;
	int fd, new;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	leave_server(s);
	strcpy(s->objects[2].name, "other");
	strcpy(s->objects[3].name, "file");
	ASSERT_EQ(0, enter_server(s));
	new = try_open(s, "file", O_RDONLY);
	ASSERT_EQ(3, read_object(new, NULL));
	ASSERT_EQ(2, read_object(fd, NULL));
	close(new);
	close(fd);
}

TEST_F(restart, removed_meanwhile)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	leave_server(s);
	s->objects[2].exists = false;
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(-ESTALE, read_object(fd, NULL));
	ASSERT_EQ(-ENOENT, try_stat(s, "file"));
	ASSERT_EQ(3, ({ int other = try_open(s, "other", O_RDONLY);
			int id = read_object(other, NULL); close(other); id; }));
	close(fd);
	ASSERT_EQ(0, s->reopened);
}

/* Replaced by an object with the same name and another handle */
TEST_F(restart, another_handle)
{
	struct server *s = self->s;
	unsigned int version;
	int fd, new;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	leave_server(s);
	s->objects[2].version++;
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(-ESTALE, read_object(fd, NULL));
	new = try_open(s, "file", O_RDONLY);
	ASSERT_EQ(2, read_object(new, &version));
	ASSERT_EQ(1, version);
	ASSERT_EQ(-ESTALE, read_object(fd, NULL));
	close(new);
	close(fd);
}

static void flip_handle(struct server *s, struct message *m)
{
	m->data[BYTES_AT] ^= 1;
}

TEST_F(restart, wrong_handle_in_reply)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	leave_server(s);
	s->spoil = flip_handle;
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(-ESTALE, read_object(fd, NULL));
	ASSERT_EQ(0, s->reopened);
	/* What is right again can be used again. */
	s->spoil = NULL;
	ASSERT_EQ(2, read_object(fd, NULL));
	close(fd);
}

static void set_nodeid(struct server *s, struct message *m)
{
	memcpy(m->data + SUB_HEADER, &s->spoil_value, sizeof(s->spoil_value));
}

TEST_F(restart, wrong_nodeid_in_reply)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	leave_server(s);
	s->spoil = set_nodeid;
	s->spoil_value = FUSE_ROOT_ID;
	ASSERT_EQ(0, enter_server(s));
	ASSERT_LT(read_object(fd, NULL), 0);
	s->spoil_value = 0;
	ASSERT_LT(read_object(fd, NULL), 0);
	s->spoil = NULL;
	ASSERT_EQ(2, read_object(fd, NULL));
	close(fd);
}

static void cut(struct server *s, struct message *m)
{
	if (m->len > s->spoil_at)
		m->len = s->spoil_at;
}

/* The reply with the new nodeid ends after each byte. */
TEST_F_TIMEOUT(restart, truncated_reply, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	size_t at, len = 2 * SUB_HEADER + SUB_ENTRY +
			 sizeof(struct fuse_file_handle) + 16 +
			 sizeof(struct fuse_statx_out);
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(2, read_object(fd, NULL));
	leave_server(s);
	s->spoil = cut;
	ASSERT_EQ(0, enter_server(s));
	for (at = 0; at < len; at++) {
		s->spoil_at = at;
		ASSERT_EQ(-EIO, read_object(fd, NULL));
	}
	s->spoil_at = len;
	ASSERT_EQ(2, read_object(fd, NULL));
	s->spoil = NULL;
	close(fd);
}

/* The server cannot look up the inode now. */
TEST_F(restart, failing_lookup)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	leave_server(s);
	s->handle_error = -ENOMEM;
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(-ENOMEM, read_object(fd, NULL));
	s->handle_error = -ENOENT;
	ASSERT_EQ(-ESTALE, read_object(fd, NULL));
	s->handle_error = 0;
	ASSERT_EQ(2, read_object(fd, NULL));
	close(fd);
}

TEST_F(restart, unknown_handle)
{
	struct server *s = self->s;
	int fd, new;

	ASSERT_EQ(0, RESTART_WITH(s->unknown = 2));
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(2, read_object(fd, NULL));
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(-ESTALE, read_object(fd, NULL));
	/* The name refers to a new inode. */
	new = try_open(s, "file", O_RDONLY);
	ASSERT_EQ(2, read_object(new, NULL));
	ASSERT_EQ(-ESTALE, read_object(fd, NULL));
	close(new);
	close(fd);
}

TEST_F(restart, without_compounds)
{
	struct server *s = self->s;
	int fd;

	ASSERT_EQ(0, RESTART_WITH(s->compound_error = -ENOSYS));
	fd = try_open(s, "d1/file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(5, read_object(fd, NULL));
	ASSERT_EQ(0, try_stat(s, PATH_OF_8));
	close(fd);
}

/* Lookups of the former server are not forgotten by the next one. */
TEST_F(restart, queued_forgets)
{
	struct server *s = self->s;
	char name[16];
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_NE(0, add_object(s, ROOT, "", S_IFREG | 0644));
		snprintf(name, sizeof(name), "d%d", i % 8 + 1);
	}
	ASSERT_EQ(0, try_stat(s, PATH_OF_8));
	leave_server(s);
	/* The inodes are evicted, and nobody reads the requests. */
	ASSERT_EQ(0, evict(s));
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(0, try_stat(s, PATH_OF_8));
	ASSERT_EQ(0, s->forgotten);
	ASSERT_EQ(0, settle_server(s));
	ASSERT_EQ(8, s->forgotten);
}

/* Inodes of the former server are evicted after the restart. */
TEST_F(restart, late_eviction)
{
	struct server *s = self->s;

	ASSERT_EQ(0, try_stat(s, PATH_OF_8));
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(0, settle_server(s));
	ASSERT_EQ(1, s->granted);
	ASSERT_EQ(1, s->forgotten);
}

/* Locks that the server holds are lost, which is an error and not silent. */
TEST_F(restart, locks_of_the_server)
{
	struct server *s = self->s;
	int fd, unlocked, new;

	ASSERT_EQ(0, RESTART_WITH(s->init_flags |= FUSE_FLOCK_LOCKS));
	fd = try_open(s, "file", O_RDONLY);
	unlocked = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_GE(unlocked, 0);
	ASSERT_EQ(0, flock(unlocked, LOCK_SH));
	ASSERT_EQ(0, flock(unlocked, LOCK_UN));
	ASSERT_EQ(0, flock(fd, LOCK_EX));
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(-EIO, read_object(fd, NULL));
	ASSERT_EQ(-1, flock(fd, LOCK_EX));
	ASSERT_EQ(EIO, errno);
	ASSERT_EQ(2, read_object(unlocked, NULL));
	close(fd);
	new = try_open(s, "file", O_RDONLY);
	ASSERT_EQ(0, flock(new, LOCK_EX));
	ASSERT_EQ(2, read_object(new, NULL));
	close(new);
	close(unlocked);
}

/* Without FUSE_FLOCK_LOCKS, the kernel holds the locks, and they remain. */
TEST_F(restart, locks_of_the_kernel)
{
	struct server *s = self->s;
	int fd, other;

	fd = try_open(s, "file", O_RDONLY);
	other = try_open(s, "file", O_RDONLY);
	ASSERT_EQ(0, flock(fd, LOCK_EX));
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(-1, flock(other, LOCK_EX | LOCK_NB));
	ASSERT_EQ(EWOULDBLOCK, errno);
	ASSERT_EQ(2, read_object(fd, NULL));
	close(fd);
	ASSERT_EQ(0, flock(other, LOCK_EX | LOCK_NB));
	close(other);
}

/*
 * Requests in flight
 */

/* An operation in a process, which waits for a server */
struct operation {
	pid_t pid;
	int result;
};

static int run_operation(struct server *s, const char *what, int fd)
{
	char path[256], old[256];

	path_of(s, "d1/new", path, sizeof(path));
	path_of(s, "file", old, sizeof(old));
	if (!strcmp(what, "read"))
		return read_object(fd, NULL);
	if (!strcmp(what, "write"))
		return pwrite(fd, "ab", 2, 0) == 2 ? 0 : -errno;
	if (!strcmp(what, "create")) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		return fd < 0 ? -errno : read_object(fd, NULL) > 0 ? 0 : -EIO;
	}
	if (!strcmp(what, "mkdir"))
		return mkdir(path, 0755) ? -errno : 0;
	if (!strcmp(what, "mknod"))
		return mknod(path, S_IFIFO | 0644, 0) ? -errno : 0;
	if (!strcmp(what, "symlink"))
		return symlink("target", path) ? -errno : 0;
	if (!strcmp(what, "link"))
		return link(old, path) ? -errno : 0;
	if (!strcmp(what, "stat"))
		return try_stat(s, PATH_OF_8);
	if (!strcmp(what, "list"))
		return list_names(s, "d1", true);
	return -EINVAL;
}

static pid_t begin_operation(struct server *s, const char *what, int fd)
{
	pid_t pid = fork();
	int ret;

	if (pid)
		return pid;
	die_with_parent();
	ret = run_operation(s, what, fd);
	_exit(ret < 0 ? -ret : ret);
}

static int end_operation(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static bool wait_swallowed(struct server *s)
{
	int i;

	for (i = 0; i < RETRIES; i++) {
		if (__atomic_load_n(&s->swallowed, __ATOMIC_SEQ_CST))
			return true;
		usleep(1000);
	}
	return false;
}

/*
 * Starts an operation, and replaces the server after it received the request. It is
 * executed or not, and never answered. Returns the result of the operation.
 */
static int interrupted(struct __test_metadata *const _metadata, struct server *s,
		       const char *what, __u32 opcode, bool done, int fd)
{
	pid_t pid;

	s->swallow_done = done;
	s->swallow = opcode;
	pid = begin_operation(s, what, fd);
	ASSERT_GT(pid, 0);
	ASSERT_TRUE(wait_swallowed(s));
	EXPECT_EQ(0, take_over(s));
	return end_operation(pid);
}

FIXTURE(in_flight)
{
	struct server *s;
	int mount_fd;
};

FIXTURE_VARIANT(in_flight)
{
	bool done;
};

FIXTURE_VARIANT_ADD(in_flight, not_executed)
{
	.done = false,
};

FIXTURE_VARIANT_ADD(in_flight, executed)
{
	.done = true,
};

FIXTURE_SETUP(in_flight)
{
	const char *reason = fuse_missing();

	if (reason)
		SKIP(return, "%s", reason);
	begin(_metadata, &self->s, &self->mount_fd);
	/* begin() has skipped the test. */
	if (_metadata->exit_code == KSFT_SKIP)
		return;
	ASSERT_EQ(0, RESTART_WITH(self->s->init_flags |= FUSE_REQUEST_HANDLE));
	ASSERT_EQ(0, try_stat(self->s, "file"));
}

FIXTURE_TEARDOWN(in_flight)
{
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
}

#define INTERRUPTED(what, opcode, fd) \
	interrupted(_metadata, self->s, what, opcode, variant->done, fd)

TEST_F(in_flight, read_and_write)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(2, INTERRUPTED("read", FUSE_READ, fd));
	/* The process that exits also sends a FUSE_FLUSH. */
	EXPECT_EQ(2, s->by_handle);
	EXPECT_EQ(1, s->repeated);
	EXPECT_EQ(0, INTERRUPTED("write", FUSE_WRITE, fd));
	EXPECT_EQ(4, s->by_handle);
	EXPECT_EQ(2, s->repeated);
	close(fd);
}

TEST_F(in_flight, lookup)
{
	EXPECT_EQ(0, INTERRUPTED("stat", FUSE_LOOKUP_HANDLE, -1));
	ASSERT_EQ(0, take_over(self->s));
	EXPECT_EQ(0, INTERRUPTED("stat", FUSE_LOOKUP_HANDLE, -1));
}

/* Lookups that the former server has counted are not forgotten. */
TEST_F(in_flight, list)
{
	struct server *s = self->s;

	EXPECT_EQ(2, INTERRUPTED("list", FUSE_READDIRPLUS, -1));
	EXPECT_GE(s->repeated, 1);
	ASSERT_EQ(0, take_over(s));
	EXPECT_EQ(2, INTERRUPTED("list", FUSE_READDIRPLUS, -1));
	EXPECT_EQ(2, list_names(s, "d1", true));
}

/* The server recognizes what it has created before. */
TEST_F(in_flight, creation)
{
	static const struct {
		const char *what;
		__u32 opcode;
	} operations[] = {
		{ "create", FUSE_CREATE },
		{ "mkdir", FUSE_MKDIR },
		{ "mknod", FUSE_MKNOD },
		{ "symlink", FUSE_SYMLINK },
	};
	struct server *s = self->s;
	unsigned int i, id, nr = s->nr_objects;
	char path[256];
	struct stat st;

	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		EXPECT_EQ(0, INTERRUPTED(operations[i].what,
					 operations[i].opcode, -1)) {
			TH_LOG("%s", operations[i].what);
		}
		id = child(s, D1, "new");
		ASSERT_NE(0, id);
		/* It exists once. */
		EXPECT_EQ(nr + 1, s->nr_objects);
		path_of(s, "d1/new", path, sizeof(path));
		EXPECT_EQ(0, lstat(path, &st));
		EXPECT_EQ(id, st.st_ino);
		leave_server(s);
		s->objects[id].exists = false;
		s->objects[id].version++;
		ASSERT_EQ(0, enter_server(s));
		EXPECT_EQ(-1, lstat(path, &st));
		EXPECT_EQ(ENOENT, errno);
	}
}

TEST_F(in_flight, link)
{
	struct server *s = self->s;

	EXPECT_EQ(0, INTERRUPTED("link", FUSE_LINK, -1));
	if (variant->done)
		EXPECT_EQ(2, s->objects[2].nlink);
	EXPECT_EQ(1, s->repeated);
}

/* A server that does not look at FUSE_UNIQUE_RESEND: it explains the error. */
TEST_F(in_flight, creation_by_naive_server)
{
	self->s->naive = true;
	EXPECT_EQ(variant->done ? EEXIST : 0,
		  INTERRUPTED("create", FUSE_CREATE, -1));
	EXPECT_EQ(1, self->s->repeated);
}

/* The object of a pending request is gone, or the handle of its inode unknown. */
TEST_F(in_flight, removed_object)
{
	struct server *s = self->s;
	pid_t pid;
	int fd;

	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	s->swallow_done = variant->done;
	s->swallow = FUSE_READ;
	pid = begin_operation(s, "read", fd);
	ASSERT_TRUE(wait_swallowed(s));
	leave_server(s);
	s->objects[2].exists = false;
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(ESTALE, end_operation(pid));
	close(fd);
}

TEST_F(in_flight, unknown_handle)
{
	struct server *s = self->s;
	pid_t pid;
	int fd;

	ASSERT_EQ(0, RESTART_WITH(s->unknown = 2));
	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	s->swallow_done = variant->done;
	s->swallow = FUSE_READ;
	pid = begin_operation(s, "read", fd);
	ASSERT_TRUE(wait_swallowed(s));
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(ESTALE, end_operation(pid));
	ASSERT_EQ(0, s->by_handle);
	close(fd);
}

/* Requests that wait while there is no server are not repeated ones. */
TEST_F(in_flight, queued)
{
	struct server *s = self->s;
	pid_t pids[4];
	int i, fd;

	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	leave_server(s);
	pids[0] = begin_operation(s, "read", fd);
	pids[1] = begin_operation(s, "write", fd);
	pids[2] = begin_operation(s, "stat", -1);
	pids[3] = begin_operation(s, "create", -1);
	usleep(50000);
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(2, end_operation(pids[0]));
	for (i = 1; i < 4; i++)
		EXPECT_EQ(0, end_operation(pids[i]));
	EXPECT_EQ(0, s->repeated);
	close(fd);
}

/* Servers that die again and again, with a request of each in flight */
TEST_F(in_flight, server_dies_again)
{
	struct server *s = self->s;
	pid_t pid;
	int i, fd;

	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	s->swallow_done = variant->done;
	s->swallow = FUSE_READ;
	pid = begin_operation(s, "read", fd);
	ASSERT_TRUE(wait_swallowed(s));
	for (i = 0; i < 10; i++) {
		leave_server(s);
		s->swallow = FUSE_READ;
		ASSERT_EQ(0, enter_server(s));
		ASSERT_TRUE(wait_swallowed(s));
	}
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(2, end_operation(pid));
	close(fd);
}

/* The next server dies while an inode is looked up, or a file opened again. */
TEST_F(in_flight, dies_while_renewing)
{
	static const __u32 opcodes[] = { FUSE_LOOKUP_HANDLE, FUSE_OPEN };
	struct server *s = self->s;
	unsigned int i;
	pid_t pid;
	int fd;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		fd = try_open(s, "file", O_RDWR);
		ASSERT_GE(fd, 0);
		leave_server(s);
		s->swallow_done = variant->done;
		s->swallow = opcodes[i];
		ASSERT_EQ(0, enter_server(s));
		pid = begin_operation(s, "read", fd);
		ASSERT_TRUE(wait_swallowed(s));
		ASSERT_EQ(0, take_over(s));
		ASSERT_EQ(2, end_operation(pid));
		ASSERT_EQ(2, read_object(fd, NULL));
		close(fd);
	}
}

/* A process that is killed does not wait for the next server. */
TEST_F(in_flight, killed_process)
{
	struct server *s = self->s;
	pid_t pid;
	int fd;

	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	leave_server(s);
	pid = begin_operation(s, "read", fd);
	usleep(20000);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	usleep(20000);
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(-1, end_operation(pid));
	ASSERT_EQ(2, read_object(fd, NULL));
	close(fd);
}

/*
 * Many restarts
 */

#define THREADS		6

struct user {
	struct server *s;
	unsigned int nr;
	unsigned long rounds;
	unsigned long wrong;
	int error;
	bool *stop;
	pthread_t thread;
};

static void expect(struct user *u, int ret, int expected)
{
	if (ret < 0 && !u->error)
		u->error = ret;
	else if (ret >= 0 && ret != expected)
		u->wrong++;
}

/* An invalid reply can turn a file into a FIFO or a terminal. */
#define SAFELY	(O_NONBLOCK | O_NOCTTY)

/* Uses a file that is open, its directory, and names. */
static void *use_files(void *arg)
{
	struct user *u = arg;
	char name[32], dir[32], path[256];
	int fd, new, id;
	struct stat st;

	snprintf(name, sizeof(name), "%.*s/file", 3 * ((int)u->nr + 1) - 1,
		 PATH_OF_8);
	id = 5 + 2 * u->nr;
	snprintf(dir, sizeof(dir), "%.*s", 3 * ((int)u->nr + 1) - 1, PATH_OF_8);
	fd = try_open(u->s, name, O_RDWR | SAFELY);
	expect(u, fd, fd);
	path_of(u->s, name, path, sizeof(path));
	while (!__atomic_load_n(u->stop, __ATOMIC_SEQ_CST) && fd >= 0) {
		u->rounds++;
		expect(u, read_object(fd, NULL), id);
		expect(u, fstat(fd, &st) ? -errno : (int)st.st_ino, id);
		expect(u, pwrite(fd, "abc", 3, 0), 3);
		expect(u, stat(path, &st) ? -errno : (int)st.st_ino, id);
		expect(u, list_names(u->s, dir, true), 2);
		new = try_open(u->s, name, O_RDONLY | SAFELY);
		expect(u, new, new);
		if (new >= 0) {
			expect(u, read_object(new, NULL), id);
			close(new);
		}
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* Runs users for a time, and returns the number of their rounds. */
static unsigned long run_users(struct server *s, unsigned int seconds,
			       unsigned long *wrong, int *error)
{
	struct user users[THREADS] = {};
	unsigned long rounds = 0;
	bool stop = false;
	int i, started;

	*wrong = 0;
	*error = 0;
	for (started = 0; started < THREADS; started++) {
		users[started].s = s;
		users[started].nr = started;
		users[started].stop = &stop;
		if (pthread_create(&users[started].thread, NULL, use_files,
				   &users[started]))
			break;
	}
	sleep(seconds);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < started; i++) {
		pthread_join(users[i].thread, NULL);
		rounds += users[i].rounds;
		*wrong += users[i].wrong;
		if (!*error)
			*error = users[i].error;
	}
	return rounds;
}

static unsigned int stress_seconds(void)
{
	const char *seconds = getenv("FUSE_STRESS_SECONDS");

	return seconds ? atoi(seconds) : 3;
}

/* No request fails, and none is about a wrong object. */
TEST_F_TIMEOUT(restart, every_few_requests, 3600)
{
	static const unsigned int every[] = { 3, 10, 50 };
	unsigned long rounds, wrong;
	struct server *s = self->s;
	unsigned int i, first;
	int error;

	ASSERT_EQ(0, use_all_processors(s));
	s->entry_valid = 0;
	s->attr_valid = 0;
	for (i = 0; i < ARRAY_SIZE(every); i++) {
		first = s->generation;
		s->restart_every = every[i];
		rounds = run_users(s, stress_seconds(), &wrong, &error);
		TH_LOG("%lu rounds, %u restarts", rounds, s->generation - first);
		EXPECT_GT(rounds, 0);
		EXPECT_GT(s->generation - first, 10);
		EXPECT_EQ(0, wrong);
		EXPECT_EQ(0, error);
		EXPECT_EQ(0, s->violations);
	}
	s->restart_every = 0;
}

static void flip_something(struct server *s __maybe_unused, struct message *m)
{
	static unsigned int calls;

	if (m->len && ++calls % 3 == 0)
		m->data[calls * 7919 % m->len] ^= 1 << calls % 8;
}

/* Replies that are not valid, and restarts. The counts must be right afterwards. */
TEST_F_TIMEOUT(restart, invalid_replies, 3600)
{
	unsigned long rounds, wrong;
	struct server *s = self->s;
	int error;

	ASSERT_EQ(0, use_all_processors(s));
	s->entry_valid = 0;
	s->attr_valid = 0;
	s->spoil_opcode = 0;
	s->spoil = flip_something;
	s->restart_every = 20;
	rounds = run_users(s, stress_seconds(), &wrong, &error);
	TH_LOG("%lu rounds, %lu with a wrong reply", rounds, wrong);
	EXPECT_LT(error, 0);
	s->spoil = NULL;
	s->restart_every = 0;
	/* The kernel was made to use nodeids that the server does not have. */
	s->violations = 0;
}

/* Each allocation of a request after a restart fails in turn. */
TEST_F_TIMEOUT(restart, failing_allocations, 300)
{
	struct server *s = self->s;
	struct failslab fail = {};
	unsigned int nth, failures = 0;
	bool failed = true;
	int fd, ret = 0;

	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
	fd = try_open(s, "d1/file", O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, failslab_start(&fail));
	for (nth = 1; nth <= ALLOCATIONS_MAX && failed; nth++) {
		ASSERT_EQ(0, take_over(s));
		ASSERT_EQ(0, failslab_arm(&fail, nth));
		ret = read_object(fd, NULL);
		failed = failslab_has_failed(&fail);
		ASSERT_EQ(0, failslab_arm(&fail, 0));
		failures += failed;
		ASSERT_TRUE(ret == -ENOMEM || ret == 5) {
			TH_LOG("allocation %u: %d", nth, ret);
		}
		ASSERT_EQ(5, read_object(fd, NULL));
	}
	failslab_end(&fail);
	TH_LOG("%u failures", failures);
	ASSERT_FALSE(failed);
	ASSERT_EQ(5, ret);
	ASSERT_GT(failures, 0);
	close(fd);
}

/*
 * The notification
 */

TEST_F(restart, notification_with_arguments)
{
	struct server *s = self->s;
	char bytes[64] = "";
	size_t len;

	ASSERT_EQ(0, try_stat(s, "file"));
	for (len = 1; len <= sizeof(bytes); len++)
		ASSERT_EQ(-EINVAL, notify(s, FUSE_NOTIFY_RESTART, bytes, len));
	/* Nothing became void. */
	ASSERT_EQ(1, count_inner(s, FUSE_LOOKUP_HANDLE));
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(1, count_inner(s, FUSE_LOOKUP_HANDLE));
}

/* FUSE_NOTIFY_RESEND alone leaves all IDs as they are. */
TEST_F(restart, resend_is_no_restart)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, notify(s, FUSE_NOTIFY_RESEND, NULL, 0));
	ASSERT_EQ(2, read_object(fd, NULL));
	ASSERT_EQ(0, s->reopened);
	close(fd);
}

/* Ends the connection. The server closes its descriptor, and @dev remains. */
static void end_connection(struct server *s)
{
	pthread_join(s->thread, NULL);
	s->running = false;
}

TEST_F(restart, notification_after_unmount)
{
	struct server *s = self->s;
	int fd, dev, i;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	close(self->mount_fd);
	self->mount_fd = -1;
	ASSERT_EQ(0, umount2(s->dir, MNT_DETACH));
	/* The open file keeps the superblock. */
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(2, read_object(fd, NULL));
	dev = dup(s->fd);
	ASSERT_GE(dev, 0);
	close(fd);
	end_connection(s);
	s->fd = dev;
	for (i = 0; i < 100; i++)
		ASSERT_LT(notify(s, FUSE_NOTIFY_RESTART, NULL, 0), 0);
	close(dev);
}

static void *notify_often(void *arg)
{
	struct server *s = arg;

	while (!notify(s, FUSE_NOTIFY_RESTART, NULL, 0))
		;
	return NULL;
}

/* IDs become void while inodes are evicted and files are closed. */
TEST_F(restart, notifications_during_unmount)
{
	struct server *s = self->s, *notifier;
	pthread_t thread;
	int fds[16], i;

	/* Not the counters of the server, only its descriptor */
	notifier = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, notifier);
	notifier->fd = dup(s->fd);
	ASSERT_GE(notifier->fd, 0);
	for (i = 0; i < 16; i++) {
		fds[i] = try_open(s, i % 2 ? "file" : "d1/d2/file", O_RDWR);
		ASSERT_GE(fds[i], 0);
	}
	ASSERT_EQ(0, pthread_create(&thread, NULL, notify_often, notifier));
	/* The nodeids of the server do not change, so the results are right. */
	for (i = 0; i < 200; i++)
		try_stat(s, i % 2 ? "d1/d2/d3" : "file");
	close(self->mount_fd);
	self->mount_fd = -1;
	ASSERT_EQ(0, umount2(s->dir, MNT_DETACH));
	for (i = 0; i < 16; i++)
		close(fds[i]);
	end_connection(s);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	close(notifier->fd);
	munmap(notifier, sizeof(*notifier));
	/* Requests with IDs that became void are expected here. */
	s->violations = 0;
}

/* A server without FUSE_REQUEST_HANDLE cannot be replaced. */
FIXTURE(ordinary)
{
	struct server *s;
	int mount_fd;
};

FIXTURE_VARIANT(ordinary)
{
	__u64 init_flags;
};

FIXTURE_VARIANT_ADD(ordinary, plain)
{
	.init_flags = FUSE_INIT_EXT | FUSE_EXPORT_SUPPORT,
};

FIXTURE_VARIANT_ADD(ordinary, lookup_handle)
{
	.init_flags = FUSE_INIT_EXT | FUSE_EXPORT_SUPPORT |
		      FUSE_HAS_LOOKUP_HANDLE,
};

/* FUSE_REQUEST_HANDLE requires FUSE_HAS_LOOKUP_HANDLE. */
FIXTURE_VARIANT_ADD(ordinary, request_handle_alone)
{
	.init_flags = FUSE_INIT_EXT | FUSE_EXPORT_SUPPORT | FUSE_REQUEST_HANDLE,
};

FIXTURE_SETUP(ordinary)
{
	const char *reason = fuse_missing();

	if (reason)
		SKIP(return, "%s", reason);
	begin(_metadata, &self->s, &self->mount_fd);
	/* begin() has skipped the test. */
	if (_metadata->exit_code == KSFT_SKIP)
		return;
	ASSERT_EQ(0, RESTART_WITH(self->s->init_flags = variant->init_flags));
}

FIXTURE_TEARDOWN(ordinary)
{
	if (!self->s)
		return;
	/* The server does not expect handles, so it cannot check the requests. */
	self->s->init_flags &= ~FUSE_REQUEST_HANDLE;
	end(_metadata, self->s, self->mount_fd);
}

TEST_F(ordinary, notification)
{
	struct server *s = self->s;
	unsigned long before;
	int fd;

	s->init_flags &= ~FUSE_REQUEST_HANDLE;
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	before = count_all(s);
	ASSERT_EQ(-EINVAL, notify(s, FUSE_NOTIFY_RESTART, NULL, 0));
	ASSERT_EQ(2, read_object(fd, NULL));
	ASSERT_EQ(before + 1, count_all(s));
	ASSERT_EQ(0, s->with_handles[FUSE_READ]);
	close(fd);
}

TEST_HARNESS_MAIN
