// SPDX-License-Identifier: GPL-2.0

use super::{
    Encoded,
    Encoder,
    Fid, //
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
/// Each operation has the name and the purpose of the C operation. [`Table`](super::Table) creates
/// the C table. `commit_metadata`, `block_ops` and `flags` (`EXPORT_OP_*`) are not supported.
///
/// All operations run in task context. All except `encode_fh` and `fh_to_dentry_nowait` may sleep.
/// `encode_fh` must not wait for other tasks: fanotify and overlayfs call it with locks held, and
/// io_uring calls it during submission.
///
/// # NFS
///
/// nfsd calls neither [`permission`](Self::permission) nor [`open`](Self::open). nfsd therefore
/// does not export a filesystem that implements one of them (`exportfs_may_export()`).
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
///         // A real filesystem looks up the inode here.
///         Ok(None)
///     }
/// }
///
/// // SAFETY: The inodes of this filesystem have no private data.
/// static MYFS_EXPORT_OPERATIONS: Table<MyFs> = unsafe { Table::new() };
///
/// // An operation that the filesystem does not implement is NULL.
/// assert!(MYFS_EXPORT_OPERATIONS.as_raw().permission.is_none());
/// assert!(MYFS_EXPORT_OPERATIONS.as_raw().fh_to_dentry.is_some());
/// ```
#[vtable]
pub trait Operations: Sized {
    /// The type that `i_private` of the inodes points to, or `()`.
    type Private: Sync;

    /// Encodes a file handle for `inode`.
    ///
    /// If `parent` is [`Some`], the handle must also identify that directory, for
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
    /// Returns [`None`] if the file does not exist or is not visible to the caller.
    /// open_by_handle_at(2) reports [`None`] and every error except `ENOMEM`, `EINTR` and the codes
    /// that restart a system call as `ESTALE`.
    ///
    /// The dentry must be on `sb`. [`Table`](super::Table) drops a dentry on another superblock and
    /// returns `ESTALE`.
    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let _ = (sb, fid);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Looks up the file that a handle identifies, without waiting.
    ///
    /// The operation must not sleep: it does no I/O, sends no request to a server, waits for no
    /// inode that is new or being freed, and takes a sleeping lock only by trylock. exportfs checks
    /// this with `non_block_start()`, from which functions of the VFS that allocate memory are
    /// exempt.
    /// [`exporting.rst`](srctree/Documentation/filesystems/nfs/exporting.rst) defines the contract.
    ///
    /// A caller that must not block, such as io_uring during submission, calls this operation. If
    /// the filesystem does not implement it, or if it returns `EAGAIN`, the caller calls
    /// [`fh_to_dentry`](Self::fh_to_dentry) in a context in which it may block.
    ///
    /// # Errors
    ///
    /// - `EAGAIN` if the operation cannot determine without waiting whether the file exists.
    /// - `ESTALE`, or [`None`], if it proves without waiting that the file does not exist.
    /// - The errors of [`fh_to_dentry`](Self::fh_to_dentry).
    fn fh_to_dentry_nowait<'sb>(
        sb: &'sb SuperBlock,
        fid: &Fid<'_>,
    ) -> Result<Option<OwnedDentry<'sb>>> {
        let _ = (sb, fid);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Looks up the parent directory that a handle identifies.
    ///
    /// The rules for the return value are those of [`fh_to_dentry`](Self::fh_to_dentry).
    fn fh_to_parent<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let _ = (sb, fid);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Looks up the parent of the directory `child`.
    ///
    /// The caller holds no lock. The dentry must be on the superblock of `child`.
    /// [`Table`](super::Table) drops a dentry on another superblock and returns `ESTALE`.
    fn get_parent(child: &Dentry) -> Result<OwnedDentry<'_>> {
        let _ = child;
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Finds the name of `child` in the directory `parent`.
    ///
    /// Stores the name in `name`, which has room for `NAME_MAX` bytes, and returns its length. The
    /// caller holds no lock, and looks the name up afterwards. The directory can change in between.
    ///
    /// If the filesystem does not implement this operation, the VFS reads the directory, and
    /// compares inode numbers.
    fn get_name(parent: &Dentry, child: &Dentry, name: &mut [u8]) -> Result<usize> {
        let _ = (parent, child, name);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Checks whether the current task may open files by handle with the flags `oflags`.
    ///
    /// This check *replaces* the check for `CAP_DAC_READ_SEARCH`: every process can pass any handle
    /// to `fh_to_dentry`. If the filesystem also implements [`open`](Self::open), the VFS makes no
    /// other check. Otherwise, `file_open_root()` checks the mode of the inode. An implementation
    /// must ensure that:
    ///
    /// - `fh_to_dentry` only finds files that are public, or that the caller can also open in
    ///   another way. A process can guess a handle, or keep it after its access was revoked.
    /// - The operation rejects every flag that is not safe. User space chooses the flags, including
    ///   unknown bits. 64-bit kernels add `O_LARGEFILE`.
    /// - The permissions of the directories above the file do not matter.
    ///
    /// The VFS calls this operation after it has checked the header of the handle. If the operation
    /// fails, the caller receives its error, even if the bytes that the filesystem defines are not
    /// accessible.
    fn permission(oflags: u32) -> Result {
        let _ = oflags;
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Opens a decoded file.
    ///
    /// If the filesystem does not implement this operation, the VFS calls `file_open_root()`.
    fn open(path: &Path, oflags: u32) -> Result<NewFile> {
        let _ = (path, oflags);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
