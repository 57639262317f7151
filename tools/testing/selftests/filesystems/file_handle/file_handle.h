/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __SELFTEST_FILE_HANDLE_H
#define __SELFTEST_FILE_HANDLE_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../pidfd/pidfd.h"
#include "kselftest_harness.h"

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH		0x1000
#endif
#ifndef AT_HANDLE_MNT_ID_UNIQUE
#define AT_HANDLE_MNT_ID_UNIQUE	0x001
#endif
#ifndef AT_HANDLE_CONNECTABLE
#define AT_HANDLE_CONNECTABLE	0x002
#endif
#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID		0x200
#endif
#ifndef FD_NSFS_ROOT
#define FD_NSFS_ROOT		-10003
#endif
#ifndef STATX_MNT_ID
#define STATX_MNT_ID		0x00001000U
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE	0x00004000U
#endif

/* The values of the kernel, which the uapi headers do not have. */
#define FILEID_KERNFS		0xfe
#define FILEID_INVALID		0xff
#define FILEID_IS_CONNECTABLE	0x10000
#define FILEID_IS_DIR		0x20000

/*
 * What the kernel has for O_LARGEFILE: the C library has 0 where it is always
 * set, and that is not what the system call gets to see.
 */
#if defined(__alpha__) || defined(__arm__) || defined(__aarch64__) || \
	defined(__m68k__)
#define KERNEL_O_LARGEFILE	0400000
#elif defined(__powerpc__)
#define KERNEL_O_LARGEFILE	0200000
#elif defined(__mips__)
#define KERNEL_O_LARGEFILE	0x2000
#elif defined(__sparc__)
#define KERNEL_O_LARGEFILE	0x40000
#elif defined(__hppa__)
#define KERNEL_O_LARGEFILE	04000
#else
#define KERNEL_O_LARGEFILE	0100000
#endif

#define HANDLE_MAX		128	/* MAX_HANDLE_SZ of the kernel */
#define HANDLE_HEADER		8	/* struct file_handle without f_handle */
#define HANDLE_PIDFS		8	/* what a handle of a pidfd takes */

#define NOBODY			65534

/* What the bytes are that must not change. */
#define CANARY			0xa5

/* How often to ask for what comes about a little later. */
#define RETRIES			5000

/*
 * struct file_handle with room. The C library only has it without, and as a
 * structure that must not be the member of another.
 */
struct handle {
	__u32 bytes;
	__s32 type;
	unsigned char data[HANDLE_MAX];
};

static inline int write_string(const char *path, const char *string)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, string, strlen(string));
	close(fd);
	return ret == (ssize_t)strlen(string) ? 0 : -EIO;
}

/* Both return a negative errno, which is what a test wants to compare. */
static inline int encode_at(int dfd, const char *name, void *fh, void *mnt_id,
			    unsigned int flags)
{
	if (syscall(__NR_name_to_handle_at, dfd, name, fh, mnt_id, flags))
		return -errno;
	return 0;
}

static inline int decode(int dfd, const void *fh, unsigned int flags)
{
	int fd = syscall(__NR_open_by_handle_at, dfd, fh, flags);

	return fd < 0 ? -errno : fd;
}

/* Encode what @fd refers to. */
static inline int encode(int fd, struct handle *fh)
{
	__u64 mnt_id;

	memset(fh, 0, sizeof(*fh));
	fh->bytes = HANDLE_MAX;
	return encode_at(fd, "", fh, &mnt_id,
			 AT_EMPTY_PATH | AT_HANDLE_MNT_ID_UNIQUE);
}

static inline bool same_handle(const struct handle *a, const struct handle *b)
{
	return a->bytes == b->bytes && a->type == b->type &&
	       a->bytes <= HANDLE_MAX && !memcmp(a->data, b->data, a->bytes);
}

static inline __u64 handle_number(const struct handle *fh)
{
	__u64 nr;

	memcpy(&nr, fh->data, sizeof(nr));
	return nr;
}

static inline void handle_set_number(struct handle *fh, __u64 nr)
{
	memcpy(fh->data, &nr, sizeof(nr));
}

static inline int sys_statx(int dfd, const char *name, unsigned int flags,
			    unsigned int mask, struct statx *stx)
{
	memset(stx, 0, sizeof(*stx));
	return syscall(__NR_statx, dfd, name, flags, mask, stx);
}

/*
 * The 64-bit number of the struct pid behind a pidfd: a 32-bit kernel has no
 * more than the low half in the inode number, and the rest in the generation,
 * which is 0 elsewhere. 0, which no pid has, on failure.
 */
static inline __u64 pidfd_number(int pidfd)
{
	unsigned int generation;
	struct statx stx;

	if (sys_statx(pidfd, "", AT_EMPTY_PATH, STATX_INO, &stx))
		return 0;
	/* FS_IOC_GETVERSION, although it names a long, stores an int. */
	if (ioctl(pidfd, _IOR('v', 1, long), &generation))
		return 0;
	return stx.stx_ino | (__u64)generation << 32;
}

/* The process behind a pidfd, as the caller's pid namespace has it. */
static inline pid_t pidfd_to_pid(int pidfd)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_PID };

	if (ioctl(pidfd, PIDFD_GET_INFO, &info))
		return -errno;
	return info.pid;
}

static inline bool same_file(int a, int b)
{
	struct stat st_a, st_b;

	return !fstat(a, &st_a) && !fstat(b, &st_b) &&
	       st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

#define FDS_MAX		1024	/* the usual limit */

/* Return the number of open descriptors; works without a procfs. */
static inline int count_fds(void)
{
	int fd, nr = 0;

	for (fd = 0; fd < FDS_MAX; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			nr++;
	}
	return nr;
}

/* A test that dies must not leave processes behind. */
static inline void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline __noreturn void pause_forever(void)
{
	while (1)
		pause();
}

#define CHILDREN_MAX	64

/* The children that kill_children() has to see to. */
static pid_t children[CHILDREN_MAX];

/* Like fork(), also for namespaces; a negative errno on failure. */
static inline pid_t clone_child(__u64 flags, int *pidfd)
{
	struct __clone_args args = {
		.flags		= flags | (pidfd ? CLONE_PIDFD : 0),
		.pidfd		= ptr_to_u64(pidfd),
		.exit_signal	= SIGCHLD,
	};
	int slot = 0;
	pid_t pid;

	while (slot < CHILDREN_MAX && children[slot])
		slot++;
	if (slot == CHILDREN_MAX)
		return -ENOSPC;

	pid = sys_clone3(&args, sizeof(args));
	if (pid < 0)
		return -errno;
	if (pid) {
		children[slot] = pid;
		return pid;
	}
	/* Those of the parent are not the child's to kill. */
	memset(children, 0, sizeof(children));
	die_with_parent();
	return 0;
}

/* A child that does nothing until it is killed. */
static inline pid_t paused_child(__u64 flags, int *pidfd)
{
	pid_t pid = clone_child(flags, pidfd);

	if (!pid)
		pause_forever();
	return pid;
}

static inline void forget_child(pid_t pid)
{
	int slot;

	for (slot = 0; slot < CHILDREN_MAX; slot++) {
		if (children[slot] == pid)
			children[slot] = 0;
	}
}

static inline int reap_child(pid_t pid)
{
	while (waitpid(pid, NULL, 0) != pid) {
		if (errno != EINTR)
			return -errno;
	}
	forget_child(pid);
	return 0;
}

static inline int kill_and_reap(pid_t pid)
{
	if (kill(pid, SIGKILL))
		return -errno;
	return reap_child(pid);
}

/* Children of children come to us where we are a subreaper. */
static inline void kill_children(void)
{
	int slot;

	for (slot = 0; slot < CHILDREN_MAX; slot++) {
		if (children[slot] > 0)
			kill(children[slot], SIGKILL);
		children[slot] = 0;
	}
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

/* The only one where all ids are mapped to themselves. */
static inline bool in_initial_user_ns(void)
{
	unsigned int inside, outside, nr = UINT_MAX;
	FILE *map = fopen("/proc/self/uid_map", "re");

	if (map) {
		if (fscanf(map, "%u %u %u", &inside, &outside, &nr) != 3)
			nr = 0;
		fclose(map);
	}
	return nr == UINT_MAX;
}

/* The root of any other user namespace cannot decode at tmpfs. */
static inline bool is_root(void)
{
	return geteuid() == 0 && in_initial_user_ns();
}

static inline bool namespaces_missing(int err)
{
	return err == -EPERM || err == -EINVAL || err == -ENOSPC ||
	       err == -EUSERS;
}

static inline int become_user(void)
{
	if (!is_root())
		return 0;
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return -errno;
	/* The change of credentials has cleared it. */
	die_with_parent();
	return 0;
}

static inline int become_ns_root(uid_t uid, gid_t gid)
{
	char map[32];
	int ret;

	snprintf(map, sizeof(map), "0 %u 1", uid);
	ret = write_string("/proc/self/uid_map", map);
	if (ret)
		return ret;
	ret = write_string("/proc/self/setgroups", "deny");
	if (ret)
		return ret;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	ret = write_string("/proc/self/gid_map", map);
	if (ret)
		return ret;
	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return -errno;
	die_with_parent();
	return 0;
}

/* Two pages of which only the first is mapped: where the second starts. */
static inline unsigned char *page_end(void)
{
	size_t size = sysconf(_SC_PAGESIZE);
	unsigned char *page;

	page = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || munmap(page + size, size))
		return NULL;
	return page + size;
}

#endif /* __SELFTEST_FILE_HANDLE_H */
