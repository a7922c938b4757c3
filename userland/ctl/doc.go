// SPDX-License-Identifier: MIT

// Package ctl implements the command dprctl, which inspects and controls the
// kernel module in this network namespace.
//
// # Exit status
//
//	0  done
//	1  the kernel refused, or something else failed
//	2  wrong arguments, or a mistake in the configuration file
//	3  the kernel module is not loaded
//	4  CAP_NET_ADMIN is missing
//	5  status --check: this host is not healthy
//	6  drain, leave --wait: timed out before all connections ended
//
// # JSON
//
// With --json a command writes one object or array. The commands flows, events,
// top, drain and leave --wait, and zone --output write one object per line.
// Later versions may add fields, but no field changes its meaning. Times are in
// milliseconds and their names end in _ms; CPU utilisation is in thousandths.
// Words are those that the commands' flags accept.
//
//	status        module, configured, config, load, services, peers {known,
//	              listed, usable}, flows, flows_live, healthy, problems, fast_path
//	              (array of device, attached, forced, reason; absent: off, or
//	              this user may not ask)
//	config,       configured, address, policy, hash, estimate, marker, forwarding, answers,
//	policy        state, orphans, max_load, weight, weights {connections, cpu,
//	              redirected, sockets}, max_flows, report_max_age_ms, timeouts {syn_ms,
//	              established_ms, fin_ms, rst_ms}, slow_start_ms, affinity,
//	              affinity6, affinity_time_ms, splice_ports {first, last}, max_splices
//	service list  array of port, address (0.0.0.0: all), policy, max_load, hash,
//	              affinity, affinity6, affinity_time_ms, forwarding (absent: the
//	              configuration's), load (absent: host), state, connections
//	rules list    array of port, address, groups (array of name, policy, locality,
//	              spill, hosts (empty: all)), rules (array of group, and the
//	              conditions there are: host, path, method, cookie, sni, alpn),
//	              default_group (null: the service's policy)
//	rules test    outcome, rule (from 1; null: none), group (null: the service's
//	              policy), host (with --client; absent: the service's policy), hash (absent: the group does not go by it), why (array)
//	backends      array of name, address, port (0: the service's), services (ports),
//	              weight, limit (0: none), down, connections, spliced
//	peers         array of address, state, weight, connections, cpu,
//	              redirected, sockets, load, estimate, age_ms (null: never
//	              reported), usable, listed, flows, live, redirects, barred, down
//	              (ports), service_loads (array of port, estimate (null: unknown),
//	              live; absent: no service has a load of its own), forwarding
//	              (ipip or direct: how packets of services with auto go to it; null: not
//	              listed)
//	flows         one per line: client, client_port, address, port, peer,
//	              state, idle_ms, expires_ms
//	load          connections, cpu, redirected, sockets, load
//	stats         each counter under its name
//	reports       started, counts {accepted and each reason for refusal}
//	top           one per line: time, interval_ms, policy, max_load, flows,
//	              flows_live, rates per second {connections, served,
//	              redirected, accepted, tx_packets, tx_bytes, rx_packets,
//	              rx_bytes}, hosts (this one first) of address, self, state,
//	              usable, load, estimate, weight, connections, cpu, live,
//	              redirects (per second), age_ms
//	drain --wait  one per line: connections (served here), flows, flows_live,
//	              done; leave --wait likewise
//	zone          zone, serial, addresses; with --output one line each
//	              time the file changes
//	events        one per line: time, event; peer and state where they apply
//	expire        scanned, expired, reset, flows, done
//	apply         address, added, removed, changed, rules (arrays like service list; rules:
//	              those whose rules by what is asked for changed), backends_set,
//	              backends_removed (names)
//	check         file, ok, mistakes (array of line, key, message)
package ctl
