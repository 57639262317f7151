// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes of a server with handles: reused and changed nodeids,
 * and bad inodes.
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
	struct request r = {};
	pthread_t looking, getting;
	struct statx stx;
	char path[256];

	getattr.fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(getattr.fd, 0);
	strcpy(s->objects[2].name, "alias");
	serve_in_caller(s);
	ASSERT_EQ(0, pthread_create(&looking, NULL, stat_alias, &lookup));
	ASSERT_EQ(1, receive_request(s, 10000, &r));
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

/*
 * The lookup of the old name shows that the nodeid of the new directory is that of the
 * file. No name is looked up with it.
 */
TEST_F(fuse, name_in_a_directory_that_became_bad)
{
	struct server *s = self->s;
	unsigned long before;
	char path[256];
	int fd;

	s->entry_valid = 0;
	ASSERT_EQ(0, RESTART());
	fd = try_open(s, "d1", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	ASSERT_EQ(0, try_stat(s, "other"));
	path_of(s, "other", path, sizeof(path));

	s->spoil = swap_nodeid;
	s->spoil_value = object_nodeid(s, 4);
	before = count_all(s);
	ASSERT_EQ(-1, renameat(AT_FDCWD, path, fd, "file"));
	ASSERT_EQ(EIO, errno);
	ASSERT_EQ(before + 1, count_all(s));
	s->spoil = NULL;
	close(fd);
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

/* Looks up many files. Returns the time in milliseconds. */
static __u64 look_up_bulk(struct server *s, unsigned int nr)
{
	__u64 start = now_ms();
	unsigned int i;
	char name[16];

	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "f%05u", i);
		if (try_stat(s, name))
			return ~0ULL;
	}
	return now_ms() - start;
}

#define EQUAL_HASHES	8000

/* A server cannot make the index slow, which is changed with interrupts disabled. */
TEST_F_TIMEOUT(fuse, handles_with_equal_hashes, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	__u64 usual, equal;

	add_bulk(s, EQUAL_HASHES);
	ASSERT_EQ(0, RESTART_WITH(s->handle_size = 124));
	usual = look_up_bulk(s, EQUAL_HASHES);
	ASSERT_EQ(0, RESTART_WITH(s->equal_hashes = true));
	equal = look_up_bulk(s, EQUAL_HASHES);
	TH_LOG("%llu ms, with equal hashes %llu ms", usual, equal);
	EXPECT_LT(equal, 4 * usual);
}

TEST_HARNESS_MAIN
