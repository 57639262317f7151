// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes file handles. Without options, runs FUZZ_CASES cases as a selftest.
 *
 *   handle_fuzz [--seed N] [--first N] [--cases N] [--replay FILE] [--print]
 *
 * prints a digest of the outcomes for each block of FUZZ_BLOCK cases. --print
 * prints each case with its outcome, and --replay only executes the cases whose
 * numbers are in a file.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <sys/resource.h>

#include "fuzz.h"
#include "fuzz_objects.h"
#include "kselftest.h"

#define SLICE_CASES	20000
#define SLICE_SEED	1

/* Seconds for FUZZ_BLOCK cases. */
#define BLOCK_TIMEOUT	120

/* Shared between the processes. */
struct results {
	__u64 cases;
	__u64 ring_cases;
	__u64 opened;
	__u64 ring_wrong;
	__u64 judged_wrong;
	__u64 broken;
	__u64 digests[];	/* [block][who] */
};

static struct {
	__u64 seed, first, cases;
	bool print, driver;
	__u64 *replay;
	size_t nr_replay;
	bool has_ring;
} options = { .seed = SLICE_SEED, .cases = SLICE_CASES };

static struct fuzz_world world;
static struct results *results;
static __u64 current_case;

static __u64 fold(__u64 digest, const void *data, size_t size)
{
	const __u64 *word = data;

	for (; size >= sizeof(*word); size -= sizeof(*word))
		digest = (digest ^ *word++) * 0x9fb21c651e98df25ULL,
		digest ^= digest >> 32;
	return digest;
}

static void add(__u64 *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void print_line(const struct fuzz_case *c, const struct fuzz_outcome *o,
		       const char *what)
{
	char *line = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		return;
	if (what)
		fprintf(out, "# %s: ", what);
	print_case(out, c, &world);
	fputs(" => ", out);
	print_outcome(out, o, &world);
	fputc('\n', out);
	fclose(out);
	/* One call, so that the lines of two processes are not mixed. */
	if (write(STDOUT_FILENO, line, size) != (ssize_t)size)
		add(&results->broken);
	free(line);
}

/* Compares io_uring with the system call. */
static void run_on_ring(struct fuzz_runner *run, const struct fuzz_case *c,
			const struct fuzz_outcome *call)
{
	struct fuzz_outcome ring;

	run_case(run, c, c->ring, &ring);
	add(&results->ring_cases);
	if (ring.ret == RING_BROKEN)
		add(&results->broken);
	if (!memcmp(&ring, call, sizeof(ring)))
		return;
	add(&results->ring_wrong);
	print_line(c, call, "system call");
	print_line(c, &ring, "io_uring differs");
}

static void report_hang(int sig)
{
	dprintf(STDOUT_FILENO, "# hangs: case %llu %s\n",
		(unsigned long long)current_case, who_names[world.who]);
	_exit(KSFT_FAIL);
}

static __u64 run_one(struct fuzz_runner *run, __u64 nr, __u64 digest)
{
	struct fuzz_outcome call;
	const char *wrong;
	struct fuzz_case c;

	make_case(&c, &world, options.seed, nr);
	run_case(run, &c, RING_NONE, &call);
	add(&results->cases);
	if (c.op == FUZZ_OPEN && !call.ret)
		add(&results->opened);
	wrong = judge(&c, &world, &call);
	if (wrong) {
		add(&results->judged_wrong);
		print_line(&c, &call, wrong);
	}
	if (c.ring && run->has_ring && (c.op == FUZZ_OPEN || c.op == FUZZ_NAME))
		run_on_ring(run, &c, &call);
	if (options.print)
		print_line(&c, &call, NULL);
	/* Other tests may leave mount namespaces, which disappear later. */
	if (!options.driver && c.op == FUZZ_IOCTL && finds_neighbour(c.request))
		return digest;
	return fold(digest, &call, sizeof(call));
}

static bool is_selected(__u64 nr)
{
	size_t i;

	for (i = 0; i < options.nr_replay; i++) {
		if (options.replay[i] == nr)
			return true;
	}
	return !options.replay;
}

static int run_all(void)
{
	const __u64 end = options.first + options.cases;
	struct fuzz_runner run;
	__u64 nr, digest = 0;

	if (runner_init(&run, &world, options.has_ring) ||
	    signal(SIGALRM, report_hang) == SIG_ERR)
		return KSFT_FAIL;
	alarm(BLOCK_TIMEOUT);
	for (nr = options.first; nr < end; nr++) {
		current_case = nr;
		if (who_of(options.seed, nr) == world.who && is_selected(nr))
			digest = run_one(&run, nr, digest);
		if ((nr + 1) % FUZZ_BLOCK && nr + 1 < end)
			continue;
		undo_events(&world);
		alarm(BLOCK_TIMEOUT);
		results->digests[(nr - options.first) / FUZZ_BLOCK * FUZZ_WHO +
				 world.who] = digest;
		digest = 0;
	}
	return KSFT_PASS;
}

/*
 * Processes
 */

/* The ends of two pipes, of the parent or of the child. */
struct worker {
	pid_t pid;
	int from, to;
};

static bool say(const struct worker *worker)
{
	return write(worker->to, "", 1) == 1;
}

static bool hear(const struct worker *worker)
{
	char byte;

	return read(worker->from, &byte, 1) == 1;
}

static void use_cpu(bool only_first)
{
	cpu_set_t cpus;
	int i;

	CPU_ZERO(&cpus);
	for (i = 0; i < (only_first ? 1 : CPU_SETSIZE); i++)
		CPU_SET(i, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static __noreturn void work(const struct worker *worker, uid_t uid, gid_t gid)
{
	const bool in_user_ns = world.who == FUZZ_CONTAINER ||
				world.who == FUZZ_USER_NS;
	int ret;

	ret = in_user_ns ? become_ns_root(uid, gid) : 0;
	if (!ret)
		ret = make_own_objects(&world);
	if (ret)
		ksft_print_msg("%s: no objects: %s\n", who_names[world.who], strerror(-ret));
	if (ret || !say(worker) || !hear(worker))
		_exit(KSFT_FAIL);
	use_cpu(false);
	ret = run_all();
	alarm(0);
	kill_children();
	/* The others may see the mount namespace of this process. */
	if (!say(worker) || !hear(worker))
		ret = KSFT_FAIL;
	_exit(ret);
}

static const __u64 namespaces[FUZZ_WHO] = {
	[FUZZ_PID_NS] = CLONE_NEWPID,
	[FUZZ_CONTAINER] = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS |
			   CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWTIME,
	[FUZZ_USER_NS] = CLONE_NEWUSER | CLONE_NEWNS,
};

/* Starts a process, which waits until all have their objects. */
static void start(struct worker *worker, enum fuzz_who who)
{
	int up[2], down[2];
	const uid_t uid = geteuid();
	const gid_t gid = getegid();

	worker->pid = -1;
	if (pipe2(up, O_CLOEXEC) || pipe2(down, O_CLOEXEC))
		return;
	fflush(stdout);
	worker->pid = clone_child(namespaces[who], NULL);
	worker->from = worker->pid ? up[0] : down[0];
	worker->to = worker->pid ? down[1] : up[1];
	close(worker->pid ? up[1] : up[0]);
	close(worker->pid ? down[0] : down[1]);
	if (!worker->pid) {
		world.who = who;
		work(worker, uid, gid);
	}
}

/* Returns true if all processes have executed their cases. */
static bool run_processes(void)
{
	struct worker workers[FUZZ_WHO];
	bool ok = true;
	int who, step;

	/* The ids of namespaces are in the order of their creation on one CPU. */
	use_cpu(true);
	make_shared_objects(&world);
	for (who = 0; who < FUZZ_WHO; who++) {
		start(&workers[who], who);
		ok &= workers[who].pid > 0 && hear(&workers[who]);
	}
	use_cpu(false);
	for (step = 0; step < 2 && ok; step++) {
		for (who = 0; who < FUZZ_WHO; who++)
			ok &= say(&workers[who]);
		for (who = 0; who < FUZZ_WHO && !step; who++)
			ok &= hear(&workers[who]);
	}
	for (who = 0; who < FUZZ_WHO && ok; who++)
		ok &= wait_status(workers[who].pid, -KSFT_FAIL) == KSFT_PASS;
	kill_children();
	rmdir(FUZZ_CGROUP);
	return ok;
}

/*
 * Options
 */

static int read_replay(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long nr;

	if (!file)
		return -errno;
	while (fscanf(file, "%llu", &nr) == 1) {
		options.replay = realloc(options.replay, (options.nr_replay + 1) *
					 sizeof(*options.replay));
		if (!options.replay)
			return -ENOMEM;
		options.replay[options.nr_replay++] = nr;
	}
	fclose(file);
	return options.nr_replay ? 0 : -ENODATA;
}

static bool parse(int argc, char **argv)
{
	const char *cases = getenv("FUZZ_CASES");

	static const struct option longs[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "first", required_argument, NULL, 'f' },
		{ "cases", required_argument, NULL, 'c' },
		{ "replay", required_argument, NULL, 'r' },
		{ "print", no_argument, NULL, 'p' },
		{ },
	};
	int opt;

	if (cases)
		options.cases = strtoull(cases, NULL, 0);
	while ((opt = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		options.driver = true;
		switch (opt) {
		case 's':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			options.first = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			options.cases = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			if (read_replay(optarg))
				return false;
			break;
		case 'p':
			options.print = true;
			break;
		default:
			return false;
		}
	}
	return optind == argc && options.cases && options.first % FUZZ_BLOCK == 0;
}

/* Returns true if the test may create all the processes. */
static bool may_create_namespaces(void)
{
	pid_t pid = clone_child(namespaces[FUZZ_CONTAINER], NULL);

	if (!pid)
		_exit(KSFT_PASS);
	return pid > 0 && !reap_child(pid);
}

static const char *objects_missing(void)
{
	const char *reason = is_root() ? nsfs_missing() : NEEDS_INITIAL_ROOT;

	if (!reason)
		reason = pidfs_missing();
	if (!reason && access("/proc/self/fd", X_OK))
		reason = NEEDS_PROCFS;
	if (!reason && !may_create_namespaces())
		reason = "needs namespaces of all types, and permission to create them";
	return reason;
}

/* One line for each block: the number of its first case, and a digest of each process. */
static __u64 print_digests(void)
{
	const __u64 blocks = (options.cases + FUZZ_BLOCK - 1) / FUZZ_BLOCK;
	__u64 block, all = 0;
	int who;

	for (block = 0; block < blocks; block++) {
		const __u64 *digests = results->digests + block * FUZZ_WHO;

		all = fold(all, digests, FUZZ_WHO * sizeof(*digests));
		if (!options.driver)
			continue;
		printf("block %llu",
		       (unsigned long long)(options.first + block * FUZZ_BLOCK));
		for (who = 0; who < FUZZ_WHO; who++)
			printf(" %016llx", (unsigned long long)digests[who]);
		putchar('\n');
	}
	return all;
}

static const char usage[] =
	"usage: handle_fuzz [--seed N] [--first N] [--cases N] [--replay FILE] [--print]\n"
	"The number of the first case is a multiple of 1000.\n";

int main(int argc, char **argv)
{
	const char *reason;
	__u64 started;
	__u64 digest;
	size_t size;
	bool ok;

	if (!parse(argc, argv)) {
		fputs(usage, stderr);
		return KSFT_FAIL;
	}
	ksft_print_header();
	reason = objects_missing();
	if (reason)
		ksft_exit_skip("%s\n", reason);
	options.has_ring = !missing();
	size = sizeof(*results) + (options.cases / FUZZ_BLOCK + 1) * FUZZ_WHO *
	       sizeof(results->digests[0]);
	results = shared_memory(size);
	if (!results)
		ksft_exit_fail_msg("no memory\n");
	ksft_set_plan(5);

	/* A process that ends early is reported. */
	signal(SIGPIPE, SIG_IGN);
	started = now_ms();
	ok = run_processes();
	digest = print_digests();
	ksft_print_msg("%llu cases in %llu ms, %llu opened a file\n",
		       (unsigned long long)results->cases,
		       (unsigned long long)(now_ms() - started),
		       (unsigned long long)results->opened);
	ksft_print_msg("%llu cases on io_uring as well\n",
		       (unsigned long long)results->ring_cases);
	ksft_test_result(ok && !results->broken &&
			 (options.replay || results->cases == options.cases),
			 "all_cases_are_executed\n");
	/* scripts/test.py compares the names of cases. */
	ksft_test_result_pass("digest_%016llx\n", (unsigned long long)digest);
	ksft_test_result(results->opened, "some_handles_are_opened\n");
	ksft_test_result(!results->judged_wrong,
			 "handles_name_objects_that_the_caller_may_open\n");
	if (!options.has_ring)
		ksft_test_result_skip("io_uring_is_like_the_system_calls: %s\n", missing());
	else
		ksft_test_result(!results->ring_wrong,
				 "io_uring_is_like_the_system_calls\n");
	ksft_finished();
}
