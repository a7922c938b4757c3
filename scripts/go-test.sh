#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs "go test" with the given arguments, keeping its output in a file, and
# fails on a skipped test too: what did not run has not passed.
# usage: go-test.sh LOG ARGUMENT...
set -eu

log=$1
shift
status=$(mktemp)
trap 'rm -f "$status"' EXIT

# The lab needs root, and finds Go and the caller's caches by these.
if [ "$(id -u)" -ne 0 ]; then
	case " $* " in
	*" -tags lab "* | *" -tags lab,"*) set -- -exec "sudo --preserve-env=HOME,GOPROXY,GOFLAGS,DPR_KERNEL env PATH=$PATH" "$@" ;;
	esac
fi

{ go test -count=1 -v "$@" 2>&1 || echo "$?" >"$status"; } | tee "$log" |
	# The names of tests as they end, and all that a failing one says.
	grep --line-buffered -vE '^(PASS$|=== (RUN|PAUSE|CONT|NAME)|[[:space:]]*--- PASS: .*\(0\.[0-9]*s\)|\?[[:space:]])' || :
if [ -s "$status" ]; then
	exit "$(cat "$status")"
fi
if grep -E '^[[:space:]]*--- SKIP' "$log"; then
	echo "go-test: tests were skipped" >&2
	exit 1
fi
