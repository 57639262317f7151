// SPDX-License-Identifier: GPL-2.0
/* The objects of one process, and the events that change them. */
#define _GNU_SOURCE
#include <sys/mount.h>

#include "fuzz.h"
#include "fuzz_objects.h"

const char *const who_names[FUZZ_WHO] = {
	"root", "user", "pid-ns", "container", "user-ns",
};

const char *const event_names[EVENTS] = {
	"kill", "reap", "respawn", "rename", "remove", "unshare",
};

enum event {
	EVENT_KILL, EVENT_REAP, EVENT_RESPAWN, EVENT_RENAME, EVENT_REMOVE,
	EVENT_UNSHARE,
};

/* The uts namespace of the process before any event. */
static int first_uts = -1;
static unsigned int volatile_file;

/* All names are known to make_case(). */
static void make_tree(void)
{
	static const char *const dirs[] = {
		"dir", "dir/sub", "dir/mnt", "bind", "ro", "lower", "ovl",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		mkdir(dirs[i], 0755);
	symlink("file", "link");
	symlink("nowhere", "dangling");
	symlink("loop", "loop");
	mkfifo("fifo", 0644);
	close_result(make_file(AT_FDCWD, "dir/sub/deep", "x"));
	close_result(make_file(AT_FDCWD, "lower/file", "x"));
	mount("second", "dir/mnt", "tmpfs", 0, NULL);
	mount("dir", "bind", NULL, MS_BIND, NULL);
	if (!mount("dir", "ro", NULL, MS_BIND, NULL))
		mount(NULL, "ro", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
	if (mount("ovl", "ovl", "overlay", 0,
		  "lowerdir=lower:dir,redirect_dir=nofollow,nfs_export=on"))
		mount("ovl", "ovl", "overlay", 0, "lowerdir=lower:dir");
}

static void add_files(struct fuzz_world *w)
{
	make_tree();
	add_path(w, "tmpfs", FS_TMPFS, ".", O_RDONLY);
	add_object(w, "file", FS_TMPFS, make_file(AT_FDCWD, "file", "x"));
	add_path(w, "file:path", FS_TMPFS, "file", O_PATH);
	add_object(w, "secret", FS_TMPFS, make_file(AT_FDCWD, "secret", "x"));
	chmod("secret", 0);
	add_path(w, "dir", FS_TMPFS, "dir", O_RDONLY);
	add_path(w, "sub", FS_TMPFS, "dir/sub", O_PATH);
	add_path(w, "deep", FS_TMPFS, "dir/sub/deep", O_RDONLY);
	add_path(w, "link", FS_TMPFS, "link", O_PATH | O_NOFOLLOW);
	add_path(w, "fifo", FS_TMPFS, "fifo", O_RDONLY | O_NONBLOCK);
	add_path(w, "bind", FS_TMPFS, "bind", O_RDONLY);
	add_path(w, "bind/sub", FS_TMPFS, "bind/sub", O_RDONLY);
	add_path(w, "ro", FS_TMPFS, "ro", O_RDONLY);
	add_path(w, "second", FS_TMPFS, "dir/mnt", O_RDONLY);
	add_object(w, "second/file", FS_TMPFS,
		   make_file(AT_FDCWD, "dir/mnt/file", "x"));
	add_path(w, "ovl", FS_OTHER, "ovl", O_RDONLY);
	add_path(w, "ovl/file", FS_OTHER, "ovl/file", O_RDONLY);
	add_path(w, "ovl/sub", FS_OTHER, "ovl/sub", O_RDONLY);
	/* Removed files. The first one is still open. */
	add_object(w, "removed:open", FS_TMPFS, make_file(AT_FDCWD, "gone", "x"));
	unlink("gone");
	close_object(w, add_object(w, "removed", FS_TMPFS,
				   make_file(AT_FDCWD, "gone", "x")));
	unlink("gone");
}

/* A file that exists, and is not open. */
static void make_volatile(struct fuzz_world *w)
{
	set_object(w, volatile_file, make_file(AT_FDCWD, "volatile", "x"));
	close(w->objects[volatile_file].fd);
	w->objects[volatile_file].fd = -1;
}

static bool may_unshare(const struct fuzz_world *w)
{
	return w->who == FUZZ_ROOT || w->who == FUZZ_PID_NS ||
	       w->who == FUZZ_CONTAINER;
}

static void spawn(struct fuzz_world *w, struct fuzz_slot *slot)
{
	int pidfd = -1;

	slot->pid = paused_child(may_unshare(w) ? CLONE_NEWUTS : 0, &pidfd);
	slot->state = SLOT_ALIVE;
	set_object(w, slot->object, pidfd);
	set_object(w, slot->ns, ns_of_pidfd(pidfd, &ns_kinds[NS_UTS]));
	w->objects[slot->object].pid = slot->pid > 0 ? slot->pid : 0;
	/* The namespace lives as long as the process. */
	if (may_unshare(w)) {
		close(w->objects[slot->ns].fd);
		w->objects[slot->ns].fd = -1;
	}
}

static void add_slots(struct fuzz_world *w)
{
	char name[32];
	unsigned int i;

	for (i = 0; i < SLOTS; i++) {
		snprintf(name, sizeof(name), "child%u", i);
		w->slots[i].object = add_object(w, name, FS_PIDFS, -1);
		snprintf(name, sizeof(name), "child%u:uts", i);
		w->slots[i].ns = add_object(w, name, FS_NSFS, -1);
		spawn(w, &w->slots[i]);
	}
}

static void add_own_namespaces(struct fuzz_world *w)
{
	char name[32];
	unsigned int i;

	w->first_own_ns = w->nr;
	for (i = 0; i < NS_KINDS; i++) {
		snprintf(name, sizeof(name), "%s:own", ns_kinds[i].name);
		add_object(w, name, FS_NSFS, ns_own(&ns_kinds[i]));
	}
	first_uts = ns_own(&ns_kinds[NS_UTS]);
}

int make_own_objects(struct fuzz_world *w)
{
	unsigned int first = w->nr;
	int root = enter_private_tmpfs();

	if (root < 0)
		return root;
	close(root);
	add_files(w);
	/* Events of the user rename a directory. */
	if (w->who == FUZZ_USER && (chown("dir", NOBODY, NOBODY) || become_user()))
		return -EPERM;
	volatile_file = add_object(w, "volatile", FS_TMPFS, -1);
	make_volatile(w);
	add_object(w, "self", FS_PIDFS, sys_pidfd_open(getpid(), 0));
	add_own_namespaces(w);
	add_slots(w);
	for (; first < w->nr; first++)
		w->objects[first].own = true;
	look_at_pids(w);
	return 0;
}

static void kill_slot(struct fuzz_world *w, struct fuzz_slot *slot)
{
	if (slot->state == SLOT_ALIVE) {
		make_zombie(slot->pid);
		slot->state = SLOT_ZOMBIE;
		/* Its inode number may be that of another namespace now. */
		if (may_unshare(w))
			w->objects[slot->ns].dev = 0;
	}
}

static int reap_slot(struct fuzz_world *w, struct fuzz_slot *slot)
{
	struct fuzz_object *o = &w->objects[slot->object];
	int ret = 0;

	kill_slot(w, slot);
	if (slot->state == SLOT_ZOMBIE)
		ret = reap_child(slot->pid);
	slot->state = SLOT_REAPED;
	o->pid = 0;
	close_object(w, slot->object);
	if (may_unshare(w))
		ret = wait_until_stale(&w->objects[slot->ns].fh[VARIANT_PLAIN]);
	return ret;
}

static void respawn(struct fuzz_world *w, struct fuzz_slot *slot)
{
	if (slot->state == SLOT_ALIVE)
		return;
	if (slot->state == SLOT_ZOMBIE)
		reap_slot(w, slot);
	close_object(w, slot->ns);
	spawn(w, slot);
}

static int rename_dir(struct fuzz_world *w)
{
	w->renamed = !w->renamed;
	return w->renamed ? rename("dir", "other") : rename("other", "dir");
}

static int remove_volatile(struct fuzz_world *w)
{
	w->removed = !w->removed;
	if (w->removed)
		return unlink("volatile");
	make_volatile(w);
	return 0;
}

bool is_own_namespace(const struct fuzz_world *w, const struct fuzz_object *o)
{
	unsigned int i;

	for (i = 0; i < NS_KINDS; i++) {
		const struct fuzz_object *own = &w->objects[w->first_own_ns + i];

		if (own->dev && own->dev == o->dev && own->ino == o->ino)
			return true;
	}
	return false;
}

static void look_at_own_uts(struct fuzz_world *w)
{
	const unsigned int own_uts = w->first_own_ns + NS_UTS;

	close_object(w, own_uts);
	set_object(w, own_uts, ns_own(&ns_kinds[NS_UTS]));
}

int make_event(struct fuzz_world *w, unsigned int event, unsigned int index)
{
	struct fuzz_slot *slot = &w->slots[index % SLOTS];
	int ret = 0;

	switch (event) {
	case EVENT_KILL:
		kill_slot(w, slot);
		break;
	case EVENT_REAP:
		ret = reap_slot(w, slot);
		break;
	case EVENT_RESPAWN:
		respawn(w, slot);
		break;
	case EVENT_RENAME:
		ret = rename_dir(w);
		break;
	case EVENT_REMOVE:
		ret = remove_volatile(w);
		break;
	case EVENT_UNSHARE:
		if (!may_unshare(w))
			break;
		ret = unshare(CLONE_NEWUTS);
		look_at_own_uts(w);
		break;
	}
	return ret < 0 && errno ? -errno : ret;
}

void undo_events(struct fuzz_world *w)
{
	const int uts = w->objects[w->first_own_ns + NS_UTS].fd;
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		respawn(w, &w->slots[i]);
	if (w->renamed)
		rename_dir(w);
	if (w->removed)
		remove_volatile(w);
	if (may_unshare(w) && uts >= 0 && !same_file(first_uts, uts)) {
		setns(first_uts, CLONE_NEWUTS);
		look_at_own_uts(w);
	}
}
