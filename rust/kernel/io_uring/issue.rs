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

/// The context of an [`issue`](super::Opcode::issue) call.
///
/// # Invariants
///
/// `req` is valid for `'a` and is being issued with `flags`.
pub struct Issue<'a> {
    req: *mut bindings::io_kiocb,
    flags: c_uint,
    _request: PhantomData<&'a mut bindings::io_kiocb>,
}

/// A token of an operation that was issued with `IO_URING_F_NONBLOCK`.
pub struct NonBlock(());

impl<'a> Issue<'a> {
    /// Wraps the arguments of `->issue()`.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `req` is valid for `'a` and is being issued with `flags`.
    #[inline]
    pub(super) unsafe fn from_raw(req: *mut bindings::io_kiocb, flags: c_uint) -> Self {
        // INVARIANT: The safety requirements are the invariants.
        Self {
            req,
            flags,
            _request: PhantomData,
        }
    }

    /// Returns a token if the operation must not block.
    #[inline]
    pub fn nonblock(&self) -> Option<NonBlock> {
        // CAST: The flag is the sign bit of the enum.
        const NONBLOCK: c_uint = bindings::io_uring_cmd_flags_IO_URING_F_NONBLOCK as c_uint;

        (self.flags & NONBLOCK != 0).then_some(NonBlock(()))
    }

    /// Installs a file in the file table of the ring and returns the result of the operation: the
    /// slot for `IORING_FILE_INDEX_ALLOC`, and 0 otherwise.
    ///
    /// C: `io_fixed_fd_install()`, which consumes the file in every case. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENXIO` if the ring has no file table.
    /// - `EINVAL` if the slot is out of range.
    /// - `ENFILE` if no slot is free.
    /// - `EBADF` if the file is an io_uring instance.
    /// - `ENOMEM` if there is not enough memory.
    #[inline]
    pub(super) fn install(&mut self, file: ARef<File>, slot: NonZeroU32) -> Result<c_int> {
        let file = ARef::into_raw(file).as_ptr().cast();

        // SAFETY: By the type invariants, the request is valid and is being issued with
        // `self.flags`. The reference to the file is consumed.
        let ret = unsafe { bindings::io_fixed_fd_install(self.req, self.flags, file, slot.get()) };

        to_result(ret)?;
        Ok(ret)
    }
}
