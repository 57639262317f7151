// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    error::to_result,
    fs::File,
    prelude::*,
    sync::aref::ARef, //
};
use core::{
    marker::PhantomData,
    num::NonZeroU32, //
};

/// The circumstances in which an operation is issued.
///
/// # Invariants
///
/// `req` is valid for `'a`, and issued with `flags`.
pub struct Issue<'a> {
    req: *mut bindings::io_kiocb,
    flags: c_uint,
    _request: PhantomData<&'a mut bindings::io_kiocb>,
}

/// The proof that an operation was issued where it was not allowed to wait.
pub struct NonBlock(());

impl<'a> Issue<'a> {
    /// Wraps the arguments of a C `issue` function.
    ///
    /// # Safety
    ///
    /// `req` must be valid for the duration of `'a` and be issued with `flags`.
    #[inline]
    pub(super) unsafe fn from_raw(req: *mut bindings::io_kiocb, flags: c_uint) -> Self {
        // INVARIANT: Guaranteed by the caller.
        Self {
            req,
            flags,
            _request: PhantomData,
        }
    }

    /// Tells whether waiting is not allowed, and the operation to be retried if it had to.
    #[inline]
    pub fn nonblock(&self) -> Option<NonBlock> {
        // CAST: bindgen takes the highest bit for a sign.
        const NONBLOCK: c_uint = bindings::io_uring_cmd_flags_IO_URING_F_NONBLOCK as c_uint;

        (self.flags & NONBLOCK != 0).then_some(NonBlock(()))
    }

    /// Puts a file into the ring's table, and returns what the operation is to return: the slot, if
    /// it was to be chosen, and else 0.
    ///
    /// C: `io_fixed_fd_install()`, which consumes the file in every case. May sleep.
    ///
    /// # Errors
    ///
    /// `ENXIO` if the ring has no table, `EINVAL` if that slot is not in it, `ENFILE` if none is
    /// free, `EBADF` for a ring, `ENOMEM`.
    #[inline]
    pub fn install(&mut self, file: ARef<File>, slot: NonZeroU32) -> Result<c_int> {
        let file = ARef::into_raw(file).as_ptr().cast();

        // SAFETY: The request is valid and issued with these flags, by the type invariants. The
        // reference to the file is ours and passes to the ring.
        let ret = unsafe { bindings::io_fixed_fd_install(self.req, self.flags, file, slot.get()) };

        to_result(ret)?;
        Ok(ret)
    }
}
