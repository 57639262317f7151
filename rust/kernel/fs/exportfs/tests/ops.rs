// SPDX-License-Identifier: GPL-2.0

use super::{
    fake::units,
    Decoded, //
};
use crate::{
    bindings,
    fs::{
        exportfs::{
            Operations,
            Table, //
        },
        SuperBlock, //
    },
    prelude::*, //
};
use core::marker::PhantomData;

/// The table of a filesystem whose `i_private` points to a `P`.
pub(super) struct Ops<P> {
    raw: &'static bindings::export_operations,
    _private: PhantomData<fn() -> P>,
}

impl<P> Clone for Ops<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Ops<P> {}

impl<P> Ops<P> {
    pub(super) fn of<T: Operations<Private = P> + 'static>() -> Self {
        let table: &'static Table<T> = const {
            // SAFETY: The table is only used for the inodes of `Fake`, whose `i_private` is a `P`
            // that is valid for as long as the inode.
            &unsafe { Table::new() }
        };

        Self {
            raw: table.as_raw(),
            _private: PhantomData,
        }
    }

    /// Calls `fh_to_dentry` with the first `len` units of `fid`, limited to its size.
    pub(super) fn decode(
        self,
        sb: &SuperBlock,
        fid: &[u8],
        len: c_int,
        fileid_type: c_int,
    ) -> Decoded {
        let Some(fh_to_dentry) = self.raw.fh_to_dentry else {
            return Decoded::Failed(EOPNOTSUPP);
        };
        let (fid, len) = (fid.as_ptr().cast_mut().cast(), len.min(units(fid)));

        // SAFETY: The superblock is active during the call. `fid` has `len` units, which the table
        // only reads.
        Decoded::from_raw(unsafe { fh_to_dentry(sb.as_raw(), fid, len, fileid_type) })
    }

    /// Calls `fh_to_dentry_nowait`. See [`decode`](Self::decode).
    pub(super) fn decode_nowait(
        self,
        sb: &SuperBlock,
        fid: &[u8],
        len: c_int,
        fileid_type: c_int,
    ) -> Decoded {
        let Some(fh_to_dentry_nowait) = self.raw.fh_to_dentry_nowait else {
            return Decoded::Failed(EOPNOTSUPP);
        };
        let (fid, len) = (fid.as_ptr().cast_mut().cast(), len.min(units(fid)));

        // SAFETY: The superblock is active during the call. `fid` has `len` units, which the table
        // only reads.
        Decoded::from_raw(unsafe { fh_to_dentry_nowait(sb.as_raw(), fid, len, fileid_type) })
    }

    /// Calls `fh_to_parent`. See [`decode`](Self::decode).
    pub(super) fn decode_parent(
        self,
        sb: &SuperBlock,
        fid: &[u8],
        len: c_int,
        fileid_type: c_int,
    ) -> Decoded {
        let Some(fh_to_parent) = self.raw.fh_to_parent else {
            return Decoded::Failed(EOPNOTSUPP);
        };
        let (fid, len) = (fid.as_ptr().cast_mut().cast(), len.min(units(fid)));

        // SAFETY: The superblock is active during the call. `fid` has `len` units, which the table
        // only reads.
        Decoded::from_raw(unsafe { fh_to_parent(sb.as_raw(), fid, len, fileid_type) })
    }

    /// Returns the C table.
    pub(super) fn as_raw(self) -> &'static bindings::export_operations {
        self.raw
    }
}
