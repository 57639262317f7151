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
/// A mount keeps the superblock, and the superblock keeps the module. A module that stores a mount
/// anywhere but in an open file cannot be unloaded.
///
/// Dropping the last mount shuts the superblock down, and may sleep.
///
/// # Invariants
///
/// `mnt` points to a mount of a [`FileSystemType<T>`](super::FileSystemType), and the value owns a
/// reference to it.
pub struct Mount<T: FileSystem> {
    mnt: NonNull<bindings::vfsmount>,
    _file_system: PhantomData<fn() -> T>,
}

// SAFETY: `mntput()` may be called from any thread that may sleep.
unsafe impl<T: FileSystem> Send for Mount<T> {}

// SAFETY: The methods read fields that do not change, or call C functions that synchronise.
unsafe impl<T: FileSystem> Sync for Mount<T> {}

impl<T: FileSystem> Mount<T> {
    /// Takes over a reference to a mount.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `mnt` points to a mount of a
    /// [`FileSystemType<T>`](super::FileSystemType), and must own a reference to it, which it gives
    /// up.
    #[inline]
    pub(super) unsafe fn from_raw(mnt: *mut bindings::vfsmount) -> Self {
        // INVARIANT: By the contract of this function, this is such a mount, with a reference.
        Self {
            // SAFETY: A valid pointer is not null.
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

    /// Opens the file of an object, with the credentials of the caller.
    ///
    /// Checks neither `oflags` (`O_RDWR` and the like) nor the mode and the owner of the file. The
    /// caller must decide who may open the file and how; see [`Path::dentry_open`].
    ///
    /// May sleep. C: `dentry_open()`.
    ///
    /// # Errors
    ///
    /// - `ENFILE` if there are too many open files.
    /// - `ENOMEM` if memory allocation fails.
    /// - The error of a security module that denies the access.
    pub fn open(&self, object: Arc<T::Private>, oflags: u32) -> Result<ARef<File>> {
        // SAFETY: By the type invariants, this is a superblock of a `FileSystemType<T>`.
        let dentry = unsafe { inode::dentry::<T>(self.super_block(), object) }?.into_raw();

        // SAFETY: The mount is valid by the type invariants.
        let mnt = unsafe { bindings::mntget(self.mnt.as_ptr()) };

        // SAFETY: The path owns the reference of `mntget()` and that of `into_raw()`. The dentry is
        // positive and belongs to the superblock of the mount.
        let path = unsafe { Path::from_owned(bindings::path { mnt, dentry }) };

        path.dentry_open(oflags).map(ARef::from)
    }
}

impl<T: FileSystem> Drop for Mount<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this value owns a reference.
        unsafe { bindings::mntput(self.mnt.as_ptr()) };
    }
}
