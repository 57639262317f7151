// SPDX-License-Identifier: GPL-2.0

use super::{
    Encoded,
    Encoder,
    Fid,
    OpFlags, //
};
use crate::{
    error::VTABLE_DEFAULT_ERROR,
    fs::{
        Dentry,
        Inode,
        NewFile,
        OwnedDentry,
        Path,
        SuperBlock, //
    },
    prelude::*, //
};

/// The export operations of a filesystem (`struct export_operations`).
///
/// [`Table`](super::Table) creates the C table. The names and the division of work are those of C.
/// `get_name`, `commit_metadata` and `block_ops` are not supported.
///
/// All operations run in task context. Except for `encode_fh`, they may sleep. `encode_fh` is also
/// called by fanotify and overlayfs, and must not wait for other tasks.
///
/// # NFS
///
/// nfsd calls neither [`permission`](Self::permission) nor [`open`](Self::open). A filesystem that
/// implements one of them cannot be exported.
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
///         // A filesystem looks the inode number up here.
///         Ok(None)
///     }
/// }
///
/// // SAFETY: The inodes of this filesystem have no private data.
/// static MYFS_EXPORT_OPERATIONS: Table<MyFs> = unsafe { Table::new() };
///
/// // An operation that is not implemented is NULL.
/// assert!(MYFS_EXPORT_OPERATIONS.as_raw().permission.is_none());
/// assert!(MYFS_EXPORT_OPERATIONS.as_raw().fh_to_dentry.is_some());
/// ```
#[vtable]
pub trait Operations: Sized {
    /// The type that `i_private` of the inodes points to, or `()`.
    type Private: Sync;

    /// The properties of the filesystem.
    const FLAGS: OpFlags = OpFlags::empty();

    /// Encodes a file handle for `inode`.
    ///
    /// With `parent`, the handle also identifies that directory, for
    /// [`fh_to_parent`](Self::fh_to_parent).
    fn encode_fh<'a>(
        inode: &Inode<Self::Private>,
        encoder: Encoder<'a>,
        parent: Option<&Inode<Self::Private>>,
    ) -> Encoded<'a> {
        let _ = (inode, encoder, parent);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Looks up the file that a handle identifies.
    ///
    /// Returns [`None`] if the file does not exist, or is not visible to the caller.
    /// open_by_handle_at(2) reports [`None`] and every error except `ENOMEM` as `ESTALE`.
    ///
    /// The dentry must be on `sb`. A dentry of another superblock is dropped and reported as
    /// `ESTALE`.
    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let _ = (sb, fid);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Looks up the parent directory that a handle identifies.
    ///
    /// The return value is that of [`fh_to_dentry`](Self::fh_to_dentry).
    fn fh_to_parent<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let _ = (sb, fid);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Looks up the parent of the directory `child`.
    ///
    /// Called without `i_rwsem` of `child` held. The dentry must be on the superblock of `child`. A
    /// dentry of another superblock is dropped and reported as `ESTALE`.
    fn get_parent(child: &Dentry) -> Result<OwnedDentry<'_>> {
        let _ = child;
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Checks whether the current task may open files by handle with the flags `oflags`.
    ///
    /// This check *replaces* the check for `CAP_DAC_READ_SEARCH`: the VFS checks no other
    /// permission, and every process may present any handle. The implementer must ensure that
    ///
    /// - `fh_to_dentry` only finds files that the caller could also reach in another way: handles
    ///   can be guessed, and can be kept after access was revoked,
    /// - all flags that this operation accepts are safe: user space chooses them, including unknown
    ///   bits, and 64-bit kernels add `O_LARGEFILE`, and
    /// - no check of the directories above the file is necessary.
    ///
    /// The VFS calls this operation before it reads the handle.
    fn permission(oflags: u32) -> Result {
        let _ = oflags;
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Opens a decoded file. If this operation is not implemented, the VFS opens the path.
    fn open(path: &Path, oflags: u32) -> Result<NewFile> {
        let _ = (path, oflags);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
