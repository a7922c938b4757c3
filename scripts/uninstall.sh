#!/bin/sh
# SPDX-License-Identifier: MIT
# make uninstall: the way back from "make install". What runs is stopped, and the module removed;
# /etc/dpr stays. usage: uninstall.sh [DESTDIR]
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
dest=${1:-}
release=$(uname -r)
cd "$root"

booted() { [ -z "$dest" ] && [ -d /run/systemd/system ]; }

# All that run: dpr.target does not stop dpr-leave.
units=
for unit in systemd/*; do
	unit=$(basename "$unit")
	[ ! -e "$dest/etc/systemd/system/$unit" ] || units="$units $unit"
done
if booted && [ -n "$units" ]; then
	for unit in dpr.target dpr-exporter.service dpr-fastpath.service; do
		[ ! -e "/etc/systemd/system/$unit" ] || systemctl -q disable "$unit"
	done
	# shellcheck disable=SC2086 # names of units
	systemctl -q stop $units
	# shellcheck disable=SC2086
	systemctl -q reset-failed $units 2>/dev/null || :
fi
if [ -z "$dest" ] && [ -e /sys/module/dpr ]; then
	# The kernel lets go of the module a moment after the fast path is off.
	for wait in 0 0.2 1; do
		sleep $wait
		! rmmod dpr 2>/dev/null || break
	done
	[ ! -e /sys/module/dpr ] || { echo 'uninstall: the module is in use: stop what has the fast path on, and try again' >&2; exit 1; }
fi
for program in dprctl dpr-broadcast dpr-receive dpr-cleanup dpr-fastpath dpr-exporter; do
	rm -f "$dest/usr/local/sbin/$program"
done
for unit in $units; do
	rm -f "$dest/etc/systemd/system/$unit"
done
for page in man/*.[1-8]; do
	rm -f "$dest/usr/local/share/man/man${page##*.}/$(basename "$page")"
done
rm -f "$dest/lib/modules/$release/extra/dpr.ko"
[ -n "$dest" ] || depmod "$release"
! booted || systemctl daemon-reload
