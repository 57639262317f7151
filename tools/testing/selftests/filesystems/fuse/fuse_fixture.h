/* SPDX-License-Identifier: GPL-2.0 */
/* A mounted server with handles. */
#ifndef __SELFTEST_FUSE_FIXTURE_H
#define __SELFTEST_FUSE_FIXTURE_H

#include "fuse_session.h"

FIXTURE(fuse)
{
	struct server *s;
	int mount_fd;
};

FIXTURE_SETUP(fuse)
{
	begin(_metadata, &self->s, &self->mount_fd);
}

FIXTURE_TEARDOWN(fuse)
{
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
}

#endif /* __SELFTEST_FUSE_FIXTURE_H */
