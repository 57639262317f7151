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

// The two tables are `static` rather than `const`, so that they are part of the kernel image. They
// refer to C functions that are not exported to modules.

static OPERATIONS: bindings::inode_operations = bindings::inode_operations {
    setattr: Some(bindings::anon_inode_setattr),
    ..pin_init::zeroed()
};

static DENTRY_OPERATIONS: bindings::dentry_operations = bindings::dentry_operations {
    d_dname: Some(d_dname),
    ..pin_init::zeroed()
};

// Modules call the following functions instead of taking the addresses of the tables. On s390,
// modules are more than 2 GiB away from the kernel, and QEMU before 8.1 computes such an address
// incorrectly.

#[inline(never)]
fn operations() -> *const bindings::inode_operations {
    &raw const OPERATIONS
}

#[inline(never)]
pub(super) fn dentry_operations() -> *const bindings::dentry_operations {
    &raw const DENTRY_OPERATIONS
}

/// Returns the dentry of an object. Creates the inode and the dentry if they do not exist.
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

    // SAFETY: `iget_locked()` returned an owned reference, so the inode is valid.
    let state = unsafe { bindings::inode_state_read_once(inode) };
    if state & bindings::inode_state_flags_enum_I_NEW != 0 {
        // SAFETY: `iget_locked()` returned an inode of this superblock, with `I_NEW`.
        unsafe { init::<T>(inode, object) };
    }

    // SAFETY: This function owns a reference to the inode, which `d_obtain_alias()` consumes, also
    // on failure.
    let dentry = from_err_ptr(unsafe { bindings::d_obtain_alias(inode) })?;

    // SAFETY: `d_obtain_alias()` returns a valid pointer or an error pointer, and `dentry` is not
    // an error pointer.
    let dentry = unsafe { NonNull::new_unchecked(dentry) };

    // SAFETY: `d_obtain_alias()` returned an owned reference to a positive dentry of the inode,
    // which is on `sb`.
    Ok(unsafe { OwnedDentry::from_raw(dentry, sb) })
}

/// Returns the dentry of the inode with the number `ino`. Creates the dentry if it does not exist.
///
/// # Errors
///
/// - `EAGAIN` if the inode is not cached, new or being freed.
/// - `ENOMEM` if memory allocation fails.
pub(super) fn dentry_nowait(sb: &SuperBlock, mut ino: u64) -> Result<OwnedDentry<'_>> {
    // SAFETY: The superblock is active by its type invariants. `has_number()` expects a pointer to
    // a `u64`, and `ino` is valid during the call.
    let inode = unsafe {
        bindings::ilookup_nowait(sb.as_raw(), ino, Some(has_number), (&raw mut ino).cast())
    };

    // SAFETY: `inode` is NULL, an error pointer, or an owned reference. `d_obtain_alias_nowait()`
    // accepts all three, and consumes the reference, also on failure.
    let dentry = from_err_ptr(unsafe { bindings::d_obtain_alias_nowait(inode) })?;

    // SAFETY: `d_obtain_alias_nowait()` returns a valid pointer or an error pointer, and `dentry`
    // is not an error pointer.
    let dentry = unsafe { NonNull::new_unchecked(dentry) };

    // SAFETY: `d_obtain_alias_nowait()` returned an owned reference to a positive dentry of the
    // inode, which is on `sb`.
    Ok(unsafe { OwnedDentry::from_raw(dentry, sb) })
}

/// Compares the number of an inode, for `ilookup_nowait()`.
///
/// # Safety
///
/// The caller must ensure that `inode` is valid, and that `ino` points to a valid `u64`.
unsafe extern "C" fn has_number(inode: *mut bindings::inode, ino: *mut c_void) -> c_int {
    // SAFETY: The caller ensures that both pointers are valid. The number of an inode in the hash
    // does not change.
    c_int::from(unsafe { (*inode).i_ino == *ino.cast::<u64>() })
}

/// Initialises a new inode for `object` and clears `I_NEW`.
///
/// # Safety
///
/// The caller must ensure that `inode` is an inode of a superblock of a
/// [`FileSystemType<T>`](super::FileSystemType), and that `iget_locked()` returned it with `I_NEW`.
unsafe fn init<T: FileSystem>(inode: *mut bindings::inode, object: Arc<T::Private>) {
    // SAFETY: The caller ensures that the inode is valid. Other tasks do not access an inode with
    // `I_NEW` set.
    unsafe {
        (*inode).i_mode = (bindings::S_IFREG | 0o600) as bindings::umode_t;
        (*inode).i_uid = object.uid().into_raw();
        (*inode).i_op = operations();
        (*inode).__bindgen_anon_3.i_fop = FileOperations::<T>::build();
    }

    // SAFETY: The inode is valid. `I_NEW` is set, so no other task writes `i_size`.
    unsafe { bindings::i_size_write(inode, file::size(&*object)) };

    // SAFETY: The inode is valid. `I_NEW` is set, so no other task accesses its timestamps.
    unsafe { bindings::simple_inode_init_ts(inode) };

    // INVARIANT: `i_private` takes ownership of the reference to the object.
    // SAFETY: The inode is valid. `I_NEW` is set, so no other task accesses it.
    unsafe { (*inode).i_private = Arc::into_raw(object).cast_mut().cast() };

    // SAFETY: The caller ensures that `I_NEW` is set.
    unsafe { bindings::unlock_new_inode(inode) };
}

/// Drops the object of an inode.
///
/// # Safety
///
/// The caller must ensure that `inode` is an inode of a superblock of a
/// [`FileSystemType<T>`](super::FileSystemType), and that the inode has no references.
pub(super) unsafe extern "C" fn evict<T: FileSystem>(inode: *mut bindings::inode) {
    // SAFETY: The caller ensures that the inode has no references. It has no pages, because its
    // files do not use the page cache.
    unsafe { bindings::clear_inode(inode) };

    // SAFETY: The caller ensures that the inode is valid.
    let object: *const T::Private = unsafe { (*inode).i_private }.cast();
    if !object.is_null() {
        // SAFETY: By the invariants of `FileSystemType`, the inode owns this `Arc`. No `&Inode`
        // borrows the object, because an `&Inode` requires a positive refcount.
        drop(unsafe { Arc::from_raw(object) });
    }
}

/// Implements `->d_dname()`: generates the name of a file, such as `textfs:[2]`.
///
/// # Safety
///
/// The caller must ensure that:
///
/// - `dentry` is the dentry of a path on a pseudo filesystem, and the caller holds the path.
/// - `buffer` has room for `len` bytes.
unsafe extern "C" fn d_dname(
    dentry: *mut bindings::dentry,
    buffer: *mut c_char,
    len: c_int,
) -> *mut c_char {
    // SAFETY: The caller holds a path, which references the dentry and keeps the superblock active.
    // The dentry is positive, because `d_obtain_alias()` creates all dentries with these operations
    // to which a path leads.
    let dentry = unsafe { Dentry::from_raw(dentry) };
    // SAFETY: The superblock is active by its type invariants; `s_type` does not change.
    let s_type = unsafe { (*dentry.super_block().as_raw()).s_type };
    // SAFETY: A superblock keeps its type valid, and the name of the type does not change.
    let name = unsafe { (*s_type).name };
    let ino = dentry.inode().ino();

    // SAFETY: The caller ensures that `buffer` has room for `len` bytes. The format takes a string
    // and an `unsigned long long`.
    unsafe { bindings::dynamic_dname(buffer, len, c"%s:[%llu]".as_char_ptr(), name, ino) }
}
