// SPDX-License-Identifier: GPL-2.0
/*
 * File handles of a server with handles: encoding, decoding and sizes.
 */
#define _GNU_SOURCE

#include "fuse_fixture.h"
#include "fuse_requests.h"

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

TEST_F(fuse, encode_fid)
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

TEST_F(fuse, encode_into_short_buffer)
{
	struct handle fh = { .bytes = 19 };
	char path[256];
	__u64 mnt_id;

	path_of(self->s, "file", path, sizeof(path));
	ASSERT_EQ(-EOVERFLOW, encode_at(AT_FDCWD, path, &fh, &mnt_id,
					AT_HANDLE_MNT_ID_UNIQUE));
	ASSERT_EQ(20, fh.bytes);
}

TEST_F(fuse, decode_sends_lookup)
{
	struct server *s = self->s;
	struct handle fh;
	unsigned long nr;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, settle_server(s));
	ASSERT_NE(0, s->forgets);

	nr = count(s, FUSE_COMPOUND);
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(nr + 1, count(s, FUSE_COMPOUND));
	ASSERT_EQ(0, s->last_nodeid);
}

/* A handle of a cached inode is decoded without a request. */
TEST_F(fuse, decode_of_cached_inode)
{
	struct server *s = self->s;
	struct handle fh, dir, root;
	unsigned long before;
	int fd;

	ASSERT_EQ(0, name_handle(s, "d1/d2/file", &fh, 0));
	ASSERT_EQ(0, name_handle(s, "d1/d2", &dir, 0));
	ASSERT_EQ(0, name_handle(s, ".", &root, 0));
	before = count_all(s);
	fd = decode(self->mount_fd, &fh, O_PATH);
	ASSERT_GE(fd, 0);
	close(fd);
	fd = decode(self->mount_fd, &dir, O_PATH);
	ASSERT_GE(fd, 0);
	close(fd);
	fd = decode(self->mount_fd, &root, O_PATH);
	ASSERT_GE(fd, 0);
	close(fd);
	ASSERT_EQ(before, count_all(s));
	TH_LOG("requests of a warm decode: 0");
}

/* The server is asked about a cached inode that has no name any more. */
TEST_F(fuse, decode_of_cached_inode_without_links)
{
	struct server *s = self->s;
	struct handle fh;
	int fd;

	s->attr_valid = 0;
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, encode(fd, &fh));
	s->objects[2].nlink = 0;
	ASSERT_EQ(0, fchmod(fd, 0600));
	s->objects[2].exists = false;
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	close(fd);
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

/* Returns the number of files in the bulk test. FUSE_HANDLES can reduce it. */
static unsigned int bulk_nr(void)
{
	const char *nr = getenv("FUSE_HANDLES");
	unsigned int wanted = nr ? atoi(nr) : BULK_NR;

	return wanted < BULK_NR ? wanted : BULK_NR;
}

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

TEST_F(fuse, root_handle)
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

TEST_F(fuse, decode_directory)
{
	struct server *s = self->s;
	char path[256], expected[256];
	struct handle fh;
	int fd;

	ASSERT_EQ(0, name_handle(s, "d1/d2/d3", &fh, 0));
	ASSERT_EQ(0, RESTART());
	fd = decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	/* The dentry is connected to the root. */
	path_of(s, "d1/d2/d3", expected, sizeof(expected));
	path_of_fd(fd, path, sizeof(path));
	ASSERT_STREQ(expected, path);
	close(fd);
}

/* The entries of a directory have no inode numbers. */
TEST_F(fuse, decode_without_inode_numbers)
{
	struct server *s = self->s;
	char path[256], expected[256];
	struct handle dir, file;
	int fd;

	ASSERT_EQ(0, name_handle(s, "d1/d2/d3", &dir, 0));
	ASSERT_EQ(0, name_handle(s, "d1/d2/file", &file, AT_HANDLE_CONNECTABLE));
	s->unknown_ino = true;
	ASSERT_EQ(0, RESTART());
	fd = decode(self->mount_fd, &dir, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	path_of(s, "d1/d2/d3", expected, sizeof(expected));
	path_of_fd(fd, path, sizeof(path));
	ASSERT_STREQ(expected, path);
	close(fd);
	fd = decode(self->mount_fd, &file, O_RDONLY);
	ASSERT_GE(fd, 0);
	path_of(s, "d1/d2/file", expected, sizeof(expected));
	path_of_fd(fd, path, sizeof(path));
	ASSERT_STREQ(expected, path);
	close(fd);
}

/* The number of the object with this name, which is unique */
static unsigned int object_named(struct server *s, const char *name)
{
	unsigned int id;

	for (id = ROOT + 1; id < BULK; id++) {
		if (s->objects[id].exists && !strcmp(s->objects[id].name, name))
			return id;
	}
	return 0;
}

/* The parent does not contain the directory any more. */
TEST_F(fuse, decode_directory_without_a_name)
{
	struct server *s = self->s;
	unsigned int d3;
	struct handle fh;

	ASSERT_EQ(0, name_handle(s, "d1/d2/d3", &fh, 0));
	d3 = object_named(s, "d3");
	ASSERT_NE(0, d3);
	/* The server finds its handle, but it is in no directory. */
	s->objects[d3].name[0] = '\0';
	s->unknown_ino = true;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(-ESTALE, decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(0, settle_server(s));
}

/* The server says that a directory is in a regular file, and lists it there. */
TEST_F(fuse, decode_directory_in_a_file)
{
	struct server *s = self->s;
	unsigned int d3, file = 2;
	struct handle fh;

	ASSERT_EQ(0, name_handle(s, "d1/d2/d3", &fh, 0));
	d3 = object_named(s, "d3");
	ASSERT_NE(0, d3);
	s->objects[d3].parent = file;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(-ESTALE, decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(0, try_stat(s, "file"));
}

/* The parent in a file handle is a regular file, in which the server lists the file. */
TEST_F(fuse, parent_handle_of_a_file)
{
	struct server *s = self->s;
	unsigned int file = 2, other = 3;
	struct handle fh;
	int fd;

	ASSERT_EQ(0, name_handle(s, "other", &fh, AT_HANDLE_CONNECTABLE));
	object_handle(s, file, fh.data + 4 + fh.data[0], fh.data[1]);
	s->objects[other].parent = file;
	ASSERT_EQ(0, RESTART());
	fd = decode(self->mount_fd, &fh, O_PATH);
	if (fd >= 0)
		close(fd);
	else
		ASSERT_EQ(-ESTALE, fd);
	ASSERT_EQ(0, try_stat(s, "file"));
}

static unsigned int wrong_names;

static int count_wrong_names(struct server *s __maybe_unused,
			     const struct request *r,
			     struct message *m __maybe_unused)
{
	const char *name = (const char *)r->args;

	if (r->in.opcode == FUSE_LOOKUP_HANDLE &&
	    (strchr(name, '/') || strlen(name) > NAME_MAX))
		wrong_names++;
	return -ENOSYS;
}

/* A directory lists an entry that is not a name. The server is not asked about it. */
TEST_F(fuse, decode_directory_with_a_slash_in_its_name)
{
	struct server *s = self->s;
	unsigned int d3;
	struct handle fh;

	ASSERT_EQ(0, name_handle(s, "d1/d2/d3", &fh, 0));
	d3 = object_named(s, "d3");
	ASSERT_NE(0, d3);
	s->objects[d3].name[1] = '/';
	s->others = count_wrong_names;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(-ESTALE, decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(0, wrong_names);
}

/* Lists a name of NAME_MAX + 1 bytes before the entries of a directory. */
static int list_overlong_name(struct server *s __maybe_unused,
			      const struct request *r, int error,
			      struct message *m)
{
	struct fuse_dirent dirent = {
		.ino = UNKNOWN_INO,
		.namelen = NAME_MAX + 1,
	};
	size_t size = FUSE_DIRENT_SIZE(&dirent);

	if (r->in.opcode != FUSE_READDIR || error || !m->len)
		return error;
	memmove(m->data + size, m->data, m->len);
	memset(m->data, 'x', size);
	memcpy(m->data, &dirent, FUSE_NAME_OFFSET);
	m->len += size;
	return 0;
}

/* The kernel skips a name that is longer than NAME_MAX. The server is not asked about it. */
TEST_F(fuse, decode_directory_beside_an_overlong_name)
{
	struct server *s = self->s;
	struct handle fh;
	int fd;

	ASSERT_EQ(0, name_handle(s, "d1/d2/d3", &fh, 0));
	s->unknown_ino = true;
	s->mutate = list_overlong_name;
	s->others = count_wrong_names;
	ASSERT_EQ(0, RESTART());
	fd = decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	close(fd);
	ASSERT_EQ(0, wrong_names);
}

static int list_part_of_an_entry(struct server *s __maybe_unused,
				 const struct request *r, int error,
				 struct message *m)
{
	if (r->in.opcode == FUSE_READDIR && !error && m->len)
		m->len = FUSE_NAME_OFFSET - 1;
	return error;
}

/* The kernel does not send the same request again and again. */
TEST_F(fuse, decode_directory_in_a_truncated_list)
{
	struct server *s = self->s;
	struct handle fh;

	ASSERT_EQ(0, name_handle(s, "d1/d2/d3", &fh, 0));
	s->mutate = list_part_of_an_entry;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(1, count(s, FUSE_READDIR));
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

/*
 * A handle of a server without handles consists of the nodeid and the generation. The
 * kernel decodes that of a cached inode without a request.
 */
TEST_F(fuse, generation_of_cached_inode)
{
	struct server *s = self->s;
	unsigned long before;
	struct handle fh;
	int fd;

	s->init_flags &= ~FUSE_HAS_LOOKUP_HANDLE;
	s->entry_generation = 7;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(FILEID_INO64_GEN, fh.type);
	before = count_all(s);
	fd = decode(self->mount_fd, &fh, O_PATH);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(before, count_all(s));
	close(fd);
	/* Another generation */
	fh.data[8]++;
	EXPECT_EQ(-ESTALE, decode(self->mount_fd, &fh, O_PATH));
}

/* The kernel refuses malformed file handles without a request. */
TEST_F(fuse, malformed_handles_are_refused)
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
		/* The padding is not zero, even if the number of words is the same. */
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

	/* A well-formed handle that the server does not know */
	forged = fh;
	forged.data[4] ^= 0xff;
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &forged));
	ASSERT_EQ(nr + 1, count(s, FUSE_COMPOUND));
}

static void answer_for_another(struct server *s, struct message *m)
{
	unsigned char handle[16];

	object_handle(s, 3, handle, sizeof(handle));
	memcpy(m->data + BYTES_AT, handle, sizeof(handle));
}

TEST_F(fuse, decode_reply_with_another_handle)
{
	struct server *s = self->s;
	struct handle fh;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, settle_server(s));
	s->spoil = answer_for_another;
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
}

static void answer_for_the_root(struct server *s __maybe_unused, struct message *m)
{
	__u64 root = FUSE_ROOT_ID;

	memcpy(m->data + SUB_HEADER, &root, sizeof(root));
}

static void answer_without_a_handle(struct server *s, struct message *m)
{
	size_t padded = FUSE_REC_ALIGN(s->handle_size), rest = BYTES_AT + padded;
	__u32 len = BYTES_AT, size = 0;

	if (m->len < rest)
		return;
	memcpy(m->data, &len, sizeof(len));
	memcpy(m->data + HANDLE_AT, &size, sizeof(size));
	memmove(m->data + BYTES_AT, m->data + rest, m->len - rest);
	m->len -= padded;
}

static void answer_with_another_nodeid(struct server *s, struct message *m)
{
	__u64 nodeid = s->spoil_value;

	memcpy(m->data + SUB_HEADER, &nodeid, sizeof(nodeid));
}

/*
 * A server that does not check the handle can return it with the nodeid of
 * another inode. That inode must not change.
 */
TEST_F(fuse, decode_reply_with_nodeid_of_live_inode)
{
	struct server *s = self->s;
	struct handle fh, other, again;
	int fd;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	fd = try_open(s, "other", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, encode(fd, &other));
	ASSERT_EQ(0, evict(s));
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

/* An inode whose handle is unknown does not adopt the one of a file handle. */
TEST_F(fuse, decode_reply_with_inode_of_unknown_handle)
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
	ASSERT_EQ(-EOPNOTSUPP, encode(fd, &other));

	ASSERT_EQ(0, evict(s));
	s->spoil = answer_with_another_nodeid;
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(-EOPNOTSUPP, encode(fd, &other));

	/* The lookup of its name makes its handle known. */
	s->spoil = NULL;
	ASSERT_EQ(0, try_stat(s, "other"));
	ASSERT_EQ(0, encode(fd, &other));
	ASSERT_EQ(3, decode_object(self->mount_fd, &other));
	ASSERT_EQ(3, read_object(fd, NULL));
	close(fd);
}

TEST_F(fuse, decode_reply_with_root_of_unknown_handle)
{
	struct server *s = self->s;
	struct handle fh, root;

	/* A reply with a handle of size 0 is not requested again. */
	s->handle_size = 0;
	ASSERT_EQ(0, RESTART());
	s->handle_size = 16;
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, settle_server(s));
	s->spoil = answer_with_another_nodeid;
	s->spoil_value = FUSE_ROOT_ID;
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	s->spoil = NULL;
	ASSERT_EQ(-EOPNOTSUPP, name_handle(s, ".", &root, 0));
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
}

/* An unknown handle in the reply does not match the file handle. */
TEST_F(fuse, decode_reply_with_unknown_handle)
{
	struct server *s = self->s;
	struct handle fh;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, settle_server(s));
	s->spoil = answer_without_a_handle;
	ASSERT_EQ(0, try_stat(s, "other"));
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
}

static void answer_with_the_root(struct server *s, struct message *m)
{
	__u64 root = FUSE_ROOT_ID;

	memcpy(m->data + SUB_HEADER, &root, sizeof(root));
	object_handle(s, ROOT, m->data + BYTES_AT, 16);
}

/* A lookup by name must not return the root, which is never forgotten. */
TEST_F(fuse, lookup_returns_root)
{
	struct server *s = self->s;
	int fd;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	fd = try_open(s, "d1", O_RDONLY);
	ASSERT_GE(fd, 0);
	s->spoil = answer_with_the_root;
	/* "d1" is revalidated and then looked up, "other" is only looked up. */
	ASSERT_EQ(-EIO, try_stat(s, "d1"));
	ASSERT_EQ(-EIO, try_stat(s, "other"));
	s->spoil = NULL;
	ASSERT_EQ(0, try_stat(s, "d1"));
	ASSERT_EQ(0, s->root_forgets);
	close(fd);
}

/* The handle of the root is not known, so that of a decode can be its own. */
TEST_F(fuse, decode_returns_root_with_unknown_handle)
{
	struct server *s = self->s;
	struct handle fh;

	s->unknown = ROOT;
	ASSERT_EQ(0, RESTART());
	s->unknown = 0;
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(20, fh.bytes);
	object_handle(s, ROOT, fh.data + 4, 16);
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	/* The server has read a FUSE_FORGET before it reads this request. */
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(0, s->root_forgets);
}

/* A reply with the nodeid of the root and another handle is an error. */
TEST_F(fuse, root_with_another_handle)
{
	struct server *s = self->s;
	struct handle fh;

	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, settle_server(s));
	s->spoil = answer_for_the_root;
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	ASSERT_EQ(-EIO, try_stat(s, "other"));
	s->spoil = NULL;
	ASSERT_EQ(0, try_stat(s, "."));
	ASSERT_EQ(0, try_stat(s, "other"));
}

/*
 * Sizes
 */

TEST_F(fuse, handle_sizes)
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
		/* A new connection, because the handle of the root cannot change. */
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
		ASSERT_EQ(0, settle_server(s));
		ASSERT_EQ(0, RESTART());
		ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
		ASSERT_EQ(0, settle_server(s));
	}
}

TEST_F(fuse, connectable_handle_sizes)
{
	struct server *s = self->s;
	struct handle fh;
	size_t size;

	for (size = 56; size <= 64; size++) {
		s->handle_size = size;
		ASSERT_EQ(0, RESTART());
		/* Two handles and their header fit into 128 bytes. */
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
	ASSERT_EQ(-EOPNOTSUPP, encode(fd, &fh));

	/* An unknown handle can become known. The inode is the same. */
	s->handle_size = 16;
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	ASSERT_EQ(0, encode(fd, &fh));
	ASSERT_GT(read_object(fd, NULL), 0);

	/* A reply without a handle does not change a known one. */
	s->handle_size = 0;
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	ASSERT_GT(read_object(fd, NULL), 0);
	ASSERT_EQ(0, encode(fd, &fh));
	close(fd);
}

TEST_HARNESS_MAIN
