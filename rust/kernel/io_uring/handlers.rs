// SPDX-License-Identifier: GPL-2.0

//! The C functions of an [`Opcode`].

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

/// The data of a request for its operation: `struct io_cmd_data`.
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
    // SAFETY: By the safety requirements, the request is valid.
    let cmd = unsafe { &raw mut (*req).__bindgen_anon_1.cmd }.cast::<Cmd<T>>();

    // SAFETY: The assertions ensure that a `Cmd<T>` is in bounds of the request.
    unsafe { &raw mut (*cmd).operation }.cast()
}

/// Implements `->prep()` of `struct io_issue_def`.
///
/// # Safety
///
/// The caller must ensure that:
///
/// - `req` is valid and not used by anything else.
/// - `sqe` is valid for volatile reads.
#[inline]
pub unsafe fn prep<T: Opcode>(
    req: *mut bindings::io_kiocb,
    sqe: *const bindings::io_uring_sqe,
) -> c_int {
    // SAFETY: By the safety requirements, the entry is valid for volatile reads.
    let sqe = unsafe { Sqe::fetch(sqe) };
    // SAFETY: By the safety requirements, the request is valid and not used by anything else.
    let mut prep = unsafe { Prep::from_raw(req) };

    match T::prep(&mut prep, &sqe) {
        Ok(operation) => {
            // SAFETY: The request is valid and not used by anything else. It holds no operation
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
/// - `req` is valid and not used by anything else.
/// - [`prep`] of the same `T` has succeeded for `req`, and `req` has not been completed.
#[inline]
pub unsafe fn issue<T: Opcode>(req: *mut bindings::io_kiocb, issue_flags: c_uint) -> c_int {
    // SAFETY: By the safety requirements, the request holds a `T`.
    let operation: T = unsafe { take(req) };
    // SAFETY: By the safety requirements, the request is valid; it is issued with these flags.
    let mut cx = unsafe { Issue::from_raw(req, issue_flags) };

    match operation.issue(&mut cx) {
        Outcome::Retry(operation, _) => {
            // SAFETY: The request is valid and not used by anything else. Its operation has been
            // taken.
            unsafe { put(req, operation) };
            // SAFETY: `io_issue_retry()` returns a constant.
            unsafe { bindings::io_issue_retry() }
        }
        Outcome::Complete(result) => {
            let res = result.unwrap_or_else(|err| err.to_errno());

            // SAFETY: By the safety requirements, the request is valid and not complete.
            unsafe { bindings::io_issue_complete(req, res) }
        }
    }
}

/// Implements `->cleanup()` of `struct io_cold_def`.
///
/// # Safety
///
/// The caller must ensure that:
///
/// - `req` is valid and not used by anything else.
/// - [`prep`] of the same `T` has succeeded for `req`, and `REQ_F_NEED_CLEANUP` is set.
#[inline]
pub unsafe fn cleanup<T: Opcode>(req: *mut bindings::io_kiocb) {
    // SAFETY: By the safety requirements, the request holds a `T`.
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
    // SAFETY: By the safety requirements, the request is valid.
    let operation = unsafe { operation::<T>(req) };
    // SAFETY: By the safety requirements, the request holds a `T`.
    let how = unsafe { &*operation }.open_how();

    // SAFETY: By the safety requirements, the context is valid.
    let open = unsafe { &mut (*bctx).__bindgen_anon_1.open };

    open.flags = how.flags;
    open.mode = how.mode;
    open.resolve = how.resolve;
}

/// Stores an operation in a request.
///
/// # Safety
///
/// The caller must ensure that `req` is valid, not used by anything else, and holds no operation.
#[inline]
unsafe fn put<T: Opcode>(req: *mut bindings::io_kiocb, value: T) {
    // SAFETY: By the safety requirements, the request is valid.
    let operation = unsafe { operation::<T>(req) };

    // SAFETY: The pointer is valid for writes, and the request holds no operation.
    unsafe { operation.write(value) };

    // SAFETY: By the safety requirements, the request is valid and not used by anything else.
    unsafe { (*req).flags |= NEED_CLEANUP };
}

/// Takes the operation out of a request.
///
/// # Safety
///
/// The caller must ensure that `req` is valid, not used by anything else, and holds a `T`.
#[inline]
unsafe fn take<T: Opcode>(req: *mut bindings::io_kiocb) -> T {
    // SAFETY: By the safety requirements, the request is valid.
    let operation = unsafe { operation::<T>(req) };

    // SAFETY: By the safety requirements, the request is valid and not used by anything else.
    unsafe { (*req).flags &= !NEED_CLEANUP };

    // SAFETY: By the safety requirements, the request holds a `T`. With `REQ_F_NEED_CLEANUP`
    // cleared, it is not read again.
    unsafe { operation.read() }
}

/// Defines the C functions of an [`Opcode`](crate::io_uring::Opcode) for `io_uring/opdef.c`.
///
/// Does not compile in a module.
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
        /// The requirements of `->prep()` of `struct io_issue_def`.
        #[$crate::prelude::export]
        unsafe extern "C" fn $prep(
            req: *mut $crate::bindings::io_kiocb,
            sqe: *const $crate::bindings::io_uring_sqe,
        ) -> $crate::ffi::c_int {
            // SAFETY: io_uring passes a new request and an entry that it has mapped or copied.
            unsafe { $crate::io_uring::handlers::prep::<$type>(req, sqe) }
        }

        /// # Safety
        ///
        /// The requirements of `->issue()` of `struct io_issue_def`.
        #[$crate::prelude::export]
        unsafe extern "C" fn $issue(
            req: *mut $crate::bindings::io_kiocb,
            issue_flags: $crate::ffi::c_uint,
        ) -> $crate::ffi::c_int {
            // SAFETY: io_uring issues a request after `->prep()` has succeeded, and again only
            // after `IOU_RETRY`. It does not use the request in the meantime.
            unsafe { $crate::io_uring::handlers::issue::<$type>(req, issue_flags) }
        }

        /// # Safety
        ///
        /// The requirements of `->cleanup()` of `struct io_cold_def`.
        #[$crate::prelude::export]
        unsafe extern "C" fn $cleanup(req: *mut $crate::bindings::io_kiocb) {
            // SAFETY: io_uring calls `->cleanup()` only if `REQ_F_NEED_CLEANUP` is set, and does
            // not use the request in the meantime.
            unsafe { $crate::io_uring::handlers::cleanup::<$type>(req) }
        }

        $(
            /// # Safety
            ///
            /// The requirements of `->filter_populate()` of `struct io_issue_def`.
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
