// SPDX-License-Identifier: GPL-2.0

//! Paths: a dentry seen through a mount.
//!
//! C header: [`include/linux/path.h`](srctree/include/linux/path.h)

use super::{
    file,
    Dentry,
    File,
    Filename,
    LookupFlags,
    OwnedDentry,
    SuperBlock, //
};
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::aref::ARef,
    types::Opaque, //
};
use core::{
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ptr::{
        self,
        NonNull, //
    }, //
};

/// Wraps the kernel's `struct path`.
///
/// A value owns a reference to the mount and one to the dentry; a `&Path` borrows both.
///
/// # Invariants
///
/// `mnt` and `dentry` point to a valid mount and a valid, positive dentry of that mount's
/// superblock, and are referenced for as long as the path exists. The mount keeps the superblock
/// active.
///
/// # Examples
///
/// ```
/// use kernel::fs::Path;
///
/// fn is_same_file(a: &Path, b: &Path) -> bool {
///     match (a.dentry().inode(), b.dentry().inode()) {
///         (Some(a), Some(b)) => core::ptr::eq(a, b),
///         _ => false,
///     }
/// }
/// ```
#[repr(transparent)]
pub struct Path(Opaque<bindings::path>);

// SAFETY: `path_put()` may be called from any thread that may sleep.
unsafe impl Send for Path {}

// SAFETY: The two pointers do not change, and what they point to is thread safe.
unsafe impl Sync for Path {}

impl Path {
    /// Takes over the references that `path` holds.
    ///
    /// # Safety
    ///
    /// `path` must be valid as the type invariants say, which includes that the dentry is positive,
    /// and own a reference to its mount and one to its dentry, which the caller gives up.
    #[inline]
    pub unsafe fn from_owned(path: bindings::path) -> Self {
        // INVARIANT: Guaranteed by the caller.
        Self(Opaque::new(path))
    }

    /// Returns the path of a kernel object on a filesystem that has one dentry for each of them,
    /// and makes the inode and the dentry if there are none.
    ///
    /// C: `path_from_stashed()`, which consumes the reference to the object in every case. May
    /// sleep.
    ///
    /// # Safety
    ///
    /// - `mnt` must be a mount of a filesystem with `struct stashed_operations`, and `object` what
    ///   these take as their data, of which the caller owns a reference and gives it up.
    /// - `stashed` must be the place where that filesystem keeps the dentry of the object, and
    ///   stay valid for as long as the object is referenced.
    #[inline]
    pub(super) unsafe fn from_stashed(
        stashed: *mut *mut bindings::dentry,
        mnt: *mut bindings::vfsmount,
        object: *mut c_void,
    ) -> Result<Self> {
        let mut path = MaybeUninit::uninit();

        // SAFETY: Guaranteed by the caller; `path` may be written.
        to_result(unsafe { bindings::path_from_stashed(stashed, mnt, object, path.as_mut_ptr()) })?;

        // SAFETY: `path_from_stashed()` succeeded and so initialised the path.
        let path = unsafe { path.assume_init() };

        // SAFETY: The path that `path_from_stashed()` returns owns its references, and leads to the
        // inode of the object.
        Ok(unsafe { Self::from_owned(path) })
    }

    /// Finds a file by its name, which starts from the directory `dfd` if it is relative.
    ///
    /// C: `filename_lookup()`. May sleep.
    #[inline]
    pub fn lookup(dfd: c_int, name: &Filename, lookup: LookupFlags) -> Result<Self> {
        let mut path = MaybeUninit::uninit();

        // SAFETY: `name` is valid, `path` may be written, and without a root there is the caller's.
        to_result(unsafe {
            bindings::filename_lookup(
                dfd,
                name.as_raw(),
                lookup.as_raw(),
                path.as_mut_ptr(),
                ptr::null(),
            )
        })?;

        // SAFETY: `filename_lookup()` succeeded and so initialised the path.
        let path = unsafe { path.assume_init() };

        // SAFETY: The path that `filename_lookup()` returns owns its references, and leads to a
        // file that exists.
        Ok(unsafe { Self::from_owned(path) })
    }

    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a path that is valid, with a positive dentry, and holds, or is covered
    /// by, references to its mount and its dentry for the duration of `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::path) -> &'a Self {
        // INVARIANT: Guaranteed by the caller.
        // SAFETY: The caller guarantees validity for `'a`; the type is transparent.
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

        // SAFETY: By the type invariants, the dentry is referenced and its superblock active for as
        // long as the path exists.
        unsafe { Dentry::from_raw(dentry) }
    }

    /// Opens the file, with the credentials of the caller.
    ///
    /// Does not ask for permission: neither the mode and the ACLs of the file nor those of any
    /// directory are looked at. Who may open the file, and how, is the decision of those who call
    /// this, as it is in C. Asked are the security modules, those who watch the file (fanotify) or
    /// have a lease on it, and, for writing, whether the mount and the file can be written to now.
    ///
    /// C: `dentry_open()`. May sleep.
    #[inline]
    pub fn dentry_open(&self, flags: u32) -> Result<ARef<File>> {
        // SAFETY: A task may read its own credentials at any time.
        let cred = unsafe { bindings::current_cred() };

        // SAFETY: By the type invariants, the path is valid and its dentry positive; `cred` is
        // valid for as long as the task runs with it, which is at least until this call returns.
        // CAST: The flags are a bit field of the same width.
        let file = unsafe { bindings::dentry_open(self.as_raw(), flags as c_int, cred) };

        // SAFETY: `dentry_open()` returns a new file, of which the reference is ours, or an error
        // pointer.
        unsafe { file_from_raw(file) }
    }

    /// Opens a file that has been found by its handle, as the filesystem has it: with its
    /// [`open`](super::exportfs::Operations::open), or else as by an empty name.
    ///
    /// C: `file_open_handle()`. May sleep.
    #[inline]
    pub fn open_by_handle(&self, flags: u32) -> Result<ARef<File>> {
        // SAFETY: By its type invariants, the superblock may be read.
        let ops = unsafe { (*self.dentry().super_block().as_raw()).s_export_op };

        // SAFETY: The superblock is active while the path is referenced, and tables of operations
        // last as long.
        let ops = unsafe { ops.as_ref() };
        let path = self.as_raw();

        let file = match ops.and_then(|ops| ops.open) {
            // SAFETY: The path is valid by the type invariants.
            Some(open) => unsafe { open(path, flags) },
            // SAFETY: Likewise; the name is a C string.
            // CAST: The flags are a bit field of the same width.
            None => unsafe { bindings::file_open_root(path, c"".as_char_ptr(), flags as c_int, 0) },
        };

        // SAFETY: Both return a new file, of which the reference is ours, or an error pointer.
        unsafe { file_from_raw(file) }
    }

    /// Opens a file that has been found by its handle, if it takes no waiting.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if it does. Otherwise as [`Self::open_by_handle`].
    #[inline]
    pub fn try_open_by_handle(&self, flags: u32) -> Result<ARef<File>> {
        let file = self.open_by_handle(flags | file::flags::O_NONBLOCK)?;

        if flags & file::flags::O_NONBLOCK == 0 {
            // SAFETY: The file has just been opened, and nobody has seen it yet.
            unsafe { (*file.as_ptr()).f_flags &= !file::flags::O_NONBLOCK };
        }
        Ok(file)
    }

    /// Gives up the mount and keeps the dentry, for a caller who has the superblock.
    ///
    /// May sleep, as `mntput()` may.
    ///
    /// # Errors
    ///
    /// `EXDEV` if the file is not on that superblock.
    #[inline]
    pub fn into_dentry(self, sb: &SuperBlock) -> Result<OwnedDentry<'_>> {
        /// Out of line, as it does not happen where handles are decoded.
        #[cold]
        fn elsewhere(path: Path) -> Error {
            drop(path);
            EXDEV
        }

        if !ptr::eq(self.dentry().super_block(), sb) {
            return Err(elsewhere(self));
        }

        let path = ManuallyDrop::new(self);
        // SAFETY: By the type invariants, the path is valid; it is not used after this.
        let bindings::path { mnt, dentry } = unsafe { *path.as_raw() };

        // SAFETY: The path owns a reference to its mount, and is not dropped.
        unsafe { bindings::mntput(mnt) };

        // SAFETY: By the type invariants, the dentry is not null.
        let dentry = unsafe { NonNull::new_unchecked(dentry) };

        // SAFETY: By the type invariants, the dentry is positive, and the path owned a reference to
        // it. It is one of `sb`, as was just checked.
        Ok(unsafe { OwnedDentry::from_raw(dentry, sb) })
    }
}

impl Drop for Path {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: A `Path` that is dropped is a value, and so owns its two references.
        unsafe { bindings::path_put(self.as_raw()) };
    }
}

/// Takes over a file that C has opened, or its error.
///
/// # Safety
///
/// `file` must be an error pointer, or point to a file that has just been opened, of which the
/// caller gives up the reference.
#[inline]
unsafe fn file_from_raw(file: *mut bindings::file) -> Result<ARef<File>> {
    let file = from_err_ptr(file)?;

    // SAFETY: `from_err_ptr()` took the errors out, so it points to a file.
    let file = unsafe { NonNull::new_unchecked(file) };

    // SAFETY: The caller passes a reference to a file that nobody has called `fdget_pos()` on.
    Ok(unsafe { ARef::from_raw(file.cast()) })
}
