// SPDX-License-Identifier: GPL-2.0

use super::{
    FileSystem,
    SuperBlock, //
};
use crate::{
    bindings,
    error::from_err_ptr,
    fs::{
        file::flags,
        DEntry,
        File,
        Path, //
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
/// It keeps the superblock, and the superblock keeps the module: a module that holds a mount
/// without somebody who could give it up, such as an open file, cannot be unloaded any more.
///
/// Dropping the last mount shuts the superblock down, which may sleep.
///
/// # Invariants
///
/// `mnt` points to a mount of a [`SuperBlock<T>`], and owns a reference to it.
pub struct Mount<T: FileSystem> {
    mnt: NonNull<bindings::vfsmount>,
    _file_system: PhantomData<fn() -> T>,
}

// SAFETY: `mntput()` may be called from any thread that may sleep.
unsafe impl<T: FileSystem> Send for Mount<T> {}

// SAFETY: The methods read fields that do not change, or are synchronised by the C code.
unsafe impl<T: FileSystem> Sync for Mount<T> {}

impl<T: FileSystem> Mount<T> {
    /// Takes over a reference to a mount.
    ///
    /// # Safety
    ///
    /// `mnt` must point to a mount of a [`SuperBlock<T>`], of which the caller gives up a
    /// reference.
    #[inline]
    pub(super) unsafe fn from_raw(mnt: *mut bindings::vfsmount) -> Self {
        // INVARIANT: Guaranteed by the caller.
        Self {
            // SAFETY: A valid pointer is not null.
            mnt: unsafe { NonNull::new_unchecked(mnt) },
            _file_system: PhantomData,
        }
    }

    /// Returns the superblock.
    #[inline]
    pub fn super_block(&self) -> &SuperBlock<T> {
        // SAFETY: By the type invariants, the mount is valid; `mnt_sb` does not change.
        let sb = unsafe { (*self.mnt.as_ptr()).mnt_sb };

        // SAFETY: By the type invariants, it is one of `T`; a mount keeps its superblock active.
        unsafe { SuperBlock::from_raw(sb) }
    }

    /// Opens a file that stands for an object, with the credentials of the caller.
    ///
    /// `oflags` are `O_RDWR` and the like, and are not checked against anything.
    ///
    /// # Errors
    ///
    /// `ENFILE`, `ENOMEM`.
    ///
    /// C: `dentry_open()`. May sleep.
    pub fn open(&self, object: Arc<T::Private>, oflags: u32) -> Result<ARef<File>> {
        let dentry = self.super_block().dentry(object)?;

        self.open_dentry(dentry, oflags)
    }

    /// Opens the root directory: an anchor for open_by_handle_at(2), and good for nothing else.
    ///
    /// # Errors
    ///
    /// `ENFILE`, `ENOMEM`.
    ///
    /// C: `dentry_open()`. May sleep.
    pub fn open_root(&self) -> Result<ARef<File>> {
        // SAFETY: By the type invariants, the mount is valid; `mnt_root` does not change, and is
        // referenced for as long as the mount is.
        let root = unsafe { DEntry::from_raw((*self.mnt.as_ptr()).mnt_root) };

        self.open_dentry(root.into(), flags::O_RDONLY | flags::O_DIRECTORY)
    }

    /// Opens a dentry of the superblock, which has to have an inode.
    fn open_dentry(&self, dentry: ARef<DEntry>, oflags: u32) -> Result<ARef<File>> {
        // SAFETY: By the type invariants, the mount is valid.
        let mnt = unsafe { bindings::mntget(self.mnt.as_ptr()) };
        let dentry = ARef::into_raw(dentry).as_ptr().cast();

        // SAFETY: The path owns the reference that was just taken, and that to the dentry, which is
        // one of the mount's superblock.
        let path = unsafe { Path::from_owned(bindings::path { mnt, dentry }) };

        // SAFETY: A task may read its own credentials at any time.
        let cred = unsafe { bindings::current_cred() };

        // SAFETY: `path` is valid by its type invariants, and has an inode; `cred` is valid for as
        // long as the task runs with them, which is at least until this call returns.
        let file = from_err_ptr(unsafe {
            // CAST: The flags are a bit field of the same width.
            bindings::dentry_open(path.as_raw(), oflags as c_int, cred)
        })?;

        // SAFETY: `from_err_ptr()` took the errors out, and opening never returns null.
        let file = unsafe { NonNull::new_unchecked(file) };

        // SAFETY: The file has just been opened, so the reference is ours and nobody has called
        // `fdget_pos()` on it.
        Ok(unsafe { ARef::from_raw(file.cast()) })
    }
}

impl<T: FileSystem> Drop for Mount<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the reference is ours.
        unsafe { bindings::mntput(self.mnt.as_ptr()) };
    }
}
