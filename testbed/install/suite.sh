#!/bin/sh
# SPDX-License-Identifier: MIT
# The packages on one release of Debian, as an operator would use them: three
# servers and a client, all of them virtual machines with systemd.
# usage: suite.sh SUITE PREVIOUS CURRENT: two directories with packages.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/lib.sh"
. "$here/guests.sh"
. "$here/checks.sh"
suite=$1 previous=$2 current=$3

work=$(mktemp -d)
trap 'guests_down; rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# disk NAME BACKING FORMAT: a disk on top of another, which stays as it is.
disk() {
	qemu-img create -q -f qcow2 -F "$3" -b "$2" "$work/$1.qcow2"
}

# installed: the previous version is installed on a disk that is then that of all
# servers. That is done in the disk's file system, at this machine's own speed:
# an emulated processor takes many minutes for what DKMS compiles, and does it
# once in this test, in the upgrade.
installed() {
	step "the previous version is installed; DKMS builds the module"
	cp --sparse=always "$image/disk.raw" "$work/golden.raw"
	mkdir "$work/golden"
	unshare --mount --pid --fork sh -euc '
		mount -o loop "$1.raw" "$1"
		mount -t proc proc "$1/proc"
		mkdir -p "$1/root/previous"
		cp "$2"/*.deb "$3" "$1/root/previous/"
		release=$(ls "$1/lib/modules")
		chroot "$1" sh /root/previous/install.sh /root/previous "$release"
		chroot "$1" dkms status dpr | grep -q "$release.*: installed"
		umount "$1/proc" "$1"' sh "$work/golden" "$previous" "$root/testbed/vagrant/install.sh" </dev/null >"$work/install.log" 2>&1 ||
		{ tail -n 40 "$work/install.log" >&2; die "the packages cannot be installed"; }
	qemu-img convert -f raw -O qcow2 "$work/golden.raw" "$work/golden.qcow2"
	rm "$work/golden.raw"
}

# started: three servers and a client, set up by the scripts of the Vagrantfile.
started() {
	step "three servers and a client start"
	for n in 1 2 3; do
		disk "s$n" "$work/golden.qcow2" qcow2
		boot "$n" "s$n" "$work/s$n.qcow2" 1
	done
	disk c1 "$image/disk.raw" raw
	boot 4 c1 "$work/c1.qcow2" 1
	od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$work/report.key"
	for n in 1 2 3; do
		await "$n"
		# Installed, but not enabled: it takes no part.
		refuse_active "$n"
		put "$n" /root/provision "$work/report.key" "$root/testbed/vagrant/server.sh"
		on "$n" 'sh /root/provision/server.sh eth0 /root/provision/report.key' </dev/null >"$work/server.log" 2>&1 ||
			{ tail -n 40 "$work/server.log" >&2; die "server.sh failed on s$n"; }
	done
	await 4
	put 4 /root/provision "$root/testbed/vagrant/client.sh"
	on 4 'sh /root/provision/client.sh 10.78.0.11 s1 10.78.0.12 s2 10.78.0.13 s3' </dev/null >&2
	working
}

# working: all servers know each other, and a browser's connections are shared.
working() {
	for n in 1 2 3; do
		retry 60 units_active "$n" || { on "$n" 'systemctl status --no-pager "dpr*"' </dev/null >&2; die "s$n: not all units are active"; }
		retry 60 healthy "$n" || { on "$n" 'dprctl status; dprctl peers' </dev/null >&2; die "s$n is not healthy"; }
	done
	browse
}

# documented: the commands of the documentation for operators.
documented() {
	step "the commands of docs/operations.md"
	"$here/docs.sh" print host "$root/docs/operations.md" >"$work/operations.sh"
	put 1 /root/previous "$work/operations.sh"
	on 1 'cd /root/previous && sh -euv ./operations.sh' </dev/null >"$work/operations.log" 2>&1 ||
		{ tail -n 40 "$work/operations.log" >&2; die "a command of docs/operations.md failed"; }
	working
}

rebooted_all() {
	step "all servers reboot"
	for n in 1 2 3; do
		reboot "$n" &
		eval "job$n=\$!"
	done
	wait "$job1" && wait "$job2" && wait "$job3"
	working
}

# upgraded: under downloads, some of which are redirected.
upgraded() {
	step "an upgrade under downloads"
	downloads_start
	put 1 /root/current "$current"/*.deb
	put 2 /root/current "$current"/dpr_*.deb
	on 1 'apt-get -q -y install /root/current/*.deb' </dev/null >"$work/upgrade.log" 2>&1 ||
		{ tail -n 40 "$work/upgrade.log" >&2; die "the upgrade failed on s1"; }
	on 2 'apt-get -q -y install /root/current/*.deb' </dev/null >"$work/upgrade.log" 2>&1 ||
		{ tail -n 40 "$work/upgrade.log" >&2; die "the upgrade failed on s2"; }
	dkms_has 1 "$current"
	working
	downloads_end
}

removed() {
	step "removal and purge"
	on 3 'apt-get -q -y remove dpr dpr-dkms' </dev/null >"$work/remove.log" 2>&1 ||
		{ tail -n 40 "$work/remove.log" >&2; die "the packages cannot be removed"; }
	refuse_active 3
	refuse_module 3
	on 3 'test -e /etc/dpr/dpr.toml' </dev/null || die "removal took the configuration"
	on 3 'rm -r /root/previous /root/provision; apt-get -q -y purge dpr dpr-dkms' </dev/null >"$work/remove.log" 2>&1 ||
		{ tail -n 40 "$work/remove.log" >&2; die "the packages cannot be purged"; }
	leftovers=$(on 3 "find / -xdev | grep '[^a-z]dpr' || :; lsmod | grep '^dpr ' || :" </dev/null)
	[ -z "$leftovers" ] || die "purge leaves on s3: $leftovers"
	for n in 1 2; do
		retry 30 peers_usable "$n" 1 || die "s$n does not notice that s3 is gone"
	done
	browse
}

image=$("$here/image.sh" "$suite")
guests_up
installed
started
sandboxed 1
documented
rebooted_all
upgraded
removed
consoles_clean
step "passed"
