// SPDX-License-Identifier: GPL-2.0

//! Paths: a dentry on a mount.
//!
//! C header: [`include/linux/path.h`](srctree/include/linux/path.h)

use super::{
    check_fs,
    file::flags::O_NONBLOCK,
    Dentry,
    Filename,
    LookupFlags,
    NewFile, //
};
use crate::{
    bindings,
    error::to_result,
    prelude::*,
    types::Opaque, //
};
use core::{
    mem::MaybeUninit,
    ptr, //
};

/// A `struct path`.
///
/// A value owns a reference to the mount and one to the dentry. A `&Path` borrows both.
///
/// # Invariants
///
/// `mnt` points to a valid mount and `dentry` to a positive dentry of the superblock of that mount.
/// Both are referenced for as long as the path exists. The mount keeps the superblock active.
///
/// # Examples
///
/// ```
/// use kernel::fs::Path;
///
/// fn is_same_file(a: &Path, b: &Path) -> bool {
///     core::ptr::eq(a.dentry().inode(), b.dentry().inode())
/// }
/// ```
#[repr(transparent)]
pub struct Path(Opaque<bindings::path>);

impl Path {
    /// Takes ownership of the references of a `struct path`.
    ///
    /// # Safety
    ///
    /// The caller must ensure that
    ///
    /// - `path` satisfies the type invariants, where the dentry is positive as
    ///   [`Dentry::from_raw`] requires, and
    /// - it passes on ownership of one reference to the mount and one to the dentry.
    #[inline]
    pub unsafe fn from_owned(path: bindings::path) -> Self {
        // INVARIANT: The caller ensures the type invariants, and passes on the references.
        Self(Opaque::new(path))
    }

    /// Looks up a name, relative to the directory `dfd`.
    ///
    /// May sleep.
    ///
    /// C: `filename_lookup()`.
    ///
    /// # Errors
    ///
    /// - `ESRCH` if the current task is exiting.
    /// - The errors of the lookup.
    #[inline]
    pub fn lookup(dfd: c_int, name: &Filename, lookup: LookupFlags) -> Result<Self> {
        check_fs()?;

        let mut path = MaybeUninit::<Self>::uninit();
        let raw = path.as_mut_ptr().cast();

        // SAFETY: `name` is valid and `raw` may be written. The task has the `fs` that the lookup
        // starts from, and descriptors. A null pointer stands for the root directory of the task.
        to_result(unsafe {
            bindings::filename_lookup(dfd, name.as_raw(), lookup.into(), raw, ptr::null())
        })?;

        // INVARIANT: `filename_lookup()` returns owned references. `LookupFlags` contains neither
        // `LOOKUP_PARENT` nor `LOOKUP_CREATE`, so the dentry is positive.
        // SAFETY: `filename_lookup()` succeeded, so it initialised the path.
        Ok(unsafe { path.assume_init() })
    }

    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `ptr` points to a path that satisfies the type invariants for
    /// the duration of `'a`, where the dentry is positive as [`Dentry::from_raw`] requires.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::path) -> &'a Self {
        // INVARIANT: The caller ensures each of the type invariants for `'a`.
        // SAFETY: The caller ensures that `ptr` is valid for `'a`; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns a raw pointer to the `struct path`.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::path {
        self.0.get()
    }

    /// Returns the dentry.
    #[inline]
    pub fn dentry(&self) -> &Dentry {
        // SAFETY: By the type invariants, the path is valid and does not change.
        let dentry = unsafe { (*self.as_raw()).dentry };

        // SAFETY: By the type invariants, the dentry is positive and referenced, and its superblock
        // active, for as long as the path exists.
        unsafe { Dentry::from_raw(dentry) }
    }

    /// Opens the file with the credentials of the current task, without a permission check.
    ///
    /// The caller decides who may open the file. As in C, neither the mode of the file, nor its
    /// ACLs, nor the directories of the path are checked. Security modules, fanotify and leases
    /// apply, and a file on a read-only mount is not opened for writing. May sleep.
    ///
    /// C: `dentry_open()`.
    #[inline]
    pub fn dentry_open(&self, flags: u32) -> Result<NewFile> {
        // SAFETY: A task may always read its own credentials.
        let cred = unsafe { bindings::current_cred() };

        // SAFETY: By the type invariants, the path is valid and its dentry positive. The task keeps
        // `cred` for as long as it runs this function.
        // CAST: The flags are a bit field of the same width.
        let file = unsafe { bindings::dentry_open(self.as_raw(), flags as c_int, cred) };

        // SAFETY: `dentry_open()` returns an owned reference to a file that it allocated, or an
        // error pointer. It installs no file descriptor.
        unsafe { NewFile::from_raw(file) }
    }

    /// Opens a file that was decoded from a handle.
    ///
    /// Calls the [`open`](super::exportfs::Operations::open) operation of the filesystem, or opens
    /// the path if there is none. May sleep.
    ///
    /// C: `file_open_handle()`.
    #[inline]
    pub fn open_by_handle(&self, flags: u32) -> Result<NewFile> {
        // SAFETY: The superblock is active, and so valid, while the path is borrowed.
        let ops = unsafe { (*self.dentry().super_block().as_raw()).s_export_op };

        // SAFETY: `s_export_op` is null or points to a table that is valid for as long as the
        // superblock is active, and is not written.
        let ops = unsafe { ops.as_ref() };
        let path = self.as_raw();

        let file = match ops.and_then(|ops| ops.open) {
            // SAFETY: By the type invariants, the path is valid and its dentry positive.
            Some(open) => unsafe { open(path, flags) },
            // SAFETY: By the type invariants, the path is valid and its dentry positive. The name
            // is a C string.
            // CAST: The flags are a bit field of the same width.
            None => unsafe { bindings::file_open_root(path, c"".as_char_ptr(), flags as c_int, 0) },
        };

        // SAFETY: `file_open_root()` returns an owned reference to a file that it allocated, or an
        // error pointer, and installs no file descriptor. `struct export_operations` requires the
        // same of `open`.
        unsafe { NewFile::from_raw(file) }
    }

    /// Opens a file that was decoded from a handle, with `O_NONBLOCK` for the duration of the open.
    ///
    /// The open does not block if `->open()` of the filesystem does not, which `EXPORT_OP_NONBLOCK`
    /// declares, and if `flags` contains none of `O_TRUNC`, `O_CREAT` and `O_TMPFILE`.
    ///
    /// # Errors
    ///
    /// - `EAGAIN` if the open would block and the filesystem reports it.
    /// - The errors of [`Self::open_by_handle`].
    #[inline]
    pub fn try_open_by_handle(&self, flags: u32) -> Result<NewFile> {
        let mut file = self.open_by_handle(flags | O_NONBLOCK)?;

        if flags & O_NONBLOCK == 0 {
            file.clear_nonblock();
        }
        Ok(file)
    }
}

impl Drop for Path {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: Only a value is dropped, and a value owns its two references.
        unsafe { bindings::path_put(self.as_raw()) };
    }
}
