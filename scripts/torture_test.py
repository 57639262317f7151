#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of torture.py: what it requires of a configuration and of the output of a guest."""

import unittest

import torture

LOG = """\
# selftests: filesystems/file_handle: handle_torture
# # handle_torture.c:9:all_at_once:hit exit: 12
# # handle_torture.c:9:all_at_once:hit unload of the module: {}
# # handle_torture.c:9:all_at_once:open tmpfs, inline: 3 opened, 4 gone
ok 1 selftests: filesystems/file_handle: handle_torture
# selftests: filesystems/file_handle: handle_failslab_test
# #  RUN           failslab.ext4.open ...
# # handle_failslab_test.c:9:open:open file, call: 7 failures
ok 2 selftests: filesystems/file_handle: handle_failslab_test
# selftests: filesystems/file_handle: rust_exportfs_module_test
# #  RUN           fs.allocation_failures ...
# # rust_exportfs_module_test.c:9:allocation_failures:40 allocations have failed
ok 3 selftests: filesystems/file_handle: rust_exportfs_module_test
"""


class Torture(unittest.TestCase):
    def judged(self, log):
        suites = []
        torture.judge(suites, log)
        return suites

    def test_what_happened_passes(self):
        happened, allocations = self.judged(LOG.format(3))
        self.assertEqual(happened.passes, ["exit", "unload of the module"])
        self.assertFalse(happened.failures)
        self.assertEqual(allocations.passes,
                         ["handle_failslab_test failslab.ext4.open: open file, call",
                          "rust_exportfs_module_test fs.allocation_failures"])

    def test_what_did_not_happen_fails(self):
        for count in ("0", "needs root"):
            with self.subTest(count):
                happened, _ = self.judged(LOG.format(count))
                self.assertEqual(list(happened.failures), ["unload of the module"])

    def test_an_empty_log_fails(self):
        for suite in self.judged(""):
            self.assertTrue(suite.failures)

    def test_opens_are_counted(self):
        self.assertEqual(list(torture.opened(LOG)), [("tmpfs, inline", 3, 4)])

    def test_allocations_are_counted(self):
        self.assertEqual([count for *_, count in torture.failed_allocations(LOG)], [7, 40])

    def test_a_checker_that_is_off_is_named(self):
        every = "".join(f"CONFIG_{name}=y\n" for name in torture.CHECKERS)
        self.assertEqual(torture.missing_checkers(every), [])
        self.assertEqual(torture.missing_checkers(every.replace("CONFIG_KASAN=y\n", "")), ["KASAN"])

    def test_the_job_selects_cases(self):
        job = torture.job(60)
        self.assertIn("export TORTURE_SECONDS=60", job)
        self.assertIn("export KSELFTEST_FUSE_HANDLE_STRESS_TEST_ARGS='-t failing_allocations'", job)
        run = next(line for line in job if line.startswith("./run_kselftest.sh"))
        for program in (torture.TORTURE, *torture.ALLOCATIONS):
            self.assertIn(f"-t {program}", run)
        self.assertTrue(job[-1].endswith("$leaks"))


if __name__ == "__main__":
    unittest.main()
