// SPDX-License-Identifier: GPL-2.0

use core::{
    marker::PhantomData,
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
    fs::Inode,
    prelude::*, //
};

/// The maximum size of a handle, in bytes.
pub(crate) const MAX: usize = bindings::FUSE_MAX_HANDLE_SIZE as usize;

/// The maximum size of a handle that is stored inline, in bytes.
pub(crate) const INLINE: usize = bindings::FUSE_FHANDLE_INLINE as usize;

/// The handle of an inode (`struct fuse_fhandle`), which may be unknown.
///
/// # Invariants
///
/// - `len` is at most [`MAX`], and is 0 if the handle is unknown.
/// - If `len` is at most [`INLINE`], the first `len` bytes of `data.bytes` are the handle, and the
///   others are zero.
/// - Otherwise `data.ptr` owns an allocation by `Kmalloc` of `len` initialised bytes.
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

// C embeds handles in `struct fuse_inode`.
const _: () = {
    type C = bindings::fuse_fhandle;

    assert!(size_of::<FHandle>() == 32);
    assert!(size_of::<FHandle>() == size_of::<C>());
    assert!(align_of::<FHandle>() == align_of::<C>());
    assert!(offset_of!(FHandle, len) == offset_of!(C, len));
    assert!(offset_of!(FHandle, hash) == offset_of!(C, hash));
    assert!(offset_of!(FHandle, data) == offset_of!(C, data));
};

// SAFETY: A handle exclusively owns its bytes, which can be freed on any thread.
unsafe impl Send for FHandle {}

// SAFETY: The bytes of a shared handle are only read.
unsafe impl Sync for FHandle {}

/// Returns the FNV-1a hash.
///
/// Handles with different hashes are not compared byte by byte. A server that creates collisions
/// only makes its own comparisons slower.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

impl FHandle {
    /// The unknown handle, which is all-zero.
    //
    // INVARIANT: `len` is 0, and all of `data.bytes` is zero.
    pub(crate) const NONE: Self = Self {
        len: 0,
        hash: 0,
        data: Data { bytes: [0; INLINE] },
    };

    /// Creates a handle with a copy of `bytes`. It is unknown if there are none.
    ///
    /// # Errors
    ///
    /// - `EIO` if there are more than [`MAX`] bytes.
    /// - `ENOMEM` if there are more than [`INLINE`] bytes and the allocation fails.
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

        // INVARIANT: `len` is at most `MAX`. Up to `INLINE` bytes are inline, padded with zeros;
        // more are in an allocation.
        Ok(Self {
            // CAST: `MAX` fits into a `u16`.
            len: bytes.len() as u16,
            hash: hash(bytes),
            data,
        })
    }

    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that, for the duration of `'a`, `ptr` points to a handle that is
    /// all-zero or that this type created, and that does not change.
    pub(crate) unsafe fn from_raw<'a>(ptr: *const bindings::fuse_fhandle) -> &'a Self {
        // SAFETY: The caller ensures that the handle is valid and does not change for `'a`. The
        // layouts are the same, and all-zero satisfies the type invariants.
        unsafe { &*ptr.cast() }
    }

    /// Creates a mutable reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that, for the duration of `'a`, `ptr` points to a handle that is
    /// all-zero or that this type created, and that nothing else accesses it.
    pub(crate) unsafe fn from_raw_mut<'a>(ptr: *mut bindings::fuse_fhandle) -> &'a mut Self {
        // SAFETY: The caller ensures that the handle is valid and not accessed otherwise for `'a`.
        // The layouts are the same, and all-zero satisfies the type invariants.
        unsafe { &mut *ptr.cast() }
    }

    /// Returns a raw pointer to the `struct fuse_fhandle`.
    pub(crate) fn as_raw(&self) -> *const bindings::fuse_fhandle {
        (&raw const *self).cast()
    }

    /// Returns `true` unless the handle is unknown.
    pub(crate) fn is_known(&self) -> bool {
        self.len != 0
    }

    fn is_inline(&self) -> bool {
        usize::from(self.len) <= INLINE
    }

    /// Returns the bytes. There are none if the handle is unknown.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        let ptr = if self.is_inline() {
            // SAFETY: By the type invariants, `data.bytes` is the active field because `len` is at
            // most `INLINE`.
            unsafe { &self.data.bytes }.as_ptr()
        } else {
            // SAFETY: By the type invariants, `data.ptr` is the active field because `len` exceeds
            // `INLINE`.
            unsafe { self.data.ptr }.as_ptr().cast_const()
        };

        // SAFETY: By the type invariants, `len` bytes are initialised, inline or in the allocation.
        unsafe { slice::from_raw_parts(ptr, usize::from(self.len)) }
    }

    /// Returns `false` if both handles are known and differ.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        !self.is_known() || !other.is_known() || self == other
    }

    /// Takes over `found` if this handle is unknown. Returns `false` if both are known and differ.
    ///
    /// A known handle never changes.
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
        // SAFETY: By the type invariants, `data.ptr` is the active field because `len` exceeds
        // `INLINE`.
        let ptr = unsafe { self.data.ptr }.as_ptr();

        // SAFETY: By the type invariants, this value owns an allocation of `len` bytes, which was
        // made by `Kmalloc`.
        drop(unsafe { KVec::from_raw_parts(ptr, len, len) });
    }
}

/// A copy of the handle of an inode, which may be unknown.
///
/// # Invariants
///
/// `copy` is all-zero, or a copy of a known handle. A known handle never changes, and is freed
/// together with the inode, or with the connection in case of the root. The inode, its superblock
/// and the connection stay for `'a`.
pub(crate) struct InodeHandle<'a> {
    copy: bindings::fuse_fhandle,
    _inode: PhantomData<&'a Inode>,
}

impl<'a> InodeHandle<'a> {
    /// Copies the handle of an inode.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `inode` is an inode of FUSE.
    pub(crate) unsafe fn new(inode: &'a Inode) -> Self {
        // INVARIANT: `fuse_inode_fhandle()` copies the handle under the lock under which it becomes
        // known. A borrowed inode keeps its superblock active, which keeps the connection.
        Self {
            // SAFETY: The caller ensures that `inode` is an inode of FUSE. It is valid by the type
            // invariants of `Inode`.
            copy: unsafe { bindings::fuse_inode_fhandle(inode.as_raw()) },
            _inode: PhantomData,
        }
    }

    /// Returns the bytes. There are none if the handle is unknown.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        // SAFETY: By the type invariants, the handle is all-zero or known, and its bytes do not
        // change while `self` is borrowed.
        unsafe { FHandle::from_raw(&self.copy) }.as_bytes()
    }
}
