// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    fs::exportfs::{
        Operations,
        Table, //
    }, //
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

    /// The table as C sees it.
    pub(super) fn as_raw(self) -> &'static bindings::export_operations {
        self.raw
    }
}
