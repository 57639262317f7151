// SPDX-License-Identifier: GPL-2.0
/*
 * What requests for file handles wait for: a worker waits for leases, fanotify
 * listeners and FIFOs, and the submitter does not. A worker that continues a
 * request keeps what the submitter has found.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <linux/openat2.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include "ring.h"
#include "kselftest_harness.h"

#define GATE		"gate"
#define OVERLAY		"merged"

#ifndef FD_FAILFS_ROOT
#define FD_FAILFS_ROOT	-10004
#endif

FIXTURE(wait)
{
	struct ring ring;
	int root;
	int pidfd;
	struct handle pid_fh;
	int nr_fds;
};

FIXTURE_SETUP(wait)
{
	const char *reason = missing_as_root();

	if (reason)
		SKIP(return, "%s", reason);
	self->root = enter_private_tmpfs();
	ASSERT_GE(self->root, 0);
	ASSERT_EQ(keep(sys_pidfd_open(getpid(), 0), &self->pidfd,
		       &self->pid_fh), 0);
	ASSERT_EQ(ring_init(&self->ring, 0), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(wait)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
	ring_exit(&self->ring);
	close(self->pidfd);
	EXPECT_EQ(leave_private_tmpfs(self->root), 0);
}

static void make_named(int root, const char *name, struct handle *fh)
{
	close(make_file(root, name, "content"));
	if (encode_path(root, name, fh))
		fh->bytes = 0;
}

/* Submits an open and returns the number of completions right after that. */
static int submit_open(struct ring *ring, int dfd, const struct handle *fh,
		       unsigned int flags, unsigned int sqe_flags)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);
	int ret;

	sqe_open(sqe, dfd, fh, flags | O_CLOEXEC);
	sqe->flags = sqe_flags;
	ret = ring_submit(ring);
	return ret == 1 ? (int)ring_ready(ring) : -EIO;
}

/* Returns 0 if the ring executes other requests at once. */
static int ring_is_usable(struct ring *ring, const struct handle *fh)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);
	struct io_uring_cqe cqe;
	int ret;

	sqe_open(sqe, FD_PIDFS_ROOT, fh, O_CLOEXEC);
	sqe->user_data = 0x1234;
	if (ring_submit(ring) != 1 || ring_ready(ring) != 1)
		return -EIO;
	ret = ring_wait(ring, &cqe);
	if (ret || cqe.user_data != 0x1234)
		return -EIO;
	return close_result(cqe.res);
}

TEST_F(wait, lease)
{
	struct handle fh;
	unsigned int i;
	int lease;

	/* The kernel signals the owner of a lease that is broken. */
	ASSERT_TRUE(signal(SIGIO, SIG_IGN) != SIG_ERR);
	make_named(self->root, "file", &fh);
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		lease = open("file", O_RDONLY | O_CLOEXEC);
		ASSERT_GE(lease, 0);
		ASSERT_EQ(fcntl(lease, F_SETLEASE, F_RDLCK), 0);
		/* Nobody waits here. */
		EXPECT_EQ(close_result(ring_open(&self->ring, self->root, &fh,
						 O_RDONLY, request_flags[i])), 0);
		EXPECT_EQ(decode(self->root, &fh, O_RDWR | O_NONBLOCK), -EAGAIN);
		EXPECT_EQ(ring_open(&self->ring, self->root, &fh,
				    O_RDWR | O_NONBLOCK, request_flags[i]),
			  -EAGAIN);

		EXPECT_EQ(submit_open(&self->ring, self->root, &fh, O_RDWR,
				      request_flags[i]), 0);
		EXPECT_EQ(ring_is_usable(&self->ring, &self->pid_fh), 0);
		usleep(20000);
		EXPECT_EQ(ring_ready(&self->ring), 0U);
		ASSERT_EQ(fcntl(lease, F_SETLEASE, F_UNLCK), 0);
		EXPECT_EQ(close_result(ring_result(&self->ring)), 0);
		close(lease);
	}
}

static int answer(int group, unsigned int response)
{
	struct fanotify_event_metadata event;
	struct fanotify_response permission;
	int ret = 0;

	if (read(group, &event, sizeof(event)) != sizeof(event))
		return -errno;
	if (!(event.mask & FAN_OPEN_PERM))
		ret = -EPROTO;
	permission.fd = event.fd;
	permission.response = response;
	if (write(group, &permission, sizeof(permission)) < 0)
		ret = -errno;
	close(event.fd);
	return ret;
}

/* The submitter is the listener: if it waited, it would wait forever. */
TEST_F(wait, fanotify_permission)
{
	static const struct { unsigned int response; int want; } cases[] = {
		{ FAN_ALLOW, 0 }, { FAN_DENY, -EPERM },
	};
	struct handle fh;
	unsigned int i;
	int group;

	make_named(self->root, "file", &fh);
	group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
	ASSERT_GE(group, 0);
	if (fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM, self->root, "file")) {
		close(group);
		SKIP(return, "needs CONFIG_FANOTIFY_ACCESS_PERMISSIONS");
	}
	for (i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(submit_open(&self->ring, self->root, &fh, O_RDONLY,
				      request_flags[i % 2]), 0);
		EXPECT_EQ(ring_is_usable(&self->ring, &self->pid_fh), 0);
		EXPECT_EQ(answer(group, cases[i / 2].response), 0);
		EXPECT_EQ(close_result(ring_result(&self->ring)),
			  cases[i / 2].want);
		/* O_PATH does not open the file. */
		EXPECT_EQ(close_result(ring_open(&self->ring, self->root, &fh,
						 O_PATH, request_flags[i % 2])),
			  0);
	}
	close(group);
}

/* With O_NONBLOCK, the open of a FIFO without a reader would fail: ENXIO. */
TEST_F(wait, fifo_without_a_reader)
{
	struct handle fh;
	unsigned int i;
	int reader;

	ASSERT_EQ(mkfifo("fifo", 0600), 0);
	ASSERT_EQ(encode_path(self->root, "fifo", &fh), 0);
	for (i = 0; i < ARRAY_SIZE(request_flags); i++) {
		EXPECT_EQ(ring_open(&self->ring, self->root, &fh,
				    O_WRONLY | O_NONBLOCK, request_flags[i]),
			  -ENXIO);
		EXPECT_EQ(submit_open(&self->ring, self->root, &fh, O_WRONLY,
				      request_flags[i]), 0);
		EXPECT_EQ(ring_is_usable(&self->ring, &self->pid_fh), 0);
		reader = open("fifo", O_RDONLY | O_CLOEXEC);
		ASSERT_GE(reader, 0);
		EXPECT_EQ(close_result(ring_result(&self->ring)), 0);
		close(reader);
	}
}

/* Returns true for the same error, or the same file with the same flags. */
static bool same_result(int a, int b)
{
	if (a < 0 || b < 0)
		return a == b;
	return same_file(a, b) && fcntl(a, F_GETFL) == fcntl(b, F_GETFL);
}

/* Files of all types have the result of the system call. */
TEST_F(wait, files_of_all_types)
{
	static const unsigned int flags[] = {
		O_RDONLY, O_RDWR, O_PATH, O_PATH | O_NOFOLLOW, O_DIRECTORY,
		O_RDONLY | O_NONBLOCK, O_WRONLY | O_NONBLOCK, O_NOFOLLOW,
	};
	static const char *const names[] = {
		"file", "dir", "link", "socket", "null", "fifo",
	};
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	unsigned int i, j, k;
	int sock, by_call, fd;
	struct handle fh;

	close(make_file(self->root, "file", ""));
	ASSERT_EQ(mkdir("dir", 0700), 0);
	ASSERT_EQ(symlink("file", "link"), 0);
	ASSERT_EQ(mknod("null", S_IFCHR | 0600, makedev(1, 3)), 0);
	ASSERT_EQ(mkfifo("fifo", 0600), 0);
	strcpy(address.sun_path, "socket");
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(bind(sock, (void *)&address, sizeof(address)), 0);
	close(sock);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(encode_path(self->root, names[i], &fh), 0);
		for (j = 0; j < ARRAY_SIZE(flags); j++) {
			/* These wait for the other end. */
			if (!strcmp(names[i], "fifo") && flags[j] != O_RDWR &&
			    !(flags[j] & (O_PATH | O_NONBLOCK | O_DIRECTORY)))
				continue;
			by_call = decode(self->root, &fh, flags[j] | O_CLOEXEC);
			for (k = 0; k < ARRAY_SIZE(request_flags); k++) {
				fd = ring_open(&self->ring, self->root, &fh,
					       flags[j] | O_CLOEXEC,
					       request_flags[k]);
				EXPECT_TRUE(same_result(fd, by_call))
					TH_LOG("%s, flags %#o: %d, not %d",
					       names[i], flags[j], fd, by_call);
				close_result(fd);
			}
			close_result(by_call);
		}
	}
}

/* The submitter opens regular files, directories, and the path of any file. */
TEST_F(wait, files_that_need_a_worker)
{
	static const struct {
		const char *name;
		unsigned int flags;
		int inlined;
	} opens[] = {
		{ "file", O_RDONLY, 1 }, { "file", O_RDWR, 1 },
		{ "file", O_PATH, 1 }, { "file", O_WRONLY | O_TRUNC, 0 },
		{ "dir", O_RDONLY, 1 }, { "dir", O_PATH | O_DIRECTORY, 1 },
		{ "fifo", O_RDWR, 0 }, { "fifo", O_PATH, 1 },
		{ "null", O_RDONLY, 0 }, { "null", O_PATH, 1 },
	};
	struct handle fh;
	struct ring ring;
	unsigned int i;

	/* Completions of workers are not posted before the ring waits. */
	ASSERT_EQ(ring_init(&ring, IORING_SETUP_SINGLE_ISSUER |
				   IORING_SETUP_DEFER_TASKRUN), 0);
	close(make_file(self->root, "file", ""));
	ASSERT_EQ(mkdir("dir", 0700), 0);
	ASSERT_EQ(mkfifo("fifo", 0600), 0);
	ASSERT_EQ(mknod("null", S_IFCHR | 0600, makedev(1, 3)), 0);
	for (i = 0; i < ARRAY_SIZE(opens); i++) {
		ASSERT_EQ(encode_path(self->root, opens[i].name, &fh), 0);
		EXPECT_EQ(submit_open(&ring, self->root, &fh, opens[i].flags,
				      0), opens[i].inlined) {
			TH_LOG("%s, flags %#o", opens[i].name, opens[i].flags);
		}
		EXPECT_EQ(close_result(ring_result(&ring)), 0);
	}
	ring_exit(&ring);
}

/* A worker does not look up the mount again. */
TEST_F(wait, mount_descriptor_can_be_closed_after_the_submission)
{
	int mount, writer;
	struct handle fh;

	ASSERT_EQ(mkfifo("fifo", 0600), 0);
	ASSERT_EQ(encode_path(self->root, "fifo", &fh), 0);
	mount = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(mount, 0);
	EXPECT_EQ(submit_open(&self->ring, mount, &fh, O_RDONLY, 0), 0);
	close(mount);
	writer = open("fifo", O_WRONLY | O_CLOEXEC);
	ASSERT_GE(writer, 0);
	EXPECT_EQ(close_result(ring_result(&self->ring)), 0);
	close(writer);
}

/*
 * An overlay, which does not decode without waiting, and whose encoding may copy
 * up a directory.
 */
static int mount_overlay(void)
{
	if (mkdir("lower", 0755) || mkdir("lower/dir", 0755) ||
	    mkdir("upper", 0755) || mkdir("work", 0755) || mkdir(OVERLAY, 0755))
		return -errno;
	close(make_file(AT_FDCWD, "lower/dir/file", "content"));
	close(make_file(AT_FDCWD, "lower/dir/other", "content"));
	if (mount("overlay", OVERLAY, "overlay", 0,
		  "lowerdir=lower,upperdir=upper,workdir=work,index=on,nfs_export=on"))
		return -errno;
	return 0;
}

static int prepare_overlay(int root, struct handle *fh)
{
	int ret = mount_overlay();

	return ret ?: encode_path(root, OVERLAY "/dir/file", fh);
}

#define NEEDS_OVERLAY	"needs overlayfs with nfs_export=on"

/*
 * Only a worker encodes. It looks up a name again, and uses the file of a
 * descriptor that the submitter found.
 */
TEST_F(wait, encoding_of_overlayfs)
{
	struct handle fh, renamed, by_name = { .bytes = HANDLE_MAX };
	struct handle by_fd = { .bytes = HANDLE_MAX };
	struct ring *ring = &self->ring;
	struct io_uring_sqe *sqe;
	int results[3], fd;
	struct gate gate;
	__u64 ids[2];

	if (prepare_overlay(self->root, &fh)) {
		umount2(OVERLAY, MNT_DETACH);
		SKIP(return, NEEDS_OVERLAY);
	}
	fd = open(OVERLAY "/dir/file", O_PATH | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	sqe = ring_sqe(ring);
	sqe_name(sqe, self->root, OVERLAY "/dir/file", &by_name, &ids[0],
		 AT_HANDLE_MNT_ID_UNIQUE);
	sqe->user_data = 1;
	sqe = ring_sqe(ring);
	sqe_name(sqe, fd, "", &by_fd, &ids[1],
		 AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE);
	sqe->user_data = 2;
	ASSERT_EQ(ring_submit(ring), 3);
	EXPECT_EQ(ring_ready(ring), 0U);
	EXPECT_EQ(by_name.bytes, (__u32)HANDLE_MAX);

	close(fd);
	ASSERT_EQ(rename(OVERLAY "/dir/other", OVERLAY "/dir/file"), 0);
	ASSERT_EQ(encode_path(self->root, OVERLAY "/dir/file", &renamed), 0);
	EXPECT_FALSE(same_handle(&renamed, &fh));
	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 3));
	gate_remove(&gate, results[0]);
	EXPECT_EQ(results[1], 0);
	EXPECT_EQ(results[2], 0);
	EXPECT_TRUE(same_handle(&by_name, &renamed));
	EXPECT_TRUE(same_handle(&by_fd, &fh));
	EXPECT_EQ(ids[0], ids[1]);
	EXPECT_EQ(umount2(OVERLAY, MNT_DETACH), 0);
}

/* The permission is checked once, before the request is passed to a worker. */
TEST_F(wait, decoding_of_overlayfs)
{
	struct ring *ring = &self->ring;
	struct io_uring_sqe *sqe;
	struct gate gate;
	struct handle fh;
	int results[2];
	int mount, fd;

	if (prepare_overlay(self->root, &fh)) {
		umount2(OVERLAY, MNT_DETACH);
		SKIP(return, NEEDS_OVERLAY);
	}
	mount = open(OVERLAY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(mount, 0);
	ASSERT_EQ(ring_one_worker(ring), 0);
	ASSERT_NE(gate_close(&gate, ring, GATE), NULL);
	sqe = ring_sqe(ring);
	sqe_open(sqe, mount, &fh, O_RDONLY | O_CLOEXEC);
	sqe->user_data = 1;
	ASSERT_EQ(ring_submit(ring), 2);
	EXPECT_EQ(ring_ready(ring), 0U);
	close(mount);
	ASSERT_EQ(seteuid(NOBODY), 0);

	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(ring, results, 2));
	ASSERT_EQ(seteuid(0), 0);
	gate_remove(&gate, results[0]);
	fd = open(OVERLAY "/dir/file", O_RDONLY | O_CLOEXEC);
	EXPECT_TRUE(results[1] >= 0 && same_file(results[1], fd))
		TH_LOG("%d", results[1]);
	close_result(results[1]);
	close(fd);

	/* A user who may not decode gets no worker. */
	mount = open(OVERLAY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_EQ(seteuid(NOBODY), 0);
	EXPECT_EQ(submit_open(ring, mount, &fh, O_RDONLY, 0), 1);
	EXPECT_EQ(ring_result(ring), -EPERM);
	ASSERT_EQ(seteuid(0), 0);
	close(mount);
	EXPECT_EQ(umount2(OVERLAY, MNT_DETACH), 0);
}

/* A request that keeps a mount and is cancelled releases it. */
TEST_F(wait, cancelled_request_releases_the_mount)
{
	struct io_uring_sqe *sqe;
	struct handle fh;
	struct ring ring;
	struct gate gate;
	unsigned int i;

	if (prepare_overlay(self->root, &fh)) {
		umount2(OVERLAY, MNT_DETACH);
		SKIP(return, NEEDS_OVERLAY);
	}
	ASSERT_EQ(ring_init(&ring, 0), 0);
	ASSERT_EQ(ring_one_worker(&ring), 0);
	ASSERT_NE(gate_close(&gate, &ring, GATE), NULL);
	for (i = 0; i < 8; i++) {
		int mount = open(OVERLAY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		ASSERT_GE(mount, 0);
		sqe = ring_sqe(&ring);
		sqe_open(sqe, mount, &fh, O_RDONLY | O_CLOEXEC);
		ASSERT_EQ(ring_submit(&ring), i ? 1 : 2);
		close(mount);
	}
	EXPECT_NE(umount(OVERLAY), 0);
	EXPECT_EQ(errno, EBUSY);
	ring_exit(&ring);
	for (i = 0; i < RETRIES && umount(OVERLAY); i++)
		usleep(1000);
	EXPECT_LT(i, (unsigned int)RETRIES);
	unlink(GATE);
}

/* Returns the number of free inodes of the tmpfs. */
static long free_inodes(int root)
{
	struct statfs st;

	return fstatfs(root, &st) ? -errno : (long)st.f_ffree;
}

/*
 * A request that waits for a worker keeps the file that the submitter has
 * found. The cancellation of the request frees that file if it is unlinked.
 */
TEST_F(wait, cancelled_request_releases_the_file)
{
	int results[3], fd;
	struct io_uring_sqe *sqe;
	struct handle fh;
	struct ring ring;
	struct gate gate;
	long free;

	ASSERT_EQ(ring_init(&ring, 0), 0);
	ASSERT_EQ(ring_one_worker(&ring), 0);
	ASSERT_NE(gate_close(&gate, &ring, GATE), NULL);
	ASSERT_EQ(mkfifo("fifo", 0600), 0);
	ASSERT_EQ(encode_path(self->root, "fifo", &fh), 0);
	sqe = ring_sqe(&ring);
	sqe_open(sqe, self->root, &fh, O_WRONLY | O_CLOEXEC);
	sqe->user_data = 1;
	ASSERT_EQ(ring_submit(&ring), 2);
	EXPECT_EQ(ring_ready(&ring), 0U);

	free = free_inodes(self->root);
	ASSERT_GT(free, 0);
	ASSERT_EQ(unlink("fifo"), 0);
	EXPECT_EQ(free_inodes(self->root), free);

	sqe = ring_sqe(&ring);
	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->addr = 1;
	sqe->user_data = 2;
	ASSERT_EQ(ring_submit(&ring), 1);
	ASSERT_EQ(gate_open(&gate), 0);
	ASSERT_TRUE(ring_results(&ring, results, 3));
	gate_remove(&gate, results[0]);
	EXPECT_EQ(results[1], -ECANCELED);
	EXPECT_EQ(results[2], 0);
	/* Those of the file and of the gate. */
	EXPECT_EQ(free_inodes(self->root), free + 2);
	fd = decode(self->root, &fh, O_RDWR | O_CLOEXEC);
	EXPECT_EQ(close_result(fd), -ESTALE);
	ring_exit(&ring);
}

static int open_cached(const char *path, __u64 resolve)
{
	struct open_how how = {
		.flags		= O_PATH | O_CLOEXEC,
		.resolve	= resolve,
	};
	int fd = syscall(__NR_openat2, AT_FDCWD, path, &how, sizeof(how));

	return close_result(fd < 0 ? -errno : fd);
}

/* Encodes @path. Returns the result of a worker, or -EALREADY. */
static int name_in_worker(const char *path)
{
	struct ring ring;
	int ret;

	/* Completions of workers are not posted before the ring waits. */
	ret = ring_init(&ring, IORING_SETUP_SINGLE_ISSUER |
			       IORING_SETUP_DEFER_TASKRUN);
	if (ret)
		return ret;
	output.bytes = HANDLE_MAX;
	sqe_name(ring_sqe(&ring), AT_FDCWD, path, &output, &output_id,
		 AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE);
	ret = ring_submit(&ring);
	if (ret == 1)
		ret = ring_ready(&ring) ? -EALREADY : ring_result(&ring);
	ring_exit(&ring);
	return ret;
}

/*
 * ->d_weak_revalidate() may ask a server, so the submitter does not call it.
 * The one of failfs returns EOPNOTSUPP.
 */
TEST_F(wait, weak_revalidation)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int cwd, slash, cached, uncached;

	ASSERT_GE(root, 0);
	if (fchdir(FD_FAILFS_ROOT)) {
		close(root);
		SKIP(return, "needs failfs");
	}
	cwd = name_in_worker("");
	ASSERT_EQ(fchdir(self->root), 0);
	EXPECT_EQ(cwd, -EOPNOTSUPP);

	ASSERT_EQ(syscall(__NR_fchroot, FD_FAILFS_ROOT, 0), 0);
	slash = name_in_worker("/");
	cached = open_cached("/", RESOLVE_CACHED);
	uncached = open_cached("/", 0);
	ASSERT_EQ(syscall(__NR_fchroot, root, 0), 0);
	EXPECT_EQ(slash, -EOPNOTSUPP);
	EXPECT_EQ(cached, -EAGAIN);
	EXPECT_EQ(uncached, -EOPNOTSUPP);
	EXPECT_EQ(open_cached("/", RESOLVE_CACHED), 0);
	close(root);
}

TEST_HARNESS_MAIN
