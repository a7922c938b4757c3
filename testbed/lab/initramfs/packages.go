// SPDX-License-Identifier: MIT

package initramfs

import (
	"fmt"
	"os/exec"
	"strings"

	"dpr/testbed/lab/disk"
)

// The programs of this machine that guests have, with the Debian package of each.
var guestPrograms = []struct{ path, pkg string }{
	{"/usr/sbin/nginx", "nginx-light"},
	{"/usr/bin/curl", "curl"},
	{"/usr/bin/tcpdump", "tcpdump"},
	{"/usr/bin/kmod", "kmod"},
	{"/usr/bin/ip", "iproute2"},
	{"/usr/bin/ss", "iproute2"},
	{"/usr/sbin/tc", "iproute2"},
	{"/usr/sbin/bridge", "iproute2"},
	{"/usr/sbin/nft", "nftables"},
	{"/usr/sbin/ethtool", "ethtool"},
	{"/usr/bin/ping", "iputils-ping"},
	{"/usr/bin/pgrep", "procps"},
	{"/usr/bin/dash", "dash"}, // busybox as the shell would take its own ip and svc before ours
	{"/usr/bin/busybox", "busybox-static"},
}

// Packages returns the Debian packages that a lab needs on the machine it runs
// on, besides Go. The kernels of guests need not be installed.
func Packages() []string {
	pkgs := []string{"qemu-system-x86", "make", "gcc"}
	seen := map[string]bool{}
	for _, p := range guestPrograms {
		if !seen[p.pkg] {
			seen[p.pkg] = true
			pkgs = append(pkgs, p.pkg)
		}
	}
	return pkgs
}

// CheckPackages tells what must be installed before a lab can be brought up.
func CheckPackages() error {
	var missing []string
	for _, p := range guestPrograms {
		if !disk.Exists(p.path) {
			missing = append(missing, p.pkg)
		}
	}
	for program, pkg := range map[string]string{"qemu-system-x86_64": "qemu-system-x86", "make": "make", "gcc": "gcc", "go": "golang-go"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing Debian packages: %s", strings.Join(missing, " "))
	}
	return nil
}
