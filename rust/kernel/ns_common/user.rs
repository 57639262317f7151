// SPDX-License-Identifier: GPL-2.0

use super::UserNamespace;
use crate::bindings;

impl UserNamespace {
    /// Returns the user who made the namespace, as the caller sees it: the overflow uid where the
    /// user namespace of the caller has no number for that user.
    ///
    /// C: `from_kuid_munged()` of `owner`. Does not sleep.
    #[inline]
    pub fn owner_uid(&self) -> bindings::uid_t {
        // SAFETY: The namespace is valid by the type invariants, and `owner` does not change.
        let owner = unsafe { (*self.as_raw()).owner };

        // SAFETY: A task may read its own credentials at any time.
        let current = unsafe { bindings::current_user_ns() };

        // SAFETY: The task holds its user namespace.
        unsafe { bindings::from_kuid_munged(current, owner) }
    }
}
