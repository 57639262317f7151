// SPDX-License-Identifier: GPL-2.0

//! The file operations of a pseudo filesystem.

use super::{
    FileSystem,
    Object, //
};
use crate::{
    bindings,
    error::from_result,
    fs::{
        file::Offset,
        Inode, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    module::this_module,
    types::ScopeGuard, //
};
use core::marker::PhantomData;

/// The `struct file_operations` of the inodes of `T`.
pub(super) struct FileOperations<T: FileSystem>(PhantomData<T>);

impl<T: FileSystem> FileOperations<T> {
    // The table has no `open` and `release`: an open file holds the inode, which owns a reference
    // to the object.
    const VTABLE: bindings::file_operations = bindings::file_operations {
        owner: this_module::<T::OwnerModule>().as_ptr(),
        llseek: Some(bindings::generic_file_llseek),
        read_iter: if T::Private::HAS_READ_ITER {
            Some(Self::read_iter)
        } else {
            None
        },
        write_iter: if T::Private::HAS_WRITE_ITER {
            Some(Self::write_iter)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    pub(super) const fn build() -> &'static bindings::file_operations {
        &Self::VTABLE
    }

    /// Returns the inode of the file that `kiocb` reads or writes.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `kiocb` is a valid request for a file with [`Self::VTABLE`], and
    /// stays valid for the duration of `'a`.
    unsafe fn inode<'a>(kiocb: *mut bindings::kiocb) -> &'a Inode<T::Private> {
        // SAFETY: The caller ensures that `kiocb` is valid.
        let file = unsafe { (*kiocb).ki_filp };
        // SAFETY: A request holds its file, whose `f_inode` does not change.
        let inode = unsafe { (*file).f_inode };

        // SAFETY: An open file holds its inode, and its mount keeps the superblock active. Only
        // `inode::init()` sets this table. It also sets `i_private` to a `T::Private` that the
        // inode owns until eviction.
        unsafe { Inode::from_raw(inode) }
    }

    /// # Safety
    ///
    /// The caller must ensure that:
    ///
    /// - `kiocb` is a valid request for a file with [`Self::VTABLE`].
    /// - `iter` is a valid destination (`ITER_DEST`).
    /// - Neither is accessed through another pointer during the call.
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: The caller ensures that `kiocb` is a valid request for a file with this table.
        let inode = unsafe { Self::inode(kiocb) };
        // SAFETY: The caller ensures that `kiocb` is not accessed through another pointer.
        let pos = unsafe { &mut (*kiocb).ki_pos };
        // SAFETY: The caller ensures that `iter` is a valid destination, and exclusive.
        let iov = unsafe { IovIterDest::from_raw(iter) };

        from_result(|| Ok(inode.private().read_iter(pos, iov)? as isize))
    }

    /// # Safety
    ///
    /// The caller must ensure that:
    ///
    /// - `kiocb` is a valid request for a file with [`Self::VTABLE`].
    /// - `iter` is a valid source (`ITER_SOURCE`).
    /// - Neither is accessed through another pointer during the call.
    unsafe extern "C" fn write_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: The caller ensures that `kiocb` is a valid request for a file with this table.
        let inode = unsafe { Self::inode(kiocb) };

        // SAFETY: The inode is valid by its type invariants.
        unsafe { bindings::inode_lock(inode.as_raw()) };
        let _locked = ScopeGuard::new(|| {
            // SAFETY: The inode is valid by its type invariants, and this function locked it.
            unsafe { bindings::inode_unlock(inode.as_raw()) }
        });

        // SAFETY: The caller ensures that `kiocb` and `iter` are valid. The inode is locked.
        let checked = unsafe { bindings::generic_write_checks(kiocb, iter) };
        if checked <= 0 {
            return checked;
        }

        // SAFETY: The caller ensures that `kiocb` is not accessed through another pointer.
        let pos = unsafe { &mut (*kiocb).ki_pos };
        // SAFETY: The caller ensures that `iter` is a valid source, and exclusive.
        let iov = unsafe { IovIterSource::from_raw(iter) };
        let written = from_result(|| Ok(inode.private().write_iter(pos, iov)? as isize));

        // SAFETY: The inode is valid by its type invariants. Its lock is held and serialises
        // writers of `i_size`.
        unsafe { bindings::i_size_write(inode.as_raw(), size(inode.private())) };
        written
    }
}

/// Returns the size of an object as a value for `i_size`, limited to `loff_t`.
pub(super) fn size(object: &impl Object) -> Offset {
    Offset::try_from(object.size()).unwrap_or(Offset::MAX)
}
