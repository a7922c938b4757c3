// SPDX-License-Identifier: MIT

package lab

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"dpr/testbed/lab/disk"
	"dpr/testbed/lab/kernel"
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

// kmodNames are the names by which kmod is called.
var kmodNames = []string{"modprobe", "insmod", "rmmod", "lsmod", "modinfo", "depmod"}

// The kernel modules that guests have, if their kernel has them as modules: those
// of the virtual machine, and those that people and tests may want.
var guestModules = []string{
	"virtio_pci", "virtio_net", "virtio_console", "virtio_rng",
	"veth", "bridge", "br_netfilter", "dummy", "ifb", "macvlan", "8021q", "tun", "ipip", "ip_gre", "sit", "fou",
	"nf_tables", "nft_ct", "nft_log", "nft_limit", "nft_nat", "nft_masq", "nft_redir", "nft_hash", "nft_fib_inet",
	"nft_fib_ipv4", "nft_reject", "nft_reject_inet", "nft_reject_ipv4", "nft_tproxy", "nft_socket", "nft_synproxy", "nft_quota",
	"nft_chain_nat", "nft_queue", "nfnetlink_queue", "vrf",
	"xfrm_user", "esp4", "authenc", "echainiv", "hmac", "sha1_generic", "crypto_null", "ecb", "cbc",
	"crc32c_generic", // libcrc32c, of nf_tables and others, asks for it by name
	"nf_conntrack", "nf_conntrack_netlink", "nf_log_syslog", "nfnetlink_log", "nf_defrag_ipv4",
	"sch_tbf", "sch_netem", "sch_htb", "sch_fq", "sch_fq_codel", "sch_prio", "sch_ingress",
	"cls_u32", "cls_flower", "cls_matchall", "act_mirred", "act_gact", "act_pedit", "act_csum",
	"ip_vs", "ip_vs_lc", "ip_vs_wlc", "ip_vs_rr", "ip_vs_sh",
	"tcp_bbr", "tcp_dctcp", "tcp_diag", "udp_diag", "inet_diag", "packet_diag", "unix_diag", "netlink_diag", "af_packet_diag",
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

// checkPrograms tells what must be installed before a lab can be brought up.
func checkPrograms() error {
	var missing []string
	for _, p := range guestPrograms {
		if !disk.Exists(p.path) {
			missing = append(missing, p.pkg)
		}
	}
	for program, pkg := range map[string]string{qemu: "qemu-system-x86", "make": "make", "gcc": "gcc", "go": "golang-go"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing Debian packages: %s", strings.Join(missing, " "))
	}
	return nil
}

// baseImage collects what is the same for all labs with one kernel: programs,
// their libraries and modules. Modules of stage are those that were staged.
func baseImage(ctx context.Context, k kernel.Kernel, stage string) (image, error) {
	im := emptyImage()
	for _, p := range guestPrograms {
		if err := im.program(ctx, p.path); err != nil {
			return nil, err
		}
	}
	for _, n := range kmodNames {
		im.link("/usr/sbin/"+n, "/usr/bin/kmod")
	}
	im.link("/usr/bin/pkill", "pgrep")
	im.link("/usr/bin/sh", "dash")
	if err := im.busybox(ctx); err != nil {
		return nil, err
	}
	accounts(im)
	webServer(im)
	return im, im.tree(filepath.Join(stage, "lib", "modules", k.Release), "/lib/modules/"+k.Release)
}

// emptyImage returns the directories, links and devices that any guest has.
func emptyImage() image {
	im := image{}
	for _, d := range usrLinks {
		im[("/" + d)] = item{mode: fs.ModeSymlink, text: "usr/" + d}
	}
	for _, d := range []string{"/dev", "/proc", "/sys", "/run", "/root", "/mnt", "/var/log", "/usr/lib64", "/usr/sbin"} {
		im.dir(d, 0o755)
	}
	im.dir("/tmp", 0o777|fs.ModeSticky)
	im.link("/var/run", "/run")
	im.link("/etc/mtab", "/proc/self/mounts")
	im["/dev/console"] = item{mode: fs.ModeDevice | fs.ModeCharDevice | 0o600, major: 5, minor: 1}
	im["/dev/null"] = item{mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, major: 1, minor: 3}
	return im
}

// program adds a program and the libraries that it is linked with.
func (im image) program(ctx context.Context, path string) error {
	if err := im.file(path, path); err != nil {
		return err
	}
	// ldd fails for a static program, and only says so.
	out, err := exec.CommandContext(ctx, "ldd", path).CombinedOutput()
	if err != nil {
		if bytes.Contains(out, []byte("not a dynamic executable")) {
			return nil
		}
		return fmt.Errorf("guest image: ldd %s: %w: %s", path, err, out)
	}
	libs, err := parseLDD(string(out))
	if err != nil {
		return fmt.Errorf("guest image: %s: %w", path, err)
	}
	for _, lib := range libs {
		if err := im.file(lib, lib); err != nil {
			return err
		}
	}
	return nil
}

// parseLDD returns the files in ldd's output. Lines are "NAME => PATH (ADDRESS)",
// "PATH (ADDRESS)", or "NAME (ADDRESS)" for what the kernel itself provides.
func parseLDD(out string) ([]string, error) {
	var libs []string
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		switch {
		case strings.Contains(line, "=> not found"):
			return nil, fmt.Errorf("library %s is missing", f[0])
		case len(f) >= 3 && f[1] == "=>":
			libs = append(libs, f[2])
		case len(f) >= 1 && strings.HasPrefix(f[0], "/"):
			libs = append(libs, f[0])
		}
	}
	return libs, nil
}

// busybox adds busybox under all its names that no other program has.
func (im image) busybox(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "/usr/bin/busybox", "--list").Output()
	if err != nil {
		return fmt.Errorf("guest image: busybox --list: %w", err)
	}
	have := map[string]bool{}
	for name := range im {
		have[filepath.Base(name)] = true
	}
	for applet := range strings.FieldsSeq(string(out)) {
		if !have[applet] {
			im.link("/usr/bin/"+applet, "/usr/bin/busybox")
		}
	}
	return nil
}

// tree adds the files below a directory of the machine.
func (im image) tree(dir, to string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("guest image: %w", err)
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return im.file(filepath.Join(to, rel), path)
	})
}

func accounts(im image) {
	im.text("/etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n")
	im.text("/etc/group", 0o644, "root:x:0:\ntty:x:5:\nadm:x:4:\nwww-data:x:33:\nnogroup:x:65534:\n")
	im.text("/etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n")
	for _, name := range []string{"/etc/services", "/etc/protocols"} {
		if b, err := os.ReadFile(name); err == nil {
			im.text(name, 0o644, string(b))
		}
	}
}
