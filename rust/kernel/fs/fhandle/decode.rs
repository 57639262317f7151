// SPDX-License-Identifier: GPL-2.0

use super::{
    FhFlag,
    FhFlags,
    FileHandle,
    StoredFileHandle, //
};
use crate::{
    bindings,
    error::from_err_ptr,
    fs::{
        check_fs,
        LocalFile,
        Path,
        SuperBlock, //
    },
    prelude::*,
    BuiltIn, //
};
use core::mem::ManuallyDrop;

/// Checks that the current task may open files by handle, and decodes a handle.
///
/// Calls `handle` after the permission check. [`Decoder::new`] describes the other arguments.
///
/// # Errors
///
/// Checked in this order:
///
/// - The errors of [`Decoder::new`].
/// - The error of `handle`.
/// - The errors of [`Decoder::decode`].
#[cfg(CONFIG_FHANDLE_RUST)]
#[inline]
pub(super) fn decode<'a>(
    token: BuiltIn,
    mount_fd: c_int,
    oflags: u32,
    handle: impl FnOnce() -> Result<&'a mut FileHandle>,
) -> Result<Path> {
    let decoder = Decoder::new(token, mount_fd, oflags)?;

    decoder.decode(handle()?)
}

/// A mount, and the permission to decode its handles.
///
/// The permission was granted to the credentials of the task that created the value. A request may
/// keep the value and decode later, with the same credentials, without another check.
///
/// # Invariants
///
/// `root` owns a reference to a valid mount and a reference to a dentry on it.
pub struct Decoder(bindings::handle_to_path_ctx);

// SAFETY: The value owns its references. Any thread may use and drop them.
unsafe impl Send for Decoder {}

impl Decoder {
    /// Looks up the mount of `mount_fd`, and checks that the current task may decode its handles.
    ///
    /// `mount_fd` is `AT_FDCWD`, `FD_PIDFS_ROOT`, `FD_NSFS_ROOT`, or the descriptor of any file on
    /// the mount. The file must not be opened with `O_PATH`.
    ///
    /// `oflags` is passed to `->permission()` of the filesystem, or to `may_decode_fh()` if the
    /// filesystem does not implement it. The caller adds `O_LARGEFILE` where open(2) does.
    ///
    /// # Errors
    ///
    /// - `ESRCH` if the current task is exiting.
    /// - `EBADF` if `mount_fd` is not open or is opened with `O_PATH`.
    /// - `EPERM`, or the error of `->permission()`, if the current task may not decode handles.
    #[inline]
    pub fn new(_: BuiltIn, mount_fd: c_int, oflags: u32) -> Result<Self> {
        let mut cx = bindings::handle_to_path_ctx::default();

        check_fs()?;
        // SAFETY: `check_fs()` succeeded, so the current task has a `fs_struct` and a descriptor
        // table. The context is zero.
        match unsafe { bindings::fhandle_get_decode_ctx(mount_fd, oflags, &mut cx) } {
            // INVARIANT: `fhandle_get_decode_ctx()` returned 0, so it stored owned references in
            // `root`.
            0 => Ok(Self(cx)),
            err => Err(Error::from_errno(err)),
        }
    }

    /// Checks that the current task may decode handles of the mount of `file`.
    ///
    /// # Errors
    ///
    /// - `EBADF` if the file is opened with `O_PATH`.
    /// - `EPERM`, or the error of `->permission()`, if the current task may not decode handles.
    #[inline]
    pub fn from_file(_: BuiltIn, file: &LocalFile, oflags: u32) -> Result<Self> {
        if file.flags() & bindings::O_PATH != 0 {
            return Err(EBADF);
        }
        let root = ManuallyDrop::new(file.path().clone());
        let mut cx = bindings::handle_to_path_ctx {
            // SAFETY: The path is valid by its type invariants.
            root: unsafe { *root.as_raw() },
            ..Default::default()
        };

        // SAFETY: `root` owns references to a mount and a dentry. The other fields are zero.
        // `fhandle_may_decode()` drops the references unless it returns 0.
        match unsafe { bindings::fhandle_may_decode(&mut cx, oflags) } {
            // INVARIANT: `fhandle_may_decode()` returned 0, so `root` still owns the references.
            0 => Ok(Self(cx)),
            err => Err(Error::from_errno(err)),
        }
    }

    /// Returns the superblock of the mount.
    #[inline]
    pub fn super_block(&self) -> &SuperBlock {
        // SAFETY: The mount is valid by the type invariants. `mnt_sb` never changes.
        let sb = unsafe { (*self.0.root.mnt).mnt_sb };

        // SAFETY: The mount keeps the superblock active while `self` is borrowed.
        unsafe { SuperBlock::from_raw(sb) }
    }

    /// Decodes a handle.
    ///
    /// # Errors
    ///
    /// - `ESRCH` if the current task is exiting.
    /// - `ENOMEM` if memory allocation fails.
    /// - `EINTR`, or an error that restarts the system call, if decoding is interrupted.
    /// - `ESTALE` if decoding fails for another reason.
    #[inline]
    pub fn decode(mut self, handle: &mut FileHandle) -> Result<Path> {
        check_fs()?;

        let (fid, dwords) = handle.as_fid();

        // SAFETY: `fid` points to `dwords` dwords that are aligned to eight bytes, initialised and
        // borrowed mutably.
        let dentry = unsafe {
            self.decode_raw(
                Header::new(handle.handle_type()),
                fid,
                dwords,
                FhFlags::empty(),
            )
        };

        match dentry {
            // SAFETY: `decode_raw()` returned an owned reference to a dentry on the mount.
            Ok(dentry) => Ok(unsafe { self.into_path(dentry) }),
            Err(err) => Err(final_error(err)),
        }
    }

    /// Decodes a handle. If `flags` contains [`FhFlag::Nowait`], does not wait.
    ///
    /// # Errors
    ///
    /// - [`Undecoded::Waits`] if `flags` contains [`FhFlag::Nowait`] and decoding may wait. The
    ///   caller can try again with the decoder.
    /// - [`Undecoded::Failed`] with the errors of [`Self::decode`].
    #[inline]
    pub fn try_decode(
        mut self,
        handle: &mut StoredFileHandle,
        flags: FhFlags,
    ) -> Result<Path, Undecoded> {
        check_fs().map_err(Undecoded::Failed)?;

        let handle = handle.as_raw().map_err(Undecoded::Failed)?;

        // SAFETY: `as_raw()` returns a pointer to that many dwords, which are aligned to eight
        // bytes, initialised and borrowed mutably.
        let dentry = unsafe {
            self.decode_raw(
                Header::new(handle.handle_type),
                handle.fid,
                handle.dwords,
                flags,
            )
        };

        match dentry {
            // SAFETY: `decode_raw()` returned an owned reference to a dentry on the mount.
            Ok(dentry) => Ok(unsafe { self.into_path(dentry) }),
            Err(EAGAIN) if flags.contains(FhFlag::Nowait) => Err(Undecoded::Waits(self)),
            Err(err) => Err(Undecoded::Failed(final_error(err))),
        }
    }

    /// Returns an owned reference to the positive dentry that the handle identifies.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `fid` points to `dwords` dwords that are aligned to eight bytes
    /// and initialised, and that no other pointer accesses them during the call.
    #[inline]
    unsafe fn decode_raw(
        &mut self,
        header: Header,
        fid: *mut bindings::fid,
        dwords: c_int,
        flags: FhFlags,
    ) -> Result<*mut bindings::dentry> {
        let mut fh_flags = FhFlags::from_raw(self.0.fh_flags);

        if header.is_connectable() {
            fh_flags |= FhFlag::Connectable;
            self.0.flags |= bindings::handle_to_path_flags_HANDLE_CHECK_SUBTREE;
        }
        if header.is_dir() {
            fh_flags |= FhFlag::DirOnly;
        }
        self.0.fh_flags = fh_flags.into();

        // SAFETY: The mount is valid by the type invariants. `fhandle_acceptable()` expects a
        // `struct handle_to_path_ctx`. The caller ensures that `fid` is valid for the call.
        let dentry = from_err_ptr(unsafe {
            bindings::exportfs_decode_fh_raw(
                self.0.root.mnt,
                fid,
                dwords,
                header.fileid_type(),
                (fh_flags | flags).into(),
                Some(bindings::fhandle_acceptable),
                (&raw mut self.0).cast(),
            )
        })?;

        if dentry.is_null() {
            return Err(ESTALE);
        }
        Ok(dentry)
    }

    /// Moves the reference to the mount into a path.
    ///
    /// # Safety
    ///
    /// The caller must own a reference to `dentry`, which is a positive dentry on the superblock of
    /// the mount, and must not use it after this call.
    #[inline]
    unsafe fn into_path(self, dentry: *mut bindings::dentry) -> Path {
        let bindings::path { mnt, dentry: root } = ManuallyDrop::new(self).0.root;

        // SAFETY: By the type invariants, the decoder owned a reference to `root`. `ManuallyDrop`
        // prevents that it drops it again.
        unsafe { bindings::dput(root) };

        // SAFETY: By the type invariants, the decoder owned a reference to `mnt`, and
        // `ManuallyDrop` prevents that it drops it. The caller passes the reference to `dentry`.
        unsafe { Path::from_owned(bindings::path { mnt, dentry }) }
    }
}

impl Drop for Decoder {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `root` owns its references.
        unsafe { bindings::path_put(&self.0.root) };
    }
}

/// The error of [`Decoder::try_decode`].
pub enum Undecoded {
    /// Decoding may wait.
    Waits(Decoder),

    /// Decoding failed.
    Failed(Error),
}

/// Returns the error that open_by_handle_at(2) reports.
#[inline]
fn final_error(err: Error) -> Error {
    match err {
        ENOMEM => err,
        // The handle of an interrupted decode may be valid.
        EINTR | ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND | ERESTART_RESTARTBLOCK => err,
        _ => ESTALE,
    }
}

/// The field `handle_type` of a handle to decode.
#[derive(Clone, Copy)]
struct Header(u32);

impl Header {
    #[inline]
    fn new(handle_type: u32) -> Self {
        Self(handle_type)
    }

    /// Returns `true` if the handle was encoded with `AT_HANDLE_CONNECTABLE`.
    #[inline]
    fn is_connectable(self) -> bool {
        self.0 & bindings::FILEID_IS_CONNECTABLE != 0
    }

    /// Returns `true` if the handle is connectable and identifies a directory.
    #[inline]
    fn is_dir(self) -> bool {
        self.0 & bindings::FILEID_IS_DIR != 0
    }

    /// Returns the type that the filesystem defines.
    ///
    /// Filesystems use the lower 8 bits. User space may pass 16 bits.
    #[inline]
    fn fileid_type(self) -> c_int {
        // CAST: The value has 16 bits.
        (self.0 & !bindings::FILEID_USER_FLAGS_MASK) as c_int
    }
}
