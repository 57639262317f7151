// SPDX-License-Identifier: GPL-2.0
/* Encodes and decodes the handles of objects that others destroy. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sys/resource.h>

#include "sample.h"
#include "torture.h"
#include "warm.h"
#include "../fuse/fuse_client.h"

#define ATTEMPTS	32	/* on one processor */
#define IN_FLIGHT	8	/* requests of a ring that is closed */

#define OPEN_DATA	1	/* user data of an open */
#define CANCEL_DATA	2	/* and of its cancellation */

/* The result of an object that is not the one of the handle */
#define WRONG_OBJECT	-EBADMSG

static int open_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_anchor(void)
{
	int dev = open_device(), anchor;

	if (dev < 0)
		return dev;
	anchor = make_anchor(dev);
	close(dev);
	return anchor;
}

/* Returns a descriptor of the mount, or a constant. */
static int open_mount(enum target_kind kind)
{
	switch (kind) {
	case TARGET_NS:
		return FD_NSFS_ROOT;
	case TARGET_TMPFS:
		return open_directory(TORTURE_TMPFS);
	case TARGET_SAMPLE:
		return open_anchor();
	case TARGET_FUSE:
		return open_directory(TORTURE_FUSE);
	default:
		return FD_PIDFS_ROOT;
	}
}

/* The mount is gone if open_mount() returns one of these. */
static bool is_error_of_mount(enum target_kind kind, int fd)
{
	return fd < 0 && kind >= TARGET_TMPFS;
}

/* Errors of objects that are gone or about to go */
static bool is_stale(enum target_kind kind, int error)
{
	switch (kind) {
	case TARGET_SAMPLE:
		/* The device does not exist, or its module is not live. */
		return error == -ESTALE || error == -ENOENT ||
		       error == -ENODEV || error == -ENXIO || error == -EBUSY;
	case TARGET_FUSE:
		return error == -ESTALE || error == -ENOTCONN ||
		       error == -ECONNABORTED;
	default:
		return error == -ESTALE;
	}
}

static int contains_handle(int fd, const struct handle *fh)
{
	unsigned char content[HANDLE_MAX];
	ssize_t len = pread(fd, content, sizeof(content), 0);

	if (len < 0)
		return -errno;
	return len == (ssize_t)fh->bytes && !memcmp(content, fh->data, len) ?
	       0 : WRONG_OBJECT;
}

/* Compares the open file with the handle, not by handles. */
static int examine_file(const struct target *target, int fd,
			const struct handle *fh)
{
	int ret;

	switch (target->kind) {
	case TARGET_NS:
		return is_named_by(fd, fh) ? 0 : WRONG_OBJECT;
	case TARGET_TMPFS:
	case TARGET_SAMPLE:
		return contains_handle(fd, fh);
	case TARGET_FUSE:
		ret = read_object(fd, NULL);
		if (ret < 0)
			return ret;
		return ret == (int)target->id ? 0 : WRONG_OBJECT;
	default:
		return pidfd_number(fd) == handle_number(fh) ? 0 : WRONG_OBJECT;
	}
}

static unsigned long voluntary_switches(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nvcsw;
}

/*
 * Completions of workers are not in the queue before the task waits for them, so
 * a request with a completion was executed by the submitter. It must not sleep.
 */
static int submit_inline(struct worker *w, struct ring *ring)
{
	unsigned long before = voluntary_switches();

	if (ring_submit(ring) != 1)
		return RING_BROKEN;
	if (ring_ready(ring)) {
		w->inlined++;
		w->slept += voluntary_switches() != before;
	}
	return ring_result(ring);
}

static int submit_and_cancel(struct ring *ring)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);
	struct io_uring_cqe cqe;
	int i, ret = RING_BROKEN;

	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->addr = OPEN_DATA;
	sqe->user_data = CANCEL_DATA;
	if (ring_submit(ring) != 2)
		return RING_BROKEN;
	for (i = 0; i < 2; i++) {
		if (ring_wait(ring, &cqe))
			return RING_BROKEN;
		if (cqe.user_data == OPEN_DATA)
			ret = cqe.res;
	}
	if (ret == -ECANCELED)
		hit(HIT_CANCEL);
	return ret;
}

static int open_handle(struct worker *w, struct ring *ring, enum open_way way,
		       const struct target *target, int dfd,
		       const struct handle *fh, unsigned int flags)
{
	struct io_uring_sqe *sqe;
	unsigned long before;
	int fd;

	if (way == WAY_CALL) {
		before = voluntary_switches();
		fd = decode(dfd, fh, flags);
		if (target->kind == TARGET_FUSE)
			w->waited += voluntary_switches() != before;
		return fd;
	}
	sqe = ring_sqe(ring);
	sqe_open(sqe, dfd, fh, flags);
	sqe->user_data = OPEN_DATA;
	if (way == WAY_INLINE)
		return submit_inline(w, ring);
	sqe->flags = IOSQE_ASYNC;
	return way == WAY_CANCEL ? submit_and_cancel(ring) : ring_run(ring);
}

/* The encoded handle must be the one that was decoded. */
static int examine_handle(struct ring *ring, enum open_way way, int fd,
			  const struct handle *fh)
{
	struct handle new = { .bytes = HANDLE_MAX };
	struct io_uring_sqe *sqe;
	__u64 mnt_id = 0;
	int ret;

	if (way == WAY_CALL) {
		ret = encode(fd, &new);
	} else {
		sqe = ring_sqe(ring);
		sqe_name(sqe, fd, "", &new, &mnt_id,
			 AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE);
		sqe->flags = way == WAY_INLINE ? 0 : IOSQE_ASYNC;
		ret = ring_run(ring);
	}
	if (ret)
		return ret;
	return same_handle(&new, fh) ? 0 : WRONG_OBJECT;
}

static unsigned int random_flags(struct worker *w, enum target_kind kind)
{
	unsigned int flags = O_RDONLY | O_CLOEXEC;

	if (kind == TARGET_THREAD)
		return flags | PIDFD_THREAD;
	/* The others do not open paths. */
	if ((kind == TARGET_TMPFS || kind == TARGET_FUSE) &&
	    random_number(&w->seed) % 4 == 0)
		flags |= O_PATH;
	return flags;
}

static int open_and_examine(struct worker *w, struct ring *ring, enum open_way way,
			    const struct target *target,
			    const struct handle *fh)
{
	unsigned int flags = random_flags(w, target->kind);
	int dfd = open_mount(target->kind), fd, ret = 0;

	if (is_error_of_mount(target->kind, dfd))
		return dfd;
	fd = open_handle(w, ring, way, target, dfd, fh, flags);
	if (dfd >= 0)
		close(dfd);
	if (fd < 0)
		return fd;
	if (!(flags & O_PATH))
		ret = examine_file(target, fd, fh);
	ret = ret ?: examine_handle(ring, way, fd, fh);
	close(fd);
	return ret;
}

static void blame(struct worker *w, enum fault what, enum open_way way,
		  enum target_kind kind, int error)
{
	w->faults[what].nr++;
	w->faults[what].error = error;
	w->faults[what].kind = kind;
	w->faults[what].way = way;
}

static void count_processor(struct worker *w)
{
	int cpu = sched_getcpu();
	unsigned int i;

	for (i = 0; i < torture->nr_cpus; i++)
		w->on_cpu[i] += torture->cpus[i] == cpu;
}

static void judge(struct worker *w, enum open_way way, enum target_kind kind,
		  const struct snapshot *before, const struct snapshot *after,
		  int ret)
{
	if (!ret) {
		w->opened[kind][way]++;
		count_processor(w);
		if (before->state == STATE_REAPED)
			blame(w, FAULT_UNDEAD, way, kind, ret);
	} else if (ret == WRONG_OBJECT) {
		blame(w, FAULT_WRONG, way, kind, ret);
	} else if (way == WAY_CANCEL && (ret == -ECANCELED || ret == -EINTR)) {
		return;
	} else if (!is_stale(kind, ret)) {
		blame(w, FAULT_UNEXPECTED, way, kind, ret);
	} else {
		w->stale[kind][way]++;
		if (was_alive(before, after))
			blame(w, FAULT_LOST, way, kind, ret);
	}
}

static struct target *random_target(struct worker *w)
{
	return &torture->targets[random_number(&w->seed) % TARGETS];
}

static void attempt(struct worker *w, struct ring *ring)
{
	enum open_way way = torture->has_ring ? random_number(&w->seed) % WAYS : WAY_CALL;
	struct target *target = random_target(w);
	struct snapshot before = slot_read(&target->slot), after;
	int ret;

	if (before.state == STATE_NONE)
		return;
	ret = open_and_examine(w, ring, way, target, &before.fh);
	after = slot_read(&target->slot);
	judge(w, way, target->kind, &before, &after, ret);
}

/* Exits with its requests in flight, and closes the ring before in half of the cases. */
static __noreturn void leave_in_flight(struct worker *w)
{
	struct handle fhs[IN_FLIGHT];
	struct ring ring;
	unsigned int i, nr;

	if (ring_init(&ring, 0))
		_exit(1);
	for (nr = i = 0; i < IN_FLIGHT; i++) {
		struct target *target = random_target(w);
		struct snapshot snap = slot_read(&target->slot);
		int dfd = open_mount(target->kind);
		struct io_uring_sqe *sqe;

		if (snap.state == STATE_NONE || is_error_of_mount(target->kind, dfd))
			continue;
		fhs[nr] = snap.fh;
		sqe = ring_sqe(&ring);
		sqe_open(sqe, dfd, &fhs[nr++], O_RDONLY | O_CLOEXEC);
		sqe->flags = IOSQE_ASYNC;
	}
	if (ring_submit(&ring) != (int)nr)
		_exit(1);
	if (ring_ready(&ring) < nr) {
		if (random_number(&w->seed) % 2) {
			ring_exit(&ring);
			hit(HIT_RING_CLOSE);
		} else {
			hit(HIT_PROCESS_EXIT);
		}
	}
	_exit(0);
}

static int abandon_requests(struct worker *w)
{
	pid_t pid = clone_child(0, NULL);

	if (!pid)
		leave_in_flight(w);
	return wait_status(pid, -EINTR);
}

void work(struct worker *w)
{
	int nr_fds = count_fds(), ret = 0;
	struct ring ring = { .fd = -1 };
	unsigned int i;

	if (torture->has_ring)
		ret = ring_init(&ring, WARM_SETUP);
	while (!ret && !stopped()) {
		change_processor(&w->seed);
		for (i = 0; i < ATTEMPTS && !stopped(); i++)
			attempt(w, &ring);
		if (torture->has_ring)
			ret = abandon_requests(w);
	}
	ring_exit(&ring);
	w->leaked = ret ?: count_fds() - nr_fds;
}
