// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// A cluster whose A does the handshake, and places connections by their requests: at B, at
// itself, or at X and Y, which have no DPR. X expects the PROXY protocol.
//
//	C ── switch ── A
//	        ├───── B
//	        ├───── X
//	        └───── Y
type placing struct {
	*handing
	x, y *vnet.Host
	xweb *web
}

func newPlacing(t *testing.T, w way) *placing {
	t.Helper()
	c := &placing{handing: newHanding(t, w)}
	c.x, c.y = c.host(t, "X", addrX), c.host(t, "Y", addrY)
	c.xweb = serveProxied(t, c.x, "X", backendPort)
	serve(t, c.y, "Y", backendPort)
	x := c.backend("x", addrX)
	x.Proxy = true
	c.set(t, x)
	c.set(t, c.backend("y", addrY))
	rules := dprnl.Ruleset{}
	for name, hosts := range map[string][]netip.Addr{
		"X": {w.addr(addrX)}, "Y": {w.addr(addrY)}, "XY": {w.addr(addrX), w.addr(addrY)}, "B": {c.b.addr}, "BX": {c.b.addr, w.addr(addrX)},
	} {
		rules.Groups = append(rules.Groups, dprnl.Group{Name: name, Hosts: hosts})
		rules.Matches = append(rules.Matches, dprnl.Match{Group: name, Path: "/" + name})
	}
	check(t, c.a.dpr.SetRuleset(t.Context(), dprnl.Service{Port: port}, rules))
	return c
}

// request asks for a path on a connection of its own, and returns who has served it.
func (c *placing) request(t *testing.T, path string) (*conn, string) {
	t.Helper()
	k := connect(t, c.c, c.a.service())
	by, err := k.ask("who %s HTTP/1.1\r", path)
	check(t, err)
	return k, by
}

// What a client asks for decides that a backend serves it, of which both sides carry data: with
// and without timestamps, SACK, scaled windows, and ECN, and with windows of another scale than
// the client was told. The client's address is told by the PROXY protocol.
func TestSpliceRequest(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		for name, change := range map[string]func(c *placing) error{
			"all":           func(*placing) error { return nil },
			"no timestamps": func(c *placing) error { return c.c.Sysctl("net/ipv4/tcp_timestamps", "0") },
			"no SACK":       func(c *placing) error { return c.x.Sysctl("net/ipv4/tcp_sack", "0") },
			"no scale":      func(c *placing) error { return c.c.Sysctl("net/ipv4/tcp_window_scaling", "0") },
			"ECN":           func(c *placing) error { return c.c.Sysctl("net/ipv4/tcp_ecn", "1") },
			"small windows": func(c *placing) error { return c.x.Sysctl("net/ipv4/tcp_rmem", "4096 65536 65536") },
			"large windows": func(c *placing) error { return c.x.Sysctl("net/ipv4/tcp_rmem", "4096 131072 67108864") },
		} {
			t.Run(name, func(t *testing.T) {
				c := newPlacing(t, w)
				check(t, change(c))
				for i, h := range []*vnet.Host{c.c, c.a.Host, c.x} {
					offload(t, h, i != 1)
					unchanged(t, h, "TcpInCsumErrors", "TcpInErrs", "TcpExtTCPSynRetrans", "TcpExtPAWSEstab", "TcpExtPAWSActive", "TcpExtTCPSACKReneging")
				}
				a := c.a.meter(t)
				k, by := c.request(t, "/X")
				if by != "X" {
					t.Fatalf("/X is served by %q", by)
				}
				k.wantTold(t)
				check(t, k.upload(512<<10))
				check(t, k.download(512<<10))
				check(t, k.Close())
				c.has(t, "x", 0)
				a.want(t, counts{dprnl.StatHandoverSyn: 1, dprnl.StatHandoverNoted: some, dprnl.StatHandoverKept: some, dprnl.StatHandoverSpliced: 1,
					dprnl.StatSpliced: 1, dprnl.StatSpliceTxPackets: some, dprnl.StatSpliceTxBytes: some, dprnl.StatSpliceRxPackets: some,
					dprnl.StatSpliceRxBytes: some, dprnl.StatSpliceProxy: some})
			})
		}
	})
}

// Hosts and backends of one group share its connections by their loads, others get theirs, and
// the kernel says beforehand who would.
func TestSpliceRequestGroups(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newPlacing(t, w)
		for _, path := range []string{"/X", "/Y", "/B"} {
			if _, by := c.request(t, path); by != path[1:] {
				t.Errorf("%s is served by %q", path, by)
			}
		}
		got := map[string]int{}
		for range 8 {
			_, by := c.request(t, "/XY")
			got[by]++
		}
		if got["X"] != 4 || got["Y"] != 4 {
			t.Errorf("%v, want half for X and half for Y", got)
		}
		// B is idle, as A knows, and X has connections.
		if _, by := c.request(t, "/BX"); by != "B" {
			t.Errorf("/BX is served by %q, want B", by)
		}
		c.a.fresh(t, c.b, 1000)
		if _, by := c.request(t, "/BX"); by != "X" {
			t.Errorf("/BX is served by %q, want X", by)
		}
		for path, want := range map[string]netip.Addr{"/X": w.addr(addrX), "/Y": w.addr(addrY), "/B": c.b.addr, "/BX": w.addr(addrX)} {
			r, err := c.a.dpr.TestRuleset(t.Context(), dprnl.Service{Port: port}, []byte("GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n"), true, w.addrPort(addrC, 5000))
			if err != nil || r.Host != want {
				t.Errorf("%s: %v (%v), want %v", path, r.Host, err, want)
			}
		}
		down := c.backend("y", addrY)
		down.Down = true
		c.set(t, down)
		if _, by := c.request(t, "/Y"); by == "Y" {
			t.Error("Y is down, and serves")
		}
		if _, by := c.request(t, "/XY"); by != "X" {
			t.Errorf("/XY is served by %q, want X", by)
		}
	})
}

// odd has a segment come with IP options or an extension header.
func odd(w way, s wire.Segment) wire.Segment {
	if w.six() {
		s.Extensions = []wire.Extension{wire.Destination()}
	} else {
		s.IPOptions = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 0}}
	}
	return s
}

// A client whose SYN or data come with IP options or extension headers is served as if there were
// no backends: by the host of the group, and where there are backends alone, by nobody.
func TestSpliceRequestOdd(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newPlacing(t, w)
		c.a.fresh(t, c.b, 1000)
		r := c.raw(t, addrR)
		same := func(_ way, s wire.Segment) wire.Segment { return s }
		a := c.a.meter(t)
		for i, tt := range []struct {
			syn, data func(way, wire.Segment) wire.Segment
			want      string
		}{{same, same, "X"}, {odd, same, "B"}, {same, odd, "B"}} {
			k := r.talk(c.a, 4000+uint16(i))
			k.send(t, tt.syn(w, k.segment("S", "")))
			k.hear(t, "SA")
			k.say(t, "A", "")
			k.send(t, tt.data(w, k.segment("PA", "who /BX HTTP/1.1\r\n")))
			if got := k.hear(t, "PA"); string(got.Payload) != tt.want+"\n" {
				t.Errorf("%d: answer %q, want %s", i, got.Payload, tt.want)
			}
		}
		if got := a.changes(t); got[dprnl.StatSpliceRefused] != 0 || got[dprnl.StatHandoverSpliced] != 1 {
			t.Errorf("A counts %v, want one connection spliced", got)
		}

		p := rawPlacing(t, w, false)
		a = p.a.meter(t)
		p.k.send(t, odd(w, p.begin()))
		p.k.hear(t, "R")
		becomes(t, a, dprnl.StatHandoverOff, 1)
	})
}

// A backend that refuses, is silent, or would have other options than its client was told: it is
// passed by, and hears of that; if nobody is left, the client does.
func TestSpliceRequestRefused(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		for name, fail := range map[string]func(c *placing) error{
			"refuses":       func(c *placing) error { c.xweb.stop(); return nil },
			"is silent":     func(c *placing) error { return c.x.Down(eth) },
			"no timestamps": func(c *placing) error { return c.x.Sysctl("net/ipv4/tcp_timestamps", "0") },
			"no scale":      func(c *placing) error { return c.x.Sysctl("net/ipv4/tcp_window_scaling", "0") },
		} {
			t.Run(name, func(t *testing.T) {
				c := newPlacing(t, w)
				check(t, fail(c))
				// Nobody else would do.
				y := c.backend("y", addrY)
				y.Weight = 1
				busy := c.backend("x", addrX)
				busy.Proxy, busy.Weight = true, 100
				c.set(t, busy)
				c.set(t, y)
				_, first := c.request(t, "/Y")
				if first != "Y" {
					t.Fatalf("/Y is served by %q", first)
				}
				a := c.a.meter(t)
				if _, by := c.request(t, "/XY"); by != "Y" {
					t.Errorf("/XY is served by %q, want Y", by)
				}
				if got := a.changes(t); got[dprnl.StatSpliceUnanswered] != 1 || got[dprnl.StatHandoverSpliced] != 1 {
					t.Errorf("A counts %v", got)
				}
				c.has(t, "x", 0)
			})
		}
		t.Run("nobody", func(t *testing.T) {
			c := newPlacing(t, w)
			c.xweb.stop()
			c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest), MaxLoad: ptr(uint64(0))})
			c.a.web.stop()
			check(t, c.a.dpr.DeletePeer(t.Context(), c.b.addr, true))
			k := connect(t, c.c, c.a.service())
			b := c.backend("y", addrY)
			b.Down = true
			c.set(t, b)
			if _, err := k.ask("who /X HTTP/1.1\r"); err == nil {
				t.Error("somebody serves it")
			}
		})
	})
}

// A host without peers and keys places connections at backends, also those of clients that say
// nothing first, whose server speaks; the next connection of the same ports is placed anew.
func TestSpliceRequestAlone(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newProxied(t, w)
		check(t, c.a.dpr.SetService(t.Context(), dprnl.Service{Port: port, Rules: dprnl.Rules{Dispatch: dprnl.Own(dprnl.DispatchConnection)}}))
		a := c.a.meter(t)
		k := connect(t, c.c, c.a.service())
		k.wantServed(t, "X")
		k.wantTold(t)
		c.web.greets = true
		quiet := connect(t, c.c, c.a.service())
		check(t, quiet.SetDeadline(time.Now().Add(step)))
		if line, err := quiet.r.ReadString('\n'); err != nil || line != fmt.Sprintf("hello %v\n", quiet.LocalAddr()) {
			t.Errorf("the server greets %q (%v)", line, err)
		}
		c.web.greets = false
		r := c.raw(t, addrR)
		for _, seq := range []uint32{1_000_000, 500_000_000} {
			j := r.talk(c.a, 4000)
			j.seq = seq
			j.reopen(t)
			if got, want := j.ask(t, "told"), fmt.Sprintf("%v %v\n", j.local, j.remote); got != want {
				t.Errorf("the server was told %q, want %q", got, want)
			}
			j.say(t, "PA", "close\n")
			j.hear(t, "FA")
			j.say(t, "FA", "")
			j.hear(t, "A")
		}
		if got := a.changes(t); got[dprnl.StatHandoverSpliced] != 4 {
			t.Errorf("A counts %v, want 4 connections spliced", got)
		}
	})
}

// A placed connection of which the test speaks both ends.
type placed struct {
	proxied
	ours  uint32 // A's sequence number
	clock uint32 // A's timestamp
	told  uint8  // the scale of windows that the client was told
}

// rawPlaced is rawProxied with a handshake by A, which the client ends with a request.
func rawPlaced(t *testing.T, w way, proxy bool, request string) *placed {
	t.Helper()
	p := rawPlacing(t, w, proxy)
	p.greet(t)
	if request != "" {
		p.client(t, "PA", request, timestamps(102, p.clock))
	}
	p.syn = p.x.get(t, func(q *wire.Packet) bool { return q.TCP != nil && q.TCP.SYN })
	if p.syn.TCP.Seq != p.isn-p.n || len(p.syn.Payload) != 0 || !p.syn.ChecksumsRight() || p.syn.MSS() != 1380 || kinds(p.syn) != "2,4,8,3" ||
		data(p.syn, layers.TCPOptionKindWindowScale)[0] != 3 || p.syn.TCP.ACK {
		t.Fatalf("X gets %v, options %s, want number %d", p.syn, kinds(p.syn), p.isn-p.n)
	}
	return p
}

// rawPlacing is the same before the handshake.
func rawPlacing(t *testing.T, w way, proxy bool) *placed {
	t.Helper()
	p := &placed{proxied: proxied{cluster: bareCluster(t, w)}}
	p.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest)})
	check(t, p.a.dpr.SetService(t.Context(), dprnl.Service{Port: port, Rules: dprnl.Rules{Dispatch: dprnl.Own(dprnl.DispatchConnection)}}))
	b := p.backend("x", addrX)
	b.Proxy = proxy
	p.set(t, b)
	p.x = p.raw(t, addrX)
	p.k = p.raw(t, addrR).talk(p.a, 4000)
	if proxy {
		p.bytes = proxyHeader(p.k.local, p.k.remote)
	}
	p.n, p.isn = uint32(len(p.bytes)), p.k.seq
	return p
}

// begin returns the client's SYN.
func (p *placed) begin() wire.Segment {
	s := p.k.segment("S", "")
	s.Options = []layers.TCPOption{option(layers.TCPOptionKindMSS, 5, 100), option(layers.TCPOptionKindSACKPermitted),
		option(layers.TCPOptionKindWindowScale, 3), timestamps(100, 0)}
	return s
}

// greet makes the client's handshake with A.
func (p *placed) greet(t *testing.T) {
	t.Helper()
	p.k.send(t, p.begin())
	q := p.k.hear(t, "SA")
	p.ours, p.clock, p.told = q.TCP.Seq, binary.BigEndian.Uint32(data(q, layers.TCPOptionKindTimestamps)), data(q, layers.TCPOptionKindWindowScale)[0]
	p.client(t, "A", "", timestamps(101, p.clock))
}

// client has the client send a segment.
func (p *placed) client(t *testing.T, flags, payload string, options ...layers.TCPOption) {
	t.Helper()
	s := p.k.segment(flags, payload)
	s.Options = options
	p.k.send(t, s)
}

// data is an option's.
func data(p *wire.Packet, kind layers.TCPOptionKind) []byte {
	for _, o := range p.TCP.Options {
		if o.OptionType == kind {
			return o.OptionData
		}
	}
	return make([]byte, 40)
}

// accept has X answer the SYN.
func (p *placed) accept(t *testing.T) {
	t.Helper()
	p.say(t, wire.Segment{Flags: "SA", Seq: backendISN, Ack: p.isn - p.n + 1, Window: 1000,
		Options: []layers.TCPOption{option(layers.TCPOptionKindSACKPermitted), option(layers.TCPOptionKindWindowScale, 2), timestamps(900, 100)}})
}

// wantStamped fails the test unless X gets a segment with these numbers and timestamps.
func (p *placed) wantStamped(t *testing.T, seq, ack uint32, payload string, value, echo uint32) *wire.Packet {
	t.Helper()
	q := p.next(t)
	if q.TCP.Seq != seq || q.TCP.Ack != ack || string(q.Payload) != payload || !q.ChecksumsRight() ||
		!bytes.Equal(data(q, layers.TCPOptionKindTimestamps), timestamps(value, echo).OptionData) {
		t.Errorf("X gets %v with %q and timestamps % x, want number %d, acknowledgment %d, %q, timestamps %d and %d", q, q.Payload,
			data(q, layers.TCPOptionKindTimestamps), seq, ack, payload, value, echo)
	}
	return q
}

// Each segment of a placed connection as each end must see it: the client keeps its numbers, and
// those of A; X has its own.
func TestSpliceRequestSegments(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		for _, proxy := range []bool{false, true} {
			p := rawPlaced(t, w, proxy, "hello\n")
			// More, before X has answered; it asks for nothing more, and the client hears nothing.
			p.client(t, "PA", "world\n", timestamps(103, p.clock))
			silence(t, p.k.r.Endpoint, p.k.mine)
			p.accept(t)
			if proxy {
				p.wantStamped(t, p.isn-p.n+1, backendISN+1, string(p.bytes), 102, 900)
			}
			p.wantStamped(t, p.isn+1, backendISN+1, "hello\n", 102, 900)
			p.wantStamped(t, p.isn+7, backendISN+1, "world\n", 103, 900)
			silence(t, p.k.r.Endpoint, p.k.mine)
			// X answers.
			p.say(t, wire.Segment{Flags: "PA", Seq: backendISN + 1, Ack: p.isn + 13, Window: 5000, Payload: []byte("answer"),
				Options: []layers.TCPOption{timestamps(905, 103)}})
			q := p.k.hear(t, "PA")
			if q.TCP.Seq != p.ours+1 || q.TCP.Ack != p.isn+13 || string(q.Payload) != "answer" || !q.ChecksumsRight() ||
				q.TCP.Window != uint16(20000)>>p.told || !bytes.Equal(data(q, layers.TCPOptionKindTimestamps), timestamps(p.clock+5, 103).OptionData) {
				t.Errorf("the client gets %v, window %d, timestamps % x, want number %d, acknowledgment %d, window %d, timestamps %d and 103", q,
					q.TCP.Window, data(q, layers.TCPOptionKindTimestamps), p.ours+1, p.isn+13, 20000>>p.told, p.clock+5)
			}
			// An error about it is about X's numbers.
			p.k.r.send(t, p.a, wire.ICMPError(w.parse("10.77.0.99"), p.a.at, wire.TooBig, 1400, q.Outer()))
			e := p.x.get(t, func(q *wire.Packet) bool { return q.Reports(wire.TooBig) })
			if seq := binary.BigEndian.Uint32(e.Payload[w.headerLen()+4:]); seq != backendISN+1 || !e.ChecksumsRight() {
				t.Errorf("the error quotes number %d, want %d", seq, backendISN+1)
			}
			// The client misses something.
			p.client(t, "A", "", timestamps(104, p.clock+5), sackOption(p.ours+17, p.ours+27))
			q = p.wantStamped(t, p.isn+13, backendISN+7, "", 104, 905)
			if !bytes.Equal(data(q, layers.TCPOptionKindSACK), sackOption(backendISN+17, backendISN+27).OptionData) {
				t.Errorf("X gets SACK blocks % x", data(q, layers.TCPOptionKindSACK))
			}
			// X has it twice.
			p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 7, Ack: p.isn + 13, Window: 5000, Options: []layers.TCPOption{timestamps(906, 104), sackOption(p.isn+1, p.isn+7)}})
			q = p.k.hear(t, "A")
			if q.TCP.Seq != p.ours+7 || !bytes.Equal(data(q, layers.TCPOptionKindSACK), sackOption(p.isn+1, p.isn+7).OptionData) {
				t.Errorf("the client gets %v, SACK blocks % x", q, data(q, layers.TCPOptionKindSACK))
			}
			// Both close.
			p.client(t, "FA", "", timestamps(105, p.clock+6))
			p.wantStamped(t, p.isn+13, backendISN+7, "", 105, 906)
			p.say(t, wire.Segment{Flags: "FA", Seq: backendISN + 7, Ack: p.isn + 14, Window: 5000, Options: []layers.TCPOption{timestamps(907, 105)}})
			if q = p.k.hear(t, "FA"); q.TCP.Seq != p.ours+7 || q.TCP.Ack != p.isn+14 {
				t.Errorf("the client gets %v, want number %d", q, p.ours+7)
			}
			p.has(t, "x", 0)
		}
	})
}

// What is lost on the way to X comes again: the SYN by A, the acknowledgment of X's by X, whose
// SYN the client answers; the request by the client.
func TestSpliceRequestLost(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		p := rawPlaced(t, w, true, "hello\n")
		again := p.next(t)
		if again.TCP.Seq != p.syn.TCP.Seq || again.TCP.SrcPort != p.syn.TCP.SrcPort || !again.TCP.SYN {
			t.Errorf("X gets %v, want its SYN again", again)
		}
		p.accept(t)
		p.next(t)
		p.next(t)
		p.accept(t)
		q := p.k.hear(t, "SA")
		if q.TCP.Seq != p.ours || q.TCP.Ack != p.isn+1 || !q.ChecksumsRight() {
			t.Errorf("the client gets %v, want number %d", q, p.ours)
		}
		p.client(t, "A", "", timestamps(104, p.clock))
		p.wantStamped(t, p.isn-p.n+1, backendISN+1, string(p.bytes), 104, 900)
		time.Sleep(150 * time.Millisecond)
		p.k.seq = p.isn + 1
		p.client(t, "PA", "hello\n", timestamps(105, p.clock))
		p.wantStamped(t, p.isn-p.n+1, backendISN+1, string(p.bytes), 105, 900)
		p.wantStamped(t, p.isn+1, backendISN+1, "hello\n", 105, 900)
		// X misses the header.
		p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1, Ack: p.isn - p.n + 1, Window: 1000, Options: []layers.TCPOption{timestamps(910, 105)}})
		p.wantStamped(t, p.isn-p.n+1, backendISN+1, string(p.bytes), 105, 910)
		// The server may speak first.
		p = rawPlaced(t, w, true, "")
		p.accept(t)
		p.wantStamped(t, p.isn-p.n+1, backendISN+1, string(p.bytes), 101, 900)
	})
}

// Either end gives up: before X has answered, and after that. What cannot be an answer of X
// changes nothing.
func TestSpliceRequestReset(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		p := rawPlaced(t, w, false, "hello\n")
		for _, s := range []wire.Segment{
			{Flags: "SA", Seq: backendISN, Ack: p.isn + 2}, {Flags: "SA", Seq: backendISN, Ack: p.isn}, {Flags: "RA", Ack: p.isn + 2},
			{Flags: "A", Seq: backendISN, Ack: p.isn + 1}, {Flags: "R", Seq: 0}, {Flags: "PA", Seq: backendISN, Ack: p.isn + 1, Payload: []byte("x")},
		} {
			p.say(t, s)
		}
		silence(t, p.k.r.Endpoint, p.k.mine)
		p.x.Take(p.atX)
		p.k.seq = p.isn + 1
		p.client(t, "R", "")
		time.Sleep(settle)
		p.accept(t)
		// X's SYN finds nobody.
		p.x.get(t, func(q *wire.Packet) bool { return p.atX(q) && q.TCP.RST && q.TCP.Seq == p.isn+1 })
		p.has(t, "x", 0)
		silence(t, p.k.r.Endpoint, p.k.mine)

		p = rawPlaced(t, w, false, "hello\n")
		p.accept(t)
		p.next(t)
		p.client(t, "R", "")
		p.wantSegment(t, wire.Segment{Flags: "R", Seq: p.isn + 7})
		p.has(t, "x", 0)

		p = rawPlaced(t, w, false, "hello\n")
		p.accept(t)
		p.next(t)
		p.say(t, wire.Segment{Flags: "RA", Seq: backendISN + 1, Ack: p.isn + 7})
		if q := p.k.hear(t, "RA"); q.TCP.Seq != p.ours+1 || !q.ChecksumsRight() {
			t.Errorf("the client gets %v, want number %d", q, p.ours+1)
		}
		p.has(t, "x", 0)
	})
}

// Many connections at once, whose requests come in pieces: each has its answer, whoever opens it
// on which processor. One whose request took a second, on a machine that is too busy, was placed
// without it.
func TestSpliceRequestMany(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newPlacing(t, w)
		done := make(chan error)
		const n = 40
		for i := range n {
			go func() {
				done <- func() error {
					begun := time.Now()
					k, err := dial(c.c, c.a.service())
					if err != nil {
						return err
					}
					defer k.Close()
					path := []string{"/X", "/Y", "/B"}[i%3]
					for _, part := range []string{"who ", path, " HTTP/1.1\r\n", "recv 40000\n"} {
						if _, err := k.Write([]byte(part)); err != nil {
							return err
						}
					}
					if err := writePattern(k, 40000); err != nil {
						return err
					}
					if err := k.SetReadDeadline(time.Now().Add(step)); err != nil {
						return err
					}
					by, err := k.r.ReadString('\n')
					if late := time.Since(begun) > time.Second; err != nil || strings.TrimSpace(by) != path[1:] && !late {
						return fmt.Errorf("%s is served by %q: %w", path, by, err)
					}
					ok, err := k.r.ReadString('\n')
					if err != nil || ok != "ok\n" {
						return fmt.Errorf("%s: the upload is answered by %q: %w", path, ok, err)
					}
					return k.download(40000)
				}()
			}()
		}
		for range n {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}
