#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of skips.py."""

import os
import subprocess
import sys
import unittest
from types import SimpleNamespace

import skips
from lib import setting

HOST_ARCH = setting("HOST_ARCH")


def refused(flavour, why, name="filesystems/fuse:fuse_lookup_test"):
    """Return whether a case that is skipped fails."""
    suite = SimpleNamespace(name=name, skips={"case": why}, failures={})
    skips.refuse(flavour, suite)
    return "case" in suite.failures and "case" not in suite.skips


class Skips(unittest.TestCase):
    def test_a_flavour_may_lack_a_feature(self):
        self.assertFalse(refused("c", "needs CONFIG_FUSE_HANDLE"))

    def test_a_flavour_has_lost_a_feature(self):
        self.assertTrue(refused("rust", "needs CONFIG_FUSE_HANDLE"))
        self.assertTrue(refused("rust", "needs namespace handles that can be opened by id alone"))

    def test_guests_have_disks_unless_they_are_of_another_architecture(self):
        another = "arm" if HOST_ARCH == "s390" else "s390"
        for arch, lost in ((HOST_ARCH, True), (another, False)):
            code = "import skips_test; print(skips_test.refused('rust', 'needs mkfs.ext4'))"
            run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                                 check=True, env={**os.environ, "ARCH": arch},
                                 cwd=os.path.dirname(os.path.abspath(__file__)))
            self.assertEqual(run.stdout, f"{lost}\n")

    def test_other_reasons(self):
        self.assertFalse(refused("rust", None))
        self.assertFalse(refused("rust", "has no links"))
        self.assertFalse(refused("rust", "needs CONFIG_X", "kunit and doctests"))
        self.assertFalse(refused("another", "needs CONFIG_FUSE_HANDLE"))


if __name__ == "__main__":
    unittest.main()
