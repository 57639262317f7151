/* SPDX-License-Identifier: GPL-2.0 */
/* Operations of processes that wait for a server. */
#ifndef __SELFTEST_FUSE_OPERATION_H
#define __SELFTEST_FUSE_OPERATION_H

#include "fuse_client.h"

/* Returns a negative errno on failure, otherwise 0 or a value that the test expects. */
typedef int operation_t(struct server *s, int fd);

/* Runs an operation in another process. */
pid_t begin_operation(struct server *s, operation_t *run, int fd);

/* Waits for an operation. Returns its result without its sign, or -1. */
int end_operation(pid_t pid);

/*
 * Waits until @nr requests have begun and have not ended. Mounts fusectl, in the mount
 * namespace of the test.
 */
bool wait_pending(int mount_fd, int nr);

/* Waits until the server has received the request that it does not answer. */
bool wait_swallowed(struct server *s);

#endif /* __SELFTEST_FUSE_OPERATION_H */
