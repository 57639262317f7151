#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Build the documents of this series as HTML with the Sphinx configuration of
# build/linux. Fails if Sphinx or the reference check has a warning about a file
# of this repository.
#
#   docs.sh          the directories that contain our documents; takes seconds
#   docs.sh all      all of Documentation/filesystems, which links to them
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

HTML=$TOP/build/docs
WARNINGS=$LOGS/docs-warnings.log

case ${1:-} in
"") DIRS="filesystems/file-handles filesystems/fuse" ;;
all) DIRS=filesystems ;;
*) die "usage: docs.sh [all]" ;;
esac

# What names a file of this series in a warning: new files, files below
# Documentation that a patch changes, and our directory as a target.
our_files()
{
	(cd "$TOP" && git ls-files --cached --others --exclude-standard \
		Documentation fs io_uring rust samples tools)
	echo Documentation/filesystems/file-handles
	sed -n 's,^+++ b/\(Documentation/.*\),\1,p' "$TOP"/series/*.patch "$TOP"/series/*/*.patch \
		2> /dev/null || true
}

sphinx()
{
	# -E: Sphinx does not repeat the warnings of a document that has not changed.
	PATH=$CACHE/sphinx/bin:$PATH make -s -C "$LINUX" htmldocs SPHINXOPTS=-E \
		SPHINXDIRS="$DIRS" BUILDDIR="$HTML" PYTHON3="$CACHE/sphinx/bin/python3"
}

check_references() { cd "$LINUX" && tools/docs/documentation-file-ref-check; }

step "build the documents" sphinx
step "check the references to documents" check_references

cat "$LOGS/build-the-documents.log" "$LOGS/check-the-references-to-documents.log" |
	grep -F -f <(our_files) > "$WARNINGS" || true
if [ -s "$WARNINGS" ]; then
	cat "$WARNINGS" >&2
	die "there are warnings about our documents"
fi
say "HTML: ${HTML#"$TOP"/}/filesystems/file-handles/index.html"
