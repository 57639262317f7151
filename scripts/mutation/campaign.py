# SPDX-License-Identifier: GPL-2.0
"""Measure which cases reach which mutants, and judge the mutants with them."""

import collections
import dataclasses
import fnmatch
import functools
import hashlib
import itertools
import json
import re
import time

import test
from lib import BUILD, TOP, say
from mutation import judge
from mutation.place import KERNEL, LINUX, OUT, RESULTS, git

# The suites of KUnit that test the series, and programs that take minutes.
SUITES = ("exportfs", "rust_exportfs", "rust_fuse", "rust_pseudo", "rust_doctests", "inode")
SKIP = {"passthrough_restart_test"}
# The mutants that one guest judges at most, and those that one run without a mutant confirms.
PART = 200
MOST = 8
# The budget of the second pass, in milliseconds.
QUICK = 4000
# Programs without cases that also run with options, to end sooner.
SHORT = {"fuse_fuzz": "--cases 30"}
# How long the cases of a mutant take in each pass, in milliseconds, with those of the passes before.
PASSES = (1000, QUICK, 15000, 60000, 10**9)
# Cases that take seconds, and notice much of what the fast ones do not, by file: each pass
# but the first two begins with them.
STRONG = {"fs/fuse/*": "filesystems/fuse:fuse_fuzz*",
          "*fhandle*": "filesystems/file_handle:handle_fuzz",
          **dict.fromkeys(("fs/btrfs/*", "fs/exportfs/*", "fs/ext4/*", "fs/inode.c",
                           "fs/kernfs/*", "fs/xfs/*", "mm/shmem.c"),
                          "filesystems/file_handle:io_uring_handle_warm_test *")}
# Words of paths that say nothing of what is tested.
COMMON_WORDS = {"fs", "rust", "rs", "kernel", "handle", "c", "test"}

# The mutants that earlier runs have killed, and the case that killed each; and the cases that
# other mutants have passed. Remove both and RESULTS to judge all again.
JUDGED = TOP / "scripts/mutation/killed.jsonl"
PASSED = TOP / "scripts/mutation/passed.json"


class Reach:
    """The cases, how long each takes, and the blocks that it executes."""

    def __init__(self, builder):
        self.builder = builder
        self.file = OUT / "reach.json"
        self.cases, self.reached, self.boot = {}, {}, set()

    def identity(self):
        """Return a hash of the numbers of mutants and probes, and one of the programs."""
        numbers = hashlib.sha256()
        for mutant in self.builder.alive():
            numbers.update(f"{mutant.key} {mutant.number} {mutant.probe}\n".encode())
        programs = hashlib.sha256((BUILD / "guest/image.cpio").read_bytes())
        programs.update(git(LINUX, "rev-parse", "series").encode())
        programs.update(f"{SHORT}".encode())
        return [numbers.hexdigest()[:16], programs.hexdigest()[:16]]

    def load(self):
        """Load what is known of these mutants. Return whether that is all."""
        if not self.file.exists():
            return False
        data = json.loads(self.file.read_text())
        numbers, programs = self.identity()
        if data["identity"][0] != numbers:
            return False
        self.take(data)
        return data["identity"][1] == programs

    def take(self, data):
        self.boot = set(data["boot"])
        for fields, reached in data["cases"]:
            case = judge.Case(**fields)
            self.cases[case.name] = case
            self.reached[case.name] = set(reached)

    def save(self):
        data = {"identity": self.identity(), "boot": sorted(self.boot),
                "cases": [[vars(case), sorted(self.reached[name])]
                          for name, case in self.cases.items()]}
        self.file.write_text(json.dumps(data))

    def listing(self, guest):
        """Return all cases: of the selftests, and the suites of KUnit."""
        found = []
        for name in test.select(test.QUICK):
            directory, program = name.split(":")
            if program in SKIP:
                continue
            found += judge.selftest_cases(directory, program,
                                          BUILD / "guest/selftests" / directory / program)
            if program in SHORT:
                found.append(dataclasses.replace(found[-1], test=SHORT[program]))
        for words in guest.run(["cat $P/suites"], time.monotonic() + 120):
            if len(words) == 1 and words[0] not in ("end", "crash", "hang", "late") \
                    and words[0].startswith(SUITES):
                version = git(LINUX, "rev-parse", "series")[:8]
                found.append(judge.Case("kunit", words[0], version=version))
        return found

    def measure(self):
        guest = judge.Guest(TOP, OUT / "results/reach", KERNEL.relative_to(BUILD))
        listed = self.listing(guest)
        known = {case.identity for case in self.cases.values()}
        names = {case.name for case in listed}
        self.cases = {name: case for name, case in self.cases.items() if name in names}
        cases = [case for case in listed if case.identity not in known]
        say(f"     measuring {len(cases)} cases")
        done = 0
        guest.patience = 120
        while done < len(cases):
            lines = [case.line(number, 60) for number, case in enumerate(cases)]
            lines += ["read -r boot < $P/reached", "echo BOOT $boot"]
            lines += [f"measure {number}" for number in range(done, len(cases))]
            for words in guest.run(lines, time.monotonic() + 3600):
                if words[:1] == ["BOOT"]:
                    self.boot |= judge.probes("".join(words[1:]))
                elif words[:1] == ["B"]:
                    self.add(cases[int(words[1])], words)
                    done = int(words[1]) + 1
                elif words[:1] == ["R"]:
                    done = int(words[1])
                elif words[0] in ("crash", "hang", "late"):
                    say(f"     {cases[done].name}: {words[0]} without a mutant, is not used")
                    done += 1
        self.save()

    def add(self, case, words):
        case.status, case.ms = int(words[2]), int(words[3])
        self.cases[case.name] = case
        self.reached[case.name] = judge.probes("".join(words[4:]))

    @functools.cached_property
    def by_probe(self):
        """The cases that pass and reach each probe, the fastest first."""
        found = collections.defaultdict(list)
        for case in sorted(self.cases.values(), key=lambda case: case.ms):
            if case.status == 0:
                for probe in self.reached[case.name]:
                    found[probe].append(case)
        return found

    def of(self, mutant):
        """Return the cases that pass and reach a mutant, the fastest first."""
        return self.by_probe.get(mutant.probe, [])


class Campaign:
    """Judges mutants, and records each result at once."""

    def __init__(self, chosen, builder, reach, deadline, name="judge"):
        self.builder, self.reach, self.deadline = builder, reach, deadline
        self.results = known_results()
        self.chosen = chosen
        self.suspects, self.careful, self.hung = [], set(), set()
        self.argued = set()     # labels of mutants that are not judged
        self.guest = judge.Guest(TOP, OUT / "results" / name, KERNEL.relative_to(BUILD))
        self.killers = collections.defaultdict(collections.Counter)
        by_key = {m.key: m for m in chosen}
        for key, result in self.results.items():
            if key in by_key and result["verdict"] == "killed":
                self.praise(by_key[key], result["by"], result["how"])

    def praise(self, mutant, by, how):
        """Count a case that killed a mutant, for its function and its file. A case that ends at
        its limit is not a fast one."""
        if how.startswith("1 "):
            self.killers[mutant.file, mutant.function][by] += 1
            self.killers[mutant.file][by] += 1

    def record(self, mutant, verdict, by="", how="", passed=()):
        """Record a verdict. "passed" are the cases that did not notice the mutant."""
        result = {"key": mutant.key, "name": mutant.name, "verdict": verdict, "by": by, "how": how,
                  "passed": sorted(passed)}
        self.results[mutant.key] = result
        with open(RESULTS, "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        if verdict == "killed":
            self.praise(mutant, by, how)

    def order(self, mutant):
        """Return the cases for a mutant: those that killed others of the function first, then
        those that killed others of the file, then the fastest case of each program, then the
        second of each, and so on. Cases of programs whose name has words of the path, such as
        nsfs, come earlier."""
        killers, others = self.killers[mutant.file, mutant.function], self.killers[mutant.file]
        cases, rank = [], collections.Counter()
        for case in self.reach.of(mutant):
            near = 1 + 3 * common_words(mutant.file, case.program)
            cases.append((-(10 * killers[case.name] + others[case.name]) / (case.ms + 100),
                          (rank[case.program] + case.ms / 1000) / near, case.ms, case))
            rank[case.program] += 1
        return [entry[-1] for entry in sorted(cases, key=lambda entry: entry[:3])]

    def pending(self, budget, done=()):
        """Yield each mutant that is not judged, and the cases that this pass runs."""
        dropped = self.builder.dropped
        for mutant in self.chosen:
            result = self.results.get(mutant.key, {"verdict": "open"})
            if mutant.key in dropped or mutant.key not in self.builder.built \
                    or mutant.key in done or mutant.label in self.argued \
                    or result["verdict"] == "killed":
                continue
            passed = set(result.get("passed", ()))
            order = self.order(mutant)
            if budget > QUICK:
                order.sort(key=lambda case, mutant=mutant: (not is_strong(case, mutant),
                                                            case.ms * is_strong(case, mutant)))
            cases = [case for case in order if case.identity not in passed]
            if not cases:
                self.end(mutant, result)
                continue
            # The budget is for all passes so far.
            spent, part = sum(case.ms for case in order if case.identity in passed), []
            for case in cases:
                if (passed or part) and spent + case.ms > budget:
                    break
                part.append(case)
                spent += case.ms
            if not part:
                continue
            yield mutant, part

    def end(self, mutant, result):
        """Record that no case is left."""
        verdict = "survived"
        if not self.reach.of(mutant):
            verdict = "boot" if mutant.probe in self.reach.boot else "unreached"
        if result["verdict"] != verdict:
            self.record(mutant, verdict, passed=result.get("passed", ()))

    def run(self):
        for budget in PASSES:
            again = set()
            while time.monotonic() < self.deadline:
                # A suspect is the first of its guest. The others are still pending.
                work, self.suspects = self.suspects[:1], []
                first = {mutant.key for mutant, _ in work}
                work += itertools.islice(self.pending(budget, again | first), PART)
                if not work:
                    break
                self.boot(work, again)
            list(self.pending(budget))
            say(f"     passes of {budget / 1000:.0f} s: {self.summary()}")

    def summary(self):
        verdicts = collections.Counter(self.results[m.key]["verdict"] if m.key in self.results
                                       else "open" for m in self.chosen
                                       if m.key in self.builder.built)
        return ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())

    def boot(self, work, again):
        """Judge a part in one guest, which ends at the first crash."""
        cases = {case.name: number for number, case in enumerate(self.reach.cases.values())}
        used = {case.name for _, part in work for case in part}
        lines = [case.line(cases[name], case.limit()) for name, case in self.reach.cases.items()
                 if name in used]
        known = {str(mutant.number): (mutant, part) for mutant, part in work}
        for mutant, part in work:
            lines += [f"most={1 if mutant.key in self.careful else MOST}",
                      f"judge {mutant.number} " + " ".join(str(cases[c.name]) for c in part)]
        lines.append("settle")
        names = list(cases)
        # What killed the mutants that are not confirmed yet.
        current, case, judged, found = None, "", 0, {}
        self.guest.patience = judge.Guest.patience
        for words in self.guest.run(lines, self.deadline):
            kind = words[0] if words else ""
            if kind == "M":
                current, judged = known[words[1]], judged + 1
            elif kind in ("R", "C"):
                case = names[int(words[1])]
                self.guest.patience = self.reach.cases[case].limit()
            elif kind == "P":
                found[current[0]] = names[int(words[2])], " ".join(words[3:])[:160]
                current = None
            elif kind == "K":
                mutant = known[words[1]][0]
                self.record(mutant, "killed", *found.pop(mutant))
            elif kind == "S":
                mutant, part = known[words[1]]
                self.record(mutant, "open", passed={case.identity for case in part}
                            | set(self.results.get(mutant.key, {}).get("passed", ())))
                again.add(mutant.key)
                current = None
            elif kind == "hang" and current and current[0].key not in self.hung:
                # The machine may be busy: it must hang twice.
                self.hung.add(current[0].key)
                self.suspects.append((current[0], [self.reach.cases[case]]))
                current = None
            elif kind in ("crash", "hang") and current:
                self.record(current[0], "killed", case, kind)
                current = None
            elif kind in ("D", "crash", "hang") and found:
                self.doubt(found, judged, " ".join(words))
            elif kind == "crash":
                say("     the guest ended without a mutant")

    def doubt(self, found, judged, how):
        """A case fails without a mutant as well, from now on. Another mutant may be the cause,
        unless this is the first one in the guest, or the kernel reported an error."""
        for mutant, (case, why) in found.items():
            if judged == 1 or why.startswith(("oops", "warning")):
                self.record(mutant, "killed", case, f"{why}, also afterwards: {how}")
            else:
                self.suspects.append((mutant, [self.reach.cases[case]]))
                self.careful.add(mutant.key)


def is_strong(case, mutant):
    """Return whether a case is one of STRONG for the file of a mutant."""
    return any(fnmatch.fnmatch(mutant.file, files) and fnmatch.fnmatch(case.name, name)
               for files, name in STRONG.items())


@functools.cache
def common_words(file, program):
    """Return how many words that say what is tested are in both names."""
    return len((set(re.split(r"\W|_", file)) - COMMON_WORDS) & set(re.split(r"\W|_", program)))


def known_results():
    """Return the results of this machine, and what earlier runs have recorded."""
    return read_passed() | read_results(JUDGED) | read_results(RESULTS)


def read_passed():
    """Return an open result for each mutant of PASSED, which contains a list of cases, and for
    each mutant a number whose bits are indices in the list."""
    if not PASSED.exists():
        return {}
    data = json.loads(PASSED.read_text())
    return {key: {"key": key, "verdict": "open", "by": "", "how": "", "passed": [
                case for index, case in enumerate(data["cases"]) if int(bits, 16) >> index & 1]}
            for key, bits in data["mutants"].items()}


def write_passed(passed):
    """Write the cases that each mutant has passed, by the key of the mutant."""
    cases = sorted(set(itertools.chain.from_iterable(passed.values())))
    index = {case: 1 << place for place, case in enumerate(cases)}
    mutants = {key: f"{sum(index[case] for case in names):x}" for key, names in passed.items()}
    PASSED.write_text(json.dumps({"cases": cases, "mutants": mutants}, indent=0) + "\n")


def read_results(path):
    """Return the last result of each mutant by its key. A line without a verdict is that of a
    killed one."""
    results = {}
    if path.exists():
        for line in path.read_text().splitlines():
            result = {"verdict": "killed", "how": "1 earlier run", **json.loads(line)}
            results[result["key"]] = result
    return results
