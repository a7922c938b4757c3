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
// milliseconds and end in _ms, a CPU utilisation is in thousandths.
package ctl
