// SPDX-License-Identifier: GPL-2.0

//! Interfaces for code that is built into the kernel.
//!
//! The `kernel` crate is the same for modules and for built-in code, and most of its functions are
//! inlined into their callers. A function that rests on a C symbol without `EXPORT_SYMBOL` can
//! therefore be named in a module, but the module does not link. The entry points of such
//! interfaces take a [`BuiltIn`]. The macro [`built_in!`](macro@crate::built_in) creates it in
//! built-in code, and is a compile error in a module, at the line of the call.

/// A token of code that is built into the kernel. Created by [`built_in!`](macro@crate::built_in).
///
/// # Examples
///
/// ```
/// use kernel::BuiltIn;
///
/// /// Rests on C symbols that are not exported.
/// fn not_for_modules(_: BuiltIn) {}
///
/// not_for_modules(kernel::built_in!());
/// ```
#[derive(Clone, Copy)]
pub struct BuiltIn(());

impl BuiltIn {
    /// Creates a token. Only for [`built_in!`](macro@crate::built_in).
    ///
    /// # Safety
    ///
    /// The caller must ensure that the calling crate is built into the kernel.
    #[doc(hidden)]
    #[inline]
    pub const unsafe fn new() -> Self {
        Self(())
    }
}

/// Creates a [`BuiltIn`](crate::built_in::BuiltIn). Does not compile in a module.
///
/// See [`kernel::built_in`](mod@crate::built_in).
#[macro_export]
macro_rules! built_in {
    () => {{
        #[cfg(MODULE)]
        ::core::compile_error!(
            "this interface is for code that is built into the kernel: it rests on symbols that \
             are not exported to modules"
        );

        // SAFETY: Kbuild sets `MODULE` for each crate that is not built in, for which the line
        // above does not compile.
        unsafe { $crate::built_in::BuiltIn::new() }
    }};
}
