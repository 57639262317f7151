/* SPDX-License-Identifier: GPL-2.0 */
/* io_uring without a library, and its two requests for file handles. */
#ifndef __SELFTEST_FILE_HANDLE_RING_H
#define __SELFTEST_FILE_HANDLE_RING_H

#include <linux/io_uring.h>

#include "file_handle.h"

/* Not a result of any request: the ring itself failed. */
#define RING_BROKEN	-EPROTO

struct ring {
	int fd;
	unsigned int flags;		/* IORING_SETUP_* */
	unsigned int tail;		/* of the prepared requests */
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
	void *rings;			/* one mapping for both queues */
	size_t rings_size;
};

int ring_init(struct ring *ring, unsigned int flags);

/* The completion queue gets @cq_entries, or the default number if 0. */
int ring_init_sized(struct ring *ring, unsigned int entries,
		    unsigned int cq_entries, unsigned int flags);

/* The same, with another function instead of io_uring_setup(2). */
int ring_init_with(struct ring *ring, unsigned int entries,
		   unsigned int cq_entries, unsigned int flags,
		   int (*setup)(unsigned int entries, struct io_uring_params *p));

void ring_exit(struct ring *ring);
int ring_register(const struct ring *ring, unsigned int opcode, const void *arg,
		  unsigned int nr);
int ring_enter(const struct ring *ring, unsigned int submit, unsigned int wait,
	       unsigned int flags);

/* Returns the next free entry, zeroed. The caller must not overfill the queue. */
struct io_uring_sqe *ring_sqe(struct ring *ring);

/*
 * Submits all prepared requests. Returns their number or a negative errno. The
 * kernel has read them, except with IORING_SETUP_SQPOLL.
 */
int ring_submit(struct ring *ring);

/* Returns the number of completions that can be read without waiting. */
unsigned int ring_ready(const struct ring *ring);

/* Removes the oldest completion, and waits for one if there is none. */
int ring_wait(struct ring *ring, struct io_uring_cqe *cqe);

/* Returns the result of the oldest completion. */
int ring_result(struct ring *ring);

/* Submits the one prepared request, and returns its result. */
int ring_run(struct ring *ring);

/*
 * Waits for @nr requests with the user data 0 to @nr - 1. Returns false if the
 * completions are not exactly those.
 */
bool ring_results(struct ring *ring, int *results, unsigned int nr);

void sqe_name(struct io_uring_sqe *sqe, int dfd, const char *path,
	      const void *fh, const void *mnt_id, unsigned int flags);
void sqe_open(struct io_uring_sqe *sqe, int dfd, const void *fh,
	      unsigned int flags);
void sqe_openat(struct io_uring_sqe *sqe, int dfd, const char *path,
		unsigned int flags);

int ring_open(struct ring *ring, int dfd, const void *fh, unsigned int flags,
	      unsigned int sqe_flags);

/* @index is IORING_FILE_INDEX_ALLOC, or a slot plus 1. */
int ring_open_direct(struct ring *ring, int dfd, const void *fh,
		     unsigned int flags, unsigned int sqe_flags,
		     unsigned int index);

int ring_openat(struct ring *ring, const char *path, unsigned int flags,
		unsigned int index);

/* Returns a new descriptor of the file in @slot. */
int ring_install(struct ring *ring, unsigned int slot);

void sqe_close_direct(struct io_uring_sqe *sqe, unsigned int index);
int ring_close_direct(struct ring *ring, unsigned int index);

/* Returns true if @slot holds the same file as @fd. */
bool ring_holds(struct ring *ring, unsigned int slot, int fd);

/* Registers a table of @nr empty slots for direct descriptors. */
int ring_make_table(const struct ring *ring, unsigned int nr);

/* Limits the ring to one worker of each kind. */
int ring_one_worker(const struct ring *ring);

/*
 * Requests of both kinds
 */

extern const unsigned int handle_opcodes[2];

/* Inline execution if possible, and execution in a worker. */
extern const unsigned int request_flags[2];

/* Output of requests whose handle does not matter. */
extern struct handle output;
extern __u64 output_id;

/* A request that succeeds: names @pidfd, or opens its handle @fh. */
void sqe_good(struct io_uring_sqe *sqe, unsigned int opcode, int pidfd,
	      const struct handle *fh);
int run_good(struct ring *ring, unsigned int opcode, int pidfd,
	     const struct handle *fh, unsigned int flags);

/* Submits the prepared request. Returns 0 if it succeeds, and closes its file. */
int run_and_close(struct ring *ring, unsigned int opcode);

/* Encodes a handle of the file at @path. */
int ring_name(struct ring *ring, const char *path);

enum probed {
	PROBED_NO_RING,		/* no io_uring, or not permitted */
	PROBED_UNKNOWN,		/* the kernel does not know the opcode */
	PROBED_UNSUPPORTED,	/* the kernel was built without it */
	PROBED_SUPPORTED,
};

enum probed probe_op(unsigned int opcode);

/* Probes. Each returns the reason to skip a fixture, or NULL. */
const char *missing(void);
const char *missing_as_root(void);

/*
 * Keeps the only worker of a ring busy: it opens a FIFO, and waits until the
 * test opens the other end. The result of that request does not matter.
 */
struct gate {
	const char *path;
	int fd;
};

/* Prepares the request that will wait, and returns it, or NULL on failure. */
struct io_uring_sqe *gate_close(struct gate *gate, struct ring *ring,
				const char *path);

/* Lets that request proceed, whether it has started or not. */
int gate_open(struct gate *gate);

/* Cleans up after all requests. @result is that of the request for the FIFO. */
void gate_remove(struct gate *gate, int result);

#endif /* __SELFTEST_FILE_HANDLE_RING_H */
