// SPDX-License-Identifier: MIT

// Package fuzz tries to break the module with what it should never get.
//
// A guest by itself boots for each part and does it, from a seed that all random
// choices follow from:
//
//   - netlink: messages to the module, made of what the family takes and damaged,
//     as root and as the root of a user namespace, in namespaces that come and
//     go; and as a user without rights, for whom nothing may be done. A refused
//     message must say why and have changed nothing; what was accepted must be
//     within the family's limits.
//   - packets: the module dprfuzz gives packets of clients and of peers, good ones
//     and damaged ones, to netif_receive_skb, while the configuration changes and
//     the module is loaded anew. They are of both families, in tunnels of both. What
//     the module counts must add up.
//   - faults: every operation is tried with its first allocation failing, then its
//     second, and so on until none is left.
//   - races: every operation beside every other, in namespaces that go meanwhile.
//   - flood: a cluster of namespaces is flooded with SYNs, ACKs, RSTs, fragments and
//     marked packets, while connections live and new ones are made.
//
// The kernel is the user-mode kernel with KASAN and kmemleak, at native speed;
// any other of package lab will do, for instance Debian's. A splat of the kernel,
// lost memory or a broken promise of the module fails the part.
package fuzz
