// SPDX-License-Identifier: MIT

package wire

import (
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
	IP      []*layers.IPv4 // headers, the outermost first
	TCP     *layers.TCP
	ICMP    *layers.ICMPv4
	Payload []byte // what follows the innermost header that was understood
	Frame   []byte
}

// parse takes an Ethernet frame apart.
func parse(frame []byte) *Packet {
	p := &Packet{Frame: frame}
	for _, l := range gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy).Layers() {
		switch l := l.(type) {
		case *layers.Ethernet:
			p.Eth = l
		case *layers.ARP:
			p.ARP = l
		case *layers.IPv4:
			p.IP = append(p.IP, l)
		case *layers.TCP:
			p.TCP = l
		case *layers.ICMPv4:
			p.ICMP = l
		default:
			continue
		}
		p.Payload = l.LayerPayload()
	}
	return p
}

// Src returns the source of the innermost header that was understood.
func (p *Packet) Src() netip.Addr { return p.addr(func(ip *layers.IPv4) []byte { return ip.SrcIP }) }

// Dst returns the destination likewise.
func (p *Packet) Dst() netip.Addr { return p.addr(func(ip *layers.IPv4) []byte { return ip.DstIP }) }

func (p *Packet) addr(of func(*layers.IPv4) []byte) netip.Addr {
	if len(p.IP) == 0 {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(of(p.IP[len(p.IP)-1]))
	return a.Unmap()
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
func (p *Packet) Inner() []byte {
	ip := p.IP[len(p.IP)-1]
	b := append([]byte(nil), ip.Contents...)
	return append(b, ip.Payload...)
}

// ChecksumsRight says whether the checksums of all headers are.
func (p *Packet) ChecksumsRight() bool {
	for _, ip := range p.IP {
		if ones(ip.Contents) != 0xffff {
			return false
		}
	}
	if p.TCP == nil || len(p.IP) == 0 {
		return true
	}
	ip := p.IP[len(p.IP)-1]
	pseudo := append(append([]byte{}, ip.SrcIP.To4()...), ip.DstIP.To4()...)
	pseudo = append(pseudo, 0, 6, byte(len(ip.Payload)>>8), byte(len(ip.Payload)))
	return ones(append(pseudo, ip.Payload...)) == 0xffff
}

// ones is the one's complement sum of 16-bit words.
func ones(b []byte) uint32 {
	sum := uint32(0)
	for i, c := range b {
		if i%2 == 0 {
			sum += uint32(c) << 8
		} else {
			sum += uint32(c)
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}

// String describes the packet in a line.
func (p *Packet) String() string {
	var b strings.Builder
	for _, ip := range p.IP {
		fmt.Fprintf(&b, "%v>%v p%d frag %v+%d tos %#x ", ip.SrcIP, ip.DstIP, ip.Protocol, ip.Flags, ip.FragOffset, ip.TOS)
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
		fmt.Fprintf(&b, "icmp %v", p.ICMP.TypeCode)
	case p.ARP != nil:
		b.WriteString("arp")
	}
	fmt.Fprintf(&b, " len %d", len(p.Payload))
	return b.String()
}
