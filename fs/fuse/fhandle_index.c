// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE: inodes by handle
 *
 * Inodes are hashed by nodeid, which notifications and servers without handles
 * use. If a server has handles, an index finds inodes by handle as well: a handle
 * identifies an inode, and its nodeid can change.
 *
 * The index is a cache. An inode that is not in it is found by its nodeid.
 */

#include "dev.h"
#include "fuse_i.h"

#include <linux/rhashtable.h>
#include <linux/sched/mm.h>

/*
 * The maximum number of former nodeids of an inode. Each is kept until the inode is
 * evicted, and a server can change nodeids as often as it likes.
 */
#define OLD_NODEIDS_MAX	32

/* A submount has inodes of its own, with the same handles. */
struct fhandle_key {
	const struct super_block *sb;
	const struct fuse_fhandle *fhandle;
};

/* A former nodeid, which open files and pending requests can still contain */
struct fuse_old_nodeid {
	struct fuse_old_nodeid *next;
	struct fuse_forget_link *forget;
	u64 nodeid;
	u64 nlookup;
};

/* The server chooses the bytes, so the hash of struct fuse_fhandle is not used: it has no seed. */
static u32 key_hash(const void *data, u32 len, u32 seed)
{
	const struct fhandle_key *key = data;
	const struct fuse_fhandle *fhandle = key->fhandle;
	const u8 *bytes = fhandle->len > FUSE_FHANDLE_INLINE ?
			  fhandle->data.ptr : fhandle->data.bytes;

	return jhash(bytes, fhandle->len, seed ^ hash_ptr(key->sb, 32));
}

static u32 inode_hash(const void *data, u32 len, u32 seed)
{
	const struct fuse_inode *fi = data;
	struct fhandle_key key = {
		.sb = fi->inode.i_sb,
		.fhandle = &fi->fhandle,
	};

	return key_hash(&key, len, seed);
}

static int inode_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct fhandle_key *key = arg->key;
	const struct fuse_inode *fi = obj;

	return fi->inode.i_sb != key->sb ||
	       !fuse_fhandle_same(&fi->fhandle, key->fhandle);
}

static const struct rhashtable_params index_params = {
	.head_offset = offsetof(struct fuse_inode, fhandle_node),
	.key_len = sizeof(struct fhandle_key),
	.hashfn = key_hash,
	.obj_hashfn = inode_hash,
	.obj_cmpfn = inode_cmp,
	.automatic_shrinking = true,
};

/**
 * fuse_index_init - create the index of a connection
 * @fc: the connection
 *
 * Called while the server writes its reply to FUSE_INIT, so memory reclaim must not
 * wait for a server. Without an index, each inode is found by its nodeid.
 */
void fuse_index_init(struct fuse_conn *fc)
{
	unsigned int flags = memalloc_noio_save();

	fc->has_index = !rhashtable_init(&fc->fhandle_index, &index_params);
	memalloc_noio_restore(flags);
}

/**
 * fuse_index_destroy - free the index of a connection, which has no inodes
 * @fc: the connection
 */
void fuse_index_destroy(struct fuse_conn *fc)
{
	if (fc->has_index)
		rhashtable_destroy(&fc->fhandle_index);
}

/**
 * fuse_index_add - add an inode, if its handle is known
 * @inode: the inode
 *
 * The root is not looked up, and a mount point of a submount is not hashed: neither
 * is added.
 */
void fuse_index_add(struct inode *inode)
{
	struct fuse_conn *fc = get_fuse_conn(inode);
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct fhandle_key key = {
		.sb = inode->i_sb,
		.fhandle = &fi->fhandle,
	};
	struct fuse_fhandle fhandle;

	if (!fc->has_index || fi->nodeid == FUSE_ROOT_ID ||
	    IS_AUTOMOUNT(inode) || fuse_is_bad(inode) ||
	    test_bit(FUSE_I_INDEXED, &fi->state))
		return;
	/* A handle that becomes known must not change the hash of an entry. */
	fhandle = fuse_inode_fhandle(inode);
	if (!fuse_fhandle_known(&fhandle))
		return;
	if (rhashtable_lookup_insert_key(&fc->fhandle_index, &key,
					 &fi->fhandle_node, index_params))
		return;
	set_bit(FUSE_I_INDEXED, &fi->state);
	/* Pairs with test_and_clear_bit() in fuse_index_remove(). */
	smp_mb__after_atomic();
	/* Another reply can have made the inode bad before it was marked as indexed. */
	if (fuse_is_bad(inode))
		fuse_index_remove(inode);
}

/**
 * fuse_index_remove - remove an inode that is bad or evicted
 * @inode: the inode
 */
void fuse_index_remove(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	/* If fuse_index_add() has not marked the inode yet, it finds that it is bad. */
	if (test_and_clear_bit(FUSE_I_INDEXED, &fi->state))
		rhashtable_remove_fast(&get_fuse_conn(inode)->fhandle_index,
				       &fi->fhandle_node, index_params);
}

/**
 * fuse_index_find - find an inode by its handle
 * @sb: the superblock
 * @fh: the handle, which is known
 *
 * Return: the inode with a reference, or NULL if it is not in the index or bad.
 */
struct inode *fuse_index_find(struct super_block *sb,
			      const struct fuse_fhandle *fh)
{
	struct fuse_conn *fc = get_fuse_conn_super(sb);
	struct fhandle_key key = { .sb = sb, .fhandle = fh };
	struct inode *inode = NULL;
	struct fuse_inode *fi;

	if (!fc->has_index)
		return NULL;
	/* fuse_free_inode() is called after a grace period. */
	rcu_read_lock();
	fi = rhashtable_lookup(&fc->fhandle_index, &key, index_params);
	if (fi)
		inode = igrab(&fi->inode);
	/* Its eviction can take long. As in fuse_make_stale(), the object gets another. */
	if (fi && !inode) {
		atomic64_inc(&fc->evict_ctr);
		fuse_index_remove(&fi->inode);
	}
	rcu_read_unlock();

	if (inode && fuse_is_bad(inode)) {
		iput(inode);
		return NULL;
	}
	return inode;
}

/**
 * fuse_index_find_nowait - find an inode by its handle without waiting
 * @sb: the superblock
 * @fh: the handle, which is known
 * @skip: returns true for an inode that the caller does not want
 *
 * Everything is checked before a reference is taken: dropping the last reference to
 * an inode waits.
 *
 * Return: the inode with a reference; or NULL if it is not in the index, is bad or
 * being evicted, has no links, or has no dentry: a directory cannot be connected
 * without waiting, and a security module can request attributes of any new dentry.
 */
struct inode *fuse_index_find_nowait(struct super_block *sb,
				     const struct fuse_fhandle *fh,
				     bool (*skip)(struct inode *inode))
{
	struct fuse_conn *fc = get_fuse_conn_super(sb);
	struct fhandle_key key = { .sb = sb, .fhandle = fh };
	struct fuse_inode *fi;
	struct inode *inode;

	if (!fc->has_index)
		return NULL;
	guard(rcu)();
	fi = rhashtable_lookup(&fc->fhandle_index, &key, index_params);
	if (!fi)
		return NULL;
	inode = &fi->inode;
	if (fuse_is_bad(inode) || !inode->i_nlink || skip(inode) ||
	    hlist_empty(&inode->i_dentry))
		return NULL;
	return igrab(inode);
}

/**
 * fuse_inode_has_id - check whether a server uses a nodeid for an inode
 * @inode: the inode
 * @nodeid: the nodeid
 * @server_gen: the server
 *
 * After a restart, both can change at the same time: the nodeid of the former server
 * must not be compared together with the number of the present one, which can use it
 * for another inode.
 *
 * Return: true if @server_gen uses @nodeid.
 */
bool fuse_inode_has_id(struct inode *inode, u64 nodeid, u32 server_gen)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	guard(spinlock)(&fi->lock);
	return fi->nodeid == nodeid && fi->server_gen == server_gen;
}

/* Return the record of a former nodeid, or NULL. The caller holds fi->lock. */
static struct fuse_old_nodeid *find_old(struct fuse_inode *fi, u64 nodeid,
					unsigned int *nr)
{
	struct fuse_old_nodeid *old;

	*nr = 0;
	for (old = fi->old_nodeids; old && old->nodeid != nodeid; old = old->next)
		(*nr)++;
	return old;
}

/**
 * fuse_count_lookups - count lookups of an inode
 * @inode: the inode
 * @nodeid: a present or former nodeid of the inode
 * @nlookup: the number of lookups
 * @server_gen: the server that counted them
 */
void fuse_count_lookups(struct inode *inode, u64 nodeid, u64 nlookup,
			u32 server_gen)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct fuse_old_nodeid *old = NULL;
	unsigned int nr;

	spin_lock(&fi->lock);
	/* The nodeid can have changed after the caller compared it. */
	if (unlikely(fi->nodeid != nodeid))
		old = find_old(fi, nodeid, &nr);
	/* A server that was restarted in the meantime does not know the lookup. */
	if (unlikely(fi->server_gen != server_gen))
		nlookup = 0;
	if (old)
		old->nlookup += nlookup;
	else
		fi->nlookup += nlookup;
	spin_unlock(&fi->lock);
}

/**
 * fuse_make_stale - make an inode bad, and let no lookup find it
 * @inode: the inode
 *
 * The next lookup of its handle or nodeid creates another inode. The root of a mount
 * has no other one. Without handles, lookups still find the inode.
 */
void fuse_make_stale(struct inode *inode)
{
	struct fuse_conn *fc = get_fuse_conn(inode);

	fuse_make_bad(inode);
	if (!fuse_has_handles(fc))
		return;
	/*
	 * As after an eviction, the object can get another inode. Attributes that were
	 * requested before can be older than those of this inode.
	 */
	atomic64_inc(&fc->evict_ctr);
	fuse_index_remove(inode);
	/*
	 * remove_inode_hash() would test without the lock whether the inode is hashed, and
	 * not see it if rehash_inode() is just moving it.
	 */
	if (inode != d_inode(inode->i_sb->s_root))
		__remove_inode_hash(inode);
}

/*
 * The server uses @nodeid for @inode now. Return false if it cannot. @other receives a
 * reference to the inode that had the nodeid, or NULL.
 */
static bool make_nodeid_free(struct inode *inode, u64 nodeid, u32 server_gen,
			     struct inode **other)
{
	struct super_block *sb = inode->i_sb;
	struct fuse_fhandle fh = fuse_inode_fhandle(inode);

	*other = fuse_ilookup_sb(sb, nodeid, server_gen);
	if (!*other)
		return true;
	/* An object can have two inodes. The one that has the nodeid keeps it. */
	if (*other == d_inode(sb->s_root) || fuse_inode_has_fhandle(*other, &fh))
		return false;
	/* As if the nodeid had been found first */
	fuse_make_stale(*other);
	return true;
}

static struct fuse_old_nodeid *new_old_nodeid(void)
{
	struct fuse_old_nodeid *new = kzalloc_obj(*new, GFP_KERNEL_ACCOUNT);

	if (!new)
		return NULL;
	new->forget = fuse_alloc_forget();
	if (new->forget)
		return new;
	kfree(new);
	return NULL;
}

/* What a former server has said about an inode is requested again. Does not sleep. */
static void forget_cached(struct inode *inode)
{
	fuse_invalidate_attr(inode);
	if (S_ISDIR(inode->i_mode))
		fuse_invalidate_readdir(inode);
}

/**
 * fuse_change_nodeid - change the nodeid of an inode
 * @inode: the inode, which is found by its handle
 * @nodeid: the new nodeid
 * @server_gen: the server that uses it
 *
 * Open files and pending requests can contain the former nodeid, so the server
 * must keep it until the inode is evicted. A server that was restarted does not
 * know former nodeids. If the inode has a nodeid of a newer server, it keeps that.
 *
 * Return: false if the nodeid cannot be changed.
 */
bool fuse_change_nodeid(struct inode *inode, u64 nodeid, u32 server_gen)
{
	struct fuse_conn *fc = get_fuse_conn(inode);
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct fuse_old_nodeid *old, *new = NULL, *void_nodeids = NULL;
	struct inode *other = NULL;
	unsigned int nr;
	bool changed;
	u64 nlookup;

	/* The former nodeid is void otherwise. */
	if (READ_ONCE(fi->server_gen) == server_gen) {
		new = new_old_nodeid();
		if (!new)
			return false;
	}

	mutex_lock(&fc->nodeid_mutex);
	changed = (fi->nodeid == nodeid && fi->server_gen == server_gen) ||
		  fi->server_gen > server_gen;
	if (changed || nodeid == FUSE_ROOT_ID || fi->nodeid == FUSE_ROOT_ID ||
	    inode == d_inode(inode->i_sb->s_root) || IS_AUTOMOUNT(inode) ||
	    !make_nodeid_free(inode, nodeid, server_gen, &other))
		goto unlock;

	spin_lock(&fi->lock);
	if (fi->server_gen != server_gen) {
		forget_cached(inode);
		spin_lock(&fc->ids_lock);
		fi->nodeid = nodeid;
		fi->server_gen = server_gen;
		spin_unlock(&fc->ids_lock);
		fi->nlookup = 0;
		void_nodeids = fi->old_nodeids;
		fi->old_nodeids = NULL;
		changed = true;
		goto rehash;
	}
	old = find_old(fi, nodeid, &nr);
	changed = old || (new && nr < OLD_NODEIDS_MAX);
	if (changed) {
		nlookup = old ? old->nlookup : 0;
		if (!old) {
			old = new;
			new = NULL;
			old->next = fi->old_nodeids;
			fi->old_nodeids = old;
		}
		old->nodeid = fi->nodeid;
		old->nlookup = fi->nlookup;
		spin_lock(&fc->ids_lock);
		fi->nodeid = nodeid;
		spin_unlock(&fc->ids_lock);
		fi->nlookup = nlookup;
	}
rehash:
	spin_unlock(&fi->lock);
	/* Another reply can have made the inode bad, and removed it. */
	rehash_inode(inode, fi->nodeid);
unlock:
	mutex_unlock(&fc->nodeid_mutex);
	iput(other);
	if (new) {
		new->next = void_nodeids;
		void_nodeids = new;
	}
	while ((old = void_nodeids)) {
		void_nodeids = old->next;
		kfree(old->forget);
		kfree(old);
	}
	return changed;
}

/**
 * fuse_same_object - check whether an entry of a directory is about an inode
 * @inode: the inode of the name
 * @nodeid: the nodeid in the entry, which the inode takes over if the handle is its own
 * @server_gen: the server that sent the entry
 * @fh: the handle in the entry, which the inode takes over if its handle is unknown
 *
 * Return: false if the entry is about another inode.
 */
bool fuse_same_object(struct inode *inode, u64 nodeid, u32 server_gen,
		      struct fuse_fhandle *fh)
{
	if (!fuse_inode_has_id(inode, nodeid, server_gen) &&
	    (!fuse_inode_has_fhandle(inode, fh) ||
	     !fuse_change_nodeid(inode, nodeid, server_gen)))
		return false;
	return fuse_inode_adopt_fhandle(inode, fh);
}

/**
 * fuse_drop_reused - drop the inode that had a nodeid before
 * @sb: the superblock
 * @nodeid: a nodeid in a reply
 * @server_gen: the server that sent the reply
 * @fh: the handle in the reply
 *
 * If the nodeid now belongs to an object with another handle, I/O on files that are
 * open must not reach that object. Called if fuse_iget(), which does the same, is not
 * called for the reply. The reply to a lookup by handle is an exception: the handle can
 * be forged, and the server need not check it.
 *
 * An inode is found by its present nodeid only. A former one must not be reused before
 * the kernel has forgotten it.
 */
void fuse_drop_reused(struct super_block *sb, u64 nodeid, u32 server_gen,
		      const struct fuse_fhandle *fh)
{
	struct fuse_fhandle known;
	struct inode *inode;

	if (!fuse_fhandle_known(fh))
		return;
	inode = fuse_ilookup_sb(sb, nodeid, server_gen);
	if (!inode)
		return;
	known = fuse_inode_fhandle(inode);
	if (inode != d_inode(sb->s_root) && !fuse_fhandle_same(&known, fh))
		fuse_make_stale(inode);
	iput(inode);
}

/**
 * fuse_forget_old_nodeids - forget the former nodeids of an inode
 * @inode: the inode, which is evicted
 * @active: whether the server still has to be told
 */
void fuse_forget_old_nodeids(struct inode *inode, bool active)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct fuse_conn *fc = get_fuse_conn(inode);
	struct fuse_old_nodeid *old;

	while ((old = fi->old_nodeids)) {
		fi->old_nodeids = old->next;
		if (active && old->nlookup)
			fuse_chan_queue_forget(fc->chan, old->forget,
					       old->nodeid, old->nlookup,
					       fi->server_gen);
		else
			kfree(old->forget);
		kfree(old);
	}
}
