#!/bin/sh
# SPDX-License-Identifier: MIT
# make test: runs every stage, also after one that failed, says how long each
# took, and ends with what "go test" said of each package and what the tests said
# that failed.
set -u

cd "$(dirname "$0")/.." || exit 1
. scripts/stages.sh
rm -rf "$logs" && mkdir -p "$logs" || exit 1

# The lab tests wait for seconds to pass more than they use the processors. In a session
# of its own, so that all of it can be ended.
setsid scripts/test-checks.sh >"$logs/checks" 2>&1 &
checks=$!
trap 'kill -- "-$checks" 2>/dev/null' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Without C, the tests' program runs in guests too.
stage "lab tests" env CGO_ENABLED=0 scripts/go-test.sh "$logs/lab.log" -tags lab -timeout 20m ./testbed/check/cluster/...
wait "$checks" || failed=1
trap - EXIT
cat "$logs/checks"
stage "mistakes in what changed" scripts/mutants.sh
stage "chaos and soak, short" env CGO_ENABLED=0 scripts/go-test.sh "$logs/chaos.log" -tags lab -timeout 20m -run 'TestSoak|TestChaos|TestAccountingNotices' ./testbed/check/chaos
stage "order of the policies" env CGO_ENABLED=0 scripts/go-test.sh "$logs/order.log" -tags lab -timeout 10m -run TestOrder ./testbed/eval/reproduce
# Each test with some of the ways of packets; "make test-kernels" runs all.
stage "packet path" env CGO_ENABLED=0 DPR_PATH_WAYS=few scripts/go-test.sh "$logs/path.log" -tags lab -timeout 25m ./testbed/check/datapath/host
stage "fuzzing" env CGO_ENABLED=0 scripts/go-test.sh "$logs/fuzz.log" -tags lab -timeout 10m ./testbed/check/fuzz
stage "enemy" env CGO_ENABLED=0 scripts/go-test.sh "$logs/enemy.log" -tags lab -timeout 10m ./testbed/check/enemy

echo
cat "$logs/stages"
echo
set -- unit sim race lab chaos order path fuzz enemy
for name; do
	grep -E '^(ok|FAIL|---|panic:)[[:space:]]' "$logs/$name.log" | grep -v '^--- PASS'
done
for name; do
	scripts/failures.sh "$logs/$name.log"
done
exit "$failed"
