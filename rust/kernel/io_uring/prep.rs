// SPDX-License-Identifier: GPL-2.0

use crate::bindings;
use core::marker::PhantomData;

/// The context of a [`prep`](super::Opcode::prep) call.
///
/// # Invariants
///
/// `req` is valid for `'a` and is not accessed through another pointer.
pub struct Prep<'a> {
    req: *mut bindings::io_kiocb,
    _request: PhantomData<&'a mut bindings::io_kiocb>,
}

impl<'a> Prep<'a> {
    /// Wraps the argument of `->prep()`.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `req` is valid for `'a` and is not accessed through another
    /// pointer.
    #[inline]
    pub(super) unsafe fn from_raw(req: *mut bindings::io_kiocb) -> Self {
        // INVARIANT: The caller ensures the type invariants.
        Self {
            req,
            _request: PhantomData,
        }
    }

    /// Returns `true` if the entry sets `IOSQE_FIXED_FILE`: the field `fd` is a slot.
    ///
    /// An operation that does not support it must return `EBADF`.
    #[inline]
    pub fn has_fixed_file(&self) -> bool {
        // SAFETY: By the type invariants, the request is valid.
        let flags = unsafe { (*self.req).flags };

        flags & bindings::REQ_F_FIXED_FILE as bindings::io_req_flags_t != 0
    }

    /// Returns `true` if a 32-bit program created the ring on a 64-bit kernel.
    #[inline]
    pub fn is_compat(&self) -> bool {
        // SAFETY: By the type invariants, the request is valid, and so is its ring.
        unsafe { bindings::io_req_is_compat(self.req) }
    }

    /// Forces a worker to issue the request, without an inline attempt (`REQ_F_FORCE_ASYNC`).
    #[inline]
    pub fn force_async(&mut self) {
        // SAFETY: By the type invariants, the request is valid and exclusive.
        unsafe { (*self.req).flags |= bindings::REQ_F_FORCE_ASYNC as bindings::io_req_flags_t };
    }
}
