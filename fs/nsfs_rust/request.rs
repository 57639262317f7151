// SPDX-License-Identifier: GPL-2.0

use kernel::{
    ioctl::{
        _IOC_DIR,
        _IOC_NR,
        _IOC_SIZE,
        _IOC_TYPE, //
    },
    ns_common::Direction,
    prelude::*,
    uapi, //
};

/// The number of a task to return.
#[derive(Clone, Copy)]
pub(super) enum Number {
    /// The pid of the thread itself.
    Pid,
    /// The pid of its thread-group leader.
    Tgid,
}

/// The direction in which a pid is translated.
#[derive(Clone, Copy)]
pub(super) enum Translation {
    /// From the pid namespace of the file to that of the current task.
    FromFile,
    /// From the pid namespace of the current task to that of the file.
    ToFile,
}

/// An ioctl of nsfs.
///
/// `size` is the size of the caller's `struct mnt_ns_info`, which is at least
/// `MNT_NS_INFO_SIZE_VER0`.
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

    /// Parses an ioctl number.
    ///
    /// # Errors
    ///
    /// - `ENOIOCTLCMD` if the type, the number or the direction is unknown.
    /// - `ENOIOCTLCMD` if the size is less than `MNT_NS_INFO_SIZE_VER0`.
    fn try_from(cmd: u32) -> Result<Self> {
        Ok(match cmd {
            uapi::NS_GET_USERNS => Self::UserNs,
            uapi::NS_GET_PARENT => Self::Parent,
            uapi::NS_GET_NSTYPE => Self::NsType,
            uapi::NS_GET_OWNER_UID => Self::OwnerUid,
            uapi::NS_GET_MNTNS_ID => Self::MntNsId,
            uapi::NS_GET_ID => Self::Id,
            uapi::NS_GET_PID_FROM_PIDNS => Self::Translate(Translation::FromFile, Number::Pid),
            uapi::NS_GET_TGID_FROM_PIDNS => Self::Translate(Translation::FromFile, Number::Tgid),
            uapi::NS_GET_PID_IN_PIDNS => Self::Translate(Translation::ToFile, Number::Pid),
            uapi::NS_GET_TGID_IN_PIDNS => Self::Translate(Translation::ToFile, Number::Tgid),
            _ => return extensible(cmd),
        })
    }
}

/// Parses the number of an extensible ioctl, which contains the size of the caller's structure.
fn extensible(cmd: u32) -> Result<Request> {
    let size = _IOC_SIZE(cmd);
    let is = |known: u32| {
        _IOC_DIR(cmd) == _IOC_DIR(known)
            && _IOC_TYPE(cmd) == _IOC_TYPE(known)
            && _IOC_NR(cmd) == _IOC_NR(known)
    };

    if size < uapi::MNT_NS_INFO_SIZE_VER0 as usize {
        return Err(ENOIOCTLCMD);
    }
    if is(uapi::NS_MNT_GET_INFO) {
        return Ok(Request::MntInfo { size });
    }
    let direction = if is(uapi::NS_MNT_GET_NEXT) {
        Direction::Next
    } else if is(uapi::NS_MNT_GET_PREV) {
        Direction::Previous
    } else {
        return Err(ENOIOCTLCMD);
    };
    Ok(Request::MntNeighbour { direction, size })
}
