/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes that use a mount of passthrough_handle. Each object carries its identity,
 * so that a wrong one is noticed.
 */
#ifndef __SELFTEST_PASSTHROUGH_LOAD_H
#define __SELFTEST_PASSTHROUGH_LOAD_H

#include <stdbool.h>
#include <sys/types.h>

/* Bounds of the number of cached inodes */
#define FILES_MIN	200
#define FILES_MAX	10000
#define FILES_IN_DIR	100

#define WORKERS_MAX	24

/* Locks of the kernel, under which counters are incremented */
enum lock { LOCK_FLOCK, LOCK_POSIX, LOCKS };

/* Counters, shared by all processes */
struct shared {
	bool stop;
	unsigned long operations;
	unsigned long wrong;		/* objects or contents */
	unsigned long errors;
	int first_error;
	char first_what[64];
	char first_wrong[64];
	unsigned long increments[LOCKS];
	ino_t inodes[FILES_MAX];
};

/* Creates the files that all processes read. Returns 0 or a negative errno. */
int create_files(struct shared *sh, unsigned int files);

/* Starts the processes. Returns their number, or a negative errno. */
int start_workers(struct shared *sh, unsigned int files, pid_t pids[WORKERS_MAX]);

/* Returns the value of the counter that the lock protects, or a negative errno. */
long locked_counter(enum lock lock);

#endif /* __SELFTEST_PASSTHROUGH_LOAD_H */
