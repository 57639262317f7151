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
    uaccess::UserPtr, //
};
use core::{
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ptr::NonNull, //
};

/// The name of a file, copied from user space: `struct filename`.
///
/// Belongs to the system call that the task is in, whose audit record it is part of. To keep it
/// for later, or for another thread, make it a [`DelayedFilename`].
///
/// # Invariants
///
/// Points to a valid `struct filename`, of which this owns a reference.
pub struct Filename {
    name: NonNull<bindings::filename>,
    /// The count of references is not atomic.
    _not_send: NotThreadSafe,
}

impl Filename {
    /// Copies a name from user space.
    ///
    /// With `AT_EMPTY_PATH` in `at_flags`, it may be empty. C: `getname_uflags()`. May sleep.
    ///
    /// # Errors
    ///
    /// `EFAULT`, `ENOENT` for an empty name, `ENAMETOOLONG`, `ENOMEM`.
    #[inline]
    pub fn from_user(name: UserPtr, at_flags: u32) -> Result<Self> {
        // SAFETY: `getname_uflags()` takes any user pointer and any flags.
        // CAST: The flags are a bit field of the same width.
        let name = from_err_ptr(unsafe {
            bindings::getname_uflags(name.as_const_ptr().cast(), at_flags as c_int)
        })?;

        // SAFETY: It never returns null, and the errors have been taken out.
        let name = unsafe { NonNull::new_unchecked(name) };

        // INVARIANT: The reference is ours.
        Ok(Self {
            name,
            _not_send: NotThreadSafe,
        })
    }

    /// Returns a raw pointer to the `struct filename`.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::filename {
        self.name.as_ptr()
    }

    /// Takes the name out of the system call, so that it can be used later.
    ///
    /// C: `putname_to_delayed()`, which copies the name if it is part of an audit record. May
    /// sleep.
    #[inline]
    pub fn delay(self) -> Result<DelayedFilename> {
        let this = ManuallyDrop::new(self);
        let mut delayed = MaybeUninit::uninit();

        // SAFETY: The name is valid by the type invariants, and consumed; `delayed` may be written.
        let ret = unsafe { bindings::putname_to_delayed(delayed.as_mut_ptr(), this.as_raw()) };
        to_result(ret)?;

        // INVARIANT: After success it owns a name.
        // SAFETY: It was initialised.
        Ok(DelayedFilename(unsafe { delayed.assume_init() }))
    }
}

impl Drop for Filename {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the reference is ours.
        unsafe { bindings::putname(self.as_raw()) };
    }
}

/// The name of a file for a later operation, or one in another thread: `struct delayed_filename`.
///
/// # Invariants
///
/// Owns a `struct filename` that is in nobody's audit record.
pub struct DelayedFilename(bindings::delayed_filename);

// SAFETY: The only reference to the name is in this value.
unsafe impl Send for DelayedFilename {}

impl DelayedFilename {
    /// Copies a name from user space. Otherwise as [`Filename::from_user`].
    ///
    /// C: `delayed_getname_uflags()`. May sleep.
    #[inline]
    pub fn from_user(name: UserPtr, at_flags: u32) -> Result<Self> {
        let mut delayed = MaybeUninit::uninit();

        // SAFETY: `delayed` may be written; any user pointer and any flags are taken.
        // CAST: The flags are a bit field of the same width.
        to_result(unsafe {
            bindings::delayed_getname_uflags(
                delayed.as_mut_ptr(),
                name.as_const_ptr().cast(),
                at_flags as c_int,
            )
        })?;

        // INVARIANT: After success it owns a name.
        // SAFETY: It was initialised.
        Ok(Self(unsafe { delayed.assume_init() }))
    }

    /// Makes the name part of the operation that the task is in.
    ///
    /// C: `complete_getname()`.
    #[inline]
    pub fn complete(self) -> Filename {
        let mut this = ManuallyDrop::new(self);

        // SAFETY: By the type invariants it owns a name, which is taken out.
        let name = unsafe { bindings::complete_getname(&mut this.0) };

        // INVARIANT: The reference passes to the new value.
        Filename {
            // SAFETY: By the type invariants there was a name.
            name: unsafe { NonNull::new_unchecked(name) },
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for DelayedFilename {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants it owns a name.
        unsafe { bindings::dismiss_delayed_filename(&mut self.0) };
    }
}
