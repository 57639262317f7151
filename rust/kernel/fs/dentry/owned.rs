// SPDX-License-Identifier: GPL-2.0

use super::Dentry;
use crate::{
    bindings,
    fs::SuperBlock, //
};
use core::{
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};

/// A reference to the dentry of a file, owned for as long as its superblock is borrowed.
///
/// It is what decoding a file handle returns. C does not let a superblock wait for those who refer
/// to its dentries: it is shut down when the last mount goes, and what is left refers to memory
/// that is freed. So whoever owns a dentry has to have the superblock by other means, and that is
/// what the lifetime says. To keep a file for longer, keep a path.
///
/// Dropping one may sleep, as `dput()` may.
///
/// # Invariants
///
/// `dentry` points to a valid, positive dentry of the superblock `sb`, and owns a reference to it.
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
pub struct OwnedDentry<'sb> {
    dentry: NonNull<bindings::dentry>,
    sb: &'sb SuperBlock,
}

// SAFETY: `dput()` may be called from any thread that may sleep, and a dentry and a superblock can
// be used from all of them.
unsafe impl Send for OwnedDentry<'_> {}

// SAFETY: It gives access to a `&Dentry` and a `&SuperBlock` only, which are thread safe.
unsafe impl Sync for OwnedDentry<'_> {}

impl<'sb> OwnedDentry<'sb> {
    /// Takes over a reference to a dentry.
    ///
    /// # Safety
    ///
    /// `dentry` must point to a valid, positive dentry of the superblock `sb`, of which the caller
    /// owns a reference and gives it up.
    #[inline]
    pub unsafe fn from_raw(dentry: NonNull<bindings::dentry>, sb: &'sb SuperBlock) -> Self {
        // INVARIANT: Guaranteed by the caller.
        Self { dentry, sb }
    }

    /// Gives up the reference, for C to take it over.
    #[inline]
    pub fn into_raw(self) -> *mut bindings::dentry {
        ManuallyDrop::new(self).dentry.as_ptr()
    }

    /// Returns the superblock that the dentry belongs to.
    #[inline]
    pub fn super_block(&self) -> &'sb SuperBlock {
        self.sb
    }
}

impl Deref for OwnedDentry<'_> {
    type Target = Dentry;

    #[inline]
    fn deref(&self) -> &Dentry {
        // SAFETY: By the type invariants, the dentry is referenced and of the superblock `sb`,
        // which is active while it is borrowed.
        unsafe { Dentry::from_raw(self.dentry.as_ptr()) }
    }
}

impl Drop for OwnedDentry<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the reference is ours.
        unsafe { bindings::dput(self.dentry.as_ptr()) };
    }
}
