// SPDX-License-Identifier: GPL-2.0

use super::{
    encoded_handle::EncodedHandle,
    Capacity,
    ExportFlags,
    NameFlags,
    UserHandle, //
};
use crate::{
    fs::Path,
    prelude::*,
    uaccess::UserPtr,
    warn_on, //
};

/// What name_to_handle_at(2) is asked for, but for the name.
#[derive(Clone, Copy)]
pub struct NameToHandle {
    handle: UserHandle,
    mount_id: UserPtr,
    flags: NameFlags,
}

// SAFETY: The two pointers are addresses in user space, which nobody dereferences: what is there is
// copied, by whoever is in that address space.
unsafe impl Send for NameToHandle {}

impl NameToHandle {
    /// Takes where the handle and the mount id shall go.
    ///
    /// Behind `mount_id` there is room for 8 bytes with `AT_HANDLE_MNT_ID_UNIQUE`, or else for 4.
    #[inline]
    pub fn new(handle: UserHandle, mount_id: UserPtr, flags: NameFlags) -> Self {
        Self {
            handle,
            mount_id,
            flags,
        }
    }

    /// Returns the flags.
    #[inline]
    pub fn flags(&self) -> NameFlags {
        self.flags
    }

    /// Stores a handle of the file at `path` and the id of its mount.
    ///
    /// `capacity` is what [`UserHandle::capacity`] gave, now or earlier: an error there is found
    /// after one of the filesystem's. May sleep.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the filesystem has no such handles; the one in `capacity`; `EOVERFLOW` if
    /// there is too little room, or what the filesystem gives, when the mount id and a header are
    /// stored nevertheless; `EFAULT`.
    #[inline]
    pub fn encode(&self, path: &Path, capacity: Result<Capacity>) -> Result {
        let flags = self.flags.export();
        let dentry = path.dentry();

        if !flags.can_encode(dentry.super_block()) {
            return Err(EOPNOTSUPP);
        }
        // A name leads to what is connected.
        if flags.contains(ExportFlags::CONNECTABLE) && warn_on!(dentry.is_disconnected()) {
            return Err(EINVAL);
        }

        let capacity = capacity?;
        let mut handle = EncodedHandle::new();
        let result = handle.encode(path, capacity, flags);

        self.flags.mount_id(path).write(self.mount_id)?;
        self.handle.write(handle.as_bytes())?;
        result
    }
}
