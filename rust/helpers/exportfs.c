// SPDX-License-Identifier: GPL-2.0

#include <linux/exportfs.h>

__rust_helper bool
rust_helper_exportfs_can_encode_fh(const struct export_operations *nop,
				   int fh_flags)
{
	return exportfs_can_encode_fh(nop, fh_flags);
}
