// SPDX-License-Identifier: GPL-2.0
/* Signed handles of the sample filesystem rust_exportfs. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "sample_fixture.h"

#define RANDOM_HANDLES	20000

#define VALID_OPEN_FLAGS \
	((unsigned int)(O_WRONLY | O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC | \
			KERNEL_O_LARGEFILE))

/* Create a user namespace that maps @outside to @inside, and enter it. */
static int enter_user_ns(uid_t inside, uid_t outside)
{
	char map[32];

	if (unshare(CLONE_NEWUSER))
		return -errno;
	snprintf(map, sizeof(map), "%u %u 1", inside, outside);
	return write_string("/proc/self/uid_map", map);
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
	return wait_status(pid, -EINTR);
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

TEST_F(fs, encode)
{
	struct handle fh, again;
	struct stat st;
	char path[64];
	__u64 mnt_id;
	int fd;

	fd = make_object(self->dev, "object", 1);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(fstat(fd, &st), 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_EQ(fh.bytes, (unsigned int)RUST_EXPORTFS_HANDLE_SIZE);
	EXPECT_EQ(fh.type, RUST_EXPORTFS_FILEID);
	EXPECT_EQ(handle_number(&fh), st.st_ino);
	ASSERT_EQ(encode(fd, &again), 0);
	EXPECT_TRUE(same_handle(&fh, &again));

	/* AT_HANDLE_FID, with a path in /proc, returns the same handle. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(&again, 0, sizeof(again));
	again.bytes = HANDLE_MAX;
	EXPECT_EQ(encode_at(AT_FDCWD, path, &again, &mnt_id,
			    AT_SYMLINK_FOLLOW | AT_HANDLE_MNT_ID_UNIQUE | AT_HANDLE_FID), 0);
	EXPECT_TRUE(same_handle(&fh, &again));
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

	EXPECT_EQ(decode_as_uid(USER, self->anchor, &fh), FOUND);

	/* A program that gets the bytes of the handle, but no descriptor. */
	pid = fork();
	if (!pid) {
		if (!become(USER))
			execl("/proc/self/exe", "reopen", text, "hello", NULL);
		_exit(EXIT_FAILURE);
	}
	EXPECT_EQ(wait_status(pid, -EINTR), FOUND);
}

TEST_F(fs, other_users)
{
	struct handle fh;

	ASSERT_EQ(make_handle(self->dev, "object", "hello", &fh), 0);
	EXPECT_EQ(decode_as_uid(OTHER, self->anchor, &fh), -ESTALE);
	EXPECT_EQ(decode_as_uid(NOBODY, self->anchor, &fh), -ESTALE);
	/* Root, with all capabilities. */
	EXPECT_EQ(decode_as_uid(0, self->anchor, &fh), -ESTALE);
	EXPECT_EQ(decode_as_uid(USER, self->anchor, &fh), FOUND);

	ASSERT_EQ(act_as(0), 0);
	EXPECT_EQ(decode(self->anchor, &fh, O_RDONLY), -ESTALE);
	ASSERT_EQ(make_handle(self->dev, "object", "root's", &fh), 0);
	EXPECT_EQ(decode_as_uid(0, self->anchor, &fh), FOUND);
	EXPECT_EQ(decode_as_uid(USER, self->anchor, &fh), -ESTALE);
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

TEST_F_TIMEOUT(fs, forged_handles, SLOW_TIMEOUT)
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
	EXPECT_EQ(decode_as_uid(USER, self->anchor, &fh), FOUND);
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
	EXPECT_EQ(decode_as_uid(USER, self->anchor, &again), FOUND);
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
	EXPECT_EQ(decode_as_uid(USER, self->anchor, &fh), FOUND);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[0], "reopen"))
		return -reopen(argv[1], argv[2]);
	return test_harness_run(argc, argv);
}
