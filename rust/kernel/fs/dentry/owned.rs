// SPDX-License-Identifier: GPL-2.0

use super::Dentry;
use crate::{
    bindings,
    error::from_err_ptr,
    fs::SuperBlock,
    prelude::*, //
};
use core::{
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};

/// An owned reference to a [`Dentry`] on a superblock that is borrowed for `'sb`.
///
/// Decoding a file handle returns this type.
///
/// A reference to a dentry does not keep its superblock active: the VFS shuts a superblock down
/// with its last mount, even if its dentries are referenced. The lifetime `'sb` therefore bounds
/// the reference. A caller that needs the file for longer must hold a [`Path`].
///
/// Dropping the value calls `dput()`, which may sleep. Leaking it, for example with
/// [`core::mem::forget`], leaks the dentry and its inode. The superblock is shut down nevertheless,
/// and the VFS reports "Dentry still in use" and "Busy inodes after unmount". With
/// `CONFIG_BUG_ON_DATA_CORRUPTION`, the latter is a `BUG()`. The leak has no other effect, because
/// no path leads to the dentry any more.
///
/// # Invariants
///
/// `dentry` points to a positive dentry on the superblock `sb`. The value owns a reference to the
/// dentry.
///
/// # Examples
///
/// ```
/// use kernel::fs::{
///     OwnedDentry,
///     SuperBlock, //
/// };
///
/// fn is_on(dentry: &OwnedDentry<'_>, sb: &SuperBlock) -> bool {
///     core::ptr::eq(dentry.super_block(), sb)
/// }
/// ```
///
/// [`Path`]: crate::fs::Path
pub struct OwnedDentry<'sb> {
    dentry: NonNull<bindings::dentry>,
    sb: &'sb SuperBlock,
}

impl<'sb> OwnedDentry<'sb> {
    /// Takes ownership of a reference to a dentry.
    ///
    /// # Safety
    ///
    /// The caller must ensure that:
    ///
    /// - `dentry` points to a valid dentry on the superblock `sb`.
    /// - The dentry is positive as [`Dentry::from_raw`] requires.
    /// - The caller owns one reference to the dentry and does not use it after this call.
    #[inline]
    pub unsafe fn from_raw(dentry: NonNull<bindings::dentry>, sb: &'sb SuperBlock) -> Self {
        // INVARIANT: The caller ensures that the dentry is positive and on `sb`, and passes
        // ownership of a reference.
        Self { dentry, sb }
    }

    /// Consumes the value and returns its reference as a raw pointer.
    ///
    /// The caller must drop the reference with `dput()`, or pass it to C.
    #[inline]
    pub(in crate::fs) fn into_raw(self) -> *mut bindings::dentry {
        ManuallyDrop::new(self).dentry.as_ptr()
    }

    /// Returns the superblock.
    #[inline]
    pub fn super_block(&self) -> &'sb SuperBlock {
        self.sb
    }
}

impl OwnedDentry<'static> {
    /// Converts the return value of a C function that looks up a dentry of an internal mount.
    ///
    /// Returns [`None`] if `ptr` is null.
    ///
    /// # Errors
    ///
    /// - The error that `ptr` encodes.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `ptr` is null, an error pointer, or a dentry for which:
    ///
    /// - The dentry is valid, and positive as [`Dentry::from_raw`] requires.
    /// - The superblock of the dentry is never unmounted.
    /// - The caller owns one reference to the dentry and does not use it after this call.
    #[inline]
    pub(in crate::fs) unsafe fn from_kern_mount(
        ptr: *mut bindings::dentry,
    ) -> Result<Option<Self>> {
        let Some(dentry) = NonNull::new(from_err_ptr(ptr)?) else {
            return Ok(None);
        };

        // SAFETY: The caller ensures that the dentry is valid. `d_sb` does not change.
        let sb = unsafe { (*dentry.as_ptr()).d_sb };

        // SAFETY: The caller ensures that the superblock is never unmounted, so it stays active.
        let sb = unsafe { SuperBlock::from_raw(sb) };

        // SAFETY: The caller ensures that the dentry is positive and passes ownership of a
        // reference. `sb` is the superblock of the dentry.
        Ok(Some(unsafe { Self::from_raw(dentry, sb) }))
    }
}

impl Deref for OwnedDentry<'_> {
    type Target = Dentry;

    #[inline]
    fn deref(&self) -> &Dentry {
        // SAFETY: By the type invariants, the dentry is positive, referenced and on the superblock
        // `sb`. `sb` is borrowed for longer than `self`, so the superblock is active.
        unsafe { Dentry::from_raw(self.dentry.as_ptr()) }
    }
}

impl Drop for OwnedDentry<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this value owns the reference.
        unsafe { bindings::dput(self.dentry.as_ptr()) };
    }
}
