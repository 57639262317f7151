/* SPDX-License-Identifier: GPL-2.0 */
/* A mounted server that can be replaced under its mount. */
#ifndef __SELFTEST_FUSE_RESTART_FIXTURE_H
#define __SELFTEST_FUSE_RESTART_FIXTURE_H

#include "fuse_session.h"

FIXTURE(restart)
{
	struct server *s;
	int mount_fd;
};

FIXTURE_SETUP(restart)
{
	begin_replaceable(_metadata, &self->s, &self->mount_fd);
}

FIXTURE_TEARDOWN(restart)
{
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
}

#endif /* __SELFTEST_FUSE_RESTART_FIXTURE_H */
