// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"bytes"
	"context"
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

// proxyHeader is the header of the PROXY protocol for a client and what it talks to.
func proxyHeader(client, service netip.AddrPort) []byte {
	b := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c")
	if client.Addr().Is6() {
		b[13], b[15] = 0x21, 36
	}
	b = append(append(b, client.Addr().AsSlice()...), service.Addr().AsSlice()...)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, client.Port()), service.Port())
}

// newProxied is newSpliced whose backend expects the PROXY protocol.
func newProxied(t *testing.T, w way) *spliced {
	t.Helper()
	c := &spliced{cluster: bareCluster(t, w)}
	c.x = c.host(t, "X", addrX)
	c.web = serveProxied(t, c.x, "X", backendPort)
	c.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest)})
	b := c.backend("x", addrX)
	b.Proxy = true
	c.set(t, b)
	return c
}

// wantTold fails the test unless the server has learned the client's address.
func (c *conn) wantTold(t *testing.T) {
	t.Helper()
	got, err := c.ask("told")
	if want := fmt.Sprint(c.LocalAddr(), " ", c.RemoteAddr()); err != nil || got != want {
		t.Errorf("the server was told %q (%v), want %q", got, err, want)
	}
}

// A backend learns the client's address and that of the service before the first byte. Both
// directions carry data, whatever the links do for the stack, and either side closes first.
func TestSpliceProxy(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newProxied(t, w)
		hosts := []*vnet.Host{c.c, c.a.Host, c.x}
		for combination := range 1 << len(hosts) {
			for i, h := range hosts {
				offload(t, h, combination>>i&1 == 1)
				unchanged(t, h, "TcpInCsumErrors", "TcpInErrs", "IpInDiscards", "IpInHdrErrors", "IpOutDiscards",
					"Ip6InDiscards", "Ip6InHdrErrors", "Ip6OutDiscards", "TcpExtTCPSynRetrans", "TcpExtTCPSACKReneging")
			}
			a := c.a.meter(t)
			k := connect(t, c.c, c.a.service())
			k.wantServed(t, "X")
			k.wantTold(t)
			check(t, k.upload(512<<10))
			check(t, k.download(512<<10))
			if combination%2 == 0 {
				_, err := fmt.Fprintln(k, "close")
				check(t, err)
			}
			check(t, k.Close())
			c.has(t, "x", 0)
			a.want(t, counts{dprnl.StatSpliced: 1, dprnl.StatSpliceTxPackets: some, dprnl.StatSpliceTxBytes: some,
				dprnl.StatSpliceRxPackets: some, dprnl.StatSpliceRxBytes: some, dprnl.StatSpliceProxy: some, dprnl.StatSpliceExpired: maybe})
		}
	})
}

// A rule in A's OUTPUT keeps A's users from connecting to X, and writing a header that X believes, as
// docs/splicing.md has it. Root, by whom X is checked, can, and what A passes on is none of theirs.
func TestSpliceProxyLocal(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newProxied(t, w)
		x := w.addrPort(addrX, backendPort)
		const user = 1000
		connects := func(uid int) error {
			k, err := dialAs(c.a.Host, uid, x)
			if err == nil {
				err = k.Close()
			}
			return err
		}
		check(t, connects(user))
		rules := fmt.Sprintf(`table inet backends {
	chain output {
		type filter hook output priority 0;
		%s daddr %v tcp dport %d meta skuid != 0 reject with tcp reset
	}
}`, map[int]string{4: "ip", 6: "ip6"}[w.client], x.Addr(), x.Port())
		ctx, cancel := context.WithTimeout(t.Context(), step)
		defer cancel()
		_, err := c.a.RunInput(ctx, rules, "nft", "-f", "-")
		check(t, err)
		if err := connects(user); !refused(err) {
			t.Errorf("a user connects: %v, want refused", err)
		}
		check(t, connects(0))
		k := connect(t, c.c, c.a.service())
		k.wantTold(t)
		check(t, k.upload(64<<10))
	})
}

// A client that says nothing has its server told all the same, so that this can speak first;
// so has one that closes its half at once. The next connection of the same ports has a header
// of its own, and one that begins after the backend's protocol has changed has none.
func TestSpliceProxyFirst(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newProxied(t, w)
		c.web.greets = true
		k := connect(t, c.c, c.a.service())
		greeting := func(k *conn) {
			t.Helper()
			check(t, k.SetDeadline(time.Now().Add(step)))
			line, err := k.r.ReadString('\n')
			if want := fmt.Sprintf("hello %v\n", k.LocalAddr()); err != nil || line != want {
				t.Errorf("the server greets %q (%v), want %q", line, err, want)
			}
		}
		greeting(k)
		k.wantTold(t)
		half := connect(t, c.c, c.a.service())
		check(t, half.CloseWrite())
		greeting(half)
		c.web.greets = false
		r := c.raw(t, addrR)
		for _, seq := range []uint32{1_000_000, 500_000_000, 900_000_000} {
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
		b := c.backend("x", addrX)
		c.set(t, b)
		if got := c.status(t, "x"); got.Connections != 0 || got.Proxy {
			t.Errorf("the other backend is %+v", got)
		}
		k.wantTold(t)
		c.web.stop()
		serve(t, c.x, "plain", backendPort)
		connect(t, c.c, c.a.service()).wantServed(t, "plain")
		j := r.talk(c.a, 4000)
		j.seq = 1_300_000_000
		j.reopen(t)
		j.wantServed(t, "plain")
	})
}

// The header, or what acknowledges it, is lost: it comes again, and all is served as without
// that, also when nobody speaks but the server.
//
//	C ── switch ── A
//	        └───── X (loses the first so many packets with data, or A loses those of X)
func TestSpliceProxyLost(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		for _, tt := range []struct {
			n      int
			greets bool
		}{{1, false}, {2, false}, {4, false}, {1, true}, {2, true}} {
			c := newProxied(t, w)
			c.web.greets = tt.greets
			for _, h := range []*vnet.Host{c.c, c.a.Host, c.x} {
				offload(t, h, false)
				unchanged(t, h, "TcpExtTCPSACKReneging", "TcpEstabResets")
			}
			drops(t, c.x, w, "dport", tt.n)
			k := connect(t, c.c, c.a.service())
			if tt.greets {
				check(t, k.SetDeadline(time.Now().Add(step)))
				_, err := k.r.ReadString('\n')
				check(t, err)
			}
			k.wantTold(t)
			check(t, k.upload(100_000))
			check(t, k.download(100_000))
			wantDropped(t, c.x)
		}
		// The backend's acknowledgments.
		for n := range 3 {
			c := newProxied(t, w)
			for _, h := range []*vnet.Host{c.c, c.a.Host, c.x} {
				offload(t, h, false)
			}
			drops(t, c.a.Host, w, "sport", 1+n)
			k := connect(t, c.c, c.a.service())
			k.wantTold(t)
			check(t, k.upload(100_000))
			wantDropped(t, c.a.Host)
		}
	})
}

// wantDropped looks whether a host's rules have dropped something.
func wantDropped(t *testing.T, h *vnet.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	text, err := h.Run(ctx, "nft", "list", "ruleset")
	check(t, err)
	if !strings.Contains(text, " counter packets ") || strings.Contains(text, " counter packets 0 ") {
		t.Errorf("nothing was dropped:\n%s", text)
	}
}

// drops makes a host drop the first n segments from or to the backend's port that are no SYN.
func drops(t *testing.T, h *vnet.Host, w way, end string, n int) {
	t.Helper()
	rules := fmt.Sprintf(`table netdev lossy {
	chain in {
		type filter hook ingress device "%s" priority 0;
		tcp %s %d tcp flags & syn == 0 limit rate 1/day burst %d packets counter drop
	}
}`, eth, end, backendPort, n)
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	_, err := h.RunInput(ctx, rules, "nft", "-f", "-")
	check(t, err)
}

// A proxied connection of which the test speaks both ends.
type proxied struct {
	*cluster
	k     *talk
	x     *raw
	syn   *wire.Packet // as X has got it
	isn   uint32       // of the client
	n     uint32       // bytes of the header
	bytes []byte       // it
	since time.Time    // when X has got it last
	slow  int          // how often a header went before a segment because the test was slow
}

const backendISN = 7000

// rawProxied is rawSpliced with the PROXY protocol.
func rawProxied(t *testing.T, w way, syn wire.Segment) *proxied {
	t.Helper()
	p := &proxied{cluster: bareCluster(t, w)}
	p.a.set(t, dprnl.ConfigUpdate{Policy: ptr(dprnl.PolicyLowest)})
	b := p.backend("x", addrX)
	b.Proxy = true
	p.set(t, b)
	p.x = p.raw(t, addrX)
	p.k = p.raw(t, addrR).talk(p.a, 4000)
	p.bytes = proxyHeader(p.k.local, p.k.remote)
	p.n = uint32(len(p.bytes))
	p.isn = p.k.seq
	s := p.k.segment("S", string(syn.Payload))
	s.Options, s.Window = syn.Options, syn.Window
	p.k.send(t, s)
	p.k.seq = p.isn + 1
	p.syn = p.x.get(t, func(q *wire.Packet) bool { return q.TCP != nil && q.TCP.SYN })
	if p.syn.TCP.Seq != p.isn-p.n || len(p.syn.Payload) != 0 || !p.syn.ChecksumsRight() {
		t.Fatalf("X gets %v, want number %d", p.syn, p.isn-p.n)
	}
	return p
}

// say has X send a segment.
func (p *proxied) say(t *testing.T, s wire.Segment) {
	t.Helper()
	r := p.x.segment(p.syn, s.Flags, s.Seq, s.Ack, s.Payload)
	r.Window, r.Options = s.Window, s.Options
	p.x.send(t, p.a, r.Bytes())
}

// answered makes X's half of the handshake: the client sees its SYN acknowledged.
func (p *proxied) answered(t *testing.T, s wire.Segment) *wire.Packet {
	t.Helper()
	s.Flags, s.Seq, s.Ack = "SA", backendISN, p.isn-p.n+1
	p.say(t, s)
	q := p.k.hear(t, "SA")
	if q.TCP.Seq != backendISN || q.TCP.Ack != p.isn+1 || !q.ChecksumsRight() {
		t.Errorf("the client gets %v, want acknowledgment %d", q, p.isn+1)
	}
	return q
}

// wantHeader fails the test unless X gets the header next, with the acknowledgment.
func (p *proxied) wantHeader(t *testing.T, ack uint32) *wire.Packet {
	t.Helper()
	q := p.next(t)
	p.since = time.Now()
	if q.TCP.Seq != p.isn-p.n+1 || q.TCP.Ack != ack || !bytes.Equal(q.Payload, p.bytes) || !q.ChecksumsRight() || !q.Has("PA") ||
		q.TCP.FIN || q.TCP.SYN || q.TCP.RST {
		t.Errorf("X gets %v with %q, want number %d, acknowledgment %d and %q", q, q.Payload, p.isn-p.n+1, ack, p.bytes)
	}
	return q
}

// next is the next segment that X gets.
func (p *proxied) next(t *testing.T) *wire.Packet {
	t.Helper()
	return p.x.get(t, p.atX)
}

func (p *proxied) atX(q *wire.Packet) bool { return q.TCP != nil && q.Dst() == p.x.addr }

// wantSegment fails the test unless X gets a segment as the client has sent it.
func (p *proxied) wantSegment(t *testing.T, s wire.Segment) {
	t.Helper()
	q := p.next(t)
	if q.TCP.Seq != s.Seq || string(q.Payload) != string(s.Payload) || q.TCP.ACK && q.TCP.Ack != s.Ack || !q.Has(s.Flags) || !q.ChecksumsRight() {
		t.Errorf("X gets %v, want %s %d, acknowledgment %d and %q", q, s.Flags, s.Seq, s.Ack, s.Payload)
	}
}

// wantSoon is wantSegment without a header before it, as it comes soon after the last.
func (p *proxied) wantSoon(t *testing.T, s wire.Segment) {
	t.Helper()
	if time.Since(p.since) > 80*time.Millisecond {
		p.slow++
		p.wantHeader(t, s.Ack)
	}
	p.wantSegment(t, s)
}

// wantClient fails the test unless the client gets a segment with these numbers and options.
func (p *proxied) wantClient(t *testing.T, flags string, ack uint32, window uint16, options string) {
	t.Helper()
	q := p.k.hear(t, flags)
	if q.TCP.Ack != ack || q.TCP.Window != window || !q.ChecksumsRight() || kinds(q) != options {
		t.Errorf("the client gets %v, window %d, options %s, want acknowledgment %d, window %d, options %s", q, q.TCP.Window, kinds(q), ack, window, options)
	}
}

// kinds are the kinds of a segment's options, without padding.
func kinds(p *wire.Packet) string {
	var list []string
	for _, o := range p.TCP.Options {
		if o.OptionType != layers.TCPOptionKindNop && o.OptionType != layers.TCPOptionKindEndList {
			list = append(list, fmt.Sprint(uint8(o.OptionType)))
		}
	}
	return strings.Join(list, ",")
}

func option(kind layers.TCPOptionKind, data ...byte) layers.TCPOption {
	return layers.TCPOption{OptionType: kind, OptionLength: uint8(2 + len(data)), OptionData: data}
}

func sackOption(blocks ...uint32) layers.TCPOption {
	var b []byte
	for _, n := range blocks {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return option(layers.TCPOptionKindSACK, b...)
}

func timestamps(value, echo uint32) layers.TCPOption {
	return option(layers.TCPOptionKindTimestamps, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, value), echo)...)
}

// damaged is a segment of which a bit has changed on the way.
func damaged(s wire.Segment) []byte {
	b := s.Bytes()
	b[len(b)-1] ^= 1
	return b
}

// Each segment of a connection: numbers, checksums, windows and options, as each end must see
// them. The header has the client's acknowledgment, window, and timestamps, comes in place of
// a segment without data, and no more once it is acknowledged.
func TestSpliceProxySegments(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		p := rawProxied(t, w, wire.Segment{Window: 500, Options: []layers.TCPOption{option(layers.TCPOptionKindMSS, 5, 100),
			option(layers.TCPOptionKindSACKPermitted), option(layers.TCPOptionKindWindowScale, 3), timestamps(100, 0)}})
		a := p.a.meter(t)
		scaled := []layers.TCPOption{option(layers.TCPOptionKindWindowScale, 2), timestamps(900, 100)}
		if q := p.answered(t, wire.Segment{Window: 1000, Options: scaled}); q.TCP.Window != uint16(1000-p.n) || kinds(q) != "3,8" {
			t.Errorf("the client gets %v, window %d, options %s", q, q.TCP.Window, kinds(q))
		}
		ack := p.k.segment("A", "")
		ack.Window, ack.Options = 77, []layers.TCPOption{timestamps(101, 900)}
		// A damaged one brings no header, whose checksum would be right.
		refused := p.a.meter(t)
		p.k.r.send(t, p.a, damaged(ack))
		becomes(t, refused, dprnl.StatSpliceRefused, 1)
		silence(t, p.x.Endpoint, p.atX)
		p.k.send(t, ack)
		q := p.wantHeader(t, backendISN+1)
		if q.TCP.Window != 77 || kinds(q) != "8" || !bytes.Equal(q.TCP.Options[0].OptionData, ack.Options[0].OptionData) {
			t.Errorf("X gets %v, window %d, options %v", q, q.TCP.Window, q.TCP.Options)
		}
		// Data follow, soon enough without another header.
		p.k.say(t, "PA", "hello\n")
		p.wantSoon(t, wire.Segment{Flags: "PA", Seq: p.isn + 1, Ack: backendISN + 1, Payload: []byte("hello\n")})
		silence(t, p.x.Endpoint, p.atX)
		// X has the data, but not the header; what says so comes damaged first, which the client sees.
		lost := p.x.segment(p.syn, "A", backendISN+1, p.isn-p.n+1, nil)
		lost.Window, lost.Options = 500, []layers.TCPOption{timestamps(901, 102)}
		p.x.send(t, p.a, damaged(lost))
		if q := p.k.hear(t, "A"); q.ChecksumsRight() {
			t.Errorf("%v has a right checksum", q)
		}
		silence(t, p.x.Endpoint, p.atX)
		p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1, Ack: p.isn - p.n + 1, Window: 500,
			Options: []layers.TCPOption{timestamps(901, 102), sackOption(p.isn+1, p.isn+7)}})
		q = p.wantHeader(t, backendISN+1)
		if q.TCP.Window != 65535 || kinds(q) != "8" || !bytes.Equal(q.TCP.Options[2].OptionData, timestamps(102, 901).OptionData) {
			t.Errorf("X gets %v, window %d, options %v", q, q.TCP.Window, q.TCP.Options)
		}
		p.wantClient(t, "A", p.isn+1, uint16((2000-p.n)>>2), "8")
		// It speaks first.
		p.say(t, wire.Segment{Flags: "PA", Seq: backendISN + 1, Ack: p.isn - p.n + 1, Window: 5, Payload: []byte("welcome\n")})
		p.wantHeader(t, backendISN+1)
		p.wantClient(t, "PA", p.isn+1, 0, "")
		p.k.say(t, "A", "")
		p.wantHeader(t, backendISN+9)
		// A part of the header.
		p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 9, Ack: p.isn - 10, Window: 500})
		p.wantHeader(t, backendISN+9)
		p.wantClient(t, "A", p.isn+1, (2000-11)>>2, "")
		// All, and that it came twice; then the data, and that again.
		p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 9, Ack: p.isn + 1, Window: 500, Options: []layers.TCPOption{sackOption(p.isn-p.n+1, p.isn+1)}})
		p.wantClient(t, "A", p.isn+1, 500, "")
		p.k.say(t, "A", "")
		p.wantSegment(t, wire.Segment{Flags: "A", Seq: p.isn + 7, Ack: backendISN + 9})
		p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 9, Ack: p.isn + 7, Window: 500, Options: []layers.TCPOption{sackOption(p.isn+1, p.isn+7)}})
		p.wantClient(t, "A", p.isn+7, 500, "5")
		p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 9, Ack: p.isn + 7, Window: 500,
			Options: []layers.TCPOption{timestamps(903, 103), sackOption(p.isn-p.n+1, p.isn+1)}})
		p.wantClient(t, "A", p.isn+7, 500, "8")
		// A late acknowledgment of less.
		p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 9, Ack: p.isn - p.n + 1, Window: 500})
		p.wantClient(t, "A", p.isn+1, uint16((2000-p.n)>>2), "")
		silence(t, p.x.Endpoint, p.atX)
		if got := a.changes(t)[dprnl.StatSpliceProxy]; got != 5 && p.slow == 0 {
			t.Errorf("A has sent %d headers, want 5", got)
		}
	})
}

// The first segment has data, or is a FIN: the header goes before it, and again when they come
// again later.
func TestSpliceProxyData(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		for _, flags := range []string{"PA", "FPA"} {
			p := rawProxied(t, w, wire.Segment{})
			p.answered(t, wire.Segment{})
			s := p.k.segment(flags, "hello\n")
			p.k.send(t, s)
			p.wantHeader(t, backendISN+1)
			p.wantSegment(t, s)
			p.k.send(t, s)
			p.wantSoon(t, s)
			time.Sleep(150 * time.Millisecond)
			p.k.send(t, s)
			p.wantHeader(t, backendISN+1)
			p.wantSegment(t, s)
			p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1, Ack: p.k.seq, Window: 1000})
			p.wantClient(t, "A", p.k.seq, 1000, "")
			time.Sleep(150 * time.Millisecond)
			p.k.send(t, s)
			p.wantSegment(t, s)
			silence(t, p.x.Endpoint, p.atX)
		}
	})
}

// A backend whose window is smaller than the header has it all the same, and its client none.
func TestSpliceProxyWindow(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		for _, window := range []uint16{1, 27, 60, 40000} {
			p := rawProxied(t, w, wire.Segment{})
			want := uint16(max(int(window)-int(p.n), 0))
			if q := p.answered(t, wire.Segment{Window: window}); q.TCP.Window != want {
				t.Errorf("the client gets window %d, want %d", q.TCP.Window, want)
			}
			p.k.say(t, "A", "")
			p.wantHeader(t, backendISN+1)
			p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1, Ack: p.isn + 1, Window: window})
			p.wantClient(t, "A", p.isn+1, window, "")
		}
	})
}

// A SYN with data and options that have a say in where data begin: what is left is a plain
// one. Nothing is left behind the end of options. One with a wrong checksum gets nowhere.
func TestSpliceProxySyn(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		p := rawProxied(t, w, wire.Segment{Payload: []byte("too early"), Options: []layers.TCPOption{option(34, 1, 2, 3, 4, 5, 6, 7, 8),
			option(layers.TCPOptionKindMSS, 5, 100), option(30, 0, 0x81), option(layers.TCPOptionKindWindowScale, 3), option(254, 0xe2, 0xd4, 0xc3, 0xd9)}})
		if got := kinds(p.syn); got != "2,3" {
			t.Errorf("X gets options %s, want 2,3", got)
		}
		p.answered(t, wire.Segment{})
		p.k.say(t, "PA", "too early")
		p.wantHeader(t, backendISN+1)
		p.wantSegment(t, wire.Segment{Flags: "PA", Seq: p.isn + 1, Ack: backendISN + 1, Payload: []byte("too early")})
		hidden := rawProxied(t, w, wire.Segment{Options: []layers.TCPOption{option(layers.TCPOptionKindMSS, 5, 100),
			{OptionType: layers.TCPOptionKindEndList, OptionLength: 1}, option(34, 1, 2)}})
		if got := hidden.syn.TCP.Contents[20:]; !bytes.Equal(got, append([]byte{2, 4, 5, 100}, make([]byte, len(got)-4)...)) {
			t.Errorf("X gets options % x", got)
		}
		a := p.a.meter(t)
		s := p.k.segment("S", "too early")
		s.Seq = p.isn
		b := s.Bytes()
		b[len(b)-1] ^= 1
		p.k.r.send(t, p.a, b)
		becomes(t, a, dprnl.StatSpliceRefused, 1)
		silence(t, p.x.Endpoint, p.atX)
	})
}

// Either end gives up at any point: the other believes it, and the splice is over.
func TestSpliceProxyReset(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		// Before the header was sent.
		p := rawProxied(t, w, wire.Segment{})
		p.answered(t, wire.Segment{})
		p.k.say(t, "R", "")
		p.wantSegment(t, wire.Segment{Flags: "R", Seq: p.isn - p.n + 1})
		p.has(t, "x", 0)
		// When it was sent: X may have it or not.
		for _, data := range []string{"", "hello"} {
			p = rawProxied(t, w, wire.Segment{})
			p.answered(t, wire.Segment{})
			p.k.say(t, "A", "")
			p.wantHeader(t, backendISN+1)
			if data != "" {
				p.k.say(t, "PA", data)
				p.next(t)
			}
			p.k.say(t, "R", "")
			p.wantHeader(t, backendISN+1)
			p.wantSegment(t, wire.Segment{Flags: "R", Seq: p.isn + 1 + uint32(len(data))})
			p.has(t, "x", 0)
			// X has not believed it, and asks.
			p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1, Ack: p.isn - p.n + 1, Window: 100})
			p.k.hear(t, "A")
			p.k.seq = p.isn + 1
			p.k.say(t, "R", "")
			p.x.get(t, func(q *wire.Packet) bool { return p.atX(q) && q.TCP.RST && q.TCP.Seq == p.isn+1 })
		}
		// When it was acknowledged.
		p = rawProxied(t, w, wire.Segment{})
		p.answered(t, wire.Segment{})
		p.k.say(t, "A", "")
		p.wantHeader(t, backendISN+1)
		p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1, Ack: p.isn + 1, Window: 100})
		p.k.hear(t, "A")
		p.k.say(t, "R", "")
		p.wantSegment(t, wire.Segment{Flags: "R", Seq: p.isn + 1})
		p.has(t, "x", 0)
		// X refuses, at once, and of what it has half.
		p = rawProxied(t, w, wire.Segment{})
		p.say(t, wire.Segment{Flags: "RA", Ack: p.isn - p.n + 1})
		if q := p.k.hear(t, "RA"); q.TCP.Ack != p.isn+1 || !q.ChecksumsRight() {
			t.Errorf("the client gets %v, want acknowledgment %d", q, p.isn+1)
		}
		p.has(t, "x", 0)
		p = rawProxied(t, w, wire.Segment{})
		p.answered(t, wire.Segment{})
		p.k.say(t, "A", "")
		p.wantHeader(t, backendISN+1)
		p.say(t, wire.Segment{Flags: "RA", Seq: backendISN + 1, Ack: p.isn - p.n + 1})
		if q := p.k.hear(t, "RA"); q.TCP.Ack != p.isn+1 || q.TCP.Seq != backendISN+1 {
			t.Errorf("the client gets %v, want acknowledgment %d", q, p.isn+1)
		}
		p.has(t, "x", 0)
		silence(t, p.x.Endpoint, p.atX)
	})
}

// Who has got so much of the client's that no acknowledgment can be of the header any more is
// left alone: numbers that have come round are the client's own.
func TestSpliceProxyPast(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		p := rawProxied(t, w, wire.Segment{})
		p.answered(t, wire.Segment{})
		p.k.say(t, "A", "")
		p.wantHeader(t, backendISN+1)
		p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1, Ack: p.isn + 1})
		p.k.hear(t, "A")
		block := strings.Repeat("x", 1400)
		for range 70 {
			p.k.say(t, "A", block)
			p.next(t)
			p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1, Ack: p.k.seq})
			p.wantClient(t, "A", p.k.seq, 65535, "")
		}
		p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1, Ack: p.isn - 3})
		p.wantClient(t, "A", p.isn-3, 65535, "")
	})
}

// A router tells that X cannot be reached: the client sees its own SYN quoted.
func TestSpliceProxyICMP(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		p := rawProxied(t, w, wire.Segment{})
		for _, n := range []int{8, 20} {
			p.x.send(t, p.a, wire.ICMPError(w.parse("10.77.0.99"), p.a.at, wire.Unreachable, 0, p.syn.Outer()[:w.headerLen()+n]))
			q := p.k.r.get(t, func(q *wire.Packet) bool { return q.Reports(wire.Unreachable) })
			wantQuote(t, q, p.a.at, p.k.local, p.k.remote, wire.Unreachable)
			if seq := binary.BigEndian.Uint32(q.Payload[w.headerLen()+4:]); seq != p.isn {
				t.Errorf("the error quotes number %d, want %d", seq, p.isn)
			}
			sent := p.k.segment("S", "")
			sent.Seq = p.isn
			if n == 20 && !bytes.Equal(q.Payload[w.headerLen():], sent.Bytes()[w.headerLen():]) {
				t.Errorf("the error quotes % x, want % x", q.Payload[w.headerLen():], sent.Bytes()[w.headerLen():])
			}
		}
	})
}

// The backend sends SYN cookies: the header brings them back.
func TestSpliceProxyCookies(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		c := newProxied(t, w)
		check(t, c.x.Sysctl("net/ipv4/tcp_syncookies", "2"))
		unchanged(t, c.x, "TcpExtSyncookiesFailed")
		for range 3 {
			k := connect(t, c.c, c.a.service())
			k.wantTold(t)
			check(t, k.upload(100_000))
		}
	})
}

// Somebody who knows who talks to whom, but sees none of it, has no header sent, and none
// taken for acknowledged.
func TestSpliceProxyBlind(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		p := rawProxied(t, w, wire.Segment{})
		header := func(q *wire.Packet) bool { return p.atX(q) && bytes.Equal(q.Payload, p.bytes) }
		for i := range uint32(8) {
			s := p.k.segment("PA", "x")
			s.Seq, s.Ack = p.isn+1+i<<29, i<<29
			p.k.r.send(t, p.a, s.Bytes())
		}
		silence(t, p.x.Endpoint, header)
		p.answered(t, wire.Segment{})
		for _, flags := range []string{"", "P", "F"} {
			for _, payload := range []string{"", "x"} {
				s := p.k.segment(flags, payload)
				s.Seq = p.isn + 1
				p.k.r.send(t, p.a, s.Bytes())
			}
		}
		silence(t, p.x.Endpoint, header)
		p.knock(t, p.isn+1<<30)
		p.x.get(t, func(q *wire.Packet) bool { return p.atX(q) && q.TCP.SYN })
		p.x.Take(p.atX)
		p.k.say(t, "A", "")
		p.wantHeader(t, backendISN+1)
		time.Sleep(150 * time.Millisecond) // now data would have it sent again
		for i := range uint32(8) {
			s := p.k.segment("PA", "x")
			s.Seq, s.Ack = p.isn+1+i<<29, backendISN+1+(i+1)<<28
			p.k.r.send(t, p.a, s.Bytes())
			s.Flags, s.Seq, s.Payload = "R", p.isn+5+i<<28, nil
			p.k.r.send(t, p.a, s.Bytes())
			p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1 + (i+1)<<28, Ack: p.isn + 1, Window: 100})
			p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1 + (i+1)<<28, Ack: p.isn - p.n + 1, Window: 100})
			p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1, Ack: p.isn + 2 + i<<28, Window: 100})
		}
		silence(t, p.x.Endpoint, header)
		p.x.Take(p.atX)
		p.k.say(t, "A", "")
		p.wantHeader(t, backendISN+1)
	})
}

// place fails the test if X has got anything but the header's bytes in the header's place: the
// first bytes behind the number of a SYN that X has answered.
func (p *proxied) place(t *testing.T, way string, syn uint32) {
	t.Helper()
	time.Sleep(settle)
	for _, q := range p.x.Take(p.atX) {
		begin := q.TCP.Seq
		if q.TCP.SYN {
			begin++
		}
		for i, b := range q.Payload {
			if at := begin + uint32(i) - syn - 1; at < p.n && b != p.bytes[at] {
				t.Errorf("%s: X gets %v with %q", way, q, q.Payload)
				break
			}
		}
	}
}

// forge has the client send what would be the header of somebody else.
func (p *proxied) forge(t *testing.T, seq, ack uint32) {
	t.Helper()
	for _, flags := range []string{"PA", "FPA", "P", "SA"} {
		s := p.k.segment(flags, string(proxyHeader(netip.AddrPortFrom(p.k.local.Addr(), 1), p.k.remote))+"hello\n")
		s.Seq, s.Ack = seq, ack
		switch flags {
		case "P":
			s.Ack = 0
		case "SA":
			s.Seq--
		}
		p.k.r.send(t, p.a, s.Bytes())
	}
}

// knock has the client send a SYN of another number.
func (p *proxied) knock(t *testing.T, seq uint32) {
	t.Helper()
	s := p.k.segment("S", "")
	s.Seq = seq
	p.k.r.send(t, p.a, s.Bytes())
}

// wantRefused fails the test unless A ends a connection that X begins to accept, and the
// client learns nothing of it.
func (p *proxied) wantRefused(t *testing.T, seq, ack uint32) {
	t.Helper()
	p.k.r.Take(p.k.mine)
	p.say(t, wire.Segment{Flags: "SA", Seq: seq, Ack: ack})
	p.x.get(t, func(q *wire.Packet) bool { return p.atX(q) && q.TCP.RST && q.TCP.Seq == ack })
	silence(t, p.k.r.Endpoint, p.k.mine)
}

// A client that writes the header itself: X gets nothing of it in the header's place, whatever
// the client has made of its handshake, and of the connection before.
func TestSpliceProxyForged(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		p := rawProxied(t, w, wire.Segment{})
		p.answered(t, wire.Segment{})
		p.knock(t, p.isn+1000)
		p.forge(t, p.isn-p.n+1, backendISN+1)
		p.place(t, "another SYN", p.isn-p.n)

		p = rawProxied(t, w, wire.Segment{})
		p.answered(t, wire.Segment{})
		s := p.k.segment("A", "")
		s.Ack = backendISN + 1 - 100
		p.k.r.send(t, p.a, s.Bytes())
		silence(t, p.x.Endpoint, p.atX)
		p.forge(t, p.isn-p.n+1, backendISN+1)
		p.place(t, "a wrong acknowledgment", p.isn-p.n)

		p = rawProxied(t, w, wire.Segment{})
		p.answered(t, wire.Segment{})
		p.k.say(t, "A", "")
		p.forge(t, p.isn-p.n+1, backendISN+1)
		p.place(t, "after the header", p.isn-p.n)

		p = rawProxied(t, w, wire.Segment{})
		p.knock(t, p.isn-p.n)
		p.wantRefused(t, backendISN, p.isn-p.n+1)
		p.forge(t, p.isn-p.n+1, backendISN+1)
		p.place(t, "a SYN before the answer", p.isn-p.n)

		// X has closed, and would accept another connection.
		for _, isn := range []uint32{0, 1000} {
			p = rawProxied(t, w, wire.Segment{})
			isn += p.isn
			p.answered(t, wire.Segment{})
			p.k.say(t, "A", "")
			p.wantHeader(t, backendISN+1)
			p.say(t, wire.Segment{Flags: "A", Seq: backendISN + 1, Ack: p.isn + 1, Window: 5000})
			p.k.hear(t, "A")
			p.k.say(t, "R", "")
			p.k.say(t, "A", "")
			p.knock(t, isn)
			p.wantRefused(t, 9_000_000, isn-p.n+1)
			p.forge(t, isn-p.n+1, 9_000_001)
			p.place(t, "a connection that X has closed", isn-p.n)
		}
	})
}

// The same, where this host does the handshake.
func TestSpliceProxyForgedPlaced(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		for _, knock := range []bool{false, true} {
			p := rawPlaced(t, w, true, "hello\n")
			if knock {
				p.knock(t, p.isn-p.n)
			}
			p.accept(t)
			p.forge(t, p.isn-p.n+1, p.ours+1)
			p.place(t, "a placed connection", p.isn-p.n)
			p.knock(t, p.isn-p.n)
			p.forge(t, p.isn-p.n+1, p.ours+1)
			p.place(t, "another SYN", p.isn-p.n)
		}
	})
}

// A backend that sends SYN cookies, or starts anew, has another number when it answers again.
func TestSpliceProxyAnew(t *testing.T) {
	eachSplice(t, func(t *testing.T, w way) {
		p := rawProxied(t, w, wire.Segment{})
		p.answered(t, wire.Segment{})
		p.say(t, wire.Segment{Flags: "SA", Seq: 9_000_000, Ack: p.isn - p.n + 1})
		p.k.hear(t, "SA")
		p.k.say(t, "A", "")
		p.wantHeader(t, 9_000_001)
	})
}
