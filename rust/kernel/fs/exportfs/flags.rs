// SPDX-License-Identifier: GPL-2.0

use crate::bindings;
use core::ops::BitOr;

/// What a filesystem promises, or wants nfsd to do differently: the `EXPORT_OP_*` flags.
///
/// Their meaning is told in
/// [`exporting.rst`](srctree/Documentation/filesystems/nfs/exporting.rst).
///
/// # Examples
///
/// ```
/// use kernel::fs::exportfs::Flags;
///
/// let flags = Flags::NOSUBTREECHK | Flags::NOLOCKS;
/// assert_ne!(flags, Flags::NONE);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Flags(usize);

impl Flags {
    /// Nothing special.
    pub const NONE: Self = Self(0);

    /// Do not collect weak cache consistency data for NFSv3.
    pub const NOWCC: Self = Self(bindings::EXPORT_OP_NOWCC as usize);

    /// Subtree checking is not supported.
    pub const NOSUBTREECHK: Self = Self(bindings::EXPORT_OP_NOSUBTREECHK as usize);

    /// Close files before they are unlinked.
    pub const CLOSE_BEFORE_UNLINK: Self = Self(bindings::EXPORT_OP_CLOSE_BEFORE_UNLINK as usize);

    /// The filesystem is remote.
    pub const REMOTE_FS: Self = Self(bindings::EXPORT_OP_REMOTE_FS as usize);

    /// The filesystem cannot supply atomic attribute updates.
    pub const NOATOMIC_ATTR: Self = Self(bindings::EXPORT_OP_NOATOMIC_ATTR as usize);

    /// File data is flushed on close.
    pub const FLUSH_ON_CLOSE: Self = Self(bindings::EXPORT_OP_FLUSH_ON_CLOSE as usize);

    /// File locks are not supported.
    pub const NOLOCKS: Self = Self(bindings::EXPORT_OP_NOLOCKS as usize);

    /// Decoding and opening never block: no I/O, no contended sleeping lock.
    ///
    /// What that takes is told in
    /// [`exporting.rst`](srctree/Documentation/filesystems/nfs/exporting.rst).
    pub const NONBLOCK: Self = Self(bindings::EXPORT_OP_NONBLOCK as usize);

    /// Returns the flags as `struct export_operations` has them.
    pub(super) const fn as_raw(self) -> usize {
        self.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
