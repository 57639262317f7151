// SPDX-License-Identifier: GPL-2.0
/*
 * Replies of a FUSE server from a grammar. Each case mounts a server with handles, uses
 * the mount while the replies are mutated, and checks that
 *
 * - the kernel prints no warning,
 * - an open file never becomes another object,
 * - each lookup that the kernel accepted is forgotten once,
 * - no request contains a nodeid that the present server does not know, and
 * - a reply that is not valid leads to the documented error.
 *
 * A case is a sequence of operations on a mount of its own. It depends on the seed and
 * on its number only, so that "fuse_fuzz --seed S --first N --cases 1 --print" repeats it.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <time.h>

#include "fuse_fuzz.h"
#include "kselftest.h"

#define OPERATIONS	40
#define HANG_SECONDS	120

/* Cases of the selftest, and how many of them are repeated */
#define SLICE		150
#define REPEATED	20

static char hang_message[128];
static const char *hang_dir;

/*
 * Cases
 */

/* Waits until the server has received the requests that no caller waits for. */
int barrier(struct fuzz *f)
{
	struct statfs fs;

	return statfs(f->s->dir, &fs) ? -errno : 0;
}

static __u64 below(struct fuzz *f, __u64 limit)
{
	return fuzz_random(&f->ops_random) % limit;
}

static bool one_in(struct fuzz *f, unsigned int nr)
{
	return below(f, nr) == 0;
}

/* Chooses the server of a case. */
static void configure(struct fuzz *f)
{
	static const unsigned int sizes[] = {
		1, 2, 8, 13, 16, 16, 16, 23, 24, 25, 60, 100, 123, 124, 125, 128,
	};
	static const unsigned int rates[] = { 0, 32, 96, 160, 256, 256 };
	struct server *s = f->s;

	f->ops_random = fuzz_seed(f->seed, f->nr, 0, 0);
	if (one_in(f, 2))
		s->init_flags |= FUSE_REQUEST_HANDLE;
	if (one_in(f, 3))
		s->init_flags &= ~FUSE_DO_READDIRPLUS;
	if (one_in(f, 16))
		s->init_flags |= FUSE_NO_EXPORT_SUPPORT;
	if (one_in(f, 4))
		s->init_flags |= FUSE_PARALLEL_DIROPS | FUSE_ATOMIC_O_TRUNC |
				 FUSE_AUTO_INVAL_DATA | FUSE_BIG_WRITES |
				 FUSE_CACHE_SYMLINKS | FUSE_DONT_MASK;
	if (one_in(f, 4)) {
		s->init_flags |= FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT;
		s->no_open = true;
	}
	s->handle_size = sizes[below(f, ARRAY_SIZE(sizes))];
	s->entry_valid = one_in(f, 3) ? 3600 : 0;
	s->attr_valid = one_in(f, 3) ? 3600 : 0;
	s->unknown_ino = one_in(f, 4);
	s->negative = one_in(f, 4);
	s->cached = one_in(f, 4);
	s->default_permissions = one_in(f, 8);
	if (one_in(f, 8))
		s->compound_error = one_in(f, 2) ? -ENOSYS : -EOPNOTSUPP;
	f->rate = rates[below(f, ARRAY_SIZE(rates))];
	f->honest = !f->rate;
	f->wire_rate = one_in(f, 2) ? 64 : 0;
	f->restart_rate = one_in(f, 2) && s->init_flags & FUSE_REQUEST_HANDLE ? 32 : 0;
}

/* Returns false if a lookup is left. */
static bool all_forgotten(struct fuzz *f)
{
	unsigned int i;

	for (i = 0; i < f->nr_told; i++) {
		if (__atomic_load_n(&f->told[i].lookups, __ATOMIC_SEQ_CST))
			return false;
	}
	return true;
}

static void check_lookups(struct fuzz *f)
{
	unsigned int i;

	for (i = 0; i < 200; i++) {
		evict(f->s);
		barrier(f);
		if (all_forgotten(f))
			return;
		sched_yield();
		if (i > 20)
			usleep(5000);
	}
	for (i = 0; i < f->nr_told; i++) {
		if (f->told[i].lookups)
			fail(f, "nodeid %llx: %ld lookups are not forgotten",
			     (unsigned long long)f->told[i].nodeid,
			     f->told[i].lookups);
	}
}

static void quiet(struct fuzz *f)
{
	f->rate = 0;
	f->wire_rate = 0;
	f->restart_rate = 0;
}

static int begin_case(struct fuzz *f)
{
	unsigned int rate, wire_rate, restart_rate, i;
	struct server *s = f->s;
	bool is_quiet;
	int err;

	configure(f);
	rate = f->rate;
	wire_rate = f->wire_rate;
	restart_rate = f->restart_rate;
	f->init = one_in(f, 16) ? 1 + below(f, INIT_FLAGS) : INIT_AT_ONCE;
	if (f->init == INIT_FLAGS)
		s->default_permissions = false;
	f->caller = syscall(SYS_gettid);
	f->is_calling = false;
	/* In one case of eight, the handle of the root is mutated as well. */
	is_quiet = !one_in(f, 8);
	if (is_quiet)
		quiet(f);
	s->others_data = f;
	s->others = answer_others;
	s->transport = serve;
	s->mutate = mutate;
	s->check = check_request;
	s->granted_nodeid = count_nodeid;
	s->reply = send_reply;
	for (i = 0; i < SLOTS; i++)
		f->slots[i].fd = -1;
	err = start_server(s);
	if (err)
		return err;
	if (f->init != INIT_AT_ONCE)
		run_before_init(f);
	if (f->init > INIT_LATE)
		return 0;
	barrier(f);
	quiet(f);
	s->mount_fd = mount_fd(s);
	/* The root can already be bad. */
	f->unusable = s->mount_fd < 0;
	if (f->unusable)
		return is_quiet ? -EIO : 0;
	f->rate = rate;
	f->wire_rate = wire_rate;
	f->restart_rate = restart_rate;
	return 0;
}

static void end_case(struct fuzz *f)
{
	struct server *s = f->s;

	f->op++;
	quiet(f);
	close_slots(f);
	barrier(f);
	check_lookups(f);
	if (s->mount_fd > 0)
		close(s->mount_fd);
	barrier(f);
	umount2(s->dir, MNT_DETACH);
	free_server(s);
}

/* The process cannot exit while one of its threads waits for the other one. */
static void hung(int sig __maybe_unused)
{
	write(STDOUT_FILENO, hang_message, strlen(hang_message));
	umount2(hang_dir, MNT_FORCE);
	_exit(KSFT_FAIL);
}

/* A thread that waits for a reply may handle no signal but SIGKILL. */
static void *wait_for_alarm(void *set)
{
	int sig;

	if (!sigwait(set, &sig))
		hung(sig);
	return NULL;
}

static int start_watchdog(void)
{
	static sigset_t set;
	pthread_t thread;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	return pthread_sigmask(SIG_BLOCK, &set, NULL) ?:
	       pthread_create(&thread, NULL, wait_for_alarm, &set);
}

/* Runs one case. Returns false if a property does not hold. */
static bool run_case(struct fuzz *f)
{
	long before = kernel_reports();
	unsigned int i = 0;
	int err;

	snprintf(hang_message, sizeof(hang_message),
		 "# FAILURE: seed %llu case %llu: it hangs or crashes\n",
		 (unsigned long long)f->seed, (unsigned long long)f->nr);
	alarm(HANG_SECONDS);
	f->op = 0;
	f->seq = 0;
	f->nr_told = 0;
	f->nr_kept = 0;
	f->root_is_known = false;
	f->is_pending = false;
	f->created = false;
	f->no_compounds = false;
	f->declined = false;
	f->unusable = false;
	f->digest = 0xcbf29ce484222325ULL;
	f->failure[0] = '\0';
	f->s = new_server();
	if (!f->s) {
		fail(f, "no server");
		return false;
	}
	hang_dir = f->s->dir;
	err = begin_case(f);
	if (err)
		fail(f, "mount: %d", err);
	if (err || f->init > INIT_LATE || f->unusable)
		i = OPERATIONS;
	for (; i < OPERATIONS && !f->failure[0]; i++)
		run_operation(f);
	end_case(f);
	if (kernel_reports() != before)
		fail(f, "the kernel printed a warning");
	alarm(0);
	return !f->failure[0];
}

static bool run_cases(struct fuzz *f, __u64 first, __u64 nr)
{
	for (f->nr = first; f->nr < first + nr; f->nr++) {
		if (run_case(f))
			continue;
		printf("# FAILURE: seed %llu case %llu: %s\n",
		       (unsigned long long)f->seed, (unsigned long long)f->nr,
		       f->failure);
		return false;
	}
	return true;
}

static void report(struct fuzz *f, __u64 cases, __u64 start)
{
	printf("# %llu cases, %lu operations, %lu replies, %lu of them mutated, %llu ms\n",
	       (unsigned long long)cases, f->operations, f->replies, f->mutated,
	       (unsigned long long)(now_ms() - start));
	fflush(stdout);
}

/* Repeats some cases: the same requests, replies and results. */
static bool is_repeatable(struct fuzz *f)
{
	unsigned int i;
	__u64 first;

	for (i = 0; i < REPEATED; i++) {
		f->nr = i;
		if (!run_case(f))
			return false;
		first = f->digest;
		if (!run_case(f))
			return false;
		if (f->digest == first)
			continue;
		printf("# case %u differs when it is repeated\n", i);
		return false;
	}
	return true;
}

/* Returns the reason to skip the test, or NULL. */
static const char *missing(void)
{
	const char *reason = fuse_missing();
	struct server *s;

	if (reason)
		return reason;
	if (private_mounts() || stay_on_one_processor())
		return "needs a mount namespace of its own";
	s = new_server();
	if (!s || start_server(s))
		return "needs a FUSE mount";
	try_stat(s, ".");
	if (!(s->init_offer & FUSE_HAS_LOOKUP_HANDLE))
		reason = NO_FUSE_HANDLES;
	free_server(s);
	return reason;
}

static __u64 number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static int selftest(struct fuzz *f, __u64 start)
{
	ksft_set_plan(2);
	ksft_test_result(run_cases(f, 0, SLICE), "replies\n");
	report(f, SLICE, start);
	ksft_test_result(is_repeatable(f), "repeatable\n");
	ksft_finished();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "cases", required_argument, NULL, 'c' },
		{ "first", required_argument, NULL, 'f' },
		{ "print", no_argument, NULL, 'p' },
		{},
	};
	static struct fuzz f = { .seed = 1 };
	__u64 first = 0, cases = 0, start = now_ms();
	const char *reason;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			f.seed = number(optarg);
			break;
		case 'c':
			cases = number(optarg);
			break;
		case 'f':
			first = number(optarg);
			break;
		case 'p':
			f.print = true;
			break;
		default:
			printf("usage: %s [--seed N] [--first N] [--cases N] [--print]\n",
			       argv[0]);
			return KSFT_FAIL;
		}
	}
	ksft_print_header();
	reason = missing();
	if (reason)
		ksft_exit_skip("%s\n", reason);
	if (start_watchdog())
		ksft_exit_fail_msg("no watchdog\n");
	signal(SIGSEGV, hung);
	signal(SIGPIPE, SIG_IGN);
	if (!cases)
		return selftest(&f, start);
	ksft_set_plan(1);
	ksft_test_result(run_cases(&f, first, cases), "replies\n");
	report(&f, f.nr - first, start);
	ksft_finished();
}
