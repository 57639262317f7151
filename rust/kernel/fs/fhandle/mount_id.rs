// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    error::to_result,
    fs::Path,
    prelude::*,
    uaccess::UserPtr, //
};

/// The mount that a file was named through.
///
/// The two ids differ in width, and so does the place where user space keeps them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MountId {
    /// The id in the first column of `/proc/self/mountinfo`, which is used again after an unmount.
    Legacy(c_int),

    /// The one of `STATX_MNT_ID_UNIQUE`, which never is.
    Unique(u64),
}

impl MountId {
    /// The id in the first column of mountinfo.
    #[inline]
    pub(super) fn legacy(path: &Path) -> Self {
        // SAFETY: The path holds its mount, which has the same id for as long as it exists.
        Self::Legacy(unsafe { (*Self::mount(path)).mnt_id })
    }

    /// The one that is never used again.
    #[inline]
    pub(super) fn unique(path: &Path) -> Self {
        // SAFETY: As above.
        Self::Unique(unsafe { (*Self::mount(path)).mnt_id_unique })
    }

    /// Stores the id where there is room for its width.
    ///
    /// # Errors
    ///
    /// `EFAULT`
    #[inline]
    pub(super) fn write(self, place: UserPtr) -> Result {
        let ret = match self {
            // SAFETY: Any user pointer is taken.
            Self::Legacy(id) => unsafe { bindings::put_user_int(id, place.as_mut_ptr().cast()) },
            // SAFETY: Likewise.
            Self::Unique(id) => unsafe { bindings::put_user_u64(id, place.as_mut_ptr().cast()) },
        };

        to_result(ret)
    }

    #[inline]
    fn mount(path: &Path) -> *mut bindings::mount {
        // SAFETY: By its type invariants, a path may be read.
        let mnt = unsafe { (*path.as_raw()).mnt };

        // SAFETY: Likewise, its mount is a valid one, which is always part of a `struct mount`.
        unsafe { bindings::real_mount(mnt) }
    }
}
