// SPDX-License-Identifier: GPL-2.0
/* The requests and replies of the server, and its life cycle. */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "fuse_server.h"

static void put_bytes(struct message *m, const void *data, size_t len)
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

static bool reply(struct server *s, __u64 unique, int error, const void *data,
		  size_t len)
{
	return fuse_reply(s->fd, unique, error, data, len);
}

static void grant(struct server *s, __u64 nodeid, int nr)
{
	unsigned int id = nodeid_object(nodeid);

	if (!nodeid || nodeid == FUSE_ROOT_ID || id >= OBJECTS_MAX)
		return;
	s->objects[id].lookups += nr;
	__atomic_add_fetch(&s->granted, nr, __ATOMIC_SEQ_CST);
}

/*
 * Replies with a lookup of @nodeid, if it counts as one. It is counted first,
 * because the kernel can forget it as soon as the reply is written.
 */
static void reply_lookup(struct server *s, __u64 unique,
			 const void *data, size_t len, __u64 nodeid)
{
	grant(s, nodeid, 1);
	if (!reply(s, unique, 0, data, len))
		grant(s, nodeid, -1);
}

static void forget(struct server *s, __u64 nodeid, __u64 nlookup)
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

static void fill_attr(struct server *s, unsigned int id,
		      struct fuse_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = id;
	attr->mode = s->objects[id].mode;
	attr->nlink = s->objects[id].nlink;
	attr->size = object_size(s, id);
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
	out->stat.blksize = 4096;
}

static void fill_entry(struct server *s, unsigned int id,
		       struct fuse_entry_out *out)
{
	memset(out, 0, sizeof(*out));
	out->nodeid = object_nodeid(s, id);
	out->entry_valid = s->entry_valid;
	out->attr_valid = s->attr_valid;
	fill_attr(s, id, &out->attr);
}

/* Appends the reply to FUSE_LOOKUP_HANDLE. Object 0 is a negative entry. */
static void put_entry2(struct server *s, struct message *m,
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
	/* Larger handles have only their size. */
	if (size < 1024)
		put_bytes(m, handle, size);
}

/* A request, alone or in a compound */
struct request {
	struct fuse_in_header in;
	const unsigned char *args;
	size_t args_len;		/* without the extension */
};

static void save_ext(struct server *s, const struct request *r)
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

const unsigned char *ext_handle(struct server *s, size_t *size)
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

static int find(struct server *s, const struct request *r)
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

static int lookup_handle(struct server *s, const struct request *r,
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

static int statx_object(struct server *s, unsigned int id,
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

/* Appends one reply of a compound. */
static void put_sub_reply(struct message *m, __u64 index, int error,
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

/* Parses the next request of a compound. Returns false if it is malformed. */
static bool next_request(const unsigned char **p, size_t *left,
			 const struct fuse_in_header *outer, __u64 index,
			 __u32 dependency, struct request *r)
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
 * Returns the nodeid whose lookup the kernel must forget, according to the
 * bytes of the replies: that of an entry in a first reply without an error.
 */
static __u64 counted_nodeid(const struct message *m)
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

static void do_compound(struct server *s, const struct fuse_in_header *in,
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
	if (!next_request(&p, &left, in, 0, FUSE_COMPOUND_INDEPENDENT,
			  &lookup) ||
	    !next_request(&p, &left, in, 1, 0, &attr) || left ||
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

static void do_lookup_handle(struct server *s, const struct request *r)
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
	/* The lookup counts if the reply contains the whole entry. */
	if (m.len >= SUB_ENTRY)
		memcpy(&nodeid, m.data, sizeof(nodeid));
	reply_lookup(s, r->in.unique, m.data, m.len, nodeid);
}

static void do_statx(struct server *s, const struct request *r)
{
	static struct message m;
	int err;

	m.len = 0;
	err = statx_object(s, nodeid_object(r->in.nodeid), &m);
	reply(s, r->in.unique, err, m.data, m.len);
}

static void reply_entry(struct server *s, __u64 unique,
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

static void do_create(struct server *s, const struct request *r)
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

static void do_tmpfile(struct server *s, const struct request *r)
{
	/* The file has no name. */
	struct request nameless = *r;
	struct fuse_create_in in = {};
	unsigned char args[sizeof(in) + 1] = {};

	nameless.args = args;
	do_create(s, &nameless);
}

static void do_mknod(struct server *s, const struct request *r)
{
	const char *name = (const char *)r->args + sizeof(struct fuse_mknod_in);
	unsigned int parent = nodeid_object(r->in.nodeid);
	struct fuse_mknod_in in;

	memcpy(&in, r->args, sizeof(in));
	reply_entry(s, r->in.unique, add_object(s, parent, name, in.mode));
}

static void do_symlink(struct server *s, const struct request *r)
{
	unsigned int parent = nodeid_object(r->in.nodeid);

	reply_entry(s, r->in.unique, add_object(s, parent,
						(const char *)r->args,
						S_IFLNK | 0777));
}

static void do_statfs(struct server *s, const struct request *r)
{
	struct fuse_statfs_out out = { .st.namelen = 255 };

	reply(s, r->in.unique, 0, &out, sizeof(out));
}

static void do_mkdir(struct server *s, const struct request *r)
{
	const char *name = (const char *)r->args + sizeof(struct fuse_mkdir_in);
	unsigned int parent = nodeid_object(r->in.nodeid);

	reply_entry(s, r->in.unique, add_object(s, parent, name, S_IFDIR | 0755));
}

/* The object is still found only by its first name. */
static void do_link(struct server *s, const struct request *r)
{
	struct fuse_link_in in;

	memcpy(&in, r->args, sizeof(in));
	s->objects[nodeid_object(in.oldnodeid)].nlink++;
	reply_entry(s, r->in.unique, nodeid_object(in.oldnodeid));
}

static void do_init(struct server *s, const struct request *r)
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

static void do_getattr(struct server *s, const struct request *r)
{
	struct fuse_attr_out out = { .attr_valid = s->attr_valid };

	fill_attr(s, nodeid_object(r->in.nodeid), &out.attr);
	reply(s, r->in.unique, 0, &out, sizeof(out));
}

static void do_open(struct server *s, const struct request *r)
{
	struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO };

	if (r->in.opcode == FUSE_OPENDIR)
		out.open_flags = 0;
	reply(s, r->in.unique, 0, &out, sizeof(out));
}

static void do_read(struct server *s, const struct request *r)
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

static void put_dirent(struct message *m, size_t room, __u64 ino,
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

/* Lists all objects but the bulk, which only lookups find. */
static void do_readdir(struct server *s, const struct request *r)
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

static void do_forgets(struct server *s, const struct request *r)
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

/* An open file must not have been forgotten. */
static void do_release(struct server *s, const struct request *r)
{
	unsigned int id = nodeid_object(r->in.nodeid);

	if (id != ROOT && s->objects[id].lookups <= 0)
		s->violations++;
	reply(s, r->in.unique, 0, NULL, 0);
}

static void dispatch(struct server *s, const struct request *r)
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

static void *serve(void *arg)
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
	/* Aborts the connection: pending requests fail. */
	close(s->fd);
	return NULL;
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

	s->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", s->fd);
	if (mount("fuse_server", s->dir, "fuse", MOUNT_FLAGS, options)) {
		err = -errno;
		close(s->fd);
		return err;
	}
	s->stop = false;
	s->running = true;
	return -pthread_create(&s->thread, NULL, serve, s);
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
	__atomic_store_n(&s->stop, true, __ATOMIC_SEQ_CST);
	pthread_join(s->thread, NULL);
	umount2(s->dir, MNT_DETACH);
}

int restart_server(struct server *s)
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

unsigned long count(struct server *s, unsigned int opcode)
{
	return __atomic_load_n(&s->requests[opcode], __ATOMIC_SEQ_CST);
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

long settle(struct server *s)
{
	int i;

	for (i = 0; i < 100; i++) {
		if (evict(s))
			return -1;
		if (!outstanding(s))
			break;
		usleep(20000);
	}
	return outstanding(s);
}
