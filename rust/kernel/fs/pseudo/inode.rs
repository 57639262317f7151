// SPDX-License-Identifier: GPL-2.0

//! The inodes of a pseudo filesystem, and the names of their dentries.

use super::{
    file::{
        self,
        FileOperations, //
    },
    FileSystem,
    Object, //
};
use crate::{
    bindings,
    error::from_err_ptr,
    fs::{
        Dentry,
        OwnedDentry,
        SuperBlock, //
    },
    prelude::*,
    sync::Arc, //
};
use core::ptr::NonNull;

// These two are statics and not constants, so that they are part of the kernel: the C functions
// that they lead to are not exported to modules.

static OPERATIONS: bindings::inode_operations = bindings::inode_operations {
    setattr: Some(bindings::anon_inode_setattr),
    ..pin_init::zeroed()
};

static DENTRY_OPERATIONS: bindings::dentry_operations = bindings::dentry_operations {
    d_dname: Some(d_dname),
    ..pin_init::zeroed()
};

// A module is to call these functions, not to take the addresses of the statics itself: QEMU before
// 8.1 gets such an address wrong on s390, where modules are more than 2 GiB away from the kernel.

#[inline(never)]
fn operations() -> *const bindings::inode_operations {
    &raw const OPERATIONS
}

#[inline(never)]
pub(super) fn dentry_operations() -> *const bindings::dentry_operations {
    &raw const DENTRY_OPERATIONS
}

/// Returns the dentry of an object. Creates the inode and the dentry if there are none.
///
/// # Safety
///
/// The caller must ensure that `sb` is a superblock of a
/// [`FileSystemType<T>`](super::FileSystemType).
pub(super) unsafe fn dentry<T: FileSystem>(
    sb: &SuperBlock,
    object: Arc<T::Private>,
) -> Result<OwnedDentry<'_>> {
    // SAFETY: The superblock is active by its type invariants.
    let inode = unsafe { bindings::iget_locked(sb.as_raw(), object.ino()) };
    if inode.is_null() {
        return Err(ENOMEM);
    }

    // SAFETY: `iget_locked()` returned a reference to the inode.
    let state = unsafe { bindings::inode_state_read_once(inode) };
    if state & bindings::inode_state_flags_enum_I_NEW != 0 {
        // SAFETY: `iget_locked()` returned an inode of this superblock, with `I_NEW`.
        unsafe { init::<T>(inode, object) };
    }

    // SAFETY: `d_obtain_alias()` consumes the reference to the inode.
    let dentry = from_err_ptr(unsafe { bindings::d_obtain_alias(inode) })?;

    // SAFETY: `d_obtain_alias()` does not return null.
    let dentry = unsafe { NonNull::new_unchecked(dentry) };

    // SAFETY: `d_obtain_alias()` returned a reference to a positive dentry of this superblock.
    Ok(unsafe { OwnedDentry::from_raw(dentry, sb) })
}

/// Sets up a new inode for `object`, and unlocks it.
///
/// # Safety
///
/// The caller must ensure that `inode` is an inode of a superblock of a
/// [`FileSystemType<T>`](super::FileSystemType), and that `iget_locked()` returned it with `I_NEW`.
unsafe fn init<T: FileSystem>(inode: *mut bindings::inode, object: Arc<T::Private>) {
    // SAFETY: `I_NEW` keeps everybody else from using the inode.
    unsafe {
        (*inode).i_mode = (bindings::S_IFREG | 0o600) as bindings::umode_t;
        (*inode).i_uid = object.uid().into_raw();
        (*inode).i_op = operations();
        (*inode).__bindgen_anon_3.i_fop = FileOperations::<T>::build();
    }

    // SAFETY: `I_NEW` keeps others from writing the size.
    unsafe { bindings::i_size_write(inode, file::size(&*object)) };

    // SAFETY: The inode is valid, and nobody else uses its timestamps.
    unsafe { bindings::simple_inode_init_ts(inode) };

    // INVARIANT: The inode takes over the reference to the object.
    // SAFETY: `I_NEW` keeps everybody else from using the inode.
    unsafe { (*inode).i_private = Arc::into_raw(object).cast_mut().cast() };

    // SAFETY: By the contract of this function, the inode is `I_NEW`.
    unsafe { bindings::unlock_new_inode(inode) };
}

/// Drops the object of an inode.
///
/// # Safety
///
/// The caller must ensure that `inode` is an inode of a superblock of a
/// [`FileSystemType<T>`](super::FileSystemType) that nobody uses any more.
pub(super) unsafe extern "C" fn evict<T: FileSystem>(inode: *mut bindings::inode) {
    // SAFETY: By the contract of this function, nobody uses the inode. It never has pages.
    unsafe { bindings::clear_inode(inode) };

    // SAFETY: By the contract of this function, the inode is valid.
    let object: *const T::Private = unsafe { (*inode).i_private }.cast();
    if !object.is_null() {
        // SAFETY: By the invariants of `FileSystemType`, the inode owns this `Arc`. Nobody can have
        // an `&Inode` that borrows it, because the inode has no references.
        drop(unsafe { Arc::from_raw(object) });
    }
}

/// Generates the name of a file: the name of the filesystem and the inode number.
///
/// # Safety
///
/// The caller must ensure that `dentry` belongs to a path of a pseudo filesystem, that it holds
/// the path, and that `buffer` has room for `len` bytes.
unsafe extern "C" fn d_dname(
    dentry: *mut bindings::dentry,
    buffer: *mut c_char,
    len: c_int,
) -> *mut c_char {
    // SAFETY: The path of the caller references the dentry and keeps the superblock active. Only
    // `d_obtain_alias()` creates dentries with these operations, and only positive ones.
    let dentry = unsafe { Dentry::from_raw(dentry) };
    // SAFETY: The superblock is active by its type invariants; `s_type` does not change.
    let s_type = unsafe { (*dentry.super_block().as_raw()).s_type };
    // SAFETY: A superblock holds its type, whose name does not change.
    let name = unsafe { (*s_type).name };
    let ino = dentry.inode().ino();

    // SAFETY: By the contract of this function, `buffer` has room for `len` bytes. The format takes
    // a string and an `unsigned long long`.
    unsafe { bindings::dynamic_dname(buffer, len, c"%s:[%llu]".as_char_ptr(), name, ino) }
}
