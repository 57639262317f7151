// SPDX-License-Identifier: GPL-2.0

use super::{
    handle::{
        units,
        Handle, //
    },
    FileidType,
    MAX_HANDLE_SZ,
    UNIT, //
};
use crate::prelude::*;
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    slice, //
};

/// The buffer that a file handle is encoded into.
///
/// Stands for the arguments `fh` and `max_len` of the C operation.
///
/// Storing one handle, or refusing to, consumes the encoder. Storing also reports the length of the
/// handle, whether or not the buffer is large enough, so that the caller can retry with a larger
/// buffer.
pub struct Encoder<'a> {
    buffer: &'a mut [MaybeUninit<[u8; UNIT]>],
    len: &'a mut c_int,
    /// Makes the type invariant in `'a`, which identifies the buffer.
    _buffer: PhantomData<fn(&'a ()) -> &'a ()>,
}

/// Proof that the [`Encoder`] with the same lifetime was used.
///
/// The type is invariant in `'a`, so that a handle in one buffer cannot be reported for another
/// one.
///
/// # Invariants
///
/// `fileid_type` is the type of the handle that was stored, or `FILEID_INVALID` if none was.
#[must_use = "this is the return value of `encode_fh`"]
pub struct Encoded<'a> {
    fileid_type: c_int,
    _encoder: PhantomData<fn(&'a ()) -> &'a ()>,
}

impl Encoded<'_> {
    #[inline]
    fn new(fileid_type: c_int) -> Self {
        Self {
            fileid_type,
            _encoder: PhantomData,
        }
    }

    /// Returns the return value of the C operation.
    #[inline]
    pub(super) fn as_raw(&self) -> c_int {
        self.fileid_type
    }
}

impl<'a> Encoder<'a> {
    /// Wraps two arguments of a C `encode_fh` operation.
    ///
    /// # Safety
    ///
    /// The caller must ensure that for the duration of `'a`
    ///
    /// - `len` is valid for reads and writes, and nothing else accesses it, and
    /// - if `*len` is positive, `fid` is valid for writes of that many `u32`, and nothing else
    ///   accesses them. Otherwise `fid` may be null: fanotify queries the length this way.
    #[inline]
    pub(super) unsafe fn from_raw(fid: *mut u32, len: *mut c_int) -> Self {
        // SAFETY: The caller ensures that `len` is valid and not accessed otherwise for `'a`.
        let len = unsafe { &mut *len };
        let buffer = match usize::try_from(*len) {
            // SAFETY: The caller ensures that `fid` may be written for `*len` units and is not
            // accessed otherwise for `'a`. Bytes need no alignment.
            Ok(units @ 1..) => unsafe { slice::from_raw_parts_mut(fid.cast(), units) },
            _ => &mut [],
        };

        Self {
            buffer,
            len,
            _buffer: PhantomData,
        }
    }

    /// Stores nothing: the file has no handle, whatever the size of the buffer.
    ///
    /// name_to_handle_at(2) then fails with `EOVERFLOW`. `encode_fh` has no other way to report an
    /// error.
    #[inline]
    pub fn refuse(self) -> Encoded<'a> {
        // INVARIANT: Nothing was stored.
        Encoded::new(FileidType::INVALID)
    }

    /// Stores the handle that `handle` returns, which is only called if the buffer is large enough.
    #[inline]
    pub fn store<H: Handle>(self, handle: impl FnOnce() -> H) -> Encoded<'a> {
        let Some(buffer) = self.reserve(units::<H>()) else {
            // INVARIANT: Nothing was stored.
            return Encoded::new(FileidType::INVALID);
        };

        // SAFETY: `buffer` has the size of an `H`. The write needs no alignment.
        unsafe { buffer.as_mut_ptr().cast::<H>().write_unaligned(handle()) };

        // INVARIANT: The handle was stored. It has no padding, because it is `IntoBytes`.
        Encoded::new(H::TYPE.as_raw())
    }

    /// Stores a handle of `len` bytes, which `fill` writes if the buffer is large enough.
    ///
    /// The bytes are zero before `fill` is called. Zeros pad the handle to a multiple of four
    /// bytes. If `len` is zero or greater than `MAX_HANDLE_SZ` (128), the file has no handle: the
    /// call is refused and `fill` is not called.
    #[inline]
    pub fn store_bytes(
        self,
        fileid_type: FileidType,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Encoded<'a> {
        if len == 0 || len > MAX_HANDLE_SZ {
            return self.refuse();
        }
        let Some(buffer) = self.reserve(len.div_ceil(UNIT)) else {
            // INVARIANT: Nothing was stored.
            return Encoded::new(FileidType::INVALID);
        };
        buffer.fill(MaybeUninit::new([0; UNIT]));

        // SAFETY: All of `buffer` was initialised above. `MaybeUninit` does not change the layout.
        let bytes = unsafe { &mut *(&raw mut *buffer as *mut [[u8; UNIT]]) }.as_flattened_mut();
        bytes.get_mut(..len).map(fill);

        // INVARIANT: The handle was stored.
        Encoded::new(fileid_type.as_raw())
    }

    /// Reports the length of a handle, and returns the buffer for it if that is large enough.
    #[inline]
    fn reserve(self, units: usize) -> Option<&'a mut [MaybeUninit<[u8; UNIT]>]> {
        let buffer = self.buffer.get_mut(..units);

        // CAST: At most `MAX_HANDLE_SZ / UNIT`.
        *self.len = units as c_int;
        buffer
    }
}
