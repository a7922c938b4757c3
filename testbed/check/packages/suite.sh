#!/bin/sh
# SPDX-License-Identifier: MIT
# The packages on one release of Debian, as an operator would use them: three
# servers and a client, all of them virtual machines with systemd.
# usage: suite.sh SUITE PREVIOUS CURRENT: two directories with packages.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
. "$root/scripts/lib.sh"
. "$here/guests.sh"
. "$here/checks.sh"
. "$here/cluster.sh"
suite=$1 previous=$2 current=$3

work=$(mktemp -d)
trap 'guests_down; rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# documented: the commands for a host of README.md, then of docs/operations.md, on the
# first server, which has this version. Both make a key, and none is overwritten.
documented() {
	step "the commands of README.md and docs/operations.md"
	"$root/scripts/docs.sh" print host "$root/README.md" >"$work/readme.sh"
	put 1 /root/current/out "$work/readme.sh"
	on 1 'ln -s .. /root/current/out/deb && mv /etc/dpr/report.key /root/old.key && cd /root/current && sh -euv out/readme.sh &&
		mv /root/old.key /etc/dpr/report.key' </dev/null >"$work/readme.log" 2>&1 ||
		{ tail -n 40 "$work/readme.log" >&2; die "a command of README.md failed"; }
	# The page makes a key, which all hosts are to have before it goes on.
	"$root/scripts/docs.sh" print host "$root/docs/operations.md" >"$work/operations.sh"
	sed '/^dprctl key new$/q' "$work/operations.sh" >"$work/operations.1.sh"
	sed '1,/^dprctl key new$/d' "$work/operations.sh" >"$work/operations.2.sh"
	put 1 /root/current "$work/operations.1.sh" "$work/operations.2.sh"
	on 1 'mv /etc/dpr/report.key /root/old.key' </dev/null
	operate 1
	on 1 'cat /etc/dpr/report.key' </dev/null >"$work/report.key"
	for n in 1 2 3; do
		put "$n" /root/provision "$work/report.key"
		on "$n" 'install -m 600 /root/provision/report.key /etc/dpr/report.key && systemctl reload dpr-broadcast dpr-receive dpr-cleanup' </dev/null
	done
	servers well
	retry 60 keyed 1 || die "s1: the kernel has other keys than the file: $(on 1 'dprctl config diff' </dev/null)"
	operate 2
	working
	retry 60 keyed 1 || die "s1: the kernel has other keys than the file: $(on 1 'dprctl config diff' </dev/null)"
}

# operate PART: the commands of docs/operations.md, up to the key or after it.
operate() {
	on 1 "cd /root/current && sh -euv ./operations.$1.sh" </dev/null >"$work/operations.log" 2>&1 ||
		{ tail -n 40 "$work/operations.log" >&2; die "a command of docs/operations.md failed"; }
}

rebooted_all() {
	step "all servers reboot"
	servers restart
	working
}

# upgrade N: to the packages that were put there.
upgrade() {
	on "$1" 'apt-get -q -y -o Dpkg::Options::=--force-confold install /root/current/*.deb' </dev/null >"$work/upgrade.$1.log" 2>&1 ||
		{ tail -n 40 "$work/upgrade.$1.log" >&2; die "the upgrade failed on s$1"; }
	renewed "$1"
	# The version before may not have had it.
	retry 60 leaves "$1" || die "s$1: dpr-leave does not run after the upgrade"
}

# leaves N: it will leave the cluster at shutdown.
leaves() { [ "$(on "$1" 'systemctl is-active dpr-leave' </dev/null)" = active ]; }

# upgraded: under downloads, some of which are redirected. The second server keeps
# its module.
upgraded() {
	step "an upgrade under downloads; DKMS builds the module on the guest"
	downloads_start s1
	put 1 /root/current "$current"/dpr_*.deb "$current"/dpr-dkms_*.deb
	put 2 /root/current "$current"/dpr_*.deb
	on 1 'echo "# ours" >>/etc/dpr/dpr.toml' </dev/null
	upgrade 2 & other=$!
	upgrade 1
	wait "$other" || die "the upgrade failed on a server"
	on 1 'grep -q "^# ours" /etc/dpr/dpr.toml && dprctl check /etc/dpr/dpr.toml' </dev/null >"$work/kept" 2>&1 ||
		die "the upgrade does not keep the configuration: $(cat "$work/kept")"
	dkms_has 1 "$current"
	signed 1
	versions "$current" 1
	# The module in memory is still that of before.
	[ "$(on 1 'cat /sys/module/dpr/version' </dev/null)" = "$(version "$previous")" ] || die "the upgrade took the module away"
	working
	downloads_end
}

# mixed: the first server's module is the new one, the second's programs alone, and the
# third has nothing new. Each redirects to both others, downloads last, and what
# ended leaves the tables.
mixed() {
	step "this version and the last one in one cluster"
	restart 1
	[ "$(on 1 'cat /sys/module/dpr/version' </dev/null)" = "$(version "$current")" ] || die "s1 does not have the new module"
	for n in 2 3; do
		[ "$(on "$n" 'cat /sys/module/dpr/version' </dev/null)" = "$(version "$previous")" ] || die "s$n does not have the old module"
	done
	versions "$previous" 3
	servers well
	for host in s1 s2 s3; do
		browse "$host"
		downloads_start "$host"
		downloads_end
	done
	for n in 1 2 3; do
		retry 600 no_flows "$n" || die "s$n keeps flows: $(on "$n" 'dprctl flows' </dev/null)"
	done
}

# upgraded_at_boot: the second server, which has this version's programs, installs them again
# while it boots, by a unit that multi-user.target waits for, as a first boot's may be.
upgraded_at_boot() {
	step "an upgrade while a server boots"
	on 2 'cat >/etc/systemd/system/upgrade-at-boot.service && systemctl enable upgrade-at-boot' <<'EOF'
[Unit]
Wants=network-online.target
After=network-online.target dpr.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'systemctl -q is-active dpr.target && apt-get -q -y --reinstall install /root/current/dpr_*.deb'
TimeoutStartSec=10min
[Install]
WantedBy=multi-user.target
EOF
	restart 2
	on 2 '[ "$(systemctl show -P ExecMainStatus upgrade-at-boot)" = 0 ] && journalctl -b -u upgrade-at-boot | grep "Setting up dpr "' </dev/null >&2 ||
		die "s2 is not upgraded at boot: $(on 2 'journalctl -b -u upgrade-at-boot' </dev/null)"
	renewed 2
	retry 60 leaves 2 || die "s2: dpr-leave does not run after the upgrade at boot"
	on 2 'systemctl disable upgrade-at-boot && rm /etc/systemd/system/upgrade-at-boot.service && systemctl daemon-reload' </dev/null
	servers well
}

# shut_down: the first server, which has this version, reboots as an operator would
# have it, while connections begin at both others. It served some; none fails.
shut_down() {
	step "a server reboots under load"
	units_active 1 || die "s1: not all units are active"
	leaves 1 || die "s1: dpr-leave is not active"
	connections_start s2 s3
	retry 60 connections_served s1 || die "s1 serves no connection: $(connections)"
	restart 1
	connections_end
	[ "$(on 1 'journalctl -b -1 -u dpr-leave -o cat' </dev/null | grep -c "connections served here")" -gt 0 ] ||
		die "s1 did not leave: $(on 1 'journalctl -b -1 -u dpr-leave -o cat' </dev/null)"
	servers well
	browse s2
}

# soft_rebooted: the first server's user space starts anew, the kernel and its module stay
# (systemd 254 and later): the host leaves, and comes back.
soft_rebooted() {
	[ "$suite" != bookworm ] || return 0
	step "a soft reboot"
	before=$(on 1 'systemctl show -P ActiveEnterTimestampMonotonic multi-user.target; cat /proc/sys/kernel/random/boot_id' </dev/null)
	on 1 'systemctl soft-reboot' </dev/null || :
	on_exit 1
	retry 300 soft_rebooted_since "$before" || die "s1 does not soft-reboot"
	await 1
	address6 1 fd78::11/64
	[ "$(on 1 'journalctl -b -u dpr-leave -o cat' </dev/null | grep -c "connections served here")" -gt 0 ] || die "s1 did not leave"
	well 1
	on 1 'dprctl config | grep -q "^state *active$" && [ ! -e /run/dpr/left ]' </dev/null || die "s1 is still out of the cluster: $(on 1 'dprctl status' </dev/null)"
	servers well
	browse s1
}

# soft_rebooted_since TIME: user space is another one, of the same boot.
soft_rebooted_since() {
	now=$(on 1 'systemctl show -P ActiveEnterTimestampMonotonic multi-user.target; cat /proc/sys/kernel/random/boot_id' </dev/null) || return 1
	[ "${now%%[!0-9]*}" != 0 ] && [ "${now%%[!0-9]*}" != "${1%%[!0-9]*}" ] && [ "${now#*-}" = "${1#*-}" ]
}

# fast_path: on the first server, by dpr-fastpath with the rights of its unit and no others:
# packets of redirected downloads take it. On Debian 12, whose kernel has it not, the reason is
# said. dpr.target stops it, so that the module can be removed, and starts it again.
fast_path() {
	step "the fast path"
	on 1 'mkdir -p /etc/dpr/conf.d && printf "fast_path = \"xdp-forced\"\nfast_path_devices = [ \"eth0\" ]\n" >/etc/dpr/conf.d/60-fast.toml' </dev/null
	fast_path_is 'off: dpr-fastpath does not run' || die "s1 does not say that dpr-fastpath is missing: $(on 1 'dprctl status' </dev/null)"
	on 1 'systemctl enable --now dpr-fastpath' </dev/null
	path='on, forced'
	[ "$suite" != bookworm ] || path='off: not on Linux 6\.1'
	retry 60 fast_path_is "$path" || die "s1: no fast path: $(on 1 'dprctl status; journalctl -b -u dpr-fastpath --no-pager -n 20' </dev/null)"
	[ "$(on 1 'readlink /proc/$(systemctl show -P MainPID dpr-fastpath)/exe' </dev/null)" = /usr/sbin/dpr-fastpath ] || die "s1: another program is dpr-fastpath"
	on 1 'systemd-analyze security --threshold=25 --no-pager dpr-fastpath.service' </dev/null >"$work/security" 2>&1 ||
		die "dpr-fastpath is not as confined as it should be: $(grep -v '✓' "$work/security")"
	downloads_start s1
	downloads_end
	[ "$suite" = bookworm ] || say "packets that took it: $(fast_packets)"
	[ "$suite" = bookworm ] || [ "$(fast_packets)" -gt 0 ] || die "s1: no packet took the fast path: $(on 1 'dprctl stats' </dev/null)"
	on 1 'systemctl stop dpr.target && ! systemctl -q is-active dpr-fastpath && sleep 1 && modprobe -r dpr && systemctl start dpr.target' </dev/null ||
		die "s1: the module cannot be removed: $(on 1 'systemctl status --no-pager "dpr*"' </dev/null)"
	retry 60 fast_path_is "$path" || die "s1: the fast path does not come back: $(on 1 'dprctl status; journalctl -b -u dpr-fastpath --no-pager -n 20' </dev/null)"
	on 1 'systemctl disable --now dpr-fastpath && rm /etc/dpr/conf.d/60-fast.toml' </dev/null
	servers well
}

# fast_path_is HOW: the first server says so of its device, by a pattern.
fast_path_is() { on 1 'dprctl status' </dev/null 2>/dev/null | grep -q "^fast path  *eth0 $1"; }

# fast_packets: how many packets took the fast path on the first server.
fast_packets() { on 1 'dprctl stats --json' </dev/null | grep -o '"fast_tx": *[0-9]*' | grep -o '[0-9]*$'; }

# rest_upgraded: the third server is as the second, and the second's module stays in memory.
rest_upgraded() {
	step "the third server's programs are upgraded"
	put 3 /root/current "$current"/dpr_*.deb
	upgrade 3
	servers well
}

# traced: dprctl trace asks the other hosts by ssh, and finds every download of the client,
# at the host that redirects it and at the one that serves it.
traced() {
	step "dprctl trace, by ssh"
	put 1 /root/.ssh "$image/key"
	on 1 'mv /root/.ssh/key /root/.ssh/id_ed25519; chmod 600 /root/.ssh/id_ed25519
		printf "Host 10.78.0.*\n\tStrictHostKeyChecking no\n\tUserKnownHostsFile /dev/null\n\tLogLevel ERROR\n" >/root/.ssh/config' </dev/null
	downloads_start s1
	on 1 'dprctl trace --all 10.78.0.14' </dev/null >"$work/trace" 2>&1 || die "dprctl trace: $(cat "$work/trace")"
	redirected=$(grep -c 'redirected to .*established' "$work/trace")
	[ "$redirected" -gt 0 ] && [ "$(grep -c 'served here; established' "$work/trace")" -eq 4 ] ||
		die "dprctl trace does not show the 4 downloads: $(cat "$work/trace")"
	downloads_end
	say "of 4 downloads $redirected redirected; all found where they are served"
}

# anew N COMMAND: the server's cluster is left, COMMAND runs there, and this version's module,
# which "make" built for all servers (prepare.sh), is loaded and configured by the units.
anew() {
	on "$1" "systemctl stop dpr.target dpr-exporter && rmmod dpr && mkdir -p /root/dpr && mount -o ro /dev/vdb /root/dpr &&
		insmod /root/dpr/kmod/dpr.ko && umount /root/dpr && rmdir /root/dpr && { $2; } && systemctl start dpr.target dpr-exporter" </dev/null >"$work/anew.$1" 2>&1 ||
		{ tail -n 40 "$work/anew.$1" >&2; die "s$1 does not begin anew"; }
}

to_ipv6() {
	anew "$1" "mkdir -p /etc/dpr/conf.d && printf 'address = \"fd78::1$1\"\n[[report.network]]\ninterface = \"eth0\"\ngroup = \"ff12::7743\"\n' >/etc/dpr/conf.d/zz-ipv6.toml"
}

to_ipv4() { anew "$1" 'rm /etc/dpr/conf.d/zz-ipv6.toml'; }

# ipv6: a cluster of hosts with IPv6 addresses, under the units. The module of 0.2 knows no
# such hosts.
ipv6() {
	step "a cluster by IPv6, and back"
	servers to_ipv6
	servers well
	for n in 1 2 3; do
		[ "$(on "$n" 'dprctl peers --json' </dev/null | grep -c '"fd78::1[123]"')" -eq 2 ] || die "s$n does not know its peers by IPv6: $(on "$n" 'dprctl peers' </dev/null)"
	done
	servers to_ipv4
	working
}

# removed: from the first server, for which the packages were upgraded; the plain way
# follows there.
removed() {
	step "removal and purge"
	on 1 'apt-get -q -y remove dpr dpr-dkms' </dev/null >"$work/remove.log" 2>&1 ||
		{ tail -n 40 "$work/remove.log" >&2; die "the packages cannot be removed"; }
	refuse_active 1
	refuse_module 1
	on 1 'test -e /etc/dpr/dpr.toml' </dev/null || die "removal took the configuration"
	on 1 'rm -r /root/previous /root/current /root/provision; apt-get clean; apt-get -q -y purge dpr dpr-dkms' </dev/null >"$work/remove.log" 2>&1 ||
		{ tail -n 40 "$work/remove.log" >&2; die "the packages cannot be purged"; }
	leftovers=$(on 1 "find / -xdev | grep '[^a-z]dpr' || :; lsmod | grep '^dpr ' || :; systemctl list-units --all --no-legend 'dpr*'" </dev/null)
	[ -z "$leftovers" ] || die "purge leaves on s1: $leftovers"
	for n in 2 3; do
		retry 120 peers_usable "$n" 1 || die "s$n does not notice that s1 is gone"
	done
	browse s2
}

# plain: without packages, from what "make" made (prepare.sh), as README.md says.
plain() {
	step "insmod, and make install"
	"$root/scripts/docs.sh" print plain "$root/README.md" | grep -v '^make$' >"$work/plain.sh"
	put 1 /root/provision "$work/report.key" "$work/plain.sh"
	on 1 'mkdir -p /root/dpr && mount -o ro /dev/vdb /root/dpr && cd /root/dpr &&
		install -D -m 600 /root/provision/report.key /etc/dpr/report.key && sh -euv /root/provision/plain.sh' </dev/null >"$work/plain.log" 2>&1 ||
		{ tail -n 40 "$work/plain.log" >&2; die "a command of README.md failed"; }
	[ "$(on 1 'dprctl --version | sed "s/.* //"; cat /sys/module/dpr/version' </dev/null | uniq -c | wc -l)" -eq 1 ] ||
		die "s1: the module is not of the version of dprctl"
	on 1 'systemctl enable --now dpr-exporter' </dev/null
	working
}

# unplain: the way back, but for the configuration.
unplain() {
	step "make uninstall"
	on 1 'cd /root/dpr && make -s uninstall' </dev/null >"$work/unplain.log" 2>&1 ||
		{ tail -n 40 "$work/unplain.log" >&2; die "what \"make install\" installed cannot be removed"; }
	leftovers=$(on 1 "find / -xdev | grep '[^a-z]dpr' | grep -v '^/etc/dpr\|^/root/' || :; lsmod | grep '^dpr ' || :; systemctl list-units --all --no-legend 'dpr*'" </dev/null)
	[ -z "$leftovers" ] || die "make uninstall leaves on s1: $leftovers"
}

image=$("$here/image.sh" "$suite")
guests_up
installed "$previous"
started "$previous"
sandboxed 1
rebooted_all
upgraded
mixed
upgraded_at_boot
shut_down
soft_rebooted
fast_path
documented
rest_upgraded
traced
ipv6
removed
plain
unplain
consoles_clean
step "passed"
