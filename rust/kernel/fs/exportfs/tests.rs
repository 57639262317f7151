// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of file handles, whose operations are called through the C table as C does.

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
        Made,
        Wide,
        CONTENT,
        INTACT,
        KIND,
        MAX, //
    },
    guarded::Guarded,
    ops::Ops,
    outcomes::{
        Called,
        Outcomes, //
    },
    signed_files::SignedFiles, //
};
use crate::{
    bindings,
    fs::{
        exportfs::{
            FileidType,
            Flags,
            Key,
            Name, //
        },
        nsfs,
        File,
        Path, //
    },
    ns_common::NsCommon,
    prelude::*,
    sync::aref::ARef, //
};
use core::{
    mem::MaybeUninit,
    ptr::NonNull, //
};

/// The longest handle, in units of four bytes.
const MAX_UNITS: c_int = (MAX / size_of::<u32>()) as c_int;

/// Ends a test with an error, and says for which case.
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
                let kind = Fake::new(ops, &made)?.encode(buffer, &mut len);
                let fits = offered >= needed;

                expect!(len == needed, "{size} bytes, {offered} units: {len}");
                expect!(
                    kind == if fits { KIND.into() } else { 0xff },
                    "{size} bytes, {offered} units: kind {kind}"
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
                let kind = fs.encode(memory.buffer(0, MAX), &mut len);
                let null_kind = fs.encode(&mut [], &mut null_len);

                expect!(kind == 0xff && null_kind == 0xff, "{size} bytes, {offered}");
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
            let kind = Fake::new(Ops::of::<single::EncodeFh>(), &())?.encode(buffer, &mut len);

            expect!(
                kind == 0xff && len == offered && memory.holds(0, &[]),
                "{offered} units: kind {kind}, {len}"
            );
        }
        Ok(())
    }

    /// The operation sees both inodes, each with its own private data.
    #[test]
    fn encode_sees_inode_and_parent() -> Result {
        let ops = Ops::of::<Outcomes<{ outcomes::FOUND }>>();
        let (fs, parent) = (Fake::new(ops, &3)?, Fake::new(ops, &5)?);

        for (parent, seen) in [(None, 3), (Some(&parent), 3 + 5 * 16)] {
            let mut memory = Guarded::new();
            let mut len = MAX_UNITS;
            let kind = fs.encode_with(memory.buffer(0, MAX), &mut len, parent);

            expect!(kind == KIND.into() && len == 2, "{seen}: {kind}, {len}");
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
            let kind = fs.encode(memory.buffer(offset, MAX), &mut len);

            expect!(
                kind == KIND.into() && memory.holds(offset, &CONTENT[..size]),
                "{size} bytes at {offset}: kind {kind}"
            );
            let decoded = fs.decode(memory.buffer(offset, MAX), len, kind);
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

    /// A handle of `len` units that starts with [`CONTENT`], followed by zeros, in memory that
    /// ends with it, so that KASAN sees what is read behind it.
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
                let decoded = fs.decode(&fid, len, KIND.into());
                let parent = fs.decode_parent(&fid, len, KIND.into());

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
                    // The lowest and the highest bit, in turn.
                    fid[position] = if position % 2 == 0 { 1 } else { 0x80 };
                    let decoded = fs.decode(&fid, len, KIND.into());
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

    /// What lies behind the length does not belong to the handle.
    #[test]
    fn decode_looks_no_further() -> Result {
        for (size, ops) in each_size::<{ files::ZERO }>() {
            let made = Made::new();
            let fs = Fake::new(ops, &made)?;

            for len in (size / 4) as c_int..MAX_UNITS {
                let mut fid = handle(size, MAX_UNITS)?;
                for byte in &mut fid[len as usize * 4..] {
                    *byte = 0xff;
                }
                let decoded = fs.decode(&fid, len, KIND.into());
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
                let decoded = fs.decode(&CONTENT, len, KIND.into());
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
                let decoded = fs.decode(&fid, len, KIND.into());
                fid[position] ^= 0xff;
                expect!(
                    decoded == Decoded::Failed(EIO),
                    "{size} bytes, byte {position}: {decoded:?}"
                );
            }
        }
        Ok(())
    }

    /// Kinds of handle that are not ours: all others of 8 bits, and what is ours in the lower bits
    /// only.
    fn other_kinds(ours: u8) -> impl Iterator<Item = c_int> {
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
        Iterator::chain((0..=0x1ff).filter(move |&kind| kind != ours), wider)
    }

    #[test]
    fn decode_other_kinds() -> Result {
        for (size, ops) in each_size_and_tail() {
            let made = Made::new();
            let fs = Fake::new(ops, &made)?;

            for kind in other_kinds(KIND) {
                let decoded = fs.decode(&CONTENT[..size], MAX_UNITS, kind);
                expect!(
                    decoded == Decoded::Absent,
                    "{size} bytes, kind {kind}: {decoded:?}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn kinds_keep_their_number() {
        const KINDS: [FileidType; 254] = {
            let mut kinds = [FileidType::new(1); 254];
            let mut i = 0;
            while i < 254 {
                kinds[i] = FileidType::new(i as u8 + 1);
                i += 1;
            }
            kinds
        };

        assert!((1..=254).eq(KINDS.iter().map(|kind| kind.as_raw())));
        assert_eq!(FileidType::KERNFS.as_raw(), 0xfe);
        assert_eq!(FileidType::NSFS.as_raw(), 0xf1);
    }

    #[test]
    fn flags_are_those_of_c() {
        let all = [
            Flags::NOWCC,
            Flags::NOSUBTREECHK,
            Flags::CLOSE_BEFORE_UNLINK,
            Flags::REMOTE_FS,
            Flags::NOATOMIC_ATTR,
            Flags::FLUSH_ON_CLOSE,
            Flags::NOLOCKS,
        ];

        assert!(all
            .iter()
            .enumerate()
            .all(|(i, flag)| flag.as_raw() == 1 << i));
        assert_eq!(Flags::NONE.as_raw(), 0);
        assert_eq!(
            all.into_iter().fold(Flags::NONE, |a, b| a | b).as_raw(),
            0x7f
        );
        assert_eq!(Ops::of::<single::Nothing>().as_raw().flags, 0);
        assert_eq!(Ops::of::<Outcomes<{ outcomes::FOUND }>>().as_raw().flags, 2);
    }

    /// Which operations of a table are not NULL, one bit each.
    fn present<P>(ops: Ops<P>) -> u32 {
        let ops = ops.as_raw();

        [
            ops.encode_fh.is_some(),
            ops.fh_to_dentry.is_some(),
            ops.fh_to_parent.is_some(),
            ops.get_name.is_some(),
            ops.get_parent.is_some(),
            ops.permission.is_some(),
            ops.open.is_some(),
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
        assert_eq!(present(Ops::of::<single::GetName>()), 1 << 3);
        assert_eq!(present(Ops::of::<single::GetParent>()), 1 << 4);
        assert_eq!(present(Ops::of::<single::Permission>()), 1 << 5);
        assert_eq!(present(Ops::of::<single::Open>()), 1 << 6);
        assert_eq!(present(Ops::of::<Outcomes<{ outcomes::FOUND }>>()), 0x7f);
    }

    /// The VFS asks for a handle only where the table says that it can be had.
    #[test]
    fn vfs_encodes_what_can_be_encoded() -> Result {
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
            let kind = Fake::new(Ops::of::<Files<Bytes<12, { files::ABSENT }>>>(), &made)?
                .vfs_encode(memory.buffer(0, MAX), &mut len, flags);

            assert_eq!((kind, len), (KIND.into(), 3));
            assert!(memory.holds(0, &CONTENT[..12]));
        }
        Ok(())
    }

    #[test]
    fn vfs_decodes_what_can_be_decoded() -> Result {
        let made = Made::new();
        let files = Fake::new(Ops::of::<Files<Bytes<12, { files::ABSENT }>>>(), &made)?;
        let nothing = Fake::new(Ops::of::<single::Nothing>(), &())?;
        let encodes = Fake::new(Ops::of::<single::EncodeFh>(), &())?;
        let fails = Fake::new(Ops::of::<single::FhToDentry>(), &())?;
        let (fid, kind) = (&CONTENT[..12], c_int::from(KIND));

        assert_eq!(files.vfs_decode(fid, 3, kind), INTACT);
        assert_eq!(files.vfs_decode(fid, 2, kind), Decoded::Absent);
        assert_eq!(files.vfs_decode(fid, 3, kind + 1), Decoded::Absent);
        assert_eq!(nothing.vfs_decode(fid, 3, kind), Decoded::Failed(ESTALE));
        assert_eq!(encodes.vfs_decode(fid, 3, kind), Decoded::Failed(ESTALE));
        assert_eq!(fails.vfs_decode(fid, 3, kind), Decoded::Failed(ENOSYS));
        Ok(())
    }

    /// The references to the dentry, which nobody else uses at the same time.
    fn references(path: &Path) -> c_int {
        // SAFETY: The path holds the dentry.
        unsafe {
            (*path.dentry().as_raw())
                .d_lockref
                .__bindgen_anon_1
                .__bindgen_anon_1
                .count
        }
    }

    /// Tells whether `call` gives C the dentry of this task, with one reference, and drops that.
    fn gives_reference(call: impl FnOnce() -> Result<Decoded>) -> Result<bool> {
        let held = outcomes::path()?;
        let before = references(&held);
        let returned = call()?;
        let after = references(&held);
        let dentry = held.dentry().as_raw();

        if returned != Decoded::Found(dentry) {
            return Ok(false);
        }
        // SAFETY: This is the reference that was returned.
        unsafe { bindings::dput(dentry) };
        Ok(after == before + 1)
    }

    /// Tells whether `call` gives C an error instead of the dentry of this task, and drops that.
    fn refuses(call: impl FnOnce() -> Result<Decoded>) -> Result<bool> {
        let held = outcomes::path()?;
        let before = references(&held);
        let returned = call()?;

        Ok(returned == Decoded::Failed(ESTALE) && references(&held) == before)
    }

    #[test]
    fn decode_gives_what_was_found() -> Result {
        let ops = Ops::of::<Outcomes<{ outcomes::FOUND }>>();
        let sb = outcomes::pidfs();

        assert!(gives_reference(|| Ok(ops.decode(sb, &CONTENT, 1, 1)))?);
        assert!(gives_reference(|| Ok(
            ops.decode_parent(sb, &CONTENT, 1, 1)
        ))?);
        Ok(())
    }

    /// C relies on what was found being of the superblock that it has asked.
    #[test]
    fn decode_refuses_what_is_elsewhere() -> Result {
        let fs = Fake::new(Ops::of::<Outcomes<{ outcomes::ELSEWHERE }>>(), &0)?;

        assert!(refuses(|| Ok(fs.decode(&CONTENT, 1, 1)))?);
        assert!(refuses(|| Ok(fs.decode_parent(&CONTENT, 1, 1)))?);
        assert!(refuses(|| Ok(fs.vfs_decode(&CONTENT, 1, 1)))?);
        Ok(())
    }

    #[test]
    fn path_gives_dentry_on_its_own_superblock() -> Result {
        let fs = Fake::new(Ops::of::<single::Nothing>(), &())?;
        let held = outcomes::path()?;
        let before = references(&held);

        let elsewhere = outcomes::path()?.into_dentry(fs.super_block());
        assert!(matches!(elsewhere, Err(err) if err == EXDEV));
        assert_eq!(references(&held), before);

        let dentry = outcomes::path()?.into_dentry(held.dentry().super_block())?;
        assert!(core::ptr::eq(&*dentry, held.dentry()));
        assert_eq!(references(&held), before + 1);
        drop(dentry);
        assert_eq!(references(&held), before);
        Ok(())
    }

    #[test]
    fn decode_gives_null_for_absent() -> Result {
        let fs = Fake::new(Ops::of::<Outcomes<{ outcomes::ABSENT }>>(), &0)?;

        assert_eq!(fs.decode(&CONTENT, 1, 1), Decoded::Absent);
        assert_eq!(fs.decode_parent(&CONTENT, 1, 1), Decoded::Absent);
        assert_eq!(fs.vfs_decode(&CONTENT, 1, 1), Decoded::Absent);
        Ok(())
    }

    #[test]
    fn decode_gives_error_pointers() -> Result {
        let fs = Fake::new(Ops::of::<Outcomes<{ outcomes::FAILED }>>(), &0)?;

        assert_eq!(fs.decode(&CONTENT, 1, 1), Decoded::Failed(ENOMEM));
        assert_eq!(fs.decode_parent(&CONTENT, 1, 1), Decoded::Failed(ENOMEM));
        assert_eq!(fs.vfs_decode(&CONTENT, 1, 1), Decoded::Failed(ENOMEM));
        Ok(())
    }

    fn get_parent<const OUTCOME: u8>(child: &Path) -> Result<Decoded> {
        let ops = Ops::of::<Outcomes<OUTCOME>>().as_raw();
        let get_parent = ops.get_parent.ok_or(ENOENT)?;

        // SAFETY: The dentry is referenced, and the path keeps its superblock.
        Ok(Decoded::from_raw(unsafe {
            get_parent(child.dentry().as_raw())
        }))
    }

    #[test]
    fn get_parent_gives_a_reference_or_an_error() -> Result {
        let child = outcomes::path()?;

        assert!(gives_reference(|| get_parent::<{ outcomes::FOUND }>(
            &child
        ))?);
        assert_eq!(
            get_parent::<{ outcomes::FAILED }>(&child)?,
            Decoded::Failed(ENOMEM)
        );
        Ok(())
    }

    /// A child on nsfs has no parent on pidfs.
    #[test]
    fn get_parent_refuses_what_is_elsewhere() -> Result {
        let id = u64::from(bindings::init_ns_id_MNT_NS_INIT_ID);
        let child = nsfs::path(NsCommon::lookup(id, None).ok_or(ENOENT)?)?;

        assert!(refuses(|| get_parent::<{ outcomes::ELSEWHERE }>(&child))?);
        Ok(())
    }

    fn permission<const OUTCOME: u8>(oflags: u32) -> Result<c_int> {
        let mut ctx = pin_init::zeroed();
        let ops = Ops::of::<Outcomes<OUTCOME>>().as_raw();
        let permission = ops.permission.ok_or(ENOENT)?;

        // SAFETY: The context is not looked at.
        Ok(unsafe { permission(&mut ctx, oflags) })
    }

    #[test]
    fn permission_gives_zero_or_an_error() -> Result {
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

        // SAFETY: The path is referenced.
        let file = kernel::error::from_err_ptr(unsafe { open(path.as_raw(), oflags) })?;
        let file = NonNull::new(file).ok_or(ENOENT)?;

        // SAFETY: The reference to the file is returned to C, which is us.
        Ok(unsafe { ARef::from_raw(file.cast()) })
    }

    #[test]
    fn open_gives_a_file_or_an_error() -> Result {
        const OFLAGS: u32 = outcomes::OFLAGS;

        let path = outcomes::path()?;
        let before = references(&path);
        let file = open::<{ outcomes::FOUND }>(OFLAGS)?;
        // SAFETY: The file is referenced, and its path does not change.
        let opened = unsafe { (*file.as_ptr()).__bindgen_anon_1.f_path.dentry };

        assert!(core::ptr::eq(opened, path.dentry().as_raw()));
        assert_eq!(references(&path), before + 1);
        assert!(matches!(open::<{ outcomes::FOUND }>(0), Err(err) if err == EINVAL));
        assert!(matches!(open::<{ outcomes::FAILED }>(OFLAGS), Err(err) if err == ENXIO));
        Ok(())
    }

    /// Calls `get_name` with a buffer as C has it, which it shall leave with `wanted`.
    fn get_name<P>(ops: Ops<P>, wanted: &[u8]) -> Result<c_int> {
        let path = outcomes::path()?;
        let dentry = path.dentry().as_raw();
        let get_name = ops.as_raw().get_name.ok_or(ENOENT)?;
        let mut memory = Guarded::new();
        let name = memory.buffer(0, bindings::NAME_MAX as usize + 1);

        // SAFETY: The path holds the dentry, and the buffer has the size of a name.
        let ret = unsafe { get_name(dentry, name.as_mut_ptr().cast(), dentry) };

        expect!(memory.holds(0, wanted), "{wanted:?}, {ret}");
        Ok(ret)
    }

    #[test]
    fn get_name_gives_a_string_or_an_error() -> Result {
        const LONGEST: usize = bindings::NAME_MAX as usize;

        let mut longest = [b'x'; LONGEST + 1];
        longest[LONGEST] = 0;
        let invalid = EINVAL.to_errno();

        assert_eq!(get_name(Ops::of::<Called<1, b'x'>>(), b"x\0")?, 0);
        assert_eq!(get_name(Ops::of::<Called<LONGEST, b'x'>>(), &longest)?, 0);
        assert_eq!(get_name(Ops::of::<Called<0, b'x'>>(), b"")?, invalid);
        assert_eq!(get_name(Ops::of::<Called<3, 0>>(), b"")?, invalid);
        assert_eq!(get_name(Ops::of::<Called<3, b'/'>>(), b"")?, invalid);
        assert_eq!(
            get_name(Ops::of::<Called<{ LONGEST + 1 }, b'x'>>(), b"")?,
            ENAMETOOLONG.to_errno()
        );
        assert_eq!(
            get_name(Ops::of::<Outcomes<{ outcomes::FAILED }>>(), b"")?,
            ENXIO.to_errno()
        );
        assert_eq!(
            get_name(Ops::of::<Outcomes<{ outcomes::FOUND }>>(), b"child\0")?,
            0
        );
        Ok(())
    }

    /// A NUL or a slash is found wherever it is.
    #[test]
    fn name_of_every_content() -> Result {
        const SIZE: usize = bindings::NAME_MAX as usize + 1;

        for len in [1, 2, 100, SIZE - 1, SIZE] {
            for position in 0..len {
                for byte in [0, b'/'] {
                    let mut text = [b'x'; SIZE];
                    text[position] = byte;
                    let mut memory = Guarded::new();
                    let buffer = memory.buffer(0, SIZE).as_mut_ptr();

                    // SAFETY: The buffer has the size of a name, and is used for nothing else.
                    let ret = unsafe { Name::from_raw(buffer.cast()) }.set(&text[..len]);

                    let refused = matches!(ret, Err(err) if err == EINVAL);

                    expect!(
                        refused && memory.holds(0, &[]),
                        "{len} bytes, {byte} at {position}"
                    );
                }
            }
        }
        Ok(())
    }

    fn key() -> Result<Pin<KBox<Key>>> {
        KBox::pin_init(Key::new(), GFP_KERNEL)
    }

    /// The kind of signed handles.
    const SIGNED: u8 = 0x74;

    /// Another one with the same layout.
    const OTHER: u8 = 0x75;

    /// A filesystem for each size that a payload may have, with that size.
    fn each_payload<const TYPE: u8>() -> [(usize, Ops<Key>); 4] {
        [
            (4, Ops::of::<SignedFiles<4, TYPE>>()),
            (8, Ops::of::<SignedFiles<8, TYPE>>()),
            (12, Ops::of::<SignedFiles<12, TYPE>>()),
            (16, Ops::of::<SignedFiles<16, TYPE>>()),
        ]
    }

    /// The handle that a filesystem gives out, followed by zeros.
    fn sign(ops: Ops<Key>, key: &Key) -> Result<[u8; MAX]> {
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
            let kind = fs.encode(&mut [0; MAX], &mut len);

            expect!(
                kind == SIGNED.into() && len == (size as c_int + 8) / 4,
                "{size} bytes: {kind}, {len}"
            );
            expect!(content == &CONTENT[..size], "{size} bytes");
            expect!(mac != [0; 8], "{size} bytes");
            expect!(rest.iter().all(|&byte| byte == 0), "{size} bytes");
            // The same again is the same handle: it names one object.
            expect!(handle == sign(ops, &key)?, "{size} bytes");

            let decoded = fs.decode(&handle, len, kind);
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

    /// The beginning of a payload is not signed by the MAC of a longer one.
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
    fn signed_of_another_kind_is_absent() -> Result {
        let key = key()?;
        let both = each_payload::<SIGNED>()
            .into_iter()
            .zip(each_payload::<OTHER>());

        for ((size, ops), (_, other)) in both {
            let handle = sign(ops, &key)?;
            let handle = &handle[..size + 8];
            let fs = Fake::new(ops, &key)?;
            let other_fs = Fake::new(other, &key)?;

            // Passed off as one of the other kind, to the filesystem with that kind.
            let decoded = other_fs.decode(handle, MAX_UNITS, OTHER.into());
            expect!(decoded == Decoded::Absent, "{size} bytes: {decoded:?}");

            for kind in other_kinds(SIGNED) {
                let decoded = fs.decode(handle, MAX_UNITS, kind);
                expect!(
                    decoded == Decoded::Absent,
                    "{size} bytes, kind {kind}: {decoded:?}"
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

    /// What lies in memory where a key is or was.
    fn bytes_of(key: *mut Key) -> [u8; 16] {
        // SAFETY: The callers pass memory of that size, which has been initialised.
        unsafe { key.cast::<[u8; 16]>().read_volatile() }
    }

    #[test]
    fn key_is_wiped() -> Result {
        let mut memory: KBox<MaybeUninit<Key>> = KBox::new_uninit(GFP_KERNEL)?;
        let key = memory.as_mut_ptr();

        // SAFETY: The memory is not moved or freed before the key is dropped in place.
        unsafe { pin_init::raw_try_init(key, Key::new()) }?;
        let before = bytes_of(key);
        // SAFETY: The key has been initialised and is not used after this.
        unsafe { core::ptr::drop_in_place(key) };

        assert_eq!(size_of::<Key>(), 16);
        assert!(before != [0; 16]);
        assert!(bytes_of(key) == [0; 16]);
        Ok(())
    }
}
