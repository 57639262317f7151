// SPDX-License-Identifier: GPL-2.0

use super::{
    FhFlag,
    FhFlags,
    FileHandle, //
};
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::{
        check_fs,
        Path, //
    },
    prelude::*,
    BuiltIn, //
};

/// Checks that the current task may open files by handle, and decodes a handle.
///
/// `mount_fd` is `AT_FDCWD`, `FD_PIDFS_ROOT`, `FD_NSFS_ROOT`, or the descriptor of any file on the
/// mount. The file must not be opened with `O_PATH`.
///
/// `oflags` is passed to `->permission()` of the filesystem, or to `may_decode_fh()` if the
/// filesystem does not implement it. The caller adds `O_LARGEFILE` where open(2) does.
///
/// Calls `handle` after the permission check.
///
/// # Errors
///
/// Checked in this order:
///
/// - `ESRCH` if the current task is exiting.
/// - `EBADF` if `mount_fd` has any other value.
/// - `EPERM`, or the error of `->permission()`, if the current task may not decode handles.
/// - The error of `handle`.
/// - `ENOMEM` if memory allocation fails.
/// - `EAGAIN` if `flags` contains [`FhFlag::Nonblock`] and decoding may block.
/// - `ESTALE` if decoding fails for another reason.
#[inline]
pub fn decode<'a>(
    _: BuiltIn,
    mount_fd: c_int,
    oflags: u32,
    flags: FhFlags,
    handle: impl FnOnce() -> Result<&'a mut FileHandle>,
) -> Result<Path> {
    // INVARIANT: `root` is NULL.
    let mut cx = Context(bindings::handle_to_path_ctx::default());

    cx.init(mount_fd, oflags)?;
    let handle = handle()?;

    // SAFETY: `init()` succeeded, so `root` is not NULL.
    unsafe { cx.decode(handle, flags) }.map_err(|err| {
        if err == ENOMEM || (err == EAGAIN && flags.contains(FhFlag::Nonblock)) {
            err
        } else {
            ESTALE
        }
    })
}

/// The mount of a handle and the permission to decode it.
///
/// # Invariants
///
/// `root` is NULL, or owns a reference to its mount and a reference to its dentry.
struct Context(bindings::handle_to_path_ctx);

impl Context {
    /// Sets `root` to the path of `mount_fd`, and checks the permission.
    #[inline]
    fn init(&mut self, mount_fd: c_int, oflags: u32) -> Result {
        check_fs()?;
        // INVARIANT: On success, `fhandle_get_decode_ctx()` stores owned references in `root`. On
        // failure it has dropped them, and `root` is set to NULL below.
        // SAFETY: `check_fs()` succeeded, so the current task has a `fs_struct` and a descriptor
        // table. The context is zero.
        let ret = unsafe { bindings::fhandle_get_decode_ctx(mount_fd, oflags, &mut self.0) };
        if ret != 0 {
            self.0.root = bindings::path::default();
        }
        to_result(ret)
    }

    /// Decodes a handle. On success, moves the reference to the mount into the result.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `root` is not NULL.
    #[inline]
    unsafe fn decode(&mut self, handle: &mut FileHandle, flags: FhFlags) -> Result<Path> {
        let mut flags = flags | FhFlags::from_raw(self.0.fh_flags);

        if handle.is_connectable() {
            flags |= FhFlag::Connectable;
            self.0.flags |= bindings::handle_to_path_flags_HANDLE_CHECK_SUBTREE;
        }
        if handle.is_dir() {
            flags |= FhFlag::DirOnly;
        }
        self.0.fh_flags = flags.into();

        let fileid_type = handle.fileid_type();
        let (fid, dwords) = handle.as_fid();
        let bindings::path { mnt, dentry: root } = self.0.root;

        // SAFETY: The caller ensures that `root` is not NULL, so `mnt` is valid by the type
        // invariants. `fhandle_acceptable()` expects a `struct handle_to_path_ctx`. `fid` points to
        // `dwords` dwords that are aligned to eight bytes, initialised and borrowed mutably.
        let dentry = from_err_ptr(unsafe {
            bindings::exportfs_decode_fh_raw(
                mnt,
                fid,
                dwords,
                fileid_type,
                flags.into(),
                Some(bindings::fhandle_acceptable),
                (&raw mut self.0).cast(),
            )
        })?;
        if dentry.is_null() {
            return Err(ESTALE);
        }

        // INVARIANT: `root` is NULL. The local variables `mnt` and `root` now own the references.
        self.0.root = bindings::path::default();

        // SAFETY: The local variable `root` owns the reference to the dentry, and is not used
        // again.
        unsafe { bindings::dput(root) };

        // SAFETY: `mnt` owns the reference to the mount. `exportfs_decode_fh_raw()` returned an
        // owned reference to a positive dentry on the superblock of the mount.
        Ok(unsafe { Path::from_owned(bindings::path { mnt, dentry }) })
    }
}

impl Drop for Context {
    #[inline]
    fn drop(&mut self) {
        if !self.0.root.mnt.is_null() {
            // SAFETY: `root` is not NULL, so it owns its references by the type invariants.
            unsafe { bindings::path_put(&self.0.root) };
        }
    }
}
