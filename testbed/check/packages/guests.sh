# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154 # $image and $work are of the script that reads this
# Guests on a bridge in a network namespace of their own:
#
#   namespace dpr-install
#     br0 10.78.0.9 ┬ tap g1 ─ guest 1, 10.78.0.11
#                   ├ tap g2 ─ guest 2, 10.78.0.12
#                   ├ tap g3 ─ guest 3, 10.78.0.13
#                   └ tap g4 ─ guest 4, 10.78.0.14
#
# Nothing of it reaches the machine's own network. $image is the directory of
# the disk, $work that of this run.

ns=dpr-install
state=/run/dpr-install

# guests_down: also what a run left that was killed.
guests_down() {
	for n in 1 2 3 4; do
		[ ! -e "$state/ssh-10.78.0.1$n" ] || on_exit "$n"
	done
	for pid in "$state"/*.pid; do
		[ -e "$pid" ] || continue
		number=$(cat "$pid")
		# The number may be another process's by now.
		if tr '\0' ' ' <"/proc/$number/cmdline" 2>/dev/null | grep -q -- '-name dpr-install-'; then
			kill -9 "$number" || :
		fi
	done
	rm -rf "$state"
	if [ -e "/run/netns/$ns" ]; then
		ip netns del "$ns"
	fi
}

guests_up() {
	guests_down
	rm -rf "$state"
	mkdir -m 700 "$state"
	ip netns add "$ns"
	ip -n "$ns" -batch - <<EOF
link set lo up
link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
address add 10.78.0.9/24 dev br0
link set br0 up
EOF
	for n in 1 2 3 4; do
		ip -n "$ns" -batch - <<EOF
tuntap add dev g$n mode tap
link set g$n master br0
link set g$n up
EOF
	done
}

# boot N NAME DISK PROCESSORS SECOND: starts guest N. Its second disk it may only read.
boot() {
	ip netns exec "$ns" qemu-system-x86_64 -name "dpr-install-$2" -M q35 -accel tcg,thread=multi -cpu qemu64 \
		-smp "$4" -m 1024 -nodefaults -no-user-config -display none \
		-kernel "$image/vmlinuz" -initrd "$image/initrd.img" \
		-append "root=/dev/vda rw console=ttyS0 loglevel=4 mitigations=off net.ifnames=0 systemd.hostname=$2 panic=-1 oops=panic panic_on_warn=1" \
		-chardev "file,id=console,append=on,path=$work/$2.console" -serial chardev:console \
		-device virtio-rng-pci -drive "if=virtio,format=qcow2,file=$3,cache=unsafe" \
		-drive "if=virtio,format=raw,file=$5,readonly=on" \
		-netdev "tap,id=net,script=no,downscript=no,ifname=g$1" \
		-device "virtio-net-pci,netdev=net,romfile=,mac=02:64:70:72:00:0$1" \
		-pidfile "$state/$1.pid" -daemonize
}

# on N COMMAND...: runs a command on guest N, by its shell.
on() {
	guest_=$1
	shift
	ip netns exec "$ns" ssh -q -i "$image/key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=10 -o ServerAliveCountMax=12 \
		-o ControlMaster=auto -o "ControlPath=$state/ssh-%h" -o ControlPersist=60 \
		"root@10.78.0.1$guest_" "$@"
}

# put N DIRECTORY FILE...: copies files to a guest.
put() {
	guest_=$1 dir_=$2
	shift 2
	for file_; do
		on "$guest_" "mkdir -p $dir_ && cat >$dir_/$(basename "$file_") && chmod 755 $dir_/$(basename "$file_")" <"$file_" || return 1
	done
}

# await N: guest N has booted, all of it.
await() {
	retry 900 on "$1" true </dev/null || { tail -n 30 "$work"/*.console >&2; die "guest $1 does not boot"; }
	# "degraded" would be a unit that failed.
	on "$1" 'systemctl is-system-running --wait' </dev/null >/dev/null ||
		{ on "$1" 'systemctl --failed; journalctl -b -p warning -n 30 --no-pager' </dev/null >&2; die "guest $1: a unit failed"; }
}

# poweroff N: and wait for the end of it.
poweroff() {
	number=$(cat "$state/$1.pid")
	on "$1" 'systemctl poweroff' </dev/null || :
	on_exit "$1"
	retry 300 sh -c "! kill -0 $number 2>/dev/null" || die "guest $1 does not power off"
}

# reboot N: until it has booted again.
reboot() {
	before=$(on "$1" 'cat /proc/sys/kernel/random/boot_id' </dev/null)
	on "$1" 'systemctl reboot' </dev/null || :
	on_exit "$1"
	retry 900 rebooted "$1" "$before" || die "guest $1 does not reboot"
	await "$1"
}

rebooted() {
	now=$(on "$1" 'cat /proc/sys/kernel/random/boot_id' </dev/null) && [ "$now" != "$2" ]
}

# on_exit N: the connection that commands share is of no use any more.
on_exit() {
	ip netns exec "$ns" ssh -q -O exit -o "ControlPath=$state/ssh-%h" "root@10.78.0.1$1" 2>/dev/null || :
	rm -f "$state/ssh-10.78.0.1$1"
}
