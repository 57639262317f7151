// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Encode a handle of a file, and open the file again by the handle.
 *
 * print_usage() describes the arguments and the exit status.
 *
 * Handles of pidfs and nsfs are only valid until the next boot. The same HANDLE
 * may then name another process: store /proc/sys/kernel/random/boot_id with it.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
/* Includes <linux/fcntl.h>, which conflicts with <fcntl.h>. */
#include <linux/pidfd.h>
#include "handle.h"

/* The fileid types for which "open" knows the filesystem. */
#define FILEID_NSFS		0xf1
#define FILEID_KERNFS		0xfe

/* The descriptor of the opened file in COMMAND. */
#define COMMAND_FD		3

enum exit_status {
	EXIT_ERROR		= 1,
	EXIT_USAGE		= 2,
	EXIT_STALE		= 3,
	EXIT_PERMISSION		= 4,
	EXIT_UNSUPPORTED	= 5,
	/* With COMMAND, as env(1): */
	EXIT_FAILURE_OF_FHANDLE	= 125,
	EXIT_CANNOT_INVOKE	= 126,
	EXIT_NOT_FOUND		= 127,
};

static const struct ns_type {
	const char *name;
	unsigned long request;
} ns_types[] = {
	{ "cgroup",		PIDFD_GET_CGROUP_NAMESPACE },
	{ "ipc",		PIDFD_GET_IPC_NAMESPACE },
	{ "mnt",		PIDFD_GET_MNT_NAMESPACE },
	{ "net",		PIDFD_GET_NET_NAMESPACE },
	{ "pid",		PIDFD_GET_PID_NAMESPACE },
	{ "pid_for_children",	PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE },
	{ "time",		PIDFD_GET_TIME_NAMESPACE },
	{ "time_for_children",	PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE },
	{ "user",		PIDFD_GET_USER_NAMESPACE },
	{ "uts",		PIDFD_GET_UTS_NAMESPACE },
	{},
};

static const struct signal_name {
	const char *name;
	int number;
} signal_names[] = {
#define SIGNAL(name) { #name, SIG##name }
	SIGNAL(HUP), SIGNAL(INT), SIGNAL(QUIT), SIGNAL(ILL), SIGNAL(TRAP),
	SIGNAL(ABRT), SIGNAL(BUS), SIGNAL(FPE), SIGNAL(KILL), SIGNAL(USR1),
	SIGNAL(SEGV), SIGNAL(USR2), SIGNAL(PIPE), SIGNAL(ALRM), SIGNAL(TERM),
	SIGNAL(CHLD), SIGNAL(CONT), SIGNAL(STOP), SIGNAL(TSTP), SIGNAL(TTIN),
	SIGNAL(TTOU), SIGNAL(URG), SIGNAL(XCPU), SIGNAL(XFSZ), SIGNAL(VTALRM),
	SIGNAL(PROF), SIGNAL(WINCH), SIGNAL(IO), SIGNAL(PWR), SIGNAL(SYS),
#undef SIGNAL
	{},
};

/* With a COMMAND, the exit status of each failure of fhandle itself. */
static bool has_command;

static void print_usage(FILE *out)
{
	fputs("usage: fhandle encode [--json] [--no-follow] PATH | pid:PID | ns:TYPE[:PID]\n"
	      "       fhandle open [--json] [--mount PATH|pidfs|nsfs] [--signal SIGNAL]\n"
	      "                    HANDLE [-- COMMAND [ARGUMENT...]]\n"
	      "\n"
	      "encode prints the handle and the 64-bit mount ID of a file, a process or a\n"
	      "namespace. It follows symbolic links; --no-follow encodes a link itself.\n"
	      "\n"
	      "open opens the file of a HANDLE, as encode prints it (fe:0a00000000000000),\n"
	      "and prints its device, inode number and, for a process, pid. A handle of\n"
	      "another filesystem than pidfs and nsfs requires --mount with any file on the\n"
	      "mount. --signal sends a signal to a process, by name or number. COMMAND\n"
	      "inherits the file as descriptor 3; its number is in $FHANDLE_FD.\n"
	      "\n"
	      "--json prints one JSON object. Integers of 64 bits are strings.\n"
	      "\n"
	      "Exit status without COMMAND:\n"
	      "  0  success\n"
	      "  1  any other error\n"
	      "  2  wrong usage\n"
	      "  3  the handle is stale (ESTALE)\n"
	      "  4  the caller may not open it or reach the file (EPERM, EACCES)\n"
	      "  5  the filesystem does not support handles (EOPNOTSUPP)\n"
	      "With COMMAND, that of COMMAND, or:\n"
	      "  125  fhandle fails, for any of the reasons above\n"
	      "  126  COMMAND cannot be invoked\n"
	      "  127  COMMAND is not found\n", out);
}

static void wrong_usage(const char *why, const char *argument)
{
	fprintf(stderr, "fhandle: %s%s%s\n", argument ?: "", argument ? ": " : "", why);
	fputs("Try 'fhandle --help'.\n", stderr);
	exit(has_command ? EXIT_FAILURE_OF_FHANDLE : EXIT_USAGE);
}

/* Print what failed for which object, and exit with the status of the error. */
static void fail(const char *object, const char *what)
{
	int error = errno;

	fprintf(stderr, "fhandle: %s: %s: %s (%s)\n", object, what, strerror(error),
		error_name(error));
	if (has_command)
		exit(EXIT_FAILURE_OF_FHANDLE);
	switch (error) {
	case ESTALE:
		exit(EXIT_STALE);
	case EPERM:
	case EACCES:
		exit(EXIT_PERMISSION);
	case EOPNOTSUPP:
		exit(EXIT_UNSUPPORTED);
	default:
		exit(EXIT_ERROR);
	}
}

/* Returns the number, or -1 if the text is no number from 0 to @max. */
static long parse_number(const char *text, long max)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < 0 || number > max)
		return -1;
	return number;
}

static pid_t parse_pid(const char *text, const char *object)
{
	long pid = parse_number(text, INT32_MAX);

	if (pid <= 0)
		wrong_usage("not the number of a process", object);
	return pid;
}

/* A name with or without SIG, or a number. Signal 0 only checks permission. */
static int parse_signal(const char *text)
{
	const char *name = strncasecmp(text, "SIG", 3) ? text : text + 3;
	const long number = parse_number(text, _NSIG - 1);

	if (number >= 0)
		return number;
	for (const struct signal_name *s = signal_names; s->name; s++)
		if (!strcasecmp(s->name, name))
			return s->number;
	wrong_usage("no such signal", text);
	return -1;
}

static int open_pid(pid_t pid, const char *object)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	/* The thread is not a thread-group leader. */
	if (fd < 0 && (errno == EINVAL || errno == ENOENT))
		fd = syscall(SYS_pidfd_open, pid, PIDFD_THREAD);
	if (fd < 0)
		fail(object, "pidfd_open");
	return fd;
}

/* ns:TYPE or ns:TYPE:PID */
static int open_namespace(const char *object)
{
	const char *name = object + strlen("ns:");
	const char *colon = strchrnul(name, ':');
	const struct ns_type *type;
	pid_t pid = getpid();
	int pidfd, fd;

	if (*colon)
		pid = parse_pid(colon + 1, object);

	for (type = ns_types; type->name; type++) {
		if (strlen(type->name) != (size_t)(colon - name) ||
		    strncmp(type->name, name, colon - name))
			continue;
		pidfd = open_pid(pid, object);
		fd = ioctl(pidfd, type->request, 0);
		if (fd < 0)
			fail(object, "ioctl on the pidfd");
		close(pidfd);
		return fd;
	}
	wrong_usage("no such type of namespace", object);
	return -1;
}

/* The file for name_to_handle_at(): a descriptor, or -1 and a path. */
static int open_object(const char *object)
{
	if (!strncmp(object, "pid:", 4))
		return open_pid(parse_pid(object + 4, object), object);
	if (!strncmp(object, "ns:", 3))
		return open_namespace(object);
	return -1;
}

/* Fail if the output is incomplete. */
static int end_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		fail("standard output", "write");
	return 0;
}

static int encode(const char *object, bool follow, bool json)
{
	char text[HANDLE_TEXT_SIZE];
	struct handle handle;
	__u64 mount_id;
	int fd = open_object(object), ret;

	if (fd >= 0)
		ret = handle_encode(fd, "", AT_EMPTY_PATH, &handle, &mount_id);
	else
		ret = handle_encode(AT_FDCWD, object, follow ? AT_SYMLINK_FOLLOW : 0,
				    &handle, &mount_id);
	if (ret)
		fail(object, "name_to_handle_at");

	handle_to_text(&handle, text);
	if (json) {
		printf("{\"mount_id\": \"%llu\", ", (unsigned long long)mount_id);
		printf("\"type\": %d, \"length\": %u, ", handle.type, handle.bytes);
		printf("\"handle\": \"%s\"}\n", text);
	} else {
		printf("mount %llu\ntype %#x\nlength %u\nhandle %s\n",
		       (unsigned long long)mount_id, handle.type, handle.bytes, text);
	}
	return end_output();
}

static int open_mount(const char *mount, const struct handle *handle)
{
	int fd;

	if (!mount && (handle->type & 0xffff) == FILEID_KERNFS)
		mount = "pidfs";
	if (!mount && (handle->type & 0xffff) == FILEID_NSFS)
		mount = "nsfs";
	if (!mount)
		wrong_usage("this type of handle requires --mount", NULL);
	if (!strcmp(mount, "pidfs"))
		return FD_PIDFS_ROOT;
	if (!strcmp(mount, "nsfs"))
		return FD_NSFS_ROOT;
	/* O_NONBLOCK: a FIFO is a file on the mount as well. */
	fd = syscall(SYS_openat, AT_FDCWD, mount, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fail(mount, "open");
	return fd;
}

static void run_command(int fd, char **command)
{
	char text[12];
	int error;

	/* dup2() clears FD_CLOEXEC, but not if both descriptors are the same. */
	fd = dup(fd);
	if (fd < 0 || dup2(fd, COMMAND_FD) < 0)
		fail(command[0], "dup2");
	if (fd != COMMAND_FD)
		close(fd);
	snprintf(text, sizeof(text), "%d", COMMAND_FD);
	setenv("FHANDLE_FD", text, 1);
	execvp(command[0], command);
	error = errno;
	fprintf(stderr, "fhandle: %s: exec: %s (%s)\n", command[0], strerror(error),
		error_name(error));
	exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_INVOKE);
}

static void print_file(int fd, const char *object, bool json)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_PID };
	struct stat st;

	if (fstat(fd, &st))
		fail(object, "fstat");
	printf(json ? "{\"dev\": \"%u:%u\", \"ino\": \"%ju\"" :
		      "dev %u:%u\nino %ju\n",
	       major(st.st_dev), minor(st.st_dev), (uintmax_t)st.st_ino);
	if (!ioctl(fd, PIDFD_GET_INFO, &info) && info.mask & PIDFD_INFO_PID)
		printf(json ? ", \"pid\": %u" : "pid %u\n", info.pid);
	if (json)
		puts("}");
}

static int open_object_by_handle(const char *text, const char *mount, int signal,
				 char **command, bool json)
{
	struct handle handle;
	int fd;

	if (!handle_from_text(&handle, text))
		wrong_usage("a HANDLE is TYPE:BYTES, both in hexadecimal", text);
	/* Do not wait for a writer of a FIFO, unless COMMAND is to read from it. */
	fd = handle_open(open_mount(mount, &handle), &handle,
			 O_RDONLY | O_CLOEXEC | O_LARGEFILE | (command ? 0 : O_NONBLOCK));
	if (fd < 0)
		fail(text, "open_by_handle_at");
	if (signal >= 0 && syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0))
		fail(text, "pidfd_send_signal");
	if (command)
		run_command(fd, command);
	print_file(fd, text, json);
	return end_output();
}

int main(int argc, char **argv)
{
	const char *object = NULL, *mount = NULL;
	bool json = false, follow = true, opens;
	char **command = NULL;
	int signal = -1;

	if (argc < 2)
		wrong_usage("the first argument is encode or open", NULL);
	opens = !strcmp(argv[1], "open");
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			print_usage(stdout);
			return end_output();
		}
		has_command = opens && i + 2 < argc && !strcmp(argv[i + 1], "--");
	}
	if (!opens && strcmp(argv[1], "encode"))
		wrong_usage("the first argument is encode or open", argv[1]);

	for (int i = 2; i < argc && !command; i++) {
		if (!strcmp(argv[i], "--json"))
			json = true;
		else if (!opens && !strcmp(argv[i], "--no-follow"))
			follow = false;
		else if (opens && !strcmp(argv[i], "--mount") && i + 1 < argc)
			mount = argv[++i];
		else if (opens && !strcmp(argv[i], "--signal") && i + 1 < argc)
			signal = parse_signal(argv[++i]);
		else if (opens && !strcmp(argv[i], "--") && i + 1 < argc)
			command = argv + i + 1;
		else if (!object && argv[i][0] != '-')
			object = argv[i];
		else
			wrong_usage("wrong argument", argv[i]);
	}
	if (!object)
		wrong_usage(opens ? "open requires a HANDLE" : "encode requires an object", NULL);
	return opens ? open_object_by_handle(object, mount, signal, command, json) :
		       encode(object, follow, json);
}
