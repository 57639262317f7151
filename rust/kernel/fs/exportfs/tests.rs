// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of file handles, which call the operations through the C table.

mod fake;
mod files;
mod guarded;
mod ops;
mod outcomes;
mod signed_files;
mod single;

use self::{
    fake::{
        Decoded,
        Fake, //
    },
    files::{
        content,
        each_size,
        judge,
        Bytes,
        Files,
        Filled,
        Made,
        Variable,
        Wide,
        CONTENT,
        FILEID_TYPE,
        INTACT,
        MAX, //
    },
    guarded::Guarded,
    ops::Ops,
    outcomes::Outcomes,
    signed_files::SignedFiles, //
};
use crate::{
    bindings,
    built_in,
    fs::{
        exportfs::{
            FhKey,
            FileidType, //
        },
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
use core::{
    mem::MaybeUninit,
    ptr::NonNull, //
};

/// The maximum size of a handle, in units of four bytes.
const MAX_UNITS: c_int = (MAX / size_of::<u32>()) as c_int;

/// Fails the current test and prints the case.
macro_rules! expect {
    ($condition:expr, $($case:tt)*) => {
        if !$condition {
            kernel::kunit::err(fmt!("    # not {}: ", stringify!($condition)));
            kernel::kunit::err(fmt!($($case)*));
            kernel::kunit::err(fmt!("\n"));
            return Err(EINVAL);
        }
    };
}

#[kunit_tests(rust_exportfs)]
mod suite {
    use super::*;

    #[test]
    fn encode_into_every_buffer() -> Result {
        for (size, ops) in each_size::<{ files::ABSENT }>() {
            let needed = (size / 4) as c_int;

            for offered in 0..=MAX_UNITS + 1 {
                let made = Made::new();
                let mut memory = Guarded::new();
                let mut len = offered;
                let buffer = memory.buffer(0, offered as usize * 4);
                let fileid_type = Fake::new(ops, &made)?.encode(buffer, &mut len);
                let fits = offered >= needed;

                expect!(len == needed, "{size} bytes, {offered} units: {len}");
                expect!(
                    fileid_type == if fits { FILEID_TYPE.into() } else { 0xff },
                    "{size} bytes, {offered} units: type {fileid_type}"
                );
                expect!(
                    memory.holds(0, if fits { &CONTENT[..size] } else { &[] }),
                    "{size} bytes, {offered} units: memory"
                );
                expect!(
                    made.count() == u32::from(fits),
                    "{size} bytes, {offered} units: made"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn encode_without_buffer() -> Result {
        for (size, ops) in each_size::<{ files::ABSENT }>() {
            for offered in [0, -1, -2, c_int::MIN] {
                let made = Made::new();
                let fs = Fake::new(ops, &made)?;
                let mut memory = Guarded::new();
                let (mut len, mut null_len) = (offered, offered);
                let fileid_type = fs.encode(memory.buffer(0, MAX), &mut len);
                let null_type = fs.encode(&mut [], &mut null_len);

                expect!(
                    fileid_type == 0xff && null_type == 0xff,
                    "{size} bytes, {offered}"
                );
                expect!(
                    len == (size / 4) as c_int && null_len == len,
                    "{size} bytes, {offered}: {len}"
                );
                expect!(
                    memory.holds(0, &[]) && made.count() == 0,
                    "{size} bytes, {offered}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn encode_refused() -> Result {
        for offered in [0, 1, MAX_UNITS] {
            let mut memory = Guarded::new();
            let mut len = offered;
            let buffer = memory.buffer(0, offered as usize * 4);
            let fileid_type =
                Fake::new(Ops::of::<single::EncodeFh>(), &())?.encode(buffer, &mut len);

            expect!(
                fileid_type == 0xff && len == offered && memory.holds(0, &[]),
                "{offered} units: type {fileid_type}, {len}"
            );
        }
        Ok(())
    }

    /// Encodes handles of every length into buffers of every size. Bytes that the filesystem does
    /// not write are zero. A length above `MAX_HANDLE_SZ` is not reported to the caller.
    #[test]
    fn encode_bytes_of_every_length() -> Result {
        for len in 0..=MAX + 5 {
            for offered in 0..=MAX_UNITS + 1 {
                let mut memory = Guarded::new();
                let mut units = offered;
                let filled = Filled::new(len);
                let buffer = memory.buffer(1, offered as usize * 4);
                let fileid_type =
                    Fake::new(Ops::of::<Variable>(), &filled)?.encode(buffer, &mut units);
                let possible = (1..=MAX).contains(&len);
                let needed = len.div_ceil(4) as c_int;
                let fits = possible && offered >= needed;
                let mut content = CONTENT;
                content[len.min(MAX).saturating_sub(1)..].fill(0);

                expect!(
                    units == if possible { needed } else { offered },
                    "{len} bytes, {offered} units: {units}"
                );
                expect!(
                    fileid_type == if fits { FILEID_TYPE.into() } else { 0xff },
                    "{len} bytes, {offered} units: type {fileid_type}"
                );
                expect!(
                    memory.holds(
                        1,
                        if fits {
                            &content[..needed as usize * 4]
                        } else {
                            &[]
                        }
                    ),
                    "{len} bytes, {offered} units: memory"
                );
                expect!(
                    filled.seen() == if fits { len } else { usize::MAX },
                    "{len} bytes, {offered} units: filled {}",
                    filled.seen()
                );
            }
        }
        Ok(())
    }

    /// A handle of variable length includes all units that the caller passes.
    #[test]
    fn decode_bytes_of_every_length() -> Result {
        let filled = Filled::new(0);
        let fs = Fake::new(Ops::of::<Variable>(), &filled)?;

        for len in -1..=MAX_UNITS {
            for fileid_type in [c_int::MIN, 0, FILEID_TYPE.into(), c_int::MAX] {
                let fid = handle(MAX, len.max(0))?;
                let decoded = fs.decode(&fid, len, fileid_type);

                expect!(
                    decoded == files::variable(fid.len(), fileid_type),
                    "{len} units, type {fileid_type}: {decoded:?}"
                );
            }
        }
        Ok(())
    }

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

    fn at_every_offset(size: usize, ops: Ops<Made>) -> Result {
        let made = Made::new();
        let fs = Fake::new(ops, &made)?;

        for offset in 0..16 {
            let mut memory = Guarded::new();
            let mut len = MAX_UNITS;
            let fileid_type = fs.encode(memory.buffer(offset, MAX), &mut len);

            expect!(
                fileid_type == FILEID_TYPE.into() && memory.holds(offset, &CONTENT[..size]),
                "{size} bytes at {offset}: type {fileid_type}"
            );
            let decoded = fs.decode(memory.buffer(offset, MAX), len, fileid_type);
            expect!(decoded == INTACT, "{size} bytes at {offset}: {decoded:?}");
        }
        Ok(())
    }

    #[test]
    fn encode_and_decode_at_every_offset() -> Result {
        for (size, ops) in each_size::<{ files::ABSENT }>() {
            at_every_offset(size, ops)?;
        }
        at_every_offset(size_of::<Wide>(), Ops::of::<Files<Wide>>())
    }

    /// Returns a handle of `len` units: the first `size` bytes of [`CONTENT`], followed by zeros.
    /// The allocation ends with the handle, so that KASAN detects a read past its end.
    fn handle(size: usize, len: c_int) -> Result<KVec<u8>> {
        let len = len as usize * 4;
        let mut fid = KVec::with_capacity(len, GFP_KERNEL)?;
        fid.extend_from_slice(&CONTENT[..size.min(len)], GFP_KERNEL)?;
        fid.resize(len, 0, GFP_KERNEL)?;
        Ok(fid)
    }

    fn decode_every_length<const TAIL: u8>() -> Result {
        for (size, ops) in each_size::<TAIL>() {
            let made = Made::new();
            let fs = Fake::new(ops, &made)?;
            let needed = (size / 4) as c_int;

            for len in 0..=MAX_UNITS {
                let fid = handle(size, len)?;
                let wanted = if len == needed || len > needed && TAIL != files::ABSENT {
                    INTACT
                } else {
                    Decoded::Absent
                };
                let decoded = fs.decode(&fid, len, FILEID_TYPE.into());
                let parent = fs.decode_parent(&fid, len, FILEID_TYPE.into());

                expect!(
                    decoded == wanted && parent == wanted,
                    "{size} bytes, {len} units, tail {TAIL}: {decoded:?}, {parent:?}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn decode_every_length_without_tail() -> Result {
        decode_every_length::<{ files::ABSENT }>()
    }

    #[test]
    fn decode_every_length_with_zeros() -> Result {
        decode_every_length::<{ files::ZERO }>()
    }

    #[test]
    fn decode_every_length_with_anything() -> Result {
        decode_every_length::<{ files::IGNORED }>()
    }

    fn decode_every_tail<const TAIL: u8>(wanted: Decoded) -> Result {
        for (size, ops) in each_size::<TAIL>() {
            let made = Made::new();
            let fs = Fake::new(ops, &made)?;

            for len in (size / 4) as c_int + 1..=MAX_UNITS {
                let mut fid = handle(size, len)?;

                for position in size..fid.len() {
                    // Alternate between the lowest and the highest bit.
                    fid[position] = if position % 2 == 0 { 1 } else { 0x80 };
                    let decoded = fs.decode(&fid, len, FILEID_TYPE.into());
                    fid[position] = 0;

                    expect!(
                        decoded == wanted,
                        "{size} bytes, {len} units, byte {position}, tail {TAIL}: {decoded:?}"
                    );
                }
            }
        }
        Ok(())
    }

    #[test]
    fn decode_every_tail_without_tail() -> Result {
        decode_every_tail::<{ files::ABSENT }>(Decoded::Absent)
    }

    #[test]
    fn decode_every_tail_with_zeros() -> Result {
        decode_every_tail::<{ files::ZERO }>(Decoded::Absent)
    }

    #[test]
    fn decode_every_tail_with_anything() -> Result {
        decode_every_tail::<{ files::IGNORED }>(INTACT)
    }

    /// Bytes after the length are not part of the handle.
    #[test]
    fn decode_ignores_bytes_after_length() -> Result {
        for (size, ops) in each_size::<{ files::ZERO }>() {
            let made = Made::new();
            let fs = Fake::new(ops, &made)?;

            for len in (size / 4) as c_int..MAX_UNITS {
                let mut fid = handle(size, MAX_UNITS)?;
                for byte in &mut fid[len as usize * 4..] {
                    *byte = 0xff;
                }
                let decoded = fs.decode(&fid, len, FILEID_TYPE.into());
                expect!(decoded == INTACT, "{size} bytes, {len} units: {decoded:?}");
            }
        }
        Ok(())
    }

    fn each_size_and_tail() -> impl Iterator<Item = (usize, Ops<Made>)> {
        [
            each_size::<{ files::ABSENT }>(),
            each_size::<{ files::ZERO }>(),
            each_size::<{ files::IGNORED }>(),
        ]
        .into_iter()
        .flatten()
    }

    #[test]
    fn decode_negative_length() -> Result {
        for (size, ops) in each_size_and_tail() {
            let made = Made::new();
            let fs = Fake::new(ops, &made)?;

            for len in [-1, -MAX_UNITS, -((size / 4) as c_int), c_int::MIN] {
                let decoded = fs.decode(&CONTENT, len, FILEID_TYPE.into());
                expect!(
                    decoded == Decoded::Absent,
                    "{size} bytes, {len} units: {decoded:?}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn decode_every_byte_counts() -> Result {
        for (size, ops) in each_size::<{ files::ABSENT }>() {
            let made = Made::new();
            let fs = Fake::new(ops, &made)?;
            let len = (size / 4) as c_int;
            let mut fid = handle(size, len)?;

            for position in 0..size {
                fid[position] ^= 0xff;
                let decoded = fs.decode(&fid, len, FILEID_TYPE.into());
                fid[position] ^= 0xff;
                expect!(
                    decoded == Decoded::Failed(EIO),
                    "{size} bytes, byte {position}: {decoded:?}"
                );
            }
        }
        Ok(())
    }

    /// Returns types other than `ours`: all other 8-bit values, and wider values with the same
    /// lower bits.
    fn other_types(ours: u8) -> impl Iterator<Item = c_int> {
        let ours = c_int::from(ours);
        let wider = [
            ours | 0x1_0000,
            ours | 0x2_0000,
            ours | c_int::MIN,
            ours - 0x100,
            -ours,
            -1,
            c_int::MIN,
            c_int::MAX,
        ];
        Iterator::chain(
            (0..=0x1ff).filter(move |&fileid_type| fileid_type != ours),
            wider,
        )
    }

    #[test]
    fn decode_other_types() -> Result {
        for (size, ops) in each_size_and_tail() {
            let made = Made::new();
            let fs = Fake::new(ops, &made)?;

            for fileid_type in other_types(FILEID_TYPE) {
                let decoded = fs.decode(&CONTENT[..size], MAX_UNITS, fileid_type);
                expect!(
                    decoded == Decoded::Absent,
                    "{size} bytes, type {fileid_type}: {decoded:?}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn types_keep_their_number() {
        const TYPES: [FileidType; 254] = {
            let mut types = [FileidType::new(1); 254];
            let mut i = 0;
            while i < 254 {
                types[i] = FileidType::new(i as u8 + 1);
                i += 1;
            }
            types
        };

        assert!((1..=254).eq(TYPES.iter().map(|fileid_type| fileid_type.as_raw())));
        assert_eq!(FileidType::KERNFS.as_raw(), 0xfe);
        assert_eq!(FileidType::NSFS.as_raw(), 0xf1);
    }

    #[test]
    fn flags_match_c() {
        let nonblock = bindings::EXPORT_OP_NONBLOCK as usize;

        assert_eq!(Ops::of::<single::Nothing>().as_raw().flags, 0);
        assert_eq!(
            Ops::of::<Outcomes<{ outcomes::FOUND }>>().as_raw().flags,
            nonblock
        );
    }

    /// Returns a mask of the operations that are not NULL.
    fn present<P>(ops: Ops<P>) -> u32 {
        let ops = ops.as_raw();

        [
            ops.encode_fh.is_some(),
            ops.fh_to_dentry.is_some(),
            ops.fh_to_parent.is_some(),
            ops.get_parent.is_some(),
            ops.permission.is_some(),
            ops.open.is_some(),
            ops.get_name.is_some(),
            ops.commit_metadata.is_some(),
            #[cfg(CONFIG_EXPORTFS_BLOCK_OPS)]
            !ops.block_ops.is_null(),
        ]
        .into_iter()
        .enumerate()
        .fold(0, |bits, (i, present)| bits | u32::from(present) << i)
    }

    #[test]
    fn absent_operations_are_null() {
        assert_eq!(present(Ops::of::<single::Nothing>()), 0);
        assert_eq!(present(Ops::of::<single::EncodeFh>()), 1 << 0);
        assert_eq!(present(Ops::of::<single::FhToDentry>()), 1 << 1);
        assert_eq!(present(Ops::of::<single::FhToParent>()), 1 << 2);
        assert_eq!(present(Ops::of::<single::GetParent>()), 1 << 3);
        assert_eq!(present(Ops::of::<single::Permission>()), 1 << 4);
        assert_eq!(present(Ops::of::<single::Open>()), 1 << 5);
        assert_eq!(present(Ops::of::<Outcomes<{ outcomes::FOUND }>>()), 0x3f);
    }

    /// The VFS only calls `encode_fh` if the table supports the requested handle.
    #[test]
    fn vfs_encodes_if_supported() -> Result {
        const CONNECTABLE: u32 = bindings::EXPORT_FH_CONNECTABLE;
        const FID: u32 = bindings::EXPORT_FH_FID;

        let unsupported = EOPNOTSUPP.to_errno();
        let encode = |ops, flags| -> Result<c_int> {
            Ok(Fake::new(ops, &())?.vfs_encode(&mut [0; MAX], &mut { MAX_UNITS }, flags))
        };
        let nothing = Ops::of::<single::Nothing>();
        let encodes = Ops::of::<single::EncodeFh>();
        let both = Ops::of::<single::EncodeAndDecode>();

        assert_eq!(encode(nothing, 0)?, unsupported);
        assert_eq!(encode(nothing, FID)?, unsupported);
        assert_eq!(encode(encodes, 0)?, unsupported);
        assert_eq!(encode(encodes, FID)?, 0xff);
        assert_eq!(encode(both, 0)?, 0xff);
        assert_eq!(encode(both, CONNECTABLE)?, unsupported);

        let made = Made::new();
        let mut memory = Guarded::new();
        for flags in [0, FID, CONNECTABLE] {
            let mut len = MAX_UNITS;
            let fileid_type = Fake::new(Ops::of::<Files<Bytes<12, { files::ABSENT }>>>(), &made)?
                .vfs_encode(memory.buffer(0, MAX), &mut len, flags);

            assert_eq!((fileid_type, len), (FILEID_TYPE.into(), 3));
            assert!(memory.holds(0, &CONTENT[..12]));
        }
        Ok(())
    }

    #[test]
    fn vfs_decodes_if_supported() -> Result {
        let made = Made::new();
        let files = Fake::new(Ops::of::<Files<Bytes<12, { files::ABSENT }>>>(), &made)?;
        let nothing = Fake::new(Ops::of::<single::Nothing>(), &())?;
        let encodes = Fake::new(Ops::of::<single::EncodeFh>(), &())?;
        let fails = Fake::new(Ops::of::<single::FhToDentry>(), &())?;
        let (fid, fileid_type) = (&CONTENT[..12], c_int::from(FILEID_TYPE));

        assert_eq!(files.vfs_decode(fid, 3, fileid_type), INTACT);
        assert_eq!(files.vfs_decode(fid, 2, fileid_type), Decoded::Absent);
        assert_eq!(files.vfs_decode(fid, 3, fileid_type + 1), Decoded::Absent);
        assert_eq!(
            nothing.vfs_decode(fid, 3, fileid_type),
            Decoded::Failed(ESTALE)
        );
        assert_eq!(
            encodes.vfs_decode(fid, 3, fileid_type),
            Decoded::Failed(ESTALE)
        );
        assert_eq!(
            fails.vfs_decode(fid, 3, fileid_type),
            Decoded::Failed(ENOSYS)
        );
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
            ops.decode_parent(sb, &CONTENT, 1, 1)
        ))?);
        Ok(())
    }

    /// C requires a dentry on the superblock that it passes.
    #[test]
    fn decode_rejects_other_superblock() -> Result {
        let fs = Fake::new(Ops::of::<Outcomes<{ outcomes::FOUND }>>(), &0)?;

        assert!(rejects(|| Ok(fs.decode(&CONTENT, 1, 1)))?);
        assert!(rejects(|| Ok(fs.decode_parent(&CONTENT, 1, 1)))?);
        assert!(rejects(|| Ok(fs.vfs_decode(&CONTENT, 1, 1)))?);
        Ok(())
    }

    #[test]
    fn decode_returns_null_for_absent() -> Result {
        let fs = Fake::new(Ops::of::<Outcomes<{ outcomes::ABSENT }>>(), &0)?;

        assert_eq!(fs.decode(&CONTENT, 1, 1), Decoded::Absent);
        assert_eq!(fs.decode_parent(&CONTENT, 1, 1), Decoded::Absent);
        assert_eq!(fs.vfs_decode(&CONTENT, 1, 1), Decoded::Absent);
        Ok(())
    }

    #[test]
    fn decode_returns_error_pointers() -> Result {
        let fs = Fake::new(Ops::of::<Outcomes<{ outcomes::FAILED }>>(), &0)?;

        assert_eq!(fs.decode(&CONTENT, 1, 1), Decoded::Failed(ENOMEM));
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

    fn key() -> Result<Pin<KBox<FhKey>>> {
        KBox::pin_init(FhKey::new(), GFP_KERNEL)
    }

    /// The type of the signed handles.
    const SIGNED: u8 = 0x74;

    /// Another type with the same payload.
    const OTHER: u8 = 0x75;

    /// Returns one filesystem for each size of a payload.
    fn each_payload<const TYPE: u8>() -> [(usize, Ops<FhKey>); 4] {
        [
            (4, Ops::of::<SignedFiles<4, TYPE>>()),
            (8, Ops::of::<SignedFiles<8, TYPE>>()),
            (12, Ops::of::<SignedFiles<12, TYPE>>()),
            (16, Ops::of::<SignedFiles<16, TYPE>>()),
        ]
    }

    /// Returns a signed handle, followed by zeros.
    fn sign(ops: Ops<FhKey>, key: &FhKey) -> Result<[u8; MAX]> {
        let mut handle = [0; MAX];

        Fake::new(ops, key)?.encode(&mut handle, &mut { MAX_UNITS });
        Ok(handle)
    }

    #[test]
    fn signed_is_payload_and_mac() -> Result {
        let key = key()?;

        for (size, ops) in each_payload::<SIGNED>() {
            let fs = Fake::new(ops, &key)?;
            let handle = sign(ops, &key)?;
            let (content, rest) = handle.split_at(size);
            let (mac, rest) = rest.split_at(8);
            let mut len = MAX_UNITS;
            let fileid_type = fs.encode(&mut [0; MAX], &mut len);

            expect!(
                fileid_type == SIGNED.into() && len == (size as c_int + 8) / 4,
                "{size} bytes: {fileid_type}, {len}"
            );
            expect!(content == &CONTENT[..size], "{size} bytes");
            expect!(mac != [0; 8], "{size} bytes");
            expect!(rest.iter().all(|&byte| byte == 0), "{size} bytes");
            // Encoding is deterministic, so that user space can compare handles.
            expect!(handle == sign(ops, &key)?, "{size} bytes");

            let decoded = fs.decode(&handle, len, fileid_type);
            expect!(decoded == INTACT, "{size} bytes: {decoded:?}");
        }
        Ok(())
    }

    #[test]
    fn signed_with_a_bit_flipped_is_absent() -> Result {
        let key = key()?;

        for (size, ops) in each_payload::<SIGNED>() {
            let fs = Fake::new(ops, &key)?;
            let mut handle = sign(ops, &key)?;
            let bytes = size + 8;

            for bit in 0..bytes * 8 {
                handle[bit / 8] ^= 1 << (bit % 8);
                let decoded = fs.decode(&handle[..bytes], MAX_UNITS, SIGNED.into());
                handle[bit / 8] ^= 1 << (bit % 8);
                expect!(
                    decoded == Decoded::Absent,
                    "{size} bytes, bit {bit}: {decoded:?}"
                );
            }
            let decoded = fs.decode(&handle[..bytes], MAX_UNITS, SIGNED.into());
            expect!(decoded == INTACT, "{size} bytes: {decoded:?}");
        }
        Ok(())
    }

    #[test]
    fn signed_has_one_length() -> Result {
        let key = key()?;

        for (size, ops) in each_payload::<SIGNED>() {
            let fs = Fake::new(ops, &key)?;
            let handle = sign(ops, &key)?;

            for len in -1..=MAX_UNITS {
                let decoded = fs.decode(&handle, len, SIGNED.into());
                let wanted = if len == (size as c_int + 8) / 4 {
                    INTACT
                } else {
                    Decoded::Absent
                };
                expect!(decoded == wanted, "{size} bytes, {len} units: {decoded:?}");
            }
        }
        Ok(())
    }

    /// The MAC of a payload is not valid for a prefix of the payload.
    #[test]
    fn signed_of_another_size_is_absent() -> Result {
        let key = key()?;

        for (size, ops) in each_payload::<SIGNED>() {
            let fs = Fake::new(ops, &key)?;

            for (other, ops) in each_payload::<SIGNED>() {
                let handle = sign(ops, &key)?;
                let mut spliced = [0; MAX];
                spliced[..size].copy_from_slice(&CONTENT[..size]);
                spliced[size..size + 8].copy_from_slice(&handle[other..other + 8]);
                let decoded = fs.decode(&spliced[..size + 8], MAX_UNITS, SIGNED.into());
                let wanted = if size == other {
                    INTACT
                } else {
                    Decoded::Absent
                };

                expect!(decoded == wanted, "{size} bytes, {other}: {decoded:?}");
            }
        }
        Ok(())
    }

    #[test]
    fn signed_with_another_key_is_absent() -> Result {
        let (key, other) = (key()?, key()?);

        for (size, ops) in each_payload::<SIGNED>() {
            let handle = sign(ops, &key)?;
            let replayed = sign(ops, &other)?;
            let decoded =
                Fake::new(ops, &key)?.decode(&replayed[..size + 8], MAX_UNITS, SIGNED.into());

            expect!(handle != replayed, "{size} bytes");
            expect!(decoded == Decoded::Absent, "{size} bytes: {decoded:?}");
        }
        Ok(())
    }

    #[test]
    fn signed_of_another_type_is_absent() -> Result {
        let key = key()?;
        let both = each_payload::<SIGNED>()
            .into_iter()
            .zip(each_payload::<OTHER>());

        for ((size, ops), (_, other)) in both {
            let handle = sign(ops, &key)?;
            let handle = &handle[..size + 8];
            let fs = Fake::new(ops, &key)?;
            let other_fs = Fake::new(other, &key)?;

            // Pass the handle with the other type to the filesystem of that type.
            let decoded = other_fs.decode(handle, MAX_UNITS, OTHER.into());
            expect!(decoded == Decoded::Absent, "{size} bytes: {decoded:?}");

            for fileid_type in other_types(SIGNED) {
                let decoded = fs.decode(handle, MAX_UNITS, fileid_type);
                expect!(
                    decoded == Decoded::Absent,
                    "{size} bytes, type {fileid_type}: {decoded:?}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn signed_by_guess_is_absent() -> Result {
        let key = key()?;

        for (size, ops) in each_payload::<SIGNED>() {
            let fs = Fake::new(ops, &key)?;

            for byte in 0..=0xff {
                let mut guess = [byte; MAX];
                let zeros = fs.decode(&guess[..size + 8], MAX_UNITS, SIGNED.into());
                guess[..size].copy_from_slice(&CONTENT[..size]);
                let known = fs.decode(&guess[..size + 8], MAX_UNITS, SIGNED.into());

                expect!(
                    zeros == Decoded::Absent && known == Decoded::Absent,
                    "{size} bytes, {byte}: {zeros:?}, {known:?}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn signed_at_every_offset() -> Result {
        let key = key()?;

        for (size, ops) in each_payload::<SIGNED>() {
            let fs = Fake::new(ops, &key)?;
            let handle = sign(ops, &key)?;

            for offset in 0..16 {
                let mut memory = Guarded::new();
                fs.encode(memory.buffer(offset, size + 8), &mut { MAX_UNITS });
                expect!(
                    memory.holds(offset, &handle[..size + 8]),
                    "{size} bytes at {offset}"
                );
                let fid = memory.buffer(offset, size + 8);
                let decoded = fs.decode(fid, MAX_UNITS, SIGNED.into());
                expect!(decoded == INTACT, "{size} bytes at {offset}: {decoded:?}");
            }
        }
        Ok(())
    }

    /// Returns the bytes at the address of a key.
    fn bytes_of(key: *mut FhKey) -> [u8; 16] {
        // SAFETY: All callers pass a pointer to 16 initialised bytes.
        unsafe { key.cast::<[u8; 16]>().read_volatile() }
    }

    #[test]
    fn key_is_wiped() -> Result {
        let mut memory: KBox<MaybeUninit<FhKey>> = KBox::new_uninit(GFP_KERNEL)?;
        let key = memory.as_mut_ptr();

        // SAFETY: The key is dropped in place before the memory is moved or freed.
        unsafe { pin_init::raw_try_init(key, FhKey::new()) }?;
        let before = bytes_of(key);
        // SAFETY: The key is initialised, and is not used after this.
        unsafe { core::ptr::drop_in_place(key) };

        assert_eq!(size_of::<FhKey>(), 16);
        assert!(before != [0; 16]);
        assert!(bytes_of(key) == [0; 16]);
        Ok(())
    }
}
