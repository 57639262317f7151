// SPDX-License-Identifier: GPL-2.0
/*
 * Read many files by their handles, with two calls to io_uring_enter(2).
 *
 *   fhandle-uring PATH...
 *
 * The first submission encodes a handle of every file, with
 * IORING_OP_NAME_TO_HANDLE_AT. The second has a chain for each file: it opens
 * the handle into a slot of the ring, reads from the slot and closes it. The
 * program prints the first line of each file. A file that fails is reported,
 * and the others go on. The caller must be allowed to open files by handle.
 *
 * The operations are experimental. Their opcode numbers are not reserved
 * upstream: the program is only valid with the kernel that <linux/io_uring.h>
 * belongs to.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/io_uring.h>

#ifndef AT_HANDLE_MNT_ID_UNIQUE
#define AT_HANDLE_MNT_ID_UNIQUE	0x001
#endif

#define FILES_MAX	64
#define STEPS		3	/* to open, to read and to close */
#define ENTRIES		(FILES_MAX * STEPS)
#define LINE_MAX_LEN	80

enum exit_status {
	EXIT_ERROR		= 1,
	EXIT_USAGE		= 2,
	EXIT_UNSUPPORTED	= 5,
};

struct file {
	const char *path;
	bool failed;
	int mount_fd;
	__u64 mount_id;
	char line[LINE_MAX_LEN + 1];
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	};
};

static struct file files[FILES_MAX];

static void print_usage(FILE *out)
{
	fprintf(out,
		"usage: fhandle-uring PATH...\n"
		"\n"
		"Reads at most %d files by their handles, with two calls to io_uring_enter(2),\n"
		"and prints the first line of each. The operations are experimental: the program\n"
		"is only valid with the kernel whose headers it was built with.\n"
		"\n"
		"Exit status: 0; 1 if a file could not be read; 2 for wrong usage; 5 if the\n"
		"kernel does not have the operations.\n", FILES_MAX);
}

static void file_failed(struct file *file, int error)
{
	warnx("%s: %s", file->path, strerror(error));
	file->failed = true;
}

static int ring_fd;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static unsigned int *sq_tail, *sq_mask, *sq_array;
static unsigned int *cq_head, *cq_tail, *cq_mask;

static void *ring_map(size_t size, off_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, ring_fd, offset);

	if (p == MAP_FAILED)
		err(EXIT_ERROR, "mmap");
	return p;
}

static void ring_setup(void)
{
	/* An error of one path does not stop the submission of the others. */
	struct io_uring_params p = { .flags = IORING_SETUP_SUBMIT_ALL };
	char *ring;

	ring_fd = syscall(__NR_io_uring_setup, ENTRIES, &p);
	if (ring_fd < 0)
		err(EXIT_ERROR, "io_uring_setup");
	if (!(p.features & IORING_FEAT_SINGLE_MMAP))
		errx(EXIT_ERROR, "the kernel is too old");

	ring = ring_map(p.cq_off.cqes + p.cq_entries * sizeof(*cqes) +
			p.sq_entries * sizeof(*sq_array), IORING_OFF_SQ_RING);
	sqes = ring_map(p.sq_entries * sizeof(*sqes), IORING_OFF_SQES);
	sq_tail = (unsigned int *)(ring + p.sq_off.tail);
	sq_mask = (unsigned int *)(ring + p.sq_off.ring_mask);
	sq_array = (unsigned int *)(ring + p.sq_off.array);
	cq_head = (unsigned int *)(ring + p.cq_off.head);
	cq_tail = (unsigned int *)(ring + p.cq_off.tail);
	cq_mask = (unsigned int *)(ring + p.cq_off.ring_mask);
	cqes = (struct io_uring_cqe *)(ring + p.cq_off.cqes);
}

/*
 * Check that the number of an opcode is supported. A kernel that the header
 * does not belong to may have another operation with that number.
 */
static void ring_probe(unsigned int op, const char *name)
{
	const size_t nr = 256;
	struct io_uring_probe *probe;

	probe = calloc(1, sizeof(*probe) + nr * sizeof(probe->ops[0]));
	if (!probe)
		err(EXIT_ERROR, NULL);
	if (syscall(__NR_io_uring_register, ring_fd, IORING_REGISTER_PROBE,
		    probe, nr))
		err(EXIT_ERROR, "IORING_REGISTER_PROBE");
	if (op > probe->last_op ||
	    !(probe->ops[op].flags & IO_URING_OP_SUPPORTED))
		errx(EXIT_UNSUPPORTED, "the kernel does not have %s", name);
	free(probe);
}

/* Register a file table with empty slots. */
static void ring_slots(unsigned int nr)
{
	struct io_uring_rsrc_register reg = {
		.nr = nr,
		.flags = IORING_RSRC_REGISTER_SPARSE,
	};

	if (syscall(__NR_io_uring_register, ring_fd, IORING_REGISTER_FILES2,
		    &reg, sizeof(reg)))
		err(EXIT_ERROR, "IORING_REGISTER_FILES2");
}

static struct io_uring_sqe *ring_sqe(int opcode, __u64 user_data)
{
	unsigned int i = *sq_tail & *sq_mask;
	struct io_uring_sqe *sqe = &sqes[i];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->user_data = user_data;
	sq_array[i] = i;
	__atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
	return sqe;
}

static void ring_submit(unsigned int nr)
{
	if (syscall(__NR_io_uring_enter, ring_fd, nr, nr,
		    IORING_ENTER_GETEVENTS, NULL, 0) != (long)nr)
		err(EXIT_ERROR, "io_uring_enter");
}

/* Report the first error of each chain. The rest of it is cancelled. */
static void ring_reap(unsigned int nr)
{
	while (nr--) {
		unsigned int head = *cq_head;
		struct io_uring_cqe *cqe = &cqes[head & *cq_mask];

		while (head == __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE))
			;
		if (cqe->res < 0 && cqe->res != -ECANCELED)
			file_failed(&files[cqe->user_data], -cqe->res);
		__atomic_store_n(cq_head, head + 1, __ATOMIC_RELEASE);
	}
}

static void name_file(unsigned int nr)
{
	struct io_uring_sqe *sqe = ring_sqe(IORING_OP_NAME_TO_HANDLE_AT, nr);
	struct file *file = &files[nr];

	file->handle.handle_bytes = MAX_HANDLE_SZ;
	sqe->fd = AT_FDCWD;
	sqe->addr = (uintptr_t)file->path;
	sqe->addr2 = (uintptr_t)&file->handle;
	sqe->addr3 = (uintptr_t)&file->mount_id;
	sqe->name_to_handle_flags = AT_HANDLE_MNT_ID_UNIQUE;
}

/* Any descriptor on the mount serves for all its files. */
static int open_mount(const struct file *file)
{
	/* O_NONBLOCK: do not wait for a writer of a FIFO. */
	for (const struct file *other = files; other < file; other++)
		if (!other->failed && other->mount_id == file->mount_id)
			return other->mount_fd;
	return open(file->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static void read_file(unsigned int nr)
{
	struct file *file = &files[nr];
	struct io_uring_sqe *sqe;

	sqe = ring_sqe(IORING_OP_OPEN_BY_HANDLE_AT, nr);
	sqe->fd = file->mount_fd;
	sqe->addr = (uintptr_t)&file->handle;
	sqe->open_flags = O_RDONLY | O_NONBLOCK;
	sqe->file_index = nr + 1;
	sqe->flags = IOSQE_IO_LINK;

	/* A short read breaks a chain unless it has a hard link. */
	sqe = ring_sqe(IORING_OP_READ, nr);
	sqe->fd = nr;
	sqe->addr = (uintptr_t)file->line;
	sqe->len = LINE_MAX_LEN;
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK;

	sqe = ring_sqe(IORING_OP_CLOSE, nr);
	sqe->file_index = nr + 1;
}

int main(int argc, char **argv)
{
	unsigned int i, nr = argc - 1, nr_entries = 0;
	int status = 0;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		print_usage(stdout);
		return fflush(stdout) ? EXIT_ERROR : 0;
	}
	if (nr < 1 || nr > FILES_MAX || argv[1][0] == '-') {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	ring_setup();
	ring_probe(IORING_OP_OPEN_BY_HANDLE_AT, "IORING_OP_OPEN_BY_HANDLE_AT");
	ring_slots(nr);

	for (i = 0; i < nr; i++) {
		files[i].path = argv[i + 1];
		name_file(i);
	}
	ring_submit(nr);
	ring_reap(nr);

	for (i = 0; i < nr; i++) {
		if (files[i].failed)
			continue;
		files[i].mount_fd = open_mount(&files[i]);
		if (files[i].mount_fd < 0) {
			file_failed(&files[i], errno);
			continue;
		}
		read_file(i);
		nr_entries += STEPS;
	}
	if (nr_entries) {
		ring_submit(nr_entries);
		ring_reap(nr_entries);
	}

	for (i = 0; i < nr; i++) {
		if (files[i].failed) {
			status = EXIT_ERROR;
			continue;
		}
		printf("%s: mount %llu, %u bytes of handle: %.*s\n",
		       files[i].path, (unsigned long long)files[i].mount_id,
		       files[i].handle.handle_bytes,
		       (int)strcspn(files[i].line, "\n"), files[i].line);
	}
	return fflush(stdout) ? EXIT_ERROR : status;
}
