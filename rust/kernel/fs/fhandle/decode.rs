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

/// Decodes a handle if the caller may open files by handle.
///
/// `mount_fd` is a descriptor of any file on the mount, `AT_FDCWD`, `FD_PIDFS_ROOT` or
/// `FD_NSFS_ROOT`. `->permission()` of the filesystem, or `may_decode_fh()` if there is none, gets
/// `oflags` as user space passed them, plus `O_LARGEFILE` where that is implied. `handle` is called
/// after the permission check.
///
/// # Errors
///
/// In this order:
///
/// - `EBADF` if `mount_fd` is not one of the above.
/// - `ESRCH` if the current task is exiting.
/// - `EPERM`, or the error of `->permission()`, if the caller may not decode handles.
/// - The error of `handle`.
/// - `ENOMEM` if there is not enough memory.
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
    // INVARIANT: The root is NULL.
    let mut cx = Context(bindings::handle_to_path_ctx::default());

    cx.init(mount_fd, oflags)?;
    let handle = handle()?;

    // SAFETY: `init()` has set the root, and this is the first call.
    unsafe { cx.decode(handle, flags) }.map_err(|err| {
        if err == ENOMEM || (err == EAGAIN && flags.contains(FhFlag::Nonblock)) {
            err
        } else {
            ESTALE
        }
    })
}

/// The mount of a handle, and the permission to decode it.
///
/// # Invariants
///
/// `root` owns a reference to its mount and one to its dentry, or is NULL.
struct Context(bindings::handle_to_path_ctx);

impl Context {
    /// Sets the root to what `mount_fd` stands for, and checks the permission.
    #[inline]
    fn init(&mut self, mount_fd: c_int, oflags: u32) -> Result {
        check_fs()?;
        // INVARIANT: `fhandle_get_decode_ctx()` sets the root to references if it succeeds. It
        // drops them if it fails.
        // SAFETY: The current task has a `fs_struct` and descriptors. The context is zero.
        let ret = unsafe { bindings::fhandle_get_decode_ctx(mount_fd, oflags, &mut self.0) };
        if ret != 0 {
            self.0.root = bindings::path::default();
        }
        to_result(ret)
    }

    /// Decodes a handle and passes the reference to the mount to the result.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the root is not NULL.
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

        // SAFETY: The root is not NULL and by the type invariants valid, and `ctx` is what
        // `fhandle_acceptable()` takes. `fid` points to `dwords` dwords that are aligned to eight
        // bytes, initialised and borrowed mutably.
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

        // INVARIANT: The root is NULL. The references were those in `mnt` and `root`.
        self.0.root = bindings::path::default();

        // SAFETY: By the type invariants, the root owned the reference.
        unsafe { bindings::dput(root) };

        // SAFETY: The reference to the mount is that of the root. `exportfs_decode_fh_raw()`
        // returns a reference to a positive dentry of the superblock of the mount.
        Ok(unsafe { Path::from_owned(bindings::path { mnt, dentry }) })
    }
}

impl Drop for Context {
    #[inline]
    fn drop(&mut self) {
        if !self.0.root.mnt.is_null() {
            // SAFETY: By the type invariants, the root owns its references.
            unsafe { bindings::path_put(&self.0.root) };
        }
    }
}
