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

/// What the kernel asks for, and needs.
const BASIC_STATS: u32 = bindings::STATX_BASIC_STATS;

// What the server sends is laid out as C says.
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

/// What a server may send any bytes for.
///
/// # Safety
///
/// All bit patterns must be valid.
unsafe trait Wire: Copy {}

// SAFETY: It consists of integers.
unsafe impl Wire for Header {}

// SAFETY: It consists of integers.
unsafe impl Wire for Entry {}

// SAFETY: It consists of integers.
unsafe impl Wire for Statx {}

/// Reads the first bytes of `buf`, which need not be aligned, as a `T`.
fn peek<T: Wire>(buf: &[u8]) -> Option<T> {
    let (bytes, _) = buf.split_at_checked(size_of::<T>())?;

    // SAFETY: There are enough bytes, and any are valid.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// What is left of a reply to be read.
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

    /// Takes the header of the reply to the request of this index.
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
            // An error has nothing after it. The numbers are those of fuse_dev_do_write().
            -511..=-1 if payload == 0 => Err(server_error(header.error)),
            _ => return Err(EIO),
        };
        Ok(ReplyHeader { payload, status })
    }
}

/// Turns an error number of the server's into an error. Once handles are agreed on, a server that
/// does not know the requests is not to be trusted with the rest.
fn server_error(errno: c_int) -> Error {
    let error = Error::from_errno(errno);

    if error == ENOSYS {
        EIO
    } else {
        error
    }
}

/// The header of a reply within a compound.
struct ReplyHeader {
    /// How many bytes are said to follow.
    payload: usize,

    /// What the server says of the request.
    status: Result,
}

/// What the reply to a compound of `FUSE_LOOKUP_HANDLE` and `FUSE_STATX` holds.
pub(crate) struct Lookup<'a> {
    /// The entry, as soon as there is one whatever may follow: the server has then counted a
    /// lookup, unless the nodeid is 0.
    pub(crate) entry: Option<Entry>,

    /// The bytes of the handle and, for a positive entry, the attributes.
    pub(crate) outcome: Result<(&'a [u8], Option<Statx>)>,
}

impl<'a> Lookup<'a> {
    /// Reads the reply, from the first header on.
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

/// Reads a `struct fuse_file_handle` that ends with the buffer, and returns the bytes.
pub(crate) fn handle(buf: &[u8]) -> Result<&[u8]> {
    let (size, bytes) = buf.split_first_chunk().ok_or(EIO)?;

    if usize::from(u16::from_ne_bytes(*size)) != bytes.len() || bytes.len() > handle::MAX {
        return Err(EIO);
    }
    Ok(bytes)
}
