// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE: the handles of the inodes of a request
 *
 * A server can ask for the handles of the inodes of each request, so that it does
 * not have to remember nodeids. They follow the arguments, as extensions.
 */

#include "dev.h"
#include "fuse_i.h"

#include <linux/slab.h>

/* A request with data has one inode. */
static_assert(FUSE_REQUEST_HANDLE_ROOM >= 8 + FUSE_EXT_HANDLE_MAX);

/*
 * Return a copy of the handle of an inode. Its bytes belong to the inode. Called
 * with fi->lock held if a page is written back.
 */
static struct fuse_fhandle request_fhandle(struct fuse_conn *fc,
					   struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct fuse_fhandle fh = {};

	if (get_node_id(inode) == FUSE_ROOT_ID) {
		spin_lock(&fc->lock);
		fh = fc->root_fhandle;
		spin_unlock(&fc->lock);
	} else if (test_bit_acquire(FUSE_I_HAS_FHANDLE, &fi->state)) {
		fh = fi->fhandle;
	}
	return fh;
}

/* The extensions of a request that exist already are moved to the tail as well. */
static int build_tail(struct fuse_args *args, const struct fuse_fhandle *fh,
		      unsigned int nr, gfp_t flags)
{
	struct fuse_in_arg *ext = NULL;
	size_t len = 0, ext_len = 0;
	unsigned int i;
	u8 *p;

	if (args->is_ext)
		ext = &args->in_args[args->ext_idx];
	for (i = 0; i < args->in_numargs; i++)
		len += args->in_args[i].size;
	if (ext) {
		len -= ext->size;
		ext_len = ext->size;
	}
	for (i = 0; i < nr; i++)
		ext_len += fuse_fhandle_ext_size(&fh[i]);
	len = FUSE_REC_ALIGN(len) - len + ext_len;
	if (len > U16_MAX)
		return -E2BIG;
	args->tail_len = len;
	args->tail_extlen = ext_len;

	p = kzalloc(args->tail_len, flags);
	if (!p)
		return -ENOMEM;
	args->tail = p;
	p += args->tail_len - ext_len;
	if (ext) {
		memcpy(p, ext->value, ext->size);
		p += ext->size;
		args->in_numargs--;
		args->ext_in_tail = true;
	}
	for (i = 0; i < nr; i++)
		p += fuse_fhandle_ext(&fh[i], p, fuse_fhandle_ext_size(&fh[i]));
	return 0;
}

/* A request must not reach a server without the lock that the caller relies on. */
static int check_locks(struct fuse_conn *fc, struct fuse_args *args)
{
	u32 server_gen = fuse_chan_server_gen(fc->chan);
	unsigned int i;

	args->lock_gen = 0;
	/* FUSE_FLUSH, FUSE_RELEASE and the write-back of pages are forced. */
	if (args->force || args->any_file)
		return 0;
	for (i = 0; i < ARRAY_SIZE(args->objects); i++) {
		struct fuse_file *ff = args->objects[i].ff;

		if (!ff || likely(!fuse_file_has_locks(ff)))
			continue;
		if (fuse_file_lost_locks(ff))
			return -EIO;
		args->lock_gen = server_gen + 1;
	}
	return 0;
}

/**
 * __fuse_args_add_handles - add the handles of the inodes of a request
 * @fc: the connection
 * @args: the request
 * @flags: for the allocation of the extensions
 * @may_renew: whether to renew IDs that are void, which sends requests
 *
 * A lookup already contains the handle of the directory.
 *
 * Return: 0 or a negative errno.
 */
int __fuse_args_add_handles(struct fuse_conn *fc, struct fuse_args *args,
			    gfp_t flags, bool may_renew)
{
	struct fuse_fhandle fh[ARRAY_SIZE(args->objects)];
	unsigned int nr, known = 0;
	int err;

	/* The requests in a compound have handles of their own. */
	if (!args->objects[0].inode)
		return 0;
	if (may_renew && !args->no_renew) {
		err = fuse_args_renew(fc, args);
		if (err)
			return err;
	}
	fuse_args_take_ids(fc, args);
	err = check_locks(fc, args);
	if (err)
		return err;
	args->has_handles = false;
	if (args->opcode == FUSE_LOOKUP_HANDLE) {
		args->has_handles = args->is_ext;
		return 0;
	}
	for (nr = 0; nr < ARRAY_SIZE(fh); nr++) {
		if (!args->objects[nr].inode)
			break;
		fh[nr] = request_fhandle(fc, args->objects[nr].inode);
		known += fuse_fhandle_known(&fh[nr]);
	}
	if (!known)
		return 0;
	args->has_handles = known == nr;
	return build_tail(args, fh, nr, flags);
}

/**
 * __fuse_args_drop_handles - undo __fuse_args_add_handles()
 * @args: the request, which was sent and has ended, or was not sent
 */
void __fuse_args_drop_handles(struct fuse_args *args)
{
	/* NULL if the request was sent */
	kfree(args->tail);
	args->tail = NULL;
	if (args->ext_in_tail) {
		args->in_numargs++;
		args->ext_in_tail = false;
	}
}
