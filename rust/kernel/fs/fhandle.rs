// SPDX-License-Identifier: GPL-2.0

//! The system calls name_to_handle_at(2) and open_by_handle_at(2).
//!
//! A `struct file_handle` consists of a header of eight bytes and up to 128 bytes that the
//! filesystem defines. Integers are in native byte order.
//!
//! | offset | size   | field                                                           |
//! |--------|--------|-----------------------------------------------------------------|
//! | 0      | 4      | `handle_bytes`: the size of `f_handle`                          |
//! | 4      | 4      | `handle_type`: the fileid type, and flags (`FILEID_IS_*`) in bits 16..31 |
//! | 8      | 0..128 | `f_handle`                                                      |
//!
//! The handle to decode is untrusted, and user space can change it during the system call. The
//! kernel therefore reads each byte once, and checks the header before it reads `f_handle`.
//!
//! | type                 | C                                                       |
//! |----------------------|---------------------------------------------------------|
//! | [`FileHandle`]       | `struct file_handle`                                    |
//! | [`UserFileHandle`]   | `struct file_handle __user *`                           |
//! | [`StoredFileHandle`] | the `struct file_handle` of an io_uring request         |
//! | [`NameToHandle`]     | the arguments of `do_sys_name_to_handle()`              |
//! | [`Decoder`]          | `struct handle_to_path_ctx`, `do_handle_to_path()`      |
//! | [`FhFlags`]          | `EXPORT_FH_*`                                           |
//!
//! The system calls and the io_uring operations use the same types. The entry points of the system
//! calls and the permission check of open_by_handle_at(2) are in C. All functions must be called
//! in task context and may sleep.
//!
//! C version of this module: [`fs/fhandle.c`](srctree/fs/fhandle.c)

mod decode;
mod file_handle;
mod flags;
mod name_to_handle;
#[cfg(CONFIG_FHANDLE_RUST)]
mod syscalls;

#[cfg(CONFIG_RUST_EXPORTFS_KUNIT_TEST)]
mod tests;

pub use self::{
    decode::{
        Decoder,
        Undecoded, //
    },
    file_handle::{
        FileHandle,
        StoredFileHandle,
        UserFileHandle, //
    },
    flags::{
        FhFlag,
        FhFlags, //
    },
    name_to_handle::NameToHandle, //
};
