// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE_BMAP, which the kernel sends only for the files of a mount with a block device.
 * The server checks the handle and the nodeid in the request.
 */
#define _GNU_SOURCE
#include "../file_handle/loop.h"
#include "fuse_interrupted.h"
#include "fuse_requests.h"

/* Before glibc 2.36, <linux/fs.h> and <sys/mount.h> cannot both be included. */
#ifndef FIBMAP
#define FIBMAP		_IO(0x00, 1)
#endif

#define IMAGE_SIZE	0x100000

/* The default of the mount option blksize= */
#define DEFAULT_BLKSIZE	512

/* Block @nr of an object. It fits into the exit status of a process, and is no errno. */
#define BLOCK_OF(id, nr)	(144 + 16 * (id) + (nr))

/* Stores the path of a new device with an empty image. Returns a descriptor of it. */
static int make_device(char *path, size_t size)
{
	int image = sys_memfd_create("image", MFD_CLOEXEC);
	int device = ftruncate(image, IMAGE_SIZE) ? -errno :
						    loop_attach(image, path, size);

	close(image);
	return device;
}

static struct fuse_bmap_in bmap_in;

static int answer_bmap(struct server *s, const struct request *r,
		       struct message *m)
{
	struct fuse_bmap_out out = {};

	if (r->in.opcode != FUSE_BMAP)
		return -ENOSYS;
	memcpy(&bmap_in, r->args, sizeof(bmap_in));
	out.block = BLOCK_OF(nodeid_object(s, r->in.nodeid), bmap_in.block);
	put_bytes(m, &out, sizeof(out));
	return 0;
}

FIXTURE(bmap)
{
	struct server *s;
	int mount_fd;
	int device;
};

FIXTURE_SETUP(bmap)
{
	const char *reason = fuse_missing();
	char name[32];

	if (reason)
		SKIP(return, "%s", reason);
	if (!has_filesystem("fuseblk"))
		SKIP(return, "needs fuseblk (CONFIG_BLOCK)");
	self->device = make_device(name, sizeof(name));
	ASSERT_NE(-EBUSY, self->device);
	if (self->device < 0)
		SKIP(return, "needs a loop device (CONFIG_BLK_DEV_LOOP)");
	begin_replaceable(_metadata, &self->s, &self->mount_fd);
	if (was_skipped(_metadata))
		return;
	self->s->others = answer_bmap;
	ASSERT_EQ(0, RESTART_WITH(strcpy(self->s->device, name)));
	ASSERT_EQ(0, try_stat(self->s, "."));
}

FIXTURE_TEARDOWN(bmap)
{
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
	close(self->device);
}

/* Returns the number of a block on the device, which FIBMAP reports. */
static int find_block(int fd, int block)
{
	return ioctl(fd, FIBMAP, &block) ? -errno : block;
}

static int do_find_block(struct server *s __maybe_unused, int fd)
{
	return find_block(fd, 0);
}

TEST_F(bmap, block_of_a_file)
{
	struct server *s = self->s;
	int file, other;

	file = try_open(s, "file", O_RDONLY);
	other = try_open(s, "d1/file", O_RDONLY);
	ASSERT_GE(file, 0);
	ASSERT_GE(other, 0);
	EXPECT_EQ(BLOCK_OF(2, 7), find_block(file, 7));
	EXPECT_EQ(7, bmap_in.block);
	EXPECT_EQ(DEFAULT_BLKSIZE, bmap_in.blocksize);
	EXPECT_EQ(BLOCK_OF(5, 8), find_block(other, 8));
	EXPECT_EQ(2, count(s, FUSE_BMAP));
	EXPECT_EQ(2, s->with_handles[FUSE_BMAP]);
	EXPECT_EQ(0, s->violations);
	close(other);
	close(file);
}

/* The request has the nodeid of the present server, which looks up the inode again. */
TEST_F(bmap, after_restart)
{
	struct server *s = self->s;
	unsigned int i;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, take_over(s));
		EXPECT_EQ(BLOCK_OF(2, i), find_block(fd, i));
		EXPECT_EQ(1, count(s, FUSE_BMAP));
		EXPECT_EQ(1, count_inner(s, FUSE_LOOKUP_HANDLE));
		EXPECT_EQ(i, s->with_handles[FUSE_BMAP]);
	}
	/* No request has a nodeid that is void. */
	EXPECT_EQ(0, s->by_handle);
	EXPECT_EQ(0, s->violations);
	close(fd);
}

/* The server is replaced after it received the request, which has a void nodeid then. */
TEST_F(bmap, in_flight)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(BLOCK_OF(2, 0), interrupted(_metadata, s, do_find_block,
					      FUSE_BMAP, false, fd));
	EXPECT_EQ(1, count(s, FUSE_BMAP));
	EXPECT_EQ(1, s->repeated);
	/* The process that exits also sends a FUSE_FLUSH. */
	EXPECT_EQ(2, s->by_handle);
	EXPECT_EQ(0, s->violations);
	close(fd);
}

TEST_HARNESS_MAIN
