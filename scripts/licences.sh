#!/bin/sh
# SPDX-License-Identifier: MIT
# Each source file says its licence, and the right one: the module and what is
# loaded beside it are GPL-2.0; its SYN decision, which the simulator has too, is
# that or MIT; its interface is that, with the note for user programs, or MIT; and
# all else is MIT. The texts of the licences are in LICENSES/.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
. "$here/lib.sh"
cd "$root"

# sources: files that are source code.
sources() {
	git -c safe.directory='*' ls-files -- '*.go' '*.c' '*.h' '*.sh' '*.service' '*.target' '*Makefile' '*Kbuild' \
		Vagrantfile debian/rules man
}

# licence FILE: what it must be.
licence() {
	case $1 in
	include/*) echo '(GPL-2.0 WITH Linux-syscall-note) OR MIT' ;;
	# Also part of the simulator, by links.
	kmod/core/addr.h | kmod/core/affinity.[ch] | kmod/core/choose.[ch] | kmod/core/policy.[ch] | kmod/core/user.h | testbed/eval/sim/module/addr.h | testbed/eval/sim/module/affinity.[ch] | testbed/eval/sim/module/choose.[ch] | testbed/eval/sim/module/policy.[ch] | testbed/eval/sim/module/user.h)
		echo 'GPL-2.0 OR MIT'
		;;
	testbed/eval/sim/module/dpr.h) licence include/dpr.h ;;
	kmod/* | testbed/eval/bench/inject/* | testbed/eval/bench/nic/* | testbed/check/fuzz/packets/*) echo 'GPL-2.0' ;;
	*) echo 'MIT' ;;
	esac
}

wrong=0
for file in $(sources); do
	[ -e "$file" ] || continue
	said=$(sed -n '1,5s/.*SPDX-License-Identifier: \(.*\)/\1/p' "$file" | sed 's, *\*/ *$,,')
	[ "$said" = "$(licence "$file")" ] || {
		say "$file: its licence is \"$said\" instead of \"$(licence "$file")\""
		wrong=$((wrong + 1))
	}
done
for text in MIT GPL-2.0 Linux-syscall-note; do
	[ -s "LICENSES/$text.txt" ] || die "LICENSES/$text.txt is missing"
done
[ "$wrong" -eq 0 ] || die "$wrong files do not say their licence"
say "all files say theirs"
