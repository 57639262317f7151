// SPDX-License-Identifier: GPL-2.0

use super::{
    Context,
    Encoded,
    Encoder,
    Fid,
    Flags,
    Name,
    Named, //
};
use crate::{
    error::VTABLE_DEFAULT_ERROR,
    fs::{
        Dentry,
        File,
        Inode,
        OwnedDentry,
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
///             FileidType,
///             Handle,
///             Operations,
///             Table, //
///         },
///         Inode,
///         OwnedDentry,
///         SuperBlock, //
///     },
///     prelude::*, //
/// };
///
/// #[repr(C)]
/// #[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
/// struct InoHandle {
///     ino: u64,
/// }
///
/// impl Handle for InoHandle {
///     const TYPE: FileidType = FileidType::new(0xf7);
/// }
///
/// struct MyFs;
///
/// #[vtable]
/// impl Operations for MyFs {
///     type Private = ();
///
///     fn encode_fh<'a>(
///         inode: &Inode,
///         encoder: Encoder<'a>,
///         _parent: Option<&Inode>,
///     ) -> Encoded<'a> {
///         encoder.store(|| InoHandle { ino: inode.ino() })
///     }
///
///     fn fh_to_dentry<'sb>(
///         _sb: &'sb SuperBlock,
///         fid: &Fid<'_>,
///     ) -> Result<Option<OwnedDentry<'sb>>> {
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
    ///
    /// There are no errors: C has no way to tell a caller of one. What cannot be named is refused.
    fn encode_fh<'a>(
        inode: &Inode<Self::Private>,
        encoder: Encoder<'a>,
        parent: Option<&Inode<Self::Private>>,
    ) -> Encoded<'a> {
        let _ = (inode, encoder, parent);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Finds the file that a handle names.
    ///
    /// [`None`] if there is no such file, or not for this caller. open_by_handle_at(2) turns that,
    /// and every error but `ENOMEM`, into `ESTALE`.
    ///
    /// The dentry has to be one of `sb`. Another one is dropped, and the caller gets `ESTALE`.
    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let _ = (sb, fid);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Finds the directory that a handle names beside the file. Otherwise as
    /// [`fh_to_dentry`](Self::fh_to_dentry).
    fn fh_to_parent<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let _ = (sb, fid);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Finds the name that `child` has in the directory `parent`, and stores it in `name`.
    ///
    /// Called without locks. Where it is absent, the VFS reads the directory.
    fn get_name<'a>(parent: &Dentry, name: Name<'a>, child: &Dentry) -> Result<Named<'a>> {
        let _ = (parent, name, child);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Finds the parent of the directory `child`.
    ///
    /// Called without locks. The dentry has to be one of the superblock of `child`; another one is
    /// dropped, and the caller gets `ESTALE`.
    fn get_parent(child: &Dentry) -> Result<OwnedDentry<'_>> {
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
    ///
    /// The file has to be a new one, which nobody else has.
    fn open(path: &Path, oflags: u32) -> Result<ARef<File>> {
        let _ = (path, oflags);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
