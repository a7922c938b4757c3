// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A connection goes to the host that each of its requests is for, and its client does not
// notice: one handshake, no RST, no timestamp that goes back, and the windows and what else
// was agreed on are what they were.
func TestMigrate(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		m := newMoving(t, w)
		unchanged(t, m.c, "TcpExtTCPSynRetrans", "TcpExtTCPAbortOnData", "TcpOutRsts", "TcpExtPAWSEstab", "TcpEstabResets")
		a, b, d := m.a.meter(t), m.b.meter(t), m.d.meter(t)
		k := m.visit(t)
		hosts := []string{"B", "D", "A", "B", "A", "D"}
		const requests = 100
		for i := range requests {
			k.wantFrom(t, hosts[i%len(hosts)], "/"+hosts[i%len(hosts)])
			if t.Failed() {
				t.Fatalf("request %d", i)
			}
		}
		moved := a.changes(t)[dprnl.StatMigrateAway] + b.changes(t)[dprnl.StatMigrateAway] + d.changes(t)[dprnl.StatMigrateAway]
		if moved < requests-5 {
			t.Errorf("%d of %d requests moved the connection", moved, requests)
		}
		wantChange(t, a, dprnl.StatRedirected, 1)
		// The old sockets are closed by their servers, as if the client had closed them.
		eventually(t, func() error { return m.have(map[string]int{hosts[(requests-1)%len(hosts)]: 1}) })
		by, got, err := k.fetch("GET", "/D?bytes=1000000", nil)
		if err != nil || by != "D" || len(got) != 1000000 || string(got[:len(pattern)]) != string(pattern) {
			t.Errorf("%d bytes from %q: %v", len(got), by, err)
		}
		by, got, err = k.fetch("POST", "/D", []byte(strings.Repeat(string(pattern), 16)))
		if want := fmt.Sprint("D ", 16*len(pattern)); err != nil || by != "D" || string(got) != want {
			t.Errorf("an upload: %q by %q (%v), want %q", got, by, err, want)
		}
		k.wantFrom(t, "B", "/B")
		// What no rule is about stays.
		k.wantFrom(t, "B", "/")
		k.Close()
		eventually(t, func() error {
			if f := m.a.flows(t); len(f) != 0 {
				return fmt.Errorf("flows %v", f)
			}
			return m.have(nil)
		})
	})
}

// The same if each host's service is on an address of its own, which is not the one that the
// client talks to.
func TestMigrateByAddress(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMovingOn(t, w, func(s *server) netip.Addr { return s.at })
		k := m.visit(t)
		for _, host := range []string{"B", "D", "A", "B", "A"} {
			k.wantFrom(t, host, "/"+host)
		}
	})
}

// What cannot move is answered where it is: a request with a body, one that wants more than
// an answer, requests that do not wait for the answer. The first two are no reason for later
// ones to stay.
func TestMigrateStays(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMoving(t, w)
		a, b := m.a.meter(t), m.b.meter(t)
		k := m.visit(t)
		k.wantFrom(t, "B", "/B")
		by, got, err := k.fetch("POST", "/D", pattern[:100])
		if err != nil || by != "B" || string(got) != "B 100" {
			t.Errorf("a body: %q by %q (%v)", got, by, err)
		}
		changed(t, b, dprnl.StatMigrateStayedBody, 1)
		k.wantFrom(t, "D", "/D")
		k.wantFrom(t, "B", "/B")
		send := func(text string) {
			t.Helper()
			_, err := k.Write([]byte(text))
			check(t, err)
		}
		send("GET /D HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n")
		if by, _, err := k.read("GET"); err != nil || by != "B" {
			t.Errorf("Upgrade: by %q (%v)", by, err)
		}
		changed(t, b, dprnl.StatMigrateStayedBody, 2)
		k.wantFrom(t, "D", "/D")
		k.wantFrom(t, "B", "/B")
		one := "GET /D HTTP/1.1\r\nHost: a\r\n\r\n"
		send(one + one)
		for range 2 {
			if by, _, err := k.read("GET"); err != nil || by != "B" {
				t.Errorf("pipelined: by %q (%v)", by, err)
			}
		}
		changed(t, b, dprnl.StatMigrateStayedPipelined, 1)
		k.wantFrom(t, "B", "/D")

		// At the first host, too, which no peer helps to let go.
		k = m.visit(t)
		k.wantFrom(t, "A", "/A")
		by, _, err = k.fetch("POST", "/D", pattern[:100])
		if err != nil || by != "A" {
			t.Errorf("a body: by %q (%v)", by, err)
		}
		changed(t, a, dprnl.StatMigrateStayedBody, 1)
		k.wantFrom(t, "D", "/D")
	})
}

// A request in several segments goes where its first line says, if that is enough.
func TestMigrateSegments(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMoving(t, w)
		k := m.visit(t)
		check(t, k.SetNoDelay(true))
		for i, parts := range [][]string{
			{"GET /B HTTP/1.1\r\n", "Host: a\r\n\r\n"},
			{"GET /D HTTP/1.1\r\n", "Host: a\r\nX: " + strings.Repeat("x", 5000), "\r\n\r\n"},
			{"GET /A HTTP/1.1\r\nHost: a\r\n", "\r\n"},
			{"GET /B HTTP/1.1\r\nHost: a\r\n\r", "\n"},
		} {
			for _, part := range parts {
				_, err := k.Write([]byte(part))
				check(t, err)
				time.Sleep(50 * time.Millisecond)
			}
			want := parts[0][5:6]
			if by, _, err := k.read("GET"); err != nil || by != want {
				t.Errorf("%d: by %q (%v), want %s", i, by, err, want)
			}
		}
		// Too little to decide by: the server has some of it already.
		for _, part := range []string{"GE", "T /D HTTP/1.1\r\nHost: a\r\n\r\n"} {
			_, err := k.Write([]byte(part))
			check(t, err)
			time.Sleep(50 * time.Millisecond)
		}
		if by, _, err := k.read("GET"); err != nil || by != "B" {
			t.Errorf("by %q (%v), want B", by, err)
		}
		k.wantFrom(t, "D", "/D")
	})
}

// A host that drains is free of keep-alive connections once each has asked again, and no
// request fails.
func TestMigrateDrain(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMoving(t, w)
		const clients, think = 30, 200 * time.Millisecond
		var all []*conn
		for range clients {
			k := m.visit(t)
			k.wantFrom(t, "B", "/")
			all = append(all, k)
		}
		check(t, m.have(map[string]int{"B": clients}))
		m.b.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
		begun := time.Now()
		failed := make(chan error, clients)
		for _, k := range all {
			go func() {
				for time.Since(begun) < 2*think {
					time.Sleep(think)
					if _, _, err := k.fetch("GET", "/", nil); err != nil {
						failed <- err
						return
					}
				}
				failed <- nil
			}()
		}
		for range clients {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		eventually(t, func() error {
			if n := m.sites["B"].connections(); n != 0 {
				return fmt.Errorf("B has %d connections", n)
			}
			return nil
		})
		t.Logf("free after %v, %v between requests", time.Since(begun), think)
	})
}

// If nobody else takes it, the host that had the connection takes it again, even if it
// drains.
func TestMigrateRefused(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMoving(t, w)
		unchanged(t, m.c, "TcpEstabResets")
		k := m.visit(t)
		k.wantFrom(t, "B", "/B")
		m.d.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
		a := m.a.meter(t)
		// What D refuses the policy places, on B.
		k.wantFrom(t, "B", "/D")
		changed(t, a, dprnl.StatHandoverRefused, 1)
		// D is left alone now, B drains, and A cannot serve.
		m.b.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
		check(t, m.sites["A"].server.Close())
		k.wantFrom(t, "B", "/D")
		changed(t, a, dprnl.StatHandoverRefused, 2)
	})
}

// A first host that has lost its flows asks who has the connection, and believes that host when
// it gives the connection back with the very request that was asked about, or that follows a
// keep-alive probe.
func TestMigrateOrphan(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		for _, probe := range []bool{false, true} {
			m := newMoving(t, w)
			unchanged(t, m.c, "TcpEstabResets")
			m.a.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansAsk)})
			k := m.visit(t)
			k.wantFrom(t, "B", "/B")
			for _, f := range m.a.flows(t) {
				check(t, m.a.dpr.DeleteFlow(t.Context(), f.FlowKey))
			}
			if f := m.a.flows(t); len(f) != 0 {
				t.Fatalf("flows %v", f)
			}
			if probe {
				check(t, k.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second}))
				eventually(t, func() error {
					if f := m.a.flows(t); len(f) != 1 {
						return fmt.Errorf("flows %v", f)
					}
					return nil
				})
			}
			a := m.a.meter(t)
			m.b.set(t, dprnl.ConfigUpdate{State: ptr(dprnl.StateDraining)})
			k.wantFrom(t, "D", "/D")
			changed(t, a, dprnl.StatRxMigrateRefused, 0)
			changed(t, a, dprnl.StatMigrateBack, 1)
		}
	})
}

// Messages between hosts get lost, whichever: there is one answer to each request.
func TestMigrateLost(t *testing.T) {
	for i, victim := range []string{"A", "B", "D"} {
		for nth := range 3 {
			eachWay(t, []way{[]way{fragbit4, plain6}[(i+nth)%2]}, func(t *testing.T, w way) {
				m := newMoving(t, w)
				unchanged(t, m.c, "TcpEstabResets")
				k := m.visit(t)
				k.wantFrom(t, "B", "/B")
				// Bulk data go another way than what comes before.
				if by, _, err := k.fetch("POST", "/B", pattern); err != nil || by != "B" {
					t.Errorf("an upload by %q: %v", by, err)
				}
				k.wantFrom(t, "B", "/B")
				loses(t, m.of[victim].Host, w, nth)
				for _, to := range []string{"D", "B", "A", "D", "A", "B"} {
					k.wantFrom(t, to, "/"+to)
				}
			})
		}
	}
}

// A first host that does not know migration keeps its connections where they are.
func TestMigrateOlder(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		m := newMoving(t, w)
		b := m.b.meter(t)
		k := m.visit(t)
		k.wantFrom(t, "B", "/B")
		m.b.knows(t, m.a, 1<<20, 5)
		k.wantFrom(t, "B", "/D")
		changed(t, b, dprnl.StatMigrateStayedFirst, 1)
		m.b.knows(t, m.a, 1<<20, 6)
		k.wantFrom(t, "D", "/D")
	})
}

// A connection that moves has no socket until the next host has it: SYNs that nobody has
// acknowledged give way to it, however young, of those that wait for their host and of those
// that were redirected.
//
//	C, R (flood) ── switch ── A (max_flows 256, then 128)
//	                   ├───── B
//	                   └───── D
func TestMigrateFlood(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMoving(t, w)
		unchanged(t, m.c, "TcpEstabResets")
		check(t, m.a.dpr.SetService(t.Context(), dprnl.Service{Port: port, Rules: dprnl.Rules{Dispatch: dprnl.Own(dprnl.DispatchSyn)}}))
		k := m.visit(t)
		k.wantFrom(t, "B", "/B")
		r, a := m.raw(t, addrR), m.a.meter(t)
		flood := func(service uint16, limit uint32, full dprnl.Stat) {
			t.Helper()
			m.a.set(t, dprnl.ConfigUpdate{MaxFlows: &limit})
			for i := range limit + 10 {
				s := wire.Segment{Src: m.addrPort(addrR, uint16(1024+i)), Dst: netip.AddrPortFrom(m.a.at, service), Flags: "S", Seq: i}
				r.send(t, m.a, s.Bytes())
			}
			eventually(t, func() error { return atLeast(a.changes(t), full, 1) })
		}
		flood(port, 256, dprnl.StatServedTableFull)
		// The flows are more than there may be now, so that the one that leaves makes no room.
		flood(webPort, 128, dprnl.StatHandoverFull)
		k.wantFrom(t, "D", "/D")
		changed(t, a, dprnl.StatMigrateBack, 1)
		wantChange(t, a, dprnl.StatRxMigrateRefused, 0)
	})
}
