// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE: several requests in one FUSE_COMPOUND
 *
 * The requests are copied to one flat argument, and the replies are received
 * into another one. All transports support such a request. compound_rust.rs parses
 * the replies.
 */

#include "compound.h"
#include "dev.h"
#include "fuse_i.h"

#include <linux/slab.h>

static_assert(sizeof(struct fuse_compound_in) == 16);
static_assert(sizeof(struct fuse_compound_req_in) == 8);
static_assert(sizeof(struct fuse_compound_out) == 16);

static size_t ext_size(const struct fuse_args *args)
{
	return args->is_ext && !args->ext_in_tail ?
		args->in_args[args->ext_idx].size : 0;
}

/* Return the offset of the extensions from the header of a request. */
static size_t ext_offset(const struct fuse_args *args)
{
	size_t size = sizeof(struct fuse_in_header);
	unsigned int i;

	for (i = 0; i < args->in_numargs; i++)
		size += args->in_args[i].size;
	size -= ext_size(args);
	return ext_size(args) ? FUSE_REC_ALIGN(size) : size;
}

/* The extensions can be in a tail, with the padding before them. */
static size_t request_len(const struct fuse_args *args)
{
	return ext_offset(args) + ext_size(args) + fuse_args_tail_len(args);
}

static size_t request_size(const struct fuse_args *args)
{
	return sizeof(struct fuse_compound_req_in) +
	       FUSE_REC_ALIGN(request_len(args));
}

static size_t reply_size(const struct fuse_args *args)
{
	size_t size = sizeof(struct fuse_out_header);
	unsigned int i;

	for (i = 0; i < args->out_numargs; i++)
		size += args->out_args[i].size;
	return FUSE_REC_ALIGN(size);
}

static u8 *put(u8 *p, const void *data, size_t size)
{
	if (size)
		memcpy(p, data, size);
	return p + size;
}

static void put_tail(u8 *p, const struct fuse_args *args)
{
#ifdef CONFIG_FUSE_HANDLE
	put(p, args->tail, fuse_args_tail_len(args));
#endif
}

/* Write a request to a zeroed buffer. Return the end of its record. */
static u8 *put_request(u8 *p, const struct fuse_compound_op *op, u64 index)
{
	const struct fuse_args *args = op->args;
	bool dependent = op->dep_index != FUSE_NO_DEPENDENCY;
	struct fuse_compound_req_in req = {
		.dependency = dependent ? op->dep_index :
					  FUSE_COMPOUND_INDEPENDENT,
	};
	struct fuse_in_header in = {
		.len = request_len(args),
		.opcode = args->opcode,
		.unique = index,
		.nodeid = dependent ? 0 : args->nodeid,
		.uid = FUSE_INVALID_UIDGID,
		.gid = FUSE_INVALID_UIDGID,
		.total_extlen = (ext_size(args) + fuse_args_tail_extlen(args)) / 8,
	};
	u8 *end = p + request_size(args);
	u8 *header = p + sizeof(req);
	unsigned int i;

	put(p, &req, sizeof(req));
	p = put(header, &in, sizeof(in));
	for (i = 0; i < args->in_numargs; i++) {
		const struct fuse_in_arg *arg = &args->in_args[i];

		if (args->is_ext && i == args->ext_idx)
			put(header + ext_offset(args), arg->value, arg->size);
		else
			p = put(p, arg->value, arg->size);
	}
	put_tail(p, args);
	return end;
}

static void drop_handles(struct fuse_conn *fc,
			 const struct fuse_compound_op *ops, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		fuse_args_drop_handles(fc, ops[i].args);
}

/* Add the handles that the server asked for to each request. */
static int add_handles(struct fuse_conn *fc, const struct fuse_compound_op *ops,
		       unsigned int nr)
{
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		err = fuse_args_add_handles(fc, ops[i].args, GFP_KERNEL, true);
		if (err) {
			drop_handles(fc, ops, i);
			return err;
		}
	}
	return 0;
}

static int fail_all(const struct fuse_compound_op *ops, unsigned int nr, int err)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		*ops[i].error = err;
	return err;
}

/* Let fuse_args_clear_ids() find the IDs of the first request, which is in @buf. */
static void point_to_ids(struct fuse_args *args, const struct fuse_args *first,
			 u8 *buf)
{
#ifdef CONFIG_FUSE_HANDLE
	u8 *header = buf + sizeof(struct fuse_compound_req_in);
	struct fuse_in_header *in = (struct fuse_in_header *)header;
	const u8 *second = (const u8 *)first->objects[1].nodeid;

	args->objects[0].nodeid = &in->nodeid;
	if (second)
		args->objects[1].nodeid = (u64 *)
			((u8 *)(in + 1) + (second - (const u8 *)first->in_args[0].value));
#endif
}

/* Send all requests as one. Return 1 if they must be sent one by one. */
static int send_compound(struct mnt_idmap *idmap, struct fuse_mount *fm,
			 const struct fuse_compound_op *ops, unsigned int nr)
{
	static const struct fuse_compound_in in;
	size_t in_size = 0, out_size = 0;
	struct fuse_compound_out out;
	struct fuse_args args = {};
	unsigned int i;
	ssize_t ret;
	u8 *p;

	ret = add_handles(fm->fc, ops, nr);
	if (ret)
		return fail_all(ops, nr, ret);
	for (i = 0; i < nr; i++) {
		in_size += request_size(ops[i].args);
		out_size += reply_size(ops[i].args);
	}
	u8 *buf __free(kfree) = kzalloc(in_size + out_size, GFP_KERNEL);
	if (!buf) {
		drop_handles(fm->fc, ops, nr);
		return fail_all(ops, nr, -ENOMEM);
	}

	for (i = 0, p = buf; i < nr; i++)
		p = put_request(p, &ops[i], i);
	drop_handles(fm->fc, ops, nr);

	args.opcode = FUSE_COMPOUND;
	/* Only the first request has IDs of its own. */
	args.nodeid = ops[0].args->nodeid;
	args.server_gen = ops[0].args->server_gen;
	args.names_inode = ops[0].args->names_inode;
	args.has_handles = ops[0].args->has_handles;
	point_to_ids(&args, ops[0].args, buf);
	args.in_numargs = 2;
	args.in_args[0].size = sizeof(in);
	args.in_args[0].value = &in;
	args.in_args[1].size = in_size;
	args.in_args[1].value = buf;
	args.out_numargs = 2;
	args.out_argvar = true;
	args.out_args[0].size = sizeof(out);
	args.out_args[0].value = &out;
	args.out_args[1].size = out_size;
	args.out_args[1].value = p;

	ret = fuse_simple_idmap_request(idmap, fm, &args);
	for (i = 0; i < nr; i++)
		ops[i].args->server_gen = args.server_gen;
	if (ret == -ENOSYS)
		fm->fc->no_compound = 1;
	if (ret == -ENOSYS || ret == -EOPNOTSUPP)
		return 1;
	if (ret < 0)
		return fail_all(ops, nr, ret);
	return fuse_compound_parse(&out, p, ret, ops, nr);
}

/* Return the nodeid that the request finds, or 0. */
static u64 found_nodeid(const struct fuse_compound_op *op)
{
	u64 nodeid;

	if (*op->error < 0)
		return 0;
	memcpy(&nodeid, op->args->out_args[0].value, sizeof(nodeid));
	return nodeid;
}

/* The server knows that a reply was not received, so no nodeid must remain. */
static void clear_out_args(struct fuse_args *args)
{
	unsigned int i;

	for (i = 0; i < args->out_numargs; i++)
		memset(args->out_args[i].value, 0, args->out_args[i].size);
}

/* Only the first request creates an inode, with the ids of the caller. */
static void send_single(struct mnt_idmap *idmap, struct fuse_mount *fm,
			const struct fuse_compound_op *ops, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct fuse_compound_op *op = &ops[i];

		if (op->dep_index != FUSE_NO_DEPENDENCY) {
			op->args->nodeid = found_nodeid(&ops[op->dep_index]);
			/* The nodeid is void if the server is restarted now. */
			op->args->names_inode = true;
			op->args->server_gen = ops[op->dep_index].args->server_gen;
			if (!op->args->nodeid) {
				*op->error = -ECANCELED;
				continue;
			}
		}
		*op->error = fuse_simple_idmap_request(i ? &invalid_mnt_idmap :
							   idmap, fm, op->args);
		if (*op->error < 0)
			clear_out_args(op->args);
	}
}

static bool valid_op(const struct fuse_compound_op *ops, unsigned int i)
{
	const struct fuse_args *args = ops[i].args;
	const struct fuse_args *dependency;

	if (args->force || args->noreply || args->end || args->in_pages ||
	    args->out_pages || args->user_pages)
		return false;
	if (ops[i].dep_index == FUSE_NO_DEPENDENCY)
		return true;
	if (ops[i].dep_index >= i)
		return false;
	dependency = ops[ops[i].dep_index].args;
	return dependency->out_numargs &&
	       dependency->out_args[0].size >= sizeof(u64);
}

/**
 * fuse_compound_send - send several requests
 * @idmap: idmap of the mount for the first request, or &invalid_mnt_idmap
 * @fm: the mount
 * @ops: the requests, the first of which depends on no other
 * @nr: the number of requests, at most FUSE_COMPOUND_MAX
 *
 * The requests are sent as one FUSE_COMPOUND, or one by one if the server does not
 * support compounds or this combination. A request is canceled (ECANCELED) if the
 * request that it depends on fails or finds no nodeid.
 *
 * The caller must zero the output arguments. If a reply is not valid, those of the
 * requests before it, and possibly some of its own, are stored, so that the caller
 * can forget a nodeid.
 *
 * Return: 0 if each request has a result. Otherwise, a negative errno, which is
 * also the result of each request whose reply was not received.
 */
int fuse_compound_send(struct mnt_idmap *idmap, struct fuse_mount *fm,
		       const struct fuse_compound_op *ops, unsigned int nr)
{
	unsigned int i;
	int ret = 1;

	if (WARN_ON_ONCE(!nr || nr > FUSE_COMPOUND_MAX))
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		if (WARN_ON_ONCE(!valid_op(ops, i)))
			return -EINVAL;
	}

	if (!fm->fc->no_compound)
		ret = send_compound(idmap, fm, ops, nr);
	if (ret <= 0)
		return ret;
	send_single(idmap, fm, ops, nr);
	return 0;
}
