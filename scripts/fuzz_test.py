#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of fuzz.py and fuzz_controls.py with guests that are simulated."""

import contextlib
import io
import itertools
import unittest
from unittest import mock

import fuzz
import fuzz_controls

# A digest of each process.
BLOCK = "block {} " + " ".join(["{:016x}"] * 5) + "\n"


def log_of(lines, differ_after):
    """The output of handle_fuzz. Case 9 of the user differs after all of some cases."""
    text, subset = "", []
    for line in lines:
        if line == "echo section":
            text += "section\n"
        elif line.startswith("printf"):
            subset = [int(word) for word in line.split()[2:-2]]
        elif "--print" in line:
            for case in subset:
                who = "user" if case < 500 else "root"
                wrong = case == 9 and differ_after is not None and differ_after <= set(subset)
                text += f"case {case} {who} open data=0{case % 7} => {'-1' if wrong else '0'}\n"
    return text


class Fuzz(unittest.TestCase):
    def setUp(self):
        self.output = io.StringIO()
        redirect = contextlib.redirect_stdout(self.output)
        redirect.__enter__()
        self.addCleanup(redirect.__exit__, None, None, None)

    def minimised(self, needed):
        """The sequence that fuzz.py finds if case 9 differs after NEEDED."""
        difference = fuzz.Difference(["c", "rust"], 1, 0, "user")
        jobs = lambda flavours, name, lines, cases: [log_of(lines, None), log_of(lines, needed)]
        with mock.patch.object(fuzz, "on_all", jobs):
            return difference.minimise(), difference

    def test_a_case_that_differs_alone(self):
        sequence, difference = self.minimised(set())
        self.assertEqual(sequence, [9])
        fuzz.show(difference, sequence)
        self.assertIn("make fuzz FLAVOURS='c rust' SEED=1 REPLAY=0:9", self.output.getvalue())
        self.assertNotIn("data=", self.output.getvalue())

    def test_a_case_that_differs_after_others(self):
        for needed in ({3}, {0, 8}, {1, 2, 5}, set(range(9))):
            self.assertEqual(self.minimised(needed)[0], [*sorted(needed), 9])

    def test_a_difference_that_does_not_repeat(self):
        self.assertIsNone(self.minimised({1000})[0])

    def test_no_element_of_the_result_can_be_omitted(self):
        for needed in itertools.combinations(range(12), 3):
            found = fuzz.minimise(list(range(12)), lambda subsets, needed=set(needed):
                                  [needed <= set(subset) for subset in subsets])
            self.assertEqual(found, list(needed))

    def test_blocks_are_compared(self):
        same, other = BLOCK.format(0, 1, 2, 3, 4, 5), BLOCK.format(0, 1, 2, 9, 4, 5)
        self.assertEqual(fuzz.differing([same, same]), [])
        self.assertEqual(fuzz.differing([same, other]), [(0, "pid-ns")])
        self.assertEqual(fuzz.differing([same + BLOCK.format(1000, 1, 2, 3, 4, 5), same]),
                         [(1000, who) for who in sorted(fuzz.PROCESSES)])
        with self.assertRaises(fuzz.Unhealthy):
            fuzz.differing(["", ""])

    def compare(self, *logs):
        with mock.patch.object(fuzz, "on_all", lambda *arguments: list(logs)):
            return fuzz.compare(["c", "rust"], 1, 1000)

    def test_equal_outcomes_pass(self):
        good = BLOCK.format(0, 1, 2, 3, 4, 5) + "ok 1 all_cases_are_executed\n"
        self.assertFalse(self.compare(good, good))
        self.assertIn("the same outcome of 1000 cases", self.output.getvalue())

    def test_a_failed_check_fails(self):
        good = BLOCK.format(0, 1, 2, 3, 4, 5) + "ok 1 all_cases_are_executed\n"
        self.assertTrue(self.compare(good, good + "not ok 5 io_uring_is_like_the_system_calls\n"))
        self.assertTrue(self.compare(good, good + "# hangs: case 7 root\n"))
        self.assertTrue(self.compare(good, good.replace("ok 1", "not ok 1")))

    def test_an_unhealthy_kernel_fails(self):
        run = mock.Mock(returncode=126, stderr="WARNING: made up")
        with mock.patch.object(fuzz, "run_guest", lambda *arguments: (run, "")):
            with self.assertRaisesRegex(fuzz.Unhealthy, "warning or an error"):
                fuzz.run_job("rust", "all", [], 1)


class Controls(unittest.TestCase):
    def test_every_fault_has_a_name_and_a_description(self):
        every = fuzz_controls.faults()
        self.assertGreaterEqual(len(every), 8)
        self.assertEqual(len({fault.name for fault in every}), len(every))
        for fault in every:
            self.assertIn(fault.implementation, ("c", "rust", "ring", "both"))
            self.assertTrue(fault.text.endswith("."))

    def find(self, with_it, cases=()):
        fault = fuzz_controls.Fault("x", "rust", "")
        good = BLOCK.format(0, 1, 2, 3, 4, 5)
        sections = ["".join(f"case {case} root {result}\n" for case in range(5))
                    for result in ("0", "0")]
        for case in cases:
            sections[1] = sections[1].replace(f"case {case} root 0", f"case {case} root 1")
        with mock.patch.object(fuzz_controls, "boot", lambda *arguments: sections):
            return fuzz_controls.find(fault, 1, (good, with_it))

    def test_a_fault_is_found_by_the_first_case(self):
        good, other = BLOCK.format(0, 1, 2, 3, 4, 5), BLOCK.format(0, 1, 2, 9, 4, 5)
        self.assertIsNone(self.find(good))
        self.assertEqual(self.find(other, (3, 4)), (3, "outcome"))
        self.assertEqual(self.find("# io_uring differs: case 7 root\n" + good), (7, "check"))
        self.assertEqual(self.find("# io_uring differs: case 2 root\n" + other, (3,)),
                         (2, "check"))

    def test_a_missed_fault_fails(self):
        every = [fuzz_controls.Fault("x", "rust", "It is wrong.")]
        with contextlib.redirect_stdout(io.StringIO()) as output:
            self.assertFalse(fuzz_controls.report(every, {"x": (3, "outcome")}, 1))
            self.assertTrue(fuzz_controls.report(every, {"x": None}, 1))
        self.assertIn("FAIL x was not found", output.getvalue())


if __name__ == "__main__":
    unittest.main()
