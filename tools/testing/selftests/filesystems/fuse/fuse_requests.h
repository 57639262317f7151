/* SPDX-License-Identifier: GPL-2.0 */
/* Parts of the server that handle requests and compounds. */
#ifndef __SELFTEST_FUSE_REQUESTS_H
#define __SELFTEST_FUSE_REQUESTS_H

#include "fuse_server.h"

/* The result of a request without a reply */
#define NO_REPLY	1

/* An inode number that FUSE_READDIR returns if there is none */
#define UNKNOWN_INO	0xffffffff

/* A request, alone or in a compound */
struct request {
	struct fuse_in_header in;
	const unsigned char *args;
	size_t args_len;		/* without the extension */
};

/* The nodeids whose lookups the kernel has to forget */
struct counted {
	__u64 nodeids[4];
	unsigned int nr;
};

void put_bytes(struct message *m, const void *data, size_t len);
bool is_zero(const unsigned char *p, size_t len);

/* Handles one request. Returns 0, a negative errno or NO_REPLY. */
int dispatch(struct server *s, const struct request *r, struct message *m);

/*
 * Returns the nodeid with which a reply starts, or 0, and adds it to @c, which may
 * be NULL, if it is a lookup.
 */
__u64 count_entry(struct counted *c, __u32 opcode, const unsigned char *data,
		  size_t len);

/* Handles a FUSE_COMPOUND (fuse_compound.c). */
int do_compound(struct server *s, const struct request *r, struct message *m,
		struct counted *counted);

#endif /* __SELFTEST_FUSE_REQUESTS_H */
