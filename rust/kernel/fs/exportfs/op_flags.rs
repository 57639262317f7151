// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    impl_flags, //
};

impl_flags!(
    /// Properties of a filesystem (`EXPORT_OP_*`).
    ///
    /// [`exporting.rst`](srctree/Documentation/filesystems/nfs/exporting.rst) defines the flags.
    #[derive(Clone, Copy)]
    pub struct OpFlags(usize);

    /// One property of a filesystem.
    #[derive(Clone, Copy)]
    pub enum OpFlag {
        /// Decoding and opening do not block.
        NonBlock = bindings::EXPORT_OP_NONBLOCK as usize,
    }
);

impl OpFlags {
    /// Decoding and opening do not block: no I/O, no request to a server, no sleeping lock that is
    /// held during I/O or other long waits, no wait for an inode that is new or being freed.
    pub const NONBLOCK: Self = Self(OpFlag::NonBlock as usize);

    /// Returns the flags for `struct export_operations`.
    #[inline]
    pub(super) const fn as_raw(self) -> usize {
        self.0
    }
}
