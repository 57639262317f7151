// SPDX-License-Identifier: GPL-2.0

//! File names from user space.
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

/// A file name that was copied from user space (`struct filename`).
///
/// The audit record of the current system call may refer to the name, so the name cannot be used
/// after the system call or by another thread. [`delay`](Self::delay) converts it into a
/// [`DelayedFilename`], which can.
///
/// # Invariants
///
/// `name` points to a valid `struct filename`. The value owns a reference to it.
pub struct Filename {
    name: NonNull<bindings::filename>,
    /// The refcount of the name is not atomic.
    _not_send: NotThreadSafe,
}

impl Filename {
    /// Copies a file name from user space.
    ///
    /// The name may be empty if `at_flags` contains `AT_EMPTY_PATH`. May sleep.
    ///
    /// C: `getname_uflags()`.
    ///
    /// # Errors
    ///
    /// - `EFAULT` if the memory is not accessible.
    /// - `ENOENT` if the name is empty and `at_flags` does not contain `AT_EMPTY_PATH`.
    /// - `ENAMETOOLONG` if the name and its terminating NUL exceed `PATH_MAX` bytes.
    /// - `ENOMEM` if memory allocation fails.
    #[inline]
    pub fn from_user(_: BuiltIn, name: UserPtr, at_flags: u32) -> Result<Self> {
        // SAFETY: `getname_uflags()` accepts any user pointer and any flags.
        // CAST: The flags are a bit field of the same width.
        let name = from_err_ptr(unsafe {
            bindings::getname_uflags(name.as_const_ptr().cast(), at_flags as c_int)
        })?;

        // SAFETY: `getname_uflags()` returns a valid pointer or an error pointer, and `name` is not
        // an error pointer.
        let name = unsafe { NonNull::new_unchecked(name) };

        // INVARIANT: `getname_uflags()` returned an owned reference.
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

    /// Detaches the name from the current system call.
    ///
    /// If an audit record refers to the name, the result is a copy. May sleep.
    ///
    /// C: `putname_to_delayed()`.
    ///
    /// # Errors
    ///
    /// - `ENOMEM` if memory allocation fails.
    #[inline]
    pub fn delay(self) -> Result<DelayedFilename> {
        let this = ManuallyDrop::new(self);
        let mut delayed = MaybeUninit::uninit();

        // SAFETY: `delayed` is valid for writes. By the type invariants, `this` owns a reference to
        // the name. `putname_to_delayed()` consumes it, also on failure.
        let ret = unsafe { bindings::putname_to_delayed(delayed.as_mut_ptr(), this.as_raw()) };
        to_result(ret)?;

        // INVARIANT: The call above succeeded, so `delayed` owns a name without an audit record.
        // SAFETY: The call above succeeded, so `delayed` is initialised.
        Ok(DelayedFilename(unsafe { delayed.assume_init() }))
    }
}

impl Drop for Filename {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `self` owns a reference to the name.
        unsafe { bindings::putname(self.as_raw()) };
    }
}

/// A file name that another thread may use after the system call (`struct delayed_filename`).
///
/// # Invariants
///
/// The value owns the only reference to a `struct filename`. No audit record refers to the name.
pub struct DelayedFilename(bindings::delayed_filename);

// SAFETY: By the type invariants, the value owns the only reference to the name, so any thread may
// use and drop it.
unsafe impl Send for DelayedFilename {}

impl DelayedFilename {
    /// Copies a file name from user space.
    ///
    /// The name may be empty if `at_flags` contains `AT_EMPTY_PATH`. May sleep.
    ///
    /// C: `delayed_getname_uflags()`.
    ///
    /// # Errors
    ///
    /// - The errors of [`Filename::from_user`].
    #[inline]
    pub fn from_user(_: BuiltIn, name: UserPtr, at_flags: u32) -> Result<Self> {
        let mut delayed = MaybeUninit::uninit();

        // SAFETY: `delayed` is valid for writes. `delayed_getname_uflags()` accepts any user
        // pointer and any flags.
        // CAST: The flags are a bit field of the same width.
        to_result(unsafe {
            bindings::delayed_getname_uflags(
                delayed.as_mut_ptr(),
                name.as_const_ptr().cast(),
                at_flags as c_int,
            )
        })?;

        // INVARIANT: The call above succeeded, so `delayed` owns a name without an audit record.
        // SAFETY: The call above succeeded, so `delayed` is initialised.
        Ok(Self(unsafe { delayed.assume_init() }))
    }

    /// Attaches the name to the current system call and its audit record.
    ///
    /// C: `complete_getname()`.
    #[inline]
    pub fn complete(self) -> Filename {
        let mut this = ManuallyDrop::new(self);

        // SAFETY: By the type invariants, `this` owns a name. `complete_getname()` consumes it, and
        // `ManuallyDrop` prevents that `this` drops it again.
        let name = unsafe { bindings::complete_getname(&mut this.0) };

        // INVARIANT: `complete_getname()` returned the owned reference.
        Filename {
            // SAFETY: `complete_getname()` returns the name that `this` owned, which is not null.
            name: unsafe { NonNull::new_unchecked(name) },
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for DelayedFilename {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `self` owns a name. It is not used after this call.
        unsafe { bindings::dismiss_delayed_filename(&mut self.0) };
    }
}
