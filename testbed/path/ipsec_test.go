// SPDX-License-Identifier: MIT

//go:build lab

package path

import (
	"errors"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"

	"dpr/testbed/path/wire"
	"dpr/userland/dprnl"
)

// IPsec between hosts, as docs/security.md recommends: redirected packets travel
// in ESP, in either mode, and no packet holds on to a route. What comes without
// is not taken, though it is marked and comes from a peer's address. A device that
// the way out uses can go.
//
//	C, R (as A) ── switch ── A
//	                  └───── B
func TestIPsec(t *testing.T) {
	for name, mode := range map[string]netlink.Mode{"transport": netlink.XFRM_MODE_TRANSPORT, "tunnel": netlink.XFRM_MODE_TUNNEL} {
		t.Run(name, func(t *testing.T) {
			bothMarkers(t, func(t *testing.T, m dprnl.Marker) {
				c := newCluster(t, m)
				check(t, c.a.Protect(addrA, addrB, mode))
				check(t, c.b.Protect(addrB, addrA, mode))
				seen := observe(t, c.b.Host)
				k := connect(t, c.c, c.a.service())
				k.wantServed(t, "B")
				check(t, k.upload(1<<20))
				check(t, k.download(1<<20))
				plain, protected := 0, 0
				for _, p := range seen.Take(func(p *wire.Packet) bool { return len(p.IP) > 0 && p.Dst() == addrB }) {
					switch p.IP[0].Protocol {
					case layers.IPProtocolIPv4:
						plain++
					case layers.IPProtocolESP:
						protected++
					}
				}
				if plain > 0 || protected < 50 {
					t.Errorf("B got %d plain packets and %d protected ones", plain, protected)
				}

				r := c.raw(t, addrR)
				b := c.b.meter(t)
				syn := wire.Segment{Src: addrPort(addrR, 4000), Dst: c.a.service(), Flags: "S", Seq: 1}
				outer := wire.Tunnel{Src: addrA, Dst: addrB, Marked: m == dprnl.MarkerFragbit}
				r.send(t, c.b, outer.Wrap(syn.Bytes()))
				want := counts{}
				if m == dprnl.MarkerFragbit {
					want[dprnl.StatRxPolicy] = 1
				}
				silence(t, r.Endpoint, func(p *wire.Packet) bool { return p.TCP != nil && p.Dst() == addrR })
				b.want(t, want)

				// Whoever holds the device makes this wait for ever.
				done := make(chan error, 1)
				go func() { done <- errors.Join(c.a.Delete(eth), c.b.Delete(eth)) }()
				eventually(t, func() error {
					select {
					case err := <-done:
						check(t, err)
						return nil
					default:
						return errors.New("the devices do not go")
					}
				})
			})
		})
	}
}
