// SPDX-License-Identifier: MIT

package chaos

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"dpr/testbed/lab/httpload"
)

const (
	// synAcks is what is captured at each client, in pcap-filter(7)'s language, which
	// does not look for TCP behind extension headers.
	synAcks = "tcp src port 80 and (tcp[13] & 18 == 18 or (ip6 and ip6[53] & 18 == 18))"
	// synAckBytes are enough for the headers.
	synAckBytes = 120
	// repeats is after how long a client repeats its SYN, less the clock's grain.
	repeats = 990 * time.Millisecond
	// resets is how long after the handshake a RST may come that answers the client's
	// first segments: they may be lost, and so may the RST.
	resets = 5 * time.Second
	// resetsAsked is the same where hosts ask for connections that they do not know. The
	// host that did not send what the client acknowledges has a request of it, and so
	// does not deny it: the first host waits for that, for 15 s and a copy of the client's
	// segment, and one more copy gets the RST. Copies come at intervals that double: that
	// may be as late as the client waits.
	resetsAsked = patience
)

// answers counts the SYN-ACKs, in a capture of a client's, of a connection that has just
// failed: those with other sequence numbers are of other hosts. The capture may be going
// on.
func answers(capture io.Reader, c *Conn, asked netip.Addr) (int, error) {
	r, err := pcapgo.NewReader(capture)
	if err != nil {
		return 0, fmt.Errorf("reading a capture: %w", err)
	}
	var numbers []uint32
	for {
		data, info, err := r.ReadPacketData()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return len(numbers), nil
		case err != nil:
			return 0, fmt.Errorf("reading a capture: %w", err)
		case info.Timestamp.Before(c.Begin) || info.Timestamp.After(c.End):
			continue // of another connection from this port
		}
		p := gopacket.NewPacket(data, r.LinkType(), gopacket.NoCopy)
		ip, tcp := p.NetworkLayer(), p.Layer(layers.LayerTypeTCP)
		if ip == nil || tcp == nil {
			continue
		}
		from, _ := netip.AddrFromSlice(ip.NetworkFlow().Src().Raw())
		t := tcp.(*layers.TCP)
		if from == asked && int(t.DstPort) == c.Port && !slices.Contains(numbers, t.Seq) {
			numbers = append(numbers, t.Seq)
		}
	}
}

// answers counts the answers to a connection's SYNs.
func (c *cluster) answers(conn *Conn) (int, error) {
	asked, err := c.address(conn)
	if err != nil {
		return 0, err
	}
	f, err := os.Open(c.captures[conn.Client])
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return answers(f, conn, asked)
}

// delays says whether an event may have a host answer a SYN a second late, or change
// which host a copy of the SYN goes to. Both must be for two hosts to answer one client.
func delays(k EventKind) bool {
	switch k {
	case Cut, CutOut, CutIn, Deaf, Loss, Delay, Isolate:
		return true
	}
	return false
}

// twoAnswered says whether a connection may have failed as two hosts answered copies of
// its SYN. Its client repeated the SYN, as a host was silent, and the copy went to another
// one; the answer of the silent one was the first to come after all. So the client
// acknowledged what the host that had the connection then had not sent. It answers with a
// RST (RFC 9293, 3.10.7.4), or the first host does if hosts ask for connections that they
// do not know; one of an older version does not answer a redirected segment.
func twoAnswered(c *Conn, history []Happened, older string, asks bool) bool {
	if !c.Connected || c.Requests > 0 || c.Proof == ByAnswer || c.Handshake < repeats || c.Answers < 2 {
		return false
	}
	shaken := c.Begin.Add(c.Handshake)
	longest := resets
	if asks {
		longest = resetsAsked
	}
	switch c.Class {
	case httpload.ClassReset:
		if c.End.Sub(shaken) > longest {
			return false
		}
	case httpload.ClassTimeout:
		if older == "" || c.Served != older || c.Proof != ByFlow {
			return false
		}
	default:
		return false
	}
	return slices.ContainsFunc(history, func(h Happened) bool {
		return delays(h.Kind) && !h.Begin.After(shaken) && !h.End.Before(c.Begin)
	})
}
