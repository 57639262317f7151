// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes of a server with handles: reused nodeids, changed nodeids, and new
 * inodes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <poll.h>
#include <sys/file.h>

#include "fuse_fixture.h"
#include "fuse_requests.h"

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

	/* Another object with the same nodeid */
	s->objects[2].version++;
	forgets = s->forgets;
	lookups = s->objects[2].lookups;
	new = try_open(s, "file", O_RDONLY);
	ASSERT_GE(new, 0);
	ASSERT_TRUE(wait_for(&s->forgets, forgets + 1));
	ASSERT_EQ(2, read_object(new, &version));
	ASSERT_EQ(1, version);
	ASSERT_EQ(-EIO, read_object(old, NULL));
	ASSERT_EQ(-ESTALE, decode_object(self->mount_fd, &fh));
	/* One lookup more: that of the revalidation was forgotten. */
	ASSERT_EQ(lookups + 1, s->objects[2].lookups);
	close(old);
	close(new);
}

/*
 * Opens a file that the kernel looks up again at its next use, and replaces the
 * object of its nodeid. Stores the handle of the old object in @fh.
 */
static int open_and_reuse_nodeid(struct server *s, int *mount_fd,
				 struct handle *fh)
{
	int ret, fd;

	s->entry_valid = 0;
	ret = name_handle(s, "file", fh, 0) ?: restart(s, mount_fd);
	if (ret)
		return ret;
	fd = try_open(s, "file", O_RDONLY);
	if (fd >= 0 && read_object(fd, NULL) != 2) {
		close(fd);
		return -EIO;
	}
	s->objects[2].version++;
	return fd;
}

static unsigned int nr_lookups;

static int fail_second_lookup(struct server *s __maybe_unused,
			      const struct request *r,
			      struct message *m __maybe_unused)
{
	return r->in.opcode == FUSE_LOOKUP_HANDLE && ++nr_lookups == 2 ? -EACCES :
									 -ENOSYS;
}

/* The revalidation shows that the nodeid is reused, and the lookup after it fails. */
TEST_F(fuse, reused_nodeid_and_failed_lookup)
{
	struct server *s = self->s;
	struct handle fh;
	int old;

	old = open_and_reuse_nodeid(s, &self->mount_fd, &fh);
	ASSERT_GE(old, 0);
	nr_lookups = 0;
	s->others = fail_second_lookup;
	ASSERT_EQ(-EACCES, try_stat(s, "file"));
	ASSERT_EQ(2, nr_lookups);
	ASSERT_EQ(-EIO, read_object(old, NULL));
	/* The old inode is not found by its nodeid. */
	object_handle(s, 2, fh.data + 4, fh.data[0]);
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
	close(old);
	ASSERT_EQ(0, try_stat(s, "file"));
}

/* The reply has attributes of another type. */
static int make_bad(struct server *s, int fd)
{
	mode_t mode = s->objects[2].mode;
	struct statx stx;
	int ret;

	s->objects[2].mode = S_IFDIR | 0755;
	ret = statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_MODE, &stx);
	s->objects[2].mode = mode;
	return ret ? -errno : 0;
}

enum bad_request { FALLOCATE, COPY_FROM, COPY_TO, SEEK_TO_DATA, SEEK_TO_END,
		   GET_LOCK, SET_LOCK, FLOCK, LINK, BAD_REQUESTS };

/* Returns the error of a system call about a file that is bad, or 0. */
static int request_bad(struct server *s, enum bad_request how, int bad, int good)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[256];
	long ret;

	switch (how) {
	case FALLOCATE:
		ret = fallocate(bad, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1);
		break;
	case COPY_FROM:
		ret = copy_file_range(bad, NULL, good, NULL, 1, 0);
		break;
	case COPY_TO:
		ret = copy_file_range(good, NULL, bad, NULL, 1, 0);
		break;
	case SEEK_TO_DATA:
		ret = lseek(bad, 0, SEEK_DATA);
		break;
	case SEEK_TO_END:
		ret = lseek(bad, 0, SEEK_END);
		break;
	case GET_LOCK:
		ret = fcntl(bad, F_GETLK, &lock);
		break;
	case SET_LOCK:
		ret = fcntl(bad, F_SETLK, &lock);
		break;
	case FLOCK:
		ret = flock(bad, LOCK_EX | LOCK_NB);
		break;
	default:
		path_of(s, "linked", path, sizeof(path));
		ret = linkat(bad, "", AT_FDCWD, path, AT_EMPTY_PATH);
	}
	return ret < 0 ? -errno : 0;
}

/* The nodeid of a bad inode can be that of another object: no request is sent. */
TEST_F(fuse, requests_about_a_bad_inode)
{
	static const __u32 opcodes[] = {
		FUSE_FALLOCATE, FUSE_COPY_FILE_RANGE_64, FUSE_COPY_FILE_RANGE_64,
		FUSE_LSEEK, FUSE_GETATTR, FUSE_GETLK, FUSE_SETLK, FUSE_SETLK, FUSE_LINK,
	};
	struct server *s = self->s;
	const __u64 flags = s->init_flags | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;
	enum bad_request how;
	unsigned long before;
	int bad, good, i;

	/* With and without handles */
	for (i = 0; i < 2; i++) {
		s->init_flags = i ? flags & ~FUSE_HAS_LOOKUP_HANDLE : flags;
		ASSERT_EQ(0, RESTART());
		bad = try_open(s, "file", O_RDWR);
		ASSERT_GE(bad, 0);
		good = try_open(s, "other", O_RDWR);
		ASSERT_GE(good, 0);
		ASSERT_EQ(-EIO, make_bad(s, bad));
		for (how = FALLOCATE; how < BAD_REQUESTS; how++) {
			before = count(s, opcodes[how]) + count_inner(s, opcodes[how]);
			EXPECT_EQ(-EIO, request_bad(s, how, bad, good)) {
				TH_LOG("opcode %u", opcodes[how]);
			}
			EXPECT_EQ(before, count(s, opcodes[how]) +
					  count_inner(s, opcodes[how])) {
				TH_LOG("opcode %u", opcodes[how]);
			}
		}
		ASSERT_EQ(1, s->objects[2].nlink);
		close(bad);
		close(good);
	}
}

static int open_cached(struct server *s __maybe_unused, const struct request *r,
		       struct message *m)
{
	static const struct fuse_open_out out = { .open_flags = FOPEN_KEEP_CACHE };

	if (r->in.opcode != FUSE_OPEN)
		return -ENOSYS;
	put_bytes(m, &out, sizeof(out));
	return 0;
}

/* The times of a bad inode are not written back either. */
TEST_F(fuse, times_of_a_bad_inode)
{
	struct server *s = self->s;
	unsigned long before;
	int fd;

	s->others = open_cached;
	s->init_flags |= FUSE_WRITEBACK_CACHE;
	ASSERT_EQ(0, RESTART());
	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(1, pwrite(fd, "x", 1, 0));
	before = count(s, FUSE_SETATTR);
	ASSERT_EQ(-EIO, make_bad(s, fd));
	syncfs(self->mount_fd);
	EXPECT_EQ(before, count(s, FUSE_SETATTR));
	EXPECT_EQ(0, count(s, FUSE_WRITE));
	close(fd);
	EXPECT_EQ(before, count(s, FUSE_SETATTR));
}

/* FUSE_LOOKUP_HANDLE succeeds, and FUSE_STATX fails. */
TEST_F(fuse, reused_nodeid_and_failed_statx)
{
	struct server *s = self->s;
	struct handle fh;
	int old;

	old = open_and_reuse_nodeid(s, &self->mount_fd, &fh);
	ASSERT_GE(old, 0);
	s->statx_error = -EACCES;
	ASSERT_EQ(-EACCES, try_stat(s, "file"));
	s->statx_error = 0;
	ASSERT_EQ(-EIO, read_object(old, NULL));
	object_handle(s, 2, fh.data + 4, fh.data[0]);
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
	close(old);
}

/* The reply to FUSE_LINK is not valid. */
TEST_F(fuse, reused_nodeid_and_failed_link)
{
	static const struct {
		__u32 statx_mask;
		int statx_error;
		mode_t type;
	} causes[] = {
		{ 0, 0, S_IFREG },
		{ BASIC_STATS, -ENOSYS, S_IFREG },
		{ BASIC_STATS, 0, S_IFDIR },
	};
	struct server *s = self->s;
	char from[256], to[256];
	unsigned int i;
	int old;

	path_of(s, "file", from, sizeof(from));
	path_of(s, "linked", to, sizeof(to));
	for (i = 0; i < ARRAY_SIZE(causes); i++) {
		old = try_open(s, "file", O_RDONLY);
		ASSERT_GE(old, 0);
		ASSERT_EQ(2, read_object(old, NULL));
		s->objects[2].version++;
		s->statx_mask = causes[i].statx_mask;
		s->statx_error = causes[i].statx_error;
		s->objects[2].mode = causes[i].type | 0644;
		ASSERT_EQ(-1, link(from, to));
		ASSERT_EQ(EIO, errno);
		s->objects[2].mode = S_IFREG | 0644;
		s->statx_mask = BASIC_STATS;
		s->statx_error = 0;
		ASSERT_EQ(-EIO, read_object(old, NULL));
		close(old);
		ASSERT_EQ(0, try_stat(s, "file"));
	}
}

/* The name of a directory is searched for, and the file is looked up on the way. */
TEST_F(fuse, reused_nodeid_of_another_name)
{
	struct server *s = self->s;
	struct handle fh;
	int old, fd;

	ASSERT_EQ(0, name_handle(s, "d1", &fh, 0));
	s->unknown_ino = true;
	ASSERT_EQ(0, RESTART());
	old = try_open(s, "file", O_RDONLY);
	ASSERT_GE(old, 0);
	s->objects[2].version++;
	fd = decode(self->mount_fd, &fh, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(-EIO, read_object(old, NULL));
	close(fd);
	close(old);
}

enum attr_request { GETATTR, STATX, SETATTR };

static int request_attr(int fd, enum attr_request how)
{
	struct statx stx;
	struct stat st;
	int ret;

	switch (how) {
	case GETATTR:
		ret = fstat(fd, &st);
		break;
	case STATX:
		ret = statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx);
		break;
	default:
		ret = fchmod(fd, 0600);
	}
	return ret ? -errno : 0;
}

/* Attributes of another type make the inode bad. The object gets another inode. */
TEST_F(fuse, attributes_of_another_type)
{
	static const __u32 opcodes[] = { FUSE_GETATTR, FUSE_STATX, FUSE_SETATTR };
	struct server *s = self->s;
	enum attr_request how;
	struct handle fh;
	int old, new;

	s->attr_valid = 0;
	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	for (how = GETATTR; how <= SETATTR; how++) {
		unsigned long before = count(s, opcodes[how]);

		old = try_open(s, "file", O_RDWR);
		ASSERT_GE(old, 0);
		s->objects[2].mode = S_IFDIR | 0755;
		ASSERT_EQ(-EIO, request_attr(old, how));
		ASSERT_EQ(before + 1, count(s, opcodes[how]));
		s->objects[2].mode = S_IFREG | 0644;
		ASSERT_EQ(-EIO, read_object(old, NULL));
		ASSERT_EQ(2, decode_object(self->mount_fd, &fh)) {
			TH_LOG("opcode %u", opcodes[how]);
		}
		new = try_open(s, "file", O_RDONLY);
		ASSERT_GE(new, 0);
		ASSERT_EQ(2, read_object(new, NULL));
		ASSERT_EQ(-EIO, read_object(old, NULL));
		close(new);
		close(old);
	}
}

/* A revalidation with another type drops the inode, also if the next lookup fails. */
TEST_F(fuse, another_type_and_failed_lookup)
{
	struct server *s = self->s;
	struct handle fh;
	int old;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	old = try_open(s, "file", O_RDONLY);
	ASSERT_GE(old, 0);
	s->objects[2].mode = S_IFDIR | 0755;
	nr_lookups = 0;
	s->others = fail_second_lookup;
	ASSERT_EQ(-EACCES, try_stat(s, "file"));
	ASSERT_EQ(2, nr_lookups);
	s->objects[2].mode = S_IFREG | 0644;
	ASSERT_EQ(-EIO, read_object(old, NULL));
	ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
	close(old);
}

struct call {
	struct server *s;
	int fd;
	long ret;
};

static void *stat_alias(void *arg)
{
	struct call *call = arg;

	call->ret = try_stat(call->s, "alias");
	return NULL;
}

static void *make_bad_in_thread(void *arg)
{
	struct call *call = arg;

	call->ret = make_bad(call->s, call->fd);
	return NULL;
}

/*
 * The object is looked up by another name. Before the reply, its inode becomes bad, and
 * after it, its attributes change: those of the reply must not be cached.
 */
TEST_F(fuse, second_inode_has_current_attributes)
{
	struct server *s = self->s;
	struct call lookup = { .s = s }, getattr = { .s = s };
	static unsigned char buf[64 * 1024];
	struct pollfd poll_fd = { .fd = s->fd, .events = POLLIN };
	struct request r = {};
	pthread_t looking, getting;
	struct statx stx;
	char path[256];
	ssize_t len;

	getattr.fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(getattr.fd, 0);
	strcpy(s->objects[2].name, "alias");
	serve_in_caller(s);
	ASSERT_EQ(0, pthread_create(&looking, NULL, stat_alias, &lookup));
	ASSERT_EQ(1, poll(&poll_fd, 1, 10000));
	len = read(s->fd, buf, sizeof(buf));
	ASSERT_GT(len, (ssize_t)sizeof(r.in));
	memcpy(&r.in, buf, sizeof(r.in));
	r.args = buf + sizeof(r.in);
	r.args_len = len - sizeof(r.in) - r.in.total_extlen * 8;
	ASSERT_EQ(FUSE_COMPOUND, r.in.opcode);

	ASSERT_EQ(0, pthread_create(&getting, NULL, make_bad_in_thread, &getattr));
	ASSERT_TRUE(serve_request(s, 10000));
	ASSERT_EQ(0, pthread_join(getting, NULL));
	ASSERT_EQ(-EIO, getattr.ret);

	handle_request(s, &r);
	s->objects[2].nlink = 5;
	ASSERT_EQ(0, serve_in_thread(s));
	ASSERT_EQ(0, pthread_join(looking, NULL));
	ASSERT_EQ(0, lookup.ret);
	path_of(s, "alias", path, sizeof(path));
	ASSERT_EQ(0, statx(AT_FDCWD, path, 0, STATX_NLINK, &stx));
	ASSERT_EQ(5, stx.stx_nlink);
	close(getattr.fd);
}

/* Sets the nodeid in the reply to a lookup. */
static void swap_nodeid(struct server *s, struct message *m)
{
	memcpy(m->data + SUB_HEADER, &s->spoil_value, sizeof(s->spoil_value));
}

/* The inode takes over the nodeid, and forgets the old one when it is evicted. */
TEST_F(fuse, file_with_new_nodeid)
{
	struct server *s = self->s;
	struct stat before, after;
	unsigned int version, i;
	struct handle fh;
	int old, new;

	s->entry_valid = 0;
	s->attr_valid = 0;
	ASSERT_EQ(0, RESTART());
	old = try_open(s, "file", O_RDONLY);
	ASSERT_GE(old, 0);
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	ASSERT_EQ(0, fstat(old, &before));
	for (i = 0; i < 3; i++) {
		s->objects[2].shift++;
		new = try_open(s, "file", O_RDONLY);
		ASSERT_GE(new, 0);
		ASSERT_EQ(2, read_object(new, &version));
		ASSERT_EQ(2, read_object(old, &version));
		ASSERT_EQ(0, fstat(new, &after));
		ASSERT_EQ(before.st_ino, after.st_ino);
		ASSERT_EQ(2, decode_object(self->mount_fd, &fh));
		close(new);
	}
	/* A former nodeid returns. */
	s->objects[2].shift -= 2;
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(2, read_object(old, &version));
	close(old);
	ASSERT_EQ(0, settle_server(s));
}

/* A new nodeid that another inode had: that inode is stale, and no file is wrong. */
TEST_F(fuse, nodeid_of_another_inode)
{
	struct server *s = self->s;
	int file, other;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	file = try_open(s, "file", O_RDONLY);
	ASSERT_GE(file, 0);
	other = try_open(s, "other", O_RDONLY);
	ASSERT_GE(other, 0);

	s->spoil = swap_nodeid;
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(0, try_stat(s, "file"));
	s->spoil = NULL;
	/* "other" lost its nodeid. "file" still has its own open file. */
	ASSERT_EQ(-EIO, read_object(other, NULL));
	ASSERT_EQ(2, read_object(file, NULL));
	close(file);
	close(other);
	ASSERT_EQ(0, settle_server(s));
}

/* A server that changes nodeids without an end. */
TEST_F(fuse, many_nodeids)
{
	struct server *s = self->s;
	unsigned int i;
	int fd;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	for (i = 0; i < 200; i++) {
		s->objects[2].shift++;
		ASSERT_EQ(0, try_stat(s, "file"));
		ASSERT_EQ(2, read_object(fd, NULL));
	}
	close(fd);
	ASSERT_EQ(0, settle_server(s));
}

/* The inode becomes stale because of its type alone. */
TEST_F(fuse, stale_inode_adopts_no_handle)
{
	struct server *s = self->s;
	struct handle fh;
	int fd;

	s->handle_size = 0;
	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(-EOPNOTSUPP, encode(fd, &fh));

	s->handle_size = 16;
	s->objects[2].mode = S_IFDIR | 0755;
	ASSERT_EQ(0, try_stat(s, "file"));
	ASSERT_EQ(-EOPNOTSUPP, encode(fd, &fh));
	ASSERT_EQ(-EIO, read_object(fd, NULL));
	ASSERT_EQ(0, name_handle(s, "file", &fh, 0));
	close(fd);
}

/* A handle identifies an inode, a generation does not. */
TEST_F(fuse, generation_is_ignored)
{
	struct server *s = self->s;
	struct stat st;
	int fd;

	s->entry_valid = 0;
	s->entry_generation = 7;
	ASSERT_EQ(0, RESTART());
	fd = try_open(s, "created", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, try_stat(s, "created"));
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_GT(read_object(fd, NULL), 0);
	close(fd);
}

TEST_F(fuse, directory_with_new_nodeid)
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

TEST_F(fuse, live_inode_stays_valid)
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
	unsigned long forgets = s->forgets;
	struct handle fh;
	int fd;

	s->spoil = set_nodeid;
	s->spoil_opcode = FUSE_CREATE;
	s->spoil_value = object_nodeid(s, 3);
	ASSERT_EQ(-EIO, try_open(s, "created", O_RDWR | O_CREAT | O_EXCL));
	/* The new nodeid and the other one are forgotten. */
	ASSERT_TRUE(wait_for(&s->forgets, forgets + 2));
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
