// SPDX-License-Identifier: MIT

package xdp

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"dpr/userland/firewall"
	"dpr/userland/testnetns"
)

func TestOfLink(t *testing.T) {
	attrs := func(name string, index int) netlink.LinkAttrs {
		return netlink.LinkAttrs{Name: name, Index: index, EncapType: "ether"}
	}
	plain := func() *netlink.Device { return &netlink.Device{LinkAttrs: attrs("none0", 2)} }
	bridge := &netlink.Bridge{LinkAttrs: attrs("br0", 9)}
	port, busy, tunnel := plain(), plain(), plain()
	port.MasterIndex, tunnel.EncapType = 9, "ipip"
	busy.Xdp = &netlink.LinkXdp{Attached: true}
	vlan := attrs("v5", 8)
	vlan.ParentIndex = 2
	for want, x := range map[string]struct {
		link netlink.Link
		on   netlink.Link
	}{
		"":                               {plain(), bridge},
		"it is a port of bridge br0":     {port, bridge},
		"it is a port of another device": {port, plain()},
		"it is a bridge device":          {bridge, plain()},
		"it is a vlan device":            {&netlink.Vlan{LinkAttrs: attrs("none1", 3)}, plain()},
		"it is a bond device":            {&netlink.Bond{LinkAttrs: attrs("none1", 3)}, plain()},
		"it is not Ethernet":             {tunnel, bridge},
		ErrBusy.Error():                  {busy, bridge},
		"macvlan v5 is on it":            {plain(), &netlink.Macvlan{LinkAttrs: vlan}},
		"ipvlan v5 is on it":             {plain(), &netlink.IPVlan{LinkAttrs: vlan}},
	} {
		got := strings.Join(ofLink(x.link, []netlink.Link{x.link, x.on}), ", ")
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	// What is virtual can be forced.
	cable, tap := &netlink.Veth{LinkAttrs: attrs("none0", 2)}, &netlink.Tuntap{LinkAttrs: attrs("none0", 2)}
	for _, l := range []netlink.Link{plain(), cable, tap} {
		if got := ofLink(l, nil); got != nil {
			t.Errorf("%s: %v", l.Type(), got)
		}
		if o := (Obstacles{Unseen: ofOtherEnd(l)}); o.None(false) != (l.Type() == "device") || !o.None(true) {
			t.Errorf("%s: %+v", l.Type(), o)
		}
	}
	// Tagged packets say what they are.
	if got := ofLink(plain(), []netlink.Link{&netlink.Vlan{LinkAttrs: vlan}}); got != nil {
		t.Errorf("under a VLAN: %v", got)
	}
}

func TestOfQueues(t *testing.T) {
	root := netlink.QdiscAttrs{Parent: netlink.HANDLE_ROOT}
	chosen := root
	chosen.Handle = netlink.MakeHandle(0x8001, 0)
	got := ofQueues([]netlink.Qdisc{
		&netlink.GenericQdisc{QdiscAttrs: root, QdiscType: "mq"},
		&netlink.GenericQdisc{QdiscAttrs: netlink.QdiscAttrs{Parent: 1}, QdiscType: "fq_codel"},
		&netlink.GenericQdisc{QdiscAttrs: chosen, QdiscType: "htb"},
		&netlink.GenericQdisc{QdiscAttrs: netlink.QdiscAttrs{Handle: 0xffff0000, Parent: netlink.HANDLE_CLSACT}, QdiscType: "clsact"},
	})
	if want := []string{"the queueing discipline htb", "traffic control filters (clsact)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A chain is in the way if it sees packets and does anything: what comes in before the
// module sees it, and what goes out.
func TestOfFirewall(t *testing.T) {
	const rule = `{"rule": {"family": "%", "table": "t", "chain": "c", "handle": 1, "expr": [{"drop": null}]}}`
	chain := func(family, hook, prio, more string) string {
		return `{"nftables": [{"chain": {"family": "` + family + `", "table": "t", "name": "c", "type": "filter", "hook": "` + hook + `", "prio": ` + prio + more + `}}`
	}
	for what, x := range map[string]struct {
		family, hook, prio, more string
		rules                    bool
		want                     string
	}{
		"before":         {"ip", "prerouting", "-500", "", true, "the firewall's chain nft ip t c (prerouting)"},
		"as early":       {"ip6", "prerouting", "-450", "", true, "the firewall's chain nft ip6 t c (prerouting)"},
		"after":          {"ip", "prerouting", "-449", "", true, ""},
		"raw":            {"inet", "prerouting", "-300", "", true, ""},
		"input":          {"inet", "input", "0", "", true, ""},
		"output":         {"inet", "output", "0", "", true, "the firewall's chain nft inet t c (output)"},
		"empty":          {"inet", "output", "0", `, "policy": "accept"`, false, ""},
		"drops":          {"inet", "output", "0", `, "policy": "drop"`, false, "the firewall's chain nft inet t c (output)"},
		"postrouting":    {"ip", "postrouting", "100", "", true, "the firewall's chain nft ip t c (postrouting)"},
		"ingress":        {"netdev", "ingress", "0", `, "dev": "e0"`, true, "the firewall's chain nft netdev t c (ingress)"},
		"egress":         {"netdev", "egress", "0", `, "dev": ["e1", "e0"]`, true, "the firewall's chain nft netdev t c (egress)"},
		"another device": {"netdev", "ingress", "0", `, "dev": "e1"`, true, ""},
		"another family": {"bridge", "prerouting", "-500", "", true, ""},
	} {
		text := chain(x.family, x.hook, x.prio, x.more)
		if x.rules {
			text += "," + strings.Replace(rule, "%", x.family, 1)
		}
		r, err := firewall.ParseNFT([]byte(text + "]}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(ofFirewall(r, "e0"), ", "); got != x.want {
			t.Errorf("%s: %q, want %q", what, got, x.want)
		}
	}
}

func TestWhy(t *testing.T) {
	o := Obstacles{Hard: []string{"a", "b"}, Unseen: []string{"u"}, Passed: []string{"c"}}
	if got := o.why(false); got != "a; b; u; packets would pass by c" {
		t.Error(got)
	}
	if got := o.why(true); got != "a; b" {
		t.Error(got)
	}
	for _, x := range []struct {
		o           Obstacles
		none, force bool
	}{{Obstacles{}, true, true}, {Obstacles{Passed: []string{"c"}}, false, true}, {Obstacles{Unread: []string{"d"}}, false, true}, {o, false, false}} {
		if x.o.None(false) != x.none || x.o.None(true) != x.force {
			t.Errorf("%+v", x.o)
		}
	}
}

// The devices of a namespace as they are.
func TestFindObstacles(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := testnetns.New(t)
	for _, line := range []string{
		"ip link add v0 type veth peer name v1", "ip link add br0 type bridge", "ip link set v1 master br0",
		"ip link set v0 up", "ip link set v1 up", "ethtool -K v0 rxvlan off",
	} {
		n.Run(line)
	}
	find := func(device string) (o Obstacles) {
		t.Helper()
		var err error
		n.Do(func() { o, err = FindObstacles(t.Context(), device) })
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if o, want := find("v0"), "it is a veth device, whose other end cannot be seen from here"; len(o.Hard) > 0 || !slices.Equal(o.Unseen, []string{want}) {
		t.Errorf("a cable: %+v, want %s", o, want)
	}
	for device, want := range map[string]string{"v1": "it is a port of bridge br0", "br0": "it is a bridge device", "v2": "there is no such device"} {
		if o := find(device); !slices.Contains(o.Hard, want) {
			t.Errorf("%s: %v, want %s", device, o.Hard, want)
		}
	}
	n.Run("ethtool -K v0 rxvlan on")
	n.Run("tc qdisc add dev v0 root pfifo")
	n.Run("tc qdisc add dev v0 clsact")
	o := find("v0")
	if !slices.ContainsFunc(o.Hard, func(s string) bool { return strings.Contains(s, "rxvlan off") }) {
		t.Errorf("VLAN tags are taken off: %v", o.Hard)
	}
	for _, want := range []string{"the queueing discipline pfifo", "traffic control filters (clsact)"} {
		if !slices.Contains(o.Passed, want) {
			t.Errorf("%v, want %s", o.Passed, want)
		}
	}
}

// Without the module there is none, and that is said.
func TestNoModule(t *testing.T) {
	if _, err := Attach("lo", false); !errors.Is(err, ErrModule) {
		t.Errorf("%v, want %v", err, ErrModule)
	}
	if _, err := Attach("no such device", false); err == nil || errors.Is(err, ErrModule) {
		t.Errorf("no such device: %v", err)
	}
}
