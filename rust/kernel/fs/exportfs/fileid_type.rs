// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    prelude::*, //
};

/// The type of a file handle (`enum fid_type`).
///
/// The type defines the layout of the bytes. User space stores the type with the handle, so a
/// filesystem must not change the layout of a type.
///
/// # Invariants
///
/// The value fits into 8 bits, and is neither 0 (`FILEID_ROOT`) nor 255 (`FILEID_INVALID`).
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
    /// `FILEID_KERNFS`: a 64-bit number that is unique on the filesystem (kernfs, pidfs).
    pub const KERNFS: Self = Self::new(bindings::fid_type_FILEID_KERNFS as u8);

    /// `FILEID_NSFS`: the id, the type and the inode number of a namespace.
    pub const NSFS: Self = Self::new(bindings::fid_type_FILEID_NSFS as u8);

    /// The return value of `->encode_fh()` if no handle was stored.
    pub(super) const INVALID: c_int = bindings::fid_type_FILEID_INVALID as c_int;

    /// Creates a file handle type.
    ///
    /// The values 0 and 255 are a build error in each constant that the code uses.
    #[inline]
    pub const fn new(value: u8) -> Self {
        build_assert!(
            value != 0 && value != 0xff,
            "filesystems must not use this file handle type"
        );

        // INVARIANT: The assertion above excludes the two reserved values.
        Self(value)
    }

    /// Returns the value as C passes it.
    #[inline]
    pub const fn as_raw(self) -> c_int {
        self.0 as c_int
    }
}
