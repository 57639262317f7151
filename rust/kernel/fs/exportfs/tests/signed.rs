// SPDX-License-Identifier: GPL-2.0

use super::{
    other_types,
    Decoded,
    Fake,
    Guarded,
    Ops,
    SignedFiles,
    CONTENT,
    INTACT,
    MAX,
    MAX_UNITS, //
};
use crate::{
    fs::exportfs::FhKey,
    prelude::*, //
};
use core::mem::MaybeUninit;

#[kunit_tests(rust_exportfs_signed)]
mod suite {
    use super::*;

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

    /// Neither a new key nor a key that is wiped changes the memory after it.
    #[test]
    fn key_is_wiped() -> Result {
        const AFTER: [u8; 16] = [0xa5; 16];

        let mut memory: KBox<MaybeUninit<[FhKey; 2]>> = KBox::new_uninit(GFP_KERNEL)?;
        let key: *mut FhKey = memory.as_mut_ptr().cast();
        let after = key.wrapping_add(1);

        assert_eq!(size_of::<FhKey>(), 16);
        // SAFETY: `memory` has room for two keys.
        unsafe { after.cast::<[u8; 16]>().write(AFTER) };
        // SAFETY: The key is dropped in place before the memory is moved or freed.
        unsafe { pin_init::raw_try_init(key, FhKey::new()) }?;
        let before = bytes_of(key);
        assert!(before != [0; 16]);
        assert!(bytes_of(after) == AFTER);
        // SAFETY: The key is initialised, and is not used after this.
        unsafe { core::ptr::drop_in_place(key) };

        assert!(bytes_of(key) == [0; 16]);
        assert!(bytes_of(after) == AFTER);
        Ok(())
    }
}
