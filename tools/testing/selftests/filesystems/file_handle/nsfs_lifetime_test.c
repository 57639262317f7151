// SPDX-License-Identifier: GPL-2.0
/*
 * How long a handle of a namespace is valid, and what keeps a namespace
 * alive.
 */
#define _GNU_SOURCE
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "nsfs_handle_fixture.h"

struct enter_args {
	const struct ns_kind *kind;
	const struct handle *fh;
};

static int is_in_namespace(void *arg)
{
	const struct enter_args *args = arg;
	int fd = ns_own(args->kind);

	if (fd < 0)
		return fd;
	return is_named_by(fd, args->fh) ? 0 : -EBADMSG;
}

static int enter_namespace(void *arg)
{
	const struct enter_args *args = arg;
	int fd = decode(FD_NSFS_ROOT, args->fh, O_CLOEXEC);

	if (fd < 0)
		return fd;
	if (is_in_namespace(arg) != -EBADMSG)
		return -EALREADY;
	if (setns(fd, args->kind->type))
		return -errno;
	/* setns() puts only children into a pid namespace. */
	if (args->kind->type == CLONE_NEWPID)
		return run_as(WHO_SAME, 0, is_in_namespace, arg);
	return is_in_namespace(arg);
}

TEST_F(nsfs, decoded_namespace_can_be_entered)
{
	struct enter_args args = { .kind = self->ns.kind, .fh = &self->ns.fh };

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(close(self->ns.fd), 0);
	EXPECT_EQ(run_as(WHO_SAME, 0, enter_namespace, &args), 0);
}

TEST_F(nsfs, freed_namespace_is_stale)
{
	struct handle id_alone = self->ns.fh;
	int i, pidfd;
	pid_t pid;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	handle_set_ns(&id_alone, self->ns.id, 0, 0);
	ASSERT_EQ(close(self->ns.fd), 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &id_alone, 0);

	ASSERT_EQ(kill_and_reap(self->ns.child), 0);
	ASSERT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &id_alone), -ESTALE);

	/* New namespaces do not make it valid again. */
	for (i = 0; i < 8; i++) {
		pid = paused_child(self->ns.kind->type, &pidfd);
		ASSERT_GT(pid, 0);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &id_alone), -ESTALE);
		ASSERT_EQ(kill_and_reap(pid), 0);
		close(pidfd);
	}
}

TEST_F(nsfs, descriptor_keeps_the_handle_valid)
{
	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(kill_and_reap(self->ns.child), 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	/* A descriptor does not put a user into the namespace. */
	EXPECT_EQ(decode_as(WHO_USER, 0, self->ns.fd, &self->ns.fh), -ESTALE);
	ASSERT_EQ(close(self->ns.fd), 0);
	EXPECT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);
}

TEST_F(one, decoded_descriptor_keeps_the_handle_valid)
{
	int fd;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(close(self->ns.fd), 0);
	fd = decode(FD_NSFS_ROOT, &self->ns.fh, O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(kill_and_reap(self->ns.child), 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	EXPECT_EQ(ns_id(fd), self->ns.id);
	ASSERT_EQ(close(fd), 0);
	EXPECT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);
}

TEST_F(one, path_descriptor_keeps_the_handle_valid)
{
	int fd;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(close(self->ns.fd), 0);
	fd = decode(FD_NSFS_ROOT, &self->ns.fh, O_PATH | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(kill_and_reap(self->ns.child), 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	ASSERT_EQ(close(fd), 0);
	EXPECT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);
}

TEST_F(nsfs, bind_mount_keeps_the_handle_valid)
{
	const char *const file = TMPFS_DIR "/namespace";
	char path[32];
	int pidfd;
	pid_t pid;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	/* A mount namespace can only be mounted in an older one. */
	ASSERT_GE(enter_private_tmpfs(), 0);
	ASSERT_EQ(mknod(file, S_IFREG | 0600, 0), 0);

	pid = paused_child(self->ns.kind->type, &pidfd);
	ASSERT_GT(pid, 0);
	self->ns.fd = ns_of_pidfd(pidfd, self->ns.kind);
	ASSERT_GE(self->ns.fd, 0);
	self->ns.id = ns_id(self->ns.fd);
	self->ns.ino = ns_ino(self->ns.fd);
	ASSERT_EQ(encode(self->ns.fd, &self->ns.fh), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->ns.fd);
	if (access(path, F_OK))
		SKIP(return, NEEDS_PROCFS);
	ASSERT_EQ(mount(path, file, NULL, MS_BIND, NULL), 0);

	ASSERT_EQ(close(self->ns.fd), 0);
	ASSERT_EQ(kill_and_reap(pid), 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	ASSERT_EQ(umount2(file, MNT_DETACH), 0);
	EXPECT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);
}

/*
 * Creates a namespace with a certain inode number. The kernel allocates the
 * lowest free number. This allocates the lower ones, and waits while the
 * number is not free yet.
 */
static int reuse_inode_number(__u64 wanted)
{
	const struct rlimit limit = { .rlim_cur = 4096, .rlim_max = 4096 };
	int fd, i;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	for (i = 0; i < 3000; i++) {
		if (unshare(CLONE_NEWUTS))
			return -errno;
		fd = ns_own(&ns_kinds[NS_UTS]);
		if (fd < 0 || ns_ino(fd) == wanted)
			return fd;
		if (ns_ino(fd) > wanted) {
			close(fd);
			usleep(5000);
		}
	}
	return -EAGAIN;
}

/* Returns true if handles of @old do not open @fd, which has its inode number. */
static bool is_stale_beside(int fd, const struct handle *old)
{
	struct nsfs_file_handle ns = handle_ns(old);
	struct handle id_alone = {};

	handle_set_ns(&id_alone, ns.ns_id, 0, 0);
	return ns_ino(fd) == ns.ns_inum && ns_id(fd) != ns.ns_id &&
	       try_decode(FD_NSFS_ROOT, old) == -ESTALE &&
	       try_decode(fd, old) == -ESTALE &&
	       try_decode(FD_NSFS_ROOT, &id_alone) == -ESTALE;
}

/*
 * Inode numbers are reused at once, and ids never. This tries a namespace of
 * another type, then one of the same type. A network namespace does not get
 * the number that was free: it allocates others for /proc/net first.
 */
TEST_F_TIMEOUT(nsfs, reused_inode_number_has_another_handle, SLOW_TIMEOUT)
{
	struct handle fh;
	int pidfd, fd, i;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(close(self->ns.fd), 0);
	ASSERT_EQ(close(self->ns.pidfd), 0);
	ASSERT_EQ(kill_and_reap(self->ns.child), 0);
	ASSERT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);

	for (i = 0; i < CHILDREN_MAX / 2; i++) {
		fd = reuse_inode_number(self->ns.ino);
		if (fd == -EAGAIN)
			SKIP(return, "inode number %llu is in use",
			     self->ns.ino);
		ASSERT_GE(fd, 0);
		EXPECT_TRUE(is_stale_beside(fd, &self->ns.fh));
		if (self->ns.kind->type == CLONE_NEWNET)
			return;

		/* Try again if a lower number has become free. */
		ASSERT_EQ(encode(fd, &fh), 0);
		ASSERT_EQ(unshare(CLONE_NEWUTS), 0);
		ASSERT_EQ(close(fd), 0);
		ASSERT_EQ(wait_until_stale(&fh), -ESTALE);
		ASSERT_GT(paused_child(self->ns.kind->type, &pidfd), 0);
		fd = ns_of_pidfd(pidfd, self->ns.kind);
		ASSERT_GE(fd, 0);
		if (ns_ino(fd) == self->ns.ino)
			break;
		close(fd);
		close(pidfd);
	}
	ASSERT_LT(i, CHILDREN_MAX / 2);
	EXPECT_TRUE(is_stale_beside(fd, &self->ns.fh));
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_EQ(handle_ns(&fh).ns_type, handle_ns(&self->ns.fh).ns_type);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh), 0);
}

/* The limit of namespaces, and the number that is created in turn. */
#define LEAK_LIMIT	"3"
#define LEAK_ROUNDS	6

/* Shared by the test and the child that creates namespaces. */
struct leak {
	const struct ns_kind *kind;
	int turn[2];		/* sockets of the test and of the child */
	int error;
	pid_t pid;		/* of the process in the new namespace */
};

/*
 * Runs as root of a user namespace. It destroys each namespace before it
 * creates the next. If the test leaks references, the limit is reached.
 */
static int make_few(void *arg)
{
	struct leak *leak = arg;
	char path[64], c;
	int i, try;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces",
		 leak->kind->name);
	leak->error = write_string(path, LEAK_LIMIT);
	for (i = 0; i < LEAK_ROUNDS && !leak->error; i++) {
		for (try = 0; try < RETRIES; try++) {
			pid = paused_child(leak->kind->type, NULL);
			if (pid != -ENOSPC)
				break;
			/* The previous ones are freed asynchronously. */
			usleep(1000);
		}
		if (pid < 0) {
			leak->error = pid;
			break;
		}
		leak->pid = pid;
		if (write_nointr(leak->turn[1], "", 1) != 1 ||
		    read_nointr(leak->turn[1], &c, 1) != 1)
			break;
		kill_and_reap(pid);
	}
	leak->pid = 0;
	return write_nointr(leak->turn[1], "", 1) == 1 ? 0 : -EPIPE;
}

/* Uses a handle in all ways that succeed or fail. */
static int use_handle(const struct handle *fh)
{
	const unsigned int requests[] = {
		NS_GET_USERNS, NS_GET_PARENT, NS_MNT_GET_NEXT, NS_MNT_GET_PREV,
	};
	struct mnt_ns_info info;
	struct handle wrong = *fh;
	unsigned int i;
	int fd, ret;

	wrong.data[HANDLE_NSFS - 1] ^= 1;
	if (try_decode(FD_NSFS_ROOT, &wrong) != -ESTALE)
		return -EBADMSG;
	fd = decode(FD_NSFS_ROOT, fh, O_RDWR);
	if (fd >= 0)
		return -EBADMSG;
	fd = decode(FD_NSFS_ROOT, fh, O_CLOEXEC);
	if (fd < 0)
		return fd;
	/* While it is open, the same dentry is found. */
	ret = try_decode(fd, fh);
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		close(ioctl(fd, requests[i], &info));
		close(ioctl(fd, requests[i], (void *)-1UL));
	}
	close(fd);
	return ret;
}

static int use_handle_in_child(void *arg)
{
	return use_handle(arg);
}

/* kmemleak does not report leaked namespaces. They count for the limit. */
TEST_F_TIMEOUT(nsfs, use_leaves_no_reference, SLOW_TIMEOUT)
{
	struct leak *leak = shared_memory(sizeof(*leak));
	int i, pidfd, fd;
	struct handle fh;
	pid_t maker;
	char c;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_NE(leak, NULL);
	leak->kind = self->ns.kind;
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, leak->turn), 0);
	maker = clone_child(CLONE_NEWUSER, NULL);
	ASSERT_GE(maker, 0);
	if (!maker) {
		close(leak->turn[0]);
		if (become_ns_root(0, 0))
			_exit(1);
		_exit(-make_few(leak));
	}
	close(leak->turn[1]);

	for (i = 0; i < LEAK_ROUNDS; i++) {
		ASSERT_EQ(read_nointr(leak->turn[0], &c, 1), 1);
		if (leak->error == -ENOENT)
			SKIP(return, "needs CONFIG_SYSCTL and procfs");
		ASSERT_EQ(leak->error, 0) TH_LOG("after %d namespaces", i);
		pidfd = sys_pidfd_open(leak->pid, 0);
		ASSERT_GE(pidfd, 0);
		fd = ns_of_pidfd(pidfd, self->ns.kind);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(encode(fd, &fh), 0);
		ASSERT_EQ(close(pidfd), 0);
		EXPECT_EQ(decode_as(WHO_USER, 0, fd, &fh), -ESTALE);
		ASSERT_EQ(close(fd), 0);

		EXPECT_EQ(use_handle(&fh), 0);
		EXPECT_EQ(run_as(WHO_USER, 0, use_handle_in_child, &fh),
			  -ESTALE);
		EXPECT_EQ(run_as(WHO_NS_ROOT, CLONE_NEWUSER | CLONE_NEWPID,
				 use_handle_in_child, &fh), -ESTALE);
		ASSERT_EQ(write_nointr(leak->turn[0], "", 1), 1);
	}
	ASSERT_EQ(read_nointr(leak->turn[0], &c, 1), 1);
	EXPECT_EQ(leak->pid, 0);
	EXPECT_EQ(leak->error, 0);
	EXPECT_EQ(wait_until_stale(&fh), -ESTALE);
}

/* Creates a child whose children will be in a new namespace. */
static pid_t unsharing_child(unsigned int type, int *pidfd)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	pid = clone_child(0, pidfd);
	if (!pid) {
		if (unshare(type) || write_nointr(ready[1], "", 1) != 1)
			_exit(1);
		pause_forever();
	}
	close(ready[1]);
	if (pid > 0 && read_nointr(ready[0], &c, 1) != 1)
		pid = -ECHILD;
	close(ready[0]);
	return pid;
}

/* A pid namespace that never had a process. */
TEST(pid_namespace_without_init)
{
	struct enter_args args = { .kind = &ns_kinds[NS_PID] };
	struct handle fh;
	int pidfd, fd;
	const char *reason = nsfs_missing();
	pid_t pid;

	if (reason || !may_test_all())
		SKIP(return, "%s", reason ? : NEEDS_ROOT);
	args.fh = &fh;
	pid = unsharing_child(CLONE_NEWPID, &pidfd);
	ASSERT_GT(pid, 0);
	fd = open_for_children(pidfd, CLONE_NEWPID);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	ASSERT_TRUE(is_named_by(fd, &fh));
	EXPECT_EQ(ns_type(fd), (unsigned int)CLONE_NEWPID);
	ASSERT_EQ(close(fd), 0);

	EXPECT_EQ(decode_as(WHO_SAME, 0, FD_NSFS_ROOT, &fh), 0);
	EXPECT_EQ(decode_as(WHO_USER, 0, FD_NSFS_ROOT, &fh), -ESTALE);
	EXPECT_EQ(decode_as(WHO_SAME, CLONE_NEWPID, FD_NSFS_ROOT, &fh),
		  -ESTALE);

	ASSERT_EQ(kill_and_reap(pid), 0);
	EXPECT_EQ(wait_until_stale(&fh), -ESTALE);

	/* The first process in it is its init. */
	pid = unsharing_child(CLONE_NEWPID, &pidfd);
	ASSERT_GT(pid, 0);
	fd = open_for_children(pidfd, CLONE_NEWPID);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	ASSERT_EQ(close(fd), 0);
	EXPECT_EQ(run_as(WHO_SAME, 0, enter_namespace, &args), 0);
}

static int fork_to_it(void *arg)
{
	int fd = *(int *)arg;
	pid_t pid;

	if (setns(fd, CLONE_NEWPID))
		return -errno;
	pid = fork();
	if (!pid)
		_exit(0);
	return pid < 0 ? -errno : 0;
}

/* No process can join it, but its handle stays valid. */
TEST(pid_namespace_with_dead_init)
{
	struct handle fh;
	int pidfd, fd;
	const char *reason = nsfs_missing();
	pid_t pid;

	if (reason || !may_test_all())
		SKIP(return, "%s", reason ? : NEEDS_ROOT);
	pid = paused_child(CLONE_NEWPID, &pidfd);
	ASSERT_GT(pid, 0);
	fd = ns_of_pidfd(pidfd, &ns_kinds[NS_PID]);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	ASSERT_EQ(kill_and_reap(pid), 0);

	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh), 0);
	EXPECT_EQ(decode_as(WHO_USER, 0, FD_NSFS_ROOT, &fh), -ESTALE);
	EXPECT_EQ(run_as(WHO_SAME, 0, fork_to_it, &fd), -ENOMEM);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh), 0);
	ASSERT_EQ(close(fd), 0);
	EXPECT_EQ(wait_until_stale(&fh), -ESTALE);
}

/* A zombie keeps these two namespaces until it is reaped. */
TEST(zombie_keeps_pid_and_user_namespace)
{
	static const enum ns_index left[] = { NS_PID, NS_USER };
	struct handle fh[ARRAY_SIZE(left)];
	unsigned int i;
	int pidfd, fd;
	const char *reason = nsfs_missing();
	pid_t pid;

	if (reason || !may_test_all())
		SKIP(return, "%s", reason ? : NEEDS_ROOT);
	pid = paused_child(CLONE_NEWPID | CLONE_NEWUSER, &pidfd);
	ASSERT_GT(pid, 0);
	for (i = 0; i < ARRAY_SIZE(left); i++) {
		fd = ns_of_pidfd(pidfd, &ns_kinds[left[i]]);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(encode(fd, &fh[i]), 0);
		ASSERT_EQ(close(fd), 0);
	}
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(sys_waitid(P_PID, pid, NULL, WEXITED | WNOWAIT), 0);
	for (i = 0; i < ARRAY_SIZE(left); i++)
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh[i]), 0);
	ASSERT_EQ(reap_child(pid), 0);
	for (i = 0; i < ARRAY_SIZE(left); i++)
		EXPECT_EQ(wait_until_stale(&fh[i]), -ESTALE);
}

TEST_HARNESS_MAIN
