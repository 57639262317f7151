// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the result of an encoded handle.

use super::{
    FhFlag,
    FhFlags,
    FileHandle, //
};
use crate::{
    bindings,
    fs::Dentry,
    prelude::*,
    static_lock_class,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use core::ptr;

/// The size of the header of a `struct file_handle`.
const HEADER: usize = 8;

/// What `encode_fh` returns, and what it has seen.
struct Answer {
    ret: c_int,
    /// The required size, and the size of what is written.
    dwords: c_int,
    written: usize,
    seen: Atomic<i32>,
}

/// Writes `written` dwords, and returns the [`Answer`] in `i_private`.
///
/// # Safety
///
/// The caller must ensure that `inode` is part of a [`Fake`], that `fh` is valid for writes of
/// `written` dwords, and that `len` is valid for reads and writes.
unsafe extern "C" fn encode_fh(
    inode: *mut bindings::inode,
    fh: *mut u32,
    len: *mut c_int,
    _parent: *mut bindings::inode,
) -> c_int {
    // SAFETY: The caller ensures that `i_private` points to the `Answer` of the `Fake`.
    let answer = unsafe { &*(*inode).i_private.cast::<Answer>() };

    // SAFETY: The caller ensures that `len` is valid for reads.
    answer.seen.store(unsafe { *len }, Relaxed);
    // SAFETY: The caller ensures that `fh` is valid for writes of that size.
    unsafe { fh.cast::<u8>().write_bytes(0xa5, answer.written * 4) };
    // SAFETY: The caller ensures that `len` is valid for writes.
    unsafe { *len = answer.dwords };
    answer.ret
}

/// Handles are not decoded, but a filesystem without this function does not support handles.
extern "C" fn fh_to_dentry(
    _sb: *mut bindings::super_block,
    _fid: *mut bindings::fid,
    _len: c_int,
    _fileid_type: c_int,
) -> *mut bindings::dentry {
    ptr::null_mut()
}

const EXPORT: bindings::export_operations = bindings::export_operations {
    encode_fh: Some(encode_fh),
    fh_to_dentry: Some(fh_to_dentry),
    fh_to_parent: Some(fh_to_dentry),
    ..pin_init::zeroed()
};

/// A dentry. Only the fields that the tests need are initialised.
struct Fake {
    dentry: KBox<bindings::dentry>,
    _inode: KBox<bindings::inode>,
    _sb: KBox<bindings::super_block>,
    answer: KBox<Answer>,
}

impl Fake {
    fn new(is_dir: bool, answer: Answer) -> Result<Self> {
        let mut dentry: KBox<bindings::dentry> = KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?;
        let mut inode: KBox<bindings::inode> = KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?;
        let mut sb: KBox<bindings::super_block> = KBox::init(pin_init::init_zeroed(), GFP_KERNEL)?;
        let mut answer = KBox::new(answer, GFP_KERNEL)?;

        sb.s_export_op = &EXPORT;
        sb.s_active.counter = 1;
        inode.i_sb = &mut *sb;
        inode.i_private = (&raw mut *answer).cast();
        inode.i_count.counter = 1;
        dentry.d_sb = &mut *sb;
        dentry.d_inode = &mut *inode;
        dentry.d_parent = &mut *dentry;
        // dget_parent() and dput() change the count, and do not reach 0.
        dentry.d_lockref.__bindgen_anon_1.__bindgen_anon_1.count = 2;
        // SAFETY: The lock is part of the dentry, which is allocated and does not move.
        unsafe {
            bindings::__spin_lock_init(
                &raw mut dentry.d_lockref.__bindgen_anon_1.__bindgen_anon_1.lock,
                c"fake dentry".as_char_ptr(),
                static_lock_class!().as_ptr(),
            )
        };
        (inode.i_mode, dentry.d_flags) = if is_dir {
            (
                bindings::S_IFDIR as bindings::umode_t,
                bindings::dentry_flags_DCACHE_DIRECTORY_TYPE,
            )
        } else {
            (
                bindings::S_IFREG as bindings::umode_t,
                bindings::dentry_flags_DCACHE_REGULAR_TYPE,
            )
        };
        Ok(Self {
            dentry,
            _inode: inode,
            _sb: sb,
            answer,
        })
    }

    fn dentry(&self) -> &Dentry {
        // SAFETY: The dentry is valid and positive, and its superblock is active, as long as
        // `self` exists.
        unsafe { Dentry::from_raw(&*self.dentry) }
    }
}

/// Encodes into `handle`, and checks all of it.
fn check(
    handle: &mut FileHandle,
    (ret, dwords, written, room): (c_int, c_int, usize, u32),
    (is_dir, flags): (bool, FhFlags),
    want: Result<u32>,
) -> Result {
    let fake = Fake::new(
        is_dir,
        Answer {
            ret,
            dwords,
            written,
            seen: Atomic::new(-1),
        },
    )?;
    let got = handle.encode(fake.dentry(), room, flags);
    let bytes = handle.as_bytes();
    let size = if want.is_ok() { dwords as usize * 4 } else { 0 };
    let fileid_type = want.unwrap_or(ret as u32);
    let seen = fake.answer.seen.load(Relaxed);
    let right = got == want.map(|_| ())
        && seen == (room.min(128) / 4) as i32
        && bytes.len() == HEADER + size
        && bytes[..4] == (dwords as u32).wrapping_mul(4).to_ne_bytes()
        && bytes[4..HEADER] == fileid_type.to_ne_bytes()
        && bytes[HEADER..]
            .iter()
            .enumerate()
            .all(|(at, &byte)| byte == if at < written * 4 { 0xa5 } else { 0 });

    if !right {
        crate::kunit::err(fmt!(
            "    # {ret} {dwords} {room}: {got:?} {seen} {bytes:?}\n"
        ));
        return Err(EINVAL);
    }
    Ok(())
}

#[kunit_tests(rust_exportfs_fhandle)]
mod suite {
    use super::*;

    const INVALID: c_int = bindings::fid_type_FILEID_INVALID as c_int;
    const ENOSPC: c_int = bindings::ENOSPC as c_int;

    /// One value is used for all, so that nothing of an earlier handle may be left.
    #[test]
    fn result_of_the_filesystem() -> Result {
        let file = (false, FhFlags::empty());
        let mut handle = FileHandle::empty();

        check(&mut handle, (1, 32, 32, 128), file, Ok(1))?;
        // The filesystem has not written all of the handle.
        check(&mut handle, (7, 4, 1, 128), file, Ok(7))?;
        // The handle is exactly as large as the buffer, or larger.
        check(&mut handle, (7, 2, 2, 8), file, Ok(7))?;
        check(&mut handle, (7, 2, 1, 7), file, Err(EOVERFLOW))?;
        check(&mut handle, (7, 2, 0, 0), file, Err(EOVERFLOW))?;
        check(&mut handle, (7, 32, 31, 127), file, Err(EOVERFLOW))?;
        check(&mut handle, (7, 2, 2, 1000), file, Ok(7))?;
        check(&mut handle, (7, -1, 0, 128), file, Err(EOVERFLOW))?;
        // The filesystem has no handle, or fails.
        check(&mut handle, (INVALID, 2, 2, 128), file, Err(EOVERFLOW))?;
        check(&mut handle, (-ENOSPC, 2, 2, 128), file, Err(EOVERFLOW))?;
        check(&mut handle, (ENOSPC, 2, 2, 128), file, Ok(ENOSPC as u32))?;
        check(&mut handle, (EIO.to_errno(), 2, 2, 128), file, Err(EIO))?;
        check(&mut handle, (-1, 0, 0, 128), file, Err(EPERM))?;
        // FILEID_ROOT is a valid type.
        check(&mut handle, (0, 0, 0, 128), file, Ok(0))?;
        check(&mut handle, (1, 1, 1, 4), file, Ok(1))
    }

    #[test]
    fn flags_of_user_space() -> Result {
        const CONNECTABLE: u32 = bindings::FILEID_IS_CONNECTABLE;
        const DIR: u32 = bindings::FILEID_IS_DIR;

        let flags = || FhFlags::from(FhFlag::Connectable);
        let mut handle = FileHandle::empty();
        let answer = (7, 2, 2, 128);

        check(
            &mut handle,
            answer,
            (true, flags()),
            Ok(7 | CONNECTABLE | DIR),
        )?;
        check(&mut handle, answer, (false, flags()), Ok(7 | CONNECTABLE))?;
        check(&mut handle, answer, (true, FhFlags::empty()), Ok(7))?;
        check(&mut handle, (7, 2, 1, 4), (true, flags()), Err(EOVERFLOW))
    }
}
