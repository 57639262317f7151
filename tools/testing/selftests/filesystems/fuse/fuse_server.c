// SPDX-License-Identifier: GPL-2.0
/* The requests and replies of the server, and its life cycle. */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "fuse_requests.h"

void put_bytes(struct message *m, const void *data, size_t len)
{
	if (m->len + len > sizeof(m->data))
		abort();
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

bool fuse_reply(int fd, __u64 unique, int error, const void *data, size_t len)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + (error ? 0 : len),
		.error = error,
		.unique = unique,
	};
	struct iovec iov[2] = {
		{ &header, sizeof(header) }, { (void *)data, error ? 0 : len }
	};

	return writev(fd, iov, 2) == (ssize_t)header.len;
}

bool is_zero(const unsigned char *p, size_t len)
{
	while (len--) {
		if (*p++)
			return false;
	}
	return true;
}

static void grant(struct server *s, __u64 nodeid, int nr)
{
	unsigned int id = nodeid_object(s, nodeid);

	if (!nodeid || nodeid == FUSE_ROOT_ID || id >= OBJECTS_MAX)
		return;
	if (s->granted_nodeid)
		s->granted_nodeid(s, nodeid, nr);
	s->objects[id].lookups += nr;
	__atomic_add_fetch(&s->granted, nr, __ATOMIC_SEQ_CST);
}

/* Returns the size of the entry with which the reply starts, or 0. */
static size_t entry_size(__u32 opcode)
{
	switch (opcode) {
	case FUSE_LOOKUP_HANDLE:
		return sizeof(struct fuse_entry2_out);
	case FUSE_LOOKUP:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		return sizeof(struct fuse_entry_out);
	default:
		return 0;
	}
}

__u64 count_entry(struct counted *c, __u32 opcode, const unsigned char *data,
		  size_t len)
{
	size_t size = entry_size(opcode);
	__u64 nodeid;

	if (!size || len < size)
		return 0;
	memcpy(&nodeid, data, sizeof(nodeid));
	if (c)
		c->nodeids[c->nr++] = nodeid;
	return nodeid;
}

static void grant_counted(struct server *s, const struct counted *c, int nr)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		grant(s, c->nodeids[i], nr);
}

static void forget(struct server *s, __u64 nodeid, __u64 nlookup)
{
	unsigned int id = nodeid_object(s, nodeid);

	if (nodeid == FUSE_ROOT_ID)
		s->root_forgets++;
	if (nodeid == FUSE_ROOT_ID || id >= OBJECTS_MAX)
		return;
	if (s->granted_nodeid)
		s->granted_nodeid(s, nodeid, -(long)nlookup);
	s->objects[id].lookups -= nlookup;
	if (s->objects[id].lookups < 0)
		s->violations++;
	__atomic_add_fetch(&s->forgets, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&s->forgotten, nlookup, __ATOMIC_SEQ_CST);
}

static void fill_attr(struct server *s, unsigned int id,
		      struct fuse_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = id;
	attr->mode = s->objects[id].mode;
	attr->nlink = s->objects[id].nlink;
	attr->size = object_size(s, id);
	attr->mtime = s->objects[id].mtime;
	attr->blksize = 4096;
}

static void fill_statx(struct server *s, unsigned int id,
		       struct fuse_statx_out *out)
{
	memset(out, 0, sizeof(*out));
	out->attr_valid = s->attr_valid;
	out->stat.mask = s->statx_mask;
	out->stat.ino = id;
	out->stat.mode = s->objects[id].mode;
	out->stat.nlink = s->objects[id].nlink;
	out->stat.size = object_size(s, id);
	out->stat.mtime.tv_sec = s->objects[id].mtime;
	out->stat.blksize = 4096;
}

static void fill_entry(struct server *s, unsigned int id,
		       struct fuse_entry_out *out)
{
	memset(out, 0, sizeof(*out));
	out->nodeid = object_nodeid(s, id);
	out->generation = s->entry_generation;
	out->entry_valid = s->entry_valid;
	out->attr_valid = s->attr_valid;
	fill_attr(s, id, &out->attr);
}

/* Appends a reply with an object, which the kernel has to forget. */
static int put_entry(struct server *s, unsigned int id, struct message *m)
{
	struct fuse_entry_out out;

	if (!id)
		return -ENOENT;
	fill_entry(s, id, &out);
	put_bytes(m, &out, sizeof(out));
	return 0;
}

/* Appends the reply to FUSE_LOOKUP_HANDLE. Object 0 is a negative entry. */
static void put_entry2(struct server *s, struct message *m,
		       unsigned int id)
{
	struct fuse_entry2_out entry = { .entry_valid = s->entry_valid };
	struct fuse_file_handle fh = {
		.size = id && id != s->unknown ? s->handle_size : 0,
	};
	unsigned char handle[70000];

	if (id) {
		entry.nodeid = object_nodeid(s, id);
		object_handle(s, id, handle, fh.size);
	}
	memset(handle + fh.size, 0, FUSE_REC_ALIGN(fh.size) - fh.size);
	put_bytes(m, &entry, sizeof(entry));
	put_bytes(m, &fh, sizeof(fh));
	/* Larger handles have only their size. */
	if (fh.size < 1024)
		put_bytes(m, handle, FUSE_REC_ALIGN(fh.size));
}

static void save_ext(struct server *s, const struct request *r)
{
	size_t len = r->in.total_extlen * 8;
	struct fuse_ext_header header;
	struct fuse_file_handle fh;

	s->ext.len = 0;
	if (!len)
		return;
	memcpy(&header, r->args + r->args_len, sizeof(header));
	memcpy(&fh, r->args + r->args_len + sizeof(header), sizeof(fh));
	if (header.size != len || header.type != FUSE_EXT_HANDLE || fh.spare ||
	    len != sizeof(header) + sizeof(fh) + FUSE_REC_ALIGN(fh.size) ||
	    r->args_len % 8 ||
	    !is_zero(r->args + r->args_len + sizeof(header) + sizeof(fh) + fh.size,
		     FUSE_REC_ALIGN(fh.size) - fh.size))
		s->violations++;
	put_bytes(&s->ext, r->args + r->args_len, len);
}

const unsigned char *ext_handle(struct server *s, size_t *size)
{
	const size_t at = sizeof(struct fuse_ext_header) +
			  sizeof(struct fuse_file_handle);
	struct fuse_file_handle fh;

	*size = 0;
	if (s->ext.len < at)
		return NULL;
	memcpy(&fh, s->ext.data + sizeof(struct fuse_ext_header), sizeof(fh));
	if (at + fh.size > s->ext.len)
		return NULL;
	*size = fh.size;
	return s->ext.data + at;
}

/* Checks that zeros pad the name to the extension. */
static void check_name(struct server *s, const struct request *r)
{
	size_t len = strnlen((const char *)r->args, r->args_len) + 1;
	size_t padded = r->in.total_extlen ? FUSE_REC_ALIGN(len) : len;

	if (r->args_len != padded || !is_zero(r->args + len - 1, padded - len + 1))
		s->violations++;
}

static int find(struct server *s, const struct request *r)
{
	unsigned int parent = nodeid_object(s, r->in.nodeid);
	const unsigned char *handle;
	size_t size;

	check_name(s, r);
	if (r->in.nodeid)
		return child(s, parent, (const char *)r->args);
	handle = ext_handle(s, &size);
	return handle ? handle_object(s, handle, size) : 0;
}

static int do_lookup(struct server *s, const struct request *r,
		     struct message *m)
{
	return put_entry(s, find(s, r), m);
}

static int do_lookup_handle(struct server *s, const struct request *r,
			    struct message *m)
{
	unsigned int id;

	save_ext(s, r);
	s->last_nodeid = r->in.nodeid;
	if (!r->in.nodeid)
		s->decodes++;
	id = find(s, r);
	if (s->handle_error)
		return s->handle_error;
	if (s->dot_error && !strcmp((const char *)r->args, "."))
		return s->dot_error;
	if (!id && !s->negative)
		return -ENOENT;
	put_entry2(s, m, id);
	return 0;
}

static int do_statx(struct server *s, const struct request *r,
		    struct message *m)
{
	unsigned int id = nodeid_object(s, r->in.nodeid);
	struct fuse_statx_out out;

	if (s->statx_error)
		return s->statx_error;
	if (!id || !s->objects[id].exists)
		return -ENOENT;
	fill_statx(s, id, &out);
	put_bytes(m, &out, sizeof(out));
	return 0;
}

static int create_object(struct server *s, const struct request *r,
			 const char *name, unsigned int mode,
			 struct message *m)
{
	unsigned int id;

	if (s->create_error)
		return s->create_error;
	id = was_created(s, nodeid_object(s, r->in.nodeid), name);
	if (!id && *name && child(s, nodeid_object(s, r->in.nodeid), name))
		return -EEXIST;
	if (!id)
		id = add_object(s, nodeid_object(s, r->in.nodeid), name, mode);
	return put_entry(s, id, m);
}

/* A temporary file has no name. */
static int do_create(struct server *s, const struct request *r,
		     struct message *m)
{
	const char *name = (const char *)r->args + sizeof(struct fuse_create_in);
	struct fuse_open_out open = {
		.fh = new_fh(s, 0),
		.open_flags = s->cached ? FOPEN_KEEP_CACHE : FOPEN_DIRECT_IO,
	};
	int err;

	err = create_object(s, r, r->in.opcode == FUSE_TMPFILE ? "" : name,
			    S_IFREG | 0644, m);
	if (!err)
		put_bytes(m, &open, sizeof(open));
	return err;
}

static int do_mknod(struct server *s, const struct request *r,
		    struct message *m)
{
	const char *name = (const char *)r->args + sizeof(struct fuse_mknod_in);
	struct fuse_mknod_in in;

	memcpy(&in, r->args, sizeof(in));
	return create_object(s, r, name, in.mode, m);
}

static int do_symlink(struct server *s, const struct request *r,
		      struct message *m)
{
	return create_object(s, r, (const char *)r->args, S_IFLNK | 0777, m);
}

static int do_mkdir(struct server *s, const struct request *r,
		    struct message *m)
{
	const char *name = (const char *)r->args + sizeof(struct fuse_mkdir_in);

	return create_object(s, r, name, S_IFDIR | 0755, m);
}

/* The object is still found only by its first name. */
static int do_link(struct server *s, const struct request *r,
		   struct message *m)
{
	struct fuse_link_in in;
	unsigned int id;

	if (s->create_error)
		return s->create_error;
	memcpy(&in, r->args, sizeof(in));
	id = second_object(s, r, in.oldnodeid);
	if (!s->resent || s->naive)
		s->objects[id].nlink++;
	return put_entry(s, id, m);
}

static int do_statfs(struct message *m)
{
	struct fuse_statfs_out out = { .st.namelen = 255 };

	put_bytes(m, &out, sizeof(out));
	return 0;
}

static int do_init(struct server *s, const struct request *r,
		   struct message *m)
{
	struct fuse_init_in in;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
		.max_pages = s->max_pages,
		.max_stack_depth = s->max_stack_depth,
	};

	memcpy(&in, r->args, sizeof(in));
	s->init_minor = in.minor;
	s->init_offer = in.flags | (__u64)in.flags2 << 32;
	out.max_readahead = in.max_readahead;
	out.flags = s->init_flags;
	out.flags2 = s->init_flags >> 32;
	if (s->slow)
		usleep(300000);
	put_bytes(m, &out, sizeof(out));
	return 0;
}

static int do_getattr(struct server *s, const struct request *r,
		      struct message *m)
{
	struct fuse_attr_out out = { .attr_valid = s->attr_valid };

	fill_attr(s, nodeid_object(s, r->in.nodeid), &out.attr);
	put_bytes(m, &out, sizeof(out));
	return 0;
}

static int do_open(struct server *s, const struct request *r,
		   struct message *m)
{
	struct fuse_open_out out = {
		.fh = new_fh(s, nodeid_object(s, r->in.nodeid)),
		.open_flags = s->cached ? FOPEN_KEEP_CACHE : FOPEN_DIRECT_IO,
	};
	struct fuse_open_in in;

	if (s->no_open)
		return -ENOSYS;
	memcpy(&in, r->args, sizeof(in));
	if (in.open_flags & FUSE_OPEN_AGAIN) {
		s->reopened++;
		if (in.flags & (O_CREAT | O_EXCL | O_TRUNC))
			s->violations++;
	}
	if (s->zero_copy)
		out.open_flags |= FOPEN_IO_URING_ZERO_COPY;
	if (r->in.opcode == FUSE_OPENDIR)
		out.open_flags = s->cached_entries ?
				 FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE : 0;
	put_bytes(m, &out, sizeof(out));
	return 0;
}

static int do_read(struct server *s, const struct request *r,
		   struct message *m)
{
	struct fuse_read_in in;
	char buf[64];
	size_t len;

	memcpy(&in, r->args, sizeof(in));
	len = object_content(s, nodeid_object(s, r->in.nodeid), buf, sizeof(buf));
	if (in.offset >= len)
		len = 0;
	else
		len -= in.offset;
	put_bytes(m, buf + in.offset, len < in.size ? len : in.size);
	return 0;
}

/* Appends an entry of a directory. Returns false if there is no room. */
static bool put_dirent(struct message *m, size_t room, __u64 ino,
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
		return false;
	put_bytes(m, &entry, FUSE_NAME_OFFSET);
	put_bytes(m, name, entry.namelen);
	put_bytes(m, zeroes, FUSE_DIRENT_ALIGN(len) - len);
	return true;
}

/* An entry of FUSE_READDIRPLUS. That of a server with handles ends with one. */
static bool put_direntplus(struct server *s, struct message *m, size_t room,
			   unsigned int id)
{
	struct fuse_file_handle fh = {
		.size = id != s->unknown ? s->handle_size : 0,
	};
	struct fuse_direntplus plus = {
		.dirent.ino = id,
		.dirent.off = id + 1,
		.dirent.namelen = strlen(s->objects[id].name),
	};
	bool has_handles = s->init_flags & FUSE_HAS_LOOKUP_HANDLE;
	size_t len = FUSE_NAME_OFFSET_DIRENTPLUS + plus.dirent.namelen;
	unsigned char handle[FUSE_MAX_HANDLE_SIZE + 8] = {};
	size_t size = FUSE_DIRENT_ALIGN(len);
	static const char zeros[8];

	if (has_handles)
		size += sizeof(fh) + FUSE_REC_ALIGN(fh.size);
	if (m->len + size > room)
		return false;
	fill_entry(s, id, &plus.entry_out);
	put_bytes(m, &plus, FUSE_NAME_OFFSET_DIRENTPLUS);
	put_bytes(m, s->objects[id].name, plus.dirent.namelen);
	put_bytes(m, zeros, FUSE_DIRENT_ALIGN(len) - len);
	if (has_handles) {
		object_handle(s, id, handle, fh.size);
		put_bytes(m, &fh, sizeof(fh));
		put_bytes(m, handle, FUSE_REC_ALIGN(fh.size));
	}
	return true;
}

static bool put_listed(struct server *s, const struct request *r,
		       struct message *m, size_t room, unsigned int id)
{
	if (r->in.opcode == FUSE_READDIRPLUS)
		return put_direntplus(s, m, room, id);
	return put_dirent(m, room, s->unknown_ino ? UNKNOWN_INO : id, id + 1,
			  s->objects[id].name);
}

/*
 * Lists all objects, and those of the bulk only if @lists_bulk. An object without a name
 * makes the list invalid, which a test that mutates replies does itself.
 */
static int do_readdir(struct server *s, const struct request *r,
		      struct message *m)
{
	unsigned int end = s->lists_bulk ? s->nr_objects : BULK, id;
	struct fuse_read_in in;
	size_t room;

	memcpy(&in, r->args, sizeof(in));
	room = in.size < REPLY_MAX ? in.size : REPLY_MAX;
	for (id = in.offset < ROOT ? ROOT : in.offset; id < end; id++) {
		if (s->objects[id].exists && id != ROOT &&
		    (s->objects[id].name[0] || !s->mutate) &&
		    s->objects[id].parent == nodeid_object(s, r->in.nodeid) &&
		    !put_listed(s, r, m, room, id))
			break;
	}
	return 0;
}

/* The kernel ignores what an entry says about "." and "..". */
static bool is_dots(const struct fuse_direntplus *plus, const unsigned char *entry)
{
	__u32 len = plus->dirent.namelen;

	return len <= 2 && !memcmp(entry + FUSE_NAME_OFFSET_DIRENTPLUS, "..", len);
}

/*
 * Counts the entries that are complete and follow only complete and valid entries.
 * These are the lookups that the kernel has to forget.
 */
static void count_entries(struct server *s, const struct message *m,
			  struct counted *c)
{
	bool has_handles = s->init_flags & FUSE_HAS_LOOKUP_HANDLE;
	struct fuse_direntplus plus;
	struct fuse_file_handle fh;
	size_t at = 0, size;

	while (m->len - at >= FUSE_NAME_OFFSET_DIRENTPLUS) {
		memcpy(&plus, m->data + at, FUSE_NAME_OFFSET_DIRENTPLUS);
		size = FUSE_DIRENTPLUS_SIZE(&plus);
		if (!plus.dirent.namelen || plus.dirent.namelen >= PATH_MAX ||
		    size > m->len - at ||
		    memchr(m->data + at + FUSE_NAME_OFFSET_DIRENTPLUS, '/',
			   plus.dirent.namelen))
			return;
		if (has_handles) {
			if (m->len - at < size + sizeof(fh))
				return;
			memcpy(&fh, m->data + at + size, sizeof(fh));
			size += sizeof(fh);
			if (fh.spare || fh.size > FUSE_MAX_HANDLE_SIZE ||
			    m->len - at < size + FUSE_REC_ALIGN(fh.size) ||
			    !is_zero(m->data + at + size + fh.size,
				     FUSE_REC_ALIGN(fh.size) - fh.size))
				return;
			size += FUSE_REC_ALIGN(fh.size);
		}
		if (plus.entry_out.nodeid && !is_dots(&plus, m->data + at))
			c->nodeids[c->nr++] = plus.entry_out.nodeid;
		at += size;
	}
}

static int do_forgets(struct server *s, const struct request *r)
{
	struct fuse_batch_forget_in batch;
	struct fuse_forget_one one;
	struct fuse_forget_in in;
	unsigned int i;

	if (r->in.opcode == FUSE_FORGET) {
		memcpy(&in, r->args, sizeof(in));
		forget(s, r->in.nodeid, in.nlookup);
		return NO_REPLY;
	}
	memcpy(&batch, r->args, sizeof(batch));
	for (i = 0; i < batch.count; i++) {
		memcpy(&one, r->args + sizeof(batch) + i * sizeof(one),
		       sizeof(one));
		forget(s, one.nodeid, one.nlookup);
	}
	return NO_REPLY;
}

/* An open file must not have been forgotten. */
static int do_release(struct server *s, const struct request *r)
{
	unsigned int id = nodeid_object(s, r->in.nodeid);

	if (id != ROOT && s->objects[id].lookups <= 0 && !r->by_handle)
		s->violations++;
	return 0;
}

/* The content of an object does not change. */
static int do_write(const struct request *r, struct message *m)
{
	struct fuse_write_out out = {};
	struct fuse_write_in in;

	memcpy(&in, r->args, sizeof(in));
	out.size = in.size;
	put_bytes(m, &out, sizeof(out));
	return 0;
}

int dispatch(struct server *s, const struct request *r, struct message *m)
{
	int err = s->others ? s->others(s, r, m) : -ENOSYS;

	if (err != -ENOSYS)
		return err;
	switch (r->in.opcode) {
	case FUSE_INIT:
		return do_init(s, r, m);
	case FUSE_LOOKUP:
		return do_lookup(s, r, m);
	case FUSE_LOOKUP_HANDLE:
		return do_lookup_handle(s, r, m);
	case FUSE_STATX:
		return do_statx(s, r, m);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		return do_getattr(s, r, m);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return do_open(s, r, m);
	case FUSE_READ:
		return do_read(s, r, m);
	case FUSE_WRITE:
		return do_write(r, m);
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return do_readdir(s, r, m);
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		return do_create(s, r, m);
	case FUSE_MKNOD:
		return do_mknod(s, r, m);
	case FUSE_SYMLINK:
		return do_symlink(s, r, m);
	case FUSE_STATFS:
		return do_statfs(m);
	case FUSE_MKDIR:
		return do_mkdir(s, r, m);
	case FUSE_LINK:
		return do_link(s, r, m);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return do_forgets(s, r);
	case FUSE_INTERRUPT:
		return NO_REPLY;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return do_release(s, r);
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_ACCESS:
	case FUSE_SETLK:
	case FUSE_SETLKW:
		return 0;
	default:
		return -ENOSYS;
	}
}

/* Parts of the arguments that differ between runs: times, owners of locks */
static const struct {
	__u32 opcode;
	size_t from;
	size_t to;
} volatile_parts[] = {
	{ FUSE_READ, offsetof(struct fuse_read_in, lock_owner),
	  offsetof(struct fuse_read_in, flags) },
	{ FUSE_WRITE, offsetof(struct fuse_write_in, lock_owner),
	  offsetof(struct fuse_write_in, flags) },
	{ FUSE_FLUSH, offsetof(struct fuse_flush_in, lock_owner),
	  sizeof(struct fuse_flush_in) },
	{ FUSE_RELEASE, offsetof(struct fuse_release_in, lock_owner),
	  sizeof(struct fuse_release_in) },
	{ FUSE_SETATTR, offsetof(struct fuse_setattr_in, lock_owner),
	  offsetof(struct fuse_setattr_in, mode) },
	{ FUSE_GETLK, offsetof(struct fuse_lk_in, owner),
	  offsetof(struct fuse_lk_in, lk) },
	{ FUSE_SETLK, offsetof(struct fuse_lk_in, owner),
	  offsetof(struct fuse_lk_in, lk) },
	{ FUSE_GETLK, offsetof(struct fuse_lk_in, lk.pid),
	  offsetof(struct fuse_lk_in, lk_flags) },
	{ FUSE_SETLK, offsetof(struct fuse_lk_in, lk.pid),
	  offsetof(struct fuse_lk_in, lk_flags) },
	/* The versions and the flags of FUSE_INIT are checked by themselves. */
	{ FUSE_INIT, offsetof(struct fuse_init_in, minor),
	  offsetof(struct fuse_init_in, max_readahead) },
	{ FUSE_INIT, offsetof(struct fuse_init_in, flags),
	  offsetof(struct fuse_init_in, unused) },
};

static bool is_volatile(__u32 opcode, size_t at)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(volatile_parts); i++) {
		if (volatile_parts[i].opcode == opcode &&
		    at >= volatile_parts[i].from && at < volatile_parts[i].to)
			return true;
	}
	return false;
}

/*
 * Returns true for a request that the kernel sends at some time: to forget an inode, or
 * to write back its times.
 */
static bool is_deferred(const struct request *r)
{
	struct fuse_setattr_in in;

	if (r->in.opcode == FUSE_FORGET || r->in.opcode == FUSE_BATCH_FORGET)
		return true;
	if (r->in.opcode != FUSE_SETATTR)
		return false;
	memcpy(&in, r->args, sizeof(in));
	return (in.valid & ~FATTR_FH) == (FATTR_MTIME | FATTR_CTIME);
}

/*
 * Adds a line to the log: what the request consists of, except for its number and the
 * process.
 */
static void log_request(struct server *s, const struct request *r)
{
	size_t len = r->in.len - sizeof(r->in), used = strlen(s->log), i;
	__u32 hash = 0x811c9dc5;

	if (is_deferred(r))
		return;
	for (i = 0; i < len; i++) {
		if (!is_volatile(r->in.opcode, i))
			hash = (hash ^ r->args[i]) * 0x01000193;
	}
	snprintf(s->log + used, sizeof(s->log) - used, "%u %llx %u %u %u %u %08x\n",
		 r->in.opcode, (unsigned long long)r->in.nodeid, r->in.len,
		 r->in.total_extlen, r->in.uid, r->in.gid, hash);
}

/*
 * Sends the reply to a request. A lookup is counted first, because the kernel can
 * forget it as soon as the reply is written. If the kernel refuses the reply, the
 * lookup does not count.
 */
static void answer(struct server *s, struct request *r)
{
	static struct message m;
	struct counted counted = {};
	int err;

	m.len = 0;
	r->by_handle = false;
	s->resent = r->in.unique & FUSE_UNIQUE_RESEND;
	s->repeated += s->resent;
	if (s->swallow && s->swallow == r->in.opcode) {
		s->swallowed = true;
		if (!s->swallow_done)
			return;
	}
	if (r->in.opcode == FUSE_COMPOUND) {
		err = do_compound(s, r, &m, &counted);
	} else {
		check_handles(s, r);
		err = resolve(s, r);
		if (!err)
			err = dispatch(s, r, &m);
		if (r->in.opcode == FUSE_LOOKUP_HANDLE && s->spoil_single && !err)
			s->spoil_single(s, &m);
		if (r->in.opcode == FUSE_READDIRPLUS && s->spoil_entries && !err)
			s->spoil_entries(s, &m);
		if (s->mutate && err <= 0)
			err = s->mutate(s, r, err, &m);
		if (!err && r->in.opcode == FUSE_READDIRPLUS)
			count_entries(s, &m, &counted);
		else if (!err)
			count_entry(&counted, r->in.opcode, m.data, m.len);
	}
	if (err == NO_REPLY || s->swallowed)
		return;
	grant_counted(s, &counted, 1);
	if (s->reply ? !s->reply(s, r, err, &m) :
		       !fuse_reply(s->fd, r->in.unique, err, m.data, m.len))
		grant_counted(s, &counted, -1);
	if (r->in.opcode == FUSE_INIT)
		__atomic_store_n(&s->init_done, true, __ATOMIC_SEQ_CST);
}

void handle_request(struct server *s, struct request *r)
{
	if (r->in.opcode <= FUSE_LOOKUP_HANDLE)
		__atomic_add_fetch(&s->requests[r->in.opcode], 1, __ATOMIC_SEQ_CST);
	if (s->is_logged)
		log_request(s, r);
	answer(s, r);
}

/* Nothing of a former server is known. */
void forget_all(struct server *s)
{
	unsigned int id;

	for (id = 0; id < s->nr_objects; id++)
		s->objects[id].lookups = 0;
	memset(s->requests, 0, sizeof(s->requests));
	memset(s->inner, 0, sizeof(s->inner));
	s->granted = 0;
	s->forgotten = 0;
	s->forgets = 0;
	s->ext.len = 0;
	s->generation++;
}

int receive_request(struct server *s, int timeout, struct request *r)
{
	struct pollfd poll_fd = { .fd = s->fd, .events = POLLIN };
	static unsigned char buf[64 * 1024];
	ssize_t len;

	if (poll(&poll_fd, 1, timeout) <= 0)
		return 0;
	len = read(s->fd, buf, sizeof(buf));
	if (len < 0 && (errno == ENOENT || errno == EINTR || errno == EAGAIN))
		return 0;
	if (len < (ssize_t)sizeof(r->in))
		return -EIO;
	memcpy(&r->in, buf, sizeof(r->in));
	r->args = buf + sizeof(r->in);
	r->args_len = len - sizeof(r->in) - r->in.total_extlen * 8;
	return 1;
}

bool serve_request(struct server *s, int timeout)
{
	struct request r = {};
	int ret;

	ret = receive_request(s, timeout, &r);
	if (ret <= 0)
		return !ret;
	if (r.in.opcode == FUSE_COMPOUND && s->die)
		return false;
	if (r.in.opcode == FUSE_INIT && s->die_early) {
		usleep(200000);
		return false;
	}
	if (s->restart_every && ++s->served % s->restart_every == 0) {
		/* The kernel repeats the request, unless it is a FUSE_FORGET. */
		forget_all(s);
		return !notify(s, FUSE_NOTIFY_RESTART, NULL, 0);
	}
	handle_request(s, &r);
	return !s->swallowed;
}

static void *serve(void *arg)
{
	struct server *s = arg;

	if (s->transport) {
		s->transport(s);
		return NULL;
	}
	while (!__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST) &&
	       serve_request(s, 50))
		;
	/* Aborts the connection: pending requests fail. */
	if (!s->keep_fd && !s->swallowed)
		close(s->fd);
	return NULL;
}

static void join_server(struct server *s)
{
	if (!s->has_thread)
		return;
	__atomic_store_n(&s->stop, true, __ATOMIC_SEQ_CST);
	pthread_join(s->thread, NULL);
	s->has_thread = false;
}

static int start_thread(struct server *s)
{
	s->stop = false;
	s->keep_fd = false;
	s->init_done = false;
	s->has_thread = !pthread_create(&s->thread, NULL, serve, s);
	return s->has_thread ? 0 : -EAGAIN;
}

void serve_in_caller(struct server *s)
{
	s->keep_fd = true;
	join_server(s);
}

int serve_in_thread(struct server *s)
{
	return start_thread(s);
}

/*
 * Random replies can describe device nodes and setuid programs, so the mount is
 * nodev and nosuid.
 */
#define MOUNT_FLAGS	(MS_NODEV | MS_NOSUID)

const char *fuse_missing(void)
{
	if (!is_root())
		return NEEDS_INITIAL_ROOT;
	if (access("/dev/fuse", R_OK | W_OK))
		return "needs /dev/fuse";
	return NULL;
}

int start_server(struct server *s)
{
	char options[128];
	int err;

	/* The kernel can end the last request that poll(2) has reported. */
	s->fd = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0%s", s->fd,
		 s->default_permissions ? ",default_permissions" : "");
	if (mount(s->device[0] ? s->device : "fuse_server", s->dir,
		  s->device[0] ? "fuseblk" : "fuse", MOUNT_FLAGS, options)) {
		err = -errno;
		close(s->fd);
		return err;
	}
	s->running = true;
	return start_thread(s);
}

int stay_on_one_processor(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0;
}

int use_all_processors(struct server *s)
{
	cpu_set_t cpus;

	memset(&cpus, 0xff, sizeof(cpus));
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		return -errno;
	return -pthread_setaffinity_np(s->thread, sizeof(cpus), &cpus);
}

void stop_server(struct server *s)
{
	if (!s->running)
		return;
	s->running = false;
	join_server(s);
	umount2(s->dir, MNT_DETACH);
}

int restart_server(struct server *s)
{
	stop_server(s);
	forget_all(s);
	return start_server(s);
}

int notify(struct server *s, int code, const void *data, size_t len)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + len,
		.error = code,
	};
	struct iovec iov[2] = { { &header, sizeof(header) }, { (void *)data, len } };

	return writev(s->fd, iov, 2) < 0 ? -errno : 0;
}

void leave_server(struct server *s)
{
	s->keep_fd = true;
	join_server(s);
	s->swallow = 0;
	s->swallowed = false;
}

int enter_server(struct server *s)
{
	int err, started;

	forget_all(s);
	err = notify(s, FUSE_NOTIFY_RESTART, NULL, 0);
	started = start_thread(s);
	return err ? err : started;
}

int take_over(struct server *s)
{
	leave_server(s);
	return enter_server(s);
}

struct server *new_server(void)
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
	s->spoil_opcode = FUSE_LOOKUP_HANDLE;
	add_object(s, ROOT, "", S_IFDIR | 0755);
	add_object(s, ROOT, "file", S_IFREG | 0644);
	add_object(s, ROOT, "other", S_IFREG | 0644);
	/* d1/d2/.../d8, with a file in each */
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

void free_server(struct server *s)
{
	stop_server(s);
	rmdir(s->dir);
	munmap(s, sizeof(*s));
}

int nr_waiting(unsigned int minor)
{
	char path[128], text[16] = "";
	int fd;

	snprintf(path, sizeof(path), FUSE_CONNECTIONS "/%u/waiting", minor);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	if (fd >= 0)
		close(fd);
	return atoi(text);
}

unsigned long count(struct server *s, unsigned int opcode)
{
	return __atomic_load_n(&s->requests[opcode], __ATOMIC_SEQ_CST);
}

unsigned long count_inner(struct server *s, unsigned int opcode)
{
	return __atomic_load_n(&s->inner[opcode], __ATOMIC_SEQ_CST);
}

unsigned long count_all(struct server *s)
{
	unsigned long nr = 0;
	unsigned int opcode;

	for (opcode = 0; opcode <= FUSE_LOOKUP_HANDLE; opcode++) {
		switch (opcode) {
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
		case FUSE_RELEASE:
		case FUSE_RELEASEDIR:
			break;
		default:
			nr += count(s, opcode);
		}
	}
	return nr;
}

long outstanding(struct server *s)
{
	return __atomic_load_n(&s->granted, __ATOMIC_SEQ_CST) -
	       __atomic_load_n(&s->forgotten, __ATOMIC_SEQ_CST);
}

/*
 * Reconfiguring a superblock shrinks its dentry cache, and FUSE drops inodes
 * without dentries. The caches of other filesystems are not affected.
 */
int evict(struct server *s)
{
	return mount(NULL, s->dir, NULL, MS_REMOUNT | MOUNT_FLAGS, NULL) ?
		-errno : 0;
}

long settle_server(struct server *s)
{
	int i;

	for (i = 0; i < 500; i++) {
		if (evict(s))
			return -1;
		if (!outstanding(s))
			break;
		usleep(20000);
	}
	return outstanding(s);
}
