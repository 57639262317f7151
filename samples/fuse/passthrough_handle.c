// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A FUSE server that identifies its files by handles and passes every operation
 * through to a directory.
 *
 *   passthrough_handle [--supervise] DIRECTORY MOUNTPOINT
 *
 * The handle of a file is the file handle of the underlying filesystem, as
 * name_to_handle_at(2) returns it. The server stores nothing on disk. A file
 * handle from MOUNTPOINT opens the same file after the server, or the machine,
 * is restarted.
 *
 * With --supervise, a parent process mounts and keeps the descriptor of the
 * connection. If its child, the server, dies, it starts the next one, which sends
 * FUSE_NOTIFY_RESTART and finds everything by handle. Users of MOUNTPOINT wait for
 * it. They keep their open files, with these exceptions: a file that was removed
 * while it was open fails with ESTALE, and so does one that FUSE_TMPFILE created and
 * that has no name.
 *
 * The server runs in the foreground until it receives SIGINT, SIGTERM or SIGHUP,
 * or until MOUNTPOINT is unmounted. The filesystem of DIRECTORY must support file
 * handles. Mounts below DIRECTORY are not visible.
 *
 * Supported: lookup, attributes, directories, regular files, symbolic and hard
 * links, special files, unnamed files, extended attributes, rename flags,
 * fallocate, copy_file_range, SEEK_DATA and SEEK_HOLE, fsync and statfs.
 *
 * Not supported:
 *
 * - flock and POSIX locks in DIRECTORY: one thread serves all requests and cannot
 *   wait. The kernel implements locks among the users of MOUNTPOINT.
 * - the writeback cache, splice and FUSE passthrough: all data is copied.
 * - poll, ioctl, bmap and notifications of changes in DIRECTORY: cached names and
 *   attributes expire after a second.
 * - users other than root: root owns each new file.
 * - more than a million inodes at once: each has an open descriptor.
 *
 * The server requires root. A handle does not tell whether the file is below
 * DIRECTORY: a process that can open file handles, even forged ones, can access
 * the whole filesystem. NFS export of MOUNTPOINT exports the whole filesystem.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <linux/fuse.h>
#include <linux/limits.h>
#include <linux/types.h>

/* Versions of glibc define STATX_BASIC_STATS with different types. */
#define BASIC_STATS	0x7ffU

/* Some C libraries do not declare statx(2). */
#ifndef STATX_BASIC_STATS
#include <linux/stat.h>
#endif

/* Older C libraries do not declare open_tree(2). */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE	1
#endif

#define MAX_WRITE	(128 * 1024)
#define BUFFER_SIZE	(MAX_WRITE + 4096)
#define VALID_SECONDS	1

/*
 * A handle consists of the type of the underlying file handle, in 4 bytes, and of
 * its bytes.
 */
#define HANDLE_TYPE_SIZE	sizeof(__s32)

struct handle {
	__u16 size;
	unsigned char bytes[FUSE_MAX_HANDLE_SIZE];
};

/* A file that the kernel has looked up. Its nodeid is its address. */
struct node {
	struct node *next;	/* in the bucket */
	__u64 nlookup;
	int fd;			/* O_PATH, except for the root */
	dev_t dev;
	ino_t ino;
	struct handle handle;
};

static struct node root;
static int dev_fd;

/*
 * The last request that must not be executed twice. It outlives the server: it is
 * shared with the next one.
 *
 * One record is sufficient because one thread reads from one descriptor, and replies
 * to each request before it reads the next one. At most one request is repeated. The
 * kernel puts it at the head of the queue, so no other request can overwrite its
 * record. This does not hold for a second thread, for a clone of the descriptor
 * (FUSE_DEV_IOC_CLONE), or if the kernel queued another request before the repeated
 * one. Such a server needs a record for each request that is not answered.
 */
struct journal {
	__u64 unique;
	bool finished;
	int err;
	struct handle created;	/* by FUSE_CREATE; valid if @finished and !@err */
};

static struct journal *journal;

/* The present request. FUSE_UNIQUE_RESEND is not a part of @unique. */
static struct {
	__u64 unique;
	bool repeated;
} current;

/* All nodes, hashed by device and inode number. nr_buckets is a power of two. */
static struct node **buckets;
static size_t nr_buckets;
static size_t nr_nodes;

/*
 * Nodes and handles
 */

static struct node *node_of(__u64 nodeid)
{
	return nodeid == FUSE_ROOT_ID ? &root : (struct node *)(uintptr_t)nodeid;
}

static __u64 nodeid_of(const struct node *node)
{
	return node == &root ? FUSE_ROOT_ID : (uintptr_t)node;
}

/* Stores the handle of the underlying file. Its size is 0 if there is none. */
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

/* Opens the underlying file of a handle. */
static int open_handle(const struct handle *handle, int flags)
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
			       flags | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static size_t hash(dev_t dev, ino_t ino)
{
	__u64 key = ino ^ (__u64)dev << 32;

	/* Fibonacci hashing: the upper bits depend on all bits of the key. */
	return (key * 0x9e3779b97f4a7c15ULL >> 32) & (nr_buckets - 1);
}

/* Doubles the table. If there is no memory, the buckets only get longer. */
static void grow_table(void)
{
	size_t i, old_nr = nr_buckets, nr = old_nr ? 2 * old_nr : 1024;
	struct node **old = buckets, **new = calloc(nr, sizeof(*new));
	struct node *node;

	if (!new)
		return;
	buckets = new;
	nr_buckets = nr;
	for (i = 0; i < old_nr; i++) {
		while ((node = old[i])) {
			struct node **bucket;

			old[i] = node->next;
			bucket = &buckets[hash(node->dev, node->ino)];
			node->next = *bucket;
			*bucket = node;
		}
	}
	free(old);
}

/* Returns false if there is no table. */
static bool insert_node(struct node *node)
{
	struct node **bucket;

	if (nr_nodes >= nr_buckets)
		grow_table();
	if (!nr_buckets)
		return false;
	bucket = &buckets[hash(node->dev, node->ino)];
	node->next = *bucket;
	*bucket = node;
	nr_nodes++;
	return true;
}

static void remove_node(struct node *node)
{
	struct node **p = &buckets[hash(node->dev, node->ino)];

	while (*p != node)
		p = &(*p)->next;
	*p = node->next;
	nr_nodes--;
}

static struct node *find_node(dev_t dev, ino_t ino)
{
	struct node *node = buckets[hash(dev, ino)];

	while (node && (node->dev != dev || node->ino != ino))
		node = node->next;
	return node;
}

/*
 * Returns the node of the file that @fd refers to, and counts a lookup. Consumes
 * @fd. Returns NULL if there is no memory or the attributes cannot be read.
 */
static struct node *get_node(int fd, struct stat *st)
{
	struct node *node;

	if (fstatat(fd, "", st, AT_EMPTY_PATH))
		goto fail;
	node = find_node(st->st_dev, st->st_ino);
	if (node) {
		close(fd);
		node->nlookup++;
		return node;
	}
	node = calloc(1, sizeof(*node));
	if (!node)
		goto fail;
	node->fd = fd;
	node->dev = st->st_dev;
	node->ino = st->st_ino;
	node->nlookup = 1;
	get_handle(fd, &node->handle);
	insert_node(node);
	return node;

fail:
	close(fd);
	return NULL;
}

static void forget(__u64 nodeid, __u64 nlookup)
{
	struct node *node = node_of(nodeid);

	if (node == &root)
		return;
	node->nlookup -= nlookup;
	if (node->nlookup)
		return;
	remove_node(node);
	close(node->fd);
	free(node);
}

/* Returns a path of an open file that does not depend on its name. */
static const char *path_of(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* Opens the file of a descriptor again, with other flags. */
static int reopen(int fd, int flags)
{
	fd = open(path_of(fd), flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * Requests and replies
 */

struct request {
	struct fuse_in_header in;
	const unsigned char *args;
	size_t len;			/* of the arguments */
	struct handle ext[2];		/* of FUSE_EXT_HANDLE */
	bool by_handle;			/* nodeids and IDs of files are void */
	struct node *second;		/* by handle */
};

/* The arguments of a reply */
struct answer {
	size_t len;
	unsigned char data[BUFFER_SIZE];
};

static void put(struct answer *answer, const void *data, size_t len)
{
	memcpy(answer->data + answer->len, data, len);
	answer->len += len;
}

/* Adds zeros up to a multiple of 8 bytes. */
static void pad(struct answer *answer)
{
	static const unsigned char zeros[8];

	put(answer, zeros, FUSE_REC_ALIGN(answer->len) - answer->len);
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
		.rdev = (minor(st->st_rdev) & 0xff) | major(st->st_rdev) << 8 |
			(minor(st->st_rdev) & ~0xffU) << 12,
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

/*
 * Lookup
 */

static int open_name(int dir, const char *name)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * Looks up a name in a directory. Without a nodeid, looks up the handle of the
 * request. "." is also valid for a nodeid that is not a directory.
 */
static int lookup(const struct request *r, struct node **node, struct stat *st)
{
	const char *name = (const char *)r->args;
	int fd;

	if (!r->in.nodeid)
		fd = open_handle(&r->ext[0], O_PATH);
	else if (!strcmp(name, "."))
		fd = reopen(node_of(r->in.nodeid)->fd, O_PATH);
	else
		fd = open_name(node_of(r->in.nodeid)->fd, name);
	if (fd < 0)
		return fd;
	*node = get_node(fd, st);
	return *node ? 0 : -ENOMEM;
}

static int do_lookup_handle(const struct request *r, struct answer *answer)
{
	struct fuse_entry2_out entry = { .entry_valid = VALID_SECONDS };
	struct fuse_file_handle fh = {};
	struct node *node;
	struct stat st;
	int err;

	err = lookup(r, &node, &st);
	if (err)
		return err;
	entry.nodeid = nodeid_of(node);
	fh.size = node->handle.size;
	put(answer, &entry, sizeof(entry));
	put(answer, &fh, sizeof(fh));
	put(answer, node->handle.bytes, fh.size);
	pad(answer);
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
 * Appends the reply to a request that creates an inode. The kernel requests the
 * handle separately. Consumes @fd, which can be a negative errno.
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

/* Parses the handles in the extensions at the end of a request. */
static bool take_ext(struct request *r)
{
	size_t left = r->in.total_extlen * 8;
	struct fuse_ext_header header;
	struct fuse_file_handle fh;
	const unsigned char *p;
	unsigned int nr = 0;

	r->ext[0].size = 0;
	r->ext[1].size = 0;
	r->by_handle = false;
	r->second = NULL;
	if (left > r->len)
		return false;
	r->len -= left;
	for (p = r->args + r->len; left; p += header.size, left -= header.size) {
		if (left < sizeof(header))
			return false;
		memcpy(&header, p, sizeof(header));
		if (header.size < sizeof(header) || header.size > left)
			return false;
		if (header.type != FUSE_EXT_HANDLE || nr == 2)
			continue;
		if (header.size < sizeof(header) + sizeof(fh))
			return false;
		memcpy(&fh, p + sizeof(header), sizeof(fh));
		if (fh.size > sizeof(r->ext[nr].bytes) ||
		    fh.size > header.size - sizeof(header) - sizeof(fh))
			return false;
		r->ext[nr].size = fh.size;
		memcpy(r->ext[nr].bytes, p + sizeof(header) + sizeof(fh), fh.size);
		nr++;
	}
	return true;
}

/* The maximum number of requests in a compound */
#define INNER_MAX	4

static int execute(struct request *r, struct answer *answer);

/* Returns true if the server supports the request as a part of a compound. */
static bool may_be_inner(__u32 opcode)
{
	switch (opcode) {
	case FUSE_LOOKUP_HANDLE:
	case FUSE_STATX:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		return true;
	}
	return false;
}

/* Parses one request of a compound, and advances to the next record. */
static bool take_request(const unsigned char **p, size_t *left,
			 struct request *r, __u32 *dependency)
{
	struct fuse_compound_req_in before;
	size_t size;

	if (*left < sizeof(before) + sizeof(r->in))
		return false;
	memcpy(&before, *p, sizeof(before));
	memcpy(&r->in, *p + sizeof(before), sizeof(r->in));
	size = sizeof(before) + FUSE_REC_ALIGN((size_t)r->in.len);
	if (r->in.len < sizeof(r->in) || size > *left)
		return false;
	*dependency = before.dependency;
	r->args = *p + sizeof(before) + sizeof(r->in);
	r->len = r->in.len - sizeof(r->in);
	*p += size;
	*left -= size;
	return take_ext(r) && may_be_inner(r->in.opcode);
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
	pad(answer);
}

/* Executes a request. Returns the nodeid with which its reply starts, or 0. */
static __u64 do_inner(struct request *r, __u64 index, bool canceled,
		      struct answer *answer)
{
	static struct answer part;
	__u64 nodeid;
	int err;

	part.len = 0;
	err = canceled ? -ECANCELED : execute(r, &part);
	put_reply(answer, index, err, &part);
	if (err || part.len < sizeof(nodeid))
		return 0;
	memcpy(&nodeid, part.data, sizeof(nodeid));
	return nodeid;
}

/* Nothing is executed unless the server supports all of the compound. */
static int do_compound(const struct request *r, struct answer *answer)
{
	static const struct fuse_compound_out out;
	const unsigned char *p = r->args + sizeof(struct fuse_compound_in);
	size_t left = r->len - sizeof(struct fuse_compound_in);
	struct request requests[INNER_MAX];
	__u32 dependencies[INNER_MAX];
	__u64 nodeids[INNER_MAX];
	unsigned int i, nr;

	if (r->len < sizeof(struct fuse_compound_in))
		return -EINVAL;
	for (nr = 0; left; nr++) {
		if (nr == INNER_MAX ||
		    !take_request(&p, &left, &requests[nr], &dependencies[nr]) ||
		    (dependencies[nr] != FUSE_COMPOUND_INDEPENDENT &&
		     dependencies[nr] >= nr))
			return -EOPNOTSUPP;
		/* The headers in a compound have no credentials. */
		requests[nr].in.uid = r->in.uid;
		requests[nr].in.gid = r->in.gid;
		requests[nr].in.pid = r->in.pid;
	}

	put(answer, &out, sizeof(out));
	for (i = 0; i < nr; i++) {
		bool dependent = dependencies[i] != FUSE_COMPOUND_INDEPENDENT;

		if (dependent)
			requests[i].in.nodeid = nodeids[dependencies[i]];
		else if (!r->in.nodeid)
			requests[i].in.nodeid = 0;
		nodeids[i] = do_inner(&requests[i], i,
				      dependent && !requests[i].in.nodeid, answer);
	}
	return 0;
}

/*
 * Attributes, files and directories
 */

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
		fprintf(stderr,
			"passthrough_handle: the kernel does not support handles\n");
	out.max_readahead = in.max_readahead;
	out.flags2 = (FUSE_HAS_LOOKUP_HANDLE | FUSE_REQUEST_HANDLE) >> 32;
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

/* Uses paths, because opening a FIFO can block. */
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

/*
 * Files that are opened for one request, because the IDs in it are void
 */

static int open_now[2];
static unsigned int nr_open_now;
static DIR *dir_now;

/* A file that is open for writing has no read leases and cannot be executed. */
static int open_for_now(const struct node *node, int flags)
{
	int fd = reopen(node->fd, flags);

	if (fd >= 0)
		open_now[nr_open_now++] = fd;
	return fd;
}

static void close_for_now(void)
{
	while (nr_open_now)
		close(open_now[--nr_open_now]);
	if (dir_now)
		closedir(dir_now);
	dir_now = NULL;
}

/* Returns the open file of a request that needs @flags, or a negative errno. */
static int file_of(const struct request *r, __u64 fh, int flags)
{
	return r->by_handle ? open_for_now(node_of(r->in.nodeid), flags) : (int)fh;
}

static DIR *dir_of(const struct request *r, __u64 fh)
{
	int fd;

	if (!r->by_handle)
		return (DIR *)(uintptr_t)fh;
	fd = reopen(node_of(r->in.nodeid)->fd, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return NULL;
	dir_now = fdopendir(fd);
	if (!dir_now)
		close(fd);
	return dir_now;
}

/* Returns the second inode of a request. */
static const struct node *second_node(const struct request *r, __u64 nodeid)
{
	return r->by_handle ? r->second : node_of(nodeid);
}

/*
 * Requests that must not be executed twice
 */

/* What became of a request that a former server has received */
static int was_finished(const struct request *r,
			int (*was_done)(const struct request *r))
{
	if (!current.repeated || journal->unique != current.unique)
		return 0;
	return journal->finished ? 1 : was_done(r);
}

/*
 * Executes a request once, even if it is repeated. A server that died before it
 * could record the result leaves a gap, in which @was_done finds out what happened:
 * it returns 1, 0 or a negative errno.
 */
static int once(const struct request *r, int (*run)(const struct request *r),
		int (*was_done)(const struct request *r))
{
	int err = was_finished(r, was_done);

	if (err > 0)
		return journal->finished ? journal->err : 0;
	if (err)
		return err;
	/* The server can die between any two of these. */
	__atomic_store_n(&journal->finished, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&journal->unique, current.unique, __ATOMIC_SEQ_CST);
	err = run(r);
	__atomic_store_n(&journal->err, err, __ATOMIC_SEQ_CST);
	__atomic_store_n(&journal->finished, true, __ATOMIC_SEQ_CST);
	return err;
}

/* Removes O_APPEND, with which pwrite(2) ignores the offset. */
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
	int fd;

	memcpy(&in, r->args, sizeof(in));
	if (in.size > sizeof(answer->data))
		in.size = sizeof(answer->data);
	fd = file_of(r, in.fh, O_RDONLY);
	if (fd < 0)
		return fd;
	len = pread(fd, answer->data, in.size, in.offset);
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
	int fd;

	memcpy(&in, r->args, sizeof(in));
	if (in.size > r->len - sizeof(in))
		return -EINVAL;
	fd = file_of(r, in.fh, O_WRONLY);
	if (fd < 0)
		return fd;
	len = pwrite(fd, r->args + sizeof(in), in.size, in.offset);
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
	dir = dir_of(r, in.fh);
	if (!dir)
		return -errno;
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
 * Appends the replies to FUSE_CREATE and FUSE_TMPFILE. Consumes @fd, which can be a
 * negative errno.
 */
static int put_open_entry(int fd, struct answer *answer)
{
	struct fuse_open_out out = {};
	int err;

	if (fd < 0)
		return fd;
	err = put_entry(reopen(fd, O_PATH), answer);
	if (err) {
		close(fd);
		return err;
	}
	out.fh = fd;
	put(answer, &out, sizeof(out));
	return 0;
}

static bool same_owner(const struct stat *st)
{
	return st->st_uid == geteuid() && st->st_nlink >= 1;
}

/* Returns true if the name in a directory exists. */
static bool find_name(const struct request *r, const char *name, struct stat *st)
{
	return !fstatat(node_of(r->in.nodeid)->fd, name, st, AT_SYMLINK_NOFOLLOW);
}

/* The open file of FUSE_CREATE, if this server has created it */
static int created;

static const char *create_name(const struct request *r)
{
	return (const char *)r->args + sizeof(struct fuse_create_in);
}

/*
 * The name can refer to another file than the kernel knows. O_NOFOLLOW and
 * O_NONBLOCK are needed if this is a symbolic link or a FIFO.
 */
static int open_created(const struct request *r, int flags, mode_t mode)
{
	int fd = openat(node_of(r->in.nodeid)->fd, create_name(r),
			flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);

	return fd < 0 ? -errno : fd;
}

static int run_create(const struct request *r)
{
	struct fuse_create_in in;

	memcpy(&in, r->args, sizeof(in));
	created = open_created(r, (in.flags & (O_ACCMODE | O_EXCL | O_TRUNC)) |
			       O_CREAT, in.mode & ~in.umask);
	if (created < 0)
		return created;
	get_handle(created, &journal->created);
	return 0;
}

/* A new file is empty, and has the mode that was requested. */
static int was_created(const struct request *r)
{
	struct fuse_create_in in;
	struct stat st;

	memcpy(&in, r->args, sizeof(in));
	return find_name(r, create_name(r), &st) && S_ISREG(st.st_mode) &&
	       !st.st_size && same_owner(&st) &&
	       (st.st_mode & 07777) == (in.mode & ~in.umask & 07777);
}

static int do_create(const struct request *r, struct answer *answer)
{
	struct fuse_create_in in;
	int err;

	memcpy(&in, r->args, sizeof(in));
	created = -1;
	err = once(r, run_create, was_created);
	if (err)
		return err;
	/*
	 * A former server has created the file. By now, the name can refer to another
	 * one. This is not detected if that server could not record the handle.
	 */
	if (created < 0 && journal->finished)
		created = open_handle(&journal->created,
				      (in.flags & O_ACCMODE) | O_NONBLOCK);
	else if (created < 0)
		created = open_created(r, in.flags & O_ACCMODE, 0);
	return put_open_entry(created, answer);
}

static int do_tmpfile(const struct request *r, struct answer *answer)
{
	struct fuse_create_in in;
	int fd;

	memcpy(&in, r->args, sizeof(in));
	fd = openat(node_of(r->in.nodeid)->fd, ".",
		    (in.flags & (O_ACCMODE | O_EXCL)) | O_TMPFILE | O_CLOEXEC,
		    in.mode & ~in.umask);
	return put_open_entry(fd < 0 ? -errno : fd, answer);
}

static const char *mkdir_name(const struct request *r)
{
	return (const char *)r->args + sizeof(struct fuse_mkdir_in);
}

static int run_mkdir(const struct request *r)
{
	struct fuse_mkdir_in in;

	memcpy(&in, r->args, sizeof(in));
	return mkdirat(node_of(r->in.nodeid)->fd, mkdir_name(r),
		       in.mode & ~in.umask) ? -errno : 0;
}

static int was_mkdir(const struct request *r)
{
	struct stat st;

	return find_name(r, mkdir_name(r), &st) && S_ISDIR(st.st_mode) &&
	       same_owner(&st);
}

static int do_mkdir(const struct request *r, struct answer *answer)
{
	int err = once(r, run_mkdir, was_mkdir);

	return err ? err : put_entry(open_name(node_of(r->in.nodeid)->fd,
					       mkdir_name(r)), answer);
}

static const char *mknod_name(const struct request *r)
{
	return (const char *)r->args + sizeof(struct fuse_mknod_in);
}

static dev_t mknod_dev(const struct fuse_mknod_in *in)
{
	return makedev(in->rdev >> 8 & 0xfff,
		       (in->rdev & 0xff) | (in->rdev >> 12 & 0xfff00));
}

static int run_mknod(const struct request *r)
{
	struct fuse_mknod_in in;

	memcpy(&in, r->args, sizeof(in));
	return mknodat(node_of(r->in.nodeid)->fd, mknod_name(r),
		       in.mode & ~in.umask, mknod_dev(&in)) ? -errno : 0;
}

static int was_mknod(const struct request *r)
{
	struct fuse_mknod_in in;
	struct stat st;

	memcpy(&in, r->args, sizeof(in));
	return find_name(r, mknod_name(r), &st) && same_owner(&st) &&
	       !((st.st_mode ^ in.mode) & S_IFMT) &&
	       (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) ?
		st.st_rdev == mknod_dev(&in) : !st.st_size);
}

static int do_mknod(const struct request *r, struct answer *answer)
{
	int err = once(r, run_mknod, was_mknod);

	return err ? err : put_entry(open_name(node_of(r->in.nodeid)->fd,
					       mknod_name(r)), answer);
}

/* The arguments are the name and the target. */
static const char *symlink_target(const struct request *r)
{
	return (const char *)r->args + strlen((const char *)r->args) + 1;
}

static int run_symlink(const struct request *r)
{
	return symlinkat(symlink_target(r), node_of(r->in.nodeid)->fd,
			 (const char *)r->args) ? -errno : 0;
}

static int was_symlink(const struct request *r)
{
	char target[PATH_MAX] = "";

	if (readlinkat(node_of(r->in.nodeid)->fd, (const char *)r->args, target,
		       sizeof(target) - 1) < 0)
		return 0;
	return !strcmp(target, symlink_target(r));
}

static int do_symlink(const struct request *r, struct answer *answer)
{
	int err = once(r, run_symlink, was_symlink);

	return err ? err : put_entry(open_name(node_of(r->in.nodeid)->fd,
					       (const char *)r->args), answer);
}

static int do_readlink(const struct node *node, struct answer *answer)
{
	ssize_t len = readlinkat(node->fd, "", (char *)answer->data, PATH_MAX);

	if (len < 0)
		return -errno;
	answer->len = len;
	return 0;
}

static const char *link_name(const struct request *r)
{
	return (const char *)r->args + sizeof(struct fuse_link_in);
}

static const struct node *link_node(const struct request *r)
{
	struct fuse_link_in in;

	memcpy(&in, r->args, sizeof(in));
	return second_node(r, in.oldnodeid);
}

static int run_link(const struct request *r)
{
	return linkat(link_node(r)->fd, "", node_of(r->in.nodeid)->fd,
		      link_name(r), AT_EMPTY_PATH) ? -errno : 0;
}

static int was_linked(const struct request *r)
{
	struct stat st;

	return find_name(r, link_name(r), &st) &&
	       st.st_dev == link_node(r)->dev && st.st_ino == link_node(r)->ino;
}

static int do_link(const struct request *r, struct answer *answer)
{
	int err = once(r, run_link, was_linked);

	return err ? err : put_entry(open_name(node_of(r->in.nodeid)->fd,
					       link_name(r)), answer);
}

static int run_unlink(const struct request *r)
{
	return unlinkat(node_of(r->in.nodeid)->fd, (const char *)r->args,
			r->in.opcode == FUSE_RMDIR ? AT_REMOVEDIR : 0) ?
		-errno : 0;
}

static int was_unlinked(const struct request *r)
{
	struct stat st;

	return !find_name(r, (const char *)r->args, &st);
}

struct rename {
	const struct node *newdir;
	unsigned int flags;
	const char *from;
	const char *to;
};

static struct rename rename_args(const struct request *r)
{
	struct fuse_rename2_in in2;
	struct fuse_rename_in in;
	struct rename args = {};

	if (r->in.opcode == FUSE_RENAME2) {
		memcpy(&in2, r->args, sizeof(in2));
		args.newdir = second_node(r, in2.newdir);
		args.flags = in2.flags;
		args.from = (const char *)r->args + sizeof(in2);
	} else {
		memcpy(&in, r->args, sizeof(in));
		args.newdir = second_node(r, in.newdir);
		args.from = (const char *)r->args + sizeof(in);
	}
	args.to = args.from + strlen(args.from) + 1;
	return args;
}

static int run_rename(const struct request *r)
{
	struct rename args = rename_args(r);

	/* Not all C libraries have renameat2(). */
	return syscall(SYS_renameat2, node_of(r->in.nodeid)->fd, args.from,
		       args.newdir->fd, args.to, args.flags) ? -errno : 0;
}

/* Nothing shows whether two names were exchanged, or a whiteout was left. */
static int was_renamed(const struct request *r)
{
	struct rename args = rename_args(r);
	struct stat st;

	if (args.flags & ~1U /* RENAME_NOREPLACE */)
		return -EIO;
	return !find_name(r, args.from, &st) &&
	       !fstatat(args.newdir->fd, args.to, &st, AT_SYMLINK_NOFOLLOW);
}

static int do_fsync(const struct request *r)
{
	struct fuse_fsync_in in;
	int fd;

	memcpy(&in, r->args, sizeof(in));
	if (r->by_handle)
		fd = open_for_now(node_of(r->in.nodeid), O_RDONLY);
	else if (r->in.opcode == FUSE_FSYNCDIR)
		fd = dirfd((DIR *)(uintptr_t)in.fh);
	else
		fd = in.fh;
	if (fd < 0)
		return fd;
	if (in.fsync_flags & FUSE_FSYNC_FDATASYNC)
		return fdatasync(fd) ? -errno : 0;
	return fsync(fd) ? -errno : 0;
}

/* close(2) of a duplicate returns errors that close(2) of a file would. */
static int do_flush(const struct request *r)
{
	struct fuse_flush_in in;
	int fd;

	memcpy(&in, r->args, sizeof(in));
	/* The file was closed when the former server died. */
	if (r->by_handle)
		return 0;
	fd = dup(in.fh);
	return fd < 0 || close(fd) ? -errno : 0;
}

static int do_fallocate(const struct request *r)
{
	struct fuse_fallocate_in in;
	int fd;

	memcpy(&in, r->args, sizeof(in));
	fd = file_of(r, in.fh, O_WRONLY);
	if (fd < 0)
		return fd;
	return fallocate(fd, in.mode, in.offset, in.length) ? -errno : 0;
}

static int do_lseek(const struct request *r, struct answer *answer)
{
	struct fuse_lseek_out out = {};
	struct fuse_lseek_in in;
	off_t offset;
	int fd;

	memcpy(&in, r->args, sizeof(in));
	fd = file_of(r, in.fh, O_RDONLY);
	if (fd < 0)
		return fd;
	offset = lseek(fd, in.offset, in.whence);
	if (offset < 0)
		return -errno;
	out.offset = offset;
	put(answer, &out, sizeof(out));
	return 0;
}

static int do_copy_file_range(const struct request *r, struct answer *answer)
{
	struct fuse_copy_file_range_out out = {};
	struct fuse_copy_file_range_in in;
	struct fuse_write_out old = {};
	int fd_in, fd_out;
	off_t from, to;
	ssize_t len;

	memcpy(&in, r->args, sizeof(in));
	from = in.off_in;
	to = in.off_out;
	fd_in = file_of(r, in.fh_in, O_RDONLY);
	fd_out = r->by_handle ? open_for_now(r->second, O_WRONLY) :
		 (int)in.fh_out;
	if (fd_in < 0 || fd_out < 0)
		return fd_in < 0 ? fd_in : fd_out;
	len = copy_file_range(fd_in, &from, fd_out, &to, in.len, in.flags);
	if (len < 0)
		return -errno;
	if (r->in.opcode == FUSE_COPY_FILE_RANGE) {
		old.size = len;
		put(answer, &old, sizeof(old));
	} else {
		out.bytes_copied = len;
		put(answer, &out, sizeof(out));
	}
	return 0;
}

/*
 * Extended attributes
 */

/* Without FUSE_SETXATTR_EXT, the kernel sends the first 8 bytes only. */
static int run_setxattr(const struct request *r)
{
	const struct node *node = node_of(r->in.nodeid);
	const char *name = (const char *)r->args + FUSE_COMPAT_SETXATTR_IN_SIZE;
	struct fuse_setxattr_in in;

	memcpy(&in, r->args, FUSE_COMPAT_SETXATTR_IN_SIZE);
	return setxattr(path_of(node->fd), name, name + strlen(name) + 1,
			in.size, in.flags) ? -errno : 0;
}

static int was_setxattr(const struct request *r)
{
	const char *name = (const char *)r->args + FUSE_COMPAT_SETXATTR_IN_SIZE;
	static char value[XATTR_SIZE_MAX];
	struct fuse_setxattr_in in;
	ssize_t len;

	memcpy(&in, r->args, FUSE_COMPAT_SETXATTR_IN_SIZE);
	len = getxattr(path_of(node_of(r->in.nodeid)->fd), name, value,
		       sizeof(value));
	return len == (ssize_t)in.size &&
	       !memcmp(value, name + strlen(name) + 1, len);
}

/* Appends a value or list of @len bytes, or only its size if that is requested. */
static int put_xattr(ssize_t len, size_t wanted, struct answer *answer)
{
	struct fuse_getxattr_out out = {};

	if (len < 0)
		return -errno;
	if (wanted) {
		answer->len = len;
		return 0;
	}
	out.size = len;
	put(answer, &out, sizeof(out));
	return 0;
}

static int do_getxattr(const struct node *node, const struct request *r,
		       struct answer *answer)
{
	const char *path = path_of(node->fd);
	struct fuse_getxattr_in in;
	ssize_t len;

	memcpy(&in, r->args, sizeof(in));
	if (in.size > sizeof(answer->data))
		in.size = sizeof(answer->data);
	if (r->in.opcode == FUSE_GETXATTR)
		len = getxattr(path, (const char *)r->args + sizeof(in),
			       answer->data, in.size);
	else
		len = listxattr(path, (char *)answer->data, in.size);
	return put_xattr(len, in.size, answer);
}

static int run_removexattr(const struct request *r)
{
	return removexattr(path_of(node_of(r->in.nodeid)->fd),
			   (const char *)r->args) ? -errno : 0;
}

static int was_removed(const struct request *r)
{
	return getxattr(path_of(node_of(r->in.nodeid)->fd),
			(const char *)r->args, NULL, 0) < 0 && errno == ENODATA;
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
	if (r->by_handle)
		return 0;
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
		return do_lookup_handle(r, answer);
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
	case FUSE_RMDIR:
		return once(r, run_unlink, was_unlinked);
	case FUSE_RENAME:
	case FUSE_RENAME2:
		return once(r, run_rename, was_renamed);
	case FUSE_LINK:
		return do_link(r, answer);
	case FUSE_SYMLINK:
		return do_symlink(r, answer);
	case FUSE_READLINK:
		return do_readlink(node, answer);
	case FUSE_MKNOD:
		return do_mknod(r, answer);
	case FUSE_TMPFILE:
		return do_tmpfile(r, answer);
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
		return do_fsync(r);
	case FUSE_FLUSH:
		return do_flush(r);
	case FUSE_FALLOCATE:
		return do_fallocate(r);
	case FUSE_LSEEK:
		return do_lseek(r, answer);
	case FUSE_COPY_FILE_RANGE:
	case FUSE_COPY_FILE_RANGE_64:
		return do_copy_file_range(r, answer);
	case FUSE_SETXATTR:
		return once(r, run_setxattr, was_setxattr);
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		return do_getxattr(node, r, answer);
	case FUSE_REMOVEXATTR:
		return once(r, run_removexattr, was_removed);
	case FUSE_STATFS:
		return do_statfs(node, answer);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return do_release(r);
	case FUSE_DESTROY:
		return 0;
	}
	return -ENOSYS;
}

/* Returns true if a request has two inodes. */
static bool has_second(const struct request *r)
{
	switch (r->in.opcode) {
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_COPY_FILE_RANGE_64:
		return true;
	}
	return false;
}

/* Returns true if a request with nodeid 0 uses handles instead. */
static bool is_by_handle(const struct request *r)
{
	switch (r->in.opcode) {
	case FUSE_INIT:
	case FUSE_COMPOUND:
	case FUSE_DESTROY:
		return false;
	case FUSE_LOOKUP_HANDLE:
		/* "." is the inode of the handle itself. */
		return strcmp((const char *)r->args, ".");
	}
	return true;
}

/*
 * Executes a request. If its nodeids are void, the kernel has sent it before it knew
 * those of this server. The files of its handles are looked up for the time of the
 * request.
 */
static int execute(struct request *r, struct answer *answer)
{
	struct node *nodes[2] = {};
	struct stat st;
	int i, fd, err = 0;

	if (r->in.nodeid || !is_by_handle(r))
		return dispatch(r, answer);
	for (i = 0; i < 2 && r->ext[i].size && !err; i++) {
		fd = open_handle(&r->ext[i], O_PATH);
		if (fd >= 0)
			nodes[i] = get_node(fd, &st);
		if (!nodes[i])
			err = fd < 0 ? fd : -ENOMEM;
	}
	if (!err && (!nodes[0] || (has_second(r) && !nodes[1])))
		err = -ESTALE;
	if (!err) {
		r->by_handle = true;
		r->second = nodes[1];
		r->in.nodeid = nodeid_of(nodes[0]);
		err = dispatch(r, answer);
		close_for_now();
	}
	for (i = 0; i < 2; i++) {
		if (nodes[i])
			forget(nodeid_of(nodes[i]), 1);
	}
	return err;
}

/*
 * The server
 */

/* Returns false if the connection has ended. */
static bool serve_one(void)
{
	static unsigned char buf[BUFFER_SIZE];
	static struct answer answer;
	struct request r;
	ssize_t len;
	int err;

	len = read(dev_fd, buf, sizeof(buf));
	if (len < 0)
		return errno == ENOENT || errno == EAGAIN || errno == EINTR;
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
	current.unique = r.in.unique & ~FUSE_UNIQUE_RESEND;
	current.repeated = r.in.unique & FUSE_UNIQUE_RESEND;
	err = take_ext(&r) ? execute(&r, &answer) : -EINVAL;
	send_answer(r.in.unique, err, &answer);
	return true;
}

/*
 * Opens a private clone of the mount of DIRECTORY, without the mounts below it. A
 * handle does not identify its filesystem, and a server that looks up its own
 * MOUNTPOINT deadlocks. The clone exists as long as the tree is open.
 */
static int open_directory(const char *path)
{
	int fd, tree = syscall(__NR_open_tree, AT_FDCWD, path,
			       OPEN_TREE_CLONE | O_CLOEXEC);

	if (tree < 0) {
		fprintf(stderr, "%s: open_tree: %s\n",
			path, strerror(errno));
		return -1;
	}
	/* open_by_handle_at(2) does not accept O_PATH. */
	fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		perror(path);
	return fd;
}

/*
 * Blocks the signals that end the server, and returns a signalfd for them. A
 * supervisor also waits for its child.
 */
static int open_signals(bool supervisor)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (supervisor)
		sigaddset(&set, SIGCHLD);
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

/* Returns the ID of the mount, or 0. Sends no request to the server. */
static __u64 mount_id(const char *mountpoint)
{
	struct statx stx;

	if (syscall(SYS_statx, AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC,
		    STATX_MNT_ID_UNIQUE, &stx))
		return 0;
	return stx.stx_mnt_id;
}

/* Returns true if the connection has ended, and false after a signal. */
static bool serve(int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = dev_fd, .events = POLLIN },
	};

	while (serve_one()) {
		poll(fds, 2, -1);
		if (fds[0].revents)
			return false;
	}
	return true;
}

/*
 * Supervision
 */

/* The reasons for which a supervised server exits */
#define EXIT_CONNECTION	0	/* the connection has ended */
#define EXIT_STOPPED	3	/* by a signal */
#define EXIT_REFUSED	4	/* the kernel refuses the notification */

/* After this number of servers that lived for a second at most, the next one waits. */
#define SHORT_MAX	100

/* Makes all nodeids, lookups and IDs of open files void. Returns 0 or an errno. */
static int notify_restart(void)
{
	struct fuse_out_header header = {
		.len = sizeof(header),
		.error = FUSE_NOTIFY_RESTART,
	};

	return write(dev_fd, &header, sizeof(header)) < 0 ? errno : 0;
}

/*
 * Returns true if the connection has ended, for example because the filesystem was
 * unmounted while no server ran. The notification then fails with EINVAL, which has
 * other causes as well. POLLERR can follow a moment later.
 */
static bool has_ended(void)
{
	struct pollfd fd = { .fd = dev_fd };

	return poll(&fd, 1, 1000) > 0 && fd.revents & POLLERR;
}

/* Starts a server. All but the first one take over from another server. */
static pid_t start_server(int signals, bool first)
{
	pid_t parent = getpid(), pid = fork();
	int err;

	if (pid)
		return pid;
	/* Without its parent, the server could not be replaced. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_STOPPED);
	err = first ? 0 : notify_restart();
	if (err) {
		if (err == EINVAL && has_ended())
			_exit(EXIT_CONNECTION);
		fprintf(stderr, "passthrough_handle: FUSE_NOTIFY_RESTART: %s\n",
			strerror(err));
		_exit(EXIT_REFUSED);
	}
	_exit(serve(signals) ? EXIT_CONNECTION : EXIT_STOPPED);
}

/* Waits for the server or a signal. Returns false if the server must be stopped. */
static bool wait_for_server(int signals, pid_t pid, int *status)
{
	struct signalfd_siginfo info;

	for (;;) {
		if (read(signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGCHLD)
			return false;
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
	}
}

/* Unlike time(2), not affected when the clock is set. */
static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/*
 * Starts a server, and another one whenever it dies, until the connection ends or
 * a signal arrives. The servers inherit the descriptors. Returns the exit status.
 */
static int supervise(int signals)
{
	unsigned int nr_short = 0;
	time_t started;
	bool first = true;
	int status;
	pid_t pid;

	/* No server can take over before FUSE_INIT, the first request, is answered. */
	poll(&(struct pollfd){ .fd = dev_fd, .events = POLLIN }, 1, -1);
	if (!serve_one())
		return 0;
	for (;;) {
		started = seconds();
		pid = start_server(signals, first);
		if (pid < 0) {
			perror("passthrough_handle");
			return 1;
		}
		if (!wait_for_server(signals, pid, &status)) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			return 0;
		}
		if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONNECTION)
			return 0;
		if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED)
			return 1;
		/* A server that cannot run must not use up the machine. */
		if (seconds() - started > 1)
			nr_short = 0;
		else if (nr_short < 1000)
			nr_short++;
		usleep(nr_short > SHORT_MAX ? 1000 * nr_short : 0);
		first = false;
	}
}

/* Each node has a descriptor, so the usual limit of 1024 is too low. */
static void raise_file_limit(void)
{
	struct rlimit limit = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 };

	/* Fails if this exceeds fs.nr_open: use the hard limit then. */
	if (!setrlimit(RLIMIT_NOFILE, &limit) ||
	    getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void print_usage(FILE *to)
{
	fputs("usage: passthrough_handle [--supervise] DIRECTORY MOUNTPOINT\n"
	      "\n"
	      "Serve DIRECTORY on MOUNTPOINT by FUSE, with file handles that stay valid\n"
	      "when the server is restarted. Requires root and CONFIG_FUSE_HANDLE. Anyone\n"
	      "who can open file handles can access the whole filesystem of DIRECTORY.\n"
	      "\n"
	      "  -s, --supervise  start another server whenever it dies; users of MOUNTPOINT\n"
	      "                   only wait for it\n"
	      "  -h, --help       print this text\n"
	      "\n"
	      "Exit status: 0 after a signal or an unmount, 1 on errors, 2 on bad usage.\n",
	      to);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "supervise", no_argument, NULL, 's' },
		{},
	};
	bool supervised = false;
	int signals, opt, ret;
	struct stat st;
	__u64 id;

	while ((opt = getopt_long(argc, argv, "hs", options, NULL)) >= 0) {
		switch (opt) {
		case 'h':
			print_usage(stdout);
			return 0;
		case 's':
			supervised = true;
			break;
		default:
			print_usage(stderr);
			return 2;
		}
	}
	argv += optind - 1;
	if (argc - optind != 2) {
		print_usage(stderr);
		return 2;
	}
	raise_file_limit();
	/* With FUSE_DONT_MASK, requests contain the umask of the caller. */
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
	if (!insert_node(&root)) {
		perror("passthrough_handle");
		return 1;
	}
	get_handle(root.fd, &root.handle);
	if (!root.handle.size)
		fprintf(stderr, "%s: the filesystem does not support file handles\n",
			argv[1]);
	journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (journal == MAP_FAILED) {
		perror("passthrough_handle");
		return 1;
	}
	signals = open_signals(supervised);
	if (signals < 0 || mount_at(argv[2])) {
		perror(argv[2]);
		return 1;
	}
	id = mount_id(argv[2]);
	ret = 0;
	if (supervised)
		ret = supervise(signals);
	else
		serve(signals);
	/* Do not unmount another mount in its place. */
	if (id && mount_id(argv[2]) == id)
		umount2(argv[2], MNT_DETACH);
	return ret;
}
