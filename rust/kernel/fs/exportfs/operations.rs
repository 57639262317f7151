// SPDX-License-Identifier: GPL-2.0

use super::{
    Context,
    Encoded,
    Encoder,
    Fid,
    Flags,
    Name, //
};
use crate::{
    error::VTABLE_DEFAULT_ERROR,
    fs::{
        DEntry,
        File,
        Inode,
        Path,
        SuperBlock, //
    },
    prelude::*,
    sync::aref::ARef, //
};

/// What a filesystem implements so that its files can be named by handles.
///
/// Stands for `struct export_operations`; [`Table`](super::Table) makes the C table of it. The
/// names and the division of work are C's. `commit_metadata` and `block_ops`, which only nfsd
/// calls, are not covered.
///
/// Every operation runs in the context of a task and may sleep, except where it says otherwise.
/// `encode_fh` is also called by fanotify and overlayfs, and must not wait for anybody else.
///
/// # NFS
///
/// nfsd respects neither [`permission`](Self::permission) nor [`open`](Self::open), so a
/// filesystem that has one of them cannot be exported over NFS.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::{
///         exportfs::{
///             Encoded,
///             Encoder,
///             Fid,
///             FidType,
///             Handle,
///             Operations,
///             Table, //
///         },
///         DEntry,
///         Inode,
///         SuperBlock, //
///     },
///     prelude::*,
///     sync::aref::ARef, //
/// };
///
/// #[repr(C)]
/// #[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
/// struct InoHandle {
///     ino: u64,
/// }
///
/// impl Handle for InoHandle {
///     const TYPE: FidType = FidType::new(0xf7);
/// }
///
/// struct MyFs;
///
/// #[vtable]
/// impl Operations for MyFs {
///     type Private = ();
///
///     fn encode_fh(
///         inode: &Inode,
///         encoder: Encoder<'_>,
///         _parent: Option<&Inode>,
///     ) -> Result<Encoded> {
///         Ok(encoder.store(|| InoHandle { ino: inode.ino() }))
///     }
///
///     fn fh_to_dentry(_sb: &SuperBlock, fid: &Fid<'_>) -> Result<Option<ARef<DEntry>>> {
///         let Some(_handle) = fid.load::<InoHandle>() else {
///             return Ok(None);
///         };
///         // Look the number up; here there is nothing to be found.
///         Ok(None)
///     }
/// }
///
/// // SAFETY: This filesystem has no private data in its inodes.
/// static MYFS_EXPORT_OPERATIONS: Table<MyFs> = unsafe { Table::new() };
///
/// // What is not implemented is absent for C, too.
/// assert!(MYFS_EXPORT_OPERATIONS.as_raw().permission.is_none());
/// assert!(MYFS_EXPORT_OPERATIONS.as_raw().fh_to_dentry.is_some());
/// ```
#[vtable]
pub trait Operations: Sized {
    /// What `i_private` of this filesystem's inodes points to; `()` where nothing of interest.
    type Private: Sync;

    /// What the filesystem promises, and what nfsd shall do differently.
    const FLAGS: Flags = Flags::NONE;

    /// Names a file: stores a handle of `inode` in the caller's buffer.
    ///
    /// With `parent`, the handle shall also lead to that directory, so that
    /// [`fh_to_parent`](Self::fh_to_parent) finds it.
    fn encode_fh(
        inode: &Inode<Self::Private>,
        encoder: Encoder<'_>,
        parent: Option<&Inode<Self::Private>>,
    ) -> Result<Encoded> {
        let _ = (inode, encoder, parent);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Finds the file that a handle names.
    ///
    /// [`None`] if there is no such file, or not for this caller. open_by_handle_at(2) turns that,
    /// and every error but `ENOMEM`, into `ESTALE`.
    fn fh_to_dentry(sb: &SuperBlock, fid: &Fid<'_>) -> Result<Option<ARef<DEntry>>> {
        let _ = (sb, fid);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Finds the directory that a handle names beside the file. Otherwise as
    /// [`fh_to_dentry`](Self::fh_to_dentry).
    fn fh_to_parent(sb: &SuperBlock, fid: &Fid<'_>) -> Result<Option<ARef<DEntry>>> {
        let _ = (sb, fid);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Finds the name that `child` has in the directory `parent`.
    ///
    /// Called without the lock of `parent`. Where it is absent, the VFS reads the directory.
    fn get_name(parent: &DEntry, name: &mut Name<'_>, child: &DEntry) -> Result {
        let _ = (parent, name, child);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Finds the parent of the directory `child`.
    ///
    /// Called with the inode of `child` locked.
    fn get_parent(child: &DEntry) -> Result<ARef<DEntry>> {
        let _ = child;
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Decides whether the caller may open files by handle with these open flags.
    ///
    /// A filesystem that implements this *opts out of `CAP_DAC_READ_SEARCH`*: the capability is no
    /// longer asked for, nor is anything else, and every process may present every sequence of
    /// bytes. The implementor takes on that
    ///
    /// - decoding withstands any bytes, and finds nothing that the caller could not reach in
    ///   another way: handles can be guessed, and kept by those who have lost access;
    /// - the flags are safe: they arrive as user space passed them, unknown bits included
    ///   (and with `O_LARGEFILE` added on 64-bit), and those that are let through reach `open`;
    /// - opening a decoded file asks nobody else: there is no path whose directories would be
    ///   checked.
    ///
    /// Called before the handle is read from user space, so the answer cannot depend on it.
    fn permission(ctx: &Context, oflags: u32) -> Result {
        let _ = (ctx, oflags);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Opens a file that has been decoded. Where it is absent, the VFS opens the path.
    fn open(path: &Path, oflags: u32) -> Result<ARef<File>> {
        let _ = (path, oflags);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
