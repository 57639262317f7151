// SPDX-License-Identifier: GPL-2.0

//! The bodies of the system calls, called by `fs/fhandle.c`.

use super::{
    decode::decode,
    FhFlags,
    FileHandle,
    NameToHandle,
    UserFileHandle, //
};
use crate::{
    bindings,
    built_in,
    fs::{
        file::FileDescriptorReservation,
        Filename,
        Path, //
    },
    prelude::*,
    uaccess::UserPtr, //
};

#[inline]
fn name_to_handle_at(
    dfd: c_int,
    name: UserPtr,
    handle: UserPtr,
    mount_id: UserPtr,
    flags: u32,
) -> Result {
    let request = NameToHandle::new(built_in!(), handle, mount_id, flags)?;

    if let Some(fd) = request.fd(dfd, name) {
        return request.encode_fd(fd, FhFlags::empty(), None);
    }
    let name = Filename::from_user(built_in!(), name, flags)?;
    let path = Path::lookup(dfd, &name, request.lookup_flags())?;

    request.encode(&path, FhFlags::empty(), None)
}

#[inline]
fn open_by_handle_at(mount_fd: c_int, handle: UserPtr, oflags: u32) -> Result<u32> {
    let user_handle = UserFileHandle::new(built_in!(), handle)?;
    let mut handle = FileHandle::empty();
    let path = decode(built_in!(), mount_fd, oflags, || {
        handle.read(user_handle)?;
        Ok(&mut handle)
    })?;
    let fd = FileDescriptorReservation::get_unused_fd_flags(oflags)?;
    let file = path.open_by_handle(oflags)?;
    let number = fd.reserved_fd();

    fd.fd_install(file.into());
    Ok(number)
}

#[inline]
fn user<T>(ptr: *const T) -> UserPtr {
    UserPtr::from_ptr(ptr.cast_mut().cast())
}

/// Implements name_to_handle_at(2).
///
/// # Safety
///
/// There are no requirements. `#[export]` compares the type with that of the bindings, which is an
/// unsafe function.
#[export]
unsafe extern "C" fn fhandle_rust_name(
    dfd: c_int,
    name: *const c_char,
    handle: *mut bindings::file_handle,
    mnt_id: *mut c_void,
    flag: c_int,
) -> c_long {
    // CAST: The flags are a bit field of the same width.
    match name_to_handle_at(dfd, user(name), user(handle), user(mnt_id), flag as u32) {
        Ok(()) => 0,
        Err(err) => err.to_errno() as c_long,
    }
}

/// Implements open_by_handle_at(2).
///
/// # Safety
///
/// There are no requirements. `#[export]` compares the type with that of the bindings, which is an
/// unsafe function.
#[export]
unsafe extern "C" fn fhandle_rust_open(
    mountdirfd: c_int,
    handle: *mut bindings::file_handle,
    flags: c_int,
) -> c_long {
    // CAST: The flags are a bit field of the same width.
    match open_by_handle_at(mountdirfd, user(handle), flags as u32) {
        // CAST: A file descriptor is a non-negative `int`.
        Ok(fd) => fd as c_long,
        Err(err) => err.to_errno() as c_long,
    }
}
