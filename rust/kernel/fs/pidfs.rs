// SPDX-License-Identifier: GPL-2.0

//! The process filesystem behind pidfds.
//!
//! What [`fs/pidfs.c`](srctree/fs/pidfs.c) keeps for its C and its Rust file handles alike: the
//! table that finds a pid by its number, and the dentry of a pid. Built-in code only.

use super::{
    file,
    File,
    Path, //
};
use crate::{
    bindings,
    pid::StructPid,
    prelude::*,
    sync::aref::ARef, //
};
use core::ptr::NonNull;

/// The flag of a pidfd whose last close kills the task.
pub const AUTOKILL: u32 = bindings::PIDFD_AUTOKILL;

/// Finds a pid by the number that [`StructPid::ino`] returns.
///
/// [`None`] unless the pid has been given a pidfd before, its task has not been reaped (a zombie
/// has not), and it is inside the pid namespace hierarchy of the caller.
///
/// C: `pidfs_ino_get_pid()`. Does not sleep.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::pidfs,
///     pid::StructPid, //
/// };
///
/// let pid = StructPid::of_task(current!()).ok_or(ESRCH)?;
/// // With a pidfd, or anything else that has asked for the path, the number can be looked up.
/// let _path = pidfs::path(pid.clone())?;
/// let found = pidfs::lookup(pid.ino()).ok_or(ESRCH)?;
/// assert!(core::ptr::eq(&*pid, &*found));
/// // No pid is number zero.
/// assert!(pidfs::lookup(0).is_none());
/// # Ok::<(), Error>(())
/// ```
#[inline]
pub fn lookup(ino: u64) -> Option<ARef<StructPid>> {
    // SAFETY: `pidfs_ino_get_pid()` may be called with any number.
    let pid = NonNull::new(unsafe { bindings::pidfs_ino_get_pid(ino) })?;

    // SAFETY: `pidfs_ino_get_pid()` took a reference, which passes to the `ARef`.
    Some(unsafe { ARef::from_raw(pid.cast()) })
}

/// Returns the path of a pid in pidfs, and makes its inode and dentry if there are none.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::pidfs,
///     pid::StructPid, //
/// };
///
/// let pid = StructPid::of_task(current!()).ok_or(ESRCH)?;
/// let path = pidfs::path(pid.clone())?;
///
/// // There is one dentry a pid: while it is held, asking again gives the same.
/// let sb = path.dentry().super_block();
/// let dentry = pidfs::path(pid.clone())?.into_dentry(sb)?;
/// assert!(core::ptr::eq(&*dentry, path.dentry()));
///
/// // On 32-bit architectures, the inode number is the lower half of the pid's.
/// let inode = dentry.inode().ok_or(ENOENT)?;
/// assert_eq!(inode.ino() as u32, pid.ino() as u32);
/// assert_eq!(sb.magic(), kernel::bindings::PID_FS_MAGIC as usize);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
///
/// `ESRCH` if the task was reaped without ever having had a pidfd, `ENOMEM`.
///
/// C: `path_from_stashed()`. May sleep.
#[inline]
pub fn path(pid: ARef<StructPid>) -> Result<Path> {
    // SAFETY: `pidfs_mnt` is set by `pidfs_init()`, before there is a task whose pid could be
    // passed in, and not changed afterwards.
    let mnt = unsafe { bindings::pidfs_mnt };
    let pid = ARef::into_raw(pid).cast::<bindings::pid>().as_ptr();

    // SAFETY: `stashed` is a field of a valid pid.
    let stashed = unsafe { &raw mut (*pid).__bindgen_anon_1.stashed };

    // SAFETY: `pidfs_mnt` is the mount whose stashed operations take a `struct pid`, of which we
    // own a reference; `stashed` stays where it is while the pid is referenced.
    unsafe { Path::from_stashed(stashed, mnt, pid.cast()) }
}

/// Opens a pidfd for a path of pidfs, with the credentials of the caller.
///
/// `O_RDWR` is added to `flags`, as there is no other kind of pidfd. `O_EXCL`, which other files
/// lose when they are opened, is `PIDFD_THREAD` and is kept.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::{
///         file::flags,
///         pidfs, //
///     },
///     pid::StructPid, //
/// };
///
/// let path = pidfs::path(StructPid::of_task(current!()).ok_or(ESRCH)?)?;
/// let file = pidfs::open(&path, flags::O_EXCL)?;
/// assert_eq!(file.flags() & flags::O_ACCMODE, flags::O_RDWR);
/// assert_ne!(file.flags() & flags::O_EXCL, 0);
/// # Ok::<(), Error>(())
/// ```
///
/// C: `pidfs_dentry_open()`, without the flag that makes the last close kill the task. May sleep.
#[inline]
pub fn open(path: &Path, flags: u32) -> Result<ARef<File>> {
    let file = path.dentry_open(flags | file::flags::O_RDWR)?;

    // SAFETY: The file has just been opened, and nobody else has seen it yet.
    unsafe { (*file.as_ptr()).f_flags |= flags & bindings::PIDFD_THREAD };

    Ok(file)
}
