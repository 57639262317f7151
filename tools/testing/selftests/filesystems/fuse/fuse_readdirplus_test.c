// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE_READDIRPLUS of a server with handles: each entry ends with the handle of its
 * inode.
 */
#define _GNU_SOURCE

#include "fuse_fixture.h"
#include "fuse_requests.h"

#define FILES	1000

/* Restarts the server with files "f00000" and so on. */
static int restart_with_files(struct server *s, int *fd, unsigned int nr)
{
	add_bulk(s, nr);
	return restart(s, fd);
}

/* Returns the number of requests of "ls -l", or a negative errno. */
static int requests_of_list(struct server *s, int *fd, __u64 flags)
{
	unsigned long before;
	int ret;

	s->init_flags = flags | FUSE_INIT_EXT | FUSE_EXPORT_SUPPORT;
	ret = restart_with_files(s, fd, FILES);
	if (!ret)
		ret = try_stat(s, ".");
	before = count_all(s);
	if (!ret)
		ret = list_names(s, ".", true);
	if (ret < 0)
		return ret;
	return ret < FILES ? -EIO : (int)(count_all(s) - before);
}

TEST_F_TIMEOUT(fuse, list_1000_files, SLOW_TIMEOUT)
{
	int ordinary, plus, without;

	ordinary = requests_of_list(self->s, &self->mount_fd, FUSE_DO_READDIRPLUS);
	without = requests_of_list(self->s, &self->mount_fd,
				   FUSE_HAS_LOOKUP_HANDLE);
	plus = requests_of_list(self->s, &self->mount_fd,
				FUSE_HAS_LOOKUP_HANDLE | FUSE_DO_READDIRPLUS);
	TH_LOG("requests: %d; with handles %d; and without FUSE_READDIRPLUS %d",
	       ordinary, plus, without);
	ASSERT_GT(ordinary, 0);
	EXPECT_GT(without, FILES);
	/* The reply of this server is at most 8192 bytes. */
	EXPECT_LE(plus, ordinary * 5 / 4);
}

TEST_F(fuse, entries_have_handles)
{
	static const size_t sizes[] = { 1, 7, 8, 9, 16, 24, 25, 123, 124 };
	struct server *s = self->s;
	struct handle fhs[8];
	unsigned long before;
	unsigned int i, j;
	char name[8];

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		s->handle_size = sizes[i];
		ASSERT_EQ(0, restart_with_files(s, &self->mount_fd,
						ARRAY_SIZE(fhs)));
		ASSERT_GT(list_names(s, ".", true), (int)ARRAY_SIZE(fhs));
		before = count_all(s);
		for (j = 0; j < ARRAY_SIZE(fhs); j++) {
			snprintf(name, sizeof(name), "f%05u", j);
			ASSERT_EQ(0, name_handle(s, name, &fhs[j], 0));
			/* A handle of one byte identifies few objects. */
			if (sizes[i] >= 3)
				ASSERT_EQ((int)(BULK + j),
					  decode_object(self->mount_fd, &fhs[j]));
		}
		EXPECT_EQ(0, count(s, FUSE_COMPOUND)) {
			TH_LOG("%zu bytes", sizes[i]);
		}
		ASSERT_EQ(0, settle_server(s));
		if (sizes[i] < 3)
			continue;
		/* The handles outlive the server. */
		ASSERT_EQ(0, RESTART());
		for (j = 0; j < ARRAY_SIZE(fhs); j++)
			ASSERT_EQ((int)(BULK + j),
				  decode_object(self->mount_fd, &fhs[j]));
	}
	ASSERT_GT(before, 0);
}

/*
 * Replies that are not valid
 */

/* Cuts off the reply. */
static void cut(struct server *s, struct message *m)
{
	if (m->len > s->spoil_at)
		m->len = s->spoil_at;
}

/* Offset of the handle in the first entry, whose name has four bytes */
#define FIRST_HANDLE	(FUSE_NAME_OFFSET_DIRENTPLUS + 8)
#define FIRST_SIZE	(FIRST_HANDLE + sizeof(struct fuse_file_handle) + 16)

static int list_again(struct server *s)
{
	int err = evict(s);

	return err ?: list_names(s, ".", true);
}

TEST_F_TIMEOUT(fuse, truncated_reply, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	int complete = list_names(s, ".", true);

	/* The entries "file", "other" and "d1" */
	ASSERT_EQ(3, complete);
	ASSERT_EQ(0, settle_server(s));
	s->spoil_entries = cut;
	for (s->spoil_at = 0; s->spoil_at < 3 * FIRST_SIZE; s->spoil_at++) {
		int nr = list_again(s), expected = s->spoil_at / FIRST_SIZE;

		/* The kernel requests the rest after each entry. */
		if (expected)
			expected = complete;
		ASSERT_EQ(expected, nr) {
			TH_LOG("%zu bytes", s->spoil_at);
		}
	}
	s->spoil_entries = NULL;
	ASSERT_EQ(complete, list_again(s));
}

static void write_value(struct server *s, struct message *m)
{
	__u32 value = s->spoil_value;

	if (m->len > s->spoil_at + sizeof(value))
		memcpy(m->data + s->spoil_at, &value, sizeof(value));
}

/* The size of the first handle. The padding of a shorter one is not zero. */
TEST_F(fuse, wrong_handle_size)
{
	static const __u32 sizes[] = {
		0, 1, 7, 8, 9, 15, 17, 24, 25, 32, 33, 127, 128, 129, 130, 135,
		136, 137, 0x7fff, 0x8000, 0xfff8, 0xffff, 0x10000, 0x7fffffff,
		0x80000000, 0xfffffff0, 0xfffffff8, 0xffffffff,
	};
	struct server *s = self->s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		int ret;

		s->spoil_entries = write_value;
		s->spoil_at = FIRST_HANDLE;
		s->spoil_value = sizes[i];
		ret = list_again(s);
		/* Bytes of the handle are read as an entry, or are not padding. */
		if (sizes[i] > 128 || (sizes[i] < 16 && sizes[i] % 8))
			ASSERT_EQ(-EIO, ret) {
				TH_LOG("size %#x", sizes[i]);
			}
		s->spoil_entries = NULL;
		ASSERT_EQ(3, list_again(s)) {
			TH_LOG("after size %#x", sizes[i]);
		}
		ASSERT_EQ(0, try_stat(s, "file"));
		ASSERT_EQ(0, settle_server(s));
	}
}

static void flip_byte(struct server *s, struct message *m)
{
	if (m->len > s->spoil_at)
		m->data[s->spoil_at] ^= 0x80;
}

TEST_F(fuse, spare_and_padding)
{
	struct server *s = self->s;
	size_t at;

	s->handle_size = 13;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(3, list_names(s, ".", true));
	s->spoil_entries = flip_byte;
	for (at = 4; at < 24; at++) {
		bool is_handle = at >= 8 && at < 8 + 13;

		s->spoil_at = FIRST_HANDLE + at;
		ASSERT_EQ(is_handle ? 3 : -EIO, list_again(s)) {
			TH_LOG("byte %zu of the handle", at);
		}
		ASSERT_EQ(0, settle_server(s));
	}
}

static void name_root(struct server *s __maybe_unused, struct message *m)
{
	const __u64 nodeid = FUSE_ROOT_ID;

	if (m->len > sizeof(nodeid))
		memcpy(m->data, &nodeid, sizeof(nodeid));
}

/* The handle of an entry is not that of the root. */
TEST_F(fuse, nodeid_of_the_root)
{
	struct server *s = self->s;
	struct handle before, after;

	ASSERT_EQ(0, name_handle(s, ".", &before, 0));
	s->spoil_entries = name_root;
	ASSERT_EQ(3, list_names(s, ".", false));
	s->spoil_entries = NULL;
	ASSERT_EQ(0, try_stat(s, "."));
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(0, name_handle(s, ".", &after, 0));
	ASSERT_EQ(before.bytes, after.bytes);
	ASSERT_EQ(0, memcmp(before.data, after.data, before.bytes));
}

/*
 * Identity
 */

static int stat_ino(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -errno : (int)st.st_ino;
}

/* The same handles with other nodeids: open files stay what they are. */
TEST_F(fuse, other_nodeids)
{
	struct server *s = self->s;
	int fd, other;

	fd = try_open(s, "file", O_RDONLY);
	other = try_open(s, "other", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_GE(other, 0);
	s->objects[2].shift = 1;
	ASSERT_EQ(3, list_names(s, ".", true));
	ASSERT_EQ(2, read_object(fd, NULL));
	ASSERT_EQ(3, read_object(other, NULL));
	ASSERT_EQ(2, stat_ino(fd));
	close(fd);
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_EQ(2, read_object(fd, NULL));
	close(fd);
	close(other);
}

/* The same nodeid with another handle: the file is another one. */
TEST_F(fuse, another_handle)
{
	unsigned int version = 0;
	struct server *s = self->s;
	int fd, again;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	s->objects[2].version = 7;
	ASSERT_EQ(3, list_names(s, ".", true));
	ASSERT_EQ(-EIO, read_object(fd, NULL));
	again = try_open(s, "file", O_RDONLY);
	ASSERT_GE(again, 0);
	ASSERT_EQ(2, read_object(again, &version));
	ASSERT_EQ(7, version);
	close(again);
	close(fd);
}

/* The entry also has attributes that are not valid. */
TEST_F(fuse, another_handle_with_invalid_attributes)
{
	struct server *s = self->s;
	int fd;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	s->objects[2].version = 7;
	s->spoil_entries = write_value;
	s->spoil_at = offsetof(struct fuse_direntplus, entry_out.attr.mode);
	s->spoil_value = 0;
	ASSERT_EQ(3, list_names(s, ".", false));
	s->spoil_entries = NULL;
	ASSERT_EQ(-EIO, read_object(fd, NULL));
	close(fd);
}

/* An entry without a handle: the next lookup makes it known. */
TEST_F(fuse, unknown_handle)
{
	struct server *s = self->s;
	struct handle fh;
	unsigned long nr;

	s->spoil_entries = write_value;
	s->spoil_at = FIRST_HANDLE;
	s->spoil_value = 0;
	s->handle_size = 0;
	ASSERT_EQ(3, list_names(s, ".", false));
	s->handle_size = 16;
	nr = count(s, FUSE_COMPOUND);
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(nr + 1, count(s, FUSE_COMPOUND));
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
}

/* The lookups of one nodeid that the kernel has forgotten */
static __u64 watched_nodeid;
static unsigned long watched_forgets;

static int watch_forgets(struct server *s __maybe_unused, const struct request *r,
			 struct message *m __maybe_unused)
{
	if (r->in.opcode == FUSE_FORGET && r->in.nodeid == watched_nodeid)
		watched_forgets++;
	return -ENOSYS;
}

/*
 * A directory that the kernel knows as the parent has moved into its child, and has
 * another nodeid. The kernel cannot move it, but uses the new nodeid.
 */
TEST_F(fuse, directory_in_its_child)
{
	struct server *s = self->s;
	int fd;

	ASSERT_EQ(0, try_stat(s, "d1/d2"));
	fd = try_open(s, "d1", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	s->objects[4].parent = 6;
	s->objects[6].parent = ROOT;
	s->objects[4].shift = 1;
	watched_nodeid = object_nodeid(s, 4);
	watched_forgets = 0;
	s->others = watch_forgets;
	/* The entries "d1", "file" and "d3" */
	ASSERT_EQ(3, list_names(s, "d1/d2", false));
	ASSERT_EQ(-1, faccessat(fd, "missing", F_OK, 0));
	ASSERT_EQ(ENOENT, errno);
	ASSERT_EQ(watched_nodeid, s->last_nodeid);
	ASSERT_EQ(0, watched_forgets);
	close(fd);
	ASSERT_EQ(0, settle_server(s));
}

TEST_HARNESS_MAIN
