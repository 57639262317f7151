// SPDX-License-Identifier: GPL-2.0

use super::{
    inode,
    FileSystem,
    Object, //
};
use crate::{
    bindings,
    error::from_err_ptr,
    fs::{
        self,
        exportfs::Table,
        OwnedDentry, //
    },
    prelude::*,
    sync::Arc,
    types::ForeignOwnable, //
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    }, //
};

/// The superblock of a pseudo filesystem.
///
/// # Invariants
///
/// - The superblock was set up by `Self::fill`, and is active for as long as a reference to it
///   exists.
/// - `s_fs_info` owns a `T::Data`, from before it is set up until after the last inode is evicted.
/// - `i_private` of each of its inodes owns an [`Arc`] of a `T::Private`, except for the root's,
///   where it is null.
#[repr(transparent)]
pub struct SuperBlock<T: FileSystem> {
    inner: fs::SuperBlock,
    _file_system: PhantomData<fn() -> T>,
}

impl<T: FileSystem> SuperBlock<T> {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a superblock that [`Self::fill`] has set up and that stays active for
    /// the duration of `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(ptr: *const bindings::super_block) -> &'a Self {
        // INVARIANT: Guaranteed by the caller.
        // SAFETY: The caller guarantees validity for `'a`; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns what the filesystem keeps in `s_fs_info`.
    #[inline]
    pub fn data(&self) -> <T::Data as ForeignOwnable>::Borrowed<'_> {
        // SAFETY: By the type invariants, the superblock is valid and the field does not change.
        let data = unsafe { (*self.as_raw()).s_fs_info };

        // SAFETY: By the type invariants, the superblock owns a `T::Data`, which it has for longer
        // than it is active.
        unsafe { T::Data::borrow(data) }
    }

    /// Returns the dentry of an object, and makes its inode and dentry if there are none.
    ///
    /// If there is an inode with the number of `object`, the dentry is that inode's.
    ///
    /// This is for [`fh_to_dentry`](crate::fs::exportfs::Operations::fh_to_dentry), whose caller
    /// has a mount. It may wait for an inode with that number to be freed, and so is not for a
    /// filesystem with [`Flags::NONBLOCK`](crate::fs::exportfs::Flags).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// C: `iget_locked()`, `d_obtain_alias()`. May sleep.
    pub fn dentry(&self, object: Arc<T::Private>) -> Result<OwnedDentry<'_>> {
        // SAFETY: The superblock is active by the type invariants.
        let inode = unsafe { bindings::iget_locked(self.as_raw(), object.ino()) };
        if inode.is_null() {
            return Err(ENOMEM);
        }

        // SAFETY: The inode is valid, and the reference to it is ours.
        let state = unsafe { bindings::inode_state_read_once(inode) };
        if state & bindings::inode_state_flags_enum_I_NEW != 0 {
            // SAFETY: The inode is new, and so locked, and is one of a superblock of `T`.
            unsafe { inode::init::<T>(inode, object) };
        }

        // SAFETY: The reference to the inode passes to the callee.
        let dentry = from_err_ptr(unsafe { bindings::d_obtain_alias(inode) })?;

        // SAFETY: `d_obtain_alias()` never returns null for an inode.
        let dentry = unsafe { NonNull::new_unchecked(dentry) };

        // SAFETY: `d_obtain_alias()` took a reference to a dentry of the inode, which is one of
        // this superblock.
        Ok(unsafe { OwnedDentry::from_raw(dentry, self) })
    }

    const OPERATIONS: bindings::super_operations = bindings::super_operations {
        // An inode that nobody uses is not kept.
        drop_inode: Some(bindings::inode_just_drop),
        evict_inode: Some(inode::evict::<T>),
        statfs: Some(bindings::simple_statfs),
        ..pin_init::zeroed()
    };

    const DENTRY_OPERATIONS: bindings::dentry_operations = bindings::dentry_operations {
        d_dname: Some(inode::d_dname::<T>),
        ..pin_init::zeroed()
    };

    // SAFETY: Used only by `EXPORT_OPERATIONS`, which is of superblocks of `T` alone. By their type
    // invariants, the inodes have a `T::Private`, except for the root, which `encode_fh` keeps from
    // the table.
    const TABLE: Table<T> = unsafe { Table::new() };

    const EXPORT_OPERATIONS: bindings::export_operations = bindings::export_operations {
        encode_fh: if T::HAS_ENCODE_FH {
            Some(Self::encode_fh)
        } else {
            None
        },
        ..*Self::TABLE.as_raw()
    };

    /// Names a file, unless it is the root directory, to which no handle leads.
    ///
    /// # Safety
    ///
    /// As `encode_fh` of `struct export_operations`, for an inode of a superblock of `T`.
    unsafe extern "C" fn encode_fh(
        inode: *mut bindings::inode,
        fid: *mut u32,
        len: *mut c_int,
        _parent: *mut bindings::inode,
    ) -> c_int {
        // SAFETY: The caller passes a valid inode.
        let is_root = unsafe { (*inode).i_private.is_null() };

        match Self::TABLE.as_raw().encode_fh {
            // SAFETY: The caller passes what the callee expects. There is no directory that could
            // be a parent.
            Some(encode_fh) if !is_root => unsafe { encode_fh(inode, fid, len, ptr::null_mut()) },
            // As the VFS would take a negative number for a kind of handle, that is all there is
            // to say. For user space it is `EOVERFLOW`.
            _ => bindings::fid_type_FILEID_INVALID as c_int,
        }
    }

    /// Sets up a new superblock.
    ///
    /// # Safety
    ///
    /// As the callback of `get_tree_single()`: `sb` is a new superblock, locked, and `s_fs_info`
    /// owns a `T::Data`.
    pub(super) unsafe extern "C" fn fill(
        sb: *mut bindings::super_block,
        _fc: *mut bindings::fs_context,
    ) -> c_int {
        // SAFETY: The caller passes a superblock that nobody else looks at, but for its place in
        // the lists of superblocks.
        unsafe {
            (*sb).s_maxbytes = T::MAX_BYTES;
            (*sb).s_blocksize = bindings::PAGE_SIZE;
            (*sb).s_blocksize_bits = bindings::PAGE_SHIFT as u8;
            (*sb).s_magic = T::MAGIC;
            (*sb).s_op = &Self::OPERATIONS;
            (*sb).s_export_op = &Self::EXPORT_OPERATIONS;
            (*sb).s_time_gran = 1;
        }

        // SAFETY: The operations of the superblock are those for the inodes of `T`.
        let root = unsafe { inode::new_root::<T>(sb) };

        // SAFETY: The reference to the inode passes to the callee, which accepts null.
        let root = unsafe { bindings::d_make_root(root) };
        if root.is_null() {
            return ENOMEM.to_errno();
        }

        // SAFETY: As above, nobody else looks at the superblock.
        unsafe { (*sb).s_root = root };

        // SAFETY: As above. The root is a directory and has no use for the operations.
        unsafe { bindings::set_default_d_op(sb, &Self::DENTRY_OPERATIONS) };
        0
    }
}

impl<T: FileSystem> Deref for SuperBlock<T> {
    type Target = fs::SuperBlock;

    #[inline]
    fn deref(&self) -> &fs::SuperBlock {
        &self.inner
    }
}
