// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    impl_flags,
    prelude::*, //
};

impl_flags!(
    /// The flags of exportfs functions (`EXPORT_FH_*`).
    #[derive(Clone, Copy)]
    pub struct FhFlags(u32);

    /// A flag of exportfs functions.
    #[derive(Clone, Copy)]
    pub enum FhFlag {
        /// Encode the parent directory, or decode a handle that has it.
        Connectable = bindings::EXPORT_FH_CONNECTABLE,

        /// Encode a handle that need not be decodable.
        Fid = bindings::EXPORT_FH_FID,

        /// Decode only a directory.
        DirOnly = bindings::EXPORT_FH_DIR_ONLY,

        /// Fail with `EAGAIN` instead of blocking.
        Nonblock = bindings::EXPORT_FH_NONBLOCK,
    }
);

impl FhFlags {
    /// Wraps flags that C code has set.
    #[inline]
    pub(super) fn from_raw(flags: c_uint) -> Self {
        Self(flags)
    }
}
