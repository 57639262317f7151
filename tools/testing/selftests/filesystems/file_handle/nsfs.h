/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __SELFTEST_FILE_HANDLE_NSFS_H
#define __SELFTEST_FILE_HANDLE_NSFS_H

#include <linux/nsfs.h>

#include "file_handle.h"

#define FILEID_NSFS		0xf1
#define HANDLE_NSFS		16	/* what a handle of a namespace takes */

#define NS_KINDS		8

/* What to say where may_test_all() does not hold. */
#define NEEDS_ROOT	"needs root of the initial namespaces and a procfs"

/* What there is to know about one type of namespaces. */
struct ns_kind {
	const char *name;	/* in /proc/PID/ns */
	unsigned int type;	/* CLONE_NEW* */
	unsigned int request;	/* the ioctl of a pidfd that opens it */
	__u32 init_ino;		/* of the initial one */
	__u64 init_id;
};

static const struct ns_kind ns_kinds[NS_KINDS] = {
	{ "cgroup", CLONE_NEWCGROUP, PIDFD_GET_CGROUP_NAMESPACE,
	  CGROUP_NS_INIT_INO, CGROUP_NS_INIT_ID },
	{ "ipc", CLONE_NEWIPC, PIDFD_GET_IPC_NAMESPACE,
	  IPC_NS_INIT_INO, IPC_NS_INIT_ID },
	{ "mnt", CLONE_NEWNS, PIDFD_GET_MNT_NAMESPACE,
	  MNT_NS_INIT_INO, MNT_NS_INIT_ID },
	{ "net", CLONE_NEWNET, PIDFD_GET_NET_NAMESPACE,
	  NET_NS_INIT_INO, NET_NS_INIT_ID },
	{ "pid", CLONE_NEWPID, PIDFD_GET_PID_NAMESPACE,
	  PID_NS_INIT_INO, PID_NS_INIT_ID },
	{ "time", CLONE_NEWTIME, PIDFD_GET_TIME_NAMESPACE,
	  TIME_NS_INIT_INO, TIME_NS_INIT_ID },
	{ "user", CLONE_NEWUSER, PIDFD_GET_USER_NAMESPACE,
	  USER_NS_INIT_INO, USER_NS_INIT_ID },
	{ "uts", CLONE_NEWUTS, PIDFD_GET_UTS_NAMESPACE,
	  UTS_NS_INIT_INO, UTS_NS_INIT_ID },
};

/* Where in ns_kinds[]. */
enum ns_index {
	NS_CGROUP, NS_IPC, NS_MNT, NS_NET, NS_PID, NS_TIME, NS_USER, NS_UTS,
};

static inline const struct ns_kind *ns_kind_of(unsigned int type)
{
	unsigned int i;

	for (i = 0; i < NS_KINDS; i++) {
		if (ns_kinds[i].type == type)
			return &ns_kinds[i];
	}
	return NULL;
}

/* The namespace that a process is in, without the need for a procfs. */
static inline int ns_of_pidfd(int pidfd, const struct ns_kind *kind)
{
	int fd = ioctl(pidfd, kind->request, 0);

	return fd < 0 ? -errno : fd;
}

static inline int ns_own(const struct ns_kind *kind)
{
	int pidfd = sys_pidfd_open(getpid(), 0);
	int fd;

	if (pidfd < 0)
		return -errno;
	fd = ns_of_pidfd(pidfd, kind);
	close(pidfd);
	return fd;
}

/* 0, which no namespace has, on failure. */
static inline __u64 ns_id(int fd)
{
	__u64 id;

	return ioctl(fd, NS_GET_ID, &id) ? 0 : id;
}

static inline unsigned int ns_type(int fd)
{
	int type = ioctl(fd, NS_GET_NSTYPE);

	return type < 0 ? 0 : type;
}

static inline __u64 ns_ino(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

static inline struct nsfs_file_handle handle_ns(const struct handle *fh)
{
	struct nsfs_file_handle ns;

	memcpy(&ns, fh->data, sizeof(ns));
	return ns;
}

/* A handle as the kernel makes them, of whatever namespace. */
static inline void handle_set_ns(struct handle *fh, __u64 id, __u32 type,
				 __u32 inum)
{
	const struct nsfs_file_handle ns = {
		.ns_id = id, .ns_type = type, .ns_inum = inum,
	};

	fh->bytes = HANDLE_NSFS;
	fh->type = FILEID_NSFS;
	memset(fh->data, 0, sizeof(fh->data));
	memcpy(fh->data, &ns, sizeof(ns));
}

/* Whether @fd is what the handle, of which parts can be unset, names. */
static inline bool is_named_by(int fd, const struct handle *fh)
{
	struct nsfs_file_handle ns = handle_ns(fh);

	return ns_id(fd) == ns.ns_id &&
	       (!ns.ns_type || ns_type(fd) == ns.ns_type) &&
	       (!ns.ns_inum || ns_ino(fd) == ns.ns_inum);
}

/*
 * Decode for nothing but the result: 0, a negative errno, or -EBADMSG, which
 * the kernel has no use for here, for a namespace that the handle is not of.
 */
static inline int try_decode(int dfd, const struct handle *fh)
{
	int fd = decode(dfd, fh, O_CLOEXEC);
	int ret;

	if (fd < 0)
		return fd;
	ret = is_named_by(fd, fh) ? 0 : -EBADMSG;
	close(fd);
	return ret;
}

/*
 * Whether the namespaces of others are ours to see: for that it takes to be
 * root of the initial user namespace, in the initial pid namespace.
 */
static inline bool may_see_all(void)
{
	int pid_ns = ns_own(&ns_kinds[NS_PID]);
	int user_ns = ns_own(&ns_kinds[NS_USER]);
	bool ret = geteuid() == 0 && ns_ino(pid_ns) == PID_NS_INIT_INO &&
		   ns_ino(user_ns) == USER_NS_INIT_INO;

	close(pid_ns);
	close(user_ns);
	return ret;
}

/* It is in procfs that the users of a user namespace are mapped. */
static inline bool may_test_all(void)
{
	return may_see_all() && !access("/proc/self/uid_map", F_OK);
}

enum who {
	WHO_SAME,		/* the same credentials */
	WHO_USER,		/* nobody, without capabilities */
	WHO_NS_ROOT,		/* root of the user namespace it is cloned to */
};

/* What run_as() returns where there was no child to run anything in. */
#define NO_CHILD		-255

/*
 * Run @fn in a child in new namespaces @flags. It returns 0 or a negative
 * errno, and so does this.
 */
static inline int run_as(enum who who, __u64 flags, int (*fn)(void *arg),
			 void *arg)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int status, ret = 0;
	pid_t pid;

	pid = clone_child(flags, NULL);
	if (pid < 0)
		return NO_CHILD;
	if (!pid) {
		if (who == WHO_USER)
			ret = become_user();
		else if (who == WHO_NS_ROOT)
			ret = become_ns_root(uid, gid);
		_exit(ret ? -NO_CHILD : -fn(arg));
	}
	while (waitpid(pid, &status, 0) != pid) {
		if (errno != EINTR)
			return NO_CHILD;
	}
	forget_child(pid);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : NO_CHILD;
}

struct decode_args {
	int dfd;
	const struct handle *fh;
};

static inline int decode_in_child(void *arg)
{
	const struct decode_args *args = arg;

	return try_decode(args->dfd, args->fh);
}

/* try_decode(), as somebody else. */
static inline int decode_as(enum who who, __u64 flags, int dfd,
			    const struct handle *fh)
{
	struct decode_args args = { .dfd = dfd, .fh = fh };

	return run_as(who, flags, decode_in_child, &args);
}

/* Memory that children write to, too. */
static inline void *shared_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

#endif /* __SELFTEST_FILE_HANDLE_NSFS_H */
