// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <grp.h>
#include <sys/mount.h>
#include <time.h>

#include "file_handle.h"
#include "../wrappers.h"

const __u32 huge_sizes[HUGE_SIZES] = {
	HANDLE_MAX + 1, 256, INT_MAX, (__u32)INT_MAX + 1, UINT_MAX,
};

const int bad_fds[BAD_FDS] = {
	-1, INT_MAX, INT_MIN, -10000, -10001, -10004, -10009,
};

/* Children to kill. */
static pid_t children[CHILDREN_MAX];

int write_string(const char *path, const char *string)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, string, strlen(string));
	close(fd);
	return ret == (ssize_t)strlen(string) ? 0 : -EIO;
}

static int encode_flags(int dfd, const char *path, struct handle *fh,
			unsigned int flags)
{
	__u64 mnt_id;

	memset(fh, 0, sizeof(*fh));
	fh->bytes = HANDLE_MAX;
	return encode_at(dfd, path, fh, &mnt_id,
			 flags | AT_HANDLE_MNT_ID_UNIQUE);
}

int encode(int fd, struct handle *fh)
{
	return encode_flags(fd, "", fh, AT_EMPTY_PATH);
}

int encode_path(int dfd, const char *path, struct handle *fh)
{
	return encode_flags(dfd, path, fh, 0);
}

int keep(int fd, int *kept, struct handle *fh)
{
	*kept = fd;
	return fd < 0 ? -EBADF : encode(fd, fh);
}

int sys_statx(int dfd, const char *name, unsigned int flags, unsigned int mask,
	      struct statx *stx)
{
	memset(stx, 0, sizeof(*stx));
	return syscall(__NR_statx, dfd, name, flags, mask, stx);
}

int make_file(int dfd, const char *name, const char *content)
{
	int fd = openat(dfd, name, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	ssize_t len = strlen(content);

	if (fd >= 0 && write(fd, content, len) != len) {
		close(fd);
		return -EIO;
	}
	return fd < 0 ? -errno : fd;
}

bool same_handle(const struct handle *a, const struct handle *b)
{
	return a->bytes == b->bytes && a->type == b->type &&
	       a->bytes <= HANDLE_MAX && !memcmp(a->data, b->data, a->bytes);
}

__u64 handle_number(const struct handle *fh)
{
	__u64 nr;

	memcpy(&nr, fh->data, sizeof(nr));
	return nr;
}

void handle_set_number(struct handle *fh, __u64 nr)
{
	memcpy(fh->data, &nr, sizeof(nr));
}

bool handle_is_invalid(const struct handle *fh)
{
	return !fh->bytes || fh->bytes > HANDLE_MAX || fh->type < 0 ||
	       (fh->type >> 16 & ~3);
}

bool same_file(int a, int b)
{
	struct stat st_a, st_b;

	return !fstat(a, &st_a) && !fstat(b, &st_b) &&
	       st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

int count_fds(void)
{
	int fd, nr = 0;

	for (fd = 0; fd < FDS_MAX; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			nr++;
	}
	return nr;
}

int close_result(int fd)
{
	return fd < 0 ? fd : close(fd);
}

__u64 pidfd_number(int pidfd)
{
	unsigned int generation;
	struct statx stx;

	if (sys_statx(pidfd, "", AT_EMPTY_PATH, STATX_INO, &stx))
		return 0;
	/* FS_IOC_GETVERSION stores an int, although it is defined with long. */
	if (ioctl(pidfd, _IOR('v', 1, long), &generation))
		return 0;
	return stx.stx_ino | (__u64)generation << 32;
}

pid_t pidfd_to_pid(int pidfd)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_PID };

	if (ioctl(pidfd, PIDFD_GET_INFO, &info))
		return -errno;
	return info.pid;
}

bool panics_on_warning(void)
{
	int fd = open("/proc/sys/kernel/panic_on_warn", O_RDONLY | O_CLOEXEC);
	char digit = '0';

	if (fd >= 0 && read(fd, &digit, 1) != 1)
		digit = '0';
	close(fd);
	return digit != '0';
}

bool log_contains(int kmsg, const char *const *texts, unsigned int nr)
{
	char record[8192];
	bool found = false;
	unsigned int i;
	ssize_t len;

	/* EPIPE: the kernel has overwritten messages. */
	while ((len = read(kmsg, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		record[len > 0 ? len : 0] = '\0';
		for (i = 0; i < nr; i++)
			found |= !!strstr(record, texts[i]);
	}
	return found;
}

long slab_size(void)
{
	char line[128];
	long kib = -1;
	FILE *info;

	/* Adds up the counts of the processors, if the caller may do that. */
	write_string("/proc/sys/vm/stat_refresh", "1");
	info = fopen("/proc/meminfo", "re");
	while (info && kib < 0 && fgets(line, sizeof(line), info))
		sscanf(line, "SUnreclaim: %ld", &kib);
	if (info)
		fclose(info);
	return kib;
}

void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void pause_forever(void)
{
	while (1)
		pause();
}

static pid_t *free_slot(void)
{
	int slot;

	for (slot = 0; slot < CHILDREN_MAX; slot++) {
		if (!children[slot])
			return &children[slot];
	}
	return NULL;
}

pid_t clone_child(__u64 flags, int *pidfd)
{
	struct __clone_args args = {
		.flags		= flags | (pidfd ? CLONE_PIDFD : 0),
		.pidfd		= ptr_to_u64(pidfd),
		.exit_signal	= SIGCHLD,
	};
	pid_t *slot = free_slot();
	pid_t pid;

	if (!slot)
		return -ENOSPC;
	pid = sys_clone3(&args, sizeof(args));
	if (pid < 0)
		return -errno;
	if (pid) {
		*slot = pid;
		return pid;
	}
	/* They are the parent's to kill. */
	memset(children, 0, sizeof(children));
	die_with_parent();
	return 0;
}

pid_t paused_child(__u64 flags, int *pidfd)
{
	pid_t pid = clone_child(flags, pidfd);

	if (!pid)
		pause_forever();
	return pid;
}

void remember_child(pid_t pid)
{
	pid_t *slot = free_slot();

	if (slot)
		*slot = pid;
}

void forget_child(pid_t pid)
{
	int slot;

	for (slot = 0; slot < CHILDREN_MAX; slot++) {
		if (children[slot] == pid)
			children[slot] = 0;
	}
}

static int wait_for(pid_t pid, int *status)
{
	while (waitpid(pid, status, 0) != pid) {
		if (errno != EINTR)
			return -errno;
	}
	forget_child(pid);
	return 0;
}

int reap_child(pid_t pid)
{
	return wait_for(pid, NULL);
}

int kill_and_reap(pid_t pid)
{
	if (kill(pid, SIGKILL))
		return -errno;
	return reap_child(pid);
}

void kill_children(void)
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

int wait_status(pid_t pid, int otherwise)
{
	int status;

	if (pid < 0 || wait_for(pid, &status) || !WIFEXITED(status))
		return otherwise;
	return -WEXITSTATUS(status);
}

int run_as(enum who who, __u64 flags, int (*fn)(void *arg), void *arg)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	pid_t pid = clone_child(flags, NULL);
	int ret = 0;

	if (!pid) {
		if (who == WHO_USER)
			ret = become_user();
		else if (who == WHO_NS_ROOT)
			ret = become_ns_root(uid, gid);
		_exit(ret ? -NO_CHILD : -fn(arg));
	}
	return wait_status(pid, NO_CHILD);
}

bool in_initial_user_ns(void)
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

bool is_root(void)
{
	return geteuid() == 0 && in_initial_user_ns();
}

bool namespaces_missing(int err)
{
	return err == -EPERM || err == -EINVAL || err == -ENOSPC ||
	       err == -EUSERS;
}

int become_user(void)
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

int become_ns_root(uid_t uid, gid_t gid)
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

unsigned char *page_end(void)
{
	size_t size = sysconf(_SC_PAGESIZE);
	unsigned char *page;

	page = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || munmap(page + size, size))
		return NULL;
	return page + size;
}

void *shared_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

__u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

__u64 nanoseconds(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000ULL + ts->tv_nsec;
}

bool has_filesystem(const char *name)
{
	FILE *list = fopen("/proc/filesystems", "re");
	char line[128], *word;
	bool found = false;

	while (list && !found && fgets(line, sizeof(line), list)) {
		line[strcspn(line, "\n")] = '\0';
		word = strchr(line, '\t');
		found = word && !strcmp(word + 1, name);
	}
	if (list)
		fclose(list);
	return found;
}

int private_mounts(void)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	return 0;
}

int enter_private_tmpfs(void)
{
	int fd = private_mounts();

	if (fd)
		return fd;
	if (mount("file_handle", TMPFS_DIR, "tmpfs", 0, NULL))
		return -errno;
	fd = open(TMPFS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fchdir(fd) ? -errno : fd;
}

int leave_private_tmpfs(int root)
{
	int i;

	close(root);
	if (chdir("/"))
		return -errno;
	for (i = 0; i < RETRIES; i++) {
		if (!umount2(TMPFS_DIR, 0))
			return 0;
		if (errno != EBUSY)
			break;
		usleep(1000);
	}
	return -errno;
}

int detached_tmpfs(void)
{
	int fs, mnt = -1, dir = -1;

	fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	if (!sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mnt = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
	/* fsmount() returns an O_PATH descriptor, which cannot be an anchor. */
	if (mnt >= 0)
		dir = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		dir = -errno;
	close(mnt);
	close(fs);
	return dir;
}

const char *pidfs_missing(void)
{
	const char *reason = NULL;
	struct handle fh;
	int pidfd, ret;

	pidfd = sys_pidfd_open(getpid(), 0);
	if (pidfd < 0)
		return "needs pidfd_open(2)";
	if (!pidfd_number(pidfd) || pidfd_to_pid(pidfd) != getpid())
		reason = "needs pidfds with PIDFD_GET_INFO and FS_IOC_GETVERSION";
	else if (encode(pidfd, &fh))
		reason = "needs file handles of pidfds";
	if (!reason) {
		ret = close_result(decode(FD_PIDFS_ROOT, &fh, O_CLOEXEC));
		if (ret)
			reason = "needs open_by_handle_at(2) with FD_PIDFS_ROOT";
	}
	close(pidfd);
	return reason;
}
