// SPDX-License-Identifier: GPL-2.0
/*
 * The handles in each request, and what remains when a server is replaced under its
 * mount: files, directories, names, lookups and locks. The server checks the handles,
 * nodeids and IDs of open files in each request.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "fuse_operation.h"
#include "fuse_requests.h"
#include "fuse_restart_fixture.h"

/* <linux/fs.h> and <sys/mount.h> cannot both be included. */
#ifndef FS_IOC_GETFLAGS
#define FS_IOC_GETFLAGS	_IOR('f', 1, long)
#endif

/* The object "d1" */
#define D1	4

/* Runs operations that name one or two inodes. Most of them are not implemented. */
static void use_everything(struct __test_metadata *const _metadata,
			   struct server *s)
{
	char path[256], other[256], buf[64] = "";
	struct pollfd pfd = { .events = POLLIN };
	int fd, out, flags = 0;
	loff_t from = 0, to = 0;
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

TEST_F_TIMEOUT(restart, handles_of_each_size, SLOW_TIMEOUT)
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

static int count_entries(DIR *dir)
{
	int nr = 0;

	rewinddir(dir);
	while (readdir(dir))
		nr++;
	return nr;
}

/* The kernel has the entries of the former server, until the inode is renewed. */
TEST_F(restart, cached_entries)
{
	struct server *s = self->s;
	unsigned long nr;
	int entries, fd;
	DIR *dir;

	s->cached_entries = true;
	fd = try_open(s, "d1", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	dir = fdopendir(fd);
	ASSERT_NE(NULL, dir);
	entries = count_entries(dir);
	nr = count(s, FUSE_READDIRPLUS) + count(s, FUSE_READDIR);
	ASSERT_EQ(entries, count_entries(dir));
	ASSERT_EQ(nr, count(s, FUSE_READDIRPLUS) + count(s, FUSE_READDIR));
	leave_server(s);
	ASSERT_NE(0, add_object(s, 4, "another", S_IFREG | 0644));
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(0, fsync(fd));
	EXPECT_EQ(entries + 1, count_entries(dir));
	closedir(dir);
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
	ASSERT_TRUE(wait_for(&s->forgotten, 1));
	ASSERT_EQ(2, outstanding(s));
	s->unknown = 0;
	ASSERT_NE(NULL, getcwd(after, sizeof(after)));
	ASSERT_STREQ(before, after);
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	ASSERT_NE(NULL, getcwd(after, sizeof(after)));
	ASSERT_EQ(0, fchdir(cwd));
	close(cwd);
}

static unsigned long released_nodeid;

static int watch_release(struct server *s __maybe_unused, const struct request *r,
			 struct message *m __maybe_unused)
{
	if (r->in.opcode == FUSE_RELEASE)
		__atomic_store_n(&released_nodeid, r->in.nodeid, __ATOMIC_SEQ_CST);
	return -ENOSYS;
}

/* A bad inode does not take over the nodeid that a directory entry has for its handle. */
TEST_F(restart, entry_with_the_handle_of_a_bad_inode)
{
	struct server *s = self->s;
	__u64 nodeid;
	int bad, good;

	bad = try_open(s, "file", O_RDONLY);
	ASSERT_GE(bad, 0);
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(2, read_object(bad, NULL));
	nodeid = object_nodeid(s, 2);
	ASSERT_EQ(-EIO, make_bad(s, bad));
	s->objects[2].shift = 1;
	ASSERT_EQ(3, list_names(s, ".", false));
	ASSERT_LT(0, count(s, FUSE_READDIRPLUS));
	/* Another inode does. */
	good = try_open(s, "file", O_RDONLY);
	ASSERT_GE(good, 0);
	EXPECT_EQ(2, read_object(good, NULL));
	s->others = watch_release;
	close(bad);
	EXPECT_TRUE(wait_for(&released_nodeid, nodeid)) {
		TH_LOG("nodeid %lx, not %llx", released_nodeid,
		       (unsigned long long)nodeid);
	}
	close(good);
	EXPECT_EQ(0, s->violations);
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

/* Evicts unused inodes until the object of an open file is read. Returns the object. */
static int evict_and_read(struct server *s, int fd)
{
	int i, id = -EIO;

	for (i = 0; i < 100 && id == -EIO; i++) {
		usleep(20000);
		evict(s);
		id = read_object(fd, NULL);
	}
	return id;
}

/*
 * The nodeid of "file" has changed so often that it has a second inode. After a restart,
 * one inode has the nodeid, and the other one has none until the first one is evicted.
 */
TEST_F(restart, object_with_two_inodes)
{
	struct server *s = self->s;
	int old, new, i;

	ASSERT_EQ(0, RESTART_WITH(s->entry_valid = 0));
	old = try_open(s, "file", O_RDONLY);
	ASSERT_GE(old, 0);
	for (i = 0; i < 40; i++) {
		s->objects[2].shift++;
		ASSERT_EQ(0, try_stat(s, "file"));
	}
	new = try_open(s, "file", O_RDONLY);
	ASSERT_GE(new, 0);
	ASSERT_EQ(2, read_object(old, NULL));
	ASSERT_EQ(2, read_object(new, NULL));
	ASSERT_EQ(0, take_over(s));
	ASSERT_EQ(2, read_object(new, NULL));
	ASSERT_EQ(-EIO, read_object(old, NULL));
	ASSERT_EQ(2, read_object(new, NULL));
	ASSERT_EQ(2, read_and_close(try_open(s, "file", O_RDONLY)));
	close(new);
	ASSERT_EQ(2, evict_and_read(s, old));
	close(old);
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

static void flip_handle(struct server *s __maybe_unused, struct message *m)
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
 * A reply that is processed late
 */

static struct handle late_fh;

/* A processor other than that of the test and of the server */
static int other_cpu;

static int stay_on_other_processor(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(other_cpu, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0;
}

static int decode_there(struct server *s __maybe_unused, int fd)
{
	return stay_on_other_processor() ?:
	       close_result(decode(fd, &late_fh, O_PATH | O_CLOEXEC));
}

struct hog {
	bool started;
	bool stop;
	int error;
};

/* Runs instead of all ordinary processes. */
static void *occupy_processor(void *arg)
{
	const struct sched_param param = { .sched_priority = 1 };
	struct hog *hog = arg;

	hog->error = stay_on_other_processor();
	if (!hog->error && sched_setscheduler(0, SCHED_FIFO, &param))
		hog->error = -errno;
	__atomic_store_n(&hog->started, true, __ATOMIC_SEQ_CST);
	while (!hog->error && !__atomic_load_n(&hog->stop, __ATOMIC_SEQ_CST))
		;
	return NULL;
}

/* Returns the time that a process has run, or -1. */
static long long run_time(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return -1;
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/*
 * Decodes late_fh in two processes. The first one receives its reply while another
 * thread occupies its processor. Then the next server replies to the second one, which
 * creates the inode. Returns true if the first one has not run in the meantime.
 */
static bool overtake(struct __test_metadata *const _metadata, struct server *s,
		     int mount_fd, struct hog *hog)
{
	long long before, after;
	unsigned long nr;
	pthread_t thread;
	int i, fd, result;
	pid_t pid;

	ASSERT_EQ(0, settle_server(s));
	serve_in_caller(s);
	nr = count(s, FUSE_COMPOUND);
	pid = begin_operation(s, decode_there, mount_fd);
	ASSERT_GT(pid, 0);
	/* It waits, and leaves the processor. */
	usleep(100000);
	ASSERT_EQ(0, pthread_create(&thread, NULL, occupy_processor, hog));
	while (!__atomic_load_n(&hog->started, __ATOMIC_SEQ_CST))
		usleep(1000);
	before = run_time(pid);
	for (i = 0; i < 10 && count(s, FUSE_COMPOUND) == nr; i++)
		EXPECT_TRUE(serve_request(s, 1000));
	EXPECT_EQ(nr + 1, count(s, FUSE_COMPOUND));
	EXPECT_EQ(0, serve_in_thread(s));
	EXPECT_EQ(0, take_over(s));
	fd = decode(mount_fd, &late_fh, O_PATH | O_CLOEXEC);
	EXPECT_GE(fd, 0);
	after = run_time(pid);
	__atomic_store_n(&hog->stop, true, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	result = end_operation(pid);
	close_result(fd);
	EXPECT_EQ(0, result);
	return before >= 0 && after == before;
}

/*
 * The kernel lets ordinary processes run now and then, whatever the priority of others,
 * so one attempt can fail.
 */
TEST_F(restart, decode_that_another_one_overtakes)
{
	bool overtaken = false;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two processors");
	/* begin() has bound the test and its servers to one processor. */
	other_cpu = !sched_getcpu();
	ASSERT_EQ(0, name_handle(self->s, "d1/file", &late_fh, 0));
	for (i = 0; i < 20 && !overtaken; i++) {
		struct hog hog = {};

		overtaken = overtake(_metadata, self->s, self->mount_fd, &hog);
		if (hog.error)
			SKIP(return, "needs SCHED_FIFO");
	}
	ASSERT_TRUE(overtaken);
}

TEST_HARNESS_MAIN
