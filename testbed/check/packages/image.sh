#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes a disk with a small Debian on it, once for the same lists, and prints the
# directory of it: disk.raw, vmlinuz, initrd.img and key, an ssh key of root's.
# usage: image.sh SUITE
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
. "$root/scripts/lib.sh"
suite=${1:?usage: image.sh SUITE}

# sources: the suite and its security updates, from where this machine's apt has
# its own release.
sources() {
	LC_ALL=C apt-get indextargets --format '$(COMPONENT) $(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
		awk -v suite="$suite" -v keys=/usr/share/keyrings/debian-archive-keyring.gpg '
			$1 != "main" || $2 != "Debian" || seen[$3]++ { next }
			$3 == "Debian" { print "deb [signed-by=" keys "]", $4, suite, "main" }
			$3 == "Debian-Security" { print "deb [signed-by=" keys "]", $4, suite "-security", "main" }'
}

# network DIR: a guest's address goes by its network card's.
network() {
	for n in 1 2 3 4; do
		cat >"$1/etc/systemd/network/10-$n.network" <<EOF
[Match]
MACAddress=02:64:70:72:00:0$n
[Network]
Address=10.78.0.1$n/24
LinkLocalAddressing=ipv6
IPv6AcceptRA=no
EOF
	done
}

# headers: the headers of another kernel of the same version, as a new kernel
# brings them, in the guest's /root/kernel: it is mmdebstrap that runs this.
headers='set -eu
	release=$(ls "$1/lib/modules" | sed s/-cloud//)
	mkdir "$1/root/kernel"
	cd "$1/root/kernel"
	APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -q -o APT::Sandbox::User=root download "linux-headers-$release"'

# settle DIR: what a guest has of its own.
settle() {
	network "$1"
	ln -sf /lib/systemd/system/systemd-networkd.service "$1/etc/systemd/system/multi-user.target.wants/"
	mkdir -p "$1/etc/systemd/system/network-online.target.wants"
	ln -sf /lib/systemd/system/systemd-networkd-wait-online.service "$1/etc/systemd/system/network-online.target.wants/"
	# It would only wait for the archive, or take processor time from the test.
	for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer systemd-timesyncd.service; do
		ln -sf /dev/null "$1/etc/systemd/system/$unit"
	done
	install -d -m 700 "$1/root/.ssh"
	ssh-keygen -q -t ed25519 -N '' -C dpr-install -f "$tmp/key"
	install -m 600 "$tmp/key.pub" "$1/root/.ssh/authorized_keys"
	printf '/dev/vda / ext4 errors=remount-ro 0 1\n' >"$1/etc/fstab"
	rm -f "$1/etc/hostname"
	: >"$1/etc/machine-id"
}

packages=$(sed -e 's/#.*//' -e '/^ *$/d' "$here/packages-guest" | tr -s ' \n' ',,' | sed 's/,$//')
sum=$(cat "$here/image.sh" "$here/packages-guest" | sha256sum | cut -c -16)
final=$(cache)/$suite-$sum
mkdir -p "$(cache)"
exec 9>"$(cache)/$suite.lock"
flock 9
if [ ! -e "$final/disk.raw" ]; then
	list=$(sources)
	[ -n "$list" ] || die "this machine's apt has no archive of Debian itself"
	tmp=$final.new
	rm -rf --one-file-system "$tmp"
	mkdir -p "$tmp"
	trap 'rm -rf --one-file-system "$tmp"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	say "making a guest of $suite (some minutes, 1 GB on disk, once)"
	# What it mounts goes with it, also if it is killed.
	unshare --mount mmdebstrap --quiet --variant=apt --mode=root --include="$packages" \
		--dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook="$headers" \
		"$suite" "$tmp/root" - >&2 <<EOF
$list
EOF
	settle "$tmp/root"
	cp "$tmp"/root/boot/vmlinuz-* "$tmp/vmlinuz"
	cp "$tmp"/root/boot/initrd.img-* "$tmp/initrd.img"
	mke2fs -q -t ext4 -d "$tmp/root" "$tmp/disk.raw" 3G >&2
	rm -rf --one-file-system "$tmp/root"
	mv "$tmp" "$final"
fi
printf '%s\n' "$final"
