// SPDX-License-Identifier: GPL-2.0
/*
 * One file after another is created, renamed and unlinked, while threads open
 * it by its handle and encode handles of its names. A handle never leads to
 * another file.
 *
 * FS_RACES is the number of renames and unlinks for each filesystem.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <stdatomic.h>

#include "kselftest_harness.h"
#include "stress.h"
#include "warm.h"

#define DEFAULT_RACES	2000
#define HISTORY		65536	/* files whose handles are remembered */
#define OPENERS		2
#define NAMERS		2

struct racer {
	pthread_t id;
	bool names;		/* encodes the handle that it opens */
	unsigned int done;
	unsigned int absent;	/* neither the name nor the handle exists */
	unsigned int foreign;
	unsigned int lost;
	unsigned int wrong;
	int error;
};

static const char *const names[] = { "first", "second" };

static struct volume volume;
static struct slot current;
static atomic_bool stop;

/* The handle of the file with the number i is at i % HISTORY. */
static struct snapshot *history;
static pthread_mutex_t history_lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(unsigned int turn, const struct handle *fh)
{
	pthread_mutex_lock(&history_lock);
	history[turn % HISTORY].turn = turn;
	history[turn % HISTORY].fh = *fh;
	pthread_mutex_unlock(&history_lock);
}

/* Returns false if @fh is not the handle that the file @turn had at first. */
static bool is_handle_of(const struct handle *fh, unsigned int turn)
{
	struct snapshot *entry = &history[turn % HISTORY];
	bool ret;

	pthread_mutex_lock(&history_lock);
	/* It may be forgotten. */
	ret = entry->turn != turn || same_handle(&entry->fh, fh);
	pthread_mutex_unlock(&history_lock);
	return ret;
}

/* Returns true if @fd is the file that @fh was encoded from. */
static bool is_file_of(int fd, const struct handle *fh)
{
	struct handle again;
	__u64 id;

	if (encode(fd, &again) || !same_handle(&again, fh))
		return false;
	id = volume_id(&volume, fd, fh, UINT_MAX);
	if (volume.kind == VOLUME_KERNFS)
		return id == UINT_MAX;
	return id && is_handle_of(fh, id);
}

static void open_current(struct ring *ring, struct racer *r)
{
	struct snapshot before = slot_read(&current), after;
	int fd;

	if (!before.turn)
		return;
	fd = ring_open(ring, volume.root, &before.fh, O_RDONLY | O_CLOEXEC, 0);
	after = slot_read(&current);
	if (fd >= 0) {
		r->done++;
		if (!is_file_of(fd, &before.fh))
			r->foreign++;
		close(fd);
	} else if (volume_is_stale(&volume, fd)) {
		r->absent++;
		if (was_alive(&before, &after))
			r->lost++;
	} else {
		r->wrong++;
		r->error = fd;
	}
}

static void name_current(struct ring *ring, struct racer *r, unsigned int i)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	__u64 mnt_id = 0;
	int ret;

	sqe_name(ring_sqe(ring), volume.root,
		 volume_file(&volume, names[i % 2]), &fh, &mnt_id,
		 AT_HANDLE_MNT_ID_UNIQUE);
	ret = ring_run(ring);
	if (!ret)
		ret = ring_open(ring, volume.root, &fh, O_RDONLY | O_CLOEXEC,
				i % 8 ? 0 : IOSQE_ASYNC);
	if (ret >= 0) {
		r->done++;
		if (!is_file_of(ret, &fh))
			r->foreign++;
		close(ret);
	} else if (ret == -ENOENT || volume_is_stale(&volume, ret)) {
		r->absent++;
	} else {
		r->wrong++;
		r->error = ret;
	}
}

static void *race(void *arg)
{
	struct racer *r = arg;
	struct ring ring;
	unsigned int i;

	r->error = ring_init(&ring, 0);
	if (r->error) {
		r->wrong++;
		return NULL;
	}
	for (i = 0; !atomic_load(&stop); i++) {
		if (r->names)
			name_current(&ring, r, i);
		else
			open_current(&ring, r);
	}
	ring_exit(&ring);
	return NULL;
}

/*
 * Creates a file, renames it and removes it. It has its content and its handle
 * is known before it gets a name that others look up. Returns the number of
 * races, or a negative errno.
 */
static int one_file(unsigned int turn)
{
	const bool can_rename = volume.kind != VOLUME_KERNFS;
	const char *name = can_rename ? "new" : names[turn % 2];
	struct handle fh;
	int ret, races = 1;

	ret = volume_add(&volume, name, turn, &fh);
	if (ret)
		return ret;
	remember(turn, &fh);
	slot_set_handle(&current, &fh);
	for (; can_rename && races < 3; races++) {
		/* Others replace a file that exists. */
		if (renameat(volume.root, name, volume.root,
			     names[(turn + races) % 2]))
			return -errno;
		name = names[(turn + races) % 2];
	}
	slot_set_state(&current, STATE_DYING);
	ret = volume_unlink(&volume, name);
	return ret ?: races;
}

/* Returns true if each racer has opened or named a file, or has failed. */
static bool all_done(const struct racer *racers)
{
	unsigned int i;

	for (i = 0; i < OPENERS + NAMERS; i++) {
		if (!__atomic_load_n(&racers[i].done, __ATOMIC_SEQ_CST) &&
		    !__atomic_load_n(&racers[i].wrong, __ATOMIC_SEQ_CST))
			return false;
	}
	return true;
}

FIXTURE(race)
{
	struct racer racers[OPENERS + NAMERS];
};

FIXTURE_VARIANT(race)
{
	enum volume_kind kind;
};

FIXTURE_VARIANT_ADD(race, tmpfs) { VOLUME_TMPFS };
FIXTURE_VARIANT_ADD(race, kernfs) { VOLUME_KERNFS };
FIXTURE_VARIANT_ADD(race, ext4) { VOLUME_EXT4 };
FIXTURE_VARIANT_ADD(race, btrfs) { VOLUME_BTRFS };
FIXTURE_VARIANT_ADD(race, xfs) { VOLUME_XFS };

FIXTURE_SETUP(race)
{
	const char *reason;

	reason = missing_as_root() ?: volume_make(&volume, variant->kind);
	ASSERT_NE(reason, NULL);
	if (*reason)
		SKIP(return, "%s", reason);
	history = calloc(HISTORY, sizeof(*history));
	ASSERT_NE(history, NULL);
	slot_init(&current, false);
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_EQ(volume_remove(&volume), 0);
}

TEST_F_TIMEOUT(race, open_and_name_while_names_change, 7200)
{
	const unsigned int wanted = from_environment("FS_RACES", DEFAULT_RACES);
	unsigned int i, races = 0, turn;
	const __u64 start = now_ms();
	int ret = 0;

	for (i = 0; i < OPENERS + NAMERS; i++) {
		self->racers[i].names = i >= OPENERS;
		ASSERT_EQ(pthread_create(&self->racers[i].id, NULL, race,
					 &self->racers[i]), 0);
	}
	for (turn = 1; ret >= 0; turn++) {
		if (races >= wanted &&
		    (all_done(self->racers) || now_ms() > start + PATIENCE))
			break;
		ret = one_file(turn);
		races += ret > 0 ? ret : 0;
	}
	atomic_store(&stop, true);
	EXPECT_GT(ret, 0);
	TH_LOG("%s: %u races in %llu ms", volume_names[variant->kind], races,
	       (unsigned long long)(now_ms() - start));
	for (i = 0; i < OPENERS + NAMERS; i++) {
		const struct racer *r = &self->racers[i];

		ASSERT_EQ(pthread_join(r->id, NULL), 0);
		TH_LOG("%s: %u files, %u absent", r->names ? "name" : "open",
		       r->done, r->absent);
		EXPECT_GT(r->done, 0U);
		EXPECT_EQ(r->foreign, 0U);
		EXPECT_EQ(r->lost, 0U);
		EXPECT_EQ(r->wrong, 0U) TH_LOG("the last error: %d", r->error);
	}
}

TEST_HARNESS_MAIN
