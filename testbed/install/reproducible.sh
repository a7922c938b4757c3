#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the packages again, elsewhere, with nothing compiled before, and
# compares. usage: reproducible.sh DIRECTORY: the packages as built before.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
first=$(cd "${1:?usage: reproducible.sh DIRECTORY}" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# Go's own cache would make the same of anything.
GOCACHE=$work/cache "$here/../../debian/make-deb.sh" "$work/second" >/dev/null
for deb in "$first"/*.deb; do
	cmp "$deb" "$work/second/$(basename "$deb")" || die "two builds of $(basename "$deb") differ"
done
say "two builds are the same: $(cd "$first" && sha256sum ./*.deb | cut -c -16,65- | tr -s '\n' ' ')"
