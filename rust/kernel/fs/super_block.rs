// SPDX-License-Identifier: GPL-2.0

//! Superblocks.
//!
//! C header: [`include/linux/fs/super_types.h`](srctree/include/linux/fs/super_types.h)

use crate::{
    bindings,
    types::Opaque, //
};

/// A `struct super_block`: one instance of a filesystem.
///
/// A `&SuperBlock` borrows from an owner that keeps the superblock active: a mount, or the caller
/// of an export operation. A reference to an inode or a dentry does not keep the superblock active.
///
/// # Invariants
///
/// The superblock is active while a `&SuperBlock` exists.
#[repr(transparent)]
pub struct SuperBlock(Opaque<bindings::super_block>);

impl SuperBlock {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `ptr` points to a superblock that stays active for the duration
    /// of `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::super_block) -> &'a Self {
        // INVARIANT: The caller ensures that the superblock is active for `'a`.
        // SAFETY: An active superblock is valid; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns a raw pointer to the `struct super_block`.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::super_block {
        self.0.get()
    }

    /// Returns the export operations (`s_export_op`), or [`None`] if there are none.
    #[inline]
    pub(super) fn export_op(&self) -> Option<&bindings::export_operations> {
        // SAFETY: By the type invariants, the superblock is valid. The read is volatile because
        // FUSE replaces the pointer on an active superblock.
        let ops = unsafe { (&raw const (*self.as_raw()).s_export_op).read_volatile() };

        // SAFETY: `s_export_op` is null, or points to a table that is constant and valid while the
        // superblock is active.
        unsafe { ops.as_ref() }
    }
}
