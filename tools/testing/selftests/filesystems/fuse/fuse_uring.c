// SPDX-License-Identifier: GPL-2.0
/*
 * The server side of FUSE over io_uring. One ring has an entry for each queue of the
 * kernel, which are as many as there are processors.
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/uio.h>

#include "fuse_requests.h"
#include "fuse_uring.h"

#define QUEUES_MAX	64
#define PAYLOAD_SIZE	0x100000
#define PARAMETER	"/sys/module/fuse/parameters/enable_uring"

/* struct io_uring_sqe with IORING_SETUP_SQE128 */
struct sqe128 {
	struct io_uring_sqe sqe;
	unsigned char command[64];
};

struct queue_entry {
	struct fuse_uring_req_header header;
	struct iovec iov[2];
	/* The arguments, which the kernel splits between header and payload */
	unsigned char args[FUSE_URING_OP_IN_OUT_SZ + 65536];
};

struct fuse_ring {
	int fd;
	void *sq;
	size_t sq_size;
	void *cq;
	size_t cq_size;
	size_t sqes_size;
	unsigned int *sq_head;
	unsigned int *sq_tail;
	unsigned int *sq_array;
	unsigned int sq_mask;
	struct sqe128 *sqes;
	unsigned int *cq_head;
	unsigned int *cq_tail;
	unsigned int cq_mask;
	struct io_uring_cqe *cqes;
	unsigned int nr_queues;
	struct queue_entry *entries;
	struct queue_entry *current;
	unsigned long served;
};

const char *fuse_uring_missing(void)
{
	if (access(PARAMETER, W_OK))
		return "needs CONFIG_FUSE_IO_URING";
	if (write_string(PARAMETER, "1"))
		return "needs permission to enable FUSE over io_uring";
	return NULL;
}

static void *map(struct fuse_ring *ring, size_t size, off_t offset)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    ring->fd, offset);
}

static int setup_ring(struct fuse_ring *ring)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 };

	ring->fd = syscall(__NR_io_uring_setup, 2 * QUEUES_MAX, &p);
	if (ring->fd < 0)
		return -errno;
	ring->sq_size = p.sq_off.array + p.sq_entries * sizeof(__u32);
	ring->cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	ring->sqes_size = p.sq_entries * sizeof(struct sqe128);
	ring->sq = map(ring, ring->sq_size, IORING_OFF_SQ_RING);
	ring->cq = map(ring, ring->cq_size, IORING_OFF_CQ_RING);
	ring->sqes = map(ring, ring->sqes_size, IORING_OFF_SQES);
	if (ring->sq == MAP_FAILED || ring->cq == MAP_FAILED ||
	    ring->sqes == MAP_FAILED)
		return -errno;
	ring->sq_head = ring->sq + p.sq_off.head;
	ring->sq_tail = ring->sq + p.sq_off.tail;
	ring->sq_array = ring->sq + p.sq_off.array;
	ring->sq_mask = p.sq_entries - 1;
	ring->cq_head = ring->cq + p.cq_off.head;
	ring->cq_tail = ring->cq + p.cq_off.tail;
	ring->cq_mask = p.cq_entries - 1;
	ring->cqes = ring->cq + p.cq_off.cqes;
	return 0;
}

/* The commands of a ring keep /dev/fuse open, and a mapping keeps the ring. */
static void close_ring(struct fuse_ring *ring)
{
	if (ring->fd < 0)
		return;
	munmap(ring->sq, ring->sq_size);
	munmap(ring->cq, ring->cq_size);
	munmap(ring->sqes, ring->sqes_size);
	close(ring->fd);
}

/* Submits a command for a queue. */
static int submit(struct fuse_ring *ring, int fd, unsigned int op,
		  unsigned int qid, __u64 commit_id)
{
	struct fuse_uring_cmd_req request = { .qid = qid, .commit_id = commit_id };
	unsigned int tail = *ring->sq_tail, index = tail & ring->sq_mask;
	struct io_uring_sqe *sqe = &ring->sqes[index].sqe;

	memset(sqe, 0, sizeof(struct sqe128));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = op;
	sqe->user_data = qid;
	if (op == FUSE_IO_URING_CMD_REGISTER) {
		sqe->addr = (uintptr_t)ring->entries[qid].iov;
		sqe->len = 2;
	}
	memcpy(sqe->cmd, &request, sizeof(request));
	ring->sq_array[index] = index;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	return syscall(__NR_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0) == 1 ? 0 :
									-errno;
}

static int register_queues(struct fuse_ring *ring, int fd)
{
	unsigned int i;
	int err;

	ring->nr_queues = sysconf(_SC_NPROCESSORS_CONF);
	if (ring->nr_queues > QUEUES_MAX)
		return -E2BIG;
	ring->entries = calloc(ring->nr_queues, sizeof(*ring->entries));
	if (!ring->entries)
		return -ENOMEM;
	for (i = 0; i < ring->nr_queues; i++) {
		struct queue_entry *entry = &ring->entries[i];

		entry->iov[0].iov_base = &entry->header;
		entry->iov[0].iov_len = sizeof(entry->header);
		entry->iov[1].iov_base = malloc(PAYLOAD_SIZE);
		entry->iov[1].iov_len = PAYLOAD_SIZE;
		if (!entry->iov[1].iov_base)
			return -ENOMEM;
		err = submit(ring, fd, FUSE_IO_URING_CMD_REGISTER, i, 0);
		if (err)
			return err;
	}
	return 0;
}

/* Stores the reply in the entry. It is sent with the command for the next request. */
static bool reply_in_entry(struct server *s, const struct request *r, int error,
			   const struct message *m)
{
	struct queue_entry *entry = ((struct fuse_ring *)s->ring)->current;
	struct fuse_out_header out = {
		.len = sizeof(out) + (error ? 0 : m->len),
		.error = error,
		.unique = r->in.unique,
	};

	memcpy(entry->header.in_out, &out, sizeof(out));
	entry->header.ring_ent_in_out.payload_sz = error ? 0 : m->len;
	if (!error)
		memcpy(entry->iov[1].iov_base, m->data, m->len);
	return true;
}

static void serve_entry(struct server *s, struct fuse_ring *ring,
			unsigned int qid)
{
	struct queue_entry *entry = &ring->entries[qid];
	size_t payload = entry->header.ring_ent_in_out.payload_sz, op;
	__u64 commit_id = entry->header.ring_ent_in_out.commit_id;
	struct request r;

	memcpy(&r.in, entry->header.in_out, sizeof(r.in));
	op = r.in.len - sizeof(r.in) - payload;
	if (op > FUSE_URING_OP_IN_OUT_SZ || payload > 65536) {
		s->violations++;
		return;
	}
	memcpy(entry->args, entry->header.op_in, op);
	memcpy(entry->args + op, entry->iov[1].iov_base, payload);
	r.args = entry->args;
	r.args_len = op + payload - r.in.total_extlen * 8;
	ring->current = entry;
	ring->served++;
	s->reply = reply_in_entry;
	handle_request(s, &r);
	s->reply = NULL;
	if (submit(ring, s->fd, FUSE_IO_URING_CMD_COMMIT_AND_FETCH, qid, commit_id))
		s->violations++;
}

static void serve_completions(struct server *s, struct fuse_ring *ring)
{
	unsigned int head = *ring->cq_head;

	while (head != __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE)) {
		struct io_uring_cqe cqe = ring->cqes[head & ring->cq_mask];

		__atomic_store_n(ring->cq_head, ++head, __ATOMIC_RELEASE);
		/* The entry is gone if the connection is. */
		if (!cqe.res)
			serve_entry(s, ring, cqe.user_data);
	}
}

void serve_through_ring(struct server *s)
{
	struct fuse_ring ring = { .fd = -1 };
	struct pollfd fds[2] = {
		{ .fd = s->fd, .events = POLLIN }, { .events = POLLIN },
	};
	unsigned int i;

	s->ring = &ring;
	/* The kernel accepts the entries after FUSE_INIT. */
	while (!s->stop && !s->init_done && serve_request(s, 50))
		;
	if (!s->stop && (setup_ring(&ring) || register_queues(&ring, s->fd)))
		s->violations++;
	fds[1].fd = ring.fd;
	while (!__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST)) {
		if (poll(fds, 2, 50) <= 0)
			continue;
		if (fds[1].revents)
			serve_completions(s, &ring);
		if (fds[0].revents && !serve_request(s, 0))
			break;
	}
	s->through_ring += ring.served;
	/* The kernel uses the entries until the ring is gone. */
	close(s->fd);
	close_ring(&ring);
	for (i = 0; i < ring.nr_queues; i++)
		free(ring.entries[i].iov[1].iov_base);
	free(ring.entries);
}
