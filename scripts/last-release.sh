#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts the sources of the last release into a directory. usage: last-release.sh DIRECTORY
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
. "$here/lib.sh"
dir=${1:?usage: last-release.sh DIRECTORY}

read -r version commit <<EOF
$(grep -v '^#' "$root/testbed/check/packages/released" | cut -d' ' -f2- | sort -V | tail -n 1)
EOF
git -c safe.directory='*' -C "$root" cat-file -e "$commit^{commit}" 2>/dev/null ||
	die "commit $commit of version $version is not here: fetch the whole history"
rm -rf "$dir"
mkdir -p "$dir"
git -c safe.directory='*' -C "$root" archive "$commit" | tar -C "$dir" -xf -
say "version $version in $dir"
