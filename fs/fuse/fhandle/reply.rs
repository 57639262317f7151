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

/// Parses the reply to `FUSE_LOOKUP_HANDLE`: an entry, and a `struct fuse_file_handle` that takes
/// up all of `buf`. Returns the bytes of the handle.
///
/// # Errors
///
/// - `EIO` if the size does not match `buf`, or exceeds [`handle::MAX`].
/// - `EIO` if a spare field or the padding is not zero.
pub(crate) fn handle<'a>(entry: &Entry, buf: &'a [u8]) -> Result<&'a [u8]> {
    let (size, rest) = buf.split_first_chunk().ok_or(EIO)?;
    let (spare, rest) = rest.split_first_chunk().ok_or(EIO)?;
    let size = usize::try_from(u32::from_ne_bytes(*size)).map_err(|_| EIO)?;

    if entry.spare != 0 || u32::from_ne_bytes(*spare) != 0 || size > handle::MAX {
        return Err(EIO);
    }
    let (bytes, padding) = rest.split_at_checked(size).ok_or(EIO)?;
    if rest.len() != size.next_multiple_of(ALIGN) || padding.iter().any(|&byte| byte != 0) {
        return Err(EIO);
    }
    Ok(bytes)
}
