// SPDX-License-Identifier: GPL-2.0

use super::{
    Capacity,
    FileHandle,
    Header, //
};
use crate::{
    bindings,
    error::to_result,
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};
use core::mem::offset_of;

type C = bindings::file_handle;

/// Where a caller keeps a file handle: a `struct file_handle __user *`.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::fhandle::UserHandle,
///     uaccess::UserPtr, //
/// };
///
/// // There is nothing at address zero.
/// let handle = UserHandle::new(UserPtr::from_addr(0));
/// assert!(matches!(handle.header(), Err(EFAULT)));
/// assert!(matches!(handle.capacity(), Err(EFAULT)));
/// ```
#[derive(Clone, Copy)]
pub struct UserHandle(UserPtr);

impl UserHandle {
    /// Takes a pointer from user space, as it is.
    #[inline]
    pub fn new(handle: UserPtr) -> Self {
        Self(handle)
    }

    /// Fetches the header of a handle that is to be decoded.
    ///
    /// # Errors
    ///
    /// `EFAULT`; `EINVAL` for a length of 0 or more than 128, a negative type, and unknown flags
    /// in the type.
    #[inline]
    pub fn header(self) -> Result<Header> {
        let (len, kind) = self.fetch()?;

        Header::from_user(len, kind)
    }

    /// Fetches how much room there is for a handle that is to be encoded.
    ///
    /// # Errors
    ///
    /// `EFAULT`; `EINVAL` for more than 128 bytes.
    #[inline]
    pub fn capacity(self) -> Result<Capacity> {
        let (len, _) = self.fetch()?;

        Capacity::from_user(len)
    }

    /// Fetches the bytes that belong to a header which has been fetched before.
    ///
    /// # Errors
    ///
    /// `EFAULT`
    #[inline]
    pub fn read(self, handle: &mut FileHandle) -> Result {
        let bytes = handle.bytes_mut();

        UserSlice::new(
            self.0.wrapping_byte_add(offset_of!(C, f_handle)),
            bytes.len(),
        )
        .reader()
        .read_slice(bytes)
    }

    /// Stores a header and what follows it.
    ///
    /// # Errors
    ///
    /// `EFAULT`
    #[inline]
    pub(super) fn write(self, bytes: &[u8]) -> Result {
        UserSlice::new(self.0, bytes.len())
            .writer()
            .write_slice(bytes)
    }

    /// Fetches length and type, each once.
    #[inline]
    fn fetch(self) -> Result<(u32, c_int)> {
        let len = Self::fetch_word(self.0)?;
        let kind = Self::fetch_word(self.0.wrapping_byte_add(offset_of!(C, handle_type)))?;

        // CAST: C has a signed type.
        Ok((len, kind as c_int))
    }

    #[inline]
    fn fetch_word(place: UserPtr) -> Result<u32> {
        let mut word = 0;

        // SAFETY: `word` may be written, and any user pointer is taken.
        to_result(unsafe { bindings::get_user_u32(&mut word, place.as_const_ptr().cast()) })?;
        Ok(word)
    }
}
