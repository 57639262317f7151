// SPDX-License-Identifier: GPL-2.0

use super::{
    Context,
    Encoder,
    Fid,
    Name,
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
    prelude::*,
    sync::aref::ARef, //
};
use core::{
    marker::PhantomData,
    ptr, //
};

/// The C table of a filesystem's [`Operations`]: a `const struct export_operations`.
///
/// It has a NULL for each operation that is not implemented; `exportfs_may_export()` and the like
/// depend on that. It is made when the code is built, and can be a `static` that C links to.
///
/// # Invariants
///
/// The table is in use for superblocks of which [`Table::new`] tells, and for no others.
#[repr(transparent)]
pub struct Table<T: Operations> {
    ops: bindings::export_operations,
    _operations: PhantomData<T>,
}

// SAFETY: The table is never written.
unsafe impl<T: Operations> Sync for Table<T> {}

impl<T: Operations> Table<T> {
    /// Makes the table.
    ///
    /// # Safety
    ///
    /// The table must be the `s_export_op` only of superblocks where, if [`Operations::Private`]
    /// is not zero-sized, the `i_private` of every inode that can be named points to such a value,
    /// which is valid for as long as the inode is and not changed in that time.
    pub const unsafe fn new() -> Self {
        // INVARIANT: Guaranteed by the caller.
        Self {
            ops: Self::OPS,
            _operations: PhantomData,
        }
    }

    /// Returns the table as C sees it.
    #[inline]
    pub const fn as_raw(&self) -> &bindings::export_operations {
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
        get_name: if T::HAS_GET_NAME {
            Some(Self::get_name)
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
    /// As `encode_fh` of `struct export_operations`: `inode` is a valid inode of an active
    /// superblock with this table, `parent` is another one or null, `len` is valid, and `fid` has
    /// room for `*len` units of four bytes.
    unsafe extern "C" fn encode_fh(
        inode: *mut bindings::inode,
        fid: *mut u32,
        len: *mut c_int,
        parent: *mut bindings::inode,
    ) -> c_int {
        // SAFETY: The caller passes a valid inode; the contract of `Table::new` covers the rest.
        let inode = unsafe { Inode::from_raw(inode) };
        let parent = if parent.is_null() {
            None
        } else {
            // SAFETY: As for `inode`.
            Some(unsafe { Inode::from_raw(parent) })
        };
        // SAFETY: The caller passes a valid buffer and length, used by nobody else for the
        // duration of this call.
        let encoder = unsafe { Encoder::from_raw(fid, len) };

        T::encode_fh(inode, encoder, parent).as_raw()
    }

    /// # Safety
    ///
    /// As `fh_to_dentry` of `struct export_operations`: `sb` is an active superblock with this
    /// table, and `fid` has `len` units of four bytes.
    unsafe extern "C" fn fh_to_dentry(
        sb: *mut bindings::super_block,
        fid: *mut bindings::fid,
        len: c_int,
        kind: c_int,
    ) -> *mut bindings::dentry {
        // SAFETY: The caller passes an active superblock.
        let sb = unsafe { SuperBlock::from_raw(sb) };
        // SAFETY: The caller passes a buffer of that length.
        let fid = unsafe { Fid::from_raw(fid, len, kind) };

        into_raw(sb, T::fh_to_dentry(sb, &fid))
    }

    /// # Safety
    ///
    /// As [`Self::fh_to_dentry`].
    unsafe extern "C" fn fh_to_parent(
        sb: *mut bindings::super_block,
        fid: *mut bindings::fid,
        len: c_int,
        kind: c_int,
    ) -> *mut bindings::dentry {
        // SAFETY: The caller passes an active superblock.
        let sb = unsafe { SuperBlock::from_raw(sb) };
        // SAFETY: The caller passes a buffer of that length.
        let fid = unsafe { Fid::from_raw(fid, len, kind) };

        into_raw(sb, T::fh_to_parent(sb, &fid))
    }

    /// # Safety
    ///
    /// As `get_name` of `struct export_operations`: `parent` and `child` are referenced dentries of
    /// an active superblock, and `name` has room for `NAME_MAX + 1` bytes.
    unsafe extern "C" fn get_name(
        parent: *mut bindings::dentry,
        name: *mut c_char,
        child: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: The caller passes a referenced dentry of an active superblock.
        let parent = unsafe { Dentry::from_raw(parent) };
        // SAFETY: The caller passes a referenced dentry of an active superblock.
        let child = unsafe { Dentry::from_raw(child) };
        // SAFETY: The caller passes a buffer of that size, used by nobody else for the duration of
        // this call.
        let name = unsafe { Name::from_raw(name) };

        from_result(|| T::get_name(parent, name, child).map(|_| 0))
    }

    /// # Safety
    ///
    /// As `get_parent` of `struct export_operations`: `child` is a referenced dentry of an active
    /// superblock.
    unsafe extern "C" fn get_parent(child: *mut bindings::dentry) -> *mut bindings::dentry {
        // SAFETY: The caller passes a referenced dentry of an active superblock.
        let child = unsafe { Dentry::from_raw(child) };

        into_raw(child.super_block(), T::get_parent(child).map(Some))
    }

    /// # Safety
    ///
    /// As `permission` of `struct export_operations`: `ctx` is valid.
    unsafe extern "C" fn permission(
        ctx: *mut bindings::handle_to_path_ctx,
        oflags: c_uint,
    ) -> c_int {
        // SAFETY: The caller passes a valid context.
        let ctx = unsafe { Context::from_raw(ctx) };

        from_result(|| T::permission(ctx, oflags).map(|()| 0))
    }

    /// # Safety
    ///
    /// As `open` of `struct export_operations`: `path` is that of a file that has been decoded, and
    /// referenced.
    unsafe extern "C" fn open(path: *const bindings::path, oflags: c_uint) -> *mut bindings::file {
        // SAFETY: The caller passes a path that it holds, of a file that exists.
        let path = unsafe { Path::from_raw(path) };

        match T::open(path, oflags) {
            Ok(file) => ARef::into_raw(file).as_ptr().cast(),
            Err(err) => err.to_ptr(),
        }
    }
}

/// Passes a reference to a dentry of `sb`, a null pointer for what is absent, or an error pointer,
/// to C, which relies on that superblock.
#[inline]
fn into_raw(sb: &SuperBlock, result: Result<Option<OwnedDentry<'_>>>) -> *mut bindings::dentry {
    match result {
        Ok(Some(dentry)) if ptr::eq(dentry.super_block(), sb) => dentry.into_raw(),
        Ok(Some(_)) => ESTALE.to_ptr(),
        Ok(None) => ptr::null_mut(),
        Err(err) => err.to_ptr(),
    }
}
