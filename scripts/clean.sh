#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Remove build products: clean.sh [all]
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if [ "${1:-}" = all ]; then
	if [ -d "$LINUX" ] && ! "$TOP/scripts/tree.py" saved; then
		die "build/linux holds work that is not in the overlay: run 'make import', drop the work, or remove build/ by hand"
	fi
	rm -rf "$TOP/build"
	exit
fi
for entry in "$BUILD"/*; do
	[ "$entry" = "$LINUX" ] || rm -rf "$entry"
done
