// SPDX-License-Identifier: GPL-2.0

use super::{
    inode,
    FileSystem,
    Mount, //
};
use crate::{
    bindings,
    error::from_err_ptr,
    fs::{
        exportfs::Table,
        OwnedDentry,
        SuperBlock, //
    },
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::Arc,
    task::Task,
    types::Opaque, //
};
use core::{
    marker::PhantomData,
    ptr, //
};

/// The type of a pseudo filesystem: `struct file_system_type`.
///
/// A value is a static that [`file_system_type!`](super::file_system_type) declares. It is not
/// registered, because user space does not mount it by name. The superblock is created with the
/// first [`Mount`] and shut down with the last one.
///
/// # Invariants
///
/// - The value is a static. Lockdep requires this of the lock class keys in it.
/// - `owner` is the module that contains the static, or null if it is built in. Every superblock of
///   this type holds a reference to it until the VFS no longer uses the type.
/// - Every superblock of this type is set up by `init_fs_context`. `i_private` of its inodes owns
///   an [`Arc`] of a `T::Private`, except for the root directory, where it is null. No path leads
///   to the root directory: it is nobody's parent, and no function opens it.
#[repr(transparent)]
pub struct FileSystemType<T: FileSystem> {
    inner: Opaque<bindings::file_system_type>,
    _file_system: PhantomData<fn() -> T>,
}

// SAFETY: C changes two fields only: the list of superblocks, which `sb_lock` protects, and the
// lock class keys, which lockdep protects.
unsafe impl<T: FileSystem> Sync for FileSystemType<T> {}

/// Declares a static [`FileSystemType`].
///
/// A static is the only safe way to have one: its lock class keys have to be in the data of the
/// kernel or of a module (`static_obj()` in
/// [`kernel/locking/lockdep.c`](srctree/kernel/locking/lockdep.c)), and `&'static self` alone does
/// not ensure that, because a leaked allocation is `'static` as well.
///
/// See the [module documentation](crate::fs::pseudo) for an example.
///
/// [`FileSystemType`]: crate::fs::pseudo::FileSystemType
#[doc(hidden)]
#[allow(clippy::crate_in_macro_def)]
#[macro_export]
macro_rules! pseudo_file_system_type {
    ($(#[$attr:meta])* $vis:vis static $name:ident: $file_system:ty;) => {
        $(#[$attr])*
        $vis static $name: $crate::fs::pseudo::FileSystemType<$file_system> =
            // SAFETY: This is the value of a static of the crate that `LocalModule` belongs to.
            unsafe {
                $crate::fs::pseudo::FileSystemType::new(
                    $crate::module::this_module::<crate::LocalModule>(),
                )
            };
    };
}

impl<T: FileSystem> FileSystemType<T> {
    /// Creates the value of a static. Use [`file_system_type!`](super::file_system_type) instead.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the result is the value of a `static` of the module `owner`.
    #[doc(hidden)]
    pub const unsafe fn new(owner: &'static ThisModule) -> Self {
        // INVARIANT: By the contract of this function, this is a static of `owner`.
        // `alloc_fs_context()` and `sget_fc()` take a reference to it by `get_filesystem()`;
        // `put_filesystem()` is the last use of the type. If another module contains the code of
        // `T`, then `owner` depends on its symbols and holds it.
        Self {
            inner: Opaque::new(bindings::file_system_type {
                name: as_char_ptr_in_const_context(T::NAME),
                init_fs_context: Some(Self::init_fs_context),
                kill_sb: Some(bindings::kill_anon_super),
                owner: owner.as_ptr(),
                ..pin_init::zeroed()
            }),
            _file_system: PhantomData,
        }
    }

    /// Creates an internal mount, and the superblock if there is none.
    ///
    /// May sleep. C: `vfs_kern_mount()`.
    ///
    /// # Errors
    ///
    /// - `ENODEV` if the module is being unloaded.
    /// - `ENOMEM` if memory allocation fails.
    /// - `ESRCH` if the caller is exiting and has no namespaces any more. This is so when a file
    ///   that is open at exit is released.
    pub fn mount(&'static self) -> Result<Mount<T>> {
        // `alloc_fs_context()` takes the network namespace from `current->nsproxy`. do_exit()
        // clears that before it runs the task work that releases files.
        // SAFETY: The current task is valid, and only a task itself changes its `nsproxy`.
        if unsafe { (*Task::current_raw()).nsproxy }.is_null() {
            return Err(ESRCH);
        }

        // The caller of `get_filesystem()` has to hold the module.
        // SAFETY: `owner` does not change.
        let owner = unsafe { (*self.inner.get()).owner };
        // SAFETY: By the type invariants, `owner` contains the static `self`, or is null.
        if !unsafe { bindings::try_module_get(owner) } {
            return Err(ENODEV);
        }

        // SAFETY: By the type invariants, the type is a static, so it is valid and does not move.
        // The task has an `nsproxy`. The name and the data of the mount are optional.
        let mnt = from_err_ptr(unsafe {
            bindings::vfs_kern_mount(
                self.inner.get(),
                bindings::SB_KERNMOUNT as c_int,
                ptr::null(),
                ptr::null_mut(),
            )
        });

        // SAFETY: `try_module_get()` succeeded above. The superblock has its own reference.
        unsafe { bindings::module_put(owner) };

        // SAFETY: `vfs_kern_mount()` returned a reference to a mount of this type.
        mnt.map(|mnt| unsafe { Mount::from_raw(mnt) })
    }

    /// Returns the dentry of an object on `sb`. Creates the inode and the dentry if there are none.
    ///
    /// If there is an inode with the number of `object`, returns the dentry of that inode.
    ///
    /// This is for [`fh_to_dentry`](crate::fs::exportfs::Operations::fh_to_dentry). It waits for an
    /// inode with that number that is being freed, so a filesystem with `EXPORT_OP_NONBLOCK` cannot
    /// use it.
    ///
    /// May sleep. C: `iget_locked()`, `d_obtain_alias()`.
    ///
    /// # Errors
    ///
    /// - `EINVAL` if `sb` is not a superblock of this type.
    /// - `ENOMEM` if memory allocation fails.
    pub fn dentry<'sb>(
        &self,
        sb: &'sb SuperBlock,
        object: Arc<T::Private>,
    ) -> Result<OwnedDentry<'sb>> {
        // SAFETY: The superblock is active by its type invariants; `s_type` does not change.
        if unsafe { (*sb.as_raw()).s_type } != self.inner.get() {
            return Err(EINVAL);
        }

        // SAFETY: This is a superblock of a `FileSystemType<T>`.
        unsafe { inode::dentry::<T>(sb, object) }
    }

    const SUPER_OPERATIONS: bindings::super_operations = bindings::super_operations {
        // Do not cache inodes that have no references.
        drop_inode: Some(bindings::inode_just_drop),
        evict_inode: Some(inode::evict::<T>),
        statfs: Some(bindings::simple_statfs),
        ..pin_init::zeroed()
    };

    // SAFETY: Only superblocks of this type use this table. By the type invariants, `i_private` of
    // their inodes points to a `T::Private`. The exception is the root directory, of which nobody
    // can ask for a handle, because no path leads to it.
    const EXPORT_OPERATIONS: Table<T> = unsafe { Table::new() };

    const fn super_operations() -> &'static bindings::super_operations {
        &Self::SUPER_OPERATIONS
    }

    const fn export_operations() -> &'static bindings::export_operations {
        const { &Self::EXPORT_OPERATIONS }.as_raw()
    }

    /// # Safety
    ///
    /// The caller must ensure that `fc` is a new context of this type.
    unsafe extern "C" fn init_fs_context(fc: *mut bindings::fs_context) -> c_int {
        // SAFETY: By the contract of this function, `fc` is a new context.
        let ctx = unsafe { bindings::init_pseudo(fc, T::MAGIC) };
        if ctx.is_null() {
            return ENOMEM.to_errno();
        }

        // SAFETY: `init_pseudo()` allocated `ctx`, and only `fc` refers to it.
        let ctx = unsafe { &mut *ctx };
        ctx.ops = Self::super_operations();
        ctx.eops = Self::export_operations();
        ctx.dops = inode::dentry_operations();
        ctx.single = true;
        0
    }
}
