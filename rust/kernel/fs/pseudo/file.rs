// SPDX-License-Identifier: GPL-2.0

//! The file operations of a pseudo filesystem.

use super::{
    FileSystem,
    Object, //
};
use crate::{
    bindings,
    fs::{
        file::Offset,
        Inode,
        Kiocb, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    module::this_module,
    prelude::*,
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
        // SAFETY: The caller ensures that `kiocb` is valid, and exclusive. `()` has no data, so the
        // private data of the file is not accessed.
        let mut kiocb: Kiocb<'_, ()> = unsafe { Kiocb::from_raw(kiocb) };
        // SAFETY: The caller ensures that `iter` is a valid destination, and exclusive.
        let iov = unsafe { IovIterDest::from_raw(iter) };

        let len = iov.len();
        let result = inode.private().read_iter(kiocb.ki_pos(), iov);
        complete(kiocb.ki_pos_mut(), len.saturating_sub(iov.len()), result)
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

        // SAFETY: The caller ensures that `kiocb` is valid, and exclusive. `()` has no data, so the
        // private data of the file is not accessed.
        let mut kiocb: Kiocb<'_, ()> = unsafe { Kiocb::from_raw(kiocb) };
        // SAFETY: The caller ensures that `iter` is a valid source, and exclusive.
        let iov = unsafe { IovIterSource::from_raw(iter) };

        let len = iov.len();
        let result = inode.private().write_iter(kiocb.ki_pos(), iov);
        let written = complete(kiocb.ki_pos_mut(), len.saturating_sub(iov.len()), result);

        // SAFETY: The inode is valid by its type invariants. Its lock is held and serialises
        // writers of `i_size`.
        unsafe { bindings::i_size_write(inode.as_raw(), size(inode.private())) };
        written
    }
}

/// Advances `pos` by the `len` bytes that an operation transferred, and returns the result of the
/// C operation.
///
/// C code relies on the result. For example, `kernel_read_file()` adds it to the address of its
/// buffer, and calculates the remaining size from `pos`. The result therefore does not depend on a
/// number that the implementation returns.
fn complete(pos: &mut Offset, len: usize, result: Result) -> isize {
    // Callers limit `len` to `MAX_RW_COUNT`, and check for an overflow of `pos`.
    *pos = pos.saturating_add(len as Offset);

    match result {
        // A synchronous caller, such as `__kernel_read()`, calls `BUG()` on `EIOCBQUEUED`.
        Err(err) if len == 0 && err == EIOCBQUEUED => EIO.to_errno() as isize,
        Err(err) if len == 0 => err.to_errno() as isize,
        _ => len as isize,
    }
}

/// Returns the size of an object as a value for `i_size`, limited to `loff_t`.
pub(super) fn size(object: &impl Object) -> Offset {
    Offset::try_from(object.size()).unwrap_or(Offset::MAX)
}
