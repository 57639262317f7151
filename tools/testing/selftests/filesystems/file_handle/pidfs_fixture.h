/* SPDX-License-Identifier: GPL-2.0 */
/* A child, and the handle of its pidfd. */
#ifndef __SELFTEST_FILE_HANDLE_PIDFS_FIXTURE_H
#define __SELFTEST_FILE_HANDLE_PIDFS_FIXTURE_H

#include "file_handle.h"
#include "kselftest_harness.h"

FIXTURE(pidfs)
{
	pid_t child;
	int pidfd;
	__u64 number;		/* of the child's struct pid */
	struct handle fh;	/* of @pidfd */
};

FIXTURE_SETUP(pidfs)
{
	const char *reason = pidfs_missing();

	if (reason)
		SKIP(return, "%s", reason);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	self->child = paused_child(0, &self->pidfd);
	ASSERT_GT(self->child, 0);
	self->number = pidfd_number(self->pidfd);
	ASSERT_NE(self->number, 0U);
	ASSERT_EQ(encode(self->pidfd, &self->fh), 0);
}

FIXTURE_TEARDOWN(pidfs)
{
	kill_children();
}

#endif /* __SELFTEST_FILE_HANDLE_PIDFS_FIXTURE_H */
