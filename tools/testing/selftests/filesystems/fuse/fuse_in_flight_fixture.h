/* SPDX-License-Identifier: GPL-2.0 */
/* A server that dies while a request is in flight, which it has executed or not. */
#ifndef __SELFTEST_FUSE_IN_FLIGHT_FIXTURE_H
#define __SELFTEST_FUSE_IN_FLIGHT_FIXTURE_H

#include "fuse_operation.h"
#include "fuse_session.h"

/* The object "d1" */
#define D1	4

/*
 * Starts an operation, and replaces the server after it received the request. It is
 * executed or not, and never answered. Returns the result of the operation.
 */
static inline int interrupted(struct __test_metadata *const _metadata,
			      struct server *s, operation_t *run, __u32 opcode,
			      bool done, int fd)
{
	pid_t pid;

	s->swallow_done = done;
	s->swallow = opcode;
	pid = begin_operation(s, run, fd);
	ASSERT_GT(pid, 0);
	ASSERT_TRUE(wait_swallowed(s));
	EXPECT_EQ(0, take_over(s));
	return end_operation(pid);
}

FIXTURE(in_flight)
{
	struct server *s;
	int mount_fd;
};

FIXTURE_VARIANT(in_flight)
{
	bool done;
};

FIXTURE_VARIANT_ADD(in_flight, not_executed)
{
	.done = false,
};

FIXTURE_VARIANT_ADD(in_flight, executed)
{
	.done = true,
};

FIXTURE_SETUP(in_flight)
{
	begin_replaceable(_metadata, &self->s, &self->mount_fd);
	if (was_skipped(_metadata))
		return;
	ASSERT_EQ(0, try_stat(self->s, "file"));
}

FIXTURE_TEARDOWN(in_flight)
{
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
}

#define INTERRUPTED(run, opcode, fd) \
	interrupted(_metadata, self->s, run, opcode, variant->done, fd)

#endif /* __SELFTEST_FUSE_IN_FLIGHT_FIXTURE_H */
