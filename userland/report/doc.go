// SPDX-License-Identifier: MIT

// Package report implements the load report that the hosts of a cluster send each
// other once a period: its wire format, its authentication, and the verifier with
// which a receiver checks every datagram.
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
//	    32    8  sequence number, increases within a boot
//	    40    8  time of sending, microseconds since 1970-01-01 UTC
//	    48    4  period, milliseconds, 1 to 3600000
//	    52    4  weight, the host's relative capacity, 1 to 65535
//	    56    4  metric 1, TCP connections in ESTABLISHED or CLOSE_WAIT
//	    60    4  metric 2, CPU utilisation in thousandths, 0 to 1000
//	    64    4  metric 3, connections that the host currently redirects
//	    68    4  metric 4, sockets in use
//	    72    1  state: 0 active, 1 draining, 2 leaving
//	    73    3  zero
//	    76   32  HMAC-SHA-256 of bytes 0 to 75, only with authentication 1
//
// A receiver refuses reports of another version or length, so adding a field
// needs a new version. While hosts are upgraded one by one, old and new ones do
// not see each other; each continues to serve.
//
// # Authentication
//
// Key files hold 64 hexadecimal digits, which stand for 32 bytes from a good
// source of randomness. A receiver accepts two keys; a sender uses the first. To
// change the key without interruption, set the new key as previous_key_file on
// every host and reload; then swap the two keys on every host and reload; then
// remove the old key.
//
// # Replay
//
// A report is accepted only once. Within a boot the sequence number must
// increase, or the time of sending must be later than that of all earlier reports:
// a virtual machine that was rolled back to a snapshot has the boot id and the
// sequence numbers of then. A new boot id must come with such a time. The time must
// be within a window around the receiver's clock. (If a host's clock is set back, a
// report that it sent before and that somebody held back may be accepted late, once
// and within the window.)
//
// A restarted receiver must not accept a report again. Therefore the last report
// of each host is also stored in a [Memory], a file on a file system that lives
// until the next boot. The receiver writes it before it accepts the report, so
// the file is complete however the receiver ended. From a host that is not in
// the memory, or if there is no memory, the receiver only accepts reports sent
// after its start: reports captured earlier are useless, and the host sends a new
// one within a period. (There is one exception: if the memory is lost and the
// host's clock is ahead of the receiver's, a report sent before the start may look
// as if it was sent after it, until the host's next report.)
//
// This project's sender uses the kernel's boot time clock in nanoseconds as the
// sequence number, which also increases across restarts of the sender.
package report
