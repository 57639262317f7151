// SPDX-License-Identifier: GPL-2.0

//! The file handles and the ioctls of nsfs.
//!
//! A handle of a namespace is `struct nsfs_file_handle`: its 64-bit id, which is never reused, its
//! type and its inode number, 16 bytes in native byte order, of the kind `FILEID_NSFS`. Anybody may
//! decode one, and finds an active namespace if the caller is in it, or may see all of them.
//!
//! C version of this file: the `export_operations` and `ns_ioctl()` in [`fs/nsfs.c`](./nsfs.c).

use core::mem::offset_of;
#[cfg(CONFIG_PID_NS)]
use kernel::ns_common::View;
use kernel::{
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
        TypeAndInum, //
    },
    prelude::*,
    sync::aref::ARef, //
};

// A crate looks beside its first file, where other filesystems are.
#[path = "nsfs_rust/ioctl.rs"]
mod ioctl;
#[path = "nsfs_rust/request.rs"]
mod request;

/// The handle of a namespace: `struct nsfs_file_handle`.
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

// The layout is ABI, and told to user space in C.
const _: () = {
    type C = bindings::nsfs_file_handle;

    assert!(size_of::<NsHandle>() == size_of::<C>());
    assert!(offset_of!(NsHandle, ns_id) == offset_of!(C, ns_id));
    assert!(offset_of!(NsHandle, ns_type) == offset_of!(C, ns_type));
    assert!(offset_of!(NsHandle, ns_inum) == offset_of!(C, ns_inum));
};

impl NsHandle {
    /// Finds the namespace. A handle of the id alone has zeros for the type and the inode number.
    #[inline]
    fn lookup(&self) -> Option<ARef<NsCommon>> {
        if self.ns_id == 0 {
            return None;
        }
        let known = match (self.ns_type, self.ns_inum) {
            (0, 0) => None,
            (0, _) | (_, 0) => return None,
            (ns_type, inum) => Some(TypeAndInum { ns_type, inum }),
        };
        NsCommon::lookup(self.ns_id, known)
    }
}

/// Decides whether the caller may have a file of this namespace.
///
/// A caller in the namespace has it in `/proc/self/ns`; one who may see all namespaces can list
/// them.
#[inline]
fn may_open(ns: &NsCommon) -> Result {
    let view = ns.view().ok_or(EOPNOTSUPP)?;

    if !view.contains(current!()) {
        return if may_see_all_namespaces() {
            Ok(())
        } else {
            Err(EPERM)
        };
    }
    match view {
        // What pidns_for_children_get() refuses, too.
        #[cfg(CONFIG_PID_NS)]
        View::Pid(ns) if !ns.has_child_reaper() => Err(EPERM),
        _ => Ok(()),
    }
}

/// The filesystem.
///
/// Has no `open`, because what that does in C is what the VFS does where there is none.
struct NsFs;

#[vtable]
impl Operations for NsFs {
    type Private = NsCommon;

    const FLAGS: Flags = Flags::NONBLOCK;

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

    #[inline]
    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let Some(handle) = fid.load::<NsHandle>() else {
            return Ok(None);
        };
        let Some(ns) = handle.lookup() else {
            return Ok(None);
        };
        may_open(&ns)?;
        nsfs::path(ns)?.into_dentry(sb).map(Some)
    }

    /// Decoding asks all there is to ask.
    fn permission(_ctx: &Context, _oflags: u32) -> Result {
        Ok(())
    }
}

/// The code is part of the kernel image, and starts with `nsfs_init()` in C.
struct LocalModule;

impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"nsfs";

    // SAFETY: A null pointer stands for built-in code.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
}

/// The table that nsfs_init_fs_context() in `fs/nsfs.c` installs.
//
// SAFETY: nsfs_init_inode() sets `i_private` to the `struct ns_common` that the inode holds until
// it is evicted. The root of the filesystem has none, but there is no path to it that a file could
// be named by.
#[no_mangle]
static nsfs_rust_export_operations: Table<NsFs> = unsafe { Table::new() };
