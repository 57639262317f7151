// SPDX-License-Identifier: GPL-2.0

use super::{
    HandleType,
    MAX_HANDLE_SZ, //
};
use crate::prelude::*;

/// The length and the type of a handle that is to be decoded.
///
/// # Invariants
///
/// `len` is at least 1 and at most [`MAX_HANDLE_SZ`].
#[derive(Clone, Copy)]
pub struct Header {
    len: u32,
    kind: HandleType,
}

impl Header {
    /// Checks what user space passed.
    ///
    /// # Errors
    ///
    /// `EINVAL`
    #[inline]
    pub(super) fn from_user(len: u32, kind: c_int) -> Result<Self> {
        if len == 0 || len as usize > MAX_HANDLE_SZ {
            return Err(EINVAL);
        }
        // INVARIANT: Just checked.
        Ok(Self {
            len,
            kind: HandleType::from_user(kind)?,
        })
    }

    /// The length of what follows the header, in bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// The type.
    #[inline]
    pub(super) fn kind(&self) -> HandleType {
        self.kind
    }
}
