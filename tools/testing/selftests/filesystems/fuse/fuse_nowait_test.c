// SPDX-License-Identifier: GPL-2.0
/*
 * Handles of a server with handles through io_uring, which opens a file during
 * submission only if no request is sent. The server can be the submitter.
 */
#define _GNU_SOURCE
#include "../file_handle/failslab.h"
#include "../file_handle/ring.h"
#include "fuse_session.h"

/* A completion of a worker is only posted when the task waits. */
#define RING_FLAGS	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

#define OPENS		1000
#define CONNECTING	16	/* opens of a directory, more than a worker sends requests */

FIXTURE(nowait)
{
	struct server *s;
	int mount_fd;
	struct ring ring;
};

FIXTURE_SETUP(nowait)
{
	const char *reason = missing();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, ring_init(&self->ring, RING_FLAGS));
	begin(_metadata, &self->s, &self->mount_fd);
}

FIXTURE_TEARDOWN(nowait)
{
	ring_exit(&self->ring);
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
}

/* Restarts the server, which does not implement FUSE_OPEN and FUSE_OPENDIR. */
static int restart_without_open(struct server *s, int *fd)
{
	int err, file;

	s->no_open = true;
	err = restart(s, fd);
	if (err)
		return err;
	file = try_open(s, "file", O_RDONLY);
	if (file < 0)
		return file;
	close(file);
	return 0;
}

/*
 * Opens a handle, and stores whether the request was completed by the submission.
 * Returns a descriptor or a negative errno.
 */
static int open_handle(struct ring *ring, int mount_fd, const struct handle *fh,
		       unsigned int flags, bool *inlined)
{
	*inlined = false;
	sqe_open(ring_sqe(ring), mount_fd, fh, flags | O_CLOEXEC);
	if (ring_submit(ring) != 1)
		return RING_BROKEN;
	*inlined = ring_ready(ring);
	return ring_result(ring);
}

/* The same for the object that the file contains */
static int read_handle(struct ring *ring, int mount_fd, const struct handle *fh,
		       bool *inlined)
{
	return read_and_close(open_handle(ring, mount_fd, fh, O_RDONLY, inlined));
}

/* Returns the number of requests, without those of close(2). */
static unsigned long count_opens(struct server *s)
{
	return count_all(s) - count(s, FUSE_FLUSH);
}

static const size_t sizes[] = { 3, 24, 25, 124 };

TEST_F(nowait, cached_files)
{
	struct server *s = self->s;
	unsigned long sent;
	unsigned int i, j;
	struct handle fh;
	bool inlined;
	int fd;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		s->handle_size = sizes[i];
		ASSERT_EQ(0, restart_without_open(s, &self->mount_fd));
		ASSERT_EQ(0, name_handle(s, "d1/d2/file", &fh, 0));
		sent = count_opens(s);
		for (j = 0; j < OPENS; j++) {
			fd = open_handle(&self->ring, self->mount_fd, &fh,
					 O_RDONLY, &inlined);
			ASSERT_GE(fd, 0);
			close(fd);
			ASSERT_TRUE(inlined);
		}
		EXPECT_EQ(sent, count_opens(s));
		ASSERT_GT(read_handle(&self->ring, self->mount_fd, &fh,
				      &inlined), 3);
	}
}

TEST_F(nowait, cached_directories)
{
	static const char * const names[] = { ".", "d1", "d1/d2/d3" };
	struct server *s = self->s;
	unsigned long sent;
	struct stat st, want;
	struct handle fh;
	char path[256];
	unsigned int i;
	bool inlined;
	int fd;

	ASSERT_EQ(0, restart_without_open(s, &self->mount_fd));
	/* The first open of a directory is a request as well. */
	ASSERT_EQ(0, close_result(try_open(s, ".", O_RDONLY)) < 0);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		path_of(s, names[i], path, sizeof(path));
		ASSERT_EQ(0, stat(path, &want));
		ASSERT_EQ(0, name_handle(s, names[i], &fh, 0));
		sent = count_all(s);
		fd = open_handle(&self->ring, self->mount_fd, &fh,
				 O_RDONLY | O_DIRECTORY, &inlined);
		ASSERT_GE(fd, 0);
		EXPECT_TRUE(inlined) {
			TH_LOG("%s", names[i]);
		}
		EXPECT_EQ(sent, count_all(s));
		ASSERT_EQ(0, fstat(fd, &st));
		EXPECT_EQ(want.st_ino, st.st_ino);
		close(fd);
	}
}

/* Requests for which the server is asked are executed by a worker. */
TEST_F(nowait, worker)
{
	struct handle file, directory, removed;
	struct server *s = self->s;
	bool inlined;
	int fd, i;

	/* The server implements FUSE_OPEN. */
	ASSERT_EQ(0, name_handle(s, "file", &file, 0));
	ASSERT_EQ(0, name_handle(s, "d1", &directory, 0));
	ASSERT_EQ(2, read_handle(&self->ring, self->mount_fd, &file, &inlined));
	EXPECT_FALSE(inlined);
	fd = open_handle(&self->ring, self->mount_fd, &directory,
			 O_RDONLY | O_DIRECTORY, &inlined);
	ASSERT_GE(fd, 0);
	close(fd);
	EXPECT_FALSE(inlined);

	/* A permission check can request the attributes. */
	s->default_permissions = true;
	ASSERT_EQ(0, restart_without_open(s, &self->mount_fd));
	ASSERT_EQ(2, read_handle(&self->ring, self->mount_fd, &file, &inlined));
	EXPECT_FALSE(inlined);

	/* The inode is not cached. */
	s->default_permissions = false;
	ASSERT_EQ(0, restart_without_open(s, &self->mount_fd));
	ASSERT_EQ(0, settle_server(s));
	fd = open_handle(&self->ring, self->mount_fd, &file, O_RDONLY, &inlined);
	ASSERT_GE(fd, 0);
	EXPECT_FALSE(inlined);
	ASSERT_EQ(2, read_handle(&self->ring, self->mount_fd, &file, &inlined));
	EXPECT_TRUE(inlined);
	/* FUSE does not cache an inode that has neither a name nor an open file. */
	close(fd);
	ASSERT_EQ(2, read_handle(&self->ring, self->mount_fd, &file, &inlined));
	EXPECT_FALSE(inlined);

	/* The directory is cached, and has no dentry that is connected. */
	ASSERT_EQ(0, RESTART());
	for (i = 0; i < 2; i++) {
		fd = open_handle(&self->ring, self->mount_fd, &directory,
				 O_RDONLY | O_DIRECTORY, &inlined);
		ASSERT_GE(fd, 0);
		close(fd);
		/*
		 * The first open connects it, and sends FUSE_OPENDIR, which the
		 * server does not implement.
		 */
		EXPECT_EQ(!!i, inlined);
	}

	/* The inode has no links, so the server may have removed it. */
	s->attr_valid = 0;
	ASSERT_EQ(0, restart_without_open(s, &self->mount_fd));
	ASSERT_EQ(0, name_handle(s, "other", &removed, 0));
	s->objects[3].nlink = 0;
	fd = try_open(s, "other", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, try_stat(s, "other"));
	read_handle(&self->ring, self->mount_fd, &removed, &inlined);
	EXPECT_FALSE(inlined);
	close(fd);
}

/* A file handle that is malformed needs no worker. */
TEST_F(nowait, malformed)
{
	struct server *s = self->s;
	struct handle fh, bad;
	unsigned long sent;
	unsigned int i;
	bool inlined;

	ASSERT_EQ(0, restart_without_open(s, &self->mount_fd));
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	sent = count_all(s);
	for (i = 0; i < 4; i++) {
		bad = fh;
		bad.data[i] ^= 0x81;
		ASSERT_EQ(-ESTALE, read_handle(&self->ring, self->mount_fd, &bad,
					       &inlined));
		EXPECT_TRUE(inlined);
	}
	EXPECT_EQ(sent, count_all(s));
	/* A handle that is not known may exist. */
	bad = fh;
	bad.data[6]++;
	ASSERT_EQ(-ESTALE, read_handle(&self->ring, self->mount_fd, &bad,
				       &inlined));
	EXPECT_FALSE(inlined);
	EXPECT_EQ(sent + 1, count_all(s));
}

/* Handles requests until the ring has a completion. Returns its result. */
static int serve_until_ready(struct server *s, struct ring *ring)
{
	int i;

	for (i = 0; i < RETRIES; i++) {
		if (!serve_request(s, 1))
			return -ENOTCONN;
		ring_enter(ring, 0, 0, IORING_ENTER_GETEVENTS);
		if (ring_ready(ring))
			return ring_result(ring);
	}
	return -ETIMEDOUT;
}

/* Serves a request. Returns false if the first open completes without another one. */
static bool serve_one(struct server *s, struct ring *ring)
{
	unsigned long before = count_all(s);
	int i;

	for (i = 0; i < RETRIES && !ring_ready(ring); i++) {
		if (!serve_request(s, 1))
			break;
		if (count_all(s) != before)
			return true;
		ring_enter(ring, 0, 0, IORING_ENTER_GETEVENTS);
	}
	return false;
}

/*
 * A worker connects a directory to the root, for which it sends requests. The thread
 * that submits is the server, and opens the directory in each state.
 */
TEST_F(nowait, directory_that_is_being_connected)
{
	struct server *s = self->s;
	unsigned int i, served = 0;
	int fds[CONNECTING];
	struct handle fh;

	ASSERT_EQ(0, restart_without_open(s, &self->mount_fd));
	ASSERT_EQ(0, close_result(try_open(s, ".", O_RDONLY)));
	ASSERT_EQ(0, name_handle(s, "d1/d2/d3", &fh, 0));
	ASSERT_EQ(0, settle_server(s));
	serve_in_caller(s);
	for (i = 0; i < CONNECTING; i++) {
		sqe_open(ring_sqe(&self->ring), self->mount_fd, &fh,
			 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ASSERT_EQ(1, ring_submit(&self->ring));
		served += serve_one(s, &self->ring);
	}
	/* The lookup of the directory, and those of its parents */
	EXPECT_GE(served, 3);
	for (i = 0; i < CONNECTING; i++)
		fds[i] = serve_until_ready(s, &self->ring);
	ASSERT_EQ(0, serve_in_thread(s));
	for (i = 0; i < CONNECTING; i++)
		EXPECT_EQ(0, close_result(fds[i]));
}

/*
 * The thread that submits is the server. If the submission waited for a request, it
 * would wait for itself.
 */
TEST_F(nowait, submitter_is_the_server)
{
	struct server *s = self->s;
	struct handle fhs[3];
	unsigned int i, round;
	int fd;

	for (round = 0; round < 3; round++) {
		s->no_open = round == 1;
		s->default_permissions = round == 2;
		s->attr_valid = round == 2 ? 0 : 3600;
		ASSERT_EQ(0, RESTART());
		ASSERT_EQ(0, name_handle(s, "file", &fhs[0], 0));
		ASSERT_EQ(0, name_handle(s, "d1", &fhs[1], 0));
		ASSERT_EQ(0, name_handle(s, "d1/d2/file", &fhs[2], 0));
		serve_in_caller(s);
		for (i = 0; i < ARRAY_SIZE(fhs); i++) {
			sqe_open(ring_sqe(&self->ring), self->mount_fd, &fhs[i],
				 O_RDONLY | O_CLOEXEC);
			ASSERT_EQ(1, ring_submit(&self->ring));
			fd = serve_until_ready(s, &self->ring);
			ASSERT_GE(fd, 0) {
				TH_LOG("round %u, handle %u", round, i);
			}
			/* Its close(2) sends requests, too. */
			ASSERT_EQ(0, serve_in_thread(s));
			close(fd);
			serve_in_caller(s);
		}
		ASSERT_EQ(0, serve_in_thread(s));
	}
}

/* A decode that has no memory is repeated by a worker, which has some. */
TEST_F_TIMEOUT(nowait, failing_allocations, SLOW_TIMEOUT)
{
	unsigned int nth, repeated = 0;
	struct server *s = self->s;
	struct failslab fail = {};
	bool failed = true;
	struct handle fh;
	int ret, submitted;

	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
	/* Memory is allocated for a handle of this size. */
	s->handle_size = 60;
	ASSERT_EQ(0, restart_without_open(s, &self->mount_fd));
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, failslab_start(&fail));
	for (nth = 1; nth <= ALLOCATIONS_MAX && failed; nth++) {
		sqe_open(ring_sqe(&self->ring), self->mount_fd, &fh,
			 O_RDONLY | O_CLOEXEC);
		ASSERT_EQ(0, failslab_arm(&fail, nth));
		submitted = ring_submit(&self->ring);
		failed = failslab_has_failed(&fail);
		ASSERT_EQ(0, failslab_arm(&fail, 0));
		/* There was no memory for the request itself. */
		if (submitted != 1)
			ASSERT_EQ(1, ring_submit(&self->ring));
		ret = read_and_close(ring_result(&self->ring));
		repeated += failed && submitted == 1 && ret == 2;
		EXPECT_TRUE(ret == 2 || (failed && ret == -ENOMEM)) {
			TH_LOG("allocation %u: %d", nth, ret);
		}
	}
	EXPECT_FALSE(failed);
	/* At least the decode */
	EXPECT_GT(repeated, 0);
	failslab_end(&fail);
}

TEST_HARNESS_MAIN
