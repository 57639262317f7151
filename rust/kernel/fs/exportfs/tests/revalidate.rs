// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    fs::{
        file::flags::{
            O_CREAT,
            O_DIRECTORY,
            O_NONBLOCK,
            O_TMPFILE,
            O_TRUNC, //
        },
        Path, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use core::ptr;

const WEAK: u32 = bindings::dentry_flags_DCACHE_OP_WEAK_REVALIDATE;
const REGULAR: u32 = bindings::dentry_flags_DCACHE_REGULAR_TYPE;

/// The results of `d_weak_revalidate` for one dentry, and the number of its calls.
struct Answer {
    /// The result without flags.
    first: c_int,
    /// The result with `LOOKUP_REVAL`.
    again: c_int,
    calls: Atomic<u32>,
}

/// Returns the result of the [`Answer`] in `d_fsdata`, or `EIO` if `flags` contain another flag.
///
/// # Safety
///
/// The caller must ensure that `dentry` is part of a [`Fake`].
unsafe extern "C" fn weak_revalidate(dentry: *mut bindings::dentry, flags: c_uint) -> c_int {
    // SAFETY: The caller ensures that `d_fsdata` points to the `Answer` of the `Fake`.
    let answer = unsafe { &*(*dentry).d_fsdata.cast::<Answer>() };

    answer.calls.fetch_add(1, Relaxed);
    match flags {
        0 => answer.first,
        bindings::LOOKUP_REVAL => answer.again,
        _ => EIO.to_errno(),
    }
}

extern "C" fn open(_path: *const bindings::path, _flags: c_uint) -> *mut bindings::file {
    ENXIO.to_ptr()
}

const WITH: bindings::dentry_operations = bindings::dentry_operations {
    d_weak_revalidate: Some(weak_revalidate),
    ..pin_init::zeroed()
};
const WITHOUT: bindings::dentry_operations = pin_init::zeroed();
const EXPORT: bindings::export_operations = bindings::export_operations {
    open: Some(open),
    ..pin_init::zeroed()
};

/// A path whose dentry has a `d_weak_revalidate`, on a filesystem that opens its files itself.
///
/// Only the fields that the tests and the type invariants of [`Path`] need are initialised.
struct Fake {
    path: bindings::path,
    mnt: KBox<bindings::vfsmount>,
    dentry: KBox<bindings::dentry>,
    inode: KBox<bindings::inode>,
    sb: KBox<bindings::super_block>,
    answer: KBox<Answer>,
}

impl Fake {
    fn new(
        flags: u32,
        ops: Option<&'static bindings::dentry_operations>,
        ret: c_int,
    ) -> Result<Self> {
        Self::with_results(flags, ops, [ret; 2])
    }

    /// `results` are those without flags and with `LOOKUP_REVAL`.
    fn with_results(
        flags: u32,
        ops: Option<&'static bindings::dentry_operations>,
        results: [c_int; 2],
    ) -> Result<Self> {
        let [first, again] = results;
        let mut fake = Self {
            path: pin_init::zeroed(),
            mnt: KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?,
            dentry: KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?,
            inode: KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?,
            sb: KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?,
            answer: KBox::new(
                Answer {
                    first,
                    again,
                    calls: Atomic::new(0),
                },
                GFP_KERNEL,
            )?,
        };

        fake.sb.s_export_op = &EXPORT;
        fake.sb.s_active.counter = 1;
        fake.inode.i_sb = &mut *fake.sb;
        fake.inode.i_count.counter = 1;
        fake.dentry
            .d_lockref
            .__bindgen_anon_1
            .__bindgen_anon_1
            .count = 1;
        fake.dentry.d_inode = &mut *fake.inode;
        fake.dentry.d_flags = flags;
        fake.dentry.d_op = ops.map_or(ptr::null(), ptr::from_ref);
        fake.dentry.d_sb = &mut *fake.sb;
        fake.dentry.d_fsdata = (&raw mut *fake.answer).cast();
        fake.mnt.mnt_sb = &mut *fake.sb;
        fake.path.mnt = &mut *fake.mnt;
        fake.path.dentry = &mut *fake.dentry;
        Ok(fake)
    }

    fn path(&self) -> &Path {
        // SAFETY: The mount, the dentry and the inode are part of `self`, which outlives the
        // reference. The dentry is positive and has a reference, and its superblock is active. The
        // mount is not part of a `struct mount`: no test takes a reference to it or reads its id.
        unsafe { Path::from_raw(&self.path) }
    }

    fn calls(&self) -> u32 {
        self.answer.calls.load(Relaxed)
    }
}

#[kunit_tests(rust_exportfs_revalidate)]
mod suite {
    use super::*;

    #[test]
    fn result_of_the_filesystem() -> Result {
        let [estale, eacces, enoent] = [ESTALE, EACCES, ENOENT].map(Error::to_errno);

        // Only `ESTALE` leads to a second call, with `LOOKUP_REVAL`.
        for (results, want, calls) in [
            ([1, 0], Ok(()), 1),
            ([2, 0], Ok(()), 1),
            ([0, 1], Ok(()), 2),
            ([0, 0], Err(ESTALE), 2),
            ([0, eacces], Err(EACCES), 2),
            ([estale, 1], Ok(()), 2),
            ([estale, 0], Err(ESTALE), 2),
            ([estale, estale], Err(ESTALE), 2),
            ([eacces, 1], Err(EACCES), 1),
            ([enoent, 1], Err(ENOENT), 1),
        ] {
            let fake = Fake::with_results(WEAK, Some(&WITH), results)?;

            let got = fake.path().weak_revalidate(false);
            expect!(got == want, "{results:?}: {got:?}");
            expect!(fake.calls() == calls, "{results:?}: {} calls", fake.calls());
        }
        Ok(())
    }

    /// The filesystem may ask a server, so it is not called if the caller must not wait.
    #[test]
    fn nonblock_does_not_call_the_filesystem() -> Result {
        for ret in [1, 0, EACCES.to_errno()] {
            let fake = Fake::new(WEAK, Some(&WITH), ret)?;

            let got = fake.path().weak_revalidate(true);
            expect!(got == Err(EAGAIN), "{ret}: {got:?}");
            expect!(fake.calls() == 0, "{ret}: {} calls", fake.calls());
        }
        Ok(())
    }

    #[test]
    fn dentry_without_the_operation() -> Result {
        for (flags, ops) in [(0, None), (0, Some(&WITHOUT)), (0, Some(&WITH))] {
            for nonblock in [false, true] {
                let fake = Fake::new(flags, ops, 0)?;

                assert_eq!(fake.path().weak_revalidate(nonblock), Ok(()));
                assert_eq!(fake.calls(), 0);
            }
        }
        // The flag is set, but the operation is missing.
        for ops in [None, Some(&WITHOUT)] {
            assert_eq!(
                Fake::new(WEAK, ops, 0)?.path().weak_revalidate(false),
                Ok(())
            );
        }
        Ok(())
    }

    /// A filesystem that opens its files itself is called, unless the dentry is revalidated.
    #[test]
    fn open_that_would_revalidate() -> Result {
        for flags in [0, O_NONBLOCK, O_DIRECTORY, bindings::O_PATH] {
            for (dentry, want) in [
                (REGULAR, ENXIO),
                (0, ENXIO),
                (REGULAR | WEAK, EAGAIN),
                (WEAK, EAGAIN),
            ] {
                let fake = Fake::new(dentry, Some(&WITH), 1)?;

                let got = fake.path().try_open_by_handle(flags).map(drop);
                expect!(got == Err(want), "{flags:#o}, {dentry:#x}: {got:?}");
                expect!(fake.calls() == 0, "{flags:#o}, {dentry:#x}");
            }
        }
        Ok(())
    }

    /// A filesystem that opens its files itself may be frozen.
    #[test]
    fn open_that_would_modify() -> Result {
        for modify in [O_TRUNC, O_CREAT, O_TMPFILE] {
            for flags in [0, O_NONBLOCK, bindings::O_PATH] {
                let fake = Fake::new(REGULAR, None, 1)?;

                let got = fake.path().try_open_by_handle(modify | flags).map(drop);
                expect!(got == Err(EAGAIN), "{modify:#o}, {flags:#o}: {got:?}");
                let got = fake.path().open_by_handle(modify | flags).map(drop);
                expect!(got == Err(ENXIO), "{modify:#o}, {flags:#o}: {got:?}");
            }
        }
        Ok(())
    }

    /// The file of a descriptor is revalidated before it is encoded.
    #[test]
    fn encode_that_revalidates() -> Result {
        use crate::{
            fs::fhandle::{
                FhFlag,
                FhFlags,
                NameToHandle, //
            },
            uaccess::UserPtr, //
        };

        let nowhere = UserPtr::from_addr(0);
        let flags = bindings::AT_EMPTY_PATH;
        let request = NameToHandle::new(crate::built_in!(), nowhere, nowhere, flags)?;

        // The filesystem does not decode handles, so none is encoded.
        for (ret, want, calls) in [
            (1, EOPNOTSUPP, 1),
            (0, ESTALE, 2),
            (EACCES.to_errno(), EACCES, 1),
            (ENOENT.to_errno(), ENOENT, 1),
        ] {
            let fake = Fake::new(WEAK, Some(&WITH), ret)?;

            let got = request.encode_path(fake.path(), FhFlags::empty(), Some(Err(EFAULT)));
            expect!(got == Err(want), "{ret}: {got:?}");
            expect!(fake.calls() == calls, "{ret}: {} calls", fake.calls());
            let got = request.encode_path(fake.path(), FhFlag::Nowait.into(), Some(Err(EFAULT)));
            expect!(got == Err(EAGAIN), "{ret}: {got:?}");
            expect!(fake.calls() == calls, "{ret}: {} calls", fake.calls());
        }
        Ok(())
    }
}
