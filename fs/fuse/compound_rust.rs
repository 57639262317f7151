// SPDX-License-Identifier: GPL-2.0

//! The parser of the replies to `FUSE_COMPOUND`.
//!
//! A FUSE server is untrusted. This file divides the reply to a compound into the replies to its
//! requests, and copies their arguments to the buffers of the requests.
//!
//! C header: [`fs/fuse/compound.h`](./compound.h)
//!
//! Reference: <https://docs.kernel.org/filesystems/fuse/fuse-compound.html>

use core::{
    mem::offset_of,
    slice, //
};
use kernel::{
    bindings,
    prelude::*, //
};

#[cfg(CONFIG_FUSE_COMPOUND_KUNIT_TEST)]
#[path = "compound/tests.rs"]
mod tests;

/// The size of a record is a multiple of this.
const ALIGN: usize = 8;

/// The maximum number of output arguments of a request.
const MAX_ARGS: usize = 2;

/// The maximum number of requests in a compound.
const MAX_REQUESTS: usize = bindings::FUSE_COMPOUND_MAX as usize;

/// The size of the header of a reply.
const HEADER: usize = size_of::<bindings::fuse_out_header>();

// The layout is part of the uapi.
const _: () = {
    type Header = bindings::fuse_out_header;

    assert!(HEADER == 16);
    assert!(offset_of!(Header, len) == 0);
    assert!(offset_of!(Header, error) == 4);
    assert!(offset_of!(Header, unique) == 8);
    assert!(size_of::<bindings::fuse_compound_out>() == 16);
};

/// One request of a compound, and the place for its reply.
struct Request<'a> {
    /// The buffers of the output arguments. A request with fewer arguments has empty buffers.
    args: [&'a mut [u8]; MAX_ARGS],

    /// The index of the argument that may be shorter than its buffer.
    variable: Option<usize>,

    /// The index of the earlier request whose reply starts with the nodeid for this one.
    dependency: Option<usize>,

    /// The size of the variable argument, or 0, or the error of the request.
    result: Result<usize>,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            args: Default::default(),
            variable: None,
            dependency: None,
            result: Err(EIO),
        }
    }
}

impl Request<'_> {
    /// Copies the arguments of a reply to the buffers.
    ///
    /// On an error, the first buffers may have been written.
    fn store(&mut self, payload: &[u8]) -> Result<usize> {
        let mut rest = payload;
        let mut size = 0;

        for (index, arg) in self.args.iter_mut().enumerate() {
            let is_variable = self.variable == Some(index);
            let len = if is_variable {
                arg.len().min(rest.len())
            } else {
                arg.len()
            };
            let (bytes, tail) = rest.split_at_checked(len).ok_or(EIO)?;
            let (to, _) = arg.split_at_mut_checked(len).ok_or(EIO)?;

            to.copy_from_slice(bytes);
            rest = tail;
            if is_variable {
                size = len;
            }
        }
        if !rest.is_empty() {
            return Err(EIO);
        }
        Ok(size)
    }

    /// Returns `true` if the request succeeded and its reply starts with a nodeid other than 0.
    fn found(&self) -> bool {
        let nodeid = self.args[0].first_chunk().copied().map(u64::from_ne_bytes);

        self.result.is_ok() && nodeid.is_some_and(|nodeid| nodeid != 0)
    }
}

/// The unread rest of a reply to a compound.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(EIO)?;

        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(EIO)?;

        self.0 = rest;
        Ok(*bytes)
    }

    /// Reads the reply to the request `index`: its arguments, or the error that it contains.
    ///
    /// # Errors
    ///
    /// `EIO` if the reply is not valid. The replies after it cannot be found then.
    fn reply(&mut self, index: usize) -> Result<Result<&'a [u8]>> {
        let len = u32::from_ne_bytes(self.array()?);
        let errno = c_int::from_ne_bytes(self.array()?);
        let unique = u64::from_ne_bytes(self.array()?);
        let len = usize::try_from(len)
            .ok()
            .and_then(|len| len.checked_sub(HEADER))
            .ok_or(EIO)?;

        if usize::try_from(unique).ok() != Some(index) {
            return Err(EIO);
        }
        match errno {
            0 => Ok(Ok(self.bytes(len)?)),
            // An error has no arguments. fuse_dev_do_write() accepts the same range.
            -511..=-1 if len == 0 => Ok(Err(Error::from_errno(errno))),
            _ => Err(EIO),
        }
    }

    /// Reads the padding after `len` bytes of a record.
    fn padding(&mut self, len: usize) -> Result<&'a [u8]> {
        self.bytes(len.wrapping_neg() % ALIGN)
    }
}

fn zeros(bytes: &[u8]) -> Result {
    if bytes.iter().any(|&byte| byte != 0) {
        return Err(EIO);
    }
    Ok(())
}

/// Parses the reply to a compound: `out` is a `struct fuse_compound_out`, and `replies` are the
/// bytes after it.
///
/// Stores the result of each request. A request whose dependency fails, or finds nothing, is
/// canceled, whatever the reply to it is.
///
/// # Errors
///
/// `EIO` if a part of the reply is not valid. The results of the requests up to that part are
/// stored, those of the others are `EIO`.
fn parse(out: &[u8], replies: &[u8], requests: &mut [Request<'_>]) -> Result {
    let mut reader = Reader(replies);
    let mut valid = zeros(out);

    for index in 0..requests.len() {
        let (before, rest) = requests.split_at_mut_checked(index).ok_or(EINVAL)?;
        let request = rest.first_mut().ok_or(EINVAL)?;
        let found = match request.dependency {
            Some(dependency) => before.get(dependency).is_some_and(Request::found),
            None => true,
        };
        let payload = reader.reply(index)?;

        request.result = match payload {
            _ if !found => Err(ECANCELED),
            Ok(bytes) => {
                let stored = request.store(bytes);

                valid = valid.and(stored.map(drop));
                stored
            }
            Err(e) => Err(e),
        };
        let len = payload.map_or(0, <[u8]>::len);
        valid = valid.and(zeros(reader.padding(len)?));
    }
    if !reader.0.is_empty() {
        return Err(EIO);
    }
    valid
}

/// Parses the reply to a compound, and stores the results of its requests.
///
/// See [`parse`] for the results. Returns 0 or a negative errno.
///
/// # Safety
///
/// The caller must ensure that
///
/// - `out`, `buf` and `ops` are not null,
/// - `out` is valid for reads, `buf` for reads of `len` bytes, `ops` for reads of `nr` elements,
/// - nothing writes these during the call,
/// - the `args` of each element are valid, and nothing else accesses them,
/// - their first `out_numargs` output arguments are not null, initialised, valid for reads and
///   writes of their size, do not overlap, and nothing else accesses them, and
/// - the `error` of each element is valid for writes.
#[export]
unsafe extern "C" fn fuse_compound_parse(
    out: *const bindings::fuse_compound_out,
    buf: *const u8,
    len: usize,
    ops: *const bindings::fuse_compound_op,
    nr: usize,
) -> c_int {
    // SAFETY: The caller ensures that `out` is not null, valid for reads, and not written. It
    // consists of integers.
    let out = unsafe {
        slice::from_raw_parts(out.cast::<u8>(), size_of::<bindings::fuse_compound_out>())
    };
    // SAFETY: The caller ensures that `buf` is not null, valid for reads of `len` bytes, and not
    // written.
    let replies = unsafe { slice::from_raw_parts(buf, len) };
    // SAFETY: The caller ensures that `ops` is not null, valid for reads of `nr` elements, and not
    // written.
    let ops = unsafe { slice::from_raw_parts(ops, nr) };
    let mut requests: [Request<'_>; MAX_REQUESTS] = Default::default();

    for (request, op) in requests.iter_mut().zip(ops) {
        // SAFETY: The caller ensures that the `args` are valid, and not accessed otherwise.
        let args = unsafe { &*op.args };
        let nr_args = usize::from(args.out_numargs);

        for (to, arg) in request.args.iter_mut().zip(&args.out_args).take(nr_args) {
            // SAFETY: The caller ensures that the first `out_numargs` arguments are not null, valid
            // for reads and writes of their size, initialised, and not accessed otherwise.
            *to = unsafe { slice::from_raw_parts_mut(arg.value.cast(), arg.size as usize) };
        }
        request.variable = if args.out_argvar() {
            nr_args.checked_sub(1)
        } else {
            None
        };
        request.dependency = match c_uint::from(op.dep_index) {
            bindings::FUSE_NO_DEPENDENCY => None,
            index => Some(index as usize),
        };
    }

    let requests = requests.get_mut(..nr).unwrap_or(&mut []);
    let result = parse(out, replies, requests);
    for (request, op) in requests.iter().zip(ops) {
        let error = match request.result {
            // CAST: The size of an argument fits into a `c_int`.
            Ok(size) => size as c_int,
            Err(e) => e.to_errno(),
        };

        // SAFETY: The caller ensures that `error` is valid for writes.
        unsafe { op.error.write(error) };
    }
    match result {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}
