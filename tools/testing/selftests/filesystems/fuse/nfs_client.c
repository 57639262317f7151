// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse_client.h"
#include "nfs_client.h"

void client_path(const struct nfs *nfs, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", nfs->dir, name);
}

int client_open(const struct nfs *nfs, const char *name, int flags)
{
	char path[256];
	int fd;

	client_path(nfs, name, path, sizeof(path));
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int client_read(const struct nfs *nfs, const char *name)
{
	int fd = client_open(nfs, name, O_RDONLY), ret;

	if (fd < 0)
		return fd;
	ret = read_object(fd, NULL);
	close(fd);
	return ret;
}

int client_stat(const struct nfs *nfs, const char *name)
{
	char path[256];
	struct stat st;

	client_path(nfs, name, path, sizeof(path));
	return stat(path, &st) ? -errno : 0;
}

int object_at(struct server *s, const char *path)
{
	unsigned int id = ROOT;
	char copy[256], *name;

	snprintf(copy, sizeof(copy), "%s", path);
	for (name = strtok(copy, "/"); name && id; name = strtok(NULL, "/"))
		id = child(s, id, name);
	return id;
}

int read_at(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = read_object(fd, NULL);
	close(fd);
	return ret;
}

int walk(const struct nfs *nfs, int (*between)(void *arg), void *arg)
{
	static bool seen[FILES];
	struct dirent *entry;
	int nr = 0, err;
	DIR *dir;

	memset(seen, 0, sizeof(seen));
	dir = opendir(nfs->dir);
	if (!dir)
		return -errno;
	for (;;) {
		unsigned int i;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			break;
		if (sscanf(entry->d_name, "f%5u", &i) != 1)
			continue;
		if (i >= FILES || seen[i]) {
			closedir(dir);
			return -EEXIST;
		}
		seen[i] = true;
		if (++nr % 100)
			continue;
		err = between(arg);
		if (err) {
			closedir(dir);
			return err;
		}
	}
	err = -errno;
	closedir(dir);
	return err ?: nr;
}
