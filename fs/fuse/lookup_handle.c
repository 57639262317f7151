// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE: lookups by handle
 *
 * FUSE_LOOKUP_HANDLE and FUSE_STATX are sent as one FUSE_COMPOUND. It has two
 * flat arguments in each direction, so all transports support it. fhandle.rs
 * parses the reply.
 */

#include "dev.h"
#include "fuse_i.h"

#include <linux/exportfs.h>
#include <linux/slab.h>

/*
 * Size of the buffer for the replies in a compound. The longest valid replies are
 * shorter, so that a reply that is too long is received and fails with EIO.
 */
#define COMPOUND_REPLIES_MAX	512

/* One request within a compound, without its arguments */
struct compound_req {
	struct fuse_compound_req_in dep;
	struct fuse_in_header in;
} __packed;

static_assert(sizeof(struct compound_req) == 48);
static_assert(sizeof(struct fuse_compound_in) == 16);
static_assert(sizeof(struct fuse_compound_out) == 16);
static_assert(sizeof(struct fuse_entry2_out) == 40);
static_assert(offsetof(struct fuse_entry2_out, flags) == 28);
static_assert(sizeof(struct fuse_file_handle) == 2);
static_assert(sizeof(struct fuse_fhandle) == 32);
static_assert(offsetof(struct fuse_fhandle, data) == 8);
static_assert(2 * sizeof(struct fuse_out_header) +
	      sizeof(struct fuse_entry2_out) +
	      sizeof(struct fuse_file_handle) + FUSE_MAX_HANDLE_SIZE +
	      sizeof(struct fuse_statx_out) < COMPOUND_REPLIES_MAX);

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
	fhandle_unlock(inode);
	return same;
}

/* Returns true if the handle of an inode is known, and is @fh. */
bool fuse_inode_has_fhandle(struct inode *inode, const struct fuse_fhandle *fh)
{
	struct fuse_fhandle *known = fhandle_lock(inode);
	bool same = known->len && fh->len && fuse_fhandle_same(known, fh);

	fhandle_unlock(inode);
	return same;
}

/* Add a request and its first argument to a compound. */
static u8 *compound_add(u8 *p, u64 index, u32 dependency,
			const struct fuse_args *args, const void *arg,
			size_t size)
{
	struct compound_req req = {
		.dep.dependency = dependency,
		.in = {
			.len = sizeof(req.in) + size,
			.opcode = args->opcode,
			.unique = index,
			.nodeid = args->nodeid,
			.uid = args->uid,
			.gid = args->gid,
			.pid = args->pid,
		},
	};

	memcpy(p, &req, sizeof(req));
	memcpy(p + sizeof(req), arg, size);
	return p + sizeof(req) + size;
}

/* Write the extension, if any, and return its size. */
static size_t put_ext(const struct fuse_fhandle *fh, u8 *buf)
{
	return fh ? fuse_fhandle_ext(fh, buf, FUSE_EXT_HANDLE_MAX) : 0;
}

/* Add an extension to the request that starts at @start and ends at @p. */
static u8 *compound_add_ext(u8 *start, u8 *p, const struct fuse_fhandle *fh)
{
	size_t size = put_ext(fh, p);
	struct compound_req req;

	memcpy(&req, start, sizeof(req));
	req.in.len += size;
	req.in.total_extlen = size / 8;
	memcpy(start, &req, sizeof(req));
	return p + size;
}

static const struct fuse_statx_in lookup_statx_in = {
	.sx_mask = STATX_BASIC_STATS,
};

static size_t compound_size(const struct qstr *name)
{
	return 2 * sizeof(struct compound_req) + name->len + 1 +
	       FUSE_EXT_HANDLE_MAX + sizeof(lookup_statx_in);
}

/* Write the two requests to @buf. @args has the nodeid and the credentials. */
static size_t compound_fill(u8 *buf, struct fuse_args *args,
			    const struct fuse_fhandle *fh,
			    const struct qstr *name)
{
	u8 *p;

	args->opcode = FUSE_LOOKUP_HANDLE;
	p = compound_add(buf, 0, FUSE_COMPOUND_INDEPENDENT, args, name->name,
			 name->len);
	/* The name of a dentry need not be terminated. */
	*p++ = '\0';
	((struct compound_req *)buf)->in.len++;
	p = compound_add_ext(buf, p, fh);

	args->opcode = FUSE_STATX;
	args->nodeid = 0;
	p = compound_add(p, 1, 0, args, &lookup_statx_in,
			 sizeof(lookup_statx_in));
	return p - buf;
}

/* Send both requests as one. Returns 1 if they must be sent one by one. */
static int lookup_compound(struct fuse_mount *fm, u64 nodeid,
			   const struct fuse_fhandle *fh,
			   const struct qstr *name,
			   struct fuse_handle_found *found)
{
	static const struct fuse_compound_in in;
	size_t room = compound_size(name);
	struct fuse_compound_out out;
	struct fuse_args args = {};
	ssize_t ret;

	u8 *buf __free(kfree) = kmalloc(room + COMPOUND_REPLIES_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;

	ret = fuse_fill_creds(fm, &args, &invalid_mnt_idmap);
	if (ret)
		return ret;

	args.nodeid = nodeid;
	args.in_numargs = 2;
	args.in_args[0].size = sizeof(in);
	args.in_args[0].value = &in;
	args.in_args[1].size = compound_fill(buf, &args, fh, name);
	args.in_args[1].value = buf;
	args.out_numargs = 2;
	args.out_argvar = true;
	args.out_args[0].size = sizeof(out);
	args.out_args[0].value = &out;
	args.out_args[1].size = COMPOUND_REPLIES_MAX;
	args.out_args[1].value = buf + room;
	args.opcode = FUSE_COMPOUND;
	args.nodeid = nodeid;

	ret = fuse_simple_request(fm, &args);
	if (ret == -ENOSYS)
		fm->fc->no_compound = 1;
	if (ret == -ENOSYS || ret == -EOPNOTSUPP)
		return 1;
	if (ret < 0)
		return ret;
	return fuse_fhandle_parse_compound(buf + room, ret, found);
}

/* The reply to FUSE_LOOKUP_HANDLE outside of a compound */
struct handle_reply {
	struct fuse_entry2_out entry;
	u8 fhandle[sizeof(struct fuse_file_handle) + FUSE_MAX_HANDLE_SIZE + 2];
};

static void lookup_handle_args(struct fuse_args *args, u64 nodeid,
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
	args->in_args[2].value = "";
	args->out_numargs = 2;
	args->out_argvar = true;
	args->out_args[0].size = sizeof(reply->entry);
	args->out_args[0].value = &reply->entry;
	args->out_args[1].size = sizeof(reply->fhandle);
	args->out_args[1].value = reply->fhandle;
}

/* Send FUSE_LOOKUP_HANDLE alone. Returns the size of the handle argument. */
static ssize_t send_lookup_handle(struct fuse_mount *fm, u64 nodeid,
				  const struct fuse_fhandle *fh,
				  const struct qstr *name,
				  struct handle_reply *reply)
{
	u8 ext[FUSE_EXT_HANDLE_MAX];
	struct fuse_args args = {};

	lookup_handle_args(&args, nodeid, name, reply);
	args.in_args[3].size = put_ext(fh, ext);
	if (args.in_args[3].size) {
		args.in_args[3].value = ext;
		args.is_ext = true;
		args.ext_idx = args.in_numargs++;
	}
	return fuse_simple_request(fm, &args);
}

static int lookup_single(struct fuse_mount *fm, u64 nodeid,
			 const struct fuse_fhandle *fh, const struct qstr *name,
			 struct fuse_handle_found *found)
{
	struct handle_reply reply;
	ssize_t ret;

	ret = send_lookup_handle(fm, nodeid, fh, name, &reply);
	if (ret < 0)
		return ret == -ENOSYS ? -EIO : ret;

	found->entry = reply.entry;
	return fuse_fhandle_parse(reply.fhandle, ret, true, &found->fhandle);
}

static int statx_single(struct fuse_mount *fm, struct fuse_handle_found *found)
{
	struct fuse_args args = {};
	int err;

	args.opcode = FUSE_STATX;
	args.nodeid = found->entry.nodeid;
	args.in_numargs = 1;
	args.in_args[0].size = sizeof(lookup_statx_in);
	args.in_args[0].value = &lookup_statx_in;
	args.out_numargs = 1;
	args.out_args[0].size = sizeof(found->statx);
	args.out_args[0].value = &found->statx;

	err = fuse_simple_request(fm, &args);
	if (err)
		return err == -ENOSYS ? -EIO : err;
	if (~found->statx.stat.mask & STATX_BASIC_STATS)
		return -EIO;
	return 0;
}

static int lookup_found(struct fuse_mount *fm, u64 nodeid,
			const struct fuse_fhandle *fh, const struct qstr *name,
			struct fuse_handle_found *found)
{
	int ret = 1;

	if (!fm->fc->no_compound)
		ret = lookup_compound(fm, nodeid, fh, name, found);
	if (ret <= 0)
		return ret;

	ret = lookup_single(fm, nodeid, fh, name, found);
	if (!ret && found->entry.nodeid)
		ret = statx_single(fm, found);
	return ret;
}

static void found_to_entry(struct fuse_handle_found *found,
			   struct fuse_entry_out *out)
{
	out->nodeid = found->entry.nodeid;
	out->generation = found->entry.generation;
	out->entry_valid = found->entry.entry_valid;
	out->entry_valid_nsec = found->entry.entry_valid_nsec;
	out->attr_valid = found->statx.attr_valid;
	out->attr_valid_nsec = found->statx.attr_valid_nsec;
	fuse_statx_to_attr(&found->statx.stat, &out->attr);
	/* FUSE_STATX does not return these. */
	out->attr.flags = found->entry.flags &
			  (FUSE_ATTR_SUBMOUNT | FUSE_ATTR_DAX);
}

/*
 * The root has no name and is never forgotten. Returns true if the reply has the
 * nodeid of the root, but is not about the root.
 */
static bool other_root(struct fuse_conn *fc, const struct qstr *name,
		       struct fuse_handle_found *found)
{
	bool same;

	if (found->entry.nodeid != FUSE_ROOT_ID)
		return false;
	if (!name_is_dot_dotdot(name->name, name->len))
		return true;
	spin_lock(&fc->lock);
	same = fuse_fhandle_same(&fc->root_fhandle, &found->fhandle);
	spin_unlock(&fc->lock);
	return !same;
}

/* Forget a lookup that fails after the reply. Consumes @forget. */
static void forget_found(struct fuse_conn *fc, struct fuse_handle_found *found,
			 struct fuse_forget_link *forget)
{
	fuse_fhandle_free(&found->fhandle);
	if (invalid_nodeid(found->entry.nodeid))
		kfree(forget);
	else
		fuse_chan_queue_forget(fc->chan, forget, found->entry.nodeid, 1);
}

/**
 * fuse_lookup_handle - look up a name and its handle
 * @fm: the mount
 * @nodeid: nodeid of the directory, or 0 to look up the inode of @fh itself
 * @fh: handle of the directory, or NULL
 * @name: the name
 * @out: receives the entry and the attributes
 * @fhandle: receives the handle, which the caller must free
 *
 * Return: 0 or a negative errno. On success, the server has counted a lookup if
 * @out->nodeid is not 0. On failure, the lookup was forgotten.
 */
int fuse_lookup_handle(struct fuse_mount *fm, u64 nodeid,
		       const struct fuse_fhandle *fh, const struct qstr *name,
		       struct fuse_entry_out *out, struct fuse_fhandle *fhandle)
{
	struct fuse_handle_found *found __free(kfree) = kzalloc_obj(*found);
	struct fuse_forget_link *forget;
	int err;

	forget = found ? fuse_alloc_forget() : NULL;
	if (!forget)
		return -ENOMEM;

	err = lookup_found(fm, nodeid, fh, name, found);
	if (!err) {
		found_to_entry(found, out);
		if (out->nodeid && (fuse_invalid_attr(&out->attr) ||
				    other_root(fm->fc, name, found)))
			err = -EIO;
		/* A reply with another handle is about another inode. */
		if (!err && !nodeid && out->nodeid &&
		    (!found->fhandle.len ||
		     !fuse_fhandle_same(fh, &found->fhandle)))
			err = -ESTALE;
	}
	if (err) {
		forget_found(fm->fc, found, forget);
		return err;
	}
	*fhandle = found->fhandle;
	kfree(forget);
	return 0;
}

/* Request the handle of a new inode. It is no error if it stays unknown. */
static int find_new_handle(struct fuse_mount *fm, u64 nodeid,
			   struct fuse_handle_found *found)
{
	struct handle_reply reply;
	ssize_t ret;
	int err;

	ret = send_lookup_handle(fm, nodeid, NULL, &QSTR("."), &reply);
	if (ret < 0)
		return ret == -ENOSYS ? -EIO : 0;

	found->entry = reply.entry;
	err = fuse_fhandle_parse(reply.fhandle, ret, true, &found->fhandle);
	if (!err && found->entry.nodeid && found->entry.nodeid != nodeid)
		err = -EIO;
	return err == -EIO ? err : 0;
}

/**
 * fuse_lookup_new_handle - look up the handle of a new inode
 * @fm: the mount
 * @out: the entry; the timeout becomes 0 if the handle stays unknown, so that
 *	the name is looked up again
 * @fhandle: receives the handle, which the caller must free
 *
 * The inode exists even if the server does not return its handle.
 *
 * Return: a link with which the caller must forget one lookup, NULL if there is
 * none to forget, or ERR_PTR(-EIO) if the reply is not valid.
 */
struct fuse_forget_link *fuse_lookup_new_handle(struct fuse_mount *fm,
						struct fuse_entry_out *out,
						struct fuse_fhandle *fhandle)
{
	struct fuse_handle_found *found __free(kfree) = kzalloc_obj(*found);
	struct fuse_forget_link *forget;
	int err;

	forget = found ? fuse_alloc_forget() : NULL;
	err = forget ? find_new_handle(fm, out->nodeid, found) : 0;
	if (err || !forget || !found->fhandle.len) {
		out->entry_valid = 0;
		out->entry_valid_nsec = 0;
	}
	if (!forget)
		return NULL;
	if (err || found->entry.nodeid != out->nodeid) {
		forget_found(fm->fc, found, forget);
		return ERR_PTR(err);
	}
	*fhandle = found->fhandle;
	return forget;
}

struct root_args {
	struct fuse_args args;
	struct fuse_conn *fc;
	struct fuse_forget_link *forget;
	struct handle_reply reply;
};

/* Called while the server writes its reply: must not wait for memory */
static void lookup_root_end(struct fuse_args *args, int error)
{
	struct root_args *ra = container_of(args, typeof(*ra), args);
	struct fuse_fhandle fh = {};
	struct fuse_conn *fc = ra->fc;
	u64 nodeid = ra->reply.entry.nodeid;

	if (error)
		goto out;
	if (nodeid == FUSE_ROOT_ID) {
		if (!fuse_fhandle_parse(ra->reply.fhandle,
					args->out_args[1].size, false, &fh)) {
			spin_lock(&fc->lock);
			fuse_fhandle_adopt(&fc->root_fhandle, &fh);
			spin_unlock(&fc->lock);
			fuse_fhandle_free(&fh);
		}
	} else if (nodeid) {
		/* The server has counted a lookup. */
		fuse_chan_queue_forget(fc->chan, ra->forget, nodeid, 1);
		ra->forget = NULL;
	}
out:
	kfree(ra->forget);
	kfree(ra);
}

/*
 * Request the handle of the root, before any other request: the root is never
 * looked up. If this fails, its handle stays unknown.
 */
static void lookup_root(struct fuse_mount *fm)
{
	struct root_args *ra = kzalloc_obj(*ra, GFP_ATOMIC);

	if (!ra)
		return;
	ra->forget = fuse_alloc_forget_atomic();
	if (!ra->forget)
		goto free;

	ra->fc = fm->fc;
	lookup_handle_args(&ra->args, FUSE_ROOT_ID, &QSTR("."), &ra->reply);
	ra->args.force = true;
	ra->args.nocreds = true;
	ra->args.end = lookup_root_end;
	if (!fuse_simple_background(fm, &ra->args, GFP_ATOMIC))
		return;
free:
	kfree(ra->forget);
	kfree(ra);
}

/*
 * Look up an inode without its name. The dentry is revalidated when it is next
 * used by name.
 */
static struct dentry *lookup_alias(struct super_block *sb, u64 nodeid,
				   const struct fuse_fhandle *fh,
				   const struct qstr *name)
{
	struct fuse_entry_out out;
	struct dentry *dentry;
	struct inode *inode;
	int err;

	err = fuse_lookup_name(sb, nodeid, fh, name, &out, &inode);
	if (err || !inode)
		return ERR_PTR(err && err != -ENOENT ? err : -ESTALE);
	if (fuse_is_bad(inode)) {
		iput(inode);
		return ERR_PTR(-ESTALE);
	}

	dentry = d_obtain_alias(inode);
	if (!IS_ERR(dentry) && get_node_id(inode) != FUSE_ROOT_ID)
		fuse_invalidate_entry_cache(dentry);
	return dentry;
}

/**
 * fuse_fhandle_dentry - look up the inode of a handle
 * @sb: the superblock
 * @fh: the handle, from a file handle
 *
 * Return: a dentry with a reference, or an error pointer.
 */
struct dentry *fuse_fhandle_dentry(struct super_block *sb,
				   const struct fuse_fhandle *fh)
{
	return lookup_alias(sb, 0, fh, &QSTR("."));
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
	struct fuse_fhandle fh = fuse_inode_fhandle(inode);

	return lookup_alias(inode->i_sb, get_node_id(inode), &fh, &dotdot_name);
}

/**
 * fuse_init_handles - enable handles, which the reply to INIT negotiates
 * @fm: the first mount of the connection
 * @export: whether file handles can be decoded
 */
void fuse_init_handles(struct fuse_mount *fm, bool export)
{
	struct fuse_conn *fc = fm->fc;

	fc->lookup_handle = 1;
	/* The entries of FUSE_READDIRPLUS have no handles. */
	fc->do_readdirplus = 0;
	fc->readdirplus_auto = 0;
	fm->sb->s_export_op = export ? &fuse_handle_export_operations :
				       &fuse_handle_fid_operations;
	lookup_root(fm);
}
