// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the parsers of replies and of file handles.

use super::{
    ext,
    fid,
    handle::{
        FHandle,
        INLINE,
        MAX, //
    },
    reply::{
        self,
        Lookup, //
    }, //
};
use core::mem::offset_of;
use kernel::{
    bindings,
    prelude::*, //
};

const HEADER: usize = size_of::<bindings::fuse_out_header>();
const ENTRY: usize = size_of::<bindings::fuse_entry2_out>();
const STATX: usize = size_of::<bindings::fuse_statx_out>();

/// Offsets in a reply that do not depend on the size of the handle.
const LEN_AT: usize = 0;
const ERROR_AT: usize = 4;
const INDEX_AT: usize = 8;
const NODEID_AT: usize = HEADER;
const SIZE_AT: usize = HEADER + ENTRY;
const HANDLE_AT: usize = SIZE_AT + size_of::<u16>();
const MASK_OFFSET: usize = offset_of!(bindings::fuse_statx_out, stat);

const NODEID: u64 = 0x1234_5678_9abc;

/// The number of random inputs. An emulated machine takes seconds with all debugging enabled.
const ROUNDS: usize = 4_000;

/// The boundary sizes of handles.
const SIZES: [usize; 8] = [0, 1, INLINE - 1, INLINE, INLINE + 1, 124, 125, MAX];

/// Boundary values of a length.
const LENGTHS: [u32; 15] = [
    0,
    1,
    HEADER as u32 - 1,
    HEADER as u32,
    HEADER as u32 + 1,
    (HEADER + ENTRY) as u32 - 1,
    (HEADER + ENTRY) as u32,
    (HEADER + ENTRY) as u32 + 1,
    (HEADER + STATX) as u32 - 1,
    (HEADER + STATX) as u32 + 1,
    511,
    512,
    i32::MAX as u32,
    i32::MAX as u32 + 1,
    u32::MAX,
];

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

/// Returns a valid reply to both requests.
fn reply(handle: &[u8]) -> Result<KVec<u8>> {
    let size = HANDLE_AT + handle.len() + HEADER + STATX;
    let second = HANDLE_AT + handle.len();
    let mut buf = KVec::from_elem(0u8, size, GFP_KERNEL)?;

    put(&mut buf, LEN_AT, &(second as u32).to_ne_bytes());
    put(&mut buf, NODEID_AT, &NODEID.to_ne_bytes());
    put(&mut buf, SIZE_AT, &(handle.len() as u16).to_ne_bytes());
    put(&mut buf, HANDLE_AT, handle);
    put(
        &mut buf,
        second + LEN_AT,
        &((HEADER + STATX) as u32).to_ne_bytes(),
    );
    put(&mut buf, second + INDEX_AT, &1u64.to_ne_bytes());
    put(
        &mut buf,
        second + HEADER + MASK_OFFSET,
        &bindings::STATX_BASIC_STATS.to_ne_bytes(),
    );
    Ok(buf)
}

/// Returns a reply in which the second request fails.
fn without_statx(handle: &[u8], errno: c_int) -> Result<KVec<u8>> {
    let mut buf = reply(handle)?;
    let second = HANDLE_AT + handle.len();

    put(&mut buf, second + LEN_AT, &(HEADER as u32).to_ne_bytes());
    put(&mut buf, second + ERROR_AT, &errno.to_ne_bytes());
    buf.truncate(second + HEADER);
    Ok(buf)
}

/// Returns a reply in which both requests fail.
fn errors(first: c_int, second: c_int) -> Result<KVec<u8>> {
    let mut buf = KVec::from_elem(0u8, 2 * HEADER, GFP_KERNEL)?;

    for (at, errno, index) in [(0, first, 0u64), (HEADER, second, 1)] {
        put(&mut buf, at + LEN_AT, &(HEADER as u32).to_ne_bytes());
        put(&mut buf, at + ERROR_AT, &errno.to_ne_bytes());
        put(&mut buf, at + INDEX_AT, &index.to_ne_bytes());
    }
    Ok(buf)
}

/// Returns the handle in a reply.
fn judge(buf: &[u8]) -> core::result::Result<&[u8], Error> {
    Lookup::parse(buf).outcome.map(|(handle, _)| handle)
}

/// Returns the nodeid for which the server has counted a lookup.
fn counted(buf: &[u8]) -> u64 {
    Lookup::parse(buf).entry.map_or(0, |entry| entry.nodeid)
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

/// Returns `true` if the lengths, the errors, the indices and the required bits of the mask are
/// those of a valid positive reply with this handle.
fn is_right(buf: &[u8], handle: &[u8]) -> bool {
    let Ok(expected) = reply(handle) else {
        return false;
    };
    let second = HANDLE_AT + handle.len();
    let same = |(at, len): (usize, usize)| buf.get(at..at + len) == expected.get(at..at + len);
    let mask = buf
        .get(second + HEADER + MASK_OFFSET..)
        .and_then(|rest| rest.first_chunk().copied())
        .map_or(0, u32::from_ne_bytes);

    buf.len() == expected.len()
        && same((0, HEADER))
        && same((SIZE_AT, size_of::<u16>()))
        && same((second, HEADER))
        && mask & bindings::STATX_BASIC_STATS == bindings::STATX_BASIC_STATS
}

#[kunit_tests(rust_fuse_fhandle)]
mod suite {
    use super::*;

    #[test]
    fn reply_of_each_size() -> Result {
        for size in SIZES {
            let bytes = pattern(size)?;
            let buf = reply(&bytes)?;
            let lookup = Lookup::parse(&buf);

            assert!(lookup.entry.is_some_and(|entry| entry.nodeid == NODEID));
            let (handle, statx) = lookup.outcome?;
            assert!(*handle == *bytes);
            assert!(statx.is_some_and(|statx| statx.stat.mask == bindings::STATX_BASIC_STATS));
        }
        Ok(())
    }

    #[test]
    fn reply_with_too_large_a_handle() -> Result {
        for size in [MAX + 1, MAX + 2, 255, 256, 65535] {
            let buf = reply(&pattern(size)?)?;

            assert!(judge(&buf).is_err_and(|e| e == EIO));
            assert_eq!(counted(&buf), NODEID);
        }
        Ok(())
    }

    #[test]
    fn reply_truncated_at_every_byte() -> Result {
        for size in SIZES {
            let buf = reply(&pattern(size)?)?;

            for len in 0..buf.len() {
                let Some(part) = buf.get(..len) else { break };

                assert!(judge(part).is_err_and(|e| e == EIO));
                let expected = if len < HEADER + ENTRY { 0 } else { NODEID };
                assert_eq!(counted(part), expected);
            }
        }
        Ok(())
    }

    #[test]
    fn reply_with_trailing_bytes() -> Result {
        for size in SIZES {
            let mut buf = reply(&pattern(size)?)?;

            for _ in 0..2 * HEADER + 1 {
                buf.push(0, GFP_KERNEL)?;
                assert!(judge(&buf).is_err_and(|e| e == EIO));
                assert_eq!(counted(&buf), NODEID);
            }
        }
        Ok(())
    }

    #[test]
    fn reply_with_every_length_wrong() -> Result {
        for size in SIZES {
            let right = reply(&pattern(size)?)?;
            let second = HANDLE_AT + size;

            for at in [0, second] {
                for length in LENGTHS {
                    let mut buf = KVec::new();

                    buf.extend_from_slice(&right, GFP_KERNEL)?;
                    put(&mut buf, at + LEN_AT, &length.to_ne_bytes());
                    assert!(*buf == *right || judge(&buf).is_err_and(|e| e == EIO));
                }
            }
            for length in [0, 1, 2, size as u16 ^ 1, size as u16 + 1, 128, 129, 65535] {
                let mut buf = KVec::new();

                buf.extend_from_slice(&right, GFP_KERNEL)?;
                put(&mut buf, SIZE_AT, &length.to_ne_bytes());
                assert!(*buf == *right || judge(&buf).is_err_and(|e| e == EIO));
                assert_eq!(counted(&buf), NODEID);
            }
        }
        Ok(())
    }

    #[test]
    fn reply_with_wrong_index() -> Result {
        for size in SIZES {
            for at in [0, HANDLE_AT + size] {
                for index in [2u64, u64::MAX, 1 << 32, if at == 0 { 1 } else { 0 }] {
                    let mut buf = reply(&pattern(size)?)?;

                    put(&mut buf, at + INDEX_AT, &index.to_ne_bytes());
                    assert!(judge(&buf).is_err_and(|e| e == EIO));
                }
            }
        }
        Ok(())
    }

    #[test]
    fn reply_with_errors() -> Result {
        assert!(judge(&errors(-2, -125)?).is_err_and(|e| e == ENOENT));
        assert_eq!(counted(&errors(-2, -125)?), 0);
        // A server with handles must implement both requests.
        assert!(judge(&errors(-38, -125)?).is_err_and(|e| e == EIO));
        for errno in [1, 512, c_int::MAX, -512, -513, c_int::MIN] {
            assert!(judge(&errors(errno, -125)?).is_err_and(|e| e == EIO));
            assert!(judge(&errors(-2, errno)?).is_err_and(|e| e == EIO));
        }
        // The attributes of a negative entry.
        assert!(judge(&errors(-2, 0)?).is_err_and(|e| e == ENOENT));
        Ok(())
    }

    #[test]
    fn reply_with_error_after_lookup() -> Result {
        for size in SIZES {
            for (errno, expected) in [(-13, EACCES), (-38, EIO), (-511, Error::from_errno(-511))] {
                let buf = without_statx(&pattern(size)?, errno)?;

                assert!(judge(&buf).is_err_and(|e| e == expected));
                assert_eq!(counted(&buf), NODEID);
            }
        }
        Ok(())
    }

    #[test]
    fn reply_with_payload_after_error() -> Result {
        let mut buf = reply(&pattern(8)?)?;

        put(&mut buf, ERROR_AT, &(-2i32).to_ne_bytes());
        assert!(judge(&buf).is_err_and(|e| e == EIO));
        assert_eq!(counted(&buf), 0);
        Ok(())
    }

    #[test]
    fn reply_of_a_negative_entry() -> Result {
        let mut buf = without_statx(&[], -125)?;

        put(&mut buf, NODEID_AT, &0u64.to_ne_bytes());
        let lookup = Lookup::parse(&buf);
        assert_eq!(counted(&buf), 0);
        assert!(lookup
            .outcome
            .is_ok_and(|(handle, statx)| handle.is_empty() && statx.is_none()));
        Ok(())
    }

    #[test]
    fn reply_without_some_attributes() -> Result {
        let handle = pattern(8)?;

        for bit in 0..u32::BITS {
            let mask = !(1u32 << bit);
            let mut buf = reply(&handle)?;

            put(
                &mut buf,
                HANDLE_AT + handle.len() + HEADER + MASK_OFFSET,
                &mask.to_ne_bytes(),
            );
            let needed = bindings::STATX_BASIC_STATS >> bit & 1 == 1;
            assert_eq!(judge(&buf).is_err(), needed);
        }
        Ok(())
    }

    #[test]
    fn reply_changed_at_random() -> Result {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);

        for round in 0..ROUNDS {
            let mut buf = reply(&pattern(SIZES[round % SIZES.len()])?)?;

            for _ in 0..1 + random.below(4) {
                let at = random.below(buf.len());

                if let Some(byte) = buf.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            if random.below(8) == 0 {
                buf.truncate(random.below(buf.len()));
            }
            if let Ok((handle, statx)) = Lookup::parse(&buf).outcome {
                assert!(statx.is_none() || is_right(&buf, handle));
            }
        }
        Ok(())
    }

    #[test]
    fn reply_of_random_bytes() -> Result {
        let mut random = Random(0x2545_f491_4f6c_dd1d);

        for _ in 0..ROUNDS {
            let len = random.below(600);
            let mut buf = KVec::with_capacity(len, GFP_KERNEL)?;

            for _ in 0..len {
                buf.push(random.next() as u8, GFP_KERNEL)?;
            }
            assert!(judge(&buf).is_err_and(|e| e == EIO));
        }
        Ok(())
    }

    #[test]
    fn handle_alone() -> Result {
        for size in 0..=MAX + 2 {
            let bytes = pattern(size)?;
            let mut buf = KVec::new();

            buf.extend_from_slice(&(size as u16).to_ne_bytes(), GFP_KERNEL)?;
            buf.extend_from_slice(&bytes, GFP_KERNEL)?;
            if size > MAX {
                assert!(reply::handle(&buf).is_err());
                continue;
            }
            assert!(*reply::handle(&buf)? == *bytes);
            for len in 0..buf.len() {
                assert!(buf
                    .get(..len)
                    .is_some_and(|part| reply::handle(part).is_err()));
            }
            buf.push(0, GFP_KERNEL)?;
            assert!(reply::handle(&buf).is_err());
        }
        Ok(())
    }

    #[test]
    fn value() -> Result {
        let none = FHandle::NONE;

        assert!(!none.is_known() && none.as_bytes().is_empty());
        assert!(FHandle::new(&pattern(MAX + 1)?, GFP_KERNEL).is_err());
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
        let mut buf = [0xa5; 160];

        assert!(ext::write(&[], &mut buf).is_none());
        for size in 1..=MAX {
            let bytes = pattern(size)?;
            let padded = (10 + size).next_multiple_of(8);

            buf.fill(0xa5);
            assert!(ext::write(&bytes, &mut buf[..padded - 1]).is_none());
            assert!(buf.iter().all(|&byte| byte == 0xa5));
            assert!(ext::write(&bytes, &mut buf) == Some(padded));
            assert!(buf[..4] == (padded as u32).to_ne_bytes());
            assert!(buf[4..8] == 33u32.to_ne_bytes());
            assert!(buf[8..10] == (size as u16).to_ne_bytes());
            assert!(buf[10..10 + size] == *bytes);
            assert!(buf[10 + size..padded].iter().all(|&byte| byte == 0));
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
