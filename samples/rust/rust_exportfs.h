/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _SAMPLES_RUST_EXPORTFS_H
#define _SAMPLES_RUST_EXPORTFS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Size of a name, including its terminating NUL. */
#define RUST_EXPORTFS_NAME_SIZE		32

/* Maximum capacity of an object in bytes. */
#define RUST_EXPORTFS_SIZE_MAX		(64 * 1024)

/* Limits of a user: number of objects, and their total capacity in bytes. */
#define RUST_EXPORTFS_USER_OBJECTS	64
#define RUST_EXPORTFS_USER_BYTES	(256 * 1024)

/* handle_type and handle_bytes of the file handles. */
#define RUST_EXPORTFS_FILEID		0xf7
#define RUST_EXPORTFS_HANDLE_SIZE	16

struct rust_exportfs_make {
	char name[RUST_EXPORTFS_NAME_SIZE];
	__u32 size;		/* capacity in bytes */
};

struct rust_exportfs_remove {
	char name[RUST_EXPORTFS_NAME_SIZE];
};

/* Create an object and return a file descriptor of its file. */
#define RUST_EXPORTFS_MAKE	_IOW('|', 0x90, struct rust_exportfs_make)

/* Remove an object that the caller owns. */
#define RUST_EXPORTFS_REMOVE	_IOW('|', 0x91, struct rust_exportfs_remove)

/* Return a file descriptor for the argument mount_fd of open_by_handle_at(2). */
#define RUST_EXPORTFS_ANCHOR	_IO('|', 0x92)

#endif /* _SAMPLES_RUST_EXPORTFS_H */
