// SPDX-License-Identifier: GPL-2.0

//! Namespaces.
//!
//! C headers: [`include/linux/ns_common.h`](srctree/include/linux/ns_common.h),
//! [`include/linux/nstree.h`](srctree/include/linux/nstree.h)

use crate::{
    bindings,
    container_of,
    error::from_err_ptr,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        rcu, //
    },
    task::{
        Kuid,
        Task, //
    },
    types::Opaque,
    BuiltIn, //
};
use core::ptr::NonNull;

/// A namespace of any type (`struct ns_common`).
///
/// A reference keeps the namespace in memory but does not keep it *active*. User space can find a
/// namespace only while it is active: while tasks, files or mounts use it. Opening a file of an
/// inactive namespace makes the namespace active again.
///
/// # Invariants
///
/// - The refcount `__ns_ref` is positive while a `&NsCommon` exists.
/// - `ops` points to the operations of the type. All namespaces in the namespace tree satisfy this.
///   `ops` is NULL only for the initial namespace of a type that is not configured, which is never
///   added to the tree.
/// - The namespace is the field `ns` of the structure that corresponds to `ns_type`.
/// - `ns_type`, `inum`, `ops` and the id do not change.
#[repr(transparent)]
pub struct NsCommon(Opaque<bindings::ns_common>);

// SAFETY: Any thread that may sleep may drop a reference to a namespace.
unsafe impl Send for NsCommon {}

// SAFETY: The methods read fields that do not change, and call C functions that may be called
// concurrently.
unsafe impl Sync for NsCommon {}

impl NsCommon {
    /// Looks up a namespace by its id, without taking a reference.
    ///
    /// Searches the namespaces of the type `ns_type` (`CLONE_NEW*`), or of all types if `ns_type`
    /// is zero. Does not check whether the current task may access the namespace.
    ///
    /// C: `ns_tree_lookup_rcu()`.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(CONFIG_PID_NS)]
    /// # {
    /// use kernel::{
    ///     bindings,
    ///     ns_common::NsCommon,
    ///     sync::rcu, //
    /// };
    ///
    /// let built_in = kernel::built_in!();
    /// let rcu = rcu::read_lock();
    ///
    /// // The initial namespaces have fixed ids.
    /// let id = u64::from(bindings::init_ns_id_PID_NS_INIT_ID);
    /// let ns = NsCommon::lookup(built_in, id, 0, &rcu).ok_or(ENOENT)?;
    /// assert_eq!(ns.ns_type(), bindings::CLONE_NEWPID);
    ///
    /// // This task is in the initial pid namespace.
    /// assert!(ns.is_current());
    ///
    /// // The type must match.
    /// assert!(NsCommon::lookup(built_in, id, bindings::CLONE_NEWNS, &rcu).is_none());
    ///
    /// // No namespace has the id zero.
    /// assert!(NsCommon::lookup(built_in, 0, 0, &rcu).is_none());
    ///
    /// // A reference outlives the RCU read-side critical section.
    /// let ns = ns.get().ok_or(ENOENT)?;
    /// drop(rcu);
    /// assert_eq!(ns.id(), id);
    /// # }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// Without a reference, the namespace cannot be used after the critical section:
    ///
    /// ```ignore
    /// let rcu = rcu::read_lock();
    /// let ns = NsCommon::lookup(built_in, id, 0, &rcu).ok_or(ENOENT)?;
    /// // error[E0505]: cannot move out of `rcu` because it is borrowed
    /// drop(rcu);
    /// let ns = ns.get();
    /// ```
    #[inline]
    pub fn lookup(_: BuiltIn, id: u64, ns_type: u32, _rcu: &rcu::Guard) -> Option<RcuNsCommon<'_>> {
        // SAFETY: The RCU read lock is held.
        // CAST: The type is a bit field of the same width.
        let ns = unsafe { bindings::ns_tree_lookup_rcu(id, ns_type as c_int) };

        // INVARIANT: The namespace was found in the tree. The returned value borrows the guard, so
        // the RCU read lock is held.
        // SAFETY: A namespace that is found in the tree is freed after an RCU grace period, so it
        // is valid while the guard is borrowed.
        unsafe { ns.cast::<Opaque<bindings::ns_common>>().as_ref() }.map(RcuNsCommon)
    }

    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `ptr` points to a namespace that satisfies the type invariants
    /// for the duration of `'a`.
    ///
    /// The namespace of an open nsfs file does: nsfs only creates files for namespaces in the
    /// namespace tree.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::ns_common) -> &'a Self {
        // INVARIANT: The caller ensures the type invariants for `'a`.
        // SAFETY: The caller ensures that `ptr` is valid for `'a`; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Converts the return value of a C function that returns a namespace.
    ///
    /// # Errors
    ///
    /// - The error that `ptr` encodes.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `ptr` is an error pointer, or a namespace for which:
    ///
    /// - The namespace satisfies the type invariants.
    /// - The caller owns one reference to the namespace and does not use it after this call.
    #[inline]
    unsafe fn from_owned(ptr: *mut bindings::ns_common) -> Result<ARef<Self>> {
        let ns = from_err_ptr(ptr)?;

        // SAFETY: `ns` is not an error pointer, so the caller ensures that it is valid.
        let ns = unsafe { NonNull::new_unchecked(ns) };

        // SAFETY: The caller passes ownership of a reference.
        Ok(unsafe { ARef::from_raw(ns.cast()) })
    }

    /// Returns a raw pointer to the `struct ns_common`.
    #[inline]
    fn as_raw(&self) -> *mut bindings::ns_common {
        self.0.get()
    }

    /// Returns the id of the namespace.
    ///
    /// It is unique among the namespaces of all types until the next boot.
    #[inline]
    pub fn id(&self) -> u64 {
        // SAFETY: By the type invariants, the namespace is valid and its id does not change.
        unsafe { bindings::ns_common_id(self.as_raw()) }
    }

    /// Returns the type (`CLONE_NEW*`).
    #[inline]
    pub fn ns_type(&self) -> u32 {
        // SAFETY: By the type invariants, the namespace is valid and `ns_type` does not change.
        unsafe { (*self.as_raw()).ns_type }
    }

    /// Returns the user namespace that owns this namespace.
    ///
    /// C: `ns_get_owner()`.
    ///
    /// # Errors
    ///
    /// - `EPERM` if the owner is neither the user namespace of the current task nor a descendant of
    ///   it.
    #[inline]
    pub fn owner(&self) -> Result<ARef<Self>> {
        // SAFETY: By the type invariants, the namespace is valid and has operations.
        let owner = unsafe { bindings::ns_get_owner(self.as_raw()) };

        // SAFETY: `ns_get_owner()` returns an owned reference or an error pointer. The owner of a
        // namespace in the tree is in the tree.
        unsafe { Self::from_owned(owner) }
    }

    /// Returns the parent of a user or pid namespace.
    ///
    /// C: `get_parent` of `struct proc_ns_operations`.
    ///
    /// # Errors
    ///
    /// - `EINVAL` if the namespace has another type.
    /// - `EPERM` if the parent is neither the namespace of the current task nor a descendant of it.
    #[inline]
    pub fn parent(&self) -> Result<ARef<Self>> {
        // SAFETY: By the type invariants, `ops` points to valid operations.
        let get_parent = unsafe { (*self.ops()).get_parent }.ok_or(EINVAL)?;

        // SAFETY: By the type invariants, the namespace is valid and `ops` matches its type.
        let parent = unsafe { get_parent(self.as_raw()) };

        // SAFETY: `->get_parent()` returns an owned reference or an error pointer. The parent of a
        // namespace in the tree is in the tree.
        unsafe { Self::from_owned(parent) }
    }

    /// Returns the namespace as a mount namespace, or [`None`] if it has another type.
    #[inline]
    pub fn as_mnt(&self) -> Option<&MntNamespace> {
        if self.ns_type() != bindings::CLONE_NEWNS {
            return None;
        }

        // SAFETY: The type was checked above. By the type invariants, `self` is the field `ns` of a
        // `struct mnt_namespace`.
        let ns = unsafe { bindings::to_mnt_ns(self.as_raw()) };

        // SAFETY: The mount namespace is valid for as long as its field `ns`; the type is
        // transparent.
        Some(unsafe { &*ns.cast() })
    }

    /// Returns the namespace as a pid namespace, or [`None`] if it has another type.
    #[inline]
    pub fn as_pid(&self) -> Option<&PidNamespace> {
        if self.ns_type() != bindings::CLONE_NEWPID {
            return None;
        }

        // SAFETY: The type was checked above. By the type invariants, `self` is the field `ns` of a
        // `struct pid_namespace`.
        let ns = unsafe { container_of!(self.as_raw(), bindings::pid_namespace, ns) };

        // SAFETY: The pid namespace is valid for as long as its field `ns`.
        Some(unsafe { PidNamespace::from_ptr(ns) })
    }

    /// Returns the user that created a user namespace, or [`None`] if it has another type.
    #[inline]
    pub fn owner_uid(&self) -> Option<Kuid> {
        if self.ns_type() != bindings::CLONE_NEWUSER {
            return None;
        }

        // SAFETY: The type was checked above. By the type invariants, `self` is the field `ns` of a
        // `struct user_namespace`.
        let ns = unsafe { container_of!(self.as_raw(), bindings::user_namespace, ns) };

        // SAFETY: The user namespace is valid for as long as its field `ns`. `owner` does not
        // change.
        Some(Kuid::from_raw(unsafe { (*ns).owner }))
    }

    #[inline]
    fn ops(&self) -> *const bindings::proc_ns_operations {
        // SAFETY: By the type invariants, the namespace is valid and `ops` does not change.
        unsafe { (*self.as_raw()).ops }
    }
}

// SAFETY: By the type invariants, the refcount of a namespace is positive while it is borrowed.
unsafe impl AlwaysRefCounted for NsCommon {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: By the type invariants, the refcount is positive.
        unsafe { bindings::__ns_ref_inc(self.as_raw()) };
    }

    /// Drops a reference. Dropping the last reference to a mount namespace may sleep.
    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller owns a reference, so the namespace is valid.
        let ops = unsafe { obj.as_ref() }.ops();

        // SAFETY: By the type invariants, `ops` points to valid operations.
        let put = unsafe { (*ops).put };

        // SAFETY: The operations of every type of namespace set `put`.
        let put = unsafe { put.unwrap_unchecked() };

        // SAFETY: `put` matches the type of the namespace. The caller passes ownership of a
        // reference.
        unsafe { put(obj.cast().as_ptr()) }
    }
}

/// A namespace that is borrowed from an RCU read-side critical section.
///
/// Callers check permissions before they take a reference with [`get`](Self::get). A task without
/// permission then never drops a reference, which could be the last one.
///
/// # Invariants
///
/// - The RCU read lock is held for `'rcu`.
/// - The namespace was found in the namespace tree during `'rcu`.
/// - The invariants of [`NsCommon`] hold, except that the refcount may be zero.
#[derive(Clone, Copy)]
pub struct RcuNsCommon<'rcu>(&'rcu Opaque<bindings::ns_common>);

impl RcuNsCommon<'_> {
    /// Returns the type (`CLONE_NEW*`).
    #[inline]
    pub fn ns_type(self) -> u32 {
        // SAFETY: By the type invariants, the namespace is valid and `ns_type` does not change.
        unsafe { (*self.0.get()).ns_type }
    }

    /// Returns the inode number, which may be reused after the namespace is freed.
    #[inline]
    pub fn inum(self) -> u32 {
        // SAFETY: By the type invariants, the namespace is valid and `inum` does not change.
        unsafe { (*self.0.get()).inum }
    }

    /// Returns `true` if the current task is in this namespace.
    ///
    /// Returns `false` if the current task is exiting and has dropped its namespaces.
    #[inline]
    pub fn is_current(self) -> bool {
        // SAFETY: The current task is valid, and only the task itself changes its `nsproxy`.
        if unsafe { (*Task::current_raw()).nsproxy }.is_null() {
            return false;
        }
        // SAFETY: By the type invariants, the namespace is valid, and the current task has an
        // `nsproxy`. `is_current_namespace()` needs no reference: it reads the type and compares
        // the address with the namespaces of the current task.
        unsafe { bindings::is_current_namespace(self.0.get()) }
    }

    /// Takes a reference, or returns [`None`] if the namespace is inactive.
    ///
    /// C: `ns_get_unless_inactive()`.
    #[inline]
    pub fn get(self) -> Option<ARef<NsCommon>> {
        // SAFETY: By the type invariants, the namespace is valid.
        let ns = NonNull::new(unsafe { bindings::ns_get_unless_inactive(self.0.get()) })?;

        // SAFETY: `ns_get_unless_inactive()` returned an owned reference. By the type invariants,
        // the namespace satisfies the invariants of `NsCommon`.
        Some(unsafe { ARef::from_raw(ns.cast()) })
    }
}

/// A mount namespace (`struct mnt_namespace`).
///
/// # Invariants
///
/// The field `ns` satisfies the invariants of [`NsCommon`].
#[repr(transparent)]
pub struct MntNamespace(Opaque<bindings::mnt_namespace>);

/// A direction in the list of all mount namespaces, which is sorted by id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// The mount namespace with the next larger id.
    Next,
    /// The mount namespace with the next smaller id.
    Previous,
}

impl MntNamespace {
    /// Returns the number of mounts, without the invisible root mount.
    #[inline]
    pub fn nr_mounts(&self) -> u32 {
        // SAFETY: By the type invariants, the namespace is valid.
        let nr_mounts = unsafe { bindings::mnt_ns_nr_mounts(self.0.get()) };

        // Do not count the root mount of the mount namespace, which user space cannot see.
        nr_mounts.saturating_sub(1)
    }

    /// Returns the nearest mount namespace in the given direction that the current task may access.
    ///
    /// The task must have `CAP_SYS_ADMIN` in the user namespace that owns the mount namespace.
    ///
    /// C: `get_sequential_mnt_ns()`.
    ///
    /// # Errors
    ///
    /// - `ENOENT` if there is no such mount namespace.
    #[inline]
    pub fn neighbour(&self, direction: Direction) -> Result<ARef<NsCommon>> {
        let previous = direction == Direction::Previous;

        // SAFETY: By the type invariants, the namespace is valid.
        let ns = unsafe { bindings::get_sequential_mnt_ns(self.0.get(), previous) };
        let ns = from_err_ptr(ns)?;

        // SAFETY: `ns` is not an error pointer, so it is a valid mount namespace.
        let ns = unsafe { bindings::from_mnt_ns(ns) };

        // SAFETY: `get_sequential_mnt_ns()` returned an owned reference to a namespace in the tree.
        unsafe { NsCommon::from_owned(ns) }
    }
}

/// Returns `true` if the current task may see all namespaces.
///
/// The task must be in the initial pid namespace and have `CAP_SYS_ADMIN` in the user namespace
/// that owns it.
///
/// C: `may_see_all_namespaces()`.
#[inline]
pub fn may_see_all_namespaces(_: BuiltIn) -> bool {
    // SAFETY: `may_see_all_namespaces()` has no requirements: it checks the current task.
    unsafe { bindings::may_see_all_namespaces() }
}
