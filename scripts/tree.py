#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Keep build/linux and the overlay in step.

The repository contains each new file in its final state (the overlay), and
series/THREAD/NNNN-slug.patch: a commit message, the names of the new files that
the patch adds, and hunks on files that exist before it.  A thread is what is
sent as one mail thread.  build/linux contains the same as a git tree: one commit
for the base, then one for each patch of each thread, in order.

  tree.py tree      overlay + series -> build/linux
  tree.py import    build/linux -> overlay + series
  tree.py saved     fail if build/linux contains work that the overlay lacks

An imported commit stays in the thread of the patch with its subject.  Another
commit joins the thread of the commit before it, or the thread that a line
"Thread: NAME" of its message names.
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
BRANCH = "series"
BASE = "base"
THREADS = "thread/"
NEW_FILE = "New-file: "
NEW_FILES = re.compile(r"(?m)^New-file: .*\n?")
THREAD = re.compile(r"(?m)^Thread: ([0-9]{2}-[a-z0-9_-]+)\n?")
# Entries at the top of the repository that are not part of the kernel.
DRIVER = {".ci", ".dockerignore", ".gitignore", "Containerfile", "COPYING", "Makefile", "README.md",
          "build", "configs", "scripts", "series"}


DIFF = re.compile(r"diff --git a/(\S+) b/")


class Failure(Exception):
    """An error to report to the user. Nothing was changed."""


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
    """One file of a thread: message, names of new files, hunks."""

    def __init__(self, path):
        self.path = path
        self.name = str(path.relative_to(SERIES.parent))
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
        """Apply the hunks on files that `only` accepts. Return the error of git, or None."""
        files = re.split(r"(?m)^(?=diff --git )", self.hunks)
        hunks = "".join(text for text in files if (match := DIFF.match(text)) and only(match[1]))
        if not hunks:
            return None
        run = git("apply", "--cached", *flags, index=index, data=hunks.encode(), check=False)
        return run.stderr.decode().strip() if run.returncode else None


def threads():
    """Return the directory of each thread, in the order of the series."""
    return sorted(path for path in SERIES.glob("[0-9][0-9]-*") if path.is_dir())


def load_thread(thread):
    return [Patch(path) for path in sorted(thread.glob("[0-9][0-9][0-9][0-9]-*.patch"))]


def load_series():
    patches = [patch for thread in threads() for patch in load_thread(thread)]
    if not patches:
        raise Failure(f"{SERIES} contains no patches")
    return patches


def overlay_files():
    """Return all overlay files, tracked or untracked, that git does not ignore."""
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
                raise Failure(f"{name} is new in both {owner[name]} and {patch.name}")
            owner[name] = patch.name
            if name not in overlay:
                raise Failure(f"{patch.name} names {name}, which is not in the overlay")
    for name in overlay:
        if name not in owner:
            raise Failure(f"no patch in series/ carries {name}: "
                          f"add '{NEW_FILE}{name}' to the one that does")


def errors(complaint):
    lines = [line for line in complaint.splitlines() if line.startswith("error:")]
    return "\n  ".join(lines or [complaint])


def does_not_apply(patch, complaint):
    return (f"{patch.name} does not apply to the base:\n  {errors(complaint)}\n"
            f"Edit its hunks, or resolve the conflict in build/linux of a base "
            f"that it applies to and run `make import`.")


def overlaps(patch, patches, complaint):
    """Report an edit of an overlay file in a place that a later patch changes."""
    names = set(re.findall(r"(?m)^error: (?:patch failed: )?([^:\n]+):", complaint))
    owners = {name: owner.name for owner in patches for name in owner.new_files if name in names}
    if not owners:
        return does_not_apply(patch, complaint)
    return "\n".join(
        [*(f"{name} was edited where a later patch changes it:" for name in owners),
         *(f"  {owner} adds {name},\n  {patch.name} changes it" for name, owner in owners.items()),
         f"  {errors(complaint)}",
         "The overlay has the file as it is after both. Adapt the context of that hunk, or undo the "
         "edit, run `make tree`, commit the change in build/linux and run `make import`."])


def final_tree(patches, overlay, index):
    """Create an index: the base, the hunks on its files, and the overlay."""
    git("read-tree", BASE, index=index)
    for patch in patches:
        complaint = patch.apply(index, only=lambda name: name not in overlay)
        if complaint:
            raise Failure(does_not_apply(patch, complaint))
    if known := out("ls-tree", "-r", "--name-only", BASE, "--", *overlay):
        raise Failure(f"the base has {known}: a change to it belongs in series/")
    paths = "\n".join(str(TOP / name) for name in overlay)
    blobs = out("hash-object", "-w", "--stdin-paths", data=paths.encode()).split()
    modes = ["100755" if os.access(TOP / name, os.X_OK) else "100644" for name in overlay]
    entries = "".join(f"{mode} {blob}\t{name}\n"
                      for mode, blob, name in zip(modes, blobs, overlay))
    git("update-index", "--index-info", index=index, data=entries.encode())


def intermediate_trees(patches, index):
    """Remove the patches one by one. Return the tree after each patch, first to last."""
    trees = []
    for patch in reversed(patches):
        trees.append(out("write-tree", index=index))
        complaint = patch.apply(index, "-R")
        if complaint:
            raise Failure(overlaps(patch, patches, complaint))
        if patch.new_files:
            git("update-index", "--force-remove", "-z", "--stdin", index=index,
                data="\0".join(patch.new_files).encode())
    if out("write-tree", index=index) != out("rev-parse", BASE + "^{tree}"):
        raise Failure("taking every patch off the final tree does not give the base: "
                      "two patches claim the same change")
    return list(reversed(trees))


def identity():
    """Return author and dates that only depend on the base, so that commits are reproducible."""
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
    commits = [out("rev-parse", BASE)]
    for patch, tree in zip(patches, trees):
        commits.append(out("commit-tree", tree, "-p", commits[-1], "-F", "-",
                           data=patch.message.encode()))
    return commits[1:]


def name_threads(patches, commits):
    """Create a branch for the last commit of each thread."""
    last = {patch.path.parent.name: commit for patch, commit in zip(patches, commits)}
    for name in out("for-each-ref", "--format=%(refname:short)", f"refs/heads/{THREADS}").split():
        if name[len(THREADS):] not in last:
            git("branch", "-D", name)
    for name, commit in last.items():
        git("branch", "-f", THREADS + name, commit)


def materialised():
    """Return the last commit that is also in the overlay."""
    made = git("rev-parse", "-q", "--verify", "refs/heads/materialised", check=False)
    return made.stdout.decode().strip() or out("rev-parse", BASE)


def refuse_unsaved():
    """Fail if build/linux contains work that would be overwritten."""
    dirty = out("status", "--porcelain", "--untracked-files=no")
    if dirty:
        raise Failure(f"{LINUX} has uncommitted changes:\n{dirty}\n"
                      "Commit them there and run `make import`, or `git checkout .` there.")
    if out("rev-parse", "HEAD") != materialised():
        raise Failure(f"{LINUX} has commits that the overlay does not: run `make import`, "
                      "or `git reset --hard materialised` there to drop them.")


def inputs(patches, overlay):
    """Return a hash of all inputs of the tree."""
    digest = hashlib.sha256(out("rev-parse", BASE).encode())
    digest.update(os.environ.get("SIGNOFF", "").encode())
    for path in [Path(__file__), *(p.path for p in patches), *(TOP / name for name in overlay)]:
        digest.update(f"{path} {os.access(path, os.X_OK)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def cmd_saved():
    """Fail if build/linux contains any work that would be lost with the repository."""
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
    commits = commit_chain(patches, trees)
    tip = commits[-1]
    # Only write files that differ, so that the others keep their timestamps.
    git("checkout", "-q", "-B", BRANCH, tip)
    git("branch", "-f", "materialised", tip)
    name_threads(patches, commits)
    stamp.write_text(wanted)
    version = out("describe", "--tags", "--always", BASE)
    print(f"{LINUX}: {len(patches)} patches in {len(threads())} threads on {version}")


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
    by_subject = {p.message.split("\n")[0]: p.path for p in old_series}
    files, new_in_series, numbers = {}, set(), {}
    thread = old_series[0].path.parent.name
    for commit in commits:
        message = out("log", "-1", "--format=%B", commit)
        changes = [line.split("\t") for line in
                   out("diff-tree", "-r", "--no-renames", "--name-status", f"{commit}^", commit).split("\n")]
        added = [name for status, name in changes if status == "A"]
        rest = [name for status, name in changes if status != "A"]
        new_in_series.update(added)
        hunks = git("diff-tree", "-p", "--no-renames", "--abbrev=12",
                    f"{commit}^", commit, "--", *rest).stdout.decode() if rest else ""
        subject = message.split("\n")[0]
        old = by_subject.get(subject)
        named = THREAD.search(message)
        before, thread = thread, named[1] if named else old.parent.name if old else thread
        if thread < before:
            raise Failure(f"'{subject}' belongs to {thread}, but follows a patch of {before}")
        numbers[thread] = numbers.get(thread, 0) + 1
        name = f"{thread}/{numbers[thread]:04d}-{old.stem[5:] if old else slug(subject)}.patch"
        files[name] = Patch.format(NEW_FILES.sub("", THREAD.sub("", message)), added, hunks)
    overlay = {name: out("ls-tree", "HEAD", "--", name).split()[:3]
               for name in sorted(new_in_series)}
    write_import(files, {n: e for n, e in overlay.items() if e},
                 {name for patch in old_series for name in patch.new_files})
    git("branch", "-f", "materialised", "HEAD")
    name_threads(load_series(), commits)
    print(f"imported {len(commits)} patches in {len(threads())} threads, {len(overlay)} new files")


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
    for patch in load_series():
        patch.path.unlink()
    for name, text in series.items():
        (SERIES / name).parent.mkdir(exist_ok=True)
        (SERIES / name).write_text(text)


def main():
    commands = {"tree": cmd_tree, "import": cmd_import, "saved": cmd_saved}
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=commands)
    try:
        commands[parser.parse_args().command]()
    except Failure as failure:
        sys.exit(f"tree: {failure}")


if __name__ == "__main__":
    main()
