// SPDX-License-Identifier: GPL-2.0
/*
 * The file handles of nsfs: what name_to_handle_at() makes of a namespace, and
 * what open_by_handle_at() makes of any bytes, for any caller, at any time in
 * the life of a namespace.
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "nsfs.h"

/* Seconds: a few do, but not with all of the kernel's debugging. */
#define SLOW_TIMEOUT	120

/* Sizes that are larger than what the system calls take. */
static const __u32 huge_sizes[] = {
	HANDLE_MAX + 1, 256, INT_MAX, (__u32)INT_MAX + 1, UINT_MAX,
};

/* The whole words of a handle: more than these nsfs does not get to see. */
static unsigned int whole_words(unsigned int bytes)
{
	return bytes & ~3U;
}

/* What is left of a namespace goes away a little after its last user. */
static int wait_until_stale(const struct handle *fh)
{
	int i, ret = 0;

	for (i = 0; i < RETRIES; i++) {
		ret = try_decode(FD_NSFS_ROOT, fh);
		if (ret)
			break;
		usleep(1000);
	}
	return ret;
}

/*
 * A namespace of a child, where the test may see those, and else the one that
 * the test is in.
 */
struct subject {
	const struct ns_kind *kind;
	bool foreign;		/* it is the child's alone */
	pid_t child;
	int pidfd;
	int fd;
	__u64 id;
	__u64 ino;
	struct handle fh;	/* of @fd */
};

static int subject_init(struct subject *ns, enum ns_index index)
{
	ns->kind = &ns_kinds[index];
	ns->foreign = may_test_all();
	ns->child = paused_child(ns->foreign ? ns->kind->type : 0, &ns->pidfd);
	if (ns->child < 0)
		return ns->child;
	ns->fd = ns_of_pidfd(ns->pidfd, ns->kind);
	if (ns->fd < 0)
		return ns->fd;
	ns->id = ns_id(ns->fd);
	ns->ino = ns_ino(ns->fd);
	return encode(ns->fd, &ns->fh);
}

/* For what depends on the type: one of each. */
FIXTURE(nsfs)
{
	struct subject ns;
};

FIXTURE_VARIANT(nsfs)
{
	enum ns_index index;
};

FIXTURE_VARIANT_ADD(nsfs, cgroup) { .index = NS_CGROUP };
FIXTURE_VARIANT_ADD(nsfs, ipc) { .index = NS_IPC };
FIXTURE_VARIANT_ADD(nsfs, mnt) { .index = NS_MNT };
FIXTURE_VARIANT_ADD(nsfs, net) { .index = NS_NET };
FIXTURE_VARIANT_ADD(nsfs, pid) { .index = NS_PID };
FIXTURE_VARIANT_ADD(nsfs, time) { .index = NS_TIME };
FIXTURE_VARIANT_ADD(nsfs, user) { .index = NS_USER };
FIXTURE_VARIANT_ADD(nsfs, uts) { .index = NS_UTS };

FIXTURE_SETUP(nsfs)
{
	int ret = subject_init(&self->ns, variant->index);

	if (ret == -EOPNOTSUPP)
		SKIP(return, "no %s namespaces here", self->ns.kind->name);
	ASSERT_EQ(ret, 0);
	ASSERT_NE(self->ns.id, 0);
	ASSERT_NE(self->ns.ino, 0);
}

FIXTURE_TEARDOWN(nsfs)
{
	kill_children();
}

/* For what does not: one that is soon made. */
FIXTURE(handle)
{
	struct subject ns;
};

FIXTURE_SETUP(handle)
{
	ASSERT_EQ(subject_init(&self->ns, NS_UTS), 0);
}

FIXTURE_TEARDOWN(handle)
{
	kill_children();
}

#define ASSERT_DECODES(dfd, fh, flags) do { \
	int __fd = decode(dfd, fh, flags); \
	ASSERT_GE(__fd, 0); \
	ASSERT_EQ(ns_id(__fd), self->ns.id); \
	ASSERT_EQ(ns_type(__fd), self->ns.kind->type); \
	ASSERT_EQ(ns_ino(__fd), self->ns.ino); \
	ASSERT_EQ(close(__fd), 0); \
} while (0)

/* ---- what a handle is ---- */

TEST_F(nsfs, handle_names_the_namespace)
{
	struct nsfs_file_handle ns = handle_ns(&self->ns.fh);

	EXPECT_EQ(self->ns.fh.bytes, HANDLE_NSFS);
	EXPECT_EQ(self->ns.fh.bytes, NSFS_FILE_HANDLE_SIZE_LATEST);
	EXPECT_EQ(self->ns.fh.type, FILEID_NSFS);
	EXPECT_EQ(ns.ns_id, self->ns.id);
	EXPECT_EQ(ns.ns_type, self->ns.kind->type);
	EXPECT_EQ(ns.ns_inum, self->ns.ino);
}

TEST_F(nsfs, handle_does_not_depend_on_the_descriptor)
{
	struct handle fh;
	char path[64];
	int fd;

	fd = ns_of_pidfd(self->ns.pidfd, self->ns.kind);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->ns.fh));

	/* Not even on that there is one. */
	close(fd);
	close(self->ns.fd);
	fd = ns_of_pidfd(self->ns.pidfd, self->ns.kind);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->ns.fh));

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", self->ns.child,
		 self->ns.kind->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "needs a mounted procfs");
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->ns.fh));
}

TEST_F(nsfs, another_namespace_has_another_handle)
{
	struct nsfs_file_handle ns;
	struct handle fh;
	int pidfd, fd;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_GT(paused_child(self->ns.kind->type, &pidfd), 0);
	fd = ns_of_pidfd(pidfd, self->ns.kind);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	ns = handle_ns(&fh);
	EXPECT_NE(ns.ns_id, self->ns.id);
	EXPECT_NE(ns.ns_inum, self->ns.ino);
	EXPECT_EQ(ns.ns_type, self->ns.kind->type);
}

TEST_F(handle, encode_to_short_buffer_tells_the_size)
{
	struct handle fh;
	__u64 mnt_id;
	unsigned int bytes, i;

	for (bytes = 0; bytes < HANDLE_NSFS; bytes++) {
		memset(&fh, CANARY, sizeof(fh));
		fh.bytes = bytes;
		ASSERT_EQ(encode_at(self->ns.fd, "", &fh, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  -EOVERFLOW);
		EXPECT_EQ(fh.bytes, HANDLE_NSFS);
		EXPECT_EQ(fh.type, FILEID_INVALID);
		for (i = 0; i < HANDLE_MAX; i++)
			ASSERT_EQ(fh.data[i], CANARY);
	}
}

TEST_F(handle, encode_to_long_buffer_writes_sixteen_bytes)
{
	struct handle fh;
	__u64 mnt_id;
	unsigned int bytes, i;

	for (bytes = HANDLE_NSFS; bytes <= HANDLE_MAX; bytes++) {
		memset(&fh, CANARY, sizeof(fh));
		fh.bytes = bytes;
		ASSERT_EQ(encode_at(self->ns.fd, "", &fh, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  0);
		ASSERT_TRUE(same_handle(&fh, &self->ns.fh));
		for (i = HANDLE_NSFS; i < HANDLE_MAX; i++)
			ASSERT_EQ(fh.data[i], CANARY);
	}
}

TEST_F(handle, encode_refuses_huge_buffer)
{
	struct handle fh;
	__u64 mnt_id;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(huge_sizes); i++) {
		memset(&fh, CANARY, sizeof(fh));
		fh.bytes = huge_sizes[i];
		ASSERT_EQ(encode_at(self->ns.fd, "", &fh, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  -EINVAL);
		EXPECT_EQ(fh.bytes, huge_sizes[i]);
		for (j = 0; j < HANDLE_MAX; j++)
			ASSERT_EQ(fh.data[j], CANARY);
	}
}

TEST_F(handle, encode_fid_gives_the_same_handle)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	int mnt_id;

	ASSERT_EQ(encode_at(self->ns.fd, "", &fh, &mnt_id,
			    AT_EMPTY_PATH | AT_HANDLE_FID), 0);
	EXPECT_TRUE(same_handle(&fh, &self->ns.fh));
	ASSERT_DECODES(FD_NSFS_ROOT, &fh, 0);
}

/* A connectable handle names a parent as well, and a namespace has none. */
TEST_F(handle, encode_connectable_is_not_supported)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	char path[32];
	int mnt_id;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->ns.fd);
	if (access(path, F_OK))
		SKIP(return, "needs a mounted procfs");
	ASSERT_EQ(encode_at(AT_FDCWD, path, &fh, &mnt_id, AT_SYMLINK_FOLLOW),
		  0);
	EXPECT_TRUE(same_handle(&fh, &self->ns.fh));

	memset(&fh, CANARY, sizeof(fh));
	fh.bytes = HANDLE_MAX;
	ASSERT_EQ(encode_at(AT_FDCWD, path, &fh, &mnt_id,
			    AT_SYMLINK_FOLLOW | AT_HANDLE_CONNECTABLE),
		  -EOPNOTSUPP);
	EXPECT_EQ(fh.data[0], CANARY);
}

TEST_F(handle, mount_ids_are_those_of_statx)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	struct statx stx;
	__u64 unique = 0;
	int id = 0;

	ASSERT_EQ(encode_at(self->ns.fd, "", &fh, &unique,
			    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE), 0);
	ASSERT_EQ(sys_statx(self->ns.fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE,
			    &stx), 0);
	EXPECT_NE(unique, 0);
	EXPECT_EQ(unique, stx.stx_mnt_id);

	fh.bytes = HANDLE_MAX;
	ASSERT_EQ(encode_at(self->ns.fd, "", &fh, &id, AT_EMPTY_PATH), 0);
	ASSERT_EQ(sys_statx(self->ns.fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx),
		  0);
	EXPECT_EQ((__u64)id, stx.stx_mnt_id);
}

TEST_F(handle, unprivileged_caller_encodes)
{
	struct handle *fh = shared_memory(sizeof(*fh));
	pid_t pid;

	ASSERT_NE(fh, NULL);
	pid = clone_child(0, NULL);
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(become_user() || encode(self->ns.fd, fh));
	ASSERT_EQ(reap_child(pid), 0);
	EXPECT_TRUE(same_handle(fh, &self->ns.fh));
}

/* ---- where a handle lies ---- */

TEST_F(handle, encode_and_decode_at_any_alignment)
{
	__u64 space[5];
	unsigned char *buf = (unsigned char *)space;
	struct handle fh;
	unsigned int offset;
	__u64 mnt_id;

	for (offset = 0; offset < 8; offset++) {
		memset(space, CANARY, sizeof(space));
		memset(&fh, 0, sizeof(fh));
		fh.bytes = HANDLE_NSFS;
		memcpy(buf + offset, &fh, HANDLE_HEADER);
		ASSERT_EQ(encode_at(self->ns.fd, "", buf + offset, &mnt_id,
				    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  0);
		memcpy(&fh, buf + offset, HANDLE_HEADER + HANDLE_NSFS);
		ASSERT_TRUE(same_handle(&fh, &self->ns.fh));
		ASSERT_DECODES(FD_NSFS_ROOT, buf + offset, 0);
	}
}

TEST_F(handle, encode_to_the_end_of_a_page)
{
	const unsigned int size = HANDLE_HEADER + HANDLE_NSFS;
	struct handle fh = { .bytes = HANDLE_NSFS };
	unsigned char *end = page_end();
	unsigned int cut;
	__u64 mnt_id;

	ASSERT_NE(end, NULL);
	memcpy(end - size, &fh, size);
	ASSERT_EQ(encode_at(self->ns.fd, "", end - size, &mnt_id,
			    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE), 0);
	EXPECT_EQ(memcmp(end - size, &self->ns.fh, size), 0);

	for (cut = 1; cut <= size; cut++) {
		memcpy(end - (size - cut), &fh, size - cut);
		ASSERT_EQ(encode_at(self->ns.fd, "", end - (size - cut),
				    &mnt_id, AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE),
			  -EFAULT) TH_LOG("%u bytes cut off", cut);
	}
}

/* The room that is announced is not all needed. */
TEST_F(handle, encode_touches_no_more_than_it_writes)
{
	const unsigned int size = HANDLE_HEADER + HANDLE_NSFS;
	struct handle fh = { .bytes = HANDLE_MAX };
	unsigned char *end = page_end();
	__u64 mnt_id;

	ASSERT_NE(end, NULL);
	memcpy(end - size, &fh, size);
	ASSERT_EQ(encode_at(self->ns.fd, "", end - size, &mnt_id,
			    AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE), 0);
	EXPECT_EQ(memcmp(end - size, &self->ns.fh, size), 0);
}

TEST_F(handle, decode_at_the_end_of_a_page)
{
	const unsigned int size = HANDLE_HEADER + HANDLE_NSFS;
	unsigned char *end = page_end();
	unsigned int cut;

	ASSERT_NE(end, NULL);
	memcpy(end - size, &self->ns.fh, size);
	ASSERT_DECODES(FD_NSFS_ROOT, end - size, 0);

	for (cut = 1; cut <= size; cut++) {
		memcpy(end - (size - cut), &self->ns.fh, size - cut);
		ASSERT_EQ(decode(FD_NSFS_ROOT, end - (size - cut), 0),
			  -EFAULT) TH_LOG("%u bytes cut off", cut);
	}
}

/* All of the bytes that are announced have to be there. */
TEST_F(handle, decode_reads_the_tail_too)
{
	const unsigned int size = HANDLE_HEADER + HANDLE_NSFS;
	unsigned char *end = page_end();

	ASSERT_NE(end, NULL);
	self->ns.fh.bytes = HANDLE_NSFS + 1;
	memcpy(end - size, &self->ns.fh, size);
	EXPECT_EQ(decode(FD_NSFS_ROOT, end - size, 0), -EFAULT);
	self->ns.fh.bytes = HANDLE_MAX;
	memcpy(end - size, &self->ns.fh, size);
	EXPECT_EQ(decode(FD_NSFS_ROOT, end - size, 0), -EFAULT);
	EXPECT_EQ(decode(FD_NSFS_ROOT, NULL, 0), -EFAULT);
}

/* ---- how long a handle is ---- */

TEST_F(handle, decode_of_short_handle_is_stale)
{
	self->ns.fh.bytes = 0;
	EXPECT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, 0), -EINVAL);
	for (self->ns.fh.bytes = 1; self->ns.fh.bytes < HANDLE_NSFS;
	     self->ns.fh.bytes++) {
		ASSERT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, 0), -ESTALE) {
			TH_LOG("%u bytes", self->ns.fh.bytes);
		}
	}
}

TEST_F(handle, decode_refuses_huge_handle)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(huge_sizes); i++) {
		self->ns.fh.bytes = huge_sizes[i];
		EXPECT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, 0), -EINVAL);
	}
}

/* A kernel to come may have more to say in it, and 0 is to mean nothing. */
TEST_F(nsfs, tail_of_zeroes_decodes)
{
	__u32 bytes;

	memset(self->ns.fh.data + HANDLE_NSFS, 0, HANDLE_MAX - HANDLE_NSFS);
	for (bytes = HANDLE_NSFS; bytes <= HANDLE_MAX; bytes++) {
		self->ns.fh.bytes = bytes;
		ASSERT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), 0) {
			TH_LOG("%u bytes", bytes);
		}
	}
}

TEST_F(nsfs, tail_with_anything_in_it_is_stale)
{
	unsigned int at;
	__u32 bytes;

	for (bytes = HANDLE_NSFS; bytes <= HANDLE_MAX; bytes++) {
		self->ns.fh.bytes = bytes;
		at = HANDLE_NSFS;
		/* Once for each number of words is enough for all places. */
		if (bytes % 4 && bytes > HANDLE_NSFS + 4)
			at = whole_words(bytes) - 1;
		for (; at < whole_words(bytes); at++) {
			self->ns.fh.data[at] = 1 << at % 8;
			ASSERT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh),
				  -ESTALE) {
				TH_LOG("%u bytes, with %#x at %u", bytes,
				       self->ns.fh.data[at], at);
			}
			self->ns.fh.data[at] = 0;
		}
	}
	memset(self->ns.fh.data + HANDLE_NSFS, 0xff, HANDLE_MAX - HANDLE_NSFS);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
}

/* What does not fill a word is not passed on. */
TEST_F(handle, bytes_after_the_last_word_are_ignored)
{
	__u32 bytes;

	memset(self->ns.fh.data + HANDLE_NSFS, 0xff, HANDLE_MAX - HANDLE_NSFS);
	for (bytes = HANDLE_NSFS; bytes < HANDLE_NSFS + 4; bytes++) {
		self->ns.fh.bytes = bytes;
		ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	}
}

/* ---- what is in a handle ---- */

TEST_F(handle, decode_checks_each_bit_of_the_type)
{
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		self->ns.fh.type = FILEID_NSFS ^ (int)(1U << bit);
		/* The upper half is for flags, two of which there are. */
		EXPECT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, 0),
			  bit < 18 ? -ESTALE : -EINVAL) {
			TH_LOG("bit %u", bit);
		}
	}
}

TEST_F(handle, decode_knows_no_other_type)
{
	int type;

	for (type = 0; type <= 0x1ff; type++) {
		self->ns.fh.type = type;
		ASSERT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh),
			  type == FILEID_NSFS ? 0 : -ESTALE) {
			TH_LOG("type %#x", type);
		}
	}
}

/*
 * A connectable handle has to be below the directory that it is opened at.
 * Nothing is below a namespace, other than the namespace itself.
 */
TEST_F(handle, connectable_handle_is_stale_elsewhere)
{
	int fd = ns_own(&ns_kinds[NS_USER]);

	ASSERT_GE(fd, 0);
	self->ns.fh.type |= FILEID_IS_CONNECTABLE;
	EXPECT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, 0), -ESTALE);
	EXPECT_EQ(decode(fd, &self->ns.fh, 0), -ESTALE);
}

TEST_F(handle, connectable_handle_decodes_at_itself)
{
	/* All namespaces belong to the root of the initial one. */
	if (!in_initial_user_ns())
		SKIP(return, "needs the owner of the inode to be mapped");
	self->ns.fh.type |= FILEID_IS_CONNECTABLE;
	ASSERT_DECODES(self->ns.fd, &self->ns.fh, 0);
}

TEST_F(handle, namespace_is_no_directory)
{
	self->ns.fh.type |= FILEID_IS_DIR;
	EXPECT_EQ(decode(self->ns.fd, &self->ns.fh, 0), -ESTALE);
	EXPECT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, 0), -ESTALE);
	self->ns.fh.type |= FILEID_IS_CONNECTABLE;
	EXPECT_EQ(decode(self->ns.fd, &self->ns.fh, 0), -ESTALE);
	EXPECT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, 0), -ESTALE);
}

TEST_F(nsfs, type_and_inode_number_come_together_or_not_at_all)
{
	handle_set_ns(&self->ns.fh, self->ns.id, 0, 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	handle_set_ns(&self->ns.fh, self->ns.id, self->ns.kind->type,
		      self->ns.ino);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);

	handle_set_ns(&self->ns.fh, self->ns.id, self->ns.kind->type, 0);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
	handle_set_ns(&self->ns.fh, self->ns.id, 0, self->ns.ino);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
}

TEST_F(handle, handle_without_id_is_stale)
{
	handle_set_ns(&self->ns.fh, 0, self->ns.kind->type, self->ns.ino);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
	handle_set_ns(&self->ns.fh, 0, 0, 0);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
}

TEST_F(nsfs, decode_of_another_type_is_stale)
{
	unsigned int all = 0, bit, i;

	for (i = 0; i < NS_KINDS; i++) {
		all |= ns_kinds[i].type;
		if (i == variant->index)
			continue;
		handle_set_ns(&self->ns.fh, self->ns.id, ns_kinds[i].type,
			      self->ns.ino);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("%s", ns_kinds[i].name);
		}
		/* Two of them are none. */
		handle_set_ns(&self->ns.fh, self->ns.id,
			      self->ns.kind->type | ns_kinds[i].type,
			      self->ns.ino);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("with %s", ns_kinds[i].name);
		}
	}
	for (bit = 0; bit < 32; bit++) {
		if (self->ns.kind->type == 1U << bit)
			continue;
		handle_set_ns(&self->ns.fh, self->ns.id, 1U << bit,
			      self->ns.ino);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("bit %u", bit);
		}
	}
	handle_set_ns(&self->ns.fh, self->ns.id, all, self->ns.ino);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
	handle_set_ns(&self->ns.fh, self->ns.id, UINT_MAX, self->ns.ino);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
}

TEST_F(nsfs, decode_of_another_inode_number_is_stale)
{
	const __u32 others[] = {
		1, 2, self->ns.ino - 1, self->ns.ino + 1, UINT_MAX,
		~self->ns.ino,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		handle_set_ns(&self->ns.fh, self->ns.id, self->ns.kind->type,
			      others[i]);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("inode number %u", others[i]);
		}
	}
}

TEST_F(handle, decode_of_extreme_ids_is_stale)
{
	static const __u64 ids[] = {
		UINT_MAX, 1ULL << 32, (__u64)INT64_MAX, 1ULL << 63, UINT64_MAX,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		handle_set_ns(&self->ns.fh, ids[i], self->ns.kind->type,
			      self->ns.ino);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
		handle_set_ns(&self->ns.fh, ids[i], 0, 0);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
	}
}

/* Neither the id nor what it is checked against can be off by a bit. */
TEST_F(nsfs, decode_checks_each_bit)
{
	const struct handle fh = self->ns.fh;
	unsigned int bit;

	for (bit = 0; bit < 8 * HANDLE_NSFS; bit++) {
		self->ns.fh = fh;
		self->ns.fh.data[bit / 8] ^= 1 << bit % 8;
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("bit %u", bit);
		}
	}
}

/* An id alone may well be that of another, which is then what is opened. */
TEST_F(nsfs, decode_checks_each_bit_of_an_id_alone)
{
	unsigned int bit;
	int ret;

	for (bit = 0; bit < 64; bit++) {
		handle_set_ns(&self->ns.fh, self->ns.id ^ 1ULL << bit, 0, 0);
		ret = try_decode(FD_NSFS_ROOT, &self->ns.fh);
		if (ret)
			EXPECT_EQ(ret, -ESTALE) TH_LOG("bit %u", bit);
	}
	for (; bit < 8 * HANDLE_NSFS; bit++) {
		handle_set_ns(&self->ns.fh, self->ns.id, 0, 0);
		self->ns.fh.data[bit / 8] ^= 1 << bit % 8;
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE) {
			TH_LOG("bit %u", bit);
		}
	}
}

/* ---- how a handle is opened ---- */

/*
 * The inode is read-only to everybody. What only matters to a file that does
 * not exist yet is ignored, and what the kernel does not know, too.
 */
TEST_F(handle, open_takes_flags_as_for_a_read_only_file)
{
	static const struct {
		unsigned int flags;
		int ret;
	} opens[] = {
		{ O_RDONLY, 0 },
		{ O_WRONLY, -EPERM },
		{ O_RDWR, -EPERM },
		{ O_WRONLY | O_RDWR, -EPERM },
		{ O_TRUNC, -EPERM },
		{ O_CREAT, 0 },
		{ O_CREAT | O_EXCL, -EEXIST },
		{ O_CREAT | O_RDWR, -EPERM },
		{ O_EXCL, 0 },
		{ O_NOCTTY, 0 },
		{ O_APPEND, 0 },
		{ O_NONBLOCK, 0 },
		{ O_DSYNC, 0 },
		{ O_SYNC, 0 },
		{ O_ASYNC, 0 },
		{ O_DIRECT, -EINVAL },
		{ O_LARGEFILE, 0 },
		{ O_DIRECTORY, -ENOTDIR },
		{ O_DIRECTORY | O_CREAT, -EINVAL },
		{ O_NOFOLLOW, 0 },
		{ O_CLOEXEC, 0 },
		{ O_PATH | O_DIRECTORY, -ENOTDIR },
		{ O_TMPFILE, -EINVAL },
		{ O_TMPFILE | O_RDWR, -ENOTDIR },
		{ O_TMPFILE & ~O_DIRECTORY, -EINVAL },
		{ 1U << 27, 0 },
		{ 1U << 31, 0 },
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(opens); i++) {
		fd = decode(FD_NSFS_ROOT, &self->ns.fh, opens[i].flags);
		EXPECT_EQ(fd < 0 ? fd : 0, opens[i].ret) {
			TH_LOG("flags %#x", opens[i].flags);
		}
		if (fd < 0)
			continue;
		EXPECT_TRUE(is_named_by(fd, &self->ns.fh));
		EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		EXPECT_EQ(fcntl(fd, F_GETFD),
			  opens[i].flags & O_CLOEXEC ? FD_CLOEXEC : 0);
		close(fd);
	}
}

TEST_F(handle, open_keeps_the_flags_of_the_descriptor)
{
	const unsigned int flags[] = {
		0, O_APPEND, O_NONBLOCK, O_DSYNC, O_SYNC, O_NOFOLLOW,
		O_APPEND | O_NONBLOCK | O_CLOEXEC,
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		fd = decode(FD_NSFS_ROOT, &self->ns.fh, flags[i]);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(fcntl(fd, F_GETFL) & ~KERNEL_O_LARGEFILE,
			  flags[i] & ~O_CLOEXEC) {
			TH_LOG("flags %#x", flags[i]);
		}
		close(fd);
	}
}

static int decode_noatime_in_child(void *arg)
{
	const struct decode_args *args = arg;
	int fd = decode(args->dfd, args->fh, O_NOATIME);

	return fd < 0 ? fd : 0;
}

/* Of the owner's flags, there is one. */
TEST_F(handle, only_root_opens_without_access_time)
{
	struct decode_args args = { .dfd = FD_NSFS_ROOT, .fh = &self->ns.fh };
	int own;

	if (!is_root())
		SKIP(return, "needs root");
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, O_NOATIME);

	own = ns_own(self->ns.kind);
	ASSERT_GE(own, 0);
	ASSERT_EQ(encode(own, &self->ns.fh), 0);
	EXPECT_EQ(run_as(WHO_USER, 0, decode_in_child, &args), 0);
	EXPECT_EQ(run_as(WHO_USER, 0, decode_noatime_in_child, &args), -EPERM);
}

/* It names the namespace, and is good for nothing else. */
TEST_F(handle, open_as_path)
{
	struct stat st;
	__u64 id;
	int fd;

	fd = decode(FD_NSFS_ROOT, &self->ns.fh, O_PATH | O_CLOEXEC | O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_ino, self->ns.ino);
	EXPECT_EQ(ioctl(fd, NS_GET_ID, &id), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(decode(fd, &self->ns.fh, 0), -EBADF);
	EXPECT_EQ(setns(fd, 0), -1);
	EXPECT_EQ(errno, EBADF);
}

/* The handle is looked at first, and then the flags. */
TEST_F(handle, stale_handle_goes_before_bad_flags)
{
	ASSERT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, O_DIRECTORY), -ENOTDIR);
	handle_set_ns(&self->ns.fh, self->ns.id, self->ns.kind->type, 1);
	EXPECT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, O_DIRECTORY), -ESTALE);
	EXPECT_EQ(decode(FD_NSFS_ROOT, &self->ns.fh, O_RDWR), -ESTALE);
	EXPECT_EQ(decode(-1, &self->ns.fh, O_DIRECTORY), -EBADF);
}

TEST_F(handle, open_does_not_read_or_write)
{
	char c = 0;
	int fd = decode(FD_NSFS_ROOT, &self->ns.fh, O_RDONLY);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(read(fd, &c, 1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(write(fd, &c, 1), -1);
	EXPECT_EQ(errno, EBADF);
}

TEST_F(nsfs, decoded_twice_is_the_same_inode)
{
	struct stat st[3];
	int fd[2];

	fd[0] = decode(FD_NSFS_ROOT, &self->ns.fh, 0);
	ASSERT_GE(fd[0], 0);
	fd[1] = decode(fd[0], &self->ns.fh, 0);
	ASSERT_GE(fd[1], 0);
	ASSERT_NE(fd[0], fd[1]);
	ASSERT_EQ(fstat(self->ns.fd, &st[0]), 0);
	ASSERT_EQ(fstat(fd[0], &st[1]), 0);
	ASSERT_EQ(fstat(fd[1], &st[2]), 0);
	EXPECT_EQ(st[0].st_dev, st[1].st_dev);
	EXPECT_EQ(st[0].st_ino, st[1].st_ino);
	EXPECT_EQ(st[1].st_dev, st[2].st_dev);
	EXPECT_EQ(st[1].st_ino, st[2].st_ino);
}

TEST_F(nsfs, decode_needs_no_open_descriptor)
{
	struct handle fh;
	int fd;

	ASSERT_EQ(close(self->ns.fd), 0);
	fd = decode(FD_NSFS_ROOT, &self->ns.fh, 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(ns_id(fd), self->ns.id);
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_TRUE(same_handle(&fh, &self->ns.fh));
	ASSERT_EQ(close(fd), 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
}

struct enter_args {
	const struct ns_kind *kind;
	const struct handle *fh;
};

static int is_in_namespace(void *arg)
{
	const struct enter_args *args = arg;
	int fd = ns_own(args->kind);

	if (fd < 0)
		return fd;
	return is_named_by(fd, args->fh) ? 0 : -EBADMSG;
}

static int enter_namespace(void *arg)
{
	const struct enter_args *args = arg;
	int fd = decode(FD_NSFS_ROOT, args->fh, O_CLOEXEC);

	if (fd < 0)
		return fd;
	if (is_in_namespace(arg) != -EBADMSG)
		return -EALREADY;
	if (setns(fd, args->kind->type))
		return -errno;
	/* Only the children are in a pid namespace. */
	if (args->kind->type == CLONE_NEWPID)
		return run_as(WHO_SAME, 0, is_in_namespace, arg);
	return is_in_namespace(arg);
}

TEST_F(nsfs, decoded_namespace_can_be_entered)
{
	struct enter_args args = { .kind = self->ns.kind, .fh = &self->ns.fh };

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(close(self->ns.fd), 0);
	EXPECT_EQ(run_as(WHO_SAME, 0, enter_namespace, &args), 0);
}

/* ---- where a handle is opened ---- */

TEST_F(nsfs, decode_at_anything_of_nsfs)
{
	unsigned int i;
	int fd;

	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	ASSERT_DECODES(self->ns.fd, &self->ns.fh, 0);
	for (i = 0; i < NS_KINDS; i++) {
		fd = ns_own(&ns_kinds[i]);
		if (fd == -EOPNOTSUPP)
			continue;
		ASSERT_GE(fd, 0);
		ASSERT_DECODES(fd, &self->ns.fh, 0);
		close(fd);
	}
}

TEST_F(handle, decode_at_bad_descriptor)
{
	/* The others that have a meaning elsewhere, and what never has. */
	static const int fds[] = {
		-1, INT_MAX, INT_MIN, -10000, -10001, -10004, -10009,
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		EXPECT_EQ(decode(fds[i], &self->ns.fh, 0), -EBADF) {
			TH_LOG("descriptor %d", fds[i]);
		}
	}
	fd = dup(self->ns.fd);
	ASSERT_GE(fd, 0);
	close(fd);
	EXPECT_EQ(decode(fd, &self->ns.fh, 0), -EBADF);
}

TEST_F(handle, decode_at_pidfs_is_stale)
{
	EXPECT_EQ(decode(FD_PIDFS_ROOT, &self->ns.fh, 0), -ESTALE);
	EXPECT_EQ(decode(self->ns.pidfd, &self->ns.fh, 0), -ESTALE);
}

TEST_F(handle, decode_at_another_filesystem)
{
	int file = sys_memfd_create("anchor", MFD_CLOEXEC);

	ASSERT_GE(file, 0);
	/* It takes a capability there even to be told that it is stale. */
	EXPECT_EQ(decode_as(WHO_USER, 0, file, &self->ns.fh), -EPERM);
	if (!is_root())
		SKIP(return, "needs root");
	EXPECT_EQ(decode(file, &self->ns.fh, 0), -ESTALE);
}

TEST_F(handle, decode_does_not_take_handles_of_another_filesystem)
{
	int file = sys_memfd_create("file", MFD_CLOEXEC);
	struct handle fh;

	ASSERT_GE(file, 0);
	ASSERT_EQ(encode(file, &fh), 0);
	EXPECT_NE(fh.type, FILEID_NSFS);
	EXPECT_EQ(decode(FD_NSFS_ROOT, &fh, 0), -ESTALE);
	ASSERT_EQ(encode(self->ns.pidfd, &fh), 0);
	EXPECT_EQ(fh.type, FILEID_KERNFS);
	EXPECT_EQ(decode(FD_NSFS_ROOT, &fh, 0), -ESTALE);
	/* Not even by another name. */
	fh.type = FILEID_NSFS;
	EXPECT_EQ(decode(FD_NSFS_ROOT, &fh, 0), -ESTALE);
}

/* ---- who may ---- */

/* Encode the own one, forget about it, and find it again. */
static int decode_own(void *arg)
{
	const struct ns_kind *kind = arg;
	struct nsfs_file_handle ns;
	struct handle fh;
	int fd, ret;

	fd = ns_own(kind);
	if (fd < 0)
		return fd;
	ret = encode(fd, &fh);
	if (ret)
		return ret;
	if (!is_named_by(fd, &fh))
		return -EBADMSG;
	ret = try_decode(fd, &fh);
	if (ret)
		return ret;
	close(fd);
	ret = try_decode(FD_NSFS_ROOT, &fh);
	if (ret)
		return ret;
	ns = handle_ns(&fh);
	handle_set_ns(&fh, ns.ns_id, 0, 0);
	return try_decode(FD_NSFS_ROOT, &fh);
}

TEST_F(nsfs, own_namespace_decodes_for_anybody)
{
	void *kind = (void *)self->ns.kind;

	EXPECT_EQ(decode_own(kind), 0);
	EXPECT_EQ(run_as(WHO_USER, 0, decode_own, kind), 0);
}

TEST_F(nsfs, own_new_namespace_decodes_for_anybody)
{
	void *kind = (void *)self->ns.kind;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(run_as(WHO_SAME, self->ns.kind->type, decode_own, kind), 0);
	EXPECT_EQ(run_as(WHO_USER, self->ns.kind->type, decode_own, kind), 0);
	EXPECT_EQ(run_as(WHO_NS_ROOT, self->ns.kind->type | CLONE_NEWUSER,
			 decode_own, kind), 0);
	EXPECT_EQ(run_as(WHO_NS_ROOT,
			 self->ns.kind->type | CLONE_NEWUSER | CLONE_NEWPID,
			 decode_own, kind), 0);
}

TEST_F(nsfs, namespace_of_others_is_stale_to_a_user)
{
	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(decode_as(WHO_SAME, 0, FD_NSFS_ROOT, &self->ns.fh), 0);
	EXPECT_EQ(decode_as(WHO_USER, 0, FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
	/* It is not enough to hold it. */
	EXPECT_EQ(decode_as(WHO_USER, 0, self->ns.fd, &self->ns.fh), -ESTALE);

	handle_set_ns(&self->ns.fh, self->ns.id, 0, 0);
	EXPECT_EQ(decode_as(WHO_SAME, 0, FD_NSFS_ROOT, &self->ns.fh), 0);
	EXPECT_EQ(decode_as(WHO_USER, 0, FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
}

/* A namespace of anybody is stale to those whose root is not the first. */
TEST_F(nsfs, namespace_of_others_is_stale_to_nested_root)
{
	const __u64 namespaces[] = {
		CLONE_NEWUSER,
		CLONE_NEWUSER | CLONE_NEWPID,
		CLONE_NEWUSER | CLONE_NEWPID | self->ns.kind->type,
	};
	unsigned int i;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	for (i = 0; i < ARRAY_SIZE(namespaces); i++) {
		EXPECT_EQ(decode_as(WHO_NS_ROOT, namespaces[i], FD_NSFS_ROOT,
				    &self->ns.fh), -ESTALE) {
			TH_LOG("namespaces %#llx", namespaces[i]);
		}
		EXPECT_EQ(decode_as(WHO_NS_ROOT, namespaces[i], self->ns.fd,
				    &self->ns.fh), -ESTALE) {
			TH_LOG("namespaces %#llx", namespaces[i]);
		}
	}
	/* Nor is it enough not to be in a user namespace. */
	EXPECT_EQ(decode_as(WHO_SAME, CLONE_NEWPID, FD_NSFS_ROOT, &self->ns.fh),
		  -ESTALE);
	/* Any other namespaces do not matter. */
	EXPECT_EQ(decode_as(WHO_SAME, CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWIPC,
			    FD_NSFS_ROOT, &self->ns.fh), 0);
}

/* Those that make a nested namespace have left the ones that are not new. */
TEST_F(nsfs, left_namespace_is_stale_to_nested_root)
{
	const __u64 nested = CLONE_NEWUSER | self->ns.kind->type;
	int own = ns_own(self->ns.kind);
	struct handle fh;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_GE(own, 0);
	ASSERT_EQ(encode(own, &fh), 0);
	EXPECT_EQ(decode_as(WHO_NS_ROOT, nested, FD_NSFS_ROOT, &fh), -ESTALE);
	if (self->ns.kind->type != CLONE_NEWUSER) {
		EXPECT_EQ(decode_as(WHO_NS_ROOT, CLONE_NEWUSER, FD_NSFS_ROOT,
				    &fh), 0);
	}
}

/* Of the capabilities that there are, keep those in @mask. */
static int keep_capabilities(__u64 mask)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	unsigned int i;

	if (syscall(__NR_capget, &header, data))
		return -errno;
	for (i = 0; i < ARRAY_SIZE(data); i++) {
		data[i].permitted &= mask >> 32 * i;
		data[i].effective = data[i].permitted;
	}
	return syscall(__NR_capset, &header, data) ? -errno : 0;
}

static int decode_without_capability(void *arg)
{
	return keep_capabilities(~(1ULL << CAP_SYS_ADMIN)) ? :
	       decode_in_child(arg);
}

static int decode_with_capability(void *arg)
{
	if (prctl(PR_SET_KEEPCAPS, 1) || setresuid(NOBODY, NOBODY, NOBODY))
		return -errno;
	return keep_capabilities(1ULL << CAP_SYS_ADMIN) ? :
	       decode_in_child(arg);
}

/* That is what makes root here, and not its name. */
TEST_F(nsfs, namespace_of_others_takes_one_capability)
{
	struct decode_args args = { .dfd = FD_NSFS_ROOT, .fh = &self->ns.fh };

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(run_as(WHO_SAME, 0, decode_without_capability, &args),
		  -ESTALE);
	EXPECT_EQ(run_as(WHO_SAME, 0, decode_with_capability, &args), 0);
}

/* ---- how long a handle lives ---- */

TEST_F(nsfs, namespace_that_is_gone_is_stale)
{
	struct handle id_alone = self->ns.fh;
	int i, pidfd;
	pid_t pid;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	handle_set_ns(&id_alone, self->ns.id, 0, 0);
	ASSERT_EQ(close(self->ns.fd), 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &id_alone, 0);

	ASSERT_EQ(kill_and_reap(self->ns.child), 0);
	ASSERT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &id_alone), -ESTALE);

	/* Nor does it come to life with others. */
	for (i = 0; i < 8; i++) {
		pid = paused_child(self->ns.kind->type, &pidfd);
		ASSERT_GT(pid, 0);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &self->ns.fh), -ESTALE);
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &id_alone), -ESTALE);
		ASSERT_EQ(kill_and_reap(pid), 0);
		close(pidfd);
	}
}

TEST_F(nsfs, descriptor_keeps_the_handle_valid)
{
	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(kill_and_reap(self->ns.child), 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	/* Who could go there is not who is there. */
	EXPECT_EQ(decode_as(WHO_USER, 0, self->ns.fd, &self->ns.fh), -ESTALE);
	ASSERT_EQ(close(self->ns.fd), 0);
	EXPECT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);
}

/* What is opened by handle is no worse than what it was made from. */
TEST_F(handle, decoded_descriptor_keeps_the_handle_valid)
{
	int fd;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(close(self->ns.fd), 0);
	fd = decode(FD_NSFS_ROOT, &self->ns.fh, O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(kill_and_reap(self->ns.child), 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	EXPECT_EQ(ns_id(fd), self->ns.id);
	ASSERT_EQ(close(fd), 0);
	EXPECT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);
}

TEST_F(handle, path_descriptor_keeps_the_handle_valid)
{
	int fd;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(close(self->ns.fd), 0);
	fd = decode(FD_NSFS_ROOT, &self->ns.fh, O_PATH | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(kill_and_reap(self->ns.child), 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	ASSERT_EQ(close(fd), 0);
	EXPECT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);
}

TEST_F(nsfs, bind_mount_keeps_the_handle_valid)
{
	const char *const file = "/tmp/namespace";
	char path[32];
	int pidfd;
	pid_t pid;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	/* An older mount namespace takes a younger one, but not the reverse. */
	ASSERT_EQ(unshare(CLONE_NEWNS), 0);
	ASSERT_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	if (mount("file_handle", "/tmp", "tmpfs", 0, NULL))
		SKIP(return, "cannot mount a tmpfs: %s", strerror(errno));
	ASSERT_EQ(mknod(file, S_IFREG | 0600, 0), 0);

	pid = paused_child(self->ns.kind->type, &pidfd);
	ASSERT_GT(pid, 0);
	self->ns.fd = ns_of_pidfd(pidfd, self->ns.kind);
	ASSERT_GE(self->ns.fd, 0);
	self->ns.id = ns_id(self->ns.fd);
	self->ns.ino = ns_ino(self->ns.fd);
	ASSERT_EQ(encode(self->ns.fd, &self->ns.fh), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->ns.fd);
	if (access(path, F_OK))
		SKIP(return, "needs a mounted procfs");
	ASSERT_EQ(mount(path, file, NULL, MS_BIND, NULL), 0);

	ASSERT_EQ(close(self->ns.fd), 0);
	ASSERT_EQ(kill_and_reap(pid), 0);
	ASSERT_DECODES(FD_NSFS_ROOT, &self->ns.fh, 0);
	ASSERT_EQ(umount2(file, MNT_DETACH), 0);
	EXPECT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);
}

/*
 * A new namespace with a certain inode number. The lowest number that is free
 * is taken, so take those that are lower, and wait where it is a higher one:
 * the namespace that had it takes its time.
 */
static int reuse_inode_number(__u64 wanted)
{
	const struct rlimit limit = { .rlim_cur = 4096, .rlim_max = 4096 };
	int fd, i;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	for (i = 0; i < 3000; i++) {
		if (unshare(CLONE_NEWUTS))
			return -errno;
		fd = ns_own(&ns_kinds[NS_UTS]);
		if (fd < 0 || ns_ino(fd) == wanted)
			return fd;
		if (ns_ino(fd) > wanted) {
			close(fd);
			usleep(5000);
		}
	}
	return -EAGAIN;
}

/* Neither way to name the old one opens the new one of that inode number. */
static bool is_stale_beside(int fd, const struct handle *old)
{
	struct nsfs_file_handle ns = handle_ns(old);
	struct handle id_alone = {};

	handle_set_ns(&id_alone, ns.ns_id, 0, 0);
	return ns_ino(fd) == ns.ns_inum && ns_id(fd) != ns.ns_id &&
	       try_decode(FD_NSFS_ROOT, old) == -ESTALE &&
	       try_decode(fd, old) == -ESTALE &&
	       try_decode(FD_NSFS_ROOT, &id_alone) == -ESTALE;
}

/*
 * Inode numbers are used again at once, and ids never: first for a namespace
 * of another type, and then for one of the same. The network's takes other
 * numbers before, for what is in /proc/net.
 */
TEST_F_TIMEOUT(nsfs, reused_inode_number_has_another_handle, SLOW_TIMEOUT)
{
	struct handle fh;
	int pidfd, fd, i;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_EQ(close(self->ns.fd), 0);
	ASSERT_EQ(close(self->ns.pidfd), 0);
	ASSERT_EQ(kill_and_reap(self->ns.child), 0);
	ASSERT_EQ(wait_until_stale(&self->ns.fh), -ESTALE);

	for (i = 0; i < CHILDREN_MAX / 2; i++) {
		fd = reuse_inode_number(self->ns.ino);
		if (fd == -EAGAIN)
			SKIP(return, "somebody else has the inode number %llu",
			     self->ns.ino);
		ASSERT_GE(fd, 0);
		EXPECT_TRUE(is_stale_beside(fd, &self->ns.fh));
		if (self->ns.kind->type == CLONE_NEWNET)
			return;

		/* Once more, unless a lower one has become free as well. */
		ASSERT_EQ(encode(fd, &fh), 0);
		ASSERT_EQ(unshare(CLONE_NEWUTS), 0);
		ASSERT_EQ(close(fd), 0);
		ASSERT_EQ(wait_until_stale(&fh), -ESTALE);
		ASSERT_GT(paused_child(self->ns.kind->type, &pidfd), 0);
		fd = ns_of_pidfd(pidfd, self->ns.kind);
		ASSERT_GE(fd, 0);
		if (ns_ino(fd) == self->ns.ino)
			break;
		close(fd);
		close(pidfd);
	}
	ASSERT_LT(i, CHILDREN_MAX / 2);
	EXPECT_TRUE(is_stale_beside(fd, &self->ns.fh));
	ASSERT_EQ(encode(fd, &fh), 0);
	EXPECT_EQ(handle_ns(&fh).ns_type, handle_ns(&self->ns.fh).ns_type);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh), 0);
}

/* ---- references ---- */

/* So many namespaces there may be at a time, and so many are made. */
#define LEAK_LIMIT	"3"
#define LEAK_ROUNDS	6

/* What a maker of namespaces and the test tell each other. */
struct leak {
	const struct ns_kind *kind;
	int turn[2];		/* the maker's sockets are the second ones */
	int error;
	pid_t pid;		/* who is in the new namespace */
};

/*
 * Root of a user namespace, who lets one namespace go before the next is made:
 * if any is left by what the test does with it, the limit is soon reached.
 */
static int make_few(void *arg)
{
	struct leak *leak = arg;
	char path[64], c;
	int i, try;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces",
		 leak->kind->name);
	leak->error = write_string(path, LEAK_LIMIT);
	for (i = 0; i < LEAK_ROUNDS && !leak->error; i++) {
		for (try = 0; try < RETRIES; try++) {
			pid = paused_child(leak->kind->type, NULL);
			if (pid != -ENOSPC)
				break;
			/* The ones before may take their time. */
			usleep(1000);
		}
		if (pid < 0) {
			leak->error = pid;
			break;
		}
		leak->pid = pid;
		if (write_nointr(leak->turn[1], "", 1) != 1 ||
		    read_nointr(leak->turn[1], &c, 1) != 1)
			break;
		kill_and_reap(pid);
	}
	leak->pid = 0;
	return write_nointr(leak->turn[1], "", 1) == 1 ? 0 : -EPIPE;
}

/* Whatever can be done with a handle, and what can go wrong with it. */
static int use_handle(const struct handle *fh)
{
	const unsigned int requests[] = {
		NS_GET_USERNS, NS_GET_PARENT, NS_MNT_GET_NEXT, NS_MNT_GET_PREV,
	};
	struct mnt_ns_info info;
	struct handle wrong = *fh;
	unsigned int i;
	int fd, ret;

	wrong.data[HANDLE_NSFS - 1] ^= 1;
	if (try_decode(FD_NSFS_ROOT, &wrong) != -ESTALE)
		return -EBADMSG;
	fd = decode(FD_NSFS_ROOT, fh, O_RDWR);
	if (fd >= 0)
		return -EBADMSG;
	fd = decode(FD_NSFS_ROOT, fh, O_CLOEXEC);
	if (fd < 0)
		return fd;
	/* Anew, as there is a descriptor now. */
	ret = try_decode(fd, fh);
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		close(ioctl(fd, requests[i], &info));
		close(ioctl(fd, requests[i], (void *)-1UL));
	}
	close(fd);
	return ret;
}

static int use_handle_in_child(void *arg)
{
	return use_handle(arg);
}

/*
 * Namespaces that are not let go are in no list, and are not lost to those who
 * look for leaked memory: but they count.
 */
TEST_F_TIMEOUT(nsfs, use_leaves_no_reference, SLOW_TIMEOUT)
{
	struct leak *leak = shared_memory(sizeof(*leak));
	int i, pidfd, fd;
	struct handle fh;
	pid_t maker;
	char c;

	if (!self->ns.foreign)
		SKIP(return, NEEDS_ROOT);
	ASSERT_NE(leak, NULL);
	leak->kind = self->ns.kind;
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, leak->turn), 0);
	maker = clone_child(CLONE_NEWUSER, NULL);
	ASSERT_GE(maker, 0);
	if (!maker) {
		close(leak->turn[0]);
		if (become_ns_root(0, 0))
			_exit(1);
		_exit(-make_few(leak));
	}
	close(leak->turn[1]);

	for (i = 0; i < LEAK_ROUNDS; i++) {
		ASSERT_EQ(read_nointr(leak->turn[0], &c, 1), 1);
		if (leak->error == -ENOENT)
			SKIP(return, "needs limits in /proc/sys/user");
		ASSERT_EQ(leak->error, 0) TH_LOG("after %d namespaces", i);
		pidfd = sys_pidfd_open(leak->pid, 0);
		ASSERT_GE(pidfd, 0);
		fd = ns_of_pidfd(pidfd, self->ns.kind);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(encode(fd, &fh), 0);
		ASSERT_EQ(close(pidfd), 0);
		EXPECT_EQ(decode_as(WHO_USER, 0, fd, &fh), -ESTALE);
		ASSERT_EQ(close(fd), 0);

		EXPECT_EQ(use_handle(&fh), 0);
		EXPECT_EQ(run_as(WHO_USER, 0, use_handle_in_child, &fh),
			  -ESTALE);
		EXPECT_EQ(run_as(WHO_NS_ROOT, CLONE_NEWUSER | CLONE_NEWPID,
				 use_handle_in_child, &fh), -ESTALE);
		ASSERT_EQ(write_nointr(leak->turn[0], "", 1), 1);
	}
	ASSERT_EQ(read_nointr(leak->turn[0], &c, 1), 1);
	EXPECT_EQ(leak->pid, 0);
	EXPECT_EQ(leak->error, 0);
	EXPECT_EQ(wait_until_stale(&fh), -ESTALE);
}

/* ---- a handle that is stored ---- */

#define STORED	"--decode-what-is-stored-in"

/* What is run again: find the own namespace by what is in the file. */
static int decode_stored(int fd)
{
	struct handle fh;
	unsigned int i;
	int own;

	for (i = 0; i < NS_KINDS; i++) {
		own = ns_own(&ns_kinds[i]);
		if (own == -EOPNOTSUPP)
			continue;
		if (own < 0)
			return own;
		if (pread(fd, &fh, sizeof(fh), i * sizeof(fh)) != sizeof(fh))
			return -EIO;
		if (!is_named_by(own, &fh))
			return -EBADMSG;
		close(own);
		own = try_decode(FD_NSFS_ROOT, &fh);
		if (own)
			return own;
	}
	return 0;
}

static int store_and_exec(void *arg __maybe_unused)
{
	int fd = sys_memfd_create("handles", 0);
	struct handle fh;
	char number[12];
	unsigned int i;
	int own;

	for (i = 0; i < NS_KINDS; i++) {
		own = ns_own(&ns_kinds[i]);
		if (own == -EOPNOTSUPP)
			continue;
		if (own < 0)
			return own;
		if (encode(own, &fh))
			return -EPROTO;
		close(own);
		if (pwrite(fd, &fh, sizeof(fh), i * sizeof(fh)) != sizeof(fh))
			return -EIO;
	}
	snprintf(number, sizeof(number), "%d", fd);
	execl("/proc/self/exe", "nsfs_handle_test", STORED, number, NULL);
	return -ENOEXEC;
}

TEST(handles_survive_in_a_file_across_exec)
{
	const __u64 nested = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP |
			     CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID |
			     CLONE_NEWUTS | CLONE_NEWTIME;
	int ret;

	if (access("/proc/self/exe", X_OK))
		SKIP(return, "needs a mounted procfs");
	EXPECT_EQ(run_as(WHO_SAME, 0, store_and_exec, NULL), 0);
	ret = run_as(WHO_NS_ROOT, nested, store_and_exec, NULL);
	if (ret == NO_CHILD)
		SKIP(return, "needs to create namespaces");
	EXPECT_EQ(ret, 0);
}

/* ---- the initial namespaces ---- */

static int decode_initial(void *arg __maybe_unused)
{
	struct handle fh = {};
	unsigned int i;
	int fd, ret;

	for (i = 0; i < NS_KINDS; i++) {
		const struct ns_kind *kind = &ns_kinds[i];

		/* Only those that we are in, whoever has started us. */
		fd = ns_own(kind);
		if (ns_ino(fd) != kind->init_ino)
			continue;
		close(fd);
		handle_set_ns(&fh, kind->init_id, 0, 0);
		ret = try_decode(FD_NSFS_ROOT, &fh);
		if (ret)
			return ret;
		handle_set_ns(&fh, kind->init_id, kind->type, kind->init_ino);
		ret = try_decode(FD_NSFS_ROOT, &fh);
		if (ret)
			return ret;
		/* The id is what counts. */
		handle_set_ns(&fh, kind->init_id % NS_KINDS + 1, kind->type,
			      kind->init_ino);
		ret = try_decode(FD_NSFS_ROOT, &fh);
		if (ret != -ESTALE)
			return ret ? : -EBADMSG;
	}
	return 0;
}

TEST(initial_namespaces_decode_by_their_well_known_ids)
{
	EXPECT_EQ(decode_initial(NULL), 0);
	EXPECT_EQ(run_as(WHO_USER, 0, decode_initial, NULL), 0);
}

/* ---- namespaces for children ---- */

/* A child whose own children will be in a new namespace. */
static pid_t unsharing_child(unsigned int type, int *pidfd)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	pid = clone_child(0, pidfd);
	if (!pid) {
		if (unshare(type) || write_nointr(ready[1], "", 1) != 1)
			_exit(1);
		pause_forever();
	}
	close(ready[1]);
	if (pid > 0 && read_nointr(ready[0], &c, 1) != 1)
		pid = -ECHILD;
	close(ready[0]);
	return pid;
}

static int open_for_children(int pidfd, unsigned int type)
{
	return ioctl(pidfd, type == CLONE_NEWPID ?
			    PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE :
			    PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE, 0);
}

/* Nobody has ever been in it, and it has no process to be the first. */
TEST(pid_namespace_without_init)
{
	struct enter_args args = { .kind = &ns_kinds[NS_PID] };
	struct handle fh;
	int pidfd, fd;
	pid_t pid;

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	args.fh = &fh;
	pid = unsharing_child(CLONE_NEWPID, &pidfd);
	ASSERT_GT(pid, 0);
	fd = open_for_children(pidfd, CLONE_NEWPID);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	ASSERT_TRUE(is_named_by(fd, &fh));
	EXPECT_EQ(ns_type(fd), CLONE_NEWPID);
	ASSERT_EQ(close(fd), 0);

	EXPECT_EQ(decode_as(WHO_SAME, 0, FD_NSFS_ROOT, &fh), 0);
	EXPECT_EQ(decode_as(WHO_USER, 0, FD_NSFS_ROOT, &fh), -ESTALE);
	EXPECT_EQ(decode_as(WHO_SAME, CLONE_NEWPID, FD_NSFS_ROOT, &fh),
		  -ESTALE);

	ASSERT_EQ(kill_and_reap(pid), 0);
	EXPECT_EQ(wait_until_stale(&fh), -ESTALE);

	/* Whoever is forked to it first is the first. */
	pid = unsharing_child(CLONE_NEWPID, &pidfd);
	ASSERT_GT(pid, 0);
	fd = open_for_children(pidfd, CLONE_NEWPID);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	ASSERT_EQ(close(fd), 0);
	EXPECT_EQ(run_as(WHO_SAME, 0, enter_namespace, &args), 0);
}

static int fork_to_it(void *arg)
{
	int fd = *(int *)arg;
	pid_t pid;

	if (setns(fd, CLONE_NEWPID))
		return -errno;
	pid = fork();
	if (!pid)
		_exit(0);
	return pid < 0 ? -errno : 0;
}

/* It is no place to be for anybody any more, but it is there. */
TEST(pid_namespace_with_dead_init)
{
	struct handle fh;
	int pidfd, fd;
	pid_t pid;

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	pid = paused_child(CLONE_NEWPID, &pidfd);
	ASSERT_GT(pid, 0);
	fd = ns_of_pidfd(pidfd, &ns_kinds[NS_PID]);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	ASSERT_EQ(kill_and_reap(pid), 0);

	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh), 0);
	EXPECT_EQ(decode_as(WHO_USER, 0, FD_NSFS_ROOT, &fh), -ESTALE);
	EXPECT_EQ(run_as(WHO_SAME, 0, fork_to_it, &fd), -ENOMEM);
	EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh), 0);
	ASSERT_EQ(close(fd), 0);
	EXPECT_EQ(wait_until_stale(&fh), -ESTALE);
}

/* Of a zombie these two are left, until it is reaped. */
TEST(zombie_keeps_pid_and_user_namespace)
{
	static const enum ns_index left[] = { NS_PID, NS_USER };
	struct handle fh[ARRAY_SIZE(left)];
	unsigned int i;
	int pidfd, fd;
	pid_t pid;

	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	pid = paused_child(CLONE_NEWPID | CLONE_NEWUSER, &pidfd);
	ASSERT_GT(pid, 0);
	for (i = 0; i < ARRAY_SIZE(left); i++) {
		fd = ns_of_pidfd(pidfd, &ns_kinds[left[i]]);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(encode(fd, &fh[i]), 0);
		ASSERT_EQ(close(fd), 0);
	}
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(sys_waitid(P_PID, pid, NULL, WEXITED | WNOWAIT), 0);
	for (i = 0; i < ARRAY_SIZE(left); i++)
		EXPECT_EQ(try_decode(FD_NSFS_ROOT, &fh[i]), 0);
	ASSERT_EQ(reap_child(pid), 0);
	for (i = 0; i < ARRAY_SIZE(left); i++)
		EXPECT_EQ(wait_until_stale(&fh[i]), -ESTALE);
}

/*
 * Those who have made a namespace for their children are not in it. Here they
 * are nobody by the time that they ask.
 */
static int decode_for_children(void *arg)
{
	const struct ns_kind *kind = arg;
	struct handle fh;
	int pidfd, fd;

	if (unshare(kind->type))
		return -errno;
	pidfd = sys_pidfd_open(getpid(), 0);
	fd = open_for_children(pidfd, kind->type);
	if (fd < 0)
		return -errno;
	if (encode(fd, &fh))
		return -EPROTO;
	if (try_decode(FD_NSFS_ROOT, &fh))
		return -EACCES;
	if (become_user())
		return -EPERM;
	if (try_decode(FD_NSFS_ROOT, &fh) != -ESTALE ||
	    try_decode(fd, &fh) != -ESTALE)
		return -EBADMSG;
	return run_as(WHO_SAME, 0, decode_own, arg);
}

TEST(namespaces_for_children_are_those_of_children)
{
	if (!may_test_all())
		SKIP(return, NEEDS_ROOT);
	EXPECT_EQ(run_as(WHO_SAME, 0, decode_for_children,
			 (void *)&ns_kinds[NS_PID]), 0);
	EXPECT_EQ(run_as(WHO_SAME, 0, decode_for_children,
			 (void *)&ns_kinds[NS_TIME]), 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], STORED))
		return -decode_stored(atoi(argv[2]));
	return test_harness_run(argc, argv);
}
