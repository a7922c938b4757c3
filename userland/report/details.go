// SPDX-License-Identifier: MIT

package report

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"

	"dpr/userland/dprnl"
)

// Limits of what a report of version 2 can contain.
const (
	MaxAddresses = 16  // further addresses of a host
	MaxServices  = 128 // services; the others are taken to be up
	MaxHeard     = 64  // peers that one report names
	MaxSoftware  = 64  // bytes of the software's version
	// MaxCounts is the number of ports whose open connections are said: as many as can have
	// loads of their own. Those of the others are unknown.
	MaxCounts = dprnl.MaxServiceLoads
)

// impliedProtocol is the protocol of a host that sends reports of version 2 which do not
// name another.
const impliedProtocol = 2

// Details are what a report of version 2 says beyond those of version 1.
type Details struct {
	Addresses []netip.Addr // the host's further unicast addresses
	Services  []Service    // of the host, by port
	// ServicesSaid is true if the report says of services, even that there are none.
	ServicesSaid bool
	Peers        int               // how many peers the host hears, 0 to dprnl.MaxPeers
	Heard        []PeerID          // of these, all or some; which ones changes with each report
	Settings     Digest            // of the settings that must be equal on all hosts; 0: unknown
	Software     string            // version of the software, printable ASCII
	Counts       []dprnl.PortCount // open connections of the host's services, by port
	Protocol     uint8             // between hosts, that the host knows, 2 at least; 0: it does not say, so 2
}

// A Service is the state of a service, as the host itself sees it.
type Service struct {
	Port  uint16
	State dprnl.ServiceState
}

// A PeerID stands for a peer's address: the first bytes of a hash.
type PeerID uint32

// IDOf returns the id of an address.
func IDOf(a netip.Addr) PeerID {
	b := a.As16()
	sum := sha256.Sum256(b[:])
	return PeerID(binary.BigEndian.Uint32(sum[:]))
}

// A Digest is the start of a hash.
type Digest [8]byte

// IsZero reports whether the digest is unknown.
func (d Digest) IsZero() bool { return d == Digest{} }

func (d *Details) check(host netip.Addr) error {
	if len(d.Addresses) > MaxAddresses {
		return fmt.Errorf("%w: %d addresses, at most %d", ErrRange, len(d.Addresses), MaxAddresses)
	}
	for _, a := range d.Addresses {
		if !unicast(a) || a.Unmap() == host.Unmap() {
			return fmt.Errorf("%w: address %v is not another unicast address", ErrRange, a)
		}
	}
	if len(d.Services) > MaxServices {
		return fmt.Errorf("%w: %d services, at most %d", ErrRange, len(d.Services), MaxServices)
	}
	for i, s := range d.Services {
		if s.Port == 0 || i > 0 && s.Port <= d.Services[i-1].Port {
			return fmt.Errorf("%w: port %d of service %d, want them in order", ErrRange, s.Port, i)
		}
	}
	if len(d.Counts) > MaxCounts {
		return fmt.Errorf("%w: connections of %d ports, at most %d", ErrRange, len(d.Counts), MaxCounts)
	}
	for i, c := range d.Counts {
		if c.Port == 0 || i > 0 && c.Port <= d.Counts[i-1].Port {
			return fmt.Errorf("%w: connections of port %d, number %d, want them in order", ErrRange, c.Port, i)
		}
	}
	if d.Peers < 0 || d.Peers > dprnl.MaxPeers || len(d.Heard) > min(d.Peers, MaxHeard) {
		return fmt.Errorf("%w: %d of %d peers named, at most %d of %d", ErrRange, len(d.Heard), d.Peers, MaxHeard, dprnl.MaxPeers)
	}
	if len(d.Software) > MaxSoftware {
		return fmt.Errorf("%w: software version of %d bytes, at most %d", ErrRange, len(d.Software), MaxSoftware)
	}
	if d.Protocol != 0 && d.Protocol < impliedProtocol {
		return fmt.Errorf("%w: protocol %d, at least %d", ErrRange, d.Protocol, impliedProtocol)
	}
	for i := range len(d.Software) {
		if c := d.Software[i]; c < ' ' || c > '~' {
			return fmt.Errorf("%w: byte %#x in the software version", ErrRange, c)
		}
	}
	return nil
}

// unicast says whether other hosts can send to an address. An IPv6 one of the link means
// nothing without an interface of their own.
func unicast(a netip.Addr) bool {
	a = a.Unmap()
	if a.Is6() && a.IsLinkLocalUnicast() {
		return false
	}
	return a.IsValid() && a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
