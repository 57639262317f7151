// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the parsers of handles and of file handles.

use super::{
    __fuse_fhandle_free,
    ext,
    fid,
    fuse_fhandle_ext,
    handle::{
        FHandle,
        INLINE,
        MAX, //
    },
    reply, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// The size of what precedes the bytes of a handle.
const PREFIX: usize = size_of::<bindings::fuse_file_handle>();

/// The number of random inputs. An emulated machine takes seconds with all debugging enabled.
const ROUNDS: usize = 4_000;

/// Returns bytes of which no two adjacent ones are equal.
fn pattern(len: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::new();

    for i in 0..len {
        bytes.push((i as u8).wrapping_mul(37).wrapping_add(1), GFP_KERNEL)?;
    }
    Ok(bytes)
}

fn put(buf: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = buf.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

/// Returns a `struct fuse_file_handle`.
fn file_handle(handle: &[u8]) -> Result<KVec<u8>> {
    let size = PREFIX + handle.len().next_multiple_of(8);
    let mut buf = KVec::from_elem(0u8, size, GFP_KERNEL)?;

    put(&mut buf, 0, &(handle.len() as u32).to_ne_bytes());
    put(&mut buf, PREFIX, handle);
    Ok(buf)
}

/// Parses a handle after an entry that is valid.
fn judge(buf: &[u8]) -> Result<&[u8]> {
    reply::handle(&bindings::fuse_entry2_out::default(), buf)
}

/// Encodes a file handle, and returns its size.
fn encode(handle: &[u8], parent: Option<&[u8]>, buf: &mut [u8]) -> Option<usize> {
    let size = fid::size(handle, parent)?;

    fid::fill(handle, parent, buf.get_mut(..size)?)?;
    Some(size)
}

/// Pseudo-random numbers: xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        // The kernel has no 64-bit division on 32-bit architectures.
        (self.next() as usize).checked_rem(limit).unwrap_or(0)
    }
}

#[kunit_tests(rust_fuse_fhandle)]
mod suite {
    use super::*;

    #[test]
    fn handle_of_each_size() -> Result {
        for size in 0..=MAX {
            let bytes = pattern(size)?;
            let mut buf = file_handle(&bytes)?;

            assert!(*judge(&buf)? == *bytes);
            for len in 0..buf.len() {
                assert!(judge(&buf[..len]).is_err_and(|e| e == EIO));
            }
            for _ in 0..17 {
                buf.push(0, GFP_KERNEL)?;
                assert!(judge(&buf).is_err_and(|e| e == EIO));
            }
        }
        Ok(())
    }

    #[test]
    fn handle_that_is_too_large() -> Result {
        for size in [MAX + 1, MAX + 2, 255, 256, 65535] {
            assert!(judge(&file_handle(&pattern(size)?)?).is_err_and(|e| e == EIO));
        }
        Ok(())
    }

    #[test]
    fn handle_with_another_size() -> Result {
        for size in [0usize, 1, 7, 8, 9, INLINE, INLINE + 1, 124, 125, MAX] {
            for wrong in [0, 1, 7, 8, 9, 127, 128, 129, 65535, u32::MAX - 7, u32::MAX] {
                let bytes = pattern(size)?;
                let mut buf = file_handle(&bytes)?;

                put(&mut buf, 0, &wrong.to_ne_bytes());
                // The padding must be zero even if the padded sizes are the same.
                let more = wrong as usize > size
                    && wrong as usize <= size.next_multiple_of(8)
                    && size.next_multiple_of(8) <= MAX;
                match judge(&buf) {
                    Ok(handle) => assert!(wrong as usize == size || more && handle.len() > size),
                    Err(e) => assert!(e == EIO && wrong as usize != size && !more),
                }
            }
        }
        Ok(())
    }

    #[test]
    fn handle_with_spare_bytes() -> Result {
        for size in [1, 9, INLINE + 1, MAX - 1] {
            let right = file_handle(&pattern(size)?)?;

            for at in 4..right.len() {
                if (PREFIX..PREFIX + size).contains(&at) {
                    continue;
                }
                let mut buf = KVec::new();

                buf.extend_from_slice(&right, GFP_KERNEL)?;
                put(&mut buf, at, &[1]);
                assert!(judge(&buf).is_err_and(|e| e == EIO));
            }
            for bit in 0..u64::BITS {
                let entry = bindings::fuse_entry2_out {
                    spare: 1 << bit,
                    ..Default::default()
                };
                assert!(reply::handle(&entry, &right).is_err_and(|e| e == EIO));
            }
        }
        Ok(())
    }

    #[test]
    fn handle_of_random_bytes() -> Result {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let mut found = 0;

        for _ in 0..ROUNDS {
            let len = random.below(200);
            let mut buf = KVec::with_capacity(len, GFP_KERNEL)?;

            for _ in 0..len {
                buf.push(random.next() as u8, GFP_KERNEL)?;
            }
            // Few others are valid.
            put(&mut buf, 0, &(random.below(160) as u32).to_ne_bytes());
            put(&mut buf, 4, &[0; 4]);
            if let Ok(handle) = judge(&buf) {
                found += 1;
                assert!(*file_handle(handle)? == *buf);
            }
        }
        assert!(found > 0);
        Ok(())
    }

    /// The handle that follows an entry of a directory, and what follows the handle.
    #[test]
    fn handle_before_other_bytes() -> Result {
        for size in 0..=MAX {
            let bytes = pattern(size)?;
            let mut buf = file_handle(&bytes)?;
            let len = buf.len();

            for cut in 0..len {
                assert!(reply::split(&buf[..cut])?.is_none());
            }
            for more in 0..17 {
                let (handle, rest) = reply::split(&buf)?.ok_or(EINVAL)?;

                assert!(*handle == *bytes && rest.len() == more);
                buf.push(0xa5, GFP_KERNEL)?;
            }
            for at in Iterator::chain(4..8, PREFIX + size..len) {
                buf[at] ^= 0x80;
                assert!(reply::split(&buf).is_err_and(|e| e == EIO));
                buf[at] ^= 0x80;
            }
        }
        for size in [MAX + 1, MAX + 8, 0xffff, 0x8000_0000, u32::MAX as usize] {
            let mut buf = file_handle(&pattern(MAX)?)?;

            put(&mut buf, 0, &(size as u32).to_ne_bytes());
            assert!(reply::split(&buf).is_err_and(|e| e == EIO));
            // The size is checked as soon as it is complete.
            assert!(reply::split(&buf[..PREFIX]).is_err_and(|e| e == EIO));
        }
        Ok(())
    }

    #[test]
    fn value() -> Result {
        let none = FHandle::NONE;

        assert!(!none.is_known() && none.as_bytes().is_empty());
        assert!(FHandle::new(&pattern(MAX + 1)?, GFP_KERNEL).is_err_and(|e| e == EIO));
        for size in 1..=MAX {
            let mut bytes = pattern(size)?;
            let handle = FHandle::new(&bytes, GFP_KERNEL)?;
            let same = FHandle::new(&bytes, GFP_KERNEL)?;

            assert!(handle.is_known() && *handle.as_bytes() == *bytes);
            assert!(handle == same && handle.may_be(&same));
            assert!(handle.may_be(&none) && none.may_be(&handle));
            for at in [0, size - 1] {
                bytes[at] ^= 0x80;
                let other = FHandle::new(&bytes, GFP_KERNEL)?;
                assert!(handle != other && !handle.may_be(&other));
                bytes[at] ^= 0x80;
            }
            let shorter = FHandle::new(&bytes[..size - 1], GFP_KERNEL)?;
            assert!(handle != shorter);
        }
        Ok(())
    }

    /// These values of FNV-1a are published.
    #[test]
    fn hash_of_a_value() -> Result {
        for (bytes, want) in [
            (&b"a"[..], 0xe40c_292c_u32),
            (b"foobar", 0xbf9c_f968),
            (br"chongo <Landon Curt Noll> /\../\", 0x9a4e_92e6),
        ] {
            let handle = FHandle::new(bytes, GFP_KERNEL)?;
            // SAFETY: The handle is valid.
            let hash = unsafe { (*handle.as_raw()).hash };

            assert_eq!(hash, want);
        }
        assert!(FHandle::new(&[], GFP_KERNEL)? == FHandle::NONE);

        // Both have the hash 0x5e4daa9d.
        let one = FHandle::new(b"costarring", GFP_KERNEL)?;
        let other = FHandle::new(b"liquid", GFP_KERNEL)?;
        assert!(one != other && !one.may_be(&other));
        Ok(())
    }

    /// C copies the whole union.
    #[test]
    fn padding_of_a_value() -> Result {
        for size in 1..=INLINE {
            let handle = FHandle::new(&pattern(size)?, GFP_KERNEL)?;
            // SAFETY: The handle is valid and inline.
            let bytes = unsafe { (*handle.as_raw()).data.bytes };

            assert!(bytes[size..].iter().all(|&byte| byte == 0));
        }
        Ok(())
    }

    #[test]
    fn free_of_a_value() -> Result {
        for size in [0, 1, INLINE, INLINE + 1, MAX] {
            let mut handle = FHandle::new(&pattern(size)?, GFP_KERNEL)?;

            // SAFETY: The handle is valid, and nothing else accesses it.
            unsafe { __fuse_fhandle_free((&raw mut handle).cast()) };
            assert!(!handle.is_known() && handle == FHandle::NONE);
        }
        Ok(())
    }

    #[test]
    fn extension_without_room() -> Result {
        for size in 0..=MAX {
            let handle = FHandle::new(&pattern(size)?, GFP_KERNEL)?;
            let padded = 16 + size.next_multiple_of(8);
            let mut buf = [0xa5; 168];

            // SAFETY: The handle is valid, and `buf` has the size.
            let written =
                unsafe { fuse_fhandle_ext(handle.as_raw(), buf.as_mut_ptr(), padded - 1) };
            assert_eq!(written, 0);
            assert!(buf[padded - 1..].iter().all(|&byte| byte == 0xa5));
            // SAFETY: The handle is valid, and `buf` has the size.
            let written = unsafe { fuse_fhandle_ext(handle.as_raw(), buf.as_mut_ptr(), padded) };
            assert_eq!(written, padded);
            assert!(buf[padded..].iter().all(|&byte| byte == 0xa5));
        }
        Ok(())
    }

    /// Returns the number of pages of slabs that cannot be reclaimed.
    fn slab_pages() -> isize {
        let item = bindings::node_stat_item_NR_SLAB_UNRECLAIMABLE_B as usize;

        // SAFETY: The array is valid. Its elements are updated concurrently.
        unsafe { (&raw const bindings::vm_node_stat[item].counter).read_volatile() as isize }
    }

    /// Values of 625 pages are freed in each round. KASAN frees memory late, so that the first
    /// rounds need memory.
    #[test]
    fn memory_of_values_is_freed() -> Result {
        let bytes = pattern(MAX)?;
        let mut rounds = 0..60;

        assert!(rounds.any(|_| {
            let before = slab_pages();
            for _ in 0..20_000 {
                drop(FHandle::new(&bytes, GFP_KERNEL));
            }
            slab_pages() - before < 312
        }));
        Ok(())
    }

    #[test]
    fn value_adopted_once() -> Result {
        for size in [1, INLINE, INLINE + 1, MAX] {
            let bytes = pattern(size)?;
            let mut known = FHandle::NONE;
            let mut found = FHandle::NONE;

            assert!(known.adopt(&mut found) && !known.is_known());
            found = FHandle::new(&bytes, GFP_KERNEL)?;
            assert!(known.adopt(&mut found));
            assert!(*known.as_bytes() == *bytes && !found.is_known());
            // An unknown handle is no mismatch.
            assert!(known.adopt(&mut found));
            found = FHandle::new(&bytes, GFP_KERNEL)?;
            assert!(known.adopt(&mut found) && found.is_known());
            found = FHandle::new(b"another", GFP_KERNEL)?;
            assert!(!known.adopt(&mut found));
            assert!(*known.as_bytes() == *bytes);
        }
        Ok(())
    }

    #[test]
    fn extension() -> Result {
        let mut buf = [0xa5; 168];

        // Size 0 stands for an unknown handle.
        for size in 0..=MAX {
            let bytes = pattern(size)?;
            let padded = 16 + size.next_multiple_of(8);

            buf.fill(0xa5);
            assert!(ext::write(&bytes, &mut buf[..padded - 1]).is_none());
            assert!(buf.iter().all(|&byte| byte == 0xa5));
            assert!(ext::write(&bytes, &mut buf) == Some(padded));
            assert!(buf[..4] == (padded as u32).to_ne_bytes());
            assert!(buf[4..8] == 33u32.to_ne_bytes());
            assert!(buf[8..padded] == *file_handle(&bytes)?);
            assert!(buf[16 + size..padded].iter().all(|&byte| byte == 0));
            assert!(buf[padded..].iter().all(|&byte| byte == 0xa5));
        }
        Ok(())
    }

    #[test]
    fn fid_of_each_size() -> Result {
        for size in 1..=MAX {
            let bytes = pattern(size)?;
            let total = 4 + size.next_multiple_of(4);
            let mut buf = [0; 132];

            assert!(encode(&bytes, None, &mut buf[..total - 1]).is_none());
            assert!(buf.iter().all(|&byte| byte == 0));
            assert!(encode(&bytes, None, &mut buf) == Some(total));
            assert!(buf[..4] == [size as u8, 0, 0, 0]);
            let fid = &buf[..total];
            assert!(fid::decode(fid, 0x91).and_then(|fid| fid.pick(false)) == Some(&bytes));
            assert!(fid::decode(fid, 0x91).is_some_and(|fid| fid.pick(true).is_none()));
            for fileid_type in [0, 0x81, 0x82, 0x92, 0xff, -1] {
                assert!(fid::decode(fid, fileid_type).is_none());
            }
            for len in 0..=buf.len() {
                assert!(len == fid.len() || fid::decode(&buf[..len], 0x91).is_none());
            }
        }
        Ok(())
    }

    #[test]
    fn fid_with_parent() -> Result {
        for (size, parent) in [(1, 1), (4, 5), (24, 25), (62, 60), (1, 120), (128, 1)] {
            let bytes = pattern(size)?;
            let above = pattern(parent)?;
            let total = 4 + size.next_multiple_of(4) + parent.next_multiple_of(4);
            let mut buf = [0; 136];

            assert!(encode(&bytes, Some(&above), &mut buf) == Some(total));
            let fid = fid::decode(&buf[..total], 0x92).ok_or(EINVAL)?;
            assert!(fid.pick(false) == Some(&bytes) && fid.pick(true) == Some(&above));
            assert!(fid::decode(&buf[..total], 0x91).is_none());
        }
        Ok(())
    }

    #[test]
    fn fid_of_an_unknown_handle() {
        for (handle, parent) in [(&[][..], None), (&[1], Some(&[][..])), (&[], Some(&[1]))] {
            assert!(fid::size(handle, parent).is_none());
        }
    }

    /// All file handles that can be decoded are those that encoding produces.
    #[test]
    fn fid_of_random_bytes() -> Result {
        let mut random = Random(0xdead_beef_cafe_f00d);
        let mut found = 0;

        for _ in 0..50_000 {
            let len = 4 * random.below(33);
            let mut buf = [0; 128];

            for byte in buf.iter_mut() {
                *byte = random.next() as u8;
            }
            // Few others can be decoded.
            buf[0] &= 0x0f;
            buf[1] &= 0x0f;
            buf[2] &= random.next() as u8 & 1;
            buf[3] = 0;
            for fileid_type in [0x91, 0x92] {
                let Some(fid) = fid::decode(&buf[..len], fileid_type) else {
                    continue;
                };
                let mut again = [0; 128];
                let handle = fid.pick(false).ok_or(EINVAL)?;

                found += 1;
                assert_eq!(fid.pick(true).is_some(), fileid_type == 0x92);
                assert!(encode(handle, fid.pick(true), &mut again) == Some(len));
                assert!(again[..len] == buf[..len]);
            }
        }
        assert!(found > 0);
        Ok(())
    }
}
