// SPDX-License-Identifier: GPL-2.0
/*
 * Calls on file handles of each filesystem while each of their allocations
 * fails in turn: system calls, and requests that the submitter or a worker of
 * io_uring executes.
 *
 * nsfs_failslab_test covers the ioctls of nsfs, rust_exportfs_module_test the
 * mount of the sample, and the tests of FUSE its requests.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <dirent.h>

#include "failslab.h"
#include "nsfs.h"
#include "ring.h"
#include "sample.h"
#include "volume.h"
#include "kselftest_harness.h"

/* Files that are not cached: at least one for each allocation of a call. */
#define FILES		200
#define CONTROL_GROUPS	40

/* The result of an object that is not the one of the handle */
#define WRONG_OBJECT	-EBADMSG

enum scene_kind {
	SCENE_PROCESS, SCENE_THREAD, SCENE_NS, SCENE_SAMPLE, SCENE_VOLUME,
};

/* What a handle is of. Pseudo filesystems only have files. */
enum what {
	WHAT_FILE, WHAT_DIRECTORY, WHAT_CONNECTABLE,
	WHATS,
};

struct file {
	char name[32];
	struct handle fh[WHATS];
};

struct scene {
	enum scene_kind kind;
	int mount_fd;
	int fd;			/* of the only file, if it has no name */
	unsigned int flags;	/* of the open */
	unsigned int nr;	/* of files that are used in turn */
	struct volume volume;
	struct ring ring;
	int worker;		/* fail-nth of the worker of the ring */
	struct file files[FILES];
};

/* Who executes a call. */
enum open_way { WAY_CALL, WAY_INLINE, WAY_WORKER, WAYS };

static const char *const way_names[WAYS] = { "call", "inline", "worker" };

static const char *const what_names[WHATS] = {
	"file", "directory", "connectable",
};

static int submit_one(struct ring *ring)
{
	unsigned int i;
	int ret = -EAGAIN;

	/* A request for which there was no memory stays in the queue. */
	for (i = 0; i < RETRIES && (ret == -EAGAIN || ret == -ENOMEM); i++)
		ret = ring_submit(ring);
	return ret == 1 ? ring_result(ring) : RING_BROKEN;
}

static int run_open(struct scene *s, enum open_way way, const struct file *file,
		    enum what what)
{
	const struct handle *fh = &file->fh[what];
	struct io_uring_sqe *sqe;

	if (way == WAY_CALL)
		return decode(s->mount_fd, fh, s->flags);
	sqe = ring_sqe(&s->ring);
	sqe_open(sqe, s->mount_fd, fh, s->flags);
	sqe->flags = way == WAY_WORKER ? IOSQE_ASYNC : 0;
	return submit_one(&s->ring);
}

static int run_name(struct scene *s, enum open_way way, const struct file *file,
		    struct handle *fh)
{
	const unsigned int flags = AT_HANDLE_MNT_ID_UNIQUE |
				   (s->fd < 0 ? 0 : AT_EMPTY_PATH);
	const int dfd = s->fd < 0 ? s->volume.root : s->fd;
	struct io_uring_sqe *sqe;
	__u64 mnt_id = 0;

	memset(fh, 0, sizeof(*fh));
	fh->bytes = HANDLE_MAX;
	if (way == WAY_CALL)
		return encode_at(dfd, file->name, fh, &mnt_id, flags);
	sqe = ring_sqe(&s->ring);
	sqe_name(sqe, dfd, file->name, fh, &mnt_id, flags);
	sqe->flags = way == WAY_WORKER ? IOSQE_ASYNC : 0;
	return submit_one(&s->ring);
}

/* Opens a file and compares it with the handle, which needs memory as well. */
static int check_file(int fd, const struct file *file, enum what what)
{
	struct handle fh;
	int ret;

	/* Other objects have other handles. */
	ret = encode(fd, &fh);
	if (ret)
		return ret;
	if (what == WHAT_CONNECTABLE)
		what = WHAT_FILE;
	return same_handle(&fh, &file->fh[what]) ? 0 : WRONG_OBJECT;
}

/* Makes an allocation of the task that executes the call fail, or none. */
static int arm(const struct scene *s, const struct failslab *fail, enum open_way way,
	       unsigned int nth)
{
	const struct failslab worker = { .fail_nth = s->worker };

	return failslab_arm(way == WAY_WORKER ? &worker : fail, nth);
}

static bool has_failed(const struct scene *s, const struct failslab *fail,
		       enum open_way way)
{
	const struct failslab worker = { .fail_nth = s->worker };

	return failslab_has_failed(way == WAY_WORKER ? &worker : fail);
}

/* Opens fail-nth of the only worker of the ring. */
static int open_worker(struct scene *s)
{
	DIR *tasks = opendir("/proc/self/task");
	char path[64], comm[16];
	struct dirent *task;
	int fd = -ENOENT, ret;

	while (tasks && fd < 0 && (task = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm",
			 task->d_name);
		ret = open(path, O_RDONLY | O_CLOEXEC);
		if (ret < 0)
			continue;
		memset(comm, 0, sizeof(comm));
		if (read(ret, comm, sizeof(comm) - 1) > 0 &&
		    !strncmp(comm, "iou-wrk-", 8)) {
			snprintf(path, sizeof(path),
				 "/proc/self/task/%.20s/fail-nth", task->d_name);
			fd = open(path, O_RDWR | O_CLOEXEC);
		}
		close(ret);
	}
	if (tasks)
		closedir(tasks);
	s->worker = fd;
	return fd < 0 ? -ENOENT : 0;
}

static int start_ring(struct scene *s)
{
	struct io_uring_sqe *sqe;
	int ret = ring_init(&s->ring, 0) ?: ring_one_worker(&s->ring);

	if (ret)
		return ret;
	sqe = ring_sqe(&s->ring);
	sqe->opcode = IORING_OP_NOP;
	sqe->flags = IOSQE_ASYNC;
	return ring_run(&s->ring) ?: open_worker(s);
}

static int set_up_process(struct scene *s)
{
	int pidfd, ret;

	if (paused_child(0, &pidfd) < 0)
		return -ECHILD;
	ret = encode(pidfd, &s->files[0].fh[WHAT_FILE]);
	close(pidfd);
	s->mount_fd = FD_PIDFS_ROOT;
	s->flags |= s->kind == SCENE_THREAD ? PIDFD_THREAD : 0;
	return ret;
}

static int set_up_sample(struct scene *s)
{
	int dev, ret = load_module();

	if (ret)
		return ret;
	dev = open_device();
	if (dev < 0)
		return dev;
	s->mount_fd = make_anchor(dev);
	ret = make_handle(dev, "object", "content", &s->files[0].fh[WHAT_FILE]);
	close(dev);
	return ret;
}

/* Adds a control group, and one in it: exportfs reconnects both with the root. */
static int set_up_groups(struct scene *s, unsigned int nr)
{
	struct file *file = &s->files[nr];
	char directory[32];

	snprintf(file->name, sizeof(file->name), "%u/cgroup.procs", nr);
	snprintf(directory, sizeof(directory), "%u", nr);
	if (volume_add(&s->volume, directory, nr, &file->fh[WHAT_FILE]))
		return -EIO;
	snprintf(directory, sizeof(directory), "%u/inner", nr);
	if (mkdirat(s->volume.root, directory, 0755))
		return -errno;
	return encode_path(s->volume.root, directory, &file->fh[WHAT_DIRECTORY]);
}

static int set_up_file(struct scene *s, unsigned int nr)
{
	struct file *file = &s->files[nr];
	struct handle *fh = &file->fh[WHAT_CONNECTABLE];
	char directory[16];
	__u64 mnt_id = 0;
	int ret;

	if (s->volume.kind == VOLUME_KERNFS)
		return set_up_groups(s, nr);
	snprintf(directory, sizeof(directory), "%u", nr);
	snprintf(file->name, sizeof(file->name), "%u/file", nr);
	if (mkdirat(s->volume.root, directory, 0755))
		return -errno;
	ret = volume_add(&s->volume, file->name, nr, &file->fh[WHAT_FILE]) ?:
	      encode_path(s->volume.root, directory, &file->fh[WHAT_DIRECTORY]);
	if (ret)
		return ret;
	fh->bytes = HANDLE_MAX;
	ret = encode_at(s->volume.root, file->name, fh, &mnt_id,
			AT_HANDLE_MNT_ID_UNIQUE | AT_HANDLE_CONNECTABLE);
	/* Not each filesystem has connectable handles. */
	if (ret == -EOPNOTSUPP)
		fh->bytes = 0;
	return ret == -EOPNOTSUPP ? 0 : ret;
}

static int set_up_volume(struct scene *s)
{
	unsigned int i;
	int ret = 0;

	if (s->volume.kind == VOLUME_KERNFS)
		s->nr = CONTROL_GROUPS;
	else if (volume_is_disk(s->volume.kind))
		s->nr = FILES;
	/* tmpfs keeps all inodes and dentries. */
	for (i = 0; i < s->nr && !ret; i++)
		ret = set_up_file(s, i);
	return ret;
}

/* Removes the files from the caches if possible. */
static int forget(struct scene *s)
{
	int ret;

	if (s->kind != SCENE_VOLUME || s->volume.kind == VOLUME_TMPFS)
		return 0;
	if (s->volume.kind == VOLUME_KERNFS)
		return volume_evict(&s->volume);
	ret = volume_forget(&s->volume);
	s->mount_fd = s->volume.root;
	return ret;
}

FIXTURE(failslab)
{
	struct failslab fail;
	struct scene *scene;
	int nr_fds;
};

FIXTURE_VARIANT(failslab)
{
	enum scene_kind kind;
	enum volume_kind volume;
};

FIXTURE_VARIANT_ADD(failslab, process) {
	.kind = SCENE_PROCESS,
};

FIXTURE_VARIANT_ADD(failslab, thread) {
	.kind = SCENE_THREAD,
};

FIXTURE_VARIANT_ADD(failslab, namespace) {
	.kind = SCENE_NS,
};

FIXTURE_VARIANT_ADD(failslab, sample) {
	.kind = SCENE_SAMPLE,
};

FIXTURE_VARIANT_ADD(failslab, tmpfs) {
	.kind = SCENE_VOLUME,
	.volume = VOLUME_TMPFS,
};

FIXTURE_VARIANT_ADD(failslab, cgroup) {
	.kind = SCENE_VOLUME,
	.volume = VOLUME_KERNFS,
};

FIXTURE_VARIANT_ADD(failslab, ext4) {
	.kind = SCENE_VOLUME,
	.volume = VOLUME_EXT4,
};

FIXTURE_VARIANT_ADD(failslab, btrfs) {
	.kind = SCENE_VOLUME,
	.volume = VOLUME_BTRFS,
};

FIXTURE_VARIANT_ADD(failslab, xfs) {
	.kind = SCENE_VOLUME,
	.volume = VOLUME_XFS,
};

static int set_up_scene(struct scene *s)
{
	pid_t pid;

	switch (s->kind) {
	case SCENE_NS:
		s->mount_fd = FD_NSFS_ROOT;
		pid = make_namespace(&ns_kinds[NS_UTS],
				     &s->files[0].fh[WHAT_FILE]);
		return pid < 0 ? pid : 0;
	case SCENE_SAMPLE:
		return set_up_sample(s);
	case SCENE_VOLUME:
		s->mount_fd = s->volume.root;
		return set_up_volume(s);
	default:
		return set_up_process(s);
	}
}

FIXTURE_SETUP(failslab)
{
	const char *reason = pidfs_missing() ?: nsfs_missing();
	struct scene *s = calloc(1, sizeof(*s));

	if (!reason && !may_test_all())
		reason = NEEDS_ROOT;
	if (!reason && !failslab_is_there())
		reason = NEEDS_FAILSLAB;
	if (!reason && variant->kind == SCENE_SAMPLE)
		reason = sample_missing();
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_NE(s, NULL);
	self->scene = s;
	s->kind = variant->kind;
	s->nr = 1;
	s->fd = -1;
	s->worker = -1;
	s->flags = O_RDONLY | O_CLOEXEC;
	if (s->kind == SCENE_VOLUME) {
		reason = volume_make(&s->volume, variant->volume);
		ASSERT_NE(reason, NULL);
		if (*reason)
			SKIP(return, "%s", reason);
	}
	if (!missing())
		ASSERT_EQ(start_ring(s), 0);
	ASSERT_EQ(set_up_scene(s), 0);
	ASSERT_EQ(failslab_start(&self->fail), 0);
	self->nr_fds = count_fds();
}

static int remove_files(struct scene *s)
{
	char name[32];
	unsigned int i;

	for (i = 0; s->volume.kind == VOLUME_KERNFS && i < s->nr; i++) {
		snprintf(name, sizeof(name), "%u/inner", i);
		if (volume_unlink(&s->volume, name))
			return -errno;
		snprintf(name, sizeof(name), "%u", i);
		if (volume_unlink(&s->volume, name))
			return -errno;
	}
	return volume_remove(&s->volume);
}

FIXTURE_TEARDOWN(failslab)
{
	struct scene *s = self->scene;

	failslab_end(&self->fail);
	if (s->worker >= 0)
		close(s->worker);
	ring_exit(&s->ring);
	if (s->kind == SCENE_VOLUME)
		EXPECT_EQ(remove_files(s), 0);
	if (s->kind == SCENE_SAMPLE) {
		close(s->mount_fd);
		EXPECT_EQ(unload_module(), 0);
	}
	kill_children();
}

/* Fails each allocation of an open. Returns the number of those that failed. */
static unsigned int fail_opens(struct __test_metadata *_metadata,
			       struct scene *s, const struct failslab *fail,
			       enum open_way way, enum what what)
{
	unsigned int nth, last = s->nr > 1 ? s->nr : ALLOCATIONS_MAX;
	bool failed = true;
	int ret, fd;

	EXPECT_EQ(forget(s), 0);
	for (nth = 1; failed && nth <= last; nth++) {
		const struct file *file = &s->files[(nth - 1) % s->nr];

		EXPECT_EQ(arm(s, fail, way, nth), 0);
		fd = run_open(s, way, file, what);
		failed = has_failed(s, fail, way);
		EXPECT_EQ(arm(s, fail, way, 0), 0);
		ret = fd < 0 ? fd : check_file(fd, file, what);
		close_result(fd);
		EXPECT_TRUE(!ret || (failed && ret == -ENOMEM)) {
			TH_LOG("%s, allocation %u: %d", what_names[what], nth, ret);
		}
		fd = run_open(s, way, file, what);
		EXPECT_GE(fd, 0);
		EXPECT_EQ(check_file(fd, file, what), 0);
		close_result(fd);
	}
	EXPECT_FALSE(failed);
	return nth - 2;
}

static unsigned int fail_names(struct __test_metadata *_metadata,
			       struct scene *s, const struct failslab *fail,
			       enum open_way way)
{
	unsigned int nth, last = s->nr > 1 ? s->nr : ALLOCATIONS_MAX;
	bool failed = true;
	struct handle fh;
	int ret;

	EXPECT_EQ(forget(s), 0);
	for (nth = 1; failed && nth <= last; nth++) {
		const struct file *file = &s->files[(nth - 1) % s->nr];

		EXPECT_EQ(arm(s, fail, way, nth), 0);
		ret = run_name(s, way, file, &fh);
		failed = has_failed(s, fail, way);
		EXPECT_EQ(arm(s, fail, way, 0), 0);
		EXPECT_TRUE(!ret || (failed && ret == -ENOMEM)) {
			TH_LOG("name, allocation %u: %d", nth, ret);
		}
		EXPECT_EQ(run_name(s, way, file, &fh), 0);
		EXPECT_TRUE(same_handle(&fh, &file->fh[WHAT_FILE]));
	}
	EXPECT_FALSE(failed);
	return nth - 2;
}

TEST_F_TIMEOUT(failslab, open, SLOW_TIMEOUT)
{
	struct scene *s = self->scene;
	unsigned int way, what, failures;

	for (way = 0; way < WAYS; way++) {
		if (way != WAY_CALL && s->worker < 0)
			continue;
		for (what = 0; what < WHATS; what++) {
			if (!s->files[0].fh[what].bytes)
				continue;
			failures = fail_opens(_metadata, s, &self->fail, way, what);
			TH_LOG("open %s, %s: %u failures", what_names[what],
			       way_names[way], failures);
			EXPECT_GT(failures, 0U);
		}
	}
	EXPECT_EQ(count_fds(), self->nr_fds);
}

TEST_F_TIMEOUT(failslab, name, SLOW_TIMEOUT)
{
	struct scene *s = self->scene;
	unsigned int way, failures;
	struct handle *fh = &s->files[0].fh[WHAT_FILE];

	if (s->kind != SCENE_VOLUME) {
		s->fd = decode(s->mount_fd, fh, s->flags);
		ASSERT_GE(s->fd, 0);
	}
	for (way = 0; way < WAYS; way++) {
		if (way != WAY_CALL && s->worker < 0)
			continue;
		failures = fail_names(_metadata, s, &self->fail, way);
		TH_LOG("name, %s: %u failures", way_names[way], failures);
		/* The path of a file is allocated, by the submitter. */
		if (s->kind == SCENE_VOLUME && way != WAY_WORKER)
			EXPECT_GT(failures, 0U);
	}
	if (s->fd >= 0)
		close(s->fd);
	EXPECT_EQ(count_fds(), self->nr_fds);
}

TEST_HARNESS_MAIN
