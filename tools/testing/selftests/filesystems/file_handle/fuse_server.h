/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE server in a thread, over objects in memory, which speaks to /dev/fuse
 * itself: it names its objects by handles, counts what the kernel owes it, and
 * can be told to answer anything.
 */
#ifndef __SELFTEST_FUSE_SERVER_H
#define __SELFTEST_FUSE_SERVER_H

#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <linux/fuse.h>

#include "file_handle.h"

#define FILEID_INO64_GEN		0x81
#define FILEID_FUSE_HANDLE		0x91
#define FILEID_FUSE_HANDLE_PARENT	0x92

#define ROOT		FUSE_ROOT_ID
/* The objects "f00000" and so on of the root */
#define BULK		64
#define BULK_NR		10000
#define OBJECTS_MAX	(BULK + BULK_NR)

#define BASIC_STATS	0x7ffU
#define REPLY_MAX	8192

#define SUB_HEADER	sizeof(struct fuse_out_header)
#define SUB_ENTRY	sizeof(struct fuse_entry2_out)

/* Where in the replies of a compound the first handle starts */
#define HANDLE_AT	(SUB_HEADER + SUB_ENTRY)

struct object {
	unsigned int parent;
	unsigned int mode;
	unsigned int nlink;
	/* Another version is another object at the same place. */
	unsigned char version;
	/* With another shift, the object has another nodeid. */
	unsigned char shift;
	bool exists;
	char name[24];
	/* What the kernel has looked up and not forgotten */
	long lookups;
};

struct message {
	size_t len;
	unsigned char data[REPLY_MAX];
};

struct server;

struct server {
	/* How it behaves; set while no request is under way. */
	__u64 init_flags;
	size_t handle_size;
	unsigned int entry_valid;
	unsigned int attr_valid;
	unsigned int generation;	/* of the server: part of the nodeids */
	int compound_error;
	int handle_error;		/* of FUSE_LOOKUP_HANDLE */
	int dot_error;			/* of the same, for what is new */
	int statx_error;
	__u32 statx_mask;
	bool slow;			/* to answer FUSE_INIT */
	bool negative;			/* nodeid 0 for what there is not */
	bool die;			/* instead of answering a compound */
	bool die_early;			/* instead of answering FUSE_INIT */
	/* Spoil the replies within a compound. */
	void (*spoil)(struct server *s, struct message *m);
	/* And the reply to FUSE_LOOKUP_HANDLE alone */
	void (*spoil_single)(struct server *s, struct message *m);
	size_t spoil_at;
	__u64 spoil_value;

	/* What it has seen */
	unsigned long requests[FUSE_LOOKUP_HANDLE + 1];
	unsigned long granted;
	unsigned long forgotten;
	unsigned long forgets;		/* for how many nodeids */
	unsigned long root_forgets;
	__u64 init_offer;
	unsigned int violations;	/* of the protocol, by the kernel */
	struct message ext;		/* of the last lookup */
	__u64 last_nodeid;		/* that it was sent for */

	struct object objects[OBJECTS_MAX];
	unsigned int nr_objects;
	int fd;
	bool stop;
	bool running;
	pthread_t thread;
	char dir[64];
};

static inline unsigned int nodeid_object(__u64 nodeid)
{
	return nodeid & 0xffffff;
}

static inline __u64 object_nodeid(struct server *s, unsigned int id)
{
	if (id == ROOT)
		return FUSE_ROOT_ID;
	return (__u64)s->generation << 40 |
	       (__u64)s->objects[id].shift << 24 | id;
}

/* The first bytes say which object it is, as far as there is room. */
static inline void object_handle(struct server *s, unsigned int id,
				 unsigned char *handle, size_t size)
{
	unsigned char bytes[4] = { id, id >> 8, id >> 16,
				   s->objects[id].version };
	size_t i;

	for (i = 0; i < size; i++)
		handle[i] = i < sizeof(bytes) ? bytes[i] : i * 37 + id;
}

static inline unsigned int handle_object(struct server *s, const void *handle,
					 size_t size)
{
	unsigned char bytes[FUSE_MAX_HANDLE_SIZE];
	unsigned int id;

	if (size != s->handle_size || !size || size > sizeof(bytes))
		return 0;
	memcpy(bytes, handle, size);
	id = size < 3 ? ROOT : bytes[0] | bytes[1] << 8 | bytes[2] << 16;
	for (; id < s->nr_objects; id++) {
		object_handle(s, id, bytes, size);
		if (s->objects[id].exists && !memcmp(bytes, handle, size))
			return id;
		if (size >= 3)
			break;
	}
	return 0;
}

static inline unsigned int child(struct server *s, unsigned int parent,
				 const char *name)
{
	unsigned int id;

	if (!strcmp(name, "."))
		return parent;
	if (!strcmp(name, ".."))
		return s->objects[parent].parent;
	if (parent == ROOT && sscanf(name, "f%5u", &id) == 1 && id < BULK_NR)
		return s->objects[BULK + id].exists ? BULK + id : 0;
	for (id = ROOT + 1; id < BULK; id++) {
		struct object *object = &s->objects[id];

		if (object->exists && object->parent == parent &&
		    !strcmp(object->name, name))
			return id;
	}
	return 0;
}

static inline unsigned int add_object(struct server *s, unsigned int parent,
				      const char *name, unsigned int mode)
{
	unsigned int id = ROOT;

	while (s->objects[id].exists)
		id++;
	s->objects[id].exists = true;
	s->objects[id].parent = parent;
	s->objects[id].mode = mode;
	s->objects[id].nlink = 1;
	snprintf(s->objects[id].name, sizeof(s->objects[id].name), "%s", name);
	if (id >= s->nr_objects)
		s->nr_objects = id + 1;
	return id;
}

static inline int object_content(struct server *s, unsigned int id, char *buf,
				 size_t size)
{
	return snprintf(buf, size, "object %u version %u\n", id,
			s->objects[id].version);
}

static inline __u64 object_size(struct server *s, unsigned int id)
{
	char buf[64];

	return object_content(s, id, buf, sizeof(buf));
}

static inline void put_bytes(struct message *m, const void *data, size_t len)
{
	if (m->len + len > sizeof(m->data))
		abort();
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

/* Returns whether the kernel took it. */
static inline bool reply(struct server *s, __u64 unique, int error,
			 const void *data, size_t len)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + (error ? 0 : len),
		.error = error,
		.unique = unique,
	};
	struct iovec iov[2] = {
		{ &header, sizeof(header) }, { (void *)data, error ? 0 : len }
	};

	return writev(s->fd, iov, 2) == (ssize_t)header.len;
}

static inline void grant(struct server *s, __u64 nodeid, int nr)
{
	unsigned int id = nodeid_object(nodeid);

	if (!nodeid || nodeid == FUSE_ROOT_ID || id >= OBJECTS_MAX)
		return;
	s->objects[id].lookups += nr;
	__atomic_add_fetch(&s->granted, nr, __ATOMIC_SEQ_CST);
}

/*
 * Reply with a lookup of @nodeid, if that is one. It counts from before the
 * client may know of it, unless the kernel refuses the reply.
 */
static inline void reply_lookup(struct server *s, __u64 unique,
				const void *data, size_t len, __u64 nodeid)
{
	grant(s, nodeid, 1);
	if (!reply(s, unique, 0, data, len))
		grant(s, nodeid, -1);
}

static inline void forget(struct server *s, __u64 nodeid, __u64 nlookup)
{
	unsigned int id = nodeid_object(nodeid);

	if (nodeid == FUSE_ROOT_ID)
		s->root_forgets++;
	if (nodeid == FUSE_ROOT_ID || id >= OBJECTS_MAX)
		return;
	s->objects[id].lookups -= nlookup;
	if (s->objects[id].lookups < 0)
		s->violations++;
	__atomic_add_fetch(&s->forgets, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&s->forgotten, nlookup, __ATOMIC_SEQ_CST);
}

static inline void fill_attr(struct server *s, unsigned int id,
			     struct fuse_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = id;
	attr->mode = s->objects[id].mode;
	attr->nlink = s->objects[id].nlink;
	attr->size = object_size(s, id);
	attr->blksize = 4096;
}

static inline void fill_statx(struct server *s, unsigned int id,
			      struct fuse_statx_out *out)
{
	memset(out, 0, sizeof(*out));
	out->attr_valid = s->attr_valid;
	out->stat.mask = s->statx_mask;
	out->stat.ino = id;
	out->stat.mode = s->objects[id].mode;
	out->stat.nlink = s->objects[id].nlink;
	out->stat.size = object_size(s, id);
	out->stat.blksize = 4096;
}

static inline void fill_entry(struct server *s, unsigned int id,
			      struct fuse_entry_out *out)
{
	memset(out, 0, sizeof(*out));
	out->nodeid = object_nodeid(s, id);
	out->entry_valid = s->entry_valid;
	out->attr_valid = s->attr_valid;
	fill_attr(s, id, &out->attr);
}

/* What FUSE_LOOKUP_HANDLE answers. Object 0 is a negative entry. */
static inline void put_entry2(struct server *s, struct message *m,
			      unsigned int id)
{
	struct fuse_entry2_out entry = { .entry_valid = s->entry_valid };
	unsigned char handle[70000];
	__u16 size = id ? s->handle_size : 0;

	if (id) {
		entry.nodeid = object_nodeid(s, id);
		object_handle(s, id, handle, size);
	}
	put_bytes(m, &entry, sizeof(entry));
	put_bytes(m, &size, sizeof(size));
	/* The largest are only claimed to be there. */
	if (size < 1024)
		put_bytes(m, handle, size);
}

/* One request, alone or in a compound. */
struct request {
	struct fuse_in_header in;
	const unsigned char *args;
	size_t args_len;		/* without the extensions */
};

static inline void save_ext(struct server *s, const struct request *r)
{
	size_t len = r->in.total_extlen * 8;
	struct fuse_ext_header header;

	s->ext.len = 0;
	if (!len)
		return;
	memcpy(&header, r->args + r->args_len, sizeof(header));
	if (header.size != len || header.type != FUSE_EXT_HANDLE)
		s->violations++;
	put_bytes(&s->ext, r->args + r->args_len, len);
}

/* The handle in the last extension */
static inline const unsigned char *ext_handle(struct server *s, size_t *size)
{
	__u16 len;

	*size = 0;
	if (!s->ext.len)
		return NULL;
	memcpy(&len, s->ext.data + sizeof(struct fuse_ext_header), sizeof(len));
	if (sizeof(struct fuse_ext_header) + sizeof(len) + len > s->ext.len)
		return NULL;
	*size = len;
	return s->ext.data + sizeof(struct fuse_ext_header) + sizeof(len);
}

static inline int find(struct server *s, const struct request *r)
{
	unsigned int parent = nodeid_object(r->in.nodeid);
	const unsigned char *handle;
	size_t size;

	if (strnlen((const char *)r->args, r->args_len) + 1 != r->args_len)
		s->violations++;
	if (r->in.nodeid)
		return child(s, parent, (const char *)r->args);
	handle = ext_handle(s, &size);
	return handle ? handle_object(s, handle, size) : 0;
}

static inline int lookup_handle(struct server *s, const struct request *r,
				struct message *m, unsigned int *found)
{
	unsigned int id;

	save_ext(s, r);
	s->last_nodeid = r->in.nodeid;
	id = find(s, r);
	*found = id;
	if (s->handle_error)
		return s->handle_error;
	if (s->dot_error && !strcmp((const char *)r->args, "."))
		return s->dot_error;
	if (!id && !s->negative)
		return -ENOENT;
	put_entry2(s, m, id);
	return 0;
}

static inline int statx_object(struct server *s, unsigned int id,
			       struct message *m)
{
	struct fuse_statx_out out;

	if (s->statx_error)
		return s->statx_error;
	if (!id || !s->objects[id].exists)
		return -ENOENT;
	fill_statx(s, id, &out);
	put_bytes(m, &out, sizeof(out));
	return 0;
}

/* Put the header of a reply in a compound, and what was put after it */
static inline void put_sub_reply(struct message *m, __u64 index, int error,
				 const struct message *payload)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + (error ? 0 : payload->len),
		.error = error,
		.unique = index,
	};

	put_bytes(m, &header, sizeof(header));
	if (!error)
		put_bytes(m, payload->data, payload->len);
}

/* Take the next request of a compound, and check how it is laid out. */
static inline bool next_request(struct server *s, const unsigned char **p,
				size_t *left, const struct fuse_in_header *outer,
				__u64 index, __u32 dependency,
				struct request *r)
{
	struct fuse_compound_req_in dep;
	size_t ext;

	if (*left < sizeof(dep) + sizeof(r->in))
		return false;
	memcpy(&dep, *p, sizeof(dep));
	memcpy(&r->in, *p + sizeof(dep), sizeof(r->in));
	ext = r->in.total_extlen * 8;
	if (r->in.len < sizeof(r->in) + ext || r->in.len > *left - sizeof(dep))
		return false;
	if (dep.dependency != dependency || dep.spare ||
	    r->in.unique != index || r->in.uid != outer->uid ||
	    r->in.gid != outer->gid || r->in.pid != outer->pid)
		return false;
	r->args = *p + sizeof(dep) + sizeof(r->in);
	r->args_len = r->in.len - sizeof(r->in) - ext;
	*p += sizeof(dep) + r->in.len;
	*left -= sizeof(dep) + r->in.len;
	return true;
}

/*
 * Which nodeid the kernel has to account for, by the bytes that it is sent:
 * that of an entry in a first reply without an error.
 */
static inline __u64 counted_nodeid(const struct message *m)
{
	struct fuse_out_header header;
	struct fuse_entry2_out entry;

	if (m->len < sizeof(header) + sizeof(entry))
		return 0;
	memcpy(&header, m->data, sizeof(header));
	memcpy(&entry, m->data + sizeof(header), sizeof(entry));
	if (header.error || header.unique ||
	    header.len < sizeof(header) + sizeof(entry))
		return 0;
	return entry.nodeid;
}

static inline void do_compound(struct server *s, const struct fuse_in_header *in,
			       const unsigned char *p, size_t left)
{
	static struct message replies, payload, whole;
	struct fuse_statx_in statx;
	struct request lookup, attr;
	unsigned int id;
	int err;

	if (s->compound_error) {
		reply(s, in->unique, s->compound_error, NULL, 0);
		return;
	}
	if (left < sizeof(struct fuse_compound_in))
		goto violation;
	p += sizeof(struct fuse_compound_in);
	left -= sizeof(struct fuse_compound_in);
	if (!next_request(s, &p, &left, in, 0, FUSE_COMPOUND_INDEPENDENT,
			  &lookup) ||
	    !next_request(s, &p, &left, in, 1, 0, &attr) || left ||
	    lookup.in.opcode != FUSE_LOOKUP_HANDLE ||
	    attr.in.opcode != FUSE_STATX || attr.in.nodeid ||
	    attr.args_len != sizeof(statx))
		goto violation;
	memcpy(&statx, attr.args, sizeof(statx));
	if (statx.sx_mask != BASIC_STATS)
		goto violation;

	replies.len = 0;
	payload.len = 0;
	err = lookup_handle(s, &lookup, &payload, &id);
	put_sub_reply(&replies, 0, err, &payload);
	payload.len = 0;
	err = err || !id ? -ECANCELED : statx_object(s, id, &payload);
	put_sub_reply(&replies, 1, err, &payload);
	if (s->spoil)
		s->spoil(s, &replies);

	whole.len = sizeof(struct fuse_compound_out);
	memset(whole.data, 0, whole.len);
	put_bytes(&whole, replies.data, replies.len);
	reply_lookup(s, in->unique, whole.data, whole.len,
		     counted_nodeid(&replies));
	return;

violation:
	s->violations++;
	reply(s, in->unique, -EIO, NULL, 0);
}

static inline void do_lookup_handle(struct server *s, const struct request *r)
{
	static struct message m;
	__u64 nodeid = 0;
	unsigned int id;
	int err;

	m.len = 0;
	err = lookup_handle(s, r, &m, &id);
	if (err) {
		reply(s, r->in.unique, err, NULL, 0);
		return;
	}
	if (s->spoil_single)
		s->spoil_single(s, &m);
	/* The kernel can account for what it can read. */
	if (m.len >= SUB_ENTRY)
		memcpy(&nodeid, m.data, sizeof(nodeid));
	reply_lookup(s, r->in.unique, m.data, m.len, nodeid);
}

static inline void do_statx(struct server *s, const struct request *r)
{
	static struct message m;
	int err;

	m.len = 0;
	err = statx_object(s, nodeid_object(r->in.nodeid), &m);
	reply(s, r->in.unique, err, m.data, m.len);
}

static inline void reply_entry(struct server *s, __u64 unique,
			       unsigned int id)
{
	struct fuse_entry_out out;

	if (!id) {
		reply(s, unique, -ENOENT, NULL, 0);
		return;
	}
	fill_entry(s, id, &out);
	reply_lookup(s, unique, &out, sizeof(out), out.nodeid);
}

static inline void do_create(struct server *s, const struct request *r)
{
	const char *name = (const char *)r->args + sizeof(struct fuse_create_in);
	unsigned int parent = nodeid_object(r->in.nodeid);
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = {};
	unsigned int id = add_object(s, parent, name, S_IFREG | 0644);

	fill_entry(s, id, &out.entry);
	out.open.open_flags = FOPEN_DIRECT_IO;
	reply_lookup(s, r->in.unique, &out, sizeof(out), out.entry.nodeid);
}

static inline void do_tmpfile(struct server *s, const struct request *r)
{
	/* What has no name is not found by one. */
	struct request nameless = *r;
	struct fuse_create_in in = {};
	unsigned char args[sizeof(in) + 1] = {};

	nameless.args = args;
	do_create(s, &nameless);
}

static inline void do_mknod(struct server *s, const struct request *r)
{
	const char *name = (const char *)r->args + sizeof(struct fuse_mknod_in);
	unsigned int parent = nodeid_object(r->in.nodeid);
	struct fuse_mknod_in in;

	memcpy(&in, r->args, sizeof(in));
	reply_entry(s, r->in.unique, add_object(s, parent, name, in.mode));
}

static inline void do_symlink(struct server *s, const struct request *r)
{
	unsigned int parent = nodeid_object(r->in.nodeid);

	reply_entry(s, r->in.unique, add_object(s, parent,
						(const char *)r->args,
						S_IFLNK | 0777));
}

static inline void do_statfs(struct server *s, const struct request *r)
{
	struct fuse_statfs_out out = { .st.namelen = 255 };

	reply(s, r->in.unique, 0, &out, sizeof(out));
}

static inline void do_mkdir(struct server *s, const struct request *r)
{
	const char *name = (const char *)r->args + sizeof(struct fuse_mkdir_in);
	unsigned int parent = nodeid_object(r->in.nodeid);

	reply_entry(s, r->in.unique, add_object(s, parent, name, S_IFDIR | 0755));
}

/* The object keeps its one name, and is found by it. */
static inline void do_link(struct server *s, const struct request *r)
{
	struct fuse_link_in in;

	memcpy(&in, r->args, sizeof(in));
	s->objects[nodeid_object(in.oldnodeid)].nlink++;
	reply_entry(s, r->in.unique, nodeid_object(in.oldnodeid));
}

static inline void do_init(struct server *s, const struct request *r)
{
	struct fuse_init_in in;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};

	memcpy(&in, r->args, sizeof(in));
	s->init_offer = in.flags | (__u64)in.flags2 << 32;
	out.max_readahead = in.max_readahead;
	out.flags = s->init_flags;
	out.flags2 = s->init_flags >> 32;
	if (s->slow)
		usleep(300000);
	reply(s, r->in.unique, 0, &out, sizeof(out));
}

static inline void do_getattr(struct server *s, const struct request *r)
{
	struct fuse_attr_out out = { .attr_valid = s->attr_valid };

	fill_attr(s, nodeid_object(r->in.nodeid), &out.attr);
	reply(s, r->in.unique, 0, &out, sizeof(out));
}

static inline void do_open(struct server *s, const struct request *r)
{
	struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO };

	if (r->in.opcode == FUSE_OPENDIR)
		out.open_flags = 0;
	reply(s, r->in.unique, 0, &out, sizeof(out));
}

static inline void do_read(struct server *s, const struct request *r)
{
	struct fuse_read_in in;
	char buf[64];
	size_t len;

	memcpy(&in, r->args, sizeof(in));
	len = object_content(s, nodeid_object(r->in.nodeid), buf, sizeof(buf));
	if (in.offset >= len)
		len = 0;
	else
		len -= in.offset;
	reply(s, r->in.unique, 0, buf + in.offset, len < in.size ? len : in.size);
}

static inline void put_dirent(struct message *m, size_t room, __u64 ino,
			      __u64 off, const char *name)
{
	static const char zeroes[8];
	struct fuse_dirent entry = {
		.ino = ino,
		.off = off,
		.namelen = strlen(name),
	};
	size_t len = FUSE_NAME_OFFSET + entry.namelen;

	if (m->len + FUSE_DIRENT_ALIGN(len) > room)
		return;
	put_bytes(m, &entry, FUSE_NAME_OFFSET);
	put_bytes(m, name, entry.namelen);
	put_bytes(m, zeroes, FUSE_DIRENT_ALIGN(len) - len);
}

/* All but the bulk, which is found by name alone */
static inline void do_readdir(struct server *s, const struct request *r)
{
	static struct message m;
	struct fuse_read_in in;
	unsigned int id;

	memcpy(&in, r->args, sizeof(in));
	m.len = 0;
	for (id = in.offset < ROOT ? ROOT : in.offset; id < BULK; id++) {
		if (s->objects[id].exists && id != ROOT &&
		    s->objects[id].parent == nodeid_object(r->in.nodeid))
			put_dirent(&m, in.size, id, id + 1, s->objects[id].name);
	}
	reply(s, r->in.unique, 0, m.data, m.len);
}

static inline void do_forgets(struct server *s, const struct request *r)
{
	struct fuse_batch_forget_in batch;
	struct fuse_forget_one one;
	struct fuse_forget_in in;
	unsigned int i;

	if (r->in.opcode == FUSE_FORGET) {
		memcpy(&in, r->args, sizeof(in));
		forget(s, r->in.nodeid, in.nlookup);
		return;
	}
	memcpy(&batch, r->args, sizeof(batch));
	for (i = 0; i < batch.count; i++) {
		memcpy(&one, r->args + sizeof(batch) + i * sizeof(one),
		       sizeof(one));
		forget(s, one.nodeid, one.nlookup);
	}
}

/* What is still open has not been forgotten. */
static inline void do_release(struct server *s, const struct request *r)
{
	unsigned int id = nodeid_object(r->in.nodeid);

	if (id != ROOT && s->objects[id].lookups <= 0)
		s->violations++;
	reply(s, r->in.unique, 0, NULL, 0);
}

static inline void dispatch(struct server *s, const struct request *r)
{
	switch (r->in.opcode) {
	case FUSE_INIT:
		return do_init(s, r);
	case FUSE_LOOKUP:
		return reply_entry(s, r->in.unique, find(s, r));
	case FUSE_COMPOUND:
		return do_compound(s, &r->in, r->args, r->args_len);
	case FUSE_LOOKUP_HANDLE:
		return do_lookup_handle(s, r);
	case FUSE_STATX:
		return do_statx(s, r);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		return do_getattr(s, r);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return do_open(s, r);
	case FUSE_READ:
		return do_read(s, r);
	case FUSE_READDIR:
		return do_readdir(s, r);
	case FUSE_CREATE:
		return do_create(s, r);
	case FUSE_TMPFILE:
		return do_tmpfile(s, r);
	case FUSE_MKNOD:
		return do_mknod(s, r);
	case FUSE_SYMLINK:
		return do_symlink(s, r);
	case FUSE_STATFS:
		return do_statfs(s, r);
	case FUSE_MKDIR:
		return do_mkdir(s, r);
	case FUSE_LINK:
		return do_link(s, r);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return do_forgets(s, r);
	case FUSE_INTERRUPT:
		return;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return do_release(s, r);
	case FUSE_FLUSH:
	case FUSE_ACCESS:
		reply(s, r->in.unique, 0, NULL, 0);
		return;
	default:
		reply(s, r->in.unique, -ENOSYS, NULL, 0);
	}
}

static inline void *serve(void *arg)
{
	static unsigned char buf[64 * 1024];
	struct server *s = arg;
	struct pollfd poll_fd = { .fd = s->fd, .events = POLLIN };
	struct request r;
	ssize_t len;

	while (!__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST)) {
		if (poll(&poll_fd, 1, 50) <= 0)
			continue;
		len = read(s->fd, buf, sizeof(buf));
		if (len < 0 && (errno == ENOENT || errno == EINTR ||
				errno == EAGAIN))
			continue;
		if (len < (ssize_t)sizeof(r.in))
			break;
		memcpy(&r.in, buf, sizeof(r.in));
		r.args = buf + sizeof(r.in);
		r.args_len = len - sizeof(r.in) - r.in.total_extlen * 8;
		if (r.in.opcode <= FUSE_LOOKUP_HANDLE)
			__atomic_add_fetch(&s->requests[r.in.opcode], 1,
					   __ATOMIC_SEQ_CST);
		if (r.in.opcode == FUSE_COMPOUND && s->die)
			break;
		if (r.in.opcode == FUSE_INIT && s->die_early) {
			usleep(200000);
			break;
		}
		dispatch(s, &r);
	}
	/* Whoever waits for an answer now gets an error. */
	close(s->fd);
	return NULL;
}

/*
 * A server that answers at random invents devices, which are those of the
 * machine, and programs of root's: nobody may use either.
 */
static inline int start_server(struct server *s)
{
	char options[128];
	int err;

	s->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", s->fd);
	if (mount("fuse_server", s->dir, "fuse", MS_NODEV | MS_NOSUID,
		  options)) {
		err = -errno;
		close(s->fd);
		return err;
	}
	s->stop = false;
	s->running = true;
	return -pthread_create(&s->thread, NULL, serve, s);
}

/*
 * Keep the caller, and the server that it starts, on one processor: to wake
 * another for each request takes longer than all that it asks for.
 */
static inline int stay_on_one_processor(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0;
}

/* The opposite, for what is to happen at the same time. */
static inline int use_all_processors(struct server *s)
{
	cpu_set_t cpus;

	memset(&cpus, 0xff, sizeof(cpus));
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		return -errno;
	return -pthread_setaffinity_np(s->thread, sizeof(cpus), &cpus);
}

static inline void stop_server(struct server *s)
{
	if (!s->running)
		return;
	s->running = false;
	__atomic_store_n(&s->stop, true, __ATOMIC_SEQ_CST);
	pthread_join(s->thread, NULL);
	umount2(s->dir, MNT_DETACH);
}

/* The objects stay, and have other nodeids. */
static inline int restart_server(struct server *s)
{
	unsigned int id;

	stop_server(s);
	for (id = 0; id < s->nr_objects; id++)
		s->objects[id].lookups = 0;
	memset(s->requests, 0, sizeof(s->requests));
	s->granted = 0;
	s->forgotten = 0;
	s->forgets = 0;
	s->ext.len = 0;
	s->generation++;
	return start_server(s);
}

static inline struct server *new_server(void)
{
	struct server *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int dir = ROOT, i;
	char name[8];

	if (s == MAP_FAILED)
		return NULL;
	s->init_flags = FUSE_INIT_EXT | FUSE_EXPORT_SUPPORT |
			FUSE_HAS_LOOKUP_HANDLE | FUSE_DO_READDIRPLUS;
	s->handle_size = 16;
	s->entry_valid = 3600;
	s->attr_valid = 3600;
	s->generation = 1;
	s->statx_mask = BASIC_STATS;
	add_object(s, ROOT, "", S_IFDIR | 0755);
	add_object(s, ROOT, "file", S_IFREG | 0644);
	add_object(s, ROOT, "other", S_IFREG | 0644);
	/* d1/d2/.../d8, and a file in each */
	for (i = 1; i <= 8; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		dir = add_object(s, dir, name, S_IFDIR | 0755);
		add_object(s, dir, "file", S_IFREG | 0644);
	}
	strcpy(s->dir, "/tmp/fuse_server_XXXXXX");
	if (!mkdtemp(s->dir))
		return NULL;
	return s;
}

static inline void free_server(struct server *s)
{
	stop_server(s);
	rmdir(s->dir);
	munmap(s, sizeof(*s));
}

static inline unsigned long count(struct server *s, unsigned int opcode)
{
	return __atomic_load_n(&s->requests[opcode], __ATOMIC_SEQ_CST);
}

static inline long outstanding(struct server *s)
{
	return __atomic_load_n(&s->granted, __ATOMIC_SEQ_CST) -
	       __atomic_load_n(&s->forgotten, __ATOMIC_SEQ_CST);
}

/* Make the kernel forget what nobody uses: how many lookups then remain */
static inline long settle(struct server *s)
{
	int i;

	for (i = 0; i < 100; i++) {
		if (write_string("/proc/sys/vm/drop_caches", "3"))
			return -1;
		if (!outstanding(s))
			break;
		usleep(20000);
	}
	return outstanding(s);
}

#endif /* __SELFTEST_FUSE_SERVER_H */
