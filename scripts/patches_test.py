#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of patches.py: which checks it repeats."""

import tempfile
import threading
import unittest
import unittest.mock
from pathlib import Path
from types import SimpleNamespace

import patches

PATCH = SimpleNamespace(thread="01-nsfs-fixes", number=1, commit="1", last=False)


class Column(patches.Check):
    """Count the runs."""

    def __init__(self, complaint=None, name="on"):
        super().__init__(name)
        self.complaint, self.runs = complaint, 0

    def key(self, patch):
        return patch.commit

    def run(self, patch, log):
        self.runs += 1
        return self.complaint


class Results(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        top = Path(place.name)
        self.tools = "clang 22"
        self.patch(TOP=top, LOGS=top / "logs", PASSED=top / "passed", RECORDED=top / "recorded",
                   say=unittest.mock.DEFAULT, checkout=unittest.mock.DEFAULT,
                   versions=lambda: self.tools)
        patches.recorded.cache_clear()
        self.addCleanup(patches.recorded.cache_clear)

    def patch(self, **names):
        patcher = unittest.mock.patch.multiple(patches, **names)
        patcher.start()
        self.addCleanup(patcher.stop)

    def move_to_another_machine(self):
        """Lose the directory build/."""
        for file in patches.PASSED.iterdir():
            file.unlink()
        patches.recorded.cache_clear()

    def runs(self, column, patch=PATCH):
        """Return how often the check of a patch ran."""
        column.runs = 0
        patches.check(patch, [column])
        return column.runs

    def test_a_check_that_passed_is_not_repeated(self):
        self.assertEqual(self.runs(Column()), 1)
        self.assertEqual(self.runs(Column()), 0)
        self.assertEqual(self.runs(Column(), SimpleNamespace(**{**vars(PATCH), "commit": "2"})), 1)

    def test_a_check_that_failed_is_repeated_and_not_recorded(self):
        column = Column("build")
        self.patch(CHECKS=[column])
        self.assertEqual(patches.check(PATCH, [column]), {"on": "FAIL"})
        self.assertEqual(self.runs(column), 1)
        self.assertEqual(patches.record([PATCH]), 0)
        patches.recorded.cache_clear()
        self.assertEqual(patches.record([PATCH]), 0)

    def test_builds_run_side_by_side_and_tests_after_them(self):
        both = threading.Barrier(2, timeout=10)
        running = set()

        class Build(Column):
            def run(self, patch, log):
                running.add(self.name)
                both.wait()
                running.discard(self.name)

        class Tests(Column):
            alone = True

            def run(self, patch, log):
                return f"beside {running}" if running else None

        columns = [Tests(name="tests"), Build(name="on"), Build(name="off")]
        verdicts = patches.check(PATCH, columns)
        self.assertEqual(verdicts, {"on": "0 s", "off": "0 s", "tests": "0 s"})

    def test_another_machine_starts_from_the_record(self):
        self.patch(CHECKS=[Column()])
        self.runs(Column())
        self.assertEqual(patches.record([PATCH]), 1)
        self.move_to_another_machine()
        self.assertEqual(self.runs(Column()), 0)
        self.assertEqual(patches.check(PATCH, [Column()]), {"on": "(0 s)"})
        self.assertEqual(patches.record([PATCH]), 1)

    def test_other_tools_repeat_the_checks(self):
        self.patch(CHECKS=[Column()])
        self.runs(Column())
        patches.record([PATCH])
        self.tools = "clang 23"
        patches.recorded.cache_clear()
        self.assertEqual(self.runs(Column()), 1)
        with self.assertRaises(patches.Failure):
            patches.record([PATCH])


if __name__ == "__main__":
    unittest.main()
