// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that wait for the reply to FUSE_INIT: their contents, and the errno
 * of the caller. The server negotiates no feature that changes either, so the
 * results are the same for every kernel configuration.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

#include "fuse_server.h"
#include "kselftest_harness.h"

#define MOUNT		"/tmp/before_init"

#ifndef FUSE_ALLOW_IDMAP
#define FUSE_ALLOW_IDMAP	(UINT64_C(1) << 40)
#endif

/* An errno that no other part of the system returns here */
#define SERVER_ERRNO	EXDEV

static int do_stat(void)
{
	struct stat st;

	return stat(MOUNT "/name", &st);
}

static int do_access(void)
{
	return access(MOUNT "/name", R_OK);
}

static int do_open(void)
{
	return open(MOUNT "/name", O_RDONLY);
}

static int do_open_nonblock(void)
{
	return open(MOUNT "/name", O_RDONLY | O_NONBLOCK);
}

static int do_open_path(void)
{
	return open(MOUNT "/name", O_PATH);
}

static int do_open_below(void)
{
	return open(MOUNT "/dir/name", O_RDONLY);
}

static int do_create(void)
{
	return open(MOUNT "/name", O_CREAT | O_EXCL | O_WRONLY, 0600);
}

static int do_mkdir(void)
{
	return mkdir(MOUNT "/name", 0700);
}

static int do_mknod(void)
{
	return mknod(MOUNT "/name", S_IFIFO | 0600, 0);
}

static int do_symlink(void)
{
	return symlink("target", MOUNT "/name");
}

static int do_unlink(void)
{
	return unlink(MOUNT "/name");
}

static int do_rmdir(void)
{
	return rmdir(MOUNT "/name");
}

static int do_rename(void)
{
	return rename(MOUNT "/name", MOUNT "/other");
}

static int do_getxattr(void)
{
	char buf[16];

	return getxattr(MOUNT "/name", "user.name", buf, sizeof(buf));
}

static int do_name_to_handle(void)
{
	struct file_handle fh = {};
	int mnt_id;

	return name_to_handle_at(AT_FDCWD, MOUNT "/name", &fh, &mnt_id, 0);
}

static int do_chmod(void)
{
	return chmod(MOUNT "/name", 0600);
}

static int do_stat_root(void)
{
	struct stat st;

	return stat(MOUNT, &st);
}

static int do_chmod_root(void)
{
	return chmod(MOUNT, 0700);
}

static int do_statfs(void)
{
	struct statfs st;

	return statfs(MOUNT, &st);
}

static int do_readdir(void)
{
	DIR *dir = opendir(MOUNT);
	int err;

	if (!dir)
		return -1;
	errno = 0;
	err = readdir(dir) || !errno ? 0 : errno;
	closedir(dir);
	errno = err;
	return err ? -1 : 0;
}

static int do_getxattr_root(void)
{
	char buf[16];

	return getxattr(MOUNT, "user.name", buf, sizeof(buf));
}

static const struct {
	const char *name;
	int (*call)(void);
	uint32_t opcode;	/* of the first request */
	const char *component;	/* name that it looks up, "name" if NULL */
} calls[] = {
	{ "stat", do_stat, FUSE_LOOKUP, NULL },
	{ "access", do_access, FUSE_LOOKUP, NULL },
	{ "open", do_open, FUSE_LOOKUP, NULL },
	{ "open O_NONBLOCK", do_open_nonblock, FUSE_LOOKUP, NULL },
	{ "open O_PATH", do_open_path, FUSE_LOOKUP, NULL },
	{ "open below a directory", do_open_below, FUSE_LOOKUP, "dir" },
	{ "create", do_create, FUSE_LOOKUP, NULL },
	{ "mkdir", do_mkdir, FUSE_LOOKUP, NULL },
	{ "mknod", do_mknod, FUSE_LOOKUP, NULL },
	{ "symlink", do_symlink, FUSE_LOOKUP, NULL },
	{ "unlink", do_unlink, FUSE_LOOKUP, NULL },
	{ "rmdir", do_rmdir, FUSE_LOOKUP, NULL },
	{ "rename", do_rename, FUSE_LOOKUP, NULL },
	{ "getxattr", do_getxattr, FUSE_LOOKUP, NULL },
	{ "name_to_handle_at", do_name_to_handle, FUSE_LOOKUP, NULL },
	{ "chmod", do_chmod, FUSE_LOOKUP, NULL },
	{ "stat of the root", do_stat_root, FUSE_GETATTR, NULL },
	{ "chmod of the root", do_chmod_root, FUSE_SETATTR, NULL },
	{ "statfs", do_statfs, FUSE_STATFS, NULL },
	{ "readdir", do_readdir, FUSE_OPENDIR, NULL },
	{ "getxattr of the root", do_getxattr_root, FUSE_GETXATTR, NULL },
};

/* Returns the device number of the mount. Sends no request to the server. */
static unsigned int mount_minor(void)
{
	unsigned int id, parent, major, minor, found = 0;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[512], at[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%u %u %u:%u %*s %255s", &id, &parent, &major,
			   &minor, at) == 5 && !strcmp(at, MOUNT))
			found = minor;
	}
	if (file)
		fclose(file);
	return found;
}

FIXTURE(before_init)
{
	int fd;
	unsigned int minor;
	pid_t pid;
};

static int begin(int *fd, unsigned int *minor, const char *more)
{
	char options[128];

	*fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (*fd < 0)
		return -errno;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0%s", *fd, more);
	if (mount("before_init", MOUNT, "fuse", MS_NOSUID | MS_NODEV, options))
		return -errno;
	*minor = mount_minor();
	return 0;
}

#define BEGIN(more)	begin(&self->fd, &self->minor, more)

/* Starts a call in a child, which exits with the errno of the call. */
static pid_t start(int fd, unsigned int i)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	/* The connection ends with the last descriptor. */
	close(fd);
	_exit(calls[i].call() < 0 ? errno : 0);
}

/* Returns true if there is a pending request besides FUSE_INIT. */
static bool waits(unsigned int minor)
{
	int i;

	for (i = 0; i < 2000 && nr_waiting(minor) < 2; i++)
		usleep(1000);
	return nr_waiting(minor) == 2;
}

/* Returns the wait status, or a negative value if the child does not end. */
static int finish(pid_t *pid)
{
	int status, i;

	for (i = 0; i < 10000; i++) {
		if (waitpid(*pid, &status, WNOHANG) == *pid) {
			*pid = 0;
			return status;
		}
		usleep(1000);
	}
	return -1;
}

#define EXPECT_ERRNO(expected, i) do {					\
	int status_ = finish(&self->pid), expected_ = (expected);	\
									\
	EXPECT_TRUE(status_ >= 0 && WIFEXITED(status_) &&		\
		    WEXITSTATUS(status_) == expected_) {		\
		TH_LOG("%s: status %#x, not errno %d", calls[i].name,	\
		       status_, expected_);				\
	}								\
} while (0)

#define START(i) do {							\
	unsigned int i_ = (i);						\
									\
	self->pid = start(self->fd, i_);				\
	ASSERT_GT(self->pid, 0);					\
	ASSERT_TRUE(waits(self->minor)) {				\
		TH_LOG("%s: %d requests wait", calls[i_].name,		\
		       nr_waiting(self->minor));			\
	}								\
} while (0)

static int end_connection(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return umount2(MOUNT, MNT_DETACH) ? -errno : 0;
}

FIXTURE_SETUP(before_init)
{
	const char *reason = fuse_missing();

	self->fd = -1;
	self->pid = 0;
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, private_mounts());
	ASSERT_EQ(0, mount("before_init", "/tmp", "tmpfs", 0, NULL));
	ASSERT_EQ(0, mkdir(MOUNT, 0755));
	/* It may already be mounted. */
	mount("none", FUSE_CONNECTIONS, "fusectl", 0, NULL);
}

FIXTURE_TEARDOWN(before_init)
{
	if (self->fd >= 0)
		end_connection(&self->fd);
	if (self->pid) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
}

/* Earlier kernels return ENOTCONN for calls on a connection that has failed. */
static bool older_than_7_3(void)
{
	unsigned int major, minor;
	struct utsname name;

	return !uname(&name) && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major < 7 || (major == 7 && minor < 3));
}

/* The server dies. */
TEST_F(before_init, server_exits)
{
	unsigned int i;

	if (older_than_7_3())
		SKIP(return, "needs Linux 7.3 for its errno");
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ASSERT_EQ(0, BEGIN(""));
		START(i);
		close(self->fd);
		self->fd = -1;
		EXPECT_ERRNO(ENOTCONN, i);
		/* Later calls do not wait. */
		self->pid = start(-1, i);
		EXPECT_ERRNO(ECONNREFUSED, i);
		ASSERT_EQ(0, end_connection(&self->fd));
	}
}

/* The connection is aborted while the server lives. */
TEST_F(before_init, connection_is_aborted)
{
	char path[128];
	unsigned int i;

	if (older_than_7_3())
		SKIP(return, "needs Linux 7.3 for its errno");
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ASSERT_EQ(0, BEGIN(""));
		START(i);
		snprintf(path, sizeof(path), FUSE_CONNECTIONS "/%u/abort",
			 self->minor);
		ASSERT_EQ(0, write_string(path, "1"));
		EXPECT_ERRNO(ENOTCONN, i);
		self->pid = start(self->fd, i);
		EXPECT_ERRNO(ECONNREFUSED, i);
		ASSERT_EQ(0, end_connection(&self->fd));
	}
}

/* The mount is forced to end, which aborts the connection. */
TEST_F(before_init, forced_unmount)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ASSERT_EQ(0, BEGIN(""));
		START(i);
		/* The mount itself may still be busy. */
		umount2(MOUNT, MNT_FORCE);
		EXPECT_ERRNO(ENOTCONN, i);
		end_connection(&self->fd);
	}
}

/* A caller that waits can be killed. */
TEST_F(before_init, caller_is_killed)
{
	unsigned int i;
	int status;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ASSERT_EQ(0, BEGIN(""));
		START(i);
		ASSERT_EQ(0, kill(self->pid, SIGKILL));
		status = finish(&self->pid);
		EXPECT_TRUE(status >= 0 && WIFSIGNALED(status)) {
			TH_LOG("%s: status %#x", calls[i].name, status);
		}
		/* Only FUSE_INIT is pending. */
		EXPECT_EQ(1, nr_waiting(self->minor));
		ASSERT_EQ(0, end_connection(&self->fd));
	}
}

struct request {
	struct fuse_in_header in;
	char args[8192];
};

static bool next_request(int fd, struct request *r)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 10000) == 1 &&
	       read(fd, r, sizeof(*r)) >= (ssize_t)sizeof(r->in);
}

static bool reply(int fd, const struct request *r, int error, const void *data,
		  size_t len)
{
	return fuse_reply(fd, r->in.unique, error, data, len);
}

/* Replies to FUSE_INIT with the flags that are in @flags and offered. */
static bool reply_init(int fd, const struct request *r, uint64_t flags)
{
	struct fuse_init_in in;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};

	memcpy(&in, r->args, sizeof(in));
	flags &= in.flags | (uint64_t)in.flags2 << 32;
	out.flags = flags | FUSE_INIT_EXT;
	out.flags2 = flags >> 32;
	return reply(fd, r, 0, &out, sizeof(out));
}

/*
 * The request that waited has the credentials of its caller. @other is another
 * valid opcode.
 */
#define EXPECT_REQUEST(i, other) do {					\
	unsigned int i_ = (i);						\
	struct request r_;						\
									\
	ASSERT_TRUE(next_request(self->fd, &r_)) {			\
		TH_LOG("%s: no request", calls[i_].name);		\
	}								\
	EXPECT_TRUE(r_.in.opcode == calls[i_].opcode ||			\
		    r_.in.opcode == (other)) {				\
		TH_LOG("%s: opcode %u", calls[i_].name, r_.in.opcode);	\
	}								\
	EXPECT_EQ(FUSE_ROOT_ID, r_.in.nodeid);				\
	EXPECT_EQ(geteuid(), r_.in.uid) {				\
		TH_LOG("%s", calls[i_].name);				\
	}								\
	EXPECT_EQ(getegid(), r_.in.gid);				\
	EXPECT_EQ(self->pid, r_.in.pid);				\
	EXPECT_EQ(0, r_.in.total_extlen);				\
	if (r_.in.opcode == FUSE_LOOKUP) {				\
		const char *name_ = calls[i_].component ?: "name";	\
									\
		EXPECT_EQ(sizeof(r_.in) + strlen(name_) + 1, r_.in.len); \
		EXPECT_STREQ(name_, r_.args);				\
	}								\
	ASSERT_TRUE(reply(self->fd, &r_, -SERVER_ERRNO, NULL, 0));	\
	EXPECT_ERRNO(SERVER_ERRNO, i_);					\
} while (0)

/* FUSE_INIT is answered. */
TEST_F(before_init, init_succeeds)
{
	struct request init;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ASSERT_EQ(0, BEGIN(""));
		START(i);
		ASSERT_TRUE(next_request(self->fd, &init));
		ASSERT_EQ(FUSE_INIT, init.in.opcode);
		ASSERT_TRUE(reply_init(self->fd, &init, FUSE_EXPORT_SUPPORT));
		EXPECT_REQUEST(i, 0);
		ASSERT_EQ(0, end_connection(&self->fd));
	}
}

/*
 * After FUSE_ALLOW_IDMAP, most requests have no uid and gid. Requests that waited
 * for FUSE_INIT have them.
 */
TEST_F(before_init, init_enables_idmap)
{
	struct request init;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ASSERT_EQ(0, BEGIN(",default_permissions"));
		START(i);
		ASSERT_TRUE(next_request(self->fd, &init));
		ASSERT_TRUE(reply_init(self->fd, &init, FUSE_ALLOW_IDMAP));
		/* The attributes of the root may be needed first. */
		EXPECT_REQUEST(i, FUSE_GETATTR);
		ASSERT_EQ(0, end_connection(&self->fd));
	}
}

/* An error of FUSE_INIT ends the wait, but not the connection. */
TEST_F(before_init, init_fails)
{
	struct request init;
	unsigned int i;

	if (older_than_7_3())
		SKIP(return, "needs Linux 7.3 for its errno");
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ASSERT_EQ(0, BEGIN(""));
		START(i);
		ASSERT_TRUE(next_request(self->fd, &init));
		ASSERT_TRUE(reply(self->fd, &init, -EPROTO, NULL, 0));
		EXPECT_REQUEST(i, 0);
		self->pid = start(self->fd, i);
		EXPECT_ERRNO(ECONNREFUSED, i);
		ASSERT_EQ(0, end_connection(&self->fd));
	}
}

TEST_HARNESS_MAIN
