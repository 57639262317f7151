// SPDX-License-Identifier: GPL-2.0

use super::{
    ExportFlags,
    MountId, //
};
use crate::{
    bindings,
    fs::{
        LookupFlags,
        Path, //
    },
    prelude::*, //
};

/// The flags of name_to_handle_at(2).
///
/// # Invariants
///
/// No bits but `AT_SYMLINK_FOLLOW`, `AT_EMPTY_PATH`, `AT_HANDLE_FID`, `AT_HANDLE_MNT_ID_UNIQUE` and
/// `AT_HANDLE_CONNECTABLE`; with the last one, neither `AT_HANDLE_FID` nor `AT_EMPTY_PATH`.
///
/// # Examples
///
/// ```
/// use kernel::{
///     bindings,
///     fs::fhandle::NameFlags, //
/// };
///
/// assert!(NameFlags::new(bindings::AT_EMPTY_PATH).is_ok());
/// assert!(NameFlags::new(bindings::AT_SYMLINK_NOFOLLOW).is_err());
///
/// // Where a handle is to lead to its directory, it has to be one that can be decoded.
/// let fid = bindings::AT_HANDLE_FID | bindings::AT_HANDLE_CONNECTABLE;
/// assert!(NameFlags::new(fid).is_err());
/// ```
#[derive(Clone, Copy)]
pub struct NameFlags(u32);

impl NameFlags {
    const VALID: u32 = bindings::AT_SYMLINK_FOLLOW
        | bindings::AT_EMPTY_PATH
        | bindings::AT_HANDLE_FID
        | bindings::AT_HANDLE_MNT_ID_UNIQUE
        | bindings::AT_HANDLE_CONNECTABLE;

    /// Checks what user space passed.
    ///
    /// # Errors
    ///
    /// `EINVAL`
    #[inline]
    pub fn new(flags: u32) -> Result<Self> {
        const NOT_CONNECTABLE: u32 = bindings::AT_HANDLE_FID | bindings::AT_EMPTY_PATH;

        if flags & !Self::VALID != 0 {
            return Err(EINVAL);
        }
        // What AT_EMPTY_PATH leads to may be disconnected, with no directory that is known.
        if flags & bindings::AT_HANDLE_CONNECTABLE != 0 && flags & NOT_CONNECTABLE != 0 {
            return Err(EINVAL);
        }
        // INVARIANT: Just checked.
        Ok(Self(flags))
    }

    /// Returns the flags as user space passed them.
    #[inline]
    pub fn as_raw(self) -> u32 {
        self.0
    }

    /// Returns how the name is to be looked up.
    #[inline]
    pub fn lookup(self) -> LookupFlags {
        if self.0 & bindings::AT_SYMLINK_FOLLOW != 0 {
            LookupFlags::FOLLOW
        } else {
            LookupFlags::NONE
        }
    }

    /// Returns what kind of handle is asked for.
    #[inline]
    pub(super) fn export(self) -> ExportFlags {
        if self.0 & bindings::AT_HANDLE_FID != 0 {
            ExportFlags::FID
        } else if self.0 & bindings::AT_HANDLE_CONNECTABLE != 0 {
            ExportFlags::CONNECTABLE
        } else {
            ExportFlags::NONE
        }
    }

    /// Returns the id of a path's mount that is asked for.
    #[inline]
    pub(super) fn mount_id(self, path: &Path) -> MountId {
        if self.0 & bindings::AT_HANDLE_MNT_ID_UNIQUE != 0 {
            MountId::unique(path)
        } else {
            MountId::legacy(path)
        }
    }
}
