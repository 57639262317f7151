// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    fs::{
        exportfs::{
            Context,
            Encoded,
            Encoder,
            Fid,
            FileidType,
            Flags,
            Handle,
            Name,
            Named,
            Operations, //
        },
        pidfs,
        Dentry,
        File,
        Inode,
        OwnedDentry,
        Path,
        SuperBlock, //
    },
    pid::StructPid,
    prelude::*,
    sync::aref::ARef, //
};

pub(super) const FOUND: u8 = 0;
pub(super) const ABSENT: u8 = 1;
pub(super) const FAILED: u8 = 2;
/// A dentry is found, but whatever the superblock is, on pidfs.
pub(super) const ELSEWHERE: u8 = 3;

/// The open flags that the operations expect: all bits matter.
pub(super) const OFLAGS: u32 = 0xdead_beef;

/// A filesystem that has every operation, each of which has the same `OUTCOME`.
pub(super) struct Outcomes<const OUTCOME: u8>;

/// The path of the dentry that is found: the current task's on pidfs, because it is a real one.
pub(super) fn path() -> Result<Path> {
    pidfs::path(StructPid::of_task(current!()).ok_or(ESRCH)?)
}

/// The superblock of pidfs.
pub(super) fn pidfs() -> &'static SuperBlock {
    // SAFETY: `pidfs_mnt` was set before there was a task, and is not changed afterwards.
    let mnt = unsafe { bindings::pidfs_mnt };
    // SAFETY: The mount is there for good, and `mnt_sb` does not change.
    let sb = unsafe { (*mnt).mnt_sb };

    // SAFETY: The mount keeps its superblock active.
    unsafe { SuperBlock::from_raw(sb) }
}

/// A handle that tells which inodes were seen.
#[repr(transparent)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
struct Seen(u64);

impl Handle for Seen {
    const TYPE: FileidType = FileidType::new(super::KIND);
}

impl<const OUTCOME: u8> Outcomes<OUTCOME> {
    fn lookup(sb: &SuperBlock) -> Result<Option<OwnedDentry<'_>>> {
        match OUTCOME {
            FOUND => path()?.into_dentry(sb).map(Some),
            ABSENT => Ok(None),
            ELSEWHERE => path()?.into_dentry(pidfs()).map(Some),
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

    const FLAGS: Flags = Flags::NOSUBTREECHK;

    /// Tells of the inodes that it sees.
    fn encode_fh<'a>(
        inode: &Inode<u64>,
        encoder: Encoder<'a>,
        parent: Option<&Inode<u64>>,
    ) -> Encoded<'a> {
        let seen = *inode.private() + parent.map_or(0, |parent| *parent.private() * 16);
        encoder.store(|| Seen(seen))
    }

    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, _fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        Self::lookup(sb)
    }

    fn fh_to_parent<'sb>(sb: &'sb SuperBlock, _fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        Self::lookup(sb)
    }

    fn get_name<'a>(_parent: &Dentry, name: Name<'a>, _child: &Dentry) -> Result<Named<'a>> {
        Self::check()?;
        name.set(b"child")
    }

    fn get_parent(child: &Dentry) -> Result<OwnedDentry<'_>> {
        Self::lookup(child.super_block())?.ok_or(ENOENT)
    }

    fn permission(_ctx: &Context, oflags: u32) -> Result {
        if oflags != OFLAGS {
            return Err(EINVAL);
        }
        Self::check()
    }

    fn open(path: &Path, oflags: u32) -> Result<ARef<File>> {
        if oflags != OFLAGS {
            return Err(EINVAL);
        }
        Self::check()?;
        pidfs::open(path, 0)
    }
}

/// A filesystem whose files are called `BYTE`, `LEN` times.
pub(super) struct Called<const LEN: usize, const BYTE: u8>;

#[vtable]
impl<const LEN: usize, const BYTE: u8> Operations for Called<LEN, BYTE> {
    type Private = ();

    fn get_name<'a>(_parent: &Dentry, name: Name<'a>, _child: &Dentry) -> Result<Named<'a>> {
        name.set(&[BYTE; LEN])
    }
}
