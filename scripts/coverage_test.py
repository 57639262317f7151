#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of coverage.py: a program as the kernel, and a trace of what it might have run."""

import re
import subprocess
import tempfile
import unittest
import unittest.mock
from pathlib import Path

import coverage

SOURCE = """\
static inline void store(volatile int *p, int x)
{
	*p = x;
}

void ran(volatile int *p)
{
	store(p, 1);
}

int missed(int x)
{
	return x / 3;
}
"""
# Nothing refers to _Rcopy but an export, as EXPORT_SYMBOL() writes it. Only the module below
# calls _Rmodule.
RUST = """\
__attribute__((noinline)) int _Rcalled(int x)
{
	return x / 5;
}

int _Rcopy(int x)
{
	return x / 7;
}

int _Rmodule(int x)
{
	return x / 9;
}

__attribute__((section(".export_symbol"))) void *export = _Rcopy;
__attribute__((section(".discard.addressable"))) void *addressable = _Rcopy;
__attribute__((section(".export_symbol"))) void *export_module = _Rmodule;
__attribute__((section(".discard.addressable"))) void *addressable_module = _Rmodule;

int caller(int x)
{
	return _Rcalled(x) + 1;
}
"""
MODULE = """\
int _Rmodule(int x);

int init(void)
{
	return _Rmodule(1);
}
"""
TRACE = """\
----------------
IN: ran
0x{:016x}:  48 89 e5                 movq     %rsp, %rbp
0x{:016x}:  c3                       retq

"""


class Coverage(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.top = Path(self.dir.name)
        (self.top / "fs").mkdir()
        (self.top / "fs/program.c").write_text(SOURCE)
        self.vmlinux = self.top / "vmlinux"
        subprocess.run([coverage.tool("clang"), "-g", "-O2", "-nostdlib",
                        "-Wl,-e,ran", "-o", "vmlinux", "fs/program.c"], cwd=self.top, check=True)
        self.linux, coverage.LINUX = coverage.LINUX, str(self.top)
        self.addCleanup(setattr, coverage, "LINUX", self.linux)

    def addresses_of(self, function):
        """The addresses of all its instructions."""
        dump = subprocess.run([coverage.tool("llvm-objdump"), f"--disassemble-symbols={function}",
                               "--no-show-raw-insn", self.vmlinux], stdout=subprocess.PIPE,
                              text=True, check=True).stdout
        return [int(line.split(":")[0], 16) for line in dump.splitlines()
                if re.match(r"^ *[0-9a-f]+:", line)]

    def lines(self, addresses, added):
        trace = self.top / "trace.1"
        trace.write_text("".join(TRACE.format(a, a) for a in addresses))
        table = coverage.LineTable(self.vmlinux, added)
        return coverage.hits(table, coverage.executed([trace]), added)

    def test_lines(self):
        every = set(range(1, SOURCE.count("\n") + 1))
        found = self.lines(self.addresses_of("ran"), {"fs/program.c": every})["fs/program.c"]
        ran = {line for line, hit in found.items() if hit}
        missed = set(found) - ran
        # The code of ran() is the body of store(), called on line 8.
        self.assertIn(3, ran)
        self.assertIn(8, ran)
        self.assertIn(13, missed)
        self.assertTrue(missed <= {11, 12, 13, 14})

    def test_nothing_ran(self):
        found = self.lines([], {"fs/program.c": {3, 13}})["fs/program.c"]
        self.assertEqual(found, {3: False, 13: False})

    def test_functions_in_rust_that_nothing_calls_do_not_count(self):
        (self.top / "fs/program.c").write_text(RUST)
        (self.top / "module.c").write_text(MODULE)
        for command in (["-O2", "-c", "-o", "samples.ko", "module.c"],
                        ["-g", "-O2", "-c", "-o", "vmlinux.o", "fs/program.c"],
                        ["-nostdlib", "-static", "-Wl,-e,caller", "-o", "vmlinux", "vmlinux.o"]):
            subprocess.run([coverage.tool("clang"), *command], cwd=self.top, check=True)
        with unittest.mock.patch.object(coverage, "OUT", self.top):
            uncounted = coverage.uncalled(self.vmlinux)
        self.assertEqual(uncounted[0][0], self.addresses_of("_Rcopy")[0])
        self.assertEqual(len(uncounted), 1)
        added = {"fs/program.c": {3, 8, 13, 23}}
        found = coverage.hits(coverage.LineTable(self.vmlinux, added), [], added, uncounted)
        self.assertEqual(found, {"fs/program.c": {3: False, 13: False, 23: False}})

    def test_only_added_lines_count(self):
        found = self.lines(self.addresses_of("ran"), {"fs/program.c": {13}})
        self.assertEqual(found, {"fs/program.c": {13: False}})

    def test_other_files_do_not_count(self):
        self.assertEqual(self.lines(self.addresses_of("ran"), {"fs/other.c": {1}}), {})

    def test_what_is_counted(self):
        counted = [name for name in (
            "fs/pidfs_rust.rs", "rust/kernel/fs/inode.rs", "io_uring/fhandle_rust.rs", "fs/rust.h",
            "rust/kernel/fs/exportfs/tests.rs", "rust/kernel/fs/exportfs/tests/ops.rs",
            "samples/rust/rust_exportfs.rs", "rust/helpers/mount.c", "Documentation/x.c")
                   if coverage.is_counted(name)]
        self.assertEqual(counted, ["fs/pidfs_rust.rs", "rust/kernel/fs/inode.rs",
                                   "io_uring/fhandle_rust.rs", "fs/rust.h"])


if __name__ == "__main__":
    unittest.main()
