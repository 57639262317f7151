// SPDX-License-Identifier: GPL-2.0

use super::request::{
    Number,
    Request,
    Translation, //
};
use core::mem::offset_of;
use kernel::{
    bindings,
    built_in,
    error::from_result,
    fs::{
        file::{
            flags::O_CLOEXEC,
            FileDescriptorReservation, //
        },
        nsfs, //
    },
    ns_common::{
        may_see_all_namespaces,
        Direction,
        NsCommon, //
    },
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    task::{
        Pid,
        Task, //
    },
    transmute::AsBytes,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
    uapi, //
};

/// Implements `ns_ioctl()` of `fs/nsfs.c`.
///
/// # Safety
///
/// The caller must ensure that `ns` is the namespace of an open file of nsfs.
#[export]
unsafe extern "C" fn nsfs_rust_ioctl(
    ns: *mut bindings::ns_common,
    cmd: c_uint,
    arg: c_ulong,
) -> c_long {
    // SAFETY: The caller passes the namespace of an nsfs file that is open during the call, which
    // satisfies the invariants of `NsCommon`.
    let ns = unsafe { NsCommon::from_raw(ns) };

    from_result(|| ioctl(ns, Request::try_from(cmd)?, arg))
}

/// Information about a mount namespace (`struct mnt_ns_info`).
#[repr(C)]
#[derive(IntoBytes, zerocopy_derive::Immutable)]
struct MntInfo {
    size: u32,
    nr_mounts: u32,
    mnt_ns_id: u64,
}

// `struct mnt_ns_info` is user-space ABI and is defined in C.
const _: () = {
    type C = uapi::mnt_ns_info;

    assert!(size_of::<MntInfo>() == size_of::<C>());
    assert!(offset_of!(MntInfo, size) == offset_of!(C, size));
    assert!(offset_of!(MntInfo, nr_mounts) == offset_of!(C, nr_mounts));
    assert!(offset_of!(MntInfo, mnt_ns_id) == offset_of!(C, mnt_ns_id));
};

impl MntInfo {
    /// Returns the information about `ns` for a caller whose structure has `size` bytes.
    ///
    /// # Errors
    ///
    /// - `EINVAL` if `ns` is not a mount namespace.
    fn new(ns: &NsCommon, size: usize) -> Result<Self> {
        Ok(Self {
            // CAST: The value is at most the size of the structure.
            size: size.min(size_of::<Self>()) as u32,
            nr_mounts: ns.as_mnt().ok_or(EINVAL)?.nr_mounts(),
            mnt_ns_id: ns.id(),
        })
    }

    /// Copies the first `size` bytes to user space.
    fn put(&self, arg: usize) -> Result {
        // CAST: A `u32` fits into a `usize`.
        let bytes = self.as_bytes().get(..self.size as usize).ok_or(EINVAL)?;

        UserSlice::new(UserPtr::from_addr(arg), bytes.len())
            .writer()
            .write_slice(bytes)
    }
}

fn ioctl(ns: &NsCommon, request: Request, arg: usize) -> Result<c_long> {
    match request {
        Request::UserNs => open(ns.owner()?, || Ok(())),
        Request::Parent => open(ns.parent()?, || Ok(())),
        // CAST: `CLONE_NEW*` is a single bit below the sign bit of a 32-bit `long`.
        Request::NsType => Ok(ns.ns_type() as c_long),
        Request::OwnerUid => {
            let uid = ns.owner_uid().ok_or(EINVAL)?;
            put(arg, &uid.into_uid_in_current_ns_munged()).map(|()| 0)
        }
        Request::MntNsId => {
            ns.as_mnt().ok_or(EINVAL)?;
            put(arg, &ns.id()).map(|()| 0)
        }
        Request::Id => put(arg, &ns.id()).map(|()| 0),
        Request::Translate(translation, number) => {
            translate(ns.as_pid().ok_or(EINVAL)?, translation, number, arg)
        }
        Request::MntInfo { size } => {
            let info = MntInfo::new(ns, size)?;
            if arg == 0 {
                return Err(EINVAL);
            }
            info.put(arg).map(|()| 0)
        }
        Request::MntNeighbour { direction, size } => open_neighbour(ns, direction, size, arg),
    }
}

/// Opens a file of a namespace and installs a file descriptor, unless `report` fails.
fn open(ns: ARef<NsCommon>, report: impl FnOnce() -> Result) -> Result<c_long> {
    let fd = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
    let file = nsfs::open(built_in!(), ns)?;

    report()?;
    // CAST: A file descriptor is an `int`.
    let number = fd.reserved_fd() as c_long;
    fd.fd_install(file.into());
    Ok(number)
}

/// Opens the next or previous mount namespace, and copies its information to `arg`.
fn open_neighbour(ns: &NsCommon, direction: Direction, size: usize, arg: usize) -> Result<c_long> {
    if !may_see_all_namespaces(built_in!()) {
        return Err(EPERM);
    }
    let neighbour = ns.as_mnt().ok_or(EINVAL)?.neighbour(direction)?;
    let info = MntInfo::new(&neighbour, size)?;

    // The information is optional.
    open(neighbour, || if arg != 0 { info.put(arg) } else { Ok(()) })
}

/// Copies a word to user space.
///
/// Like `put_user()` in C, it is a single store where the architecture has one. It then copies
/// nothing if only a part of the memory is accessible.
fn put<T: AsBytes>(arg: usize, word: &T) -> Result {
    UserSlice::new(UserPtr::from_addr(arg), size_of::<T>())
        .writer()
        .write(word)
}

/// Translates a pid between `ns` and the pid namespace of the current task.
///
/// # Errors
///
/// - `ESRCH` if the task does not exist, or is not visible in the target namespace.
fn translate(
    ns: &PidNamespace,
    translation: Translation,
    number: Number,
    arg: usize,
) -> Result<c_long> {
    let rcu = rcu::read_lock();
    // CAST: The C code also truncates the argument to a `pid_t`.
    let pid = arg as Pid;
    let (task, to) = match translation {
        Translation::FromFile => (ns.find_task(built_in!(), pid, &rcu), None),
        Translation::ToFile => (Task::find_by_vpid(built_in!(), pid, &rcu), Some(ns)),
    };
    let task = task.ok_or(ESRCH)?;
    let pid = match number {
        Number::Pid => task.pid_nr_ns(to),
        Number::Tgid => task.tgid_nr_ns(to),
    };

    // The task is not visible in the target pid namespace.
    if pid == 0 {
        return Err(ESRCH);
    }
    Ok(pid as c_long)
}
