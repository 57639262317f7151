// SPDX-License-Identifier: GPL-2.0

//! Namespaces: what all of their types have in common, and a typed view of each.
//!
//! C headers: [`include/linux/ns_common.h`](srctree/include/linux/ns_common.h),
//! [`include/linux/nstree.h`](srctree/include/linux/nstree.h)

use crate::{
    bindings,
    error::from_err_ptr,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        rcu, //
    },
    types::Opaque, //
};
use core::ptr::NonNull;

mod mnt;
mod pid;
#[cfg(CONFIG_USER_NS)]
mod user;
mod view;

pub use self::{
    mnt::{
        Direction,
        MntInfo, //
    },
    view::{
        CgroupNamespace,
        IpcNamespace,
        MntNamespace,
        NetNamespace,
        TimeNamespace,
        UserNamespace,
        UtsNamespace,
        View, //
    },
};

/// A namespace of any type: `struct ns_common`. Thread safe.
///
/// A reference keeps the namespace in memory, but not *active*: whether user space can still find
/// it depends on the tasks, files and mounts that use it. An inactive one becomes active again when
/// a file of it is made.
///
/// # Invariants
///
/// All instances of this type are refcounted using the `__ns_ref` field, and are part of one of the
/// structures that [`View`] tells apart, as `ns_type` says. `ns_type`, `inum`, `ops` and the id do
/// not change.
#[repr(transparent)]
pub struct NsCommon(Opaque<bindings::ns_common>);

// SAFETY: A namespace may be put from any thread that may sleep.
unsafe impl Send for NsCommon {}

// SAFETY: The methods read fields that do not change, or are synchronised by the C code.
unsafe impl Sync for NsCommon {}

/// What is known of a namespace besides its id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TypeAndInum {
    /// The type, one of the `CLONE_NEW*` values.
    pub ns_type: u32,
    /// The inode number, which is recycled.
    pub inum: u32,
}

impl NsCommon {
    /// Creates a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a valid namespace that keeps a positive refcount for the duration of
    /// `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::ns_common) -> &'a Self {
        // INVARIANT: Guaranteed by the caller.
        // SAFETY: The caller guarantees validity for `'a`; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Takes over a reference that C has returned.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a valid namespace, of which the caller owns a reference and gives it up.
    #[inline]
    unsafe fn from_owned(ptr: NonNull<bindings::ns_common>) -> ARef<Self> {
        // SAFETY: The caller passes a reference that it owns.
        unsafe { ARef::from_raw(ptr.cast()) }
    }

    /// Finds an active namespace by its id, if it also has this type and inode number.
    ///
    /// Asks nothing about the caller: who may see the namespace has to be decided afterwards.
    ///
    /// C: `ns_tree_lookup_rcu()` and `ns_get_unless_inactive()`. Takes the RCU read lock; does not
    /// sleep, but the reference that is returned may be dropped only where that is allowed.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(CONFIG_PID_NS)]
    /// # {
    /// use kernel::ns_common::NsCommon;
    ///
    /// // The initial namespaces have fixed ids.
    /// let id = u64::from(kernel::bindings::init_ns_id_PID_NS_INIT_ID);
    /// let ns = NsCommon::lookup(id, None).ok_or(ENOENT)?;
    /// assert_eq!(ns.id(), id);
    /// assert_eq!(ns.ns_type(), kernel::bindings::CLONE_NEWPID);
    ///
    /// // No namespace has the id zero.
    /// assert!(NsCommon::lookup(0, None).is_none());
    /// # }
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn lookup(id: u64, known: Option<TypeAndInum>) -> Option<ARef<Self>> {
        let ns_type = known.map_or(0, |known| known.ns_type);
        let _guard = rcu::read_lock();

        // SAFETY: The RCU read lock is held.
        // CAST: A type is a bit field of the same width.
        let ns = NonNull::new(unsafe { bindings::ns_tree_lookup_rcu(id, ns_type as c_int) })?;

        if let Some(known) = known {
            // SAFETY: A namespace that was found under the RCU read lock is not freed until it is
            // released, and `inum` does not change once a namespace can be found.
            if unsafe { (*ns.as_ptr()).inum } != known.inum {
                return None;
            }
        }

        // SAFETY: As above, the namespace is not freed yet.
        let ns = NonNull::new(unsafe { bindings::ns_get_unless_inactive(ns.as_ptr()) })?;

        // SAFETY: `ns_get_unless_inactive()` took a reference.
        Some(unsafe { Self::from_owned(ns) })
    }

    /// Returns a raw pointer to the `struct ns_common`.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::ns_common {
        self.0.get()
    }

    /// Returns the id, which is unique among all types of namespaces until the next boot.
    #[inline]
    pub fn id(&self) -> u64 {
        // SAFETY: The namespace is valid by the type invariants, and so is its id.
        unsafe { bindings::ns_common_id(self.as_raw()) }
    }

    /// Returns the type, one of the `CLONE_NEW*` values.
    #[inline]
    pub fn ns_type(&self) -> u32 {
        // SAFETY: The namespace is valid by the type invariants, and `ns_type` does not change.
        unsafe { (*self.as_raw()).ns_type }
    }

    /// Returns the user namespace that owns this one, if it is that of the caller or inside of it.
    ///
    /// # Errors
    ///
    /// `EPERM` if it is outside.
    ///
    /// C: `ns_get_owner()`. Does not sleep.
    #[inline]
    pub fn owner(&self) -> Result<ARef<Self>> {
        // SAFETY: The namespace is valid by the type invariants.
        let owner = from_err_ptr(unsafe { bindings::ns_get_owner(self.as_raw()) })?;

        // SAFETY: `from_err_ptr()` took the errors out, and `ns_get_owner()` returns a namespace
        // otherwise.
        let owner = unsafe { NonNull::new_unchecked(owner) };

        // SAFETY: `ns_get_owner()` took a reference.
        Ok(unsafe { Self::from_owned(owner) })
    }

    /// Returns the parent, for a type whose namespaces form a hierarchy.
    ///
    /// # Errors
    ///
    /// `EINVAL` for other types, and `EPERM` if the parent is outside of the namespace that the
    /// caller is in.
    ///
    /// C: `get_parent` of `struct proc_ns_operations`. Does not sleep.
    #[inline]
    pub fn parent(&self) -> Result<ARef<Self>> {
        // SAFETY: The operations are valid by the type invariants, and never written.
        let get_parent = unsafe { (*self.ops()).get_parent }.ok_or(EINVAL)?;

        // SAFETY: The operation belongs to this namespace, which is valid by the type invariants.
        let parent = from_err_ptr(unsafe { get_parent(self.as_raw()) })?;

        // SAFETY: `from_err_ptr()` took the errors out, and the operation returns a namespace
        // otherwise.
        let parent = unsafe { NonNull::new_unchecked(parent) };

        // SAFETY: The operation took a reference.
        Ok(unsafe { Self::from_owned(parent) })
    }

    #[inline]
    fn ops(&self) -> *const bindings::proc_ns_operations {
        // SAFETY: The namespace is valid by the type invariants, and `ops` does not change.
        unsafe { (*self.as_raw()).ops }
    }
}

// SAFETY: The type invariants guarantee that `NsCommon` is always refcounted.
unsafe impl AlwaysRefCounted for NsCommon {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: The existence of a shared reference means that the refcount is nonzero.
        unsafe { bindings::__ns_ref_inc(self.as_raw()) };
    }

    /// May sleep, as putting a mount namespace does.
    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller passes a reference that it owns, so the namespace is valid.
        let ops = unsafe { obj.as_ref() }.ops();

        // SAFETY: The operations are valid by the type invariants, and never written.
        let put = unsafe { (*ops).put };

        // SAFETY: Every type of namespace has this operation.
        let put = unsafe { put.unwrap_unchecked() };

        // SAFETY: The operation belongs to this namespace, and the caller passes a reference that
        // it owns.
        unsafe { put(obj.cast().as_ptr()) }
    }
}

/// Tells whether the caller may see every namespace there is.
///
/// C: `may_see_all_namespaces()`: the caller is in the initial pid namespace, and has
/// `CAP_SYS_ADMIN` in the user namespace that owns it. Does not sleep.
#[inline]
pub fn may_see_all_namespaces() -> bool {
    // SAFETY: A task may ask about itself at any time.
    unsafe { bindings::may_see_all_namespaces() }
}
