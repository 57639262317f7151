#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of fuse_fuzz.py with guests that are simulated."""

import contextlib
import io
import re
import unittest
from unittest import mock

import fuse_fuzz

TOTALS = "# {} cases, 34 operations, 60 replies, 31 of them mutated, {} ms\n"


def guest(fails=None, executed=None):
    """Return a run_job() in which a case fails, or fewer cases are executed."""
    def run_job(_flavour, _name, lines, _cases):
        text = ""
        for line in lines:
            if match := re.search(r"--first (\d+) --cases (\d+)", line):
                first, cases = map(int, match.groups())
                if fails is not None and first <= fails < first + cases:
                    text += f"# FAILURE: seed 7 case {fails}: operation 3: what\nnot ok 1 replies\n"
                    cases = fails - first
                text += TOTALS.format(executed or cases, 1000 + first)
        return text
    return run_job


class FuseFuzz(unittest.TestCase):
    def setUp(self):
        self.output = io.StringIO()
        redirect = contextlib.redirect_stdout(self.output)
        redirect.__enter__()
        self.addCleanup(redirect.__exit__, None, None, None)

    def fuzz(self, run_job, cases=101):
        with mock.patch.object(fuse_fuzz, "run_job", run_job):
            return fuse_fuzz.fuzz(["rust"], 7, cases)

    def test_processes_share_the_cases(self):
        self.assertEqual(fuse_fuzz.split(101), [(0, 50), (50, 51)])
        self.assertEqual(fuse_fuzz.split(1), [(0, 1)])

    def test_success(self):
        self.assertFalse(self.fuzz(guest()))
        self.assertIn("120 replies, 62 of them mutated, in 1 s", self.output.getvalue())

    def test_a_case_fails(self):
        self.assertTrue(self.fuzz(guest(fails=60)))
        self.assertIn("fuse_fuzz.py rust --seed 7 --replay 60", self.output.getvalue())

    def test_cases_are_missing(self):
        self.assertTrue(self.fuzz(guest(executed=3)))
        self.assertIn("6 of 101 cases were executed", self.output.getvalue())

    def test_no_result(self):
        self.assertTrue(self.fuzz(lambda *_: "Segmentation fault\n"))
        self.assertTrue(self.fuzz(lambda *_: ""))

    def test_faults(self):
        every = [fuse_fuzz.Fault("one", "What one is."), fuse_fuzz.Fault("two", "What two is.")]
        good = TOTALS.format(9, 5)
        bad = "# FAILURE: seed 7 case 4: operation 3: what\n" + good
        self.assertFalse(fuse_fuzz.table(every, [good, bad, bad]))
        self.assertIn("one                       5       31  What one is.",
                      self.output.getvalue())
        self.assertTrue(fuse_fuzz.table(every, [good, good, bad]))
        self.assertTrue(fuse_fuzz.table(every, [bad, bad, bad]))
        self.assertTrue(fuse_fuzz.table(every, [good, bad]))

    def test_the_patches_have_names(self):
        every = fuse_fuzz.faults()
        self.assertGreater(len(every), 10)
        for fault in every:
            self.assertRegex(fault.name, r"^[a-z0-9-]+$")


if __name__ == "__main__":
    unittest.main()
