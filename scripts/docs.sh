#!/bin/sh
# SPDX-License-Identifier: MIT
# The commands in README.md, CONTRIBUTING.md and docs/. A block of them starts with
# ```sh and a word that says who runs it:
#   lab      docs.sh lab, here, with a lab of its own for each file
#   host     suite.sh, on a host of a cluster
#   plain    suite.sh, in the sources on a host without packages
#   source   docs.sh source, in the sources; "make TARGET" is only looked up, as
#            these targets are what runs the tests
#   example  docs.sh example, in a copy of the sources that the page's ```diff changes
#   vagrant  nobody: it needs a box; static.sh validates the Vagrantfile, and
#            suite.sh runs its scripts
# usage: docs.sh check     each block has a word; targets and commands exist
#        docs.sh lab       runs the blocks of labs
#        docs.sh source    runs the blocks of sources
#        docs.sh example   makes the changes that pages show, and runs their blocks
#        docs.sh print WORD FILE...    the blocks of files, as one script
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
. "$here/lib.sh"

words="lab host plain source example vagrant"

# pages: those whose commands count. What CHANGELOG.md names may be gone.
pages() { (cd "$root" && ls README.md CONTRIBUTING.md SECURITY.md docs/*.md docs/design/*.md); }

# blocks WORD FILE...
blocks() {
	word=$1
	shift
	awk -v start="^ *\`\`\`sh $word\$" '
		$0 ~ start { inside = 1; indent = match($0, /[^ ]/) - 1; next }
		inside && /^ *```$/ { inside = 0; next }
		inside { print substr($0, indent + 1) }' "$@"
}

# changes FILE: the changes to the sources that a page shows.
changes() { awk '/^```diff$/ { inside = 1; next } inside && /^```$/ { inside = 0; next } inside' "$1"; }

# untold FILE: what looks like commands and is in no block that says who runs it.
untold() {
	awk -v words="$words" '
		BEGIN { n = split(words, w, " "); for (i = 1; i <= n; i++) known[w[i]] = 1 }
		/^ *```/ {
			if (inside) { inside = told = 0; next }
			inside = 1
			told = $1 == "```sh" && NF == 2 && $2 in known
			if ($1 ~ /^```(sh|console|shell|bash)$/ && !told) print FILENAME ":" FNR ": " $0
			next
		}
		told || (!inside && !/^(    |\t)/) { next }
		{ line = $0; sub(/^[ \t]*([$#] )?(sudo )?/, "", line) }
		line ~ /^(\.\/|bin\/)?(make|git|go|gdb|qemu[a-z0-9_-]*|vagrant|apt|apt-get|dpkg|dkms|dprctl|dprlab|dpr-[a-z]+|systemctl|journalctl|insmod|modprobe|rmmod|curl|tcpdump|nft|ip|ethtool|tc|ssh|for|cp|sed|cd) / &&
			line !~ /^(ip|for|make|go) [^-a-z.\/$"]/ { print FILENAME ":" FNR ": " $0 }' "$1"
}

# spans FILE PROGRAM: what the text says in `…` of a program of ours, with its
# arguments.
spans() {
	awk '/^ *```/ { inside = !inside; next } !inside' "$1" | tr '\n' ' ' | grep -oE '`[^`]+`' | tr -d '`' |
		sed 's/ && /\n/g' | sed -nE "s,^(bin/)?$2 ,,p"
}

# made FILE TARGETS: make knows them.
made() {
	for target in $2; do
		make -s -n -C "$root" "$target" BASE=HEAD >/dev/null 2>&1 || die "$1: there is no make $target"
	done
}

# known FILE PROGRAM: of lines of arguments, the command at the front exists.
known() {
	sed -nE 's/^(--name [a-z]+ )?([a-z][a-z0-9-]*)( [a-z]+)?.*/\2\3/p' | sort -u | while read -r command; do
		# A second word is a command's own command, or an argument.
		# shellcheck disable=SC2086
		"$root/bin/$2" $command --help >/dev/null 2>&1 || "$root/bin/$2" "${command%% *}" --help >/dev/null 2>&1 ||
			die "$1: there is no $2 $command"
	done
}

check() {
	for page in $(pages); do
		file=$root/$page
		found=$(untold "$file")
		[ -z "$found" ] || die "commands that no test runs:
$found"
		made "$file" "$(blocks source "$file" | sed -n 's/^make \([a-z0-9-]*\).*/\1/p')"
		made "$file" "$(spans "$file" make | sed -n 's/^\([a-z][a-z0-9-]*\).*/\1/p')"
		blocks host "$file" | sed -nE 's/^(timeout [0-9]+ )?dprctl //p' | known "$file" dprctl || exit 1
		spans "$file" dprctl | known "$file" dprctl || exit 1
		blocks lab "$file" | grep -oE 'bin/dprlab [a-z].*' | sed 's,^bin/dprlab ,,' | known "$file" dprlab || exit 1
		spans "$file" dprlab | known "$file" dprlab || exit 1
	done
	say "every command says who runs it"
}

# source: all but the targets of make, which stand for themselves.
source_() {
	cd "$root"
	# shellcheck disable=SC2046 # an argument a page
	blocks source $(pages) | grep -v '^make [a-z]' >"$work/source" || :
	sh -euv "$work/source" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "a command in the sources failed"; }
	say "all commands in the sources passed"
}

lab() {
	cd "$root"
	for file in ${DOCS:-$(pages)}; do
		script=$(blocks lab "$file")
		[ -n "$script" ] || continue
		say "$(date +%T) $file"
		# set -v shows the commands as the page does.
		printf '%s\n' "$script" | timeout -k 30 1800 sh -euv >"$work/log" 2>&1 ||
			{ bin/dprlab down || :; cat "$work/log" >&2; die "$file: a command failed"; }
	done
	say "all commands of labs passed"
}

# example: a page's changes, in a copy.
example() {
	file=$root/docs/developing.md
	say "$(date +%T) the changes of docs/developing.md"
	mkdir "$work/dpr"
	(cd "$root" && git -c safe.directory='*' ls-files -z | tar --null --ignore-failed-read -cf - -T -) | tar -C "$work/dpr" -xf -
	changes "$file" >"$work/changes"
	[ "$(grep -c '^+[^+]' "$work/changes")" -le 20 ] || die "$file: more than 20 lines"
	blocks example "$file" >"$work/example"
	cd "$work/dpr"
	git apply "$work/changes" || die "$file: the sources are not what it changes"
	timeout -k 30 1800 sh -euv "$work/example" >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; die "$file: its change cannot be built"; }
	say "the changes passed"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
case ${1:-} in
check) check ;;
lab) check && lab ;;
source) check && source_ ;;
example) check && example ;;
print) shift && blocks "$@" ;;
*) die "usage: docs.sh check|lab|source|example|print WORD FILE..." ;;
esac
