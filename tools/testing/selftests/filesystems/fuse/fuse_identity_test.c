// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes of a server with handles: reused nodeids, changed nodeids, and new
 * inodes.
 */
#define _GNU_SOURCE
#include <dirent.h>

#include "fuse_fixture.h"

TEST_F(fuse, reused_nodeid)
{
	struct server *s = self->s;
	unsigned int version;
	unsigned long forgets;
	struct handle fh;
	int old, new;
	long lookups;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	old = try_open(s, "file", O_RDONLY);
	ASSERT_GE(old, 0);
	ASSERT_EQ(2, read_object(old, NULL));
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));

	/* Another object with the same nodeid */
	s->objects[2].version++;
	forgets = s->forgets;
	lookups = s->objects[2].lookups;
	new = try_open(s, "file", O_RDONLY);
	ASSERT_GE(new, 0);
	ASSERT_TRUE(wait_for(&s->forgets, forgets + 1));
	ASSERT_EQ(2, read_object(new, &version));
	ASSERT_EQ(1, version);
	ASSERT_EQ(-EIO, read_object(old, NULL));
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	/* One lookup more: that of the revalidation was forgotten. */
	ASSERT_EQ(lookups + 1, s->objects[2].lookups);
	close(old);
	close(new);
}

TEST_F(fuse, file_with_new_nodeid)
{
	struct server *s = self->s;
	struct handle fh;
	int old, new;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	old = try_open(s, "file", O_RDONLY);
	ASSERT_GE(old, 0);
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	s->objects[2].shift++;
	new = try_open(s, "file", O_RDONLY);
	ASSERT_GE(new, 0);
	ASSERT_EQ(2, read_object(new, NULL));
	ASSERT_EQ(2, read_object(old, NULL));
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
	close(old);
	close(new);
}

/* The inode becomes stale because of the generation alone. */
static void another_generation(struct server *s __maybe_unused, struct message *m)
{
	__u64 generation = 1;

	memcpy(m->data + SUB_HEADER +
	       offsetof(struct fuse_entry2_out, generation),
	       &generation, sizeof(generation));
}

TEST_F(fuse, stale_inode_adopts_no_handle)
{
	struct server *s = self->s;
	struct handle fh;
	int fd;

	s->handle_size = 0;
	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));

	s->handle_size = 16;
	s->spoil = another_generation;
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));
	ASSERT_EQ(-EIO, read_object(fd, NULL));
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	close(fd);
}

TEST_F(fuse, directory_with_new_nodeid)
{
	struct server *s = self->s;
	unsigned int d1 = child(s, ROOT, "d1");
	struct handle fh;
	int old, fd;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	old = try_open(s, "d1", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(old, 0);
	ASSERT_EQ(0, name_handle(s, "d1", &fh, 0));
	s->objects[d1].shift++;
	ASSERT_EQ(0, try_stat(s, "d1/d2"));
	fd = decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, faccessat(fd, "d2", F_OK, 0));
	close(fd);
	close(old);
}

TEST_F(fuse, live_inode_stays_valid)
{
	struct server *s = self->s;
	char from[256], to[256];
	unsigned int id;
	DIR *dir;
	int fd;

	fd = try_open(s, "created", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	id = read_object(fd, NULL);
	ASSERT_GT(id, 0);

	path_of(s, "created", from, sizeof(from));
	path_of(s, "linked", to, sizeof(to));
	ASSERT_EQ(0, link(from, to));
	ASSERT_EQ(id, read_object(fd, NULL));

	path_of(s, "made", to, sizeof(to));
	ASSERT_EQ(0, mkdir(to, 0755));
	ASSERT_EQ(0, try_stat(s, "made/."));

	dir = opendir(s->dir);
	ASSERT_NE(NULL, dir);
	while (readdir(dir))
		;
	closedir(dir);
	ASSERT_EQ(0, try_stat(s, "created"));
	ASSERT_EQ(id, read_object(fd, NULL));
	close(fd);
}

TEST_F(fuse, new_inodes_have_handles)
{
	struct server *s = self->s;
	char path[256];
	struct handle fh;
	int fd;

	fd = try_open(s, "created", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, encode(fd, &fh));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
	ASSERT_EQ(read_object(fd, NULL), decode_object(self->mount_fd, &fh));
	close(fd);

	path_of(s, "made", path, sizeof(path));
	ASSERT_EQ(0, mkdir(path, 0755));
	ASSERT_EQ(0, name_handle(s, "made", &fh, 0));
}

/*
 * The file exists. Its next use looks the name up, although the server set a
 * timeout of an hour.
 */
TEST_F(fuse, new_inode_without_a_handle)
{
	static const int errors[] = { -ENOMEM, -EIO, -EINTR, -ENOENT };
	struct server *s = self->s;
	char name[16], path[256];
	unsigned long lookups;
	struct handle fh;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		s->dot_error = errors[i];
		snprintf(name, sizeof(name), "created%u", i);
		fd = try_open(s, name, O_RDWR | O_CREAT | O_EXCL);
		ASSERT_GE(fd, 0) {
			TH_LOG("error %d: %d", errors[i], fd);
		}
		ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));
		lookups = count(s, FUSE_COMPOUND);
		ASSERT_EQ(0, name_handle(s, name, &fh, 0));
		ASSERT_EQ(lookups + 1, count(s, FUSE_COMPOUND));
		ASSERT_EQ(0, encode(fd, &fh));
		close(fd);

		snprintf(name, sizeof(name), "made%u", i);
		path_of(s, name, path, sizeof(path));
		ASSERT_EQ(0, mkdir(path, 0755));
	}
	ASSERT_EQ(0, settle(s));
}

TEST_F(fuse, new_inode_is_not_looked_up_again)
{
	struct server *s = self->s;
	unsigned long lookups;
	struct handle fh;
	int fd;

	fd = try_open(s, "created", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	close(fd);
	lookups = count(s, FUSE_COMPOUND);
	ASSERT_EQ(0, name_handle(s, "created", &fh, 0));
	ASSERT_EQ(lookups, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, new_inode_with_invalid_reply)
{
	struct server *s = self->s;
	char path[256];

	s->dot_error = -ENOSYS;
	ASSERT_EQ(-EIO, try_open(s, "created", O_RDWR | O_CREAT | O_EXCL));
	ASSERT_EQ(1, count(s, FUSE_CREATE));
	ASSERT_EQ(1, count(s, FUSE_RELEASE));
	path_of(s, "made", path, sizeof(path));
	ASSERT_EQ(-1, mkdir(path, 0755));
	ASSERT_EQ(EIO, errno);
	ASSERT_EQ(1, count(s, FUSE_MKDIR));
	s->dot_error = 0;
	ASSERT_EQ(0, settle(s));

	s->handle_size = 129;
	ASSERT_EQ(-EIO, try_open(s, "again", O_RDWR | O_CREAT | O_EXCL));
	ASSERT_EQ(2, count(s, FUSE_CREATE));
}

/* The server must not receive FUSE_FORGET of a file that is still open. */
TEST_F(fuse, release_precedes_forget)
{
	struct server *s = self->s;
	char name[16];
	int i;

	ASSERT_EQ(0, use_all_processors(s));
	s->dot_error = -ENOSYS;
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "created%d", i);
		ASSERT_EQ(-EIO, try_open(s, name, O_RDWR | O_CREAT | O_EXCL));
	}
	ASSERT_EQ(i, count(s, FUSE_RELEASE));
	ASSERT_EQ(0, s->violations);
}

/* Sets the nodeid in the reply to a single FUSE_LOOKUP_HANDLE. */
static void set_nodeid(struct server *s, struct message *m)
{
	memcpy(m->data, &s->spoil_value, sizeof(s->spoil_value));
}

/* The lookup of "." of a new inode returns another nodeid. */
TEST_F(fuse, new_inode_with_another_nodeid)
{
	struct server *s = self->s;
	unsigned long forgets = s->forgets;
	struct handle fh;
	int fd;

	s->spoil_single = set_nodeid;
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(-EIO, try_open(s, "created", O_RDWR | O_CREAT | O_EXCL));
	/* The new nodeid and the other one are forgotten. */
	ASSERT_TRUE(wait_for(&s->forgets, forgets + 2));
	ASSERT_EQ(0, outstanding(s));

	/* A negative entry leaves the handle unknown. */
	s->spoil_value = 0;
	fd = try_open(s, "again", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));
	close(fd);
}

TEST_F(fuse, new_special_files_have_handles)
{
	struct server *s = self->s;
	struct handle fh;
	char path[256];

	path_of(s, "fifo", path, sizeof(path));
	ASSERT_EQ(0, mkfifo(path, 0644));
	ASSERT_EQ(1, count(s, FUSE_LOOKUP_HANDLE) - 1);
	ASSERT_EQ(0, name_handle(s, "fifo", &fh, 0));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);

	path_of(s, "symlink", path, sizeof(path));
	ASSERT_EQ(0, symlink("nowhere", path));
	ASSERT_EQ(2, count(s, FUSE_LOOKUP_HANDLE) - 1);
	ASSERT_EQ(0, name_handle(s, "symlink", &fh, 0));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
}

/* The handle of an unnamed file is requested when a link gives it a name. */
TEST_F(fuse, temporary_file)
{
	struct server *s = self->s;
	unsigned long nr = count(s, FUSE_LOOKUP_HANDLE);
	char path[256], link[64];
	struct handle fh;
	int fd;

	fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(nr, count(s, FUSE_LOOKUP_HANDLE));
	ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	path_of(s, "linked", path, sizeof(path));
	ASSERT_EQ(0, linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW));
	ASSERT_EQ(nr + 1, count(s, FUSE_LOOKUP_HANDLE));
	ASSERT_EQ(0, encode(fd, &fh));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
	ASSERT_EQ(read_object(fd, NULL), decode_object(self->mount_fd, &fh));
	close(fd);
}

TEST_HARNESS_MAIN
