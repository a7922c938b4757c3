// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"dpr/userland/config"
	"dpr/userland/dprnl"
	"dpr/userland/fastpath"
	"dpr/userland/receive"
	"dpr/userland/testnetns"
)

// gathered is what a process in a namespace found out.
type gathered struct {
	Facts    *Facts
	Findings []Finding
	Err      string
}

// gatherEnv is set in a process that gathers facts and does nothing else.
const gatherEnv = "DPR_TEST_GATHER"

func TestMain(m *testing.M) {
	if name := os.Getenv(gatherEnv); name != "" {
		if err := json.NewEncoder(os.Stdout).Encode(look(name)); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// look gathers the facts of the namespace that it runs in.
func look(how string) gathered {
	base := well()
	k := &kernel{config: base.Config, peers: append(base.Peers, dprnl.Peer{Address: netip.MustParseAddr("198.51.100.1"), Listed: true})}
	calls := uint64(0)
	o := Options{File: base.File, Kernel: k, Reports: func(context.Context, string) (receive.Status, error) {
		calls++
		return receive.Status{Counts: map[string]uint64{"accepted": 7 * calls, "own": 5, "clock": calls}, Hosts: []receive.HostStatus{
			{Address: peer, Refused: "clock", RefusedAt: time.Now(), Addresses: []netip.Addr{near}},
			{Address: other, Refused: "clock", RefusedAt: time.Now().Add(-time.Minute)},
			{Address: own, Received: time.Now()},
		}}, nil
	}}
	o.File.FastPath = config.FastPath{Mode: config.FastPathXDP, Devices: []string{"v0", "v1"}}
	o.FastPath = func(_ context.Context, path string) (fastpath.Status, error) {
		return fastpath.Status{Devices: []fastpath.State{{Device: "v0", Attached: true, Reason: path}}}, nil
	}
	o.File.Report.Period = 100 * time.Millisecond
	switch how {
	case "deaf":
		o.Reports = func(context.Context, string) (receive.Status, error) { return receive.Status{}, errors.New("nobody") }
	case "broken":
		k.err = errors.New("broken")
	case "unloaded":
		o.Kernel = nil
	case "six":
		k.config.Address = own6
		k.peers = []dprnl.Peer{{Address: peer6, Listed: true}, {Address: netip.MustParseAddr("2001:db8:1::1"), Listed: true}}
	case "nothing.invalid", "localhost":
		o.Kernel, o.Name = nil, how
	}
	f, err := Gather(context.Background(), o)
	if err != nil {
		return gathered{Err: err.Error()}
	}
	f.Services = base.Services
	g := gathered{Facts: f, Findings: Examine(f)}
	f.File, f.Firewall = nil, nil
	return g
}

// gather looks at a namespace.
func gather(t *testing.T, n testnetns.Namespace, how string) gathered {
	t.Helper()
	cmd := n.Command(os.Args[0])
	cmd.Env = append(os.Environ(), gatherEnv+"="+how)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var g gathered
	if err := errors.Join(err, json.Unmarshal(out, &g)); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return g
}

type kernel struct {
	asked  uint64 // how often for the counters
	config dprnl.Config
	peers  []dprnl.Peer
	err    error
	ask    func(netip.Addr) error // nil: no peer knows the question
}

func (k *kernel) Config(context.Context) (dprnl.Config, error)      { return k.config, k.err }
func (k *kernel) Services(context.Context) ([]dprnl.Service, error) { return nil, nil }
func (k *kernel) Peers(context.Context) ([]dprnl.Peer, error)       { return k.peers, nil }

func (k *kernel) Stats(context.Context) (dprnl.Stats, error) {
	k.asked++
	return dprnl.NewStats(map[dprnl.Stat]uint64{dprnl.StatRxHandoverStale: 10 + 3*k.asked, dprnl.StatRxHandoverForged: 7 - k.asked}), nil
}

func (k *kernel) AskPeer(_ context.Context, a netip.Addr) error {
	if k.ask == nil {
		return syscall.EOPNOTSUPP
	}
	return k.ask(a)
}

// A host on a bridge, with a peer and rules: all of it is seen as it is.
//
//	own (br0 ← v0, MTU 1500) ── veth ── peer (v1, MTU 1400 after the start)
func TestGather(t *testing.T) {
	a, b := testnetns.New(t), testnetns.New(t)
	a.Run(fmt.Sprintf("ip link add v0 type veth peer name v1 netns %d", b.PID()))
	for _, line := range []string{
		"ip link add br0 type bridge mcast_snooping 1 mcast_querier 1", "ip link set br0 addrgenmode none", "ip link set v0 master br0", "ip link set v0 up", "ip link set br0 up",
		"ip address add 192.0.2.1/24 dev br0",
		"ip rule add from 192.0.2.1 lookup 7 priority 100",
	} {
		a.Run(line)
	}
	b.Run("ip link set v1 up")
	b.Run("ip address add 192.0.2.2/24 dev v1")
	f := gather(t, a, "all").Facts
	if br := f.link("br0"); br == nil || br.Kind != "bridge" || !br.Up || br.MTU != 1500 || len(br.Addresses) != 1 || br.Addresses[0].Addr() != own {
		t.Errorf("br0: %+v", br)
	}
	if v := f.link("v0"); v == nil || v.Master != "br0" || v.LRO {
		t.Errorf("v0: %+v", v)
	}
	if r := f.Routes[peer]; r.Device != "br0" || r.MTU != 1500 || r.Err != "" {
		t.Errorf("route: %+v", r)
	}
	if r := f.Routes[netip.MustParseAddr("198.51.100.1")]; !strings.Contains(r.Err, "unreachable") {
		t.Errorf("no route: %+v", r)
	}
	if len(f.Rules) != 1 || f.Rules[0] != (Rule{100, netip.PrefixFrom(own, 32), 7}) {
		t.Errorf("rules: %+v", f.Rules)
	}
	if e := f.Echoes[peer]; e != (Echo{true, true, 1500}) {
		t.Errorf("echo: %+v", e)
	}
	if e := f.Echoes[other]; e != (Echo{false, false, 1500}) {
		t.Errorf("echo of nobody: %+v", e)
	}
	if _, ok := f.Sysctls["net/ipv4/conf/br0/rp_filter"]; !ok || len(f.Unread) != 0 {
		t.Errorf("sysctls %v, unread %v", f.Sysctls, f.Unread)
	}
	if !f.Receiving || f.Heard != 7 || f.Refused["clock"] != 1 || f.Refused["own"] != 0 || f.Waited < 200*time.Millisecond {
		t.Errorf("reports: %v, %d heard, %v in %v", f.Receiving, f.Heard, f.Refused, f.Waited)
	}
	if f.Stale != 3 || f.Forged != 0 { // the module was loaded anew meanwhile
		t.Errorf("handovers dropped: %d stale, %d forged", f.Stale, f.Forged)
	}
	if want := []fastpath.State{{Device: "v0", Attached: true, Reason: "/run/dpr-fastpath/socket"}, {Device: "v1", Reason: fastpath.NotAsked}}; !slices.Equal(f.FastPath, want) {
		t.Errorf("fast path: %+v, want %+v", f.FastPath, want)
	}
	if len(f.Refusing) != 1 || !slices.Equal(f.Refusing["clock"], []netip.Addr{peer}) {
		t.Errorf("refused datagrams are from %v", f.Refusing)
	}

	// Large packets are dropped by the peer's link, and nobody says so.
	b.Run("ip link set v1 mtu 1400")
	if e := gather(t, a, "all").Facts.Echoes[peer]; e != (Echo{true, false, 1500}) {
		t.Errorf("echo past a small MTU: %+v", e)
	}

	a.Run("nft add table ip t")
	a.Run("nft add chain ip t in { type filter hook input priority 0; policy drop; }")
	found := false
	g := gather(t, a, "all")
	for _, x := range g.Findings {
		found = found || x.Check == "firewall" && strings.Contains(x.What, "nft ip t in: policy drop")
	}
	if !found {
		t.Errorf("%+v: want the firewall's policy", g.Findings)
	}

	// What fails is said, or left out.
	if g := gather(t, a, "deaf"); g.Err != "" || g.Facts.Receiving {
		t.Errorf("nobody receives: %+v", g)
	}
	if g := gather(t, a, "broken"); g.Err != "broken" {
		t.Errorf("%+v", g)
	}
	if g := gather(t, a, "unloaded"); g.Err != "" || g.Facts.Loaded || len(g.Facts.Links) < 3 {
		t.Errorf("%+v", g)
	}
	if g := gather(t, a, "nothing.invalid"); g.Err != "" || !slices.ContainsFunc(g.Findings, func(f Finding) bool {
		return f.Check == "dns" && f.Severity == Note && strings.Contains(f.What, "nothing.invalid")
	}) {
		t.Errorf("%+v", g)
	}
	if g := gather(t, a, "localhost"); len(g.Facts.Named) != 1 || g.Facts.Named[0] != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("%+v", g)
	}
}

// Interfaces that come and go while they are listed do not keep the rest from being looked at.
func TestInterruptedDumps(t *testing.T) {
	interrupted := map[string]bool{}
	once := func(what string) error {
		if interrupted[what] {
			return nil
		}
		interrupted[what] = true
		return netlink.ErrDumpInterrupted
	}
	list := tables{
		links: func() ([]netlink.Link, error) {
			return []netlink.Link{&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "none0", Index: 1}}}, once("links")
		},
		addresses: func(l netlink.Link, _ int) ([]netlink.Addr, error) {
			n := &net.IPNet{IP: net.IPv4(192, 0, 2, 1), Mask: net.CIDRMask(24, 32)}
			return []netlink.Addr{{IPNet: n}}, once("addresses of " + l.Attrs().Name)
		},
		rules: func(int) ([]netlink.Rule, error) {
			r := netlink.NewRule()
			r.Src = &net.IPNet{IP: net.IPv4(192, 0, 2, 0), Mask: net.CIDRMask(24, 32)}
			return []netlink.Rule{*r}, once("rules")
		},
	}
	f := new(Facts)
	if err := f.readLinks(list); err != nil || len(f.Links) != 1 || len(f.Links[0].Addresses) != 1 {
		t.Errorf("%v, %+v", err, f.Links)
	}
	if f.readRoutes(list); len(f.Rules) != 1 {
		t.Errorf("rules %+v", f.Rules)
	}
}

// A resolver that says nothing is waited for a while; a name that does not exist has no address.
func TestResolve(t *testing.T) {
	silent := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if end, ok := ctx.Deadline(); !ok || time.Until(end) > patience {
			return nil, errors.New("nothing ends this")
		}
		return nil, errors.New("silent")
	}}
	f := &Facts{Name: "www.example"}
	if f.resolve(t.Context(), silent); !strings.Contains(f.Unnamed, "silent") || len(f.Named) != 0 {
		t.Errorf("%q, %v", f.Unnamed, f.Named)
	}
}
