// SPDX-License-Identifier: GPL-2.0
/* A mount of the sample server passthrough_handle. */
#define _GNU_SOURCE
#include <sys/mount.h>

#include "fuse_server.h"
#include "passthrough_mount.h"

const char *passthrough_missing(void)
{
	const char *reason = fuse_missing();

	if (!reason && access("./passthrough_handle", X_OK))
		reason = "needs passthrough_handle in the current directory";
	return reason;
}

int passthrough_directories(void)
{
	int err = private_mounts();

	if (err)
		return err;
	if (mount("passthrough", "/tmp", "tmpfs", 0, NULL) ||
	    mkdir(LOWER, 0755) || mkdir(MNT, 0755))
		return -errno;
	return 0;
}

pid_t passthrough_run(char * const arguments[])
{
	char *argv[8] = { "passthrough_handle" };
	unsigned int i;
	pid_t pid;

	for (i = 0; arguments[i] && i + 2 < ARRAY_SIZE(argv); i++)
		argv[i + 1] = arguments[i];
	pid = fork();
	if (pid)
		return pid;
	die_with_parent();
	execv("./passthrough_handle", argv);
	_exit(127);
}

pid_t passthrough_mount(const char *option)
{
	char * const arguments[] = { (char *)option, LOWER, MNT, NULL };
	struct stat lower, mounted;
	pid_t pid;
	int i;

	if (stat(MNT, &lower))
		return -errno;
	pid = passthrough_run(arguments + !option);
	for (i = 0; pid > 0 && i < RETRIES; i++) {
		if (!stat(MNT, &mounted) && mounted.st_dev != lower.st_dev)
			return pid;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

int exit_status(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}
