/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __SELFTEST_FILE_HANDLE_RING_H
#define __SELFTEST_FILE_HANDLE_RING_H

#include <linux/io_uring.h>
#include <sys/mount.h>

#include "file_handle.h"

/* Where the tmpfs is mounted that the tests have to themselves. */
#define DIRECTORY	"/tmp"

/* What no request results in: the ring itself is broken. */
#define RING_BROKEN	-EPROTO

/* An instance of io_uring, with all its memory. */
struct ring {
	int fd;
	unsigned int flags;		/* IORING_SETUP_* */
	unsigned int tail;		/* of what has been prepared */
	unsigned int sq_entries;
	unsigned int cq_entries;

	unsigned int *sq_head;
	unsigned int *sq_tail;
	unsigned int *sq_flags;
	struct io_uring_sqe *sqes;
	size_t sqes_size;

	unsigned int *cq_head;
	unsigned int *cq_tail;
	unsigned int *cq_overflow;
	struct io_uring_cqe *cqes;
	void *rings;			/* both of them */
	size_t rings_size;
};

static inline void *ring_map(const struct ring *ring, size_t size, off_t what)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, ring->fd, what);

	return mem == MAP_FAILED ? NULL : mem;
}

static inline void ring_exit(struct ring *ring)
{
	if (ring->sqes)
		munmap(ring->sqes, ring->sqes_size);
	if (ring->rings)
		munmap(ring->rings, ring->rings_size);
	if (ring->fd >= 0)
		close(ring->fd);
	ring->sqes = NULL;
	ring->rings = NULL;
	ring->fd = -1;
}

static inline int ring_map_all(struct ring *ring,
			       const struct io_uring_params *p)
{
	unsigned char *base;

	ring->rings_size = p->cq_off.cqes +
			   p->cq_entries * sizeof(struct io_uring_cqe);
	ring->rings = ring_map(ring, ring->rings_size, IORING_OFF_SQ_RING);
	ring->sqes_size = p->sq_entries * sizeof(struct io_uring_sqe);
	ring->sqes = ring_map(ring, ring->sqes_size, IORING_OFF_SQES);
	if (!ring->rings || !ring->sqes)
		return -ENOMEM;

	base = ring->rings;
	ring->sq_head = (void *)(base + p->sq_off.head);
	ring->sq_tail = (void *)(base + p->sq_off.tail);
	ring->sq_flags = (void *)(base + p->sq_off.flags);
	ring->cq_head = (void *)(base + p->cq_off.head);
	ring->cq_tail = (void *)(base + p->cq_off.tail);
	ring->cq_overflow = (void *)(base + p->cq_off.overflow);
	ring->cqes = (void *)(base + p->cq_off.cqes);
	return 0;
}

/* With @cq_entries for the completions, or as many as the kernel thinks. */
static inline int ring_init_sized(struct ring *ring, unsigned int entries,
				  unsigned int cq_entries, unsigned int flags)
{
	struct io_uring_params p = {
		.flags		= flags | IORING_SETUP_NO_SQARRAY,
		.cq_entries	= cq_entries,
	};
	int ret;

	if (cq_entries)
		p.flags |= IORING_SETUP_CQSIZE;
	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(__NR_io_uring_setup, entries, &p);
	if (ring->fd < 0)
		return -errno;
	ring->flags = p.flags;
	ring->sq_entries = p.sq_entries;
	ring->cq_entries = p.cq_entries;
	ret = ring_map_all(ring, &p);
	if (ret)
		ring_exit(ring);
	return ret;
}

static inline int ring_init(struct ring *ring, unsigned int flags)
{
	return ring_init_sized(ring, 64, 0, flags);
}

static inline int ring_register(const struct ring *ring, unsigned int opcode,
				const void *arg, unsigned int nr)
{
	int ret = syscall(__NR_io_uring_register, ring->fd, opcode, arg, nr);

	return ret < 0 ? -errno : ret;
}

static inline int ring_enter(const struct ring *ring, unsigned int submit,
			     unsigned int wait, unsigned int flags)
{
	int ret;

	do {
		ret = syscall(__NR_io_uring_enter, ring->fd, submit, wait,
			      flags, NULL, 0);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

/* The next request, all zeros; there has to be room for it. */
static inline struct io_uring_sqe *ring_sqe(struct ring *ring)
{
	struct io_uring_sqe *sqe;

	sqe = &ring->sqes[ring->tail++ & (ring->sq_entries - 1)];
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

/*
 * Hand over all that has been prepared. Unless a kernel thread does it, the
 * kernel has read it when this returns: how many requests that were, or a
 * negative errno.
 */
static inline int ring_submit(struct ring *ring)
{
	unsigned int nr = ring->tail - *ring->sq_tail;

	__atomic_store_n(ring->sq_tail, ring->tail, __ATOMIC_RELEASE);
	if (!(ring->flags & IORING_SETUP_SQPOLL))
		return ring_enter(ring, nr, 0, 0);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) &
	    IORING_SQ_NEED_WAKEUP)
		ring_enter(ring, 0, 0, IORING_ENTER_SQ_WAKEUP);
	return nr;
}

/* How many completions there are to see without waiting. */
static inline unsigned int ring_ready(const struct ring *ring)
{
	return __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) -
	       *ring->cq_head;
}

/* Take the oldest completion, and wait for it if need be. */
static inline int ring_wait(struct ring *ring, struct io_uring_cqe *cqe)
{
	int ret;

	while (!ring_ready(ring)) {
		ret = ring_enter(ring, 0, 1, IORING_ENTER_GETEVENTS);
		if (ret < 0)
			return ret;
	}
	*cqe = ring->cqes[*ring->cq_head & (ring->cq_entries - 1)];
	__atomic_store_n(ring->cq_head, *ring->cq_head + 1, __ATOMIC_RELEASE);
	return 0;
}

/* The result of the oldest completion. */
static inline int ring_result(struct ring *ring)
{
	struct io_uring_cqe cqe;

	return ring_wait(ring, &cqe) ? RING_BROKEN : cqe.res;
}

/* Submit the one request that has been prepared, and wait for its result. */
static inline int ring_run(struct ring *ring)
{
	return ring_submit(ring) == 1 ? ring_result(ring) : RING_BROKEN;
}

/*
 * Wait for the results of @nr requests, of which the user data are 0 to
 * @nr - 1. False if that is not what comes.
 */
static inline bool ring_results(struct ring *ring, int *results,
				unsigned int nr)
{
	struct io_uring_cqe cqe;
	unsigned int i;

	for (i = 0; i < nr; i++)
		results[i] = INT_MAX;
	for (i = 0; i < nr; i++) {
		if (ring_wait(ring, &cqe) || cqe.user_data >= nr ||
		    results[cqe.user_data] != INT_MAX)
			return false;
		results[cqe.user_data] = cqe.res;
	}
	return !ring_ready(ring);
}

static inline void sqe_name(struct io_uring_sqe *sqe, int dfd,
			    const char *path, const void *fh,
			    const void *mnt_id, unsigned int flags)
{
	sqe->opcode = IORING_OP_NAME_TO_HANDLE_AT;
	sqe->fd = dfd;
	sqe->addr = ptr_to_u64(path);
	sqe->addr2 = ptr_to_u64(fh);
	sqe->addr3 = ptr_to_u64(mnt_id);
	sqe->name_to_handle_flags = flags;
}

static inline void sqe_open(struct io_uring_sqe *sqe, int dfd, const void *fh,
			    unsigned int flags)
{
	sqe->opcode = IORING_OP_OPEN_BY_HANDLE_AT;
	sqe->fd = dfd;
	sqe->addr = ptr_to_u64(fh);
	sqe->open_flags = flags;
}

static inline void sqe_openat(struct io_uring_sqe *sqe, int dfd,
			      const char *path, unsigned int flags)
{
	sqe->opcode = IORING_OP_OPENAT;
	sqe->fd = dfd;
	sqe->addr = ptr_to_u64(path);
	sqe->open_flags = flags;
}

static inline int ring_open(struct ring *ring, int dfd, const void *fh,
			    unsigned int flags, unsigned int sqe_flags)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe_open(sqe, dfd, fh, flags);
	sqe->flags = sqe_flags;
	return ring_run(ring);
}

/* As the flag of the same name does: IORING_FILE_INDEX_ALLOC, or slot + 1. */
static inline int ring_open_direct(struct ring *ring, int dfd, const void *fh,
				   unsigned int flags, unsigned int sqe_flags,
				   unsigned int index)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe_open(sqe, dfd, fh, flags);
	sqe->flags = sqe_flags;
	sqe->file_index = index;
	return ring_run(ring);
}

/* A table for @nr direct descriptors, all of them free. */
static inline int ring_make_table(const struct ring *ring, unsigned int nr)
{
	struct io_uring_rsrc_register reg = {
		.nr	= nr,
		.flags	= IORING_RSRC_REGISTER_SPARSE,
	};

	return ring_register(ring, IORING_REGISTER_FILES2, &reg, sizeof(reg));
}

/* At most one thread that does what would block. */
static inline int ring_one_worker(const struct ring *ring)
{
	__u32 max[2] = { 1, 1 };

	return ring_register(ring, IORING_REGISTER_IOWQ_MAX_WORKERS, max, 2);
}

enum probed {
	PROBED_NO_RING,		/* not even io_uring, or not for us */
	PROBED_UNKNOWN,		/* too old to know of the opcode */
	PROBED_UNSUPPORTED,
	PROBED_SUPPORTED,
};

static inline enum probed ring_probe_op(const struct ring *ring,
					unsigned int opcode)
{
	const size_t size = sizeof(struct io_uring_probe) +
			    256 * sizeof(struct io_uring_probe_op);
	struct io_uring_probe *probe = calloc(1, size);
	enum probed ret = PROBED_NO_RING;

	if (!probe)
		return ret;
	if (!ring_register(ring, IORING_REGISTER_PROBE, probe, 256)) {
		ret = PROBED_UNKNOWN;
		if (opcode <= probe->last_op)
			ret = probe->ops[opcode].flags &
			      IO_URING_OP_SUPPORTED ?
			      PROBED_SUPPORTED : PROBED_UNSUPPORTED;
	}
	free(probe);
	return ret;
}

static inline enum probed probe_op(unsigned int opcode)
{
	enum probed ret;
	struct ring ring;

	if (ring_init(&ring, 0))
		return PROBED_NO_RING;
	ret = ring_probe_op(&ring, opcode);
	ring_exit(&ring);
	return ret;
}

/* Why there is nothing to test, or NULL. */
static inline const char *missing(void)
{
	enum probed name = probe_op(IORING_OP_NAME_TO_HANDLE_AT);
	enum probed open = probe_op(IORING_OP_OPEN_BY_HANDLE_AT);

	if (name == PROBED_NO_RING || open == PROBED_NO_RING)
		return "there is no io_uring";
	if (name != PROBED_SUPPORTED || open != PROBED_SUPPORTED)
		return "io_uring does not do file handles";
	return NULL;
}

/* The same for what takes root: tmpfs handles, and mounts. */
static inline const char *missing_as_root(void)
{
	return is_root() ? missing() : "needs root of the initial namespaces";
}

/*
 * A tmpfs in a mount namespace of ours, over what is there, so that nothing is
 * left behind, as the current directory: its root, or a negative errno.
 */
static inline int enter_private_tmpfs(void)
{
	int fd;

	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("file_handle", DIRECTORY, "tmpfs", 0, NULL))
		return -errno;
	fd = open(DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fchdir(fd) ? -errno : fd;
}

/*
 * It cannot be unmounted while anybody has a reference to anything of it; who
 * lets go of one in the background does it a little later.
 */
static inline int leave_private_tmpfs(int root)
{
	int i;

	close(root);
	if (chdir("/"))
		return -errno;
	for (i = 0; i < RETRIES; i++) {
		if (!umount2(DIRECTORY, 0))
			return 0;
		if (errno != EBUSY)
			break;
		usleep(1000);
	}
	return -errno;
}

/* Keep what has been opened as @fd, if it has been, and the handle of it. */
static inline int keep(int fd, int *kept, struct handle *fh)
{
	*kept = fd;
	return fd < 0 ? -EBADF : encode(fd, fh);
}

/* Encode what is at @path. */
static inline int encode_path(int dfd, const char *path, struct handle *fh)
{
	__u64 mnt_id;

	memset(fh, 0, sizeof(*fh));
	fh->bytes = HANDLE_MAX;
	return encode_at(dfd, path, fh, &mnt_id, AT_HANDLE_MNT_ID_UNIQUE);
}

static inline int make_file(int dfd, const char *name, const char *content)
{
	int fd = openat(dfd, name, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	ssize_t len = strlen(content);

	if (fd >= 0 && write(fd, content, len) != len) {
		close(fd);
		return -EIO;
	}
	return fd < 0 ? -errno : fd;
}

/*
 * What keeps the only thread of the ring busy: that somebody else opens the
 * FIFO. The result of the request is of no interest.
 */
struct gate {
	const char *path;
	int fd;
};

/* The request that is going to wait, or NULL. */
static inline struct io_uring_sqe *gate_close(struct gate *gate,
					      struct ring *ring,
					      const char *path)
{
	struct io_uring_sqe *sqe;

	gate->path = path;
	gate->fd = -1;
	/* Whoever the caller has become by then may open it. */
	if (mkfifo(path, 0600) || chmod(path, 0666))
		return NULL;
	sqe = ring_sqe(ring);
	sqe_openat(sqe, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	sqe->flags = IOSQE_ASYNC;
	return sqe;
}

/* For those that wait, and for those that have not come to that yet. */
static inline int gate_open(struct gate *gate)
{
	gate->fd = open(gate->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return gate->fd < 0 ? -errno : 0;
}

/* When all requests are done: @result is what became of that for the FIFO. */
static inline void gate_remove(struct gate *gate, int result)
{
	if (result >= 0)
		close(result);
	close(gate->fd);
	unlink(gate->path);
}

#endif /* __SELFTEST_FILE_HANDLE_RING_H */
