// SPDX-License-Identifier: GPL-2.0

//! Process identifiers (`struct pid`).
//!
//! C header: [`include/linux/pid.h`](srctree/include/linux/pid.h)

use crate::{
    bindings,
    types::Opaque, //
};

/// A `struct pid`.
///
/// It identifies a task, a thread group, a process group or a session, and is not reused. The
/// number [`task::Pid`](crate::task::Pid) is different: it identifies a `struct pid` in one pid
/// namespace, and is recycled.
///
/// There is no function that returns this type. It is the private data of the inodes of pidfs, see
/// [`Inode::private`](crate::fs::Inode::private).
///
/// # Invariants
///
/// `alloc_pid()` has returned the pid. `ino` is set and does not change. This is not true for each
/// pid that `find_pid_ns()` finds: `alloc_pid()` makes the pid visible before it sets `ino`.
#[repr(transparent)]
pub struct StructPid(Opaque<bindings::pid>);

// SAFETY: The only method reads a field that does not change.
unsafe impl Sync for StructPid {}

impl StructPid {
    /// Returns the 64-bit inode number.
    ///
    /// It identifies the pid until the next boot. On 32-bit architectures, it is not the inode
    /// number of a pidfd: that is the lower half of this number.
    #[inline]
    pub fn ino(&self) -> u64 {
        // SAFETY: The pid is valid. By the type invariants, `ino` does not change.
        unsafe { (*self.0.get()).__bindgen_anon_1.ino }
    }
}
