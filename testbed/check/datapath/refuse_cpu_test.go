// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"maps"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// SYNs that B refuses come back to one processor, while copies of them arrive at
// another. Each connection gets to D, or to B if that had to take the copy, which is not
// offered; and only that host answers it.
//
//	R1, R2 (send the same SYNs) ── switch ── A (offers all)
//	R (gets the answers)              ├───── B (refuses all)
//	                                  └───── D
func TestRefusedCopiesOfTwoProcessors(t *testing.T) {
	watchKernel(t)
	const clients, burst, copies = 2000, 20, 10
	o := newOffers(t, fragbit4)
	o.refusing(t, o.b)
	o.taking(t, o.d)
	r := o.raw(t, addrR)
	for _, s := range []*server{o.a, o.b, o.d} {
		check(t, s.Route(floodNetwork, addrR))
		// Copies are answered like the first, and no queue overflows.
		check(t, s.Sysctl("net/ipv4/tcp_syncookies", "0"))
		check(t, s.Sysctl("net/ipv4/tcp_max_syn_backlog", "16384"))
	}
	hosts := []*vnet.Host{o.host(t, "R1", netip.Addr{}), o.host(t, "R2", netip.Addr{})}
	mac, err := o.a.MAC(eth)
	check(t, err)
	check(t, setOnline(1, true))
	threads := runtime.GOMAXPROCS(len(hosts) + 1)
	t.Cleanup(func() { runtime.GOMAXPROCS(threads); check(t, setOnline(1, false)) })

	a, b := o.a.meter(t), o.b.meter(t)
	answered := map[netip.Addr]uint32{} // the server's number by client
	takeAnswers := func() {
		t.Helper()
		for _, p := range r.Take(func(p *wire.Packet) bool { return p.TCP != nil }) {
			client, number := p.Dst(), p.TCP.Seq
			if before, ok := answered[client]; !p.Has("SA") || ok && before != number {
				t.Errorf("%v gets %v, after %d", client, p, before)
			}
			answered[client] = number
		}
	}
	for first := uint32(0); first < clients; first += burst {
		var senders errgroup.Group
		for cpu, h := range hosts {
			senders.Go(func() error {
				return h.Do(func() error { return flood(cpu, first, mac, o.a.service(), burst) })
			})
		}
		check(t, senders.Wait())
		takeAnswers()
	}
	// A packet may get lost between the hosts. Clients repeat their SYNs.
	for n := 0; n < copies && len(answered) < clients; n++ {
		check(t, hosts[0].Do(func() error { return flood(0, 0, mac, o.a.service(), clients) }))
		takeAnswers()
	}
	got := a.changes(t)
	refused := b.changes(t)[dprnl.StatRefusedLoad]
	t.Logf("%d clients answered; B refused %d SYNs: of these %d were placed anew, %d came too late, %d were unknown",
		len(answered), refused, got[dprnl.StatOfferReturned], got[dprnl.StatOfferLate], got[dprnl.StatOfferUnknown])
	if len(answered) != clients {
		t.Errorf("%d of %d clients were answered", len(answered), clients)
	}
	if n := got[dprnl.StatOfferReturned] + got[dprnl.StatOfferLate] + got[dprnl.StatOfferUnknown]; n != refused || n < clients/4 {
		t.Errorf("B refused %d SYNs, and %d came back", refused, n)
	}
	by := map[netip.Addr]int{}
	for _, f := range o.a.flows(t) {
		by[f.Peer]++
	}
	if want := map[netip.Addr]int{o.b.addr: halfOpen(t, o.b), o.d.addr: halfOpen(t, o.d)}; !maps.Equal(by, want) {
		t.Errorf("flows by peer %v, but these have connections %v", by, want)
	}
	if n := halfOpen(t, o.a); n != 0 {
		t.Errorf("%d connections of A itself", n)
	}
	st := o.a.stats(t)
	if n := st.Get(dprnl.StatFlows); n != clients {
		t.Errorf("%d flows are counted, want %d", n, clients)
	}
}

// halfOpen is how many connections of IPv4 a host has whose handshake is not over.
func halfOpen(t *testing.T, s *server) int {
	t.Helper()
	n := 0
	check(t, s.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/tcp")
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 3 && f[3] == "03" { // TCP_SYN_RECV
				n++
			}
		}
		return err
	}))
	return n
}
