// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of pseudo filesystems.

use super::{
    FileSystem,
    Object, //
};
use crate::{
    bindings,
    fs::{
        exportfs::Operations,
        file::{
            flags,
            Offset, //
        },
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::Arc,
    task::{
        Kuid,
        Task, //
    },
    types::ScopeGuard, //
};
use core::ptr;

struct TestObject {
    ino: u64,
}

#[vtable]
impl Object for TestObject {
    fn ino(&self) -> u64 {
        self.ino
    }

    fn uid(&self) -> Kuid {
        Kuid::current_euid()
    }

    fn size(&self) -> u64 {
        u64::MAX
    }
}

struct TestFs;

impl FileSystem for TestFs {
    const NAME: &'static CStr = c"test_pseudo_fs";
}

#[vtable]
impl Operations for TestFs {
    type Private = TestObject;
}

super::file_system_type! {
    static TEST_FS: TestFs;
}

super::file_system_type! {
    static OTHER_FS: TestFs;
}

/// An object whose operations transfer `len` bytes, independent of the position, and return
/// `result`.
struct Transfer {
    ino: u64,
    len: usize,
    result: Result,
}

#[vtable]
impl Object for Transfer {
    fn ino(&self) -> u64 {
        self.ino
    }

    fn uid(&self) -> Kuid {
        Kuid::current_euid()
    }

    fn size(&self) -> u64 {
        0
    }

    fn read_iter(&self, _pos: Offset, iov: &mut IovIterDest<'_>) -> Result {
        iov.copy_to_iter(&[b'x'; 8][..self.len]);
        self.result
    }

    fn write_iter(&self, _pos: Offset, iov: &mut IovIterSource<'_>) -> Result {
        iov.copy_from_iter(&mut [0; 8][..self.len]);
        self.result
    }
}

struct TransferFs;

impl FileSystem for TransferFs {
    const NAME: &'static CStr = c"test_pseudo_fs_transfer";
}

#[vtable]
impl Operations for TransferFs {
    type Private = Transfer;
}

super::file_system_type! {
    static TRANSFER_FS: TransferFs;
}

/// Reads four bytes at position 1 of a [`Transfer`] and writes four bytes there. Returns the result
/// of each, and the position after it.
fn transfer(object: Transfer) -> Result<[(isize, Offset); 2]> {
    let object = Arc::new(object, GFP_KERNEL)?;
    let file = TRANSFER_FS.mount()?.open(object, flags::O_RDWR)?;
    let mut buffer = [0u8; 4];
    let (mut read_pos, mut write_pos) = (1, 1);

    // SAFETY: The file is valid, and `buffer` has room for the bytes.
    let read = unsafe {
        bindings::kernel_read(
            file.as_ptr(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            &mut read_pos,
        )
    };
    // SAFETY: The file is valid, and `buffer` contains the bytes.
    let written = unsafe {
        bindings::kernel_write(
            file.as_ptr(),
            buffer.as_ptr().cast(),
            buffer.len(),
            &mut write_pos,
        )
    };

    Ok([(read, read_pos), (written, write_pos)])
}

#[cfg(CONFIG_MODULES)]
mod owners {
    use super::{
        super::FileSystemType,
        TestFs, //
    };
    use crate::{
        bindings,
        prelude::*, //
    };

    struct Module(bindings::module);

    // SAFETY: No code modifies the module: `mount()` fails because of its state.
    unsafe impl Sync for Module {}

    static GOING_MODULE: Module = Module(bindings::module {
        state: bindings::module_state_MODULE_STATE_GOING,
        ..pin_init::zeroed()
    });

    static COMING_MODULE: Module = Module(bindings::module {
        state: bindings::module_state_MODULE_STATE_COMING,
        ..pin_init::zeroed()
    });

    static GOING_OWNER: ThisModule =
        // SAFETY: The only user is `GOING`, which is never mounted.
        unsafe { ThisModule::from_ptr((&raw const GOING_MODULE.0).cast_mut()) };

    static COMING_OWNER: ThisModule =
        // SAFETY: The only user is `COMING`, which is never mounted.
        unsafe { ThisModule::from_ptr((&raw const COMING_MODULE.0).cast_mut()) };

    /// A filesystem whose module is being unloaded.
    pub(super) static GOING: FileSystemType<TestFs> =
        // SAFETY: This is the value of a `static`. The kernel image contains it, so it is valid
        // without the module.
        unsafe { FileSystemType::new(&GOING_OWNER) };

    /// A filesystem whose module is being initialised.
    pub(super) static COMING: FileSystemType<TestFs> =
        // SAFETY: This is the value of a `static`. The kernel image contains it, so it is valid
        // without the module.
        unsafe { FileSystemType::new(&COMING_OWNER) };
}

#[kunit_tests(rust_pseudo_fs)]
mod suite {
    use super::*;

    #[test]
    fn mounts_share_a_superblock() -> Result {
        let (first, second) = (TEST_FS.mount()?, TEST_FS.mount()?);

        assert!(ptr::eq(first.super_block(), second.super_block()));
        Ok(())
    }

    #[test]
    fn object_has_one_dentry() -> Result {
        let (first, second) = (TEST_FS.mount()?, TEST_FS.mount()?);
        let object = Arc::new(TestObject { ino: 2 }, GFP_KERNEL)?;
        let dentry = TEST_FS.dentry(first.super_block(), object.clone())?;
        let again = TEST_FS.dentry(second.super_block(), object)?;

        assert!(ptr::eq(&*dentry, &*again));
        Ok(())
    }

    #[test]
    fn last_reference_drops_object() -> Result {
        let mount = TEST_FS.mount()?;
        let object = Arc::new(TestObject { ino: 2 }, GFP_KERNEL)?;

        drop(TEST_FS.dentry(mount.super_block(), object.clone())?);
        drop(mount);
        assert!(Arc::into_unique_or_drop(object).is_some());
        Ok(())
    }

    #[test]
    fn dentry_on_another_filesystem() -> Result {
        let mount = OTHER_FS.mount()?;
        let object = Arc::new(TestObject { ino: 2 }, GFP_KERNEL)?;
        let dentry = TEST_FS.dentry_nowait(mount.super_block(), &object);

        assert!(matches!(dentry, Err(err) if err == EINVAL));
        let dentry = TEST_FS.dentry(mount.super_block(), object);

        assert!(matches!(dentry, Err(err) if err == EINVAL));
        Ok(())
    }

    /// `dentry_nowait()` does not create an inode.
    #[test]
    fn dentry_nowait_while_inode_is_cached() -> Result {
        let mount = TEST_FS.mount()?;
        let sb = mount.super_block();
        let object = Arc::new(TestObject { ino: 2 }, GFP_KERNEL)?;
        let other = Arc::new(TestObject { ino: 3 }, GFP_KERNEL)?;

        assert!(matches!(TEST_FS.dentry_nowait(sb, &object), Err(err) if err == EAGAIN));
        let dentry = TEST_FS.dentry(sb, object.clone())?;
        let again = TEST_FS.dentry_nowait(sb, &object)?;
        assert!(ptr::eq(&*dentry, &*again));
        assert!(matches!(TEST_FS.dentry_nowait(sb, &other), Err(err) if err == EAGAIN));

        drop(dentry);
        assert!(TEST_FS.dentry_nowait(sb, &object).is_ok());
        drop(again);
        assert!(matches!(TEST_FS.dentry_nowait(sb, &object), Err(err) if err == EAGAIN));
        Ok(())
    }

    /// Some of the numbers that are not cached share a hash bucket with a cached one.
    #[test]
    fn dentry_nowait_of_another_number() -> Result {
        const CACHED: u64 = 256;
        const OTHER: u64 = 1 << 14;

        let mount = TEST_FS.mount()?;
        let sb = mount.super_block();
        let mut dentries = KVec::new();

        for ino in 2..CACHED {
            let object = Arc::new(TestObject { ino }, GFP_KERNEL)?;
            dentries.push(TEST_FS.dentry(sb, object)?, GFP_KERNEL)?;
        }
        for ino in CACHED..CACHED + OTHER {
            let dentry = TEST_FS.dentry_nowait(sb, &TestObject { ino });

            assert!(matches!(dentry, Err(err) if err == EAGAIN));
        }
        Ok(())
    }

    // do_exit() clears `nsproxy` before it calls `->release()` as task work.
    #[test]
    fn no_mount_without_namespaces() -> Result {
        let task = Task::current_raw();
        // SAFETY: Only the task itself changes its `nsproxy`, and it does not do so during the
        // test.
        let nsproxy = unsafe { ptr::replace(&raw mut (*task).nsproxy, ptr::null_mut()) };
        let restore = ScopeGuard::new(|| {
            // SAFETY: This restores the pointer that was read above. The reference was not dropped.
            unsafe { (*task).nsproxy = nsproxy }
        });
        let mount = TEST_FS.mount();

        drop(restore);
        assert!(matches!(mount, Err(err) if err == ESRCH));
        Ok(())
    }

    #[cfg(CONFIG_MODULES)]
    #[test]
    fn no_mount_while_module_is_unloaded() {
        assert!(matches!(owners::GOING.mount(), Err(err) if err == ENODEV));
    }

    #[cfg(CONFIG_MODULES)]
    #[test]
    fn no_mount_while_module_is_initialised() {
        assert!(matches!(owners::COMING.mount(), Err(err) if err == EBUSY));
    }

    #[test]
    fn position_advances_by_transferred_bytes() -> Result {
        let results = transfer(Transfer {
            ino: 2,
            len: 3,
            result: Ok(()),
        })?;

        assert_eq!(results, [(3, 4); 2]);
        Ok(())
    }

    /// The object transfers eight bytes if there is room.
    #[test]
    fn transfer_is_limited_to_buffer() -> Result {
        let results = transfer(Transfer {
            ino: 3,
            len: 8,
            result: Ok(()),
        })?;

        assert_eq!(results, [(4, 5); 2]);
        Ok(())
    }

    #[test]
    fn partial_transfer_hides_error() -> Result {
        let results = transfer(Transfer {
            ino: 4,
            len: 2,
            result: Err(EIOCBQUEUED),
        })?;

        assert_eq!(results, [(2, 3); 2]);
        Ok(())
    }

    #[test]
    fn error_without_transfer() -> Result {
        let results = transfer(Transfer {
            ino: 5,
            len: 0,
            result: Err(ENOSPC),
        })?;

        assert_eq!(results, [(ENOSPC.to_errno() as isize, 1); 2]);
        Ok(())
    }

    #[test]
    fn asynchronous_result_is_an_error() -> Result {
        let results = transfer(Transfer {
            ino: 6,
            len: 0,
            result: Err(EIOCBQUEUED),
        })?;

        assert_eq!(results, [(EIO.to_errno() as isize, 1); 2]);
        Ok(())
    }
}
