// SPDX-License-Identifier: GPL-2.0
/* The ioctls of pid namespaces: translation of pids. */
#define _GNU_SOURCE
#include <pthread.h>

#include "ioctl.h"
#include "kselftest_harness.h"

/* A process with a thread and a child in a new pid namespace. */
struct family {
	pid_t leader;
	pid_t thread;
	pid_t child;
};

FIXTURE(pids)
{
	struct family *inside;	/* pids in the namespace */
	struct family outside;	/* pids in that of the test */
	int pidfd;
	int ns;
};

static void *family_thread(void *arg)
{
	struct family *family = arg;

	__atomic_store_n(&family->thread, syscall(__NR_gettid),
			 __ATOMIC_RELEASE);
	pause_forever();
}

static __noreturn void family_leader(struct family *family, int ready)
{
	pthread_t thread;
	pid_t pid;

	family->leader = getpid();
	pid = fork();
	if (!pid) {
		die_with_parent();
		pause_forever();
	}
	family->child = pid;
	if (pid < 0 || pthread_create(&thread, NULL, family_thread, family))
		_exit(1);
	while (!__atomic_load_n(&family->thread, __ATOMIC_ACQUIRE))
		usleep(1000);
	if (write_nointr(ready, "", 1) != 1)
		_exit(1);
	pause_forever();
}

FIXTURE_SETUP(pids)
{
	const char *reason = nsfs_ids_missing();
	int ready[2];
	char c;

	if (reason)
		SKIP(return, "%s", reason);
	self->inside = shared_memory(sizeof(*self->inside));
	ASSERT_NE(self->inside, NULL);
	ASSERT_EQ(pipe(ready), 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	self->outside.leader = clone_child(is_root() ? CLONE_NEWPID :
					   CLONE_NEWPID | CLONE_NEWUSER,
					   &self->pidfd);
	if (namespaces_missing(self->outside.leader))
		SKIP(return, NEEDS_PID_NS);
	ASSERT_GE(self->outside.leader, 0);
	if (!self->outside.leader)
		family_leader(self->inside, ready[1]);
	close(ready[1]);
	ASSERT_EQ(read_nointr(ready[0], &c, 1), 1);
	self->ns = ns_of_pidfd(self->pidfd, &ns_kinds[NS_PID]);
	ASSERT_GE(self->ns, 0);
}

FIXTURE_TEARDOWN(pids)
{
	kill_children();
}

static unsigned int pidfd_tgid(int pidfd)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_PID };

	return ioctl(pidfd, PIDFD_GET_INFO, &info) ? 0 : info.tgid;
}

TEST_F(pids, leader)
{
	const pid_t inside = self->inside->leader;
	const pid_t outside = self->outside.leader;

	ASSERT_EQ(inside, 1);
	ASSERT_NE(outside, 1);
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_FROM_PIDNS, inside), outside);
	EXPECT_EQ(ask_number(self->ns, NS_GET_TGID_FROM_PIDNS, inside),
		  outside);
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_IN_PIDNS, outside), inside);
	EXPECT_EQ(ask_number(self->ns, NS_GET_TGID_IN_PIDNS, outside), inside);
}

TEST_F(pids, child)
{
	const pid_t inside = self->inside->child;
	pid_t outside;
	int pidfd, ns;

	ASSERT_GT(inside, 1);
	outside = ask_number(self->ns, NS_GET_PID_FROM_PIDNS, inside);
	ASSERT_GT(outside, 0);
	EXPECT_NE(outside, self->outside.leader);
	EXPECT_EQ(ask_number(self->ns, NS_GET_TGID_FROM_PIDNS, inside),
		  outside);
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_IN_PIDNS, outside), inside);
	EXPECT_EQ(ask_number(self->ns, NS_GET_TGID_IN_PIDNS, outside), inside);

	pidfd = sys_pidfd_open(outside, 0);
	ASSERT_GE(pidfd, 0);
	ns = ns_of_pidfd(pidfd, &ns_kinds[NS_PID]);
	ASSERT_GE(ns, 0);
	EXPECT_TRUE(same_file(ns, self->ns));
}

TEST_F(pids, thread)
{
	const pid_t inside = self->inside->thread;
	const pid_t leader = self->outside.leader;
	pid_t outside;
	int pidfd;

	ASSERT_GT(inside, 1);
	outside = ask_number(self->ns, NS_GET_PID_FROM_PIDNS, inside);
	ASSERT_GT(outside, 0);
	EXPECT_NE(outside, leader);
	EXPECT_EQ(ask_number(self->ns, NS_GET_TGID_FROM_PIDNS, inside), leader);
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_IN_PIDNS, outside), inside);
	EXPECT_EQ(ask_number(self->ns, NS_GET_TGID_IN_PIDNS, outside), 1);

	pidfd = sys_pidfd_open(outside, PIDFD_THREAD);
	ASSERT_GE(pidfd, 0);
	EXPECT_EQ(pidfd_to_pid(pidfd), outside);
	EXPECT_EQ(pidfd_tgid(pidfd), (unsigned int)leader);
}

static const unsigned int pid_requests[] = {
	NS_GET_PID_FROM_PIDNS, NS_GET_TGID_FROM_PIDNS,
	NS_GET_PID_IN_PIDNS, NS_GET_TGID_IN_PIDNS,
};

TEST_F(pids, absent)
{
	static const int absent[] = { 0, -1, INT_MIN, INT_MAX, 1 << 22 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(pid_requests); i++) {
		for (j = 0; j < ARRAY_SIZE(absent); j++) {
			EXPECT_EQ(ask_number(self->ns, pid_requests[i],
					     absent[j]), -ESRCH) {
				TH_LOG("request %#x of %d", pid_requests[i],
				       absent[j]);
			}
		}
	}
	/* These exist, but not in that namespace. */
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_IN_PIDNS, getpid()), -ESRCH);
	EXPECT_EQ(ask_number(self->ns, NS_GET_TGID_IN_PIDNS, getpid()), -ESRCH);
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_FROM_PIDNS,
			     self->outside.leader + 100000), -ESRCH);
}

/* A pid is an int, and the argument a long. */
TEST_F(pids, upper_half_of_the_argument_is_ignored)
{
	const pid_t outside = self->outside.leader;
	const __u64 high = 1ULL << 32;

	if (sizeof(long) == sizeof(int))
		SKIP(return, "needs a 64-bit long");
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_FROM_PIDNS, high | 1),
		  outside);
	EXPECT_EQ(ask_number(self->ns, NS_GET_TGID_FROM_PIDNS, high | 1),
		  outside);
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_IN_PIDNS, high | outside), 1);
	EXPECT_EQ(ask_number(self->ns, NS_GET_TGID_IN_PIDNS, high | outside),
		  1);
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_FROM_PIDNS, high), -ESRCH);
}

TEST_F(pids, own_namespace_changes_nothing)
{
	int own = ns_own(&ns_kinds[NS_PID]);
	unsigned int i;

	ASSERT_GE(own, 0);
	for (i = 0; i < ARRAY_SIZE(pid_requests); i++) {
		EXPECT_EQ(ask_number(own, pid_requests[i], getpid()), getpid());
		EXPECT_EQ(ask_number(own, pid_requests[i],
				     self->outside.leader),
			  self->outside.leader);
	}
}

struct translation {
	int fd;
	unsigned int request;
	long arg;
	int ret;
};

static int translate(void *arg)
{
	struct translation *tr = arg;

	tr->ret = ask_number(tr->fd, tr->request, tr->arg);
	return 0;
}

TEST_F(pids, translation_needs_no_privileges)
{
	struct translation *tr = shared_memory(sizeof(*tr));

	ASSERT_NE(tr, NULL);
	tr->fd = self->ns;
	tr->request = NS_GET_PID_FROM_PIDNS;
	tr->arg = 1;
	ASSERT_EQ(run_as(WHO_USER, 0, translate, tr), 0);
	EXPECT_EQ(tr->ret, self->outside.leader);
	tr->request = NS_GET_TGID_IN_PIDNS;
	tr->arg = self->outside.leader;
	ASSERT_EQ(run_as(WHO_USER, 0, translate, tr), 0);
	EXPECT_EQ(tr->ret, 1);
}

/* ESRCH if a process has no pid in the namespace of the caller. */
TEST_F(pids, from_inside_the_namespace)
{
	struct translation *tr = shared_memory(sizeof(*tr));
	int own = ns_own(&ns_kinds[NS_PID]);

	ASSERT_NE(tr, NULL);
	ASSERT_GE(own, 0);
	if (!is_root())
		SKIP(return, NEEDS_INITIAL_ROOT);
	ASSERT_EQ(setns(self->ns, CLONE_NEWPID), 0);

	tr->fd = self->ns;
	tr->request = NS_GET_PID_FROM_PIDNS;
	tr->arg = self->inside->thread;
	ASSERT_EQ(run_as(WHO_SAME, 0, translate, tr), 0);
	EXPECT_EQ(tr->ret, self->inside->thread);
	tr->request = NS_GET_TGID_FROM_PIDNS;
	ASSERT_EQ(run_as(WHO_SAME, 0, translate, tr), 0);
	EXPECT_EQ(tr->ret, 1);

	/* The outer namespace. */
	tr->fd = own;
	tr->request = NS_GET_PID_IN_PIDNS;
	tr->arg = 1;
	ASSERT_EQ(run_as(WHO_SAME, 0, translate, tr), 0);
	EXPECT_EQ(tr->ret, self->outside.leader);
	tr->request = NS_GET_PID_FROM_PIDNS;
	tr->arg = self->outside.leader;
	ASSERT_EQ(run_as(WHO_SAME, 0, translate, tr), 0);
	EXPECT_EQ(tr->ret, 1);
	tr->arg = getpid();
	ASSERT_EQ(run_as(WHO_SAME, 0, translate, tr), 0);
	EXPECT_EQ(tr->ret, -ESRCH);
	tr->request = NS_GET_TGID_FROM_PIDNS;
	ASSERT_EQ(run_as(WHO_SAME, 0, translate, tr), 0);
	EXPECT_EQ(tr->ret, -ESRCH);
}

TEST_F(pids, siblings_have_no_pids_of_each_other)
{
	struct translation *tr = shared_memory(sizeof(*tr));
	unsigned int i;

	ASSERT_NE(tr, NULL);
	if (!is_root())
		SKIP(return, NEEDS_INITIAL_ROOT);
	for (i = 0; i < ARRAY_SIZE(pid_requests); i++) {
		tr->fd = self->ns;
		tr->request = pid_requests[i];
		tr->arg = 1;
		ASSERT_EQ(run_as(WHO_SAME, CLONE_NEWPID, translate, tr), 0);
		EXPECT_EQ(tr->ret, -ESRCH) TH_LOG("request %#x", tr->request);
	}
}

/* A zombie keeps its pids until it is reaped. */
TEST_F(pids, zombie_and_after)
{
	const pid_t outside = self->outside.leader;
	unsigned int i;

	ASSERT_EQ(kill(outside, SIGKILL), 0);
	ASSERT_EQ(sys_waitid(P_PID, outside, NULL, WEXITED | WNOWAIT), 0);
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_FROM_PIDNS, 1), outside);
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_IN_PIDNS, outside), 1);
	ASSERT_EQ(reap_child(outside), 0);
	for (i = 0; i < ARRAY_SIZE(pid_requests); i++) {
		EXPECT_EQ(ask_number(self->ns, pid_requests[i], 1), -ESRCH);
		EXPECT_EQ(ask_number(self->ns, pid_requests[i], outside),
			  -ESRCH);
	}
}

TEST_HARNESS_MAIN
