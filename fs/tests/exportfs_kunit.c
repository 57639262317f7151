// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the check that ->fh_to_dentry_nowait() does not sleep, and
 * neither does ->encode_fh() if the caller must not wait.
 */
#include <kunit/test.h>
#include <linux/exportfs.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/sched.h>

#define EXPORTFS_KUNIT_MAGIC	0x65786673

/* The type of a handle selects what the operations do. */
enum exportfs_kunit_type {
	EXPORTFS_KUNIT_ROOT = 1,
	EXPORTFS_KUNIT_ABSENT,
	EXPORTFS_KUNIT_WAITS,
	EXPORTFS_KUNIT_SLEEPS,
};

/* The kernel prints a warning, which fails a test run that looks for some. */
static bool sleep;
module_param(sleep, bool, 0444);
MODULE_PARM_DESC(sleep, "Sleep in ->fh_to_dentry_nowait(), which is reported");

/* What the last operation found. */
static struct {
	unsigned int encoded;	/* calls of ->encode_fh() */
	unsigned int waiting;	/* calls of ->fh_to_dentry() */
	unsigned int nowait;	/* calls of ->fh_to_dentry_nowait() */
	int non_block_count;
} exportfs_kunit_seen;

static int exportfs_kunit_non_block_count(void)
{
#ifdef CONFIG_DEBUG_ATOMIC_SLEEP
	return current->non_block_count;
#else
	return 0;
#endif
}

static struct dentry *exportfs_kunit_decode(struct super_block *sb,
					    enum exportfs_kunit_type type)
{
	exportfs_kunit_seen.non_block_count = exportfs_kunit_non_block_count();
	switch (type) {
	case EXPORTFS_KUNIT_ABSENT:
		return NULL;
	case EXPORTFS_KUNIT_WAITS:
		return ERR_PTR(-EAGAIN);
	case EXPORTFS_KUNIT_SLEEPS:
		might_sleep();
		fallthrough;
	default:
		return dget(sb->s_root);
	}
}

static struct dentry *exportfs_kunit_fh_to_dentry(struct super_block *sb,
						  struct fid *fid, int fh_len,
						  int fh_type)
{
	exportfs_kunit_seen.waiting++;
	return exportfs_kunit_decode(sb, fh_type);
}

static struct dentry *exportfs_kunit_nowait(struct super_block *sb,
					    struct fid *fid, int fh_len,
					    int fh_type)
{
	exportfs_kunit_seen.nowait++;
	return exportfs_kunit_decode(sb, fh_type);
}

static int exportfs_kunit_encode_fh(struct inode *inode, __u32 *fh, int *max_len,
				    struct inode *parent)
{
	exportfs_kunit_seen.encoded++;
	exportfs_kunit_seen.non_block_count = exportfs_kunit_non_block_count();
	return EXPORTFS_KUNIT_ROOT;
}

static const struct export_operations exportfs_kunit_ops = {
	.encode_fh		= exportfs_kunit_encode_fh,
	.fh_to_dentry		= exportfs_kunit_fh_to_dentry,
	.fh_to_dentry_nowait	= exportfs_kunit_nowait,
};

static int exportfs_kunit_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, EXPORTFS_KUNIT_MAGIC);

	if (!ctx)
		return -ENOMEM;
	ctx->eops = &exportfs_kunit_ops;
	return 0;
}

static struct file_system_type exportfs_kunit_fs = {
	.name		 = "exportfs_kunit",
	.init_fs_context = exportfs_kunit_init_fs_context,
	.kill_sb	 = kill_anon_super,
};

static void exportfs_kunit_unmount(void *mnt)
{
	kern_unmount(mnt);
}

static int exportfs_kunit_init(struct kunit *test)
{
	struct vfsmount *mnt = kern_mount(&exportfs_kunit_fs);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mnt);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, exportfs_kunit_unmount,
						  mnt));
	memset(&exportfs_kunit_seen, 0, sizeof(exportfs_kunit_seen));
	test->priv = mnt;
	return 0;
}

static struct dentry *exportfs_kunit_call(struct kunit *test,
					  enum exportfs_kunit_type type,
					  unsigned int flags)
{
	__u32 fid[2] = {};

	return exportfs_decode_fh_raw(test->priv, (struct fid *)fid,
				      ARRAY_SIZE(fid), type, flags, NULL, NULL);
}

/* might_sleep() reports each sleep of the operation, and none before or after it. */
static void exportfs_kunit_nowait_is_checked(struct kunit *test)
{
	const int checked = IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP);
	struct vfsmount *mnt = test->priv;
	struct dentry *dentry;

	dentry = exportfs_kunit_call(test, EXPORTFS_KUNIT_ROOT, EXPORT_FH_NOWAIT);
	KUNIT_EXPECT_PTR_EQ(test, dentry, mnt->mnt_root);
	dput(dentry);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_seen.non_block_count, checked);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_non_block_count(), 0);

	dentry = exportfs_kunit_call(test, EXPORTFS_KUNIT_ABSENT,
				     EXPORT_FH_NOWAIT);
	KUNIT_EXPECT_NULL(test, dentry);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_seen.non_block_count, checked);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_non_block_count(), 0);

	dentry = exportfs_kunit_call(test, EXPORTFS_KUNIT_WAITS,
				     EXPORT_FH_NOWAIT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(dentry), -EAGAIN);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_seen.non_block_count, checked);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_non_block_count(), 0);

	KUNIT_EXPECT_EQ(test, exportfs_kunit_seen.nowait, 3);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_seen.waiting, 0);
}

/* An operation that may wait sleeps without a report. */
static void exportfs_kunit_waiting_may_sleep(struct kunit *test)
{
	struct dentry *dentry;

	dentry = exportfs_kunit_call(test, EXPORTFS_KUNIT_SLEEPS, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dentry);
	dput(dentry);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_seen.non_block_count, 0);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_seen.waiting, 1);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_seen.nowait, 0);
}

static int exportfs_kunit_encode(struct kunit *test, unsigned int flags)
{
	struct vfsmount *mnt = test->priv;
	__u32 fid[2] = {};
	int len = ARRAY_SIZE(fid);

	return exportfs_encode_inode_fh(d_inode(mnt->mnt_root), (struct fid *)fid,
					&len, NULL, flags);
}

static void exportfs_kunit_encode_is_checked(struct kunit *test)
{
	const int checked = IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP);

	KUNIT_EXPECT_EQ(test, exportfs_kunit_encode(test, EXPORT_FH_NOWAIT),
			EXPORTFS_KUNIT_ROOT);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_seen.non_block_count, checked);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_non_block_count(), 0);

	KUNIT_EXPECT_EQ(test, exportfs_kunit_encode(test, 0),
			EXPORTFS_KUNIT_ROOT);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_seen.non_block_count, 0);
	KUNIT_EXPECT_EQ(test, exportfs_kunit_seen.encoded, 2);
}

/* The report is expected in the kernel log, where the caller must look for it. */
static void exportfs_kunit_sleep_is_reported(struct kunit *test)
{
	struct dentry *dentry;

	if (!IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP))
		kunit_skip(test, "needs CONFIG_DEBUG_ATOMIC_SLEEP");
	if (!sleep)
		kunit_skip(test, "prints a warning with exportfs_kunit.sleep=1");
	dentry = exportfs_kunit_call(test, EXPORTFS_KUNIT_SLEEPS,
				     EXPORT_FH_NOWAIT);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dentry);
	dput(dentry);
}

static struct kunit_case exportfs_kunit_cases[] = {
	KUNIT_CASE(exportfs_kunit_nowait_is_checked),
	KUNIT_CASE(exportfs_kunit_waiting_may_sleep),
	KUNIT_CASE(exportfs_kunit_encode_is_checked),
	KUNIT_CASE(exportfs_kunit_sleep_is_reported),
	{}
};

static struct kunit_suite exportfs_kunit_suite = {
	.name		= "exportfs_nowait",
	.init		= exportfs_kunit_init,
	.test_cases	= exportfs_kunit_cases,
};

kunit_test_suite(exportfs_kunit_suite);

MODULE_DESCRIPTION("KUnit tests of exportfs");
MODULE_LICENSE("GPL");
