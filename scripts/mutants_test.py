#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of mutants.py: operators, instrumented sources, errors of compilers, and verdicts."""

import contextlib
import io
import json
import subprocess
import tempfile
import types
import unittest
import unittest.mock
from pathlib import Path

import mutants
from mutation import build, campaign, fuzz_reach, judge, operators, schemata
from mutation.source import Source

RUST = """\
fn check(len: usize, ok: bool) -> Result {
    if ok {
        put(len);
    }
    if len < size_of::<u32>() {
        return Err(EINVAL);
    }
    // EPERM is not code.
    Ok(())
}

#[kunit_tests(x)]
mod tests {
    fn ignored() {
        put(1);
    }
}
"""
C = """\
int twice(int x)
{
	int err = -EIO;

	for (int i = 0; i < x; i++)
		put(i);
	if (x == 2)
		goto out;
	get(x);
out:
	return err;
}
"""


def listed(path, text, changed=None):
    lister = operators.Lister(Source(path, text), changed)
    lister.own()
    return list(lister.found.values())


def changes(path, text):
    return {(text[m.start:m.end], m.replacement) for m in listed(path, text)}


class Operators(unittest.TestCase):
    def test_rust(self):
        found = changes("a.rs", RUST)
        self.assertIn(("put(len);", ""), found)
        self.assertIn(("ok", "!(ok)"), found)
        self.assertIn(("len < size_of::<u32>()", "false && (len < size_of::<u32>())"), found)
        self.assertIn(("EINVAL", "ENOENT"), found)
        self.assertIn(("", " - 1"), found)

    def test_tests_and_comments_have_no_mutants(self):
        self.assertNotIn("EPERM", {old for old, _ in changes("a.rs", RUST)})
        self.assertNotIn("ignored", {m.function for m in listed("a.rs", RUST)})

    def test_a_check_at_compile_time_has_no_mutants(self):
        text = "fn f<T>() {\n    const {\n        assert!(size_of::<T>() != 0);\n    }\n" \
               "    put(7);\n}\n"
        self.assertEqual({m.line for m in listed("a.rs", text)}, {5})

    def test_c(self):
        found = changes("a.c", C)
        self.assertIn(("EIO", "EINVAL"), found)
        self.assertIn(("==", "!="), found)
        self.assertIn(("get(x);", ";"), found)
        self.assertIn(("put(i);", ";"), found)
        self.assertIn(("<", "<="), found)
        self.assertNotIn(("i < x;", ";"), found)

    def test_only_lines_of_the_series(self):
        self.assertEqual({m.line for m in listed("a.c", C, {7})}, {7})

    def test_a_hunk_is_reverted(self):
        diff = ("diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -9 +9,1 @@\n"
                "-\tput(x);\n+\tget(x);\n")
        lister = operators.Lister(Source("a.c", C), None)
        operators.hunks(lister, operators.parse_diff(diff)["a.c"])
        (mutant,) = lister.found.values()
        self.assertEqual(mutant.replacement, "\tput(x);\n")

    def test_the_key_changes_with_the_function(self):
        before = {m.key for m in listed("a.c", C)}
        self.assertEqual(before, {m.key for m in listed("a.c", "int before;\n\n" + C)})
        self.assertFalse(before & {m.key for m in listed("a.c", C.replace("get", "take"))})

    def test_equal_functions_have_different_keys(self):
        found = listed("a.c", C + "\n" + C)
        self.assertEqual(len({m.key for m in found}), len(found))


class Schemata(unittest.TestCase):
    def instrument(self, path, text):
        source = Source(path, text)
        found = sorted(listed(path, text), key=lambda m: m.start)
        for number, mutant in enumerate(found, 1):
            mutant.number = number
        return found, schemata.Instrumented(source, found, set())

    def test_each_mutant_of_c_runs(self):
        """Compile the instrumented program, and run the original and one mutant."""
        found, new = self.instrument("a.c", C)
        (swapped,) = [m for m in found if m.replacement == "EINVAL"]
        program = ("#include <stdlib.h>\n#include <errno.h>\n"
                   "unsigned int mutant_chosen, mutant_reach;\n"
                   "void mutant_reached(unsigned int probe) { }\n"
                   "void put(int x) { }\nvoid get(int x) { }\n" + new.text
                   + "\nint main(int argc, char **argv)\n"
                   "{ mutant_chosen = atoi(argv[1]); return -twice(2); }\n")
        with tempfile.TemporaryDirectory() as directory:
            work = Path(directory)
            (work / "linux").mkdir()
            (work / "linux/mutant.h").write_text((build.HERE / "mutant.h").read_text())
            (work / "a.c").write_text(program)
            subprocess.run(["gcc", "-w", "-I", work, "-o", work / "a", work / "a.c"], check=True)
            status = [subprocess.run([work / "a", str(number)], check=False).returncode
                      for number in (0, swapped.number)]
        self.assertEqual(status, [5, 22])

    def test_lines_have_their_mutant(self):
        _, new = self.instrument("a.rs", RUST)
        lines = new.text.splitlines()
        for line, mutant in new.owner.items():
            if lines[line - 1].startswith(f"{mutant.number} => "):
                break
        else:
            self.fail("no line of a mutant")

    def test_a_mutant_that_does_not_compile_is_dropped(self):
        found, new = self.instrument("fs/a.rs", RUST)
        line, mutant = next(iter(new.owner.items()))
        builder = build.Builder.__new__(mutants.Builder)
        builder.listing = types.SimpleNamespace(mutants=found, sources={})
        builder.dropped, builder.keep_const, builder.written = {}, set(), {"fs/a.rs": new}
        log = f"error[E0308]: mismatched types\n  --> {build.TREE}/fs/a.rs:{line}:9\n   |\n"
        self.assertTrue(builder.drop(log))
        self.assertIn("mismatched types", builder.dropped[mutant.key])
        self.assertFalse(builder.drop("error: linking failed\n"))


class Configuration(unittest.TestCase):
    def configured(self, dropped):
        """Configure with a make that drops lines of .config. Return the configuration."""
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            (directory / "rust").mkdir()
            (directory / "rust/.config").write_text("CONFIG_FHANDLE=y\n")

            def olddefconfig(*_):
                file = directory / ".config"
                lines = file.read_text().splitlines()
                file.write_text("\n".join(line for line in lines if dropped not in line) + "\n")

            builder = types.SimpleNamespace(make=olddefconfig)
            with unittest.mock.patch.multiple(build, BUILD=directory, OUT=directory,
                                              KERNEL=directory):
                build.Builder.configure(builder)
            return (directory / ".config").read_text()

    def test_options_are_added_to_those_of_the_flavour(self):
        config = self.configured("nothing is dropped")
        self.assertIn("CONFIG_FHANDLE=y\n", config)
        self.assertIn("CONFIG_FAILSLAB=y\n", config)

    def test_an_option_that_is_not_set_is_an_error(self):
        with self.assertRaises(SystemExit):
            self.configured("CONFIG_FAILSLAB")


class Verdicts(unittest.TestCase):
    def judged(self, lines):
        """Run a campaign of one mutant against a guest that prints these lines."""
        (mutant, *_) = listed("a.c", C)
        mutant.number, mutant.probe = 7, 7
        case = judge.Case("dir", "prog", "one", ms=10)
        reach = types.SimpleNamespace(cases={case.name: case}, boot=set(), of=lambda m: [case])
        with tempfile.TemporaryDirectory() as directory:
            campaign.OUT = Path(directory)
            campaign.RESULTS = campaign.OUT / "results.jsonl"
            builder = types.SimpleNamespace(dropped={}, built={mutant.key})
            run = campaign.Campaign([mutant], builder, reach, 1e18)
            run.guest.run = unittest.mock.Mock(
                side_effect=lambda *_: iter([line.split() for line in lines]))
            run.run()
            self.boots = run.guest.run.call_count
            stored = [json.loads(line) for line in
                      campaign.RESULTS.read_text().splitlines()]
        return stored[-1]

    def test_a_failed_case_kills(self):
        result = self.judged(["M 7", "R 0", "P 7 0 1 not ok 1", "C 0", "K 7", "end"])
        self.assertEqual((result["verdict"], result["by"]), ("killed", "dir:prog one"))

    def test_a_crash_kills(self):
        self.assertEqual(self.judged(["M 7", "R 0", "crash"])["how"], "crash")

    def test_a_mutant_that_hangs_twice_is_killed(self):
        self.assertEqual(self.judged(["M 7", "R 0", "hang"])["how"], "hang")
        self.assertEqual(self.boots, 2)

    def test_a_case_that_also_fails_afterwards_kills_the_first_mutant(self):
        result = self.judged(["M 7", "R 0", "P 7 0 1 not ok 1", "C 0", "D 1", "end"])
        self.assertEqual(result["verdict"], "killed")
        self.assertIn("afterwards", result["how"])

    def test_without_a_failure_the_mutant_survives(self):
        self.assertEqual(self.judged(["M 7", "R 0", "S 7", "end"])["verdict"], "survived")

    def test_a_survivor_needs_an_argument(self):
        (mutant, *_) = listed("a.c", C)
        builder = types.SimpleNamespace(dropped={}, built={mutant.key})
        results = {mutant.key: {"verdict": "survived"}}
        self.assertEqual(mutants.report([mutant], builder, results), [mutant])


class Arguments(unittest.TestCase):
    def test_labels_and_sentences(self):
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "equivalent.txt"
            file.write_text("# comment\na.c f: negate `x`\n\tFirst line,\n\tand second.\n")
            self.assertEqual(mutants.read_arguments(file),
                             {"a.c f: negate `x`": "First line, and second."})

    def test_an_argument_for_no_mutant_is_refused(self):
        listing = types.SimpleNamespace(mutants=[])
        with self.assertRaises(SystemExit):
            mutants.refuse_unknown_arguments(listing)


class Records(unittest.TestCase):
    def test_passed_cases_are_read_as_written(self):
        passed = {"one": ["d:a 1", "d:c 3"], "two": ["d:b 2"]}
        with tempfile.TemporaryDirectory() as directory:
            with unittest.mock.patch.object(campaign, "PASSED", Path(directory) / "passed.json"):
                self.assertEqual(campaign.read_passed(), {})
                campaign.write_passed(passed)
                read = campaign.read_passed()
        self.assertEqual({key: result["passed"] for key, result in read.items()}, passed)
        self.assertEqual({result["verdict"] for result in read.values()}, {"open"})


class FuzzReach(unittest.TestCase):
    def measured(self, lines):
        """Measure with a guest that prints these lines. Return what is printed."""
        guest = types.SimpleNamespace(results="results", run=lambda *_: iter(lines))
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            fuzz_reach.measure(guest)
        return output.getvalue()

    def test_each_part_continues_the_one_before(self):
        job = "\n".join(fuzz_reach.job())
        self.assertIn("./handle_fuzz --seed 77 --first 0 --cases 1000 ", job)
        self.assertIn("./handle_fuzz --seed 77 --first 1000 --cases 4000 ", job)
        self.assertIn("echo REACH handle_fuzz 5000 $reached", job)

    def test_blocks_are_counted(self):
        parts = sum(map(len, fuzz_reach.PARTS.values()))
        text = self.measured([["REACH", "fuse_fuzz", "20", "0381"]] * parts + [["end"]])
        self.assertEqual(text.splitlines()[0].split(), "fuse_fuzz 20 cases 4 blocks".split())

    def test_a_guest_that_ends_early_is_an_error(self):
        with self.assertRaises(SystemExit):
            self.measured([["REACH", "fuse_fuzz", "20", "03"], ["end"]])


if __name__ == "__main__":
    unittest.main()
