// SPDX-License-Identifier: MIT

package broadcast

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/ifaddr"
	"dpr/userland/report"
)

// details gathers what a report of version 2 says.
func (b *Broadcaster) details(ctx context.Context, k Kernel, c dprnl.Config) (*report.Details, error) {
	services, err := k.ServiceStates(ctx)
	if err != nil {
		return nil, err
	}
	peers, err := k.Peers(ctx)
	if err != nil {
		return nil, err
	}
	all, err := b.o.Addresses()
	if err != nil {
		return nil, err
	}
	d := &report.Details{
		Addresses: further(all, c.Address),
		Services:  states(services), ServicesSaid: true,
		Settings: report.SettingsOf(c),
		Software: b.o.Software[:min(len(b.o.Software), report.MaxSoftware)],
		Protocol: uint8(known(k, c, services)),
		Counts:   counts(services),
	}
	d.Peers, d.Heard = b.heard(peers, c.ReportMaxAge)
	return d, nil
}

// protocolWithoutKeys is what a host knows that has no keys of handovers: it could not tell
// those of its peers from forged ones. protocolOfSyn is what one knows that places each service
// by SYNs: its kernel has no place for a connection that a peer gives back, and the peer has
// ended the socket by then.
const (
	protocolWithoutKeys = 4
	protocolOfSyn       = 5
)

// known is the protocol between hosts that this host knows, as it is configured.
func known(k Kernel, c dprnl.Config, services []dprnl.ServiceStatus) uint32 {
	switch {
	case c.HandoverKeyIDs[0] == 0:
		return min(k.Protocol(), protocolWithoutKeys)
	case !slices.ContainsFunc(services, func(s dprnl.ServiceStatus) bool {
		return s.Rules.Dispatch.Or(dprnl.DispatchSyn) != dprnl.DispatchSyn
	}):
		return min(k.Protocol(), protocolOfSyn)
	}
	return k.Protocol()
}

// heard returns how many peers this host hears, and the next of them to be named: each
// report goes on where the last one stopped. A leaving peer counts as heard at any age, because
// dpr-receive does not pass its later reports to the kernel, and the peer still redirects to here.
func (b *Broadcaster) heard(peers []dprnl.Peer, maxAge time.Duration) (int, []report.PeerID) {
	peers = slices.DeleteFunc(peers, func(p dprnl.Peer) bool {
		return !p.Reported || p.Age > maxAge && p.State != dprnl.StateLeaving
	})
	slices.SortFunc(peers, func(a, b dprnl.Peer) int { return a.Address.Compare(b.Address) })
	var ids []report.PeerID
	for i := range min(len(peers), report.MaxHeard) {
		ids = append(ids, report.IDOf(peers[(b.named+i)%len(peers)].Address))
	}
	if len(peers) > 0 {
		b.named = (b.named + len(ids)) % len(peers)
	}
	return len(peers), ids
}

// states returns the services by port. Of those on one port, the worst counts: the
// others do not know which of a host's addresses a connection will have.
func states(services []dprnl.ServiceStatus) []report.Service {
	var all []report.Service
	for _, s := range services { // by port
		if n := len(all); n > 0 && all[n-1].Port == s.Port {
			all[n-1].State = max(all[n-1].State, s.State)
			continue
		}
		all = append(all, report.Service{Port: s.Port, State: s.State})
	}
	return all[:min(len(all), report.MaxServices)]
}

// counts returns the open connections of the services by port, as far as they are counted.
// If there are too many ports, those come first that have a load of their own here: other
// hosts compare the same ones.
func counts(services []dprnl.ServiceStatus) []dprnl.PortCount {
	var own, rest, skip []dprnl.PortCount
	for len(services) > 0 { // by port
		c := dprnl.PortCount{Port: services[0].Port}
		into, n := &rest, 0
		for n < len(services) && services[n].Port == c.Port {
			s := services[n]
			c.Connections += s.Connections
			if s.Rules.Load.Value == dprnl.LoadOfService && into == &rest {
				into = &own
			}
			if !s.Counted {
				into = &skip
			}
			n++
		}
		*into = append(*into, c)
		services = services[n:]
	}
	own = own[:min(len(own), report.MaxCounts)]
	all := append(own, rest[:min(len(rest), report.MaxCounts-len(own))]...)
	slices.SortFunc(all, func(a, b dprnl.PortCount) int { return int(a.Port) - int(b.Port) })
	return all
}

// further returns the addresses by which this host may be a client, besides its own. If
// there are too many, the first of both families are named: that there is one of a
// client's family lets this host have its connections.
func further(all []netip.Addr, own netip.Addr) []netip.Addr {
	var four, six []netip.Addr
	for _, a := range all {
		a = a.Unmap()
		list := &four
		if a.Is6() {
			list = &six
		}
		if a != own && a.IsGlobalUnicast() && a.Zone() == "" && !slices.Contains(*list, a) {
			*list = append(*list, a)
		}
	}
	const half = report.MaxAddresses / 2
	four = four[:min(len(four), report.MaxAddresses-min(len(six), half))]
	six = six[:min(len(six), report.MaxAddresses-len(four))]
	return append(four, six...)
}

// Addresses returns the addresses of this host's interfaces, those that stay first.
func Addresses() ([]netip.Addr, error) {
	all, err := ifaddr.All()
	if err != nil {
		return nil, err
	}
	var stay, pass []netip.Addr
	for _, a := range all {
		if a.Passing {
			pass = append(pass, a.Addr)
		} else {
			stay = append(stay, a.Addr)
		}
	}
	return append(stay, pass...), nil
}
