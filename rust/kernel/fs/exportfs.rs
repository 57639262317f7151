// SPDX-License-Identifier: GPL-2.0

//! File handles.
//!
//! A file handle is a few bytes that identify a file on its filesystem. name_to_handle_at(2)
//! encodes a handle. open_by_handle_at(2) decodes it and opens the file. User space can pass any
//! bytes to open_by_handle_at(2).
//!
//! A filesystem that supports file handles implements [`Operations`]. The types of this module:
//!
//! | type                      | C name                                                         |
//! |---------------------------|----------------------------------------------------------------|
//! | [`Operations`]            | the operations in `struct export_operations`                   |
//! | [`Table`]                 | `struct export_operations`                                     |
//! | [`Encoder`], [`Encoded`]  | the arguments and the return value of `encode_fh`              |
//! | [`Fid`]                   | `struct fid` with its length and its type                      |
//! | [`FileidType`]            | `enum fid_type`                                                |
//! | [`Handle`], [`Tail`]      | a filesystem's own layout, such as `struct nsfs_file_handle`   |
//! | [`Signed`], [`Payload`]   | a handle with a MAC, as from `fh_append_mac()` in nfsd         |
//! | [`FhKey`]                 | `siphash_key_t`, such as the `fh_key` of nfsd                  |
//!
//! The types of [`kernel::fs`](super) in their signatures:
//!
//! | type                      | C name                                                         |
//! |---------------------------|----------------------------------------------------------------|
//! | [`SuperBlock`]            | `struct super_block`, active                                   |
//! | [`Inode`]                 | `struct inode`, with the type of its `i_private`               |
//! | [`Dentry`]                | `struct dentry`, positive                                      |
//! | [`OwnedDentry`]           | a reference that `dget()` takes and `dput()` drops             |
//! | [`Path`]                  | `struct path`                                                  |
//! | [`NewFile`]               | `struct file`, between `dentry_open()` and `fd_install()`      |
//!
//! C header: [`include/linux/exportfs.h`](srctree/include/linux/exportfs.h)
//!
//! Reference: <https://docs.kernel.org/filesystems/nfs/exporting.html>
//!
//! [`SuperBlock`]: super::SuperBlock
//! [`Inode`]: super::Inode
//! [`Dentry`]: super::Dentry
//! [`OwnedDentry`]: super::OwnedDentry
//! [`Path`]: super::Path
//! [`NewFile`]: super::NewFile

mod encoder;
mod fh_key;
mod fid;
mod fileid_type;
mod handle;
mod operations;
mod signed;
mod table;

#[cfg(CONFIG_RUST_EXPORTFS_KUNIT_TEST)]
mod tests;

pub use self::{
    encoder::{
        Encoded,
        Encoder, //
    },
    fh_key::FhKey,
    fid::Fid,
    fileid_type::FileidType,
    handle::{
        Handle,
        Tail, //
    },
    operations::Operations,
    signed::{
        Payload,
        Signed, //
    },
    table::Table, //
};

/// The size in bytes of a unit. exportfs counts the length of a handle in these units.
const UNIT: usize = size_of::<u32>();

/// The maximum size of a handle in bytes.
const MAX_HANDLE_SZ: usize = crate::bindings::MAX_HANDLE_SZ as usize;
