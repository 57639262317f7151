// SPDX-License-Identifier: GPL-2.0

#include "../../fs/mount.h"

__rust_helper struct mount *rust_helper_real_mount(struct vfsmount *mnt)
{
	return real_mount(mnt);
}
