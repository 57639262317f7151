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

/// Returns the dentry of the pid for which [`StructPid::ino`](crate::pid::StructPid::ino) is `ino`.
///
/// Returns [`None`] if:
///
/// - No pidfd was ever created for the pid.
/// - The pid has no task yet: clone(2) is creating it.
/// - The task has been reaped. A zombie has not been reaped.
/// - The pid is outside of the pid namespace hierarchy of the current task.
///
/// May sleep.
///
/// C: `pidfs_ino_get_dentry()`.
///
/// # Errors
///
/// - `ENOMEM` if memory allocation fails.
///
/// # Examples
///
/// ```
/// use kernel::fs::pidfs;
///
/// // No pid has the number zero.
/// assert!(pidfs::lookup(kernel::built_in!(), 0)?.is_none());
/// # Ok::<(), Error>(())
/// ```
#[inline]
pub fn lookup(_: BuiltIn, ino: u64) -> Result<Option<OwnedDentry<'static>>> {
    // SAFETY: `pidfs_ino_get_dentry()` accepts any number.
    let dentry = unsafe { bindings::pidfs_ino_get_dentry(ino) };

    // SAFETY: `pidfs_ino_get_dentry()` returns an owned reference to a positive dentry, NULL or an
    // error pointer. `pidfs_init()` mounts pidfs, which is never unmounted.
    unsafe { OwnedDentry::from_kern_mount(dentry) }
}

/// Opens a pidfd for a decoded path.
///
/// The file is always opened with `O_RDWR` and without `O_LARGEFILE`. `O_EXCL` is `PIDFD_THREAD`
/// and remains set in `f_flags`. May sleep.
///
/// C: `pidfs_export_open()`.
///
/// # Errors
///
/// - `EINVAL` if `path` is not on pidfs.
/// - `EINVAL` if `oflags` contains `PIDFD_AUTOKILL`, which only the creator of a task may set.
/// - The errors of `dentry_open()`.
#[inline]
pub fn open(_: BuiltIn, path: &Path, oflags: u32) -> Result<NewFile> {
    // SAFETY: The superblock is active while the path is borrowed, and `s_magic` does not change.
    let magic = unsafe { (*path.dentry().super_block().as_raw()).s_magic };
    if magic != bindings::PID_FS_MAGIC as usize {
        return Err(EINVAL);
    }

    // SAFETY: By its type invariants, `path` is valid and its dentry is positive.
    let file = unsafe { bindings::pidfs_export_open(path.as_raw(), oflags) };

    // SAFETY: `pidfs_export_open()` returns an owned reference to a file that it allocated, or an
    // error pointer. It installs no file descriptor.
    unsafe { NewFile::from_raw(file) }
}
