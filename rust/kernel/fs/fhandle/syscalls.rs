// SPDX-License-Identifier: GPL-2.0

//! The bodies of the system calls, whose entry points are in C.

use super::{
    Decoder,
    FileHandle,
    NameFlags,
    NameToHandle,
    UserHandle, //
};
use crate::{
    bindings,
    fs::{
        file::FileDescriptorReservation,
        Filename,
        Path, //
    },
    prelude::*,
    uaccess::UserPtr, //
};

/// Names a file.
///
/// # Errors
///
/// In this order: `EINVAL` for flags that are unknown or exclude each other; what copying and
/// looking up the name gives; `EOPNOTSUPP` if the filesystem has no such handles; `EFAULT` and
/// `EINVAL` for the header; `EOVERFLOW`, with the length that it takes stored, if there is too
/// little room; `EFAULT`.
#[inline]
fn name_to_handle_at(
    dfd: c_int,
    name: UserPtr,
    handle: UserHandle,
    mount_id: UserPtr,
    flags: u32,
) -> Result {
    let flags = NameFlags::new(flags)?;
    let name = Filename::from_user(name, flags.as_raw())?;
    let path = Path::lookup(dfd, &name, flags.lookup())?;

    NameToHandle::new(handle, mount_id, flags).encode(&path, handle.capacity())
}

/// Opens the file that a handle names, and returns its descriptor.
///
/// # Errors
///
/// In this order: `EFAULT` and `EINVAL` for the header; `EBADF` for the mount's descriptor;
/// `EPERM`, or what the filesystem refuses the caller or the flags with; `EFAULT` for the rest of
/// the handle; `ESTALE` or `ENOMEM` from decoding; what reserving a descriptor and opening give.
#[inline]
fn open_by_handle_at(mount_fd: c_int, handle: UserHandle, oflags: u32) -> Result<u32> {
    let header = handle.header()?;
    let decoder = Decoder::new(mount_fd, oflags)?;

    let mut bytes = FileHandle::new(header);
    handle.read(&mut bytes)?;

    let path = decoder.decode(&bytes)?;
    let fd = FileDescriptorReservation::get_unused_fd_flags(oflags)?;
    let file = path.open_by_handle(oflags)?;
    let number = fd.reserved_fd();

    fd.fd_install(file);
    Ok(number)
}

/// Wraps a pointer from user space.
#[inline]
fn user<T>(ptr: *const T) -> UserPtr {
    UserPtr::from_ptr(ptr.cast_mut().cast())
}

/// The body of name_to_handle_at(2).
///
/// # Safety
///
/// Always safe to call.
// Required to be unsafe due to the `#[export]` annotation.
#[export]
unsafe extern "C" fn fhandle_rust_name(
    dfd: c_int,
    name: *const c_char,
    handle: *mut bindings::file_handle,
    mnt_id: *mut c_void,
    flag: c_int,
) -> c_long {
    let handle = UserHandle::new(user(handle));

    // CAST: The flags are a bit field of the same width.
    match name_to_handle_at(dfd, user(name), handle, user(mnt_id), flag as u32) {
        Ok(()) => 0,
        Err(err) => err.to_errno() as c_long,
    }
}

/// The body of open_by_handle_at(2).
///
/// # Safety
///
/// Always safe to call.
// Required to be unsafe due to the `#[export]` annotation.
#[export]
unsafe extern "C" fn fhandle_rust_open(
    mountdirfd: c_int,
    handle: *mut bindings::file_handle,
    flags: c_int,
) -> c_long {
    // CAST: The flags are a bit field of the same width.
    match open_by_handle_at(mountdirfd, UserHandle::new(user(handle)), flags as u32) {
        // CAST: A descriptor is not negative as an `int`.
        Ok(fd) => fd as c_long,
        Err(err) => err.to_errno() as c_long,
    }
}
