// SPDX-License-Identifier: MIT

package initramfs

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"dpr/testbed/lab/kernel"
	"dpr/testbed/lab/progress"
)

// The kernel modules that guests have, if their kernel has them as modules: those
// of the virtual machine, and those that people and tests may want.
var guestModules = []string{
	"virtio_pci", "virtio_net", "virtio_console", "virtio_rng",
	"veth", "bridge", "br_netfilter", "dummy", "ifb", "macvlan", "8021q", "tun", "ipip", "ip6_tunnel", "ip_gre", "sit", "fou",
	"nf_tables", "nft_ct", "nft_log", "nft_limit", "nft_nat", "nft_masq", "nft_redir", "nft_hash", "nft_fib_inet",
	"nft_fib_ipv4", "nft_fib_ipv6", "nft_reject", "nft_reject_inet", "nft_reject_ipv4", "nft_reject_ipv6", "nft_tproxy", "nft_socket", "nft_synproxy", "nft_quota",
	"nft_chain_nat", "nft_queue", "nfnetlink_queue", "vrf",
	"xfrm_user", "esp4", "esp6", "authenc", "echainiv", "hmac", "sha1_generic", "crypto_null", "ecb", "cbc",
	"crc32c_generic", // libcrc32c, of nf_tables and others, asks for it by name
	"nf_conntrack", "nf_conntrack_netlink", "nf_log_syslog", "nfnetlink_log", "nf_defrag_ipv4", "nf_defrag_ipv6",
	"sch_tbf", "sch_netem", "sch_htb", "sch_fq", "sch_fq_codel", "sch_prio", "sch_ingress",
	"cls_u32", "cls_flower", "cls_matchall", "act_mirred", "act_gact", "act_pedit", "act_csum",
	"ip_vs", "ip_vs_lc", "ip_vs_wlc", "ip_vs_rr", "ip_vs_sh",
	"tcp_bbr", "tcp_dctcp", "tcp_diag", "udp_diag", "inet_diag", "packet_diag", "unix_diag", "netlink_diag", "af_packet_diag",
}

// Base returns the archive of what all labs with one kernel have, from the cache
// if it is there. module is dpr.ko, whose needs are in it, or "". The modules in it
// are staged in a directory of their own, stage.
func Base(ctx context.Context, k kernel.Kernel, module, stage string, p *progress.Progress) (string, error) {
	names := guestModules
	if module != "" {
		depends, err := kernel.Depends(module)
		if err != nil {
			return "", err
		}
		names = append(depends, names...)
	}
	if err := kernel.Stage(ctx, k, names, stage); err != nil {
		return "", err
	}
	im, err := base(ctx, k, stage)
	if err != nil {
		return "", err
	}
	return im.cached(ctx, p)
}

// base collects what is the same for all labs with one kernel: programs, their
// libraries and modules. Modules of stage are those that were staged.
func base(ctx context.Context, k kernel.Kernel, stage string) (Image, error) {
	im := Empty()
	for _, p := range guestPrograms {
		if err := im.Program(ctx, p.path); err != nil {
			return nil, err
		}
	}
	im.Kmod()
	im.Link("/usr/bin/pkill", "pgrep")
	im.Link("/usr/bin/sh", "dash")
	if err := im.busybox(ctx); err != nil {
		return nil, err
	}
	accounts(im)
	return im, im.Tree(filepath.Join(stage, "lib", "modules", k.Release), "/lib/modules/"+k.Release)
}

// Empty returns the directories, links and devices that any guest has.
func Empty() Image {
	im := Image{}
	for _, d := range usrLinks {
		im[("/" + d)] = item{mode: fs.ModeSymlink, text: "usr/" + d}
	}
	for _, d := range []string{"/dev", "/proc", "/sys", "/run", "/root", "/mnt", "/var/log", "/usr/lib64", "/usr/sbin"} {
		im.Dir(d, 0o755)
	}
	im.Dir("/tmp", 0o777|fs.ModeSticky)
	im.Link("/var/run", "/run")
	im.Link("/etc/mtab", "/proc/self/mounts")
	im["/dev/console"] = item{mode: fs.ModeDevice | fs.ModeCharDevice | 0o600, major: 5, minor: 1}
	im["/dev/null"] = item{mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, major: 1, minor: 3}
	return im
}

// Kmod adds the names by which kmod is called.
func (im Image) Kmod() {
	for _, name := range []string{"modprobe", "insmod", "rmmod", "lsmod", "modinfo", "depmod"} {
		im.Link("/usr/sbin/"+name, "/usr/bin/kmod")
	}
}

// Program adds a program and the libraries that it is linked with.
func (im Image) Program(ctx context.Context, path string) error {
	if err := im.File(path, path); err != nil {
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
		if err := im.File(lib, lib); err != nil {
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
func (im Image) busybox(ctx context.Context) error {
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
			im.Link("/usr/bin/"+applet, "/usr/bin/busybox")
		}
	}
	return nil
}

// Tree adds the files below a directory of the machine.
func (im Image) Tree(dir, to string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("guest image: %w", err)
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return im.File(filepath.Join(to, rel), path)
	})
}

func accounts(im Image) {
	im.Text("/etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n")
	im.Text("/etc/group", 0o644, "root:x:0:\ntty:x:5:\nadm:x:4:\nwww-data:x:33:\nnogroup:x:65534:\n")
	im.Text("/etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n")
	for _, name := range []string{"/etc/services", "/etc/protocols"} {
		if b, err := os.ReadFile(name); err == nil {
			im.Text(name, 0o644, string(b))
		}
	}
}
