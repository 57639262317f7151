// SPDX-License-Identifier: GPL-2.0

//! What FUSE servers name their inodes by.
//!
//! A server that asks for it gives each inode a handle of up to 128 bytes, which it alone
//! interprets. All that is read here comes from a server, or from whoever holds a file handle, and
//! may be anything.
//!
//! C header: [`fs/fuse/fhandle.h`](./fhandle.h)

use core::slice;
use kernel::{
    alloc::flags::*,
    bindings,
    prelude::*, //
};

// A crate looks beside its first file, where the C of FUSE is.
#[path = "fhandle/ext.rs"]
mod ext;
#[path = "fhandle/fid.rs"]
mod fid;
#[path = "fhandle/handle.rs"]
mod handle;
#[path = "fhandle/reply.rs"]
mod reply;

#[cfg(CONFIG_FUSE_HANDLE_KUNIT_TEST)]
#[path = "fhandle/tests.rs"]
mod tests;

use handle::FHandle;

/// Stores the outcome in C's place, and turns it into an error number.
fn store(result: Result<FHandle>, to: &mut FHandle) -> c_int {
    match result {
        Ok(handle) => {
            *to = handle;
            0
        }
        Err(e) => e.to_errno(),
    }
}

/// A buffer of C's to be written to, which may not have been initialised. Null is one of no bytes.
///
/// # Safety
///
/// Unless `len` is 0, `buf` must be valid for writing `len` bytes for `'a`, and nobody else may
/// have access to these meanwhile.
unsafe fn zeroed<'a>(buf: *mut u8, len: usize) -> &'a mut [u8] {
    if len == 0 {
        return &mut [];
    }
    // SAFETY: The requirements are those of this function.
    unsafe { buf.write_bytes(0, len) };
    // SAFETY: As above, and every byte is initialised now.
    unsafe { slice::from_raw_parts_mut(buf, len) }
}

/// How many words a length of C's stands for.
fn words(len: c_int) -> usize {
    usize::try_from(len).unwrap_or(0)
}

/// Frees what belongs to a handle, which is none from then on.
///
/// # Safety
///
/// `fh` must be a valid handle to which the caller has exclusive access.
#[export]
unsafe extern "C" fn fuse_fhandle_free(fh: *mut bindings::fuse_fhandle) {
    // SAFETY: The requirements are those of this function.
    let fh = unsafe { FHandle::from_raw_mut(fh) };

    *fh = FHandle::NONE;
}

/// Makes another handle of the same bytes.
///
/// # Safety
///
/// `to` must be a valid handle to which the caller has exclusive access; `from` must be valid and
/// must not change meanwhile.
#[export]
unsafe extern "C" fn fuse_fhandle_copy(
    to: *mut bindings::fuse_fhandle,
    from: *const bindings::fuse_fhandle,
) -> c_int {
    // SAFETY: The requirements are those of this function.
    let to = unsafe { FHandle::from_raw_mut(to) };
    // SAFETY: The requirements are those of this function.
    let from = unsafe { FHandle::from_raw(from) };

    store(FHandle::new(from.as_bytes(), GFP_KERNEL_ACCOUNT), to)
}

/// Whether two handles name the same inode, as far as one can tell: one that is not known may be
/// any.
///
/// # Safety
///
/// Both must be valid and must not change meanwhile.
#[export]
unsafe extern "C" fn fuse_fhandle_same(
    a: *const bindings::fuse_fhandle,
    b: *const bindings::fuse_fhandle,
) -> bool {
    // SAFETY: The requirements are those of this function.
    let a = unsafe { FHandle::from_raw(a) };
    // SAFETY: The requirements are those of this function.
    let b = unsafe { FHandle::from_raw(b) };

    a.may_be(b)
}

/// Compares the handle of an inode with the one that was just found, and takes that over where the
/// inode had none. Returns `false` if they differ.
///
/// # Safety
///
/// Both must be valid handles to which the caller has exclusive access.
#[export]
unsafe extern "C" fn fuse_fhandle_adopt(
    known: *mut bindings::fuse_fhandle,
    found: *mut bindings::fuse_fhandle,
) -> bool {
    // SAFETY: The requirements are those of this function.
    let known = unsafe { FHandle::from_raw_mut(known) };
    // SAFETY: The requirements are those of this function.
    let found = unsafe { FHandle::from_raw_mut(found) };

    known.adopt(found)
}

/// Reads the handle of a reply to `FUSE_LOOKUP_HANDLE`, the argument after the entry.
///
/// # Safety
///
/// `buf` must be valid for reading `len` bytes, and `fh` a valid handle to which the caller has
/// exclusive access.
#[export]
unsafe extern "C" fn fuse_fhandle_parse(
    buf: *const u8,
    len: usize,
    may_sleep: bool,
    fh: *mut bindings::fuse_fhandle,
) -> c_int {
    // SAFETY: The requirements are those of this function.
    let buf = unsafe { slice::from_raw_parts(buf, len) };
    // SAFETY: The requirements are those of this function.
    let fh = unsafe { FHandle::from_raw_mut(fh) };
    let flags = if may_sleep {
        GFP_KERNEL_ACCOUNT
    } else {
        GFP_ATOMIC
    };

    store(
        reply::handle(buf).and_then(|bytes| FHandle::new(bytes, flags)),
        fh,
    )
}

/// Reads the reply to `FUSE_COMPOUND` of `FUSE_LOOKUP_HANDLE` and `FUSE_STATX`, from the first
/// reply on. On an error, `found.entry.nodeid` tells whether the server has counted a lookup.
///
/// # Safety
///
/// `buf` must be valid for reading `len` bytes, and `found` be all-zero, with the caller's
/// exclusive access.
#[export]
unsafe extern "C" fn fuse_fhandle_parse_compound(
    buf: *const u8,
    len: usize,
    found: *mut bindings::fuse_handle_found,
) -> c_int {
    // SAFETY: The requirements are those of this function.
    let buf = unsafe { slice::from_raw_parts(buf, len) };
    // SAFETY: The requirements are those of this function.
    let found = unsafe { &mut *found };
    let lookup = reply::Lookup::parse(buf);

    if let Some(entry) = lookup.entry {
        found.entry = entry;
    }
    let result = lookup.outcome.and_then(|(bytes, statx)| {
        if let Some(statx) = statx {
            found.statx = statx;
        }
        FHandle::new(bytes, GFP_KERNEL_ACCOUNT)
    });
    // SAFETY: `found` is zeroed, which is a handle that is none.
    store(result, unsafe { FHandle::from_raw_mut(&mut found.fhandle) })
}

/// Writes the extension that carries a handle, and returns its size; 0 where there is none.
///
/// # Safety
///
/// `fh` must be valid and must not change meanwhile; `buf` must be valid for writing `room` bytes.
#[export]
unsafe extern "C" fn fuse_fhandle_ext(
    fh: *const bindings::fuse_fhandle,
    buf: *mut u8,
    room: usize,
) -> usize {
    // SAFETY: The requirements are those of this function.
    let fh = unsafe { FHandle::from_raw(fh) };
    // SAFETY: The requirements are those of this function.
    let buf = unsafe { zeroed(buf, room) };

    ext::write(fh.as_bytes(), buf).unwrap_or(0)
}

/// Encodes the handle of an inode, and that of its parent if that is not null. Returns the kind of
/// file handle, as the operation of the same name does.
///
/// # Safety
///
/// `fh` and, if it is not null, `parent` must be valid and must not change meanwhile. `max_len`
/// must be valid, with the caller's exclusive access. If it is positive, `fid` must be valid for
/// writing that many words; otherwise it may be null: fanotify asks for the length that way.
#[export]
unsafe extern "C" fn fuse_fhandle_encode(
    fh: *const bindings::fuse_fhandle,
    parent: *const bindings::fuse_fhandle,
    fid: *mut u32,
    max_len: *mut c_int,
) -> c_int {
    // SAFETY: The requirements are those of this function.
    let fh = unsafe { FHandle::from_raw(fh) };
    // SAFETY: The requirements are those of this function.
    let parent = (!parent.is_null()).then(|| unsafe { FHandle::from_raw(parent) });
    // SAFETY: The requirements are those of this function.
    let max_len = unsafe { &mut *max_len };
    // SAFETY: The requirements are those of this function; a word has four bytes.
    let buf = unsafe { zeroed(fid.cast(), words(*max_len) * fid::WORD) };

    let encoded = fid::encode(fh.as_bytes(), parent.map(FHandle::as_bytes), buf);
    if let Some(words) = encoded.words {
        *max_len = words;
    }
    encoded.kind
}

/// Decodes the handle of the inode or that of its parent. The error is `ESTALE` for a file handle
/// that encoding does not make.
///
/// # Safety
///
/// `fid` must be valid for reading `len` words, and `fh` a valid handle to which the caller has
/// exclusive access.
#[export]
unsafe extern "C" fn fuse_fhandle_decode(
    fid: *const u32,
    len: c_int,
    kind: c_int,
    parent: bool,
    fh: *mut bindings::fuse_fhandle,
) -> c_int {
    // SAFETY: The requirements are those of this function; a word has four bytes.
    let buf = unsafe { slice::from_raw_parts(fid.cast::<u8>(), words(len) * fid::WORD) };
    // SAFETY: The requirements are those of this function.
    let fh = unsafe { FHandle::from_raw_mut(fh) };

    let bytes = fid::decode(buf, kind).and_then(|fid| fid.pick(parent));
    store(
        bytes
            .ok_or(ESTALE)
            .and_then(|bytes| FHandle::new(bytes, GFP_KERNEL_ACCOUNT)),
        fh,
    )
}
