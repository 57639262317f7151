// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    prelude::*, //
};
use core::ops::BitOr;

/// What name_to_handle_at(2) notes in the upper half of a handle's type for open_by_handle_at(2).
///
/// The filesystem never sees them.
///
/// # Invariants
///
/// No bits but those of `FILEID_VALID_USER_FLAGS`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UserFlags(u32);

impl UserFlags {
    /// Nothing to note.
    pub(super) const NONE: Self = Self(0);

    /// Encoded as connectable: the file has to be below the directory that decoding starts from.
    pub(super) const CONNECTABLE: Self = Self(bindings::FILEID_IS_CONNECTABLE);

    /// Names a directory.
    pub(super) const DIR: Self = Self(bindings::FILEID_IS_DIR);

    /// Takes them out of a handle's type.
    ///
    /// # Errors
    ///
    /// `EINVAL` for unknown ones.
    #[inline]
    pub(super) fn from_type(raw: u32) -> Result<Self> {
        let flags = raw & bindings::FILEID_USER_FLAGS_MASK;

        if flags & !bindings::FILEID_VALID_USER_FLAGS != 0 {
            return Err(EINVAL);
        }
        // INVARIANT: Just checked.
        Ok(Self(flags))
    }

    /// Tells whether all of `flags` are set.
    #[inline]
    pub(super) fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Returns the flags as they are in a handle's type.
    #[inline]
    pub(super) fn as_raw(self) -> u32 {
        self.0
    }
}

impl BitOr for UserFlags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        // INVARIANT: Neither side has other bits.
        Self(self.0 | other.0)
    }
}
