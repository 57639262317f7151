/* SPDX-License-Identifier: GPL-2.0 */
/* Files that are opened by handle again and again, and who executes the opens. */
#ifndef __SELFTEST_FILE_HANDLE_WARM_H
#define __SELFTEST_FILE_HANDLE_WARM_H

#include "ring.h"
#include "volume.h"

/* The flags of a ring that can tell inline completions from others. */
#define WARM_SETUP	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

#define WARM_FILES	500	/* unless FS_FILES is less */
#define WARM_BATCH	50

struct warm_file {
	struct handle fh;
	__u64 dev;
	__u64 ino;
	__u64 id;
};

struct warm {
	struct volume volume;
	struct ring ring;
	unsigned int nr_files;		/* a multiple of WARM_BATCH */
	struct warm_file files[WARM_FILES];
};

/* The results of many opens. */
struct warm_count {
	unsigned int opened;
	unsigned int inlined;	/* before io_uring_enter() returned */
	unsigned int wrong;	/* another error, or another file */
	int error;		/* the last of them */
};

/* Creates the files, and encodes their handles. */
int warm_make(struct warm *w);
int warm_remove(struct warm *w);

/*
 * Opens each file by handle once with the system call, like a server that keeps
 * handles only. The inodes are in memory afterwards. Their dentries are not, on
 * filesystems that do not pin them.
 */
int warm_up(const struct warm *w);

/*
 * Opens @nr files by handle, in turn, with the request flags @flags.
 *
 * With IORING_SETUP_DEFER_TASKRUN, the kernel adds the completion of a worker to
 * the queue only when the task waits for completions. So those that are there
 * after the submission were executed inline.
 */
struct warm_count warm_open(struct warm *w, unsigned int nr,
			    unsigned int flags);

/* Returns true if @fd is the file. */
bool warm_is_right(const struct volume *v, const struct warm_file *file,
		   int fd);

/* What an open has returned. There is no padding. */
struct seen {
	__s64 ret;		/* 0 or a negative errno */
	__u64 dev;
	__u64 ino;
	__u64 mode;
	__u64 status;		/* F_GETFL */
	__u64 id;		/* what the file contains */
	char path[256];
};

/* Closes the descriptor, which may be a negative errno. The path needs procfs. */
void look_at(int fd, struct seen *seen);

/*
 * Returns the number of workers of io_uring that the process has. The last one
 * of a task never exits before the task does.
 */
unsigned int nr_workers(void);

#endif /* __SELFTEST_FILE_HANDLE_WARM_H */
