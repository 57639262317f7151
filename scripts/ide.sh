#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Describe the sources of a flavour to editors: ide.sh FLAVOUR
# rust-analyzer and clangd find both files in build/linux, where git ignores them.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

OUT=$BUILD/$1

rust_project()
{
	"$TOP/scripts/build.sh" "$1" rust-analyzer
	mv "$OUT/rust-project.json" "$LINUX/rust-project.json"
}

# clangd may not know an option of the compiler's wrapper, but it knows clang.
compile_commands()
{
	"$LINUX/scripts/clang-tools/gen_compile_commands.py" -d "$OUT" -o "$LINUX/compile_commands.json"
}

step "$1: rust-project.json" rust_project "$1"
step "$1: compile_commands.json" compile_commands
