// SPDX-License-Identifier: MIT

package main

import (
	"net/netip"
	"strings"
	"testing"

	"dpr/testbed/eval/bench/wire"
	"dpr/testbed/lab/family"
)

func TestParseProfile(t *testing.T) {
	const log = `dprinject-profile: 200 all
something else
dprinject-profile: 150 dpr_hook_in [dpr]
dprinject-profile: 60 inject_run [dprinject]
dprinject-profile: 60 nic_poll [dprnic]
dprinject-profile: 50 __memset
`
	got, err := parseProfile(log)
	if err != nil || len(got) != 2 {
		t.Fatalf("got %v, %v; want two functions", got, err)
	}
	if got[0].Name != "dpr_hook_in [dpr]" || got[0].Share != 0.75 || got[1].Share != 0.25 {
		t.Errorf("got %v", got)
	}
	for _, bad := range []string{"", "dprinject-profile: x f", "dprinject-profile: 1", "dprinject-profile: 5 f\n", "dprinject-profile: 0 all\ndprinject-profile: 0 f"} {
		if got, err := parseProfile(bad); err == nil {
			t.Errorf("%q gives %v, want an error", bad, got)
		}
	}
}

func TestParseSNMP(t *testing.T) {
	const text = "Ip: Forwarding InDelivers\nIp: 1 77\nTcp: InSegs OutRsts\nTcp: 5 6\n"
	for _, tt := range []struct {
		protocol, name string
		want           uint64
	}{{"Ip", "InDelivers", 77}, {"Tcp", "InSegs", 5}, {"Tcp", "OutRsts", 6}} {
		if got, err := parseSNMP(text, tt.protocol, tt.name); got != tt.want || err != nil {
			t.Errorf("%s %s: got %d, %v; want %d", tt.protocol, tt.name, got, err, tt.want)
		}
	}
	for _, tt := range [][3]string{{text, "Udp", "InErrors"}, {text, "Tcp", "InErrors"}, {"Tcp: InSegs\n", "Tcp", "InSegs"}, {"Tcp: InSegs\nTcp: x\n", "Tcp", "InSegs"}} {
		if got, err := parseSNMP(tt[0], tt[1], tt[2]); err == nil {
			t.Errorf("%q: got %d, want an error", tt, got)
		}
	}
}

func TestParseFree(t *testing.T) {
	const text = `Node 0, zone      DMA
  pages free     10
        boost    0
  pagesets
    cpu: 0
              count: 2
              high:  7
Node 0, zone    DMA32
  pages free     100
      nr_free_pages 100
  pagesets
    cpu: 0
              count: 30
`
	if got, err := parseFree(text); got != 142*pageSize || err != nil {
		t.Errorf("got %d, %v; want %d", got, err, 142*pageSize)
	}
	for _, bad := range []string{"", "count: 3\n", "  pages free x\n"} {
		if got, err := parseFree(bad); err == nil {
			t.Errorf("%q: got %d, want an error", bad, got)
		}
	}
}

func TestParseOwn(t *testing.T) {
	if got, err := parseOwn("VmRSS: 90 kB\nRssAnon:\t    2048 kB\n"); got != 2<<20 || err != nil {
		t.Errorf("got %d, %v; want %d", got, err, 2<<20)
	}
	for _, bad := range []string{"", "RssAnon: much\n"} {
		if got, err := parseOwn(bad); err == nil {
			t.Errorf("%q: got %d, want an error", bad, got)
		}
	}
}

func TestParseSlab(t *testing.T) {
	const line = "dpr_flow   100032 100032  64   64    1 : tunables    0    0    0 : slabdata   1563   1563      0"
	if got, err := parseSlab(line, []string{"dpr_flow"}); got != 1563*pageSize || err != nil {
		t.Errorf("got %d, %v; want %d", got, err, 1563*pageSize)
	}
	if got, err := parseSlab(line, []string{"ip_vs_conn"}); got != 0 || err != nil {
		t.Errorf("another cache: got %d, %v; want 0", got, err)
	}
	for _, bad := range []string{"dpr_flow 1 2 3", strings.Replace(line, "1563   1563", "1563   many", 1)} {
		if got, err := parseSlab(bad, []string{"dpr_flow"}); err == nil {
			t.Errorf("%q: got %d, want an error", bad, got)
		}
	}
}

func TestParseSNMP6(t *testing.T) {
	const text = "Ip6InReceives                   \t9\nIp6InDelivers                   \t77\nIp6OutForwDatagrams\tx\n"
	if got, err := parseSNMP6(text, "Ip6InDelivers"); got != 77 || err != nil {
		t.Errorf("got %d, %v; want 77", got, err)
	}
	for _, name := range []string{"InDelivers", "Ip6OutForwDatagrams"} {
		if got, err := parseSNMP6(text, name); err == nil {
			t.Errorf("%s: got %d, want an error", name, got)
		}
	}
}

func TestPeerAddresses(t *testing.T) {
	for f, n := range networks {
		seen := map[netip.Addr]bool{n.outside.Addr(): true}
		for i := range 4096 {
			a := n.peer(i)
			if !n.outside.Contains(a) || seen[a] {
				t.Fatalf("peer %d has address %s, of another or outside %s", i, a, n.outside.Masked())
			}
			seen[a] = true
		}
		if n.family != f || n.address.Is6() != (f == family.V6) || n.virtual.Is6() != n.address.Is6() || n.clients.Addr().Is6() != n.address.Is6() {
			t.Errorf("%s: %+v", f.Name(), n)
		}
	}
}

func TestIPVSRules(t *testing.T) {
	for f, want := range map[family.Family]string{
		family.V4: "-A -t 10.0.0.1:80 -s lc\n-a -t 10.0.0.1:80 -r 10.9.0.2:80 -i\n",
		family.V6: "-A -t [fd10::1]:80 -s lc\n-a -t [fd10::1]:80 -r [fd10:9::2]:80 -i\n",
	} {
		b, err := networks[f].balancer(wire.Tun, false)
		if err != nil {
			t.Fatal(err)
		}
		var rules strings.Builder
		if b.(ipvsBalancer).rules(&rules, 1); rules.String() != want {
			t.Errorf("got %q, want %q", rules.String(), want)
		}
	}
}

func TestInjectionParams(t *testing.T) {
	n := networks[family.V4]
	in := injection{op: "syn", from: n.clients.Addr(), to: n.address, port: 80, first: 7, flows: 100, packets: 10}
	got := in.params()
	if !strings.Contains(got, "op=syn to=10.0.0.1 from=10.128.0.0 ") || !strings.Contains(got, " first=7 flows=100 stride=1 packets=10 ") {
		t.Errorf("got %q", got)
	}
	if strings.Contains(got, "tunnel") {
		t.Errorf("%q has a tunnel", got)
	}
	in.sent, in.follow = 5, true
	if got := in.params(); !strings.HasSuffix(got, " sent=5 follow=true") {
		t.Errorf("got %q", got)
	}
	in.sent, in.follow = 0, false
	in.outer = &tunnel{from: n.peer(0), to: n.address, marked: true}
	if got := in.params(); !strings.HasSuffix(got, "tunnel_from=10.9.0.2 tunnel_to=10.0.0.1 marked=true") {
		t.Errorf("got %q", got)
	}
}

// TestStride makes sure that packets go to as many connections as there can be.
func TestStride(t *testing.T) {
	for _, n := range []int{1, 999, 1000, 1001, 100_000, 4_000_000} {
		const packets = 1000
		seen := map[int]bool{}
		step := stride(n, packets)
		if step < 1 || step > n {
			t.Fatalf("%d connections: stride %d", n, step)
		}
		for i, at := 0, 0; i < packets; i++ {
			seen[at] = true
			if at += step; at >= n {
				at -= n
			}
		}
		if len(seen) != min(n, packets) {
			t.Errorf("%d connections: %d packets meet %d of them", n, packets, len(seen))
		}
	}
}

// Peers have backends enough that half of the ports are free, while that is possible.
func TestBackendsOf(t *testing.T) {
	for _, tt := range []struct{ peers, flows, want int }{
		{3, 1, 1}, {3, 3 * splicePorts / 2, 1}, {3, 3*splicePorts/2 + 1, 2}, {3, 1_000_000, 11},
		{3, 4_000_000, 21}, {1, 4_000_000, 64}, {64, 1_000_000, 1}, {100, 1, 1},
	} {
		if got := backendsOf(tt.peers, tt.flows); got != tt.want {
			t.Errorf("%d flows with %d peers: %d backends each, want %d", tt.flows, tt.peers, got, tt.want)
		}
	}
}

// Packets of connections that are followed go on where the last ones ended, each way for
// itself, and never beyond the window.
func TestNext(t *testing.T) {
	tab := &table{way: natBalancer{}}
	in := injection{op: wire.Established, flows: 1000, packets: 2500, payload: 100}
	for _, want := range []int{0, 300, 600} {
		if got := tab.next(in); got.sent != want || !got.follow {
			t.Errorf("%+v, want %d bytes before", got, want)
		}
	}
	in.op, in.flows, in.stride = wire.Answer, 100_000, 40
	for _, want := range []int{0, 100} {
		if got := tab.next(in); got.sent != want || !got.follow {
			t.Errorf("answers: %+v, want %d bytes before", got, want)
		}
	}
	in.flows, in.stride = 1, 1
	for range 2 {
		if got := tab.next(in); got.follow || got.sent != 200 {
			t.Errorf("a small table: %+v", got)
		}
	}
	in.payload = 0
	if got := tab.next(in); got.sent != 0 || got.follow {
		t.Errorf("without data: %+v", got)
	}
	if got := (&table{}).next(injection{flows: 1, packets: 1, payload: 100}); got.follow {
		t.Error("a system that looks at no numbers")
	}
	if !answers(wire.Answer) || !answers(synAck) || answers(wire.Established) {
		t.Error("who sends what")
	}
}

func TestBalancerOf(t *testing.T) {
	for _, name := range []string{wire.DPR, wire.Tun, wire.DR, wire.NAT, wire.Direct, wire.Splice, wire.SpliceProxy} {
		b, err := networks[family.V4].balancer(name, false)
		if err != nil || b.name() != name {
			t.Errorf("%s: %v, %v", name, b, err)
		}
		_, ok := b.(twoWay)
		if want := name == wire.NAT || name == wire.Splice || name == wire.SpliceProxy; ok != want {
			t.Errorf("answers come back through %s: %t", name, ok)
		}
	}
	if _, err := networks[family.V4].balancer("lvs", false); err == nil || !strings.Contains(err.Error(), "lvs") {
		t.Errorf("error %v does not name the system", err)
	}
}

func TestParseOverflowed(t *testing.T) {
	const text = "00000010 0000000a 00000003 00000000\n00000010 00000005 00000003 00000000\n"
	if got, err := parseOverflowed(text); got != 15 || err != nil {
		t.Errorf("got %d, %v; want 15", got, err)
	}
	for _, bad := range []string{"00000010\n", "0 x 0\n"} {
		if got, err := parseOverflowed(bad); err == nil {
			t.Errorf("%q: got %d, want an error", bad, got)
		}
	}
}

func TestQuantile(t *testing.T) {
	v := []float64{1, 2, 3, 4}
	for q, want := range map[float64]float64{0: 1, 0.25: 1, 0.26: 2, 0.5: 2, 0.99: 4, 1: 4} {
		if got := quantile(v, q); got != want {
			t.Errorf("%g: %g, want %g", q, got, want)
		}
	}
	if quantile(nil, 0.5) != 0 {
		t.Error("of nothing")
	}
}

// The places of a cluster whose connections move do not overlap with each other, nor with
// what is around them in the same guest.
func TestMovedPlaces(t *testing.T) {
	for _, f := range family.All {
		p, n := movedFamilies[f], networks[f]
		seen := map[netip.Addr]bool{p.client: true, p.service: true}
		for link := range p.links {
			first, second := p.ends(link)
			for _, a := range []netip.Addr{first, second} {
				if seen[a] || !p.links[link].Contains(a) || n.outside.Contains(a) || a.Is4() != (f == family.V4) {
					t.Errorf("%s: %s is there twice, or is none of %s", f.Name(), a, p.links[link])
				}
				seen[a] = true
			}
		}
	}
}
