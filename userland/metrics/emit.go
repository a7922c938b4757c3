// SPDX-License-Identifier: MIT

package metrics

import (
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dpr/userland/dprnl"
	"dpr/userland/receive"
)

// The clock and the key of a host are those of its last report, if that came within lately, or
// no more than so many have been missed since.
const (
	lately = time.Minute
	missed = 3
)

// An emitter writes const metrics.
type emitter struct {
	out   chan<- prometheus.Metric
	d     *descs
	brief bool // of peers only what alerts ask for
}

func (e *emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (e *emitter) counter(d *prometheus.Desc, v uint64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (e *emitter) view(v *view) {
	e.stats(&v.stats)
	d := e.d
	for state, n := range v.states {
		e.gauge(d.flowsByState, float64(n), state.String())
	}
	if a := v.config.Address; a.IsValid() && !a.IsUnspecified() {
		e.gauge(d.host, 1, a.String())
	}
	e.gauge(d.flowsMax, float64(v.config.MaxFlows))
	e.gauge(d.load, float64(v.load.Load))
	e.gauge(d.maxLoad, maxLoad(v.config.MaxLoad))
	e.gauge(d.weight, float64(v.config.Weight))
	e.gauge(d.connections, float64(v.load.Connections))
	e.gauge(d.cpu, ratio(v.load.CPU))
	e.gauge(d.redirected, float64(v.load.Redirected))
	e.gauge(d.sockets, float64(v.load.Sockets))
	for _, word := range dprnl.StateWords() {
		e.gauge(d.state, truth(word == v.config.State.String()), word)
	}
	for _, word := range dprnl.PolicyWords() {
		e.gauge(d.policy, truth(word == v.config.Policy.String()), word)
	}
	e.gauge(d.services, float64(len(v.services)))
	for _, s := range v.services {
		e.gauge(d.serviceConnections, float64(s.Connections), s.Address.String(), fmt.Sprint(s.Port))
		for _, word := range dprnl.ServiceStateWords() {
			e.gauge(d.serviceState, truth(word == s.State.String()), s.Address.String(), fmt.Sprint(s.Port), word)
		}
	}
	redirected := make(map[uint16]uint64)
	for _, s := range v.services {
		if s.Rules.Load.Value == dprnl.LoadOfService {
			redirected[s.Port] = 0
		}
	}
	for _, p := range v.peers {
		for _, l := range p.Loads {
			redirected[l.Port] += uint64(l.Live)
		}
	}
	for port, n := range redirected {
		e.gauge(d.serviceRedirected, float64(n), fmt.Sprint(port))
	}
	e.gauge(d.reportMaxAge, v.config.ReportMaxAge.Seconds())
	e.peers(v.peers)
}

func ratio(thousandths uint32) float64 { return float64(thousandths) / dprnl.MaxCPU }

// stats writes the kernel's counters. Flows become gauges by state.
func (e *emitter) stats(s *dprnl.Stats) {
	for k, v := range s.All() {
		if verdict, reason, ok := decision(k); ok {
			e.counter(e.d.decisions, v, verdict, reason)
		} else if desc := e.d.counters[k]; desc != nil {
			e.counter(desc, v)
		}
	}
	all, live := s.Get(dprnl.StatFlows), s.Get(dprnl.StatFlowsLive)
	e.gauge(e.d.flows, float64(live), "live")
	e.gauge(e.d.flows, float64(all-min(live, all)), "closing")
}

func (e *emitter) peers(list []dprnl.Peer) {
	listed, usable := 0, 0
	for i := range list {
		e.peer(&list[i])
		if list[i].Listed {
			listed++
		}
		if list[i].Usable {
			usable++
		}
	}
	e.gauge(e.d.peers, float64(len(list)), "known")
	e.gauge(e.d.peers, float64(listed), "listed")
	e.gauge(e.d.peers, float64(usable), "usable")
}

func (e *emitter) peer(p *dprnl.Peer) {
	d, name := &e.d.peer, p.Address.String()
	for _, word := range dprnl.StateWords() {
		e.gauge(d.state, truth(word == p.State.String()), name, word)
	}
	if p.Reported {
		e.gauge(d.age, p.Age.Seconds(), name)
		for _, word := range dprnl.BarredWords() {
			if word != dprnl.BarredNo.String() {
				e.gauge(d.barred, truth(word == p.Barred.String()), name, word)
			}
		}
	}
	if !e.brief {
		e.load(p)
	}
}

// load writes the rest of a peer's row.
func (e *emitter) load(p *dprnl.Peer) {
	d, name := &e.d.peer, p.Address.String()
	e.gauge(d.usable, truth(p.Usable), name)
	e.gauge(d.listed, truth(p.Listed), name)
	e.gauge(d.weight, float64(p.Weight), name)
	e.gauge(d.flows, float64(p.Flows), name)
	e.gauge(d.live, float64(p.Live), name)
	e.counter(d.redirects, p.Redirects, name)
	for _, l := range p.Loads {
		if l.Known {
			e.gauge(d.serviceLoad, float64(l.Estimate), name, fmt.Sprint(l.Port))
		}
	}
	if p.Listed {
		e.gauge(d.direct, truth(p.Forwarding == dprnl.ForwardingDirect), name)
	}
	if !p.Reported {
		return // without a report the rest would be a meaningless 0
	}
	e.gauge(d.down, float64(len(p.Down)), name)
	e.gauge(d.load, float64(p.Load), name)
	e.gauge(d.estimate, float64(p.Estimate), name)
	e.gauge(d.connections, float64(p.Metrics.Connections), name)
	e.gauge(d.cpu, ratio(p.Metrics.CPU), name)
	e.gauge(d.redirected, float64(p.Metrics.Redirected), name)
	e.gauge(d.sockets, float64(p.Metrics.Sockets), name)
}

// reports writes what dpr-receive counted.
func (e *emitter) reports(s receive.Status) {
	var refused uint64
	for name, n := range s.Counts {
		if name != receive.Accepted && name != receive.Own && name != receive.Superseded {
			refused += n
			e.counter(e.d.reportsRefused, n, name)
		}
	}
	e.counter(e.d.reports, s.Counts[receive.Accepted], "accepted")
	e.counter(e.d.reports, s.Counts[receive.Own], "own")
	e.counter(e.d.reports, s.Counts[receive.Superseded], "superseded")
	e.counter(e.d.reports, refused, "refused")
	for _, h := range s.Hosts {
		// What a host said long ago may not be so any more.
		if time.Since(h.Received) <= max(lately, missed*time.Duration(h.Period*float64(time.Second))) {
			e.gauge(e.d.peerClock, h.Clock, h.Address.String())
			e.gauge(e.d.peerInfo, 1, h.Address.String(), h.Version, h.Key)
		}
	}
	e.gauge(e.d.reportsUptime, float64(s.Started.UnixMilli())/1000)
}

// maxLoad returns a MaxLoad as a metric. "auto" becomes NaN.
func maxLoad(v uint64) float64 {
	if v == dprnl.MaxLoadAuto {
		return math.NaN()
	}
	return float64(v)
}
