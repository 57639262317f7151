// SPDX-License-Identifier: GPL-2.0

use crate::{
    error::VTABLE_DEFAULT_ERROR,
    fs::Kiocb,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::Arc,
    task::Kuid, //
};

/// What a file of a pseudo filesystem stands for.
///
/// There is one inode for all files that stand for an object at the same time: a regular file that
/// its user, and nobody else, may open for reading and writing.
///
/// The operations are C's, and run in the context of a task that may sleep.
#[vtable]
pub trait Object: Send + Sync + Sized + 'static {
    /// The number of the inode. It names the object: no other one ever has it. 1 is taken.
    fn ino(&self) -> u64;

    /// The user whom the file belongs to.
    fn uid(&self) -> Kuid;

    /// The size of the file in bytes. Does not change but in [`write_iter`](Self::write_iter).
    fn size(&self) -> u64;

    /// Reads from a file.
    fn read_iter(kiocb: Kiocb<'_, Arc<Self>>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let _ = (kiocb, iov);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes to a file.
    ///
    /// Called with the inode locked. There is something to write, and it does not reach beyond
    /// [`MAX_BYTES`](super::FileSystem::MAX_BYTES).
    fn write_iter(kiocb: Kiocb<'_, Arc<Self>>, iov: &mut IovIterSource<'_>) -> Result<usize> {
        let _ = (kiocb, iov);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
