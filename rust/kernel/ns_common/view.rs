// SPDX-License-Identifier: GPL-2.0

use super::NsCommon;
#[cfg(CONFIG_PID_NS)]
use crate::pid_namespace::PidNamespace;
use crate::{
    bindings,
    container_of,
    task::CurrentTask,
    types::Opaque, //
};

/// A namespace as what it is.
///
/// Has a case for each type that is configured; see [`NsCommon::view`].
pub enum View<'a> {
    /// `CLONE_NEWCGROUP`
    #[cfg(CONFIG_CGROUPS)]
    Cgroup(&'a CgroupNamespace),
    /// `CLONE_NEWIPC`
    #[cfg(CONFIG_IPC_NS)]
    Ipc(&'a IpcNamespace),
    /// `CLONE_NEWNS`
    Mnt(&'a MntNamespace),
    /// `CLONE_NEWNET`
    #[cfg(CONFIG_NET_NS)]
    Net(&'a NetNamespace),
    /// `CLONE_NEWPID`
    #[cfg(CONFIG_PID_NS)]
    Pid(&'a PidNamespace),
    /// `CLONE_NEWTIME`
    #[cfg(CONFIG_TIME_NS)]
    Time(&'a TimeNamespace),
    /// `CLONE_NEWUSER`
    #[cfg(CONFIG_USER_NS)]
    User(&'a UserNamespace),
    /// `CLONE_NEWUTS`
    #[cfg(CONFIG_UTS_NS)]
    Uts(&'a UtsNamespace),
}

/// Defines the wrapper of one C structure that a namespace is part of.
macro_rules! namespace {
    ($(#[$attr:meta])* $name:ident, $c_type:ident) => {
        $(#[$attr])*
        ///
        /// # Invariants
        ///
        /// Refcounted by the `ns` field, as [`NsCommon`] is.
        #[repr(transparent)]
        pub struct $name(Opaque<bindings::$c_type>);

        impl $name {
            /// Returns a raw pointer to the C structure.
            #[inline]
            pub fn as_raw(&self) -> *mut bindings::$c_type {
                self.0.get()
            }
        }
    };
}

namespace!(
    /// A cgroup namespace: `struct cgroup_namespace`.
    CgroupNamespace, cgroup_namespace
);
namespace!(
    /// An IPC namespace: `struct ipc_namespace`.
    IpcNamespace, ipc_namespace
);
namespace!(
    /// A mount namespace: `struct mnt_namespace`.
    MntNamespace, mnt_namespace
);
namespace!(
    /// A network namespace: `struct net`.
    NetNamespace, net
);
namespace!(
    /// A time namespace: `struct time_namespace`.
    TimeNamespace, time_namespace
);
namespace!(
    /// A user namespace: `struct user_namespace`.
    UserNamespace, user_namespace
);
namespace!(
    /// A UTS namespace: `struct uts_namespace`.
    UtsNamespace, uts_namespace
);

impl NsCommon {
    /// Tells what type of namespace this is; [`None`] for a type that is not configured.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::ns_common::{
    ///     NsCommon,
    ///     View, //
    /// };
    ///
    /// let id = u64::from(kernel::bindings::init_ns_id_MNT_NS_INIT_ID);
    /// let ns = NsCommon::lookup(id, None).ok_or(ENOENT)?;
    /// assert!(matches!(ns.view(), Some(View::Mnt(_))));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn view(&self) -> Option<View<'_>> {
        /// A reference to the structure whose `ns` field is `self`. Only where `ns_type` says so.
        macro_rules! containing {
            ($c_type:ident) => {{
                // SAFETY: By the type invariants, the namespace is the `ns` field of the structure
                // that belongs to its type.
                let outer = unsafe { container_of!(self.as_raw(), bindings::$c_type, ns) };

                // SAFETY: The structure is valid for as long as the namespace is. The wrapper is
                // transparent.
                unsafe { &*outer.cast() }
            }};
        }

        Some(match self.ns_type() {
            #[cfg(CONFIG_CGROUPS)]
            bindings::CLONE_NEWCGROUP => View::Cgroup(containing!(cgroup_namespace)),
            #[cfg(CONFIG_IPC_NS)]
            bindings::CLONE_NEWIPC => View::Ipc(containing!(ipc_namespace)),
            bindings::CLONE_NEWNS => View::Mnt(containing!(mnt_namespace)),
            #[cfg(CONFIG_NET_NS)]
            bindings::CLONE_NEWNET => View::Net(containing!(net)),
            #[cfg(CONFIG_PID_NS)]
            bindings::CLONE_NEWPID => View::Pid(containing!(pid_namespace)),
            #[cfg(CONFIG_TIME_NS)]
            bindings::CLONE_NEWTIME => View::Time(containing!(time_namespace)),
            #[cfg(CONFIG_USER_NS)]
            bindings::CLONE_NEWUSER => View::User(containing!(user_namespace)),
            #[cfg(CONFIG_UTS_NS)]
            bindings::CLONE_NEWUTS => View::Uts(containing!(uts_namespace)),
            _ => return None,
        })
    }
}

impl View<'_> {
    /// Tells whether `current` is in this namespace.
    ///
    /// C: `current_in_namespace()`. Does not sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::ns_common::NsCommon;
    ///
    /// // KUnit runs in the initial namespaces.
    /// let id = u64::from(kernel::bindings::init_ns_id_MNT_NS_INIT_ID);
    /// let ns = NsCommon::lookup(id, None).ok_or(ENOENT)?;
    /// assert!(ns.view().ok_or(EINVAL)?.contains(current!()));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn contains(&self, current: &CurrentTask) -> bool {
        /// Whether the task is in a namespace of the type that `$field` is for.
        macro_rules! in_nsproxy {
            ($field:ident, $ns:expr) => {{
                let nsproxy = nsproxy(current);

                // SAFETY: The task holds its `nsproxy`, in which the field does not change.
                !nsproxy.is_null() && unsafe { (*nsproxy).$field } == $ns.as_raw()
            }};
        }

        match self {
            #[cfg(CONFIG_CGROUPS)]
            Self::Cgroup(ns) => in_nsproxy!(cgroup_ns, ns),
            #[cfg(CONFIG_IPC_NS)]
            Self::Ipc(ns) => in_nsproxy!(ipc_ns, ns),
            Self::Mnt(ns) => in_nsproxy!(mnt_ns, ns),
            #[cfg(CONFIG_NET_NS)]
            Self::Net(ns) => in_nsproxy!(net_ns, ns),
            #[cfg(CONFIG_PID_NS)]
            Self::Pid(ns) => current
                .active_pid_ns()
                .is_some_and(|active| core::ptr::eq(active, *ns)),
            #[cfg(CONFIG_TIME_NS)]
            Self::Time(ns) => in_nsproxy!(time_ns, ns),
            #[cfg(CONFIG_USER_NS)]
            Self::User(ns) => {
                // SAFETY: A task may read its own credentials at any time.
                let user_ns = unsafe { bindings::current_user_ns() };

                user_ns == ns.as_raw()
            }
            #[cfg(CONFIG_UTS_NS)]
            Self::Uts(ns) => in_nsproxy!(uts_ns, ns),
        }
    }
}

/// Returns what says in which namespaces `current` is; null for a task that has left them, as it
/// does late in its exit.
///
/// Others count references to it meanwhile, so it is not for a reference of Rust.
#[inline]
fn nsproxy(current: &CurrentTask) -> *const bindings::nsproxy {
    // SAFETY: The task is valid, and nobody but itself replaces its `nsproxy`.
    unsafe { (*current.as_ptr()).nsproxy }
}
