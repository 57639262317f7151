// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "ring.h"

const unsigned int handle_opcodes[2] = {
	IORING_OP_NAME_TO_HANDLE_AT, IORING_OP_OPEN_BY_HANDLE_AT,
};

const unsigned int request_flags[2] = { 0, IOSQE_ASYNC };

struct handle output;
__u64 output_id;

static void *ring_map(const struct ring *ring, size_t size, off_t what)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, ring->fd, what);

	return mem == MAP_FAILED ? NULL : mem;
}

void ring_exit(struct ring *ring)
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

static int ring_map_all(struct ring *ring, const struct io_uring_params *p)
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

int ring_init_with(struct ring *ring, unsigned int entries,
		   unsigned int cq_entries, unsigned int flags,
		   int (*setup)(unsigned int entries, struct io_uring_params *p))
{
	struct io_uring_params p = {
		.flags		= flags | IORING_SETUP_NO_SQARRAY,
		.cq_entries	= cq_entries,
	};
	int ret;

	if (cq_entries)
		p.flags |= IORING_SETUP_CQSIZE;
	memset(ring, 0, sizeof(*ring));
	ring->fd = setup(entries, &p);
	if (ring->fd < 0)
		return ring->fd;
	ring->flags = p.flags;
	ring->sq_entries = p.sq_entries;
	ring->cq_entries = p.cq_entries;
	ret = ring_map_all(ring, &p);
	if (ret)
		ring_exit(ring);
	return ret;
}

static int io_uring_setup_call(unsigned int entries, struct io_uring_params *p)
{
	int ret = syscall(__NR_io_uring_setup, entries, p);

	return ret < 0 ? -errno : ret;
}

int ring_init_sized(struct ring *ring, unsigned int entries,
		    unsigned int cq_entries, unsigned int flags)
{
	return ring_init_with(ring, entries, cq_entries, flags,
			      io_uring_setup_call);
}

int ring_init(struct ring *ring, unsigned int flags)
{
	return ring_init_sized(ring, 64, 0, flags);
}

int ring_register(const struct ring *ring, unsigned int opcode, const void *arg,
		  unsigned int nr)
{
	int ret = syscall(__NR_io_uring_register, ring->fd, opcode, arg, nr);

	return ret < 0 ? -errno : ret;
}

int ring_enter(const struct ring *ring, unsigned int submit, unsigned int wait,
	       unsigned int flags)
{
	int ret;

	do {
		ret = syscall(__NR_io_uring_enter, ring->fd, submit, wait,
			      flags, NULL, 0);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

struct io_uring_sqe *ring_sqe(struct ring *ring)
{
	struct io_uring_sqe *sqe;

	sqe = &ring->sqes[ring->tail++ & (ring->sq_entries - 1)];
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

int ring_submit(struct ring *ring)
{
	const unsigned int nr = ring->tail - *ring->sq_tail;

	__atomic_store_n(ring->sq_tail, ring->tail, __ATOMIC_RELEASE);
	/* A call that had no memory has left requests in the queue. */
	if (!(ring->flags & IORING_SETUP_SQPOLL))
		return ring_enter(ring, ring->tail - *ring->sq_head, 0, 0);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) &
	    IORING_SQ_NEED_WAKEUP)
		ring_enter(ring, 0, 0, IORING_ENTER_SQ_WAKEUP);
	return nr;
}

unsigned int ring_ready(const struct ring *ring)
{
	return __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) -
	       *ring->cq_head;
}

int ring_wait(struct ring *ring, struct io_uring_cqe *cqe)
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

int ring_result(struct ring *ring)
{
	struct io_uring_cqe cqe;

	return ring_wait(ring, &cqe) ? RING_BROKEN : cqe.res;
}

int ring_run(struct ring *ring)
{
	return ring_submit(ring) == 1 ? ring_result(ring) : RING_BROKEN;
}

bool ring_results(struct ring *ring, int *results, unsigned int nr)
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

void sqe_name(struct io_uring_sqe *sqe, int dfd, const char *path,
	      const void *fh, const void *mnt_id, unsigned int flags)
{
	sqe->opcode = IORING_OP_NAME_TO_HANDLE_AT;
	sqe->fd = dfd;
	sqe->addr = ptr_to_u64(path);
	sqe->addr2 = ptr_to_u64(fh);
	sqe->addr3 = ptr_to_u64(mnt_id);
	sqe->name_to_handle_flags = flags;
}

void sqe_open(struct io_uring_sqe *sqe, int dfd, const void *fh,
	      unsigned int flags)
{
	sqe->opcode = IORING_OP_OPEN_BY_HANDLE_AT;
	sqe->fd = dfd;
	sqe->addr = ptr_to_u64(fh);
	sqe->open_flags = flags;
}

void sqe_openat(struct io_uring_sqe *sqe, int dfd, const char *path,
		unsigned int flags)
{
	sqe->opcode = IORING_OP_OPENAT;
	sqe->fd = dfd;
	sqe->addr = ptr_to_u64(path);
	sqe->open_flags = flags;
}

int ring_open(struct ring *ring, int dfd, const void *fh, unsigned int flags,
	      unsigned int sqe_flags)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe_open(sqe, dfd, fh, flags);
	sqe->flags = sqe_flags;
	return ring_run(ring);
}

int ring_open_direct(struct ring *ring, int dfd, const void *fh,
		     unsigned int flags, unsigned int sqe_flags,
		     unsigned int index)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe_open(sqe, dfd, fh, flags);
	sqe->flags = sqe_flags;
	sqe->file_index = index;
	return ring_run(ring);
}

int ring_openat(struct ring *ring, const char *path, unsigned int flags,
		unsigned int index)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe_openat(sqe, AT_FDCWD, path, flags);
	sqe->file_index = index;
	return ring_run(ring);
}

int ring_install(struct ring *ring, unsigned int slot)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe->opcode = IORING_OP_FIXED_FD_INSTALL;
	sqe->fd = slot;
	sqe->flags = IOSQE_FIXED_FILE;
	return ring_run(ring);
}

void sqe_close_direct(struct io_uring_sqe *sqe, unsigned int index)
{
	sqe->opcode = IORING_OP_CLOSE;
	sqe->file_index = index;
}

int ring_close_direct(struct ring *ring, unsigned int index)
{
	sqe_close_direct(ring_sqe(ring), index);
	return ring_run(ring);
}

bool ring_holds(struct ring *ring, unsigned int slot, int fd)
{
	int installed = ring_install(ring, slot);
	bool ret = installed >= 0 && same_file(installed, fd);

	close_result(installed);
	return ret;
}

int ring_make_table(const struct ring *ring, unsigned int nr)
{
	struct io_uring_rsrc_register reg = {
		.nr	= nr,
		.flags	= IORING_RSRC_REGISTER_SPARSE,
	};

	return ring_register(ring, IORING_REGISTER_FILES2, &reg, sizeof(reg));
}

int ring_one_worker(const struct ring *ring)
{
	__u32 max[2] = { 1, 1 };

	return ring_register(ring, IORING_REGISTER_IOWQ_MAX_WORKERS, max, 2);
}

static enum probed ring_probe_op(const struct ring *ring, unsigned int opcode)
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

enum probed probe_op(unsigned int opcode)
{
	enum probed ret;
	struct ring ring;

	if (ring_init(&ring, 0))
		return PROBED_NO_RING;
	ret = ring_probe_op(&ring, opcode);
	ring_exit(&ring);
	return ret;
}

const char *missing(void)
{
	enum probed name = probe_op(IORING_OP_NAME_TO_HANDLE_AT);
	enum probed open = probe_op(IORING_OP_OPEN_BY_HANDLE_AT);

	if (name == PROBED_NO_RING || open == PROBED_NO_RING)
		return "needs CONFIG_IO_URING and permission to use io_uring";
	if (name != PROBED_SUPPORTED || open != PROBED_SUPPORTED)
		return "needs IORING_OP_OPEN_BY_HANDLE_AT (CONFIG_IO_URING_HANDLE=y)";
	return NULL;
}

const char *missing_as_root(void)
{
	return is_root() ? missing() : NEEDS_INITIAL_ROOT;
}

void sqe_good(struct io_uring_sqe *sqe, unsigned int opcode, int pidfd,
	      const struct handle *fh)
{
	if (opcode == IORING_OP_NAME_TO_HANDLE_AT) {
		output.bytes = HANDLE_MAX;
		sqe_name(sqe, pidfd, "", &output, &output_id,
			 AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE);
	} else {
		sqe_open(sqe, FD_PIDFS_ROOT, fh, O_CLOEXEC);
	}
}

int run_and_close(struct ring *ring, unsigned int opcode)
{
	int ret = ring_run(ring);

	return opcode == IORING_OP_NAME_TO_HANDLE_AT ? ret : close_result(ret);
}

int run_good(struct ring *ring, unsigned int opcode, int pidfd,
	     const struct handle *fh, unsigned int flags)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);

	sqe_good(sqe, opcode, pidfd, fh);
	sqe->flags = flags;
	return run_and_close(ring, opcode);
}

int ring_name(struct ring *ring, const char *path)
{
	output.bytes = HANDLE_MAX;
	sqe_name(ring_sqe(ring), AT_FDCWD, path, &output, &output_id,
		 AT_HANDLE_MNT_ID_UNIQUE);
	return ring_run(ring);
}

struct io_uring_sqe *gate_close(struct gate *gate, struct ring *ring,
				const char *path)
{
	struct io_uring_sqe *sqe;

	gate->path = path;
	gate->fd = -1;
	/* The test may open it after it has changed its credentials. */
	if (mkfifo(path, 0600) || chmod(path, 0666))
		return NULL;
	sqe = ring_sqe(ring);
	sqe_openat(sqe, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	sqe->flags = IOSQE_ASYNC;
	return sqe;
}

int gate_open(struct gate *gate)
{
	gate->fd = open(gate->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return gate->fd < 0 ? -errno : 0;
}

void gate_remove(struct gate *gate, int result)
{
	if (result >= 0)
		close(result);
	close(gate->fd);
	unlink(gate->path);
}
