/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An NFS server and client of the kernel in a private network namespace, without
 * programs of nfs-utils. Functions that return int return 0 or a negative errno.
 */
#ifndef __SELFTEST_NFS_LOOPBACK_H
#define __SELFTEST_NFS_LOOPBACK_H

#include <pthread.h>
#include <stdbool.h>

#define NFS_BY_UUID	0x1	/* identify the export by a UUID, not by fsid= */
#define NFS_SUBTREE	0x2	/* subtree_check */
#define NFS_SIGNED	0x4	/* sign_fh */

struct nfs {
	char base[32];		/* a private tmpfs, the root of the NFSv4 exports */
	char export[64];	/* mount point of the exported filesystem */
	char dir[64];		/* mount point of the client */
	int version;
	int rpcbind;		/* listening socket */
	pthread_t rpcbind_thread;
	pthread_t tracking_thread;
	bool stop;
	bool has_server;
	bool has_client;
};

/* Returns the reason to skip a test, or NULL. */
const char *nfs_missing(void);

/*
 * Enters a network namespace and starts an NFS server for clients of NFSv3 or
 * NFSv4 in it, which exports nothing yet. The caller is in a private mount namespace.
 */
int nfs_start(struct nfs *n, int version);

/* Exports what is mounted on n->export, with NFS_* flags, instead of the last one. */
int nfs_export(struct nfs *n, unsigned int flags);

/* Mounts the export on n->dir. */
int nfs_mount(struct nfs *n);
int nfs_umount(struct nfs *n);

/* Unmounts the client and stops the server, which exports nothing any more. */
void nfs_stop(struct nfs *n);

/* Unmounts everything below n->base. */
void nfs_remove(struct nfs *n);

/*
 * Evicts all unused dentries, inodes and pages, also the open files that the server
 * caches. There is no way to do this for one mount.
 */
int evict_everything(void);

#endif /* __SELFTEST_NFS_LOOPBACK_H */
