#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of skips.py."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

import skips


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
        with tempfile.TemporaryDirectory() as host:
            uname = Path(host) / "uname"
            uname.write_text("#!/bin/sh\necho x86_64\n")
            uname.chmod(0o755)
            for arch, lost in (("x86_64", True), ("s390", False)):
                code = "import skips_test; print(skips_test.refused('rust', 'needs mkfs.ext4'))"
                environment = {"ARCH": arch, "PATH": f"{host}:{os.environ['PATH']}"}
                run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE,
                                     text=True, check=True, env={**os.environ, **environment},
                                     cwd=os.path.dirname(os.path.abspath(__file__)))
                self.assertEqual(run.stdout, f"{lost}\n")

    def test_other_reasons(self):
        self.assertFalse(refused("rust", None))
        self.assertFalse(refused("rust", "has no links"))
        self.assertFalse(refused("rust", "needs CONFIG_X", "kunit and doctests"))
        self.assertFalse(refused("another", "needs CONFIG_FUSE_HANDLE"))


if __name__ == "__main__":
    unittest.main()
