// SPDX-License-Identifier: GPL-2.0
/*
 * Invalid replies: truncated at every byte, with every length field wrong, and
 * random. The kernel must return errors, and must forget every lookup.
 *
 * FUSE_STRESS_SECONDS is the duration of the random replies.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/syscall.h>
#include <time.h>

#include "../file_handle/failslab.h"
#include "fuse_client.h"
#include "kselftest_harness.h"

#define HANDLE_SIZE	16
#define MAX_PAGES	128
#define SECOND_AT	(BYTES_AT + FUSE_REC_ALIGN(HANDLE_SIZE))
#define REPLIES_LEN	(SECOND_AT + SUB_HEADER + sizeof(struct fuse_statx_out))

static __u64 seed;

/* The xorshift64 generator. The state must not be 0. */
static __u64 xorshift(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static __u64 next_random(void)
{
	return xorshift(&seed);
}

static void cut(struct server *s, struct message *m)
{
	if (m->len > s->spoil_at)
		m->len = s->spoil_at;
}

static void extend(struct server *s, struct message *m)
{
	memset(m->data + m->len, 0xa5, s->spoil_at);
	m->len += s->spoil_at;
}

static void set_u32(struct server *s, struct message *m)
{
	__u32 value = s->spoil_value;

	memcpy(m->data + s->spoil_at, &value, sizeof(value));
}

static void set_byte(struct server *s, struct message *m)
{
	m->data[s->spoil_at] = s->spoil_value;
}

static void set_u64(struct server *s, struct message *m)
{
	memcpy(m->data + s->spoil_at, &s->spoil_value, sizeof(s->spoil_value));
}

/* Replaces the nodeid by one whose lookups the server can count. */
static void fix_nodeid(struct server *s, struct message *m)
{
	__u64 nodeid;

	if (m->len < SUB_HEADER + sizeof(nodeid))
		return;
	memcpy(&nodeid, m->data + SUB_HEADER, sizeof(nodeid));
	if (!nodeid)
		return;
	nodeid = object_nodeid(s, 2 + nodeid % 8);
	memcpy(m->data + SUB_HEADER, &nodeid, sizeof(nodeid));
}

static void flip(struct server *s, struct message *m)
{
	unsigned int nr = 1 + next_random() % 4;

	while (nr--)
		m->data[next_random() % m->len] ^= 1 << next_random() % 8;
	if (next_random() % 8 == 0)
		m->len = next_random() % m->len;
	fix_nodeid(s, m);
}

/* Keeps the headers, and randomises the payload. */
static void scramble(struct server *s, struct message *m)
{
	size_t i;

	if (m->len != REPLIES_LEN)
		return flip(s, m);
	for (i = SUB_HEADER + sizeof(__u64); i < HANDLE_AT; i++)
		m->data[i] = next_random();
	for (i = BYTES_AT; i < SECOND_AT; i++)
		m->data[i] = next_random();
	for (i = SECOND_AT + SUB_HEADER; i < m->len; i++) {
		if (next_random() % 16 == 0)
			m->data[i] = next_random();
	}
	fix_nodeid(s, m);
}

static void randomise(struct server *s, struct message *m)
{
	size_t i;

	m->len = next_random() % 600;
	for (i = 0; i < m->len; i++)
		m->data[i] = next_random();
	fix_nodeid(s, m);
}

/* The same for the reply to FUSE_READDIRPLUS, whose nodeids the server counts */
static void spoil_entries(struct server *s __maybe_unused, struct message *m)
{
	unsigned int nr = next_random() % 4;

	while (nr-- && m->len)
		m->data[next_random() % m->len] ^= 1 << next_random() % 8;
	if (next_random() % 8 == 0 && m->len)
		m->len = next_random() % m->len;
}

FIXTURE(hostile)
{
	struct server *s;
	struct handle fh;
	int mount_fd;
	char file[256];
};

FIXTURE_SETUP(hostile)
{
	struct server *s;
	const char *reason = fuse_missing();
	__u64 mnt_id;

	if (reason)
		SKIP(return, "%s", reason);

	self->mount_fd = -1;
	ASSERT_EQ(0, stay_on_one_processor());
	ASSERT_EQ(0, private_mounts());
	s = new_server();
	ASSERT_NE(NULL, s);
	self->s = s;
	s->entry_valid = 0;
	s->attr_valid = 0;
	s->init_flags |= FUSE_MAX_PAGES;
	s->max_pages = MAX_PAGES;
	ASSERT_EQ(0, start_server(s));
	self->mount_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(self->mount_fd, 0);
	if (!(s->init_offer & FUSE_HAS_LOOKUP_HANDLE)) {
		/* A test that is skipped in its setup has no teardown. */
		close(self->mount_fd);
		free_server(s);
		SKIP(return, NO_FUSE_HANDLES);
	}
	snprintf(self->file, sizeof(self->file), "%s/file", s->dir);
	self->fh.bytes = HANDLE_MAX;
	ASSERT_EQ(0, encode_at(AT_FDCWD, self->file, &self->fh, &mnt_id,
			       AT_HANDLE_MNT_ID_UNIQUE));
}

FIXTURE_TEARDOWN(hostile)
{
	struct stat st;

	if (!self->s)
		return;
	self->s->spoil = NULL;
	self->s->spoil_entries = NULL;
	/*
	 * A reply can have set another type with a timeout of many years, which
	 * is an I/O error until the inode is evicted.
	 */
	EXPECT_EQ(0, settle_server(self->s));
	if (self->mount_fd >= 0) {
		EXPECT_EQ(0, stat(self->file, &st));
		close(self->mount_fd);
	}
	EXPECT_EQ(0, settle_server(self->s));
	EXPECT_EQ(0, self->s->violations);
	free_server(self->s);
}

/* Looks up and decodes. Returns 0 if either succeeds. */
static int try_all(struct server *s, const char *file, int mount_fd,
		   const struct handle *fh)
{
	struct stat st;
	int fd, err;

	err = stat(file, &st) ? -errno : 0;
	/* A cached inode is decoded without a request. */
	evict(s);
	fd = decode(mount_fd, fh, O_PATH);
	if (fd < 0)
		return err;
	close(fd);
	return 0;
}

#define ALL()	try_all(self->s, self->file, self->mount_fd, &self->fh)

TEST_F_TIMEOUT(hostile, cut_at_every_byte, 240)
{
	struct server *s = self->s;

	s->spoil = cut;
	for (s->spoil_at = 0; s->spoil_at < REPLIES_LEN; s->spoil_at++) {
		ASSERT_EQ(-EIO, ALL()) {
			TH_LOG("cut at %zu", s->spoil_at);
		}
	}
	ASSERT_EQ(0, ALL());
}

TEST_F(hostile, trailing_bytes)
{
	struct server *s = self->s;

	s->spoil = extend;
	for (s->spoil_at = 1; s->spoil_at <= 300; s->spoil_at++) {
		ASSERT_EQ(-EIO, ALL()) {
			TH_LOG("%zu bytes too many", s->spoil_at);
		}
	}
}

TEST_F_TIMEOUT(hostile, reply_lengths, 240)
{
	static const size_t at[] = { 0, SECOND_AT };
	struct server *s = self->s;
	__u32 right[] = { SECOND_AT, REPLIES_LEN - SECOND_AT };
	unsigned int i, bit;
	int delta;

	s->spoil = set_u32;
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		s->spoil_at = at[i];
		for (s->spoil_value = 0; s->spoil_value < 1024; s->spoil_value++)
			ASSERT_EQ(s->spoil_value == right[i] ? 0 : -EIO, ALL());
		for (bit = 10; bit < 32; bit++) {
			for (delta = -1; delta <= 1; delta++) {
				s->spoil_value = (1ULL << bit) + delta;
				if (s->spoil_value < 1024)
					continue;
				ASSERT_EQ(-EIO, ALL());
			}
		}
		s->spoil_value = UINT32_MAX;
		ASSERT_EQ(-EIO, ALL());
	}
}

TEST_F_TIMEOUT(hostile, handle_lengths, 240)
{
	struct server *s = self->s;

	s->spoil = set_u32;
	s->spoil_at = HANDLE_AT;
	for (s->spoil_value = 0; s->spoil_value < 300; s->spoil_value++)
		ASSERT_EQ(s->spoil_value == HANDLE_SIZE ? 0 : -EIO, ALL());
	for (s->spoil_value = 256; s->spoil_value <= 65536; s->spoil_value *= 2) {
		s->spoil_value--;
		ASSERT_EQ(-EIO, ALL());
		s->spoil_value++;
	}
}

TEST_F(hostile, reply_indices)
{
	static const size_t at[] = { 8, SECOND_AT + 8 };
	struct server *s = self->s;
	unsigned int i, bit;

	s->spoil = set_u64;
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		s->spoil_at = at[i];
		s->spoil_value = !i;
		ASSERT_EQ(-EIO, ALL());
		for (bit = 1; bit < 64; bit++) {
			s->spoil_value = 1ULL << bit;
			ASSERT_EQ(-EIO, ALL());
		}
	}
}

TEST_F(hostile, errors_with_payload)
{
	static const size_t at[] = { 4, SECOND_AT + 4 };
	struct server *s = self->s;
	unsigned int i;
	int error;

	s->spoil = set_u32;
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		s->spoil_at = at[i];
		for (error = -600; error <= 600; error += 7) {
			s->spoil_value = (__u32)error;
			if (error)
				ASSERT_EQ(-EIO, ALL());
		}
	}
}

TEST_F(hostile, file_sizes)
{
	struct server *s = self->s;

	s->spoil = set_u64;
	s->spoil_at = SECOND_AT + SUB_HEADER +
		      offsetof(struct fuse_statx_out, stat.size);
	s->spoil_value = 1ULL << 63;
	ASSERT_EQ(-EIO, ALL());
	s->spoil_value = UINT64_MAX;
	ASSERT_EQ(-EIO, ALL());
	s->spoil_value = INT64_MAX;
	ASSERT_EQ(0, ALL());
}

/*
 * Replies to operations that create an inode
 */

/* The replies to FUSE_MKDIR, FUSE_LOOKUP_HANDLE and FUSE_STATX */
#define NEW_SECOND_AT	(SUB_HEADER + sizeof(struct fuse_entry_out))
#define NEW_THIRD_AT	(NEW_SECOND_AT + SECOND_AT)
#define NEW_LEN		(NEW_THIRD_AT + SUB_HEADER + sizeof(struct fuse_statx_out))

/*
 * Creates a directory, and renames its object, so that the next call creates one.
 * The server does not find the names of objects of the bulk.
 */
static int try_mkdir(struct server *s)
{
	char path[256];
	int ret, id;

	snprintf(path, sizeof(path), "%s/made", s->dir);
	ret = mkdir(path, 0755) ? -errno : 0;
	id = child(s, ROOT, "made");
	if (id)
		s->objects[id].name[0] = 'x';
	return ret;
}

TEST_F_TIMEOUT(hostile, creation_cut_at_every_byte, 240)
{
	struct server *s = self->s;

	s->spoil_opcode = FUSE_MKDIR;
	s->spoil = cut;
	for (s->spoil_at = 0; s->spoil_at < NEW_LEN; s->spoil_at++) {
		ASSERT_EQ(-EIO, try_mkdir(s)) {
			TH_LOG("cut at %zu", s->spoil_at);
		}
		ASSERT_EQ(0, settle_server(s)) {
			TH_LOG("cut at %zu", s->spoil_at);
		}
	}
	ASSERT_EQ(0, try_mkdir(s));
}

TEST_F(hostile, creation_with_trailing_bytes)
{
	struct server *s = self->s;

	s->spoil_opcode = FUSE_MKDIR;
	s->spoil = extend;
	for (s->spoil_at = 1; s->spoil_at <= 200; s->spoil_at++)
		ASSERT_EQ(-EIO, try_mkdir(s));
	ASSERT_EQ(0, settle_server(s));
}

TEST_F_TIMEOUT(hostile, creation_lengths, 240)
{
	static const size_t at[] = { 0, NEW_SECOND_AT, NEW_THIRD_AT };
	static const size_t right[] = {
		NEW_SECOND_AT, SECOND_AT, NEW_LEN - NEW_THIRD_AT,
	};
	struct server *s = self->s;
	unsigned int i, bit;
	int delta;

	s->spoil_opcode = FUSE_MKDIR;
	s->spoil = set_u32;
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		s->spoil_at = at[i];
		for (s->spoil_value = 0; s->spoil_value < 700; s->spoil_value++)
			ASSERT_EQ(s->spoil_value == right[i] ? 0 : -EIO,
				  try_mkdir(s));
		for (bit = 10; bit < 32; bit++) {
			for (delta = -1; delta <= 1; delta++) {
				s->spoil_value = (1ULL << bit) + delta;
				ASSERT_EQ(-EIO, try_mkdir(s));
			}
		}
	}
	ASSERT_EQ(0, settle_server(s));
}

TEST_F(hostile, creation_with_wrong_indices_and_errors)
{
	static const size_t at[] = { 0, NEW_SECOND_AT, NEW_THIRD_AT };
	struct server *s = self->s;
	unsigned int i, bit;
	int error;

	s->spoil_opcode = FUSE_MKDIR;
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		s->spoil = set_u64;
		s->spoil_at = at[i] + 8;
		for (bit = 2; bit < 64; bit++) {
			s->spoil_value = 1ULL << bit;
			ASSERT_EQ(-EIO, try_mkdir(s));
		}
		/* An error with arguments */
		s->spoil = set_u32;
		s->spoil_at = at[i] + 4;
		for (error = -600; error <= 600; error += 7) {
			s->spoil_value = (__u32)error;
			if (error)
				ASSERT_EQ(-EIO, try_mkdir(s));
		}
	}
	ASSERT_EQ(0, settle_server(s));
}

/* Only the padding and the spare fields are not zero. */
TEST_F(hostile, spare_fields)
{
	static const size_t lookup_at[] = {
		SUB_HEADER + offsetof(struct fuse_entry2_out, spare),
		SUB_HEADER + offsetof(struct fuse_entry2_out, spare) + 7,
		HANDLE_AT + offsetof(struct fuse_file_handle, spare),
		HANDLE_AT + offsetof(struct fuse_file_handle, spare) + 3,
	};
	struct server *s = self->s;
	unsigned int i;

	s->spoil = set_byte;
	s->spoil_value = 1;
	for (i = 0; i < ARRAY_SIZE(lookup_at); i++) {
		s->spoil_at = lookup_at[i];
		ASSERT_EQ(-EIO, ALL());
	}
	s->spoil_opcode = FUSE_MKDIR;
	for (i = 0; i < ARRAY_SIZE(lookup_at); i++) {
		s->spoil_at = NEW_SECOND_AT + lookup_at[i];
		ASSERT_EQ(-EIO, try_mkdir(s));
	}
	s->spoil = NULL;
	ASSERT_EQ(0, settle_server(s));

	/* A handle of 13 bytes is padded. */
	s->handle_size = 13;
	s->spoil_opcode = FUSE_LOOKUP_HANDLE;
	s->spoil = set_byte;
	for (s->spoil_at = BYTES_AT + 13; s->spoil_at < BYTES_AT + 16; s->spoil_at++)
		ASSERT_EQ(-EIO, ALL());
	s->handle_size = HANDLE_SIZE;
}

static unsigned int stress_seconds(void)
{
	const char *seconds = getenv("FUSE_STRESS_SECONDS");

	return seconds ? atoi(seconds) : 5;
}

#define WALKERS		4
#define CREATED_MAX	5000

struct walker {
	struct server *s;
	const struct handle *fh;
	int mount_fd;
	__u64 seed;
	time_t end;
	unsigned long rounds;
	pthread_t thread;
};

/* Reads a directory. Returns 0 or a negative errno. */
static int list(const char *path)
{
	DIR *dir = opendir(path);
	int err;

	if (!dir)
		return -errno;
	do {
		errno = 0;
	} while (readdir(dir));
	err = -errno;
	closedir(dir);
	return err;
}

/*
 * Looks up, lists, opens, decodes and creates random files. O_NONBLOCK is needed because the
 * server can turn a file into a FIFO between stat(2) and open(2).
 */
static void *walk(void *arg)
{
	static const char * const names[] = {
		"file", "other", "d1", "d1/file", "d1/d2/d3", "missing", "d1/..",
	};
	struct walker *w = arg;
	char path[256];
	struct stat st;
	int fd;

	for (; time(NULL) < w->end; w->rounds++) {
		snprintf(path, sizeof(path), "%s/%s", w->s->dir,
			 names[xorshift(&w->seed) % ARRAY_SIZE(names)]);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY |
				  O_CLOEXEC);
			if (fd >= 0)
				close(fd);
		}
		fd = decode(w->mount_fd, w->fh, O_PATH);
		if (fd >= 0)
			close(fd);
		if (xorshift(&w->seed) % 8 == 0)
			list(w->s->dir);
		if (xorshift(&w->seed) % 64 == 0)
			evict(w->s);
		if (xorshift(&w->seed) % 16 == 0 &&
		    w->s->nr_objects < CREATED_MAX) {
			snprintf(path, sizeof(path), "%s/n%u", w->s->dir,
				 (unsigned int)xorshift(&w->seed));
			mkfifo(path, 0644);
		}
	}
	return NULL;
}

/* Runs several walkers, and returns the number of their rounds. */
static unsigned long walk_for(struct server *s, int mount_fd,
			      const struct handle *fh, unsigned int seconds)
{
	struct walker walkers[WALKERS];
	unsigned long rounds = 0;
	int i, started;

	for (started = 0; started < WALKERS; started++) {
		struct walker *w = &walkers[started];

		*w = (struct walker) {
			.s = s,
			.fh = fh,
			.mount_fd = mount_fd,
			.seed = seed + started,
			/* The present second can end at once. */
			.end = time(NULL) + 1 + seconds,
		};
		if (pthread_create(&w->thread, NULL, walk, w))
			break;
	}
	for (i = 0; i < started; i++) {
		pthread_join(walkers[i].thread, NULL);
		rounds += walkers[i].rounds;
	}
	return rounds;
}

static void any_of_these(struct server *s, struct message *m)
{
	static void (* const ways[])(struct server *, struct message *) = {
		flip, scramble, randomise,
	};
	unsigned int way = next_random() % (ARRAY_SIZE(ways) + 1);

	if (way < ARRAY_SIZE(ways))
		ways[way](s, m);
}

TEST_F_TIMEOUT(hostile, random_replies, 3600)
{
	unsigned long rounds;

	seed = time(NULL) * 2654435761u | 1;
	TH_LOG("seed %llu", (unsigned long long)seed);
	ASSERT_EQ(0, use_all_processors(self->s));
	self->s->spoil = any_of_these;
	self->s->spoil_entries = spoil_entries;
	self->s->spoil_opcode = 0;
	rounds = walk_for(self->s, self->mount_fd, &self->fh, stress_seconds());
	TH_LOG("%lu rounds, %lu lookups counted", rounds, self->s->granted);
	ASSERT_NE(0, rounds);
}

/* Changes the handle or the nodeid of an object, or the size of handles. */
static void change_objects(struct server *s, struct message *m __maybe_unused)
{
	unsigned int id = 2 + next_random() % 8;

	switch (next_random() % 16) {
	case 0:
		s->objects[id].version++;
		break;
	case 1:
		s->objects[id].shift++;
		break;
	case 2:
		s->handle_size = next_random() % (FUSE_MAX_HANDLE_SIZE + 1);
		break;
	}
}

TEST_F_TIMEOUT(hostile, changing_identities, 3600)
{
	struct server *s = self->s;
	unsigned long rounds;

	seed = time(NULL) * 2654435761u | 1;
	TH_LOG("seed %llu", (unsigned long long)seed);
	ASSERT_EQ(0, use_all_processors(s));
	s->spoil = change_objects;
	rounds = walk_for(s, self->mount_fd, &self->fh, 1 + stress_seconds() / 4);
	TH_LOG("%lu rounds, %lu lookups counted", rounds, s->granted);
	ASSERT_NE(0, rounds);
	s->handle_size = HANDLE_SIZE;
}

/*
 * Fault injection
 */

static int run_stat(FIXTURE_DATA(hostile) * self)
{
	struct stat st;

	return stat(self->file, &st) ? -errno : 0;
}

static int run_decode(FIXTURE_DATA(hostile) * self)
{
	int fd = decode(self->mount_fd, &self->fh, O_PATH);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* The lookup by handle of a path, and the handle that it returns */
static int run_name(FIXTURE_DATA(hostile) * self)
{
	struct handle fh = { .bytes = HANDLE_MAX };
	__u64 mnt_id;
	int ret;

	ret = encode_at(AT_FDCWD, self->file, &fh, &mnt_id,
			AT_HANDLE_MNT_ID_UNIQUE);
	if (ret)
		return ret;
	return same_handle(&fh, &self->fh) ? 0 : -EBADMSG;
}

/* The reply has the size of the file, and the open file its content. */
static int run_open(FIXTURE_DATA(hostile) * self)
{
	int fd = decode(self->mount_fd, &self->fh, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return fd;
	ret = read_object(fd, NULL);
	close(fd);
	if (ret < 0)
		return ret;
	return ret == (int)child(self->s, ROOT, "file") ? 0 : -EBADMSG;
}

static int run_mkdir(FIXTURE_DATA(hostile) * self)
{
	return try_mkdir(self->s);
}

static int run_link(FIXTURE_DATA(hostile) * self)
{
	char path[256];

	/* The server does not store the name. */
	snprintf(path, sizeof(path), "%s/linked", self->s->dir);
	return link(self->file, path) ? -errno : 0;
}

static int run_create(FIXTURE_DATA(hostile) * self)
{
	char path[256];
	int fd, id;

	snprintf(path, sizeof(path), "%s/created", self->s->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	/* Rename the object, so that the next call creates one. */
	id = child(self->s, ROOT, "created");
	if (id)
		self->s->objects[id].name[0] = 'x';
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int run_list(FIXTURE_DATA(hostile) * self)
{
	char path[256];

	/* The directory has two entries, each of which is allocated. */
	snprintf(path, sizeof(path), "%s/d1", self->s->dir);
	return list(path);
}

/* The kernel allocates memory to map a buffer of more than BITS_PER_LONG pages. */
static int run_list_with_large_buffer(FIXTURE_DATA(hostile) * self)
{
	size_t size = MAX_PAGES * sysconf(_SC_PAGESIZE);
	char *buffer = malloc(size);
	int fd, err;
	long len;

	if (!buffer)
		return -ENOMEM;
	fd = openat(self->mount_fd, "d1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		free(buffer);
		return err;
	}
	/* A lack of memory must not look like the end of the directory. */
	len = syscall(SYS_getdents64, fd, buffer, size);
	err = len < 0 ? -errno : len ? 0 : -EBADMSG;
	close(fd);
	free(buffer);
	return err;
}

TEST_F_TIMEOUT(hostile, failing_allocations, 300)
{
	static const struct {
		const char *name;
		int (*run)(FIXTURE_DATA(hostile) *);
	} calls[] = {
		{ "lookup", run_stat },
		{ "decode", run_decode },
		{ "decode, open and read", run_open },
		{ "encode", run_name },
		{ "create", run_create },
		{ "mkdir", run_mkdir },
		{ "link", run_link },
		{ "readdirplus", run_list },
		{ "readdirplus with a large buffer", run_list_with_large_buffer },
	};
	unsigned int i, nth, failures;
	struct failslab fail = {};
	bool failed = true;
	int ret;

	if (!failslab_is_there())
		SKIP(return, NEEDS_FAILSLAB);
	ASSERT_EQ(0, failslab_start(&fail));

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		failures = 0;
		for (nth = 1; nth <= ALLOCATIONS_MAX; nth++) {
			/* Nothing is cached, so each object is allocated. */
			ASSERT_EQ(0, settle_server(self->s)) {
				TH_LOG("%s, allocation %u", calls[i].name, nth);
			}
			ASSERT_EQ(0, failslab_arm(&fail, nth));
			ret = calls[i].run(self);
			failed = failslab_has_failed(&fail);
			ASSERT_EQ(0, failslab_arm(&fail, 0));
			if (!failed)
				break;
			failures++;
			if (ret)
				ASSERT_EQ(-ENOMEM, ret) {
					TH_LOG("%s, allocation %u",
					       calls[i].name, nth);
				}
		}
		TH_LOG("%s: %u failures", calls[i].name, failures);
		ASSERT_FALSE(failed);
		ASSERT_EQ(0, ret);
		ASSERT_GT(failures, 0);
	}
	failslab_end(&fail);
}

TEST_HARNESS_MAIN
