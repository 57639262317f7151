// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <dirent.h>

#include "warm.h"

static const char *file_name(unsigned int i)
{
	static char name[32];

	snprintf(name, sizeof(name), "file%u", i);
	return name;
}

int warm_make(struct warm *w)
{
	unsigned int i, nr = from_environment("FS_FILES", WARM_FILES);
	struct warm_file *file;
	struct stat st;
	int ret;

	if (nr > WARM_FILES || nr % WARM_BATCH)
		return -EINVAL;
	w->nr_files = nr;
	for (i = 0; i < nr; i++) {
		file = &w->files[i];
		file->id = i + 1;
		ret = volume_add(&w->volume, file_name(i), file->id, &file->fh);
		if (ret)
			return ret;
		if (fstatat(w->volume.root,
			    volume_file(&w->volume, file_name(i)), &st, 0))
			return -errno;
		file->dev = st.st_dev;
		file->ino = st.st_ino;
	}
	return 0;
}

int warm_remove(struct warm *w)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < w->nr_files && !ret; i++)
		ret = volume_unlink(&w->volume, file_name(i));
	return ret;
}

bool warm_is_right(const struct volume *v, const struct warm_file *file, int fd)
{
	struct stat st;

	/* Filesystems without a device get a new number with each mount. */
	return fd >= 0 && !fstat(fd, &st) && st.st_ino == file->ino &&
	       (volume_is_disk(v->kind) || st.st_dev == file->dev) &&
	       volume_id(v, fd, &file->fh, file->id) == file->id;
}

int warm_up(const struct warm *w)
{
	unsigned int i;
	bool right;
	int fd;

	for (i = 0; i < w->nr_files; i++) {
		fd = decode(w->volume.root, &w->files[i].fh,
			    O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return fd;
		right = warm_is_right(&w->volume, &w->files[i], fd);
		close(fd);
		if (!right)
			return -EIO;
	}
	return 0;
}

static const struct warm_file *nth(const struct warm *w, unsigned int i)
{
	return &w->files[i % w->nr_files];
}

static bool open_batch(struct warm *w, unsigned int first, unsigned int flags,
		       struct warm_count *count)
{
	struct io_uring_sqe *sqe;
	int results[WARM_BATCH];
	unsigned int i;

	for (i = 0; i < WARM_BATCH; i++) {
		sqe = ring_sqe(&w->ring);
		sqe_open(sqe, w->volume.root, &nth(w, first + i)->fh,
			 O_RDONLY | O_CLOEXEC);
		sqe->flags = flags;
		sqe->user_data = i;
	}
	if (ring_submit(&w->ring) != WARM_BATCH)
		return false;
	count->inlined += ring_ready(&w->ring);
	if (!ring_results(&w->ring, results, WARM_BATCH))
		return false;
	for (i = 0; i < WARM_BATCH; i++) {
		count->opened++;
		if (!warm_is_right(&w->volume, nth(w, first + i), results[i])) {
			count->wrong++;
			count->error = results[i];
		}
		close_result(results[i]);
	}
	return true;
}

struct warm_count warm_open(struct warm *w, unsigned int nr, unsigned int flags)
{
	struct warm_count count = {};
	unsigned int i;

	for (i = 0; i < nr; i += WARM_BATCH) {
		if (!open_batch(w, i, flags, &count)) {
			count.wrong++;
			count.error = RING_BROKEN;
			break;
		}
	}
	return count;
}

static bool is_worker(const char *task)
{
	char path[64], comm[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", task);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, comm, sizeof(comm) - 1) < 0)
		comm[0] = '\0';
	close(fd);
	return !strncmp(comm, "iou-wrk-", 8);
}

void look_at(int fd, struct seen *seen)
{
	char link[32];
	struct stat st;

	memset(seen, 0, sizeof(*seen));
	if (fd < 0 || fstat(fd, &st)) {
		seen->ret = fd < 0 ? fd : -errno;
		return;
	}
	seen->dev = st.st_dev;
	seen->ino = st.st_ino;
	seen->mode = st.st_mode;
	seen->status = fcntl(fd, F_GETFL);
	if (S_ISREG(st.st_mode))
		pread(fd, &seen->id, sizeof(seen->id), 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	readlink(link, seen->path, sizeof(seen->path) - 1);
	close(fd);
}

unsigned int nr_workers(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	unsigned int nr = 0;

	while (tasks && (task = readdir(tasks))) {
		if (is_worker(task->d_name))
			nr++;
	}
	if (tasks)
		closedir(tasks);
	return nr;
}
