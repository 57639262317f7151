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
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};
use core::ptr::NonNull;

/// Wraps the kernel's `struct dentry`. Thread safe.
///
/// # Invariants
///
/// All instances of this type are refcounted using the `d_lockref` field.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::DEntry,
///     sync::aref::ARef, //
/// };
///
/// /// Keeps a dentry if there is a file behind the name.
/// fn get_positive(dentry: &DEntry) -> Option<ARef<DEntry>> {
///     dentry.inode()?;
///     Some(dentry.into())
/// }
/// ```
#[repr(transparent)]
pub struct DEntry(Opaque<bindings::dentry>);

// SAFETY: A dentry may be put from any thread that may sleep.
unsafe impl Send for DEntry {}

// SAFETY: The methods read fields that do not change while the dentry is referenced.
unsafe impl Sync for DEntry {}

impl DEntry {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a valid dentry that keeps a positive refcount for the duration of `'a`.
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

        // SAFETY: A superblock outlives its dentries.
        unsafe { SuperBlock::from_raw(sb) }
    }
}

// SAFETY: The type invariants guarantee that `DEntry` is always refcounted.
unsafe impl AlwaysRefCounted for DEntry {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: The existence of a shared reference means that the refcount is nonzero.
        unsafe { bindings::dget(self.as_raw()) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller passes a reference that it owns.
        unsafe { bindings::dput(obj.cast().as_ptr()) }
    }
}
