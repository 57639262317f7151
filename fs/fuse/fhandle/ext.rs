// SPDX-License-Identifier: GPL-2.0

use kernel::bindings;

/// The size of an extension is a multiple of this.
const ALIGN: usize = 8;

/// The size of the header: the size and the type of the extension.
const HEADER: usize = size_of::<bindings::fuse_ext_header>();

/// The size of what precedes the bytes of the handle.
const PREFIX: usize = HEADER + size_of::<bindings::fuse_file_handle>();

// The layout is part of the uapi.
const _: () = {
    assert!(HEADER == 8);
    assert!(size_of::<bindings::fuse_file_handle>() == 8);
};

/// Writes a `FUSE_EXT_HANDLE` with the bytes of a handle, and returns its size.
///
/// An unknown handle has no bytes. Returns [`None`] if there are too many for `buf`, which is not
/// changed then.
pub(crate) fn write(handle: &[u8], buf: &mut [u8]) -> Option<usize> {
    let size = (PREFIX + handle.len()).next_multiple_of(ALIGN);
    let (ext, _) = buf.split_at_mut_checked(size)?;
    let (header, rest) = ext.split_at_mut_checked(HEADER)?;
    let (ext_size, ext_type) = header.split_at_mut_checked(size_of::<u32>())?;
    let (handle_size, rest) = rest.split_at_mut_checked(size_of::<u32>())?;
    let (spare, rest) = rest.split_at_mut_checked(size_of::<u32>())?;
    let (to, padding) = rest.split_at_mut_checked(handle.len())?;

    ext_size.copy_from_slice(&u32::try_from(size).ok()?.to_ne_bytes());
    ext_type.copy_from_slice(&bindings::fuse_ext_type_FUSE_EXT_HANDLE.to_ne_bytes());
    handle_size.copy_from_slice(&u32::try_from(handle.len()).ok()?.to_ne_bytes());
    spare.fill(0);
    to.copy_from_slice(handle);
    padding.fill(0);
    Some(size)
}
