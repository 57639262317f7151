// SPDX-License-Identifier: GPL-2.0

//! The pid filesystem (pidfs).
//!
//! C implementation: [`fs/pidfs.c`](srctree/fs/pidfs.c)

use super::{
    NewFile,
    OwnedDentry,
    Path, //
};
use crate::{
    bindings,
    prelude::*,
    BuiltIn, //
};

/// Returns the dentry of the pid with the inode number `ino`.
///
/// The inode number is that of [`StructPid::ino`](crate::pid::StructPid::ino). Returns [`None`] if
/// the pid
///
/// - was never used for a pidfd,
/// - has been reaped (a zombie has not), or
/// - is outside the pid namespace hierarchy of the current task.
///
/// May sleep.
///
/// C: `pidfs_ino_get_dentry()`.
///
/// # Errors
///
/// - `ENOMEM` if the dentry cannot be allocated.
///
/// # Examples
///
/// ```
/// use kernel::fs::pidfs;
///
/// // No pid has the inode number zero.
/// assert!(pidfs::lookup(kernel::built_in!(), 0)?.is_none());
/// # Ok::<(), Error>(())
/// ```
#[inline]
pub fn lookup(_: BuiltIn, ino: u64) -> Result<Option<OwnedDentry<'static>>> {
    // SAFETY: The function accepts any number and may be called in task context.
    let dentry = unsafe { bindings::pidfs_ino_get_dentry(ino) };

    // SAFETY: `pidfs_ino_get_dentry()` returns an owned reference to a dentry with an inode, NULL
    // or an error pointer. `pidfs_init()` mounts pidfs, and it is never unmounted.
    unsafe { OwnedDentry::from_kern_mount(dentry) }
}

/// Opens a decoded file of pidfs.
///
/// `O_RDWR` is added to `oflags`. `O_EXCL` is `PIDFD_THREAD` and is kept. May sleep.
///
/// C: `pidfs_export_open()`.
///
/// # Errors
///
/// - `EINVAL` if `path` is not on pidfs, or if `oflags` contains `PIDFD_AUTOKILL`, which is only
///   for the creator of a task.
/// - The errors of `dentry_open()`.
#[inline]
pub fn open(_: BuiltIn, path: &Path, oflags: u32) -> Result<NewFile> {
    // SAFETY: The superblock is valid while the path is borrowed, and `s_magic` does not change.
    let magic = unsafe { (*path.dentry().super_block().as_raw()).s_magic };
    if magic != bindings::PID_FS_MAGIC as usize {
        return Err(EINVAL);
    }

    // SAFETY: `path` is valid and its dentry positive.
    let file = unsafe { bindings::pidfs_export_open(path.as_raw(), oflags) };

    // SAFETY: `pidfs_export_open()` returns an owned reference to a file that it allocated, or an
    // error pointer. It installs no file descriptor.
    unsafe { NewFile::from_raw(file) }
}
