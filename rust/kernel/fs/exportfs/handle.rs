// SPDX-License-Identifier: GPL-2.0

use super::FileidType;
use crate::{
    bindings,
    prelude::*, //
};
use zerocopy::Immutable;

/// The size of the units in which lengths of handles are counted, in bytes.
const UNIT: usize = size_of::<u32>();

/// The layout of one kind of file handle.
///
/// A handle is plain bytes without padding, in native byte order, at most `MAX_HANDLE_SZ` (128)
/// of them and a multiple of four; a type that breaks this does not build. It is stored and loaded
/// byte by byte, because the buffers that the VFS and fanotify pass are aligned to four bytes, or
/// less, whatever the fields of the handle would like.
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
    /// The kind of handle that has this layout.
    const TYPE: FileidType;

    /// What may follow the handle in the bytes that are to be decoded.
    const TAIL: Tail = Tail::Absent;
}

/// What may follow a [`Handle`] in the bytes that are to be decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tail {
    /// Nothing: a handle has one length. The choice for new kinds of handle.
    Absent,

    /// Zeros, up to the longest handle: a later layout may have fields there, and means by zero
    /// that it does not use them.
    Zero,

    /// Anything, which is ignored.
    Ignored,
}

/// The length of an `H` in units, checked when the code is built.
pub(super) const fn units<H: Handle>() -> usize {
    const {
        assert!(size_of::<H>() != 0, "a handle has at least one unit");
        assert!(
            size_of::<H>() <= bindings::MAX_HANDLE_SZ as usize,
            "a handle has at most MAX_HANDLE_SZ bytes"
        );
        assert!(
            size_of::<H>() % UNIT == 0,
            "a handle is a whole number of 32-bit units"
        );
        size_of::<H>() / UNIT
    }
}
