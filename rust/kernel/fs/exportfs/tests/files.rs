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

/// The maximum size of a handle, in bytes.
pub(super) const MAX: usize = 128;

/// The content of the handles of these tests. No byte is zero or a canary.
pub(super) const CONTENT: [u8; MAX] = {
    let mut content = [0; MAX];
    let mut i = 0;
    while i < MAX {
        content[i] = i as u8 + 1;
        i += 1;
    }
    content
};

/// The type of the handles of these tests.
pub(super) const FILEID_TYPE: u8 = 0x73;

/// The result of decoding a handle with [`CONTENT`].
pub(super) const INTACT: Decoded = Decoded::Failed(EEXIST);

/// Creates an `H` with [`CONTENT`].
pub(super) fn content<H: FromBytes>() -> H {
    H::read_from_bytes(&CONTENT[..size_of::<H>()]).unwrap_or_else(|_| H::new_zeroed())
}

/// Returns the error for a loaded handle, which is the error of [`INTACT`] if it is [`CONTENT`].
pub(super) fn judge<H: IntoBytes + zerocopy::Immutable>(handle: &H) -> Error {
    if handle.as_bytes() == &CONTENT[..size_of::<H>()] {
        EEXIST
    } else {
        EIO
    }
}

/// A handle of `N` bytes with the policy `TAIL`, a [`Tail`].
#[repr(transparent)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
pub(super) struct Bytes<const N: usize, const TAIL: u8>([u8; N]);

impl<const N: usize, const TAIL: u8> Handle for Bytes<N, TAIL> {
    const TYPE: FileidType = FileidType::new(FILEID_TYPE);
    const TAIL: Tail = match TAIL {
        ABSENT => Tail::Absent,
        ZERO => Tail::Zero,
        _ => Tail::Ignored,
    };
}

pub(super) const ABSENT: u8 = Tail::Absent as u8;
pub(super) const ZERO: u8 = Tail::Zero as u8;
pub(super) const IGNORED: u8 = Tail::Ignored as u8;

/// A handle with a larger alignment than the buffers.
#[repr(C, align(16))]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
pub(super) struct Wide {
    a: u64,
    b: u64,
}

impl Handle for Wide {
    const TYPE: FileidType = FileidType::new(FILEID_TYPE);
}

/// Counts the handles that were created.
pub(super) struct Made(Atomic<u32>);

impl Made {
    pub(super) fn new() -> Self {
        Self(Atomic::new(0))
    }

    pub(super) fn count(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// A filesystem whose handles are `H` with [`CONTENT`].
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

/// The length of a handle to encode, and the size of the buffer that the filesystem filled.
pub(super) struct Filled {
    len: usize,
    seen: Atomic<usize>,
}

impl Filled {
    pub(super) fn new(len: usize) -> Self {
        Self {
            len,
            seen: Atomic::new(usize::MAX),
        }
    }

    /// Returns the size of the filled buffer, or `usize::MAX` if no buffer was filled.
    pub(super) fn seen(&self) -> usize {
        self.seen.load(Relaxed)
    }
}

/// A filesystem with handles of variable length. All bytes except the last are [`CONTENT`].
pub(super) struct Variable;

#[vtable]
impl Operations for Variable {
    type Private = Filled;

    fn encode_fh<'a>(
        inode: &Inode<Filled>,
        encoder: Encoder<'a>,
        _parent: Option<&Inode<Filled>>,
    ) -> Encoded<'a> {
        let filled = inode.private();

        encoder.store_bytes(FileidType::new(FILEID_TYPE), filled.len, |buffer| {
            filled.seen.store(buffer.len(), Relaxed);
            if let Some((_, buffer)) = buffer.split_last_mut() {
                buffer.copy_from_slice(&CONTENT[..buffer.len()]);
            }
        })
    }

    fn fh_to_dentry<'sb>(_sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        let bytes = fid.as_bytes();

        Err(if bytes != &CONTENT[..bytes.len()] {
            EIO
        } else {
            variable_error(bytes.len(), fid.fileid_type())
        })
    }
}

/// Returns an error that identifies the length and the type of an intact handle.
fn variable_error(len: usize, fileid_type: c_int) -> Error {
    let known = match fileid_type {
        c_int::MIN => 0,
        0 => 1,
        c_int::MAX => 2,
        _ => 3,
    };

    Error::from_errno(-(1000 + len as c_int * 4 + known))
}

/// Returns the result of decoding an intact handle with [`Variable`].
pub(super) fn variable(len: usize, fileid_type: c_int) -> Decoded {
    Decoded::Failed(variable_error(len, fileid_type))
}

macro_rules! each_size {
    ($tail:ident: $($size:literal)*) => {
        [$(($size, Ops::of::<Files<Bytes<$size, $tail>>>())),*]
    };
}

/// Returns one filesystem for each size of a handle.
pub(super) fn each_size<const TAIL: u8>() -> [(usize, Ops<Made>); MAX / 4] {
    each_size!(TAIL:
        4 8 12 16 20 24 28 32 36 40 44 48 52 56 60 64
        68 72 76 80 84 88 92 96 100 104 108 112 116 120 124 128)
}
