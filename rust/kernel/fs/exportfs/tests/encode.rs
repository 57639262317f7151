// SPDX-License-Identifier: GPL-2.0

use super::{
    each_size,
    files,
    Fake,
    Files,
    Filled,
    Guarded,
    Made,
    Ops,
    Variable,
    Wide,
    CONTENT,
    FILEID_TYPE,
    INTACT,
    MAX,
    MAX_UNITS, //
};
use crate::prelude::*;

#[kunit_tests(rust_exportfs_encode)]
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
}
