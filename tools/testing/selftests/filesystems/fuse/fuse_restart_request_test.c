// SPDX-License-Identifier: GPL-2.0
/*
 * Requests in flight when a server dies: executed or not, and never answered. The next
 * server receives them again.
 */
#define _GNU_SOURCE
#include "fuse_in_flight_fixture.h"
#include "fuse_requests.h"
#include "fuse_restart_fixture.h"

static int do_read(struct server *s __maybe_unused, int fd)
{
	return read_object(fd, NULL);
}

static int do_write(struct server *s __maybe_unused, int fd)
{
	return pwrite(fd, "ab", 2, 0) == 2 ? 0 : -errno;
}

static int do_statx(struct server *s __maybe_unused, int fd)
{
	struct statx stx;

	return sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BTIME,
			 &stx);
}

static int do_create(struct server *s, int fd)
{
	fd = try_open(s, "d1/new", O_RDWR | O_CREAT | O_EXCL);
	return fd < 0 ? fd : read_object(fd, NULL) > 0 ? 0 : -EIO;
}

static int do_mkdir(struct server *s, int fd __maybe_unused)
{
	char path[256];

	path_of(s, "d1/new", path, sizeof(path));
	return mkdir(path, 0755) ? -errno : 0;
}

static int do_mknod(struct server *s, int fd __maybe_unused)
{
	char path[256];

	path_of(s, "d1/new", path, sizeof(path));
	return mknod(path, S_IFIFO | 0644, 0) ? -errno : 0;
}

static int do_symlink(struct server *s, int fd __maybe_unused)
{
	char path[256];

	path_of(s, "d1/new", path, sizeof(path));
	return symlink("target", path) ? -errno : 0;
}

static int do_link(struct server *s, int fd __maybe_unused)
{
	char path[256], old[256];

	path_of(s, "d1/new", path, sizeof(path));
	path_of(s, "file", old, sizeof(old));
	return link(old, path) ? -errno : 0;
}

static int do_stat(struct server *s, int fd __maybe_unused)
{
	return try_stat(s, PATH_OF_8);
}

static int do_list(struct server *s, int fd __maybe_unused)
{
	return list_names(s, "d1", true);
}

TEST_F(in_flight, read_and_write)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(2, INTERRUPTED(do_read, FUSE_READ, fd));
	/* The process that exits also sends a FUSE_FLUSH. */
	EXPECT_EQ(2, s->by_handle);
	EXPECT_EQ(1, s->repeated);
	EXPECT_EQ(0, INTERRUPTED(do_write, FUSE_WRITE, fd));
	EXPECT_EQ(4, s->by_handle);
	EXPECT_EQ(2, s->repeated);
	close(fd);
}

/* All IDs in FUSE_STATX are void when it is repeated. */
TEST_F(in_flight, statx)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, INTERRUPTED(do_statx, FUSE_STATX, fd));
	EXPECT_EQ(1, s->repeated);
	/* The process that exits also sends a FUSE_FLUSH. */
	EXPECT_EQ(2, s->by_handle);
	EXPECT_EQ(1, count(s, FUSE_STATX));
	EXPECT_EQ(0, s->violations);
	close(fd);
}

TEST_F(in_flight, lookup)
{
	EXPECT_EQ(0, INTERRUPTED(do_stat, FUSE_LOOKUP_HANDLE, -1));
	ASSERT_EQ(0, take_over(self->s));
	EXPECT_EQ(0, INTERRUPTED(do_stat, FUSE_LOOKUP_HANDLE, -1));
}

/* Lookups that the former server has counted are not forgotten. */
TEST_F(in_flight, list)
{
	struct server *s = self->s;

	EXPECT_EQ(2, INTERRUPTED(do_list, FUSE_READDIRPLUS, -1));
	EXPECT_GE(s->repeated, 1);
	ASSERT_EQ(0, take_over(s));
	EXPECT_EQ(2, INTERRUPTED(do_list, FUSE_READDIRPLUS, -1));
	EXPECT_EQ(2, list_names(s, "d1", true));
}

/* The server recognizes what it has created before. */
TEST_F(in_flight, creation)
{
	static const struct {
		operation_t *run;
		__u32 opcode;
	} operations[] = {
		{ do_create, FUSE_CREATE },
		{ do_mkdir, FUSE_MKDIR },
		{ do_mknod, FUSE_MKNOD },
		{ do_symlink, FUSE_SYMLINK },
	};
	struct server *s = self->s;
	unsigned int i, id, nr = s->nr_objects;
	char path[256];
	struct stat st;

	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		EXPECT_EQ(0, INTERRUPTED(operations[i].run,
					 operations[i].opcode, -1)) {
			TH_LOG("opcode %u", operations[i].opcode);
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

	EXPECT_EQ(0, INTERRUPTED(do_link, FUSE_LINK, -1));
	if (variant->done)
		EXPECT_EQ(2, s->objects[2].nlink);
	EXPECT_EQ(1, s->repeated);
}

/* A server that does not look at FUSE_UNIQUE_RESEND: it explains the error. */
TEST_F(in_flight, creation_by_naive_server)
{
	self->s->naive = true;
	EXPECT_EQ(variant->done ? EEXIST : 0,
		  INTERRUPTED(do_create, FUSE_CREATE, -1));
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
	pid = begin_operation(s, do_read, fd);
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
	pid = begin_operation(s, do_read, fd);
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
	pids[0] = begin_operation(s, do_read, fd);
	pids[1] = begin_operation(s, do_write, fd);
	pids[2] = begin_operation(s, do_stat, -1);
	pids[3] = begin_operation(s, do_create, -1);
	/* The last two wait for the same lookup. */
	EXPECT_TRUE(wait_pending(self->mount_fd, 3));
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
	pid = begin_operation(s, do_read, fd);
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
		pid = begin_operation(s, do_read, fd);
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
	pid = begin_operation(s, do_read, fd);
	EXPECT_TRUE(wait_pending(self->mount_fd, 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	usleep(20000);
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(-1, end_operation(pid));
	ASSERT_EQ(2, read_object(fd, NULL));
	close(fd);
}

/*
 * Objects that change while their inodes are looked up by handle
 */

/* An object of another type is not the inode. The kernel forgets the lookup. */
TEST_F(restart, type_changed)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	leave_server(s);
	s->objects[2].mode = S_IFDIR | 0755;
	ASSERT_EQ(0, enter_server(s));
	EXPECT_EQ(-ESTALE, read_object(fd, NULL));
	EXPECT_TRUE(wait_for(&s->forgotten, 1));
	EXPECT_EQ(0, outstanding(s));
	s->objects[2].mode = S_IFREG | 0644;
	EXPECT_EQ(2, read_object(fd, NULL));
	close(fd);
}

/* Receives a FUSE_COMPOUND, and handles the requests before it. */
static bool receive_compound(struct server *s, struct request *r)
{
	int ret;

	while ((ret = receive_request(s, 10000, r)) > 0) {
		if (r->in.opcode == FUSE_COMPOUND)
			return true;
		handle_request(s, r);
	}
	return false;
}

/*
 * While the inode is looked up by handle, a lookup of its name renews the nodeid. The
 * reply to the first lookup is not valid, and is ignored.
 */
TEST_F(restart, name_is_faster_than_handle)
{
	struct server *s = self->s;
	static unsigned char compound[4096];
	struct request r = {};
	pid_t pid;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, take_over(s));
	serve_in_caller(s);
	pid = begin_operation(s, do_read, fd);
	ASSERT_GT(pid, 0);
	ASSERT_TRUE(receive_compound(s, &r));
	/* The thread receives other requests into the same buffer. */
	ASSERT_LE(r.args_len, sizeof(compound));
	memcpy(compound, r.args, r.args_len);
	r.args = compound;
	ASSERT_EQ(0, serve_in_thread(s));
	ASSERT_EQ(0, try_stat(s, "file"));
	serve_in_caller(s);
	s->objects[2].mode = S_IFDIR | 0755;
	handle_request(s, &r);
	s->objects[2].mode = S_IFREG | 0644;
	ASSERT_EQ(0, serve_in_thread(s));
	EXPECT_EQ(2, end_operation(pid));
	EXPECT_TRUE(wait_for(&s->forgotten, 1));
	EXPECT_EQ(1, s->reopened);
	close(fd);
}

TEST_HARNESS_MAIN
