// SPDX-License-Identifier: GPL-2.0
/*
 * Lookups of a server with handles: the requests that the kernel sends, and the
 * errors for replies that are not valid.
 */
#define _GNU_SOURCE
#include <dirent.h>

#include "fuse_fixture.h"
#include "fuse_requests.h"

/*
 * Requests
 */

/* A server that does not request handles sees no change in the protocol. */
TEST(server_without_handles)
{
	const char *reason = fuse_missing();
	struct server *s;
	struct handle fh;
	int opcode, fd;

	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_EQ(0, private_mounts());
	s = new_server();
	ASSERT_NE(NULL, s);
	s->init_flags &= ~FUSE_HAS_LOOKUP_HANDLE;
	ASSERT_EQ(0, start_server(s));
	fd = mount_fd(s);
	ASSERT_GE(fd, 0);

	EXPECT_EQ(0, try_stat(s, PATH_OF_8));
	EXPECT_EQ(8, count(s, FUSE_LOOKUP));
	EXPECT_EQ(0, name_handle(s, "file", &fh, 0));
	EXPECT_EQ(FILEID_INO64_GEN, fh.type);
	EXPECT_EQ(12, fh.bytes);
	EXPECT_EQ(2, decode_object(fd, &fh));
	EXPECT_EQ(0, s->ext.len);
	EXPECT_EQ(0, s->violations);
	for (opcode = FUSE_COPY_FILE_RANGE_64; opcode <= FUSE_LOOKUP_HANDLE;
	     opcode++)
		EXPECT_EQ(0, count(s, opcode));
	close(fd);
	EXPECT_EQ(0, settle_server(s));
	free_server(s);
}

TEST_F(fuse, lookup_sends_directory_handle)
{
	struct server *s = self->s;
	unsigned char expected[FUSE_MAX_HANDLE_SIZE];
	const unsigned char *sent;
	size_t size;

	ASSERT_EQ(0, try_stat(s, "d1"));
	sent = ext_handle(s, &size);
	ASSERT_EQ(16, size);
	object_handle(s, ROOT, expected, size);
	ASSERT_EQ(0, memcmp(sent, expected, size));

	ASSERT_EQ(0, try_stat(s, "d1/file"));
	sent = ext_handle(s, &size);
	ASSERT_EQ(16, size);
	object_handle(s, nodeid_object(s, s->last_nodeid), expected, size);
	ASSERT_EQ(0, memcmp(sent, expected, size));
	ASSERT_EQ(0, count(s, FUSE_LOOKUP));
	ASSERT_EQ(2, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, lookup_before_init)
{
	struct server *s = self->s;

	close(self->mount_fd);
	self->mount_fd = -1;
	s->slow = true;
	ASSERT_EQ(0, restart_server(s));
	ASSERT_EQ(0, try_stat(s, "d1"));
	ASSERT_EQ(0, count(s, FUSE_LOOKUP));
	ASSERT_EQ(1, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, revalidation_sends_directory_handle)
{
	struct server *s = self->s;
	size_t size;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	s->ext.len = 0;
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	ASSERT_NE(NULL, ext_handle(s, &size));
	ASSERT_EQ(16, size);
}

TEST_F(fuse, enosys_disables_compounds)
{
	struct server *s = self->s;
	struct handle fh;

	s->compound_error = -ENOSYS;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, try_stat(s, PATH_OF_8));
	ASSERT_EQ(1, count(s, FUSE_COMPOUND));
	/* One request is for the root. */
	ASSERT_EQ(9, count(s, FUSE_LOOKUP_HANDLE));
	ASSERT_EQ(8, count(s, FUSE_STATX));
	ASSERT_EQ(0, name_handle(s, PATH_OF_8, &fh, 0));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
	ASSERT_EQ(-ENOENT, try_stat(s, "missing"));
	ASSERT_EQ(1, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, eopnotsupp_falls_back_once)
{
	struct server *s = self->s;

	s->compound_error = -EOPNOTSUPP;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, try_stat(s, "d1/d2"));
	ASSERT_EQ(2, count(s, FUSE_COMPOUND));
	ASSERT_EQ(2, count(s, FUSE_STATX));
	s->compound_error = 0;
	ASSERT_EQ(0, try_stat(s, "d1/d2/d3"));
	ASSERT_EQ(3, count(s, FUSE_COMPOUND));
	ASSERT_EQ(2, count(s, FUSE_STATX));
}

TEST_F(fuse, readdirplus_on_request)
{
	struct server *s = self->s;
	DIR *dir;
	int nr = 0;

	s->init_flags &= ~FUSE_DO_READDIRPLUS;
	ASSERT_EQ(0, RESTART());
	dir = opendir(s->dir);
	ASSERT_NE(NULL, dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	ASSERT_EQ(3, nr);
	ASSERT_EQ(0, count(s, FUSE_READDIRPLUS));
}

/* Returns the number of requests for a path of depth 8 that is not cached. */
static unsigned long cold_requests(struct server *s)
{
	unsigned long before;

	settle_server(s);
	before = count_all(s);
	return try_stat(s, PATH_OF_8) ? 0 : count_all(s) - before;
}

TEST_F(fuse, cold_stat_sends_no_more_requests)
{
	struct server *s = self->s;
	unsigned long old, new;

	new = cold_requests(s);
	s->init_flags &= ~FUSE_HAS_LOOKUP_HANDLE;
	ASSERT_EQ(0, RESTART());
	old = cold_requests(s);
	TH_LOG("requests of a cold stat of depth 8: %lu by handle, %lu by nodeid",
	       new, old);
	ASSERT_GE(old, 8);
	ASSERT_GE(new, 8);
	ASSERT_LE(new, old);
}

/*
 * Negative entries and errors
 */

TEST_F(fuse, enoent_is_not_cached)
{
	struct server *s = self->s;

	ASSERT_EQ(-ENOENT, try_stat(s, "missing"));
	ASSERT_EQ(-ENOENT, try_stat(s, "missing"));
	ASSERT_EQ(2, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, negative_entry_keeps_its_timeout)
{
	struct server *s = self->s;

	s->negative = true;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(-ENOENT, try_stat(s, "missing"));
	ASSERT_EQ(-ENOENT, try_stat(s, "missing"));
	ASSERT_EQ(1, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, statx_error_forgets_lookup)
{
	struct server *s = self->s;
	int compound;

	for (compound = 1; compound >= 0; compound--) {
		unsigned long forgotten = s->forgotten;

		s->compound_error = compound ? 0 : -ENOSYS;
		s->statx_error = -EACCES;
		ASSERT_EQ(-EACCES, try_stat(s, "file"));
		ASSERT_TRUE(wait_for(&s->forgotten, forgotten + 1));
		ASSERT_EQ(0, outstanding(s));
		s->statx_error = 0;
	}
}

TEST_F(fuse, missing_attributes)
{
	struct server *s = self->s;
	int compound;

	for (compound = 1; compound >= 0; compound--) {
		unsigned long forgets = s->forgets;

		s->compound_error = compound ? 0 : -ENOSYS;
		s->statx_mask = BASIC_STATS & ~STATX_SIZE;
		ASSERT_EQ(-EIO, try_stat(s, "file"));
		ASSERT_TRUE(wait_for(&s->forgets, forgets + 1));
		s->statx_mask = BASIC_STATS;
	}
}

TEST_F(fuse, invalid_file_type)
{
	struct server *s = self->s;
	unsigned long forgets;

	forgets = s->forgets;
	s->objects[2].mode = 0644;
	ASSERT_EQ(-EIO, try_stat(s, "file"));
	ASSERT_TRUE(wait_for(&s->forgets, forgets + 1));
}

/* A server that negotiates handles must implement both requests. */
TEST_F(fuse, enosys_of_negotiated_request)
{
	struct server *s = self->s;
	int compound;

	for (compound = 1; compound >= 0; compound--) {
		s->compound_error = compound ? 0 : -ENOSYS;
		s->handle_error = -ENOSYS;
		ASSERT_EQ(-EIO, try_stat(s, "file"));
		s->handle_error = 0;
		s->statx_error = -ENOSYS;
		ASSERT_EQ(-EIO, try_stat(s, "file"));
		s->statx_error = 0;
		ASSERT_EQ(0, settle_server(s));
	}
	ASSERT_EQ(0, try_stat(s, "file"));
}

TEST_F(fuse, server_exits_during_lookup)
{
	struct server *s = self->s;
	int ret;

	s->die = true;
	ret = try_stat(s, "file");
	ASSERT_TRUE(ret == -ENOTCONN || ret == -ECONNABORTED) {
		TH_LOG("stat returned %d", ret);
	}
	close(self->mount_fd);
	self->mount_fd = -1;
	stop_server(s);
}

/* Sets the nodeid in the reply to a single FUSE_LOOKUP_HANDLE. */
static void set_nodeid(struct server *s, struct message *m)
{
	memcpy(m->data, &s->spoil_value, sizeof(s->spoil_value));
}

static void cut_single(struct server *s, struct message *m)
{
	if (m->len > s->spoil_at)
		m->len = s->spoil_at;
}

static void extend_single(struct server *s, struct message *m)
{
	memset(m->data + m->len, 0xa5, s->spoil_at);
	m->len += s->spoil_at;
}

/* Without compounds, the reply has another layout. */
TEST_F(fuse, single_reply_with_wrong_length)
{
	const size_t right = SUB_ENTRY + sizeof(struct fuse_file_handle) + 16;
	struct server *s = self->s;

	s->compound_error = -ENOSYS;
	s->spoil_single = cut_single;
	for (s->spoil_at = 0; s->spoil_at <= right; s->spoil_at++) {
		ASSERT_EQ(s->spoil_at == right ? 0 : -EIO, try_stat(s, "file")) {
			TH_LOG("cut at %zu", s->spoil_at);
		}
	}
	ASSERT_EQ(0, settle_server(s));
	s->spoil_single = extend_single;
	for (s->spoil_at = 1; s->spoil_at <= 200; s->spoil_at++)
		ASSERT_EQ(-EIO, try_stat(s, "file"));
}

/*
 * FUSE_INIT
 */

/*
 * The end of the server wakes requests that wait for FUSE_INIT. The wait ends before the
 * connection, so that the request may be sent (ECONNABORTED); a call that begins later
 * does not wait (ECONNREFUSED).
 */
TEST_F(fuse, server_exits_before_init)
{
	struct server *s = self->s;
	int ret;

	close(self->mount_fd);
	self->mount_fd = -1;
	s->die_early = true;
	ASSERT_EQ(0, restart_server(s));
	ret = try_stat(s, "file");
	ASSERT_TRUE(ret == -ENOTCONN || ret == -ECONNABORTED || ret == -ECONNREFUSED) {
		TH_LOG("stat returned %d", ret);
	}
	stop_server(s);
}

static int make_tmpfile(struct server *s)
{
	int fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : fd;
}

/*
 * An operation that creates an unnamed file needs no lookup, so that its own request
 * waits for FUSE_INIT.
 */
TEST_F(fuse, creation_before_init)
{
	static const int errors[] = { 0, -EOPNOTSUPP, -ENOSYS };
	struct server *s = self->s;
	struct handle fh;
	unsigned int i;
	int fd;

	s->slow = true;
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		unmount_server(s, &self->mount_fd);
		s->compound_error = errors[i];
		ASSERT_EQ(0, restart_server(s));
		fd = make_tmpfile(s);
		ASSERT_GE(fd, 0) {
			TH_LOG("error of compounds %d: %d", errors[i], fd);
		}
		EXPECT_EQ(1, count(s, FUSE_COMPOUND));
		EXPECT_EQ(!errors[i], count_inner(s, FUSE_TMPFILE));
		EXPECT_EQ(!!errors[i], count(s, FUSE_TMPFILE));
		ASSERT_EQ(0, encode(fd, &fh));
		EXPECT_EQ(FILEID_FUSE_HANDLE, fh.type);
		close(fd);
	}
}

/* Flags of a task that allocates memory without I/O, or without a filesystem */
#define NO_IO_FLAGS	0x000c0000

static unsigned int flags_at_init, flags_afterwards;

static unsigned int task_flags(void)
{
	FILE *stat = fopen("/proc/thread-self/stat", "re");
	unsigned int flags = 0;

	if (!stat)
		return 0;
	if (fscanf(stat, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
		flags = 0;
	fclose(stat);
	return flags;
}

static int record_flags(struct server *s __maybe_unused, const struct request *r,
			struct message *m __maybe_unused)
{
	if (r->in.opcode == FUSE_INIT)
		flags_at_init = task_flags();
	else
		flags_afterwards = task_flags();
	return -ENOSYS;
}

/* What the kernel allocates while the server writes its reply must not involve it. */
TEST_F(fuse, init_does_not_change_the_task)
{
	struct server *s = self->s;

	s->others = record_flags;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_NE(0, flags_at_init);
	ASSERT_NE(0, flags_afterwards);
	EXPECT_EQ(0, flags_at_init & NO_IO_FLAGS);
	EXPECT_EQ(0, flags_afterwards & NO_IO_FLAGS);
}

/* Replies of a server to the opcodes that do not need handles */
static int plain_error;

static int reply_plain_error(struct server *s __maybe_unused,
			     const struct request *r,
			     struct message *m __maybe_unused)
{
	return r->in.opcode == FUSE_LOOKUP || r->in.opcode == FUSE_TMPFILE ?
		       plain_error : -ENOSYS;
}

/* The EAGAIN of a server without handles is an error like any other. */
TEST_F(fuse, errors_of_a_server_without_handles)
{
	static const int errors[] = { -EAGAIN, -EINVAL, -ENOSPC };
	struct server *s = self->s;
	unsigned int i, slow;

	s->init_flags &= ~FUSE_HAS_LOOKUP_HANDLE;
	s->others = reply_plain_error;
	for (slow = 0; slow < 2; slow++) {
		for (i = 0; i < ARRAY_SIZE(errors); i++) {
			unmount_server(s, &self->mount_fd);
			s->slow = slow;
			plain_error = errors[i];
			ASSERT_EQ(0, restart_server(s));
			EXPECT_EQ(errors[i], make_tmpfile(s));
			EXPECT_EQ(errors[i], make_tmpfile(s));
			EXPECT_EQ(errors[i], try_stat(s, "file"));
			EXPECT_EQ(2, count(s, FUSE_TMPFILE));
			EXPECT_EQ(1, count(s, FUSE_LOOKUP));
			EXPECT_EQ(0, count(s, FUSE_COMPOUND));
			EXPECT_EQ(0, count(s, FUSE_LOOKUP_HANDLE));
		}
	}
}

/* The same for the requests of a server without handles that succeed */
TEST_F(fuse, creation_before_init_without_handles)
{
	struct server *s = self->s;
	int fd;

	unmount_server(s, &self->mount_fd);
	s->init_flags &= ~FUSE_HAS_LOOKUP_HANDLE;
	s->slow = true;
	ASSERT_EQ(0, restart_server(s));
	fd = make_tmpfile(s);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(1, count(s, FUSE_TMPFILE));
	EXPECT_EQ(0, count(s, FUSE_COMPOUND));
	close(fd);
}

/* The handle of the root is requested again by the next operation on the root. */
TEST_F(fuse, root_is_requested_again)
{
	struct server *s = self->s;
	struct handle fh;

	s->handle_error = -ENOMEM;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(1, count(s, FUSE_LOOKUP_HANDLE));
	ASSERT_EQ(-EOPNOTSUPP, name_handle(s, ".", &fh, 0));
	ASSERT_EQ(1, count(s, FUSE_LOOKUP_HANDLE));
	ASSERT_EQ(0, try_stat(s, "."));
	ASSERT_EQ(2, count(s, FUSE_LOOKUP_HANDLE));
	ASSERT_EQ(-EOPNOTSUPP, name_handle(s, ".", &fh, 0));
	s->handle_error = 0;
	ASSERT_EQ(0, try_stat(s, "."));
	ASSERT_EQ(3, count(s, FUSE_LOOKUP_HANDLE));
	ASSERT_EQ(0, name_handle(s, ".", &fh, 0));
	ASSERT_EQ(0, try_stat(s, "."));
	ASSERT_EQ(3, count(s, FUSE_LOOKUP_HANDLE));
}

/* An invalid reply leaves the handle of the root unknown. */
TEST_F(fuse, root_with_invalid_reply)
{
	struct server *s = self->s;
	struct handle fh;

	s->spoil_single = set_nodeid;
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(-EOPNOTSUPP, name_handle(s, ".", &fh, 0));
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, settle_server(s));

	s->spoil_single = cut_single;
	s->spoil_at = SUB_ENTRY + 3;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(-EOPNOTSUPP, name_handle(s, ".", &fh, 0));
	s->spoil_single = NULL;
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, name_handle(s, ".", &fh, 0));
}

/* A server whose FUSE_INIT is refused receives no request for the root. */
TEST_F(fuse, refused_init)
{
	struct server *s = self->s;

	close(self->mount_fd);
	self->mount_fd = -1;
	/* The kernel requires default_permissions for this flag. */
	s->init_flags |= FUSE_ALLOW_IDMAP;
	ASSERT_EQ(0, restart_server(s));
	/* A call that waits for the reply sends its request even if the reply refuses. */
	while (!__atomic_load_n(&s->init_done, __ATOMIC_SEQ_CST))
		usleep(1000);
	ASSERT_EQ(-ECONNREFUSED, try_stat(s, "."));
	usleep(50000);
	ASSERT_EQ(0, count(s, FUSE_LOOKUP_HANDLE));
	stop_server(s);
}

TEST_HARNESS_MAIN
