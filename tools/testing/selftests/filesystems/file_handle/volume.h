/* SPDX-License-Identifier: GPL-2.0 */
/* Filesystems of several types, on devices that the tests make. */
#ifndef __SELFTEST_FILE_HANDLE_VOLUME_H
#define __SELFTEST_FILE_HANDLE_VOLUME_H

#include <endian.h>

#include "file_handle.h"

#define VOLUME_NAME_MAX	64

/* The index of the 32-bit word that has a half of a 64-bit number */
#define LOWER_HALF	(__BYTE_ORDER == __BIG_ENDIAN)
#define UPPER_HALF	(!LOWER_HALF)

enum volume_kind {
	VOLUME_TMPFS,
	VOLUME_KERNFS,		/* the cgroup2 filesystem */
	VOLUME_EXT4,
	VOLUME_BTRFS,
	VOLUME_XFS,
	VOLUME_KINDS,
};

/*
 * A mounted filesystem. The image of a disk is a sparse file on the private
 * tmpfs of the test, behind a loop device. All images of a kind that a program
 * makes have the same UUID.
 */
struct volume {
	enum volume_kind kind;
	int tmpfs;		/* the root of the private tmpfs */
	int device;		/* the loop device, or -1 */
	int root;		/* a directory of the test: the mount descriptor */
	char name[VOLUME_NAME_MAX];	/* of the loop device */
	char path[VOLUME_NAME_MAX];	/* of @root */
};

extern const char *const volume_names[VOLUME_KINDS];

/*
 * Creates a filesystem and mounts it in a new mount namespace. Returns "", the
 * reason to skip the test, or NULL on failure.
 */
const char *volume_make(struct volume *v, enum volume_kind kind);

/* Unmounts the filesystem. Fails if a reference to it has leaked. */
int volume_remove(struct volume *v);

/* Returns true if the filesystem reads inodes from a device. */
bool volume_is_disk(enum volume_kind kind);

/*
 * Drops all inodes and dentries of a disk by mounting it again. Other
 * filesystems stay as they are.
 */
int volume_forget(struct volume *v);

/* Unmounts, and mounts again. @flags are those of umount2(). */
int volume_unmount(struct volume *v, int flags);
int volume_mount(struct volume *v);

/* Returns a new mount descriptor, or -EAGAIN while nothing is mounted. */
int volume_open_root(const struct volume *v);

/* Writes back the data, and drops inodes and dentries without references. */
int volume_evict(struct volume *v);

/*
 * Returns true if @error says that there is no such file: ESTALE. ext4 also
 * returns ENOMEM while it creates an inode with the same number, because
 * iget_locked() then returns NULL. kernfs also returns ENODEV while it removes
 * the file.
 */
bool volume_is_stale(const struct volume *v, int error);

/* Drops inodes and dentries of the whole machine. */
int drop_all_caches(void);

/*
 * Files. A file contains its number, except on kernfs, where it is the list of
 * processes of a new control group, and is identified by its inode number.
 */

/* Creates the file @name with the number @id, and encodes its handle. */
int volume_add(const struct volume *v, const char *name, __u64 id,
	       struct handle *fh);

int volume_unlink(const struct volume *v, const char *name);

/* Returns the path of the file @name, until the next call of the thread. */
const char *volume_file(const struct volume *v, const char *name);

/* Returns the number of the open file @fd with the handle @fh, or 0. */
__u64 volume_id(const struct volume *v, int fd, const struct handle *fh,
		__u64 id);

/*
 * Returns the offset of the generation in handles of the filesystem, which has
 * four bytes.
 */
unsigned int volume_generation_offset(const struct volume *v,
				      const struct handle *fh);

/* Returns the positive number in a variable of the environment, or @otherwise. */
unsigned int from_environment(const char *name, unsigned int otherwise);

#endif /* __SELFTEST_FILE_HANDLE_VOLUME_H */
