// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    built_in,
    error::from_err_ptr,
    fs::{
        exportfs::{
            Encoded,
            Encoder,
            Fid,
            FileidType,
            Handle,
            Operations, //
        },
        pidfs,
        Dentry,
        Inode,
        NewFile,
        OwnedDentry,
        Path,
        SuperBlock, //
    },
    prelude::*,
    task::Task, //
};
use core::ptr::NonNull;

pub(super) const FOUND: u8 = 0;
pub(super) const ABSENT: u8 = 1;
pub(super) const FAILED: u8 = 2;
pub(super) const LONGEST: u8 = 3;

/// The open flags that the operations expect.
pub(super) const OFLAGS: u32 = 0xdead_beef;

/// A filesystem with all operations. Each operation has the result `OUTCOME`.
pub(super) struct Outcomes<const OUTCOME: u8>;

/// Returns the path that decoding finds: the path of the current task on pidfs.
pub(super) fn path() -> Result<Path> {
    let mut path = pin_init::zeroed::<bindings::path>();

    // SAFETY: `path` is valid for writes.
    unsafe { bindings::pidfs_get_root(&mut path) };
    // SAFETY: `pidfs_get_root()` returned an owned reference to the root of the filesystem.
    unsafe { bindings::dput(path.dentry) };
    path.dentry = dentry()?.into_raw();

    // SAFETY: `path` owns references to the mount and to a positive dentry on its superblock.
    Ok(unsafe { Path::from_owned(path) })
}

/// Returns the dentry of the current task on pidfs.
fn dentry() -> Result<OwnedDentry<'static>> {
    let sb = pidfs();

    // SAFETY: `get_task_pid()` may be called for the current task, which is valid.
    let pid =
        unsafe { bindings::get_task_pid(Task::current_raw(), bindings::pid_type_PIDTYPE_PID) };
    // SAFETY: `get_task_pid()` returned an owned reference.
    let stashed = unsafe { &raw mut (*pid).__bindgen_anon_1.stashed };
    // SAFETY: pidfs stores the dentry of a pid in `stashed`. `dentry_from_stashed()` consumes the
    // reference to the pid.
    let dentry = unsafe { bindings::dentry_from_stashed(stashed, sb.as_raw(), pid.cast()) };
    let dentry = NonNull::new(from_err_ptr(dentry)?).ok_or(ENOENT)?;

    // SAFETY: `dentry_from_stashed()` returned an owned reference to a positive dentry on `sb`.
    Ok(unsafe { OwnedDentry::from_raw(dentry, sb) })
}

/// Returns the superblock of pidfs.
pub(super) fn pidfs() -> &'static SuperBlock {
    let mut path = pin_init::zeroed::<bindings::path>();

    // SAFETY: `path` is valid for writes.
    unsafe { bindings::pidfs_get_root(&mut path) };
    // SAFETY: `pidfs_get_root()` returned a valid dentry.
    let sb = unsafe { (*path.dentry).d_sb };
    // SAFETY: `pidfs_get_root()` returned owned references.
    unsafe { bindings::path_put(&path) };

    // SAFETY: pidfs is never unmounted, so its superblock stays active.
    unsafe { SuperBlock::from_raw(sb) }
}

/// A handle that identifies the inodes that `encode_fh` receives.
#[repr(transparent)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
struct Seen(u64);

impl Handle for Seen {
    const TYPE: FileidType = FileidType::new(super::FILEID_TYPE);
}

impl<const OUTCOME: u8> Outcomes<OUTCOME> {
    fn lookup<'sb>() -> Result<Option<OwnedDentry<'sb>>> {
        match OUTCOME {
            FOUND => dentry().map(Some),
            ABSENT => Ok(None),
            _ => Err(ENOMEM),
        }
    }

    fn check() -> Result {
        if OUTCOME == FOUND {
            Ok(())
        } else {
            Err(ENXIO)
        }
    }
}

#[vtable]
impl<const OUTCOME: u8> Operations for Outcomes<OUTCOME> {
    type Private = u64;

    /// Encodes the private data of both inodes.
    fn encode_fh<'a>(
        inode: &Inode<u64>,
        encoder: Encoder<'a>,
        parent: Option<&Inode<u64>>,
    ) -> Encoded<'a> {
        let seen = *inode.private() + parent.map_or(0, |parent| *parent.private() * 16);
        encoder.store(|| Seen(seen))
    }

    fn fh_to_dentry<'sb>(_sb: &'sb SuperBlock, _fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        Self::lookup()
    }

    fn fh_to_dentry_nowait<'sb>(
        _sb: &'sb SuperBlock,
        _fid: &Fid<'_>,
    ) -> Result<Option<OwnedDentry<'sb>>> {
        Self::lookup()
    }

    fn fh_to_parent<'sb>(_sb: &'sb SuperBlock, _fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        Self::lookup()
    }

    fn get_parent(_child: &Dentry) -> Result<OwnedDentry<'_>> {
        Self::lookup()?.ok_or(ENOENT)
    }

    /// Fills the buffer, which must be zero, and returns a length that is below, at or above its
    /// limit.
    fn get_name(_parent: &Dentry, _child: &Dentry, name: &mut [u8]) -> Result<usize> {
        if name.iter().any(|&byte| byte != 0) {
            return Err(EIO);
        }
        name.fill(b'x');
        match OUTCOME {
            FOUND => Ok(3),
            LONGEST => Ok(name.len()),
            ABSENT => Ok(name.len() + 1),
            _ => Err(ENOMEM),
        }
    }

    fn permission(oflags: u32) -> Result {
        if oflags != OFLAGS {
            return Err(EINVAL);
        }
        Self::check()
    }

    fn open(path: &Path, oflags: u32) -> Result<NewFile> {
        if oflags != OFLAGS {
            return Err(EINVAL);
        }
        Self::check()?;
        pidfs::open(built_in!(), path, 0)
    }
}
