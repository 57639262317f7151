// SPDX-License-Identifier: GPL-2.0

//! io_uring operations for name_to_handle_at(2) and open_by_handle_at(2).
//!
//! The operations return the same errors in the same order as the system calls. The memory that a
//! submission queue entry refers to is read by `->prep()` and may be reused after the submission,
//! except for the handle and the mount id that `IORING_OP_NAME_TO_HANDLE_AT` writes.
//!
//! A cached name is looked up inline. A handle is decoded inline if the filesystem declares
//! `EXPORT_OP_NONBLOCK`. Everything else is done by a worker.

// Without `#[path]`, the modules would be looked for in the directory of this file.
#[path = "fhandle_rust/name_to_handle.rs"]
mod name_to_handle;
#[path = "fhandle_rust/open_by_handle.rs"]
mod open_by_handle;

use self::{
    name_to_handle::NameToHandle,
    open_by_handle::OpenByHandle, //
};
use kernel::uaccess::UserPtr;

/// Converts a field of an entry, as `u64_to_user_ptr()` does.
fn user(addr: u64) -> UserPtr {
    // CAST: A pointer of a 32-bit architecture is in the lower half.
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
