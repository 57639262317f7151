// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "failslab.h"

static const struct {
	const char *path;
	const char *value;
} settings[FAILSLAB_SETTINGS] = {
	{ FAILSLAB "probability", "0" },
	{ FAILSLAB "task-filter", "Y" },
	{ FAILSLAB "ignore-gfp-wait", "N" },
	{ FAILSLAB "verbose", "0" },
	{ FAILSLAB "interval", "1" },
	{ FAILSLAB "space", "0" },
	{ FAILSLAB "times", "-1" },
};

bool failslab_is_there(void)
{
	return !access(FAILSLAB, F_OK) && !access(FAIL_NTH, F_OK);
}

static int read_setting(const char *path, char *buf, size_t size)
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

int failslab_start(struct failslab *fail)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		ret = read_setting(settings[i].path, fail->before[i],
				   sizeof(fail->before[i]));
		if (ret)
			return ret;
		if (write_string(settings[i].path, settings[i].value))
			return -EIO;
		fail->nr_settings++;
	}
	fail->fail_nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	return fail->fail_nth < 0 ? -errno : 0;
}

void failslab_end(struct failslab *fail)
{
	while (fail->nr_settings) {
		unsigned int i = --fail->nr_settings;

		write_string(settings[i].path, fail->before[i]);
	}
	if (fail->fail_nth > 0)
		close(fail->fail_nth);
	fail->fail_nth = 0;
}

int failslab_arm(const struct failslab *fail, unsigned int nth)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", nth);

	return pwrite(fail->fail_nth, buf, len, 0) == len ? 0 : -errno;
}

bool failslab_has_failed(const struct failslab *fail)
{
	char buf[16] = "";

	if (pread(fail->fail_nth, buf, sizeof(buf) - 1, 0) <= 0)
		return false;
	return atoi(buf) == 0;
}
