// SPDX-License-Identifier: GPL-2.0

use super::{
    FileSystem,
    SuperBlock, //
};
use crate::{
    bindings,
    fs::{
        file::flags,
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
    /// `oflags` are `O_RDWR` and the like, and are not checked against anything: neither is the
    /// user whom the file belongs to. Who may open it, and how, is the decision of the caller; see
    /// [`Path::dentry_open`].
    ///
    /// # Errors
    ///
    /// `ENFILE`, `ENOMEM`.
    ///
    /// C: `dentry_open()`. May sleep.
    pub fn open(&self, object: Arc<T::Private>, oflags: u32) -> Result<ARef<File>> {
        let dentry = self.super_block().dentry(object)?.into_raw();

        // SAFETY: By the type invariants, the mount is valid.
        let mnt = unsafe { bindings::mntget(self.mnt.as_ptr()) };

        // SAFETY: The path owns the reference that was just taken, and that to the dentry, which is
        // positive and one of the mount's superblock.
        let path = unsafe { Path::from_owned(bindings::path { mnt, dentry }) };

        path.dentry_open(oflags)
    }

    /// Opens the root directory: an anchor for open_by_handle_at(2), and good for nothing else.
    ///
    /// # Errors
    ///
    /// `ENFILE`, `ENOMEM`.
    ///
    /// C: `dentry_open()`. May sleep.
    pub fn open_root(&self) -> Result<ARef<File>> {
        let mnt = self.mnt.as_ptr();

        // SAFETY: By the type invariants, the mount is valid; `mnt_root` does not change.
        let dentry = unsafe { (*mnt).mnt_root };
        let root = bindings::path { mnt, dentry };

        // SAFETY: The mount is valid, and keeps its root, which is positive. Both are those of one
        // superblock.
        let root = unsafe { Path::from_raw(&root) };

        root.dentry_open(flags::O_RDONLY | flags::O_DIRECTORY)
    }
}

impl<T: FileSystem> Drop for Mount<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the reference is ours.
        unsafe { bindings::mntput(self.mnt.as_ptr()) };
    }
}
