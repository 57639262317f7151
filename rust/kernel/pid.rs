// SPDX-License-Identifier: GPL-2.0

//! Process identifiers as objects: `struct pid`.
//!
//! C header: [`include/linux/pid.h`](srctree/include/linux/pid.h)

use crate::{
    bindings,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    task::Task,
    types::Opaque, //
};
use core::ptr::NonNull;

/// Wraps the kernel's `struct pid`. Thread safe.
///
/// A `struct pid` names a task, a thread group, a process group or a session for as long as
/// somebody holds a reference, also after the task is gone, and is never reused for another one.
/// It is not to be confused with [`task::Pid`](crate::task::Pid), the number that stands for it
/// in one pid namespace and is recycled.
///
/// # Invariants
///
/// All instances of this type are refcounted using the `count` field.
///
/// # Examples
///
/// ```
/// use kernel::pid::StructPid;
///
/// let pid = StructPid::of_task(current!()).ok_or(ESRCH)?;
/// // The 64-bit number is given out before the task first runs.
/// assert_ne!(pid.ino(), 0);
/// # Ok::<(), Error>(())
/// ```
#[repr(transparent)]
pub struct StructPid(Opaque<bindings::pid>);

// SAFETY: `put_pid()` may be called from any thread.
unsafe impl Send for StructPid {}

// SAFETY: The methods read fields that do not change after the pid is published, or are
// synchronised by the C code.
unsafe impl Sync for StructPid {}

impl StructPid {
    /// Returns the pid of a single task (`PIDTYPE_PID`), or [`None`] once it has been reaped.
    ///
    /// C: `get_task_pid()`. Takes the RCU read lock; does not sleep.
    #[inline]
    pub fn of_task(task: &Task) -> Option<ARef<Self>> {
        // SAFETY: `task` is valid for the duration of the call.
        let pid = unsafe { bindings::get_task_pid(task.as_ptr(), bindings::pid_type_PIDTYPE_PID) };

        // SAFETY: `get_task_pid()` took a reference, which passes to the `ARef`.
        NonNull::new(pid).map(|pid| unsafe { ARef::from_raw(pid.cast()) })
    }

    /// Returns a raw pointer to the `struct pid`.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::pid {
        self.0.get()
    }

    /// Returns the number that names this pid until the next boot.
    ///
    /// It is 64 bits wide on every architecture and never reused, unlike the inode number of a
    /// pidfd, which has the width of `unsigned long`.
    #[inline]
    pub fn ino(&self) -> u64 {
        // SAFETY: The pid is valid by the type invariants, and `ino` is set before the pid is
        // published and not changed while anybody holds a reference.
        unsafe { (*self.as_raw()).__bindgen_anon_1.ino }
    }
}

// SAFETY: The type invariants guarantee that `StructPid` is always refcounted.
unsafe impl AlwaysRefCounted for StructPid {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: The existence of a shared reference means that the refcount is nonzero.
        unsafe { bindings::get_pid(self.as_raw()) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller passes a reference that it owns.
        unsafe { bindings::put_pid(obj.cast().as_ptr()) }
    }
}
