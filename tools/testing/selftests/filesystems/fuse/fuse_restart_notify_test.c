// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE_NOTIFY_RESTART: notifications that fail, notifications while the mount ends, and
 * servers that are replaced every few requests. FUSE_NOTIFY_DELETE and
 * FUSE_NOTIFY_RETRIEVE with the nodeids of the former and of the present server.
 */
#define _GNU_SOURCE
#include <sys/mount.h>

#include "../file_handle/failslab.h"
#include "fuse_requests.h"
#include "fuse_restart_fixture.h"

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

/* Sends FUSE_NOTIFY_DELETE for the name "file" in the root. */
static int notify_delete(struct server *s, __u64 child)
{
	struct {
		struct fuse_notify_delete_out out;
		char name[sizeof("file")];
	} message = {
		.out.parent = ROOT,
		.out.child = child,
		.out.namelen = strlen("file"),
		.name = "file",
	};

	return notify(s, FUSE_NOTIFY_DELETE, &message,
		      sizeof(message.out) + sizeof(message.name));
}

/* Returns the number of links of an open file, without a request. */
static int cached_links(int fd)
{
	struct statx stx;
	int err = sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_NLINK,
			    &stx);

	return err ?: (int)stx.stx_nlink;
}

/*
 * The nodeid in FUSE_NOTIFY_DELETE must be that of the inode. Otherwise, only the name
 * is invalidated.
 */
static void try_delete(struct __test_metadata *const _metadata, struct server *s,
		       int fd)
{
	EXPECT_EQ(-ENOENT, notify_delete(s, object_nodeid(s, 3)));
	EXPECT_EQ(1, cached_links(fd));
	/* The name is looked up again, which finds the same inode. */
	ASSERT_EQ(0, try_stat(s, "file"));
	EXPECT_EQ(0, notify_delete(s, object_nodeid(s, 2)));
	EXPECT_EQ(0, cached_links(fd));
	/* The name is gone. */
	EXPECT_EQ(-ENOENT, notify_delete(s, object_nodeid(s, 2)));
}

TEST_F(restart, deleted_file)
{
	int fd = try_open(self->s, "file", O_RDONLY);

	ASSERT_GE(fd, 0);
	try_delete(_metadata, self->s, fd);
	close(fd);
}

/* The nodeid of a former server does not identify an inode. */
TEST_F(restart, deleted_file_of_a_former_server)
{
	struct server *s = self->s;
	__u64 former = object_nodeid(s, 2);
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, take_over(s));
	/* The inode still has the former nodeid. */
	EXPECT_EQ(-ENOENT, notify_delete(s, former));
	EXPECT_EQ(1, cached_links(fd));
	ASSERT_EQ(0, try_stat(s, "file"));
	/* It has the new one. */
	EXPECT_EQ(-ENOENT, notify_delete(s, former));
	EXPECT_EQ(1, cached_links(fd));
	ASSERT_EQ(0, try_stat(s, "file"));
	try_delete(_metadata, s, fd);
	close(fd);
}

/*
 * FUSE_NOTIFY_RETRIEVE
 */

/* A number in FUSE_NOTIFY_RETRIEVE that the kernel repeats in its reply */
#define RETRIEVAL	0x1234567

/* The last FUSE_NOTIFY_REPLY that the server has received */
struct retrieved {
	struct fuse_in_header in;
	struct fuse_notify_retrieve_in arg;
	char data[64];
	unsigned long nr;
};

static int save_retrieved(struct server *s, const struct request *r,
			  struct message *m __maybe_unused)
{
	struct retrieved *got = s->others_data;
	size_t len = r->args_len - sizeof(got->arg);

	if (r->in.opcode != FUSE_NOTIFY_REPLY)
		return -ENOSYS;
	got->in = r->in;
	memcpy(&got->arg, r->args, sizeof(got->arg));
	memcpy(got->data, r->args + sizeof(got->arg),
	       len < sizeof(got->data) ? len : sizeof(got->data));
	__atomic_add_fetch(&got->nr, 1, __ATOMIC_SEQ_CST);
	return NO_REPLY;
}

/* Opens "file", of which the kernel then caches the content. */
static int open_cached(struct server *s, struct retrieved *got)
{
	int fd;

	s->others = save_retrieved;
	s->others_data = got;
	s->cached = true;
	fd = try_open(s, "file", O_RDONLY);
	return fd < 0 || read_object(fd, NULL) == 2 ? fd : -EIO;
}

static int retrieve(struct server *s, __u64 nodeid, __u64 offset)
{
	struct fuse_notify_retrieve_out out = {
		.notify_unique = RETRIEVAL,
		.nodeid = nodeid,
		.offset = offset,
		.size = 4096,
	};

	return notify(s, FUSE_NOTIFY_RETRIEVE, &out, sizeof(out));
}

/* Waits for the reply to the retrieval of an object, and checks it. */
static void expect_retrieved(struct __test_metadata *const _metadata,
			     struct server *s, struct retrieved *got,
			     unsigned int id, __u64 offset, const char *data)
{
	ASSERT_TRUE(wait_for(&got->nr, 1));
	EXPECT_EQ(RETRIEVAL, got->in.unique);
	EXPECT_EQ(object_nodeid(s, id), got->in.nodeid);
	EXPECT_EQ(offset, got->arg.offset);
	ASSERT_EQ(strlen(data), got->arg.size);
	EXPECT_EQ(0, memcmp(data, got->data, got->arg.size));
	got->nr = 0;
}

/* The server checks the handle in the reply. */
TEST_F(restart, retrieved_data)
{
	struct retrieved got = {};
	struct server *s = self->s;
	int fd;

	fd = open_cached(s, &got);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, retrieve(s, object_nodeid(s, 2), 0));
	expect_retrieved(_metadata, s, &got, 2, 0, "object 2 version 0\n");
	ASSERT_EQ(0, retrieve(s, object_nodeid(s, 2), 7));
	expect_retrieved(_metadata, s, &got, 2, 7, "2 version 0\n");
	ASSERT_EQ(0, retrieve(s, object_nodeid(s, 2), 4096));
	expect_retrieved(_metadata, s, &got, 2, 4096, "");
	EXPECT_EQ(3, s->with_handles[FUSE_NOTIFY_REPLY]);
	/* Nothing of this file is cached. */
	ASSERT_EQ(0, try_stat(s, "other"));
	ASSERT_EQ(0, retrieve(s, object_nodeid(s, 3), 0));
	expect_retrieved(_metadata, s, &got, 3, 0, "");
	EXPECT_EQ(4, s->with_handles[FUSE_NOTIFY_REPLY]);
	/* Not a regular file, and not known to the kernel */
	EXPECT_EQ(-EINVAL, retrieve(s, ROOT, 0));
	EXPECT_EQ(-ENOENT, retrieve(s, object_nodeid(s, 4), 0));
	close(fd);
}

TEST_F(restart, retrieved_data_of_a_former_server)
{
	struct retrieved got = {};
	struct server *s = self->s;
	__u64 former = object_nodeid(s, 2);
	int fd;

	fd = open_cached(s, &got);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, take_over(s));
	/* The inode has the former nodeid. */
	EXPECT_EQ(-ENOENT, retrieve(s, former, 0));
	EXPECT_EQ(-ENOENT, retrieve(s, object_nodeid(s, 2), 0));
	ASSERT_EQ(0, try_stat(s, "file"));
	/* It has the new one. */
	EXPECT_EQ(-ENOENT, retrieve(s, former, 0));
	ASSERT_EQ(0, retrieve(s, object_nodeid(s, 2), 0));
	expect_retrieved(_metadata, s, &got, 2, 0, "object 2 version 0\n");
	EXPECT_EQ(1, s->with_handles[FUSE_NOTIFY_REPLY]);
	/* A reply to a former server is dropped. */
	leave_server(s);
	ASSERT_EQ(0, retrieve(s, object_nodeid(s, 2), 0));
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(0, try_stat(s, "other"));
	EXPECT_EQ(0, count(s, FUSE_NOTIFY_REPLY));
	close(fd);
}

/*
 * Each allocation fails in turn. The server receives no reply then, unless it is an
 * allocation of a debugging facility.
 */
TEST_F_TIMEOUT(restart, failing_allocations_of_a_retrieval, SLOW_TIMEOUT)
{
	unsigned int nth, failures = 0, replies = 0;
	struct failslab fail = {};
	struct retrieved got = {};
	struct server *s = self->s;
	bool failed = true;
	int fd, ret;

	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
	fd = open_cached(s, &got);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, failslab_start(&fail));
	for (nth = 1; nth <= ALLOCATIONS_MAX && failed; nth++) {
		ASSERT_EQ(0, failslab_arm(&fail, nth));
		ret = retrieve(s, object_nodeid(s, 2), 0);
		failed = failslab_has_failed(&fail);
		ASSERT_EQ(0, failslab_arm(&fail, 0));
		if (failed && ret == -ENOMEM) {
			failures++;
			continue;
		}
		ASSERT_EQ(0, ret);
		replies++;
		expect_retrieved(_metadata, s, &got, 2, 0, "object 2 version 0\n");
	}
	failslab_end(&fail);
	ASSERT_FALSE(failed);
	/* The arguments, the handle and the request are allocated. */
	EXPECT_EQ(3, failures);
	EXPECT_EQ(replies, count(s, FUSE_NOTIFY_REPLY));
	EXPECT_EQ(replies, s->with_handles[FUSE_NOTIFY_REPLY]);
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
	begin(_metadata, &self->s, &self->mount_fd);
	if (was_skipped(_metadata))
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

/* There is no handle in the reply. */
TEST_F(ordinary, retrieved_data)
{
	struct retrieved got = {};
	struct server *s = self->s;
	int fd;

	s->init_flags &= ~FUSE_REQUEST_HANDLE;
	fd = open_cached(s, &got);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, retrieve(s, object_nodeid(s, 2), 7));
	expect_retrieved(_metadata, s, &got, 2, 7, "2 version 0\n");
	EXPECT_EQ(0, got.in.total_extlen);
	close(fd);
}

/* The nodeid is compared without FUSE_REQUEST_HANDLE as well. */
TEST_F(ordinary, deleted_file)
{
	int fd;

	self->s->init_flags &= ~FUSE_REQUEST_HANDLE;
	fd = try_open(self->s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	try_delete(_metadata, self->s, fd);
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
		do {
			rounds = run_users(s, stress_seconds(), &wrong, &error);
		} while (rounds && !wrong && !error && s->generation - first <= 10);
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
	/* An inode is forgotten after its files are released. */
	EXPECT_EQ(0, settle_server(s));
	/* The kernel was made to use nodeids that the server does not have. */
	s->violations = 0;
}

/* An open file, and what its path and its handle are looked up with */
struct paths {
	struct server *s;
	int mount_fd;
	int fd;
	struct handle fh;
};

static int run_read(const struct paths *paths)
{
	return read_object(paths->fd, NULL);
}

static int run_open(const struct paths *paths)
{
	return read_and_close(try_open(paths->s, "d1/file", O_RDWR));
}

static int run_decode(const struct paths *paths)
{
	return decode_object(paths->mount_fd, &paths->fh);
}

static int run_encode(const struct paths *paths)
{
	struct handle fh;
	int ret = name_handle(paths->s, "d1/file", &fh, 0);

	return ret ?: same_handle(&fh, &paths->fh) ? 5 : -EBADMSG;
}

/* Each allocation of a request after a restart fails in turn. */
TEST_F_TIMEOUT(restart, failing_allocations, 300)
{
	static const struct {
		const char *name;
		int (*run)(const struct paths *paths);
	} calls[] = {
		{ "read", run_read },
		{ "open", run_open },
		{ "decode", run_decode },
		{ "encode", run_encode },
	};
	struct paths paths = { .s = self->s, .mount_fd = self->mount_fd };
	struct server *s = self->s;
	struct failslab fail = {};
	unsigned int i, nth, failures;
	bool failed;
	int ret;

	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
	paths.fd = try_open(s, "d1/file", O_RDWR);
	ASSERT_GE(paths.fd, 0);
	ASSERT_EQ(0, name_handle(s, "d1/file", &paths.fh, 0));
	ASSERT_EQ(0, failslab_start(&fail));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		failed = true;
		failures = 0;
		for (nth = 1; nth <= ALLOCATIONS_MAX && failed; nth++) {
			ASSERT_EQ(0, take_over(s));
			ASSERT_EQ(0, failslab_arm(&fail, nth));
			ret = calls[i].run(&paths);
			failed = failslab_has_failed(&fail);
			ASSERT_EQ(0, failslab_arm(&fail, 0));
			failures += failed;
			ASSERT_TRUE((failed && ret == -ENOMEM) || ret == 5) {
				TH_LOG("%s, allocation %u: %d",
				       calls[i].name, nth, ret);
			}
			ASSERT_EQ(5, read_object(paths.fd, NULL));
		}
		TH_LOG("%s: %u failures", calls[i].name, failures);
		ASSERT_FALSE(failed);
		ASSERT_EQ(5, ret);
		ASSERT_GT(failures, 0);
	}
	failslab_end(&fail);
	close(paths.fd);
}

TEST_HARNESS_MAIN
