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

/// What a request keeps for its operation: `struct io_cmd_data`.
///
/// `state` is initialised exactly if `REQ_F_NEED_CLEANUP` is set.
#[repr(C)]
struct Cmd<T> {
    file: *mut bindings::file,
    state: MaybeUninit<T>,
}

const NEED_CLEANUP: bindings::io_req_flags_t =
    bindings::REQ_F_NEED_CLEANUP as bindings::io_req_flags_t;

/// Returns where a request keeps the operation.
///
/// # Safety
///
/// `req` must be valid.
#[inline]
unsafe fn state<T>(req: *mut bindings::io_kiocb) -> *mut T {
    const {
        assert!(size_of::<Cmd<T>>() <= size_of::<bindings::io_cmd_data>());
        assert!(align_of::<Cmd<T>>() <= align_of::<bindings::io_cmd_data>());
    }
    // SAFETY: The caller passes a valid request.
    let cmd = unsafe { &raw mut (*req).__bindgen_anon_1.cmd }.cast::<Cmd<T>>();

    // SAFETY: There is room for a `Cmd<T>`, as has just been checked.
    unsafe { &raw mut (*cmd).state }.cast()
}

/// Makes the request's operation: the `prep` of `struct io_issue_def`.
///
/// # Safety
///
/// `req` must be a valid request that is used by nobody else, and `sqe` valid for volatile reads.
#[inline]
pub unsafe fn prep<T: Opcode>(
    req: *mut bindings::io_kiocb,
    sqe: *const bindings::io_uring_sqe,
) -> c_int {
    // SAFETY: Guaranteed by the caller.
    let sqe = unsafe { Sqe::fetch(sqe) };
    // SAFETY: Guaranteed by the caller.
    let mut prep = unsafe { Prep::from_raw(req) };

    match T::prep(&mut prep, &sqe) {
        Ok(operation) => {
            // SAFETY: The caller passes a request that is used by nobody else, which holds no
            // operation yet.
            unsafe { put(req, operation) };
            0
        }
        Err(err) => err.to_errno(),
    }
}

/// Issues the request's operation: the `issue` of `struct io_issue_def`.
///
/// # Safety
///
/// `req` must be a valid request for which [`prep`] of the same `T` has succeeded, and which has
/// not been completed; nobody else may use it.
#[inline]
pub unsafe fn issue<T: Opcode>(req: *mut bindings::io_kiocb, issue_flags: c_uint) -> c_int {
    // SAFETY: By the caller's guarantee, the request holds an operation.
    let operation: T = unsafe { take(req) };
    // SAFETY: Guaranteed by the caller.
    let mut cx = unsafe { Issue::from_raw(req, issue_flags) };

    match operation.issue(&mut cx) {
        Outcome::Retry(operation, _) => {
            // SAFETY: The operation has been taken out.
            unsafe { put(req, operation) };
            bindings::IOU_RETRY
        }
        Outcome::Complete(result) => {
            let res = result.unwrap_or_else(|err| {
                // SAFETY: The caller passes a valid request.
                unsafe { bindings::req_set_fail(req) };
                err.to_errno()
            });

            // SAFETY: The caller passes a valid request.
            unsafe { bindings::io_req_set_res(req, res, 0) };
            bindings::IOU_COMPLETE as c_int
        }
    }
}

/// Drops the operation of a request that will not be issued again: the `cleanup` of
/// `struct io_cold_def`.
///
/// # Safety
///
/// `req` must be a valid request for which [`prep`] of the same `T` has succeeded, with
/// `REQ_F_NEED_CLEANUP` set; nobody else may use it.
#[inline]
pub unsafe fn cleanup<T: Opcode>(req: *mut bindings::io_kiocb) {
    // SAFETY: By the caller's guarantee, the request holds an operation.
    drop(unsafe { take::<T>(req) });
}

/// Tells a BPF filter how a file is to be opened: a `filter_populate` of `struct io_issue_def`.
///
/// # Safety
///
/// `bctx` must be valid, and `req` a valid request for which [`prep`] of the same `T` has
/// succeeded, and which has not been issued.
#[inline]
pub unsafe fn populate_open<T: Opcode>(
    bctx: *mut bindings::io_uring_bpf_ctx,
    req: *mut bindings::io_kiocb,
) {
    // SAFETY: By the caller's guarantee, the request is valid.
    let operation = unsafe { state::<T>(req) };
    // SAFETY: By the caller's guarantee, it holds an operation.
    let how = unsafe { &*operation }.open_how();
    // SAFETY: The caller passes a valid context.
    let open = unsafe { &mut (*bctx).__bindgen_anon_1.open };

    open.flags = how.flags;
    open.mode = how.mode;
    open.resolve = how.resolve;
}

/// Puts an operation into a request.
///
/// # Safety
///
/// `req` must be valid, used by nobody else, and hold no operation.
#[inline]
unsafe fn put<T: Opcode>(req: *mut bindings::io_kiocb, operation: T) {
    // SAFETY: The caller passes a valid request.
    let state = unsafe { state::<T>(req) };

    // SAFETY: The place is valid, and by the caller's guarantee nothing in it is overwritten.
    unsafe { state.write(operation) };

    // SAFETY: The caller passes a valid request that is used by nobody else.
    unsafe { (*req).flags |= NEED_CLEANUP };
}

/// Takes the operation out of a request.
///
/// # Safety
///
/// `req` must be valid, used by nobody else, and hold a `T`.
#[inline]
unsafe fn take<T: Opcode>(req: *mut bindings::io_kiocb) -> T {
    // SAFETY: The caller passes a valid request.
    let state = unsafe { state::<T>(req) };

    // SAFETY: The caller passes a valid request that is used by nobody else.
    unsafe { (*req).flags &= !NEED_CLEANUP };

    // SAFETY: By the caller's guarantee, there is a `T`; without `REQ_F_NEED_CLEANUP`, nobody takes
    // it again.
    unsafe { state.read() }
}

/// Makes the C functions of an [`Opcode`](crate::io_uring::Opcode), which `io_uring/opdef.c` names.
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
/// One that opens a file has a function for BPF filters, too: `populate_open: io_echo_populate`.
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
        /// # Safety
        ///
        /// As `prep` of `struct io_issue_def`.
        #[$crate::prelude::export]
        unsafe extern "C" fn $prep(
            req: *mut $crate::bindings::io_kiocb,
            sqe: *const $crate::bindings::io_uring_sqe,
        ) -> $crate::ffi::c_int {
            // SAFETY: io_uring makes the request and owns it.
            unsafe { $crate::io_uring::handlers::prep::<$type>(req, sqe) }
        }

        /// # Safety
        ///
        /// As `issue` of `struct io_issue_def`.
        #[$crate::prelude::export]
        unsafe extern "C" fn $issue(
            req: *mut $crate::bindings::io_kiocb,
            issue_flags: $crate::ffi::c_uint,
        ) -> $crate::ffi::c_int {
            // SAFETY: io_uring issues only what has been made, and again only after `IOU_RETRY`.
            unsafe { $crate::io_uring::handlers::issue::<$type>(req, issue_flags) }
        }

        /// # Safety
        ///
        /// As `cleanup` of `struct io_cold_def`.
        #[$crate::prelude::export]
        unsafe extern "C" fn $cleanup(req: *mut $crate::bindings::io_kiocb) {
            // SAFETY: io_uring asks for it if `REQ_F_NEED_CLEANUP` is set.
            unsafe { $crate::io_uring::handlers::cleanup::<$type>(req) }
        }

        $(
            /// # Safety
            ///
            /// As `filter_populate` of `struct io_issue_def`.
            #[$crate::prelude::export]
            unsafe extern "C" fn $populate_open(
                bctx: *mut $crate::bindings::io_uring_bpf_ctx,
                req: *mut $crate::bindings::io_kiocb,
            ) {
                // SAFETY: Filters are run between making a request and issuing it.
                unsafe { $crate::io_uring::handlers::populate_open::<$type>(bctx, req) }
            }
        )?
    };
}
