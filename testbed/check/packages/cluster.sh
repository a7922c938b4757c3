# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154 # $image, $work and $current are of the script that reads this
# Three servers and a client of one disk, set up by the scripts of the Vagrantfile.

# disk NAME BACKING FORMAT: a disk on top of another, which stays as it is.
disk() {
	qemu-img create -q -f qcow2 -F "$3" -b "$2" "$work/$1.qcow2"
}

# installed PACKAGES: a version is installed on a disk that is then that of all
# servers, see prepare.sh. That is done in the disk's file system, at this
# machine's own speed: an emulated processor takes many minutes for what DKMS
# compiles, and does it once in this test, in the upgrade.
installed() {
	step "version $(version "$1") is installed; DKMS builds the module, also for a new kernel"
	cp --sparse=always "$image/disk.raw" "$work/golden.raw"
	mkdir "$work/golden"
	unshare --mount --pid --fork "$here/prepare.sh" "$work/golden" "$1" "$current" </dev/null >"$work/install.log" 2>&1 ||
		{ tail -n 40 "$work/install.log" >&2; die "the packages cannot be installed"; }
	grep '^prepare: ' "$work/install.log" >&2
	qemu-img convert -f raw -O qcow2 "$work/golden.raw" "$work/golden.qcow2"
	rm "$work/golden.raw"
}

# address6 N ADDRESS: guest N has an IPv6 address, too.
address6() {
	put "$1" /root/provision "$root/testbed/lab/vagrant/address6.sh"
	on "$1" "sh /root/provision/address6.sh eth0 $2" </dev/null >&2
}

# restart N: the server reboots, and is given its IPv6 address as at each boot.
restart() {
	reboot "$1"
	address6 "$1" "fd78::1$1/64"
}

# served N: guest N becomes a server of the cluster.
served() {
	await "$1"
	# Installed, but not enabled: it takes no part.
	refuse_active "$1"
	put "$1" /root/provision "$work/report.key" "$root/testbed/lab/vagrant/server.sh"
	address6 "$1" "fd78::1$1/64"
	on "$1" 'sh /root/provision/server.sh eth0 /root/provision/report.key' </dev/null >"$work/server.$1.log" 2>&1 ||
		{ tail -n 40 "$work/server.$1.log" >&2; die "server.sh failed on s$1"; }
}

# servers COMMAND: a function, for all servers at once.
servers() {
	"$1" 1 & job1=$!
	"$1" 2 & job2=$!
	"$1" 3 & job3=$!
	failed=
	for job in $job1 $job2 $job3; do wait "$job" || failed=yes; done
	[ -z "$failed" ] || die "$1 failed on a server"
}

# started PACKAGES: three servers and a client, set up by the scripts of the Vagrantfile.
started() {
	step "three servers and a client start"
	for n in 1 2 3; do
		disk "s$n" "$work/golden.qcow2" qcow2
		# DKMS builds on the first, with all processors.
		boot "$n" "s$n" "$work/s$n.qcow2" $((n == 1 ? 2 : 1)) "$work/golden.plain"
	done
	disk c1 "$image/disk.raw" raw
	boot 4 c1 "$work/c1.qcow2" 1 "$work/golden.plain"
	od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$work/report.key"
	servers served
	versions "$1" 1
	await 4
	put 4 /root/provision "$root/testbed/lab/vagrant/client.sh"
	address6 4 fd78::101/64
	on 4 'sh /root/provision/client.sh 10.78.0.11 s1 10.78.0.12 s2 10.78.0.13 s3' </dev/null >&2
	working
}

# working: all servers know each other, and a browser's connections are shared.
working() {
	servers well
	browse s1
	by=$(on 4 'curl -sS -m 180 "http://[fd78::11]/"' </dev/null) || die "s1 does not serve by IPv6: $by"
	case $by in s[123]) ;; *) die "by IPv6 came $by" ;; esac
}

# well N: its units run, and it knows both others.
well() {
	retry 300 units_active "$1" || { on "$1" 'systemctl status --no-pager "dpr*"' </dev/null >&2; die "s$1: not all units are active"; }
	retry 300 healthy "$1" || { on "$1" 'dprctl status; dprctl peers' </dev/null >&2; die "s$1 is not healthy"; }
}
