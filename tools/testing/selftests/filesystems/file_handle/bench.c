// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <sys/resource.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "bench.h"

__u64 clock_cost;

static int compare_samples(const void *left, const void *right)
{
	const __u64 *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

void sort_samples(__u64 *samples, unsigned int nr)
{
	qsort(samples, nr, sizeof(*samples), compare_samples);
}

void print_times(__u64 *samples, unsigned int nr)
{
	sort_samples(samples, nr);
	printf("\"minimum\": %llu, \"median\": %llu}\n", samples[0],
	       samples[nr / 2]);
}

void calibrate(void)
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

void settle(void)
{
	usleep(200000);
}

void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "setrlimit");
}

unsigned int number(const char *option, const char *arg, unsigned int max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(arg, &end, 10);
	if (errno || *end || end == arg || !value || value > max)
		errx(2, "%s takes an integer from 1 to %u, not '%s'", option, max,
		     arg);
	return value;
}

void need_tmpfs(const char *directory)
{
	struct statfs sfs;

	if (statfs(directory, &sfs))
		err(1, "%s", directory);
	if (sfs.f_type != TMPFS_MAGIC)
		errx(1, "%s is not on a tmpfs", directory);
}

void must_encode(int fd, struct handle *fh)
{
	int ret = encode(fd, fh);

	if (ret)
		errx(1, "name_to_handle_at: %s", strerror(-ret));
}
