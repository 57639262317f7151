// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    fs::SuperBlock,
    prelude::*, //
};
use core::ops::{
    BitOr,
    BitOrAssign, //
};

/// What is asked of exportfs: the `EXPORT_FH_*` flags of the kernel. User space never sees them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExportFlags(u32);

impl ExportFlags {
    /// A handle that can be decoded.
    pub(super) const NONE: Self = Self(0);

    /// A handle that leads to the file's directory, too.
    pub(super) const CONNECTABLE: Self = Self(bindings::EXPORT_FH_CONNECTABLE);

    /// A handle that need not be decoded.
    pub(super) const FID: Self = Self(bindings::EXPORT_FH_FID);

    /// Only a directory will do.
    pub(super) const DIR_ONLY: Self = Self(bindings::EXPORT_FH_DIR_ONLY);

    /// Fail with `EAGAIN` rather than block.
    pub(super) const NONBLOCK: Self = Self(bindings::EXPORT_FH_NONBLOCK);

    /// Takes the flags that C has chosen.
    #[inline]
    pub(super) fn from_raw(flags: c_uint) -> Self {
        Self(flags)
    }

    /// Tells whether a filesystem has handles of this kind.
    #[inline]
    pub(super) fn can_encode(self, sb: &SuperBlock) -> bool {
        // SAFETY: By its type invariants, the superblock may be read.
        let ops = unsafe { (*sb.as_raw()).s_export_op };

        // SAFETY: Tables of operations last as long as an active superblock; null is one of none.
        // CAST: The flags are small numbers.
        unsafe { bindings::exportfs_can_encode_fh(ops, self.0 as c_int) }
    }

    /// Tells whether all of `flags` are set.
    #[inline]
    pub(super) fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Returns the flags as `exportfs_decode_fh_raw()` takes them.
    #[inline]
    pub(super) fn as_raw(self) -> c_uint {
        self.0
    }
}

impl BitOr for ExportFlags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for ExportFlags {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
