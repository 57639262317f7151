// SPDX-License-Identifier: GPL-2.0

//! Directory entries.
//!
//! C header: [`include/linux/dcache.h`](srctree/include/linux/dcache.h)

use super::{
    Inode,
    SuperBlock, //
};
use crate::{
    bindings,
    types::Opaque, //
};

mod owned;

pub use self::owned::OwnedDentry;

/// A positive `struct dentry`: a dentry that has an inode.
///
/// A `&Dentry` borrows from an owner that keeps the dentry referenced and its superblock active: a
/// [`Path`](super::Path), an [`OwnedDentry`], or the caller of an export operation. A reference to
/// the dentry does not keep the superblock active, so this type is not
/// [`AlwaysRefCounted`](crate::sync::aref::AlwaysRefCounted).
///
/// # Invariants
///
/// While a `&Dentry` exists:
///
/// - The refcount of the dentry is positive.
/// - The dentry has an inode, and `d_inode` does not change.
/// - The superblock is active.
///
/// # Examples
///
/// ```
/// use kernel::fs::Dentry;
///
/// /// Returns `true` if both names are hard links to the same file.
/// fn is_same_file(a: &Dentry, b: &Dentry) -> bool {
///     core::ptr::eq(a.inode(), b.inode())
/// }
/// ```
#[repr(transparent)]
pub struct Dentry(Opaque<bindings::dentry>);

impl Dentry {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that:
    ///
    /// - `ptr` points to a valid dentry that keeps a positive refcount for the duration of `'a`.
    /// - The dentry is positive. The caller knows this from a lookup, from a read under `d_lock`,
    ///   or because it instantiated the dentry. Each of these orders the write of `d_inode` before
    ///   this call. The dentry stays positive because `d_delete()` only unhashes a dentry that has
    ///   other references.
    /// - The superblock of the dentry stays active for the duration of `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::dentry) -> &'a Self {
        // INVARIANT: The caller ensures each of the type invariants for `'a`.
        // SAFETY: The caller ensures that `ptr` is valid for `'a`; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns a raw pointer to the `struct dentry`.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::dentry {
        self.0.get()
    }

    /// Returns the inode.
    #[inline]
    pub fn inode(&self) -> &Inode {
        // SAFETY: By the type invariants, the dentry is valid and `d_inode` does not change.
        // `from_raw()` requires that the write of `d_inode` is ordered before this read.
        let inode = unsafe { (*self.as_raw()).d_inode };

        // SAFETY: By the type invariants, the dentry is positive and its superblock is active while
        // `self` is borrowed. A positive dentry holds a reference to its inode, and both are on the
        // same superblock.
        unsafe { Inode::from_raw(inode) }
    }

    /// Returns `true` if this is the dentry of a directory.
    #[inline]
    pub fn is_dir(&self) -> bool {
        // SAFETY: The dentry is valid by the type invariants.
        unsafe { bindings::d_is_dir(self.as_raw()) }
    }

    /// Returns `true` if this is the dentry of a regular file.
    #[inline]
    pub(super) fn is_reg(&self) -> bool {
        self.flags() & bindings::dentry_flags_DCACHE_ENTRY_TYPE
            == bindings::dentry_flags_DCACHE_REGULAR_TYPE
    }

    /// Returns `true` if the dentry has a `->d_weak_revalidate()`.
    #[inline]
    pub(super) fn is_weakly_revalidated(&self) -> bool {
        self.flags() & bindings::dentry_flags_DCACHE_OP_WEAK_REVALIDATE != 0
    }

    /// Reads `d_flags`.
    #[inline]
    fn flags(&self) -> u32 {
        // SAFETY: The dentry is valid by the type invariants. The read is volatile because the
        // flags can change concurrently.
        unsafe { (&raw const (*self.as_raw()).d_flags).read_volatile() }
    }

    /// Returns `true` if `DCACHE_DISCONNECTED` is set: the path from the root of the filesystem to
    /// the dentry is not known.
    #[inline]
    pub fn is_disconnected(&self) -> bool {
        self.flags() & bindings::dentry_flags_DCACHE_DISCONNECTED != 0
    }

    /// Returns the superblock.
    #[inline]
    pub fn super_block(&self) -> &SuperBlock {
        // SAFETY: The dentry is valid by the type invariants; `d_sb` never changes.
        let sb = unsafe { (*self.as_raw()).d_sb };

        // SAFETY: By the type invariants, the superblock is active while `self` is borrowed.
        unsafe { SuperBlock::from_raw(sb) }
    }
}
