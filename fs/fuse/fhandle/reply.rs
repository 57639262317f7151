// SPDX-License-Identifier: GPL-2.0

use super::handle;
use core::mem::offset_of;
use kernel::{
    bindings,
    prelude::*, //
};

type Header = bindings::fuse_out_header;
type Entry = bindings::fuse_entry2_out;
type Statx = bindings::fuse_statx_out;

/// The attributes that the kernel requests. A reply without one of them is an error.
const BASIC_STATS: u32 = bindings::STATX_BASIC_STATS;

// The layout is part of the uapi.
const _: () = {
    assert!(size_of::<Header>() == 16);
    assert!(offset_of!(Header, len) == 0);
    assert!(offset_of!(Header, error) == 4);
    assert!(offset_of!(Header, unique) == 8);
    assert!(size_of::<Entry>() == 40);
    assert!(offset_of!(Entry, nodeid) == 0);
    assert!(offset_of!(Entry, generation) == 8);
    assert!(offset_of!(Entry, entry_valid) == 16);
    assert!(offset_of!(Entry, entry_valid_nsec) == 24);
    assert!(offset_of!(Entry, flags) == 28);
    assert!(offset_of!(Entry, spare) == 32);
    assert!(size_of::<Statx>() == 288);
    assert!(offset_of!(Statx, stat) == 32);
};

/// A structure that is read from a reply.
///
/// # Safety
///
/// The implementer must ensure that all bit patterns are valid.
unsafe trait Wire: Copy {}

// SAFETY: All fields of `struct fuse_out_header` are integers.
unsafe impl Wire for Header {}

// SAFETY: All fields of `struct fuse_entry2_out` are integers.
unsafe impl Wire for Entry {}

// SAFETY: All fields of `struct fuse_statx_out` are integers, or structures and arrays of them.
unsafe impl Wire for Statx {}

/// Returns the first bytes of `buf` as a `T`. They need no alignment.
fn peek<T: Wire>(buf: &[u8]) -> Option<T> {
    let (bytes, _) = buf.split_at_checked(size_of::<T>())?;

    // SAFETY: `bytes` is valid for reads of the size of a `T`, at any alignment. By the contract of
    // `Wire`, any bytes are a valid `T`.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// The unread rest of a reply.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(EIO)?;

        self.0 = rest;
        Ok(bytes)
    }

    fn take<T: Wire>(&mut self) -> Result<T> {
        let value = peek(self.0).ok_or(EIO)?;

        self.bytes(size_of::<T>())?;
        Ok(value)
    }

    fn end(&self) -> Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(EIO)
        }
    }

    /// Reads the header of the reply to the request `index`.
    fn header(&mut self, index: u64) -> Result<ReplyHeader> {
        let header: Header = self.take()?;
        let payload = usize::try_from(header.len)
            .ok()
            .and_then(|len| len.checked_sub(size_of::<Header>()))
            .ok_or(EIO)?;

        if header.unique != index {
            return Err(EIO);
        }
        let status = match header.error {
            0 => Ok(()),
            // An error has no payload. fuse_dev_do_write() accepts the same range.
            -511..=-1 if payload == 0 => Err(server_error(header.error)),
            _ => return Err(EIO),
        };
        Ok(ReplyHeader { payload, status })
    }
}

/// Converts the errno in a reply.
///
/// `ENOSYS` becomes `EIO`: a server that negotiates handles must implement the requests.
fn server_error(errno: c_int) -> Error {
    let error = Error::from_errno(errno);

    if error == ENOSYS {
        EIO
    } else {
        error
    }
}

/// The header of one reply in a compound.
struct ReplyHeader {
    /// The number of bytes that follow, according to the header.
    payload: usize,

    /// The result of the request.
    status: Result,
}

/// The reply to a compound of `FUSE_LOOKUP_HANDLE` and `FUSE_STATX`.
pub(crate) struct Lookup<'a> {
    /// The entry, even if the rest of the reply is not valid. The server has counted a lookup
    /// unless the nodeid is 0.
    pub(crate) entry: Option<Entry>,

    /// The bytes of the handle, and the attributes if the entry is positive.
    pub(crate) outcome: Result<(&'a [u8], Option<Statx>)>,
}

impl<'a> Lookup<'a> {
    /// Parses a reply that starts with the first header.
    pub(crate) fn parse(buf: &'a [u8]) -> Self {
        let mut entry = None;
        let outcome = Self::parse_all(Reader(buf), &mut entry);

        Self { entry, outcome }
    }

    fn parse_all(
        mut reader: Reader<'a>,
        found: &mut Option<Entry>,
    ) -> Result<(&'a [u8], Option<Statx>)> {
        let lookup = reader.header(0)?;
        if lookup.status.is_ok() && lookup.payload >= size_of::<Entry>() {
            *found = peek(reader.0);
        }
        let mut lookup_args = Reader(reader.bytes(lookup.payload)?);
        let statx = reader.header(1)?;
        let mut statx_args = Reader(reader.bytes(statx.payload)?);
        reader.end()?;

        lookup.status?;
        let entry: Entry = lookup_args.take()?;
        let handle = handle(lookup_args.0)?;
        if entry.nodeid == 0 {
            return Ok((handle, None));
        }

        statx.status?;
        let statx: Statx = statx_args.take()?;
        statx_args.end()?;
        if statx.stat.mask & BASIC_STATS != BASIC_STATS {
            return Err(EIO);
        }
        Ok((handle, Some(statx)))
    }
}

/// Parses a `struct fuse_file_handle` that takes up all of `buf`, and returns the bytes.
///
/// # Errors
///
/// - `EIO` if the size does not match `buf`, or exceeds [`handle::MAX`].
pub(crate) fn handle(buf: &[u8]) -> Result<&[u8]> {
    let (size, bytes) = buf.split_first_chunk().ok_or(EIO)?;

    if usize::from(u16::from_ne_bytes(*size)) != bytes.len() || bytes.len() > handle::MAX {
        return Err(EIO);
    }
    Ok(bytes)
}
