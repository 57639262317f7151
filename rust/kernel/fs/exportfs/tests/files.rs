// SPDX-License-Identifier: GPL-2.0

use super::{
    Decoded,
    Ops, //
};
use crate::{
    fs::{
        exportfs::{
            Encoded,
            Encoder,
            Fid,
            FileidType,
            Handle,
            Operations,
            Tail, //
        },
        Inode,
        OwnedDentry,
        SuperBlock, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use core::marker::PhantomData;

/// The longest handle, in bytes.
pub(super) const MAX: usize = 128;

/// What the handles of these tests say. No byte of it is zero, or what lies around a buffer.
pub(super) const CONTENT: [u8; MAX] = {
    let mut content = [0; MAX];
    let mut i = 0;
    while i < MAX {
        content[i] = i as u8 + 1;
        i += 1;
    }
    content
};

/// The kind of the handles of these tests.
pub(super) const KIND: u8 = 0x73;

/// What decoding a handle gives that says [`CONTENT`].
pub(super) const INTACT: Decoded = Decoded::Failed(EEXIST);

/// Makes an `H` that says [`CONTENT`].
pub(super) fn content<H: FromBytes>() -> H {
    H::read_from_bytes(&CONTENT[..size_of::<H>()]).unwrap_or_else(|_| H::new_zeroed())
}

/// What to return for a handle that was loaded: [`INTACT`] if it says [`CONTENT`].
pub(super) fn judge<H: IntoBytes + zerocopy::Immutable>(handle: &H) -> Error {
    if handle.as_bytes() == &CONTENT[..size_of::<H>()] {
        EEXIST
    } else {
        EIO
    }
}

/// A handle of `N` bytes that may be followed by `TAIL`, which is a [`Tail`].
#[repr(transparent)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
pub(super) struct Bytes<const N: usize, const TAIL: u8>([u8; N]);

impl<const N: usize, const TAIL: u8> Handle for Bytes<N, TAIL> {
    const TYPE: FileidType = FileidType::new(KIND);
    const TAIL: Tail = match TAIL {
        ABSENT => Tail::Absent,
        ZERO => Tail::Zero,
        _ => Tail::Ignored,
    };
}

pub(super) const ABSENT: u8 = Tail::Absent as u8;
pub(super) const ZERO: u8 = Tail::Zero as u8;
pub(super) const IGNORED: u8 = Tail::Ignored as u8;

/// A handle with fields that are aligned to more than the buffers are.
#[repr(C, align(16))]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
pub(super) struct Wide {
    a: u64,
    b: u64,
}

impl Handle for Wide {
    const TYPE: FileidType = FileidType::new(KIND);
}

/// Counts how many handles were made.
pub(super) struct Made(Atomic<u32>);

impl Made {
    pub(super) fn new() -> Self {
        Self(Atomic::new(0))
    }

    pub(super) fn count(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// A filesystem whose handles are `H` and say [`CONTENT`].
pub(super) struct Files<H>(PhantomData<H>);

#[vtable]
impl<H: Handle> Operations for Files<H> {
    type Private = Made;

    fn encode_fh<'a>(
        inode: &Inode<Made>,
        encoder: Encoder<'a>,
        _parent: Option<&Inode<Made>>,
    ) -> Encoded<'a> {
        encoder.store(|| {
            inode.private().0.fetch_add(1, Relaxed);
            content::<H>()
        })
    }

    fn fh_to_dentry<'sb>(_sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        match fid.load::<H>() {
            Some(handle) => Err(judge(&handle)),
            None => Ok(None),
        }
    }

    fn fh_to_parent<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        Self::fh_to_dentry(sb, fid)
    }
}

macro_rules! each_size {
    ($tail:ident: $($size:literal)*) => {
        [$(($size, Ops::of::<Files<Bytes<$size, $tail>>>())),*]
    };
}

/// A filesystem for each size that a handle may have, with that size.
pub(super) fn each_size<const TAIL: u8>() -> [(usize, Ops<Made>); MAX / 4] {
    each_size!(TAIL:
        4 8 12 16 20 24 28 32 36 40 44 48 52 56 60 64
        68 72 76 80 84 88 92 96 100 104 108 112 116 120 124 128)
}
