// SPDX-License-Identifier: GPL-2.0

//! The filesystem of namespaces.
//!
//! What [`fs/nsfs.c`](srctree/fs/nsfs.c) keeps for its C and its Rust file handles alike: the
//! dentry of a namespace. Built-in code only.

use super::Path;
use crate::{
    bindings,
    ns_common::NsCommon,
    prelude::*,
    sync::aref::ARef, //
};

/// Returns the path of a namespace in nsfs, and makes its inode and dentry if there are none. That
/// makes the namespace active again if it was not.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::nsfs,
///     ns_common::NsCommon, //
/// };
///
/// let id = u64::from(kernel::bindings::init_ns_id_MNT_NS_INIT_ID);
/// let path = nsfs::path(NsCommon::lookup(id, None).ok_or(ENOENT)?)?;
///
/// // The initial namespaces have inode numbers that user space knows.
/// let inode = path.dentry().inode().ok_or(ENOENT)?;
/// assert_eq!(inode.ino(), u64::from(kernel::bindings::init_ns_ino_MNT_NS_INIT_INO));
/// assert_eq!(inode.super_block().magic(), kernel::bindings::NSFS_MAGIC as usize);
/// # Ok::<(), Error>(())
/// ```
///
/// C: `path_from_stashed()`. May sleep.
#[inline]
pub fn path(ns: ARef<NsCommon>) -> Result<Path> {
    // SAFETY: `nsfs_mnt` is set by `nsfs_init()`, before there is a task that could ask, and not
    // changed afterwards.
    let mnt = unsafe { bindings::nsfs_mnt };
    let ns = ARef::into_raw(ns).cast::<bindings::ns_common>().as_ptr();

    // SAFETY: `stashed` is a field of a valid namespace.
    let stashed = unsafe { &raw mut (*ns).stashed };

    // SAFETY: `nsfs_mnt` is the mount whose stashed operations take a `struct ns_common`, of which
    // we own a reference; `stashed` stays where it is while the namespace is referenced.
    unsafe { Path::from_stashed(stashed, mnt, ns.cast()) }
}
