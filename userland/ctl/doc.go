// SPDX-License-Identifier: MIT

// Package ctl is the command dprctl: it shows and changes what the kernel
// module of this network namespace does.
//
// # Exit status
//
//	0  done
//	1  the kernel refused, or something else failed
//	2  wrong arguments, or a mistake in the configuration file
//	3  the kernel module is not loaded
//	4  no right (CAP_NET_ADMIN)
//	5  status --check: this host is not healthy
//	6  drain, leave --wait: the time was over before the connections were
//
// # JSON
//
// With --json a command writes one object or array, except for flows, events,
// top, drain and leave --wait, and zone --output, which write one object a line. Names are stable: fields may be
// added, none changes its meaning. Numbers are numbers, times are in
// milliseconds and end in _ms, a CPU utilisation is in thousandths. Words are
// those of the commands' flags.
//
//	status        module, configured, config, load, services, peers {known,
//	              listed, usable}, flows, flows_live, healthy, problems
//	config,       configured, address, policy, hash, estimate, marker, state,
//	policy        orphans, max_load, weight, weights {connections, cpu,
//	              redirected, sockets}, max_flows, report_max_age_ms, timeouts {syn_ms,
//	              established_ms, fin_ms, rst_ms}
//	service list  array of port, address (0.0.0.0: all)
//	peers         array of address, state, weight, connections, cpu,
//	              redirected, sockets, load, estimate, age_ms (null: it never
//	              reported), usable, listed, flows, live, redirects
//	flows         a line each: client, client_port, address, port, peer,
//	              state, idle_ms, expires_ms
//	load          connections, cpu, redirected, sockets, load
//	stats         each counter under its name
//	reports       started, counts {accepted and each reason of a refusal}
//	top           a line each: time, interval_ms, policy, max_load, flows,
//	              flows_live, rates per second {connections, served,
//	              redirected, accepted, tx_packets, tx_bytes, rx_packets,
//	              rx_bytes}, hosts (this one first) of address, self, state,
//	              usable, load, estimate, weight, connections, cpu, live,
//	              redirects (per second), age_ms
//	drain --wait  a line each: connections (served here), flows, flows_live,
//	              done; as leave --wait
//	zone          zone, serial, addresses; with --output a line for each
//	              time the file changed
//	events        a line each: time, event; where they apply peer, state
//	expire        scanned, expired, reset, flows, done
//	apply         address, added, removed (arrays as of service list)
//	check         file, ok, mistakes (array of line, key, message)
package ctl
