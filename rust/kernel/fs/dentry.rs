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

/// Wraps the kernel's `struct dentry`. Thread safe.
///
/// References of this type are borrowed from somebody who keeps the dentry and its superblock: a
/// path, an [`OwnedDentry`], or the caller of an operation. A reference to the dentry alone does
/// not keep the superblock, so this is not
/// [`AlwaysRefCounted`](crate::sync::aref::AlwaysRefCounted).
///
/// # Invariants
///
/// The dentry's refcount is positive, and its superblock active, for as long as a reference to it
/// exists.
///
/// # Examples
///
/// ```
/// use kernel::fs::Dentry;
///
/// /// Returns the number of the file that the name stands for, if there is one.
/// fn ino(dentry: &Dentry) -> Option<u64> {
///     Some(dentry.inode()?.ino())
/// }
/// ```
#[repr(transparent)]
pub struct Dentry(Opaque<bindings::dentry>);

// SAFETY: The methods read fields that do not change while the dentry is referenced, or are
// synchronised by the C code.
unsafe impl Sync for Dentry {}

impl Dentry {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a valid dentry that keeps a positive refcount for the duration of `'a`,
    /// and whose superblock stays active in that time.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::dentry) -> &'a Self {
        // INVARIANT: Guaranteed by the caller.
        // SAFETY: The caller guarantees validity for `'a`; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns a raw pointer to the `struct dentry`.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::dentry {
        self.0.get()
    }

    /// Returns the inode that the name stands for, or [`None`] for a negative dentry.
    #[inline]
    pub fn inode(&self) -> Option<&Inode> {
        // SAFETY: The dentry is valid by the type invariants. A dentry that is referenced does not
        // turn from positive to negative; in the other direction the pointer is written once.
        let inode = unsafe { (&raw const (*self.as_raw()).d_inode).read_volatile() };
        if inode.is_null() {
            return None;
        }

        // SAFETY: A positive dentry holds its inode, and stays positive while it is referenced.
        Some(unsafe { Inode::from_raw(inode) })
    }

    /// Tells whether this is a directory.
    #[inline]
    pub fn is_dir(&self) -> bool {
        // SAFETY: The dentry is valid by the type invariants.
        unsafe { bindings::d_is_dir(self.as_raw()) }
    }

    /// Tells whether nobody knows how the dentry hangs together with the root of its filesystem.
    #[inline]
    pub fn is_disconnected(&self) -> bool {
        // SAFETY: The dentry is valid by the type invariants. Others may change the flags.
        let flags = unsafe { (&raw const (*self.as_raw()).d_flags).read_volatile() };

        flags & bindings::dentry_flags_DCACHE_DISCONNECTED != 0
    }

    /// Returns the superblock that the dentry belongs to.
    #[inline]
    pub fn super_block(&self) -> &SuperBlock {
        // SAFETY: The dentry is valid by the type invariants; `d_sb` never changes.
        let sb = unsafe { (*self.as_raw()).d_sb };

        // SAFETY: By the type invariants, the superblock is active while `self` is borrowed.
        unsafe { SuperBlock::from_raw(sb) }
    }
}
