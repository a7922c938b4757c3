// SPDX-License-Identifier: MIT

// Package moved simulates a rehash, event by event: routers send the packets of many
// connections to other hosts than before, and each host asks its peers who has their
// sockets. It answers what a guest is too small for: how long that takes in clusters of 10
// or 100 hosts, how many messages it costs, and how other ways to ask would do.
//
// Limits and their order are those of kmod/owner.c and kmod/held.c; a test compares the
// numbers. Beside them the model has processors, which handle packets one after the other
// and drop those that find the ring full, links, which only delay, and clients' TCP, which
// sends again what was not acknowledged.
//
// What is left out: links that are full, claims that are forged, packets that the network
// loses, and that clients have more than one segment on the way.
package moved
