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
/// It identifies a task, a thread group, a process group or a session, and is never reused. A
/// [`task::Pid`](crate::task::Pid) is a number that identifies a `struct pid` in one pid namespace,
/// and is reused.
///
/// The type is the private data of the inodes of pidfs:
/// [`Inode::private`](crate::fs::Inode::private) returns it.
///
/// # Invariants
///
/// `alloc_pid()` has returned the pid, so `ino` is set and does not change. `find_pid_ns()` can
/// return a pid that violates this invariant: `alloc_pid()` makes the pid visible before it sets
/// `ino`.
#[repr(transparent)]
pub struct StructPid(Opaque<bindings::pid>);

// SAFETY: `ino()` is the only method, and reads a field that does not change.
unsafe impl Sync for StructPid {}

impl StructPid {
    /// Returns the 64-bit number of the pid, which is unique until the next boot.
    ///
    /// On 64-bit architectures, it is the inode number of the pidfd. On 32-bit architectures, the
    /// inode number of the pidfd is the lower half of this number.
    #[inline]
    pub fn ino(&self) -> u64 {
        // SAFETY: A `&StructPid` is valid. By the type invariants, `ino` is set and does not
        // change.
        unsafe { (*self.0.get()).__bindgen_anon_1.ino }
    }
}
