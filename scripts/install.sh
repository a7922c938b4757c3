#!/bin/sh
# SPDX-License-Identifier: MIT
# make install: what "make" built, without packages. A configuration that is
# there stays as it is. usage: install.sh [DESTDIR]
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
dest=${1:-}
release=$(uname -r)
cd "$root"

[ -x bin/dprctl ] || { echo 'install: nothing is built: "make" first' >&2; exit 1; }
for program in dprctl dpr-broadcast dpr-receive dpr-cleanup dpr-fastpath dpr-exporter; do
	install -D -t "$dest/usr/local/sbin" "bin/$program"
done
for unit in systemd/*; do
	mkdir -p "$dest/etc/systemd/system"
	sed 's,/usr/sbin/,/usr/local/sbin/,g' "$unit" >"$dest/etc/systemd/system/$(basename "$unit")"
done
for page in man/*.[1-8]; do
	install -D -m 644 -t "$dest/usr/local/share/man/man${page##*.}" "$page"
done
[ -e "$dest/etc/dpr/dpr.toml" ] || install -D -m 644 userland/config/dpr.toml "$dest/etc/dpr/dpr.toml"
if [ -e kmod/dpr.ko ]; then
	install -D -m 644 kmod/dpr.ko "$dest/lib/modules/$release/extra/dpr.ko"
	[ -n "$dest" ] || depmod "$release"
fi
[ -n "$dest" ] || ! [ -d /run/systemd/system ] || systemctl daemon-reload
