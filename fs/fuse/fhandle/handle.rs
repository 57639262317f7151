// SPDX-License-Identifier: GPL-2.0

use core::{
    mem::{
        offset_of,
        take, //
    },
    ptr::NonNull,
    slice, //
};
use kernel::{
    alloc::Flags,
    bindings,
    prelude::*, //
};

/// The largest handle that a server may use.
pub(crate) const MAX: usize = bindings::FUSE_MAX_HANDLE_SIZE as usize;

/// Handles up to this size need no memory of their own.
pub(crate) const INLINE: usize = bindings::FUSE_FHANDLE_INLINE as usize;

/// The handle of an inode, or none.
///
/// # Invariants
///
/// - `len` is at most [`MAX`].
/// - If `len` is at most [`INLINE`], then `data.bytes` is valid; `len` bytes of it are the handle,
///   the others are zero.
/// - Otherwise, `data.ptr` is valid, and owns an allocation by `Kmalloc` of `len` initialised
///   bytes.
#[repr(C)]
pub(crate) struct FHandle {
    len: u16,
    hash: u32,
    data: Data,
}

#[repr(C)]
union Data {
    bytes: [u8; INLINE],
    ptr: NonNull<u8>,
}

// Inodes have it in C.
const _: () = {
    type C = bindings::fuse_fhandle;

    assert!(size_of::<FHandle>() == 32);
    assert!(size_of::<FHandle>() == size_of::<C>());
    assert!(align_of::<FHandle>() == align_of::<C>());
    assert!(offset_of!(FHandle, len) == offset_of!(C, len));
    assert!(offset_of!(FHandle, hash) == offset_of!(C, hash));
    assert!(offset_of!(FHandle, data) == offset_of!(C, data));
};

// SAFETY: A handle owns its bytes, and nobody changes them.
unsafe impl Send for FHandle {}

// SAFETY: Likewise.
unsafe impl Sync for FHandle {}

/// FNV-1a. Whoever makes two handles of the same hash gains nothing: it saves comparing the bytes
/// where it differs, and no more.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

impl FHandle {
    /// That there is no handle, or that it is not known: all-zero.
    //
    // INVARIANT: No byte of the 24 is part of the handle.
    pub(crate) const NONE: Self = Self {
        len: 0,
        hash: 0,
        data: Data { bytes: [0; INLINE] },
    };

    /// Makes a handle of its bytes. Allocates where there are more than [`INLINE`].
    pub(crate) fn new(bytes: &[u8], flags: Flags) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::NONE);
        }
        if bytes.len() > MAX {
            return Err(EIO);
        }
        let data = if bytes.len() <= INLINE {
            let mut data = [0; INLINE];

            data.iter_mut()
                .zip(bytes)
                .for_each(|(to, from)| *to = *from);
            Data { bytes: data }
        } else {
            let mut copy = KVec::with_capacity(bytes.len(), flags)?;

            copy.extend_from_slice(bytes, flags)?;
            let (ptr, _, _) = copy.into_raw_parts();
            Data {
                ptr: NonNull::new(ptr).ok_or(ENOMEM)?,
            }
        };

        // INVARIANT: `data` is what the number of bytes asks for, which is at most `MAX`.
        Ok(Self {
            // CAST: `MAX` fits.
            len: bytes.len() as u16,
            hash: hash(bytes),
            data,
        })
    }

    /// Borrows a handle of C's.
    ///
    /// # Safety
    ///
    /// `ptr` must be valid for `'a`, and point to a handle that does not change meanwhile.
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::fuse_fhandle) -> &'a Self {
        // SAFETY: The layout is the same, and C has handles only from here, or all-zero.
        unsafe { &*ptr.cast() }
    }

    /// Borrows a handle of C's to change it.
    ///
    /// # Safety
    ///
    /// `ptr` must be valid for `'a`, and point to a handle that nobody else has access to
    /// meanwhile.
    pub(crate) unsafe fn from_raw_mut<'a>(ptr: *mut bindings::fuse_fhandle) -> &'a mut Self {
        // SAFETY: The layout is the same, and C has handles only from here, or all-zero.
        unsafe { &mut *ptr.cast() }
    }

    /// Whether there is one.
    pub(crate) fn is_known(&self) -> bool {
        self.len != 0
    }

    fn is_inline(&self) -> bool {
        usize::from(self.len) <= INLINE
    }

    /// Returns the bytes; none where the handle is not known.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        let ptr = if self.is_inline() {
            // SAFETY: By the type invariants.
            unsafe { &self.data.bytes }.as_ptr()
        } else {
            // SAFETY: By the type invariants.
            unsafe { self.data.ptr }.as_ptr().cast_const()
        };

        // SAFETY: By the type invariants, `len` bytes are valid wherever they are.
        unsafe { slice::from_raw_parts(ptr, usize::from(self.len)) }
    }

    /// Whether `other` is, or may be, the handle of the same inode.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        !self.is_known() || !other.is_known() || self == other
    }

    /// Takes over `found` if this handle is not known. Returns `false` if they differ.
    ///
    /// A handle that is known never changes.
    pub(crate) fn adopt(&mut self, found: &mut Self) -> bool {
        if self.is_known() {
            return self.may_be(found);
        }
        *self = take(found);
        true
    }
}

impl Default for FHandle {
    fn default() -> Self {
        Self::NONE
    }
}

impl PartialEq for FHandle {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.as_bytes() == other.as_bytes()
    }
}

impl Drop for FHandle {
    fn drop(&mut self) {
        if self.is_inline() {
            return;
        }
        let len = usize::from(self.len);
        // SAFETY: By the type invariants.
        let ptr = unsafe { self.data.ptr }.as_ptr();

        // SAFETY: By the type invariants, this owns an allocation of `len` bytes by `Kmalloc`.
        drop(unsafe { KVec::from_raw_parts(ptr, len, len) });
    }
}
