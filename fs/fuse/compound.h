/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Several requests in one FUSE_COMPOUND
 */

#ifndef _FS_FUSE_COMPOUND_H
#define _FS_FUSE_COMPOUND_H

#include "args.h"

#include <linux/fuse.h>

struct fuse_mount;
struct mnt_idmap;

/* The maximum number of requests in a compound */
#define FUSE_COMPOUND_MAX	4

/* The request does not depend on another one */
#define FUSE_NO_DEPENDENCY	0xff

/**
 * struct fuse_compound_op - one request of a compound
 */
struct fuse_compound_op {
	/** @args: the request, which has no pages and no &fuse_args.end */
	struct fuse_args *args;

	/**
	 * @error: receives a negative errno, or, on success, the size of the last
	 * output argument if that is variable, or else 0
	 */
	int *error;

	/**
	 * @dep_index: index of an earlier request, whose output arguments start
	 * with the nodeid for this one, or FUSE_NO_DEPENDENCY
	 */
	u8 dep_index;
};

/* compound.c */
int fuse_compound_send(struct mnt_idmap *idmap, struct fuse_mount *fm,
		       const struct fuse_compound_op *ops, unsigned int nr);

/* compound_rust.rs */
int fuse_compound_parse(const struct fuse_compound_out *out, const u8 *buf,
			size_t len, const struct fuse_compound_op *ops,
			size_t nr);

#endif /* _FS_FUSE_COMPOUND_H */
