// SPDX-License-Identifier: GPL-2.0
/* The ioctls that all namespaces support: type, ids, owner and parent. */
#define _GNU_SOURCE
#define NSFS_PROBE nsfs_ids_missing
#include "../file_handle/nsfs_fixture.h"
#include "ioctl.h"

TEST_F(nsfs, type)
{
	EXPECT_EQ(ask(self->ns.fd, NS_GET_NSTYPE, NULL),
		  (int)self->ns.kind->type);
	/* The argument is ignored. */
	EXPECT_EQ(ask(self->ns.fd, NS_GET_NSTYPE, (void *)-1UL),
		  (int)self->ns.kind->type);
}

TEST_F(nsfs, id_does_not_change)
{
	__u64 id[2] = {};
	int fd;

	ASSERT_EQ(ask(self->ns.fd, NS_GET_ID, &id[0]), 0);
	EXPECT_NE(id[0], 0U);
	fd = ns_of_pidfd(self->ns.pidfd, self->ns.kind);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(ask(fd, NS_GET_ID, &id[1]), 0);
	EXPECT_EQ(id[0], id[1]);

	/* Nor while no descriptor is open. */
	close(fd);
	close(self->ns.fd);
	self->ns.fd = ns_of_pidfd(self->ns.pidfd, self->ns.kind);
	ASSERT_GE(self->ns.fd, 0);
	ASSERT_EQ(ask(self->ns.fd, NS_GET_ID, &id[1]), 0);
	EXPECT_EQ(id[0], id[1]);
}

TEST_F(nsfs, id_is_that_of_the_handle)
{
	struct handle fh;
	__u64 id = 0;

	ASSERT_EQ(ask(self->ns.fd, NS_GET_ID, &id), 0);
	ASSERT_EQ(encode(self->ns.fd, &fh), 0);
	EXPECT_EQ(handle_ns(&fh).ns_id, id);
}

/* All types share one sequence of ids. */
TEST(ids_are_unique)
{
	unsigned int nr = 0, i, j;
	__u64 ids[2 * NS_KINDS];
	int pidfd, fd;

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	for (i = 0; i < NS_KINDS; i++) {
		fd = ns_own(&ns_kinds[i]);
		if (fd == -EOPNOTSUPP)
			continue;
		ASSERT_GE(fd, 0);
		ids[nr++] = ns_id(fd);
		ASSERT_GT(paused_child(ns_kinds[i].type, &pidfd), 0);
		fd = ns_of_pidfd(pidfd, &ns_kinds[i]);
		ASSERT_GE(fd, 0);
		ids[nr++] = ns_id(fd);
	}
	for (i = 0; i < nr; i++) {
		EXPECT_NE(ids[i], 0U);
		for (j = 0; j < i; j++)
			EXPECT_NE(ids[i], ids[j]);
	}
	kill_children();
}

TEST_F(nsfs, id_needs_no_privileges)
{
	__u64 *id = shared_memory(sizeof(*id));

	ASSERT_NE(id, NULL);
	EXPECT_EQ(ask_as(WHO_USER, 0, self->ns.fd, NS_GET_ID, id), 0);
	EXPECT_EQ(*id, ns_id(self->ns.fd));
	*id = 0;
	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(ask_as(WHO_NS_ROOT, CLONE_NEWUSER | CLONE_NEWPID, self->ns.fd,
			 NS_GET_ID, id), 0);
	EXPECT_EQ(*id, ns_id(self->ns.fd));
}

TEST_F(nsfs, mntns_id_is_only_for_mount_namespaces)
{
	__u64 id = 0;

	if (self->ns.kind->type == CLONE_NEWNS) {
		EXPECT_EQ(ask(self->ns.fd, NS_GET_MNTNS_ID, &id), 0);
		EXPECT_EQ(id, ns_id(self->ns.fd));
		EXPECT_EQ(ask(self->ns.fd, NS_GET_MNTNS_ID, NULL), -EFAULT);
	} else {
		EXPECT_EQ(ask(self->ns.fd, NS_GET_MNTNS_ID, &id), -EINVAL);
		EXPECT_EQ(id, 0U);
		EXPECT_EQ(ask(self->ns.fd, NS_GET_MNTNS_ID, NULL), -EINVAL);
	}
}

TEST_F(nsfs, initial_namespace_has_a_known_inode_number_and_id)
{
	char path[32], link[32], name[64] = "";

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	/* A user session often has its own mount namespace. */
	if (ns_id(self->ns.own) != self->ns.kind->init_id) {
		int pidfd = sys_pidfd_open(1, 0);

		ASSERT_GE(pidfd, 0);
		self->ns.own = ns_of_pidfd(pidfd, self->ns.kind);
	}
	if (ns_id(self->ns.own) != self->ns.kind->init_id)
		SKIP(return, "needs pid 1 in the initial %s namespace with its fixed id",
		     self->ns.kind->name);
	EXPECT_EQ(ns_ino(self->ns.own), self->ns.kind->init_ino);
	EXPECT_EQ(ns_type(self->ns.own), self->ns.kind->type);

	/* No other namespace has these two numbers. */
	EXPECT_NE(ns_ino(self->ns.fd), self->ns.kind->init_ino);
	EXPECT_NE(ns_id(self->ns.fd), self->ns.kind->init_id);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->ns.own);
	snprintf(link, sizeof(link), "%s:[%u]", self->ns.kind->name,
		 self->ns.kind->init_ino);
	if (readlink(path, name, sizeof(name) - 1) < 0)
		SKIP(return, "needs a mounted procfs");
	EXPECT_STREQ(name, link);
}

TEST_F(nsfs, owner_is_the_user_namespace_of_the_creator)
{
	int fd;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	fd = ask(self->ns.fd, NS_GET_USERNS, NULL);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(ns_type(fd), (unsigned int)CLONE_NEWUSER);
	EXPECT_TRUE(same_file(fd, self->ns.user_ns));
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
}

/* The owner of a new user namespace is its parent. */
TEST_F(nsfs, owner_is_the_new_user_namespace)
{
	int pidfd, user_ns, fd;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_GT(paused_child(CLONE_NEWUSER | self->ns.kind->type, &pidfd), 0);
	self->ns.fd = ns_of_pidfd(pidfd, self->ns.kind);
	ASSERT_GE(self->ns.fd, 0);
	user_ns = self->ns.user_ns;
	if (self->ns.kind->type != CLONE_NEWUSER)
		user_ns = ns_of_pidfd(pidfd, &ns_kinds[NS_USER]);
	ASSERT_GE(user_ns, 0);
	fd = ask(self->ns.fd, NS_GET_USERNS, NULL);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(same_file(fd, user_ns));
	EXPECT_FALSE(same_file(fd, self->ns.fd));

	/* A process cannot open owners of its own user namespace. */
	EXPECT_EQ(ask_as(WHO_SAME, CLONE_NEWUSER, self->ns.fd, NS_GET_USERNS,
			 NULL), -EPERM);
}

TEST_F(nsfs, owner_outside_of_the_user_namespace_is_refused)
{
	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(ask_as(WHO_SAME, CLONE_NEWUSER, self->ns.fd, NS_GET_USERNS,
			 NULL), -EPERM);
	EXPECT_EQ(ask_as(WHO_NS_ROOT, CLONE_NEWUSER, self->ns.fd, NS_GET_USERNS,
			 NULL), -EPERM);
	/* No other privileges are needed. */
	EXPECT_EQ(ask_as(WHO_USER, 0, self->ns.fd, NS_GET_USERNS, NULL), 0);
	EXPECT_EQ(ask_as(WHO_USER, CLONE_NEWPID, self->ns.fd, NS_GET_USERNS,
			 NULL), 0);
}

static int owner_of_own_is_own(void *arg)
{
	const struct ns_kind *kind = arg;
	int own = ns_own(kind);
	int user_ns = ns_own(&ns_kinds[NS_USER]);
	int fd;

	if (own < 0 || user_ns < 0)
		return -ENOENT;
	fd = ask(own, NS_GET_USERNS, NULL);
	/* The owner of a user namespace is its parent. */
	if (kind->type == CLONE_NEWUSER)
		return fd == -EPERM ? 0 : -EPROTO;
	if (fd < 0)
		return fd;
	return same_file(fd, user_ns) ? 0 : -EBADMSG;
}

TEST_F(nsfs, owner_as_seen_from_inside)
{
	void *kind = (void *)self->ns.kind;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(run_as(WHO_NS_ROOT, CLONE_NEWUSER | self->ns.kind->type,
			 owner_of_own_is_own, kind), 0);
	EXPECT_EQ(run_as(WHO_SAME, CLONE_NEWUSER | self->ns.kind->type,
			 owner_of_own_is_own, kind), 0);
}

TEST_F(nsfs, parent)
{
	bool has_parent = self->ns.kind->type == CLONE_NEWUSER ||
			  self->ns.kind->type == CLONE_NEWPID;
	int fd = ask(self->ns.fd, NS_GET_PARENT, NULL);

	if (!has_parent) {
		EXPECT_EQ(fd, -EINVAL);
		EXPECT_EQ(ask_as(WHO_USER, 0, self->ns.fd, NS_GET_PARENT, NULL),
			  -EINVAL);
		return;
	}
	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(same_file(fd, self->ns.own));
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	EXPECT_EQ(ask_as(WHO_USER, 0, self->ns.fd, NS_GET_PARENT, NULL), 0);

	/* The initial one has none, and a parent must be visible. */
	if (ns_id(self->ns.own) == self->ns.kind->init_id)
		EXPECT_EQ(ask(self->ns.own, NS_GET_PARENT, NULL), -EPERM);
	EXPECT_EQ(ask_as(WHO_SAME, self->ns.kind->type, self->ns.fd,
			 NS_GET_PARENT, NULL), -EPERM);
}

/* Checks a nested namespace from inside another one. */
static int grandparent(void *arg)
{
	const struct ns_kind *kind = arg;
	int own = ns_own(kind);
	int pidfd, inner, parent;
	int ret = 0;

	if (own < 0)
		return own;
	if (ask(own, NS_GET_PARENT, NULL) != -EPERM)
		return -EPROTO;
	if (paused_child(kind->type, &pidfd) < 0)
		return -ECHILD;
	inner = ns_of_pidfd(pidfd, kind);
	if (inner < 0)
		return inner;
	parent = ask(inner, NS_GET_PARENT, NULL);
	if (parent < 0)
		ret = parent;
	else if (!same_file(parent, own) || same_file(inner, own))
		ret = -EBADMSG;
	else if (ask(parent, NS_GET_PARENT, NULL) != -EPERM)
		ret = -EPROTO;
	kill_children();
	return ret;
}

TEST(parent_as_seen_from_inside)
{
	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(run_as(WHO_NS_ROOT, CLONE_NEWUSER, grandparent,
			 (void *)&ns_kinds[NS_USER]), 0);
	EXPECT_EQ(run_as(WHO_SAME, CLONE_NEWPID, grandparent,
			 (void *)&ns_kinds[NS_PID]), 0);
}

struct owner_uid {
	int fd;
	uid_t uid;
	int ret;
};

static int ask_owner_uid(void *arg)
{
	struct owner_uid *owner = arg;

	owner->ret = ask(owner->fd, NS_GET_OWNER_UID, &owner->uid);
	return 0;
}

TEST_F(nsfs, owner_uid)
{
	struct owner_uid *owner = shared_memory(sizeof(*owner));
	uid_t uid = NOBODY - 1;

	ASSERT_NE(owner, NULL);
	if (self->ns.kind->type != CLONE_NEWUSER) {
		EXPECT_EQ(ask(self->ns.fd, NS_GET_OWNER_UID, &uid), -EINVAL);
		EXPECT_EQ(uid, (unsigned int)(NOBODY - 1));
		EXPECT_EQ(ask(self->ns.fd, NS_GET_OWNER_UID, NULL), -EINVAL);
		return;
	}
	EXPECT_EQ(ask(self->ns.fd, NS_GET_OWNER_UID, NULL), -EFAULT);
	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(ask(self->ns.fd, NS_GET_OWNER_UID, &uid), 0);
	EXPECT_EQ(uid, 0U);
	EXPECT_EQ(ask(self->ns.own, NS_GET_OWNER_UID, &uid), 0);
	EXPECT_EQ(uid, 0U);

	owner->fd = self->ns.fd;
	owner->uid = 1;
	EXPECT_EQ(run_as(WHO_USER, 0, ask_owner_uid, owner), 0);
	EXPECT_EQ(owner->ret, 0);
	EXPECT_EQ(owner->uid, 0U);
}

/* Creates a user namespace that is owned by @uid. */
static pid_t user_ns_of(uid_t uid, int *pidfd)
{
	struct __clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_PIDFD,
		.pidfd = ptr_to_u64(pidfd),
		.exit_signal = SIGCHLD,
	};
	pid_t pid;

	if (setresuid(-1, uid, 0))
		return -errno;
	pid = sys_clone3(&args, sizeof(args));
	if (!pid) {
		die_with_parent();
		pause_forever();
	}
	if (setresuid(-1, 0, 0))
		return -errno;
	if (pid > 0)
		remember_child(pid);
	return pid;
}

TEST(owner_uid_is_that_of_the_creator)
{
	unsigned char space[12];
	uid_t uid = 4242;
	int pidfd, fd;

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	ASSERT_GT(user_ns_of(uid, &pidfd), 0);
	fd = ns_of_pidfd(pidfd, &ns_kinds[NS_USER]);
	ASSERT_GE(fd, 0);

	memset(space, CANARY, sizeof(space));
	ASSERT_EQ(ask(fd, NS_GET_OWNER_UID, space + 4), 0);
	EXPECT_EQ(memcmp(space + 4, &uid, sizeof(uid)), 0);
	EXPECT_EQ(space[3], CANARY);
	EXPECT_EQ(space[8], CANARY);
	kill_children();
}

/* Users without a mapping are reported as the overflow uid. */
TEST(owner_uid_is_mapped_to_the_user_namespace_of_the_caller)
{
	static const char *const maps[] = {
		"4242 4242 1", "7 4242 1", "0 4242 1", "0 0 1",
	};
	static const uid_t uids[] = { 4242, 7, 0, 65534 };
	struct owner_uid *owner = shared_memory(sizeof(*owner));
	char path[64], c;
	unsigned int i;
	int pidfd, go[2];
	pid_t pid;

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	ASSERT_NE(owner, NULL);
	ASSERT_GT(user_ns_of(4242, &pidfd), 0);
	owner->fd = ns_of_pidfd(pidfd, &ns_kinds[NS_USER]);
	ASSERT_GE(owner->fd, 0);

	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		ASSERT_EQ(pipe(go), 0);
		pid = clone_child(CLONE_NEWUSER, NULL);
		ASSERT_GE(pid, 0);
		if (!pid) {
			if (read_nointr(go[0], &c, 1) != 1)
				_exit(1);
			_exit(ask_owner_uid(owner));
		}
		snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
		if (write_string(path, maps[i]))
			SKIP(break, "needs a mounted procfs");
		owner->uid = 1;
		ASSERT_EQ(write_nointr(go[1], "", 1), 1);
		ASSERT_EQ(reap_child(pid), 0);
		EXPECT_EQ(owner->ret, 0);
		EXPECT_EQ(owner->uid, uids[i]) TH_LOG("map %s", maps[i]);
		close(go[0]);
		close(go[1]);
	}
	kill_children();
}

TEST_F(nsfs, no_file_descriptor_is_left)
{
	struct mnt_ns_info info;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(fill_fds(0), 0);
	EXPECT_EQ(ask(self->ns.fd, NS_GET_USERNS, NULL), -EMFILE);
	if (self->ns.kind->type == CLONE_NEWUSER ||
	    self->ns.kind->type == CLONE_NEWPID)
		EXPECT_EQ(ask(self->ns.fd, NS_GET_PARENT, NULL), -EMFILE);
	if (self->ns.kind->type == CLONE_NEWNS) {
		memset(&info, CANARY, sizeof(info));
		EXPECT_EQ(ask(self->ns.fd, NS_MNT_GET_PREV, &info), -EMFILE);
		EXPECT_EQ(info.size & 0xff, (unsigned int)CANARY);
	}
	/* One is enough. */
	EXPECT_EQ(close(self->ns.own), 0);
	EXPECT_EQ(ask(self->ns.fd, NS_GET_USERNS, NULL), self->ns.own);
}

#define USER_NS_LIMIT	"/proc/sys/user/max_user_namespaces"

/* Clones into a new user namespace as soon as the limit permits that. */
static int wait_for_user_ns(void)
{
	pid_t pid = -ENOSPC;
	int i;

	for (i = 0; i < RETRIES && pid == -ENOSPC; i++) {
		pid = paused_child(CLONE_NEWUSER, NULL);
		if (pid == -ENOSPC)
			usleep(1000);
	}
	return pid;
}

/* Runs in a user namespace of its own, and creates another one. */
static int use_owner_without_descriptor(void *arg __maybe_unused)
{
	int pidfd, uts, ret;
	pid_t pid;

	ret = write_string(USER_NS_LIMIT, "1");
	if (ret)
		return ret;
	pid = paused_child(CLONE_NEWUSER | CLONE_NEWUTS, &pidfd);
	if (pid < 0)
		return pid;
	uts = ns_of_pidfd(pidfd, &ns_kinds[NS_UTS]);
	if (uts < 0)
		return uts;
	ret = fill_fds(0);
	if (ret)
		return ret;
	if (ask(uts, NS_GET_USERNS, NULL) != -EMFILE)
		return -EPROTO;
	if (paused_child(CLONE_NEWUSER, NULL) != -ENOSPC)
		return -EDQUOT;
	close(uts);
	close(pidfd);
	ret = kill_and_reap(pid);
	if (ret)
		return ret;
	pid = wait_for_user_ns();
	kill_children();
	return pid < 0 ? pid : 0;
}

/* A namespace that is never freed counts towards the limit of its creator forever. */
TEST(failed_request_drops_the_owner)
{
	const char *reason = nsfs_ids_missing();

	if (reason || !may_test_all())
		SKIP(return, "%s", reason ? : NEEDS_ROOT);
	if (access(USER_NS_LIMIT, F_OK))
		SKIP(return, "needs " USER_NS_LIMIT);
	EXPECT_EQ(run_as(WHO_NS_ROOT, CLONE_NEWUSER,
			 use_owner_without_descriptor, NULL), 0);
}

TEST_HARNESS_MAIN
