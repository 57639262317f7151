#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Prepare a thread for `b4 send` in build/b4/THREAD: b4.sh THREAD VERSION
# Each patch must be signed off. Nothing is sent.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

THREAD=$1 VERSION=$2
B4=$(python_environment b4)/bin/b4
COVER=$TOP/series/$THREAD/cover-letter.txt
TREE=$BUILD/b4/$THREAD
MAILS=$BUILD/b4/$THREAD-mails

check_arguments()
{
	[ -f "$COVER" ] ||
		die "THREAD='$THREAD' is no thread; there are: $(cd "$TOP/series" && echo */ | tr -d /)"
	[ -n "${SIGNOFF:-}" ] ||
		die "mails must be signed off: set SIGNOFF='Name <mail>'"
}

# The last commit of the thread before this one, or the base.
start()
{
	local before
	before=$(cd "$TOP/series" && printf '%s\n' */ | tr -d / | awk -v name="$THREAD" '$0 < name' | tail -n 1)
	git -C "$LINUX" rev-parse --verify "${before:+thread/}${before:-base}^{commit}"
}

# b4 keeps the cover letter in a commit below the patches.
prepare()
{
	local from cover mail
	from=$(start)
	rm -rf "$TREE" "$MAILS"
	git clone -q --shared --no-checkout "$LINUX" "$TREE"
	cd "$TREE"
	git config user.name "${SIGNOFF%% <*}"
	mail=${SIGNOFF##*<}
	git config user.email "${mail%>*}"
	git config b4.prep-cover-strategy commit
	git checkout -q -B "fhandle-$THREAD" "origin/thread/$THREAD"
	git rebase -q --signoff "$from"
	"$B4" prep --enroll "$from" > /dev/null
	cover=$BUILD/b4/$THREAD-cover
	cp "$COVER" "$cover"
	GIT_EDITOR="cp '$cover'" "$B4" prep --edit-cover
	if grep -q '^\[RFC\]' "$COVER"; then
		"$B4" prep --set-prefixes RFC
	fi
	[ "$VERSION" = 1 ] || "$B4" prep --force-revision "$VERSION"
}

# Write the mails that b4 would send. b4 requires a configured server even if it
# only writes files.
mails()
{
	cd "$TREE"
	export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=sendemail.smtpserver GIT_CONFIG_VALUE_0=localhost
	"$B4" send -o "$MAILS" --no-sign
}

check_arguments
step "b4: prepare $THREAD" prepare
step "b4: write the mails" mails
say "build/b4/$THREAD is a b4 branch: check it with 'b4 prep --check', then 'b4 send --reflect' there"
say "the mails are in build/b4/$THREAD-mails"
