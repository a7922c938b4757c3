#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures the unit tests of what changed, by a sample of mistakes: some of each
# package, for a minute at most. The whole is "make test-mutations-go".
# What changed is what differs from the commit DPR_BASE, by default the last but one;
# without a history it is everything.
set -eu

cd "$(dirname "$0")/.."
base=${DPR_BASE:-HEAD~1}
set -- -sample 25 -time 45s -least 75
if git rev-parse -q --verify "$base^{commit}" >/dev/null 2>&1; then
	set -- "$@" -since "$base"
fi
# The tests need root, as those of the whole do.
if [ "$(id -u)" -eq 0 ]; then
	exec go run ./testbed/check/mutants "$@"
fi
exec sudo --preserve-env=HOME,GOPROXY,GOFLAGS env "PATH=$PATH" go run ./testbed/check/mutants "$@"
