// SPDX-License-Identifier: GPL-2.0
/*
 * Handles through both transports, /dev/fuse and io_uring, and with the options of a
 * server that change how the kernel uses inodes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <grp.h>
#include <sys/fsuid.h>

#include "fuse_requests.h"
#include "fuse_session.h"
#include "fuse_uring.h"

FIXTURE(transport)
{
	struct server *s;
	int mount_fd;
};

FIXTURE_VARIANT(transport)
{
	bool by_ring;
	__u64 flags;
	bool pool;
	bool zero_copy;
};

FIXTURE_VARIANT_ADD(transport, dev_fuse) {};

FIXTURE_VARIANT_ADD(transport, io_uring) {
	.by_ring = true,
	.flags = FUSE_OVER_IO_URING,
};

FIXTURE_VARIANT_ADD(transport, dev_fuse_writeback) {
	.flags = FUSE_WRITEBACK_CACHE,
};

FIXTURE_VARIANT_ADD(transport, io_uring_writeback) {
	.by_ring = true,
	.flags = FUSE_OVER_IO_URING | FUSE_WRITEBACK_CACHE,
};

/* The server checks the handles in each request. */
FIXTURE_VARIANT_ADD(transport, dev_fuse_handles) {
	.flags = FUSE_REQUEST_HANDLE,
};

FIXTURE_VARIANT_ADD(transport, io_uring_handles) {
	.by_ring = true,
	.flags = FUSE_OVER_IO_URING | FUSE_REQUEST_HANDLE,
};

/* A request gets a buffer of the pool only if it has a payload. */
FIXTURE_VARIANT_ADD(transport, io_uring_pool) {
	.by_ring = true,
	.flags = FUSE_OVER_IO_URING | FUSE_REQUEST_HANDLE,
	.pool = true,
};

FIXTURE_VARIANT_ADD(transport, io_uring_zero_copy) {
	.by_ring = true,
	.flags = FUSE_OVER_IO_URING | FUSE_REQUEST_HANDLE,
	.pool = true,
	.zero_copy = true,
};

FIXTURE_SETUP(transport)
{
	const char *reason = variant->by_ring ? fuse_uring_missing() : NULL;

	if (reason)
		SKIP(return, "%s", reason);
	begin(_metadata, &self->s, &self->mount_fd);
	if (was_skipped(_metadata))
		return;
	if (variant->pool && !(self->s->init_offer & FUSE_HAS_IO_URING_BUFPOOL)) {
		/* A test that is skipped in its setup has no teardown. */
		close(self->mount_fd);
		free_server(self->s);
		SKIP(return, "needs buffer pools for FUSE over io_uring");
	}
	/* Processors of the test select the queue. */
	ASSERT_EQ(0, use_all_processors(self->s));
	ASSERT_EQ(0, RESTART_WITH({
		self->s->init_flags |= variant->flags;
		self->s->ring_pool = variant->pool;
		self->s->zero_copy = variant->zero_copy;
		if (variant->by_ring)
			self->s->transport = serve_through_ring;
	}));
	ASSERT_EQ(0, try_stat(self->s, "."));
	/* The handle of the root is requested without waiting for it. */
	ASSERT_TRUE(wait_for(&self->s->requests[FUSE_LOOKUP_HANDLE], 1));
}

FIXTURE_TEARDOWN(transport)
{
	struct server *s = self->s;
	unsigned long requests;

	if (!s)
		return;
	/*
	 * After a test that has failed, ASSERT_EQ() would abort here even if it holds. The
	 * kernel waits forever for a server with a ring that ends before its mount.
	 */
	EXPECT_EQ(0, settle_server(s));
	stop_server(s);
	requests = count_all(s) + count(s, FUSE_RELEASE) + count(s, FUSE_RELEASEDIR);
	/* All but FUSE_INIT and that for the root */
	if (variant->by_ring)
		EXPECT_GT(s->through_ring + 10, requests) {
			TH_LOG("%lu of %lu requests", s->through_ring, requests);
		}
	end(_metadata, s, self->mount_fd);
}

/* The buffers of a ring belong to a process, so another one cannot take over. */
TEST_F(transport, restart)
{
	if (!variant->by_ring)
		SKIP(return, "fuse_restart_test tests /dev/fuse");
	ASSERT_EQ(0, try_stat(self->s, "file"));
	EXPECT_EQ(variant->flags & FUSE_REQUEST_HANDLE ? -EOPNOTSUPP : -EINVAL,
		  notify(self->s, FUSE_NOTIFY_RESTART, NULL, 0));
	ASSERT_EQ(0, try_stat(self->s, "file"));
}

TEST_F(transport, lookups)
{
	struct server *s = self->s;
	unsigned long nr = count_all(s);

	ASSERT_EQ(0, try_stat(s, PATH_OF_8));
	EXPECT_EQ(nr + 8, count_all(s));
	EXPECT_EQ(8, count(s, FUSE_COMPOUND));
	ASSERT_EQ(-ENOENT, try_stat(s, "d1/missing"));
	EXPECT_EQ(0, count(s, FUSE_LOOKUP));
}

static int count_extensions(struct server *s, const struct request *r,
			    struct message *m __maybe_unused)
{
	/* The extension of FUSE_LOOKUP_HANDLE is its argument. */
	if (r->in.opcode != FUSE_LOOKUP_HANDLE)
		*(unsigned int *)s->others_data += r->in.total_extlen != 0;
	return -ENOSYS;
}

/*
 * The payload of these requests is the handle of the file. With zero copy, that of
 * FUSE_WRITE and of the reply to FUSE_READ contains no data.
 */
TEST_F(transport, payload_is_a_handle)
{
	static const __u32 opcodes[] = {
		FUSE_ACCESS, FUSE_READ, FUSE_WRITE, FUSE_FSYNC, FUSE_FLUSH,
	};
	unsigned long nr = variant->flags & FUSE_REQUEST_HANDLE ? 1 : 0;
	struct server *s = self->s;
	unsigned int i, extensions = 0;
	char path[256];
	int fd;

	s->others = count_extensions;
	s->others_data = &extensions;
	path_of(s, "file", path, sizeof(path));
	EXPECT_EQ(0, access(path, R_OK));
	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(2, read_object(fd, NULL));
	EXPECT_EQ(4, pwrite(fd, "data", 4, 0));
	EXPECT_EQ(0, fsync(fd));
	/* Returns the error of FUSE_FLUSH. */
	EXPECT_EQ(0, close(fd));
	/* The server checks the handle. */
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		EXPECT_EQ(1, count(s, opcodes[i]));
		EXPECT_EQ(nr, s->with_handles[opcodes[i]]) {
			TH_LOG("opcode %u", opcodes[i]);
		}
	}
	EXPECT_TRUE(wait_for(&s->requests[FUSE_RELEASE], 1));
	EXPECT_TRUE(wait_for(&s->with_handles[FUSE_RELEASE], nr));
	EXPECT_EQ(!nr, !extensions);
	EXPECT_EQ(variant->zero_copy, s->zero_copied);
	EXPECT_EQ(0, s->violations);
}

/* Without handles, the payload of FUSE_UNLINK is the name. */
TEST_F(transport, payload_is_a_name)
{
	struct server *s = self->s;
	char path[256];

	ASSERT_EQ(0, RESTART_WITH(s->init_flags &= ~FUSE_REQUEST_HANDLE));
	path_of(s, "file", path, sizeof(path));
	/* The server receives it, and does not implement it. */
	EXPECT_EQ(-1, unlink(path));
	EXPECT_EQ(ENOSYS, errno);
	EXPECT_EQ(1, count(s, FUSE_UNLINK));
}

static int make(struct server *s, unsigned int kind, const char *name)
{
	char path[256], other[256];
	int fd;

	path_of(s, name, path, sizeof(path));
	path_of(s, "file", other, sizeof(other));
	switch (kind) {
	case 0:
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		return fd < 0 ? -errno : close(fd);
	case 1:
		return mkdir(path, 0755) ? -errno : 0;
	case 2:
		return mkfifo(path, 0644) ? -errno : 0;
	case 3:
		return symlink("nowhere", path) ? -errno : 0;
	default:
		return link(other, path) ? -errno : 0;
	}
}

#define KINDS	5

/* Each is one request, and makes the handle known. */
TEST_F(transport, creates)
{
	struct server *s = self->s;
	unsigned int kind;
	unsigned long nr;
	struct handle fh;
	char name[8];

	ASSERT_EQ(0, try_stat(s, "file"));
	for (kind = 0; kind < KINDS; kind++) {
		snprintf(name, sizeof(name), "new%u", kind);
		nr = count(s, FUSE_COMPOUND);
		ASSERT_EQ(0, make(s, kind, name)) {
			TH_LOG("kind %u", kind);
		}
		/* One for the name that does not exist, one that creates it */
		EXPECT_LE(count(s, FUSE_COMPOUND), nr + 2);
		nr = count_all(s);
		ASSERT_EQ(0, name_handle(s, name, &fh, 0));
		EXPECT_EQ(nr, count_all(s));
		EXPECT_EQ(FILEID_FUSE_HANDLE, fh.type);
	}
	EXPECT_EQ(0, count(s, FUSE_LOOKUP));
}

/* The extensions of a request that creates an inode, before its handle */
struct extensions {
	struct fuse_secctx_header contexts;
	struct fuse_ext_header groups_header;
	struct fuse_supp_groups groups;
	__u32 gid;
};

/* Counts requests whose extensions are right, and others. */
static unsigned int right_extensions, wrong_extensions;

static int check_extensions(struct server *s, const struct request *r,
			    struct message *m __maybe_unused)
{
	/* No security module labels the inode. */
	static const struct extensions expected = {
		.contexts.size = sizeof(expected.contexts),
		.groups_header.size = sizeof(expected) - sizeof(expected.contexts),
		.groups_header.type = FUSE_EXT_GROUPS,
		.groups.nr_groups = 1,
	};
	size_t size = sizeof(expected);

	switch (r->in.opcode) {
	case FUSE_CREATE:
	case FUSE_MKDIR:
	case FUSE_MKNOD:
	case FUSE_SYMLINK:
		break;
	default:
		return -ENOSYS;
	}
	if (s->init_flags & FUSE_REQUEST_HANDLE)
		size += sizeof(struct fuse_ext_header) +
			sizeof(struct fuse_file_handle) + s->handle_size;
	if (r->in.total_extlen * 8 == size &&
	    !memcmp(r->args + r->args_len, &expected, sizeof(expected)))
		right_extensions++;
	else
		wrong_extensions++;
	return -ENOSYS;
}

/*
 * Requests that have extensions of their own: the security context, and the group of
 * the directory, which is a supplementary group of the caller. The server checks the
 * handle of the directory.
 */
TEST_F(transport, extensions)
{
	static const int errors[] = { 0, -EOPNOTSUPP, -ENOSYS };
	struct server *s = self->s;
	const gid_t group = 0;
	unsigned int i, kind;
	struct handle fh;
	char name[16];

	ASSERT_EQ(0, setgroups(1, &group));
	setfsgid(77);
	s->others = check_extensions;
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		right_extensions = 0;
		ASSERT_EQ(0, RESTART_WITH({
			s->init_flags |= FUSE_SECURITY_CTX | FUSE_CREATE_SUPP_GROUP;
			s->compound_error = errors[i];
		}));
		for (kind = 0; kind < KINDS; kind++) {
			/* The padding after a name depends on its length. */
			snprintf(name, sizeof(name), "d1/%.*s%u", (int)kind + 1,
				 "extended", i);
			ASSERT_EQ(0, make(s, kind, name)) {
				TH_LOG("error of compounds %d, kind %u",
				       errors[i], kind);
			}
			ASSERT_EQ(0, name_handle(s, name, &fh, 0));
		}
		/* Each but the link */
		EXPECT_EQ(KINDS - 1, right_extensions);
		EXPECT_EQ(0, wrong_extensions);
		ASSERT_EQ(0, settle_server(s));
	}
}

/* The server does not support compounds, or not those that create. */
TEST_F(transport, without_compounds)
{
	static const int errors[] = { -ENOSYS, -EOPNOTSUPP };
	struct server *s = self->s;
	struct handle fh;
	unsigned int i, kind;
	char name[8];

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		ASSERT_EQ(0, RESTART_WITH(s->compound_error = errors[i]));
		for (kind = 0; kind < KINDS; kind++) {
			snprintf(name, sizeof(name), "n%u%u", i, kind);
			ASSERT_EQ(0, make(s, kind, name));
			ASSERT_EQ(0, name_handle(s, name, &fh, 0));
		}
		ASSERT_EQ(0, try_stat(s, PATH_OF_8));
		ASSERT_EQ(0, settle_server(s));
	}
}

TEST_F(transport, decode)
{
	static const size_t sizes[] = { 3, 24, 25, 124 };
	struct server *s = self->s;
	struct handle file, inner;
	unsigned int i;
	int id;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, RESTART_WITH(s->handle_size = sizes[i]));
		ASSERT_EQ(0, name_handle(s, "file", &file, 0));
		ASSERT_EQ(0, name_handle(s, "d1/d2/file", &inner,
					 sizes[i] > 60 ? 0 : AT_HANDLE_CONNECTABLE));
		id = decode_object(self->mount_fd, &inner);
		ASSERT_GT(id, 3);
		ASSERT_EQ(0, settle_server(s));
		ASSERT_EQ(2, decode_object(self->mount_fd, &file));
		ASSERT_EQ(id, decode_object(self->mount_fd, &inner));
		ASSERT_EQ(0, RESTART());
		ASSERT_EQ(2, decode_object(self->mount_fd, &file));
		ASSERT_EQ(id, decode_object(self->mount_fd, &inner));
		inner.data[4] ^= 0x80;
		ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &inner));
	}
}

TEST_F(transport, directory)
{
	struct server *s = self->s;
	struct dirent *entry;
	unsigned int nr = 0;
	struct handle fh;
	DIR *dir;

	dir = opendir(s->dir);
	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir)))
		nr++;
	closedir(dir);
	ASSERT_EQ(3, nr);
	EXPECT_NE(0, count(s, FUSE_READDIRPLUS));
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	EXPECT_EQ(0, count(s, FUSE_COMPOUND));
}

static void cut(struct server *s, struct message *m)
{
	if (m->len > s->spoil_at)
		m->len = s->spoil_at;
}

static void extend(struct server *s, struct message *m)
{
	static const char zeros[64];

	put_bytes(m, zeros, s->spoil_value);
}

TEST_F_TIMEOUT(transport, truncated_replies, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	size_t whole = 16 + 32 + 8 + 16 + 16 + sizeof(struct fuse_statx_out);

	s->spoil = cut;
	for (s->spoil_at = 0; s->spoil_at < whole; s->spoil_at++) {
		ASSERT_EQ(-EIO, try_stat(s, "file")) {
			TH_LOG("%zu bytes", s->spoil_at);
		}
	}
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(0, settle_server(s));
	s->spoil = extend;
	for (s->spoil_value = 1; s->spoil_value <= 64; s->spoil_value++)
		ASSERT_EQ(-EIO, try_stat(s, "other")) {
			TH_LOG("%llu more bytes", s->spoil_value);
		}
	s->spoil = NULL;
	ASSERT_EQ(0, try_stat(s, "other"));
}

static void flip(struct server *s, struct message *m)
{
	if (m->len > s->spoil_at)
		m->data[s->spoil_at] ^= s->spoil_value;
}

/* The caller gets an error or a file, and no lookup is lost. */
TEST_F_TIMEOUT(transport, flipped_bytes, SLOW_TIMEOUT)
{
	static const __u8 masks[] = { 0x01, 0x80, 0xff };
	struct server *s = self->s;
	unsigned int i;

	s->spoil = flip;
	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		s->spoil_value = masks[i];
		for (s->spoil_at = 0; s->spoil_at < 104; s->spoil_at++) {
			try_stat(s, "file");
			ASSERT_GE(evict(s), 0);
		}
	}
	s->spoil = NULL;
	ASSERT_EQ(0, settle_server(s));
	ASSERT_EQ(0, try_stat(s, "file"));
}

TEST_F_TIMEOUT(transport, created_with_truncated_replies, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	size_t whole = 16 + sizeof(struct fuse_entry_out);
	char name[16];

	s->spoil_opcode = FUSE_MKDIR;
	s->spoil = cut;
	for (s->spoil_at = 0; s->spoil_at < whole; s->spoil_at += 3) {
		snprintf(name, sizeof(name), "c%zu", s->spoil_at);
		ASSERT_EQ(-EIO, make(s, 1, name)) {
			TH_LOG("%zu bytes", s->spoil_at);
		}
		s->objects[child(s, ROOT, name)].exists = false;
	}
	s->spoil = NULL;
	ASSERT_EQ(0, settle_server(s));
	ASSERT_EQ(0, make(s, 1, "new"));
}

TEST_HARNESS_MAIN
