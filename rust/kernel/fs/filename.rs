// SPDX-License-Identifier: GPL-2.0

//! Names of files that user space passes.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    types::NotThreadSafe,
    uaccess::UserPtr,
    BuiltIn, //
};
use core::{
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ptr::NonNull, //
};

/// A file name that was copied from user space: `struct filename`.
///
/// The name may belong to the audit record of the current system call. A name that is used later,
/// or by another thread, is a [`DelayedFilename`].
///
/// # Invariants
///
/// `name` points to a valid `struct filename` and owns a reference to it.
pub struct Filename {
    name: NonNull<bindings::filename>,
    /// The reference count is not atomic.
    _not_send: NotThreadSafe,
}

impl Filename {
    /// Copies a name from user space, which may be empty if `at_flags` contains `AT_EMPTY_PATH`.
    ///
    /// C: `getname_uflags()`. May sleep.
    ///
    /// # Errors
    ///
    /// - `EFAULT` if the memory is not accessible.
    /// - `ENOENT` if the name is empty and must not be.
    /// - `ENAMETOOLONG` if the name is longer than `PATH_MAX`.
    /// - `ENOMEM` if there is not enough memory.
    #[inline]
    pub fn from_user(_: BuiltIn, name: UserPtr, at_flags: u32) -> Result<Self> {
        // SAFETY: `getname_uflags()` accepts any user pointer and any flags.
        // CAST: A bit field of the same size.
        let name = from_err_ptr(unsafe {
            bindings::getname_uflags(name.as_const_ptr().cast(), at_flags as c_int)
        })?;

        // SAFETY: `getname_uflags()` returns a valid pointer or an error pointer.
        let name = unsafe { NonNull::new_unchecked(name) };

        // INVARIANT: `getname_uflags()` returns a reference.
        Ok(Self {
            name,
            _not_send: NotThreadSafe,
        })
    }

    /// Returns a raw pointer to the `struct filename`.
    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::filename {
        self.name.as_ptr()
    }

    /// Removes the name from the current system call, so that it can be used later.
    ///
    /// C: `putname_to_delayed()`, which copies a name that belongs to an audit record. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENOMEM` if there is not enough memory for a copy.
    #[inline]
    pub fn delay(self) -> Result<DelayedFilename> {
        let this = ManuallyDrop::new(self);
        let mut delayed = MaybeUninit::uninit();

        // SAFETY: `delayed` may be written. By the type invariants, `this` owns a reference, which
        // `putname_to_delayed()` consumes.
        let ret = unsafe { bindings::putname_to_delayed(delayed.as_mut_ptr(), this.as_raw()) };
        to_result(ret)?;

        // INVARIANT: On success, `delayed` owns a name.
        // SAFETY: On success, `delayed` is initialised.
        Ok(DelayedFilename(unsafe { delayed.assume_init() }))
    }
}

impl Drop for Filename {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `self` owns a reference.
        unsafe { bindings::putname(self.as_raw()) };
    }
}

/// A file name for a later operation or another thread: `struct delayed_filename`.
///
/// # Invariants
///
/// Owns the only reference to a `struct filename`, which is not part of an audit record.
pub struct DelayedFilename(bindings::delayed_filename);

// SAFETY: By the type invariants, nothing else refers to the name.
unsafe impl Send for DelayedFilename {}

impl DelayedFilename {
    /// Copies a name from user space, which may be empty if `at_flags` contains `AT_EMPTY_PATH`.
    ///
    /// C: `delayed_getname_uflags()`. May sleep.
    ///
    /// # Errors
    ///
    /// As for [`Filename::from_user`].
    #[inline]
    pub fn from_user(_: BuiltIn, name: UserPtr, at_flags: u32) -> Result<Self> {
        let mut delayed = MaybeUninit::uninit();

        // SAFETY: `delayed` may be written. Any user pointer and any flags may be passed.
        // CAST: A bit field of the same size.
        to_result(unsafe {
            bindings::delayed_getname_uflags(
                delayed.as_mut_ptr(),
                name.as_const_ptr().cast(),
                at_flags as c_int,
            )
        })?;

        // INVARIANT: On success, `delayed` owns a name.
        // SAFETY: On success, `delayed` is initialised.
        Ok(Self(unsafe { delayed.assume_init() }))
    }

    /// Makes the name part of the current operation.
    ///
    /// C: `complete_getname()`.
    #[inline]
    pub fn complete(self) -> Filename {
        let mut this = ManuallyDrop::new(self);

        // SAFETY: By the type invariants, `this` owns a name. It is not dropped.
        let name = unsafe { bindings::complete_getname(&mut this.0) };

        // INVARIANT: `complete_getname()` returns the reference.
        Filename {
            // SAFETY: By the type invariants, the name is not null.
            name: unsafe { NonNull::new_unchecked(name) },
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for DelayedFilename {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `self` owns a name.
        unsafe { bindings::dismiss_delayed_filename(&mut self.0) };
    }
}
