// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE inodes that the server names: what is sent, what becomes of the answers,
 * and file handles of them, by a server that counts.
 *
 * Requires root: to mount, to decode and to drop caches.
 */
#define _GNU_SOURCE
#include <dirent.h>

#include "fuse_server.h"

#define PATH_OF_8	"d1/d2/d3/d4/d5/d6/d7/d8"

static int mount_fd(struct server *s)
{
	return open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void path_of(struct server *s, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", s->dir, name);
}

static int try_stat(struct server *s, const char *name)
{
	char path[256];
	struct stat st;

	path_of(s, name, path, sizeof(path));
	return stat(path, &st) ? -errno : 0;
}

static int try_open(struct server *s, const char *name, int flags)
{
	char path[256];
	int fd;

	path_of(s, name, path, sizeof(path));
	fd = open(path, flags | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

static int name_handle(struct server *s, const char *name, struct handle *fh,
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

/* Which object an open file is of; a negative errno if it cannot be read */
static int read_object(int fd, unsigned int *version)
{
	unsigned int id, v;
	char buf[64];
	ssize_t len = pread(fd, buf, sizeof(buf) - 1, 0);

	if (len < 0)
		return -errno;
	buf[len] = '\0';
	if (sscanf(buf, "object %u version %u\n", &id, &v) != 2)
		return -EBADMSG;
	if (version)
		*version = v;
	return id;
}

static int decode_object(int mount_fd, const struct handle *fh)
{
	int fd = decode(mount_fd, fh, O_RDONLY);
	int ret;

	if (fd < 0)
		return fd;
	ret = read_object(fd, NULL);
	close(fd);
	return ret;
}

/* Wait for what the server is told without being asked */
static bool wait_for(struct server *s, unsigned long *counter,
		     unsigned long value)
{
	int i;

	for (i = 0; i < RETRIES; i++) {
		if (__atomic_load_n(counter, __ATOMIC_SEQ_CST) == value)
			return true;
		usleep(1000);
	}
	return false;
}

FIXTURE(fuse)
{
	struct server *s;
	int mount_fd;
};

/* Have it behave as was set since */
static int restart(struct server *s, int *fd)
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

#define RESTART()	restart(self->s, &self->mount_fd)

FIXTURE_SETUP(fuse)
{
	if (!is_root())
		SKIP(return, "root is needed to mount");

	self->s = new_server();
	ASSERT_NE(NULL, self->s);
	ASSERT_EQ(0, start_server(self->s));
	self->mount_fd = mount_fd(self->s);
	ASSERT_GE(self->mount_fd, 0);
	/* Waits for INIT, and for the handle of the root. */
	ASSERT_EQ(0, try_stat(self->s, "."));
	if (!(self->s->init_offer & FUSE_HAS_LOOKUP_HANDLE))
		SKIP(return, "the kernel has no FUSE handles");
}

FIXTURE_TEARDOWN(fuse)
{
	if (!self->s)
		return;
	if (self->mount_fd >= 0)
		close(self->mount_fd);
	/* Whatever happened: the kernel keeps to the protocol. */
	EXPECT_EQ(0, self->s->violations);
	if (self->s->running)
		EXPECT_EQ(0, settle(self->s));
	free_server(self->s);
}

/* --- What is sent -------------------------------------------------------- */

/* Who does not ask for handles sees none of it, whatever the kernel has. */
TEST(ordinary_server)
{
	struct server *s;
	struct handle fh;
	int opcode, fd;

	if (!is_root())
		SKIP(return, "root is needed to mount");

	s = new_server();
	ASSERT_NE(NULL, s);
	s->init_flags &= ~FUSE_HAS_LOOKUP_HANDLE;
	ASSERT_EQ(0, start_server(s));
	fd = mount_fd(s);
	ASSERT_GE(fd, 0);

	EXPECT_EQ(0, try_stat(s, PATH_OF_8));
	EXPECT_EQ(8, count(s, FUSE_LOOKUP));
	EXPECT_EQ(0, name_handle(s, "file", &fh, 0));
	EXPECT_EQ(FILEID_INO64_GEN, fh.type);
	EXPECT_EQ(12, fh.bytes);
	EXPECT_EQ(2, decode_object(fd, &fh));
	EXPECT_EQ(0, s->ext.len);
	EXPECT_EQ(0, s->violations);
	for (opcode = FUSE_COPY_FILE_RANGE_64; opcode <= FUSE_LOOKUP_HANDLE;
	     opcode++)
		EXPECT_EQ(0, count(s, opcode));
	close(fd);
	EXPECT_EQ(0, settle(s));
	free_server(s);
}

TEST_F(fuse, handle_of_the_directory_is_sent)
{
	struct server *s = self->s;
	unsigned char expected[FUSE_MAX_HANDLE_SIZE];
	const unsigned char *sent;
	size_t size;

	ASSERT_EQ(0, try_stat(s, "d1"));
	sent = ext_handle(s, &size);
	ASSERT_EQ(16, size);
	object_handle(s, ROOT, expected, size);
	ASSERT_EQ(0, memcmp(sent, expected, size));

	ASSERT_EQ(0, try_stat(s, "d1/file"));
	sent = ext_handle(s, &size);
	ASSERT_EQ(16, size);
	object_handle(s, nodeid_object(s->last_nodeid), expected, size);
	ASSERT_EQ(0, memcmp(sent, expected, size));
	ASSERT_EQ(0, count(s, FUSE_LOOKUP));
	ASSERT_EQ(2, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, lookup_before_init)
{
	struct server *s = self->s;

	close(self->mount_fd);
	self->mount_fd = -1;
	s->slow = true;
	ASSERT_EQ(0, restart_server(s));
	ASSERT_EQ(0, try_stat(s, "d1"));
	ASSERT_EQ(0, count(s, FUSE_LOOKUP));
	ASSERT_EQ(1, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, revalidate_sends_the_handle_of_the_directory)
{
	struct server *s = self->s;
	size_t size;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	s->ext.len = 0;
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	ASSERT_NE(NULL, ext_handle(s, &size));
	ASSERT_EQ(16, size);
}

TEST_F(fuse, fallback_for_good)
{
	struct server *s = self->s;
	struct handle fh;

	s->compound_error = -ENOSYS;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, try_stat(s, PATH_OF_8));
	ASSERT_EQ(1, count(s, FUSE_COMPOUND));
	/* One of them was for the root. */
	ASSERT_EQ(9, count(s, FUSE_LOOKUP_HANDLE));
	ASSERT_EQ(8, count(s, FUSE_STATX));
	ASSERT_EQ(0, name_handle(s, PATH_OF_8, &fh, 0));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
	ASSERT_EQ(-ENOENT, try_stat(s, "missing"));
	ASSERT_EQ(1, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, fallback_for_once)
{
	struct server *s = self->s;

	s->compound_error = -EOPNOTSUPP;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, try_stat(s, "d1/d2"));
	ASSERT_EQ(2, count(s, FUSE_COMPOUND));
	ASSERT_EQ(2, count(s, FUSE_STATX));
	s->compound_error = 0;
	ASSERT_EQ(0, try_stat(s, "d1/d2/d3"));
	ASSERT_EQ(3, count(s, FUSE_COMPOUND));
	ASSERT_EQ(2, count(s, FUSE_STATX));
}

TEST_F(fuse, no_readdirplus)
{
	struct server *s = self->s;
	DIR *dir;
	int nr = 0;

	dir = opendir(s->dir);
	ASSERT_NE(NULL, dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	ASSERT_EQ(3, nr);
	ASSERT_EQ(0, count(s, FUSE_READDIRPLUS));
}

/* Requests for a path of depth 8 that is not cached */
static unsigned long cold_requests(struct server *s)
{
	unsigned long before = 0, after = 0;
	int opcode;

	settle(s);
	for (opcode = 0; opcode <= FUSE_LOOKUP_HANDLE; opcode++)
		before += count(s, opcode);
	if (try_stat(s, PATH_OF_8))
		return 0;
	for (opcode = 0; opcode <= FUSE_LOOKUP_HANDLE; opcode++)
		after += count(s, opcode);
	return after - before;
}

TEST_F(fuse, requests_of_a_cold_stat)
{
	struct server *s = self->s;
	unsigned long old, new;

	new = cold_requests(s);
	s->init_flags &= ~FUSE_HAS_LOOKUP_HANDLE;
	ASSERT_EQ(0, RESTART());
	old = cold_requests(s);
	TH_LOG("requests of a cold stat of depth 8: %lu by handle, %lu by nodeid",
	       new, old);
	ASSERT_GE(old, 8);
	ASSERT_GE(new, 8);
	ASSERT_LE(new, old);
}

/* --- File handles -------------------------------------------------------- */

TEST_F(fuse, encode_and_decode)
{
	struct server *s = self->s;
	unsigned char expected[16];
	struct handle fh;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
	ASSERT_EQ(20, fh.bytes);
	object_handle(s, 2, expected, sizeof(expected));
	ASSERT_EQ(16, fh.data[0]);
	ASSERT_EQ(0, fh.data[1] | fh.data[2] | fh.data[3]);
	ASSERT_EQ(0, memcmp(fh.data + 4, expected, sizeof(expected)));
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
}

TEST_F(fuse, encode_of_a_fid)
{
	struct handle fh, fid;

	ASSERT_EQ(0, name_handle(self->s, "file", &fh, 0));
	ASSERT_EQ(0, name_handle(self->s, "file", &fid, AT_HANDLE_FID));
	ASSERT_TRUE(same_handle(&fh, &fid));
}

TEST_F(fuse, encode_sends_nothing)
{
	struct server *s = self->s;
	struct handle fh;
	unsigned long nr;
	int fd;

	fd = try_open(s, "file", O_PATH);
	ASSERT_GE(fd, 0);
	nr = count(s, FUSE_COMPOUND) + count(s, FUSE_LOOKUP_HANDLE);
	ASSERT_EQ(0, encode(fd, &fh));
	ASSERT_EQ(nr, count(s, FUSE_COMPOUND) + count(s, FUSE_LOOKUP_HANDLE));
	close(fd);
}

TEST_F(fuse, encode_in_too_small_a_buffer)
{
	struct handle fh = { .bytes = 19 };
	char path[256];
	__u64 mnt_id;

	path_of(self->s, "file", path, sizeof(path));
	ASSERT_EQ(-EOVERFLOW, encode_at(AT_FDCWD, path, &fh, &mnt_id,
					AT_HANDLE_MNT_ID_UNIQUE));
	ASSERT_EQ(20, fh.bytes);
}

TEST_F(fuse, decode_asks_the_server)
{
	struct server *s = self->s;
	struct handle fh;
	unsigned long nr;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, settle(s));
	ASSERT_NE(0, s->forgets);

	nr = count(s, FUSE_COMPOUND);
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(nr + 1, count(s, FUSE_COMPOUND));
	ASSERT_EQ(0, s->last_nodeid);
	/* Also if the inode is at hand */
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(nr + 2, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, decode_after_restart)
{
	struct server *s = self->s;
	struct handle fh, again, gone;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, name_handle(s, "other", &gone, 0));
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(0, name_handle(s, "file", &again, 0));
	ASSERT_TRUE(same_handle(&fh, &again));

	s->objects[3].exists = false;
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &gone));
}

/* All that the server has room for, unless FUSE_HANDLES asks for fewer. */
static unsigned int bulk_nr(void)
{
	const char *nr = getenv("FUSE_HANDLES");
	unsigned int wanted = nr ? atoi(nr) : BULK_NR;

	return wanted < BULK_NR ? wanted : BULK_NR;
}

/* Reopen each of 10,000 files after the server was started again. */
TEST_F_TIMEOUT(fuse, decode_10000_after_restart, 300)
{
	unsigned int i, right = 0, nr = bulk_nr();
	struct server *s = self->s;
	struct handle *fhs;
	char name[8];

	fhs = calloc(nr, sizeof(*fhs));
	ASSERT_NE(NULL, fhs);
	for (i = 0; i < nr; i++) {
		s->objects[BULK + i].exists = true;
		s->objects[BULK + i].parent = ROOT;
		s->objects[BULK + i].mode = S_IFREG | 0644;
		s->objects[BULK + i].nlink = 1;
	}
	s->nr_objects = OBJECTS_MAX;
	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "f%05u", i);
		ASSERT_EQ(0, name_handle(s, name, &fhs[i], 0));
	}
	ASSERT_EQ(0, RESTART());
	for (i = 0; i < nr; i++)
		right += decode_object(self->mount_fd, &fhs[i]) == (int)(BULK + i);
	TH_LOG("%u of %u handles opened the right file after a restart", right,
	       nr);
	ASSERT_EQ(nr, right);
	free(fhs);
}

TEST_F(fuse, the_root_has_a_handle)
{
	struct server *s = self->s;
	struct stat st, root;
	struct handle fh;
	int fd;

	ASSERT_EQ(0, name_handle(s, ".", &fh, 0));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
	ASSERT_EQ(0, RESTART());
	fd = decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_EQ(0, fstat(self->mount_fd, &root));
	ASSERT_EQ(root.st_ino, st.st_ino);
	close(fd);
}

TEST_F(fuse, decode_of_a_directory)
{
	struct server *s = self->s;
	char path[256], expected[300], link[64];
	struct handle fh;
	ssize_t len;
	int fd;

	ASSERT_EQ(0, name_handle(s, "d1/d2/d3", &fh, 0));
	ASSERT_EQ(0, RESTART());
	fd = decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	/* It is connected up to the root. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	ASSERT_GT(len, 0);
	path[len] = '\0';
	snprintf(expected, sizeof(expected), "%s/d1/d2/d3", s->dir);
	ASSERT_STREQ(expected, path);
	close(fd);
}

TEST_F(fuse, connectable)
{
	struct server *s = self->s;
	char path[256], expected[300], link[64];
	struct handle fh;
	ssize_t len;
	int fd;

	ASSERT_EQ(0, name_handle(s, "d1/d2/file", &fh, AT_HANDLE_CONNECTABLE));
	ASSERT_EQ(FILEID_FUSE_HANDLE_PARENT | FILEID_IS_CONNECTABLE, fh.type);
	ASSERT_EQ(36, fh.bytes);
	ASSERT_EQ(16, fh.data[0]);
	ASSERT_EQ(16, fh.data[1]);
	ASSERT_EQ(0, RESTART());
	fd = decode(self->mount_fd, &fh, O_RDONLY);
	ASSERT_GE(fd, 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	ASSERT_GT(len, 0);
	path[len] = '\0';
	snprintf(expected, sizeof(expected), "%s/d1/d2/file", s->dir);
	ASSERT_STREQ(expected, path);
	close(fd);
}

TEST_F(fuse, not_exported)
{
	struct handle fh;

	self->s->init_flags |= FUSE_NO_EXPORT_SUPPORT;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(-EOPNOTSUPP, name_handle(self->s, "file", &fh, 0));
	ASSERT_EQ(0, name_handle(self->s, "file", &fh, AT_HANDLE_FID));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
}

/* Whatever is not what encoding makes never gets to the server. */
TEST_F(fuse, forged)
{
	struct server *s = self->s;
	struct handle fh, forged;
	unsigned long nr;
	unsigned int i;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	nr = count(s, FUSE_COMPOUND);

	for (i = 1; i < 4; i++) {
		forged = fh;
		forged.data[i] = 1;
		ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &forged));
	}
	for (i = 0; i < 256; i++) {
		forged = fh;
		forged.data[0] = i;
		/* As many words: the rest of the last one is not zero. */
		if (i != fh.data[0])
			ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &forged));
	}
	for (i = 1; i < HANDLE_MAX; i++) {
		forged = fh;
		forged.bytes = i;
		if (i / 4 != fh.bytes / 4)
			ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &forged));
	}
	for (i = 0; i < 0xff; i++) {
		forged = fh;
		forged.type = i;
		if (i != FILEID_FUSE_HANDLE)
			ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &forged));
	}
	ASSERT_EQ(nr, count(s, FUSE_COMPOUND));

	/* The handle of nothing that the server knows */
	forged = fh;
	forged.data[4] ^= 0xff;
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &forged));
	ASSERT_EQ(nr + 1, count(s, FUSE_COMPOUND));
}

static void answer_for_another(struct server *s, struct message *m)
{
	unsigned char handle[16];

	object_handle(s, 3, handle, sizeof(handle));
	memcpy(m->data + HANDLE_AT + sizeof(__u16), handle, sizeof(handle));
}

/* The server finds something else than what it was asked for. */
TEST_F(fuse, decode_of_another_object)
{
	struct server *s = self->s;
	struct handle fh;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	s->spoil = answer_for_another;
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
}

static void answer_for_the_root(struct server *s, struct message *m)
{
	__u64 root = FUSE_ROOT_ID;

	memcpy(m->data + SUB_HEADER, &root, sizeof(root));
}

/* Nothing else passes for the root, which stays as it is. */
TEST_F(fuse, another_root)
{
	struct server *s = self->s;
	struct handle fh;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	s->spoil = answer_for_the_root;
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(-EIO, try_stat(s, "other"));
	s->spoil = NULL;
	ASSERT_EQ(0, try_stat(s, "."));
	ASSERT_EQ(0, try_stat(s, "other"));
}

/* --- Sizes --------------------------------------------------------------- */

TEST_F(fuse, sizes_of_handles)
{
	static const struct {
		size_t size;
		int stat;
		int encode;
	} cases[] = {
		{ 1, 0, 0 }, { 3, 0, 0 }, { 23, 0, 0 }, { 24, 0, 0 },
		{ 25, 0, 0 }, { 123, 0, 0 }, { 124, 0, 0 },
		{ 125, 0, -EOVERFLOW }, { 128, 0, -EOVERFLOW },
		{ 129, -EIO, 0 }, { 130, -EIO, 0 }, { 160, -EIO, 0 },
		{ 65535, -EIO, 0 },
	};
	struct server *s = self->s;
	struct handle fh;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		s->handle_size = cases[i].size;
		/* Each is another connection, for the root to have no other. */
		ASSERT_EQ(0, RESTART());
		ASSERT_EQ(cases[i].stat, try_stat(s, "d1/file")) {
			TH_LOG("a handle of %zu bytes", cases[i].size);
		}
		if (cases[i].stat)
			continue;
		ASSERT_EQ(cases[i].encode, name_handle(s, "file", &fh, 0)) {
			TH_LOG("a handle of %zu bytes", cases[i].size);
		}
		if (cases[i].encode)
			continue;
		ASSERT_EQ(4 + (cases[i].size + 3) / 4 * 4, fh.bytes);
		ASSERT_EQ(0, settle(s));
		ASSERT_EQ(0, RESTART());
		ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
		ASSERT_EQ(0, settle(s));
	}
}

TEST_F(fuse, connectable_of_each_size)
{
	struct server *s = self->s;
	struct handle fh;
	size_t size;

	for (size = 56; size <= 64; size++) {
		s->handle_size = size;
		ASSERT_EQ(0, RESTART());
		/* Two handles and the lengths in 128 bytes */
		ASSERT_EQ(size <= 60 ? 0 : -EOVERFLOW,
			  name_handle(s, "d1/file", &fh, AT_HANDLE_CONNECTABLE)) {
			TH_LOG("a handle of %zu bytes", size);
		}
		if (size <= 60)
			ASSERT_GE(decode_object(self->mount_fd, &fh), 0);
	}
}

TEST_F(fuse, unknown_handle)
{
	struct server *s = self->s;
	struct handle fh;
	int fd;

	s->handle_size = 0;
	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	fd = try_open(s, "d1/file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, s->ext.len);
	ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));

	/* What was not known may become so, and is no other inode. */
	s->handle_size = 16;
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	ASSERT_EQ(0, encode(fd, &fh));
	ASSERT_GT(read_object(fd, NULL), 0);

	/* And the server may not know it for once. */
	s->handle_size = 0;
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	ASSERT_GT(read_object(fd, NULL), 0);
	ASSERT_EQ(0, encode(fd, &fh));
	close(fd);
}

/* --- Identity ------------------------------------------------------------ */

TEST_F(fuse, reused_nodeid)
{
	struct server *s = self->s;
	unsigned int version;
	unsigned long forgets;
	struct handle fh;
	int old, new;
	long lookups;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	old = try_open(s, "file", O_RDONLY);
	ASSERT_GE(old, 0);
	ASSERT_EQ(2, read_object(old, NULL));
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));

	/* Another object, at the same nodeid */
	s->objects[2].version++;
	forgets = s->forgets;
	lookups = s->objects[2].lookups;
	new = try_open(s, "file", O_RDONLY);
	ASSERT_GE(new, 0);
	ASSERT_TRUE(wait_for(s, &s->forgets, forgets + 1));
	ASSERT_EQ(2, read_object(new, &version));
	ASSERT_EQ(1, version);
	ASSERT_EQ(-EIO, read_object(old, NULL));
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	/* The revalidation and its FORGET, and the lookup that followed */
	ASSERT_EQ(lookups + 1, s->objects[2].lookups);
	close(old);
	close(new);
}

TEST_F(fuse, moved_to_another_nodeid)
{
	struct server *s = self->s;
	struct handle fh;
	int old, new;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	old = try_open(s, "file", O_RDONLY);
	ASSERT_GE(old, 0);
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	s->objects[2].shift++;
	new = try_open(s, "file", O_RDONLY);
	ASSERT_GE(new, 0);
	ASSERT_EQ(2, read_object(new, NULL));
	ASSERT_EQ(2, read_object(old, NULL));
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
	close(old);
	close(new);
}

TEST_F(fuse, no_live_inode_turns_bad)
{
	struct server *s = self->s;
	char from[256], to[256];
	unsigned int id;
	DIR *dir;
	int fd;

	fd = try_open(s, "created", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	id = read_object(fd, NULL);
	ASSERT_GT(id, 0);

	path_of(s, "created", from, sizeof(from));
	path_of(s, "linked", to, sizeof(to));
	ASSERT_EQ(0, link(from, to));
	ASSERT_EQ(id, read_object(fd, NULL));

	path_of(s, "made", to, sizeof(to));
	ASSERT_EQ(0, mkdir(to, 0755));
	ASSERT_EQ(0, try_stat(s, "made/."));

	dir = opendir(s->dir);
	ASSERT_NE(NULL, dir);
	while (readdir(dir))
		;
	closedir(dir);
	ASSERT_EQ(0, try_stat(s, "created"));
	ASSERT_EQ(id, read_object(fd, NULL));
	close(fd);
}

TEST_F(fuse, new_inodes_have_handles)
{
	struct server *s = self->s;
	char path[256];
	struct handle fh;
	int fd;

	fd = try_open(s, "created", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, encode(fd, &fh));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
	ASSERT_EQ(read_object(fd, NULL), decode_object(self->mount_fd, &fh));
	close(fd);

	path_of(s, "made", path, sizeof(path));
	ASSERT_EQ(0, mkdir(path, 0755));
	ASSERT_EQ(0, name_handle(s, "made", &fh, 0));
}

TEST_F(fuse, new_inode_without_a_handle)
{
	struct server *s = self->s;
	struct handle fh;
	int fd;

	s->dot_error = -ENOMEM;
	fd = try_open(s, "created", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));
	close(fd);

	/* The next lookup tells. */
	ASSERT_EQ(0, settle(s));
	ASSERT_EQ(0, name_handle(s, "created", &fh, 0));
}

TEST_F(fuse, new_inode_of_a_server_that_breaks_the_protocol)
{
	struct server *s = self->s;
	char path[256];

	s->dot_error = -ENOSYS;
	ASSERT_EQ(-EIO, try_open(s, "created", O_RDWR | O_CREAT | O_EXCL));
	ASSERT_EQ(1, count(s, FUSE_CREATE));
	ASSERT_EQ(1, count(s, FUSE_RELEASE));
	path_of(s, "made", path, sizeof(path));
	ASSERT_EQ(-1, mkdir(path, 0755));
	ASSERT_EQ(EIO, errno);
	ASSERT_EQ(1, count(s, FUSE_MKDIR));
	s->dot_error = 0;
	ASSERT_EQ(0, settle(s));

	s->handle_size = 129;
	ASSERT_EQ(-EIO, try_open(s, "again", O_RDWR | O_CREAT | O_EXCL));
	ASSERT_EQ(2, count(s, FUSE_CREATE));
}

/* --- Negative entries and errors ----------------------------------------- */

TEST_F(fuse, missing)
{
	struct server *s = self->s;

	ASSERT_EQ(-ENOENT, try_stat(s, "missing"));
	ASSERT_EQ(-ENOENT, try_stat(s, "missing"));
	ASSERT_EQ(2, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, negative_entry_keeps_its_timeout)
{
	struct server *s = self->s;

	s->negative = true;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(-ENOENT, try_stat(s, "missing"));
	ASSERT_EQ(-ENOENT, try_stat(s, "missing"));
	ASSERT_EQ(1, count(s, FUSE_COMPOUND));
}

TEST_F(fuse, error_after_the_lookup)
{
	struct server *s = self->s;
	int compound;

	for (compound = 1; compound >= 0; compound--) {
		unsigned long forgets = s->forgets;

		s->compound_error = compound ? 0 : -ENOSYS;
		s->statx_error = -EACCES;
		ASSERT_EQ(-EACCES, try_stat(s, "file"));
		ASSERT_TRUE(wait_for(s, &s->forgets, forgets + 1));
		ASSERT_EQ(0, outstanding(s));
		s->statx_error = 0;
	}
}

TEST_F(fuse, missing_attributes)
{
	struct server *s = self->s;
	int compound;

	for (compound = 1; compound >= 0; compound--) {
		unsigned long forgets = s->forgets;

		s->compound_error = compound ? 0 : -ENOSYS;
		s->statx_mask = BASIC_STATS & ~STATX_SIZE;
		ASSERT_EQ(-EIO, try_stat(s, "file"));
		ASSERT_TRUE(wait_for(s, &s->forgets, forgets + 1));
		s->statx_mask = BASIC_STATS;
	}
}

TEST_F(fuse, wrong_type)
{
	struct server *s = self->s;
	unsigned long forgets;

	forgets = s->forgets;
	s->objects[2].mode = 0644;
	ASSERT_EQ(-EIO, try_stat(s, "file"));
	ASSERT_TRUE(wait_for(s, &s->forgets, forgets + 1));
}

/* Who has agreed on handles knows the requests. */
TEST_F(fuse, late_enosys)
{
	struct server *s = self->s;
	int compound;

	for (compound = 1; compound >= 0; compound--) {
		s->compound_error = compound ? 0 : -ENOSYS;
		s->handle_error = -ENOSYS;
		ASSERT_EQ(-EIO, try_stat(s, "file"));
		s->handle_error = 0;
		s->statx_error = -ENOSYS;
		ASSERT_EQ(-EIO, try_stat(s, "file"));
		s->statx_error = 0;
		ASSERT_EQ(0, settle(s));
	}
	ASSERT_EQ(0, try_stat(s, "file"));
}

TEST_F(fuse, server_dies)
{
	struct server *s = self->s;
	int ret;

	s->die = true;
	ret = try_stat(s, "file");
	ASSERT_TRUE(ret == -ENOTCONN || ret == -ECONNABORTED) {
		TH_LOG("stat returned %d", ret);
	}
	close(self->mount_fd);
	self->mount_fd = -1;
	stop_server(s);
}

TEST_HARNESS_MAIN
