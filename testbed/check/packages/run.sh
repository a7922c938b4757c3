#!/bin/sh
# SPDX-License-Identifier: MIT
# make test-install: the packages, on their own and on machines that run them; make test-ansible:
# the Ansible role, on machines that it installs the packages on.
# usage: run.sh [SUITE]...: Debian's releases (bookworm and trixie if none is named), or ansible.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
. "$root/scripts/lib.sh"
[ "$(id -u)" -eq 0 ] || die "this needs root"
[ $# -gt 0 ] || set -- bookworm trixie

work=$(mktemp -d)
running=
# timeout(1) has a process group of its own, which a Ctrl-C does not reach.
stop() {
	[ -z "$running" ] || { kill "$running" && wait "$running"; } 2>/dev/null || :
	exit "$1"
}
trap 'rm -rf "$work"' EXIT
trap 'stop 130' INT
trap 'stop 143' TERM

"$root/scripts/static.sh"
# released SUITE: the packages of a release, by its own sources and scripts, in
# $work/SUITE.
released() {
	read -r _ version commit <<EOF
$(grep "^$1 " "$here/released")
EOF
	[ -n "$commit" ] || die "$here/released names no release for $1"
	git -c safe.directory='*' -C "$root" cat-file -e "$commit^{commit}" 2>/dev/null ||
		die "commit $commit of version $version is not here: fetch the whole history"
	mkdir "$work/source.$1"
	git -c safe.directory='*' -C "$root" archive "$commit" | tar -C "$work/source.$1" -xf -
	"$work/source.$1/debian/make-deb.sh" "$work/$1" >&2
	[ "$(dpkg-deb -f "$work/$1"/dpr_*.deb Version)" = "$version" ] || die "commit $commit is not of version $version"
}

say "building the packages"
"$root/debian/make-deb.sh" "$work/current" >&2
if [ "$*" != ansible ]; then
	for suite; do
		[ "$suite" = ansible ] || released "$suite"
	done
	"$here/contents.sh" "$work/current"
	"$here/reproducible.sh" "$work/current"
fi
failed=
for suite; do
	# A guest that hangs does not stop everything. A suite takes a quarter of an hour
	# to a whole one, as fast as the processors are.
	case $suite in
	ansible) timeout -k 60 7200 "$here/ansible.sh" bookworm "$work/current" & ;;
	*) timeout -k 60 7200 "$here/suite.sh" "$suite" "$work/$suite" "$work/current" & ;;
	esac
	running=$!
	wait "$running" || failed="$failed $suite"
	running=
done
[ -z "$failed" ] || die "failed on:$failed"
say "all passed"
