// SPDX-License-Identifier: GPL-2.0

use super::{
    FhFlag,
    FhFlags, //
};
use crate::{
    bindings,
    fs::Dentry,
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
    BuiltIn, //
};
use core::mem::{
    offset_of,
    MaybeUninit, //
};

/// The maximum size of `f_handle` in bytes.
const MAX_HANDLE_SZ: usize = bindings::MAX_HANDLE_SZ as usize;

/// The size in bytes of the unit in which filesystems count the size of a handle.
const DWORD: u32 = size_of::<u32>() as u32;

/// A file handle in kernel memory: a `struct file_handle` with `MAX_HANDLE_SZ` bytes of `f_handle`.
///
/// # Invariants
///
/// `len` is at most `MAX_HANDLE_SZ`, and the first `len` bytes of `f_handle` are initialised.
#[repr(C, align(8))]
pub struct FileHandle {
    /// The number of initialised bytes. A `u64`, so that `f_handle` is aligned to eight bytes.
    len: u64,
    /// The size of the handle, or the required size if the buffer of user space is too small.
    handle_bytes: u32,
    handle_type: u32,
    f_handle: [MaybeUninit<u8>; MAX_HANDLE_SZ],
}

// `as_bytes()` returns the fields after `len` as a `struct file_handle`.
const _: () = {
    type C = bindings::file_handle;
    const HEADER: usize = offset_of!(FileHandle, handle_bytes);

    assert!(offset_of!(C, handle_bytes) == 0);
    assert!(offset_of!(FileHandle, handle_type) - HEADER == offset_of!(C, handle_type));
    assert!(offset_of!(FileHandle, f_handle) - HEADER == offset_of!(C, f_handle));
    assert!(offset_of!(FileHandle, f_handle) % 8 == 0);
};

impl FileHandle {
    /// Creates an empty handle.
    #[inline]
    pub fn empty() -> Self {
        // INVARIANT: No byte is initialised.
        Self {
            len: 0,
            handle_bytes: 0,
            handle_type: bindings::fid_type_FILEID_INVALID,
            f_handle: [MaybeUninit::uninit(); MAX_HANDLE_SZ],
        }
    }

    /// Reads the bytes of a handle from user space.
    ///
    /// # Errors
    ///
    /// - `EFAULT` if the memory is not accessible.
    #[inline]
    pub fn read(&mut self, from: UserFileHandle) -> Result {
        // INVARIANT: An empty handle needs no initialised bytes.
        self.len = 0;
        from.read_bytes(&mut self.f_handle)?;

        self.handle_bytes = from.handle_bytes;
        self.handle_type = from.handle_type;
        // INVARIANT: `read_bytes()` succeeded, so it initialised `handle_bytes` bytes.
        self.len = u64::from(from.handle_bytes);
        Ok(())
    }

    /// Encodes a handle of at most `room` bytes for `dentry`.
    ///
    /// # Errors
    ///
    /// [`Self::as_bytes`] returns the header alone after an error.
    ///
    /// - `EOVERFLOW` if the handle is larger than `room`. The header contains the required size.
    /// - `EOVERFLOW` if the filesystem has no handle for the file. The size in the header does not
    ///   exceed `room`.
    /// - Any other error that the filesystem returns.
    #[inline]
    pub(super) fn encode(&mut self, dentry: &Dentry, room: u32, flags: FhFlags) -> Result {
        const INVALID: c_int = bindings::fid_type_FILEID_INVALID as c_int;
        // CAST: Error numbers are small.
        const NO_SPACE: c_int = -(bindings::ENOSPC as c_int);

        // A filesystem may leave bytes of its handle unwritten. Do not copy uninitialised memory to
        // user space.
        self.f_handle = [MaybeUninit::new(0); MAX_HANDLE_SZ];
        // INVARIANT: An empty handle needs no initialised bytes.
        self.len = 0;

        // CAST: The number is at most `MAX_HANDLE_SZ / DWORD`.
        let mut dwords = (room.min(bindings::MAX_HANDLE_SZ) / DWORD) as c_int;

        // SAFETY: By its type invariants, the dentry is valid and positive. `f_handle` has room for
        // `dwords` dwords and is aligned to eight bytes.
        let fileid_type = unsafe {
            bindings::exportfs_encode_fh(
                dentry.as_raw(),
                self.f_handle.as_mut_ptr().cast(),
                &mut dwords,
                u32::from(flags) as c_int,
            )
        };
        // CAST: Filesystems return a small positive number. A negative number becomes a size that
        // exceeds `room`.
        self.handle_bytes = (dwords as u32).wrapping_mul(DWORD);
        // CAST: The type is a bit field of the same width.
        self.handle_type = fileid_type as u32;

        match fileid_type {
            INVALID | NO_SPACE => return Err(EOVERFLOW),
            err if err < 0 => return Err(Error::from_errno(err)),
            _ if self.handle_bytes > room => return Err(EOVERFLOW),
            _ => {}
        }
        // INVARIANT: All of `f_handle` was set to zero above. `len` is at most `MAX_HANDLE_SZ`.
        self.len = u64::from(self.handle_bytes.min(bindings::MAX_HANDLE_SZ));

        if flags.contains(FhFlag::Connectable) {
            self.handle_type |= bindings::FILEID_IS_CONNECTABLE;
            if dentry.is_dir() {
                self.handle_type |= bindings::FILEID_IS_DIR;
            }
        }
        Ok(())
    }

    /// Returns the header and the initialised bytes: a `struct file_handle`.
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        const HEADER: usize = offset_of!(FileHandle, handle_bytes);
        // CAST: `len` is at most `MAX_HANDLE_SZ`.
        let len = offset_of!(Self, f_handle) - HEADER + self.len as usize;

        // SAFETY: `HEADER` is the offset of a field of `Self`, so the pointer stays in bounds.
        let bytes = unsafe { core::ptr::from_ref(self).cast::<u8>().add(HEADER) };

        // SAFETY: `bytes` points to the header, which has no padding. By the type invariants, the
        // `self.len` bytes after it are initialised and part of `self`.
        unsafe { core::slice::from_raw_parts(bytes, len) }
    }

    /// Returns the type that the filesystem defines, and the flags of user space.
    #[inline]
    pub(super) fn handle_type(&self) -> u32 {
        self.handle_type
    }

    /// Returns a pointer to `f_handle` and its length in whole dwords.
    ///
    /// The pointer is aligned to eight bytes and valid for writes.
    #[inline]
    pub(super) fn as_fid(&mut self) -> (*mut bindings::fid, c_int) {
        // CAST: The number is at most `MAX_HANDLE_SZ / DWORD`.
        let dwords = (self.len / u64::from(DWORD)) as c_int;

        (self.f_handle.as_mut_ptr().cast(), dwords)
    }
}

/// A file handle in user space whose header has been read and checked.
///
/// # Examples
///
/// ```
/// use kernel::{
///     fs::fhandle::UserFileHandle,
///     uaccess::UserPtr, //
/// };
///
/// // Nothing is mapped at address zero.
/// let handle = UserFileHandle::new(kernel::built_in!(), UserPtr::from_addr(0));
/// assert!(matches!(handle, Err(EFAULT)));
/// ```
pub struct UserFileHandle {
    ptr: UserPtr,
    handle_bytes: u32,
    handle_type: u32,
}

impl UserFileHandle {
    /// Reads and checks the header of a handle to decode.
    ///
    /// # Errors
    ///
    /// - `EFAULT` if the memory is not accessible.
    /// - `EINVAL` if `handle_bytes` is 0 or greater than `MAX_HANDLE_SZ` (128).
    /// - `EINVAL` if `handle_type` is negative or contains unknown flags.
    #[inline]
    pub fn new(_: BuiltIn, ptr: UserPtr) -> Result<Self> {
        // Unknown flags include the sign bit.
        const UNKNOWN: u32 = bindings::FILEID_USER_FLAGS_MASK & !bindings::FILEID_VALID_USER_FLAGS;

        let [handle_bytes, handle_type] = read_header(ptr)?;

        if handle_bytes == 0 || handle_bytes > bindings::MAX_HANDLE_SZ || handle_type & UNKNOWN != 0
        {
            return Err(EINVAL);
        }
        Ok(Self {
            ptr,
            handle_bytes,
            handle_type,
        })
    }

    /// Copies the `handle_bytes` bytes of `f_handle` to the start of `to`.
    #[inline]
    fn read_bytes(&self, to: &mut [MaybeUninit<u8>]) -> Result {
        // CAST: The size is at most `MAX_HANDLE_SZ`.
        let len = self.handle_bytes as usize;
        let from = self
            .ptr
            .wrapping_byte_add(offset_of!(bindings::file_handle, f_handle));

        UserSlice::new(from, len)
            .reader()
            .read_raw(to.get_mut(..len).ok_or(EINVAL)?)
    }
}

/// The size in bytes of the handles that a [`StoredFileHandle`] contains without an allocation.
///
/// On 32-bit architectures, a request has no room for a handle that is aligned to eight bytes.
const SMALL_HANDLE_SZ: usize = if cfg!(CONFIG_64BIT) { 32 } else { 0 };

/// A handle to decode that a request keeps.
///
/// The handles of most filesystems are small, so that they need no allocation.
pub struct StoredFileHandle(Stored);

/// # Invariants
///
/// In `Small`, the first `len` bytes of `f_handle` are initialised, and `len` is at most
/// `SMALL_HANDLE_SZ`.
enum Stored {
    Small {
        f_handle: Small,
        handle_type: u32,
        len: u8,
    },
    Large(KBox<FileHandle>),
    Unreadable(Error),
}

#[cfg_attr(CONFIG_64BIT, repr(align(8)))]
struct Small([MaybeUninit<u8>; SMALL_HANDLE_SZ]);

/// A handle as the arguments of `exportfs_decode_fh_raw()`.
///
/// `fid` points to `dwords` dwords of the handle, which are aligned to eight bytes, initialised and
/// mutably borrowed.
pub(super) struct RawHandle {
    pub(super) handle_type: u32,
    pub(super) fid: *mut bindings::fid,
    pub(super) dwords: c_int,
}

impl StoredFileHandle {
    /// Reads the bytes of a handle from user space.
    ///
    /// If the memory is not accessible, the value contains `EFAULT`, because the permission check
    /// precedes that error.
    ///
    /// # Errors
    ///
    /// - `ENOMEM` if memory allocation fails.
    #[inline]
    pub fn read(from: UserFileHandle) -> Result<Self> {
        // CAST: The size is at most `MAX_HANDLE_SZ`.
        let len = from.handle_bytes as usize;

        if len > SMALL_HANDLE_SZ {
            return Self::read_large(from);
        }
        let mut f_handle = Small([MaybeUninit::uninit(); SMALL_HANDLE_SZ]);

        match from.read_bytes(&mut f_handle.0) {
            // INVARIANT: `read_bytes()` initialised `handle_bytes` bytes, which are at most
            // `SMALL_HANDLE_SZ`.
            Ok(()) => Ok(Self(Stored::Small {
                f_handle,
                handle_type: from.handle_type,
                // CAST: The size is at most `SMALL_HANDLE_SZ`.
                len: len as u8,
            })),
            Err(err) => Ok(Self(Stored::Unreadable(err))),
        }
    }

    #[cold]
    fn read_large(from: UserFileHandle) -> Result<Self> {
        let mut handle = KBox::new(FileHandle::empty(), GFP_KERNEL_ACCOUNT)?;

        Ok(Self(match handle.read(from) {
            Ok(()) => Stored::Large(handle),
            Err(err) => Stored::Unreadable(err),
        }))
    }

    /// Returns the handle as the arguments of `exportfs_decode_fh_raw()`.
    ///
    /// # Errors
    ///
    /// - `EFAULT` if the memory of user space was not accessible.
    #[inline]
    pub(super) fn as_raw(&mut self) -> Result<RawHandle> {
        match &mut self.0 {
            Stored::Small {
                f_handle,
                handle_type,
                len,
            } => Ok(RawHandle {
                handle_type: *handle_type,
                fid: f_handle.0.as_mut_ptr().cast(),
                // CAST: The number is at most `SMALL_HANDLE_SZ / DWORD`.
                dwords: (u32::from(*len) / DWORD) as c_int,
            }),
            Stored::Large(handle) => {
                let (fid, dwords) = handle.as_fid();

                Ok(RawHandle {
                    handle_type: handle.handle_type(),
                    fid,
                    dwords,
                })
            }
            Stored::Unreadable(err) => Err(*err),
        }
    }
}

/// Reads `handle_bytes` and `handle_type`.
#[inline]
pub(super) fn read_header(ptr: UserPtr) -> Result<[u32; 2]> {
    UserSlice::new(ptr, size_of::<[u32; 2]>()).reader().read()
}
