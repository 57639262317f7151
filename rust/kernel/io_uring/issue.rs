// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    error::to_result,
    fs::{
        File,
        LocalFile, //
    },
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
/// `req` is valid for `'a` and is issued with `flags`.
pub struct Issue<'a> {
    req: *mut bindings::io_kiocb,
    flags: c_uint,
    _request: PhantomData<fn(&'a ()) -> &'a ()>,
}

/// Proof that the operation of an [`Issue<'a>`](Issue) is issued with `IO_URING_F_NONBLOCK`.
///
/// The lifetime is invariant, so an operation cannot keep the value for another call.
pub struct NonBlock<'a>(PhantomData<fn(&'a ()) -> &'a ()>);

/// Proof that a worker issues the operation of an [`Issue<'a>`](Issue) (`IO_URING_F_IOWQ`).
///
/// The lifetime is invariant, so an operation cannot keep the value for another call.
pub struct Worker<'a>(PhantomData<fn(&'a ()) -> &'a ()>);

impl<'a> Issue<'a> {
    /// Wraps the arguments of `->issue()`.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `req` is valid for `'a` and is issued with `flags`.
    #[inline]
    pub(super) unsafe fn from_raw(req: *mut bindings::io_kiocb, flags: c_uint) -> Self {
        // INVARIANT: The caller ensures the type invariants.
        Self {
            req,
            flags,
            _request: PhantomData,
        }
    }

    /// Returns [`Some`] if the operation must not block.
    #[inline]
    pub fn nonblock(&self) -> Option<NonBlock<'a>> {
        // CAST: The flag is the sign bit of the enum.
        const NONBLOCK: c_uint = bindings::io_uring_cmd_flags_IO_URING_F_NONBLOCK as c_uint;

        (self.flags & NONBLOCK != 0).then_some(NonBlock(PhantomData))
    }

    /// Returns [`Some`] if a worker issues the operation.
    #[inline]
    pub fn worker(&self) -> Option<Worker<'a>> {
        // CAST: The flag is a small positive number.
        const WORKER: c_uint = bindings::io_uring_cmd_flags_IO_URING_F_IOWQ as c_uint;

        (self.flags & WORKER != 0).then_some(Worker(PhantomData))
    }

    /// Returns the file in a slot of the ring, or [`None`] if the request does not set
    /// `IOSQE_FIXED_FILE`.
    ///
    /// `slot` is the field `fd` of the entry. The request holds the node of the slot, and so the
    /// file, until io_uring frees the request. A retry returns the same file. May sleep.
    ///
    /// C: `io_file_get_fixed()`.
    ///
    /// # Errors
    ///
    /// - `EBADF` if the slot is empty or out of range.
    #[inline]
    pub fn fixed_file(&mut self, slot: c_int) -> Option<Result<&LocalFile>> {
        // SAFETY: By the type invariants, the request is valid.
        let flags = unsafe { (*self.req).flags };

        if flags & bindings::REQ_F_FIXED_FILE as bindings::io_req_flags_t == 0 {
            return None;
        }
        // SAFETY: By the type invariants, the request is valid and is issued with `self.flags`. It
        // sets `IOSQE_FIXED_FILE`.
        let file = unsafe { bindings::io_req_fixed_file(self.req, slot, self.flags) };

        if file.is_null() {
            return Some(Err(EBADF));
        }
        // SAFETY:
        // - `io_file_get_fixed()` took a reference to the node of the slot, which `file_node` of
        //   the request holds until io_uring frees the request. The node owns a reference to the
        //   file, also after the slot has been replaced or unregistered. By the type invariants,
        //   the request is valid for `'a`, and the return value borrows `self`.
        // - `fdget_pos()` omits `f_pos_lock` only if the descriptor table of its caller is not
        //   shared and owns the only reference to the file. It takes the mutex while the node owns
        //   another one. If an earlier call omitted it, no other thread had the descriptor, and the
        //   thread of the call could not put the file into a slot before the call returned. As for
        //   `LocalFile::fget()`, `file_needs_f_pos_lock()` accepts one exception, pidfd_getfd(2).
        Some(Ok(unsafe { LocalFile::from_raw_file(file) }))
    }

    /// Installs a file in the file table of the ring.
    ///
    /// Returns the result of the operation: the slot if `slot` is `IORING_FILE_INDEX_ALLOC`, and 0
    /// otherwise. May sleep.
    ///
    /// C: `io_fixed_fd_install()`.
    ///
    /// # Errors
    ///
    /// - `EBADF` if the file is an io_uring instance.
    /// - `ENXIO` if the ring has no file table and `slot` is not `IORING_FILE_INDEX_ALLOC`.
    /// - `EINVAL` if the slot is out of range.
    /// - `ENFILE` if `slot` is `IORING_FILE_INDEX_ALLOC` and no slot is free.
    /// - `ENOMEM` if memory allocation fails.
    #[inline]
    pub(super) fn install(&mut self, file: ARef<File>, slot: NonZeroU32) -> Result<c_int> {
        let file = ARef::into_raw(file).as_ptr().cast();

        // SAFETY: By the type invariants, the request is valid and is issued with `self.flags`.
        // `io_fixed_fd_install()` consumes the reference to the file, also on failure.
        let ret = unsafe { bindings::io_fixed_fd_install(self.req, self.flags, file, slot.get()) };

        to_result(ret)?;
        Ok(ret)
    }
}
