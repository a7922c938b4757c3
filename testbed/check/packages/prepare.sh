#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs packages into a guest's file system, as its root, in mount and process
# namespaces of its own; looks, in copies that are thrown away, at what a new kernel
# and at what a purge does; and builds the sources there without packages.
# usage: prepare.sh DIR PACKAGES CURRENT: the disk is DIR.raw, and is left with the
# packages installed. What "make" built is left on a disk of its own, DIR.plain.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
. "$root/scripts/lib.sh"
dir=$1 packages=$2 current=$3

# entries: every name in the file system, and what is in the files of /etc. Left
# out is what apt, dpkg, systemd and ldconfig write for themselves, and DKMS's key.
entries() {
	(
		cd "$1"
		find . -xdev ! -path './proc/*' ! -path './var/log/*' ! -path './var/cache/*' ! -path './var/lib/dpkg/*' \
			! -path './var/lib/apt/*' ! -path './tmp/*' ! -path './root/previous*' \
			! -path './var/lib/systemd/deb-systemd-helper-*' ! -name 'mok.*'
		find etc -xdev -type f ! -name 'ld.so.cache' -exec sha256sum {} +
	) | sort
}

# within COMMAND...: in the guest's file system.
within() { chroot "$dir" env DEBIAN_FRONTEND=noninteractive "$@"; }

# unmount DIR...: each when nothing uses it any more. DKMS leaves a process behind that
# sleeps for some seconds.
unmount() {
	for mounted; do
		retry 30 umount "$mounted" 2>/dev/null || umount "$mounted"
	done
}

# thrown_away COMMAND: a function, with a file system that is not kept.
thrown_away() {
	mkdir -p "$dir.over"
	mount -t tmpfs none "$dir.over"
	mkdir "$dir.over/up" "$dir.over/work"
	mount -t overlay -o "lowerdir=$dir,upperdir=$dir.over/up,workdir=$dir.over/work" none "$dir"
	mount -t proc proc "$dir/proc"
	"$1"
	unmount "$dir/proc" "$dir" "$dir.over"
}

# new_kernel: DKMS builds the module when the headers of another kernel come. The
# kernel itself, on which Debian 13's depend, is not needed for that.
new_kernel() {
	within sh -c 'dpkg --force-depends -i /root/kernel/*.deb'
	new=$(within sh -c 'for f in /root/kernel/*.deb; do dpkg-deb -f "$f" Package; done' | sed -n 's/^linux-headers-//p')
	[ "$new" != "$release" ] || die "no new kernel"
	within dkms status "dpr/$(dpkg-deb -f "$packages"/dpr_*.deb Version)" -k "$new" | grep installed
	within sh -c "modinfo -F version /lib/modules/$new/updates/dkms/dpr.ko*"
	say "DKMS built the module for $new too"
}

# old_kernel: this version's package is not built for a kernel that cannot be served. Status
# 77 is what the package's own configuration passes over.
old_kernel() {
	old=5.10.0-99-amd64
	now=$(dpkg-deb -f "$current"/dpr_*.deb Version)
	cp "$current"/dpr_*.deb "$current"/dpr-dkms_*.deb "$dir/root/kernel/"
	within sh -c 'apt-get -q -y --no-install-recommends install /root/kernel/dpr_*.deb /root/kernel/dpr-dkms_*.deb'
	mkdir -p "$dir/lib/modules/$old/build/include"
	within dkms build "dpr/$now" -k "$old" >"$dir.log" 2>&1 && status=0 || status=$?
	[ "$status" -eq 77 ] && ! grep "Building module" "$dir.log" || { cat "$dir.log" >&2; die "DKMS does not pass $old over: status $status"; }
	say "DKMS passed $old over"
}

# purged: as if it had never been there.
purged() {
	within apt-get -q -y purge dpr dpr-dkms
	entries "$dir" >"$dir.after"
	diff "$dir.before" "$dir.after" >&2 || die "purge does not leave the file system as it was"
	say "purge left $(wc -l <"$dir.after") names and files as they were"
}

# plain: "make" in the sources, with this machine's Go and what that has fetched.
plain() {
	mkdir -p "$dir/root/dpr" "$dir/usr/local/go" "$dir/root/go" "$dir/root/.cache/go-build"
	(cd "$root" && git -c safe.directory='*' ls-files -z | tar --null --ignore-failed-read -cf - -T -) | tar -C "$dir/root/dpr" -xf -
	PATH="$("$root/scripts/deps/go-dir.sh"):$PATH"
	mount --bind "$(go env GOROOT)" "$dir/usr/local/go"
	mount --bind "$(go env GOMODCACHE)" "$dir/root/go"
	mount --bind "$(go env GOCACHE)" "$dir/root/.cache/go-build"
	cp /etc/resolv.conf "$dir/etc/resolv.conf"
	# The kernel that runs here is not the guest's.
	within env -C /root/dpr GOMODCACHE=/root/go GOTOOLCHAIN=local make "KDIR=/lib/modules/$release/build"
	mke2fs -q -t ext4 -d "$dir/root/dpr" "$dir.plain" 400M
	unmount "$dir/usr/local/go" "$dir/root/go" "$dir/root/.cache/go-build"
	say "make built commands and module without packages"
}

mount -o loop "$dir.raw" "$dir"
release=$(ls "$dir/lib/modules")
thrown_away plain
mkdir -p "$dir/root/previous"
cp "$packages"/*.deb "$root/testbed/lab/vagrant/install.sh" "$dir/root/previous/"
entries "$dir" >"$dir.before"
mount -t proc proc "$dir/proc"
within sh /root/previous/install.sh /root/previous "$release"
within dkms status dpr | grep -q "$release.*: installed"
unmount "$dir/proc"
thrown_away new_kernel
thrown_away old_kernel
thrown_away purged
unmount "$dir"
