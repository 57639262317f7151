// SPDX-License-Identifier: GPL-2.0

use super::{
    content,
    judge, //
};
use crate::{
    fs::{
        exportfs::{
            Encoded,
            Encoder,
            FhKey,
            Fid,
            FileidType,
            Operations,
            Payload,
            Signed, //
        },
        Inode,
        OwnedDentry,
        SuperBlock, //
    },
    prelude::*, //
};

/// A payload of `N` bytes for handles of the type `TYPE`.
#[repr(transparent)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
pub(super) struct Data<const N: usize, const TYPE: u8>([u8; N]);

impl<const N: usize, const TYPE: u8> Payload for Data<N, TYPE> {
    const TYPE: FileidType = FileidType::new(TYPE);
}

/// A filesystem with signed handles whose payload is [`CONTENT`](super::CONTENT). The key is the
/// private data of the inode and of the superblock.
pub(super) struct SignedFiles<const N: usize, const TYPE: u8>;

#[vtable]
impl<const N: usize, const TYPE: u8> Operations for SignedFiles<N, TYPE> {
    type Private = FhKey;

    fn encode_fh<'a>(
        inode: &Inode<FhKey>,
        encoder: Encoder<'a>,
        _parent: Option<&Inode<FhKey>>,
    ) -> Encoded<'a> {
        encoder.store(|| Signed::new(content::<Data<N, TYPE>>(), inode.private()))
    }

    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        // SAFETY: The superblock belongs to a `Fake` and is valid.
        let key = unsafe { (*sb.as_raw()).s_fs_info }.cast::<FhKey>();
        // SAFETY: `s_fs_info` of a `Fake` is the private data of its inode, which outlives the
        // `Fake`.
        let key = unsafe { &*key };

        match fid
            .load::<Signed<Data<N, TYPE>>>()
            .and_then(|handle| handle.verify(key))
        {
            Some(data) => Err(judge(&data)),
            None => Ok(None),
        }
    }
}
