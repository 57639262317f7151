// SPDX-License-Identifier: GPL-2.0
/*
 * The contents of pidfs handles, the flags that they can be opened with, and
 * how long they are valid.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>

#include "pidfs_fixture.h"

/* The open flags that pidfs accepts. */
#define VALID_OPEN_FLAGS \
	((unsigned int)(O_WRONLY | O_RDWR | O_NONBLOCK | O_CLOEXEC | O_EXCL | \
			KERNEL_O_LARGEFILE))

/* How many numbers around a known one to try. */
#define GUESSES		65536
#define HIDDEN_CHILDREN	16

/*
 * Returns true if a descriptor that is opened with PIDFD_THREAD reports that
 * flag. Older kernels do not, and find any process by its number.
 */
static bool keeps_thread_flag(const struct handle *fh)
{
	int fd = decode(FD_PIDFS_ROOT, fh, O_EXCL);
	int flags = fcntl(fd, F_GETFL);

	close_result(fd);
	return flags >= 0 && flags & O_EXCL;
}

#define NEEDS_THREAD_FLAG "needs a pidfs that keeps PIDFD_THREAD"

/* Checks that the handle opens a pidfd of the child. */
#define ASSERT_DECODES(dfd, fh, flags) \
do { \
	int __fd = decode(dfd, fh, flags); \
\
	ASSERT_GE(__fd, 0); \
	ASSERT_EQ(pidfd_number(__fd), self->number); \
	ASSERT_EQ(pidfd_to_pid(__fd), self->child); \
	ASSERT_EQ(close(__fd), 0); \
} while (0)

TEST_F(pidfs, handle_is_the_number_of_the_pid)
{
	struct stat st;

	EXPECT_EQ(self->fh.bytes, (unsigned int)HANDLE_PIDFS);
	EXPECT_EQ(self->fh.type, FILEID_KERNFS);
	EXPECT_EQ(handle_number(&self->fh), self->number);

	ASSERT_EQ(fstat(self->pidfd, &st), 0);
	/* On 32-bit kernels, the inode number is the lower half. */
	EXPECT_EQ((unsigned long)handle_number(&self->fh),
		  (unsigned long)st.st_ino);
}

TEST_F(pidfs, decode_ignores_trailing_bytes)
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
		/* Another process, with a pidfd, has that number. */
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

TEST_F(pidfs, open_accepts_only_flags_of_pidfds)
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

TEST_F(pidfs, flags_are_checked_before_the_handle)
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

	if (!keeps_thread_flag(&self->fh))
		SKIP(return, NEEDS_THREAD_FLAG);
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

/* O_RDWR is added to the flags, and O_WRONLY is not removed. */
TEST_F(pidfs, open_write_only_keeps_both_bits)
{
	int fd = decode(FD_PIDFS_ROOT, &self->fh, O_WRONLY);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFL), O_WRONLY | O_RDWR);
	EXPECT_EQ(sys_pidfd_send_signal(fd, 0, NULL, 0), 0);
}

/* O_TRUNC is PIDFD_AUTOKILL: closing such a pidfd kills the process. */
TEST_F(pidfs, open_refuses_autokill)
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
	ASSERT_EQ(poll(&pfd, 1, -1), 1);
	EXPECT_EQ(pfd.revents, POLLIN);
	ASSERT_EQ(sys_waitid(P_PIDFD, pfd.fd, &info, WEXITED | WNOWAIT), 0);
	EXPECT_EQ(info.si_pid, self->child);
	EXPECT_EQ(info.si_status, SIGKILL);
}

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

	/* Encoding still works. */
	ASSERT_EQ(encode(self->pidfd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->fh));
}

TEST_F(pidfs, reaped_process_is_stale_without_pidfd)
{
	int i;

	ASSERT_EQ(close(self->pidfd), 0);
	ASSERT_EQ(kill_and_reap(self->child), 0);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->fh, 0), -ESTALE);

	/* New processes do not make it valid again. */
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

	/* cat waits for input. execve() closes the other pipe. */
	ASSERT_EQ(pipe(in), 0);
	ASSERT_EQ(pipe2(done, O_CLOEXEC), 0);
	pid = clone_child(0, &pidfd);
	ASSERT_GE(pid, 0);
	if (!pid) {
		char c;

		close(in[1]);
		close(done[0]);
		/* Wait until the parent has encoded the handle. */
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
		SKIP(return, "needs cat: %s", strerror(err));

	ASSERT_EQ(encode(pidfd, &fh_after), 0);
	EXPECT_TRUE(same_handle(&fh, &fh_after));
	pidfd = decode(FD_PIDFS_ROOT, &fh, 0);
	ASSERT_GE(pidfd, 0);
	EXPECT_EQ(pidfd_to_pid(pidfd), pid);
	/* cat is still running. */
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

	if (!keeps_thread_flag(&self->fh))
		SKIP(return, NEEDS_THREAD_FLAG);
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

	/* The flag is not part of the handle. */
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
	/* pthread_join() returns before the kernel has released the thread. */
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

	/* The old pidfd stays open, but does not reserve the pid. */
	ASSERT_EQ(kill_and_reap(self->child), 0);
	for (i = 0; i < RETRIES; i++) {
		pid = sys_clone3(&args, sizeof(args));
		if (!pid) {
			die_with_parent();
			pause_forever();
		}
		/* Another process can have it for a while. */
		if (pid > 0 || errno != EEXIST)
			break;
		usleep(1000);
	}
	if (pid < 0 && errno == EPERM)
		SKIP(return, "needs CAP_CHECKPOINT_RESTORE to choose a pid");
	ASSERT_EQ(pid, self->child);
	remember_child(pid);

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
 * A process that never had a pidfd cannot be found by trying numbers. Each
 * processor allocates numbers in batches, so that children which are created
 * on one processor have numbers close to each other.
 */
TEST_F_TIMEOUT(pidfs, number_without_pidfd_cannot_be_guessed, SLOW_TIMEOUT)
{
	pid_t hidden[HIDDEN_CHILDREN];
	unsigned int near = 0, found = 0;
	__u64 first, i;
	struct handle fh;
	cpu_set_t cpus;
	int fd, j;

	if (!keeps_thread_flag(&self->fh))
		SKIP(return, NEEDS_THREAD_FLAG);
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
	ASSERT_EQ(found, 1U);

	/* The numbers were in the range. With a pidfd, they are found. */
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
		SKIP(return, "the numbers of the children were not in the range");
}

TEST_HARNESS_MAIN
