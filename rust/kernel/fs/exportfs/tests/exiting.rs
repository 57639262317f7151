// SPDX-License-Identifier: GPL-2.0

use super::user_memory;
use crate::{
    bindings,
    built_in,
    fs::{
        fhandle::Decoder,
        Filename,
        LocalFile,
        LookupFlags,
        Path, //
    },
    prelude::*,
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

    fn decoder() -> Result {
        Decoder::new(built_in!(), bindings::FD_PIDFS_ROOT, 0).map(drop)
    }

    #[test]
    fn task_without_files_or_directories() -> Result {
        for (fs, files) in [(true, false), (false, true), (true, true)] {
            for call in [open_descriptor, decoder] {
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

    #[test]
    fn task_with_both() -> Result {
        assert_eq!(without(false, false, open_descriptor), Err(EBADF));
        assert_eq!(without(false, false, decoder), Ok(()));
        Ok(())
    }
}
