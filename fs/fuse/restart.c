// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE: servers that are restarted under a mount
 *
 * FUSE_NOTIFY_RESTART makes all nodeids and IDs of open files void. Each of them is
 * stored with the number of the server that uses it. Before a request is sent, its
 * IDs are renewed by handle if they are void. A request that cannot wait for that is
 * sent with nodeid 0, and the server uses the handles in it.
 */

#include "dev.h"
#include "fuse_i.h"

#include <linux/sched/signal.h>
#include <linux/wait_bit.h>

/* A request is sent by handle if the server is restarted again and again. */
#define RENEW_MAX	8

/**
 * fuse_inode_void - check whether the server does not know the nodeid of an inode
 * @inode: the inode
 *
 * The nodeid of the root is the same for all servers.
 *
 * Return: true if the nodeid is void.
 */
bool fuse_inode_void(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	return READ_ONCE(fi->server_gen) !=
		       fuse_chan_server_gen(get_fuse_conn(inode)->chan) &&
	       fi->nodeid != FUSE_ROOT_ID;
}

/**
 * fuse_file_void - check whether the server does not know the ID of an open file
 * @ff: the open file
 *
 * Return: true if the ID is void.
 */
bool fuse_file_void(struct fuse_file *ff)
{
	return READ_ONCE(ff->server_gen) !=
	       fuse_chan_server_gen(ff->fm->fc->chan);
}

/**
 * __fuse_file_lost_locks - check whether a lock was held by a server that is gone
 * @ff: the open file, by which a lock was taken
 *
 * Another process can have the lock.
 *
 * Return: true if a lock is lost.
 */
bool __fuse_file_lost_locks(struct fuse_file *ff)
{
	u32 server_gen = fuse_chan_server_gen(ff->fm->fc->chan) + 1;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ff->lock_gen); i++) {
		u32 lock_gen = READ_ONCE(ff->lock_gen[i]);

		if (lock_gen && lock_gen != server_gen)
			return true;
	}
	return false;
}

/**
 * fuse_file_has_flock - check whether the server holds an flock of an open file
 * @ff: the open file
 *
 * The server can have executed a lock that was repeated, and not have opened the file.
 *
 * Return: true if FUSE_RELEASE must release the lock.
 */
bool fuse_file_has_flock(struct fuse_file *ff)
{
	return READ_ONCE(ff->lock_gen[1]) ==
	       fuse_chan_server_gen(ff->fm->fc->chan) + 1;
}

/* The server does not find the object. Its nodeids never refer to another one. */
static int gone(int err)
{
	return err == -ENOENT ? -ESTALE : err;
}

/*
 * The caller can hold folio locks of the inode, so its pages are not invalidated, even
 * if its attributes are not those that are cached.  They are requested again before
 * they are used.
 */
static int look_up_again(struct inode *inode)
{
	struct fuse_fhandle fh = fuse_inode_fhandle(inode), fhandle = {};
	struct fuse_mount *fm = get_fuse_mount(inode);
	struct fuse_forget_link *forget;
	struct fuse_entry_out out = {};
	bool stale;
	int err;

	if (!fuse_fhandle_known(&fh))
		return -ESTALE;
	forget = fuse_alloc_forget();
	if (!forget)
		return -ENOMEM;

	err = fuse_lookup_handle(fm, NULL, &fh, &QSTR("."), &out, &fhandle,
				 &forget);
	fuse_fhandle_free(&fhandle);
	if (!err && !out.nodeid)
		err = -ESTALE;
	if (err) {
		kfree(forget);
		return gone(err);
	}
	/* The root is not looked up. */
	if (out.nodeid == FUSE_ROOT_ID) {
		kfree(forget);
		return -EIO;
	}
	stale = fuse_stale_inode(inode, out.generation, &out.attr);
	if (stale || !fuse_change_nodeid(inode, out.nodeid, out.generation)) {
		fuse_chan_queue_forget(fm->fc->chan, forget, out.nodeid, 1,
				       out.generation);
		/* A lookup by name can have renewed the nodeid in the meantime. */
		if (!fuse_inode_void(inode))
			return 0;
		return stale ? -ESTALE : -EIO;
	}
	kfree(forget);
	fuse_count_lookups(inode, out.nodeid, 1, out.generation);
	/* A reply of the former server can have been used in the meantime. */
	fuse_invalidate_attr(inode);
	return 0;
}

static int lock_inode(struct inode *inode)
{
	return wait_on_bit_lock(&get_fuse_inode(inode)->state, FUSE_I_RENEWING,
				TASK_KILLABLE) ? -EINTR : 0;
}

static void unlock_inode(struct inode *inode)
{
	clear_and_wake_up_bit(FUSE_I_RENEWING, &get_fuse_inode(inode)->state);
}

/**
 * fuse_renew_inode - request a nodeid that the server knows
 * @inode: the inode
 *
 * Return: 0, or a negative errno. -ESTALE if the server does not find the object.
 */
int fuse_renew_inode(struct inode *inode)
{
	int err = lock_inode(inode);

	if (err)
		return err;
	if (fuse_inode_void(inode))
		err = look_up_again(inode);
	unlock_inode(inode);
	return err;
}

static bool has_id(struct fuse_file *ff)
{
	struct fuse_conn *fc = ff->fm->fc;

	return S_ISDIR(ff->inode->i_mode) ? !fc->no_opendir : !fc->no_open;
}

static int open_again(struct fuse_file *ff)
{
	struct fuse_conn *fc = ff->fm->fc;
	u32 server_gen = fuse_chan_server_gen(fc->chan);
	struct fuse_open_out out = {};
	int err = 0;

	if (has_id(ff))
		err = fuse_send_open_again(ff, &out, &server_gen);
	if (err == -ENOSYS) {
		/* As in fuse_file_open(). The caller's request may be implemented. */
		if (S_ISDIR(ff->inode->i_mode))
			fc->no_opendir = 1;
		else
			fc->no_open = 1;
		err = 0;
	}
	if (err)
		return gone(err);
	/* How the file is cached does not change while it is open. */
	spin_lock(&fc->ids_lock);
	ff->fh = out.fh;
	WRITE_ONCE(ff->server_gen, server_gen);
	spin_unlock(&fc->ids_lock);
	return 0;
}

static int renew_file(struct fuse_file *ff)
{
	int err = lock_inode(ff->inode);

	if (err)
		return err;
	if (fuse_file_void(ff))
		err = open_again(ff);
	unlock_inode(ff->inode);
	return err;
}

static bool is_void(const struct fuse_args_object *object)
{
	return fuse_inode_void(object->inode) ||
	       (object->ff && fuse_file_void(object->ff));
}

/**
 * fuse_args_renew - renew the IDs of the inodes and files of a request
 * @fc: the connection
 * @args: the request
 *
 * Return: 0, or a negative errno. The IDs can be void again if the server is
 * restarted.
 */
int fuse_args_renew(struct fuse_conn *fc, struct fuse_args *args)
{
	unsigned int i, tries;
	int err;

	if (likely(!fuse_chan_server_gen(fc->chan)))
		return 0;
	for (i = 0; i < ARRAY_SIZE(args->objects); i++) {
		struct fuse_args_object *object = &args->objects[i];

		if (!object->inode)
			break;
		for (tries = 0; is_void(object) && tries < RENEW_MAX; tries++) {
			if (fuse_is_bad(object->inode))
				return -EIO;
			err = 0;
			if (fuse_inode_void(object->inode))
				err = fuse_renew_inode(object->inode);
			if (!err && object->ff && fuse_file_void(object->ff))
				err = renew_file(object->ff);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Copy the IDs of an object to the request. Return false if they are void. */
static bool take_object(struct fuse_args *args, struct fuse_args_object *object,
			u32 server_gen)
{
	struct fuse_inode *fi = get_fuse_inode(object->inode);

	*(object->nodeid ?: &args->nodeid) = fi->nodeid;
	if (fi->nodeid != FUSE_ROOT_ID && fi->server_gen != server_gen)
		return false;
	if (!object->ff)
		return true;
	*object->fh = object->ff->fh;
	return object->ff->server_gen == server_gen;
}

/**
 * fuse_args_take_ids - copy the present IDs of inodes and files to a request
 * @fc: the connection
 * @args: the request
 *
 * The IDs that the request contains can have been renewed in the meantime.
 */
void fuse_args_take_ids(struct fuse_conn *fc, struct fuse_args *args)
{
	u32 server_gen = fuse_chan_server_gen(fc->chan);
	struct fuse_args_object *object = args->objects;
	bool valid = true;
	unsigned int i;

	args->names_inode = object->ff || object[1].inode ||
			    get_node_id(object->inode) != FUSE_ROOT_ID;
	args->server_gen = 0;
	if (likely(!server_gen))
		return;

	spin_lock(&fc->ids_lock);
	for (i = 0; i < ARRAY_SIZE(args->objects) && object[i].inode; i++)
		valid &= take_object(args, &object[i], server_gen);
	spin_unlock(&fc->ids_lock);
	args->server_gen = valid ? server_gen : FUSE_SERVER_GEN_VOID;
}
