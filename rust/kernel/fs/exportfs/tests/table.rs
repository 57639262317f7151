// SPDX-License-Identifier: GPL-2.0

use super::{
    files,
    outcomes,
    single,
    Bytes,
    Decoded,
    Fake,
    Files,
    Guarded,
    Made,
    Ops,
    Outcomes,
    CONTENT,
    FILEID_TYPE,
    INTACT,
    MAX,
    MAX_UNITS, //
};
use crate::{
    bindings,
    fs::exportfs::FileidType,
    prelude::*, //
};

#[kunit_tests(rust_exportfs_table)]
mod suite {
    use super::*;

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
            ops.fh_to_dentry_nowait.is_some(),
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
        assert_eq!(present(Ops::of::<single::FhToDentryNowait>()), 1 << 6);
        assert_eq!(present(Ops::of::<Outcomes<{ outcomes::FOUND }>>()), 0xff);
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

    /// With `EXPORT_FH_NOWAIT`, exportfs only calls `fh_to_dentry_nowait`.
    #[test]
    fn vfs_decodes_without_waiting_if_supported() -> Result {
        const NOWAIT: u32 = bindings::EXPORT_FH_NOWAIT;

        let nothing = Fake::new(Ops::of::<single::Nothing>(), &())?;
        let waits = Fake::new(Ops::of::<single::FhToDentry>(), &())?;
        let both = Fake::new(Ops::of::<single::DecodeWithAndWithoutWaiting>(), &())?;
        let absent = Fake::new(Ops::of::<Outcomes<{ outcomes::ABSENT }>>(), &0)?;
        let fileid_type = c_int::from(FILEID_TYPE);
        let fid = &CONTENT[..12];

        for (decoded, wanted) in [
            (nothing.vfs_decode_with(fid, 3, fileid_type, NOWAIT), ESTALE),
            (waits.vfs_decode_with(fid, 3, fileid_type, NOWAIT), EAGAIN),
            (both.vfs_decode_with(fid, 3, fileid_type, NOWAIT), ENXIO),
            (both.vfs_decode_with(fid, 3, fileid_type, 0), ENOSYS),
        ] {
            assert_eq!(decoded, Decoded::Failed(wanted));
        }
        assert_eq!(
            absent.vfs_decode_with(fid, 3, fileid_type, NOWAIT),
            Decoded::Absent
        );
        Ok(())
    }
}
