// SPDX-License-Identifier: GPL-2.0

use super::{
    handle::{
        units,
        Handle, //
    },
    FileidType, //
};
use crate::prelude::*;
use core::marker::PhantomData;

/// The buffer of a caller that asks for a file handle.
///
/// Consumed by storing one handle, or refusing to. Storing also tells the caller the handle's
/// length, stored or not, so that one who came with a buffer that is too small can come back with a
/// larger one.
///
/// # Invariants
///
/// - `len` may be read and written for `'a`.
/// - If `*len` is positive, `fid` may be written for that many units of four bytes for `'a`.
pub struct Encoder<'a> {
    fid: *mut u32,
    len: *mut c_int,
    /// Invariant in `'a`, which tells one buffer from another.
    _buffer: PhantomData<fn(&'a ()) -> &'a mut [u32]>,
}

/// The proof that an [`Encoder`] has been used.
///
/// `'a` is that of the encoder, and neither longer nor shorter: what was encoded into one buffer
/// cannot be returned for another one.
///
/// # Invariants
///
/// Holds what `encode_fh` returns to the VFS for the encoder of `'a`: the [`FileidType`] of the handle
/// that was stored, or `FILEID_INVALID` where none was.
#[must_use = "this is what `encode_fh` returns"]
pub struct Encoded<'a> {
    kind: c_int,
    _encoder: PhantomData<fn(&'a ()) -> &'a ()>,
}

impl Encoded<'_> {
    #[inline]
    fn new(kind: c_int) -> Self {
        Self {
            kind,
            _encoder: PhantomData,
        }
    }

    /// Returns what `encode_fh` returns to the VFS.
    #[inline]
    pub(super) fn as_raw(&self) -> c_int {
        self.kind
    }
}

impl<'a> Encoder<'a> {
    /// Wraps the two arguments of a C `encode_fh` operation.
    ///
    /// # Safety
    ///
    /// - `len` must be valid for reads and writes for the duration of `'a`.
    /// - If `*len` is positive, `fid` must be valid for writes of that many `u32` for the duration
    ///   of `'a`. It may be null or dangling otherwise: fanotify asks for a length that way.
    #[inline]
    pub(super) unsafe fn from_raw(fid: *mut u32, len: *mut c_int) -> Self {
        // INVARIANT: Guaranteed by the caller.
        Self {
            fid,
            len,
            _buffer: PhantomData,
        }
    }

    /// Stores nothing: there is no handle for what was asked, whatever the size of the buffer.
    ///
    /// There is no other way to say no: the VFS would take a negative number for a kind of handle.
    /// For name_to_handle_at(2) it is `EOVERFLOW`.
    #[inline]
    pub fn refuse(self) -> Encoded<'a> {
        // INVARIANT: Nothing is stored.
        Encoded::new(FileidType::INVALID)
    }

    /// Stores what `handle` returns, which is called only if it fits.
    #[inline]
    pub fn store<H: Handle>(self, handle: impl FnOnce() -> H) -> Encoded<'a> {
        let needed = units::<H>() as c_int;

        // SAFETY: By the type invariants, `len` may be read.
        let fits = unsafe { *self.len } >= needed;

        // SAFETY: By the type invariants, `len` may be written.
        unsafe { *self.len = needed };

        if !fits {
            // INVARIANT: Nothing is stored.
            return Encoded::new(FileidType::INVALID);
        }

        // SAFETY: By the type invariants, `fid` may be written for `len` units, which was at least
        // the size of the handle. The write needs no alignment.
        unsafe { self.fid.cast::<H>().write_unaligned(handle()) };

        // INVARIANT: The handle is stored; it has no padding, because it is `IntoBytes`.
        Encoded::new(H::TYPE.as_raw())
    }
}
