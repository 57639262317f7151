// SPDX-License-Identifier: GPL-2.0

use super::request::{
    Number,
    Request,
    Translation, //
};
use kernel::{
    bindings,
    error::from_result,
    fs::{
        file::{
            flags::{
                O_CLOEXEC,
                O_RDONLY, //
            },
            FileDescriptorReservation, //
        },
        nsfs, //
    },
    ns_common::{
        may_see_all_namespaces,
        Direction,
        MntInfo,
        MntNamespace,
        NsCommon,
        View, //
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
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// What ns_ioctl() in `fs/nsfs.c` calls.
///
/// # Safety
///
/// `ns` must be the namespace that an open file of nsfs refers to.
#[export]
unsafe extern "C" fn nsfs_rust_ioctl(
    ns: *mut bindings::ns_common,
    cmd: c_uint,
    arg: c_ulong,
) -> c_long {
    // SAFETY: The file keeps its namespace, and the caller keeps the file.
    let ns = unsafe { NsCommon::from_raw(ns) };

    from_result(|| ioctl(ns, Request::try_from(cmd)?, arg))
}

fn ioctl(ns: &NsCommon, request: Request, arg: usize) -> Result<c_long> {
    match request {
        Request::UserNs => open(ns.owner()?, || Ok(())),
        Request::Parent => open(ns.parent()?, || Ok(())),
        // CAST: A type is one bit, which fits.
        Request::NsType => Ok(ns.ns_type() as c_long),
        Request::OwnerUid => put_owner_uid(ns, arg),
        Request::MntNsId => {
            mnt_ns(ns)?;
            put_id(ns, arg)
        }
        Request::Id => put_id(ns, arg),
        Request::Translate(translation, number) => translate(pid_ns(ns)?, translation, number, arg),
        Request::MntInfo { size } => put_info(mnt_ns(ns)?, size, arg),
        Request::MntNeighbour { direction, size } => open_neighbour(ns, direction, size, arg),
    }
}

fn mnt_ns(ns: &NsCommon) -> Result<&MntNamespace> {
    match ns.view() {
        Some(View::Mnt(ns)) => Ok(ns),
        _ => Err(EINVAL),
    }
}

fn pid_ns(ns: &NsCommon) -> Result<&PidNamespace> {
    match ns.view() {
        #[cfg(CONFIG_PID_NS)]
        Some(View::Pid(ns)) => Ok(ns),
        _ => Err(EINVAL),
    }
}

fn owner_uid(ns: &NsCommon) -> Result<bindings::uid_t> {
    match ns.view() {
        #[cfg(CONFIG_USER_NS)]
        Some(View::User(ns)) => Ok(ns.owner_uid()),
        _ => Err(EINVAL),
    }
}

/// Opens a file of a namespace; `tell` runs when nothing else can fail.
fn open(ns: ARef<NsCommon>, tell: impl FnOnce() -> Result) -> Result<c_long> {
    let path = nsfs::path(ns)?;
    let fd = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
    let file = path.dentry_open(O_RDONLY)?;

    tell()?;
    // CAST: A file descriptor fits into an `int`.
    let number = fd.reserved_fd() as c_long;
    fd.fd_install(file);
    Ok(number)
}

fn open_neighbour(ns: &NsCommon, direction: Direction, size: usize, arg: usize) -> Result<c_long> {
    if !may_see_all_namespaces() {
        return Err(EPERM);
    }
    let next = mnt_ns(ns)?.neighbour(direction)?;
    // The namespace is told about only if the caller wants to know.
    let info = if arg == 0 {
        None
    } else {
        Some(mnt_ns(&next)?.info(size))
    };
    open(next, || match info {
        Some(info) => put(arg, info.as_bytes()),
        None => Ok(()),
    })
}

fn put_info(ns: &MntNamespace, size: usize, arg: usize) -> Result<c_long> {
    if arg == 0 {
        return Err(EINVAL);
    }
    let info: MntInfo = ns.info(size);
    put(arg, info.as_bytes())?;
    Ok(0)
}

fn put_id(ns: &NsCommon, arg: usize) -> Result<c_long> {
    put(arg, &ns.id().to_ne_bytes())?;
    Ok(0)
}

fn put_owner_uid(ns: &NsCommon, arg: usize) -> Result<c_long> {
    put(arg, &owner_uid(ns)?.to_ne_bytes())?;
    Ok(0)
}

fn put(arg: usize, bytes: &[u8]) -> Result {
    UserSlice::new(UserPtr::from_addr(arg), bytes.len())
        .writer()
        .write_slice(bytes)
}

fn translate(
    ns: &PidNamespace,
    translation: Translation,
    number: Number,
    arg: usize,
) -> Result<c_long> {
    let rcu = rcu::read_lock();
    // CAST: As C, which passes the argument on as a `pid_t`.
    let nr = arg as Pid;
    let (task, to) = match translation {
        Translation::FromFile => (ns.find_task(nr, &rcu), None),
        Translation::ToFile => (Task::find_by_vpid(nr, &rcu), Some(ns)),
    };
    let task = task.ok_or(ESRCH)?;
    let nr = match number {
        Number::Pid => task.pid_nr_ns(to),
        Number::Tgid => task.tgid_nr_ns(to),
    };

    // A task that the other namespace does not see has no number there.
    if nr == 0 {
        return Err(ESRCH);
    }
    Ok(nr as c_long)
}
