// SPDX-License-Identifier: MIT

package receive

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"dpr/userland/dprnl"
	"dpr/userland/report"
)

// A HostStatus is what a receiver knows of another host by its datagrams.
type HostStatus struct {
	Address netip.Addr `json:"address"`
	// Received is when the last report was accepted; zero: none was, and of what follows
	// only Refused is known.
	Received time.Time   `json:"received,omitzero"`
	Protocol int         `json:"protocol,omitempty"` // that it knows for redirected packets; 1: its reports are of version 1
	Version  string      `json:"version,omitempty"`  // of the software; empty with protocol 1
	State    dprnl.State `json:"state"`
	Clock    float64     `json:"clock"`         // seconds that its clock is ahead of ours, less the report's way
	Key      string      `json:"key,omitempty"` // id of the key that it signs with; empty: none
	Hears    int         `json:"hears"`         // how many peers it hears; 0 with protocol 1
	Period   float64     `json:"period"`        // seconds from report to report
	Down     []uint16    `json:"down,omitempty"`
	// Addresses are the others that it has, besides Address; none with protocol 1.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	// Barred is why it gets no new connections from this host, and since when.
	Barred dprnl.Barred `json:"barred,omitempty"`
	Since  time.Time    `json:"since,omitzero"`
	// Refused is why a datagram of it was refused last, as in Counts, and when.
	Refused   string    `json:"refused,omitempty"`
	RefusedAt time.Time `json:"refused_at,omitzero"`
}

// forgetAfter is how long a host that is silent is still told of.
const forgetAfter = time.Hour

// maxStrangers is how many hosts are told of that never sent a report that was accepted.
// Anybody can send datagrams from any address where they are not filtered, and must neither
// fill the table of the others nor make the status too long to be read.
const maxStrangers = 256

// A hostTable is what is known of hosts, for other goroutines to read.
type hostTable struct {
	mu        sync.Mutex
	all       map[netip.Addr]*HostStatus // of which a report was accepted
	strangers map[netip.Addr]*HostStatus // of which none was
}

func newHostTable() hostTable {
	return hostTable{all: make(map[netip.Addr]*HostStatus), strangers: make(map[netip.Addr]*HostStatus)}
}

// of returns the entry of a host in a table; nil if that would be more than most.
func of(table map[netip.Addr]*HostStatus, most int, a netip.Addr, now time.Time) *HostStatus {
	if s := table[a]; s != nil {
		return s
	}
	if len(table) >= most {
		forget(table, now)
		if len(table) >= most {
			return nil
		}
	}
	s := &HostStatus{Address: a}
	table[a] = s
	return s
}

// forget deletes hosts that have been silent for long.
func forget(table map[netip.Addr]*HostStatus, now time.Time) {
	for a, s := range table {
		if now.Sub(s.Received) > forgetAfter && now.Sub(s.RefusedAt) > forgetAfter {
			delete(table, a)
		}
	}
}

// accepted notes a report, and what follows from it.
func (h *hostTable) accepted(rep *report.Report, key string, barred dprnl.Barred, down []uint16, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := of(h.all, dprnl.MaxPeers, rep.Host, now)
	if s == nil {
		return
	}
	if was := h.strangers[rep.Host]; was != nil {
		s.Refused, s.RefusedAt = was.Refused, was.RefusedAt
		delete(h.strangers, rep.Host)
	}
	if barred != s.Barred || s.Received.IsZero() {
		s.Since = now
	}
	if barred == dprnl.BarredNo {
		s.Since = time.Time{}
	}
	s.Received, s.State, s.Clock, s.Key, s.Period = now, rep.State, rep.Time.Sub(now).Seconds(), key, rep.Period.Seconds()
	s.Barred, s.Down, s.Protocol, s.Version, s.Hears = barred, down, int(rep.Protocol()), "", 0
	s.Addresses = nil
	if d := rep.Details; d != nil {
		s.Version, s.Hears, s.Addresses = d.Software, d.Peers, d.Addresses
	}
}

// refused notes a datagram that was refused.
func (h *hostTable) refused(sender netip.Addr, reason string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.all[sender]
	if s == nil {
		s = of(h.strangers, maxStrangers, sender, now)
	}
	if s != nil {
		s.Refused, s.RefusedAt = reason, now
	}
}

// list forgets who has been silent for long, and returns a copy, by address.
func (h *hostTable) list(now time.Time) []HostStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	forget(h.all, now)
	forget(h.strangers, now)
	list := make([]HostStatus, 0, len(h.all)+len(h.strangers))
	for _, table := range []map[netip.Addr]*HostStatus{h.all, h.strangers} {
		for _, s := range table {
			list = append(list, *s)
		}
	}
	slices.SortFunc(list, func(a, b HostStatus) int { return a.Address.Compare(b.Address) })
	return list
}
