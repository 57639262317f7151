// SPDX-License-Identifier: GPL-2.0

//! io_uring operations for name_to_handle_at(2) and open_by_handle_at(2).
//!
//! The operations check arguments in the same order, and return the same errors, as the system
//! calls. `->prep()` copies all input, so user space may reuse the memory after the submission. The
//! exceptions are the handle and the mount id that `IORING_OP_NAME_TO_HANDLE_AT` writes.
//!
//! `->issue()` completes a request inline if no step blocks. Otherwise, a worker issues the request
//! again, which continues with the step that would have blocked:
//!
//! - the path lookup, if the path is not cached
//! - encoding, if the filesystem sets `EXPORT_OP_ENCODE_MAY_BLOCK`
//! - decoding, if `->fh_to_dentry_nowait()` is absent or returns `EAGAIN`
//! - opening, if [`kernel::fs::Path::try_open_by_handle`] returns `EAGAIN`
//!
//! Handles of nsfs are decoded by the submitter.

// rustc looks up the modules of a crate root in the directory of its file, which is io_uring/ here.
#[path = "fhandle_rust/name_to_handle.rs"]
mod name_to_handle;
#[path = "fhandle_rust/open_by_handle.rs"]
mod open_by_handle;

use self::{
    name_to_handle::NameToHandle,
    open_by_handle::OpenByHandle, //
};
use kernel::uaccess::UserPtr;

/// Converts a field of a submission queue entry to a user pointer.
///
/// C: `u64_to_user_ptr()`.
fn user(addr: u64) -> UserPtr {
    // CAST: On 32-bit architectures, the pointer is in the lower half.
    UserPtr::from_addr(addr as usize)
}

kernel::io_uring_opcode! {
    NameToHandle {
        prep: io_name_to_handle_prep,
        issue: io_name_to_handle,
        cleanup: io_name_to_handle_cleanup,
    }
}

kernel::io_uring_opcode! {
    OpenByHandle {
        prep: io_open_by_handle_prep,
        issue: io_open_by_handle,
        cleanup: io_open_by_handle_cleanup,
        populate_open: io_open_by_handle_bpf_populate,
    }
}
