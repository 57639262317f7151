// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of rust_exportfs_minimal, the sample that filesystem-authors.rst
 * explains: its files, its handles, and the references to its module.
 *
 * RUST_EXPORTFS_MINIMAL_MODULE is the path of the module if it is not in
 * /lib/modules.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <grp.h>
#include <time.h>

#include "file_handle.h"
#include "kselftest_harness.h"

#define MODULE		"rust_exportfs_minimal"
#define USER		1000
#define HANDLE_SIZE	8
#define FILEID		0xf6
#define OPEN_TEXT	_IO('|', 0x93)

static const char *module_file(void)
{
	return getenv("RUST_EXPORTFS_MINIMAL_MODULE") ?: "/lib/modules/" MODULE ".ko";
}

static int load_module(void)
{
	int fd = open(module_file(), O_RDONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (syscall(__NR_finit_module, fd, "", 0))
		ret = -errno;
	close(fd);
	return ret;
}

/* Returns -EWOULDBLOCK while the module is in use. */
static int unload_module(void)
{
	return syscall(__NR_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

static int open_text(int dev, unsigned long ino)
{
	int fd = ioctl(dev, OPEN_TEXT, ino);

	return fd < 0 ? -errno : fd;
}

static bool holds(int fd, const char *content)
{
	char buf[16] = {};
	ssize_t len = pread(fd, buf, sizeof(buf) - 1, 0);

	return len == (ssize_t)strlen(content) && !strcmp(buf, content);
}

/* Decode @fh with another size and type. */
static int decode_as(int anchor, const struct handle *fh, unsigned int bytes,
		     int type)
{
	struct handle changed = *fh;

	changed.bytes = bytes;
	changed.type = type;
	return decode(anchor, &changed, O_RDONLY);
}

FIXTURE(fs)
{
	bool loaded;
	int dev;
	int one;
};

FIXTURE_SETUP(fs)
{
	if (geteuid())
		SKIP(return, "needs root to load the module");
	if (access(module_file(), R_OK))
		SKIP(return, "needs %s", module_file());

	ASSERT_EQ(load_module(), 0);
	self->loaded = true;
	self->dev = open("/dev/" MODULE, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(self->dev, 0);
	self->one = open_text(self->dev, 2);
	ASSERT_GE(self->one, 0);

	/* The tests run as an ordinary user, who can become root again. */
	ASSERT_EQ(setgroups(0, NULL), 0);
	ASSERT_EQ(setresgid(USER, USER, USER), 0);
	ASSERT_EQ(setresuid(USER, USER, 0), 0);
}

/* Runs in the parent, after the process of the test has closed its files. */
FIXTURE_TEARDOWN_PARENT(fs)
{
	if (self->loaded)
		EXPECT_EQ(unload_module(), 0);
}

TEST_F(fs, file)
{
	char path[64];
	struct stat st;

	EXPECT_TRUE(holds(self->one, "one\n"));
	EXPECT_EQ(fcntl(self->one, F_GETFD), FD_CLOEXEC);
	ASSERT_EQ(fstat(self->one, &st), 0);
	EXPECT_EQ(st.st_mode, S_IFREG | 0600);
	EXPECT_EQ(st.st_uid, 0);
	EXPECT_EQ(st.st_ino, 2);
	EXPECT_EQ(st.st_size, 4);
	EXPECT_EQ(write(self->one, "x", 1), -1);
	EXPECT_EQ(errno, EBADF);

	/* An ordinary open() checks the mode. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->one);
	EXPECT_EQ(open(path, O_RDONLY), -1);
	EXPECT_EQ(errno, EACCES);
}

/* The inode is created when the first file of the object is opened. */
TEST_F(fs, timestamps)
{
	struct timespec before, after;
	struct stat st;
	int two;

	/* Memory of former inodes, whose timestamps must not remain, is reused. */
	usleep(20000);
	clock_gettime(CLOCK_REALTIME_COARSE, &before);
	two = open_text(self->dev, 3);
	ASSERT_GE(two, 0);
	ASSERT_EQ(fstat(two, &st), 0);
	clock_gettime(CLOCK_REALTIME, &after);
	EXPECT_GE(nanoseconds(&st.st_mtim), nanoseconds(&before));
	EXPECT_LE(nanoseconds(&st.st_mtim), nanoseconds(&after));
	EXPECT_EQ(nanoseconds(&st.st_atim), nanoseconds(&st.st_mtim));
	EXPECT_EQ(nanoseconds(&st.st_ctim), nanoseconds(&st.st_mtim));
}

TEST_F(fs, ioctls)
{
	static const unsigned long inos[] = { 0, 1, 4, 1UL << 31, -1UL };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(inos); i++)
		EXPECT_EQ(open_text(self->dev, inos[i]), -ENOENT);
	EXPECT_EQ(ioctl(self->dev, OPEN_TEXT + 1, 2), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(ioctl(self->dev, _IOW('|', 0x93, int), 2), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(ioctl(self->one, OPEN_TEXT, 2), -1);
	EXPECT_EQ(errno, ENOTTY);
}

TEST_F(fs, encode)
{
	struct handle fh, small;
	__u64 ino, mnt_id;

	ASSERT_EQ(encode(self->one, &fh), 0);
	EXPECT_EQ(fh.bytes, HANDLE_SIZE);
	EXPECT_EQ(fh.type, FILEID);
	memcpy(&ino, fh.data, sizeof(ino));
	EXPECT_EQ(ino, 2);

	for (small.bytes = 0; small.bytes < HANDLE_SIZE;) {
		unsigned int bytes = small.bytes;

		EXPECT_EQ(encode_at(self->one, "", &small, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  -EOVERFLOW);
		EXPECT_EQ(small.bytes, HANDLE_SIZE);
		small.bytes = bytes + 1;
	}
}

TEST_F(fs, reopen)
{
	struct handle fh;
	int fd, two;

	two = open_text(self->dev, 3);
	ASSERT_GE(two, 0);
	ASSERT_EQ(encode(two, &fh), 0);
	close(two);

	/* No file of the object is open, so its inode is gone. */
	fd = decode(self->one, &fh, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_TRUE(holds(fd, "two\n"));

	/* Each file can be the mount_fd, and keeps the filesystem. */
	close(self->one);
	two = decode(fd, &fh, O_RDONLY);
	ASSERT_GE(two, 0);
	EXPECT_TRUE(holds(two, "two\n"));
}

TEST_F(fs, stale)
{
	static const __u64 large[] = { 1ULL << 32 | 2, 1ULL << 63 | 2, -1ULL };
	struct handle fh;
	unsigned int i;
	__u64 ino;

	ASSERT_EQ(encode(self->one, &fh), 0);
	for (i = 0; i < 256 + ARRAY_SIZE(large); i++) {
		ino = i < 256 ? i : large[i - 256];
		/* The two texts */
		if (ino == 2 || ino == 3)
			continue;
		memcpy(fh.data, &ino, sizeof(ino));
		EXPECT_EQ(decode(self->one, &fh, O_RDONLY), -ESTALE) {
			TH_LOG("inode number %#llx", (unsigned long long)ino);
		}
	}
}

TEST_F(fs, wrong_type)
{
	struct handle fh;
	int type;

	ASSERT_EQ(encode(self->one, &fh), 0);
	for (type = 0; type < 256; type++) {
		if (type == FILEID)
			continue;
		EXPECT_EQ(decode_as(self->one, &fh, HANDLE_SIZE, type), -ESTALE) {
			TH_LOG("type %#x", type);
		}
	}
}

TEST_F(fs, wrong_length)
{
	struct handle fh;
	unsigned int bytes;
	int fd;

	ASSERT_EQ(encode(self->one, &fh), 0);
	EXPECT_EQ(decode_as(self->one, &fh, 0, FILEID), -EINVAL);
	EXPECT_EQ(decode_as(self->one, &fh, HANDLE_MAX + 1, FILEID), -EINVAL);
	for (bytes = 1; bytes <= HANDLE_MAX; bytes++) {
		fd = decode_as(self->one, &fh, bytes, FILEID);
		/* The filesystem sees whole 32-bit words only. */
		if (bytes / 4 == HANDLE_SIZE / 4) {
			EXPECT_GE(fd, 0);
			close(fd);
		} else {
			EXPECT_EQ(fd, -ESTALE) {
				TH_LOG("%u bytes", bytes);
			}
		}
	}
}

TEST_F(fs, open_flags)
{
	static const int invalid[] = {
		O_WRONLY, O_RDWR, O_APPEND, O_NONBLOCK, O_TRUNC, O_DIRECTORY,
		O_PATH, O_SYNC, O_CREAT, O_EXCL, 1 << 30,
	};
	struct handle fh;
	unsigned int i;

	ASSERT_EQ(encode(self->one, &fh), 0);
	for (i = 0; i < ARRAY_SIZE(invalid); i++) {
		EXPECT_EQ(decode(self->one, &fh, invalid[i]), -EINVAL) {
			TH_LOG("flags %#x", invalid[i]);
		}
	}
}

TEST_F(fs, module_is_held)
{
	close(self->dev);
	ASSERT_EQ(seteuid(0), 0);
	EXPECT_EQ(unload_module(), -EWOULDBLOCK);
	EXPECT_TRUE(holds(self->one, "one\n"));
}

TEST_HARNESS_MAIN
