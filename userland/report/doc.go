// SPDX-License-Identifier: MIT

// Package report is the load report that hosts of a cluster send each other
// once a period: its wire format, its authentication, and the verifier that a
// receiver judges every datagram with.
//
// # Wire format, version 1
//
// A report is one UDP datagram. All numbers are unsigned and in network byte
// order.
//
//	offset size
//	     0    4  magic, the bytes "DPRr"
//	     4    1  version, 1
//	     5    1  authentication: 0 none, 1 HMAC-SHA-256
//	     6    2  length of the report in bytes: 76, or 108 with a HMAC
//	     8    4  key id, see Key.ID; 0 without authentication
//	    12    4  the host's IPv4 address, also the datagram's source
//	    16   16  boot id of the host's kernel
//	    32    8  sequence number, grows while the boot id stays
//	    40    8  time of sending, microseconds since 1970-01-01 UTC
//	    48    4  period, milliseconds, 1 to 3600000
//	    52    4  weight, the host's relative capacity, 1 to 65535
//	    56    4  metric 1, TCP connections in ESTABLISHED or CLOSE_WAIT
//	    60    4  metric 2, CPU utilisation in thousandths, 0 to 1000
//	    64    4  metric 3, connections that the host redirects just now
//	    68    4  metric 4, sockets in use
//	    72    1  state: 0 active, 1 draining, 2 leaving
//	    73    3  zero
//	    76   32  HMAC-SHA-256 of bytes 0 to 75, only with authentication 1
//
// A receiver refuses a report of another version or length: a field is added
// by a new version. Hosts that are upgraded one by one then do not see each
// other for a while; each goes on serving.
//
// # Authentication
//
// Key files hold 64 hexadecimal digits, 32 bytes from a good source of
// randomness. A receiver accepts two keys, a sender uses the first. To change
// the key without a gap: make the new key the previous_key_file of every host
// and reload; make it the key_file, the old one previous_key_file, and
// reload; drop the old key.
//
// # Replay
//
// A report is accepted once. Within a boot, the sequence number must grow; a
// new boot id must come with a later time of sending than all before it. The
// time must be within a window around the receiver's clock.
//
// A receiver that is started again must not take what it took before. The
// last report of each host is therefore also in a [Memory], a file on a file
// system that lives as long as the boot, written before the report counts, so
// that it is complete however the receiver ended. Of a host that is not in the
// memory, or without one, only reports count that were sent after the start:
// what was captured earlier is of no use, and the host sends another within a
// period. (Only if that host's clock is ahead of the receiver's, and the
// memory is lost, a report it sent before the start looks as if sent after
// it, until the host's next one.)
//
// The sequence number of this project's sender is the kernel's boot time clock
// in nanoseconds: it also grows over restarts of the sender.
package report
