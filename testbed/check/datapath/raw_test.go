// SPDX-License-Identifier: MIT

//go:build lab

package datapath

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"dpr/testbed/check/datapath/vnet"
	"dpr/testbed/check/datapath/wire"
)

// A raw host is on the switch without a network stack: the test sends and sees every
// packet itself.
type raw struct {
	*wire.Endpoint
	addr netip.Addr // of the clients' family
	macs map[*vnet.Host]net.HardwareAddr
}

// raw adds a raw host to the cluster.
func (c *cluster) raw(t *testing.T, addr netip.Addr) *raw {
	t.Helper()
	r := &raw{observe(t, c.host(t, "R"+addr.String(), netip.Addr{})), c.addr(addr), map[*vnet.Host]net.HardwareAddr{}}
	r.Own(addr, vnet.Twin(addr))
	return r
}

// send sends an IP packet to a server.
func (r *raw) send(t *testing.T, to *server, ip []byte) {
	t.Helper()
	mac := r.macs[to.Host]
	if mac == nil {
		var err error
		mac, err = to.MAC(eth)
		check(t, err)
		r.macs[to.Host] = mac
	}
	check(t, r.Send(mac, ip))
}

// get waits for a packet.
func (r *raw) get(t *testing.T, match func(*wire.Packet) bool) *wire.Packet {
	t.Helper()
	return await(t, r.Endpoint, match)
}

// await waits for a packet at an endpoint.
func await(t *testing.T, e *wire.Endpoint, match func(*wire.Packet) bool) *wire.Packet {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), step)
	defer cancel()
	p, err := e.Wait(ctx, match)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// settle is the time in which a packet that is not to come would have come: the
// links are queues in memory.
const settle = 100 * time.Millisecond

// silence fails the test if a packet comes that matches.
func silence(t *testing.T, e *wire.Endpoint, match func(*wire.Packet) bool) {
	t.Helper()
	time.Sleep(settle)
	for _, p := range e.Take(match) {
		t.Errorf("unexpected packet: %v", p)
	}
}

// gather waits for n packets that match, and fails the test if there are more.
func gather(t *testing.T, e *wire.Endpoint, n int, match func(*wire.Packet) bool) (got []*wire.Packet) {
	t.Helper()
	eventually(t, func() error {
		if got = append(got, e.Take(match)...); len(got) < n {
			return fmt.Errorf("%d packets, want %d", len(got), n)
		}
		return nil
	})
	if len(got) > n {
		t.Errorf("%d packets, want %d", len(got), n)
	}
	return got
}

// A talk is a TCP connection that the test speaks itself, packet by packet.
type talk struct {
	r             *raw
	via           *server
	local, remote netip.AddrPort
	seq, ack      uint32
}

// talk prepares a connection from a raw host to a server.
func (r *raw) talk(via *server, localPort uint16) *talk {
	return &talk{r: r, via: via, local: netip.AddrPortFrom(r.addr, localPort), remote: via.service(), seq: 1_000_000}
}

// segment returns the connection's next segment.
func (k *talk) segment(flags, payload string) wire.Segment {
	s := wire.Segment{Src: k.local, Dst: k.remote, Flags: flags, Seq: k.seq, Payload: []byte(payload)}
	if s.Flags != "S" && s.Flags != "R" {
		s.Ack = k.ack
	}
	return s
}

// say sends the connection's next segment and counts it as sent.
func (k *talk) say(t *testing.T, flags, payload string) {
	t.Helper()
	k.send(t, k.segment(flags, payload))
}

// send sends a segment and counts it as sent.
func (k *talk) send(t *testing.T, s wire.Segment) {
	t.Helper()
	k.r.send(t, k.via, s.Bytes())
	k.seq = s.Seq + uint32(len(s.Payload))
	for _, f := range s.Flags {
		if f == 'S' || f == 'F' {
			k.seq++
		}
	}
}

// mine matches segments to the connection's client.
func (k *talk) mine(p *wire.Packet) bool {
	return p.TCP != nil && !p.Tunnelled() && p.Dst() == k.local.Addr() && p.Src() == k.remote.Addr() &&
		uint16(p.TCP.DstPort) == k.local.Port() && uint16(p.TCP.SrcPort) == k.remote.Port()
}

// hear waits for a segment with the flags and notes what it acknowledges.
func (k *talk) hear(t *testing.T, flags string) *wire.Packet {
	t.Helper()
	p := k.r.get(t, func(p *wire.Packet) bool { return k.mine(p) && p.Has(flags) })
	k.ack = p.TCP.Seq + uint32(len(p.Payload))
	if p.TCP.SYN || p.TCP.FIN {
		k.ack++
	}
	return p
}

// open makes the handshake.
func (k *talk) open(t *testing.T) {
	t.Helper()
	k.say(t, "S", "")
	k.hear(t, "SA")
	k.say(t, "A", "")
}

// answer sends a segment until a packet comes that matches, as a client repeats it: what
// comes while a program is using its socket, and finds the socket closed after that, is
// dropped by the kernel, with or without a redirection.
func (k *talk) answer(t *testing.T, flags, payload string, match func(*wire.Packet) bool) *wire.Packet {
	t.Helper()
	s := k.segment(flags, payload)
	var answer *wire.Packet
	eventually(t, func() (err error) {
		k.send(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answer, err = k.r.Wait(ctx, func(p *wire.Packet) bool { return k.mine(p) && match(p) })
		return err
	})
	return answer
}

// reopen makes a handshake while the last connection may not be quite over: what
// a socket that is just closing drops, a client sends again after a second.
func (k *talk) reopen(t *testing.T) {
	t.Helper()
	syn := k.segment("S", "")
	eventually(t, func() error {
		k.send(t, syn)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p, err := k.r.Wait(ctx, func(p *wire.Packet) bool { return k.mine(p) && p.Has("SA") })
		if err == nil {
			k.ack = p.TCP.Seq + 1
		}
		return err
	})
	k.say(t, "A", "")
}

// ask sends a line and returns the answer.
func (k *talk) ask(t *testing.T, line string) string {
	t.Helper()
	k.say(t, "PA", line+"\n")
	p := k.hear(t, "PA")
	k.say(t, "A", "")
	return string(p.Payload)
}

// wantServed fails the test unless the named web serves the connection.
func (k *talk) wantServed(t *testing.T, by string) {
	t.Helper()
	if got := k.ask(t, "who"); got != by+"\n" {
		t.Errorf("served by %q, want %q", got, by)
	}
}
