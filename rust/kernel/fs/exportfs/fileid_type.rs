// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    prelude::*, //
};

/// The kind of a file handle: `enum fid_type`.
///
/// It tells a filesystem how the bytes of a handle are laid out, and is part of what user space
/// stores, so a value keeps its meaning for ever.
///
/// # Invariants
///
/// The value is one that a filesystem may use: not 0 (`FILEID_ROOT`) and not 255
/// (`FILEID_INVALID`), and it fits into 8 bits.
///
/// # Examples
///
/// ```
/// use kernel::fs::exportfs::FileidType;
///
/// const MINE: FileidType = FileidType::new(0xf7);
/// assert_ne!(MINE, FileidType::KERNFS);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileidType(u8);

impl FileidType {
    /// A 64-bit number that is unique on the filesystem: kernfs and pidfs.
    pub const KERNFS: Self = Self::new(bindings::fid_type_FILEID_KERNFS as u8);

    /// The id, type and inode number of a namespace: nsfs.
    pub const NSFS: Self = Self::new(bindings::fid_type_FILEID_NSFS as u8);

    /// What an encoder returns where the buffer is too small.
    pub(super) const INVALID: c_int = bindings::fid_type_FILEID_INVALID as c_int;

    /// Makes a kind of handle of its number. Does not build for 0 and 255.
    #[inline]
    pub const fn new(value: u8) -> Self {
        build_assert!(value != 0 && value != 0xff, "not for filesystems to use");

        // INVARIANT: Just checked.
        Self(value)
    }

    /// Returns the number.
    #[inline]
    pub const fn as_raw(self) -> c_int {
        self.0 as c_int
    }
}
