#!/bin/sh
# SPDX-License-Identifier: MIT
# make test: runs every stage, also after one that failed, says how long each
# took, and ends with what "go test" said of each package and what the tests said
# that failed.
set -u

cd "$(dirname "$0")/.." || exit 1
PATH="$(scripts/deps/go-dir.sh):$PATH" || exit 1
export PATH
logs=out/test
rm -rf "$logs" && mkdir -p "$logs" || exit 1
failed=0

# stage NAME COMMAND...
stage() {
	name=$1
	shift
	printf '\n=== %s\n' "$name"
	start=$(date +%s)
	if "$@"; then
		verdict=passed
	else
		verdict=FAILED
		failed=1
	fi
	printf '=== %s: %s in %d s\n' "$name" "$verdict" $(($(date +%s) - start)) | tee -a "$logs/stages"
}

stage "C checks" scripts/check-c.sh
stage "Go format and vet" scripts/go-vet.sh
# A simulation is one goroutine, and seven times as slow with the race detector,
# which therefore sees of the simulator what runs several of them.
# shellcheck disable=SC2046 # an argument a package
stage "Go unit tests" scripts/go-test.sh "$logs/unit.log" -race $(go list ./... | grep -v '/testbed/eval/sim$')
stage "mistakes in what changed" scripts/mutants.sh
stage "simulator" scripts/go-test.sh "$logs/sim.log" ./testbed/eval/sim
stage "simulations side by side" scripts/go-test.sh "$logs/race.log" -race -run '^TestRunAll$' ./testbed/eval/sim
stage "units, Vagrantfile, scripts, licences, docs" scripts/static.sh
# Without C, the tests' program runs in guests too.
stage "lab tests" env CGO_ENABLED=0 scripts/go-test.sh "$logs/lab.log" -tags lab -timeout 20m ./testbed/check/cluster/...
stage "chaos and soak, short" env CGO_ENABLED=0 scripts/go-test.sh "$logs/chaos.log" -tags lab -timeout 15m -run 'TestSoak|TestChaos|TestAccountingNotices|TestSabotaged' ./testbed/check/chaos
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
