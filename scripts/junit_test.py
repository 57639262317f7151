#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of junit.py.  Where junitparser is installed, it reads the files as a CI system does."""

import argparse
import contextlib
import io
import json
import tempfile
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import junit

try:
    import junitparser
except ImportError:
    junitparser = None


def suite(name, passes=(), failures=None, skips=None, flaky=()):
    """As test.Suite, which cannot be imported without a kernel tree."""
    return SimpleNamespace(name=name, passes=list(passes), failures=failures or {},
                           skips=skips or {}, flaky=list(flaky))


RESULTS = {
    "rust": [suite("kunit and doctests (63 suites)", ["rust_x.one", "rust_x.two"],
                   skips={"rust_x.three": "needs <two> & \"more\""}),
             suite("pidfd:pidfd_test", ["a", "b"], flaky=["b"],
                   failures={"c": ["x.c:1:c:Expected \x1b[31m1\x00 == 2", "failure"]})],
    "c": [suite("pidfd:pidfd_test", ["a", "b", "c"], skips={"d": None})],
}


class Files(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.junit, self.json = (Path(self.dir.name) / name for name in ("r.xml", "r.json"))
        args = SimpleNamespace(junit=str(self.junit), json=str(self.json))
        junit.write(args, RESULTS, ["pidfd:pidfd_test", "pidfd:other"], ["pidfd:pidfd_test"],
                    {"architecture": "x86_64"})
        self.root = ET.parse(self.junit).getroot()

    def case(self, classname, name):
        return self.root.find(f"testsuite[@name='{classname}']/testcase[@name='{name}']")

    def test_counts(self):
        self.assertEqual(self.root.attrib, {"name": "linux-file-handles", "tests": "12",
                                            "failures": "2", "errors": "0"})
        for element in self.root:
            cases = element.findall("testcase")
            self.assertEqual(element.get("tests"), str(len(cases)))
            self.assertEqual(element.get("failures"),
                             str(sum(case.find("failure") is not None for case in cases)))
            self.assertEqual(element.get("skipped"),
                             str(sum(case.find("skipped") is not None for case in cases)))

    def test_names_do_not_depend_on_the_run(self):
        self.assertEqual([element.get("name") for element in self.root],
                         ["rust.kunit and doctests", "rust.pidfd:pidfd_test",
                          "c.pidfd:pidfd_test", "compare.c and rust"])
        for element in self.root:
            for case in element.findall("testcase"):
                self.assertEqual(case.get("classname"), element.get("name"))

    def test_skip_has_a_reason(self):
        skipped = self.case("rust.kunit and doctests", "rust_x.three").find("skipped")
        self.assertEqual(skipped.get("message"), "needs <two> & \"more\"")
        skipped = self.case("c.pidfd:pidfd_test", "d").find("skipped")
        self.assertEqual(skipped.get("message"), "no reason given")

    def test_failure_has_its_log(self):
        failure = self.case("rust.pidfd:pidfd_test", "c").find("failure")
        self.assertEqual(failure.get("message"), "failure")
        self.assertEqual(failure.text, "x.c:1:c:Expected \ufffd[31m1\ufffd == 2\nfailure")

    def test_flaky_passes(self):
        case = self.case("rust.pidfd:pidfd_test", "b")
        self.assertEqual([element.tag for element in case], ["system-out"])
        self.assertEqual(list(self.case("rust.pidfd:pidfd_test", "a")), [])

    def test_difference_between_c_and_rust_fails(self):
        self.assertIsNotNone(self.case("compare.c and rust", "pidfd:pidfd_test").find("failure"))
        self.assertEqual(list(self.case("compare.c and rust", "pidfd:other")), [])

    def test_properties(self):
        for element in self.root:
            listed = {p.get("name"): p.get("value") for p in element.find("properties")}
            self.assertEqual(listed, {"architecture": "x86_64",
                                      "flavour": element.get("name").split(".")[0]})

    def test_json_has_the_same_cases(self):
        written = json.loads(self.json.read_text(encoding="utf-8"))
        self.assertEqual(written["architecture"], "x86_64")
        self.assertEqual(
            [(f"{t['flavour']}.{t['suite']}", t["case"]) for t in written["tests"]],
            [(c.get("classname"), c.get("name")) for c in self.root.iter("testcase")])
        self.assertEqual([t["result"] for t in written["tests"]].count("fail"), 2)

    @unittest.skipUnless(junitparser, "junitparser is not installed")
    def test_reader(self):
        read = junitparser.JUnitXml.fromfile(str(self.junit))
        self.assertEqual((read.tests, read.failures, read.errors), (12, 2, 0))
        self.assertEqual(sum(s.skipped for s in read), 2)
        results = {(s.name, case.name): case.result for s in read for case in s}
        self.assertEqual(results["rust.pidfd:pidfd_test", "a"], [])
        [failure] = results["rust.pidfd:pidfd_test", "c"]
        self.assertIsInstance(failure, junitparser.Failure)
        [skipped] = results["rust.kunit and doctests", "rust_x.three"]
        self.assertIsInstance(skipped, junitparser.Skipped)
        # Counting again what was read changes nothing.
        before = [(s.name, s.tests, s.failures, s.skipped) for s in read]
        read.update_statistics()
        self.assertEqual([(s.name, s.tests, s.failures, s.skipped) for s in read], before)
        self.assertEqual((read.tests, read.failures, read.errors), (12, 2, 0))


class Arguments(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.parser = argparse.ArgumentParser()
        junit.add_arguments(self.parser)

    def test_file_that_cannot_be_written(self):
        args = self.parser.parse_args(["--junit", self.dir.name + "/absent/r.xml"])
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit):
            junit.check_arguments(self.parser, args)
        self.assertIn("absent/r.xml: No such file or directory", said.getvalue())

    def test_earlier_results_are_removed(self):
        old = Path(self.dir.name) / "r.json"
        old.write_text("{}", encoding="utf-8")
        junit.check_arguments(self.parser, self.parser.parse_args(["--json", str(old)]))
        self.assertFalse(old.exists())

    def test_none(self):
        args = self.parser.parse_args([])
        junit.check_arguments(self.parser, args)
        junit.write(args, RESULTS, [], [], {})


if __name__ == "__main__":
    unittest.main()
