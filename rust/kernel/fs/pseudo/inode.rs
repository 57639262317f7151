// SPDX-License-Identifier: GPL-2.0

//! The inodes of a pseudo filesystem, and what their dentries are called.

use super::{
    file,
    FileSystem,
    Object, //
};
use crate::{
    bindings,
    fs::Dentry,
    prelude::*,
    str::Formatter,
    sync::Arc, //
};
use core::fmt::Write as _;

/// The number of the root's inode, as `init_pseudo()` has it.
const ROOT_INO: u64 = 1;

const OPERATIONS: bindings::inode_operations = bindings::inode_operations {
    setattr: Some(setattr),
    ..pin_init::zeroed()
};

/// Makes the inode of the root directory. Returns null if there is no memory for it.
///
/// Nobody can look for anything in it, or change to it.
///
/// # Safety
///
/// `sb` must be a superblock that [`SuperBlock::<T>::fill`](super::SuperBlock::fill) is setting up.
pub(super) unsafe fn new_root<T: FileSystem>(
    sb: *mut bindings::super_block,
) -> *mut bindings::inode {
    // SAFETY: The caller passes a valid superblock.
    let inode = unsafe { bindings::new_inode(sb) };
    if inode.is_null() {
        return inode;
    }

    // INVARIANT: `new_inode()` made `i_private` null.
    // SAFETY: The inode is new and ours alone.
    unsafe {
        (*inode).i_ino = ROOT_INO;
        (*inode).i_mode = (bindings::S_IFDIR | 0o600) as bindings::umode_t;
        (*inode).i_op = &OPERATIONS;
        (*inode).__bindgen_anon_3.i_fop = file::root_operations::<T>();
    }

    // SAFETY: As above.
    unsafe { bindings::simple_inode_init_ts(inode) };
    inode
}

/// Makes a new inode that of `object`, and unlocks it.
///
/// # Safety
///
/// `inode` must be one of a superblock of `T` that `iget_locked()` returned as new.
pub(super) unsafe fn init<T: FileSystem>(inode: *mut bindings::inode, object: Arc<T::Private>) {
    // SAFETY: The inode is new, and nobody else looks at it before it is unlocked.
    unsafe {
        (*inode).i_mode = (bindings::S_IFREG | 0o600) as bindings::umode_t;
        (*inode).i_uid = object.uid().into_raw();
        (*inode).i_op = &OPERATIONS;
        (*inode).__bindgen_anon_3.i_fop = file::operations::<T>();
    }

    // SAFETY: As above, so nobody else writes the size.
    unsafe { bindings::i_size_write(inode, file::size::<T>(&object)) };

    // SAFETY: As above.
    unsafe { bindings::simple_inode_init_ts(inode) };

    // INVARIANT: The reference to the object passes to the inode.
    // SAFETY: As above.
    unsafe { (*inode).i_private = Arc::into_raw(object).cast_mut().cast() };

    // SAFETY: The caller passes an inode that is new.
    unsafe { bindings::unlock_new_inode(inode) };
}

/// Drops the object of an inode.
///
/// # Safety
///
/// As `evict_inode` of `struct super_operations`, for an inode of a superblock of `T`.
pub(super) unsafe extern "C" fn evict<T: FileSystem>(inode: *mut bindings::inode) {
    // SAFETY: The caller passes an inode that nobody uses any more.
    unsafe { bindings::truncate_inode_pages_final(&raw mut (*inode).i_data) };

    // SAFETY: As above.
    unsafe { bindings::clear_inode(inode) };

    // SAFETY: As above.
    let object: *const T::Private = unsafe { (*inode).i_private }.cast();
    if !object.is_null() {
        // SAFETY: By the invariants of the superblock, it is an `Arc` that the inode owns. Nobody
        // can have an `&Inode`, whose object it would be, because nobody has a reference.
        drop(unsafe { Arc::from_raw(object) });
    }
}

/// Refuses to change attributes, as `anon_inode_setattr()` does.
///
/// # Safety
///
/// None; the signature is that of `setattr` of `struct inode_operations`.
unsafe extern "C" fn setattr(
    _idmap: *mut bindings::mnt_idmap,
    _dentry: *mut bindings::dentry,
    _attr: *mut bindings::iattr,
) -> c_int {
    EOPNOTSUPP.to_errno()
}

/// Tells what a file is called in /proc: the filesystem and the number of the inode.
///
/// C: `dynamic_dname()`, which modules cannot use.
///
/// # Safety
///
/// As `d_dname` of `struct dentry_operations`: `dentry` is that of a path that is referenced, and
/// `buffer` has room for `len` bytes.
pub(super) unsafe extern "C" fn d_dname<T: FileSystem>(
    dentry: *mut bindings::dentry,
    buffer: *mut c_char,
    len: c_int,
) -> *mut c_char {
    // SAFETY: The caller passes a referenced dentry, whose path keeps the superblock.
    let dentry = unsafe { Dentry::from_raw(dentry) };
    let mut name = [0; 64];
    let Some(name) = format_name::<T>(dentry, &mut name) else {
        return ENAMETOOLONG.to_ptr();
    };

    // The callers expect the name at the end of the buffer.
    let Some(start) = (len as usize).checked_sub(name.len()) else {
        return ENAMETOOLONG.to_ptr();
    };

    // SAFETY: `start` is within the buffer.
    let start = unsafe { buffer.add(start) };

    // SAFETY: From `start` on, the buffer has room for the name, and is not where it is now.
    unsafe { start.copy_from_nonoverlapping(name.as_ptr().cast(), name.len()) };
    start
}

/// Writes the name of a dentry and a NUL to the start of a buffer of zeros, and returns both.
fn format_name<'a, T: FileSystem>(dentry: &Dentry, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let ino = dentry.inode()?.ino();
    let mut formatter = Formatter::new(buffer);
    formatter.write_fmt(fmt!("{}:[{}]", T::NAME, ino)).ok()?;
    let len = formatter.bytes_written();

    buffer.get(..=len)
}
