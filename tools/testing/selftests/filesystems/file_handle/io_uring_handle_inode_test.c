// SPDX-License-Identifier: GPL-2.0
/*
 * Handles of tmpfs, kernfs and XFS: each type that can be decoded, files without a name,
 * and what a request to open one leaves behind.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <dirent.h>
#include <limits.h>
#include <sys/inotify.h>

#include "kselftest_harness.h"
#include "warm.h"

#define ID			1000
#define EVICTIONS		100
#define GROUPS			100
#define LEAK_LIMIT		64	/* in KiB; the files of the groups have twice as much */

/* Types of handles, which are not in the uapi headers. */
#define FILEID_INO32_GEN_PARENT	2
#define XFS_64FLAG		0x80

#define NO_WORD			UINT_MAX

/* Where a handle has the number and the generation of its inode, in words. */
struct layout {
	enum volume_kind kind;
	__u32 type;
	__u32 words;
	__u32 ino;
	__u32 ino_upper;	/* NO_WORD if the number has 32 bits */
	__u32 gen;
};

static const struct layout layouts[] = {
	/* The type does not matter. */
	{ VOLUME_TMPFS, FILEID_INO32_GEN, 3, 1, 2, 0 },
	{ VOLUME_TMPFS, FILEID_INO32_GEN_PARENT, 3, 1, 2, 0 },
	/* The generation is the upper half of the number. */
	{ VOLUME_KERNFS, FILEID_KERNFS, 2, LOWER_HALF, NO_WORD, UPPER_HALF },
	{ VOLUME_KERNFS, FILEID_INO32_GEN, 2, 0, NO_WORD, 1 },
	{ VOLUME_KERNFS, FILEID_INO32_GEN_PARENT, 2, 0, NO_WORD, 1 },
	{ VOLUME_XFS, FILEID_INO32_GEN, 2, 0, NO_WORD, 1 },
	{ VOLUME_XFS, FILEID_INO32_GEN_PARENT, 4, 0, NO_WORD, 1 },
	{ VOLUME_XFS, FILEID_INO32_GEN | XFS_64FLAG, 3, LOWER_HALF, UPPER_HALF, 2 },
	{ VOLUME_XFS, FILEID_INO32_GEN_PARENT | XFS_64FLAG, 6, LOWER_HALF, UPPER_HALF, 2 },
};

FIXTURE(inode)
{
	struct volume volume;
	struct ring ring;
	struct handle fh;	/* of the file "file" */
	struct stat st;
	__u32 gen;
	int kmsg;
	int nr_fds;
};

FIXTURE_VARIANT(inode)
{
	enum volume_kind kind;
	bool stale_inline;	/* The submitter refuses a wrong generation. */
	bool unlinked_inline;	/* It opens or refuses an open file without a name. */
};

/*
 * tmpfs: a lookup without locks may miss an inode. XFS: an inode without links may have
 * to be added to the list of unlinked inodes first.
 */
FIXTURE_VARIANT_ADD(inode, tmpfs) { VOLUME_TMPFS, false, true };
FIXTURE_VARIANT_ADD(inode, kernfs) { VOLUME_KERNFS, true, true };
FIXTURE_VARIANT_ADD(inode, xfs) { VOLUME_XFS, true, false };

FIXTURE_SETUP(inode)
{
	const char *reason = missing_as_root();
	unsigned int offset;

	if (!reason && access("/proc/self/fd", X_OK))
		reason = NEEDS_PROCFS;
	if (reason)
		SKIP(return, "%s", reason);
	self->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (self->kmsg < 0)
		SKIP(return, "needs /dev/kmsg");
	ASSERT_GE(lseek(self->kmsg, 0, SEEK_END), 0);
	reason = volume_make(&self->volume, variant->kind);
	ASSERT_NE(reason, NULL);
	if (*reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(ring_init(&self->ring, WARM_SETUP), 0);
	ASSERT_EQ(volume_add(&self->volume, "file", ID, &self->fh), 0);
	ASSERT_EQ(fstatat(self->volume.root, volume_file(&self->volume, "file"),
			  &self->st, 0), 0);
	offset = volume_generation_offset(&self->volume, &self->fh);
	memcpy(&self->gen, &self->fh.data[offset], sizeof(self->gen));
	self->nr_fds = count_fds();
}

/*
 * Returns true if the log has a message about a section that must not sleep, or about an
 * inconsistency of the volume.
 */
static bool has_bug(int kmsg, const struct volume *v)
{
	const char *device = strrchr(v->name, '/');
	char inconsistent[128];
	const char *const texts[] = {
		"BUG: sleeping function", "BUG: scheduling in a non-blocking section",
		inconsistent,
	};

	snprintf(inconsistent, sizeof(inconsistent), "(%s): Internal error",
		 device ? device + 1 : v->name);
	return log_contains(kmsg, texts, ARRAY_SIZE(texts));
}

FIXTURE_TEARDOWN(inode)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
	volume_unlink(&self->volume, "file");
	ring_exit(&self->ring);
	EXPECT_EQ(volume_remove(&self->volume), 0);
	EXPECT_FALSE(has_bug(self->kmsg, &self->volume));
	close(self->kmsg);
}

/* An open by a request */
struct opened {
	struct seen seen;
	bool inlined;		/* The submission completed the request. */
};

static struct opened request(struct ring *ring, int dfd, const struct handle *fh)
{
	struct opened o = { .seen.ret = RING_BROKEN };

	sqe_open(ring_sqe(ring), dfd, fh, O_PATH | O_CLOEXEC);
	if (ring_submit(ring) != 1)
		return o;
	o.inlined = ring_ready(ring);
	look_at(ring_result(ring), &o.seen);
	return o;
}

static struct seen call(int dfd, const struct handle *fh)
{
	struct seen seen;

	look_at(decode(dfd, fh, O_PATH | O_CLOEXEC), &seen);
	return seen;
}

static void set_word(struct handle *fh, unsigned int word, __u32 value)
{
	memcpy(&fh->data[4 * word], &value, sizeof(value));
}

static void make_layout(struct handle *fh, const struct layout *l, __u64 ino, __u32 gen)
{
	*fh = (struct handle) { .bytes = 4 * l->words, .type = l->type };
	set_word(fh, l->ino, ino);
	if (l->ino_upper != NO_WORD)
		set_word(fh, l->ino_upper, ino >> 32);
	set_word(fh, l->gen, gen);
}

/* Returns false for generations that identify the file as well. */
static bool is_stale(enum volume_kind kind, __u32 gen)
{
	/* If inode numbers have 32 bits, kernfs takes 0 for any generation. */
	return kind != VOLUME_KERNFS || gen;
}

/* Each type of handle that a filesystem decodes, also those that it does not encode. */
TEST_F_TIMEOUT(inode, each_layout, SLOW_TIMEOUT)
{
	int fd, root = self->volume.root;
	struct handle fh, other;
	const struct layout *l;
	struct opened o;
	unsigned int i, bit;
	__u32 gen;

	/* The inode stays in memory. */
	fd = decode(root, &self->fh, O_PATH | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	for (i = 0; i < ARRAY_SIZE(layouts); i++) {
		l = &layouts[i];
		if (l->kind != variant->kind)
			continue;
		make_layout(&fh, l, self->st.st_ino, self->gen);
		EXPECT_EQ(call(root, &fh).ino, self->st.st_ino);
		o = request(&self->ring, root, &fh);
		EXPECT_EQ(o.seen.ret, 0) TH_LOG("type %u", l->type);
		EXPECT_EQ(o.seen.ino, self->st.st_ino);
		EXPECT_TRUE(o.inlined);

		/* The submitter refuses handles that are too short. */
		for (other = fh; other.bytes >= 4; other.bytes -= 4) {
			o = request(&self->ring, root, &other);
			EXPECT_EQ(o.seen.ret, other.bytes < fh.bytes ? -ESTALE : 0)
				TH_LOG("type %u, %u bytes", l->type, other.bytes);
			EXPECT_TRUE(o.inlined);
		}
		for (bit = 0; bit < 32; bit++) {
			gen = self->gen ^ 1U << bit;
			if (!is_stale(variant->kind, gen))
				continue;
			make_layout(&other, l, self->st.st_ino, gen);
			o = request(&self->ring, root, &other);
			EXPECT_EQ(o.seen.ret, -ESTALE)
				TH_LOG("type %u, bit %u", l->type, bit);
			EXPECT_EQ(o.inlined, variant->stale_inline);
			EXPECT_EQ(call(root, &other).ret, -ESTALE);
			if (l->ino_upper == NO_WORD)
				continue;
			make_layout(&other, l, self->st.st_ino | 1ULL << (32 + bit),
				    self->gen);
			EXPECT_EQ(request(&self->ring, root, &other).seen.ret, -ESTALE);
			EXPECT_EQ(call(root, &other).ret, -ESTALE);
		}
	}
	close(fd);
}

/* An open file that has no name */
TEST_F(inode, unlinked)
{
	int fd = decode(self->volume.root, &self->fh, O_RDONLY | O_CLOEXEC);
	struct opened o;

	ASSERT_GE(fd, 0);
	EXPECT_TRUE(request(&self->ring, self->volume.root, &self->fh).inlined);
	ASSERT_EQ(volume_unlink(&self->volume, "file"), 0);
	o = request(&self->ring, self->volume.root, &self->fh);
	EXPECT_EQ(o.seen.ret, variant->kind == VOLUME_KERNFS ? -ESTALE : 0);
	EXPECT_EQ(o.inlined, variant->unlinked_inline);
	close(fd);
	EXPECT_EQ(request(&self->ring, self->volume.root, &self->fh).seen.ret, -ESTALE);
}

/* A file that is open by a name that was removed, and has others */
TEST_F(inode, one_of_the_names_is_removed)
{
	int fd, root = self->volume.root;
	struct seen other;
	struct opened o;

	if (variant->kind == VOLUME_KERNFS)
		SKIP(return, "has no links");
	ASSERT_EQ(linkat(root, "file", root, "first", 0), 0);
	ASSERT_EQ(linkat(root, "file", root, "last", 0), 0);
	fd = openat(root, "last", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(unlinkat(root, "last", 0), 0);
	o = request(&self->ring, root, &self->fh);
	EXPECT_TRUE(o.inlined);
	EXPECT_EQ(o.seen.ino, self->st.st_ino);
	/* tmpfs prefers a dentry that has a name. */
	if (variant->kind == VOLUME_TMPFS) {
		EXPECT_EQ(strstr(o.seen.path, " (deleted)"), NULL) TH_LOG("%s", o.seen.path);
		other = call(root, &self->fh);
		EXPECT_STREQ(o.seen.path, other.path);
	}
	close(fd);
	ASSERT_EQ(unlinkat(root, "first", 0), 0);
}

/* Two numbers of the statistics of an XFS: lookups, and those that found an inode. */
struct lookups {
	unsigned int nr;
	unsigned int found;
};

static int read_lookups(const struct volume *v, struct lookups *l)
{
	char path[128], line[256];
	int ret = -EPROTO;
	FILE *stats;

	snprintf(path, sizeof(path), "/sys/fs/xfs/%s/stats/stats",
		 strrchr(v->name, '/') + 1);
	stats = fopen(path, "re");
	if (!stats)
		return -errno;
	while (ret && fgets(line, sizeof(line), stats))
		ret = sscanf(line, "ig %u %u", &l->nr, &l->found) == 2 ? 0 : -EPROTO;
	fclose(stats);
	return ret;
}

/* Counts the lookups of an open. @ring is NULL for a system call. */
static int count_lookups(struct volume *v, struct ring *ring, const struct handle *fh,
			 struct lookups *count)
{
	struct lookups before, after;
	int ret;

	ret = read_lookups(v, &before);
	if (ret)
		return ret;
	ret = ring ? request(ring, v->root, fh).seen.ret : call(v->root, fh).ret;
	if (ret || read_lookups(v, &after))
		return ret ?: -EIO;
	count->nr = after.nr - before.nr;
	count->found = after.found - before.found;
	return 0;
}

/* Likewise, without a dentry, which may have to be evicted more than once. */
static int count_lookups_cold(struct volume *v, struct ring *ring,
			      const struct handle *fh, struct lookups *count)
{
	int i, ret = 0;

	for (i = 0; i < EVICTIONS && !ret; i++) {
		ret = volume_evict(v) ?: count_lookups(v, ring, fh, count);
		if (ret || count->nr > 1)
			return ret;
	}
	return ret ?: -ETIMEDOUT;
}

/* XFS counts what the submitter finds like other lookups. */
TEST_F(inode, statistics)
{
	struct lookups a, b;
	struct handle dir;
	int watch, ret;

	if (variant->kind != VOLUME_XFS)
		SKIP(return, "has no statistics");
	ret = count_lookups(&self->volume, NULL, &self->fh, &a);
	if (ret == -ENOENT)
		SKIP(return, "needs sysfs on /sys");
	ASSERT_EQ(ret, 0);
	ASSERT_EQ(count_lookups(&self->volume, &self->ring, &self->fh, &b), 0);
	EXPECT_EQ(b.nr, 1U);
	EXPECT_EQ(b.found, 1U);
	EXPECT_EQ(a.nr, 1U);

	/* The submitter leaves a directory without a dentry to a worker. */
	ASSERT_EQ(mkdirat(self->volume.root, "dir", 0755), 0);
	ASSERT_EQ(encode_path(self->volume.root, "dir", &dir), 0);
	watch = inotify_init1(IN_CLOEXEC);
	ASSERT_GE(watch, 0);
	ASSERT_EQ(fchdir(self->volume.root), 0);
	ASSERT_GE(inotify_add_watch(watch, "dir", IN_DELETE_SELF), 0);
	ASSERT_EQ(chdir("/"), 0);
	ASSERT_EQ(count_lookups_cold(&self->volume, NULL, &dir, &a), 0);
	ASSERT_EQ(count_lookups_cold(&self->volume, &self->ring, &dir, &b), 0);
	EXPECT_EQ(b.nr, a.nr);
	EXPECT_EQ(b.found, a.found);
	close(watch);
	ASSERT_EQ(unlinkat(self->volume.root, "dir", AT_REMOVEDIR), 0);
}

/*
 * Opens each file of a control group by its number. Returns how many the submitter has
 * opened, or an error. A change of any control group makes a worker open one.
 */
static int open_group(struct ring *ring, int root, const char *name)
{
	int nr = 0, ret = 0, fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct handle fh = { .bytes = 8, .type = FILEID_KERNFS };
	struct dirent *entry;
	struct opened o;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (!ret && (entry = readdir(dir))) {
		if (entry->d_type != DT_REG)
			continue;
		/* No path lookup: the inode is created by the request. */
		handle_set_number(&fh, entry->d_ino);
		o = request(ring, root, &fh);
		ret = o.seen.ret ?: o.seen.ino == entry->d_ino ? 0 : -EBADMSG;
		nr += o.inlined;
	}
	closedir(dir);
	return ret ?: nr;
}

/* Waits until the control groups that were removed have been released. */
static int wait_for_groups(int root)
{
	char text[256];
	ssize_t len;
	int i, fd;

	for (i = 0; i < RETRIES; i++) {
		fd = openat(root, "cgroup.stat", O_RDONLY | O_CLOEXEC);
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (len <= 0)
			return -EIO;
		text[len] = '\0';
		if (strstr(text, "nr_dying_descendants 0\n"))
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

/* Returns 0 if the submitter has opened files of each group, or an error. */
static int use_groups(struct ring *ring, int root)
{
	char name[16];
	int i, nr;

	for (i = 0; i < GROUPS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (mkdirat(root, name, 0755))
			return -errno;
		nr = open_group(ring, root, name);
		if (unlinkat(root, name, AT_REMOVEDIR))
			return -errno;
		if (nr <= 0)
			return nr ?: -EAGAIN;
	}
	return wait_for_groups(root);
}

/*
 * Requests keep no reference to a node of kernfs. The last nodes are freed a grace period
 * after their groups are released.
 */
TEST_F_TIMEOUT(inode, nodes_are_freed, SLOW_TIMEOUT)
{
	long before = slab_size();
	int i;

	if (variant->kind != VOLUME_KERNFS)
		SKIP(return, "has no nodes");
	if (before < 0)
		SKIP(return, "needs /proc/meminfo");
	for (i = 0; i < SLAB_ROUNDS; i++) {
		before = slab_size();
		ASSERT_EQ(use_groups(&self->ring, self->volume.root), 0);
		if (slab_size() - before < LEAK_LIMIT)
			break;
	}
	EXPECT_LT(i, SLAB_ROUNDS);
}

TEST_HARNESS_MAIN
