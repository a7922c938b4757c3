// SPDX-License-Identifier: MIT

// Package report implements the load report that the hosts of a cluster send each
// other once a period: its wire format, its authentication, and the verifier with
// which a receiver checks every datagram.
//
// # Wire format
//
// A report is one UDP datagram, of version 1 or 2. docs/protocol.md has both, byte by
// byte. Version 2 consists of a head and of fields with a type and a length, so that
// a later version can add some that this one skips.
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
// and within the window. If the clocks of both hosts were ahead, by more than the window, the
// receiver takes the next boot's reports as soon as both are right; reports of the boot
// before it are refused until the time of the last of them has passed, unless the receiver
// restarts.)
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
