#!/bin/sh
# SPDX-License-Identifier: MIT
# make lint: all that can be said of the code without running it, with no warning
# let pass. Every check runs, also after one that failed.
set -u

cd "$(dirname "$0")/.." || exit 1
PATH="$(scripts/deps/go-dir.sh):$PATH" || exit 1
export PATH
failed=0

# check NAME COMMAND...
check() {
	echo "=== $1"
	shift
	"$@" || failed=1
}

check "C: gcc, clang, sparse, checkpatch, user-space tests" scripts/check-c.sh clang
check "Go: gofmt and vet" scripts/go-vet.sh
# Its version is pinned in a go.mod of its own, so that what the checker is built
# from does not choose the versions of what dpr is built from.
check "Go: golangci-lint" go tool -modfile=scripts/tools.mod golangci-lint run
[ "$failed" -ne 0 ] || echo "lint: nothing found"
exit "$failed"
