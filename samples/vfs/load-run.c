// SPDX-License-Identifier: GPL-2.0-or-later
/* The rounds of handle-load. See load.h. */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "load.h"

int exit_status;
bool stopped;

/*
 * A run is divided into rounds. Before each round, the caches are dropped and the
 * working set is read once. A round ends when all other files have been read once
 * or all requests are complete. The threads wait for the main thread at a barrier.
 */
static pthread_barrier_t barrier;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t thread_is_idle = PTHREAD_COND_INITIALIZER;
static unsigned int nr_busy;
static __u64 round_end;		/* when the last thread became idle */
static bool run_over;

__u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void fail(int status, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&lock);
	if (!exit_status) {
		exit_status = status;
		va_start(args, format);
		vwarnx(format, args);
		va_end(args);
	}
	stop();
	pthread_mutex_unlock(&lock);
}

/* Returns how many tasks this process has that it did not have before, or -1. */
static int count_new_tasks(bool first)
{
	static unsigned int nr_known, room;
	static long *known;
	unsigned int i;
	struct dirent *entry;
	int nr = 0;
	DIR *dir = opendir("/proc/self/task");

	if (!dir)
		return -1;
	if (first)
		nr_known = 0;
	while ((entry = readdir(dir))) {
		long id = atol(entry->d_name);

		for (i = 0; i < nr_known && known[i] != id; i++)
			;
		if (!id || i < nr_known)
			continue;
		if (nr_known == room) {
			room += 1024;
			known = realloc(known, room * sizeof(*known));
			if (!known)
				err(EXIT_ERROR, NULL);
		}
		known[nr_known++] = id;
		nr++;
	}
	closedir(dir);
	return nr;
}

static void *run_thread(void *arg)
{
	struct thread *thread = arg;

	thread_init(thread);
	pthread_barrier_wait(&barrier);
	for (;;) {
		pthread_barrier_wait(&barrier);
		if (run_over)
			break;
		thread_serve(thread);
		pthread_mutex_lock(&lock);
		nr_busy--;
		round_end = now();
		pthread_cond_signal(&thread_is_idle);
		pthread_mutex_unlock(&lock);
	}
	thread_exit(thread);
	return NULL;
}

static void read_file(unsigned int file, struct record *content)
{
	int fd = handle_open(tree.fd, &tree.files[file].handle, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, content, opt.size);

	if (len < 0)
		fail(EXIT_ERROR, "file %u: %s: %s (%s)", file, fd < 0 ? "open" : "read",
		     strerror(errno), error_name(errno));
	else if (len != (ssize_t)opt.size)
		fail(EXIT_ERROR, "file %u: short read", file);
	else
		check_content(file, content);
	if (fd >= 0)
		close(fd);
}

/* Drop all files from memory, and read the working set. */
static void prepare_round(void)
{
	struct record *content = malloc(opt.size);

	if (!content)
		err(EXIT_ERROR, NULL);
	if (opt.drop)
		empty_caches();
	for (unsigned int i = 0; i < opt.working_set && !is_stopped(); i++)
		read_file(round_files.order[i], content);
	free(content);
	round_files.next_cold = 0;
	round_files.over = false;
}

/* Let the threads serve until all are idle. */
static void run_round(struct result *result)
{
	struct timespec limit;
	bool idle = false;
	__u64 start;
	int nr;

	nr_busy = opt.threads;
	start = now();
	pthread_barrier_wait(&barrier);
	while (!idle) {
		clock_gettime(CLOCK_REALTIME, &limit);
		limit.tv_sec++;
		pthread_mutex_lock(&lock);
		if (nr_busy)
			pthread_cond_timedwait(&thread_is_idle, &lock, &limit);
		idle = !nr_busy;
		pthread_mutex_unlock(&lock);
		nr = count_new_tasks(false);
		if (result->workers >= 0)
			result->workers = nr < 0 ? -1 : result->workers + nr;
	}
	result->time += round_end - start;
}

static void start_threads(struct thread *threads, enum way way, struct result *result)
{
	unsigned int i, first = 0;

	for (i = 0; i < opt.threads; i++) {
		struct thread *thread = &threads[i];

		thread->way = way;
		thread->random = i + 1;
		thread->quota = opt.requests / opt.threads +
				(i < opt.requests % opt.threads);
		thread->latencies = result->latencies + first;
		first += thread->quota;
		errno = pthread_create(&thread->id, NULL, run_thread, thread);
		if (errno)
			err(EXIT_ERROR, "pthread_create");
	}
}

/* Add up what a thread has done. Its latencies follow those of the others. */
static void add_thread(struct result *result, const struct thread *thread)
{
	memmove(result->latencies + result->requests, thread->latencies,
		thread->done * sizeof(*thread->latencies));
	result->requests += thread->done;
	result->warm.all += thread->warm.all;
	result->warm.inlined += thread->warm.inlined;
	result->cold.all += thread->cold.all;
	result->cold.inlined += thread->cold.inlined;
}

/* Choose the working set, and an order for all other files. */
static void shuffle_files(void)
{
	__u64 state = 1;	/* the same order in each run */
	unsigned int i, other, file;

	round_files.order = calloc(opt.files, sizeof(*round_files.order));
	if (!round_files.order)
		err(EXIT_ERROR, NULL);
	for (i = 0; i < opt.files; i++) {
		other = random_number(&state) % (i + 1);
		file = round_files.order[other];
		round_files.order[other] = i;
		round_files.order[i] = other == i ? i : file;
	}
}

void run(enum way way, struct result *result)
{
	struct thread *threads = calloc(opt.threads, sizeof(*threads));
	unsigned int i, left;

	if (!threads)
		err(EXIT_ERROR, NULL);
	if (!round_files.order)
		shuffle_files();
	pthread_barrier_init(&barrier, NULL, opt.threads + 1);
	start_threads(threads, way, result);
	pthread_barrier_wait(&barrier);
	if (count_new_tasks(true) < 0)
		result->workers = -1;
	do {
		prepare_round();
		run_round(result);
		for (i = 0, left = 0; i < opt.threads; i++)
			left += threads[i].quota;
	} while (left && !is_stopped());
	run_over = true;
	pthread_barrier_wait(&barrier);
	for (i = 0; i < opt.threads; i++) {
		pthread_join(threads[i].id, NULL);
		add_thread(result, &threads[i]);
	}
	run_over = false;
	pthread_barrier_destroy(&barrier);
	free(threads);
}
