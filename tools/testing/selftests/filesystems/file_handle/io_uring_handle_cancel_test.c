// SPDX-License-Identifier: GPL-2.0
/*
 * Requests for file handles that are cancelled, or whose ring or process goes
 * away before they are executed.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "requests_fixture.h"

#define QUEUED		60	/* requests that wait for the only worker */

#define CANCEL_DATA	1000000

/* Queues requests with user data 1 to QUEUED for the only worker. */
static int saturate(struct gate *gate, struct ring *ring,
		    const struct things *t)
{
	int ret = ring_one_worker(ring);

	if (ret)
		return ret;
	if (!gate_close(gate, ring, GATE))
		return -errno;
	sqe_all_kinds(ring, requests, t, 1, QUEUED, IOSQE_ASYNC);
	return ring_submit(ring) == QUEUED + 1 ? 0 : -EIO;
}

static void sqe_cancel(struct ring *ring, __u64 target, unsigned int flags,
		       __u64 user_data)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->addr = target;
	sqe->cancel_flags = flags;
	sqe->user_data = user_data;
}

/*
 * Returns how many of the next @nr completions are of cancelled requests.
 * Stores the result of the cancellation itself in @result.
 */
static unsigned int nr_cancelled(struct ring *ring, unsigned int nr,
				 int *result)
{
	struct io_uring_cqe cqe;
	unsigned int ret = 0;

	while (nr--) {
		if (ring_wait(ring, &cqe))
			break;
		if (cqe.user_data == CANCEL_DATA)
			*result = cqe.res;
		else if (cqe.res == -ECANCELED)
			ret++;
	}
	return ret;
}

TEST_F(requests, cancel_one_after_the_other)
{
	struct ring *ring = &self->ring;
	struct gate gate;
	unsigned int i;
	int result;

	ASSERT_EQ(saturate(&gate, ring, &self->t), 0);
	/* In another order than that of the queue. */
	for (i = 0; i < QUEUED; i++) {
		result = INT_MIN;
		sqe_cancel(ring, 1 + i * 7 % QUEUED, 0, CANCEL_DATA);
		ASSERT_EQ(ring_submit(ring), 1);
		EXPECT_EQ(nr_cancelled(ring, 2, &result), 1U);
		EXPECT_EQ(result, 0);
	}
	sqe_cancel(ring, 1, 0, CANCEL_DATA);
	ASSERT_EQ(ring_submit(ring), 1);
	EXPECT_EQ(ring_result(ring), -ENOENT);

	EXPECT_EQ(ring_ready(ring), 0U);
	ASSERT_EQ(gate_open(&gate), 0);
	gate_remove(&gate, ring_result(ring));
}

TEST_F(requests, cancel_all_of_an_opcode)
{
	struct ring *ring = &self->ring;
	unsigned int i, opens = 0;
	struct io_uring_sqe *sqe;
	int result = INT_MIN;
	struct gate gate;

	ASSERT_EQ(saturate(&gate, ring, &self->t), 0);
	for (i = 0; i < QUEUED; i++) {
		if (i % KINDS != KIND_NAME && i % KINDS != KIND_NOWHERE)
			opens++;
	}
	sqe = ring_sqe(ring);
	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->len = IORING_OP_OPEN_BY_HANDLE_AT;
	sqe->cancel_flags = IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_ALL;
	sqe->user_data = CANCEL_DATA;
	ASSERT_EQ(ring_submit(ring), 1);
	EXPECT_EQ(nr_cancelled(ring, opens + 1, &result), opens);
	/* Requests that are cancelled in one step count as one. */
	EXPECT_GT(result, 0);

	/* The others are executed in the order of the queue. */
	EXPECT_EQ(ring_ready(ring), 0U);
	ASSERT_EQ(gate_open(&gate), 0);
	gate_remove(&gate, ring_result(ring));
	for (i = 0; i < QUEUED; i++) {
		if (i % KINDS != KIND_NAME && i % KINDS != KIND_NOWHERE)
			continue;
		EXPECT_TRUE(is_right(&requests[i], &self->t, i % KINDS,
				     ring_result(ring)));
	}
}

TEST_F(requests, cancelled_open_leaves_its_slot_empty)
{
	struct ring *ring = &self->ring;
	struct io_uring_sqe *sqe;
	int result = INT_MIN;
	struct gate gate;

	ASSERT_EQ(ring_make_table(ring, 1), 0);
	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	sqe = ring_sqe(ring);
	sqe_open(sqe, self->t.root, &self->t.fh, O_RDWR);
	sqe->file_index = 1;
	sqe->user_data = 1;
	sqe->flags = IOSQE_IO_LINK | IOSQE_ASYNC;
	sqe = ring_sqe(ring);
	sqe_of_kind(sqe, &requests[0], &self->t, KIND_TMPFS);
	sqe->user_data = 2;
	sqe_cancel(ring, 1, 0, CANCEL_DATA);
	ASSERT_EQ(ring_submit(ring), 4);
	/* The linked request is cancelled as well. */
	EXPECT_EQ(nr_cancelled(ring, 3, &result), 2U);
	EXPECT_EQ(result, 0);

	sqe = ring_sqe(ring);
	sqe->opcode = IORING_OP_CLOSE;
	sqe->file_index = 1;
	EXPECT_EQ(ring_run(ring), -EBADF);
	ASSERT_EQ(gate_open(&gate), 0);
	gate_remove(&gate, ring_result(ring));
}

/* A path of PATH_MAX bytes, of which the kernel allocates a copy of that size. */
static char longest[PATH_MAX];

/* Cancels @nr requests that have not looked up their name yet. */
static int cancel_names(struct ring *ring, const struct things *t, unsigned int nr)
{
	struct io_uring_sqe *sqe;
	int result = INT_MIN;
	struct gate gate;
	unsigned int i;

	if (!gate_close(&gate, ring, GATE))
		return -errno;
	for (i = 0; i < nr; i++) {
		sqe = ring_sqe(ring);
		sqe_name(sqe, t->root, longest, &output, &output_id,
			 AT_HANDLE_MNT_ID_UNIQUE);
		sqe->flags = IOSQE_ASYNC;
		sqe->user_data = 1 + i;
	}
	sqe = ring_sqe(ring);
	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->len = IORING_OP_NAME_TO_HANDLE_AT;
	sqe->cancel_flags = IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_ALL;
	sqe->user_data = CANCEL_DATA;
	if (ring_submit(ring) != (int)nr + 2 ||
	    nr_cancelled(ring, nr + 1, &result) != nr || gate_open(&gate))
		return -EIO;
	gate_remove(&gate, ring_result(ring));
	return 0;
}

TEST_F_TIMEOUT(requests, cancelled_name_is_freed, SLOW_TIMEOUT)
{
	long before = slab_size();
	int i;

	if (before < 0)
		SKIP(return, "needs /proc/meminfo");
	memset(longest, '/', sizeof(longest) - 1);
	ASSERT_EQ(ring_one_worker(&self->ring), 0);
	for (i = 0; i < SLAB_ROUNDS; i++) {
		before = slab_size();
		ASSERT_EQ(cancel_names(&self->ring, &self->t, MANY), 0);
		/* The names of a round need 4,000 KiB. */
		if (slab_size() - before < 2000)
			break;
	}
	EXPECT_LT(i, SLAB_ROUNDS);
}

/*
 * Puts the only descriptor of one end of a pipe into the table of the ring.
 * The other end reports when the ring has been freed.
 */
static int watch_ring(struct ring *ring)
{
	int ends[2], ret;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	ret = ring_register(ring, IORING_REGISTER_FILES, &ends[1], 1);
	close(ends[1]);
	if (!ret)
		return ends[0];
	close(ends[0]);
	return ret;
}

static int wait_until_gone(int watch)
{
	char byte;
	int ret = read(watch, &byte, 1);

	close(watch);
	return ret < 0 ? -errno : ret;
}

/* Close the files that requests have opened. */
static void close_opened(const struct things *t)
{
	const int kept[] = { t->file, t->pidfd, t->ns };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(kept); i++) {
		for (fd = 0; fd < FDS_MAX; fd++) {
			if (fd != kept[i] && same_file(fd, kept[i]))
				close(fd);
		}
	}
}

/*
 * io_uring cancels the requests of a closed ring, but may execute some: it
 * removes queued requests one at a time, and a worker that starts meanwhile
 * executes the next one. Its file stays open, as with IORING_OP_OPENAT. No
 * other descriptor and no other reference to the tmpfs may be left.
 */
TEST_F(requests, ring_is_closed_with_requests_in_flight)
{
	struct gate gate;
	struct ring ring;
	int watch, i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(ring_init(&ring, 0), 0);
		watch = watch_ring(&ring);
		ASSERT_GE(watch, 0);
		ASSERT_EQ(saturate(&gate, &ring, &self->t), 0);
		EXPECT_EQ(ring_ready(&ring), 0U);
		ring_exit(&ring);
		EXPECT_EQ(wait_until_gone(watch), 0);
		close_opened(&self->t);
		EXPECT_EQ(count_fds(), self->nr_fds);
		ASSERT_EQ(unlink(GATE), 0);
	}
}

/* Exits or is killed with requests in flight. */
static void exit_with_requests(const struct things *t, int watched, bool killed)
{
	struct gate gate;
	struct ring ring;

	if (ring_init(&ring, 0) ||
	    ring_register(&ring, IORING_REGISTER_FILES, &watched, 1) ||
	    close(watched) || saturate(&gate, &ring, t))
		_exit(EIO);
	if (killed)
		kill(getpid(), SIGKILL);
	_exit(0);
}

TEST_F(requests, process_exits_with_requests_in_flight)
{
	int ends[2], status, i;
	pid_t pid;

	for (i = 0; i < 6; i++) {
		ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
		pid = clone_child(0, NULL);
		ASSERT_GE(pid, 0);
		if (!pid) {
			close(ends[0]);
			exit_with_requests(&self->t, ends[1], i % 2);
		}
		close(ends[1]);
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
		forget_child(pid);
		EXPECT_EQ(status, i % 2 ? SIGKILL : 0);
		EXPECT_EQ(wait_until_gone(ends[0]), 0);
		ASSERT_EQ(unlink(GATE), 0);
	}
}

TEST_HARNESS_MAIN
