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
//
// # JSON
//
// With --json a command writes one object or array, except for flows and
// events, which write one object a line. Names are stable: fields may be
// added, none changes its meaning. Numbers are numbers, times are in
// milliseconds and end in _ms, a CPU utilisation is in thousandths. Words are
// those of the commands' flags.
//
//	status        module, configured, config, load, services, peers {known,
//	              listed, usable}, flows, flows_live, healthy, problems
//	config,       configured, address, policy, hash, estimate, marker, state,
//	policy        max_load, weight, weights {connections, cpu, redirected,
//	              sockets}, max_flows, report_max_age_ms, timeouts {syn_ms,
//	              established_ms, fin_ms, rst_ms}
//	service list  array of port, address (0.0.0.0: all)
//	peers         array of address, state, weight, connections, cpu,
//	              redirected, sockets, load, estimate, age_ms (null: it never
//	              reported), usable, listed, flows, live, redirects
//	flows         a line each: client, client_port, address, port, peer,
//	              state, idle_ms, expires_ms
//	load          connections, cpu, redirected, sockets, load
//	stats         each counter under its name
//	events        a line each: time, event; where they apply peer, state
//	expire        scanned, expired, reset, flows, done
//	apply         address, added, removed (arrays as of service list)
//	check         file, ok, mistakes (array of line, key, message)
package ctl
