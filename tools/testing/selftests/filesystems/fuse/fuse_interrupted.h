/* SPDX-License-Identifier: GPL-2.0 */
/* An operation whose server is replaced meanwhile. */
#ifndef __SELFTEST_FUSE_INTERRUPTED_H
#define __SELFTEST_FUSE_INTERRUPTED_H

#include "fuse_operation.h"
#include "fuse_session.h"

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

#endif /* __SELFTEST_FUSE_INTERRUPTED_H */
