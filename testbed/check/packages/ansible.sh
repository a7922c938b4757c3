#!/bin/sh
# SPDX-License-Identifier: MIT
# The Ansible role, on three servers of one release of Debian with this version's packages. The
# machine that Ansible runs on has Debian 12: its Ansible knows the Python of no later release.
# shellcheck disable=SC2154 # $ns is of guests.sh
# usage: ansible.sh SUITE CURRENT: a directory with packages.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
. "$root/scripts/lib.sh"
. "$here/guests.sh"
. "$here/checks.sh"
. "$here/cluster.sh"
suite=$1 current=$2

work=$(mktemp -d)
trap 'guests_down; rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# configured: one host after the other, from hosts that know no peer; the third gets dpr by the
# role. A file that is wrong changes nothing, and neither does the same play once more.
configured() {
	step "a new cluster"
	servers unconfigured
	on 3 'apt-get -q -y remove dpr && ! command -v dprctl' </dev/null >"$work/remove" 2>&1 || die "s3 keeps dpr: $(cat "$work/remove")"
	inventory 1
	play first
	! grep -q 'changed=0 ' "$work/play.first" || die "the role changed nothing on a host: $(cat "$work/play.first")"
	inventory 0
	if try_play wrong || ! grep -q 'weight: 0 is not' "$work/play.wrong"; then
		die "the role takes a weight of 0: $(cat "$work/play.wrong")"
	fi
	inventory 1
	play again
	[ "$(grep -c 'changed=0 ' "$work/play.again")" -eq 3 ] || die "the role run again changes something: $(cat "$work/play.again")"
	versions "$current" 3 5
	on 3 'dprctl config | grep -q "^weight *2$"' </dev/null || die "s3 is not configured by the role"
	working
}

# unconfigured N: as a host that is to be one of a new cluster, whose module knows no other.
unconfigured() {
	on "$1" 'systemctl stop dpr.target dpr-exporter && rmmod dpr && rm -rf /etc/dpr/conf.d /etc/dpr/*.key' </dev/null ||
		die "s$1 cannot begin anew"
}

# cut_off: a play with another key alone has cut the first host off. The same play once more ends
# there, too: the host knew others.
cut_off() {
	step "a host that a mistake has cut off"
	key=$(cat "$work/report.key")
	od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$work/report.key"
	put 1 /root/provision "$work/report.key"
	on 1 'install -m 600 /root/provision/report.key /etc/dpr/report.key && systemctl reload dpr-broadcast dpr-receive' </dev/null
	retry 60 peers_usable 1 0 || die "s1 has another key, and peers"
	inventory 1
	! try_play cut-off || die "the play goes on after a host that is cut off: $(cat "$work/play.cut-off")"
	printf %s "$key" >"$work/report.key"
	[ "$(on 2 'cat /etc/dpr/report.key' </dev/null)" = "$key" ] || die "the play goes on after a host that is cut off: $(cat "$work/play.cut-off")"
}

# unloaded: the kernel of the first host refuses a file, as the ports of splices are its own. Once
# they are not, a play loads the file, although it writes nothing.
unloaded() {
	step "a reload that the kernel refuses"
	on 1 'cat /proc/sys/net/ipv4/ip_local_port_range >/root/ports && echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range &&
		printf "[[backend]]\nname = \"later\"\naddress = \"10.78.0.99\"\nservices = [80]\n" >/etc/dpr/conf.d/backend.toml' </dev/null
	inventory 1
	! try_play refused || die "the play does not say that a reload fails: $(cat "$work/play.refused")"
	on 1 'cat /root/ports >/proc/sys/net/ipv4/ip_local_port_range && rm /root/ports && dprctl config diff | grep -q "^backend "' </dev/null ||
		die "s1 has loaded what its kernel refuses: $(on 1 'dprctl config diff' </dev/null)"
	play loaded --limit s1
	on 1 'dprctl config diff | grep -q "^the kernel has what"' </dev/null || die "s1 has not loaded its files: $(on 1 'dprctl config diff' </dev/null)"
	on 1 'rm /etc/dpr/conf.d/backend.toml && systemctl reload dpr-setup' </dev/null
}

# inventory WEIGHT [PREVIOUS-KEY]: of three hosts, the first of this weight.
inventory() {
	cat >"$work/inventory.yml" <<EOF
dpr:
  hosts:
    s1: {ansible_host: 10.78.0.11, dpr_address: 10.78.0.11, dpr_weight: $1}
    s2: {ansible_host: 10.78.0.12}
    s3: {ansible_host: 10.78.0.13, dpr_weight: 2}
  vars:
    ansible_user: root
    ansible_ssh_private_key_file: $image/key
    dpr_key: "$(cat "$work/report.key")"
    dpr_previous_key: "${2-}"
    dpr_debs: ["$(ls "$current"/dpr-dkms_*.deb)", "$(ls "$current"/dpr_*.deb)"]
EOF
}

# rekeyed: the steps of contrib/ansible/README.md. A play ends where a host that knows others is
# not healthy afterwards. A key that another file names stays.
rekeyed() {
	step "another key, while all hosts stay in the cluster"
	old=$(cat "$work/report.key") new=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
	inventory 1 "$new"
	play accepted
	printf %s "$new" >"$work/report.key"
	inventory 1 "$old"
	play signed
	on 1 "umask 077; echo $old >/etc/dpr/previous.key" </dev/null
	on 1 'printf "[report]\nprevious_key_file = \"/etc/dpr/previous.key\"\n" >/etc/dpr/conf.d/keys.toml' </dev/null
	inventory 1
	play rekeyed
	on 1 '[ ! -e /etc/dpr/ansible-previous.key ]' </dev/null || die "s1 keeps the old key"
	on 1 'dprctl check /etc/dpr/dpr.toml' </dev/null >"$work/check" 2>&1 || die "the role took a key that a file names: $(cat "$work/check")"
	on 1 'rm /etc/dpr/conf.d/keys.toml /etc/dpr/previous.key && systemctl reload dpr-broadcast dpr-receive dpr-cleanup' </dev/null
	working
}

# play NAME [OPTION...]: runs the playbook.
play() { try_play "$@" || { tail -n 40 "$work/play.$1" >&2; die "the playbook failed"; }; }

# try_play NAME [OPTION...]: runs it, to succeed or not.
try_play() {
	log_=$work/play.$1
	shift
	: >"$work/ansible.cfg"
	ip netns exec "$ns" env ANSIBLE_HOST_KEY_CHECKING=False ANSIBLE_PIPELINING=True ANSIBLE_NOCOLOR=1 ANSIBLE_TIMEOUT=60 \
		ANSIBLE_LOCAL_TEMP="$work/ansible" ANSIBLE_SSH_CONTROL_PATH_DIR="$work/ansible-ssh" ANSIBLE_CONFIG="$work/ansible.cfg" \
		ansible-playbook -i "$work/inventory.yml" "$@" "$root/contrib/ansible/playbook.yml" </dev/null >"$log_" 2>&1
}

image=$("$here/image.sh" "$suite")
guests_up
installed "$current"
started "$current"
configured
cut_off
unloaded
rekeyed
consoles_clean
step "passed"
