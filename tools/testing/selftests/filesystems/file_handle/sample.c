// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <grp.h>

#include "sample.h"

const char *module_file(void)
{
	return getenv("RUST_EXPORTFS_MODULE") ?: MODULE_FILE;
}

int load_module(void)
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

int unload_module(void)
{
	return syscall(__NR_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

int open_device(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int make_object(int dev, const char *name, __u32 size)
{
	struct rust_exportfs_make arg = { .size = size };
	size_t len = strlen(name);
	int fd;

	/* Without a NUL if @name fills the array: the kernel must check it. */
	memcpy(arg.name, name, len < sizeof(arg.name) ? len : sizeof(arg.name));
	fd = ioctl(dev, RUST_EXPORTFS_MAKE, &arg);
	return fd < 0 ? -errno : fd;
}

int remove_object(int dev, const char *name)
{
	struct rust_exportfs_remove arg = {};
	size_t len = strlen(name);

	memcpy(arg.name, name, len < sizeof(arg.name) ? len : sizeof(arg.name));
	return ioctl(dev, RUST_EXPORTFS_REMOVE, &arg) ? -errno : 0;
}

int make_anchor(int dev)
{
	int fd = ioctl(dev, RUST_EXPORTFS_ANCHOR, 0);

	return fd < 0 ? -errno : fd;
}

int make_handle(int dev, const char *name, const char *content,
		struct handle *fh)
{
	ssize_t len = strlen(content);
	int fd = make_object(dev, name, 4096), ret;

	if (fd < 0)
		return fd;
	ret = write(fd, content, len) == len ? encode(fd, fh) : -errno;
	close(fd);
	return ret;
}

int act_as(uid_t uid)
{
	if (seteuid(0) || seteuid(uid))
		return -errno;
	return 0;
}

int become(uid_t uid)
{
	if (seteuid(0) || setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		return -errno;
	return 0;
}

int decode_as_uid(uid_t uid, int anchor, const struct handle *fh)
{
	pid_t pid = fork();
	int fd;

	if (!pid) {
		fd = become(uid);
		if (!fd)
			fd = decode(anchor, fh, O_RDWR);
		_exit(fd < 0 ? -fd : FOUND);
	}
	return wait_status(pid, -EINTR);
}

bool holds(int fd, const char *content)
{
	char buf[128] = {};
	ssize_t len = pread(fd, buf, sizeof(buf) - 1, 0);

	return len == (ssize_t)strlen(content) && !strcmp(buf, content);
}

const char *sample_missing(void)
{
	if (!is_root())
		return "needs root to load the module " MODULE;
	if (access(module_file(), R_OK))
		return "needs " MODULE_FILE " (CONFIG_SAMPLE_RUST_EXPORTFS=m)";
	if (access("/proc/self/fd", X_OK))
		return NEEDS_PROCFS;
	return NULL;
}
