// SPDX-License-Identifier: GPL-2.0

use super::{
    Encoder,
    Fid,
    Operations, //
};
use crate::{
    bindings,
    error::from_result,
    fs::{
        Dentry,
        Inode,
        OwnedDentry,
        Path,
        SuperBlock, //
    },
    prelude::*, //
};
use core::{
    marker::PhantomData,
    ptr, //
};

/// The C table of the [`Operations`] `T` (`struct export_operations`).
///
/// Operations that are not implemented are NULL, which functions such as `exportfs_may_export()`
/// rely on. The table is a constant, and can be a `static` that C refers to.
///
/// # Invariants
///
/// The table is only used for superblocks that [`Table::new`] allows.
#[repr(transparent)]
pub struct Table<T: Operations> {
    ops: bindings::export_operations,
    _operations: PhantomData<T>,
}

// SAFETY: The table is never written.
unsafe impl<T: Operations> Sync for Table<T> {}

impl<T: Operations> Table<T> {
    /// Creates the table.
    ///
    /// # Safety
    ///
    /// If [`Operations::Private`] is not zero-sized, the caller must ensure that on each superblock
    /// with this table as `s_export_op`, the `i_private` of every inode that is passed to
    /// `encode_fh` points to such a value, which is valid for as long as the inode is, and that
    /// `i_private` does not change.
    pub const unsafe fn new() -> Self {
        // INVARIANT: The caller ensures the requirement on superblocks.
        Self {
            ops: Self::OPS,
            _operations: PhantomData,
        }
    }

    /// Returns the C table, which C can refer to at any time.
    #[inline]
    pub const fn as_raw(&'static self) -> &'static bindings::export_operations {
        &self.ops
    }

    const OPS: bindings::export_operations = bindings::export_operations {
        encode_fh: if T::HAS_ENCODE_FH {
            Some(Self::encode_fh)
        } else {
            None
        },
        fh_to_dentry: if T::HAS_FH_TO_DENTRY {
            Some(Self::fh_to_dentry)
        } else {
            None
        },
        fh_to_parent: if T::HAS_FH_TO_PARENT {
            Some(Self::fh_to_parent)
        } else {
            None
        },
        get_parent: if T::HAS_GET_PARENT {
            Some(Self::get_parent)
        } else {
            None
        },
        permission: if T::HAS_PERMISSION {
            Some(Self::permission)
        } else {
            None
        },
        open: if T::HAS_OPEN { Some(Self::open) } else { None },
        flags: T::FLAGS.as_raw(),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// The caller must ensure that `inode`, and `parent` unless it is null, are valid inodes of an
    /// active superblock with this table, and that `fid` and `len` satisfy the requirements of
    /// [`Encoder::from_raw`].
    unsafe extern "C" fn encode_fh(
        inode: *mut bindings::inode,
        fid: *mut u32,
        len: *mut c_int,
        parent: *mut bindings::inode,
    ) -> c_int {
        // SAFETY: The caller passes a valid inode of an active superblock. By the type invariants,
        // its `i_private` is as `Inode::from_raw` requires.
        let inode = unsafe { Inode::from_raw(inode) };
        let parent = if parent.is_null() {
            None
        } else {
            // SAFETY: `parent` is not null, so it is a valid inode of the same superblock. By the
            // type invariants, its `i_private` is as `Inode::from_raw` requires.
            Some(unsafe { Inode::from_raw(parent) })
        };
        // SAFETY: The caller passes `fid` and `len` as required.
        let encoder = unsafe { Encoder::from_raw(fid, len) };

        T::encode_fh(inode, encoder, parent).as_raw()
    }

    /// # Safety
    ///
    /// The caller must ensure that `sb` is an active superblock with this table, and that `fid` and
    /// `len` satisfy the requirements of [`Fid::from_raw`].
    unsafe extern "C" fn fh_to_dentry(
        sb: *mut bindings::super_block,
        fid: *mut bindings::fid,
        len: c_int,
        fileid_type: c_int,
    ) -> *mut bindings::dentry {
        // SAFETY: The caller passes an active superblock.
        let sb = unsafe { SuperBlock::from_raw(sb) };
        // SAFETY: The caller passes `fid` and `len` as required.
        let fid = unsafe { Fid::from_raw(fid, len, fileid_type) };

        into_raw(sb, T::fh_to_dentry(sb, &fid))
    }

    /// # Safety
    ///
    /// The requirements are those of [`Self::fh_to_dentry`].
    unsafe extern "C" fn fh_to_parent(
        sb: *mut bindings::super_block,
        fid: *mut bindings::fid,
        len: c_int,
        fileid_type: c_int,
    ) -> *mut bindings::dentry {
        // SAFETY: The caller passes an active superblock.
        let sb = unsafe { SuperBlock::from_raw(sb) };
        // SAFETY: The caller passes `fid` and `len` as required.
        let fid = unsafe { Fid::from_raw(fid, len, fileid_type) };

        into_raw(sb, T::fh_to_parent(sb, &fid))
    }

    /// # Safety
    ///
    /// The caller must ensure that `child` is a positive, referenced dentry of an active
    /// superblock.
    unsafe extern "C" fn get_parent(child: *mut bindings::dentry) -> *mut bindings::dentry {
        // SAFETY: The caller passes a positive, referenced dentry of an active superblock.
        let child = unsafe { Dentry::from_raw(child) };

        into_raw(child.super_block(), T::get_parent(child).map(Some))
    }

    extern "C" fn permission(_ctx: *mut bindings::handle_to_path_ctx, oflags: c_uint) -> c_int {
        from_result(|| T::permission(oflags).map(|()| 0))
    }

    /// # Safety
    ///
    /// The caller must ensure that `path` satisfies the requirements of [`Path::from_raw`].
    unsafe extern "C" fn open(path: *const bindings::path, oflags: c_uint) -> *mut bindings::file {
        // SAFETY: The caller passes `path` as required.
        let path = unsafe { Path::from_raw(path) };

        match T::open(path, oflags) {
            Ok(file) => file.into_raw(),
            Err(err) => err.to_ptr(),
        }
    }
}

/// Passes a reference to a dentry on `sb`, NULL, or an error pointer to C.
///
/// C relies on the dentry being on that superblock. The lifetime of the dentry does not prove it,
/// because two superblocks can be borrowed for the same lifetime. Where the filesystem created the
/// [`OwnedDentry`] from `sb` itself, the comparison is optimised out.
#[inline]
fn into_raw(sb: &SuperBlock, result: Result<Option<OwnedDentry<'_>>>) -> *mut bindings::dentry {
    match result {
        Ok(Some(dentry)) if ptr::eq(dentry.super_block(), sb) => dentry.into_raw(),
        Ok(Some(_)) => ESTALE.to_ptr(),
        Ok(None) => ptr::null_mut(),
        Err(err) => err.to_ptr(),
    }
}
