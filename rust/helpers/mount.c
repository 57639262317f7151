// SPDX-License-Identifier: GPL-2.0

#include "../../fs/mount.h"

__rust_helper int rust_helper_mnt_id(struct vfsmount *mnt)
{
	return real_mount(mnt)->mnt_id;
}

__rust_helper u64 rust_helper_mnt_id_unique(struct vfsmount *mnt)
{
	return real_mount(mnt)->mnt_id_unique;
}

__rust_helper struct mnt_namespace *rust_helper_to_mnt_ns(struct ns_common *ns)
{
	return to_mnt_ns(ns);
}

__rust_helper unsigned int
rust_helper_mnt_ns_nr_mounts(const struct mnt_namespace *ns)
{
	return READ_ONCE(ns->nr_mounts);
}

__rust_helper struct mnt_namespace *
rust_helper_get_sequential_mnt_ns(struct mnt_namespace *ns, bool previous)
{
	return get_sequential_mnt_ns(ns, previous);
}
