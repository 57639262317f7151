// SPDX-License-Identifier: GPL-2.0

#include <linux/dcache.h>

__rust_helper bool rust_helper_d_is_dir(const struct dentry *dentry)
{
	return d_is_dir(dentry);
}
