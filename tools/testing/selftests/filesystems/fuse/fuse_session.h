/* SPDX-License-Identifier: GPL-2.0 */
/* Setup and teardown of a server with handles. */
#ifndef __SELFTEST_FUSE_SESSION_H
#define __SELFTEST_FUSE_SESSION_H

#include "fuse_client.h"
#include "kselftest_harness.h"

/* For fixtures with the members s and mount_fd */
#define RESTART()	restart(self->s, &self->mount_fd)

/* Starts a server in a private mount namespace, or skips the test. */
static inline void begin(struct __test_metadata *const _metadata,
			 struct server **server, int *fd)
{
	struct server *s;

	ASSERT_EQ(0, stay_on_one_processor());
	ASSERT_EQ(0, private_mounts());
	s = new_server();
	ASSERT_NE(NULL, s);
	*server = s;
	ASSERT_EQ(0, start_server(s));
	*fd = mount_fd(s);
	ASSERT_GE(*fd, 0);
	/* Waits for the replies to FUSE_INIT and about the root. */
	ASSERT_EQ(0, try_stat(s, "."));
	if (s->init_offer & FUSE_HAS_LOOKUP_HANDLE)
		return;
	/* A test that is skipped in its setup has no teardown. */
	close(*fd);
	free_server(s);
	SKIP(return, NO_FUSE_HANDLES);
}

/* Checks the counts that must be right after each test. */
static inline void end(struct __test_metadata *const _metadata,
		       struct server *s, int fd)
{
	if (fd >= 0)
		close(fd);
	EXPECT_EQ(0, s->violations);
	if (s->running)
		EXPECT_EQ(0, settle_server(s));
	free_server(s);
}

#endif /* __SELFTEST_FUSE_SESSION_H */
