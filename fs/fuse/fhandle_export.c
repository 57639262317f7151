// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE: file handles that contain the handle of the server
 *
 * fhandle.rs encodes and decodes the bytes, and has the export operations. This
 * file looks up inodes by handle, and finds their names.
 */

#include "dev.h"
#include "fuse_i.h"

#include <linux/exportfs.h>
#include <linux/fs_dirent.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

/* The dentry is revalidated when it is next used by name. */
static struct dentry *obtain_alias(struct inode *inode)
{
	bool is_root = get_node_id(inode) == FUSE_ROOT_ID;
	struct dentry *dentry = d_obtain_alias(inode);

	if (!IS_ERR(dentry) && !is_root)
		fuse_invalidate_entry_cache(dentry);
	return dentry;
}

/* Look up an inode without its name. */
static struct dentry *lookup_alias(struct super_block *sb, struct inode *dir,
				   const struct fuse_fhandle *fh,
				   const struct qstr *name)
{
	struct fuse_entry_out out;
	struct inode *inode;
	int err;

	err = fuse_lookup_name(sb, dir ? get_node_id(dir) : 0, dir, fh, name, &out,
			       &inode);
	if (err || !inode)
		return ERR_PTR(err && err != -ENOENT ? err : -ESTALE);
	if (fuse_is_bad(inode)) {
		iput(inode);
		return ERR_PTR(-ESTALE);
	}
	return obtain_alias(inode);
}

/* Return the cached inode of a handle, or NULL if the server must be asked. */
static struct inode *cached_inode(struct super_block *sb,
				  const struct fuse_fhandle *fh)
{
	struct inode *root = d_inode(sb->s_root);
	struct inode *inode;

	if (get_node_id(root) == FUSE_ROOT_ID && fuse_inode_has_fhandle(root, fh))
		return fuse_is_bad(root) ? NULL : igrab(root);
	inode = fuse_index_find(sb, fh);
	/* The server can have removed an inode without links. */
	if (inode && !inode->i_nlink) {
		iput(inode);
		return NULL;
	}
	return inode;
}

/**
 * fuse_fhandle_dentry - look up the inode of a handle
 * @sb: the superblock
 * @fh: the handle, from a file handle
 *
 * Sends no request if the inode is cached.
 *
 * Return: a dentry with a reference, or an error pointer.
 */
struct dentry *fuse_fhandle_dentry(struct super_block *sb,
				   const struct fuse_fhandle *fh)
{
	struct inode *inode = cached_inode(sb, fh);

	return inode ? obtain_alias(inode) : lookup_alias(sb, NULL, fh,
							 &QSTR("."));
}

/*
 * Return true if open(2) of the inode sends a request. A caller that does not wait for
 * the decode does not wait for the open either: it can be the server.
 */
static bool open_sends_request(struct inode *inode)
{
	const struct fuse_conn *fc = get_fuse_conn(inode);

	/* fuse_permission() can request the attributes. */
	if (fc->default_permissions)
		return true;
	/* The next request to the inode renews its nodeid. */
	if (fuse_inode_void(inode))
		return true;
	if (S_ISDIR(inode->i_mode))
		return !fc->no_opendir;
	return !S_ISREG(inode->i_mode) || !fc->no_open;
}

/**
 * fuse_fhandle_dentry_nowait - look up the inode of a handle without waiting
 * @sb: the superblock
 * @fh: the handle, from a file handle
 *
 * Return: a dentry with a reference; or -EAGAIN if the inode is not cached, or if
 * decoding or opening it can send a request.
 */
struct dentry *fuse_fhandle_dentry_nowait(struct super_block *sb,
					  const struct fuse_fhandle *fh)
{
	struct inode *root = d_inode(sb->s_root);
	struct inode *inode = NULL;
	struct dentry *dentry;

	if (get_node_id(root) != FUSE_ROOT_ID || !fuse_inode_has_fhandle(root, fh))
		inode = fuse_index_find_nowait(sb, fh, open_sends_request);
	else if (!fuse_is_bad(root) && !open_sends_request(root))
		inode = igrab(root);

	dentry = d_obtain_alias_nowait(inode);
	if (!IS_ERR(dentry) && d_inode(dentry) != root)
		fuse_invalidate_entry_cache(dentry);
	return dentry;
}

/**
 * fuse_fhandle_parent - look up the parent of a directory
 * @child: dentry of the directory
 *
 * Return: a dentry with a reference, or an error pointer.
 */
struct dentry *fuse_fhandle_parent(struct dentry *child)
{
	struct inode *inode = d_inode(child);

	/* Its nodeid can belong to another object. */
	if (fuse_is_bad(inode))
		return ERR_PTR(-ESTALE);
	return lookup_alias(inode->i_sb, inode, NULL, &dotdot_name);
}

/* Return 1 if the name is that of @child, 0 if not, or a negative errno. */
static int is_name_of(struct inode *dir, struct inode *child,
		      const struct qstr *name)
{
	struct fuse_forget_link *forget = fuse_alloc_forget();
	struct fuse_mount *fm = get_fuse_mount(dir);
	struct fuse_fhandle fhandle = {};
	struct fuse_entry_out out = {};
	int ret;

	if (!forget)
		return -ENOMEM;
	ret = fuse_lookup_handle(fm, dir, NULL, name, &out, &fhandle, &forget);
	if (!ret) {
		fuse_drop_reused(fm->sb, out.nodeid,
				 fuse_reply_gen(fm->fc, &out), &fhandle);
		ret = out.nodeid && fuse_inode_has_fhandle(child, &fhandle);
	} else if (ret != -ENOMEM && ret != -EINTR) {
		/* Another entry can still be the right one. */
		ret = 0;
	}
	fuse_fhandle_free(&fhandle);
	if (forget && ret >= 0 && out.nodeid && !invalid_nodeid(out.nodeid))
		fuse_chan_queue_forget(fm->fc->chan, forget, out.nodeid, 1,
				       fuse_reply_gen(fm->fc, &out));
	else
		kfree(forget);
	return ret;
}

/* A search for the name of an inode */
struct name_search {
	struct inode *dir;
	struct inode *child;
	struct fuse_file *ff;
	/* Try the entries that have the inode number, or the others */
	bool same_ino;
	/* Offset of the next entry */
	u64 pos;
	/* Replies to FUSE_READDIR */
	u8 *buf;
};

static bool is_candidate(const struct name_search *ns,
			 const struct fuse_dirent *dirent)
{
	u32 type = fs_umode_to_dtype(ns->child->i_mode);

	if (dirent->type != DT_UNKNOWN && dirent->type != type)
		return false;
	if (name_is_dot_dotdot(dirent->name, dirent->namelen))
		return false;
	return (dirent->ino == get_fuse_inode(ns->child)->orig_ino) ==
	       ns->same_ino;
}

/* Return the next part of the directory. */
static ssize_t read_entries(struct name_search *ns)
{
	struct fuse_read_in in = {
		.offset = ns->pos,
		.size = PAGE_SIZE,
	};
	struct fuse_args args = {};

	args.opcode = FUSE_READDIR;
	fuse_args_open_file(&args, ns->ff, &in.fh);
	args.in_numargs = 1;
	args.in_args[0].size = sizeof(in);
	args.in_args[0].value = &in;
	args.out_numargs = 1;
	args.out_argvar = true;
	args.out_args[0].size = PAGE_SIZE;
	args.out_args[0].value = ns->buf;
	return fuse_simple_request(get_fuse_mount(ns->dir), &args);
}

/* Return the length of the name, 0 if it was not found, or a negative errno. */
static int search_entries(struct name_search *ns, ssize_t left, u8 *name,
			  size_t room)
{
	u8 *p = ns->buf;
	int ret;

	while (left >= FUSE_NAME_OFFSET) {
		struct fuse_dirent *dirent = (struct fuse_dirent *)p;
		size_t size;

		if (!dirent->namelen || dirent->namelen > FUSE_NAME_MAX)
			return -EIO;
		size = FUSE_DIRENT_SIZE(dirent);
		if (size > left)
			break;
		/* Do not send an invalid name to the server. */
		if (memchr(dirent->name, '/', dirent->namelen) ||
		    memchr(dirent->name, '\0', dirent->namelen))
			return -EIO;
		ns->pos = dirent->off;
		p += size;
		left -= size;
		if (dirent->namelen > room || !is_candidate(ns, dirent))
			continue;
		ret = is_name_of(ns->dir, ns->child,
				 &QSTR_LEN(dirent->name, dirent->namelen));
		if (ret < 0)
			return ret;
		if (ret) {
			memcpy(name, dirent->name, dirent->namelen);
			return dirent->namelen;
		}
	}
	/* Without an entry, the next request would be the same. */
	return p == ns->buf ? -EIO : 0;
}

static int search_directory(struct name_search *ns, u8 *name, size_t room)
{
	ssize_t size;
	int ret;

	ns->pos = 0;
	do {
		size = read_entries(ns);
		if (size <= 0)
			return size;
		ret = search_entries(ns, size, name, room);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
	} while (!ret);
	return ret;
}

/**
 * fuse_fhandle_get_name - find the name of an inode in a directory
 * @parent: dentry of the directory
 * @child: dentry of the inode
 * @name: receives the name, without a terminator
 * @room: size of @name
 *
 * The server need not return inode numbers in FUSE_READDIR, so the handles are
 * compared.
 *
 * Return: the length of the name, or a negative errno.
 */
int fuse_fhandle_get_name(struct dentry *parent, struct dentry *child, u8 *name,
			  size_t room)
{
	struct name_search ns = {
		.dir = d_inode(parent),
		.child = d_inode(child),
	};
	int ret;

	/* The server can name a file that is not a directory as the parent. */
	if (!S_ISDIR(ns.dir->i_mode))
		return -ENOTDIR;
	if (fuse_is_bad(ns.dir) || fuse_is_bad(ns.child))
		return -ESTALE;
	u8 *buf __free(kfree) = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;

	ns.buf = buf;
	ns.ff = fuse_file_open(get_fuse_mount(ns.dir), get_node_id(ns.dir),
			       ns.dir, O_RDONLY | O_DIRECTORY, true);
	if (IS_ERR(ns.ff))
		return PTR_ERR(ns.ff);
	ns.same_ino = true;
	ret = search_directory(&ns, name, room);
	if (!ret) {
		ns.same_ino = false;
		ret = search_directory(&ns, name, room);
	}
	fuse_file_release(ns.dir, ns.ff, O_RDONLY | O_DIRECTORY, NULL, true);
	return ret ?: -ENOENT;
}
