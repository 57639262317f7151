// SPDX-License-Identifier: GPL-2.0
/* Export of a server with handles by NFS. */
#define _GNU_SOURCE
#include <sys/statvfs.h>

#include "fuse_nfs_fixture.h"

/* restart_export(), with another mount of the client. */
static int reconnect(struct nfs *nfs, struct server *s, int *fd,
		     unsigned int flags)
{
	int err = nfs_umount(nfs);

	if (!err)
		err = restart_export(nfs, s, fd, flags);
	return err ?: nfs_mount(nfs);
}

static int client_mkdir(const struct nfs *nfs, const char *name)
{
	char path[256];

	client_path(nfs, name, path, sizeof(path));
	return mkdir(path, 0755) ? -errno : 0;
}

static int client_symlink(const struct nfs *nfs, const char *name)
{
	char path[256];

	client_path(nfs, name, path, sizeof(path));
	return symlink("target", path) ? -errno : 0;
}

static int client_link(const struct nfs *nfs, const char *from, const char *to)
{
	char old[256], new[256];

	client_path(nfs, from, old, sizeof(old));
	client_path(nfs, to, new, sizeof(new));
	return link(old, new) ? -errno : 0;
}

/* The client uses inodes that it has created, without caches. */
TEST_F_TIMEOUT(nfs, created, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	int plain, excl, round;

	plain = client_open(&self->nfs, "d1/plain", O_RDWR | O_CREAT);
	ASSERT_GE(plain, 0);
	excl = client_open(&self->nfs, "d1/excl", O_RDWR | O_CREAT | O_EXCL);
	ASSERT_GE(excl, 0);
	ASSERT_EQ(0, client_mkdir(&self->nfs, "d1/dir"));
	ASSERT_EQ(0, client_mkdir(&self->nfs, "d1/dir/dir"));
	ASSERT_EQ(0, client_symlink(&self->nfs, "d1/symlink"));
	ASSERT_EQ(0, client_link(&self->nfs, "d1/plain", "d1/dir/link"));
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, evict_everything());
		EXPECT_EQ(object_at(s, "d1/plain"), read_object(plain, NULL));
		EXPECT_EQ(object_at(s, "d1/excl"), read_object(excl, NULL));
		EXPECT_EQ(0, client_stat(&self->nfs, "d1/dir/dir"));
		EXPECT_EQ(-EEXIST, client_mkdir(&self->nfs, "d1/symlink"));
	}
	close(excl);
	close(plain);
}

/* Nothing but the handles remains in the caches of the client and of the server. */
TEST_F_TIMEOUT(nfs, files_without_caches, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	int fds[ARRAY_SIZE(files)];
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		fds[i] = client_open(&self->nfs, files[i], O_RDONLY);
		ASSERT_GE(fds[i], 0);
	}
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, evict_everything());
		for (i = 0; i < ARRAY_SIZE(files); i++) {
			int id = object_at(s, files[i]);

			ASSERT_EQ(id, read_object(fds[i], NULL)) {
				TH_LOG("round %u, open file %s", round, files[i]);
			}
			ASSERT_EQ(id, client_read(&self->nfs, files[i])) {
				TH_LOG("round %u, %s", round, files[i]);
			}
		}
		ASSERT_EQ(0, client_stat(&self->nfs, PATH_OF_8));
		ASSERT_EQ(-ENOENT, client_stat(&self->nfs, "d1/d2/missing"));
	}
	for (i = 0; i < ARRAY_SIZE(files); i++)
		close(fds[i]);
}

/*
 * knfsd keeps files open that an NFSv3 client has read. It keeps one that was used since
 * the last time, and closes the others with the next call.
 */
static int close_files_of_server(const struct nfs *nfs)
{
	struct statvfs fs;
	int i, err;

	for (i = 0; i < 3; i++) {
		err = evict_everything();
		if (err)
			return err;
		if (statvfs(nfs->dir, &fs))
			return -errno;
		usleep(20000);
	}
	return evict_everything();
}

/* The client keeps a directory open, which is not an open file of the server. */
TEST_F_TIMEOUT(nfs, directory_without_caches, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	unsigned long decodes;
	int dir, round, i;

	dir = client_open(&self->nfs, "d1/d2/d3", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(dir, 0);
	for (round = 0; round < 3; round++) {
		/* A thread of knfsd closes the files after its reply. */
		for (i = 0; i < 20; i++) {
			ASSERT_EQ(0, close_files_of_server(&self->nfs));
			decodes = s->decodes;
			ASSERT_EQ(object_at(s, "d1/d2/d3/file"), read_at(dir, "file"));
			if (s->decodes > decodes)
				break;
		}
		ASSERT_LT(i, 20);
	}
	close(dir);
}

static int evict_between(void *arg __maybe_unused)
{
	return evict_everything();
}

TEST_F_TIMEOUT(nfs, walk_without_caches, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	unsigned long nr;

	add_bulk(s, FILES);
	nr = count(s, FUSE_READDIRPLUS);
	ASSERT_EQ(FILES, walk(&self->nfs, evict_between, NULL));
	EXPECT_GT(count(s, FUSE_READDIRPLUS), nr + 10);
	/* The directory is read anew, and each file is opened. */
	ASSERT_EQ(0, evict_everything());
	ASSERT_EQ(BULK + 7, client_read(&self->nfs, "f00007"));
}

struct restart_args {
	struct nfs *nfs;
	struct server *s;
	int *fd;
};

static int restart_between(void *arg)
{
	struct restart_args *ra = arg;
	int err = restart_export(ra->nfs, ra->s, ra->fd, 0);

	return err ?: evict_everything();
}

/* The server returns with other nodeids, and the client keeps its mount. */
TEST_F_TIMEOUT(nfs, restart, SLOW_TIMEOUT)
{
	struct restart_args ra = { &self->nfs, self->s, &self->mount_fd };
	struct server *s = self->s;
	unsigned int round;
	int dir, file;

	dir = client_open(&self->nfs, "d1/d2", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(dir, 0);
	file = client_open(&self->nfs, "d1/file", O_RDONLY);
	ASSERT_GE(file, 0);
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, restart_between(&ra));
		ASSERT_EQ(object_at(s, "d1/d2/file"), read_at(dir, "file")) {
			TH_LOG("round %u", round);
		}
		ASSERT_EQ(object_at(s, "other"), client_read(&self->nfs, "other"));
		/* The open of NFSv4 is an open file of the former mount. */
		if (variant->version == 3)
			ASSERT_EQ(object_at(s, "d1/file"), read_object(file, NULL));
	}
	close(file);
	close(dir);
}

TEST_F_TIMEOUT(nfs, walk_across_restarts, SLOW_TIMEOUT)
{
	struct restart_args ra = { &self->nfs, self->s, &self->mount_fd };

	add_bulk(self->s, FILES);
	ASSERT_EQ(FILES, walk(&self->nfs, restart_between, &ra));
}

/*
 * The lookup that the server does not answer fails with ECONNABORTED. After the
 * connection is aborted, requests fail with ENOTCONN. The client of NFSv4 sends one when
 * it returns a delegation. nfserrno() does not know these errors.
 */
TEST_F_TIMEOUT(nfs, server_ends, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	long reports = kernel_reports();
	struct statvfs fs;

	if (panics_on_warning())
		SKIP(return, "needs kernel.panic_on_warn=0");
	reset_warnings();
	ASSERT_EQ(2, client_read(&self->nfs, "file"));
	s->die = true;
	EXPECT_EQ(-EIO, client_stat(&self->nfs, "d1"));
	stop_server(s);
	EXPECT_EQ(-1, statvfs(self->nfs.dir, &fs));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(0, nfs_umount(&self->nfs));
	EXPECT_EQ(reports, kernel_reports());
	unmount_server(s, &self->mount_fd);
}

/* If an inode is not cached, its handle is decoded, which fails with ESTALE. */
TEST_F_TIMEOUT(nfs, server_ends_without_caches, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	int dir;

	dir = client_open(&self->nfs, "d1/d2", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(dir, 0);
	ASSERT_EQ(0, close_files_of_server(&self->nfs));
	stop_server(s);
	EXPECT_EQ(-ESTALE, read_at(dir, "file"));
	ASSERT_EQ(0, restart_export(&self->nfs, s, &self->mount_fd, 0));
	EXPECT_EQ(object_at(s, "d1/d2/file"), read_at(dir, "file"));
	close(dir);
}

/* The client repeats requests for these errors. */
static bool is_repeated(int error)
{
	return error == EAGAIN || error == ENOMEM || error == ETIMEDOUT;
}

/*
 * FUSE accepts errors from 1 to 511. Each one that Linux defines is tested, except those
 * for which the client repeats the request, and some of those that nfserrno() does not
 * know.
 */
#define LAST_ERROR_OF_LINUX	134	/* EFTYPE */

TEST_F_TIMEOUT(nfs, errors_of_the_server, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	long reports = kernel_reports();
	char name[16];
	int error;

	if (panics_on_warning())
		SKIP(return, "needs kernel.panic_on_warn=0");
	for (error = 1; error < 512; error += error < LAST_ERROR_OF_LINUX ? 1 : 29) {
		if (is_repeated(error))
			continue;
		reset_warnings();
		snprintf(name, sizeof(name), "e%d", error);
		s->handle_error = -error;
		EXPECT_GT(0, client_stat(&self->nfs, name)) {
			TH_LOG("lookup: error %d", error);
		}
		s->handle_error = 0;
		s->create_error = -error;
		EXPECT_GT(0, client_mkdir(&self->nfs, name)) {
			TH_LOG("mkdir: error %d", error);
		}
		s->create_error = 0;
		ASSERT_EQ(reports, kernel_reports()) {
			TH_LOG("error %d", error);
		}
	}
	EXPECT_EQ(2, client_read(&self->nfs, "file"));
}

/* A file that is removed and created again is another file. */
TEST_F(nfs, stale)
{
	struct server *s = self->s;
	int fd = client_open(&self->nfs, "other", O_RDONLY);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(3, read_object(fd, NULL));
	s->objects[3].version++;
	ASSERT_EQ(0, restart_export(&self->nfs, s, &self->mount_fd, 0));
	ASSERT_EQ(0, evict_everything());
	if (variant->version == 3)
		ASSERT_EQ(-ESTALE, read_object(fd, NULL));
	ASSERT_EQ(3, client_read(&self->nfs, "other"));
	close(fd);
}

/* With subtree_check, the handles of files contain that of the parent. */
TEST_F_TIMEOUT(nfs, subtree_check, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	unsigned int i;

	ASSERT_EQ(0, reconnect(&self->nfs, s, &self->mount_fd, NFS_SUBTREE));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = client_open(&self->nfs, files[i], O_RDONLY);

		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, evict_everything());
		ASSERT_EQ(object_at(s, files[i]), read_object(fd, NULL));
		close(fd);
	}
}

/*
 * Handle sizes
 */

struct limit {
	unsigned int flags;
	size_t size[2];		/* NFSv3, NFSv4 */
};

static const struct limit limits[] = {
	{ 0, { 52, 116 } },
	{ NFS_BY_UUID, { 40, 104 } },
	{ NFS_SIGNED, { 44, 108 } },
	{ NFS_SIGNED | NFS_BY_UUID, { 32, 96 } },
	/* The handles of the file and of its parent have the same size. */
	{ NFS_SUBTREE, { 24, 56 } },
	{ NFS_SUBTREE | NFS_BY_UUID, { 20, 52 } },
};

TEST_F_TIMEOUT(nfs, handle_sizes, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	unsigned int i;
	size_t size;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		size_t limit = limits[i].size[variant->version - 3];

		for (size = limit - 1; size <= limit + 5; size++) {
			int expected = size <= limit ? object_at(s, "d1/file") :
						       -ESTALE;

			s->handle_size = size;
			ASSERT_EQ(0, reconnect(&self->nfs, s, &self->mount_fd,
					       limits[i].flags));
			ASSERT_EQ(expected, client_read(&self->nfs, "d1/file")) {
				TH_LOG("flags %#x, a handle of %zu bytes",
				       limits[i].flags, size);
			}
			if (size > limit)
				continue;
			ASSERT_EQ(0, evict_everything());
			ASSERT_EQ(expected, client_read(&self->nfs, "d1/file"));
		}
	}
}

/* The root of an export needs no handle. */
TEST_F(nfs, unknown_handle)
{
	struct server *s = self->s;

	s->handle_size = 0;
	ASSERT_EQ(0, reconnect(&self->nfs, s, &self->mount_fd, 0));
	ASSERT_EQ(0, client_stat(&self->nfs, "."));
	ASSERT_EQ(-ESTALE, client_stat(&self->nfs, "file"));
	s->handle_size = 16;
	ASSERT_EQ(0, reconnect(&self->nfs, s, &self->mount_fd, 0));
	ASSERT_EQ(2, client_read(&self->nfs, "file"));
}

TEST_HARNESS_MAIN
