// SPDX-License-Identifier: GPL-2.0

//! Superblocks.
//!
//! C header: [`include/linux/fs/super_types.h`](srctree/include/linux/fs/super_types.h)

use crate::{
    bindings,
    types::Opaque, //
};

/// Wraps the kernel's `struct super_block`: one instance of a filesystem.
///
/// References of this type are borrowed from somebody who keeps the superblock active: an inode, a
/// mount, or the caller of an operation.
///
/// # Invariants
///
/// The superblock is active for as long as a reference to it exists.
///
/// # Examples
///
/// ```
/// use kernel::fs::SuperBlock;
///
/// /// Tells whether files of this filesystem are in memory only.
/// fn is_tmpfs(sb: &SuperBlock) -> bool {
///     const TMPFS_MAGIC: usize = 0x01021994;
///
///     sb.magic() == TMPFS_MAGIC
/// }
/// ```
#[repr(transparent)]
pub struct SuperBlock(Opaque<bindings::super_block>);

// SAFETY: The methods read fields that do not change while the superblock is active.
unsafe impl Sync for SuperBlock {}

impl SuperBlock {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a superblock that stays active for the duration of `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::super_block) -> &'a Self {
        // INVARIANT: Guaranteed by the caller.
        // SAFETY: The caller guarantees validity for `'a`; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns a raw pointer to the `struct super_block`.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::super_block {
        self.0.get()
    }

    /// Returns the number that tells the kind of filesystem, as in
    /// [`include/uapi/linux/magic.h`](srctree/include/uapi/linux/magic.h).
    #[inline]
    pub fn magic(&self) -> usize {
        // SAFETY: The superblock is active by the type invariants; `s_magic` is set when it is
        // made.
        unsafe { (*self.as_raw()).s_magic }
    }
}
