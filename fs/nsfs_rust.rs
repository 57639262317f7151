// SPDX-License-Identifier: GPL-2.0

//! File handles and ioctls of nsfs.
//!
//! The handle of a namespace is a `struct nsfs_file_handle` (16 bytes in native byte order, type
//! `FILEID_NSFS`): the 64-bit id of the namespace, which is never reused within one boot, its type
//! and its inode number.
//!
//! Any process may decode a handle. Decoding succeeds if the namespace is active, and the process
//! is in the namespace or may see all namespaces.
//!
//! C version of this file: the `export_operations` and `ns_ioctl()` in [`fs/nsfs.c`](./nsfs.c).

use core::mem::offset_of;
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
        nsfs,
        Inode,
        OwnedDentry,
        SuperBlock, //
    },
    ns_common::{
        may_see_all_namespaces,
        NsCommon,
        RcuNsCommon, //
    },
    prelude::*,
    sync::rcu,
    uapi, //
};

// rustc looks up the modules of a crate root in the directory of its file, which is fs/ here.
#[path = "nsfs_rust/ioctl.rs"]
mod ioctl;
#[path = "nsfs_rust/request.rs"]
mod request;

/// The handle of a namespace (`struct nsfs_file_handle`).
#[repr(C)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
struct NsHandle {
    ns_id: u64,
    ns_type: u32,
    ns_inum: u32,
}

impl Handle for NsHandle {
    const TYPE: FileidType = FileidType::NSFS;
    const TAIL: Tail = Tail::Zero;
}

// `struct nsfs_file_handle` is user-space ABI and is defined in C.
const _: () = {
    type C = uapi::nsfs_file_handle;

    assert!(size_of::<NsHandle>() == size_of::<C>());
    assert!(offset_of!(NsHandle, ns_id) == offset_of!(C, ns_id));
    assert!(offset_of!(NsHandle, ns_type) == offset_of!(C, ns_type));
    assert!(offset_of!(NsHandle, ns_inum) == offset_of!(C, ns_inum));
};

impl NsHandle {
    /// Looks up the namespace.
    ///
    /// If both `ns_type` and `ns_inum` are zero, looks it up by `ns_id` alone.
    #[inline]
    fn lookup<'rcu>(&self, rcu: &'rcu rcu::Guard) -> Option<RcuNsCommon<'rcu>> {
        if self.ns_id == 0 || (self.ns_type == 0) != (self.ns_inum == 0) {
            return None;
        }
        NsCommon::lookup(built_in!(), self.ns_id, self.ns_type, rcu)
            .filter(|ns| self.ns_inum == 0 || self.ns_inum == ns.inum())
    }
}

/// Checks that the current task may open the namespace.
///
/// The check grants no additional access: a task can open its own namespaces in `/proc/self/ns`,
/// and a task that may see all namespaces can list the others with listns(2).
///
/// # Errors
///
/// - `EPERM` if the task may not open the namespace.
#[inline]
fn check_permission(ns: RcuNsCommon<'_>) -> Result {
    if !ns.is_current() {
        if may_see_all_namespaces(built_in!()) {
            return Ok(());
        }
        return Err(EPERM);
    }

    // The same check as in C. It never fails: the current task is in this pid namespace, whose
    // `child_reaper` is set by its first process and never reset.
    if ns.ns_type() == uapi::ns_type_PID_NS
        && !current!()
            .active_pid_ns()
            .is_some_and(|ns| ns.has_child_reaper())
    {
        return Err(EPERM);
    }
    Ok(())
}

/// Looks up the namespace of a handle, and returns its dentry.
///
/// If `wait` is `false`, the lookup fails for a mount namespace that the current task is not in. If
/// all tasks leave it, the current task may drop the last reference, which takes `namespace_sem`
/// and waits for a grace period. The current task keeps a reference to its own namespaces. Dropping
/// namespaces of other types does not wait.
///
/// # Errors
///
/// - `EPERM` if the task may not open the namespace.
/// - `EAGAIN` if `wait` is `false` and the lookup may wait.
/// - `ENOMEM` if memory allocation fails.
#[inline]
fn decode<'sb>(fid: &Fid<'_>, wait: bool) -> Result<Option<OwnedDentry<'sb>>> {
    let Some(handle) = fid.load::<NsHandle>() else {
        return Ok(None);
    };

    let rcu = rcu::read_lock();
    let Some(ns) = handle.lookup(&rcu) else {
        return Ok(None);
    };
    check_permission(ns)?;
    if !wait && ns.ns_type() == uapi::ns_type_MNT_NS && !ns.is_current() {
        return Err(EAGAIN);
    }
    let Some(ns) = ns.get() else {
        return Ok(None);
    };
    drop(rcu);

    nsfs::dentry(built_in!(), ns)
}

/// The namespace filesystem.
///
/// It does not implement `open`: `nsfs_export_open()` in C does the same as the VFS does by
/// default.
struct NsFs;

#[vtable]
impl Operations for NsFs {
    type Private = NsCommon;

    fn encode_fh<'a>(
        inode: &Inode<NsCommon>,
        encoder: Encoder<'a>,
        parent: Option<&Inode<NsCommon>>,
    ) -> Encoded<'a> {
        if parent.is_some() {
            return encoder.refuse();
        }
        let ns = inode.private();
        encoder.store(|| NsHandle {
            ns_id: ns.id(),
            ns_type: ns.ns_type(),
            // CAST: The inode number of a namespace has 32 bits.
            ns_inum: inode.ino() as u32,
        })
    }

    fn fh_to_dentry<'sb>(_sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        decode(fid, true)
    }

    fn fh_to_dentry_nowait<'sb>(
        _sb: &'sb SuperBlock,
        fid: &Fid<'_>,
    ) -> Result<Option<OwnedDentry<'sb>>> {
        decode(fid, false)
    }

    /// Accepts all flags: `fh_to_dentry` checks the permission for the namespace.
    fn permission(_oflags: u32) -> Result {
        Ok(())
    }
}

/// The module metadata that `kernel` macros expect. `nsfs_init()` in C initialises nsfs.
struct LocalModule;

impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"nsfs";

    // SAFETY: A null pointer represents built-in code.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
}

/// The export operations, which `nsfs_init_fs_context()` in `fs/nsfs.c` installs.
//
// SAFETY: `nsfs_init_inode()` sets `i_private` to a `struct ns_common`. The inode holds a reference
// to it until eviction, and `i_private` does not change. The namespace satisfies the invariants of
// `NsCommon`, because nsfs only creates inodes for namespaces in the namespace tree. The root inode
// has no `i_private`. It is not passed to `encode_fh`, because user space has no file descriptor or
// path of it.
#[no_mangle]
static nsfs_rust_export_operations: Table<NsFs> = unsafe { Table::new() };
