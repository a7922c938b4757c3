// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/vnet"
	"dpr/userland/dprnl"
)

// held is an address that all servers have on lo, and the holder on the link, too.
var held = netip.MustParseAddr("10.77.0.99")

// A heldCluster has one address on three servers, of which one is the holder. Whoever has
// nothing of a connection asks for its owner.
//
//	C ── switch ── A, B, D
type heldCluster struct {
	*cluster
	d *server
}

func newHeld(t *testing.T, w way) *heldCluster {
	t.Helper()
	c := newCluster(t, w)
	h := &heldCluster{c, c.server(t, "D", addrD)}
	h.d.web = serve(t, h.d.Host, "D", port)
	all := []*server{c.a, c.b, h.d}
	for _, s := range all {
		for name, value := range map[string]string{"arp_ignore": "1", "arp_announce": "2"} {
			check(t, s.Sysctl("net/ipv4/conf/all/"+name, value))
		}
		check(t, s.Address("lo", netip.PrefixFrom(held, 32)))
		check(t, s.Address("lo", netip.PrefixFrom(vnet.Twin(held), 128)))
		s.others = append(s.others, w.addr(held))
		s.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansAsk), ReportMaxAge: ptr(time.Hour)})
	}
	for _, s := range all {
		for _, peer := range all {
			if peer != s {
				h.reports(t, s, peer, 0)
			}
		}
	}
	return h
}

// reports has a peer report its addresses and its load to a host.
func (h *heldCluster) reports(t *testing.T, s, peer *server, load uint32) {
	t.Helper()
	u := h.report(peer.addr, load)
	u.Protocol, u.Others = 3, peer.others
	check(t, s.dpr.SetPeer(t.Context(), u))
}

// moves makes a host the holder, in the place of another if there is one, and tells the
// client.
func (h *heldCluster) moves(t *testing.T, from, to *server) {
	t.Helper()
	for _, p := range []netip.Prefix{netip.PrefixFrom(held, 32), netip.PrefixFrom(vnet.Twin(held), 128)} {
		if from != nil {
			check(t, from.RemoveAddress(eth, p))
		}
		check(t, to.Address(eth, p))
	}
	check(t, h.c.Forget(eth))
}

// connects opens a connection with the address, which a host serves.
func (h *heldCluster) connects(t *testing.T, by string) *conn {
	t.Helper()
	k := connect(t, h.c, h.addrPort(held, port))
	k.wantServed(t, by)
	return k
}

// The holder changes, and changes back: all connections go on, whoever serves them, and
// new ones work. Two hosts are the holder: that does no harm. The holder dies: its own
// connections end with a RST.
func TestHolderMoves(t *testing.T) {
	eachWay(t, []way{fragbit4, source4, fragbit64, plain6, direct4}, func(t *testing.T, w way) {
		h := newHeld(t, w)
		h.moves(t, nil, h.a)
		h.reports(t, h.a, h.d, 1<<20)
		byB := h.connects(t, "B")
		h.reports(t, h.a, h.d, 0)
		h.reports(t, h.a, h.b, 1<<20)
		byD := h.connects(t, "D")
		h.a.keep(t)
		byA := h.connects(t, "A")
		goOn := func(when string, all map[string]*conn) {
			t.Helper()
			for who, k := range all {
				k.wantServed(t, who)
				if err := k.upload(100_000); err != nil {
					t.Errorf("%s: the connection that %s serves: %v", when, who, err)
				}
				if err := k.download(100_000); err != nil {
					t.Errorf("%s: the connection that %s serves: %v", when, who, err)
				}
			}
		}
		all := map[string]*conn{"A": byA, "B": byB, "D": byD}
		goOn("at first", all)

		d := h.d.meter(t)
		h.moves(t, h.a, h.d)
		goOn("another holder", all)
		wantChange(t, d, dprnl.StatOwnerFound, 2)
		byD2 := h.connects(t, "D")

		a := h.a.meter(t)
		h.moves(t, h.d, h.a)
		goOn("the first holder again", all)
		byD2.wantServed(t, "D")
		wantChange(t, a, dprnl.StatOwnerFound, 1) // of byD2: A has flows of the others

		// A does not notice that D is the holder now.
		h.moves(t, nil, h.d)
		goOn("two holders", all)
		if who, err := connect(t, h.c, h.addrPort(held, port)).ask("who"); err != nil || who == "B" {
			t.Errorf("two holders: a new connection is served by %q (%v)", who, err)
		}

		check(t, h.sw.Unplug(h.a.Host))
		check(t, h.c.Forget(eth))
		delete(all, "A")
		goOn("a holder dies", all)
		byD2.wantServed(t, "D")
		check(t, h.d.dpr.DeletePeer(t.Context(), h.a.addr, true)) // D has a flow to it
		_, err := h.d.dpr.Expire(t.Context(), 0)
		check(t, err)
		byA.wantReset(t)
		h.connects(t, "D")
	})
}

// deaf has a host take no ICMP errors, as one behind a firewall that drops them.
func deaf(t *testing.T, h *vnet.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	_, err := h.RunInput(ctx, `table ip deaf {
	chain in {
		type filter hook input priority 0;
		icmp type destination-unreachable drop
	}
}`, "nft", "-f", "-")
	check(t, err)
}

// A client that hears no ICMP errors goes on with an upload when the holder changes. Its full
// segments fit no tunnel, since the SYN has announced packets without one: the new holder needs
// no SYN of its own for that, whether the host claims the connection or the hash names it.
func TestHolderMovesUpload(t *testing.T) {
	for name, policy := range map[string]dprnl.Policy{"claimed": dprnl.PolicyLowest, "hashed": dprnl.PolicyStateless} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, []way{direct4}, func(t *testing.T, w way) {
				h := newHeld(t, w)
				deaf(t, h.c)
				h.moves(t, nil, h.a)
				h.reports(t, h.a, h.d, 1<<20)
				h.a.set(t, dprnl.ConfigUpdate{Policy: &policy})
				h.d.set(t, dprnl.ConfigUpdate{Policy: &policy})
				var byB *conn
				eventually(t, func() error {
					byB = connect(t, h.c, h.addrPort(held, port))
					if who, err := byB.ask("who"); err != nil || who != "B" {
						return fmt.Errorf("served by %q (%v)", who, err)
					}
					return nil
				})
				d := h.d.meter(t)
				h.moves(t, h.a, h.d)
				check(t, byB.uploadFor(step/2, 100_000))
				byB.wantServed(t, "B")
				wantChange(t, d, dprnl.StatTxTooBig, 0)
				if d.changes(t)[dprnl.StatTxDirect] == 0 {
					t.Error("D sent nothing direct")
				}
			})
		})
	}
}

// A host that sends by tunnels, and to which no SYN has announced anything else, takes what is
// marked for an address that it has as well.
func TestHolderMovesUnannounced(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		h := newHeld(t, w)
		// By a route that the socket has cached B's stack might take them all the same.
		check(t, h.b.Sysctl("net/ipv4/tcp_early_demux", "0"))
		h.moves(t, nil, h.a)
		h.reports(t, h.a, h.d, 1<<20)
		byB := h.connects(t, "B")
		h.d.set(t, dprnl.ConfigUpdate{Forwarding: ptr(dprnl.ForwardingAuto)})
		d := h.d.meter(t)
		h.moves(t, h.a, h.d)
		byB.wantServed(t, "B")
		check(t, byB.upload(100_000))
		check(t, byB.download(100_000))
		wantChange(t, d, dprnl.StatOwnerFound, 1)
		if d.changes(t)[dprnl.StatTxDirect] == 0 {
			t.Error("D sent nothing direct")
		}
	})
}

// The holder hears of a connection's end from the host that serves it, whichever of the hosts
// that have the address is the first in that one's table.
func TestHolderFlowEnds(t *testing.T) {
	eachWay(t, []way{direct4}, func(t *testing.T, w way) {
		h := newHeld(t, w)
		h.moves(t, nil, h.d) // B knows A for longer
		h.d.set(t, dprnl.ConfigUpdate{
			Policy: ptr(dprnl.PolicyLowest), Estimate: ptr(dprnl.EstimateReported),
			WeightSockets: ptr(uint32(1)), WeightConnections: ptr(uint32(0)), MaxLoad: ptr(uint64(0)),
		})
		h.reports(t, h.d, h.a, 1<<20)
		d := h.d.meter(t)
		k := h.raw(t, addrR).talk(h.d, 4000)
		k.remote = w.addrPort(held, port)
		k.open(t)
		k.wantServed(t, "B")
		time.Sleep(settle) // B makes room for notes, with the first connection
		wantFlow(t, h.d, dprnl.FlowEstablished)
		k.say(t, "FA", "")
		k.hear(t, "FA")
		k.say(t, "A", "")
		wantNoneLive(t, h.d)
		if d.changes(t)[dprnl.StatTxDirect] == 0 {
			t.Error("D sent nothing direct")
		}
		wantChange(t, d, dprnl.StatFlowsAsked, 0)
	})
}
