#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the packages from a copy of the sources, and checks them by lintian.
# usage: make-deb.sh DIRECTORY [VERSION]: where they go, empty before, and their
# version if it is not that of the changelog.
set -eu

[ $# -ge 1 ] || { echo "usage: make-deb.sh DIRECTORY [VERSION]" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
version=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What is not in git is not in a package, nor when a file was checked out.
epoch=$(dpkg-parsechangelog -l "$root/debian/changelog" -S Timestamp)
copy() {
	if [ -e "$root/.git" ]; then
		git -c safe.directory='*' -C "$root" ls-files -z
	else
		(cd "$root" && find . -type f ! -path './out/*' ! -path './bin/*' -print0)
	fi | tar -C "$root" --null --ignore-failed-read --mtime="@$epoch" -cf - -T - | tar -C "$work/dpr" -xf -
}

mkdir "$work/dpr"
copy
if [ -n "$version" ]; then
	sed -i "1s/(.*)/($version)/" "$work/dpr/debian/changelog"
fi
# What was compiled before is not compiled again, wherever it was.
GOCACHE=$(PATH="$("$root/scripts/deps/go-dir.sh"):$PATH" go env GOCACHE)
export GOCACHE
if ! (cd "$work/dpr" && dpkg-buildpackage -us -uc -b) >"$work/log" 2>&1; then
	cat "$work/log" >&2
	echo "make-deb: the build failed" >&2
	exit 1
fi
# Its own checks are those of the distribution that it runs on.
lintian --allow-root --no-cfg --fail-on error,warning "$work"/*.changes
rm -f "$out"/*.deb "$out"/*.buildinfo "$out"/*.changes
mv "$work"/*.deb "$work"/*.buildinfo "$work"/*.changes "$out/"
ls "$out"/*.deb
