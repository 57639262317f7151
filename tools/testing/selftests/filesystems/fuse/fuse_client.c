// SPDX-License-Identifier: GPL-2.0
/* System calls on the mount of the server. */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <sys/fanotify.h>

#include "fuse_client.h"

int mount_fd(struct server *s)
{
	return open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void path_of(struct server *s, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", s->dir, name);
}

void path_of_fd(int fd, char *path, size_t size)
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, size - 1);
	path[len > 0 ? len : 0] = '\0';
}

static long number_in(const char *path)
{
	FILE *file = fopen(path, "re");
	long number;

	if (!file || fscanf(file, "%ld", &number) != 1)
		err(KSFT_FAIL, "%s", path);
	fclose(file);
	return number;
}

long kernel_reports(void)
{
	return number_in("/sys/kernel/warn_count") +
	       number_in("/sys/kernel/oops_count") +
	       number_in("/proc/sys/kernel/tainted");
}

void reset_warnings(void)
{
	int fd = open("/sys/kernel/debug/clear_warn_once", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		ksft_print_msg("clear_warn_once: %s\n", strerror(errno));
	close(fd);
}

int try_stat(struct server *s, const char *name)
{
	char path[256];
	struct stat st;

	path_of(s, name, path, sizeof(path));
	return stat(path, &st) ? -errno : 0;
}

int try_open(struct server *s, const char *name, int flags)
{
	char path[256];
	int fd;

	path_of(s, name, path, sizeof(path));
	fd = open(path, flags | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

int name_handle(struct server *s, const char *name, struct handle *fh,
		unsigned int flags)
{
	char path[256];
	__u64 mnt_id;

	path_of(s, name, path, sizeof(path));
	memset(fh, 0, sizeof(*fh));
	fh->bytes = HANDLE_MAX;
	return encode_at(AT_FDCWD, path, fh, &mnt_id,
			 AT_HANDLE_MNT_ID_UNIQUE | flags);
}

int read_object(int fd, unsigned int *version)
{
	char area[2 * 64];
	/* In one page, so that a direct read is one request */
	char *buf = area + 64 - (uintptr_t)area % 64;
	ssize_t len = pread(fd, buf, 63, 0);
	unsigned int id, v;

	if (len < 0)
		return -errno;
	buf[len] = '\0';
	if (sscanf(buf, "object %u version %u\n", &id, &v) != 2)
		return -EBADMSG;
	if (version)
		*version = v;
	return id;
}

int read_and_close(int fd)
{
	int ret;

	if (fd < 0)
		return fd;
	ret = read_object(fd, NULL);
	close(fd);
	return ret;
}

int decode_object(int mount_fd, const struct handle *fh)
{
	return read_and_close(decode(mount_fd, fh, O_RDONLY));
}

int list_names(struct server *s, const char *name, bool stats)
{
	struct dirent *entry;
	char path[256];
	struct stat st;
	int nr = 0, err;
	DIR *dir;

	path_of(s, name, path, sizeof(path));
	dir = opendir(path);
	if (!dir)
		return -errno;
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		nr++;
		if (stats && fstatat(dirfd(dir), entry->d_name, &st,
				     AT_SYMLINK_NOFOLLOW))
			break;
	}
	err = -errno;
	closedir(dir);
	return err ?: nr;
}

bool wait_for(unsigned long *counter, unsigned long value)
{
	int i;

	for (i = 0; i < RETRIES; i++) {
		if (__atomic_load_n(counter, __ATOMIC_SEQ_CST) == value)
			return true;
		usleep(1000);
	}
	return false;
}

int make_bad(struct server *s, int fd)
{
	unsigned int mode = s->objects[2].mode;
	struct statx stx;
	int ret;

	s->objects[2].mode = S_IFDIR | 0755;
	ret = statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_MODE, &stx);
	s->objects[2].mode = mode;
	return ret ? -errno : 0;
}

void unmount_server(struct server *s, int *fd)
{
	close(*fd);
	*fd = -1;
	stop_server(s);
}

int restart(struct server *s, int *fd)
{
	int err;

	close(*fd);
	*fd = -1;
	err = restart_server(s);
	if (err)
		return err;
	*fd = mount_fd(s);
	return *fd < 0 ? -errno : 0;
}

int event_handle(const char *path, struct handle *fh)
{
	union {
		struct fanotify_event_metadata event;
		char bytes[512];
	} buf;
	struct fanotify_event_info_fid *info = (void *)(&buf.event + 1);
	struct file_handle *found = (void *)info->handle;
	int notify, fd, err;
	ssize_t len;

	notify = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK |
			       FAN_CLOEXEC, O_RDONLY);
	if (notify < 0)
		return -errno;
	if (fanotify_mark(notify, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, path)) {
		err = -errno;
		close(notify);
		return err;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	len = read(notify, &buf, sizeof(buf));
	close(notify);
	if (len < (ssize_t)sizeof(buf.event))
		return -EIO;
	if (len < (ssize_t)(sizeof(buf.event) + sizeof(*info) + sizeof(*found)))
		return 0;
	fh->type = found->handle_type;
	fh->bytes = found->handle_bytes;
	memcpy(fh->data, found->f_handle, found->handle_bytes);
	return found->handle_bytes;
}
