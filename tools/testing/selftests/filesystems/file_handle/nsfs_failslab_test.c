// SPDX-License-Identifier: GPL-2.0
/*
 * Handles and ioctls of nsfs while allocations fail.
 *
 * NSFS_STRESS_SECONDS is the duration.
 */
#define _GNU_SOURCE
#include "failslab.h"
#include "nsfs.h"
#include "stress.h"
#include "kselftest_harness.h"

#define STRESS_TIMEOUT	280	/* seconds, for a slow machine */

FIXTURE(failslab)
{
	struct failslab fail;
	struct handle fh[NS_KINDS];
	int fds;
};

FIXTURE_SETUP(failslab)
{
	struct handle next;
	const char *reason = nsfs_missing();
	unsigned int i;

	if (reason || !may_test_all())
		SKIP(return, "%s", reason ? : NEEDS_ROOT);
	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
	ASSERT_EQ(failslab_start(&self->fail), 0);
	for (i = 0; i < NS_KINDS; i++)
		ASSERT_GT(make_namespace(&ns_kinds[i], &self->fh[i]), 0);
	/* NS_MNT_GET_NEXT needs a next one. */
	ASSERT_GT(make_namespace(&ns_kinds[NS_MNT], &next), 0);
	self->fds = count_fds();
}

FIXTURE_TEARDOWN(failslab)
{
	failslab_end(&self->fail);
	kill_children();
}

/* Uses a namespace. Returns 0 or a negative errno. */
struct operation {
	const char *name;
	unsigned int type;	/* the only type that supports it, or 0 */
	bool opens;		/* works on a descriptor */
	bool allocates;
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

static int run_id(const struct handle *fh, int fd)
{
	return ns_id(fd) == handle_ns(fh).ns_id ? 0 : -EBADMSG;
}

static int run_type(const struct handle *fh, int fd)
{
	return ns_type(fd) == handle_ns(fh).ns_type ? 0 : -EBADMSG;
}

static int run_owner(const struct handle *fh __maybe_unused, int fd)
{
	uid_t uid;

	return ioctl(fd, NS_GET_OWNER_UID, &uid) ? -errno : 0;
}

static int run_mnt_id(const struct handle *fh, int fd)
{
	__u64 id;

	if (ioctl(fd, NS_GET_MNTNS_ID, &id))
		return -errno;
	return id == handle_ns(fh).ns_id ? 0 : -EBADMSG;
}

/* The first process of the namespace has another ID in that of the test. */
static int first_pid(int fd, unsigned int request)
{
	pid_t pid = ioctl(fd, request, 1);

	if (pid < 0)
		return -errno;
	return pid > 1 ? pid : -EBADMSG;
}

static int first_pid_in(int fd, unsigned int request)
{
	pid_t pid = first_pid(fd, NS_GET_PID_FROM_PIDNS);

	if (pid > 0)
		pid = ioctl(fd, request, pid) == 1 ? 0 : -EBADMSG;
	return pid;
}

static int run_pid_from(const struct handle *fh __maybe_unused, int fd)
{
	int ret = first_pid(fd, NS_GET_PID_FROM_PIDNS);

	return ret < 0 ? ret : 0;
}

static int run_tgid_from(const struct handle *fh __maybe_unused, int fd)
{
	int ret = first_pid(fd, NS_GET_TGID_FROM_PIDNS);

	return ret < 0 ? ret : 0;
}

static int run_pid_in(const struct handle *fh __maybe_unused, int fd)
{
	return first_pid_in(fd, NS_GET_PID_IN_PIDNS);
}

static int run_tgid_in(const struct handle *fh __maybe_unused, int fd)
{
	return first_pid_in(fd, NS_GET_TGID_IN_PIDNS);
}

static const struct operation operations[] = {
	{ "decode", 0, false, true, run_decode },
	{ "decode while open", 0, true, true, run_decode },
	{ "encode", 0, true, false, run_encode },
	{ "NS_GET_USERNS", 0, true, true, run_userns },
	{ "NS_GET_PARENT", CLONE_NEWUSER, true, true, run_parent },
	{ "NS_GET_PARENT", CLONE_NEWPID, true, true, run_parent },
	{ "NS_GET_NSTYPE", 0, true, false, run_type },
	{ "NS_GET_OWNER_UID", CLONE_NEWUSER, true, false, run_owner },
	{ "NS_GET_ID", 0, true, false, run_id },
	{ "NS_GET_MNTNS_ID", CLONE_NEWNS, true, false, run_mnt_id },
	{ "NS_GET_PID_FROM_PIDNS", CLONE_NEWPID, true, false, run_pid_from },
	{ "NS_GET_TGID_FROM_PIDNS", CLONE_NEWPID, true, false, run_tgid_from },
	{ "NS_GET_PID_IN_PIDNS", CLONE_NEWPID, true, false, run_pid_in },
	{ "NS_GET_TGID_IN_PIDNS", CLONE_NEWPID, true, false, run_tgid_in },
	{ "NS_MNT_GET_INFO", CLONE_NEWNS, true, false, run_info },
	{ "NS_MNT_GET_NEXT", CLONE_NEWNS, true, true, run_next },
	{ "NS_MNT_GET_PREV", CLONE_NEWNS, true, true, run_previous },
};

/* All operations still work. */
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
	bool failed;
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
				/* Some allocations are not essential. */
				if (ret)
					ASSERT_EQ(ret, -ENOMEM) {
						TH_LOG("%s %s, allocation %u",
						       op->name,
						       ns_kinds[j].name, nth);
					}
			}
			/* No allocation has failed. */
			ASSERT_EQ(ret, 0);
			ASSERT_LE(nth, (unsigned int)ALLOCATIONS_MAX);
			if (fd >= 0)
				close(fd);
		}
		TH_LOG("%s: %u failures", op->name, failures);
		EXPECT_EQ(op->allocates, failures > 0);
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

/* Runs in a child, because any of its allocations can fail. */
static __noreturn void fail_at_random(const struct handle *fhs,
				      struct tally *tally, unsigned int seed)
{
	__u64 end = now_ms() + stress_seconds() * 250;
	int fd, ret;

	if (write_string("/proc/self/make-it-fail", "1")) {
		tally->other = -ENOENT;
		_exit(1);
	}
	while (now_ms() < end || ((!tally->done || !tally->out_of_memory) &&
				  now_ms() < end + PATIENCE)) {
		const struct operation *op =
			&operations[random_number(&seed) %
				    ARRAY_SIZE(operations)];
		const struct handle *fh =
			&fhs[random_number(&seed) % NS_KINDS];

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
		memset(tallies, 0, 2 * sizeof(*tallies));
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
			EXPECT_GT(tallies[j].done, 0U);
			EXPECT_GT(tallies[j].out_of_memory, 0U);
		}
		expect_health(_metadata, self->fh);
	}
	EXPECT_EQ(count_fds(), self->fds);
}

TEST_HARNESS_MAIN
