#!/bin/sh
# SPDX-License-Identifier: MIT
# Shows that the tests of the packet path find mistakes: makes each mistake of the
# file mutations in a copy of the module, and runs the test that must fail with it
# in a guest with Debian 12's kernel, or with the one that the line names. Ends with how many were found.
# usage: mutate.sh [REGEX]: only lines of mutations that match.
set -eu

cd "$(dirname "$0")/../../.."
PATH="$(scripts/deps/go-dir.sh):$PATH"
root=$PWD lab=mutants
work=$(mktemp -d)
trap 'bin/dprlab down --name $lab >/dev/null 2>&1 || :; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

guest() { bin/dprlab exec --name $lab s1 -- "$@" </dev/null; }

# boot KERNEL: a fresh guest with the tests' program.
boot() {
	bin/dprlab down --name $lab >/dev/null 2>&1 || :
	bin/dprlab up --name $lab --servers 1 --clients 0 --memory 640 --cpus 2 --kernel "$1" 2>/dev/null
	for service in nginx dpr-broadcast dpr-receive dpr-cleanup; do
		guest svc stop $service
	done
	bin/dprlab push --name $lab s1 "$work/path.test" /tmp/path.test
	release=$(guest uname -r)
	headers=/lib/modules/$release/build
	# The kernels that the lab makes are not installed.
	[ -e "$headers" ] ||
		for headers in "${XDG_CACHE_HOME:-$HOME/.cache}"/dpr/kernels/*/usr/src/linux-headers-"$release"; do :; done
	[ -e "$headers" ] || { echo "mutate: no headers of $release to build for" >&2; exit 1; }
}

# mistake FILE SED: makes it in the copy that is kept.
mistake() {
	sed "$2" "$work/right/$1" >"$work/changed"
	! cmp -s "$work/right/$1" "$work/changed" || { echo "mutate: changes nothing in $1: $2" >&2; return 1; }
	mv "$work/changed" "$work/tree/kmod/$1"
}

# module: dpr.ko with the mistake, instead of the guest's.
module() {
	make -s -C "$headers" M="$work/tree/kmod" -j2 CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_DEBUG_INFO= modules >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; return 1; }
	insert >/dev/null 2>&1 || { boot "$1" && insert; }
}

insert() {
	bin/dprlab push --name $lab s1 "$work/tree/kmod/dpr.ko" /lib/modules/dpr.ko &&
		guest sh -c '! grep -q "^dpr " /proc/modules || rmmod dpr; insmod /lib/modules/dpr.ko'
}

# found_by_path KERNEL TEST: does the test fail, or the kernel complain?
found_by_path() {
	module "$1" || return 1
	guest env DPR_PATH_MODULE=/lib/modules/dpr.ko /tmp/path.test -test.failfast -test.timeout=10m \
		-test.run "^$2\$" >"$work/out" 2>&1 || :
	if grep -q 'is in trouble:' "$work/out"; then
		why=$(grep -m 1 -A 4 'is in trouble:' "$work/out")
		boot "$1" # this one is of no use any more
		return 0
	fi
	why=$(grep -m 1 '_test\.go:' "$work/out" || :)
	grep -q "^--- FAIL: $2 " "$work/out"
}

# found_by_races: does the kernel complain when two processors race?
found_by_races() {
	bin/dprlab down --name $lab >/dev/null 2>&1 || :
	rm -f "$work/tree/out/enemy.json" # of another mistake
	(cd "$work/tree" && "$root/bin/dprlab" enemy --name $lab --parts races --seconds 60) >"$work/out" 2>&1 || :
	why=$(grep -m 1 -E 'corruption|BUG|WARNING|KASAN|Oops' "$work/out" || :)
	grep -q '"complaints": *[1-9]' "$work/tree/out/enemy.json"
}

go build -o bin/ ./cmd/dprlab
CGO_ENABLED=0 go test -c -tags lab -ldflags='-s -w' -o "$work/path.test" ./testbed/check/datapath
mkdir "$work/tree"
tar -cf - --exclude=./.git --exclude=./bin --exclude=./out . | tar -xf - -C "$work/tree"
cp -r kmod "$work/right"
found=0 all=0 booted=
grep -v '^#' testbed/check/datapath/mutations | grep . | grep -e "${1:-.}" >"$work/list" || { echo "mutate: no line matches" >&2; exit 2; }
# By kernel, so that each is booted once.
for kernel in 6.1 6.12 debug races; do
	while read -r test file sed; do
		case $test in
		debug:*) of=debug ;;
		6.12:*) of=6.12 ;;
		races) of=races ;;
		*) of=6.1 ;;
		esac
		[ $of = $kernel ] || continue
		all=$((all + 1)) why=
		mistake "$file" "$sed" || continue
		if [ $of != races ] && [ "$booted" != $of ]; then
			boot $of
			booted=$of
		fi
		if if [ $of = races ]; then found_by_races; else found_by_path $of "${test#*:}"; fi; then
			found=$((found + 1))
			printf 'found by %s: %s: %s\n%s\n' "$test" "$file" "$sed" "$why"
		else
			printf 'NOT FOUND by %s: %s: %s\n' "$test" "$file" "$sed"
			tail -n 5 "$work/out"
		fi
		cp "$work/right/$file" "$work/tree/kmod/$file"
	done <"$work/list"
done
echo "mutate: $found of $all mistakes found"
[ "$found" -eq "$all" ]
