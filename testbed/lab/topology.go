// SPDX-License-Identifier: MIT

package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/netns"
)

// buildNetwork makes a lab's network:
//
//	namespace dprlab-NAME                      namespaces dprlab-NAME-c1 …
//	  QEMU s1 ─ tap s1 ┐
//	  QEMU s2 ─ tap s2 ┤
//	           …       ├ br0 ┬ veth c1 ─────── eth0 10.77.0.101, fd77::101
//	                         ┴ veth c2 ─────── eth0 10.77.0.102, fd77::102
//
// The bridge itself has no address.
//
// Nothing of it reaches the machine's own network.
func buildNetwork(ctx context.Context, lab string, hosts []Host, f family.Family) error {
	own := namespaceOf(lab, "")
	if err := netns.Add(ctx, own); err != nil {
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
			if err := netns.Add(ctx, ns); err != nil {
				return err
			}
			if err := netns.EnableIPv6(ns); err != nil {
				return err
			}
			if err := writeHosts(ns, hosts, f); err != nil {
				return err
			}
			fmt.Fprintf(&links, "link add %s type veth peer name eth0 address %s netns %s\n", h.Name, h.MAC, ns)
		}
		fmt.Fprintf(&links, "link set %s master %s\nlink set %s up\n", h.Name, bridge, h.Name)
	}
	if err := netns.Batch(ctx, own, links.String()); err != nil {
		return err
	}
	for _, h := range hosts {
		if h.Kind != Client {
			continue
		}
		batch := fmt.Sprintf("link set lo up\naddress add %s/%d broadcast + dev eth0\naddress add %s/%d dev eth0 nodad\nlink set eth0 up\n",
			h.Address, network.Bits(), h.Address6, network6.Bits())
		if err := netns.Batch(ctx, namespaceOf(lab, h.Name), batch); err != nil {
			return err
		}
	}
	return nil
}

// writeHosts gives a client's namespace the names of all hosts.
func writeHosts(ns string, hosts []Host, f family.Family) error {
	dir := filepath.Join(netns.EtcDir, ns)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "hosts"), []byte(hostsFile(hosts, f)), 0o644)
}

// hostsFile returns an /etc/hosts. A host's name stands for one address, of the family f:
// of two, programs would choose. With -4 or -6 behind it, it stands for that of the family.
func hostsFile(hosts []Host, f family.Family) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, h := range hosts {
		fmt.Fprintf(&b, "%s %s\n", h.In(f), h.Name)
		for _, f := range family.All {
			fmt.Fprintf(&b, "%s %s-%d\n", h.In(f), h.Name, f)
		}
	}
	return b.String()
}
