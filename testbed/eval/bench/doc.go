// SPDX-License-Identifier: MIT

// Package bench measures what dpr costs beside IPVS, the kernel's ipip and ip6tnl devices and
// the bare kernel.
//
// # Packets
//
// A guest with one processor and no network runs a kernel of Debian's under
// QEMU's -icount, where one nanosecond is one instruction: a figure is the same
// on every machine, and repeats within 0.2 %. The module dprinject gives frames
// to netif_receive_skb as if a device had received them; what they are redirected
// to is behind a dummy device with permanent neighbours; what building and
// freeing a frame takes is subtracted. A figure counts only if each packet arrived
// where it must. All systems are measured in the same boot. Each family has a boot of its
// own, in which clients, hosts and tunnels are of it.
//
// # The fast path
//
// In a guest of its own, whose kernel has the fast path, packets come by an ideal network
// card: the module dprnic has pages, NAPI and XDP in its driver, and no hardware. There dpr
// is measured with the fast path and without, beside IPVS, a program of XDP that does what
// Katran does, and one that only sends packets back.
//
// # Memory
//
// A table's memory is what was free before the system was there (pages of all
// zones, those that processors keep for themselves, and those of the measuring
// process) less what is free with the table, less the system's code. So it holds
// the flows' slabs, the hash table with what allocators round up, and whatever
// else the system took.
//
// # Whole connections
//
// HTTP in a lab: clients ask the servers behind s1 directly, and through s1 by
// dpr, IPVS in tunnel mode and HAProxy in TCP mode, in turn. Then these servers run
// nothing of dpr, and clients ask through IPVS-NAT, dpr's splices and HAProxy's.
//
// Compare is the second use: the same guest with the modules of two commits.
package bench
