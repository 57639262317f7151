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
pub trait FileSystem: Operations<Private: Object> + 'static {
    /// The name of the filesystem. A link in `/proc/PID/fd` reads `NAME:[INO]`.
    const NAME: &'static CStr;

    /// The magic number (`s_magic`), as in
    /// [`include/uapi/linux/magic.h`](srctree/include/uapi/linux/magic.h).
    const MAGIC: usize;
}
