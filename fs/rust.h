/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Internal declarations of fs/ for built-in Rust code. The Rust bindings include
 * this header instead of fs/internal.h and fs/mount.h.
 */
#ifndef _FS_RUST_H
#define _FS_RUST_H

#include <linux/types.h>

struct dentry;
struct export_operations;
struct file;
struct file_handle;
struct filename;
struct handle_to_path_ctx;
struct iattr;
struct mnt_idmap;
struct ns_common;
struct path;
struct super_block;

/*
 * fs/namei.c
 */
int filename_lookup(int dfd, struct filename *name, unsigned int flags,
		    struct path *path, const struct path *root);

/*
 * fs/libfs.c
 */
int anon_inode_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
		       struct iattr *attr);
struct dentry *dentry_from_stashed(struct dentry **stashed,
				   struct super_block *sb, void *data);

/*
 * fs/pidfs.c and its Rust implementation, fs/pidfs_rust.rs
 */
void pidfs_get_root(struct path *path);
struct dentry *pidfs_ino_get_dentry(u64 ino);
struct file *pidfs_export_open(const struct path *path, unsigned int oflags);
extern const struct export_operations pidfs_rust_export_operations;

/*
 * fs/nsfs.c and its Rust implementation, fs/nsfs_rust.rs
 */
struct dentry *nsfs_get_dentry(struct ns_common *ns);
struct file *open_namespace_file(struct ns_common *ns);
extern const struct export_operations nsfs_rust_export_operations;
long nsfs_rust_ioctl(struct ns_common *ns, unsigned int cmd, unsigned long arg);

/*
 * fs/fhandle.c and its Rust implementation, rust/kernel/fs/fhandle/
 */
int fhandle_get_decode_ctx(int mountdirfd, unsigned int o_flags,
			   struct handle_to_path_ctx *ctx);
int fhandle_may_decode(struct handle_to_path_ctx *ctx, unsigned int o_flags);
int fhandle_acceptable(void *context, struct dentry *dentry);
long fhandle_rust_name(int dfd, const char __user *name,
		       struct file_handle __user *handle, void __user *mnt_id,
		       int flag);
long fhandle_rust_open(int mountdirfd, struct file_handle __user *handle,
		       int flags);

#endif /* _FS_RUST_H */
