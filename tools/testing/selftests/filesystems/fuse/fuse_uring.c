// SPDX-License-Identifier: GPL-2.0
/*
 * The server side of FUSE over io_uring. One ring has an entry for each queue of the
 * kernel, which are as many as there are processors. The payload of an entry is its own
 * buffer, or a part of the buffer pool of the queue.
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

/* In &io_uring_sqe.user_data, together with the number of the queue */
#define SETS_UP		0x10000U	/* a command that sets up the queue */
#define MOVES_DATA	0x20000U	/* a read of the data of a reply with zero copy */

/* struct io_uring_sqe with IORING_SETUP_SQE128 */
struct sqe128 {
	struct io_uring_sqe sqe;
	unsigned char command[64];
};

struct queue_entry {
	struct fuse_uring_req_header header;
	struct iovec iov[2];
	unsigned char *payload;
	__u64 commit_id;
	unsigned int to_move;		/* bytes in the pipe */
	/* The arguments, which the kernel splits between header and payload */
	unsigned char args[FUSE_URING_OP_IN_OUT_SZ + 65536];
};

struct fuse_ring {
	int fd;
	int pipe[2];			/* for the data of replies */
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

/* Lets the kernel register the data of a request as the buffer of each queue. */
static int setup_zero_copy(struct fuse_ring *ring)
{
	struct io_uring_rsrc_register buffers = {
		.nr = QUEUES_MAX,
		.flags = IORING_RSRC_REGISTER_SPARSE,
	};

	if (syscall(__NR_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS2,
		    &buffers, sizeof(buffers)))
		return -errno;
	return pipe2(ring->pipe, O_CLOEXEC) ? -errno : 0;
}

/* The commands of a ring keep /dev/fuse open, and a mapping keeps the ring. */
static void close_ring(struct fuse_ring *ring)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (ring->pipe[i] >= 0)
			close(ring->pipe[i]);
	}
	if (ring->fd < 0)
		return;
	munmap(ring->sq, ring->sq_size);
	munmap(ring->cq, ring->cq_size);
	munmap(ring->sqes, ring->sqes_size);
	close(ring->fd);
}

/* Returns the next entry of the submission queue. */
static struct io_uring_sqe *next_sqe(struct fuse_ring *ring)
{
	unsigned int index = *ring->sq_tail & ring->sq_mask;

	ring->sq_array[index] = index;
	return memset(&ring->sqes[index], 0, sizeof(struct sqe128));
}

static int submit_sqe(struct fuse_ring *ring)
{
	__atomic_store_n(ring->sq_tail, *ring->sq_tail + 1, __ATOMIC_RELEASE);
	return syscall(__NR_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0) == 1 ? 0 :
									-errno;
}

/* Submits a command for a queue. */
static int submit(struct fuse_ring *ring, int fd, unsigned int op,
		  const struct fuse_uring_cmd_req *request)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = op;
	sqe->user_data = request->qid;
	if (op == FUSE_IO_URING_CMD_ADD_QUEUE || op == FUSE_IO_URING_CMD_ADD_BUFPOOL)
		sqe->user_data |= SETS_UP;
	if (op == FUSE_IO_URING_CMD_REGISTER) {
		sqe->addr = (uintptr_t)ring->entries[request->qid].iov;
		sqe->len = 2;
	}
	memcpy(sqe->cmd, request, sizeof(*request));
	return submit_sqe(ring);
}

/* Sends the reply in an entry, and waits for the next request. */
static int commit(struct fuse_ring *ring, int fd, unsigned int qid)
{
	struct fuse_uring_cmd_req request = {
		.qid = qid,
		.commit_id = ring->entries[qid].commit_id,
	};

	return submit(ring, fd, FUSE_IO_URING_CMD_COMMIT_AND_FETCH, &request);
}

/* Moves the data of a reply from the pipe to the memory of the reader. */
static int move_data(struct fuse_ring *ring, unsigned int qid)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	sqe->opcode = IORING_OP_READ_FIXED;
	sqe->fd = ring->pipe[0];
	sqe->len = ring->entries[qid].to_move;
	sqe->buf_index = qid;
	sqe->user_data = qid | MOVES_DATA;
	return submit_sqe(ring);
}

static int add_pool(struct server *s, struct fuse_ring *ring, unsigned int qid)
{
	struct fuse_uring_cmd_req request = {
		.qid = qid,
		.flags = s->zero_copy ? FUSE_URING_ZERO_COPY : 0,
	};
	int err;

	err = submit(ring, s->fd, FUSE_IO_URING_CMD_ADD_QUEUE, &request);
	if (err)
		return err;
	request.flags = 0;
	request.bufpool.uaddr = (uintptr_t)ring->entries[qid].payload;
	request.bufpool.len = PAYLOAD_SIZE;
	return submit(ring, s->fd, FUSE_IO_URING_CMD_ADD_BUFPOOL, &request);
}

static int register_queue(struct server *s, struct fuse_ring *ring,
			  unsigned int qid)
{
	struct queue_entry *entry = &ring->entries[qid];
	struct fuse_uring_cmd_req request = { .qid = qid };
	int err;

	entry->payload = malloc(PAYLOAD_SIZE);
	if (!entry->payload)
		return -ENOMEM;
	entry->iov[0].iov_base = &entry->header;
	entry->iov[0].iov_len = sizeof(entry->header);
	if (s->ring_pool) {
		err = add_pool(s, ring, qid);
		if (err)
			return err;
		if (s->zero_copy)
			request.ent_zero_copy_buf_index = qid;
	} else {
		entry->iov[1].iov_base = entry->payload;
		entry->iov[1].iov_len = PAYLOAD_SIZE;
	}
	return submit(ring, s->fd, FUSE_IO_URING_CMD_REGISTER, &request);
}

static int register_queues(struct server *s, struct fuse_ring *ring)
{
	unsigned int i;
	int err;

	ring->nr_queues = sysconf(_SC_NPROCESSORS_CONF);
	if (ring->nr_queues > QUEUES_MAX)
		return -E2BIG;
	ring->entries = calloc(ring->nr_queues, sizeof(*ring->entries));
	if (!ring->entries)
		return -ENOMEM;
	err = s->zero_copy ? setup_zero_copy(ring) : 0;
	for (i = 0; !err && i < ring->nr_queues; i++)
		err = register_queue(s, ring, i);
	return err;
}

/*
 * Stores the reply in the entry. It is sent with the command for the next request. Data
 * that is not copied is stored in the pipe.
 */
static bool reply_in_entry(struct server *s, const struct request *r, int error,
			   const struct message *m)
{
	struct fuse_ring *ring = s->ring;
	struct queue_entry *entry = ring->current;
	struct fuse_uring_ent_in_out *ent = &entry->header.ring_ent_in_out;
	struct fuse_out_header out = {
		.len = sizeof(out) + (error ? 0 : m->len),
		.error = error,
		.unique = r->in.unique,
	};

	memcpy(entry->header.in_out, &out, sizeof(out));
	ent->payload_sz = error ? 0 : m->len;
	if (!ent->payload_sz)
		return true;
	if (r->in.opcode != FUSE_READ || !(ent->flags & FUSE_URING_ENT_ZERO_COPY)) {
		memcpy(entry->payload + ent->offset, m->data, m->len);
	} else if (write(ring->pipe[1], m->data, m->len) == (ssize_t)m->len) {
		entry->to_move = m->len;
		s->zero_copied++;
	} else {
		ent->payload_sz = 0;
		s->violations++;
	}
	return true;
}

/* Returns the bytes of the payload that are not in the buffer. */
static size_t zero_copied_bytes(const struct queue_entry *entry,
				const struct request *r)
{
	struct fuse_write_in in;

	if (r->in.opcode != FUSE_WRITE ||
	    !(entry->header.ring_ent_in_out.flags & FUSE_URING_ENT_ZERO_COPY))
		return 0;
	memcpy(&in, entry->header.op_in, sizeof(in));
	return in.size;
}

static void serve_entry(struct server *s, struct fuse_ring *ring,
			unsigned int qid)
{
	struct queue_entry *entry = &ring->entries[qid];
	size_t payload = entry->header.ring_ent_in_out.payload_sz, op;
	size_t offset = entry->header.ring_ent_in_out.offset, skipped;
	struct request r;

	memcpy(&r.in, entry->header.in_out, sizeof(r.in));
	op = r.in.len - sizeof(r.in) - payload;
	skipped = zero_copied_bytes(entry, &r);
	if (op > FUSE_URING_OP_IN_OUT_SZ || payload > 65536 || skipped > payload ||
	    offset > PAYLOAD_SIZE - 65536) {
		s->violations++;
		return;
	}
	memcpy(entry->args, entry->header.op_in, op);
	memset(entry->args + op, 0, skipped);
	memcpy(entry->args + op + skipped, entry->payload + offset, payload - skipped);
	r.args = entry->args;
	r.args_len = op + payload - r.in.total_extlen * 8;
	entry->commit_id = entry->header.ring_ent_in_out.commit_id;
	entry->to_move = 0;
	ring->current = entry;
	ring->served++;
	s->reply = reply_in_entry;
	handle_request(s, &r);
	s->reply = NULL;
	if (entry->to_move ? move_data(ring, qid) : commit(ring, s->fd, qid))
		s->violations++;
}

static void serve_completion(struct server *s, struct fuse_ring *ring,
			     const struct io_uring_cqe *cqe)
{
	unsigned int qid = cqe->user_data & (SETS_UP - 1);

	if (cqe->user_data & SETS_UP) {
		s->violations += cqe->res != 0;
	} else if (cqe->user_data & MOVES_DATA) {
		s->violations += cqe->res != (int)ring->entries[qid].to_move;
		s->violations += commit(ring, s->fd, qid) != 0;
	} else if (!cqe->res) {
		/* The entry is gone if the connection is. */
		serve_entry(s, ring, qid);
	}
}

static void serve_completions(struct server *s, struct fuse_ring *ring)
{
	unsigned int head = *ring->cq_head;

	while (head != __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE)) {
		struct io_uring_cqe cqe = ring->cqes[head & ring->cq_mask];

		__atomic_store_n(ring->cq_head, ++head, __ATOMIC_RELEASE);
		serve_completion(s, ring, &cqe);
	}
}

void serve_through_ring(struct server *s)
{
	struct fuse_ring ring = { .fd = -1, .pipe = { -1, -1 } };
	struct pollfd fds[2] = {
		{ .fd = s->fd, .events = POLLIN }, { .events = POLLIN },
	};
	unsigned int i;

	s->ring = &ring;
	/* The kernel accepts the entries after FUSE_INIT. */
	while (!s->stop && !s->init_done && serve_request(s, 50))
		;
	if (!s->stop && (setup_ring(&ring) || register_queues(s, &ring)))
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
		free(ring.entries[i].payload);
	free(ring.entries);
}
