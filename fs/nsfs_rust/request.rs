// SPDX-License-Identifier: GPL-2.0

use kernel::{
    bindings,
    ioctl::{
        _IOC_DIR,
        _IOC_NR,
        _IOC_SIZE,
        _IOC_TYPE, //
    },
    ns_common::Direction,
    prelude::*, //
};

/// What number of a task is asked for.
#[derive(Clone, Copy)]
pub(super) enum Number {
    /// That of the task: the thread.
    Pid,
    /// That of its thread group: the process.
    Tgid,
}

/// Between which pid namespaces a number is translated.
#[derive(Clone, Copy)]
pub(super) enum Translation {
    /// From that of the file to that of the caller.
    FromFile,
    /// From that of the caller to that of the file.
    ToFile,
}

/// An ioctl on a file of nsfs.
///
/// `size` is what the caller knows of `struct mnt_ns_info`, in bytes: at least its first version.
#[derive(Clone, Copy)]
pub(super) enum Request {
    UserNs,
    Parent,
    NsType,
    OwnerUid,
    MntNsId,
    Id,
    Translate(Translation, Number),
    MntInfo { size: usize },
    MntNeighbour { direction: Direction, size: usize },
}

impl TryFrom<u32> for Request {
    type Error = Error;

    /// `ENOIOCTLCMD` for what is none, or has the wrong direction or too small a size.
    fn try_from(cmd: u32) -> Result<Self> {
        Ok(match cmd {
            bindings::NS_GET_USERNS => Self::UserNs,
            bindings::NS_GET_PARENT => Self::Parent,
            bindings::NS_GET_NSTYPE => Self::NsType,
            bindings::NS_GET_OWNER_UID => Self::OwnerUid,
            bindings::NS_GET_MNTNS_ID => Self::MntNsId,
            bindings::NS_GET_ID => Self::Id,
            bindings::NS_GET_PID_FROM_PIDNS => Self::Translate(Translation::FromFile, Number::Pid),
            bindings::NS_GET_TGID_FROM_PIDNS => {
                Self::Translate(Translation::FromFile, Number::Tgid)
            }
            bindings::NS_GET_PID_IN_PIDNS => Self::Translate(Translation::ToFile, Number::Pid),
            bindings::NS_GET_TGID_IN_PIDNS => Self::Translate(Translation::ToFile, Number::Tgid),
            _ => return extensible(cmd),
        })
    }
}

/// Requests whose number holds the size of the caller's structure, which may be a later one.
fn extensible(cmd: u32) -> Result<Request> {
    let size = _IOC_SIZE(cmd);
    let is = |known: u32| {
        _IOC_DIR(cmd) == _IOC_DIR(known)
            && _IOC_TYPE(cmd) == _IOC_TYPE(known)
            && _IOC_NR(cmd) == _IOC_NR(known)
    };

    if size < bindings::MNT_NS_INFO_SIZE_VER0 as usize {
        return Err(ENOIOCTLCMD);
    }
    if is(bindings::NS_MNT_GET_INFO) {
        return Ok(Request::MntInfo { size });
    }
    let direction = if is(bindings::NS_MNT_GET_NEXT) {
        Direction::Next
    } else if is(bindings::NS_MNT_GET_PREV) {
        Direction::Previous
    } else {
        return Err(ENOIOCTLCMD);
    };
    Ok(Request::MntNeighbour { direction, size })
}
