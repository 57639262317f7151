/* SPDX-License-Identifier: GPL-2.0 */
/* Helpers for programs that measure calls. They exit on failure. */
#ifndef __SELFTEST_FILE_HANDLE_BENCH_H
#define __SELFTEST_FILE_HANDLE_BENCH_H

#include <err.h>
#include <time.h>

#include "file_handle.h"

/* What clock_gettime(2) takes, in nanoseconds. */
extern __u64 clock_cost;

/* Measures what clock_gettime(2) itself takes. */
void calibrate(void);

/* Returns the time in nanoseconds since an arbitrary start. */
static inline __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Returns the time since @start, without what clock_gettime(2) took. */
static inline __u64 since(__u64 start)
{
	return now() - start - clock_cost;
}

void sort_samples(__u64 *samples, unsigned int nr);

/* Prints the end of a JSON object. Sorts the samples. */
void print_times(__u64 *samples, unsigned int nr);

/*
 * Waits for asynchronous work of the kernel. Above all, lookups of absent
 * entries are slower while a hash table is resized.
 */
void settle(void);

void raise_file_limit(void);
unsigned int number(const char *option, const char *arg, unsigned int max);
void need_tmpfs(const char *directory);
void must_encode(int fd, struct handle *fh);

#endif /* __SELFTEST_FILE_HANDLE_BENCH_H */
