// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls of mount namespaces: information, and steps to the next and to
 * the previous one in the order of ids.
 */
#define _GNU_SOURCE
#include <sys/mount.h>

#include "ioctl.h"
#include "kselftest_harness.h"

#define MNTNS_CHILDREN	4

FIXTURE(mntns)
{
	int fd[MNTNS_CHILDREN];		/* in the order of ids */
	pid_t child[MNTNS_CHILDREN];
	int own;
};

FIXTURE_SETUP(mntns)
{
	const char *reason = nsfs_ids_missing();
	unsigned int i, at;
	int pidfd, fd;
	pid_t pid;

	if (reason || !may_test_all())
		SKIP(return, "%s", reason ? : NEEDS_ROOT);
	self->own = ns_own(&ns_kinds[NS_MNT]);
	ASSERT_GE(self->own, 0);
	for (i = 0; i < MNTNS_CHILDREN; i++) {
		pid = paused_child(CLONE_NEWNS, &pidfd);
		ASSERT_GT(pid, 0);
		fd = ns_of_pidfd(pidfd, &ns_kinds[NS_MNT]);
		ASSERT_GE(fd, 0);
		close(pidfd);
		for (at = i; at && ns_id(fd) < ns_id(self->fd[at - 1]); at--) {
			self->fd[at] = self->fd[at - 1];
			self->child[at] = self->child[at - 1];
		}
		self->fd[at] = fd;
		self->child[at] = pid;
	}
}

FIXTURE_TEARDOWN(mntns)
{
	kill_children();
}

TEST_F(mntns, info)
{
	struct mnt_ns_info info;

	memset(&info, CANARY, sizeof(info));
	ASSERT_EQ(ask(self->fd[0], NS_MNT_GET_INFO, &info), 0);
	EXPECT_EQ(info.size, (unsigned int)MNT_NS_INFO_SIZE_VER0);
	EXPECT_EQ(info.mnt_ns_id, ns_id(self->fd[0]));
	EXPECT_GT(info.nr_mounts, 0U);
}

TEST_F(mntns, info_counts_the_mounts)
{
	struct mnt_ns_info before, after;
	int i;

	ASSERT_EQ(private_mounts(), 0);
	self->own = ns_own(&ns_kinds[NS_MNT]);
	ASSERT_GE(self->own, 0);
	ASSERT_EQ(ask(self->own, NS_MNT_GET_INFO, &before), 0);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(mount("file_handle", TMPFS_DIR, "tmpfs", 0, NULL),
			  0);
	}
	ASSERT_EQ(ask(self->own, NS_MNT_GET_INFO, &after), 0);
	EXPECT_EQ(after.nr_mounts, before.nr_mounts + 3);
	EXPECT_EQ(after.mnt_ns_id, before.mnt_ns_id);
	ASSERT_EQ(umount2(TMPFS_DIR, MNT_DETACH), 0);
	ASSERT_EQ(ask(self->own, NS_MNT_GET_INFO, &after), 0);
	EXPECT_EQ(after.nr_mounts, before.nr_mounts + 2);
}

/* The root mount of the namespace, which nobody can see, is not counted. */
TEST_F(mntns, info_of_a_single_mount)
{
	struct mnt_ns_info info;

	ASSERT_EQ(private_mounts(), 0);
	ASSERT_EQ(mount("file_handle", TMPFS_DIR, "tmpfs", 0, NULL), 0);
	ASSERT_EQ(chdir(TMPFS_DIR), 0);
	if (syscall(__NR_pivot_root, ".", "."))
		SKIP(return, "needs a root directory that pivot_root(2) can replace");
	ASSERT_EQ(umount2(".", MNT_DETACH), 0);
	self->own = ns_own(&ns_kinds[NS_MNT]);
	ASSERT_GE(self->own, 0);
	ASSERT_EQ(ask(self->own, NS_MNT_GET_INFO, &info), 0);
	EXPECT_EQ(info.nr_mounts, 1U);
}

/* The kernel writes the fields that it knows, and their size. */
TEST_F(mntns, info_of_any_size)
{
	unsigned char *buf = malloc(1 << _IOC_SIZEBITS);
	unsigned int size, i;
	struct mnt_ns_info right, info;

	ASSERT_NE(buf, NULL);
	ASSERT_EQ(ask(self->fd[0], NS_MNT_GET_INFO, &right), 0);
	memset(buf, CANARY, 1 << _IOC_SIZEBITS);
	for (size = 0; size < 1 << _IOC_SIZEBITS; size++) {
		int ret = ask(self->fd[0], with_size(NS_MNT_GET_INFO, size),
			      buf);

		if (size < MNT_NS_INFO_SIZE_VER0) {
			ASSERT_EQ(ret, -ENOTTY) TH_LOG("%u bytes", size);
			ASSERT_EQ(buf[0], CANARY);
			continue;
		}
		ASSERT_EQ(ret, 0) TH_LOG("%u bytes", size);
		memcpy(&info, buf, sizeof(info));
		ASSERT_EQ(info.size, sizeof(info));
		ASSERT_EQ(memcmp(&info, &right, sizeof(info)), 0);
		memset(buf, CANARY, sizeof(info));
	}
	for (i = 0; i < 1 << _IOC_SIZEBITS; i++)
		ASSERT_EQ(buf[i], CANARY);
	free(buf);
}

TEST_F(mntns, info_with_bad_pointer)
{
	unsigned char *end = page_end();
	unsigned int cut;

	EXPECT_EQ(ask(self->fd[0], NS_MNT_GET_INFO, NULL), -EINVAL);
	EXPECT_EQ(ask(self->fd[0], with_size(NS_MNT_GET_INFO, 64), NULL),
		  -EINVAL);
	EXPECT_EQ(ask(self->fd[0], NS_MNT_GET_INFO, (void *)1), -EFAULT);
	EXPECT_EQ(ask(self->fd[0], NS_MNT_GET_INFO, (void *)-1UL), -EFAULT);

	ASSERT_NE(end, NULL);
	EXPECT_EQ(ask(self->fd[0], NS_MNT_GET_INFO, end - 16), 0);
	/* The buffer may be shorter than its announced size. */
	EXPECT_EQ(ask(self->fd[0], with_size(NS_MNT_GET_INFO, 4096), end - 16),
		  0);
	for (cut = 1; cut <= 16; cut++) {
		EXPECT_EQ(ask(self->fd[0], NS_MNT_GET_INFO, end - 16 + cut),
			  -EFAULT) TH_LOG("%u bytes cut off", cut);
	}
}

TEST_F(mntns, info_at_any_alignment)
{
	unsigned char space[32];
	struct mnt_ns_info right;
	unsigned int offset;

	ASSERT_EQ(ask(self->fd[0], NS_MNT_GET_INFO, &right), 0);
	for (offset = 0; offset < 8; offset++) {
		memset(space, CANARY, sizeof(space));
		ASSERT_EQ(ask(self->fd[0], NS_MNT_GET_INFO, space + offset), 0);
		EXPECT_EQ(memcmp(space + offset, &right, sizeof(right)), 0);
		EXPECT_EQ(space[offset + sizeof(right)], CANARY);
		if (offset)
			EXPECT_EQ(space[offset - 1], CANARY);
	}
}

TEST_F(mntns, info_needs_no_privileges)
{
	struct mnt_ns_info *info = shared_memory(sizeof(*info));

	ASSERT_NE(info, NULL);
	EXPECT_EQ(ask_as(WHO_USER, 0, self->fd[0], NS_MNT_GET_INFO, info), 0);
	EXPECT_EQ(info->mnt_ns_id, ns_id(self->fd[0]));
	info->mnt_ns_id = 0;
	EXPECT_EQ(ask_as(WHO_NS_ROOT, CLONE_NEWUSER | CLONE_NEWPID,
			 self->fd[0], NS_MNT_GET_INFO, info), 0);
	EXPECT_EQ(info->mnt_ns_id, ns_id(self->fd[0]));
}

static const unsigned int step_requests[] = {
	NS_MNT_GET_NEXT, NS_MNT_GET_PREV,
};

/* The fixture requires that the caller is in the initial pid namespace. */
static bool initial_ids_are_fixed(void)
{
	int fd = ns_own(&ns_kinds[NS_PID]);
	bool ret = ns_id(fd) == PID_NS_INIT_ID;

	close(fd);
	return ret;
}

/*
 * Walks from the first mount namespace to the last and back, and repeats that
 * if another process has created or destroyed one meanwhile.
 */
TEST_F(mntns, walk_visits_each_once_in_either_direction)
{
	static __u64 there[MNTNS_MAX], back[MNTNS_MAX];
	unsigned int nr_there = 0, nr_back = 0, try, i;
	int first, last;

	for (try = 0; try < 10; try++) {
		ASSERT_EQ(walk(self->own, NS_MNT_GET_PREV, back, &nr_back,
			       &first), 0);
		ASSERT_EQ(walk(first, NS_MNT_GET_NEXT, there, &nr_there, &last),
			  0);
		ASSERT_EQ(walk(last, NS_MNT_GET_PREV, back, &nr_back, NULL), 0);
		close(first);
		close(last);
		for (i = 1; i < nr_there; i++)
			ASSERT_GT(there[i], there[i - 1]);
		for (i = 1; i < nr_back; i++)
			ASSERT_LT(back[i], back[i - 1]);
		if (nr_there != nr_back)
			continue;
		for (i = 0; i < nr_there; i++) {
			if (there[i] != back[nr_back - 1 - i])
				break;
		}
		if (i == nr_there)
			break;
	}
	ASSERT_LT(try, 10U);

	EXPECT_TRUE(is_in(ns_id(self->own), there, nr_there));
	for (i = 0; i < MNTNS_CHILDREN; i++)
		EXPECT_TRUE(is_in(ns_id(self->fd[i]), there, nr_there));
	/* The initial one is the first, if its id is fixed. */
	if (!initial_ids_are_fixed())
		SKIP(return, "needs fixed ids of the initial namespaces");
	EXPECT_EQ(there[0], (unsigned int)MNT_NS_INIT_ID);
	EXPECT_EQ(back[nr_back - 1], (unsigned int)MNT_NS_INIT_ID);
}

TEST_F(mntns, walk_visits_all_that_are_listed)
{
	const struct ns_id_req req = { .size = sizeof(req), .ns_type = MNT_NS };
	static __u64 there[MNTNS_MAX], listed[MNTNS_MAX];
	unsigned int nr_there, try;
	int first, nr;

	for (try = 0; try < 10; try++) {
		nr = sys_listns(&req, listed, MNTNS_MAX);
		if (nr < 0)
			SKIP(return, "needs listns: %s", strerror(errno));
		ASSERT_GT(nr, MNTNS_CHILDREN);
		ASSERT_EQ(walk(self->own, NS_MNT_GET_PREV, there, &nr_there,
			       &first), 0);
		ASSERT_EQ(walk(first, NS_MNT_GET_NEXT, there, &nr_there, NULL),
			  0);
		close(first);
		while (nr && is_in(listed[nr - 1], there, nr_there))
			nr--;
		if (!nr)
			break;
	}
	EXPECT_EQ(nr, 0);
}

TEST_F(mntns, step_opens_the_neighbour)
{
	struct mnt_ns_info info;
	unsigned int i, j;
	int fd, forward;

	/* There can be namespaces of other processes in between. */
	for (i = 0; i + 1 < MNTNS_CHILDREN; i++) {
		fd = dup(self->fd[i]);
		for (j = 0; j < 16 && !same_file(fd, self->fd[i + 1]); j++) {
			forward = ask(fd, NS_MNT_GET_NEXT, &info);
			ASSERT_GE(forward, 0);
			EXPECT_EQ(info.size, sizeof(info));
			EXPECT_EQ(info.mnt_ns_id, ns_id(forward));
			EXPECT_GT(info.nr_mounts, 0U);
			EXPECT_EQ(fcntl(forward, F_GETFD), FD_CLOEXEC);
			EXPECT_EQ(fcntl(forward, F_GETFL) & O_ACCMODE,
				  O_RDONLY);
			close(fd);
			fd = forward;
		}
		EXPECT_TRUE(same_file(fd, self->fd[i + 1]));
		close(fd);
	}
}

TEST_F(mntns, steps_beyond_the_ends_fail)
{
	static __u64 ids[MNTNS_MAX];
	struct mnt_ns_info info;
	unsigned int nr, size;
	int end[2], i, fds;

	ASSERT_EQ(walk(self->own, NS_MNT_GET_NEXT, ids, &nr, &end[0]), 0);
	ASSERT_EQ(walk(self->own, NS_MNT_GET_PREV, ids, &nr, &end[1]), 0);
	fds = count_fds();
	for (i = 0; i < 2; i++) {
		memset(&info, CANARY, sizeof(info));
		EXPECT_EQ(ask(end[i], step_requests[i], &info), -ENOENT);
		EXPECT_EQ(info.size & 0xff, (unsigned int)CANARY);
		/* The pointer is not used. */
		EXPECT_EQ(ask(end[i], step_requests[i], NULL), -ENOENT);
		EXPECT_EQ(ask(end[i], step_requests[i], (void *)1), -ENOENT);
		for (size = 0; size < 32; size++) {
			EXPECT_EQ(ask(end[i], with_size(step_requests[i], size),
				      &info), size < 16 ? -ENOTTY : -ENOENT);
		}
	}
	EXPECT_EQ(count_fds(), fds);
}

TEST_F(mntns, step_with_info_of_any_size)
{
	unsigned char *buf = malloc(1 << _IOC_SIZEBITS);
	unsigned int i, size, at;
	struct mnt_ns_info info;
	int fd;

	ASSERT_NE(buf, NULL);
	for (i = 0; i < 2; i++) {
		for (size = 0; size < 1 << _IOC_SIZEBITS;
		     size += size < 64 ? 1 : 255) {
			memset(buf, CANARY, 1 << _IOC_SIZEBITS);
			fd = ask(self->fd[1], with_size(step_requests[i], size),
				 buf);
			if (size < MNT_NS_INFO_SIZE_VER0) {
				ASSERT_EQ(fd, -ENOTTY);
				ASSERT_EQ(buf[0], CANARY);
				continue;
			}
			ASSERT_GE(fd, 0) TH_LOG("%u bytes", size);
			memcpy(&info, buf, sizeof(info));
			ASSERT_EQ(info.size, sizeof(info));
			ASSERT_EQ(info.mnt_ns_id, ns_id(fd));
			for (at = sizeof(info); at < 1 << _IOC_SIZEBITS; at++)
				ASSERT_EQ(buf[at], CANARY);
			close(fd);
		}
	}
	free(buf);
}

/* Without a pointer, only the descriptor is returned. */
static int step_without_info(int fd, unsigned int request)
{
	struct mnt_ns_info info;
	int with, without, ret;

	with = ask(fd, request, &info);
	without = ask(fd, request, NULL);
	if (without >= 0)
		ret = same_file(with, without) ? 0 : -EBADMSG;
	else
		ret = without;
	close(with);
	close(without);
	return ret;
}

TEST_F(mntns, next_without_info)
{
	int fds = count_fds();

	EXPECT_EQ(step_without_info(self->fd[1], NS_MNT_GET_NEXT), 0);
	EXPECT_EQ(step_without_info(self->fd[1],
				    with_size(NS_MNT_GET_NEXT, 64)), 0);
	EXPECT_EQ(count_fds(), fds);
}

TEST_F(mntns, previous_without_info)
{
	int fds = count_fds();

	EXPECT_EQ(step_without_info(self->fd[1], NS_MNT_GET_PREV), 0);
	EXPECT_EQ(step_without_info(self->fd[1],
				    with_size(NS_MNT_GET_PREV, 64)), 0);
	EXPECT_EQ(count_fds(), fds);
}

TEST_F(mntns, step_with_bad_pointer_leaves_no_descriptor)
{
	unsigned char *end = page_end();
	void *const bad[] = {
		(void *)1, (void *)-1UL, end, end - 1, end - 15, end - 8,
	};
	int fds = count_fds();
	unsigned int i, j;

	ASSERT_NE(end, NULL);
	for (i = 0; i < 2; i++) {
		for (j = 0; j < ARRAY_SIZE(bad); j++) {
			EXPECT_EQ(ask(self->fd[1], step_requests[i], bad[j]),
				  -EFAULT) TH_LOG("pointer %p", bad[j]);
			EXPECT_EQ(ask(self->fd[1],
				      with_size(step_requests[i], 256),
				      bad[j]), -EFAULT);
		}
	}
	EXPECT_EQ(count_fds(), fds);
	/* With one free descriptor, a leak would be noticed. */
	ASSERT_EQ(fill_fds(1), 0);
	for (j = 0; j < 100; j++)
		ASSERT_EQ(ask(self->fd[1], NS_MNT_GET_NEXT, bad[0]), -EFAULT);
	EXPECT_GE(ask(self->fd[1], NS_MNT_GET_NEXT, end - 16), 0);
}

TEST_F(mntns, only_root_may_step)
{
	int uts = ns_own(&ns_kinds[NS_UTS]);
	struct mnt_ns_info info;
	unsigned int i;

	ASSERT_GE(uts, 0);
	for (i = 0; i < 2; i++) {
		const unsigned int request = step_requests[i];

		EXPECT_EQ(ask_as(WHO_SAME, 0, self->fd[1], request, &info), 0);
		EXPECT_EQ(ask_as(WHO_USER, 0, self->fd[1], request, &info),
			  -EPERM);
		EXPECT_EQ(ask_as(WHO_USER, 0, self->own, request, &info),
			  -EPERM);
		EXPECT_EQ(ask_as(WHO_NS_ROOT, CLONE_NEWUSER | CLONE_NEWNS,
				 self->fd[1], request, &info), -EPERM);
		EXPECT_EQ(ask_as(WHO_SAME, CLONE_NEWPID, self->fd[1], request,
				 &info), -EPERM);

		/* The size is checked before permission, the type after it. */
		EXPECT_EQ(ask_as(WHO_USER, 0, uts, request, &info), -EPERM);
		EXPECT_EQ(ask_as(WHO_USER, 0, self->fd[1],
				 with_size(request, 64), &info), -EPERM);
		EXPECT_EQ(ask_as(WHO_USER, 0, self->fd[1],
				 with_size(request, 15), &info), -ENOTTY);
	}
}

static int step_from_own(void *arg)
{
	struct mnt_ns_info info;
	int own = ns_own(&ns_kinds[NS_MNT]);

	return ask(own, *(unsigned int *)arg, &info);
}

TEST_F(mntns, nested_root_may_not_step)
{
	unsigned int request = NS_MNT_GET_PREV;

	EXPECT_EQ(run_as(WHO_NS_ROOT, CLONE_NEWUSER | CLONE_NEWNS |
			 CLONE_NEWPID, step_from_own, &request), -EPERM);
}

TEST_F(mntns, step_from_a_namespace_without_processes)
{
	struct mnt_ns_info info;
	unsigned int i;
	int fd;

	ASSERT_EQ(kill_and_reap(self->child[1]), 0);
	for (i = 0; i < 2; i++) {
		fd = ask(self->fd[1], step_requests[i], &info);
		ASSERT_GE(fd, 0);
		EXPECT_NE(info.mnt_ns_id, ns_id(self->fd[1]));
		close(fd);
	}
}

/* The child is new: the others have inherited descriptors of the first. */
TEST_F(mntns, step_skips_freed_namespaces)
{
	static __u64 ids[MNTNS_MAX];
	unsigned int nr, i;
	int pidfd, fd;
	pid_t pid;
	__u64 id;

	pid = paused_child(CLONE_NEWNS, &pidfd);
	ASSERT_GT(pid, 0);
	fd = ns_of_pidfd(pidfd, &ns_kinds[NS_MNT]);
	ASSERT_GE(fd, 0);
	id = ns_id(fd);
	ASSERT_EQ(walk(self->fd[0], NS_MNT_GET_NEXT, ids, &nr, NULL), 0);
	EXPECT_TRUE(is_in(id, ids, nr));

	ASSERT_EQ(close(fd), 0);
	ASSERT_EQ(kill_and_reap(pid), 0);
	for (i = 0; i < RETRIES; i++) {
		ASSERT_EQ(walk(self->fd[0], NS_MNT_GET_NEXT, ids, &nr, NULL),
			  0);
		if (!is_in(id, ids, nr))
			break;
		usleep(1000);
	}
	EXPECT_FALSE(is_in(id, ids, nr));
	EXPECT_TRUE(is_in(ns_id(self->fd[1]), ids, nr));
}

TEST_HARNESS_MAIN
