# SPDX-License-Identifier: GPL-2.0
"""Build a kernel with all mutants that compile."""

import collections
import hashlib
import json
import os
import re
import subprocess
import sys
import time

from lib import BUILD, say, setting, toolchain
from mutation import schemata
from mutation.place import FLAVOUR, HERE, KERNEL, LINUX, OUT, TREE, TWINS, git

# The code that chooses a mutant.
SUPPORT = {"mutant.c": "fs/mutant.c", "mutant.h": "include/linux/mutant.h",
           "mutant.rs": "rust/kernel/mutant.rs"}
# Includes the other files of its directory. Its object may be bitcode.
HELPERS = "rust/helpers/helpers.c"
PLACE = re.compile(r"^\s*--> (\S+?):(\d+):\d+|^(\S+?):(\d+):\d+: (?:fatal )?error: ", re.MULTILINE)
CASE = re.compile(r"^case (\d+): \{", re.MULTILINE)
NOT_CONST = re.compile(r"cannot call non-const (?:associated function|function|method) `([^`]*)`")


class Builder:
    """Builds the kernel, and drops the mutants that do not compile."""

    def __init__(self, listing):
        self.listing = listing
        self.state = OUT / "unbuildable.json"
        state = json.loads(self.state.read_text()) if self.state.exists() else {}
        self.dropped = state.get("dropped", {})       # key: why
        self.keep_const = set(state.get("const", []))   # "file:function"
        self.built = set(state.get("built", []))         # keys
        self.inputs = state.get("inputs")
        self.written = {}

    def save(self):
        state = {"dropped": self.dropped, "const": sorted(self.keep_const),
                 "built": sorted(self.built), "inputs": self.inputs}
        self.state.write_text(json.dumps(state, indent=1))

    def prepare_tree(self):
        OUT.mkdir(parents=True, exist_ok=True)
        if not TREE.exists():
            subprocess.run(["git", "clone", "-q", "--shared", "--no-checkout", LINUX, TREE],
                           check=True)
        git(TREE, "fetch", "-q", "origin", "series")
        if changed(OUT / "tree", git(TREE, "rev-parse", "FETCH_HEAD")):
            git(TREE, "checkout", "-q", "-f", "--detach", "FETCH_HEAD")
        self.place_support()
        KERNEL.mkdir(exist_ok=True)
        self.configure()

    def configure(self):
        """Add options that more tests need than those of the flavour."""
        options = (HERE / "kernel.config").read_text()
        config = (BUILD / FLAVOUR / ".config").read_text() + options
        if not changed(OUT / "config", config) and (KERNEL / ".config").exists():
            return
        (KERNEL / ".config").write_text(config)
        self.make("olddefconfig")
        set_options = (KERNEL / ".config").read_text().splitlines()
        for option in re.findall(r"^CONFIG_.*", options, re.MULTILINE):
            if option not in set_options:
                sys.exit(f"mutants: error: the kernel does not have {option}")

    def place_support(self):
        """Add the code that chooses mutants."""
        for name, place in SUPPORT.items():
            self.write(place, (HERE / name).read_text())
        self.write("fs/Makefile", git(TREE, "show", "HEAD:fs/Makefile") + "\nobj-y += mutant.o\n")

    def write(self, path, text):
        """Write a file of the tree if it changes, so that kbuild does not build it again."""
        file = TREE / path
        if not file.exists() or file.read_text() != text:
            file.write_text(text)

    def alive(self):
        for mutant in self.listing.mutants:
            source = self.listing.sources[mutant.file]
            function = source.function_at(mutant.start, mutant.end)
            if function.const and f"{mutant.file}:{function.name}" in self.keep_const:
                self.dropped.setdefault(mutant.key, "the function runs at compile time")
            if not balanced(source, mutant):
                self.dropped.setdefault(mutant.key, "the braces do not match")
            if FLAVOUR == "c" and mutant.operator.startswith("negate `IS_ENABLED("):
                self.dropped.setdefault(mutant.key, "the function in Rust is not built")
            if function.result.startswith("impl "):
                self.dropped.setdefault(mutant.key, "all bodies must return one opaque type")
        return [m for m in self.listing.mutants if m.key not in self.dropped
                and (FLAVOUR == "rust" or m.file in TWINS)]

    def instrument(self):
        by_file = collections.defaultdict(list)
        for mutant in self.alive():
            by_file[mutant.file].append(mutant)
        self.written = {}
        for path, source in self.listing.sources.items():
            mutants = sorted(by_file.get(path, []), key=lambda m: m.number)
            text = source.text
            if mutants:
                self.written[path] = schemata.Instrumented(source, mutants, self.keep_const)
                text = self.written[path].text
            if path == "rust/kernel/lib.rs":
                text = text.replace("\npub mod ", "\npub mod mutant;\npub mod ", 1)
            self.write(path, text)

    def make(self, *targets):
        env = {**os.environ, **toolchain(), "KBUILD_BUILD_TIMESTAMP": "@0",
               "KBUILD_BUILD_USER": "series", "KBUILD_BUILD_HOST": "build"}
        with open(OUT / "build.log", "w", encoding="utf-8") as log:
            run = subprocess.run(["make", "-k", "-C", TREE, f"O={KERNEL}", "ARCH=x86_64",
                                  f"-j{setting('J')}", *targets], env=env, stdout=log,
                                 stderr=subprocess.STDOUT, check=False)
        return run.returncode, (OUT / "build.log").read_text(errors="replace")

    def build_all(self):
        """Build the kernel, unless it has been built of the same sources."""
        self.prepare_tree()
        self.instrument()
        inputs = self.hash_inputs()
        if inputs == self.inputs and (KERNEL / "vmlinux").exists():
            return
        # Most mutants that do not compile are found without the code of the other crates.
        self.build("rust/kernel.o")
        self.build("vmlinux", "modules")
        self.preprocess()
        self.inputs = self.hash_inputs()
        self.save()

    def hash_inputs(self):
        inputs = hashlib.sha256((KERNEL / ".config").read_bytes())
        inputs.update(git(LINUX, "rev-parse", "series").encode())
        for path in sorted(self.written):
            inputs.update(self.written[path].text.encode())
        return inputs.hexdigest()

    def build(self, *targets):
        for attempt in range(1, 21):
            self.instrument()
            started = time.monotonic()
            status, log = self.make(*targets)
            say(f"     build {attempt}: {time.monotonic() - started:.0f} s, "
                f"{len(self.alive())} mutants, exit status {status}")
            if not status:
                self.save()
                return
            if not self.drop(log):
                tail = "\n".join(log.splitlines()[-30:])
                sys.exit("mutants: error: the kernel does not build, "
                         f"log in {OUT}/build.log:\n{tail}")
            self.save()
        sys.exit("mutants: error: the kernel does not build without mutants that fail")

    def preprocess(self):
        """Record which mutants of C files this configuration contains."""
        sources = {HELPERS if path.startswith("rust/helpers/") else path for path in self.written
                   if path.endswith(".c")}
        objects = sorted(path for path in sources
                         if path == HELPERS or (KERNEL / path).with_suffix(".o").exists())
        self.make(*(path[:-2] + ".i" for path in objects))
        built = {m.number for m in self.alive() if m.file.endswith(".rs")}
        for path in objects:
            file = (KERNEL / path).with_suffix(".i")
            if file.exists():
                built |= set(map(int, CASE.findall(file.read_text())))
                file.unlink()
        self.built = {m.key for m in self.alive() if m.number in built}
        self.save()

    def drop(self, log):
        """Drop the mutants at the places of errors. Return whether there was one."""
        before = len(self.dropped), len(self.keep_const)
        for block in error_blocks(log):
            message = block.splitlines()[0]
            if names := NOT_CONST.findall(block):
                for name in names:
                    self.keep_function(re.sub(r"::<.*", "", name).split("::")[-1])
                continue
            for match in PLACE.finditer(block):
                path = re.sub(rf"{TREE}/|^(?:\.\./)+linux/", "", match[1] or match[3])
                written = self.written.get(path)
                mutant = written and written.owner.get(int(match[2] or match[4]))
                if mutant:
                    self.dropped[mutant.key] = message[:120]
                    break
        return (len(self.dropped), len(self.keep_const)) != before

    def keep_function(self, name):
        for path, source in self.listing.sources.items():
            for function in source.functions:
                if function.const and function.name == name:
                    self.keep_const.add(f"{path}:{name}")


def changed(file, text):
    """Store a text, and return whether it is another one than before."""
    before = file.read_text() if file.exists() else None
    file.write_text(text)
    return before != text


def balanced(source, mutant):
    """Return whether a change leaves the structure of braces as it is."""
    old, new = source.text[mutant.start:mutant.end], mutant.replacement
    return all(old.count(mark) == new.count(mark) for mark in "{}") or source.rust or \
        (old.count("{") == old.count("}") and new.count("{") == new.count("}"))


def error_blocks(log):
    """Return each error of rustc or clang with the lines that belong to it."""
    blocks, current = [], None
    for line in log.splitlines():
        if line.startswith("error") or re.match(r"\S+:\d+:\d+: (?:fatal )?error: ", line):
            current = [line]
            blocks.append(current)
        elif line.startswith(("warning", "make")):
            current = None
        elif current is not None:
            current.append(line)
    return ["\n".join(block) for block in blocks]
