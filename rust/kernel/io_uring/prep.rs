// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    prelude::*, //
};
use core::marker::PhantomData;

/// A request that an operation is made for.
///
/// # Invariants
///
/// `req` is valid for `'a`, and used by nobody else.
pub struct Prep<'a> {
    req: *mut bindings::io_kiocb,
    _request: PhantomData<&'a mut bindings::io_kiocb>,
}

impl<'a> Prep<'a> {
    /// Wraps the argument of a C `prep` function.
    ///
    /// # Safety
    ///
    /// `req` must be valid for the duration of `'a`, and be used by nobody else.
    #[inline]
    pub(super) unsafe fn from_raw(req: *mut bindings::io_kiocb) -> Self {
        // INVARIANT: Guaranteed by the caller.
        Self {
            req,
            _request: PhantomData,
        }
    }

    /// Refuses `IOSQE_FIXED_FILE`, for an operation whose descriptor is not one of the ring's.
    ///
    /// # Errors
    ///
    /// `EBADF`
    #[inline]
    pub fn refuse_fixed_file(&self) -> Result {
        // SAFETY: The request is valid by the type invariants.
        let flags = unsafe { (*self.req).flags };

        if flags & bindings::REQ_F_FIXED_FILE as bindings::io_req_flags_t != 0 {
            return Err(EBADF);
        }
        Ok(())
    }

    /// Has the operation issued by a worker at once, because it would have to wait anyway.
    #[inline]
    pub fn force_async(&mut self) {
        // SAFETY: The request is valid and used by nobody else, by the type invariants.
        unsafe { (*self.req).flags |= bindings::REQ_F_FORCE_ASYNC as bindings::io_req_flags_t };
    }
}
