// SPDX-License-Identifier: GPL-2.0

use super::Ops;
use crate::{
    bindings,
    error::from_err_ptr,
    fs::SuperBlock,
    prelude::*, //
};
use core::{
    marker::PhantomData,
    ptr::null_mut, //
};

/// The result of decoding a handle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decoded {
    Absent,
    Found(*mut bindings::dentry),
    Failed(Error),
}

impl Decoded {
    /// Converts the return value of the C operation.
    pub(super) fn from_raw(dentry: *mut bindings::dentry) -> Self {
        match from_err_ptr(dentry) {
            Ok(dentry) if dentry.is_null() => Self::Absent,
            Ok(dentry) => Self::Found(dentry),
            Err(err) => Self::Failed(err),
        }
    }
}

/// A filesystem with one inode, to call the operations of a table.
///
/// Only the fields of the inode and the superblock that the operations use are initialised.
pub(super) struct Fake<'a, P> {
    ops: Ops<P>,
    inode: KBox<bindings::inode>,
    sb: KBox<bindings::super_block>,
    _private: PhantomData<&'a P>,
}

impl<'a, P> Fake<'a, P> {
    /// Creates the filesystem. `private` is the `i_private` of the inode and the `s_fs_info` of the
    /// superblock.
    pub(super) fn new(ops: Ops<P>, private: &'a P) -> Result<Self> {
        let private: *const P = private;
        let mut sb: KBox<bindings::super_block> = KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?;
        let mut inode: KBox<bindings::inode> = KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?;

        sb.s_export_op = ops.as_raw();
        sb.s_fs_info = private.cast_mut().cast();
        sb.s_active.counter = 1;
        inode.i_sb = &mut *sb;
        inode.i_private = private.cast_mut().cast();
        inode.i_count.counter = 1;

        Ok(Self {
            ops,
            inode,
            sb,
            _private: PhantomData,
        })
    }

    fn inode(&self) -> *mut bindings::inode {
        (&raw const *self.inode).cast_mut()
    }

    fn sb(&self) -> *mut bindings::super_block {
        (&raw const *self.sb).cast_mut()
    }

    pub(super) fn super_block(&self) -> &SuperBlock {
        // SAFETY: The superblock is part of `self`, and its `s_active` is positive.
        unsafe { SuperBlock::from_raw(self.sb()) }
    }

    /// Calls `encode_fh` with the first `*len` units of `buffer`, limited to its size.
    ///
    /// Passes NULL for an empty buffer, as fanotify does.
    pub(super) fn encode(&self, buffer: &mut [u8], len: &mut c_int) -> c_int {
        self.encode_with(buffer, len, None)
    }

    /// Calls `encode_fh` with a parent. See [`encode`](Self::encode).
    pub(super) fn encode_with(
        &self,
        buffer: &mut [u8],
        len: &mut c_int,
        parent: Option<&Self>,
    ) -> c_int {
        let Some(encode_fh) = self.ops.as_raw().encode_fh else {
            return EOPNOTSUPP.to_errno();
        };
        *len = (*len).min(units(buffer));
        let fid = as_fid(buffer);
        let parent = parent.map_or(null_mut(), Self::inode);

        // SAFETY: The inodes are on superblocks with this table and are valid during the call.
        // `fid` has room for `*len` units.
        unsafe { encode_fh(self.inode(), fid.cast(), len, parent) }
    }

    /// Calls `exportfs_encode_inode_fh()` with `EXPORT_FH_*` flags. See [`encode`](Self::encode).
    pub(super) fn vfs_encode(&self, buffer: &mut [u8], len: &mut c_int, flags: u32) -> c_int {
        *len = (*len).min(units(buffer));
        let fid = as_fid(buffer);

        // SAFETY: The function only uses the table of the superblock. `fid` has room for `*len`
        // units.
        unsafe {
            bindings::exportfs_encode_inode_fh(self.inode(), fid, len, null_mut(), flags as c_int)
        }
    }

    /// Calls `fh_to_dentry` with the first `len` units of `fid`, limited to its size.
    pub(super) fn decode(&self, fid: &[u8], len: c_int, fileid_type: c_int) -> Decoded {
        self.ops.decode(self.super_block(), fid, len, fileid_type)
    }

    /// Calls `fh_to_parent`. See [`decode`](Self::decode).
    pub(super) fn decode_parent(&self, fid: &[u8], len: c_int, fileid_type: c_int) -> Decoded {
        self.ops
            .decode_parent(self.super_block(), fid, len, fileid_type)
    }

    /// Calls `fh_to_dentry_nowait`. See [`decode`](Self::decode).
    pub(super) fn decode_nowait(&self, fid: &[u8], len: c_int, fileid_type: c_int) -> Decoded {
        self.ops
            .decode_nowait(self.super_block(), fid, len, fileid_type)
    }

    /// Calls `exportfs_decode_fh_raw()`. See [`decode`](Self::decode).
    pub(super) fn vfs_decode(&self, fid: &[u8], len: c_int, fileid_type: c_int) -> Decoded {
        self.vfs_decode_with(fid, len, fileid_type, 0)
    }

    /// Calls `exportfs_decode_fh_raw()` with `EXPORT_FH_*` flags. See [`decode`](Self::decode).
    pub(super) fn vfs_decode_with(
        &self,
        fid: &[u8],
        len: c_int,
        fileid_type: c_int,
        flags: u32,
    ) -> Decoded {
        let (fid, len) = (fid.as_ptr().cast_mut().cast(), len.min(units(fid)));
        let mut mnt = bindings::vfsmount {
            mnt_sb: self.sb(),
            ..pin_init::zeroed()
        };

        // SAFETY: Without an `acceptable` function, only the table of the superblock is used. `fid`
        // has `len` units, which no operation of these tests writes.
        Decoded::from_raw(unsafe {
            bindings::exportfs_decode_fh_raw(
                &mut mnt,
                fid,
                len,
                fileid_type,
                flags,
                None,
                null_mut(),
            )
        })
    }
}

/// Returns the number of units of four bytes in `bytes`.
pub(super) fn units(bytes: &[u8]) -> c_int {
    (bytes.len() / size_of::<u32>()) as c_int
}

fn as_fid(buffer: &mut [u8]) -> *mut bindings::fid {
    if buffer.is_empty() {
        null_mut()
    } else {
        buffer.as_mut_ptr().cast()
    }
}
