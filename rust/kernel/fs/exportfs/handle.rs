// SPDX-License-Identifier: GPL-2.0

use super::{
    FileidType,
    MAX_HANDLE_SZ,
    UNIT, //
};
use crate::prelude::*;
use zerocopy::Immutable;

/// The layout of a file handle of fixed length.
///
/// A handle consists of plain bytes without padding, in native byte order. Its size is a multiple
/// of four bytes and at most `MAX_HANDLE_SZ` (128). Storing or loading a type of another size is a
/// build error.
///
/// The type may have any alignment. [`Encoder`](super::Encoder) and [`Fid`](super::Fid) copy
/// handles without an assumption about alignment, because some callers, such as fanotify, align
/// their buffers to four bytes only.
///
/// For handles of variable length, use [`Encoder::store_bytes`](super::Encoder::store_bytes) and
/// [`Fid::as_bytes`](super::Fid::as_bytes).
///
/// # Examples
///
/// ```
/// use kernel::fs::exportfs::{
///     FileidType,
///     Handle, //
/// };
/// use kernel::prelude::*;
///
/// #[repr(C)]
/// #[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
/// struct ObjectHandle {
///     id: u64,
/// }
///
/// impl Handle for ObjectHandle {
///     const TYPE: FileidType = FileidType::new(0xf7);
/// }
/// ```
pub trait Handle: FromBytes + IntoBytes + Immutable {
    /// The type of a file handle with this layout.
    const TYPE: FileidType;

    /// The policy for a handle that is longer than this layout.
    const TAIL: Tail = Tail::Absent;
}

/// The policy for the tail of a handle to decode: the units of four bytes after the [`Handle`].
///
/// The policy does not apply to one to three bytes after the last whole unit, because exportfs does
/// not pass them to the filesystem.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tail {
    /// Reject a handle with a tail. New handle types should use this policy.
    Absent,

    /// Accept a tail of zeros. A later version of the layout can then add fields in which zero
    /// means that the field is not used.
    Zero,

    /// Accept any tail.
    Ignored,
}

/// Returns the size of an `H` in units, and checks the size at build time.
pub(super) const fn units<H: Handle>() -> usize {
    const {
        assert!(size_of::<H>() != 0, "a handle has at least one unit");
        assert!(
            size_of::<H>() <= MAX_HANDLE_SZ,
            "a handle has at most MAX_HANDLE_SZ bytes"
        );
        assert!(
            size_of::<H>() % UNIT == 0,
            "a handle is a whole number of 32-bit units"
        );
        size_of::<H>() / UNIT
    }
}
