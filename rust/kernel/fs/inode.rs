// SPDX-License-Identifier: GPL-2.0

//! Inodes.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::SuperBlock;
use crate::{
    bindings,
    types::Opaque, //
};
use core::marker::PhantomData;

/// Wraps the kernel's `struct inode`, with what its `i_private` points to.
///
/// References of this type are borrowed from somebody who keeps the inode alive: a dentry, or the
/// caller of an operation.
///
/// # Invariants
///
/// - The inode's refcount is positive, and its superblock active, for as long as a reference to it
///   exists.
/// - If `P` is not zero-sized, `i_private` points to a `P` that is valid for as long as the inode
///   is, and does not change.
///
/// # Examples
///
/// ```
/// use kernel::fs::Inode;
///
/// /// What a filesystem keeps with each of its inodes.
/// struct Object {
///     id: u64,
/// }
///
/// fn is_same_object(a: &Inode<Object>, b: &Inode<Object>) -> bool {
///     core::ptr::eq(a.super_block(), b.super_block()) && a.private().id == b.private().id
/// }
/// ```
#[repr(transparent)]
pub struct Inode<P = ()> {
    inner: Opaque<bindings::inode>,
    _private: PhantomData<fn() -> P>,
}

// SAFETY: The methods read fields that do not change while the inode is in use, and sharing the
// private data requires that it is `Sync`.
unsafe impl<P: Sync> Sync for Inode<P> {}

impl<P> Inode<P> {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// - `ptr` must point to a valid inode that keeps a positive refcount for the duration of
    ///   `'a`, and whose superblock stays active in that time.
    /// - If `P` is not zero-sized, the inode's `i_private` must point to a `P` that is valid for
    ///   as long as the inode is, and not be changed in that time.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::inode) -> &'a Self {
        // INVARIANT: Guaranteed by the caller.
        // SAFETY: The caller guarantees validity for `'a`; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns a raw pointer to the `struct inode`.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::inode {
        self.inner.get()
    }

    /// Returns the inode number.
    #[inline]
    pub fn ino(&self) -> u64 {
        // SAFETY: The inode is valid by the type invariants; `i_ino` does not change once the
        // inode is in use.
        unsafe { (*self.as_raw()).i_ino }
    }

    /// Returns the superblock that the inode belongs to.
    #[inline]
    pub fn super_block(&self) -> &SuperBlock {
        // SAFETY: The inode is valid by the type invariants; `i_sb` never changes.
        let sb = unsafe { (*self.as_raw()).i_sb };

        // SAFETY: By the type invariants, the superblock is active while `self` is borrowed.
        unsafe { SuperBlock::from_raw(sb) }
    }

    /// Returns what the filesystem keeps in `i_private`.
    ///
    /// Does not build for an inode type without private data.
    #[inline]
    pub fn private(&self) -> &P {
        const { assert!(size_of::<P>() != 0, "this inode type has no private data") };

        // SAFETY: The inode is valid by the type invariants, which also say that `i_private` does
        // not change.
        let private = unsafe { (*self.as_raw()).i_private };

        // SAFETY: By the type invariants, `i_private` points to a `P` that lives as long as the
        // inode.
        unsafe { &*private.cast() }
    }
}
