// SPDX-License-Identifier: GPL-2.0
/*
 * The system call, an inline request and a worker open the same file by handle,
 * or fail with the same error, on several filesystems.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sys/mount.h>
#include <sys/vfs.h>
/* Before glibc 2.36, <sys/mount.h> must precede <linux/fs.h>. */
#include <linux/btrfs.h>

#include "kselftest_harness.h"
#include "warm.h"

#define AGREES		1	/* any result, if all are the same */
#define REUSE_TRIES	3000
#define ID		1000
#define NUMBERS		258	/* includes the first inode numbers of each filesystem */
#define MOUNTS		17

/* Types of handles, which are not in the uapi headers. */
#define FILEID_BTRFS_WITHOUT_PARENT	0x4d
#define FILEID_BTRFS_WITH_PARENT	0x4e
#define FILEID_BTRFS_WITH_PARENT_ROOT	0x4f

static const char *const way_names[] = {
	"system call", "inline request", "IOSQE_ASYNC",
};

#define WAYS		ARRAY_SIZE(way_names)

FIXTURE(disk)
{
	struct volume volume;
	struct ring ring;
	struct handle fh;	/* of the file "file" */
	int nr_fds;
};

FIXTURE_VARIANT(disk)
{
	enum volume_kind kind;
};

FIXTURE_VARIANT_ADD(disk, tmpfs) { VOLUME_TMPFS };
FIXTURE_VARIANT_ADD(disk, kernfs) { VOLUME_KERNFS };
FIXTURE_VARIANT_ADD(disk, ext4) { VOLUME_EXT4 };
FIXTURE_VARIANT_ADD(disk, btrfs) { VOLUME_BTRFS };
FIXTURE_VARIANT_ADD(disk, xfs) { VOLUME_XFS };

FIXTURE_SETUP(disk)
{
	const char *reason = missing_as_root();

	if (!reason && access("/proc/self/fd", X_OK))
		reason = NEEDS_PROCFS;
	if (reason)
		SKIP(return, "%s", reason);
	reason = volume_make(&self->volume, variant->kind);
	ASSERT_NE(reason, NULL);
	if (*reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(ring_init(&self->ring, WARM_SETUP), 0);
	ASSERT_EQ(volume_add(&self->volume, "file", ID, &self->fh), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(disk)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
	volume_unlink(&self->volume, "file");
	ring_exit(&self->ring);
	EXPECT_EQ(volume_remove(&self->volume), 0);
}

static int open_in(struct ring *ring, unsigned int way, int dfd,
		   const struct handle *fh, unsigned int flags)
{
	if (!way)
		return decode(dfd, fh, flags);
	return ring_open(ring, dfd, fh, flags, way == 2 ? IOSQE_ASYNC : 0);
}

static const char *judge(const struct seen *seen, int want)
{
	static char text[800];
	unsigned int way;

	if (want != AGREES && seen[0].ret != want) {
		snprintf(text, sizeof(text), "%s: %d instead of %d",
			 way_names[0], (int)seen[0].ret, want);
		return text;
	}
	for (way = 1; way < WAYS; way++) {
		if (!memcmp(&seen[way], &seen[0], sizeof(*seen)))
			continue;
		snprintf(text, sizeof(text),
			 "%s: %d, inode %llu, %s; %s: %d, inode %llu, %s",
			 way_names[way], (int)seen[way].ret,
			 (unsigned long long)seen[way].ino, seen[way].path,
			 way_names[0], (int)seen[0].ret,
			 (unsigned long long)seen[0].ino, seen[0].path);
		return text;
	}
	return "";
}

/* Opens the handle in each way. Returns "", or what differs. */
static const char *compare(struct ring *ring, int dfd, const struct handle *fh,
			   unsigned int flags, int want)
{
	struct seen seen[WAYS];
	unsigned int way;

	for (way = 0; way < WAYS; way++)
		look_at(open_in(ring, way, dfd, fh, flags), &seen[way]);
	return judge(seen, want);
}

/* Likewise, and mounts before each of them, so that no inode is in memory. */
static const char *compare_cold(struct volume *v, struct ring *ring,
				const struct handle *fh, unsigned int flags,
				int want)
{
	struct seen seen[WAYS];
	unsigned int way;

	for (way = 0; way < WAYS; way++) {
		if (volume_forget(v))
			return "cannot mount again";
		look_at(open_in(ring, way, v->root, fh, flags), &seen[way]);
		/* btrfs has a new device number. */
		seen[way].dev = 0;
	}
	return judge(seen, want);
}

#define check_at(dfd, fh, flags, want) \
	EXPECT_STREQ("", compare(&self->ring, dfd, fh, flags, want))

#define check(fh, flags, want) check_at(self->volume.root, fh, flags, want)

#define check_cold(fh, flags, want)					\
	EXPECT_STREQ("", compare_cold(&self->volume, &self->ring, fh,	\
				      flags, want))

/*
 * Opens the file, and closes it. Stores whether the submission completed the
 * request. Returns 0 or a negative errno.
 */
static int open_once(struct ring *ring, int dfd, const struct handle *fh,
		     bool *inlined)
{
	*inlined = false;
	sqe_open(ring_sqe(ring), dfd, fh, O_RDONLY | O_CLOEXEC);
	if (ring_submit(ring) != 1)
		return RING_BROKEN;
	*inlined = ring_ready(ring);
	return close_result(ring_result(ring));
}

TEST_F_TIMEOUT(disk, file, SLOW_TIMEOUT)
{
	const unsigned int flags[] = {
		O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND, O_PATH,
		O_RDONLY | O_NONBLOCK, O_RDONLY | O_DIRECTORY,
		O_RDONLY | O_NOFOLLOW, O_RDONLY | O_NOATIME,
		O_CREAT | O_RDWR, O_CREAT | O_EXCL | O_RDWR,
		O_TMPFILE | O_RDWR,
	};
	unsigned int i;

	check_cold(&self->fh, O_RDONLY, 0);
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		check(&self->fh, flags[i], AGREES);
}

/* A flipped bit never opens a file in one way and not in another. */
TEST_F_TIMEOUT(disk, handles_with_a_flipped_bit, SLOW_TIMEOUT)
{
	struct handle fh;
	unsigned int bit;

	for (bit = 0; bit < 8 * self->fh.bytes; bit++) {
		fh = self->fh;
		fh.data[bit / 8] ^= 1 << bit % 8;
		check(&fh, O_RDONLY, AGREES);
	}
}

TEST_F_TIMEOUT(disk, handles_of_each_size_and_type, SLOW_TIMEOUT)
{
	struct handle fh = self->fh;

	for (fh.bytes = 0; fh.bytes <= self->fh.bytes + 8; fh.bytes++)
		check(&fh, O_RDONLY, AGREES);
	fh.bytes = self->fh.bytes;
	for (fh.type = 0; fh.type <= 0xff; fh.type++)
		check(&fh, O_RDONLY, AGREES);
}

/* Stores the lower half of an inode number. */
static void set_number(struct handle *fh, enum volume_kind kind, __u32 number)
{
	__u64 whole;

	if (kind == VOLUME_TMPFS) {
		memcpy(&fh->data[4], &number, sizeof(number));
	} else if (fh->type == FILEID_INO32_GEN) {
		memcpy(fh->data, &number, sizeof(number));
	} else {
		memcpy(&whole, fh->data, sizeof(whole));
		whole = (whole >> 32 << 32) | number;
		memcpy(fh->data, &whole, sizeof(whole));
	}
}

static __u64 nr_inodes(int root)
{
	struct statfs fs;

	return fstatfs(root, &fs) ? 0 : fs.f_files;
}

/* Inodes of the filesystem itself are in memory, and have no handles. */
TEST_F_TIMEOUT(disk, other_inode_numbers, SLOW_TIMEOUT)
{
	struct handle any, fh = self->fh;
	__u32 number;

	for (number = 0; number < NUMBERS; number++) {
		set_number(&fh, variant->kind, number);
		check(&fh, O_RDONLY, AGREES);
		/* ext4 and btrfs then accept each generation. */
		any = fh;
		memset(&any.data[volume_generation_offset(&self->volume, &any)],
		       0, sizeof(__u32));
		check(&any, O_RDONLY, AGREES);
	}
}

TEST_F(disk, inode_numbers_that_need_no_worker)
{
	__u32 numbers[] = { 0, 1, 8, 0, UINT_MAX };
	unsigned int i, nr = ARRAY_SIZE(numbers);
	struct handle fh = self->fh;
	bool inlined;

	if (variant->kind == VOLUME_EXT4) {
		numbers[3] = nr_inodes(self->volume.root) + 1;
	} else if (variant->kind == VOLUME_BTRFS) {
		numbers[3] = 255;
		nr--;
	} else {
		SKIP(return, "any inode number may be one of a file");
	}
	for (i = 0; i < nr; i++) {
		set_number(&fh, variant->kind, numbers[i]);
		EXPECT_EQ(open_once(&self->ring, self->volume.root, &fh,
				    &inlined), -ESTALE);
		EXPECT_TRUE(inlined) TH_LOG("inode %u", numbers[i]);
	}
}

/* On ext4 and btrfs, the root has the least number that files can have. */
TEST_F(disk, root_of_the_filesystem)
{
	struct handle fh;
	bool inlined;

	ASSERT_EQ(encode_path(self->volume.root, "..", &fh), 0);
	check(&fh, O_RDONLY | O_DIRECTORY, 0);
	EXPECT_EQ(open_once(&self->ring, self->volume.root, &fh, &inlined), 0);
	EXPECT_TRUE(inlined);
}

TEST_F(disk, last_inode_number)
{
	char path[128], number[32];
	struct handle fh;
	struct stat st;

	if (variant->kind != VOLUME_EXT4)
		SKIP(return, "has no last inode number");
	snprintf(path, sizeof(path), "/sys/fs/ext4/%s/inode_goal",
		 strrchr(self->volume.name, '/') + 1);
	snprintf(number, sizeof(number), "%llu",
		 (unsigned long long)nr_inodes(self->volume.root));
	if (write_string(path, number))
		SKIP(return, "needs sysfs on /sys");
	ASSERT_EQ(volume_add(&self->volume, "last", ID, &fh), 0);
	ASSERT_EQ(fstatat(self->volume.root, "last", &st, 0), 0);
	ASSERT_EQ(st.st_ino, nr_inodes(self->volume.root));
	check(&fh, O_RDONLY, 0);
	ASSERT_EQ(volume_unlink(&self->volume, "last"), 0);
}

/* All types of handles that btrfs decodes, with each size */
TEST_F_TIMEOUT(disk, types_of_btrfs, SLOW_TIMEOUT)
{
	static const __u32 sizes[] = {
		[FILEID_BTRFS_WITHOUT_PARENT]	= 20,
		[FILEID_BTRFS_WITH_PARENT]	= 32,
		[FILEID_BTRFS_WITH_PARENT_ROOT]	= 40,
		[FILEID_BTRFS_WITH_PARENT_ROOT + 1] = 0,
	};
	struct handle fh = self->fh;
	bool valid;

	if (variant->kind != VOLUME_BTRFS)
		SKIP(return, "tests the types of btrfs");
	for (fh.type = FILEID_BTRFS_WITHOUT_PARENT - 1;
	     fh.type < (int)ARRAY_SIZE(sizes); fh.type++) {
		for (fh.bytes = 16; fh.bytes <= 44; fh.bytes += 4) {
			valid = sizes[fh.type] && fh.bytes >= sizes[fh.type];
			check(&fh, O_RDONLY, valid ? 0 : -ESTALE);
		}
	}
}

TEST_F_TIMEOUT(disk, other_generation, SLOW_TIMEOUT)
{
	struct handle fh = self->fh;

	fh.data[volume_generation_offset(&self->volume, &fh)] ^= 0x55;
	check(&fh, O_RDONLY, -ESTALE);
	check_cold(&fh, O_RDONLY, -ESTALE);
	check(&fh, O_RDONLY, -ESTALE);
	/* The file is still there. */
	check(&self->fh, O_RDONLY, 0);
}

TEST_F_TIMEOUT(disk, unlinked_file, SLOW_TIMEOUT)
{
	ASSERT_EQ(close_result(decode(self->volume.root, &self->fh, O_RDONLY)),
		  0);
	ASSERT_EQ(volume_unlink(&self->volume, "file"), 0);
	check(&self->fh, O_RDONLY, -ESTALE);
	check_cold(&self->fh, O_RDONLY, -ESTALE);
	check(&self->fh, O_RDONLY, -ESTALE);
}

/* A file that has no name, and is open. */
TEST_F_TIMEOUT(disk, unlinked_file_that_is_open, SLOW_TIMEOUT)
{
	int fd = decode(self->volume.root, &self->fh, O_RDONLY | O_CLOEXEC);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(volume_unlink(&self->volume, "file"), 0);
	check(&self->fh, O_RDONLY, AGREES);
	ASSERT_EQ(close(fd), 0);
	check(&self->fh, O_RDONLY, -ESTALE);
}

/* A new file with the inode number of one that was unlinked. */
TEST_F_TIMEOUT(disk, reused_inode_number, SLOW_TIMEOUT)
{
	struct handle fresh;
	struct stat old, st;
	unsigned int i;
	bool reused;

	if (variant->kind != VOLUME_EXT4 && variant->kind != VOLUME_XFS)
		SKIP(return, "inode numbers are not reused soon");
	ASSERT_EQ(fstatat(self->volume.root, "file", &old, 0), 0);
	ASSERT_EQ(volume_unlink(&self->volume, "file"), 0);
	for (i = 0; i < REUSE_TRIES; i++) {
		ASSERT_EQ(volume_add(&self->volume, "file", ID + 1, &fresh), 0);
		ASSERT_EQ(fstatat(self->volume.root, "file", &st, 0), 0);
		reused = st.st_ino == old.st_ino;
		if (reused)
			break;
		ASSERT_EQ(volume_unlink(&self->volume, "file"), 0);
	}
	ASSERT_TRUE(reused);
	EXPECT_FALSE(same_handle(&fresh, &self->fh));
	check(&self->fh, O_RDONLY, -ESTALE);
	check(&fresh, O_RDONLY, 0);
	check_cold(&self->fh, O_RDONLY, -ESTALE);
	check(&self->fh, O_RDONLY, -ESTALE);
	check_cold(&fresh, O_RDONLY, 0);
}

static int make_path(int root, struct handle *fh)
{
	if (mkdirat(root, "a", 0755) || mkdirat(root, "a/b", 0755) ||
	    mkdirat(root, "a/b/c", 0755))
		return -errno;
	return encode_path(root, "a/b/c", fh);
}

static void remove_path(int root)
{
	unlinkat(root, "a/b/c", AT_REMOVEDIR);
	unlinkat(root, "a/b", AT_REMOVEDIR);
	unlinkat(root, "a", AT_REMOVEDIR);
}

/* Opening a directory by handle connects it to the root. */
TEST_F_TIMEOUT(disk, directory, SLOW_TIMEOUT)
{
	char link[32], path[256] = "";
	struct handle fh;
	int fd;

	ASSERT_EQ(make_path(self->volume.root, &fh), 0);
	check_cold(&fh, O_RDONLY, 0);
	check_cold(&fh, O_RDONLY | O_DIRECTORY, 0);
	check(&fh, O_RDONLY | O_DIRECTORY, 0);
	check(&fh, O_RDWR, -EISDIR);

	/* Only a request whose directory is connected may be inline. */
	ASSERT_EQ(volume_forget(&self->volume), 0);
	fd = ring_open(&self->ring, self->volume.root, &fh, O_RDONLY, 0);
	ASSERT_GE(fd, 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	EXPECT_GT(readlink(link, path, sizeof(path) - 1), 0);
	EXPECT_EQ(strncmp(path, self->volume.path, strlen(self->volume.path)),
		  0);
	EXPECT_STREQ(path + strlen(self->volume.path), "/a/b/c");
	close(fd);
	remove_path(self->volume.root);
}

/* Directories that are renamed and removed. */
TEST_F_TIMEOUT(disk, directory_that_moves, SLOW_TIMEOUT)
{
	int root = self->volume.root;
	struct handle fh;

	if (variant->kind == VOLUME_KERNFS)
		SKIP(return, "control groups cannot be renamed");
	ASSERT_EQ(make_path(root, &fh), 0);
	ASSERT_EQ(mkdirat(root, "d", 0755), 0);
	check(&fh, O_RDONLY, 0);
	ASSERT_EQ(renameat(root, "a/b/c", root, "d/e"), 0);
	check(&fh, O_RDONLY, 0);
	check_cold(&fh, O_RDONLY, 0);
	root = self->volume.root;
	ASSERT_EQ(unlinkat(root, "d/e", AT_REMOVEDIR), 0);
	check(&fh, O_RDONLY, -ESTALE);
	check_cold(&fh, O_RDONLY, -ESTALE);
	root = self->volume.root;
	ASSERT_EQ(unlinkat(root, "d", AT_REMOVEDIR), 0);
	remove_path(root);
}

static int connectable(int root, const char *path, struct handle *fh)
{
	__u64 mnt_id;

	memset(fh, 0, sizeof(*fh));
	fh->bytes = HANDLE_MAX;
	return encode_at(root, path, fh, &mnt_id, AT_HANDLE_CONNECTABLE |
			 AT_HANDLE_MNT_ID_UNIQUE);
}

/* A file is only found below the mount descriptor. */
TEST_F_TIMEOUT(disk, connectable_handle, SLOW_TIMEOUT)
{
	struct handle fh, dir;
	int a, other, ret;

	ASSERT_EQ(make_path(self->volume.root, &dir), 0);
	ASSERT_EQ(mkdirat(self->volume.root, "other", 0755), 0);
	ret = connectable(self->volume.root, "a/b/c", &fh);
	if (ret == -EINVAL || ret == -EOPNOTSUPP) {
		remove_path(self->volume.root);
		unlinkat(self->volume.root, "other", AT_REMOVEDIR);
		SKIP(return, "needs AT_HANDLE_CONNECTABLE on the filesystem");
	}
	ASSERT_EQ(ret, 0);
	check_cold(&fh, O_RDONLY, 0);
	if (variant->kind != VOLUME_KERNFS) {
		close(make_file(self->volume.root, "a/b/c/inner", "inner"));
		ASSERT_EQ(connectable(self->volume.root, "a/b/c/inner", &fh),
			  0);
		check_cold(&fh, O_RDONLY, 0);
	}

	a = openat(self->volume.root, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	other = openat(self->volume.root, "other",
		       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(a, 0);
	ASSERT_GE(other, 0);
	check_at(a, &fh, O_RDONLY, 0);
	check_at(other, &fh, O_RDONLY, -ESTALE);
	check(&fh, O_RDONLY, 0);
	close(a);
	close(other);
	unlinkat(self->volume.root, "a/b/c/inner", 0);
	remove_path(self->volume.root);
	unlinkat(self->volume.root, "other", AT_REMOVEDIR);
}

/* A directory below which no connectable handle of another file is found. */
TEST_F_TIMEOUT(disk, connectable_handle_of_another_directory_while_cold, SLOW_TIMEOUT)
{
	struct handle fh, dir;
	int other, way, ret;

	if (variant->kind == VOLUME_KERNFS)
		SKIP(return, "control groups have no files of the test");
	ASSERT_EQ(make_path(self->volume.root, &dir), 0);
	ASSERT_EQ(mkdirat(self->volume.root, "other", 0755), 0);
	close(make_file(self->volume.root, "a/b/c/inner", "inner"));
	ret = connectable(self->volume.root, "a/b/c/inner", &fh);
	for (way = 0; !ret && way < (int)WAYS; way++) {
		ASSERT_EQ(volume_forget(&self->volume), 0);
		other = openat(self->volume.root, "other",
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		EXPECT_EQ(open_in(&self->ring, way, other, &fh, O_RDONLY),
			  -ESTALE) TH_LOG("%s", way_names[way]);
		close(other);
	}
	unlinkat(self->volume.root, "a/b/c/inner", 0);
	remove_path(self->volume.root);
	unlinkat(self->volume.root, "other", AT_REMOVEDIR);
	if (ret)
		SKIP(return, "needs AT_HANDLE_CONNECTABLE on the filesystem");
}

/* The inode is cached, and its dentry is disconnected. */
TEST_F_TIMEOUT(disk, connectable_handle_of_a_file_without_a_path, SLOW_TIMEOUT)
{
	struct handle fh, plain, dir;
	bool inlined = true;
	int fd, ret;

	if (!volume_is_disk(variant->kind))
		SKIP(return, "the paths are always in memory");
	ASSERT_EQ(make_path(self->volume.root, &dir), 0);
	close(make_file(self->volume.root, "a/b/c/inner", "inner"));
	ASSERT_EQ(encode_path(self->volume.root, "a/b/c/inner", &plain), 0);
	ret = connectable(self->volume.root, "a/b/c/inner", &fh);
	if (!ret) {
		ASSERT_EQ(volume_forget(&self->volume), 0);
		fd = decode(self->volume.root, &plain, O_RDONLY | O_CLOEXEC);
		ASSERT_GE(fd, 0);
		/* A worker reads the directory. */
		EXPECT_EQ(open_once(&self->ring, self->volume.root, &fh,
				    &inlined), 0);
		EXPECT_FALSE(inlined);
		close(fd);
	}
	unlinkat(self->volume.root, "a/b/c/inner", 0);
	remove_path(self->volume.root);
	if (ret)
		SKIP(return, "needs AT_HANDLE_CONNECTABLE on the filesystem");
}

static int subvolume(int root, unsigned long request)
{
	struct btrfs_ioctl_vol_args args = { .name = "subvolume" };

	return ioctl(root, request, &args) ? -errno : 0;
}

/* Creates a subvolume and a file in it. */
static int make_subvolume(int root, struct handle *fh)
{
	int ret = subvolume(root, BTRFS_IOC_SUBVOL_CREATE);

	if (ret)
		return ret;
	ret = close_result(make_file(root, "subvolume/file", "inner"));
	return ret ?: encode_path(root, "subvolume/file", fh);
}

TEST_F_TIMEOUT(disk, file_of_a_subvolume, SLOW_TIMEOUT)
{
	struct handle fh;
	int fd;

	if (variant->kind != VOLUME_BTRFS)
		SKIP(return, "has no subvolumes");
	ASSERT_EQ(make_subvolume(self->volume.root, &fh), 0);
	/* The root of the subvolume is not in memory. */
	check_cold(&fh, O_RDONLY, 0);
	check(&fh, O_RDONLY, 0);

	/* The file is open, and its subvolume is deleted. */
	fd = decode(self->volume.root, &fh, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(subvolume(self->volume.root, BTRFS_IOC_SNAP_DESTROY), 0);
	check(&fh, O_RDONLY, -ESTALE);
	close(fd);
	check(&fh, O_RDONLY, -ESTALE);
}

/*
 * A subvolume keeps its device number until all references are dropped. The next mount
 * can then get it again.
 */
TEST_F_TIMEOUT(disk, subvolume_is_freed, SLOW_TIMEOUT)
{
	dev_t devices[MOUNTS];
	unsigned int i, j;
	struct handle fh;
	struct stat st;
	bool inlined, again = false;

	if (variant->kind != VOLUME_BTRFS)
		SKIP(return, "has no subvolumes");
	ASSERT_EQ(make_subvolume(self->volume.root, &fh), 0);
	for (i = 0; i < MOUNTS; i++) {
		ASSERT_EQ(volume_forget(&self->volume), 0);
		ASSERT_EQ(fstatat(self->volume.root, "subvolume/file", &st, 0),
			  0);
		devices[i] = st.st_dev;
		for (j = 0; j < i; j++)
			again |= devices[j] == devices[i];
		ASSERT_EQ(open_once(&self->ring, self->volume.root, &fh,
				    &inlined), 0);
		EXPECT_TRUE(inlined);
	}
	EXPECT_TRUE(again);
	ASSERT_EQ(subvolume(self->volume.root, BTRFS_IOC_SNAP_DESTROY), 0);
}

TEST_F_TIMEOUT(disk, truncating_open, SLOW_TIMEOUT)
{
	struct stat st;
	unsigned int way;
	int fd;

	if (variant->kind == VOLUME_KERNFS)
		SKIP(return, "control groups have no files of the test");
	for (way = 0; way < WAYS; way++) {
		fd = openat(self->volume.root, "file", O_RDWR | O_CLOEXEC);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(pwrite(fd, "content", 7, 0), 7);
		EXPECT_EQ(close_result(open_in(&self->ring, way,
					       self->volume.root, &self->fh,
					       O_WRONLY | O_TRUNC)), 0);
		ASSERT_EQ(fstat(fd, &st), 0);
		EXPECT_EQ(st.st_size, 0) TH_LOG("%s", way_names[way]);
		close(fd);
	}
}

/* Neither a regular file nor a directory. */
TEST_F_TIMEOUT(disk, special_files, SLOW_TIMEOUT)
{
	int root = self->volume.root;
	struct handle fh;
	int fd, result;

	if (variant->kind == VOLUME_KERNFS)
		SKIP(return, "control groups have no special files");
	ASSERT_EQ(mkfifoat(root, "fifo", 0644), 0);
	ASSERT_EQ(symlinkat("file", root, "link"), 0);
	ASSERT_EQ(encode_path(root, "link", &fh), 0);
	check(&fh, O_RDONLY, AGREES);
	check(&fh, O_PATH, AGREES);
	check_cold(&fh, O_PATH, AGREES);
	root = self->volume.root;
	ASSERT_EQ(encode_path(root, "fifo", &fh), 0);
	check(&fh, O_RDWR, 0);
	check(&fh, O_RDONLY | O_NONBLOCK, 0);
	check_cold(&fh, O_RDONLY | O_NONBLOCK, 0);
	root = self->volume.root;

	/* Without a writer, the open waits, and the submission does not. */
	sqe_open(ring_sqe(&self->ring), root, &fh, O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(ring_submit(&self->ring), 1);
	fd = openat(root, "fifo", O_WRONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	result = ring_result(&self->ring);
	EXPECT_GE(result, 0);
	close_result(result);
	close(fd);
	unlinkat(root, "fifo", 0);
	unlinkat(root, "link", 0);
}

/* The open waits for the holder of a lease, and the submission does not. */
TEST_F_TIMEOUT(disk, file_with_a_lease, SLOW_TIMEOUT)
{
	int fd, result;

	if (variant->kind == VOLUME_KERNFS)
		SKIP(return, "control groups have no files of the test");
	signal(SIGIO, SIG_IGN);
	fd = openat(self->volume.root, "file", O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	if (fcntl(fd, F_SETLEASE, F_WRLCK)) {
		close(fd);
		SKIP(return, "needs leases on the filesystem");
	}
	check(&self->fh, O_RDONLY | O_NONBLOCK, -EAGAIN);
	ASSERT_EQ(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
	ASSERT_EQ(fcntl(fd, F_SETLEASE, F_WRLCK), 0);

	sqe_open(ring_sqe(&self->ring), self->volume.root, &self->fh,
		 O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(ring_submit(&self->ring), 1);
	EXPECT_EQ(ring_ready(&self->ring), 0U);
	ASSERT_EQ(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
	result = ring_result(&self->ring);
	EXPECT_GE(result, 0);
	close_result(result);
	close(fd);
}

/* Handles that requests encode are those of the system call. */
TEST_F_TIMEOUT(disk, names, SLOW_TIMEOUT)
{
	struct io_uring_sqe *sqe;
	unsigned int way;

	for (way = 1; way < WAYS; way++) {
		output.bytes = HANDLE_MAX;
		sqe = ring_sqe(&self->ring);
		sqe_name(sqe, self->volume.root,
			 volume_file(&self->volume, "file"), &output,
			 &output_id, AT_HANDLE_MNT_ID_UNIQUE);
		sqe->flags = way == 2 ? IOSQE_ASYNC : 0;
		ASSERT_EQ(ring_run(&self->ring), 0);
		EXPECT_TRUE(same_handle(&output, &self->fh))
			TH_LOG("%s", way_names[way]);
	}
}

TEST_HARNESS_MAIN
