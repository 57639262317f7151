// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <sys/resource.h>

#include "ioctl.h"

unsigned int with_size(unsigned int request, unsigned int size)
{
	return _IOC(_IOC_DIR(request), _IOC_TYPE(request), _IOC_NR(request),
		    size);
}

int ask_number(int fd, unsigned int request, long arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int ask(int fd, unsigned int request, void *arg)
{
	return ask_number(fd, request, (long)arg);
}

struct ask_args {
	int fd;
	unsigned int request;
	void *arg;
};

static int ask_in_child(void *arg)
{
	const struct ask_args *args = arg;
	int ret = ask(args->fd, args->request, args->arg);

	/* An exit status has no room for descriptors and pids. */
	return ret < 0 ? ret : 0;
}

int ask_as(enum who who, __u64 flags, int fd, unsigned int request, void *arg)
{
	struct ask_args args = { .fd = fd, .request = request, .arg = arg };

	return run_as(who, flags, ask_in_child, &args);
}

int fill_fds(unsigned int spare)
{
	const struct rlimit limit = { .rlim_cur = 128, .rlim_max = 128 };
	int fd, last = -1;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	while ((fd = dup(0)) >= 0)
		last = fd;
	if (errno != EMFILE)
		return -errno;
	while (spare--)
		close(last--);
	return 0;
}

int walk(int start, unsigned int request, __u64 *ids, unsigned int *nr,
	 int *last)
{
	int fd = dup(start), next;

	for (*nr = 0; *nr < MNTNS_MAX;) {
		struct mnt_ns_info info = {};

		ids[(*nr)++] = ns_id(fd);
		next = ask(fd, request, &info);
		if (next == -ENOENT)
			break;
		if (next < 0)
			return next;
		close(fd);
		fd = next;
		if (info.mnt_ns_id != ns_id(fd) ||
		    ns_type(fd) != CLONE_NEWNS ||
		    ns_ino(fd) == MNT_NS_ANON_INO)
			return -EBADMSG;
	}
	if (*nr == MNTNS_MAX)
		return -E2BIG;
	if (last)
		*last = fd;
	else
		close(fd);
	return 0;
}

bool is_in(__u64 id, const __u64 *ids, unsigned int nr)
{
	while (nr) {
		if (ids[--nr] == id)
			return true;
	}
	return false;
}

int sys_listns(const struct ns_id_req *req, __u64 *ids, size_t nr)
{
	return syscall(__NR_listns, req, ids, nr, 0);
}
