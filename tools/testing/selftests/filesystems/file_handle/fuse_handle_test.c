// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE inodes that the server names: what is sent, what becomes of the answers,
 * and file handles of them, by a server that counts.
 *
 * Requires root: to mount, to decode and to drop caches.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/fanotify.h>

#include "fuse_server.h"
#include "kselftest_harness.h"
#include "ring.h"

#define PATH_OF_8	"d1/d2/d3/d4/d5/d6/d7/d8"

static int mount_fd(struct server *s)
{
	return open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void path_of(struct server *s, const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", s->dir, name);
}

/* Where the kernel says that a file is; nowhere if it does not. */
static void path_of_fd(int fd, char *path, size_t size)
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, size - 1);
	path[len > 0 ? len : 0] = '\0';
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

/* Serve, or skip where there is nothing to test */
static void begin(struct __test_metadata *const _metadata,
		  struct server **server, int *fd)
{
	struct server *s;

	ASSERT_EQ(0, stay_on_one_processor());
	/* Nothing stays mounted, whatever happens. */
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	s = new_server();
	ASSERT_NE(NULL, s);
	*server = s;
	ASSERT_EQ(0, start_server(s));
	*fd = mount_fd(s);
	ASSERT_GE(*fd, 0);
	/* Waits for INIT, and for the handle of the root. */
	ASSERT_EQ(0, try_stat(s, "."));
	if (s->init_offer & FUSE_HAS_LOOKUP_HANDLE)
		return;
	/* There is no teardown then. */
	close(*fd);
	free_server(s);
	SKIP(return, "the kernel has no FUSE handles");
}

static void end(struct __test_metadata *const _metadata, struct server *s,
		int fd)
{
	if (fd >= 0)
		close(fd);
	/* Whatever happened: the kernel keeps to the protocol. */
	EXPECT_EQ(0, s->violations);
	if (s->running)
		EXPECT_EQ(0, settle(s));
	free_server(s);
}

FIXTURE_SETUP(fuse)
{
	if (!is_root())
		SKIP(return, "root is needed to mount");
	begin(_metadata, &self->s, &self->mount_fd);
}

FIXTURE_TEARDOWN(fuse)
{
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
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
	char path[256], expected[256];
	struct handle fh;
	int fd;

	ASSERT_EQ(0, name_handle(s, "d1/d2/d3", &fh, 0));
	ASSERT_EQ(0, RESTART());
	fd = decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	/* It is connected up to the root. */
	path_of(s, "d1/d2/d3", expected, sizeof(expected));
	path_of_fd(fd, path, sizeof(path));
	ASSERT_STREQ(expected, path);
	close(fd);
}

TEST_F(fuse, connectable)
{
	struct server *s = self->s;
	char path[256], expected[256];
	struct handle fh;
	int fd;

	ASSERT_EQ(0, name_handle(s, "d1/d2/file", &fh, AT_HANDLE_CONNECTABLE));
	ASSERT_EQ(FILEID_FUSE_HANDLE_PARENT | FILEID_IS_CONNECTABLE, fh.type);
	ASSERT_EQ(36, fh.bytes);
	ASSERT_EQ(16, fh.data[0]);
	ASSERT_EQ(16, fh.data[1]);
	ASSERT_EQ(0, RESTART());
	fd = decode(self->mount_fd, &fh, O_RDONLY);
	ASSERT_GE(fd, 0);
	path_of(s, "d1/d2/file", expected, sizeof(expected));
	path_of_fd(fd, path, sizeof(path));
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

static void answer_without_a_handle(struct server *s, struct message *m)
{
	size_t handle = HANDLE_AT + sizeof(__u16), rest = handle + s->handle_size;
	__u32 len = handle;
	__u16 size = 0;

	if (m->len < rest)
		return;
	memcpy(m->data, &len, sizeof(len));
	memcpy(m->data + HANDLE_AT, &size, sizeof(size));
	memmove(m->data + handle, m->data + rest, m->len - rest);
	m->len -= s->handle_size;
}

static void answer_with_another_nodeid(struct server *s, struct message *m)
{
	__u64 nodeid = s->spoil_value;

	memcpy(m->data + SUB_HEADER, &nodeid, sizeof(nodeid));
}

/*
 * The server does not check the handle: it echoes it, with the nodeid of another
 * inode. That inode stays as it is for those who use it.
 */
TEST_F(fuse, decode_echoed_for_a_live_inode)
{
	struct server *s = self->s;
	struct handle fh, other, again;
	int fd;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	fd = try_open(s, "other", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, encode(fd, &other));
	s->spoil = answer_with_another_nodeid;
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(3, read_object(fd, NULL));
	s->spoil = answer_for_another;
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(3, read_object(fd, NULL));
	s->spoil = NULL;

	ASSERT_EQ(0, encode(fd, &again));
	ASSERT_EQ(0, memcmp(&other, &again, sizeof(other)));
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(3, decode_object(self->mount_fd, &other));
	ASSERT_EQ(3, read_object(fd, NULL));
	close(fd);
}

/* The reply of another generation, or type, breaks no live inode either. */
static void echo_another_generation(struct server *s, struct message *m)
{
	__u64 generation = 1;

	answer_with_another_nodeid(s, m);
	memcpy(m->data + SUB_HEADER +
	       offsetof(struct fuse_entry2_out, generation),
	       &generation, sizeof(generation));
}

TEST_F(fuse, decode_echoed_with_another_generation)
{
	struct server *s = self->s;
	struct handle fh;
	int fd;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	fd = try_open(s, "other", O_RDONLY);
	ASSERT_GE(fd, 0);
	s->spoil = echo_another_generation;
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	s->spoil_value = object_nodeid(s, 2);
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	s->spoil = NULL;
	ASSERT_EQ(3, read_object(fd, NULL));
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
	close(fd);
}

/* An inode whose handle is not known does not take over that of a file handle. */
TEST_F(fuse, decode_echoed_for_an_inode_without_a_handle)
{
	struct server *s = self->s;
	struct handle fh, other;
	int fd;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	s->spoil = answer_without_a_handle;
	fd = try_open(s, "other", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(-EOVERFLOW, encode(fd, &other));

	s->spoil = answer_with_another_nodeid;
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(-EOVERFLOW, encode(fd, &other));

	/* It gets its own when its name is looked up. */
	s->spoil = NULL;
	ASSERT_EQ(0, try_stat(s, "other"));
	ASSERT_EQ(0, encode(fd, &other));
	ASSERT_EQ(3, decode_object(self->mount_fd, &other));
	ASSERT_EQ(3, read_object(fd, NULL));
	close(fd);
}

/* The same of the root */
TEST_F(fuse, decode_echoed_for_a_root_without_a_handle)
{
	struct server *s = self->s;
	struct handle fh, root;

	s->handle_error = -ENOMEM;
	ASSERT_EQ(0, RESTART());
	s->handle_error = 0;
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	s->spoil = answer_with_another_nodeid;
	s->spoil_value = FUSE_ROOT_ID;
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	s->spoil = NULL;
	ASSERT_EQ(-EOVERFLOW, name_handle(s, ".", &root, 0));
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
}

/* Any object could have none: it does not pass for the one with this handle. */
TEST_F(fuse, decode_of_an_object_without_a_handle)
{
	struct server *s = self->s;
	struct handle fh;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, settle(s));
	s->spoil = answer_without_a_handle;
	ASSERT_EQ(0, try_stat(s, "other"));
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
}

static void answer_with_the_root(struct server *s, struct message *m)
{
	__u64 root = FUSE_ROOT_ID;

	memcpy(m->data + SUB_HEADER, &root, sizeof(root));
	object_handle(s, ROOT, m->data + HANDLE_AT + sizeof(__u16), 16);
}

/* The root has no name, and is never forgotten. */
TEST_F(fuse, the_root_by_a_name)
{
	struct server *s = self->s;
	int fd;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	fd = try_open(s, "d1", O_RDONLY);
	ASSERT_GE(fd, 0);
	s->spoil = answer_with_the_root;
	/* It is revalidated, and then looked up; what is new is looked up. */
	ASSERT_EQ(-EIO, try_stat(s, "d1"));
	ASSERT_EQ(-EIO, try_stat(s, "other"));
	s->spoil = NULL;
	ASSERT_EQ(0, try_stat(s, "d1"));
	ASSERT_EQ(0, s->root_forgets);
	close(fd);
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

/* The server says nothing of the handle, and all of the generation. */
static void another_generation(struct server *s, struct message *m)
{
	__u64 generation = 1;

	memcpy(m->data + SUB_HEADER +
	       offsetof(struct fuse_entry2_out, generation),
	       &generation, sizeof(generation));
}

/* What is stale does not take over the handle of what is there now. */
TEST_F(fuse, stale_inode_adopts_nothing)
{
	struct server *s = self->s;
	struct handle fh;
	int fd;

	s->handle_size = 0;
	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));

	s->handle_size = 16;
	s->spoil = another_generation;
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));
	ASSERT_EQ(-EIO, read_object(fd, NULL));
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	close(fd);
}

TEST_F(fuse, directory_moved_to_another_nodeid)
{
	struct server *s = self->s;
	unsigned int d1 = child(s, ROOT, "d1");
	struct handle fh;
	int old, fd;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	old = try_open(s, "d1", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(old, 0);
	ASSERT_EQ(0, name_handle(s, "d1", &fh, 0));
	s->objects[d1].shift++;
	ASSERT_EQ(0, try_stat(s, "d1/d2"));
	fd = decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, faccessat(fd, "d2", F_OK, 0));
	close(fd);
	close(old);
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

/*
 * The file is there, and its name is looked up at once when it is next used,
 * although the server has said that it is valid for an hour.
 */
TEST_F(fuse, new_inode_without_a_handle)
{
	static const int errors[] = { -ENOMEM, -EIO, -EINTR, -ENOENT };
	struct server *s = self->s;
	char name[16], path[256];
	unsigned long lookups;
	struct handle fh;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		s->dot_error = errors[i];
		snprintf(name, sizeof(name), "created%u", i);
		fd = try_open(s, name, O_RDWR | O_CREAT | O_EXCL);
		ASSERT_GE(fd, 0) {
			TH_LOG("error %d: %d", errors[i], fd);
		}
		ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));
		lookups = count(s, FUSE_COMPOUND);
		ASSERT_EQ(0, name_handle(s, name, &fh, 0));
		ASSERT_EQ(lookups + 1, count(s, FUSE_COMPOUND));
		ASSERT_EQ(0, encode(fd, &fh));
		close(fd);

		snprintf(name, sizeof(name), "made%u", i);
		path_of(s, name, path, sizeof(path));
		ASSERT_EQ(0, mkdir(path, 0755));
	}
	ASSERT_EQ(0, settle(s));
}

/* One that has a handle is not asked for again. */
TEST_F(fuse, new_inode_is_valid)
{
	struct server *s = self->s;
	unsigned long lookups;
	struct handle fh;
	int fd;

	fd = try_open(s, "created", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	close(fd);
	lookups = count(s, FUSE_COMPOUND);
	ASSERT_EQ(0, name_handle(s, "created", &fh, 0));
	ASSERT_EQ(lookups, count(s, FUSE_COMPOUND));
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

/* A server that is quick must not have to forget what it has not yet released. */
TEST_F(fuse, new_inode_is_released_before_it_is_forgotten)
{
	struct server *s = self->s;
	char name[16];
	int i;

	ASSERT_EQ(0, use_all_processors(s));
	s->dot_error = -ENOSYS;
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "created%d", i);
		ASSERT_EQ(-EIO, try_open(s, name, O_RDWR | O_CREAT | O_EXCL));
	}
	ASSERT_EQ(i, count(s, FUSE_RELEASE));
	ASSERT_EQ(0, s->violations);
}

static void break_the_dot(struct server *s, struct message *m)
{
	memcpy(m->data, &s->spoil_value, sizeof(s->spoil_value));
}

/* What is new is asked for by its nodeid, and the answer is about another. */
TEST_F(fuse, new_inode_and_another_nodeid)
{
	struct server *s = self->s;
	unsigned long forgets = s->forgets;
	struct handle fh;
	int fd;

	s->spoil_single = break_the_dot;
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(-EIO, try_open(s, "created", O_RDWR | O_CREAT | O_EXCL));
	/* Of what was created, and of what was found instead */
	ASSERT_TRUE(wait_for(s, &s->forgets, forgets + 2));
	ASSERT_EQ(0, outstanding(s));

	/* The server does not find it: there is a file, without a handle. */
	s->spoil_value = 0;
	fd = try_open(s, "again", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));
	close(fd);
}

TEST_F(fuse, new_special_files_have_handles)
{
	struct server *s = self->s;
	struct handle fh;
	char path[256];

	path_of(s, "fifo", path, sizeof(path));
	ASSERT_EQ(0, mkfifo(path, 0644));
	ASSERT_EQ(1, count(s, FUSE_LOOKUP_HANDLE) - 1);
	ASSERT_EQ(0, name_handle(s, "fifo", &fh, 0));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);

	path_of(s, "symlink", path, sizeof(path));
	ASSERT_EQ(0, symlink("nowhere", path));
	ASSERT_EQ(2, count(s, FUSE_LOOKUP_HANDLE) - 1);
	ASSERT_EQ(0, name_handle(s, "symlink", &fh, 0));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
}

/* Without a name, it cannot be looked up; a link gives it one. */
TEST_F(fuse, temporary_file)
{
	struct server *s = self->s;
	unsigned long nr = count(s, FUSE_LOOKUP_HANDLE);
	char path[256], link[64];
	struct handle fh;
	int fd;

	fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(nr, count(s, FUSE_LOOKUP_HANDLE));
	ASSERT_EQ(-EOVERFLOW, encode(fd, &fh));

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	path_of(s, "linked", path, sizeof(path));
	ASSERT_EQ(0, linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW));
	ASSERT_EQ(nr + 1, count(s, FUSE_LOOKUP_HANDLE));
	ASSERT_EQ(0, encode(fd, &fh));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
	ASSERT_EQ(read_object(fd, NULL), decode_object(self->mount_fd, &fh));
	close(fd);
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

static void cut_single(struct server *s, struct message *m)
{
	if (m->len > s->spoil_at)
		m->len = s->spoil_at;
}

static void extend_single(struct server *s, struct message *m)
{
	memset(m->data + m->len, 0xa5, s->spoil_at);
	m->len += s->spoil_at;
}

/* Where there are no compounds, the reply is another, and so is its length. */
TEST_F(fuse, single_reply_of_a_wrong_length)
{
	const size_t right = SUB_ENTRY + sizeof(__u16) + 16;
	struct server *s = self->s;

	s->compound_error = -ENOSYS;
	s->spoil_single = cut_single;
	for (s->spoil_at = 0; s->spoil_at <= right; s->spoil_at++) {
		ASSERT_EQ(s->spoil_at == right ? 0 : -EIO, try_stat(s, "file")) {
			TH_LOG("cut at %zu", s->spoil_at);
		}
	}
	ASSERT_EQ(0, settle(s));
	s->spoil_single = extend_single;
	for (s->spoil_at = 1; s->spoil_at <= 200; s->spoil_at++)
		ASSERT_EQ(-EIO, try_stat(s, "file"));
}

/* --- The start ----------------------------------------------------------- */

/* Whoever waits for INIT to be answered is woken by the end. */
TEST_F(fuse, death_before_init)
{
	struct server *s = self->s;
	int ret;

	close(self->mount_fd);
	self->mount_fd = -1;
	s->die_early = true;
	ASSERT_EQ(0, restart_server(s));
	ret = try_stat(s, "file");
	ASSERT_EQ(-ENOTCONN, ret);
	stop_server(s);
}

/* Without an answer, the root has no handle, and that is all. */
TEST_F(fuse, root_without_a_handle)
{
	struct server *s = self->s;
	struct handle fh;

	s->handle_error = -ENOMEM;
	ASSERT_EQ(0, RESTART());
	s->handle_error = 0;
	ASSERT_EQ(-EOVERFLOW, name_handle(s, ".", &fh, 0));
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));

	s->spoil_single = break_the_dot;
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(-EOVERFLOW, name_handle(s, ".", &fh, 0));
	ASSERT_EQ(0, settle(s));

	s->spoil_single = cut_single;
	s->spoil_at = SUB_ENTRY + 3;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(-EOVERFLOW, name_handle(s, ".", &fh, 0));
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
}

/* --- By fanotify --------------------------------------------------------- */

/* The file handle of the event for opening a file: its size, or an error */
static int event_handle(const char *path, struct handle *fh)
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

/*
 * It asks for the length first, with no buffer, and must not be told of one that
 * no file handle has.
 */
TEST_F(fuse, events)
{
	static const size_t sizes[] = { 16, 124, 125, 128 };
	struct server *s = self->s;
	struct handle fh, event;
	char path[256];
	unsigned int i;
	int len;

	path_of(s, "file", path, sizeof(path));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		s->handle_size = sizes[i];
		ASSERT_EQ(0, RESTART());
		len = event_handle(path, &event);
		if (len == -ENOSYS || len == -ENODEV)
			SKIP(return, "fanotify has no file handles here");
		if (sizes[i] > 124) {
			ASSERT_EQ(0, len);
			continue;
		}
		ASSERT_EQ(0, name_handle(s, "file", &fh, AT_HANDLE_FID));
		ASSERT_EQ(fh.bytes, len);
		ASSERT_EQ(fh.type, event.type);
		ASSERT_EQ(0, memcmp(fh.data, event.data, len));
	}
}

/* --- Below an overlay ---------------------------------------------------- */

/* An overlay with the server as its lower layer */
static int mount_overlay(struct server *s, const char *dir, bool export)
{
	char options[512], path[128];
	static const char *const dirs[] = { "upper", "work", "merged" };
	unsigned int i;

	if (mount("upper", dir, "tmpfs", 0, NULL))
		return -errno;
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, dirs[i]);
		if (mkdir(path, 0755))
			return -errno;
	}
	snprintf(options, sizeof(options),
		 "lowerdir=%s,upperdir=%s/upper,workdir=%s/work,%s", s->dir, dir,
		 dir, export ? "index=on,nfs_export=on" : "index=off");
	return mount("overlay", path, "overlay", 0, options) ? -errno : 0;
}

/* The bits of /proc/sys/kernel/tainted: whether there was a warning */
static long taint_bits(void)
{
	FILE *file = fopen("/proc/sys/kernel/tainted", "re");
	long bits = -1;

	if (!file || fscanf(file, "%ld", &bits) != 1)
		bits = -1;
	if (file)
		fclose(file);
	return bits;
}

/*
 * Ask with the room that the kernel asks for, as long as it asks for more.
 * Returns the error; *most is what it has asked for.
 */
static int name_with_room(const char *path, unsigned int flags,
			  struct handle *fh, unsigned int *most)
{
	unsigned int room = 0;
	__u64 mnt_id;
	int err;

	*most = 0;
	for (;;) {
		memset(fh, 0, sizeof(*fh));
		fh->bytes = room;
		err = encode_at(AT_FDCWD, path, fh, &mnt_id,
				AT_HANDLE_MNT_ID_UNIQUE | flags);
		if (fh->bytes > *most)
			*most = fh->bytes;
		if (err != -EOVERFLOW || fh->bytes <= room ||
		    fh->bytes > HANDLE_MAX)
			return err;
		room = fh->bytes;
	}
}

/* Watch a file as an ordinary user. Returns the size of the handle of an event. */
static int user_event_handle(const char *path)
{
	struct handle fh;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		int len = -EPERM;

		if (!setgid(1000) && !setuid(1000))
			len = event_handle(path, &fh);
		_exit(len < 0 ? 255 : len);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return WEXITSTATUS(status) == 255 ? -EPERM : WEXITSTATUS(status);
}

/*
 * An overlay adds 24 bytes to the handles of its layers, and fanotify takes a
 * handle of more than 128 for a bug.
 */
static void check_overlay(struct __test_metadata *const _metadata,
			  struct server *s, int *fd, const char *dir,
			  bool export)
{
	static const size_t sizes[] = { 16, 97, 100, 101, 104, 124, 125, 128 };
	struct handle fh, event;
	char path[64], root[64];
	unsigned int i, most;
	long taint = taint_bits();

	snprintf(root, sizeof(root), "%s/merged", dir);
	snprintf(path, sizeof(path), "%s/merged/file", dir);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t size = sizes[i];
		int bytes = 24 + 4 + (size + 3) / 4 * 4;
		bool fits = size <= 100;
		int ret, file, mount_fd, expected;

		s->handle_size = size;
		ASSERT_EQ(0, restart(s, fd));
		ret = mount_overlay(s, dir, export);
		if (ret == -ENODEV)
			SKIP(return, "there is no overlayfs");
		/* The index needs the handle of the root of the layer. */
		if (export && size > 124) {
			ASSERT_EQ(-EIO, ret);
			ASSERT_EQ(0, umount2(dir, MNT_DETACH));
			continue;
		}
		ASSERT_EQ(0, ret);
		file = open(path, O_RDONLY | O_CLOEXEC);
		ASSERT_GE(file, 0) {
			TH_LOG("%zu bytes: errno %d", size, errno);
		}
		ASSERT_EQ(2, read_object(file, NULL));
		close(file);

		/* Handles that cannot be decoded do without AT_HANDLE_FID. */
		ret = name_with_room(path, export ? 0 : AT_HANDLE_FID, &fh,
				     &most);
		ASSERT_EQ(fits ? 0 : -EOVERFLOW, ret) {
			TH_LOG("%zu bytes: asked for %u", size, most);
		}
		ASSERT_EQ(fits ? bytes : 0, most);

		ret = event_handle(path, &event);
		if (ret == -ENOSYS || ret == -ENODEV)
			SKIP(return, "fanotify has no file handles here");
		ASSERT_EQ(fits ? bytes : 0, ret) {
			TH_LOG("%zu bytes", size);
		}
		ASSERT_EQ(fits ? bytes : 0, user_event_handle(path)) {
			TH_LOG("%zu bytes", size);
		}
		ASSERT_TRUE(!fits || !memcmp(fh.data, event.data, bytes));

		if (export && fits) {
			mount_fd = open(root, O_RDONLY | O_CLOEXEC);
			ASSERT_GE(mount_fd, 0);
			ASSERT_EQ(2, decode_object(mount_fd, &fh));
			close(mount_fd);
		}

		/* Copy up stores the handle, or names the index by it. */
		ret = open(path, O_RDWR | O_CLOEXEC);
		if (ret < 0) {
			ret = -errno;
		} else {
			close(ret);
			ret = 0;
		}
		expected = size > 124 ? -EIO :
			   export && !fits ? -ENAMETOOLONG : 0;
		ASSERT_EQ(expected, ret);
		ASSERT_EQ(0, umount2(root, MNT_DETACH));
		ASSERT_EQ(0, umount2(dir, MNT_DETACH));
		ASSERT_EQ(taint, taint_bits());
	}
}

static void in_overlay(struct __test_metadata *const _metadata,
		       struct server *s, int *fd, bool export)
{
	char dir[] = "/tmp/overlay_XXXXXX";

	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, chmod(dir, 0755));
	check_overlay(_metadata, s, fd, dir, export);
	rmdir(dir);
}

TEST_F(fuse, overlay)
{
	in_overlay(_metadata, self->s, &self->mount_fd, false);
}

TEST_F(fuse, overlay_with_export)
{
	in_overlay(_metadata, self->s, &self->mount_fd, true);
}

/* --- By io_uring --------------------------------------------------------- */

/* Tried at once first, or left to a worker from the start */
static const unsigned int sqe_flags[] = { 0, IOSQE_ASYNC };

static int ring_name_handle(struct ring *ring, struct server *s,
			    const char *name, struct handle *fh,
			    unsigned int flags)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);
	__u64 mnt_id = 0;
	char path[256];

	path_of(s, name, path, sizeof(path));
	memset(fh, 0, sizeof(*fh));
	fh->bytes = HANDLE_MAX;
	sqe_name(sqe, AT_FDCWD, path, fh, &mnt_id, AT_HANDLE_MNT_ID_UNIQUE);
	sqe->flags = flags;
	return ring_run(ring);
}

static int ring_decode_object(struct ring *ring, int mount_fd,
			      const struct handle *fh, unsigned int flags)
{
	int fd = ring_open(ring, mount_fd, fh, O_RDONLY | O_CLOEXEC, flags);
	int ret;

	if (fd < 0)
		return fd;
	ret = read_object(fd, NULL);
	close(fd);
	return ret;
}

/* The thread of the server answers while this one waits for the ring. */
FIXTURE(fuse_ring)
{
	struct server *s;
	int mount_fd;
	struct ring ring;
};

FIXTURE_SETUP(fuse_ring)
{
	const char *reason = missing_as_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, ring_init(&self->ring, 0));
	begin(_metadata, &self->s, &self->mount_fd);
}

FIXTURE_TEARDOWN(fuse_ring)
{
	/* No request has kept what it looked up, as the server counts. */
	ring_exit(&self->ring);
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
}

/* It drops the caches often, which takes long with all of the debugging. */
TEST_F_TIMEOUT(fuse_ring, encodes_what_the_system_call_encodes, 120)
{
	static const char * const names[] = { ".", "file", "d1/d2/d3" };
	struct handle by_syscall, cold, cached;
	struct server *s = self->s;
	unsigned long sent, nr;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(0, settle(s));
		nr = count(s, FUSE_COMPOUND);
		ASSERT_EQ(0, name_handle(s, names[i], &by_syscall, 0));
		sent = count(s, FUSE_COMPOUND) - nr;
		ASSERT_EQ(FILEID_FUSE_HANDLE, by_syscall.type);

		for (j = 0; j < ARRAY_SIZE(sqe_flags); j++) {
			/* What is found not to be cached is asked for once. */
			ASSERT_EQ(0, settle(s));
			nr = count(s, FUSE_COMPOUND);
			ASSERT_EQ(0, ring_name_handle(&self->ring, s, names[i],
						      &cold, sqe_flags[j]));
			EXPECT_EQ(nr + sent, count(s, FUSE_COMPOUND));
			EXPECT_TRUE(same_handle(&by_syscall, &cold));

			ASSERT_EQ(0, ring_name_handle(&self->ring, s, names[i],
						      &cached, sqe_flags[j]));
			EXPECT_EQ(nr + sent, count(s, FUSE_COMPOUND));
			EXPECT_TRUE(same_handle(&by_syscall, &cached));
		}
	}
	EXPECT_EQ(-ENOENT, ring_name_handle(&self->ring, s, "missing", &cold,
					    0));
}

TEST_F(fuse_ring, opens_after_dropped_caches)
{
	struct server *s = self->s;
	struct handle fh;
	unsigned long nr;
	unsigned int i;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	for (i = 0; i < ARRAY_SIZE(sqe_flags); i++) {
		ASSERT_EQ(0, settle(s));
		ASSERT_NE(0, s->forgets);
		nr = count(s, FUSE_COMPOUND);
		EXPECT_EQ(2, ring_decode_object(&self->ring, self->mount_fd,
						&fh, sqe_flags[i]));
		/* By the worker, and not by who first tried without waiting */
		EXPECT_EQ(nr + 1, count(s, FUSE_COMPOUND));
		EXPECT_EQ(0, s->last_nodeid);
	}
}

TEST_F(fuse_ring, opens_after_restart)
{
	struct server *s = self->s;
	struct handle file, again, inner;
	unsigned int i;
	int id;

	ASSERT_EQ(0, ring_name_handle(&self->ring, s, "file", &file, 0));
	ASSERT_EQ(0, ring_name_handle(&self->ring, s, "d1/d2/file", &inner, 0));
	id = decode_object(self->mount_fd, &inner);
	ASSERT_GT(id, 2);
	for (i = 0; i < ARRAY_SIZE(sqe_flags); i++) {
		ASSERT_EQ(0, RESTART());
		EXPECT_EQ(2, ring_decode_object(&self->ring, self->mount_fd,
						&file, sqe_flags[i]));
		EXPECT_EQ(id, ring_decode_object(&self->ring, self->mount_fd,
						 &inner, sqe_flags[i]));
		EXPECT_EQ(0, ring_name_handle(&self->ring, s, "file", &again,
					      sqe_flags[i]));
		EXPECT_TRUE(same_handle(&file, &again));
	}
}

TEST_F(fuse_ring, stale)
{
	struct server *s = self->s;
	struct handle fh, forged;
	unsigned int i;

	ASSERT_EQ(0, ring_name_handle(&self->ring, s, "other", &fh, 0));
	forged = fh;
	forged.data[0]++;
	for (i = 0; i < ARRAY_SIZE(sqe_flags); i++) {
		s->objects[3].exists = true;
		ASSERT_EQ(0, RESTART());
		EXPECT_EQ(3, ring_decode_object(&self->ring, self->mount_fd,
						&fh, sqe_flags[i]));
		EXPECT_EQ(-ESTALE, ring_decode_object(&self->ring,
						      self->mount_fd, &forged,
						      sqe_flags[i]));
		s->objects[3].exists = false;
		EXPECT_EQ(-ESTALE, ring_decode_object(&self->ring,
						      self->mount_fd, &fh,
						      sqe_flags[i]));
		ASSERT_EQ(0, RESTART());
		EXPECT_EQ(-ESTALE, ring_decode_object(&self->ring,
						      self->mount_fd, &fh,
						      sqe_flags[i]));
	}
}

TEST_HARNESS_MAIN
