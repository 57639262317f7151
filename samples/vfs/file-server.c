// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The core of a file server: names files by handles, and opens them by handle.
 *
 * The server has no table of files. A handle is all that a client keeps and all
 * that the server requires, so handles stay valid when the server restarts.
 *
 * print_usage() describes the protocol. Replies are "ok ..." or "error NAME".
 *
 * A handle on the wire is MOUNT:TYPE:BYTES. The 64-bit mount ID tells handles
 * of this export from those of another mount, or of one that was here before.
 * It is valid until the next boot. A server whose handles have to survive an
 * umount or a reboot uses an ID of the filesystem instead (FS_IOC_GETFSUUID).
 *
 * Clients can send any bytes. Handles bypass the permissions of directories, so
 * without further checks a client can open each file of the filesystem. The
 * server therefore uses connectable handles, which the kernel only decodes below
 * the exported directory. It warns if the filesystem does not support them.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "handle.h"

/* Bits of the type of a handle, above the fileid type of the filesystem. */
#define FILEID_IS_CONNECTABLE	0x10000

#define WIRE_SIZE		(20 + 1 + HANDLE_TEXT_SIZE)

/* A file as clients name it. */
struct name {
	__u64 mount_id;
	struct handle handle;
};

static struct export {
	int fd;
	__u64 mount_id;
	int flags;	/* AT_HANDLE_CONNECTABLE if the filesystem supports it */
} export;

static void print_usage(FILE *out)
{
	fputs("usage: file-server DIRECTORY\n"
	      "\n"
	      "Serves the files below DIRECTORY. Requests and replies are lines of the\n"
	      "standard input and output:\n"
	      "  root                 the HANDLE of DIRECTORY\n"
	      "  lookup HANDLE NAME   the HANDLE of the file NAME in a directory\n"
	      "  stat HANDLE          the type, the size and the inode number\n"
	      "  read HANDLE          the number of bytes that follow, then the content\n"
	      "A reply begins with \"ok\", or is \"error\" and the name of the error.\n"
	      "ESTALE means that the client has to look up the file again.\n"
	      "The server requires CAP_DAC_READ_SEARCH.\n", out);
}

static void export_directory(const char *path)
{
	struct handle handle;

	export.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (export.fd < 0)
		err(1, "%s", path);
	export.flags = AT_HANDLE_CONNECTABLE;
	if (!handle_encode(export.fd, ".", export.flags, &handle, &export.mount_id))
		return;
	if (errno != EOPNOTSUPP)
		err(1, "%s: name_to_handle_at", path);

	export.flags = 0;
	if (handle_encode(export.fd, ".", 0, &handle, &export.mount_id))
		err(1, "%s: name_to_handle_at", path);
	warnx("%s: no connectable handles: clients can open every file of the filesystem", path);
}

/* Encode the file @component of the directory @dirfd, without following links. */
static bool encode_name(int dirfd, const char *component, struct name *name)
{
	if (handle_encode(dirfd, component, export.flags, &name->handle, &name->mount_id))
		return false;
	/* Something is mounted there, which is not exported. */
	if (name->mount_id != export.mount_id) {
		errno = EXDEV;
		return false;
	}
	return true;
}

/* Open a file by its name. The bytes are those of a client: trust none of them. */
static int open_name(const struct name *name, int flags)
{
	if (name->mount_id != export.mount_id ||
	    (export.flags && !(name->handle.type & FILEID_IS_CONNECTABLE))) {
		errno = ESTALE;
		return -1;
	}
	return handle_open(export.fd, &name->handle,
			   flags | O_CLOEXEC | O_NOFOLLOW | O_LARGEFILE);
}

static const char *name_to_wire(const struct name *name, char wire[WIRE_SIZE])
{
	char text[HANDLE_TEXT_SIZE];

	snprintf(wire, WIRE_SIZE, "%llu:%s", (unsigned long long)name->mount_id,
		 handle_to_text(&name->handle, text));
	return wire;
}

static bool name_from_wire(struct name *name, const char *wire)
{
	char *end;

	errno = 0;
	name->mount_id = strtoull(wire, &end, 10);
	if (!errno && end != wire && *end == ':' && handle_from_text(&name->handle, end + 1))
		return true;
	errno = EINVAL;
	return false;
}

static void reply_name(bool found, const struct name *name)
{
	char wire[WIRE_SIZE];

	if (found)
		printf("ok %s\n", name_to_wire(name, wire));
	else
		printf("error %s\n", error_name(errno));
}

static void serve_root(void)
{
	struct name name;
	bool found = encode_name(export.fd, ".", &name);

	reply_name(found, &name);
}

static void serve_lookup(const struct name *dir, const char *component)
{
	struct name name;
	bool found;
	int dirfd;

	/* "..", and a path, could leave the exported directory. */
	if (!*component || strchr(component, '/') || !strcmp(component, "..")) {
		printf("error %s\n", error_name(EINVAL));
		return;
	}
	dirfd = open_name(dir, O_RDONLY | O_DIRECTORY);
	found = dirfd >= 0 && encode_name(dirfd, component, &name);
	reply_name(found, &name);
	if (dirfd >= 0)
		close(dirfd);
}

static const char *file_type(mode_t mode)
{
	return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" :
	       S_ISLNK(mode) ? "symlink" : "special";
}

/* With O_PATH, no driver is opened and no FIFO waits. */
static bool stat_name(const struct name *name, struct stat *st)
{
	int fd = open_name(name, O_PATH);
	bool found = fd >= 0 && !fstat(fd, st);

	if (fd >= 0)
		close(fd);
	return found;
}

static void serve_stat(const struct name *name)
{
	struct stat st;

	if (stat_name(name, &st))
		printf("ok %s %ju %ju\n", file_type(st.st_mode), (uintmax_t)st.st_size,
		       (uintmax_t)st.st_ino);
	else
		printf("error %s\n", error_name(errno));
}

static void serve_read(const struct name *name)
{
	char buffer[65536];
	struct stat st;
	ssize_t len;
	int fd = -1;

	if (!stat_name(name, &st))
		goto out;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		goto out;
	}
	fd = open_name(name, O_RDONLY);
	if (fd < 0)
		goto out;
	len = read(fd, buffer, sizeof(buffer));
	if (len < 0)
		goto out;
	printf("ok %zd\n", len);
	fwrite(buffer, 1, len, stdout);
	close(fd);
	return;
out:
	printf("error %s\n", error_name(errno));
	if (fd >= 0)
		close(fd);
}

static void serve(char *request)
{
	const char *verb = strsep(&request, " ");
	const char *wire = strsep(&request, " ");
	struct name name;

	if (!strcmp(verb, "root") && !wire)
		serve_root();
	else if (!wire || !name_from_wire(&name, wire))
		printf("error %s\n", error_name(EINVAL));
	else if (!strcmp(verb, "lookup") && request)
		serve_lookup(&name, request);
	else if (!strcmp(verb, "stat") && !request)
		serve_stat(&name);
	else if (!strcmp(verb, "read") && !request)
		serve_read(&name);
	else
		printf("error %s\n", error_name(EINVAL));
}

int main(int argc, char **argv)
{
	char *request = NULL;
	size_t size = 0;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		print_usage(stdout);
		return fflush(stdout) ? 1 : 0;
	}
	if (argc != 2 || argv[1][0] == '-') {
		print_usage(stderr);
		return 2;
	}
	export_directory(argv[1]);
	while (getline(&request, &size, stdin) > 0) {
		request[strcspn(request, "\n")] = '\0';
		serve(request);
		if (fflush(stdout))
			err(1, "standard output");
	}
	free(request);
	return 0;
}
