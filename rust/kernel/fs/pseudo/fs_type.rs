// SPDX-License-Identifier: GPL-2.0

use super::{
    FileSystem,
    Mount,
    SuperBlock, //
};
use crate::{
    bindings,
    error::from_err_ptr,
    fs,
    module::this_module,
    prelude::*,
    str::as_char_ptr_in_const_context,
    types::{
        ForeignOwnable,
        Opaque,
        ScopeGuard, //
    }, //
};
use core::marker::PhantomData;

/// The type of a pseudo filesystem: `struct file_system_type`.
///
/// It is a static, and needs no registration: that is for types which user space names in order
/// to mount them. The superblock is made when there is a first [`Mount`], and is gone when nobody
/// has a mount any more.
///
/// # Invariants
///
/// - `owner` is the module that the code of `T` is in, and every superblock of this type holds a
///   reference to it until the VFS no longer looks at the type.
/// - Superblocks of this type are made by `SuperBlock::fill`, and none but [`Self::mount`] asks
///   for one.
#[repr(transparent)]
pub struct Type<T: FileSystem> {
    inner: Opaque<bindings::file_system_type>,
    _file_system: PhantomData<fn() -> T>,
}

// SAFETY: The fields that change are the list of superblocks, which is protected by `sb_lock`, and
// the keys of lockdep.
unsafe impl<T: FileSystem> Sync for Type<T> {}

impl<T: FileSystem> Type<T> {
    /// Makes the type, for a static.
    #[expect(clippy::new_without_default)]
    pub const fn new() -> Self {
        const { assert!(T::MAX_BYTES >= 0, "a size is not negative") };

        // INVARIANT: `owner` is the module in which `Operations` is implemented for `T`; the VFS
        // takes a reference to it for every context and superblock, in `get_filesystem()`, and puts
        // it as the last thing it does. What is made of a context is up to `init_fs_context`.
        Self {
            inner: Opaque::new(bindings::file_system_type {
                name: as_char_ptr_in_const_context(T::NAME),
                init_fs_context: Some(Self::init_fs_context),
                kill_sb: Some(Self::kill_sb),
                owner: this_module::<T::OwnerModule>().as_ptr(),
                ..pin_init::zeroed()
            }),
            _file_system: PhantomData,
        }
    }

    /// Makes an internal mount.
    ///
    /// If there is no superblock, one is made, and has `data`. If there is one, it keeps what it
    /// has, and `data` is dropped.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the module is about to be unloaded, `ENOMEM`.
    ///
    /// C: `fc_mount()`. May sleep.
    pub fn mount(&'static self, data: T::Data) -> Result<Mount<T>> {
        let owner = this_module::<T::OwnerModule>().as_ptr();

        // The VFS expects that somebody holds the module when a superblock is asked for.
        // SAFETY: `owner` is the module that this code is in, or null where it is built in.
        if !unsafe { bindings::try_module_get(owner) } {
            return Err(ENODEV);
        }
        let _module = ScopeGuard::new(|| {
            // SAFETY: The reference was taken above. If there is a superblock now, it has its own.
            unsafe { bindings::module_put(owner) }
        });

        // SAFETY: The type is valid, and does not move, by being static.
        let fc = from_err_ptr(unsafe {
            bindings::fs_context_for_mount(self.inner.get(), bindings::SB_KERNMOUNT)
        })?;

        // SAFETY: The context is ours alone. `init_fs_context` left the field null.
        unsafe { (*fc).s_fs_info = data.into_foreign() };

        // SAFETY: The context is valid, and has been used for nothing yet.
        let mnt = from_err_ptr(unsafe { bindings::fc_mount(fc) });

        // SAFETY: The context is ours, and is not used after this. `free` drops what a new
        // superblock has not taken.
        unsafe { bindings::put_fs_context(fc) };

        // SAFETY: The mount is one of this type, and the reference to it is ours.
        mnt.map(|mnt| unsafe { Mount::from_raw(mnt) })
    }

    /// Returns the superblock with its type, if it is one of this filesystem.
    #[inline]
    pub fn super_block<'a>(&self, sb: &'a fs::SuperBlock) -> Option<&'a SuperBlock<T>> {
        // SAFETY: The superblock is active by its type invariants; `s_type` never changes.
        let s_type = unsafe { (*sb.as_raw()).s_type };

        // SAFETY: By the type invariants, superblocks of this type are made by `SuperBlock::fill`,
        // and nobody gets at one before that.
        (s_type == self.inner.get()).then(|| unsafe { SuperBlock::from_raw(sb.as_raw()) })
    }

    const CONTEXT: bindings::fs_context_operations = bindings::fs_context_operations {
        free: Some(Self::free),
        get_tree: Some(Self::get_tree),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// As `init_fs_context` of `struct file_system_type`: `fc` is a context of this type that is
    /// being made.
    unsafe extern "C" fn init_fs_context(fc: *mut bindings::fs_context) -> c_int {
        // SAFETY: The caller passes a context that nobody else has.
        let fc = unsafe { &mut *fc };

        fc.ops = &Self::CONTEXT;
        fc.sb_flags |= bindings::SB_NOUSER;
        fc.s_iflags |= bindings::SB_I_NOEXEC | bindings::SB_I_NODEV;
        fc.set_global(true);
        0
    }

    /// # Safety
    ///
    /// As `get_tree` of `struct fs_context_operations`: `fc` is a context of this type.
    unsafe extern "C" fn get_tree(fc: *mut bindings::fs_context) -> c_int {
        // SAFETY: The caller passes a context of this type, in which `Type::mount` has put a
        // `T::Data`; so `SuperBlock::fill` may be called for the superblock that it is moved to.
        unsafe { bindings::get_tree_single(fc, Some(SuperBlock::<T>::fill)) }
    }

    /// # Safety
    ///
    /// As `free` of `struct fs_context_operations`: `fc` is a context of this type, which is not
    /// used after this.
    unsafe extern "C" fn free(fc: *mut bindings::fs_context) {
        // SAFETY: The caller passes a valid context.
        let data = unsafe { (*fc).s_fs_info };

        // SAFETY: `Type::mount` put it there, and `sget_fc()` sets it to null where it moves it to
        // a superblock.
        drop(unsafe { T::Data::try_from_foreign(data) });
    }

    /// # Safety
    ///
    /// As `kill_sb` of `struct file_system_type`: `sb` is a superblock of this type that nobody
    /// uses any more.
    unsafe extern "C" fn kill_sb(sb: *mut bindings::super_block) {
        // SAFETY: The caller passes a valid superblock.
        let data = unsafe { (*sb).s_fs_info };

        // SAFETY: The caller passes a superblock that `get_tree_single()` made, which is what
        // `set_anon_super_fc()` has been called for.
        unsafe { bindings::kill_anon_super(sb) };

        // SAFETY: `sget_fc()` moved it there from the context, and with the last inode evicted,
        // nobody borrows it any more.
        drop(unsafe { T::Data::try_from_foreign(data) });
    }
}
