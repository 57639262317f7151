/* SPDX-License-Identifier: GPL-2.0 */
/* A server that dies while a request is in flight, which it has executed or not. */
#ifndef __SELFTEST_FUSE_IN_FLIGHT_FIXTURE_H
#define __SELFTEST_FUSE_IN_FLIGHT_FIXTURE_H

#include "fuse_interrupted.h"

/* The object "d1" */
#define D1	4

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
