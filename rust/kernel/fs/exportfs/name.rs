// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    prelude::*, //
};

/// The longest name in a directory, in bytes, without the terminating NUL.
const NAME_MAX: usize = bindings::NAME_MAX as usize;

/// The buffer for a name in a directory, for
/// [`Operations::get_name`](super::Operations::get_name).
pub struct Name<'a>(&'a mut [u8; NAME_MAX + 1]);

impl<'a> Name<'a> {
    /// Wraps the buffer of a C `get_name` operation.
    ///
    /// # Safety
    ///
    /// `name` must be valid for reads and writes of `NAME_MAX + 1` initialised bytes for the
    /// duration of `'a`, and not be accessed in any other way in that time.
    #[inline]
    pub(super) unsafe fn from_raw(name: *mut c_char) -> Self {
        // SAFETY: The caller guarantees that the bytes may be borrowed mutably for `'a`.
        Self(unsafe { &mut *name.cast() })
    }

    /// Stores the name.
    ///
    /// # Errors
    ///
    /// `ENAMETOOLONG` above `NAME_MAX` bytes; `EINVAL` if it is empty or holds a NUL or a slash.
    pub fn set(&mut self, name: &[u8]) -> Result {
        if name.is_empty() || name.iter().any(|&byte| byte == 0 || byte == b'/') {
            return Err(EINVAL);
        }
        if name.len() > NAME_MAX {
            return Err(ENAMETOOLONG);
        }

        let (dest, rest) = self.0.split_at_mut(name.len());
        dest.copy_from_slice(name);
        rest[0] = 0;
        Ok(())
    }
}
