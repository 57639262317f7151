// SPDX-License-Identifier: GPL-2.0
/*
 * A server that does not request handles receives the same bytes as from a kernel
 * without CONFIG_FUSE_HANDLE.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "exchange_expected.h"
#include "fuse_requests.h"
#include "fuse_session.h"

/* Offers of FUSE_INIT that depend on the configuration */
#define CONFIG_OFFERS	(FUSE_HAS_LOOKUP_HANDLE | FUSE_REQUEST_HANDLE | \
			 FUSE_MAP_ALIGNMENT | \
			 FUSE_HAS_INODE_DAX | FUSE_PASSTHROUGH | \
			 FUSE_OVER_IO_URING | FUSE_HAS_IO_URING_BUFPOOL)

/* The protocol of the recorded kernel, and the one with compounds and handles */
#define MINOR_MIN	46
#define MINOR_MAX	47

/* Handles the requests that the other tests do not need. */
static int answer_others(struct server *s, const struct request *r,
			 struct message *m)
{
	union {
		struct fuse_write_out write;
		struct fuse_lseek_out lseek;
		struct fuse_lk_out lk;
		struct fuse_getxattr_out xattr;
		struct fuse_poll_out poll;
	} out = {};
	struct fuse_write_in write;

	switch (r->in.opcode) {
	case FUSE_READLINK:
		put_bytes(m, "nowhere", 7);
		return 0;
	case FUSE_WRITE:
		memcpy(&write, r->args, sizeof(write));
		out.write.size = write.size;
		put_bytes(m, &out.write, sizeof(out.write));
		return 0;
	case FUSE_COPY_FILE_RANGE:
		out.write.size = 5;
		put_bytes(m, &out.write, sizeof(out.write));
		return 0;
	case FUSE_LSEEK:
		put_bytes(m, &out.lseek, sizeof(out.lseek));
		return 0;
	case FUSE_GETLK:
		out.lk.lk.type = F_UNLCK;
		put_bytes(m, &out.lk, sizeof(out.lk));
		return 0;
	case FUSE_GETXATTR:
		return -ENODATA;
	case FUSE_LISTXATTR:
		put_bytes(m, &out.xattr, sizeof(out.xattr));
		return 0;
	case FUSE_POLL:
		put_bytes(m, &out.poll, sizeof(out.poll));
		return 0;
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		s->objects[child(s, nodeid_object(s, r->in.nodeid),
				 (const char *)r->args)].exists = false;
		return 0;
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_SETXATTR:
	case FUSE_REMOVEXATTR:
	case FUSE_FALLOCATE:
	case FUSE_SETLK:
	case FUSE_SETLKW:
		return 0;
	default:
		return -ENOSYS;
	}
}

static void use_names(struct __test_metadata *const _metadata, struct server *s)
{
	char path[256], other[256];
	struct statvfs fs;
	DIR *dir;
	int fd;

	ASSERT_EQ(0, try_stat(s, PATH_OF_8));
	ASSERT_EQ(-ENOENT, try_stat(s, "missing"));
	ASSERT_EQ(0, try_stat(s, "d1/file"));
	fd = try_open(s, "created", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, close(fd));
	fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, close(fd));
	path_of(s, "made", path, sizeof(path));
	ASSERT_EQ(0, mkdir(path, 0755));
	ASSERT_EQ(0, rmdir(path));
	path_of(s, "fifo", path, sizeof(path));
	ASSERT_EQ(0, mkfifo(path, 0644));
	path_of(s, "symlink", path, sizeof(path));
	ASSERT_EQ(0, symlink("nowhere", path));
	ASSERT_EQ(7, readlink(path, other, sizeof(other)));
	ASSERT_EQ(0, unlink(path));
	path_of(s, "other", other, sizeof(other));
	path_of(s, "linked", path, sizeof(path));
	ASSERT_EQ(0, link(other, path));
	ASSERT_EQ(0, rename(path, other));
	path_of(s, "d1/file", path, sizeof(path));
	path_of(s, "d1/d2/renamed", other, sizeof(other));
	ASSERT_EQ(0, renameat2(AT_FDCWD, path, AT_FDCWD, other, 1));
	ASSERT_EQ(0, statvfs(s->dir, &fs));
	ASSERT_EQ(0, access(s->dir, R_OK));
	dir = opendir(s->dir);
	ASSERT_NE(NULL, dir);
	while (readdir(dir))
		;
	ASSERT_EQ(0, fsync(dirfd(dir)));
	ASSERT_EQ(0, closedir(dir));
}

static void use_attributes(struct __test_metadata *const _metadata, struct server *s)
{
	static const struct timespec times[2] = { { 1, 2 }, { 3, 4 } };
	struct statx stx;
	char path[256];

	path_of(s, "other", path, sizeof(path));
	ASSERT_EQ(0, chmod(path, 0600));
	ASSERT_EQ(0, chown(path, 1, 2));
	ASSERT_EQ(0, truncate(path, 3));
	ASSERT_EQ(0, utimensat(AT_FDCWD, path, times, 0));
	ASSERT_EQ(0, utimensat(AT_FDCWD, path, NULL, 0));
	ASSERT_EQ(0, sys_statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC,
			       STATX_BASIC_STATS | STATX_BTIME, &stx));
	ASSERT_EQ(0, setxattr(path, "user.name", "value", 5, XATTR_CREATE));
	ASSERT_LT(getxattr(path, "user.name", NULL, 0), 0);
	ASSERT_EQ(0, listxattr(path, NULL, 0));
	ASSERT_EQ(0, removexattr(path, "user.name"));
}

static void use_files(struct __test_metadata *const _metadata, struct server *s)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 7 };
	int fd, other;
	void *map;

	fd = try_open(s, "file", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(2, read_object(fd, NULL));
	ASSERT_EQ(0, close(fd));
	fd = try_open(s, "file", O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(6, pwrite(fd, "object", 6, 0));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, fdatasync(fd));
	ASSERT_EQ(0, ftruncate(fd, 9));
	ASSERT_EQ(0, fallocate(fd, 0, 1, 20));
	ASSERT_EQ(0, lseek(fd, 0, SEEK_HOLE));
	map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ('o', *(char *)map);
	ASSERT_EQ(0, munmap(map, 4096));
	other = try_open(s, "other", O_RDWR);
	ASSERT_GE(other, 0);
	ASSERT_EQ(5, syscall(__NR_copy_file_range, fd, NULL, other, NULL, 5, 0));
	ASSERT_EQ(0, fcntl(fd, F_SETLK, &lock));
	ASSERT_EQ(0, fcntl(fd, F_GETLK, &lock));
	ASSERT_EQ(0, flock(fd, LOCK_EX | LOCK_NB));
	ASSERT_EQ(0, close(other));
	ASSERT_EQ(0, close(fd));
}

static void use_handles(struct __test_metadata *const _metadata, struct server *s,
			int mount_fd)
{
	struct handle fh;
	int fd;

	ASSERT_EQ(0, name_handle(s, "d1/d2/d3", &fh, 0));
	ASSERT_EQ(0, settle_server(s));
	fd = decode(mount_fd, &fh, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, name_handle(s, "d1/d2/file", &fh, AT_HANDLE_CONNECTABLE));
	ASSERT_EQ(0, settle_server(s));
	fd = decode(mount_fd, &fh, O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, close(fd));
	/* Nothing is cached. */
	s->entry_valid = 0;
	s->attr_valid = 0;
	ASSERT_EQ(0, settle_server(s));
	ASSERT_EQ(0, try_stat(s, "d1/d2/d3"));
	ASSERT_EQ(0, try_stat(s, "d1/d2/d3"));
}

static void print_log(const char *name, const struct server *s)
{
	const char *p = s->log, *end;

	printf("# expected \t{ \"%s\", %#llx,\n", name,
	       (unsigned long long)(s->init_offer & ~CONFIG_OFFERS));
	while ((end = strchr(p, '\n'))) {
		printf("# expected \t  \"%.*s\\n\"\n", (int)(end - p), p);
		p = end + 1;
	}
	printf("# expected \t},\n");
}

FIXTURE(exchange)
{
	struct server *s;
	int mount_fd;
};

FIXTURE_VARIANT(exchange)
{
	const char *name;
	__u64 flags;
};

FIXTURE_VARIANT_ADD(exchange, plain) { "plain", 0 };

FIXTURE_VARIANT_ADD(exchange, many_flags) {
	"many_flags",
	FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_DO_READDIRPLUS |
	FUSE_READDIRPLUS_AUTO | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |
	FUSE_DONT_MASK | FUSE_AUTO_INVAL_DATA | FUSE_PARALLEL_DIROPS |
	FUSE_HANDLE_KILLPRIV | FUSE_MAX_PAGES,
};

FIXTURE_VARIANT_ADD(exchange, writeback_cache) {
	"writeback_cache", FUSE_WRITEBACK_CACHE | FUSE_DO_READDIRPLUS,
};

FIXTURE_VARIANT_ADD(exchange, extensions) {
	"extensions",
	FUSE_CREATE_SUPP_GROUP | FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT |
	FUSE_SUBMOUNTS | FUSE_NO_OPEN_SUPPORT | FUSE_CACHE_SYMLINKS,
};

FIXTURE_SETUP(exchange)
{
	const char *reason = fuse_missing();
	struct server *s;

	if (reason)
		SKIP(return, "%s", reason);
#ifndef __x86_64__
	SKIP(return, "the exchange was recorded on x86-64");
#endif
	ASSERT_EQ(0, stay_on_one_processor());
	ASSERT_EQ(0, private_mounts());
	s = new_server();
	ASSERT_NE(NULL, s);
	s->init_flags = FUSE_INIT_EXT | FUSE_EXPORT_SUPPORT | variant->flags;
	s->others = answer_others;
	s->is_logged = true;
	umask(022);
	ASSERT_EQ(0, start_server(s));
	self->s = s;
	self->mount_fd = mount_fd(s);
	ASSERT_GE(self->mount_fd, 0);
}

FIXTURE_TEARDOWN(exchange)
{
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
}

TEST_F(exchange, recorded)
{
	const char *expected = NULL;
	struct server *s = self->s;
	__u64 offer = 0;
	unsigned int i;

	ASSERT_EQ(0, try_stat(s, "."));
	if (s->init_minor < MINOR_MIN || s->init_minor > MINOR_MAX)
		SKIP(return, "the exchange was recorded with protocol 7.%d",
		     MINOR_MIN);
	use_names(_metadata, s);
	use_attributes(_metadata, s);
	use_files(_metadata, s);
	use_handles(_metadata, s, self->mount_fd);
	for (i = 0; i < ARRAY_SIZE(exchange_expected); i++) {
		if (strcmp(exchange_expected[i].name, variant->name))
			continue;
		offer = exchange_expected[i].offer;
		expected = exchange_expected[i].requests;
	}
	/* The last request has no caller that waits. */
	for (i = 0; i < 1000; i++) {
		if (expected && strlen(s->log) >= strlen(expected))
			break;
		usleep(1000);
	}
	if (getenv("EXCHANGE_RECORD")) {
		print_log(variant->name, s);
		SKIP(return, "recording");
	}
	ASSERT_NE(NULL, expected);
	EXPECT_EQ(offer, s->init_offer & ~CONFIG_OFFERS);
	EXPECT_STREQ(expected, s->log);
}

TEST_HARNESS_MAIN
