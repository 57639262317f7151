// SPDX-License-Identifier: GPL-2.0

//! Interfaces for code that is built into the kernel.
//!
//! Modules and built-in code share the `kernel` crate, and most of its functions are inlined into
//! their callers. A module can call a function that uses a C symbol without `EXPORT_SYMBOL`: the
//! call compiles, and modpost reports an undefined symbol.
//!
//! The entry points of such interfaces take a [`BuiltIn`]. The macro
//! [`built_in!`](macro@crate::built_in) creates the token in built-in code. In a module, the macro
//! fails to compile.

/// Proof that the caller is built into the kernel.
///
/// [`built_in!`](macro@crate::built_in) creates the value.
///
/// # Examples
///
/// ```
/// use kernel::BuiltIn;
///
/// /// Uses C symbols that are not exported.
/// fn not_for_modules(_: BuiltIn) {}
///
/// not_for_modules(kernel::built_in!());
/// ```
#[derive(Clone, Copy)]
pub struct BuiltIn(());

impl BuiltIn {
    /// Creates a token for [`built_in!`](macro@crate::built_in).
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
            "this interface is for code that is built into the kernel: it uses symbols that are \
             not exported to modules"
        );

        // SAFETY: Kbuild sets `MODULE` for each crate that is not built in, so the line above stops
        // the compilation of a module.
        unsafe { $crate::built_in::BuiltIn::new() }
    }};
}
