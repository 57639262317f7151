// SPDX-License-Identifier: GPL-2.0

use crate::{
    fs::{
        exportfs::{
            Context,
            Encoded,
            Encoder,
            Fid,
            Flags,
            Name,
            Operations, //
        },
        pidfs,
        DEntry,
        File,
        Inode,
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

/// The open flags that the operations expect: all bits matter.
pub(super) const OFLAGS: u32 = 0xdead_beef;

/// A filesystem that has every operation, each of which has the same `OUTCOME`.
pub(super) struct Outcomes<const OUTCOME: u8>;

/// The dentry that is found: the current task's on pidfs, because it is a real one.
pub(super) fn dentry() -> Result<ARef<DEntry>> {
    Ok(path()?.into_dentry())
}

/// The path of [`dentry`].
pub(super) fn path() -> Result<Path> {
    pidfs::path(StructPid::of_task(current!()).ok_or(ESRCH)?)
}

impl<const OUTCOME: u8> Outcomes<OUTCOME> {
    fn lookup() -> Result<Option<ARef<DEntry>>> {
        match OUTCOME {
            FOUND => Ok(Some(dentry()?)),
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

    const FLAGS: Flags = Flags::NOSUBTREECHK;

    /// Tells of the inodes that it sees, in bytes of an error number.
    fn encode_fh(
        inode: &Inode<u64>,
        _encoder: Encoder<'_>,
        parent: Option<&Inode<u64>>,
    ) -> Result<Encoded> {
        let seen = *inode.private() + parent.map_or(0, |parent| *parent.private() * 16);
        Err(Error::from_errno(-(seen as c_int)))
    }

    fn fh_to_dentry(_sb: &SuperBlock, _fid: &Fid<'_>) -> Result<Option<ARef<DEntry>>> {
        Self::lookup()
    }

    fn fh_to_parent(_sb: &SuperBlock, _fid: &Fid<'_>) -> Result<Option<ARef<DEntry>>> {
        Self::lookup()
    }

    fn get_name(_parent: &DEntry, name: &mut Name<'_>, _child: &DEntry) -> Result {
        Self::check()?;
        name.set(b"child")
    }

    fn get_parent(_child: &DEntry) -> Result<ARef<DEntry>> {
        Self::check()?;
        dentry()
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
pub(super) struct Named<const LEN: usize, const BYTE: u8>;

#[vtable]
impl<const LEN: usize, const BYTE: u8> Operations for Named<LEN, BYTE> {
    type Private = ();

    fn get_name(_parent: &DEntry, name: &mut Name<'_>, _child: &DEntry) -> Result {
        name.set(&[BYTE; LEN])
    }
}
