// SPDX-License-Identifier: MIT

// Package metrics implements dpr-exporter, which exports this host's metrics to
// Prometheus. It reads them from the kernel at each scrape and keeps nothing in
// between.
//
// No metric has a label per connection; peer metrics have one line per peer. The
// names and help texts of counters come from include/dpr.h:
//
//	dpr_up                      whether the kernel answered; if not, only
//	                            the last eight are present
//	dpr_host_info               {address}: 1; how peers know this host
//	dpr_decisions_total         {decision, reason}: one per new connection
//	dpr_<counter>_total         every other counter of the kernel
//	dpr_flows                   {state}: live, closing
//	dpr_flows_by_state          {state}: syn, established, fin, rst, ended;
//	                            absent for large tables, which take time to read
//	dpr_flows_max               size limit of the routing table
//	dpr_load, dpr_max_load      this host's load, and the load below which it
//	                            serves every connection
//	dpr_connections, dpr_cpu_utilization_ratio, dpr_redirected_connections,
//	dpr_sockets                 the four metrics that make up the load
//	dpr_weight                  this host's relative capacity
//	dpr_state                   {state}: 1 for the current one
//	dpr_policy                  {policy}: likewise
//	dpr_services                services configured on this host
//	dpr_report_max_age_seconds  age at which a report expires
//	dpr_service_state           {address,port,state}: 1 for the current one
//	dpr_service_connections     {address,port}: open ones that this host serves
//	dpr_service_redirected_connections {port}: of services with a load of their own
//	dpr_peers                   {kind}: known, listed, usable
//	dpr_peer_*                  {peer}: the load table
//	dpr_peer_service_load_estimate {peer,port}: of services with a load of their own
//	dpr_receive_up              whether dpr-receive answered
//	dpr_fast_path_attached      {device}: of those that are to have the fast path; 0
//	                            for all if dpr-fastpath does not run
//	dpr_reports_total           {result}: accepted, own, superseded, refused
//	dpr_reports_refused_total   {reason}
//	dpr_peer_clock_offset_seconds  {peer}: by its reports; absent if it is silent
//	dpr_peer_info               {peer, version, key}: 1
//	dpr_receive_start_time_seconds  Unix time
//	dpr_build_info              {version, goversion}: 1
package metrics
