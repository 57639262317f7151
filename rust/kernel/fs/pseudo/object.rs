// SPDX-License-Identifier: GPL-2.0

use crate::{
    error::VTABLE_DEFAULT_ERROR,
    fs::file::Offset,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    task::Kuid, //
};

/// The object behind an inode (`i_private`) and its file operations (`struct file_operations`).
///
/// The inode is a regular file with mode 0600. All open files of an object share one inode.
///
/// Each operation has the name and the purpose of the C operation, and may sleep.
#[vtable]
pub trait Object: Send + Sync + Sized + 'static {
    /// Returns the inode number.
    ///
    /// The number must be unique: no other object of the filesystem has, or had, the same number.
    /// The root directory has the number 1.
    fn ino(&self) -> u64;

    /// Returns the owner of the file.
    fn uid(&self) -> Kuid;

    /// Returns the size of the file in bytes.
    ///
    /// Only [`write_iter`](Self::write_iter) may change the size.
    fn size(&self) -> u64;

    /// Reads from the file at `pos`.
    ///
    /// The system call returns the number of bytes that the function stores in `iov`, and advances
    /// the file position by this number. `Ok(())` without a byte is the end of the file.
    ///
    /// # Errors
    ///
    /// The system call returns the error only if no byte is stored. It returns `EIO` instead of
    /// `EIOCBQUEUED`, because asynchronous operations are not supported.
    fn read_iter(&self, pos: Offset, iov: &mut IovIterDest<'_>) -> Result {
        let _ = (pos, iov);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes to the file at `pos`.
    ///
    /// The caller holds the inode lock and has called `generic_write_checks()`: `iov` is not empty,
    /// and with `O_APPEND`, `pos` is the end of the file.
    ///
    /// The system call returns the number of bytes that the function takes from `iov`, and advances
    /// the file position by this number.
    ///
    /// # Errors
    ///
    /// The system call returns the error only if no byte is taken. It returns `EIO` instead of
    /// `EIOCBQUEUED`, because asynchronous operations are not supported.
    fn write_iter(&self, pos: Offset, iov: &mut IovIterSource<'_>) -> Result {
        let _ = (pos, iov);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
