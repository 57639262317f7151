/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A server with handles that the kernel exports by NFS. The client is the kernel
 * as well, in a private network namespace.
 */
#ifndef __SELFTEST_FUSE_NFS_FIXTURE_H
#define __SELFTEST_FUSE_NFS_FIXTURE_H

#include "fuse_session.h"
#include "nfs_client.h"

FIXTURE(nfs)
{
	struct server *s;
	struct nfs nfs;
	int mount_fd;
};

FIXTURE_VARIANT(nfs)
{
	int version;
};

FIXTURE_VARIANT_ADD(nfs, v3) { 3 };
FIXTURE_VARIANT_ADD(nfs, v4) { 4 };

/* Mounts the export of the server. */
static int connect_client(struct nfs *nfs, struct server *s, int *fd)
{
	int err;

	err = start_server(s);
	if (err)
		return err;
	*fd = mount_fd(s);
	if (*fd < 0)
		return -errno;
	err = try_stat(s, ".");
	if (!err)
		err = nfs_export(nfs, 0);
	return err ?: nfs_mount(nfs);
}

FIXTURE_SETUP(nfs)
{
	const char *reason = fuse_missing();
	struct server *s;
	int err;

	if (!reason)
		reason = nfs_missing();
	if (reason)
		SKIP(return, "%s", reason);
	self->mount_fd = -1;
	ASSERT_EQ(0, private_mounts());
	s = new_server();
	ASSERT_NE(NULL, s);
	self->s = s;
	err = nfs_start(&self->nfs, variant->version);
	if (!err) {
		rmdir(s->dir);
		snprintf(s->dir, sizeof(s->dir), "%s", self->nfs.export);
		err = connect_client(&self->nfs, s, &self->mount_fd);
	}
	if (!err && s->init_offer & FUSE_HAS_LOOKUP_HANDLE)
		return;
	/* A test that fails or is skipped in its setup has no teardown. */
	nfs_stop(&self->nfs);
	close(self->mount_fd);
	free_server(s);
	nfs_remove(&self->nfs);
	if (variant->version == 3 && err == -EPROTONOSUPPORT)
		SKIP(return, "needs CONFIG_NFS_V3");
	ASSERT_EQ(0, err);
	SKIP(return, NO_FUSE_HANDLES);
}

FIXTURE_TEARDOWN(nfs)
{
	nfs_stop(&self->nfs);
	if (self->s)
		end(_metadata, self->s, self->mount_fd);
	nfs_remove(&self->nfs);
}

/* Restarts the server with another mount, and exports it instead. */
static int restart_export(struct nfs *nfs, struct server *s, int *fd,
			  unsigned int flags)
{
	int err;

	err = restart(s, fd);
	return err ?: nfs_export(nfs, flags);
}

static const char * const files[] = {
	"file", "other", "d1/file", "d1/d2/d3/file", PATH_OF_8 "/file",
};

#endif /* __SELFTEST_FUSE_NFS_FIXTURE_H */
