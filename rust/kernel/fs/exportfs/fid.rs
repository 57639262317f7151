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

/// A file handle to decode: a type and untrusted bytes.
///
/// Stands for the arguments `fid`, `fh_len` and `fh_type` of the C operations.
///
/// User space chooses the type and the bytes. exportfs counts in units of four bytes: if the
/// `handle_bytes` of open_by_handle_at(2) is not a multiple of four, the last one to three bytes
/// do not reach the filesystem, and any value is accepted there.
pub struct Fid<'a> {
    bytes: &'a [u8],
    fileid_type: c_int,
}

impl<'a> Fid<'a> {
    /// Wraps the arguments of a C `fh_to_dentry` or `fh_to_parent` operation.
    ///
    /// # Safety
    ///
    /// If `len` is positive, the caller must ensure that `fid` is valid for reads of `len` units
    /// of four bytes for the duration of `'a`, and that they are not written during `'a`.
    #[inline]
    pub(super) unsafe fn from_raw(
        fid: *const bindings::fid,
        len: c_int,
        fileid_type: c_int,
    ) -> Self {
        let units: &[[u8; UNIT]] = match usize::try_from(len) {
            // SAFETY: The caller ensures that `len` units may be read for `'a`, and that they are
            // not written. Bytes need no alignment.
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
    /// This is any `int`, and not necessarily a [`FileidType`](super::FileidType).
    #[inline]
    pub fn fileid_type(&self) -> c_int {
        self.fileid_type
    }

    /// Returns the bytes of the handle: a whole number of units of four bytes.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns a copy of the handle if it is an `H`.
    ///
    /// Returns [`None`] if the handle has another type, is too short, or has a tail that
    /// [`Handle::TAIL`] rejects.
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
