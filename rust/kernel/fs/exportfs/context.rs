// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    types::Opaque, //
};

/// The caller of open_by_handle_at(2), before the handle is decoded: `struct handle_to_path_ctx`.
///
/// Passed to [`Operations::permission`](super::Operations::permission).
#[repr(transparent)]
pub struct Context(Opaque<bindings::handle_to_path_ctx>);

impl Context {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a valid context for the duration of `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(ptr: *const bindings::handle_to_path_ctx) -> &'a Self {
        // SAFETY: The caller guarantees validity for `'a`; the type is transparent.
        unsafe { &*ptr.cast() }
    }
}
