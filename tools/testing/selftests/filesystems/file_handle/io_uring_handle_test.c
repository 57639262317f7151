// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_OP_NAME_TO_HANDLE_AT and IORING_OP_OPEN_BY_HANDLE_AT against the
 * system calls of these names: the same arguments give the same error, the
 * same bytes and the same file, whoever does the request, and when.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <stddef.h>
#include <sys/resource.h>

#include "nsfs.h"
#include "ring.h"
#include "sample.h"

/* Not an errno: whatever it is that the system call says. */
#define PARITY		1

/* File descriptors that nobody has. */
#define BAD_FD		900

#define HANDLE_TMPFS	12	/* what a handle of a tmpfs takes */

#define KNOWN_FLAGS \
	(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID | \
	 AT_HANDLE_MNT_ID_UNIQUE | AT_HANDLE_CONNECTABLE)

enum way { SYSCALL, INLINE, ASYNC, WAYS };

static const char *const ways[] = { "system call", "inline", "IOSQE_ASYNC" };

static unsigned int sqe_flags_of(enum way way)
{
	return way == ASYNC ? IOSQE_ASYNC : 0;
}

/* What can be told about a file that has been opened; without padding. */
struct opened {
	__s64 ret;		/* 0, or a negative errno */
	__u64 dev;
	__u64 ino;
	__u64 mode;
	__u64 status;		/* F_GETFL */
	__u64 cloexec;
};

static void look_at(int fd, struct opened *seen)
{
	struct stat st;

	memset(seen, 0, sizeof(*seen));
	if (fd < 0 || fstat(fd, &st)) {
		seen->ret = fd < 0 ? fd : -errno;
		return;
	}
	seen->dev = st.st_dev;
	seen->ino = st.st_ino;
	seen->mode = st.st_mode;
	seen->status = fcntl(fd, F_GETFL);
	seen->cloexec = fcntl(fd, F_GETFD);
	close(fd);
}

static void check_open_in(struct __test_metadata *const _metadata,
			  struct ring *ring, const char *what, int dfd,
			  const void *fh, unsigned int flags, int want)
{
	struct opened seen[WAYS];
	enum way way;

	look_at(decode(dfd, fh, flags), &seen[SYSCALL]);
	if (want != PARITY) {
		EXPECT_EQ(seen[SYSCALL].ret, want)
			TH_LOG("%s, flags %#o", what, flags);
	}
	for (way = INLINE; way < WAYS; way++) {
		look_at(ring_open(ring, dfd, fh, flags, sqe_flags_of(way)),
			&seen[way]);
		EXPECT_EQ(seen[way].ret, seen[SYSCALL].ret)
			TH_LOG("%s, flags %#o, %s", what, flags, ways[way]);
		EXPECT_EQ(memcmp(&seen[way], &seen[SYSCALL], sizeof(*seen)), 0)
			TH_LOG("%s, flags %#o, %s", what, flags, ways[way]);
	}
}

#define check_open(...) check_open_in(_metadata, &self->ring, __VA_ARGS__)

/* What name_to_handle_at() writes to, and what lies behind each of it. */
struct output {
	struct handle fh;
	unsigned char behind_fh[8];
	unsigned char mnt_id[16];
};

static struct output output;

struct name_args {
	int dfd;
	const char *path;
	unsigned int flags;
	__u32 bytes;		/* how much room the handle says it has */
	void *fh;
	void *mnt_id;
	size_t fh_size;		/* of what is mapped at @fh, if not output */
};

static struct name_args name_args(int dfd, const char *path,
				  unsigned int flags)
{
	return (struct name_args) {
		.dfd = dfd, .path = path, .flags = flags, .bytes = HANDLE_MAX,
		.fh = &output.fh, .mnt_id = output.mnt_id,
	};
}

/* The canaries anew; a handle elsewhere starts as that in the output does. */
static void reset_output(const struct name_args *args)
{
	memset(&output, CANARY, sizeof(output));
	output.fh.bytes = args->bytes;
	memcpy(args->fh_size ? args->fh : &output.fh, &output.fh,
	       args->fh_size);
}

static int name_once(struct ring *ring, const struct name_args *args,
		     enum way way)
{
	struct io_uring_sqe *sqe;

	reset_output(args);
	if (way == SYSCALL)
		return encode_at(args->dfd, args->path, args->fh, args->mnt_id,
				 args->flags);
	sqe = ring_sqe(ring);
	sqe_name(sqe, args->dfd, args->path, args->fh, args->mnt_id,
		 args->flags);
	sqe->flags = sqe_flags_of(way);
	return ring_run(ring);
}

static void check_name_in(struct __test_metadata *const _metadata,
			  struct ring *ring, const char *what,
			  const struct name_args *args, int want)
{
	unsigned char elsewhere[sizeof(struct handle)];
	struct output by_syscall;
	enum way way;
	int expect, ret;

	expect = name_once(ring, args, SYSCALL);
	if (want != PARITY) {
		EXPECT_EQ(expect, want)
			TH_LOG("%s, flags %#x", what, args->flags);
	}
	by_syscall = output;
	memcpy(elsewhere, args->fh_size ? args->fh : elsewhere, args->fh_size);

	for (way = INLINE; way < WAYS; way++) {
		ret = name_once(ring, args, way);
		EXPECT_EQ(ret, expect)
			TH_LOG("%s, flags %#x, %s", what, args->flags,
			       ways[way]);
		EXPECT_EQ(memcmp(&output, &by_syscall, sizeof(output)), 0)
			TH_LOG("%s, flags %#x, %s", what, args->flags,
			       ways[way]);
		/* How far a copy gets that faults is nobody's business. */
		if (args->fh_size && expect != -EFAULT) {
			EXPECT_EQ(memcmp(args->fh, elsewhere, args->fh_size),
				  0)
				TH_LOG("%s, %s", what, ways[way]);
		}
	}
}

static void check_path_in(struct __test_metadata *const _metadata,
			  struct ring *ring, int dfd, const char *path,
			  unsigned int flags, int want)
{
	const struct name_args args = name_args(dfd, path, flags);

	check_name_in(_metadata, ring, path ?: "NULL", &args, want);
}

#define check_args(...) check_name_in(_metadata, &self->ring, __VA_ARGS__)
#define check_name(...) check_path_in(_metadata, &self->ring, __VA_ARGS__)

/* What there is a handle of in each of the filesystems. */
struct subject {
	const char *what;
	int fd;
	int anchor;		/* where to decode */
	struct handle fh;
};

enum { SUBJECT_FILE, SUBJECT_DIR, SUBJECT_PIDFD, SUBJECT_NS, SUBJECTS };

FIXTURE(parity)
{
	struct ring ring;
	int root;
	struct subject subjects[SUBJECTS];
	int nr_fds;
};

FIXTURE_VARIANT(parity)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(parity, plain)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(parity, deferred)
{
	.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

/* Another thread of the kernel reads the requests. */
FIXTURE_VARIANT_ADD(parity, sqpoll)
{
	.flags = IORING_SETUP_SQPOLL,
};

static int make_names(int root)
{
	if (mkdirat(root, "dir", 0755) || mkdirat(root, "other", 0755) ||
	    symlinkat("file", root, "link") ||
	    symlinkat("nowhere", root, "dangling") ||
	    symlinkat("loop", root, "loop"))
		return -errno;
	return 0;
}

FIXTURE_SETUP(parity)
{
	const char *reason = missing_as_root();
	unsigned int i;

	if (reason)
		SKIP(return, "%s", reason);
	self->root = enter_private_tmpfs();
	ASSERT_GE(self->root, 0);
	ASSERT_EQ(make_names(self->root), 0);

	self->subjects[SUBJECT_FILE] = (struct subject) {
		.what = "file", .anchor = self->root,
		.fd = make_file(self->root, "file", "content"),
	};
	self->subjects[SUBJECT_DIR] = (struct subject) {
		.what = "directory", .anchor = self->root,
		.fd = open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	self->subjects[SUBJECT_PIDFD] = (struct subject) {
		.what = "pidfd", .anchor = FD_PIDFS_ROOT,
		.fd = sys_pidfd_open(getpid(), 0),
	};
	self->subjects[SUBJECT_NS] = (struct subject) {
		.what = "namespace", .anchor = FD_NSFS_ROOT,
		.fd = ns_own(&ns_kinds[NS_UTS]),
	};
	for (i = 0; i < SUBJECTS; i++) {
		ASSERT_GE(self->subjects[i].fd, 0);
		ASSERT_EQ(encode(self->subjects[i].fd, &self->subjects[i].fh),
			  0);
	}
	ASSERT_EQ(ring_init(&self->ring, variant->flags), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(parity)
{
	unsigned int i;

	/* There is nothing that a request has opened and not told about. */
	EXPECT_EQ(count_fds(), self->nr_fds);
	ring_exit(&self->ring);
	for (i = 0; i < SUBJECTS; i++)
		close(self->subjects[i].fd);
	EXPECT_EQ(leave_private_tmpfs(self->root), 0);
}

TEST_F(parity, opens_what_the_handle_names)
{
	const struct subject *s;
	int fd;

	for (s = self->subjects; s < self->subjects + SUBJECTS; s++) {
		check_open(s->what, s->anchor, &s->fh, O_RDONLY, 0);
		check_open(s->what, s->anchor, &s->fh, O_CLOEXEC, 0);
		/* Any file of the filesystem will do for the mount. */
		check_open(s->what, s->fd, &s->fh, O_RDONLY, 0);

		fd = ring_open(&self->ring, s->anchor, &s->fh, O_RDONLY, 0);
		ASSERT_GE(fd, 0) TH_LOG("%s", s->what);
		EXPECT_TRUE(same_file(fd, s->fd)) TH_LOG("%s", s->what);
		close(fd);
	}
}

TEST_F_TIMEOUT(parity, open_flags, 120)
{
	static const unsigned int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	const struct subject *s;
	unsigned int bit, mode;

	for (s = self->subjects; s < self->subjects + SUBJECTS; s++) {
		for (mode = 0; mode < ARRAY_SIZE(modes); mode++) {
			for (bit = 0; bit < 32; bit++)
				check_open(s->what, s->anchor, &s->fh,
					   modes[mode] | 1U << bit, PARITY);
		}
		check_open(s->what, s->anchor, &s->fh, 0xffffffff, PARITY);
		check_open(s->what, s->anchor, &s->fh, O_PATH | O_CLOEXEC,
			   PARITY);
		check_open(s->what, s->anchor, &s->fh,
			   O_CREAT | O_EXCL | O_RDWR, PARITY);
		check_open(s->what, s->anchor, &s->fh,
			   O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, PARITY);
	}
}

TEST_F(parity, open_flags_of_a_file)
{
	const struct subject *file = &self->subjects[SUBJECT_FILE];
	const struct subject *dir = &self->subjects[SUBJECT_DIR];
	struct stat st;

	check_open("write", file->anchor, &file->fh, O_WRONLY, 0);
	check_open("O_PATH", file->anchor, &file->fh, O_PATH, 0);
	check_open("O_NONBLOCK", file->anchor, &file->fh, O_NONBLOCK, 0);
	check_open("O_APPEND", file->anchor, &file->fh, O_RDWR | O_APPEND, 0);
	check_open("no directory", file->anchor, &file->fh, O_DIRECTORY,
		   -ENOTDIR);
	check_open("directory", dir->anchor, &dir->fh, O_DIRECTORY, 0);
	check_open("write", dir->anchor, &dir->fh, O_RDWR, -EISDIR);

	/* The last one of them is by io_uring. */
	ASSERT_EQ(ftruncate(file->fd, 10), 0);
	EXPECT_EQ(close(ring_open(&self->ring, file->anchor, &file->fh,
				  O_WRONLY | O_TRUNC, 0)), 0);
	ASSERT_EQ(fstat(file->fd, &st), 0);
	EXPECT_EQ(st.st_size, 0);
}

/* Also flags that nobody knows, which must not get lost on the way. */
TEST_F(parity, open_flags_that_pidfs_refuses)
{
	const struct subject *s = &self->subjects[SUBJECT_PIDFD];
	const unsigned int refused[] = {
		O_CREAT, O_TRUNC, O_APPEND, O_DIRECTORY, O_PATH, O_NOFOLLOW,
		O_DSYNC, O_ASYNC, O_NOATIME, O_NOCTTY, O_TMPFILE | O_RDWR,
		O_RDWR | O_TRUNC, 0x40000000, 0x80000000,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(refused); i++)
		check_open("refused", s->anchor, &s->fh, refused[i], -EINVAL);
	check_open("PIDFD_NONBLOCK", s->anchor, &s->fh, O_NONBLOCK, 0);
	check_open("PIDFD_THREAD", s->anchor, &s->fh, O_EXCL, 0);
	check_open("read and write", s->anchor, &s->fh, O_RDWR, 0);
}

TEST_F_TIMEOUT(parity, size_of_a_handle_to_open, 120)
{
	static const __u32 refused[] = {
		0, HANDLE_MAX + 1, 0x7fffffff, 0x80000000, 0xffffffff,
	};
	struct handle fh;
	unsigned int i, j;

	for (i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &self->subjects[i];

		fh = s->fh;
		for (j = 0; j < ARRAY_SIZE(refused); j++) {
			fh.bytes = refused[j];
			check_open(s->what, s->anchor, &fh, O_RDONLY, -EINVAL);
		}
		for (fh.bytes = 1; fh.bytes <= HANDLE_MAX; fh.bytes++)
			check_open(s->what, s->anchor, &fh, O_RDONLY,
				   fh.bytes == s->fh.bytes ? 0 : PARITY);
		/* One that is too short has nothing left of it. */
		fh.bytes = s->fh.bytes - 1;
		check_open(s->what, s->anchor, &fh, O_RDONLY, -ESTALE);
	}
}

TEST_F_TIMEOUT(parity, type_of_a_handle_to_open, 120)
{
	struct handle fh;
	unsigned int i, bit;

	for (i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &self->subjects[i];

		fh = s->fh;
		for (bit = 0; bit < 32; bit++) {
			fh.type = s->fh.type ^ (int)(1U << bit);
			check_open(s->what, s->anchor, &fh, O_RDONLY,
				   bit > 17 ? -EINVAL : PARITY);
			fh.type = 1U << bit;
			check_open(s->what, s->anchor, &fh, O_RDONLY,
				   bit > 17 ? -EINVAL : PARITY);
		}
		fh.type = -1;
		check_open(s->what, s->anchor, &fh, O_RDONLY, -EINVAL);
		fh.type = INT_MIN;
		check_open(s->what, s->anchor, &fh, O_RDONLY, -EINVAL);
		fh.type = FILEID_INVALID;
		check_open(s->what, s->anchor, &fh, O_RDONLY, PARITY);
	}

	/* It is for the filesystem to say what the upper byte is. */
	fh = self->subjects[SUBJECT_FILE].fh;
	for (bit = 8; bit < 16; bit++) {
		fh.type = self->subjects[SUBJECT_FILE].fh.type | 1 << bit;
		check_open("file", self->root, &fh, O_RDONLY, 0);
	}
}

TEST_F(parity, connectable_handle_to_open)
{
	struct handle fh = self->subjects[SUBJECT_FILE].fh;
	struct handle dir = self->subjects[SUBJECT_DIR].fh;
	int other = open("other", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int anchor = self->subjects[SUBJECT_DIR].fd;
	struct handle inner;

	ASSERT_GE(other, 0);
	close(make_file(anchor, "inner", ""));
	ASSERT_EQ(encode_path(anchor, "inner", &inner), 0);

	/* Nobody asks where the file is unless told to. */
	check_open("outside", other, &fh, O_RDONLY, 0);
	check_open("outside", other, &dir, O_RDONLY, 0);
	check_open("outside", other, &inner, O_RDONLY, 0);

	fh.type |= FILEID_IS_CONNECTABLE;
	inner.type |= FILEID_IS_CONNECTABLE;
	dir.type |= FILEID_IS_CONNECTABLE | FILEID_IS_DIR;
	check_open("inside", self->root, &fh, O_RDONLY, 0);
	check_open("outside", other, &fh, O_RDONLY, -ESTALE);
	check_open("inside", self->root, &inner, O_RDONLY, 0);
	check_open("inside", anchor, &inner, O_RDONLY, 0);
	check_open("outside", other, &inner, O_RDONLY, -ESTALE);
	check_open("inside", self->root, &dir, O_RDONLY, 0);
	check_open("itself", anchor, &dir, O_RDONLY, 0);
	check_open("outside", other, &dir, O_RDONLY, -ESTALE);

	/* Said to be a directory, which it is not. */
	fh.type |= FILEID_IS_DIR;
	check_open("no directory", self->root, &fh, O_RDONLY, -ESTALE);
	close(other);
}

/* The same by a mount that shows no more than a part. */
TEST_F(parity, connectable_handle_outside_a_bind_mount)
{
	struct handle fh = self->subjects[SUBJECT_FILE].fh;
	struct handle inner;
	int bind;

	ASSERT_EQ(mount("dir", "other", NULL, MS_BIND, NULL), 0);
	bind = open("other", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(bind, 0);
	close(make_file(bind, "inner", ""));
	ASSERT_EQ(encode_path(bind, "inner", &inner), 0);

	check_open("not asked", bind, &fh, O_RDONLY, 0);
	fh.type |= FILEID_IS_CONNECTABLE;
	inner.type |= FILEID_IS_CONNECTABLE;
	check_open("outside", bind, &fh, O_RDONLY, -ESTALE);
	check_open("inside", bind, &inner, O_RDONLY, 0);

	close(bind);
	EXPECT_EQ(umount2("other", MNT_DETACH), 0);
}

TEST_F_TIMEOUT(parity, pointer_to_a_handle_to_open, 120)
{
	unsigned char *end;
	unsigned int i, n;

	end = page_end();
	ASSERT_NE(end, NULL);
	for (i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &self->subjects[i];
		const unsigned int size = HANDLE_HEADER + s->fh.bytes;

		check_open("NULL", s->anchor, NULL, O_RDONLY, -EFAULT);
		check_open("the kernel's", s->anchor, (void *)-4096L, O_RDONLY,
			   -EFAULT);
		for (n = 0; n <= size; n++) {
			memcpy(end - n, &s->fh, n);
			check_open("at the end of a page", s->anchor, end - n,
				   O_RDONLY, n < size ? -EFAULT : 0);
		}
		/* It need not be aligned. */
		memcpy(end - size - 1, &s->fh, size);
		check_open("unaligned", s->anchor, end - size - 1, O_RDONLY,
			   0);
	}
}

TEST_F(parity, mount_to_open_at)
{
	const struct subject *s;
	int path, in_proc;

	path = open(DIRECTORY, O_PATH | O_CLOEXEC);
	in_proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(path, 0);
	ASSERT_GE(in_proc, 0);
	for (s = self->subjects; s < self->subjects + SUBJECTS; s++) {
		check_open("closed", BAD_FD, &s->fh, O_RDONLY, -EBADF);
		check_open("-1", -1, &s->fh, O_RDONLY, -EBADF);
		check_open("INT_MIN", INT_MIN, &s->fh, O_RDONLY, -EBADF);
		check_open("O_PATH", path, &s->fh, O_RDONLY, -EBADF);
		check_open("the ring", self->ring.fd, &s->fh, O_RDONLY,
			   PARITY);
		/* There is no handle of anything in it. */
		check_open("/proc", in_proc, &s->fh, O_RDONLY, -ESTALE);
		check_open("AT_FDCWD", AT_FDCWD, &s->fh, O_RDONLY, PARITY);
		check_open("pidfs", FD_PIDFS_ROOT, &s->fh, O_RDONLY, PARITY);
		check_open("nsfs", FD_NSFS_ROOT, &s->fh, O_RDONLY, PARITY);
		check_open("tmpfs", self->root, &s->fh, O_RDONLY, PARITY);
	}
	check_open("AT_FDCWD", AT_FDCWD, &self->subjects[SUBJECT_FILE].fh,
		   O_RDONLY, 0);
	close(path);
	close(in_proc);
}

/* Where several things are wrong, the first of them is told. */
TEST_F(parity, order_of_the_checks_of_open)
{
	const struct subject *s = &self->subjects[SUBJECT_PIDFD];
	struct handle fh = s->fh;
	struct handle *cut;
	unsigned char *end;

	fh.bytes = 0;
	check_open("size, mount", BAD_FD, &fh, O_CREAT, -EINVAL);
	fh.bytes = HANDLE_MAX + 1;
	check_open("size, mount", BAD_FD, &fh, O_CREAT, -EINVAL);
	fh = s->fh;
	fh.type = -1;
	check_open("type, mount", BAD_FD, &fh, O_CREAT, -EINVAL);
	fh.type = s->fh.type | 0x40000;
	check_open("type, mount", BAD_FD, &fh, O_CREAT, -EINVAL);
	fh = s->fh;
	check_open("mount, flags", BAD_FD, &fh, O_CREAT, -EBADF);
	fh.type = FILEID_INVALID;
	check_open("flags, handle", s->anchor, &fh, O_CREAT, -EINVAL);

	end = page_end();
	ASSERT_NE(end, NULL);
	check_open("header, mount", BAD_FD, end, O_CREAT, -EFAULT);
	/* The header alone can be read. */
	cut = (struct handle *)(end - HANDLE_HEADER);
	cut->type = s->fh.type;
	cut->bytes = HANDLE_MAX + 1;
	check_open("size, rest", s->anchor, cut, O_RDONLY, -EINVAL);
	cut->bytes = s->fh.bytes;
	check_open("mount, rest", BAD_FD, cut, O_RDONLY, -EBADF);
	check_open("flags, rest", s->anchor, cut, O_CREAT, -EINVAL);
	check_open("rest", s->anchor, cut, O_RDONLY, -EFAULT);
	cut->type = -1;
	check_open("type, rest", s->anchor, cut, O_RDONLY, -EINVAL);
}

TEST_F(parity, no_file_descriptor_is_free)
{
	const struct subject *dir = &self->subjects[SUBJECT_DIR];
	struct rlimit limit, none;
	struct handle stale;
	const struct subject *s;

	ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (s = self->subjects; s < self->subjects + SUBJECTS; s++) {
		check_open(s->what, s->anchor, &s->fh, O_RDONLY, -EMFILE);
		stale = s->fh;
		memset(stale.data, 0x7f, stale.bytes);
		check_open(s->what, s->anchor, &stale, O_RDONLY, -ESTALE);
	}
	/* It does not come to opening the directory for writing. */
	check_open("directory", dir->anchor, &dir->fh, O_RDWR, -EMFILE);
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	check_open("directory", dir->anchor, &dir->fh, O_RDWR, -EISDIR);
}

TEST_F(parity, handle_of_a_process_that_is_gone)
{
	struct handle fh;
	int pidfd;
	pid_t pid;

	pid = paused_child(0, &pidfd);
	ASSERT_GT(pid, 0);
	ASSERT_EQ(encode(pidfd, &fh), 0);
	check_open("alive", FD_PIDFS_ROOT, &fh, O_RDONLY, 0);
	ASSERT_EQ(kill_and_reap(pid), 0);
	check_open("reaped", FD_PIDFS_ROOT, &fh, O_RDONLY, -ESTALE);
	close(pidfd);
	check_open("closed", FD_PIDFS_ROOT, &fh, O_RDONLY, -ESTALE);
}

TEST_F(parity, handle_of_a_namespace_that_is_gone)
{
	struct handle fh;
	int pidfd, ns, i;
	pid_t pid;

	pid = paused_child(CLONE_NEWUTS, &pidfd);
	ASSERT_GT(pid, 0);
	ns = ns_of_pidfd(pidfd, &ns_kinds[NS_UTS]);
	ASSERT_GE(ns, 0);
	ASSERT_EQ(encode(ns, &fh), 0);
	check_open("in use", FD_NSFS_ROOT, &fh, O_RDONLY, 0);
	close(ns);
	ASSERT_EQ(kill_and_reap(pid), 0);
	close(pidfd);
	for (i = 0; i < RETRIES && try_decode(FD_NSFS_ROOT, &fh) == 0; i++)
		usleep(1000);
	check_open("gone", FD_NSFS_ROOT, &fh, O_RDONLY, -ESTALE);
}

TEST_F(parity, handle_of_a_file_that_is_gone)
{
	struct handle fh;
	int fd;

	fd = make_file(self->root, "gone", "content");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	check_open("there", self->root, &fh, O_RDWR, 0);
	ASSERT_EQ(unlinkat(self->root, "gone", 0), 0);
	check_open("unlinked", self->root, &fh, O_RDWR, PARITY);
	close(fd);
	check_open("gone", self->root, &fh, O_RDWR, -ESTALE);
}

/* What decodes without a promise not to block, and checks a signature. */
static void check_sample(struct __test_metadata *const _metadata,
			 struct ring *ring, int anchor, int object, int root)
{
	struct name_args args = name_args(object, "", AT_EMPTY_PATH);
	struct handle fh, forged;
	unsigned int bit, byte;

	EXPECT_EQ(encode(object, &fh), 0);
	EXPECT_EQ(fh.type, RUST_EXPORTFS_FILEID);
	check_name_in(_metadata, ring, "sample", &args, 0);
	EXPECT_TRUE(same_handle(&output.fh, &fh));
	args.flags |= AT_HANDLE_FID | AT_HANDLE_MNT_ID_UNIQUE;
	check_name_in(_metadata, ring, "sample", &args, 0);
	EXPECT_TRUE(same_handle(&output.fh, &fh));
	args.bytes = fh.bytes - 1;
	check_name_in(_metadata, ring, "sample", &args, -EOVERFLOW);

	check_open_in(_metadata, ring, "sample", anchor, &fh, O_RDWR, 0);
	check_open_in(_metadata, ring, "sample", object, &fh, O_CLOEXEC, 0);
	check_open_in(_metadata, ring, "tmpfs", root, &fh, O_RDWR, -ESTALE);
	for (bit = 0; bit < 32; bit++)
		check_open_in(_metadata, ring, "sample", anchor, &fh,
			      1U << bit, PARITY);
	for (byte = 0; byte < fh.bytes; byte++) {
		forged = fh;
		forged.data[byte] ^= 1;
		check_open_in(_metadata, ring, "forged", anchor, &forged,
			      O_RDWR, -ESTALE);
	}
}

TEST_F(parity, sample_filesystem)
{
	int dev, anchor, object, fd;
	struct handle fh;

	if (access(module_file(), R_OK))
		SKIP(return, "there is no %s", module_file());
	/* From here on nothing may keep the module from being unloaded. */
	ASSERT_EQ(load_module(), 0);
	dev = open_device();
	anchor = make_anchor(dev);
	object = make_object(dev, "object", 4096);
	EXPECT_EQ(encode(object, &fh), 0);
	check_sample(_metadata, &self->ring, anchor, object, self->root);

	fd = ring_open(&self->ring, anchor, &fh, O_RDWR, 0);
	EXPECT_TRUE(same_file(fd, object));
	EXPECT_EQ(write(fd, "by ring", 7), 7);
	EXPECT_TRUE(holds(object, "by ring"));
	close(fd);

	EXPECT_EQ(remove_object(dev, "object"), 0);
	check_open("removed", anchor, &fh, O_RDWR, -ESTALE);
	close(object);
	check_open("gone", anchor, &fh, O_RDWR, -ESTALE);
	close(anchor);
	close(dev);
	EXPECT_EQ(unload_module(), 0);
}

TEST_F(parity, names)
{
	static const struct {
		const char *path;
		unsigned int flags;
		int want;
	} names[] = {
		{ "file",	0,			0 },
		{ "./dir/../file", 0,			0 },
		{ "file",	AT_SYMLINK_FOLLOW,	0 },
		{ "file",	AT_EMPTY_PATH,		0 },
		{ "dir",	0,			0 },
		{ "dir/",	0,			0 },
		{ ".",		0,			0 },
		{ "..",		0,			PARITY },
		{ "/",		0,			PARITY },
		{ DIRECTORY "/file", 0,			0 },
		{ "link",	0,			0 },
		{ "link",	AT_SYMLINK_FOLLOW,	0 },
		{ "dangling",	0,			0 },
		{ "dangling",	AT_SYMLINK_FOLLOW,	-ENOENT },
		{ "loop",	0,			0 },
		{ "loop",	AT_SYMLINK_FOLLOW,	-ELOOP },
		{ "loop/file",	0,			-ELOOP },
		{ "",		0,			-ENOENT },
		{ "",		AT_EMPTY_PATH,		0 },
		{ "nowhere",	0,			-ENOENT },
		{ "nowhere/file", 0,			-ENOENT },
		{ "dir/nowhere", 0,			-ENOENT },
		{ "file/",	0,			-ENOTDIR },
		{ "file/file",	0,			-ENOTDIR },
		/* A filesystem without handles, other than to compare. */
		{ "/proc",	0,			-EOPNOTSUPP },
		{ "/proc",	AT_HANDLE_FID,		PARITY },
		{ "/proc/self/ns/uts", AT_SYMLINK_FOLLOW, 0 },
		{ NULL,		0,			-EFAULT },
		{ NULL,		AT_EMPTY_PATH,		PARITY },
	};
	const int dfds[] = { self->root, AT_FDCWD };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		for (j = 0; j < ARRAY_SIZE(dfds); j++)
			check_name(dfds[j], names[i].path, names[i].flags,
				   names[i].want);
	}
}

TEST_F(parity, names_that_are_long)
{
	char component[NAME_MAX + 2];
	char path[PATH_MAX + 1];

	memset(component, 'x', sizeof(component));
	component[NAME_MAX] = '\0';
	check_name(self->root, component, 0, -ENOENT);
	component[NAME_MAX] = 'x';
	component[NAME_MAX + 1] = '\0';
	check_name(self->root, component, 0, -ENAMETOOLONG);

	memset(path, '/', sizeof(path));
	memcpy(path, DIRECTORY, strlen(DIRECTORY));
	path[PATH_MAX - 1] = '\0';
	check_name(self->root, path, 0, 0);
	path[PATH_MAX - 1] = '/';
	path[PATH_MAX] = '\0';
	check_name(self->root, path, 0, -ENAMETOOLONG);
}

TEST_F(parity, names_in_bad_memory)
{
	struct name_args args = name_args(self->root, NULL, 0);
	char *end = (char *)page_end();

	ASSERT_NE(end, NULL);
	args.path = end;
	check_args("unmapped", &args, -EFAULT);
	args.path = (char *)-4096L;
	check_args("the kernel's", &args, -EFAULT);
	args.path = memcpy(end - 4, "file", 4);
	check_args("without a NUL", &args, -EFAULT);
	args.path = memcpy(end - 5, "file", 5);
	check_args("at the end of a page", &args, 0);
}

TEST_F(parity, directory_of_a_name)
{
	const struct subject *s;
	int path;

	path = open("file", O_PATH | O_CLOEXEC);
	ASSERT_GE(path, 0);
	for (s = self->subjects; s < self->subjects + SUBJECTS; s++) {
		check_name(s->fd, "", AT_EMPTY_PATH, 0);
		check_name(s->fd, "", AT_EMPTY_PATH | AT_HANDLE_FID, 0);
		check_name(s->fd, "", 0, -ENOENT);
		check_name(s->fd, DIRECTORY "/file", 0, 0);
		check_name(s->fd, "nowhere", 0, PARITY);
	}
	check_name(path, "", AT_EMPTY_PATH, 0);
	check_name(path, "file", 0, -ENOTDIR);
	check_name(self->subjects[SUBJECT_FILE].fd, "file", 0, -ENOTDIR);
	check_name(self->subjects[SUBJECT_PIDFD].fd, "file", 0, -ENOTDIR);
	check_name(AT_FDCWD, "", AT_EMPTY_PATH, 0);
	check_name(BAD_FD, "file", 0, -EBADF);
	check_name(BAD_FD, "", AT_EMPTY_PATH, -EBADF);
	check_name(BAD_FD, DIRECTORY "/file", 0, 0);
	check_name(-1, "file", 0, -EBADF);
	check_name(FD_PIDFS_ROOT, "", AT_EMPTY_PATH, PARITY);
	check_name(FD_NSFS_ROOT, "", AT_EMPTY_PATH, PARITY);
	close(path);
}

TEST_F(parity, handle_of_a_name_is_that_of_the_file)
{
	const struct subject *file = &self->subjects[SUBJECT_FILE];
	struct name_args args;

	args = name_args(self->root, "link", AT_SYMLINK_FOLLOW);
	ASSERT_EQ(name_once(&self->ring, &args, INLINE), 0);
	EXPECT_TRUE(same_handle(&output.fh, &file->fh));
	args.flags = 0;
	ASSERT_EQ(name_once(&self->ring, &args, INLINE), 0);
	EXPECT_FALSE(same_handle(&output.fh, &file->fh));
	args = name_args(file->fd, "", AT_EMPTY_PATH);
	ASSERT_EQ(name_once(&self->ring, &args, ASYNC), 0);
	EXPECT_TRUE(same_handle(&output.fh, &file->fh));
}

/* All the sets of flags that there are, and each of those there are not. */
TEST_F(parity, name_flags)
{
	static const unsigned int flags[] = {
		AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, AT_HANDLE_FID,
		AT_HANDLE_MNT_ID_UNIQUE, AT_HANDLE_CONNECTABLE,
	};
	unsigned int mask, set, i;

	for (mask = 0; mask < 1U << ARRAY_SIZE(flags); mask++) {
		for (set = 0, i = 0; i < ARRAY_SIZE(flags); i++)
			set |= mask & 1U << i ? flags[i] : 0;
		check_name(self->root, "file", set, PARITY);
		check_name(self->root, "dir", set, PARITY);
		check_name(self->root, "link", set, PARITY);
		for (i = 0; i < SUBJECTS; i++)
			check_name(self->subjects[i].fd, "", set, PARITY);
	}
	for (i = 0; i < 32; i++) {
		if (1U << i & KNOWN_FLAGS)
			continue;
		check_name(self->root, "file", 1U << i, -EINVAL);
		check_name(self->root, "nowhere", 1U << i, -EINVAL);
		check_name(self->root, NULL, 1U << i | AT_EMPTY_PATH, -EINVAL);
	}
	/* A tmpfs knows the parents of no files. */
	check_name(self->root, "file", AT_HANDLE_CONNECTABLE, -EOPNOTSUPP);
	check_name(self->root, "file", AT_HANDLE_CONNECTABLE | AT_HANDLE_FID,
		   -EINVAL);
	check_name(self->root, "", AT_HANDLE_CONNECTABLE | AT_EMPTY_PATH,
		   -EINVAL);
}

/* The output is compared with all that lies behind the mount id. */
TEST_F(parity, width_of_the_mount_id)
{
	struct name_args args = name_args(self->root, "file", 0);
	struct statx stx;
	int legacy;
	__u64 unique;

	check_args("int", &args, 0);
	memcpy(&legacy, output.mnt_id, sizeof(legacy));
	ASSERT_EQ(sys_statx(self->root, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx),
		  0);
	EXPECT_EQ((__u64)legacy, stx.stx_mnt_id);
	EXPECT_EQ(output.mnt_id[sizeof(legacy)], CANARY);

	args.flags = AT_HANDLE_MNT_ID_UNIQUE;
	check_args("64 bits", &args, 0);
	memcpy(&unique, output.mnt_id, sizeof(unique));
	ASSERT_EQ(sys_statx(self->root, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE,
			    &stx), 0);
	EXPECT_EQ(unique, stx.stx_mnt_id);
	EXPECT_EQ(output.mnt_id[sizeof(unique)], CANARY);

	args.mnt_id = output.mnt_id + 3;
	check_args("unaligned", &args, 0);
	args.flags = 0;
	check_args("unaligned", &args, 0);
}

TEST_F(parity, room_for_a_handle)
{
	static const __u32 refused[] = {
		HANDLE_MAX + 1, 0x7fffffff, 0x80000000, 0xffffffff,
	};
	unsigned int i, j;

	for (i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &self->subjects[i];
		struct name_args args = name_args(s->fd, "", AT_EMPTY_PATH);

		for (j = 0; j < ARRAY_SIZE(refused); j++) {
			args.bytes = refused[j];
			check_args(s->what, &args, -EINVAL);
		}
		for (args.bytes = 0; args.bytes <= HANDLE_MAX; args.bytes++)
			check_args(s->what, &args, args.bytes < s->fh.bytes ?
				   -EOVERFLOW : 0);
		args.flags |= AT_HANDLE_MNT_ID_UNIQUE;
		args.bytes = 0;
		check_args(s->what, &args, -EOVERFLOW);
		EXPECT_EQ(output.fh.bytes, s->fh.bytes);
	}
}

TEST_F(parity, pointer_to_a_handle_to_write)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct name_args args = name_args(self->root, "file", 0);
	unsigned int size = HANDLE_HEADER + HANDLE_TMPFS;
	unsigned char *read_only, *end;
	unsigned int n;

	read_only = mmap(NULL, page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(read_only, MAP_FAILED);
	((struct handle *)read_only)->bytes = HANDLE_MAX;
	ASSERT_EQ(mprotect(read_only, page, PROT_READ), 0);
	args.fh = read_only;
	check_args("read-only", &args, -EFAULT);
	args.fh = NULL;
	check_args("NULL", &args, -EFAULT);
	args.fh = (void *)-4096L;
	check_args("the kernel's", &args, -EFAULT);

	/* Only what is written has to be there, whatever room is told. */
	end = page_end();
	ASSERT_NE(end, NULL);
	for (n = 0; n <= size; n++) {
		args.fh = end - n;
		args.fh_size = n;
		check_args("at the end of a page", &args,
			   n < size ? -EFAULT : 0);
	}
	args.fh = end - HANDLE_HEADER;
	args.fh_size = HANDLE_HEADER;
	args.bytes = 0;
	check_args("header", &args, -EOVERFLOW);
}

TEST_F(parity, pointer_to_the_mount_id)
{
	static const unsigned int flags[] = { 0, AT_HANDLE_MNT_ID_UNIQUE };
	const size_t page = sysconf(_SC_PAGESIZE);
	struct name_args args = name_args(self->root, "file", 0);
	unsigned char *read_only, *end;
	unsigned int i, n, width;

	read_only = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_NE(read_only, MAP_FAILED);
	end = page_end();
	ASSERT_NE(end, NULL);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		args.flags = flags[i];
		args.mnt_id = read_only;
		check_args("read-only", &args, -EFAULT);
		args.mnt_id = NULL;
		check_args("NULL", &args, -EFAULT);
		width = flags[i] ? sizeof(__u64) : sizeof(int);
		for (n = 0; n <= sizeof(__u64); n++) {
			args.mnt_id = end - n;
			check_args("at the end of a page", &args,
				   n < width ? -EFAULT : 0);
		}
	}
	args.mnt_id = NULL;
	args.bytes = 0;
	check_args("no room either", &args, -EFAULT);
}

TEST_F(parity, order_of_the_checks_of_name)
{
	static char long_name[PATH_MAX + 1];
	struct name_args args = name_args(BAD_FD, NULL, 0x80000000);

	args.fh = NULL;
	args.mnt_id = NULL;
	check_args("flags, path, handle", &args, -EINVAL);
	args.flags = AT_HANDLE_CONNECTABLE | AT_HANDLE_FID;
	check_args("flags, path, handle", &args, -EINVAL);
	args.flags = 0;
	check_args("path, directory, handle", &args, -EFAULT);
	memset(long_name, 'x', PATH_MAX);
	args.path = long_name;
	check_args("path, directory, handle", &args, -ENAMETOOLONG);
	args.path = "";
	check_args("path, directory, handle", &args, -ENOENT);
	args.path = "file";
	check_args("directory, handle", &args, -EBADF);
	args.dfd = self->root;
	args.path = "nowhere";
	check_args("lookup, handle", &args, -ENOENT);
	args.path = "file/file";
	check_args("lookup, handle", &args, -ENOTDIR);
	args.path = "/proc";
	check_args("filesystem, handle", &args, -EOPNOTSUPP);
	args.path = "file";
	args.flags = AT_HANDLE_CONNECTABLE;
	check_args("filesystem, handle", &args, -EOPNOTSUPP);
	args.flags = 0;
	check_args("handle", &args, -EFAULT);

	args = name_args(self->root, "nowhere", 0);
	args.bytes = HANDLE_MAX + 1;
	check_args("lookup, size", &args, -ENOENT);
	args.path = "/proc";
	check_args("filesystem, size", &args, -EOPNOTSUPP);
	args.path = "file";
	args.mnt_id = NULL;
	check_args("size, mount id", &args, -EINVAL);
}

/* As somebody who may not decode what lies in a tmpfs. */
FIXTURE(user)
{
	struct ring ring;
	int memfd;
	int pidfd;
	int ns;
	int nr_fds;
	bool closed;		/* whether there is a directory to fail at */
};

FIXTURE_SETUP(user)
{
	const char *reason = missing();
	int root;

	if (reason)
		SKIP(return, "%s", reason);
	if (is_root()) {
		root = enter_private_tmpfs();
		ASSERT_GE(root, 0);
		ASSERT_EQ(mkdir("closed", 0700), 0);
		close(make_file(root, "closed/file", ""));
		close(root);
		self->closed = true;
	}
	ASSERT_EQ(become_user(), 0);
	self->memfd = memfd_create("file_handle", MFD_CLOEXEC);
	ASSERT_GE(self->memfd, 0);
	self->pidfd = sys_pidfd_open(getpid(), 0);
	ASSERT_GE(self->pidfd, 0);
	self->ns = ns_own(&ns_kinds[NS_UTS]);
	ASSERT_GE(self->ns, 0);
	if (ring_init(&self->ring, 0))
		SKIP(return, "io_uring is not for everybody");
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(user)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
}

TEST_F(user, may_not_open_a_file_of_a_tmpfs)
{
	struct handle *cut, fh;
	unsigned char *end;

	ASSERT_EQ(encode(self->memfd, &fh), 0);
	check_open("tmpfs", self->memfd, &fh, O_RDONLY, -EPERM);
	check_open("tmpfs", self->memfd, &fh, O_RDWR, -EPERM);
	check_open("tmpfs", self->memfd, &fh, O_RDONLY | O_DIRECTORY, -EPERM);
	fh.bytes = 0;
	check_open("size, permission", self->memfd, &fh, O_RDONLY, -EINVAL);
	fh.bytes = 4;
	check_open("permission, size", self->memfd, &fh, O_RDONLY, -EPERM);

	end = page_end();
	ASSERT_NE(end, NULL);
	cut = (struct handle *)(end - HANDLE_HEADER);
	cut->bytes = HANDLE_TMPFS;
	cut->type = fh.type;
	check_open("permission, rest", self->memfd, cut, O_RDONLY, -EPERM);
}

TEST_F(user, may_open_pidfds_and_namespaces)
{
	struct handle fh;
	int fd;

	ASSERT_EQ(encode(self->pidfd, &fh), 0);
	check_open("pidfs", FD_PIDFS_ROOT, &fh, O_RDONLY, 0);
	check_open("pidfs", self->pidfd, &fh, O_CLOEXEC, 0);
	check_open("pidfs", FD_PIDFS_ROOT, &fh, O_TRUNC, -EINVAL);
	fd = ring_open(&self->ring, FD_PIDFS_ROOT, &fh, O_RDONLY, 0);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(same_file(fd, self->pidfd));
	close(fd);

	ASSERT_EQ(encode(self->ns, &fh), 0);
	check_open("nsfs", FD_NSFS_ROOT, &fh, O_RDONLY, 0);
	check_open("nsfs", self->ns, &fh, O_CLOEXEC, 0);
	fd = ring_open(&self->ring, FD_NSFS_ROOT, &fh, O_RDONLY, 0);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(same_file(fd, self->ns));
	close(fd);
}

TEST_F(user, may_name_what_can_be_reached)
{
	struct name_args args;

	if (!self->closed)
		SKIP(return, "needs root, to close a directory to a user");
	check_name(AT_FDCWD, "closed", 0, 0);
	check_name(AT_FDCWD, "closed/file", 0, -EACCES);
	check_name(AT_FDCWD, "closed/nowhere", 0, -EACCES);
	args = name_args(AT_FDCWD, "closed/file", 0);
	args.fh = NULL;
	check_args("lookup, handle", &args, -EACCES);
}

TEST_HARNESS_MAIN
