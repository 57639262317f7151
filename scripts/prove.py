#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check the Promela models in tools/verification/file-handles with Spin.

  prove.py [MODEL...]          check all models, or some
  prove.py --accept MODEL...   record that a model has been read again after its code changed

Each model is checked with all guards on: every run must be exhaustive and without an error, and
together they must reach every statement.  Then each guard is switched off alone: one of the
runs must end in the counterexample that the model states.  The output of Spin and the
counterexamples, step by step, are in build/prove/MODEL/RUN[.GUARD].

The format of a model.  Its comments contain lines that begin with one of these words; a line
that follows and is indented by more than one tab continues it (" *" at its beginning is
ignored):

  action: NAME: FILE:FUNCTION[, FILE:FUNCTION...]: TEXT
        NAME is an inline or a proctype of the model, or a label of the form NAME: in it.  It
        models a part of these functions.  In a Rust file, FUNCTION is name, Type::name or
        Trait::name.  Each inline and proctype needs an action or a helper.
  helper: NAME: TEXT
        NAME has no function of its own: it is the environment, such as an allocator, or
        combines others.
  guard: NO_SOMETHING: KIND [WORD] [in RUN]: TEXT
        With -DNO_SOMETHING, a lock, a recheck, a barrier or the order of two steps is missing.
        KIND is the error that this must cause: "assertion", "end state" (a deadlock or a
        process that cannot end), "cycle" (an acceptance or non-progress cycle, or the violation
        of an LTL property), or "never" (a claim that reached its end).  WORD must occur in the
        message of Spin: name a variable of the assertion.  All runs are tried in order until
        one has the counterexample, or only RUN.
  run: NAME: [-DSYMBOL[=VALUE]...] [claim=NAME] [acceptance] [fair] [depth=N]: TEXT
        A run of the model.  "claim" checks an LTL formula of the model, "acceptance" looks for
        acceptance cycles (implied by "claim"), "fair" assumes weak fairness, "depth" is the
        maximum of the search (default 1000000).  Without a line "run:", there is one run "all".
  unreached: TEXT
        At the end of a line of code: why no run reaches the statement on it.  A statement of an
        inline is reached if one of the places that use it reaches it.

The file MODEL.functions records a hash of each function that an action names, at the time the
model was last compared with it.  A change of the function fails until --accept records it.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from lib import BUILD, TOP, say, setting
from rust_source import tokens

LINUX = Path(setting("LINUX"))
MODELS = LINUX / "tools/verification/file-handles"
OUT = BUILD / "prove"

LINE = re.compile(r"\b(action|helper|guard|run): (.*)")
KINDS = {"assertion": "assertion violated", "end state": "invalid end state",
         "cycle": "cycle", "never": "end state in claim reached"}
DEPTH = 1000000
# MEMLIM is in MiB: a search that is exhaustive must fit. The compiler takes longer to optimise
# than most guards to find their counterexample.
DEPTH_FIRST = ["-O1", "-DMEMLIM=2500"]
BREADTH_FIRST = ["-O0", "-DBFS", "-DMEMLIM=256"]
# Each of them makes the result of a search worthless.
TRUNCATED = ("max search depth too small", "reached -DMEMLIM", "Search not completed",
             "search was not completed", "out of memory", "aborting")


def fail(*lines):
    sys.exit("\n".join(f"prove: error: {line}" for line in lines))


# ---- the functions that a model stands for ----

def without_comments(text):
    """Return C code without comments and with one space for each run of white space."""
    keep = re.sub(r"/\*.*?\*/|//[^\n]*|(\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')",
                  lambda match: match[1] or " ", text, flags=re.DOTALL)
    return " ".join(keep.split())


def c_functions(text, name):
    """Return all definitions of a function or a macro, without comments."""
    found = re.findall(rf"^#define {name}\((?:.*\\\n)*.*", text, re.MULTILINE)
    for match in re.finditer(rf"^[A-Za-z_][^;{{}}#]*?\b{name}\((?:[^;{{]|\n)*?\n?\{{.*?^\}}",
                             text, re.MULTILINE | re.DOTALL):
        found.append(match[0])
    return [without_comments(code) for code in found]


def rust_functions(text, name):
    """Return all definitions of a function, without comments. "T::f" is a function in an
    implementation of, or a trait, T."""
    words = [token.text for token in tokens(text)]
    owner, _, function = name.rpartition("::")
    found, stack, head = [], [], 0
    for at, word in enumerate(words):
        if word == "{":
            stack.append(words[head:at])
        elif word == "}" and stack:
            stack.pop()
        if word in ("{", "}", ";"):
            head = at + 1
        if word == "fn" and words[at + 1] == function and \
                (not owner or any(is_block_of(owner, block) for block in stack)):
            found.append(" ".join(words[at:body_end(words, at)]))
    return found


def is_block_of(owner, block):
    return owner in block and ("impl" in block or "trait" in block)


def body_end(words, at):
    """Return the end of the function at a position: of its body, or its semicolon."""
    depth = 0
    for end in range(at, len(words)):
        depth += (words[end] in "{([") - (words[end] in "})]")
        if not depth and words[end] in ("}", ";"):
            return end + 1
    return len(words)


def hash_of(place):
    """Return the hash of FILE:FUNCTION in the tree, or None if it does not exist."""
    path, name = place.split(":", 1)
    if not (LINUX / path).is_file():
        return None
    text = (LINUX / path).read_text(encoding="utf-8")
    found = (rust_functions if path.endswith(".rs") else c_functions)(text, name)
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16] if found else None


# ---- models ----

@dataclass
class Run:
    name: str
    flags: list
    claim: str = ""
    acceptance: bool = False
    fair: bool = False
    depth: int = DEPTH


@dataclass
class Guard:
    name: str
    kind: str
    word: str
    run: str


@dataclass
class Model:
    path: Path
    text: str
    actions: dict = field(default_factory=dict)     # name: [FILE:FUNCTION]
    helpers: list = field(default_factory=list)
    guards: list = field(default_factory=list)
    runs: list = field(default_factory=list)
    wrong: list = field(default_factory=list)

    @property
    def name(self):
        return self.path.stem

    def functions(self):
        return sorted({place for places in self.actions.values() for place in places})


def parse_run(name, words):
    run = Run(name, [word for word in words if word.startswith("-D")])
    for word in words:
        key, _, value = word.partition("=")
        if key == "claim" and value:
            run.claim, run.acceptance = value, True
        elif key == "depth" and value.isdigit():
            run.depth = int(value)
        elif word in ("acceptance", "fair"):
            setattr(run, word, True)
        elif not word.startswith("-D"):
            raise ValueError(word)
    return run


def comment_lines(text):
    """Yield the lines of comments, with the lines that continue them."""
    line = None
    for row in text.splitlines():
        bare = re.sub(r"^\s*/?\*+ ?", "", row) if re.match(r"\s*/?\*", row) else None
        if bare is not None and bare.startswith("\t") and line:
            line += " " + bare.strip()
            continue
        if line:
            yield line
        line = bare if bare and LINE.match(bare) else None
    if line:
        yield line


def read_model(path):
    model = Model(path, path.read_text(encoding="utf-8"))
    for line in comment_lines(model.text):
        word, rest = LINE.match(line).groups()
        parts = [part.strip() for part in re.split(r":(?=\s)", rest)]
        try:
            if word == "action":
                model.actions.setdefault(parts[0], []).extend(re.split(r",\s*", parts[1]))
                if not parts[2] or not all(":" in place for place in parts[1].split(",")):
                    raise ValueError
            elif word == "helper":
                model.helpers.append(parts[0])
            elif word == "guard":
                what, _, where = parts[1].partition(" in ")
                kind = next(kind for kind in KINDS if what.startswith(kind))
                model.guards.append(Guard(parts[0], kind, what[len(kind):].strip(), where))
                if not parts[2]:
                    raise ValueError
            else:
                model.runs.append(parse_run(parts[0], parts[1].split()))
        except (ValueError, IndexError, StopIteration):
            model.wrong.append(f"'{word}: {rest}' is not in the format of prove.py")
    model.runs = model.runs or [Run("all", [])]
    check_names(model)
    return model


def check_names(model):
    """Check that the comments and the code of a model name the same things."""
    code = re.sub(r"/\*.*?\*/", " ", model.text, flags=re.DOTALL)
    defined = set(re.findall(r"^\s*(?:inline|(?:active(?: \[\w+\])? )?proctype)\s+(\w+)", code,
                             re.MULTILINE))
    labels = set(re.findall(r"^\s*(\w+):(?!:)", code, re.MULTILINE))
    named = set(model.actions) | set(model.helpers)
    switches = set(re.findall(r"\bNO_[A-Z0-9_]+", code))
    guards = {guard.name for guard in model.guards}
    runs = {run.name for run in model.runs}
    model.wrong += [f"{guard.name}: there is no run '{guard.run}'" for guard in model.guards
                    if guard.run and guard.run not in runs]
    model.wrong += [f"{name} has no line 'action:' or 'helper:'"
                    for name in sorted(defined - named)]
    model.wrong += [f"{name} is not in the code" for name in sorted(named - defined - labels)]
    model.wrong += [f"{name} has no line 'guard:'" for name in sorted(switches - guards)]
    model.wrong += [f"{name} is no switch of the code" for name in sorted(guards - switches)]


# ---- the record of the functions ----

def recorded(model):
    """Return {FILE:FUNCTION: hash}."""
    path = model.path.with_suffix(".functions")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def accept(model):
    hashes = {place: hash_of(place) for place in model.functions()}
    if absent := [place for place, value in hashes.items() if not value]:
        fail(*(f"{model.name}: {place} does not exist" for place in absent))
    with open(model.path.with_suffix(".functions"), "w", encoding="utf-8") as file:
        file.write("# SPDX-License-Identifier: GPL-2.0\n"
                   "# The functions that the model was compared with, and their hashes.\n")
        file.writelines(f"{place} {value}\n" for place, value in hashes.items())


def changed_functions(model):
    known = recorded(model)
    for place in model.functions():
        value = hash_of(place)
        if not value:
            yield f"{place} does not exist: the model has to be read again"
        elif place not in known:
            yield f"{place} is not recorded: compare the model with it, then --accept it"
        elif known[place] != value:
            yield f"{place} has changed: compare the model with it, then --accept it"
    for place in sorted(set(known) - set(model.functions())):
        yield f"{place} is recorded, but no action names it: --accept it"


# ---- Spin ----

@dataclass
class Result:
    ok: bool
    text: str
    states: int = 0
    seconds: float = 0
    statements: set = field(default_factory=set)    # (line, text)
    reached: set = field(default_factory=set)


def run_in(directory, log, *command):
    """Run a command, with its output at the end of a log. Return this output."""
    done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False)
    with open(directory / log, "a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(map(str, command))}\n{done.stdout}\n")
    return done.returncode, done.stdout


def search(model, run, guard=None):
    """Search a run for errors. Return the output of the verifier."""
    directory = OUT / model.name / (run.name + (f".{guard.name}" if guard else ""))
    directory.mkdir(parents=True)
    file = model.path.name
    shutil.copy(model.path, directory)
    flags = run.flags + ([f"-D{guard.name}"] if guard else [])
    status, text = run_in(directory, "spin.log", "spin", "-a", *flags, file)
    if status or not (directory / "pan.c").exists():
        return f"spin: {text.strip()}"
    text = ""
    # The counterexample of a breadth-first search is the shortest one.
    if guard and not run.acceptance:
        text = verify(directory, run, BREADTH_FIRST)
    if not message_of(text)[0]:
        text = verify(directory, run, DEPTH_FIRST)
    if guard and list(directory.glob("*.trail")):
        run_in(directory, "counterexample.txt", "spin", "-t", "-p", "-g", "-l", *flags, file)
    return text


def verify(directory, run, mode):
    """Compile and run the verifier. Return its output."""
    flags = [*mode, *([] if run.acceptance else ["-DSAFETY"]),
             *([] if run.claim else ["-DNOCLAIM"])]
    status, text = run_in(directory, "compile.log", "gcc", "-w", "-DCOLLAPSE",
                          "-DVECTORSZ=4096", *flags, "-o", "pan", "pan.c")
    if status:
        return f"gcc: {text.strip()}"
    options = ["-a"] if run.acceptance else []
    options += ["-f"] if run.fair else []
    options += ["-N", run.claim] if run.claim else []
    _, text = run_in(directory, "pan.log", "./pan", *options, f"-m{run.depth}")
    (directory / "pan").unlink()
    return text


def message_of(text):
    """Return the error that the verifier reports, and the depth at which it was found."""
    found = re.search(r"^pan:\d+: (.*?)(?: \(at depth (\d+)\))?$", text, re.MULTILINE)
    return (found[1], found[2] or "?") if found else ("", "?")


def outcome(text):
    """Describe a search that found no error."""
    if "State-vector" not in text:      # the output of spin or gcc
        return (text.strip().splitlines() or ["no output"])[-1]
    return next((word for word in TRUNCATED if word in text), "no counterexample")


def states_of(text):
    found = re.search(r"^ *([\d.e+]+) states, stored", text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def uses(text, pattern):
    """Return the states of the processes by statement, {(line, text): {(proctype, state)}}."""
    found, proctype = defaultdict(set), None
    for line in text.splitlines():
        if match := re.match(r"(?:unreached in )?(?:(?:proctype|claim) (\w+)|(init)$)", line):
            proctype = match[1] or match[2]
        elif match := re.match(pattern, line):
            found[int(match["line"]), match["text"]].add((proctype, match["state"]))
    return found


def statements(model, run):
    """Return the uses of all statements of a run. The verifier lists them with -d, unless Spin
    has merged them."""
    directory = OUT / model.name / f"{run.name}.statements"
    directory.mkdir()
    shutil.copy(model.path, directory)
    run_in(directory, "spin.log", "spin", "-a", "-o3", *run.flags, model.path.name)
    run_in(directory, "compile.log", "gcc", "-w", "-DVECTORSZ=4096", "-o", "pan", "pan.c")
    _, text = run_in(directory, "pan.log", "./pan", "-d")
    (directory / "pan").unlink(missing_ok=True)
    return uses(text, rf"\tstate +(?P<state>\d+) .* {re.escape(model.path.name)}:(?P<line>\d+) => "
                      r"(?P<text>.*)")


def reached_by(model, run, text):
    """Return all statements of a run, and those that it reached in at least one place."""
    every = statements(model, run)
    missed = uses(text, rf"\t{re.escape(model.path.name)}:(?P<line>\d+), state (?P<state>\d+), "
                        r'"(?P<text>.*)"')
    return set(every), {key for key, places in every.items() if places - missed[key]}


def prove_run(model, run):
    """A run with all guards on."""
    started = time.monotonic()
    text = search(model, run)
    seconds = time.monotonic() - started
    message, _ = message_of(text)
    states = states_of(text)
    truncated = next((word for word in TRUNCATED if word in text), "")
    if truncated or message:
        return Result(False, f"FAILED: {message or truncated}", states, seconds)
    if "errors: 0" not in text or "Full statespace search" not in text:
        return Result(False, f"FAILED: {outcome(text)}", states, seconds)
    return Result(True, "holds", states, seconds, *reached_by(model, run, text))


def break_guard(model, guard):
    """All runs without a guard, until one has the counterexample."""
    started, texts = time.monotonic(), []
    for run in (run for run in model.runs if guard.run in ("", run.name)):
        text = search(model, run, guard)
        message, depth = message_of(text)
        result = Result(False, "", states_of(text), time.monotonic() - started)
        if KINDS[guard.kind] in message and guard.word in message:
            result.ok = True
            result.text = f"{message.replace('assertion violated ', 'assertion ')}, {depth} steps"
            return result
        texts.append(f"{run.name}: {message or outcome(text)}")
    result.text = "FAILED: " + "; ".join(texts)
    return result


def unargued(model, results):
    """The statements that no run reached, and that have no comment."""
    rows = model.text.splitlines()
    missed = set.union(*(result.statements for result in results)) - \
        set.union(*(result.reached for result in results))
    return [f"{model.path.name}:{line}: never reached: {statement}"
            for line, statement in sorted(missed) if "unreached:" not in rows[line - 1]]


def row(*columns):
    say("{:16} {:28} {:>10} {:>6}  {}".format(*columns))


def report(model, runs, guards):
    """Print the results of a model. Return what is wrong."""
    wrong = list(changed_functions(model))
    for run, result in zip(model.runs, runs):
        row(model.name, run.name, result.states, f"{result.seconds:.0f}", result.text)
    for guard, result in zip(model.guards, guards):
        row("", guard.name, result.states, f"{result.seconds:.0f}", result.text)
    wrong += [f"{run.name}: {result.text}" for run, result in zip(model.runs, runs)
              if not result.ok]
    wrong += [f"{guard.name}: {result.text}" for guard, result in zip(model.guards, guards)
              if not result.ok]
    if all(result.ok for result in runs):
        wrong += unargued(model, runs)
    return [f"{model.name}: {line}" for line in wrong]


def prove(models):
    shutil.rmtree(OUT, ignore_errors=True)
    row("model", "run, or guard that is off", "states", "s", "result")
    failures = []
    with ThreadPoolExecutor(max_workers=int(os.environ.get("J") or os.cpu_count())) as pool:
        jobs = [(model, [pool.submit(prove_run, model, run) for run in model.runs],
                 [pool.submit(break_guard, model, guard) for guard in model.guards])
                for model in models]
        for model, runs, guards in jobs:
            failures += report(model, [job.result() for job in runs],
                               [job.result() for job in guards])
    if failures:
        say(f"     output of Spin: {OUT.relative_to(TOP)}")
        fail(*failures)
    say(f"{len(models)} models, {sum(len(model.guards) for model in models)} guards: all proved")


def selected(names):
    found = sorted(MODELS.glob("*.pml"))
    known = [path.stem for path in found]
    if unknown := [name for name in names if name not in known]:
        fail(f"there is no model '{unknown[0]}'; there are: {' '.join(known)}")
    models = [read_model(path) for path in found if not names or path.stem in names]
    if not models:
        fail(f"{MODELS} has no models")
    if wrong := [f"{model.path.name}: {line}" for model in models for line in model.wrong]:
        fail(*wrong)
    return models


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("models", nargs="*", metavar="MODEL")
    arguments = parser.parse_args()
    models = selected(arguments.models)
    if not arguments.accept:
        prove(models)
    elif arguments.models:
        for model in models:
            accept(model)
    else:
        fail("--accept requires the name of a model")


if __name__ == "__main__":
    main()
