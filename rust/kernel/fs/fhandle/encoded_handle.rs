// SPDX-License-Identifier: GPL-2.0

use super::{
    Capacity,
    ExportFlags,
    UserFlags,
    MAX_HANDLE_SZ, //
};
use crate::{
    bindings,
    fs::Path,
    prelude::*, //
};
use core::mem::offset_of;

/// The units in which filesystems count the length of a handle, in bytes.
const UNIT: u32 = size_of::<u32>() as u32;

/// A handle that has been asked for, as it goes to user space.
///
/// If there was too little room for it, there is only a header, with the length that it takes.
///
/// # Invariants
///
/// `stored` is at most [`MAX_HANDLE_SZ`].
#[repr(C, align(8))]
pub(super) struct EncodedHandle {
    /// The length that the handle has, or would have.
    len: u32,
    kind: c_int,
    /// Zero where the filesystem stores nothing: what pads a handle goes to user space, too.
    bytes: [u8; MAX_HANDLE_SZ],
    /// The length that is here.
    stored: u32,
}

// To user space, it is a `struct file_handle`.
const _: () = {
    type C = bindings::file_handle;

    assert!(offset_of!(EncodedHandle, len) == offset_of!(C, handle_bytes));
    assert!(offset_of!(EncodedHandle, kind) == offset_of!(C, handle_type));
    assert!(offset_of!(EncodedHandle, bytes) == offset_of!(C, f_handle));
};

impl EncodedHandle {
    /// Makes a handle of zeros.
    #[inline]
    pub(super) fn new() -> Self {
        // INVARIANT: Nothing is stored.
        Self {
            len: 0,
            kind: 0,
            bytes: [0; MAX_HANDLE_SZ],
            stored: 0,
        }
    }

    /// Asks the filesystem for a handle of the file at `path`, which takes at most `capacity`.
    ///
    /// # Errors
    ///
    /// `EOVERFLOW` if there is too little room, or what the filesystem gives. There is a header
    /// then, too.
    #[inline]
    pub(super) fn encode(&mut self, path: &Path, capacity: Capacity, flags: ExportFlags) -> Result {
        let dentry = path.dentry();
        // CAST: At most `MAX_HANDLE_SZ / UNIT`.
        let mut units = (capacity.bytes() / UNIT) as c_int;

        // SAFETY: By the invariants of a path, its dentry is valid and positive. There is room for
        // `units` units, aligned to eight bytes.
        self.kind = unsafe {
            bindings::exportfs_encode_fh(
                dentry.as_raw(),
                self.bytes.as_mut_ptr().cast(),
                &mut units,
                flags.as_raw() as c_int,
            )
        };
        // CAST: Filesystems give a small positive number; what is not does not fit.
        self.len = (units as u32).wrapping_mul(UNIT);

        const INVALID: c_int = bindings::fid_type_FILEID_INVALID as c_int;
        // CAST: The error is a small negative number.
        const NO_SPACE: c_int = -(bindings::ENOSPC as c_int);

        match self.kind {
            INVALID | NO_SPACE => return Err(EOVERFLOW),
            kind if kind < 0 => return Err(Error::from_errno(kind)),
            _ if self.len > capacity.bytes() => return Err(EOVERFLOW),
            _ => {}
        }
        // INVARIANT: A capacity is at most `MAX_HANDLE_SZ`.
        self.stored = self.len;

        if flags.contains(ExportFlags::CONNECTABLE) {
            let is_dir = if dentry.is_dir() {
                UserFlags::DIR
            } else {
                UserFlags::NONE
            };
            // CAST: The sign bit is none of the flags.
            self.kind |= (UserFlags::CONNECTABLE | is_dir).as_raw() as c_int;
        }
        Ok(())
    }

    /// The header, and the bytes that are stored.
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        let len = offset_of!(Self, bytes) + self.stored as usize;

        // SAFETY: By the type invariants this is within `len`, `kind` and `bytes`, which have no
        // padding between them and are initialised.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast(), len) }
    }
}
