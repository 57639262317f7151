// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Encode a handle of a file, and open the file again by the handle.
 *
 *   fhandle encode [--json] PATH | pid:PID | ns:TYPE[:PID]
 *   fhandle open [--json] HANDLE [--mount PATH|pidfs|nsfs] [--signal NUMBER]
 *                [-- COMMAND [ARGUMENT...]]
 *
 * A HANDLE is the type and the bytes of a handle in hexadecimal, separated by a
 * colon, as "encode" prints it: fe:0a00000000000000. Handles of pidfs and nsfs
 * are only valid until the next boot. The same HANDLE may then name another
 * process: store /proc/sys/kernel/random/boot_id with it.
 *
 * The exit status is 0 or that of COMMAND. It is 2 for wrong usage, 3 if the
 * handle is stale, 4 if the caller may not open it or reach the file, 5 if the
 * filesystem does not support handles, and 1 for any other error.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
/* Includes <linux/fcntl.h>, which conflicts with <fcntl.h>. */
#include <linux/pidfd.h>

/* The fileid types for which "open" knows the filesystem. */
#define FILEID_NSFS		0xf1
#define FILEID_KERNFS		0xfe

/* The descriptor of the opened file in COMMAND. */
#define COMMAND_FD		3

/* MAX_HANDLE_SZ of this kernel; a later one may have a larger value. */
#define HANDLE_BYTES_MAX	128

enum exit_status {
	EXIT_ERROR		= 1,
	EXIT_USAGE		= 2,
	EXIT_STALE		= 3,
	EXIT_PERMISSION		= 4,
	EXIT_UNSUPPORTED	= 5,
};

struct handle {
	unsigned int bytes;
	int type;
	unsigned char data[HANDLE_BYTES_MAX];
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

static void wrong_usage(const char *why)
{
	if (why)
		fprintf(stderr, "fhandle: %s\n", why);
	fprintf(stderr,
		"usage: fhandle encode [--json] PATH | pid:PID | ns:TYPE[:PID]\n"
		"       fhandle open [--json] HANDLE [--mount PATH|pidfs|nsfs] [--signal NUMBER]\n"
		"                    [-- COMMAND [ARGUMENT...]]\n");
	exit(EXIT_USAGE);
}

/* Print the error and its symbolic name, and exit with its status. */
static void fail(const char *what)
{
	int error = errno;

	fprintf(stderr, "fhandle: %s: %s (%s)\n", what, strerror(error),
		strerrorname_np(error) ?: "unknown error");
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

static long parse_number(const char *text, const char *why)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number <= 0 || number > INT32_MAX)
		wrong_usage(why);
	return number;
}

static int open_pid(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	/* The thread is not a thread-group leader. */
	if (fd < 0 && (errno == EINVAL || errno == ENOENT))
		fd = syscall(SYS_pidfd_open, pid, PIDFD_THREAD);
	if (fd < 0)
		fail("pidfd_open");
	return fd;
}

/* TYPE or TYPE:PID */
static int open_namespace(const char *spec)
{
	const char *colon = strchrnul(spec, ':');
	const struct ns_type *type;
	pid_t pid = getpid();
	int pidfd, fd;

	if (*colon)
		pid = parse_number(colon + 1, "ns:TYPE:PID wants the number of a process");

	for (type = ns_types; type->name; type++) {
		if (strlen(type->name) != (size_t)(colon - spec) ||
		    strncmp(type->name, spec, colon - spec))
			continue;
		pidfd = open_pid(pid);
		fd = ioctl(pidfd, type->request, 0);
		if (fd < 0)
			fail("ioctl on the pidfd");
		close(pidfd);
		return fd;
	}
	wrong_usage("no such type of namespace");
	return -1;
}

/* The file for name_to_handle_at(): a descriptor, or -1 and a path. */
static int open_object(const char *object)
{
	if (!strncmp(object, "pid:", 4))
		return open_pid(parse_number(object + 4, "pid:PID wants the number of a process"));
	if (!strncmp(object, "ns:", 3))
		return open_namespace(object + 3);
	return -1;
}

/* Fail if the output is incomplete. */
static int end_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		fail("standard output");
	return 0;
}

static void print_handle(const struct handle *handle)
{
	printf("%x:", handle->type);
	for (unsigned int i = 0; i < handle->bytes; i++)
		printf("%02x", handle->data[i]);
}

static int encode(const char *object, bool json)
{
	struct handle handle = { .bytes = HANDLE_BYTES_MAX };
	int fd = open_object(object);
	__u64 mount_id;
	long ret;

	if (fd >= 0)
		ret = syscall(SYS_name_to_handle_at, fd, "", &handle, &mount_id,
			      AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE);
	else
		ret = syscall(SYS_name_to_handle_at, AT_FDCWD, object, &handle, &mount_id,
			      AT_HANDLE_MNT_ID_UNIQUE);
	if (ret < 0)
		fail("name_to_handle_at");

	printf(json ? "{\"mount_id\": %ju, \"type\": %d, \"length\": %u, \"handle\": \"" :
		      "mount %ju\ntype %#x\nlength %u\nhandle ",
	       (uintmax_t)mount_id, handle.type, handle.bytes);
	print_handle(&handle);
	puts(json ? "\"}" : "");
	return end_output();
}

static int hex_digit(char c)
{
	if (!isxdigit((unsigned char)c))
		wrong_usage("a HANDLE is TYPE:BYTES, both in hexadecimal");
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static struct handle parse_handle(const char *text)
{
	struct handle handle = {};
	unsigned long type;
	char *end;

	if (!isxdigit((unsigned char)*text))
		wrong_usage("a HANDLE is TYPE:BYTES, both in hexadecimal");
	errno = 0;
	type = strtoul(text, &end, 16);
	if (errno || *end != ':' || type > INT32_MAX)
		wrong_usage("a HANDLE is TYPE:BYTES, both in hexadecimal");
	handle.type = type;
	for (text = end + 1; *text; text += 2) {
		if (handle.bytes == HANDLE_BYTES_MAX)
			wrong_usage("the HANDLE is too long");
		handle.data[handle.bytes] = hex_digit(text[0]) << 4;
		handle.data[handle.bytes++] |= hex_digit(text[1]);
	}
	return handle;
}

static int open_mount(const char *mount, const struct handle *handle)
{
	int fd;

	if (!mount && (handle->type & 0xffff) == FILEID_KERNFS)
		mount = "pidfs";
	if (!mount && (handle->type & 0xffff) == FILEID_NSFS)
		mount = "nsfs";
	if (!mount)
		wrong_usage("this type of handle needs --mount");
	if (!strcmp(mount, "pidfs"))
		return FD_PIDFS_ROOT;
	if (!strcmp(mount, "nsfs"))
		return FD_NSFS_ROOT;
	fd = syscall(SYS_openat, AT_FDCWD, mount, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(mount);
	return fd;
}

static void run_command(int fd, char **command)
{
	char text[12];

	/* dup2() clears FD_CLOEXEC, but not if both descriptors are the same. */
	fd = dup(fd);
	if (fd < 0 || dup2(fd, COMMAND_FD) < 0)
		fail("dup2");
	if (fd != COMMAND_FD)
		close(fd);
	snprintf(text, sizeof(text), "%d", COMMAND_FD);
	setenv("FHANDLE_FD", text, 1);
	execvp(command[0], command);
	fail(command[0]);
}

static void print_file(int fd, bool json)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_PID };
	struct stat st;

	if (fstat(fd, &st))
		fail("fstat");
	printf(json ? "{\"dev\": \"%u:%u\", \"ino\": %ju" : "dev %u:%u\nino %ju\n",
	       major(st.st_dev), minor(st.st_dev), (uintmax_t)st.st_ino);
	if (!ioctl(fd, PIDFD_GET_INFO, &info) && info.mask & PIDFD_INFO_PID)
		printf(json ? ", \"pid\": %u" : "pid %u\n", info.pid);
	if (json)
		puts("}");
}

static int open_handle(const char *text, const char *mount, int signal, char **command, bool json)
{
	struct handle handle = parse_handle(text);
	int mount_fd = open_mount(mount, &handle);
	int fd = syscall(SYS_open_by_handle_at, mount_fd, &handle,
			 O_RDONLY | O_CLOEXEC | O_LARGEFILE);

	if (fd < 0)
		fail("open_by_handle_at");
	if (signal && syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0))
		fail("pidfd_send_signal");
	if (command)
		run_command(fd, command);
	print_file(fd, json);
	return end_output();
}

int main(int argc, char **argv)
{
	const char *object = NULL, *mount = NULL;
	bool json = false, opens;
	char **command = NULL;
	int signal = 0;

	if (argc < 2)
		wrong_usage(NULL);
	opens = !strcmp(argv[1], "open");
	if (!opens && strcmp(argv[1], "encode"))
		wrong_usage("the first argument is encode or open");

	for (int i = 2; i < argc && !command; i++) {
		if (!strcmp(argv[i], "--json"))
			json = true;
		else if (opens && !strcmp(argv[i], "--mount") && i + 1 < argc)
			mount = argv[++i];
		else if (opens && !strcmp(argv[i], "--signal") && i + 1 < argc)
			signal = parse_number(argv[++i], "--signal wants the number of a signal");
		else if (opens && !strcmp(argv[i], "--") && i + 1 < argc)
			command = argv + i + 1;
		else if (!object && argv[i][0] != '-')
			object = argv[i];
		else
			wrong_usage("wrong argument");
	}
	if (!object)
		wrong_usage(opens ? "open wants a HANDLE" : "encode wants an object");
	return opens ? open_handle(object, mount, signal, command, json) : encode(object, json);
}
