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
        /// Encode a handle that identifies the parent, or decode such a handle.
        Connectable = bindings::EXPORT_FH_CONNECTABLE,

        /// Encode a handle that may not be decodable.
        Fid = bindings::EXPORT_FH_FID,

        /// Fail to decode if the file is not a directory.
        DirOnly = bindings::EXPORT_FH_DIR_ONLY,

        /// Fail with `EAGAIN` instead of waiting.
        Nowait = bindings::EXPORT_FH_NOWAIT,
    }
);

impl FhFlags {
    /// Wraps flags that C code set.
    #[inline]
    pub(super) fn from_raw(flags: c_uint) -> Self {
        Self(flags)
    }
}
