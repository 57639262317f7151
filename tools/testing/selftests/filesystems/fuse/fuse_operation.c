// SPDX-License-Identifier: GPL-2.0
/* Operations of processes that wait for a server. */
#define _GNU_SOURCE
#include <sys/mount.h>

#include "fuse_operation.h"

#define CONNECTIONS	"/sys/fs/fuse/connections"

pid_t begin_operation(struct server *s, operation_t *run, int fd)
{
	pid_t pid = fork();
	int ret;

	if (pid)
		return pid;
	die_with_parent();
	ret = run(s, fd);
	_exit(ret < 0 ? -ret : ret);
}

int end_operation(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int nr_pending(const char *path)
{
	FILE *file = fopen(path, "re");
	int nr;

	if (!file)
		return -errno;
	if (fscanf(file, "%d", &nr) != 1)
		nr = -EIO;
	fclose(file);
	return nr;
}

bool wait_pending(int mount_fd, int nr)
{
	struct statx stx;
	char path[64];
	int i, pending;

	/* It may already be mounted. */
	mount("none", CONNECTIONS, "fusectl", 0, NULL);
	if (statx(mount_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &stx))
		return false;
	snprintf(path, sizeof(path), CONNECTIONS "/%u/waiting", stx.stx_dev_minor);
	for (i = 0; i < RETRIES; i++) {
		pending = nr_pending(path);
		if (pending == nr)
			return true;
		if (pending < 0)
			break;
		usleep(1000);
	}
	return false;
}

bool wait_swallowed(struct server *s)
{
	int i;

	for (i = 0; i < RETRIES; i++) {
		if (__atomic_load_n(&s->swallowed, __ATOMIC_SEQ_CST))
			return true;
		usleep(1000);
	}
	return false;
}
