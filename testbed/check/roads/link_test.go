// SPDX-License-Identifier: MIT

//go:build lab

package roads

import (
	"context"
	"strings"
	"testing"
	"time"
)

// An address of the hosts' own link needs two settings beside lo: without arp_ignore all
// hosts answer who asks for it, and without arp_announce a host says that it is its own
// when it asks for others. IPv6 needs none: the kernel answers for addresses of the
// interface alone.
func TestAddressOnLink(t *testing.T) {
	const address, address6 = "10.77.0.80", "fd77::80"
	set := func(ignore, announce string) {
		for _, s := range shared.Servers() {
			run(t, s.Name, "sh", "-c", "echo "+ignore+" >/proc/sys/net/ipv4/conf/all/arp_ignore; echo "+announce+" >/proc/sys/net/ipv4/conf/all/arp_announce")
		}
	}
	for _, s := range shared.Servers() {
		run(t, s.Name, "sh", "-c", "ip addr add "+address+"/32 dev lo; ip addr add "+address6+"/128 dev lo nodad")
	}
	t.Cleanup(func() {
		set("0", "0")
		for _, s := range shared.Servers() {
			run(t, s.Name, "sh", "-c", "ip addr del "+address+"/32 dev lo; ip addr del "+address6+"/128 dev lo")
		}
		run(t, "c1", "ip", "neigh", "flush", "all")
	})
	answered := func() bool {
		out, err := shared.Output(context.WithoutCancel(t.Context()), "c1", "busybox", "arping", "-c", "2", "-I", "eth0", address)
		return err == nil && strings.Contains(out, "reply")
	}
	// s1 has to ask for c1, in the name of the shared address.
	claimed := func() bool {
		run(t, "c1", "ip", "neigh", "flush", "all")
		run(t, "s1", "sh", "-c", "ip neigh flush all; ping -c 1 -W 1 -I "+address+" 10.77.0.101 >/dev/null || true")
		return strings.Contains(run(t, "c1", "ip", "neigh", "show", address), "lladdr")
	}
	// What dprctl check says of it, once the peers have reported that they have it, too.
	found := func() int {
		return strings.Count(run(t, "s1", "sh", "-c", "dprctl check || [ $? -eq 5 ]"), "warning: arp: this host has "+address+" on lo")
	}
	set("0", "0")
	if !answered() || !claimed() {
		t.Error("without the settings no host takes the address for its own: the test shows nothing")
	}
	until(t, time.Minute, "dprctl check names two settings", func() bool { return found() == 2 })
	set("1", "2")
	if n := found(); n != 0 {
		t.Errorf("dprctl check names %d settings that are right", n)
	}
	if answered() {
		t.Error("with arp_ignore a host answers who asks for the address")
	}
	if claimed() {
		t.Error("with arp_announce a host says that the address is its own")
	}
	if out, err := shared.Output(t.Context(), "c1", "ping", "-6", "-c", "1", "-W", "1", address6); err == nil {
		t.Errorf("a host answers who asks for the IPv6 address: %s", out)
	}
}
