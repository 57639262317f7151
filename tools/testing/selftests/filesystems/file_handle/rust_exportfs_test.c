// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of rust_exportfs, the sample of a pseudo filesystem with signed file
 * handles: its files, its handles, and the references to its module. Each test
 * loads the module, and checks that it can be unloaded at the end.
 *
 * RUST_EXPORTFS_MODULE is the path of the module if it is not in /lib/modules.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <grp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>

#include "failslab.h"
#include "sample.h"

#define USER		1000
#define OTHER		1001

/* Exit status of a process that has opened the object. */
#define FOUND		0

#define RANDOM_HANDLES	20000
#define THREADS		4
#define CHURN_SECONDS	3
#define UNLOADS		30

/* In seconds, for a kernel with all debugging options. */
#define SLOW_TIMEOUT	120

#define VALID_OPEN_FLAGS \
	((unsigned int)(O_WRONLY | O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC | \
			KERNEL_O_LARGEFILE))

/* Create an object that contains @content, and encode its handle. */
static int make_handle(int dev, const char *name, const char *content,
		       struct handle *fh)
{
	ssize_t len = strlen(content);
	int fd = make_object(dev, name, 4096), ret;

	if (fd < 0)
		return fd;
	ret = write(fd, content, len) == len ? encode(fd, fh) : -errno;
	close(fd);
	return ret;
}

/* Change the effective user. The real user stays root. */
static int act_as(uid_t uid)
{
	if (seteuid(0) || seteuid(uid))
		return -errno;
	return 0;
}

/* Change all user and group IDs. */
static int become(uid_t uid)
{
	if (seteuid(0) || setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		return -errno;
	return 0;
}

/* Create a user namespace that maps @outside to @inside, and enter it. */
static int enter_user_ns(uid_t inside, uid_t outside)
{
	char map[32];

	if (unshare(CLONE_NEWUSER))
		return -errno;
	snprintf(map, sizeof(map), "%u %u 1", inside, outside);
	return write_string("/proc/self/uid_map", map);
}

static int wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* Decode in a process of user @uid. Returns FOUND or an error. */
static int decode_as(uid_t uid, int anchor, const struct handle *fh)
{
	pid_t pid = fork();
	int fd;

	if (!pid) {
		fd = become(uid);
		if (!fd)
			fd = decode(anchor, fh, O_RDWR);
		_exit(fd < 0 ? -fd : FOUND);
	}
	return wait_for(pid);
}

/* Decode as user @outside in a user namespace that maps it to @inside. */
static int decode_in_user_ns(uid_t inside, uid_t outside, int anchor,
			     const struct handle *fh)
{
	pid_t pid = fork();
	int fd;

	if (!pid) {
		fd = become(outside);
		/* Otherwise /proc/self/uid_map belongs to root. */
		prctl(PR_SET_DUMPABLE, 1);
		if (!fd)
			fd = enter_user_ns(inside, outside);
		if (!fd && geteuid() != inside)
			fd = -EIO;
		if (!fd)
			fd = decode(anchor, fh, O_RDWR);
		_exit(fd < 0 ? -fd : FOUND);
	}
	return wait_for(pid);
}

/* The program that other_processes executes. */
static int reopen(const char *text, const char *content)
{
	struct handle fh = { .bytes = strlen(text) / 2,
			     .type = RUST_EXPORTFS_FILEID };
	unsigned int i;
	int fd;

	for (i = 0; i < fh.bytes; i++) {
		if (sscanf(text + 2 * i, "%2hhx", &fh.data[i]) != 1)
			return -EINVAL;
	}
	fd = open_device();
	if (fd >= 0)
		fd = make_anchor(fd);
	if (fd >= 0)
		fd = decode(fd, &fh, O_RDONLY);
	if (fd < 0)
		return fd;
	return holds(fd, content) ? FOUND : -EIO;
}

FIXTURE(fs)
{
	bool loaded;
	int dev;
	int anchor;
};

FIXTURE_SETUP(fs)
{
	if (geteuid())
		SKIP(return, "needs root to load the module");
	if (access(module_file(), R_OK))
		SKIP(return, "needs %s", module_file());

	ASSERT_EQ(load_module(), 0);
	self->loaded = true;
	self->dev = open_device();
	ASSERT_GE(self->dev, 0);
	self->anchor = make_anchor(self->dev);
	ASSERT_GE(self->anchor, 0);
	ASSERT_EQ(act_as(USER), 0);
}

/* Runs in the parent, after the process of the test has closed its files. */
FIXTURE_TEARDOWN_PARENT(fs)
{
	if (self->loaded)
		EXPECT_EQ(unload_module(), 0);
}

TEST_F(fs, file)
{
	char link[64], path[64], want[64];
	struct statfs sfs;
	struct stat st;
	int fd;

	fd = make_object(self->dev, "object", 4096);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);

	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_mode, S_IFREG | 0600);
	EXPECT_EQ(st.st_uid, USER);
	EXPECT_EQ(st.st_size, 0);
	EXPECT_EQ(st.st_nlink, 1);
	ASSERT_EQ(fstatfs(fd, &sfs), 0);
	EXPECT_EQ(sfs.f_type, 0x72657866);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(want, sizeof(want), MODULE ":[%ju]", (uintmax_t)st.st_ino);
	memset(link, 0, sizeof(link));
	ASSERT_GT(readlink(path, link, sizeof(link) - 1), 0);
	EXPECT_STREQ(link, want);
}

TEST_F(fs, read_and_write)
{
	struct stat st;
	char buf[64];
	int fd;

	fd = make_object(self->dev, "object", 4096);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(read(fd, buf, sizeof(buf)), 0);
	EXPECT_EQ(write(fd, "hello", 5), 5);
	EXPECT_EQ(read(fd, buf, sizeof(buf)), 0);
	EXPECT_EQ(lseek(fd, 1, SEEK_SET), 1);
	EXPECT_EQ(read(fd, buf, 3), 3);
	EXPECT_EQ(memcmp(buf, "ell", 3), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 4);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 5);
	EXPECT_EQ(lseek(fd, -1, SEEK_SET), -1);
	EXPECT_EQ(errno, EINVAL);

	/* A gap is filled with zeros. pwrite() does not move the file position. */
	EXPECT_EQ(pwrite(fd, "!", 1, 8), 1);
	EXPECT_EQ(pread(fd, buf, sizeof(buf), 4), 5);
	EXPECT_EQ(memcmp(buf, "o\0\0\0!", 5), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 5);
	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_size, 9);
	EXPECT_EQ(pread(fd, buf, sizeof(buf), 9), 0);
	EXPECT_EQ(pread(fd, buf, sizeof(buf), 1 << 20), 0);

	EXPECT_EQ(fcntl(fd, F_SETFL, O_APPEND), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	EXPECT_EQ(write(fd, "end", 3), 3);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 12);
}

TEST_F(fs, several_buffers)
{
	char a[2], b[4];
	struct iovec out[] = { { "ab", 2 }, { "cdef", 4 } };
	struct iovec in[] = { { a, 2 }, { b, 4 } };
	int fd;

	/* A write stops at the capacity. */
	fd = make_object(self->dev, "object", 5);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(writev(fd, out, 2), 5);
	EXPECT_EQ(preadv(fd, in, 2, 0), 5);
	EXPECT_EQ(memcmp(a, "ab", 2), 0);
	EXPECT_EQ(memcmp(b, "cde", 3), 0);
}

TEST_F(fs, bad_buffers)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stat st;
	ssize_t done;
	int fd;

	ASSERT_NE(pages, MAP_FAILED);
	ASSERT_EQ(munmap(pages + 4096, 4096), 0);
	fd = make_object(self->dev, "object", 4096);
	ASSERT_GE(fd, 0);

	EXPECT_EQ(write(fd, pages + 4096, 10), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(pwrite(fd, pages + 4096, 10, 100), -1);
	EXPECT_EQ(errno, EFAULT);
	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_size, 0);

	/*
	 * A copy stops at the page that is not mapped, or some bytes before
	 * it: that depends on the architecture.
	 */
	memset(pages, 'x', 4096);
	done = pwrite(fd, pages + 4096 - 256, 512, 2);
	EXPECT_GT(done, 0);
	EXPECT_LE(done, 256);
	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_size, 2 + done);
	ASSERT_EQ(pwrite(fd, pages, 512, 0), 512);
	done = pread(fd, pages + 4096 - 256, 512, 0);
	EXPECT_GT(done, 0);
	EXPECT_LE(done, 256);
	EXPECT_EQ(pread(fd, pages + 4096, 8, 0), -1);
	EXPECT_EQ(errno, EFAULT);
}

TEST_F(fs, bounds)
{
	char buf[64] = {};
	int fd;

	EXPECT_EQ(make_object(self->dev, "object", 0), -EINVAL);
	EXPECT_EQ(make_object(self->dev, "object", RUST_EXPORTFS_SIZE_MAX + 1), -EINVAL);
	EXPECT_EQ(make_object(self->dev, "object", UINT32_MAX), -EINVAL);

	fd = make_object(self->dev, "object", 10);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pwrite(fd, buf, 64, 8), 2);
	EXPECT_EQ(pwrite(fd, buf, 1, 9), 1);
	EXPECT_EQ(pwrite(fd, buf, 1, 10), -1);
	EXPECT_EQ(errno, EFBIG);
	EXPECT_EQ(pwrite(fd, buf, 1, 11), -1);
	EXPECT_EQ(errno, EFBIG);
	EXPECT_EQ(pwrite(fd, buf, 0, 10), 0);
	EXPECT_EQ(pwrite(fd, buf, 1, INT64_MAX), -1);
	/* The capacity limits writes, but not the file position. */
	EXPECT_EQ(lseek(fd, RUST_EXPORTFS_SIZE_MAX + 1, SEEK_SET),
		  RUST_EXPORTFS_SIZE_MAX + 1);
	EXPECT_EQ(read(fd, buf, sizeof(buf)), 0);
	EXPECT_EQ(write(fd, buf, 1), -1);
	EXPECT_EQ(errno, EFBIG);
	close(fd);

	fd = make_object(self->dev, "largest", RUST_EXPORTFS_SIZE_MAX);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(pwrite(fd, buf, 64, RUST_EXPORTFS_SIZE_MAX - 1), 1);
	EXPECT_EQ(pwrite(fd, buf, 64, RUST_EXPORTFS_SIZE_MAX), -1);
	EXPECT_EQ(errno, EFBIG);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), RUST_EXPORTFS_SIZE_MAX);
}

TEST_F(fs, attributes_cannot_change)
{
	char path[64];
	int fd;

	fd = make_object(self->dev, "object", 4096);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(fchmod(fd, 0666), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	EXPECT_EQ(ftruncate(fd, 100), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	EXPECT_EQ(futimens(fd, NULL), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	EXPECT_EQ(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, ENODEV);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_EQ(open(path, O_RDWR | O_TRUNC), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);

	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(fchown(fd, OTHER, OTHER), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	EXPECT_EQ(linkat(AT_FDCWD, path, AT_FDCWD, "/tmp/link", AT_SYMLINK_FOLLOW), -1);
	EXPECT_EQ(errno, EXDEV);
}

TEST_F(fs, names)
{
	char name[RUST_EXPORTFS_NAME_SIZE + 1];
	struct rust_exportfs_make arg = { .name = "abc\0def", .size = 1 };
	int fd;

	EXPECT_EQ(make_object(self->dev, "", 1), -EINVAL);
	EXPECT_EQ(remove_object(self->dev, ""), -EINVAL);
	memset(name, 'x', sizeof(name));
	name[RUST_EXPORTFS_NAME_SIZE] = '\0';
	EXPECT_EQ(make_object(self->dev, name, 1), -ENAMETOOLONG);
	EXPECT_EQ(remove_object(self->dev, name), -ENAMETOOLONG);
	name[RUST_EXPORTFS_NAME_SIZE - 1] = '\0';
	EXPECT_GE(make_object(self->dev, name, 1), 0);
	EXPECT_EQ(make_object(self->dev, name, 1), -EEXIST);
	name[RUST_EXPORTFS_NAME_SIZE - 2] = '\0';
	EXPECT_EQ(remove_object(self->dev, name), -ENOENT);

	/* Bytes after the NUL are ignored. */
	EXPECT_GE(ioctl(self->dev, RUST_EXPORTFS_MAKE, &arg), 0);
	EXPECT_EQ(make_object(self->dev, "abc", 1), -EEXIST);
	EXPECT_EQ(remove_object(self->dev, "abc"), 0);
	EXPECT_EQ(remove_object(self->dev, "abc"), -ENOENT);

	/* All other bytes are valid in a name. */
	EXPECT_GE(make_object(self->dev, "\xff/\n", 1), 0);

	/* Each user has a separate set of names. */
	EXPECT_GE(make_object(self->dev, "shared", 1), 0);
	ASSERT_EQ(act_as(OTHER), 0);
	EXPECT_EQ(remove_object(self->dev, "shared"), -ENOENT);
	fd = make_object(self->dev, "shared", 1);
	EXPECT_GE(fd, 0);
	EXPECT_EQ(remove_object(self->dev, "shared"), 0);
	ASSERT_EQ(act_as(USER), 0);
	EXPECT_EQ(make_object(self->dev, "shared", 1), -EEXIST);

	/* Root has one as well. */
	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(remove_object(self->dev, "shared"), -ENOENT);
}

TEST_F(fs, ioctls)
{
	static const unsigned int sizes[] = { 0, 1, 4, 31, 32, 33, 35, 36, 37, 40, 4096, 16383 };
	struct rust_exportfs_make arg = { .name = "object", .size = 1 };
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int i, nr, dir;
	unsigned long cmd;
	int fds, fd;

	ASSERT_NE(pages, MAP_FAILED);
	ASSERT_EQ(munmap(pages + 4096, 4096), 0);
	fds = count_fds();

	for (nr = 0x8f; nr <= 0x94; nr++) {
		for (dir = 0; dir < 4; dir++) {
			for (i = 0; i < ARRAY_SIZE(sizes); i++) {
				cmd = _IOC(dir, '|', nr, sizes[i]);
				if (cmd == RUST_EXPORTFS_MAKE ||
				    cmd == RUST_EXPORTFS_REMOVE ||
				    cmd == RUST_EXPORTFS_ANCHOR)
					continue;
				EXPECT_EQ(ioctl(self->dev, cmd, &arg), -1);
				EXPECT_EQ(errno, ENOTTY) {
					TH_LOG("request %#lx", cmd);
				}
			}
		}
	}

	EXPECT_EQ(ioctl(self->dev, RUST_EXPORTFS_MAKE, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ioctl(self->dev, RUST_EXPORTFS_MAKE, -1L), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ioctl(self->dev, RUST_EXPORTFS_REMOVE, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	/* The last bytes of the structure cannot be read. */
	for (i = 1; i <= sizeof(arg); i++) {
		memcpy(pages + 4096 - sizeof(arg) + i, &arg, sizeof(arg) - i);
		EXPECT_EQ(ioctl(self->dev, RUST_EXPORTFS_MAKE,
				pages + 4096 - sizeof(arg) + i), -1);
		EXPECT_EQ(errno, EFAULT);
	}
	/* No descriptor and no object are left. */
	EXPECT_EQ(count_fds(), fds);
	EXPECT_EQ(remove_object(self->dev, "object"), -ENOENT);

	/* Objects and anchors have no ioctls. */
	fd = make_object(self->dev, "object", 1);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(ioctl(fd, RUST_EXPORTFS_ANCHOR, 0), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(ioctl(self->anchor, RUST_EXPORTFS_MAKE, &arg), -1);
	EXPECT_EQ(errno, ENOTTY);
}

/* An anchor is an empty file that has no handle and cannot be written. */
TEST_F(fs, anchor)
{
	struct handle fh;
	char buf[1024], path[64];
	int fd;

	EXPECT_EQ(fcntl(self->anchor, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(encode(self->anchor, &fh), -EOVERFLOW);
	EXPECT_EQ(read(self->anchor, buf, sizeof(buf)), 0);
	EXPECT_EQ(write(self->anchor, buf, 1), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(syscall(__NR_getdents64, self->anchor, buf, sizeof(buf)), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(openat(self->anchor, "object", O_RDONLY), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(fchdir(self->anchor), -1);
	EXPECT_EQ(errno, ENOTDIR);

	/* The anchor belongs to root, so other users cannot reopen it. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->anchor);
	EXPECT_EQ(open(path, O_RDWR), -1);
	EXPECT_EQ(errno, EACCES);

	/* Root can do no more with it. */
	ASSERT_EQ(act_as(0), 0);
	fd = open(path, O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, buf, 1), -1);
	EXPECT_EQ(errno, EFBIG);
	close(fd);
	EXPECT_EQ(encode(self->anchor, &fh), -EOVERFLOW);
	EXPECT_EQ(openat(self->anchor, ".", O_RDONLY), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(openat(self->anchor, "object", O_CREAT | O_RDWR, 0600), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(mkdirat(self->anchor, "object", 0700), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(fchdir(self->anchor), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(fchmod(self->anchor, 0777), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);

	/* It cannot be mounted anywhere. */
	ASSERT_EQ(unshare(CLONE_NEWNS), 0);
	EXPECT_EQ(mount(path, "/tmp", NULL, MS_BIND, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mount("none", "/tmp", MODULE, 0, NULL), -1);
	EXPECT_EQ(errno, ENODEV);
	fd = make_object(self->dev, "object", 1);
	ASSERT_GE(fd, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_EQ(mount(path, "/proc/self/exe", NULL, MS_BIND, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
}

TEST_F(fs, encode)
{
	struct handle fh, again;
	struct stat st;
	char path[64];
	__u64 mnt_id;
	int fd, i;

	fd = make_object(self->dev, "object", 1);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(fstat(fd, &st), 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_EQ(fh.bytes, RUST_EXPORTFS_HANDLE_SIZE);
	EXPECT_EQ(fh.type, RUST_EXPORTFS_FILEID);
	EXPECT_EQ(handle_number(&fh), st.st_ino);
	ASSERT_EQ(encode(fd, &again), 0);
	EXPECT_TRUE(same_handle(&fh, &again));

	for (i = 0; i < RUST_EXPORTFS_HANDLE_SIZE; i++) {
		memset(&again, 0xa5, sizeof(again));
		again.bytes = i;
		EXPECT_EQ(encode_at(fd, "", &again, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE), -EOVERFLOW);
		EXPECT_EQ(again.bytes, RUST_EXPORTFS_HANDLE_SIZE);
		EXPECT_EQ(again.data[0], 0xa5);
	}

	/* AT_HANDLE_FID, with a path in /proc, returns the same handle. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(&again, 0, sizeof(again));
	again.bytes = HANDLE_MAX;
	EXPECT_EQ(encode_at(AT_FDCWD, path, &again, &mnt_id,
			    AT_SYMLINK_FOLLOW | AT_HANDLE_MNT_ID_UNIQUE | AT_HANDLE_FID), 0);
	EXPECT_TRUE(same_handle(&fh, &again));

	/* The file has no parent directory. */
	EXPECT_EQ(encode_at(AT_FDCWD, path, &again, &mnt_id,
			    AT_SYMLINK_FOLLOW | AT_HANDLE_MNT_ID_UNIQUE |
			    AT_HANDLE_CONNECTABLE), -EOPNOTSUPP);
}

TEST_F(fs, reopen)
{
	struct stat before, after;
	struct handle fh, again;
	int fd, second, i;

	fd = make_object(self->dev, "object", 4096);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, "hello", 5), 5);
	ASSERT_EQ(encode(fd, &fh), 0);

	/* While it is open, decoding opens another file of the same inode. */
	second = decode(self->anchor, &fh, O_RDWR | O_CLOEXEC);
	ASSERT_GE(second, 0);
	EXPECT_EQ(fcntl(second, F_GETFD), FD_CLOEXEC);
	ASSERT_EQ(fstat(fd, &before), 0);
	ASSERT_EQ(fstat(second, &after), 0);
	EXPECT_EQ(before.st_dev, after.st_dev);
	EXPECT_EQ(before.st_ino, after.st_ino);
	EXPECT_EQ(lseek(second, 0, SEEK_CUR), 0);
	ASSERT_EQ(pwrite(second, "J", 1, 0), 1);
	EXPECT_TRUE(holds(fd, "Jello"));
	close(second);
	close(fd);

	/* While it is not open. */
	fd = decode(self->anchor, &fh, O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(holds(fd, "Jello"));
	EXPECT_EQ(write(fd, "x", 1), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 5);
	ASSERT_EQ(encode(fd, &again), 0);
	EXPECT_TRUE(same_handle(&fh, &again));
	close(fd);

	fd = decode(self->anchor, &fh, O_WRONLY | O_APPEND);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(write(fd, "!", 1), 1);
	close(fd);

	/* The file of any object is an anchor. */
	fd = decode(self->anchor, &fh, O_RDWR);
	ASSERT_GE(fd, 0);
	second = decode(fd, &fh, O_RDWR);
	ASSERT_GE(second, 0);
	EXPECT_TRUE(holds(second, "Jello!"));
	close(second);
	close(fd);

	/* With nothing open in between, each round has a new superblock. */
	for (i = 0; i < 3; i++) {
		close(self->anchor);
		close(self->dev);
		self->dev = open_device();
		ASSERT_GE(self->dev, 0);
		self->anchor = make_anchor(self->dev);
		ASSERT_GE(self->anchor, 0);
		fd = decode(self->anchor, &fh, O_RDWR);
		ASSERT_GE(fd, 0);
		EXPECT_TRUE(holds(fd, "Jello!"));
		close(fd);
	}
}

/* Files that are opened by different anchors have the same inode. */
TEST_F(fs, one_superblock)
{
	struct stat before, after;
	struct handle fh;
	int dev, anchor, fd, second;

	fd = make_object(self->dev, "object", 1);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	ASSERT_EQ(fstat(fd, &before), 0);
	close(self->anchor);
	close(self->dev);

	dev = open_device();
	ASSERT_GE(dev, 0);
	anchor = make_anchor(dev);
	ASSERT_GE(anchor, 0);
	second = decode(anchor, &fh, O_RDONLY);
	ASSERT_GE(second, 0);
	ASSERT_EQ(fstat(second, &after), 0);
	EXPECT_EQ(before.st_dev, after.st_dev);
	EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(fs, other_processes)
{
	char text[2 * HANDLE_MAX + 1] = "";
	struct handle fh;
	unsigned int i;
	pid_t pid;

	ASSERT_EQ(make_handle(self->dev, "object", "hello", &fh), 0);
	for (i = 0; i < fh.bytes; i++)
		sprintf(text + 2 * i, "%02x", fh.data[i]);

	EXPECT_EQ(decode_as(USER, self->anchor, &fh), FOUND);

	/* A program that gets the bytes of the handle, but no descriptor. */
	pid = fork();
	if (!pid) {
		if (!become(USER))
			execl("/proc/self/exe", "reopen", text, "hello", NULL);
		_exit(EXIT_FAILURE);
	}
	EXPECT_EQ(wait_for(pid), FOUND);
}

TEST_F(fs, other_users)
{
	struct handle fh;

	ASSERT_EQ(make_handle(self->dev, "object", "hello", &fh), 0);
	EXPECT_EQ(decode_as(OTHER, self->anchor, &fh), -ESTALE);
	EXPECT_EQ(decode_as(NOBODY, self->anchor, &fh), -ESTALE);
	/* Root, with all capabilities. */
	EXPECT_EQ(decode_as(0, self->anchor, &fh), -ESTALE);
	EXPECT_EQ(decode_as(USER, self->anchor, &fh), FOUND);

	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(decode(self->anchor, &fh, O_RDONLY), -ESTALE);
	ASSERT_EQ(make_handle(self->dev, "object", "root's", &fh), 0);
	EXPECT_EQ(decode_as(0, self->anchor, &fh), FOUND);
	EXPECT_EQ(decode_as(USER, self->anchor, &fh), -ESTALE);
}

/* The owner is compared by kuid, not by the number in a user namespace. */
TEST_F(fs, user_namespaces)
{
	struct handle fh;

	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "needs CONFIG_USER_NS");

	ASSERT_EQ(make_handle(self->dev, "object", "hello", &fh), 0);
	EXPECT_EQ(decode_in_user_ns(USER, USER, self->anchor, &fh), FOUND);
	EXPECT_EQ(decode_in_user_ns(0, USER, self->anchor, &fh), FOUND);
	EXPECT_EQ(decode_in_user_ns(OTHER, USER, self->anchor, &fh), FOUND);
	EXPECT_EQ(decode_in_user_ns(USER, OTHER, self->anchor, &fh), -ESTALE);
	EXPECT_EQ(decode_in_user_ns(0, OTHER, self->anchor, &fh), -ESTALE);
	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(decode_in_user_ns(USER, 0, self->anchor, &fh), -ESTALE);
}

TEST_F(fs, open_flags)
{
	struct handle fh;
	unsigned int bit;
	int fd;

	ASSERT_EQ(make_handle(self->dev, "object", "hello", &fh), 0);
	for (bit = 0; bit < 32; bit++) {
		fd = decode(self->anchor, &fh, 1U << bit);
		if (VALID_OPEN_FLAGS & 1U << bit) {
			EXPECT_GE(fd, 0);
			close(fd);
		} else {
			EXPECT_EQ(fd, -EINVAL) {
				TH_LOG("flag %#x", 1U << bit);
			}
		}
	}
	EXPECT_EQ(decode(self->anchor, &fh, O_PATH), -EINVAL);
	EXPECT_EQ(decode(self->anchor, &fh, O_RDWR | O_TRUNC), -EINVAL);
	EXPECT_EQ(decode(self->anchor, &fh, O_RDWR | O_CREAT), -EINVAL);
}

TEST_F(fs, wrong_anchors)
{
	struct handle fh;
	char path[64];
	int fd;

	ASSERT_EQ(make_handle(self->dev, "object", "hello", &fh), 0);
	EXPECT_EQ(decode(self->dev, &fh, O_RDWR), -EPERM);
	EXPECT_EQ(decode(AT_FDCWD, &fh, O_RDWR), -EPERM);
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &fh, O_RDWR), -ESTALE);
	EXPECT_EQ(decode(-1, &fh, O_RDWR), -EBADF);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->anchor);
	fd = open(path, O_PATH | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(decode(fd, &fh, O_RDWR), -EBADF);
}

TEST_F(fs, forged_handles)
{
	struct handle fh, bad;
	unsigned int bit, len, i;
	unsigned int seed = 1;
	int fd;

	ASSERT_EQ(make_handle(self->dev, "object", "hello", &fh), 0);

	for (bit = 0; bit < 8 * RUST_EXPORTFS_HANDLE_SIZE; bit++) {
		bad = fh;
		bad.data[bit / 8] ^= 1 << bit % 8;
		EXPECT_EQ(decode(self->anchor, &bad, O_RDWR), -ESTALE) {
			TH_LOG("bit %u", bit);
		}
	}
	/* The upper bits of handle_type are flags of the system call. */
	for (bit = 0; bit < 32; bit++) {
		bad = fh;
		bad.type ^= 1U << bit;
		EXPECT_EQ(decode(self->anchor, &bad, O_RDWR),
			  bit < 18 ? -ESTALE : -EINVAL) {
			TH_LOG("bit %u", bit);
		}
	}

	for (len = 0; len <= HANDLE_MAX; len++) {
		bad = fh;
		bad.bytes = len;
		fd = decode(self->anchor, &bad, O_RDWR);
		/* The system call rounds handle_bytes down to a multiple of 4. */
		if ((len & ~3U) == RUST_EXPORTFS_HANDLE_SIZE) {
			EXPECT_GE(fd, 0);
			close(fd);
		} else {
			EXPECT_EQ(fd, len ? -ESTALE : -EINVAL) {
				TH_LOG("length %u", len);
			}
		}
	}

	for (i = 0; i < RANDOM_HANDLES; i++) {
		bad = fh;
		/* Half of them have the number of the object. */
		for (len = i & 1 ? 8 : 0; len < RUST_EXPORTFS_HANDLE_SIZE; len++)
			bad.data[len] = rand_r(&seed) >> 8;
		ASSERT_EQ(decode(self->anchor, &bad, O_RDWR), -ESTALE);
	}

	/* The number of one object with the MAC of another. */
	ASSERT_EQ(make_handle(self->dev, "another", "hello", &bad), 0);
	memcpy(bad.data, fh.data, 8);
	EXPECT_EQ(decode(self->anchor, &bad, O_RDWR), -ESTALE);
	EXPECT_EQ(decode_as(USER, self->anchor, &fh), FOUND);
}

TEST_F(fs, removed)
{
	struct handle fh, again;
	int fd;

	ASSERT_EQ(make_handle(self->dev, "object", "hello", &fh), 0);
	fd = decode(self->anchor, &fh, O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(remove_object(self->dev, "object"), 0);
	EXPECT_EQ(decode(self->anchor, &fh, O_RDWR), -ESTALE);

	/* An open file keeps the object. */
	EXPECT_TRUE(holds(fd, "hello"));
	EXPECT_EQ(pwrite(fd, "J", 1, 0), 1);
	EXPECT_TRUE(holds(fd, "Jello"));
	EXPECT_EQ(encode(fd, &again), 0);
	EXPECT_TRUE(same_handle(&fh, &again));
	EXPECT_EQ(decode(self->anchor, &again, O_RDWR), -ESTALE);

	/* A new object of the same name has another number. */
	ASSERT_EQ(make_handle(self->dev, "object", "other", &again), 0);
	EXPECT_GT(handle_number(&again), handle_number(&fh));
	EXPECT_EQ(decode(self->anchor, &fh, O_RDWR), -ESTALE);
	close(fd);
	EXPECT_EQ(decode(self->anchor, &fh, O_RDWR), -ESTALE);
	EXPECT_EQ(decode_as(USER, self->anchor, &again), FOUND);
}

TEST_F(fs, numbers_are_not_reused)
{
	struct handle fh, last = {};
	int i;

	for (i = 0; i < 200; i++) {
		ASSERT_EQ(make_handle(self->dev, "object", "hello", &fh), 0);
		ASSERT_GT(handle_number(&fh), handle_number(&last));
		ASSERT_EQ(remove_object(self->dev, "object"), 0);
		if (i)
			ASSERT_EQ(decode(self->anchor, &last, O_RDWR), -ESTALE);
		last = fh;
	}
}

TEST_F(fs, object_limit)
{
	char name[16];
	int fd, i;

	for (i = 0; i < RUST_EXPORTFS_USER_OBJECTS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		fd = make_object(self->dev, name, 1);
		ASSERT_GE(fd, 0);
		close(fd);
	}
	EXPECT_EQ(make_object(self->dev, "one more", 1), -EDQUOT);
	/* The quota is checked before the name. */
	EXPECT_EQ(make_object(self->dev, "0", 1), -EDQUOT);

	/* Each user has a separate limit. */
	ASSERT_EQ(act_as(OTHER), 0);
	EXPECT_GE(make_object(self->dev, "one more", 1), 0);
	ASSERT_EQ(act_as(USER), 0);

	EXPECT_EQ(remove_object(self->dev, "0"), 0);
	fd = make_object(self->dev, "one more", 1);
	EXPECT_GE(fd, 0);

	/* A removed object counts until it is closed. */
	EXPECT_EQ(remove_object(self->dev, "one more"), 0);
	EXPECT_EQ(make_object(self->dev, "one more", 1), -EDQUOT);
	close(fd);
	EXPECT_GE(make_object(self->dev, "one more", 1), 0);
}

TEST_F(fs, capacity_limit)
{
	__u32 left = RUST_EXPORTFS_USER_BYTES;
	char name[16];
	int fd, i;

	for (i = 0; left > RUST_EXPORTFS_SIZE_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		ASSERT_GE(make_object(self->dev, name, RUST_EXPORTFS_SIZE_MAX), 0);
		left -= RUST_EXPORTFS_SIZE_MAX;
	}
	ASSERT_GE(make_object(self->dev, "most", left - 1), 0);
	EXPECT_EQ(make_object(self->dev, "two", 2), -EDQUOT);
	fd = make_object(self->dev, "one", 1);
	EXPECT_GE(fd, 0);
	EXPECT_EQ(make_object(self->dev, "more", 1), -EDQUOT);

	/* A failed request is not charged. */
	EXPECT_EQ(remove_object(self->dev, "one"), 0);
	close(fd);
	EXPECT_EQ(make_object(self->dev, "most", 1), -EEXIST);
	EXPECT_GE(make_object(self->dev, "one", 1), 0);
}

TEST_F(fs, another_load)
{
	struct handle old, fh;

	ASSERT_EQ(make_handle(self->dev, "object", "hello", &old), 0);
	close(self->anchor);
	close(self->dev);
	ASSERT_EQ(act_as(0), 0);
	ASSERT_EQ(unload_module(), 0);
	ASSERT_EQ(load_module(), 0);
	ASSERT_EQ(act_as(USER), 0);

	self->dev = open_device();
	ASSERT_GE(self->dev, 0);
	self->anchor = make_anchor(self->dev);
	ASSERT_GE(self->anchor, 0);
	EXPECT_EQ(decode(self->anchor, &old, O_RDWR), -ESTALE);

	/* The new key signs the same number differently. */
	ASSERT_EQ(make_handle(self->dev, "object", "hello", &fh), 0);
	EXPECT_EQ(handle_number(&fh), handle_number(&old));
	EXPECT_FALSE(same_handle(&fh, &old));
	EXPECT_EQ(decode(self->anchor, &old, O_RDWR), -ESTALE);
	EXPECT_EQ(decode_as(USER, self->anchor, &fh), FOUND);
}

/* Close the descriptors of the fixture. */
#define CLOSE_ALL() \
	do { close(self->anchor); close(self->dev); } while (0)

TEST_F(fs, device_holds_module)
{
	close(self->anchor);
	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
}

TEST_F(fs, anchor_holds_module)
{
	close(self->dev);
	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
}

TEST_F(fs, file_holds_module)
{
	int fd = make_object(self->dev, "object", 16);

	ASSERT_GE(fd, 0);
	CLOSE_ALL();
	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
	EXPECT_EQ(write(fd, "hello", 5), 5);
	EXPECT_TRUE(holds(fd, "hello"));
}

TEST_F(fs, removed_file_holds_module)
{
	int fd = make_object(self->dev, "object", 16);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(remove_object(self->dev, "object"), 0);
	CLOSE_ALL();
	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
	EXPECT_EQ(write(fd, "hello", 5), 5);
}

/* An O_PATH descriptor, without an open file of the module. */
TEST_F(fs, path_holds_module)
{
	char path[64], link[64] = "";
	int object, fd;

	object = make_object(self->dev, "object", 16);
	ASSERT_GE(object, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", object);
	fd = open(path, O_PATH | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	close(object);
	CLOSE_ALL();

	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_GT(readlink(path, link, sizeof(link) - 1), 0);
	EXPECT_EQ(strncmp(link, MODULE ":[", strlen(MODULE) + 2), 0);
	ASSERT_EQ(act_as(USER), 0);
	object = open(path, O_RDWR);
	ASSERT_GE(object, 0);
	EXPECT_EQ(write(object, "hello", 5), 5);
}

/* A file in flight, without a descriptor. */
TEST_F(fs, message_holds_module)
{
	char data = 'x', control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { &data, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int socks[2], fd;

	fd = make_object(self->dev, "object", 16);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, socks), 0);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	ASSERT_EQ(sendmsg(socks[0], &msg, 0), 1);
	close(fd);
	CLOSE_ALL();

	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
	ASSERT_EQ(recvmsg(socks[1], &msg, 0), 1);
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	EXPECT_EQ(write(fd, "hello", 5), 5);
}

/* Neither objects nor inotify watches of them hold the module. */
TEST_F(fs, unload_with_objects)
{
	struct inotify_event event;
	char path[64];
	int fd, watch;

	fd = make_object(self->dev, "object", 16);
	ASSERT_GE(fd, 0);
	ASSERT_GE(make_object(self->dev, "large", RUST_EXPORTFS_SIZE_MAX), 0);
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	ASSERT_GE(watch, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_GE(inotify_add_watch(watch, path, IN_DELETE_SELF), 0);
	/* Close all but the watch. */
	ASSERT_EQ(dup2(watch, 3), 3);
	ASSERT_EQ(syscall(__NR_close_range, 4, ~0U, 0), 0);

	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(unload_module(), 0);
	EXPECT_EQ(read(3, &event, sizeof(event)), sizeof(event));
	ASSERT_EQ(load_module(), 0);
}

#define FAILURES_MAX	2000

/* Open the device, use an object in all ways, and remove it. */
static int use_everything(void)
{
	int dev, anchor, fd, ret;
	struct handle fh;

	dev = open_device();
	if (dev < 0)
		return dev;
	ret = make_handle(dev, "object", "hello", &fh);
	if (ret)
		goto out;
	anchor = make_anchor(dev);
	ret = anchor;
	if (anchor < 0)
		goto out;
	fd = decode(anchor, &fh, O_RDWR);
	ret = fd;
	if (fd >= 0) {
		ret = holds(fd, "hello") ? 0 : -EIO;
		close(fd);
	}
	close(anchor);
out:
	if (remove_object(dev, "object") && !ret)
		ret = -EIO;
	close(dev);
	return ret;
}

/* Let each allocation fail once, in turn. */
TEST_F_TIMEOUT(fs, allocation_failures, SLOW_TIMEOUT)
{
	struct failslab fail = {};
	bool has_failed = true;
	int nth, ret = 0, i;
	char name[16];

	ASSERT_EQ(act_as(0), 0);
	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
	CLOSE_ALL();

	/* No ASSERT before failslab_end(), which restores the settings. */
	EXPECT_EQ(failslab_start(&fail), 0);
	for (nth = 1; nth < FAILURES_MAX; nth++) {
		EXPECT_EQ(failslab_arm(&fail, nth), 0);
		ret = use_everything();
		has_failed = failslab_has_failed(&fail);
		EXPECT_EQ(failslab_arm(&fail, 0), 0);
		/* All allocations have failed once. */
		if (!has_failed)
			break;
		EXPECT_TRUE(!ret || ret == -ENOMEM) {
			TH_LOG("allocation %d: %d", nth, ret);
		}
	}
	failslab_end(&fail);
	EXPECT_FALSE(has_failed);
	EXPECT_EQ(ret, 0);
	EXPECT_GT(nth, 10);
	EXPECT_LT(nth, FAILURES_MAX);
	TH_LOG("%d allocations have failed", nth - 1);

	/* No charge is left. */
	self->dev = open_device();
	ASSERT_GE(self->dev, 0);
	for (i = 0; i < RUST_EXPORTFS_USER_OBJECTS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		ASSERT_GE(make_object(self->dev, name, 1), 0);
	}
}

struct worker {
	pthread_t id;
	unsigned int nr;
	unsigned int rounds;
	unsigned int found;	/* objects of other workers */
	int bad;		/* line of the first failure */
	int why;		/* errno of the first failure */
};

static struct worker workers[THREADS];
static atomic_bool stop;

/* The last handle of each worker. Its object may have been removed. */
static struct handle shared[THREADS];
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;

static void check(struct worker *worker, int line, bool right)
{
	if (right || worker->bad)
		return;
	worker->bad = line;
	worker->why = errno;
}

#define CHECK(worker, right) check(worker, __LINE__, right)

static void look_for_others(struct worker *worker, int anchor)
{
	struct handle fh;
	char buf[16];
	int fd;

	pthread_mutex_lock(&shared_lock);
	fh = shared[(worker->nr + 1) % THREADS];
	pthread_mutex_unlock(&shared_lock);
	if (!fh.bytes)
		return;
	fd = decode(anchor, &fh, O_RDWR);
	if (fd == -ESTALE)
		return;
	CHECK(worker, fd >= 0);
	CHECK(worker, pread(fd, buf, sizeof(buf), 0) == sizeof(buf));
	worker->found++;
	close(fd);
}

/* Nothing stays open between rounds, so the superblock comes and goes. */
static void *work(void *arg)
{
	struct worker *worker = arg;
	char name[16], content[16] = {};
	int dev, anchor, fd;
	struct handle fh;

	snprintf(name, sizeof(name), "worker %u", worker->nr);
	memcpy(content, name, sizeof(content));
	while (!atomic_load(&stop) && !worker->bad) {
		dev = open_device();
		CHECK(worker, dev >= 0);
		fd = make_object(dev, name, sizeof(content));
		CHECK(worker, fd >= 0);
		CHECK(worker, write(fd, content, sizeof(content)) == sizeof(content));
		CHECK(worker, !encode(fd, &fh));
		close(fd);
		pthread_mutex_lock(&shared_lock);
		shared[worker->nr] = fh;
		pthread_mutex_unlock(&shared_lock);

		anchor = make_anchor(dev);
		CHECK(worker, anchor >= 0);
		fd = decode(anchor, &fh, O_RDWR);
		CHECK(worker, fd >= 0);
		look_for_others(worker, anchor);
		CHECK(worker, !remove_object(dev, name));
		CHECK(worker, write(fd, content, sizeof(content)) == sizeof(content));
		close(fd);
		fd = decode(anchor, &fh, O_RDWR);
		CHECK(worker, fd == -ESTALE);
		close(anchor);
		close(dev);
		worker->rounds++;
	}
	return NULL;
}

TEST_F_TIMEOUT(fs, threads, SLOW_TIMEOUT)
{
	unsigned int i, found = 0;

	CLOSE_ALL();
	for (i = 0; i < THREADS; i++) {
		workers[i].nr = i;
		ASSERT_EQ(pthread_create(&workers[i].id, NULL, work, &workers[i]), 0);
	}
	sleep(CHURN_SECONDS);
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].id, NULL);
		found += workers[i].found;
		EXPECT_EQ(workers[i].bad, 0) {
			TH_LOG("line %d: %d", workers[i].bad, workers[i].why);
		}
		EXPECT_GT(workers[i].rounds, 0);
		TH_LOG("%u rounds, opened %u objects of another", workers[i].rounds,
		       workers[i].found);
	}
	EXPECT_GT(found, 0);
}

/* Unload and load the module again and again. It may be busy. */
static void *try_to_unload(void *arg)
{
	atomic_uint *unloaded = arg;
	int ret;

	while (!atomic_load(&stop)) {
		/* Vary the point of a round of use at which this happens. */
		usleep(atomic_load(unloaded) % 16 * 500);
		ret = unload_module();
		if (!ret) {
			atomic_fetch_add(unloaded, 1);
			ret = load_module();
		}
		if (ret && ret != -EWOULDBLOCK)
			return (void *)(intptr_t)ret;
	}
	return NULL;
}

TEST_F_TIMEOUT(fs, unload_while_in_use, SLOW_TIMEOUT)
{
	atomic_uint unloaded = 0;
	unsigned int used = 0;
	struct handle fh;
	pthread_t id;
	void *ret;
	int dev, anchor, fd;
	time_t end;

	CLOSE_ALL();
	ASSERT_EQ(act_as(0), 0);
	ASSERT_EQ(pthread_create(&id, NULL, try_to_unload, &unloaded), 0);
	for (end = time(NULL) + SLOW_TIMEOUT / 2; time(NULL) < end;) {
		if (atomic_load(&unloaded) >= UNLOADS && used >= UNLOADS)
			break;
		dev = open_device();
		if (dev < 0) {
			/* The module is not loaded, or is being unloaded. */
			ASSERT_TRUE(dev == -ENOENT || dev == -ENODEV || dev == -ENXIO) {
				TH_LOG("open: %d", dev);
			}
			usleep(100);
			continue;
		}
		anchor = make_anchor(dev);
		EXPECT_GE(anchor, 0);
		EXPECT_EQ(make_handle(dev, "object", "hello", &fh), 0);
		close(dev);
		fd = decode(anchor, &fh, O_RDWR);
		EXPECT_GE(fd, 0);
		close(anchor);
		EXPECT_TRUE(holds(fd, "hello"));
		close(fd);
		dev = open_device();
		if (dev >= 0) {
			/* Fails if the module was unloaded since. */
			remove_object(dev, "object");
			close(dev);
		}
		used++;
	}
	atomic_store(&stop, true);
	pthread_join(id, &ret);
	EXPECT_EQ(ret, NULL);
	TH_LOG("unloaded %u times, used %u times", atomic_load(&unloaded), used);
	EXPECT_GE(atomic_load(&unloaded), UNLOADS);
	EXPECT_GE(used, UNLOADS);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[0], "reopen"))
		return -reopen(argv[1], argv[2]);
	return test_harness_run(argc, argv);
}
