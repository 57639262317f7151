// SPDX-License-Identifier: GPL-2.0
/* Who can encode and decode pidfs handles: users, and pid namespaces. */
#define _GNU_SOURCE
#include <sys/socket.h>

#include "pidfs_fixture.h"

/* Ordinary users need a user namespace to create any other. */
static __u64 namespace_flags(__u64 flags)
{
	return flags | (is_root() ? 0 : CLONE_NEWUSER);
}

/*
 * A child that encodes and decodes for the test, with its own credentials and
 * in its own namespaces.
 */
enum agent_op {
	AGENT_ENCODE,		/* the pidfd @fd, or one of the agent if < 0 */
	AGENT_DECODE,		/* @fh at @fd with @flags */
	AGENT_SPAWN,		/* an agent in new namespaces @flags at @sock */
};

struct agent_request {
	enum agent_op op;
	int fd;
	int sock;
	unsigned int flags;
	struct handle fh;
};

struct agent_reply {
	int ret;		/* 0 or a negative errno */
	pid_t pid;		/* in the agent's pid namespace */
	__u64 number;
	struct handle fh;
};

struct agent {
	pid_t pid;
	int pidfd;
	int sock;
};

static void agent_describe(int pidfd, struct agent_reply *reply)
{
	reply->ret = 0;
	reply->number = pidfd_number(pidfd);
	reply->pid = pidfd_to_pid(pidfd);
}

static __noreturn void agent_serve(int sock)
{
	struct agent_request req;
	struct agent_reply reply;
	int fd;

	while (read_nointr(sock, &req, sizeof(req)) == sizeof(req)) {
		memset(&reply, 0, sizeof(reply));
		switch (req.op) {
		case AGENT_ENCODE:
			fd = req.fd;
			if (fd < 0)
				fd = sys_pidfd_open(getpid(), 0);
			agent_describe(fd, &reply);
			reply.ret = encode(fd, &reply.fh);
			if (fd != req.fd)
				close(fd);
			break;
		case AGENT_DECODE:
			fd = decode(req.fd, &req.fh, req.flags);
			if (fd < 0) {
				reply.ret = fd;
				break;
			}
			agent_describe(fd, &reply);
			close(fd);
			break;
		case AGENT_SPAWN:
			reply.ret = clone_child(req.flags, NULL);
			if (!reply.ret) {
				sock = req.sock;
				continue;
			}
			if (reply.ret > 0)
				reply.ret = 0;
			break;
		}
		if (write_nointr(sock, &reply, sizeof(reply)) != sizeof(reply))
			break;
	}
	_exit(0);
}

static int agent_start(struct agent *agent, enum who who, __u64 flags)
{
	struct agent_reply reply = {};
	int sock[2];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		return -errno;
	agent->sock = sock[0];
	agent->pid = clone_child(flags, &agent->pidfd);
	if (!agent->pid) {
		close(sock[0]);
		if (who == WHO_USER)
			reply.ret = become_user();
		else if (who == WHO_NS_ROOT)
			reply.ret = become_ns_root(uid, gid);
		if (write_nointr(sock[1], &reply, sizeof(reply)) !=
		    sizeof(reply))
			_exit(1);
		agent_serve(sock[1]);
	}
	close(sock[1]);
	if (agent->pid < 0)
		return agent->pid;
	if (read_nointr(agent->sock, &reply, sizeof(reply)) != sizeof(reply))
		return -EIO;
	return reply.ret;
}

static struct agent_reply agent_ask(const struct agent *agent,
				    const struct agent_request *req)
{
	struct agent_reply reply;

	if (write_nointr(agent->sock, req, sizeof(*req)) != sizeof(*req) ||
	    read_nointr(agent->sock, &reply, sizeof(reply)) != sizeof(reply)) {
		memset(&reply, 0, sizeof(reply));
		reply.ret = -EIO;
	}
	return reply;
}

static struct agent_reply agent_encode(const struct agent *agent, int fd)
{
	struct agent_request req = { .op = AGENT_ENCODE, .fd = fd };

	return agent_ask(agent, &req);
}

static struct agent_reply agent_decode(const struct agent *agent, int dfd,
				       const struct handle *fh)
{
	struct agent_request req = {
		.op = AGENT_DECODE, .fd = dfd, .fh = *fh,
	};

	return agent_ask(agent, &req);
}

TEST_F(pidfs, decode_at_another_filesystem_is_stale)
{
	struct handle fh;
	int dir, file;

	if (!is_root())
		SKIP(return, NEEDS_INITIAL_ROOT);
	dir = detached_tmpfs();
	if (dir == -EPERM)
		SKIP(return, "needs CAP_SYS_ADMIN to mount tmpfs");
	ASSERT_GE(dir, 0);
	file = openat(dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	ASSERT_GE(file, 0);

	EXPECT_EQ(decode(dir, &self->fh, 0), -ESTALE);
	EXPECT_EQ(decode(file, &self->fh, 0), -ESTALE);
	ASSERT_EQ(fchdir(dir), 0);
	EXPECT_EQ(decode(AT_FDCWD, &self->fh, 0), -ESTALE);

	/* Handles of tmpfs can be opened there. */
	ASSERT_EQ(encode(file, &fh), 0);
	EXPECT_GE(decode(dir, &fh, 0), 0);
	EXPECT_GE(decode(AT_FDCWD, &fh, 0), 0);
}

TEST_F(pidfs, unprivileged_caller)
{
	struct agent_reply reply;
	struct agent user;

	ASSERT_EQ(agent_start(&user, WHO_USER, 0), 0);

	reply = agent_encode(&user, self->pidfd);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_TRUE(same_handle(&reply.fh, &self->fh));

	reply = agent_decode(&user, FD_PIDFS_ROOT, &self->fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.number, self->number);
	EXPECT_EQ(reply.pid, self->child);

	reply = agent_decode(&user, self->pidfd, &self->fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.number, self->number);

	/* A process can open itself. */
	reply = agent_encode(&user, -1);
	ASSERT_EQ(reply.ret, 0);
	reply = agent_decode(&user, FD_PIDFS_ROOT, &reply.fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.pid, user.pid);
	EXPECT_EQ(reply.number, pidfd_number(user.pidfd));
}

TEST_F(pidfs, unprivileged_caller_cannot_open_tmpfs)
{
	struct agent user;
	struct handle fh;
	int file = sys_memfd_create("file", MFD_CLOEXEC);

	ASSERT_GE(file, 0);
	ASSERT_EQ(encode(file, &fh), 0);
	ASSERT_EQ(agent_start(&user, WHO_USER, 0), 0);
	EXPECT_EQ(agent_decode(&user, file, &fh).ret, -EPERM);
}

TEST_F(pidfs, only_root_opens_a_mounted_tmpfs)
{
	struct agent root, user;
	struct handle fh;
	int dir, file;

	if (!is_root())
		SKIP(return, NEEDS_INITIAL_ROOT);
	dir = detached_tmpfs();
	if (dir == -EPERM)
		SKIP(return, "needs CAP_SYS_ADMIN to mount tmpfs");
	ASSERT_GE(dir, 0);
	file = openat(dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	ASSERT_GE(file, 0);
	ASSERT_EQ(encode(file, &fh), 0);
	ASSERT_EQ(agent_start(&root, WHO_SAME, 0), 0);
	ASSERT_EQ(agent_start(&user, WHO_USER, 0), 0);

	EXPECT_EQ(agent_decode(&root, dir, &fh).ret, 0);
	EXPECT_EQ(agent_decode(&user, dir, &fh).ret, -EPERM);
	EXPECT_EQ(agent_decode(&user, file, &fh).ret, -EPERM);
	EXPECT_EQ(agent_decode(&user, dir, &self->fh).ret, -EPERM);
}

TEST_F(pidfs, root_of_a_user_namespace)
{
	struct agent_reply reply;
	struct agent root;
	struct handle fh;
	int file, ret;

	file = sys_memfd_create("file", MFD_CLOEXEC);
	ASSERT_GE(file, 0);
	ASSERT_EQ(encode(file, &fh), 0);

	ret = agent_start(&root, WHO_NS_ROOT, CLONE_NEWUSER);
	if (namespaces_missing(ret))
		SKIP(return, NEEDS_USER_NS);
	if (ret == -ENOENT)
		SKIP(return, NEEDS_PROCFS);
	ASSERT_EQ(ret, 0);

	reply = agent_encode(&root, self->pidfd);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_TRUE(same_handle(&reply.fh, &self->fh));

	reply = agent_decode(&root, FD_PIDFS_ROOT, &self->fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.number, self->number);
	EXPECT_EQ(reply.pid, self->child);

	/* Its capabilities do not extend to other user namespaces. */
	EXPECT_EQ(agent_decode(&root, file, &fh).ret, -EPERM);
	EXPECT_EQ(agent_decode(&root, file, &self->fh).ret, -EPERM);
}

TEST_F(pidfs, ancestors_see_descendants_but_not_the_reverse)
{
	struct agent_request req = { .op = AGENT_SPAWN, .flags = CLONE_NEWPID };
	struct agent_reply reply, in_child, in_grandchild;
	struct agent child, grandchild = {};
	int sock[2], fd, ret;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), 0);
	ret = agent_start(&child, WHO_SAME, namespace_flags(CLONE_NEWPID));
	if (namespaces_missing(ret))
		SKIP(return, NEEDS_PID_NS);
	ASSERT_EQ(ret, 0);
	req.sock = sock[1];
	ASSERT_EQ(agent_ask(&child, &req).ret, 0);
	grandchild.sock = sock[0];

	in_child = agent_encode(&child, -1);
	ASSERT_EQ(in_child.ret, 0);
	EXPECT_EQ(in_child.pid, 1);
	in_grandchild = agent_encode(&grandchild, -1);
	ASSERT_EQ(in_grandchild.ret, 0);
	EXPECT_EQ(in_grandchild.pid, 1);
	EXPECT_FALSE(same_handle(&in_child.fh, &in_grandchild.fh));

	/* The test sees all processes. */
	fd = decode(FD_PIDFS_ROOT, &in_child.fh, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pidfd_number(fd), in_child.number);
	EXPECT_EQ(pidfd_to_pid(fd), child.pid);
	fd = decode(FD_PIDFS_ROOT, &in_grandchild.fh, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pidfd_number(fd), in_grandchild.number);
	EXPECT_GT(pidfd_to_pid(fd), 1);

	/* The child sees itself and the grandchild. */
	reply = agent_decode(&child, FD_PIDFS_ROOT, &in_child.fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.number, in_child.number);
	EXPECT_EQ(reply.pid, 1);
	reply = agent_decode(&child, FD_PIDFS_ROOT, &in_grandchild.fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.number, in_grandchild.number);
	EXPECT_EQ(reply.pid, 2);
	EXPECT_EQ(agent_decode(&child, FD_PIDFS_ROOT, &self->fh).ret, -ESTALE);

	/* The grandchild sees only itself. */
	reply = agent_decode(&grandchild, FD_PIDFS_ROOT, &in_grandchild.fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.number, in_grandchild.number);
	EXPECT_EQ(agent_decode(&grandchild, FD_PIDFS_ROOT, &in_child.fh).ret,
		  -ESTALE);
	EXPECT_EQ(agent_decode(&grandchild, FD_PIDFS_ROOT, &self->fh).ret,
		  -ESTALE);
}

/* Encoding needs no permission. Holding a pidfd does not permit to decode. */
TEST_F(pidfs, pidfd_of_an_outer_namespace_does_not_decode)
{
	struct agent_reply reply;
	struct agent child;
	int ret;

	ret = agent_start(&child, WHO_SAME, namespace_flags(CLONE_NEWPID));
	if (namespaces_missing(ret))
		SKIP(return, NEEDS_PID_NS);
	ASSERT_EQ(ret, 0);

	reply = agent_encode(&child, self->pidfd);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_TRUE(same_handle(&reply.fh, &self->fh));
	EXPECT_EQ(reply.pid, -EREMOTE);
	EXPECT_EQ(agent_decode(&child, self->pidfd, &self->fh).ret, -ESTALE);
	EXPECT_EQ(agent_decode(&child, FD_PIDFS_ROOT, &self->fh).ret, -ESTALE);
}

TEST_F(pidfs, siblings_do_not_see_each_other)
{
	const __u64 flags = namespace_flags(CLONE_NEWPID);
	struct agent_reply reply[2];
	struct agent child[2];
	int i, ret;

	for (i = 0; i < 2; i++) {
		ret = agent_start(&child[i], WHO_SAME, flags);
		if (namespaces_missing(ret))
			SKIP(return, NEEDS_PID_NS);
		ASSERT_EQ(ret, 0);
		reply[i] = agent_encode(&child[i], -1);
		ASSERT_EQ(reply[i].ret, 0);
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(agent_decode(&child[i], FD_PIDFS_ROOT,
				       &reply[i].fh).ret, 0);
		EXPECT_EQ(agent_decode(&child[i], FD_PIDFS_ROOT,
				       &reply[!i].fh).ret, -ESTALE);
	}
}

TEST_HARNESS_MAIN
