// SPDX-License-Identifier: MIT

// Package chaos does to a cluster under load what can happen to one, by a random
// schedule that its seed repeats, and judges every connection that failed.
//
// Clients ask s1, s2 and s3, as DNS would have it; s4 is a spare that serves what
// the others redirect. Every connection is checked by content, and for each the
// checker knows its client's port, whom it asked, when it lived, and who served
// it: an answer bears the server's name; of a connection without an answer the
// routing table of the host that it asked tells.
//
// # What may fail
//
// A connection may fail only for one of these reasons. "Alive" means that its
// life, from the first SYN until the client was done or saw the failure, overlaps
// the event's.
//
//	event, from … until …               the connections that it may end
//	─────────────────────────────────────────────────────────────────────────────
//	host powered off, until it serves   alive, and asked this host
//	again                               alive, and served by this host
//	module taken out, until it is in    alive, asked this host, and served by
//	again                               another: it was redirected, and the
//	                                    routing table is gone
//	cable out for longer than a host    alive for at least 10 s of it, and asked
//	is waited for (dead_after, 15 s)    this host
//	                                    alive for at least 10 s of it, and served
//	                                    by this host
//	                                    asked this host, and its address did not
//	                                    resolve: ARP gives up after 3 s
//	cable out, one direction lost,      two hosts answered its SYN, which was
//	packets lost or late, until it is   repeated meanwhile, and a RST followed
//	undone                              its handshake (twoAnswered)
//	anything else                       none
//
// "Anything else" is a process killed, a cable out or one direction of it lost for
// up to 3 s (less than ARP takes to give up), a peer that is not heard, packets lost, delayed
// (but for two answers to a SYN), reordered or
// duplicated, a clock that is wrong, another policy, a service removed and added, a
// host drained and added, a spare drained, powered off when nothing needs it, and
// added: TCP and dpr together survive these. So does what a host serves itself
// while its module is taken out, and what it serves for others.
//
// Who served is unknown if a connection failed before its first answer and has no
// flow although it could have been redirected: by the stateless policy, which keeps
// none, or with a routing table that is gone. Then it may fail if it may fail
// whoever served it; no more than one that asked a host that it had reason to ask.
// Such ones are counted apart.
//
// All other failures are unexpected: there must be none.
//
// With Options.Shared clients use one address that all hosts have. Routes lead to every
// host, and events change them. What happens to a host then ends connections that it served,
// and no others: "asked this host" is never so.
//
// # Being well
//
// Events come in rounds of one to eight that overlap. After each round all is
// undone, and within a minute every host must be able to redirect to every other
// again, its processes must run, its service must be there, its packets must be accounted for
// (package accounting), and no kernel may have complained.
package chaos
