// SPDX-License-Identifier: GPL-2.0
/*
 * File handles of a server with handles through io_uring. The thread of the
 * server replies while the test waits for the ring.
 */
#define _GNU_SOURCE
#include "../file_handle/ring.h"
#include "fuse_session.h"

static int ring_name_handle(struct ring *ring, struct server *s,
			    const char *name, struct handle *fh,
			    unsigned int flags)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);
	__u64 mnt_id = 0;
	char path[256];

	path_of(s, name, path, sizeof(path));
	memset(fh, 0, sizeof(*fh));
	fh->bytes = HANDLE_MAX;
	sqe_name(sqe, AT_FDCWD, path, fh, &mnt_id, AT_HANDLE_MNT_ID_UNIQUE);
	sqe->flags = flags;
	return ring_run(ring);
}

static int ring_decode_object(struct ring *ring, int mount_fd,
			      const struct handle *fh, unsigned int flags)
{
	return read_and_close(ring_open(ring, mount_fd, fh, O_RDONLY | O_CLOEXEC, flags));
}

FIXTURE(fuse_ring)
{
	struct server *s;
	int mount_fd;
	struct ring ring;
};

FIXTURE_SETUP(fuse_ring)
{
	const char *reason = missing();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, ring_init(&self->ring, 0));
	begin(_metadata, &self->s, &self->mount_fd);
}

FIXTURE_TEARDOWN(fuse_ring)
{
	/* end() checks that no request has kept a lookup. */
	ring_exit(&self->ring);
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
}

TEST_F_TIMEOUT(fuse_ring, name_equals_system_call, 120)
{
	static const char * const names[] = { ".", "file", "d1/d2/d3" };
	struct handle by_syscall, cold, cached;
	struct server *s = self->s;
	unsigned long sent, nr;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(0, settle_server(s));
		nr = count(s, FUSE_COMPOUND);
		ASSERT_EQ(0, name_handle(s, names[i], &by_syscall, 0));
		sent = count(s, FUSE_COMPOUND) - nr;
		ASSERT_EQ(FILEID_FUSE_HANDLE, by_syscall.type);

		for (j = 0; j < ARRAY_SIZE(request_flags); j++) {
			/* A request that does not find the name cached is sent once. */
			ASSERT_EQ(0, settle_server(s));
			nr = count(s, FUSE_COMPOUND);
			ASSERT_EQ(0, ring_name_handle(&self->ring, s, names[i],
						      &cold, request_flags[j]));
			EXPECT_EQ(nr + sent, count(s, FUSE_COMPOUND));
			EXPECT_TRUE(same_handle(&by_syscall, &cold));

			ASSERT_EQ(0, ring_name_handle(&self->ring, s, names[i],
						      &cached, request_flags[j]));
			EXPECT_EQ(nr + sent, count(s, FUSE_COMPOUND));
			EXPECT_TRUE(same_handle(&by_syscall, &cached));
		}
	}
	EXPECT_EQ(-ENOENT, ring_name_handle(&self->ring, s, "missing", &cold,
					    0));
}

TEST_F(fuse_ring, open_after_eviction)
{
	struct server *s = self->s;
	struct handle fh;
	unsigned long nr;
	unsigned int i;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		ASSERT_EQ(0, settle_server(s));
		ASSERT_NE(0, s->forgets);
		nr = count(s, FUSE_COMPOUND);
		EXPECT_EQ(2, ring_decode_object(&self->ring, self->mount_fd,
						&fh, request_flags[i]));
		/* Only the worker sends a request. */
		EXPECT_EQ(nr + 1, count(s, FUSE_COMPOUND));
		EXPECT_EQ(0, s->last_nodeid);
	}
}

TEST_F(fuse_ring, open_after_restart)
{
	struct server *s = self->s;
	struct handle file, again, inner;
	unsigned int i;
	int id;

	ASSERT_EQ(0, ring_name_handle(&self->ring, s, "file", &file, 0));
	ASSERT_EQ(0, ring_name_handle(&self->ring, s, "d1/d2/file", &inner, 0));
	id = decode_object(self->mount_fd, &inner);
	ASSERT_GT(id, 2);
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		ASSERT_EQ(0, RESTART());
		EXPECT_EQ(2, ring_decode_object(&self->ring, self->mount_fd,
						&file, request_flags[i]));
		EXPECT_EQ(id, ring_decode_object(&self->ring, self->mount_fd,
						 &inner, request_flags[i]));
		EXPECT_EQ(0, ring_name_handle(&self->ring, s, "file", &again,
					      request_flags[i]));
		EXPECT_TRUE(same_handle(&file, &again));
	}
}

TEST_F(fuse_ring, stale)
{
	struct server *s = self->s;
	struct handle fh, forged;
	unsigned int i;

	ASSERT_EQ(0, ring_name_handle(&self->ring, s, "other", &fh, 0));
	forged = fh;
	forged.data[0]++;
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		s->objects[3].exists = true;
		ASSERT_EQ(0, RESTART());
		EXPECT_EQ(3, ring_decode_object(&self->ring, self->mount_fd,
						&fh, request_flags[i]));
		EXPECT_EQ(-ESTALE, ring_decode_object(&self->ring,
						      self->mount_fd, &forged,
						      request_flags[i]));
		ASSERT_EQ(0, settle_server(s));
		s->objects[3].exists = false;
		EXPECT_EQ(-ESTALE, ring_decode_object(&self->ring,
						      self->mount_fd, &fh,
						      request_flags[i]));
		ASSERT_EQ(0, RESTART());
		EXPECT_EQ(-ESTALE, ring_decode_object(&self->ring,
						      self->mount_fd, &fh,
						      request_flags[i]));
	}
}

/* A decode reports ESTALE, except if memory is missing or a signal interrupts it. */
TEST_F(fuse_ring, error_of_the_server)
{
	static const int errors[][2] = {
		{ -EAGAIN, -ESTALE }, { -EINVAL, -ESTALE }, { -EIO, -ESTALE },
		{ -EPERM, -ESTALE }, { -ENOMEM, -ENOMEM }, { -EINTR, -EINTR },
	};
	struct server *s = self->s;
	struct handle fh;
	unsigned int i, j;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		s->handle_error = 0;
		ASSERT_EQ(0, settle_server(s));
		s->handle_error = errors[i][0];
		EXPECT_EQ(errors[i][1], decode_object(self->mount_fd, &fh));
		for (j = 0; j < ARRAY_SIZE(request_flags); j++)
			EXPECT_EQ(errors[i][1],
				  ring_decode_object(&self->ring, self->mount_fd,
						     &fh, request_flags[j]))
				TH_LOG("error %d", errors[i][0]);
	}
	s->handle_error = 0;
	EXPECT_EQ(2, decode_object(self->mount_fd, &fh));
}

TEST_HARNESS_MAIN
