#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Keep build/linux and the overlay in step.

The repository holds the series as files in their final state (the overlay)
and series/NNNN-slug.patch: a commit message, the names of the new files that
the patch carries, and hunks on files that exist before it.  build/linux holds
the same thing as a git tree: the base as one commit, then one commit a patch.

  tree.py tree      overlay + series -> build/linux
  tree.py import    build/linux -> overlay + series
  tree.py series    git format-patch with a cover letter into build/series
  tree.py saved     fail if build/linux holds what the overlay does not
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LINUX = Path(os.environ.get("LINUX", TOP / "build/linux"))
SERIES = TOP / "series"
COVER = SERIES / "cover-letter.txt"
BRANCH = "series"
BASE = "base"
NEW_FILE = "New-file: "
# What at the top of the repository is the driver's and not the kernel's.
DRIVER = {".ci", ".dockerignore", ".gitignore", "Containerfile", "COPYING", "Makefile", "README.md",
          "build", "configs", "scripts", "series"}


DIFF = re.compile(r"diff --git a/(\S+) b/")


class Failure(Exception):
    """A message for the user; nothing has been changed."""


def git(*args, index=None, data=None, check=True, cwd=None):
    env = dict(os.environ, GIT_CONFIG_NOSYSTEM="1")
    if index:
        env["GIT_INDEX_FILE"] = str(index)
    run = subprocess.run(["git", "-C", str(cwd or LINUX), *args], env=env,
                         input=data, capture_output=True, check=False)
    if check and run.returncode:
        raise Failure(f"git {args[0]}: {run.stderr.decode().strip()}")
    return run


def out(*args, **kwargs):
    return git(*args, **kwargs).stdout.decode().rstrip("\n")


class Patch:
    """One file of series/: message, names of new files, hunks."""

    def __init__(self, path):
        self.path = path
        text = path.read_text()
        head, _, self.hunks = text.partition("\n---\n")
        lines = head.rstrip("\n").split("\n")
        self.new_files = [line[len(NEW_FILE):] for line in lines
                          if line.startswith(NEW_FILE)]
        self.message = "\n".join(line for line in lines
                                 if not line.startswith(NEW_FILE)).strip() + "\n"

    @staticmethod
    def format(message, new_files, hunks):
        parts = [message.strip(), ""]
        if new_files:
            parts += [NEW_FILE + name for name in new_files]
        return "\n".join(parts).rstrip("\n") + "\n---\n" + hunks

    def apply(self, index, *flags, only=lambda name: True):
        """Apply the hunks on files that `only` picks; returns git's complaint, or None."""
        files = re.split(r"(?m)^(?=diff --git )", self.hunks)
        hunks = "".join(text for text in files if (match := DIFF.match(text)) and only(match[1]))
        if not hunks:
            return None
        run = git("apply", "--cached", *flags, index=index, data=hunks.encode(), check=False)
        return run.stderr.decode().strip() if run.returncode else None


def load_series():
    paths = sorted(SERIES.glob("[0-9][0-9][0-9][0-9]-*.patch"))
    if not paths:
        raise Failure(f"{SERIES} holds no patches")
    return [Patch(path) for path in paths]


def overlay_files():
    """Every overlay file, tracked or not yet, that git does not ignore."""
    names = out("ls-files", "-z", "--cached", "--others", "--exclude-standard",
                cwd=TOP).split("\0")
    return sorted(name for name in names
                  if name and name.split("/")[0] not in DRIVER
                  and (TOP / name).exists())


def check_owners(patches, overlay):
    owner = {}
    for patch in patches:
        for name in patch.new_files:
            if name in owner:
                raise Failure(f"{name} is new in both {owner[name]} and {patch.path.name}")
            owner[name] = patch.path.name
            if name not in overlay:
                raise Failure(f"{patch.path.name} names {name}, which is not in the overlay")
    for name in overlay:
        if name not in owner:
            raise Failure(f"no patch in series/ carries {name}: "
                          f"add '{NEW_FILE}{name}' to the one that does")


def describe(patch, complaint):
    lines = [line for line in complaint.splitlines() if line.startswith("error:")]
    detail = "\n  ".join(lines or [complaint])
    return (f"series/{patch.path.name} no longer applies to the base:\n  {detail}\n"
            f"Refresh that patch: edit its hunks, or fix it in build/linux of a base "
            f"it applies to and run `make import`.")


def final_tree(patches, overlay, index):
    """The base + every hunk on its files + the overlay, as an index."""
    git("read-tree", BASE, index=index)
    for patch in patches:
        complaint = patch.apply(index, only=lambda name: name not in overlay)
        if complaint:
            raise Failure(describe(patch, complaint))
    if known := out("ls-tree", "-r", "--name-only", BASE, "--", *overlay):
        raise Failure(f"the base has {known}: a change to it belongs in series/")
    paths = "\n".join(str(TOP / name) for name in overlay)
    blobs = out("hash-object", "-w", "--stdin-paths", data=paths.encode()).split()
    modes = ["100755" if os.access(TOP / name, os.X_OK) else "100644" for name in overlay]
    entries = "".join(f"{mode} {blob}\t{name}\n"
                      for mode, blob, name in zip(modes, blobs, overlay))
    git("update-index", "--index-info", index=index, data=entries.encode())


def intermediate_trees(patches, index):
    """Take the patches off one by one; the trees after each, first to last."""
    trees = []
    for patch in reversed(patches):
        trees.append(out("write-tree", index=index))
        complaint = patch.apply(index, "-R")
        if complaint:
            raise Failure(describe(patch, complaint))
        if patch.new_files:
            git("update-index", "--force-remove", "-z", "--stdin", index=index,
                data="\0".join(patch.new_files).encode())
    if out("write-tree", index=index) != out("rev-parse", BASE + "^{tree}"):
        raise Failure("taking every patch off the final tree does not give the base: "
                      "two patches claim the same change")
    return list(reversed(trees))


def identity():
    """Author and dates that depend on the base alone: equal input, equal commits."""
    date = out("log", "-1", "--format=%cI", BASE)
    given = os.environ.get("SIGNOFF", "")
    signoff = re.fullmatch(r"\s*(.+?)\s*<(.+)>\s*", given)
    if given and not signoff:
        raise Failure(f"SIGNOFF='{given}' is not of the form 'Name <mail>'")
    name, mail = signoff.groups() if signoff else ("Linux file handles", "series@localhost")
    for who in ("AUTHOR", "COMMITTER"):
        os.environ[f"GIT_{who}_NAME"] = name
        os.environ[f"GIT_{who}_EMAIL"] = mail
        os.environ[f"GIT_{who}_DATE"] = date


def commit_chain(patches, trees):
    parent = out("rev-parse", BASE)
    for patch, tree in zip(patches, trees):
        parent = out("commit-tree", tree, "-p", parent, "-F", "-",
                     data=patch.message.encode())
    return parent


def materialised():
    """The last commit that the overlay has, too."""
    made = git("rev-parse", "-q", "--verify", "refs/heads/materialised", check=False)
    return made.stdout.decode().strip() or out("rev-parse", BASE)


def refuse_unsaved():
    """Never overwrite work that is only in build/linux."""
    dirty = out("status", "--porcelain", "--untracked-files=no")
    if dirty:
        raise Failure(f"{LINUX} has uncommitted changes:\n{dirty}\n"
                      "Commit them there and run `make import`, or `git checkout .` there.")
    if out("rev-parse", "HEAD") != materialised():
        raise Failure(f"{LINUX} has commits that the overlay does not: run `make import`, "
                      "or `git reset --hard materialised` there to drop them.")


def inputs(patches, overlay):
    """One hash of all that the tree is made of."""
    digest = hashlib.sha256(out("rev-parse", BASE).encode())
    digest.update(os.environ.get("SIGNOFF", "").encode())
    for path in [Path(__file__), *(p.path for p in patches), *(TOP / name for name in overlay)]:
        digest.update(f"{path} {os.access(path, os.X_OK)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def cmd_saved():
    """More than what `make tree` would overwrite: all that goes with the repository."""
    refuse_unsaved()
    for what, names in {
            "untracked files": out("ls-files", "--others", "--exclude-standard"),
            "commits on other branches": out("log", "--oneline", "--decorate", "--branches",
                                             "--not", materialised(), BASE),
            "stashes": out("stash", "list")}.items():
        if names:
            raise Failure(f"{LINUX} has {what}:\n{names}")


def cmd_tree():
    if git("rev-parse", "-q", "--verify", BASE, check=False).returncode:
        raise Failure(f"{LINUX} has no base: run `make source`")
    refuse_unsaved()
    patches, overlay = load_series(), overlay_files()
    check_owners(patches, overlay)
    stamp, wanted = LINUX / ".git/series-inputs", inputs(patches, overlay)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    identity()
    with tempfile.TemporaryDirectory(dir=LINUX / ".git") as tmp:
        index = Path(tmp) / "index"
        final_tree(patches, overlay, index)
        trees = intermediate_trees(patches, index)
    tip = commit_chain(patches, trees)
    # Moves only the files that differ, so the others keep their timestamps.
    git("checkout", "-q", "-B", BRANCH, tip)
    git("branch", "-f", "materialised", tip)
    stamp.write_text(wanted)
    version = out("describe", "--tags", "--always", BASE)
    print(f"{LINUX}: {len(patches)} patches on {version}")


def slug(subject):
    words = re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")
    return words[:48].rstrip("-")


def cmd_import():
    if out("status", "--porcelain", "--untracked-files=no"):
        raise Failure(f"{LINUX} has uncommitted changes: commit them first "
                      "(git commit --fixup and git rebase --autosquash fold them into a patch)")
    commits = out("rev-list", "--reverse", f"{BASE}..HEAD").split()
    if not commits:
        raise Failure(f"{LINUX} has no commits on top of {BASE}")
    if out("rev-list", "--merges", f"{BASE}..HEAD"):
        raise Failure("the series has a merge commit; rebase it first")
    old_series = load_series()
    by_subject = {p.message.split("\n")[0]: p.path.name for p in old_series}
    files, new_in_series = {}, set()
    for number, commit in enumerate(commits, 1):
        message = out("log", "-1", "--format=%B", commit)
        changes = [line.split("\t") for line in
                   out("diff-tree", "-r", "--no-renames", "--name-status", f"{commit}^", commit).split("\n")]
        added = [name for status, name in changes if status == "A"]
        rest = [name for status, name in changes if status != "A"]
        new_in_series.update(added)
        hunks = git("diff-tree", "-p", "--no-renames", "--abbrev=12",
                    f"{commit}^", commit, "--", *rest).stdout.decode() if rest else ""
        subject = message.split("\n")[0]
        old = by_subject.get(subject, "")
        name = f"{number:04d}-{old[5:-6] if old else slug(subject)}.patch"
        files[name] = Patch.format(message, added, hunks)
    overlay = {name: out("ls-tree", "HEAD", "--", name).split()[:3]
               for name in sorted(new_in_series)}
    write_import(files, {n: e for n, e in overlay.items() if e},
                 {name for patch in old_series for name in patch.new_files})
    git("branch", "-f", "materialised", "HEAD")
    print(f"imported {len(commits)} patches, {len(overlay)} new files")


def write_import(series, overlay, before):
    for name in before - set(overlay):
        (TOP / name).unlink(missing_ok=True)
    for name, (mode, _, blob) in overlay.items():
        path = TOP / name
        data = git("cat-file", "blob", blob).stdout
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)
        path.chmod(0o755 if mode == "100755" else 0o644)
    for path in SERIES.glob("[0-9][0-9][0-9][0-9]-*.patch"):
        if path.name not in series:
            path.unlink()
    for name, text in series.items():
        (SERIES / name).write_text(text)


def cmd_series():
    target = LINUX.parent / "series"
    target.mkdir(exist_ok=True)
    for old in target.glob("*.patch"):
        old.unlink()
    git("config", f"branch.{BRANCH}.description", COVER.read_text())
    args = ["format-patch", "-q", "--cover-letter", "--cover-from-description=subject",
            "--base", BASE, "-o", str(target)]
    if os.environ.get("SIGNOFF"):
        identity()
        args.append("--signoff")
    git(*args, f"{BASE}..{BRANCH}")
    for path in sorted(target.glob("*.patch")):
        print(path)


def main():
    commands = {"tree": cmd_tree, "import": cmd_import, "series": cmd_series,
                "saved": cmd_saved}
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=commands)
    try:
        commands[parser.parse_args().command]()
    except Failure as failure:
        sys.exit(f"tree: {failure}")


if __name__ == "__main__":
    main()
