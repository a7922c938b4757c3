// SPDX-License-Identifier: MIT

package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// buildNetwork makes a lab's network:
//
//	namespace dprlab-NAME                      namespaces dprlab-NAME-c1 …
//	  QEMU s1 ─ tap s1 ┐
//	  QEMU s2 ─ tap s2 ┤
//	           …       ├ br0 ┬ veth c1 ─────── eth0 10.77.0.101
//	                         ┴ veth c2 ─────── eth0 10.77.0.102
//
// Nothing of it reaches the machine's own network.
func buildNetwork(ctx context.Context, lab string, hosts []Host) error {
	own := namespaceOf(lab, "")
	if err := addNamespace(ctx, own); err != nil {
		return err
	}
	var links strings.Builder
	// Snooping would keep multicast reports from hosts that never said IGMP.
	fmt.Fprintf(&links, "link add %s address 02:64:70:71:00:01 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n", bridge)
	fmt.Fprintf(&links, "link set lo up\nlink set %s up\n", bridge)
	for _, h := range hosts {
		if h.Kind == Server {
			fmt.Fprintf(&links, "tuntap add dev %s mode tap\n", h.Name)
		} else {
			ns := namespaceOf(lab, h.Name)
			if err := addNamespace(ctx, ns); err != nil {
				return err
			}
			if err := writeHosts(ns, hosts); err != nil {
				return err
			}
			fmt.Fprintf(&links, "link add %s type veth peer name eth0 address %s netns %s\n", h.Name, h.MAC, ns)
		}
		fmt.Fprintf(&links, "link set %s master %s\nlink set %s up\n", h.Name, bridge, h.Name)
	}
	if err := ipBatch(ctx, own, links.String()); err != nil {
		return err
	}
	for _, h := range hosts {
		if h.Kind != Client {
			continue
		}
		batch := fmt.Sprintf("link set lo up\naddress add %s/%d broadcast + dev eth0\nlink set eth0 up\n", h.Address, network.Bits())
		if err := ipBatch(ctx, namespaceOf(lab, h.Name), batch); err != nil {
			return err
		}
	}
	return nil
}

// addNamespace makes a named network namespace without IPv6 and without
// netfilter on its bridges.
func addNamespace(ctx context.Context, name string) error {
	if out, err := exec.CommandContext(ctx, "ip", "netns", "add", name).CombinedOutput(); err != nil {
		return fmt.Errorf("adding namespace %s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return inNamespace(name, func() error {
		values := map[string]string{
			"net/ipv6/conf/all/disable_ipv6":      "1",
			"net/ipv6/conf/default/disable_ipv6":  "1",
			"net/bridge/bridge-nf-call-iptables":  "0",
			"net/bridge/bridge-nf-call-ip6tables": "0",
			"net/bridge/bridge-nf-call-arptables": "0",
		}
		for path, value := range values {
			err := os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0)
			// What this kernel does not have needs no switching off.
			if err != nil && !os.IsNotExist(err) {
				return fmt.Errorf("setting %s in namespace %s: %w", path, name, err)
			}
		}
		return nil
	})
}

// ipBatch runs commands of ip in a namespace, all or up to the first that fails.
func ipBatch(ctx context.Context, ns, commands string) error {
	cmd := exec.CommandContext(ctx, "ip", "-n", ns, "-batch", "-")
	cmd.Stdin = strings.NewReader(commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("setting up namespace %s: %w: %s", ns, err, bytes.TrimSpace(out))
	}
	return nil
}

// writeHosts gives a client's namespace the names of all hosts.
func writeHosts(ns string, hosts []Host) error {
	dir := filepath.Join(netnsEtcDir, ns)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "hosts"), []byte(hostsFile(hosts)), 0o644)
}

func hostsFile(hosts []Host) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n")
	for _, h := range hosts {
		fmt.Fprintf(&b, "%s %s\n", h.Address, h.Name)
	}
	return b.String()
}
