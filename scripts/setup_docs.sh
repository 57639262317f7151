#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Install what the documents are built with: Graphviz from the system's
# packages, and Sphinx in a Python environment in the cache. No toolchain.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

REQUIREMENTS=$TOP/scripts/requirements/sphinx.txt
VENV=$CACHE/sphinx

missing_packages()
{
	command -v dot > /dev/null || echo graphviz
	python3 -c 'import ensurepip' 2> /dev/null || echo python3-venv
}

install_packages()
{
	local root=()
	[ "$(id -u)" -eq 0 ] || root=(sudo -n)
	"${root[@]}" apt-get update -q
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends "$@"
}

install_sphinx()
{
	rm -rf "$VENV"
	python3 -m venv "$VENV"
	"$VENV/bin/pip" install -q --disable-pip-version-check -r "$REQUIREMENTS"
	cp "$REQUIREMENTS" "$VENV/"
}

mapfile -t packages < <(missing_packages)
if [ ${#packages[@]} -gt 0 ]; then
	command -v apt-get > /dev/null ||
		die "this is not Debian, so install these first: dot (Graphviz), and python3 with venv and pip"
	step "install ${packages[*]}" install_packages "${packages[@]}"
fi

# The environment is complete if it has a copy of these requirements, and its
# interpreter still exists.
if ! cmp -s "$REQUIREMENTS" "$VENV/$(basename "$REQUIREMENTS")" ||
	! "$VENV/bin/python3" -c 'import sphinx' 2> /dev/null; then
	step "install Sphinx" install_sphinx
fi
