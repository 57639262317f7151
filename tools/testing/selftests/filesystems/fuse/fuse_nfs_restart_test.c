// SPDX-License-Identifier: GPL-2.0
/*
 * Servers that are replaced under their mount, which the kernel exports by NFS. Nothing is
 * exported or mounted again.
 */
#define _GNU_SOURCE
#include "fuse_changes.h"
#include "fuse_nfs_fixture.h"

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
	int dir, file;

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
		ASSERT_EQ(object_at(s, "d1/d2/file"), read_at(dir, "file")) {
			TH_LOG("round %u", round);
		}
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

static int client_rename(const struct nfs *nfs, const char *from, const char *to)
{
	char old[256], new[256];

	client_path(nfs, from, old, sizeof(old));
	client_path(nfs, to, new, sizeof(new));
	return rename(old, new) ? -errno : 0;
}

static int client_unlink(const struct nfs *nfs, const char *name)
{
	char path[256];

	client_path(nfs, name, path, sizeof(path));
	return unlink(path) ? -errno : 0;
}

/* Waits until an object is removed. */
static bool is_removed(struct server *s, unsigned int id)
{
	unsigned int i;

	for (i = 0; i < 1000 && s->objects[id].exists; i++)
		usleep(10000);
	return !s->objects[id].exists;
}

/* A directory is renamed below an open one. */
TEST_F_TIMEOUT(nfs, renames_while_servers_take_over, SLOW_TIMEOUT)
{
	static const char * const names[] = { "d1/d2", "renamed" };
	struct changes changes = {};
	struct server *s = self->s;
	unsigned int round;
	int dir, id;

	ASSERT_EQ(0, ask_for_handles(&self->nfs, s, &self->mount_fd));
	execute_changes(s, &changes);
	id = object_at(s, "d1/d2/d3/file");
	dir = client_open(&self->nfs, "d1/d2/d3", O_RDONLY | O_DIRECTORY);
	ASSERT_GE(dir, 0);
	for (round = 0; round < 2 * ARRAY_SIZE(disturb); round++) {
		const char *from = names[round % 2], *to = names[(round + 1) % 2];

		ASSERT_EQ(0, client_rename(&self->nfs, from, to)) {
			TH_LOG("round %u", round);
		}
		ASSERT_EQ(0, disturb[round % ARRAY_SIZE(disturb)](s));
		ASSERT_EQ(-ENOENT, client_stat(&self->nfs, from));
		ASSERT_EQ(0, client_stat(&self->nfs, to));
		ASSERT_EQ(id, read_at(dir, "file"));
		ASSERT_EQ(id, read_at(dir, "../d3/file"));
	}
	close(dir);
}

/*
 * The client gives a file that it removes while it is open another name, and removes
 * that when the file is closed.
 */
TEST_F_TIMEOUT(nfs, removals_while_servers_take_over, SLOW_TIMEOUT)
{
	struct changes changes = {};
	struct server *s = self->s;
	unsigned int round;
	int file, id;

	ASSERT_EQ(0, ask_for_handles(&self->nfs, s, &self->mount_fd));
	execute_changes(s, &changes);
	for (round = 0; round < ARRAY_SIZE(disturb); round++) {
		file = client_open(&self->nfs, "d1/removed", O_RDWR | O_CREAT | O_EXCL);
		ASSERT_GE(file, 0);
		id = object_at(s, "d1/removed");
		ASSERT_EQ(id, read_object(file, NULL));
		ASSERT_EQ(0, client_unlink(&self->nfs, "d1/removed"));
		ASSERT_EQ(0, disturb[round](s));
		ASSERT_EQ(-ENOENT, client_stat(&self->nfs, "d1/removed"));
		ASSERT_EQ(id, read_object(file, NULL)) {
			TH_LOG("round %u", round);
		}
		ASSERT_TRUE(s->objects[id].exists);
		close(file);
		ASSERT_TRUE(is_removed(s, id));
	}
}

static int client_lock(int fd, int type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &lock) ? -errno : 0;
}

/*
 * The client gets errors until it has closed the file, which knfsd opens once for all
 * that one user opens.
 */
TEST_F_TIMEOUT(nfs, lock_that_servers_lose, SLOW_TIMEOUT)
{
	struct changes changes = {};
	struct server *s = self->s;
	int file, other;

	if (variant->version == 3)
		SKIP(return, "NFSv3 takes no locks without lockd");
	s->init_flags |= FUSE_POSIX_LOCKS;
	ASSERT_EQ(0, ask_for_handles(&self->nfs, s, &self->mount_fd));
	execute_changes(s, &changes);
	file = client_open(&self->nfs, "d1/file", O_RDWR);
	ASSERT_GE(file, 0);
	ASSERT_EQ(0, client_lock(file, F_WRLCK));
	ASSERT_EQ(1, changes.executed[FUSE_SETLK] + changes.executed[FUSE_SETLKW]);
	other = client_open(&self->nfs, "d1/file", O_RDWR);
	ASSERT_GE(other, 0);
	EXPECT_EQ(-EAGAIN, client_lock(other, F_WRLCK));
	ASSERT_EQ(object_at(s, "d1/file"), read_object(file, NULL));
	ASSERT_EQ(0, take_over_and_evict(s));
	EXPECT_EQ(-EIO, read_object(file, NULL));
	close(file);
	EXPECT_EQ(-EIO, read_object(other, NULL));
	close(other);
	file = client_open(&self->nfs, "d1/file", O_RDWR);
	ASSERT_GE(file, 0);
	EXPECT_EQ(0, client_lock(file, F_WRLCK));
	EXPECT_EQ(object_at(s, "d1/file"), read_object(file, NULL));
	close(file);
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

TEST_HARNESS_MAIN
