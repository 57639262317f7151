// SPDX-License-Identifier: GPL-2.0

//! The C functions of an [`Opcode`].
//!
//! A request is *exclusive* if nothing else accesses its `cmd` or writes its `flags`. While a
//! worker issues the request, cancellation may read other fields and write its sequence numbers,
//! and a linked timeout may write `link` and take a reference.

use super::{
    Issue,
    Opcode,
    Outcome,
    Prep,
    Sqe, //
};
use crate::{
    bindings,
    prelude::*, //
};
use core::mem::MaybeUninit;

/// The data of an operation in its request (`struct io_cmd_data`).
///
/// `operation` is initialised if and only if `REQ_F_NEED_CLEANUP` is set.
#[repr(C)]
struct Cmd<T> {
    file: *mut bindings::file,
    operation: MaybeUninit<T>,
}

const NEED_CLEANUP: bindings::io_req_flags_t =
    bindings::REQ_F_NEED_CLEANUP as bindings::io_req_flags_t;

/// Returns a pointer to the operation of a request.
///
/// # Safety
///
/// The caller must ensure that `req` is valid.
#[inline]
unsafe fn operation<T>(req: *mut bindings::io_kiocb) -> *mut T {
    const {
        assert!(size_of::<Cmd<T>>() <= size_of::<bindings::io_cmd_data>());
        assert!(align_of::<Cmd<T>>() <= align_of::<bindings::io_cmd_data>());
    }
    // SAFETY: The caller ensures that the request is valid.
    let cmd = unsafe { &raw mut (*req).__bindgen_anon_1.cmd }.cast::<Cmd<T>>();

    // SAFETY: The assertions above ensure that a `Cmd<T>` fits into `struct io_cmd_data`.
    unsafe { &raw mut (*cmd).operation }.cast()
}

/// Implements `->prep()` of `struct io_issue_def`.
///
/// # Safety
///
/// The caller must ensure that:
///
/// - `req` is valid and exclusive.
/// - `sqe` is valid for volatile reads.
#[inline]
pub unsafe fn prep<T: Opcode>(
    req: *mut bindings::io_kiocb,
    sqe: *const bindings::io_uring_sqe,
) -> c_int {
    // SAFETY: The caller ensures that `sqe` is valid for volatile reads.
    let sqe = unsafe { Sqe::fetch(sqe) };
    // SAFETY: The caller ensures that `req` is valid and exclusive.
    let mut prep = unsafe { Prep::from_raw(req) };

    match T::prep(&mut prep, &sqe) {
        Ok(operation) => {
            // SAFETY: The caller ensures that `req` is valid and exclusive. It holds no operation
            // before `->prep()` succeeds.
            unsafe { put(req, operation) };
            0
        }
        Err(err) => err.to_errno(),
    }
}

/// Implements `->issue()` of `struct io_issue_def`.
///
/// # Safety
///
/// The caller must ensure that:
///
/// - `req` is valid and exclusive.
/// - [`prep`] of the same `T` has succeeded for `req`, and `req` is not complete.
#[inline]
pub unsafe fn issue<T: Opcode>(req: *mut bindings::io_kiocb, issue_flags: c_uint) -> c_int {
    // SAFETY: The caller ensures that `prep()` has succeeded and that `req` is not complete, so it
    // holds a `T`.
    let operation: T = unsafe { take(req) };
    // SAFETY: The caller ensures that `req` is valid, and issues it with `issue_flags`.
    let mut cx = unsafe { Issue::from_raw(req, issue_flags) };

    match operation.issue(&mut cx) {
        Outcome::Retry(operation, _) => {
            // SAFETY: The caller ensures that `req` is valid and exclusive. `take()` above removed
            // its operation.
            unsafe { put(req, operation) };
            // SAFETY: `io_issue_retry()` has no requirements: it returns a constant.
            unsafe { bindings::io_issue_retry() }
        }
        Outcome::Submitter(operation, _) => {
            // SAFETY: The caller ensures that `req` is valid and exclusive. `take()` above removed
            // its operation.
            unsafe { put(req, operation) };
            // SAFETY: The caller ensures that `req` is valid and not complete. The `Worker` proves
            // that a worker issues it. `req` is not used after this call.
            unsafe { bindings::io_issue_by_submitter(req) }
        }
        Outcome::Complete(result) => {
            let res = result.unwrap_or_else(|err| err.to_errno());

            // SAFETY: The caller ensures that `req` is valid and not complete.
            unsafe { bindings::io_issue_complete(req, res) }
        }
    }
}

/// Implements `->cleanup()` of `struct io_cold_def`.
///
/// io_uring calls it with `uring_lock` held, when it frees a request that was prepared but not
/// completed: it was cancelled, or a BPF filter denied it. See [Destruction](Opcode#destruction).
///
/// # Safety
///
/// The caller must ensure that:
///
/// - `req` is valid and exclusive.
/// - [`prep`] of the same `T` has succeeded for `req`, and `REQ_F_NEED_CLEANUP` is set.
#[inline]
pub unsafe fn cleanup<T: Opcode>(req: *mut bindings::io_kiocb) {
    // SAFETY: The caller ensures that `REQ_F_NEED_CLEANUP` is set, so `req` holds a `T`.
    drop(unsafe { take::<T>(req) });
}

/// Implements `->filter_populate()` of `struct io_issue_def` for an operation that opens a file.
///
/// # Safety
///
/// The caller must ensure that:
///
/// - `bctx` is valid.
/// - `req` is valid, [`prep`] of the same `T` has succeeded for it, and it has not been issued.
#[inline]
pub unsafe fn populate_open<T: Opcode>(
    bctx: *mut bindings::io_uring_bpf_ctx,
    req: *mut bindings::io_kiocb,
) {
    // SAFETY: The caller ensures that `req` is valid.
    let operation = unsafe { operation::<T>(req) };
    // SAFETY: The caller ensures that `prep()` has succeeded and that `req` has not been issued, so
    // it holds a `T`.
    let how = unsafe { &*operation }.open_how();

    // SAFETY: The caller ensures that `bctx` is valid.
    let open = unsafe { &mut (*bctx).__bindgen_anon_1.open };

    open.flags = how.flags;
    open.mode = how.mode;
    open.resolve = how.resolve;
}

/// Stores an operation in a request.
///
/// # Safety
///
/// The caller must ensure that `req` is valid and exclusive, and holds no operation.
#[inline]
unsafe fn put<T: Opcode>(req: *mut bindings::io_kiocb, value: T) {
    // SAFETY: The caller ensures that `req` is valid.
    let operation = unsafe { operation::<T>(req) };

    // SAFETY: `operation` points into `req` and is valid for writes. `req` holds no operation that
    // the write would leak.
    unsafe { operation.write(value) };

    // SAFETY: The caller ensures that `req` is valid and exclusive.
    unsafe { (*req).flags |= NEED_CLEANUP };
}

/// Removes the operation from a request and returns it.
///
/// # Safety
///
/// The caller must ensure that `req` is valid and exclusive, and holds a `T`.
#[inline]
unsafe fn take<T: Opcode>(req: *mut bindings::io_kiocb) -> T {
    // SAFETY: The caller ensures that `req` is valid.
    let operation = unsafe { operation::<T>(req) };

    // SAFETY: The caller ensures that `req` is valid and exclusive.
    unsafe { (*req).flags &= !NEED_CLEANUP };

    // SAFETY: The caller ensures that `req` holds a `T`. `REQ_F_NEED_CLEANUP` is clear, so the
    // value is not read a second time.
    unsafe { operation.read() }
}

/// Defines the C functions of an [`Opcode`](crate::io_uring::Opcode) for `io_uring/opdef.c`.
///
/// The macro does not compile in a module.
///
/// # Examples
///
/// ```ignore
/// kernel::io_uring_opcode! {
///     Echo {
///         prep: io_echo_prep,
///         issue: io_echo,
///         cleanup: io_echo_cleanup,
///     }
/// }
/// ```
///
/// An operation that opens a file also has `populate_open: io_echo_bpf_populate`.
#[macro_export]
macro_rules! io_uring_opcode {
    (
        $type:ty {
            prep: $prep:ident,
            issue: $issue:ident,
            cleanup: $cleanup:ident,
            $(populate_open: $populate_open:ident,)?
        }
    ) => {
        const _: $crate::BuiltIn = $crate::built_in!();

        /// # Safety
        ///
        /// The caller must ensure the requirements of `->prep()` of `struct io_issue_def`.
        #[$crate::prelude::export]
        unsafe extern "C" fn $prep(
            req: *mut $crate::bindings::io_kiocb,
            sqe: *const $crate::bindings::io_uring_sqe,
        ) -> $crate::ffi::c_int {
            // SAFETY: io_uring passes a request that only this call uses, and an entry that is
            // mapped or copied.
            unsafe { $crate::io_uring::handlers::prep::<$type>(req, sqe) }
        }

        /// # Safety
        ///
        /// The caller must ensure the requirements of `->issue()` of `struct io_issue_def`.
        #[$crate::prelude::export]
        unsafe extern "C" fn $issue(
            req: *mut $crate::bindings::io_kiocb,
            issue_flags: $crate::ffi::c_uint,
        ) -> $crate::ffi::c_int {
            // SAFETY: io_uring issues a request after `->prep()` has succeeded. It issues it again
            // only after `IOU_RETRY` or after a worker has passed it on. During the call,
            // cancellation and a linked timeout may access the request, but not `cmd`, and they
            // do not write `flags`.
            unsafe { $crate::io_uring::handlers::issue::<$type>(req, issue_flags) }
        }

        /// # Safety
        ///
        /// The caller must ensure the requirements of `->cleanup()` of `struct io_cold_def`.
        #[$crate::prelude::export]
        unsafe extern "C" fn $cleanup(req: *mut $crate::bindings::io_kiocb) {
            // SAFETY: io_uring calls `->cleanup()` only if `REQ_F_NEED_CLEANUP` is set. Nothing
            // else accesses a request that is complete or cancelled.
            unsafe { $crate::io_uring::handlers::cleanup::<$type>(req) }
        }

        $(
            /// # Safety
            ///
            /// The caller must ensure the requirements of `->filter_populate()` of
            /// `struct io_issue_def`.
            #[$crate::prelude::export]
            unsafe extern "C" fn $populate_open(
                bctx: *mut $crate::bindings::io_uring_bpf_ctx,
                req: *mut $crate::bindings::io_kiocb,
            ) {
                // SAFETY: io_uring runs filters after `->prep()` has succeeded and before it
                // issues the request.
                unsafe { $crate::io_uring::handlers::populate_open::<$type>(bctx, req) }
            }
        )?
    };
}
