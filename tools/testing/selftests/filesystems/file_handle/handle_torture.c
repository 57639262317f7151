// SPDX-License-Identifier: GPL-2.0
/*
 * Encodes and decodes handles on all processors while their processes exit,
 * execute in a thread and are reaped, their namespaces die and are revived,
 * their filesystems are unmounted, their module is unloaded and their FUSE
 * server is killed.
 *
 * TORTURE_SECONDS is the duration. It is exceeded until everything has happened
 * at least once.
 */
#define _GNU_SOURCE

#include "sample.h"
#include "torture.h"
#include "volume.h"
#include "../fuse/fuse_server.h"
#include "kselftest_harness.h"

#define SECONDS		3
#define SECONDS_MAX	120	/* until everything has happened */
#define TORTURE_TIMEOUT	(24 * 60 * 60)

struct torture *torture;

static const char *const kind_names[TARGET_KINDS] = {
	"process", "thread", "namespace", "tmpfs", "sample", "FUSE",
};

static const char *const way_names[WAYS] = {
	"call", "inline", "worker", "cancelled",
};

static const char *const fault_names[FAULTS] = {
	"wrong object", "error although alive", "opened although gone",
	"unexpected error",
};

static const char *const hit_names[HITS] = {
	[HIT_EXIT] = "exit", [HIT_REAP] = "reap", [HIT_EXEC] = "exec by a thread",
	[HIT_NS + NS_CGROUP] = "death of a cgroup namespace",
	[HIT_NS + NS_IPC] = "death of an ipc namespace",
	[HIT_NS + NS_MNT] = "death of a mount namespace",
	[HIT_NS + NS_NET] = "death of a network namespace",
	[HIT_NS + NS_PID] = "death of a pid namespace",
	[HIT_NS + NS_TIME] = "death of a time namespace",
	[HIT_NS + NS_USER] = "death of a user namespace",
	[HIT_NS + NS_UTS] = "death of a uts namespace",
	[HIT_REVIVAL] = "revival of a namespace", [HIT_UNMOUNT] = "unmount",
	[HIT_UNLOAD] = "unload of the module",
	[HIT_SERVER_DEATH] = "death of a FUSE server",
	[HIT_TAKEOVER] = "restart of a FUSE server",
	[HIT_CANCEL] = "cancellation of a request",
	[HIT_RING_CLOSE] = "close of a ring with requests",
	[HIT_PROCESS_EXIT] = "exit of a process with requests",
};

bool stopped(void)
{
	return __atomic_load_n(&torture->stop, __ATOMIC_RELAXED);
}

static void stop(void)
{
	__atomic_store_n(&torture->stop, true, __ATOMIC_RELAXED);
}

void hit(enum hit what)
{
	__atomic_fetch_add(&torture->hits[what], 1, __ATOMIC_RELAXED);
}

unsigned int nr_hits(enum hit what)
{
	return __atomic_load_n(&torture->hits[what], __ATOMIC_RELAXED);
}

void change_processor(unsigned int *seed)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(torture->cpus[random_number(seed) % torture->nr_cpus], &cpus);
	/* A processor that has gone offline changes nothing. */
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

void pause_up_to(unsigned int *seed, unsigned int ms)
{
	usleep(random_number(seed) % (ms * 1000 + 1));
}

bool check(enum adversary_index index, const char *what, int ret)
{
	struct adversary *adversary = &torture->adversaries[index];

	if (!ret)
		return true;
	adversary->error = ret;
	adversary->failed = what;
	stop();
	return false;
}

/* What each adversary runs, and the hits that need it */
static const struct {
	void (*run)(void);
	enum hit first, last;
} adversaries[ADVERSARIES] = {
	[ADVERSARY_PROCESS]	= { exit_and_reap, HIT_EXIT, HIT_REAP },
	[ADVERSARY_EXEC]	= { exec_by_threads, HIT_EXEC, HIT_EXEC },
	[ADVERSARY_NS]		= { destroy_namespaces, HIT_NS,
				    HIT_NS + NS_KINDS - 1 },
	[ADVERSARY_REVIVAL]	= { revive_namespace, HIT_REVIVAL, HIT_REVIVAL },
	[ADVERSARY_MOUNT]	= { unmount_tmpfs, HIT_UNMOUNT, HIT_UNMOUNT },
	[ADVERSARY_MODULE]	= { unload_module_again, HIT_UNLOAD, HIT_UNLOAD },
	[ADVERSARY_FUSE]	= { kill_server, HIT_SERVER_DEATH, HIT_TAKEOVER },
};

/* Returns the reason why this cannot happen here, or NULL. */
static const char *why_not(unsigned int what)
{
	unsigned int i;

	for (i = 0; i < ADVERSARIES; i++) {
		if (what >= adversaries[i].first && what <= adversaries[i].last)
			return torture->adversaries[i].missing;
	}
	return torture->has_ring ? NULL : missing();
}

/* The same for opens of a kind of targets */
static const char *why_no_target(enum target_kind kind)
{
	switch (kind) {
	case TARGET_SAMPLE:
		return torture->adversaries[ADVERSARY_MODULE].missing;
	case TARGET_FUSE:
		return torture->adversaries[ADVERSARY_FUSE].missing;
	default:
		return NULL;
	}
}

static unsigned int nr_opened(enum target_kind kind, enum open_way way)
{
	unsigned int i, sum = 0;

	for (i = 0; i < WORKERS_MAX; i++)
		sum += __atomic_load_n(&torture->workers[i].opened[kind][way],
				       __ATOMIC_RELAXED);
	return sum;
}

/* Returns true if an object of this kind was opened. */
static bool opened_kind(enum target_kind kind)
{
	unsigned int way;

	for (way = 0; way < WAYS; way++) {
		if (nr_opened(kind, way))
			return true;
	}
	return false;
}

static bool opened_in(enum open_way way)
{
	unsigned int kind;

	for (kind = 0; kind < TARGET_KINDS; kind++) {
		if (nr_opened(kind, way))
			return true;
	}
	return false;
}

static bool opened_on(unsigned int index)
{
	unsigned int i;

	for (i = 0; i < WORKERS_MAX; i++) {
		if (__atomic_load_n(&torture->workers[i].on_cpu[index],
				    __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* Threads are gone most of the time. */
static bool must_open(enum target_kind kind)
{
	return kind != TARGET_THREAD && !why_no_target(kind);
}

static unsigned int nr_ways(void)
{
	return torture->has_ring ? WAYS : 1;
}

static unsigned int nr_inlined(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < WORKERS_MAX; i++)
		nr += torture->workers[i].inlined;
	return nr;
}

static unsigned int nr_waited(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < WORKERS_MAX; i++)
		nr += torture->workers[i].waited;
	return nr;
}

/* Returns true if each hit, each kind of open, and a wait have happened. */
static bool has_all(void)
{
	unsigned int i;

	for (i = 0; i < HITS; i++) {
		if (!nr_hits(i) && !why_not(i))
			return false;
	}
	for (i = 0; i < TARGET_KINDS; i++) {
		if (must_open(i) && !opened_kind(i))
			return false;
	}
	for (i = 0; i < nr_ways(); i++) {
		if (!opened_in(i))
			return false;
	}
	for (i = 0; i < torture->nr_cpus; i++) {
		if (!opened_on(i))
			return false;
	}
	if (torture->has_ring && !nr_inlined())
		return false;
	return why_no_target(TARGET_FUSE) || nr_waited();
}

static void init_targets(void)
{
	static const struct {
		unsigned int first, nr;
		enum target_kind kind;
	} kinds[] = {
		{ FIRST_EXIT, TARGETS_EXIT + 1, TARGET_PROCESS },
		{ FIRST_THREAD, 1, TARGET_THREAD },
		{ FIRST_NS, TARGETS_NS + 1, TARGET_NS },
		{ FIRST_TMPFS, 1, TARGET_TMPFS },
		{ FIRST_SAMPLE, 1, TARGET_SAMPLE },
		{ FIRST_FUSE, TARGETS_FUSE, TARGET_FUSE },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (j = 0; j < kinds[i].nr; j++) {
			struct target *target = &torture->targets[kinds[i].first + j];

			target->kind = kinds[i].kind;
			slot_init(&target->slot, true);
		}
	}
}

FIXTURE(torture)
{
	int root;
	int nr_fds;
	unsigned int nr_workers;
};

/* Lists the processors that this process may use, or the first PROCESSORS_MAX of them. */
static void list_cpus(void)
{
	cpu_set_t cpus;
	int cpu;

	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (cpu = 0; cpu < CPU_SETSIZE && torture->nr_cpus < PROCESSORS_MAX; cpu++) {
		if (CPU_ISSET(cpu, &cpus))
			torture->cpus[torture->nr_cpus++] = cpu;
	}
}

FIXTURE_SETUP(torture)
{
	const char *reason = pidfs_missing() ?: nsfs_missing();
	unsigned int i;

	if (!reason && !may_test_all())
		reason = NEEDS_ROOT;
	if (reason)
		SKIP(return, "%s", reason);
	torture = shared_memory(sizeof(*torture));
	ASSERT_NE(torture, NULL);
	list_cpus();
	ASSERT_GT(torture->nr_cpus, 0U);
	torture->has_ring = !missing();
	torture->adversaries[ADVERSARY_MODULE].missing = sample_missing();
	torture->adversaries[ADVERSARY_FUSE].missing = fuse_missing();
	init_targets();
	self->nr_workers = 2 * torture->nr_cpus;
	for (i = 0; i < self->nr_workers; i++)
		torture->workers[i].seed = i + 1;
	self->root = enter_private_tmpfs();
	ASSERT_GE(self->root, 0);
	ASSERT_EQ(mkdir(TORTURE_TMPFS, 0755), 0);
	ASSERT_EQ(mkdir(TORTURE_FUSE, 0755), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(torture)
{
	stop();
	kill_children();
	/* No mount on it, and no reference to one of its files, is left. */
	EXPECT_EQ(leave_private_tmpfs(self->root), 0);
	EXPECT_EQ(unload_module(), -ENOENT);
}

static void start(struct __test_metadata *_metadata, unsigned int nr_workers,
		  pid_t *pids)
{
	unsigned int i;

	for (i = 0; i < nr_workers; i++) {
		*pids = clone_child(0, NULL);
		ASSERT_GE(*pids, 0);
		if (!*pids++) {
			work(&torture->workers[i]);
			_exit(0);
		}
	}
	for (i = 0; i < ADVERSARIES; i++) {
		*pids = 0;
		if (torture->adversaries[i].missing) {
			pids++;
			continue;
		}
		*pids = clone_child(0, NULL);
		ASSERT_GE(*pids, 0);
		if (!*pids++) {
			adversaries[i].run();
			kill_children();
			_exit(0);
		}
	}
}

static void report_hits(struct __test_metadata *_metadata)
{
	unsigned int i;

	for (i = 0; i < HITS; i++) {
		if (why_not(i)) {
			TH_LOG("hit %s: %s", hit_names[i], why_not(i));
			continue;
		}
		TH_LOG("hit %s: %u", hit_names[i], nr_hits(i));
		EXPECT_GT(nr_hits(i), 0U);
	}
	for (i = 0; i < ADVERSARIES; i++) {
		const struct adversary *adversary = &torture->adversaries[i];

		EXPECT_EQ(adversary->error, 0) {
			TH_LOG("could not %s", adversary->failed);
		}
	}
}

static void report_opens(struct __test_metadata *_metadata)
{
	unsigned int kind, way, i, stale;

	for (kind = 0; kind < TARGET_KINDS; kind++) {
		for (way = 0; way < nr_ways(); way++) {
			for (stale = i = 0; i < WORKERS_MAX; i++)
				stale += torture->workers[i].stale[kind][way];
			TH_LOG("open %s, %s: %u opened, %u gone", kind_names[kind],
			       way_names[way], nr_opened(kind, way), stale);
		}
		if (must_open(kind))
			EXPECT_TRUE(opened_kind(kind));
	}
	for (way = 0; way < nr_ways(); way++)
		EXPECT_TRUE(opened_in(way));
	for (i = 0; i < torture->nr_cpus; i++)
		EXPECT_TRUE(opened_on(i));
}

static void report_workers(struct __test_metadata *_metadata)
{
	unsigned int i, fault;

	for (i = 0; i < WORKERS_MAX; i++) {
		const struct worker *w = &torture->workers[i];

		for (fault = 0; fault < FAULTS; fault++) {
			EXPECT_EQ(w->faults[fault].nr, 0U) {
				TH_LOG("%s: %s, %s: %d", fault_names[fault],
				       kind_names[w->faults[fault].kind],
				       way_names[w->faults[fault].way],
				       w->faults[fault].error);
			}
		}
		EXPECT_EQ(w->slept, 0U);
		EXPECT_EQ(w->leaked, 0);
	}
	TH_LOG("%u requests by the submitter, none of which slept", nr_inlined());
	if (torture->has_ring)
		EXPECT_GT(nr_inlined(), 0U);
	/* So a sleep is noticed. */
	if (!why_no_target(TARGET_FUSE))
		EXPECT_GT(nr_waited(), 0U);
}

TEST_F_TIMEOUT(torture, all_at_once, TORTURE_TIMEOUT)
{
	unsigned int i, seconds = from_environment("TORTURE_SECONDS", SECONDS);
	__u64 begin = now_ms(), now = begin;
	pid_t pids[WORKERS_MAX + ADVERSARIES];

	start(_metadata, self->nr_workers, pids);
	while (!stopped()) {
		now = now_ms() - begin;
		if (now > (seconds + SECONDS_MAX) * 1000ULL ||
		    (now > seconds * 1000ULL && has_all()))
			break;
		usleep(10000);
	}
	stop();
	for (i = 0; i < self->nr_workers + ADVERSARIES; i++) {
		if (pids[i])
			ASSERT_EQ(reap_child(pids[i]), 0);
	}
	TH_LOG("%llu ms, %u processors", (unsigned long long)now,
	       torture->nr_cpus);
	report_hits(_metadata);
	report_opens(_metadata);
	report_workers(_metadata);
	EXPECT_EQ(count_fds(), self->nr_fds);
}

int main(int argc, char **argv)
{
	if (!strcmp(argv[0], EXEC_AGAIN))
		exec_again(argc, argv);
	return test_harness_run(argc, argv);
}
