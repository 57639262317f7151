// SPDX-License-Identifier: GPL-2.0
/* The server side of FUSE_COMPOUND. */
#define _GNU_SOURCE
#include "fuse_requests.h"

#define INNER_MAX	4

struct inner {
	struct request r;
	__u32 dependency;
	__u64 nodeid;			/* that its reply starts with, or 0 */
};

/* Parses the next request. Returns false if it is malformed. */
static bool next_inner(const unsigned char **p, size_t *left, unsigned int nr,
		       struct inner *inner)
{
	struct fuse_compound_req_in dep;
	struct fuse_in_header *in = &inner->r.in;
	size_t ext, size;

	if (*left < sizeof(dep) + sizeof(*in))
		return false;
	memcpy(&dep, *p, sizeof(dep));
	memcpy(in, *p + sizeof(dep), sizeof(*in));
	ext = in->total_extlen * 8;
	if (in->len < sizeof(*in) + ext)
		return false;
	size = sizeof(dep) + FUSE_REC_ALIGN(in->len);
	if (size > *left || !is_zero(*p + sizeof(dep) + in->len,
				     FUSE_REC_ALIGN(in->len) - in->len))
		return false;
	if (dep.spare || in->unique != nr || in->padding || in->pid ||
	    in->uid != FUSE_INVALID_UIDGID || in->gid != FUSE_INVALID_UIDGID)
		return false;
	if (dep.dependency == FUSE_COMPOUND_INDEPENDENT ? nr :
	    dep.dependency >= nr || in->nodeid)
		return false;
	/* Extensions are aligned. */
	if (ext && in->len % 8)
		return false;
	inner->dependency = dep.dependency;
	inner->nodeid = 0;
	inner->r.args = *p + sizeof(dep) + sizeof(*in);
	inner->r.args_len = in->len - sizeof(*in) - ext;
	*p += size;
	*left -= size;
	return true;
}

static int parse(const struct request *r, struct inner *inner)
{
	const unsigned char *p = r->args + sizeof(struct fuse_compound_in);
	size_t left = r->args_len - sizeof(struct fuse_compound_in);
	unsigned int nr;

	if (r->args_len < sizeof(struct fuse_compound_in) ||
	    !is_zero(r->args, sizeof(struct fuse_compound_in)))
		return -1;
	for (nr = 0; left; nr++) {
		if (nr == INNER_MAX || !next_inner(&p, &left, nr, &inner[nr]))
			return -1;
	}
	return nr;
}

/* Appends the reply to one request. */
static void put_reply(struct message *m, __u64 index, int error,
		      const struct message *payload)
{
	static const char zeros[8];
	struct fuse_out_header header = {
		.len = sizeof(header) + (error ? 0 : payload->len),
		.error = error,
		.unique = index,
	};

	put_bytes(m, &header, sizeof(header));
	if (error)
		return;
	put_bytes(m, payload->data, payload->len);
	put_bytes(m, zeros, FUSE_REC_ALIGN(payload->len) - payload->len);
}

/* Returns true if the arguments of the reply have a size that the kernel accepts. */
static bool right_size(__u32 opcode, size_t len)
{
	switch (opcode) {
	case FUSE_LOOKUP_HANDLE:
		return len <= SUB_ENTRY + sizeof(struct fuse_file_handle) +
			      FUSE_MAX_HANDLE_SIZE;
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		return len == sizeof(struct fuse_entry_out) +
			      sizeof(struct fuse_open_out);
	default:
		return len == sizeof(struct fuse_entry_out);
	}
}

/*
 * Finds the lookups that the kernel has to forget, according to the bytes of the
 * replies: each is counted whose reply is complete, follows only well-formed
 * replies, and does not depend on a request that found nothing.
 */
static void count_lookups(const unsigned char *data, size_t size,
			  const struct inner *inner, unsigned int nr,
			  struct counted *counted)
{
	__u64 nodeids[INNER_MAX] = {};
	struct fuse_out_header header;
	bool valid[INNER_MAX] = {};
	size_t at = 0, len;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		__u32 dep = inner[i].dependency;

		if (size - at < sizeof(header))
			return;
		memcpy(&header, data + at, sizeof(header));
		if (header.unique != i || header.len < sizeof(header) ||
		    header.len > size - at || header.error > 0 ||
		    header.error <= -512 ||
		    (header.error && header.len != sizeof(header)))
			return;
		len = header.len - sizeof(header);
		at += sizeof(header);
		if (!header.error &&
		    (dep == FUSE_COMPOUND_INDEPENDENT ||
		     (valid[dep] && nodeids[dep]))) {
			nodeids[i] = count_entry(counted, inner[i].r.in.opcode,
						 data + at, len);
			valid[i] = right_size(inner[i].r.in.opcode, len);
		}
		at += len;
		if (size - at < FUSE_REC_ALIGN(len) - len)
			return;
		at += FUSE_REC_ALIGN(len) - len;
	}
}

int do_compound(struct server *s, const struct request *r, struct message *m,
		struct counted *counted)
{
	static const struct fuse_compound_out out;
	static struct message replies, payload;
	struct inner inner[INNER_MAX];
	int i, nr, err;

	nr = parse(r, inner);
	if (nr < 2) {
		s->violations++;
		return -EIO;
	}
	if (s->compound_error)
		return s->compound_error;
	if (s->declined == inner[0].r.in.opcode)
		return -EOPNOTSUPP;
	if (s->swallow == inner[0].r.in.opcode) {
		s->swallowed = true;
		if (!s->swallow_done)
			return NO_REPLY;
	}

	replies.len = 0;
	for (i = 0; i < nr; i++) {
		struct request *request = &inner[i].r;
		__u32 dep = inner[i].dependency;

		__atomic_add_fetch(&s->inner[request->in.opcode], 1,
				   __ATOMIC_SEQ_CST);
		request->in.uid = r->in.uid;
		request->in.gid = r->in.gid;
		request->in.pid = r->in.pid;
		if (dep != FUSE_COMPOUND_INDEPENDENT)
			request->in.nodeid = inner[dep].nodeid;
		payload.len = 0;
		request->by_handle = false;
		err = 0;
		if (dep != FUSE_COMPOUND_INDEPENDENT && !request->in.nodeid)
			err = -ECANCELED;
		if (dep == FUSE_COMPOUND_INDEPENDENT) {
			/* Void IDs in the header are void in the compound. */
			if (!r->in.nodeid)
				request->in.nodeid = 0;
			check_handles(s, request);
			err = resolve(s, request);
		}
		if (!err)
			err = dispatch(s, request, &payload);
		if (!err)
			inner[i].nodeid = count_entry(NULL, request->in.opcode,
						      payload.data, payload.len);
		put_reply(&replies, i, err, &payload);
	}
	if (s->spoil && (!s->spoil_opcode ||
			 s->spoil_opcode == inner[0].r.in.opcode))
		s->spoil(s, &replies);

	put_bytes(m, &out, sizeof(out));
	put_bytes(m, replies.data, replies.len);
	if (s->swallowed)
		return NO_REPLY;
	err = s->mutate ? s->mutate(s, r, 0, m) : 0;
	/* The kernel refuses a shorter reply. */
	if (!err && m->len >= sizeof(out))
		count_lookups(m->data + sizeof(out), m->len - sizeof(out), inner,
			      nr, counted);
	return err;
}
