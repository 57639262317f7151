// SPDX-License-Identifier: GPL-2.0

use super::{
    handle::{
        units,
        Handle,
        Tail, //
    },
    UNIT, //
};
use crate::{
    bindings,
    prelude::*, //
};
use core::slice;

/// A file handle to decode: the arguments `fid`, `fh_len` and `fh_type` of `->fh_to_dentry()`.
///
/// User space chooses the type and the bytes. exportfs counts in units of four bytes and rounds
/// `handle_bytes` of open_by_handle_at(2) down, so the last one to three bytes are not checked.
pub struct Fid<'a> {
    bytes: &'a [u8],
    fileid_type: c_int,
}

impl<'a> Fid<'a> {
    /// Wraps the arguments of `->fh_to_dentry()` or `->fh_to_parent()`.
    ///
    /// # Safety
    ///
    /// The caller must ensure that, if `len` is positive, `fid` is valid for reads of `len` units
    /// of four bytes for the duration of `'a`, and that they are not written during `'a`.
    #[inline]
    pub(super) unsafe fn from_raw(
        fid: *const bindings::fid,
        len: c_int,
        fileid_type: c_int,
    ) -> Self {
        let units: &[[u8; UNIT]] = match usize::try_from(len) {
            // SAFETY: The caller ensures that `fid` is valid for reads of `len` units, which are
            // not written, for `'a`. An array of bytes has an alignment of one.
            Ok(len @ 1..) => unsafe { slice::from_raw_parts(fid.cast(), len) },
            _ => &[],
        };

        Self {
            bytes: units.as_flattened(),
            fileid_type,
        }
    }

    /// Returns the file handle type.
    ///
    /// User space may pass a value that is not a valid [`FileidType`](super::FileidType).
    #[inline]
    pub fn fileid_type(&self) -> c_int {
        self.fileid_type
    }

    /// Returns the bytes of the handle, whose length is a multiple of four.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns a copy of the handle as an `H`.
    ///
    /// Returns [`None`] if:
    ///
    /// - The type is not [`Handle::TYPE`].
    /// - The handle is shorter than `H`.
    /// - The handle is longer than `H`, and [`Handle::TAIL`] rejects the tail.
    #[inline]
    pub fn load<H: Handle>(&self) -> Option<H> {
        const { units::<H>() };

        if self.fileid_type != H::TYPE.as_raw() {
            return None;
        }
        let (handle, tail) = H::read_from_prefix(self.bytes).ok()?;
        let accepted = match H::TAIL {
            Tail::Absent => tail.is_empty(),
            Tail::Zero => tail.iter().all(|&byte| byte == 0),
            Tail::Ignored => true,
        };

        accepted.then_some(handle)
    }
}
