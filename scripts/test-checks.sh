#!/bin/sh
# SPDX-License-Identifier: MIT
# The stages of make test that need no guest and no root.
set -u

cd "$(dirname "$0")/.." || exit 1
. scripts/stages.sh

# Guests wait more than they work: these take what is left, and nothing that a guest needs.
{ echo 19 >/proc/self/autogroup; } 2>/dev/null || :

stage "C checks" scripts/check-c.sh
stage "Go format and vet" scripts/go-vet.sh
# A simulation is one goroutine, and seven times as slow with the race detector,
# which therefore sees of the simulator what runs several of them.
# shellcheck disable=SC2046 # an argument a package
stage "Go unit tests" scripts/go-test.sh "$logs/unit.log" -race -timeout 30m $(go list ./... | grep -v '/testbed/eval/sim$')
stage "simulator" scripts/go-test.sh "$logs/sim.log" ./testbed/eval/sim
stage "simulations side by side" scripts/go-test.sh "$logs/race.log" -race -run '^TestRunAll$' ./testbed/eval/sim
stage "units, Vagrantfile, scripts, licences, docs" scripts/static.sh
exit "$failed"
