// SPDX-License-Identifier: GPL-2.0
/*
 * What Documentation/filesystems/fuse/ says about requests and replies, written a second
 * time: which reply is not valid, which error that is, and which nodeids and handles a
 * request may contain.
 */
#define _GNU_SOURCE
#include "fuse_fuzz.h"

#define REPLY_HEAD	sizeof(struct fuse_out_header)
#define HANDLE_HEAD	sizeof(struct fuse_file_handle)

/* The errors that a reply can contain */
#define ERROR_MIN	-511

/* One reply of a compound */
struct sub {
	int error;
	const unsigned char *data;
	size_t len;
};

/* One request of a compound */
struct sub_request {
	__u32 opcode;
	__u64 nodeid;
	const char *name;		/* of FUSE_LOOKUP_HANDLE */
	bool has_handle;
	struct fuzz_handle handle;	/* in its first extension */
};

/*
 * Nodeids and the objects that they identify
 */

bool equal(const struct fuzz_handle *a, const struct fuzz_handle *b)
{
	return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

__u32 fingerprint(const struct fuzz_handle *handle)
{
	__u32 hash = 0x811c9dc5;
	unsigned int i;

	for (i = 0; i < handle->size; i++)
		hash = (hash ^ handle->bytes[i]) * 0x01000193;
	/* 0 stands for an object that is not known. */
	return handle->size ? hash | 1 : 0;
}

struct told *find_told(struct fuzz *f, __u64 nodeid)
{
	unsigned int i;

	for (i = 0; i < f->nr_told; i++) {
		if (f->told[i].nodeid == nodeid)
			return &f->told[i];
	}
	return NULL;
}

void count_nodeid(struct server *s, __u64 nodeid, long nr)
{
	struct fuzz *f = s->others_data;
	struct told *told = find_told(f, nodeid);

	if (!told) {
		if (nr < 0) {
			fail(f, "FUSE_FORGET of nodeid %llx, which was not looked up",
			     (unsigned long long)nodeid);
			return;
		}
		if (f->nr_told == TOLD_MAX) {
			fail(f, "too many nodeids for the test");
			return;
		}
		told = &f->told[f->nr_told++];
		memset(told, 0, sizeof(*told));
		told->nodeid = nodeid;
	}
	if (!told->lookups) {
		told->former = false;
		told->reused = false;
	}
	told->lookups += nr;
	if (told->lookups < 0)
		fail(f, "nodeid %llx was forgotten more often than looked up",
		     (unsigned long long)nodeid);
}

/* The object may have this nodeid now, and not the one that it had before. */
static void leave_others(struct fuzz *f, __u64 nodeid, const struct fuzz_handle *handle)
{
	unsigned int i;

	for (i = 0; handle->size && i < f->nr_told; i++) {
		if (f->told[i].nodeid != nodeid && equal(&f->told[i].bound, handle))
			f->told[i].former = true;
	}
}

/* The server has used a nodeid for the object, and the kernel may have ignored it. */
void may_bind(struct fuzz *f, __u64 nodeid, const struct fuzz_handle *handle)
{
	struct told *told = find_told(f, nodeid);

	if (told && handle->size && !equal(&told->bound, handle))
		told->ambiguous = true;
}

/*
 * The kernel uses the nodeid for the object. If it was that of another object, which has
 * a nodeid of its own since, a server must not use it before the kernel has forgotten it.
 * Mutated replies do, and then the kernel may use either handle with it: nothing is
 * checked about this nodeid before it is forgotten.
 */
void bind(struct fuzz *f, __u64 nodeid, const struct fuzz_handle *handle)
{
	struct told *told = find_told(f, nodeid);

	if (!told || !handle->size)
		return;
	if (told->former && !equal(&told->bound, handle))
		told->reused = true;
	told->former = false;
	told->bound = *handle;
	told->ambiguous = told->reused;
}

/*
 * Requests
 */

/* Stores the handle that is number @nr of the extensions. Returns false if it is malformed. */
static bool get_ext(const struct request *r, unsigned int nr,
		    struct fuzz_handle *handle, bool *found)
{
	const unsigned char *p = r->args + r->args_len;
	size_t left = r->in.total_extlen * 8;
	struct fuse_ext_header header;
	struct fuse_file_handle fh;

	*found = false;
	if (left && (sizeof(r->in) + r->args_len) % 8)
		return false;
	while (left) {
		if (left < sizeof(header))
			return false;
		memcpy(&header, p, sizeof(header));
		if (header.size < sizeof(header) || header.size > left ||
		    header.size % 8)
			return false;
		if (header.type == FUSE_EXT_HANDLE && !nr--) {
			if (header.size < sizeof(header) + sizeof(fh))
				return false;
			memcpy(&fh, p + sizeof(header), sizeof(fh));
			if (fh.spare || fh.size > FUSE_MAX_HANDLE_SIZE ||
			    header.size != sizeof(header) + sizeof(fh) +
					   FUSE_REC_ALIGN(fh.size))
				return false;
			p += sizeof(header) + sizeof(fh);
			handle->size = fh.size;
			memcpy(handle->bytes, p, fh.size);
			*found = true;
			return is_zero(p + fh.size,
				       FUSE_REC_ALIGN(fh.size) - fh.size);
		}
		p += header.size;
		left -= header.size;
	}
	return true;
}

static bool has_two_inodes(__u32 opcode)
{
	return opcode == FUSE_RENAME || opcode == FUSE_RENAME2 ||
	       opcode == FUSE_LINK;
}

static bool has_no_inode(__u32 opcode)
{
	switch (opcode) {
	case FUSE_INIT:
	case FUSE_DESTROY:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return true;
	default:
		return false;
	}
}

/* Checks a nodeid of a request, and its handle number @nr. */
static void check_nodeid(struct fuzz *f, const struct request *r, __u64 nodeid,
			 unsigned int nr)
{
	const struct fuzz_handle *right = NULL;
	struct fuzz_handle handle;
	struct told *told;
	bool found;

	if (!get_ext(r, nr, &handle, &found))
		return fail(f, "opcode %u: extension is malformed", r->in.opcode);
	if (!nodeid) {
		/* By handle: a handle is decoded, or its nodeid is void. */
		if (!found || !handle.size)
			fail(f, "opcode %u: neither a nodeid nor a handle",
			     r->in.opcode);
		return;
	}
	if (nodeid == FUSE_ROOT_ID) {
		if (f->root_is_known)
			right = &f->root;
	} else {
		told = find_told(f, nodeid);
		if (!told || told->lookups <= 0)
			return fail(f, "opcode %u: nodeid %llx, which the server does not know",
				    r->in.opcode, (unsigned long long)nodeid);
		if (!told->ambiguous)
			right = &told->bound;
	}
	/* A file is released as what it was opened, even if its inode is bad now. */
	if (r->in.opcode == FUSE_RELEASE || r->in.opcode == FUSE_RELEASEDIR)
		return;
	if (found && handle.size && right && right->size && !equal(&handle, right))
		fail(f, "opcode %u: nodeid %llx with the handle of another object",
		     r->in.opcode, (unsigned long long)nodeid);
}

/* Returns true for requests that the kernel sends in a compound. */
static bool belongs_in_compound(const struct request *r)
{
	switch (r->in.opcode) {
	case FUSE_CREATE:
	case FUSE_TMPFILE:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		return true;
	case FUSE_LOOKUP_HANDLE:
		/* The handle of the root is requested alone. */
		return r->in.nodeid != FUSE_ROOT_ID ||
		       strcmp((const char *)r->args, ".");
	default:
		return false;
	}
}

/* A request alone; those in a compound are checked by their compound. */
static void check_single(struct fuzz *f, const struct request *r)
{
	if (belongs_in_compound(r) && !f->declined && !f->in_compound)
		fail(f, "opcode %u was not sent in a compound", r->in.opcode);
}

void check_request(struct server *s, const struct request *r)
{
	struct fuzz *f = s->others_data;
	__u64 nodeid;

	check_single(f, r);
	if (r->in.opcode == FUSE_COMPOUND || has_no_inode(r->in.opcode))
		return;
	check_nodeid(f, r, r->in.nodeid, 0);
	if (!has_two_inodes(r->in.opcode))
		return;
	memcpy(&nodeid, r->args, sizeof(nodeid));
	if (!r->in.nodeid != !nodeid)
		fail(f, "opcode %u: one of two nodeids is void", r->in.opcode);
	check_nodeid(f, r, nodeid, 1);
}

/*
 * Replies
 */

/* Stores the handle that takes up the rest of a reply. Returns 0 or -EIO. */
static int parse_handle(const unsigned char *data, size_t len,
			struct fuzz_handle *handle)
{
	struct fuse_file_handle fh;

	if (len < sizeof(fh))
		return -EIO;
	memcpy(&fh, data, sizeof(fh));
	if (fh.spare || fh.size > FUSE_MAX_HANDLE_SIZE ||
	    len != sizeof(fh) + FUSE_REC_ALIGN(fh.size) ||
	    !is_zero(data + sizeof(fh) + fh.size, FUSE_REC_ALIGN(fh.size) - fh.size))
		return -EIO;
	handle->size = fh.size;
	memcpy(handle->bytes, data + sizeof(fh), fh.size);
	return 0;
}

/* Parses the reply to FUSE_LOOKUP_HANDLE. Returns 0 or -EIO. */
static int parse_entry2(const unsigned char *data, size_t len, __u64 *nodeid,
			struct fuzz_handle *handle)
{
	struct fuse_entry2_out entry;

	if (len < sizeof(entry))
		return -EIO;
	memcpy(&entry, data, sizeof(entry));
	*nodeid = entry.nodeid;
	if (entry.spare)
		return -EIO;
	return parse_handle(data + sizeof(entry), len - sizeof(entry), handle);
}

static bool valid_attr(__u32 mode, __u64 size)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return size <= INT64_MAX;
	default:
		return false;
	}
}

/* Returns 0 or -EIO. */
static int check_statx(const unsigned char *data, size_t len)
{
	struct fuse_statx_out out;

	if (len != sizeof(out))
		return -EIO;
	memcpy(&out, data, sizeof(out));
	if (~out.stat.mask & BASIC_STATS)
		return -EIO;
	return valid_attr(out.stat.mode, out.stat.size) ? 0 : -EIO;
}

/* A server that has negotiated handles implements the requests. */
static int implemented(int error)
{
	return error == -ENOSYS ? -EIO : error;
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* The result of FUSE_LOOKUP_HANDLE, if FUSE_STATX succeeds */
static void judge_found(struct verdict *v, const struct sub_request *req,
			const struct sub *found)
{
	v->decided = true;
	v->decode = !req->nodeid;
	v->dots = is_dots(req->name);
	snprintf(v->name, sizeof(v->name), "%s", req->name);
	v->wanted = req->handle;
	v->error = implemented(found->error);
	if (!v->error)
		v->error = parse_entry2(found->data, found->len, &v->nodeid,
					&v->handle);
	if (!v->error && !v->nodeid)
		v->error = -ENOENT;
}

/*
 * The kernel takes over the handle of the root once, from a reply to a lookup of "." or
 * "..", but not from a decode.
 */
static void learn_root(struct fuzz *f, const struct fuzz_handle *handle)
{
	if (f->root_is_known || !handle->size)
		return;
	f->root = *handle;
	f->root_is_known = true;
}

/* The result of FUSE_STATX, and with it of the lookup */
static void judge_attributes(struct fuzz *f, struct verdict *v,
			     const struct sub *statx)
{
	if (v->error)
		return;
	v->error = implemented(statx->error);
	if (!v->error)
		v->error = check_statx(statx->data, statx->len);
	if (v->error)
		return;
	/* The root has no name. */
	if (v->nodeid == FUSE_ROOT_ID &&
	    (!v->dots ||
	     (f->root_is_known && v->handle.size && !equal(&f->root, &v->handle))))
		v->error = -EIO;
	else if (v->decode && !equal(&v->handle, &v->wanted))
		v->error = -ESTALE;
	else if (v->nodeid == FUSE_ROOT_ID && !v->decode)
		learn_root(f, &v->handle);
}

/* The entry with which the reply to a request that creates an inode starts */
static bool valid_entry(const struct fuse_entry_out *entry)
{
	return entry->nodeid && entry->nodeid != FUSE_ROOT_ID &&
	       valid_attr(entry->attr.mode, entry->attr.size);
}

static mode_t created_type(__u32 opcode)
{
	switch (opcode) {
	case FUSE_MKDIR:
		return S_IFDIR;
	case FUSE_SYMLINK:
		return S_IFLNK;
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		return S_IFREG;
	default:
		return 0;	/* not known here */
	}
}

/* The result of a request that creates an inode, with its handle and attributes */
static void judge_creation(struct fuzz *f, const struct sub *sub)
{
	struct verdict *v = &f->last;
	struct fuse_statx_out statx;
	struct fuse_entry_out entry;
	mode_t type = created_type(v->opcode);
	__u64 nodeid = 0;

	v->decided = true;
	v->error = sub[0].error;
	if (v->error)
		return;
	v->error = -EIO;
	memcpy(&entry, sub[0].data, sizeof(entry));
	v->nodeid = entry.nodeid;
	if (sub[1].error == -ENOSYS || sub[2].error == -ENOSYS)
		return;
	if (!sub[1].error) {
		if (parse_entry2(sub[1].data, sub[1].len, &nodeid, &v->handle) ||
		    (nodeid && nodeid != entry.nodeid))
			return;
		if (!nodeid)
			v->handle.size = 0;
	}
	if (!sub[2].error) {
		if (check_statx(sub[2].data, sub[2].len))
			return;
		memcpy(&statx, sub[2].data, sizeof(statx));
		entry.attr.mode = statx.stat.mode;
		entry.attr.size = statx.stat.size;
	}
	if (!valid_entry(&entry) || (type && (entry.attr.mode & S_IFMT) != type))
		return;
	v->error = 0;
	v->nlink = sub[2].error ? entry.attr.nlink : statx.stat.nlink;
	/* The type of an existing inode, and what FUSE_MKNOD asked for, also count. */
	v->decided = type;
}

/* Returns the size of the arguments of a reply, or of their fixed part. */
static size_t fixed_size(__u32 opcode)
{
	switch (opcode) {
	case FUSE_LOOKUP_HANDLE:
		return sizeof(struct fuse_entry2_out);
	case FUSE_STATX:
		return sizeof(struct fuse_statx_out);
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		return sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out);
	default:
		return sizeof(struct fuse_entry_out);
	}
}

static bool right_size(__u32 opcode, size_t len)
{
	size_t fixed = fixed_size(opcode);

	if (opcode == FUSE_LOOKUP_HANDLE)
		return len >= fixed && len <= fixed + HANDLE_HEAD + FUSE_MAX_HANDLE_SIZE;
	return len == fixed;
}

static __u64 nodeid_of(const struct sub *sub)
{
	__u64 nodeid = 0;

	if (!sub->error && sub->len >= sizeof(nodeid))
		memcpy(&nodeid, sub->data, sizeof(nodeid));
	return nodeid;
}

/* Divides the requests of a compound. Returns their number. */
static unsigned int requests_of(const struct request *r, struct sub_request *req)
{
	const unsigned char *p = r->args + sizeof(struct fuse_compound_in);
	const unsigned char *end = r->args + r->args_len;
	unsigned int nr = 0;

	while (p < end && nr < PARTS_MAX) {
		struct sub_request *one = &req[nr++];
		struct request inner;

		p += sizeof(struct fuse_compound_req_in);
		memcpy(&inner.in, p, sizeof(inner.in));
		inner.args = p + sizeof(inner.in);
		inner.args_len = inner.in.len - sizeof(inner.in) -
				 inner.in.total_extlen * 8;
		one->opcode = inner.in.opcode;
		one->nodeid = inner.in.nodeid;
		one->name = (const char *)inner.args;
		get_ext(&inner, 0, &one->handle, &one->has_handle);
		p += FUSE_REC_ALIGN(inner.in.len);
	}
	return nr;
}

/* Divides the replies of a compound. Returns 0 or -EIO. */
static int divide(const struct message *m, const struct sub_request *req,
		  unsigned int nr, struct sub *sub)
{
	size_t at = sizeof(struct fuse_compound_out), padding;
	int error = is_zero(m->data, at) ? 0 : -EIO;
	struct fuse_out_header header;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (m->len - at < REPLY_HEAD)
			return -EIO;
		memcpy(&header, m->data + at, sizeof(header));
		at += REPLY_HEAD;
		if (header.unique != i || header.len < REPLY_HEAD ||
		    header.len - REPLY_HEAD > m->len - at || header.error > 0 ||
		    header.error < ERROR_MIN ||
		    (header.error && header.len != REPLY_HEAD))
			return -EIO;
		sub[i].error = header.error;
		sub[i].data = m->data + at;
		sub[i].len = header.len - REPLY_HEAD;
		at += sub[i].len;
		padding = FUSE_REC_ALIGN(sub[i].len) - sub[i].len;
		if (m->len - at < padding)
			return -EIO;
		if (!is_zero(m->data + at, padding))
			error = -EIO;
		at += padding;
		/* The requests after the first one depend on it. */
		if (i && !nodeid_of(&sub[0])) {
			sub[i].error = -ECANCELED;
			continue;
		}
		if (!sub[i].error && !right_size(req[i].opcode, sub[i].len)) {
			error = -EIO;
			if (!i)
				sub[i].error = -EIO;
		}
	}
	return at == m->len ? error : -EIO;
}

static void judge_compound(struct fuzz *f, const struct request *r, int error,
			   const struct message *m, bool refused)
{
	struct sub_request req[PARTS_MAX] = {};
	struct sub sub[PARTS_MAX] = {};
	unsigned int nr = requests_of(r, req);
	struct verdict *v = &f->last;

	v->opcode = req[0].opcode;
	v->decode = v->opcode == FUSE_LOOKUP_HANDLE && !req[0].nodeid;
	/* The requests are sent one by one. */
	if (!refused && (error == -ENOSYS || error == -EOPNOTSUPP)) {
		f->declined = true;
		f->no_compounds |= error == -ENOSYS;
		return;
	}
	v->decided = true;
	v->error = refused ? -EIO : error;
	if (!v->error)
		v->error = divide(m, req, nr, sub);
	if (v->error)
		return;
	if (v->opcode != FUSE_LOOKUP_HANDLE) {
		judge_creation(f, sub);
		return;
	}
	judge_found(v, &req[0], &sub[0]);
	judge_attributes(f, v, &sub[1]);
}

/* FUSE_LOOKUP_HANDLE alone: with FUSE_STATX, it is a lookup. */
static void judge_lookup_handle(struct fuzz *f, const struct request *r, int error,
				const struct message *m, bool refused)
{
	struct sub_request req = {
		.nodeid = r->in.nodeid,
		.name = (const char *)r->args,
	};
	struct sub found = { refused ? -EIO : error, m->data, m->len };
	struct verdict *v = &f->last;

	get_ext(r, 0, &req.handle, &req.has_handle);
	judge_found(v, &req, &found);
	if (r->in.nodeid && !strcmp(req.name, ".")) {
		/* Of the root, or of an inode that was created with any nodeid */
		if (r->in.nodeid == FUSE_ROOT_ID && !f->created && !v->error &&
		    v->nodeid == FUSE_ROOT_ID)
			learn_root(f, &v->handle);
		v->decided = false;
		return;
	}
	/* The size of the handle does not matter for the next request. */
	f->is_pending = !found.error && nodeid_of(&found);
	f->pending = *v;
	if (f->is_pending)
		v->decided = false;
}

/* FUSE_STATX alone: the second half of a lookup, or attributes. */
static void judge_statx(struct fuzz *f, int error, const struct message *m,
			bool refused)
{
	struct sub statx = { refused ? -EIO : error, m->data, m->len };

	if (!f->is_pending)
		return;
	f->is_pending = false;
	f->last = f->pending;
	judge_attributes(f, &f->last, &statx);
}

/* Requests whose result the caller receives, and that have arguments of one size */
static bool passes_errors(__u32 opcode)
{
	switch (opcode) {
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_READ:
	case FUSE_OPEN:
	case FUSE_OPENDIR:
	case FUSE_GETATTR:
		return true;
	default:
		return false;
	}
}

/* Adds the handles of the entries of FUSE_READDIRPLUS to what the kernel can know. */
static void may_bind_entries(struct fuzz *f, const struct message *m)
{
	struct fuse_direntplus plus;
	struct fuzz_handle handle;
	struct fuse_file_handle fh;
	size_t at = 0, size;

	while (m->len - at >= FUSE_NAME_OFFSET_DIRENTPLUS) {
		memcpy(&plus, m->data + at, FUSE_NAME_OFFSET_DIRENTPLUS);
		size = FUSE_DIRENTPLUS_SIZE(&plus);
		if (plus.dirent.namelen > NAME_MAX || m->len - at < size + sizeof(fh))
			return;
		memcpy(&fh, m->data + at + size, sizeof(fh));
		size += sizeof(fh);
		if (fh.size > FUSE_MAX_HANDLE_SIZE ||
		    m->len - at < size + FUSE_REC_ALIGN(fh.size))
			return;
		handle.size = fh.size;
		memcpy(handle.bytes, m->data + at + size, fh.size);
		leave_others(f, plus.entry_out.nodeid, &handle);
		may_bind(f, plus.entry_out.nodeid, &handle);
		at += size + FUSE_REC_ALIGN(fh.size);
	}
}

void judge(struct fuzz *f, const struct request *r, int error,
	   const struct message *m, bool refused)
{
	struct verdict *v = &f->last;

	f->requests++;
	memset(v, 0, sizeof(*v));
	v->opcode = r->in.opcode;
	switch (r->in.opcode) {
	case FUSE_COMPOUND:
		judge_compound(f, r, error, m, refused);
		break;
	case FUSE_LOOKUP_HANDLE:
		judge_lookup_handle(f, r, error, m, refused);
		break;
	case FUSE_STATX:
		judge_statx(f, error, m, refused);
		break;
	case FUSE_READDIRPLUS:
		if (!error && !refused)
			may_bind_entries(f, m);
		break;
	default:
		v->decided = passes_errors(r->in.opcode) && (error || refused) &&
			     error != -ENOSYS;
		v->error = refused ? -EIO : error;
		break;
	}
	f->created = r->in.opcode != FUSE_LOOKUP_HANDLE && belongs_in_compound(r);
	f->opened |= v->opcode == FUSE_OPEN || v->opcode == FUSE_OPENDIR ||
		     v->opcode == FUSE_CREATE || v->opcode == FUSE_TMPFILE;
	if (!v->nodeid || v->error)
		return;
	/* To find a name in a directory, the kernel only compares handles. */
	if (v->decided && v->opcode == FUSE_LOOKUP_HANDLE && !v->decode && !f->decoding)
		bind(f, v->nodeid, &v->handle);
	else
		may_bind(f, v->nodeid, &v->handle);
	/* A decode changes no nodeid that the same server uses. */
	if (!v->decode)
		leave_others(f, v->nodeid, &v->handle);
	f->lookup = *v;
}
