#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the packages again and compares: from a copy of the sources without git,
# in another directory, with files of another day and mode, in another language,
# time zone and umask, with nothing compiled before.
# usage: reproducible.sh DIRECTORY: the packages as built before.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
. "$root/scripts/lib.sh"
first=$(cd "${1:?usage: reproducible.sh DIRECTORY}" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

source=$work/quite/another/directory
mkdir -p "$source" "$work/tmp"
(cd "$root" && git -c safe.directory='*' ls-files -z | tar --null --ignore-failed-read -cf - -T -) | tar -C "$source" -xf -
find "$source" -type f ! -name '*.sh' ! -name rules -exec chmod 600 {} + -exec touch -d '2001-02-03 04:05' {} +
# Go's own cache would make the same of anything.
(
	umask 077
	GOCACHE=$work/cache TMPDIR=$work/tmp TZ=Pacific/Kiritimati LC_ALL=C.UTF-8 LANGUAGE=de \
		"$source/debian/make-deb.sh" "$work/second" >/dev/null
)
for deb in "$first"/*.deb; do
	cmp "$deb" "$work/second/$(basename "$deb")" || die "two builds of $(basename "$deb") differ"
done
say "two builds are the same: $(cd "$first" && sha256sum ./*.deb | cut -c -16,65- | tr -s '\n' ' ')"
