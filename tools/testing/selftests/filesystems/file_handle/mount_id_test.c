// SPDX-License-Identifier: GPL-2.0
/* The mount id that name_to_handle_at(2) returns, and the flags of the call. */
#define _GNU_SOURCE
#include <sys/mount.h>

#include "file_handle.h"
#include "kselftest_harness.h"

/* Number of mounts until an old mount id must have been reused. */
#define MOUNTS_MAX	4096

#define KNOWN_FLAGS \
	(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID | \
	 AT_HANDLE_MNT_ID_UNIQUE | AT_HANDLE_CONNECTABLE)

/* An old or unique mount id, and the bytes behind it. */
union mnt_id {
	int id;
	__u64 unique;
	unsigned char bytes[16];
};

/* Mounts a tmpfs in a new mount namespace, as root of a user namespace if needed. */
static int own_tmpfs(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int ret;

	if (uid) {
		if (unshare(CLONE_NEWUSER))
			return -errno;
		ret = become_ns_root(uid, gid);
		if (ret)
			return ret;
	}
	return enter_private_tmpfs();
}

static __u64 statx_mnt_id(int dfd, const char *name, unsigned int mask)
{
	struct statx stx;

	if (sys_statx(dfd, name, AT_EMPTY_PATH, mask, &stx) ||
	    !(stx.stx_mask & mask))
		return 0;
	return stx.stx_mnt_id;
}

FIXTURE(mount_id)
{
	int root;		/* of the tmpfs */
	int file;
	int pidfd;
	struct handle fh;
	union mnt_id mnt_id;
};

FIXTURE_SETUP(mount_id)
{
	const char *reason = pidfs_missing();

	if (reason)
		SKIP(return, "%s", reason);
	self->root = own_tmpfs();
	if (namespaces_missing(self->root) || self->root == -ENOENT)
		SKIP(return, "needs permission to create a user namespace and to mount");
	ASSERT_GE(self->root, 0);
	ASSERT_EQ(mkdirat(self->root, "dir", 0755), 0);
	ASSERT_EQ(mkdirat(self->root, "mnt", 0755), 0);
	self->file = openat(self->root, "file", O_CREAT | O_RDWR | O_CLOEXEC,
			    0644);
	ASSERT_GE(self->file, 0);
	self->pidfd = sys_pidfd_open(getpid(), 0);
	ASSERT_GE(self->pidfd, 0);
	self->fh.bytes = HANDLE_MAX;
	memset(&self->mnt_id, CANARY, sizeof(self->mnt_id));
}

/* The mounts end with the namespace. */
FIXTURE_TEARDOWN(mount_id)
{
}

TEST_F(mount_id, unique_id_is_that_of_statx)
{
	const unsigned int flags = AT_HANDLE_MNT_ID_UNIQUE;
	__u64 unique, of_pidfs;

	ASSERT_EQ(encode_at(self->root, "file", &self->fh, &self->mnt_id,
			    flags), 0);
	unique = self->mnt_id.unique;
	EXPECT_NE(unique, 0U);
	EXPECT_EQ(unique, statx_mnt_id(self->root, "file",
				       STATX_MNT_ID_UNIQUE));

	ASSERT_EQ(encode_at(self->root, "dir", &self->fh, &self->mnt_id,
			    flags), 0);
	EXPECT_EQ(self->mnt_id.unique, unique);
	EXPECT_EQ(unique, statx_mnt_id(self->root, "dir",
				       STATX_MNT_ID_UNIQUE));

	ASSERT_EQ(encode_at(self->pidfd, "", &self->fh, &self->mnt_id,
			    flags | AT_EMPTY_PATH), 0);
	of_pidfs = self->mnt_id.unique;
	EXPECT_NE(of_pidfs, unique);
	EXPECT_EQ(of_pidfs, statx_mnt_id(self->pidfd, "",
					 STATX_MNT_ID_UNIQUE));
}

TEST_F(mount_id, old_id_is_that_of_statx)
{
	int id;

	ASSERT_EQ(encode_at(self->root, "file", &self->fh, &id, 0), 0);
	EXPECT_EQ((__u64)id, statx_mnt_id(self->root, "file", STATX_MNT_ID));

	ASSERT_EQ(encode_at(self->root, "dir", &self->fh, &id, 0), 0);
	EXPECT_EQ((__u64)id, statx_mnt_id(self->root, "dir", STATX_MNT_ID));

	ASSERT_EQ(encode_at(self->pidfd, "", &self->fh, &id, AT_EMPTY_PATH),
		  0);
	EXPECT_EQ((__u64)id, statx_mnt_id(self->pidfd, "", STATX_MNT_ID));
}

TEST_F(mount_id, old_id_is_four_bytes)
{
	unsigned int i;

	ASSERT_EQ(encode_at(self->root, "file", &self->fh, &self->mnt_id, 0),
		  0);
	EXPECT_EQ((__u64)self->mnt_id.id,
		  statx_mnt_id(self->root, "file", STATX_MNT_ID));
	for (i = sizeof(int); i < sizeof(self->mnt_id); i++)
		EXPECT_EQ(self->mnt_id.bytes[i], CANARY);
}

TEST_F(mount_id, unique_id_is_eight_bytes)
{
	unsigned int i;

	ASSERT_EQ(encode_at(self->root, "file", &self->fh, &self->mnt_id,
			    AT_HANDLE_MNT_ID_UNIQUE), 0);
	/* The upper half is written as well. */
	EXPECT_EQ(self->mnt_id.unique,
		  statx_mnt_id(self->root, "file", STATX_MNT_ID_UNIQUE));
	for (i = sizeof(__u64); i < sizeof(self->mnt_id); i++)
		EXPECT_EQ(self->mnt_id.bytes[i], CANARY);
}

TEST_F(mount_id, unique_id_is_not_reused)
{
	int first = 0, id = 0;
	__u64 last_unique;
	unsigned int i;

	ASSERT_EQ(encode_at(self->root, "mnt", &self->fh, &self->mnt_id,
			    AT_HANDLE_MNT_ID_UNIQUE), 0);
	last_unique = self->mnt_id.unique;
	ASSERT_EQ(fchdir(self->root), 0);

	for (i = 0; i < MOUNTS_MAX; i++) {
		ASSERT_EQ(mount("again", "mnt", "tmpfs", 0, NULL), 0);
		ASSERT_EQ(encode_at(self->root, "mnt", &self->fh, &id, 0), 0);
		ASSERT_EQ(encode_at(self->root, "mnt", &self->fh,
				    &self->mnt_id, AT_HANDLE_MNT_ID_UNIQUE),
			  0);
		/* A new id is larger than all previous ones. */
		ASSERT_GT(self->mnt_id.unique, last_unique);
		last_unique = self->mnt_id.unique;
		ASSERT_EQ(umount2("mnt", MNT_DETACH), 0);
		/* Another mount may have freed a lower number. */
		if (!i || id < first)
			first = id;
		else if (id == first)
			break;
	}
	if (i == MOUNTS_MAX)
		SKIP(return, "mount id %d was not reused", first);
}

TEST_F(mount_id, unknown_flags_are_refused)
{
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		if (1U << bit & KNOWN_FLAGS)
			continue;
		EXPECT_EQ(encode_at(self->root, "file", &self->fh,
				    &self->mnt_id, 1U << bit), -EINVAL) {
			TH_LOG("flag %#x", 1U << bit);
		}
		EXPECT_EQ(encode_at(self->file, "", &self->fh, &self->mnt_id,
				    1U << bit | AT_EMPTY_PATH), -EINVAL) {
			TH_LOG("flag %#x with AT_EMPTY_PATH", 1U << bit);
		}
	}
	/* Nothing has been written. */
	EXPECT_EQ(self->mnt_id.bytes[0], CANARY);
	EXPECT_EQ(self->fh.bytes, (unsigned int)HANDLE_MAX);
}

/* All combinations of flags. */
TEST_F(mount_id, known_flags_are_refused_only_in_conflict)
{
	static const unsigned int flags[] = {
		AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, AT_HANDLE_FID,
		AT_HANDLE_MNT_ID_UNIQUE, AT_HANDLE_CONNECTABLE,
	};
	unsigned int mask, set, i;
	int ret;

	for (mask = 0; mask < 1U << ARRAY_SIZE(flags); mask++) {
		for (set = 0, i = 0; i < ARRAY_SIZE(flags); i++)
			set |= mask & 1U << i ? flags[i] : 0;

		self->fh.bytes = HANDLE_MAX;
		ret = encode_at(self->root, "file", &self->fh, &self->mnt_id,
				set);
		if (!(set & AT_HANDLE_CONNECTABLE)) {
			EXPECT_EQ(ret, 0) TH_LOG("flags %#x", set);
		} else if (set & (AT_HANDLE_FID | AT_EMPTY_PATH)) {
			EXPECT_EQ(ret, -EINVAL) TH_LOG("flags %#x", set);
		} else if (ret) {
			/* tmpfs does not support connectable handles. */
			EXPECT_EQ(ret, -EOPNOTSUPP) TH_LOG("flags %#x", set);
		}
	}
}

TEST_F(mount_id, bad_pointer_faults_and_leaves_the_handle_alone)
{
	static const unsigned int flags[] = { 0, AT_HANDLE_MNT_ID_UNIQUE };
	size_t size = sysconf(_SC_PAGESIZE);
	unsigned char *page, *read_only;
	unsigned int i;

	read_only = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_FALSE(read_only == MAP_FAILED);
	/* The second mapping, so that the first cannot fill the gap. */
	page = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_FALSE(page == MAP_FAILED);
	ASSERT_EQ(munmap(page + size, size), 0);

	memset(&self->fh, CANARY, sizeof(self->fh));
	self->fh.bytes = HANDLE_MAX;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		void *const bad[] = {
			NULL, page + size, page + size - 1, page + size - 3,
			read_only, (void *)-1UL,
		};
		unsigned int j;

		for (j = 0; j < ARRAY_SIZE(bad); j++) {
			EXPECT_EQ(encode_at(self->root, "file", &self->fh,
					    bad[j], flags[i]), -EFAULT) {
				TH_LOG("pointer %p, flags %#x", bad[j],
				       flags[i]);
			}
			EXPECT_EQ(self->fh.bytes, (unsigned int)HANDLE_MAX);
			EXPECT_EQ(self->fh.data[0], CANARY);
		}
	}

	/* Four bytes are enough for an old id only. */
	EXPECT_EQ(encode_at(self->root, "file", &self->fh, page + size - 4,
			    AT_HANDLE_MNT_ID_UNIQUE), -EFAULT);
	EXPECT_EQ(encode_at(self->root, "file", &self->fh, page + size - 4,
			    0), 0);
	self->fh.bytes = HANDLE_MAX;
	EXPECT_EQ(encode_at(self->root, "file", &self->fh, page + size - 8,
			    AT_HANDLE_MNT_ID_UNIQUE), 0);
}

TEST_F(mount_id, pointer_need_not_be_aligned)
{
	__u64 unique = statx_mnt_id(self->root, "file", STATX_MNT_ID_UNIQUE);
	int id = statx_mnt_id(self->root, "file", STATX_MNT_ID);
	__u64 space[3];
	unsigned char *buf = (unsigned char *)space;
	unsigned int offset, i;

	for (offset = 0; offset < 8; offset++) {
		memset(space, CANARY, sizeof(space));
		ASSERT_EQ(encode_at(self->root, "file", &self->fh,
				    buf + offset, 0), 0);
		EXPECT_EQ(memcmp(buf + offset, &id, sizeof(id)), 0);
		for (i = 0; i < sizeof(space); i++) {
			if (i < offset || i >= offset + sizeof(id))
				ASSERT_EQ(buf[i], CANARY);
		}

		ASSERT_EQ(encode_at(self->root, "file", &self->fh,
				    buf + offset, AT_HANDLE_MNT_ID_UNIQUE), 0);
		EXPECT_EQ(memcmp(buf + offset, &unique, sizeof(unique)), 0);
		for (i = 0; i < sizeof(space); i++) {
			if (i < offset || i >= offset + sizeof(unique))
				ASSERT_EQ(buf[i], CANARY);
		}
	}
}

TEST_F(mount_id, written_even_if_the_handle_does_not_fit)
{
	const int dfds[] = { self->file, self->root, self->pidfd };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dfds); i++) {
		memset(&self->mnt_id, CANARY, sizeof(self->mnt_id));
		self->fh.bytes = 0;
		ASSERT_EQ(encode_at(dfds[i], "", &self->fh, &self->mnt_id,
				    AT_EMPTY_PATH), -EOVERFLOW);
		EXPECT_GT(self->fh.bytes, 0U);
		EXPECT_EQ((__u64)self->mnt_id.id,
			  statx_mnt_id(dfds[i], "", STATX_MNT_ID));
		EXPECT_EQ(self->mnt_id.bytes[sizeof(int)], CANARY);

		self->fh.bytes = 0;
		ASSERT_EQ(encode_at(dfds[i], "", &self->fh, &self->mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  -EOVERFLOW);
		EXPECT_GT(self->fh.bytes, 0U);
		EXPECT_EQ(self->mnt_id.unique,
			  statx_mnt_id(dfds[i], "", STATX_MNT_ID_UNIQUE));

		/* The reported size is sufficient. */
		EXPECT_EQ(encode_at(dfds[i], "", &self->fh, &self->mnt_id,
				    AT_EMPTY_PATH), 0);
	}
}

TEST_F(mount_id, bind_mount_has_another_id_and_the_same_handle)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	__u64 unique, unique_bind;
	int id, id_bind;

	ASSERT_EQ(fchdir(self->root), 0);
	ASSERT_EQ(mount(".", "mnt", NULL, MS_BIND, NULL), 0);

	ASSERT_EQ(encode_at(AT_FDCWD, "file", &self->fh, &id, 0), 0);
	ASSERT_EQ(encode_at(AT_FDCWD, "mnt/file", &fh, &id_bind, 0), 0);
	EXPECT_TRUE(same_handle(&self->fh, &fh));
	EXPECT_NE(id, id_bind);
	EXPECT_EQ((__u64)id_bind,
		  statx_mnt_id(AT_FDCWD, "mnt/file", STATX_MNT_ID));

	ASSERT_EQ(encode_at(AT_FDCWD, "file", &self->fh, &unique,
			    AT_HANDLE_MNT_ID_UNIQUE), 0);
	ASSERT_EQ(encode_at(AT_FDCWD, "mnt/file", &fh, &unique_bind,
			    AT_HANDLE_MNT_ID_UNIQUE), 0);
	EXPECT_TRUE(same_handle(&self->fh, &fh));
	EXPECT_GT(unique_bind, unique);
	EXPECT_EQ(unique_bind,
		  statx_mnt_id(AT_FDCWD, "mnt/file", STATX_MNT_ID_UNIQUE));
}

TEST_HARNESS_MAIN
