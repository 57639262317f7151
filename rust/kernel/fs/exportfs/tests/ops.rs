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

/// A table of operations whose inodes have a `P`.
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
            // SAFETY: The table is for the inodes of `Fake`, which takes no other private data
            // than a `P` that lives as long as the inode.
            &unsafe { Table::new() }
        };

        Self {
            raw: table.as_raw(),
            _private: PhantomData,
        }
    }

    /// Calls `fh_to_dentry` for the first `len` units of `fid`, or as many as there are.
    pub(super) fn decode(self, sb: &SuperBlock, fid: &[u8], len: c_int, kind: c_int) -> Decoded {
        let Some(fh_to_dentry) = self.raw.fh_to_dentry else {
            return Decoded::Failed(EOPNOTSUPP);
        };
        let (fid, len) = (fid.as_ptr().cast_mut().cast(), len.min(units(fid)));

        // SAFETY: The superblock is active until after the call, and `fid` has `len` units, which
        // are only read.
        Decoded::from_raw(unsafe { fh_to_dentry(sb.as_raw(), fid, len, kind) })
    }

    /// Calls `fh_to_parent`, otherwise as [`decode`](Self::decode).
    pub(super) fn decode_parent(
        self,
        sb: &SuperBlock,
        fid: &[u8],
        len: c_int,
        kind: c_int,
    ) -> Decoded {
        let Some(fh_to_parent) = self.raw.fh_to_parent else {
            return Decoded::Failed(EOPNOTSUPP);
        };
        let (fid, len) = (fid.as_ptr().cast_mut().cast(), len.min(units(fid)));

        // SAFETY: As for `decode`.
        Decoded::from_raw(unsafe { fh_to_parent(sb.as_raw(), fid, len, kind) })
    }

    /// The table as C sees it.
    pub(super) fn as_raw(self) -> &'static bindings::export_operations {
        self.raw
    }
}
