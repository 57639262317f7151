// SPDX-License-Identifier: GPL-2.0

//! Files that have just been opened.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    file::flags::O_NONBLOCK,
    File, //
};
use crate::{
    bindings,
    error::from_err_ptr,
    prelude::*,
    sync::aref::ARef, //
};
use core::ptr::NonNull;

/// A file that has just been opened, before a file descriptor refers to it.
///
/// Only functions that open a file return this type, such as [`Path::dentry_open`]. Until the file
/// is published, its owner can still adjust `f_flags`. Converting the value into an
/// [`ARef<File>`](ARef) publishes the file.
///
/// There is no way to borrow the [`File`]: a second reference could be used to install a file
/// descriptor while the owner changes the flags.
///
/// # Invariants
///
/// No file descriptor refers to the file, so fcntl(2) cannot change `f_flags` concurrently. The
/// `open` operation of the file must not publish it, because `do_dentry_open()` itself still writes
/// `f_flags` afterwards.
///
/// # Examples
///
/// A file that is already published does not become new again:
///
/// ```ignore
/// fn reopen(file: ARef<File>) -> NewFile {
///     // error[E0423]: cannot initialize a tuple struct which contains private fields
///     NewFile(file)
/// }
/// ```
///
/// [`Path::dentry_open`]: super::Path::dentry_open
pub struct NewFile(ARef<File>);

impl NewFile {
    /// Takes ownership of the return value of a C function that opens a file.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `file` is an error pointer, or that
    ///
    /// - it points to a valid file, and the caller passes on ownership of one reference to it, and
    /// - no file descriptor refers to the file.
    #[inline]
    pub(super) unsafe fn from_raw(file: *mut bindings::file) -> Result<Self> {
        let file = from_err_ptr(file)?;

        // SAFETY: The caller ensures that `file`, which is no error pointer, is valid.
        let file = unsafe { NonNull::new_unchecked(file) };

        // INVARIANT: The caller ensures that no file descriptor refers to the file.
        // SAFETY: The caller passes on a reference. Without a file descriptor, there is no call to
        // `fdget_pos()` on the file.
        Ok(Self(unsafe { ARef::from_raw(file.cast()) }))
    }

    /// Passes the reference on to C.
    #[inline]
    pub(super) fn into_raw(self) -> *mut bindings::file {
        ARef::into_raw(self.0).as_ptr().cast()
    }

    /// Clears `O_NONBLOCK`.
    #[inline]
    pub(super) fn clear_nonblock(&mut self) {
        self.update_flags(|flags| flags & !O_NONBLOCK);
    }

    #[inline]
    fn update_flags(&mut self, update: impl FnOnce(u32) -> u32) {
        let file = self.0.as_ptr();

        // SAFETY: The reference keeps the file valid. By the type invariants, nothing writes
        // `f_flags` concurrently.
        let flags = update(unsafe { (*file).f_flags });

        // SAFETY: The reference keeps the file valid. By the type invariants, nothing else writes
        // `f_flags`. The write is volatile because an `open` operation that kept a reference to the
        // file can read the flags.
        unsafe { (&raw mut (*file).f_flags).write_volatile(flags) };
    }
}

impl From<NewFile> for ARef<File> {
    #[inline]
    fn from(file: NewFile) -> Self {
        file.0
    }
}
