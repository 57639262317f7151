// SPDX-License-Identifier: GPL-2.0

use super::Object;
use crate::{
    fs::exportfs::Operations,
    prelude::*, //
};

/// A pseudo filesystem.
///
/// Each of its inodes has an [`Object`], which is the [`Operations::Private`] of its export
/// operations. The inode of the root directory has none. No path leads to the root directory, so it
/// is not passed to an operation.
pub trait FileSystem: Operations<Private: Object> + 'static {
    /// The name, which is part of the name of its files in `/proc/PID/fd`.
    const NAME: &'static CStr;

    /// The magic number (`s_magic`), as in
    /// [`include/uapi/linux/magic.h`](srctree/include/uapi/linux/magic.h).
    const MAGIC: usize;
}
