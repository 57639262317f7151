/* SPDX-License-Identifier: GPL-2.0 */
/* Helpers for tests of name_to_handle_at(2) and open_by_handle_at(2). */
#ifndef __SELFTEST_FILE_HANDLE_H
#define __SELFTEST_FILE_HANDLE_H

#include <errno.h>
#include <fcntl.h>
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

/* Some C libraries have no struct statx. */
#ifndef STATX_BASIC_STATS
#include <linux/stat.h>
#endif

#include "../../pidfd/pidfd.h"

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

/* Constants of the kernel that are not in the uapi headers. */
#define FILEID_INO32_GEN	1
#define FILEID_KERNFS		0xfe
#define FILEID_INVALID		0xff
#define FILEID_IS_CONNECTABLE	0x10000
#define FILEID_IS_DIR		0x20000

/*
 * O_LARGEFILE as the system call gets it. The C library defines it as 0 where
 * off_t always has 64 bits.
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
#define HANDLE_PIDFS		8	/* size of a pidfs handle */
#define HANDLE_TMPFS		12	/* size of a tmpfs handle */

#define NOBODY			65534

/* Fills memory that a call must not change. */
#define CANARY			0xa5

/* Number of attempts at something that the kernel does asynchronously. */
#define RETRIES			10000

/* Seconds for a case that is slow with all debugging options. */
#define SLOW_TIMEOUT		120

/* In milliseconds, for what a stress test on a slow machine has not done at its end */
#define PATIENCE		60000

/* Mount point of the private tmpfs of a test. */
#define TMPFS_DIR		"/tmp"

/* Reasons to skip a case. */
#define NEEDS_PROCFS		"needs procfs on /proc"
#define NEEDS_INITIAL_ROOT	"needs root of the initial user namespace"
#define NEEDS_USER_NS		"needs permission to create user namespaces"
#define NEEDS_PID_NS		"needs permission to create pid namespaces"

/*
 * struct file_handle with a buffer. In the C library, it ends with a flexible
 * array and cannot be a member of another structure.
 */
struct handle {
	__u32 bytes;
	__s32 type;
	unsigned char data[HANDLE_MAX];
};

/*
 * Calls. All return a negative errno on failure.
 */

int write_string(const char *path, const char *string);

/* These are inlined for the benchmarks, which time them. */
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

/* Encodes a handle of the file of @fd. */
int encode(int fd, struct handle *fh);

/* Encodes a handle of the file at @path. */
int encode_path(int dfd, const char *path, struct handle *fh);

/* Stores @fd in @kept and its handle in @fh. Returns -EBADF if @fd is an error. */
int keep(int fd, int *kept, struct handle *fh);

int sys_statx(int dfd, const char *name, unsigned int flags, unsigned int mask,
	      struct statx *stx);

/* Creates a file that contains @content, and returns a descriptor of it. */
int make_file(int dfd, const char *name, const char *content);

/*
 * Handles
 */

bool same_handle(const struct handle *a, const struct handle *b);
__u64 handle_number(const struct handle *fh);
void handle_set_number(struct handle *fh, __u64 nr);

/*
 * Returns true if no filesystem gets to see @fh: the system call refuses its
 * size or its flags with EINVAL.
 */
bool handle_is_invalid(const struct handle *fh);

/* Sizes that both system calls refuse. */
#define HUGE_SIZES	5
extern const __u32 huge_sizes[HUGE_SIZES];

/* Descriptors that are not open, among them AT_* constants of other calls. */
#define BAD_FDS		7
extern const int bad_fds[BAD_FDS];

/*
 * Descriptors
 */

#define FDS_MAX		1024	/* default RLIMIT_NOFILE */

bool same_file(int a, int b);

/* Returns the number of open descriptors. Does not need procfs. */
int count_fds(void);

/* Closes @fd unless it is an error, which is returned. */
int close_result(int fd);

/*
 * Returns the 64-bit number of the struct pid of a pidfd, or 0 on failure. On
 * 32-bit kernels, the upper half is the inode generation, which is 0 elsewhere.
 */
__u64 pidfd_number(int pidfd);

/* Returns the process of a pidfd, in the pid namespace of the caller. */
pid_t pidfd_to_pid(int pidfd);

/*
 * Log and memory of the kernel
 */

/* A test that makes a kernel without a fix warn must be skipped then. */
bool panics_on_warning(void);

/*
 * Returns true if a message since @kmsg was opened or read contains one of the texts.
 * @kmsg is /dev/kmsg with O_NONBLOCK.
 */
bool log_contains(int kmsg, const char *const *texts, unsigned int nr);

/*
 * Returns the size of unreclaimable slabs in KiB, or -1. If memory leaks, it grows in
 * each round of calls. KASAN frees memory late, so that the first rounds need memory.
 */
long slab_size(void);

#define SLAB_ROUNDS	60

/*
 * Children. All are killed when the test dies.
 */

#define CHILDREN_MAX	64

void die_with_parent(void);
__noreturn void pause_forever(void);

/* Like fork(), in new namespaces @flags. */
pid_t clone_child(__u64 flags, int *pidfd);

/* Clones a child that waits for a signal. */
pid_t paused_child(__u64 flags, int *pidfd);

/* For children that were not cloned by clone_child(). */
void remember_child(pid_t pid);
void forget_child(pid_t pid);

int reap_child(pid_t pid);
int kill_and_reap(pid_t pid);

/* Kills all children, and reaps them and those that a subreaper inherits. */
void kill_children(void);

/* Returns the exit status as a negative number, or @otherwise after a signal. */
int wait_status(pid_t pid, int otherwise);

/* Credentials of a child. */
enum who {
	WHO_SAME,		/* those of the test */
	WHO_USER,		/* an ordinary user without capabilities */
	WHO_NS_ROOT,		/* root of a new user namespace */
};

/* Result of run_as() if it could not create the child. */
#define NO_CHILD	-255

/*
 * Runs @fn in a child in new namespaces @flags. @fn returns 0 or a negative
 * errno, which is returned.
 */
int run_as(enum who who, __u64 flags, int (*fn)(void *arg), void *arg);

/*
 * Credentials
 */

/* Returns true if the user namespace maps all ids to themselves. */
bool in_initial_user_ns(void);

/* Returns true for root of the initial user namespace. */
bool is_root(void);

/* Returns true if @err says that the caller cannot create a namespace. */
bool namespaces_missing(int err);

int become_user(void);
int become_ns_root(uid_t uid, gid_t gid);

/*
 * Memory
 */

/* Returns the address behind a page that is followed by an unmapped one. */
unsigned char *page_end(void);

/* Returns memory that is shared with children, or NULL. */
void *shared_memory(size_t size);

/* Returns the time in milliseconds since an arbitrary start. */
__u64 now_ms(void);

__u64 nanoseconds(const struct timespec *ts);

/*
 * Mounts. The tests mount only in mount namespaces of their own.
 */

/* Returns whether the kernel has a filesystem, of a type such as "tmpfs". */
bool has_filesystem(const char *type);

/* Enters a new mount namespace that propagates nothing. */
int private_mounts(void);

/*
 * Enters a new mount namespace, mounts a tmpfs on TMPFS_DIR and changes the
 * current directory to it. Returns a descriptor of its root.
 */
int enter_private_tmpfs(void);

/*
 * Unmounts that tmpfs. This fails as long as there is a reference to one of
 * its files. References that are dropped asynchronously are waited for.
 */
int leave_private_tmpfs(int root);

/* Returns the root directory of a tmpfs that is not mounted on any path. */
int detached_tmpfs(void);

/*
 * Probes. Each returns the reason to skip a fixture, or NULL.
 */

const char *pidfs_missing(void);

#endif /* __SELFTEST_FILE_HANDLE_H */
