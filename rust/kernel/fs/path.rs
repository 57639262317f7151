// SPDX-License-Identifier: GPL-2.0

//! Paths: a dentry seen through a mount.
//!
//! C header: [`include/linux/path.h`](srctree/include/linux/path.h)

use super::DEntry;
use crate::{
    bindings,
    sync::aref::ARef,
    types::Opaque, //
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// Wraps the kernel's `struct path`.
///
/// A value owns a reference to the mount and one to the dentry; a `&Path` borrows both.
///
/// # Invariants
///
/// `mnt` and `dentry` point to a valid mount and a valid dentry of that mount's superblock, and
/// are referenced for as long as the path exists.
///
/// # Examples
///
/// ```
/// use kernel::fs::Path;
///
/// fn is_same_file(a: &Path, b: &Path) -> bool {
///     match (a.dentry().inode(), b.dentry().inode()) {
///         (Some(a), Some(b)) => core::ptr::eq(a, b),
///         _ => false,
///     }
/// }
/// ```
#[repr(transparent)]
pub struct Path(Opaque<bindings::path>);

// SAFETY: `path_put()` may be called from any thread that may sleep.
unsafe impl Send for Path {}

// SAFETY: The two pointers do not change, and what they point to is thread safe.
unsafe impl Sync for Path {}

impl Path {
    /// Takes over the references that `path` holds.
    ///
    /// # Safety
    ///
    /// `path` must be valid as the type invariants say, and own a reference to its mount and one
    /// to its dentry, which the caller gives up.
    #[inline]
    pub unsafe fn from_owned(path: bindings::path) -> Self {
        // INVARIANT: Guaranteed by the caller.
        Self(Opaque::new(path))
    }

    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a path that is valid and holds, or is covered by, references to its
    /// mount and its dentry for the duration of `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::path) -> &'a Self {
        // INVARIANT: Guaranteed by the caller.
        // SAFETY: The caller guarantees validity for `'a`; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns a raw pointer to the `struct path`.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::path {
        self.0.get()
    }

    /// Returns the dentry.
    #[inline]
    pub fn dentry(&self) -> &DEntry {
        // SAFETY: By the type invariants, the path is valid and does not change.
        let dentry = unsafe { (*self.as_raw()).dentry };

        // SAFETY: By the type invariants, the dentry is referenced for as long as the path exists.
        unsafe { DEntry::from_raw(dentry) }
    }

    /// Gives up the mount and keeps the dentry.
    ///
    /// May sleep, as `mntput()` may.
    #[inline]
    pub fn into_dentry(self) -> ARef<DEntry> {
        let path = ManuallyDrop::new(self);
        // SAFETY: By the type invariants, the path is valid; it is not used after this.
        let bindings::path { mnt, dentry } = unsafe { *path.as_raw() };

        // SAFETY: The path owns a reference to its mount, and is not dropped.
        unsafe { bindings::mntput(mnt) };

        // SAFETY: By the type invariants, the dentry is not null.
        let dentry = unsafe { NonNull::new_unchecked(dentry) };

        // SAFETY: The path owns a reference to its dentry, which passes to the `ARef`.
        unsafe { ARef::from_raw(dentry.cast()) }
    }
}

impl Drop for Path {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: A `Path` that is dropped is a value, and so owns its two references.
        unsafe { bindings::path_put(self.as_raw()) };
    }
}
