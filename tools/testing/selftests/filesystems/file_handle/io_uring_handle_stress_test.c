// SPDX-License-Identifier: GPL-2.0
/*
 * Many requests for file handles at once in io_uring, and those that come to
 * nothing: cancelled, or with the ring or the process gone before their turn,
 * or without the memory for them.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "failslab.h"
#include "nsfs.h"
#include "ring.h"

#define GATE		"gate"

#define QUEUED		60	/* what waits for the only thread */
#define MANY		1000
#define RINGS		4	/* as many threads */
#define ROUNDS		200	/* of each of them */
#define PROCESSES	50	/* that come and go */
#define SLOW_TIMEOUT	120	/* seconds, with all of the debugging */

#define CANCEL_DATA	1000000

/* The kinds of requests, which come by turns. */
enum kind {
	KIND_PIDFD, KIND_TMPFS, KIND_NS, KIND_NAME, KIND_STALE, KIND_NOWHERE,
	KINDS,
};

/* What there are handles of. */
struct things {
	int root;
	int file;
	int pidfd;
	int ns;
	struct handle fh;
	struct handle pid_fh;
	struct handle ns_fh;
	struct handle stale_fh;
};

static int make_things(struct things *t)
{
	int ret;

	t->root = enter_private_tmpfs();
	if (t->root < 0)
		return t->root;
	ret = keep(make_file(t->root, "file", "content"), &t->file, &t->fh) ?:
	      keep(sys_pidfd_open(getpid(), 0), &t->pidfd, &t->pid_fh) ?:
	      keep(ns_own(&ns_kinds[NS_UTS]), &t->ns, &t->ns_fh);
	t->stale_fh = t->fh;
	memset(t->stale_fh.data, 0x7f, t->stale_fh.bytes);
	return ret;
}

/* Nothing of ours may be in the tmpfs any more. */
static int put_things(const struct things *t)
{
	close(t->file);
	close(t->pidfd);
	close(t->ns);
	return leave_private_tmpfs(t->root);
}

/* A request, with memory of its own to read from and to write to. */
struct request {
	char path[16];
	struct handle fh;
	__u64 mnt_id;
};

static void sqe_open_copy(struct io_uring_sqe *sqe, struct request *req,
			  int dfd, const struct handle *fh)
{
	req->fh = *fh;
	sqe_open(sqe, dfd, &req->fh, O_RDONLY | O_CLOEXEC);
}

static void sqe_name_copy(struct io_uring_sqe *sqe, struct request *req,
			  int dfd, const char *path)
{
	req->fh.bytes = HANDLE_MAX;
	snprintf(req->path, sizeof(req->path), "%s", path);
	sqe_name(sqe, dfd, req->path, &req->fh, &req->mnt_id,
		 AT_HANDLE_MNT_ID_UNIQUE);
}

static void sqe_of_kind(struct io_uring_sqe *sqe, struct request *req,
			const struct things *t, enum kind kind)
{
	switch (kind) {
	case KIND_PIDFD:
		sqe_open_copy(sqe, req, FD_PIDFS_ROOT, &t->pid_fh);
		break;
	case KIND_TMPFS:
		sqe_open_copy(sqe, req, t->root, &t->fh);
		break;
	case KIND_NS:
		sqe_open_copy(sqe, req, FD_NSFS_ROOT, &t->ns_fh);
		break;
	case KIND_STALE:
		sqe_open_copy(sqe, req, t->root, &t->stale_fh);
		break;
	case KIND_NAME:
		sqe_name_copy(sqe, req, t->root, "file");
		break;
	default:
		sqe_name_copy(sqe, req, t->root, "nowhere");
	}
}

/* Whether that is what a request of this kind results in; ends with it. */
static bool is_right(const struct request *req, const struct things *t,
		     enum kind kind, int result)
{
	const int fds[] = {
		[KIND_PIDFD] = t->pidfd, [KIND_TMPFS] = t->file,
		[KIND_NS] = t->ns,
	};
	bool ret;

	if (kind == KIND_STALE)
		return result == -ESTALE;
	if (kind == KIND_NOWHERE)
		return result == -ENOENT;
	if (kind == KIND_NAME)
		return result == 0 && same_handle(&req->fh, &t->fh);
	ret = result >= 0 && same_file(result, fds[kind]);
	if (result >= 0)
		close(result);
	return ret;
}

/* Prepare @nr requests of all kinds, numbered from @first. */
static void sqe_all_kinds(struct ring *ring, struct request *reqs,
			  const struct things *t, unsigned int first,
			  unsigned int nr, unsigned int flags)
{
	struct io_uring_sqe *sqe;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		sqe = ring_sqe(ring);
		sqe_of_kind(sqe, &reqs[i], t, i % KINDS);
		sqe->flags = flags;
		sqe->user_data = first + i;
	}
}

FIXTURE(stress)
{
	struct ring ring;
	struct things t;
	int nr_fds;
};

FIXTURE_SETUP(stress)
{
	const char *reason = missing_as_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(make_things(&self->t), 0);
	ASSERT_EQ(ring_init_sized(&self->ring, 1024, 0, 0), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(stress)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
	ring_exit(&self->ring);
	EXPECT_EQ(put_things(&self->t), 0);
}

static struct request requests[MANY + 1];
static int results[MANY + 1];

static int allow_many_fds(void)
{
	const struct rlimit limit = { 2 * MANY, 2 * MANY };

	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}

/* How many of the results, from 1 on, are not what they should be. */
static unsigned int nr_wrong(const struct things *t, unsigned int nr)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < nr; i++) {
		if (!is_right(&requests[i], t, i % KINDS, results[i + 1]))
			wrong++;
	}
	return wrong;
}

/* All of them are read, and none is done, before the first one can be. */
TEST_F_TIMEOUT(stress, many_in_flight, SLOW_TIMEOUT)
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

/* Inline, or by as many threads as the kernel likes. */
TEST_F_TIMEOUT(stress, many_at_once, SLOW_TIMEOUT)
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

/* Have QUEUED requests wait, as 1 and up, for the only thread. */
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
 * Of the next @nr completions, how many are of requests that are cancelled;
 * what the cancellation itself results in goes to @result.
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

TEST_F(stress, cancel_one_after_the_other)
{
	struct ring *ring = &self->ring;
	struct gate gate;
	unsigned int i;
	int result;

	ASSERT_EQ(saturate(&gate, ring, &self->t), 0);
	/* Not in the order in which they wait. */
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

TEST_F(stress, cancel_all_of_an_opcode)
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
	/* Those that it finds in one go count as one. */
	EXPECT_GT(result, 0);

	/* The others are done, in the order in which they have come. */
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

TEST_F(stress, cancelled_open_leaves_its_slot_empty)
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
	sqe->flags = IOSQE_IO_LINK;
	sqe = ring_sqe(ring);
	sqe_of_kind(sqe, &requests[0], &self->t, KIND_TMPFS);
	sqe->user_data = 2;
	sqe_cancel(ring, 1, 0, CANCEL_DATA);
	ASSERT_EQ(ring_submit(ring), 4);
	/* What is linked to it goes with it. */
	EXPECT_EQ(nr_cancelled(ring, 3, &result), 2U);
	EXPECT_EQ(result, 0);

	sqe = ring_sqe(ring);
	sqe->opcode = IORING_OP_CLOSE;
	sqe->file_index = 1;
	EXPECT_EQ(ring_run(ring), -EBADF);
	ASSERT_EQ(gate_open(&gate), 0);
	gate_remove(&gate, ring_result(ring));
}

/*
 * Whatever there was of the ring is gone when nobody has the one end of a pipe
 * any more that is in the table of the ring alone.
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
 * io_uring cancels the requests of a ring that is closed, but does not
 * promise that none is executed: it takes queued requests off one at a time,
 * the FIFO's first, and a worker that starts meanwhile executes the next one.
 * Its file stays open, with IORING_OP_OPENAT as well. No other descriptor
 * and no other reference to the tmpfs may be left.
 */
TEST_F(stress, ring_is_closed_with_requests_in_flight)
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

/* Fill a ring, and be gone; the errno on failure. */
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

TEST_F(stress, process_exits_with_requests_in_flight)
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

TEST_F_TIMEOUT(stress, threads_with_a_ring_each, SLOW_TIMEOUT)
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

enum state {
	STATE_ALIVE,
	STATE_DYING,		/* may have been reaped already */
	STATE_REAPED,
};

/* The process that there is a handle of. */
static struct target {
	pthread_mutex_t lock;	/* for all of the below */
	enum state state;
	unsigned int turn;	/* which process it is */
	struct handle fh;
} target = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.state = STATE_REAPED,
};

struct snapshot {
	enum state state;
	unsigned int turn;
	struct handle fh;
};

struct decoder {
	pthread_t id;
	unsigned int flags;	/* IOSQE_* */
	atomic_uint decoded;
	atomic_uint stale;
	unsigned int wrong_errno;
	unsigned int wrong_number;
	unsigned int lost;	/* stale although alive all the time */
	unsigned int undead;	/* decoded although reaped before */
	int ret;
};

static struct decoder decoders[RINGS];
static atomic_bool stop;

static void take_snapshot(struct snapshot *snap)
{
	pthread_mutex_lock(&target.lock);
	snap->state = target.state;
	snap->turn = target.turn;
	snap->fh = target.fh;
	pthread_mutex_unlock(&target.lock);
}

static void set_state(enum state state)
{
	pthread_mutex_lock(&target.lock);
	target.state = state;
	pthread_mutex_unlock(&target.lock);
}

static void set_target(const struct handle *fh)
{
	pthread_mutex_lock(&target.lock);
	target.state = STATE_ALIVE;
	target.turn++;
	target.fh = *fh;
	pthread_mutex_unlock(&target.lock);
}

static void decode_once(struct ring *ring, struct decoder *d)
{
	struct snapshot before, after;
	int fd;

	take_snapshot(&before);
	if (!before.turn)
		return;
	fd = ring_open(ring, FD_PIDFS_ROOT, &before.fh, O_CLOEXEC, d->flags);
	take_snapshot(&after);
	if (fd >= 0) {
		d->decoded++;
		if (pidfd_number(fd) != handle_number(&before.fh))
			d->wrong_number++;
		if (before.state == STATE_REAPED)
			d->undead++;
		close(fd);
	} else if (fd == -ESTALE) {
		d->stale++;
		if (after.state == STATE_ALIVE && after.turn == before.turn)
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

/* Until each of them has come to one more of them. */
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

/* A process that is decoded, that goes meanwhile, and that is found gone. */
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
		set_target(&fh);
		wait_for_decoders(false);
		set_state(STATE_DYING);
	}
	ret = kill_and_reap(pid) ?: ret;
	if (!ret) {
		set_state(STATE_REAPED);
		wait_for_decoders(true);
	}
	return ret;
}

TEST_F_TIMEOUT(stress, decode_while_processes_exit, SLOW_TIMEOUT)
{
	unsigned int i;

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

/* ---- allocations that fail ---- */

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

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(make_things(&self->t), 0);
	ASSERT_EQ(ring_init(&self->ring, 0), 0);
	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
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
 * Submit what has been prepared, and again if there was no memory for the
 * request itself, which stays in the queue then.
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

/* In this task, which tries each request, and does what does not wait. */
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
			EXPECT_TRUE((failed && ret == -ENOMEM) ||
				    is_right(req, &self->t, kind, ret)) {
				TH_LOG("kind %u, allocation %u: %d",
				       kind, nth, ret);
			}
			if (!failed)
				break;
			failures++;
		}
		TH_LOG("kind %u: %u failures", kind, failures);
		EXPECT_LT(nth, ALLOCATIONS_MAX);
		EXPECT_GT(failures, 0);
	}
	EXPECT_EQ(count_fds(), self->nr_fds);
}

/* Where io_uring cannot make its first worker, it cancels what is queued. */
static bool is_out_of_memory(int result)
{
	return result == -ENOMEM || result == -ECANCELED;
}

/* Workers are made of this task, and fail as it does. */
static unsigned int fail_at_random(struct __test_metadata *_metadata,
				   struct ring *ring, const struct things *t,
				   unsigned int *nomem)
{
	unsigned int i, j, wrong = 0;

	if (write_string("/proc/thread-self/make-it-fail", "1"))
		return -1;
	for (i = 0; i < ROUNDS; i++) {
		enum kind kind = i % KINDS;
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

/* To open what it takes needs allocations, too, until it has worked. */
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
	/* As if nothing had been. */
	ring_sqe(&self->ring)->opcode = IORING_OP_NOP;
	sqe_all_kinds(&self->ring, requests, &self->t, 1, KINDS, 0);
	ASSERT_EQ(ring_submit(&self->ring), KINDS + 1);
	ASSERT_TRUE(ring_results(&self->ring, results, KINDS + 1));
	EXPECT_EQ(nr_wrong(&self->t, KINDS), 0U);
	EXPECT_EQ(count_fds(), self->nr_fds);
}

TEST_HARNESS_MAIN
