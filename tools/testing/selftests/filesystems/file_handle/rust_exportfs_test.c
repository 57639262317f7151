// SPDX-License-Identifier: GPL-2.0
/* Files, ioctls and limits of the sample filesystem rust_exportfs. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <linux/magic.h>
#include <time.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "sample_fixture.h"

TEST_F(fs, file)
{
	char link[64], path[64], want[64];
	struct timespec before, after;
	struct statfs sfs;
	struct stat st;
	int fd;

	/* The clock of timestamps. */
	ASSERT_EQ(clock_gettime(CLOCK_REALTIME_COARSE, &before), 0);
	fd = make_object(self->dev, "object", 4096);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);

	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_mode, S_IFREG | 0600U);
	EXPECT_EQ(st.st_uid, (unsigned int)USER);
	EXPECT_EQ(st.st_size, 0);
	EXPECT_EQ(st.st_nlink, 1U);
	ASSERT_EQ(clock_gettime(CLOCK_REALTIME, &after), 0);
	EXPECT_GE(nanoseconds(&st.st_ctim), nanoseconds(&before));
	EXPECT_LE(nanoseconds(&st.st_ctim), nanoseconds(&after));
	EXPECT_EQ(nanoseconds(&st.st_mtim), nanoseconds(&st.st_ctim));
	EXPECT_EQ(nanoseconds(&st.st_atim), nanoseconds(&st.st_ctim));
	ASSERT_EQ(fstatfs(fd, &sfs), 0);
	EXPECT_EQ(sfs.f_type, RUST_PSEUDO_FS_MAGIC);

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
	EXPECT_EQ(linkat(AT_FDCWD, path, AT_FDCWD, TMPFS_DIR "/link", AT_SYMLINK_FOLLOW), -1);
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
	ASSERT_EQ(private_mounts(), 0);
	EXPECT_EQ(mount(path, TMPFS_DIR, NULL, MS_BIND, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(mount("none", TMPFS_DIR, MODULE, 0, NULL), -1);
	EXPECT_EQ(errno, ENODEV);
	fd = make_object(self->dev, "object", 1);
	ASSERT_GE(fd, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_EQ(mount(path, "/proc/self/exe", NULL, MS_BIND, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
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

TEST_HARNESS_MAIN
