// SPDX-License-Identifier: GPL-2.0

use super::{
    outcomes,
    Decoded,
    Fake,
    Guarded,
    Ops,
    Outcomes,
    CONTENT,
    FILEID_TYPE,
    MAX,
    MAX_UNITS, //
};
use crate::{
    bindings,
    built_in,
    fs::{
        file::flags::{
            O_EXCL,
            O_NONBLOCK, //
        },
        nsfs,
        pidfs,
        File,
        Path, //
    },
    ns_common::NsCommon,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};
use core::ptr::NonNull;

#[kunit_tests(rust_exportfs_results)]
mod suite {
    use super::*;

    const NAME_MAX: usize = bindings::NAME_MAX as usize;

    /// The operation receives both inodes, each with its own private data.
    #[test]
    fn encode_sees_inode_and_parent() -> Result {
        let ops = Ops::of::<Outcomes<{ outcomes::FOUND }>>();
        let (fs, parent) = (Fake::new(ops, &3)?, Fake::new(ops, &5)?);

        for (parent, seen) in [(None, 3), (Some(&parent), 3 + 5 * 16)] {
            let mut memory = Guarded::new();
            let mut len = MAX_UNITS;
            let fileid_type = fs.encode_with(memory.buffer(0, MAX), &mut len, parent);

            expect!(
                fileid_type == FILEID_TYPE.into() && len == 2,
                "{seen}: {fileid_type}, {len}"
            );
            expect!(memory.holds(0, &u64::to_ne_bytes(seen)), "{seen}");
        }
        Ok(())
    }

    /// Returns the refcount of the dentry. No other task uses the dentry.
    fn references(path: &Path) -> c_int {
        // SAFETY: The path holds a reference to the dentry, so it is valid.
        unsafe {
            (*path.dentry().as_raw())
                .d_lockref
                .__bindgen_anon_1
                .__bindgen_anon_1
                .count
        }
    }

    /// Returns `true` if `call` returns one reference to the dentry of this task, and drops it.
    fn returns_reference(call: impl FnOnce() -> Result<Decoded>) -> Result<bool> {
        let held = outcomes::path()?;
        let before = references(&held);
        let returned = call()?;
        let after = references(&held);
        let dentry = held.dentry().as_raw();

        if returned != Decoded::Found(dentry) {
            return Ok(false);
        }
        // SAFETY: `call` returned an owned reference, which is not used after this.
        unsafe { bindings::dput(dentry) };
        Ok(after == before + 1)
    }

    /// Returns `true` if `call` returns `ESTALE` and drops its reference to the dentry of this
    /// task.
    fn rejects(call: impl FnOnce() -> Result<Decoded>) -> Result<bool> {
        let held = outcomes::path()?;
        let before = references(&held);
        let returned = call()?;

        Ok(returned == Decoded::Failed(ESTALE) && references(&held) == before)
    }

    #[test]
    fn decode_returns_found_dentry() -> Result {
        let ops = Ops::of::<Outcomes<{ outcomes::FOUND }>>();
        let sb = outcomes::pidfs();

        assert!(returns_reference(|| Ok(ops.decode(sb, &CONTENT, 1, 1)))?);
        assert!(returns_reference(|| Ok(
            ops.decode_nowait(sb, &CONTENT, 1, 1)
        ))?);
        assert!(returns_reference(|| Ok(
            ops.decode_parent(sb, &CONTENT, 1, 1)
        ))?);
        Ok(())
    }

    /// C requires a dentry on the superblock that it passes.
    #[test]
    fn decode_rejects_other_superblock() -> Result {
        let fs = Fake::new(Ops::of::<Outcomes<{ outcomes::FOUND }>>(), &0)?;

        assert!(rejects(|| Ok(fs.decode(&CONTENT, 1, 1)))?);
        assert!(rejects(|| Ok(fs.decode_nowait(&CONTENT, 1, 1)))?);
        assert!(rejects(|| Ok(fs.decode_parent(&CONTENT, 1, 1)))?);
        assert!(rejects(|| Ok(fs.vfs_decode(&CONTENT, 1, 1)))?);
        Ok(())
    }

    #[test]
    fn decode_returns_null_for_absent() -> Result {
        let fs = Fake::new(Ops::of::<Outcomes<{ outcomes::ABSENT }>>(), &0)?;

        assert_eq!(fs.decode(&CONTENT, 1, 1), Decoded::Absent);
        assert_eq!(fs.decode_nowait(&CONTENT, 1, 1), Decoded::Absent);
        assert_eq!(fs.decode_parent(&CONTENT, 1, 1), Decoded::Absent);
        assert_eq!(fs.vfs_decode(&CONTENT, 1, 1), Decoded::Absent);
        Ok(())
    }

    #[test]
    fn decode_returns_error_pointers() -> Result {
        let fs = Fake::new(Ops::of::<Outcomes<{ outcomes::FAILED }>>(), &0)?;

        assert_eq!(fs.decode(&CONTENT, 1, 1), Decoded::Failed(ENOMEM));
        assert_eq!(fs.decode_nowait(&CONTENT, 1, 1), Decoded::Failed(ENOMEM));
        assert_eq!(fs.decode_parent(&CONTENT, 1, 1), Decoded::Failed(ENOMEM));
        assert_eq!(fs.vfs_decode(&CONTENT, 1, 1), Decoded::Failed(ENOMEM));
        Ok(())
    }

    fn get_parent<const OUTCOME: u8>(child: &Path) -> Result<Decoded> {
        let ops = Ops::of::<Outcomes<OUTCOME>>().as_raw();
        let get_parent = ops.get_parent.ok_or(ENOENT)?;

        // SAFETY: The path holds a reference to the dentry, which is positive, and keeps its
        // superblock active.
        Ok(Decoded::from_raw(unsafe {
            get_parent(child.dentry().as_raw())
        }))
    }

    #[test]
    fn get_parent_returns_reference_or_error() -> Result {
        let child = outcomes::path()?;

        assert!(returns_reference(|| get_parent::<{ outcomes::FOUND }>(
            &child
        ))?);
        assert_eq!(
            get_parent::<{ outcomes::FAILED }>(&child)?,
            Decoded::Failed(ENOMEM)
        );
        Ok(())
    }

    /// Returns the result of `get_name`, and the buffer.
    fn get_name<const OUTCOME: u8>() -> Result<(c_int, [u8; NAME_MAX + 2])> {
        let path = outcomes::path()?;
        let dentry = path.dentry().as_raw();
        let ops = Ops::of::<Outcomes<OUTCOME>>().as_raw();
        let get_name = ops.get_name.ok_or(ENOENT)?;
        let mut name = [b'-'; NAME_MAX + 2];

        // SAFETY: The path holds a reference to the dentry, which is positive, and keeps its
        // superblock active. The buffer has more than the size that the operation requires.
        let ret = unsafe { get_name(dentry, name.as_mut_ptr().cast(), dentry) };

        expect!(
            name[NAME_MAX + 1] == b'-',
            "{OUTCOME}: wrote after the buffer"
        );
        Ok((ret, name))
    }

    #[test]
    fn get_name_terminates_name() -> Result {
        let (ret, name) = get_name::<{ outcomes::FOUND }>()?;
        assert_eq!(ret, 0);
        assert!(name.starts_with(b"xxx\0"));

        let (ret, name) = get_name::<{ outcomes::LONGEST }>()?;
        assert_eq!(ret, 0);
        assert!(name.iter().position(|&byte| byte == 0) == Some(NAME_MAX));
        Ok(())
    }

    #[test]
    fn get_name_fails_without_a_valid_name() -> Result {
        let (ret, name) = get_name::<{ outcomes::ABSENT }>()?;
        assert_eq!(ret, ENAMETOOLONG.to_errno());
        assert_eq!(name[NAME_MAX], 0);

        let (ret, _) = get_name::<{ outcomes::FAILED }>()?;
        assert_eq!(ret, ENOMEM.to_errno());
        Ok(())
    }

    /// A dentry on pidfs is not the parent of a dentry on nsfs.
    #[test]
    fn get_parent_rejects_other_superblock() -> Result {
        let file: ARef<File> = nsfs::open(built_in!(), initial_mnt_ns()?)?.into();
        // SAFETY: An open file holds its path, which does not change and has a positive dentry.
        let child = unsafe { Path::from_raw(&raw const (*file.as_ptr()).__bindgen_anon_1.f_path) };

        assert!(rejects(|| get_parent::<{ outcomes::FOUND }>(child))?);
        Ok(())
    }

    /// Returns the initial mount namespace.
    fn initial_mnt_ns() -> Result<ARef<NsCommon>> {
        let id = u64::from(bindings::init_ns_id_MNT_NS_INIT_ID);

        NsCommon::lookup(built_in!(), id, bindings::CLONE_NEWNS, &rcu::read_lock())
            .and_then(|ns| ns.get())
            .ok_or(ENOENT)
    }

    #[test]
    fn pidfs_opens_only_its_own_files() -> Result {
        let file: ARef<File> = nsfs::open(built_in!(), initial_mnt_ns()?)?.into();
        // SAFETY: An open file holds its path, which does not change and has a positive dentry.
        let path = unsafe { Path::from_raw(&raw const (*file.as_ptr()).__bindgen_anon_1.f_path) };

        assert!(matches!(pidfs::open(built_in!(), path, 0), Err(err) if err == EINVAL));
        assert!(pidfs::open(built_in!(), &outcomes::path()?, 0).is_ok());
        Ok(())
    }

    #[test]
    fn pidfs_looks_up_existing_pids() -> Result {
        let path = outcomes::path()?;
        // On 64-bit architectures, the inode number of the file is the number of the pid.
        if size_of::<usize>() == size_of::<u64>() {
            let before = references(&path);
            let dentry = pidfs::lookup(built_in!(), path.dentry().inode().ino())?.ok_or(ENOENT)?;
            assert!(core::ptr::eq(&*dentry, path.dentry()));
            assert_eq!(references(&path), before + 1);
            drop(dentry);
            assert_eq!(references(&path), before);
        }
        assert!(pidfs::lookup(built_in!(), 0)?.is_none());
        Ok(())
    }

    /// Each namespace has exactly one dentry.
    #[test]
    fn nsfs_dentry_consumes_reference() -> Result {
        let first = nsfs::dentry(built_in!(), initial_mnt_ns()?)?.ok_or(ENOENT)?;
        let second = nsfs::dentry(built_in!(), initial_mnt_ns()?)?.ok_or(ENOENT)?;

        assert!(core::ptr::eq(&*first, &*second));
        assert_eq!(
            first.inode().ino(),
            u64::from(bindings::init_ns_ino_MNT_NS_INIT_INO)
        );
        Ok(())
    }

    fn permission<const OUTCOME: u8>(oflags: u32) -> Result<c_int> {
        let mut ctx = pin_init::zeroed();
        let ops = Ops::of::<Outcomes<OUTCOME>>().as_raw();
        let permission = ops.permission.ok_or(ENOENT)?;

        // SAFETY: The table ignores the context.
        Ok(unsafe { permission(&mut ctx, oflags) })
    }

    #[test]
    fn permission_returns_zero_or_errno() -> Result {
        const OFLAGS: u32 = outcomes::OFLAGS;

        assert_eq!(permission::<{ outcomes::FOUND }>(OFLAGS)?, 0);
        assert_eq!(permission::<{ outcomes::FOUND }>(0)?, EINVAL.to_errno());
        assert_eq!(
            permission::<{ outcomes::FAILED }>(OFLAGS)?,
            ENXIO.to_errno()
        );
        Ok(())
    }

    fn open<const OUTCOME: u8>(oflags: u32) -> Result<ARef<File>> {
        let path = outcomes::path()?;
        let ops = Ops::of::<Outcomes<OUTCOME>>().as_raw();
        let open = ops.open.ok_or(ENOENT)?;

        // SAFETY: The path is valid and its dentry is positive.
        let file = kernel::error::from_err_ptr(unsafe { open(path.as_raw(), oflags) })?;
        let file = NonNull::new(file).ok_or(ENOENT)?;

        // SAFETY: `open` returned an owned reference to a file to which no file descriptor refers.
        Ok(unsafe { ARef::from_raw(file.cast()) })
    }

    #[test]
    fn open_returns_file_or_error() -> Result {
        const OFLAGS: u32 = outcomes::OFLAGS;

        let path = outcomes::path()?;
        let before = references(&path);
        let file = open::<{ outcomes::FOUND }>(OFLAGS)?;
        // SAFETY: The reference keeps the file valid, and its path does not change.
        let opened = unsafe { (*file.as_ptr()).__bindgen_anon_1.f_path.dentry };

        assert!(core::ptr::eq(opened, path.dentry().as_raw()));
        assert_eq!(references(&path), before + 1);
        assert!(matches!(open::<{ outcomes::FOUND }>(0), Err(err) if err == EINVAL));
        assert!(matches!(open::<{ outcomes::FAILED }>(OFLAGS), Err(err) if err == ENXIO));
        Ok(())
    }

    /// `try_open_by_handle()` does not leave `O_NONBLOCK` in `f_flags`.
    #[test]
    fn open_by_handle_keeps_flags() -> Result {
        for flags in [0, O_NONBLOCK, O_EXCL, O_EXCL | O_NONBLOCK] {
            let path = outcomes::path()?;
            let blocking: ARef<File> = path.open_by_handle(flags)?.into();
            let nonblocking: ARef<File> = path.try_open_by_handle(flags)?.into();

            for file in [blocking, nonblocking] {
                let opened = file.flags() & (O_EXCL | O_NONBLOCK);
                expect!(opened == flags, "{flags:#o}: {opened:#o}");
            }
        }
        Ok(())
    }
}
