# SPDX-License-Identifier: GPL-2.0
"""Write the results of test.py as JUnit XML or as JSON, for CI systems.

A <testsuite> is one program, or the KUnit tests of a boot, on one flavour.  Its name is
FLAVOUR.COLLECTION:PROGRAM, and that of a case does not depend on the run, so that a CI
system can follow each case over time.  A case that passed when it was tried again is a
pass with a <system-out>.
"""

import json
import os
import re
import xml.etree.ElementTree as ET
from datetime import datetime, timezone

# XML 1.0 has no escape for the other control characters, which a console may print.
INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FLAKY = "failed, and passed when tried again"


def clean(text):
    return INVALID.sub("\N{REPLACEMENT CHARACTER}", text)


def stable(suite):
    """The name of a suite, without the number of its parts."""
    return re.sub(r" \(\d+ suites\)$", "", suite.name)


def cases_of(suite):
    """Each case with its result, and the lines that explain it."""
    for case in suite.passes:
        yield case, "pass", [FLAKY] if case in suite.flaky else []
    for case, why in suite.skips.items():
        yield case, "skip", [why or "no reason given"]
    for case, lines in suite.failures.items():
        yield case, "fail", list(lines)


def comparison(programs, differ):
    """The comparison of c and rust: a case a program, with its result."""
    for name in sorted(programs):
        if name in differ:
            yield name, "fail", ["the results of c and rust differ"]
        else:
            yield name, "pass", []


def collect(results, programs=(), differ=()):
    """Everything as (flavour, suite, cases)."""
    every = [(flavour, stable(suite), list(cases_of(suite)))
             for flavour, suites in results.items() for suite in suites]
    if programs:
        every.append(("compare", "c and rust", list(comparison(programs, differ))))
    return every


def count(cases):
    how = [result for _, result, _ in cases]
    return {"tests": len(how), "failures": how.count("fail"), "errors": 0,
            "skipped": how.count("skip")}


def attributes(numbers):
    return {name: str(number) for name, number in numbers.items()}


def add_case(parent, classname, case):
    name, result, why = case
    element = ET.SubElement(parent, "testcase", classname=clean(classname), name=clean(name))
    if result == "skip":
        ET.SubElement(element, "skipped", message=clean(why[0]))
    elif result == "fail":
        failure = ET.SubElement(element, "failure", type="failure",
                                message=clean(why[-1] if why else "failed"))
        failure.text = clean("\n".join(why))
    elif why:
        ET.SubElement(element, "system-out").text = clean("\n".join(why))


def junit(every, properties, now):
    """The <testsuites> element."""
    total = count([case for _, _, cases in every for case in cases])
    # The schema of Jenkins has the other attributes of <testsuite> here, but not this one.
    del total["skipped"]
    root = ET.Element("testsuites", name="linux-file-handles", **attributes(total))
    for flavour, name, cases in every:
        full = f"{flavour}.{name}"
        suite = ET.SubElement(root, "testsuite", name=clean(full), timestamp=now,
                              hostname="localhost", **attributes(count(cases)))
        listed = ET.SubElement(suite, "properties")
        for key, value in {"flavour": flavour, **properties}.items():
            ET.SubElement(listed, "property", name=key, value=clean(value))
        for case in cases:
            add_case(suite, full, case)
    return root


def write_junit(path, every, properties):
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    root = junit(every, properties, now)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def write_json(path, every, properties):
    tests = [{"flavour": flavour, "suite": name, "case": case, "result": result, "log": why}
             for flavour, name, cases in every for case, result, why in cases]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**properties, "tests": tests}, file, indent=1)
        file.write("\n")


WRITERS = {"junit": write_junit, "json": write_json}


def add_arguments(parser):
    for form in WRITERS:
        parser.add_argument(f"--{form}", metavar="FILE", default="")


def check_arguments(parser, args):
    """Fail before the guests boot, and not after them. A run that is interrupted leaves no
    file, and in particular not that of an earlier run."""
    for form in WRITERS:
        if path := getattr(args, form):
            try:
                with open(path, "w", encoding="utf-8"):
                    os.unlink(path)
            except OSError as error:
                parser.error(f"{path}: {error.strerror}")


def write(args, results, programs, differ, properties):
    every = collect(results, programs, differ)
    for form, writer in WRITERS.items():
        if path := getattr(args, form):
            writer(path, every, properties)
