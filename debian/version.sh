#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the version of this source: what git describes, the newest tag and what
# came after it; where no tag is, the changelog's version and the commit; where no
# git is, the changelog's version alone, as in a package.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
git_() { git -c safe.directory='*' -C "$root" "$@" 2>/dev/null; }

released=$(sed -n '1s/^[^(]*(\([^)]*\)).*/\1/p' "$root/debian/changelog")
[ -n "$released" ] || { echo "version: the first line of $root/debian/changelog has no version" >&2; exit 1; }
# A tree that only lies in someone else's repository has no commit of its own.
if [ "$(git_ rev-parse --show-cdup)" = "" ] && commit=$(git_ describe --always --dirty --exclude '*'); then
	git_ describe --tags --match 'v[0-9]*' --dirty | sed 's/^v//' | grep . || printf '%s-g%s\n' "$released" "$commit"
else
	printf '%s\n' "$released"
fi
