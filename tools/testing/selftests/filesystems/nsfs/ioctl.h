/* SPDX-License-Identifier: GPL-2.0 */
/* Helpers for tests of the ioctls of nsfs. */
#ifndef __SELFTEST_NSFS_IOCTL_H
#define __SELFTEST_NSFS_IOCTL_H

#include "../file_handle/nsfs.h"

#ifndef STATMOUNT_BY_FD
#define STATMOUNT_BY_FD		0x00000001U
#endif
#ifndef __NR_statmount
#define __NR_statmount		457
#endif
#ifndef __NR_listns
#define __NR_listns		470
#endif

/* Anonymous mount namespaces have this inode number and no descriptor. */
#define MNT_NS_ANON_INO		0xeffffff7U

/* Returns the request with another size in its number. */
unsigned int with_size(unsigned int request, unsigned int size);

/* Return the result or a negative errno. */
int ask(int fd, unsigned int request, void *arg);
int ask_number(int fd, unsigned int request, long arg);

/* ask() with other credentials. Returns 0 or a negative errno. */
int ask_as(enum who who, __u64 flags, int fd, unsigned int request, void *arg);

/* Uses up all file descriptors except @spare. */
int fill_fds(unsigned int spare);

/*
 * Mount namespaces
 */

#define MNTNS_MAX	1024

/*
 * Stores the ids of the mount namespaces from @start on, and the last
 * namespace in @last if that is not NULL.
 */
int walk(int start, unsigned int request, __u64 *ids, unsigned int *nr,
	 int *last);

bool is_in(__u64 id, const __u64 *ids, unsigned int nr);
int sys_listns(const struct ns_id_req *req, __u64 *ids, size_t nr);

#endif /* __SELFTEST_NSFS_IOCTL_H */
