// SPDX-License-Identifier: GPL-2.0
/*
 * Requests for file handles with IOSQE_FIXED_FILE: the handle of a direct
 * descriptor, and a direct descriptor as the mount of a handle.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <pthread.h>
#include <sys/resource.h>

#include "nsfs.h"
#include "ring.h"
#include "kselftest_harness.h"

#define CONTENT		"content"

enum { SLOT_ROOT, SLOT_FILE, SLOT_PIDFD, SLOT_NS, SLOT_EMPTY, SLOTS };

/* How often the file in a slot is replaced while requests name it. */
#define REPLACEMENTS	2000

FIXTURE(direct)
{
	struct ring ring;
	int fds[SLOT_EMPTY];		/* the files in the slots */
	struct handle fhs[SLOT_EMPTY];
	int nr_fds;
};

FIXTURE_VARIANT(direct)
{
	unsigned int setup_flags;
	unsigned int sqe_flags;
};

FIXTURE_VARIANT_ADD(direct, inline_request) { };

FIXTURE_VARIANT_ADD(direct, worker) { .sqe_flags = IOSQE_ASYNC };

FIXTURE_VARIANT_ADD(direct, deferred)
{
	.setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

/* A kernel thread submits the requests. */
FIXTURE_VARIANT_ADD(direct, sqpoll) { .setup_flags = IORING_SETUP_SQPOLL };

static int put_in_slot(const struct ring *ring, unsigned int slot, int fd)
{
	struct io_uring_files_update update = {
		.offset	= slot,
		.fds	= ptr_to_u64(&fd),
	};
	int ret = ring_register(ring, IORING_REGISTER_FILES_UPDATE, &update, 1);

	return ret == 1 ? 0 : ret < 0 ? ret : -EIO;
}

FIXTURE_SETUP(direct)
{
	const char *reason = missing_as_root() ?: nsfs_missing();
	unsigned int i;

	if (reason)
		SKIP(return, "%s", reason);
	self->fds[SLOT_ROOT] = enter_private_tmpfs();
	ASSERT_GE(self->fds[SLOT_ROOT], 0);
	self->fds[SLOT_FILE] = make_file(self->fds[SLOT_ROOT], "file", CONTENT);
	self->fds[SLOT_PIDFD] = sys_pidfd_open(getpid(), 0);
	self->fds[SLOT_NS] = ns_own(&ns_kinds[NS_UTS]);
	ASSERT_EQ(ring_init(&self->ring, variant->setup_flags), 0);
	ASSERT_EQ(ring_make_table(&self->ring, SLOTS), 0);
	for (i = 0; i < SLOT_EMPTY; i++) {
		ASSERT_GE(self->fds[i], 0);
		ASSERT_EQ(encode(self->fds[i], &self->fhs[i]), 0);
		ASSERT_EQ(put_in_slot(&self->ring, i, self->fds[i]), 0);
	}
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(direct)
{
	unsigned int i;

	EXPECT_EQ(count_fds(), self->nr_fds);
	ring_exit(&self->ring);
	for (i = SLOT_FILE; i < SLOT_EMPTY; i++)
		close(self->fds[i]);
	EXPECT_EQ(leave_private_tmpfs(self->fds[SLOT_ROOT]), 0);
}

static struct io_uring_sqe *sqe_name_slot(struct ring *ring, int slot,
					  const char *path, unsigned int at_flags,
					  unsigned int sqe_flags)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	output.bytes = HANDLE_MAX;
	sqe_name(sqe, slot, path, &output, &output_id,
		 at_flags | AT_HANDLE_MNT_ID_UNIQUE);
	sqe->flags = IOSQE_FIXED_FILE | sqe_flags;
	return sqe;
}

static int name_slot(struct ring *ring, int slot, const char *path,
		     unsigned int at_flags, unsigned int sqe_flags)
{
	sqe_name_slot(ring, slot, path, at_flags, sqe_flags);
	return ring_run(ring);
}

static int open_at_slot(struct ring *ring, int slot, const struct handle *fh,
			unsigned int flags, unsigned int sqe_flags)
{
	return ring_open(ring, slot, fh, flags, IOSQE_FIXED_FILE | sqe_flags);
}

TEST_F(direct, names_the_file_in_a_slot)
{
	struct handle by_call;
	unsigned int i;
	__u64 id;

	for (i = 0; i < SLOT_EMPTY; i++) {
		by_call.bytes = HANDLE_MAX;
		ASSERT_EQ(encode_at(self->fds[i], "", &by_call, &id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE), 0);
		EXPECT_EQ(name_slot(&self->ring, i, "", AT_EMPTY_PATH,
				    variant->sqe_flags), 0);
		EXPECT_TRUE(same_handle(&output, &by_call));
		EXPECT_EQ(output_id, id);
		EXPECT_EQ(name_slot(&self->ring, i, "",
				    AT_EMPTY_PATH | AT_HANDLE_FID,
				    variant->sqe_flags), 0);
	}
}

/* The same errors as with a descriptor. */
TEST_F(direct, name_of_a_slot_has_the_errors_of_the_system_call)
{
	struct io_uring_sqe *sqe;

	EXPECT_EQ(name_slot(&self->ring, SLOT_FILE, "",
			    AT_EMPTY_PATH | AT_HANDLE_CONNECTABLE,
			    variant->sqe_flags), -EINVAL);
	EXPECT_EQ(name_slot(&self->ring, SLOT_FILE, "", AT_EMPTY_PATH | 0x80000000,
			    variant->sqe_flags), -EINVAL);
	EXPECT_EQ(name_slot(&self->ring, SLOT_FILE, NULL, AT_EMPTY_PATH,
			    variant->sqe_flags), -EFAULT);
	EXPECT_EQ(name_slot(&self->ring, SLOT_FILE, (char *)-4096L, AT_EMPTY_PATH,
			    variant->sqe_flags), -EFAULT);
	sqe = sqe_name_slot(&self->ring, SLOT_FILE, "", AT_EMPTY_PATH,
			    variant->sqe_flags);
	sqe->addr2 = 0;
	EXPECT_EQ(ring_run(&self->ring), -EFAULT);
	sqe = sqe_name_slot(&self->ring, SLOT_FILE, "", AT_EMPTY_PATH,
			    variant->sqe_flags);
	sqe->addr3 = 0;
	EXPECT_EQ(ring_run(&self->ring), -EFAULT);
	sqe_name_slot(&self->ring, SLOT_FILE, "", AT_EMPTY_PATH,
		      variant->sqe_flags);
	output.bytes = 4;
	EXPECT_EQ(ring_run(&self->ring), -EOVERFLOW);
	EXPECT_EQ(output.bytes, (__u32)HANDLE_TMPFS);
}

/* A slot is not a directory that a path can start at. */
TEST_F(direct, path_at_a_slot_is_refused)
{
	EXPECT_EQ(name_slot(&self->ring, SLOT_ROOT, "file", 0,
			    variant->sqe_flags), -EBADF);
	EXPECT_EQ(name_slot(&self->ring, SLOT_ROOT, "file", AT_EMPTY_PATH,
			    variant->sqe_flags), -EBADF);
	EXPECT_EQ(name_slot(&self->ring, SLOT_ROOT, "", 0, variant->sqe_flags),
		  -EBADF);
	EXPECT_EQ(name_slot(&self->ring, SLOT_ROOT, "/", AT_EMPTY_PATH,
			    variant->sqe_flags), -EBADF);
}

TEST_F(direct, slot_without_a_file)
{
	const int slots[] = {
		SLOT_EMPTY, SLOTS, SLOTS + 1, 1 << 20, INT_MAX, -1, INT_MIN,
		AT_FDCWD, FD_PIDFS_ROOT, FD_NSFS_ROOT,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		EXPECT_EQ(name_slot(&self->ring, slots[i], "", AT_EMPTY_PATH,
				    variant->sqe_flags), -EBADF);
		EXPECT_EQ(open_at_slot(&self->ring, slots[i],
				       &self->fhs[SLOT_PIDFD], O_RDONLY,
				       variant->sqe_flags), -EBADF);
	}
	/* The errors of the entry come first. */
	EXPECT_EQ(open_at_slot(&self->ring, SLOT_EMPTY, NULL, O_RDONLY,
			       variant->sqe_flags), -EFAULT);
}

TEST_F(direct, ring_without_a_table)
{
	struct ring ring;

	ASSERT_EQ(ring_init(&ring, variant->setup_flags), 0);
	EXPECT_EQ(name_slot(&ring, 0, "", AT_EMPTY_PATH, variant->sqe_flags),
		  -EBADF);
	EXPECT_EQ(open_at_slot(&ring, 0, &self->fhs[SLOT_FILE], O_RDONLY,
			       variant->sqe_flags), -EBADF);
	ring_exit(&ring);
}

TEST_F(direct, opens_at_the_mount_of_a_slot)
{
	static const struct { int slot, handle; } cases[] = {
		{ SLOT_ROOT,	SLOT_FILE },
		{ SLOT_FILE,	SLOT_FILE },
		{ SLOT_FILE,	SLOT_ROOT },
		{ SLOT_PIDFD,	SLOT_PIDFD },
		{ SLOT_NS,	SLOT_NS },
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		fd = open_at_slot(&self->ring, cases[i].slot,
				  &self->fhs[cases[i].handle],
				  O_RDONLY | O_CLOEXEC, variant->sqe_flags);
		EXPECT_GE(fd, 0) TH_LOG("case %u", i);
		EXPECT_TRUE(same_file(fd, self->fds[cases[i].handle]));
		close_result(fd);
	}
	/* The handle of another filesystem. */
	EXPECT_EQ(open_at_slot(&self->ring, SLOT_PIDFD, &self->fhs[SLOT_FILE],
			       O_RDONLY, variant->sqe_flags), -ESTALE);
	EXPECT_EQ(open_at_slot(&self->ring, SLOT_ROOT, &self->fhs[SLOT_PIDFD],
			       O_RDONLY, variant->sqe_flags), -ESTALE);
	EXPECT_EQ(open_at_slot(&self->ring, SLOT_PIDFD, &self->fhs[SLOT_PIDFD],
			       O_TRUNC, variant->sqe_flags), -EINVAL);
}

/*
 * A file with O_PATH cannot be registered, but IORING_OP_OPENAT puts one into a
 * slot. It can be named, and is no mount, like a descriptor with O_PATH.
 */
TEST_F(direct, slot_with_o_path)
{
	int path = open("file", O_PATH | O_CLOEXEC);

	ASSERT_GE(path, 0);
	EXPECT_EQ(put_in_slot(&self->ring, SLOT_EMPTY, path), -EBADF);
	close(path);

	EXPECT_EQ(ring_openat(&self->ring, "file", O_PATH, SLOT_EMPTY + 1), 0);
	EXPECT_EQ(name_slot(&self->ring, SLOT_EMPTY, "", AT_EMPTY_PATH,
			    variant->sqe_flags), 0);
	EXPECT_TRUE(same_handle(&output, &self->fhs[SLOT_FILE]));
	EXPECT_EQ(open_at_slot(&self->ring, SLOT_EMPTY, &self->fhs[SLOT_FILE],
			       O_RDONLY, variant->sqe_flags), -EBADF);
	EXPECT_EQ(ring_close_direct(&self->ring, SLOT_EMPTY + 1), 0);
}

/* The file remains open until the request completes. */
TEST_F(direct, slot_is_closed_during_the_request)
{
	struct io_uring_sqe *sqe;
	struct handle fh;
	int results[2];
	int fifo, fd;

	ASSERT_EQ(mkfifo("fifo", 0600), 0);
	ASSERT_EQ(encode_path(self->fds[SLOT_ROOT], "fifo", &fh), 0);
	sqe = ring_sqe(&self->ring);
	sqe_open(sqe, SLOT_ROOT, &fh, O_RDONLY | O_CLOEXEC);
	sqe->flags = IOSQE_FIXED_FILE | variant->sqe_flags;
	sqe = ring_sqe(&self->ring);
	sqe_close_direct(sqe, SLOT_ROOT + 1);
	sqe->user_data = 1;
	ASSERT_EQ(ring_submit(&self->ring), 2);
	while (!ring_ready(&self->ring))
		usleep(1000);
	/* The close has completed. Wait until the open waits for a writer. */
	usleep(100000);
	fd = open("fifo", O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_TRUE(ring_results(&self->ring, results, 2));
	EXPECT_EQ(results[1], 0);
	fifo = results[0];
	/* With IOSQE_ASYNC, the close may come first. */
	EXPECT_TRUE(same_file(fifo, fd) ||
		    (fifo == -EBADF && variant->sqe_flags)) TH_LOG("%d", fifo);
	close_result(fifo);
	close(fd);
	ASSERT_EQ(put_in_slot(&self->ring, SLOT_ROOT, self->fds[SLOT_ROOT]), 0);
}

/* Prepares: open into a slot, name the slot, read it, close it. */
static void sqe_chain(struct ring *ring, const struct handle *fh,
		      struct handle *named, __u64 *id, char *buf,
		      unsigned int sqe_flags)
{
	struct io_uring_sqe *sqe;

	sqe = ring_sqe(ring);
	sqe_open(sqe, SLOT_ROOT, fh, O_RDONLY);
	sqe->file_index = SLOT_EMPTY + 1;
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK | sqe_flags;
	sqe->user_data = 0;

	sqe = ring_sqe(ring);
	named->bytes = HANDLE_MAX;
	sqe_name(sqe, SLOT_EMPTY, "", named, id,
		 AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE);
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK | sqe_flags;
	sqe->user_data = 1;

	sqe = ring_sqe(ring);
	sqe->opcode = IORING_OP_READ;
	sqe->fd = SLOT_EMPTY;
	sqe->addr = ptr_to_u64(buf);
	sqe->len = strlen(CONTENT);
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK;
	sqe->user_data = 2;

	sqe = ring_sqe(ring);
	sqe_close_direct(sqe, SLOT_EMPTY + 1);
	sqe->user_data = 3;
}

/* The process needs no file descriptor. */
TEST_F(direct, chain_opens_names_reads_and_closes)
{
	char buf[sizeof(CONTENT)] = "";
	struct rlimit limit, none;
	struct handle named;
	int results[4];
	__u64 id;

	ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	sqe_chain(&self->ring, &self->fhs[SLOT_FILE], &named, &id, buf,
		  variant->sqe_flags);
	ASSERT_EQ(ring_submit(&self->ring), 4);
	ASSERT_TRUE(ring_results(&self->ring, results, 4));
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	EXPECT_EQ(results[0], 0);
	EXPECT_EQ(results[1], 0);
	EXPECT_EQ(results[2], (int)strlen(CONTENT));
	EXPECT_EQ(results[3], 0);
	EXPECT_TRUE(same_handle(&named, &self->fhs[SLOT_FILE]));
	EXPECT_STREQ(buf, CONTENT);
}

/* No request of the chain uses the file that the slot held before. */
TEST_F(direct, failed_open_cancels_the_chain)
{
	struct handle stale = self->fhs[SLOT_FILE], named;
	char buf[sizeof(CONTENT)] = "";
	int results[4], i;
	__u64 id;

	memset(stale.data, 0x7f, stale.bytes);
	ASSERT_EQ(put_in_slot(&self->ring, SLOT_EMPTY, self->fds[SLOT_FILE]), 0);
	sqe_chain(&self->ring, &stale, &named, &id, buf, variant->sqe_flags);
	memset(named.data, CANARY, sizeof(named.data));
	ASSERT_EQ(ring_submit(&self->ring), 4);
	ASSERT_TRUE(ring_results(&self->ring, results, 4));
	EXPECT_EQ(results[0], -ESTALE);
	for (i = 1; i < 4; i++)
		EXPECT_EQ(results[i], -ECANCELED);
	EXPECT_EQ(named.data[0], CANARY);
	EXPECT_STREQ(buf, "");
	EXPECT_EQ(name_slot(&self->ring, SLOT_EMPTY, "", AT_EMPTY_PATH,
			    variant->sqe_flags), 0);
	EXPECT_TRUE(same_handle(&output, &self->fhs[SLOT_FILE]));
}

/* A handle that does not fit into the memory that a request has inline. */
TEST_F(direct, handles_of_all_sizes)
{
	struct handle fh = self->fhs[SLOT_FILE];
	int by_call;

	for (fh.bytes = 1; fh.bytes <= HANDLE_MAX; fh.bytes++) {
		by_call = decode(self->fds[SLOT_ROOT], &fh, O_RDONLY | O_CLOEXEC);
		close_result(by_call);
		EXPECT_EQ(close_result(open_at_slot(&self->ring, SLOT_ROOT, &fh,
						    O_RDONLY | O_CLOEXEC,
						    variant->sqe_flags)),
			  by_call < 0 ? by_call : 0)
			TH_LOG("%u bytes", fh.bytes);
	}
}

struct replacer {
	const struct ring *ring;
	int fds[2];
	int ret;
};

static void *replace(void *arg)
{
	struct replacer *r = arg;
	unsigned int i;

	for (i = 0; i < REPLACEMENTS && !r->ret; i++)
		r->ret = put_in_slot(r->ring, SLOT_EMPTY, r->fds[i % 2]);
	return NULL;
}

/* Each request names one of the two files. */
TEST_F_TIMEOUT(direct, file_in_the_slot_is_replaced, SLOW_TIMEOUT)
{
	struct replacer r = {
		.ring = &self->ring,
		.fds = { self->fds[SLOT_FILE], self->fds[SLOT_PIDFD] },
	};
	pthread_t thread;
	int ret, fd, i;

	/* Only one task may use the ring, also to register files. */
	if (variant->setup_flags & IORING_SETUP_SINGLE_ISSUER)
		SKIP(return, "a second thread may not update the table");
	ASSERT_EQ(put_in_slot(&self->ring, SLOT_EMPTY, r.fds[1]), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, replace, &r), 0);
	for (i = 0; i < REPLACEMENTS; i++) {
		ret = name_slot(&self->ring, SLOT_EMPTY, "", AT_EMPTY_PATH,
				variant->sqe_flags);
		EXPECT_EQ(ret, 0);
		EXPECT_TRUE(same_handle(&output, &self->fhs[SLOT_FILE]) ||
			    same_handle(&output, &self->fhs[SLOT_PIDFD]));
		/* The mount of one of them. */
		fd = open_at_slot(&self->ring, SLOT_EMPTY, &self->fhs[SLOT_FILE],
				  O_RDONLY | O_CLOEXEC, variant->sqe_flags);
		EXPECT_TRUE(fd == -ESTALE || same_file(fd, r.fds[0]))
			TH_LOG("%d", fd);
		close_result(fd);
		if (ret)
			break;
	}
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(r.ret, 0);
}

/* The permission is that of the submitter, not that of the file. */
TEST_F(direct, user_may_not_open_at_a_slot)
{
	struct ring *ring = &self->ring;
	bool sqpoll = variant->setup_flags & IORING_SETUP_SQPOLL;
	int fd;

	ASSERT_EQ(seteuid(NOBODY), 0);
	fd = open_at_slot(ring, SLOT_ROOT, &self->fhs[SLOT_FILE], O_RDONLY,
			  variant->sqe_flags);
	/* The credentials of the kernel thread are those of the creator. */
	EXPECT_EQ(close_result(fd), sqpoll ? 0 : -EPERM);
	EXPECT_EQ(close_result(open_at_slot(ring, SLOT_PIDFD,
					    &self->fhs[SLOT_PIDFD], O_RDONLY,
					    variant->sqe_flags)), 0);
	EXPECT_EQ(name_slot(ring, SLOT_FILE, "", AT_EMPTY_PATH,
			    variant->sqe_flags), 0);
	ASSERT_EQ(seteuid(0), 0);
}

TEST_HARNESS_MAIN
