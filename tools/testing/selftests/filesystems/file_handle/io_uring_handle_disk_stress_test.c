// SPDX-License-Identifier: GPL-2.0
/*
 * Files that are opened by handle while they are replaced, renamed and
 * truncated, and while their inodes are evicted and their filesystem is
 * remounted, unmounted and mounted.
 *
 * FS_STRESS_SECONDS is the time for each filesystem. With FS_STRESS_HOG=1, the
 * test also takes all memory of the machine but MARGIN_MIB, again and again.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <stdatomic.h>
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "stress.h"
#include "warm.h"

#define FILES		64
#define MUTATORS	2
#define OPENERS		3
#define OLD		256	/* stale handles that are kept */
#define DEFAULT_SECONDS	2
#define TAIL		4096	/* where truncations take place */
#define QUIET_OPENS	1024
#define MARGIN_MIB	64
#define CHUNK		(8UL << 20)

enum way { WAY_INLINE, WAY_ASYNC, WAY_SYSCALL };

/* A file. Its content is the number of the slot and its turn. */
struct target {
	struct slot slot;
	unsigned int place;	/* selects its name */
};

struct opener {
	pthread_t id;
	enum way way;
	unsigned int opened;
	unsigned int stale;
	unsigned int no_memory;
	unsigned int not_mounted;
	unsigned int foreign;	/* another file */
	unsigned int lost;	/* stale although it exists */
	unsigned int wrong;	/* another error */
	int error;		/* the last of them, or of the ring */
};

struct mutator {
	pthread_t id;
	unsigned int first;	/* of its files */
	unsigned int replaced;
	unsigned int renamed;
	unsigned int truncated;
	int error;
};

/* A thread that repeats something. */
struct disturber {
	pthread_t id;
	int (*fn)(void);
	unsigned int pause_ms;
	unsigned int done;
	int error;
};

static struct volume volume;
static struct target targets[FILES];
static struct handle old[OLD];
static atomic_uint nr_old;
static atomic_bool stop;
static bool may_lack_memory;

static __u64 target_id(const struct target *t, unsigned int turn)
{
	return (__u64)(t - targets + 1) << 32 | turn;
}

static void target_name(const struct target *t, char *name, size_t size)
{
	snprintf(name, size, "d%u/file%u.%u", t->place % 2,
		 (unsigned int)(t - targets), t->place);
}

/* Returns the filesystem with a new mount descriptor. */
static int open_volume(struct volume *v)
{
	*v = volume;
	v->root = volume_open_root(&volume);
	return v->root < 0 ? v->root : 0;
}

/* Errors of changes while the filesystem is read-only or not mounted. */
static bool is_temporary(int error)
{
	return error == -EROFS || error == -EAGAIN ||
	       (error == -ENOMEM && may_lack_memory);
}

static int create(const struct volume *v, struct target *t)
{
	struct handle fh;
	char name[64];
	int ret;

	target_name(t, name, sizeof(name));
	ret = volume_add(v, name, target_id(t, t->slot.now.turn + 1), &fh);
	if (!ret)
		slot_set_handle(&t->slot, &fh);
	/* The last attempt failed after it had created the file. */
	if (ret == -EEXIST)
		ret = volume_unlink(v, name) ?: -EAGAIN;
	return ret;
}

static int replace(const struct volume *v, struct target *t)
{
	const struct snapshot now = slot_read(&t->slot);
	char name[64];
	int ret;

	if (now.state == STATE_ALIVE) {
		target_name(t, name, sizeof(name));
		slot_set_state(&t->slot, STATE_DYING);
		ret = volume_unlink(v, name);
		if (ret) {
			slot_set_state(&t->slot, STATE_ALIVE);
			return ret;
		}
		slot_set_state(&t->slot, STATE_REAPED);
		old[atomic_fetch_add(&nr_old, 1) % OLD] = now.fh;
	}
	return create(v, t);
}

static int rename_target(const struct volume *v, struct target *t)
{
	char from[64], to[64];

	target_name(t, from, sizeof(from));
	t->place++;
	target_name(t, to, sizeof(to));
	if (!renameat(v->root, from, v->root, to))
		return 0;
	t->place--;
	return -errno;
}

static int truncate_target(const struct volume *v, struct target *t)
{
	char name[64];
	int fd, ret;

	target_name(t, name, sizeof(name));
	fd = openat(v->root, name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = ftruncate(fd, TAIL) || pwrite(fd, name, sizeof(name), TAIL) < 0 ||
	      ftruncate(fd, sizeof(__u64));
	if (ret)
		ret = -errno;
	close(fd);
	return ret;
}

static int mutate_once(struct mutator *m, unsigned int *seed)
{
	struct target *t = &targets[m->first + random_number(seed) %
				    (FILES / MUTATORS)];
	unsigned int kind = random_number(seed) % 4;
	struct volume v;
	int ret;

	ret = open_volume(&v);
	if (ret)
		return ret;
	if (volume.kind == VOLUME_KERNFS || t->slot.now.state != STATE_ALIVE ||
	    kind < 2) {
		ret = replace(&v, t);
		m->replaced += !ret;
	} else if (kind == 2) {
		ret = rename_target(&v, t);
		m->renamed += !ret;
	} else {
		ret = truncate_target(&v, t);
		m->truncated += !ret;
	}
	close(v.root);
	return ret;
}

static void *mutate(void *arg)
{
	struct mutator *m = arg;
	unsigned int seed = m->first + 1;
	int ret;

	while (!atomic_load(&stop)) {
		ret = mutate_once(m, &seed);
		if (is_temporary(ret)) {
			usleep(1000);
		} else if (ret) {
			m->error = ret;
			break;
		}
	}
	return NULL;
}

static int open_target(struct ring *ring, const struct opener *o, int root,
		       const struct handle *fh)
{
	if (o->way == WAY_SYSCALL)
		return decode(root, fh, O_RDONLY | O_CLOEXEC);
	return ring_open(ring, root, fh, O_RDONLY | O_CLOEXEC,
			 o->way == WAY_ASYNC ? IOSQE_ASYNC : 0);
}

static void judge(struct opener *o, const struct target *t,
		  const struct snapshot *before, const struct snapshot *after,
		  int fd)
{
	const __u64 id = target_id(t, before->turn);

	if (fd >= 0) {
		o->opened++;
		if (volume_id(&volume, fd, &before->fh, id) != id)
			o->foreign++;
	} else if (fd == -ENOMEM && may_lack_memory) {
		o->no_memory++;
	} else if (volume_is_stale(&volume, fd)) {
		o->stale++;
		if (was_alive(before, after))
			o->lost++;
	} else {
		o->wrong++;
		o->error = fd;
	}
}

static void open_once(struct ring *ring, struct opener *o, unsigned int *seed)
{
	struct target *t = &targets[random_number(seed) % FILES];
	struct snapshot before, after;
	struct volume v;
	int fd;

	if (open_volume(&v)) {
		o->not_mounted++;
		usleep(100);
		return;
	}
	before = slot_read(&t->slot);
	if (before.turn) {
		fd = open_target(ring, o, v.root, &before.fh);
		after = slot_read(&t->slot);
		judge(o, t, &before, &after, fd);
		close_result(fd);
	}
	close(v.root);
}

static void *open_all(void *arg)
{
	struct opener *o = arg;
	unsigned int seed = o->way + 100;
	struct ring ring;

	o->error = ring_init(&ring, 0);
	if (o->error)
		return NULL;
	while (!atomic_load(&stop))
		open_once(&ring, o, &seed);
	ring_exit(&ring);
	return NULL;
}

/*
 * A filesystem that is detached while it is read-only can never be mounted
 * read-write again: its superblock lives as long as the descriptors of the threads.
 */
static pthread_mutex_t mounting = PTHREAD_MUTEX_INITIALIZER;

static int remount(void)
{
	char path[VOLUME_NAME_MAX];

	snprintf(path, sizeof(path), "%s", volume.path);
	*strrchr(path, '/') = '\0';
	pthread_mutex_lock(&mounting);
	/* This fails while a file is open for writing. */
	mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL);
	usleep(2000);
	mount(NULL, path, NULL, MS_REMOUNT, NULL);
	pthread_mutex_unlock(&mounting);
	return 0;
}

/*
 * The filesystem goes away when the last thread has closed its descriptor, and
 * the others open theirs on the new mount.
 */
static int mount_again(void)
{
	struct volume v = volume;
	int i, ret;

	v.root = -1;
	pthread_mutex_lock(&mounting);
	ret = volume_unmount(&v, MNT_DETACH);
	for (i = 0; !ret && i < RETRIES; i++) {
		ret = volume_mount(&v);
		if (ret != -EBUSY)
			break;
		usleep(1000);
	}
	pthread_mutex_unlock(&mounting);
	return ret;
}

static long available_mib(void)
{
	FILE *info = fopen("/proc/meminfo", "re");
	char line[128];
	long kib = 0;

	while (info && !kib && fgets(line, sizeof(line), info))
		sscanf(line, "MemAvailable: %ld", &kib);
	if (info)
		fclose(info);
	return kib >> 10;
}

/* A child that is killed first if there is too little memory. */
static int hog_memory(void)
{
	pid_t pid = fork();
	void *mem;
	int fd;

	if (pid < 0)
		return errno == ENOMEM || errno == EAGAIN ? 0 : -errno;
	if (!pid) {
		die_with_parent();
		/* Those of other threads would keep the filesystem mounted. */
		for (fd = 3; fd < FDS_MAX; fd++)
			close(fd);
		if (write_string("/proc/self/oom_score_adj", "1000"))
			_exit(1);
		while (available_mib() > MARGIN_MIB) {
			mem = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
				   -1, 0);
			if (mem == MAP_FAILED)
				break;
		}
		usleep(50000);
		_exit(0);
	}
	return reap_child(pid);
}

static void *disturb(void *arg)
{
	struct disturber *d = arg;

	while (!atomic_load(&stop) && !d->error) {
		usleep(d->pause_ms * 1000);
		d->error = d->fn();
		d->done++;
	}
	return NULL;
}

FIXTURE(stress)
{
	struct mutator mutators[MUTATORS];
	struct opener openers[OPENERS];
	struct disturber disturbers[4];
	unsigned int nr_disturbers;
};

FIXTURE_VARIANT(stress)
{
	enum volume_kind kind;
};

FIXTURE_VARIANT_ADD(stress, tmpfs) { VOLUME_TMPFS };
FIXTURE_VARIANT_ADD(stress, kernfs) { VOLUME_KERNFS };
FIXTURE_VARIANT_ADD(stress, ext4) { VOLUME_EXT4 };
FIXTURE_VARIANT_ADD(stress, btrfs) { VOLUME_BTRFS };
FIXTURE_VARIANT_ADD(stress, xfs) { VOLUME_XFS };

FIXTURE_SETUP(stress)
{
	const char *reason;
	unsigned int i;

	reason = missing_as_root() ?: volume_make(&volume, variant->kind);
	ASSERT_NE(reason, NULL);
	if (*reason)
		SKIP(return, "%s", reason);
	may_lack_memory = from_environment("FS_STRESS_HOG", 0);
	ASSERT_EQ(mkdirat(volume.root, "d0", 0755), 0);
	ASSERT_EQ(mkdirat(volume.root, "d1", 0755), 0);
	for (i = 0; i < FILES; i++) {
		slot_init(&targets[i].slot, false);
		ASSERT_EQ(create(&volume, &targets[i]), 0);
	}
}

static void remove_files(void)
{
	char name[64];
	unsigned int i;

	for (i = 0; i < FILES; i++) {
		target_name(&targets[i], name, sizeof(name));
		volume_unlink(&volume, name);
	}
	unlinkat(volume.root, "d0", AT_REMOVEDIR);
	unlinkat(volume.root, "d1", AT_REMOVEDIR);
}

FIXTURE_TEARDOWN(stress)
{
	remove_files();
	EXPECT_EQ(volume_remove(&volume), 0);
}

static bool start_disturber(struct disturber *d, int (*fn)(void),
			    unsigned int pause_ms)
{
	*d = (struct disturber) { .fn = fn, .pause_ms = pause_ms };
	return !pthread_create(&d->id, NULL, disturb, d);
}

/* The results of opens that nothing disturbs. */
struct quiet {
	unsigned int opened;
	unsigned int inlined;
	unsigned int wrong;
	int error;
};

static void open_quietly(struct ring *ring, const struct target *t,
			 struct quiet *q)
{
	const struct snapshot *now = &t->slot.now;
	const __u64 id = target_id(t, now->turn);
	int fd;

	sqe_open(ring_sqe(ring), volume.root, &now->fh, O_RDONLY | O_CLOEXEC);
	if (ring_submit(ring) == 1)
		q->inlined += ring_ready(ring);
	fd = ring_result(ring);
	if (fd < 0 || volume_id(&volume, fd, &now->fh, id) != id) {
		q->wrong++;
		q->error = fd;
	}
	q->opened++;
	close_result(fd);
}

/* The first round reads the inodes and is not counted. */
static struct quiet open_all_quietly(struct ring *ring)
{
	struct quiet first = {}, q = {};
	unsigned int i;

	for (i = 0; i < QUIET_OPENS; i++) {
		if (targets[i % FILES].slot.now.state == STATE_ALIVE)
			open_quietly(ring, &targets[i % FILES],
				     i < FILES ? &first : &q);
	}
	q.wrong += first.wrong;
	return q;
}

/* Returns the number of handles of files that are gone and can be opened. */
static unsigned int nr_undead(struct ring *ring)
{
	const unsigned int nr = atomic_load(&nr_old);
	unsigned int i, undead = 0;
	int ret[3], way;

	for (i = 0; i < nr && i < OLD; i++) {
		ret[0] = decode(volume.root, &old[i], O_RDONLY);
		ret[1] = ring_open(ring, volume.root, &old[i], O_RDONLY, 0);
		ret[2] = ring_open(ring, volume.root, &old[i], O_RDONLY,
				   IOSQE_ASYNC);
		for (way = 0; way < 3; way++)
			undead += close_result(ret[way]) != -ESTALE;
	}
	return undead;
}

TEST_F_TIMEOUT(stress, open_while_files_and_mounts_change, 3600)
{
	const unsigned int seconds = from_environment("FS_STRESS_SECONDS",
						      DEFAULT_SECONDS);
	struct quiet quiet;
	struct ring ring;
	unsigned int i, n = 0;

	/* Each thread opens the root itself. */
	close(volume.root);
	volume.root = -1;
	for (i = 0; i < MUTATORS; i++) {
		self->mutators[i].first = i * (FILES / MUTATORS);
		ASSERT_EQ(pthread_create(&self->mutators[i].id, NULL, mutate,
					 &self->mutators[i]), 0);
	}
	for (i = 0; i < OPENERS; i++) {
		self->openers[i].way = i;
		ASSERT_EQ(pthread_create(&self->openers[i].id, NULL, open_all,
					 &self->openers[i]), 0);
	}
	ASSERT_TRUE(start_disturber(&self->disturbers[n++], drop_all_caches,
				    20));
	if (variant->kind != VOLUME_KERNFS) {
		ASSERT_TRUE(start_disturber(&self->disturbers[n++], remount,
					    50));
	}
	if (volume_is_disk(variant->kind)) {
		ASSERT_TRUE(start_disturber(&self->disturbers[n++], mount_again,
					    150));
	}
	if (may_lack_memory) {
		ASSERT_TRUE(start_disturber(&self->disturbers[n++], hog_memory,
					    500));
	}

	sleep(seconds);
	atomic_store(&stop, true);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(pthread_join(self->disturbers[i].id, NULL), 0);
		EXPECT_EQ(self->disturbers[i].error, 0);
		EXPECT_GT(self->disturbers[i].done, 0U);
	}
	for (i = 0; i < MUTATORS; i++) {
		const struct mutator *m = &self->mutators[i];

		ASSERT_EQ(pthread_join(m->id, NULL), 0);
		TH_LOG("%u replaced, %u renamed, %u truncated", m->replaced,
		       m->renamed, m->truncated);
		EXPECT_EQ(m->error, 0);
		EXPECT_GT(m->replaced, 0U);
	}
	for (i = 0; i < OPENERS; i++) {
		const struct opener *o = &self->openers[i];

		ASSERT_EQ(pthread_join(o->id, NULL), 0);
		TH_LOG("%u opened, %u stale, %u not mounted", o->opened,
		       o->stale, o->not_mounted);
		EXPECT_GT(o->opened, 0U);
		EXPECT_EQ(o->foreign, 0U);
		EXPECT_EQ(o->lost, 0U);
		EXPECT_EQ(o->wrong, 0U) TH_LOG("the last error: %d", o->error);
	}

	/* Now, nothing disturbs. */
	volume.root = volume_open_root(&volume);
	ASSERT_GE(volume.root, 0);
	ASSERT_EQ(ring_init(&ring, WARM_SETUP), 0);
	/* The kernel can still drop an inode. */
	for (i = 0; i < 3; i++) {
		quiet = open_all_quietly(&ring);
		if (quiet.wrong || quiet.inlined == quiet.opened)
			break;
	}
	EXPECT_GT(quiet.opened, 0U);
	EXPECT_EQ(quiet.inlined, quiet.opened);
	EXPECT_EQ(quiet.wrong, 0U) TH_LOG("the last result: %d", quiet.error);
	EXPECT_EQ(nr_undead(&ring), 0U);
	ring_exit(&ring);
}

TEST_HARNESS_MAIN
