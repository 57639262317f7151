// SPDX-License-Identifier: GPL-2.0

use crate::{
    fs::{
        exportfs::{
            Context,
            Encoded,
            Encoder,
            Fid,
            Name,
            Operations, //
        },
        DEntry,
        File,
        Inode,
        Path,
        SuperBlock, //
    },
    prelude::*,
    sync::aref::ARef, //
};

/// A filesystem without operations.
pub(super) struct Nothing;

#[vtable]
impl Operations for Nothing {
    type Private = ();
}

/// Makes a filesystem of one operation, which fails.
macro_rules! single {
    ($name:ident: $operation:ident($($argument:ty),*) -> $result:ty) => {
        #[doc = concat!("A filesystem with `", stringify!($operation), "` and nothing else.")]
        pub(super) struct $name;

        #[vtable]
        impl Operations for $name {
            type Private = ();

            fn $operation($(_: $argument),*) -> Result<$result> {
                Err(ENOSYS)
            }
        }
    };
}

single!(FhToDentry: fh_to_dentry(&SuperBlock, &Fid<'_>) -> Option<ARef<DEntry>>);
single!(FhToParent: fh_to_parent(&SuperBlock, &Fid<'_>) -> Option<ARef<DEntry>>);
single!(GetName: get_name(&DEntry, &mut Name<'_>, &DEntry) -> ());
single!(GetParent: get_parent(&DEntry) -> ARef<DEntry>);
single!(Permission: permission(&Context, u32) -> ());
single!(Open: open(&Path, u32) -> ARef<File>);

/// A filesystem with `encode_fh` and nothing else, which stores nothing.
pub(super) struct EncodeFh;

#[vtable]
impl Operations for EncodeFh {
    type Private = ();

    fn encode_fh(_: &Inode, encoder: Encoder<'_>, _: Option<&Inode>) -> Result<Encoded> {
        Ok(encoder.refuse())
    }
}

/// A filesystem that stores nothing and finds nothing.
pub(super) struct EncodeAndDecode;

#[vtable]
impl Operations for EncodeAndDecode {
    type Private = ();

    fn encode_fh(_: &Inode, encoder: Encoder<'_>, _: Option<&Inode>) -> Result<Encoded> {
        Ok(encoder.refuse())
    }

    fn fh_to_dentry(_: &SuperBlock, _: &Fid<'_>) -> Result<Option<ARef<DEntry>>> {
        Ok(None)
    }
}
