// SPDX-License-Identifier: GPL-2.0

use super::MAX_HANDLE_SZ;
use crate::prelude::*;

/// How many bytes the caller has room for, behind the header of a handle.
///
/// # Invariants
///
/// At most [`MAX_HANDLE_SZ`].
#[derive(Clone, Copy)]
pub struct Capacity(u32);

impl Capacity {
    /// Checks what user space passed.
    ///
    /// # Errors
    ///
    /// `EINVAL`
    #[inline]
    pub(super) fn from_user(bytes: u32) -> Result<Self> {
        if bytes as usize > MAX_HANDLE_SZ {
            return Err(EINVAL);
        }
        // INVARIANT: Just checked.
        Ok(Self(bytes))
    }

    /// Returns the number of bytes.
    #[inline]
    pub(super) fn bytes(self) -> u32 {
        self.0
    }
}
