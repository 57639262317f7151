// SPDX-License-Identifier: GPL-2.0

use super::Object;
use crate::{
    fs::{
        exportfs::Operations,
        file::Offset, //
    },
    prelude::*,
    types::ForeignOwnable, //
};

/// What a pseudo filesystem implements.
///
/// Its inodes have an [`Object`] each, which is the [`Operations::Private`] of its file handles.
/// The inode of the root directory, which has none, is never passed to an operation.
pub trait FileSystem: Operations<Private: Object> + 'static {
    /// The name, as /proc shows it for the files.
    const NAME: &'static CStr;

    /// The number that tells the kind of filesystem, as in
    /// [`include/uapi/linux/magic.h`](srctree/include/uapi/linux/magic.h).
    const MAGIC: usize;

    /// The largest size that a file can have, in bytes. Seeking beyond it is refused, and so is
    /// writing, with `EFBIG`.
    const MAX_BYTES: Offset;

    /// What the superblock has: `s_fs_info`.
    type Data: ForeignOwnable + Send + Sync;
}
