// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_OP_OPEN_BY_HANDLE_AT has the results of open_by_handle_at(2): the
 * same error, or the same file with the same flags.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sys/mount.h>
#include <sys/resource.h>

#include "parity_fixture.h"
#include "sample.h"

TEST_F(parity, opens_the_file_of_the_handle)
{
	const struct parity_subject *s;
	int fd;

	for (s = self->subjects; s < self->subjects + SUBJECTS; s++) {
		check_open(s->what, s->anchor, &s->fh, O_RDONLY, 0);
		check_open(s->what, s->anchor, &s->fh, O_CLOEXEC, 0);
		/* Any file of the filesystem is an anchor. */
		check_open(s->what, s->fd, &s->fh, O_RDONLY, 0);

		fd = parity_open(self->parity, s->anchor, &s->fh, O_RDONLY);
		ASSERT_GE(fd, 0) TH_LOG("%s", s->what);
		EXPECT_TRUE(same_file(fd, s->fd)) TH_LOG("%s", s->what);
		close(fd);
	}
}

TEST_F_TIMEOUT(parity, open_flags, 120)
{
	static const unsigned int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	const struct parity_subject *s;
	unsigned int bit, mode;

	for (s = self->subjects; s < self->subjects + SUBJECTS; s++) {
		for (mode = 0; mode < ARRAY_SIZE(modes); mode++) {
			for (bit = 0; bit < 32; bit++)
				check_open(s->what, s->anchor, &s->fh,
					   modes[mode] | 1U << bit, AS_IN_C);
		}
		check_open(s->what, s->anchor, &s->fh, 0xffffffff, AS_IN_C);
		check_open(s->what, s->anchor, &s->fh, O_PATH | O_CLOEXEC,
			   AS_IN_C);
		check_open(s->what, s->anchor, &s->fh,
			   O_CREAT | O_EXCL | O_RDWR, AS_IN_C);
		check_open(s->what, s->anchor, &s->fh,
			   O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, AS_IN_C);
	}
}

TEST_F(parity, open_flags_of_a_file)
{
	const struct parity_subject *file = &self->subjects[SUBJECT_FILE];
	const struct parity_subject *dir = &self->subjects[SUBJECT_DIR];
	struct stat st;

	check_open("write", file->anchor, &file->fh, O_WRONLY, 0);
	check_open("O_PATH", file->anchor, &file->fh, O_PATH, 0);
	check_open("O_NONBLOCK", file->anchor, &file->fh, O_NONBLOCK, 0);
	check_open("O_APPEND", file->anchor, &file->fh, O_RDWR | O_APPEND, 0);
	check_open("no directory", file->anchor, &file->fh, O_DIRECTORY,
		   -ENOTDIR);
	check_open("directory", dir->anchor, &dir->fh, O_DIRECTORY, 0);
	check_open("write", dir->anchor, &dir->fh, O_RDWR, -EISDIR);

	ASSERT_EQ(ftruncate(file->fd, 10), 0);
	EXPECT_EQ(close(parity_open(self->parity, file->anchor, &file->fh,
				    O_WRONLY | O_TRUNC)), 0);
	ASSERT_EQ(fstat(file->fd, &st), 0);
	EXPECT_EQ(st.st_size, 0);
}

/* Unknown flags must reach pidfs as well. */
TEST_F(parity, open_flags_that_pidfs_refuses)
{
	const struct parity_subject *s = &self->subjects[SUBJECT_PIDFD];
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
		const struct parity_subject *s = &self->subjects[i];

		fh = s->fh;
		for (j = 0; j < ARRAY_SIZE(refused); j++) {
			fh.bytes = refused[j];
			check_open(s->what, s->anchor, &fh, O_RDONLY, -EINVAL);
		}
		for (fh.bytes = 1; fh.bytes <= HANDLE_MAX; fh.bytes++)
			check_open(s->what, s->anchor, &fh, O_RDONLY,
				   fh.bytes == s->fh.bytes ? 0 : AS_IN_C);
		/* A truncated handle. */
		fh.bytes = s->fh.bytes - 1;
		check_open(s->what, s->anchor, &fh, O_RDONLY, -ESTALE);
	}
}

TEST_F_TIMEOUT(parity, type_of_a_handle_to_open, 120)
{
	struct handle fh;
	unsigned int i, bit;

	for (i = 0; i < SUBJECTS; i++) {
		const struct parity_subject *s = &self->subjects[i];

		fh = s->fh;
		for (bit = 0; bit < 32; bit++) {
			fh.type = s->fh.type ^ (int)(1U << bit);
			check_open(s->what, s->anchor, &fh, O_RDONLY,
				   bit > 17 ? -EINVAL : AS_IN_C);
			fh.type = 1U << bit;
			check_open(s->what, s->anchor, &fh, O_RDONLY,
				   bit > 17 ? -EINVAL : AS_IN_C);
		}
		fh.type = -1;
		check_open(s->what, s->anchor, &fh, O_RDONLY, -EINVAL);
		fh.type = INT_MIN;
		check_open(s->what, s->anchor, &fh, O_RDONLY, -EINVAL);
		fh.type = FILEID_INVALID;
		check_open(s->what, s->anchor, &fh, O_RDONLY, AS_IN_C);
	}

	/* The filesystem defines the upper byte. tmpfs ignores it. */
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

	/* Only a connectable handle must be below the anchor. */
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

	/* The handle of a file with the flag of a directory. */
	fh.type |= FILEID_IS_DIR;
	check_open("no directory", self->root, &fh, O_RDONLY, -ESTALE);
	close(other);
}

/* A bind mount shows a part of the filesystem. */
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
		const struct parity_subject *s = &self->subjects[i];
		const unsigned int size = HANDLE_HEADER + s->fh.bytes;

		check_open("NULL", s->anchor, NULL, O_RDONLY, -EFAULT);
		check_open("the kernel's", s->anchor, (void *)-4096L, O_RDONLY,
			   -EFAULT);
		for (n = 0; n <= size; n++) {
			memcpy(end - n, &s->fh, n);
			check_open("at the end of a page", s->anchor, end - n,
				   O_RDONLY, n < size ? -EFAULT : 0);
		}
		memcpy(end - size - 1, &s->fh, size);
		check_open("unaligned", s->anchor, end - size - 1, O_RDONLY,
			   0);
	}
}

TEST_F(parity, mount_to_open_at)
{
	const struct parity_subject *s;
	int path, in_proc;

	path = open(TMPFS_DIR, O_PATH | O_CLOEXEC);
	in_proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(path, 0);
	ASSERT_GE(in_proc, 0);
	for (s = self->subjects; s < self->subjects + SUBJECTS; s++) {
		check_open("closed", BAD_FD, &s->fh, O_RDONLY, -EBADF);
		check_open("-1", -1, &s->fh, O_RDONLY, -EBADF);
		check_open("INT_MIN", INT_MIN, &s->fh, O_RDONLY, -EBADF);
		check_open("O_PATH", path, &s->fh, O_RDONLY, -EBADF);
		if (self->parity->has_ring)
			check_open("the ring", self->parity->ring.fd, &s->fh,
				   O_RDONLY, ANY_RESULT);
		/* procfs does not support handles. */
		check_open("/proc", in_proc, &s->fh, O_RDONLY, -ESTALE);
		check_open("AT_FDCWD", AT_FDCWD, &s->fh, O_RDONLY, AS_IN_C);
		check_open("pidfs", FD_PIDFS_ROOT, &s->fh, O_RDONLY, AS_IN_C);
		check_open("nsfs", FD_NSFS_ROOT, &s->fh, O_RDONLY, AS_IN_C);
		check_open("tmpfs", self->root, &s->fh, O_RDONLY, AS_IN_C);
	}
	check_open("AT_FDCWD", AT_FDCWD, &self->subjects[SUBJECT_FILE].fh,
		   O_RDONLY, 0);
	close(path);
	close(in_proc);
}

/* If several arguments are wrong, the first check decides. */
TEST_F(parity, order_of_the_checks_of_open)
{
	const struct parity_subject *s = &self->subjects[SUBJECT_PIDFD];
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
	/* Only the header can be read. */
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
	const struct parity_subject *dir = &self->subjects[SUBJECT_DIR];
	struct rlimit limit, none;
	struct handle stale;
	const struct parity_subject *s;

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
	/* The descriptor is allocated before the directory is opened. */
	check_open("directory", dir->anchor, &dir->fh, O_RDWR, -EMFILE);
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	check_open("directory", dir->anchor, &dir->fh, O_RDWR, -EISDIR);
}

TEST_F(parity, handle_of_a_process_that_has_exited)
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

TEST_F(parity, handle_of_a_freed_namespace)
{
	struct handle fh;
	int pidfd, ns;
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
	ASSERT_EQ(wait_until_stale(&fh), -ESTALE);
	check_open("gone", FD_NSFS_ROOT, &fh, O_RDONLY, -ESTALE);
}

TEST_F(parity, handle_of_an_unlinked_file)
{
	struct handle fh;
	int fd;

	fd = make_file(self->root, "gone", "content");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(encode(fd, &fh), 0);
	check_open("there", self->root, &fh, O_RDWR, 0);
	ASSERT_EQ(unlinkat(self->root, "gone", 0), 0);
	check_open("unlinked", self->root, &fh, O_RDWR, AS_IN_C);
	close(fd);
	check_open("gone", self->root, &fh, O_RDWR, -ESTALE);
}

TEST_F(parity, sample_filesystem)
{
	const unsigned int flags = AT_EMPTY_PATH;
	int dev, anchor, object, fd;
	struct handle fh, forged;
	struct name_args args;
	unsigned int bit, byte;

	if (access(module_file(), R_OK))
		SKIP(return, "needs " MODULE_FILE);
	/* No ASSERT from here on: the module must be unloaded in the end. */
	ASSERT_EQ(load_module(), 0);
	dev = open_device();
	anchor = make_anchor(dev);
	object = make_object(dev, "object", 4096);
	EXPECT_EQ(encode(object, &fh), 0);
	EXPECT_EQ(fh.type, RUST_EXPORTFS_FILEID);

	args = name_args(object, "", flags);
	check_args("sample", &args, 0);
	EXPECT_TRUE(same_handle(&named.fh, &fh));
	args.flags |= AT_HANDLE_FID | AT_HANDLE_MNT_ID_UNIQUE;
	check_args("sample", &args, 0);
	EXPECT_TRUE(same_handle(&named.fh, &fh));
	args.bytes = fh.bytes - 1;
	check_args("sample", &args, -EOVERFLOW);

	check_open("sample", anchor, &fh, O_RDWR, 0);
	check_open("sample", object, &fh, O_CLOEXEC, 0);
	check_open("tmpfs", self->root, &fh, O_RDWR, -ESTALE);
	for (bit = 0; bit < 32; bit++)
		check_open("sample", anchor, &fh, 1U << bit, ANY_RESULT);
	for (byte = 0; byte < fh.bytes; byte++) {
		forged = fh;
		forged.data[byte] ^= 1;
		check_open("forged", anchor, &forged, O_RDWR, -ESTALE);
	}

	fd = parity_open(self->parity, anchor, &fh, O_RDWR);
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

TEST_HARNESS_MAIN
