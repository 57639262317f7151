// SPDX-License-Identifier: GPL-2.0

//! The files of a pseudo filesystem.

use super::{
    FileSystem,
    Object, //
};
use crate::{
    bindings,
    fs::{
        file::Offset,
        Kiocb, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    module::this_module,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    types::ForeignOwnable, //
};
use core::marker::PhantomData;

/// Returns the operations of the files that stand for objects.
pub(super) const fn operations<T: FileSystem>() -> &'static bindings::file_operations {
    &VTable::<T>::FILE
}

/// Returns the operations of the root directory: it can be opened and no more.
pub(super) const fn root_operations<T: FileSystem>() -> &'static bindings::file_operations {
    &VTable::<T>::ROOT
}

/// Returns the size of the file of an object: not more than the superblock allows.
pub(super) fn size<T: FileSystem>(object: &T::Private) -> Offset {
    Offset::try_from(object.size()).map_or(T::MAX_BYTES, |size| size.min(T::MAX_BYTES))
}

/// The tables for the inodes of a superblock of `T`.
///
/// Their `owner` holds the module for each open file. The superblock would do so, too.
///
/// # Invariants
///
/// The `private_data` of an open file with [`Self::FILE`] owns an [`Arc`] of a `T::Private`.
struct VTable<T: FileSystem>(PhantomData<T>);

impl<T: FileSystem> VTable<T> {
    const ROOT: bindings::file_operations = bindings::file_operations {
        owner: this_module::<T::OwnerModule>().as_ptr(),
        ..pin_init::zeroed()
    };

    const FILE: bindings::file_operations = bindings::file_operations {
        owner: this_module::<T::OwnerModule>().as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
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

    /// # Safety
    ///
    /// As `open` of `struct file_operations`, for the inode of an object of a superblock of `T`.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The caller passes an inode and a file that is being opened.
        let ret = unsafe { bindings::generic_file_open(inode, file) };
        if ret != 0 {
            return ret;
        }

        // SAFETY: The caller passes a valid inode.
        let object: *const T::Private = unsafe { (*inode).i_private }.cast();

        // SAFETY: By the invariants of the superblock, the inode owns an `Arc` of the object, which
        // it has until it is evicted.
        let object = Arc::from(unsafe { ArcBorrow::from_raw(object) });

        // INVARIANT: The reference passes to the file.
        // SAFETY: While a file is being opened, nobody else looks at its private data.
        unsafe { (*file).private_data = object.into_foreign() };
        0
    }

    /// # Safety
    ///
    /// As `release` of `struct file_operations`, for a file with [`Self::FILE`].
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The caller passes a file that nobody uses any more.
        let object = unsafe { (*file).private_data };

        // SAFETY: By the invariants, the file owns it.
        drop(unsafe { Arc::<T::Private>::from_foreign(object) });
        0
    }

    /// # Safety
    ///
    /// As `read_iter` of `struct file_operations`, for a file with [`Self::FILE`].
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: The caller passes a valid kiocb; by the invariants, its file has an `Arc`.
        let kiocb = unsafe { Kiocb::from_raw(kiocb) };
        // SAFETY: The caller passes a valid iterator for the destination of the data.
        let iov = unsafe { IovIterDest::from_raw(iter) };

        match T::Private::read_iter(kiocb, iov) {
            Ok(read) => read as isize,
            Err(err) => err.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// As `write_iter` of `struct file_operations`, for a file with [`Self::FILE`].
    unsafe extern "C" fn write_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: The caller passes a valid kiocb.
        let file = unsafe { (*kiocb).ki_filp };
        // SAFETY: The file of a kiocb is open, so it has an inode.
        let inode = unsafe { (*file).f_inode };

        // SAFETY: The inode is valid for as long as the file is.
        unsafe { bindings::inode_lock(inode) };

        // SAFETY: The caller passes both; the inode is locked.
        let mut ret = unsafe { bindings::generic_write_checks(kiocb, iter) };
        if ret > 0 {
            // SAFETY: As above.
            ret = unsafe { Self::write_iter_locked(kiocb, iter, inode) };
        }

        // SAFETY: Locked above.
        unsafe { bindings::inode_unlock(inode) };
        ret
    }

    /// # Safety
    ///
    /// As [`Self::write_iter`]; `inode` is the file's, and locked.
    unsafe fn write_iter_locked(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
        inode: *mut bindings::inode,
    ) -> isize {
        // SAFETY: The caller passes a valid kiocb; by the invariants, its file has an `Arc`.
        let kiocb = unsafe { Kiocb::<Arc<T::Private>>::from_raw(kiocb) };
        // SAFETY: The caller passes a valid iterator for the source of the data.
        let iov = unsafe { IovIterSource::from_raw(iter) };
        let object = kiocb.file();

        let ret = match T::Private::write_iter(kiocb, iov) {
            Ok(written) => written as isize,
            Err(err) => err.to_errno() as isize,
        };

        // SAFETY: The lock of the inode keeps others from writing the size.
        unsafe { bindings::i_size_write(inode, size::<T>(&object)) };
        ret
    }
}
