// SPDX-License-Identifier: GPL-2.0
/*
 * An overlay with a layer on a server with handles. The overlay adds 24 bytes to
 * the handles of the layer.
 */
#define _GNU_SOURCE
#include <sys/mount.h>

#include "fuse_fixture.h"

/* Mounts an overlay with the server as its lower layer. */
static int mount_overlay(struct server *s, const char *dir, bool export)
{
	char options[512], path[128];
	static const char *const dirs[] = { "upper", "work", "merged" };
	unsigned int i;

	if (mount("upper", dir, "tmpfs", 0, NULL))
		return -errno;
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, dirs[i]);
		if (mkdir(path, 0755))
			return -errno;
	}
	snprintf(options, sizeof(options),
		 "lowerdir=%s,upperdir=%s/upper,workdir=%s/work,%s", s->dir, dir,
		 dir, export ? "index=on,nfs_export=on" : "index=off");
	return mount("overlay", path, "overlay", 0, options) ? -errno : 0;
}

/*
 * Encodes with the buffer size that the kernel requests, until it requests no
 * more. Stores the largest requested size in *most.
 */
static int name_with_room(const char *path, unsigned int flags,
			  struct handle *fh, unsigned int *most)
{
	unsigned int room = 0;
	__u64 mnt_id;
	int err;

	*most = 0;
	for (;;) {
		memset(fh, 0, sizeof(*fh));
		fh->bytes = room;
		err = encode_at(AT_FDCWD, path, fh, &mnt_id,
				AT_HANDLE_MNT_ID_UNIQUE | flags);
		if (fh->bytes > *most)
			*most = fh->bytes;
		if (err != -EOVERFLOW || fh->bytes <= room ||
		    fh->bytes > HANDLE_MAX)
			return err;
		room = fh->bytes;
	}
}

/* Like event_handle(), as an ordinary user. Returns the size of the handle. */
static int user_event_handle(const char *path)
{
	struct handle fh;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		int len = -EPERM;

		if (!setgid(1000) && !setuid(1000))
			len = event_handle(path, &fh);
		_exit(len < 0 ? 255 : len);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return WEXITSTATUS(status) == 255 ? -EPERM : WEXITSTATUS(status);
}

/*
 * A file handle in the overlay that exceeds MAX_HANDLE_SZ must not cause the
 * warning of fanotify for a broken filesystem.
 */
static void check_overlay(struct __test_metadata *const _metadata,
			  struct server *s, int *fd, const char *dir,
			  bool export)
{
	static const size_t sizes[] = { 16, 97, 100, 101, 104, 124, 125, 128 };
	struct handle fh, event;
	char path[64], root[64];
	unsigned int i, most;
	long reports = kernel_reports();

	snprintf(root, sizeof(root), "%s/merged", dir);
	snprintf(path, sizeof(path), "%s/merged/file", dir);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t size = sizes[i];
		int bytes = 24 + 4 + (size + 3) / 4 * 4;
		bool fits = size <= 100;
		int ret, file, mount_fd, expected;

		s->handle_size = size;
		ASSERT_EQ(0, restart(s, fd));
		ret = mount_overlay(s, dir, export);
		if (ret == -ENODEV)
			SKIP(return, "needs CONFIG_OVERLAY_FS");
		/* The index requires a handle of the root of the layer. */
		if (export && size > 124) {
			ASSERT_EQ(-EIO, ret);
			ASSERT_EQ(0, umount2(dir, MNT_DETACH));
			continue;
		}
		ASSERT_EQ(0, ret);
		file = open(path, O_RDONLY | O_CLOEXEC);
		ASSERT_GE(file, 0) {
			TH_LOG("%zu bytes: errno %d", size, errno);
		}
		ASSERT_EQ(2, read_object(file, NULL));
		close(file);

		/* Without nfs_export=on, only AT_HANDLE_FID encodes. */
		ret = name_with_room(path, export ? 0 : AT_HANDLE_FID, &fh,
				     &most);
		ASSERT_EQ(fits ? 0 : -EOVERFLOW, ret) {
			TH_LOG("%zu bytes: asked for %u", size, most);
		}
		ASSERT_EQ(fits ? bytes : 0, most);

		ret = event_handle(path, &event);
		if (ret == -ENOSYS || ret == -ENODEV)
			SKIP(return, NO_FANOTIFY);
		ASSERT_EQ(fits ? bytes : 0, ret) {
			TH_LOG("%zu bytes", size);
		}
		ASSERT_EQ(fits ? bytes : 0, user_event_handle(path)) {
			TH_LOG("%zu bytes", size);
		}
		ASSERT_TRUE(!fits || !memcmp(fh.data, event.data, bytes));

		if (export && fits) {
			mount_fd = open(root, O_RDONLY | O_CLOEXEC);
			ASSERT_GE(mount_fd, 0);
			ASSERT_EQ(2, decode_object(mount_fd, &fh));
			close(mount_fd);
		}

		/* Copy up stores the handle, and uses it as a name in the index. */
		ret = open(path, O_RDWR | O_CLOEXEC);
		if (ret < 0) {
			ret = -errno;
		} else {
			close(ret);
			ret = 0;
		}
		expected = size > 124 ? -EIO :
			   export && !fits ? -ENAMETOOLONG : 0;
		ASSERT_EQ(expected, ret);
		ASSERT_EQ(0, umount2(root, MNT_DETACH));
		ASSERT_EQ(0, umount2(dir, MNT_DETACH));
		ASSERT_EQ(reports, kernel_reports());
	}
}

static void in_overlay(struct __test_metadata *const _metadata,
		       struct server *s, int *fd, bool export)
{
	char dir[] = "/tmp/overlay_XXXXXX";

	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, chmod(dir, 0755));
	check_overlay(_metadata, s, fd, dir, export);
	rmdir(dir);
}

TEST_F(fuse, overlay)
{
	in_overlay(_metadata, self->s, &self->mount_fd, false);
}

TEST_F(fuse, overlay_with_export)
{
	in_overlay(_metadata, self->s, &self->mount_fd, true);
}

TEST_HARNESS_MAIN
