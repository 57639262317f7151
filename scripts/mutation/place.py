# SPDX-License-Identifier: GPL-2.0
"""Where the mutants are built, and git in these trees."""

import os
import subprocess
from pathlib import Path

from lib import BUILD, TOP, setting

LINUX = Path(setting("LINUX"))
# A kernel of the flavour rust does not call the C functions that Rust replaces. Their mutants
# are in a kernel of the flavour c, and all others in one of the flavour rust.
FLAVOUR = os.environ.get("MUTANTS_FLAVOUR", "rust")
TWINS = {"fs/fhandle.c", "fs/nsfs.c", "fs/pidfs.c"}
RESULTS = BUILD / "mutants/results.jsonl"
OUT = BUILD / "mutants" / ("" if FLAVOUR == "rust" else FLAVOUR)
TREE = OUT / "linux"
KERNEL = OUT / "kernel"
TOOL = Path(setting("CACHE")) / "cargo-mutants-27.1.0/bin/cargo-mutants"
HERE = TOP / "scripts/mutation"


def git(tree, *arguments):
    return subprocess.run(["git", "-C", tree, *arguments], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
