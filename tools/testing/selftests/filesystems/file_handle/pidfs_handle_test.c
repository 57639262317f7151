// SPDX-License-Identifier: GPL-2.0
/*
 * The file handles of pidfs: what name_to_handle_at() makes of a pidfd, and
 * what open_by_handle_at() makes of any bytes, for any caller, at any time in
 * the life of a process.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <linux/mount.h>
#include <sys/socket.h>

#include "file_handle.h"
#include "../wrappers.h"

/* The flags that a handle of a pidfd can be opened with. */
#define VALID_OPEN_FLAGS \
	((unsigned int)(O_WRONLY | O_RDWR | O_NONBLOCK | O_CLOEXEC | O_EXCL | \
			KERNEL_O_LARGEFILE))

/* How far from a known number to look for those of others. */
#define GUESSES		65536
#define HIDDEN_CHILDREN	16

/* Seconds: a second does, but not with all of the kernel's debugging. */
#define SLOW_TIMEOUT	120

/* Ordinary users need a user namespace to get any other. */
static __u64 namespace_flags(__u64 flags)
{
	return flags | (is_root() ? 0 : CLONE_NEWUSER);
}

/*
 * A process that encodes and decodes for the test, as the caller that it is.
 * The test itself makes all the assertions.
 */
enum agent_op {
	AGENT_ENCODE,		/* the pidfd @fd, or one of itself if < 0 */
	AGENT_DECODE,		/* @fh at @fd with @flags */
	AGENT_SPAWN,		/* an agent in new namespaces @flags at @sock */
};

enum agent_who {
	AGENT_SAME,		/* the same credentials */
	AGENT_USER,		/* nobody, without capabilities */
	AGENT_NS_ROOT,		/* root of the user namespace it is cloned to */
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

static int agent_start(struct agent *agent, enum agent_who who, __u64 flags)
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
		if (who == AGENT_USER)
			reply.ret = become_user();
		else if (who == AGENT_NS_ROOT)
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

/* The root of a tmpfs that is mounted nowhere, for who may mount it. */
static int tmpfs_dir(void)
{
	int fs, mnt = -1, dir = -1;

	fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	if (!sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mnt = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
	/* The mount comes as an O_PATH descriptor, which is no anchor. */
	if (mnt >= 0)
		dir = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		dir = -errno;
	close(mnt);
	close(fs);
	return dir;
}

FIXTURE(pidfs)
{
	pid_t child;
	int pidfd;
	__u64 number;		/* of the child's struct pid */
	struct handle fh;	/* of @pidfd */
};

FIXTURE_SETUP(pidfs)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	self->child = paused_child(0, &self->pidfd);
	ASSERT_GT(self->child, 0);
	self->number = pidfd_number(self->pidfd);
	ASSERT_NE(self->number, 0);
	ASSERT_EQ(encode(self->pidfd, &self->fh), 0);
}

FIXTURE_TEARDOWN(pidfs)
{
	kill_children();
}

/* Decode, and insist that this is the pidfd of the child. */
#define ASSERT_DECODES(dfd, fh, flags) \
do { \
	int __fd = decode(dfd, fh, flags); \
\
	ASSERT_GE(__fd, 0); \
	ASSERT_EQ(pidfd_number(__fd), self->number); \
	ASSERT_EQ(pidfd_to_pid(__fd), self->child); \
	ASSERT_EQ(close(__fd), 0); \
} while (0)

/* ---- what a handle is ---- */

TEST_F(pidfs, handle_is_the_number_of_the_pid)
{
	struct stat st;

	EXPECT_EQ(self->fh.bytes, HANDLE_PIDFS);
	EXPECT_EQ(self->fh.type, FILEID_KERNFS);
	EXPECT_EQ(handle_number(&self->fh), self->number);

	ASSERT_EQ(fstat(self->pidfd, &st), 0);
	/* An unsigned long has the low half of it on 32 bits. */
	EXPECT_EQ((unsigned long)handle_number(&self->fh),
		  (unsigned long)st.st_ino);
}

TEST_F(pidfs, handle_does_not_depend_on_the_pidfd)
{
	struct handle fh;
	int fd;

	fd = sys_pidfd_open(self->child, PIDFD_NONBLOCK);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->fh));

	fd = sys_pidfd_open(getpid(), 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_FALSE(same_handle(&fh, &self->fh));
}

TEST_F(pidfs, encode_to_short_buffer_tells_the_size)
{
	struct handle fh;
	__u64 mnt_id;
	unsigned int bytes, i;

	for (bytes = 0; bytes < HANDLE_PIDFS; bytes++) {
		memset(&fh, CANARY, sizeof(fh));
		fh.bytes = bytes;
		ASSERT_EQ(encode_at(self->pidfd, "", &fh, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  -EOVERFLOW);
		EXPECT_EQ(fh.bytes, HANDLE_PIDFS);
		EXPECT_EQ(fh.type, FILEID_INVALID);
		for (i = 0; i < HANDLE_MAX; i++)
			ASSERT_EQ(fh.data[i], CANARY);
	}
}

TEST_F(pidfs, encode_to_long_buffer_writes_eight_bytes)
{
	struct handle fh;
	__u64 mnt_id;
	unsigned int bytes, i;

	for (bytes = HANDLE_PIDFS; bytes <= HANDLE_MAX; bytes++) {
		memset(&fh, CANARY, sizeof(fh));
		fh.bytes = bytes;
		ASSERT_EQ(encode_at(self->pidfd, "", &fh, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  0);
		ASSERT_TRUE(same_handle(&fh, &self->fh));
		for (i = HANDLE_PIDFS; i < HANDLE_MAX; i++)
			ASSERT_EQ(fh.data[i], CANARY);
	}
}

TEST_F(pidfs, encode_refuses_huge_buffer)
{
	static const __u32 sizes[] = {
		HANDLE_MAX + 1, 256, INT_MAX, (__u32)INT_MAX + 1, UINT_MAX,
	};
	struct handle fh;
	__u64 mnt_id;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(&fh, CANARY, sizeof(fh));
		fh.bytes = sizes[i];
		ASSERT_EQ(encode_at(self->pidfd, "", &fh, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  -EINVAL);
		EXPECT_EQ(fh.bytes, sizes[i]);
		for (j = 0; j < HANDLE_MAX; j++)
			ASSERT_EQ(fh.data[j], CANARY);
	}
}

TEST_F(pidfs, encode_fid_gives_the_same_handle)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	int mnt_id;

	ASSERT_EQ(encode_at(self->pidfd, "", &fh, &mnt_id,
			    AT_EMPTY_PATH | AT_HANDLE_FID), 0);
	EXPECT_TRUE(same_handle(&fh, &self->fh));
	ASSERT_DECODES(FD_PIDFS_ROOT, &fh, 0);
}

/* The system call does not take AT_EMPTY_PATH, so name it. */
TEST_F(pidfs, encode_connectable_is_not_supported)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	char path[32];
	int mnt_id;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->pidfd);
	if (access(path, F_OK))
		SKIP(return, "needs a mounted procfs");
	ASSERT_EQ(encode_at(AT_FDCWD, path, &fh, &mnt_id, AT_SYMLINK_FOLLOW),
		  0);
	EXPECT_TRUE(same_handle(&fh, &self->fh));

	memset(&fh, CANARY, sizeof(fh));
	fh.bytes = HANDLE_MAX;
	ASSERT_EQ(encode_at(AT_FDCWD, path, &fh, &mnt_id,
			    AT_SYMLINK_FOLLOW | AT_HANDLE_CONNECTABLE),
		  -EOPNOTSUPP);
	EXPECT_EQ(fh.data[0], CANARY);
}

/* ---- where a handle lies ---- */

TEST_F(pidfs, encode_and_decode_at_any_alignment)
{
	__u64 space[4];
	unsigned char *buf = (unsigned char *)space;
	struct handle fh;
	unsigned int offset;
	__u64 mnt_id;

	for (offset = 0; offset < 8; offset++) {
		memset(space, CANARY, sizeof(space));
		memset(&fh, 0, sizeof(fh));
		fh.bytes = HANDLE_PIDFS;
		memcpy(buf + offset, &fh, HANDLE_HEADER);
		ASSERT_EQ(encode_at(self->pidfd, "", buf + offset, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  0);
		memcpy(&fh, buf + offset, HANDLE_HEADER + HANDLE_PIDFS);
		ASSERT_TRUE(same_handle(&fh, &self->fh));
		ASSERT_DECODES(FD_PIDFS_ROOT, buf + offset, 0);
	}
}

TEST_F(pidfs, encode_to_the_end_of_a_page)
{
	const unsigned int size = HANDLE_HEADER + HANDLE_PIDFS;
	struct handle fh = { .bytes = HANDLE_PIDFS };
	unsigned char *end = page_end();
	unsigned int cut;
	__u64 mnt_id;

	ASSERT_FALSE(!end);

	memcpy(end - size, &fh, size);
	ASSERT_EQ(encode_at(self->pidfd, "", end - size, &mnt_id,
			    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE), 0);
	EXPECT_EQ(memcmp(end - size, &self->fh, size), 0);

	for (cut = 1; cut <= size; cut++) {
		memcpy(end - (size - cut), &fh, size - cut);
		ASSERT_EQ(encode_at(self->pidfd, "", end - (size - cut),
				    &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  -EFAULT) TH_LOG("%u bytes cut off", cut);
	}
}

/* The room that is announced is not all needed. */
TEST_F(pidfs, encode_touches_no_more_than_it_writes)
{
	const unsigned int size = HANDLE_HEADER + HANDLE_PIDFS;
	struct handle fh = { .bytes = HANDLE_MAX };
	unsigned char *end = page_end();
	__u64 mnt_id;

	ASSERT_FALSE(!end);
	memcpy(end - size, &fh, size);
	ASSERT_EQ(encode_at(self->pidfd, "", end - size, &mnt_id,
			    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE), 0);
	EXPECT_EQ(memcmp(end - size, &self->fh, size), 0);
}

TEST_F(pidfs, decode_at_the_end_of_a_page)
{
	const unsigned int size = HANDLE_HEADER + HANDLE_PIDFS;
	unsigned char *end = page_end();
	unsigned int cut;

	ASSERT_FALSE(!end);

	memcpy(end - size, &self->fh, size);
	ASSERT_DECODES(FD_PIDFS_ROOT, end - size, 0);

	for (cut = 1; cut <= size; cut++) {
		memcpy(end - (size - cut), &self->fh, size - cut);
		ASSERT_EQ(decode(FD_PIDFS_ROOT, end - (size - cut), 0),
			  -EFAULT) TH_LOG("%u bytes cut off", cut);
	}
}

/* All of the bytes that are announced have to be there. */
TEST_F(pidfs, decode_reads_the_tail_too)
{
	const unsigned int size = HANDLE_HEADER + HANDLE_PIDFS;
	unsigned char *end = page_end();

	ASSERT_FALSE(!end);
	self->fh.bytes = HANDLE_PIDFS + 1;
	memcpy(end - size, &self->fh, size);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, end - size, 0), -EFAULT);
	self->fh.bytes = HANDLE_MAX;
	memcpy(end - size, &self->fh, size);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, end - size, 0), -EFAULT);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, NULL, 0), -EFAULT);
}

/* ---- how long a handle is ---- */

TEST_F(pidfs, decode_of_short_handle_is_stale)
{
	self->fh.bytes = 0;
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -EINVAL);
	for (self->fh.bytes = 1; self->fh.bytes < HANDLE_PIDFS;
	     self->fh.bytes++)
		ASSERT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE);
}

TEST_F(pidfs, decode_ignores_the_tail)
{
	__u64 number = handle_number(&self->fh);
	__u32 bytes;

	for (bytes = HANDLE_PIDFS; bytes <= HANDLE_MAX; bytes++) {
		memset(self->fh.data, 0xff, sizeof(self->fh.data));
		handle_set_number(&self->fh, number);
		self->fh.bytes = bytes;
		ASSERT_DECODES(FD_PIDFS_ROOT, &self->fh, 0);

		memset(self->fh.data, 0, sizeof(self->fh.data));
		handle_set_number(&self->fh, number);
		ASSERT_DECODES(FD_PIDFS_ROOT, &self->fh, 0);
	}
}

TEST_F(pidfs, decode_refuses_huge_handle)
{
	static const __u32 sizes[] = {
		HANDLE_MAX + 1, 256, INT_MAX, (__u32)INT_MAX + 1, UINT_MAX,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		self->fh.bytes = sizes[i];
		EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -EINVAL);
	}
}

/* ---- what is in a handle ---- */

TEST_F(pidfs, decode_checks_each_bit_of_the_type)
{
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		self->fh.type = FILEID_KERNFS ^ (int)(1U << bit);
		/* The upper half is for flags, two of which there are. */
		EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0),
			  bit < 18 ? -ESTALE : -EINVAL) {
			TH_LOG("bit %u", bit);
		}
	}
}

TEST_F(pidfs, decode_knows_no_other_type)
{
	static const int types[] = { 0, 1, 2, 0x81, 0xf1, 0xfd, 0xff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		self->fh.type = types[i];
		EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE) {
			TH_LOG("type %#x", types[i]);
		}
	}
}

/*
 * A connectable handle has to be below the directory that it is opened at.
 * Nothing is below a pidfd, other than the pidfd itself.
 */
TEST_F(pidfs, connectable_handle_is_stale_elsewhere)
{
	int fd = sys_pidfd_open(getpid(), 0);

	ASSERT_GE(fd, 0);
	self->fh.type |= FILEID_IS_CONNECTABLE;
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE);
	EXPECT_EQ(decode(fd, &self->fh, 0), -ESTALE);
}

TEST_F(pidfs, connectable_handle_decodes_at_itself)
{
	/* All pidfds belong to the root of the initial one. */
	if (!in_initial_user_ns())
		SKIP(return, "needs the owner of the inode to be mapped");
	self->fh.type |= FILEID_IS_CONNECTABLE;
	ASSERT_DECODES(self->pidfd, &self->fh, 0);
}

TEST_F(pidfs, pidfd_is_no_directory)
{
	self->fh.type |= FILEID_IS_DIR;
	EXPECT_EQ(decode(self->pidfd, &self->fh, 0), -ESTALE);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE);
	self->fh.type |= FILEID_IS_CONNECTABLE;
	EXPECT_EQ(decode(self->pidfd, &self->fh, 0), -ESTALE);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE);
}

TEST_F(pidfs, decode_checks_each_bit_of_the_number)
{
	unsigned int bit;
	int fd;

	for (bit = 0; bit < 64; bit++) {
		__u64 number = self->number ^ 1ULL << bit;

		handle_set_number(&self->fh, number);
		fd = decode(FD_PIDFS_ROOT, &self->fh, 0);
		if (fd < 0) {
			EXPECT_EQ(fd, -ESTALE) TH_LOG("bit %u", bit);
			continue;
		}
		/* Somebody else has that number, and a pidfd. */
		EXPECT_EQ(pidfd_number(fd), number);
		EXPECT_NE(pidfd_to_pid(fd), self->child);
		EXPECT_NE(pidfd_to_pid(fd), 0);
		EXPECT_NE(pidfd_to_pid(fd), -EREMOTE);
		close(fd);
	}
}

TEST_F(pidfs, decode_of_extreme_numbers_is_stale)
{
	static const __u64 numbers[] = {
		0, INT_MAX, (__u64)INT64_MAX, 1ULL << 63, UINT64_MAX,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		handle_set_number(&self->fh, numbers[i]);
		EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE);
	}
}

/* ---- how a handle is opened ---- */

TEST_F(pidfs, open_takes_few_flags)
{
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		unsigned int flag = 1U << bit;

		if (flag & VALID_OPEN_FLAGS) {
			ASSERT_DECODES(FD_PIDFS_ROOT, &self->fh, flag);
			continue;
		}
		EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, flag), -EINVAL) {
			TH_LOG("flag %#x", flag);
		}
		EXPECT_EQ(decode(self->pidfd, &self->fh,
				 flag | VALID_OPEN_FLAGS), -EINVAL) {
			TH_LOG("flag %#x with others", flag);
		}
	}
	ASSERT_DECODES(FD_PIDFS_ROOT, &self->fh, VALID_OPEN_FLAGS);
}

/* The flags are looked at even where there is nothing to open. */
TEST_F(pidfs, bad_flags_go_before_stale_handle)
{
	self->fh.type = 1;
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, O_APPEND), -EINVAL);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE);
	EXPECT_EQ(decode(-1, &self->fh, O_APPEND), -EBADF);
}

TEST_F(pidfs, open_is_always_read_write)
{
	const unsigned int flags[] = {
		O_RDONLY, O_RDWR, O_NONBLOCK, O_CLOEXEC, O_EXCL,
		KERNEL_O_LARGEFILE, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_EXCL,
	};
	const unsigned int survivors = O_NONBLOCK | O_CLOEXEC | O_EXCL;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		fd = decode(FD_PIDFS_ROOT, &self->fh, flags[i]);
		ASSERT_GE(fd, 0);
		EXPECT_EQ((unsigned int)fcntl(fd, F_GETFL),
			  O_RDWR | (flags[i] & survivors)) {
			TH_LOG("flags %#x", flags[i]);
		}
		EXPECT_EQ(fcntl(fd, F_GETFD),
			  flags[i] & O_CLOEXEC ? FD_CLOEXEC : 0);
		close(fd);
	}
}

/* O_RDWR is added to what the caller gave, and nothing is taken away. */
TEST_F(pidfs, open_write_only_keeps_both_bits)
{
	int fd = decode(FD_PIDFS_ROOT, &self->fh, O_WRONLY);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFL), O_WRONLY | O_RDWR);
	/* It is a pidfd nevertheless. */
	EXPECT_EQ(sys_pidfd_send_signal(fd, 0, NULL, 0), 0);
}

/* Closing such a pidfd would kill the process. */
TEST_F(pidfs, open_cannot_have_autokill)
{
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, O_TRUNC), -EINVAL);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, O_TRUNC | O_RDWR), -EINVAL);
	EXPECT_EQ(decode(self->pidfd, &self->fh, O_TRUNC | O_EXCL), -EINVAL);
	EXPECT_EQ(waitpid(self->child, NULL, WNOHANG), 0);
	EXPECT_EQ(sys_pidfd_send_signal(self->pidfd, 0, NULL, 0), 0);
}

TEST_F(pidfs, decoded_pidfd_signals_and_polls)
{
	struct pollfd pfd = { .events = POLLIN };
	siginfo_t info = {};

	pfd.fd = decode(FD_PIDFS_ROOT, &self->fh, O_CLOEXEC);
	ASSERT_GE(pfd.fd, 0);
	EXPECT_EQ(poll(&pfd, 1, 0), 0);
	ASSERT_EQ(sys_pidfd_send_signal(pfd.fd, SIGKILL, NULL, 0), 0);
	ASSERT_EQ(poll(&pfd, 1, 10000), 1);
	EXPECT_EQ(pfd.revents, POLLIN);
	ASSERT_EQ(sys_waitid(P_PIDFD, pfd.fd, &info, WEXITED | WNOWAIT), 0);
	EXPECT_EQ(info.si_pid, self->child);
	EXPECT_EQ(info.si_status, SIGKILL);
}

TEST_F(pidfs, decoded_twice_is_the_same_inode)
{
	struct stat st[3];
	int fd[2];

	fd[0] = decode(FD_PIDFS_ROOT, &self->fh, 0);
	ASSERT_GE(fd[0], 0);
	fd[1] = decode(fd[0], &self->fh, 0);
	ASSERT_GE(fd[1], 0);
	ASSERT_NE(fd[0], fd[1]);
	ASSERT_EQ(fstat(self->pidfd, &st[0]), 0);
	ASSERT_EQ(fstat(fd[0], &st[1]), 0);
	ASSERT_EQ(fstat(fd[1], &st[2]), 0);
	EXPECT_EQ(st[0].st_dev, st[1].st_dev);
	EXPECT_EQ(st[0].st_ino, st[1].st_ino);
	EXPECT_EQ(st[1].st_dev, st[2].st_dev);
	EXPECT_EQ(st[1].st_ino, st[2].st_ino);
}

TEST_F(pidfs, decode_needs_no_open_pidfd)
{
	struct handle fh;
	int fd;

	ASSERT_EQ(close(self->pidfd), 0);
	fd = decode(FD_PIDFS_ROOT, &self->fh, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pidfd_number(fd), self->number);
	EXPECT_EQ(pidfd_to_pid(fd), self->child);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->fh));
	ASSERT_EQ(close(fd), 0);
	ASSERT_DECODES(FD_PIDFS_ROOT, &self->fh, 0);
}

/* ---- where a handle is opened ---- */

TEST_F(pidfs, decode_at_anything_of_pidfs)
{
	int fd = sys_pidfd_open(getpid(), 0);

	ASSERT_GE(fd, 0);
	ASSERT_DECODES(FD_PIDFS_ROOT, &self->fh, 0);
	ASSERT_DECODES(self->pidfd, &self->fh, 0);
	ASSERT_DECODES(fd, &self->fh, 0);
}

TEST_F(pidfs, decode_at_bad_descriptor)
{
	/* The others that have a meaning elsewhere, and what never has. */
	static const int fds[] = {
		-1, INT_MAX, INT_MIN, -10000, -10001, -10004, -10009,
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		EXPECT_EQ(decode(fds[i], &self->fh, 0), -EBADF) {
			TH_LOG("descriptor %d", fds[i]);
		}
	}

	fd = dup(self->pidfd);
	ASSERT_GE(fd, 0);
	close(fd);
	EXPECT_EQ(decode(fd, &self->fh, 0), -EBADF);
}

/* It names something in pidfs, but is not open. */
TEST_F(pidfs, decode_at_path_descriptor)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->pidfd);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "needs a mounted procfs");
	EXPECT_EQ(decode(fd, &self->fh, 0), -EBADF);
}

TEST_F(pidfs, decode_at_the_root_of_nsfs_is_stale)
{
	EXPECT_EQ(decode(FD_NSFS_ROOT, &self->fh, 0), -ESTALE);
}

TEST_F(pidfs, decode_at_another_filesystem_is_stale)
{
	struct handle fh;
	int dir, file;

	if (!is_root())
		SKIP(return, "needs root to mount tmpfs");
	dir = tmpfs_dir();
	if (dir == -EPERM)
		SKIP(return, "needs CAP_SYS_ADMIN to mount tmpfs");
	ASSERT_GE(dir, 0);
	file = openat(dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	ASSERT_GE(file, 0);

	EXPECT_EQ(decode(dir, &self->fh, 0), -ESTALE);
	EXPECT_EQ(decode(file, &self->fh, 0), -ESTALE);
	ASSERT_EQ(fchdir(dir), 0);
	EXPECT_EQ(decode(AT_FDCWD, &self->fh, 0), -ESTALE);

	/* So it is not the place. */
	ASSERT_EQ(encode(file, &fh), 0);
	EXPECT_GE(decode(dir, &fh, 0), 0);
	EXPECT_GE(decode(AT_FDCWD, &fh, 0), 0);
}

/* Elsewhere it takes a capability even to be told that a handle is stale. */
TEST_F(pidfs, unprivileged_decode_at_another_filesystem)
{
	struct agent user;
	int file = sys_memfd_create("anchor", MFD_CLOEXEC);

	ASSERT_GE(file, 0);
	ASSERT_EQ(agent_start(&user, AGENT_USER, 0), 0);
	EXPECT_EQ(agent_decode(&user, file, &self->fh).ret, -EPERM);
	EXPECT_EQ(agent_decode(&user, AT_FDCWD, &self->fh).ret, -EPERM);
	EXPECT_EQ(agent_decode(&user, FD_PIDFS_ROOT, &self->fh).ret, 0);
}

TEST_F(pidfs, decode_does_not_take_handles_of_another_filesystem)
{
	struct handle fh;
	int file = sys_memfd_create("file", MFD_CLOEXEC);

	ASSERT_GE(file, 0);
	ASSERT_EQ(encode(file, &fh), 0);
	EXPECT_NE(fh.type, FILEID_KERNFS);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &fh, 0), -ESTALE);
	EXPECT_EQ(decode(self->pidfd, &fh, 0), -ESTALE);
}

/* ---- who may ---- */

TEST_F(pidfs, unprivileged_caller)
{
	struct agent_reply reply;
	struct agent user;

	ASSERT_EQ(agent_start(&user, AGENT_USER, 0), 0);

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

	/* And itself. */
	reply = agent_encode(&user, -1);
	ASSERT_EQ(reply.ret, 0);
	reply = agent_decode(&user, FD_PIDFS_ROOT, &reply.fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.pid, user.pid);
	EXPECT_EQ(reply.number, pidfd_number(user.pidfd));
}

TEST_F(pidfs, unprivileged_caller_gets_no_file_of_tmpfs)
{
	struct agent user;
	struct handle fh;
	int file = sys_memfd_create("file", MFD_CLOEXEC);

	ASSERT_GE(file, 0);
	ASSERT_EQ(encode(file, &fh), 0);
	ASSERT_EQ(agent_start(&user, AGENT_USER, 0), 0);
	EXPECT_EQ(agent_decode(&user, file, &fh).ret, -EPERM);
}

TEST_F(pidfs, only_root_gets_a_file_of_a_mounted_tmpfs)
{
	struct agent root, user;
	struct handle fh;
	int dir, file;

	if (!is_root())
		SKIP(return, "needs root to mount tmpfs");
	dir = tmpfs_dir();
	if (dir == -EPERM)
		SKIP(return, "needs CAP_SYS_ADMIN to mount tmpfs");
	ASSERT_GE(dir, 0);
	file = openat(dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	ASSERT_GE(file, 0);
	ASSERT_EQ(encode(file, &fh), 0);
	ASSERT_EQ(agent_start(&root, AGENT_SAME, 0), 0);
	ASSERT_EQ(agent_start(&user, AGENT_USER, 0), 0);

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

	ret = agent_start(&root, AGENT_NS_ROOT, CLONE_NEWUSER);
	if (namespaces_missing(ret))
		SKIP(return, "needs user namespaces");
	if (ret == -ENOENT)
		SKIP(return, "needs a mounted procfs");
	ASSERT_EQ(ret, 0);

	reply = agent_encode(&root, self->pidfd);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_TRUE(same_handle(&reply.fh, &self->fh));

	reply = agent_decode(&root, FD_PIDFS_ROOT, &self->fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.number, self->number);
	EXPECT_EQ(reply.pid, self->child);

	/* Its capabilities are worth nothing elsewhere. */
	EXPECT_EQ(agent_decode(&root, file, &fh).ret, -EPERM);
	EXPECT_EQ(agent_decode(&root, file, &self->fh).ret, -EPERM);
}

/* ---- pid namespaces ---- */

TEST_F(pidfs, ancestors_see_descendants_but_not_the_reverse)
{
	struct agent_request req = { .op = AGENT_SPAWN, .flags = CLONE_NEWPID };
	struct agent_reply reply, in_child, in_grandchild;
	struct agent child, grandchild = {};
	int sock[2], fd, ret;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), 0);
	ret = agent_start(&child, AGENT_SAME, namespace_flags(CLONE_NEWPID));
	if (namespaces_missing(ret))
		SKIP(return, "needs to create pid namespaces");
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

	/* The initial one, as far as the test is concerned: everybody. */
	fd = decode(FD_PIDFS_ROOT, &in_child.fh, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pidfd_number(fd), in_child.number);
	EXPECT_EQ(pidfd_to_pid(fd), child.pid);
	fd = decode(FD_PIDFS_ROOT, &in_grandchild.fh, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pidfd_number(fd), in_grandchild.number);
	EXPECT_GT(pidfd_to_pid(fd), 1);

	/* The child: itself and the grandchild. */
	reply = agent_decode(&child, FD_PIDFS_ROOT, &in_child.fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.number, in_child.number);
	EXPECT_EQ(reply.pid, 1);
	reply = agent_decode(&child, FD_PIDFS_ROOT, &in_grandchild.fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.number, in_grandchild.number);
	EXPECT_EQ(reply.pid, 2);
	EXPECT_EQ(agent_decode(&child, FD_PIDFS_ROOT, &self->fh).ret, -ESTALE);

	/* The grandchild: itself. */
	reply = agent_decode(&grandchild, FD_PIDFS_ROOT, &in_grandchild.fh);
	ASSERT_EQ(reply.ret, 0);
	EXPECT_EQ(reply.number, in_grandchild.number);
	EXPECT_EQ(agent_decode(&grandchild, FD_PIDFS_ROOT, &in_child.fh).ret,
		  -ESTALE);
	EXPECT_EQ(agent_decode(&grandchild, FD_PIDFS_ROOT, &self->fh).ret,
		  -ESTALE);
}

/* It takes no permission to encode, and holding a pidfd is not enough. */
TEST_F(pidfs, stranger_encodes_pidfd_that_it_cannot_decode)
{
	struct agent_reply reply;
	struct agent child;
	int ret;

	ret = agent_start(&child, AGENT_SAME, namespace_flags(CLONE_NEWPID));
	if (namespaces_missing(ret))
		SKIP(return, "needs to create pid namespaces");
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
		ret = agent_start(&child[i], AGENT_SAME, flags);
		if (namespaces_missing(ret))
			SKIP(return, "needs to create pid namespaces");
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

/* ---- how long a handle lives ---- */

TEST_F(pidfs, zombie_decodes)
{
	ASSERT_EQ(kill(self->child, SIGKILL), 0);
	ASSERT_EQ(sys_waitid(P_PID, self->child, NULL, WEXITED | WNOWAIT), 0);
	ASSERT_DECODES(FD_PIDFS_ROOT, &self->fh, 0);
	ASSERT_EQ(close(self->pidfd), 0);
	ASSERT_DECODES(FD_PIDFS_ROOT, &self->fh, 0);
}

TEST_F(pidfs, reaped_process_is_stale_with_pidfd_open)
{
	struct handle fh;

	ASSERT_DECODES(FD_PIDFS_ROOT, &self->fh, 0);
	ASSERT_EQ(kill_and_reap(self->child), 0);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE);
	EXPECT_EQ(decode(self->pidfd, &self->fh, 0), -ESTALE);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, O_EXCL), -ESTALE);

	/* There still is a number to tell. */
	ASSERT_EQ(encode(self->pidfd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->fh));
}

TEST_F(pidfs, reaped_process_is_stale_without_pidfd)
{
	int i;

	ASSERT_EQ(close(self->pidfd), 0);
	ASSERT_EQ(kill_and_reap(self->child), 0);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE);

	/* Nor does it come to life with others. */
	for (i = 0; i < 16; i++) {
		int pidfd;
		pid_t pid = paused_child(0, &pidfd);

		ASSERT_GT(pid, 0);
		EXPECT_NE(pidfd_number(pidfd), self->number);
		EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE);
		ASSERT_EQ(kill_and_reap(pid), 0);
		close(pidfd);
	}
}

TEST_F(pidfs, exec_keeps_the_handle_valid)
{
	char *const argv[] = { "cat", NULL };
	int in[2], done[2], pidfd, err = 0;
	struct handle fh, fh_after;
	pid_t pid;

	/* cat waits for its input; the other pipe is closed by the exec. */
	ASSERT_EQ(pipe(in), 0);
	ASSERT_EQ(pipe2(done, O_CLOEXEC), 0);
	pid = clone_child(0, &pidfd);
	ASSERT_GE(pid, 0);
	if (!pid) {
		char c;

		close(in[1]);
		close(done[0]);
		/* Not before it was encoded. */
		if (read_nointr(in[0], &c, 1) != 1 || dup2(in[0], 0) < 0)
			_exit(1);
		execvp(argv[0], argv);
		err = errno;
		write_nointr(done[1], &err, sizeof(err));
		_exit(1);
	}
	close(in[0]);
	close(done[1]);
	ASSERT_EQ(encode(pidfd, &fh), 0);
	ASSERT_EQ(write_nointr(in[1], "", 1), 1);
	if (read_nointr(done[0], &err, sizeof(err)) == sizeof(err))
		SKIP(return, "cannot run cat: %s", strerror(err));

	ASSERT_EQ(encode(pidfd, &fh_after), 0);
	EXPECT_TRUE(same_handle(&fh, &fh_after));
	pidfd = decode(FD_PIDFS_ROOT, &fh, 0);
	ASSERT_GE(pidfd, 0);
	EXPECT_EQ(pidfd_to_pid(pidfd), pid);
	/* It has not ended in the meantime. */
	EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
}

struct thread {
	pthread_t id;
	pthread_barrier_t started;
	pthread_barrier_t finish;
	pid_t tid;
};

static void *thread_main(void *arg)
{
	struct thread *thread = arg;

	thread->tid = syscall(__NR_gettid);
	pthread_barrier_wait(&thread->started);
	pthread_barrier_wait(&thread->finish);
	return NULL;
}

TEST_F(pidfs, thread_has_a_handle_of_its_own)
{
	struct handle leader_fh, fh;
	int leader, pidfd, fd, i;
	struct thread thread;
	__u64 number;

	pthread_barrier_init(&thread.started, NULL, 2);
	pthread_barrier_init(&thread.finish, NULL, 2);
	ASSERT_EQ(pthread_create(&thread.id, NULL, thread_main, &thread), 0);
	pthread_barrier_wait(&thread.started);

	leader = sys_pidfd_open(getpid(), 0);
	ASSERT_GE(leader, 0);
	ASSERT_EQ(encode(leader, &leader_fh), 0);
	pidfd = sys_pidfd_open(thread.tid, PIDFD_THREAD);
	ASSERT_GE(pidfd, 0);
	ASSERT_EQ(encode(pidfd, &fh), 0);
	EXPECT_FALSE(same_handle(&fh, &leader_fh));
	number = pidfd_number(pidfd);
	EXPECT_EQ(handle_number(&fh), number);

	/* The handle does not tell which of the two it was made from. */
	fd = decode(FD_PIDFS_ROOT, &fh, O_EXCL);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pidfd_number(fd), number);
	EXPECT_EQ(fcntl(fd, F_GETFL), O_RDWR | O_EXCL);
	EXPECT_EQ(pidfd_to_pid(fd), thread.tid);
	close(fd);
	fd = decode(FD_PIDFS_ROOT, &fh, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pidfd_number(fd), number);
	EXPECT_EQ(fcntl(fd, F_GETFL), O_RDWR);
	EXPECT_EQ(pidfd_to_pid(fd), thread.tid);
	close(fd);

	pthread_barrier_wait(&thread.finish);
	ASSERT_EQ(pthread_join(thread.id, NULL), 0);
	/* Joined it is a little before the kernel is done with it. */
	for (i = 0; i < RETRIES; i++) {
		fd = decode(FD_PIDFS_ROOT, &fh, O_EXCL);
		if (fd < 0)
			break;
		close(fd);
		usleep(1000);
	}
	EXPECT_EQ(fd, -ESTALE);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &fh, 0), -ESTALE);
	fd = decode(FD_PIDFS_ROOT, &leader_fh, 0);
	EXPECT_GE(fd, 0);
}

TEST_F(pidfs, reused_pid_has_another_handle)
{
	struct __clone_args args = { .exit_signal = SIGCHLD };
	struct handle fh;
	pid_t pid = -1;
	int pidfd, i;

	args.flags = CLONE_PIDFD;
	args.pidfd = ptr_to_u64(&pidfd);
	args.set_tid = ptr_to_u64(&self->child);
	args.set_tid_size = 1;

	/* The old pidfd stays open: it does not keep the pid. */
	ASSERT_EQ(kill_and_reap(self->child), 0);
	for (i = 0; i < RETRIES; i++) {
		pid = sys_clone3(&args, sizeof(args));
		if (!pid) {
			die_with_parent();
			pause_forever();
		}
		/* Somebody else can have it for a while. */
		if (pid > 0 || errno != EEXIST)
			break;
		usleep(1000);
	}
	if (pid < 0 && errno == EPERM)
		SKIP(return, "needs CAP_CHECKPOINT_RESTORE to choose a pid");
	ASSERT_EQ(pid, self->child);
	children[0] = pid;

	ASSERT_EQ(encode(pidfd, &fh), 0);
	EXPECT_FALSE(same_handle(&fh, &self->fh));
	EXPECT_NE(pidfd_number(pidfd), self->number);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE);
	EXPECT_EQ(decode(pidfd, &self->fh, 0), -ESTALE);

	pidfd = decode(FD_PIDFS_ROOT, &fh, 0);
	ASSERT_GE(pidfd, 0);
	EXPECT_EQ(pidfd_to_pid(pidfd), pid);
}

/*
 * A process that nobody ever had a pidfd of cannot be found by trying numbers.
 * The numbers are handed out in batches for each processor, so those of
 * children that are made on the same one are near.
 */
TEST_F_TIMEOUT(pidfs, number_without_pidfd_cannot_be_guessed, SLOW_TIMEOUT)
{
	pid_t hidden[HIDDEN_CHILDREN];
	unsigned int near = 0, found = 0;
	__u64 first, i;
	struct handle fh;
	cpu_set_t cpus;
	int fd, j;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	ASSERT_EQ(kill_and_reap(self->child), 0);
	self->child = paused_child(0, &self->pidfd);
	ASSERT_GT(self->child, 0);
	ASSERT_EQ(encode(self->pidfd, &fh), 0);
	for (j = 0; j < HIDDEN_CHILDREN; j++) {
		hidden[j] = paused_child(0, NULL);
		ASSERT_GT(hidden[j], 0);
	}

	first = handle_number(&fh) - GUESSES / 2;
	for (i = first; i != first + GUESSES; i++) {
		pid_t pid;

		handle_set_number(&fh, i);
		fd = decode(FD_PIDFS_ROOT, &fh, 0);
		if (fd < 0) {
			ASSERT_EQ(fd, -ESTALE);
			continue;
		}
		ASSERT_EQ(pidfd_number(fd), i);
		pid = pidfd_to_pid(fd);
		if (pid == self->child)
			found++;
		for (j = 0; j < HIDDEN_CHILDREN; j++)
			ASSERT_NE(pid, hidden[j]);
		close(fd);
	}
	ASSERT_EQ(found, 1);

	/* They were among the numbers, and a pidfd makes them known. */
	for (j = 0; j < HIDDEN_CHILDREN; j++) {
		fd = sys_pidfd_open(hidden[j], 0);
		ASSERT_GE(fd, 0);
		if (pidfd_number(fd) - first < GUESSES)
			near++;
		ASSERT_EQ(encode(fd, &fh), 0);
		close(fd);
		fd = decode(FD_PIDFS_ROOT, &fh, 0);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(pidfd_to_pid(fd), hidden[j]);
		close(fd);
	}
	if (near < HIDDEN_CHILDREN)
		SKIP(return, "the next batch of numbers was too far away");
}

TEST_HARNESS_MAIN
