// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE: lookups by handle
 *
 * A lookup is a compound of FUSE_LOOKUP_HANDLE and FUSE_STATX. fhandle.rs parses
 * handles.
 */

#include "compound.h"
#include "dev.h"
#include "fuse_i.h"

#include <linux/exportfs.h>
#include <linux/slab.h>

static_assert(sizeof(struct fuse_entry2_out) == 32);
static_assert(offsetof(struct fuse_entry2_out, flags) == 20);
static_assert(sizeof(struct fuse_file_handle) == 8);
static_assert(sizeof(struct fuse_fhandle) == 32);
static_assert(offsetof(struct fuse_fhandle, data) == 8);

/*
 * A known handle does not change while the inode exists. The handle of the root
 * is requested before there is an inode, so it is kept in the connection.
 */
static struct fuse_fhandle *fhandle_lock(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct fuse_conn *fc = get_fuse_conn(inode);

	if (fi->nodeid == FUSE_ROOT_ID) {
		spin_lock(&fc->lock);
		return &fc->root_fhandle;
	}
	spin_lock(&fi->lock);
	return &fi->fhandle;
}

static void fhandle_unlock(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	if (fi->nodeid == FUSE_ROOT_ID)
		spin_unlock(&get_fuse_conn(inode)->lock);
	else
		spin_unlock(&fi->lock);
}

/*
 * Return a copy of the handle of an inode. Its bytes belong to the inode: they
 * must not be freed, nor used after the inode is released.
 */
struct fuse_fhandle fuse_inode_fhandle(struct inode *inode)
{
	struct fuse_fhandle fh = {};

	if (!fuse_has_handles(get_fuse_conn(inode)))
		return fh;
	fh = *fhandle_lock(inode);
	fhandle_unlock(inode);
	return fh;
}

/*
 * Compare the handle of an inode with the one in a reply. An inode whose handle is
 * unknown takes over that of the reply. Returns false if the handles differ.
 */
bool fuse_inode_adopt_fhandle(struct inode *inode, struct fuse_fhandle *found)
{
	bool same;

	/* An unknown handle matches any. Without handles, all are unknown. */
	if (!found->len)
		return true;
	same = fuse_fhandle_adopt(fhandle_lock(inode), found);
	fuse_publish_fhandle(get_fuse_inode(inode));
	fhandle_unlock(inode);
	if (same)
		fuse_index_add(inode);
	return same;
}

/* Return true if the handle of an inode is known, and is @fh. */
bool fuse_inode_has_fhandle(struct inode *inode, const struct fuse_fhandle *fh)
{
	struct fuse_fhandle *known = fhandle_lock(inode);
	bool same = known->len && fh->len && fuse_fhandle_same(known, fh);

	fhandle_unlock(inode);
	return same;
}

/* The reply to FUSE_LOOKUP_HANDLE */
struct handle_reply {
	struct fuse_entry2_out entry;
	u8 fhandle[sizeof(struct fuse_file_handle) + FUSE_MAX_HANDLE_SIZE];
};

/* FUSE_LOOKUP_HANDLE and FUSE_STATX of what it finds */
struct handle_lookup {
	struct fuse_args lookup;
	struct fuse_args statx;
	struct handle_reply reply;
	struct fuse_statx_out attr;
	/* The results. That of @lookup is the size of the handle. */
	int found;
	int statx_err;
};

/* The terminator of a name, and the padding before an extension */
static const u8 zeros[FUSE_REC_ALIGN(1)];

static void lookup_handle_init(struct fuse_args *args, u64 nodeid,
			       const struct qstr *name,
			       struct handle_reply *reply)
{
	args->opcode = FUSE_LOOKUP_HANDLE;
	args->nodeid = nodeid;
	args->in_numargs = 3;
	fuse_set_zero_arg0(args);
	args->in_args[1].size = name->len;
	args->in_args[1].value = name->name;
	args->in_args[2].size = 1;
	args->in_args[2].value = zeros;
	args->out_numargs = 2;
	args->out_argvar = true;
	args->out_args[0].size = sizeof(reply->entry);
	args->out_args[0].value = &reply->entry;
	args->out_args[1].size = sizeof(reply->fhandle);
	args->out_args[1].value = reply->fhandle;
}

/* Add a handle, if it is known. @ext has room for FUSE_EXT_HANDLE_MAX bytes. */
static void lookup_handle_ext(struct fuse_args *args,
			      const struct fuse_fhandle *fh, u8 *ext)
{
	unsigned int name_len = args->in_args[1].size;
	size_t size;

	if (!fh || !fuse_fhandle_known(fh))
		return;
	size = fuse_fhandle_ext(fh, ext, FUSE_EXT_HANDLE_MAX);
	args->in_args[2].size = FUSE_REC_ALIGN(name_len + 1) - name_len;
	args->in_args[3].size = size;
	args->in_args[3].value = ext;
	args->is_ext = true;
	args->ext_idx = args->in_numargs++;
}

static void handle_lookup_init(struct handle_lookup *hl, u64 nodeid,
			       const struct qstr *name)
{
	static const struct fuse_statx_in statx_in = {
		.sx_mask = STATX_BASIC_STATS,
	};

	memset(hl, 0, sizeof(*hl));
	lookup_handle_init(&hl->lookup, nodeid, name, &hl->reply);
	hl->statx.opcode = FUSE_STATX;
	hl->statx.in_numargs = 1;
	hl->statx.in_args[0].size = sizeof(statx_in);
	hl->statx.in_args[0].value = &statx_in;
	hl->statx.out_numargs = 1;
	hl->statx.out_args[0].size = sizeof(hl->attr);
	hl->statx.out_args[0].value = &hl->attr;
}

/* A server that negotiates handles must implement the requests. */
static int server_error(int err)
{
	return err == -ENOSYS ? -EIO : err;
}

/* Store the attributes of a FUSE_STATX that has succeeded. */
static int statx_to_entry(struct handle_lookup *hl, struct fuse_entry_out *out,
			  u32 flags)
{
	if (~hl->attr.stat.mask & STATX_BASIC_STATS)
		return -EIO;
	out->attr_valid = hl->attr.attr_valid;
	out->attr_valid_nsec = hl->attr.attr_valid_nsec;
	fuse_statx_to_attr(&hl->attr.stat, &out->attr);
	/* FUSE_STATX does not return these. */
	out->attr.flags = flags & (FUSE_ATTR_SUBMOUNT | FUSE_ATTR_DAX);
	return fuse_invalid_attr(&out->attr) ? -EIO : 0;
}

/*
 * The root has no name and is never forgotten. Return true if the reply has the
 * nodeid of the root, but is not about the root.
 */
static bool other_root(struct fuse_conn *fc, const struct qstr *name,
		       u64 nodeid, const struct fuse_fhandle *fhandle)
{
	bool same;

	if (nodeid != FUSE_ROOT_ID)
		return false;
	if (!name_is_dot_dotdot(name->name, name->len))
		return true;
	spin_lock(&fc->lock);
	same = fuse_fhandle_same(&fc->root_fhandle, fhandle);
	spin_unlock(&fc->lock);
	return !same;
}

/* With @decode, the inode of @fh was looked up. */
static int lookup_result(struct fuse_mount *fm, struct handle_lookup *hl,
			 bool decode, const struct fuse_fhandle *fh,
			 const struct qstr *name,
			 struct fuse_entry_out *out,
			 struct fuse_fhandle *fhandle)
{
	struct fuse_entry2_out *entry = &hl->reply.entry;
	u32 flags = entry->flags;
	int err;

	if (hl->found < 0)
		return server_error(hl->found);
	err = fuse_fhandle_parse(entry, hl->reply.fhandle, hl->found, true,
				 fhandle);
	if (err)
		return err;
	memset(out, 0, sizeof(*out));
	out->nodeid = entry->nodeid;
	out->generation = hl->lookup.server_gen;
	out->entry_valid = entry->entry_valid;
	out->entry_valid_nsec = entry->entry_valid_nsec;
	if (!out->nodeid)
		return 0;

	if (hl->statx_err)
		return server_error(hl->statx_err);
	/* An inode without a name is not the mount point of a submount. */
	if (name_is_dot_dotdot(name->name, name->len))
		flags &= ~FUSE_ATTR_SUBMOUNT;
	err = statx_to_entry(hl, out, flags);
	if (!err && other_root(fm->fc, name, out->nodeid, fhandle))
		err = -EIO;
	/* A reply with another handle is about another inode. */
	if (!err && decode &&
	    (!fhandle->len || !fuse_fhandle_same(fh, fhandle)))
		err = -ESTALE;
	return err;
}

/**
 * fuse_lookup_handle - look up a name and its handle
 * @fm: the mount
 * @dir: the directory, or NULL to look up the inode of @fh
 * @fh: the handle, without a directory
 * @name: the name
 * @out: receives the entry and the attributes
 * @fhandle: receives the handle, which the caller must free
 * @forget: the link with which a lookup is forgotten; becomes NULL if it is used
 *
 * Return: 0 or a negative errno. On success, the server has counted a lookup if
 * @out->nodeid is not 0. On failure, the lookup was forgotten.
 */
int fuse_lookup_handle(struct fuse_mount *fm, struct inode *dir,
		       const struct fuse_fhandle *fh, const struct qstr *name,
		       struct fuse_entry_out *out, struct fuse_fhandle *fhandle,
		       struct fuse_forget_link **forget)
{
	u8 ext[FUSE_EXT_HANDLE_MAX];
	struct handle_lookup hl;
	struct fuse_compound_op ops[] = {
		{ &hl.lookup, &hl.found, FUSE_NO_DEPENDENCY },
		{ &hl.statx, &hl.statx_err, 0 },
	};
	struct fuse_fhandle dir_fhandle;
	u64 nodeid;
	int err;

	if (dir) {
		dir_fhandle = fuse_inode_fhandle(dir);
		fh = &dir_fhandle;
	}
again:
	handle_lookup_init(&hl, dir ? get_node_id(dir) : 0, name);
	if (dir)
		fuse_args_inode(&hl.lookup, dir);
	lookup_handle_ext(&hl.lookup, fh, ext);
	err = fuse_compound_send(&invalid_mnt_idmap, fm, ops, ARRAY_SIZE(ops));
	if (!err)
		err = lookup_result(fm, &hl, !dir, fh, name, out, fhandle);
	else if (hl.found >= 0)
		fuse_fhandle_parse(&hl.reply.entry, hl.reply.fhandle, hl.found, true,
				   fhandle);
	if (!err)
		return 0;
	/* The server was restarted between the two requests. */
	if (hl.statx_err == -ESTALE && hl.found >= 0 &&
	    hl.lookup.server_gen != fuse_chan_server_gen(fm->fc->chan)) {
		fuse_fhandle_free(fhandle);
		goto again;
	}

	nodeid = hl.reply.entry.nodeid;
	/*
	 * The server has counted a lookup of the entry, so it uses the nodeid for an
	 * object with this handle, whatever else in the reply is not valid.
	 */
	if (dir)
		fuse_drop_reused(fm->sb, nodeid, hl.lookup.server_gen, fhandle);
	fuse_fhandle_free(fhandle);
	if (!invalid_nodeid(nodeid)) {
		fuse_chan_queue_forget(fm->fc->chan, *forget, nodeid, 1,
				       hl.lookup.server_gen);
		*forget = NULL;
	}
	return err;
}

/*
 * It is no error if the handle of a new inode is unknown. @err is the error of the
 * compound. The handle is parsed even if another part of the reply is not valid.
 */
static int new_handle_result(struct handle_lookup *hl, int err, u64 nodeid,
			     struct fuse_entry_out *out,
			     struct fuse_fhandle *fhandle)
{
	struct fuse_entry2_out *entry = &hl->reply.entry;

	if (hl->found >= 0) {
		if (fuse_fhandle_parse(entry, hl->reply.fhandle, hl->found, true,
				       fhandle) == -EIO)
			return -EIO;
		if (entry->nodeid && entry->nodeid != nodeid)
			return -EIO;
		/* The handle in a negative entry is not about the inode. */
		if (!entry->nodeid)
			fuse_fhandle_free(fhandle);
	}
	if (err)
		return err;
	if (hl->found == -ENOSYS || hl->statx_err == -ENOSYS)
		return -EIO;
	/* Look the name up again if the handle is unknown. */
	if (!fhandle->len) {
		out->entry_valid = 0;
		out->entry_valid_nsec = 0;
	}
	if (!hl->statx_err)
		return statx_to_entry(hl, out, out->attr.flags);
	/* Other attributes may have been received in the meantime. */
	out->attr_valid = 0;
	out->attr_valid_nsec = 0;
	return 0;
}

/**
 * fuse_create_handle - create or link an inode, and look up its handle
 * @idmap: idmap of the mount
 * @fm: the mount
 * @args: the request, whose first output argument is @out
 * @out: receives the entry and the attributes
 * @new: receives the handle, the number of lookups that the server has counted,
 *	 and an error with which the operation fails although the inode exists
 *
 * Return: the result of the request.
 */
int fuse_create_handle(struct mnt_idmap *idmap, struct fuse_mount *fm,
		       struct fuse_args *args, struct fuse_entry_out *out,
		       struct fuse_new_handle *new)
{
	struct handle_lookup hl;
	int created;
	struct fuse_compound_op ops[] = {
		{ args, &created, FUSE_NO_DEPENDENCY },
		{ &hl.lookup, &hl.found, 0 },
		{ &hl.statx, &hl.statx_err, 0 },
	};
	struct fuse_forget_link *forget = fuse_alloc_forget();
	u64 nodeid, to_forget = 0;

	if (!forget)
		return -ENOMEM;

	handle_lookup_init(&hl, 0, &QSTR("."));
	new->err = fuse_compound_send(idmap, fm, ops, ARRAY_SIZE(ops));
	nodeid = hl.reply.entry.nodeid;
	if (created < 0) {
		/* The entry can be valid even if the reply is not. */
		to_forget = out->nodeid;
		/* If another part of the reply is invalid, the error is not used. */
		if (new->err)
			created = new->err;
	} else {
		out->generation = args->server_gen;
		if (nodeid != out->nodeid)
			to_forget = nodeid;
		else if (hl.lookup.server_gen == args->server_gen)
			new->nlookup++;
		new->err = new_handle_result(&hl, new->err, out->nodeid, out,
					     &new->fhandle);
		/*
		 * As in fuse_lookup_handle(). The nodeid can be that of another object
		 * than the new one. Otherwise, fuse_iget() or fuse_drop_new() follow.
		 */
		if (new->err)
			fuse_drop_reused(fm->sb, nodeid, hl.lookup.server_gen,
					 &new->fhandle);
	}
	if (invalid_nodeid(to_forget))
		kfree(forget);
	else
		fuse_chan_queue_forget(fm->fc->chan, forget, to_forget, 1,
				       created < 0 ? args->server_gen :
						     hl.lookup.server_gen);
	return created;
}

struct root_args {
	struct fuse_args args;
	struct fuse_conn *fc;
	struct fuse_forget_link *forget;
	struct handle_reply reply;
};

/*
 * Parse the reply to a lookup of "." of @nodeid. @found is the size of the handle,
 * or an error. The lookup is forgotten. Consumes @forget.
 */
static int dot_result(struct fuse_conn *fc, struct fuse_args *args, u64 nodeid,
		      struct handle_reply *reply, int found, bool may_sleep,
		      struct fuse_forget_link *forget,
		      struct fuse_fhandle *fhandle)
{
	struct fuse_entry2_out *entry = &reply->entry;
	int err = found;

	if (found >= 0) {
		err = fuse_fhandle_parse(entry, reply->fhandle, found,
					 may_sleep, fhandle);
		if (!err && entry->nodeid != nodeid)
			err = -EIO;
		/* The server has counted a lookup. */
		if (!invalid_nodeid(entry->nodeid)) {
			fuse_chan_queue_forget(fc->chan, forget, entry->nodeid,
					       1, args->server_gen);
			forget = NULL;
		}
	}
	kfree(forget);
	return err;
}

/* Called while the server writes its reply: must not wait for memory */
static void lookup_root_end(struct fuse_args *args, int error)
{
	struct root_args *ra = container_of(args, typeof(*ra), args);
	struct fuse_fhandle fh = {};
	struct fuse_conn *fc = ra->fc;
	int err;

	err = dot_result(fc, args, FUSE_ROOT_ID, &ra->reply,
			 error ?: args->out_args[1].size, false, ra->forget,
			 &fh);
	if (!err) {
		spin_lock(&fc->lock);
		fuse_fhandle_adopt(&fc->root_fhandle, &fh);
		spin_unlock(&fc->lock);
	}
	fuse_fhandle_free(&fh);
	WRITE_ONCE(fc->retry_root_fhandle, !!err);
	kfree(ra);
}

/*
 * Request the handle of the root. The root is never looked up by name. This is the
 * first request after FUSE_INIT. If it fails, the next operation on the root repeats
 * it.
 */
static void lookup_root(struct fuse_mount *fm)
{
	struct root_args *ra = kzalloc_obj(*ra, GFP_ATOMIC);

	fm->fc->retry_root_fhandle = true;
	if (!ra)
		return;
	ra->forget = fuse_alloc_forget_atomic();
	if (!ra->forget)
		goto free;

	ra->fc = fm->fc;
	lookup_handle_init(&ra->args, FUSE_ROOT_ID, &QSTR("."), &ra->reply);
	ra->args.force = true;
	ra->args.nocreds = true;
	ra->args.end = lookup_root_end;
	fm->fc->retry_root_fhandle = false;
	if (!fuse_simple_background(fm, &ra->args, GFP_ATOMIC))
		return;
	fm->fc->retry_root_fhandle = true;
free:
	kfree(ra->forget);
	kfree(ra);
}

/**
 * fuse_retry_fhandle - request the handle of a root again
 * @inode: the root of the filesystem or of a submount
 *
 * Called in process context if a request for the handle has failed, or if the
 * handle was unknown when the submount was mounted.
 */
void fuse_retry_fhandle(struct inode *inode)
{
	struct fuse_forget_link *forget = fuse_alloc_forget();
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct fuse_mount *fm = get_fuse_mount(inode);
	struct handle_reply reply = {};
	struct fuse_fhandle fh = {};
	struct fuse_args args = {};
	int err;

	if (!forget)
		return;
	lookup_handle_init(&args, fi->nodeid, &QSTR("."), &reply);
	err = fuse_simple_request(fm, &args);
	err = dot_result(fm->fc, &args, fi->nodeid, &reply, err, true, forget,
			 &fh);
	if (!err) {
		fuse_inode_adopt_fhandle(inode, &fh);
		if (fi->nodeid == FUSE_ROOT_ID)
			WRITE_ONCE(fm->fc->retry_root_fhandle, false);
		else
			clear_bit(FUSE_I_RETRY_FHANDLE, &fi->state);
	}
	fuse_fhandle_free(&fh);
}

/**
 * fuse_init_handles - enable handles, which the reply to INIT negotiates
 * @fm: the first mount of the connection
 * @export: whether file handles can be decoded
 * @request_handle: whether each request contains the handles of its inodes
 */
void fuse_init_handles(struct fuse_mount *fm, bool export, bool request_handle)
{
	struct fuse_conn *fc = fm->fc;

	fc->lookup_handle = 1;
	fc->request_handle = request_handle;
	fm->sb->s_export_op = export ? &fuse_handle_export_operations :
				       &fuse_handle_fid_operations;
	fuse_index_init(fc);
	lookup_root(fm);
}
