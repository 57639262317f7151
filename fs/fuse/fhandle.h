/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Handles, by which a server identifies its inodes.
 *
 * fhandle.rs parses the handles that come from a server or from user space.
 */

#ifndef _FS_FUSE_FHANDLE_H
#define _FS_FUSE_FHANDLE_H

#include <linux/fuse.h>
#include <linux/stddef.h>
#include <linux/types.h>

struct dentry;
struct export_operations;
struct inode;
struct super_block;

#ifdef CONFIG_FUSE_HANDLE

/** The maximum size of a handle that is stored inline */
#define FUSE_FHANDLE_INLINE 24

/**
 * struct fuse_fhandle - handle of an inode; all zero if it is unknown
 */
struct fuse_fhandle {
	/** @len: size in bytes */
	u16 len;

	/** @hash: hash of the bytes, compared first */
	u32 hash;

	/** @data: the bytes, or a pointer to memory with them */
	union fuse_fhandle_data {
		u8 bytes[FUSE_FHANDLE_INLINE];
		u8 *ptr;
	} data;
};

/* The maximum size of a FUSE_EXT_HANDLE */
#define FUSE_EXT_HANDLE_MAX					\
	(sizeof(struct fuse_ext_header) +			\
	 sizeof(struct fuse_file_handle) + FUSE_MAX_HANDLE_SIZE)

/* fhandle.rs */
extern const struct export_operations fuse_handle_export_operations;
extern const struct export_operations fuse_handle_fid_operations;

static inline bool fuse_fhandle_known(const struct fuse_fhandle *fh)
{
	return fh->len;
}

void __fuse_fhandle_free(struct fuse_fhandle *fh);
int fuse_fhandle_copy(struct fuse_fhandle *to, const struct fuse_fhandle *from);
bool fuse_fhandle_same(const struct fuse_fhandle *a,
		       const struct fuse_fhandle *b);
bool fuse_fhandle_adopt(struct fuse_fhandle *known, struct fuse_fhandle *found);
int fuse_fhandle_parse(const struct fuse_entry2_out *entry, const u8 *buf,
		       size_t len, bool may_sleep, struct fuse_fhandle *fh);
ssize_t fuse_fhandle_dirent(const u8 *buf, size_t len, struct fuse_fhandle *fh);
size_t fuse_fhandle_ext(const struct fuse_fhandle *fh, u8 *buf, size_t room);

/* A handle that is unknown, as all are without handles, has no memory. */
static inline void fuse_fhandle_free(struct fuse_fhandle *fh)
{
	if (fuse_fhandle_known(fh))
		__fuse_fhandle_free(fh);
}

/* Return the size of a FUSE_EXT_HANDLE. */
static inline size_t fuse_fhandle_ext_size(const struct fuse_fhandle *fh)
{
	return sizeof(struct fuse_ext_header) +
	       sizeof(struct fuse_file_handle) + FUSE_REC_ALIGN(fh->len);
}

/* lookup_handle.c */
struct fuse_fhandle fuse_inode_fhandle(struct inode *inode);

/* fhandle_export.c */
struct dentry *fuse_fhandle_dentry(struct super_block *sb,
				   const struct fuse_fhandle *fh);
struct dentry *fuse_fhandle_dentry_nowait(struct super_block *sb,
					  const struct fuse_fhandle *fh);
struct dentry *fuse_fhandle_parent(struct dentry *child);
int fuse_fhandle_get_name(struct dentry *parent, struct dentry *child, u8 *name,
			  size_t room);

#else /* CONFIG_FUSE_HANDLE */

struct fuse_fhandle { };

static inline bool fuse_fhandle_known(const struct fuse_fhandle *fh)
{
	return false;
}

static inline void fuse_fhandle_free(struct fuse_fhandle *fh)
{
}

static inline int fuse_fhandle_copy(struct fuse_fhandle *to,
				    const struct fuse_fhandle *from)
{
	return 0;
}

static inline ssize_t fuse_fhandle_dirent(const u8 *buf, size_t len,
					  struct fuse_fhandle *fh)
{
	return 0;
}

static inline struct fuse_fhandle fuse_inode_fhandle(struct inode *inode)
{
	return (struct fuse_fhandle){};
}

#endif /* CONFIG_FUSE_HANDLE */

#endif /* _FS_FUSE_FHANDLE_H */
