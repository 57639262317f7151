/* SPDX-License-Identifier: GPL-2.0 */
/* A ring, and a handle that needs no privileges. */
#ifndef __SELFTEST_FILE_HANDLE_RING_FIXTURE_H
#define __SELFTEST_FILE_HANDLE_RING_FIXTURE_H

#include "ring.h"
#include "kselftest_harness.h"

FIXTURE(request)
{
	struct ring ring;
	struct handle fh;
	int pidfd;
	int nr_fds;
};

FIXTURE_SETUP(request)
{
	const char *reason = missing();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(keep(sys_pidfd_open(getpid(), 0), &self->pidfd, &self->fh),
		  0);
	ASSERT_EQ(ring_init(&self->ring, 0), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(request)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
}

#endif /* __SELFTEST_FILE_HANDLE_RING_FIXTURE_H */
