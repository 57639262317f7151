// SPDX-License-Identifier: GPL-2.0

use kernel::{
    bindings,
    fs::exportfs::{
        Encoded,
        Encoder,
        Fid,
        FileidType, //
    },
    prelude::*, //
};

/// The size of the units in which the length of a file handle is counted.
const UNIT: usize = size_of::<u32>();

/// A file handle with the handle of an inode.
pub(crate) const HANDLE: FileidType = FileidType::new(bindings::fid_type_FILEID_FUSE_HANDLE as u8);

/// A file handle that also has the handle of the parent.
pub(crate) const HANDLE_PARENT: FileidType =
    FileidType::new(bindings::fid_type_FILEID_FUSE_HANDLE_PARENT as u8);

/// The sizes of the handle and of that of the parent, and two zero bytes.
const HEADER: usize = UNIT;

/// Encodes a file handle.
///
/// The call fails with `EOPNOTSUPP` if a handle is empty, which means that it is unknown. It is
/// refused if the file handle would exceed `MAX_HANDLE_SZ`.
pub(crate) fn encode<'a>(
    handle: &[u8],
    parent: Option<&[u8]>,
    encoder: Encoder<'a>,
) -> Encoded<'a> {
    let Some(size) = size(handle, parent) else {
        return encoder.fail(EOPNOTSUPP);
    };
    let fileid_type = if parent.is_some() {
        HANDLE_PARENT
    } else {
        HANDLE
    };

    encoder.store_bytes(fileid_type, size, |buf| {
        fill(handle, parent, buf);
    })
}

/// Returns the size of a file handle, or [`None`] if one of the handles is unknown.
pub(crate) fn size(handle: &[u8], parent: Option<&[u8]>) -> Option<usize> {
    if handle.is_empty() || parent.is_some_and(<[u8]>::is_empty) {
        return None;
    }
    Some(HEADER + padded(handle.len()) + padded(parent.unwrap_or(&[]).len()))
}

fn padded(len: usize) -> usize {
    len.next_multiple_of(UNIT)
}

/// Writes a file handle to `buf`, which is zeroed and has the [`size`] of it.
pub(crate) fn fill(handle: &[u8], parent: Option<&[u8]>, buf: &mut [u8]) -> Option<()> {
    let parent = parent.unwrap_or(&[]);
    let (header, rest) = buf.split_at_mut_checked(HEADER)?;
    let (first, second) = rest.split_at_mut_checked(padded(handle.len()))?;
    let sizes = [
        u8::try_from(handle.len()).ok()?,
        u8::try_from(parent.len()).ok()?,
        0,
        0,
    ];

    header.copy_from_slice(&sizes);
    first.get_mut(..handle.len())?.copy_from_slice(handle);
    second.get_mut(..parent.len())?.copy_from_slice(parent);
    Some(())
}

/// The handles in a file handle.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded<'a> {
    handle: &'a [u8],
    parent: Option<&'a [u8]>,
}

impl<'a> Decoded<'a> {
    /// Returns the handle of the inode or that of the parent.
    pub(crate) fn pick(&self, parent: bool) -> Option<&'a [u8]> {
        if parent {
            self.parent
        } else {
            Some(self.handle)
        }
    }
}

/// Decodes a file handle.
///
/// Returns [`None`] unless [`encode`] produces exactly these bytes.
pub(crate) fn decode(buf: &[u8], fileid_type: c_int) -> Option<Decoded<'_>> {
    let (&[len, parent_len, 0, 0], rest) = buf.split_first_chunk::<HEADER>()? else {
        return None;
    };
    let (handle, rest) = get(rest, len.into())?;
    let (parent, rest) = if fileid_type == HANDLE_PARENT.as_raw() {
        let (parent, rest) = get(rest, parent_len.into())?;
        (Some(parent), rest)
    } else if fileid_type == HANDLE.as_raw() && parent_len == 0 {
        (None, rest)
    } else {
        return None;
    };

    rest.is_empty().then_some(Decoded { handle, parent })
}

/// Decodes a file handle, and returns the handle of the inode or that of the parent.
pub(crate) fn pick<'a>(fid: &'a Fid<'_>, parent: bool) -> Option<&'a [u8]> {
    decode(fid.as_bytes(), fid.fileid_type())?.pick(parent)
}

/// Splits off a handle of `len` bytes and its padding.
///
/// Returns [`None`] if the handle is empty or the padding is not zero.
fn get(buf: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let (field, rest) = buf.split_at_checked(padded(len))?;
    let (handle, padding) = field.split_at_checked(len)?;

    if handle.is_empty() || padding.iter().any(|&byte| byte != 0) {
        return None;
    }
    Some((handle, rest))
}
