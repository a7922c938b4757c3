#!/bin/sh
# SPDX-License-Identifier: MIT
# What is in the packages, to the last file, and what version it says of itself.
# usage: contents.sh DIRECTORY: where the packages are.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
. "$root/scripts/lib.sh"
debs=$(cd "${1:?usage: contents.sh DIRECTORY}" && pwd)
version=$(dpkg-deb -f "$debs"/dpr_*.deb Version)
for deb in "$debs"/*.deb; do
	[ "$(dpkg-deb -f "$deb" Version)" = "$version" ] || die "the packages are of different versions"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

programs="dpr-broadcast dpr-receive dpr-cleanup dpr-fastpath dpr-exporter dprctl"

# program: the files of the package dpr.
program() {
	echo /etc/dpr/dpr.toml
	printf '/usr/sbin/%s\n' $programs
	for unit in "$root"/systemd/*; do echo "/usr/lib/systemd/system/${unit##*/}"; done
	for page in "$root"/man/*.[1-8]; do
		name=${page##*/}
		echo "/usr/share/man/man${name##*.}/$name"
	done
	echo /usr/share/bash-completion/completions/dprctl
	echo /usr/share/zsh/vendor-completions/_dprctl
	echo /usr/share/fish/vendor_completions.d/dprctl.fish
	for name in dpr-announce.service host.conf router.conf; do echo "/usr/share/dpr/bird/$name"; done
	for name in 80-dpr-holder.conf dpr-holder.service keepalived.conf; do echo "/usr/share/dpr/keepalived/$name"; done
	for name in conntrack.nft stateless.nft; do echo "/usr/share/dpr/nftables/$name"; done
	echo /usr/share/dpr/grafana/dpr.json
	for name in dpr.rules prometheus alertmanager; do echo "/usr/share/dpr/prometheus/$name.yml"; done
	echo /usr/share/lintian/overrides/dpr
	for name in README.md CHANGELOG.md CONTRIBUTING.md changelog copyright; do echo "/usr/share/doc/dpr/$name"; done
	(cd "$root" && git -c safe.directory='*' ls-files docs | sed 's,^,/usr/share/doc/dpr/,')
}

# lab: the files of the package dpr-lab. The lab's own tools, for guests and for
# measurements, are not among them: dprlab builds them from the source.
lab() {
	echo /usr/sbin/dprlab
	echo /usr/share/man/man8/dprlab.8
	echo /usr/share/lintian/overrides/dpr-lab
	for name in changelog copyright; do echo "/usr/share/doc/dpr-lab/$name"; done
}

# module: the files of the package dpr-dkms.
module() {
	echo /usr/lib/modules-load.d/dpr.conf
	for name in changelog copyright; do echo "/usr/share/doc/dpr-dkms/$name"; done
	for file in dkms.conf include/dpr.h kmod/Kbuild kmod/Makefile; do echo "/usr/src/dpr-$version/$file"; done
	(cd "$root" && git -c safe.directory='*' ls-files 'kmod/*.[ch]' | grep -v /tests/ | sed "s,^,/usr/src/dpr-$version/,")
}

# same NAME: the package has the files that a function of its name lists, all
# of them root's.
same() {
	dpkg-deb --fsys-tarfile "$debs/$1" | tar -tvf - >"$work/list"
	! grep -v ' root/root ' "$work/list" || die "$1: not all files are root's"
	sed -n 's,^[^d].* \./,/,p' "$work/list" | sed -E '/\/(man|doc)\//s/\.gz$//' | sort >"$work/has"
	$2 | sort | diff -u - "$work/has" >&2 || die "$1 has other files than it should"
}

# says COMMAND...: its last line ends with the version.
says() {
	said=$("$@" | tail -n 1)
	[ "${said##* }" = "$version" ] || die "$* says \"$said\" in the packages of version $version"
}

same "dpr_${version}_amd64.deb" program
same "dpr-dkms_${version}_all.deb" module
same "dpr-lab_${version}_amd64.deb" lab
for deb in "$debs"/*.deb; do
	dpkg-deb -x "$deb" "$work/root"
done
for program in $programs dprlab; do
	says "$work/root/usr/sbin/$program" --version
done
grep -q "^MAKE.* DPR_VERSION=$version\"" "$work/root/usr/src/dpr-$version/dkms.conf" || die "DKMS does not tell the module its version"
say "contents: every file is where it should be, version $version"
