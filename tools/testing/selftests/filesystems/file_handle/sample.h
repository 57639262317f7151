/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests to rust_exportfs, the sample of a pseudo filesystem with signed file
 * handles.
 *
 * RUST_EXPORTFS_MODULE is the path of the module if it is not in /lib/modules.
 */
#ifndef __SELFTEST_FILE_HANDLE_SAMPLE_H
#define __SELFTEST_FILE_HANDLE_SAMPLE_H

#include "file_handle.h"
#include "../../../../../samples/rust/rust_exportfs.h"

#define MODULE		"rust_exportfs"
#define MODULE_FILE	"/lib/modules/" MODULE ".ko"
#define DEVICE		"/dev/" MODULE

static inline const char *module_file(void)
{
	return getenv("RUST_EXPORTFS_MODULE") ?: MODULE_FILE;
}

static inline int load_module(void)
{
	int fd = open(module_file(), O_RDONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (syscall(__NR_finit_module, fd, "", 0))
		ret = -errno;
	close(fd);
	/* On a real system, a udev rule does this. */
	if (!ret && chmod(DEVICE, 0666))
		ret = -errno;
	return ret;
}

/* Returns -EWOULDBLOCK while the module is in use. */
static inline int unload_module(void)
{
	return syscall(__NR_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

static inline int open_device(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline int make_object(int dev, const char *name, __u32 size)
{
	struct rust_exportfs_make arg = { .size = size };
	int fd;

	/* Without a NUL if @name fills the array: the kernel must check it. */
	memcpy(arg.name, name, strnlen(name, sizeof(arg.name)));
	fd = ioctl(dev, RUST_EXPORTFS_MAKE, &arg);
	return fd < 0 ? -errno : fd;
}

static inline int remove_object(int dev, const char *name)
{
	struct rust_exportfs_remove arg = {};

	memcpy(arg.name, name, strnlen(name, sizeof(arg.name)));
	return ioctl(dev, RUST_EXPORTFS_REMOVE, &arg) ? -errno : 0;
}

static inline int make_anchor(int dev)
{
	int fd = ioctl(dev, RUST_EXPORTFS_ANCHOR, 0);

	return fd < 0 ? -errno : fd;
}

static inline bool holds(int fd, const char *content)
{
	char buf[128] = {};
	ssize_t len = pread(fd, buf, sizeof(buf) - 1, 0);

	return len == (ssize_t)strlen(content) && !strcmp(buf, content);
}

#endif /* __SELFTEST_FILE_HANDLE_SAMPLE_H */
