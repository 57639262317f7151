// SPDX-License-Identifier: GPL-2.0
/* Requests of an ordinary user, who may not open files of tmpfs by handle. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "kselftest_harness.h"
#include "parity.h"

FIXTURE(user)
{
	struct parity *parity;
	int memfd;
	int pidfd;
	int ns;
	int nr_fds;
	bool closed;		/* there is a directory without permission */
};

FIXTURE_VARIANT(user)
{
	bool has_ring;
};

FIXTURE_VARIANT_ADD(user, system_call) { };

FIXTURE_VARIANT_ADD(user, ring) { .has_ring = true };

FIXTURE_SETUP(user)
{
	const char *reason = nsfs_missing();
	int root;

	if (!reason && variant->has_ring)
		reason = missing();
	if (reason)
		SKIP(return, "%s", reason);
	root = is_root() ? enter_private_tmpfs() : -EPERM;
	if (root >= 0) {
		ASSERT_EQ(mkdir("closed", 0700), 0);
		close(make_file(root, "closed/file", ""));
		close(root);
		self->closed = true;
	}
	ASSERT_EQ(become_user(), 0);
	self->memfd = sys_memfd_create("file_handle", MFD_CLOEXEC);
	ASSERT_GE(self->memfd, 0);
	self->pidfd = sys_pidfd_open(getpid(), 0);
	ASSERT_GE(self->pidfd, 0);
	self->ns = ns_own(&ns_kinds[NS_UTS]);
	ASSERT_GE(self->ns, 0);
	self->parity = malloc(sizeof(*self->parity));
	ASSERT_NE(self->parity, NULL);
	if (parity_init(self->parity, _metadata->name, variant->has_ring, 0))
		SKIP(return, "needs permission to use io_uring");
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(user)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
	EXPECT_STREQ("", parity_exit(self->parity, _metadata->name));
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
	fd = parity_open(self->parity, FD_PIDFS_ROOT, &fh, O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(same_file(fd, self->pidfd));
	close(fd);

	ASSERT_EQ(encode(self->ns, &fh), 0);
	check_open("nsfs", FD_NSFS_ROOT, &fh, O_RDONLY, 0);
	check_open("nsfs", self->ns, &fh, O_CLOEXEC, 0);
	fd = parity_open(self->parity, FD_NSFS_ROOT, &fh, O_RDONLY);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(same_file(fd, self->ns));
	close(fd);
}

TEST_F(user, may_name_files_that_it_can_reach)
{
	struct name_args args;

	if (!self->closed) {
		self->parity->expected = NULL;
		SKIP(return, "needs root to create a directory without permission");
	}
	check_name(AT_FDCWD, "closed", 0, 0);
	check_name(AT_FDCWD, "closed/file", 0, -EACCES);
	check_name(AT_FDCWD, "closed/nowhere", 0, -EACCES);
	args = name_args(AT_FDCWD, "closed/file", 0);
	args.fh = NULL;
	check_args("lookup, handle", &args, -EACCES);
}

TEST_HARNESS_MAIN
