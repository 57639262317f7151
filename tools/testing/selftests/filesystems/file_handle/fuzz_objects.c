// SPDX-License-Identifier: GPL-2.0
/* The objects whose handles are fuzzed: those that all processes share. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "fuzz.h"
#include "fuzz_objects.h"
#include "sample.h"

#define ALL_NAMESPACES	(CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNS | \
			 CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWTIME | \
			 CLONE_NEWUTS)

__u64 statx_dev(const struct statx *stx)
{
	return (__u64)stx->stx_dev_major << 32 | stx->stx_dev_minor;
}

static void add_mount(struct fuzz_world *w, int fd)
{
	struct fuzz_mount m = { };
	struct statx stx;

	if (sys_statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx))
		return;
	m.id = stx.stx_mnt_id;
	if (!sys_statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &stx))
		m.unique_id = stx.stx_mnt_id;
	if (w->nr_mounts < MOUNTS_MAX && find_mount(w, m.id, false) < 0)
		w->mounts[w->nr_mounts++] = m;
}

/* Encodes all kinds of handles of the file of @fd. */
static void encode_all(struct fuzz_object *o, int fd)
{
	static const unsigned int flags[VARIANTS] = {
		[VARIANT_PLAIN] = AT_EMPTY_PATH,
		[VARIANT_FID] = AT_EMPTY_PATH | AT_HANDLE_FID,
		[VARIANT_CONNECTABLE] = AT_SYMLINK_FOLLOW | AT_HANDLE_CONNECTABLE,
	};
	char path[32];
	__u64 mnt_id;
	int i;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (i = 0; i < VARIANTS; i++) {
		memset(&o->fh[i], 0, sizeof(o->fh[i]));
		o->fh[i].bytes = HANDLE_MAX;
		if (encode_at(fd, flags[i] & AT_EMPTY_PATH ? "" : path, &o->fh[i],
			      &mnt_id, flags[i] | AT_HANDLE_MNT_ID_UNIQUE))
			memset(&o->fh[i], 0, sizeof(o->fh[i]));
	}
}

void set_object(struct fuzz_world *w, unsigned int index, int fd)
{
	struct fuzz_object *o = &w->objects[index];
	struct statx stx;

	o->fd = fd < 0 ? -1 : fd;
	o->dev = 0;
	memset(o->fh, 0, sizeof(o->fh));
	if (fd < 0 || sys_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx))
		return;
	o->dev = statx_dev(&stx);
	o->ino = stx.stx_ino;
	o->mode = stx.stx_mode;
	encode_all(o, fd);
	add_mount(w, fd);
}

unsigned int add_object(struct fuzz_world *w, const char *name, enum fuzz_fs fs,
			int fd)
{
	unsigned int index = w->nr++;
	struct fuzz_object *o = &w->objects[index];

	if (w->nr > OBJECTS_MAX)
		abort();
	memset(o, 0, sizeof(*o));
	snprintf(o->name, sizeof(o->name), "%s", name);
	o->fs = fs;
	set_object(w, index, fd);
	return index;
}

unsigned int add_path(struct fuzz_world *w, const char *name, enum fuzz_fs fs,
		      const char *path, int flags)
{
	return add_object(w, name, fs, open(path, flags | O_CLOEXEC));
}

void close_object(struct fuzz_world *w, unsigned int index)
{
	struct fuzz_object *o = &w->objects[index];

	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	/* The kernel reuses the inode numbers of namespaces. */
	if (o->fs == FS_NSFS)
		o->dev = 0;
}

/* Kills @pid, and waits until it is a zombie. */
void make_zombie(pid_t pid)
{
	siginfo_t info;

	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitid(P_PID, pid, &info, WEXITED | WNOWAIT) && errno == EINTR)
		;
}

static void reap(pid_t pid)
{
	if (pid > 0)
		kill_and_reap(pid);
}

/* Waits until another task has stored a number. */
static void wait_for_number(const int *number)
{
	int i;

	for (i = 0; i < RETRIES && !__atomic_load_n(number, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
}

static void *sleep_forever(void *arg)
{
	__atomic_store_n((int *)arg, syscall(__NR_gettid), __ATOMIC_RELEASE);
	pause_forever();
	return NULL;
}

/* Adds a thread of a child that is not its leader. */
static void add_thread(struct fuzz_world *w)
{
	int *tid = shared_memory(sizeof(*tid));
	pthread_t thread;
	pid_t pid;

	if (!tid)
		return;
	pid = clone_child(0, NULL);
	if (!pid) {
		pthread_create(&thread, NULL, sleep_forever, tid);
		pause_forever();
	}
	wait_for_number(tid);
	add_object(w, "thread", FS_PIDFS,
		   sys_pidfd_open(*tid, PIDFD_THREAD));
}

/* Adds the child of a child that is the init process of a pid namespace. */
static void add_nested(struct fuzz_world *w)
{
	int *number = shared_memory(sizeof(*number));
	int pidfd = -1, fd = -1;
	pid_t pid;

	if (!number)
		return;
	pid = clone_child(CLONE_NEWPID, &pidfd);
	if (!pid) {
		if (paused_child(0, &fd) > 0)
			__atomic_store_n(number, fd, __ATOMIC_RELEASE);
		pause_forever();
	}
	wait_for_number(number);
	add_object(w, "nested:init", FS_PIDFS, pidfd);
	add_object(w, "nested:child", FS_PIDFS,
		   sys_pidfd_getfd(pidfd, *number, 0));
}

static void add_processes(struct fuzz_world *w)
{
	int pidfd = -1;
	pid_t pid;

	add_object(w, "parent", FS_PIDFS, sys_pidfd_open(getpid(), 0));
	add_object(w, "init", FS_PIDFS, sys_pidfd_open(1, 0));
	add_object(w, "kthreadd", FS_PIDFS, sys_pidfd_open(2, 0));
	paused_child(0, &pidfd);
	add_object(w, "live", FS_PIDFS, pidfd);
	pid = paused_child(0, &pidfd);
	add_object(w, "zombie", FS_PIDFS, pidfd);
	make_zombie(pid);
	pid = paused_child(0, &pidfd);
	add_object(w, "reaped:open", FS_PIDFS, pidfd);
	reap(pid);
	pid = paused_child(0, &pidfd);
	close_object(w, add_object(w, "reaped", FS_PIDFS, pidfd));
	reap(pid);
	add_thread(w);
	add_nested(w);
}

/* Adds a namespace of each type, of the process of @pidfd. */
static unsigned int add_namespaces(struct fuzz_world *w, const char *what,
				   int pidfd)
{
	unsigned int first = w->nr, i;
	char name[32];

	for (i = 0; i < NS_KINDS; i++) {
		snprintf(name, sizeof(name), "%s:%s", ns_kinds[i].name, what);
		add_object(w, name, FS_NSFS, ns_of_pidfd(pidfd, &ns_kinds[i]));
	}
	return first;
}

static void add_dead_namespaces(struct fuzz_world *w)
{
	unsigned int first, i;
	int pidfd = -1;
	pid_t pid;

	pid = paused_child(CLONE_NEWUSER | ALL_NAMESPACES, &pidfd);
	first = add_namespaces(w, "dead", pidfd);
	for (i = first; i < w->nr; i++)
		close_object(w, i);
	close(pidfd);
	reap(pid);
	for (i = first; i < w->nr; i++)
		wait_until_stale(&w->objects[i].fh[VARIANT_PLAIN]);

	/* Only descriptors keep these. */
	pid = paused_child(ALL_NAMESPACES, &pidfd);
	add_namespaces(w, "pinned", pidfd);
	close(pidfd);
	reap(pid);
}

static void add_all_namespaces(struct fuzz_world *w)
{
	int pidfd = sys_pidfd_open(1, 0);

	add_namespaces(w, "init", pidfd);
	close(pidfd);
	paused_child(ALL_NAMESPACES, &pidfd);
	add_object(w, "foreign", FS_PIDFS, pidfd);
	add_namespaces(w, "foreign", pidfd);
	paused_child(CLONE_NEWUSER | ALL_NAMESPACES, &pidfd);
	add_object(w, "container", FS_PIDFS, pidfd);
	add_namespaces(w, "container", pidfd);
	add_dead_namespaces(w);
}

/* A tmpfs of the initial user namespace, which is not mounted. */
static void add_outer_tmpfs(struct fuzz_world *w)
{
	int root = detached_tmpfs();

	add_object(w, "outer", FS_TMPFS, root);
	add_object(w, "outer/file", FS_TMPFS, make_file(root, "file", "x"));
	if (root >= 0)
		mkdirat(root, "dir", 0755);
	add_object(w, "outer/dir", FS_TMPFS,
		   openat(root, "dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* Makes the handle of a file without looking it up. */
static void cgroup_handle(const char *name, struct handle *fh)
{
	DIR *dir = opendir(FUZZ_CGROUP);
	struct dirent64 *entry;

	memset(fh, 0, sizeof(*fh));
	fh->bytes = sizeof(__u64);
	fh->type = FILEID_KERNFS;
	while (dir && (entry = readdir64(dir))) {
		if (!strcmp(entry->d_name, name))
			handle_set_number(fh, entry->d_ino);
	}
	if (dir)
		closedir(dir);
}

static void add_cgroups(struct fuzz_world *w)
{
	struct fuzz_object *hidden;
	struct handle fh;
	struct statx stx;

	mkdir(FUZZ_CGROUP, 0755);
	mkdir(FUZZ_CGROUP "/gone", 0755);
	add_path(w, "cgroup:root", FS_CGROUP, "/sys/fs/cgroup", O_RDONLY);
	add_path(w, "cgroup:file", FS_CGROUP, FUZZ_CGROUP "/cgroup.procs", O_RDONLY);
	close_object(w, add_path(w, "cgroup:gone", FS_CGROUP, FUZZ_CGROUP "/gone",
				 O_RDONLY));
	rmdir(FUZZ_CGROUP "/gone");
	add_path(w, "cgroup:dir", FS_CGROUP, FUZZ_CGROUP, O_RDONLY);

	/* Nobody looks this one up by name, so its dentry is disconnected. */
	cgroup_handle("cgroup.stat", &fh);
	hidden = &w->objects[add_object(w, "cgroup:hidden", FS_CGROUP, -1)];
	hidden->fd = decode(hidden[-1].fd, &fh, O_RDONLY | O_CLOEXEC);
	if (hidden->fd < 0 ||
	    sys_statx(hidden->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx))
		return;
	hidden->dev = statx_dev(&stx);
	hidden->ino = stx.stx_ino;
	hidden->mode = stx.stx_mode;
	hidden->fh[VARIANT_PLAIN] = fh;
	hidden->fh[VARIANT_FID] = fh;
}

/* Files whose filesystems do not decode handles, or that have none. */
static void add_others(struct fuzz_world *w)
{
	int fds[2] = { -1, -1 };

	add_path(w, "/", FS_OTHER, "/", O_RDONLY);
	add_path(w, "/proc", FS_OTHER, "/proc", O_RDONLY);
	add_path(w, "/proc/version", FS_OTHER, "/proc/version", O_RDONLY);
	add_path(w, "/sys/kernel", FS_OTHER, "/sys/kernel", O_RDONLY);
	add_path(w, "/dev/null", FS_OTHER, "/dev/null", O_RDWR);
	add_path(w, "/dev/pts", FS_OTHER, "/dev/pts", O_RDONLY);
	add_object(w, "memfd", FS_OTHER, sys_memfd_create("fuzz", MFD_CLOEXEC));
	add_object(w, "eventfd", FS_OTHER, eventfd(0, EFD_CLOEXEC));
	add_object(w, "socket", FS_OTHER,
		   socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		fds[0] = -1;
	add_object(w, "pipe", FS_OTHER, fds[0]);
}

/* The sample module, if it is loaded. */
static void add_sample(struct fuzz_world *w)
{
	int dev = open_device();

	add_object(w, "sample:anchor", FS_SAMPLE, make_anchor(dev));
	remove_object(dev, "fuzz");
	add_object(w, "sample:object", FS_SAMPLE, make_object(dev, "fuzz", 4096));
	add_object(w, "sample:gone", FS_SAMPLE, make_object(dev, "fuzz2", 4096));
	remove_object(dev, "fuzz2");
	close_object(w, w->nr - 1);
	close_result(dev);
}

int make_shared_objects(struct fuzz_world *w)
{
	memset(w, 0, sizeof(*w));
	add_processes(w);
	add_all_namespaces(w);
	add_outer_tmpfs(w);
	add_others(w);
	add_sample(w);
	add_cgroups(w);
	return 0;
}

void look_at_pids(struct fuzz_world *w)
{
	unsigned int i;
	pid_t pid;

	for (i = 0; i < w->nr; i++) {
		struct fuzz_object *o = &w->objects[i];

		pid = o->fs == FS_PIDFS && o->fd >= 0 ? pidfd_to_pid(o->fd) : 0;
		o->pid = pid > 0 ? pid : 0;
	}
}

int find_object(const struct fuzz_world *w, __u64 dev, __u64 ino)
{
	unsigned int i;

	for (i = 0; i < w->nr; i++) {
		if (w->objects[i].ino == ino && w->objects[i].dev == dev)
			return i;
	}
	return UNKNOWN_INDEX;
}

int find_handle(const struct fuzz_world *w, const struct handle *fh)
{
	unsigned int i, v;

	for (i = 0; i < w->nr; i++) {
		for (v = 0; v < VARIANTS; v++) {
			if (w->objects[i].fh[v].bytes &&
			    same_handle(&w->objects[i].fh[v], fh))
				return i;
		}
	}
	return UNKNOWN_INDEX;
}

int find_pid(const struct fuzz_world *w, pid_t pid)
{
	unsigned int i;

	for (i = 0; i < w->nr; i++) {
		if (w->objects[i].pid == pid)
			return i;
	}
	return UNKNOWN_INDEX;
}

int find_mount(const struct fuzz_world *w, __u64 id, bool unique)
{
	unsigned int i;

	for (i = 0; i < w->nr_mounts; i++) {
		if (id == (unique ? w->mounts[i].unique_id : w->mounts[i].id))
			return i;
	}
	return UNKNOWN_INDEX;
}
