// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A service manager that finds its service again by file handles.
 *
 * "start" runs a service in its own UTS namespace. It stores file handles of
 * the process and of the namespace, and executes itself again, as a manager
 * does when it is upgraded: all descriptors are closed, and only the stored
 * handles are left. "stop" and "enter" read them in yet another process.
 *
 * A number of a process or a namespace may be reused. A handle is not, within
 * one boot. After a reboot, the same bytes may name another process, which the
 * manager would then signal. So the boot ID is stored with the handles.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "handle.h"

#ifndef P_PIDFD
#define P_PIDFD			3
#endif

#define BOOT_ID_SIZE		37	/* with the final NUL */

enum exit_status {
	EXIT_ERROR		= 1,
	EXIT_USAGE		= 2,
	EXIT_GONE		= 3,	/* The service has exited and was reaped. */
	EXIT_REBOOTED		= 4,	/* The handles are those of another boot. */
};

/* A handle, and the 64-bit ID of its mount. */
struct reference {
	__u64 mount_id;
	struct handle handle;
};

struct state {
	char boot_id[BOOT_ID_SIZE];
	struct reference process;
	struct reference namespace;
};

static void print_usage(FILE *out)
{
	fputs("usage: service-manager start STATE COMMAND [ARGUMENT...]\n"
	      "       service-manager stop STATE\n"
	      "       service-manager enter STATE COMMAND [ARGUMENT...]\n"
	      "\n"
	      "start runs COMMAND as a service and waits for it. STATE is the file that stores\n"
	      "its handles. stop sends SIGTERM and waits until the service has exited. enter\n"
	      "runs COMMAND in the UTS namespace of the service. start and enter require\n"
	      "CAP_SYS_ADMIN.\n"
	      "\n"
	      "Exit status: 0 or that of COMMAND; 3 if the service is gone; 4 if the system\n"
	      "has been rebooted since start; 2 for wrong usage; 1 for any other error.\n", out);
}

static void read_boot_id(char boot_id[BOOT_ID_SIZE])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || fscanf(file, "%36s", boot_id) != 1)
		err(EXIT_ERROR, "boot_id");
	fclose(file);
}

static void print_reference(FILE *file, const struct reference *ref)
{
	char text[HANDLE_TEXT_SIZE];

	fprintf(file, "%llu %s\n", (unsigned long long)ref->mount_id,
		handle_to_text(&ref->handle, text));
}

static bool scan_reference(FILE *file, struct reference *ref)
{
	unsigned long long mount_id;
	char text[HANDLE_TEXT_SIZE];

	if (fscanf(file, "%llu %265s", &mount_id, text) != 2)
		return false;
	ref->mount_id = mount_id;
	return handle_from_text(&ref->handle, text);
}

/* Replace the file at once: a reader never sees half a state. */
static void store(const char *path, const struct state *state)
{
	char *temporary;
	FILE *file;

	if (asprintf(&temporary, "%s.new", path) < 0)
		err(EXIT_ERROR, NULL);
	file = fopen(temporary, "we");
	if (!file)
		err(EXIT_ERROR, "%s", temporary);
	fprintf(file, "%s\n", state->boot_id);
	print_reference(file, &state->process);
	print_reference(file, &state->namespace);
	if (fflush(file) || fsync(fileno(file)) || fclose(file) || rename(temporary, path))
		err(EXIT_ERROR, "%s", path);
	free(temporary);
}

static void load(const char *path, struct state *state)
{
	char boot_id[BOOT_ID_SIZE];
	FILE *file = fopen(path, "re");

	if (!file)
		err(EXIT_ERROR, "%s", path);
	if (fscanf(file, "%36s", state->boot_id) != 1 ||
	    !scan_reference(file, &state->process) || !scan_reference(file, &state->namespace))
		errx(EXIT_ERROR, "%s: not a state of service-manager", path);
	fclose(file);

	read_boot_id(boot_id);
	if (strcmp(boot_id, state->boot_id))
		errx(EXIT_REBOOTED, "%s: stored before a reboot", path);
}

/* Open a file of pidfs or nsfs by its handle. */
static int reopen(int root, const struct reference *ref, const char *what)
{
	struct reference now;
	int fd = handle_open(root, &ref->handle, O_RDONLY | O_CLOEXEC);

	/* Gone, or not visible to this process: ESTALE does not say which. */
	if (fd < 0 && errno == ESTALE)
		errx(EXIT_GONE, "%s: gone (ESTALE)", what);
	if (fd < 0)
		err(EXIT_ERROR, "%s: open_by_handle_at", what);

	/* The file must have the handle and the mount ID that were stored. */
	if (handle_encode(fd, "", AT_EMPTY_PATH, &now.handle, &now.mount_id))
		err(EXIT_ERROR, "%s: name_to_handle_at", what);
	if (now.mount_id != ref->mount_id || !handle_equal(&now.handle, &ref->handle))
		errx(EXIT_ERROR, "%s: the handle names another file", what);
	return fd;
}

static int reopen_process(const struct state *state)
{
	return reopen(FD_PIDFS_ROOT, &state->process, "service");
}

static void encode_process(pid_t pid, struct reference *ref)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0 || handle_encode(pidfd, "", AT_EMPTY_PATH, &ref->handle, &ref->mount_id))
		err(EXIT_ERROR, "handle of process %d", pid);
	close(pidfd);
}

static void encode_namespace(pid_t pid, struct reference *ref)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/uts", pid);
	if (handle_encode(AT_FDCWD, path, AT_SYMLINK_FOLLOW, &ref->handle, &ref->mount_id))
		err(EXIT_ERROR, "%s", path);
}

static void run(char **command)
{
	execvp(command[0], command);
	err(EXIT_ERROR, "%s", command[0]);
}

/* The service waits until it is stored: no manager can lose it. */
static void run_service(int manager, char **command)
{
	char go;

	if (unshare(CLONE_NEWUTS))
		err(EXIT_ERROR, "unshare");
	if (write(manager, "r", 1) != 1 || read(manager, &go, 1) != 1)
		exit(EXIT_ERROR);
	run(command);
}

static void start(const char *path, char **argv)
{
	struct state state = {};
	int ends[2];
	char ready;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		err(EXIT_ERROR, "socketpair");
	pid = fork();
	if (pid < 0)
		err(EXIT_ERROR, "fork");
	if (!pid) {
		close(ends[0]);
		run_service(ends[1], argv + 3);
	}
	close(ends[1]);
	if (read(ends[0], &ready, 1) != 1)
		exit(EXIT_ERROR);

	/* The child has not been reaped, so the number is still its own. */
	read_boot_id(state.boot_id);
	encode_process(pid, &state.process);
	encode_namespace(pid, &state.namespace);
	store(path, &state);
	if (write(ends[0], "g", 1) != 1)
		err(EXIT_ERROR, "write");

	/* Nothing but the state survives. The child stays the child of this process. */
	execl("/proc/self/exe", argv[0], "resume", path, NULL);
	err(EXIT_ERROR, "exec");
}

/* The manager after it has executed itself: reap the service. */
static int resume(const char *path)
{
	siginfo_t info = {};
	struct state state;
	int pidfd;

	load(path, &state);
	pidfd = reopen_process(&state);
	if (waitid(P_PIDFD, pidfd, &info, WEXITED))
		err(EXIT_ERROR, "waitid");
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

/* Another process than the parent: it cannot reap, but it can wait. */
static int stop(const char *path)
{
	struct pollfd pollfd = { .events = POLLIN };
	struct state state;

	load(path, &state);
	pollfd.fd = reopen_process(&state);
	if (syscall(SYS_pidfd_send_signal, pollfd.fd, SIGTERM, NULL, 0))
		err(errno == ESRCH ? EXIT_GONE : EXIT_ERROR, "pidfd_send_signal");
	if (poll(&pollfd, 1, -1) < 0)
		err(EXIT_ERROR, "poll");
	return 0;
}

/* A namespace lives as long as it is used: a handle does not keep it. */
static void enter(const char *path, char **command)
{
	struct state state;

	load(path, &state);
	if (setns(reopen(FD_NSFS_ROOT, &state.namespace, "namespace"), CLONE_NEWUTS))
		err(EXIT_ERROR, "setns");
	run(command);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "--help")) {
		print_usage(stdout);
		return fflush(stdout) ? EXIT_ERROR : 0;
	}
	if (!strcmp(verb, "start") && argc > 3)
		start(argv[2], argv);
	if (!strcmp(verb, "resume") && argc == 3)
		return resume(argv[2]);
	if (!strcmp(verb, "stop") && argc == 3)
		return stop(argv[2]);
	if (!strcmp(verb, "enter") && argc > 3)
		enter(argv[2], argv + 3);
	print_usage(stderr);
	return EXIT_USAGE;
}
