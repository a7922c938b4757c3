// SPDX-License-Identifier: MIT

// Package cluster holds the tests of the whole: the module in real kernels,
// the three processes, dprctl, a real web server and real clients, in a lab of
// three servers (DPR_CLUSTER_SERVERS: or more) and three clients that is booted once for
// all of them.
//
// They are built with the tag "lab" and need root. With the tag they never skip
// themselves: what the lab needs is installed, or the test fails.
//
//	go test -tags lab ./testbed/check/cluster
//
// Every test starts from the same state (see start) and fails if a kernel
// complained meanwhile.
package cluster
