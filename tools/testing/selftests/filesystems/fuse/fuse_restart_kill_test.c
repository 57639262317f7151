// SPDX-License-Identifier: GPL-2.0
/*
 * Servers that are killed while they read a request or send a reply, and descriptors of
 * a connection that end with a server: the next server receives the requests.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "fuse_session.h"

/*
 * A page of a file on a mount whose server does not reply. To copy from or to it waits
 * until the process is killed.
 */
struct hole {
	struct server *s;
	char *page;
};

static int open_hole(struct hole *hole)
{
	int fd, err;

	hole->s = new_server();
	if (!hole->s)
		return -ENOMEM;
	err = start_server(hole->s);
	if (err)
		return err;
	fd = try_open(hole->s, "file", O_RDONLY);
	if (fd < 0)
		return fd;
	hole->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	err = hole->page == MAP_FAILED ? -errno : 0;
	close(fd);
	serve_in_caller(hole->s);
	return err;
}

/* Waits until a process accesses the page. */
static bool is_waiting(const struct hole *hole)
{
	struct pollfd pfd = { .fd = hole->s->fd, .events = POLLIN };

	return poll(&pfd, 1, 10000) == 1;
}

static void close_hole(struct hole *hole)
{
	munmap(hole->page, 4096);
	serve_in_thread(hole->s);
	free_server(hole->s);
}

FIXTURE(killed)
{
	struct server *s;
	int mount_fd;
	struct hole hole;
};

FIXTURE_SETUP(killed)
{
	begin_replaceable(_metadata, &self->s, &self->mount_fd);
	if (was_skipped(_metadata))
		return;
	ASSERT_EQ(0, RESTART_WITH(self->s->init_flags |= FUSE_PARALLEL_DIROPS));
	ASSERT_EQ(0, open_hole(&self->hole));
}

FIXTURE_TEARDOWN(killed)
{
	close_hole(&self->hole);
	end(_metadata, self->s, self->mount_fd);
}

/* Calls stat(2) in a process, which waits for the server. */
static pid_t begin_stat(struct server *s, const char *name)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	die_with_parent();
	/* The connection must not depend on this process. */
	close(s->fd);
	_exit(-try_stat(s, name));
}

static int wait_for_exit(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

static bool has_request(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 10000) == 1;
}

static char buffer[64 * 1024];

/*
 * Reads a request, whose first page is copied to @first. Returns 0 or a negative errno.
 */
static int read_to(int fd, void *first)
{
	struct iovec iov[2] = { { first, 4096 }, { buffer, sizeof(buffer) } };

	if (!has_request(fd))
		return -ETIMEDOUT;
	return readv(fd, iov, 2) < 0 ? -errno : 0;
}

/* Reads a request, and sends a reply whose data are copied from @data. */
static int reply_from(int fd, void *data)
{
	struct fuse_out_header out = { .len = sizeof(out) + 64 };
	struct iovec iov[2] = { { &out, sizeof(out) }, { data, 64 } };
	struct fuse_in_header in;

	if (!has_request(fd) || read(fd, buffer, sizeof(buffer)) < (ssize_t)sizeof(in))
		return -EIO;
	memcpy(&in, buffer, sizeof(in));
	out.unique = in.unique;
	return writev(fd, iov, 2) < 0 ? -errno : 0;
}

/* Runs a server in a process, which is killed when it waits for the page. */
static void kill_server(struct __test_metadata *const _metadata,
			struct server *s, const struct hole *hole,
			int (*serve)(int fd, void *page))
{
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		die_with_parent();
		_exit(-serve(s->fd, hole->page));
	}
	EXPECT_TRUE(is_waiting(hole));
	kill(pid, SIGKILL);
	EXPECT_EQ(-EINTR, wait_for_exit(pid));
}

static void expect_repeated(struct __test_metadata *const _metadata,
			    struct server *s, pid_t pid)
{
	EXPECT_EQ(0, enter_server(s));
	EXPECT_EQ(0, wait_for_exit(pid));
	EXPECT_EQ(1, s->repeated);
}

TEST_F(killed, while_it_reads)
{
	pid_t pid;

	leave_server(self->s);
	pid = begin_stat(self->s, "d1");
	kill_server(_metadata, self->s, &self->hole, read_to);
	expect_repeated(_metadata, self->s, pid);
}

TEST_F(killed, while_it_replies)
{
	pid_t pid;

	leave_server(self->s);
	pid = begin_stat(self->s, "d1");
	kill_server(_metadata, self->s, &self->hole, reply_from);
	expect_repeated(_metadata, self->s, pid);
}

/*
 * The server is replaced while one of its processes reads a request. read(2) fails in
 * that process, and the next server receives the request.
 */
TEST_F(killed, replaced_while_it_reads)
{
	struct server *s = self->s;
	pid_t pid, reader;

	leave_server(s);
	pid = begin_stat(s, "d1");
	reader = fork();
	ASSERT_GE(reader, 0);
	if (!reader) {
		die_with_parent();
		_exit(-read_to(s->fd, self->hole.page));
	}
	ASSERT_TRUE(is_waiting(&self->hole));
	EXPECT_EQ(0, enter_server(s));
	/* The page of the hole can be read now, so that the copy ends. */
	ASSERT_EQ(0, serve_in_thread(self->hole.s));
	EXPECT_EQ(EINTR, wait_for_exit(reader));
	serve_in_caller(self->hole.s);
	EXPECT_EQ(0, wait_for_exit(pid));
	EXPECT_EQ(1, s->repeated);
}

/* The caller is killed as well, after its request was queued again. */
TEST_F(killed, with_the_caller)
{
	struct server *s = self->s;
	pid_t pid;

	leave_server(s);
	pid = begin_stat(s, "d1");
	kill_server(_metadata, s, &self->hole, read_to);
	kill(pid, SIGKILL);
	EXPECT_EQ(-EINTR, wait_for_exit(pid));
	EXPECT_EQ(0, enter_server(s));
	EXPECT_EQ(0, try_stat(s, "d1"));
	EXPECT_EQ(0, s->repeated);
}

/* Nobody takes over. */
TEST_F(killed, and_the_connection_ends)
{
	struct server *s = self->s;
	pid_t pid;

	leave_server(s);
	pid = begin_stat(s, "d1");
	kill_server(_metadata, s, &self->hole, reply_from);
	close(s->fd);
	EXPECT_EQ(ECONNABORTED, wait_for_exit(pid));
	/* The teardown expects a server. */
	s->fd = -1;
	EXPECT_EQ(0, RESTART());
}

/* A descriptor of a thread of the server ends with it. */
TEST_F(killed, cloned_descriptor)
{
	static const char * const names[] = { "file", "other", "d1" };
	struct server *s = self->s;
	pid_t pids[ARRAY_SIZE(names)];
	__u32 fd_of = s->fd;
	unsigned int i;
	int clone;

	leave_server(s);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		pids[i] = begin_stat(s, names[i]);
	clone = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	ASSERT_GE(clone, 0);
	ASSERT_EQ(0, ioctl(clone, FUSE_DEV_IOC_CLONE, &fd_of));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_TRUE(has_request(clone));
		ASSERT_GT(read(clone, buffer, sizeof(buffer)), 0);
	}
	close(clone);
	EXPECT_EQ(0, enter_server(s));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_EQ(0, wait_for_exit(pids[i]));
	EXPECT_EQ(ARRAY_SIZE(names), s->repeated);
}

TEST_HARNESS_MAIN
