// SPDX-License-Identifier: GPL-2.0

//! Open files that no file descriptor refers to yet.
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

/// An open file that no file descriptor refers to yet.
///
/// Functions that open a file return this type, for example [`Path::dentry_open`]. The owner may
/// change `f_flags` until it converts the value into an [`ARef<File>`](ARef), which it can install
/// in a file descriptor.
///
/// The type has no method that borrows the [`File`]: a borrower could take a second reference and
/// install a file descriptor while the owner changes `f_flags`.
///
/// # Invariants
///
/// No file descriptor refers to the file, so fcntl(2) does not change `f_flags` concurrently.
/// `do_dentry_open()` relies on the same rule: it writes `f_flags` after the `->open()` of the
/// file.
///
/// # Examples
///
/// An [`ARef<File>`](ARef) cannot be converted back:
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
    /// Converts the return value of a C function that opens a file.
    ///
    /// # Errors
    ///
    /// - The error that `file` encodes.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `file` is an error pointer, or a valid file for which:
    ///
    /// - The caller owns one reference to the file and does not use it after this call.
    /// - No file descriptor refers to the file.
    #[inline]
    pub(super) unsafe fn from_raw(file: *mut bindings::file) -> Result<Self> {
        let file = from_err_ptr(file)?;

        // SAFETY: `file` is not an error pointer, so the caller ensures that it is valid.
        let file = unsafe { NonNull::new_unchecked(file) };

        // INVARIANT: The caller ensures that no file descriptor refers to the file.
        // SAFETY: The caller passes ownership of a reference. No file descriptor refers to the
        // file, so there is no active call to `fdget_pos()` on it.
        Ok(Self(unsafe { ARef::from_raw(file.cast()) }))
    }

    /// Consumes the value and returns its reference as a raw pointer.
    #[inline]
    pub(super) fn into_raw(self) -> *mut bindings::file {
        ARef::into_raw(self.0).as_ptr().cast()
    }

    /// Clears `O_NONBLOCK`.
    #[inline]
    pub(super) fn clear_nonblock(&mut self) {
        // SAFETY: `self` owns a reference to the file.
        let f_flags = unsafe { &raw mut (*self.0.as_ptr()).f_flags };

        // SAFETY: The pointer is valid. By the type invariants, `f_flags` is not written
        // concurrently.
        let flags = unsafe { f_flags.read() } & !O_NONBLOCK;

        // SAFETY: The pointer is valid. By the type invariants, `f_flags` is not written
        // concurrently. The write is volatile because the `->open()` of the file may have kept a
        // reference, whose holder reads `f_flags`.
        unsafe { f_flags.write_volatile(flags) };
    }
}

impl From<NewFile> for ARef<File> {
    #[inline]
    fn from(file: NewFile) -> Self {
        file.0
    }
}
