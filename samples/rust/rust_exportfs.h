/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _SAMPLES_RUST_EXPORTFS_H
#define _SAMPLES_RUST_EXPORTFS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The room for a name, with the NUL that ends it. */
#define RUST_EXPORTFS_NAME_SIZE		32

/* How many bytes one object can hold. */
#define RUST_EXPORTFS_SIZE_MAX		(64 * 1024)

/* What all the objects of one user can be and hold. */
#define RUST_EXPORTFS_USER_OBJECTS	64
#define RUST_EXPORTFS_USER_BYTES	(256 * 1024)

/* The type of the file handles, and how many bytes they have. */
#define RUST_EXPORTFS_FILEID		0xf7
#define RUST_EXPORTFS_HANDLE_SIZE	16

struct rust_exportfs_make {
	char name[RUST_EXPORTFS_NAME_SIZE];
	__u32 size;		/* how many bytes it can hold at most */
};

struct rust_exportfs_remove {
	char name[RUST_EXPORTFS_NAME_SIZE];
};

/* Make an object, and return a file descriptor of it. */
#define RUST_EXPORTFS_MAKE	_IOW('|', 0x90, struct rust_exportfs_make)

/* Remove an object of the caller's. */
#define RUST_EXPORTFS_REMOVE	_IOW('|', 0x91, struct rust_exportfs_remove)

/* Return a file descriptor to pass to open_by_handle_at(2). */
#define RUST_EXPORTFS_ANCHOR	_IO('|', 0x92)

#endif /* _SAMPLES_RUST_EXPORTFS_H */
