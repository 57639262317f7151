// SPDX-License-Identifier: GPL-2.0
/*
 * A server with handles that the kernel exports by NFS. The client is the kernel
 * as well, in a private network namespace.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/statvfs.h>

#include "fuse_session.h"
#include "nfs_loopback.h"

#define FILES	1000

FIXTURE(nfs)
{
	struct server *s;
	struct nfs nfs;
	int mount_fd;
	unsigned int flags;
};

FIXTURE_VARIANT(nfs)
{
	int version;
};

FIXTURE_VARIANT_ADD(nfs, v3) { 3 };
FIXTURE_VARIANT_ADD(nfs, v4) { 4 };

/* Mounts the export of the server. */
static int connect_client(struct nfs *nfs, struct server *s, int *fd,
			  unsigned int flags)
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
		err = nfs_export(nfs, flags);
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
		err = connect_client(&self->nfs, s, &self->mount_fd, 0);
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

/* The same with another mount of the client. */
static int reconnect(struct nfs *nfs, struct server *s, int *fd,
		     unsigned int flags)
{
	int err = nfs_umount(nfs);

	if (!err)
		err = restart_export(nfs, s, fd, flags);
	return err ?: nfs_mount(nfs);
}

static int client_open(const struct nfs *nfs, const char *name, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", nfs->dir, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Opens and reads a file. Returns the object that it contains. */
static int client_read(const struct nfs *nfs, const char *name)
{
	int fd = client_open(nfs, name, O_RDONLY), ret;

	if (fd < 0)
		return fd;
	ret = read_object(fd, NULL);
	close(fd);
	return ret;
}

static int client_stat(const struct nfs *nfs, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", nfs->dir, name);
	return stat(path, &st) ? -errno : 0;
}

/* Returns the object with this path. */
static int object_at(struct server *s, const char *path)
{
	unsigned int id = ROOT;
	char copy[256], *name;

	snprintf(copy, sizeof(copy), "%s", path);
	for (name = strtok(copy, "/"); name && id; name = strtok(NULL, "/"))
		id = child(s, id, name);
	return id;
}

static const char * const files[] = {
	"file", "other", "d1/file", "d1/d2/d3/file", PATH_OF_8 "/file",
};

static void client_path(const struct nfs *nfs, const char *name, char *path,
			size_t size)
{
	snprintf(path, size, "%s/%s", nfs->dir, name);
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

/* Opens and reads a file in a directory. Returns the object that it contains. */
static int read_at(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = read_object(fd, NULL);
	close(fd);
	return ret;
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

/*
 * Reads a directory of FILES files, and calls a function after every 100 entries.
 * Returns the number of files, each found once, or a negative errno.
 */
static int walk(const struct nfs *nfs, int (*between)(void *arg), void *arg)
{
	static bool seen[FILES];
	struct dirent *entry;
	int nr = 0, err;
	DIR *dir;

	memset(seen, 0, sizeof(seen));
	dir = opendir(nfs->dir);
	if (!dir)
		return -errno;
	for (;;) {
		unsigned int i;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			break;
		if (sscanf(entry->d_name, "f%5u", &i) != 1)
			continue;
		if (i >= FILES || seen[i]) {
			closedir(dir);
			return -EEXIST;
		}
		seen[i] = true;
		if (++nr % 100)
			continue;
		err = between(arg);
		if (err) {
			closedir(dir);
			return err;
		}
	}
	err = -errno;
	closedir(dir);
	return err ?: nr;
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
	int dir, fd, file;
	unsigned int round;

	dir = client_open(&self->nfs, "d1/d2", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(dir, 0);
	file = client_open(&self->nfs, "d1/file", O_RDONLY);
	ASSERT_GE(file, 0);
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, restart_between(&ra));
		fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
		ASSERT_GE(fd, 0) {
			TH_LOG("round %u: errno %d", round, errno);
		}
		ASSERT_EQ(object_at(s, "d1/d2/file"), read_object(fd, NULL));
		close(fd);
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
 * FUSE accepts errors from 1 to 511. Each one that Linux defines is tested, and some of
 * those that nfserrno() does not know.
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

/*
 * Servers that are replaced under their mount. Nothing is exported or mounted again.
 */

/* Asks for a handle in each request, which a server needs to take over. */
static int ask_for_handles(struct nfs *nfs, struct server *s, int *fd)
{
	int err = nfs_umount(nfs);

	if (err)
		return err;
	/* The former server must not check the handles. */
	unmount_server(s, fd);
	s->init_flags |= FUSE_REQUEST_HANDLE;
	err = restart_export(nfs, s, fd, 0) ?: nfs_mount(nfs);
	if (err)
		return err;
	return s->init_offer & FUSE_REQUEST_HANDLE ? 0 : -EOPNOTSUPP;
}

static int take_over_between(void *arg)
{
	return take_over(arg);
}

static int take_over_and_evict(void *arg)
{
	return take_over(arg) ?: evict_everything();
}

static int evict_and_take_over(void *arg)
{
	return evict_everything() ?: take_over(arg);
}

static int (*const disturb[])(void *arg) = {
	take_over_between, take_over_and_evict, evict_and_take_over,
};

/* Open files of both versions remain usable, because the export remains. */
TEST_F_TIMEOUT(nfs, take_over, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	unsigned int round;
	int dir, file, fd;

	ASSERT_EQ(0, ask_for_handles(&self->nfs, s, &self->mount_fd));
	dir = client_open(&self->nfs, "d1/d2", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(dir, 0);
	file = client_open(&self->nfs, "d1/file", O_RDWR);
	ASSERT_GE(file, 0);
	for (round = 0; round < 3 * ARRAY_SIZE(disturb); round++) {
		ASSERT_EQ(0, disturb[round % ARRAY_SIZE(disturb)](s));
		ASSERT_EQ(object_at(s, "d1/file"), read_object(file, NULL)) {
			TH_LOG("round %u", round);
		}
		ASSERT_EQ(1, pwrite(file, "o", 1, 0));
		ASSERT_EQ(0, fsync(file));
		fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
		ASSERT_GE(fd, 0) {
			TH_LOG("round %u: errno %d", round, errno);
		}
		ASSERT_EQ(object_at(s, "d1/d2/file"), read_object(fd, NULL));
		close(fd);
		ASSERT_EQ(object_at(s, "other"), client_read(&self->nfs, "other"));
		ASSERT_EQ(-ENOENT, client_stat(&self->nfs, "d1/d2/missing"));
	}
	close(file);
	close(dir);
}

TEST_F_TIMEOUT(nfs, walk_while_servers_take_over, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	unsigned int i;

	add_bulk(s, FILES);
	ASSERT_EQ(0, ask_for_handles(&self->nfs, s, &self->mount_fd));
	for (i = 0; i < ARRAY_SIZE(disturb); i++)
		ASSERT_EQ(FILES, walk(&self->nfs, disturb[i], s));
}

/* A file that was replaced while no server ran is another file. */
TEST_F_TIMEOUT(nfs, replaced_before_take_over, SLOW_TIMEOUT)
{
	struct server *s = self->s;
	int fd;

	ASSERT_EQ(0, ask_for_handles(&self->nfs, s, &self->mount_fd));
	fd = client_open(&self->nfs, "other", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(3, read_object(fd, NULL));
	leave_server(s);
	s->objects[3].version++;
	ASSERT_EQ(0, enter_server(s));
	ASSERT_EQ(0, evict_everything());
	/*
	 * With a delegation, the client of NFSv4 does not look up the name again, and
	 * reports EIO.
	 */
	ASSERT_EQ(variant->version == 3 ? -ESTALE : -EIO, read_object(fd, NULL));
	close(fd);
	if (variant->version == 4) {
		ASSERT_EQ(0, nfs_umount(&self->nfs));
		ASSERT_EQ(0, nfs_mount(&self->nfs));
	}
	ASSERT_EQ(3, client_read(&self->nfs, "other"));
}

/* The server takes over from itself every few requests, also within one call. */
TEST_F_TIMEOUT(nfs, take_over_in_the_middle, SLOW_TIMEOUT)
{
	static const unsigned int every[] = { 3, 7, 20 };
	struct server *s = self->s;
	int fds[ARRAY_SIZE(files)];
	unsigned int i, n, round;

	ASSERT_EQ(0, ask_for_handles(&self->nfs, s, &self->mount_fd));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		fds[i] = client_open(&self->nfs, files[i], O_RDWR);
		ASSERT_GE(fds[i], 0);
	}
	for (n = 0; n < ARRAY_SIZE(every); n++) {
		unsigned int before = s->generation;

		s->restart_every = every[n];
		for (round = 0; round < 10; round++) {
			ASSERT_EQ(0, evict_everything());
			for (i = 0; i < ARRAY_SIZE(files); i++) {
				int id = object_at(s, files[i]);

				ASSERT_EQ(id, read_object(fds[i], NULL)) {
					TH_LOG("every %u, round %u, open file %s",
					       every[n], round, files[i]);
				}
				ASSERT_EQ(1, pwrite(fds[i], "o", 1, 0));
				ASSERT_EQ(0, fsync(fds[i]));
				ASSERT_EQ(id, client_read(&self->nfs, files[i])) {
					TH_LOG("every %u, round %u, %s",
					       every[n], round, files[i]);
				}
			}
		}
		s->restart_every = 0;
		EXPECT_GT(s->generation, before + 10);
	}
	for (i = 0; i < ARRAY_SIZE(files); i++)
		close(fds[i]);
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
