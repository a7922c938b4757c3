#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the directory of a go command that can build this module: the one in
# PATH, or where Go's own and Debian's packages put it. From 1.21 on, Go fetches
# the very version that go.mod asks for, as a Go module, if it is older itself.
set -eu

# usable DIR: it has a go of version 1.21 or later.
usable() {
	[ -x "$1/go" ] || return 1
	# GOTOOLCHAIN=local: the version of this go, not of what it would fetch.
	minor=$(GOTOOLCHAIN=local "$1/go" env GOVERSION 2>/dev/null |
		sed -n 's/^go1\.\([0-9]*\).*/\1/p')
	[ -n "$minor" ] && [ "$minor" -ge 21 ]
}

{
	command -v go | sed 's,/go$,,'
	echo /usr/local/go/bin
	# The newest first.
	ls -d /usr/lib/go-1.*/bin 2>/dev/null | sort -Vr
} | {
	while read -r dir; do
		if usable "$dir"; then
			echo "$dir"
			exit 0
		fi
	done
	echo "go-dir: no Go of version 1.21 or later in PATH, /usr/local/go/bin or /usr/lib/go-1.*/bin" >&2
	exit 1
}
