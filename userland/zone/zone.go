// SPDX-License-Identifier: MIT

// Package zone writes DNS zones that publish the addresses of a cluster's live
// hosts, of either family, in the master file format of RFC 1035.
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

// An Order is the order in which a zone lists the hosts.
type Order string

// The orders. Servers that rotate addresses themselves only need OrderAddress.
const (
	OrderAddress Order = "address" // ascending
	OrderRotate  Order = "rotate"  // ascending, but each serial starts with the next
)

// A NameServer is a server of the zone.
type NameServer struct {
	Name    string     // fully qualified, with its final dot
	Address netip.Addr // for a name inside the zone, else invalid
}

// A Zone holds the content of a zone except for addresses and serial.
type Zone struct {
	Name       string        // fully qualified, with its final dot
	TTL        time.Duration // of all records; whole seconds
	Owners     []string      // fully qualified names that get the hosts' addresses
	Servers    []NameServer  // at least one
	Hostmaster string        // of the SOA record: the mail address with a dot instead of @
	Order      Order
}

// Timers for secondary servers, in seconds. For a day, a zone without its primary
// is better than none.
const (
	refresh = 60
	retry   = 10
	expire  = 86400
)

// serialMark follows the serial so that Serial can find it.
const serialMark = "; serial"

// Format formats the zone with a serial and the addresses of at least one host.
func (z *Zone) Format(serial uint32, hosts []netip.Addr) []byte {
	ttl := int(z.TTL / time.Second)
	var b bytes.Buffer
	fmt.Fprintln(&b, "; Live hosts of the cluster, written by dprctl zone. Manual changes will be lost.")
	fmt.Fprintf(&b, "$ORIGIN %s\n$TTL %d\n", z.Name, ttl)
	fmt.Fprintf(&b, "@ IN SOA %s %s (\n\t%d %s\n\t%d %d %d %d )\n", z.Servers[0].Name, z.Hostmaster,
		serial, serialMark, refresh, retry, expire, ttl)
	for _, s := range z.Servers {
		fmt.Fprintf(&b, "@ IN NS %s\n", s.Name)
	}
	for _, s := range z.Servers {
		if s.Address.IsValid() {
			fmt.Fprintln(&b, record(s.Name, s.Address))
		}
	}
	for _, owner := range z.Owners {
		for _, h := range z.arrange(serial, hosts) {
			fmt.Fprintln(&b, record(owner, h))
		}
	}
	return b.Bytes()
}

// record is an address's record: A of RFC 1035, or AAAA of RFC 3596.
func record(owner string, a netip.Addr) string {
	kind := "A"
	if a.Is6() {
		kind = "AAAA"
	}
	return fmt.Sprintf("%s IN %s %v", owner, kind, a)
}

// arrange returns the hosts in the zone's order.
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

// Next returns a serial after old in the arithmetic of RFC 1982. It is the time,
// or old+1 if the time is not later because the zone changed more than once a
// second or the clock was set back.
func Next(old uint32, now time.Time) uint32 {
	if t := uint32(now.Unix()); int32(t-old) > 0 {
		return t
	}
	return old + 1
}

// Hosts returns the addresses to publish: this host's if it is active, and those
// of usable peers. Without usable peers this host is published even if it is not
// active: it serves connections as long as there is no other host, and a name
// without addresses would serve nobody. The error means that this host is not
// configured.
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
