// SPDX-License-Identifier: GPL-2.0

use super::{
    FileidType,
    UserFlags, //
};
use crate::prelude::*;

/// The type of a file handle as user space has it: `handle_type` of `struct file_handle`.
///
/// | bits   | part           |
/// |--------|----------------|
/// | 0..16  | [`FileidType`] |
/// | 16..31 | [`UserFlags`]  |
/// | 31     | never set      |
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HandleType {
    fileid: FileidType,
    flags: UserFlags,
}

impl HandleType {
    /// Checks what user space passed.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a negative type and for unknown flags.
    #[inline]
    pub(super) fn from_user(raw: c_int) -> Result<Self> {
        let raw = u32::try_from(raw).map_err(|_| EINVAL)?;

        Ok(Self {
            fileid: FileidType::from_type(raw),
            flags: UserFlags::from_type(raw)?,
        })
    }

    /// The filesystem's part.
    #[inline]
    pub(super) fn fileid(self) -> FileidType {
        self.fileid
    }

    /// The flags beside it.
    #[inline]
    pub(super) fn flags(self) -> UserFlags {
        self.flags
    }
}
