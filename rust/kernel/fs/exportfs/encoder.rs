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

/// The buffer that a file handle is encoded into: the arguments `fh` and `max_len` of
/// `->encode_fh()`.
///
/// An operation calls [`store`](Self::store), [`store_bytes`](Self::store_bytes),
/// [`refuse`](Self::refuse) or [`fail`](Self::fail), each of which consumes the encoder. The first
/// two set `*max_len` to the length of the handle even if the buffer is too small, so that the
/// caller can retry with a larger buffer.
pub struct Encoder<'a> {
    buffer: &'a mut [MaybeUninit<[u8; UNIT]>],
    len: &'a mut c_int,
    /// Makes the type invariant over `'a`, which identifies the buffer.
    _buffer: PhantomData<fn(&'a ()) -> &'a ()>,
}

/// The result of `->encode_fh()`: proof that the [`Encoder`] with the same lifetime was consumed.
///
/// The type is invariant over `'a`, so the result of one call cannot be returned from another call.
///
/// # Invariants
///
/// `fileid_type` is the type of the handle that was stored. If none was, it is `FILEID_INVALID` or
/// a negative errno.
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

    /// Returns the return value of `->encode_fh()`.
    #[inline]
    pub(super) fn as_raw(&self) -> c_int {
        self.fileid_type
    }
}

impl<'a> Encoder<'a> {
    /// Wraps the arguments of `->encode_fh()`.
    ///
    /// # Safety
    ///
    /// The caller must ensure that, for the duration of `'a`:
    ///
    /// - `len` is valid for reads and writes, and is not accessed through another pointer.
    /// - If `*len` is positive, `fid` is valid for writes of that many `u32`, and they are not
    ///   accessed through another pointer. Otherwise `fid` may be null: fanotify passes NULL to
    ///   query the length.
    #[inline]
    pub(super) unsafe fn from_raw(fid: *mut u32, len: *mut c_int) -> Self {
        // SAFETY: The caller ensures that `len` is valid, and exclusive, for `'a`.
        let len = unsafe { &mut *len };
        let buffer = match usize::try_from(*len) {
            // SAFETY: The caller ensures that `fid` is valid for writes of `*len` units, and
            // exclusive, for `'a`. An array of bytes has an alignment of one.
            Ok(units @ 1..) => unsafe { slice::from_raw_parts_mut(fid.cast(), units) },
            _ => &mut [],
        };

        Self {
            buffer,
            len,
            _buffer: PhantomData,
        }
    }

    /// Stores no handle (`FILEID_INVALID`) and leaves `*max_len` unchanged.
    ///
    /// name_to_handle_at(2) then fails with `EOVERFLOW`.
    #[inline]
    pub fn refuse(self) -> Encoded<'a> {
        // INVARIANT: Nothing was stored.
        Encoded::new(FileidType::INVALID)
    }

    /// Stores no handle, leaves `*max_len` unchanged, and returns `error`.
    ///
    /// name_to_handle_at(2) then fails with `error`. `ENOSPC` becomes `EOVERFLOW`.
    #[inline]
    pub fn fail(self, error: Error) -> Encoded<'a> {
        // INVARIANT: Nothing was stored. An error is a negative errno.
        Encoded::new(error.to_errno())
    }

    /// Stores the handle that `handle` returns.
    ///
    /// Calls `handle` only if the buffer is large enough.
    #[inline]
    pub fn store<H: Handle>(self, handle: impl FnOnce() -> H) -> Encoded<'a> {
        let Some(buffer) = self.reserve(units::<H>()) else {
            // INVARIANT: Nothing was stored.
            return Encoded::new(FileidType::INVALID);
        };

        // SAFETY: `buffer` has the size of an `H`. `write_unaligned()` requires no alignment.
        unsafe { buffer.as_mut_ptr().cast::<H>().write_unaligned(handle()) };

        // INVARIANT: A handle of this type was stored. `IntoBytes` ensures that it has no padding,
        // so every byte of the buffer is initialised.
        Encoded::new(H::TYPE.as_raw())
    }

    /// Stores a handle of `len` bytes that `fill` writes.
    ///
    /// Calls `fill` only if the buffer is large enough. The bytes are zero before the call. Zeros
    /// pad the handle to a multiple of four bytes. If `len` is zero or greater than `MAX_HANDLE_SZ`
    /// (128), the function behaves like [`refuse`](Self::refuse).
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

        // SAFETY: `fill()` above initialised all of `buffer`. `MaybeUninit<T>` has the layout of
        // `T`.
        let bytes = unsafe { &mut *(&raw mut *buffer as *mut [[u8; UNIT]]) }.as_flattened_mut();
        bytes.get_mut(..len).map(fill);

        // INVARIANT: A handle of this type was stored.
        Encoded::new(fileid_type.as_raw())
    }

    /// Sets `*max_len` and returns the first `units` of the buffer, or [`None`] if it is too small.
    #[inline]
    fn reserve(self, units: usize) -> Option<&'a mut [MaybeUninit<[u8; UNIT]>]> {
        let buffer = self.buffer.get_mut(..units);

        // CAST: `units` is at most `MAX_HANDLE_SZ / UNIT`.
        *self.len = units as c_int;
        buffer
    }
}
