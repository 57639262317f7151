// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of handles, requests and inodes is freed, also if a reply is an error or is
 * not valid. A call is repeated, and the memory of the slab allocator is measured.
 */
#define _GNU_SOURCE
#include <sys/eventfd.h>
#include <sys/mount.h>

#include "../file_handle/failslab.h"
#include "fuse_requests.h"
#include "fuse_session.h"

/* Larger than a handle that is stored in the inode */
#define HANDLE_SIZE	120

/*
 * The number of calls in a round. If each leaks 32 bytes, that is more than the limit.
 * Slow ones are repeated less often: each of them allocates several times.
 */
#define CALLS		1000
#define LIMIT		20	/* in KiB */

/* The number of files that are cached when a server is replaced */
#define FILES		100

/* A call that frees its memory has this number of quiet rounds among these. */
#define QUIET		2
#define ROUNDS		8

FIXTURE(memory)
{
	struct server *s;
	int mount_fd;
	int fd;
	struct handle fh;
	struct failslab fail;
};

/* A call that is repeated returns 0, or a value that is not expected. */
typedef int call_t(FIXTURE_DATA(memory) * self);

/* With KASAN, what is freed remains allocated for a while. */
static bool frees_are_delayed(void)
{
	long before = slab_size();
	int i;

	for (i = 0; i < 2000; i++)
		close(eventfd(0, EFD_CLOEXEC));
	return slab_size() - before >= 64;
}

static int expect(int ret, int expected)
{
	return ret == expected ? 0 : ret ? ret : -EBADMSG;
}

static int make_tmpfile(struct server *s)
{
	int fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Removes the last object, which has no name, so that its number is used again. */
static int tmpfile_returns(struct server *s, int expected)
{
	int ret = make_tmpfile(s);

	s->objects[s->nr_objects - 1].exists = false;
	return expect(ret, expected);
}

static int create(FIXTURE_DATA(memory) * self)
{
	return tmpfile_returns(self->s, 0);
}

static int refused_statx(FIXTURE_DATA(memory) * self)
{
	/* The server must implement it. The handle is valid. */
	self->s->statx_error = -ENOSYS;
	return tmpfile_returns(self->s, -EIO);
}

static int describe_directory(struct server *s, const struct request *r,
			      struct message *m __maybe_unused)
{
	if (r->in.opcode == FUSE_STATX)
		s->objects[nodeid_object(s, r->in.nodeid)].mode = S_IFDIR | 0755;
	return -ENOSYS;
}

static int created_directory(FIXTURE_DATA(memory) * self)
{
	self->s->others = describe_directory;
	return tmpfile_returns(self->s, -EIO);
}

/* The lookup of the new inode finds nothing, and the handle is not used. */
static int answer_negative(struct server *s __maybe_unused, const struct request *r,
			   int error, struct message *m)
{
	const size_t at = sizeof(struct fuse_compound_out) + SUB_HEADER +
			  sizeof(struct fuse_entry_out) +
			  sizeof(struct fuse_open_out) + SUB_HEADER;
	const __u64 nodeid = 0;

	if (r->in.opcode == FUSE_COMPOUND && m->len > at + sizeof(nodeid))
		memcpy(m->data + at, &nodeid, sizeof(nodeid));
	return error;
}

static int created_with_negative_entry(FIXTURE_DATA(memory) * self)
{
	self->s->mutate = answer_negative;
	return tmpfile_returns(self->s, 0);
}

static int failed_creation(FIXTURE_DATA(memory) * self)
{
	self->s->create_error = -ENOSPC;
	return expect(make_tmpfile(self->s), -ENOSPC);
}

/* The inode exists, and has its handle already. */
static int link_existing(FIXTURE_DATA(memory) * self)
{
	char from[256], to[256];

	path_of(self->s, "other", from, sizeof(from));
	path_of(self->s, "linked", to, sizeof(to));
	return link(from, to) ? -errno : 0;
}

static int failed_lookup(FIXTURE_DATA(memory) * self)
{
	self->s->statx_error = -EACCES;
	return expect(try_stat(self->s, "other"), -EACCES);
}

static int missing_name(FIXTURE_DATA(memory) * self)
{
	return expect(try_stat(self->s, "missing"), -ENOENT);
}

static int revalidation(FIXTURE_DATA(memory) * self)
{
	return try_stat(self->s, "file");
}

/* The inode is evicted, and the name looked up. */
static int cold_lookup(FIXTURE_DATA(memory) * self)
{
	int err = evict(self->s);

	return err ? err : try_stat(self->s, "other");
}

/* Another object has the nodeid: the former inode is stale. */
static int reused_nodeid(FIXTURE_DATA(memory) * self)
{
	self->s->objects[3].version++;
	return try_stat(self->s, "other");
}

/* The inode has former nodeids, until it is evicted. */
static int changed_nodeid(FIXTURE_DATA(memory) * self)
{
	int i, err;

	for (i = 0; i < 4; i++) {
		self->s->objects[3].shift++;
		err = try_stat(self->s, "other");
		if (err)
			return err;
	}
	return evict(self->s);
}

/* A former nodeid returns. */
static int returning_nodeid(FIXTURE_DATA(memory) * self)
{
	self->s->objects[3].shift ^= 1;
	return try_stat(self->s, "other");
}

static int listing(FIXTURE_DATA(memory) * self)
{
	return expect(list_names(self->s, "d1", true), 2);
}

/* Entries that cannot be used are forgotten at once. */
static int name_the_root(struct server *s __maybe_unused, const struct request *r,
			 int error, struct message *m)
{
	const __u64 root = FUSE_ROOT_ID;

	if (r->in.opcode == FUSE_READDIRPLUS && m->len)
		memcpy(m->data + offsetof(struct fuse_direntplus, entry_out.nodeid),
		       &root, sizeof(root));
	return error;
}

static int listing_of_the_root(FIXTURE_DATA(memory) * self)
{
	self->s->mutate = name_the_root;
	return expect(list_names(self->s, "d1", false), 2);
}

static int decode_unknown(FIXTURE_DATA(memory) * self)
{
	self->fh.data[4] = 0xee;
	return expect(decode_object(self->mount_fd, &self->fh), -ESTALE);
}

static int decode_cold(FIXTURE_DATA(memory) * self)
{
	int err = evict(self->s);

	return err ? err : expect(decode_object(self->mount_fd, &self->fh), 3);
}

/* The names of a directory and of those above it are searched for. */
static int decode_directory(FIXTURE_DATA(memory) * self)
{
	struct handle fh;
	int fd;

	if (name_handle(self->s, "d1/d2", &fh, 0) || evict(self->s))
		return -EBADMSG;
	fd = decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int hide_files(struct server *s __maybe_unused, const struct request *r,
		      struct message *m __maybe_unused)
{
	return r->in.opcode == FUSE_LOOKUP_HANDLE &&
	       !strcmp((const char *)r->args, "file") ? -ENOENT : -ENOSYS;
}

/* Other names in the directory are those of files that do not exist any more. */
static int decode_beside_removed_files(FIXTURE_DATA(memory) * self)
{
	self->s->unknown_ino = true;
	self->s->others = hide_files;
	return decode_directory(self);
}

static int request(FIXTURE_DATA(memory) * self)
{
	return expect(read_object(self->fd, NULL), 2);
}

/* Reads the file. The server takes over from itself before some of the requests. */
static int read_with_restarts(FIXTURE_DATA(memory) * self)
{
	int ret;

	self->s->restart_every = 4;
	ret = read_object(self->fd, NULL);
	self->s->restart_every = 0;
	return expect(ret, 2);
}

static int renewal(FIXTURE_DATA(memory) * self)
{
	return read_with_restarts(self);
}

/* A server that takes over does not know former nodeids. */
static int renewal_of_changed_nodeid(FIXTURE_DATA(memory) * self)
{
	int err;

	self->s->objects[2].shift++;
	err = try_stat(self->s, "file");
	return err ? err : read_with_restarts(self);
}

/* A former server does not need to be told that inodes are evicted. */
static int forgets_of_a_former_server(FIXTURE_DATA(memory) * self)
{
	struct server *s = self->s;
	unsigned int i;
	char name[16];
	int err;

	if (!s->lists_bulk)
		add_bulk(s, FILES);
	for (i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "f%05u", i);
		err = try_stat(s, name);
		if (err)
			return err;
	}
	leave_server(s);
	err = evict(s);
	return err ? err : enter_server(s);
}

static int ignore_notify_reply(struct server *s __maybe_unused, const struct request *r,
			       struct message *m __maybe_unused)
{
	return r->in.opcode == FUSE_NOTIFY_REPLY ? NO_REPLY : -ENOSYS;
}

/* Makes each allocation of a call fail in turn. */
static int fail_each(FIXTURE_DATA(memory) * self, call_t *call)
{
	unsigned int nth;
	bool failed;
	int ret;

	for (nth = 1; nth <= ALLOCATIONS_MAX; nth++) {
		if (failslab_arm(&self->fail, nth))
			return -EBADMSG;
		ret = call(self);
		failed = failslab_has_failed(&self->fail);
		if (failslab_arm(&self->fail, 0))
			return -EBADMSG;
		if (ret && (!failed || ret != -ENOMEM))
			return ret;
		if (!failed)
			return 0;
	}
	return -EBADMSG;
}

static int retrieve(FIXTURE_DATA(memory) * self)
{
	struct server *s = self->s;
	struct fuse_notify_retrieve_out out = {
		.notify_unique = 1,
		.nodeid = object_nodeid(s, 2),
		.size = 4096,
	};
	unsigned long replies = count(s, FUSE_NOTIFY_REPLY);
	int err;

	err = notify(s, FUSE_NOTIFY_RETRIEVE, &out, sizeof(out));
	if (err)
		return err;
	/* The memory of the reply is in use until the server has read it. */
	return wait_for(&s->requests[FUSE_NOTIFY_REPLY], replies + 1) ? 0 : -ETIMEDOUT;
}

static int failing_retrieval(FIXTURE_DATA(memory) * self)
{
	return fail_each(self, retrieve);
}

static int look_up(FIXTURE_DATA(memory) * self)
{
	return try_stat(self->s, "d1/file");
}

static int failing_compounds(FIXTURE_DATA(memory) * self)
{
	int err = fail_each(self, look_up);

	return err ? err : fail_each(self, failed_creation);
}

static int connection(FIXTURE_DATA(memory) * self)
{
	struct server *s = self->s;
	int err, i;

	/* The inode has former nodeids when it is evicted. */
	for (i = 0; i < 4; i++) {
		s->objects[2].shift++;
		err = try_stat(s, "file");
		if (err)
			return err;
	}
	close(self->fd);
	/* The end of the connection wakes the server. */
	__atomic_store_n(&s->stop, true, __ATOMIC_SEQ_CST);
	close(self->mount_fd);
	self->mount_fd = -1;
	umount2(s->dir, MNT_DETACH);
	err = restart(s, &self->mount_fd);
	if (err)
		return err;
	self->fd = try_open(s, "file", O_RDONLY);
	return self->fd < 0 ? self->fd : 0;
}

FIXTURE_SETUP(memory)
{
	self->fd = -1;
	if (access("/proc/sys/vm/stat_refresh", W_OK) || slab_size() < 0)
		SKIP(return, "needs /proc/sys/vm/stat_refresh");
	if (frees_are_delayed())
		SKIP(return, "needs a kernel without KASAN");
	begin(_metadata, &self->s, &self->mount_fd);
	if (was_skipped(_metadata))
		return;
	/* The test changes the behaviour of the server, and starts it again. */
	unmount_server(self->s, &self->mount_fd);
	self->s->handle_size = HANDLE_SIZE;
	self->s->entry_valid = 0;
}

FIXTURE_TEARDOWN(memory)
{
	struct server *s = self->s;

	if (!s)
		return;
	if (self->fd >= 0)
		close(self->fd);
	s->mutate = NULL;
	s->others = NULL;
	end(_metadata, s, self->mount_fd);
}

/* Inodes are freed after a grace period. */
static void wait_for_rcu(void)
{
	usleep(100000);
}

static void expect_freed(struct __test_metadata *const _metadata,
			 FIXTURE_DATA(memory) * self, call_t *call, unsigned int calls)
{
	unsigned int round, i, quiet = 0;
	long before, grown = 0;
	int ret;

	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, try_stat(self->s, "."));
	ASSERT_EQ(0, name_handle(self->s, "other", &self->fh, 0));
	self->fd = try_open(self->s, "file", O_RDWR);
	ASSERT_GE(self->fd, 0);
	for (round = 0; round < ROUNDS && quiet < QUIET; round++) {
		wait_for_rcu();
		before = slab_size();
		for (i = 0; i < calls; i++) {
			ret = call(self);
			ASSERT_EQ(0, ret);
		}
		ASSERT_EQ(0, evict(self->s));
		wait_for_rcu();
		grown = slab_size() - before;
		quiet = grown < LIMIT ? quiet + 1 : 0;
	}
	EXPECT_EQ(QUIET, quiet) {
		TH_LOG("%ld KiB in %u calls", grown, calls);
	}
}

#define EXPECT_FREED(call, calls)	expect_freed(_metadata, self, call, calls)

TEST_F_TIMEOUT(memory, create, SLOW_TIMEOUT)
{
	EXPECT_FREED(create, CALLS);
}

TEST_F_TIMEOUT(memory, create_without_compounds, SLOW_TIMEOUT)
{
	self->s->compound_error = -ENOSYS;
	EXPECT_FREED(create, CALLS);
}

TEST_F_TIMEOUT(memory, create_with_handles, SLOW_TIMEOUT)
{
	self->s->init_flags |= FUSE_REQUEST_HANDLE;
	EXPECT_FREED(create, CALLS);
}

TEST_F_TIMEOUT(memory, create_singly_with_handles, SLOW_TIMEOUT)
{
	self->s->init_flags |= FUSE_REQUEST_HANDLE;
	self->s->compound_error = -EOPNOTSUPP;
	EXPECT_FREED(create, CALLS);
}

TEST_F_TIMEOUT(memory, create_with_extensions, SLOW_TIMEOUT)
{
	self->s->init_flags |= FUSE_REQUEST_HANDLE | FUSE_SECURITY_CTX;
	EXPECT_FREED(create, CALLS);
}

TEST_F_TIMEOUT(memory, refused_statx, SLOW_TIMEOUT)
{
	EXPECT_FREED(refused_statx, CALLS);
}

TEST_F_TIMEOUT(memory, created_directory, SLOW_TIMEOUT)
{
	EXPECT_FREED(created_directory, CALLS);
}

TEST_F_TIMEOUT(memory, created_with_negative_entry, SLOW_TIMEOUT)
{
	EXPECT_FREED(created_with_negative_entry, CALLS);
}

TEST_F_TIMEOUT(memory, failed_creation, SLOW_TIMEOUT)
{
	EXPECT_FREED(failed_creation, CALLS);
}

TEST_F_TIMEOUT(memory, link_existing, SLOW_TIMEOUT)
{
	EXPECT_FREED(link_existing, CALLS);
}

TEST_F_TIMEOUT(memory, failed_lookup, SLOW_TIMEOUT)
{
	EXPECT_FREED(failed_lookup, CALLS);
}

TEST_F_TIMEOUT(memory, missing_name, SLOW_TIMEOUT)
{
	EXPECT_FREED(missing_name, CALLS);
}

TEST_F_TIMEOUT(memory, revalidation, SLOW_TIMEOUT)
{
	EXPECT_FREED(revalidation, CALLS);
}

TEST_F_TIMEOUT(memory, cold_lookup, SLOW_TIMEOUT)
{
	EXPECT_FREED(cold_lookup, CALLS);
}

TEST_F_TIMEOUT(memory, reused_nodeid, SLOW_TIMEOUT)
{
	EXPECT_FREED(reused_nodeid, CALLS);
}

TEST_F_TIMEOUT(memory, changed_nodeid, SLOW_TIMEOUT)
{
	EXPECT_FREED(changed_nodeid, CALLS / 4);
}

TEST_F_TIMEOUT(memory, returning_nodeid, SLOW_TIMEOUT)
{
	EXPECT_FREED(returning_nodeid, CALLS);
}

TEST_F_TIMEOUT(memory, listing, SLOW_TIMEOUT)
{
	EXPECT_FREED(listing, CALLS);
}

TEST_F_TIMEOUT(memory, listing_of_the_root, SLOW_TIMEOUT)
{
	EXPECT_FREED(listing_of_the_root, CALLS);
}

TEST_F_TIMEOUT(memory, decode_unknown, SLOW_TIMEOUT)
{
	EXPECT_FREED(decode_unknown, CALLS);
}

TEST_F_TIMEOUT(memory, decode_cold, SLOW_TIMEOUT)
{
	EXPECT_FREED(decode_cold, CALLS);
}

TEST_F_TIMEOUT(memory, decode_directory, SLOW_TIMEOUT)
{
	EXPECT_FREED(decode_directory, CALLS);
}

TEST_F_TIMEOUT(memory, decode_beside_removed_files, SLOW_TIMEOUT)
{
	EXPECT_FREED(decode_beside_removed_files, CALLS);
}

TEST_F_TIMEOUT(memory, request, SLOW_TIMEOUT)
{
	self->s->init_flags |= FUSE_REQUEST_HANDLE;
	EXPECT_FREED(request, CALLS);
}

TEST_F_TIMEOUT(memory, renewal, SLOW_TIMEOUT)
{
	self->s->init_flags |= FUSE_REQUEST_HANDLE;
	EXPECT_FREED(renewal, CALLS);
}

TEST_F_TIMEOUT(memory, renewal_of_changed_nodeid, SLOW_TIMEOUT)
{
	self->s->init_flags |= FUSE_REQUEST_HANDLE;
	EXPECT_FREED(renewal_of_changed_nodeid, CALLS);
}

TEST_F_TIMEOUT(memory, forgets_of_a_former_server, SLOW_TIMEOUT)
{
	self->s->init_flags |= FUSE_REQUEST_HANDLE;
	EXPECT_FREED(forgets_of_a_former_server, CALLS / FILES);
}

TEST_F_TIMEOUT(memory, failing_retrieval, SLOW_TIMEOUT)
{
	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
	self->s->init_flags |= FUSE_REQUEST_HANDLE;
	self->s->others = ignore_notify_reply;
	ASSERT_EQ(0, failslab_start(&self->fail));
	EXPECT_FREED(failing_retrieval, CALLS);
	failslab_end(&self->fail);
}

TEST_F_TIMEOUT(memory, failing_compounds, SLOW_TIMEOUT)
{
	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
	self->s->init_flags |= FUSE_REQUEST_HANDLE;
	ASSERT_EQ(0, failslab_start(&self->fail));
	EXPECT_FREED(failing_compounds, CALLS / 4);
	failslab_end(&self->fail);
}

TEST_F_TIMEOUT(memory, connection, SLOW_TIMEOUT)
{
	EXPECT_FREED(connection, CALLS / 4);
}

TEST_HARNESS_MAIN
