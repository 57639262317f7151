// SPDX-License-Identifier: GPL-2.0
/*
 * Decode handles of pidfs while the processes come and go, and decode what are
 * no handles, from several threads at once.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "file_handle.h"

#define DECODERS	4
#define SLOTS		8
#define HANDLES_MAX	65536
#define HANDLES_MIN	(4 * SLOTS)
#define CHURN_SECONDS	3
#define CHURN_TIMEOUT	60	/* seconds, for a slow machine */
#define FUZZ_SECONDS	2

enum state {
	STATE_NONE,		/* there never was a handle in the slot */
	STATE_ALIVE,
	STATE_DYING,		/* may have been reaped already */
	STATE_REAPED,
};

/* A process that comes and goes. */
struct slot {
	pthread_mutex_t lock;	/* for all of the below */
	enum state state;
	unsigned int turn;	/* which process of the slot it is */
	struct handle fh;

	/* For the thread that makes and reaps the processes alone. */
	pid_t pid;
	int pidfd;
};

struct snapshot {
	enum state state;
	unsigned int turn;
	struct handle fh;
};

static struct slot slots[SLOTS];
static atomic_bool stop;

/* All handles that there have been. */
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
	unsigned int lost;	/* stale although alive all the time */
	unsigned int undead;	/* decoded although reaped before */
	int last_errno;		/* the unexpected one */
};

static struct result results[DECODERS];

static void take_snapshot(struct slot *slot, struct snapshot *snap)
{
	pthread_mutex_lock(&slot->lock);
	snap->state = slot->state;
	snap->turn = slot->turn;
	snap->fh = slot->fh;
	pthread_mutex_unlock(&slot->lock);
}

static void set_state(struct slot *slot, enum state state)
{
	pthread_mutex_lock(&slot->lock);
	slot->state = state;
	pthread_mutex_unlock(&slot->lock);
}

static void *churn_decoder(void *arg)
{
	struct result *res = arg;
	struct snapshot before, after;
	struct slot *slot;
	int fd;

	while (!atomic_load(&stop)) {
		slot = &slots[rand_r(&res->seed) % SLOTS];
		take_snapshot(slot, &before);
		if (before.state == STATE_NONE)
			continue;
		fd = decode(FD_PIDFS_ROOT, &before.fh,
			    rand_r(&res->seed) & 1 ? O_CLOEXEC : O_EXCL);
		take_snapshot(slot, &after);

		if (fd >= 0) {
			res->decoded++;
			if (pidfd_number(fd) != handle_number(&before.fh))
				res->wrong_number++;
			if (before.state == STATE_REAPED)
				res->undead++;
			close(fd);
		} else if (fd == -ESTALE) {
			res->stale++;
			if (after.state == STATE_ALIVE &&
			    after.turn == before.turn)
				res->lost++;
		} else {
			res->wrong_errno++;
			res->last_errno = fd;
		}
	}
	return NULL;
}

/* A child of a process with threads: no more than system calls. */
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

static int slot_fill(struct slot *slot)
{
	struct handle fh;
	int ret;

	slot->pid = make_child(&slot->pidfd);
	if (slot->pid < 0)
		return slot->pid;
	ret = encode(slot->pidfd, &fh);
	if (ret)
		return ret;
	/* Some are found without any pidfd, and others with one. */
	if (slot->turn & 1) {
		close(slot->pidfd);
		slot->pidfd = -1;
	}
	if (nr_numbers < HANDLES_MAX)
		numbers[nr_numbers++] = handle_number(&fh);

	pthread_mutex_lock(&slot->lock);
	slot->fh = fh;
	slot->turn++;
	slot->state = STATE_ALIVE;
	pthread_mutex_unlock(&slot->lock);
	return 0;
}

static int slot_empty(struct slot *slot)
{
	set_state(slot, STATE_DYING);
	if (kill(slot->pid, SIGKILL))
		return -errno;
	if (waitpid(slot->pid, NULL, 0) != slot->pid)
		return -errno;
	set_state(slot, STATE_REAPED);
	slot->pid = 0;
	if (slot->pidfd >= 0)
		close(slot->pidfd);
	slot->pidfd = -1;
	return 0;
}

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

FIXTURE(stress)
{
	int fds;
	unsigned int threads;
};

FIXTURE_SETUP(stress)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++) {
		pthread_mutex_init(&slots[i].lock, NULL);
		slots[i].pidfd = -1;
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
		if (slots[i].pid > 0)
			kill(slots[i].pid, SIGKILL);
	}
	kill_children();
}

TEST_F_TIMEOUT(stress, decode_while_processes_come_and_go, CHURN_TIMEOUT)
{
	struct result sum = {};
	__u64 end;
	unsigned int i;
	int ret;

	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(slot_fill(&slots[i]), 0);
	for (i = 0; i < DECODERS; i++) {
		ASSERT_EQ(pthread_create(&results[i].id, NULL, churn_decoder,
					 &results[i]), 0);
		self->threads++;
	}

	end = now_ms() + CHURN_SECONDS * 1000;
	for (i = 0; now_ms() < end || nr_numbers < HANDLES_MIN;
	     i = (i + 1) % SLOTS) {
		ret = slot_empty(&slots[i]);
		ASSERT_EQ(ret, 0);
		/* Reaped it stays for a while. */
		sched_yield();
		ret = slot_fill(&slots[i]);
		ASSERT_EQ(ret, 0);
	}
	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(slot_empty(&slots[i]), 0);

	atomic_store(&stop, true);
	while (self->threads)
		pthread_join(results[--self->threads].id, NULL);

	for (i = 0; i < DECODERS; i++) {
		sum.decoded += results[i].decoded;
		sum.stale += results[i].stale;
		sum.wrong_number += results[i].wrong_number;
		sum.lost += results[i].lost;
		sum.undead += results[i].undead;
		sum.wrong_errno += results[i].wrong_errno;
		EXPECT_EQ(results[i].last_errno, 0);
	}
	TH_LOG("%u processes, %u times decoded, %u times stale",
	       nr_numbers, sum.decoded, sum.stale);
	EXPECT_EQ(sum.wrong_errno, 0);
	EXPECT_EQ(sum.wrong_number, 0);
	EXPECT_EQ(sum.lost, 0);
	EXPECT_EQ(sum.undead, 0);
	/* Else this has tried nothing. */
	EXPECT_GT(sum.decoded, 0);
	EXPECT_GT(sum.stale, 0);

	/* None of them is left, nor any descriptor. */
	for (i = 0; i < nr_numbers; i++) {
		handle_set_number(&slots[0].fh, numbers[i]);
		ASSERT_EQ(decode(FD_PIDFS_ROOT, &slots[0].fh, 0), -ESTALE);
	}
	EXPECT_EQ(count_fds(), self->fds);
}

static void random_bytes(struct result *res, void *buf, size_t size)
{
	unsigned char *bytes = buf;

	while (size--)
		*bytes++ = rand_r(&res->seed) >> 4;
}

/* Some of it random, as a handle that is right would hide the rest. */
static void random_handle(struct result *res, struct handle *fh)
{
	static const __s32 types[] = {
		0, 1, 0xf1, FILEID_INVALID, FILEID_KERNFS | FILEID_IS_DIR,
		FILEID_KERNFS | FILEID_IS_CONNECTABLE, -1, INT32_MIN,
	};
	unsigned int what = rand_r(&res->seed) >> 4;
	struct snapshot snap;

	take_snapshot(&slots[0], &snap);
	random_bytes(res, fh->data, sizeof(fh->data));
	if (what & 1)
		handle_set_number(fh, handle_number(&snap.fh));
	else if (what & 2)
		handle_set_number(fh, handle_number(&snap.fh) ^
				      1ULL << (what >> 8) % 64);

	fh->bytes = HANDLE_PIDFS;
	if (what & 4)
		fh->bytes = (what >> 8) % (HANDLE_MAX + 16);
	else if (!(what & 0x38))
		random_bytes(res, &fh->bytes, sizeof(fh->bytes));

	fh->type = FILEID_KERNFS;
	if (what & 0x40)
		fh->type = types[(what >> 8) % ARRAY_SIZE(types)];
	else if (what & 0x80)
		random_bytes(res, &fh->type, sizeof(fh->type));
}

static bool is_refused(const struct handle *fh)
{
	return !fh->bytes || fh->bytes > HANDLE_MAX || fh->type < 0 ||
	       (fh->type >> 16 & ~3);
}

static bool is_pidfs(const struct handle *fh)
{
	return fh->type == FILEID_KERNFS && fh->bytes >= HANDLE_PIDFS;
}

static void *fuzz_decoder(void *arg)
{
	struct result *res = arg;
	struct handle fh;
	int fd;

	while (!atomic_load(&stop)) {
		random_handle(res, &fh);
		fd = decode(FD_PIDFS_ROOT, &fh, O_CLOEXEC);

		if (fd >= 0) {
			res->decoded++;
			if (is_refused(&fh) || !is_pidfs(&fh) ||
			    pidfd_number(fd) != handle_number(&fh))
				res->wrong_number++;
			close(fd);
		} else if (fd == -EINVAL && is_refused(&fh)) {
			res->refused++;
		} else if (fd == -ESTALE && !is_refused(&fh)) {
			res->stale++;
			if (is_pidfs(&fh) &&
			    handle_number(&fh) == handle_number(&slots[0].fh))
				res->lost++;
		} else {
			res->wrong_errno++;
			res->last_errno = fd;
		}
	}
	return NULL;
}

TEST_F(stress, decode_what_is_no_handle)
{
	struct result sum = {};
	unsigned int i;
	int fd;

	ASSERT_EQ(slot_fill(&slots[0]), 0);
	for (i = 0; i < DECODERS; i++) {
		ASSERT_EQ(pthread_create(&results[i].id, NULL, fuzz_decoder,
					 &results[i]), 0);
		self->threads++;
	}
	sleep(FUZZ_SECONDS);
	atomic_store(&stop, true);
	while (self->threads)
		pthread_join(results[--self->threads].id, NULL);

	for (i = 0; i < DECODERS; i++) {
		sum.decoded += results[i].decoded;
		sum.stale += results[i].stale;
		sum.refused += results[i].refused;
		sum.wrong_number += results[i].wrong_number;
		sum.lost += results[i].lost;
		sum.wrong_errno += results[i].wrong_errno;
		EXPECT_EQ(results[i].last_errno, 0);
	}
	TH_LOG("%u times decoded, %u times stale, %u times refused",
	       sum.decoded, sum.stale, sum.refused);
	EXPECT_EQ(sum.wrong_errno, 0);
	EXPECT_EQ(sum.wrong_number, 0);
	EXPECT_EQ(sum.lost, 0);
	/* Else this has tried nothing. */
	EXPECT_GT(sum.decoded, 0);
	EXPECT_GT(sum.stale, 0);
	EXPECT_GT(sum.refused, 0);

	/* The child has not come to harm. */
	fd = decode(FD_PIDFS_ROOT, &slots[0].fh, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pidfd_to_pid(fd), slots[0].pid);
	close(fd);
	ASSERT_EQ(slot_empty(&slots[0]), 0);
	EXPECT_EQ(count_fds(), self->fds);
}

TEST_HARNESS_MAIN
