// SPDX-License-Identifier: GPL-2.0
/*
 * What a server does that identifies its objects by handle alone: it checks the
 * handles and the IDs of each request, and finds objects without a nodeid.
 */
#define _GNU_SOURCE
#include "fuse_requests.h"

/* The number of the server is a part of its nodeids and of the IDs of open files. */
#define FH_SHIFT	40

static bool wants_handles(struct server *s)
{
	return s->init_flags & FUSE_REQUEST_HANDLE;
}

/* Ordinary servers reply with 0, which makes it easy to compare requests. */
__u64 new_fh(struct server *s, unsigned int id)
{
	return wants_handles(s) ? (__u64)s->generation << FH_SHIFT | id : 0;
}

/* Returns the number of inodes that a request names. */
static unsigned int nr_inodes(const struct request *r)
{
	switch (r->in.opcode) {
	case FUSE_INIT:
	case FUSE_DESTROY:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return 0;
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_COPY_FILE_RANGE_64:
		return 2;
	default:
		return 1;
	}
}

/* Returns the offset of the ID of an open file in the arguments, or -1. */
static int fh_offset(const struct request *r)
{
	struct fuse_getattr_in getattr;
	struct fuse_setattr_in setattr;
	struct fuse_statx_in statx;

	switch (r->in.opcode) {
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_WRITE:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_SETLK:
	case FUSE_SETLKW:
	case FUSE_GETLK:
	case FUSE_LSEEK:
	case FUSE_FALLOCATE:
	case FUSE_POLL:
	case FUSE_IOCTL:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_COPY_FILE_RANGE_64:
		return 0;
	case FUSE_GETATTR:
		memcpy(&getattr, r->args, sizeof(getattr));
		return getattr.getattr_flags & FUSE_GETATTR_FH ?
			(int)offsetof(struct fuse_getattr_in, fh) : -1;
	case FUSE_SETATTR:
		memcpy(&setattr, r->args, sizeof(setattr));
		return setattr.valid & FATTR_FH ?
			(int)offsetof(struct fuse_setattr_in, fh) : -1;
	case FUSE_STATX:
		memcpy(&statx, r->args, sizeof(statx));
		return statx.getattr_flags & FUSE_GETATTR_FH ?
			(int)offsetof(struct fuse_statx_in, fh) : -1;
	default:
		return -1;
	}
}

/* Returns the handle that is number @nr among the extensions, or NULL. */
static const unsigned char *nth_handle(const struct request *r, unsigned int nr,
				       size_t *size)
{
	const unsigned char *p = r->args + r->args_len;
	size_t left = r->in.total_extlen * 8;
	struct fuse_ext_header header;
	struct fuse_file_handle fh;

	while (left >= sizeof(header)) {
		memcpy(&header, p, sizeof(header));
		if (header.size < sizeof(header) || header.size > left ||
		    header.size % 8)
			return NULL;
		if (header.type == FUSE_EXT_HANDLE && !nr--) {
			memcpy(&fh, p + sizeof(header), sizeof(fh));
			if (fh.spare || header.size != sizeof(header) + sizeof(fh) +
			    FUSE_REC_ALIGN(fh.size))
				return NULL;
			*size = fh.size;
			return p + sizeof(header) + sizeof(fh);
		}
		p += header.size;
		left -= header.size;
	}
	return NULL;
}

/* Returns true if the request contains the right handle of the object. */
static bool right_handle(struct server *s, const struct request *r,
			 unsigned int nr, unsigned int id)
{
	unsigned char handle[FUSE_MAX_HANDLE_SIZE];
	size_t size, expected = id == s->unknown ? 0 : s->handle_size;
	const unsigned char *found = nth_handle(r, nr, &size);

	/*
	 * That of the root is requested without waiting for it, and has the size 0
	 * beside another one until it is known. A request that was meant for a
	 * compound has none.
	 */
	if (!found || (id == ROOT && !size))
		return !expected || id == ROOT ||
		       (s->compound_error && r->in.opcode == FUSE_STATX);
	object_handle(s, id, handle, expected);
	return size == expected && !memcmp(found, handle, size) &&
	       is_zero(found + size, FUSE_REC_ALIGN(size) - size);
}

static bool right_nodeid(struct server *s, __u64 nodeid)
{
	return nodeid == FUSE_ROOT_ID ||
	       nodeid >> FH_SHIFT == s->generation;
}

/* The offset of the second nodeid in the arguments */
static size_t second_nodeid(const struct request *r)
{
	switch (r->in.opcode) {
	case FUSE_COPY_FILE_RANGE:
	case FUSE_COPY_FILE_RANGE_64:
		return offsetof(struct fuse_copy_file_range_in, nodeid_out);
	default:
		return 0;
	}
}

/* Returns the offset of the ID of a second open file in the arguments, or -1. */
static int second_fh(const struct request *r)
{
	switch (r->in.opcode) {
	case FUSE_COPY_FILE_RANGE:
	case FUSE_COPY_FILE_RANGE_64:
		return offsetof(struct fuse_copy_file_range_in, fh_out);
	default:
		return -1;
	}
}

/* IDs that are void are not sent. */
static bool no_ids(const struct request *r, unsigned int nr)
{
	int at = fh_offset(r), second = second_fh(r);

	if (at >= 0 && !is_zero(r->args + at, sizeof(__u64)))
		return false;
	if (second >= 0 && !is_zero(r->args + second, sizeof(__u64)))
		return false;
	return nr < 2 || is_zero(r->args + second_nodeid(r), sizeof(__u64));
}

/* Returns true if the ID at an offset is that of an open file of the object. */
static bool right_fh(struct server *s, const struct request *r, int at, __u64 nodeid)
{
	unsigned int object;
	__u64 fh;

	if (at < 0)
		return true;
	memcpy(&fh, r->args + at, sizeof(fh));
	if (s->no_open && !fh)
		return true;
	object = fh & ((1ULL << FH_SHIFT) - 1);
	/* A file that was created has no object in its ID. */
	return fh >> FH_SHIFT == s->generation &&
	       (!object || object == nodeid_object(s, nodeid));
}

static void violation(struct server *s, const struct request *r,
		      const char *what)
{
	if (!s->spoil && s->violations < 10)
		printf("# opcode %u: wrong %s\n", r->in.opcode, what);
	s->violations++;
}

void check_handles(struct server *s, const struct request *r)
{
	unsigned int nr = nr_inodes(r);
	__u64 nodeid;

	if (s->check) {
		s->check(s, r);
		return;
	}
	if (!wants_handles(s) || !nr)
		return;
	if (r->in.total_extlen && (sizeof(r->in) + r->args_len) % 8)
		violation(s, r, "alignment");
	/* What the handle identifies is not known otherwise. */
	if (!r->in.nodeid) {
		if (!no_ids(r, nr))
			violation(s, r, "ID that is void");
		return;
	}
	if (!right_nodeid(s, r->in.nodeid))
		violation(s, r, "nodeid");
	if (!right_fh(s, r, fh_offset(r), r->in.nodeid))
		violation(s, r, "ID of an open file");
	if (r->in.opcode != FUSE_LOOKUP_HANDLE &&
	    !right_handle(s, r, 0, nodeid_object(s, r->in.nodeid)))
		violation(s, r, "handle");
	if (nr == 2) {
		memcpy(&nodeid, r->args + second_nodeid(r), sizeof(nodeid));
		if (!right_nodeid(s, nodeid))
			violation(s, r, "second nodeid");
		if (!right_fh(s, r, second_fh(r), nodeid))
			violation(s, r, "ID of the second open file");
		if (!right_handle(s, r, 1, nodeid_object(s, nodeid)))
			violation(s, r, "second handle");
	}
	if (r->in.total_extlen)
		s->with_handles[r->in.opcode]++;
}

static unsigned int handle_to_object(struct server *s, const struct request *r,
				     unsigned int nr)
{
	size_t size;
	const unsigned char *handle = nth_handle(r, nr, &size);

	return handle ? handle_object(s, handle, size) : 0;
}

int resolve(struct server *s, struct request *r)
{
	unsigned int id;

	if (r->in.nodeid || !nr_inodes(r) || r->in.opcode == FUSE_COMPOUND)
		return 0;
	/* The inode of the handle itself is looked up. */
	if (r->in.opcode == FUSE_LOOKUP_HANDLE &&
	    !strcmp((const char *)r->args, "."))
		return 0;
	if (!wants_handles(s))
		violation(s, r, "nodeid");
	s->by_handle++;
	id = handle_to_object(s, r, 0);
	if (!id)
		return -ESTALE;
	r->in.nodeid = object_nodeid(s, id);
	r->by_handle = true;
	return 0;
}

unsigned int second_object(struct server *s, const struct request *r,
			   __u64 nodeid)
{
	return r->by_handle ? handle_to_object(s, r, 1) :
			      nodeid_object(s, nodeid);
}

unsigned int was_created(struct server *s, unsigned int parent,
			 const char *name)
{
	return s->resent && !s->naive && *name ? child(s, parent, name) : 0;
}
