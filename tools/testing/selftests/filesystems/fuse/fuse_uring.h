/* SPDX-License-Identifier: GPL-2.0 */
/* A server that receives its requests through io_uring. */
#ifndef __SELFTEST_FUSE_URING_H
#define __SELFTEST_FUSE_URING_H

#include "fuse_server.h"

/* Returns the reason to skip a test, or NULL. Enables the transport if possible. */
const char *fuse_uring_missing(void);

/* The &server.transport */
void serve_through_ring(struct server *s);

#endif /* __SELFTEST_FUSE_URING_H */
