/* SPDX-License-Identifier: GPL-2.0 */
/* Setup and teardown of a server with handles. */
#ifndef __SELFTEST_FUSE_SESSION_H
#define __SELFTEST_FUSE_SESSION_H

#include "fuse_client.h"
#include "kselftest_harness.h"

/* For fixtures with the members s and mount_fd */
#define RESTART()	restart(self->s, &self->mount_fd)

/* Changes the behaviour of the server, which the former one must not show. */
#define RESTART_WITH(change)						\
	({								\
		unmount_server(self->s, &self->mount_fd);		\
		change;							\
		RESTART();						\
	})

/* Starts a server in a private mount namespace, or skips the test. */
static inline void begin(struct __test_metadata *const _metadata,
			 struct server **server, int *fd)
{
	const char *reason = fuse_missing();
	struct server *s;

	if (reason)
		SKIP(return, "%s", reason);
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

/* Returns true if begin() has skipped the test. */
static inline bool was_skipped(struct __test_metadata *const _metadata)
{
	return _metadata->exit_code == KSFT_SKIP;
}

/* Starts a server with FUSE_REQUEST_HANDLE, or skips the test. */
static inline void begin_replaceable(struct __test_metadata *const _metadata,
				     struct server **server, int *fd)
{
	begin(_metadata, server, fd);
	if (was_skipped(_metadata))
		return;
	unmount_server(*server, fd);
	(*server)->init_flags |= FUSE_REQUEST_HANDLE;
	ASSERT_EQ(0, restart(*server, fd));
	ASSERT_EQ(0, try_stat(*server, "."));
	ASSERT_TRUE((*server)->init_offer & FUSE_REQUEST_HANDLE);
}

/* Checks the counts that must be right after each test. */
static inline void end(struct __test_metadata *const _metadata,
		       struct server *s, int fd)
{
	if (fd >= 0)
		close(fd);
	if (s->running)
		EXPECT_EQ(0, settle_server(s));
	EXPECT_EQ(0, s->violations);
	free_server(s);
}

#endif /* __SELFTEST_FUSE_SESSION_H */
