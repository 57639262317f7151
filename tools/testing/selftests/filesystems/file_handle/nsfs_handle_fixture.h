/* SPDX-License-Identifier: GPL-2.0 */
/* Fixtures for cases that open handles of namespaces. */
#ifndef __SELFTEST_FILE_HANDLE_NSFS_HANDLE_FIXTURE_H
#define __SELFTEST_FILE_HANDLE_NSFS_HANDLE_FIXTURE_H

#define NSFS_PROBE	nsfs_missing
#include "nsfs_fixture.h"

/* A uts namespace, for cases that do not depend on the type. */
FIXTURE(one)
{
	struct subject ns;
};

FIXTURE_SETUP(one)
{
	const char *reason = nsfs_missing();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(subject_init(&self->ns, NS_UTS), 0);
}

FIXTURE_TEARDOWN(one)
{
	kill_children();
}

/* Checks that the handle opens the namespace of the fixture. */
#define ASSERT_DECODES(dfd, fh, flags) do { \
	int __fd = decode(dfd, fh, flags); \
	ASSERT_GE(__fd, 0); \
	ASSERT_EQ(ns_id(__fd), self->ns.id); \
	ASSERT_EQ(ns_type(__fd), self->ns.kind->type); \
	ASSERT_EQ(ns_ino(__fd), self->ns.ino); \
	ASSERT_EQ(close(__fd), 0); \
} while (0)

#endif /* __SELFTEST_FILE_HANDLE_NSFS_HANDLE_FIXTURE_H */
