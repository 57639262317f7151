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
    ptr,
    slice, //
};

/// The C table (`struct export_operations`) of an implementation of [`Operations`].
///
/// An operation that `T` does not implement is NULL in the table. `exportfs_may_export()` and other
/// functions rely on this. A filesystem stores the table in a `static`, to which `s_export_op`
/// points.
///
/// # Invariants
///
/// Each superblock with this table as `s_export_op` satisfies the requirements of [`Table::new`].
#[repr(transparent)]
pub struct Table<T: Operations> {
    ops: bindings::export_operations,
    _operations: PhantomData<T>,
}

// SAFETY: A table is never written.
unsafe impl<T: Operations> Sync for Table<T> {}

impl<T: Operations> Table<T> {
    /// Creates the table.
    ///
    /// # Safety
    ///
    /// If [`Operations::Private`] is not zero-sized, the caller must ensure the following for each
    /// inode that is passed to `encode_fh` and whose superblock has this table as `s_export_op`:
    ///
    /// - `i_private` points to an [`Operations::Private`] that is valid for as long as the inode.
    /// - `i_private` does not change.
    pub const unsafe fn new() -> Self {
        // INVARIANT: The caller ensures the requirements for each superblock.
        Self {
            ops: Self::OPS,
            _operations: PhantomData,
        }
    }

    /// Returns the C table. C may keep the pointer, because the table is `'static`.
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
        fh_to_dentry_nowait: if T::HAS_FH_TO_DENTRY_NOWAIT {
            Some(Self::fh_to_dentry_nowait)
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
        get_name: if T::HAS_GET_NAME {
            Some(Self::get_name)
        } else {
            None
        },
        permission: if T::HAS_PERMISSION {
            Some(Self::permission)
        } else {
            None
        },
        open: if T::HAS_OPEN { Some(Self::open) } else { None },
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// The caller must ensure that:
    ///
    /// - `inode` is a valid inode of an active superblock with this table.
    /// - `parent` is null or a valid inode of the same superblock.
    /// - `fid` and `len` satisfy the requirements of [`Encoder::from_raw`].
    unsafe extern "C" fn encode_fh(
        inode: *mut bindings::inode,
        fid: *mut u32,
        len: *mut c_int,
        parent: *mut bindings::inode,
    ) -> c_int {
        // SAFETY: The caller passes a valid inode of an active superblock with this table. By the
        // type invariants, its `i_private` satisfies the requirements of `Inode::from_raw()`.
        let inode = unsafe { Inode::from_raw(inode) };
        let parent = if parent.is_null() {
            None
        } else {
            // SAFETY: `parent` is not null, so the caller passes a valid inode of the same
            // superblock. By the type invariants, its `i_private` satisfies the requirements of
            // `Inode::from_raw()`.
            Some(unsafe { Inode::from_raw(parent) })
        };
        // SAFETY: The caller ensures the requirements of `Encoder::from_raw()`.
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
        // SAFETY: The caller ensures the requirements of `Fid::from_raw()`.
        let fid = unsafe { Fid::from_raw(fid, len, fileid_type) };

        into_raw(sb, T::fh_to_dentry(sb, &fid))
    }

    /// # Safety
    ///
    /// The caller must ensure the requirements of [`Self::fh_to_dentry`].
    unsafe extern "C" fn fh_to_dentry_nowait(
        sb: *mut bindings::super_block,
        fid: *mut bindings::fid,
        len: c_int,
        fileid_type: c_int,
    ) -> *mut bindings::dentry {
        // SAFETY: The caller passes an active superblock.
        let sb = unsafe { SuperBlock::from_raw(sb) };
        // SAFETY: The caller ensures the requirements of `Fid::from_raw()`.
        let fid = unsafe { Fid::from_raw(fid, len, fileid_type) };

        into_raw(sb, T::fh_to_dentry_nowait(sb, &fid))
    }

    /// # Safety
    ///
    /// The caller must ensure the requirements of [`Self::fh_to_dentry`].
    unsafe extern "C" fn fh_to_parent(
        sb: *mut bindings::super_block,
        fid: *mut bindings::fid,
        len: c_int,
        fileid_type: c_int,
    ) -> *mut bindings::dentry {
        // SAFETY: The caller passes an active superblock.
        let sb = unsafe { SuperBlock::from_raw(sb) };
        // SAFETY: The caller ensures the requirements of `Fid::from_raw()`.
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

    /// # Safety
    ///
    /// The caller must ensure that
    ///
    /// - `parent` and `child` are positive, referenced dentries of an active superblock, and
    /// - `name` is valid for writes of `NAME_MAX + 1` bytes.
    unsafe extern "C" fn get_name(
        parent: *mut bindings::dentry,
        name: *mut c_char,
        child: *mut bindings::dentry,
    ) -> c_int {
        const NAME_MAX: usize = bindings::NAME_MAX as usize;

        // SAFETY: The caller passes a positive, referenced dentry of an active superblock.
        let parent = unsafe { Dentry::from_raw(parent) };
        // SAFETY: The caller passes a positive, referenced dentry of an active superblock.
        let child = unsafe { Dentry::from_raw(child) };
        let name = name.cast::<u8>();
        // SAFETY: The caller ensures that `name` is valid for writes of `NAME_MAX + 1` bytes.
        unsafe { name.write_bytes(0, NAME_MAX + 1) };
        // SAFETY: The call above has initialised these bytes.
        let name = unsafe { slice::from_raw_parts_mut(name, NAME_MAX + 1) };
        let Some((end, name)) = name.split_last_mut() else {
            return EINVAL.to_errno();
        };

        from_result(|| {
            let len = T::get_name(parent, child, name)?;

            // The name must be terminated.
            *name.get_mut(len).unwrap_or(end) = 0;
            if len > NAME_MAX {
                return Err(ENAMETOOLONG);
            }
            Ok(0)
        })
    }

    extern "C" fn permission(_ctx: *mut bindings::handle_to_path_ctx, oflags: c_uint) -> c_int {
        from_result(|| T::permission(oflags).map(|()| 0))
    }

    /// # Safety
    ///
    /// The caller must ensure that `path` satisfies the requirements of [`Path::from_raw`].
    unsafe extern "C" fn open(path: *const bindings::path, oflags: c_uint) -> *mut bindings::file {
        // SAFETY: The caller ensures the requirements of `Path::from_raw()`.
        let path = unsafe { Path::from_raw(path) };

        match T::open(path, oflags) {
            Ok(file) => file.into_raw(),
            Err(err) => err.to_ptr(),
        }
    }
}

/// Converts the result of an operation to an owned dentry on `sb`, NULL or an error pointer.
///
/// C requires a dentry on `sb`. The lifetime `'sb` does not prove that, because two superblocks can
/// be borrowed for the same lifetime, so this function compares the superblocks. The compiler
/// removes the comparison if the operation created the [`OwnedDentry`] with `sb`.
#[inline]
fn into_raw(sb: &SuperBlock, result: Result<Option<OwnedDentry<'_>>>) -> *mut bindings::dentry {
    match result {
        Ok(Some(dentry)) if ptr::eq(dentry.super_block(), sb) => dentry.into_raw(),
        Ok(Some(_)) => ESTALE.to_ptr(),
        Ok(None) => ptr::null_mut(),
        Err(err) => err.to_ptr(),
    }
}
