#!/bin/sh
# SPDX-License-Identifier: MIT
# What can be said of the units, the Vagrantfile, the shell scripts, the alert rules,
# the mutations, the licences, the versions and the documentation without a guest.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
. "$here/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# units: systemd understands each line of them, and how confined they are.
units() {
	mkdir -p "$work/root/usr/lib/systemd/system" "$work/root/usr/sbin" "$work/root/bin"
	cp "$root"/systemd/* "$root"/contrib/bird/*.service "$root"/contrib/keepalived/*.service /lib/systemd/system/*.target "/lib/systemd/system/modprobe@.service" "$work/root/usr/lib/systemd/system/"
	for program in usr/sbin/dprctl usr/sbin/dpr-broadcast usr/sbin/dpr-receive usr/sbin/dpr-cleanup usr/sbin/dpr-fastpath usr/sbin/dpr-exporter usr/sbin/birdc bin/kill bin/sh bin/true; do
		printf '#!/bin/sh\n' >"$work/root/$program"
		chmod 755 "$work/root/$program"
	done
	for unit in "$root"/systemd/* "$root"/contrib/bird/*.service "$root"/contrib/keepalived/*.service; do
		systemd-analyze verify --man=no --root="$work/root" "$(basename "$unit")" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "systemd does not accept $unit"; }
		! grep -F "$(basename "$unit")" "$work/log" || die "systemd complains of $unit"
	done
	for unit in "$root"/systemd/*.service; do
		systemd-analyze security --offline=true --threshold=25 --no-pager "$unit" >"$work/log" 2>&1 ||
			{ cat "$work/log" >&2; die "$unit is not as confined as it should be"; }
	done
	say "units: understood, and confined"
}

vagrantfile() {
	# What it runs on its machines is what the tests run on theirs.
	scripts=$(sed -n 's/.*path: "\([^"]*\)".*/\1/p' "$root/Vagrantfile")
	[ -n "$scripts" ] || die "the Vagrantfile runs no scripts"
	for script in $scripts; do
		grep -qF "\$root/$script" "$root"/testbed/check/packages/*.sh || die "the Vagrantfile runs $script, but no test does"
	done
	(cd "$root" && VAGRANT_HOME="$work/vagrant" VAGRANT_DOTFILE_PATH="$work/dot" vagrant validate --ignore-provider) >&2
}

scripts() {
	(cd "$root" && git -c safe.directory='*' ls-files -z '*.sh' .ci/run | xargs -0 shellcheck -S warning -x -P SCRIPTDIR:.) >&2 ||
		die "shellcheck complains of scripts"
	say "scripts: nothing to complain of"
}

# alerts: Prometheus understands the rules, and they fire when they should.
alerts() {
	(cd "$root/contrib/prometheus" && promtool check rules dpr.rules.yml && promtool test rules ./*.test.yml) >&2 ||
		die "promtool complains of the alert rules"
	say "alerts: tested"
}

# mutations: each changes the file that it names.
mutations() {
	grep -v '^#' "$root/testbed/check/datapath/mutations" | grep . >"$work/mutations"
	while read -r test file mistake; do
		sed "$mistake" "$root/kmod/$file" >"$work/changed" || die "mutations: sed does not understand that of $test in $file: $mistake"
		! cmp -s "$root/kmod/$file" "$work/changed" || die "mutations: that of $test changes nothing in $file: $mistake"
	done <"$work/mutations"
	say "mutations: each changes its file"
}

# versions: what was built says the version of the sources it was built from.
versions() {
	version=$("$root/debian/version.sh")
	for program in "$root"/bin/dpr*; do
		said=$("$program" --version)
		[ "${said##* }" = "$version" ] || die "$program says \"$said\", not $version: is it built?"
	done
	say "versions: $version"
}

units
vagrantfile
scripts
alerts
mutations
versions
"$here/licences.sh"
"$here/docs.sh" check
