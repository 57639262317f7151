/* SPDX-License-Identifier: GPL-2.0 */
/* Helpers for tests of nsfs. */
#ifndef __SELFTEST_FILE_HANDLE_NSFS_H
#define __SELFTEST_FILE_HANDLE_NSFS_H

#include <linux/nsfs.h>

#include "file_handle.h"

#define FILEID_NSFS		0xf1
#define HANDLE_NSFS		16	/* size of an nsfs handle */

#define NS_KINDS		8

/* The reason to skip a case if may_test_all() returns false. */
#define NEEDS_ROOT	"needs root of the initial namespaces, and procfs"

/* A type of namespaces. */
struct ns_kind {
	const char *name;	/* in /proc/PID/ns */
	unsigned int type;	/* CLONE_NEW* */
	unsigned int request;	/* the ioctl of a pidfd that opens it */
	__u32 init_ino;		/* of the initial namespace */
	__u64 init_id;
};

extern const struct ns_kind ns_kinds[NS_KINDS];

/* Indices of ns_kinds[]. */
enum ns_index {
	NS_CGROUP, NS_IPC, NS_MNT, NS_NET, NS_PID, NS_TIME, NS_USER, NS_UTS,
};

/* Opens the namespace of a process. Does not need procfs. */
int ns_of_pidfd(int pidfd, const struct ns_kind *kind);

/* Opens the namespace of the caller. */
int ns_own(const struct ns_kind *kind);

/* Opens the namespace for children of a process: CLONE_NEWPID or CLONE_NEWTIME. */
int open_for_children(int pidfd, unsigned int type);

/* These return 0, which no namespace has, on failure. */
__u64 ns_id(int fd);
unsigned int ns_type(int fd);
__u64 ns_ino(int fd);

struct nsfs_file_handle handle_ns(const struct handle *fh);

/* Makes a handle in the format of the kernel. */
void handle_set_ns(struct handle *fh, __u64 id, __u32 type, __u32 inum);

/* Returns true if @fd is the namespace that @fh, which can be partial, names. */
bool is_named_by(int fd, const struct handle *fh);

/*
 * Decodes and closes. Returns -EBADMSG, which the kernel does not return, if
 * the descriptor was of another namespace than the handle.
 */
int try_decode(int dfd, const struct handle *fh);

/* Decodes until this fails: namespaces are freed asynchronously. */
int wait_until_stale(const struct handle *fh);

/* Like try_decode(), with other credentials. */
int decode_as(enum who who, __u64 flags, int dfd, const struct handle *fh);

/* Argument of decode_in_child(), which is a function for run_as(). */
struct decode_args {
	int dfd;
	const struct handle *fh;
};

int decode_in_child(void *arg);

/*
 * Returns true if the caller may open namespaces that it is not in. This
 * requires root of the initial user namespace in the initial pid namespace.
 */
bool may_see_all(void);

/* The same, and procfs to map the users of user namespaces. */
bool may_test_all(void);

/* Creates a child in a new namespace, and encodes a handle of that. */
pid_t make_namespace(const struct ns_kind *kind, struct handle *fh);

/*
 * A namespace: a new one of a child if the caller may open that, otherwise the
 * one of the caller.
 */
struct subject {
	const struct ns_kind *kind;
	bool foreign;		/* only the child is in it */
	pid_t child;
	int pidfd;
	int fd;
	int own;		/* the namespace of the test */
	int user_ns;		/* the user namespace of the test */
	__u64 id;
	__u64 ino;
	struct handle fh;	/* of @fd */
};

int subject_init(struct subject *ns, enum ns_index index);

/* A request that returns a descriptor of a namespace of @type. */
int ask_fd(int fd, unsigned int request, void *arg, unsigned int type,
	   __u64 *id);

/*
 * NS_MNT_GET_NEXT or NS_MNT_GET_PREV. Returns -EBADMSG if the result is not on
 * that side of @fd in the order of the ids.
 */
int ask_neighbour(int fd, unsigned int request);

/*
 * Executes all requests that @fd supports. Returns 0 if each had one of the
 * results that are possible while namespaces are created and destroyed.
 * Otherwise stores the request that failed in @request.
 */
int use_namespace(int fd, unsigned int pid, unsigned int *request);

/*
 * Probes. Each returns the reason to skip a fixture, or NULL, and includes the
 * previous one.
 */

/* For descriptors and ids, which tests of ioctls need. */
const char *nsfs_ids_missing(void);

/* For handles as the kernel encodes them. */
const char *nsfs_handles_missing(void);

/* For handles with a part of the fields. */
const char *nsfs_missing(void);

#endif /* __SELFTEST_FILE_HANDLE_NSFS_H */
