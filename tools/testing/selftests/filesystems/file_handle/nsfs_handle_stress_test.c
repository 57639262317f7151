// SPDX-License-Identifier: GPL-2.0
/*
 * Decode handles of namespaces while these come and go, decode what are no
 * handles, and use what was opened, from several processes and threads at
 * once; and all of it again while allocations fail.
 *
 * NSFS_STRESS_SECONDS says for how long.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>

#include "failslab.h"
#include "nsfs.h"

#define MAKERS		3	/* processes that make namespaces */
#define SLOTS		4	/* children that each of them has at a time */
#define THREADS		2	/* that decode */
#define PROCESSES	2	/* that decode, the last one as a user */
#define WORKERS		(THREADS + PROCESSES)
#define HISTORY		512	/* handles of each maker to try at the end */
#define DEFAULT_SECONDS	4
#define STRESS_TIMEOUT	280	/* seconds, for a slow machine */

enum state {
	STATE_NONE,		/* there never was a handle in the slot */
	STATE_ALIVE,
	STATE_DYING,		/* or dead */
};

/* A namespace that comes and goes. */
struct slot {
	pthread_mutex_t lock;	/* for all of the below */
	enum state state;
	unsigned int turn;	/* which namespace of the slot it is */
	struct handle fh;
};

struct snapshot {
	enum state state;
	unsigned int turn;
	struct handle fh;
};

struct maker {
	int error;		/* what has stopped it */
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
	unsigned int lost;	/* stale although alive all the time */
	unsigned int forbidden;	/* opened by a user who is not in it */
	int last_error;		/* the unexpected one */
	unsigned int last_request;
};

/* What all processes share. */
static struct shared {
	bool stop;
	struct slot slots[MAKERS * SLOTS];
	struct maker makers[MAKERS];
	struct result results[WORKERS];
} *shared;

/* Those that everybody here is in. */
static __u64 own_ids[NS_KINDS];

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static unsigned int stress_seconds(void)
{
	const char *value = getenv("NSFS_STRESS_SECONDS");
	int seconds = value ? atoi(value) : 0;

	return seconds > 0 ? seconds : DEFAULT_SECONDS;
}

static bool stopped(void)
{
	return __atomic_load_n(&shared->stop, __ATOMIC_RELAXED);
}

static void stop(void)
{
	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
}

static void take_snapshot(struct slot *slot, struct snapshot *snap)
{
	pthread_mutex_lock(&slot->lock);
	snap->state = slot->state;
	snap->turn = slot->turn;
	snap->fh = slot->fh;
	pthread_mutex_unlock(&slot->lock);
}

/* ---- namespaces that come and go ---- */

/* A child in a new namespace, and the handle of that. */
static pid_t make_namespace(const struct ns_kind *kind, struct handle *fh)
{
	int pidfd, fd, ret;
	pid_t pid;

	pid = paused_child(kind->type, &pidfd);
	if (pid < 0)
		return pid;
	fd = ns_of_pidfd(pidfd, kind);
	close(pidfd);
	ret = fd < 0 ? fd : encode(fd, fh);
	if (fd >= 0)
		close(fd);
	if (ret) {
		kill_and_reap(pid);
		return ret;
	}
	return pid;
}

static void set_state(struct slot *slot, enum state state,
		      const struct handle *fh)
{
	pthread_mutex_lock(&slot->lock);
	slot->state = state;
	if (fh) {
		slot->fh = *fh;
		slot->turn++;
	}
	pthread_mutex_unlock(&slot->lock);
}

static int make_and_break(struct maker *maker, struct slot *slots)
{
	pid_t pids[SLOTS] = {};
	unsigned int nr, i, j;
	struct handle fh;
	int ret;

	/* One of each type, however slow that is. */
	for (nr = 0; !stopped() || nr < NS_KINDS; nr++) {
		i = nr % SLOTS;
		j = (nr + (maker - shared->makers)) % NS_KINDS;
		if (pids[i]) {
			set_state(&slots[i], STATE_DYING, NULL);
			ret = kill_and_reap(pids[i]);
			if (ret)
				return ret;
		}
		pids[i] = make_namespace(&ns_kinds[j], &fh);
		if (pids[i] < 0)
			return pids[i];
		maker->made[j]++;
		maker->history[maker->nr++ % HISTORY] = fh;
		set_state(&slots[i], STATE_ALIVE, &fh);
	}
	for (i = 0; i < SLOTS; i++)
		set_state(&slots[i], STATE_DYING, NULL);
	return 0;
}

static __noreturn void maker_main(unsigned int nr)
{
	struct maker *maker = &shared->makers[nr];

	maker->error = make_and_break(maker, &shared->slots[nr * SLOTS]);
	kill_children();
	_exit(0);
}

/* ---- what is done with a namespace that was opened ---- */

/* A request that gives a file descriptor, which has to be of that type. */
static int ask_fd(int fd, unsigned int request, void *arg, unsigned int type,
		  __u64 *id)
{
	int new = ioctl(fd, request, arg);
	int ret = 0;

	if (new < 0)
		return -errno;
	if (ns_type(new) != type)
		ret = -EBADMSG;
	if (id)
		*id = ns_id(new);
	close(new);
	return ret;
}

/* The same place in the order of the ids, whatever comes and goes there. */
static int ask_neighbour(int fd, unsigned int request)
{
	struct mnt_ns_info info = {};
	__u64 own = ns_id(fd), id;
	int ret = ask_fd(fd, request, &info, CLONE_NEWNS, &id);

	if (ret)
		return ret;
	if (info.mnt_ns_id != id || info.size != sizeof(info))
		return -EBADMSG;
	return request == NS_MNT_GET_NEXT ? id > own ? 0 : -EBADMSG :
					    id < own ? 0 : -EBADMSG;
}

/* All requests, each with what may come out of it. */
static int use_namespace(int fd, unsigned int pid, unsigned int *request)
{
	static const unsigned int pid_requests[] = {
		NS_GET_PID_FROM_PIDNS, NS_GET_TGID_FROM_PIDNS,
		NS_GET_PID_IN_PIDNS, NS_GET_TGID_IN_PIDNS,
	};
	static const unsigned int mnt_requests[] = {
		NS_MNT_GET_NEXT, NS_MNT_GET_PREV,
	};
	const unsigned int type = ns_type(fd);
	struct mnt_ns_info info = {};
	bool has_parent = type == CLONE_NEWPID || type == CLONE_NEWUSER;
	unsigned int i;
	uid_t uid;
	int ret;

	*request = NS_GET_USERNS;
	ret = ask_fd(fd, NS_GET_USERNS, NULL, CLONE_NEWUSER, NULL);
	/* The initial one has no owner. */
	if (ret && ret != -EPERM)
		return ret;
	*request = NS_GET_PARENT;
	ret = ask_fd(fd, NS_GET_PARENT, NULL, type, NULL);
	if (has_parent ? ret && ret != -EPERM : ret != -EINVAL)
		return ret ? : -EBADMSG;
	*request = NS_GET_OWNER_UID;
	ret = ioctl(fd, NS_GET_OWNER_UID, &uid) ? -errno : 0;
	if (ret != (type == CLONE_NEWUSER ? 0 : -EINVAL))
		return ret ? : -EBADMSG;
	for (i = 0; i < ARRAY_SIZE(pid_requests); i++) {
		*request = pid_requests[i];
		ret = ioctl(fd, pid_requests[i], pid);
		ret = ret < 0 ? -errno : ret;
		if (type != CLONE_NEWPID ? ret != -EINVAL :
		    ret <= 0 && ret != -ESRCH)
			return ret < 0 ? ret : -EBADMSG;
	}
	*request = NS_MNT_GET_INFO;
	ret = ioctl(fd, NS_MNT_GET_INFO, &info) ? -errno : 0;
	if (ret != (type == CLONE_NEWNS ? 0 : -EINVAL))
		return ret ? : -EBADMSG;
	if (!ret && info.mnt_ns_id != ns_id(fd))
		return -EBADMSG;
	for (i = 0; i < ARRAY_SIZE(mnt_requests); i++) {
		*request = mnt_requests[i];
		ret = ask_neighbour(fd, mnt_requests[i]);
		if (type == CLONE_NEWNS ? ret && ret != -ENOENT :
		    ret != -EINVAL)
			return ret ? : -EBADMSG;
	}
	*request = 0;
	return 0;
}

/* ---- what is decoded ---- */

static unsigned int random_number(struct result *res)
{
	return rand_r(&res->seed) >> 4;
}

static void random_bytes(struct result *res, void *buf, size_t size)
{
	unsigned char *bytes = buf;

	while (size--)
		*bytes++ = random_number(res);
}

/* Some of it wrong, as a handle that is right elsewhere would hide it. */
static void mutate(struct result *res, struct handle *fh)
{
	struct nsfs_file_handle ns = handle_ns(fh);

	switch (random_number(res) % 8) {
	case 0:
		fh->data[random_number(res) % HANDLE_NSFS] ^=
			1 << random_number(res) % 8;
		break;
	case 1:
		random_bytes(res, fh->data, HANDLE_NSFS);
		break;
	case 2:
		handle_set_ns(fh, ns.ns_id, 0, 0);
		break;
	case 3:
		/* Whatever is near, or one of the first. */
		handle_set_ns(fh, ns.ns_id + random_number(res) % 64 - 32, 0,
			      0);
		if (random_number(res) % 2)
			handle_set_ns(fh, random_number(res) % 10, 0, 0);
		break;
	case 4:
		handle_set_ns(fh, ns.ns_id,
			      ns_kinds[random_number(res) % NS_KINDS].type,
			      ns.ns_inum);
		break;
	case 5:
		fh->bytes = random_number(res) % (HANDLE_MAX + 16);
		break;
	case 6:
		fh->type ^= 1 << random_number(res) % 31;
		break;
	case 7:
		random_bytes(res, fh, HANDLE_HEADER);
		break;
	}
}

static bool is_refused(const struct handle *fh)
{
	return !fh->bytes || fh->bytes > HANDLE_MAX || fh->type < 0 ||
	       (fh->type >> 16 & ~3);
}

/* What is not a handle must not open anything. */
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
	struct slot *slot = &shared->slots[random_number(res) %
					   ARRAY_SIZE(shared->slots)];
	struct snapshot before, after;
	struct handle fh;
	bool intact;
	int fd, ret;

	take_snapshot(slot, &before);
	if (before.state == STATE_NONE)
		return;
	fh = before.fh;
	intact = random_number(res) % 4;
	if (!intact)
		mutate(res, &fh);

	fd = decode(FD_NSFS_ROOT, &fh, O_CLOEXEC);
	take_snapshot(slot, &after);
	if (fd >= 0) {
		res->decoded++;
		if (!may_open(fd, &fh))
			res->wrong_namespace++;
		if (!sees_all && !is_own(fd))
			res->forbidden++;
		if (sees_all && !(random_number(res) % 4)) {
			ret = use_namespace(fd, 1 + random_number(res) % 400,
					    &res->last_request);
			res->asked++;
			if (ret) {
				res->wrong_errno++;
				res->last_error = ret;
				stop();
			}
		}
		close(fd);
	} else if (fd == -EINVAL && is_refused(&fh)) {
		res->refused++;
	} else if (fd == -ESTALE && !is_refused(&fh)) {
		res->stale++;
		if (sees_all && intact && before.state == STATE_ALIVE &&
		    after.state == STATE_ALIVE && after.turn == before.turn)
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

static int decode_until_stale(const struct handle *fh)
{
	int i, ret = 0;

	for (i = 0; i < RETRIES; i++) {
		ret = try_decode(FD_NSFS_ROOT, fh);
		if (ret)
			break;
		usleep(1000);
	}
	return ret;
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
	pthread_mutexattr_t attr;
	unsigned int i;
	int fd;

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	for (i = 0; i < NS_KINDS; i++) {
		fd = ns_own(&ns_kinds[i]);
		ASSERT_GE(fd, 0);
		own_ids[i] = ns_id(fd);
		close(fd);
	}
	shared = shared_memory(sizeof(*shared));
	ASSERT_NE(shared, NULL);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	for (i = 0; i < ARRAY_SIZE(shared->slots); i++)
		pthread_mutex_init(&shared->slots[i].lock, &attr);
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

TEST_F_TIMEOUT(stress, decode_while_namespaces_come_and_go, STRESS_TIMEOUT)
{
	__u64 end = now_ms() + stress_seconds() * 1000;
	unsigned int made = 0, left, i, j;
	struct result sum = {};

	/* Before the threads: there is only one in a copy of a process. */
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

	while (now_ms() < end && !stopped())
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
		/* Else it has tried nothing. */
		EXPECT_GT(res->stale, 0);
		if (i < WORKERS - 1)
			EXPECT_GT(res->asked, 0);
	}
	TH_LOG("%u namespaces, %u times decoded, %u stale, %u refused, %u used",
	       made, sum.decoded, sum.stale, sum.refused, sum.asked);
	EXPECT_EQ(sum.wrong_namespace, 0);
	EXPECT_EQ(sum.wrong_errno, 0);
	EXPECT_EQ(sum.lost, 0);
	EXPECT_EQ(sum.forbidden, 0);
	EXPECT_GT(sum.refused, 0);
	for (i = 0; i < NS_KINDS; i++) {
		for (left = 0, j = 0; j < MAKERS; j++)
			left += shared->makers[j].made[i];
		EXPECT_GT(left, 0) TH_LOG("no %s namespace", ns_kinds[i].name);
	}

	/* None of them is left, nor any descriptor. */
	for (i = 0; i < MAKERS; i++) {
		const struct maker *maker = &shared->makers[i];

		for (j = 0; j < maker->nr && j < HISTORY; j++) {
			ASSERT_EQ(decode_until_stale(&maker->history[j]),
				  -ESTALE);
		}
	}
	EXPECT_EQ(count_fds(), self->fds);
}

/* ---- one namespace for all ---- */

static void *decode_the_same(void *arg)
{
	struct result *res = arg;
	struct snapshot snap;
	struct handle fh;
	int fd;

	take_snapshot(&shared->slots[0], &snap);
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

/* A thread may not have run yet where the machine is busy. */
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
 * The last one to close it takes the inode with it, while others are about to
 * find that, or to make one each.
 */
TEST_F_TIMEOUT(stress, decode_the_same_namespace_all_at_once, STRESS_TIMEOUT)
{
	unsigned int i, kind;
	struct handle fh;
	pid_t pid;

	for (kind = 0; kind < NS_KINDS; kind++) {
		pid = make_namespace(&ns_kinds[kind], &fh);
		ASSERT_GT(pid, 0);
		set_state(&shared->slots[0], STATE_ALIVE, &fh);
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
		EXPECT_EQ(decode_until_stale(&fh), -ESTALE);
		for (i = 0; i < THREADS; i++) {
			EXPECT_EQ(shared->results[i].last_error, 0);
			EXPECT_EQ(shared->results[i].wrong_namespace, 0);
			EXPECT_GT(shared->results[i].decoded, 0);
			shared->results[i].decoded = 0;
		}
	}
	EXPECT_EQ(count_fds(), self->fds);
}

/* ---- allocations that fail ---- */

FIXTURE(failslab)
{
	struct failslab fail;
	struct handle fh[NS_KINDS];
	int fds;
};

FIXTURE_SETUP(failslab)
{
	struct handle next;
	unsigned int i;

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
	ASSERT_EQ(failslab_start(&self->fail), 0);
	for (i = 0; i < NS_KINDS; i++)
		ASSERT_GT(make_namespace(&ns_kinds[i], &self->fh[i]), 0);
	/* There has to be one that is the next. */
	ASSERT_GT(make_namespace(&ns_kinds[NS_MNT], &next), 0);
	self->fds = count_fds();
}

FIXTURE_TEARDOWN(failslab)
{
	failslab_end(&self->fail);
	kill_children();
}

/* Whatever uses a namespace, by its handle; 0 or a negative errno. */
struct operation {
	const char *name;
	unsigned int type;	/* of namespaces, for those of one alone */
	bool opens;		/* @fd is what to work on */
	int (*run)(const struct handle *fh, int fd);
};

static int run_decode(const struct handle *fh, int fd __maybe_unused)
{
	return try_decode(FD_NSFS_ROOT, fh);
}

static int run_encode(const struct handle *fh, int fd)
{
	struct handle new;
	int ret = encode(fd, &new);

	if (ret)
		return ret;
	return same_handle(&new, fh) ? 0 : -EBADMSG;
}

static int run_userns(const struct handle *fh __maybe_unused, int fd)
{
	return ask_fd(fd, NS_GET_USERNS, NULL, CLONE_NEWUSER, NULL);
}

static int run_parent(const struct handle *fh, int fd)
{
	return ask_fd(fd, NS_GET_PARENT, NULL, handle_ns(fh).ns_type, NULL);
}

static int run_next(const struct handle *fh __maybe_unused, int fd)
{
	return ask_neighbour(fd, NS_MNT_GET_NEXT);
}

static int run_previous(const struct handle *fh __maybe_unused, int fd)
{
	return ask_neighbour(fd, NS_MNT_GET_PREV);
}

static int run_info(const struct handle *fh, int fd)
{
	struct mnt_ns_info info;

	if (ioctl(fd, NS_MNT_GET_INFO, &info))
		return -errno;
	return info.mnt_ns_id == handle_ns(fh).ns_id ? 0 : -EBADMSG;
}

static const struct operation operations[] = {
	{ "decode", 0, false, run_decode },
	{ "decode what is open", 0, true, run_decode },
	{ "encode", 0, true, run_encode },
	{ "NS_GET_USERNS", 0, true, run_userns },
	{ "NS_GET_PARENT", CLONE_NEWUSER, true, run_parent },
	{ "NS_GET_PARENT", CLONE_NEWPID, true, run_parent },
	{ "NS_MNT_GET_INFO", CLONE_NEWNS, true, run_info },
	{ "NS_MNT_GET_NEXT", CLONE_NEWNS, true, run_next },
	{ "NS_MNT_GET_PREV", CLONE_NEWNS, true, run_previous },
};

/* All is as if nothing had been. */
static void expect_health(struct __test_metadata *_metadata,
			  const struct handle *fhs)
{
	unsigned int i, j, request;
	struct handle fh;
	int fd;

	for (i = 0; i < NS_KINDS; i++) {
		fd = decode(FD_NSFS_ROOT, &fhs[i], O_CLOEXEC);
		ASSERT_GE(fd, 0);
		EXPECT_TRUE(is_named_by(fd, &fhs[i]));
		EXPECT_EQ(use_namespace(fd, getpid(), &request), 0) {
			TH_LOG("request %#x", request);
		}
		for (j = 0; j < ARRAY_SIZE(operations); j++) {
			if (operations[j].type &&
			    operations[j].type != ns_kinds[i].type)
				continue;
			EXPECT_EQ(operations[j].run(&fhs[i], fd), 0) {
				TH_LOG("%s %s", operations[j].name,
				       ns_kinds[i].name);
			}
		}
		ASSERT_EQ(encode(fd, &fh), 0);
		EXPECT_TRUE(same_handle(&fh, &fhs[i]));
		close(fd);
	}
}

TEST_F_TIMEOUT(failslab, each_allocation_in_turn, STRESS_TIMEOUT)
{
	unsigned int i, j, nth, failures;
	bool failed, allocates;
	int fd, ret;

	for (i = 0; i < ARRAY_SIZE(operations); i++) {
		const struct operation *op = &operations[i];

		for (failures = 0, j = 0; j < NS_KINDS; j++) {
			if (op->type && op->type != ns_kinds[j].type)
				continue;
			fd = -1;
			if (op->opens) {
				fd = decode(FD_NSFS_ROOT, &self->fh[j],
					    O_CLOEXEC);
				ASSERT_GE(fd, 0);
			}
			for (nth = 1; nth <= ALLOCATIONS_MAX; nth++) {
				ASSERT_EQ(failslab_arm(&self->fail, nth), 0);
				ret = op->run(&self->fh[j], fd);
				failed = failslab_has_failed(&self->fail);
				ASSERT_EQ(failslab_arm(&self->fail, 0), 0);
				if (!failed)
					break;
				failures++;
				/* Some can be done without. */
				if (ret)
					ASSERT_EQ(ret, -ENOMEM) {
						TH_LOG("%s %s, allocation %u",
						       op->name,
						       ns_kinds[j].name, nth);
					}
			}
			/* With all that it asks for, it works. */
			ASSERT_EQ(ret, 0);
			ASSERT_LE(nth, ALLOCATIONS_MAX);
			if (fd >= 0)
				close(fd);
		}
		TH_LOG("%s: %u failures", op->name, failures);
		/* The other two copy their answer from the stack. */
		allocates = op->run != run_info && op->run != run_encode;
		EXPECT_EQ(allocates, failures > 0);
	}
	expect_health(_metadata, self->fh);
	EXPECT_EQ(count_fds(), self->fds);
}

struct tally {
	unsigned int done;
	unsigned int out_of_memory;
	int other;
	const char *name;
};

/* In a process of its own, as more than one allocation fails. */
static __noreturn void fail_at_random(const struct handle *fhs,
				      struct tally *tally, unsigned int seed)
{
	__u64 end = now_ms() + stress_seconds() * 250;
	struct result res = { .seed = seed };
	int fd, ret;

	if (write_string("/proc/self/make-it-fail", "1")) {
		tally->other = -ENOENT;
		_exit(1);
	}
	while (now_ms() < end) {
		const struct operation *op =
			&operations[random_number(&res) %
				    ARRAY_SIZE(operations)];
		const struct handle *fh =
			&fhs[random_number(&res) % NS_KINDS];

		if (op->type && op->type != handle_ns(fh).ns_type)
			continue;
		fd = decode(FD_NSFS_ROOT, fh, O_CLOEXEC);
		ret = fd < 0 ? fd : op->run(fh, fd);
		if (fd >= 0)
			close(fd);
		if (!ret) {
			tally->done++;
		} else if (ret == -ENOMEM) {
			tally->out_of_memory++;
		} else {
			tally->other = ret;
			tally->name = op->name;
			break;
		}
	}
	_exit(0);
}

TEST_F_TIMEOUT(failslab, allocations_at_random, STRESS_TIMEOUT)
{
	static const char *const probabilities[] = { "5", "25" };
	struct tally *tallies = shared_memory(2 * sizeof(*tallies));
	pid_t pids[2];
	unsigned int i, j;

	ASSERT_NE(tallies, NULL);
	for (i = 0; i < ARRAY_SIZE(probabilities); i++) {
		ASSERT_EQ(write_string(FAILSLAB "probability",
				       probabilities[i]), 0);
		for (j = 0; j < 2; j++) {
			pids[j] = clone_child(0, NULL);
			ASSERT_GE(pids[j], 0);
			if (!pids[j])
				fail_at_random(self->fh, &tallies[j], j + 1);
		}
		for (j = 0; j < 2; j++)
			ASSERT_EQ(reap_child(pids[j]), 0);
		ASSERT_EQ(write_string(FAILSLAB "probability", "0"), 0);
		for (j = 0; j < 2; j++) {
			TH_LOG("%s%%: %u done, %u out of memory",
			       probabilities[i], tallies[j].done,
			       tallies[j].out_of_memory);
			EXPECT_EQ(tallies[j].other, 0) {
				TH_LOG("%s", tallies[j].name ? : "start");
			}
			EXPECT_GT(tallies[j].done, 0);
			EXPECT_GT(tallies[j].out_of_memory, 0);
		}
		expect_health(_metadata, self->fh);
	}
	EXPECT_EQ(count_fds(), self->fds);
}

TEST_HARNESS_MAIN
