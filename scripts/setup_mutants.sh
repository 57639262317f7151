#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Install cargo-mutants, which lists the mutants of the Rust code, into the cache.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

VERSION=27.1.0
TOOL=$CACHE/cargo-mutants-$VERSION

[ "$ARCH" = x86_64 ] || die "the mutants are judged on x86_64 only"
[ ! -x "$TOOL/bin/cargo-mutants" ] || exit 0
command -v cargo > /dev/null ||
	die "cargo is missing (Debian package: cargo); it builds cargo-mutants $VERSION"
# The program only lists mutants, which takes seconds.
build()
{
	rm -rf "$TOOL.tmp"
	CARGO_HOME=$CACHE/cargo CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install --locked \
		cargo-mutants --version "$VERSION" --root "$TOOL.tmp"
	mv "$TOOL.tmp" "$TOOL"
}
step "build cargo-mutants $VERSION" build
