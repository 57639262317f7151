// SPDX-License-Identifier: GPL-2.0

use super::{
    file_handle::read_header,
    FhFlag,
    FhFlags,
    FileHandle, //
};
use crate::{
    bindings,
    fs::{
        LocalFile,
        LookupFlag,
        LookupFlags,
        Path, //
    },
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
    BuiltIn, //
};
use core::ptr;

/// The arguments of name_to_handle_at(2), except for the file.
///
/// # Invariants
///
/// - `flags` contains no bits other than `AT_SYMLINK_FOLLOW`, `AT_EMPTY_PATH`, `AT_HANDLE_FID`,
///   `AT_HANDLE_MNT_ID_UNIQUE` and `AT_HANDLE_CONNECTABLE`.
/// - If `flags` contains `AT_HANDLE_CONNECTABLE`, it contains neither `AT_HANDLE_FID` nor
///   `AT_EMPTY_PATH`.
///
/// # Examples
///
/// ```
/// use kernel::{
///     bindings,
///     fs::fhandle::NameToHandle,
///     uaccess::UserPtr, //
/// };
///
/// let is_valid = |flags| {
///     let nowhere = UserPtr::from_addr(0);
///
///     NameToHandle::new(kernel::built_in!(), nowhere, nowhere, flags).is_ok()
/// };
///
/// assert!(is_valid(bindings::AT_EMPTY_PATH));
/// assert!(!is_valid(bindings::AT_SYMLINK_NOFOLLOW));
/// // A connectable handle must be decodable.
/// assert!(!is_valid(bindings::AT_HANDLE_FID | bindings::AT_HANDLE_CONNECTABLE));
/// ```
pub struct NameToHandle {
    handle: UserPtr,
    mount_id: UserPtr,
    flags: u32,
}

// SAFETY: The pointers are user-space addresses. Rust code does not dereference them, but passes
// them to functions that copy from or to the address space of the current task.
unsafe impl Send for NameToHandle {}

impl NameToHandle {
    /// Checks the flags and stores the arguments.
    ///
    /// `mount_id` points to a `u64` if `AT_HANDLE_MNT_ID_UNIQUE` is set, and to an `int` otherwise.
    ///
    /// # Errors
    ///
    /// - `EINVAL` if a flag is unknown, or if `AT_HANDLE_CONNECTABLE` is combined with
    ///   `AT_HANDLE_FID` or `AT_EMPTY_PATH`.
    #[inline]
    pub fn new(_: BuiltIn, handle: UserPtr, mount_id: UserPtr, flags: u32) -> Result<Self> {
        const VALID: u32 = bindings::AT_SYMLINK_FOLLOW
            | bindings::AT_EMPTY_PATH
            | bindings::AT_HANDLE_FID
            | bindings::AT_HANDLE_MNT_ID_UNIQUE
            | bindings::AT_HANDLE_CONNECTABLE;
        // The dentry of a descriptor may be disconnected. Its parent is then not known.
        const NOT_CONNECTABLE: u32 = bindings::AT_HANDLE_FID | bindings::AT_EMPTY_PATH;

        if flags & !VALID != 0
            || (flags & bindings::AT_HANDLE_CONNECTABLE != 0 && flags & NOT_CONNECTABLE != 0)
        {
            return Err(EINVAL);
        }
        // INVARIANT: The flags were checked above.
        Ok(Self {
            handle,
            mount_id,
            flags,
        })
    }

    /// Returns the flags for the path lookup.
    #[inline]
    pub fn lookup_flags(&self) -> LookupFlags {
        if self.flags & bindings::AT_SYMLINK_FOLLOW != 0 {
            LookupFlag::Follow.into()
        } else {
            LookupFlags::empty()
        }
    }

    /// Returns `dfd` if the request names the file of that descriptor.
    ///
    /// This is so if `AT_EMPTY_PATH` is set, `name` is empty and `dfd` is not negative.
    #[inline]
    pub fn fd(&self, dfd: c_int, name: UserPtr) -> Option<u32> {
        if self.flags & bindings::AT_EMPTY_PATH == 0 {
            return None;
        }
        let fd = u32::try_from(dfd).ok()?;

        match UserSlice::new(name, 1).reader().read::<u8>() {
            Ok(0) => Some(fd),
            _ => None,
        }
    }

    /// Reads the size of the caller's buffer (`handle_bytes`).
    ///
    /// # Errors
    ///
    /// - `EFAULT` if the header is not accessible.
    /// - `EINVAL` if `handle_bytes` is greater than `MAX_HANDLE_SZ` (128).
    #[inline]
    pub fn room(&self) -> Result<u32> {
        let [handle_bytes, _] = read_header(self.handle)?;

        if handle_bytes > bindings::MAX_HANDLE_SZ {
            return Err(EINVAL);
        }
        Ok(handle_bytes)
    }

    /// Returns `true` if the request names the file of a descriptor: `AT_EMPTY_PATH` is set and
    /// `name` is empty.
    ///
    /// # Errors
    ///
    /// - `EFAULT` if `AT_EMPTY_PATH` is set and `name` is not accessible.
    #[inline]
    pub fn is_empty(&self, name: UserPtr) -> Result<bool> {
        Ok(self.flags & bindings::AT_EMPTY_PATH != 0
            && UserSlice::new(name, 1).reader().read::<u8>()? == 0)
    }

    /// Encodes the file of a descriptor without a path lookup.
    ///
    /// # Errors
    ///
    /// - `EBADF` if the descriptor is not open.
    /// - `ESRCH` if the current task is exiting.
    /// - The errors of [`Self::encode_path`].
    #[inline]
    pub fn encode_fd(&self, fd: u32, flags: FhFlags, room: Option<Result<u32>>) -> Result {
        // SAFETY: `encode_path()` does not close file descriptors.
        unsafe { LocalFile::with_fd_raw(fd, |file| self.encode_path(file.path(), flags, room)) }
    }

    /// Encodes the file of a descriptor without blocking.
    ///
    /// Returns the path of the file if encoding may block.
    ///
    /// # Errors
    ///
    /// - The errors of [`Self::encode_fd`].
    #[cfg(CONFIG_IO_URING_HANDLE)]
    #[inline]
    pub fn try_encode_fd(&self, fd: u32, room: Option<Result<u32>>) -> Result<Option<Path>> {
        let encode = |file: &LocalFile| {
            let path = file.path();

            match self.encode_path(path, FhFlag::Nowait.into(), room) {
                Ok(()) => Ok(None),
                Err(EAGAIN) => Ok(Some(path.clone())),
                Err(err) => Err(err),
            }
        };

        // SAFETY: `encode` does not close file descriptors.
        unsafe { LocalFile::with_fd_raw(fd, encode) }
    }

    /// Encodes the file at the path of an open file, which may have been opened with `O_PATH`.
    ///
    /// Revalidates and audits the dentry, as a path lookup does.
    ///
    /// # Errors
    ///
    /// - The errors of `->d_weak_revalidate()`, which a path lookup calls as well.
    /// - The errors of [`Self::encode`].
    #[inline]
    pub fn encode_path(&self, path: &Path, flags: FhFlags, room: Option<Result<u32>>) -> Result {
        path.weak_revalidate(flags.contains(FhFlag::Nowait))?;

        // SAFETY: The dentry is valid by its type invariants. `audit_inode()` accepts a null name.
        unsafe { bindings::audit_inode(ptr::null_mut(), path.dentry().as_raw(), 0) };
        self.encode(path, flags, room)
    }

    /// Encodes the file at `path`, and writes the mount id and the handle to user space.
    ///
    /// `room` is a result of [`Self::room`]. If it is [`None`], this method calls [`Self::room`]
    /// after the checks of `EOPNOTSUPP` and `EINVAL`. `flags` is empty or [`FhFlag::Nowait`].
    ///
    /// # Errors
    ///
    /// - `EOPNOTSUPP` if the filesystem does not support the requested type of handle.
    /// - `EINVAL` if a connectable handle is requested and the dentry is disconnected.
    /// - The errors of [`Self::room`].
    /// - `EAGAIN` if `flags` contains [`FhFlag::Nowait`] and encoding may wait. Nothing is
    ///   written.
    /// - `EFAULT` if the memory for the mount id or the handle is not accessible.
    /// - `EOVERFLOW` if `room` is too small, or if the filesystem has no handle for the file. The
    ///   mount id and the header are written. In the first case, the header contains the required
    ///   size.
    /// - Any other error that the filesystem returns. The mount id and the header are written.
    #[inline]
    pub fn encode(&self, path: &Path, flags: FhFlags, room: Option<Result<u32>>) -> Result {
        let dentry = path.dentry();
        let nonblock = flags.contains(FhFlag::Nowait);
        let flags = flags | self.fh_flags();

        let ops = dentry.super_block().export_op();
        let ops = ops.map_or(ptr::null(), ptr::from_ref);

        // SAFETY: `ops` is null, or points to the table of an active superblock.
        // CAST: The flags are a bit field of the same width.
        if !unsafe { bindings::exportfs_can_encode_fh(ops, u32::from(flags) as c_int) } {
            return Err(EOPNOTSUPP);
        }
        // /proc/self/fd/N of a file that was opened by handle leads to a disconnected dentry.
        if flags.contains(FhFlag::Connectable) && dentry.is_disconnected() {
            return Err(EINVAL);
        }

        let room = room.unwrap_or_else(|| self.room())?;
        let mut handle = FileHandle::empty();
        let result = handle.encode(dentry, room, flags);

        if nonblock && result == Err(EAGAIN) {
            return result;
        }
        let bytes = handle.as_bytes();

        self.put_mount_id(path)?;
        UserSlice::new(self.handle, bytes.len())
            .writer()
            .write_slice(bytes)?;
        result
    }

    /// Returns the flags for exportfs.
    #[inline]
    fn fh_flags(&self) -> FhFlags {
        if self.flags & bindings::AT_HANDLE_FID != 0 {
            FhFlag::Fid.into()
        } else if self.flags & bindings::AT_HANDLE_CONNECTABLE != 0 {
            FhFlag::Connectable.into()
        } else {
            FhFlags::empty()
        }
    }

    /// Writes the mount id to user space.
    #[inline]
    fn put_mount_id(&self, path: &Path) -> Result {
        // SAFETY: The path is valid by its type invariants.
        let mnt = unsafe { (*path.as_raw()).mnt };

        if self.flags & bindings::AT_HANDLE_MNT_ID_UNIQUE != 0 {
            // SAFETY: The mount is valid by the type invariants of the path.
            let id = unsafe { bindings::mnt_id_unique(mnt) };

            UserSlice::new(self.mount_id, size_of_val(&id))
                .writer()
                .write(&id)
        } else {
            // SAFETY: The mount is valid by the type invariants of the path.
            let id = unsafe { bindings::mnt_id(mnt) };

            UserSlice::new(self.mount_id, size_of_val(&id))
                .writer()
                .write(&id)
        }
    }
}
