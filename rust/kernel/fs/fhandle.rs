// SPDX-License-Identifier: GPL-2.0

//! File handles of user space: name_to_handle_at(2) and open_by_handle_at(2).
//!
//! A `struct file_handle` is eight bytes that tell the length and the type of what follows, and up
//! to 128 bytes that the filesystem chose, in native byte order:
//!
//! | offset | size   | field                                                        |
//! |--------|--------|--------------------------------------------------------------|
//! | 0      | 4      | `handle_bytes`: how many bytes follow the type, at most 128  |
//! | 4      | 4      | `handle_type`: see [`HandleType`]                            |
//! | 8      | 0..128 | `f_handle`: the filesystem's                                 |
//!
//! It comes from anyone and may change while it is looked at, so each byte is fetched once, into
//! a value that has been checked when it exists. The steps of the two calls are methods of types,
//! each of which is had from the one before:
//!
//! | step                                   | type                                  |
//! |----------------------------------------|---------------------------------------|
//! | where the caller keeps a handle        | [`UserHandle`]                        |
//! | how much room there is for a new one   | [`Capacity`]                          |
//! | length and type of one to decode       | [`Header`]                            |
//! | all of it                              | [`FileHandle`]                        |
//! | name_to_handle_at(2) without its name  | [`NameToHandle`]                      |
//! | where decoding starts, by one who may  | [`Decoder`]                           |
//!
//! The three kinds of bits and the two widths of mount ids that C keeps in one integer each are
//! types of their own: [`FileidType`], [`UserFlags`], [`ExportFlags`], [`MountId`].
//!
//! The entry points of the system calls, those for 32-bit callers included, are in C, and so is the
//! decision of who may decode. What is here runs in the context of a task, which may sleep.
//!
//! C version of this module: [`fs/fhandle.c`](srctree/fs/fhandle.c)

mod capacity;
mod decoder;
mod encoded_handle;
mod export_flags;
mod file_handle;
mod fileid_type;
mod handle_type;
mod header;
mod mount_id;
mod name_flags;
mod name_to_handle;
mod syscalls;
mod user_flags;
mod user_handle;

pub use self::{
    capacity::Capacity,
    decoder::Decoder,
    export_flags::ExportFlags,
    file_handle::FileHandle,
    fileid_type::FileidType,
    handle_type::HandleType,
    header::Header,
    mount_id::MountId,
    name_flags::NameFlags,
    name_to_handle::NameToHandle,
    user_flags::UserFlags,
    user_handle::UserHandle, //
};

/// The longest handle, without its header, in bytes.
pub const MAX_HANDLE_SZ: usize = crate::bindings::MAX_HANDLE_SZ as usize;
