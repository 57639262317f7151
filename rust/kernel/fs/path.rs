// SPDX-License-Identifier: GPL-2.0

//! Paths: a dentry on a mount.
//!
//! C header: [`include/linux/path.h`](srctree/include/linux/path.h)

use super::{
    check_fs,
    file::flags::{
        O_CREAT,
        O_DIRECTORY,
        O_NONBLOCK,
        O_TMPFILE,
        O_TRUNC, //
    },
    Dentry,
    Filename,
    LookupFlags,
    NewFile, //
};
use crate::{
    bindings,
    error::to_result,
    prelude::*,
    types::Opaque, //
};
use core::{
    mem::MaybeUninit,
    ptr, //
};

/// A `struct path`.
///
/// A `Path` owns a reference to the mount and a reference to the dentry. A `&Path` borrows both.
///
/// # Invariants
///
/// - `mnt` points to a valid mount, which keeps the superblock active.
/// - `dentry` points to a positive dentry on the superblock of the mount.
/// - Both are referenced for as long as the path exists.
///
/// # Examples
///
/// ```
/// use kernel::fs::Path;
///
/// fn is_same_file(a: &Path, b: &Path) -> bool {
///     core::ptr::eq(a.dentry().inode(), b.dentry().inode())
/// }
/// ```
#[repr(transparent)]
pub struct Path(Opaque<bindings::path>);

impl Path {
    /// Takes ownership of the references of a `struct path`.
    ///
    /// # Safety
    ///
    /// The caller must ensure that:
    ///
    /// - `path` satisfies the type invariants, and the dentry is positive as [`Dentry::from_raw`]
    ///   requires.
    /// - The caller owns one reference to the mount and one to the dentry, and uses neither after
    ///   this call.
    #[inline]
    pub unsafe fn from_owned(path: bindings::path) -> Self {
        // INVARIANT: The caller ensures the type invariants and passes ownership of the references.
        Self(Opaque::new(path))
    }

    /// Looks up a name relative to the directory `dfd`.
    ///
    /// May sleep.
    ///
    /// C: `filename_lookup()`.
    ///
    /// # Errors
    ///
    /// - `ESRCH` if the current task is exiting.
    /// - The errors of `filename_lookup()`, such as `ENOENT` and `EACCES`.
    #[inline]
    pub fn lookup(dfd: c_int, name: &Filename, lookup: LookupFlags) -> Result<Self> {
        check_fs()?;

        let mut path = MaybeUninit::<Self>::uninit();
        let raw = path.as_mut_ptr().cast();

        // SAFETY: `name` is valid and `raw` is valid for writes. `check_fs()` succeeded, so the
        // task has a `fs_struct` and a descriptor table. A null `root` selects the root of the
        // task.
        to_result(unsafe {
            bindings::filename_lookup(dfd, name.as_raw(), lookup.into(), raw, ptr::null())
        })?;

        // INVARIANT: On success, `filename_lookup()` returns owned references. `LookupFlags`
        // contains neither `LOOKUP_PARENT` nor `LOOKUP_CREATE`, so the dentry is positive.
        // SAFETY: `filename_lookup()` succeeded, so it initialised `path`.
        Ok(unsafe { path.assume_init() })
    }

    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `ptr` points to a path that satisfies the type invariants for
    /// the duration of `'a`, and that the dentry is positive as [`Dentry::from_raw`] requires.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::path) -> &'a Self {
        // INVARIANT: The caller ensures each of the type invariants for `'a`.
        // SAFETY: The caller ensures that `ptr` is valid for `'a`; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns a raw pointer to the `struct path`.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::path {
        self.0.get()
    }

    /// Returns the dentry.
    #[inline]
    pub fn dentry(&self) -> &Dentry {
        // SAFETY: By the type invariants, the path is valid and does not change.
        let dentry = unsafe { (*self.as_raw()).dentry };

        // SAFETY: By the type invariants, the dentry is positive and referenced, and its superblock
        // is active, for as long as the path exists.
        unsafe { Dentry::from_raw(dentry) }
    }

    /// Opens the file with the credentials of the current task, without a permission check.
    ///
    /// The caller must check that the task may open the file: `dentry_open()` checks neither the
    /// mode and the ACLs of the file nor the directories of the path. Security modules, fanotify
    /// and leases still apply. Opening a file on a read-only mount for writing fails. May sleep.
    ///
    /// C: `dentry_open()`.
    ///
    /// # Errors
    ///
    /// - The errors of `dentry_open()`.
    #[inline]
    pub fn dentry_open(&self, flags: u32) -> Result<NewFile> {
        // SAFETY: A task may always read its own credentials.
        let cred = unsafe { bindings::current_cred() };

        // SAFETY: By the type invariants, the path is valid and its dentry is positive. The current
        // task holds `cred` during the call.
        // CAST: The flags are a bit field of the same width.
        let file = unsafe { bindings::dentry_open(self.as_raw(), flags as c_int, cred) };

        // SAFETY: `dentry_open()` returns an owned reference to a file that it allocated, or an
        // error pointer. It installs no file descriptor.
        unsafe { NewFile::from_raw(file) }
    }

    /// Opens a file that was decoded from a handle.
    ///
    /// Calls [`Operations::open`](super::exportfs::Operations::open) of the filesystem, or
    /// `file_open_root()` if the filesystem does not implement it. May sleep.
    ///
    /// C: `file_open_handle()`.
    ///
    /// # Errors
    ///
    /// - `ESRCH` if the current task is exiting.
    /// - The errors of the function that opens the file.
    #[inline]
    pub fn open_by_handle(&self, flags: u32) -> Result<NewFile> {
        check_fs()?;

        let ops = self.dentry().super_block().export_op();
        let path = self.as_raw();

        let file = match ops.and_then(|ops| ops.open) {
            // SAFETY: By the type invariants, the path is valid and its dentry is positive.
            Some(open) => unsafe { open(path, flags) },
            // SAFETY: By the type invariants, the path is valid and its dentry is positive. The
            // name is a C string. `check_fs()` succeeded, so the task has a `fs_struct`, whose
            // umask `O_TMPFILE` uses.
            // CAST: The flags are a bit field of the same width.
            None => unsafe { bindings::file_open_root(path, c"".as_char_ptr(), flags as c_int, 0) },
        };

        // SAFETY: `file_open_root()` returns an owned reference to a file that it allocated, or an
        // error pointer. It installs no file descriptor. The documentation of `struct
        // export_operations` requires the same of `->open()`.
        unsafe { NewFile::from_raw(file) }
    }

    /// Opens a file that was decoded from a handle, or returns `EAGAIN` if the VFS may wait.
    ///
    /// The VFS waits for the other end of a FIFO, for the holder of a lease and for fanotify
    /// listeners. This method only opens regular files, directories, and files that the filesystem
    /// opens itself ([`Operations::open`](super::exportfs::Operations::open)). It sets `O_NONBLOCK`
    /// during the open. `O_NONBLOCK` remains set in `f_flags` only if `flags` contains it.
    ///
    /// May sleep, as `IORING_OP_OPENAT2` may during submission:
    ///
    /// - The permission check may read an ACL from disk.
    /// - A security module may read the file, as IMA does.
    /// - The `->open()` of the file may take locks and read metadata from disk, such as the
    ///   descriptor of fs-verity, an encryption policy or a quota, or start a transaction, as the
    ///   first open on an ext4 mount does. It may also send a request to a server and wait for the
    ///   reply, as that of FUSE does.
    ///
    /// io_uring calls this method after a decode with `FhFlag::Nowait`, so only for filesystems
    /// that implement [`fh_to_dentry_nowait`](super::exportfs::Operations::fh_to_dentry_nowait).
    ///
    /// # Errors
    ///
    /// - `EAGAIN` if the file has a lease that conflicts with the open.
    /// - `EAGAIN`, without an attempt to open the file, if the dentry has a
    ///   `->d_weak_revalidate()`, or if `flags` contains `O_TRUNC`, `O_CREAT` or `O_TMPFILE`.
    /// - `EAGAIN`, without an attempt to open the file, if `flags` does not contain `O_PATH`, and
    ///   the file is of another type or a fanotify group watches the filesystem for permission
    ///   events.
    /// - The errors of [`Self::open_by_handle`].
    #[inline]
    pub fn try_open_by_handle(&self, flags: u32) -> Result<NewFile> {
        if self.open_may_wait(flags) {
            return Err(EAGAIN);
        }
        let mut file = self.open_by_handle(flags | O_NONBLOCK)?;

        if flags & O_NONBLOCK == 0 {
            file.clear_nonblock();
        }
        Ok(file)
    }

    /// Returns `true` if the VFS may wait during an open with `O_NONBLOCK`, or if the result may
    /// differ from that of an open without it.
    #[inline]
    fn open_may_wait(&self, flags: u32) -> bool {
        let dentry = self.dentry();
        let sb = dentry.super_block();

        // `->d_weak_revalidate()` may ask a server.
        if dentry.is_weakly_revalidated() {
            return true;
        }
        // These flags modify the filesystem, which may be frozen.
        if flags & (O_TRUNC | O_CREAT | (O_TMPFILE & !O_DIRECTORY)) != 0 {
            return true;
        }
        // Only the path is opened, and not the file.
        if flags & bindings::O_PATH != 0 {
            return false;
        }
        // SAFETY: The superblock is active while the path is borrowed.
        if unsafe { bindings::fsnotify_sb_has_perm_watchers(sb.as_raw()) } {
            return true;
        }
        if dentry.is_reg() || dentry.is_dir() {
            return false;
        }
        // A FIFO, a device or another special file, unless the filesystem opens its files itself.
        sb.export_op().is_none_or(|ops| ops.open.is_none())
    }

    /// Calls `->d_weak_revalidate()` of the dentry, as a path lookup of an open file does.
    ///
    /// After `ESTALE`, calls it again with `LOOKUP_REVAL`, as `filename_lookup()` does. May sleep,
    /// unless `nonblock` is `true`.
    ///
    /// # Errors
    ///
    /// - `EAGAIN` if `nonblock` is `true` and the dentry has a `->d_weak_revalidate()`.
    /// - `ESTALE` if the dentry is not valid.
    /// - Any other error of `->d_weak_revalidate()`.
    #[cfg(any(CONFIG_FHANDLE_RUST, CONFIG_IO_URING_HANDLE))]
    #[inline]
    pub(super) fn weak_revalidate(&self, nonblock: bool) -> Result {
        if !self.dentry().is_weakly_revalidated() {
            return Ok(());
        }
        if nonblock {
            return Err(EAGAIN);
        }
        let dentry = self.dentry().as_raw();
        // SAFETY: The dentry is valid by its type invariants. Its operations are constant.
        let ops = unsafe { (*dentry).d_op.as_ref() };
        let Some(revalidate) = ops.and_then(|ops| ops.d_weak_revalidate) else {
            return Ok(());
        };

        // SAFETY: The dentry is valid and positive by its type invariants. Without `LOOKUP_RCU`,
        // the function may sleep.
        let call = |flags| match unsafe { revalidate(dentry, flags) } {
            0 => Err(ESTALE),
            ret => to_result(ret),
        };

        match call(0) {
            Err(ESTALE) => call(bindings::LOOKUP_REVAL),
            result => result,
        }
    }
}

impl Clone for Path {
    /// Takes a reference to the mount and a reference to the dentry.
    #[inline]
    fn clone(&self) -> Self {
        // SAFETY: By the type invariants, the path is valid.
        unsafe { bindings::path_get(self.as_raw()) };

        // SAFETY: By the type invariants, the path is valid and does not change.
        let path = unsafe { *self.as_raw() };

        // SAFETY: `path_get()` took one reference to the mount and one to the dentry, which is
        // positive by the type invariants.
        unsafe { Self::from_owned(path) }
    }
}

// SAFETY: The mount and the dentry are reference counted. Any thread may use and drop them.
unsafe impl Send for Path {}

impl Drop for Path {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: A `Path` that is dropped is a value, not a `&Path`, so it owns both references.
        unsafe { bindings::path_put(self.as_raw()) };
    }
}
