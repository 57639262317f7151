#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of prove.py: functions in C and Rust, the format of a model, and what makes a model
fail.  The models are checked with Spin if it is installed."""

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tools/verification/file-handles"))
import functions
import prove    

C = """\
/* f() in a comment */
static int g(int a)
{
	/* calls */ return f(a);	// f
}

int f(int a);

struct s *f(int a,
	    char b) __must_hold(x)
{
	if (a == '{')
		return "}";
	return  0;
}

#define MANY(x) do {	\\
	f(x);		\\
} while (0)

#ifdef A
static void twice(void)
{
	a();
}
#else
static void twice(void)
{
	b();
}
#endif
"""
RUST = """\
// fn open() {}
impl<T: Ops> Table<T> {
    /// Text with "quotes" and { braces.
    fn open(&self) -> [u8; 2] { self.close(); "}" }
}
trait Ops {
    fn open(&self);
    fn close(&self) { 'a: loop {} }
}
impl Ops for File {
    fn open(&self) { 1 }
}
fn free() {}
"""
MODEL = """\
/*
 * Two processes increment a counter.
 *
 * action: step: fs/x.c:f,
 *	fs/x.c:MANY: An increment.
 * helper: inc: A process.
 * guard: NO_ATOMIC: assertion x in two: The increment is one step.
 * run: two: -DN=2: Two of them.
 */
byte x, finished;
inline step() {
#ifdef NO_ATOMIC
	byte t = x; x = t + 1;
#else
	x++;
#endif
}
proctype inc() { step(); finished++ }
init {
	byte i;
	for (i : 1 .. N) { run inc() }
	finished == N;
	assert(x == N);
}
"""


class Prove(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        top = Path(directory.name)
        for name, value in (("LINUX", top), ("MODELS", top / "models")):
            self.addCleanup(setattr, prove, name, getattr(prove, name))
            setattr(prove, name, value)
        (top / "fs").mkdir()
        (top / "models").mkdir()
        (top / "fs/x.c").write_text(C)
        (top / "fs/x.rs").write_text(RUST)
        self.top = top

    def model(self, old="", new=""):
        self.assertIn(old, MODEL)
        path = self.top / "models/m.pml"
        path.write_text(MODEL.replace(old, new) if old else MODEL)
        return prove.read_model(path)

    @staticmethod
    def hash_of(place):
        return functions.hash_of(prove.LINUX, place)

    def change(self, old, new, name="fs/x.c"):
        text = (self.top / name).read_text()
        self.assertIn(old, text)
        (self.top / name).write_text(text.replace(old, new))


class Functions(Prove):
    def test_c(self):
        self.assertEqual(functions.c_functions(C, "f"), [
            'struct s *f(int a, char b) __must_hold(x) { if (a == \'{\') return "}"; return 0; }'])
        self.assertEqual(functions.c_functions(C, "g"), ["static int g(int a) { return f(a); }"])
        self.assertEqual(len(functions.c_functions(C, "twice")), 2)
        self.assertIn("f(x);", functions.c_functions(C, "MANY")[0])
        self.assertEqual(functions.c_functions(C, "a"), [])

    def test_rust(self):
        self.assertEqual(functions.rust_functions(RUST, "Table::open"),
                         ['fn open ( & self ) -> [ u8 ; 2 ] { self . close ( ) ; "}" }'])
        self.assertEqual(functions.rust_functions(RUST, "File::open"), ["fn open ( & self ) { 1 }"])
        self.assertEqual(functions.rust_functions(RUST, "Ops::close"),
                         ["fn close ( & self ) { 'a : loop { } }"])
        self.assertEqual(len(functions.rust_functions(RUST, "open")), 3)
        self.assertEqual(functions.rust_functions(RUST, "Table::close"), [])

    def test_comments_and_space_do_not_change_the_hash(self):
        before = self.hash_of("fs/x.c:f"), self.hash_of("fs/x.rs:Table::open")
        self.change("\treturn  0;", "\t/* none */\n\treturn 0; // none")
        self.change("{ self.close(); ", "{\n// closes\nself.close();\n", "fs/x.rs")
        self.assertEqual(before, (self.hash_of("fs/x.c:f"), self.hash_of("fs/x.rs:Table::open")))
        self.change("return 0", "return 1")
        self.change("self.close", "self.open", "fs/x.rs")
        self.assertNotEqual(before[0], self.hash_of("fs/x.c:f"))
        self.assertNotEqual(before[1], self.hash_of("fs/x.rs:Table::open"))

    def test_other_functions_do_not_change_the_hash(self):
        before = self.hash_of("fs/x.c:f")
        self.change("a();", "c();")
        self.assertEqual(before, self.hash_of("fs/x.c:f"))

    def test_absent(self):
        self.assertIsNone(self.hash_of("fs/x.c:h"))
        self.assertIsNone(self.hash_of("fs/y.c:f"))


class Record(Prove):
    def test_accept(self):
        model = self.model()
        self.assertIn("fs/x.c:MANY is not recorded", "\n".join(prove.changed_functions(model)))
        prove.accept(model)
        self.assertEqual(list(prove.changed_functions(model)), [])
        self.change("return  0", "return 1")
        self.assertIn("fs/x.c:f has changed", "\n".join(prove.changed_functions(model)))
        self.change("MANY", "FEW")
        self.assertIn("fs/x.c:MANY does not exist", "\n".join(prove.changed_functions(model)))

    def test_function_that_the_model_does_not_name(self):
        prove.accept(self.model())
        model = self.model(",\n *	fs/x.c:MANY", "")
        self.assertIn("no action names it", "\n".join(prove.changed_functions(model)))

    def test_accept_of_an_absent_function(self):
        with self.assertRaisesRegex(SystemExit, "fs/x.c:absent does not exist"):
            prove.accept(self.model("x.c:f", "x.c:absent"))


class Format(Prove):
    def wrong(self, old, new):
        return "\n".join(self.model(old, new).wrong)

    def test_model(self):
        model = self.model()
        self.assertEqual(model.wrong, [])
        self.assertEqual(model.actions, {"step": ["fs/x.c:f", "fs/x.c:MANY"]})
        self.assertEqual(model.guards, [prove.Guard("NO_ATOMIC", "assertion", "x", "two")])
        self.assertEqual(model.runs, [prove.Run("two", ["-DN=2"])])

    def test_options_of_a_run(self):
        run = prove.parse_run("r", ["-DA", "claim=live", "fair", "depth=10"])
        self.assertEqual(run, prove.Run("r", ["-DA"], "live", True, True, 10))

    def test_wrong_lines(self):
        for old, new, message in (
                ("helper: inc: A process.", "", "inc has no line"),
                ("helper: inc", "helper: dec", "dec is not in the code"),
                (" * guard: NO_ATOMIC: assertion x in two: The increment is one step.\n", "",
                 "NO_ATOMIC has no line 'guard:'"),
                ("guard: NO_ATOMIC", "guard: NO_OTHER", "NO_OTHER is no switch"),
                ("assertion x in two", "assertion x in one", "there is no run 'one'"),
                ("assertion x", "failure x", "not in the format"),
                ("-DN=2:", "-DN=2 unknown:", "not in the format"),
                ("fs/x.c:f,", "fs/x.c,", "not in the format")):
            self.assertIn(message, self.wrong(old, new))


@unittest.skipUnless(shutil.which("spin"), "needs Spin")
class Checks(Prove):
    def failures(self, old="", new=""):
        model = self.model(old, new)
        self.assertEqual(model.wrong, [])
        prove.accept(model)
        try:
            prove.prove([model], prove.output_directory(self.top / "out"), 2)
        except SystemExit as status:
            return str(status)
        return ""

    def test_model(self):
        self.assertEqual(self.failures(), "")
        self.assertTrue((self.top / "out/m/two.NO_ATOMIC/counterexample.txt").read_text())

    def test_error(self):
        self.assertIn("two: FAILED: assertion violated (x==2)",
                      self.failures("\tx++;", "\tbyte t = x; x = t + 1;"))

    def test_guard_that_is_not_needed(self):
        self.assertIn("NO_ATOMIC: FAILED: two: no counterexample",
                      self.failures("byte t = x; x = t + 1", "x = x + 1"))

    def test_another_counterexample(self):
        self.assertIn("NO_ATOMIC: FAILED: two: assertion violated (x==2)",
                      self.failures("assertion x in", "assertion other in"))

    def test_deadlock(self):
        self.assertIn("two: FAILED: invalid end state",
                      self.failures("finished == N", "finished > N"))

    def test_statement_that_is_never_reached(self):
        dead = "finished == N;\n\tif\n\t:: x > N -> x = 0{}\n\t:: else\n\tfi;"
        self.assertIn("m.pml:24: never reached: x = 0",
                      self.failures("finished == N;", dead.format("")))
        self.assertEqual("", self.failures("finished == N;", dead.format("  /* unreached: no */")))

    def test_inline_that_one_of_two_places_reaches(self):
        used = "finished == N;\n\tif\n\t:: x > N -> step()	/* unreached: no */\n\t:: else\n\tfi;"
        self.assertEqual("", self.failures("finished == N;", used))

    def test_truncated_search(self):
        self.assertIn("max search depth too small", self.failures("-DN=2", "-DN=2 depth=5"))

    def test_syntax_error(self):
        self.assertIn("FAILED: spin:", self.failures("finished == N", "finished == M"))

    def test_changed_function(self):
        model = self.model()
        prove.accept(model)
        self.change("return  0", "return 1")
        with self.assertRaisesRegex(SystemExit, "m: fs/x.c:f has changed"):
            prove.prove([model], prove.output_directory(self.top / "out"), 2)


class Output(Prove):
    def test_other_files_are_not_removed(self):
        (self.top / "kept").mkdir()
        (self.top / "kept/file").touch()
        with self.assertRaisesRegex(SystemExit, "kept is not empty, and not of an earlier run"):
            prove.output_directory(self.top / "kept")
        self.assertTrue((self.top / "kept/file").exists())

    def test_earlier_output_is_removed(self):
        (prove.output_directory(self.top / "out") / "old").touch()
        prove.output_directory(self.top / "out")
        self.assertFalse((self.top / "out/old").exists())


class Arguments(unittest.TestCase):
    def prove(self, *arguments):
        return subprocess.run([sys.executable, prove.__file__, *arguments], capture_output=True,
                              text=True, check=False)

    def test_unknown_model(self):
        done = self.prove("absent")
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no model 'absent'; there are:", done.stderr)

    def test_accept_requires_a_model(self):
        done = self.prove("--accept")
        self.assertEqual(done.returncode, 1)
        self.assertIn("requires the name of a model", done.stderr)


if __name__ == "__main__":
    unittest.main()
