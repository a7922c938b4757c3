#!/bin/sh
# SPDX-License-Identifier: MIT
# The commands in docs/ and README.md. A block of them starts with ```sh and a word
# that says where it runs: "lab", here, with a lab of its own for each file; "host",
# on a host of a cluster, by suite.sh; "source", in a checkout.
# usage: docs.sh check     each block has a word; targets and commands exist
#        docs.sh lab       runs the blocks of labs
#        docs.sh print WORD FILE    the blocks of a file, as one script
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/lib.sh"

# blocks WORD FILE
blocks() {
	awk -v start="^ *\`\`\`sh $1\$" '
		$0 ~ start { inside = 1; indent = match($0, /[^ ]/) - 1; next }
		inside && /^ *```$/ { inside = 0; next }
		inside { print substr($0, indent + 1) }' "$2"
}

check() {
	for file in "$root"/docs/*.md; do
		untold=$(grep -nE '^ *```sh *$|^ *```(console|shell|bash)' "$file") || :
		[ -z "$untold" ] || die "$file: commands that no test runs: $untold"
		for target in $(blocks source "$file" | sed -n 's/^make \([a-z-]*\).*/\1/p'); do
			make -s -n -C "$root" "$target" >/dev/null || die "$file: there is no make $target"
		done
		blocks host "$file" | sed -n 's/^\(timeout [0-9]* \)\{0,1\}dprctl \([a-z]*\)\( [a-z]\{1,\}\)\{0,1\}.*/\2\3/p' | sort -u |
			while read -r command; do
				# shellcheck disable=SC2086
				"$root/bin/dprctl" $command --help >/dev/null || die "$file: there is no dprctl $command"
			done
	done
	say "docs: every block says where it runs"
}

lab() {
	cd "$root"
	for file in docs/*.md; do
		script=$(blocks lab "$file")
		[ -n "$script" ] || continue
		say "docs: $(date +%T) $file"
		# set -v shows the commands as the page does.
		printf '%s\n' "$script" | timeout -k 30 900 sh -euv >"$work/log" 2>&1 ||
			{ bin/dprlab down || :; cat "$work/log" >&2; die "$file: a command failed"; }
	done
	say "docs: all commands of labs passed"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
case ${1:-} in
check) check ;;
lab) check && lab ;;
print) blocks "$2" "$3" ;;
*) die "usage: docs.sh check|lab|print WORD FILE" ;;
esac
