// SPDX-License-Identifier: MIT

package receive

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// The kernel learns a host of IPv6 with its addresses of both families, its connections, and
// what it knows.
func TestHostOfIPv6(t *testing.T) {
	n := newNeighbourhood(t)
	six := netip.MustParseAddr("2001:db8::2")
	for i, protocol := range []uint8{0, 3, 4} {
		rep := report.Report{Host: six, Boot: report.BootID{2}, Sequence: uint64(i + 1), Time: n.clock.now, Period: time.Second, Weight: 1,
			Details: &report.Details{Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("2001:db8::3")}, Protocol: protocol,
				Counts: []dprnl.PortCount{{Port: 80, Connections: 7}, {Port: 443}}}}
		b, err := rep.Append(nil, n.r.o.Config.Report.Keys[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := n.r.handle(t.Context(), []Datagram{{b, six}}); err != nil {
			t.Fatal(err)
		}
		want := max(uint32(protocol), 2)
		got := n.k.peers[len(n.k.peers)-1]
		if got.Address != six || got.Protocol != want || fmt.Sprint(got.Others) != "[10.0.0.2 2001:db8::3]" || fmt.Sprint(got.Counts) != "[{80 7} {443 0}]" || len(n.k.peers) != i+1 {
			t.Errorf("the kernel gets %+v", got)
		}
		if s := n.r.status().Hosts[0]; s.Address != six || s.Protocol != int(want) {
			t.Errorf("%+v", s)
		}
	}
}
