// SPDX-License-Identifier: GPL-2.0

use super::Object;
use crate::{
    fs::exportfs::Operations,
    prelude::*, //
};

/// A pseudo filesystem.
///
/// Each inode has an [`Object`], which is the [`Operations::Private`] of the export operations. The
/// inode of the root directory has no object. No path leads to the root directory, so the VFS never
/// passes its inode to an operation.
///
/// All filesystems have the magic number `RUST_PSEUDO_FS_MAGIC` (`s_magic`), which statfs(2)
/// reports. C code uses `s_magic` to find the type of a superblock or an inode, so a filesystem
/// cannot choose it. [`NAME`](Self::NAME) distinguishes the filesystems.
pub trait FileSystem: Operations<Private: Object> + 'static {
    /// The name of the filesystem. A link in `/proc/PID/fd` reads `NAME:[INO]`.
    const NAME: &'static CStr;
}
