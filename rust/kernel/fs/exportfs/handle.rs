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
/// of four bytes, and at most `MAX_HANDLE_SZ` (128). Storing or loading a type of another size is a
/// build error.
///
/// The alignment of the type is not relevant: handles are copied byte by byte, because callers such
/// as fanotify align their buffers to four bytes only.
///
/// Handles of variable length use [`Encoder::store_bytes`](super::Encoder::store_bytes) and
/// [`Fid::as_bytes`](super::Fid::as_bytes) instead.
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

    /// The policy for units that follow the handle.
    const TAIL: Tail = Tail::Absent;
}

/// The policy for units of four bytes that follow a [`Handle`] when it is decoded.
///
/// The policy does not apply to one to three trailing bytes that are no whole unit: exportfs does
/// not pass them to the filesystem.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tail {
    /// A tail is rejected. New handle types should use this policy.
    Absent,

    /// A tail of zeros is accepted, for a layout that can grow: zeros mean that the handle does not
    /// use the additional fields.
    Zero,

    /// A tail is ignored.
    Ignored,
}

/// Returns the number of units in an `H`, whose size is checked at build time.
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
