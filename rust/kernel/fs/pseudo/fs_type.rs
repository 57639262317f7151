// SPDX-License-Identifier: GPL-2.0

use super::{
    inode,
    FileSystem,
    Mount,
    Object, //
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

/// The type of a pseudo filesystem (`struct file_system_type`).
///
/// [`file_system_type!`](super::file_system_type) declares a `static` of this type. The type is not
/// registered, because user space does not mount the filesystem by name. The VFS creates the
/// superblock with the first [`Mount`] and shuts it down with the last one.
///
/// # Invariants
///
/// - The value is a `static`. Lockdep requires this for the lock class keys in it.
/// - `owner` is the module that contains the `static`, or null if the `static` is built in. A
///   superblock of this type is created only after the initialisation of the module has succeeded.
///   It holds a reference to the module until the VFS no longer uses the type.
/// - `init_fs_context` sets up every superblock of this type. `i_private` of each inode owns an
///   [`Arc<T::Private>`](Arc), except for the root directory, where it is null.
/// - No path leads to the root directory: no dentry has it as its parent, and no function opens it.
#[repr(transparent)]
pub struct FileSystemType<T: FileSystem> {
    inner: Opaque<bindings::file_system_type>,
    _file_system: PhantomData<fn() -> T>,
}

// SAFETY: C code modifies two kinds of fields: the list of superblocks, which `sb_lock` protects,
// and the lock class keys, which lockdep protects.
unsafe impl<T: FileSystem> Sync for FileSystemType<T> {}

/// Declares a `static` of the type [`FileSystemType`].
///
/// There is no other safe constructor. Lockdep requires lock class keys in the data of the kernel
/// or of a module (`static_obj()` in
/// [`kernel/locking/lockdep.c`](srctree/kernel/locking/lockdep.c)). A `&'static self` does not
/// ensure that, because a reference to a leaked allocation is also `'static`.
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
            // SAFETY: The result is the value of a `static` in the crate that defines
            // `LocalModule`.
            unsafe {
                $crate::fs::pseudo::FileSystemType::new(
                    $crate::module::this_module::<crate::LocalModule>(),
                )
            };
    };
}

impl<T: FileSystem> FileSystemType<T> {
    /// Creates the value of a `static`.
    ///
    /// Use [`file_system_type!`](super::file_system_type) instead.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the result is the value of a `static` in the module `owner`.
    #[doc(hidden)]
    pub const unsafe fn new(owner: &'static ThisModule) -> Self {
        // INVARIANT: The caller ensures that the value is a `static` in `owner`.
        // The type is not registered, so only `mount()` creates superblocks, after it has checked
        // the state of `owner`. `alloc_fs_context()` and `sget_fc()` take a reference to `owner`
        // with `get_filesystem()`. `put_filesystem()` drops it after the last use of the type. If
        // another module contains the code of `T`, `owner` uses its symbols and so holds a
        // reference to that module.
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

    /// Creates an internal mount, and the superblock if it does not exist.
    ///
    /// May sleep.
    ///
    /// C: `vfs_kern_mount()`.
    ///
    /// # Errors
    ///
    /// - `EBUSY` if the initialisation of the module has not finished.
    /// - `ENODEV` if the initialisation of the module has failed, or the module is being unloaded.
    /// - `ENOMEM` if memory allocation fails.
    /// - `ESRCH` if the current task is exiting and has dropped its namespaces. This happens in the
    ///   `->release()` of a file that is open at exit.
    pub fn mount(&'static self) -> Result<Mount<T>> {
        // `alloc_fs_context()` dereferences `current->nsproxy`. `do_exit()` clears it before it
        // runs the task work that releases files.
        // SAFETY: The current task is valid, and only the task itself changes its `nsproxy`.
        if unsafe { (*Task::current_raw()).nsproxy }.is_null() {
            return Err(ESRCH);
        }

        // `vfs_kern_mount()` calls `get_filesystem()`, whose caller must hold the module.
        // SAFETY: `self` is valid, and `owner` does not change.
        let owner = unsafe { (*self.inner.get()).owner };

        // If the initialisation of a module fails, the module is freed with its references.
        if !owner.is_null() {
            // SAFETY: By the type invariants, `owner` is the module that contains `self`, so it is
            // valid. The read is volatile because another task may change the state.
            match unsafe { (&raw const (*owner).state).read_volatile() } {
                bindings::module_state_MODULE_STATE_LIVE => {}
                bindings::module_state_MODULE_STATE_COMING => return Err(EBUSY),
                _ => return Err(ENODEV),
            }
        }

        // SAFETY: By the type invariants, `owner` is null or the module that contains `self`.
        if !unsafe { bindings::try_module_get(owner) } {
            return Err(ENODEV);
        }

        // SAFETY: By the type invariants, the type is a `static`, so it stays valid and does not
        // move. The current task has an `nsproxy`. `vfs_kern_mount()` accepts a null name and null
        // data.
        let mnt = from_err_ptr(unsafe {
            bindings::vfs_kern_mount(
                self.inner.get(),
                bindings::SB_KERNMOUNT as c_int,
                ptr::null(),
                ptr::null_mut(),
            )
        });

        // SAFETY: `try_module_get()` succeeded above. The superblock holds its own reference.
        unsafe { bindings::module_put(owner) };

        // SAFETY: `vfs_kern_mount()` returned an owned reference to a mount of this type.
        mnt.map(|mnt| unsafe { Mount::from_raw(mnt) })
    }

    /// Returns the dentry of an object on `sb`, for
    /// [`fh_to_dentry`](crate::fs::exportfs::Operations::fh_to_dentry).
    ///
    /// Creates the inode and the dentry if they do not exist. If an inode with the number of
    /// `object` exists, returns the dentry of that inode and drops `object`.
    ///
    /// May sleep. If the inode is being freed, the function waits for that.
    ///
    /// C: `iget_locked()`, `d_obtain_alias()`.
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

        // SAFETY: `s_type` was checked above, so `sb` is a superblock of a `FileSystemType<T>`.
        unsafe { inode::dentry::<T>(sb, object) }
    }

    /// Returns the dentry of an object on `sb` without waiting, for
    /// [`fh_to_dentry_nowait`](crate::fs::exportfs::Operations::fh_to_dentry_nowait).
    ///
    /// The inode must be cached, which it is as long as a file of the object is open. The function
    /// does not create it, because [`Object::size`](super::Object::size) may sleep.
    ///
    /// C: `ilookup_nowait()`, `d_obtain_alias_nowait()`.
    ///
    /// # Errors
    ///
    /// - `EINVAL` if `sb` is not a superblock of this type.
    /// - `EAGAIN` if the inode of the object is not cached, new or being freed.
    /// - `ENOMEM` if memory allocation fails.
    pub fn dentry_nowait<'sb>(
        &self,
        sb: &'sb SuperBlock,
        object: &T::Private,
    ) -> Result<OwnedDentry<'sb>> {
        // SAFETY: The superblock is active by its type invariants; `s_type` does not change.
        if unsafe { (*sb.as_raw()).s_type } != self.inner.get() {
            return Err(EINVAL);
        }
        inode::dentry_nowait(sb, object.ino())
    }

    const SUPER_OPERATIONS: bindings::super_operations = bindings::super_operations {
        // Do not cache inodes without references.
        drop_inode: Some(bindings::inode_just_drop),
        evict_inode: Some(inode::evict::<T>),
        statfs: Some(bindings::simple_statfs),
        ..pin_init::zeroed()
    };

    // SAFETY: Only superblocks of this type have this table. By the type invariants, `i_private` of
    // each inode except the root directory owns a `T::Private`. No path leads to the root
    // directory, so its inode is not passed to `encode_fh`.
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
        // SAFETY: The caller ensures that `fc` is a new context.
        let ctx = unsafe { bindings::init_pseudo(fc, bindings::RUST_PSEUDO_FS_MAGIC as usize) };
        if ctx.is_null() {
            return ENOMEM.to_errno();
        }

        // SAFETY: `init_pseudo()` allocated `ctx`. Only `fc` refers to it, and `fc` is not used
        // concurrently.
        let ctx = unsafe { &mut *ctx };
        ctx.ops = Self::super_operations();
        ctx.eops = Self::export_operations();
        ctx.dops = inode::dentry_operations();
        ctx.single = true;
        0
    }
}
