// SPDX-License-Identifier: GPL-2.0

//! Inodes.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    types::Opaque, //
};
use core::marker::PhantomData;

/// A `struct inode` whose `i_private` points to a `P`.
///
/// An `&Inode` borrows from an owner that keeps the inode referenced: a dentry, or the caller of an
/// export operation.
///
/// # Invariants
///
/// - While an `&Inode` exists, the refcount of the inode is positive and its superblock is active.
/// - If `P` is not zero-sized, `i_private` does not change and points to a `P` that is valid for as
///   long as the inode.
///
/// # Examples
///
/// ```
/// use kernel::fs::Inode;
///
/// /// The private data of each inode of a filesystem.
/// struct Object {
///     id: u64,
/// }
///
/// fn is_same_object(a: &Inode<Object>, b: &Inode<Object>) -> bool {
///     a.private().id == b.private().id
/// }
/// ```
#[repr(transparent)]
pub struct Inode<P = ()> {
    inner: Opaque<bindings::inode>,
    _private: PhantomData<fn() -> P>,
}

impl<P> Inode<P> {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that:
    ///
    /// - `ptr` points to a valid inode that keeps a positive refcount for the duration of `'a`.
    /// - The superblock of the inode stays active for the duration of `'a`.
    /// - If `P` is not zero-sized, `i_private` does not change and points to a `P` that is valid
    ///   for as long as the inode.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::inode) -> &'a Self {
        // INVARIANT: The caller ensures each of the type invariants for `'a`.
        // SAFETY: The caller ensures that `ptr` is valid for `'a`; the type is transparent.
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
        // SAFETY: The inode is valid by the type invariants. The read is volatile because some
        // filesystems, such as FUSE, update `i_ino` of an inode that is in use.
        unsafe { (&raw const (*self.as_raw()).i_ino).read_volatile() }
    }

    /// Returns the private data (`i_private`).
    ///
    /// A call on an `Inode<P>` with a zero-sized `P` is a build error.
    #[inline]
    pub fn private(&self) -> &P {
        const { assert!(size_of::<P>() != 0, "this inode type has no private data") };

        // SAFETY: By the type invariants, the inode is valid and `i_private` does not change.
        let private = unsafe { (*self.as_raw()).i_private };

        // SAFETY: By the type invariants, `i_private` points to a `P` that is valid for as long as
        // the inode.
        unsafe { &*private.cast() }
    }
}
