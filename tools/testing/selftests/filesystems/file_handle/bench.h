/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __SELFTEST_FILE_HANDLE_BENCH_H
#define __SELFTEST_FILE_HANDLE_BENCH_H

#include <err.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <time.h>
#include <linux/magic.h>

#include "kselftest.h"

/* What comes along with the harness, and no benchmark needs. */
static int test_harness_run(int argc, char **argv) __maybe_unused;

#include "file_handle.h"

/* What clock_gettime(2) itself takes; see calibrate(). */
static __u64 clock_cost;

static inline __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* What has passed since, without what looking at the clock took. */
static inline __u64 since(__u64 start)
{
	return now() - start - clock_cost;
}

static int compare_samples(const void *left, const void *right)
{
	const __u64 *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static inline void sort_samples(__u64 *samples, unsigned int nr)
{
	qsort(samples, nr, sizeof(*samples), compare_samples);
}

/* The end of a JSON object. */
static inline void print_times(__u64 *samples, unsigned int nr)
{
	sort_samples(samples, nr);
	printf("\"minimum\": %llu, \"median\": %llu}\n", samples[0],
	       samples[nr / 2]);
}

static inline void calibrate(void)
{
	__u64 samples[101];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(samples); i++) {
		__u64 start = now();

		samples[i] = since(start);
	}
	sort_samples(samples, ARRAY_SIZE(samples));
	clock_cost = samples[0];
}

/*
 * What the kernel has put off is to be over, above all the resizing of a hash
 * table: meanwhile, who finds nothing in one table looks into another.
 */
static inline void settle(void)
{
	usleep(200000);
}

static inline void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "setrlimit");
}

static inline unsigned int number(const char *option, const char *arg,
				  unsigned int max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(arg, &end, 10);
	if (errno || *end || end == arg || !value || value > max)
		errx(2, "%s takes a number from 1 to %u, not '%s'", option, max,
		     arg);
	return value;
}

static inline void need_tmpfs(const char *directory)
{
	struct statfs sfs;

	if (statfs(directory, &sfs))
		err(1, "%s", directory);
	if (sfs.f_type != TMPFS_MAGIC)
		errx(1, "%s is not on a tmpfs", directory);
}

static inline void must_encode(int fd, struct handle *fh)
{
	int ret = encode(fd, fh);

	if (ret)
		errx(1, "name_to_handle_at: %s", strerror(-ret));
}

#endif /* __SELFTEST_FILE_HANDLE_BENCH_H */
