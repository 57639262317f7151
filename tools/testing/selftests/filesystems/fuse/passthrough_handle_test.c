// SPDX-License-Identifier: GPL-2.0
/*
 * The operations of the sample server passthrough_handle, on a private tmpfs. Only
 * the test of file handles requires CONFIG_FUSE_HANDLE.
 */
#define _GNU_SOURCE
#include <linux/ptrace.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "fuse_client.h"
#include "kselftest_harness.h"
#include "passthrough_mount.h"

FIXTURE(passthrough)
{
	pid_t pid;
};

FIXTURE_SETUP(passthrough)
{
	const char *reason = passthrough_missing();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, passthrough_directories());
	self->pid = passthrough_mount(NULL);
	ASSERT_GT(self->pid, 0);
}

/* The server unmounts and exits with 0 after a signal. */
FIXTURE_TEARDOWN(passthrough)
{
	EXPECT_EQ(0, kill(self->pid, SIGTERM));
	EXPECT_EQ(0, exit_status(self->pid));
}

static int create(const char *path, const char *content)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	if (pwrite(fd, content, strlen(content), 0) != (ssize_t)strlen(content)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

TEST_F(passthrough, link)
{
	struct stat a, b;
	int fd;

	fd = create(MNT "/file", "content");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, link(MNT "/file", MNT "/link"));
	ASSERT_EQ(0, stat(MNT "/link", &a));
	ASSERT_EQ(0, stat(LOWER "/link", &b));
	EXPECT_EQ(a.st_ino, b.st_ino);
	EXPECT_EQ(2, b.st_nlink);
	EXPECT_EQ(-1, link(MNT "/file", MNT "/link"));
	EXPECT_EQ(EEXIST, errno);
	close(fd);
}

TEST_F(passthrough, symlink)
{
	char target[16] = "";

	ASSERT_EQ(0, symlink("file", MNT "/symlink"));
	ASSERT_EQ(4, readlink(LOWER "/symlink", target, sizeof(target)));
	ASSERT_EQ(4, readlink(MNT "/symlink", target, sizeof(target)));
	EXPECT_STREQ("file", target);
	/* The link itself, and not its target, gets another name. */
	ASSERT_EQ(0, linkat(AT_FDCWD, MNT "/symlink", AT_FDCWD, MNT "/again", 0));
	ASSERT_EQ(4, readlink(LOWER "/again", target, sizeof(target)));
}

TEST_F(passthrough, special_files)
{
	struct stat st;

	ASSERT_EQ(0, mkfifo(MNT "/fifo", 0600));
	ASSERT_EQ(0, stat(LOWER "/fifo", &st));
	EXPECT_TRUE(S_ISFIFO(st.st_mode));
	ASSERT_EQ(0, mknod(MNT "/device", S_IFCHR | 0600, makedev(259, 0x12345)));
	ASSERT_EQ(0, stat(LOWER "/device", &st));
	EXPECT_EQ(makedev(259, 0x12345), st.st_rdev);
	ASSERT_EQ(0, stat(MNT "/device", &st));
	EXPECT_EQ(makedev(259, 0x12345), st.st_rdev);
}

TEST_F(passthrough, unnamed_file)
{
	struct stat st;
	int fd;

	fd = open(MNT, O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(4, write(fd, "data", 4));
	ASSERT_EQ(0, linkat(fd, "", AT_FDCWD, MNT "/named", AT_EMPTY_PATH));
	ASSERT_EQ(0, stat(LOWER "/named", &st));
	EXPECT_EQ(4, st.st_size);
	EXPECT_EQ(0640, st.st_mode & 0777);
	close(fd);
}

TEST_F(passthrough, rename_flags)
{
	char content[4];
	int a, b;

	a = create(MNT "/a", "aaa");
	b = create(MNT "/b", "bbb");
	ASSERT_GE(a, 0);
	ASSERT_GE(b, 0);
	ASSERT_EQ(-1, syscall(__NR_renameat2, AT_FDCWD, MNT "/a", AT_FDCWD,
			      MNT "/b", 1 /* RENAME_NOREPLACE */));
	EXPECT_EQ(EEXIST, errno);
	ASSERT_EQ(0, syscall(__NR_renameat2, AT_FDCWD, MNT "/a", AT_FDCWD,
			     MNT "/b", 2 /* RENAME_EXCHANGE */));
	close(a);
	a = open(LOWER "/a", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(a, 0);
	ASSERT_EQ(3, read(a, content, 3));
	EXPECT_EQ(0, memcmp(content, "bbb", 3));
	close(a);
	close(b);
}

TEST_F(passthrough, extended_attributes)
{
	char value[16], list[64];
	int fd;

	fd = create(MNT "/file", "content");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, setxattr(MNT "/file", "trusted.test", "value", 5, 0));
	ASSERT_EQ(5, getxattr(LOWER "/file", "trusted.test", value,
			      sizeof(value)));
	EXPECT_EQ(0, memcmp(value, "value", 5));
	ASSERT_EQ(5, getxattr(MNT "/file", "trusted.test", NULL, 0));
	ASSERT_EQ(5, getxattr(MNT "/file", "trusted.test", value,
			      sizeof(value)));
	ASSERT_EQ(-1, setxattr(MNT "/file", "trusted.test", "value", 5,
			       XATTR_CREATE));
	EXPECT_EQ(EEXIST, errno);
	ASSERT_EQ(-1, getxattr(MNT "/file", "trusted.test", value, 2));
	EXPECT_EQ(ERANGE, errno);
	EXPECT_EQ(listxattr(LOWER "/file", list, sizeof(list)),
		  listxattr(MNT "/file", list, sizeof(list)));
	ASSERT_EQ(0, removexattr(MNT "/file", "trusted.test"));
	ASSERT_EQ(-1, getxattr(LOWER "/file", "trusted.test", value,
			       sizeof(value)));
	EXPECT_EQ(ENODATA, errno);
	close(fd);
}

TEST_F(passthrough, fallocate_and_holes)
{
	static char data[3 * 65536];
	struct stat st;
	int fd;

	fd = create(MNT "/file", "content");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fallocate(fd, 0, 0, 1 << 20));
	ASSERT_EQ(0, stat(LOWER "/file", &st));
	EXPECT_EQ(1 << 20, st.st_size);
	memset(data, 1, sizeof(data));
	ASSERT_EQ(sizeof(data), pwrite(fd, data, sizeof(data), 0));
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       65536, 65536));
	EXPECT_EQ(65536, lseek(fd, 0, SEEK_HOLE));
	close(fd);
}

TEST_F(passthrough, copy_file_range)
{
	int from, to;
	char content[8] = "";

	from = create(MNT "/from", "content");
	to = create(MNT "/to", "");
	ASSERT_GE(from, 0);
	ASSERT_GE(to, 0);
	ASSERT_EQ(7, copy_file_range(from, NULL, to, NULL, 7, 0));
	close(from);
	from = open(LOWER "/to", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(from, 0);
	ASSERT_EQ(7, read(from, content, sizeof(content)));
	EXPECT_STREQ("content", content);
	close(from);
	close(to);
}

TEST_F(passthrough, fsync)
{
	int fd, dir;

	fd = create(MNT "/file", "content");
	ASSERT_GE(fd, 0);
	dir = open(MNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(dir, 0);
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(0, fdatasync(fd));
	EXPECT_EQ(0, fsync(dir));
	EXPECT_EQ(0, close(fd));
	close(dir);
}

/* The table of nodes grows several times, and shrinks to nothing at the end. */
TEST_F_TIMEOUT(passthrough, many_files, SLOW_TIMEOUT)
{
	char path[64], lower[64];
	struct stat a, b;
	int i, fd;

	for (i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), MNT "/%d", i);
		fd = create(path, "");
		ASSERT_GE(fd, 0);
		close(fd);
	}
	for (i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), MNT "/%d", i);
		snprintf(lower, sizeof(lower), LOWER "/%d", i);
		ASSERT_EQ(0, stat(path, &a));
		ASSERT_EQ(0, stat(lower, &b));
		ASSERT_EQ(a.st_ino, b.st_ino);
	}
	/* Forgets all of them. */
	ASSERT_EQ(0, mount(NULL, MNT, NULL, MS_REMOUNT | MS_NODEV | MS_NOSUID,
			   NULL));
	ASSERT_EQ(0, stat(MNT "/0", &a));
}

/* Mounts a new server. Returns a descriptor of its root, or a negative errno. */
static int mount_again(pid_t *pid)
{
	int fd;

	if (kill(*pid, SIGTERM) || exit_status(*pid))
		return -EIO;
	*pid = passthrough_mount(NULL);
	if (*pid < 0)
		return *pid;
	fd = open(MNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

TEST_F(passthrough, handle_after_restart)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	char content[8] = "";
	__u64 mnt_id;
	int fd, mount_fd;

	fd = create(MNT "/file", "content");
	ASSERT_GE(fd, 0);
	close(fd);
	ASSERT_EQ(0, encode_at(AT_FDCWD, MNT "/file", &fh, &mnt_id,
			       AT_HANDLE_MNT_ID_UNIQUE));
	if (fh.type != FILEID_FUSE_HANDLE)
		SKIP(return, NO_FUSE_HANDLES);

	mount_fd = mount_again(&self->pid);
	ASSERT_GE(mount_fd, 0);
	fd = decode(mount_fd, &fh, O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(7, read(fd, content, sizeof(content)));
	EXPECT_STREQ("content", content);
	close(fd);
	close(mount_fd);
}

/* The kernel finds the name of the directory, which has the maximum length. */
TEST_F(passthrough, longest_name_after_restart)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	char dir[sizeof(MNT) + 1 + NAME_MAX] = MNT "/";
	char path[sizeof(dir) + 1];
	__u64 mnt_id;
	int fd, mount_fd;

	memset(dir + sizeof(MNT), 'x', NAME_MAX);
	ASSERT_EQ(0, mkdir(dir, 0700));
	ASSERT_EQ(0, encode_at(AT_FDCWD, dir, &fh, &mnt_id,
			       AT_HANDLE_MNT_ID_UNIQUE));
	if (fh.type != FILEID_FUSE_HANDLE)
		SKIP(return, NO_FUSE_HANDLES);

	mount_fd = mount_again(&self->pid);
	ASSERT_GE(mount_fd, 0);
	fd = decode(mount_fd, &fh, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	path_of_fd(fd, path, sizeof(path));
	EXPECT_STREQ(dir, path);
	close(fd);
	close(mount_fd);
}

/*
 * System calls of the server
 */

static long trace(int request, pid_t pid, unsigned long addr, void *data)
{
	return syscall(__NR_ptrace, request, pid, addr, data);
}

/* Stops a process. Requests of the kernel wait until it continues. */
static bool stop(pid_t pid)
{
	int status;

	return !trace(PTRACE_SEIZE, pid, 0, (void *)PTRACE_O_TRACESYSGOOD) &&
	       !trace(PTRACE_INTERRUPT, pid, 0, NULL) &&
	       waitpid(pid, &status, 0) == pid && WIFSTOPPED(status);
}

/* Continues to the entry or the exit of a system call. */
static bool next_stop(pid_t pid, struct ptrace_syscall_info *info)
{
	int status;

	return !trace(PTRACE_SYSCALL, pid, 0, NULL) &&
	       waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
	       trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(*info), info) > 0;
}

/* Continues to the entry of a system call. Ignores those before @path exists. */
static bool run_to(pid_t pid, __u64 nr, const char *path,
		   struct ptrace_syscall_info *info)
{
	do {
		if (!next_stop(pid, info))
			return false;
	} while (info->op != PTRACE_SYSCALL_INFO_ENTRY || info->entry.nr != nr ||
		 access(path, F_OK));
	return true;
}

/* read(2) of /dev/fuse fails with EINTR if another server takes over meanwhile. */
TEST_F(passthrough, interrupted_read)
{
	struct ptrace_syscall_info info;
	pid_t child;

	ASSERT_TRUE(stop(self->pid));
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		die_with_parent();
		_exit(mkdir(MNT "/directory", 0755) ? errno : 0);
	}
	ASSERT_TRUE(run_to(self->pid, __NR_read, "/", &info));
	/* Do not execute it. */
	info.entry.nr = -1;
	if (trace(PTRACE_SET_SYSCALL_INFO, self->pid, sizeof(info), &info))
		SKIP(goto detach, "needs PTRACE_SET_SYSCALL_INFO");
	ASSERT_TRUE(next_stop(self->pid, &info));
	ASSERT_EQ(PTRACE_SYSCALL_INFO_EXIT, info.op);
	info.exit.rval = -EINTR;
	info.exit.is_error = true;
	ASSERT_EQ(0, trace(PTRACE_SET_SYSCALL_INFO, self->pid, sizeof(info), &info));
detach:
	ASSERT_EQ(0, trace(PTRACE_DETACH, self->pid, 0, NULL));
	EXPECT_EQ(0, exit_status(child));
	EXPECT_EQ(0, access(LOWER "/directory", F_OK));
}

/*
 * The server is killed at a system call. The next one receives its request again.
 */

FIXTURE(supervised)
{
	pid_t pid;
	pid_t server;
};

/* Returns the only child of a process, or 0. */
static pid_t child_of(pid_t parent)
{
	char path[64];
	pid_t pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

FIXTURE_SETUP(supervised)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	const char *reason = passthrough_missing();
	__u64 mnt_id;

	if (reason)
		SKIP(return, "%s", reason);
	if (access("/proc/thread-self/children", R_OK))
		SKIP(return, "needs CONFIG_PROC_CHILDREN");
	ASSERT_EQ(0, passthrough_directories());
	self->pid = passthrough_mount("--supervise");
	ASSERT_GT(self->pid, 0);
	ASSERT_EQ(0, encode_at(AT_FDCWD, MNT, &fh, &mnt_id,
			       AT_HANDLE_MNT_ID_UNIQUE));
	if (fh.type != FILEID_FUSE_HANDLE)
		SKIP(return, NO_FUSE_HANDLES);
	self->server = child_of(self->pid);
	ASSERT_GT(self->server, 0);
}

FIXTURE_TEARDOWN(supervised)
{
	EXPECT_EQ(0, kill(self->pid, SIGTERM));
	EXPECT_EQ(0, exit_status(self->pid));
}

/* The call at which the process is stopped is not executed. */
static bool kill_stopped(pid_t pid)
{
	int status;

	return !kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid &&
	       WIFSIGNALED(status);
}

static pid_t create_in_child(void)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	die_with_parent();
	fd = create(MNT "/file", "content");
	_exit(fd < 0 ? -fd : 0);
}

static bool contains(const char *path, const char *content)
{
	char found[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, found, sizeof(found) - 1);
	close(fd);
	return len >= 0 && !strcmp(found, content);
}

/* The former server has recorded the file. Another file has its name. */
TEST_F(supervised, create_recorded)
{
	struct ptrace_syscall_info info;
	pid_t child;
	int fd;

	ASSERT_TRUE(stop(self->server));
	child = create_in_child();
	ASSERT_GT(child, 0);
	ASSERT_TRUE(run_to(self->server, __NR_writev, LOWER "/file", &info));
	ASSERT_EQ(0, rename(LOWER "/file", LOWER "/moved"));
	fd = create(LOWER "/file", "other");
	ASSERT_GE(fd, 0);
	close(fd);
	ASSERT_TRUE(kill_stopped(self->server));
	EXPECT_EQ(0, exit_status(child));
	EXPECT_TRUE(contains(LOWER "/moved", "content"));
	EXPECT_TRUE(contains(LOWER "/file", "other"));
}

/* The former server has not recorded the file. */
TEST_F(supervised, create_unrecorded)
{
	struct ptrace_syscall_info info;
	pid_t child;

	ASSERT_TRUE(stop(self->server));
	child = create_in_child();
	ASSERT_GT(child, 0);
	ASSERT_TRUE(run_to(self->server, __NR_name_to_handle_at, LOWER "/file",
			   &info));
	ASSERT_TRUE(kill_stopped(self->server));
	EXPECT_EQ(0, exit_status(child));
	EXPECT_TRUE(contains(LOWER "/file", "content"));
}

/* A request by handle to read does not open the file for writing. */
TEST_F(supervised, lease)
{
	struct ptrace_syscall_info info;
	pid_t child;
	int fd;

	fd = create(LOWER "/file", "content");
	ASSERT_GE(fd, 0);
	close(fd);
	fd = open(LOWER "/file", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	/* If the lease is broken, there is a signal. */
	signal(SIGIO, SIG_IGN);
	ASSERT_EQ(0, fcntl(fd, F_SETLEASE, F_RDLCK));
	ASSERT_TRUE(stop(self->server));
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		die_with_parent();
		_exit(!contains(MNT "/file", "content"));
	}
	ASSERT_TRUE(run_to(self->server, __NR_pread64, "/", &info));
	ASSERT_TRUE(kill_stopped(self->server));
	EXPECT_EQ(0, exit_status(child));
	EXPECT_EQ(F_RDLCK, fcntl(fd, F_GETLEASE));
	close(fd);
}

/* Runs the server with up to two arguments. */
static int status_of(char *first, char *second)
{
	char * const arguments[] = { first, second, NULL };

	return exit_status(passthrough_run(arguments));
}

TEST(command_line)
{
	if (access("./passthrough_handle", X_OK))
		SKIP(return, "needs passthrough_handle in the current directory");
	EXPECT_EQ(0, status_of("--help", NULL));
	EXPECT_EQ(2, status_of("--no-such-option", NULL));
	EXPECT_EQ(2, status_of(NULL, NULL));
	EXPECT_EQ(2, status_of("/tmp", NULL));
	EXPECT_EQ(1, status_of("/no/such/directory", "/tmp"));
}

TEST_HARNESS_MAIN
