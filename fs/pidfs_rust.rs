// SPDX-License-Identifier: GPL-2.0

//! File handles of pidfs.
//!
//! The handle of a pidfd is the 64-bit number of its `struct pid` (8 bytes in native byte order,
//! type `FILEID_KERNFS`). The number is never reused within one boot.
//!
//! Any process may decode a handle. Decoding succeeds if the pid is registered in pidfs (for a
//! pidfd, or by a Unix socket, a core dump or fanotify), is in the pid namespace hierarchy of the
//! process, and has not been reaped.
//!
//! C version of this file: the `export_operations` in [`fs/pidfs.c`](./pidfs.c).

use kernel::{
    built_in,
    fs::{
        exportfs::{
            Encoded,
            Encoder,
            Fid,
            FileidType,
            Handle,
            Operations,
            Table,
            Tail, //
        },
        file::flags::*,
        pidfs,
        Inode,
        NewFile,
        OwnedDentry,
        Path,
        SuperBlock, //
    },
    pid::StructPid,
    prelude::*, //
};

/// The flags that open_by_handle_at(2) accepts.
///
/// `O_NONBLOCK` is `PIDFD_NONBLOCK`, and `O_EXCL` is `PIDFD_THREAD`. The system call adds
/// `O_LARGEFILE`.
const VALID_OPEN_FLAGS: u32 =
    O_RDONLY | O_WRONLY | O_RDWR | O_NONBLOCK | O_CLOEXEC | O_EXCL | O_LARGEFILE;

/// The handle of a pidfd.
///
/// `TAIL` is `Ignored` because C also accepts longer handles.
#[repr(C)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
struct PidHandle {
    ino: u64,
}

impl Handle for PidHandle {
    const TYPE: FileidType = FileidType::KERNFS;
    const TAIL: Tail = Tail::Ignored;
}

/// The pid filesystem.
struct PidFs;

#[vtable]
impl Operations for PidFs {
    type Private = StructPid;

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
    fn fh_to_dentry<'sb>(_sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let Some(handle) = fid.load::<PidHandle>() else {
            return Ok(None);
        };
        pidfs::lookup(built_in!(), handle.ino)
    }

    /// Calls `fh_to_dentry`, which looks up the pid under RCU and does not wait.
    fn fh_to_dentry_nowait<'sb>(
        sb: &'sb SuperBlock,
        fid: &Fid<'_>,
    ) -> Result<Option<OwnedDentry<'sb>>> {
        Self::fh_to_dentry(sb, fid)
    }

    /// Rejects flags that have no meaning for pidfds.
    ///
    /// No other check is required: `fh_to_dentry` only finds pids in the pid namespace hierarchy of
    /// the current task. The task can open the same pids with pidfd_open(2), which additionally
    /// requires a thread-group leader unless `PIDFD_THREAD` is set.
    fn permission(oflags: u32) -> Result {
        if oflags & !VALID_OPEN_FLAGS != 0 {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn open(path: &Path, oflags: u32) -> Result<NewFile> {
        pidfs::open(built_in!(), path, oflags)
    }
}

/// The module metadata that `kernel` macros expect. `pidfs_init()` in C initialises pidfs.
struct LocalModule;

impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"pidfs";

    // SAFETY: A null pointer represents built-in code.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
}

/// The export operations, which `pidfs_init_fs_context()` in `fs/pidfs.c` installs.
//
// SAFETY: `pidfs_init_inode()` sets `i_private` to a `struct pid`. The inode holds a reference to
// it until eviction, and `i_private` does not change. The pid satisfies the invariant of
// `StructPid`: `alloc_pid()` assigns the number before it calls `pidfs_add_pid()` and returns, and
// pidfs creates an inode for a pid that it returned, to a task or to `copy_process()`, or that was
// found in `pidfs_ino_ht`. The root inode has no `i_private`. It is not passed to `encode_fh`,
// because user space has no file descriptor or path of it.
#[no_mangle]
static pidfs_rust_export_operations: Table<PidFs> = unsafe { Table::new() };
