/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Helpers for tests of rust_exportfs, the sample of a pseudo filesystem with
 * signed file handles.
 *
 * RUST_EXPORTFS_MODULE is the path of the module if it is not in /lib/modules.
 */
#ifndef __SELFTEST_FILE_HANDLE_SAMPLE_H
#define __SELFTEST_FILE_HANDLE_SAMPLE_H

#include "file_handle.h"
#include "../../../../../samples/rust/rust_exportfs.h"

#define MODULE		"rust_exportfs"
#define MODULE_FILE	"/lib/modules/" MODULE ".ko"
#define DEVICE		"/dev/" MODULE

const char *module_file(void);
int load_module(void);

/* Returns -EWOULDBLOCK while the module is in use. */
int unload_module(void);

int open_device(void);
int make_object(int dev, const char *name, __u32 size);
int remove_object(int dev, const char *name);
int make_anchor(int dev);

/* Creates an object that contains @content, and encodes its handle. */
int make_handle(int dev, const char *name, const char *content,
		struct handle *fh);

/* Changes the effective user. The real user stays root. */
int act_as(uid_t uid);

/* Changes all user and group IDs. */
int become(uid_t uid);

/* Result of a child that has opened the object. */
#define FOUND		0

/* Decodes in a child of user @uid. Returns FOUND or an error. */
int decode_as_uid(uid_t uid, int anchor, const struct handle *fh);

bool holds(int fd, const char *content);

/* A probe. Returns the reason to skip a fixture, or NULL. */
const char *sample_missing(void);

#endif /* __SELFTEST_FILE_HANDLE_SAMPLE_H */
