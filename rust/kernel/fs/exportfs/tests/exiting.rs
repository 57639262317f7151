// SPDX-License-Identifier: GPL-2.0

use super::user_memory;
use crate::{
    bindings,
    built_in,
    fs::{
        fhandle::{
            Decoder,
            FileHandle, //
        },
        file::FileDescriptorReservation,
        Filename,
        LocalFile,
        LookupFlags,
        Path, //
    },
    ns_common::NsCommon,
    prelude::*,
    sync::rcu,
    task::Task,
    uaccess::UserSlice, //
};
use core::ptr;

/// Calls `f` without the `fs_struct` or the descriptor table of this task, as a task that exits.
fn without<R>(fs: bool, files: bool, f: impl FnOnce() -> R) -> R {
    let task = Task::current_raw();
    // SAFETY: The current task is valid, and only the task itself changes the two pointers.
    let before = unsafe { ((*task).fs, (*task).files) };

    if fs {
        // SAFETY: Only the task itself changes the pointer. Others expect that it may be NULL.
        unsafe { (*task).fs = ptr::null_mut() };
    }
    if files {
        // SAFETY: Only the task itself changes the pointer. Others expect that it may be NULL.
        unsafe { (*task).files = ptr::null_mut() };
    }
    let ret = f();

    // SAFETY: Only the task itself changes the two pointers.
    unsafe { ((*task).fs, (*task).files) = before };
    ret
}

#[kunit_tests(rust_exportfs_exiting)]
mod suite {
    use super::*;

    fn open_descriptor() -> Result {
        // SAFETY: The closure does not close descriptors.
        unsafe { LocalFile::with_fd_raw(u32::MAX, |_| Ok(())) }
    }

    fn reservation() -> Result {
        FileDescriptorReservation::with_limit(0, 64).map(drop)
    }

    fn decoder() -> Result {
        Decoder::new(built_in!(), bindings::FD_PIDFS_ROOT, 0).map(drop)
    }

    #[test]
    fn task_without_files_or_directories() -> Result {
        for (fs, files) in [(true, false), (false, true), (true, true)] {
            for call in [open_descriptor, reservation, decoder] {
                let got = without(fs, files, call);
                expect!(got == Err(ESRCH), "{fs}, {files}: {got:?}");
            }
        }
        Ok(())
    }

    /// A task that exits has no memory to copy a name from, but it can have copied one before.
    #[test]
    fn lookup_without_files_or_directories() -> Result {
        let page = user_memory::page()?;
        UserSlice::new(page, 2).writer().write_slice(b"/\0")?;
        let name = Filename::from_user(built_in!(), page, 0)?;
        let lookup = || Path::lookup(bindings::AT_FDCWD, &name, LookupFlags::empty()).map(drop);

        for (fs, files) in [(true, false), (false, true), (true, true)] {
            let got = without(fs, files, lookup);
            expect!(got == Err(ESRCH), "{fs}, {files}: {got:?}");
        }
        assert_eq!(lookup(), Ok(()));
        Ok(())
    }

    /// A task that exits can have created the decoder before.
    #[test]
    fn decode_without_files_or_directories() -> Result {
        for (fs, files) in [(true, false), (false, true), (true, true)] {
            let decoder = Decoder::new(built_in!(), bindings::FD_PIDFS_ROOT, 0)?;
            let mut handle = FileHandle::empty();

            let got = without(fs, files, || decoder.decode(&mut handle).map(drop));
            expect!(got == Err(ESRCH), "{fs}, {files}: {got:?}");
        }
        Ok(())
    }

    #[test]
    fn task_without_namespaces() -> Result {
        let rcu = rcu::read_lock();
        let id = u64::from(bindings::init_ns_id_MNT_NS_INIT_ID);
        let ns = NsCommon::lookup(built_in!(), id, 0, &rcu).ok_or(ENOENT)?;
        let task = Task::current_raw();

        // SAFETY: Only the task itself changes its `nsproxy`. Others expect that it may be NULL.
        let nsproxy = unsafe { ptr::replace(&raw mut (*task).nsproxy, ptr::null_mut()) };
        let is_current = ns.is_current();

        // SAFETY: Only the task itself changes its `nsproxy`.
        unsafe { (*task).nsproxy = nsproxy };
        assert!(!is_current);
        Ok(())
    }

    #[test]
    fn task_with_both() -> Result {
        assert_eq!(without(false, false, open_descriptor), Err(EBADF));
        assert_eq!(without(false, false, decoder), Ok(()));
        Ok(())
    }
}
