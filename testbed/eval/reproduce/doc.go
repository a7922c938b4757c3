// SPDX-License-Identifier: MIT

// Package reproduce runs the paper's evaluation (L. Aversa and A. Bestavros,
// "Load Balancing a Cluster of Web Servers using Distributed Packet Rewriting",
// 2000, section 4) in a lab: three servers, six SURGE clients split 4:1:1, the
// policies in turn, and reports its Tables 1 and 2 and its figures with ours
// beside them.
//
// # Scale
//
// At scale 1 there are 5 processes of 50 users on each client, 1,500 users in all,
// as in the paper. A scale takes away users and capacity alike: each process has
// 50·scale users, and a server serves 246·scale requests per second.
//
// What does not shrink is chance. The number of requests that wait at a server
// because arrivals are irregular depends on how far it is loaded, not on how fast
// it is, so that their delays grow as capacity shrinks: to 1/scale times as much
// near balance. Delays of a host that has more users than it can serve stay as
// they are. A small scale therefore has all policies that balance look a little
// worse beside None, and differ more among themselves.
//
// # Capacity
//
// What a Pentium of 266 MHz served is not in the paper, but follows from its tables;
// see [Capacity]. In the lab a server's capacity is the rate of
// its link, enforced by tbf on its way out, not what its emulated processor happens
// to do. Below tbf, fq_codel shares the link among connections packet by packet and
// drops nothing: a server is a queue with processor sharing, as a server with a
// process for each connection is. Connections stay established until their last
// bytes are on the way because their send buffers are small (tcp_wmem); so the
// metric that the policies compare sees them.
//
// What a host redirects leaves by its link too, and so takes of its capacity: for a
// redirected connection, some 10 packets of the client's in an IP header more.
package reproduce
