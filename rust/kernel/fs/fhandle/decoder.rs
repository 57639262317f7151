// SPDX-License-Identifier: GPL-2.0

use super::{
    ExportFlags,
    FileHandle,
    UserFlags, //
};
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::Path,
    prelude::*, //
};
use core::mem::{
    ManuallyDrop,
    MaybeUninit, //
};

/// A caller who may decode handles, and the mount whose handles they are: `struct
/// handle_to_path_ctx`. Used once.
///
/// # Invariants
///
/// `root` owns its references, and `flags` and `fh_flags` are as the permission to decode sets
/// them.
pub struct Decoder(bindings::handle_to_path_ctx);

impl Decoder {
    /// Asks whether the caller may open files by handle with these open flags, on the mount that
    /// `mount_fd` stands for: a descriptor of any file there, `AT_FDCWD`, `FD_PIDFS_ROOT` or
    /// `FD_NSFS_ROOT`.
    ///
    /// The filesystem sees the flags as user space passed them, with `O_LARGEFILE` where that is
    /// always set. C: the filesystem's `permission`, or `may_decode_fh()`. May sleep.
    ///
    /// # Errors
    ///
    /// `EBADF`; `EPERM`, or what the filesystem gives.
    #[inline]
    pub fn new(mount_fd: c_int, oflags: u32) -> Result<Self> {
        let mut ctx = MaybeUninit::uninit();

        // SAFETY: `ctx` may be written, and any number is taken for a descriptor.
        to_result(unsafe { bindings::fhandle_get_decode_ctx(mount_fd, oflags, ctx.as_mut_ptr()) })?;

        // INVARIANT: After success, the references are ours.
        // SAFETY: It was initialised.
        Ok(Self(unsafe { ctx.assume_init() }))
    }

    /// Finds the file that a handle names. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or `ESTALE` for everything else that goes wrong.
    #[inline]
    pub fn decode(self, handle: &FileHandle) -> Result<Path> {
        self.decode_with(handle, ExportFlags::NONE).map_err(stale)
    }

    /// Finds the file that a handle names, if it takes no waiting.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if it does: if the filesystem has not declared with
    /// [`Flags::NONBLOCK`](crate::fs::exportfs::Flags::NONBLOCK) that it never blocks, or exportfs
    /// would have to. Otherwise as [`Self::decode`].
    #[inline]
    pub fn try_decode(self, handle: &FileHandle) -> Result<Path> {
        self.decode_with(handle, ExportFlags::NONBLOCK)
            .map_err(|err| if err == EAGAIN { err } else { stale(err) })
    }

    #[inline]
    fn decode_with(mut self, handle: &FileHandle, flags: ExportFlags) -> Result<Path> {
        let kind = handle.header().kind();
        let flags = self.check(kind.flags(), flags);
        let bytes = handle.bytes();
        let mnt = self.0.root.mnt;

        // SAFETY: By the type invariants, the context and its mount are valid. The bytes are
        // aligned to eight, and only read: they are not `const` for historical reasons.
        // CAST: At most `MAX_HANDLE_SZ` bytes.
        let dentry = from_err_ptr(unsafe {
            bindings::exportfs_decode_fh_raw(
                mnt,
                bytes.as_ptr().cast_mut().cast(),
                (bytes.len() / size_of::<u32>()) as c_int,
                kind.fileid().as_raw(),
                flags.as_raw(),
                Some(bindings::fhandle_acceptable),
                (&raw mut self.0).cast(),
            )
        })?;
        if dentry.is_null() {
            return Err(ESTALE);
        }

        // SAFETY: What a filesystem decodes is a positive dentry of the superblock that it was
        // passed; for those in Rust, `Table` sees to it. The reference is ours.
        Ok(unsafe { self.into_path(dentry) })
    }

    /// Makes a path of what has been found, with the reference to the mount.
    ///
    /// # Safety
    ///
    /// `dentry` must be a positive one of the mount's superblock; the caller gives up a reference
    /// to it.
    #[inline]
    unsafe fn into_path(self, dentry: *mut bindings::dentry) -> Path {
        let this = ManuallyDrop::new(self);
        let bindings::path { mnt, dentry: root } = this.0.root;

        // SAFETY: By the type invariants, the reference is ours.
        unsafe { bindings::dput(root) };

        // SAFETY: The reference to the mount is ours by the type invariants, and that to the
        // dentry by the caller's guarantee.
        unsafe { Path::from_owned(bindings::path { mnt, dentry }) }
    }

    /// Adds what the handle itself demands.
    #[inline]
    fn check(&mut self, user: UserFlags, flags: ExportFlags) -> ExportFlags {
        let mut flags = flags | ExportFlags::from_raw(self.0.fh_flags);

        if user.contains(UserFlags::CONNECTABLE) {
            flags |= ExportFlags::CONNECTABLE;
            self.0.flags |= bindings::handle_to_path_flags_HANDLE_CHECK_SUBTREE;
        }
        if user.contains(UserFlags::DIR) {
            flags |= ExportFlags::DIR_ONLY;
        }
        // What is acceptable depends on them.
        self.0.fh_flags = flags.as_raw();
        flags
    }
}

impl Drop for Decoder {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the references are ours.
        unsafe { bindings::path_put(&self.0.root) };
    }
}

/// What open_by_handle_at(2) makes of an error.
#[inline]
fn stale(err: Error) -> Error {
    if err == ENOMEM {
        err
    } else {
        ESTALE
    }
}
