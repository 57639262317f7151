// SPDX-License-Identifier: GPL-2.0
/*
 * Decode handles of namespaces from several processes and threads while the
 * namespaces are created and freed. Some of the handles are random.
 *
 * NSFS_STRESS_SECONDS is the duration.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "nsfs.h"
#include "stress.h"
#include "kselftest_harness.h"

#define MAKERS		3	/* processes that create namespaces */
#define SLOTS		4	/* children of each of them at a time */
#define THREADS		2	/* that decode */
#define PROCESSES	2	/* that decode, the last one as a user */
#define WORKERS		(THREADS + PROCESSES)
#define HISTORY		512	/* handles of each maker to try at the end */
#define STRESS_TIMEOUT	280	/* seconds, for a slow machine */

struct maker {
	int error;		/* why it stopped, or 0 */
	unsigned int made[NS_KINDS];
	unsigned int nr;
	struct handle history[HISTORY];
};

struct result {
	unsigned int seed;
	unsigned int decoded;
	unsigned int stale;
	unsigned int refused;
	unsigned int asked;
	unsigned int wrong_namespace;
	unsigned int wrong_errno;
	unsigned int lost;	/* stale although alive */
	unsigned int forbidden;	/* opened by a user outside of it */
	int last_error;		/* last unexpected error */
	unsigned int last_request;
};

/* Memory that all processes share. */
static struct shared {
	bool stop;
	struct slot slots[MAKERS * SLOTS];
	struct maker makers[MAKERS];
	struct result results[WORKERS];
} *shared;

/* The namespaces of the test. */
static __u64 own_ids[NS_KINDS];

static bool stopped(void)
{
	return __atomic_load_n(&shared->stop, __ATOMIC_RELAXED);
}

static void stop(void)
{
	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
}

static int make_and_break(struct maker *maker, struct slot *slots)
{
	pid_t pids[SLOTS] = {};
	unsigned int nr, i, j;
	struct handle fh;
	int ret;

	/* At least one of each type, even on a slow machine. */
	for (nr = 0; !stopped() || nr < NS_KINDS; nr++) {
		i = nr % SLOTS;
		j = (nr + (maker - shared->makers)) % NS_KINDS;
		if (pids[i]) {
			slot_set_state(&slots[i], STATE_DYING);
			ret = kill_and_reap(pids[i]);
			if (ret)
				return ret;
		}
		pids[i] = make_namespace(&ns_kinds[j], &fh);
		if (pids[i] < 0)
			return pids[i];
		maker->made[j]++;
		maker->history[maker->nr++ % HISTORY] = fh;
		slot_set_handle(&slots[i], &fh);
	}
	for (i = 0; i < SLOTS; i++)
		slot_set_state(&slots[i], STATE_DYING);
	return 0;
}

static __noreturn void maker_main(unsigned int nr)
{
	struct maker *maker = &shared->makers[nr];

	maker->error = make_and_break(maker, &shared->slots[nr * SLOTS]);
	kill_children();
	_exit(0);
}

/* Changes one part of a handle: a second error could hide the first. */
static void mutate(struct result *res, struct handle *fh)
{
	struct nsfs_file_handle ns = handle_ns(fh);

	switch (random_number(&res->seed) % 8) {
	case 0:
		fh->data[random_number(&res->seed) % HANDLE_NSFS] ^=
			1 << random_number(&res->seed) % 8;
		break;
	case 1:
		random_bytes(&res->seed, fh->data, HANDLE_NSFS);
		break;
	case 2:
		handle_set_ns(fh, ns.ns_id, 0, 0);
		break;
	case 3:
		/* An id near this one, or one of the initial ones. */
		handle_set_ns(fh, ns.ns_id + random_number(&res->seed) % 64 - 32, 0,
			      0);
		if (random_number(&res->seed) % 2)
			handle_set_ns(fh, random_number(&res->seed) % 10, 0, 0);
		break;
	case 4:
		handle_set_ns(fh, ns.ns_id,
			      ns_kinds[random_number(&res->seed) % NS_KINDS].type,
			      ns.ns_inum);
		break;
	case 5:
		fh->bytes = random_number(&res->seed) % (HANDLE_MAX + 16);
		break;
	case 6:
		fh->type ^= 1 << random_number(&res->seed) % 31;
		break;
	case 7:
		random_bytes(&res->seed, fh, HANDLE_HEADER);
		break;
	}
}

/* Returns true if @fh is valid, and a handle of @fd. */
static bool may_open(int fd, const struct handle *fh)
{
	struct nsfs_file_handle ns = handle_ns(fh);

	return fh->type == FILEID_NSFS && fh->bytes >= HANDLE_NSFS &&
	       ns.ns_id && !ns.ns_type == !ns.ns_inum && is_named_by(fd, fh);
}

static bool is_own(int fd)
{
	__u64 id = ns_id(fd);
	unsigned int i;

	for (i = 0; i < NS_KINDS; i++) {
		if (own_ids[i] == id)
			return true;
	}
	return false;
}

static void decode_one(struct result *res, bool sees_all)
{
	struct slot *slot = &shared->slots[random_number(&res->seed) %
					   ARRAY_SIZE(shared->slots)];
	struct snapshot before, after;
	struct handle fh;
	bool intact;
	int fd, ret;

	before = slot_read(slot);
	if (before.state == STATE_NONE)
		return;
	fh = before.fh;
	intact = random_number(&res->seed) % 4;
	if (!intact)
		mutate(res, &fh);

	fd = decode(FD_NSFS_ROOT, &fh, O_CLOEXEC);
	after = slot_read(slot);
	if (fd >= 0) {
		res->decoded++;
		if (!may_open(fd, &fh))
			res->wrong_namespace++;
		if (!sees_all && !is_own(fd))
			res->forbidden++;
		if (sees_all && !(random_number(&res->seed) % 4)) {
			ret = use_namespace(fd, 1 + random_number(&res->seed) % 400,
					    &res->last_request);
			res->asked++;
			if (ret) {
				res->wrong_errno++;
				res->last_error = ret;
				stop();
			}
		}
		close(fd);
	} else if (fd == -EINVAL && handle_is_invalid(&fh)) {
		res->refused++;
	} else if (fd == -ESTALE && !handle_is_invalid(&fh)) {
		res->stale++;
		if (sees_all && intact && was_alive(&before, &after))
			res->lost++;
	} else {
		res->wrong_errno++;
		res->last_error = fd;
	}
}

static void *worker_thread(void *arg)
{
	while (!stopped())
		decode_one(arg, true);
	return NULL;
}

static __noreturn void worker_main(struct result *res, bool is_user)
{
	if (is_user && become_user()) {
		res->last_error = -EPERM;
		_exit(1);
	}
	while (!stopped())
		decode_one(res, !is_user);
	_exit(0);
}

FIXTURE(stress)
{
	int fds;
	pid_t makers[MAKERS];
	pid_t workers[PROCESSES];
	pthread_t threads[THREADS];
	unsigned int nr_threads;
};

FIXTURE_SETUP(stress)
{
	const char *reason = nsfs_missing();
	unsigned int i;
	int fd;

	if (reason || !may_test_all())
		SKIP(return, "%s", reason ? : NEEDS_ROOT);
	for (i = 0; i < NS_KINDS; i++) {
		fd = ns_own(&ns_kinds[i]);
		if (fd == -EOPNOTSUPP)
			SKIP(return, "needs %s namespaces", ns_kinds[i].name);
		ASSERT_GE(fd, 0);
		own_ids[i] = ns_id(fd);
		close(fd);
	}
	shared = shared_memory(sizeof(*shared));
	ASSERT_NE(shared, NULL);
	for (i = 0; i < ARRAY_SIZE(shared->slots); i++)
		slot_init(&shared->slots[i], true);
	for (i = 0; i < WORKERS; i++)
		shared->results[i].seed = i + 1;
	self->fds = count_fds();
}

static void join_threads(const pthread_t *threads, unsigned int *nr)
{
	while (*nr)
		pthread_join(threads[--*nr], NULL);
}

FIXTURE_TEARDOWN(stress)
{
	stop();
	join_threads(self->threads, &self->nr_threads);
	kill_children();
}

/* Returns true if each worker has met what the test expects it to meet. */
static bool each_has_worked(void)
{
	unsigned int i, refused = 0;

	for (i = 0; i < WORKERS; i++) {
		const struct result *res = &shared->results[i];

		if (!__atomic_load_n(&res->stale, __ATOMIC_SEQ_CST))
			return false;
		if (i < WORKERS - 1 &&
		    !__atomic_load_n(&res->asked, __ATOMIC_SEQ_CST))
			return false;
		refused += __atomic_load_n(&res->refused, __ATOMIC_SEQ_CST);
	}
	return refused;
}

TEST_F_TIMEOUT(stress, decode_while_namespaces_are_created_and_freed, STRESS_TIMEOUT)
{
	__u64 end = now_ms() + stress_seconds() * 1000;
	unsigned int made = 0, left, i, j;
	struct result sum = {};

	/* fork() copies only the calling thread, so this comes first. */
	for (i = 0; i < MAKERS; i++) {
		self->makers[i] = clone_child(0, NULL);
		ASSERT_GE(self->makers[i], 0);
		if (!self->makers[i])
			maker_main(i);
	}
	for (i = 0; i < PROCESSES; i++) {
		self->workers[i] = clone_child(0, NULL);
		ASSERT_GE(self->workers[i], 0);
		if (!self->workers[i])
			worker_main(&shared->results[THREADS + i],
				    i == PROCESSES - 1);
	}
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(pthread_create(&self->threads[i], NULL,
					 worker_thread, &shared->results[i]),
			  0);
		self->nr_threads++;
	}

	while ((now_ms() < end || (!each_has_worked() && now_ms() < end + PATIENCE)) &&
	       !stopped())
		usleep(10000);
	stop();
	join_threads(self->threads, &self->nr_threads);
	for (i = 0; i < PROCESSES; i++)
		ASSERT_EQ(reap_child(self->workers[i]), 0);
	for (i = 0; i < MAKERS; i++)
		ASSERT_EQ(reap_child(self->makers[i]), 0);

	for (i = 0; i < MAKERS; i++) {
		EXPECT_EQ(shared->makers[i].error, 0);
		made += shared->makers[i].nr;
	}
	for (i = 0; i < WORKERS; i++) {
		const struct result *res = &shared->results[i];

		sum.decoded += res->decoded;
		sum.stale += res->stale;
		sum.refused += res->refused;
		sum.asked += res->asked;
		sum.lost += res->lost;
		sum.forbidden += res->forbidden;
		sum.wrong_namespace += res->wrong_namespace;
		sum.wrong_errno += res->wrong_errno;
		EXPECT_EQ(res->last_error, 0) {
			TH_LOG("worker %u, request %#x", i, res->last_request);
		}
		/* Each worker has met freed namespaces. */
		EXPECT_GT(res->stale, 0U);
		if (i < WORKERS - 1)
			EXPECT_GT(res->asked, 0U);
	}
	TH_LOG("%u namespaces, %u times decoded, %u stale, %u refused, %u used",
	       made, sum.decoded, sum.stale, sum.refused, sum.asked);
	EXPECT_EQ(sum.wrong_namespace, 0U);
	EXPECT_EQ(sum.wrong_errno, 0U);
	EXPECT_EQ(sum.lost, 0U);
	EXPECT_EQ(sum.forbidden, 0U);
	EXPECT_GT(sum.refused, 0U);
	for (i = 0; i < NS_KINDS; i++) {
		for (left = 0, j = 0; j < MAKERS; j++)
			left += shared->makers[j].made[i];
		EXPECT_GT(left, 0U) TH_LOG("no %s namespace", ns_kinds[i].name);
	}

	/* No namespace and no descriptor is left. */
	for (i = 0; i < MAKERS; i++) {
		const struct maker *maker = &shared->makers[i];

		for (j = 0; j < maker->nr && j < HISTORY; j++) {
			ASSERT_EQ(wait_until_stale(&maker->history[j]),
				  -ESTALE);
		}
	}
	EXPECT_EQ(count_fds(), self->fds);
}

static void *decode_the_same(void *arg)
{
	struct result *res = arg;
	struct snapshot snap;
	struct handle fh;
	int fd;

	snap = slot_read(&shared->slots[0]);
	while (!stopped()) {
		fd = decode(FD_NSFS_ROOT, &snap.fh, O_CLOEXEC);
		if (fd < 0) {
			res->wrong_errno++;
			res->last_error = fd;
			break;
		}
		res->decoded++;
		if (!is_named_by(fd, &snap.fh) || encode(fd, &fh) ||
		    !same_handle(&fh, &snap.fh))
			res->wrong_namespace++;
		close(fd);
	}
	return NULL;
}

/* On a busy machine, a thread may not have run yet. */
static void wait_for_each(void)
{
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		struct result *res = &shared->results[i];

		while (!__atomic_load_n(&res->decoded, __ATOMIC_RELAXED) &&
		       !__atomic_load_n(&res->last_error, __ATOMIC_RELAXED))
			usleep(1000);
	}
}

/*
 * The last close frees the inode while other threads are about to find it or
 * to create another one.
 */
TEST_F_TIMEOUT(stress, decode_one_namespace_concurrently, STRESS_TIMEOUT)
{
	unsigned int i, kind;
	struct handle fh;
	pid_t pid;

	for (kind = 0; kind < NS_KINDS; kind++) {
		pid = make_namespace(&ns_kinds[kind], &fh);
		ASSERT_GT(pid, 0);
		slot_set_handle(&shared->slots[0], &fh);
		shared->stop = false;
		for (i = 0; i < THREADS; i++) {
			ASSERT_EQ(pthread_create(&self->threads[i], NULL,
						 decode_the_same,
						 &shared->results[i]), 0);
			self->nr_threads++;
		}
		usleep(stress_seconds() * 1000000 / 20);
		wait_for_each();
		stop();
		join_threads(self->threads, &self->nr_threads);
		ASSERT_EQ(kill_and_reap(pid), 0);
		EXPECT_EQ(wait_until_stale(&fh), -ESTALE);
		for (i = 0; i < THREADS; i++) {
			EXPECT_EQ(shared->results[i].last_error, 0);
			EXPECT_EQ(shared->results[i].wrong_namespace, 0U);
			EXPECT_GT(shared->results[i].decoded, 0U);
			shared->results[i].decoded = 0;
		}
	}
	EXPECT_EQ(count_fds(), self->fds);
}

TEST_HARNESS_MAIN
