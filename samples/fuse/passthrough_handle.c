// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A FUSE server that names its files by handles: a directory, seen through.
 *
 *   passthrough_handle DIRECTORY MOUNTPOINT
 *
 * The handle of a file is the one that the filesystem below has for it, as
 * name_to_handle_at(2) returns it. The server keeps nothing of its own across
 * restarts, and yet a file handle of a file on MOUNTPOINT opens the same file
 * when the server, or the machine, was started again.
 *
 * It runs in the foreground until it is told to end by a signal, or until
 * somebody unmounts MOUNTPOINT. DIRECTORY has to be on a filesystem with file
 * handles; what is mounted below it is not seen. Files can be read, written,
 * made and removed; links, extended attributes and other kinds of files are
 * left to be written.
 *
 * It has to be root, who alone may use MOUNTPOINT and owns what is made there.
 * A handle does not tell whether a file is below DIRECTORY: whoever opens file
 * handles, and be they made up, reaches all of the filesystem that it is on. To
 * export MOUNTPOINT by NFS is to export all of that.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/fuse.h>

/* What glibc calls this differs from one version to the next. */
#define BASIC_STATS	0x7ffU

/* Not every libc has open_tree(2). */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE	1
#endif

#define MAX_WRITE	(128 * 1024)
#define BUFFER_SIZE	(MAX_WRITE + 4096)
#define VALID_SECONDS	1

/*
 * The handle that the kernel gets: the type of the handle below, as four bytes,
 * and its bytes. Those of the most common filesystems take up to 12.
 */
#define HANDLE_TYPE_SIZE	sizeof(__s32)

struct handle {
	__u16 size;
	unsigned char bytes[FUSE_MAX_HANDLE_SIZE];
};

/* A file that the kernel has looked up. Its nodeid is its address. */
struct node {
	struct node *next;
	__u64 nlookup;
	int fd;			/* with O_PATH, but for the root's */
	dev_t dev;
	ino_t ino;
	struct handle handle;
};

static struct node root;	/* the others follow it */
static int dev_fd;

/* --- Nodes and handles --------------------------------------------------- */

static struct node *node_of(__u64 nodeid)
{
	return nodeid == FUSE_ROOT_ID ? &root : (struct node *)(uintptr_t)nodeid;
}

static __u64 nodeid_of(const struct node *node)
{
	return node == &root ? FUSE_ROOT_ID : (uintptr_t)node;
}

/* What the file below is called by its filesystem; of size 0 if it has none */
static void get_handle(int fd, struct handle *handle)
{
	struct {
		struct file_handle fh;
		unsigned char bytes[FUSE_MAX_HANDLE_SIZE - HANDLE_TYPE_SIZE];
	} below = { .fh.handle_bytes = sizeof(below.bytes) };
	__s32 type;
	int mnt_id;

	handle->size = 0;
	if (name_to_handle_at(fd, "", &below.fh, &mnt_id, AT_EMPTY_PATH))
		return;
	type = below.fh.handle_type;
	handle->size = sizeof(type) + below.fh.handle_bytes;
	memcpy(handle->bytes, &type, sizeof(type));
	memcpy(handle->bytes + sizeof(type), below.fh.f_handle,
	       below.fh.handle_bytes);
}

/* The file below that a handle names */
static int open_handle(const struct handle *handle)
{
	struct {
		struct file_handle fh;
		unsigned char bytes[FUSE_MAX_HANDLE_SIZE];
	} below;
	__s32 type;
	int fd;

	if (handle->size <= sizeof(type))
		return -ESTALE;
	memcpy(&type, handle->bytes, sizeof(type));
	below.fh.handle_type = type;
	below.fh.handle_bytes = handle->size - sizeof(type);
	memcpy(below.fh.f_handle, handle->bytes + sizeof(type),
	       below.fh.handle_bytes);
	fd = open_by_handle_at(root.fd, &below.fh,
			       O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The node of the file behind @fd, which it takes, with one lookup more */
static struct node *get_node(int fd, struct stat *st)
{
	struct node *node;

	if (fstatat(fd, "", st, AT_EMPTY_PATH))
		goto fail;
	for (node = &root; node; node = node->next) {
		if (node->dev == st->st_dev && node->ino == st->st_ino) {
			close(fd);
			node->nlookup++;
			return node;
		}
	}
	node = calloc(1, sizeof(*node));
	if (!node)
		goto fail;
	node->fd = fd;
	node->dev = st->st_dev;
	node->ino = st->st_ino;
	node->nlookup = 1;
	get_handle(fd, &node->handle);
	node->next = root.next;
	root.next = node;
	return node;

fail:
	close(fd);
	return NULL;
}

static void forget(__u64 nodeid, __u64 nlookup)
{
	struct node *node = node_of(nodeid), **p;

	if (node == &root)
		return;
	node->nlookup -= nlookup;
	if (node->nlookup)
		return;
	for (p = &root.next; *p != node; p = &(*p)->next)
		;
	*p = node->next;
	close(node->fd);
	free(node);
}

/* A path to what is open, even with O_PATH, whatever became of its name */
static const char *path_of(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* Open in another way, such as for reading what is open with O_PATH. */
static int reopen(int fd, int flags)
{
	fd = open(path_of(fd), flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* --- Requests and replies ------------------------------------------------ */

struct request {
	struct fuse_in_header in;
	const unsigned char *args;
	size_t len;			/* of the arguments */
	struct handle ext;		/* FUSE_EXT_HANDLE */
};

/* What is to be sent, after the header */
struct answer {
	size_t len;
	unsigned char data[BUFFER_SIZE];
};

static void put(struct answer *answer, const void *data, size_t len)
{
	memcpy(answer->data + answer->len, data, len);
	answer->len += len;
}

static void send_answer(__u64 unique, int err, const struct answer *answer)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + (err ? 0 : answer->len),
		.error = err,
		.unique = unique,
	};
	struct iovec iov[] = {
		{ &header, sizeof(header) },
		{ (void *)answer->data, err ? 0 : answer->len },
	};

	/* Fails if the request was interrupted, or the mount is gone. */
	if (writev(dev_fd, iov, 2) < 0 && errno != ENOENT && errno != ENODEV)
		perror("passthrough_handle: reply");
}

static void fill_attr(const struct stat *st, struct fuse_attr *attr)
{
	*attr = (struct fuse_attr) {
		.ino = st->st_ino,
		.size = st->st_size,
		.blocks = st->st_blocks,
		.atime = st->st_atim.tv_sec,
		.mtime = st->st_mtim.tv_sec,
		.ctime = st->st_ctim.tv_sec,
		.atimensec = st->st_atim.tv_nsec,
		.mtimensec = st->st_mtim.tv_nsec,
		.ctimensec = st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.blksize = st->st_blksize,
	};
}

static struct fuse_sx_time sx_time(const struct timespec *time)
{
	return (struct fuse_sx_time) {
		.tv_sec = time->tv_sec,
		.tv_nsec = time->tv_nsec,
	};
}

static void put_statx(const struct stat *st, struct answer *answer)
{
	struct fuse_statx_out out = {
		.attr_valid = VALID_SECONDS,
		.stat = {
			.mask = BASIC_STATS,
			.blksize = st->st_blksize,
			.nlink = st->st_nlink,
			.uid = st->st_uid,
			.gid = st->st_gid,
			.mode = st->st_mode,
			.ino = st->st_ino,
			.size = st->st_size,
			.blocks = st->st_blocks,
			.atime = sx_time(&st->st_atim),
			.ctime = sx_time(&st->st_ctim),
			.mtime = sx_time(&st->st_mtim),
			.rdev_major = major(st->st_rdev),
			.rdev_minor = minor(st->st_rdev),
		},
	};

	put(answer, &out, sizeof(out));
}

/* --- Lookup -------------------------------------------------------------- */

static int open_name(int dir, const char *name)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * Find a name in a directory, or what the handle names if there is no nodeid.
 * "." may also be asked of what is no directory, to tell the handle.
 */
static int lookup(const struct request *r, struct node **node, struct stat *st)
{
	const char *name = (const char *)r->args;
	int fd;

	if (!r->in.nodeid)
		fd = open_handle(&r->ext);
	else if (!strcmp(name, "."))
		fd = reopen(node_of(r->in.nodeid)->fd, O_PATH);
	else
		fd = open_name(node_of(r->in.nodeid)->fd, name);
	if (fd < 0)
		return fd;
	*node = get_node(fd, st);
	return *node ? 0 : -ENOMEM;
}

static int do_lookup_handle(const struct request *r, struct answer *answer,
			    struct node **node)
{
	struct fuse_entry2_out entry = { .entry_valid = VALID_SECONDS };
	struct stat st;
	int err;

	err = lookup(r, node, &st);
	if (err)
		return err;
	entry.nodeid = nodeid_of(*node);
	put(answer, &entry, sizeof(entry));
	put(answer, &(*node)->handle.size, sizeof((*node)->handle.size));
	put(answer, (*node)->handle.bytes, (*node)->handle.size);
	return 0;
}

static int do_statx(const struct node *node, struct answer *answer)
{
	struct stat st;

	if (fstatat(node->fd, "", &st, AT_EMPTY_PATH))
		return -errno;
	put_statx(&st, answer);
	return 0;
}

/*
 * What the kernel makes, in the old way; it asks for the handle afterwards.
 * Takes @fd, or the error that comes instead of it.
 */
static int put_entry(int fd, struct answer *answer)
{
	struct fuse_entry_out entry = {
		.entry_valid = VALID_SECONDS,
		.attr_valid = VALID_SECONDS,
	};
	struct node *node;
	struct stat st;

	if (fd < 0)
		return fd;
	node = get_node(fd, &st);
	if (!node)
		return -ENOMEM;
	entry.nodeid = nodeid_of(node);
	fill_attr(&st, &entry.attr);
	put(answer, &entry, sizeof(entry));
	return 0;
}

/* The extension, which is the last of a request and need not be aligned */
static bool take_ext(struct request *r)
{
	size_t ext = r->in.total_extlen * 8;
	struct fuse_ext_header header;
	const unsigned char *p;

	r->ext.size = 0;
	if (!ext)
		return true;
	if (ext > r->len || ext < sizeof(header) + sizeof(r->ext.size))
		return false;
	r->len -= ext;
	p = r->args + r->len;
	memcpy(&header, p, sizeof(header));
	if (header.type != FUSE_EXT_HANDLE)
		return true;
	memcpy(&r->ext.size, p + sizeof(header), sizeof(r->ext.size));
	if (r->ext.size > sizeof(r->ext.bytes) ||
	    r->ext.size > ext - sizeof(header) - sizeof(r->ext.size))
		return false;
	memcpy(r->ext.bytes, p + sizeof(header) + sizeof(r->ext.size),
	       r->ext.size);
	return true;
}

/* One request of a compound, and where the next one starts */
static bool take_request(const unsigned char **p, size_t *left,
			 struct request *r)
{
	size_t before = sizeof(struct fuse_compound_req_in);

	if (*left < before + sizeof(r->in))
		return false;
	memcpy(&r->in, *p + before, sizeof(r->in));
	if (r->in.len < sizeof(r->in) || r->in.len > *left - before)
		return false;
	r->args = *p + before + sizeof(r->in);
	r->len = r->in.len - sizeof(r->in);
	*p += before + r->in.len;
	*left -= before + r->in.len;
	return take_ext(r);
}

static void put_reply(struct answer *answer, __u64 index, int err,
		      const struct answer *part)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + (err ? 0 : part->len),
		.error = err,
		.unique = index,
	};

	put(answer, &header, sizeof(header));
	if (!err)
		put(answer, part->data, part->len);
}

/* A lookup, and the attributes of what it has found */
static int do_compound(const struct request *r, struct answer *answer)
{
	static const struct fuse_compound_out out;
	static struct answer part;
	const unsigned char *p = r->args + sizeof(struct fuse_compound_in);
	size_t left = r->len - sizeof(struct fuse_compound_in);
	struct request requests[2];
	struct node *node = NULL;
	int err;

	if (r->len < sizeof(struct fuse_compound_in) ||
	    !take_request(&p, &left, &requests[0]) ||
	    !take_request(&p, &left, &requests[1]) || left ||
	    requests[0].in.opcode != FUSE_LOOKUP_HANDLE ||
	    requests[1].in.opcode != FUSE_STATX)
		return -EOPNOTSUPP;

	put(answer, &out, sizeof(out));
	part.len = 0;
	err = do_lookup_handle(&requests[0], &part, &node);
	put_reply(answer, 0, err, &part);
	part.len = 0;
	err = err ? -ECANCELED : do_statx(node, &part);
	put_reply(answer, 1, err, &part);
	return 0;
}

/* --- The other requests -------------------------------------------------- */

static int do_init(const struct request *r, struct answer *answer)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = MAX_WRITE,
		.flags = FUSE_INIT_EXT | FUSE_BIG_WRITES | FUSE_EXPORT_SUPPORT |
			 FUSE_DONT_MASK,
	};
	struct fuse_init_in in = {};

	memcpy(&in, r->args, r->len < sizeof(in) ? r->len : sizeof(in));
	if (!(((__u64)in.flags2 << 32) & FUSE_HAS_LOOKUP_HANDLE))
		fprintf(stderr, "passthrough_handle: the kernel has no handles\n");
	out.max_readahead = in.max_readahead;
	out.flags2 = FUSE_HAS_LOOKUP_HANDLE >> 32;
	put(answer, &out, sizeof(out));
	return 0;
}

static int do_getattr(const struct node *node, struct answer *answer)
{
	struct fuse_attr_out out = { .attr_valid = VALID_SECONDS };
	struct stat st;

	if (fstatat(node->fd, "", &st, AT_EMPTY_PATH))
		return -errno;
	fill_attr(&st, &out.attr);
	put(answer, &out, sizeof(out));
	return 0;
}

static int set_times(const char *path, const struct fuse_setattr_in *in)
{
	struct timespec times[] = {
		{ .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT },
	};

	if (in->valid & FATTR_ATIME)
		times[0] = (struct timespec){ in->atime, in->atimensec };
	if (in->valid & FATTR_ATIME_NOW)
		times[0].tv_nsec = UTIME_NOW;
	if (in->valid & FATTR_MTIME)
		times[1] = (struct timespec){ in->mtime, in->mtimensec };
	if (in->valid & FATTR_MTIME_NOW)
		times[1].tv_nsec = UTIME_NOW;
	return utimensat(AT_FDCWD, path, times, 0);
}

/* Nothing is opened: a FIFO would wait for its other end. */
static int do_setattr(const struct node *node, const struct request *r,
		      struct answer *answer)
{
	const char *path = path_of(node->fd);
	struct fuse_setattr_in in;

	memcpy(&in, r->args, sizeof(in));
	if ((in.valid & FATTR_SIZE && truncate(path, in.size)) ||
	    (in.valid & FATTR_MODE && chmod(path, in.mode)) ||
	    (in.valid & (FATTR_UID | FATTR_GID) &&
	     chown(path, in.valid & FATTR_UID ? in.uid : (uid_t)-1,
		   in.valid & FATTR_GID ? in.gid : (gid_t)-1)) ||
	    (in.valid & (FATTR_ATIME | FATTR_MTIME) && set_times(path, &in)))
		return -errno;
	return do_getattr(node, answer);
}

/* Without O_APPEND: pwrite(2) would not heed the offset that a write has. */
static int do_open(const struct node *node, const struct request *r,
		   struct answer *answer)
{
	struct fuse_open_out out = {};
	struct fuse_open_in in;
	int fd;

	memcpy(&in, r->args, sizeof(in));
	fd = reopen(node->fd, in.flags & (O_ACCMODE | O_TRUNC));
	if (fd < 0)
		return fd;
	out.fh = fd;
	put(answer, &out, sizeof(out));
	return 0;
}

static int do_opendir(const struct node *node, struct answer *answer)
{
	struct fuse_open_out out = {};
	int fd = reopen(node->fd, O_RDONLY | O_DIRECTORY);
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	out.fh = (uintptr_t)dir;
	put(answer, &out, sizeof(out));
	return 0;
}

static int do_read(const struct request *r, struct answer *answer)
{
	struct fuse_read_in in;
	ssize_t len;

	memcpy(&in, r->args, sizeof(in));
	if (in.size > sizeof(answer->data))
		in.size = sizeof(answer->data);
	len = pread(in.fh, answer->data, in.size, in.offset);
	if (len < 0)
		return -errno;
	answer->len = len;
	return 0;
}

static int do_write(const struct request *r, struct answer *answer)
{
	struct fuse_write_out out = {};
	struct fuse_write_in in;
	ssize_t len;

	memcpy(&in, r->args, sizeof(in));
	if (in.size > r->len - sizeof(in))
		return -EINVAL;
	len = pwrite(in.fh, r->args + sizeof(in), in.size, in.offset);
	if (len < 0)
		return -errno;
	out.size = len;
	put(answer, &out, sizeof(out));
	return 0;
}

static int do_readdir(const struct request *r, struct answer *answer)
{
	static const char padding[sizeof(__u64)];
	struct fuse_dirent entry = {};
	struct fuse_read_in in;
	struct dirent *found;
	size_t size;
	DIR *dir;

	memcpy(&in, r->args, sizeof(in));
	if (in.size > sizeof(answer->data))
		in.size = sizeof(answer->data);
	dir = (DIR *)(uintptr_t)in.fh;
	seekdir(dir, in.offset);
	while ((found = readdir(dir))) {
		entry.ino = found->d_ino;
		entry.off = telldir(dir);
		entry.type = found->d_type;
		entry.namelen = strlen(found->d_name);
		size = FUSE_DIRENT_SIZE(&entry);
		if (answer->len + size > in.size)
			break;
		put(answer, &entry, FUSE_NAME_OFFSET);
		put(answer, found->d_name, entry.namelen);
		put(answer, padding, size - FUSE_NAME_OFFSET - entry.namelen);
	}
	return 0;
}

/*
 * What has the name now need not be what the kernel knows of: a symlink is not
 * followed, and a FIFO not waited for.
 */
static int do_create(const struct request *r, struct answer *answer)
{
	const char *name = (const char *)r->args + sizeof(struct fuse_create_in);
	int dir = node_of(r->in.nodeid)->fd, fd, err;
	struct fuse_open_out out = {};
	struct fuse_create_in in;

	memcpy(&in, r->args, sizeof(in));
	fd = openat(dir, name,
		    (in.flags & (O_ACCMODE | O_EXCL | O_TRUNC)) |
		    O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		    in.mode & ~in.umask);
	if (fd < 0)
		return -errno;
	err = put_entry(reopen(fd, O_PATH), answer);
	if (err) {
		close(fd);
		return err;
	}
	out.fh = fd;
	put(answer, &out, sizeof(out));
	return 0;
}

static int do_mkdir(const struct request *r, struct answer *answer)
{
	const char *name = (const char *)r->args + sizeof(struct fuse_mkdir_in);
	int dir = node_of(r->in.nodeid)->fd;
	struct fuse_mkdir_in in;

	memcpy(&in, r->args, sizeof(in));
	if (mkdirat(dir, name, in.mode & ~in.umask))
		return -errno;
	return put_entry(open_name(dir, name), answer);
}

static int do_unlink(const struct request *r, int flags)
{
	int dir = node_of(r->in.nodeid)->fd;

	return unlinkat(dir, (const char *)r->args, flags) ? -errno : 0;
}

static int do_rename(const struct request *r)
{
	const char *from = (const char *)r->args + sizeof(struct fuse_rename_in);
	struct fuse_rename_in in;

	memcpy(&in, r->args, sizeof(in));
	if (renameat(node_of(r->in.nodeid)->fd, from, node_of(in.newdir)->fd,
		     from + strlen(from) + 1))
		return -errno;
	return 0;
}

static int do_statfs(const struct node *node, struct answer *answer)
{
	struct fuse_statfs_out out = {};
	struct statvfs st;

	if (fstatvfs(node->fd, &st))
		return -errno;
	out.st.blocks = st.f_blocks;
	out.st.bfree = st.f_bfree;
	out.st.bavail = st.f_bavail;
	out.st.files = st.f_files;
	out.st.ffree = st.f_ffree;
	out.st.bsize = st.f_bsize;
	out.st.frsize = st.f_frsize;
	out.st.namelen = st.f_namemax;
	put(answer, &out, sizeof(out));
	return 0;
}

static int do_release(const struct request *r)
{
	struct fuse_release_in in;

	memcpy(&in, r->args, sizeof(in));
	if (r->in.opcode == FUSE_RELEASEDIR)
		closedir((DIR *)(uintptr_t)in.fh);
	else
		close(in.fh);
	return 0;
}

static void do_forget(const struct request *r)
{
	struct fuse_forget_in in;

	memcpy(&in, r->args, sizeof(in));
	forget(r->in.nodeid, in.nlookup);
}

static void do_batch_forget(const struct request *r)
{
	const unsigned char *p = r->args + sizeof(struct fuse_batch_forget_in);
	struct fuse_batch_forget_in in;
	struct fuse_forget_one one;

	memcpy(&in, r->args, sizeof(in));
	for (; in.count; in.count--, p += sizeof(one)) {
		memcpy(&one, p, sizeof(one));
		forget(one.nodeid, one.nlookup);
	}
}

static int dispatch(const struct request *r, struct answer *answer)
{
	struct node *node = node_of(r->in.nodeid);

	switch (r->in.opcode) {
	case FUSE_INIT:
		return do_init(r, answer);
	case FUSE_COMPOUND:
		return do_compound(r, answer);
	case FUSE_LOOKUP_HANDLE:
		return do_lookup_handle(r, answer, &node);
	case FUSE_LOOKUP:
		return put_entry(open_name(node->fd, (const char *)r->args),
				 answer);
	case FUSE_STATX:
		return do_statx(node, answer);
	case FUSE_GETATTR:
		return do_getattr(node, answer);
	case FUSE_SETATTR:
		return do_setattr(node, r, answer);
	case FUSE_OPEN:
		return do_open(node, r, answer);
	case FUSE_OPENDIR:
		return do_opendir(node, answer);
	case FUSE_READ:
		return do_read(r, answer);
	case FUSE_WRITE:
		return do_write(r, answer);
	case FUSE_READDIR:
		return do_readdir(r, answer);
	case FUSE_CREATE:
		return do_create(r, answer);
	case FUSE_MKDIR:
		return do_mkdir(r, answer);
	case FUSE_UNLINK:
		return do_unlink(r, 0);
	case FUSE_RMDIR:
		return do_unlink(r, AT_REMOVEDIR);
	case FUSE_RENAME:
		return do_rename(r);
	case FUSE_STATFS:
		return do_statfs(node, answer);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return do_release(r);
	case FUSE_FLUSH:
	case FUSE_DESTROY:
		return 0;
	}
	return -ENOSYS;
}

/* --- The server ---------------------------------------------------------- */

/* Returns whether there may be more. */
static bool serve_one(void)
{
	static unsigned char buf[BUFFER_SIZE];
	static struct answer answer;
	struct request r;
	ssize_t len;
	int err;

	len = read(dev_fd, buf, sizeof(buf));
	if (len < 0)
		return errno == ENOENT || errno == EAGAIN;
	if (len < (ssize_t)sizeof(r.in))
		return false;
	memcpy(&r.in, buf, sizeof(r.in));
	r.args = buf + sizeof(r.in);
	r.len = len - sizeof(r.in);

	switch (r.in.opcode) {
	case FUSE_FORGET:
		do_forget(&r);
		return true;
	case FUSE_BATCH_FORGET:
		do_batch_forget(&r);
		return true;
	case FUSE_INTERRUPT:
		return true;
	}
	answer.len = 0;
	err = take_ext(&r) ? dispatch(&r, &answer) : -EINVAL;
	send_answer(r.in.unique, err, &answer);
	return true;
}

/*
 * A view of DIRECTORY where nothing is mounted, nor will be: a handle does not
 * tell which filesystem it is of, and a server that comes to its own MOUNTPOINT
 * waits for itself. It lasts for as long as the tree is open.
 */
static int open_directory(const char *path)
{
	int fd, tree = syscall(__NR_open_tree, AT_FDCWD, path,
			       OPEN_TREE_CLONE | O_CLOEXEC);

	if (tree < 0) {
		fprintf(stderr, "%s: cannot be cloned by open_tree(2): %s\n",
			path, strerror(errno));
		return -1;
	}
	/* Not with O_PATH, for handles to be opened below it */
	fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		perror(path);
	return fd;
}

/* Signals that tell the server to end wait until it looks for them. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int mount_at(const char *mountpoint)
{
	char options[128];

	dev_fd = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (dev_fd < 0)
		return -1;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions",
		 dev_fd);
	return mount("passthrough_handle", mountpoint, "fuse",
		     MS_NOSUID | MS_NODEV, options);
}

/* Which mount is there, or 0. Asks the server of it for nothing. */
static __u64 mount_id(const char *mountpoint)
{
	struct statx stx;

	if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC,
		  STATX_MNT_ID_UNIQUE, &stx))
		return 0;
	return stx.stx_mnt_id;
}

static void serve(int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = dev_fd, .events = POLLIN },
	};

	while (serve_one()) {
		poll(fds, 2, -1);
		if (fds[0].revents)
			return;
	}
}

int main(int argc, char **argv)
{
	struct stat st;
	int signals;
	__u64 id;

	if (argc != 3) {
		fprintf(stderr, "usage: %s DIRECTORY MOUNTPOINT\n"
			"A file handle may lead out of DIRECTORY: root only.\n",
			argv[0]);
		return 2;
	}
	/* The kernel tells the umask of whoever makes a file. */
	umask(0);
	root.fd = open_directory(argv[1]);
	if (root.fd < 0)
		return 1;
	if (fstatat(root.fd, "", &st, AT_EMPTY_PATH)) {
		perror(argv[1]);
		return 1;
	}
	root.dev = st.st_dev;
	root.ino = st.st_ino;
	get_handle(root.fd, &root.handle);
	if (!root.handle.size)
		fprintf(stderr, "%s: the filesystem has no file handles\n",
			argv[1]);
	signals = open_signals();
	if (signals < 0 || mount_at(argv[2])) {
		perror(argv[2]);
		return 1;
	}
	id = mount_id(argv[2]);
	serve(signals);
	/* It may be unmounted already, and what is there be another's. */
	if (id && mount_id(argv[2]) == id)
		umount2(argv[2], MNT_DETACH);
	return 0;
}
