// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the parser of compounds.

use super::{
    parse,
    Request,
    HEADER,
    MAX_REQUESTS, //
};
use kernel::prelude::*;

/// The sizes of the output arguments of the requests: fixed, variable, and one that is padded.
const FIRST: usize = 24;
const SECOND: (usize, usize) = (16, 40);
const THIRD: usize = 13;

/// Offsets in the header of a reply.
const LEN_AT: usize = 0;
const ERROR_AT: usize = 4;
const INDEX_AT: usize = 8;

/// Sizes of the variable argument.
const SIZES: [usize; 7] = [0, 1, 7, 8, 9, SECOND.1 - 1, SECOND.1];

/// Boundary values of a length.
const LENGTHS: [u32; 14] = [
    0,
    1,
    HEADER as u32 - 1,
    HEADER as u32,
    HEADER as u32 + 1,
    (HEADER + THIRD) as u32 - 1,
    (HEADER + THIRD) as u32 + 1,
    (HEADER + FIRST) as u32 - 1,
    (HEADER + FIRST) as u32 + 1,
    (HEADER + SECOND.0 + SECOND.1) as u32 + 1,
    511,
    i32::MAX as u32,
    i32::MAX as u32 + 1,
    u32::MAX,
];

/// The number of random inputs. An emulated machine takes seconds with all debugging enabled.
const ROUNDS: usize = 4_000;

/// A byte that no valid reply contains, in the buffers before a reply is parsed.
const UNTOUCHED: u8 = 0xa5;

/// What the parser stored.
struct Outcome {
    result: Result,
    results: [Result<usize>; 3],
    first: [u8; FIRST],
    second: [u8; SECOND.0],
    variable: [u8; SECOND.1],
    third: [u8; THIRD],
}

impl Outcome {
    /// Returns the results as errnos and sizes.
    fn codes(&self) -> [isize; 3] {
        self.results.map(|result| match result {
            Ok(size) => size as isize,
            Err(e) => e.to_errno() as isize,
        })
    }
}

/// Parses the reply to three requests, of which the others depend on the first.
fn judge_with(out: &[u8], replies: &[u8]) -> Outcome {
    let mut first = [UNTOUCHED; FIRST];
    let mut second = [UNTOUCHED; SECOND.0];
    let mut variable = [UNTOUCHED; SECOND.1];
    let mut third = [UNTOUCHED; THIRD];
    let mut requests = [
        Request {
            args: [&mut first, &mut []],
            ..Request::default()
        },
        Request {
            args: [&mut second, &mut variable],
            variable: Some(1),
            dependency: Some(0),
            ..Request::default()
        },
        Request {
            args: [&mut third, &mut []],
            dependency: Some(0),
            ..Request::default()
        },
    ];
    let result = parse(out, replies, &mut requests);
    let results = requests.each_ref().map(|request| request.result);

    Outcome {
        result,
        results,
        first,
        second,
        variable,
        third,
    }
}

fn judge(replies: &[u8]) -> Outcome {
    judge_with(&[0; 16], replies)
}

fn put(buf: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = buf.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

/// Appends the reply to the request `index`: an error, or `len` bytes other than zero.
fn add(buf: &mut KVec<u8>, index: u64, errno: c_int, len: usize) -> Result {
    let len = if errno == 0 { len } else { 0 };

    buf.extend_from_slice(&((HEADER + len) as u32).to_ne_bytes(), GFP_KERNEL)?;
    buf.extend_from_slice(&errno.to_ne_bytes(), GFP_KERNEL)?;
    buf.extend_from_slice(&index.to_ne_bytes(), GFP_KERNEL)?;
    for i in 0..len {
        buf.push((i as u8 & 0x3f) + 1, GFP_KERNEL)?;
    }
    while buf.len() % 8 != 0 {
        buf.push(0, GFP_KERNEL)?;
    }
    Ok(())
}

/// Returns the replies with these errors and this size of the variable argument.
fn replies(errors: [c_int; 3], size: usize) -> Result<KVec<u8>> {
    let mut buf = KVec::new();

    for (index, len) in [FIRST, SECOND.0 + size, THIRD].into_iter().enumerate() {
        add(&mut buf, index as u64, errors[index], len)?;
    }
    Ok(buf)
}

/// Returns `true` if a reply of this length is that with another variable argument, which ends in
/// the same unit of 8 bytes. The bytes after it must be zero.
fn is_longer(size: usize, at: usize, length: u32) -> bool {
    let right = HEADER + SECOND.0 + size;
    let length = length as usize;

    at == offsets(size)[1] && length > right && length <= right.next_multiple_of(8)
}

fn copy(buf: &[u8]) -> Result<KVec<u8>> {
    let mut copy = KVec::new();

    copy.extend_from_slice(buf, GFP_KERNEL)?;
    Ok(copy)
}

/// Returns the offset of each reply. The last offset is the end.
fn offsets(size: usize) -> [usize; 4] {
    let second = HEADER + FIRST;
    let third = second + (HEADER + SECOND.0 + size).next_multiple_of(8);

    [
        0,
        second,
        third,
        third + (HEADER + THIRD).next_multiple_of(8),
    ]
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

#[kunit_tests(rust_fuse_compound)]
mod suite {
    use super::*;

    #[test]
    fn replies_of_each_size() -> Result {
        for size in SIZES {
            let buf = replies([0; 3], size)?;
            let outcome = judge(&buf);

            assert_eq!(buf.len(), offsets(size)[3]);
            assert!(outcome.result.is_ok());
            assert_eq!(outcome.codes(), [0, size as isize, 0]);
            assert!(outcome.first[..] == buf[HEADER..][..FIRST]);
            assert!(outcome.second[..] == buf[offsets(size)[1] + HEADER..][..SECOND.0]);
            assert!(
                outcome.variable[..size] == buf[offsets(size)[1] + HEADER + SECOND.0..][..size]
            );
            assert!(outcome.variable[size..]
                .iter()
                .all(|&byte| byte == UNTOUCHED));
            assert!(outcome.third[..] == buf[offsets(size)[2] + HEADER..][..THIRD]);
        }
        Ok(())
    }

    #[test]
    fn too_large_an_argument() -> Result {
        for size in [SECOND.1 + 1, SECOND.1 + 8, SECOND.1 + 100] {
            let outcome = judge(&replies([0; 3], size)?);

            assert!(outcome.result.is_err_and(|e| e == EIO));
            assert!(outcome.results[1].is_err_and(|e| e == EIO));
        }
        Ok(())
    }

    /// A reply that was received completely has its result, so that its nodeid can be forgotten.
    #[test]
    fn truncated_at_every_byte() -> Result {
        for size in SIZES {
            let buf = replies([0; 3], size)?;
            let at = offsets(size);

            for len in 0..buf.len() {
                let outcome = judge(&buf[..len]);

                assert!(outcome.result.is_err_and(|e| e == EIO));
                assert_eq!(outcome.results[0].is_ok(), len >= at[1]);
                assert_eq!(outcome.results[1].is_ok(), {
                    len >= at[1] + HEADER + SECOND.0 + size
                });
                assert_eq!(outcome.results[2].is_ok(), len >= at[2] + HEADER + THIRD);
                assert_eq!((outcome.first[0] == UNTOUCHED), len < at[1]);
            }
        }
        Ok(())
    }

    #[test]
    fn trailing_bytes() -> Result {
        for size in SIZES {
            let mut buf = replies([0; 3], size)?;

            for _ in 0..2 * HEADER + 1 {
                buf.push(0, GFP_KERNEL)?;
                let outcome = judge(&buf);
                assert!(outcome.result.is_err_and(|e| e == EIO));
                assert_eq!(outcome.codes(), [0, size as isize, 0]);
            }
        }
        Ok(())
    }

    #[test]
    fn missing_reply() -> Result {
        for nr in 0..3 {
            let mut buf = KVec::new();

            for (index, len) in [FIRST, SECOND.0, THIRD].into_iter().enumerate().take(nr) {
                add(&mut buf, index as u64, 0, len)?;
            }
            let outcome = judge(&buf);
            assert!(outcome.result.is_err_and(|e| e == EIO));
            for (index, result) in outcome.results.iter().enumerate() {
                assert_eq!(result.is_ok(), index < nr);
            }
        }
        Ok(())
    }

    #[test]
    fn every_length_at_every_boundary() -> Result {
        for size in SIZES {
            let right = replies([0; 3], size)?;

            for at in offsets(size).into_iter().take(3) {
                for length in LENGTHS {
                    let mut buf = copy(&right)?;
                    let longer = is_longer(size, at, length);

                    put(&mut buf, at + LEN_AT, &length.to_ne_bytes());
                    let result = judge(&buf).result;

                    assert_eq!(result.is_ok(), *buf == *right || longer);
                    assert!(result.is_ok() || result == Err(EIO));
                }
            }
        }
        Ok(())
    }

    #[test]
    fn wrong_index() -> Result {
        for (nr, at) in offsets(8).into_iter().enumerate().take(3) {
            for index in [0, 1, 2, 3, 1 << 32, u64::MAX] {
                let mut buf = replies([0; 3], 8)?;

                put(&mut buf, at + INDEX_AT, &index.to_ne_bytes());
                if index == nr as u64 {
                    continue;
                }
                let outcome = judge(&buf);
                assert!(outcome.result.is_err_and(|e| e == EIO));
                assert!(outcome.results[nr].is_err_and(|e| e == EIO));
            }
        }
        Ok(())
    }

    #[test]
    fn errors() -> Result {
        for errno in [-1, -2, -38, -125, -511] {
            let outcome = judge(&replies([0, errno, 0], 8)?);
            assert!(outcome.result.is_ok());
            assert_eq!(outcome.codes(), [0, errno as isize, 0]);
            assert!(outcome.second.iter().all(|&byte| byte == UNTOUCHED));

            let outcome = judge(&replies([0, 0, errno], 8)?);
            assert!(outcome.result.is_ok());
            assert_eq!(outcome.codes(), [0, 8, errno as isize]);
        }
        for errno in [1, 512, c_int::MAX, -512, -513, c_int::MIN] {
            for nr in 0..3 {
                let mut errors = [0; 3];

                errors[nr] = errno;
                let outcome = judge(&replies(errors, 8)?);
                assert!(outcome.result.is_err_and(|e| e == EIO));
                assert!(outcome.results[nr].is_err_and(|e| e == EIO));
            }
        }
        Ok(())
    }

    /// A request whose reply has no room for a nodeid finds nothing.
    #[test]
    fn dependency_on_a_short_argument() -> Result {
        let (mut first, mut second) = ([UNTOUCHED; 4], [UNTOUCHED; FIRST]);
        let mut requests = [
            Request {
                args: [&mut first, &mut []],
                ..Request::default()
            },
            Request {
                args: [&mut second, &mut []],
                dependency: Some(0),
                ..Request::default()
            },
        ];
        let mut buf = KVec::new();

        add(&mut buf, 0, 0, 4)?;
        add(&mut buf, 1, 0, FIRST)?;
        assert!(parse(&[0; 16], &buf, &mut requests).is_ok());
        assert_eq!(requests[0].result, Ok(0));
        assert_eq!(requests[1].result, Err(ECANCELED));
        Ok(())
    }

    #[test]
    fn payload_after_an_error() -> Result {
        for (nr, at) in offsets(8).into_iter().enumerate().take(3) {
            let mut buf = replies([0; 3], 8)?;

            put(&mut buf, at + ERROR_AT, &(-2i32).to_ne_bytes());
            let outcome = judge(&buf);
            assert!(outcome.result.is_err_and(|e| e == EIO));
            assert!(outcome.results[nr].is_err_and(|e| e == EIO));
        }
        Ok(())
    }

    /// Whatever the replies to the dependent requests are, they are not stored.
    #[test]
    fn failed_dependency() -> Result {
        for others in [0, -125, -5] {
            let outcome = judge(&replies([-17, others, others], 8)?);

            assert!(outcome.result.is_ok());
            assert_eq!(outcome.codes(), [-17, -125, -125]);
            assert!(outcome.second.iter().all(|&byte| byte == UNTOUCHED));
            assert!(outcome.third.iter().all(|&byte| byte == UNTOUCHED));
        }
        Ok(())
    }

    #[test]
    fn dependency_without_a_nodeid() -> Result {
        for others in [0, -125] {
            let mut buf = replies([0, others, others], 8)?;

            put(&mut buf, HEADER, &0u64.to_ne_bytes());
            let outcome = judge(&buf);
            assert!(outcome.result.is_ok());
            assert_eq!(outcome.codes(), [0, -125, -125]);
            assert!(outcome.second.iter().all(|&byte| byte == UNTOUCHED));
        }
        Ok(())
    }

    /// The reply to a request that the first one depends on is not valid, or missing.
    #[test]
    fn wrong_dependency() -> Result {
        let buf = replies([0; 3], 8)?;
        let mut first = [0; FIRST];
        let mut second = [0; SECOND.0 + 8];
        let mut third = [0; THIRD];

        for dependency in [1, 2, 3, usize::MAX] {
            let mut requests = [
                Request {
                    args: [&mut first, &mut []],
                    ..Request::default()
                },
                Request {
                    args: [&mut second, &mut []],
                    dependency: Some(dependency),
                    ..Request::default()
                },
                Request {
                    args: [&mut third, &mut []],
                    dependency: Some(1),
                    ..Request::default()
                },
            ];

            assert!(parse(&[0; 16], &buf, &mut requests).is_ok());
            assert!(requests[1].result.is_err_and(|e| e == ECANCELED));
            assert!(requests[2].result.is_err_and(|e| e == ECANCELED));
        }
        Ok(())
    }

    #[test]
    fn spare_bytes() -> Result {
        let buf = replies([0; 3], 9)?;

        for at in 0..16 {
            let mut out = [0; 16];

            out[at] = 1;
            let outcome = judge_with(&out, &buf);
            assert!(outcome.result.is_err_and(|e| e == EIO));
            assert_eq!(outcome.codes(), [0, 9, 0]);
        }
        Ok(())
    }

    #[test]
    fn padding() -> Result {
        for size in SIZES {
            let right = replies([0; 3], size)?;
            let at = offsets(size);
            let ends = [HEADER + FIRST, at[1] + HEADER + SECOND.0 + size, {
                at[2] + HEADER + THIRD
            }];

            for (end, next) in ends.into_iter().zip(at.into_iter().skip(1)) {
                for byte in end..next {
                    let mut buf = copy(&right)?;

                    put(&mut buf, byte, &[0x80]);
                    let outcome = judge(&buf);
                    assert!(outcome.result.is_err_and(|e| e == EIO));
                    assert_eq!(outcome.codes(), [0, size as isize, 0]);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn most_requests() -> Result {
        let mut buf = KVec::new();
        let mut requests: [Request<'_>; MAX_REQUESTS] = Default::default();

        for index in 0..MAX_REQUESTS {
            add(&mut buf, index as u64, 0, 0)?;
        }
        assert!(parse(&[0; 16], &buf, &mut requests).is_ok());
        assert!(requests.iter().all(|request| request.result.is_ok()));
        assert!(parse(&[0; 16], &[], &mut []).is_ok());
        assert!(parse(&[0; 16], &buf, &mut []).is_err());
        Ok(())
    }

    #[test]
    fn changed_at_random() -> Result {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);

        for round in 0..ROUNDS {
            let size = SIZES[round % SIZES.len()];
            let right = replies([0; 3], size)?;
            let mut buf = copy(&right)?;

            for _ in 0..1 + random.below(4) {
                let at = random.below(buf.len());

                if let Some(byte) = buf.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            if random.below(8) == 0 {
                buf.truncate(random.below(buf.len()));
            }
            // Only an error, or the contents of an argument, can change in a valid reply.
            if judge(&buf).result.is_ok() {
                let same =
                    |(at, len): (usize, usize)| buf.get(at..at + len) == right.get(at..at + len);

                assert_eq!(buf.len(), right.len());
                for at in offsets(size).into_iter().take(3) {
                    // The variable argument may be longer, up to the end of the padding.
                    assert!(same((at + ERROR_AT, HEADER - ERROR_AT)));
                    assert!(same((at + LEN_AT, ERROR_AT)) || at == offsets(size)[1]);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn random_bytes() -> Result {
        let mut random = Random(0x2545_f491_4f6c_dd1d);

        for _ in 0..ROUNDS {
            let len = random.below(600);
            let mut buf = KVec::with_capacity(len, GFP_KERNEL)?;

            for _ in 0..len {
                buf.push(random.next() as u8, GFP_KERNEL)?;
            }
            assert!(judge(&buf).result.is_err_and(|e| e == EIO));
        }
        Ok(())
    }
}
