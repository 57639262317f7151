/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A server that replies from a grammar, a client that uses its mount, and what must
 * hold whatever the server replies. A case is a sequence of operations on a mount of
 * its own. The seed and the number of the case determine all of it.
 */
#ifndef __SELFTEST_FUSE_FUZZ_H
#define __SELFTEST_FUSE_FUZZ_H

#include "fuse_client.h"
#include "fuse_requests.h"
#include "kselftest.h"

#define TOLD_MAX	1024
#define SLOTS		6
#define KEPT		8
#define PARTS_MAX	5

/* The content of a file: "is ", the fingerprint of the object, and a newline */
#define CONTENT_LEN	12

struct fuzz_handle {
	unsigned int size;		/* 0: unknown */
	unsigned char bytes[FUSE_MAX_HANDLE_SIZE];
};

/* How the server replies to FUSE_INIT */
enum init_reply {
	INIT_AT_ONCE,
	INIT_LATE,			/* while a call waits for it */
	INIT_NEVER,			/* it exits */
	INIT_ERROR,
	INIT_VERSION,			/* that the kernel does not support */
	INIT_FLAGS,			/* that need default_permissions */
};

/* A nodeid in a reply that the kernel has received from the present server */
struct told {
	__u64 nodeid;
	long lookups;			/* not yet forgotten */
	bool ambiguous;			/* the kernel can have ignored a handle */
	bool former;			/* the object may have another nodeid now */
	bool reused;			/* while it was a former one */
	struct fuzz_handle bound;	/* the object, if it is known */
};

/* What the documents say about the result of a request */
struct verdict {
	__u32 opcode;			/* of the first request of a compound; 0: none */
	bool decided;
	bool decode;			/* a lookup of a file handle */
	bool dots;			/* a lookup of "." or ".." */
	char name[16];			/* of a lookup */
	struct fuzz_handle wanted;	/* that is decoded */
	int error;			/* 0 or a negative errno */
	__u64 nodeid;			/* of a lookup without an error */
	struct fuzz_handle handle;
	unsigned int nlink;		/* of a creation */
};

/* An open file */
struct slot {
	int fd;				/* -1: none */
	bool known;
	mode_t type;
	struct fuzz_handle handle;
};

struct fuzz {
	struct server *s;
	__u64 seed;
	__u64 nr;			/* the case */
	__u64 ops_random;
	__u64 reply_random;
	unsigned int op;		/* number of the operation */
	unsigned int seq;		/* number of the reply in the operation */
	unsigned int rate;		/* of 256 replies, how many are mutated */
	unsigned int wire_rate;		/* of 256 replies, how many follow a wrong one */
	unsigned int restart_rate;	/* of 1024 requests, how many meet a restart */
	bool unusable;			/* the mount, as its root is bad */
	bool honest;			/* nothing is mutated in this case */
	bool no_compounds;		/* the server has replied with ENOSYS */
	bool declined;			/* this operation may send single requests */
	bool in_compound;		/* the request that is executed */
	unsigned int init;		/* enum init_reply */
	pid_t caller;			/* the thread that waits for FUSE_INIT */
	bool is_calling;		/* a call has begun, and waits for FUSE_INIT */
	bool print;

	/* The server */
	struct told told[TOLD_MAX];
	unsigned int nr_told;
	struct fuzz_handle root;	/* the handle that the kernel knows */
	bool root_is_known;
	struct verdict pending;		/* FUSE_LOOKUP_HANDLE alone */
	bool is_pending;
	struct verdict last;		/* the last request of the operation */
	struct verdict lookup;		/* the last lookup of the operation */
	unsigned int requests;		/* of the operation */
	bool restarted;			/* during the operation */
	bool opened;			/* a file, during the operation */
	bool created;			/* the last request was to create an inode */
	bool decoding;			/* a file handle */
	__u64 digest;			/* of all requests, replies and results */

	/* The client */
	struct slot slots[SLOTS];
	struct handle kept[KEPT];
	unsigned int nr_kept;
	unsigned long mutated;		/* replies, since the program was started */
	unsigned long replies;
	unsigned long operations;
	char failure[256];		/* the first one, or empty */
};

/* Random numbers (fuse_fuzz_reply.c) */
__u64 fuzz_random(__u64 *state);
__u64 fuzz_seed(__u64 seed, __u64 nr, unsigned int op, unsigned int seq);
void digest(struct fuzz *f, const void *data, size_t len);

/* Records the first property that does not hold. */
__printf(2, 3) void fail(struct fuzz *f, const char *format, ...);
__printf(2, 3) void note(struct fuzz *f, const char *format, ...);

/* Replies (fuse_fuzz_reply.c) */
int mutate(struct server *s, const struct request *r, int error, struct message *m);

/* What the documents say (fuse_fuzz_rules.c) */
struct told *find_told(struct fuzz *f, __u64 nodeid);
void may_bind(struct fuzz *f, __u64 nodeid, const struct fuzz_handle *handle);
void bind(struct fuzz *f, __u64 nodeid, const struct fuzz_handle *handle);
bool equal(const struct fuzz_handle *a, const struct fuzz_handle *b);
__u32 fingerprint(const struct fuzz_handle *handle);
void check_request(struct server *s, const struct request *r);
void count_nodeid(struct server *s, __u64 nodeid, long nr);

/* Records what the documents say about a reply. */
void judge(struct fuzz *f, const struct request *r, int error,
	   const struct message *m, bool refused);

/* Operations (fuse_fuzz_ops.c) */
void run_operation(struct fuzz *f);
void close_slots(struct fuzz *f);

/* Begins a call before the reply to FUSE_INIT, which it waits for. */
void run_before_init(struct fuzz *f);

/* The server (fuse_fuzz_server.c) */
int answer_others(struct server *s, const struct request *r, struct message *m);
bool send_reply(struct server *s, const struct request *r, int error,
		const struct message *m);
void serve(struct server *s);

/* Waits until the server has received all requests (fuse_fuzz.c). */
int barrier(struct fuzz *f);

#endif /* __SELFTEST_FUSE_FUZZ_H */
