// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls of nsfs: the ids, types and relatives of namespaces, the
 * translation of pids between them, and the way from one mount namespace to
 * the next.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "nsfs.h"
#include "../wrappers.h"

#ifndef STATMOUNT_BY_FD
#define STATMOUNT_BY_FD		0x00000001U
#endif
#ifndef __NR_statmount
#define __NR_statmount		457
#endif
#ifndef __NR_listns
#define __NR_listns		470
#endif

/* Of the kernel alone: no file descriptor of such a namespace can be had. */
#define MNT_NS_ANON_INO		0xeffffff7U

/* All that there are, but for those with a size to choose. */
static const struct {
	const char *name;
	unsigned int request;
	unsigned int type;	/* of namespaces, for those of one alone */
} requests[] = {
	{ "NS_GET_USERNS", NS_GET_USERNS, 0 },
	{ "NS_GET_PARENT", NS_GET_PARENT, 0 },
	{ "NS_GET_NSTYPE", NS_GET_NSTYPE, 0 },
	{ "NS_GET_OWNER_UID", NS_GET_OWNER_UID, CLONE_NEWUSER },
	{ "NS_GET_MNTNS_ID", NS_GET_MNTNS_ID, CLONE_NEWNS },
	{ "NS_GET_PID_FROM_PIDNS", NS_GET_PID_FROM_PIDNS, CLONE_NEWPID },
	{ "NS_GET_TGID_FROM_PIDNS", NS_GET_TGID_FROM_PIDNS, CLONE_NEWPID },
	{ "NS_GET_PID_IN_PIDNS", NS_GET_PID_IN_PIDNS, CLONE_NEWPID },
	{ "NS_GET_TGID_IN_PIDNS", NS_GET_TGID_IN_PIDNS, CLONE_NEWPID },
	{ "NS_GET_ID", NS_GET_ID, 0 },
	{ "NS_MNT_GET_INFO", NS_MNT_GET_INFO, CLONE_NEWNS },
	{ "NS_MNT_GET_NEXT", NS_MNT_GET_NEXT, CLONE_NEWNS },
	{ "NS_MNT_GET_PREV", NS_MNT_GET_PREV, CLONE_NEWNS },
};

static bool is_request(unsigned int request)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		if (request == requests[i].request)
			return true;
	}
	return false;
}

static bool is_extensible(unsigned int request)
{
	return request == NS_MNT_GET_INFO || request == NS_MNT_GET_NEXT ||
	       request == NS_MNT_GET_PREV;
}

static unsigned int with_size(unsigned int request, unsigned int size)
{
	return _IOC(_IOC_DIR(request), _IOC_TYPE(request), _IOC_NR(request),
		    size);
}

/* Returns a negative errno, which is what a test wants to compare. */
static int ask(int fd, unsigned int request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

static int ask_number(int fd, unsigned int request, long arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

/* The same as somebody else; what it returns has to fit an exit status. */
struct ask_args {
	int fd;
	unsigned int request;
	void *arg;
};

static int ask_in_child(void *arg)
{
	const struct ask_args *args = arg;
	int ret = ask(args->fd, args->request, args->arg);

	/* Neither descriptors nor pids fit. */
	return ret < 0 ? ret : 0;
}

static int ask_as(enum who who, __u64 flags, int fd, unsigned int request,
		  void *arg)
{
	struct ask_args args = { .fd = fd, .request = request, .arg = arg };

	return run_as(who, flags, ask_in_child, &args);
}

/*
 * A namespace of a child, where the test may make those, and else the one that
 * the test is in.
 */
struct subject {
	const struct ns_kind *kind;
	bool foreign;		/* it is the child's alone */
	pid_t child;
	int pidfd;
	int fd;
	int own;		/* the one of the test */
	int user_ns;		/* the user namespace of the test */
};

static int subject_init(struct subject *ns, enum ns_index index)
{
	ns->kind = &ns_kinds[index];
	ns->foreign = may_test_all();
	ns->child = paused_child(ns->foreign ? ns->kind->type : 0, &ns->pidfd);
	if (ns->child < 0)
		return ns->child;
	ns->fd = ns_of_pidfd(ns->pidfd, ns->kind);
	if (ns->fd < 0)
		return ns->fd;
	ns->own = ns_own(ns->kind);
	ns->user_ns = ns_own(&ns_kinds[NS_USER]);
	return ns->own < 0 || ns->user_ns < 0 ? -ENOENT : 0;
}

/* For what depends on the type: one of each. */
FIXTURE(nsfs)
{
	struct subject ns;
};

FIXTURE_VARIANT(nsfs)
{
	enum ns_index index;
};

FIXTURE_VARIANT_ADD(nsfs, cgroup) { .index = NS_CGROUP };
FIXTURE_VARIANT_ADD(nsfs, ipc) { .index = NS_IPC };
FIXTURE_VARIANT_ADD(nsfs, mnt) { .index = NS_MNT };
FIXTURE_VARIANT_ADD(nsfs, net) { .index = NS_NET };
FIXTURE_VARIANT_ADD(nsfs, pid) { .index = NS_PID };
FIXTURE_VARIANT_ADD(nsfs, time) { .index = NS_TIME };
FIXTURE_VARIANT_ADD(nsfs, user) { .index = NS_USER };
FIXTURE_VARIANT_ADD(nsfs, uts) { .index = NS_UTS };

FIXTURE_SETUP(nsfs)
{
	int ret = subject_init(&self->ns, variant->index);

	if (ret == -EOPNOTSUPP)
		SKIP(return, "no %s namespaces here", self->ns.kind->name);
	ASSERT_EQ(ret, 0);
}

FIXTURE_TEARDOWN(nsfs)
{
	kill_children();
}

/* For what does not: a mount namespace, which has the most requests. */
FIXTURE(request)
{
	struct subject ns;
};

FIXTURE_SETUP(request)
{
	ASSERT_EQ(subject_init(&self->ns, NS_MNT), 0);
}

FIXTURE_TEARDOWN(request)
{
	kill_children();
}

/* ---- type and id ---- */

TEST_F(nsfs, type)
{
	EXPECT_EQ(ask(self->ns.fd, NS_GET_NSTYPE, NULL),
		  (int)self->ns.kind->type);
	/* It takes no argument. */
	EXPECT_EQ(ask(self->ns.fd, NS_GET_NSTYPE, (void *)-1UL),
		  (int)self->ns.kind->type);
}

TEST_F(nsfs, id_is_the_same_all_the_time)
{
	__u64 id[2] = {};
	int fd;

	ASSERT_EQ(ask(self->ns.fd, NS_GET_ID, &id[0]), 0);
	EXPECT_NE(id[0], 0);
	fd = ns_of_pidfd(self->ns.pidfd, self->ns.kind);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(ask(fd, NS_GET_ID, &id[1]), 0);
	EXPECT_EQ(id[0], id[1]);

	/* Also if there was no descriptor of it in between. */
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

/* All types take theirs from one row of numbers. */
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
		EXPECT_NE(ids[i], 0);
		for (j = 0; j < i; j++)
			EXPECT_NE(ids[i], ids[j]);
	}
	kill_children();
}

TEST_F(nsfs, id_is_told_to_anybody_with_a_descriptor)
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

TEST_F(request, id_is_eight_bytes_at_any_place)
{
	unsigned char *end = page_end();
	unsigned char space[24];
	unsigned int offset, i;
	__u64 id = ns_id(self->ns.fd);

	for (offset = 0; offset < 8; offset++) {
		memset(space, CANARY, sizeof(space));
		ASSERT_EQ(ask(self->ns.fd, NS_GET_ID, space + offset), 0);
		EXPECT_EQ(memcmp(space + offset, &id, sizeof(id)), 0);
		for (i = 0; i < sizeof(space); i++) {
			if (i < offset || i >= offset + sizeof(id))
				ASSERT_EQ(space[i], CANARY);
		}
	}

	ASSERT_NE(end, NULL);
	EXPECT_EQ(ask(self->ns.fd, NS_GET_ID, end - 8), 0);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(ask(self->ns.fd, NS_GET_ID, end - i), -EFAULT);
	EXPECT_EQ(ask(self->ns.fd, NS_GET_ID, NULL), -EFAULT);
	EXPECT_EQ(ask(self->ns.fd, NS_GET_ID, (void *)-1UL), -EFAULT);
}

TEST_F(nsfs, old_id_is_for_mount_namespaces_alone)
{
	__u64 id = 0;

	if (self->ns.kind->type == CLONE_NEWNS) {
		EXPECT_EQ(ask(self->ns.fd, NS_GET_MNTNS_ID, &id), 0);
		EXPECT_EQ(id, ns_id(self->ns.fd));
		EXPECT_EQ(ask(self->ns.fd, NS_GET_MNTNS_ID, NULL), -EFAULT);
	} else {
		EXPECT_EQ(ask(self->ns.fd, NS_GET_MNTNS_ID, &id), -EINVAL);
		EXPECT_EQ(id, 0);
		EXPECT_EQ(ask(self->ns.fd, NS_GET_MNTNS_ID, NULL), -EINVAL);
	}
}

/* ---- the initial ones ---- */

TEST_F(nsfs, initial_namespace_has_a_known_inode_number_and_id)
{
	char path[32], link[32], name[64] = "";

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	/* A mount namespace is often that of a user's session. */
	if (ns_id(self->ns.own) != self->ns.kind->init_id) {
		int pidfd = sys_pidfd_open(1, 0);

		ASSERT_GE(pidfd, 0);
		self->ns.own = ns_of_pidfd(pidfd, self->ns.kind);
	}
	if (ns_id(self->ns.own) != self->ns.kind->init_id)
		SKIP(return, "the first process is not in the initial one");
	EXPECT_EQ(ns_ino(self->ns.own), self->ns.kind->init_ino);
	EXPECT_EQ(ns_type(self->ns.own), self->ns.kind->type);

	/* The two known numbers are never those of others. */
	EXPECT_NE(ns_ino(self->ns.fd), self->ns.kind->init_ino);
	EXPECT_NE(ns_id(self->ns.fd), self->ns.kind->init_id);

	/* That is also how it is written. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->ns.own);
	snprintf(link, sizeof(link), "%s:[%u]", self->ns.kind->name,
		 self->ns.kind->init_ino);
	if (readlink(path, name, sizeof(name) - 1) < 0)
		SKIP(return, "needs a mounted procfs");
	EXPECT_STREQ(name, link);
}

/* ---- the owner ---- */

TEST_F(nsfs, owner_is_the_user_namespace_it_was_made_in)
{
	int fd;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	fd = ask(self->ns.fd, NS_GET_USERNS, NULL);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(ns_type(fd), CLONE_NEWUSER);
	EXPECT_TRUE(same_file(fd, self->ns.user_ns));
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
}

/* A user namespace is made with itself, but owned by the one around it. */
TEST_F(nsfs, owner_is_the_user_namespace_made_with_it)
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

	/* Up to the own user namespace, and no further. */
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
	/* Otherwise anybody may know. */
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
	/* Of that itself, it is the one around it. */
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

/* ---- the parent ---- */

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

	/* The initial one has none, and others none that is to be seen. */
	if (ns_id(self->ns.own) == self->ns.kind->init_id)
		EXPECT_EQ(ask(self->ns.own, NS_GET_PARENT, NULL), -EPERM);
	EXPECT_EQ(ask_as(WHO_SAME, self->ns.kind->type, self->ns.fd,
			 NS_GET_PARENT, NULL), -EPERM);
}

/* Two nested namespaces, as seen from the outer one and from the inner one. */
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

/* ---- the owner's user id ---- */

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
		EXPECT_EQ(uid, NOBODY - 1);
		EXPECT_EQ(ask(self->ns.fd, NS_GET_OWNER_UID, NULL), -EINVAL);
		return;
	}
	EXPECT_EQ(ask(self->ns.fd, NS_GET_OWNER_UID, NULL), -EFAULT);
	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(ask(self->ns.fd, NS_GET_OWNER_UID, &uid), 0);
	EXPECT_EQ(uid, 0);
	EXPECT_EQ(ask(self->ns.own, NS_GET_OWNER_UID, &uid), 0);
	EXPECT_EQ(uid, 0);

	owner->fd = self->ns.fd;
	owner->uid = 1;
	EXPECT_EQ(run_as(WHO_USER, 0, ask_owner_uid, owner), 0);
	EXPECT_EQ(owner->ret, 0);
	EXPECT_EQ(owner->uid, 0);
}

/* A user namespace that belongs to somebody. */
static pid_t user_ns_of(uid_t uid, int *pidfd)
{
	struct __clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_PIDFD,
		.pidfd = ptr_to_u64(pidfd),
		.exit_signal = SIGCHLD,
	};
	pid_t pid;
	int slot;

	if (setresuid(-1, uid, 0))
		return -errno;
	pid = sys_clone3(&args, sizeof(args));
	if (!pid) {
		die_with_parent();
		pause_forever();
	}
	if (setresuid(-1, 0, 0))
		return -errno;
	for (slot = 0; pid > 0 && slot < CHILDREN_MAX; slot++) {
		if (!children[slot]) {
			children[slot] = pid;
			break;
		}
	}
	return pid;
}

TEST(owner_uid_is_that_of_the_maker)
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

/* As the caller's user namespace has it, or what stands for no such user. */
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

/* ---- what is not for this type, and what is not for any ---- */

TEST_F(nsfs, request_of_another_type_is_invalid)
{
	unsigned char buf[64];
	unsigned int i, j;
	int refused;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		if (!requests[i].type ||
		    requests[i].type == self->ns.kind->type)
			continue;
		refused = -EINVAL;
		/* Permissions come first. */
		if (!may_see_all() && is_extensible(requests[i].request) &&
		    requests[i].request != NS_MNT_GET_INFO)
			refused = -EPERM;
		memset(buf, CANARY, sizeof(buf));
		EXPECT_EQ(ask(self->ns.fd, requests[i].request, buf), refused) {
			TH_LOG("%s", requests[i].name);
		}
		EXPECT_EQ(ask(self->ns.fd, requests[i].request, NULL),
			  refused) {
			TH_LOG("%s with NULL", requests[i].name);
		}
		for (j = 0; j < sizeof(buf); j++)
			ASSERT_EQ(buf[j], CANARY);
	}
}

TEST_F(request, unknown_request)
{
	unsigned int nr, dir, request;

	for (nr = 0; nr < 256; nr++) {
		for (dir = 0; dir < 4; dir++) {
			request = _IOC(dir, NSIO, nr, 0);
			if (is_request(request))
				continue;
			EXPECT_EQ(ask(self->ns.fd, request, NULL), -ENOTTY) {
				TH_LOG("request %#x", request);
			}
		}
	}
	EXPECT_EQ(ask(self->ns.fd, PIDFD_GET_NET_NAMESPACE, NULL), -ENOTTY);
}

TEST_F(request, request_with_wrong_letter_or_direction)
{
	static const unsigned int letters[] = { NSIO - 1, NSIO + 1, 0xff };
	unsigned int i, j, request;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		const unsigned int right = requests[i].request;

		for (j = 0; j < ARRAY_SIZE(letters); j++) {
			request = _IOC(_IOC_DIR(right), letters[j],
				       _IOC_NR(right), _IOC_SIZE(right));
			EXPECT_EQ(ask(self->ns.fd, request, NULL), -ENOTTY) {
				TH_LOG("%s as %#x", requests[i].name, request);
			}
		}
		for (j = 0; j < 4; j++) {
			request = _IOC(j, NSIO, _IOC_NR(right),
				       _IOC_SIZE(right));
			if (request == right)
				continue;
			EXPECT_EQ(ask(self->ns.fd, request, NULL), -ENOTTY) {
				TH_LOG("%s as %#x", requests[i].name, request);
			}
		}
	}
}

TEST_F(request, request_with_wrong_size)
{
	unsigned int i, size;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		const unsigned int right = requests[i].request;
		unsigned int end = 1 << _IOC_SIZEBITS;

		/* Those that can grow cannot shrink. */
		if (is_extensible(right))
			end = MNT_NS_INFO_SIZE_VER0;
		for (size = 0; size < end; size += size < 64 ? 1 : 63) {
			if (size == _IOC_SIZE(right))
				continue;
			ASSERT_EQ(ask(self->ns.fd, with_size(right, size),
				      NULL), -ENOTTY) {
				TH_LOG("%s with %u bytes", requests[i].name,
				       size);
			}
		}
	}
}

/* Take all file descriptors that there are, but for @spare. */
static int fill_fds(unsigned int spare)
{
	const struct rlimit limit = { .rlim_cur = 128, .rlim_max = 128 };
	int fd, last = -1;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	while ((fd = dup(0)) >= 0)
		last = fd;
	if (errno != EMFILE)
		return -errno;
	while (spare--)
		close(last--);
	return 0;
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
		EXPECT_EQ(info.size & 0xff, CANARY);
	}
	/* One is enough. */
	EXPECT_EQ(close(self->ns.own), 0);
	EXPECT_EQ(ask(self->ns.fd, NS_GET_USERNS, NULL), self->ns.own);
}

/* ---- pids ---- */

/* A process with a thread and a child, in a pid namespace of their own. */
struct family {
	pid_t leader;
	pid_t thread;
	pid_t child;
};

FIXTURE(pids)
{
	struct family *inside;	/* as the namespace has them */
	struct family outside;	/* as the test has them */
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
	int ready[2];
	char c;

	self->inside = shared_memory(sizeof(*self->inside));
	ASSERT_NE(self->inside, NULL);
	ASSERT_EQ(pipe(ready), 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	self->outside.leader = clone_child(is_root() ? CLONE_NEWPID :
					   CLONE_NEWPID | CLONE_NEWUSER,
					   &self->pidfd);
	if (namespaces_missing(self->outside.leader))
		SKIP(return, "needs to create pid namespaces");
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

	/* It is a process of that namespace. */
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
	/* There are some, but not there. */
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_IN_PIDNS, getpid()), -ESRCH);
	EXPECT_EQ(ask_number(self->ns, NS_GET_TGID_IN_PIDNS, getpid()), -ESRCH);
	EXPECT_EQ(ask_number(self->ns, NS_GET_PID_FROM_PIDNS,
			     self->outside.leader + 100000), -ESRCH);
}

/* A pid is an int, whatever the register has room for. */
TEST_F(pids, upper_half_of_the_argument_is_ignored)
{
	const pid_t outside = self->outside.leader;
	const __u64 high = 1ULL << 32;

	if (sizeof(long) == sizeof(int))
		SKIP(return, "the argument has no upper half");
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

TEST_F(pids, anybody_may_translate)
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

/* What the caller's namespace has no pid for cannot be told to it. */
TEST_F(pids, from_inside_the_namespace)
{
	struct translation *tr = shared_memory(sizeof(*tr));
	int own = ns_own(&ns_kinds[NS_PID]);

	ASSERT_NE(tr, NULL);
	ASSERT_GE(own, 0);
	if (!is_root())
		SKIP(return, "needs root");
	ASSERT_EQ(setns(self->ns, CLONE_NEWPID), 0);

	/* The same family, among itself. */
	tr->fd = self->ns;
	tr->request = NS_GET_PID_FROM_PIDNS;
	tr->arg = self->inside->thread;
	ASSERT_EQ(run_as(WHO_SAME, 0, translate, tr), 0);
	EXPECT_EQ(tr->ret, self->inside->thread);
	tr->request = NS_GET_TGID_FROM_PIDNS;
	ASSERT_EQ(run_as(WHO_SAME, 0, translate, tr), 0);
	EXPECT_EQ(tr->ret, 1);

	/* With the namespace around it. */
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

TEST_F(pids, siblings_have_nothing_to_tell_each_other)
{
	struct translation *tr = shared_memory(sizeof(*tr));
	unsigned int i;

	ASSERT_NE(tr, NULL);
	if (!is_root())
		SKIP(return, "needs root");
	for (i = 0; i < ARRAY_SIZE(pid_requests); i++) {
		tr->fd = self->ns;
		tr->request = pid_requests[i];
		tr->arg = 1;
		ASSERT_EQ(run_as(WHO_SAME, CLONE_NEWPID, translate, tr), 0);
		EXPECT_EQ(tr->ret, -ESRCH) TH_LOG("request %#x", tr->request);
	}
}

/* A zombie has its pids until it is reaped. */
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

/* ---- mount namespaces ---- */

#define MNTNS_CHILDREN	4
#define MNTNS_MAX	1024

FIXTURE(mntns)
{
	int fd[MNTNS_CHILDREN];		/* in the order of the ids */
	pid_t child[MNTNS_CHILDREN];
	int own;
};

FIXTURE_SETUP(mntns)
{
	unsigned int i, at;
	int pidfd, fd;
	pid_t pid;

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
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

/* ---- information ---- */

TEST_F(mntns, info)
{
	struct mnt_ns_info info;

	memset(&info, CANARY, sizeof(info));
	ASSERT_EQ(ask(self->fd[0], NS_MNT_GET_INFO, &info), 0);
	EXPECT_EQ(info.size, MNT_NS_INFO_SIZE_VER0);
	EXPECT_EQ(info.mnt_ns_id, ns_id(self->fd[0]));
	EXPECT_GT(info.nr_mounts, 0);
}

TEST_F(mntns, info_counts_the_mounts)
{
	struct mnt_ns_info before, after;
	int i;

	ASSERT_EQ(unshare(CLONE_NEWNS), 0);
	ASSERT_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	self->own = ns_own(&ns_kinds[NS_MNT]);
	ASSERT_GE(self->own, 0);
	ASSERT_EQ(ask(self->own, NS_MNT_GET_INFO, &before), 0);
	for (i = 0; i < 3; i++) {
		if (mount("file_handle", "/tmp", "tmpfs", 0, NULL))
			SKIP(return, "cannot mount a tmpfs: %s",
			     strerror(errno));
	}
	ASSERT_EQ(ask(self->own, NS_MNT_GET_INFO, &after), 0);
	EXPECT_EQ(after.nr_mounts, before.nr_mounts + 3);
	EXPECT_EQ(after.mnt_ns_id, before.mnt_ns_id);
	ASSERT_EQ(umount2("/tmp", MNT_DETACH), 0);
	ASSERT_EQ(ask(self->own, NS_MNT_GET_INFO, &after), 0);
	EXPECT_EQ(after.nr_mounts, before.nr_mounts + 2);
}

/* Of a larger structure, what is known is written, and its size. */
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

TEST_F(mntns, info_needs_a_good_pointer)
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
	/* The room that is announced is not all needed. */
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

TEST_F(mntns, info_is_told_to_anybody_with_a_descriptor)
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

/* ---- from one to the next ---- */

static const unsigned int step_requests[] = {
	NS_MNT_GET_NEXT, NS_MNT_GET_PREV,
};

/* Go on until there are no more; returns a negative errno other than that. */
static int walk(int start, unsigned int request, __u64 *ids, unsigned int *nr,
		int *last)
{
	int fd = dup(start), next;

	for (*nr = 0; *nr < MNTNS_MAX;) {
		struct mnt_ns_info info = {};

		ids[(*nr)++] = ns_id(fd);
		next = ask(fd, request, &info);
		if (next == -ENOENT)
			break;
		if (next < 0)
			return next;
		close(fd);
		fd = next;
		if (info.mnt_ns_id != ns_id(fd) ||
		    ns_type(fd) != CLONE_NEWNS ||
		    ns_ino(fd) == MNT_NS_ANON_INO)
			return -EBADMSG;
	}
	if (*nr == MNTNS_MAX)
		return -E2BIG;
	if (last)
		*last = fd;
	else
		close(fd);
	return 0;
}

static bool is_in(__u64 id, const __u64 *ids, unsigned int nr)
{
	while (nr) {
		if (ids[--nr] == id)
			return true;
	}
	return false;
}

/*
 * All mount namespaces in the order of their ids, from the first to the last
 * and back: the same, unless somebody else has made or left one meanwhile.
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
	ASSERT_LT(try, 10);

	EXPECT_TRUE(is_in(ns_id(self->own), there, nr_there));
	for (i = 0; i < MNTNS_CHILDREN; i++)
		EXPECT_TRUE(is_in(ns_id(self->fd[i]), there, nr_there));
	/* The initial one is the oldest. */
	EXPECT_EQ(there[0], MNT_NS_INIT_ID);
	EXPECT_EQ(back[nr_back - 1], MNT_NS_INIT_ID);
}

static int sys_listns(const struct ns_id_req *req, __u64 *ids, size_t nr)
{
	return syscall(__NR_listns, req, ids, nr, 0);
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

	/* There may be some of others in between. */
	for (i = 0; i + 1 < MNTNS_CHILDREN; i++) {
		fd = dup(self->fd[i]);
		for (j = 0; j < 16 && !same_file(fd, self->fd[i + 1]); j++) {
			forward = ask(fd, NS_MNT_GET_NEXT, &info);
			ASSERT_GE(forward, 0);
			EXPECT_EQ(info.size, sizeof(info));
			EXPECT_EQ(info.mnt_ns_id, ns_id(forward));
			EXPECT_GT(info.nr_mounts, 0);
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

TEST_F(mntns, nothing_is_beyond_the_ends)
{
	static __u64 ids[MNTNS_MAX];
	struct mnt_ns_info info;
	unsigned int nr, size;
	int end[2], i, fds;

	/* The last one has to be ours. */
	ASSERT_EQ(walk(self->own, NS_MNT_GET_NEXT, ids, &nr, &end[0]), 0);
	ASSERT_EQ(walk(self->own, NS_MNT_GET_PREV, ids, &nr, &end[1]), 0);
	fds = count_fds();
	for (i = 0; i < 2; i++) {
		memset(&info, CANARY, sizeof(info));
		EXPECT_EQ(ask(end[i], step_requests[i], &info), -ENOENT);
		EXPECT_EQ(info.size & 0xff, CANARY);
		/* There is nothing to tell about, wherever that is to go. */
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

/* No information asked for: the file descriptor alone. */
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
	/* Nor is one lost that has no number any more. */
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

		/* That is found out after the size, and before the type. */
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

TEST_F(mntns, nested_root_may_not_step_even_from_its_own)
{
	unsigned int request = NS_MNT_GET_PREV;

	EXPECT_EQ(run_as(WHO_NS_ROOT, CLONE_NEWUSER | CLONE_NEWNS |
			 CLONE_NEWPID, step_from_own, &request), -EPERM);
}

TEST_F(mntns, step_from_where_nobody_is)
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

/* A new child, as the others have inherited the descriptors of the first. */
TEST_F(mntns, step_passes_over_those_that_are_gone)
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

/* ---- anonymous mount namespaces ---- */

/* The mount namespace of what @fd refers to, by all that can be seen of it. */
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

/*
 * A detached mount is in a mount namespace of its own. That has an id from the
 * same row of numbers, and an inode number that is the same for all, but it is
 * not to be had.
 */
FIXTURE(anonymous)
{
	__u64 id[3];		/* before, between and after the mounts */
	int mnt[2];		/* with another one below */
	int bare;		/* all by itself */
};

FIXTURE_SETUP(anonymous)
{
	unsigned int i;
	int fs;

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(unshare(CLONE_NEWNS), 0);
	ASSERT_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	if (mount("file_handle", "/tmp", "tmpfs", 0, NULL))
		SKIP(return, "cannot mount a tmpfs: %s", strerror(errno));
	ASSERT_EQ(mkdir("/tmp/below", 0755), 0);
	ASSERT_EQ(mount("file_handle", "/tmp/below", "tmpfs", 0, NULL), 0);

	for (i = 0; i < 2; i++) {
		self->id[i] = id_of_new_mnt_ns();
		self->mnt[i] = sys_open_tree(AT_FDCWD, "/tmp", OPEN_TREE_CLONE |
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
		ASSERT_NE(self->id[i], 0);
}

FIXTURE_TEARDOWN(anonymous)
{
	kill_children();
}

TEST_F(anonymous, cannot_be_decoded)
{
	__u64 id, nr = 0;
	struct handle fh;

	for (id = self->id[0] + 1; id < self->id[2]; id++) {
		handle_set_ns(&fh, id, CLONE_NEWNS, MNT_NS_ANON_INO);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh), -ESTALE);
		handle_set_ns(&fh, id, 0, 0);
		if (try_decode(FD_NSFS_ROOT, &fh) == -ESTALE)
			nr++;
	}
	/* Three anonymous ones, and the one between them that is gone. */
	EXPECT_GE(nr, 3);
}

TEST_F(anonymous, has_an_id)
{
	__u64 id[2] = { mnt_ns_id_of(self->mnt[0]),
			mnt_ns_id_of(self->mnt[1]) };
	struct handle fh;
	unsigned int i;

	if (!id[0])
		SKIP(return, "needs statmount by descriptor");
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

/* walk() looks at the inode numbers. */
TEST_F(anonymous, is_not_walked_by)
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
	EXPECT_EQ(id, 0);
}

/* Unlike that, this is one whose file descriptor is given. */
TEST(mount_namespace_made_of_a_mount_is_one_like_others)
{
	struct handle fh;
	int fd, mnt;

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	fd = sys_open_tree(AT_FDCWD, "/", OPEN_TREE_NAMESPACE |
			   OPEN_TREE_CLOEXEC);
	if (fd < 0)
		SKIP(return, "needs OPEN_TREE_NAMESPACE: %s", strerror(errno));
	EXPECT_EQ(ns_type(fd), CLONE_NEWNS);
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
