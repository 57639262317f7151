// SPDX-License-Identifier: GPL-2.0
/*
 * Decode handles of pidfs in several threads: of processes that are created
 * and exit, of processes whose creation fails, and random handles.
 */
#define _GNU_SOURCE
#include <stdatomic.h>

#include "stress.h"
#include "kselftest_harness.h"

#define DECODERS	4
#define SLOTS		8
#define HANDLES_MAX	65536
#define HANDLES_MIN	(4 * SLOTS)
#define CHURN_SECONDS	3
#define CHURN_TIMEOUT	60	/* seconds, for a slow machine */
#define FUZZ_SECONDS	2
#define FAILING_SECONDS	2

/* A process that is replaced by the next one. */
struct process {
	struct slot slot;
	pid_t pid;
	int pidfd;
};

static struct process processes[SLOTS];
static atomic_bool stop;

/* All numbers of processes so far. */
static __u64 numbers[HANDLES_MAX];
static unsigned int nr_numbers;

struct result {
	pthread_t id;
	unsigned int seed;
	unsigned int decoded;
	unsigned int stale;
	unsigned int refused;
	unsigned int wrong_errno;
	unsigned int wrong_number;
	unsigned int lost;	/* stale although alive */
	unsigned int undead;	/* decoded although reaped or never created */
	int last_errno;		/* last unexpected error */
};

static struct result results[DECODERS];

static void *churn_decoder(void *arg)
{
	struct result *res = arg;
	struct snapshot before, after;
	struct slot *slot;
	int fd;

	while (!atomic_load(&stop)) {
		slot = &processes[rand_r(&res->seed) % SLOTS].slot;
		before = slot_read(slot);
		if (before.state == STATE_NONE)
			continue;
		fd = decode(FD_PIDFS_ROOT, &before.fh,
			    rand_r(&res->seed) & 1 ? O_CLOEXEC : O_EXCL);
		after = slot_read(slot);

		if (fd >= 0) {
			res->decoded++;
			if (pidfd_number(fd) != handle_number(&before.fh))
				res->wrong_number++;
			if (before.state == STATE_REAPED)
				res->undead++;
			close(fd);
		} else if (fd == -ESTALE) {
			res->stale++;
			if (was_alive(&before, &after))
				res->lost++;
		} else {
			res->wrong_errno++;
			res->last_errno = fd;
		}
	}
	return NULL;
}

/* After fork() in a process with threads, only system calls are safe. */
static pid_t make_child(int *pidfd)
{
	struct __clone_args args = {
		.flags		= CLONE_PIDFD,
		.pidfd		= ptr_to_u64(pidfd),
		.exit_signal	= SIGCHLD,
	};
	pid_t pid = syscall(__NR_clone3, &args, sizeof(args));

	if (!pid) {
		die_with_parent();
		pause_forever();
	}
	return pid < 0 ? -errno : pid;
}

static int process_create(struct process *p)
{
	struct handle fh;
	int ret;

	p->pid = make_child(&p->pidfd);
	if (p->pid < 0)
		return p->pid;
	ret = encode(p->pidfd, &fh);
	if (ret)
		return ret;
	/* Some keep an open pidfd, and others do not. */
	if (nr_numbers & 1) {
		close(p->pidfd);
		p->pidfd = -1;
	}
	if (nr_numbers < HANDLES_MAX)
		numbers[nr_numbers++] = handle_number(&fh);

	slot_set_handle(&p->slot, &fh);
	return 0;
}

static int process_reap(struct process *p)
{
	int ret;

	slot_set_state(&p->slot, STATE_DYING);
	ret = kill_and_reap(p->pid);
	if (ret)
		return ret;
	slot_set_state(&p->slot, STATE_REAPED);
	p->pid = 0;
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->pidfd = -1;
	return 0;
}

FIXTURE(stress)
{
	int fds;
	unsigned int threads;
};

FIXTURE_SETUP(stress)
{
	const char *reason = pidfs_missing();
	unsigned int i;

	if (reason)
		SKIP(return, "%s", reason);
	for (i = 0; i < SLOTS; i++) {
		slot_init(&processes[i].slot, false);
		processes[i].pidfd = -1;
	}
	for (i = 0; i < DECODERS; i++)
		results[i].seed = i + 1;
	self->fds = count_fds();
}

FIXTURE_TEARDOWN(stress)
{
	unsigned int i;

	atomic_store(&stop, true);
	while (self->threads)
		pthread_join(results[--self->threads].id, NULL);
	for (i = 0; i < SLOTS; i++) {
		if (processes[i].pid > 0)
			kill(processes[i].pid, SIGKILL);
	}
	kill_children();
}

/* Stops all threads, and adds up their results. */
static struct result stop_threads(unsigned int *threads)
{
	struct result sum = {};
	unsigned int i;

	atomic_store(&stop, true);
	while (*threads)
		pthread_join(results[--*threads].id, NULL);
	for (i = 0; i < DECODERS; i++) {
		sum.decoded += results[i].decoded;
		sum.stale += results[i].stale;
		sum.refused += results[i].refused;
		sum.wrong_number += results[i].wrong_number;
		sum.lost += results[i].lost;
		sum.undead += results[i].undead;
		sum.wrong_errno += results[i].wrong_errno;
		if (results[i].last_errno)
			sum.last_errno = results[i].last_errno;
	}
	return sum;
}

TEST_F_TIMEOUT(stress, decode_while_processes_are_created_and_exit, CHURN_TIMEOUT)
{
	struct result sum;
	__u64 end;
	unsigned int i;
	int ret;

	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(process_create(&processes[i]), 0);
	for (i = 0; i < DECODERS; i++) {
		ASSERT_EQ(pthread_create(&results[i].id, NULL, churn_decoder,
					 &results[i]), 0);
		self->threads++;
	}

	end = now_ms() + CHURN_SECONDS * 1000;
	for (i = 0; now_ms() < end || nr_numbers < HANDLES_MIN;
	     i = (i + 1) % SLOTS) {
		ret = process_reap(&processes[i]);
		ASSERT_EQ(ret, 0);
		/* Let others decode the handle of the reaped process. */
		sched_yield();
		ret = process_create(&processes[i]);
		ASSERT_EQ(ret, 0);
	}
	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(process_reap(&processes[i]), 0);

	sum = stop_threads(&self->threads);
	EXPECT_EQ(sum.last_errno, 0);
	TH_LOG("%u processes, %u times decoded, %u times stale",
	       nr_numbers, sum.decoded, sum.stale);
	EXPECT_EQ(sum.wrong_errno, 0U);
	EXPECT_EQ(sum.wrong_number, 0U);
	EXPECT_EQ(sum.lost, 0U);
	EXPECT_EQ(sum.undead, 0U);
	EXPECT_GT(sum.decoded, 0U);
	EXPECT_GT(sum.stale, 0U);

	/* No process and no descriptor is left. */
	for (i = 0; i < nr_numbers; i++) {
		struct handle fh = slot_read(&processes[0].slot).fh;

		handle_set_number(&fh, numbers[i]);
		ASSERT_EQ(decode(FD_PIDFS_ROOT, &fh, 0), -ESTALE);
	}
	EXPECT_EQ(count_fds(), self->fds);
}

/* Makes a part of a handle random. */
static void random_handle(struct result *res, struct handle *fh)
{
	static const __s32 types[] = {
		0, 1, 0xf1, FILEID_INVALID, FILEID_KERNFS | FILEID_IS_DIR,
		FILEID_KERNFS | FILEID_IS_CONNECTABLE, -1, INT32_MIN,
	};
	unsigned int what = rand_r(&res->seed) >> 4;
	struct snapshot snap = slot_read(&processes[0].slot);

	random_bytes(&res->seed, fh->data, sizeof(fh->data));
	if (what & 1)
		handle_set_number(fh, handle_number(&snap.fh));
	else if (what & 2)
		handle_set_number(fh, handle_number(&snap.fh) ^
				      1ULL << (what >> 8) % 64);

	fh->bytes = HANDLE_PIDFS;
	if (what & 4)
		fh->bytes = (what >> 8) % (HANDLE_MAX + 16);
	else if (!(what & 0x38))
		random_bytes(&res->seed, &fh->bytes, sizeof(fh->bytes));

	fh->type = FILEID_KERNFS;
	if (what & 0x40)
		fh->type = types[(what >> 8) % ARRAY_SIZE(types)];
	else if (what & 0x80)
		random_bytes(&res->seed, &fh->type, sizeof(fh->type));
}

static bool is_pidfs(const struct handle *fh)
{
	return fh->type == FILEID_KERNFS && fh->bytes >= HANDLE_PIDFS;
}

static void *fuzz_decoder(void *arg)
{
	struct result *res = arg;
	__u64 number = handle_number(&processes[0].slot.now.fh);
	struct handle fh;
	int fd;

	while (!atomic_load(&stop)) {
		random_handle(res, &fh);
		fd = decode(FD_PIDFS_ROOT, &fh, O_CLOEXEC);

		if (fd >= 0) {
			res->decoded++;
			if (handle_is_invalid(&fh) || !is_pidfs(&fh) ||
			    pidfd_number(fd) != handle_number(&fh))
				res->wrong_number++;
			close(fd);
		} else if (fd == -EINVAL && handle_is_invalid(&fh)) {
			res->refused++;
		} else if (fd == -ESTALE && !handle_is_invalid(&fh)) {
			res->stale++;
			if (is_pidfs(&fh) &&
			    handle_number(&fh) == number)
				res->lost++;
		} else {
			res->wrong_errno++;
			res->last_errno = fd;
		}
	}
	return NULL;
}

TEST_F(stress, decode_random_handles)
{
	struct result sum;
	struct handle fh;
	unsigned int i;
	int fd;

	ASSERT_EQ(process_create(&processes[0]), 0);
	for (i = 0; i < DECODERS; i++) {
		ASSERT_EQ(pthread_create(&results[i].id, NULL, fuzz_decoder,
					 &results[i]), 0);
		self->threads++;
	}
	sleep(FUZZ_SECONDS);
	sum = stop_threads(&self->threads);
	EXPECT_EQ(sum.last_errno, 0);
	TH_LOG("%u times decoded, %u times stale, %u times refused",
	       sum.decoded, sum.stale, sum.refused);
	EXPECT_EQ(sum.wrong_errno, 0U);
	EXPECT_EQ(sum.wrong_number, 0U);
	EXPECT_EQ(sum.lost, 0U);
	EXPECT_GT(sum.decoded, 0U);
	EXPECT_GT(sum.stale, 0U);
	EXPECT_GT(sum.refused, 0U);

	/* The child is still alive. */
	fh = slot_read(&processes[0].slot).fh;
	fd = decode(FD_PIDFS_ROOT, &fh, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pidfd_to_pid(fd), processes[0].pid);
	close(fd);
	ASSERT_EQ(process_reap(&processes[0]), 0);
	EXPECT_EQ(count_fds(), self->fds);
}

/* The number that the next process probably has. */
static atomic_ullong next_number;

/* Returns true if the process does not exist and has not exited. */
static bool never_existed(int pidfd)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_EXIT };

	return !ioctl(pidfd, PIDFD_GET_INFO, &info) &&
	       !(info.mask & (PIDFD_INFO_PID | PIDFD_INFO_EXIT));
}

static void *failing_decoder(void *arg)
{
	struct result *res = arg;
	struct handle fh = slot_read(&processes[0].slot).fh;
	int fd;

	while (!atomic_load(&stop)) {
		handle_set_number(&fh, atomic_load(&next_number));
		fd = decode(FD_PIDFS_ROOT, &fh, O_CLOEXEC);
		if (fd >= 0) {
			/* Another process can have the number. */
			if (never_existed(fd))
				res->undead++;
			close(fd);
		} else if (fd == -ESTALE) {
			res->stale++;
		} else {
			res->wrong_errno++;
			res->last_errno = fd;
		}
	}
	return NULL;
}

/*
 * clone(2) creates a pidfd before it stores the descriptor. If it cannot store
 * it, there is no process. Meanwhile, no handle finds one.
 */
TEST_F_TIMEOUT(stress, clone_that_fails_is_not_found, CHURN_TIMEOUT)
{
	struct __clone_args args = {
		/* To copy no memory makes it faster. */
		.flags		= CLONE_PIDFD | CLONE_VM,
		.pidfd		= sizeof(int),	/* not mapped */
		.exit_signal	= SIGCHLD,
	};
	unsigned int fails = 0, i;
	struct result sum;
	cpu_set_t cpus;
	__u64 end;

	ASSERT_EQ(process_create(&processes[0]), 0);
	ASSERT_EQ(process_reap(&processes[0]), 0);
	for (i = 0; i < DECODERS; i++) {
		ASSERT_EQ(pthread_create(&results[i].id, NULL, failing_decoder,
					 &results[i]), 0);
		self->threads++;
	}
	/* Each processor allocates consecutive numbers. */
	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	end = now_ms() + FAILING_SECONDS * 1000;
	do {
		if (!(fails % 64)) {
			ASSERT_EQ(process_create(&processes[0]), 0);
			ASSERT_EQ(process_reap(&processes[0]), 0);
			atomic_store(&next_number, numbers[nr_numbers - 1]);
		}
		atomic_fetch_add(&next_number, 1);
		ASSERT_EQ(syscall(__NR_clone3, &args, sizeof(args)), -1);
		ASSERT_EQ(errno, EFAULT);
		fails++;
	} while (now_ms() < end);

	sum = stop_threads(&self->threads);
	TH_LOG("%u clones, %u times decoded, %u times stale",
	       fails, sum.undead, sum.stale);
	EXPECT_EQ(sum.last_errno, 0);
	EXPECT_EQ(sum.undead, 0U);
	EXPECT_GT(sum.stale, 0U);
}

TEST_HARNESS_MAIN
