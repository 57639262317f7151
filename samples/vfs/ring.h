/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io_uring(7) without a library. A ring has one thread, which submits requests
 * and reads completions. Functions return 0 or a negative errno.
 */
#ifndef _SAMPLES_VFS_RING_H
#define _SAMPLES_VFS_RING_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/io_uring.h>

struct ring {
	int fd;
	unsigned int prepared;	/* entries that are not submitted yet */
	unsigned int sq_mask, cq_mask;
	unsigned int *sq_tail, *cq_head, *cq_tail;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static inline void *ring_map(const struct ring *ring, size_t size, off_t offset)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    ring->fd, offset);
}

/* Set up a ring. Closing its descriptor, or the end of the process, frees it. */
static inline int ring_init(struct ring *ring, unsigned int entries,
			    unsigned int flags)
{
	/* An error of one request does not stop the submission of the others. */
	struct io_uring_params p = {
		.flags = flags | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_NO_SQARRAY,
	};
	char *rings;

	*ring = (struct ring) { .fd = syscall(__NR_io_uring_setup, entries, &p) };
	if (ring->fd < 0)
		return -errno;
	rings = ring_map(ring, p.cq_off.cqes + p.cq_entries * sizeof(*ring->cqes),
			 IORING_OFF_SQ_RING);
	ring->sqes = ring_map(ring, p.sq_entries * sizeof(*ring->sqes),
			      IORING_OFF_SQES);
	if (rings == MAP_FAILED || ring->sqes == MAP_FAILED)
		return -errno;
	ring->sq_mask = p.sq_entries - 1;
	ring->cq_mask = p.cq_entries - 1;
	ring->sq_tail = (unsigned int *)(rings + p.sq_off.tail);
	ring->cq_head = (unsigned int *)(rings + p.cq_off.head);
	ring->cq_tail = (unsigned int *)(rings + p.cq_off.tail);
	ring->cqes = (struct io_uring_cqe *)(rings + p.cq_off.cqes);
	return 0;
}

static inline int ring_register(const struct ring *ring, unsigned int opcode,
				void *arg, unsigned int nr)
{
	if (syscall(__NR_io_uring_register, ring->fd, opcode, arg, nr) < 0)
		return -errno;
	return 0;
}

/*
 * Returns true if the number of an operation is supported. A kernel that the
 * header does not belong to may have another operation with that number.
 */
static inline bool ring_has_op(const struct ring *ring, unsigned int op)
{
	const size_t nr = 256;
	struct io_uring_probe *probe;
	bool supported;

	probe = calloc(1, sizeof(*probe) + nr * sizeof(probe->ops[0]));
	supported = probe &&
		    !ring_register(ring, IORING_REGISTER_PROBE, probe, nr) &&
		    op <= probe->last_op &&
		    probe->ops[op].flags & IO_URING_OP_SUPPORTED;
	free(probe);
	return supported;
}

/* Register a file table with empty slots, for direct descriptors. */
static inline int ring_add_slots(const struct ring *ring, unsigned int nr)
{
	struct io_uring_rsrc_register reg = {
		.nr = nr,
		.flags = IORING_RSRC_REGISTER_SPARSE,
	};

	return ring_register(ring, IORING_REGISTER_FILES2, &reg, sizeof(reg));
}

/* Prepare a request. The caller must not exceed the size of the queue. */
static inline struct io_uring_sqe *ring_sqe(struct ring *ring, int opcode,
					    __u64 user_data)
{
	unsigned int i = *ring->sq_tail + ring->prepared++;
	struct io_uring_sqe *sqe = &ring->sqes[i & ring->sq_mask];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->user_data = user_data;
	return sqe;
}

/* Submit the prepared requests. With IORING_ENTER_GETEVENTS, wait for @wait. */
static inline int ring_enter(struct ring *ring, unsigned int wait,
			     unsigned int flags)
{
	unsigned int nr = ring->prepared;
	long ret;

	__atomic_store_n(ring->sq_tail, *ring->sq_tail + nr, __ATOMIC_RELEASE);
	ring->prepared = 0;
	ret = syscall(__NR_io_uring_enter, ring->fd, nr, wait, flags, NULL, 0);
	if (ret < 0)
		return -errno;
	return ret == (long)nr ? 0 : -EPROTO;
}

/* Take the oldest completion. Returns false if there is none. */
static inline bool ring_reap(struct ring *ring, struct io_uring_cqe *cqe)
{
	unsigned int head = *ring->cq_head;

	if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	*cqe = ring->cqes[head & ring->cq_mask];
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

#endif /* _SAMPLES_VFS_RING_H */
