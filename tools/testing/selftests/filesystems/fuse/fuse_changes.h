/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests that change names, extended attributes, data and locks. Where a repeated
 * request must not be executed again, the server records the number of the last one.
 */
#ifndef __SELFTEST_FUSE_CHANGES_H
#define __SELFTEST_FUSE_CHANGES_H

#include "fuse_server.h"

/* The only extended attribute, which all objects share */
#define ATTRIBUTE	"user.test"

/* Read the counter, or add to it. The argument is its value afterwards. */
#define COUNTER_GET	_IOR('t', 1, __u32)
#define COUNTER_ADD	_IOWR('t', 2, __u32)

/* The distance from the offset of an lseek(2) to the next hole */
#define HOLE_AFTER	3

struct changes {
	unsigned long executed[FUSE_LOOKUP_HANDLE + 1];
	__u64 last;			/* unique of the last request */
	char value[16];			/* of the attribute */
	size_t value_len;		/* 0 if there is none */
	__u64 lock_owner;		/* 0 if there is no lock */
	unsigned int lock_server;	/* that granted the last lock */
	__u32 counter;
	__u64 allocated;
	unsigned int copied_from;
	unsigned int copied_to;
};

/* Lets a server execute these requests. */
void execute_changes(struct server *s, struct changes *c);

#endif /* __SELFTEST_FUSE_CHANGES_H */
