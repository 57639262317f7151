# SPDX-License-Identifier: GPL-2.0
"""Tell cases that a flavour may skip from those that it has lost.

A test skips what "needs" a feature that the kernel does not have. If the feature is broken,
its tests are skipped as well.  So each flavour has a list of what it may lack.
"""

import fnmatch

from lib import has_disks

# Not in the guests, or not in each variant of a case.
GUEST = ("AT_HANDLE_CONNECTABLE on the filesystem", "FUSE_WRITEBACK_CACHE", "root for chroot(2)",
         "two processors")
if not has_disks():
    GUEST += ("mkfs.*", "the filesystem in the kernel")
FAULTS = ("CONFIG_FAILSLAB and debugfs", "CONFIG_FANOTIFY_ACCESS_PERMISSIONS")
# FUSE with passthrough needs CONFIG_FUSE_PASSTHROUGH, which only debug has.
MAY_LACK = {
    "rust": (*GUEST, *FAULTS, "CONFIG_FUSE_PASSTHROUGH"),
    "c": (*GUEST, *FAULTS, "CONFIG_FUSE_HANDLE", "CONFIG_FUSE_PASSTHROUGH"),
    "debug": (*GUEST, "a kernel without KASAN"),
}


def refuse(flavour, suite):
    """Let cases of a program fail that need what the flavour has."""
    if ":" not in suite.name or flavour not in MAY_LACK:
        return
    for case, why in list(suite.skips.items()):
        if not why or not why.startswith("needs "):
            continue
        need = why.removeprefix("needs ")
        if any(fnmatch.fnmatchcase(need, lack) for lack in MAY_LACK[flavour]):
            continue
        del suite.skips[case]
        suite.failures[case] = [f"skipped: {why}, which the flavour {flavour} has"]
