// SPDX-License-Identifier: MIT

// Package metrics is the work of dpr-exporter: it tells Prometheus of this
// host's part in the cluster, at the time of asking and from the kernel, with
// nothing kept in between.
//
// No metric has a label per connection; those of peers have one line per peer.
// The counters' names and help texts are those of include/dpr.h:
//
//	dpr_up                      whether the kernel answered; without, only
//	                            the last five are there
//	dpr_decisions_total         {decision, reason}: one per new connection
//	dpr_<counter>_total         every other counter of the kernel
//	dpr_flows                   {state}: live, closing
//	dpr_flows_by_state          {state}: syn, established, fin, rst; left out
//	                            of large tables, which take time to go through
//	dpr_flows_max               bound of the routing table
//	dpr_load, dpr_max_load      this host's load, and below what it serves
//	dpr_connections, dpr_cpu_utilization_ratio, dpr_redirected_connections,
//	dpr_sockets                 the four metrics that the load is made of
//	dpr_weight                  this host's relative capacity
//	dpr_state                   {state}: 1 for the one it is in
//	dpr_policy                  {policy}: likewise
//	dpr_services                services of the cluster here
//	dpr_report_max_age_seconds  age from which a report counts no more
//	dpr_peers                   {kind}: known, listed, usable
//	dpr_peer_*                  {peer}: the load table
//	dpr_receive_up              whether dpr-receive answered
//	dpr_reports_total           {result}: accepted, own, refused
//	dpr_reports_refused_total   {reason}
//	dpr_receive_start_time_seconds  Unix time
//	dpr_build_info              {version, goversion}: 1
package metrics
