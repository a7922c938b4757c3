// SPDX-License-Identifier: MIT

package receive

import (
	"net/netip"
	"slices"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// A neighbour is what a receiver knows of a host that sends reports of version 2.
type neighbour struct {
	heard  time.Time // when it last said that it hears this host; at first of its first report
	last   time.Time // of its last report
	period time.Duration
	barred dprnl.Barred
}

// superseded reports whether a report of version 1 comes from a host that sends
// version 2, too: it says less.
func (r *Receiver) superseded(rep *report.Report) bool {
	n := r.neighbours[rep.Host]
	return rep.Details == nil && n != nil && r.o.Now().Sub(n.last) <= 3*n.period
}

// health judges what a report says of its host's fitness for this host's
// connections: why it gets none, and the ports of services that it cannot serve.
func (r *Receiver) health(rep *report.Report) (dprnl.Barred, []uint16) {
	d := rep.Details
	if d == nil {
		delete(r.neighbours, rep.Host)
		return dprnl.BarredNo, nil
	}
	now := r.o.Now()
	n := r.neighbours[rep.Host]
	if n == nil {
		if len(r.neighbours) >= dprnl.MaxPeers {
			clear(r.neighbours) // their next reports tell all again
		}
		n = new(neighbour)
		r.neighbours[rep.Host] = n
		if d.Peers > len(d.Heard) {
			n.heard = now // this host may be among those that it names next
		}
	}
	n.last, n.period = now, rep.Period
	if slices.Contains(d.Heard, report.IDOf(r.host)) {
		n.heard = now
	}
	barred := r.bar(n, rep)
	if barred != n.barred {
		r.logBarred(rep.Host, barred)
		n.barred = barred
	}
	return barred, down(d, r.services)
}

// bar returns why a host gets no new connections.
func (r *Receiver) bar(n *neighbour, rep *report.Report) dprnl.Barred {
	d := rep.Details
	// The report that names this host may be lost, and a peer that starts anew begins a new round.
	reports := 2 * ((max(d.Peers, 1) + report.MaxHeard - 1) / report.MaxHeard)
	switch {
	case r.o.Now().Sub(n.heard) > time.Duration(reports)*rep.Period:
		return dprnl.BarredUnheard
	case !d.Settings.IsZero() && !r.settings.IsZero() && d.Settings != r.settings:
		return dprnl.BarredSettings
	}
	return dprnl.BarredNo
}

func (r *Receiver) logBarred(host netip.Addr, why dprnl.Barred) {
	switch why {
	case dprnl.BarredUnheard:
		r.o.Log.Warn("peer does not hear this host's reports; it gets no new connections", "peer", host)
	case dprnl.BarredSettings:
		r.o.Log.Warn("peer has another marker; it gets no new connections", "peer", host)
	default:
		r.o.Log.Info("peer may get new connections again", "peer", host)
	}
}

// down returns the ports of services that a host cannot serve: it says so, or does not
// have them. If it says nothing of services, it may refuse what it cannot serve.
func down(d *report.Details, services []dprnl.Service) []uint16 {
	var ports []uint16
	if !d.ServicesSaid {
		return nil
	}
	for _, s := range services {
		i, found := slices.BinarySearchFunc(d.Services, s.Port, func(s report.Service, port uint16) int {
			return int(s.Port) - int(port)
		})
		unknown := !found && len(d.Services) == report.MaxServices
		if (found && d.Services[i].State == dprnl.ServiceUp) || unknown || slices.Contains(ports, s.Port) {
			continue
		}
		ports = append(ports, s.Port)
	}
	return ports
}
