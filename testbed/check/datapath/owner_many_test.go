// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/wire"
	"dpr/userland/dprnl"
)

// ownerMany is the kind of a message of many questions, of kmod/owner_msg.h.
const ownerMany = 10

// manyMost is how many questions such a message has at most.
const manyMost = 28

// question is one of them.
type question struct {
	nonce           uint32
	client, service netip.AddrPort
}

// manyMessage makes a message of many questions.
func manyMessage(all ...question) []byte {
	b := []byte("DPRo")
	if all[0].client.Addr().Is6() {
		b = []byte("DPR6")
	}
	b = append(b, ownerMany, byte(len(all)), 0, 0)
	for _, q := range all {
		b = binary.BigEndian.AppendUint32(b, q.nonce)
		b = append(append(b, q.client.Addr().AsSlice()...), q.service.Addr().AsSlice()...)
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, q.client.Port()), q.service.Port())
	}
	seal(b)
	return b
}

// questions reads such a message, and returns nil if it is none.
func (w way) questions(t *testing.T, b []byte) []question {
	t.Helper()
	if len(b) < 8 || b[4] != ownerMany {
		return nil
	}
	size := map[int]int{4: 4, 6: 16}[w.client]
	one := 8 + 2*size
	n := int(b[5])
	if n < 1 || n > manyMost || len(b) != 8+n*one || string(b[:4]) != map[int]string{4: "DPRo", 6: "DPR6"}[w.client] {
		t.Fatalf("a message of %d questions in %d bytes: %q", n, len(b), b)
	}
	sealed := append([]byte(nil), b...)
	if seal(sealed); string(sealed) != string(b) {
		t.Errorf("the checksum is wrong: %x", b)
	}
	var all []question
	for i := range n {
		q := b[8+i*one:][:one]
		client, _ := netip.AddrFromSlice(q[4:][:size])
		service, _ := netip.AddrFromSlice(q[4+size:][:size])
		all = append(all, question{
			binary.BigEndian.Uint32(q), netip.AddrPortFrom(client, binary.BigEndian.Uint16(q[4+2*size:])),
			netip.AddrPortFrom(service, binary.BigEndian.Uint16(q[6+2*size:])),
		})
	}
	return all
}

// scarce is a takeover in which D has so many peers that it runs out of messages soon. One
// of them is seen, the others are not there. B has some connections that D is to find.
type scarce struct {
	*takeover
	moved []*talk
	seen  *raw
	next  int // port of the next stray
}

const (
	scarcePeers = 240
	scarceMoved = 30
)

func newScarce(t *testing.T, w way, protocol uint32) *scarce {
	t.Helper()
	k := newTakeover(t, w)
	s := &scarce{takeover: k, next: 20_000}
	r := k.raw(t, addrR)
	for i := range scarceMoved {
		m := r.talk(k.a, uint16(4000+i))
		m.open(t)
		m.wantServed(t, "B")
		m.via = k.d
		s.moved = append(s.moved, m)
	}
	k.die(t, dprnl.OrphansAsk)
	at := netip.MustParseAddr("10.77.0.55")
	s.seen = k.raw(t, at)
	peers := []netip.Addr{addrB, at}
	for i := range scarcePeers {
		peers = append(peers, netip.AddrFrom4([4]byte{10, 99, 0, byte(1 + i)}))
	}
	for _, a := range peers {
		report := w.report(a, 1_000_000)
		report.Protocol = max(report.Protocol, protocol)
		check(t, k.d.dpr.SetPeer(t.Context(), report))
	}
	return s
}

// stray sends a segment that belongs to nothing.
func (s *scarce) stray(t *testing.T) {
	t.Helper()
	k := s.moved[0].r.talk(s.d, uint16(s.next))
	k.remote, k.ack = s.a.service(), 1
	k.r.send(t, s.d, k.segment("A", "").Bytes())
	s.next++
}

// seek has the clients send until D has found all of their connections.
func (s *scarce) seek(t *testing.T, d *meter) {
	t.Helper()
	eventually(t, func() error {
		for _, m := range s.moved {
			m.r.send(t, s.d, m.segment("A", "").Bytes())
		}
		time.Sleep(2 * settle)
		if n := d.changes(t)[dprnl.StatOwnerFound]; n != scarceMoved {
			return fmt.Errorf("%d connections found", n)
		}
		return nil
	})
	for _, m := range s.moved[:3] {
		m.wantServed(t, "B")
	}
}

// asksMany matches messages of many questions.
func asksMany(p *wire.Packet) bool {
	m := ownerMessage(p)
	return len(m) > 4 && m[4] == ownerMany
}

// When messages get scarce many questions go in one, and all get their answers.
func TestOwnerMany(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		s := newScarce(t, w, 4)
		b, d := s.b.meter(t), s.d.meter(t)
		var many []*wire.Packet
		for start := time.Now(); len(many) == 0; many = s.seen.Take(asksMany) {
			if time.Since(start) > floodTime {
				t.Fatalf("each of %d questions went in %d messages", s.next-20_000, scarcePeers+2)
			}
			for range 50 {
				s.stray(t)
			}
		}
		s.seek(t, d)
		time.Sleep(settle)
		many = append(many, s.seen.Take(asksMany)...)
		asked, nonces := map[uint16]bool{}, map[uint32]bool{}
		for _, p := range many {
			if p.IP[0].Src != w.own(addrD) || p.IP[1].Src != w.own(addrD) || p.IP[1].Dst != w.own(netip.MustParseAddr("10.77.0.55")) {
				t.Errorf("from %v, in it from %v to %v", p.IP[0].Src, p.IP[1].Src, p.IP[1].Dst)
			}
			for _, q := range w.questions(t, ownerMessage(p)) {
				if q.client.Addr() != w.addr(addrR) || q.service != s.a.service() {
					t.Errorf("a question about %v to %v", q.client, q.service)
				}
				asked[q.client.Port()], nonces[q.nonce] = true, true
			}
		}
		if len(nonces) < len(asked) {
			t.Errorf("%d numbers for %d connections", len(nonces), len(asked))
		}
		questions, messages := d.changes(t)[dprnl.StatOwnerAsked], b.changes(t)[dprnl.StatRxOwnerAsked]
		t.Logf("%d messages had %d questions; B got %d messages for %d", len(many), len(asked), messages, questions)
		if messages >= questions || len(asked) < 2*len(many) {
			t.Errorf("few questions in a message")
		}
		wantChange(t, b, dprnl.StatOwnerClaimed, scarceMoved)
	})
}

// A host that does not know such messages gets each question by itself, and no more of them
// than the limit allows.
func TestOwnerManyOlder(t *testing.T) {
	bothMarkers(t, func(t *testing.T, w way) {
		s := newScarce(t, w, 0)
		d := s.d.meter(t)
		start := time.Now()
		for s.next < 21_500 && time.Since(start) < floodTime {
			s.stray(t)
		}
		got := d.changes(t)
		// A message of many that went to older hosts is paid for afterwards.
		most := 20_000*(1+time.Since(start).Seconds()) + float64(manyMost*(scarcePeers+2))
		n := float64(got[dprnl.StatTxOwnerMessages])
		if t.Logf("%.0f messages, at most %.0f may be", n, most); n > most {
			t.Error("too many messages")
		}
		s.seek(t, d)
		silence(t, s.seen.Endpoint, asksMany)
	})
}

// What a message of many questions says about connections that B has is answered, each by a
// claim; what is wrong with it has all of it dropped.
func TestOwnerManyReceived(t *testing.T) {
	allWays(t, func(t *testing.T, w way) {
		c := newCluster(t, w)
		r := c.raw(t, addrR)
		var served []*talk
		for i := range 3 {
			m := r.talk(c.a, uint16(4000+i))
			m.open(t)
			m.wantServed(t, "B")
			served = append(served, m)
		}
		seen := observe(t, c.b.Host)
		ask := func(nonce uint32, port uint16) question {
			return question{nonce, w.addrPort(addrR, port), c.a.service()}
		}
		full := make([]question, manyMost)
		for i := range full {
			full[i] = ask(uint32(100+i), uint16(4000+i))
		}
		over := append(full, ask(99, 4000))
		broken := manyMessage(full...)
		broken[len(broken)-1] ^= 1
		none := manyMessage(ask(1, 4000))[:8]
		none[5] = 0
		seal(none)
		magic := manyMessage(ask(1, 4000))
		magic[3] = 'x'
		seal(magic)
		long := append(manyMessage(ask(1, 4000)), 1, 2, 3, 4)
		for _, tt := range []struct {
			name    string
			message []byte
			claims  []uint32
			stat    dprnl.Stat
		}{
			{"one", manyMessage(ask(7, 4001)), []uint32{7}, dprnl.StatRxOwnerAsked},
			{"all, and others", manyMessage(full...), []uint32{100, 101, 102}, dprnl.StatRxOwnerAsked},
			{"bytes behind it", long, []uint32{1}, dprnl.StatRxOwnerAsked},
			{"more than fit", manyMessage(over...), nil, dprnl.StatRxMalformed},
			{"none", none, nil, dprnl.StatRxMalformed},
			{"cut off", manyMessage(full...)[:len(broken)-4], nil, dprnl.StatRxMalformed},
			{"wrong checksum", broken, nil, dprnl.StatRxMalformed},
			{"wrong magic", magic, nil, dprnl.StatRxMalformed},
		} {
			b := c.b.meter(t)
			r.send(t, c.b, w.message(addrA, addrB, tt.message))
			time.Sleep(settle)
			// Without the bit the host's own tunnels get what is no message.
			if n := b.changes(t)[tt.stat]; n != 1 && (tt.claims != nil || w.marked()) {
				t.Errorf("%s: %v %d times, %v", tt.name, tt.stat, n, b.changes(t))
			}
			var got []uint32
			for _, p := range seen.Take(func(p *wire.Packet) bool { return ownerMessage(p) != nil && p.Src() == w.own(addrB) }) {
				m := ownerMessage(p)
				if m[4] != ownerClaimed {
					t.Errorf("%s: answered by kind %d", tt.name, m[4])
				}
				got = append(got, binary.BigEndian.Uint32(m[8:]))
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.claims) {
				t.Errorf("%s: claims %d, want %d", tt.name, got, tt.claims)
			}
		}
		for _, m := range served {
			m.wantServed(t, "B")
		}
	})
}
