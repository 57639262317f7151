// SPDX-License-Identifier: GPL-2.0

//! The namespace filesystem (nsfs).
//!
//! C implementation: [`fs/nsfs.c`](srctree/fs/nsfs.c)

use super::{
    NewFile,
    OwnedDentry,
    SuperBlock, //
};
use crate::{
    bindings,
    ns_common::NsCommon,
    prelude::*,
    sync::aref::ARef,
    BuiltIn, //
};

/// Returns `true` if `sb` is the superblock of nsfs.
#[inline]
pub fn is_nsfs(sb: &SuperBlock) -> bool {
    // SAFETY: The superblock is active, and `s_magic` does not change.
    let magic = unsafe { (*sb.as_raw()).s_magic };

    // CAST: The magic number has 32 bits.
    magic == bindings::NSFS_MAGIC as usize
}

/// Returns the dentry of a namespace.
///
/// The result is never [`None`]. An inactive namespace becomes active again. May sleep.
///
/// C: `nsfs_get_dentry()`.
///
/// # Errors
///
/// - `ENOMEM` if memory allocation fails.
#[inline]
pub fn dentry(_: BuiltIn, ns: ARef<NsCommon>) -> Result<Option<OwnedDentry<'static>>> {
    let ns = ARef::into_raw(ns).cast().as_ptr();

    // SAFETY: `ns` points to a valid namespace. The function consumes the reference, also on
    // failure.
    let dentry = unsafe { bindings::nsfs_get_dentry(ns) };

    // SAFETY: `nsfs_get_dentry()` returns an owned reference to a positive dentry, or an error
    // pointer. `nsfs_init()` mounts nsfs, which is never unmounted.
    unsafe { OwnedDentry::from_kern_mount(dentry) }
}

/// Opens the nsfs file of a namespace with the credentials of the current task.
///
/// An inactive namespace becomes active again. May sleep.
///
/// C: `open_namespace_file()`.
///
/// # Errors
///
/// - `ENOMEM` if memory allocation fails.
/// - The errors of `dentry_open()`.
#[inline]
pub fn open(_: BuiltIn, ns: ARef<NsCommon>) -> Result<NewFile> {
    let ns = ARef::into_raw(ns).cast().as_ptr();

    // SAFETY: `ns` points to a valid namespace. The function consumes the reference, also on
    // failure.
    let file = unsafe { bindings::open_namespace_file(ns) };

    // SAFETY: `open_namespace_file()` returns an owned reference to a file that it allocated, or an
    // error pointer. It installs no file descriptor.
    unsafe { NewFile::from_raw(file) }
}
