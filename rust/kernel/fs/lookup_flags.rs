// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    impl_flags, //
};

impl_flags!(
    /// The flags of a path lookup (`LOOKUP_*`).
    ///
    /// C header: [`include/linux/namei.h`](srctree/include/linux/namei.h)
    #[derive(Clone, Copy)]
    pub struct LookupFlags(u32);

    /// A flag of a path lookup.
    #[derive(Clone, Copy)]
    pub enum LookupFlag {
        /// Follow a symbolic link in the last component.
        Follow = bindings::LOOKUP_FOLLOW,

        /// Fail with `EAGAIN` instead of blocking.
        Cached = bindings::LOOKUP_CACHED,
    }
);
