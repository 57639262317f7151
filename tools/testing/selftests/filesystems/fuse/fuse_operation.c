// SPDX-License-Identifier: GPL-2.0
/* Operations of processes that wait for a server. */
#define _GNU_SOURCE
#include <sys/mount.h>

#include "fuse_operation.h"

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

bool wait_pending(int mount_fd, int nr)
{
	struct statx stx;
	int i;

	/* It may already be mounted. */
	mount("none", FUSE_CONNECTIONS, "fusectl", 0, NULL);
	if (statx(mount_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &stx))
		return false;
	for (i = 0; i < RETRIES; i++) {
		if (nr_waiting(stx.stx_dev_minor) == nr)
			return true;
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
