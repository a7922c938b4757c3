// SPDX-License-Identifier: MIT

// Package roads holds the tests of one address on all hosts: a router spreads clients
// over the hosts (ECMP) that announce the address by BGP. Router and hosts run BIRD
// with the files of contrib/bird. The tests look at what happens to connections when
// hosts come and go, so that the router sends connections to other hosts than before.
//
// They are built with the tag "lab" and need root.
//
//	go test -tags lab ./testbed/check/roads
//
// DPR_ROADS_CONNECTIONS is how many connections are open at the changes, and
// DPR_ROADS_FORWARDING how redirected packets travel.
package roads
