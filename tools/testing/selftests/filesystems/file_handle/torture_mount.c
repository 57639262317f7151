// SPDX-License-Identifier: GPL-2.0
/* Filesystems that are unmounted, a module, and a FUSE server that is killed. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sys/mount.h>

#include "sample.h"
#include "torture.h"
#include "../fuse/fuse_client.h"

#define OBJECT_SIZE	256
#define TAKEOVERS_MAX	4	/* of each server */

/* Exit status of a server whose kernel has no FUSE handles */
#define STATUS_MISSING	2

/* The file contains its own handle. */
static int store_handle(int fd, struct handle *fh)
{
	int ret = fd < 0 ? fd : encode(fd, fh);

	if (!ret && pwrite(fd, fh->data, fh->bytes, 0) != (ssize_t)fh->bytes)
		ret = -EIO;
	return ret;
}

static int mount_and_unmount(unsigned int *seed)
{
	struct slot *slot = &torture->targets[FIRST_TMPFS].slot;
	struct handle fh;
	int fd, ret;

	if (mount("torture", TORTURE_TMPFS, "tmpfs", 0, NULL))
		return -errno;
	fd = open(TORTURE_TMPFS "/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ret = fd < 0 ? -errno : store_handle(fd, &fh);
	close(fd);
	if (!ret)
		slot_set_handle(slot, &fh);
	pause_up_to(seed, 5);
	slot_set_state(slot, STATE_DYING);
	/* Others have files open. */
	if (umount2(TORTURE_TMPFS, MNT_DETACH))
		return -errno;
	slot_set_state(slot, STATE_REAPED);
	hit(HIT_UNMOUNT);
	return ret;
}

void unmount_tmpfs(void)
{
	unsigned int seed = 15;

	while (!stopped()) {
		if (!check(ADVERSARY_MOUNT, "mount and unmount",
			   mount_and_unmount(&seed)))
			break;
		change_processor(&seed);
	}
}

/* Others hold the module from time to time. */
static int unload_soon(unsigned int *seed)
{
	int i, ret = -EWOULDBLOCK;

	for (i = 0; i < RETRIES && ret == -EWOULDBLOCK; i++) {
		pause_up_to(seed, 2);
		ret = unload_module();
	}
	return ret;
}

static int load_and_unload(unsigned int *seed)
{
	struct slot *slot = &torture->targets[FIRST_SAMPLE].slot;
	int ret = load_module(), dev, fd;
	struct handle fh;

	if (ret)
		return ret;
	dev = open_device();
	if (dev < 0)
		return dev;
	fd = make_object(dev, "object", OBJECT_SIZE);
	ret = store_handle(fd, &fh);
	close_result(fd);
	if (!ret)
		slot_set_handle(slot, &fh);
	pause_up_to(seed, 20);
	slot_set_state(slot, STATE_DYING);
	close(dev);
	ret = ret ?: unload_soon(seed);
	if (ret)
		return ret;
	slot_set_state(slot, STATE_REAPED);
	hit(HIT_UNLOAD);
	return 0;
}

void unload_module_again(void)
{
	unsigned int seed = 16;

	while (!stopped()) {
		if (!check(ADVERSARY_MODULE, "load and unload the module",
			   load_and_unload(&seed)))
			break;
		change_processor(&seed);
	}
}

static int publish_file(struct server *s, unsigned int nr, const char *name)
{
	struct target *target = &torture->targets[FIRST_FUSE + nr];
	struct handle fh;
	int ret = name_handle(s, name, &fh, 0);

	target->id = child(s, ROOT, name);
	if (!ret)
		slot_set_handle(&target->slot, &fh);
	return ret;
}

/* The next server has the same objects and handles, so they are not gone for good. */
static void files_are_dying(void)
{
	unsigned int i;

	for (i = 0; i < TARGETS_FUSE; i++)
		slot_set_state(&torture->targets[FIRST_FUSE + i].slot,
			       STATE_DYING);
}

static int start_files(struct server **server)
{
	struct server *s = new_server();
	int ret;

	*server = s;
	if (!s)
		return -ENOMEM;
	/* The workers know this one. */
	rmdir(s->dir);
	snprintf(s->dir, sizeof(s->dir), "%s", TORTURE_FUSE);
	s->init_flags |= FUSE_REQUEST_HANDLE;
	ret = start_server(s) ?: try_stat(s, ".");
	if (ret)
		return ret;
	if (!(s->init_offer & FUSE_HAS_LOOKUP_HANDLE) ||
	    !(s->init_offer & FUSE_REQUEST_HANDLE))
		_exit(STATUS_MISSING);
	return use_all_processors(s) ?: publish_file(s, 0, "file") ?:
	       publish_file(s, 1, "other");
}

/* Takes over from itself some times, forgets its inodes, and is killed. */
static __noreturn void serve_files(unsigned int seed)
{
	unsigned int nr = random_number(&seed) % (TAKEOVERS_MAX + 1);
	struct server *s;
	int ret = start_files(&s);

	while (!ret && nr-- && !stopped()) {
		pause_up_to(&seed, 10);
		ret = take_over(s);
		if (!ret)
			hit(HIT_TAKEOVER);
		if (!ret && random_number(&seed) % 2)
			ret = evict(s);
	}
	pause_up_to(&seed, 10);
	if (!ret && s->violations)
		ret = -EPROTO;
	check(ADVERSARY_FUSE, "serve files", ret);
	files_are_dying();
	raise(SIGKILL);
	_exit(1);
}

static int serve_and_die(unsigned int *seed)
{
	pid_t pid = clone_child(0, NULL);
	int status, ret;

	if (pid < 0)
		return pid;
	if (!pid)
		serve_files(random_number(seed));
	status = -wait_status(pid, 0);
	if (status == STATUS_MISSING)
		torture->adversaries[ADVERSARY_FUSE].missing = NO_FUSE_HANDLES;
	ret = umount2(TORTURE_FUSE, MNT_DETACH) ? -errno : 0;
	if (status || ret)
		return ret ?: -ECHILD;
	hit(HIT_SERVER_DEATH);
	return 0;
}

void kill_server(void)
{
	struct adversary *fuse = &torture->adversaries[ADVERSARY_FUSE];
	unsigned int seed = 17;
	int ret = 0;

	while (!stopped() && !ret && !fuse->missing) {
		ret = serve_and_die(&seed);
		change_processor(&seed);
	}
	if (!fuse->missing)
		check(ADVERSARY_FUSE, "start a server", ret);
}
