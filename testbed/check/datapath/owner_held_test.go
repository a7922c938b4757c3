// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A segment whose owner is sought waits, and goes on as soon as a peer claims its
// connection: the client need not send it again.
func TestOwnerHeld(t *testing.T) {
	anyForwarding(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		c := k.raw(t, addrR).talk(k.a, 4000)
		c.open(t)
		c.wantServed(t, "B")
		k.die(t, dprnl.OrphansAsk)
		c.via = k.d
		d := k.d.meter(t)
		c.wantServed(t, "B")
		for stat, n := range map[dprnl.Stat]int{
			dprnl.StatOwnerAsked: 1, dprnl.StatOwnerHeld: 1, dprnl.StatOwnerFound: 1, dprnl.StatOwnerWaited: 0,
		} {
			wantChange(t, d, stat, n)
		}
	})
}

// A claim that comes late makes a flow, but what waited for it is gone: the client
// sends it again.
func TestOwnerHeldTooLong(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		late := k.lateClaim(t, k.raw(t, addrR))
		d := k.d.meter(t)
		time.Sleep(time.Second) // four times as long as it waits
		late.claim()
		found(t, d, 1)
		silence(t, late.Endpoint, func(p *wire.Packet) bool { return p.Tunnelled() || p.TCP != nil })
		wantChange(t, d, dprnl.StatOwnerHeld, 0)
	})
}

// The device that a segment came by may be gone when a peer claims its connection.
//
//	E ── D ── switch ── P (claims)
func TestOwnerHeldWithoutDevice(t *testing.T) {
	watchKernel(t)
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		e := behindAnotherLink(t, k.d)
		mac, err := k.d.MAC("e1")
		check(t, err)
		r := &raw{observe(t, e), k.addr(netip.MustParseAddr("192.0.2.7")), map[*vnet.Host]net.HardwareAddr{k.d.Host: mac}}
		late := k.lateClaim(t, r)
		d := k.d.meter(t)
		check(t, k.d.Delete("e1"))
		late.claim()
		found(t, d, 1)
		silence(t, late.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil })
		wantChange(t, d, dprnl.StatOwnerHeld, 0)
	})
}

// A namespace ends, and the module goes, while segments wait.
func TestOwnerHeldAtTheEnd(t *testing.T) {
	watchKernel(t)
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		k.lateClaim(t, k.raw(t, addrR))
	})
}
