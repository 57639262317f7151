# SPDX-License-Identifier: GPL-2.0
"""Where the mutants are built, and git in these trees."""

import os
import subprocess
from pathlib import Path

from lib import BUILD, TOP, setting

LINUX = Path(setting("LINUX"))
OUT = BUILD / "mutants"
# The directories of another build whose copies may be used: then, only files with mutants
# are compiled.
TREE = Path(os.environ.get("MUTANTS_TREE", OUT / "linux"))
KERNEL = Path(os.environ.get("MUTANTS_KERNEL", OUT / "rust"))
TOOL = Path(setting("CACHE")) / "cargo-mutants-27.1.0/bin/cargo-mutants"
HERE = TOP / "scripts/mutation"


def git(tree, *arguments):
    return subprocess.run(["git", "-C", tree, *arguments], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
