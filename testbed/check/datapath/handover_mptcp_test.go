// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"testing"

	"dpr/userland/dprnl"
)

// serveMultipath has a server listen for MPTCP, as programs in Go do by default.
func (s *server) serveMultipath(t *testing.T) {
	t.Helper()
	s.web.stop()
	s.web = serveMultipath(t, s.Host, s.Name, port)
}

// Connections of listeners for MPTCP are handed over too, as those of TCP, to another host
// and to the first host itself.
func TestHandoverMultipath(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		h := newHanding(t, w)
		for _, s := range []*server{h.a, h.b} {
			s.serveMultipath(t)
		}
		unchanged(t, h.c, "TcpExtTCPSynRetrans", "TcpExtTCPAbortOnData", "TcpOutRsts")
		a := h.a.meter(t)
		for _, want := range []struct {
			host    string
			counter dprnl.Stat
			maxLoad uint64
		}{{"B", dprnl.StatHandoverTaken, 0}, {"A", dprnl.StatHandoverLocal, 1 << 40}} {
			h.a.set(t, dprnl.ConfigUpdate{MaxLoad: &want.maxLoad})
			k := connect(t, h.c, h.a.service())
			k.wantServed(t, want.host)
			changed(t, a, want.counter, 1)
			check(t, k.upload(1<<20))
			check(t, k.download(1<<20))
			k.Close()
		}
		if got := a.changes(t); got[dprnl.StatHandoverOff] != 0 {
			t.Errorf("connections placed by their SYN: %v", got)
		}
	})
}

// A firewall drops the segment that brings such a request: nothing of MPTCP is left of it.
func TestHandoverMultipathDropped(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		h := newHanding(t, w)
		h.b.serveMultipath(t)
		ctx, cancel := context.WithTimeout(t.Context(), step)
		defer cancel()
		_, err := h.b.RunInput(ctx, `table inet refuse {
	chain in {
		type filter hook input priority 0
		tcp dport 80 limit rate 1/day burst 3 packets counter drop
	}
}`, "nft", "-f", "-")
		check(t, err)
		for range 5 {
			k := connect(t, h.c, h.a.service())
			check(t, k.upload(10_000))
			check(t, k.download(10_000))
			k.Close()
		}
		wantDropped(t, h.b.Host)
	})
}
