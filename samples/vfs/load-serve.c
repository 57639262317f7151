// SPDX-License-Identifier: GPL-2.0-or-later
/* The threads of handle-load, which serve clients. See load.h. */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include "load.h"

#define CHAIN		3	/* entries to open, to read and to close */

/* With O_NONBLOCK, io_uring reads inline even if the file has no FMODE_NOWAIT. */
#define OPEN_FLAGS	(O_RDONLY | O_NONBLOCK)

struct round round_files;

__u64 random_number(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Choose the file of the next request. Returns false if the round is over. */
static bool next_request(struct thread *thread, struct client *client)
{
	unsigned int cold;

	if (is_stopped() || __atomic_load_n(&round_files.over, __ATOMIC_RELAXED) || !thread->quota)
		return false;
	client->cold = random_number(&thread->random) % 100 >= opt.hits;
	if (client->cold) {
		cold = __atomic_fetch_add(&round_files.next_cold, 1, __ATOMIC_RELAXED);
		cold += opt.working_set;
		if (cold >= opt.files) {
			__atomic_store_n(&round_files.over, true, __ATOMIC_RELAXED);
			return false;
		}
		client->file = round_files.order[cold];
	} else {
		client->file = round_files.order[random_number(&thread->random) % opt.working_set];
	}
	thread->quota--;
	client->busy = true;
	client->failed = NULL;
	clear_content(client->content);
	return true;
}

/* Keep the first error of a request. It is reported when the request is complete. */
static void request_failed(struct client *client, const char *what, int error)
{
	if (client->failed)
		return;
	client->failed = what;
	client->error = error;
}

static void check_read(struct client *client, long len)
{
	if (len < 0)
		request_failed(client, "read", -len);
	else if (len != (long)opt.size)
		request_failed(client, "short read", EIO);
}

static void check_stat(struct client *client)
{
	struct statx stx;

	if (file_statx(client->fd, &stx))
		request_failed(client, "statx", errno);
	else if (stx.stx_ino != tree.files[client->file].ino)
		request_failed(client, "statx: another inode number", ESTALE);
}

static void end_request(struct thread *thread, struct client *client)
{
	__u64 end = now();

	if (client->failed)
		fail(EXIT_ERROR, "file %u: %s: %s (%s)", client->file, client->failed,
		     strerror(client->error), error_name(client->error));
	else
		check_content(client->file, client->content);
	thread->latencies[thread->done++] = end - client->arrival;
	client->arrival = end;
	client->busy = false;
}

static void count_open(struct thread *thread, const struct client *client, bool inlined)
{
	struct opens *opens = client->cold ? &thread->cold : &thread->warm;

	opens->all++;
	opens->inlined += inlined;
}

static void serve_by_calls(struct thread *thread)
{
	struct client *client;
	long len;

	for (unsigned int i = 0; ; i = (i + 1) % opt.clients) {
		client = &thread->clients[i];
		if (!next_request(thread, client))
			return;
		count_open(thread, client, false);
		client->fd = handle_open(tree.fd, &tree.files[client->file].handle,
					 OPEN_FLAGS | O_CLOEXEC);
		if (client->fd < 0) {
			request_failed(client, "open_by_handle_at", errno);
		} else {
			len = read(client->fd, client->content, opt.size);
			check_read(client, len < 0 ? -errno : len);
			if (opt.stat)
				check_stat(client);
			close(client->fd);
		}
		end_request(thread, client);
	}
}

/* The user data of a request is the number of its client, and a step. */
enum step { OPEN, READ, CLOSE, NR_STEPS };

static struct io_uring_sqe *step_sqe(struct thread *thread, struct client *client,
				     int opcode, enum step step)
{
	__u64 nr = client - thread->clients;

	client->pending++;
	return ring_sqe(&thread->ring, opcode, nr * NR_STEPS + step);
}

/* @fd is a descriptor, or a slot if @flags has IOSQE_FIXED_FILE. */
static void prepare_read_and_close(struct thread *thread, struct client *client,
				   int fd, unsigned int flags)
{
	struct io_uring_sqe *sqe;

	/* After a hard link, a failed or short read does not keep the file open. */
	sqe = step_sqe(thread, client, IORING_OP_READ, READ);
	sqe->fd = fd;
	sqe->addr = (uintptr_t)client->content;
	sqe->len = opt.size;
	sqe->flags = flags | IOSQE_IO_HARDLINK;

	sqe = step_sqe(thread, client, IORING_OP_CLOSE, CLOSE);
	if (flags & IOSQE_FIXED_FILE)
		sqe->file_index = fd + 1;
	else
		sqe->fd = fd;
}

/* A chain opens, reads and closes the file. With --stat, the open is alone. */
static void prepare_request(struct thread *thread, struct client *client)
{
	const int slot = client - thread->clients;
	struct io_uring_sqe *sqe;

	sqe = step_sqe(thread, client, IORING_OP_OPEN_BY_HANDLE_AT, OPEN);
	sqe->fd = tree.fd;
	sqe->addr = (uintptr_t)&tree.files[client->file].handle;
	sqe->flags = thread->way == ASYNC ? IOSQE_ASYNC : 0;
	if (opt.stat) {
		sqe->open_flags = OPEN_FLAGS | O_CLOEXEC;
		return;
	}
	sqe->open_flags = OPEN_FLAGS;
	sqe->file_index = slot + 1;
	sqe->flags |= IOSQE_IO_LINK;
	prepare_read_and_close(thread, client, slot, IOSQE_FIXED_FILE);
}

static void complete_open(struct thread *thread, struct client *client, int res, bool inlined)
{
	count_open(thread, client, inlined);
	client->fd = res;
	if (res < 0) {
		request_failed(client, "IORING_OP_OPEN_BY_HANDLE_AT", -res);
	} else if (opt.stat) {
		check_stat(client);
		prepare_read_and_close(thread, client, res, 0);
	}
	thread->due += client->pending;
}

/* Take all completions. Returns the number of requests that are complete. */
static unsigned int reap(struct thread *thread, bool inlined)
{
	struct io_uring_cqe cqe;
	struct client *client;
	unsigned int nr = 0;

	while (ring_reap(&thread->ring, &cqe)) {
		client = &thread->clients[cqe.user_data / NR_STEPS];
		client->pending--;
		switch (cqe.user_data % NR_STEPS) {
		case OPEN:
			complete_open(thread, client, cqe.res, inlined);
			break;
		case READ:
			thread->due--;
			check_read(client, cqe.res);
			break;
		case CLOSE:
			thread->due--;
			if (cqe.res)
				request_failed(client, "IORING_OP_CLOSE", -cqe.res);
			break;
		}
		if (!client->pending) {
			end_request(thread, client);
			nr++;
		}
	}
	return nr;
}

/* Returns false if the ring is broken. */
static bool enter(struct thread *thread, unsigned int wait, unsigned int flags)
{
	int ret = ring_enter(&thread->ring, wait, flags);

	if (!ret || ret == -EINTR)
		return true;
	fail(EXIT_ERROR, "io_uring_enter: %s", strerror(-ret));
	return false;
}

/*
 * With IORING_SETUP_DEFER_TASKRUN, the kernel posts completions of workers only
 * in calls with IORING_ENTER_GETEVENTS. An open that is complete after a call
 * without that flag is therefore one that completed inline.
 */
static void serve_by_ring(struct thread *thread)
{
	unsigned int busy = 0, i;

	do {
		for (i = 0; i < opt.clients; i++) {
			if (thread->clients[i].busy)
				continue;
			if (!next_request(thread, &thread->clients[i]))
				break;
			prepare_request(thread, &thread->clients[i]);
			busy++;
		}
		if (thread->way == RING) {
			if (!enter(thread, 0, 0))
				return;
			busy -= reap(thread, true);
		}
		/* Files that are open, otherwise the first worker that is ready. */
		if (busy && !enter(thread, thread->due ?: 1, IORING_ENTER_GETEVENTS))
			return;
		busy -= reap(thread, false);
	} while (busy);
}

void check_ring(void)
{
	struct ring ring;
	int ret = ring_init(&ring, 1, 0);

	if (ret)
		errx(EXIT_ERROR, "io_uring_setup: %s (%s)", strerror(-ret), error_name(-ret));
	if (!ring_has_op(&ring, IORING_OP_OPEN_BY_HANDLE_AT))
		errx(EXIT_UNSUPPORTED, "the kernel does not have IORING_OP_OPEN_BY_HANDLE_AT");
	close(ring.fd);
}

void thread_init(struct thread *thread)
{
	int ret;

	for (unsigned int i = 0; i < opt.clients; i++)
		thread->clients[i].content = malloc(opt.size);
	if (thread->way == CALLS)
		return;
	ret = ring_init(&thread->ring, CLIENTS_MAX * CHAIN,
			IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	if (ret) {
		fail(EXIT_ERROR, "io_uring_setup: %s (%s)", strerror(-ret), error_name(-ret));
		return;
	}
	ret = ring_add_slots(&thread->ring, opt.clients);
	if (ret)
		fail(EXIT_ERROR, "IORING_REGISTER_FILES2: %s", strerror(-ret));
}

void thread_exit(struct thread *thread)
{
	for (unsigned int i = 0; i < opt.clients; i++)
		free(thread->clients[i].content);
	if (thread->way != CALLS)
		close(thread->ring.fd);
}

void thread_serve(struct thread *thread)
{
	__u64 start = now();

	/* thread_init() may have failed. */
	if (is_stopped())
		return;
	for (unsigned int i = 0; i < opt.clients; i++)
		thread->clients[i].arrival = start;
	if (thread->way == CALLS)
		serve_by_calls(thread);
	else
		serve_by_ring(thread);
}
