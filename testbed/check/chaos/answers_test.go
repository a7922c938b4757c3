// SPDX-License-Identifier: MIT

package chaos

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"dpr/testbed/lab/family"
	"dpr/testbed/lab/httpload"
)

// A synAck is a packet of a capture.
type synAck struct {
	at       float64
	from, to string
	port     uint16
	seq      uint32
}

// captured writes packets as tcpdump does.
func captured(t *testing.T, all ...synAck) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(synAckBytes, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		from, to := netip.MustParseAddr(s.from), netip.MustParseAddr(s.to)
		eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
		tcp := &layers.TCP{SrcPort: 80, DstPort: layers.TCPPort(s.port), Seq: s.seq, SYN: true, ACK: true}
		var ip interface {
			gopacket.SerializableLayer
			gopacket.NetworkLayer
		} = &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
		if from.Is6() {
			eth.EthernetType = layers.EthernetTypeIPv6
			ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
		}
		if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		buf := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, tcp); err != nil {
			t.Fatal(err)
		}
		info := gopacket.CaptureInfo{Timestamp: at(s.at), CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}
		if err := w.WritePacket(info, buf.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// Only what came to this connection, while it lived, counts; a SYN-ACK that is repeated
// counts once.
func TestAnswers(t *testing.T) {
	const s1, c1, s6, c6 = "10.77.0.11", "10.77.0.101", "fd77::11", "fd77::101"
	first, second := synAck{11, s1, c1, 40000, 7}, synAck{12, s1, c1, 40000, 8}
	for name, tt := range map[string]struct {
		all  []synAck
		want int
	}{
		"none":                          {nil, 0},
		"one":                           {[]synAck{first}, 1},
		"repeated":                      {[]synAck{first, {12, s1, c1, 40000, 7}}, 1},
		"two":                           {[]synAck{first, second, first}, 2},
		"another port":                  {[]synAck{first, {12, s1, c1, 40001, 8}}, 1},
		"of another host that it asked": {[]synAck{first, {12, "10.77.0.12", c1, 40000, 8}}, 1},
		"before it":                     {[]synAck{{9, s1, c1, 40000, 6}, first}, 1},
		"after it":                      {[]synAck{first, {21, s1, c1, 40000, 8}}, 1},
		"by IPv6":                       {[]synAck{first, {12, s6, c6, 40000, 8}}, 1},
	} {
		c := failed("s1", "", Unproved, 10, 20)
		got, err := answers(bytes.NewReader(captured(t, tt.all...)), &c, netip.MustParseAddr(s1))
		if err != nil || got != tt.want {
			t.Errorf("%s: %d (%v), want %d", name, got, err, tt.want)
		}
	}
	c := failed("s1", "", Unproved, 10, 20)
	c.Family = family.V6
	six := captured(t, synAck{11, s6, c6, 40000, 1}, synAck{12, s6, c6, 40000, 2})
	if got, err := answers(bytes.NewReader(six), &c, netip.MustParseAddr(s6)); err != nil || got != 2 {
		t.Errorf("by IPv6: %d (%v)", got, err)
	}
	// A capture that goes on may end anywhere.
	if got, err := answers(bytes.NewReader(six[:len(six)-5]), &c, netip.MustParseAddr(s6)); err != nil || got != 1 {
		t.Errorf("cut: %d (%v)", got, err)
	}
	if _, err := answers(bytes.NewReader([]byte("what")), &c, netip.MustParseAddr(s6)); err == nil {
		t.Error("no capture at all, and no error")
	}
}

// A failure that misses any one of the conditions has no reason.
func TestTwoAnswered(t *testing.T) {
	silent := func(kind EventKind, begin, end float64) []Happened {
		return []Happened{{Event: Event{Kind: kind, Host: "s4"}, Begin: at(begin), End: at(end)}}
	}
	// It began at 10, and repeated its SYN.
	two := func(change func(c *Conn)) Conn {
		c := failed("s1", "s3", ByFlow, 10, 12.2)
		c.Connected, c.Handshake, c.Answers = true, 2*time.Second, 2
		change(&c)
		return c
	}
	none := func(*Conn) {}
	timeout := func(c *Conn) { c.Class, c.End = httpload.ClassTimeout, at(72) }
	cut := silent(Cut, 9, 11)
	tests := []struct {
		name    string
		c       Conn
		history []Happened
		older   string
		want    bool
	}{
		{"all conditions", two(none), cut, "", true},
		{"nobody knows who served", two(func(c *Conn) { c.Served, c.Proof = "", Unproved }), cut, "", true},
		{"three hosts", two(func(c *Conn) { c.Answers = 3 }), cut, "", true},
		{"one host", two(func(c *Conn) { c.Answers = 1 }), cut, "", false},
		{"no handshake", two(func(c *Conn) { c.Connected = false }), cut, "", false},
		{"the SYN was not repeated", two(func(c *Conn) { c.Handshake = 980 * time.Millisecond }), cut, "", false},
		{"it was just repeated", two(func(c *Conn) { c.Handshake, c.End = repeats, at(11) }), cut, "", true},
		{"an answer came", two(func(c *Conn) { c.Requests = 1 }), cut, "", false},
		{"the head of an answer came", two(func(c *Conn) { c.Proof = ByAnswer }), cut, "", false},
		{"another failure", two(func(c *Conn) { c.Class = httpload.ClassTruncated }), cut, "", false},
		{"the RST comes in time", two(func(c *Conn) { c.End = at(17) }), cut, "", true},
		{"the RST comes later", two(func(c *Conn) { c.End = at(17.1) }), cut, "", false},

		{"nothing happened", two(none), nil, "", false},
		{"it was over before", two(none), silent(Cut, 8, 9.9), "", false},
		{"it was just not over", two(none), silent(Cut, 8, 10), "", true},
		{"it came after the handshake", two(none), silent(Cut, 12.1, 13), "", false},
		{"it came with its end", two(none), silent(Cut, 12, 13), "", true},
		{"it delays nothing", two(none), silent(Kill, 9, 11), "", false},

		{"a host of this version is silent", two(timeout), cut, "", false},
		{"another host is of another version", two(timeout), cut, "s2", false},
		{"the host of another version is silent", two(timeout), cut, "s3", true},
		{"it may have been another", two(func(c *Conn) { timeout(c); c.Proof = ByNoFlow }), cut, "s3", false},
	}
	for _, tt := range tests {
		if got := twoAnswered(&tt.c, tt.history, tt.older, false); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	// Where hosts ask, the one that has a request is waited for. Nothing else changes.
	for end, want := range map[float64]bool{12.2: true, 17.1: true, 43: true, 72: true, 72.1: false} {
		c := two(func(c *Conn) { c.End = at(end) })
		if got := twoAnswered(&c, cut, "", true); got != want {
			t.Errorf("hosts ask, and a RST comes %.1f s after the handshake: %v, want %v", end-12, got, want)
		}
	}
	late := two(func(c *Conn) { c.Answers, c.End = 1, at(43) })
	if twoAnswered(&late, cut, "", true) {
		t.Error("hosts ask, and one host has answered: it may fail")
	}
	for _, k := range EventKinds() {
		want := map[EventKind]bool{Cut: true, CutOut: true, CutIn: true, Deaf: true, Loss: true, Delay: true, Isolate: true}[k]
		if delays(k) != want {
			t.Errorf("%s: delays %v", k, delays(k))
		}
	}
}

// A failure is of this reason only if it has no other, and counts by it.
func TestTwoAnsweredIsCounted(t *testing.T) {
	r := passing()
	r.History = append(r.History, Happened{Event: Event{Kind: Cut, Host: "s4"}, Begin: at(100), End: at(101)})
	c := failed("s1", "s3", ByFlow, 100, 102.2)
	c.Connected, c.Handshake, c.Answers = true, 2*time.Second, 2
	if u := r.add(&c, nil, four); u != nil || r.Allowed[TwoAnswers] != 1 {
		t.Errorf("unexpected %v, allowed %v", u, r.Allowed)
	}
	if u := r.add(&c, []Harm{harm(Off, "s3", 101, 110)}, four); u != nil || r.Allowed[ServedOff] != 1 || r.Allowed[TwoAnswers] != 1 {
		t.Errorf("unexpected %v, allowed %v", u, r.Allowed)
	}
	c.End = at(143)
	if u := r.add(&c, nil, four); u == nil {
		t.Error("hosts do not ask, and a RST may come after 41 s")
	}
	r.asks = true
	if u := r.add(&c, nil, four); u != nil || r.Allowed[TwoAnswers] != 2 {
		t.Errorf("hosts ask: unexpected %v, allowed %v", u, r.Allowed)
	}
	c.Answers = 1
	if u := r.add(&c, nil, four); u == nil {
		t.Error("one answer, and it may fail")
	}
}
