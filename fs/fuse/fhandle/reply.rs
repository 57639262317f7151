// SPDX-License-Identifier: GPL-2.0

use super::handle;
use core::mem::offset_of;
use kernel::{
    bindings,
    prelude::*, //
};

type Entry = bindings::fuse_entry2_out;

/// Zeros pad the bytes of a handle to a multiple of this.
const ALIGN: usize = 8;

// The layout is part of the uapi.
const _: () = {
    assert!(size_of::<Entry>() == 32);
    assert!(offset_of!(Entry, nodeid) == 0);
    assert!(offset_of!(Entry, entry_valid) == 8);
    assert!(offset_of!(Entry, entry_valid_nsec) == 16);
    assert!(offset_of!(Entry, flags) == 20);
    assert!(offset_of!(Entry, spare) == 24);
};

/// Splits off the `struct fuse_file_handle` with which `buf` starts.
///
/// Returns the bytes of the handle and what follows its padding, or [`None`] if `buf` is too short.
///
/// # Errors
///
/// - `EIO` if the size exceeds [`handle::MAX`].
/// - `EIO` if the spare field or the padding is not zero.
pub(crate) fn split(buf: &[u8]) -> Result<Option<(&[u8], &[u8])>> {
    let Some((size, rest)) = buf.split_first_chunk() else {
        return Ok(None);
    };
    let Some((spare, rest)) = rest.split_first_chunk() else {
        return Ok(None);
    };
    let size = usize::try_from(u32::from_ne_bytes(*size)).map_err(|_| EIO)?;

    if u32::from_ne_bytes(*spare) != 0 || size > handle::MAX {
        return Err(EIO);
    }
    let Some((field, rest)) = rest.split_at_checked(size.next_multiple_of(ALIGN)) else {
        return Ok(None);
    };
    let (bytes, padding) = field.split_at_checked(size).ok_or(EIO)?;
    if padding.iter().any(|&byte| byte != 0) {
        return Err(EIO);
    }
    Ok(Some((bytes, rest)))
}

/// Parses the reply to `FUSE_LOOKUP_HANDLE`: an entry, and a `struct fuse_file_handle` that takes
/// up all of `buf`. Returns the bytes of the handle.
///
/// # Errors
///
/// - `EIO` if the size does not match `buf`.
/// - `EIO` if the spare field of the entry is not zero.
/// - The errors of [`split`].
pub(crate) fn handle<'a>(entry: &Entry, buf: &'a [u8]) -> Result<&'a [u8]> {
    if entry.spare != 0 {
        return Err(EIO);
    }
    match split(buf)? {
        Some((bytes, [])) => Ok(bytes),
        _ => Err(EIO),
    }
}
