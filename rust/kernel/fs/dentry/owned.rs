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

/// An owned reference to a [`Dentry`] of the superblock that `'sb` borrows.
///
/// This is the result of decoding a file handle.
///
/// A reference to a dentry does not keep its superblock: the superblock is shut down together with
/// the last mount, whether or not its dentries are referenced. The lifetime ties the reference to
/// a borrow of the superblock instead. To keep a file for longer, keep a [`Path`].
///
/// Dropping the value may sleep, because `dput()` may sleep.
///
/// # Invariants
///
/// `dentry` points to a positive dentry of the superblock `sb`. This value owns a reference to it.
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
    /// The caller must ensure that
    ///
    /// - `dentry` points to a valid dentry of the superblock `sb`, which is positive as
    ///   [`Dentry::from_raw`] requires, and
    /// - it passes on ownership of one reference to the dentry.
    #[inline]
    pub unsafe fn from_raw(dentry: NonNull<bindings::dentry>, sb: &'sb SuperBlock) -> Self {
        // INVARIANT: The caller ensures that the dentry is a positive one of `sb`, and passes on a
        // reference to it.
        Self { dentry, sb }
    }

    /// Passes the reference on to C.
    #[inline]
    pub fn into_raw(self) -> *mut bindings::dentry {
        ManuallyDrop::new(self).dentry.as_ptr()
    }

    /// Returns the superblock.
    #[inline]
    pub fn super_block(&self) -> &'sb SuperBlock {
        self.sb
    }
}

impl OwnedDentry<'static> {
    /// Takes ownership of the return value of a C function that looks up a dentry on a superblock
    /// that is never unmounted.
    ///
    /// Returns [`None`] for a null pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `ptr` is null or an error pointer, or that
    ///
    /// - it points to a valid dentry, which is positive as [`Dentry::from_raw`] requires,
    /// - the superblock of the dentry is never unmounted, and
    /// - the caller passes on ownership of one reference to the dentry.
    #[inline]
    pub(in crate::fs) unsafe fn from_kern_mount(
        ptr: *mut bindings::dentry,
    ) -> Result<Option<Self>> {
        let Some(dentry) = NonNull::new(from_err_ptr(ptr)?) else {
            return Ok(None);
        };

        // SAFETY: The caller ensures that the dentry is valid. `d_sb` does not change.
        let sb = unsafe { (*dentry.as_ptr()).d_sb };

        // SAFETY: The superblock stays active, because it is never unmounted.
        let sb = unsafe { SuperBlock::from_raw(sb) };

        // SAFETY: The caller ensures that the dentry is positive, and passes on a reference.
        Ok(Some(unsafe { Self::from_raw(dentry, sb) }))
    }
}

impl Deref for OwnedDentry<'_> {
    type Target = Dentry;

    #[inline]
    fn deref(&self) -> &Dentry {
        // SAFETY: By the type invariants, the dentry is positive and referenced. It is on the
        // superblock `sb`, which is active while it is borrowed.
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
