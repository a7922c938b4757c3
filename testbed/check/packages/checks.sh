# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154 # $suite and $work are of the script that reads this
# What is looked at on guests; each check ends the run if it is not so, or is
# a question.

daemons="dpr-broadcast dpr-receive dpr-cleanup dpr-exporter"

step() { say "$suite: $(date +%T) $*"; }

# version DIRECTORY: of the packages in it.
version() { dpkg-deb -f "$1"/dpr_*.deb Version; }

# dkms_has N DIRECTORY: DKMS built and installed the version of those packages.
dkms_has() {
	on "$1" "dkms status dpr/$(version "$2")" </dev/null | grep -q installed ||
		{ on "$1" 'dkms status; tail -n 40 /var/lib/dkms/dpr/*/build/make.log' </dev/null >&2; die "DKMS did not build $(version "$2")"; }
}

# signed N: DKMS signed the module on N's disk, by the key that an operator enrolls for
# Secure Boot.
signed() {
	keys_=$(on "$1" "modinfo -F sig_key dpr | tr -d ':\\n '; echo; openssl x509 -inform DER -in /var/lib/dkms/mok.pub -noout -serial | sed 's/.*=//'" </dev/null)
	[ "$(echo "$keys_" | uniq | wc -l)" -eq 1 ] && [ -n "$keys_" ] || die "guest $1: the module is not signed by DKMS's key:" $keys_
	say "signed by $(on "$1" 'modinfo -F signer dpr' </dev/null)"
}

# versions DIRECTORY N [COUNT]: programs and the module on N's disk are of the packages
# there; the first COUNT of these six.
versions() {
	want_=$(version "$1")
	said_=$(on "$2" 'for program in dprctl dpr-broadcast dpr-receive dpr-cleanup dpr-exporter; do $program --version; done | sed "s/.* //"; modinfo -F version dpr' </dev/null)
	[ "$(echo "$said_" | head -n "${3:-6}" | uniq -c | tr -s ' ')" = " ${3:-6} $want_" ] || die "guest $2: of version $want_, but says" $said_
}

# refuse_active N: no process of dpr's runs there. The module may be loaded: where
# nothing is configured it does nothing.
refuse_active() {
	found=$(on "$1" 'ps -e -o comm= | grep "^dpr-"' </dev/null) || :
	[ -z "$found" ] || die "guest $1: running: $found"
}

# refuse_module N: nor is its module loaded.
refuse_module() {
	found=$(on "$1" 'lsmod | grep "^dpr "' </dev/null) || :
	[ -z "$found" ] || die "guest $1: loaded: $found"
}

# units_active N: all of them; is-active itself is content with one.
units_active() {
	[ "$(on "$1" "systemctl is-active dpr.target dpr-setup $daemons" </dev/null | sort | uniq -c | tr -s ' ')" = " 6 active" ]
}

# renewed N: the processes are of the programs on the disk, not of some that were
# there before.
renewed() {
	old_=$(on "$1" "for unit in $daemons; do readlink /proc/\$(systemctl show -P MainPID \$unit)/exe; done" </dev/null)
	[ "$(echo "$old_" | sort | tr '\n' ' ')" = "$(printf '/usr/sbin/%s\n' $daemons | sort | tr '\n' ' ')" ] ||
		die "guest $1: not the programs that were installed run:" $old_
}

# peers_usable N COUNT
peers_usable() {
	[ "$(on "$1" 'dprctl peers --json' </dev/null | grep -o '"usable": *true' | wc -l)" -eq "$2" ]
}

healthy() {
	on "$1" 'dprctl status --check' </dev/null >/dev/null 2>&1 && peers_usable "$1" 2
}

# keyed N: its kernel, of this version's module, has the keys of handovers that belong to the
# file's keys.
keyed() { on "$1" 'diff=$(dprctl config diff) && ! echo "$diff" | grep -q "^report\.key_file"' </dev/null >/dev/null 2>&1; }

# browse HOST: a browser's twelve connections to a server. On each it follows a
# redirect of HTTP's, and asks for a picture and for the page again. All of it comes,
# by one host for each connection, and not by that server alone.
browse() {
	on 4 "host=$1"'
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	curl -sS -L -m 180 -w "%{http_code}:%{num_redirects}:%{num_connects}:%{size_download}\n" \
		-o - http://$host/start -o /dev/null http://$host/picture -o - http://$host/ >/tmp/page.$i 2>&1 &
done; wait; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do tr "\n" " " </tmp/page.$i; echo; done' </dev/null >"$work/pages" 2>&1 || die "the client: $(cat "$work/pages")"
	[ "$(grep -cE '^(s[123]) 200:1:1:3 200:0:0:108894 \1 200:0:0:3 $' "$work/pages")" -eq 12 ] ||
		die "not everything came, by one host and connection: $(sort "$work/pages" | uniq -c)"
	grep -q "^s[^${1#s}] " "$work/pages" || die "no connection was redirected: $(sort "$work/pages" | uniq -c)"
	say "asked $1, served: $(cut -c -2 "$work/pages" | sort | uniq -c | tr -s ' \n' ' ')"
}

# downloads_start HOST: four slow downloads from a server, some of which are redirected.
downloads_start() {
	on 4 "host=$1"'
rm -f /tmp/faster /tmp/sum.*
for i in 1 2 3 4; do
	(curl -sS http://$host/large | {
		while [ ! -e /tmp/faster ]; do dd bs=16k count=1 iflag=fullblock status=none; sleep 1; done
		cat
	} | sha256sum >/tmp/sum.$i) >/dev/null 2>/tmp/sum.$i.err &
	sleep 2
done' </dev/null
	on "${1#s}" 'dprctl flows' </dev/null >"$work/flows"
	grep -q established "$work/flows" || die "no download is redirected: $(cat "$work/flows")"
}

# downloads_end: the downloads go on at full speed and are complete.
downloads_end() {
	on 4 'touch /tmp/faster' </dev/null
	want=$(seq 100000000 2>/dev/null | head -c 64M | sha256sum)
	retry 900 downloads_done || { on 4 'cat /tmp/sum.*' </dev/null >&2; die "the downloads do not end"; }
	[ "$(on 4 'sort -u /tmp/sum.[1-4]' </dev/null)" = "$want" ] ||
		{ on 4 'cat /tmp/sum.*' </dev/null >&2; die "a download is not what it should be"; }
}

# connections_start HOST...: until connections_end, two connections a second to each, of
# two seconds or more, so that hosts have several at a time and redirect some. What each
# brought is a line: the host that served it, or why it failed.
connections_start() {
	on 4 "hosts='$*'"'
rm -f /tmp/enough /tmp/connections.*
for host in $hosts; do
	(while [ ! -e /tmp/enough ]; do
		curl -sS -m 60 --limit-rate 50k -o - http://$host/ -o /dev/null http://$host/picture >>/tmp/connections.$host 2>&1 &
		sleep 0.5
	done; wait; echo end >>/tmp/connections.$host) >/dev/null 2>&1 &
done' </dev/null
}

# connections: who served how many.
connections() { on 4 'cat /tmp/connections.* | sort | uniq -c' </dev/null | tr -s ' \n' ' '; }

# connections_served HOST: has it served any?
connections_served() { on 4 "cat /tmp/connections.* | grep -q '^$1\$'" </dev/null; }

# connections_end: none failed.
connections_end() {
	on 4 'touch /tmp/enough' </dev/null
	retry 120 connections_ended || die "the connections do not end: $(connections)"
	on 4 'cat /tmp/connections.* | grep -v "^end$"' </dev/null >"$work/connections"
	failed_=$(grep -v '^s[123]$' "$work/connections" | sort | uniq -c)
	[ -z "$failed_" ] || die "connections failed: $failed_"
	say "connections begun and served meanwhile: $(sort "$work/connections" | uniq -c | tr -s ' \n' ' ')"
}

connections_ended() { [ "$(on 4 'cat /tmp/connections.* | grep -c "^end$"' </dev/null)" -eq 2 ]; }

# no_flows N: its routing table is empty.
no_flows() { [ "$(on "$1" 'dprctl stats --json' </dev/null | grep -o '"flows": *[0-9]*' | grep -o '[0-9]*$')" -eq 0 ]; }

downloads_done() {
	[ "$(on 4 'cat /tmp/sum.[1-4] | wc -l' </dev/null)" -eq 4 ]
}

# sandboxed N: systemd's own opinion of the units.
sandboxed() {
	for unit in $daemons dpr-setup; do
		on "$1" "systemd-analyze security --threshold=25 --no-pager $unit.service" </dev/null >"$work/security" 2>&1 ||
			die "$unit is not as confined as it should be: $(grep -v '✓' "$work/security")"
		say "$unit: $(tail -n 1 "$work/security")"
	done
}

# consoles_clean: no kernel complained.
consoles_clean() {
	! grep -E -B 5 -A 30 'WARNING: CPU|BUG: |Kernel panic|Call Trace' "$work"/*.console >&2 ||
		die "a guest's kernel complained"
}
