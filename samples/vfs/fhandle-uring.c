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
#include <unistd.h>
#include "ring.h"

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

static struct ring ring;

static void start_ring(unsigned int nr_slots)
{
	int error = -ring_init(&ring, ENTRIES, 0);

	if (error)
		errx(EXIT_ERROR, "io_uring_setup: %s", strerror(error));
	if (!ring_has_op(&ring, IORING_OP_OPEN_BY_HANDLE_AT))
		errx(EXIT_UNSUPPORTED,
		     "the kernel does not have IORING_OP_OPEN_BY_HANDLE_AT");
	error = -ring_add_slots(&ring, nr_slots);
	if (error)
		errx(EXIT_ERROR, "IORING_REGISTER_FILES2: %s", strerror(error));
}

/*
 * Submit the prepared requests and wait for all. Report the first error of each
 * chain. The rest of it is cancelled.
 */
static void run_requests(void)
{
	unsigned int nr = ring.prepared;
	int error = -ring_enter(&ring, nr, IORING_ENTER_GETEVENTS);
	struct io_uring_cqe cqe;

	if (error)
		errx(EXIT_ERROR, "io_uring_enter: %s", strerror(error));
	while (nr) {
		if (!ring_reap(&ring, &cqe))
			continue;
		if (cqe.res < 0 && cqe.res != -ECANCELED)
			file_failed(&files[cqe.user_data], -cqe.res);
		nr--;
	}
}

static void name_file(unsigned int nr)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring, IORING_OP_NAME_TO_HANDLE_AT, nr);
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

	sqe = ring_sqe(&ring, IORING_OP_OPEN_BY_HANDLE_AT, nr);
	sqe->fd = file->mount_fd;
	sqe->addr = (uintptr_t)&file->handle;
	sqe->open_flags = O_RDONLY | O_NONBLOCK;
	sqe->file_index = nr + 1;
	sqe->flags = IOSQE_IO_LINK;

	/* A short read breaks a chain unless it has a hard link. */
	sqe = ring_sqe(&ring, IORING_OP_READ, nr);
	sqe->fd = nr;
	sqe->addr = (uintptr_t)file->line;
	sqe->len = LINE_MAX_LEN;
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK;

	sqe = ring_sqe(&ring, IORING_OP_CLOSE, nr);
	sqe->file_index = nr + 1;
}

int main(int argc, char **argv)
{
	unsigned int i, nr = argc - 1;
	int status = 0;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		print_usage(stdout);
		return fflush(stdout) ? EXIT_ERROR : 0;
	}
	if (nr < 1 || nr > FILES_MAX || argv[1][0] == '-') {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	start_ring(nr);
	for (i = 0; i < nr; i++) {
		files[i].path = argv[i + 1];
		name_file(i);
	}
	run_requests();

	for (i = 0; i < nr; i++) {
		if (files[i].failed)
			continue;
		files[i].mount_fd = open_mount(&files[i]);
		if (files[i].mount_fd < 0) {
			file_failed(&files[i], errno);
			continue;
		}
		read_file(i);
	}
	run_requests();

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
