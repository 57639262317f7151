/* SPDX-License-Identifier: GPL-2.0 */
/* Files of four filesystems to compare calls on. */
#ifndef __SELFTEST_FILE_HANDLE_PARITY_FIXTURE_H
#define __SELFTEST_FILE_HANDLE_PARITY_FIXTURE_H

#include "kselftest_harness.h"
#include "parity.h"

/* A descriptor that is not open. */
#define BAD_FD		900

enum { SUBJECT_FILE, SUBJECT_DIR, SUBJECT_PIDFD, SUBJECT_NS, SUBJECTS };

/* A file of one filesystem. */
struct parity_subject {
	const char *what;
	int fd;
	int anchor;		/* a descriptor to open the handle at */
	struct handle fh;
};

FIXTURE(parity)
{
	struct parity *parity;
	int root;
	struct parity_subject subjects[SUBJECTS];
	int nr_fds;
};

FIXTURE_VARIANT(parity)
{
	bool has_ring;
	unsigned int setup_flags;
};

/* Only system calls, on any kernel. */
FIXTURE_VARIANT_ADD(parity, system_call) { };

FIXTURE_VARIANT_ADD(parity, plain) { .has_ring = true };

FIXTURE_VARIANT_ADD(parity, deferred)
{
	.has_ring = true,
	.setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

/* A kernel thread submits the requests. */
FIXTURE_VARIANT_ADD(parity, sqpoll)
{
	.has_ring = true,
	.setup_flags = IORING_SETUP_SQPOLL,
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
	const char *reason = is_root() ? nsfs_missing() : NEEDS_INITIAL_ROOT;
	unsigned int i;

	if (!reason && access("/proc/self/fd", X_OK))
		reason = NEEDS_PROCFS;
	if (!reason && variant->has_ring)
		reason = missing();
	if (reason)
		SKIP(return, "%s", reason);
	self->root = enter_private_tmpfs();
	if (self->root == -EPERM)
		SKIP(return, "needs CAP_SYS_ADMIN to mount a tmpfs");
	ASSERT_GE(self->root, 0);
	ASSERT_EQ(make_names(self->root), 0);

	self->subjects[SUBJECT_FILE] = (struct parity_subject) {
		.what = "file", .anchor = self->root,
		.fd = make_file(self->root, "file", "content"),
	};
	self->subjects[SUBJECT_DIR] = (struct parity_subject) {
		.what = "directory", .anchor = self->root,
		.fd = open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	self->subjects[SUBJECT_PIDFD] = (struct parity_subject) {
		.what = "pidfd", .anchor = FD_PIDFS_ROOT,
		.fd = sys_pidfd_open(getpid(), 0),
	};
	self->subjects[SUBJECT_NS] = (struct parity_subject) {
		.what = "namespace", .anchor = FD_NSFS_ROOT,
		.fd = ns_own(&ns_kinds[NS_UTS]),
	};
	for (i = 0; i < SUBJECTS; i++) {
		ASSERT_GE(self->subjects[i].fd, 0);
		ASSERT_EQ(encode(self->subjects[i].fd, &self->subjects[i].fh),
			  0);
	}
	self->parity = malloc(sizeof(*self->parity));
	ASSERT_NE(self->parity, NULL);
	ASSERT_EQ(parity_init(self->parity, _metadata->name, variant->has_ring,
			      variant->setup_flags), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(parity)
{
	unsigned int i;

	/* No request has left a descriptor that it did not report. */
	EXPECT_EQ(count_fds(), self->nr_fds);
	EXPECT_STREQ("", parity_exit(self->parity, _metadata->name));
	for (i = 0; i < SUBJECTS; i++)
		close(self->subjects[i].fd);
	EXPECT_EQ(leave_private_tmpfs(self->root), 0);
}

#endif /* __SELFTEST_FILE_HANDLE_PARITY_FIXTURE_H */
