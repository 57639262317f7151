/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Handles: what a server names its inodes by.
 *
 * The functions are in fhandle.rs. All that comes from a server or from user
 * space is read there, and nowhere else.
 */

#ifndef _FS_FUSE_FHANDLE_H
#define _FS_FUSE_FHANDLE_H

#include <linux/fuse.h>
#include <linux/stddef.h>
#include <linux/types.h>

#ifdef CONFIG_FUSE_HANDLE

/** Handles up to this size need no memory of their own */
#define FUSE_FHANDLE_INLINE 24

/**
 * struct fuse_fhandle - handle of an inode; all-zero if it has none
 */
struct fuse_fhandle {
	/** @len: size in bytes */
	u16 len;

	/** @hash: of the bytes, to tell most handles apart by */
	u32 hash;

	/** @data: the bytes, or a pointer that owns them */
	union fuse_fhandle_data {
		u8 bytes[FUSE_FHANDLE_INLINE];
		u8 *ptr;
	} data;
};

/**
 * struct fuse_handle_found - what a lookup by handle has found
 */
struct fuse_handle_found {
	/**
	 * @entry: the entry; if its nodeid is not 0, the server has counted a
	 * lookup, even if the reply is wrong in what follows
	 */
	struct fuse_entry2_out entry;

	/** @statx: the attributes */
	struct fuse_statx_out statx;

	/** @fhandle: the handle, which is the caller's to free */
	struct fuse_fhandle fhandle;
};

/* The size of the largest FUSE_EXT_HANDLE */
#define FUSE_EXT_HANDLE_MAX					\
	FUSE_REC_ALIGN(sizeof(struct fuse_ext_header) +		\
		       sizeof(struct fuse_file_handle) + FUSE_MAX_HANDLE_SIZE)

void fuse_fhandle_free(struct fuse_fhandle *fh);
int fuse_fhandle_copy(struct fuse_fhandle *to, const struct fuse_fhandle *from);
bool fuse_fhandle_same(const struct fuse_fhandle *a,
		       const struct fuse_fhandle *b);
bool fuse_fhandle_adopt(struct fuse_fhandle *known, struct fuse_fhandle *found);
int fuse_fhandle_parse(const u8 *buf, size_t len, bool may_sleep,
		       struct fuse_fhandle *fh);
int fuse_fhandle_parse_compound(const u8 *buf, size_t len,
				struct fuse_handle_found *found);
size_t fuse_fhandle_ext(const struct fuse_fhandle *fh, u8 *buf, size_t room);
int fuse_fhandle_encode(const struct fuse_fhandle *fh,
			const struct fuse_fhandle *parent, u32 *fid,
			int *max_len);
int fuse_fhandle_decode(const u32 *fid, int len, int type, bool parent,
			struct fuse_fhandle *fh);

#else /* CONFIG_FUSE_HANDLE */

struct fuse_fhandle { };

static inline void fuse_fhandle_free(struct fuse_fhandle *fh)
{
}

static inline int fuse_fhandle_copy(struct fuse_fhandle *to,
				    const struct fuse_fhandle *from)
{
	return 0;
}

#endif /* CONFIG_FUSE_HANDLE */

#endif /* _FS_FUSE_FHANDLE_H */
