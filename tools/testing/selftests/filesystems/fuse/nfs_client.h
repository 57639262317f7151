/* SPDX-License-Identifier: GPL-2.0 */
/* Calls of an NFS client on the objects of a FUSE server. They return a negative errno. */
#ifndef __SELFTEST_NFS_CLIENT_H
#define __SELFTEST_NFS_CLIENT_H

#include <stddef.h>

#include "fuse_server.h"
#include "nfs_loopback.h"

/* Files in the root that walk() expects */
#define FILES	1000

void client_path(const struct nfs *nfs, const char *name, char *path, size_t size);
int client_open(const struct nfs *nfs, const char *name, int flags);
int client_stat(const struct nfs *nfs, const char *name);

/* Open and read a file. Return the object that it contains. */
int client_read(const struct nfs *nfs, const char *name);
int read_at(int dir, const char *name);

/* Returns the object with this path, or 0. */
int object_at(struct server *s, const char *path);

/*
 * Reads a directory of FILES files, and calls a function after every 100 entries.
 * Returns the number of files, each found once.
 */
int walk(const struct nfs *nfs, int (*between)(void *arg), void *arg);

#endif /* __SELFTEST_NFS_CLIENT_H */
