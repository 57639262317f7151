// SPDX-License-Identifier: GPL-2.0

use kernel::{
    bindings,
    prelude::*, //
};

/// The largest file handle there can be.
const MAX_SIZE: usize = bindings::MAX_HANDLE_SZ as usize;

/// The unit in which the length of a file handle is counted.
pub(crate) const WORD: usize = size_of::<u32>();

/// The kinds of file handle.
pub(crate) const ALONE: c_int = bindings::fid_type_FILEID_FUSE_HANDLE as c_int;
pub(crate) const WITH_PARENT: c_int = bindings::fid_type_FILEID_FUSE_HANDLE_PARENT as c_int;
const INVALID: c_int = bindings::fid_type_FILEID_INVALID as c_int;

/// How a file handle starts: the length of the handle, that of the parent's, two zero bytes.
const HEADER: usize = WORD;

/// What encoding has come to.
pub(crate) struct Encoded {
    /// The kind of file handle, or `FILEID_INVALID`.
    pub(crate) kind: c_int,

    /// How many words the file handle has, or needs. `None` where there cannot be one.
    pub(crate) words: Option<c_int>,
}

/// Lays out the handle and the parent's, each padded with zeroes to a word.
pub(crate) fn encode(handle: &[u8], parent: Option<&[u8]>, buf: &mut [u8]) -> Encoded {
    let tail = parent.unwrap_or(&[]);
    let size = HEADER + padded(handle.len()) + padded(tail.len());

    // Without a handle, or with too long a one, no room would be enough. Nobody is to ask for more
    // than the largest file handle has: fanotify takes that for a bug.
    if handle.is_empty() || parent.is_some_and(<[u8]>::is_empty) || size > MAX_SIZE {
        return Encoded {
            kind: INVALID,
            words: None,
        };
    }
    let kind = match fill(handle, tail, buf) {
        None => INVALID,
        Some(()) if parent.is_some() => WITH_PARENT,
        Some(()) => ALONE,
    };

    Encoded {
        kind,
        words: c_int::try_from(size / WORD).ok(),
    }
}

fn padded(len: usize) -> usize {
    len.next_multiple_of(WORD)
}

fn fill(handle: &[u8], parent: &[u8], buf: &mut [u8]) -> Option<()> {
    let (header, rest) = buf.split_at_mut_checked(HEADER)?;
    let (first, rest) = rest.split_at_mut_checked(padded(handle.len()))?;
    let (second, _) = rest.split_at_mut_checked(padded(parent.len()))?;
    let lengths = [
        u8::try_from(handle.len()).ok()?,
        u8::try_from(parent.len()).ok()?,
        0,
        0,
    ];

    header.copy_from_slice(&lengths);
    put(first, handle);
    put(second, parent);
    Some(())
}

/// Copies `from`, and fills up with zeroes.
fn put(to: &mut [u8], from: &[u8]) {
    let mut bytes = from.iter();

    to.iter_mut()
        .for_each(|to| *to = bytes.next().copied().unwrap_or(0));
}

/// What a file handle holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded<'a> {
    handle: &'a [u8],
    parent: Option<&'a [u8]>,
}

impl<'a> Decoded<'a> {
    /// Returns the handle, or that of the parent.
    pub(crate) fn pick(&self, parent: bool) -> Option<&'a [u8]> {
        if parent {
            self.parent
        } else {
            Some(self.handle)
        }
    }
}

/// Finds the handles in a file handle, which has to be as [`encode`] makes it, to the byte.
pub(crate) fn decode(buf: &[u8], kind: c_int) -> Option<Decoded<'_>> {
    let (&[len, parent_len, 0, 0], rest) = buf.split_first_chunk::<HEADER>()? else {
        return None;
    };
    let (handle, rest) = get(rest, len.into())?;
    let (parent, rest) = match kind {
        ALONE if parent_len == 0 => (None, rest),
        WITH_PARENT => {
            let (parent, rest) = get(rest, parent_len.into())?;
            (Some(parent), rest)
        }
        _ => return None,
    };

    rest.is_empty().then_some(Decoded { handle, parent })
}

/// Takes the next handle, which is not empty, and its padding, which is zero.
fn get(buf: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let (field, rest) = buf.split_at_checked(padded(len))?;
    let (handle, padding) = field.split_at_checked(len)?;

    if handle.is_empty() || padding.iter().any(|&byte| byte != 0) {
        return None;
    }
    Some((handle, rest))
}
