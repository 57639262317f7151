// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    prelude::*, //
};
use core::marker::PhantomData;

/// The longest name in a directory, in bytes, without the terminating NUL.
const NAME_MAX: usize = bindings::NAME_MAX as usize;

/// The buffer for a name in a directory, for
/// [`Operations::get_name`](super::Operations::get_name).
///
/// Consumed by storing one name. What the buffer holds before that is nobody's business: C does not
/// initialise it, and reads it up to a NUL afterwards.
///
/// # Invariants
///
/// `name` may be written for `NAME_MAX + 1` bytes for `'a`.
pub struct Name<'a> {
    name: *mut u8,
    /// Invariant in `'a`, which tells one buffer from another.
    _buffer: PhantomData<fn(&'a ()) -> &'a mut [u8]>,
}

/// The proof that a name has been stored in a [`Name`].
///
/// `'a` is that of the buffer, and neither longer nor shorter: what was stored in one buffer is not
/// in another one.
///
/// # Invariants
///
/// The buffer of `'a` holds a C string.
#[must_use = "this is what `get_name` returns"]
pub struct Named<'a>(PhantomData<fn(&'a ()) -> &'a ()>);

impl<'a> Name<'a> {
    /// Wraps the buffer of a C `get_name` operation.
    ///
    /// # Safety
    ///
    /// `name` must be valid for writes of `NAME_MAX + 1` bytes, which need not be initialised, for
    /// the duration of `'a`, and not be accessed in any other way in that time.
    #[inline]
    pub(super) unsafe fn from_raw(name: *mut c_char) -> Self {
        // INVARIANT: Guaranteed by the caller.
        Self {
            name: name.cast(),
            _buffer: PhantomData,
        }
    }

    /// Stores the name.
    ///
    /// # Errors
    ///
    /// `ENAMETOOLONG` above `NAME_MAX` bytes; `EINVAL` if it is empty or holds a NUL or a slash.
    pub fn set(self, name: &[u8]) -> Result<Named<'a>> {
        if name.is_empty() || name.iter().any(|&byte| byte == 0 || byte == b'/') {
            return Err(EINVAL);
        }
        if name.len() > NAME_MAX {
            return Err(ENAMETOOLONG);
        }

        // SAFETY: By the type invariants, the buffer may be written for more bytes than that, and
        // as nobody else has it, the name lies elsewhere.
        unsafe {
            self.name
                .copy_from_nonoverlapping(name.as_ptr(), name.len())
        };

        // SAFETY: The name has at most `NAME_MAX` bytes, so this is in the buffer, too.
        unsafe { self.name.add(name.len()).write(0) };

        // INVARIANT: The bytes that were stored end with a NUL.
        Ok(Named(PhantomData))
    }
}
