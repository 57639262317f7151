// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    prelude::*, //
};

/// The filesystem's part of a handle's type, from anyone: the lower 16 bits.
///
/// Filesystems give out 8 bits, but user space may pass any; what is none of its own, a filesystem
/// does not decode. A kind that is known to be good is an
/// [`exportfs::FileidType`](crate::fs::exportfs::FileidType).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileidType(u16);

impl FileidType {
    /// Takes it out of a handle's type.
    #[inline]
    pub(super) fn from_type(raw: u32) -> Self {
        // CAST: The upper half is for user flags.
        Self((raw & !bindings::FILEID_USER_FLAGS_MASK) as u16)
    }

    /// Returns it as `exportfs_decode_fh_raw()` takes it.
    #[inline]
    pub(super) fn as_raw(self) -> c_int {
        c_int::from(self.0)
    }
}
