// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_OP_OPEN_BY_HANDLE_AT opens the namespaces that the submitter may open,
 * whichever thread executes the request. A worker keeps the namespaces that it
 * was created with when its process calls unshare(2) or setns(2).
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <pthread.h>

#include "nsfs.h"
#include "ring.h"
#include "kselftest_harness.h"

FIXTURE(ns)
{
	struct ring ring;
	const struct ns_kind *kind;
	struct handle left;		/* the namespace that the caller leaves */
	struct handle own;		/* the namespace that it enters */
};

FIXTURE_VARIANT(ns)
{
	enum ns_index index;
	unsigned int setup_flags;
};

FIXTURE_VARIANT_ADD(ns, uts) { .index = NS_UTS };

FIXTURE_VARIANT_ADD(ns, ipc) { .index = NS_IPC };

FIXTURE_VARIANT_ADD(ns, net) { .index = NS_NET };

FIXTURE_VARIANT_ADD(ns, cgroup) { .index = NS_CGROUP };

FIXTURE_VARIANT_ADD(ns, mnt) { .index = NS_MNT };

FIXTURE_VARIANT_ADD(ns, deferred)
{
	.index = NS_UTS,
	.setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(ns, cooperative)
{
	.index = NS_UTS,
	.setup_flags = IORING_SETUP_COOP_TASKRUN,
};

/*
 * A kernel with IORING_OP_OPEN_BY_HANDLE_AT opens namespaces by id alone as well,
 * so the fixture does not skip cases if it does not.
 */
FIXTURE_SETUP(ns)
{
	const char *reason = missing_as_root() ?: nsfs_handles_missing();
	int fd;

	if (reason)
		SKIP(return, "%s", reason);
	self->kind = &ns_kinds[variant->index];
	ASSERT_EQ(keep(ns_own(self->kind), &fd, &self->left), 0);
	close(fd);
	ASSERT_EQ(ring_init(&self->ring, variant->setup_flags), 0);

	/* Create the only worker, which remains. */
	ASSERT_EQ(ring_one_worker(&self->ring), 0);
	fd = ring_open(&self->ring, FD_PIDFS_ROOT, &self->left, O_RDONLY,
		       IOSQE_ASYNC);
	ASSERT_EQ(fd, -ESTALE);

	ASSERT_EQ(unshare(self->kind->type), 0);
	fd = ns_own(self->kind);
	ASSERT_EQ(keep(fd, &fd, &self->own), 0);
	close(fd);
	ASSERT_FALSE(same_handle(&self->own, &self->left));
}

FIXTURE_TEARDOWN(ns)
{
	ring_exit(&self->ring);
}

/* Opens the handle in all ways, and returns the number of wrong results. */
static unsigned int wrong_results(struct ring *ring, const struct handle *fh,
				  int want)
{
	unsigned int i, wrong = 0;
	struct io_uring_sqe *sqe;
	int results[2], ret;

	ret = close_result(decode(FD_NSFS_ROOT, fh, O_RDONLY | O_CLOEXEC));
	wrong += ret != want;
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		ret = close_result(ring_open(ring, FD_NSFS_ROOT, fh,
					     O_RDONLY | O_CLOEXEC,
					     request_flags[i]));
		wrong += ret != want;
		ret = close_result(ring_open(ring, FD_NSFS_ROOT, fh,
					     O_RDONLY | O_CLOEXEC,
					     request_flags[i] | IOSQE_IO_DRAIN));
		wrong += ret != want;
	}

	/* A worker also executes the rest of a chain. */
	sqe = ring_sqe(ring);
	sqe_openat(sqe, AT_FDCWD, "/", O_RDONLY | O_CLOEXEC);
	sqe->flags = IOSQE_ASYNC | IOSQE_IO_LINK;
	sqe = ring_sqe(ring);
	sqe_open(sqe, FD_NSFS_ROOT, fh, O_RDONLY | O_CLOEXEC);
	sqe->user_data = 1;
	if (ring_submit(ring) != 2 || !ring_results(ring, results, 2))
		return ++wrong;
	wrong += close_result(results[0]) != 0;
	wrong += close_result(results[1]) != want;
	return wrong;
}

TEST_F(ns, user_opens_its_namespace)
{
	ASSERT_EQ(become_user(), 0);
	EXPECT_EQ(wrong_results(&self->ring, &self->own, 0), 0U);
	EXPECT_EQ(wrong_results(&self->ring, &self->left, -ESTALE), 0U);
}

/* Root of the initial namespaces may open both. */
TEST_F(ns, root_opens_all_namespaces)
{
	if (!may_see_all())
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(wrong_results(&self->ring, &self->own, 0), 0U);
	EXPECT_EQ(wrong_results(&self->ring, &self->left, 0), 0U);
}

struct attempt {
	int result;		/* 0 if the file is that of the handle */
	bool inlined;
};

static struct attempt open_once(const struct handle *fh)
{
	struct attempt attempt = { .result = RING_BROKEN };
	struct ring ring;
	int fd;

	/* Completions of workers are not posted before the ring waits. */
	if (ring_init(&ring, IORING_SETUP_SINGLE_ISSUER |
			     IORING_SETUP_DEFER_TASKRUN))
		return attempt;
	sqe_open(ring_sqe(&ring), FD_NSFS_ROOT, fh, O_RDONLY | O_CLOEXEC);
	if (ring_submit(&ring) == 1) {
		attempt.inlined = ring_ready(&ring);
		fd = ring_result(&ring);
		if (fd >= 0 && !is_named_by(fd, fh)) {
			close(fd);
			fd = -EBADMSG;
		}
		attempt.result = close_result(fd);
	}
	ring_exit(&ring);
	return attempt;
}

/*
 * The submitter could drop the last reference to a mount namespace, which waits.
 * It has references to its own namespace.
 */
TEST_F(ns, worker_opens_foreign_mount_namespaces)
{
	const bool waits = self->kind->type == CLONE_NEWNS;
	struct handle left[2] = { self->left, self->left };
	struct handle own[2] = { self->own, self->own };
	struct attempt attempt;
	unsigned int i;

	if (!may_see_all())
		SKIP(return, NEEDS_ROOT);
	handle_set_ns(&left[1], handle_ns(&left[0]).ns_id, 0, 0);
	handle_set_ns(&own[1], handle_ns(&own[0]).ns_id, 0, 0);
	for (i = 0; i < 2; i++) {
		attempt = open_once(&own[i]);
		EXPECT_EQ(attempt.result, 0);
		EXPECT_TRUE(attempt.inlined);
		attempt = open_once(&left[i]);
		EXPECT_EQ(attempt.result, 0);
		EXPECT_EQ(attempt.inlined, !waits);
	}

	/* The permission is checked before. */
	ASSERT_EQ(become_user(), 0);
	for (i = 0; i < 2; i++) {
		attempt = open_once(&own[i]);
		EXPECT_EQ(attempt.result, 0);
		EXPECT_TRUE(attempt.inlined);
		attempt = open_once(&left[i]);
		EXPECT_EQ(attempt.result, -ESTALE);
		EXPECT_TRUE(attempt.inlined);
	}
}

/* Flags that modify the filesystem need a worker, also after the submitter. */
TEST_F(ns, flags_that_modify)
{
	static const int flags[] = { O_TRUNC, O_WRONLY | O_TRUNC, O_CREAT };
	unsigned int i, j;
	int want;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		want = close_result(decode(FD_NSFS_ROOT, &self->own, flags[i]));
		for (j = 0; j < ARRAY_SIZE(request_flags); j++) {
			EXPECT_EQ(close_result(ring_open(&self->ring,
							 FD_NSFS_ROOT,
							 &self->own, flags[i],
							 request_flags[j])),
				  want);
		}
	}
}

/* The descriptor of a file of nsfs is a mount as well, also in a slot. */
TEST_F(ns, user_opens_at_a_descriptor)
{
	int fd = ns_own(&ns_kinds[NS_USER]), sqe_flags[4], i;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(ring_register(&self->ring, IORING_REGISTER_FILES, &fd, 1), 0);
	ASSERT_EQ(become_user(), 0);
	for (i = 0; i < 4; i++) {
		sqe_flags[i] = (i & 1 ? IOSQE_ASYNC : 0) |
			       (i & 2 ? IOSQE_FIXED_FILE : 0);
		EXPECT_EQ(close_result(ring_open(&self->ring, i & 2 ? 0 : fd,
						 &self->own, O_RDONLY,
						 sqe_flags[i])), 0);
		EXPECT_EQ(close_result(ring_open(&self->ring, i & 2 ? 0 : fd,
						 &self->left, O_RDONLY,
						 sqe_flags[i])), -ESTALE);
	}
	close(fd);
}

TEST_F(ns, direct_descriptor_and_chain)
{
	struct ring *ring = &self->ring;
	struct io_uring_sqe *sqe;
	int results[2], i;

	ASSERT_EQ(ring_make_table(ring, 1), 0);
	ASSERT_EQ(become_user(), 0);
	for (i = 0; i < 2; i++) {
		const struct handle *fh = i ? &self->left : &self->own;

		sqe = ring_sqe(ring);
		sqe_open(sqe, FD_NSFS_ROOT, fh, O_RDONLY);
		sqe->file_index = 1;
		sqe->flags = IOSQE_ASYNC | IOSQE_IO_LINK;
		sqe = ring_sqe(ring);
		sqe_name(sqe, 0, "", &output, &output_id,
			 AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE);
		output.bytes = HANDLE_MAX;
		sqe->flags = IOSQE_FIXED_FILE;
		sqe->user_data = 1;
		ASSERT_EQ(ring_submit(ring), 2);
		ASSERT_TRUE(ring_results(ring, results, 2));
		EXPECT_EQ(results[0], i ? -ESTALE : 0);
		EXPECT_EQ(results[1], i ? -ECANCELED : 0);
		EXPECT_TRUE(i || same_handle(&output, fh));
	}
}

/* A request that waits for its submitter does not prevent the end of the ring. */
TEST_F(ns, ring_is_closed_with_requests_in_flight)
{
	unsigned int i;

	ASSERT_EQ(become_user(), 0);
	for (i = 0; i < 16; i++) {
		sqe_open(ring_sqe(&self->ring), FD_NSFS_ROOT, &self->own,
			 O_RDONLY | O_CLOEXEC);
		self->ring.sqes[(self->ring.tail - 1) &
				(self->ring.sq_entries - 1)].flags = IOSQE_ASYNC;
	}
	ASSERT_EQ(ring_submit(&self->ring), 16);
}

/* The thread of the ring keeps the namespaces of the task that created it. */
TEST(sqpoll_keeps_the_namespaces_of_the_creator)
{
	const struct ns_kind *kind = &ns_kinds[NS_UTS];
	const char *reason = missing_as_root() ?: nsfs_missing();
	struct handle left, own;
	struct ring ring;
	unsigned int i;
	int fd;

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(keep(ns_own(kind), &fd, &left), 0);
	close(fd);
	ASSERT_EQ(become_user(), 0);
	/* In a new user namespace, the user may unshare. */
	if (unshare(CLONE_NEWUSER))
		SKIP(return, NEEDS_USER_NS);
	ASSERT_EQ(ring_init(&ring, IORING_SETUP_SQPOLL), 0);
	ASSERT_EQ(unshare(kind->type), 0);
	ASSERT_EQ(keep(ns_own(kind), &fd, &own), 0);
	close(fd);
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		EXPECT_EQ(close_result(ring_open(&ring, FD_NSFS_ROOT, &left,
						 O_RDONLY, request_flags[i])), 0);
		EXPECT_EQ(close_result(ring_open(&ring, FD_NSFS_ROOT, &own,
						 O_RDONLY, request_flags[i])),
			  -ESTALE);
	}
	ring_exit(&ring);
}

/*
 * A worker passes requests back to their submitter, which exits.
 */

#define GATE		"gate"
#define NR_PASSED	8

struct submitter {
	struct ring ring;
	unsigned int setup_flags;
	int mount;		/* a namespace that only this descriptor keeps */
	struct handle fh;	/* of the same namespace */
	int ret;
};

/* Submits requests that wait for the only worker. */
static int submit_to_worker(struct submitter *s)
{
	struct io_uring_sqe *sqe;
	struct gate gate;
	int ret, i;

	ret = ring_init(&s->ring, s->setup_flags) ?: ring_one_worker(&s->ring);
	if (ret)
		return ret;
	if (!gate_close(&gate, &s->ring, GATE))
		return -errno;
	for (i = 1; i <= NR_PASSED; i++) {
		sqe = ring_sqe(&s->ring);
		sqe_open(sqe, s->mount, &s->fh, O_RDONLY | O_CLOEXEC);
		sqe->flags = IOSQE_ASYNC;
		sqe->user_data = i;
	}
	return ring_submit(&s->ring) == 1 + NR_PASSED ? 0 : -EIO;
}

/*
 * An exiting thread interrupts its workers and waits for them. They execute the
 * requests in their queue first.
 */
static void *submit_and_exit(void *arg)
{
	struct submitter *s = arg;

	s->ret = submit_to_worker(s);
	return NULL;
}

static int run_submitter(struct submitter *s)
{
	pthread_t id;
	pid_t pid;

	pid = make_namespace(&ns_kinds[NS_UTS], &s->fh);
	if (pid < 0)
		return pid;
	s->mount = decode(FD_NSFS_ROOT, &s->fh, O_RDONLY | O_CLOEXEC);
	kill_and_reap(pid);
	if (s->mount < 0)
		return s->mount;
	if (pthread_create(&id, NULL, submit_and_exit, s) ||
	    pthread_join(id, NULL))
		return -EIO;
	return s->ret;
}

FIXTURE(passed)
{
	struct submitter s;
	int root;
	int nr_fds;
};

FIXTURE_SETUP(passed)
{
	const char *reason = missing_as_root() ?: nsfs_missing();

	if (!reason && !may_see_all())
		reason = NEEDS_ROOT;
	if (reason)
		SKIP(return, "%s", reason);
	self->root = enter_private_tmpfs();
	ASSERT_GE(self->root, 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(passed)
{
	ring_exit(&self->s.ring);
	/* No request keeps the namespace. */
	EXPECT_EQ(close(self->s.mount), 0);
	EXPECT_EQ(wait_until_stale(&self->s.fh), -ESTALE);
	EXPECT_EQ(count_fds(), self->nr_fds);
	EXPECT_EQ(leave_private_tmpfs(self->root), 0);
}

/* The exiting thread cancels what its worker has passed back. */
TEST_F(passed, submitter_exits)
{
	int results[1 + NR_PASSED], i;

	ASSERT_EQ(run_submitter(&self->s), 0);
	ASSERT_TRUE(ring_results(&self->s.ring, results, 1 + NR_PASSED));
	EXPECT_LT(results[0], 0);
	for (i = 1; i <= NR_PASSED; i++)
		EXPECT_EQ(results[i], -ECANCELED) TH_LOG("request %d", i);
}

/*
 * With IORING_SETUP_DEFER_TASKRUN, only the submitter could execute the
 * requests. The end of the ring cancels them.
 */
TEST_F(passed, ring_is_closed_after_its_submitter)
{
	self->s.setup_flags = IORING_SETUP_SINGLE_ISSUER |
			      IORING_SETUP_DEFER_TASKRUN;
	ASSERT_EQ(run_submitter(&self->s), 0);
	EXPECT_EQ(ring_ready(&self->s.ring), 0U);
}

TEST_HARNESS_MAIN
