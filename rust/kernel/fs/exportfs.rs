// SPDX-License-Identifier: GPL-2.0

//! File handles: naming a file of a filesystem and finding it again.
//!
//! name_to_handle_at(2) asks a filesystem for a few bytes that name one of its files, and
//! open_by_handle_at(2) for the file that such bytes name. The bytes come back from user space, at
//! any time and with any content; everything that decodes them sees a [`Fid`]: a kind and a bounded
//! slice.
//!
//! | type           | stands for                                                             |
//! |----------------|------------------------------------------------------------------------|
//! | [`Operations`] | what a filesystem implements: `struct export_operations`               |
//! | [`Table`]      | the C table made of it, with NULL where it implements nothing          |
//! | [`Handle`]     | the layout of one kind of handle, and the [`FileidType`] that tells it    |
//! | [`Tail`]       | what may follow a handle of that kind                                  |
//! | [`Signed`]     | a handle that cannot be forged: a [`Payload`] and a MAC                |
//! | [`Key`]        | what a superblock signs its handles with                               |
//! | [`Encoder`]    | the caller's buffer, into which one handle is stored                   |
//! | [`Fid`]        | the untrusted bytes to decode                                          |
//! | [`Context`]    | the caller of open_by_handle_at(2), before anything is decoded         |
//! | [`Name`]       | the buffer for a name that is looked for in a directory                |
//!
//! C header: [`include/linux/exportfs.h`](srctree/include/linux/exportfs.h)
//!
//! Reference: <https://docs.kernel.org/filesystems/nfs/exporting.html>

mod context;
mod encoder;
mod fid;
mod fileid_type;
mod flags;
mod handle;
mod key;
mod name;
mod operations;
mod signed;
mod table;

#[cfg(CONFIG_RUST_EXPORTFS_KUNIT_TEST)]
mod tests;

pub use self::{
    context::Context,
    encoder::{
        Encoded,
        Encoder, //
    },
    fid::Fid,
    fileid_type::FileidType,
    flags::Flags,
    handle::{
        Handle,
        Tail, //
    },
    key::Key,
    name::{
        Name,
        Named, //
    },
    operations::Operations,
    signed::{
        Payload,
        Signed, //
    },
    table::Table, //
};
