// SPDX-License-Identifier: GPL-2.0

//! The file handles of pidfs.
//!
//! A handle of a pidfd is the 64-bit number of its `struct pid`, which is never reused: 8 bytes in
//! native byte order, of the kind `FILEID_KERNFS`. Anybody may decode one, and finds what lies in
//! the pid namespace hierarchy of the caller and has not been reaped.
//!
//! C version of this file: the `export_operations` in [`fs/pidfs.c`](./pidfs.c).

use kernel::{
    fs::{
        exportfs::{
            Context,
            Encoded,
            Encoder,
            Fid,
            FileidType,
            Flags,
            Handle,
            Operations,
            Table,
            Tail, //
        },
        file::flags::*,
        pidfs,
        File,
        Inode,
        OwnedDentry,
        Path,
        SuperBlock, //
    },
    pid::StructPid,
    prelude::*,
    sync::aref::ARef,
    warn_on, //
};

/// What open_by_handle_at(2) accepts: `O_NONBLOCK` is `PIDFD_NONBLOCK`, `O_EXCL` is
/// `PIDFD_THREAD`, and `O_LARGEFILE` is added by the system call.
const VALID_OPEN_FLAGS: u32 =
    O_RDONLY | O_WRONLY | O_RDWR | O_NONBLOCK | O_CLOEXEC | O_EXCL | O_LARGEFILE;

/// The handle of a pidfd.
#[repr(C)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
struct PidHandle {
    ino: u64,
}

impl Handle for PidHandle {
    const TYPE: FileidType = FileidType::KERNFS;
    const TAIL: Tail = Tail::Ignored;
}

/// The filesystem.
struct PidFs;

#[vtable]
impl Operations for PidFs {
    type Private = StructPid;

    const FLAGS: Flags = Flags::NONBLOCK;

    fn encode_fh<'a>(
        inode: &Inode<StructPid>,
        encoder: Encoder<'a>,
        _parent: Option<&Inode<StructPid>>,
    ) -> Encoded<'a> {
        encoder.store(|| PidHandle {
            ino: inode.private().ino(),
        })
    }

    #[inline]
    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let Some(handle) = fid.load::<PidHandle>() else {
            return Ok(None);
        };
        let Some(pid) = pidfs::lookup(handle.ino) else {
            return Ok(None);
        };
        pidfs::path(pid)?.into_dentry(sb).map(Some)
    }

    /// The lookup asks whether the pid is in the caller's pid namespace hierarchy, which is all
    /// that pidfd_open(2) asks, too; no further permission is needed.
    fn permission(_ctx: &Context, oflags: u32) -> Result {
        if oflags & !VALID_OPEN_FLAGS != 0 {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn open(path: &Path, oflags: u32) -> Result<ARef<File>> {
        // Only the creator of a task can have it killed with its pidfd.
        if warn_on!(oflags & pidfs::AUTOKILL != 0) {
            return Err(EINVAL);
        }
        pidfs::open(path, oflags & !O_LARGEFILE)
    }
}

/// The code is part of the kernel image, and starts with `pidfs_init()` in C.
struct LocalModule;

impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"pidfs";

    // SAFETY: A null pointer stands for built-in code.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
}

/// The table that pidfs_init_fs_context() in `fs/pidfs.c` installs.
//
// SAFETY: pidfs_init_inode() sets `i_private` to the `struct pid` that the inode holds until it is
// evicted. The root of the filesystem has none, but there is no path to it that a file could be
// named by.
#[no_mangle]
static pidfs_rust_export_operations: Table<PidFs> = unsafe { Table::new() };
