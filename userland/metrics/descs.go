// SPDX-License-Identifier: MIT

package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"dpr/userland/dprnl"
)

// descs holds the descriptions of all metrics.
type descs struct {
	list []*prometheus.Desc

	up, receiveUp, build, host             *prometheus.Desc
	decisions                              *prometheus.Desc
	counters                               map[dprnl.Stat]*prometheus.Desc
	flows, flowsByState, flowsMax          *prometheus.Desc
	load, maxLoad, weight                  *prometheus.Desc
	connections, cpu, redirected, sockets  *prometheus.Desc
	state, policy, services, reportMaxAge  *prometheus.Desc
	serviceState, serviceConnections       *prometheus.Desc
	serviceRedirected                      *prometheus.Desc
	peers                                  *prometheus.Desc
	peer                                   peerDescs
	reports, reportsRefused, reportsUptime *prometheus.Desc
	peerClock, peerInfo                    *prometheus.Desc // of dpr-receive
	fastPath                               *prometheus.Desc // of dpr-fastpath
}

// peerDescs holds the descriptions of the load table's columns.
type peerDescs struct {
	usable, listed, state, weight, load, estimate, age *prometheus.Desc
	connections, cpu, redirected, sockets              *prometheus.Desc
	flows, live, redirects, barred, down, serviceLoad  *prometheus.Desc
	direct                                             *prometheus.Desc
}

func newDescs() *descs {
	d := &descs{counters: make(map[dprnl.Stat]*prometheus.Desc)}
	d.up = d.add("up", "Whether the kernel module answered.")
	d.build = d.add("build_info", "Always 1; the labels say what this exporter was built from.", "version", "goversion")
	d.host = d.add("host_info", "Always 1; the address by which peers know this host.", "address")
	d.receiveUp = d.add("receive_up", "Whether dpr-receive answered.")
	d.reports = d.add("reports_total", "Reports received since dpr-receive started, by result.", "result")
	d.reportsRefused = d.add("reports_refused_total", "Reports refused since dpr-receive started, by reason.", "reason")
	d.peerClock = d.add("peer_clock_offset_seconds", "How far the peer's clock is ahead of this host's, less the way of the report.", "peer")
	d.peerInfo = d.add("peer_info", "Always 1; the version of the peer's software (empty: 0.2 or earlier), and the id of the key that it signs with.", "peer", "version", "key")
	d.reportsUptime = d.add("receive_start_time_seconds", "Unix time at which dpr-receive started.")

	d.fastPath = d.add("fast_path_attached", "Whether the fast path is on at a device that is to have it.", "device")

	d.decisions = d.add("decisions_total", "New client connections to services, by SYN decision and reason.", "decision", "reason")
	var stats dprnl.Stats
	for s := range stats.All() {
		if _, _, ok := decision(s); !ok && !s.Gauge() {
			d.counters[s] = d.add(s.String()+"_total", s.Help())
		}
	}
	d.flows = d.add("flows", "Flows in the routing table: live (in state SYN or established) and closing.", "state")
	d.flowsByState = d.add("flows_by_state", "Flows in the routing table by state; absent from large tables.", "state")
	d.flowsMax = d.add("flows_max", "Size limit of the routing table.")

	d.load = d.add("load", "This host's load: the weighted sum of its metrics.")
	d.maxLoad = d.add("max_load", "Load below which this host serves every connection; NaN if it follows the mean of all hosts (auto).")
	d.weight = d.add("weight", "Relative capacity of this host.")
	d.connections = d.add("connections", "Open connections of the services that this host serves, until all their data is out.")
	d.cpu = d.add("cpu_utilization_ratio", "CPU utilisation of this host over all CPUs, 0 to 1.")
	d.redirected = d.add("redirected_connections", "Connections that this host currently redirects.")
	d.sockets = d.add("sockets", "Sockets in use on this host.")
	d.state = d.add("state", "1 for the current state of this host.", "state")
	d.policy = d.add("policy", "1 for the current policy of this host.", "policy")
	d.services = d.add("services", "Services configured on this host.")
	d.serviceState = d.add("service_state", "1 for the current state of a service on this host.", "address", "port", "state")
	d.serviceConnections = d.add("service_connections", "Open connections of a service that this host serves.", "address", "port")
	d.serviceRedirected = d.add("service_redirected_connections", "Connections that this host currently redirects to peers that report, of services with a load of their own.", "port")
	d.reportMaxAge = d.add("report_max_age_seconds", "Age at which a peer's report expires.")
	d.peers = d.add("peers", "Peers by kind: known, listed in the load table, usable for new connections.", "kind")
	d.addPeer()
	return d
}

func (d *descs) addPeer() {
	p := &d.peer
	add := func(name, help string, labels ...string) *prometheus.Desc {
		return d.add("peer_"+name, help, append([]string{"peer"}, labels...)...)
	}
	p.usable = add("usable", "Whether the peer is usable for new connections.")
	p.listed = add("listed", "Whether the peer is in the load table.")
	p.state = add("state", "1 for the state that the peer reported.", "state")
	p.weight = add("weight", "Relative capacity of the peer.")
	p.load = add("load", "Load of the peer as reported, computed with this host's weights.")
	p.estimate = add("load_estimate", "Estimated load of the peer, as used by policies.")
	p.age = add("report_age_seconds", "Time since the peer's last report.")
	p.connections = add("connections", "Open connections of the services that the peer serves, as reported.")
	p.cpu = add("cpu_utilization_ratio", "CPU utilisation of the peer, 0 to 1, as reported.")
	p.redirected = add("redirected_connections", "Connections that the peer redirects, as reported.")
	p.sockets = add("sockets", "Sockets in use on the peer, as reported.")
	p.flows = add("flows", "Flows from this host to the peer.")
	p.live = add("flows_live", "Flows from this host to the peer in state SYN or established.")
	p.barred = add("barred", "1 for the reason why the peer gets no new connections though it reports.", "reason")
	p.down = add("services_down", "Services of this host that the peer cannot serve.")
	p.serviceLoad = add("service_load_estimate", "Connections that the peer is estimated to have, of services with a load of their own; absent while unknown.", "port")
	p.direct = add("direct", "Whether packets of services with forwarding auto go straight to the peer's link-layer address, not in a tunnel; absent unless the peer is listed.")
	p.redirects = add("redirects_total", "Connections redirected to the peer since it became known.")
}

func (d *descs) add(name, help string, labels ...string) *prometheus.Desc {
	desc := prometheus.NewDesc("dpr_"+name, help, labels, nil)
	d.list = append(d.list, desc)
	return desc
}

func (d *descs) all(out chan<- *prometheus.Desc) {
	for _, desc := range d.list {
		out <- desc
	}
}

// decision splits the name of a SYN decision's counter, such as
// served_below_max_load, into verdict and reason.
func decision(s dprnl.Stat) (verdict, reason string, ok bool) {
	switch s {
	case dprnl.StatRedirected:
		return "redirected", "flow", true
	case dprnl.StatRedirectedHash:
		return "redirected", "hash", true
	}
	reason, ok = strings.CutPrefix(s.String(), "served_")
	return "served", reason, ok
}
