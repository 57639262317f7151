// SPDX-License-Identifier: GPL-2.0
/*
 * Detached mounts are in anonymous mount namespaces. These have ids from the
 * same sequence, share one inode number, and cannot be opened.
 */
#define _GNU_SOURCE
#include <sys/mount.h>

#include "ioctl.h"
#include "kselftest_harness.h"
#include "../wrappers.h"

/* Returns the id of the mount namespace that the mount of @fd is in. */
static __u64 mnt_ns_id_of(int fd)
{
	struct mnt_id_req req = {
		.size = MNT_ID_REQ_SIZE_VER1,
		.mnt_fd = fd,
		.param = STATMOUNT_MNT_NS_ID,
	};
	struct statmount sm = {};

	if (syscall(__NR_statmount, &req, &sm, sizeof(sm), STATMOUNT_BY_FD) ||
	    !(sm.mask & STATMOUNT_MNT_NS_ID))
		return 0;
	return sm.mnt_ns_id;
}

static __u64 id_of_new_mnt_ns(void)
{
	int pidfd, fd;
	pid_t pid = paused_child(CLONE_NEWNS, &pidfd);
	__u64 id;

	if (pid < 0)
		return 0;
	fd = ns_of_pidfd(pidfd, &ns_kinds[NS_MNT]);
	id = ns_id(fd);
	close(fd);
	close(pidfd);
	kill_and_reap(pid);
	return id;
}

FIXTURE(anonymous)
{
	__u64 id[3];		/* of namespaces before, between and after */
	int mnt[2];		/* trees of two mounts */
	int bare;		/* a single mount */
};

FIXTURE_SETUP(anonymous)
{
	const char *reason = nsfs_ids_missing();
	unsigned int i;
	int fs;

	if (reason || !may_test_all())
		SKIP(return, "%s", reason ? : NEEDS_ROOT);
	ASSERT_GE(enter_private_tmpfs(), 0);
	ASSERT_EQ(mkdir("below", 0755), 0);
	ASSERT_EQ(mount("file_handle", "below", "tmpfs", 0, NULL), 0);

	for (i = 0; i < 2; i++) {
		self->id[i] = id_of_new_mnt_ns();
		self->mnt[i] = sys_open_tree(AT_FDCWD, TMPFS_DIR, OPEN_TREE_CLONE |
					     AT_RECURSIVE | OPEN_TREE_CLOEXEC);
		ASSERT_GE(self->mnt[i], 0);
	}
	fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
	ASSERT_GE(fs, 0);
	ASSERT_EQ(sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	self->bare = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
	ASSERT_GE(self->bare, 0);
	self->id[2] = id_of_new_mnt_ns();
	for (i = 0; i < 3; i++)
		ASSERT_NE(self->id[i], 0U);
}

FIXTURE_TEARDOWN(anonymous)
{
	kill_children();
}

TEST_F(anonymous, cannot_be_decoded)
{
	__u64 id, nr = 0;
	struct handle fh;

	/* Three anonymous ones, and the one that was created between them. */
	if (self->id[2] - self->id[0] < 5)
		SKIP(return, "needs ids of anonymous mount namespaces");
	for (id = self->id[0] + 1; id < self->id[2]; id++) {
		handle_set_ns(&fh, id, CLONE_NEWNS, MNT_NS_ANON_INO);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh), -ESTALE);
		handle_set_ns(&fh, id, 0, 0);
		if (try_decode(FD_NSFS_ROOT, &fh) == -ESTALE)
			nr++;
	}
	EXPECT_GE(nr, 3U);
}

TEST_F(anonymous, has_an_id)
{
	__u64 id[2] = { mnt_ns_id_of(self->mnt[0]),
			mnt_ns_id_of(self->mnt[1]) };
	struct handle fh;
	unsigned int i;

	if (!id[0])
		SKIP(return, "needs statmount(2) with STATMOUNT_BY_FD");
	EXPECT_NE(id[0], id[1]);
	for (i = 0; i < 2; i++) {
		EXPECT_NE(id[i], self->id[0]);
		EXPECT_NE(id[i], self->id[1]);
		EXPECT_NE(id[i], self->id[2]);
		handle_set_ns(&fh, id[i], 0, 0);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh), -ESTALE);
		handle_set_ns(&fh, id[i], CLONE_NEWNS, MNT_NS_ANON_INO);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh), -ESTALE);
	}
}

/* walk() checks the inode numbers. */
TEST_F(anonymous, is_not_visited_by_a_walk)
{
	const struct ns_id_req req = { .size = sizeof(req), .ns_type = MNT_NS };
	static __u64 ids[MNTNS_MAX];
	int own = ns_own(&ns_kinds[NS_MNT]), first, i, listed;
	unsigned int nr;

	ASSERT_EQ(walk(own, NS_MNT_GET_PREV, ids, &nr, &first), 0);
	ASSERT_EQ(walk(first, NS_MNT_GET_NEXT, ids, &nr, NULL), 0);
	EXPECT_TRUE(is_in(ns_id(own), ids, nr));
	for (i = 0; i < 2; i++)
		EXPECT_FALSE(is_in(mnt_ns_id_of(self->mnt[i]), ids, nr));

	listed = sys_listns(&req, ids, MNTNS_MAX);
	if (listed < 0)
		SKIP(return, "needs listns: %s", strerror(errno));
	for (i = 0; i < 2; i++)
		EXPECT_FALSE(is_in(mnt_ns_id_of(self->mnt[i]), ids, listed));
}

TEST_F(anonymous, mount_is_no_namespace)
{
	const int mnts[] = { self->mnt[0], self->mnt[1], self->bare };
	unsigned int i;
	__u64 id = 0;
	int dir;

	for (i = 0; i < ARRAY_SIZE(mnts); i++) {
		EXPECT_EQ(ask(mnts[i], NS_GET_ID, &id), -EBADF);
		dir = openat(mnts[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ASSERT_GE(dir, 0);
		EXPECT_EQ(ask(dir, NS_GET_ID, &id), -ENOTTY);
		EXPECT_EQ(ask(dir, NS_GET_MNTNS_ID, &id), -ENOTTY);
		EXPECT_EQ(ask(dir, NS_GET_NSTYPE, NULL), -ENOTTY);
		close(dir);
	}
	EXPECT_EQ(id, 0U);
}

TEST(open_tree_namespace_is_an_ordinary_namespace)
{
	struct handle fh;
	const char *reason = nsfs_missing();
	int fd, mnt;

	if (reason || !may_test_all())
		SKIP(return, "%s", reason ? : NEEDS_ROOT);
	fd = sys_open_tree(AT_FDCWD, "/", OPEN_TREE_NAMESPACE |
			   OPEN_TREE_CLOEXEC);
	if (fd < 0)
		SKIP(return, "needs OPEN_TREE_NAMESPACE: %s", strerror(errno));
	EXPECT_EQ(ns_type(fd), (unsigned int)CLONE_NEWNS);
	EXPECT_NE(ns_ino(fd), MNT_NS_ANON_INO);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(is_named_by(fd, &fh));
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh), 0);
	EXPECT_EQ(decode_as(WHO_USER, 0, FD_NSFS_ROOT, &fh), -ESTALE);
	mnt = ask(fd, NS_GET_USERNS, NULL);
	ASSERT_GE(mnt, 0);
	EXPECT_EQ(ns_ino(mnt), USER_NS_INIT_INO);
}

TEST_HARNESS_MAIN
