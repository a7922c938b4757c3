// SPDX-License-Identifier: MIT

package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"dpr/testbed/check/datapath/vnet"
)

// A host has its addresses at once, and finds those of an endpoint, which sends and
// receives packets of both families.
//
//	A ── e0 (no stack)
func TestEndpoint(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test needs root: it makes network namespaces")
	}
	both(t, func(t *testing.T, addrs [3]netip.Addr) {
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		n, err := vnet.NewNet()
		check(err)
		defer n.Close()
		a, err := n.NewHost("A", addrs[1])
		check(err)
		r, err := n.NewHost("R")
		check(err)
		e, err := Open(r, vnet.Link)
		check(err)
		defer e.Close()
		e.Own(addrs[0])
		var ln net.Listener
		var out net.Conn
		check(a.Do(func() (err error) {
			if ln, err = net.Listen("tcp", netip.AddrPortFrom(addrs[1], 80).String()); err != nil {
				return err
			}
			out, err = net.Dial("udp", netip.AddrPortFrom(addrs[0], 9).String())
			return err
		}))
		defer ln.Close()
		defer out.Close()
		fmt.Fprint(out, "hello")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = e.Wait(ctx, func(p *Packet) bool { return len(p.IP) == 1 && p.Dst() == addrs[0] && !p.Discovery() })
		check(err)

		mac, err := a.MAC(vnet.Link)
		check(err)
		syn := Segment{Src: netip.AddrPortFrom(addrs[0], 4000), Dst: netip.AddrPortFrom(addrs[1], 80), Flags: "S", Seq: 5}
		check(e.Send(mac, syn.Bytes()))
		p, err := e.Wait(ctx, func(p *Packet) bool { return p.Has("SA") })
		check(err)
		if p.Src() != addrs[1] || p.TCP.Ack != 6 {
			t.Errorf("answer %v", p)
		}
		e.Respond(func(p *Packet) []byte {
			if p.Dst() != addrs[0] || !p.Has("S") || p.Has("A") {
				return nil
			}
			return Segment{Src: netip.AddrPortFrom(addrs[0], 9), Dst: netip.AddrPortFrom(p.Src(), uint16(p.TCP.SrcPort)),
				Flags: "RA", Ack: p.TCP.Seq + 1}.Bytes()
		})
		err = a.Do(func() error {
			_, err := net.DialTimeout("tcp", netip.AddrPortFrom(addrs[0], 9).String(), time.Minute)
			return err
		})
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("connecting to who answers by a RST: %v", err)
		}
		e.Respond(nil)
		if addrs[0].Is6() {
			local, err := a.LinkLocal(vnet.Link)
			check(err)
			if !local.IsLinkLocalUnicast() {
				t.Errorf("%v is no link-local address", local)
			}
			check(a.Forget(vnet.Link))
			check(e.Send(mac, Segment{Src: syn.Src, Dst: netip.AddrPortFrom(addrs[1], 81), Flags: "S"}.Bytes()))
			_, err = e.Wait(ctx, func(p *Packet) bool { return p.Has("R") })
			check(err)
		}
	})
}
