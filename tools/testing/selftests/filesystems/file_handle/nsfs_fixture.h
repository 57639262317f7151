/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A fixture for cases that depend on the type of the namespace. Programs define
 * NSFS_PROBE, a function that returns the reason to skip it.
 */
#ifndef __SELFTEST_FILE_HANDLE_NSFS_FIXTURE_H
#define __SELFTEST_FILE_HANDLE_NSFS_FIXTURE_H

#include "kselftest_harness.h"
#include "nsfs.h"

FIXTURE(nsfs)
{
	struct subject ns;
};

FIXTURE_VARIANT(nsfs)
{
	enum ns_index index;
};

FIXTURE_VARIANT_ADD(nsfs, cgroup) { .index = NS_CGROUP };
FIXTURE_VARIANT_ADD(nsfs, ipc) { .index = NS_IPC };
FIXTURE_VARIANT_ADD(nsfs, mnt) { .index = NS_MNT };
FIXTURE_VARIANT_ADD(nsfs, net) { .index = NS_NET };
FIXTURE_VARIANT_ADD(nsfs, pid) { .index = NS_PID };
FIXTURE_VARIANT_ADD(nsfs, time) { .index = NS_TIME };
FIXTURE_VARIANT_ADD(nsfs, user) { .index = NS_USER };
FIXTURE_VARIANT_ADD(nsfs, uts) { .index = NS_UTS };

FIXTURE_SETUP(nsfs)
{
	const char *reason = NSFS_PROBE();
	int ret;

	if (reason)
		SKIP(return, "%s", reason);
	ret = subject_init(&self->ns, variant->index);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "needs %s namespaces", self->ns.kind->name);
	ASSERT_EQ(ret, 0);
	ASSERT_NE(self->ns.id, 0U);
	ASSERT_NE(self->ns.ino, 0U);
}

FIXTURE_TEARDOWN(nsfs)
{
	kill_children();
}

#endif /* __SELFTEST_FILE_HANDLE_NSFS_FIXTURE_H */
