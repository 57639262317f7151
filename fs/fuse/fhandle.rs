// SPDX-License-Identifier: GPL-2.0

//! The handles by which FUSE servers identify inodes.
//!
//! A server that negotiates `FUSE_HAS_LOOKUP_HANDLE` gives each inode a handle of up to 128 bytes.
//! This file parses what servers reply and what holders of file handles present. Neither is
//! trusted. It also has the export operations of such servers.
//!
//! C header: [`fs/fuse/fhandle.h`](./fhandle.h)
//!
//! Reference: <https://docs.kernel.org/filesystems/fuse/fuse-handles.html>

use core::{
    ptr::NonNull,
    slice, //
};
use kernel::{
    alloc::flags::*,
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::{
        exportfs::{
            Encoded,
            Encoder,
            Fid,
            Operations,
            Table, //
        },
        Dentry,
        Inode,
        OwnedDentry,
        SuperBlock, //
    },
    prelude::*, //
};

// The compiler looks for modules in `fs/fuse`, where the C files are.
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

use handle::{
    FHandle,
    InodeHandle, //
};

/// The export operations of a server that has handles.
///
/// # Callers
///
/// The inodes, dentries and superblocks that are passed to the operations of [`FuseExport`] and
/// [`FuseFid`] are those of FUSE: the types are private, this file only uses them in the two tables
/// below, and the C code of FUSE installs these tables on its own superblocks only.
struct FuseExport;

/// The operations of a server that sets `FUSE_NO_EXPORT_SUPPORT`: handles can only be encoded.
///
/// See [`FuseExport`] for the callers.
struct FuseFid;

/// Encodes a file handle for `inode`, and for `parent` if there is one.
///
/// # Safety
///
/// The caller must ensure that `inode` and `parent` are inodes of FUSE.
unsafe fn encode<'a>(inode: &Inode, encoder: Encoder<'a>, parent: Option<&Inode>) -> Encoded<'a> {
    // SAFETY: The caller ensures that `inode` is an inode of FUSE.
    let handle = unsafe { InodeHandle::new(inode) };
    // SAFETY: The caller ensures that `parent` is an inode of FUSE.
    let parent = parent.map(|parent| unsafe { InodeHandle::new(parent) });

    fid::encode(
        handle.as_bytes(),
        parent.as_ref().map(InodeHandle::as_bytes),
        encoder,
    )
}

/// Looks up the inode of a file handle, or its parent.
///
/// Sends a request to the server if the inode is not cached.
///
/// Returns [`None`] if the file handle is malformed.
///
/// # Safety
///
/// The caller must ensure that `sb` is a superblock of FUSE.
unsafe fn decode<'sb>(
    sb: &'sb SuperBlock,
    fid: &Fid<'_>,
    parent: bool,
) -> Result<Option<OwnedDentry<'sb>>> {
    let Some(bytes) = fid::pick(fid, parent) else {
        return Ok(None);
    };
    let fh = FHandle::new(bytes, GFP_KERNEL_ACCOUNT)?;

    // SAFETY: The caller ensures that `sb` is a superblock of FUSE. `fh` is a valid handle that is
    // borrowed for the call.
    let dentry = from_err_ptr(unsafe { bindings::fuse_fhandle_dentry(sb.as_raw(), fh.as_raw()) })?;
    // SAFETY: On success, `fuse_fhandle_dentry()` returns a reference to a positive dentry of `sb`.
    Ok(NonNull::new(dentry).map(|dentry| unsafe { OwnedDentry::from_raw(dentry, sb) }))
}

/// Looks up the cached inode of a file handle, without waiting.
///
/// Returns [`None`] if the file handle is malformed.
///
/// # Errors
///
/// - `EAGAIN` if the inode is not cached, or if decoding or opening it may wait.
///
/// # Safety
///
/// The caller must ensure that `sb` is a superblock of FUSE.
unsafe fn decode_nowait<'sb>(
    sb: &'sb SuperBlock,
    fid: &Fid<'_>,
) -> Result<Option<OwnedDentry<'sb>>> {
    let Some(bytes) = fid::pick(fid, false) else {
        return Ok(None);
    };
    let fh = FHandle::new(bytes, GFP_NOWAIT).map_err(|_| EAGAIN)?;

    // SAFETY: The caller ensures that `sb` is a superblock of FUSE. `fh` is a valid handle that is
    // borrowed for the call.
    let dentry = unsafe { bindings::fuse_fhandle_dentry_nowait(sb.as_raw(), fh.as_raw()) };
    let dentry = from_err_ptr(dentry)?;
    // SAFETY: On success, `fuse_fhandle_dentry_nowait()` returns a reference to a positive dentry
    // of `sb`.
    Ok(NonNull::new(dentry).map(|dentry| unsafe { OwnedDentry::from_raw(dentry, sb) }))
}

#[vtable]
impl Operations for FuseExport {
    type Private = ();

    fn encode_fh<'a>(inode: &Inode, encoder: Encoder<'a>, parent: Option<&Inode>) -> Encoded<'a> {
        // SAFETY: `inode` and `parent` are inodes of FUSE, see "Callers" of `FuseExport`.
        unsafe { encode(inode, encoder, parent) }
    }

    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        // SAFETY: `sb` is a superblock of FUSE, see "Callers" of `FuseExport`.
        unsafe { decode(sb, fid, false) }
    }

    fn fh_to_dentry_nowait<'sb>(
        sb: &'sb SuperBlock,
        fid: &Fid<'_>,
    ) -> Result<Option<OwnedDentry<'sb>>> {
        // SAFETY: `sb` is a superblock of FUSE, see "Callers" of `FuseExport`.
        unsafe { decode_nowait(sb, fid) }
    }

    fn fh_to_parent<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        // SAFETY: `sb` is a superblock of FUSE, see "Callers" of `FuseExport`.
        unsafe { decode(sb, fid, true) }
    }

    fn get_parent(child: &Dentry) -> Result<OwnedDentry<'_>> {
        // SAFETY: `child` is a dentry of FUSE, see "Callers" of `FuseExport`.
        let parent = from_err_ptr(unsafe { bindings::fuse_fhandle_parent(child.as_raw()) })?;
        let parent = NonNull::new(parent).ok_or(ESTALE)?;

        // SAFETY: On success, `fuse_fhandle_parent()` returns a reference to a positive dentry of
        // the superblock of `child`.
        Ok(unsafe { OwnedDentry::from_raw(parent, child.super_block()) })
    }

    fn get_name(parent: &Dentry, child: &Dentry, name: &mut [u8]) -> Result<usize> {
        // SAFETY: `parent` and `child` are dentries of FUSE, see "Callers" of `FuseExport`, and
        // positive. `name` is valid for writes of its length.
        let len = unsafe {
            bindings::fuse_fhandle_get_name(
                parent.as_raw(),
                child.as_raw(),
                name.as_mut_ptr(),
                name.len(),
            )
        };

        to_result(len)?;
        Ok(usize::try_from(len)?)
    }
}

#[vtable]
impl Operations for FuseFid {
    type Private = ();

    fn encode_fh<'a>(inode: &Inode, encoder: Encoder<'a>, parent: Option<&Inode>) -> Encoded<'a> {
        // SAFETY: `inode` and `parent` are inodes of FUSE, see "Callers" of `FuseExport`.
        unsafe { encode(inode, encoder, parent) }
    }
}

/// The module that `#[vtable]` requires. The code is built in.
struct LocalModule;

impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"fuse";

    // SAFETY: `THIS_MODULE` is a null pointer in built-in code.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
}

/// The table of a server that can be exported.
//
// SAFETY: `Operations::Private` is `()`, so the operations access no private data.
#[no_mangle]
static fuse_handle_export_operations: Table<FuseExport> = unsafe { Table::new() };

/// The table of a server that sets `FUSE_NO_EXPORT_SUPPORT`.
//
// SAFETY: `Operations::Private` is `()`, so the operations access no private data.
#[no_mangle]
static fuse_handle_fid_operations: Table<FuseFid> = unsafe { Table::new() };

/// Stores the handle in `to` on success. Returns 0 or a negative errno.
fn store(result: Result<FHandle>, to: &mut FHandle) -> c_int {
    match result {
        Ok(handle) => {
            *to = handle;
            0
        }
        Err(e) => e.to_errno(),
    }
}

/// Frees the memory of a handle. The handle is unknown afterwards.
///
/// # Safety
///
/// The caller must ensure that `fh` points to a valid handle that nothing else accesses.
#[export]
unsafe extern "C" fn __fuse_fhandle_free(fh: *mut bindings::fuse_fhandle) {
    // SAFETY: The caller ensures that `fh` points to a valid handle that nothing else accesses.
    let fh = unsafe { FHandle::from_raw_mut(fh) };

    *fh = FHandle::NONE;
}

/// Copies a handle.
///
/// # Safety
///
/// The caller must ensure that
///
/// - `to` points to a valid handle that nothing else accesses, and
/// - `from` points to a valid handle that does not change.
#[export]
unsafe extern "C" fn fuse_fhandle_copy(
    to: *mut bindings::fuse_fhandle,
    from: *const bindings::fuse_fhandle,
) -> c_int {
    // SAFETY: The caller ensures that `to` points to a valid handle that nothing else accesses.
    let to = unsafe { FHandle::from_raw_mut(to) };
    // SAFETY: The caller ensures that `from` points to a valid handle that does not change.
    let from = unsafe { FHandle::from_raw(from) };

    store(FHandle::new(from.as_bytes(), GFP_KERNEL_ACCOUNT), to)
}

/// Returns `false` if both handles are known and differ, so that they identify different inodes.
///
/// # Safety
///
/// The caller must ensure that `a` and `b` point to valid handles that do not change.
#[export]
unsafe extern "C" fn fuse_fhandle_same(
    a: *const bindings::fuse_fhandle,
    b: *const bindings::fuse_fhandle,
) -> bool {
    // SAFETY: The caller ensures that `a` points to a valid handle that does not change.
    let a = unsafe { FHandle::from_raw(a) };
    // SAFETY: The caller ensures that `b` points to a valid handle that does not change.
    let b = unsafe { FHandle::from_raw(b) };

    a.may_be(b)
}

/// Moves `found` to `known` if that is unknown. Returns `false` if the handles differ.
///
/// # Safety
///
/// The caller must ensure that `known` and `found` point to different, valid handles that nothing
/// else accesses.
#[export]
unsafe extern "C" fn fuse_fhandle_adopt(
    known: *mut bindings::fuse_fhandle,
    found: *mut bindings::fuse_fhandle,
) -> bool {
    // SAFETY: The caller ensures that `known` points to a valid handle that nothing else accesses.
    let known = unsafe { FHandle::from_raw_mut(known) };
    // SAFETY: The caller ensures that `found` points to a valid handle other than `known`, and that
    // nothing else accesses it.
    let found = unsafe { FHandle::from_raw_mut(found) };

    known.adopt(found)
}

/// Parses the handle in a reply to `FUSE_LOOKUP_HANDLE`: `entry`, and the bytes after it.
///
/// # Safety
///
/// The caller must ensure that
///
/// - `entry` is valid for reads and not written during the call,
/// - `buf` is not null, valid for reads of `len` bytes, and these are not written during the call,
///   and
/// - `fh` points to a valid handle that nothing else accesses.
#[export]
unsafe extern "C" fn fuse_fhandle_parse(
    entry: *const bindings::fuse_entry2_out,
    buf: *const u8,
    len: usize,
    may_sleep: bool,
    fh: *mut bindings::fuse_fhandle,
) -> c_int {
    // SAFETY: The caller ensures that `entry` is valid for reads and not written.
    let entry = unsafe { &*entry };
    // SAFETY: The caller ensures that `buf` is not null, valid for reads of `len` bytes, and not
    // written.
    let buf = unsafe { slice::from_raw_parts(buf, len) };
    // SAFETY: The caller ensures that `fh` points to a valid handle that nothing else accesses.
    let fh = unsafe { FHandle::from_raw_mut(fh) };
    let flags = if may_sleep {
        GFP_KERNEL_ACCOUNT
    } else {
        GFP_ATOMIC
    };

    store(
        reply::handle(entry, buf).and_then(|bytes| FHandle::new(bytes, flags)),
        fh,
    )
}

/// Parses the handle that follows an entry of a directory. `buf` starts with it, and can contain
/// more entries.
///
/// If memory allocation fails, the handle is unknown: the server has counted a lookup.
///
/// Returns the size of the handle with its header and padding, 0 if it is incomplete, or `-EIO` if
/// it is not valid.
///
/// # Safety
///
/// The caller must ensure that
///
/// - `buf` is not null, valid for reads of `len` bytes, and these are not written during the call,
///   and
/// - `fh` points to a valid handle that nothing else accesses.
#[export]
unsafe extern "C" fn fuse_fhandle_dirent(
    buf: *const u8,
    len: usize,
    fh: *mut bindings::fuse_fhandle,
) -> isize {
    // SAFETY: The caller ensures that `buf` is not null, valid for reads of `len` bytes, and not
    // written.
    let buf = unsafe { slice::from_raw_parts(buf, len) };
    // SAFETY: The caller ensures that `fh` points to a valid handle that nothing else accesses.
    let fh = unsafe { FHandle::from_raw_mut(fh) };

    match reply::split(buf) {
        Ok(Some((bytes, rest))) => {
            *fh = FHandle::new(bytes, GFP_KERNEL_ACCOUNT).unwrap_or_default();
            // CAST: The size is at most that of the header and of `handle::MAX` bytes.
            (buf.len() - rest.len()) as isize
        }
        Ok(None) => 0,
        // CAST: An errno fits.
        Err(e) => e.to_errno() as isize,
    }
}

/// Writes a `FUSE_EXT_HANDLE` extension, and returns its size, or 0 if `room` is too small.
///
/// The extension of an unknown handle contains a handle of size 0.
///
/// # Safety
///
/// The caller must ensure that
///
/// - `fh` points to a valid handle that does not change, and
/// - `buf` is valid for writes of `room` bytes, and nothing else accesses them.
#[export]
unsafe extern "C" fn fuse_fhandle_ext(
    fh: *const bindings::fuse_fhandle,
    buf: *mut u8,
    room: usize,
) -> usize {
    // SAFETY: The caller ensures that `fh` points to a valid handle that does not change.
    let fh = unsafe { FHandle::from_raw(fh) };
    // SAFETY: The caller ensures that `buf` is valid for writes of `room` bytes.
    unsafe { buf.write_bytes(0, room) };
    // SAFETY: The caller ensures that `buf` is valid for writes of `room` bytes that nothing else
    // accesses. The call above has initialised all of them.
    let buf = unsafe { slice::from_raw_parts_mut(buf, room) };

    ext::write(fh.as_bytes(), buf).unwrap_or(0)
}
