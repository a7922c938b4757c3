# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154 # $root is of the script that reads this
# What the scripts of this directory share. $root is the source.

say() { printf 'install: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# cache: where images are kept.
cache() { printf '%s/dpr/install\n' "${XDG_CACHE_HOME:-$HOME/.cache}"; }

# retry SECONDS COMMAND...: until it succeeds or the time is over.
retry() {
	until_=$(($(date +%s) + $1))
	shift
	while ! "$@"; do
		[ "$(date +%s)" -lt "$until_" ] || return 1
		sleep 1
	done
}
