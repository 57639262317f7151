// SPDX-License-Identifier: GPL-2.0

use super::handle::{
    units,
    Handle, //
};
use crate::{
    bindings,
    prelude::*, //
};
use core::marker::PhantomData;

/// A file handle to decode: a kind and some bytes, from anyone.
///
/// Neither has been checked against anything, and bytes of a shared buffer may change while they
/// are looked at; so they are only ever copied out, each once, into a [`Handle`].
///
/// # Invariants
///
/// `fid` may be read for `len` units of four bytes for `'a`.
pub struct Fid<'a> {
    fid: *const bindings::fid,
    len: usize,
    kind: c_int,
    _buffer: PhantomData<&'a [u32]>,
}

impl<'a> Fid<'a> {
    /// Wraps the arguments of a C `fh_to_dentry` or `fh_to_parent` operation.
    ///
    /// # Safety
    ///
    /// If `len` is positive, `fid` must be valid for reads of that many units of four bytes for
    /// the duration of `'a`.
    #[inline]
    pub(super) unsafe fn from_raw(fid: *const bindings::fid, len: c_int, kind: c_int) -> Self {
        // INVARIANT: Guaranteed by the caller; a negative length has no units.
        Self {
            fid,
            len: usize::try_from(len).unwrap_or(0),
            kind,
            _buffer: PhantomData,
        }
    }

    /// Copies out the handle if it is an `H`, and [`None`] if it is of another kind or too short.
    ///
    /// Bytes that follow the handle are ignored.
    #[inline]
    pub fn load<H: Handle>(&self) -> Option<H> {
        if self.len < units::<H>() || self.kind != H::TYPE.as_raw() {
            return None;
        }

        // SAFETY: By the type invariants, `fid` may be read for `len` units, which is at least the
        // size of the handle. The read needs no alignment, and any bytes make an `H`, because it
        // is `FromBytes`.
        Some(unsafe { self.fid.cast::<H>().read_unaligned() })
    }
}
