// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "nsfs.h"

const struct ns_kind ns_kinds[NS_KINDS] = {
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

int ns_of_pidfd(int pidfd, const struct ns_kind *kind)
{
	int fd = ioctl(pidfd, kind->request, 0);

	return fd < 0 ? -errno : fd;
}

int open_for_children(int pidfd, unsigned int type)
{
	return ioctl(pidfd, type == CLONE_NEWPID ?
			    PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE :
			    PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE, 0);
}

int ns_own(const struct ns_kind *kind)
{
	int pidfd = sys_pidfd_open(getpid(), 0);
	int fd;

	if (pidfd < 0)
		return -errno;
	fd = ns_of_pidfd(pidfd, kind);
	close(pidfd);
	return fd;
}

__u64 ns_id(int fd)
{
	__u64 id;

	return ioctl(fd, NS_GET_ID, &id) ? 0 : id;
}

unsigned int ns_type(int fd)
{
	int type = ioctl(fd, NS_GET_NSTYPE);

	return type < 0 ? 0 : type;
}

__u64 ns_ino(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

struct nsfs_file_handle handle_ns(const struct handle *fh)
{
	struct nsfs_file_handle ns;

	memcpy(&ns, fh->data, sizeof(ns));
	return ns;
}

void handle_set_ns(struct handle *fh, __u64 id, __u32 type, __u32 inum)
{
	const struct nsfs_file_handle ns = {
		.ns_id = id, .ns_type = type, .ns_inum = inum,
	};

	fh->bytes = HANDLE_NSFS;
	fh->type = FILEID_NSFS;
	memset(fh->data, 0, sizeof(fh->data));
	memcpy(fh->data, &ns, sizeof(ns));
}

bool is_named_by(int fd, const struct handle *fh)
{
	struct nsfs_file_handle ns = handle_ns(fh);

	return ns_id(fd) == ns.ns_id &&
	       (!ns.ns_type || ns_type(fd) == ns.ns_type) &&
	       (!ns.ns_inum || ns_ino(fd) == ns.ns_inum);
}

int try_decode(int dfd, const struct handle *fh)
{
	int fd = decode(dfd, fh, O_CLOEXEC);
	int ret;

	if (fd < 0)
		return fd;
	ret = is_named_by(fd, fh) ? 0 : -EBADMSG;
	close(fd);
	return ret;
}

int wait_until_stale(const struct handle *fh)
{
	int i, ret = 0;

	for (i = 0; i < RETRIES; i++) {
		ret = try_decode(FD_NSFS_ROOT, fh);
		if (ret)
			break;
		usleep(1000);
	}
	return ret;
}

int decode_in_child(void *arg)
{
	const struct decode_args *args = arg;

	return try_decode(args->dfd, args->fh);
}

int decode_as(enum who who, __u64 flags, int dfd, const struct handle *fh)
{
	struct decode_args args = { .dfd = dfd, .fh = fh };

	return run_as(who, flags, decode_in_child, &args);
}

bool may_see_all(void)
{
	int pid_ns = ns_own(&ns_kinds[NS_PID]);
	int user_ns = ns_own(&ns_kinds[NS_USER]);
	bool ret = geteuid() == 0 && ns_ino(pid_ns) == PID_NS_INIT_INO &&
		   ns_ino(user_ns) == USER_NS_INIT_INO;

	close(pid_ns);
	close(user_ns);
	return ret;
}

bool may_test_all(void)
{
	return may_see_all() && !access("/proc/self/uid_map", F_OK);
}

pid_t make_namespace(const struct ns_kind *kind, struct handle *fh)
{
	int pidfd, fd, ret;
	pid_t pid;

	pid = paused_child(kind->type, &pidfd);
	if (pid < 0)
		return pid;
	fd = ns_of_pidfd(pidfd, kind);
	close(pidfd);
	ret = fd < 0 ? fd : encode(fd, fh);
	if (fd >= 0)
		close(fd);
	if (ret) {
		kill_and_reap(pid);
		return ret;
	}
	return pid;
}

int subject_init(struct subject *ns, enum ns_index index)
{
	ns->kind = &ns_kinds[index];
	ns->foreign = may_test_all();
	ns->child = paused_child(ns->foreign ? ns->kind->type : 0, &ns->pidfd);
	if (ns->child < 0)
		return ns->child;
	ns->fd = ns_of_pidfd(ns->pidfd, ns->kind);
	if (ns->fd < 0)
		return ns->fd;
	ns->own = ns_own(ns->kind);
	ns->user_ns = ns_own(&ns_kinds[NS_USER]);
	if (ns->own < 0 || ns->user_ns < 0)
		return -ENOENT;
	ns->id = ns_id(ns->fd);
	ns->ino = ns_ino(ns->fd);
	return encode(ns->fd, &ns->fh);
}

int ask_fd(int fd, unsigned int request, void *arg, unsigned int type,
	   __u64 *id)
{
	int new = ioctl(fd, request, arg);
	int ret = 0;

	if (new < 0)
		return -errno;
	if (ns_type(new) != type)
		ret = -EBADMSG;
	if (id)
		*id = ns_id(new);
	close(new);
	return ret;
}

int ask_neighbour(int fd, unsigned int request)
{
	struct mnt_ns_info info = {};
	__u64 own = ns_id(fd), id = 0;
	int ret = ask_fd(fd, request, &info, CLONE_NEWNS, &id);

	if (ret)
		return ret;
	if (info.mnt_ns_id != id || info.size != sizeof(info))
		return -EBADMSG;
	if (request == NS_MNT_GET_NEXT)
		return id > own ? 0 : -EBADMSG;
	return id < own ? 0 : -EBADMSG;
}

/* Requests that translate a pid, which only pid namespaces support. */
static int use_pid_requests(int fd, unsigned int pid, unsigned int *request)
{
	static const unsigned int requests[] = {
		NS_GET_PID_FROM_PIDNS, NS_GET_TGID_FROM_PIDNS,
		NS_GET_PID_IN_PIDNS, NS_GET_TGID_IN_PIDNS,
	};
	const bool is_pid = ns_type(fd) == CLONE_NEWPID;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		*request = requests[i];
		ret = ioctl(fd, requests[i], pid);
		ret = ret < 0 ? -errno : ret;
		if (is_pid ? ret <= 0 && ret != -ESRCH : ret != -EINVAL)
			return ret < 0 ? ret : -EBADMSG;
	}
	return 0;
}

/* Requests that only mount namespaces support. */
static int use_mnt_requests(int fd, unsigned int *request)
{
	static const unsigned int requests[] = {
		NS_MNT_GET_NEXT, NS_MNT_GET_PREV,
	};
	const bool is_mnt = ns_type(fd) == CLONE_NEWNS;
	struct mnt_ns_info info = {};
	unsigned int i;
	int ret;

	*request = NS_MNT_GET_INFO;
	ret = ioctl(fd, NS_MNT_GET_INFO, &info) ? -errno : 0;
	if (ret != (is_mnt ? 0 : -EINVAL))
		return ret ? : -EBADMSG;
	if (is_mnt && info.mnt_ns_id != ns_id(fd))
		return -EBADMSG;
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		*request = requests[i];
		ret = ask_neighbour(fd, requests[i]);
		if (is_mnt ? ret && ret != -ENOENT : ret != -EINVAL)
			return ret ? : -EBADMSG;
	}
	return 0;
}

int use_namespace(int fd, unsigned int pid, unsigned int *request)
{
	const unsigned int type = ns_type(fd);
	const bool has_parent = type == CLONE_NEWPID || type == CLONE_NEWUSER;
	uid_t uid;
	int ret;

	*request = NS_GET_USERNS;
	ret = ask_fd(fd, NS_GET_USERNS, NULL, CLONE_NEWUSER, NULL);
	/* The initial user namespace has no owner. */
	if (ret && ret != -EPERM)
		return ret;
	*request = NS_GET_PARENT;
	ret = ask_fd(fd, NS_GET_PARENT, NULL, type, NULL);
	if (has_parent ? ret && ret != -EPERM : ret != -EINVAL)
		return ret ? : -EBADMSG;
	*request = NS_GET_OWNER_UID;
	ret = ioctl(fd, NS_GET_OWNER_UID, &uid) ? -errno : 0;
	if (ret != (type == CLONE_NEWUSER ? 0 : -EINVAL))
		return ret ? : -EBADMSG;
	ret = use_pid_requests(fd, pid, request);
	return ret ? : use_mnt_requests(fd, request);
}

const char *nsfs_ids_missing(void)
{
	const char *reason = NULL;
	int fd = ns_own(&ns_kinds[NS_UTS]);

	if (fd < 0)
		return "needs PIDFD_GET_UTS_NAMESPACE";
	if (!ns_id(fd))
		reason = "needs NS_GET_ID";
	close(fd);
	return reason;
}

const char *nsfs_handles_missing(void)
{
	const char *reason = nsfs_ids_missing();
	struct handle fh;
	int fd;

	if (reason)
		return reason;
	fd = ns_own(&ns_kinds[NS_UTS]);
	if (encode(fd, &fh))
		reason = "needs file handles of namespaces";
	else if (try_decode(FD_NSFS_ROOT, &fh))
		reason = "needs open_by_handle_at(2) with FD_NSFS_ROOT";
	close(fd);
	return reason;
}

const char *nsfs_missing(void)
{
	const char *reason = nsfs_handles_missing();
	struct handle fh;
	int fd;

	if (reason)
		return reason;
	fd = ns_own(&ns_kinds[NS_UTS]);
	handle_set_ns(&fh, ns_id(fd), 0, 0);
	close(fd);
	if (try_decode(FD_NSFS_ROOT, &fh))
		return "needs namespace handles that can be opened by id alone";
	return NULL;
}
