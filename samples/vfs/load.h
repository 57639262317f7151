/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handle-load: its files (load-tree.c), its threads (load-serve.c), its main program. */
#ifndef _SAMPLES_VFS_LOAD_H
#define _SAMPLES_VFS_LOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <linux/stat.h>
#include <linux/types.h>
#include "handle.h"
#include "ring.h"

enum exit_status {
	EXIT_ERROR		= 1,
	EXIT_USAGE		= 2,
	EXIT_PERMISSION		= 4,
	EXIT_UNSUPPORTED	= 5,
};

/* How files are opened. */
enum way { CALLS, RING, ASYNC, NR_WAYS };

#define CLIENTS_MAX	256	/* of a thread */

struct options {
	unsigned int files, size, threads, clients, requests, hits, working_set;
	bool ways[NR_WAYS];
	bool stat, drop, json;
	const char *dir;
};

extern struct options opt;

/* Set by a signal and by the first failure. All threads check it. */
extern bool stopped;

static inline bool is_stopped(void)
{
	return __atomic_load_n(&stopped, __ATOMIC_RELAXED);
}

static inline void stop(void)
{
	__atomic_store_n(&stopped, true, __ATOMIC_RELAXED);
}

extern int exit_status;

/* Print the first error and set the exit status. All threads stop. */
void fail(int status, const char *format, ...);

/* Returns the time in nanoseconds since an arbitrary start. */
__u64 now(void);

__u64 random_number(__u64 *state);

/*
 * The tree of files. Functions exit on failure, unless they return an int.
 */

/* The content of a file is this record, repeated. */
struct record {
	__u64 tree;	/* differs from that of every other run */
	__u64 file;
};

struct file {
	__u64 ino;
	struct handle handle;
};

struct tree {
	char *path;
	int fd;			/* the only descriptor on the mount */
	__u64 id;
	unsigned int nr_dirs, nr_files;
	struct file *files;
};

extern struct tree tree;

/* Check that the caller may open the handle of @dir. */
void check_permission(const char *dir);

/* Create the tree below @dir, and a handle of each file. It is removed at exit. */
void create_tree(const char *dir);

/* Free the inodes and pages that the kernel can read again. */
void empty_caches(void);

int file_statx(int fd, struct statx *stx);

/* Overwrite what check_content() looks at. */
void clear_content(struct record *content);

/* Fail if this is not the content of the file. */
void check_content(unsigned int file, const struct record *content);

/*
 * Threads. Each serves several clients. A client sends its next request when its
 * previous one is complete.
 */

/* A client, and the state of its request. */
struct client {
	bool busy, cold;
	const char *failed;	/* the first operation that failed */
	int error;
	unsigned int pending;	/* completions of the request that are to come */
	unsigned int file;
	int fd;
	__u64 arrival;
	struct record *content;
};

struct opens {
	unsigned int all, inlined;
};

struct thread {
	pthread_t id;
	enum way way;
	struct ring ring;
	struct client clients[CLIENTS_MAX];
	__u64 random;
	__u64 *latencies;
	unsigned int quota, done;
	struct opens warm, cold;
	unsigned int due;	/* completions that do not depend on a worker */
};

/* The files of a round: the working set, and those that are read once each. */
struct round {
	unsigned int *order;	/* the working set first */
	unsigned int next_cold;
	bool over;
};

extern struct round round_files;

/* Exit if the kernel does not have the operation. */
void check_ring(void);

/* Set up a thread. The thread itself must call it. */
void thread_init(struct thread *thread);
void thread_exit(struct thread *thread);

/* Serve clients until the round is over or the quota of the thread is used. */
void thread_serve(struct thread *thread);

/*
 * Runs
 */

/* The sum of all threads, for one way. */
struct result {
	unsigned int requests;
	__u64 time, *latencies;
	struct opens warm, cold;
	int workers;		/* or -1 if /proc is not available */
};

/* Serve all requests in one way. The caller provides the array of latencies. */
void run(enum way way, struct result *result);

#endif /* _SAMPLES_VFS_LOAD_H */
