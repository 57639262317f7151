// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "loop.h"

#define TRIES	20

static int attach(int image, const char *path)
{
	struct loop_config config = {
		.fd = image, .info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int fd, ret = -1;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* A device that is open for writing cannot be mounted everywhere. */
	if (!ioctl(fd, LOOP_CONFIGURE, &config))
		ret = open(path, O_RDONLY | O_CLOEXEC);
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int loop_attach(int image, char *path, size_t size)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int i, nr, ret = -ENODEV;

	if (control < 0)
		return -errno;
	for (i = 0; i < TRIES; i++) {
		nr = ioctl(control, LOOP_CTL_GET_FREE);
		if (nr < 0)
			break;
		snprintf(path, size, "/dev/loop%d", nr);
		ret = attach(image, path);
		/* Another process can take the device first. */
		if (ret != -EBUSY)
			break;
	}
	close(control);
	return ret;
}
