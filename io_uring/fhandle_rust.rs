// SPDX-License-Identifier: GPL-2.0

//! name_to_handle_at(2) and open_by_handle_at(2) as operations of io_uring.
//!
//! They do what the system calls do, with the same errors in the same order. What the submission
//! queue entry points to is fetched when it is submitted, so that it may be reused afterwards,
//! with one exception: the handle and the mount id that `IORING_OP_NAME_TO_HANDLE_AT` stores.
//!
//! A name is looked up at once if it is cached. A handle is decoded at once if the filesystem
//! promises, with `EXPORT_OP_NONBLOCK`, that it does not block. All else is left to a worker.

// A crate looks beside its first file, where other operations are.
#[path = "fhandle_rust/name_to_handle.rs"]
mod name_to_handle;
#[path = "fhandle_rust/open_by_handle.rs"]
mod open_by_handle;

use self::{
    name_to_handle::NameToHandle,
    open_by_handle::OpenByHandle, //
};
use kernel::uaccess::UserPtr;

/// Wraps a pointer of a submission queue entry.
fn user(addr: u64) -> UserPtr {
    // CAST: As u64_to_user_ptr() does.
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
