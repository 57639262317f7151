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
	bool by_handle;			/* its IDs are void */
};

/* The nodeids whose lookups the kernel has to forget */
struct counted {
	__u64 nodeids[REPLY_MAX / sizeof(struct fuse_direntplus)];
	unsigned int nr;
};

void put_bytes(struct message *m, const void *data, size_t len);
bool is_zero(const unsigned char *p, size_t len);

/* Drops what a former server knew, before FUSE_NOTIFY_RESTART. */
void forget_all(struct server *s);

/*
 * Waits up to @timeout milliseconds for a request, whose arguments are valid until the
 * next call. Returns 1, 0 if there is none, or an error if the connection is gone.
 */
int receive_request(struct server *s, int timeout, struct request *r);

/* Counts and logs a request, and sends the reply. */
void handle_request(struct server *s, struct request *r);

/* Handles one request. Returns 0, a negative errno or NO_REPLY. */
int dispatch(struct server *s, const struct request *r, struct message *m);

/*
 * Returns the nodeid with which a reply starts, or 0, and adds it to @c, which may
 * be NULL, if it is a lookup.
 */
__u64 count_entry(struct counted *c, __u32 opcode, const unsigned char *data,
		  size_t len);

/* Checks the handles and the IDs in a request (fuse_restart_server.c). */
void check_handles(struct server *s, const struct request *r);

/* Returns the ID of an open file. */
__u64 new_fh(struct server *s, unsigned int id);

/*
 * Replaces the nodeids of a request by those of the objects that its handles
 * identify, if they are void. Returns 0 or -ESTALE.
 */
int resolve(struct server *s, struct request *r);

/* Returns the second object of a request. */
unsigned int second_object(struct server *s, const struct request *r,
			   __u64 nodeid);

/* Returns the object that a repeated request has created, or 0. */
unsigned int was_created(struct server *s, unsigned int parent,
			 const char *name);

/* Handles a FUSE_COMPOUND (fuse_compound.c). */
int do_compound(struct server *s, const struct request *r, struct message *m,
		struct counted *counted);

#endif /* __SELFTEST_FUSE_REQUESTS_H */
