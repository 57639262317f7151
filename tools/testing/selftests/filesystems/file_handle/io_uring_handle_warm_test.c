// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_OP_OPEN_BY_HANDLE_AT opens a file whose inode is in memory without a
 * worker, for a server that keeps handles and neither files nor dentries.
 *
 * FS_OPENS is the number of opens in each filesystem, and FS_FILES the number of
 * files, a multiple of 50.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "kselftest_harness.h"
#include "warm.h"

#define DEFAULT_OPENS	10000

FIXTURE(warm)
{
	struct warm *w;
	unsigned int opens;
	int nr_fds;
};

FIXTURE_VARIANT(warm)
{
	enum volume_kind kind;
	unsigned int percent;	/* of the warm opens that must be inline */
};

/*
 * These depend on other users: an inode that leaves a chain of the hash table, or the
 * creation of a cgroup.
 */
FIXTURE_VARIANT_ADD(warm, tmpfs) { VOLUME_TMPFS, 99 };
FIXTURE_VARIANT_ADD(warm, kernfs) { VOLUME_KERNFS, 99 };
/* The kernel can drop the inodes of a disk at any time. */
FIXTURE_VARIANT_ADD(warm, ext4) { VOLUME_EXT4, 95 };
FIXTURE_VARIANT_ADD(warm, btrfs) { VOLUME_BTRFS, 95 };
FIXTURE_VARIANT_ADD(warm, xfs) { VOLUME_XFS, 95 };

FIXTURE_SETUP(warm)
{
	const char *reason = missing_as_root();

	if (!reason && access("/proc/self/task", X_OK))
		reason = NEEDS_PROCFS;
	if (reason)
		SKIP(return, "%s", reason);
	self->w = calloc(1, sizeof(*self->w));
	ASSERT_NE(self->w, NULL);
	reason = volume_make(&self->w->volume, variant->kind);
	ASSERT_NE(reason, NULL);
	if (*reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(ring_init(&self->w->ring, WARM_SETUP), 0);
	ASSERT_EQ(warm_make(self->w), 0);
	self->opens = from_environment("FS_OPENS", DEFAULT_OPENS);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(warm)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
	EXPECT_EQ(warm_remove(self->w), 0);
	ring_exit(&self->w->ring);
	EXPECT_EQ(volume_remove(&self->w->volume), 0);
}

/* The inodes are in memory. */
TEST_F_TIMEOUT(warm, opens_without_a_worker, SLOW_TIMEOUT)
{
	struct warm_count count;

	ASSERT_EQ(volume_forget(&self->w->volume), 0);
	ASSERT_EQ(warm_up(self->w), 0);
	count = warm_open(self->w, self->opens, 0);
	TH_LOG("%s: %u opens, %u of them inline, %u workers",
	       volume_names[variant->kind], count.opened, count.inlined,
	       nr_workers());
	EXPECT_EQ(count.wrong, 0U) TH_LOG("the last result: %d", count.error);
	EXPECT_EQ(count.opened, self->opens);
	EXPECT_GE(100 * count.inlined, variant->percent * self->opens);
	if (count.inlined == self->opens)
		EXPECT_EQ(nr_workers(), 0U);
}

/* Completions that need no call of the task. */
TEST_F_TIMEOUT(warm, opens_without_a_worker_in_a_plain_ring, SLOW_TIMEOUT)
{
	struct warm_count count;

	ring_exit(&self->w->ring);
	ASSERT_EQ(ring_init(&self->w->ring, 0), 0);
	ASSERT_EQ(volume_forget(&self->w->volume), 0);
	ASSERT_EQ(warm_up(self->w), 0);
	count = warm_open(self->w, self->opens, 0);
	EXPECT_EQ(count.wrong, 0U) TH_LOG("the last result: %d", count.error);
	EXPECT_EQ(count.opened, self->opens);
	/* Without IORING_SETUP_DEFER_TASKRUN, this may also count a worker's. */
	EXPECT_GE(100 * count.inlined, variant->percent * self->opens);
	if (count.inlined == self->opens)
		EXPECT_EQ(nr_workers(), 0U);
}

/* The counters of the other cases recognise a worker. */
TEST_F_TIMEOUT(warm, a_worker_opens_on_request, SLOW_TIMEOUT)
{
	struct warm_count count;

	ASSERT_EQ(warm_up(self->w), 0);
	count = warm_open(self->w, self->w->nr_files, IOSQE_ASYNC);
	EXPECT_EQ(count.wrong, 0U) TH_LOG("the last result: %d", count.error);
	EXPECT_EQ(count.opened, self->w->nr_files);
	EXPECT_EQ(count.inlined, 0U);
	EXPECT_GE(nr_workers(), 1U);
}

/* After a mount, each open reads an inode from the device. */
TEST_F_TIMEOUT(warm, a_worker_opens_what_is_not_in_memory, SLOW_TIMEOUT)
{
	struct warm_count count;

	if (!volume_is_disk(variant->kind))
		SKIP(return, "the inodes are always in memory");
	ASSERT_EQ(volume_forget(&self->w->volume), 0);
	count = warm_open(self->w, self->w->nr_files, 0);
	EXPECT_EQ(count.wrong, 0U) TH_LOG("the last result: %d", count.error);
	EXPECT_EQ(count.opened, self->w->nr_files);
	EXPECT_EQ(count.inlined, 0U);
	EXPECT_GE(nr_workers(), 1U);

	/* The worker has read them. */
	count = warm_open(self->w, self->w->nr_files, 0);
	EXPECT_EQ(count.wrong, 0U) TH_LOG("the last result: %d", count.error);
	EXPECT_GE(count.inlined, variant->percent * self->w->nr_files / 100);
}

/* Inodes that the kernel has dropped, while the filesystem stays mounted. */
TEST_F_TIMEOUT(warm, opens_inodes_that_were_dropped, SLOW_TIMEOUT)
{
	struct warm_count count;

	ASSERT_EQ(volume_forget(&self->w->volume), 0);
	ASSERT_EQ(warm_up(self->w), 0);
	ASSERT_EQ(volume_evict(&self->w->volume), 0);
	count = warm_open(self->w, self->w->nr_files, 0);
	TH_LOG("%s: %u of %u inline", volume_names[variant->kind],
	       count.inlined, count.opened);
	EXPECT_EQ(count.wrong, 0U) TH_LOG("the last result: %d", count.error);
	EXPECT_EQ(count.opened, self->w->nr_files);
	EXPECT_TRUE(volume_is_disk(variant->kind) ? nr_workers() >= 1 :
		    100 * count.inlined >= variant->percent * self->w->nr_files);
}

TEST_HARNESS_MAIN
