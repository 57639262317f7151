// SPDX-License-Identifier: GPL-2.0
/*
 * Properties of file handles that do not depend on the filesystem: sizes,
 * types, memory that cannot be accessed, and the descriptor that a handle is
 * opened at. Each case runs on pidfs, nsfs, tmpfs and the sample filesystem.
 */
#define _GNU_SOURCE
#include "nsfs.h"
#include "sample.h"
#include "kselftest_harness.h"

enum filesystem { PIDFS, NSFS, TMPFS, SAMPLE };

/* A file, and what its filesystem does with handles. */
struct object {
	int fd;
	int other;		/* another file of the filesystem */
	int anchor;		/* a descriptor to open handles at */
	unsigned int size;	/* of a handle */
	int type;
	bool any_type;		/* the type is not checked */
	struct handle fh;	/* of @fd */

	bool loaded;		/* the module of the sample filesystem */
	pid_t child;
	int pidfd;
};

static int init_pidfs(struct object *obj)
{
	obj->child = paused_child(0, &obj->fd);
	if (obj->child < 0)
		return obj->child;
	obj->other = sys_pidfd_open(getpid(), 0);
	obj->anchor = FD_PIDFS_ROOT;
	obj->size = HANDLE_PIDFS;
	obj->type = FILEID_KERNFS;
	return 0;
}

static int init_nsfs(struct object *obj, enum ns_index index)
{
	struct subject ns;
	int ret = subject_init(&ns, index);

	if (ret)
		return ret;
	obj->child = ns.child;
	obj->pidfd = ns.pidfd;
	obj->fd = ns.fd;
	/* A namespace of another type than that of any variant but "user". */
	obj->other = index == NS_USER ? ns_own(&ns_kinds[NS_UTS]) : ns.user_ns;
	obj->anchor = FD_NSFS_ROOT;
	obj->size = HANDLE_NSFS;
	obj->type = FILEID_NSFS;
	return 0;
}

static int init_tmpfs(struct object *obj)
{
	obj->anchor = detached_tmpfs();
	if (obj->anchor < 0)
		return obj->anchor;
	obj->fd = make_file(obj->anchor, "file", "content");
	obj->other = make_file(obj->anchor, "other", "content");
	obj->size = HANDLE_TMPFS;
	obj->type = 1;
	obj->any_type = true;
	return 0;
}

static int init_sample(struct object *obj)
{
	int ret = load_module();
	int dev;

	if (ret)
		return ret;
	obj->loaded = true;
	dev = open_device();
	if (dev < 0)
		return dev;
	obj->anchor = make_anchor(dev);
	obj->fd = make_object(dev, "object", 4096);
	obj->other = make_object(dev, "other", 4096);
	close(dev);
	obj->size = RUST_EXPORTFS_HANDLE_SIZE;
	obj->type = RUST_EXPORTFS_FILEID;
	return 0;
}

static const char *object_missing(enum filesystem filesystem)
{
	switch (filesystem) {
	case PIDFS:
		return pidfs_missing();
	case NSFS:
		return nsfs_handles_missing();
	case TMPFS:
		return is_root() ? NULL : NEEDS_INITIAL_ROOT;
	case SAMPLE:
		return sample_missing();
	}
	return NULL;
}

static int object_init(struct object *obj, enum filesystem filesystem,
		       enum ns_index index)
{
	int ret = -EINVAL;

	switch (filesystem) {
	case PIDFS:
		ret = init_pidfs(obj);
		break;
	case NSFS:
		ret = init_nsfs(obj, index);
		break;
	case TMPFS:
		ret = init_tmpfs(obj);
		break;
	case SAMPLE:
		ret = init_sample(obj);
		break;
	}
	if (ret)
		return ret;
	if (obj->fd < 0 || obj->other < 0)
		return -EBADF;
	return encode(obj->fd, &obj->fh);
}

/* Closes all descriptors, which keep the module loaded. */
static int object_exit(const struct object *obj)
{
	kill_children();
	if (!obj->loaded)
		return 0;
	syscall(__NR_close_range, STDERR_FILENO + 1, ~0U, 0);
	return unload_module();
}

/* Opens another descriptor of the same file, without the handle. */
static int open_again(const struct object *obj, enum filesystem filesystem,
		      enum ns_index index)
{
	char path[32];

	if (filesystem == PIDFS)
		return sys_pidfd_open(obj->child, PIDFD_NONBLOCK);
	if (filesystem == NSFS)
		return ns_of_pidfd(obj->pidfd, &ns_kinds[index]);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", obj->fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

#define ASSERT_DECODES(dfd, fh) \
do { \
	int __fd = decode(dfd, fh, O_RDONLY | O_CLOEXEC); \
\
	ASSERT_GE(__fd, 0); \
	ASSERT_TRUE(same_file(__fd, self->obj.fd)); \
	ASSERT_EQ(close(__fd), 0); \
} while (0)

FIXTURE(handle)
{
	struct object obj;
};

FIXTURE_VARIANT(handle)
{
	enum filesystem filesystem;
};

FIXTURE_VARIANT_ADD(handle, pidfs) { .filesystem = PIDFS };
FIXTURE_VARIANT_ADD(handle, nsfs) { .filesystem = NSFS };
FIXTURE_VARIANT_ADD(handle, tmpfs) { .filesystem = TMPFS };
FIXTURE_VARIANT_ADD(handle, sample) { .filesystem = SAMPLE };

FIXTURE_SETUP(handle)
{
	const char *reason = object_missing(variant->filesystem);
	int ret;

	if (reason)
		SKIP(return, "%s", reason);
	ret = object_init(&self->obj, variant->filesystem, NS_UTS);
	if (ret == -EPERM && variant->filesystem == TMPFS)
		SKIP(return, "needs CAP_SYS_ADMIN to mount a tmpfs");
	ASSERT_EQ(ret, 0);
}

FIXTURE_TEARDOWN(handle)
{
	EXPECT_EQ(object_exit(&self->obj), 0);
}

/*
 * Encoding
 */

TEST_F(handle, encode_reports_size_and_type)
{
	struct object *obj = &self->obj;

	EXPECT_EQ(obj->fh.bytes, obj->size);
	EXPECT_EQ(obj->fh.type, obj->type);
}

TEST_F(handle, encode_into_short_buffer_reports_size)
{
	struct object *obj = &self->obj;
	unsigned int bytes, i;
	struct handle fh;
	__u64 mnt_id;

	for (bytes = 0; bytes < obj->size; bytes++) {
		memset(&fh, CANARY, sizeof(fh));
		fh.bytes = bytes;
		ASSERT_EQ(encode_at(obj->fd, "", &fh, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  -EOVERFLOW);
		EXPECT_EQ(fh.bytes, obj->size);
		EXPECT_EQ(fh.type, FILEID_INVALID);
		for (i = 0; i < HANDLE_MAX; i++)
			ASSERT_EQ(fh.data[i], CANARY);
	}
}

TEST_F(handle, encode_into_long_buffer_leaves_the_rest)
{
	struct object *obj = &self->obj;
	unsigned int bytes, i;
	struct handle fh;
	__u64 mnt_id;

	for (bytes = obj->size; bytes <= HANDLE_MAX; bytes++) {
		memset(&fh, CANARY, sizeof(fh));
		fh.bytes = bytes;
		ASSERT_EQ(encode_at(obj->fd, "", &fh, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  0);
		ASSERT_TRUE(same_handle(&fh, &obj->fh));
		for (i = obj->size; i < HANDLE_MAX; i++)
			ASSERT_EQ(fh.data[i], CANARY);
	}
}

TEST_F(handle, encode_refuses_huge_size)
{
	struct handle fh;
	unsigned int i, j;
	__u64 mnt_id;

	for (i = 0; i < HUGE_SIZES; i++) {
		memset(&fh, CANARY, sizeof(fh));
		fh.bytes = huge_sizes[i];
		ASSERT_EQ(encode_at(self->obj.fd, "", &fh, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  -EINVAL);
		EXPECT_EQ(fh.bytes, huge_sizes[i]);
		for (j = 0; j < HANDLE_MAX; j++)
			ASSERT_EQ(fh.data[j], CANARY);
	}
}

TEST_F(handle, encode_fid_returns_the_same_handle)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	int mnt_id;

	ASSERT_EQ(encode_at(self->obj.fd, "", &fh, &mnt_id,
			    AT_EMPTY_PATH | AT_HANDLE_FID), 0);
	EXPECT_TRUE(same_handle(&fh, &self->obj.fh));
	ASSERT_DECODES(self->obj.anchor, &fh);
}

/*
 * A connectable handle contains the parent, and none of the filesystems
 * supports that. The flag excludes AT_EMPTY_PATH.
 */
TEST_F(handle, encode_connectable_is_not_supported)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	char path[32];
	int mnt_id;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->obj.fd);
	if (access(path, F_OK))
		SKIP(return, NEEDS_PROCFS);
	ASSERT_EQ(encode_at(AT_FDCWD, path, &fh, &mnt_id, AT_SYMLINK_FOLLOW),
		  0);
	EXPECT_TRUE(same_handle(&fh, &self->obj.fh));

	memset(&fh, CANARY, sizeof(fh));
	fh.bytes = HANDLE_MAX;
	ASSERT_EQ(encode_at(AT_FDCWD, path, &fh, &mnt_id,
			    AT_SYMLINK_FOLLOW | AT_HANDLE_CONNECTABLE),
		  -EOPNOTSUPP);
	EXPECT_EQ(fh.data[0], CANARY);
}

TEST_F(handle, encode_returns_the_mount_ids_of_statx)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	int fd = self->obj.fd, id = 0;
	__u64 unique = 0;
	struct statx stx;

	ASSERT_EQ(encode_at(fd, "", &fh, &unique,
			    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE), 0);
	ASSERT_EQ(sys_statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &stx),
		  0);
	EXPECT_NE(unique, 0U);
	EXPECT_EQ(unique, stx.stx_mnt_id);

	fh.bytes = HANDLE_MAX;
	ASSERT_EQ(encode_at(fd, "", &fh, &id, AT_EMPTY_PATH), 0);
	ASSERT_EQ(sys_statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx), 0);
	EXPECT_EQ((__u64)id, stx.stx_mnt_id);
}

TEST_F(handle, encode_needs_no_privileges)
{
	struct handle *fh = shared_memory(sizeof(*fh));
	pid_t pid;

	ASSERT_NE(fh, NULL);
	pid = clone_child(0, NULL);
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(become_user() || encode(self->obj.fd, fh));
	ASSERT_EQ(reap_child(pid), 0);
	EXPECT_TRUE(same_handle(fh, &self->obj.fh));
}

/*
 * Memory
 */

TEST_F(handle, encode_and_decode_at_any_alignment)
{
	struct object *obj = &self->obj;
	unsigned char buf[8 + sizeof(struct handle)];
	unsigned int offset;
	struct handle fh;
	__u64 mnt_id;

	for (offset = 0; offset < 8; offset++) {
		memset(buf, CANARY, sizeof(buf));
		memset(&fh, 0, sizeof(fh));
		fh.bytes = obj->size;
		memcpy(buf + offset, &fh, HANDLE_HEADER);
		ASSERT_EQ(encode_at(obj->fd, "", buf + offset, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  0);
		memcpy(&fh, buf + offset, HANDLE_HEADER + obj->size);
		ASSERT_TRUE(same_handle(&fh, &obj->fh));
		ASSERT_DECODES(obj->anchor, buf + offset);
	}
}

TEST_F(handle, encode_to_the_end_of_a_page)
{
	struct object *obj = &self->obj;
	const unsigned int size = HANDLE_HEADER + obj->size;
	struct handle fh = { .bytes = obj->size };
	unsigned char *end = page_end();
	unsigned int cut;
	__u64 mnt_id;

	ASSERT_NE(end, NULL);
	memcpy(end - size, &fh, size);
	ASSERT_EQ(encode_at(obj->fd, "", end - size, &mnt_id,
			    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE), 0);
	EXPECT_EQ(memcmp(end - size, &obj->fh, size), 0);

	for (cut = 1; cut <= size; cut++) {
		memcpy(end - (size - cut), &fh, size - cut);
		ASSERT_EQ(encode_at(obj->fd, "", end - (size - cut), &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  -EFAULT) TH_LOG("%u bytes cut off", cut);
	}
}

/* The buffer may be shorter than its announced size. */
TEST_F(handle, encode_accesses_only_the_bytes_of_the_handle)
{
	struct object *obj = &self->obj;
	const unsigned int size = HANDLE_HEADER + obj->size;
	struct handle fh = { .bytes = HANDLE_MAX };
	unsigned char *end = page_end();
	__u64 mnt_id;

	ASSERT_NE(end, NULL);
	memcpy(end - size, &fh, size);
	ASSERT_EQ(encode_at(obj->fd, "", end - size, &mnt_id,
			    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE), 0);
	EXPECT_EQ(memcmp(end - size, &obj->fh, size), 0);
}

TEST_F(handle, decode_at_the_end_of_a_page)
{
	struct object *obj = &self->obj;
	const unsigned int size = HANDLE_HEADER + obj->size;
	unsigned char *end = page_end();
	unsigned int cut;

	ASSERT_NE(end, NULL);
	memcpy(end - size, &obj->fh, size);
	ASSERT_DECODES(obj->anchor, end - size);

	for (cut = 1; cut <= size; cut++) {
		memcpy(end - (size - cut), &obj->fh, size - cut);
		ASSERT_EQ(decode(obj->anchor, end - (size - cut), 0), -EFAULT)
			TH_LOG("%u bytes cut off", cut);
	}
}

/* All announced bytes must be readable, even those that are ignored. */
TEST_F(handle, decode_reads_all_announced_bytes)
{
	struct object *obj = &self->obj;
	const unsigned int size = HANDLE_HEADER + obj->size;
	unsigned char *end = page_end();

	ASSERT_NE(end, NULL);
	obj->fh.bytes = obj->size + 1;
	memcpy(end - size, &obj->fh, size);
	EXPECT_EQ(decode(obj->anchor, end - size, 0), -EFAULT);
	obj->fh.bytes = HANDLE_MAX;
	memcpy(end - size, &obj->fh, size);
	EXPECT_EQ(decode(obj->anchor, end - size, 0), -EFAULT);
	EXPECT_EQ(decode(obj->anchor, NULL, 0), -EFAULT);
}

/*
 * Size and type
 */

TEST_F(handle, decode_of_truncated_handle_is_stale)
{
	struct object *obj = &self->obj;

	obj->fh.bytes = 0;
	EXPECT_EQ(decode(obj->anchor, &obj->fh, 0), -EINVAL);
	for (obj->fh.bytes = 1; obj->fh.bytes < obj->size; obj->fh.bytes++) {
		ASSERT_EQ(decode(obj->anchor, &obj->fh, 0), -ESTALE)
			TH_LOG("%u bytes", obj->fh.bytes);
	}
}

TEST_F(handle, decode_refuses_huge_size)
{
	struct object *obj = &self->obj;
	unsigned int i;

	for (i = 0; i < HUGE_SIZES; i++) {
		obj->fh.bytes = huge_sizes[i];
		EXPECT_EQ(decode(obj->anchor, &obj->fh, 0), -EINVAL);
	}
}

/*
 * The system call defines the upper half of the type: two flags. A connectable
 * handle, the first, is opened only below the anchor. A pseudo filesystem has
 * nothing below its anchor.
 */
TEST_F(handle, decode_checks_each_bit_of_the_type)
{
	struct object *obj = &self->obj;
	unsigned int bit;
	int want;

	for (bit = 0; bit < 32; bit++) {
		obj->fh.type = obj->type ^ (int)(1U << bit);
		want = bit < 18 ? -ESTALE : -EINVAL;
		if (obj->any_type && bit < 17)
			want = 0;
		EXPECT_EQ(close_result(decode(obj->anchor, &obj->fh, 0)), want)
			TH_LOG("bit %u", bit);
	}
}

TEST_F(handle, decode_refuses_types_of_other_filesystems)
{
	struct object *obj = &self->obj;
	int type;

	for (type = 0; type <= 0x1ff; type++) {
		obj->fh.type = type;
		ASSERT_EQ(close_result(decode(obj->anchor, &obj->fh, 0)),
			  type == obj->type || obj->any_type ? 0 : -ESTALE)
			TH_LOG("type %#x", type);
	}
}

TEST_F(handle, connectable_handle_outside_of_the_anchor_is_stale)
{
	struct object *obj = &self->obj;

	obj->fh.type |= FILEID_IS_CONNECTABLE;
	if (!obj->any_type)
		EXPECT_EQ(decode(obj->anchor, &obj->fh, 0), -ESTALE);
	EXPECT_EQ(decode(obj->other, &obj->fh, 0), -ESTALE);
}

TEST_F(handle, connectable_handle_decodes_at_its_own_file)
{
	struct object *obj = &self->obj;

	/* The owner of the inode must be mapped: root of the initial one. */
	if (!in_initial_user_ns())
		SKIP(return, "needs the initial user namespace");
	obj->fh.type |= FILEID_IS_CONNECTABLE;
	ASSERT_DECODES(obj->fd, &obj->fh);
}

TEST_F(handle, handle_of_a_directory_does_not_open_a_file)
{
	struct object *obj = &self->obj;

	obj->fh.type |= FILEID_IS_DIR;
	EXPECT_EQ(decode(obj->fd, &obj->fh, 0), -ESTALE);
	EXPECT_EQ(decode(obj->anchor, &obj->fh, 0), -ESTALE);
	obj->fh.type |= FILEID_IS_CONNECTABLE;
	EXPECT_EQ(decode(obj->fd, &obj->fh, 0), -ESTALE);
	EXPECT_EQ(decode(obj->anchor, &obj->fh, 0), -ESTALE);
}

/*
 * Anchors
 */

TEST_F(handle, decode_at_bad_descriptor)
{
	struct object *obj = &self->obj;
	unsigned int i;
	int fd;

	for (i = 0; i < BAD_FDS; i++) {
		EXPECT_EQ(decode(bad_fds[i], &obj->fh, 0), -EBADF)
			TH_LOG("descriptor %d", bad_fds[i]);
	}
	fd = dup(obj->fd);
	ASSERT_GE(fd, 0);
	close(fd);
	EXPECT_EQ(decode(fd, &obj->fh, 0), -EBADF);
}

TEST_F(handle, decode_at_path_descriptor)
{
	struct object *obj = &self->obj;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", obj->fd);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, NEEDS_PROCFS);
	EXPECT_EQ(decode(fd, &obj->fh, 0), -EBADF);
}

/* On other filesystems, a capability is needed even for ESTALE. */
TEST_F(handle, decode_at_another_filesystem)
{
	struct object *obj = &self->obj;
	int file = sys_memfd_create("anchor", MFD_CLOEXEC);

	ASSERT_GE(file, 0);
	EXPECT_EQ(decode_as(WHO_USER, 0, file, &obj->fh), -EPERM);
	EXPECT_EQ(decode_as(WHO_USER, 0, AT_FDCWD, &obj->fh), -EPERM);
	EXPECT_EQ(decode(variant->filesystem == PIDFS ? FD_NSFS_ROOT :
			 FD_PIDFS_ROOT, &obj->fh, 0), -ESTALE);
	if (!is_root())
		SKIP(return, NEEDS_INITIAL_ROOT);
	EXPECT_EQ(decode(file, &obj->fh, 0), -ESTALE);
}

TEST_F(handle, decode_refuses_handles_of_other_filesystems)
{
	struct object *obj = &self->obj;
	int file = sys_memfd_create("file", MFD_CLOEXEC);
	struct handle fh;

	ASSERT_GE(file, 0);
	if (variant->filesystem != TMPFS) {
		ASSERT_EQ(encode(file, &fh), 0);
		EXPECT_NE(fh.type, obj->type);
		EXPECT_EQ(decode(obj->anchor, &fh, 0), -ESTALE);
		EXPECT_EQ(decode(obj->fd, &fh, 0), -ESTALE);
	}
	if (variant->filesystem != PIDFS) {
		int pidfd = sys_pidfd_open(getpid(), 0);

		ASSERT_GE(pidfd, 0);
		ASSERT_EQ(encode(pidfd, &fh), 0);
		EXPECT_NE(fh.type, obj->type);
		EXPECT_EQ(decode(obj->anchor, &fh, 0), -ESTALE);
		/* Nor with the type of this filesystem. */
		fh.type = obj->type;
		EXPECT_EQ(decode(obj->anchor, &fh, 0), -ESTALE);
	}
}

/*
 * Files that are opened by handle, for each type of namespaces.
 */

FIXTURE(reopen)
{
	struct object obj;
};

FIXTURE_VARIANT(reopen)
{
	enum filesystem filesystem;
	enum ns_index index;
};

FIXTURE_VARIANT_ADD(reopen, pidfs) { .filesystem = PIDFS };
FIXTURE_VARIANT_ADD(reopen, cgroup) { NSFS, NS_CGROUP };
FIXTURE_VARIANT_ADD(reopen, ipc) { NSFS, NS_IPC };
FIXTURE_VARIANT_ADD(reopen, mnt) { NSFS, NS_MNT };
FIXTURE_VARIANT_ADD(reopen, net) { NSFS, NS_NET };
FIXTURE_VARIANT_ADD(reopen, pid) { NSFS, NS_PID };
FIXTURE_VARIANT_ADD(reopen, time) { NSFS, NS_TIME };
FIXTURE_VARIANT_ADD(reopen, user) { NSFS, NS_USER };
FIXTURE_VARIANT_ADD(reopen, uts) { NSFS, NS_UTS };
FIXTURE_VARIANT_ADD(reopen, tmpfs) { .filesystem = TMPFS };
FIXTURE_VARIANT_ADD(reopen, sample) { .filesystem = SAMPLE };

FIXTURE_SETUP(reopen)
{
	const char *reason = object_missing(variant->filesystem);
	int ret;

	if (reason)
		SKIP(return, "%s", reason);
	ret = object_init(&self->obj, variant->filesystem, variant->index);
	if (ret == -EOPNOTSUPP && variant->filesystem == NSFS)
		SKIP(return, "needs %s namespaces",
		     ns_kinds[variant->index].name);
	if (ret == -EPERM && variant->filesystem == TMPFS)
		SKIP(return, "needs CAP_SYS_ADMIN to mount a tmpfs");
	ASSERT_EQ(ret, 0);
}

FIXTURE_TEARDOWN(reopen)
{
	EXPECT_EQ(object_exit(&self->obj), 0);
}

TEST_F(reopen, handle_does_not_depend_on_the_descriptor)
{
	struct object *obj = &self->obj;
	struct handle fh;
	int fd;

	fd = open_again(obj, variant->filesystem, variant->index);
	if (fd < 0 && access("/proc/self/fd", X_OK))
		SKIP(return, NEEDS_PROCFS);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &obj->fh));
	if (variant->filesystem == PIDFS || variant->filesystem == NSFS) {
		/* Nor on whether one is open. */
		ASSERT_EQ(close(fd), 0);
		ASSERT_EQ(close(obj->fd), 0);
		fd = open_again(obj, variant->filesystem, variant->index);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(encode(fd, &fh), 0);
		EXPECT_TRUE(same_handle(&fh, &obj->fh));
	}
	ASSERT_EQ(encode(obj->other, &fh), 0);
	EXPECT_FALSE(same_handle(&fh, &obj->fh));
}

TEST_F(reopen, decoded_twice_is_the_same_inode)
{
	struct object *obj = &self->obj;
	int fd[2];

	fd[0] = decode(obj->anchor, &obj->fh, 0);
	ASSERT_GE(fd[0], 0);
	fd[1] = decode(fd[0], &obj->fh, 0);
	ASSERT_GE(fd[1], 0);
	ASSERT_NE(fd[0], fd[1]);
	EXPECT_TRUE(same_file(obj->fd, fd[0]));
	EXPECT_TRUE(same_file(fd[0], fd[1]));
}

TEST_F(reopen, decode_needs_no_open_descriptor)
{
	struct object *obj = &self->obj;
	struct stat before, after;
	struct handle fh;
	int fd;

	ASSERT_EQ(fstat(obj->fd, &before), 0);
	ASSERT_EQ(close(obj->fd), 0);
	fd = decode(obj->anchor, &obj->fh, 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &obj->fh));
	ASSERT_EQ(close(fd), 0);
	fd = decode(obj->anchor, &obj->fh, 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(fstat(fd, &after), 0);
	EXPECT_EQ(before.st_dev, after.st_dev);
	EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(reopen, decode_at_any_file_of_the_filesystem)
{
	struct object *obj = &self->obj;
	unsigned int i;
	int fd;

	ASSERT_DECODES(obj->anchor, &obj->fh);
	ASSERT_DECODES(obj->fd, &obj->fh);
	ASSERT_DECODES(obj->other, &obj->fh);
	if (variant->filesystem != NSFS)
		return;
	for (i = 0; i < NS_KINDS; i++) {
		fd = ns_own(&ns_kinds[i]);
		if (fd == -EOPNOTSUPP)
			continue;
		ASSERT_GE(fd, 0);
		ASSERT_DECODES(fd, &obj->fh);
		close(fd);
	}
}

TEST_HARNESS_MAIN
