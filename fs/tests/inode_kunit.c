// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of ilookup_nowait(), iget_nowait(), rehash_inode() and
 * d_obtain_alias_nowait().
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/writeback.h>

#define INODE_KUNIT_MAGIC	0x696e6f64

/* What a lookup is for, and what the operations of the superblock found. */
struct inode_kunit_key {
	struct super_block *sb;
	u64 ino;
	u32 generation;
	/* The number of inodes that were compared. */
	int compared;
	/* Remove the inode from the hash once it has matched. */
	bool unhash;
	/* Clear I_NEW once the inode has matched. */
	bool unlock;

	/* The results of lookups during ->evict_inode() and ->write_inode(). */
	struct inode *evicting;
	struct inode *evicting_iget;
	struct inode *writing;
	/* The state of the inode at that time. */
	unsigned int evict_state;
	unsigned int write_state;

	/* Add an inode with the number while another one is allocated. */
	bool race;
	struct inode *raced;
	/* The last inodes that were allocated and destroyed. */
	struct inode *allocated;
	struct inode *destroyed;
};

static int inode_kunit_match(struct inode *inode, void *data)
{
	struct inode_kunit_key *key = data;

	key->compared++;
	if (inode->i_ino != key->ino ||
	    inode->i_generation != key->generation)
		return 0;
	if (key->unhash)
		remove_inode_hash(inode);
	if (key->unlock)
		unlock_new_inode(inode);
	return 1;
}

/* Look up an inode in a context in which sleeping is a bug. */
static struct inode *inode_kunit_lookup(struct inode_kunit_key *key)
{
	struct inode *inode;

	preempt_disable();
	inode = ilookup_nowait(key->sb, key->ino, inode_kunit_match, key);
	preempt_enable();
	return inode;
}

/* iget_nowait() allocates the inode after it has searched the hash. */
static struct inode *inode_kunit_alloc_inode(struct super_block *sb)
{
	struct inode_kunit_key *key = sb->s_fs_info;
	struct inode *inode = kzalloc_obj(*inode);

	if (!inode)
		return NULL;
	inode_init_once(inode);
	if (key && key->race) {
		key->race = false;
		key->raced = iget_locked(sb, key->ino);
	}
	if (key)
		key->allocated = inode;
	return inode;
}

static void inode_kunit_destroy_inode(struct inode *inode)
{
	struct inode_kunit_key *key = inode->i_sb->s_fs_info;

	if (key)
		key->destroyed = inode;
}

static void inode_kunit_free_inode(struct inode *inode)
{
	kfree(inode);
}

static void inode_kunit_evict_inode(struct inode *inode)
{
	struct inode_kunit_key *key = inode->i_private;

	if (key) {
		key->evict_state = inode_state_read_once(inode);
		key->evicting = inode_kunit_lookup(key);
		key->evicting_iget = iget_nowait(key->sb, key->ino);
	}
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
}

static int inode_kunit_write_inode(struct inode *inode,
				   struct writeback_control *wbc)
{
	struct inode_kunit_key *key = inode->i_private;

	if (key) {
		key->write_state = inode_state_read_once(inode);
		key->writing = inode_kunit_lookup(key);
	}
	return 0;
}

static const struct super_operations inode_kunit_ops = {
	.alloc_inode	= inode_kunit_alloc_inode,
	.destroy_inode	= inode_kunit_destroy_inode,
	.free_inode	= inode_kunit_free_inode,
	.evict_inode	= inode_kunit_evict_inode,
	.write_inode	= inode_kunit_write_inode,
	.statfs		= simple_statfs,
};

static int inode_kunit_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, INODE_KUNIT_MAGIC);

	if (!ctx)
		return -ENOMEM;
	ctx->ops = &inode_kunit_ops;
	return 0;
}

static struct file_system_type inode_kunit_fs = {
	.name		 = "inode_kunit",
	.init_fs_context = inode_kunit_init_fs_context,
	.kill_sb	 = kill_anon_super,
};

static void inode_kunit_unmount(void *mnt)
{
	kern_unmount(mnt);
}

static struct super_block *inode_kunit_mount(struct kunit *test)
{
	struct vfsmount *mnt = kern_mount(&inode_kunit_fs);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mnt);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, inode_kunit_unmount,
						  mnt));
	return mnt->mnt_sb;
}

static int inode_kunit_init(struct kunit *test)
{
	struct inode_kunit_key *key;

	key = kunit_kzalloc(test, sizeof(*key), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, key);
	key->sb = inode_kunit_mount(test);
	key->ino = 4711;
	key->generation = 0x67656e;
	test->priv = key;
	return 0;
}

/* Create an inode that @key identifies. */
static struct inode *inode_kunit_inode(struct kunit *test,
				       struct inode_kunit_key *key)
{
	struct inode *inode = new_inode(key->sb);

	KUNIT_ASSERT_NOT_NULL(test, inode);
	inode->i_mode = S_IFREG | 0600;
	inode->i_ino = key->ino;
	inode->i_generation = key->generation;
	return inode;
}

/* Create an inode that @key identifies and add it to the hash. */
static struct inode *inode_kunit_hashed(struct kunit *test,
					struct inode_kunit_key *key)
{
	struct inode *inode = inode_kunit_inode(test, key);

	__insert_inode_hash(inode, key->ino);
	return inode;
}

#define EAGAIN_PTR	((struct inode *)ERR_PTR(-EAGAIN))

static void inode_kunit_referenced(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = inode_kunit_hashed(test, key);

	KUNIT_EXPECT_PTR_EQ(test, inode, inode_kunit_lookup(key));
	KUNIT_EXPECT_EQ(test, 2, icount_read_once(inode));
	KUNIT_EXPECT_EQ(test, 1, key->compared);
	iput(inode);
	iput(inode);
}

/* An inode without references is in the cache, and a lookup takes the first. */
static void inode_kunit_unreferenced(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = inode_kunit_hashed(test, key);

	iput(inode);
	KUNIT_ASSERT_EQ(test, 0, icount_read_once(inode));
	KUNIT_EXPECT_PTR_EQ(test, inode, inode_kunit_lookup(key));
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(inode));
	iput(inode);
}

static void inode_kunit_absent(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode_kunit_key other = *key;
	struct inode *inode;

	KUNIT_EXPECT_NULL(test, inode_kunit_lookup(key));

	inode = inode_kunit_hashed(test, key);
	other.generation++;
	KUNIT_EXPECT_NULL(test, inode_kunit_lookup(&other));
	KUNIT_EXPECT_EQ(test, 1, other.compared);
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(inode));
	iput(inode);
}

/* @match only sees inodes of the superblock. */
static void inode_kunit_other_superblock(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode_kunit_key other = *key;
	struct inode *inode, *other_inode;

	/* hash() multiplies the address of the superblock by the number. */
	key->ino = 0;
	other.ino = 0;
	other.sb = inode_kunit_mount(test);
	KUNIT_ASSERT_PTR_NE(test, key->sb, other.sb);
	inode = inode_kunit_hashed(test, key);
	KUNIT_EXPECT_NULL(test, inode_kunit_lookup(&other));
	KUNIT_EXPECT_EQ(test, 0, other.compared);

	other_inode = inode_kunit_hashed(test, &other);
	KUNIT_EXPECT_PTR_EQ(test, inode, inode_kunit_lookup(key));
	KUNIT_EXPECT_PTR_EQ(test, other_inode, inode_kunit_lookup(&other));
	iput(inode);
	iput(inode);
	iput(other_inode);
	iput(other_inode);
}

static void inode_kunit_new(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = iget_locked(key->sb, key->ino);

	KUNIT_ASSERT_NOT_NULL(test, inode);
	KUNIT_ASSERT_TRUE(test, inode_state_read_once(inode) & I_NEW);
	/* The generation is not known yet. */
	KUNIT_EXPECT_NULL(test, inode_kunit_lookup(key));
	inode->i_generation = key->generation;
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, inode_kunit_lookup(key));
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(inode));

	inode->i_mode = S_IFREG | 0600;
	unlock_new_inode(inode);
	KUNIT_EXPECT_PTR_EQ(test, inode, inode_kunit_lookup(key));
	iput(inode);
	iput(inode);
}

/* What matched was not initialised, although the inode is at the end. */
static void inode_kunit_initialised_after_match(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = iget_locked(key->sb, key->ino);

	KUNIT_ASSERT_NOT_NULL(test, inode);
	inode->i_mode = S_IFREG | 0600;
	inode->i_generation = key->generation;
	key->unlock = true;
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, inode_kunit_lookup(key));
	KUNIT_EXPECT_FALSE(test, inode_state_read_once(inode) & I_NEW);
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(inode));

	key->unlock = false;
	KUNIT_EXPECT_PTR_EQ(test, inode, inode_kunit_lookup(key));
	iput(inode);
	iput(inode);
}

static void inode_kunit_creating(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = inode_kunit_inode(test, key);

	KUNIT_ASSERT_EQ(test, 0, insert_inode_locked(inode));
	KUNIT_ASSERT_TRUE(test, inode_state_read_once(inode) & I_CREATING);
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, inode_kunit_lookup(key));

	clear_nlink(inode);
	discard_new_inode(inode);
	KUNIT_EXPECT_NULL(test, inode_kunit_lookup(key));
}

/* An inode that could not be read is removed from the hash. */
static void inode_kunit_failed(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = iget_locked(key->sb, key->ino);

	KUNIT_ASSERT_NOT_NULL(test, inode);
	inode->i_generation = key->generation;
	/* iget_failed() drops this reference. */
	ihold(inode);
	iget_failed(inode);
	KUNIT_EXPECT_NULL(test, inode_kunit_lookup(key));
	iput(inode);
}

/* The inode leaves the hash between the comparison and the reference. */
static void inode_kunit_unhashed(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = inode_kunit_hashed(test, key);

	key->unhash = true;
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, inode_kunit_lookup(key));
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(inode));
	iput(inode);
}

static void inode_kunit_rehashed(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = inode_kunit_hashed(test, key);
	struct inode *found;

	rehash_inode(inode, key->ino + 1);
	found = ilookup_nowait(key->sb, key->ino + 1, inode_kunit_match, key);
	KUNIT_EXPECT_PTR_EQ(test, inode, found);
	if (!IS_ERR_OR_NULL(found))
		iput(found);
	remove_inode_hash(inode);
	rehash_inode(inode, key->ino);
	KUNIT_EXPECT_TRUE(test, inode_unhashed(inode));
	iput(inode);
}

static void inode_kunit_being_freed(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = inode_kunit_hashed(test, key);

	inode->i_private = key;
	clear_nlink(inode);
	iput(inode);
	KUNIT_EXPECT_TRUE(test, key->evict_state & I_FREEING);
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, key->evicting);
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, key->evicting_iget);
	KUNIT_EXPECT_NULL(test, inode_kunit_lookup(key));
}

/* An inode is written back before it is freed, with I_WILL_FREE. */
static void inode_kunit_will_be_freed(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = inode_kunit_hashed(test, key);

	spin_lock(&inode->i_lock);
	inode_state_set(inode, I_DONTCACHE | I_DIRTY_SYNC);
	spin_unlock(&inode->i_lock);
	inode->i_private = key;
	iput(inode);
	KUNIT_EXPECT_TRUE(test, key->write_state & I_WILL_FREE);
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, key->writing);
	KUNIT_EXPECT_TRUE(test, key->evict_state & I_FREEING);
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, key->evicting);
}

/* A removed file that is open has references. */
static void inode_kunit_unlinked(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = inode_kunit_hashed(test, key);

	clear_nlink(inode);
	KUNIT_EXPECT_PTR_EQ(test, inode, inode_kunit_lookup(key));
	iput(inode);
	iput(inode);
}

/* The reference would be the last, and dropping it would free the inode. */
static void inode_kunit_unlinked_unreferenced(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = inode_kunit_hashed(test, key);

	iput(inode);
	clear_nlink(inode);
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, inode_kunit_lookup(key));
	KUNIT_EXPECT_EQ(test, 0, icount_read_once(inode));

	set_nlink(inode, 1);
	KUNIT_EXPECT_PTR_EQ(test, inode, inode_kunit_lookup(key));
	iput(inode);
}

/* A filesystem may add an inode while an older one is being freed. */
static void inode_kunit_hashed_twice(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;

	/* The hash chain starts with the inode that was added last. */
	for (int dying_first = 0; dying_first <= 1; dying_first++) {
		struct inode *dying = inode_kunit_inode(test, key);
		struct inode *live = inode_kunit_inode(test, key);

		__insert_inode_hash(dying_first ? live : dying, key->ino);
		__insert_inode_hash(dying_first ? dying : live, key->ino);
		dying->i_private = key;
		clear_nlink(dying);
		key->evicting = NULL;
		key->compared = 0;
		iput(dying);

		KUNIT_EXPECT_PTR_EQ(test, live, key->evicting);
		KUNIT_EXPECT_PTR_EQ(test, live, key->evicting_iget);
		KUNIT_EXPECT_EQ(test, 1 + dying_first, key->compared);
		iput(live);
		iput(live);
		/* Free the inode: the next round adds another one. */
		clear_nlink(live);
		iput(live);
		KUNIT_EXPECT_NULL(test, inode_kunit_lookup(key));
	}
}

/* Two inodes match, and neither can be used. */
static void inode_kunit_hashed_twice_new(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *dying = inode_kunit_hashed(test, key);
	struct inode *new = inode_kunit_hashed(test, key);

	spin_lock(&new->i_lock);
	inode_state_set(new, I_NEW);
	spin_unlock(&new->i_lock);
	dying->i_private = key;
	clear_nlink(dying);
	iput(dying);
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, key->evicting);
	unlock_new_inode(new);
	iput(new);
}

static void inode_kunit_iget(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = iget_nowait(key->sb, key->ino);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, inode);
	KUNIT_EXPECT_TRUE(test, inode_state_read_once(inode) & I_NEW);
	KUNIT_EXPECT_EQ(test, key->ino, inode->i_ino);
	KUNIT_EXPECT_FALSE(test, list_empty(&inode->i_sb_list));
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, iget_nowait(key->sb, key->ino));

	inode->i_mode = S_IFREG | 0600;
	unlock_new_inode(inode);
	KUNIT_EXPECT_PTR_EQ(test, inode, iget_nowait(key->sb, key->ino));
	KUNIT_EXPECT_PTR_EQ(test, inode, iget_locked(key->sb, key->ino));
	KUNIT_EXPECT_EQ(test, 3, icount_read_once(inode));
	iput(inode);
	iput(inode);
	iput(inode);
}

/* Another task adds the inode after the search of the hash. */
static void inode_kunit_iget_race(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;

	key->sb->s_fs_info = key;
	key->race = true;
	KUNIT_ASSERT_PTR_EQ(test, EAGAIN_PTR, iget_nowait(key->sb, key->ino));
	KUNIT_ASSERT_NOT_NULL(test, key->raced);
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(key->raced));
	/* The inode that was allocated was not added, but destroyed. */
	KUNIT_EXPECT_PTR_NE(test, key->raced, key->allocated);
	KUNIT_EXPECT_PTR_EQ(test, key->destroyed, key->allocated);

	key->raced->i_mode = S_IFREG | 0600;
	unlock_new_inode(key->raced);
	KUNIT_EXPECT_PTR_EQ(test, key->raced, iget_nowait(key->sb, key->ino));
	iput(key->raced);
	iput(key->raced);
}

/* The hash chain contains an inode with another number. */
static void inode_kunit_iget_collision(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *other = inode_kunit_inode(test, key);
	struct inode *inode;

	other->i_ino++;
	__insert_inode_hash(other, key->ino);
	inode = iget_nowait(key->sb, key->ino);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, inode);
	KUNIT_EXPECT_PTR_NE(test, other, inode);
	KUNIT_EXPECT_EQ(test, key->ino, inode->i_ino);
	KUNIT_EXPECT_TRUE(test, inode_state_read_once(inode) & I_NEW);
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(other));

	inode->i_mode = S_IFREG | 0600;
	unlock_new_inode(inode);
	iput(inode);
	iput(other);
}

#define EAGAIN_DENTRY	((struct dentry *)ERR_PTR(-EAGAIN))

/* Get the dentry of @inode where only memory allocation may sleep. */
static struct dentry *inode_kunit_alias(struct inode *inode)
{
	struct dentry *dentry;

	non_block_start();
	dentry = d_obtain_alias_nowait(inode);
	non_block_end();
	return dentry;
}

static void inode_kunit_alias_of_file(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = inode_kunit_hashed(test, key);
	struct dentry *dentry, *again;

	dentry = inode_kunit_alias(inode);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dentry);
	KUNIT_EXPECT_PTR_EQ(test, inode, d_inode(dentry));
	KUNIT_EXPECT_TRUE(test, dentry->d_flags & DCACHE_DISCONNECTED);
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(inode));

	again = inode_kunit_alias(inode_kunit_lookup(key));
	KUNIT_EXPECT_PTR_EQ(test, dentry, again);
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(inode));
	dput(dentry);
	dput(again);
}

/* exportfs cannot use a directory that is disconnected. */
static void inode_kunit_alias_of_directory(struct kunit *test)
{
	struct inode_kunit_key *key = test->priv;
	struct inode *inode = inode_kunit_hashed(test, key);
	struct dentry *dentry;

	inode->i_mode = S_IFDIR | 0700;
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_PTR, inode_kunit_lookup(key));
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(inode));

	ihold(inode);
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_DENTRY, inode_kunit_alias(inode));
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(inode));

	dentry = d_obtain_alias(inode);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dentry);
	KUNIT_EXPECT_PTR_EQ(test, dentry,
			    inode_kunit_alias(inode_kunit_lookup(key)));
	KUNIT_EXPECT_EQ(test, 1, icount_read_once(inode));
	dput(dentry);
	dput(dentry);
}

static void inode_kunit_alias_of_nothing(struct kunit *test)
{
	struct inode *stale = ERR_PTR(-ESTALE);

	/* An inode that is not cached may exist. */
	KUNIT_EXPECT_PTR_EQ(test, EAGAIN_DENTRY, inode_kunit_alias(NULL));
	KUNIT_EXPECT_EQ(test, -ESTALE, PTR_ERR(inode_kunit_alias(stale)));
}

struct inode_kunit_churn {
	struct inode_kunit_key key;
	struct completion done;
	unsigned int inodes;
	bool stop;
};

/* Create and free inodes with the same number. */
static int inode_kunit_churn(void *data)
{
	struct inode_kunit_churn *churn = data;

	while (!READ_ONCE(churn->stop)) {
		struct inode *inode = iget_locked(churn->key.sb, churn->key.ino);

		if (!inode)
			break;
		if (inode_state_read_once(inode) & I_NEW) {
			inode->i_mode = S_IFREG | 0600;
			inode->i_generation = churn->key.generation;
			/* A lookup must not return an inode without this. */
			inode->i_fop = &simple_dir_operations;
			unlock_new_inode(inode);
			churn->inodes++;
		}
		cond_resched();
		if (inode->i_nlink)
			clear_nlink(inode);
		iput(inode);
	}
	complete(&churn->done);
	return 0;
}

static void inode_kunit_race(struct kunit *test)
{
	struct inode_kunit_churn *churn;
	unsigned int found = 0, refused = 0, absent = 0, wrong = 0;
	unsigned long end = jiffies + HZ;
	struct task_struct *task;

	churn = kunit_kzalloc(test, sizeof(*churn), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, churn);
	churn->key = *(struct inode_kunit_key *)test->priv;
	init_completion(&churn->done);
	task = kthread_run(inode_kunit_churn, churn, "inode_kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));

	while (time_before(jiffies, end)) {
		struct inode_kunit_key key = churn->key;
		struct inode *inode = inode_kunit_lookup(&key);

		cond_resched();
		if (!inode) {
			absent++;
			continue;
		}
		if (IS_ERR(inode)) {
			refused++;
			continue;
		}
		found++;
		if (inode->i_fop != &simple_dir_operations ||
		    inode->i_generation != key.generation ||
		    inode_state_read_once(inode) &
		    (I_NEW | I_CREATING | I_FREEING | I_WILL_FREE | I_CLEAR))
			wrong++;
		iput(inode);
	}
	WRITE_ONCE(churn->stop, true);
	wait_for_completion(&churn->done);

	kunit_info(test, "%u inodes, %u found, %u refused, %u absent",
		   churn->inodes, found, refused, absent);
	KUNIT_EXPECT_EQ(test, 0, wrong);
	KUNIT_EXPECT_GT(test, churn->inodes, 0);
}

static struct kunit_case inode_kunit_cases[] = {
	KUNIT_CASE(inode_kunit_referenced),
	KUNIT_CASE(inode_kunit_unreferenced),
	KUNIT_CASE(inode_kunit_absent),
	KUNIT_CASE(inode_kunit_other_superblock),
	KUNIT_CASE(inode_kunit_new),
	KUNIT_CASE(inode_kunit_initialised_after_match),
	KUNIT_CASE(inode_kunit_creating),
	KUNIT_CASE(inode_kunit_failed),
	KUNIT_CASE(inode_kunit_unhashed),
	KUNIT_CASE(inode_kunit_rehashed),
	KUNIT_CASE(inode_kunit_being_freed),
	KUNIT_CASE(inode_kunit_will_be_freed),
	KUNIT_CASE(inode_kunit_unlinked),
	KUNIT_CASE(inode_kunit_unlinked_unreferenced),
	KUNIT_CASE(inode_kunit_hashed_twice),
	KUNIT_CASE(inode_kunit_hashed_twice_new),
	KUNIT_CASE(inode_kunit_iget),
	KUNIT_CASE(inode_kunit_iget_race),
	KUNIT_CASE(inode_kunit_iget_collision),
	KUNIT_CASE(inode_kunit_alias_of_file),
	KUNIT_CASE(inode_kunit_alias_of_directory),
	KUNIT_CASE(inode_kunit_alias_of_nothing),
	KUNIT_CASE_SLOW(inode_kunit_race),
	{}
};

/* RCU calls inode_kunit_free_inode(), which may be in a module. */
static void inode_kunit_suite_exit(struct kunit_suite *suite)
{
	rcu_barrier();
}

static struct kunit_suite inode_kunit_suite = {
	.name		= "inode_nowait",
	.init		= inode_kunit_init,
	.suite_exit	= inode_kunit_suite_exit,
	.test_cases	= inode_kunit_cases,
};

kunit_test_suite(inode_kunit_suite);

MODULE_DESCRIPTION("KUnit tests of the inode cache");
MODULE_LICENSE("GPL");
