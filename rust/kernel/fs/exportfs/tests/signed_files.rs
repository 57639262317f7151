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
            Fid,
            FileidType,
            Key,
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

/// `N` bytes to sign, for a handle of the kind `TYPE`.
#[repr(transparent)]
#[derive(FromBytes, IntoBytes, zerocopy_derive::Immutable)]
pub(super) struct Data<const N: usize, const TYPE: u8>([u8; N]);

impl<const N: usize, const TYPE: u8> Payload for Data<N, TYPE> {
    const TYPE: FileidType = FileidType::new(TYPE);
}

/// A filesystem whose handles are signed, with the key that is private to its inode and its
/// superblock, and say [`CONTENT`](super::CONTENT).
pub(super) struct SignedFiles<const N: usize, const TYPE: u8>;

#[vtable]
impl<const N: usize, const TYPE: u8> Operations for SignedFiles<N, TYPE> {
    type Private = Key;

    fn encode_fh<'a>(
        inode: &Inode<Key>,
        encoder: Encoder<'a>,
        _parent: Option<&Inode<Key>>,
    ) -> Encoded<'a> {
        encoder.store(|| Signed::new(content::<Data<N, TYPE>>(), inode.private()))
    }

    fn fh_to_dentry<'sb>(sb: &'sb SuperBlock, fid: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        // SAFETY: The superblock is one of `Fake`, and so valid.
        let key = unsafe { (*sb.as_raw()).s_fs_info }.cast::<Key>();
        // SAFETY: `Fake` has the private data of its inode there, which lives as long as it does.
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
