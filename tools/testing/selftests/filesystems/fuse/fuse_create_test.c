// SPDX-License-Identifier: GPL-2.0
/* Operations that create inodes of a server with handles. */
#define _GNU_SOURCE
#include "fuse_fixture.h"
#include "fuse_requests.h"

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
 * The file exists. Its next use looks the name up, although the server set a
 * timeout of an hour.
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
		ASSERT_EQ(-EOPNOTSUPP, encode(fd, &fh));
		lookups = count(s, FUSE_COMPOUND);
		ASSERT_EQ(0, name_handle(s, name, &fh, 0));
		ASSERT_EQ(lookups + 1, count(s, FUSE_COMPOUND));
		ASSERT_EQ(0, encode(fd, &fh));
		close(fd);

		snprintf(name, sizeof(name), "made%u", i);
		path_of(s, name, path, sizeof(path));
		ASSERT_EQ(0, mkdir(path, 0755));
	}
	ASSERT_EQ(0, settle_server(s));
}

TEST_F(fuse, new_inode_is_not_looked_up_again)
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

TEST_F(fuse, new_inode_with_invalid_reply)
{
	struct server *s = self->s;
	char path[256];

	s->dot_error = -ENOSYS;
	ASSERT_EQ(-EIO, try_open(s, "created", O_RDWR | O_CREAT | O_EXCL));
	ASSERT_EQ(1, count_inner(s, FUSE_CREATE));
	ASSERT_EQ(1, count(s, FUSE_RELEASE));
	path_of(s, "made", path, sizeof(path));
	ASSERT_EQ(-1, mkdir(path, 0755));
	ASSERT_EQ(EIO, errno);
	ASSERT_EQ(1, count_inner(s, FUSE_MKDIR));
	s->dot_error = 0;
	ASSERT_EQ(0, settle_server(s));

	s->handle_size = 129;
	ASSERT_EQ(-EIO, try_open(s, "again", O_RDWR | O_CREAT | O_EXCL));
	ASSERT_EQ(2, count_inner(s, FUSE_CREATE));
}

/* The server must not receive FUSE_FORGET of a file that is still open. */
TEST_F(fuse, release_precedes_forget)
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

/* Offset of the entry with the handle in the reply to an operation that creates */
#define NEW_ENTRY_AT(open)						\
	(SUB_HEADER + sizeof(struct fuse_entry_out) + (open) + SUB_HEADER)

/* Sets the nodeid in the reply to the lookup of a new inode. */
static void set_nodeid(struct server *s, struct message *m)
{
	memcpy(m->data + NEW_ENTRY_AT(sizeof(struct fuse_open_out)),
	       &s->spoil_value, sizeof(s->spoil_value));
}

/* The lookup of "." of a new inode returns another nodeid. */
TEST_F(fuse, new_inode_with_another_nodeid)
{
	struct server *s = self->s;
	unsigned long forgotten = s->forgotten;
	struct handle fh;
	int fd;

	s->spoil = set_nodeid;
	s->spoil_opcode = FUSE_CREATE;
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(-EIO, try_open(s, "created", O_RDWR | O_CREAT | O_EXCL));
	/* The new nodeid and the other one are forgotten. */
	ASSERT_TRUE(wait_for(&s->forgotten, forgotten + 2));
	ASSERT_EQ(0, outstanding(s));

	/* A negative entry leaves the handle unknown. */
	s->spoil_value = 0;
	fd = try_open(s, "again", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(-EOPNOTSUPP, encode(fd, &fh));
	close(fd);

	/* The server uses the other nodeid for an object with this handle. */
	fd = try_open(s, "other", O_RDONLY);
	ASSERT_GE(fd, 0);
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(-EIO, try_open(s, "third", O_RDWR | O_CREAT | O_EXCL));
	ASSERT_EQ(-EIO, read_object(fd, NULL));
	close(fd);
}

/* Calls an operation that creates the object @name. Returns 0 or a negative errno. */
static int create(struct server *s, __u32 opcode, const char *name)
{
	char path[256], from[256];
	int ret;

	path_of(s, name, path, sizeof(path));
	switch (opcode) {
	case FUSE_CREATE:
		ret = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		break;
	case FUSE_TMPFILE:
		ret = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
		break;
	case FUSE_MKNOD:
		ret = mkfifo(path, 0644);
		break;
	case FUSE_MKDIR:
		ret = mkdir(path, 0755);
		break;
	case FUSE_SYMLINK:
		ret = symlink("nowhere", path);
		break;
	default:
		path_of(s, "other", from, sizeof(from));
		ret = link(from, path);
	}
	if (ret < 0)
		return -errno;
	if (opcode == FUSE_CREATE || opcode == FUSE_TMPFILE)
		close(ret);
	return 0;
}

static const struct {
	const char *name;
	__u32 opcode;
	unsigned int lookups;	/* before the operation */
} creations[] = {
	{ "create", FUSE_CREATE, 1 },
	{ "tmpfile", FUSE_TMPFILE, 0 },
	{ "mknod", FUSE_MKNOD, 1 },
	{ "mkdir", FUSE_MKDIR, 1 },
	{ "symlink", FUSE_SYMLINK, 1 },
	{ "link", FUSE_LINK, 1 },
};

/* An operation that creates an inode takes one request, and its handle is known. */
TEST_F(fuse, creation_takes_one_request)
{
	struct server *s = self->s;
	unsigned long before;
	struct handle fh;
	unsigned int i;

	ASSERT_EQ(0, try_stat(s, "other"));
	for (i = 0; i < ARRAY_SIZE(creations); i++) {
		__u32 opcode = creations[i].opcode;

		before = count_all(s) - count(s, FUSE_FLUSH);
		ASSERT_EQ(0, create(s, opcode, creations[i].name));
		/* Each but the temporary file is looked up first. */
		EXPECT_EQ(before + creations[i].lookups + 1,
			  count_all(s) - count(s, FUSE_FLUSH)) {
			TH_LOG("%s", creations[i].name);
		}
		EXPECT_EQ(1, count_inner(s, opcode));
		EXPECT_EQ(0, count(s, opcode));
		if (opcode == FUSE_TMPFILE || opcode == FUSE_LINK)
			continue;
		before = count_all(s);
		ASSERT_EQ(0, name_handle(s, creations[i].name, &fh, 0));
		EXPECT_EQ(FILEID_FUSE_HANDLE, fh.type);
		EXPECT_EQ(before, count_all(s));
	}
	TH_LOG("requests of a create: 1");
	ASSERT_EQ(0, settle_server(s));
}

/* The server declines compounds, or this combination: the requests are sent singly. */
TEST_F(fuse, creation_without_compounds)
{
	static const int errors[] = { -EOPNOTSUPP, -ENOSYS };
	struct server *s = self->s;
	struct handle fh;
	unsigned int i, j;
	char name[32];

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		s->compound_error = errors[i];
		ASSERT_EQ(0, RESTART());
		ASSERT_EQ(0, try_stat(s, "other"));
		for (j = 0; j < ARRAY_SIZE(creations); j++) {
			__u32 opcode = creations[j].opcode;

			snprintf(name, sizeof(name), "%s%u", creations[j].name, i);
			ASSERT_EQ(0, create(s, opcode, name));
			EXPECT_EQ(1, count(s, opcode));
			EXPECT_EQ(0, count_inner(s, opcode));
			if (opcode != FUSE_TMPFILE && opcode != FUSE_LINK)
				EXPECT_EQ(0, name_handle(s, name, &fh, 0));
		}
		/* ENOSYS is final, EOPNOTSUPP is not. */
		EXPECT_EQ(errors[i] == -ENOSYS,
			  count(s, FUSE_COMPOUND) == 1);
		ASSERT_EQ(0, settle_server(s));
	}
}

/* Only one combination is declined. */
TEST_F(fuse, one_combination_is_declined)
{
	struct server *s = self->s;

	s->declined = FUSE_MKDIR;
	ASSERT_EQ(0, create(s, FUSE_MKDIR, "made"));
	ASSERT_EQ(1, count(s, FUSE_MKDIR));
	ASSERT_EQ(0, create(s, FUSE_MKNOD, "fifo"));
	ASSERT_EQ(0, count(s, FUSE_MKNOD));
	ASSERT_EQ(1, count_inner(s, FUSE_MKNOD));
}

/* The operation fails, and the other requests are canceled. */
TEST_F(fuse, creation_fails)
{
	static const int errors[] = { -ENOSPC, -EEXIST, -EACCES };
	struct server *s = self->s;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		s->create_error = errors[i];
		for (j = 0; j < ARRAY_SIZE(creations); j++)
			EXPECT_EQ(errors[i], create(s, creations[j].opcode,
						    creations[j].name));
	}
	ASSERT_EQ(0, settle_server(s));
}

static void add_bytes(struct server *s __maybe_unused, struct message *m)
{
	static const char zeros[8];

	put_bytes(m, zeros, sizeof(zeros));
}

/* If a reply is not valid, the errors in it are not used either. */
TEST_F(fuse, creation_fails_with_invalid_reply)
{
	struct server *s = self->s;
	unsigned int i;

	s->create_error = -ENOSPC;
	s->spoil = add_bytes;
	for (i = 0; i < ARRAY_SIZE(creations); i++) {
		s->spoil_opcode = creations[i].opcode;
		EXPECT_EQ(-EIO, create(s, creations[i].opcode, creations[i].name));
	}
	ASSERT_EQ(0, settle_server(s));
}

static void cut_bytes(struct server *s __maybe_unused, struct message *m)
{
	m->len -= 8;
}

/* The last part of the reply is not valid. The entry before it counts as a lookup. */
TEST_F(fuse, reused_nodeid_and_malformed_reply)
{
	static const struct {
		__u32 opcode;
		void (*spoil)(struct server *s, struct message *m);
	} cases[] = {
		{ FUSE_LOOKUP_HANDLE, add_bytes }, { FUSE_LOOKUP_HANDLE, cut_bytes },
		{ FUSE_LINK, add_bytes }, { FUSE_LINK, cut_bytes },
	};
	struct server *s = self->s;
	char path[256];
	unsigned int i;
	int old;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	path_of(s, "linked", path, sizeof(path));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		old = try_open(s, "file", O_RDONLY);
		ASSERT_GE(old, 0);
		ASSERT_EQ(2, read_object(old, NULL));
		s->objects[2].version++;
		s->spoil_opcode = cases[i].opcode;
		s->spoil = cases[i].spoil;
		if (cases[i].opcode == FUSE_LINK) {
			ASSERT_EQ(-1, linkat(old, "", AT_FDCWD, path, AT_EMPTY_PATH));
			ASSERT_EQ(EIO, errno);
		} else {
			ASSERT_EQ(-EIO, try_stat(s, "file"));
		}
		s->spoil = NULL;
		ASSERT_EQ(-EIO, read_object(old, NULL)) {
			TH_LOG("case %u", i);
		}
		close(old);
	}
}

/* FUSE_MKNOD and FUSE_OPEN replace a FUSE_CREATE that is not implemented. */
TEST_F(fuse, create_is_not_implemented)
{
	struct server *s = self->s;

	s->create_error = -ENOSYS;
	ASSERT_EQ(-ENOSYS, create(s, FUSE_CREATE, "created"));
	ASSERT_EQ(1, count_inner(s, FUSE_CREATE));
	ASSERT_EQ(1, count_inner(s, FUSE_MKNOD));
	ASSERT_EQ(-EOPNOTSUPP, create(s, FUSE_TMPFILE, "tmpfile"));
	s->create_error = 0;
	ASSERT_EQ(0, create(s, FUSE_CREATE, "created"));
	ASSERT_EQ(1, count_inner(s, FUSE_CREATE));
	ASSERT_EQ(2, count_inner(s, FUSE_MKNOD));
}

/* The attributes of the inode are those after the link, not those before it. */
TEST_F(fuse, link_count_is_current)
{
	struct server *s = self->s;
	struct statx stx;
	char path[256];
	int fd;

	fd = try_open(s, "other", O_RDONLY);
	ASSERT_GE(fd, 0);
	path_of(s, "other", path, sizeof(path));
	ASSERT_EQ(0, create(s, FUSE_LINK, "linked"));
	ASSERT_EQ(0, statx(fd, "", AT_EMPTY_PATH, STATX_NLINK, &stx));
	ASSERT_EQ(2, stx.stx_nlink);
	/* The reply to FUSE_STATX fails: the attributes are requested again. */
	s->statx_error = -EACCES;
	ASSERT_EQ(0, create(s, FUSE_LINK, "again"));
	s->statx_error = 0;
	ASSERT_EQ(0, statx(fd, "", AT_EMPTY_PATH, STATX_NLINK, &stx));
	ASSERT_EQ(3, stx.stx_nlink);
	close(fd);
}

/* The handle of an unnamed file is known, and remains so when it has a name. */
TEST_F(fuse, temporary_file)
{
	struct server *s = self->s;
	char path[256], link[64];
	struct handle fh, named;
	int fd;

	fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, encode(fd, &fh));

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	path_of(s, "linked", path, sizeof(path));
	ASSERT_EQ(0, linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW));
	ASSERT_EQ(0, encode(fd, &named));
	ASSERT_TRUE(same_handle(&fh, &named));
	ASSERT_EQ(FILEID_FUSE_HANDLE, fh.type);
	ASSERT_EQ(read_object(fd, NULL), decode_object(self->mount_fd, &fh));
	close(fd);
}

TEST_HARNESS_MAIN
