// SPDX-License-Identifier: GPL-2.0

use super::{
    inode,
    FileSystem, //
};
use crate::{
    bindings,
    fs::{
        File,
        Path,
        SuperBlock, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// An internal mount of a pseudo filesystem.
///
/// A mount keeps the superblock active, and the superblock holds a reference to the module. The
/// module cannot be unloaded while a mount exists. A module should therefore store a mount only in
/// data that exists as long as an open file.
///
/// Dropping the last mount shuts down the superblock and may sleep: it waits until fsnotify watches
/// none of its inodes. An [`Object`](super::Object) must not own a mount of its own filesystem. If
/// it does, and its inode is evicted because the last watch is removed, the task waits for itself.
///
/// # Invariants
///
/// `mnt` points to a mount of a [`FileSystemType<T>`](super::FileSystemType). The value owns a
/// reference to the mount.
pub struct Mount<T: FileSystem> {
    mnt: NonNull<bindings::vfsmount>,
    _file_system: PhantomData<fn() -> T>,
}

// SAFETY: `mntput()` may be called from any thread that may sleep.
unsafe impl<T: FileSystem> Send for Mount<T> {}

// SAFETY: The methods read fields that do not change, and call C functions that may be called
// concurrently.
unsafe impl<T: FileSystem> Sync for Mount<T> {}

impl<T: FileSystem> Mount<T> {
    /// Takes ownership of a reference to a mount.
    ///
    /// # Safety
    ///
    /// The caller must ensure that:
    ///
    /// - `mnt` points to a valid mount of a [`FileSystemType<T>`](super::FileSystemType).
    /// - The caller owns a reference to the mount and does not use it after this call.
    #[inline]
    pub(super) unsafe fn from_raw(mnt: *mut bindings::vfsmount) -> Self {
        // INVARIANT: The caller ensures the type of the mount and passes ownership of a reference.
        Self {
            // SAFETY: The caller ensures that `mnt` is valid, so it is not null.
            mnt: unsafe { NonNull::new_unchecked(mnt) },
            _file_system: PhantomData,
        }
    }

    /// Returns the superblock.
    #[inline]
    pub(super) fn super_block(&self) -> &SuperBlock {
        // SAFETY: The mount is valid by the type invariants; `mnt_sb` does not change.
        let sb = unsafe { (*self.mnt.as_ptr()).mnt_sb };

        // SAFETY: A mount keeps its superblock active.
        unsafe { SuperBlock::from_raw(sb) }
    }

    /// Opens the file of an object with the credentials of the current task.
    ///
    /// The caller must check that the task may open the file with `oflags`: this function does not
    /// check the mode and the owner of the file. See [`Path::dentry_open`]. May sleep.
    ///
    /// C: `dentry_open()`.
    ///
    /// # Errors
    ///
    /// - `ENFILE` if there are too many open files.
    /// - `ENOMEM` if memory allocation fails.
    /// - The error of a security module that denies the access.
    pub fn open(&self, object: Arc<T::Private>, oflags: u32) -> Result<ARef<File>> {
        // SAFETY: By the type invariants, the superblock of the mount is one of a
        // `FileSystemType<T>`.
        let dentry = unsafe { inode::dentry::<T>(self.super_block(), object) }?.into_raw();

        // SAFETY: The mount is valid by the type invariants.
        let mnt = unsafe { bindings::mntget(self.mnt.as_ptr()) };

        // SAFETY: `mntget()` and `into_raw()` returned owned references. The dentry is positive and
        // on the superblock of the mount.
        let path = unsafe { Path::from_owned(bindings::path { mnt, dentry }) };

        path.dentry_open(oflags).map(ARef::from)
    }
}

impl<T: FileSystem> Drop for Mount<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the value owns a reference to the mount.
        unsafe { bindings::mntput(self.mnt.as_ptr()) };
    }
}
