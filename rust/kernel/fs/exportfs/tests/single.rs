// SPDX-License-Identifier: GPL-2.0

use crate::{
    fs::{
        exportfs::{
            Encoded,
            Encoder,
            Fid,
            Operations, //
        },
        Dentry,
        Inode,
        NewFile,
        OwnedDentry,
        Path,
        SuperBlock, //
    },
    prelude::*, //
};

/// A filesystem without operations.
pub(super) struct Nothing;

#[vtable]
impl Operations for Nothing {
    type Private = ();
}

/// Defines a filesystem with one operation, which fails.
macro_rules! single {
    ($name:ident: $operation:ident$(<$a:lifetime>)?($($argument:ty),*) -> $result:ty) => {
        #[doc = concat!("A filesystem with `", stringify!($operation), "` only.")]
        pub(super) struct $name;

        #[vtable]
        impl Operations for $name {
            type Private = ();

            fn $operation$(<$a>)?($(_: $argument),*) -> Result<$result> {
                Err(ENOSYS)
            }
        }
    };
}

single!(FhToDentry: fh_to_dentry<'a>(&'a SuperBlock, &Fid<'_>) -> Option<OwnedDentry<'a>>);
single!(
    FhToDentryNowait: fh_to_dentry_nowait<'a>(&'a SuperBlock, &Fid<'_>) -> Option<OwnedDentry<'a>>
);
single!(FhToParent: fh_to_parent<'a>(&'a SuperBlock, &Fid<'_>) -> Option<OwnedDentry<'a>>);
single!(GetParent: get_parent<'a>(&'a Dentry) -> OwnedDentry<'a>);
single!(Permission: permission(u32) -> ());
single!(Open: open<'a>(&'a Path, u32) -> NewFile);

/// A filesystem with `encode_fh` only, which stores nothing.
pub(super) struct EncodeFh;

#[vtable]
impl Operations for EncodeFh {
    type Private = ();

    fn encode_fh<'a>(_: &Inode, encoder: Encoder<'a>, _: Option<&Inode>) -> Encoded<'a> {
        encoder.refuse()
    }
}

/// A filesystem that stores nothing and finds nothing.
pub(super) struct EncodeAndDecode;

#[vtable]
impl Operations for EncodeAndDecode {
    type Private = ();

    fn encode_fh<'a>(_: &Inode, encoder: Encoder<'a>, _: Option<&Inode>) -> Encoded<'a> {
        encoder.refuse()
    }

    fn fh_to_dentry<'sb>(_: &'sb SuperBlock, _: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        Ok(None)
    }
}

/// A filesystem whose two operations for decoding return different errors.
pub(super) struct DecodeWithAndWithoutWaiting;

#[vtable]
impl Operations for DecodeWithAndWithoutWaiting {
    type Private = ();

    fn fh_to_dentry<'sb>(_: &'sb SuperBlock, _: &Fid<'_>) -> Result<Option<OwnedDentry<'sb>>> {
        Err(ENOSYS)
    }

    fn fh_to_dentry_nowait<'sb>(
        _: &'sb SuperBlock,
        _: &Fid<'_>,
    ) -> Result<Option<OwnedDentry<'sb>>> {
        Err(ENXIO)
    }
}
