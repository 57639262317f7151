// SPDX-License-Identifier: GPL-2.0
/*
 * Handles of overlayfs with nfs_export=on through io_uring. Encoding the handle
 * of a directory may copy it up, so a worker encodes.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "warm.h"

#define NEEDS_OVERLAY	"needs overlayfs with nfs_export=on over the filesystem"

static const char *const merged = TMPFS_DIR "/merged";

FIXTURE(overlay)
{
	struct volume volume;	/* holds the layers */
	struct ring ring;
	int root;		/* of the overlay */
	int nr_fds;
};

FIXTURE_VARIANT(overlay)
{
	enum volume_kind kind;
};

FIXTURE_VARIANT_ADD(overlay, tmpfs) { VOLUME_TMPFS };
FIXTURE_VARIANT_ADD(overlay, ext4) { VOLUME_EXT4 };
FIXTURE_VARIANT_ADD(overlay, btrfs) { VOLUME_BTRFS };
FIXTURE_VARIANT_ADD(overlay, xfs) { VOLUME_XFS };

static int mount_overlay(const struct volume *v)
{
	char options[512];

	snprintf(options, sizeof(options),
		 "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work,index=on,nfs_export=on",
		 v->path, v->path, v->path);
	if (mount("overlay", merged, "overlay", 0, options))
		return -errno;
	return 0;
}

static int make_layers(const struct volume *v)
{
	static const char *const dirs[] = {
		"lower", "lower/dir", "upper", "work",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (mkdirat(v->root, dirs[i], 0755))
			return -errno;
	}
	if (close_result(make_file(v->root, "lower/file", "lower")) ||
	    close_result(make_file(v->root, "lower/dir/inner", "inner")) ||
	    close_result(make_file(v->root, "upper/upper", "upper")))
		return -EIO;
	return mkdir(merged, 0755) ? -errno : 0;
}

FIXTURE_SETUP(overlay)
{
	const char *reason;
	struct handle fh;

	reason = missing_as_root() ?: volume_make(&self->volume, variant->kind);
	ASSERT_NE(reason, NULL);
	if (*reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(make_layers(&self->volume), 0);
	if (mount_overlay(&self->volume))
		SKIP(return, NEEDS_OVERLAY);
	self->root = open(merged, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(self->root, 0);
	if (encode_path(self->root, "upper", &fh))
		SKIP(return, NEEDS_OVERLAY);
	ASSERT_EQ(ring_init(&self->ring, WARM_SETUP), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(overlay)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
	ring_exit(&self->ring);
	close(self->root);
	EXPECT_EQ(umount2(merged, 0), 0);
	EXPECT_EQ(volume_remove(&self->volume), 0);
}

/* Encodes a handle. Stores in @inlined whether the submission has done it. */
static int name_file(struct ring *ring, int dfd, const char *path,
		     struct handle *fh, bool *inlined)
{
	__u64 mnt_id = 0;
	int ret;

	fh->bytes = HANDLE_MAX;
	sqe_name(ring_sqe(ring), dfd, path, fh, &mnt_id,
		 AT_HANDLE_MNT_ID_UNIQUE);
	if (ring_submit(ring) != 1)
		return RING_BROKEN;
	*inlined = ring_ready(ring);
	ret = ring_result(ring);
	return ret;
}

/* The names are in the dentry cache, so only encoding may need a worker. */
TEST_F(overlay, a_worker_encodes)
{
	static const char *const names[] = { "file", "dir", "dir/inner", "upper" };
	struct handle fh, expected;
	unsigned int i;
	struct stat st;
	bool inlined;
	int fd;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(fstatat(self->root, names[i], &st, 0), 0);
		ASSERT_EQ(name_file(&self->ring, self->root, names[i], &fh,
				    &inlined), 0)
			TH_LOG("%s", names[i]);
		EXPECT_FALSE(inlined) TH_LOG("%s", names[i]);
		ASSERT_EQ(encode_path(self->root, names[i], &expected), 0);
		EXPECT_TRUE(same_handle(&fh, &expected)) TH_LOG("%s", names[i]);

		fd = ring_open(&self->ring, self->root, &fh, O_RDONLY, 0);
		ASSERT_GE(fd, 0) TH_LOG("%s", names[i]);
		EXPECT_TRUE(!fstatat(self->root, names[i], &st, 0));
		EXPECT_EQ(close(fd), 0);
	}
	EXPECT_GE(nr_workers(), 1U);
}

/* The filesystem below encodes inline. */
TEST_F(overlay, the_upper_filesystem_encodes_inline)
{
	struct handle fh, expected;
	struct stat st;
	bool inlined;

	ASSERT_EQ(fstatat(self->volume.root, "upper/upper", &st, 0), 0);
	ASSERT_EQ(name_file(&self->ring, self->volume.root, "upper/upper", &fh,
			    &inlined), 0);
	EXPECT_TRUE(inlined);
	ASSERT_EQ(encode_path(self->volume.root, "upper/upper", &expected), 0);
	EXPECT_TRUE(same_handle(&fh, &expected));
}

/* Opens the file of each handle in three ways, after a mount and again. */
TEST_F(overlay, opens_the_file_of_the_handle)
{
	static const char *const names[] = { "file", "dir/inner", "upper" };
	static const char *const contents[] = { "lower", "inner", "upper" };
	char content[8];
	struct handle fh[ARRAY_SIZE(names)];
	unsigned int i, way;
	int fd;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		ASSERT_EQ(encode_path(self->root, names[i], &fh[i]), 0);
	close(self->root);
	ASSERT_EQ(umount2(merged, 0), 0);
	ASSERT_EQ(mount_overlay(&self->volume), 0);
	self->root = open(merged, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(self->root, 0);

	for (way = 0; way < 3; way++) {
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			fd = way == 2 ?
			     decode(self->root, &fh[i], O_RDONLY) :
			     ring_open(&self->ring, self->root, &fh[i],
				       O_RDONLY, way ? IOSQE_ASYNC : 0);
			ASSERT_GE(fd, 0) TH_LOG("%s, way %u", names[i], way);
			memset(content, 0, sizeof(content));
			EXPECT_EQ(read(fd, content, sizeof(content) - 1), 5);
			EXPECT_STREQ(content, contents[i]);
			close(fd);
		}
	}
}

/* A directory of the lower layer is copied up before its handle is encoded. */
TEST_F(overlay, a_worker_copies_up)
{
	struct handle fh;
	struct stat st;
	bool inlined;

	ASSERT_EQ(fstatat(self->root, "dir", &st, 0), 0);
	ASSERT_NE(fstatat(self->volume.root, "upper/dir", &st, 0), 0);
	ASSERT_EQ(name_file(&self->ring, self->root, "dir", &fh, &inlined), 0);
	EXPECT_FALSE(inlined);
	EXPECT_EQ(close_result(ring_open(&self->ring, self->root, &fh,
					 O_RDONLY, 0)), 0);
}

TEST_HARNESS_MAIN
