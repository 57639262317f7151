#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Write the mails of each thread to build/series.

  series.py [--thread THREAD] [--version N]

For each thread, writes a directory with the output of `git format-patch` and the cover
letter, and a mailbox with the same mails.  The first line of
series/THREAD/cover-letter.txt is the subject.  If it starts with "[RFC]", all mails of
the thread have the prefix RFC.
"""

import argparse
import os
import re
import shutil
import sys

from tree import BASE, LINUX, SERIES, THREADS, Failure, git, identity, out, threads

TARGET = LINUX.parent / "series"


def base_options():
    """Return --base if the base commit exists elsewhere. Otherwise text describes the base."""
    origin = LINUX / ".git/origin"
    exists = origin.exists() and origin.read_text().startswith("git ")
    return ["--base", BASE] if exists else []


def base_in_words():
    described = LINUX / ".git/base-description"
    return described.read_text().strip() if described.exists() else out("describe", "--tags", BASE)


def cover_letter(thread, options):
    """Return the prefix of the subjects, and the text of the cover letter."""
    path = thread / "cover-letter.txt"
    if not path.exists():
        raise Failure(f"{path.relative_to(SERIES.parent)} does not exist")
    text = path.read_text()
    prefix = "PATCH"
    if marked := re.match(r"\[RFC\]\s*", text):
        prefix, text = "RFC PATCH", text[marked.end():]
    if not options:
        text = f"{text.rstrip()}\n\nBase: {base_in_words()}\n"
    return prefix, text


def write_thread(thread, before, version):
    name = thread.name
    options = base_options()
    prefix, text = cover_letter(thread, options)
    target = TARGET / name
    target.mkdir(parents=True)
    git("config", f"branch.{THREADS}{name}.description", text)
    args = ["format-patch", "-q", "--cover-letter", "--cover-from-description=subject",
            f"--subject-prefix={prefix}", *options, "-o", str(target)]
    if version > 1:
        args.append(f"-v{version}")
    identity()
    if os.environ.get("SIGNOFF"):
        args.append("--signoff")
    git(*args, f"{before}..{THREADS}{name}")
    mails = sorted(target.glob("*.patch"))
    (TARGET / f"{name}.mbox").write_text("".join(mail.read_text() for mail in mails))
    print(f"{target.relative_to(LINUX.parent.parent)}: {len(mails) - 1} patches, and {name}.mbox")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thread", help="one thread (default: all)")
    parser.add_argument("--version", type=int, default=1, help="the version of the mails")
    arguments = parser.parse_args()
    names = [thread.name for thread in threads()]
    if arguments.thread and arguments.thread not in names:
        raise Failure(f"there is no thread '{arguments.thread}'; there are: {' '.join(names)}")
    shutil.rmtree(TARGET, ignore_errors=True)
    before = BASE
    for thread in threads():
        if arguments.thread in (None, "", thread.name):
            write_thread(thread, before, arguments.version)
        before = THREADS + thread.name


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"series: error: {failure}")
