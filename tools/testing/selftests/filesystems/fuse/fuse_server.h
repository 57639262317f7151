/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE server in a thread, with objects in memory. It reads and writes
 * /dev/fuse itself, identifies its objects by handles, counts lookups, and can
 * be made to send any reply.
 */
#ifndef __SELFTEST_FUSE_SERVER_H
#define __SELFTEST_FUSE_SERVER_H

#include <pthread.h>
#include <stddef.h>
#include <linux/fuse.h>

#include "../file_handle/file_handle.h"

#define FILEID_INO64_GEN		0x81
#define FILEID_FUSE_HANDLE		0x91
#define FILEID_FUSE_HANDLE_PARENT	0x92

#define ROOT		FUSE_ROOT_ID
/* First of the objects "f00000", "f00001" and so on in the root */
#define BULK		64
#define BULK_NR		10000
#define OBJECTS_MAX	(BULK + BULK_NR)

#define FUSE_CONNECTIONS	"/sys/fs/fuse/connections"

#define BASIC_STATS	0x7ffU
#define REPLY_MAX	8192

#define SUB_HEADER	sizeof(struct fuse_out_header)
#define SUB_ENTRY	sizeof(struct fuse_entry2_out)

/* Offsets of the first handle, and of its bytes, in the replies of a compound */
#define HANDLE_AT	(SUB_HEADER + SUB_ENTRY)
#define BYTES_AT	(HANDLE_AT + sizeof(struct fuse_file_handle))

struct object {
	unsigned int parent;
	unsigned int mode;
	unsigned int nlink;
	unsigned int mtime;
	unsigned char version;	/* part of the handle */
	unsigned char shift;	/* part of the nodeid */
	bool exists;
	char name[32];
	long lookups;		/* not yet forgotten by the kernel */
};

struct server;
struct request;

struct message {
	size_t len;
	unsigned char data[REPLY_MAX];
};

struct server {
	/* Behaviour. The test changes it only while no request is pending. */
	__u64 init_flags;
	size_t handle_size;
	bool equal_hashes;		/* handles of 124 bytes have equal FNV-1a */
	unsigned int entry_valid;
	unsigned int attr_valid;
	unsigned int max_pages;		/* of a request; for FUSE_MAX_PAGES */
	unsigned int generation;	/* of the server, part of the nodeids */
	__u64 entry_generation;		/* in struct fuse_entry_out */
	int compound_error;		/* of all FUSE_COMPOUND */
	__u32 declined;			/* opcode; EOPNOTSUPP if it is the first */
	int create_error;		/* of operations that create an inode */
	bool unknown_ino;		/* of the entries of a directory */
	bool lists_bulk;		/* in the root, with their names */
	bool cached;			/* files */
	bool cached_entries;		/* of directories */
	bool no_open;			/* ENOSYS for FUSE_OPEN, FUSE_OPENDIR */
	int handle_error;		/* of all FUSE_LOOKUP_HANDLE */
	int dot_error;			/* of FUSE_LOOKUP_HANDLE of "." */
	int statx_error;
	__u32 statx_mask;
	unsigned int max_stack_depth;	/* for passthrough */
	bool default_permissions;	/* option of the mount */
	char device[32];		/* of a fuseblk mount, or empty */
	bool slow;			/* delays the reply to FUSE_INIT */
	bool negative;			/* replies nodeid 0 instead of ENOENT */
	bool die;			/* exits on FUSE_COMPOUND */
	bool die_early;			/* exits on FUSE_INIT */
	/* Handles a request, or returns -ENOSYS to leave it to the server. */
	int (*others)(struct server *s, const struct request *r,
		      struct message *m);
	void *others_data;
	/* Receives requests otherwise than from /dev/fuse, and closes it. */
	void (*transport)(struct server *s);
	bool ring_pool;			/* the queues of a ring have buffer pools */
	bool zero_copy;			/* of the data that is read, with a pool */
	/* Changes the replies within a compound. */
	void (*spoil)(struct server *s, struct message *m);
	/* Changes the reply to a single FUSE_LOOKUP_HANDLE. */
	void (*spoil_single)(struct server *s, struct message *m);
	/* Changes the reply to FUSE_READDIRPLUS. */
	void (*spoil_entries)(struct server *s, struct message *m);
	__u32 spoil_opcode;		/* of the first request, 0: any */
	/*
	 * Changes any reply before its lookups are counted. @error is the result of
	 * the request. Returns the error to reply with.
	 */
	int (*mutate)(struct server *s, const struct request *r, int error,
		      struct message *m);
	/* Replaces the check of the handles and the IDs in a request. */
	void (*check)(struct server *s, const struct request *r);
	/* Counts lookups of a nodeid other than that of the root. */
	void (*granted_nodeid)(struct server *s, __u64 nodeid, long nr);
	__u32 swallow;			/* opcode; stops without a reply, if set */
	bool swallow_done;		/* executes that request nevertheless */
	bool naive;			/* executes repeated requests again */
	unsigned int restart_every;	/* takes over from itself, in requests */
	unsigned int served;		/* requests, for @restart_every */
	unsigned int unknown;		/* object whose handle has size 0 */
	unsigned int swap;		/* object whose nodeid is that of the next */
	size_t spoil_at;
	__u64 spoil_value;

	/* Observations */
	unsigned long requests[FUSE_LOOKUP_HANDLE + 1];
	unsigned long inner[FUSE_LOOKUP_HANDLE + 1];	/* in compounds */
	unsigned long granted;		/* lookups */
	unsigned long forgotten;	/* lookups */
	unsigned long forgets;		/* forgotten nodeids */
	unsigned long root_forgets;
	__u64 init_offer;
	unsigned int init_minor;
	unsigned int violations;	/* of the protocol, by the kernel */
	struct message ext;		/* extension of the last lookup */
	__u64 last_nodeid;		/* nodeid of the last lookup */
	unsigned long decodes;		/* lookups by handle */
	unsigned long by_handle;	/* requests with nodeid 0 */
	unsigned long repeated;		/* requests with FUSE_UNIQUE_RESEND */
	unsigned long reopened;		/* requests with FUSE_OPEN_AGAIN */
	unsigned long with_handles[FUSE_LOOKUP_HANDLE + 1];
	bool swallowed;
	char log[16384];		/* of requests, if is_logged */
	bool is_logged;

	struct object objects[OBJECTS_MAX];
	unsigned int nr_objects;
	int fd;
	/* Sends the reply, or is NULL if it is written to /dev/fuse. */
	bool (*reply)(struct server *s, const struct request *r, int error,
		      const struct message *m);
	void *ring;
	unsigned long through_ring;	/* requests that the ring received */
	unsigned long zero_copied;	/* replies without a copy of the data */
	bool init_done;			/* the kernel has the reply to FUSE_INIT */
	bool stop;
	bool keep_fd;			/* when the thread stops */
	bool running;
	bool has_thread;
	bool resent;			/* the request that is executed */
	pthread_t thread;
	int mount_fd;			/* for the fuzzer */
	char dir[64];
};

/*
 * Objects (fuse_objects.c)
 */

unsigned int nodeid_object(struct server *s, __u64 nodeid);
__u64 object_nodeid(struct server *s, unsigned int id);
void object_handle(struct server *s, unsigned int id, unsigned char *handle,
		   size_t size);

/* Returns the object with this handle, or 0. */
unsigned int handle_object(struct server *s, const void *handle, size_t size);

/* Returns the object with this name, or 0. */
unsigned int child(struct server *s, unsigned int parent, const char *name);
unsigned int add_object(struct server *s, unsigned int parent,
			const char *name, unsigned int mode);

/* Adds the files "f00000" and so on to the root, and lists them. */
void add_bulk(struct server *s, unsigned int nr);

int object_content(struct server *s, unsigned int id, char *buf, size_t size);
__u64 object_size(struct server *s, unsigned int id);

/*
 * Requests (fuse_server.c)
 */

/* Writes a reply. Returns false if the kernel refuses it. */
bool fuse_reply(int fd, __u64 unique, int error, const void *data, size_t len);

/* Returns the handle in the extension of the last lookup, or NULL. */
const unsigned char *ext_handle(struct server *s, size_t *size);

/*
 * Life cycle (fuse_server.c). Functions that return int return 0 or a negative
 * errno.
 */

/* Returns the reason to skip a test, or NULL. */
const char *fuse_missing(void);
struct server *new_server(void);
int start_server(struct server *s);
void stop_server(struct server *s);

/*
 * Stops the thread, and keeps the connection: the caller handles the requests. It must
 * call serve_in_thread() before it stops the server.
 */
void serve_in_caller(struct server *s);
int serve_in_thread(struct server *s);

/*
 * Waits up to @timeout milliseconds for a request, and handles it. Returns false if
 * the connection is gone.
 */
bool serve_request(struct server *s, int timeout);

/* Restarts the server with the same objects and other nodeids. */
int restart_server(struct server *s);

/*
 * Replaces the server under its mount. leave_server() stops the thread. enter_server()
 * starts another one with other nodeids and IDs of open files, which sends
 * FUSE_NOTIFY_RESTART.
 */
void leave_server(struct server *s);
int enter_server(struct server *s);
int take_over(struct server *s);

/* Sends a notification. Returns 0 or a negative errno. */
int notify(struct server *s, int code, const void *data, size_t len);
void free_server(struct server *s);

/* Runs caller and server on one CPU, which is faster than waking another one. */
int stay_on_one_processor(void);
int use_all_processors(struct server *s);

/*
 * Counters
 */

/* Returns the number of requests on a device that have begun and have not ended. */
int nr_waiting(unsigned int minor);

/* Return the number of requests, alone or in compounds. */
unsigned long count(struct server *s, unsigned int opcode);
unsigned long count_inner(struct server *s, unsigned int opcode);

/*
 * Returns the number of all requests that a caller waits for. Others, such as the
 * FUSE_RELEASE of a file that was closed, can arrive at any time.
 */
unsigned long count_all(struct server *s);

/* Returns the number of lookups that the kernel has not forgotten. */
long outstanding(struct server *s);

/* Evicts all unused dentries and inodes of this mount, and of no other. */
int evict(struct server *s);

/* Evicts until no lookup is outstanding. Returns how many remain. */
long settle_server(struct server *s);

#endif /* __SELFTEST_FUSE_SERVER_H */
