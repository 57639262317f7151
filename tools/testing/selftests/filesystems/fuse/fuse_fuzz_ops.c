// SPDX-License-Identifier: GPL-2.0
/* The operations of the client, and what must hold after each of them. */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "../file_handle/ring.h"
#include "fuse_fuzz.h"

#define OPEN_FLAGS	(O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC)

/* How the result of an operation depends on its last request */
enum kind {
	KIND_LOOKUP,		/* fails if the lookup fails */
	KIND_CREATE,		/* looks up a name that must not exist, and creates it */
	KIND_DECODE,
	KIND_OTHER,
};

static __u64 below(struct fuzz *f, __u64 limit)
{
	return fuzz_random(&f->ops_random) % limit;
}

static bool one_in(struct fuzz *f, unsigned int nr)
{
	return below(f, nr) == 0;
}

static const char *any_name(struct fuzz *f)
{
	static const char * const names[] = {
		"file", "file", "other", "d1", "d1", "d1/file", "d1/d2", "d1/d2/file",
		"n0", "n1", "n2", "d1/n0", "d1/n1", ".",
	};

	return names[below(f, ARRAY_SIZE(names))];
}

static const char *new_name(struct fuzz *f)
{
	static const char * const names[] = {
		"n0", "n1", "n2", "d1/n0", "d1/n1", "d1/d2/n0",
	};

	return names[below(f, ARRAY_SIZE(names))];
}

static char *path(struct fuzz *f, const char *name)
{
	static char paths[2][128];
	static unsigned int i;
	char *p = paths[i++ % 2];

	path_of(f->s, name, p, sizeof(paths[0]));
	return p;
}

/*
 * Properties
 */

/* The error with which a system call reports that of a request */
static int reported(const struct verdict *v)
{
	if (v->error == -ENOSYS && v->opcode == FUSE_LINK)
		return -EPERM;
	if (v->error == -ENOSYS && v->opcode == FUSE_TMPFILE)
		return -EOPNOTSUPP;
	return v->error;
}

/* Errors that open_by_handle_at(2) does not report as ESTALE */
static bool is_passed(int error)
{
	return error == -ENOMEM || error == -EINTR;
}

static void check_error(struct fuzz *f, enum kind how, int result)
{
	const struct verdict *v = &f->last;
	int expected = reported(v);

	if (!v->decided || !v->error)
		return;
	switch (how) {
	case KIND_LOOKUP:
		/* The inode of an open file was looked up again. */
		if (v->decode)
			return;
		break;
	case KIND_CREATE:
		if (v->decode ||
		    (v->opcode == FUSE_LOOKUP_HANDLE && v->error == -ENOENT))
			return;
		break;
	case KIND_DECODE:
		/* After a restart, this can be about an inode that is cached. */
		if (v->decode && f->s->generation > 1)
			return;
		if (v->decode)
			expected = is_passed(v->error) ? v->error : -ESTALE;
		/* A directory is also opened to find a name in it. */
		else if (v->opcode != FUSE_OPEN &&
			 (v->opcode != FUSE_OPENDIR || result == -ESTALE))
			return;
		break;
	case KIND_OTHER:
		return;
	}
	if (result != expected)
		fail(f, "opcode %u: the reply is error %d, the result is %d",
		     v->opcode, expected, result);
}

static void conclude(struct fuzz *f, enum kind how, const char *what,
		     const char *name, int result)
{
	int sign = result < 0 ? result : 0;

	f->operations++;
	digest(f, &sign, sizeof(sign));
	note(f, "operation %u: %s %s: %d", f->op, what, name, result);
	check_error(f, how, result);
	/* The kernel uses what was created. */
	if (result >= 0 && how == KIND_CREATE && f->lookup.decided && !f->lookup.decode)
		bind(f, f->lookup.nodeid, &f->lookup.handle);
}

/* Stores the handle in a file handle. Returns false if it is malformed. */
static bool server_handle(const struct handle *fh, struct fuzz_handle *handle)
{
	unsigned int h = fh->data[0], p = fh->data[1];
	unsigned int padded = (h + 3) / 4 * 4;
	/* The filesystem does not receive up to 3 bytes at the end. */
	unsigned int bytes = fh->bytes / 4 * 4;

	if (!bytes || bytes != 4 + padded + (p + 3) / 4 * 4 || !h ||
	    fh->data[2] || fh->data[3] || !is_zero(fh->data + 4 + h, padded - h))
		return false;
	handle->size = h;
	memcpy(handle->bytes, fh->data + 4, h);
	return true;
}

static bool has_handles(struct fuzz *f)
{
	return f->s->init_flags & FUSE_HAS_LOOKUP_HANDLE;
}

/* An open file has one handle, which becomes known once. */
static void learn(struct fuzz *f, struct slot *slot)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	struct fuzz_handle handle;
	__u64 mnt_id;
	int err;

	err = encode_at(slot->fd, "", &fh, &mnt_id,
			AT_EMPTY_PATH | AT_HANDLE_FID | AT_HANDLE_MNT_ID_UNIQUE);
	if (!has_handles(f))
		return;
	if (err == -EOVERFLOW) {
		if (fh.bytes != HANDLE_MAX)
			fail(f, "EOVERFLOW asks for %u bytes", fh.bytes);
		return;
	}
	if (err) {
		if (err != -EOPNOTSUPP)
			fail(f, "name_to_handle_at of an open file: %d", err);
		else if (slot->known)
			fail(f, "the handle of an open file is not known any more");
		return;
	}
	if (fh.type != FILEID_FUSE_HANDLE || !server_handle(&fh, &handle)) {
		fail(f, "a file handle of type %#x is malformed", fh.type);
		return;
	}
	if (slot->known && !equal(&handle, &slot->handle))
		fail(f, "an open file became another object");
	slot->known = true;
	slot->handle = handle;
}

/* Compares the content with the handle. Returns 0 or a negative errno. */
static int read_slot(struct fuzz *f, struct slot *slot)
{
	char buf[32] = "";
	unsigned int found;
	ssize_t len = pread(slot->fd, buf, sizeof(buf) - 1, 0);

	if (len < 0)
		return -errno;
	if (slot->known && len >= CONTENT_LEN && buf[CONTENT_LEN - 1] == '\n' &&
	    sscanf(buf, "is %8x", &found) == 1 && found &&
	    found != fingerprint(&slot->handle))
		fail(f, "an open file has the content of another object");
	return 0;
}

static void close_slot(struct slot *slot)
{
	if (slot->fd >= 0)
		close(slot->fd);
	slot->fd = -1;
}

void close_slots(struct fuzz *f)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		close_slot(&f->slots[i]);
}

static struct slot *any_slot(struct fuzz *f)
{
	struct slot *slot = &f->slots[below(f, SLOTS)];

	return slot->fd < 0 ? NULL : slot;
}

/* Keeps an open file. @handle is that of the object, or NULL if it is not known. */
static void keep_open(struct fuzz *f, int fd, const struct fuzz_handle *handle)
{
	struct slot *slot = &f->slots[below(f, SLOTS)];

	if (fd < 0)
		return;
	if (slot->fd >= 0) {
		close_slot(slot);
		barrier(f);
	}
	slot->fd = fd;
	slot->known = false;
	slot->type = 0;
	learn(f, slot);
	if (handle && handle->size && handle->size <= 124 &&
	    (!slot->known || !equal(&slot->handle, handle)))
		fail(f, "an object was opened that has another handle");
}

/* The handle of the object that was looked up as @name or created, or NULL */
static const struct fuzz_handle *found_handle(struct fuzz *f, const char *name)
{
	const struct verdict *v = &f->lookup;
	const char *last = strrchr(name, '/');

	if (!v->decided || v->decode)
		return NULL;
	if (v->opcode == FUSE_LOOKUP_HANDLE && strcmp(v->name, last ? last + 1 : name))
		return NULL;
	return &v->handle;
}

/*
 * Operations
 */

static void do_stat(struct fuzz *f)
{
	const char *name = any_name(f);
	struct stat st;
	int err = lstat(path(f, name), &st) ? -errno : 0;

	conclude(f, KIND_LOOKUP, "stat", name, err);
}

static void do_open(struct fuzz *f)
{
	static const int modes[] = { O_RDONLY, O_RDONLY, O_RDWR, O_PATH };
	const char *name = any_name(f);
	int fd = open(path(f, name), modes[below(f, 4)] | OPEN_FLAGS);

	if (fd < 0)
		fd = -errno;
	conclude(f, KIND_LOOKUP, "open", name, fd);
	keep_open(f, fd, found_handle(f, name));
}

static void do_create(struct fuzz *f)
{
	const char *name = new_name(f);
	int fd = open(path(f, name), O_RDWR | O_CREAT | O_EXCL | OPEN_FLAGS, 0644);

	if (fd < 0)
		fd = -errno;
	conclude(f, KIND_CREATE, "create", name, fd);
	keep_open(f, fd, found_handle(f, name));
}

static void do_tmpfile(struct fuzz *f)
{
	int fd = open(f->s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);

	if (fd < 0)
		fd = -errno;
	conclude(f, KIND_CREATE, "tmpfile", "", fd);
	keep_open(f, fd, found_handle(f, ""));
}

static void do_make(struct fuzz *f)
{
	const char *name = new_name(f);
	char *p = path(f, name);
	int ret;

	switch (below(f, 4)) {
	case 0:
		ret = mkdir(p, 0755);
		break;
	case 1:
		ret = symlink("nowhere", p);
		break;
	case 2:
		ret = mkfifo(p, 0644);
		break;
	default:
		ret = mknod(p, S_IFREG | 0644, 0);
	}
	conclude(f, KIND_CREATE, "make", name, ret ? -errno : 0);
}

static void do_link(struct fuzz *f)
{
	const char *from = any_name(f), *name = new_name(f);
	char *p = path(f, from), *q = path(f, name);
	int err = link(p, q) ? -errno : 0;
	unsigned int requests;
	struct stat st;

	/* The lookup of the first name can be the last request. */
	conclude(f, f->last.opcode == FUSE_LINK ? KIND_CREATE : KIND_OTHER, "link",
		 name, err);
	if (err || f->last.opcode != FUSE_LINK || f->last.error)
		return;
	requests = f->requests;
	/* The attributes that are cached are those of the reply. */
	if (!lstat(q, &st) && f->requests == requests && st.st_nlink != f->last.nlink)
		fail(f, "the link count is %lu instead of %u",
		     (unsigned long)st.st_nlink, f->last.nlink);
}

static void do_rename(struct fuzz *f)
{
	char *p = path(f, any_name(f)), *q = path(f, new_name(f));

	conclude(f, KIND_OTHER, "rename", "", rename(p, q) ? -errno : 0);
}

static void do_remove(struct fuzz *f)
{
	const char *name = any_name(f);
	char *p = path(f, name);
	int err = (one_in(f, 3) ? rmdir(p) : unlink(p)) ? -errno : 0;

	conclude(f, KIND_OTHER, "remove", name, err);
}

static void do_list(struct fuzz *f)
{
	const char *name = one_in(f, 2) ? "." : "d1";
	int fd = open(path(f, name), O_RDONLY | O_DIRECTORY | OPEN_FLAGS);
	int err = fd < 0 ? -errno : 0, i;
	char buf[2048];

	for (i = 0; fd >= 0 && i < 4; i++) {
		err = syscall(SYS_getdents64, fd, buf, sizeof(buf));
		if (err <= 0)
			break;
	}
	if (fd >= 0 && err < 0)
		err = -errno;
	conclude(f, KIND_OTHER, "list", name, err);
	if (fd >= 0)
		close(fd);
}

static void do_encode(struct fuzz *f)
{
	static const unsigned int flags[] = {
		0, 0, AT_HANDLE_FID, AT_HANDLE_CONNECTABLE,
	};
	struct handle *fh = &f->kept[f->nr_kept % KEPT];
	unsigned int flag = flags[below(f, ARRAY_SIZE(flags))];
	const char *name = any_name(f);
	struct handle encoded;
	int err = name_handle(f->s, name, &encoded, flag);

	if (err == -EOVERFLOW && encoded.bytes != HANDLE_MAX)
		fail(f, "EOVERFLOW asks for %u bytes", encoded.bytes);
	/* Encoding itself sends no request, and has errors of its own. */
	conclude(f, f->last.error ? KIND_LOOKUP : KIND_OTHER, "name_to_handle_at", name,
		 err);
	if (err)
		return;
	*fh = encoded;
	f->nr_kept++;
}

/* Reads an open file while the server replies as it should. */
static bool is_alive(struct fuzz *f, struct slot *slot)
{
	unsigned int rate = f->rate, wire_rate = f->wire_rate;
	unsigned int restart_rate = f->restart_rate;
	bool alive;

	f->rate = 0;
	f->wire_rate = 0;
	f->restart_rate = 0;
	alive = !read_slot(f, slot);
	f->rate = rate;
	f->wire_rate = wire_rate;
	f->restart_rate = restart_rate;
	return alive;
}

/* Opens a file handle, in one case of four through io_uring, if it supports this. */
static int open_handle(struct fuzz *f, const struct handle *fh, unsigned int flags)
{
	static bool is_probed, has_ring;
	static struct ring ring;

	if (!is_probed)
		has_ring = probe_op(IORING_OP_OPEN_BY_HANDLE_AT) == PROBED_SUPPORTED &&
			   !ring_init(&ring, 0);
	is_probed = true;
	if (one_in(f, 4) && has_ring)
		return ring_open(&ring, f->s->mount_fd, fh, flags, 0);
	return decode(f->s->mount_fd, fh, flags);
}

/* Without a file handle, @fh is empty. */
static void forge(struct fuzz *f, struct handle *fh)
{
	switch (fh->bytes ? below(f, 4) : 3) {
	case 0:
		fh->data[below(f, fh->bytes)] ^= 1 << below(f, 8);
		break;
	case 1:
		fh->type ^= 1 << below(f, 20);
		break;
	case 2:
		fh->bytes = below(f, HANDLE_MAX + 1);
		break;
	default:
		/* The handle of any object, with the right layout */
		memset(fh, 0, sizeof(*fh));
		fh->type = FILEID_FUSE_HANDLE;
		fh->data[0] = f->s->handle_size;
		if (!fh->data[0] || fh->data[0] > 124)
			fh->data[0] = 16;
		fh->bytes = 4 + (fh->data[0] + 3) / 4 * 4;
		object_handle(f->s, ROOT + below(f, 14), fh->data + 4, fh->data[0]);
	}
}

/* Returns true if a correct server finds the object, and a way from the root to it. */
static bool can_be_found(struct fuzz *f, const struct fuzz_handle *handle)
{
	struct server *s = f->s;
	unsigned int id = handle_object(s, handle->bytes, handle->size);
	unsigned int depth;

	/* Shorter handles are used again for other objects. */
	if (!id || s->handle_size < 4 || s->init_flags & FUSE_NO_EXPORT_SUPPORT)
		return false;
	for (depth = 0; id != ROOT && depth < 16; depth++) {
		if (!s->objects[id].exists || !s->objects[id].name[0])
			return false;
		/* The server removes directories that are not empty, too. */
		id = s->objects[id].parent;
		if (!S_ISDIR(s->objects[id].mode))
			return false;
	}
	return id == ROOT;
}

/*
 * Waits until the server has handled all requests without a caller. The kernel can send
 * a FUSE_STATFS before a FUSE_FORGET.
 */
static void drain(struct fuzz *f)
{
	struct pollfd p = { .fd = f->s->fd, .events = POLLIN };

	do {
		barrier(f);
	} while (poll(&p, 1, 0) > 0 && p.revents & POLLIN);
	barrier(f);
}

static void do_decode(struct fuzz *f)
{
	static const int flags[] = { O_RDONLY, O_RDONLY, O_PATH, O_DIRECTORY };
	struct slot *other = any_slot(f);
	struct fuzz_handle handle;
	struct handle fh = {};
	bool alive, well_formed, forged;
	int fd;

	if (f->nr_kept)
		fh = f->kept[below(f, f->nr_kept < KEPT ? f->nr_kept : KEPT)];
	forged = !fh.bytes || one_in(f, 3);
	if (forged)
		forge(f, &fh);
	if (one_in(f, 3)) {
		evict(f->s);
		drain(f);
	}
	alive = other && is_alive(f, other);
	f->requests = 0;
	memset(&f->last, 0, sizeof(f->last));
	f->decoding = true;
	fd = open_handle(f, &fh, flags[below(f, 4)] | OPEN_FLAGS);
	f->decoding = false;
	conclude(f, KIND_DECODE, "open_by_handle_at", "", fd);
	/* A file handle comes from anywhere, so it does not change a cached inode. */
	if (alive && fd == -ESTALE && f->requests <= 1 && !f->restarted &&
	    !is_alive(f, other))
		fail(f, "the decode of a file handle made an open file bad");
	well_formed = server_handle(&fh, &handle);
	/* A file that has moved since is not in the directory of a connectable handle. */
	if (fd == -ESTALE && !forged && fh.type == FILEID_FUSE_HANDLE && f->honest &&
	    can_be_found(f, &handle))
		fail(f, "a file handle of an object that exists is stale");
	if (fd >= 0 && has_handles(f) && !well_formed)
		fail(f, "a malformed file handle was opened");
	keep_open(f, fd, has_handles(f) && well_formed ? &handle : NULL);
}

static void do_read(struct fuzz *f)
{
	struct slot *slot = any_slot(f);
	char buf[512];
	int err;

	if (!slot)
		return;
	learn(f, slot);
	/* An object that is open may have become a directory. */
	if (one_in(f, 8))
		err = syscall(SYS_getdents64, slot->fd, buf, sizeof(buf)) < 0 ? -errno : 0;
	else
		err = read_slot(f, slot);
	conclude(f, KIND_OTHER, "read", "", err);
}

static void do_write(struct fuzz *f)
{
	struct slot *slot = any_slot(f);

	if (!slot)
		return;
	conclude(f, KIND_OTHER, "write", "",
		 pwrite(slot->fd, "x", 1, 0) < 0 ? -errno : 0);
}

/* An open file never changes its type. */
static void do_fstat(struct fuzz *f)
{
	struct slot *slot = any_slot(f);
	struct stat st;
	int err;

	if (!slot)
		return;
	err = fstat(slot->fd, &st) ? -errno : 0;
	if (!err && slot->type && slot->type != (st.st_mode & S_IFMT))
		fail(f, "an open file changed its type from %o to %o", slot->type,
		     st.st_mode & S_IFMT);
	if (!err)
		slot->type = st.st_mode & S_IFMT;
	conclude(f, KIND_OTHER, "fstat", "", err);
	learn(f, slot);
}

static void do_close(struct fuzz *f)
{
	struct slot *slot = any_slot(f);

	if (!slot)
		return;
	close_slot(slot);
	barrier(f);
	conclude(f, KIND_OTHER, "close", "", 0);
}

static void do_evict(struct fuzz *f)
{
	conclude(f, KIND_OTHER, "evict", "", evict(f->s));
}

/*
 * Notifications
 */

static __u64 any_nodeid(struct fuzz *f)
{
	if (!f->nr_told || one_in(f, 8))
		return one_in(f, 2) ? FUSE_ROOT_ID : fuzz_random(&f->ops_random);
	return f->told[below(f, f->nr_told)].nodeid;
}

/* Appends a name, of which the notification contains the length. */
static size_t put_name(struct fuzz *f, unsigned char *p, __u32 *namelen)
{
	static const char * const names[] = { "file", "d1", "n0", "missing" };
	const char *name = names[below(f, ARRAY_SIZE(names))];

	*namelen = strlen(name);
	memcpy(p, name, *namelen + 1);
	return *namelen + 1;
}

static size_t put_notification(struct fuzz *f, int code, unsigned char *p)
{
	struct fuse_notify_inval_inode_out inode = { .ino = any_nodeid(f), .len = -1 };
	struct fuse_notify_inval_entry_out entry = { .parent = any_nodeid(f) };
	struct fuse_notify_delete_out gone = { .parent = any_nodeid(f) };
	struct fuse_notify_store_out store = { .nodeid = any_nodeid(f) };
	struct fuse_notify_retrieve_out retrieve = {
		.notify_unique = 1, .nodeid = any_nodeid(f), .size = 16,
	};
	struct fuse_notify_prune_out prune = { .count = 1 };
	__u64 nodeid = any_nodeid(f);
	size_t len;

	switch (code) {
	case FUSE_NOTIFY_INVAL_INODE:
		memcpy(p, &inode, sizeof(inode));
		return sizeof(inode);
	case FUSE_NOTIFY_INVAL_ENTRY:
		len = put_name(f, p + sizeof(entry), &entry.namelen);
		entry.flags = below(f, 2);
		memcpy(p, &entry, sizeof(entry));
		return sizeof(entry) + len;
	case FUSE_NOTIFY_DELETE:
		gone.child = any_nodeid(f);
		len = put_name(f, p + sizeof(gone), &gone.namelen);
		memcpy(p, &gone, sizeof(gone));
		return sizeof(gone) + len;
	case FUSE_NOTIFY_STORE:
		store.size = 4;
		memcpy(p, &store, sizeof(store));
		memcpy(p + sizeof(store), "data", 4);
		return sizeof(store) + 4;
	case FUSE_NOTIFY_RETRIEVE:
		memcpy(p, &retrieve, sizeof(retrieve));
		return sizeof(retrieve);
	case FUSE_NOTIFY_PRUNE:
		memcpy(p, &prune, sizeof(prune));
		memcpy(p + sizeof(prune), &nodeid, sizeof(nodeid));
		return sizeof(prune) + sizeof(nodeid);
	default:
		return 0;
	}
}

/* Notifications that a handle after their arguments makes invalid */
static bool has_exact_size(int code)
{
	return code == FUSE_NOTIFY_INVAL_INODE || code == FUSE_NOTIFY_INVAL_ENTRY ||
	       code == FUSE_NOTIFY_DELETE || code == FUSE_NOTIFY_RESTART ||
	       code == FUSE_NOTIFY_RETRIEVE || code == FUSE_NOTIFY_STORE;
}

static void do_notify(struct fuzz *f)
{
	int code = 1 + below(f, FUSE_NOTIFY_RESTART + 1);
	unsigned char data[512] = {};
	bool replaceable = f->s->init_flags & FUSE_REQUEST_HANDLE, with_handle;
	size_t len = put_notification(f, code, data);
	int err;

	with_handle = one_in(f, 4);
	if (with_handle) {
		struct fuse_file_handle fh = { .size = 16 };

		memcpy(data + len, &fh, sizeof(fh));
		object_handle(f->s, ROOT + 1, data + len + sizeof(fh), 16);
		len += sizeof(fh) + 16;
	} else if (one_in(f, 8)) {
		len = len ? below(f, len) : 0;
	}
	if (code == FUSE_NOTIFY_RESTART && !len && replaceable) {
		f->nr_told = 0;
		forget_all(f->s);
	}
	err = notify(f->s, code, data, len);
	if (with_handle && has_exact_size(code) && !err)
		fail(f, "notification %d with a handle was accepted", code);
	if (code == FUSE_NOTIFY_RESTART && err != (!len && replaceable ? 0 : -EINVAL))
		fail(f, "FUSE_NOTIFY_RESTART: %d", err);
	barrier(f);
	conclude(f, KIND_OTHER, "notification", "", err);
}

void run_before_init(struct fuzz *f)
{
	const char *name = one_in(f, 2) ? "file" : ".";
	struct stat st;
	int err;

	__atomic_store_n(&f->is_calling, true, __ATOMIC_SEQ_CST);
	err = lstat(path(f, name), &st) ? -errno : 0;
	note(f, "stat %s before FUSE_INIT: %d", name, err);
	if (f->init == INIT_LATE)
		return;
	/* The wait ends before the connection: the call may still have sent a request. */
	if (f->init == INIT_NEVER && err != -ENOTCONN && err != -ECONNABORTED)
		fail(f, "a call that waits for FUSE_INIT when the server exits: %d", err);
	err = lstat(path(f, name), &st) ? -errno : 0;
	if (err != -ECONNREFUSED)
		fail(f, "a call after FUSE_INIT was refused: %d", err);
}

void run_operation(struct fuzz *f)
{
	static void (* const operations[])(struct fuzz *) = {
		do_stat, do_stat, do_stat, do_open, do_open, do_open, do_create,
		do_tmpfile, do_make, do_make, do_link, do_rename, do_remove, do_list,
		do_encode, do_encode, do_encode, do_decode, do_decode, do_decode,
		do_decode, do_read, do_read, do_read, do_write, do_fstat, do_close,
		do_evict, do_notify,
	};

	drain(f);
	f->op++;
	f->seq = 0;
	f->requests = 0;
	f->restarted = false;
	f->opened = false;
	f->created = false;
	f->declined = f->no_compounds;
	f->is_pending = false;
	memset(&f->last, 0, sizeof(f->last));
	memset(&f->lookup, 0, sizeof(f->lookup));
	f->ops_random = fuzz_seed(f->seed, f->nr, f->op, -1);
	operations[below(f, ARRAY_SIZE(operations))](f);
	/* An inode can be evicted only after the server has released its file. */
	if (f->opened)
		barrier(f);
}
