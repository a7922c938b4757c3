#!/bin/sh
# SPDX-License-Identifier: MIT
# Shows that the tests of the packet path find mistakes: makes each mistake of the
# file mutations in a copy of the module, and runs the test that must fail with it
# in a guest with Debian 12's kernel. Ends with how many were found.
# usage: mutate.sh [REGEX]: only lines of mutations that match.
set -eu

cd "$(dirname "$0")/../.."
PATH="$(testbed/deps/go-dir.sh):$PATH"
lab=mutants
work=$(mktemp -d)
trap 'bin/dprlab down --name $lab >/dev/null 2>&1 || :; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

guest() { bin/dprlab exec --name $lab s1 -- "$@" </dev/null; }

# boot: a fresh guest with the tests' program.
boot() {
	bin/dprlab down --name $lab >/dev/null 2>&1 || :
	bin/dprlab up --name $lab --servers 1 --clients 0 --memory 640 2>/dev/null
	for service in nginx dpr-broadcast dpr-receive dpr-cleanup; do
		guest svc stop $service
	done
	bin/dprlab push --name $lab s1 "$work/path.test" /tmp/path.test
	kernel=/lib/modules/$(guest uname -r)/build
	[ -e "$kernel" ] || { echo "mutate: no $kernel to build for" >&2; exit 1; }
}

# mutant FILE SED: the module with that mistake, built in a copy that is kept.
mutant() {
	sed "$2" "$work/right/$1" >"$work/changed"
	! cmp -s "$work/right/$1" "$work/changed" || { echo "mutate: changes nothing in $1: $2" >&2; return 1; }
	mv "$work/changed" "$work/kmod/$1"
	make -s -C "$kernel" M="$work/kmod" -j2 CONFIG_DEBUG_INFO_BTF_MODULES= modules >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; cp "$work/right/$1" "$work/kmod/$1"; return 1; }
	cp "$work/right/$1" "$work/kmod/$1"
}

# insert: that module instead of the guest's.
insert() {
	bin/dprlab push --name $lab s1 "$work/kmod/dpr.ko" /lib/modules/dpr.ko &&
		guest sh -c '! grep -q "^dpr " /proc/modules || rmmod dpr; insmod /lib/modules/dpr.ko'
}

go build -o bin/ ./cmd/dprlab
CGO_ENABLED=0 go test -c -tags lab -ldflags='-s -w' -o "$work/path.test" ./testbed/path
cp -r kmod include "$work/"
cp -r kmod "$work/right"
boot
found=0 all=0
grep -v '^#' testbed/path/mutations | grep . | grep -e "${1:-.}" >"$work/list"
while read -r test file sed; do
	all=$((all + 1))
	mutant "$file" "$sed" || continue
	insert >/dev/null 2>&1 || { boot && insert; } || continue
	guest env DPR_PATH_MODULE=/lib/modules/dpr.ko /tmp/path.test -test.failfast -test.timeout=10m \
		-test.run "^$test\$" >"$work/out" 2>&1 || :
	if grep -q "^--- FAIL: $test " "$work/out"; then
		found=$((found + 1))
		printf 'found by %s: %s: %s\n' "$test" "$file" "$sed"
		grep -m 1 '_test\.go:' "$work/out" || :
	else
		printf 'NOT FOUND by %s: %s: %s\n' "$test" "$file" "$sed"
		tail -n 5 "$work/out"
	fi
done <"$work/list"
echo "mutate: $found of $all mistakes found"
[ "$found" -eq "$all" ]
