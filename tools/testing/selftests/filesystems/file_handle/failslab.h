/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __SELFTEST_FILE_HANDLE_FAILSLAB_H
#define __SELFTEST_FILE_HANDLE_FAILSLAB_H

#include "file_handle.h"

#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define NEEDS_FAILSLAB	"needs fault injection in " FAILSLAB

/* How many allocations a system call can have, at the very most. */
#define ALLOCATIONS_MAX	200

/* Nothing fails yet: that is for a task to ask for. */
static const struct {
	const char *path;
	const char *value;
} failslab_settings[] = {
	{ FAILSLAB "probability", "0" },
	{ FAILSLAB "task-filter", "Y" },
	{ FAILSLAB "ignore-gfp-wait", "N" },
	{ FAILSLAB "verbose", "0" },
	{ FAILSLAB "interval", "1" },
	{ FAILSLAB "space", "0" },
	{ FAILSLAB "times", "-1" },
};

/* Allocations that fail. */
struct failslab {
	char before[ARRAY_SIZE(failslab_settings)][32];
	unsigned int nr_settings;	/* that have to be put back */
	int fail_nth;
};

static inline bool failslab_is_there(void)
{
	return !access(FAILSLAB, F_OK) && !access(FAIL_NTH, F_OK);
}

static inline int failslab_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len < 0)
		return -EIO;
	buf[len] = 0;
	return 0;
}

static inline int failslab_start(struct failslab *fail)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(failslab_settings); i++) {
		const char *path = failslab_settings[i].path;

		ret = failslab_read(path, fail->before[i],
				    sizeof(fail->before[i]));
		if (ret)
			return ret;
		if (write_string(path, failslab_settings[i].value))
			return -EIO;
		fail->nr_settings++;
	}
	fail->fail_nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	return fail->fail_nth < 0 ? -errno : 0;
}

static inline void failslab_end(struct failslab *fail)
{
	while (fail->nr_settings) {
		unsigned int i = --fail->nr_settings;

		write_string(failslab_settings[i].path, fail->before[i]);
	}
	if (fail->fail_nth > 0)
		close(fail->fail_nth);
	fail->fail_nth = 0;
}

/* Let the @nth allocation of this task fail; the first one has the number 1. */
static inline int failslab_arm(const struct failslab *fail, unsigned int nth)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", nth);

	return pwrite(fail->fail_nth, buf, len, 0) == len ? 0 : -errno;
}

/* Whether it has come to that, which it does not where there are fewer. */
static inline bool failslab_has_failed(const struct failslab *fail)
{
	char buf[16] = "";

	if (pread(fail->fail_nth, buf, sizeof(buf) - 1, 0) <= 0)
		return false;
	return atoi(buf) == 0;
}

#endif
