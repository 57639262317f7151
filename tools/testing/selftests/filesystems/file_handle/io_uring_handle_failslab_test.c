// SPDX-License-Identifier: GPL-2.0
/* Requests for file handles while allocations fail. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "failslab.h"
#include "requests.h"
#include "kselftest_harness.h"

#define ROUNDS		200

FIXTURE(failslab)
{
	struct failslab fail;
	struct ring ring;
	struct things t;
	int nr_fds;
};

FIXTURE_SETUP(failslab)
{
	const char *reason = missing_as_root();

	if (!reason && !failslab_is_there())
		reason = NEEDS_FAILSLAB;
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(make_things(&self->t), 0);
	ASSERT_EQ(ring_init(&self->ring, 0), 0);
	ASSERT_EQ(failslab_start(&self->fail), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(failslab)
{
	failslab_end(&self->fail);
	ring_exit(&self->ring);
	EXPECT_EQ(put_things(&self->t), 0);
}

/*
 * Submits again if there was no memory for the request itself. It stays in the
 * queue.
 */
static int submit_one(struct ring *ring)
{
	unsigned int i;
	int ret;

	for (i = 0; i < RETRIES; i++) {
		ret = ring_submit(ring);
		if (ret != -EAGAIN && ret != -ENOMEM)
			return ret;
	}
	return ret;
}

/*
 * A stale handle of tmpfs may need a worker. io-wq cancels the request if it cannot
 * create one.
 */
static bool is_right_failure(unsigned int kind, int ret)
{
	return ret == -ENOMEM || (kind == KIND_STALE && ret == -ECANCELED);
}

static const char *const kind_names[KINDS] = {
	"open pidfd", "open tmpfs", "open namespace", "name", "open stale handle",
	"name of no file",
};

/* In the submitting task, which executes requests that need not wait. */
TEST_F_TIMEOUT(failslab, each_allocation_in_turn, SLOW_TIMEOUT)
{
	struct ring *ring = &self->ring;
	struct request *req = &requests[0];
	unsigned int kind, nth, failures;
	bool failed;
	int ret;

	for (kind = 0; kind < KINDS; kind++) {
		for (failures = 0, nth = 1; nth < ALLOCATIONS_MAX; nth++) {
			sqe_of_kind(ring_sqe(ring), req, &self->t, kind);
			ASSERT_EQ(failslab_arm(&self->fail, nth), 0);
			ret = submit_one(ring);
			failed = failslab_has_failed(&self->fail);
			ASSERT_EQ(failslab_arm(&self->fail, 0), 0);
			ASSERT_EQ(ret, 1);
			ret = ring_result(ring);
			EXPECT_TRUE((failed && is_right_failure(kind, ret)) ||
				    is_right(req, &self->t, kind, ret)) {
				TH_LOG("%s, allocation %u: %d",
				       kind_names[kind], nth, ret);
			}
			if (!failed)
				break;
			failures++;
		}
		TH_LOG("%s: %u failures", kind_names[kind], failures);
		EXPECT_LT(nth, (unsigned int)ALLOCATIONS_MAX);
		/* tmpfs refuses a stale handle without an allocation. */
		if (kind != KIND_STALE)
			EXPECT_GT(failures, 0U);
	}
	EXPECT_EQ(count_fds(), self->nr_fds);
}

/* The ring allocates its requests in bulk, and then tries to allocate one. */
TEST_F(failslab, request_stays_in_the_queue)
{
	sqe_of_kind(ring_sqe(&self->ring), &requests[0], &self->t, KIND_TMPFS);
	ASSERT_EQ(write_string(FAILSLAB "probability", "100"), 0);
	ASSERT_EQ(write_string(FAILSLAB "times", "2"), 0);
	ASSERT_EQ(write_string("/proc/thread-self/make-it-fail", "1"), 0);
	EXPECT_EQ(ring_submit(&self->ring), -EAGAIN);
	EXPECT_EQ(ring_submit(&self->ring), 1);
	ASSERT_EQ(write_string("/proc/thread-self/make-it-fail", "0"), 0);
	EXPECT_TRUE(is_right(&requests[0], &self->t, KIND_TMPFS,
			     ring_result(&self->ring)));
	EXPECT_EQ(count_fds(), self->nr_fds);
}

/* If io_uring cannot create its first worker, it cancels the queue. */
static bool is_out_of_memory(int result)
{
	return result == -ENOMEM || result == -ECANCELED;
}

/* Workers inherit the setting from this task. */
static unsigned int fail_at_random(struct __test_metadata *_metadata,
				   struct ring *ring, const struct things *t,
				   unsigned int *nomem)
{
	unsigned int i, j, wrong = 0;

	if (write_string("/proc/thread-self/make-it-fail", "1"))
		return -1;
	for (i = 0; i < ROUNDS; i++) {
		enum request_kind kind = i % KINDS;
		int ret;

		for (j = 0; j < 2; j++) {
			struct io_uring_sqe *sqe = ring_sqe(ring);

			sqe_of_kind(sqe, &requests[0], t, kind);
			sqe->flags = j ? IOSQE_ASYNC : 0;
			if (submit_one(ring) != 1)
				return -1;
			ret = ring_result(ring);
			if (is_out_of_memory(ret)) {
				++*nomem;
			} else if (!is_right(&requests[0], t, kind, ret)) {
				TH_LOG("kind %u: %d", kind, ret);
				wrong++;
			}
		}
	}
	return wrong;
}

/* Opening the file needs allocations as well. */
static int stop_failing(void)
{
	int i, ret = -EAGAIN;

	for (i = 0; i < RETRIES && ret; i++)
		ret = write_string("/proc/thread-self/make-it-fail", "0");
	return ret;
}

TEST_F_TIMEOUT(failslab, allocations_at_random, SLOW_TIMEOUT)
{
	unsigned int nomem = 0;

	ASSERT_EQ(write_string(FAILSLAB "probability", "10"), 0);
	EXPECT_EQ(fail_at_random(_metadata, &self->ring, &self->t, &nomem), 0U);
	ASSERT_EQ(stop_failing(), 0);
	ASSERT_EQ(write_string(FAILSLAB "probability", "0"), 0);
	TH_LOG("%u of %u requests were out of memory", nomem, 2 * ROUNDS);
	EXPECT_GT(nomem, 0U);
	/* All requests work again. */
	ring_sqe(&self->ring)->opcode = IORING_OP_NOP;
	sqe_all_kinds(&self->ring, requests, &self->t, 1, KINDS, 0);
	ASSERT_EQ(ring_submit(&self->ring), KINDS + 1);
	ASSERT_TRUE(ring_results(&self->ring, results, KINDS + 1));
	EXPECT_EQ(nr_wrong(&self->t, KINDS), 0U);
	EXPECT_EQ(count_fds(), self->nr_fds);
}

TEST_HARNESS_MAIN
