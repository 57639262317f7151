// SPDX-License-Identifier: GPL-2.0
/* Many requests for file handles at once, and in several threads. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <stdatomic.h>

#include "requests_fixture.h"
#include "stress.h"

#define RINGS		4	/* one per thread */
#define ROUNDS		200	/* of each thread */
#define PROCESSES	50	/* that are created and exit */

TEST_F_TIMEOUT(requests, many_in_flight, SLOW_TIMEOUT)
{
	struct ring *ring = &self->ring;
	struct gate gate;

	ASSERT_EQ(allow_many_fds(), 0);
	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	sqe_all_kinds(ring, requests, &self->t, 1, MANY, IOSQE_ASYNC);
	ASSERT_EQ(ring_submit(ring), MANY + 1);
	EXPECT_EQ(ring_ready(ring), 0U);
	memset(requests, CANARY, sizeof(requests));
	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, MANY + 1));
	gate_remove(&gate, results[0]);
	EXPECT_EQ(nr_wrong(&self->t, MANY), 0U);
}

/* Inline, and in any number of workers. */
TEST_F_TIMEOUT(requests, many_at_once, SLOW_TIMEOUT)
{
	static const unsigned int flags[] = { 0, IOSQE_ASYNC };
	struct ring *ring = &self->ring;
	unsigned int i;

	ASSERT_EQ(allow_many_fds(), 0);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		ring_sqe(ring)->opcode = IORING_OP_NOP;
		sqe_all_kinds(ring, requests, &self->t, 1, MANY, flags[i]);
		ASSERT_EQ(ring_submit(ring), MANY + 1);
		ASSERT_TRUE(ring_results(ring, results, MANY + 1));
		EXPECT_EQ(nr_wrong(&self->t, MANY), 0U);
	}
}

struct worker {
	pthread_t id;
	const struct things *t;
	unsigned int setup;
	unsigned int wrong;
	int ret;
};

static int work_round(struct ring *ring, struct worker *w, unsigned int round)
{
	struct request reqs[2 * KINDS];
	int res[2 * KINDS];
	unsigned int i;

	memset(reqs, 0, sizeof(reqs));
	sqe_all_kinds(ring, reqs, w->t, 0, 2 * KINDS,
		      round % 2 ? IOSQE_ASYNC : 0);
	if (ring_submit(ring) != 2 * KINDS ||
	    !ring_results(ring, res, 2 * KINDS))
		return -EIO;
	for (i = 0; i < 2 * KINDS; i++) {
		if (!is_right(&reqs[i], w->t, i % KINDS, res[i]))
			w->wrong++;
	}
	return 0;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct ring ring;
	unsigned int i;

	w->ret = ring_init(&ring, w->setup);
	if (w->ret)
		return NULL;
	for (i = 0; i < ROUNDS && !w->ret; i++)
		w->ret = work_round(&ring, w, i);
	ring_exit(&ring);
	return NULL;
}

TEST_F_TIMEOUT(requests, threads_with_a_ring_each, SLOW_TIMEOUT)
{
	struct worker workers[RINGS] = {};
	unsigned int i;

	for (i = 0; i < RINGS; i++) {
		workers[i].t = &self->t;
		if (i % 2)
			workers[i].setup = IORING_SETUP_SINGLE_ISSUER |
					   IORING_SETUP_DEFER_TASKRUN;
		ASSERT_EQ(pthread_create(&workers[i].id, NULL, work,
					 &workers[i]), 0);
	}
	for (i = 0; i < RINGS; i++) {
		ASSERT_EQ(pthread_join(workers[i].id, NULL), 0);
		EXPECT_EQ(workers[i].ret, 0);
		EXPECT_EQ(workers[i].wrong, 0U);
	}
}

/* The process that the handle belongs to. */
static struct slot target;

struct decoder {
	pthread_t id;
	unsigned int flags;	/* IOSQE_* */
	atomic_uint decoded;
	atomic_uint stale;
	unsigned int wrong_errno;
	unsigned int wrong_number;
	unsigned int lost;	/* stale although alive */
	unsigned int undead;	/* decoded although reaped */
	int ret;
};

static struct decoder decoders[RINGS];
static atomic_bool stop;

static void decode_once(struct ring *ring, struct decoder *d)
{
	struct snapshot before = slot_read(&target), after;
	int fd;

	if (!before.turn)
		return;
	fd = ring_open(ring, FD_PIDFS_ROOT, &before.fh, O_CLOEXEC, d->flags);
	after = slot_read(&target);
	if (fd >= 0) {
		d->decoded++;
		if (pidfd_number(fd) != handle_number(&before.fh))
			d->wrong_number++;
		if (before.state == STATE_REAPED)
			d->undead++;
		close(fd);
	} else if (fd == -ESTALE) {
		d->stale++;
		if (was_alive(&before, &after))
			d->lost++;
	} else {
		d->wrong_errno++;
	}
}

static void *decoder(void *arg)
{
	struct decoder *d = arg;
	struct ring ring;

	d->ret = ring_init(&ring, 0);
	if (d->ret)
		return NULL;
	while (!atomic_load(&stop))
		decode_once(&ring, d);
	ring_exit(&ring);
	return NULL;
}

/* Waits until each decoder has had one more such result. */
static void wait_for_decoders(bool stale)
{
	unsigned int i, seen;

	for (i = 0; i < RINGS; i++) {
		atomic_uint *nr = stale ? &decoders[i].stale :
					  &decoders[i].decoded;

		seen = atomic_load(nr);
		while (atomic_load(nr) == seen && !decoders[i].ret)
			sched_yield();
	}
}

/* Creates a process that is decoded, is killed meanwhile, and becomes stale. */
static int one_process(void)
{
	struct handle fh;
	int pidfd, ret;
	pid_t pid;

	pid = paused_child(0, &pidfd);
	if (pid < 0)
		return pid;
	ret = encode(pidfd, &fh);
	close(pidfd);
	if (!ret) {
		slot_set_handle(&target, &fh);
		wait_for_decoders(false);
		slot_set_state(&target, STATE_DYING);
	}
	ret = kill_and_reap(pid) ?: ret;
	if (!ret) {
		slot_set_state(&target, STATE_REAPED);
		wait_for_decoders(true);
	}
	return ret;
}

TEST_F_TIMEOUT(requests, decode_while_processes_exit, SLOW_TIMEOUT)
{
	unsigned int i;

	slot_init(&target, false);
	for (i = 0; i < RINGS; i++) {
		decoders[i].flags = i % 2 ? IOSQE_ASYNC : 0;
		ASSERT_EQ(pthread_create(&decoders[i].id, NULL, decoder,
					 &decoders[i]), 0);
	}
	for (i = 0; i < PROCESSES; i++)
		ASSERT_EQ(one_process(), 0);
	atomic_store(&stop, true);
	for (i = 0; i < RINGS; i++) {
		ASSERT_EQ(pthread_join(decoders[i].id, NULL), 0);
		EXPECT_EQ(decoders[i].ret, 0);
		EXPECT_EQ(decoders[i].wrong_errno, 0U);
		EXPECT_EQ(decoders[i].wrong_number, 0U);
		EXPECT_EQ(decoders[i].lost, 0U);
		EXPECT_EQ(decoders[i].undead, 0U);
	}
}

TEST_HARNESS_MAIN
