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

/// The object of an inode (`i_private`), with the operations of its files
/// (`struct file_operations`).
///
/// The inode is a regular file that its owner may read and write (mode 0600). All files of an
/// object that are open at the same time share the inode.
///
/// The operations are those of C, and may sleep.
#[vtable]
pub trait Object: Send + Sync + Sized + 'static {
    /// Returns the inode number, which identifies the object: no other object of the filesystem has
    /// ever had it. The number 1 is that of the root directory.
    fn ino(&self) -> u64;

    /// Returns the owner of the file.
    fn uid(&self) -> Kuid;

    /// Returns the size of the file in bytes. Only [`write_iter`](Self::write_iter) may change it.
    fn size(&self) -> u64;

    /// Reads from the file at `pos`, and advances `pos`.
    fn read_iter(&self, pos: &mut Offset, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let _ = (pos, iov);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes to the file at `pos`, and advances `pos`.
    ///
    /// Called with the inode locked, after `generic_write_checks()`: `iov` is not empty, and `pos`
    /// is the end of the file with `O_APPEND`.
    fn write_iter(&self, pos: &mut Offset, iov: &mut IovIterSource<'_>) -> Result<usize> {
        let _ = (pos, iov);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
