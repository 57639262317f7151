// SPDX-License-Identifier: GPL-2.0

use super::{
    each_size,
    files,
    other_types,
    Decoded,
    Fake,
    Filled,
    Made,
    Ops,
    Variable,
    CONTENT,
    FILEID_TYPE,
    INTACT,
    MAX,
    MAX_UNITS, //
};
use crate::prelude::*;

#[kunit_tests(rust_exportfs_decode)]
mod suite {
    use super::*;

    /// Returns a handle of `len` units: the first `size` bytes of [`CONTENT`], followed by zeros.
    /// The allocation ends with the handle, so that KASAN detects a read past its end.
    fn handle(size: usize, len: c_int) -> Result<KVec<u8>> {
        let len = len as usize * 4;
        let mut fid = KVec::with_capacity(len, GFP_KERNEL)?;
        fid.extend_from_slice(&CONTENT[..size.min(len)], GFP_KERNEL)?;
        fid.resize(len, 0, GFP_KERNEL)?;
        Ok(fid)
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
}
