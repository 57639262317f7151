/* SPDX-License-Identifier: GPL-2.0 */
/* A ring with room for many requests. */
#ifndef __SELFTEST_FILE_HANDLE_REQUESTS_FIXTURE_H
#define __SELFTEST_FILE_HANDLE_REQUESTS_FIXTURE_H

#include "requests.h"
#include "kselftest_harness.h"

FIXTURE(requests)
{
	struct ring ring;
	struct things t;
	int nr_fds;
};

FIXTURE_SETUP(requests)
{
	const char *reason = missing_as_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(make_things(&self->t), 0);
	ASSERT_EQ(ring_init_sized(&self->ring, 1024, 0, 0), 0);
	self->nr_fds = count_fds();
}

FIXTURE_TEARDOWN(requests)
{
	EXPECT_EQ(count_fds(), self->nr_fds);
	ring_exit(&self->ring);
	EXPECT_EQ(put_things(&self->t), 0);
}

#endif /* __SELFTEST_FILE_HANDLE_REQUESTS_FIXTURE_H */
