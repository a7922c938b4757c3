// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"dpr/userland/dprnl"
)

// A client shuts its half of the connection and then reads 10 MB.
//
//	C ── switch ── A
//	        └───── B
func TestHalfCloseReads10MB(t *testing.T) {
	anyAnswers(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		k := connect(t, c.c, c.a.service())
		const n = 10 << 20
		check(t, k.SetDeadline(time.Now().Add(2*step)))
		_, err := fmt.Fprintf(k, "eofsend %d\n", n)
		check(t, err)
		check(t, k.CloseWrite())
		check(t, readPattern(k.r, n))
		if b, err := k.r.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("after the last byte: %v, %v", b, err)
		}
		// The server has nothing more to say and has closed.
		wantEnded(t, c.a, 0)
	})
}

// The server shuts its half first; the client's data still arrives.
func TestHalfCloseOfServer(t *testing.T) {
	anyAnswers(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		time.Sleep(settle) // B makes room for notes, with the first connection
		if got, err := k.ask("close"); !errors.Is(err, io.EOF) {
			t.Errorf("answer %q, %v", got, err)
		}
		wantFlow(t, c.a, dprnl.FlowEstablished)
		time.Sleep(settle) // B looks at the socket, which still waits for the client
		check(t, k.Close())
		wantEnded(t, c.a, 1)
		if st := c.a.stats(t); st.Get(dprnl.StatFlowsAsked) > 0 {
			t.Error("A had to ask whether the connection is over")
		}
	})
}

// A RST from either side ends the connection at the other.
//
//	C ── switch ── A
//	        └───── B
func TestRstEitherSide(t *testing.T) {
	anyAnswers(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		t.Run("server", func(t *testing.T) {
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "B")
			time.Sleep(settle) // as above
			_, err := fmt.Fprintln(k, "reset")
			check(t, err)
			k.wantReset(t)
			wantEnded(t, c.a, 0)
		})
		t.Run("client", func(t *testing.T) {
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "B")
			check(t, k.SetLinger(0))
			check(t, k.Close())
			eventually(t, func() error {
				if left := c.b.web.accepted(); len(left) != 0 {
					return fmt.Errorf("B still has connections of %v", left)
				}
				return nil
			})
			wantEnded(t, c.a, 0)
		})
		t.Run("client in the handshake", func(t *testing.T) {
			r := c.raw(t, addrR)
			k := r.talk(c.a, 4000)
			k.say(t, "S", "")
			k.hear(t, "SA")
			k.say(t, "R", "")
			if !hasFlow(c.a.flows(t), k, dprnl.FlowRst) {
				t.Errorf("no flow in state RST: %v", c.a.flows(t))
			}
		})
	})
}

func hasFlow(flows []dprnl.Flow, k *talk, state dprnl.FlowState) bool {
	for _, f := range flows {
		if f.Client == k.local && f.State == state {
			return true
		}
	}
	return false
}

// wantEnded waits until no flow of the host is live, and then fails the test unless
// so many are left: those of connections that are in TIME_WAIT at their servers.
func wantEnded(t *testing.T, s *server, left int) {
	t.Helper()
	wantNoneLive(t, s)
	flows := s.flows(t)
	if len(flows) != left {
		t.Errorf("flows %v, want %d", flows, left)
	}
	for _, f := range flows {
		if f.State != dprnl.FlowEnded {
			t.Errorf("flow %v, want one that ended", f)
		}
	}
}

// wantNoneLive waits until no flow of the host is live.
func wantNoneLive(t *testing.T, s *server) {
	t.Helper()
	eventually(t, func() error {
		st := s.stats(t)
		if n := st.Get(dprnl.StatFlowsLive); n > 0 {
			return fmt.Errorf("%d flows are live: %v", n, s.flows(t))
		}
		return nil
	})
}

// wantNotLive waits until the host has no live flow of a client's connection.
func wantNotLive(t *testing.T, s *server, client netip.AddrPort) {
	t.Helper()
	eventually(t, func() error {
		for _, f := range s.flows(t) {
			if f.Client == client && f.State != dprnl.FlowEnded {
				return fmt.Errorf("%v is live", f)
			}
		}
		return nil
	})
}

// wantFlow waits until the host has a flow in that state.
func wantFlow(t *testing.T, s *server, state dprnl.FlowState) {
	t.Helper()
	eventually(t, func() error {
		flows := s.flows(t)
		for _, f := range flows {
			if f.State == state {
				return nil
			}
		}
		return fmt.Errorf("no flow in state %v: %v", state, flows)
	})
}

// A connection that is idle for longer than a flow lives ends with a RST when
// the client speaks again, whether or not the flow was cleaned up; never in
// silence. Keepalives of the client keep it alive.
//
//	C ── switch ── A (established flows live 3 s)
//	        └───── B
func TestIdleExpiry(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		const life = 3 * time.Second
		c.a.set(t, dprnl.ConfigUpdate{TimeoutEstablished: ptr(life)})
		idle, cleaned, kept := connect(t, c.c, c.a.service()), connect(t, c.c, c.a.service()), connect(t, c.c, c.a.service())
		for _, k := range []*conn{idle, cleaned, kept} {
			k.wantServed(t, "B")
		}
		check(t, kept.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: life / 3, Interval: life / 3, Count: 9}))
		a := c.a.meter(t)
		time.Sleep(2 * life)
		idle.wantReset(t)
		a.want(t, counts{dprnl.StatFlowsExpired: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
		e, err := c.a.dpr.Expire(t.Context(), 0)
		check(t, err)
		if want := (dprnl.Expiry{Scanned: 2, Expired: 1, Flows: 1, Done: true}); e != want {
			t.Errorf("cleaning up: %+v, want %+v", e, want)
		}
		a.want(t, counts{dprnl.StatFlowsExpired: 2, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
		cleaned.wantReset(t)
		kept.wantServed(t, "B")
	})
}

// Where peers are asked for orphans such a connection goes on, also before the flow was cleaned
// up: its host has it still. One whose host is dead ends at once.
func TestIdleExpiryAsked(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		const life = time.Second
		c.a.set(t, dprnl.ConfigUpdate{TimeoutEstablished: ptr(life), Orphans: ptr(dprnl.OrphansAsk)})
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "B")
		a := c.a.meter(t)
		time.Sleep(2 * life)
		k.wantServed(t, "B")
		wantChange(t, a, dprnl.StatFlowsExpired, 1)
		wantChange(t, a, dprnl.StatOwnerFound, 1)
		check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true))
		a = c.a.meter(t)
		k.wantReset(t)
		wantChange(t, a, dprnl.StatOwnerAsked, 0)
	})
}

// The server is the first to speak on a connection whose flow has expired: the
// client gets what it says, and a RST for acknowledging it.
//
//	C ── switch ── A (established flows live 1 s)
//	        └───── B
func TestIdleServerSpeaks(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		const life = time.Second
		c.a.set(t, dprnl.ConfigUpdate{TimeoutEstablished: ptr(life)})
		k := connect(t, c.c, c.a.service())
		a := c.a.meter(t)
		got, err := k.ask("wake %d", 3*life/time.Millisecond)
		if err != nil || got != "B" {
			t.Errorf("the server said %q (%v)", got, err)
		}
		if b, err := k.r.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("then came %v, %v, want a reset", b, err)
		}
		a.want(t, counts{dprnl.StatFlowsExpired: 1, dprnl.StatTxPackets: some, dprnl.StatTxBytes: some})
	})
}

// The default lets a connection be idle for two hours (RFC 5382, REQ-5).
func TestIdleDefault(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		connect(t, c.c, c.a.service()).wantServed(t, "B")
		for _, f := range c.a.flows(t) {
			if f.Expires < 2*time.Hour || f.State != dprnl.FlowEstablished {
				t.Errorf("flow %+v, want one that lives for two hours", f)
			}
		}
		if n := len(c.a.flows(t)); n != 1 {
			t.Errorf("%d flows, want 1", n)
		}
	})
}
