// SPDX-License-Identifier: MIT

// Package lard simulates hosts whose memory is too small for all documents that
// they serve, to compare the policies of rules: does it pay that each host keeps
// a part of its own? It is the experiment of LARD (Pai et al., "Locality-aware
// request distribution in cluster-based network servers", ASPLOS 1998), with the
// module's own choice: kmod/core/choose.c, called through package module.
//
// A host has a processor, a disk and a cache of documents. Processor and disk work
// on one request at a time, in the order of their coming. The cache discards the
// document that was asked for the longest time ago (LRU), and counts bytes. Requests
// for a document that is being read wait for that one read. A fixed number of
// requests is under way (a closed system), as many as LARD's front end admits;
// each comes to a host at random. Documents are independent of each other, and a
// document's popularity of its size.
//
// Hosts report their connections once a second, as dpr does, and correct what they
// heard by their own handovers since. The processor of the first host pays for a
// handover and for the client's acknowledgments.
//
// What is left out: the network, connections of several requests, documents that
// change, files that are read in blocks (a read here has the disk to itself).
package lard
