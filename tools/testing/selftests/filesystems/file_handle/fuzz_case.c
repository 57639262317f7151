// SPDX-License-Identifier: GPL-2.0
/* The grammar of the fuzzer: makes a case of random numbers. */
#define _GNU_SOURCE
#include <linux/nsfs.h>
#include <stddef.h>

#include "fuzz.h"

#define NSFS_INUM_AT	offsetof(struct nsfs_file_handle, ns_inum)

/* Most descriptors are valid. */
static int pick_bad_fd(struct fuzz_random *rnd)
{
	static const int others[] = { 999, 1000000, AT_FDCWD - 1, 0x40000000 };

	if (chance(rnd, 50))
		return bad_fds[below(rnd, ARRAY_SIZE(bad_fds))];
	return others[below(rnd, ARRAY_SIZE(others))];
}

static bool is_open(const struct fuzz_object *o)
{
	return o->fd >= 0;
}

static int pick_object(struct fuzz_random *rnd, const struct fuzz_world *w,
		       bool (*suitable)(const struct fuzz_object *o))
{
	unsigned int i, tries = 16;

	while (tries--) {
		i = below(rnd, w->nr);
		if (suitable(&w->objects[i]))
			return i;
	}
	return NO_INDEX;
}

static int fd_of(const struct fuzz_world *w, int object)
{
	return object < 0 ? -1 : w->objects[object].fd;
}

/*
 * Names
 */

static void pick_path(struct fuzz_random *rnd, struct fuzz_case *c,
		      const struct fuzz_world *w)
{
	static const char *const paths[] = {
		".", "..", "file", "file", "secret", "dir", "dir/", "dir/..", "dir/sub",
		"dir/sub/deep", "link", "link", "link/", "dangling", "loop", "fifo",
		"gone", "file/x", "file/", "volatile", "bind/sub/deep", "ro/sub",
		"ro", "dir/mnt/file", "ovl/file", "ovl/sub/deep", "other/sub", "/",
		"/proc/self", "/proc/version", "/proc/self/ns/uts",
		"/proc/self/ns/pid", "/proc/self/exe", "/sys/kernel",
		"/sys/fs/cgroup", "/dev/null",
	};
	static const unsigned int lengths[] = { 255, 256, 4094, 4095, 4096, 5000 };

	if (chance(rnd, 3)) {
		c->long_path = lengths[below(rnd, ARRAY_SIZE(lengths))];
	} else if (chance(rnd, 25)) {
		int object = pick_object(rnd, w, is_open);

		snprintf(c->path, sizeof(c->path), "/proc/self/fd/%d",
			 fd_of(w, object));
		c->object = object;
	} else if (!chance(rnd, 35)) {
		snprintf(c->path, sizeof(c->path), "%s", paths[below(rnd, ARRAY_SIZE(paths))]);
	}
}

static void pick_name_flags(struct fuzz_random *rnd, struct fuzz_case *c)
{
	static const unsigned int good[] = {
		AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, AT_HANDLE_FID,
		AT_HANDLE_MNT_ID_UNIQUE, AT_HANDLE_CONNECTABLE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		if (chance(rnd, 30))
			c->flags |= good[i];
	}
	if (!c->path[0] && !c->long_path && chance(rnd, 85))
		c->flags |= AT_EMPTY_PATH;
	if (c->object >= 0 && chance(rnd, 80))
		c->flags |= AT_SYMLINK_FOLLOW;
	if (chance(rnd, 4))
		c->flags |= 1u << below(rnd, 32);
}

static __u32 pick_room(struct fuzz_random *rnd)
{
	static const __u32 rooms[] = {
		0, 1, 3, 4, 7, 8, 9, 11, 12, 13, 15, 16, 17, 20, 124, 127, 128,
		129, 132, 256, INT_MAX, (__u32)INT_MAX + 1, UINT_MAX,
	};

	if (chance(rnd, 50))
		return HANDLE_MAX;
	return chance(rnd, 70) ? rooms[below(rnd, ARRAY_SIZE(rooms))] : below(rnd, HANDLE_MAX + 4);
}

static void make_name(struct fuzz_random *rnd, struct fuzz_case *c,
		      const struct fuzz_world *w)
{
	c->op = FUZZ_NAME;
	pick_path(rnd, c, w);
	pick_name_flags(rnd, c);
	c->dfd = AT_FDCWD;
	if (chance(rnd, 5)) {
		c->dfd = pick_bad_fd(rnd);
	} else if (!chance(rnd, 15)) {
		c->dfd_object = pick_object(rnd, w, is_open);
		c->dfd = fd_of(w, c->dfd_object);
	}
	c->fh.bytes = pick_room(rnd);
	c->fh.type = draw(rnd);
	pick_place(rnd, &c->fh_place, HANDLE_HEADER + (c->fh.bytes & 0xff));
	pick_place(rnd, &c->id_place, 8);
	if (chance(rnd, 15))
		pick_place(rnd, &c->path_place, strlen(c->path) + 1);
}

/*
 * Handles
 */

static bool has_handle(const struct fuzz_object *o)
{
	return o->fh[VARIANT_FID].bytes;
}

static bool decodes(const struct fuzz_object *o)
{
	return o->fh[VARIANT_PLAIN].bytes;
}

static void change_size(struct fuzz_random *rnd, struct handle *fh)
{
	static const __u32 sizes[] = {
		0, 1, 4, 7, 8, 12, 15, 16, 17, 19, 20, 24, 32, 44, 47, 48, 49,
		64, 100, 124, 127, 128, 129, 256, INT_MAX, (__u32)INT_MAX + 1,
		UINT_MAX,
	};

	if (chance(rnd, 50))
		fh->bytes = sizes[below(rnd, ARRAY_SIZE(sizes))];
	else
		fh->bytes += below(rnd, 9) - 4;
}

static void change_type(struct fuzz_random *rnd, struct handle *fh)
{
	static const int types[] = {
		0, 1, 2, 0x51, 0x81, 0x82, 0x97, FILEID_NSFS, FILEID_KERNFS,
		FILEID_INVALID, 0x100, 0xffff,
	};
	static const int flags[] = {
		FILEID_IS_CONNECTABLE, FILEID_IS_DIR,
		FILEID_IS_CONNECTABLE | FILEID_IS_DIR, 0x40000, 0x80000000,
	};

	switch (below(rnd, 4)) {
	case 0:
		fh->type = (fh->type & ~0xffff) | types[below(rnd, ARRAY_SIZE(types))];
		break;
	case 1:
		fh->type ^= 1u << below(rnd, 32);
		break;
	default:
		fh->type ^= flags[below(rnd, ARRAY_SIZE(flags))];
	}
}

static void change_number(struct fuzz_random *rnd, struct fuzz_case *c,
			  const struct fuzz_world *w)
{
	static const __u64 numbers[] = { 0, ~0ULL, 1ULL << 63, 1ULL << 32 };
	int other = pick_object(rnd, w, decodes);

	if (chance(rnd, 40) || other < 0) {
		c->number_of = NO_INDEX;
		handle_set_number(&c->fh, numbers[below(rnd, ARRAY_SIZE(numbers))]);
	} else {
		c->number_of = other;
		handle_set_number(&c->fh, handle_number(&w->objects[other].fh[0]));
	}
}

/* Changes the 32-bit words after the number, which are those of other objects. */
static void change_words(struct fuzz_random *rnd, struct handle *fh,
			 const struct fuzz_world *w)
{
	int other = pick_object(rnd, w, decodes);
	unsigned int at = 8 + 4 * below(rnd, 2);

	const unsigned char *word;

	if (chance(rnd, 40) || other < 0) {
		memset(fh->data + at, 0, 4);
	} else {
		word = w->objects[other].fh[0].data + at;
		/* A namespace may have the inode number of one that is gone. */
		if (at == NSFS_INUM_AT && !memcmp(fh->data + at, word, 4))
			fh->data[at + 1] ^= 1;
		else
			memcpy(fh->data + at, word, 4);
	}
	if (chance(rnd, 30))
		memset(fh->data + 8, 0, 8);
}

/* Appends bytes, of which all or all but one are zero. */
static void append_tail(struct fuzz_random *rnd, struct handle *fh)
{
	unsigned int size = fh->bytes, tail;

	if (size >= HANDLE_MAX)
		return;
	tail = 1 + below(rnd, HANDLE_MAX - size);
	if (chance(rnd, 60) && tail > 3)
		tail &= ~3;
	fh->bytes += tail;
	if (chance(rnd, 60))
		fh->data[size + below(rnd, tail)] = 1 << below(rnd, 8);
}

static void change_byte(struct fuzz_random *rnd, struct handle *fh)
{
	unsigned int size = fh->bytes < HANDLE_MAX ? fh->bytes : HANDLE_MAX;

	if (size)
		fh->data[below(rnd, size)] ^= 1 << below(rnd, 8);
}

static void mutate(struct fuzz_random *rnd, struct fuzz_case *c,
		   const struct fuzz_world *w)
{
	struct handle *fh = &c->fh;

	switch (below(rnd, 7)) {
	case 0:
		change_size(rnd, fh);
		break;
	case 1:
		change_type(rnd, fh);
		break;
	case 2:
		change_number(rnd, c, w);
		break;
	case 3:
		change_words(rnd, fh, w);
		break;
	case 4:
		change_byte(rnd, fh);
		break;
	default:
		append_tail(rnd, fh);
	}
}

/* Returns the filesystem that will decode the handle. */
static enum fuzz_fs decoder_of(const struct fuzz_case *c,
			       const struct fuzz_world *w)
{
	if (c->dfd == FD_PIDFS_ROOT)
		return FS_PIDFS;
	if (c->dfd == FD_NSFS_ROOT)
		return FS_NSFS;
	return c->dfd_object >= 0 ? w->objects[c->dfd_object].fs : FS_OTHER;
}

/*
 * Most filesystems count their objects. A number that is not taken from an
 * object may be that of another one, which depends on the boot, unless it is
 * very large. Those of tmpfs and of the sample are random.
 */
static void avoid_strangers(struct fuzz_case *c, const struct fuzz_world *w)
{
	static const __u64 numbers[] = { 0, ~0ULL, 1ULL << 63, 1ULL << 32 };
	const enum fuzz_fs fs = decoder_of(c, w);
	static const unsigned char none[sizeof(__u32)];
	unsigned char *inum = c->fh.data + NSFS_INUM_AT;
	__u64 number = handle_number(&c->fh);
	const struct fuzz_object *o;
	unsigned int i;

	if (fs == FS_TMPFS || fs == FS_SAMPLE)
		return;
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (number == numbers[i])
			return;
	}
	o = c->number_of < 0 ? NULL : &w->objects[c->number_of];
	if (!o || o->fs != fs || handle_number(&o->fh[0]) != number) {
		handle_set_number(&c->fh, number | 1ULL << 62);
	} else if (fs == FS_NSFS && memcmp(inum, none, sizeof(none)) &&
		   memcmp(inum, o->fh[0].data + NSFS_INUM_AT, sizeof(none))) {
		/* The inode number of one that is gone may be that of this one. */
		memset(inum, 0xff, sizeof(none));
	}
}

/* Returns an open file of the same filesystem or, for tmpfs, of the same type. */
static int pick_object_of(struct fuzz_random *rnd, const struct fuzz_world *w,
			  enum fuzz_fs fs, int like)
{
	unsigned int tries = 64;
	int i;

	while (tries--) {
		i = below(rnd, w->nr);
		if (is_open(&w->objects[i]) && w->objects[i].fs == fs &&
		    (fs != FS_OTHER || (like >= 0 && w->objects[i].dev ==
					w->objects[like].dev)))
			return i;
	}
	return NO_INDEX;
}

static void pick_anchor(struct fuzz_random *rnd, struct fuzz_case *c,
			const struct fuzz_world *w)
{
	static const int roots[] = { FD_PIDFS_ROOT, FD_NSFS_ROOT, AT_FDCWD };
	const enum fuzz_fs fs = c->object < 0 ? FS_OTHER : w->objects[c->object].fs;
	int object;

	if (chance(rnd, 5)) {
		c->dfd = pick_bad_fd(rnd);
	} else if (chance(rnd, 10)) {
		c->dfd = roots[below(rnd, ARRAY_SIZE(roots))];
	} else if (chance(rnd, 15)) {
		c->dfd_object = pick_object(rnd, w, is_open);
		c->dfd = fd_of(w, c->dfd_object);
	} else if (fs == FS_PIDFS && chance(rnd, 75)) {
		c->dfd = FD_PIDFS_ROOT;
	} else if (fs == FS_NSFS && chance(rnd, 75)) {
		c->dfd = FD_NSFS_ROOT;
	} else {
		object = pick_object_of(rnd, w, fs, c->object);
		c->dfd_object = object;
		c->dfd = object < 0 ? AT_FDCWD : fd_of(w, object);
	}
}

static void pick_open_flags(struct fuzz_random *rnd, struct fuzz_case *c)
{
	static const unsigned int flags[] = {
		O_CLOEXEC, O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_EXCL,
		O_TRUNC, O_CREAT, O_APPEND, O_DIRECT, O_SYNC, O_DSYNC, O_NOATIME,
		O_NOCTTY, O_ASYNC, KERNEL_O_LARGEFILE, O_TMPFILE,
	};
	unsigned int i;

	c->flags = chance(rnd, 60) ? O_RDONLY : below(rnd, 4);
	/* Each filesystem accepts these. */
	if (chance(rnd, 50)) {
		c->flags |= chance(rnd, 50) ? O_CLOEXEC : O_NONBLOCK;
		return;
	}
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if (chance(rnd, i < 3 ? 30 : 6))
			c->flags |= flags[i];
	}
	if (chance(rnd, 3))
		c->flags |= 1u << below(rnd, 32);
}

static bool is_fifo(const struct fuzz_world *w, const struct handle *fh)
{
	unsigned int i;

	for (i = 0; i < w->nr; i++) {
		if (S_ISFIFO(w->objects[i].mode) &&
		    handle_number(fh) == handle_number(&w->objects[i].fh[0]))
			return true;
	}
	return false;
}

static void make_open(struct fuzz_random *rnd, struct fuzz_case *c,
		      const struct fuzz_world *w)
{
	unsigned int nr = chance(rnd, 45) ? 0 : 1 + below(rnd, 3);
	struct handle before;

	c->op = FUZZ_OPEN;
	c->object = pick_object(rnd, w, chance(rnd, 85) ? decodes : has_handle);
	if (c->object >= 0) {
		c->variant = chance(rnd, 75) ? VARIANT_PLAIN : below(rnd, VARIANTS);
		if (!w->objects[c->object].fh[c->variant].bytes)
			c->variant = VARIANT_FID;
		c->fh = w->objects[c->object].fh[c->variant];
	}
	c->number_of = c->object;
	before = c->fh;
	while (nr--)
		mutate(rnd, c, w);
	pick_anchor(rnd, c, w);
	avoid_strangers(c, w);
	c->mutated = memcmp(&before, &c->fh, sizeof(before));
	pick_open_flags(rnd, c);
	/* Nobody opens the other end. */
	if (is_fifo(w, &c->fh))
		c->flags |= O_NONBLOCK;
	pick_place(rnd, &c->fh_place, HANDLE_HEADER + (c->fh.bytes & 0xff));
}

/*
 * The ioctls of nsfs
 */

static bool is_open_ns(const struct fuzz_object *o)
{
	return o->fs == FS_NSFS && o->fd >= 0;
}

static bool has_pid(const struct fuzz_object *o)
{
	return o->pid;
}

static unsigned long pick_pid(struct fuzz_random *rnd, struct fuzz_case *c,
			      const struct fuzz_world *w)
{
	static const unsigned long pids[] = {
		0, 1, 2, INT_MAX, (unsigned int)INT_MAX + 1, UINT_MAX, -1UL, 1UL << 22,
		(1UL << 22) + 1,
	};

	const bool foreign = (c->request == NS_GET_PID_FROM_PIDNS ||
			      c->request == NS_GET_TGID_FROM_PIDNS) &&
			     c->dfd_object >= 0 &&
			     !is_own_namespace(w, &w->objects[c->dfd_object]);

	c->object = pick_object(rnd, w, has_pid);
	/* In another pid namespace, the pid of an object is that of a stranger. */
	if (c->object < 0 || chance(rnd, 40) || foreign) {
		c->object = NO_INDEX;
		return pids[below(rnd, ARRAY_SIZE(pids))];
	}
	/* Only the lower half counts. */
	return w->objects[c->object].pid | (__u64)chance(rnd, 10) << 32;
}

/* Returns the type of the namespaces that support a request, or 0. */
static __u32 type_of(unsigned int request)
{
	if (request == NS_GET_OWNER_UID)
		return CLONE_NEWUSER;
	if (request == NS_GET_MNTNS_ID ||
	    _IOC_NR(request) >= _IOC_NR(NS_MNT_GET_INFO))
		return request == NS_GET_ID ? 0 : CLONE_NEWNS;
	return _IOC_NR(request) >= _IOC_NR(NS_GET_PID_FROM_PIDNS) ? CLONE_NEWPID : 0;
}

static int pick_namespace(struct fuzz_random *rnd, const struct fuzz_world *w,
			  __u32 type)
{
	unsigned int tries = 64;
	int i;

	while (tries--) {
		i = pick_object(rnd, w, is_open_ns);
		if (i >= 0 && handle_ns(&w->objects[i].fh[0]).ns_type == type)
			return i;
	}
	return NO_INDEX;
}

static void make_ioctl(struct fuzz_random *rnd, struct fuzz_case *c,
		       const struct fuzz_world *w)
{
	static const unsigned int requests[] = {
		NS_GET_USERNS, NS_GET_PARENT, NS_GET_NSTYPE, NS_GET_OWNER_UID,
		NS_GET_PID_FROM_PIDNS, NS_GET_TGID_FROM_PIDNS,
		NS_GET_PID_IN_PIDNS, NS_GET_TGID_IN_PIDNS, NS_GET_MNTNS_ID,
		NS_GET_ID, NS_MNT_GET_INFO, NS_MNT_GET_NEXT, NS_MNT_GET_PREV,
	};
	static const unsigned int sizes[] = { 0, 4, 8, 12, 15, 16, 17, 24, 32, 4096, 16383 };

	c->op = FUZZ_IOCTL;
	c->request = requests[below(rnd, ARRAY_SIZE(requests))];
	if (type_of(c->request) && chance(rnd, 60))
		c->dfd_object = pick_namespace(rnd, w, type_of(c->request));
	else
		c->dfd_object = pick_object(rnd, w, chance(rnd, 98) ? is_open_ns : is_open);
	c->dfd = fd_of(w, c->dfd_object);
	if (chance(rnd, 15))
		c->request = (c->request & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT)) |
			     sizes[below(rnd, ARRAY_SIZE(sizes))] << _IOC_SIZESHIFT;
	if (chance(rnd, 10))
		c->request ^= 1u << below(rnd, 32);
	/* These are requests of all files. */
	if (_IOC_TYPE(c->request) != NSIO)
		c->request = NS_GET_NSTYPE;
	c->arg = pick_pid(rnd, c, w);
	pick_place(rnd, &c->fh_place, 24);
	if (chance(rnd, 10))
		c->fh_place.memory = MEM_NULL;
}

void make_case(struct fuzz_case *c, const struct fuzz_world *w, __u64 seed,
	       __u64 nr)
{
	struct fuzz_random rnd = random_of(seed, nr);
	unsigned int percent;

	draw(&rnd);		/* that of who_of() */
	memset(c, 0, sizeof(*c));
	c->nr = nr;
	c->object = NO_INDEX;
	c->dfd_object = NO_INDEX;
	percent = below(&rnd, 100);
	if (percent < 30) {
		make_name(&rnd, c, w);
	} else if (percent < 80) {
		make_open(&rnd, c, w);
	} else if (percent < 99 || chance(&rnd, 50)) {
		make_ioctl(&rnd, c, w);
	} else {
		c->op = FUZZ_EVENT;
		c->request = below(&rnd, EVENTS);
		c->slot = below(&rnd, SLOTS);
	}
	percent = below(&rnd, 100);
	c->ring = percent < 60 ? RING_NONE : percent < 85 ? RING_INLINE : RING_ASYNC;
	c->fdinfo = chance(&rnd, 12);
}
