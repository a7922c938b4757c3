#!/bin/sh
# SPDX-License-Identifier: MIT
# make test-kernels, make test-debug: runs what every kernel must pass on each of
# the given ones, also after one that failed, and ends with a line for each.
# usage: test.sh [-s] KERNEL...: as "dprlab up --kernel" names them; -s leaves the
# packet path out: only the smoke tests, in two minutes a kernel.
set -u

cd "$(dirname "$0")/.." || exit 1
PATH="$(scripts/deps/go-dir.sh):$PATH" || exit 1
# Without C, the tests' programs run in guests too.
export PATH CGO_ENABLED=0 DPR_KERNEL
logs=out/kernels
mkdir -p "$logs" || exit 1
# Each boots guests of its own: one after the other.
suites="smoke:./testbed/check/kernels path:./testbed/check/datapath/host"
if [ "${1:-}" = -s ]; then
	suites=${suites%% *}
	shift
fi
[ $# -gt 0 ] || { echo "usage: test.sh [-s] KERNEL..." >&2; exit 2; }
failed=0
verdicts=

for DPR_KERNEL in "$@"; do
	for suite in $suites; do
		printf '\n=== kernel %s: %s\n' "$DPR_KERNEL" "${suite%%:*}"
		start=$(date +%s)
		# The first run of a kernel may have to build it.
		if scripts/go-test.sh "$logs/$DPR_KERNEL-${suite%%:*}.log" -tags lab -timeout 3h "${suite#*:}"; then
			verdict=passed
		else
			verdict=FAILED
			failed=1
		fi
		verdicts="$verdicts$(printf '=== kernel %-7s %-6s %s in %d s' "$DPR_KERNEL" "${suite%%:*}" "$verdict" $(($(date +%s) - start)))
"
	done
done
printf '\n%s' "$verdicts"
exit "$failed"
