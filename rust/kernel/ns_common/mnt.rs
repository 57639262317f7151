// SPDX-License-Identifier: GPL-2.0

use super::{
    MntNamespace,
    NsCommon, //
};
use crate::{
    bindings,
    error::from_err_ptr,
    prelude::*,
    sync::aref::ARef, //
};
use core::ptr::NonNull;

/// Which neighbour in the list of all mount namespaces, which is in the order of their ids.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// The one with the next larger id.
    Next,
    /// The one with the next smaller id.
    Previous,
}

/// What user space is told about a mount namespace: `struct mnt_ns_info`.
///
/// Grows at its end; the first version has `MNT_NS_INFO_SIZE_VER0` bytes.
#[repr(transparent)]
pub struct MntInfo(bindings::mnt_ns_info);

impl MntInfo {
    /// Returns the bytes for a caller who knows `size` bytes of the structure.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        let len = self.0.size as usize;

        // SAFETY: The structure has no padding, and `size` says how much of it there is to tell,
        // which is at most all of it.
        unsafe { core::slice::from_raw_parts((&raw const self.0).cast(), len) }
    }
}

impl MntNamespace {
    /// Returns what user space is told, if it knows `size` bytes of the structure.
    #[inline]
    pub fn info(&self, size: usize) -> MntInfo {
        // SAFETY: The namespace is valid by the type invariants.
        let mounts = unsafe { (&raw const (*self.as_raw()).nr_mounts).read_volatile() };

        MntInfo(bindings::mnt_ns_info {
            // CAST: The size of the structure fits into 32 bits.
            size: size.min(size_of::<bindings::mnt_ns_info>()) as u32,
            // The root of a mount namespace is a mount that nobody sees.
            nr_mounts: mounts.saturating_sub(1),
            mnt_ns_id: self.common().id(),
        })
    }

    /// Returns the neighbour that the caller has `CAP_SYS_ADMIN` over, skipping others.
    ///
    /// # Errors
    ///
    /// `ENOENT` at the end of the list.
    ///
    /// C: `get_sequential_mnt_ns()`. Takes the RCU read lock; does not sleep.
    #[inline]
    pub fn neighbour(&self, direction: Direction) -> Result<ARef<NsCommon>> {
        let previous = direction == Direction::Previous;

        // SAFETY: The namespace is valid by the type invariants.
        let found =
            from_err_ptr(unsafe { bindings::get_sequential_mnt_ns(self.as_raw(), previous) })?;

        // SAFETY: `from_err_ptr()` took the errors out, and `get_sequential_mnt_ns()` returns a
        // valid mount namespace otherwise.
        let found = unsafe { NonNull::new_unchecked(&raw mut (*found).ns) };

        // SAFETY: `get_sequential_mnt_ns()` took a reference.
        Ok(unsafe { NsCommon::from_owned(found) })
    }

    #[inline]
    fn common(&self) -> &NsCommon {
        // SAFETY: The namespace is valid by the type invariants.
        let ns = unsafe { &raw const (*self.as_raw()).ns };

        // SAFETY: The structure is refcounted by this field.
        unsafe { NsCommon::from_raw(ns) }
    }
}
