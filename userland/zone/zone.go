// SPDX-License-Identifier: MIT

// Package zone writes DNS zones that publish the addresses of a cluster's live
// hosts, in the master file format of RFC 1035.
package zone

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"dpr/userland/dprnl"
)

// An Order says in which order a zone lists the hosts.
type Order string

// The orders. Servers that rotate addresses themselves need no other than
// OrderAddress.
const (
	OrderAddress Order = "address" // ascending
	OrderRotate  Order = "rotate"  // ascending, but each serial starts with the next
)

// A NameServer is a server of the zone.
type NameServer struct {
	Name    string     // fully qualified, with its final dot
	Address netip.Addr // for a name inside the zone, else invalid
}

// A Zone is what is written besides addresses and serial.
type Zone struct {
	Name       string        // fully qualified, with its final dot
	TTL        time.Duration // of all records; whole seconds
	Owners     []string      // fully qualified names that have the hosts' addresses
	Servers    []NameServer  // at least one
	Hostmaster string        // of the SOA record: the mail address with a dot for its @
	Order      Order
}

// What secondary servers do, in seconds. A zone that lost its primary is
// better than none for a day.
const (
	refresh = 60
	retry   = 10
	expire  = 86400
)

// serialMark stands behind the serial, so that it is found again.
const serialMark = "; serial"

// Format writes the zone with a serial and the hosts' addresses, of which
// there must be one.
func (z *Zone) Format(serial uint32, hosts []netip.Addr) []byte {
	ttl := int(z.TTL / time.Second)
	var b bytes.Buffer
	fmt.Fprintln(&b, "; The live hosts of the cluster, written by dprctl zone. Changes are lost.")
	fmt.Fprintf(&b, "$ORIGIN %s\n$TTL %d\n", z.Name, ttl)
	fmt.Fprintf(&b, "@ IN SOA %s %s (\n\t%d %s\n\t%d %d %d %d )\n", z.Servers[0].Name, z.Hostmaster,
		serial, serialMark, refresh, retry, expire, ttl)
	for _, s := range z.Servers {
		fmt.Fprintf(&b, "@ IN NS %s\n", s.Name)
	}
	for _, s := range z.Servers {
		if s.Address.IsValid() {
			fmt.Fprintf(&b, "%s IN A %v\n", s.Name, s.Address)
		}
	}
	for _, owner := range z.Owners {
		for _, h := range z.arrange(serial, hosts) {
			fmt.Fprintf(&b, "%s IN A %v\n", owner, h)
		}
	}
	return b.Bytes()
}

// arrange puts hosts into the zone's order.
func (z *Zone) arrange(serial uint32, hosts []netip.Addr) []netip.Addr {
	list := slices.SortedFunc(slices.Values(hosts), netip.Addr.Compare)
	if z.Order != OrderRotate {
		return list
	}
	first := int(serial % uint32(len(list)))
	return slices.Concat(list[first:], list[:first])
}

// Serial finds the serial in a zone that Format wrote.
func Serial(text []byte) (uint32, bool) {
	for line := range strings.Lines(string(text)) {
		number, ok := strings.CutSuffix(strings.TrimSpace(line), serialMark)
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32); err == nil {
			return uint32(n), true
		}
	}
	return 0, false
}

// Next returns the serial that follows old in the arithmetic of RFC 1982: the
// time if that is later, as it is unless a zone changed more than once a
// second or the clock was set back.
func Next(old uint32, now time.Time) uint32 {
	if t := uint32(now.Unix()); int32(t-old) > 0 {
		return t
	}
	return old + 1
}

// Hosts returns the addresses to publish: this host's if it is active, and
// those of the peers that can be chosen. A host that is alone and does not want
// connections is published all the same, for it serves them while there is no
// other, and a name without addresses serves nobody. The error says that this
// host is not configured.
func Hosts(c dprnl.Config, peers []dprnl.Peer) ([]netip.Addr, error) {
	if !c.Address.IsValid() || c.Address.IsUnspecified() {
		return nil, fmt.Errorf("this host has no address configured (dprctl apply)")
	}
	var list []netip.Addr
	for _, p := range peers {
		if p.Usable {
			list = append(list, p.Address)
		}
	}
	if c.State == dprnl.StateActive || len(list) == 0 {
		list = append(list, c.Address)
	}
	return list, nil
}
