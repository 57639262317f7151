// SPDX-License-Identifier: GPL-2.0-or-later
/* The files of handle-load. See load.h. */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "load.h"

#define FILES_PER_DIR	1000

struct tree tree = { .fd = -1 };

void check_permission(const char *dir)
{
	struct handle handle;
	__u64 mount_id;
	int fd, opened, error;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		err(EXIT_ERROR, "%s", dir);
	if (handle_encode(fd, "", AT_EMPTY_PATH, &handle, &mount_id)) {
		error = errno;
		warnx("%s: name_to_handle_at: %s (%s)", dir, strerror(error),
		      error_name(error));
		exit(error == EOPNOTSUPP ? EXIT_UNSUPPORTED : EXIT_ERROR);
	}
	opened = handle_open(fd, &handle, O_RDONLY | O_CLOEXEC);
	if (opened < 0 && errno == EPERM)
		errx(EXIT_PERMISSION,
		     "%s: open_by_handle_at requires CAP_DAC_READ_SEARCH (EPERM)", dir);
	if (opened < 0)
		err(EXIT_ERROR, "%s: open_by_handle_at", dir);
	close(opened);
	close(fd);
}

int file_statx(int fd, struct statx *stx)
{
	return syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, stx);
}

void clear_content(struct record *content)
{
	memset(&content[0], 0, sizeof(*content));
	memset(&content[opt.size / sizeof(*content) - 1], 0, sizeof(*content));
}

void check_content(unsigned int file, const struct record *content)
{
	const struct record *last = &content[opt.size / sizeof(*content) - 1];

	if (content->tree != tree.id || last->tree != tree.id || content->file != last->file)
		fail(EXIT_ERROR, "file %u: its content belongs to no file", file);
	else if (content->file != file)
		fail(EXIT_ERROR, "file %u: its content belongs to file %llu", file,
		     (unsigned long long)content->file);
}

static void remove_tree(void)
{
	char name[32];

	for (unsigned int i = 0; i < tree.nr_files; i++) {
		snprintf(name, sizeof(name), "%u/%u", i / FILES_PER_DIR, i);
		unlinkat(tree.fd, name, 0);
	}
	for (unsigned int i = 0; i < tree.nr_dirs; i++) {
		snprintf(name, sizeof(name), "%u", i);
		unlinkat(tree.fd, name, AT_REMOVEDIR);
	}
	if (rmdir(tree.path))
		warn("%s", tree.path);
}

static void create_file(unsigned int nr, struct record *content)
{
	struct file *file = &tree.files[nr];
	struct statx stx;
	__u64 mount_id;
	char name[32];
	int fd;

	for (size_t i = 0; i < opt.size / sizeof(*content); i++)
		content[i] = (struct record) { .tree = tree.id, .file = nr };
	snprintf(name, sizeof(name), "%u", nr / FILES_PER_DIR);
	if (nr % FILES_PER_DIR == 0) {
		if (syscall(SYS_mkdirat, tree.fd, name, 0700))
			err(EXIT_ERROR, "%s/%s", tree.path, name);
		tree.nr_dirs++;
	}
	snprintf(name, sizeof(name), "%u/%u", nr / FILES_PER_DIR, nr);
	fd = openat(tree.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		err(EXIT_ERROR, "%s/%s", tree.path, name);
	tree.nr_files++;
	errno = ENOSPC;	/* if the write is short */
	if (write(fd, content, opt.size) != (ssize_t)opt.size ||
	    file_statx(fd, &stx) ||
	    handle_encode(fd, "", AT_EMPTY_PATH, &file->handle, &mount_id))
		err(EXIT_ERROR, "%s/%s", tree.path, name);
	file->ino = stx.stx_ino;
	close(fd);
}

void create_tree(const char *dir)
{
	struct record *content = malloc(opt.size);

	tree.files = calloc(opt.files, sizeof(*tree.files));
	if (!content || !tree.files ||
	    asprintf(&tree.path, "%s/handle-load.XXXXXX", dir) < 0)
		err(EXIT_ERROR, NULL);
	if (syscall(SYS_getrandom, &tree.id, sizeof(tree.id), 0) != sizeof(tree.id))
		err(EXIT_ERROR, "getrandom");
	if (!mkdtemp(tree.path))
		err(EXIT_ERROR, "%s", tree.path);
	atexit(remove_tree);
	tree.fd = open(tree.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree.fd < 0)
		err(EXIT_ERROR, "%s", tree.path);
	for (unsigned int i = 0; i < opt.files; i++) {
		if (is_stopped())
			errx(EXIT_ERROR, "interrupted");
		create_file(i, content);
	}
	free(content);
}

void empty_caches(void)
{
	const char *path = "/proc/sys/vm/drop_caches";
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* Dirty inodes and pages are not freed. */
	if (fd < 0 || syncfs(tree.fd) || write(fd, "3", 1) != 1)
		err(EXIT_ERROR, "%s (--no-drop does not require it)", path);
	close(fd);
}
