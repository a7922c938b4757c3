# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154 # $root is of the script that reads this
# What scripts share. $root is the source.

say() { said_by_=${0##*/}; printf '%s: %s\n' "${said_by_%.sh}" "$*" >&2; }
die() { say "$*"; exit 1; }

# cache: where images are kept.
cache() { printf '%s/dpr/install\n' "${XDG_CACHE_HOME:-$HOME/.cache}"; }

# uptime: seconds since the machine booted, whatever its clock is set to meanwhile.
uptime() { cut -d. -f1 /proc/uptime; }

# retry SECONDS COMMAND...: until it succeeds or the time is over.
retry() {
	until_=$(($(uptime) + $1))
	shift
	while ! "$@"; do
		[ "$(uptime)" -lt "$until_" ] || return 1
		sleep 1
	done
}
