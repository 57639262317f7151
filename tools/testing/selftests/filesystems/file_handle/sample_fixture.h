/* SPDX-License-Identifier: GPL-2.0 */
/* Loads the module for each case, and checks that it can be unloaded. */
#ifndef __SELFTEST_FILE_HANDLE_SAMPLE_FIXTURE_H
#define __SELFTEST_FILE_HANDLE_SAMPLE_FIXTURE_H

#include "kselftest_harness.h"
#include "sample.h"

#define USER		1000
#define OTHER		1001

FIXTURE(fs)
{
	bool loaded;
	int dev;
	int anchor;
};

FIXTURE_SETUP(fs)
{
	const char *reason = sample_missing();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(load_module(), 0);
	self->loaded = true;
	self->dev = open_device();
	ASSERT_GE(self->dev, 0);
	self->anchor = make_anchor(self->dev);
	ASSERT_GE(self->anchor, 0);
	ASSERT_EQ(act_as(USER), 0);
}

/* Runs in the parent, after the process of the test has closed its files. */
FIXTURE_TEARDOWN_PARENT(fs)
{
	if (self->loaded)
		EXPECT_EQ(unload_module(), 0);
}

/* Close the descriptors of the fixture. */
#define CLOSE_ALL() \
	do { close(self->anchor); close(self->dev); } while (0)

#endif /* __SELFTEST_FILE_HANDLE_SAMPLE_FIXTURE_H */
