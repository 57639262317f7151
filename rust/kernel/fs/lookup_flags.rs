// SPDX-License-Identifier: GPL-2.0

use crate::bindings;
use core::ops::BitOr;

/// How a name is looked up: the `LOOKUP_*` flags.
///
/// C header: [`include/linux/namei.h`](srctree/include/linux/namei.h)
///
/// # Examples
///
/// ```
/// use kernel::fs::LookupFlags;
///
/// let lookup = LookupFlags::FOLLOW | LookupFlags::CACHED;
/// assert_ne!(lookup, LookupFlags::FOLLOW);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LookupFlags(u32);

impl LookupFlags {
    /// Do not follow a symbolic link at the end of the name.
    pub const NONE: Self = Self(0);

    /// Follow a symbolic link at the end of the name.
    pub const FOLLOW: Self = Self(bindings::LOOKUP_FOLLOW);

    /// Fail with `EAGAIN` if the lookup would have to block.
    pub const CACHED: Self = Self(bindings::LOOKUP_CACHED);

    /// Returns the flags as C has them.
    #[inline]
    pub(super) const fn as_raw(self) -> u32 {
        self.0
    }
}

impl BitOr for LookupFlags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
