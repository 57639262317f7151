// SPDX-License-Identifier: GPL-2.0

use crate::{
    bindings,
    pid_namespace::PidNamespace,
    sync::rcu,
    task::{
        Pid,
        Task, //
    },
};

impl PidNamespace {
    /// Tells whether the namespace has its init, so that processes can be made in it.
    ///
    /// It has none until the first process is made, and after that has been reaped.
    #[inline]
    pub fn has_child_reaper(&self) -> bool {
        // SAFETY: The namespace is valid, and the pointer is not followed.
        let reaper = unsafe { (&raw const (*self.as_ptr()).child_reaper).read_volatile() };

        !reaper.is_null()
    }

    /// Finds a task by the number that it has in this namespace.
    ///
    /// C: `find_task_by_pid_ns()`. Does not sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::sync::rcu;
    ///
    /// let current = current!();
    /// let ns = current.active_pid_ns().ok_or(ESRCH)?;
    /// let nr = current.pid_nr_ns(Some(ns));
    /// assert!(ns.find_task(nr, &rcu::read_lock()).is_some_and(|task| *task == **current));
    /// // No task is number zero.
    /// assert!(ns.find_task(0, &rcu::read_lock()).is_none());
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn find_task<'a>(&self, nr: Pid, _rcu: &'a rcu::Guard) -> Option<&'a Task> {
        // SAFETY: The namespace is valid, and the RCU read lock is held.
        let task = unsafe { bindings::find_task_by_pid_ns(nr, self.as_ptr()) };

        // SAFETY: A task that can be found keeps a reference until an RCU grace period after it
        // cannot be found any more.
        unsafe { task.cast::<Task>().as_ref() }
    }
}

impl Task {
    /// Finds a task by the number that it has in the pid namespace of the caller.
    ///
    /// C: `find_task_by_vpid()`. Does not sleep.
    #[inline]
    pub fn find_by_vpid(nr: Pid, _rcu: &rcu::Guard) -> Option<&Self> {
        // SAFETY: The RCU read lock is held.
        let task = unsafe { bindings::find_task_by_vpid(nr) };

        // SAFETY: A task that can be found keeps a reference until an RCU grace period after it
        // cannot be found any more.
        unsafe { task.cast::<Self>().as_ref() }
    }

    /// Returns the number of the task in a pid namespace, or in that of the caller; zero if it has
    /// none there.
    ///
    /// The number of its thread group is what [`tgid_nr_ns`](Self::tgid_nr_ns) returns.
    #[doc(alias = "task_pid_nr_ns")]
    #[inline]
    pub fn pid_nr_ns(&self, ns: Option<&PidNamespace>) -> Pid {
        let ns = ns.map_or(core::ptr::null_mut(), PidNamespace::as_ptr);

        // SAFETY: The task is valid, and the namespace is valid or null.
        unsafe { bindings::__task_pid_nr_ns(self.as_ptr(), bindings::pid_type_PIDTYPE_PID, ns) }
    }
}
