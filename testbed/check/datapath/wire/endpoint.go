// SPDX-License-Identifier: MIT

package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"dpr/testbed/check/datapath/vnet"
)

// An Endpoint is the end of a link without a network stack, or an observer of
// a link that has one.
type Endpoint struct {
	MAC  net.HardwareAddr
	conn *packet.Conn

	mu      sync.Mutex
	arrived *sync.Cond
	packets []*Packet
	own     map[netip.Addr]bool
	respond func(*Packet) []byte
	err     error
}

// Open starts to collect all packets that pass a link, in both directions.
func Open(h *vnet.Host, link string) (*Endpoint, error) {
	e := &Endpoint{own: map[netip.Addr]bool{}}
	e.arrived = sync.NewCond(&e.mu)
	err := h.Do(func() error {
		ifi, err := net.InterfaceByName(link)
		if err != nil {
			return err
		}
		e.MAC = ifi.HardwareAddr
		e.conn, err = packet.Listen(ifi, packet.Raw, unix.ETH_P_ALL, nil)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %s of %s: %w", link, h.Name, err)
	}
	go e.collect()
	return e, nil
}

// Close ends the endpoint.
func (e *Endpoint) Close() error { return e.conn.Close() }

// Own makes the endpoint answer for addresses when they are asked for by ARP or neighbour
// solicitations.
func (e *Endpoint) Own(as ...netip.Addr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range as {
		e.own[a] = true
	}
}

func (e *Endpoint) collect() {
	buf := make([]byte, 1<<17)
	for {
		n, _, err := e.conn.ReadFrom(buf)
		if err != nil {
			e.mu.Lock()
			e.err = err
			e.mu.Unlock()
			e.arrived.Broadcast()
			return
		}
		p := parse(append([]byte(nil), buf[:n]...))
		e.answer(p)
		e.mu.Lock()
		e.packets = append(e.packets, p)
		e.mu.Unlock()
		e.arrived.Broadcast()
	}
}

// answer answers who asks for one of the endpoint's addresses. What is lost is asked for
// again.
func (e *Endpoint) answer(p *Packet) {
	if target, ok := p.solicited(); ok && e.owns(target) {
		e.reply(p, layers.EthernetTypeIPv6, gopacket.Payload(advertise(target, p.Src(), e.MAC)))
	}
	e.mu.Lock()
	respond := e.respond
	e.mu.Unlock()
	if respond != nil {
		if ip := respond(p); ip != nil {
			_ = e.Send(p.Eth.SrcMAC, ip)
		}
	}
	if p.ARP == nil || p.ARP.Operation != layers.ARPRequest {
		return
	}
	if target, _ := netip.AddrFromSlice(p.ARP.DstProtAddress); !e.owns(target) {
		return
	}
	e.reply(p, layers.EthernetTypeARP, &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
		Operation: layers.ARPReply, SourceHwAddress: e.MAC, SourceProtAddress: p.ARP.DstProtAddress,
		DstHwAddress: p.ARP.SourceHwAddress, DstProtAddress: p.ARP.SourceProtAddress,
	})
}

// Respond makes the endpoint answer each packet by the IP packet that f returns, unless it
// is nil. It goes to who sent the packet.
func (e *Endpoint) Respond(f func(*Packet) []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.respond = f
}

func (e *Endpoint) owns(a netip.Addr) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.own[a]
}

// reply sends to who sent a packet.
func (e *Endpoint) reply(p *Packet, typ layers.EthernetType, what gopacket.SerializableLayer) {
	eth := &layers.Ethernet{SrcMAC: e.MAC, DstMAC: p.Eth.SrcMAC, EthernetType: typ}
	_, _ = e.conn.WriteTo(serialize(eth, what), &packet.Addr{HardwareAddr: p.Eth.SrcMAC})
}

// roomTimeout is how long a packet may wait for room.
const roomTimeout = 5 * time.Second

// Send sends an IP packet to a neighbour. If the way there has no room for it, it waits
// for some: another processor, which takes packets off it, may be slow.
func (e *Endpoint) Send(to net.HardwareAddr, ip []byte) error {
	typ := layers.EthernetTypeIPv4
	if len(ip) > 0 && ip[0]>>4 == 6 {
		typ = layers.EthernetTypeIPv6
	}
	frame := append(append([]byte{}, to...), e.MAC...)
	frame = append(binary.BigEndian.AppendUint16(frame, uint16(typ)), ip...)
	_, err := e.conn.WriteTo(frame, &packet.Addr{HardwareAddr: to})
	for end := time.Now().Add(roomTimeout); errors.Is(err, unix.ENOBUFS) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
		_, err = e.conn.WriteTo(frame, &packet.Addr{HardwareAddr: to})
	}
	if err != nil {
		return fmt.Errorf("send a packet of %d bytes: %w", len(ip), err)
	}
	return nil
}

// Wait returns the first packet that matches, and forgets it and all before it.
// If none comes before ctx ends, the error tells what came instead.
func (e *Endpoint) Wait(ctx context.Context, match func(*Packet) bool) (*Packet, error) {
	defer context.AfterFunc(ctx, func() {
		e.mu.Lock() // else the end could come between a look at ctx and Wait
		defer e.mu.Unlock()
		e.arrived.Broadcast()
	})()
	e.mu.Lock()
	defer e.mu.Unlock()
	var skipped []*Packet
	for {
		for i, p := range e.packets {
			if match(p) {
				e.packets = e.packets[i+1:]
				return p, nil
			}
		}
		skipped = append(skipped, e.packets...)
		e.packets = nil
		if err := errors.Join(e.err, ctx.Err()); err != nil {
			return nil, fmt.Errorf("no packet that was waited for: %w; instead: %v", err, skipped)
		}
		e.arrived.Wait()
	}
}

// Take returns all packets collected so far that match, and forgets all.
func (e *Endpoint) Take(match func(*Packet) bool) []*Packet {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []*Packet
	for _, p := range e.packets {
		if match(p) {
			out = append(out, p)
		}
	}
	e.packets = nil
	return out
}
