// SPDX-License-Identifier: GPL-2.0

use super::handle::{
    units,
    Handle,
    Tail, //
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

    /// Copies out the handle if it is an `H`.
    ///
    /// [`None`] if it is of another kind or too short, or is followed by what [`Handle::TAIL`]
    /// does not allow.
    #[inline]
    pub fn load<H: Handle>(&self) -> Option<H> {
        if self.len < units::<H>() || self.kind != H::TYPE.as_raw() {
            return None;
        }
        match H::TAIL {
            Tail::Absent if self.len != units::<H>() => return None,
            Tail::Zero if !self.is_zero_from(units::<H>()) => return None,
            _ => {}
        }

        // SAFETY: By the type invariants, `fid` may be read for `len` units, which is at least the
        // size of the handle. The read needs no alignment, and any bytes make an `H`, because it
        // is `FromBytes`.
        Some(unsafe { self.fid.cast::<H>().read_unaligned() })
    }

    /// Tells whether all units from `start` on are zero.
    #[inline]
    fn is_zero_from(&self, start: usize) -> bool {
        (start..self.len).all(|unit| {
            // SAFETY: By the type invariants, `fid` may be read for `len` units. The read needs no
            // alignment.
            let value = unsafe { self.fid.cast::<u32>().add(unit).read_unaligned() };

            value == 0
        })
    }
}
