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
    // An open file needs no reference to the object: it holds the inode, which owns one.
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
        // SAFETY: By the contract of this function, `kiocb` is valid.
        let file = unsafe { (*kiocb).ki_filp };
        // SAFETY: A request holds its file, whose `f_inode` does not change.
        let inode = unsafe { (*file).f_inode };

        // SAFETY: An open file holds its inode, and through its mount the superblock. This table is
        // set by `inode::init` only, which also sets `i_private` to a `T::Private` that the inode
        // owns.
        unsafe { Inode::from_raw(inode) }
    }

    /// # Safety
    ///
    /// The caller must ensure that
    ///
    /// - `kiocb` is a valid request for a file with [`Self::VTABLE`];
    /// - `iter` is a valid destination;
    /// - nobody else uses either for the duration of the call.
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the contract of this function, `kiocb` is a valid request for such a file.
        let inode = unsafe { Self::inode(kiocb) };
        // SAFETY: By the contract of this function, only this call uses `kiocb`.
        let pos = unsafe { &mut (*kiocb).ki_pos };
        // SAFETY: By the contract of this function, `iter` is a valid destination.
        let iov = unsafe { IovIterDest::from_raw(iter) };

        from_result(|| Ok(inode.private().read_iter(pos, iov)? as isize))
    }

    /// # Safety
    ///
    /// The caller must ensure that
    ///
    /// - `kiocb` is a valid request for a file with [`Self::VTABLE`];
    /// - `iter` is a valid source;
    /// - nobody else uses either for the duration of the call.
    unsafe extern "C" fn write_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the contract of this function, `kiocb` is a valid request for such a file.
        let inode = unsafe { Self::inode(kiocb) };

        // SAFETY: The inode is valid by its type invariants.
        unsafe { bindings::inode_lock(inode.as_raw()) };
        let _locked = ScopeGuard::new(|| {
            // SAFETY: The inode is valid by its type invariants, and was locked above.
            unsafe { bindings::inode_unlock(inode.as_raw()) }
        });

        // SAFETY: By the contract of this function, `kiocb` and `iter` are valid. The inode is
        // locked.
        let checked = unsafe { bindings::generic_write_checks(kiocb, iter) };
        if checked <= 0 {
            return checked;
        }

        // SAFETY: By the contract of this function, only this call uses `kiocb`.
        let pos = unsafe { &mut (*kiocb).ki_pos };
        // SAFETY: By the contract of this function, `iter` is a valid source.
        let iov = unsafe { IovIterSource::from_raw(iter) };
        let written = from_result(|| Ok(inode.private().write_iter(pos, iov)? as isize));

        // SAFETY: The lock of the inode serialises writers of `i_size`.
        unsafe { bindings::i_size_write(inode.as_raw(), size(inode.private())) };
        written
    }
}

/// Returns the size of an object as an `i_size`, which is not negative.
pub(super) fn size(object: &impl Object) -> Offset {
    Offset::try_from(object.size()).unwrap_or(Offset::MAX)
}
