// SPDX-License-Identifier: GPL-2.0
/*
 * How requests for file handles are executed: in chains, inline or in a
 * worker, when their memory is read, and with whose credentials.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sys/mount.h>

#include "nsfs.h"
#include "ring.h"
#include "kselftest_harness.h"

#define CONTENT		"content"
#define GATE		"gate"

FIXTURE(tmpfs)
{
	struct ring ring;
	int root;
	int file;
	int dir;
	int pidfd;
	struct handle fh;
	struct handle dir_fh;
	struct handle pid_fh;
	int nr_fds;
};

FIXTURE_SETUP(tmpfs)
{
	const char *reason = missing_as_root();

	if (reason)
		SKIP(return, "%s", reason);
	self->root = enter_private_tmpfs();
	ASSERT_GE(self->root, 0);
	ASSERT_EQ(mkdir("dir", 0700), 0);
	ASSERT_EQ(keep(open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		       &self->dir, &self->dir_fh), 0);
	ASSERT_EQ(keep(make_file(self->dir, "file", CONTENT), &self->file,
		       &self->fh), 0);
	ASSERT_EQ(keep(sys_pidfd_open(getpid(), 0), &self->pidfd,
		       &self->pid_fh), 0);
	ASSERT_EQ(ring_init(&self->ring, 0), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(tmpfs)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
	ring_exit(&self->ring);
	close(self->file);
	close(self->dir);
	EXPECT_EQ(leave_private_tmpfs(self->root), 0);
}

/* Prepares a chain that opens a file in slot 0, reads it and closes it. */
static void sqe_chain(struct ring *ring, const struct handle *fh, char *buf,
		      unsigned int flags)
{
	struct io_uring_sqe *sqe;

	sqe = ring_sqe(ring);
	sqe_open(sqe, AT_FDCWD, fh, O_RDONLY);
	sqe->file_index = 1;
	sqe->flags = flags | IOSQE_IO_LINK;
	sqe->user_data = 0;

	sqe = ring_sqe(ring);
	sqe->opcode = IORING_OP_READ;
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK;
	sqe->addr = ptr_to_u64(buf);
	/* A short read would end the chain. */
	sqe->len = strlen(CONTENT);
	sqe->user_data = 1;

	sqe = ring_sqe(ring);
	sqe_close_direct(sqe, 1);
	sqe->user_data = 2;
}

TEST_F(tmpfs, chain_opens_reads_and_closes)
{
	char buf[sizeof(CONTENT)];
	int results[3];
	unsigned int i;

	ASSERT_EQ(ring_make_table(&self->ring, 1), 0);
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		memset(buf, 0, sizeof(buf));
		sqe_chain(&self->ring, &self->fh, buf, request_flags[i]);
		ASSERT_EQ(ring_submit(&self->ring), 3);
		ASSERT_TRUE(ring_results(&self->ring, results, 3));
		EXPECT_EQ(results[0], 0);
		EXPECT_EQ(results[1], (int)strlen(CONTENT));
		EXPECT_EQ(results[2], 0);
		EXPECT_STREQ(buf, CONTENT);
		EXPECT_EQ(ring_close_direct(&self->ring, 1), -EBADF);
	}
}

TEST_F(tmpfs, failed_open_cancels_the_chain)
{
	struct handle bad[] = { self->fh, self->fh };
	const int want[] = { -ESTALE, -EINVAL };
	char buf[sizeof(CONTENT)];
	int results[3];
	unsigned int i, j;

	memset(bad[0].data, 0x7f, bad[0].bytes);
	bad[1].type = -1;
	ASSERT_EQ(ring_make_table(&self->ring, 1), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (j = 0; j < ARRAY_SIZE(request_flags); j++) {
			sqe_chain(&self->ring, &bad[i], buf, request_flags[j]);
			ASSERT_EQ(ring_submit(&self->ring), 3);
			ASSERT_TRUE(ring_results(&self->ring, results, 3));
			EXPECT_EQ(results[0], want[i]);
			EXPECT_EQ(results[1], -ECANCELED);
			EXPECT_EQ(results[2], -ECANCELED);
		}
	}
}

TEST_F(tmpfs, failed_name_cancels_the_chain)
{
	struct io_uring_sqe *sqe;
	unsigned int i;
	int results[2];

	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		sqe = ring_sqe(&self->ring);
		sqe_name(sqe, self->root, "nowhere", &output, &output_id, 0);
		sqe->flags = IOSQE_IO_LINK | request_flags[i];
		sqe = ring_sqe(&self->ring);
		sqe_open(sqe, self->root, &self->fh, O_RDONLY);
		sqe->user_data = 1;
		ASSERT_EQ(ring_submit(&self->ring), 2);
		ASSERT_TRUE(ring_results(&self->ring, results, 2));
		EXPECT_EQ(results[0], -ENOENT);
		EXPECT_EQ(results[1], -ECANCELED);
	}
}

/* A handle that a request encodes can be used in the next submission. */
TEST_F(tmpfs, handle_is_read_before_the_chain_writes_it)
{
	struct handle fh = self->fh;
	struct io_uring_sqe *sqe;
	int results[2], fd;

	sqe = ring_sqe(&self->ring);
	sqe_name(sqe, self->root, "dir", &fh, &output_id,
		 AT_HANDLE_MNT_ID_UNIQUE);
	sqe->flags = IOSQE_IO_LINK;
	sqe = ring_sqe(&self->ring);
	sqe_open(sqe, self->root, &fh, O_RDONLY);
	sqe->user_data = 1;
	ASSERT_EQ(ring_submit(&self->ring), 2);
	ASSERT_TRUE(ring_results(&self->ring, results, 2));
	EXPECT_EQ(results[0], 0);
	ASSERT_GE(results[1], 0);
	EXPECT_TRUE(same_file(results[1], self->file));
	close(results[1]);

	EXPECT_TRUE(same_handle(&fh, &self->dir_fh));
	fd = ring_open(&self->ring, self->root, &fh, O_RDONLY, 0);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(same_file(fd, self->dir));
	close(fd);
}

/*
 * Request 0 keeps the only worker busy, so that the requests which complete
 * were executed inline.
 */
TEST_F(tmpfs, requests_that_complete_inline)
{
	struct ring *ring = &self->ring;
	struct handle ns_fh, fh = { .bytes = HANDLE_MAX };
	int results[7], ns, i;
	struct gate gate;

	ns = ns_own(&ns_kinds[NS_UTS]);
	ASSERT_GE(ns, 0);
	ASSERT_EQ(encode(ns, &ns_fh), 0);
	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	ASSERT_EQ(ring_submit(ring), 1);

	for (i = 1; i < 7; i++) {
		struct io_uring_sqe *sqe = ring_sqe(ring);

		if (i == 1)
			sqe_open(sqe, FD_PIDFS_ROOT, &self->pid_fh, O_CLOEXEC);
		else if (i == 2)
			sqe_open(sqe, FD_NSFS_ROOT, &ns_fh, O_CLOEXEC);
		else if (i == 3)
			sqe_name(sqe, self->root, "dir/file", &fh, &output_id,
				 AT_HANDLE_MNT_ID_UNIQUE);
		else if (i == 4)
			sqe_open(sqe, self->root, &self->fh, O_CLOEXEC);
		else
			sqe_good(sqe, handle_opcodes[i % 2], self->pidfd,
				 &self->pid_fh);
		sqe->flags = i > 4 ? IOSQE_ASYNC : 0;
		sqe->user_data = i;
		ASSERT_EQ(ring_submit(ring), 1);
		EXPECT_EQ(ring_ready(ring), i > 4 ? 4U : (unsigned int)i)
			TH_LOG("request %d", i);
	}

	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 7));
	gate_remove(&gate, results[0]);
	EXPECT_TRUE(same_file(results[1], self->pidfd));
	EXPECT_TRUE(same_file(results[2], ns));
	EXPECT_TRUE(same_handle(&fh, &self->fh));
	EXPECT_TRUE(same_file(results[4], self->file));
	for (i = 1; i < 7; i++) {
		EXPECT_GE(results[i], 0) TH_LOG("request %d", i);
		if (results[i] > 0)
			close(results[i]);
	}
	close(ns);
}

/*
 * An open that may modify the filesystem is not tried inline. pidfs refuses all
 * of these flags except O_EXCL. If only a worker tries the open, that error is
 * reported after the gate has been opened.
 */
TEST_F(tmpfs, opens_that_may_modify_run_in_a_worker)
{
	static const struct {
		unsigned int flags;
		bool is_inline;
		int want;
	} cases[] = {
		{ O_EXCL,			true,	0 },
		{ O_TRUNC,			false,	-EINVAL },
		{ O_APPEND,			true,	-EINVAL },
		{ O_CREAT,			false,	-EINVAL },
		{ O_DIRECTORY,			true,	-EINVAL },
		{ O_TMPFILE,			false,	-EINVAL },
		{ O_TMPFILE & ~O_DIRECTORY,	false,	-EINVAL },
		{ O_NOATIME | O_NOFOLLOW,	true,	-EINVAL },
		{ O_RDWR | O_CREAT | O_EXCL,	false,	-EINVAL },
		{ O_WRONLY | O_TRUNC,		false,	-EINVAL },
	};
	int results[1 + ARRAY_SIZE(cases)];
	struct ring *ring = &self->ring;
	unsigned int i, ready;
	struct gate gate;

	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	ASSERT_EQ(ring_submit(ring), 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct io_uring_sqe *sqe = ring_sqe(ring);

		sqe_open(sqe, FD_PIDFS_ROOT, &self->pid_fh,
			 cases[i].flags | O_CLOEXEC);
		sqe->user_data = 1 + i;
		ready = ring_ready(ring);
		ASSERT_EQ(ring_submit(ring), 1);
		EXPECT_EQ(ring_ready(ring) != ready, cases[i].is_inline)
			TH_LOG("flags %#o", cases[i].flags);
	}

	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 1 + ARRAY_SIZE(cases)));
	gate_remove(&gate, results[0]);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		EXPECT_EQ(close_result(results[1 + i]), cases[i].want)
			TH_LOG("flags %#o", cases[i].flags);
}

/* There is no argument for a mode. */
TEST_F(tmpfs, temporary_file_has_no_permissions)
{
	struct stat st;
	unsigned int i;
	int fd;

	for (i = 0; i <= ARRAY_SIZE(request_flags); i++) {
		if (i < ARRAY_SIZE(request_flags))
			fd = ring_open(&self->ring, self->root, &self->dir_fh,
				       O_TMPFILE | O_RDWR, request_flags[i]);
		else
			fd = decode(self->root, &self->dir_fh,
				    O_TMPFILE | O_RDWR);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(fstat(fd, &st), 0);
		EXPECT_EQ(st.st_mode, S_IFREG);
		close(fd);
	}
}

/* The memory of a request can be reused before the request is executed. */
TEST_F(tmpfs, memory_can_be_reused_after_submission)
{
	struct handle to_open[2] = { self->fh, self->fh };
	struct handle made = { .bytes = HANDLE_MAX };
	struct ring *ring = &self->ring;
	char path[] = "dir/file";
	struct io_uring_sqe *sqe;
	struct gate gate;
	int results[4], i;

	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	for (i = 0; i < 2; i++) {
		sqe = ring_sqe(ring);
		/* O_TRUNC requires a worker as well. */
		sqe_open(sqe, self->root, &to_open[i],
			 O_RDWR | O_CLOEXEC | (i ? 0 : O_TRUNC));
		sqe->flags = request_flags[i];
		sqe->user_data = 1 + i;
	}
	sqe = ring_sqe(ring);
	sqe_name(sqe, self->root, path, &made, &output_id,
		 AT_HANDLE_MNT_ID_UNIQUE);
	sqe->flags = IOSQE_ASYNC;
	sqe->user_data = 3;
	ASSERT_EQ(ring_submit(ring), 4);
	EXPECT_EQ(ring_ready(ring), 0U);

	memset(to_open, 0xff, sizeof(to_open));
	memcpy(path, "no/where", sizeof(path));
	memset(&made, CANARY, sizeof(made));
	made.bytes = 0;
	memset(ring->sqes, 0xff, ring->sqes_size);
	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 4));
	gate_remove(&gate, results[0]);
	for (i = 1; i < 3; i++) {
		ASSERT_GE(results[i], 0);
		EXPECT_TRUE(same_file(results[i], self->file));
		EXPECT_EQ(fcntl(results[i], F_GETFL) & O_ACCMODE, O_RDWR);
		close(results[i]);
	}
	EXPECT_EQ(results[3], 0);
	EXPECT_TRUE(same_handle(&made, &self->fh));
}

/* The retry in a worker uses the flags in the type of the handle as well. */
TEST_F(tmpfs, connectable_handle_outside_of_a_mount)
{
	struct handle fh = self->fh;
	unsigned int i;
	int bind, fd;

	ASSERT_EQ(mkdir("bound", 0755), 0);
	ASSERT_EQ(mkdir("other", 0755), 0);
	ASSERT_EQ(mount("other", "bound", NULL, MS_BIND, NULL), 0);
	bind = open("bound", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(bind, 0);
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		fh.type = self->fh.type;
		EXPECT_EQ(close_result(ring_open(&self->ring, bind, &fh,
						 O_RDONLY, request_flags[i])), 0);
		fh.type = self->fh.type | FILEID_IS_CONNECTABLE;
		EXPECT_EQ(ring_open(&self->ring, bind, &fh, O_RDONLY,
				    request_flags[i]), -ESTALE);
		fd = ring_open(&self->ring, self->dir, &fh, O_RDONLY,
			       request_flags[i]);
		EXPECT_TRUE(same_file(fd, self->file));
		close_result(fd);
		fh.type = self->fh.type | FILEID_IS_DIR;
		EXPECT_EQ(ring_open(&self->ring, self->dir, &fh, O_RDONLY,
				    request_flags[i]), -ESTALE);
	}
	close(bind);
	EXPECT_EQ(umount2("bound", MNT_DETACH), 0);
}

/* Registers the credentials of an ordinary user. */
static int register_user(struct ring *ring)
{
	int id, err;

	if (seteuid(NOBODY))
		return -errno;
	id = ring_register(ring, IORING_REGISTER_PERSONALITY, NULL, 0);
	err = seteuid(0) ? -errno : 0;
	return err ?: id;
}

TEST_F(tmpfs, personality)
{
	struct ring *ring = &self->ring;
	struct io_uring_sqe *sqe;
	unsigned int i;
	int id;

	id = register_user(ring);
	ASSERT_GT(id, 0);
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		sqe = ring_sqe(ring);
		sqe_open(sqe, self->root, &self->fh, O_RDONLY);
		sqe->flags = request_flags[i];
		sqe->personality = id;
		EXPECT_EQ(ring_run(ring), -EPERM);
		EXPECT_EQ(close_result(ring_open(ring, self->root, &self->fh,
						 O_RDONLY, request_flags[i])), 0);

		sqe = ring_sqe(ring);
		sqe_good(sqe, IORING_OP_OPEN_BY_HANDLE_AT, 0, &self->pid_fh);
		sqe->flags = request_flags[i];
		sqe->personality = id;
		EXPECT_EQ(close_result(ring_run(ring)), 0);

		sqe = ring_sqe(ring);
		sqe_name(sqe, self->root, "dir/file", &output, &output_id,
			 AT_HANDLE_MNT_ID_UNIQUE);
		sqe->flags = request_flags[i];
		sqe->personality = id;
		EXPECT_EQ(ring_run(ring), -EACCES);
		EXPECT_EQ(ring_name(ring, "dir/file"), 0);
	}
	sqe = ring_sqe(ring);
	sqe_good(sqe, IORING_OP_OPEN_BY_HANDLE_AT, 0, &self->pid_fh);
	sqe->personality = id + 1;
	EXPECT_EQ(ring_run(ring), -EINVAL);
}

/* Prepares an open that waits for the worker. */
static struct io_uring_sqe *sqe_open_late(struct ring *ring, int root,
					  const struct handle *fh,
					  __u64 user_data,
					  unsigned int personality)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe_open(sqe, root, fh, O_RDONLY);
	sqe->flags = IOSQE_ASYNC;
	sqe->user_data = user_data;
	sqe->personality = personality;
	return sqe;
}

TEST_F(tmpfs, credentials_are_those_of_the_submission)
{
	struct ring *ring = &self->ring;
	struct gate gate;
	int results[5], id;

	id = register_user(ring);
	ASSERT_GT(id, 0);
	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	sqe_open_late(ring, self->root, &self->fh, 1, 0);
	sqe_open_late(ring, self->root, &self->fh, 2, id);
	ASSERT_EQ(ring_submit(ring), 3);
	ASSERT_EQ(ring_register(ring, IORING_UNREGISTER_PERSONALITY, NULL, id),
		  0);
	ASSERT_EQ(seteuid(NOBODY), 0);
	sqe_open_late(ring, self->root, &self->fh, 3, 0);
	ASSERT_EQ(ring_submit(ring), 1);
	ASSERT_EQ(seteuid(0), 0);
	sqe_open_late(ring, self->root, &self->fh, 4, 0);
	ASSERT_EQ(ring_submit(ring), 1);
	ASSERT_EQ(seteuid(NOBODY), 0);

	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 5));
	ASSERT_EQ(seteuid(0), 0);
	gate_remove(&gate, results[0]);
	EXPECT_EQ(close_result(results[1]), 0);
	EXPECT_EQ(results[2], -EPERM);
	EXPECT_EQ(results[3], -EPERM);
	EXPECT_EQ(close_result(results[4]), 0);
}

TEST_F(tmpfs, credentials_of_a_chain)
{
	struct ring *ring = &self->ring;
	struct io_uring_sqe *sqe;
	struct gate gate;
	int results[3], id;

	id = register_user(ring);
	ASSERT_GT(id, 0);
	sqe = gate_close(&gate, ring, GATE);
	ASSERT_NE(sqe, NULL);
	sqe->flags |= IOSQE_IO_HARDLINK;
	sqe = sqe_open_late(ring, self->root, &self->fh, 1, id);
	sqe->flags |= IOSQE_IO_HARDLINK;
	sqe_open_late(ring, self->root, &self->fh, 2, 0);
	ASSERT_EQ(ring_submit(ring), 3);
	ASSERT_EQ(seteuid(NOBODY), 0);

	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 3));
	ASSERT_EQ(seteuid(0), 0);
	gate_remove(&gate, results[0]);
	EXPECT_EQ(results[1], -EPERM);
	EXPECT_EQ(close_result(results[2]), 0);
}

TEST_F(tmpfs, credentials_of_sqpoll_are_those_of_the_ring)
{
	struct ring ring;

	ASSERT_EQ(ring_init(&ring, IORING_SETUP_SQPOLL), 0);
	ASSERT_EQ(seteuid(NOBODY), 0);
	EXPECT_EQ(close_result(ring_open(&ring, self->root, &self->fh,
					 O_RDONLY, 0)), 0);
	EXPECT_EQ(close_result(ring_open(&ring, self->root, &self->fh,
					 O_RDONLY, IOSQE_ASYNC)), 0);
	EXPECT_EQ(ring_open(&self->ring, self->root, &self->fh, O_RDONLY, 0),
		  -EPERM);
	ASSERT_EQ(seteuid(0), 0);
	ring_exit(&ring);
}

/* What the requests of a child open, and the result of a request in a worker. */
struct table_case {
	const struct handle *fh;
	int root;
	int by_name;
	int by_handle;
	int direct;
};

/* The worker exists before the child leaves its descriptor table. */
static int leave_the_table_of_a_worker(void *arg)
{
	struct table_case *t = arg;
	struct io_uring_sqe *sqe;
	struct ring ring;
	int ret, fd;

	ret = ring_init(&ring, 0) ?: ring_one_worker(&ring) ?:
	      ring_make_table(&ring, 1);
	if (ret)
		return ret;
	ret = close_result(ring_open(&ring, t->root, t->fh, O_RDONLY,
				     IOSQE_ASYNC));
	if (ret)
		return ret;
	if (unshare(CLONE_FILES))
		return -errno;
	fd = dup(t->root);
	if (fd < 0)
		return -errno;

	sqe = ring_sqe(&ring);
	sqe_openat(sqe, fd, ".", O_RDONLY);
	sqe->flags = IOSQE_ASYNC;
	t->by_name = ring_run(&ring);
	t->by_handle = ring_open(&ring, fd, t->fh, O_RDONLY, IOSQE_ASYNC);
	t->direct = ring_open_direct(&ring, t->root, t->fh, O_RDONLY,
				     IOSQE_ASYNC, 1) ?:
		    close_result(ring_install(&ring, 0));
	return close_result(ring_open(&ring, fd, t->fh, O_RDONLY, 0));
}

/* As for IORING_OP_OPENAT. */
TEST_F(tmpfs, a_worker_keeps_its_descriptor_table)
{
	struct table_case *t = shared_memory(sizeof(*t));

	ASSERT_NE(t, NULL);
	*t = (struct table_case) { .fh = &self->fh, .root = self->root };
	ASSERT_EQ(run_as(WHO_SAME, 0, leave_the_table_of_a_worker, t), 0);
	EXPECT_EQ(t->by_name, -EBADF);
	EXPECT_EQ(t->by_handle, t->by_name);
	EXPECT_EQ(t->direct, 0);
}

/* The file is closed if it cannot be put into the table. */
TEST_F(tmpfs, file_without_a_slot_is_closed)
{
	unsigned int i;

	ASSERT_EQ(ring_make_table(&self->ring, 1), 0);
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		EXPECT_EQ(ring_open_direct(&self->ring, self->root, &self->fh,
					   O_RDWR, request_flags[i], 2), -EINVAL);
		EXPECT_EQ(ring_open_direct(&self->ring, self->root, &self->fh,
					   O_RDWR, request_flags[i], 1), 0);
		EXPECT_TRUE(ring_holds(&self->ring, 0, self->file));
		EXPECT_EQ(ring_open_direct(&self->ring, self->root, &self->fh,
					   O_RDWR, request_flags[i],
					   IORING_FILE_INDEX_ALLOC), -ENFILE);
	}
	/* A leaked file would prevent that the tmpfs is unmounted. */
	EXPECT_EQ(ring_close_direct(&self->ring, 1), 0);
}

TEST_HARNESS_MAIN
