// SPDX-License-Identifier: MIT

package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// A Packet is one that was observed.
type Packet struct {
	Eth     *layers.Ethernet
	ARP     *layers.ARP
	IP      []*IP // headers, the outermost first
	TCP     *layers.TCP
	ICMP    *Message
	Payload []byte // what follows the innermost header that was understood
	Frame   []byte
}

// parse takes an Ethernet frame apart.
func parse(frame []byte) *Packet {
	p := &Packet{Frame: frame}
	var eth layers.Ethernet
	if eth.DecodeFromBytes(frame, gopacket.NilDecodeFeedback) != nil {
		return p
	}
	p.Eth, p.Payload = &eth, eth.Payload
	switch eth.EthernetType {
	case layers.EthernetTypeARP:
		var arp layers.ARP
		if arp.DecodeFromBytes(eth.Payload, gopacket.NilDecodeFeedback) == nil {
			p.ARP, p.Payload = &arp, arp.LayerPayload()
		}
	case layers.EthernetTypeIPv4:
		p.parseIP(4)
	case layers.EthernetTypeIPv6:
		p.parseIP(6)
	}
	return p
}

// parseIP takes the IP headers apart, of which the first has the version, and what
// follows the last.
func (p *Packet) parseIP(version uint8) {
	for {
		ip, err := parseIP(p.Payload, version)
		if err != nil {
			return
		}
		p.IP, p.Payload = append(p.IP, ip), ip.Payload
		if ip.Fragment() {
			return
		}
		switch ip.Protocol {
		case layers.IPProtocolIPv4:
			version = 4
			continue
		case layers.IPProtocolIPv6:
			version = 6
			continue
		case layers.IPProtocolTCP:
			var tcp layers.TCP
			if tcp.DecodeFromBytes(ip.Payload, gopacket.NilDecodeFeedback) == nil {
				p.TCP, p.Payload = &tcp, tcp.Payload
			}
		case layers.IPProtocolICMPv4, layers.IPProtocolICMPv6:
			if b := ip.Payload; len(b) >= 8 {
				p.ICMP = &Message{b[0], b[1], binary.BigEndian.Uint32(b[4:]), ip.Protocol == layers.IPProtocolICMPv6}
				p.Payload = b[8:]
			}
		}
		return
	}
}

// Src returns the source of the innermost header that was understood.
func (p *Packet) Src() netip.Addr {
	if len(p.IP) == 0 {
		return netip.Addr{}
	}
	return p.IP[len(p.IP)-1].Src
}

// Dst returns the destination likewise.
func (p *Packet) Dst() netip.Addr {
	if len(p.IP) == 0 {
		return netip.Addr{}
	}
	return p.IP[len(p.IP)-1].Dst
}

// Tunnelled says whether the packet is IP-in-IP.
func (p *Packet) Tunnelled() bool { return len(p.IP) > 1 }

// Has says whether the packet is a TCP segment with all of the flags, letters of
// "SAFRPUEC".
func (p *Packet) Has(flags string) bool {
	if p.TCP == nil {
		return false
	}
	set := map[rune]bool{'S': p.TCP.SYN, 'A': p.TCP.ACK, 'F': p.TCP.FIN, 'R': p.TCP.RST, 'P': p.TCP.PSH, 'U': p.TCP.URG,
		'E': p.TCP.ECE, 'C': p.TCP.CWR}
	for _, f := range flags {
		if !set[f] {
			return false
		}
	}
	return true
}

// MSS returns the value of the MSS option, 0 if there is none.
func (p *Packet) MSS() uint16 {
	if p.TCP == nil {
		return 0
	}
	for _, o := range p.TCP.Options {
		if o.OptionType == layers.TCPOptionKindMSS && len(o.OptionData) == 2 {
			return uint16(o.OptionData[0])<<8 | uint16(o.OptionData[1])
		}
	}
	return 0
}

// Inner returns the bytes of the innermost IP packet, as long as its header
// says.
func (p *Packet) Inner() []byte { return p.IP[len(p.IP)-1].bytes() }

// Outer returns the bytes of a packet from its outermost IP header on.
func (p *Packet) Outer() []byte { return p.IP[0].bytes() }

func (ip *IP) bytes() []byte { return append(append([]byte(nil), ip.Contents...), ip.Payload...) }

// ChecksumsRight says whether the checksums of all headers are.
func (p *Packet) ChecksumsRight() bool {
	for _, ip := range p.IP {
		if ip.Src.Is4() && ones(ip.Contents) != 0xffff {
			return false
		}
	}
	if p.TCP == nil || len(p.IP) == 0 {
		return true
	}
	ip := p.IP[len(p.IP)-1]
	return ones(append(pseudo(ip.Src, ip.Dst, layers.IPProtocolTCP, len(ip.Payload)), ip.Payload...)) == 0xffff
}

// String describes the packet in a line.
func (p *Packet) String() string {
	var b strings.Builder
	for _, ip := range p.IP {
		fmt.Fprintf(&b, "%v>%v p%d frag %v+%d tos %#x ", ip.Src, ip.Dst, ip.Protocol, ip.Flags, ip.FragOffset, ip.TOS)
		if ip.Src.Is6() {
			fmt.Fprintf(&b, "label %#x ", ip.Label)
		}
	}
	switch {
	case p.TCP != nil:
		flags := ""
		for _, f := range "SAFRPUEC" {
			if p.Has(string(f)) {
				flags += string(f)
			}
		}
		fmt.Fprintf(&b, "tcp %d>%d [%s] seq %d ack %d", p.TCP.SrcPort, p.TCP.DstPort, flags, p.TCP.Seq, p.TCP.Ack)
	case p.ICMP != nil:
		fmt.Fprintf(&b, "icmp %d/%d", p.ICMP.Type, p.ICMP.Code)
	case p.ARP != nil:
		b.WriteString("arp")
	}
	fmt.Fprintf(&b, " len %d", len(p.Payload))
	return b.String()
}
