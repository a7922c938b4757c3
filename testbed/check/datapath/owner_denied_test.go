// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

const (
	// settles is how long a load table has been as it is before this host believes that all
	// peers are in it.
	settles = 2 * time.Second
	// alone is how long a host that knows no peer waits for one after its start.
	alone = 10 * time.Second
	// longest is how long peers are waited for that say neither yes nor no.
	longest = 15 * time.Second
)

// unsilence takes a host's firewall away.
func unsilence(t *testing.T, s *server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	_, err := s.Run(ctx, "nft", "flush", "ruleset")
	check(t, err)
}

// asks has a client ask who serves its connection, in the background.
func asks(c *conn, patience time.Duration) <-chan answered {
	came := make(chan answered, 1)
	go func() {
		who, err := c.askFor(patience, "who")
		came <- answered{who, err}
	}()
	return came
}

type answered struct {
	who string
	err error
}

func (a answered) want(t *testing.T, who string) {
	t.Helper()
	if a.who != who || a.err != nil {
		t.Errorf("served by %q (%v), want by %s", a.who, a.err, who)
	}
}

// The host of a connection hears nothing for seconds, as while its module is reloaded: its
// clients get no RST, however often they send meanwhile.
func TestOwnerSilent(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		c := connect(t, k.c, k.a.service())
		c.wantServed(t, "B")
		k.die(t, dprnl.OrphansAsk)
		k.d.fresh(t, k.b, 0)
		k.b.fresh(t, k.d, 0)
		time.Sleep(settles)
		firewall(t, k.b.Host, w, swallow)
		d := k.d.meter(t)
		came := asks(c, 4*step)
		time.Sleep(4 * time.Second)
		if got := d.changes(t); got[dprnl.StatOwnerAsked] < 4 || got[dprnl.StatOwnerUnknown] != 0 {
			t.Errorf("%v, want more than three questions, and no RST", got)
		}
		unsilence(t, k.b)
		(<-came).want(t, "B")
		wantChange(t, d, dprnl.StatOwnerFound, 1)
	})
}

// It answers again when its client has sent nothing for long: it is asked once more before the
// client gets a RST.
func TestOwnerSilentLong(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		c := k.raw(t, addrR).talk(k.a, 4000)
		c.open(t)
		c.wantServed(t, "B")
		k.die(t, dprnl.OrphansAsk)
		c.via = k.d
		k.d.fresh(t, k.b, 0)
		k.b.fresh(t, k.d, 0)
		time.Sleep(settles)
		firewall(t, k.b.Host, w, swallow)
		begin := time.Now()
		question := c.segment("PA", "who\n")
		for _, at := range []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second} {
			time.Sleep(time.Until(begin.Add(at)))
			c.send(t, question)
		}
		time.Sleep(settle)
		unsilence(t, k.b)
		time.Sleep(time.Until(begin.Add(longest + 5*settle)))
		silence(t, c.r.Endpoint, c.mine)
		d := k.d.meter(t)
		c.send(t, question)
		p := c.r.get(t, func(p *wire.Packet) bool { return c.mine(p) && (len(p.Payload) > 0 || p.Has("R")) })
		if string(p.Payload) != "B\n" {
			t.Errorf("%v, want B's answer", p)
		}
		wantChange(t, d, dprnl.StatOwnerFound, 1)
		wantChange(t, d, dprnl.StatOwnerUnknown, 0)
	})
}

// It has only a request of the connection, as it went silent right after its answer to the SYN,
// until each host was asked by itself. Once it hears again the client is served.
func TestOwnerSilentHalfOpen(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		half := k.raw(t, addrR).talk(k.a, 4000)
		half.say(t, "S", "")
		half.hear(t, "SA")
		k.die(t, dprnl.OrphansAsk)
		half.via = k.d
		k.d.fresh(t, k.b, 0)
		k.b.fresh(t, k.d, 0)
		time.Sleep(settles)
		firewall(t, k.b.Host, w, swallow)
		d := k.d.meter(t)
		question := half.segment("PA", "who\n")
		for range 4 {
			half.send(t, question)
			time.Sleep(3 * settle)
		}
		wantChange(t, d, dprnl.StatOwnerAsked, 4)
		unsilence(t, k.b)
		half.send(t, question)
		p := half.r.get(t, func(p *wire.Packet) bool { return half.mine(p) && (len(p.Payload) > 0 || p.Has("R")) })
		if string(p.Payload) != "B\n" {
			t.Errorf("%v, want B's answer", p)
		}
		wantChange(t, d, dprnl.StatOwnerFound, 1)
		wantChange(t, d, dprnl.StatOwnerUnknown, 0)
	})
}

// A host has just started: it does not know yet that there is a peer, which may have the
// connection. Its processes may take a while.
func TestOwnerUnsettled(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		r := k.raw(t, addrR)
		stray := r.talk(k.d, 4000)
		stray.remote, stray.ack = k.a.service(), 77
		reload(t)
		k.d.set(t, dprnl.ConfigUpdate{Address: &k.d.addr, Marker: &k.marker, Forwarding: ptr(k.forwarding()), Orphans: ptr(dprnl.OrphansAsk)})
		check(t, k.d.dpr.AddService(t.Context(), dprnl.Service{Port: port}))
		begin := time.Now()
		for range 4 {
			r.send(t, k.d, stray.segment("A", "").Bytes())
			silence(t, r.Endpoint, stray.mine)
			time.Sleep(settle * 5 / 2)
		}
		time.Sleep(settles)
		r.send(t, k.d, stray.segment("A", "").Bytes())
		silence(t, r.Endpoint, stray.mine)
		time.Sleep(time.Until(begin.Add(alone + settle)))
		r.send(t, k.d, stray.segment("A", "").Bytes())
		stray.hear(t, "R")
	})
}

// All peers deny a connection: then there is a RST. One that says nothing is waited for, for
// a time, as long as its reports come.
func TestOwnerDenied(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		k.d.fresh(t, k.b, 0)
		k.b.fresh(t, k.d, 0)
		time.Sleep(settles)
		r := k.raw(t, addrR)
		stray := r.talk(k.d, 4000)
		stray.remote, stray.ack = k.a.service(), 77
		b, d := k.b.meter(t), k.d.meter(t)
		for range 3 {
			r.send(t, k.d, stray.segment("A", "").Bytes())
			silence(t, r.Endpoint, stray.mine)
			time.Sleep(3 * settle)
		}
		wantChange(t, d, dprnl.StatOwnerDenied, 1)
		r.send(t, k.d, stray.segment("A", "").Bytes())
		stray.hear(t, "R")
		// The last of three questions is answered in any case.
		b.want(t, counts{dprnl.StatRxOwnerAsked: 2, dprnl.StatRxFlowAsked: 1, dprnl.StatTxOwnerMessages: 1,
			dprnl.StatTxPackets: 1, dprnl.StatTxBytes: some})
		wantChange(t, d, dprnl.StatOwnerUnknown, 1)
	})
}

// A peer reports and answers nothing, one denies twice: two answers of one peer do not count
// for two.
func TestOwnerDeniedByOne(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		silent := w.reportOf(addrP, 5)
		check(t, k.d.dpr.SetPeer(t.Context(), silent))
		k.d.fresh(t, k.b, 0)
		k.b.fresh(t, k.d, 0)
		time.Sleep(settles)
		r := k.raw(t, addrR)
		stray := r.talk(k.d, 4000)
		stray.remote, stray.ack = k.a.service(), 77
		begin := time.Now()
		d := k.d.meter(t)
		for time.Since(begin) < longest-time.Second {
			r.send(t, k.d, stray.segment("A", "").Bytes())
			time.Sleep(time.Second)
		}
		silence(t, r.Endpoint, stray.mine)
		// Once it has denied it is not asked again.
		wantChange(t, d, dprnl.StatOwnerDenied, 1)
		time.Sleep(time.Until(begin.Add(longest + settle)))
		r.send(t, k.d, stray.segment("A", "").Bytes()) // it is asked once more
		silence(t, r.Endpoint, stray.mine)
		time.Sleep(settle)
		r.send(t, k.d, stray.segment("A", "").Bytes())
		stray.hear(t, "R")
	})
}

// A peer that has left the load table, and gets no new connections, is asked: its connections
// go on. It may come back, and leave again.
func TestOwnerUnlisted(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		var moved []*conn
		for range 3 {
			c := connect(t, k.c, k.a.service())
			c.wantServed(t, "B")
			moved = append(moved, c)
		}
		k.die(t, dprnl.OrphansAsk)
		d := k.d.meter(t)
		for i, c := range moved {
			k.d.fresh(t, k.b, 0)
			if i != 1 {
				check(t, k.d.dpr.DeletePeer(t.Context(), k.b.addr, false))
			}
			if p, err := k.d.dpr.Peer(t.Context(), k.b.addr); err != nil || p.Listed != (i == 1) {
				t.Errorf("B is listed: %v (%v)", p.Listed, err)
			}
			time.Sleep(settles)
			c.wantServed(t, "B")
		}
		wantChange(t, d, dprnl.StatOwnerFound, len(moved))
		wantChange(t, d, dprnl.StatOwnerUnknown, 0)
	})
}

// A silent peer that leaves the load table is waited for until it is dead.
func TestOwnerDeniedAfterDeath(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		k := newTakeover(t, w)
		k.die(t, dprnl.OrphansAsk)
		silent := w.reportOf(addrP, 5)
		check(t, k.d.dpr.SetPeer(t.Context(), silent))
		k.d.fresh(t, k.b, 0)
		k.b.fresh(t, k.d, 0)
		r := k.raw(t, addrR)
		stray := r.talk(k.d, 4000)
		stray.remote, stray.ack = k.a.service(), 77
		for range 5 {
			r.send(t, k.d, stray.segment("A", "").Bytes())
			time.Sleep(500 * time.Millisecond)
		}
		silence(t, r.Endpoint, stray.mine)
		check(t, k.d.dpr.DeletePeer(t.Context(), silent.Address, false))
		time.Sleep(settles)
		for range 2 {
			r.send(t, k.d, stray.segment("A", "").Bytes())
			silence(t, r.Endpoint, stray.mine)
		}
		check(t, k.d.dpr.DeletePeer(t.Context(), silent.Address, true))
		time.Sleep(settles)
		r.send(t, k.d, stray.segment("A", "").Bytes()) // the table is another one: B is asked again
		silence(t, r.Endpoint, stray.mine)
		r.send(t, k.d, stray.segment("A", "").Bytes())
		stray.hear(t, "R")
	})
}

// missing is a cluster with the stateless policy whose host A has got its module anew, and
// now knows D, too: the hash sends connections of B's to D.
//
//	C, R ── switch ── A
//	           ├───── B
//	           └───── D
type missing struct {
	*cluster
	d    *server
	ofB  []*conn // that C has at A, served by B
	ofA  []*conn // likewise, by A
	told *meter  // D's
}

func newMissing(t *testing.T, w way) *missing {
	t.Helper()
	m := &missing{cluster: newCluster(t, w)}
	m.d = m.server(t, "D", addrD)
	m.d.web = serve(t, m.d.Host, "D", port)
	m.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless)})
	for range 24 {
		c := connect(t, m.c, m.a.service())
		who, err := c.ask("who")
		check(t, err)
		if who == "B" {
			m.ofB = append(m.ofB, c)
		} else {
			m.ofA = append(m.ofA, c)
		}
	}
	time.Sleep(settle)
	reload(t)
	m.again(t)
	m.d.set(t, dprnl.ConfigUpdate{Address: &m.d.addr, Marker: &m.marker, Forwarding: ptr(m.forwarding())})
	check(t, m.d.dpr.AddService(t.Context(), dprnl.Service{Port: port}))
	all := []*server{m.a, m.b, m.d}
	for _, s := range all {
		for _, o := range all {
			if o != s {
				s.fresh(t, o, 0)
			}
		}
		s.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyStateless), Orphans: ptr(dprnl.OrphansAsk), ReportMaxAge: ptr(time.Hour)})
	}
	m.d.keep(t) // whatever its own policy is
	time.Sleep(settles)
	m.told = m.d.meter(t)
	return m
}

// Connections that follow the hash to a host that does not serve them go on.
func TestHashMissed(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6, direct4}, func(t *testing.T, w way) {
		m := newMissing(t, w)
		a := m.a.meter(t)
		for _, c := range m.ofB {
			c.wantServed(t, "B")
		}
		for _, c := range m.ofA {
			c.wantServed(t, "A")
		}
		missed := m.told.changes(t)[dprnl.StatHashMissed]
		if missed == 0 {
			t.Errorf("no segment of %d connections went to D", len(m.ofB))
		}
		got := a.changes(t)
		if got[dprnl.StatRxHashMissed] == 0 || got[dprnl.StatOwnerFound] == 0 || got[dprnl.StatOwnerUnknown] != 0 {
			t.Errorf("%v", got)
		}
		// They have flows now.
		check(t, m.ofB[0].download(300_000))
		check(t, m.ofB[0].upload(300_000))
		for _, c := range m.ofB {
			c.wantServed(t, "B")
		}
	})
}

// So they do if the first host asks for no orphans of its own; one that nobody serves gets its
// RST.
func TestHashMissedUnasked(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMissing(t, w)
		m.a.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansReset)})
		a := m.a.meter(t)
		for _, c := range m.ofB {
			c.wantServed(t, "B")
		}
		got := a.changes(t)
		if got[dprnl.StatRxHashMissed] == 0 || got[dprnl.StatOwnerFound] == 0 || got[dprnl.StatOwnerUnknown] != 0 {
			t.Errorf("%v", got)
		}
		r := m.raw(t, addrR)
		resets := 0
		for p := uint16(4000); p < 4032 && resets == 0; p++ {
			k := r.talk(m.a, p)
			k.ack = 77
			told := m.d.meter(t)
			r.send(t, m.a, k.segment("A", "").Bytes())
			time.Sleep(settle)
			if len(r.Take(k.mine)) != 0 {
				continue // A's own
			}
			if told.changes(t)[dprnl.StatHashMissed] == 0 {
				continue // B's, which is asked likewise
			}
			for range 5 {
				r.send(t, m.a, k.segment("A", "").Bytes())
				time.Sleep(3 * settle)
			}
			resets = len(r.Take(k.mine))
			if resets == 0 {
				t.Fatal("no RST")
			}
		}
		if resets == 0 {
			t.Error("nothing went to D")
		}
	})
}

// A host says so of a flow whose 4-tuple has had another SYN, too, which makes what peers say
// unasked doubtful.
func TestHashMissedAfterReuse(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.redirect(t, c.b)
		c.a.fresh(t, c.b, 0)
		c.b.fresh(t, c.a, 1<<20)
		c.b.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansAsk)})
		k := c.raw(t, addrR).talk(c.a, 4000)
		k.open(t)
		k.wantServed(t, "B")
		other := k.segment("S", "")
		other.Seq += 1 << 30
		k.r.send(t, c.a, other.Bytes()) // B's socket answers it, by an acknowledgment
		time.Sleep(settle)
		c.b.web.vanish(t)
		time.Sleep(time.Second) // no question about a flow comes sooner
		a := c.a.meter(t)
		k.r.send(t, c.a, k.segmentBytes("PA", "who\n"))
		time.Sleep(settle)
		wantChange(t, a, dprnl.StatFlowsEnded, 1)
	})
}

// What nobody serves gets a RST in the end, of the first host.
func TestHashMissedByAll(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		m := newMissing(t, w)
		r := m.raw(t, addrR)
		stray := m.stray(t, r)
		for range 3 {
			r.send(t, m.a, stray.segment("A", "").Bytes())
			silence(t, r.Endpoint, stray.mine)
			time.Sleep(3 * settle)
		}
		r.send(t, m.a, stray.segment("A", "").Bytes())
		if p := stray.hear(t, "R"); p.TCP.Seq != 77 {
			t.Errorf("RST %v, want it to be believed", p)
		}
		wantChange(t, m.told, dprnl.StatHashMissed, 1)
		// So it does long after that, when it is asked for anew.
		time.Sleep(5500 * time.Millisecond)
		for range 5 {
			r.send(t, m.a, stray.segment("A", "").Bytes())
			time.Sleep(3 * settle)
		}
		if p := stray.hear(t, "R"); p.TCP.Seq != 77 {
			t.Errorf("RST %v, want it to be believed", p)
		}
		wantChange(t, m.told, dprnl.StatHashMissed, 2)
	})
}

// Segments that belong to nothing do not harm a connection that begins afterwards: anybody can
// send them in a client's name. It costs no segment, also if its host knows nothing of it before
// its client has repeated a SYN cookie; and peers are not asked for long. (The hosts of a test have
// one secret for cookies, so that A takes D's for its own, and passes on what repeats it. That A
// resets such a connection, where it asks for it instead, shows only between machines.)
func TestHashMissedThenNew(t *testing.T) {
	for name, cookies := range map[string]string{"requests": "1", "cookies": "2"} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
				m := newMissing(t, w)
				check(t, m.d.Sysctl("net/ipv4/tcp_syncookies", cookies))
				r := m.raw(t, addrR)
				stray := m.stray(t, r)
				for range 3 {
					time.Sleep(4 * settle)
					r.send(t, m.a, stray.segment("A", "").Bytes())
				}
				silence(t, r.Endpoint, stray.mine)
				a := m.a.meter(t)
				stray.open(t)
				var asked uint64
				for i := range 12 {
					if i == 9 {
						asked = a.changes(t)[dprnl.StatHashAsked]
					}
					stray.say(t, "PA", "who\n")
					p := r.get(t, func(p *wire.Packet) bool { return stray.mine(p) && (len(p.Payload) > 0 || p.Has("R")) })
					if string(p.Payload) != "D\n" {
						t.Fatalf("%v, want D's answer", p)
					}
					stray.ack += uint32(len(p.Payload))
					time.Sleep(2 * settle)
				}
				wantChange(t, a, dprnl.StatRedirectedHash, 1)
				wantChange(t, a, dprnl.StatOwnerUnknown, 0)
				if n := a.changes(t)[dprnl.StatHashAsked]; asked < 3 || n != asked {
					t.Errorf("%d questions, then %d more", asked, n-asked)
				}
				if f := m.a.flows(t); len(f) != 0 {
					t.Errorf("flows %v", f)
				}
			})
		})
	}
}

// stray sends segments of connections that nobody has to A until one follows the hash to D, and
// returns that connection.
func (m *missing) stray(t *testing.T, r *raw) *talk {
	t.Helper()
	for p := uint16(4000); p < 4032; p++ {
		k := r.talk(m.a, p)
		k.ack = 77
		r.send(t, m.a, k.segment("A", "").Bytes())
		time.Sleep(settle)
		if m.told.changes(t)[dprnl.StatHashMissed] != 0 {
			return k
		}
	}
	t.Fatal("nothing went to D")
	return nil
}

// A host that does not ask for orphans, and one that an older host has redirected to, answer
// by a RST as ever.
func TestHashMissedOlder(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, m *missing){
		"reset": func(t *testing.T, m *missing) {
			m.d.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansReset)})
		},
		"older": func(t *testing.T, m *missing) { m.d.newest(t, m.a, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
				m := newMissing(t, w)
				change(t, m)
				r := m.raw(t, addrR)
				resets := 0
				for p := uint16(4000); p < 4032 && resets == 0; p++ {
					k := r.talk(m.a, p)
					k.ack = 77
					r.send(t, m.a, k.segment("A", "").Bytes())
					time.Sleep(settle)
					resets = len(r.Take(k.mine))
				}
				if resets == 0 {
					t.Error("no RST")
				}
				wantChange(t, m.told, dprnl.StatHashMissed, 0)
			})
		})
	}
}

// Said of a connection that this host has, or of a service that it does not have, it raises no
// question.
func TestHashMissedForged(t *testing.T) {
	eachWay(t, []way{fragbit4}, func(t *testing.T, w way) {
		m := newMissing(t, w)
		r := m.raw(t, addrR)
		a := m.a.meter(t)
		if len(m.ofA) == 0 {
			t.Fatal("A serves no connection")
		}
		own := m.ofA[0].LocalAddr().(*net.TCPAddr).AddrPort()
		r.send(t, m.a, w.message(addrB, addrA, hostMessage(ownerMissed, 1, own, m.a.service())))
		wantChange(t, a, dprnl.StatRxOwnerRefused, 1)
		other := netip.AddrPortFrom(m.a.at, 81)
		r.send(t, m.a, w.message(addrB, addrA, hostMessage(ownerMissed, 1, netip.AddrPortFrom(r.addr, 1), other)))
		wantChange(t, a, dprnl.StatRxOwnerRefused, 2)
		wantChange(t, a, dprnl.StatRxHashMissed, 0)
	})
}

// Said again and again in the name of the host that has the connection, with the number of a
// request, it ends nothing.
func TestHashMissedForgedRequest(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMissing(t, w)
		r := m.raw(t, addrR)
		a := m.a.meter(t)
		var c *conn
		var forged []byte
		for _, c = range m.ofB {
			client := c.LocalAddr().(*net.TCPAddr).AddrPort()
			forged = w.message(addrB, addrA, hostMessage(ownerMissed, 1, client, m.a.service()))
			r.send(t, m.a, forged)
			time.Sleep(settle)
			if a.changes(t)[dprnl.StatRxHashMissed] != 0 {
				break // it follows the hash to B
			}
		}
		came := asks(c, 2*step)
		for {
			select {
			case got := <-came:
				got.want(t, "B")
				if n := a.changes(t)[dprnl.StatRxHashMissed]; n < 2 {
					t.Errorf("%d forged messages of use, want more than one", n)
				}
				wantChange(t, a, dprnl.StatOwnerUnknown, 0)
				return
			case <-time.After(settle / 2):
				r.send(t, m.a, forged)
			}
		}
	})
}

// SYNs in the client's name, of other connections, do not keep its connection from being found.
func TestHashMissedForgedSyn(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMissing(t, w)
		r := m.raw(t, addrR)
		a := m.a.meter(t)
		for _, c := range m.ofB {
			forged := wire.Segment{Src: c.LocalAddr().(*net.TCPAddr).AddrPort(), Dst: m.a.service(), Flags: "S", Seq: 1 << 30}
			for came := asks(c, step); came != nil; {
				select {
				case got := <-came:
					got.want(t, "B")
					came = nil
				case <-time.After(settle / 2):
					r.send(t, m.a, forged.Bytes())
				}
			}
			if t.Failed() {
				break
			}
		}
		if got := a.changes(t); got[dprnl.StatRxHashMissed] == 0 || got[dprnl.StatRedirectedHash] == 0 || got[dprnl.StatOwnerUnknown] != 0 {
			t.Errorf("%v", got)
		}
	})
}

// Nor do they give it to the host that they follow the hash to, which then has a request, and is
// asked before the host that has the connection.
func TestHashMissedStolen(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		m := newMissing(t, w)
		check(t, m.a.dpr.DeletePeer(t.Context(), m.b.addr, false))
		m.a.fresh(t, m.b, 0) // B is the last one now
		r := m.raw(t, addrR)
		k := m.stray(t, r) // the client's segment that misses its host
		outer := w.outer(addrA, addrB)
		syn := k.segment("S", "")
		r.send(t, m.b, outer.Wrap(syn.Bytes()))
		k.seq++
		k.hear(t, "SA")
		r.send(t, m.b, outer.Wrap(k.segmentBytes("A", "")))
		a := m.a.meter(t)
		syn.Seq = 1 << 30
		r.send(t, m.a, syn.Bytes())
		r.get(t, func(p *wire.Packet) bool { return k.mine(p) && p.Has("SA") && p.TCP.Ack == syn.Seq+1 })
		wantChange(t, a, dprnl.StatRedirectedHash, 1)
		p := k.answer(t, "PA", "who\n", func(p *wire.Packet) bool { return len(p.Payload) > 0 || p.Has("R") })
		if string(p.Payload) != "B\n" {
			t.Errorf("%v, want B's answer", p)
		}
		flows := m.a.flows(t)
		if len(flows) != 1 || flows[0].Peer != m.b.addr {
			t.Errorf("flows %+v, want one to B", flows)
		}
	})
}

// Nor does it, said once with the right number, of a connection that has a flow, although all
// hosts have denied segments before its SYN: it is found again.
func TestHashMissedForgedNumber(t *testing.T) {
	eachWay(t, []way{fragbit4, plain6}, func(t *testing.T, w way) {
		c := newCluster(t, w)
		c.a.fresh(t, c.b, 0)
		c.b.fresh(t, c.a, 1<<20)
		c.a.set(t, dprnl.ConfigUpdate{Orphans: ptr(dprnl.OrphansAsk)})
		time.Sleep(settles)
		r := c.raw(t, addrR)
		a := c.a.meter(t)
		stray := r.talk(c.a, 4000)
		stray.ack = 77
		for range 3 {
			r.send(t, c.a, stray.segment("A", "").Bytes())
			time.Sleep(4 * settle)
		}
		silence(t, r.Endpoint, stray.mine)
		wantChange(t, a, dprnl.StatOwnerDenied, 1)
		k := r.talk(c.a, 4000)
		isn := k.seq
		k.open(t)
		k.wantServed(t, "B")
		wantFlow(t, c.a, dprnl.FlowEstablished)
		r.send(t, c.a, w.message(addrB, addrA, hostMessage(ownerMissed, isn, k.local, k.remote)))
		changed(t, a, dprnl.StatFlowsEnded, 1)
		r.Take(k.mine)
		question := k.segment("PA", "who\n")
		answered := func(p *wire.Packet) bool { return k.mine(p) && (len(p.Payload) > 0 || p.Has("R")) }
		var got []*wire.Packet
		for range 5 {
			k.send(t, question)
			time.Sleep(3 * settle)
			got = append(got, r.Take(answered)...)
		}
		if len(got) == 0 || string(got[0].Payload) != "B\n" {
			t.Errorf("%v, want B's answer", got)
		}
		wantChange(t, a, dprnl.StatOwnerUnknown, 0)
	})
}
