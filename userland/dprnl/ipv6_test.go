// SPDX-License-Identifier: MIT

package dprnl

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// A module without IPv6 gets neither an address of it nor bits of one; but a peer's other
// addresses are a detail, and the default says nothing.
func TestModuleWithoutIPv6(t *testing.T) {
	c := testClient(t, once(func(req genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
		got, err := netlink.UnmarshalAttributes(req.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range got {
			if len(a.Data) == 16 || req.Header.Command == cmdConfigSet && a.Type == configAttrAffinity6 ||
				req.Header.Command == cmdServiceAdd && (a.Type == serviceAttrAffinity6 || a.Type == serviceAttrLoad) ||
				req.Header.Command == cmdPeerSet && a.Type == peerAttrServiceConnections {
				t.Errorf("command %d has attribute %v", req.Header.Command, a)
			}
		}
		return nil, nil
	}))
	if p := c.Protocol(); p != 6 {
		t.Errorf("protocol %d", p)
	}
	c.family.Version = knowsMigrate - 1
	if p := c.Protocol(); p != 5 {
		t.Errorf("protocol %d of a module that moves nothing", p)
	}
	c.family.Version = knowsHandover - 1
	if p := c.Protocol(); p != 4 {
		t.Errorf("protocol %d of a module that hands nothing over", p)
	}
	c.family.Version = knowsAnswers - 1
	if p := c.Protocol(); p != 3 {
		t.Errorf("protocol %d of a module that sends no answers on", p)
	}
	c.family.Version = knowsIPv6 - 1
	if p := c.Protocol(); p != 2 {
		t.Errorf("protocol %d of an older module", p)
	}
	ctx := t.Context()
	plain := fullConfig
	plain.Affinity6, plain.Forwarding, plain.Answers = DefaultAffinity6, ForwardingIpip, AnswersDirect
	for name, err := range map[string]error{
		"config":  c.SetConfig(ctx, plain.Update()),
		"service": c.AddService(ctx, Service{Port: 80, Rules: Rules{Affinity6: Own(uint32(DefaultAffinity6)), Load: Own(LoadOfHost)}}),
		"peer":    c.SetPeer(ctx, PeerUpdate{Address: addr1, Others: []netip.Addr{six2, addr2}, Counts: []PortCount{{80, 1}}}),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	flow := FlowKey{netip.AddrPortFrom(six2, 1), netip.AddrPortFrom(six1, 80)}
	for name, err := range map[string]error{
		"address":            c.SetConfig(ctx, ConfigUpdate{Address: &six1}),
		"affinity6":          c.SetConfig(ctx, ConfigUpdate{Affinity6: ptr(uint32(56))}),
		"service":            c.AddService(ctx, Service{Port: 80, Address: six1}),
		"service, affinity6": c.AddService(ctx, Service{Port: 80, Rules: fullRules}),
		"peer":               c.SetPeer(ctx, PeerUpdate{Address: six1}),
		"flow":               c.DeleteFlow(ctx, flow),
		"flows":              drain(ctx, c, FlowFilter{Peer: six1}),
		"peers":              errors.Join(c.SetPeers(ctx, []PeerUpdate{{Address: six1}})...),
	} {
		if !errors.Is(err, errOlder) || !strings.Contains(err.Error(), "IPv6") && !strings.Contains(err.Error(), "affinity6") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A module without loads of services refuses them.
func TestModuleWithoutLoads(t *testing.T) {
	c := testClient(t, once(func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) { return nil, nil }))
	c.family.Version = knowsLoads - 1
	if err := c.SetService(t.Context(), Service{Port: 80, Rules: Rules{Load: Own(LoadOfService)}}); !errors.Is(err, errOlder) {
		t.Error(err)
	}
}

// A module whose answers go straight to clients is not told that they shall; that they
// shall go through the first host is an error.
func TestModuleWithoutAnswers(t *testing.T) {
	c := testClient(t, once(func(req genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
		got, err := netlink.UnmarshalAttributes(req.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range got {
			if a.Type == configAttrAnswers || a.Type == configAttrGroup {
				t.Errorf("it gets attribute %v", a)
			}
		}
		return nil, nil
	}))
	c.family.Version = knowsAnswers - 1
	for a, want := range map[Answers]string{AnswersDirect: "", AnswersThrough: "its answers cannot go through"} {
		err := c.SetConfig(t.Context(), ConfigUpdate{Answers: &a, Group: &addr1, Weight: ptr(uint32(1))})
		if want == "" && err != nil || want != "" && (!errors.Is(err, errOlder) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: %v", a, err)
		}
	}
}

// For a module that has only tunnels, other forwarding is an error that names it. Such a
// module never gets the attribute.
func TestModuleWithoutForwarding(t *testing.T) {
	c := testClient(t, once(func(req genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
		got, err := netlink.UnmarshalAttributes(req.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range got {
			if a.Type == configAttrForwarding || req.Header.Command == cmdServiceSet && a.Type == serviceAttrForwarding {
				t.Errorf("command %d has attribute %v", req.Header.Command, a)
			}
		}
		return nil, nil
	}))
	c.family.Version = knowsForwarding - 1
	ctx := t.Context()
	for f, want := range map[Forwarding]string{ForwardingIpip: "", ForwardingAuto: "no forwarding auto", ForwardingDirect: "no forwarding direct"} {
		for name, err := range map[string]error{
			"config":  c.SetConfig(ctx, ConfigUpdate{Forwarding: &f, Weight: ptr(uint32(1))}),
			"service": c.SetService(ctx, Service{Port: 80, Rules: Rules{Forwarding: Own(f)}}),
		} {
			if want == "" && err != nil || want != "" && (!errors.Is(err, errOlder) || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s %v: %v", name, f, err)
			}
		}
	}
}

// No more other addresses of a family than the module takes.
func TestOtherAddressesAreLimited(t *testing.T) {
	var others []netip.Addr
	four, six := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")
	for range MaxAddresses + 1 {
		others = append(others, four, six)
		four, six = four.Next(), six.Next()
	}
	e := newEncoder(GenlVersion)
	e.others(others)
	b, err := e.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := netlink.UnmarshalAttributes(b)
	if err != nil || len(got) != 2 || got[0].Type != peerAttrAddresses || len(got[0].Data) != 4*MaxAddresses ||
		got[1].Type != peerAttrAddresses6 || len(got[1].Data) != 16*MaxAddresses || got[1].Data[15] != 0x10 {
		t.Errorf("%v, %v", got, err)
	}
}
