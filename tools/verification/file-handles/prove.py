#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check the Promela models in this directory with Spin.

  prove.py [-o DIR] [-j N] [MODEL...]   check all models, or some
  prove.py --accept MODEL...            record that a model was compared with changed code

Each model is checked with all guards on: every run must be exhaustive and without an error, and
together they must reach every statement.  Then each guard is switched off alone: one of the
runs must end in the counterexample that the model states.  The output of Spin and the
counterexamples, step by step, are in DIR/MODEL/RUN[.GUARD]; the default of DIR is a new
directory in /tmp.

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
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from functions import hash_of

MODELS = Path(__file__).resolve().parent
LINUX = MODELS.parents[2]

LINE = re.compile(r"\b(action|helper|guard|run): (.*)")
KINDS = {"assertion": "assertion violated", "end state": "invalid end state",
         "cycle": "cycle", "never": "end state in claim reached"}
DEPTH = 1000000
MARK = ".prove"     # of a directory with output
# MEMLIM is in MiB: a search that is exhaustive must fit. The compiler takes longer to optimise
# than most guards to find their counterexample.
DEPTH_FIRST = ["-O1", "-DMEMLIM=2500"]
BREADTH_FIRST = ["-O0", "-DBFS", "-DMEMLIM=256"]
# Each of them makes the result of a search worthless.
TRUNCATED = ("max search depth too small", "reached -DMEMLIM", "Search not completed",
             "search was not completed", "out of memory", "aborting")


def say(line):
    print(line, flush=True)


def fail(*lines):
    sys.exit("\n".join(f"prove: error: {line}" for line in lines))


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
    hashes = {place: hash_of(LINUX, place) for place in model.functions()}
    if absent := [place for place, value in hashes.items() if not value]:
        fail(*(f"{model.name}: {place} does not exist" for place in absent))
    with open(model.path.with_suffix(".functions"), "w", encoding="utf-8") as file:
        file.write("# SPDX-License-Identifier: GPL-2.0\n"
                   "# The functions that the model was compared with, and their hashes.\n")
        file.writelines(f"{place} {value}\n" for place, value in hashes.items())


def changed_functions(model):
    known = recorded(model)
    for place in model.functions():
        value = hash_of(LINUX, place)
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


def search(out, model, run, guard=None):
    """Search a run for errors. Return the output of the verifier."""
    directory = out / model.name / (run.name + (f".{guard.name}" if guard else ""))
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


def statements(out, model, run):
    """Return the uses of all statements of a run. The verifier lists them with -d, unless Spin
    has merged them."""
    directory = out / model.name / f"{run.name}.statements"
    directory.mkdir()
    shutil.copy(model.path, directory)
    run_in(directory, "spin.log", "spin", "-a", "-o3", *run.flags, model.path.name)
    run_in(directory, "compile.log", "gcc", "-w", "-DVECTORSZ=4096", "-o", "pan", "pan.c")
    _, text = run_in(directory, "pan.log", "./pan", "-d")
    (directory / "pan").unlink(missing_ok=True)
    return uses(text, rf"\tstate +(?P<state>\d+) .* {re.escape(model.path.name)}:(?P<line>\d+) => "
                      r"(?P<text>.*)")


def reached_by(out, model, run, text):
    """Return all statements of a run, and those that it reached in at least one place."""
    every = statements(out, model, run)
    missed = uses(text, rf"\t{re.escape(model.path.name)}:(?P<line>\d+), state (?P<state>\d+), "
                        r'"(?P<text>.*)"')
    return set(every), {key for key, places in every.items() if places - missed[key]}


def prove_run(out, model, run):
    """A run with all guards on."""
    started = time.monotonic()
    text = search(out, model, run)
    seconds = time.monotonic() - started
    message, _ = message_of(text)
    states = states_of(text)
    truncated = next((word for word in TRUNCATED if word in text), "")
    if truncated or message:
        return Result(False, f"FAILED: {message or truncated}", states, seconds)
    if "errors: 0" not in text or "Full statespace search" not in text:
        return Result(False, f"FAILED: {outcome(text)}", states, seconds)
    return Result(True, "holds", states, seconds, *reached_by(out, model, run, text))


def break_guard(out, model, guard):
    """All runs without a guard, until one has the counterexample."""
    started, texts = time.monotonic(), []
    for run in (run for run in model.runs if guard.run in ("", run.name)):
        text = search(out, model, run, guard)
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


def prove(models, out, jobs):
    row("model", "run, or guard that is off", "states", "s", "result")
    failures = []
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        work = [(model, [pool.submit(prove_run, out, model, run) for run in model.runs],
                 [pool.submit(break_guard, out, model, guard) for guard in model.guards])
                for model in models]
        for model, runs, guards in work:
            failures += report(model, [job.result() for job in runs],
                               [job.result() for job in guards])
    say(f"the output of Spin is in {out}")
    if failures:
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


def output_directory(path):
    """Return an empty directory. Only a directory of an earlier run is removed."""
    if not path:
        return Path(tempfile.mkdtemp(prefix="prove-"))
    if path.exists() and any(path.iterdir()) and not (path / MARK).exists():
        fail(f"{path} is not empty, and not of an earlier run")
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    (path / MARK).touch()
    return path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", dest="out", type=Path, metavar="DIR")
    parser.add_argument("-j", dest="jobs", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("models", nargs="*", metavar="MODEL")
    arguments = parser.parse_args()
    models = selected(arguments.models)
    if not arguments.accept:
        prove(models, output_directory(arguments.out), arguments.jobs)
    elif arguments.models:
        for model in models:
            accept(model)
    else:
        fail("--accept requires the name of a model")


if __name__ == "__main__":
    main()
